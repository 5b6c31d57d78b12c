/* SPDX-License-Identifier: MIT
 *
 * A planted fault, loaded into real programs with LD_PRELOAD by tests/faults/31-stuck.py, so that
 * the programs themselves have no switch for it: a worker that unpacks an Operation whose bytes
 * hold KILLER ends at once, as if its code had a bug that only this operation meets. Each death is
 * a line in the file that HOLDFAST_PLANT_LOG names: the id of the operation that killed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KILLER "KILLS-ITS-WORKER"
#define ID_BYTES 16

typedef ProtobufCMessage *unpack_fn(const ProtobufCMessageDescriptor *, ProtobufCAllocator *,
                                    size_t, const uint8_t *);

/* Field 1 comes first in what every client packs: tag, length, bytes. */
static void tell(const uint8_t *data, size_t length)
{
    char line[2 * ID_BYTES + 2];
    const char *path = getenv("HOLDFAST_PLANT_LOG");
    int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;

    if (file < 0 || length < 2 + ID_BYTES || data[0] != 0x0a || data[1] != ID_BYTES)
        return;
    for (size_t i = 0; i < ID_BYTES; i++)
        snprintf(line + 2 * i, 3, "%02X", data[2 + i]);
    line[2 * ID_BYTES] = '\n';
    (void)!write(file, line, 2 * ID_BYTES + 1);
}

ProtobufCMessage *protobuf_c_message_unpack(const ProtobufCMessageDescriptor *descriptor,
                                            ProtobufCAllocator *allocator, size_t length,
                                            const uint8_t *data)
{
    static unpack_fn *real;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "protobuf_c_message_unpack");
    if (strcmp(descriptor->name, "hf.Operation") == 0 &&
        strcmp(program_invocation_short_name, "holdfast-worker") == 0 &&
        memmem(data, length, KILLER, strlen(KILLER))) {
        tell(data, length);
        (void)!system("kill -9 $PPID"); /* from outside: valgrind reports on who ends itself */
    }
    return real(descriptor, allocator, length, data);
}

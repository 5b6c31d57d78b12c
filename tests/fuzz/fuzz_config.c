/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a cluster.yaml: it is refused with a fault that a terminal can show, or it is taken,
 * and then what config_write makes of it is taken too and says the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct config *config)
{
    static struct config again;
    char error[4096], path[] = "/tmp/holdfast-fuzz-XXXXXX";
    int fd = mkstemp(path);

    assert(fd >= 0);
    close(fd);
    assert(config_write(config, path));
    assert(config_read(&again, path, error, sizeof error));
    unlink(path);
    memset(again.path, 0, sizeof again.path);
    assert(memcmp(&again, config, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config config;
    char error[2048];

    if (config_parse(&config, "fuzz", (const char *)data, size, error, sizeof error)) {
        check_round_trip(&config);
        return 0;
    }
    assert(strncmp(error, "fuzz:", 5) == 0);
    for (const char *p = error; *p; p++)
        assert((unsigned char)*p >= 0x20 || *p == '\n');
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * What production code asks of its machine, answered by the simulation: clocks, random numbers and
 * the log. Linked in place of common/clock.c, common/random.c and common/log.c. And the ids of
 * lines, which are made with a library that keeps memory of its own.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "client/holdfast.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/random.h"
#include "protocol/ids.h"
#include "tests/simulate/sim.h"

int64_t clock_wall_us(void)
{
    return sim_wall_us(sim_self());
}

int64_t clock_monotonic_us(void)
{
    return sim_monotonic_us(sim_self());
}

bool random_bytes(void *bytes, size_t size)
{
    sim_random_bytes(bytes, size);
    return true;
}

uint64_t random_below(uint64_t bound)
{
    return sim_below(bound);
}

bool log_open(const char *component, const char *path)
{
    (void)component;
    (void)path;
    return true;
}

void log_close(void)
{
}

void log_set_level(enum log_level level)
{
    (void)level;
}

/* The lines of a log are lines of the trace. */
void log_line(enum log_level level, const char *format, ...)
{
    char line[1024];
    va_list args;

    (void)level;
    if (!sim_tracing)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    sim_trace_line("log: %s", line);
}

/* The time between two lines must not depend on the seeds before. */
bool log_allowed(long *state)
{
    (void)state;
    return sim_tracing;
}

/* As client/holdfast.c, with another digest. */
void holdfast_derive_operation_id(const void *name, size_t name_bytes, uint64_t index,
                                  char text[UUID_TEXT_BYTES])
{
    XXH128_canonical_t digest;
    uint8_t id[UUID_BYTES];

    XXH128_canonicalFromHash(&digest, XXH3_128bits_withSeed(name, name_bytes, index));
    uuid_v8(id, digest.digest);
    uuid_format(id, text);
}

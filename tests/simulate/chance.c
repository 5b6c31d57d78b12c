/* SPDX-License-Identifier: MIT
 *
 * Chance, the faults of a seed, what was seen, failing and the trace; see sim.h.
 */
#include "tests/simulate/chance.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/simulate/heap.h"

#define MILLION 1000000u

static const uint32_t base_rates[SIM_FAULT_COUNT] = {
#define FAULT(name, rate, text) rate,
#include "tests/simulate/faults.def"
#undef FAULT
};

static const char *const fault_names[SIM_FAULT_COUNT] = {
#define FAULT(name, rate, text) #name,
#include "tests/simulate/faults.def"
#undef FAULT
};

static struct {
    uint64_t seed;
    uint64_t random;
    uint32_t rates[SIM_FAULT_COUNT]; /* of a million; UINT32_MAX: on, drawn by the world */
    bool stopped;
    struct sim_counts *counts;
    const char *program;
} chance;

bool sim_tracing;

/* ------------------------------------------------------------- random */

uint64_t sim_random(void)
{
    /* splitmix64, public domain, Sebastiano Vigna */
    uint64_t z = chance.random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_below(uint64_t n)
{
    return (uint64_t)(((unsigned __int128)sim_random() * n) >> 64);
}

int64_t sim_between(int64_t low, int64_t high)
{
    return low + (int64_t)sim_below((uint64_t)(high - low) + 1);
}

int64_t sim_skewed(int64_t low, int64_t high)
{
    uint64_t share = sim_below(MILLION);

    share = share * share / MILLION * share / MILLION; /* of a million, to the third power */
    return low + (int64_t)((double)(high - low) * (double)share / MILLION);
}

bool sim_one_in(uint64_t n)
{
    return sim_below(n) == 0;
}

void sim_random_bytes(void *bytes, size_t count)
{
    uint8_t *at = bytes;

    for (size_t i = 0; i < count; i++)
        at[i] = (uint8_t)sim_random();
}

/* ------------------------------------------------------------- faults */

void chance_begin(uint64_t seed)
{
    chance.seed = seed;
    chance.random = seed * 0xd1342543de82ef95u + 0x2545f4914f6cdd1du;
    (void)sim_random();
    chance.stopped = false;
    memset(chance.rates, 0, sizeof chance.rates);
}

void chance_switch(enum sim_fault kind, double strength)
{
    double rate = base_rates[kind] * strength;

    if (base_rates[kind] == 0)
        chance.rates[kind] = strength > 0 ? UINT32_MAX : 0;
    else
        chance.rates[kind] = rate > MILLION / 2 ? MILLION / 2 : (uint32_t)rate;
}

bool sim_fault_on(enum sim_fault kind)
{
    return !chance.stopped && chance.rates[kind] > 0;
}

void sim_fault_count(enum sim_fault kind)
{
    chance.counts->faults[kind]++;
    sim_digest_add((uint64_t)kind + 1000);
    sim_trace("fault %s", fault_names[kind]);
}

bool sim_fault(enum sim_fault kind)
{
    if (!sim_fault_on(kind) || chance.rates[kind] == UINT32_MAX ||
        sim_below(MILLION) >= chance.rates[kind])
        return false;
    sim_fault_count(kind);
    return true;
}

void sim_faults_stop(void)
{
    chance.stopped = true;
    sim_trace("faults stop");
}

bool sim_faults_stopped(void)
{
    return chance.stopped;
}

const char *sim_fault_name(enum sim_fault kind)
{
    return fault_names[kind];
}

/* ------------------------------------------------------------- coverage */

void chance_count_into(struct sim_counts *counts)
{
    chance.counts = counts;
}

void sim_seen(const char *name)
{
    struct sim_counts *counts = chance.counts;
    size_t length = strlen(name), at = 5381;

    for (size_t i = 0; i < length; i++)
        at = at * 33 + (unsigned char)name[i];
    for (size_t n = 0; n < SIM_SEEN_MAX; n++) {
        struct sim_seen_count *seen = &counts->seen[(at + n) % SIM_SEEN_MAX];
        if (seen->count == 0)
            snprintf(seen->name, sizeof seen->name, "%s", name);
        if (strncmp(seen->name, name, sizeof seen->name - 1) == 0) {
            seen->count++;
            return;
        }
    }
    sim_fail("more kinds of things were seen than SIM_SEEN_MAX");
}

/* ------------------------------------------------------------- telling */

static void say(const char *format, va_list args)
{
    char line[4096];
    struct sim_process *self = sim_self();
    int at =
        snprintf(line, sizeof line, "%10lld.%06lld %-10s ", (long long)(sim_now_us() / 1000000),
                 (long long)(sim_now_us() % 1000000), self ? self->name : "world");

    vsnprintf(line + at, sizeof line - (size_t)at - 1, format, args);
    strcat(line, "\n");
    fputs(line, stdout);
}

void sim_trace_line(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(format, args);
    va_end(args);
}

void chance_program(const char *program)
{
    chance.program = program;
}

uint64_t chance_seed(void)
{
    return chance.seed;
}

void sim_fail(const char *format, ...)
{
    char line[4096], all[6144];
    struct sim_process *self = sim_self();
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fflush(stdout);
    int length = snprintf(
        all, sizeof all, "seed %llu, %.6f s, %s: %s\n  replay: %s --seed %llu --trace\n",
        (unsigned long long)chance.seed, (double)sim_now_us() / 1e6, self ? self->name : "world",
        line, chance.program, (unsigned long long)chance.seed);
    (void)!write(STDERR_FILENO, all, (size_t)length);
    _exit(SIM_EXIT_FAILED);
}

/* SPDX-License-Identifier: MIT
 *
 * The side of chance.c that only the kernel and the program see.
 */
#ifndef TESTS_SIMULATE_CHANCE_H
#define TESTS_SIMULATE_CHANCE_H

#include "tests/simulate/sim.h"

/* What a run of the program ends with when a seed has failed. */
#define SIM_EXIT_FAILED 1

#define SIM_SEEN_MAX 1024u

struct sim_seen_count {
    char name[40];
    uint64_t count;
};

/* What was seen over many seeds. In memory that the parent of a run shares. */
struct sim_counts {
    uint64_t faults[SIM_FAULT_COUNT];
    struct sim_seen_count seen[SIM_SEEN_MAX];
};

void chance_program(const char *program);
void chance_count_into(struct sim_counts *counts);
void chance_begin(uint64_t seed);
uint64_t chance_seed(void);
/* strength 0: off. */
void chance_switch(enum sim_fault kind, double strength);
const char *sim_fault_name(enum sim_fault kind);

#endif

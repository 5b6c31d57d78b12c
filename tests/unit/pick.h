/* SPDX-License-Identifier: MIT
 *
 * Numbers for the random walks of unit tests: the same for the same seed.
 */
#ifndef TESTS_UNIT_PICK_H
#define TESTS_UNIT_PICK_H

#include <stdint.h>

static uint64_t seed_state = 88172645463325252u;

/* 0 to below - 1. */
static inline uint32_t pick(uint32_t below)
{
    seed_state ^= seed_state << 13;
    seed_state ^= seed_state >> 7;
    seed_state ^= seed_state << 17;
    return (uint32_t)((seed_state >> 11) % below);
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * Random numbers from the system: for ids that nobody else may draw, for secrets, and for pauses
 * that must differ between processes. Everything here and in the client library draws from this
 * module, so that a simulation can put a seed in its place.
 */
#ifndef COMMON_RANDOM_H
#define COMMON_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fills size bytes. False with errno: the system has none to give; it cannot happen any more once
 * it has worked. */
bool random_bytes(void *bytes, size_t size) __attribute__((warn_unused_result));

/* 0 to bound − 1, near enough evenly for a pause. bound is at least 1. Ends the process (abort)
 * when there is no randomness. */
uint64_t random_below(uint64_t bound);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The same calls against a real server and against the model: a random sequence of everything that
 * workers ask of store*.h, by three workers that take partitions from each other, work on stale
 * beliefs, make mistakes and kill each other's connections. Every outcome and every row that came
 * back is printed, and at the end all tables. All of it is linked twice, as calls_real and as
 * calls_model; tests/integration/33-model.py compares what they print.
 */
#ifndef TESTS_SIMULATE_MODEL_CALLS_H
#define TESTS_SIMULATE_MODEL_CALLS_H

#include "common/config.h"

#define CALLS_PARTITIONS 4u

/* The tables must be empty but for the partitions' rows. */
void calls_run(const struct config_shard *shard, uint64_t seed, unsigned steps);

#endif

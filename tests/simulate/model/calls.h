/* SPDX-License-Identifier: MIT
 *
 * The same calls against a real server and against the model: a random sequence of everything that
 * workers ask of store*.h, by three workers that take partitions from each other, work on stale
 * beliefs, make mistakes and kill each other's connections. Every outcome and every row that came
 * back is printed, and at the end all tables. calls.c is linked twice, as calls_real and as
 * calls_model; tests/integration/33-model.py compares what they print.
 */
#ifndef TESTS_SIMULATE_MODEL_CALLS_H
#define TESTS_SIMULATE_MODEL_CALLS_H

#include "common/config.h"

#define CALLS_PARTITIONS 4u

/* The tables must be empty but for the partitions' rows. */
void calls_run(const struct config_shard *shard, uint64_t seed, unsigned steps);

/* calls_operation.c: the next operation that somebody asks for. The same seed gives the same. */
#include "protocol/holdfast.pb-c.h"

#include "common/arena.h"
#include "protocol/header.h"

uint64_t calls_below(uint64_t n);
void calls_random_bytes(void *bytes, size_t count);
/* In the arena, with what its header says; NULL: it has faults. */
Hf__Operation *calls_operation(struct arena *arena, int64_t now_us, struct header *header);
/* An applied reserve: operations about it may follow. */
void calls_operation_reserved(const Hf__Result *result);
/* Have all items been put? */
bool calls_operation_founded(void);
void calls_operation_begin(uint64_t seed);
void calls_operation_end(void);
const char *calls_any_sku(void);
const char *calls_any_warehouse(void);

#endif

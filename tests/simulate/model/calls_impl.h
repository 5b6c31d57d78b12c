/* SPDX-License-Identifier: MIT
 *
 * Shared by the files of calls.h: the workers, and what each of them may do in a step. Every step
 * prints what it did, without an end of line.
 */
#ifndef TESTS_SIMULATE_MODEL_CALLS_IMPL_H
#define TESTS_SIMULATE_MODEL_CALLS_IMPL_H

#include "common/arena.h"
#include "protocol/header.h"
#include "protocol/holdfast.pb-c.h"
#include "tests/simulate/model/calls.h"
#include "workers/store.h"
#include "workers/store_claims.h"

#define ACTORS 3u
#define HOUR_US 3600000000

/* What a worker believes of a partition. */
struct belief {
    bool ours;
    struct store_claim claim;
    uint64_t seen_epoch;
    uint64_t pruned_seq;
    struct ledger *ledger;
};

struct actor {
    char name[4];
    uint8_t instance[UUID_BYTES];
    struct db db;
    struct belief beliefs[CALLS_PARTITIONS];
    struct catalog *catalog;
    /* A claim whose transaction is still open. */
    bool open;
    unsigned open_for; /* steps */
    struct store_taken taken[CALLS_PARTITIONS];
    size_t taken_count;
};

struct calls_world {
    struct actor actors[ACTORS];
    struct ledger_limits limits;
    struct arena arena, rows;
    int64_t now_us;
    uint8_t written[UUID_BYTES]; /* operation id of some movement that is there */
};

extern struct calls_world calls_world;

/* ------------------------------------------------------------- calls.c */

const char *calls_outcome(enum db_outcome outcome);
void calls_hex(const void *bytes, size_t length);

/* ------------------------------------------------------------- calls_claims.c */

void calls_look(struct actor *actor);
void calls_take(struct actor *actor);
void calls_look_and_take(struct actor *actor);
/* Commits a claim that stays open, or takes it back. */
void calls_end_take(struct actor *actor);
void calls_hand_over(struct actor *actor);

/* ------------------------------------------------------------- calls_batch.c */

void calls_batch(struct actor *actor);

/* ------------------------------------------------------------- calls_read.c */

void calls_history(struct actor *actor);
/* Writes a copy of a name, and reads all. */
void calls_copy(struct actor *actor);
/* Stock in a snapshot; others commit meanwhile. */
void calls_read(struct actor *actor);

/* ------------------------------------------------------------- calls_operation.c */

uint64_t calls_below(uint64_t n);
void calls_random_bytes(void *bytes, size_t count);
/* The next operation that somebody asks for, in the arena, with what its header says; the same seed
 * gives the same. NULL: it has faults. */
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

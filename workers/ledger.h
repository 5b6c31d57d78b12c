/* SPDX-License-Identifier: MIT
 *
 * The decisions of one partition: what each operation does to stock and reservations, in order.
 * Pure: no sockets, no SQL, no clock. The worker feeds it rows, operations and times; it gives back
 * results, and the rows that one transaction must write.
 *
 * A batch goes: ledger_need for every operation until nothing is missing (the worker loads what it
 * names and puts it in); ledger_begin; ledger_decide for each operation, in order, and
 * ledger_expire; then the changes are written under the fence, and ledger_commit makes them the
 * state, or ledger_abort throws the caches away. One of the two ends every batch, also one that
 * has nothing to write. No result may be told before ledger_commit.
 */
#ifndef WORKERS_LEDGER_H
#define WORKERS_LEDGER_H

#include "common/arena.h"
#include "workers/records.h"

struct ledger;
struct catalog; /* warehouses and reasons of the region, shared by the ledgers of a worker */

struct ledger_limits {
    uint32_t partitions;    /* of the region, for partition_of_sku */
    uint32_t lines;         /* most lines of an operation */
    int64_t idempotency_us; /* ids older than this are operation_id_expired */
    int64_t id_future_us;   /* ids from further ahead than this are invalid */
};

/* ------------------------------------------------------------- catalog */

struct catalog *catalog_new(void);
void catalog_destroy(struct catalog **catalog);
void catalog_clear(struct catalog *catalog);
void catalog_put_warehouse(struct catalog *catalog, const struct code *code, uint64_t version);
void catalog_put_reason(struct catalog *catalog, const struct code *code, uint64_t version);

/* ------------------------------------------------------------- life of a ledger */

/* catalog and limits are borrowed for the ledger's life. */
struct ledger *ledger_new(uint32_t partition, const struct ledger_limits *limits,
                          struct catalog *catalog);
void ledger_destroy(struct ledger **ledger);

/* After a claim: caches are empty, the next movement is last_seq + 1. */
void ledger_claimed(struct ledger *ledger, uint64_t epoch, const uint8_t claim_id[16],
                    uint64_t last_seq);

uint64_t ledger_last_seq(const struct ledger *ledger);
uint64_t ledger_epoch(const struct ledger *ledger);
uint32_t ledger_partition(const struct ledger *ledger);

/* ------------------------------------------------------------- what must be loaded */

enum need_kind {
    NEED_SKU,         /* code: the item, its barcodes and all its levels */
    NEED_RESERVATION, /* reservation_id */
    NEED_OPERATION,   /* operation_id: what the ledger holds under it */
    NEED_BARCODE,     /* code: which item has it */
    NEED_RUN,         /* code */
    NEED_RUN_BLOCK,   /* code, number */
    NEED_CATALOG, /* the shard's warehouses and reasons: one unknown here was named. Asked for at
                   * most once per batch and ledger; an operation that still names one is refused.
                   */
};

struct need {
    enum need_kind kind;
    struct code code;
    uint8_t id[UUID_BYTES]; /* operation id, or the first 10 bytes: reservation id */
    uint32_t number;        /* of a run's block */
    uint32_t bucket;        /* private */
};

struct needs { /* owned by the caller, who may set count to 0; items grows with realloc */
    struct need *items;
    size_t count, capacity;
    uint32_t *index; /* private */
    size_t buckets;
};

void needs_release(struct needs *needs);

/* Appends what deciding this operation needs and the caches lack; nothing twice. attempt as in the
 * header: from 2 on the id is looked up too. A reservation's skus are known only once it is loaded,
 * so call again after loading until nothing is appended (at most three rounds). look_up_ids: ask
 * for the id on attempt 1 too (a batch that met a duplicate key). An operation that is not valid
 * needs nothing. */
void ledger_need(struct ledger *ledger, const Hf__Operation *operation, uint16_t attempt,
                 bool look_up_ids, struct needs *needs);
/* The same for reservations that are due at now_us, at most limit of them. */
void ledger_need_due(struct ledger *ledger, int64_t now_us, size_t limit, struct needs *needs);

/* Answers to needs, between batches. Everything is copied; what is in memory already stays as it
 * is. item NULL: no such item; levels may exist only with one. */
void ledger_put_sku(struct ledger *ledger, const struct code *sku, const struct item *item,
                    const struct level *levels, size_t level_count);
void ledger_put_reservation(struct ledger *ledger, const uint8_t id[RESERVATION_ID_BYTES],
                            const struct reservation *reservation);
/* movements: all rows of the operation, by idx; count 0: none. Kept until the batch ends. */
void ledger_put_operation(struct ledger *ledger, const uint8_t operation_id[UUID_BYTES],
                          const struct movement *movements, size_t count);
void ledger_put_barcode(struct ledger *ledger, const struct code *barcode, const struct code *sku);
/* NULL: there is none. */
void ledger_put_run(struct ledger *ledger, const struct code *code, const struct run *run);
void ledger_put_run_block(struct ledger *ledger, const struct code *code, uint32_t number,
                          const struct run_block *block);
/* After a claim: a live reservation and when it is due. Its content is loaded when needed. */
void ledger_put_due(struct ledger *ledger, const uint8_t id[RESERVATION_ID_BYTES],
                    int64_t expires_at_us);

/* ------------------------------------------------------------- deciding */

/* now_us: the owner's time, the same for the whole batch; never below that of the batch before. */
void ledger_begin(struct ledger *ledger, int64_t now_us, struct arena *arena);

struct decision {
    Hf__Result *result; /* in the arena; packed by the caller after the commit */
    bool wrote;         /* it put movements into the batch */
    /* version_conflict: the caller adds `moved` after the commit, from the level's history. */
    bool wants_moved;
    struct code moved_sku, moved_warehouse;
    uint64_t moved_since;
};

/* Decides one operation. partition_hint and attempt as in the header; not_after is the caller's
 * affair. The operation is validated here, field by field, and stays owned by the caller until the
 * batch ends. What was needed and not loaded: `unavailable`, nothing was done; `unknown` when it
 * was the id of a later attempt. Expiry may put movements of its own into the batch even when the
 * operation is refused (wrote is false then). The order of checks: form; age of the id; partition;
 * what is known under the id; class and number of lines; then the operation itself. */
void ledger_decide(struct ledger *ledger, const Hf__Operation *operation, uint32_t partition_hint,
                   uint8_t op_class, uint16_t attempt, struct decision *decision);

/* Releases what is due at now_us, at most limit reservations, of those loaded with their skus
 * (ledger_need_due); returns how many. */
size_t ledger_expire(struct ledger *ledger, size_t limit);

/* Movements of the running batch so far. */
size_t ledger_rows(const struct ledger *ledger);

/* When the next reservation is due, or INT64_MAX. */
int64_t ledger_next_due_us(const struct ledger *ledger);

/* After a batch was aborted: the reservation that ledger_expire released first in it is not looked
 * at again before until_us, unless an operation touches it: the database refuses it each time.
 * False: there was none. */
bool ledger_put_off_due(struct ledger *ledger, int64_t until_us, uint8_t id[RESERVATION_ID_BYTES]);

/* ------------------------------------------------------------- what to write */

struct level_change {
    const struct level *level; /* as it shall be */
    uint64_t base_version;     /* as it must be in the database; 0: the row must not exist */
    bool is_new;
};

struct reservation_change {
    const struct reservation *reservation;
    uint32_t base_revision;
    bool is_new;
};

struct item_change {
    const struct item *item;
    uint64_t base_version;
    bool is_new;
};

struct named_change { /* a warehouse or a reason: also copied to the other shards */
    bool is_reason;
    struct code code;
    const char *name; /* in the arena, NUL-terminated */
    size_t name_bytes;
    uint64_t version;
};

struct run_change {
    const struct run *run;
    uint64_t base_version;
    bool is_new;
};

struct run_block_change {
    const struct run_block *block;
    uint64_t base_version;
    bool is_new;
};

struct changes {       /* arrays in the arena, valid until ledger_commit or ledger_abort */
    uint64_t base_seq; /* the fence's last_seq */
    uint64_t last_seq; /* as it shall be */
    const struct movement *movements;
    size_t movement_count;
    struct level_change *levels;
    size_t level_count;
    struct reservation_change *reservations;
    size_t reservation_count;
    struct item_change *items;
    size_t item_count;
    struct named_change *named;
    size_t named_count;
    struct run_change *runs;
    size_t run_count;
    struct run_block_change *blocks;
    size_t block_count;
};

/* False: nothing to write. */
bool ledger_changes(struct ledger *ledger, struct changes *changes);

/* ------------------------------------------------------------- dry runs */

/* On a ledger of its own, with a catalog of its own, that is aborted and thrown away: what would
 * operations do? Before ledger_begin: it shall remember what was there before. */
void ledger_dry(struct ledger *ledger);
/* What earlier dry runs left takes the place of what was loaded. Codes of the catalog may be put
 * before anything is loaded, rows after it; what was not loaded is passed over. */
void ledger_dry_catalog(struct ledger *ledger, const Hf__DryState *state);
void ledger_dry_rows(struct ledger *ledger, const Hf__DryState *state);
/* Of the operation that was decided last, and of all of them: in the batch's arena. */
Hf__DryResult *ledger_dry_result(const struct ledger *ledger, const struct decision *decision);
Hf__DryState *ledger_dry_state(struct ledger *ledger);

void ledger_commit(struct ledger *ledger);
/* Nothing of the batch happened: back to the state before ledger_begin with empty caches. The due
 * heap is kept as it was. */
void ledger_abort(struct ledger *ledger);

/* The result that an operation's rows stand for: the same function for a fresh and for a replayed
 * one, so that they cannot differ but in `replayed`. count is at least 1. Its reservation's lines
 * are those that the operation touched. In the arena. */
Hf__Result *result_from_movements(const struct movement *movements, size_t count,
                                  const uint8_t claim_id[16], bool replayed, struct arena *arena);

#endif

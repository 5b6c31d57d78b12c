/* SPDX-License-Identifier: MIT
 *
 * The rows of the shard that say who owns what: partitions, their claims, the workers that live.
 * claims.c decides over them; here is only the SQL, each call one round trip (store_due: one a
 * page).
 */
#ifndef WORKERS_STORE_CLAIMS_H
#define WORKERS_STORE_CLAIMS_H

#include "workers/db.h"
#include "workers/ledger.h"

/* Who looks and claims, and for how long. */
struct store_owner {
    const uint8_t *instance; /* UUID_BYTES */
    const char *name;
    int64_t lease_us;
};

/* A partition as somebody has claimed it, or shall claim it. */
struct store_claim {
    uint32_t partition;
    uint64_t epoch;
    uint8_t claim_id[16];
    uint64_t above; /* of what shall be claimed: its new epoch is higher than this, too */
};

/* ------------------------------------------------------------- looking */

struct store_seen { /* a partition's row */
    struct store_claim claim;
    uint64_t connection;    /* of its owner; 0: none */
    int64_t lease_until_us; /* the server's clock; 0: handed over */
    bool free;              /* handed over, or its lease has passed by the server's clock */
    bool mine;              /* the owner is this very process */
    bool namesake;          /* another process of our name */
};

struct store_look {
    int64_t server_us;
    uint64_t workers, rank;  /* names that live, and how many processes come before us */
    uint64_t renewed;        /* of `ours`; the others are not ours any more, whatever was seen */
    bool seen_all;           /* the partitions were read, even if something behind failed */
    struct store_seen *seen; /* by partition; on the heap */
    size_t count;
};

/* Says that we live, looks at all partitions that the shard holds, then renews those of `ours`
 * whose row agrees. The caller releases the look, whatever the outcome. */
enum db_outcome store_look(struct db *db, const struct store_owner *owner,
                           const struct store_claim *ours, size_t count, struct store_look *look);
void store_look_release(struct store_look *look);

/* ------------------------------------------------------------- taking */

struct store_taken { /* a partition's row, after it was taken */
    struct store_claim claim;
    uint64_t last_seq, pruned_seq;
    int64_t clock_high_us, clock_offset_us;
    int64_t server_us; /* now */
};

/* Ends a connection of the server. Failing does not matter: it may be gone already. */
void store_kill(struct db *db, uint64_t connection);

/* Begins a transaction; raises the epoch of each of `wanted` that is at that epoch and may be taken
 * (handed over, past its lease, or ours by its row), by one or to one above `above`, draws it the
 * claim id, and reads what was taken into *taken, which has room for count. The transaction stays
 * open: db_commit ends it, or db_rollback, which must follow any outcome but DB_OK. */
enum db_outcome store_take(struct db *db, const struct store_owner *owner,
                           const struct store_claim *wanted, size_t count,
                           struct store_taken *taken, size_t *taken_count);

struct store_offset {
    uint32_t partition;
    uint8_t claim_id[16];
    int64_t offset_us;
};
/* Stores clock offsets, in the same transaction. */
enum db_outcome store_offsets(struct db *db, const struct store_offset *offsets, size_t count);

/* Puts the deadlines of all active reservations into the ledger (ledger_put_due). */
enum db_outcome store_due(struct db *db, struct ledger *ledger);

/* ------------------------------------------------------------- handing over */

/* Those of the claims that stand in their row become free. */
enum db_outcome store_hand_over(struct db *db, const struct store_claim *claims, size_t count);
/* The worker does not live any more. */
enum db_outcome store_goodbye(struct db *db, const uint8_t instance[UUID_BYTES]);

#endif

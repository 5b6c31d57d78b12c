/* SPDX-License-Identifier: MIT
 *
 * The rows of a shard, to and from the ledgers: what a batch must look up, in one round trip for
 * all of it, and what it writes, in one round trip and a COMMIT, whatever the number of operations.
 * Nothing here decides or retries, and who decides sees no SQL: store_claims.h, store_history.h,
 * store_copy.h and store_prune.h have the rest of it.
 */
#ifndef WORKERS_STORE_H
#define WORKERS_STORE_H

#include "common/arena.h"
#include "workers/db.h"
#include "workers/ledger.h"

/* Most needs looked up in one round trip; more take further ones. */
#define STORE_NEEDS_MAX 2048u
/* A transaction's text has at most so many bytes, and fewer where the server's max_allowed_packet
 * (16 MiB by default) is less. */
#define STORE_TEXT_BYTES_MAX (8u * 1024 * 1024)

/* Connects, checks that the schema is ours, and reads the server's clock. False with db_error, and
 * not connected. */
bool store_connect(struct db *db, int64_t *server_us);

struct store_need {
    struct ledger *ledger; /* where the answer goes */
    struct need need;
};

/* Looks everything up and puts it into the ledgers and the catalog. arena holds rows until the
 * call returns and movements until the batch ends. */
enum db_outcome store_load(struct db *db, const struct store_need *needs, size_t count,
                           struct catalog *catalog, struct arena *arena);

/* One partition's share of a transaction. */
struct store_part {
    uint32_t partition;
    uint64_t epoch;
    const uint8_t *claim_id;
    int64_t now_us;
    struct changes changes;
};

enum store_outcome {
    STORE_DONE,
    STORE_FENCED,     /* a partition is not ours, or not where we left it; nothing was written */
    STORE_STALE,      /* a level, reservation or item is not as decided on; nothing was written */
    STORE_AGAIN,      /* DB_AGAIN; nothing was written */
    STORE_REPEATS,    /* DB_REPEATS; nothing was written */
    STORE_TOO_LARGE,  /* its text is too long; nothing was written */
    STORE_LOST,       /* the connection ended before COMMIT was sent: nothing will be written */
    STORE_UNKNOWN,    /* COMMIT had no answer, or one that does not say */
    STORE_NOT_WRITER, /* nothing was written */
    STORE_FAILED,     /* another error; nothing was written */
};

/* Writes the parts in one transaction. lease_us: how long each partition stays ours. */
enum store_outcome store_write(struct db *db, const struct store_part *parts, size_t count,
                               int64_t lease_us);

/* The end of that transaction, once its statements have run: COMMIT, or ROLLBACK when something was
 * not as expected. fenced: the fence matched another number of rows. */
enum store_outcome store_end(struct db *db, enum db_outcome ran, bool fenced);

/* A level as it goes over the wire. In the arena. */
Hf__Level *store_level_message(const struct level *level, struct arena *arena);

#endif

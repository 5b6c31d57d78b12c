/* SPDX-License-Identifier: MIT
 *
 * The rows of a shard, to and from the ledgers: what a batch must look up, in one round trip for
 * all of it, and what it writes, in one round trip and a COMMIT, whatever the number of operations.
 * batch.c calls it. Nothing here decides or retries.
 */
#ifndef WORKERS_STORE_H
#define WORKERS_STORE_H

#include "common/arena.h"
#include "workers/db.h"
#include "workers/ledger.h"

/* Most needs looked up in one round trip; more take further ones. */
#define STORE_NEEDS_MAX 2048u
/* A transaction's text stays below the server's max_allowed_packet (16 MiB by default). */
#define STORE_TEXT_BYTES_MAX (8u * 1024 * 1024)

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
    STORE_TOO_LARGE,  /* more than STORE_TEXT_BYTES_MAX; nothing was written */
    STORE_LOST,       /* the connection ended before COMMIT was sent: nothing will be written */
    STORE_UNKNOWN,    /* the connection ended at COMMIT */
    STORE_NOT_WRITER, /* nothing was written */
    STORE_FAILED,     /* another error; nothing was written */
};

/* Writes the parts in one transaction. lease_us: how long each partition stays ours. */
enum store_outcome store_write(struct db *db, const struct store_part *parts, size_t count,
                               int64_t lease_us);

/* The server's clock, microseconds since the epoch: an SQL expression. */
#define STORE_NOW "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',UTC_TIMESTAMP(6))"

/* The columns of movement that make a struct movement, behind alias t; movement_from_row takes them
 * from row onwards. Text goes into the arena. */
extern const char store_movement_columns[];
#define STORE_MOVEMENT_COLUMNS 44u
void store_movement_read(struct movement *movement, MYSQL_ROW row, const unsigned long *lengths,
                         struct arena *arena);

/* A level as it goes over the wire. In the arena. */
Hf__Level *store_level_message(const struct level *level, struct arena *arena);

/* A column of bytes as a code; one that is too long (the schema rules it out) is cut. */
void store_code_read(struct code *code, const char *field, unsigned long length);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What a view reads from one shard: snapshots, stretches of the ledger, single reservations. A
 * thread of its own (courier.h) owns the connection and blocks in it, so that a database that hangs
 * holds up no answer.
 */
#ifndef VIEW_READER_H
#define VIEW_READER_H

#include "common/config.h"
#include "common/courier.h"
#include "view/model.h"

enum read_kind { READ_SNAPSHOT, READ_LEDGER, READ_RESERVATION };

enum read_outcome {
    READ_DONE,
    READ_LOST,      /* READ_LEDGER: the position is not history here (any more) */
    READ_FAR,       /* READ_LEDGER: pruned, or so much that a snapshot is less */
    READ_ELSEWHERE, /* this shard does not hold the partition */
    READ_FAILED,    /* the database does not answer; error says why */
};

struct read_request {
    enum read_kind kind;
    uint32_t partition;
    struct model_position from;       /* READ_LEDGER */
    uint8_t id[RESERVATION_ID_BYTES]; /* READ_RESERVATION */
};

struct read_reply {
    struct read_request request;
    enum read_outcome outcome;
    int64_t asked_us;          /* monotonic, before the database was asked */
    struct snapshot *snapshot; /* READ_SNAPSHOT, READ_RESERVATION; taken, or freed with the reply */
    struct arena arena;        /* of what follows: READ_LEDGER */
    Hf__Movement **movements;
    size_t movement_count;
    Hf__Position *to;
    bool complete;
    char error[256];
};

/* Starts the thread of a shard, which takes requests and gives replies: a courier. context: of
 * ZeroMQ. shard is borrowed. NULL with errno. */
struct courier *reader_open(void *context, const struct config_shard *shard, size_t number);
/* It must not be busy. */
void reader_ask(struct courier *reader, const struct read_request *request);
/* What courier_reply gave is the caller's to destroy. */
void read_reply_destroy(struct read_reply **reply);
void read_reply_drop(void *reply); /* for courier_close */

/* ------------------------------------------------------------- reader_sql.c, in the thread */

struct db;

/* Fills outcome and what belongs to it. The connection is there. */
void reader_read(struct db *db, struct read_reply *reply);

#endif

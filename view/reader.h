/* SPDX-License-Identifier: MIT
 *
 * What a view reads from one shard: snapshots, stretches of the ledger, single reservations. A
 * thread of its own owns the connection and blocks in it, so that a database that hangs holds up no
 * answer. Thread and loop share nothing: a request goes over whole, and a reply comes back whole.
 * One request at a time.
 */
#ifndef VIEW_READER_H
#define VIEW_READER_H

#include "common/config.h"
#include "view/model.h"

struct reader;

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

/* Starts the thread. context: of ZeroMQ. shard is borrowed. NULL with errno. */
struct reader *reader_open(void *context, const struct config_shard *shard, size_t number);
/* Waits for the thread for a short while. False when it still hangs in the database: then nothing
 * of it, nor the context, may be freed. */
bool reader_close(struct reader **reader);

bool reader_is_busy(const struct reader *reader);
/* It must not be busy. */
void reader_ask(struct reader *reader, const struct read_request *request);
/* The reply, when there is one; the caller's to destroy. */
struct read_reply *reader_reply(struct reader *reader);
void read_reply_destroy(struct read_reply **reply);
/* The socket, for zmq_poll. */
void *reader_socket(const struct reader *reader);

/* ------------------------------------------------------------- reader_sql.c, in the thread */

struct db;

/* Fills outcome and what belongs to it. The connection is there. */
void reader_read(struct db *db, struct read_reply *reply);

#endif

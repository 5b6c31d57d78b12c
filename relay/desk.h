/* SPDX-License-Identifier: MIT
 *
 * The thinking of the relay: named subscriptions, who consumes which partition of them, how far
 * each was given and has acknowledged, and what must be read or stored for it. Pure: no sockets, no
 * clock, no SQL. It takes messages, replies of jobs and a time (monotonic microseconds), and gives
 * messages (desk_sink) and jobs.
 *
 * What it holds is bounded: the newest movements of each partition, and per subscription and
 * partition a few numbers. What a consumer has not acknowledged is read from the ledger again.
 */
#ifndef RELAY_DESK_H
#define RELAY_DESK_H

#include "common/arena.h"
#include "protocol/error.h"
#include "protocol/header.h"
#include "relay/job.h"

struct desk;
struct consumer; /* a session */

struct desk_config {
    uint32_t partitions;
    size_t shard_count;
    const char *endpoint; /* of this relay, told to consumers of others; borrowed */
    uint8_t instance[16];
    int64_t lease_us;
    uint32_t message_bytes;
};

struct desk_sink {
    void *context;
    /* Sends to the consumer of `peer`. False: it does not take it, and its session shall end. */
    bool (*send)(void *context, void *peer, enum message_type type, uint64_t sequence,
                 const uint8_t *body, size_t body_bytes);
    /* Ends the session with an ERROR: desk_gone is called before it returns. Never called from
     * within desk_gone. text may be NULL. */
    void (*end)(void *context, void *peer, enum error_code code, const char *text);
};

struct desk *desk_new(const struct desk_config *config, const struct desk_sink *sink);
void desk_destroy(struct desk **desk);

/* ------------------------------------------------------------- sessions */

struct consumer *desk_come(struct desk *desk, void *peer);
/* Its session is over. */
void desk_gone(struct desk *desk, struct consumer *consumer);

/* A message of a session. What is wrong with it ends the session at the next desk_tick. The body is
 * not kept; sequence is that of the header. */
void desk_message(struct desk *desk, struct consumer *consumer, enum message_type type,
                  uint64_t sequence, const uint8_t *body, size_t body_bytes, struct arena *arena,
                  int64_t now_us);

/* ------------------------------------------------------------- what is heard and read */

/* The partition stands there, as its owner said (it may be lost, doubled or late). */
void desk_heard(struct desk *desk, uint32_t partition, uint64_t seq, const uint8_t *claim,
                size_t claim_bytes);
/* The body of CHANGES; any bytes, not kept. Movements that continue what is here are given without
 * reading them. */
void desk_changes(struct desk *desk, const uint8_t *body, size_t bytes);

/* What is to be done next at a shard; NULL: nothing now. The caller's to carry out; one at a time
 * and shard. */
struct job *desk_next_job(struct desk *desk, size_t shard, int64_t now_us);
/* Its reply; takes it. */
void desk_reply(struct desk *desk, struct job **job, int64_t now_us);

/* Gives what may be given, and does what is due. */
void desk_tick(struct desk *desk, int64_t now_us);
/* When desk_tick or desk_next_job has something to do though nothing comes. */
int64_t desk_due_us(const struct desk *desk, int64_t now_us);

/* The end: what nobody consumes any more is given up at once. True: nothing is left to be stored.
 */
void desk_stop(struct desk *desk);
bool desk_is_idle(const struct desk *desk);

struct desk_counts {
    size_t subscriptions, consumers;
    uint64_t events, acknowledged, stored; /* since the start */
    uint64_t reads, heard, lost, pruned;   /* heard: movements taken from CHANGES */
    size_t tail_bytes;
};
struct desk_counts desk_counts(const struct desk *desk);

#endif

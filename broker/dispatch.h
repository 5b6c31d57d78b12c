/* SPDX-License-Identifier: MIT
 *
 * The broker's decisions, without sockets and without a clock: messages and a time go in, messages
 * go out through a callback. server.c drives it with ZeroMQ, tests/unit with arrays.
 *
 * The core admits operations into bounded queues per partition, hands them to the worker that owns
 * the partition within the worker's credit, and passes a result on only from the session and
 * dispatch that the operation is assigned to now. docs/broker.md tells the rules.
 *
 * A call never blocks, and whatever a peer sends, it never fails: faults of peers are answered with
 * ERROR or with a result. Running out of memory ends the process.
 */
#ifndef BROKER_DISPATCH_H
#define BROKER_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "protocol/header.h"

#define TROUBLE_BYTES_MAX 199u    /* of Heartbeat.trouble; more is not passed on */
#define DISPATCH_ROUTE_BYTES 255u /* most bytes of a routing id */
#define DISPATCH_WORKERS_MAX 1024u
#define DISPATCH_HEARTBEATS_MISSED 3
/* A partition without an owner keeps its queue for so many leases before it sheds. */
#define DISPATCH_GRACE_LEASES 3
/* Most dispatches of one worker session between the oldest unanswered and the newest. */
#define DISPATCH_FLIGHT_MAX 65536u

struct dispatch;

/* A moment by both clocks, in microseconds. Leases, silence and rates go by the monotonic one,
 * not_after and what peers are told by the wall clock. */
struct moment {
    int64_t wall_us;
    int64_t monotonic_us;
};

enum side {
    SIDE_CLIENT,
    SIDE_WORKER,
    SIDE_COUNT,
};

enum delivery {
    DELIVERY_SENT,
    DELIVERY_FULL, /* the peer's pipe is full; try again later */
    DELIVERY_GONE, /* no such peer any more */
};

struct dispatch_output {
    void *context;
    /* Sends one message of two frames; header and body are borrowed for the call. */
    enum delivery (*send)(void *context, enum side side, const uint8_t *route, size_t route_bytes,
                          const uint8_t header[HEADER_BYTES], const uint8_t *body,
                          size_t body_bytes);
};

struct dispatch_config {
    char name[CONFIG_NAME_BYTES]; /* of this broker */
    char cluster[CONFIG_NAME_BYTES];
    char region[CONFIG_NAME_BYTES];
    uint32_t partitions;
    struct config_limits limits;
    struct config_windows windows;
    uint32_t session_base; /* random: sessions of two starts of a broker are unlikely to be equal */
};

/* Never NULL. config is copied. */
struct dispatch *dispatch_new(const struct dispatch_config *config, struct dispatch_output output,
                              struct moment now);
void dispatch_destroy(struct dispatch **dispatch);

/* One message from a peer. principal: the name of the peer's key ("local" on ipc). A peer is known
 * by its routing id (1 to DISPATCH_ROUTE_BYTES bytes) within its side. Everything is borrowed for
 * the call. Results and operations are only collected: dispatch_flush sends them. */
void dispatch_receive(struct dispatch *dispatch, enum side side, const uint8_t *route,
                      size_t route_bytes, const char *principal, const uint8_t *header,
                      size_t header_bytes, const uint8_t *body, size_t body_bytes,
                      struct moment now);

/* A message that did not have one or two frames after its routing id. */
void dispatch_receive_misframed(struct dispatch *dispatch, enum side side, const uint8_t *route,
                                size_t route_bytes, struct moment now);

/* Hands queued operations to workers and sends what was collected. Call it after the messages that
 * one wake-up brought. */
void dispatch_flush(struct dispatch *dispatch, struct moment now);

/* Housekeeping: silent peers, partitions that nobody serves, deadlines of stalled queues. Call it
 * when it is due, and dispatch_flush after it. When it comes very late, silence is counted from
 * then on: a broker that was stopped for a while does not take every peer for dead. */
void dispatch_tick(struct dispatch *dispatch, struct moment now);

bool dispatch_tick_due(const struct dispatch *dispatch, struct moment now);

/* Microseconds until the next tick or flush is due, 0 or more. */
int64_t dispatch_wait_us(const struct dispatch *dispatch, struct moment now);

/* The broker is about to stop: sheds what was never dispatched, says GOODBYE to every peer,
 * flushes. Afterwards there are no sessions. */
void dispatch_goodbye(struct dispatch *dispatch, struct moment now);

/* The body of a STATE message (BrokerState); *body_bytes is its length. The caller frees it. */
uint8_t *dispatch_state(struct dispatch *dispatch, struct moment now, size_t *body_bytes);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The thinking of the client library: one session with one broker at a time, and the calls (one
 * operation or query for one partition each) that live through it. A core of its own does the same
 * with views and what is asked of them. Pure: no sockets, no clock, no
 * randomness but its seed. It takes messages and times and gives back actions, so that it can be
 * tested and simulated with faults.
 *
 * Its one promise: a call is told `refused` or `shed` only when no attempt of it that was ever sent
 * can still take effect. See docs of certainty in protocol.md.
 */
#ifndef CLIENT_CORE_H
#define CLIENT_CORE_H

#include "client/encode.h"
#include "client/holdfast.h"

#include <stdbool.h>
#include <stdint.h>

struct core;

struct core_time {
    int64_t mono_us; /* never goes back */
    int64_t wall_us; /* since the epoch */
};

struct core_config {
    /* The brokers are views: they take CORE_READ alone. One that does not answer an attempt in time
     * is left, and when each was tried in vain every call is given back as unavailable at once,
     * until one of them welcomes us. */
    bool views;
    uint32_t broker_count; /* at least 1 */
    const char *cluster;   /* names are borrowed for the core's life */
    const char *name;
    uint8_t instance[16];
    uint64_t seed;
    int64_t attempt_timeout_us;
    uint32_t window;       /* most calls in flight; 0: what the broker grants */
    uint32_t retry_budget; /* retries per 100 first attempts */
};

struct core *core_new(const struct core_config *config);
/* Calls that are not done are forgotten: core_abandon first. */
void core_destroy(struct core **core);

enum core_call_kind {
    CORE_OPERATION,
    CORE_SETTLE, /* an operation that may be repeated freely and needs no settling itself */
    CORE_QUERY,
    CORE_READ, /* a ViewQuery; whatever a view answers is the outcome */
};

/* Takes encoded->body on success. tag comes back with the result. False: no memory. */
bool core_submit(struct core *core, struct core_time now, enum core_call_kind kind,
                 struct encoded *encoded, int64_t timeout_us, void *tag);

/* A message from the broker of the newest CORE_CONNECT. */
void core_receive(struct core *core, struct core_time now, const uint8_t *header,
                  size_t header_bytes, const uint8_t *body, size_t body_bytes);

/* The connection of the newest CORE_CONNECT broke: its session is over. */
void core_disconnected(struct core *core, struct core_time now);

enum core_action_kind {
    CORE_CONNECT,    /* close what there is, and open a new connection to `broker` */
    CORE_DISCONNECT, /* close what there is */
    CORE_SEND,       /* header and body, valid until the next call of a core function */
    CORE_DONE,       /* result or answer, the caller's now, for tag */
};

struct core_action {
    enum core_action_kind kind;
    uint32_t broker;
    const uint8_t *header;
    const uint8_t *body;
    size_t body_bytes;
    void *tag;
    struct holdfast_result *result; /* or answer */
    struct holdfast_answer *answer;
    struct view_box *read; /* of a CORE_READ; broker is then the view that answered */
};

/* Runs what is due and gives the next action; false when there is none now. Call it until then
 * after every receive and submit, and at the deadline. */
bool core_next(struct core *core, struct core_time now, struct core_action *action);

/* When core_next must be called again if nothing arrives (mono_us); INT64_MAX: never. */
int64_t core_deadline_us(const struct core *core);

/* The region's number of partitions; 0 until a broker has told. */
uint32_t core_partitions(const struct core *core);
/* Somebody waits for core_partitions: connect although no call was submitted. */
void core_want_session(struct core *core, bool wanted);
/* Is there a session to say goodbye in? */
bool core_is_ready(const struct core *core);
/* Says goodbye and ends every call: unknown when an attempt may be under way, shed otherwise. */
void core_abandon(struct core *core, struct core_time now);

/* The cluster's clock minus mono_us, as well as it is known. */
int64_t core_clock_offset_us(const struct core *core);
/* Why there is no session, for people, in words that follow a colon. Valid until the next call. */
const char *core_trouble(const struct core *core);

#endif

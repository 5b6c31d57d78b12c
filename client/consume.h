/* SPDX-License-Identifier: MIT
 *
 * The inside of a subscription's handle, shared by the files that make it; nobody else includes it.
 *
 *   consume.c          the session with a relay: what is said and heard in it
 *   consume_take.c     events on their way to the caller, and acknowledgements on theirs back
 *   consume_question.c questions about subscriptions, in sessions of their own
 *   holdfast_events.c  the public functions
 */
#ifndef CLIENT_CONSUME_H
#define CLIENT_CONSUME_H

#include "client/holdfast_events.h"
#include "client/link.h"
#include "client/options.h"
#include "client/pool.h"
#include "protocol/header.h"
#include "protocol/holdfast.pb-c.h"

#include <sys/types.h>

#define CONSUME_WINDOW 1024u
#define CONSUME_WINDOW_MAX 65536u

enum consume_phase {
    CONSUME_PAUSED,      /* until phase_until_us, then the next relay */
    CONSUME_HELLO,       /* HELLO is sent */
    CONSUME_SUBSCRIBING, /* in a session; SUBSCRIBE is sent, or a question */
    CONSUME_REFUSED_NOW, /* not now: SUBSCRIBE again at phase_until_us */
    CONSUME_READY,
    CONSUME_OVER, /* refused for good */
};

/* Of a partition. What the caller was given (handed) and has acknowledged outlives sessions. */
struct consume_part {
    bool assigned;
    bool leaving; /* asked back: given back once what was handed is acknowledged */
    bool at_end;
    uint64_t assigned_at; /* number of the ASSIGN that brought it */
    uint64_t received;    /* in this session */
    uint64_t handed;
    uint8_t handed_claim[16];
    uint64_t acked, sent, stored;
    bool is_halted;
    struct holdfast_event halt; /* to be told, or told */
    bool halt_due;
};

/* An EVENTS message. */
struct consume_batch {
    struct consume_batch *next;
    struct pool pool;
    Hf__Events *message;
    size_t at;           /* the next event in it */
    uint64_t assignment; /* number of the last ASSIGN before it */
};

struct holdfast_subscription {
    struct options options;
    struct link link;
    pid_t pid;
    char name[65];
    uint32_t window;
    enum holdfast_from from;
    struct holdfast_event_position *positions;
    size_t position_count;
    /* Instead of a subscription: a question, packed; answered once. */
    uint8_t *question;
    size_t question_bytes;
    int64_t question_until_us;
    Hf__RelayAnswer *answer; /* in answer_pool */
    struct pool answer_pool;

    enum consume_phase phase;
    int64_t phase_until_us;
    size_t relay;      /* index of the one that is, or will be, connected to */
    unsigned failures; /* since the last session */
    uint32_t session;
    int64_t heartbeat_us, said_at_us, heard_at_us;
    bool is_short; /* of memory for what was to be said: the session is to end */
    uint8_t instance[16];
    char trouble[200];

    struct consume_part *parts; /* by partition; NULL until WELCOME */
    uint32_t partitions;
    uint64_t assignments;
    uint64_t consumed, granted; /* numbers of events in this session */
    struct consume_batch *first, **last;
    bool acks_due;
    int64_t acks_due_us;
    size_t assigned_count;

    struct pool event_pool;
    struct holdfast_event event;
    struct holdfast_movement movement;
    bool refused_due;
    int status;
    char field[80], message[256];
};

/* ------------------------------------------------------------- holdfast_events.c */

/* wanted NULL: for a question. NULL with the reason in error. */
struct holdfast_subscription *consume_open(const struct holdfast_options *options,
                                           const struct holdfast_subscription_options *wanted,
                                           char *error, size_t error_bytes);
/* Until something may have come, or until_us. */
void consume_wait(struct holdfast_subscription *s, int64_t until_us);

/* ------------------------------------------------------------- consume.c */

/* Sends and receives what there is; never waits. */
void consume_process(struct holdfast_subscription *s, int64_t now_us);
int64_t consume_due_us(const struct holdfast_subscription *s);
void consume_send(struct holdfast_subscription *s, enum message_type type, uint64_t sequence,
                  const ProtobufCMessage *message);
void consume_goodbye(struct holdfast_subscription *s);

/* ------------------------------------------------------------- consume_take.c */

/* False: for want of memory, or because it cannot be read. Then the session must end: an event that
 * is left out would be acknowledged with those behind it. */
bool consume_events(struct holdfast_subscription *s, const uint8_t *body, size_t bytes);
bool consume_assign(struct holdfast_subscription *s, const Hf__Assign *assign);
void consume_acked(struct holdfast_subscription *s, const Hf__Ack *acked);
void consume_halted(struct holdfast_subscription *s, const Hf__Halted *halted);
/* The session is over: what was not handed is forgotten, and given again. */
void consume_forget(struct holdfast_subscription *s);
/* Fills s->event. False: there is none. */
bool consume_next(struct holdfast_subscription *s);
void consume_acknowledge(struct holdfast_subscription *s, uint32_t partition, uint64_t sequence,
                         int64_t now_us);
/* ACK and YIELD, where they are due. */
void consume_send_acks(struct holdfast_subscription *s);
bool consume_all_stored(const struct holdfast_subscription *s);
void consume_grant(struct holdfast_subscription *s);

#endif

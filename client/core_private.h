/* SPDX-License-Identifier: MIT
 *
 * What the files of the core share; private to them. core.h is the way in.
 *
 *   core.c          submit, the queue of what is ready to go, messages out, actions
 *   core_session.c  HELLO to GOODBYE, heartbeats, clock, moving to the next broker
 *   core_call.c     what becomes of a call: attempts, results, retries, settling
 *   core_timer.c    a heap of wake-up times
 */
#ifndef CLIENT_CORE_PRIVATE_H
#define CLIENT_CORE_PRIVATE_H

#include "client/core.h"
#include "client/decode.h"
#include "client/view_decode.h"
#include "client/pool.h"
#include "protocol/header.h"

#define HELLO_TIMEOUT_US 1000000
#define VIEW_HELLO_TIMEOUT_US 500000 /* somebody else can be asked */
/* A session with one of several views lasts so long, and up to twice as long, and then another is
 * drawn: so that one that was gone is not without clients for ever. */
#define VIEW_SESSION_US 60000000
#define HEARTBEATS_MISSED 3
/* Between rounds of all brokers: full jitter, from this, doubled up to that. */
#define RECONNECT_BASE_US 50000
#define RECONNECT_MAX_US 1000000
/* Between attempts: full jitter, from this, doubled up to that. */
#define BACKOFF_BASE_US 20000
#define BACKOFF_MAX_US 2000000
/* After a lost session everything in flight is sent again, spread over this. */
#define RESEND_SPREAD_US 50000
/* Nobody follows wrong_partition in circles. */
#define PARTITION_FOLLOWS_MAX 4
/* A call that finds the retry budget empty looks again after this, and up to four times this. */
#define BUDGET_WAIT_US 100000
/* Freed calls that are kept. */
#define SPARE_CALLS_MAX 1024
/* Retries that are there at the start, and again every second. */
#define BUDGET_FLOOR 10
/* The most retries that may have been saved up. */
#define BUDGET_CEILING 1000

struct call;

/* A message that was sent in this session and not answered yet. */
struct attempt {
    struct attempt *hash_next;
    struct attempt *next; /* of the call, newest first */
    struct call *call;
    uint64_t sequence;
    bool settles;
};

/* core_call.c's call_move is the one function that changes it. */
enum call_state {
    CALL_READY,  /* in the queue: goes out when session and credit allow */
    CALL_SENT,   /* waits for the answer to its newest attempt */
    CALL_PAUSED, /* backs off; its timer makes it ready again */
    CALL_DONE,   /* in the done queue with its result */
};

struct call {
    struct call *prev, *next; /* in the ready or done queue */
    struct call *all_prev, *all_next;
    enum call_state state;
    enum core_call_kind kind;
    void *tag;

    uint8_t *body;
    size_t body_bytes;
    uint8_t operation_id[UUID_BYTES];
    uint8_t op_class;
    struct route route;

    int64_t deadline_us;        /* the caller waits until then */
    int64_t effect_deadline_us; /* no attempt may begin after it; what is left is for settling */
    int64_t wake_us;            /* attempt timeout, or end of the pause */
    size_t heap_at;             /* its place in the timer heap */

    uint16_t attempt;     /* number of the next message of the operation */
    uint32_t sent;        /* messages of the operation that were sent */
    uint32_t retries;     /* for the back-off */
    bool needs_token;     /* the end of its pause costs a token of the retry budget */
    uint32_t follows;     /* of wrong_partition */
    uint64_t newest;      /* sequence of the newest message, in this session */
    struct attempt *live; /* unanswered in this session */
    struct attempt first; /* most calls need only one */
    bool first_used;

    /* An attempt was sent whose end this session will not tell: its session ended, its outcome
     * was `unknown`, or an earlier process sent it. Only settling makes a refusal certain. */
    bool uncertain;
    bool inherited; /* the caller's id may have been sent before, with whatever body */

    /* A settle said that the id is applied; the operation is sent to learn if with this body. */
    bool spent;
    bool settling; /* what goes out is a settle of operation_id */
    uint8_t settle_id[UUID_BYTES];
    uint16_t settle_attempt;

    /* The latest refusal or shed, told when it is certain, or when time is up. */
    struct holdfast_result *result;
    struct holdfast_answer *answer;
    struct view_box *read;
    uint32_t broker; /* that gave the read */
};

/* When the call's next message is of no use any more: of the operation early enough to settle. */
int64_t call_deadline_us(const struct call *call);

/* It changes nothing, and may be sent again as it is. */
static inline bool call_is_question(const struct call *call)
{
    return call->kind == CORE_QUERY || call->kind == CORE_READ;
}

struct call_queue {
    struct call *first, *last;
};

enum session_phase {
    SESSION_NONE,    /* nobody needs one */
    SESSION_PAUSED,  /* between two tries */
    SESSION_OPENING, /* a connection is to be opened: the next action */
    SESSION_HELLO,   /* HELLO is sent, or about to be */
    SESSION_READY,   /* WELCOME was received */
};

struct clock_estimate {
    bool known;
    int64_t offset_us; /* cluster's clock minus mono_us */
    int64_t round_trip_us;
    int64_t taken_us;
};

struct core {
    struct core_config config;
    uint64_t random;
    struct core_time now;

    /* session */
    enum session_phase phase;
    uint32_t broker;
    uint32_t failures; /* tries since the last WELCOME */
    int64_t phase_until_us;
    bool close_pending; /* a CORE_DISCONNECT is due */
    bool hello_due, goodbye_due, beat_due;
    bool leaving;        /* it ends as soon as goodbye is said */
    int64_t leave_at_us; /* when it is to be left; INT64_MAX: never */
    bool answer_due;     /* a heartbeat of the broker is to be answered */
    uint64_t answer_echo;
    bool wanted;
    uint32_t session;
    uint64_t sequence, credit;
    uint32_t window;
    uint32_t partitions;
    uint32_t message_bytes, batch_messages;
    int64_t not_after_max_us;
    int64_t heartbeat_us;
    int64_t hello_at_us;
    int64_t beat_at_us;   /* when the next heartbeat is due */
    int64_t said_at_us;   /* when anything was sent last */
    int64_t asked_at_us;  /* of the oldest heartbeat that nothing was heard after; 0: none */
    uint64_t beat_echo;   /* of the newest heartbeat */
    int64_t beat_sent_us; /* when that was */
    struct clock_estimate clock;
    char trouble[160];

    /* calls */
    struct call *all;
    struct call_queue ready, done;
    struct call *spare; /* freed ones, kept for the next */
    size_t spare_count;
    uint32_t in_flight; /* calls that are CALL_SENT */
    struct attempt **buckets;
    size_t bucket_count, attempt_count;
    struct call **heap;
    size_t heap_count, heap_size;
    double budget;
    int64_t budget_at_us;

    /* messages out */
    uint8_t header[HEADER_BYTES];
    uint8_t *out;
    size_t out_bytes, out_size;
    struct pool scratch;
};

/* core.c */
uint64_t core_random(struct core *core);
int64_t core_jitter(struct core *core, int64_t most_us); /* 0 to most_us */
void queue_append(struct call_queue *queue, struct call *call);
void queue_take(struct call_queue *queue, struct call *call);

/* core_session.c */
void core_session_tick(struct core *core);
int64_t core_session_deadline(const struct core *core);
/* The session is over: what is in flight is uncertain; another broker is next when there is one. */
void core_session_end(struct core *core, const char *why, bool is_failure);
void core_session_need(struct core *core);
/* The connection is opened: HELLO goes next. */
void core_session_opened(struct core *core);
/* A control message, or false. Fills core->header and core->out. */
bool core_session_message(struct core *core);
void core_session_heard(struct core *core, const struct header *header, const uint8_t *body,
                        size_t body_bytes);

/* core_call.c */
/* The message with this sequence went out. False, and it may not go: no memory. */
bool call_was_sent(struct core *core, struct call *call, uint64_t sequence);
/* Its due time has come. */
void call_wake(struct core *core, struct call *call);
void call_answered(struct core *core, const struct header *header, const uint8_t *body,
                   size_t body_bytes);
void call_too_large(struct core *core, struct call *call);
/* The caller named a partition that the region does not have: told so, and never sent. */
bool call_is_nowhere(const struct core *core, const struct call *call);
void call_nowhere(struct core *core, struct call *call);
/* The handle is closed. */
void call_abandon(struct core *core, struct call *call);
/* Every attempt of every call in this session will stay unanswered. */
void calls_lose_session(struct core *core);
/* It is given back, for there is nobody to ask. */
void call_give_up(struct core *core, struct call *call);
/* Has each been tried in vain since the last WELCOME? Only of views. */
bool core_is_forsaken(const struct core *core);
/* Only this message was not taken by the broker. */
void call_not_taken(struct core *core, uint64_t sequence, const char *why);
/* Zeroed; NULL: no memory. */
struct call *call_new(struct core *core);
/* It is in no queue any more. */
void call_free(struct core *core, struct call *call);

/* core_timer.c: a binary heap by the earlier of wake_us and the deadline that counts. */
int64_t call_due_us(const struct call *call);
bool timer_reserve(struct core *core); /* room for one more; false: no memory */
void timer_add(struct core *core, struct call *call);
void timer_moved(struct core *core, struct call *call);
void timer_remove(struct core *core, struct call *call);

#endif

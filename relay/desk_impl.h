/* SPDX-License-Identifier: MIT
 *
 * The inside of the desk, shared by desk*.c; nobody else includes it.
 *
 *   desk.c          life, sessions and their messages
 *   desk_subscription.c  what becomes of a subscription: claimed, served, given up, deleted
 *   desk_divide.c   which consumer has which partition
 *   desk_push.c     giving events, within credit
 *   desk_changes.c  what owners tell of their commits, taken into the tails
 *   desk_job.c      what to do next at a shard
 *   desk_reply.c    what was learned from it
 *   desk_question.c    list and delete
 */
#ifndef RELAY_DESK_IMPL_H
#define RELAY_DESK_IMPL_H

#include "relay/desk.h"
#include "relay/tail.h"

/* Subscriptions that one relay serves at once; another SUBSCRIBE is `busy`. */
#define SUBSCRIPTIONS_MAX 1024u
/* Credit ahead of what was given that counts. */
#define CREDIT_AHEAD_MAX 65536u
/* Bytes of events in one message, less than a message may have. */
#define EVENTS_BYTES (64u * 1024)
/* A movement is at most so much larger than the operation that it came from. */
#define EVENT_BYTES_MORE 8192u
/* Of all tails together. */
#define TAILS_BYTES_MAX (32u * 1024 * 1024)
/* A partition that is not given back by then goes to another consumer all the same. */
#define YIELD_US 5000000
/* Between two stores of acknowledgements at a shard, and two looks at all its partitions. */
#define STORE_US 200000
#define LOOK_US 1000000
/* Between two reads of movements at a shard: what comes meanwhile is read at once, which costs the
 * database much less than one by one. The first after a rest does not wait. */
#define READ_US 25000
/* After a job that failed, and between two tries at a subscription that another relay has let go.
 */
#define RETRY_US 500000
/* A subscription without consumers is kept so long before it is given up. */
#define LINGER_US 1000000
/* How often something that waits for time to pass is looked at. */
#define TICK_US 100000
/* A list or delete that was not answered by then is `unavailable`. */
#define QUERY_US 5000000

/* Of a partition, whoever reads it. */
struct part {
    struct tail tail;
    bool known;          /* a database has told */
    struct position now; /* as the database said last; seq also as heard under the same claim */
    uint8_t heard[CLAIM_BYTES]; /* the claim that was heard last */
    bool is_heard;              /* its owner was, since the last look at the database */
    size_t shard;               /* that has it, as far as known */
};

enum hold {
    HOLD_FREE,    /* nobody has it */
    HOLD_GIVEN,   /* a consumer has it */
    HOLD_LEAVING, /* a consumer was told to give it back */
};

/* A partition of a subscription. */
struct place {
    enum hold hold;
    struct consumer *consumer;
    int64_t leaving_us; /* LEAVING: since */
    bool loaded;        /* what follows is known */
    struct position acked, given;
    uint64_t given_most; /* ever, to anybody: it may have been taken away and be given again */
    uint64_t stored;     /* acked.seq that is in the database */
    bool dirty;          /* to be stored, though stored may say otherwise */
    struct mark marks[MARKS_MAX]; /* from acked to given, oldest first */
    size_t mark_count;
    bool checked; /* `given` is history under the partition's present claim */
    bool end_told;
    bool reading;
    Hf__HaltReason halt;
    bool halt_told;
    uint64_t halt_given; /* how far it was given */
    uint64_t pruned;     /* POSITION_PRUNED: up to here */
    bool losing;         /* LOST was seen; what the database has is being read */
    struct position lost_place;
    bool has_seen; /* the consumer says that it was given this; not looked up yet */
    struct position seen;
};

enum subscription_state {
    SUBSCRIPTION_CLAIMING, /* to be taken over, at its home */
    SUBSCRIPTION_SERVING,
    SUBSCRIPTION_GIVING_UP,  /* nobody consumes it */
    SUBSCRIPTION_FORGETTING, /* deleted: its positions go */
    SUBSCRIPTION_DELETING,   /* … and its row */
    SUBSCRIPTION_OVER,       /* is freed at the next tick */
};

struct subscription {
    struct subscription *next;
    uint64_t serial;
    struct code name;
    size_t home; /* shard */
    enum subscription_state state;
    bool in_job; /* CLAIM, GIVE_UP or DELETE is under way */
    bool delete_wanted;
    uint64_t epoch;
    int64_t not_before_us;
    int64_t renew_us;           /* when the lease is to be renewed */
    int64_t empty_us;           /* since when nobody consumes it */
    struct consumer *consumers; /* in order of their coming */
    size_t consumer_count;
    struct place *places; /* by partition */
    bool *shard_loaded;   /* by shard; FORGETTING: done there */
    bool *shard_in_job;
    bool *shard_seek; /* positions are to be set there at the next load, as follows */
    uint64_t seek;    /* raised by each of them */
    Hf__From from;
    struct job_position *positions;
    size_t position_count;
    bool divide_due;
};

struct consumer {
    struct consumer *next; /* of its subscription */
    struct consumer *all_next, *all_prev;
    void *peer;
    struct subscription *subscription; /* NULL: none yet */
    bool answered;                     /* SUBSCRIBED was sent */
    uint64_t credit, given;            /* numbers of events */
    size_t places;                     /* that it is given */
    bool assign_due;
    bool doomed; /* its session ends at the next tick */
    enum error_code doom;
    char doom_text[160];
};

struct question {
    struct question *next;
    struct consumer *consumer; /* NULL: gone */
    uint64_t number;           /* of ours */
    uint64_t sequence;         /* of the QUERY */
    bool is_delete;
    struct code after, only;
    uint32_t limit;
    bool *asked;          /* by shard: sent */
    size_t left;          /* shards that have not answered */
    int64_t until_us;     /* 0: not set yet */
    struct job **replies; /* by shard */
};

struct desk {
    struct desk_config config;
    struct desk_sink sink;
    struct part *parts;
    size_t tail_bytes;
    struct subscription *subscriptions;
    size_t subscription_count;
    struct consumer *consumers;
    size_t consumer_count;
    struct question *queries;
    uint64_t last_serial, last_query;
    int64_t *shard_not_before_us, *store_next_us, *look_next_us;
    bool *look_wanted;
    enum job_kind *last_kind;
    uint32_t *read_next;   /* by shard: partition that is looked at first */
    int64_t *read_next_us; /* by shard */
    bool *read_waits;      /* by shard: for that time */
    struct arena arena;
    uint8_t *body; /* of EVENTS, that is being filled for a consumer */
    size_t body_bytes;
    struct consumer *body_of; /* NULL: for none */
    bool stopping;            /* nothing lingers */
    struct desk_counts counts;
};

/* ------------------------------------------------------------- desk.c */

void *desk_alloc(size_t count, size_t bytes); /* zeroed, never NULL */
/* Ends the session at the next tick. text may be NULL. */
void consumer_doom(struct consumer *consumer, enum error_code code, const char *text);
/* Packs and sends; dooms who does not take it. */
void consumer_send(struct desk *desk, struct consumer *consumer, enum message_type type,
                   uint64_t sequence, const ProtobufCMessage *message);
void consumer_answer(struct desk *desk, struct consumer *consumer, uint32_t status,
                     const char *field, const char *message, const char *endpoint);

/* ------------------------------------------------------------- desk_subscription.c */

struct subscription *subscription_find(const struct desk *desk, const struct code *name);
struct subscription *subscription_by_serial(const struct desk *desk, uint64_t serial);
struct subscription *subscription_new(struct desk *desk, const struct code *name);
/* The one function that changes its state. */
void subscription_move(struct subscription *subscription, enum subscription_state state);
/* This place is set at the next load of its shard. */
void subscription_seek(struct desk *desk, struct subscription *subscription,
                       const struct job_position *position);
/* Another relay has it, or took it: its consumers are sent away. */
void subscription_lost(struct desk *desk, struct subscription *subscription, const char *endpoint);
void subscription_deleted(struct desk *desk, struct subscription *subscription);
void subscription_subscribe(struct desk *desk, struct consumer *consumer,
                            const Hf__Subscribe *subscribe, int64_t now_us);
/* SUBSCRIBED to those who wait for it, where it can be said now. */
void subscription_welcome(struct desk *desk, struct subscription *subscription);
void subscription_leave(struct desk *desk, struct consumer *consumer, int64_t now_us);
void subscription_tick(struct desk *desk, struct subscription *subscription, int64_t now_us);
void subscription_free(struct desk *desk, struct subscription *subscription);

/* ------------------------------------------------------------- a place */

/* What comes next is read again from what was acknowledged. */
void place_rewind(struct place *place);
void place_acknowledge(struct place *place, uint64_t seq);
/* One more was given. */
bool place_can_give(const struct place *place, const struct position *next);
void place_give(struct place *place, const struct position *next);
void place_set(struct place *place, const struct position *at);

/* Appends what was read or heard after `from`; NULLs what it took. Keeps to the bytes that all
 * tails may have. */
void part_keep(struct desk *desk, struct part *part, const struct position *from,
               struct event **events, size_t count);

/* ------------------------------------------------------------- desk_divide.c */

/* Moves partitions so that every consumer has its share; sends nothing. */
void divide(struct subscription *subscription, uint32_t partitions, int64_t now_us);
/* Nobody has this one any more. */
void divide_free(struct place *place);

/* ------------------------------------------------------------- desk_push.c */

void push_assignments(struct desk *desk, struct subscription *subscription);
void push_halts(struct desk *desk, struct subscription *subscription);
void push_events(struct desk *desk, struct subscription *subscription);
/* Nothing halts it, and what comes after `given` may be given. */
bool place_is_open(const struct place *place);
/* Gives one place from what was read; stops at the credit. Sent at the latest by push_flush, which
 * is called before anything else is said to anybody. */
void push_place(struct desk *desk, struct subscription *subscription, uint32_t partition,
                struct event *const *events, size_t count);
void push_flush(struct desk *desk);
uint64_t consumer_credit(const struct consumer *consumer);

/* ------------------------------------------------------------- desk_question.c */

void question_take(struct desk *desk, struct consumer *consumer, uint64_t sequence,
                   const Hf__RelayQuery *question, int64_t now_us);
struct job *question_job(struct desk *desk, size_t shard);
void question_reply(struct desk *desk, struct job **job);
/* Deletes that waited for this subscription are answered. */
void question_deleted(struct desk *desk, const struct code *name, uint32_t status,
                      const char *message, const char *endpoint);
void question_gone(struct desk *desk, const struct consumer *consumer);
void question_tick(struct desk *desk, int64_t now_us);
void question_free_all(struct desk *desk);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The structs that the files of the dispatch core share; private to them. dispatch.h is the way in.
 *
 *   dispatch.c  takes a message apart and finds who handles it; flush and tick
 *   session.c   HELLO to GOODBYE, heartbeats, silence
 *   admit.c     what a client sends: checks, limits, shedding
 *   queue.c     queues of a partition: classes, lanes, drain rate
 *   yield.c     how much bulk a worker is given while others come
 *   assign.c    ownership, dispatch to workers, results, dead workers, suspects
 *   outbox.c    what waits to be sent to one peer
 *   reply.c     results and errors that the broker itself makes
 *   rate.c      token buckets
 *   state.c     BrokerState
 */
#ifndef BROKER_CORE_H
#define BROKER_CORE_H

#include <uthash.h>

#include "broker/dispatch.h"
#include "broker/outbox.h"
#include "broker/rate.h"
#include "protocol/error.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/status.h"
#include "protocol/text.h"

#define INSTANCE_BYTES 16u
/* What a peer may make us unpack, whatever limits.message_bytes is. */
#define CONTROL_BYTES_MAX_CLIENT 4096u
#define AUDIT_FIRST_MAX 10u /* differences in an AuditReport */
#define CONTROL_BYTES_MAX_WORKER (2u * 1024u * 1024u)

/* Where an operation is. op_move is the one function that changes it. */
enum op_state {
    OP_NEW,      /* not in any queue yet, or out of all of them */
    OP_WAITING,  /* in a lane, never dispatched: may still be shed */
    OP_AGAIN,    /* was dispatched and came back: ahead of the lanes, never shed */
    OP_ASSIGNED, /* in flight at a worker session */
};

/* An operation or a query, one allocation with its body. */
struct op {
    struct op *prev, *next; /* in its lane, or in the partition's again list */
    enum op_state state;
    uint32_t client; /* session id; the session may be over */
    uint64_t client_sequence;
    uint32_t partition;
    uint8_t type; /* MESSAGE_OPERATION or MESSAGE_QUERY */
    uint8_t op_class;
    uint16_t attempt;
    uint32_t deaths; /* of workers that had it in flight; above 0 it is a suspect */
    bool maybe;      /* a dispatch of it ended without an answer, and may have applied it */
    int64_t not_after_us;
    int64_t admitted_us;      /* monotonic */
    uint64_t order;           /* in the partition, by first dispatch */
    uint64_t worker_sequence; /* of its last dispatch */
    struct lane *lane;        /* while OP_WAITING */
    size_t body_bytes;
    uint8_t body[];
};

/* What one client has waiting in one class of one partition. Exists while it is not empty. */
struct lane {
    struct lane *prev, *next;               /* the class's lanes; the head is served next */
    struct lane *client_prev, *client_next; /* all lanes of the client */
    struct lane *hash_next;
    struct op *ops; /* utlist, oldest first */
    uint32_t count;
    uint32_t client;
    uint32_t partition;
    uint8_t op_class;
};

/* Whether the partition's worker should look at it. */
enum partition_readiness {
    PARTITION_IDLE,   /* nothing to dispatch, or nobody to dispatch to, or only bulk in line */
    PARTITION_READY,  /* in the worker's ready list */
    PARTITION_PARKED, /* its next operation is a suspect, and enough of them are in flight */
};

/* Where a partition stands while bulk yields (yield.c). */
enum bulk_turn {
    TURN_NONE,    /* no bulk waits, or no place was asked for yet */
    TURN_IN_LINE, /* in the worker's line: its bulk waits for a place */
    TURN_NOW,     /* a place is kept for it; it is ready */
};

/* How fast a queue is served while something waits in it, or it is half full of what is in flight:
 * completions, counted in windows and smoothed. */
struct drain {
    int64_t since_us; /* the window's first completion; 0: none yet */
    int64_t last_us;
    uint32_t count;    /* after the first */
    double per_second; /* 0: not known */
};

/* Bulk may wait because others go first; that it does says nothing of how fast they are served. So
 * each has a pace, by its own answers while some of it waits. */
enum pace {
    PACE_OTHERS,
    PACE_BULK,
    PACE_COUNT,
};

struct partition {
    uint32_t number;
    /* who serves it */
    struct session *owner;
    uint64_t epoch;                   /* the highest that any worker announced */
    uint64_t last_sequence;           /* as announced with it */
    uint8_t instance[INSTANCE_BYTES]; /* of the process that announced it */
    int64_t unserved_since_us;
    uint64_t mark; /* of the last announcement that named it */
    struct partition *owned_prev, *owned_next;
    /* the queue */
    struct lane *lanes[CLASS_COUNT];
    int32_t turn[CLASS_COUNT]; /* smooth weighted round robin */
    struct op *again;          /* by order */
    uint64_t next_order;
    uint32_t held; /* waiting, again and assigned */
    uint64_t held_bytes;
    uint32_t class_held[CLASS_COUNT];
    uint64_t class_bytes[CLASS_COUNT];
    uint32_t waiting, again_count, assigned;
    uint32_t suspects; /* in again, or assigned */
    struct drain drain[PACE_COUNT];
    int64_t swept_us; /* dispatched from, or swept for deadlines, last */
    /* the worker's lists */
    enum partition_readiness readiness;
    struct partition *ready_prev, *ready_next;
    enum bulk_turn bulk_turn;
    struct partition *line_prev, *line_next;
};

/* What only a client's session has. */
struct client_part {
    uint64_t last_sequence; /* received */
    uint64_t credit;        /* granted */
    uint32_t in_flight;     /* admitted and not answered */
    uint32_t held_back;     /* refused at once: no room in the window until then */
    int64_t held_until_us;
    struct principal *principal;
    struct lane *lanes;
    uint64_t admitted, shed;
};

/* What only a worker's session has. */
struct worker_part {
    struct code shard;
    uint64_t credit;    /* it takes dispatches up to this sequence */
    uint64_t sent;      /* the last dispatch */
    uint64_t oldest;    /* no dispatch before this one is unanswered */
    struct op **flight; /* by sequence modulo flight_size */
    uint32_t flight_size;
    uint32_t in_flight;
    uint32_t bulk; /* of class bulk, of those in flight */
    struct partition *owned;
    uint32_t owned_count;
    struct partition *ready, *parked;
    struct partition *line; /* of partitions whose bulk waits for a place */
    uint32_t turns;         /* places that are kept for those whose turn has come */
    uint32_t lot;           /* of class bulk, given since it last had none */
    int64_t lot_given_us;   /* the last of it (monotonic) */
    int64_t rest_until_us;  /* no lot is begun before, while bulk yields (monotonic) */
    /* suspects: how many are in flight, how many may be; and whether one must be alone */
    uint32_t trials, trial_window;
    bool alone;
    /* What it says that it runs alone now: the dispatch, or one of another broker. */
    uint64_t trial;
    bool trial_elsewhere;
    uint8_t trouble_bytes;
    char trouble[TROUBLE_BYTES_MAX]; /* what keeps it from working, as it says; not terminated */
};

struct session {
    enum side side;
    uint32_t id;
    uint32_t slot;
    struct code name;
    uint8_t instance[INSTANCE_BYTES];
    int64_t heard_us; /* monotonic */
    int64_t started_us;
    struct outbox out;
    bool dirty, blocked; /* has something to send; the peer's pipe was full */
    int64_t blocked_us;  /* since when */
    bool doomed;         /* ends at the next flush, for doom */
    enum error_code doom;
    struct session *dirty_next;
    struct session *prev, *next; /* all sessions of the side */
    union {
        struct client_part client;
        struct worker_part worker;
    };
    UT_hash_handle hh;
    size_t route_bytes;
    uint8_t route[DISPATCH_ROUTE_BYTES];
};

#define LANE_BUCKET_BITS 13
#define LANE_BUCKETS (1u << LANE_BUCKET_BITS)
#define STATUS_CODES 256u /* wire codes of results are below */

struct dispatch {
    struct dispatch_config config;
    struct dispatch_output output;
    struct moment started;
    int64_t heartbeat_us, grace_us, tick_us;
    int64_t next_tick_us;
    int64_t last_tick_us;
    int64_t resumed_us; /* silence counts from here at the earliest */

    struct session *by_route[SIDE_COUNT]; /* uthash */
    struct session *list[SIDE_COUNT];     /* utlist */
    uint32_t count[SIDE_COUNT];
    struct session **slots;
    uint32_t *free_slots;
    uint32_t *generations;
    uint32_t slot_count, free_count;
    struct session *dirty;
    bool blocked; /* some session is */
    /* Bulk yields until then (monotonic): something else has come, here or to a worker of ours. */
    int64_t yield_until_us;

    struct partition *partitions;
    uint32_t served;
    uint64_t map_version;
    uint64_t mark;

    struct lane *lane_buckets[LANE_BUCKETS];
    struct lane *lane_free;
    struct principal_table principals;

    Hf__AuditReport *audit; /* the last that we were told of; NULL: none */

    /* for STATE */
    uint64_t operations, results, requeued, poisoned;
    uint64_t sheds[STATUS_CODES]; /* results that the broker made, by wire code */
    uint64_t queued, in_flight;
    int64_t rate_since_us;
    uint64_t rate_operations;
    uint32_t rate;
};

/* session.c */
struct session *session_by_route(struct dispatch *d, enum side side, const uint8_t *route,
                                 size_t route_bytes);
struct session *session_by_id(struct dispatch *d, uint32_t id);
void session_hello(struct dispatch *d, enum side side, const uint8_t *route, size_t route_bytes,
                   const char *principal, const struct header *header, const uint8_t *body,
                   size_t body_bytes, struct moment now);
void session_heartbeat(struct dispatch *d, struct session *s, const struct header *header,
                       const uint8_t *body, size_t body_bytes, struct moment now);
/* Why a session ends; decides what becomes of a worker's operations. */
enum session_end {
    END_CLEAN,  /* it said so: not suspects */
    END_GONE,   /* its process has died, perhaps of what it had in flight */
    END_SILENT, /* the same, or it hangs, or was stopped */
};
/* Frees s. */
void session_end(struct dispatch *d, struct session *s, enum session_end how, const char *why,
                 struct moment now);
/* Answers with ERROR and, where the code says so, ends the session. */
void session_fault(struct dispatch *d, struct session *s, enum error_code code, uint64_t sequence,
                   struct moment now);
/* Ends it at the next flush: for callers in the middle of its lists. */
void session_doom(struct dispatch *d, struct session *s, enum error_code code);
void session_mark_dirty(struct dispatch *d, struct session *s);
void sessions_tick(struct dispatch *d, struct moment now);
/* It was refused at once, and told to come back after so long (0: it was not told). What is
 * refused takes room in its window until the first of it may come back, or for HELD_BACK_MAX_MS,
 * and until the tick after that. So a client that does not listen cannot send more than a window
 * for each such time; and one whose window is used up by a partition that stands still is not kept
 * from the others for long. */
#define HELD_BACK_MAX_MS 1000u
void client_hold_back(struct session *s, uint32_t retry_after_ms, struct moment now);
/* Sends what the outbox holds and tops up a client's credit. */
void session_flush(struct dispatch *d, struct session *s, struct moment now);

/* admit.c */
void admit(struct dispatch *d, struct session *s, const struct header *header, const uint8_t *body,
           size_t body_bytes, struct moment now);

/* queue.c: every change of where an operation is goes through op_move, which keeps the counts. */
struct op *op_new(size_t body_bytes);
size_t op_bytes(size_t body_bytes);              /* what an operation with such a body counts for */
void op_free(struct dispatch *d, struct op *op); /* it must be OP_NEW */
void op_move(struct dispatch *d, struct op *op, enum op_state state);
enum queue_room {
    QUEUE_ROOM,
    QUEUE_FULL,  /* or this client has its share of it already */
    QUEUE_NEVER, /* larger than its class may ever hold */
};
/* For an operation of so many bytes (op_bytes), of this client. */
enum queue_room queue_room(struct dispatch *d, const struct partition *p, uint32_t client,
                           uint8_t op_class, size_t bytes);
void queue_push(struct dispatch *d, struct session *client, struct op *op);
/* Its turn has come, but it has waited for too long, and there is more behind it than can be served
 * in time: the pace was not known when it was let in, or has fallen. */
bool queue_is_overdue(const struct partition *p, const struct op *op, int64_t now_us);
/* The next by class, client and age, taken out of its lane (OP_NEW); NULL when none waits, or
 * without_bulk nothing but bulk. */
struct op *queue_pop(struct dispatch *d, struct partition *p, bool without_bulk);
/* Something else than bulk waits, never dispatched. */
bool queue_has_others(const struct partition *p);
/* Back in front, in place by order. */
void queue_again(struct dispatch *d, struct op *op);
/* Everything of a client that was never dispatched; the operations are freed without an answer. */
void queue_drop_client(struct dispatch *d, struct session *client);
/* Takes out of the lanes those for which expired says so (all, when only_expired is false), and
 * sheds them with status. */
void queue_shed(struct dispatch *d, struct partition *p, bool only_expired, enum status status,
                struct moment now);
/* One more of this class was answered. */
void drain_count(const struct dispatch *d, struct partition *p, uint8_t op_class, int64_t now_us);
/* For who was told busy. */
uint32_t drain_retry_after_ms(const struct partition *p, uint8_t op_class, int64_t now_us);

/* assign.c */
void worker_init(struct session *s);
/* What a worker owns is told whole: begin, each partition (in range), end. */
void worker_announce_begin(struct dispatch *d);
void worker_announce(struct dispatch *d, struct session *s, uint32_t partition, uint64_t epoch,
                     uint64_t last_sequence);
void worker_announce_end(struct dispatch *d, struct session *s, struct moment now);
/* What it runs alone, as each heartbeat says: a dispatch of ours, or one of another broker's. */
void worker_trial(struct session *s, uint64_t sequence, bool elsewhere);
void worker_credit(struct dispatch *d, struct session *s, const struct header *header,
                   const uint8_t *body, size_t body_bytes, struct moment now);
/* Hands it operations until its credit, its queues or the room in its outbox end. True when there
 * may be more once the outbox has been sent. */
bool worker_dispatch(struct dispatch *d, struct session *s, struct moment now);
void worker_result(struct dispatch *d, struct session *s, const struct header *header,
                   const uint8_t *body, size_t body_bytes, struct moment now);
void worker_returned(struct dispatch *d, struct session *s, const struct header *header,
                     const uint8_t *body, size_t body_bytes, struct moment now);
/* Its operations are queued again, its partitions have no owner. */
void worker_release(struct dispatch *d, struct session *s, enum session_end how, struct moment now);
void partition_wake(struct partition *p);
void partitions_tick(struct dispatch *d, struct moment now);

/* yield.c, of partitions that have an owner, and of workers */
/* Something else than bulk has come, or a worker says so: for some seconds each worker is given
 * bulk in lots of at most limits.worker_bulk, with rests between. */
void yield_begin(struct dispatch *d, struct moment now);
/* Bulk of this partition may not be given now. */
bool yield_holds(const struct dispatch *d, const struct partition *p, struct moment now);
/* It waits for its turn, if it does not already. */
void yield_line_up(struct partition *p);
/* It was given bulk, has none that waits, or loses its owner: its turn or its place is over. */
void yield_leave(struct partition *p);
/* The next whose turn has come, for the caller to wake; NULL: no place is free, or nobody waits. */
struct partition *yield_next(const struct dispatch *d, struct session *s, struct moment now);
/* One of class bulk was given to the worker; one has left it, however that ended. */
void yield_given(struct session *s, struct moment now);
void yield_gone(struct session *s, struct moment now);
/* Until somebody in a worker's line may be called because a rest is over; INT64_MAX: nobody. */
int64_t yield_wait_us(const struct dispatch *d, struct moment now);

/* reply.c */
void reply_status(struct dispatch *d, struct session *client, uint8_t type, uint64_t sequence,
                  uint32_t partition, enum status status, const char *field,
                  uint32_t retry_after_ms);
/* The operation's end: tells its client, if it is still there, and frees it. */
void op_finish(struct dispatch *d, struct op *op, enum status status, struct moment now);
size_t reply_error_body(enum error_code code, const char *detail, uint8_t *bytes, size_t size);
/* To a peer with or without a session, at once and without a second try. */
void reply_error(struct dispatch *d, enum side side, const uint8_t *route, size_t route_bytes,
                 uint32_t session, uint64_t sequence, enum error_code code, const char *detail);
/* One answer of a client's operation is out: its window has room again. */
void client_answered(struct dispatch *d, struct session *client);

#endif

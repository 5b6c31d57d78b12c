/* SPDX-License-Identifier: MIT
 *
 * libholdfast: events. A named, durable subscription is given every movement of stock, of each
 * partition in order, each at least once, by a relay. Several consumers may share a name: the
 * partitions are divided among them.
 *
 *     struct holdfast_subscription *s = holdfast_subscribe(NULL, &wanted, error, sizeof error);
 *     while ((event = holdfast_subscription_next(s, 1000)) != NULL || !done) {
 *         if (event && event->kind == HOLDFAST_EVENT_MOVEMENT) {
 *             work(event->movement);
 *             holdfast_subscription_ack(s, event->partition, event->sequence);
 *         }
 *     }
 *     holdfast_unsubscribe(&s);
 *
 * What is not acknowledged when the program dies is given again, to whoever consumes the name then;
 * what is acknowledged and stored (holdfast_subscription_flush) is not. The operation's id in the
 * movement makes it once. What was given to this handle is not given to it again: a relay that dies
 * costs no doubles here.
 *
 * One handle serves one thread at a time and starts no thread besides libzmq's. It connects, moves
 * between relays and comes back by itself. It must not be used in a child after fork.
 */
#ifndef HOLDFAST_EVENTS_H
#define HOLDFAST_EVENTS_H

#include "holdfast.h"

#ifdef __cplusplus
extern "C" {
#endif

struct holdfast_subscription;

enum holdfast_from {
    HOLDFAST_FROM_LAST = 0, /* where it was acknowledged; a new subscription: the start */
    HOLDFAST_FROM_START,    /* the oldest movement that is kept */
    HOLDFAST_FROM_NOW,      /* what is committed from now on */
    HOLDFAST_FROM_POSITIONS /* after `positions`; other partitions as LAST */
};

struct holdfast_event_position {
    uint32_t partition;
    uint64_t sequence; /* of the last movement that is behind one */
};

struct holdfast_subscription_options {
    size_t size;             /* sizeof (struct holdfast_subscription_options) */
    const char *name;        /* of the subscription, a code; it is made when there is none */
    enum holdfast_from from; /* other than LAST: only while nobody else consumes it */
    const struct holdfast_event_position *positions;
    size_t position_count;
    uint32_t window;           /* events that are given ahead, 1 to 65,536; 0: 1,024 */
    const char *const *relays; /* client endpoints; NULL: those of the cluster file */
    size_t relay_count;
};

/* What a movement brought about; bits of holdfast_event.signals. A crossing, told once. Low is what
 * is available being less than the reorder point, and not low at it; a reorder point of 0 is none.
 * holdfast-console marks with LOW! what is so now. */
enum holdfast_signal {
    HOLDFAST_SIGNAL_LOW_STOCK = 1,         /* over all warehouses, below the item's reorder point */
    HOLDFAST_SIGNAL_LOW_STOCK_HERE = 2,    /* the level, below its own reorder point */
    HOLDFAST_SIGNAL_OUT_OF_STOCK = 4,      /* nothing is available in any warehouse */
    HOLDFAST_SIGNAL_OUT_OF_STOCK_HERE = 8, /* nothing is available at this level */
    HOLDFAST_SIGNAL_SHORTFALL = 16 /* more is promised than there is, and more than before */
};
/* "low_stock", …; static text. signal is one bit. */
HOLDFAST_PUBLIC const char *holdfast_signal_name(unsigned signal);

enum holdfast_event_kind {
    HOLDFAST_EVENT_MOVEMENT = 1, /* partition, sequence, claim_id, movement, signals, trace */
    /* The partition does not go on by itself: holdfast_subscription_resume. `given`: how far the
     * subscription was. `resume`: from where it can go on. */
    HOLDFAST_EVENT_POSITION_PRUNED, /* it is behind the retention: what came after `given` is gone
                                     */
    HOLDFAST_EVENT_HISTORY_LOST, /* the database lost its tail: what was given after `resume` never
                                  * happened */
    HOLDFAST_EVENT_REFUSED       /* the end: status, field, message. Nothing more comes */
};

struct holdfast_event {
    enum holdfast_event_kind kind;
    uint32_t partition;
    uint64_t sequence;
    uint8_t claim_id[16]; /* with the sequence it names the movement, also over a lost tail */
    const struct holdfast_movement *movement;
    unsigned signals;
    const char *trace; /* W3C traceparent of the operation; "" when there was none */
    uint64_t given, resume;
    int status;
    const char *field, *message;
};

/* options: of holdfast_open; NULL: all defaults (cluster file, cluster, brokers and name are read).
 * Does not wait for a relay. NULL on bad options or lack of memory, with the reason in error (may
 * be NULL). */
HOLDFAST_PUBLIC struct holdfast_subscription *
holdfast_subscribe(const struct holdfast_options *options,
                   const struct holdfast_subscription_options *subscription, char *error,
                   size_t error_bytes);
/* Sends acknowledgements that are not sent yet, without waiting until they are stored. The
 * subscription itself stays. *subscription becomes NULL. */
HOLDFAST_PUBLIC void holdfast_unsubscribe(struct holdfast_subscription **subscription);

/* The next event, valid until the next call with this handle; NULL: none within timeout_ms (0: does
 * not wait). */
HOLDFAST_PUBLIC const struct holdfast_event *
holdfast_subscription_next(struct holdfast_subscription *subscription, int64_t timeout_ms);
/* This movement is worked on, and all before it in its partition. Does not wait. */
HOLDFAST_PUBLIC void holdfast_subscription_ack(struct holdfast_subscription *subscription,
                                               uint32_t partition, uint64_t sequence);
/* Waits until everything that was acknowledged is stored; false: not within timeout_ms. What
 * belongs to another consumer by now is not waited for. */
HOLDFAST_PUBLIC bool holdfast_subscription_flush(struct holdfast_subscription *subscription,
                                                 int64_t timeout_ms);
/* Goes on after this sequence, in a partition that is halted: `resume` of its event, or after a
 * prune a later one. */
HOLDFAST_PUBLIC void holdfast_subscription_resume(struct holdfast_subscription *subscription,
                                                  uint32_t partition, uint64_t sequence);
/* True once there was nothing more in any partition of this consumer (halted ones apart), and
 * everything of them was taken with _next. */
HOLDFAST_PUBLIC bool holdfast_subscription_at_end(const struct holdfast_subscription *subscription);
/* Why there is no session with a relay, for people; "" when there is one. */
HOLDFAST_PUBLIC const char *
holdfast_subscription_trouble(const struct holdfast_subscription *subscription);

/* For loops of one's own: becomes readable when _process has something to do. Watch for readability
 * only, and call _process also when _deadline_ms has passed; then take with _next(…, 0). */
HOLDFAST_PUBLIC int holdfast_subscription_fd(const struct holdfast_subscription *subscription);
HOLDFAST_PUBLIC int
holdfast_subscription_deadline_ms(const struct holdfast_subscription *subscription);
HOLDFAST_PUBLIC void holdfast_subscription_process(struct holdfast_subscription *subscription);

/* ------------------------------------------------------------- the subscriptions that there are */

struct holdfast_subscription_state {
    const char *name;
    int64_t created_at_us;
    const char *relay; /* endpoint of the relay that serves it; "": nobody consumes it */
    uint64_t behind;   /* movements that are not acknowledged */
    uint32_t partitions;
    uint32_t pruned, lost; /* partitions that are halted */
    uint64_t acknowledged; /* sum of positions */
};

struct holdfast_subscription_list {
    int status; /* enum holdfast_status: APPLIED, or why there is nothing */
    const char *field, *message;
    const struct holdfast_subscription_state *subscriptions; /* by name, as bytes */
    size_t count;
    bool more;
};

/* Up to limit (1 to 1,000) after the name `after` (NULL: from the first); name: only this one (or
 * NULL). Waits, at most the timeout of the options. Never NULL; free it with _list_free. */
HOLDFAST_PUBLIC struct holdfast_subscription_list *
holdfast_subscription_list(const struct holdfast_options *options, const char *after,
                           const char *name, uint32_t limit);
/* The same, without waiting: in a loop of one's own, with _fd, _deadline_ms and _process of what is
 * returned, which serves for nothing else; ask _list_take after each _process. holdfast_unsubscribe
 * gives the question up. NULL with the reason in error. */
HOLDFAST_PUBLIC struct holdfast_subscription *
holdfast_subscription_list_begin(const struct holdfast_options *options, const char *after,
                                 const char *name, uint32_t limit, char *error, size_t error_bytes);
/* What was answered, or after the timeout of the options why nothing was; *question is then gone,
 * and NULL. NULL: not yet. Free it with _list_free. */
HOLDFAST_PUBLIC struct holdfast_subscription_list *
holdfast_subscription_list_take(struct holdfast_subscription **question);
/* Forgets a subscription and ends the sessions of its consumers. status INVALID with field
 * "delete.name": there is none. */
HOLDFAST_PUBLIC struct holdfast_subscription_list *
holdfast_subscription_delete(const struct holdfast_options *options, const char *name);
HOLDFAST_PUBLIC void holdfast_subscription_list_free(struct holdfast_subscription_list **list);

#ifdef __cplusplus
}
#endif

#endif

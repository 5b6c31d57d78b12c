/* SPDX-License-Identifier: MIT
 *
 * What the parts of a worker share. docs/worker.md follows one batch through them:
 *
 *   main.c       options, start and stop, and what the loop waits for
 *   loop.c       everything that is due, once
 *   session.c    one session with every broker: what arrives, what is sent
 *   link.c       its socket
 *   claims.c     which partitions are ours, and renewing, taking and handing over
 *   work.c       the queues of what waits
 *   batch.c      one batch after another, and what to do when one fails
 *   decide.c     one batch: look up, decide, write, answer
 *   query.c      what is only read
 *   auditor.c    audits, in a thread of their own (audit.c)
 *   copy.c       warehouses and reasons, to the other shards
 *   prune.c      movements and reservations past their time
 *   publish.c    what was committed, to whoever subscribes
 *   trouble.c    what keeps us from working, for those who look after the cluster
 *   store_*.c    the rows: SQL, and nothing but SQL
 *   db.c         the connection
 *
 * One process, one loop, and one thread for audits. SQL blocks, for at most about DB_TIMEOUT_S.
 * What stands between the worker and the world is link.h, db.h, the store*.h and the clock: a
 * simulation replaces those.
 */
#ifndef WORKERS_WORKER_H
#define WORKERS_WORKER_H

#include "common/arena.h"
#include "common/config.h"
#include "protocol/header.h"
#include "protocol/ids.h"
#include "workers/db.h"
#include "workers/ledger.h"
#include "workers/timeline.h"
#include "workers/trouble.h"
#include "workers/work.h"

/* ------------------------------------------------------------- claims */

enum slot_state {
    SLOT_OTHER,   /* not ours */
    SLOT_OWNED,   /* ours as far as we know; the fence will tell */
    SLOT_RECLAIM, /* was ours when the connection broke: claimed again before anything else */
};

/* A partition of our shard. */
struct slot {
    uint32_t partition;
    enum slot_state state; /* changed by claims.c alone */
    struct ledger *ledger; /* NULL until it was ours for the first time */
    uint64_t epoch;
    uint8_t claim_id[16];
    int64_t clock_high_us;
    int64_t clock_offset_us; /* ours: added to the timeline; otherwise what the row's lacks, as the
                              * server's clock has jumped since it was written */
    int64_t lease_until_us;  /* monotonic, by our own reckoning, a little early */
    uint64_t pruned_seq;
    int64_t prune_next_us;  /* monotonic */
    int64_t expire_next_us; /* monotonic; later than now only after expiring failed */
    int64_t put_off_us;     /* for how long a reservation that cannot be released is let be */
    uint64_t told_epoch;    /* the highest of a claim that brokers told of */
    uint64_t taking;        /* the number of the claim since when nobody else has owned it */
    bool tries_go_on;       /* every claim that we have begun since ours began from ours */
    /* The row, when we last looked. */
    uint64_t seen_epoch, seen_connection;
    int64_t seen_lease_us;       /* until then, by the server's clock; 0: handed over */
    int64_t seen_lease_since_us; /* monotonic: since when that was not renewed */
    bool seen_free, seen_mine;   /* mine: this process's; ours: this very claim */
    bool seen_ours;
};

struct claims {
    struct slot *slots; /* by partition */
    size_t count;
    int32_t *index;   /* partition → slot, -1: not of this shard */
    size_t owned;     /* slots that are not SLOT_OTHER */
    size_t share;     /* how many we may have */
    bool changed;     /* brokers must be told */
    bool inherited;   /* what a namesake left was freed, or there was nothing */
    uint64_t takings; /* claims so far; told to brokers, whose answer says which they know */
    int64_t look_next_us;
    bool clock_late; /* the server's clock was read, and then we stood still for a while, perhaps */
};

struct metrics { /* since the last line in the log */
    uint64_t operations, applied, queries, batches, batch_operations;
    uint64_t commits, rollbacks, expired, returned, pruned;
    uint64_t round_trips, statements; /* since the start, at the last line */
};

/* How what failed is run again: see batch.c. */
struct batch_state {
    size_t limit;        /* operations; 0: limits.batch_operations */
    size_t troubled;     /* so many at the front of the queue belong to a batch that failed */
    bool look_up_ids;    /* theirs, on attempt 1 too */
    bool expire_alone;   /* what is due goes into batches of its own, a partition at a time … */
    size_t expire_limit; /* … and so many reservations; 0: EXPIRE_PER_BATCH */
    unsigned failures;   /* in a row, of the kinds that may pass */
    int64_t not_before_us;
};

/* The suspect that runs alone now, as brokers were told (session.h). */
struct trial {
    struct session *session; /* NULL: none */
    uint32_t id;             /* of the session then */
    uint64_t sequence;
    int64_t since_us; /* it, or that it is over, was told */
    bool waits;       /* for brokers to know */
};

static inline bool trial_is_of(const struct trial *trial, const struct work *work)
{
    return work->session == trial->session && work->header.session == trial->id &&
           work->header.sequence == trial->sequence;
}

struct worker {
    const struct config *config;
    const struct config_shard *shard;
    const char *name;
    uint8_t instance[16];
    bool stopping;

    struct db db;
    struct timeline timeline;
    int64_t connect_next_us;

    struct ledger_limits ledger_limits;
    struct catalog *catalog;
    struct claims claims;

    void *links; /* context of the links; see link.h */
    struct session *sessions;
    size_t session_count;

    struct work_queue operations, queries;
    struct batch_state batch;
    size_t batch_rows; /* ROWS_PER_BATCH of decide.h; fewer in the simulation */
    struct trial trial;
    struct arena arena; /* of the batch: operations and results */
    struct arena rows;  /* of one look-up */
    struct needs needs;

    struct copy *copy;
    struct auditor *auditor; /* NULL: nothing is audited (simulation); owned by main.c */
    struct publish *publish; /* NULL: what was committed is told to nobody; owned by main.c */
    struct trouble trouble;
    struct metrics metrics;
    int64_t metrics_next_us;
};

/* The slot when the partition is ours or being claimed again; otherwise NULL. */
struct slot *worker_slot(struct worker *worker, uint32_t partition);
/* The same, and NULL for work that was sent to us when we owned it another time: somebody else may
 * have owned it in between, and run the operation, and its client may have been told. */
struct slot *work_slot(struct worker *worker, const struct work *work);
/* The owner's time for a partition now. */
int64_t slot_now_us(const struct worker *worker, const struct slot *slot);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What the relay has done in a database: requests and their replies in one struct, which goes over
 * to the thread of a shard and comes back filled in. The desk makes them and learns from them;
 * store*.c carries them out. One is under way per shard. Plain data, on the heap.
 */
#ifndef RELAY_JOB_H
#define RELAY_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/holdfast.pb-c.h"
#include "protocol/text.h"

#define CLAIM_BYTES 16u
/* Claims that a stretch between acknowledged and given may span; beyond it is not given further. */
#define MARKS_MAX 16u
/* Partitions read in one job, and movements of one of them. */
#define ASKS_MAX 32u
#define ASK_ROWS_MAX 1000u
/* Subscriptions whose acknowledgements are stored, or whose leases are renewed, in one job. */
#define JOB_SUBSCRIPTIONS_MAX 256u
#define ENDPOINT_BYTES_MAX 255u

struct position {
    uint64_t seq;
    uint8_t claim[CLAIM_BYTES]; /* under which that movement was written; any at seq 0 */
};

/* Movements from `first` on were written under `claim`. */
struct mark {
    uint64_t first;
    uint8_t claim[CLAIM_BYTES];
};

/* A movement, packed as Movement. */
struct event {
    struct position at;
    size_t bytes;
    uint8_t packed[];
};

enum job_kind {
    JOB_CLAIM,   /* makes the subscription (create) and takes it over; at its home shard */
    JOB_LOAD,    /* its positions at a shard: made, moved (from), fenced and read */
    JOB_RENEW,   /* leases */
    JOB_STORE,   /* acknowledgements */
    JOB_GIVE_UP, /* the lease is over: nobody consumes it */
    JOB_LOOK,    /* where every partition of the shard stands */
    JOB_READ,    /* movements */
    JOB_LIST,    /* subscriptions whose home the shard is, and all positions that are here */
    JOB_FORGET,  /* a deleted one's positions */
    JOB_DELETE,  /* its row, at its home shard */
};

enum job_outcome {
    JOB_DONE,
    JOB_FAILED,    /* the database does not answer; error says why. It may have taken effect */
    JOB_ELSEWHERE, /* CLAIM: another relay has it; endpoint says which */
    JOB_FENCED,    /* the epoch is not ours any more: nothing was written, or deleted */
    JOB_MISSING,   /* CLAIM without create: there is no such subscription */
    JOB_INVALID,   /* LOAD: a position lies beyond the end of its partition; error says which */
};

/* A row of subscription_position. */
struct job_position {
    uint32_t partition;
    struct position at;
    bool has_claim; /* LOAD with FROM_POSITIONS: at.claim was given */
    bool lost;
    uint64_t lost_from;
    bool refused; /* reply of STORE: it is not history there, and was not written */
};

/* One subscription in a job. */
struct job_part {
    uint64_t serial; /* the desk's */
    struct code name;
    uint64_t epoch;
    struct job_position *positions; /* owned */
    size_t position_count;
    bool fenced; /* reply: this one was not written */
};

enum ask_outcome {
    ASK_DONE,
    ASK_LOST,   /* `from` is not history here; place is the last of it that is, as far as known */
    ASK_PRUNED, /* movements after `from` are not kept any more */
    ASK_ELSEWHERE, /* this shard does not hold the partition */
};

struct ask {
    uint32_t partition;
    struct position from;
    struct mark marks[MARKS_MAX]; /* how `from` was come to, oldest first; may be none */
    size_t mark_count;
    uint32_t limit; /* movements; 0: only look whether `from` is history */
    enum ask_outcome outcome;
    struct position now; /* the partition's last movement, and its claim */
    uint64_t pruned;     /* movements up to here are gone */
    struct position place;
    struct event **events; /* owned, each of them too */
    size_t event_count;
};

/* JOB_LOOK: a partition that is here. */
struct look {
    uint32_t partition;
    struct position now;
    uint64_t pruned;
};

/* JOB_LIST: a subscription; and a position of one. */
struct listed {
    struct code name;
    int64_t created_at_us;
    char endpoint[ENDPOINT_BYTES_MAX + 1];
};

struct listed_position {
    struct code name;
    struct job_position at;
    uint64_t last, pruned;
};

struct job {
    enum job_kind kind;
    enum job_outcome outcome;
    size_t shard;
    char error[256];

    struct job_part part; /* CLAIM, LOAD, GIVE_UP, FORGET, DELETE */
    /* CLAIM */
    bool create;
    char endpoint[ENDPOINT_BYTES_MAX + 1]; /* ours; ELSEWHERE: the other's */
    uint8_t instance[16];
    int64_t lease_us;
    /* LOAD: part.positions are those of FROM_POSITIONS, and in the reply what is there. */
    Hf__From from;
    uint64_t seek; /* the desk's number of it */
    /* RENEW, STORE */
    struct job_part *parts; /* owned */
    size_t part_count;
    /* READ */
    struct ask *asks; /* owned */
    size_t ask_count;
    /* LOOK */
    struct look *looks; /* owned */
    size_t look_count;
    /* LIST */
    uint64_t question; /* the desk's number */
    struct code after, only;
    uint32_t limit;
    struct listed *listed; /* owned, by name; at most limit + 1 */
    size_t listed_count;
    struct listed_position *listed_positions; /* owned */
    size_t listed_position_count;
};

struct job *job_new(enum job_kind kind, size_t shard);
void job_destroy(struct job **job);
/* Appends, zeroed. Never NULL. */
struct job_position *job_position_add(struct job_part *part);
struct job_part *job_part_add(struct job *job);

#endif

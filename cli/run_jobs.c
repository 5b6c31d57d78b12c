/* SPDX-License-Identifier: MIT
 *
 * See run_jobs.h. A job stands in up to three queues: that of its key, that of its partition, and
 * that of all. In the first only the head may go. In the others jobs pass each other, but for those
 * that reach everything there: such a one goes when it is the head, and nobody passes it.
 */
#include "cli/run_jobs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"
#include <uthash.h>

/* One job in one queue. */
struct place {
    struct job *job;
    struct place *before, *after;
};

struct queue {
    struct place *first, *last;
};

struct chain { /* by key */
    char *key;
    struct queue queue;
    UT_hash_handle hh;
};

struct group {
    uint32_t partition;
    struct queue all;     /* in order */
    struct queue barring; /* those of them that reach everything here */
    UT_hash_handle hh;
};

enum job_state { WAITING, READY, FLYING, LATER, PARKED };

struct jobs_private {
    uint64_t order;
    enum job_state state;
    int64_t due_us;
    struct chain *chain; /* NULL: it has no key */
    struct group *group; /* of its partition; NULL: it reaches everything anyway */
    struct place in_chain, in_group, in_all, barring, ready;
};

struct jobs {
    size_t held_max, flying_max, held, flying;
    uint64_t order;
    struct chain *chains;
    struct group *groups;
    struct group everything;
    struct queue ready;
    struct queue later; /* by no order: there are few */
};

/* ------------------------------------------------------------- queues */

static void push(struct queue *queue, struct place *place)
{
    place->before = queue->last;
    place->after = NULL;
    if (queue->last)
        queue->last->after = place;
    else
        queue->first = place;
    queue->last = place;
}

static void take_out(struct queue *queue, struct place *place)
{
    if (place->before)
        place->before->after = place->after;
    else
        queue->first = place->after;
    if (place->after)
        place->after->before = place->before;
    else
        queue->last = place->before;
    place->before = place->after = NULL;
}

/* ------------------------------------------------------------- life */

struct jobs *jobs_new(size_t held_max, size_t flying_max)
{
    struct jobs *jobs = memory_grow(NULL, 1, sizeof *jobs);

    memset(jobs, 0, sizeof *jobs);
    jobs->held_max = held_max;
    jobs->flying_max = flying_max;
    return jobs;
}

void jobs_destroy(struct jobs **jobs)
{
    while (jobs_abandon(*jobs))
        ;
    free(*jobs);
    *jobs = NULL;
}

bool jobs_full(const struct jobs *jobs)
{
    return jobs->held == jobs->held_max;
}

size_t jobs_held(const struct jobs *jobs)
{
    return jobs->held;
}

size_t jobs_flying(const struct jobs *jobs)
{
    return jobs->flying;
}

/* ------------------------------------------------------------- order */

static bool bars(const struct job *job, const struct jobs *jobs, const struct group *group)
{
    return group == &jobs->everything ? job->reach == JOB_ALL : job->reach == JOB_PARTITION;
}

static bool may_pass(const struct jobs *jobs, const struct group *group, const struct job *job)
{
    if (!group)
        return true;
    if (bars(job, jobs, group))
        return group->all.first->job == job;
    const struct place *barrier = group->barring.first;
    return !barrier || barrier->job->own->order > job->own->order;
}

static void consider(struct jobs *jobs, struct job *job)
{
    struct jobs_private *own = job->own;

    if (own->state != WAITING || (own->chain && own->chain->queue.first->job != job) ||
        !may_pass(jobs, own->group, job) || !may_pass(jobs, &jobs->everything, job))
        return;
    own->state = READY;
    push(&jobs->ready, &own->ready);
}

static struct chain *chain_of(struct jobs *jobs, const char *key)
{
    struct chain *chain;

    HASH_FIND_STR(jobs->chains, key, chain);
    if (!chain) {
        chain = memory_grow(NULL, 1, sizeof *chain);
        memset(chain, 0, sizeof *chain);
        chain->key = memory_copy(key);
        HASH_ADD_KEYPTR(hh, jobs->chains, chain->key, strlen(chain->key), chain);
    }
    return chain;
}

static struct group *group_of(struct jobs *jobs, uint32_t partition)
{
    struct group *group;

    HASH_FIND(hh, jobs->groups, &partition, sizeof partition, group);
    if (!group) {
        group = memory_grow(NULL, 1, sizeof *group);
        memset(group, 0, sizeof *group);
        group->partition = partition;
        HASH_ADD(hh, jobs->groups, partition, sizeof group->partition, group);
    }
    return group;
}

void jobs_add(struct jobs *jobs, struct job *job)
{
    struct jobs_private *own = memory_grow(NULL, 1, sizeof *own);

    assert(!jobs_full(jobs));
    memset(own, 0, sizeof *own);
    job->own = own;
    own->order = ++jobs->order;
    own->in_chain.job = own->in_group.job = own->in_all.job = job;
    own->barring.job = own->ready.job = job;
    if (job->key) {
        own->chain = chain_of(jobs, job->key);
        push(&own->chain->queue, &own->in_chain);
    }
    if (job->reach != JOB_ALL) {
        own->group = group_of(jobs, job->partition);
        push(&own->group->all, &own->in_group);
    }
    push(&jobs->everything.all, &own->in_all);
    if (job->reach == JOB_PARTITION)
        push(&own->group->barring, &own->barring);
    if (job->reach == JOB_ALL)
        push(&jobs->everything.barring, &own->barring);
    jobs->held++;
    consider(jobs, job);
}

/* Who may go, now that one is gone from the group: the head, and when a barrier is gone, all up to
 * the next. */
static void consider_group(struct jobs *jobs, struct group *group, bool barrier_gone)
{
    struct place *place = group->all.first;

    for (; place; place = place->after) {
        bool barring = bars(place->job, jobs, group);
        consider(jobs, place->job);
        if (barring || !barrier_gone)
            return;
    }
}

static void forget_chain(struct jobs *jobs, struct jobs_private *own)
{
    take_out(&own->chain->queue, &own->in_chain);
    if (own->chain->queue.first) {
        consider(jobs, own->chain->queue.first->job);
        return;
    }
    HASH_DEL(jobs->chains, own->chain);
    free(own->chain->key);
    free(own->chain);
}

static void forget_group(struct jobs *jobs, struct job *job)
{
    struct group *group = job->own->group;
    bool barring = job->reach == JOB_PARTITION;

    take_out(&group->all, &job->own->in_group);
    if (barring)
        take_out(&group->barring, &job->own->barring);
    consider_group(jobs, group, barring);
    if (group->all.first)
        return;
    HASH_DEL(jobs->groups, group);
    free(group);
}

static void forget(struct jobs *jobs, struct job *job)
{
    struct jobs_private *own = job->own;
    bool barring = job->reach == JOB_ALL;

    take_out(&jobs->everything.all, &own->in_all);
    if (barring)
        take_out(&jobs->everything.barring, &own->barring);
    if (own->chain)
        forget_chain(jobs, own);
    if (own->group)
        forget_group(jobs, job);
    consider_group(jobs, &jobs->everything, barring);
    jobs->held--;
    free(own);
    job->own = NULL;
}

/* ------------------------------------------------------------- sending */

struct job *jobs_next(struct jobs *jobs, int64_t now_us)
{
    struct place *place = jobs->later.first;

    if (jobs->flying >= jobs->flying_max)
        return NULL;
    while (place && place->job->own->due_us > now_us)
        place = place->after;
    if (place)
        take_out(&jobs->later, place);
    else if ((place = jobs->ready.first) != NULL)
        take_out(&jobs->ready, place);
    if (!place)
        return NULL;
    place->job->own->state = FLYING;
    jobs->flying++;
    return place->job;
}

void jobs_again(struct jobs *jobs, struct job *job, int64_t due_us)
{
    assert(job->own->state == FLYING);
    jobs->flying--;
    job->own->state = LATER;
    job->own->due_us = due_us;
    push(&jobs->later, &job->own->ready);
}

void jobs_park(struct jobs *jobs, struct job *job)
{
    assert(job->own->state == FLYING);
    jobs->flying--;
    job->own->state = PARKED;
}

void jobs_done(struct jobs *jobs, struct job *job)
{
    assert(job->own->state == FLYING || job->own->state == PARKED);
    if (job->own->state == FLYING)
        jobs->flying--;
    forget(jobs, job);
}

struct job *jobs_abandon(struct jobs *jobs)
{
    struct job *job = jobs->everything.all.first ? jobs->everything.all.first->job : NULL;

    if (!job)
        return NULL;
    if (job->own->state == FLYING)
        jobs->flying--;
    else if (job->own->state == READY)
        take_out(&jobs->ready, &job->own->ready);
    else if (job->own->state == LATER)
        take_out(&jobs->later, &job->own->ready);
    job->own->state = FLYING; /* nobody considers it again */
    forget(jobs, job);
    return job;
}

bool jobs_may_send(const struct jobs *jobs, int64_t now_us)
{
    return jobs->flying < jobs->flying_max && (jobs->ready.first || jobs_due_us(jobs) <= now_us);
}

int64_t jobs_due_us(const struct jobs *jobs)
{
    int64_t due_us = INT64_MAX;

    for (const struct place *place = jobs->later.first; place; place = place->after) {
        if (place->job->own->due_us < due_us)
            due_us = place->job->own->due_us;
    }
    return due_us;
}

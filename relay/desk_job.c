/* SPDX-License-Identifier: MIT
 *
 * What to do next at a shard, the most urgent first: who serves a subscription, what was
 * acknowledged, where the partitions stand, and then what consumers wait for.
 */
#include <stdlib.h>
#include <string.h>

#include "relay/desk_impl.h"

static struct job *new_part_job(enum job_kind kind, size_t shard, const struct subscription *s)
{
    struct job *job = job_new(kind, shard);

    job->part.serial = s->serial;
    job->part.name = s->name;
    job->part.epoch = s->epoch;
    return job;
}

static struct job *lease_job(struct desk *desk, enum job_kind kind, struct subscription *s)
{
    struct job *job = new_part_job(kind, s->home, s);

    memcpy(job->instance, desk->config.instance, sizeof job->instance);
    strncpy(job->endpoint, desk->config.endpoint, ENDPOINT_BYTES_MAX);
    job->lease_us = desk->config.lease_us;
    s->in_job = true;
    return job;
}

/* CLAIM, GIVE_UP and DELETE of one whose home this is. */
static struct job *home_job(struct desk *desk, size_t shard, int64_t now_us)
{
    for (struct subscription *s = desk->subscriptions; s; s = s->next) {
        if (s->home != shard || s->in_job || now_us < s->not_before_us)
            continue;
        if (s->state == SUBSCRIPTION_CLAIMING) {
            struct job *job = lease_job(desk, JOB_CLAIM, s);
            job->create = !s->delete_wanted;
            return job;
        }
        if (s->state == SUBSCRIPTION_GIVING_UP)
            return lease_job(desk, JOB_GIVE_UP, s);
        if (s->state == SUBSCRIPTION_DELETING)
            return lease_job(desk, JOB_DELETE, s);
    }
    return NULL;
}

static struct job *load_job(struct desk *desk, struct subscription *s, size_t shard)
{
    struct job *job = new_part_job(JOB_LOAD, shard, s);

    if (s->shard_seek[shard]) {
        job->from = s->from;
        job->seek = s->seek;
        for (size_t i = 0; i < s->position_count; i++) {
            if (desk->parts[s->positions[i].partition].shard == shard)
                *job_position_add(&job->part) = s->positions[i];
        }
    }
    s->shard_in_job[shard] = true;
    return job;
}

static struct job *shard_job(struct desk *desk, size_t shard)
{
    for (struct subscription *s = desk->subscriptions; s; s = s->next) {
        if (s->shard_in_job[shard] || s->shard_loaded[shard])
            continue;
        if (s->state == SUBSCRIPTION_SERVING)
            return load_job(desk, s, shard);
        if (s->state == SUBSCRIPTION_FORGETTING) {
            s->shard_in_job[shard] = true;
            return new_part_job(JOB_FORGET, shard, s);
        }
    }
    return NULL;
}

static struct job *renew_job(struct desk *desk, size_t shard, int64_t now_us)
{
    struct job *job = NULL;

    for (struct subscription *s = desk->subscriptions; s; s = s->next) {
        if (s->home != shard || s->state != SUBSCRIPTION_SERVING || now_us < s->renew_us)
            continue;
        if (!job) {
            job = job_new(JOB_RENEW, shard);
            job->lease_us = desk->config.lease_us;
        }
        if (job->part_count == JOB_SUBSCRIPTIONS_MAX)
            break;
        *job_part_add(job) =
            (struct job_part){.serial = s->serial, .name = s->name, .epoch = s->epoch};
        s->renew_us = now_us + desk->config.lease_us / 3;
    }
    return job;
}

/* ------------------------------------------------------------- acknowledgements */

static void add_dirty(struct desk *desk, struct job *job, size_t shard, struct subscription *s)
{
    struct job_part *part = NULL;

    for (uint32_t p = 0; p < desk->config.partitions; p++) {
        struct place *place = &s->places[p];
        if (desk->parts[p].shard != shard || !place->loaded || !place->dirty || place->losing)
            continue;
        if (!part) {
            part = job_part_add(job);
            part->serial = s->serial;
            part->name = s->name;
            part->epoch = s->epoch;
        }
        struct job_position *position = job_position_add(part);
        position->partition = p;
        position->at = place->acked;
        position->lost = place->halt == HF__HALT_REASON__HALT_HISTORY_LOST;
        position->lost_from = place->halt_given;
    }
}

static struct job *store_job(struct desk *desk, size_t shard, int64_t now_us)
{
    struct job *job = job_new(JOB_STORE, shard);

    if (now_us >= desk->store_next_us[shard]) {
        for (struct subscription *s = desk->subscriptions;
             s && job->part_count < JOB_SUBSCRIPTIONS_MAX; s = s->next) {
            if (s->state == SUBSCRIPTION_SERVING)
                add_dirty(desk, job, shard, s);
        }
    }
    if (job->part_count == 0) {
        job_destroy(&job);
        return NULL;
    }
    desk->store_next_us[shard] = now_us + STORE_US;
    return job;
}

static struct job *look_job(struct desk *desk, size_t shard, int64_t now_us)
{
    if (!desk->subscriptions || (now_us < desk->look_next_us[shard] && !desk->look_wanted[shard]))
        return NULL;
    desk->look_next_us[shard] = now_us + LOOK_US;
    desk->look_wanted[shard] = false;
    return job_new(JOB_LOOK, shard);
}

/* ------------------------------------------------------------- reading */

/* What must be read for this place: 0: nothing; otherwise how many movements, or a look alone. */
enum want { WANT_NOTHING, WANT_LOOK, WANT_MOVEMENTS };

static enum want want_of(const struct desk *desk, const struct subscription *s, uint32_t partition)
{
    const struct place *place = &s->places[partition];
    const struct part *part = &desk->parts[partition];
    struct event *const *events;

    if (place->hold != HOLD_GIVEN || !place->loaded || place->losing || place->reading ||
        place->consumer->doomed)
        return WANT_NOTHING;
    if (place->has_seen && place->halt != HF__HALT_REASON__HALT_HISTORY_LOST)
        return WANT_LOOK;
    if (place->halt != HF__HALT_REASON__HALT_NONE)
        return WANT_NOTHING;
    bool behind = !part->known || place->given.seq < part->now.seq;
    if (place->checked && !behind)
        return WANT_NOTHING;
    if (consumer_credit(place->consumer) == 0 || place->mark_count == MARKS_MAX)
        return place->checked ? WANT_NOTHING : WANT_LOOK;
    if (place->checked && tail_after(&part->tail, &place->given, &events) > 0)
        return WANT_NOTHING; /* the next tick gives it */
    return WANT_MOVEMENTS;
}

static struct ask *find_ask(struct job *job, uint32_t partition, const struct position *from)
{
    for (size_t i = 0; i < job->ask_count; i++) {
        if (job->asks[i].partition == partition && position_equal(&job->asks[i].from, from))
            return &job->asks[i];
    }
    return NULL;
}

static void add_ask(struct job *job, struct place *place, uint32_t partition, enum want want)
{
    const struct position *from = place->has_seen ? &place->seen : &place->given;
    struct ask *ask = find_ask(job, partition, from);
    uint64_t credit = want == WANT_MOVEMENTS ? consumer_credit(place->consumer) : 0;

    if (!ask) {
        if (job->ask_count == ASKS_MAX)
            return;
        ask = &job->asks[job->ask_count++];
        ask->partition = partition;
        ask->from = *from;
        if (!place->has_seen) {
            ask->mark_count = place->mark_count;
            memcpy(ask->marks, place->marks, sizeof ask->marks);
        }
    }
    /* A few more than one consumer can take: others may be as far. */
    if (credit > 0 && credit < ASK_ROWS_MAX / 8)
        credit = ASK_ROWS_MAX / 8;
    if (credit > ASK_ROWS_MAX)
        credit = ASK_ROWS_MAX;
    if (ask->limit < credit)
        ask->limit = (uint32_t)credit;
    place->reading = true;
}

static struct job *read_job(struct desk *desk, size_t shard, int64_t now_us)
{
    struct job *job = NULL;
    uint32_t count = desk->config.partitions, first = desk->read_next[shard];

    desk->read_waits[shard] = now_us < desk->read_next_us[shard];
    if (desk->read_waits[shard])
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t p = (first + i) % count;
        if (desk->parts[p].shard != shard)
            continue;
        if (job && job->ask_count == ASKS_MAX)
            break;
        for (struct subscription *s = desk->subscriptions; s; s = s->next) {
            enum want want = s->state == SUBSCRIPTION_SERVING ? want_of(desk, s, p) : WANT_NOTHING;
            if (want == WANT_NOTHING)
                continue;
            if (!job) {
                job = job_new(JOB_READ, shard);
                job->asks = desk_alloc(ASKS_MAX, sizeof *job->asks);
            }
            add_ask(job, &s->places[p], p, want);
        }
        desk->read_next[shard] = p + 1;
    }
    /* Those that there was no room for are read next. */
    if (job && job->ask_count < ASKS_MAX)
        desk->read_next_us[shard] = now_us + READ_US;
    return job;
}

/* ------------------------------------------------------------- the next one */

struct job *desk_next_job(struct desk *desk, size_t shard, int64_t now_us)
{
    struct job *job;

    if (now_us < desk->shard_not_before_us[shard])
        return NULL;
    job = home_job(desk, shard, now_us);
    job = job ? job : shard_job(desk, shard);
    job = job ? job : renew_job(desk, shard, now_us);
    job = job ? job : look_job(desk, shard, now_us);
    job = job ? job : question_job(desk, shard);
    /* By turns: neither may wait for the other. */
    if (!job && desk->last_kind[shard] == JOB_STORE)
        job = read_job(desk, shard, now_us);
    job = job ? job : store_job(desk, shard, now_us);
    job = job ? job : read_job(desk, shard, now_us);
    if (job)
        desk->last_kind[shard] = job->kind;
    return job;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Of one subscription: when it has something to do by itself. */
static int64_t subscription_due_us(const struct desk *desk, const struct subscription *s,
                                   int64_t now_us)
{
    int64_t due = s->renew_us;

    if (s->state != SUBSCRIPTION_SERVING || !s->consumers)
        return now_us + TICK_US;
    for (uint32_t p = 0; p < desk->config.partitions; p++) {
        const struct place *place = &s->places[p];
        if (place->dirty)
            due = earlier(due, now_us + STORE_US);
        if (place->hold == HOLD_LEAVING)
            due = earlier(due, now_us + TICK_US);
    }
    return due;
}

int64_t desk_due_us(const struct desk *desk, int64_t now_us)
{
    int64_t due = now_us + LOOK_US;

    if (desk->queries)
        due = now_us + TICK_US;
    for (size_t shard = 0; shard < desk->config.shard_count; shard++) {
        if (desk->read_waits[shard])
            due = earlier(due, desk->read_next_us[shard]);
    }
    for (const struct subscription *s = desk->subscriptions; s; s = s->next)
        due = earlier(due, subscription_due_us(desk, s, now_us));
    return due > now_us ? due : now_us;
}

/* SPDX-License-Identifier: MIT
 *
 * What was learned from the databases.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "protocol/status.h"
#include "relay/desk_impl.h"

/* ------------------------------------------------------------- where a partition stands */

static void uncheck(struct desk *desk, uint32_t partition)
{
    for (struct subscription *s = desk->subscriptions; s; s = s->next)
        s->places[partition].checked = false;
}

static void drop_tail(struct desk *desk, struct part *part)
{
    desk->tail_bytes -= part->tail.bytes;
    tail_clear(&part->tail);
}

/* The database's word. Another claim, or less than there was: whoever reads it must look whether
 * where it is is history still. */
static void learn(struct desk *desk, uint32_t partition, const struct position *now, size_t shard)
{
    struct part *part = &desk->parts[partition];
    bool same = part->known && memcmp(now->claim, part->now.claim, CLAIM_BYTES) == 0 &&
                now->seq >= tail_end(&part->tail)->seq;

    part->shard = shard;
    if (same) {
        if (now->seq > part->now.seq)
            part->now = *now;
        return;
    }
    part->known = true;
    part->now = *now;
    drop_tail(desk, part);
    uncheck(desk, partition);
}

/* The database is a little ahead of what an owner tells of it: where one is heard, the rest is on
 * its way, and a beacon says so when it was lost. */
static void look_at(struct desk *desk, const struct look *look, size_t shard)
{
    struct part *part = &desk->parts[look->partition];
    struct position now = look->now;

    if (part->is_heard && part->known && memcmp(now.claim, part->now.claim, CLAIM_BYTES) == 0 &&
        now.seq > part->now.seq)
        now.seq = part->now.seq;
    part->is_heard = false;
    learn(desk, look->partition, &now, shard);
}

static void reply_look(struct desk *desk, struct job *job)
{
    for (size_t i = 0; i < job->look_count; i++) {
        const struct look *look = &job->looks[i];
        if (look->partition < desk->config.partitions)
            look_at(desk, look, job->shard);
    }
}

/* ------------------------------------------------------------- movements */

/* Is this the place that asked? */
static bool asked(const struct place *place, const struct ask *ask)
{
    return place->reading &&
           position_equal(place->has_seen ? &place->seen : &place->given, &ask->from);
}

static void lose(struct desk *desk, struct subscription *s, struct place *place,
                 const struct ask *ask)
{
    place->losing = true;
    place->halt_given = ask->from.seq > place->given.seq ? ask->from.seq : place->given.seq;
    place->lost_place = ask->place;
    place->has_seen = false;
    place->dirty = false;
    s->shard_loaded[desk->parts[ask->partition].shard] = false;
    desk->counts.lost++;
    log_error("subscription=\"%s\" partition=%u sequence=%llu history lost: what was given is not "
              "in the ledger",
              s->name.bytes, ask->partition, (unsigned long long)ask->from.seq);
}

static void prune(struct desk *desk, struct subscription *s, struct place *place,
                  const struct ask *ask)
{
    place->halt = HF__HALT_REASON__HALT_POSITION_PRUNED;
    place->halt_told = false;
    place->halt_given = place->given.seq;
    place->pruned = ask->pruned;
    desk->counts.pruned++;
    log_warn("subscription=\"%s\" partition=%u sequence=%llu kept_after=%llu position pruned",
             s->name.bytes, ask->partition, (unsigned long long)place->given.seq,
             (unsigned long long)ask->pruned);
}

static void reply_ask(struct desk *desk, struct subscription *s, struct ask *ask)
{
    struct place *place = &s->places[ask->partition];

    if (!asked(place, ask))
        return;
    place->reading = false;
    if (!place->loaded || place->losing || place->hold != HOLD_GIVEN)
        return;
    switch (ask->outcome) {
    case ASK_ELSEWHERE:
        return;
    case ASK_LOST:
        lose(desk, s, place, ask);
        return;
    case ASK_PRUNED:
        if (place->has_seen)
            place->has_seen = false; /* whether it was history can no longer be said */
        else if (place->halt == HF__HALT_REASON__HALT_NONE)
            prune(desk, s, place, ask);
        return;
    case ASK_DONE:
        break;
    }
    if (place->has_seen) {
        place->has_seen = false; /* and `given` is to be checked itself */
        return;
    }
    place->checked = true;
    if (ask->event_count > 0)
        push_place(desk, s, ask->partition, ask->events, ask->event_count);
}

void part_keep(struct desk *desk, struct part *part, const struct position *from,
               struct event **events, size_t count)
{
    struct tail *tail = &part->tail;

    desk->tail_bytes -= tail->bytes;
    tail_put(tail, from, events, count);
    if (desk->tail_bytes + tail->bytes > TAILS_BYTES_MAX)
        tail_shrink(tail, count);
    if (desk->tail_bytes + tail->bytes > TAILS_BYTES_MAX)
        tail_clear(tail);
    desk->tail_bytes += tail->bytes;
}

/* Whatever became of it: a place that has moved meanwhile asks again. */
static void reads_over(struct desk *desk, const struct job *job)
{
    for (size_t i = 0; i < job->ask_count; i++) {
        for (struct subscription *s = desk->subscriptions; s; s = s->next)
            s->places[job->asks[i].partition].reading = false;
    }
}

static void reply_read(struct desk *desk, struct job *job)
{
    desk->counts.reads++;
    for (size_t i = 0; i < job->ask_count; i++) {
        struct ask *ask = &job->asks[i];
        struct part *part = &desk->parts[ask->partition];
        if (ask->outcome == ASK_ELSEWHERE) {
            part->shard = (part->shard + 1) % desk->config.shard_count;
            desk->look_wanted[part->shard] = true;
        } else {
            learn(desk, ask->partition, &ask->now, job->shard);
            if (ask->outcome == ASK_LOST)
                drop_tail(desk, part);
        }
        for (struct subscription *s = desk->subscriptions; s; s = s->next)
            reply_ask(desk, s, ask);
        part_keep(desk, part, &ask->from, ask->events, ask->event_count);
    }
    push_flush(desk);
    reads_over(desk, job);
}

/* ------------------------------------------------------------- positions */

static void load_lost(struct place *place, const struct job_position *row)
{
    /* What is known to be common: by the claims that were given, or what was stored there. */
    if (row->at.seq > place->lost_place.seq)
        place->lost_place = row->at;
    if (place->acked.seq > place->lost_place.seq)
        place->acked = place->lost_place;
    struct position at = place->lost_place;
    uint64_t given = place->halt_given;
    place_set(place, &at);
    place->halt = HF__HALT_REASON__HALT_HISTORY_LOST;
    place->halt_given = given;
    place->lost_place = at;
    place->dirty = true; /* so that another relay knows */
}

static void load_position(struct subscription *s, const struct job_position *row)
{
    struct place *place = &s->places[row->partition];

    if (place->loaded && place->losing) {
        load_lost(place, row);
        return;
    }
    if (place->loaded)
        return;
    place_set(place, &row->at);
    place->reading = false;
    if (!row->lost)
        return;
    place->halt = HF__HALT_REASON__HALT_HISTORY_LOST;
    place->halt_given = row->lost_from;
    place->lost_place = row->at;
}

static void seek_done(struct desk *desk, struct subscription *s, size_t shard)
{
    size_t left = 0;

    if (!s->shard_seek[shard])
        return;
    s->shard_seek[shard] = false;
    for (size_t i = 0; i < s->position_count; i++) {
        if (desk->parts[s->positions[i].partition].shard != shard)
            s->positions[left++] = s->positions[i];
    }
    s->position_count = left;
    for (size_t i = 0; i < desk->config.shard_count; i++) {
        if (s->shard_seek[i])
            return;
    }
    s->from = HF__FROM__FROM_LAST;
    s->position_count = 0;
}

/* The position that somebody wanted is none: it is as if nobody had asked. */
static void seek_refused(struct desk *desk, struct subscription *s, const char *why)
{
    for (struct consumer *c = s->consumers, *next; c; c = next) {
        next = c->next;
        if (c->answered)
            continue;
        consumer_answer(desk, c, STATUS_invalid, "subscribe.positions", why, "");
        c->answered = false;
        subscription_leave(desk, c, 0);
    }
    for (size_t i = 0; i < desk->config.shard_count; i++)
        s->shard_seek[i] = false;
    s->from = HF__FROM__FROM_LAST;
    s->position_count = 0;
}

static void reply_load(struct desk *desk, struct subscription *s, struct job *job)
{
    bool was_seek = job->from != HF__FROM__FROM_LAST && job->seek == s->seek;

    s->shard_in_job[job->shard] = false;
    if (job->outcome == JOB_FENCED) {
        subscription_lost(desk, s, "");
        return;
    }
    if (job->outcome == JOB_INVALID) {
        if (was_seek)
            seek_refused(desk, s, job->error);
        return;
    }
    if (job->outcome != JOB_DONE || s->state != SUBSCRIPTION_SERVING)
        return;
    /* A seek that came while this was under way is still to be done. */
    if (was_seek)
        seek_done(desk, s, job->shard);
    for (size_t i = 0; i < job->part.position_count; i++) {
        const struct job_position *row = &job->part.positions[i];
        if (row->partition >= desk->config.partitions)
            continue;
        desk->parts[row->partition].shard = job->shard;
        if (!s->shard_seek[job->shard])
            load_position(s, row);
    }
    s->shard_loaded[job->shard] = !s->shard_seek[job->shard];
    subscription_welcome(desk, s);
}

static void tell_acked(struct desk *desk, struct subscription *s, const struct job_part *part)
{
    for (struct consumer *c = s->consumers; c; c = c->next) {
        Hf__Ack acked = HF__ACK__INIT;
        arena_reset(&desk->arena);
        acked.positions = arena_alloc(&desk->arena, part->position_count * sizeof(Hf__Position *));
        for (size_t i = 0; i < part->position_count; i++) {
            const struct job_position *row = &part->positions[i];
            if (row->lost || row->refused || s->places[row->partition].consumer != c)
                continue;
            Hf__Position *at = arena_alloc(&desk->arena, sizeof *at);
            hf__position__init(at);
            at->partition = row->partition;
            at->sequence = row->at.seq;
            acked.positions[acked.n_positions++] = at;
        }
        if (acked.n_positions > 0 && c->answered)
            consumer_send(desk, c, MESSAGE_ACKED, 0, &acked.base);
    }
}

static void reply_store(struct desk *desk, struct job *job)
{
    for (size_t i = 0; i < job->part_count; i++) {
        struct job_part *part = &job->parts[i];
        struct subscription *s = subscription_by_serial(desk, part->serial);
        if (!s || s->epoch != part->epoch)
            continue;
        if (part->fenced) {
            subscription_lost(desk, s, "");
            continue;
        }
        for (size_t j = 0; j < part->position_count; j++) {
            struct place *place = &s->places[part->positions[j].partition];
            if (!place->loaded || place->losing)
                continue;
            if (part->positions[j].refused) {
                place->checked = false; /* it is read from, and found lost */
                place->dirty = false;
                continue;
            }
            place->stored = part->positions[j].at.seq;
            place->dirty = place->dirty && place->acked.seq != place->stored;
            desk->counts.stored++;
        }
        tell_acked(desk, s, part);
    }
}

static void reply_renew(struct desk *desk, struct job *job)
{
    for (size_t i = 0; i < job->part_count; i++) {
        struct subscription *s = subscription_by_serial(desk, job->parts[i].serial);
        if (s && s->epoch == job->parts[i].epoch && job->parts[i].fenced)
            subscription_lost(desk, s, "");
    }
}

/* ------------------------------------------------------------- taking over, giving up */

static void reply_claim(struct desk *desk, struct subscription *s, struct job *job, int64_t now_us)
{
    switch (job->outcome) {
    case JOB_DONE:
        s->epoch = job->part.epoch;
        s->renew_us = now_us + desk->config.lease_us / 3;
        memset(s->shard_loaded, 0, desk->config.shard_count * sizeof(bool));
        subscription_move(s, s->delete_wanted ? SUBSCRIPTION_FORGETTING : SUBSCRIPTION_SERVING);
        if (s->state == SUBSCRIPTION_SERVING)
            subscription_welcome(desk, s);
        return;
    case JOB_ELSEWHERE:
        subscription_lost(desk, s, job->endpoint);
        return;
    case JOB_MISSING:
        question_deleted(desk, &s->name, STATUS_invalid, "there is no such subscription", "");
        subscription_deleted(desk, s);
        return;
    case JOB_FAILED:
    case JOB_FENCED:
    case JOB_INVALID:
        s->not_before_us = now_us + RETRY_US;
        return;
    }
}

static void reply_home(struct desk *desk, struct job *job, int64_t now_us)
{
    struct subscription *s = subscription_by_serial(desk, job->part.serial);

    if (!s)
        return;
    s->in_job = false;
    if (job->kind == JOB_CLAIM) {
        reply_claim(desk, s, job, now_us);
    } else if (job->outcome == JOB_FAILED) {
        s->not_before_us = now_us + RETRY_US;
    } else if (job->kind == JOB_GIVE_UP) {
        /* Somebody may have come meanwhile. */
        subscription_move(s, s->consumers || s->delete_wanted ? SUBSCRIPTION_CLAIMING
                                                              : SUBSCRIPTION_OVER);
        for (uint32_t p = 0; p < desk->config.partitions; p++)
            s->places[p].loaded = false;
    } else if (job->outcome == JOB_FENCED) {
        subscription_lost(desk, s, "");
    } else {
        question_deleted(desk, &s->name, STATUS_applied, "", "");
        subscription_deleted(desk, s);
    }
}

static void reply_forget(struct desk *desk, struct subscription *s, struct job *job)
{
    s->shard_in_job[job->shard] = false;
    if (job->outcome != JOB_DONE || s->state != SUBSCRIPTION_FORGETTING)
        return;
    s->shard_loaded[job->shard] = true;
    for (size_t i = 0; i < desk->config.shard_count; i++) {
        if (!s->shard_loaded[i])
            return;
    }
    subscription_move(s, SUBSCRIPTION_DELETING);
}

void desk_reply(struct desk *desk, struct job **reply, int64_t now_us)
{
    struct job *job = *reply;
    struct subscription *s;

    *reply = NULL;
    if (job->outcome == JOB_FAILED) {
        desk->shard_not_before_us[job->shard] = now_us + RETRY_US;
        log_limited(LOG_WARN, "shard=%zu could not ask the database: %s", job->shard, job->error);
    }
    switch (job->kind) {
    case JOB_CLAIM:
    case JOB_GIVE_UP:
    case JOB_DELETE:
        reply_home(desk, job, now_us);
        break;
    case JOB_LOAD:
        if ((s = subscription_by_serial(desk, job->part.serial)) != NULL)
            reply_load(desk, s, job);
        break;
    case JOB_FORGET:
        if ((s = subscription_by_serial(desk, job->part.serial)) != NULL)
            reply_forget(desk, s, job);
        break;
    case JOB_RENEW:
        if (job->outcome == JOB_DONE)
            reply_renew(desk, job);
        break;
    case JOB_STORE:
        if (job->outcome == JOB_DONE)
            reply_store(desk, job);
        break;
    case JOB_LOOK:
        if (job->outcome == JOB_DONE)
            reply_look(desk, job);
        break;
    case JOB_READ:
        if (job->outcome == JOB_DONE)
            reply_read(desk, job);
        else
            reads_over(desk, job);
        break;
    case JOB_LIST:
        question_reply(desk, &job);
        break;
    }
    job_destroy(&job);
}

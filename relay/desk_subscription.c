/* SPDX-License-Identifier: MIT
 *
 * What becomes of a subscription. One relay at a time serves it: it takes it over at the
 * subscription's home shard, loads the positions at every shard, and gives it up when nobody
 * consumes it any more. Whoever finds that its epoch has passed sends its consumers away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "protocol/status.h"
#include "relay/desk_impl.h"

/* ------------------------------------------------------------- places */

void place_set(struct place *place, const struct position *at)
{
    place->acked = place->given = *at;
    place->stored = at->seq;
    place->dirty = false;
    place->mark_count = 0;
    place->checked = false;
    place->end_told = false;
    place->halt = HF__HALT_REASON__HALT_NONE;
    place->halt_told = false;
    place->losing = false;
    place->loaded = true;
}

void place_rewind(struct place *place)
{
    place->given = place->acked;
    place->mark_count = 0;
    place->checked = false;
    place->end_told = false;
    place->halt_told = false;
}

bool place_can_give(const struct place *place, const struct position *next)
{
    return place->mark_count < MARKS_MAX ||
           memcmp(place->marks[place->mark_count - 1].claim, next->claim, CLAIM_BYTES) == 0;
}

void place_give(struct place *place, const struct position *next)
{
    struct mark *last = place->mark_count > 0 ? &place->marks[place->mark_count - 1] : NULL;

    if (!last || memcmp(last->claim, next->claim, CLAIM_BYTES) != 0) {
        last = &place->marks[place->mark_count++];
        last->first = next->seq;
        memcpy(last->claim, next->claim, CLAIM_BYTES);
    }
    place->given = *next;
    if (next->seq > place->given_most)
        place->given_most = next->seq;
}

/* seq lies above what was acknowledged and not above what was given, so a mark has its claim. */
void place_acknowledge(struct place *place, uint64_t seq)
{
    size_t at = 0;

    while (at + 1 < place->mark_count && place->marks[at + 1].first <= seq)
        at++;
    place->acked.seq = seq;
    memcpy(place->acked.claim, place->marks[at].claim, CLAIM_BYTES);
    place->dirty = true;
    size_t gone = seq == place->given.seq ? place->mark_count : at;
    memmove(place->marks, place->marks + gone, (place->mark_count - gone) * sizeof place->marks[0]);
    place->mark_count -= gone;
}

/* ------------------------------------------------------------- life */

struct subscription *subscription_find(const struct desk *desk, const struct code *name)
{
    for (struct subscription *s = desk->subscriptions; s; s = s->next) {
        if (s->state != SUBSCRIPTION_OVER && code_equal(&s->name, name))
            return s;
    }
    return NULL;
}

struct subscription *subscription_by_serial(const struct desk *desk, uint64_t serial)
{
    for (struct subscription *s = desk->subscriptions; s; s = s->next) {
        if (s->serial == serial && s->state != SUBSCRIPTION_OVER)
            return s;
    }
    return NULL;
}

struct subscription *subscription_new(struct desk *desk, const struct code *name)
{
    struct subscription *s = desk_alloc(1, sizeof *s);

    s->serial = ++desk->last_serial;
    s->name = *name;
    s->home = XXH3_64bits(name->bytes, name->length) % desk->config.shard_count;
    s->places = desk_alloc(desk->config.partitions, sizeof *s->places);
    s->shard_loaded = desk_alloc(desk->config.shard_count, sizeof(bool));
    s->shard_in_job = desk_alloc(desk->config.shard_count, sizeof(bool));
    s->shard_seek = desk_alloc(desk->config.shard_count, sizeof(bool));
    s->next = desk->subscriptions;
    desk->subscriptions = s;
    desk->subscription_count++;
    return s;
}

void subscription_free(struct desk *desk, struct subscription *s)
{
    desk->subscription_count--;
    free(s->places);
    free(s->shard_loaded);
    free(s->shard_in_job);
    free(s->shard_seek);
    free(s->positions);
    free(s);
}

void subscription_move(struct subscription *s, enum subscription_state state)
{
    s->state = state;
    s->not_before_us = 0;
}

/* ------------------------------------------------------------- leaving */

static void detach(struct consumer *consumer)
{
    struct subscription *s = consumer->subscription;

    for (struct consumer **link = &s->consumers; *link; link = &(*link)->next) {
        if (*link == consumer) {
            *link = consumer->next;
            s->consumer_count--;
            break;
        }
    }
    consumer->next = NULL;
    consumer->subscription = NULL;
    consumer->places = 0;
    s->empty_us = 0;
    s->divide_due = true;
}

void subscription_leave(struct desk *desk, struct consumer *consumer, int64_t now_us)
{
    struct subscription *s = consumer->subscription;

    (void)now_us;
    for (uint32_t p = 0; p < desk->config.partitions; p++) {
        if (s->places[p].hold != HOLD_FREE && s->places[p].consumer == consumer)
            divide_free(&s->places[p]);
    }
    detach(consumer);
}

static void send_away(struct desk *desk, struct subscription *s, enum error_code code,
                      const char *endpoint)
{
    for (struct consumer *c = s->consumers, *next; c; c = next) {
        next = c->next;
        if (c->answered) {
            consumer_doom(c, code, NULL);
            continue;
        }
        consumer_answer(desk, c, STATUS_unavailable, "",
                        endpoint[0] ? "another relay serves this subscription"
                                    : "the subscription is being deleted",
                        endpoint);
        c->answered = false;
        subscription_leave(desk, c, 0);
    }
    subscription_move(s, SUBSCRIPTION_OVER);
}

void subscription_lost(struct desk *desk, struct subscription *s, const char *endpoint)
{
    question_deleted(desk, &s->name, STATUS_unavailable, "another relay serves this subscription",
                     endpoint);
    send_away(desk, s, ERROR_moved, endpoint);
}

void subscription_deleted(struct desk *desk, struct subscription *s)
{
    send_away(desk, s, ERROR_deleted, "");
}

/* ------------------------------------------------------------- coming */

static void seek_shard(struct subscription *s, size_t shard)
{
    s->shard_loaded[shard] = false;
    s->shard_seek[shard] = true;
    s->seek++;
}

static void add_position(struct subscription *s, const struct job_position *position)
{
    for (size_t i = 0; i < s->position_count; i++) {
        if (s->positions[i].partition == position->partition) {
            s->positions[i] = *position;
            return;
        }
    }
    s->positions = realloc(s->positions, (s->position_count + 1) * sizeof *s->positions);
    if (!s->positions)
        abort();
    s->positions[s->position_count++] = *position;
}

void subscription_seek(struct desk *desk, struct subscription *s,
                       const struct job_position *position)
{
    struct place *place = &s->places[position->partition];

    place->loaded = false;
    place->losing = false;
    place->has_seen = false;
    s->from = HF__FROM__FROM_POSITIONS;
    add_position(s, position);
    seek_shard(s, desk->parts[position->partition].shard);
}

static const char *positions_fault(const struct desk *desk, Hf__Position **positions, size_t count)
{
    if (count > PARTITIONS_MAX)
        return "are too many";
    for (size_t i = 0; i < count; i++) {
        if (positions[i]->partition >= desk->config.partitions)
            return "have a partition that the region does not have";
        if (positions[i]->sequence > INT64_MAX)
            return "have a sequence that is too large";
        if (positions[i]->claim_id.len != 0 && positions[i]->claim_id.len != CLAIM_BYTES)
            return "have a claim_id that is not of 16 bytes";
    }
    return NULL;
}

static bool refuse(struct desk *desk, struct consumer *consumer, uint32_t status, const char *field,
                   const char *message)
{
    consumer_answer(desk, consumer, status, field, message, "");
    consumer->answered = false;
    return false;
}

static bool check_subscribe(struct desk *desk, struct consumer *consumer, const Hf__Subscribe *m)
{
    const char *why = code_fault(m->subscription.data, m->subscription.len);
    char text[160];

    if (why) {
        snprintf(text, sizeof text, "the name of a subscription %s", why);
        return refuse(desk, consumer, STATUS_invalid, "subscribe.subscription", text);
    }
    if ((unsigned)m->from > HF__FROM__FROM_POSITIONS)
        return refuse(desk, consumer, STATUS_invalid, "subscribe.from", "there is no such place");
    if ((m->from == HF__FROM__FROM_POSITIONS) != (m->n_positions > 0))
        return refuse(desk, consumer, STATUS_invalid, "subscribe.positions",
                      "positions and FROM_POSITIONS go together");
    if ((why = positions_fault(desk, m->positions, m->n_positions)) != NULL) {
        snprintf(text, sizeof text, "the positions %s", why);
        return refuse(desk, consumer, STATUS_invalid, "subscribe.positions", text);
    }
    if ((why = positions_fault(desk, m->seen, m->n_seen)) != NULL) {
        snprintf(text, sizeof text, "the positions %s", why);
        return refuse(desk, consumer, STATUS_invalid, "subscribe.seen", text);
    }
    return true;
}

static void take_seen(struct subscription *s, const Hf__Subscribe *m)
{
    for (size_t i = 0; i < m->n_seen; i++) {
        const Hf__Position *at = m->seen[i];
        struct place *place = &s->places[at->partition];
        if (at->claim_id.len != CLAIM_BYTES || at->sequence == 0 ||
            (place->has_seen && place->seen.seq >= at->sequence))
            continue;
        place->has_seen = true;
        place->seen.seq = at->sequence;
        memcpy(place->seen.claim, at->claim_id.data, CLAIM_BYTES);
    }
}

static void take_from(struct desk *desk, struct subscription *s, const Hf__Subscribe *m)
{
    if (m->from == HF__FROM__FROM_LAST)
        return;
    s->position_count = 0;
    for (size_t i = 0; i < m->n_positions; i++) {
        struct job_position position = {.partition = m->positions[i]->partition,
                                        .at = {.seq = m->positions[i]->sequence}};
        if (m->positions[i]->claim_id.len == CLAIM_BYTES) {
            position.has_claim = true;
            memcpy(position.at.claim, m->positions[i]->claim_id.data, CLAIM_BYTES);
        }
        subscription_seek(desk, s, &position);
    }
    s->from = m->from;
    for (size_t shard = 0; shard < desk->config.shard_count; shard++)
        seek_shard(s, shard);
    for (uint32_t p = 0; m->from != HF__FROM__FROM_POSITIONS && p < desk->config.partitions; p++) {
        s->places[p].loaded = false;
        s->places[p].losing = false;
        s->places[p].has_seen = false;
    }
}

void subscription_subscribe(struct desk *desk, struct consumer *consumer, const Hf__Subscribe *m,
                            int64_t now_us)
{
    struct code name;

    if (consumer->subscription) {
        consumer_doom(consumer, ERROR_malformed, "a session has one subscription");
        return;
    }
    if (!check_subscribe(desk, consumer, m))
        return;
    code_set(&name, m->subscription.data, m->subscription.len);
    struct subscription *s = subscription_find(desk, &name);
    if (s && (s->delete_wanted || s->state == SUBSCRIPTION_FORGETTING ||
              s->state == SUBSCRIPTION_DELETING)) {
        refuse(desk, consumer, STATUS_unavailable, "", "the subscription is being deleted");
        return;
    }
    if (s && s->consumers && m->from != HF__FROM__FROM_LAST) {
        refuse(desk, consumer, STATUS_unavailable, "subscribe.from",
               "others consume this subscription: it can be moved when they have left");
        return;
    }
    if (!s && desk->subscription_count >= SUBSCRIPTIONS_MAX) {
        refuse(desk, consumer, STATUS_busy, "",
               "this relay serves as many subscriptions as it may");
        return;
    }
    if (!s)
        s = subscription_new(desk, &name);
    consumer->subscription = s;
    struct consumer **last = &s->consumers;
    while (*last)
        last = &(*last)->next;
    *last = consumer;
    s->consumer_count++;
    take_from(desk, s, m);
    take_seen(s, m);
    if (s->state == SUBSCRIPTION_SERVING)
        subscription_welcome(desk, s);
    (void)now_us;
}

void subscription_welcome(struct desk *desk, struct subscription *s)
{
    for (size_t shard = 0; shard < desk->config.shard_count; shard++) {
        if (s->shard_seek[shard])
            return;
    }
    for (struct consumer *c = s->consumers; c; c = c->next) {
        if (c->answered)
            continue;
        consumer_answer(desk, c, STATUS_applied, "", "", "");
        s->divide_due = true;
    }
}

/* ------------------------------------------------------------- time */

static bool all_stored(const struct desk *desk, const struct subscription *s)
{
    for (uint32_t p = 0; p < desk->config.partitions; p++) {
        if (s->places[p].loaded && s->places[p].dirty)
            return false;
    }
    return true;
}

static bool yields_are_late(const struct desk *desk, const struct subscription *s, int64_t now_us)
{
    for (uint32_t p = 0; p < desk->config.partitions; p++) {
        if (s->places[p].hold == HOLD_LEAVING && now_us - s->places[p].leaving_us >= YIELD_US)
            return true;
    }
    return false;
}

void subscription_tick(struct desk *desk, struct subscription *s, int64_t now_us)
{
    if (s->state != SUBSCRIPTION_SERVING)
        return;
    if (!s->consumers && !s->delete_wanted) {
        if (s->empty_us == 0)
            s->empty_us = now_us;
        if ((desk->stopping || now_us - s->empty_us >= LINGER_US) && !s->in_job &&
            all_stored(desk, s))
            subscription_move(s, SUBSCRIPTION_GIVING_UP);
        return;
    }
    if (s->divide_due || yields_are_late(desk, s, now_us))
        divide(s, desk->config.partitions, now_us);
    s->divide_due = false;
    push_assignments(desk, s);
    push_halts(desk, s);
    push_events(desk, s);
}

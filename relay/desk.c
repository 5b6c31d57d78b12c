/* SPDX-License-Identifier: MIT
 *
 * Life of the desk, sessions and their messages.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/status.h"
#include "relay/desk_impl.h"

void *desk_alloc(size_t count, size_t bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);

    if (!memory)
        abort();
    return memory;
}

/* ------------------------------------------------------------- sessions */

void consumer_doom(struct consumer *consumer, enum error_code code, const char *text)
{
    if (consumer->doomed)
        return;
    consumer->doomed = true;
    consumer->doom = code;
    snprintf(consumer->doom_text, sizeof consumer->doom_text, "%s", text ? text : "");
}

void consumer_send(struct desk *desk, struct consumer *consumer, enum message_type type,
                   uint64_t sequence, const ProtobufCMessage *message)
{
    if (consumer->doomed)
        return;
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *body = desk_alloc(bytes, 1);
    protobuf_c_message_pack(message, body);
    if (!desk->sink.send(desk->sink.context, consumer->peer, type, sequence, body, bytes))
        consumer_doom(consumer, ERROR_slow, NULL);
    free(body);
}

void consumer_answer(struct desk *desk, struct consumer *consumer, uint32_t status,
                     const char *field, const char *message, const char *endpoint)
{
    Hf__Subscribed answer = HF__SUBSCRIBED__INIT;

    answer.status = status;
    answer.field = (char *)(uintptr_t)field;
    answer.message = (char *)(uintptr_t)message;
    answer.endpoint.len = strlen(endpoint);
    answer.endpoint.data = (uint8_t *)(uintptr_t)endpoint;
    consumer_send(desk, consumer, MESSAGE_SUBSCRIBED, 0, &answer.base);
    consumer->answered = true;
}

struct consumer *desk_come(struct desk *desk, void *peer)
{
    struct consumer *consumer = desk_alloc(1, sizeof *consumer);

    consumer->peer = peer;
    consumer->all_next = desk->consumers;
    if (desk->consumers)
        desk->consumers->all_prev = consumer;
    desk->consumers = consumer;
    desk->consumer_count++;
    return consumer;
}

void desk_gone(struct desk *desk, struct consumer *consumer)
{
    question_gone(desk, consumer);
    if (consumer->subscription)
        subscription_leave(desk, consumer, 0);
    if (consumer->all_prev)
        consumer->all_prev->all_next = consumer->all_next;
    else
        desk->consumers = consumer->all_next;
    if (consumer->all_next)
        consumer->all_next->all_prev = consumer->all_prev;
    desk->consumer_count--;
    free(consumer);
}

/* Ending a session calls desk_gone, so the list is looked at from the start each time. */
static void end_doomed(struct desk *desk)
{
    for (struct consumer *c = desk->consumers, *next; c; c = next) {
        next = c->all_next;
        if (!c->doomed)
            continue;
        desk->sink.end(desk->sink.context, c->peer, c->doom, c->doom_text[0] ? c->doom_text : NULL);
        next = desk->consumers;
    }
}

/* ------------------------------------------------------------- messages */

/* A place that this consumer has; NULL: not (any more). */
static struct place *place_of(const struct desk *desk, const struct consumer *consumer,
                              uint32_t partition)
{
    struct subscription *subscription = consumer->subscription;

    if (!subscription || partition >= desk->config.partitions)
        return NULL;
    struct place *place = &subscription->places[partition];
    return place->hold != HOLD_FREE && place->consumer == consumer ? place : NULL;
}

static void take_ack(struct desk *desk, struct consumer *consumer, const Hf__Ack *ack)
{
    for (size_t i = 0; i < ack->n_positions; i++) {
        const Hf__Position *at = ack->positions[i];
        struct place *place = place_of(desk, consumer, at->partition);
        char text[160];
        if (!place || !place->loaded || place->losing || at->sequence <= place->acked.seq)
            continue;
        if (at->sequence > place->given.seq) {
            /* What was given before a halt, or before another consumer had it, is not counted any
             * more. */
            if (place->halt != HF__HALT_REASON__HALT_NONE || at->sequence <= place->given_most)
                continue;
            snprintf(text, sizeof text,
                     "partition %u was given up to %llu, and %llu is acknowledged", at->partition,
                     (unsigned long long)place->given.seq, (unsigned long long)at->sequence);
            consumer_doom(consumer, ERROR_malformed, text);
            return;
        }
        desk->counts.acknowledged += at->sequence - place->acked.seq;
        place_acknowledge(place, at->sequence);
    }
}

static void take_yield(struct desk *desk, struct consumer *consumer, const Hf__Assign *yield)
{
    for (size_t i = 0; i < yield->n_partitions; i++) {
        struct place *place = place_of(desk, consumer, yield->partitions[i]);
        if (!place || place->hold != HOLD_LEAVING)
            continue;
        divide_free(place);
        consumer->subscription->divide_due = true;
    }
}

static void take_resume(struct desk *desk, struct consumer *consumer, const Hf__Ack *resume)
{
    for (size_t i = 0; i < resume->n_positions; i++) {
        const Hf__Position *at = resume->positions[i];
        struct place *place = place_of(desk, consumer, at->partition);
        char text[160];
        if (!place || !place->loaded || place->halt == HF__HALT_REASON__HALT_NONE)
            continue;
        bool pruned = place->halt == HF__HALT_REASON__HALT_POSITION_PRUNED;
        uint64_t least = pruned ? place->pruned : place->lost_place.seq;
        if (at->sequence < least || (!pruned && at->sequence > least)) {
            snprintf(text, sizeof text, "partition %u goes on from %llu, not from %llu",
                     at->partition, (unsigned long long)least, (unsigned long long)at->sequence);
            consumer_doom(consumer, ERROR_malformed, text);
            return;
        }
        /* The claim of that position is looked up by the load. */
        subscription_seek(
            desk, consumer->subscription,
            &(struct job_position){.partition = at->partition, .at = {.seq = at->sequence}});
    }
}

static void take_credit(struct consumer *consumer, uint64_t sequence)
{
    if (sequence > consumer->credit)
        consumer->credit = sequence;
}

typedef void *unpack_fn(ProtobufCAllocator *allocator, size_t bytes, const uint8_t *body);

void desk_message(struct desk *desk, struct consumer *consumer, enum message_type type,
                  uint64_t sequence, const uint8_t *body, size_t body_bytes, struct arena *arena,
                  int64_t now_us)
{
    ProtobufCAllocator *allocator = &arena->allocator;
    void *message = NULL;

    if (consumer->doomed)
        return;
    if (type == MESSAGE_CREDIT) {
        take_credit(consumer, sequence);
    } else if (type == MESSAGE_SUBSCRIBE) {
        if ((message = hf__subscribe__unpack(allocator, body_bytes, body)) != NULL)
            subscription_subscribe(desk, consumer, message, now_us);
    } else if (type == MESSAGE_ACK) {
        if ((message = hf__ack__unpack(allocator, body_bytes, body)) != NULL)
            take_ack(desk, consumer, message);
    } else if (type == MESSAGE_YIELD) {
        if ((message = hf__assign__unpack(allocator, body_bytes, body)) != NULL)
            take_yield(desk, consumer, message);
    } else if (type == MESSAGE_RESUME) {
        if ((message = hf__ack__unpack(allocator, body_bytes, body)) != NULL)
            take_resume(desk, consumer, message);
    } else if (type == MESSAGE_QUERY) {
        if ((message = hf__relay_query__unpack(allocator, body_bytes, body)) != NULL)
            question_take(desk, consumer, sequence, message, now_us);
    } else {
        consumer_doom(consumer, ERROR_malformed, "a relay does not take messages of this type");
        return;
    }
    if (type != MESSAGE_CREDIT && !message)
        consumer_doom(consumer, ERROR_malformed, NULL);
}

/* ------------------------------------------------------------- what is heard */

void desk_heard(struct desk *desk, uint32_t partition, uint64_t seq, const uint8_t *claim,
                size_t claim_bytes)
{
    if (partition >= desk->config.partitions || claim_bytes != CLAIM_BYTES)
        return;
    struct part *part = &desk->parts[partition];
    part->is_heard = true;
    if (part->known && memcmp(claim, part->now.claim, CLAIM_BYTES) == 0) {
        if (seq > part->now.seq)
            part->now.seq = seq;
        return;
    }
    /* Another owner, or another history: the database says which. Once for each claim. */
    if (memcmp(claim, part->heard, CLAIM_BYTES) != 0)
        desk->look_wanted[part->shard] = true;
    memcpy(part->heard, claim, CLAIM_BYTES);
}

/* ------------------------------------------------------------- life */

void desk_tick(struct desk *desk, int64_t now_us)
{
    for (struct subscription *s = desk->subscriptions, *next; s; s = next) {
        next = s->next;
        subscription_tick(desk, s, now_us);
    }
    question_tick(desk, now_us);
    end_doomed(desk);
    for (struct subscription **link = &desk->subscriptions, *s; (s = *link) != NULL;) {
        if (s->state != SUBSCRIPTION_OVER || s->consumers) {
            link = &s->next;
            continue;
        }
        *link = s->next;
        subscription_free(desk, s);
    }
}

struct desk *desk_new(const struct desk_config *config, const struct desk_sink *sink)
{
    struct desk *desk = desk_alloc(1, sizeof *desk);
    size_t shards = config->shard_count;

    assert(config->partitions > 0 && shards > 0);
    desk->config = *config;
    desk->sink = *sink;
    desk->parts = desk_alloc(config->partitions, sizeof *desk->parts);
    desk->shard_not_before_us = desk_alloc(shards, sizeof(int64_t));
    desk->store_next_us = desk_alloc(shards, sizeof(int64_t));
    desk->look_next_us = desk_alloc(shards, sizeof(int64_t));
    desk->look_wanted = desk_alloc(shards, sizeof(bool));
    desk->last_kind = desk_alloc(shards, sizeof *desk->last_kind);
    desk->read_next = desk_alloc(shards, sizeof *desk->read_next);
    desk->read_next_us = desk_alloc(shards, sizeof(int64_t));
    desk->read_waits = desk_alloc(shards, sizeof(bool));
    desk->body = desk_alloc(config->message_bytes + EVENT_BYTES_MORE, 1);
    arena_init(&desk->arena);
    for (uint32_t p = 0; p < config->partitions; p++)
        desk->parts[p].shard = p % shards;
    return desk;
}

void desk_destroy(struct desk **desk)
{
    struct desk *c = *desk;

    while (c->consumers)
        desk_gone(c, c->consumers);
    question_free_all(c);
    for (struct subscription *s = c->subscriptions, *next; s; s = next) {
        next = s->next;
        subscription_free(c, s);
    }
    for (uint32_t p = 0; p < c->config.partitions; p++)
        tail_release(&c->parts[p].tail);
    free(c->parts);
    free(c->shard_not_before_us);
    free(c->store_next_us);
    free(c->look_next_us);
    free(c->look_wanted);
    free(c->last_kind);
    free(c->read_next);
    free(c->read_next_us);
    free(c->read_waits);
    free(c->body);
    arena_release(&c->arena);
    free(c);
    *desk = NULL;
}

void desk_stop(struct desk *desk)
{
    desk->stopping = true;
}

bool desk_is_idle(const struct desk *desk)
{
    return !desk->subscriptions;
}

struct desk_counts desk_counts(const struct desk *desk)
{
    struct desk_counts counts = desk->counts;

    counts.subscriptions = desk->subscription_count;
    counts.consumers = desk->consumer_count;
    counts.tail_bytes = desk->tail_bytes;
    return counts;
}

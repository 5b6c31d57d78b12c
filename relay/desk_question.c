/* SPDX-License-Identifier: MIT
 *
 * List and delete. A list asks every shard: a subscription's row lies at its home, its positions
 * with their partitions. A delete is the subscription's own affair (desk_subscription.c); here is
 * who waits for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/status.h"
#include "relay/desk_impl.h"

#define QUERIES_MAX 256u
#define LIST_MAX 1000u

static void answer(struct desk *desk, const struct question *question,
                   const Hf__RelayAnswer *message)
{
    if (question->consumer)
        consumer_send(desk, question->consumer, MESSAGE_ANSWER, question->sequence, &message->base);
}

static void answer_status(struct desk *desk, const struct question *question, uint32_t status,
                          const char *field, const char *text, const char *endpoint)
{
    Hf__RelayAnswer message = HF__RELAY_ANSWER__INIT;

    message.status = status;
    message.field = (char *)(uintptr_t)field;
    message.message = (char *)(uintptr_t)text;
    message.endpoint.len = strlen(endpoint);
    message.endpoint.data = (uint8_t *)(uintptr_t)endpoint;
    answer(desk, question, &message);
}

static void question_free(struct desk *desk, struct question **link)
{
    struct question *question = *link;

    *link = question->next;
    for (size_t i = 0; i < desk->config.shard_count; i++)
        job_destroy(&question->replies[i]);
    free(question->replies);
    free(question->asked);
    free(question);
}

void question_free_all(struct desk *desk)
{
    while (desk->queries)
        question_free(desk, &desk->queries);
}

void question_gone(struct desk *desk, const struct consumer *consumer)
{
    for (struct question *question = desk->queries; question; question = question->next) {
        if (question->consumer == consumer)
            question->consumer = NULL;
    }
}

void question_deleted(struct desk *desk, const struct code *name, uint32_t status, const char *text,
                      const char *endpoint)
{
    for (struct question **link = &desk->queries, *question; (question = *link) != NULL;) {
        if (!question->is_delete || !code_equal(&question->only, name)) {
            link = &question->next;
            continue;
        }
        answer_status(desk, question, status, status == STATUS_invalid ? "delete.name" : "", text,
                      endpoint);
        question_free(desk, link);
    }
}

/* ------------------------------------------------------------- taking one */

static bool take_name(struct desk *desk, const struct question *question,
                      const ProtobufCBinaryData *name, const char *field, struct code *to)
{
    const char *why = name->len > 0 ? code_fault(name->data, name->len) : NULL;
    char text[160];

    if (why) {
        snprintf(text, sizeof text, "the name of a subscription %s", why);
        answer_status(desk, question, STATUS_invalid, field, text, "");
        return false;
    }
    code_set(to, name->data, name->len);
    return true;
}

static bool take_list(struct desk *desk, struct question *question,
                      const Hf__SubscriptionListQuery *list)
{
    if (list->limit < 1 || list->limit > LIST_MAX) {
        answer_status(desk, question, STATUS_invalid, "list.limit", "limit must be 1 to 1000", "");
        return false;
    }
    question->limit = list->limit;
    question->left = desk->config.shard_count;
    return take_name(desk, question, &list->after, "list.after", &question->after) &&
           take_name(desk, question, &list->name, "list.name", &question->only);
}

static bool take_delete(struct desk *desk, struct question *question,
                        const Hf__SubscriptionDeleteQuery *delete)
{
    if (!take_name(desk, question, &delete->name, "delete.name", &question->only))
        return false;
    if (question->only.length == 0) {
        answer_status(desk, question, STATUS_invalid, "delete.name", "a name is missing", "");
        return false;
    }
    question->is_delete = true;
    struct subscription *s = subscription_find(desk, &question->only);
    if (!s && desk->subscription_count >= SUBSCRIPTIONS_MAX) {
        answer_status(desk, question, STATUS_busy, "", "this relay serves as many as it may", "");
        return false;
    }
    if (!s)
        s = subscription_new(desk, &question->only);
    s->delete_wanted = true;
    if (s->state == SUBSCRIPTION_SERVING) {
        memset(s->shard_loaded, 0, desk->config.shard_count * sizeof(bool));
        subscription_move(s, SUBSCRIPTION_FORGETTING);
    }
    return true;
}

void question_take(struct desk *desk, struct consumer *consumer, uint64_t sequence,
                   const Hf__RelayQuery *message, int64_t now_us)
{
    struct question *question = desk_alloc(1, sizeof *question), **last = &desk->queries;
    size_t count = 0;
    bool good = false;

    question->consumer = consumer;
    question->number = ++desk->last_query;
    question->sequence = sequence;
    question->asked = desk_alloc(desk->config.shard_count, sizeof(bool));
    question->replies = desk_alloc(desk->config.shard_count, sizeof(struct job *));
    question->until_us = now_us + QUERY_US;
    for (; *last; last = &(*last)->next)
        count++;
    *last = question;
    if (count >= QUERIES_MAX)
        answer_status(desk, question, STATUS_busy, "", "too many questions wait", "");
    else if (message->kind_case == HF__RELAY_QUERY__KIND_LIST)
        good = take_list(desk, question, message->list);
    else if (message->kind_case == HF__RELAY_QUERY__KIND_DELETE)
        good = take_delete(desk, question, message->delete_);
    else
        answer_status(desk, question, STATUS_invalid, "query",
                      "a relay does not know this question", "");
    if (!good)
        question_free(desk, last);
}

/* ------------------------------------------------------------- a list */

struct job *question_job(struct desk *desk, size_t shard)
{
    for (struct question *question = desk->queries; question; question = question->next) {
        if (question->is_delete || question->asked[shard])
            continue;
        struct job *job = job_new(JOB_LIST, shard);
        job->question = question->number;
        job->after = question->after;
        job->only = question->only;
        job->limit = question->limit;
        question->asked[shard] = true;
        return job;
    }
    return NULL;
}

static const struct listed *first_after(const struct desk *desk, const struct question *question,
                                        const struct code *after)
{
    const struct listed *first = NULL;

    for (size_t i = 0; i < desk->config.shard_count; i++) {
        const struct job *job = question->replies[i];
        for (size_t j = 0; j < job->listed_count; j++) {
            const struct listed *row = &job->listed[j];
            if (code_compare(&row->name, after) > 0 &&
                (!first || code_compare(&row->name, &first->name) < 0))
                first = row;
        }
    }
    return first;
}

static void describe_position(const struct listed_position *row, Hf__SubscriptionPosition *to)
{
    hf__subscription_position__init(to);
    to->partition = row->at.partition;
    to->sequence = row->at.at.seq;
    to->last = row->last;
    if (row->at.lost) {
        to->halt = HF__HALT_REASON__HALT_HISTORY_LOST;
        to->resume = row->at.at.seq;
    } else if (row->at.at.seq < row->pruned) {
        to->halt = HF__HALT_REASON__HALT_POSITION_PRUNED;
        to->resume = row->pruned;
    }
}

static Hf__Subscription *describe(struct desk *desk, const struct question *question,
                                  const struct listed *row)
{
    Hf__Subscription *to = arena_alloc(&desk->arena, sizeof *to);

    hf__subscription__init(to);
    to->name.len = row->name.length;
    to->name.data = arena_copy(&desk->arena, row->name.bytes, row->name.length);
    to->created_at_us = row->created_at_us;
    to->endpoint.len = strlen(row->endpoint);
    to->endpoint.data = arena_copy(&desk->arena, row->endpoint, to->endpoint.len);
    to->positions = arena_alloc(&desk->arena,
                                (desk->config.partitions + 1) * sizeof(Hf__SubscriptionPosition *));
    for (size_t i = 0; i < desk->config.shard_count; i++) {
        const struct job *job = question->replies[i];
        for (size_t j = 0; j < job->listed_position_count; j++) {
            const struct listed_position *position = &job->listed_positions[j];
            if (!code_equal(&position->name, &row->name) ||
                to->n_positions == desk->config.partitions)
                continue;
            Hf__SubscriptionPosition *at = arena_alloc(&desk->arena, sizeof *at);
            describe_position(position, at);
            to->behind += at->last > at->sequence ? at->last - at->sequence : 0;
            to->positions[to->n_positions++] = at;
        }
    }
    return to;
}

static void answer_list(struct desk *desk, struct question *question)
{
    Hf__RelayAnswer message = HF__RELAY_ANSWER__INIT;
    struct code after = question->after;
    const struct listed *row;

    arena_reset(&desk->arena);
    message.subscriptions =
        arena_alloc(&desk->arena, (question->limit + 1) * sizeof(Hf__Subscription *));
    while ((row = first_after(desk, question, &after)) != NULL) {
        if (message.n_subscriptions == question->limit) {
            message.more = true;
            break;
        }
        message.subscriptions[message.n_subscriptions++] = describe(desk, question, row);
        after = row->name;
    }
    if (hf__relay_answer__get_packed_size(&message) > desk->config.message_bytes)
        answer_status(desk, question, STATUS_too_large, "list.limit",
                      "the answer is larger than a message: ask for fewer", "");
    else
        answer(desk, question, &message);
}

void question_reply(struct desk *desk, struct job **reply)
{
    for (struct question **link = &desk->queries, *question; (question = *link) != NULL;
         link = &question->next) {
        size_t shard = (*reply)->shard;
        if (question->number != (*reply)->question)
            continue;
        if ((*reply)->outcome != JOB_DONE) {
            answer_status(desk, question, STATUS_unavailable, "", "a database does not answer", "");
            question_free(desk, link);
            return;
        }
        question->replies[shard] = *reply;
        *reply = NULL;
        if (--question->left == 0) {
            answer_list(desk, question);
            question_free(desk, link);
        }
        return;
    }
}

void question_tick(struct desk *desk, int64_t now_us)
{
    for (struct question **link = &desk->queries, *question; (question = *link) != NULL;) {
        if (question->consumer && now_us < question->until_us) {
            link = &question->next;
            continue;
        }
        /* A delete goes on, whoever waits. */
        answer_status(desk, question, STATUS_unavailable, "",
                      question->is_delete ? "the databases did not answer in time; it goes on"
                                          : "a database did not answer in time",
                      "");
        question_free(desk, link);
    }
}

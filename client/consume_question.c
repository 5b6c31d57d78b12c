/* SPDX-License-Identifier: MIT
 *
 * Questions about subscriptions, each in a session of its own: begun, and taken when it is
 * answered; or both at once, waiting. The public functions are those of holdfast_events.h.
 */
#include "client/consume.h"

#include "client/decode.h"
#include "common/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list_box {
    struct pool pool;
    struct holdfast_subscription_list list;
};

static struct holdfast_subscription_list no_memory = {
    .status = HOLDFAST_UNAVAILABLE, .field = "", .message = "out of memory"};

static struct holdfast_subscription_list *list_new(int status, const char *field,
                                                   const char *message)
{
    struct list_box *box = calloc(1, sizeof *box);

    if (!box)
        return &no_memory;
    pool_init(&box->pool);
    box->list.status = status;
    box->list.field = pool_text(&box->pool, field, strlen(field));
    box->list.message = pool_text(&box->pool, message, strlen(message));
    if (box->list.field && box->list.message)
        return &box->list;
    pool_release(&box->pool);
    free(box);
    return &no_memory;
}

void holdfast_subscription_list_free(struct holdfast_subscription_list **list)
{
    struct holdfast_subscription_list *l = *list;

    *list = NULL;
    if (!l || l == &no_memory)
        return;
    struct list_box *box = (struct list_box *)(void *)((char *)l - offsetof(struct list_box, list));
    pool_release(&box->pool);
    free(box);
}

static bool decode_state(struct pool *pool, struct holdfast_subscription_state *to,
                         const Hf__Subscription *from)
{
    to->created_at_us = from->created_at_us;
    to->behind = from->behind;
    to->partitions = (uint32_t)from->n_positions;
    for (size_t i = 0; i < from->n_positions; i++) {
        to->acknowledged += from->positions[i]->sequence;
        to->pruned += from->positions[i]->halt == HF__HALT_REASON__HALT_POSITION_PRUNED;
        to->lost += from->positions[i]->halt == HF__HALT_REASON__HALT_HISTORY_LOST;
    }
    return decode_text(pool, &to->name, from->name) &&
           decode_text(pool, &to->relay, from->endpoint);
}

static struct holdfast_subscription_list *decode_list(const Hf__RelayAnswer *answer)
{
    struct holdfast_subscription_list *list =
        list_new(decode_status(answer->status), answer->field, answer->message);
    struct list_box *box =
        (struct list_box *)(void *)((char *)list - offsetof(struct list_box, list));

    if (list == &no_memory || answer->n_subscriptions == 0)
        return list;
    struct holdfast_subscription_state *all =
        pool_alloc(&box->pool, answer->n_subscriptions * sizeof *all);
    for (size_t i = 0; all && i < answer->n_subscriptions; i++) {
        if (!decode_state(&box->pool, &all[i], answer->subscriptions[i]))
            all = NULL;
    }
    if (!all) {
        holdfast_subscription_list_free(&list);
        return &no_memory;
    }
    list->subscriptions = all;
    list->count = answer->n_subscriptions;
    list->more = answer->more;
    return list;
}

/* ------------------------------------------------------------- asking */

static struct holdfast_subscription *begin(const struct holdfast_options *options,
                                           const Hf__RelayQuery *query, char *error,
                                           size_t error_bytes)
{
    struct holdfast_subscription *s = consume_open(options, NULL, error, error_bytes);

    if (!s)
        return NULL;
    s->question_bytes = hf__relay_query__get_packed_size(query);
    s->question = malloc(s->question_bytes + 1);
    if (!s->question) {
        snprintf(error, error_bytes, "out of memory");
        holdfast_unsubscribe(&s);
        return NULL;
    }
    hf__relay_query__pack(query, s->question);
    s->question_until_us = clock_monotonic_us() + s->options.timeout_us;
    return s;
}

struct holdfast_subscription_list *
holdfast_subscription_list_take(struct holdfast_subscription **subscription)
{
    struct holdfast_subscription *s = *subscription;
    struct holdfast_subscription_list *list;
    char error[256];

    if (!s->answer && s->phase != CONSUME_OVER && clock_monotonic_us() < s->question_until_us)
        return NULL;
    if (s->answer) {
        list = decode_list(s->answer);
    } else {
        snprintf(error, sizeof error, "no relay has answered: %s",
                 s->trouble[0] ? s->trouble : "no answer in time");
        list = list_new(HOLDFAST_UNAVAILABLE, "", error);
    }
    holdfast_unsubscribe(subscription);
    return list;
}

static struct holdfast_subscription_list *ask(const struct holdfast_options *options,
                                              const Hf__RelayQuery *query)
{
    char error[512];
    struct holdfast_subscription *s = begin(options, query, error, sizeof error);
    struct holdfast_subscription_list *list = NULL;

    if (!s)
        return list_new(HOLDFAST_INVALID, "", error);
    for (;;) {
        consume_process(s, clock_monotonic_us());
        if ((list = holdfast_subscription_list_take(&s)) != NULL)
            return list;
        consume_wait(s, s->question_until_us);
    }
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return text ? (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text}
                : (ProtobufCBinaryData){0};
}

static void query_list(Hf__RelayQuery *query, Hf__SubscriptionListQuery *list, const char *after,
                       const char *name, uint32_t limit)
{
    hf__relay_query__init(query);
    hf__subscription_list_query__init(list);
    list->after = bytes_of(after);
    list->name = bytes_of(name);
    list->limit = limit;
    query->kind_case = HF__RELAY_QUERY__KIND_LIST;
    query->list = list;
}

struct holdfast_subscription *
holdfast_subscription_list_begin(const struct holdfast_options *options, const char *after,
                                 const char *name, uint32_t limit, char *error, size_t error_bytes)
{
    Hf__RelayQuery query;
    Hf__SubscriptionListQuery list;
    char unused[1];

    query_list(&query, &list, after, name, limit);
    return begin(options, &query, error && error_bytes ? error : unused,
                 error && error_bytes ? error_bytes : sizeof unused);
}

struct holdfast_subscription_list *
holdfast_subscription_list(const struct holdfast_options *options, const char *after,
                           const char *name, uint32_t limit)
{
    Hf__RelayQuery query;
    Hf__SubscriptionListQuery list;

    query_list(&query, &list, after, name, limit);
    return ask(options, &query);
}

struct holdfast_subscription_list *
holdfast_subscription_delete(const struct holdfast_options *options, const char *name)
{
    Hf__RelayQuery query = HF__RELAY_QUERY__INIT;
    Hf__SubscriptionDeleteQuery delete = HF__SUBSCRIPTION_DELETE_QUERY__INIT;

    delete.name = bytes_of(name);
    query.kind_case = HF__RELAY_QUERY__KIND_DELETE;
    query.delete_ = &delete;
    return ask(options, &query);
}

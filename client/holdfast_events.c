/* SPDX-License-Identifier: MIT
 *
 * The public functions of holdfast_events.h: opening, waiting, and the questions about
 * subscriptions.
 */
#include "client/holdfast_events.h"

#include "client/consume.h"
#include "client/decode.h"
#include "common/clock.h"
#include "common/random.h"
#include "protocol/text.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_MAX_MS 1000
#define LIST_MAX 1000u

/* ------------------------------------------------------------- opening */

static bool fail(char *error, size_t error_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(char *error, size_t error_bytes, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, error_bytes, format, arguments);
    va_end(arguments);
    return false;
}

static bool take_relays(struct options *options, const char *const *relays, size_t count,
                        char *error, size_t error_bytes)
{
    if (!relays && options->relay_count == 0)
        return fail(error, error_bytes, "the cluster file names no relay");
    if (!relays)
        return true;
    if (count == 0 || count > 64)
        return fail(error, error_bytes, "relay_count must be 1 to 64");
    for (size_t i = 0; i < options->relay_count; i++)
        free(options->relays[i]);
    free(options->relays);
    options->relay_count = 0;
    options->relays = calloc(count, sizeof *options->relays);
    for (size_t i = 0; options->relays && i < count; i++) {
        if (!relays[i] || !strstr(relays[i], "://"))
            return fail(error, error_bytes, "relays[%zu] is not an endpoint such as ipc://PATH", i);
        if (!(options->relays[i] = strdup(relays[i])))
            break;
        options->relay_count++;
    }
    return options->relay_count == count || fail(error, error_bytes, "out of memory");
}

static bool take_subscription(struct holdfast_subscription *s,
                              const struct holdfast_subscription_options *wanted, char *error,
                              size_t error_bytes)
{
    const char *why = wanted->name ? code_fault(wanted->name, strlen(wanted->name)) : "is missing";

    if (why)
        return fail(error, error_bytes, "the name of the subscription %s", why);
    snprintf(s->name, sizeof s->name, "%s", wanted->name);
    if (wanted->from < HOLDFAST_FROM_LAST || wanted->from > HOLDFAST_FROM_POSITIONS)
        return fail(error, error_bytes, "from is not one of holdfast_events.h");
    if ((wanted->from == HOLDFAST_FROM_POSITIONS) != (wanted->position_count > 0))
        return fail(error, error_bytes, "positions and HOLDFAST_FROM_POSITIONS go together");
    if (wanted->position_count > PARTITIONS_MAX)
        return fail(error, error_bytes, "position_count is above %u", PARTITIONS_MAX);
    if (wanted->window > CONSUME_WINDOW_MAX)
        return fail(error, error_bytes, "window is above %u", CONSUME_WINDOW_MAX);
    s->window = wanted->window ? wanted->window : CONSUME_WINDOW;
    s->from = wanted->from;
    s->positions = calloc(wanted->position_count + 1, sizeof *s->positions);
    if (!s->positions)
        return fail(error, error_bytes, "out of memory");
    if (wanted->position_count > 0)
        memcpy(s->positions, wanted->positions, wanted->position_count * sizeof *s->positions);
    s->position_count = wanted->position_count;
    return true;
}

static void release(struct holdfast_subscription *s)
{
    consume_forget(s);
    pool_release(&s->event_pool);
    pool_release(&s->answer_pool);
    options_release(&s->options);
    free(s->positions);
    free(s->question);
    free(s->parts);
    free(s);
}

static struct holdfast_subscription *open_handle(const struct holdfast_options *options,
                                                 const struct holdfast_subscription_options *wanted,
                                                 char *error, size_t error_bytes)
{
    struct holdfast_subscription *s = calloc(1, sizeof *s);

    if (!s) {
        fail(error, error_bytes, "out of memory");
        return NULL;
    }
    s->last = &s->first;
    s->pid = getpid();
    pool_init(&s->event_pool);
    pool_init(&s->answer_pool);
    if (options_read(&s->options, options, error, error_bytes) &&
        take_relays(&s->options, wanted ? wanted->relays : NULL, wanted ? wanted->relay_count : 0,
                    error, error_bytes) &&
        (!wanted || take_subscription(s, wanted, error, error_bytes))) {
        if (!random_bytes(s->instance, sizeof s->instance) || !link_open(&s->link, NULL)) {
            fail(error, error_bytes, "no randomness, memory or file descriptors");
        } else {
            /* Consumers that start together do not all ask the same relay first. */
            s->relay = (size_t)random_below(s->options.relay_count);
            return s;
        }
    }
    release(s);
    return NULL;
}

struct holdfast_subscription *
holdfast_subscribe(const struct holdfast_options *options,
                   const struct holdfast_subscription_options *subscription, char *error,
                   size_t error_bytes)
{
    struct holdfast_subscription_options given = {0};
    char unused[1];

    if (!error || error_bytes == 0) {
        error = unused;
        error_bytes = sizeof unused;
    }
    if (!subscription || subscription->size < sizeof given.size ||
        subscription->size > 64 * sizeof given) {
        fail(error, error_bytes, "size is not sizeof (struct holdfast_subscription_options)");
        return NULL;
    }
    memcpy(&given, subscription,
           subscription->size < sizeof given ? subscription->size : sizeof given);
    return open_handle(options, &given, error, error_bytes);
}

static bool is_foreign(const struct holdfast_subscription *s)
{
    return s->pid != getpid();
}

void holdfast_unsubscribe(struct holdfast_subscription **subscription)
{
    struct holdfast_subscription *s = *subscription;

    if (!s)
        return;
    *subscription = NULL;
    if (!is_foreign(s) && s->phase == CONSUME_READY)
        consume_send_acks(s);
    if (!is_foreign(s))
        consume_goodbye(s);
    link_close(&s->link, true, is_foreign(s));
    release(s);
}

/* ------------------------------------------------------------- the loop */

int holdfast_subscription_fd(const struct holdfast_subscription *s)
{
    return s->link.poll_fd;
}

int holdfast_subscription_deadline_ms(const struct holdfast_subscription *s)
{
    int64_t left_us = consume_due_us(s) - clock_monotonic_us();

    if (left_us <= 0)
        return 0;
    return left_us / 1000 >= DEADLINE_MAX_MS ? DEADLINE_MAX_MS : (int)(left_us / 1000) + 1;
}

void holdfast_subscription_process(struct holdfast_subscription *s)
{
    if (is_foreign(s))
        return;
    consume_process(s, clock_monotonic_us());
}

/* Until something may have come, or until_us. ZMQ_FD tells of changes only, so what has come is
 * taken once more after anything was sent. */
static void wait_for(struct holdfast_subscription *s, int64_t until_us)
{
    int64_t left_ms = (until_us - clock_monotonic_us() + 999) / 1000;
    int most = holdfast_subscription_deadline_ms(s);
    struct pollfd readable = {.fd = s->link.poll_fd, .events = POLLIN};

    if (left_ms < most)
        most = left_ms > 0 ? (int)left_ms : 0;
    poll(&readable, 1, most);
}

const struct holdfast_event *holdfast_subscription_next(struct holdfast_subscription *s,
                                                        int64_t timeout_ms)
{
    int64_t until_us = clock_monotonic_us() + timeout_ms * 1000;

    if (is_foreign(s))
        return NULL;
    for (;;) {
        if (consume_next(s))
            return &s->event;
        consume_process(s, clock_monotonic_us());
        if (consume_next(s))
            return &s->event;
        if (clock_monotonic_us() >= until_us || s->phase == CONSUME_OVER)
            return NULL;
        consume_process(s, clock_monotonic_us());
        if (!s->first)
            wait_for(s, until_us);
    }
}

void holdfast_subscription_ack(struct holdfast_subscription *s, uint32_t partition,
                               uint64_t sequence)
{
    consume_acknowledge(s, partition, sequence, clock_monotonic_us());
}

bool holdfast_subscription_flush(struct holdfast_subscription *s, int64_t timeout_ms)
{
    int64_t until_us = clock_monotonic_us() + timeout_ms * 1000;

    while (!is_foreign(s)) {
        s->acks_due_us = 0;
        consume_process(s, clock_monotonic_us());
        if (consume_all_stored(s))
            return true;
        if (clock_monotonic_us() >= until_us || s->phase == CONSUME_OVER)
            return false;
        wait_for(s, until_us);
    }
    return false;
}

void holdfast_subscription_resume(struct holdfast_subscription *s, uint32_t partition,
                                  uint64_t sequence)
{
    Hf__Position at = HF__POSITION__INIT, *list = &at;
    Hf__Ack resume = HF__ACK__INIT;

    if (partition >= s->partitions || !s->parts[partition].is_halted || is_foreign(s))
        return;
    struct consume_part *part = &s->parts[partition];
    part->is_halted = part->halt_due = part->at_end = false;
    part->received = part->handed = part->acked = part->sent = part->stored = sequence;
    /* Of what was handed before, nothing is known of a claim: it is not seen any more. */
    memset(part->handed_claim, 0, sizeof part->handed_claim);
    at.partition = partition;
    at.sequence = sequence;
    resume.positions = &list;
    resume.n_positions = 1;
    consume_send(s, MESSAGE_RESUME, 0, &resume.base);
}

bool holdfast_subscription_at_end(const struct holdfast_subscription *s)
{
    if (s->phase != CONSUME_READY || s->assigned_count == 0 || s->first)
        return false;
    for (uint32_t p = 0; p < s->partitions; p++) {
        const struct consume_part *part = &s->parts[p];
        if (part->assigned && !part->at_end && !(part->is_halted && !part->halt_due))
            return false;
    }
    return true;
}

const char *holdfast_subscription_trouble(const struct holdfast_subscription *s)
{
    return s->trouble;
}

const char *holdfast_signal_name(unsigned signal)
{
    switch (signal) {
    case HOLDFAST_SIGNAL_LOW_STOCK:
        return "low_stock";
    case HOLDFAST_SIGNAL_LOW_STOCK_HERE:
        return "low_stock_here";
    case HOLDFAST_SIGNAL_OUT_OF_STOCK:
        return "out_of_stock";
    case HOLDFAST_SIGNAL_OUT_OF_STOCK_HERE:
        return "out_of_stock_here";
    case HOLDFAST_SIGNAL_SHORTFALL:
        return "shortfall";
    default:
        return "unknown";
    }
}

/* ------------------------------------------------------------- questions */

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

static struct holdfast_subscription_list *ask(const struct holdfast_options *options,
                                              const Hf__RelayQuery *query)
{
    char error[512];
    struct holdfast_subscription *s = open_handle(options, NULL, error, sizeof error);
    struct holdfast_subscription_list *list;

    if (!s)
        return list_new(HOLDFAST_INVALID, "", error);
    int64_t until_us = clock_monotonic_us() + s->options.timeout_us;
    s->question_bytes = hf__relay_query__get_packed_size(query);
    s->question = malloc(s->question_bytes + 1);
    if (!s->question) {
        holdfast_unsubscribe(&s);
        return &no_memory;
    }
    hf__relay_query__pack(query, s->question);
    while (!s->answer && clock_monotonic_us() < until_us) {
        consume_process(s, clock_monotonic_us());
        if (!s->answer && s->phase != CONSUME_OVER)
            wait_for(s, until_us);
        else
            break;
    }
    if (s->answer) {
        list = decode_list(s->answer);
    } else {
        snprintf(error, sizeof error, "no relay has answered: %s",
                 s->trouble[0] ? s->trouble : "no answer in time");
        list = list_new(HOLDFAST_UNAVAILABLE, "", error);
    }
    holdfast_unsubscribe(&s);
    return list;
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return text ? (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text}
                : (ProtobufCBinaryData){0};
}

struct holdfast_subscription_list *
holdfast_subscription_list(const struct holdfast_options *options, const char *after,
                           const char *name, uint32_t limit)
{
    Hf__RelayQuery query = HF__RELAY_QUERY__INIT;
    Hf__SubscriptionListQuery list = HF__SUBSCRIPTION_LIST_QUERY__INIT;

    list.after = bytes_of(after);
    list.name = bytes_of(name);
    list.limit = limit;
    query.kind_case = HF__RELAY_QUERY__KIND_LIST;
    query.list = &list;
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

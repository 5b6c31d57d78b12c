/* SPDX-License-Identifier: MIT
 *
 * The public functions of holdfast_events.h: opening, waiting, closing. Those that ask about
 * subscriptions are in consume_question.c.
 */
#include "client/holdfast_events.h"

#include "client/consume.h"
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

struct holdfast_subscription *consume_open(const struct holdfast_options *options,
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
    return consume_open(options, &given, error, error_bytes);
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
    link_close(&s->link, s->session != 0, is_foreign(s)); /* nobody waits for who never answered */
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
void consume_wait(struct holdfast_subscription *s, int64_t until_us)
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
            consume_wait(s, until_us);
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
        consume_wait(s, until_us);
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

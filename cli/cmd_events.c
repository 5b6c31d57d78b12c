/* SPDX-License-Identifier: MIT
 *
 * events, subscription list, subscription delete. An event is acknowledged once it was written to
 * stdout: what a reader behind a pipe was not given comes again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/json.h"
#include "cli/lines.h"
#include "cli/parse.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/table.h"
#include "client/holdfast_events.h"
#include "common/clock.h"
#include "common/config.h"
#include "protocol/header.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TIMEOUT_MS 10000
/* How often a ctrl-C is looked for. */
#define LOOK_MS 200

/* ------------------------------------------------------------- what was typed */

static bool read_position(char *text, struct holdfast_event_position *position)
{
    char *colon = strchr(text, ':');
    uint64_t partition;

    if (colon == NULL)
        return false;
    *colon = '\0';
    if (!parse_number(text, &partition) || partition >= PARTITIONS_MAX ||
        !parse_number(colon + 1, &position->sequence) || position->sequence > INT64_MAX)
        return false;
    position->partition = (uint32_t)partition;
    return true;
}

/* PARTITION:SEQUENCE, several with commas between. The caller frees them. False: it has told why.
 */
static bool read_positions(const struct invocation *invocation, const char *text,
                           struct holdfast_subscription_options *options,
                           struct holdfast_event_position **positions)
{
    char *copy = strdup(text), *rest = NULL;
    size_t count = 1;

    for (const char *at = text; *at != '\0'; at++)
        count += *at == ',';
    *positions = calloc(count, sizeof **positions);
    if (copy == NULL || *positions == NULL)
        abort();
    options->from = HOLDFAST_FROM_POSITIONS;
    options->positions = *positions;
    for (char *one = strtok_r(copy, ",", &rest); one != NULL; one = strtok_r(NULL, ",", &rest)) {
        if (read_position(one, &(*positions)[options->position_count++]))
            continue;
        options->position_count = 0;
        break;
    }
    free(copy);
    if (options->position_count > 0)
        return true;
    usage_error(invocation,
                "--from is start, now, or PARTITION:SEQUENCE[,PARTITION:SEQUENCE…], not \"%s\"",
                text);
    return false;
}

static bool read_from(const struct invocation *invocation,
                      struct holdfast_subscription_options *options,
                      struct holdfast_event_position **positions)
{
    const char *from = option_text(invocation, "from");

    *positions = NULL;
    if (from == NULL)
        return true;
    if (strcmp(from, "start") == 0)
        options->from = HOLDFAST_FROM_START;
    else if (strcmp(from, "now") == 0)
        options->from = HOLDFAST_FROM_NOW;
    else
        return read_positions(invocation, from, options, positions);
    return true;
}

/* 0, or an exit code after having told why. path must outlive the options. */
static int read_options(const struct invocation *invocation, struct holdfast_options *options,
                        char *path, size_t path_bytes)
{
    static struct config config; /* the library reads it again: here for the exit code */

    *options = (struct holdfast_options){
        .size = sizeof *options,
        .cluster_file = path,
        .timeout_ms = (int64_t)option_number(invocation, "timeout", TIMEOUT_MS)};
    if (options->timeout_ms == 0)
        return usage_error(invocation, "--timeout must be longer than nothing");
    return session_config(invocation, &config, path, path_bytes);
}

/* ------------------------------------------------------------- events */

static struct json_object *event_json(const struct holdfast_event *event)
{
    struct json_object *object = movement_json(event->movement);
    struct json_object *signals = json_object_new_array();
    char claim[2 * sizeof event->claim_id + 1];

    for (size_t i = 0; i < sizeof event->claim_id; i++)
        snprintf(claim + 2 * i, 3, "%02x", event->claim_id[i]);
    json_text(object, "claim_id", claim);
    for (unsigned bit = 1; bit <= HOLDFAST_SIGNAL_SHORTFALL; bit <<= 1) {
        if (event->signals & bit)
            json_object_array_add(signals, json_object_new_string(holdfast_signal_name(bit)));
    }
    json_object_object_add(object, "signals", signals);
    if (event->trace[0] != '\0')
        json_text(object, "trace", event->trace);
    return object;
}

static void print_change(const char *name, int32_t change)
{
    if (change != 0)
        printf("  %s %+d", name, change);
}

static void print_text(const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        printf("  %s%s", name, text);
}

static void print_event(const struct holdfast_event *event)
{
    const struct holdfast_movement *m = event->movement;
    char at[TIME_TEXT_BYTES];

    local_time(m->at_us, at);
    printf("%u:%llu  %s  %s", event->partition, (unsigned long long)event->sequence, at,
           holdfast_movement_name(m->kind));
    print_text("", m->sku);
    if (m->warehouse != NULL && m->warehouse[0] != '\0')
        printf(m->sku[0] != '\0' ? "@%s" : "  %s", m->warehouse);
    print_change("on_hand", m->on_hand_change);
    print_change("reserved", m->reserved_change);
    print_change("committed", m->committed_change);
    print_change("unavailable", m->unavailable_change);
    if (m->after.sku[0] != '\0')
        printf("  available %u", m->after.available);
    for (unsigned bit = 1; bit <= HOLDFAST_SIGNAL_SHORTFALL; bit <<= 1) {
        if (event->signals & bit)
            printf("  %s!", holdfast_signal_name(bit));
    }
    print_text("", m->reservation);
    print_text("order ", m->order);
    print_text("reason ", m->reason);
    print_text("reference ", m->reference);
    print_text("by ", m->actor);
    putchar('\n');
}

static void tell_halt(const struct invocation *invocation, const struct holdfast_event *event)
{
    bool lost = event->kind == HOLDFAST_EVENT_HISTORY_LOST;
    const char *name = lost ? "history_lost" : "position_pruned";

    if (invocation->json) {
        struct json_object *object = json_object_new_object();
        json_text(object, "event", name);
        json_number(object, "partition", event->partition);
        json_number(object, "given", event->given);
        json_number(object, "resume", event->resume);
        json_line(object);
        fflush(stdout);
    }
    if (lost)
        complain(
            "events",
            "history_lost: partition %u: the database was put back; what was given after %llu, "
            "up to %llu, is not in the ledger any more. Go on with --from %u:%llu",
            event->partition, (unsigned long long)event->resume, (unsigned long long)event->given,
            event->partition, (unsigned long long)event->resume);
    else
        complain("events",
                 "position_pruned: partition %u: the subscription was at %llu, and movements up to "
                 "%llu are not kept any more. Go on with --from %u:%llu",
                 event->partition, (unsigned long long)event->given,
                 (unsigned long long)event->resume, event->partition,
                 (unsigned long long)event->resume);
}

struct watching {
    const struct invocation *invocation;
    struct holdfast_subscription *subscription;
    bool halted;
};

/* -1: go on; otherwise the exit code. */
static int take_event(struct watching *w, const struct holdfast_event *event)
{
    switch (event->kind) {
    case HOLDFAST_EVENT_REFUSED:
        complain("events", "%s: %s", holdfast_status_name(event->status), event->message);
        return holdfast_status_exit(event->status);
    case HOLDFAST_EVENT_POSITION_PRUNED:
    case HOLDFAST_EVENT_HISTORY_LOST:
        w->halted = true;
        tell_halt(w->invocation, event);
        return -1;
    case HOLDFAST_EVENT_MOVEMENT:
        break;
    }
    if (w->invocation->json)
        json_line(event_json(event));
    else
        print_event(event);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        complain("events", "could not write; what was not written is not acknowledged");
        return EX_OSERR;
    }
    holdfast_subscription_ack(w->subscription, event->partition, event->sequence);
    return -1;
}

static int watch(struct watching *w, int64_t timeout_ms)
{
    bool follow = option_given(w->invocation, "follow");
    int64_t until_us = clock_monotonic_us() + timeout_ms * 1000;
    int code = -1;

    while (code < 0 && !was_interrupted()) {
        const struct holdfast_event *event = holdfast_subscription_next(w->subscription, LOOK_MS);
        if (event != NULL) {
            code = take_event(w, event);
            until_us = clock_monotonic_us() + timeout_ms * 1000;
        } else if (!follow && holdfast_subscription_at_end(w->subscription)) {
            break;
        } else if (!follow && clock_monotonic_us() > until_us) {
            const char *why = holdfast_subscription_trouble(w->subscription);
            complain("events", "unavailable: no end within %lld ms%s%s", (long long)timeout_ms,
                     why[0] ? ": " : "", why);
            return EX_UNAVAILABLE;
        }
    }
    if (code >= 0)
        return code;
    if (!holdfast_subscription_flush(w->subscription, timeout_ms)) {
        complain("events", "unavailable: not every acknowledgement was stored in time: some events "
                           "will be given again");
        return EX_UNAVAILABLE;
    }
    return was_interrupted() ? EXIT_INTERRUPTED : w->halted ? 1 : 0;
}

int cmd_events(const struct invocation *invocation)
{
    char path[CONFIG_PATH_BYTES], error[2048];
    struct holdfast_options options;
    struct holdfast_subscription_options wanted = {.size = sizeof wanted,
                                                   .name = invocation->arguments[0]};
    struct holdfast_event_position *positions;
    struct watching w = {.invocation = invocation};
    int code = read_options(invocation, &options, path, sizeof path);

    if (code != 0)
        return code;
    if (!read_from(invocation, &wanted, &positions)) {
        free(positions);
        return EX_USAGE;
    }
    w.subscription = holdfast_subscribe(&options, &wanted, error, sizeof error);
    free(positions);
    if (w.subscription == NULL) {
        complain("events", "invalid: %s", error);
        return EX_USAGE;
    }
    catch_interrupts();
    code = watch(&w, options.timeout_ms);
    holdfast_unsubscribe(&w.subscription);
    return code;
}

/* ------------------------------------------------------------- subscriptions */

static struct json_object *subscription_json(const struct holdfast_subscription_state *state)
{
    struct json_object *object = json_object_new_object();

    json_text(object, "name", state->name);
    json_object_object_add(object, "created_at", time_json(state->created_at_us));
    json_text(object, "relay", state->relay[0] != '\0' ? state->relay : NULL);
    json_number(object, "behind", state->behind);
    json_number(object, "partitions", state->partitions);
    json_number(object, "pruned", state->pruned);
    json_number(object, "lost", state->lost);
    return object;
}

static void print_subscriptions(const struct holdfast_subscription_list *list)
{
    static const struct column columns[] = {{"NAME", false, false},
                                            {"CREATED", false, false},
                                            {"BEHIND", true, false},
                                            {"HALTED", true, true},
                                            {"RELAY", false, false}};
    struct table table;

    table_init(&table, columns, COUNT(columns));
    for (size_t i = 0; i < list->count; i++) {
        const struct holdfast_subscription_state *state = &list->subscriptions[i];
        char at[TIME_TEXT_BYTES];
        local_time(state->created_at_us, at);
        table_cell(&table, "%s", state->name);
        table_cell(&table, "%s", at);
        table_cell(&table, "%llu", (unsigned long long)state->behind);
        table_cell(&table, "%u", state->pruned + state->lost);
        table_cell(&table, "%s", state->relay[0] != '\0' ? state->relay : "nobody consumes it");
    }
    table_print(&table, stdout);
    table_release(&table);
}

/* 0, or the exit code after having told why. */
static int tell_status(const struct invocation *invocation,
                       const struct holdfast_subscription_list *list)
{
    if (list->status == HOLDFAST_APPLIED)
        return 0;
    complain(invocation->command->words, "%s: %s%s%s", holdfast_status_name(list->status),
             list->field, list->field[0] != '\0' ? ": " : "", list->message);
    return holdfast_status_exit(list->status);
}

int cmd_subscription_list(const struct invocation *invocation)
{
    char path[CONFIG_PATH_BYTES];
    struct holdfast_options options;
    uint64_t limit = option_number(invocation, "limit", 100);
    int code = read_options(invocation, &options, path, sizeof path);

    if (code != 0)
        return code;
    if (limit < 1 || limit > 1000)
        return usage_error(invocation, "--limit must be 1 to 1000");
    struct holdfast_subscription_list *list = holdfast_subscription_list(
        &options, option_text(invocation, "after"), NULL, (uint32_t)limit);
    code = tell_status(invocation, list);
    if (code == 0 && !invocation->json)
        print_subscriptions(list);
    for (size_t i = 0; code == 0 && invocation->json && i < list->count; i++)
        json_line(subscription_json(&list->subscriptions[i]));
    if (code == 0 && list->more)
        complain("subscription list", "there are more; go on with --after %s",
                 list->subscriptions[list->count - 1].name);
    holdfast_subscription_list_free(&list);
    return code;
}

int cmd_subscription_delete(const struct invocation *invocation)
{
    char path[CONFIG_PATH_BYTES];
    struct holdfast_options options;
    const char *name = invocation->arguments[0];
    int code = code_check(invocation, "name of the subscription", name);

    if (code == 0)
        code = read_options(invocation, &options, path, sizeof path);
    if (code != 0)
        return code;
    struct holdfast_subscription_list *list = holdfast_subscription_delete(&options, name);
    code = tell_status(invocation, list);
    if (code == 0 && invocation->json) {
        struct json_object *object = json_object_new_object();
        json_text(object, "name", name);
        json_object_object_add(object, "deleted", json_object_new_boolean(true));
        json_line(object);
    } else if (code == 0) {
        printf("subscription %s: deleted\n", name);
    }
    holdfast_subscription_list_free(&list);
    return code;
}

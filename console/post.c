/* SPDX-License-Identifier: MIT
 *
 * Writes: each under an id of its own, sent once by the library's rules. When the outcome is not
 * known the id is settled, again and again, until it is: nobody has to guess, and nothing is posted
 * twice. A form may be closed meanwhile; what became of its write is told all the same.
 */
#include <stdio.h>
#include <string.h>

#include "console/app.h"
#include "protocol/ids.h"

#define SETTLE_EVERY_US 2000000

static void tell(struct posting *posting, const struct holdfast_result *result)
{
    struct app *app = posting->app;
    const char *words = result->message[0] ? result->message : holdfast_status_text(result->status);

    app->urgent = true;
    switch (result->kind) {
    case HOLDFAST_KIND_APPLIED:
        app_say(app, STYLE_GOOD, "OK %s%s", posting->what,
                posting->derived && result->replayed ? " (that was done before, not again)" : "");
        break;
    case HOLDFAST_KIND_UNKNOWN:
        app->bell = true;
        app_say(app, STYLE_BAD, "OUTCOME UNKNOWN, checking; do not repeat: %s", posting->what);
        break;
    case HOLDFAST_KIND_REFUSED:
    case HOLDFAST_KIND_SHED:
        app->bell = true;
        app_say(app, STYLE_BAD, "ERR not done: %s%s%s (%s)", result->field,
                result->field[0] ? ": " : "", words, posting->what);
        break;
    }
    /* Of a form that was left meanwhile: whoever posted it may be anywhere by now. */
    app->message_stays = app->message_style == STYLE_BAD &&
                         (!posting->done || result->kind == HOLDFAST_KIND_UNKNOWN);
    if (posting->done)
        posting->done(app, posting, result);
}

static void certain(struct posting *posting, const struct holdfast_result *result)
{
    struct posting told = *posting;
    struct holdfast_position position = {result->partition, result->sequence};
    posting->state = POSTING_FREE;
    if (result->kind == HOLDFAST_KIND_APPLIED) /* what is read from now on has it */
        (void)holdfast_view_at_least(posting->app->reads, &position, 1);
    tell(&told, result);
}

static void answered(void *data, struct holdfast_result *result)
{
    struct posting *posting = data;
    struct app *app = posting->app;

    if (posting->state == POSTING_FREE || app->quit) {
        holdfast_result_free(&result);
        return;
    }
    if (result->status == HOLDFAST_OPERATION_ID_EXPIRED && posting->derived) {
        /* Of a list that is too old. This attempt was certainly not run, and no settle can say
         * more: what an earlier one did, the history tells. */
        struct holdfast_result late = *result;
        late.kind = HOLDFAST_KIND_REFUSED;
        certain(posting, &late);
    } else if (result->kind == HOLDFAST_KIND_UNKNOWN) {
        posting->state = POSTING_UNKNOWN;
        posting->settle_due_us = app->now_us + SETTLE_EVERY_US / 4;
        tell(posting, result);
    } else {
        certain(posting, result);
    }
    holdfast_result_free(&result);
}

/* Where the id has to be asked about: elsewhere a settle would write voids for nothing. */
static int32_t partition_of(struct app *app, const struct holdfast_operation *operation)
{
    uint8_t id[RESERVATION_ID_BYTES];
    const char *sku = operation->sku              ? operation->sku
                      : operation->line_count > 0 ? operation->lines[0].sku
                                                  : NULL;
    const Hf__BrokerState *state = NULL;

    for (size_t i = 0; i < app->config.broker_count && !state; i++)
        state = broker_watch_state(app->watch, i);
    if (operation->reservation)
        return reservation_id_parse(operation->reservation, strlen(operation->reservation), id)
                   ? (int32_t)reservation_id_partition(id)
                   : HOLDFAST_ALL_PARTITIONS;
    if (!state || state->partitions == 0 || !sku)
        return HOLDFAST_ALL_PARTITIONS;
    return (int32_t)partition_of_sku(sku, strlen(sku), state->partitions);
}

struct posting *post_send(struct app *app, struct holdfast_operation *operation, const char *what,
                          void (*done)(struct app *, const struct posting *,
                                       const struct holdfast_result *))
{
    struct posting *posting = NULL;
    char error[256];

    for (size_t i = 0; i < POSTINGS_MAX && !posting; i++) {
        if (app->postings[i].state == POSTING_FREE)
            posting = &app->postings[i];
    }
    if (!posting) {
        app_say(app, STYLE_BAD, "ERR the outcome of %d postings is not known yet: wait for them",
                POSTINGS_MAX);
        return NULL;
    }
    *posting = (struct posting){.state = POSTING_SENT,
                                .app = app,
                                .done = done,
                                .serial = ++app->posting_serial,
                                .partition = partition_of(app, operation)};
    if (operation->operation_id) { /* not made by chance: it may have been sent before */
        snprintf(posting->id, sizeof posting->id, "%s", operation->operation_id);
        if (!operation->id_time_us)
            operation->id_time_us = app->wall_us;
        if (operation->kind == HOLDFAST_UNDO)
            posting->partition = operation->partition;
        posting->derived = true;
    } else {
        holdfast_new_operation_id(posting->id);
    }
    operation->attempt = operation->operation_id ? 2 : 1;
    snprintf(posting->what, sizeof posting->what, "%s", what);
    operation->operation_id = posting->id;
    operation->actor = app->actor;
    if (!holdfast_submit(app->writes, operation, answered, posting, error, sizeof error)) {
        posting->state = POSTING_FREE;
        app->bell = true;
        app_say(app, STYLE_BAD, "ERR not sent: %s", error);
        return NULL;
    }
    return posting;
}

static void settled(void *data, struct holdfast_result *result)
{
    struct posting *posting = data;
    struct app *app = posting->app;

    posting->settling = false;
    posting->settle_due_us = app->now_us + SETTLE_EVERY_US;
    if (posting->state == POSTING_UNKNOWN && result->kind == HOLDFAST_KIND_APPLIED &&
        result->settle == HOLDFAST_SETTLE_APPLIED && result->settled && !app->quit) {
        certain(posting, result->settled);
    } else if (posting->state == POSTING_UNKNOWN && result->kind == HOLDFAST_KIND_APPLIED &&
               result->settle == HOLDFAST_SETTLE_VOID && !app->quit) {
        struct holdfast_result none = {.status = HOLDFAST_UNAVAILABLE,
                                       .kind = HOLDFAST_KIND_SHED,
                                       .field = "",
                                       .message = "it never arrived, and never will",
                                       .settle = HOLDFAST_SETTLE_VOID};
        certain(posting, &none);
    }
    holdfast_result_free(&result);
}

void post_tick(struct app *app)
{
    for (size_t i = 0; i < POSTINGS_MAX; i++) {
        struct posting *posting = &app->postings[i];
        if (posting->state != POSTING_UNKNOWN || posting->settling ||
            app->now_us < posting->settle_due_us)
            continue;
        struct holdfast_operation settle = {.kind = HOLDFAST_SETTLE,
                                            .settles = posting->id,
                                            .partition = posting->partition,
                                            .actor = app->actor};
        posting->settling = holdfast_submit(app->writes, &settle, settled, posting, NULL, 0);
        posting->settle_due_us = app->now_us + SETTLE_EVERY_US;
    }
}

size_t post_unknown(const struct app *app)
{
    size_t count = 0;
    for (size_t i = 0; i < POSTINGS_MAX; i++)
        count += app->postings[i].state == POSTING_UNKNOWN;
    return count;
}

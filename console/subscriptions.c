/* SPDX-License-Identifier: MIT
 *
 * See subscriptions.h. A question is a session of its own with a relay, page by page; a list takes
 * the place of the one before when it is whole.
 */
#include "console/subscriptions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/holdfast_events.h"

#define PAGE 200
#define EVERY_US 30000000    /* a relay reads its database for each list */
#define LOOKED_AT_US 3000000 /* while Operations shows them, or none answers */
#define SILENT_US 3000000    /* then it is said */
#define ANSWER_MS 2000
#define IDLE_MS 1000

struct gathered {
    struct subscription_row *rows;
    size_t count;
};

struct subscriptions {
    struct holdfast_subscription *question; /* on its way, or NULL */
    struct gathered told, coming;
    bool known;
    int64_t asked_at_us, failing_since_us; /* 0: never, it does not fail */
    char fault[200];
};

struct subscriptions *subscriptions_new(void)
{
    return calloc(1, sizeof(struct subscriptions));
}

void subscriptions_destroy(struct subscriptions **subscriptions)
{
    struct subscriptions *s = *subscriptions;

    *subscriptions = NULL;
    if (!s)
        return;
    holdfast_unsubscribe(&s->question);
    free(s->told.rows);
    free(s->coming.rows);
    free(s);
}

static void failed(struct app *app, const char *why)
{
    struct subscriptions *s = app->subscriptions;

    if (!s->failing_since_us)
        s->failing_since_us = app->now_us;
    snprintf(s->fault, sizeof s->fault, "%s", why);
    s->coming.count = 0;
}

static void ask(struct app *app)
{
    struct subscriptions *s = app->subscriptions;
    const char *after = s->coming.count ? s->coming.rows[s->coming.count - 1].name : NULL;
    char error[sizeof s->fault];
    struct holdfast_options options = {.size = sizeof options,
                                       .cluster_file = app->config.path,
                                       .actor = app->actor,
                                       .timeout_ms = ANSWER_MS};

    s->asked_at_us = app->now_us;
    s->question =
        holdfast_subscription_list_begin(&options, after, NULL, PAGE, error, sizeof error);
    if (!s->question)
        failed(app, error);
}

/* False without memory. */
static bool gather(struct gathered *to, const struct holdfast_subscription_list *list)
{
    struct subscription_row *rows =
        realloc(to->rows, (to->count + list->count + 1) * sizeof *to->rows);

    if (!rows)
        return false;
    to->rows = rows;
    for (size_t i = 0; i < list->count && to->count < SUBSCRIPTIONS_MAX; i++) {
        const struct holdfast_subscription_state *from = &list->subscriptions[i];
        struct subscription_row *row = &rows[to->count++];
        *row = (struct subscription_row){.consumed = from->relay[0] != '\0',
                                         .behind = from->behind,
                                         .partitions = from->partitions,
                                         .pruned = from->pruned,
                                         .lost = from->lost};
        snprintf(row->name, sizeof row->name, "%s", from->name);
    }
    return true;
}

static void take(struct app *app, const struct holdfast_subscription_list *list)
{
    struct subscriptions *s = app->subscriptions;

    if (list->status != HOLDFAST_APPLIED || !gather(&s->coming, list)) {
        failed(app, list->message);
        return;
    }
    s->failing_since_us = 0;
    if (list->more && list->count > 0 && s->coming.count < SUBSCRIPTIONS_MAX) {
        ask(app);
        return;
    }
    struct gathered before = s->told;
    s->told = s->coming;
    s->coming = before;
    s->coming.count = 0;
    s->known = true;
    app->dirty = true;
}

void subscriptions_tick(struct app *app)
{
    struct subscriptions *s = app->subscriptions;
    bool often = app->view == VIEW_OPERATIONS || s->failing_since_us;
    int64_t every_us = often ? LOOKED_AT_US : EVERY_US;

    if (app->config.relay_count == 0 || !app->link.answered_at_us) /* the first rows come first */
        return;
    if (!s->question && (!s->asked_at_us || app->now_us - s->asked_at_us >= every_us))
        ask(app);
    if (!s->question)
        return;
    holdfast_subscription_process(s->question);
    struct holdfast_subscription_list *list = holdfast_subscription_list_take(&s->question);
    if (list) {
        take(app, list);
        holdfast_subscription_list_free(&list);
    }
    if (subscriptions_fault(app))
        app->dirty = true;
}

int subscriptions_fd(const struct app *app)
{
    const struct holdfast_subscription *question = app->subscriptions->question;
    return question ? holdfast_subscription_fd(question) : -1;
}

int subscriptions_wait_ms(const struct app *app)
{
    const struct holdfast_subscription *question = app->subscriptions->question;
    return question ? holdfast_subscription_deadline_ms(question) : IDLE_MS;
}

const struct subscription_row *subscriptions_list(const struct app *app, size_t *count, bool *known)
{
    const struct subscriptions *s = app->subscriptions;

    *count = s->told.count;
    *known = s->known;
    return s->told.rows;
}

const char *subscriptions_fault(const struct app *app)
{
    const struct subscriptions *s = app->subscriptions;

    return s->failing_since_us && app->now_us - s->failing_since_us > SILENT_US ? s->fault : NULL;
}

/* SPDX-License-Identifier: MIT
 *
 * See trouble.h.
 */
#include "console/trouble.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "console/app.h"
#include "console/brokers.h"
#include "console/subscriptions.h"
#include "console/text.h"

#define SILENT_MS 3000         /* three heartbeats of a worker */
#define GONE_US 4000000        /* a broker tells of its workers every second */
#define GONE_MOST_US 600000000 /* then somebody has taken it away for good */
#define STUCK_MS 5000          /* longer than any batch takes */
#define HALTED_TOLD 3
#define AUDIT_LATE_S 10 /* beyond twice its interval */

struct troubles {
    struct trouble *list;
    size_t count;
};

static void add(struct troubles *all, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(struct troubles *all, enum style style, const char *format, ...)
{
    va_list args;

    if (all->count == TROUBLES_MAX)
        return;
    size_t at = all->count++;
    if (style == STYLE_BAD) { /* before what only needs a look */
        while (at > 0 && all->list[at - 1].style != STYLE_BAD)
            at--;
        memmove(&all->list[at + 1], &all->list[at], (all->count - 1 - at) * sizeof *all->list);
    }
    all->list[at].style = style;
    va_start(args, format);
    vsnprintf(all->list[at].text, sizeof all->list[at].text, format, args);
    va_end(args);
}

/* ------------------------------------------------------------- brokers */

static void of_partitions(struct troubles *all, const Hf__BrokerState *state)
{
    const Hf__PartitionState *oldest = NULL;
    size_t stuck = 0, suspects = 0;

    for (size_t i = 0; i < state->n_partition_states; i++) {
        const Hf__PartitionState *p = state->partition_states[i];
        suspects += p->suspects > 0;
        if (p->oldest_ms < STUCK_MS)
            continue;
        stuck++;
        if (!oldest || p->oldest_ms > oldest->oldest_ms)
            oldest = p;
    }
    if (state->partitions_served < state->partitions)
        add(all, STYLE_BAD, "%u of %u partitions are served by nobody: their stock cannot change",
            state->partitions - state->partitions_served, state->partitions);
    if (oldest)
        add(all, STYLE_BAD, "%zu partition%s stuck: partition %u waits %u s", stuck,
            stuck == 1 ? " is" : "s are", oldest->partition, oldest->oldest_ms / 1000);
    if (suspects)
        add(all, STYLE_WARN, "%zu partition%s tried again after a worker died", suspects,
            suspects == 1 ? " is" : "s are");
}

static void of_workers(const struct app *app, struct troubles *all, const Hf__BrokerState *state,
                       size_t broker)
{
    for (size_t i = 0; i < SEEN_WORKERS; i++) {
        const struct seen_worker *w = &brokers_workers(app)[i];
        int64_t gone_us = app->now_us - w->heard_us;
        if (w->heard_us && w->broker == broker && gone_us > GONE_US && gone_us < GONE_MOST_US)
            add(all, STYLE_WARN, "worker %s of shard %s is gone for %lld s", w->name, w->shard,
                (long long)gone_us / 1000000);
    }
    for (size_t i = 0; i < state->n_workers; i++) {
        const Hf__WorkerState *w = state->workers[i];
        if (w->trouble.len > 0)
            add(all, STYLE_BAD, "worker %.*s: %.*s", (int)w->name.len, (char *)w->name.data,
                (int)w->trouble.len, (char *)w->trouble.data);
        if (w->silent_ms >= SILENT_MS)
            add(all, STYLE_BAD, "worker %.*s is silent for %u s", (int)w->name.len,
                (char *)w->name.data, w->silent_ms / 1000);
    }
}

/* Of the last minute: what was shed yesterday is no trouble now. */
static void of_sheds(const struct app *app, struct troubles *all, const Hf__BrokerState *state,
                     size_t i)
{
    const struct series *shed = &brokers_samples(app, i)->shed;
    const struct series *poison = &brokers_samples(app, i)->poison;
    int64_t first = -1, before = -1;

    for (size_t s = 0; s < SAMPLES; s++) {
        if (first < 0)
            first = shed->samples[s];
        if (before < 0)
            before = poison->samples[s];
    }
    int64_t last = shed->samples[SAMPLES - 1], now = poison->samples[SAMPLES - 1];
    if (first >= 0 && last > first)
        add(all, STYLE_WARN, "broker %.*s refused %lld operations for load in the last minute",
            (int)state->broker.len, (char *)state->broker.data, (long long)(last - first));
    if (before >= 0 && now > before)
        add(all, STYLE_BAD, "%lld operations were set aside as poison: they killed their worker",
            (long long)(now - before));
}

static void of_broker(const struct app *app, struct troubles *all, size_t i)
{
    const Hf__BrokerState *state = broker_watch_state(app->watch, i);

    if (!state) {
        if (app->link.answered_at_us && app->now_us - app->opened_us > 5000000)
            add(all, STYLE_BAD, "broker %zu: never heard of", i + 1);
        return;
    }
    if (!link_broker_ok(app, i)) {
        add(all, STYLE_BAD, "broker %.*s is silent for %lld s", (int)state->broker.len,
            (char *)state->broker.data,
            (long long)(app->now_us - app->link.brokers_heard_us[i]) / 1000000);
        return;
    }
    of_partitions(all, state);
    of_workers(app, all, state, i);
    of_sheds(app, all, state, i);
}

/* ------------------------------------------------------------- audits */

const Hf__AuditReport *trouble_audit(const struct app *app, const Hf__BrokerState **teller)
{
    const Hf__AuditReport *newest = NULL;

    for (size_t i = 0; i < app->config.broker_count; i++) {
        const Hf__BrokerState *state = broker_watch_state(app->watch, i);
        if (state && state->audit && (!newest || state->audit->told_at_us > newest->told_at_us)) {
            newest = state->audit;
            *teller = state;
        }
    }
    return newest;
}

bool trouble_audit_late(const Hf__AuditReport *audit, const Hf__BrokerState *teller)
{
    int64_t age_s = (teller->clock_us - audit->told_at_us) / 1000000;
    return audit->every_ms > 0 &&
           age_s > 2 * ((int64_t)audit->every_ms + audit->took_ms) / 1000 + AUDIT_LATE_S;
}

static void of_audit(const struct app *app, struct troubles *all)
{
    const Hf__BrokerState *teller = NULL;
    const Hf__AuditReport *a = trouble_audit(app, &teller);

    if (!a)
        return;
    if (a->differences > 0) {
        const Hf__Difference *d = a->n_first ? a->first[0] : NULL;
        add(all, STYLE_BAD, "an audit found %u difference%s: %s %.*s", a->differences,
            a->differences == 1 ? "" : "s", d ? d->check : "", d ? (int)d->sku.len : 0,
            d && d->sku.len ? (char *)d->sku.data : "");
    }
    if (trouble_audit_late(a, teller)) {
        long long age_s = (teller->clock_us - a->told_at_us) / 1000000;
        bool minutes = age_s >= 120;
        add(all, STYLE_WARN, "the audit that repeats itself has told nothing for %lld %s",
            minutes ? age_s / 60 : age_s, minutes ? "min" : "s");
    }
}

/* ------------------------------------------------------------- subscriptions */

static void of_subscriptions(const struct app *app, struct troubles *all)
{
    size_t count, more = 0, told = 0;
    bool known;
    const struct subscription_row *rows = subscriptions_list(app, &count, &known);
    const char *fault = subscriptions_fault(app);

    for (size_t i = 0; i < count; i++) {
        const struct subscription_row *r = &rows[i];
        if (r->pruned + r->lost == 0)
            continue;
        if (++told > HALTED_TOLD)
            more++;
        else
            add(all, STYLE_BAD,
                "subscription %s is HALTED in %u of %u partitions (%s): its reader "
                "has to resume",
                r->name, r->pruned + r->lost, r->partitions,
                r->lost ? "a database has lost what was given" : "it is behind the retention");
    }
    if (more)
        add(all, STYLE_BAD, "%zu subscriptions more are HALTED: holdfast subscription list", more);
    if (fault)
        add(all, STYLE_BAD, "subscribers get no events: %s", fault);
}

/* ------------------------------------------------------------- stock, and the view */

static void of_stock(const struct app *app, struct troubles *all)
{
    const struct stock_sums *sums = &app->sums;

    if (sums->known && sums->shortfall > 0)
        add(all, STYLE_WARN,
            "%llu pieces more are promised than there are: sort Stock by SHORTFALL",
            (unsigned long long)sums->shortfall);
    if (app->link.unknown_partitions)
        add(all, STYLE_BAD, "the view does not know %u of %u partitions",
            app->link.unknown_partitions, app->link.partitions);
}

void trouble_stock(const struct app *app, char *text, size_t bytes)
{
    const struct stock_sums *sums = &app->sums;
    char out[TEXT_NUMBER], below[TEXT_NUMBER], shortfall[TEXT_NUMBER];

    if (!sums->known)
        snprintf(text, bytes, "stock: asking ...");
    else
        snprintf(text, bytes, "stock: %s levels are out, %s below safety stock, %s pieces short",
                 text_number((int64_t)sums->out_of_stock, out),
                 text_number((int64_t)sums->below_safety, below),
                 text_number((int64_t)sums->shortfall, shortfall));
}

size_t trouble_list(const struct app *app, struct trouble list[TROUBLES_MAX])
{
    struct troubles all = {.list = list};

    for (size_t i = 0; i < app->config.broker_count; i++)
        of_broker(app, &all, i);
    of_audit(app, &all);
    of_subscriptions(app, &all);
    of_stock(app, &all);
    return all.count;
}

/* SPDX-License-Identifier: MIT
 *
 * Operations: trouble before anybody calls. Brokers with queue depth and rate of the last minute,
 * the partitions that are worst off, workers with their credit, sheds by cause, clients, what came
 * out of the last audit, and the view that answers. All of it is what brokers and the view say.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/app.h"
#include "console/brokers.h"
#include "console/list.h"
#include "console/subscriptions.h"
#include "console/text.h"
#include "console/trouble.h"

#define STATUS_EVERY_US 2000000
#define SHOWN_OF_KIND 8
#define GRAPH_AT 64   /* where the graphs behind lines begin, */
#define GRAPH_LEAST 8 /* and the fewest samples that make one */

struct operations {
    struct holdfast_view_answer *status;
    struct poll poll;
    int top, lines;
};

static void release(void *state)
{
    struct operations *s = state;
    if (s->status)
        holdfast_view_answer_free(&s->status);
}

static struct operations *mine(struct app *app)
{
    return app->states[VIEW_OPERATIONS];
}

static void take_status(struct app *app, struct holdfast_view_answer **answer)
{
    keep_view(&mine(app)->status, answer);
}

static void tick(struct app *app, int64_t now_us)
{
    struct holdfast_view_query query = {.kind = HOLDFAST_VIEW_STATUS,
                                        .consistency = HOLDFAST_READ_ANY};
    (void)now_us;
    poll_view(app, &mine(app)->poll, &query, STATUS_EVERY_US, take_status);
}

/* ------------------------------------------------------------- drawing */

struct page {
    struct canvas *c;
    int row, rows, top, lines;
    int words; /* cells of a row that are for words */
};

/* Beside graphs, where there is room for these, or all of the row. */
static void set_words(struct page *page, bool graphs)
{
    bool room = page->c->columns >= GRAPH_AT + GRAPH_LEAST;
    page->words = graphs && room ? GRAPH_AT - 1 : page->c->columns;
}

/* The row of the next line, or -1 when it is scrolled away. */
static int next_row(struct page *page)
{
    int row = page->row + page->lines - page->top;
    page->lines++;
    return row >= page->row && row < page->row + page->rows ? row : -1;
}

/* Words are never cut, as the end may be what matters: the rest goes on in the next row. Returns
 * the first row, or -1. */
static int line(struct page *page, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int line(struct page *page, enum style style, const char *format, ...)
{
    char words[768];
    const char *left = words;
    int at = 0, first = -1, columns = page->words;
    va_list args;

    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    int indent = (int)strspn(words, " ");
    for (int i = 0; i == 0 || *left; i++) {
        size_t bytes = text_fit_words(left, columns - at);
        int row = next_row(page);
        first = i == 0 ? row : first;
        if (i == 0 && bytes <= (size_t)indent)
            bytes = text_fit(left, (size_t)columns);
        bytes = bytes ? bytes : strlen(left); /* no room for a character */
        if (row >= 0) {
            char part[768];
            snprintf(part, sizeof part, "%.*s", (int)bytes, left);
            canvas_fill(page->c, row, 0, page->c->columns, style);
            canvas_text(page->c, row, at, columns - at, style, part);
        }
        left += bytes;
        left += strspn(left, " ");
        at = indent + 2 < columns / 2 ? indent + 2 : 0;
    }
    return first;
}

/* The last minute, or what of it fits: behind the words of a line, one below the other. place 0 is
 * the first; on a narrow screen there is none. */
static void spark(struct page *page, int row, int place, const struct series *series)
{
    char text[SAMPLES * 4 + 1];
    int begin = GRAPH_AT, room = page->c->columns - begin, width = room;

    if (room > 2 * GRAPH_LEAST + 1)
        width = (room - 1) / 2;
    else if (place > 0)
        return;
    width = width < SAMPLES ? width : SAMPLES;
    begin += place * (width + 1);
    if (row < 0 || !series || width < GRAPH_LEAST)
        return;
    text_sparkline(series->samples + SAMPLES - width, (size_t)width, page->c->ascii, text,
                   sizeof text);
    canvas_fill(page->c, row, begin - 1, width + 1, STYLE_NORMAL);
    canvas_text(page->c, row, begin, width, STYLE_GOOD, text);
}

static void graph(struct page *page, const char *name, const struct series *series)
{
    int row = next_row(page), width = page->c->columns - 26;
    char text[SAMPLES * 4 + 1], now[TEXT_NUMBER], high[TEXT_NUMBER];
    int64_t most = -1, last = series->samples[SAMPLES - 1];
    size_t count = width < SAMPLES ? (width > 0 ? (size_t)width : 0) : SAMPLES;

    if (row < 0)
        return;
    for (size_t i = SAMPLES - count; i < SAMPLES; i++)
        most = series->samples[i] > most ? series->samples[i] : most;
    text_sparkline(series->samples + SAMPLES - count, count, page->c->ascii, text, sizeof text);
    canvas_format(page->c, row, 3, 23, STYLE_NORMAL, "%-6s %7s", name,
                  last < 0 ? "?" : text_number(last, now));
    if (width > 10) {
        canvas_text(page->c, row, 18, (int)count, STYLE_GOOD, text);
        canvas_format(page->c, row, 19 + (int)count, page->c->columns - 19 - (int)count, STYLE_DIM,
                      "max %s", most < 0 ? "?" : text_number(most, high));
    }
}

static int worse(const void *a, const void *b)
{
    const Hf__PartitionState *p = *(const Hf__PartitionState *const *)a;
    const Hf__PartitionState *q = *(const Hf__PartitionState *const *)b;
    int unserved = (q->worker.len == 0) - (p->worker.len == 0);
    if (unserved)
        return unserved;
    return p->oldest_ms < q->oldest_ms ? 1 : p->oldest_ms > q->oldest_ms ? -1 : 0;
}

static void draw_partitions(struct app *app, struct page *page, const Hf__BrokerState *state,
                            size_t broker)
{
    Hf__PartitionState *sorted[256];
    size_t count = state->n_partition_states < 256 ? state->n_partition_states : 256;

    if (count == 0)
        return;
    memcpy(sorted, state->partition_states, count * sizeof sorted[0]);
    qsort(sorted, count, sizeof sorted[0], worse);
    for (size_t i = 0; i < count && i < SHOWN_OF_KIND; i++) {
        const Hf__PartitionState *p = sorted[i];
        const struct series *depth = NULL, *oldest = NULL;
        int row;
        if (p->worker.len == 0)
            row = line(page, STYLE_BAD, "   partition %u: NOBODY SERVES IT, %u wait", p->partition,
                       p->queued);
        else
            row = line(page, p->oldest_ms > 1000 || p->suspects ? STYLE_WARN : STYLE_NORMAL,
                       "   partition %u: %u queued, %u in flight, oldest %u.%us%s at %.*s",
                       p->partition, p->queued, p->in_flight, p->oldest_ms / 1000,
                       p->oldest_ms / 100 % 10, p->suspects ? ", SUSPECTS!" : "",
                       (int)p->worker.len, (char *)p->worker.data);
        if (brokers_partition(app, broker, p->partition, &depth, &oldest)) {
            spark(page, row, 0, depth);
            spark(page, row, 1, oldest);
        }
    }
    if (state->n_partition_states > SHOWN_OF_KIND)
        line(page, STYLE_DIM, "   and %zu partitions more with work in them",
             state->n_partition_states - SHOWN_OF_KIND);
}

/* A shard whose workers are all gone is not told of any more: it is remembered. */
static void draw_shards(struct app *app, struct page *page, const Hf__BrokerState *state,
                        size_t broker)
{
    const struct seen_worker *seen = brokers_workers(app);

    for (size_t i = 0; i < SEEN_WORKERS; i++) {
        uint32_t workers = 0, partitions = 0, in_flight = 0;
        bool told = !seen[i].heard_us || seen[i].broker != broker;
        for (size_t j = 0; j < i && !told; j++)
            told = seen[j].heard_us && seen[j].broker == broker &&
                   strcmp(seen[j].shard, seen[i].shard) == 0;
        if (told)
            continue;
        for (size_t j = 0; j < state->n_workers; j++) {
            const Hf__WorkerState *w = state->workers[j];
            if (w->shard.len != strlen(seen[i].shard) ||
                memcmp(w->shard.data, seen[i].shard, w->shard.len) != 0)
                continue;
            workers++;
            partitions += w->partitions;
            in_flight += w->in_flight;
        }
        line(page, partitions ? STYLE_NORMAL : STYLE_BAD,
             "   shard %s: %u partitions, %u workers, in flight %u%s", seen[i].shard, partitions,
             workers, in_flight, partitions ? "" : ": NOBODY SERVES IT");
    }
}

static void draw_workers(struct app *app, struct page *page, const Hf__BrokerState *state,
                         size_t broker)
{
    for (size_t i = 0; i < state->n_workers; i++) {
        const Hf__WorkerState *w = state->workers[i];
        bool silent = w->silent_ms >= 3000;
        int row = line(page,
                       silent           ? STYLE_BAD
                       : w->credit == 0 ? STYLE_WARN
                                        : STYLE_NORMAL,
                       "   worker %.*s shard %.*s: %u partitions, credit %llu%s, in flight %u%s",
                       (int)w->name.len, (char *)w->name.data, (int)w->shard.len,
                       (char *)w->shard.data, w->partitions, (unsigned long long)w->credit,
                       w->credit == 0 ? "!" : "", w->in_flight, silent ? ", SILENT" : "");
        spark(page, row, 0, brokers_credit(app, broker, w));
    }
}

static void draw_sheds(struct page *page, const Hf__BrokerState *state)
{
    char text[300] = "";
    for (size_t i = 0; i < state->n_sheds; i++) {
        if (state->sheds[i]->count)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s %llu  ",
                     holdfast_status_name((int)state->sheds[i]->status),
                     (unsigned long long)state->sheds[i]->count);
    }
    if (text[0])
        line(page, STYLE_WARN, "   shed since its start: %s", text);
    if (state->requeued || state->poisoned)
        line(page, state->poisoned ? STYLE_BAD : STYLE_NORMAL,
             "   queued again after a worker died: %llu, poison: %llu",
             (unsigned long long)state->requeued, (unsigned long long)state->poisoned);
}

static void draw_broker(struct app *app, struct page *page, size_t i)
{
    const Hf__BrokerState *state = broker_watch_state(app->watch, i);
    char operations[TEXT_NUMBER], results[TEXT_NUMBER];

    if (!state) {
        line(page, STYLE_WARN, " broker %zu: not heard of yet", i + 1);
        return;
    }
    if (!link_broker_ok(app, i)) {
        line(page, STYLE_BAD, " broker %.*s: SILENT for %llds, what follows is old",
             (int)state->broker.len, (char *)state->broker.data,
             (long long)(app->now_us - app->link.brokers_heard_us[i]) / 1000000);
    } else {
        line(page, STYLE_STRONG, " broker %.*s: serves %u of %u partitions, %u clients",
             (int)state->broker.len, (char *)state->broker.data, state->partitions_served,
             state->partitions, state->client_count);
    }
    graph(page, "depth", &brokers_samples(app, i)->depth);
    graph(page, "age ms", &brokers_samples(app, i)->oldest_ms);
    graph(page, "ops/s", &brokers_samples(app, i)->rate);
    line(page, STYLE_NORMAL, "   operations %s, results %s",
         text_number((int64_t)state->operations, operations),
         text_number((int64_t)state->results, results));
    set_words(page, true);
    draw_partitions(app, page, state, i);
    set_words(page, false);
    draw_shards(app, page, state, i);
    set_words(page, true);
    draw_workers(app, page, state, i);
    set_words(page, false);
    draw_sheds(page, state);
    for (size_t j = 0; j < state->n_clients && j < SHOWN_OF_KIND; j++) {
        const Hf__ClientState *client = state->clients[j];
        if (client->in_flight || client->shed)
            line(page, STYLE_NORMAL, "   client %.*s: %u of %u in flight, %llu shed",
                 (int)client->name.len, (char *)client->name.data, client->in_flight,
                 client->window, (unsigned long long)client->shed);
    }
}

static void draw_view(struct app *app, struct page *page)
{
    const struct holdfast_view_answer *a = mine(app)->status;
    const struct holdfast_view_status *v = a ? a->view_status : NULL;
    char levels[TEXT_NUMBER], held[TEXT_NUMBER], queries[TEXT_NUMBER];

    if (!v) {
        line(page, a ? STYLE_BAD : STYLE_DIM, " view: %s", a ? "NONE ANSWERS" : "asking ...");
        return;
    }
    line(page, link_reads(app) ? STYLE_STRONG : STYLE_BAD,
         " view %s%s: %s levels, %s open reservations, %llu MB", v->name,
         link_reads(app) ? "" : " (OFFLINE)", text_number((int64_t)v->levels, levels),
         text_number((int64_t)v->reservations, held),
         (unsigned long long)(v->memory_bytes / 1048576));
    line(page, STYLE_NORMAL, "   lag %lld.%llds, queries %s, gaps filled %llu, snapshots %llu",
         (long long)a->age_us / 1000000, (long long)a->age_us / 100000 % 10,
         text_number((int64_t)v->queries, queries), (unsigned long long)v->repairs,
         (unsigned long long)v->snapshots);
    if (v->history_lost)
        line(page, STYLE_BAD, "   HISTORY LOST %llu times: a database had lost what was told",
             (unsigned long long)v->history_lost);
}

/* Those that are halted first, then those that are furthest behind. */
static int compare_subscriptions(const void *a, const void *b)
{
    const struct subscription_row *x = *(const struct subscription_row *const *)a;
    const struct subscription_row *y = *(const struct subscription_row *const *)b;
    bool halted = x->pruned + x->lost > 0, other = y->pruned + y->lost > 0;

    if (halted != other)
        return halted ? -1 : 1;
    if (x->behind != y->behind)
        return x->behind < y->behind ? 1 : -1;
    return strcmp(x->name, y->name);
}

static void draw_subscription(struct page *page, const struct subscription_row *r)
{
    char halted[64] = "", behind[TEXT_NUMBER];

    if (r->pruned + r->lost > 0)
        snprintf(halted, sizeof halted, ", HALTED in %u of %u partitions", r->pruned + r->lost,
                 r->partitions);
    line(page, halted[0] ? STYLE_BAD : STYLE_NORMAL, "   subscription %s: %s behind%s%s", r->name,
         text_number((int64_t)r->behind, behind), halted, r->consumed ? "" : ", nobody reads it");
}

static void draw_subscriptions(struct app *app, struct page *page)
{
    const struct subscription_row *sorted[SUBSCRIPTIONS_MAX];
    const char *fault = subscriptions_fault(app);
    size_t count;
    bool known;
    const struct subscription_row *rows = subscriptions_list(app, &count, &known);

    if (app->config.relay_count == 0)
        return;
    if (!known || fault) {
        line(page, fault ? STYLE_BAD : STYLE_DIM, " relays: %s", fault ? fault : "asking ...");
        return;
    }
    line(page, STYLE_STRONG, " relays: %zu subscription%s", count, count == 1 ? "" : "s");
    size_t most = count < SUBSCRIPTIONS_MAX ? count : SUBSCRIPTIONS_MAX;
    for (size_t i = 0; i < most; i++)
        sorted[i] = &rows[i];
    qsort(sorted, most, sizeof sorted[0], compare_subscriptions);
    for (size_t i = 0; i < most && i < SHOWN_OF_KIND; i++)
        draw_subscription(page, sorted[i]);
    if (count > SHOWN_OF_KIND)
        line(page, STYLE_DIM, "   and %zu more: holdfast subscription list", count - SHOWN_OF_KIND);
}

static void draw_difference(struct page *page, const Hf__Difference *d)
{
    line(page, STYLE_BAD, "   %s%s%.*s: %.*s%s%.*s%s%.*s partition %u: %s", d->check,
         d->view.len ? " of view " : "", (int)d->view.len, (char *)d->view.data, (int)d->sku.len,
         (char *)d->sku.data, d->warehouse.len ? "@" : "", (int)d->warehouse.len,
         (char *)d->warehouse.data, d->reservation.len ? " " : "", (int)d->reservation.len,
         (char *)d->reservation.data, d->partition, d->message);
}

static void draw_audit(struct app *app, struct page *page)
{
    const Hf__BrokerState *teller = NULL;
    const Hf__AuditReport *audit = trouble_audit(app, &teller);
    char differences[64] = "no differences";

    if (!audit) {
        line(page, STYLE_DIM, " no audit was told of: holdfast audit --watch goes on by itself");
        return;
    }
    int64_t age_s = (teller->clock_us - audit->told_at_us) / 1000000;
    bool late = trouble_audit_late(audit, teller);
    bool whole =
        audit->partitions_checked == audit->partitions && audit->views_compared == audit->views;
    if (audit->differences)
        snprintf(differences, sizeof differences, "%u DIFFERENCES", audit->differences);
    line(page,
         audit->differences ? STYLE_BAD
         : late || !whole   ? STYLE_WARN
                            : STYLE_STRONG,
         " audit %llds ago: %s, %u of %u partitions, %u of %u views%s",
         (long long)(age_s > 0 ? age_s : 0), differences, audit->partitions_checked,
         audit->partitions, audit->views_compared, audit->views, late ? "; NOT REPEATED" : "");
    for (size_t i = 0; i < audit->n_first; i++)
        draw_difference(page, audit->first[i]);
}

static void draw_troubles(struct app *app, struct page *page)
{
    struct trouble list[TROUBLES_MAX];
    size_t count = trouble_list(app, list);
    char text[256];

    for (size_t i = 0; i < count; i++)
        line(page, list[i].style, " ! %s", list[i].text);
    trouble_stock(app, text, sizeof text);
    line(page, STYLE_NORMAL, " %s", text);
}

static void draw(struct app *app, struct canvas *c, struct area area)
{
    struct operations *s = mine(app);
    struct page page = {
        .c = c, .row = area.row, .rows = area.rows, .top = s->top, .words = c->columns};

    draw_troubles(app, &page);
    draw_view(app, &page);
    draw_audit(app, &page);
    draw_subscriptions(app, &page);
    for (size_t i = 0; i < app->config.broker_count; i++)
        draw_broker(app, &page, i);
    s->lines = page.lines;
    if (s->top > 0 && s->top + area.rows > s->lines) {
        s->top = s->lines > area.rows ? s->lines - area.rows : 0;
        app->dirty = true;
    }
    canvas_cursor(c, area.row, 0);
}

static bool key(struct app *app, const struct key *k)
{
    struct operations *s = mine(app);
    int page = app->canvas.rows > 6 ? app->canvas.rows - 5 : 1, move = list_step(k);

    if (k->code == K_PAGE_DOWN || k->code == ' ')
        move = page;
    else if (k->code == K_PAGE_UP)
        move = -page;
    else if (k->code == K_HOME)
        move = -s->top;
    else if (!move)
        return false;
    s->top = s->top + move < 0 ? 0 : s->top + move;
    return true;
}

static void title(struct app *app, char *text, size_t bytes)
{
    struct trouble list[TROUBLES_MAX];
    size_t troubles = trouble_list(app, list);

    snprintf(text, bytes, " Operations%s", troubles ? "  TROUBLE: see below" : "");
}

const struct view view_operations = {
    .id = VIEW_OPERATIONS,
    .name = "Operations",
    .about = "brokers, queues, workers, views, load: is anything wrong",
    .state_bytes = sizeof(struct operations),
    .release = release,
    .tick = tick,
    .draw = draw,
    .title = title,
    .key = key,
};

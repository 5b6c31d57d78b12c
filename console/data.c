/* SPDX-License-Identifier: MIT
 *
 * Questions that are asked again and again, what their answers say about the connection, and
 * looking codes up. See app.h. Never waits: the client library calls back from holdfast_process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/app.h"
#include "console/brokers.h"

#define HEARD_US 3500000   /* a broker tells its state every second */
#define FAILING_US 2500000 /* reads that fail for so long mean that nobody is there */
#define RETRY_US 1000000
#define ALIVE_US 1000000
#define SUMS_EVERY_US 5000000
#define NAMES_EVERY_US 60000000
#define NAMES_MOST 1000

/* ------------------------------------------------------------- polls */

struct ask {
    struct ask *next, **link; /* in app->asks */
    struct app *app;
    struct poll *poll; /* NULL: for nobody any more */
    uint32_t generation;
    int64_t interval_us;
    view_handler *of_view;
    owner_handler *of_owner;
};

static bool due(const struct app *app, const struct poll *poll)
{
    return !poll->in_flight && app->now_us >= poll->due_us;
}

static struct ask *begin(struct app *app, struct poll *poll, int64_t interval_us)
{
    struct ask *ask = calloc(1, sizeof *ask);
    poll->due_us = app->now_us + RETRY_US; /* when it cannot even be asked */
    if (!ask)
        return NULL;
    *ask = (struct ask){.app = app,
                        .next = app->asks,
                        .link = &app->asks,
                        .poll = poll,
                        .generation = poll->generation,
                        .interval_us = interval_us};
    if (ask->next)
        ask->next->link = &ask->next;
    app->asks = ask;
    poll->in_flight = true;
    poll->asked_at_us = app->now_us;
    return ask;
}

static void end(struct ask *ask)
{
    *ask->link = ask->next;
    if (ask->next)
        ask->next->link = ask->link;
    free(ask);
}

void poll_forget(struct app *app, const struct poll *poll)
{
    for (struct ask *ask = app->asks; ask; ask = ask->next) {
        if (ask->poll == poll)
            ask->poll = NULL;
    }
}

/* True when the answer is still wanted. */
static bool finish(struct ask *ask, bool answered)
{
    struct poll *poll = ask->poll;
    struct app *app = ask->app;
    if (!poll || app->quit || poll->generation != ask->generation)
        return false;
    int64_t took = app->now_us - poll->asked_at_us, pause = ask->interval_us;
    if (!answered)
        pause = RETRY_US;
    else if (took * 20 > pause)
        pause = took * 20 < 10000000 ? took * 20 : 10000000;
    poll->in_flight = false;
    poll->due_us = app->now_us + pause;
    return true;
}

void poll_restart(struct poll *poll)
{
    poll->generation++;
    poll->in_flight = false;
    poll->due_us = 0;
}

static void note_link(struct app *app, const struct holdfast_view_answer *answer)
{
    struct link *link = &app->link;
    bool answered = answer->status == HOLDFAST_APPLIED || answer->view[0] || answer->from_owner;

    if (!answered) {
        if (!link->failing_since_us)
            link->failing_since_us = app->now_us;
        app->dirty = true;
        return;
    }
    link->failing_since_us = 0;
    link->answered_at_us = app->now_us;
    link->answered_wall_us = app->wall_us;
    link->age_us = answer->age_us;
    if (answer->partitions) {
        link->partitions = answer->partitions;
        link->unknown_partitions = answer->unknown_partitions;
    }
    snprintf(link->view, sizeof link->view, "%s", answer->view);
}

static void view_answered(void *data, struct holdfast_view_answer *answer)
{
    struct ask *ask = data;
    note_link(ask->app, answer);
    bool answered = answer->status == HOLDFAST_APPLIED || answer->view[0] || answer->from_owner;
    if (finish(ask, answered)) {
        ask->app->dirty = true;
        ask->of_view(ask->app, &answer);
    }
    if (answer)
        holdfast_view_answer_free(&answer);
    end(ask);
}

void poll_view(struct app *app, struct poll *poll, const struct holdfast_view_query *query,
               int64_t interval_us, view_handler *handler)
{
    if (!due(app, poll))
        return;
    struct ask *ask = begin(app, poll, interval_us);
    if (!ask)
        return;
    ask->of_view = handler;
    if (!holdfast_view_submit(app->reads, query, view_answered, ask, NULL, 0)) {
        poll->in_flight = false;
        end(ask);
    }
}

static void owner_answered(void *data, struct holdfast_answer *answer)
{
    struct ask *ask = data;
    if (finish(ask, answer->status == HOLDFAST_APPLIED)) {
        ask->app->dirty = true;
        ask->of_owner(ask->app, &answer);
    }
    if (answer)
        holdfast_answer_free(&answer);
    end(ask);
}

static void ask_owner(struct app *app, struct holdfast *handle, struct poll *poll,
                      const struct holdfast_query *query, int64_t interval_us,
                      owner_handler *handler)
{
    if (!due(app, poll))
        return;
    struct ask *ask = begin(app, poll, interval_us);
    if (!ask)
        return;
    ask->of_owner = handler;
    if (!holdfast_submit_query(handle, query, owner_answered, ask, NULL, 0)) {
        poll->in_flight = false;
        end(ask);
    }
}

void poll_owner(struct app *app, struct poll *poll, const struct holdfast_query *query,
                int64_t interval_us, owner_handler *handler)
{
    ask_owner(app, app->reads, poll, query, interval_us, handler);
}

void keep_view(struct holdfast_view_answer **kept, struct holdfast_view_answer **answer)
{
    if (*kept)
        holdfast_view_answer_free(kept);
    *kept = *answer;
    *answer = NULL;
}

void keep_owner(struct holdfast_answer **kept, struct holdfast_answer **answer)
{
    if (*kept)
        holdfast_answer_free(kept);
    *kept = *answer;
    *answer = NULL;
}

/* ------------------------------------------------------------- the connection */

bool link_broker_ok(const struct app *app, size_t broker)
{
    int64_t heard = app->link.brokers_heard_us[broker];
    return heard && app->now_us - heard < HEARD_US;
}

bool link_any_broker(const struct app *app)
{
    for (size_t i = 0; i < app->config.broker_count; i++) {
        if (link_broker_ok(app, i))
            return true;
    }
    return false;
}

bool link_broker_missed(const struct app *app)
{
    return !link_any_broker(app) && app->now_us - app->opened_us >= HEARD_US;
}

bool link_reads(const struct app *app)
{
    const struct link *link = &app->link;
    return link->answered_at_us &&
           (!link->failing_since_us || app->now_us - link->failing_since_us < FAILING_US);
}

int64_t link_age_us(const struct app *app)
{
    return app->link.age_us + (app->now_us - app->link.answered_at_us);
}

bool link_can_post(const struct app *app, const char **why)
{
    if (app->readonly)
        *why = "this console was started with --readonly";
    else if (!link_any_broker(app) && !link_broker_missed(app))
        *why = "asking for a broker: a moment, then F2 again";
    else if (!link_any_broker(app))
        *why = "no broker is heard: nothing can be posted now. What you typed stays";
    else
        return true;
    return false;
}

/* ------------------------------------------------------------- reasons and warehouses */

static void take_names(struct names *names, const struct holdfast_answer *answer)
{
    if (answer->status != HOLDFAST_APPLIED)
        return;
    char(*codes)[CODE_TEXT] = calloc(answer->named_count + 1, sizeof *codes);
    char(*texts)[NAME_TEXT] = calloc(answer->named_count + 1, sizeof *texts);
    if (!codes || !texts) {
        free(codes);
        free(texts);
        return;
    }
    for (size_t i = 0; i < answer->named_count; i++) {
        snprintf(codes[i], sizeof codes[i], "%s", answer->named[i].code);
        snprintf(texts[i], sizeof texts[i], "%s", answer->named[i].name);
    }
    free(names->codes);
    free(names->texts);
    *names = (struct names){codes, texts, answer->named_count, true};
}

static void take_reasons(struct app *app, struct holdfast_answer **answer)
{
    take_names(&app->reasons, *answer);
    dialog_names_came(app);
}

static void take_warehouses(struct app *app, struct holdfast_answer **answer)
{
    take_names(&app->warehouses, *answer);
    dialog_names_came(app);
}

static void take_nothing(struct app *app, struct holdfast_view_answer **answer)
{
    (void)app; /* that it was answered, and how old it is, is noted already */
    (void)answer;
}

static void take_sums(struct app *app, struct holdfast_view_answer **answer)
{
    const struct holdfast_view_answer *a = *answer;
    struct stock_sums sums = {.known = a->status == HOLDFAST_APPLIED};

    for (size_t i = 0; i < a->total_count; i++) {
        sums.out_of_stock += a->totals[i].out_of_stock;
        sums.below_safety += a->totals[i].below_safety;
        sums.shortfall += a->totals[i].shortfall;
    }
    if (sums.known)
        app->sums = sums;
}

void data_tick(struct app *app)
{
    struct holdfast_query reasons = {.kind = HOLDFAST_QUERY_REASON, .limit = NAMES_MOST};
    struct holdfast_query warehouses = {.kind = HOLDFAST_QUERY_WAREHOUSE, .limit = NAMES_MOST};
    struct holdfast_view_query alive = {
        .kind = HOLDFAST_VIEW_RESERVATIONS, .consistency = HOLDFAST_READ_ANY, .limit = 1};

    struct holdfast_view_query totals = {.kind = HOLDFAST_VIEW_TOTALS,
                                         .consistency = HOLDFAST_READ_ANY};

    brokers_tick(app);
    if (app->link.answered_at_us) /* the first rows do not wait for it */
        poll_view(app, &app->sums_poll, &totals, SUMS_EVERY_US, take_sums);
    if (app->now_us - app->link.answered_at_us > ALIVE_US) /* the view that is shown asks nothing */
        poll_view(app, &app->alive_poll, &alive, ALIVE_US, take_nothing);
    if (!link_any_broker(app))
        return;
    /* Through the handle of the writes: its session is then there before the first of them. */
    ask_owner(app, app->writes, &app->reasons_poll, &reasons, NAMES_EVERY_US, take_reasons);
    ask_owner(app, app->writes, &app->warehouses_poll, &warehouses, NAMES_EVERY_US,
              take_warehouses);
}

/* ------------------------------------------------------------- looking a code up */

struct lookup {
    struct app *app;
    char code[KEY_TEXT_BYTES];
    bool by_sku; /* no barcode: is it a sku? */
    bool orders; /* and if it is none: an order? */
    void (*found)(struct app *app, const char *sku, const char *name);
};

static void ask_lookup(struct lookup *lookup);

static void end_lookup(struct lookup *lookup)
{
    lookup->app->looking = false;
    lookup->app->urgent = true;
    free(lookup);
}

static void failed(struct lookup *lookup, const char *words)
{
    lookup->app->bell = true;
    app_say(lookup->app, STYLE_BAD, "ERR %s: %s", lookup->code, words);
    end_lookup(lookup);
}

static void order_answered(void *data, struct holdfast_answer *answer)
{
    struct lookup *lookup = data;
    if (answer->reservation_count > 0 && !lookup->app->quit) {
        orders_show(lookup->app, lookup->code);
        end_lookup(lookup);
    } else if (answer->status == HOLDFAST_APPLIED) {
        failed(lookup, "no item, barcode or order is called so");
    } else {
        failed(lookup, "no item is called so, and orders could not be looked up: try again");
    }
    holdfast_answer_free(&answer);
}

static void ask_order(struct lookup *lookup)
{
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_RESERVATION, .order = lookup->code, .limit = 1};
    char error[256];

    if (strlen(lookup->code) >= CODE_TEXT)
        failed(lookup, "no item has this code or barcode");
    else if (!holdfast_submit_query(lookup->app->reads, &query, order_answered, lookup, error,
                                    sizeof error))
        failed(lookup, error);
}

static void item_answered(void *data, struct holdfast_view_answer *answer)
{
    struct lookup *lookup = data;
    const struct holdfast_view_stock *stock = answer->stock;
    bool whole = answer->status == HOLDFAST_APPLIED && !answer->unknown_partitions;
    size_t items = 0, last = 0;

    note_link(lookup->app, answer);
    for (size_t i = 0; i < answer->stock_count; i++) {
        if (stock[i].knowledge == HOLDFAST_KNOWLEDGE_KNOWN && stock[i].exists) {
            items++;
            last = i;
        }
    }
    if (items == 1) {
        if (!lookup->app->quit)
            lookup->found(lookup->app, stock[last].sku,
                          stock[last].item ? stock[last].item->name : "");
        end_lookup(lookup);
    } else if (items > 1) {
        failed(lookup, "the barcode of several items: type the code of one");
    } else if (!whole) {
        failed(lookup, "could not be looked up now, try again");
    } else if (!lookup->by_sku) {
        lookup->by_sku = true;
        ask_lookup(lookup);
    } else if (lookup->orders) {
        ask_order(lookup);
    } else {
        failed(lookup, "no item has this code or barcode");
    }
    holdfast_view_answer_free(&answer);
}

static void ask_lookup(struct lookup *lookup)
{
    const char *key = lookup->code;
    struct holdfast_view_query query = {.kind = lookup->by_sku ? HOLDFAST_VIEW_STOCK
                                                               : HOLDFAST_VIEW_BARCODE,
                                        .consistency = HOLDFAST_READ_ANY,
                                        .keys = &key,
                                        .key_count = 1};
    char error[256];
    if (!holdfast_view_submit(lookup->app->reads, &query, item_answered, lookup, error,
                              sizeof error))
        failed(lookup, error);
}

void lookup_code(struct app *app, const char *code, bool orders,
                 void (*found)(struct app *app, const char *sku, const char *name))
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return;
    lookup->app = app;
    lookup->found = found;
    lookup->orders = orders;
    snprintf(lookup->code, sizeof lookup->code, "%s", code);
    app->looking = true;
    ask_lookup(lookup);
}

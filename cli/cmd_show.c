/* SPDX-License-Identifier: MIT
 *
 * What happened: reservation show, reservation list, order, history.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/json.h"
#include "cli/lines.h"
#include "cli/memory.h"
#include "cli/read.h"
#include "cli/report.h"
#include "cli/table.h"

#define RESERVATIONS_MAX 1000
#define LIST_DEFAULT 100
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------- reservations */

/* From a view or from the owners. */
struct found {
    struct holdfast_view_answer *read;
    struct holdfast_answer *answer;
    const struct holdfast_reservation *all;
    size_t count;
    bool more;
};

static void found_release(struct found *found)
{
    holdfast_view_answer_free(&found->read);
    holdfast_answer_free(&found->answer);
}

static int find_in_view(struct session *session, struct holdfast_view_query *query,
                        struct found *found)
{
    int code = read_consistency(session->invocation, session, query);
    if (code != 0)
        return code;
    found->read = session_read(session, query, &code);
    if (found->read == NULL)
        return code;
    found->all = found->read->reservations;
    found->count = found->read->reservation_count;
    found->more = found->read->more;
    return code;
}

static int find_at_owners(struct session *session, const struct holdfast_query *query,
                          struct found *found)
{
    int code;
    found->answer = session_ask(session, query, &code);
    if (found->answer == NULL)
        return code;
    found->all = found->answer->reservations;
    found->count = found->answer->reservation_count;
    found->more = found->answer->more;
    return code;
}

static void show_whole(const struct invocation *invocation, const struct found *found)
{
    for (size_t i = 0; i < found->count; i++) {
        if (invocation->json)
            json_line(reservation_json(&found->all[i]));
        else
            print_reservation(&found->all[i]);
    }
}

/* Reservations with their lines; none is a refusal. what: how the refusal calls what was asked. */
static int show_reservations(const struct invocation *invocation,
                             struct holdfast_view_query *in_view,
                             const struct holdfast_query *at_owners, const char *what)
{
    struct found found = {0};
    struct session session;
    int code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0);
    if (code != 0)
        return code;
    code = in_view != NULL ? find_in_view(&session, in_view, &found)
                           : find_at_owners(&session, at_owners, &found);
    show_whole(invocation, &found);
    if (code == 0 && found.count == 0)
        code = not_found(HOLDFAST_UNKNOWN_RESERVATION, what);
    if (code == 0 && found.more)
        fprintf(stderr, "there is more: only the first %zu are shown\n", found.count);
    found_release(&found);
    session_close(&session);
    return code;
}

int cmd_reservation_show(const struct invocation *invocation)
{
    struct holdfast_view_query query = {
        .kind = HOLDFAST_VIEW_RESERVATIONS, .keys = invocation->arguments, .key_count = 1};
    int code = reservation_check(invocation, query.keys[0]);
    return code == 0 ? show_reservations(invocation, &query, NULL, query.keys[0]) : code;
}

/* Only owners know what is over. */
static int only_views(const struct invocation *invocation, const char *when)
{
    const char *how = option_text(invocation, "consistency");
    if (how == NULL || strcmp(how, "owner") == 0)
        return 0;
    return usage_error(invocation, "--consistency %s is for what a view answers: %s", how, when);
}

int cmd_order(const struct invocation *invocation)
{
    bool open = option_given(invocation, "open");
    struct holdfast_view_query in_view = {
        .kind = HOLDFAST_VIEW_ORDERS, .keys = invocation->arguments, .key_count = 1};
    struct holdfast_query at_owners = {.kind = HOLDFAST_QUERY_RESERVATION,
                                       .order = invocation->arguments[0],
                                       .limit = RESERVATIONS_MAX};
    char what[CODE_BYTES_MAX + 16];
    int code = code_check(invocation, "order", at_owners.order);
    if (code == 0 && !open)
        code = only_views(invocation, "add --open");
    snprintf(what, sizeof(what), "of order %s", at_owners.order);
    return code == 0 ? show_reservations(invocation, open ? &in_view : NULL, &at_owners, what)
                     : code;
}

static const struct column reservation_columns[] = {
    {.title = "RESERVATION"},
    {.title = "STATE"},
    {.title = "EXPIRES"},
    {.title = "ORDER"},
    {.title = "LINES", .right = true},
    {.title = "UNITS", .right = true},
    {.title = "MADE"},
    {.title = "BY"},
};

static void reservation_row(const struct holdfast_reservation *reservation, struct table *table)
{
    char expires[TIME_TEXT_BYTES], made[TIME_TEXT_BYTES];
    uint64_t units = 0;
    for (size_t i = 0; i < reservation->line_count; i++)
        units += reservation->lines[i].quantity;
    local_time(reservation->state == HOLDFAST_STATE_ACTIVE ? reservation->expires_at_us : 0,
               expires);
    local_time(reservation->created_at_us, made);
    table_cell(table, "%s", reservation->reservation);
    table_cell(table, "%s", holdfast_state_name(reservation->state));
    table_cell(table, "%s", expires);
    table_cell(table, "%s", reservation->order != NULL ? reservation->order : "");
    table_cell(table, "%zu", reservation->line_count);
    table_cell(table, "%llu", (unsigned long long)units);
    table_cell(table, "%s", made);
    table_cell(table, "%s", reservation->actor != NULL ? reservation->actor : "");
}

static void show_list(const struct invocation *invocation, const struct found *found)
{
    struct table table;
    if (invocation->json) {
        show_whole(invocation, found);
        return;
    }
    table_init(&table, reservation_columns, COUNT(reservation_columns));
    for (size_t i = 0; i < found->count; i++)
        reservation_row(&found->all[i], &table);
    table_print(&table, stdout);
    table_release(&table);
}

int cmd_reservation_list(const struct invocation *invocation)
{
    uint64_t limit = option_number(invocation, "limit", LIST_DEFAULT);
    struct holdfast_query at_owners = {
        .kind = HOLDFAST_QUERY_RESERVATION,
        .order = option_text(invocation, "order"),
        .sku = option_text(invocation, "sku"),
        .expiring = option_given(invocation, "expiring"),
        .limit = (uint32_t)(limit < RESERVATIONS_MAX ? limit : RESERVATIONS_MAX),
    };
    struct holdfast_view_query in_view = {.kind = HOLDFAST_VIEW_RESERVATIONS,
                                          .limit = at_owners.limit};
    bool by_view = at_owners.expiring && at_owners.order == NULL && at_owners.sku == NULL;
    struct found found = {0};
    struct session session;
    int code = by_view ? 0 : only_views(invocation, "--expiring, without --order and --sku");
    if (code == 0 && (limit == 0 || limit > RESERVATIONS_MAX))
        code = usage_error(invocation, "--limit must be 1 to %d", RESERVATIONS_MAX);
    if (code != 0 ||
        (code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0)) != 0)
        return code;
    code = by_view ? find_in_view(&session, &in_view, &found)
                   : find_at_owners(&session, &at_owners, &found);
    if (found.read != NULL || found.answer != NULL)
        show_list(invocation, &found);
    if (found.more)
        fprintf(stderr, "there is more: --limit %d shows up to that many\n", RESERVATIONS_MAX);
    found_release(&found);
    session_close(&session);
    return code;
}

/* ------------------------------------------------------------- history */

#define HISTORY_DEFAULT 50
#define HISTORY_MAX 1000

/* The answers of several chains (the item, each of its levels), newest first. */
struct history {
    struct holdfast_answer **answers;
    size_t answer_count;
    const struct holdfast_movement **movements;
    size_t movement_count;
    bool more;
};

static void history_release(struct history *history)
{
    for (size_t i = 0; i < history->answer_count; i++)
        holdfast_answer_free(&history->answers[i]);
    free(history->answers);
    free(history->movements);
}

static int history_add(struct session *session, struct history *history,
                       struct holdfast_query *query, const char *warehouse)
{
    struct holdfast_answer *answer;
    int code;
    query->warehouse = warehouse;
    answer = session_ask(session, query, &code);
    if (answer == NULL)
        return code;
    history->answers = memory_grow((void *)history->answers, history->answer_count + 1,
                                   sizeof(struct holdfast_answer *));
    history->answers[history->answer_count++] = answer;
    history->movements =
        memory_grow((void *)history->movements, history->movement_count + answer->movement_count,
                    sizeof(struct holdfast_movement *));
    for (size_t i = 0; i < answer->movement_count; i++)
        history->movements[history->movement_count++] = &answer->movements[i];
    history->more = history->more || answer->more;
    return code;
}

/* Without --warehouse: the item and every level that it has. All of it is one partition's, so the
 * sequences are of one row. */
static int history_add_all(struct session *session, struct history *history,
                           struct holdfast_query *query)
{
    struct holdfast_query levels = {
        .kind = HOLDFAST_QUERY_STOCK, .skus = &query->sku, .sku_count = 1};
    struct holdfast_answer *answer;
    int code;
    answer = session_ask(session, &levels, &code);
    if (code == 0 && answer->stock_count == 0)
        code = not_found(HOLDFAST_UNKNOWN_SKU, query->sku);
    if (code == 0)
        code = history_add(session, history, query, NULL);
    for (size_t i = 0; code == 0 && i < answer->stock[0].level_count; i++)
        code = history_add(session, history, query, answer->stock[0].levels[i].warehouse);
    holdfast_answer_free(&answer);
    return code;
}

/* Nothing ever moved there: is there such an item, and such a warehouse? */
static int why_nothing(struct session *session, const char *sku, const char *warehouse)
{
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_STOCK, .skus = &sku, .sku_count = 1};
    int code;
    struct holdfast_answer *answer = session_ask(session, &query, &code);
    if (code == 0 && answer->stock_count == 0)
        code = not_found(HOLDFAST_UNKNOWN_SKU, sku);
    holdfast_answer_free(&answer);
    return code == 0 ? session_find_warehouse(session, warehouse) : code;
}

static int newest_first(const void *a, const void *b)
{
    const struct holdfast_movement *const *x = a, *const *y = b;
    return ((*x)->sequence < (*y)->sequence) - ((*x)->sequence > (*y)->sequence);
}

static void history_print(const struct invocation *invocation, struct history *history,
                          size_t limit)
{
    size_t count = history->movement_count < limit ? history->movement_count : limit;
    if (history->movement_count > 0)
        qsort((void *)history->movements, history->movement_count, sizeof(*history->movements),
              newest_first);
    for (size_t i = 0; invocation->json && i < count; i++)
        json_line(movement_json(history->movements[i]));
    if (!invocation->json)
        print_movements(history->movements, count);
    if (count > 0 && (history->more || count < history->movement_count))
        fprintf(stderr, "there is more: go on with --before %llu\n",
                (unsigned long long)history->movements[count - 1]->sequence);
    else if (history->more)
        fputs("there may be more, too far back to be looked for\n", stderr);
}

int cmd_history(const struct invocation *invocation)
{
    const char *warehouse = option_text(invocation, "warehouse");
    uint64_t limit = option_number(invocation, "limit", HISTORY_DEFAULT);
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_HISTORY,
        .sku = invocation->arguments[0],
        .before = option_number(invocation, "before", 0),
        .limit = (uint32_t)(limit < HISTORY_MAX ? limit : HISTORY_MAX),
    };
    struct history history = {0};
    struct session session;
    int code = code_check(invocation, "sku", query.sku);
    if (code == 0 && warehouse != NULL)
        code = code_check(invocation, "warehouse", warehouse);
    if (code == 0 && (limit == 0 || limit > HISTORY_MAX))
        code = usage_error(invocation, "--limit must be 1 to %d", HISTORY_MAX);
    if (code != 0 ||
        (code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0)) != 0)
        return code;
    if (warehouse != NULL)
        code = history_add(&session, &history, &query, warehouse);
    else
        code = history_add_all(&session, &history, &query);
    if (code == 0 && warehouse != NULL && history.movement_count == 0)
        code = why_nothing(&session, query.sku, warehouse);
    history_print(invocation, &history, (size_t)limit);
    history_release(&history);
    session_close(&session);
    return code;
}

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
#include "cli/report.h"
#include "cli/session.h"
#include "cli/table.h"

#define RESERVATIONS_MAX 1000
#define LIST_DEFAULT 100
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------- reservations */

static void show_whole(const struct invocation *invocation, const struct holdfast_answer *answer)
{
    for (size_t i = 0; i < answer->reservation_count; i++) {
        if (invocation->json)
            json_line(reservation_json(&answer->reservations[i]));
        else
            print_reservation(&answer->reservations[i]);
    }
}

/* Reservations with their lines; none is a refusal. what: how the refusal calls what was asked. */
static int show_reservations(const struct invocation *invocation,
                             const struct holdfast_query *query, const char *what)
{
    struct session session;
    struct holdfast_answer *answer;
    int code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0);
    if (code != 0)
        return code;
    answer = session_ask(&session, query, &code);
    if (answer != NULL)
        show_whole(invocation, answer);
    if (code == 0 && answer->reservation_count == 0)
        code = not_found(HOLDFAST_UNKNOWN_RESERVATION, what);
    if (code == 0 && answer->more)
        fprintf(stderr, "there is more: only the first %zu are shown\n", answer->reservation_count);
    holdfast_answer_free(&answer);
    session_close(&session);
    return code;
}

int cmd_reservation_show(const struct invocation *invocation)
{
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_RESERVATION, .skus = invocation->arguments, .sku_count = 1};
    int code = reservation_check(invocation, query.skus[0]);
    return code == 0 ? show_reservations(invocation, &query, query.skus[0]) : code;
}

int cmd_order(const struct invocation *invocation)
{
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_RESERVATION,
                                   .order = invocation->arguments[0],
                                   .limit = RESERVATIONS_MAX};
    char what[CODE_BYTES_MAX + 16];
    int code = code_check(invocation, "order", query.order);
    snprintf(what, sizeof(what), "of order %s", query.order);
    return code == 0 ? show_reservations(invocation, &query, what) : code;
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

static void show_list(const struct invocation *invocation, const struct holdfast_answer *answer)
{
    struct table table;
    if (invocation->json) {
        show_whole(invocation, answer);
        return;
    }
    table_init(&table, reservation_columns, COUNT(reservation_columns));
    for (size_t i = 0; i < answer->reservation_count; i++)
        reservation_row(&answer->reservations[i], &table);
    table_print(&table, stdout);
    table_release(&table);
}

int cmd_reservation_list(const struct invocation *invocation)
{
    uint64_t limit = option_number(invocation, "limit", LIST_DEFAULT);
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_RESERVATION,
        .order = option_text(invocation, "order"),
        .sku = option_text(invocation, "sku"),
        .expiring = option_given(invocation, "expiring"),
        .limit = (uint32_t)(limit < RESERVATIONS_MAX ? limit : RESERVATIONS_MAX),
    };
    struct session session;
    struct holdfast_answer *answer;
    int code;
    if (limit == 0 || limit > RESERVATIONS_MAX)
        return usage_error(invocation, "--limit must be 1 to %d", RESERVATIONS_MAX);
    code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0);
    if (code != 0)
        return code;
    answer = session_ask(&session, &query, &code);
    if (answer != NULL)
        show_list(invocation, answer);
    if (answer != NULL && answer->more)
        fprintf(stderr, "there is more: --limit %d shows up to that many\n", RESERVATIONS_MAX);
    holdfast_answer_free(&answer);
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
    history_print(invocation, &history, (size_t)limit);
    history_release(&history);
    session_close(&session);
    return code;
}

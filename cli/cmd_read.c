/* SPDX-License-Identifier: MIT
 *
 * `holdfast stock`: one sku, or a list of them a page at a time. What is not known is never shown
 * as 0.
 */
#include <stdio.h>
#include <string.h>
#include "cli/json.h"
#include "cli/lines.h"
#include "cli/read.h"
#include "cli/report.h"
#include "cli/table.h"

#define PAGE_MAX 1000
#define LIST_DEFAULT 100

/* A sku's row, and one for each warehouse, or for the one that was asked for. */
static void show_stock(const struct invocation *invocation, const struct holdfast_view_stock *stock,
                       const char *warehouse, struct table *table)
{
    const char *none = warehouse != NULL ? warehouse : "-";
    if (invocation->json) {
        json_line(stock_json(stock));
        return;
    }
    for (size_t i = 0; i < stock->level_count; i++)
        level_cells(table, &stock->levels[i], stock->sku, stock->levels[i].warehouse);
    if (stock->level_count != 1)
        level_cells(table, &stock->total, stock->sku, stock->level_count == 0 ? none : "(all)");
}

/* Asks until the limit or the end. */
static int show_pages(struct session *session, struct holdfast_view_query *query, uint64_t limit,
                      struct table *table)
{
    char after[CODE_BYTES_MAX + 1] = "";
    bool more = true, any = false;
    int code = 0;
    if (query->after != NULL)
        snprintf(after, sizeof(after), "%s", query->after);
    while (more && limit > 0 && code == 0) {
        struct holdfast_view_answer *answer;
        query->after = after[0] != '\0' ? after : NULL;
        query->limit = (uint32_t)(limit < PAGE_MAX ? limit : PAGE_MAX);
        answer = session_read(session, query, &code);
        if (answer == NULL)
            return code;
        for (size_t i = 0; i < answer->stock_count; i++)
            show_stock(session->invocation, &answer->stock[i], query->warehouse, table);
        any = any || answer->stock_count > 0;
        more = answer->more && answer->stock_count > 0;
        if (answer->stock_count > 0)
            snprintf(after, sizeof(after), "%s", answer->stock[answer->stock_count - 1].sku);
        limit -= answer->stock_count < limit ? answer->stock_count : limit;
        read_tell_age(session->invocation, answer);
        holdfast_view_answer_free(&answer);
    }
    if (!any && code == 0 && query->warehouse != NULL)
        return session_find_warehouse(session, query->warehouse);
    if (more && code == 0)
        fprintf(stderr, "there is more: go on with --after '%s'\n", after);
    return code;
}

static int show_one(struct session *session, struct holdfast_view_query *query, struct table *table)
{
    const struct holdfast_view_stock *stock;
    int code;
    struct holdfast_view_answer *answer = session_read(session, query, &code);
    if (answer == NULL)
        return code;
    stock = &answer->stock[0];
    if (code == 0 && !stock->exists)
        code = not_found(HOLDFAST_UNKNOWN_SKU, stock->sku);
    else if (code == 0 && stock->level_count == 0 && query->warehouse != NULL)
        code = session_find_warehouse(session, query->warehouse);
    if (stock->knowledge == HOLDFAST_KNOWLEDGE_KNOWN && stock->exists &&
        (code == 0 || stock->level_count > 0))
        show_stock(session->invocation, stock, query->warehouse, table);
    if (code == 0)
        read_tell_age(session->invocation, answer);
    holdfast_view_answer_free(&answer);
    return code;
}

int cmd_stock(const struct invocation *invocation)
{
    bool one = invocation->argument_count > 0;
    uint64_t limit = option_number(invocation, "limit", LIST_DEFAULT);
    struct holdfast_view_query query = {
        .kind = one ? HOLDFAST_VIEW_STOCK : HOLDFAST_VIEW_LEVELS,
        .by_sku = true,
        .keys = invocation->arguments,
        .key_count = invocation->argument_count,
        .warehouse = option_text(invocation, "warehouse"),
        .after = option_text(invocation, "after"),
    };
    struct session session;
    struct table table;
    int code = query.warehouse != NULL ? code_check(invocation, "warehouse", query.warehouse) : 0;
    if (code == 0 && one && (option_given(invocation, "limit") || query.after != NULL))
        code = usage_error(invocation, "--limit and --after are for lists, not for one SKU");
    if (code == 0 && one)
        code = code_check(invocation, "sku", invocation->arguments[0]);
    if (code == 0 && query.after != NULL)
        code = code_check(invocation, "code of --after", query.after);
    if (code == 0 && limit == 0)
        code = usage_error(invocation, "--limit must be at least 1");
    if (code != 0 ||
        (code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0)) != 0)
        return code;
    table_init(&table, level_columns, STOCK_COLUMNS);
    code = read_consistency(invocation, &session, &query);
    if (code == 0)
        code =
            one ? show_one(&session, &query, &table) : show_pages(&session, &query, limit, &table);
    table_print(&table, stdout);
    table_release(&table);
    session_close(&session);
    return code;
}

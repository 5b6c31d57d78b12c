/* SPDX-License-Identifier: MIT
 *
 * Lists that go on from a code: item list, warehouse list, reason list. One loop asks for
 * page after page; what differs between the lists is in the tables of functions at the end.
 */
#include <stdio.h>
#include <string.h>
#include "cli/json.h"
#include "cli/lines.h"
#include "cli/memory.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/table.h"

#define PAGE_MAX 1000
#define LIST_DEFAULT 100
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct listing {
    enum holdfast_query_kind kind;
    const struct column *columns;
    size_t column_count;
    size_t (*count)(const struct holdfast_answer *answer);
    const char *(*code)(const struct holdfast_answer *answer, size_t index);
    void (*row)(const struct holdfast_answer *answer, size_t index, struct table *table);
    struct json_object *(*json)(const struct holdfast_answer *answer, size_t index);
};

static void show_page(const struct invocation *invocation, const struct listing *listing,
                      const struct holdfast_answer *answer, struct table *table)
{
    for (size_t i = 0; i < listing->count(answer); i++) {
        if (invocation->json)
            json_line(listing->json(answer, i));
        else
            listing->row(answer, i, table);
    }
}

/* Asks until the limit or the end. after is owned by the loop. */
static int show_pages(struct session *session, const struct listing *listing,
                      struct holdfast_query *query, uint64_t limit, struct table *table)
{
    char after[CODE_BYTES_MAX + 1] = "";
    bool more = true;
    int code = 0;
    if (query->after != NULL)
        snprintf(after, sizeof(after), "%s", query->after);
    while (more && limit > 0 && code == 0) {
        struct holdfast_answer *answer;
        size_t count;
        query->after = after;
        query->limit = (uint32_t)(limit < PAGE_MAX ? limit : PAGE_MAX);
        answer = session_ask(session, query, &code);
        if (answer == NULL)
            return code;
        show_page(session->invocation, listing, answer, table);
        count = listing->count(answer);
        more = answer->more && count > 0;
        if (count > 0)
            snprintf(after, sizeof(after), "%s", listing->code(answer, count - 1));
        limit -= count < limit ? count : limit;
        holdfast_answer_free(&answer);
    }
    if (more && code == 0)
        fprintf(stderr, "there is more: go on with --after '%s'\n", after);
    return code;
}

static int list(const struct invocation *invocation, const struct listing *listing)
{
    struct holdfast_query query = {.kind = listing->kind,
                                   .after = option_text(invocation, "after")};
    uint64_t limit = option_number(invocation, "limit", LIST_DEFAULT);
    struct session session;
    struct table table;
    int code = query.after != NULL ? code_check(invocation, "code of --after", query.after) : 0;
    if (code == 0 && limit == 0)
        code = usage_error(invocation, "--limit must be at least 1");
    if (code != 0 ||
        (code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0)) != 0)
        return code;
    table_init(&table, listing->columns, listing->column_count);
    code = show_pages(&session, listing, &query, limit, &table);
    table_print(&table, stdout);
    table_release(&table);
    session_close(&session);
    return code;
}

/* ------------------------------------------------------------- warehouses and reasons */

static const struct column named_columns[] = {{.title = "CODE"}, {.title = "NAME"}};

static size_t named_count(const struct holdfast_answer *answer)
{
    return answer->named_count;
}

static const char *named_code(const struct holdfast_answer *answer, size_t index)
{
    return answer->named[index].code;
}

static void named_row(const struct holdfast_answer *answer, size_t index, struct table *table)
{
    table_cell(table, "%s", answer->named[index].code);
    table_cell(table, "%s", answer->named[index].name);
}

static struct json_object *warehouse_json(const struct holdfast_answer *answer, size_t index)
{
    return named_json("warehouse", &answer->named[index]);
}

static struct json_object *reason_json(const struct holdfast_answer *answer, size_t index)
{
    return named_json("reason", &answer->named[index]);
}

static const struct listing warehouse_listing = {HOLDFAST_QUERY_WAREHOUSE,
                                                 named_columns,
                                                 COUNT(named_columns),
                                                 named_count,
                                                 named_code,
                                                 named_row,
                                                 warehouse_json};

static const struct listing reason_listing = {HOLDFAST_QUERY_REASON,
                                              named_columns,
                                              COUNT(named_columns),
                                              named_count,
                                              named_code,
                                              named_row,
                                              reason_json};

int cmd_warehouse_list(const struct invocation *invocation)
{
    return list(invocation, &warehouse_listing);
}

int cmd_reason_list(const struct invocation *invocation)
{
    return list(invocation, &reason_listing);
}

/* ------------------------------------------------------------- items */

static const struct column item_columns[] = {
    {.title = "SKU"},
    {.title = "NAME"},
    {.title = "REORDER POINT", .right = true, .if_not_zero = true},
    {.title = "BARCODES", .if_not_zero = true}};

static size_t item_count(const struct holdfast_answer *answer)
{
    return answer->item_count;
}

static const char *item_code(const struct holdfast_answer *answer, size_t index)
{
    return answer->items[index].sku;
}

static void item_row(const struct holdfast_answer *answer, size_t index, struct table *table)
{
    const struct holdfast_item *item = &answer->items[index];
    char barcodes[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < item->barcode_count && used < sizeof(barcodes); i++)
        used += (size_t)snprintf(barcodes + used, sizeof(barcodes) - used, "%s%s", i > 0 ? " " : "",
                                 item->barcodes[i]);
    table_cell(table, "%s", item->sku);
    table_cell(table, "%s", item->name);
    table_cell(table, "%u", item->reorder_point);
    table_cell(table, "%s", barcodes);
}

static struct json_object *listed_item_json(const struct holdfast_answer *answer, size_t index)
{
    return item_json(&answer->items[index]);
}

static const struct listing item_listing = {HOLDFAST_QUERY_ITEM, item_columns, COUNT(item_columns),
                                            item_count,          item_code,    item_row,
                                            listed_item_json};

int cmd_item_list(const struct invocation *invocation)
{
    return list(invocation, &item_listing);
}

/* SPDX-License-Identifier: MIT
 *
 * The commands about what there is: warehouse put, item put and get, reason put. Their lists are in
 * cmd_list.c.
 */
#include <stdio.h>
#include <string.h>
#include "cli/json.h"
#include "cli/lines.h"
#include "cli/report.h"
#include "cli/session.h"

#define BARCODES_MAX 64

int cmd_warehouse_put(const struct invocation *invocation)
{
    struct holdfast_operation operation = {
        .kind = HOLDFAST_PUT_WAREHOUSE,
        .warehouse = invocation->arguments[0],
        .text = option_text(invocation, "name"),
    };
    int code = code_check(invocation, "warehouse", operation.warehouse);
    return code == 0 ? session_write(invocation, &operation) : code;
}

int cmd_reason_put(const struct invocation *invocation)
{
    struct holdfast_operation operation = {
        .kind = HOLDFAST_PUT_REASON,
        .reason = invocation->arguments[0],
        .text = option_text(invocation, "name"),
    };
    int code = code_check(invocation, "reason", operation.reason);
    return code == 0 ? session_write(invocation, &operation) : code;
}

int cmd_item_put(const struct invocation *invocation)
{
    const char *barcodes[BARCODES_MAX];
    struct holdfast_operation operation = {
        .kind = HOLDFAST_PUT_ITEM,
        .sku = invocation->arguments[0],
        .text = option_text(invocation, "name"),
        .quantity = (uint32_t)option_number(invocation, "reorder-point", 0),
        .barcodes = barcodes,
    };
    int code = code_check(invocation, "sku", operation.sku);
    operation.barcode_count = option_list(invocation, "barcode", barcodes, BARCODES_MAX);
    if (code == 0 && operation.barcode_count > BARCODES_MAX)
        code = usage_error(invocation, "more than %d barcodes", BARCODES_MAX);
    return code == 0 ? session_write(invocation, &operation) : code;
}

static void print_item(const struct holdfast_item *item)
{
    printf("%s  %s\n", item->sku, item->name);
    for (size_t i = 0; i < item->barcode_count; i++)
        printf("  barcode        %s\n", item->barcodes[i]);
    if (item->reorder_point > 0)
        printf("  reorder point  %u\n", item->reorder_point);
    printf("  version        %llu\n", (unsigned long long)item->version);
}

int cmd_item_get(const struct invocation *invocation)
{
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_ITEM, .skus = invocation->arguments, .sku_count = 1};
    struct session session;
    struct holdfast_answer *answer;
    int code = code_check(invocation, "sku", query.skus[0]);
    if (code != 0 ||
        (code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0)) != 0)
        return code;
    answer = session_ask(&session, &query, &code);
    if (answer != NULL && answer->item_count > 0) {
        if (invocation->json)
            json_line(item_json(&answer->items[0]));
        else
            print_item(&answer->items[0]);
    } else if (code == 0) {
        code = not_found(HOLDFAST_UNKNOWN_SKU, query.skus[0]);
    }
    holdfast_answer_free(&answer);
    session_close(&session);
    return code;
}

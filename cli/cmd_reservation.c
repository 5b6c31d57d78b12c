/* SPDX-License-Identifier: MIT
 *
 * The commands that make and change a reservation: reserve, extend, purchase, release, ship,
 * cancel, return. Each is one operation; the decisions are the owner's.
 */
#include <stdlib.h>
#include <string.h>
#include "cli/lines.h"
#include "cli/session.h"

#define WAREHOUSES_MAX 64

/* 0 would mean the default on the wire, which is not what somebody who typed 0s asked for. */
static int read_ttl(const struct invocation *invocation, uint64_t *ttl_ms)
{
    *ttl_ms = option_number(invocation, "ttl", 0);
    if (option_given(invocation, "ttl") && *ttl_ms == 0)
        return usage_error(invocation, "--ttl must be 1s to 30d");
    return 0;
}

int cmd_reserve(const struct invocation *invocation)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_RESERVE};
    const char *warehouses[WAREHOUSES_MAX], *policy = option_text(invocation, "policy");
    struct lines lines;
    int code = lines_read(invocation, 0, LINE_WAREHOUSE_ALLOWED, &lines);
    if (code == 0)
        code = read_ttl(invocation, &operation.ttl_ms);
    operation.lines = lines.lines;
    operation.line_count = lines.count;
    operation.order = option_text(invocation, "order");
    operation.may_split = option_given(invocation, "may-split");
    operation.warehouses = warehouses;
    operation.warehouse_count = option_list(invocation, "warehouse", warehouses, WAREHOUSES_MAX);
    if (policy != NULL && strcmp(policy, "nearest-first") == 0)
        operation.policy = HOLDFAST_NEAREST_FIRST;
    if (code == 0 && operation.warehouse_count > WAREHOUSES_MAX)
        code = usage_error(invocation, "more than %d warehouses", WAREHOUSES_MAX);
    if (code == 0 && operation.policy == HOLDFAST_NEAREST_FIRST && operation.warehouse_count == 0)
        code = usage_error(invocation, "--policy nearest-first needs --warehouse, nearest first");
    if (code == 0)
        code = session_write(invocation, &operation);
    lines_release(&lines);
    return code;
}

int cmd_extend(const struct invocation *invocation)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_EXTEND,
                                           .reservation = invocation->arguments[0]};
    int code = reservation_check(invocation, operation.reservation);
    if (code == 0)
        code = read_ttl(invocation, &operation.ttl_ms);
    return code == 0 ? session_write(invocation, &operation) : code;
}

/* R and LINEs, then whatever else the caller has set. */
static int write_to_reservation(const struct invocation *invocation,
                                struct holdfast_operation *operation)
{
    struct lines lines;
    int code = lines_read(invocation, 1, LINE_WAREHOUSE_ALLOWED, &lines);
    operation->reservation = invocation->arguments[0];
    operation->lines = lines.lines;
    operation->line_count = lines.count;
    if (code == 0)
        code = reservation_check(invocation, operation->reservation);
    if (code == 0)
        code = session_write(invocation, operation);
    lines_release(&lines);
    return code;
}

int cmd_purchase(const struct invocation *invocation)
{
    struct holdfast_operation operation = {
        .kind = HOLDFAST_PURCHASE,
        .keep_remainder = option_given(invocation, "keep-remainder"),
        .revive = option_given(invocation, "revive"),
    };
    return write_to_reservation(invocation, &operation);
}

int cmd_release(const struct invocation *invocation)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_RELEASE};
    return write_to_reservation(invocation, &operation);
}

int cmd_ship(const struct invocation *invocation)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_SHIP,
                                           .reason = option_text(invocation, "reason"),
                                           .reference = option_text(invocation, "reference")};
    return write_to_reservation(invocation, &operation);
}

int cmd_cancel(const struct invocation *invocation)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_CANCEL,
                                           .reason = option_text(invocation, "reason")};
    return write_to_reservation(invocation, &operation);
}

int cmd_return(const struct invocation *invocation)
{
    struct holdfast_operation operation = {
        .kind = HOLDFAST_RETURN,
        .to_quarantine = option_given(invocation, "quarantine"),
        .reason = option_text(invocation, "reason"),
        .reference = option_text(invocation, "reference"),
    };
    if (option_given(invocation, "restock") == operation.to_quarantine)
        return usage_error(invocation, "say --restock or --quarantine: where do the goods go?");
    return write_to_reservation(invocation, &operation);
}

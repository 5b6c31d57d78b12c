/* SPDX-License-Identifier: MIT
 *
 * The commands that change stock: receive, adjust, count, transfer, quarantine, restore,
 * safety-stock.
 *
 * An operation is whole within one partition only, and the skus of several LINEs may lie on
 * several. So receive, quarantine and restore with more than one LINE send one operation for each,
 * with ids derived from the command's id and the LINE's place: repeating the command with the same
 * --id and LINEs does nothing twice.
 */
#include <stdlib.h>
#include "cli/lines.h"
#include "cli/report.h"
#include "cli/session.h"

/* What may have been applied is worse news than what certainly was not; otherwise the first one
 * that was not applied decides. */
static int worse_code(int code, int other)
{
    if (other == EX_TEMPFAIL)
        return other;
    return code != 0 ? code : other;
}

static int write_each(struct session *session, const struct holdfast_operation *model,
                      const struct lines *lines)
{
    const struct invocation *invocation = session->invocation;
    int code = 0;
    for (size_t i = 0; i < lines->count; i++) {
        struct holdfast_operation operation = *model;
        struct holdfast_result *result;
        char id[37];
        session_stamp(session, &operation);
        holdfast_derive_operation_id(session->id, sizeof(session->id) - 1, i + 1, id);
        operation.operation_id = id;
        operation.id_time_us = session->id_time_us;
        operation.lines = &lines->lines[i];
        operation.line_count = 1;
        result = session_call(session, &operation);
        if (result == NULL)
            return EXIT_INTERRUPTED;
        code = worse_code(code,
                          report_result(invocation, &operation, result, invocation->arguments[i]));
        holdfast_result_free(&result);
    }
    if (code != 0)
        complain(invocation->command->words,
                 "not every LINE was applied; repeat it with --id %s and the same LINEs: none is "
                 "applied twice",
                 session->id);
    return code;
}

static int write_lines(const struct invocation *invocation, struct holdfast_operation *operation)
{
    struct session session = {0};
    struct lines lines;
    int code = lines_read(invocation, 0, LINE_WAREHOUSE_REQUIRED, &lines);
    if (code == 0 && lines.count == 1) {
        operation->lines = lines.lines;
        operation->line_count = 1;
        code = session_write(invocation, operation);
    } else if (code == 0) {
        code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0);
        if (code == 0)
            code = write_each(&session, operation, &lines);
        session_close(&session);
    }
    lines_release(&lines);
    return code;
}

int cmd_receive(const struct invocation *invocation)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_RECEIVE,
                                           .reference = option_text(invocation, "reference")};
    return write_lines(invocation, &operation);
}

int cmd_quarantine(const struct invocation *invocation)
{
    struct holdfast_operation operation = {
        .kind = HOLDFAST_QUARANTINE,
        .reason = option_text(invocation, "reason"),
        .accept_shortfall = option_given(invocation, "accept-shortfall"),
    };
    return write_lines(invocation, &operation);
}

int cmd_restore(const struct invocation *invocation)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_RESTORE,
                                           .reason = option_text(invocation, "reason")};
    return write_lines(invocation, &operation);
}

/* One LINE that names a level, for the operations that have no lines of their own. */
static int write_level(const struct invocation *invocation, unsigned rules,
                       struct holdfast_operation *operation)
{
    struct lines lines;
    int code = lines_read(invocation, 0, rules | LINE_WAREHOUSE_REQUIRED, &lines);
    if (code == 0) {
        operation->sku = lines.lines[0].sku;
        operation->warehouse = lines.lines[0].warehouse;
        operation->quantity = lines.lines[0].quantity;
        operation->delta = lines.typed[0].quantity;
        code = session_write(invocation, operation);
    }
    lines_release(&lines);
    return code;
}

int cmd_adjust(const struct invocation *invocation)
{
    struct holdfast_operation operation = {
        .kind = HOLDFAST_ADJUST,
        .reason = option_text(invocation, "reason"),
        .accept_shortfall = option_given(invocation, "accept-shortfall"),
    };
    return write_level(invocation, LINE_NEGATIVE_ALLOWED, &operation);
}

int cmd_count(const struct invocation *invocation)
{
    struct holdfast_operation operation = {
        .kind = HOLDFAST_COUNT,
        .reason = option_text(invocation, "reason"),
        .has_version = option_given(invocation, "if-version"),
        .on_hand_version = option_number(invocation, "if-version", 0),
    };
    return write_level(invocation, LINE_ZERO_ALLOWED, &operation);
}

int cmd_transfer(const struct invocation *invocation)
{
    struct holdfast_operation operation = {
        .kind = HOLDFAST_TRANSFER,
        .to_warehouse = option_text(invocation, "to"),
        .reference = option_text(invocation, "reference"),
    };
    int code = code_check(invocation, "warehouse of --to", operation.to_warehouse);
    return code == 0 ? write_level(invocation, 0, &operation) : code;
}

int cmd_safety_stock(const struct invocation *invocation)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_SET_SAFETY_STOCK};
    return write_level(invocation, LINE_ZERO_ALLOWED, &operation);
}

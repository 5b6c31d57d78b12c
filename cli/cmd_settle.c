/* SPDX-License-Identifier: MIT
 *
 * settle: what became of an operation, and if nothing did, that nothing ever will. audit: do stock,
 * reservations and ledger agree?
 */
#include <stdio.h>
#include "cli/json.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/table.h"
#include "protocol/ids.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* An audit reads every row. */
#define AUDIT_TIMEOUT_MS (5 * 60 * 1000)

static void print_settled(const struct invocation *invocation, const char *id,
                          const struct holdfast_result *result)
{
    bool applied = result->settle == HOLDFAST_SETTLE_APPLIED;
    if (invocation->json) {
        struct json_object *object = json_object_new_object();
        const struct holdfast_result *settled = result->settled;
        json_text(object, "result", holdfast_status_name(result->status));
        json_text(object, "operation_id", id);
        json_text(object, "outcome", applied ? "applied" : "void");
        json_object_object_add(
            object, "settled",
            settled != NULL ? result_json(settled, settled->reservation != NULL, NULL) : NULL);
        json_line(object);
        return;
    }
    if (!applied) {
        printf("%s was not applied, and never will be\n", id);
        return;
    }
    printf("%s was applied\n", id);
    if (result->settled != NULL && result->settled->reservation != NULL)
        print_reservation(result->settled->reservation);
    else if (result->settled != NULL)
        print_levels(result->settled->levels, result->settled->level_count);
}

int cmd_settle(const struct invocation *invocation)
{
    const char *id = invocation->arguments[0];
    struct holdfast_operation operation = {
        .kind = HOLDFAST_SETTLE, .settles = id, .partition = HOLDFAST_ALL_PARTITIONS};
    uint8_t uuid[UUID_BYTES];
    struct session session;
    struct holdfast_result *result;
    int code;
    if (!uuid_parse(id, uuid))
        return usage_error(invocation, "\"%s\" is not a UUID", id);
    code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0);
    if (code != 0)
        return code;
    result = session_call(&session, &operation);
    code = result != NULL ? holdfast_status_exit(result->status) : EXIT_INTERRUPTED;
    if (result != NULL && result->kind == HOLDFAST_KIND_APPLIED)
        print_settled(invocation, id, result);
    else if (result != NULL)
        report_refusal(invocation, result);
    holdfast_result_free(&result);
    session_close(&session);
    return code;
}

/* ------------------------------------------------------------- audit */

static const struct column difference_columns[] = {
    {.title = "CHECK"},
    {.title = "SKU", .if_not_zero = true},
    {.title = "WAREHOUSE", .if_not_zero = true},
    {.title = "RESERVATION", .if_not_zero = true},
    {.title = "WHAT"},
};

static void print_audit(const struct holdfast_answer *answer, bool complete)
{
    struct table table;
    table_init(&table, difference_columns, COUNT(difference_columns));
    for (size_t i = 0; i < answer->difference_count; i++) {
        const struct holdfast_difference *difference = &answer->differences[i];
        table_cell(&table, "%s", difference->check);
        table_cell(&table, "%s", difference->sku);
        table_cell(&table, "%s", difference->warehouse);
        table_cell(&table, "%s", difference->reservation);
        table_cell(&table, "%s", difference->message);
    }
    table_print(&table, stdout);
    table_release(&table);
    printf("%llu rows checked in %u of %u partitions, ", (unsigned long long)answer->checked,
           answer->partitions_answered, answer->partitions_asked);
    if (answer->difference_count > 0)
        printf("%zu differences\n", answer->difference_count);
    else
        puts(complete ? "no differences" : "no differences there");
}

static void print_audit_json(const struct holdfast_answer *answer)
{
    struct json_object *object = json_object_new_object(), *list = json_object_new_array();
    json_number(object, "checked", answer->checked);
    json_number(object, "partitions_asked", answer->partitions_asked);
    json_number(object, "partitions_answered", answer->partitions_answered);
    for (size_t i = 0; i < answer->difference_count; i++) {
        const struct holdfast_difference *difference = &answer->differences[i];
        struct json_object *entry = json_object_new_object();
        json_text(entry, "check", difference->check);
        json_text(entry, "sku", difference->sku);
        json_text(entry, "warehouse", difference->warehouse);
        json_text(entry, "reservation", difference->reservation);
        json_text(entry, "message", difference->message);
        json_object_array_add(list, entry);
    }
    json_object_object_add(object, "differences", list);
    json_line(object);
}

int cmd_audit(const struct invocation *invocation)
{
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_AUDIT};
    struct session session;
    struct holdfast_answer *answer;
    int code = session_open(&session, invocation, HOLDFAST_CLASS_BULK, AUDIT_TIMEOUT_MS);
    if (code != 0)
        return code;
    answer = session_ask(&session, &query, &code);
    if (answer != NULL && invocation->json)
        print_audit_json(answer);
    else if (answer != NULL)
        print_audit(answer, code == 0);
    /* A difference that was found is news even when not everything could be asked. */
    if (answer != NULL && answer->difference_count > 0)
        code = 1;
    holdfast_answer_free(&answer);
    session_close(&session);
    return code;
}

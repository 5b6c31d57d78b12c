/* SPDX-License-Identifier: MIT
 *
 * settle: what became of an operation, and if nothing did, that nothing ever will.
 */
#include <stdio.h>
#include "cli/json.h"
#include "cli/report.h"
#include "cli/session.h"
#include "protocol/ids.h"

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

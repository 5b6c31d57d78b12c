/* SPDX-License-Identifier: MIT
 *
 * Why a line of a bulk file was refused, in one line: by apply and undo, in the record, and by
 * plan.
 */
#include <stdio.h>

#include "cli/run_engine.h"

void run_reason(const struct holdfast_result *result, char *text, size_t bytes)
{
    const char *message = *result->message ? result->message : holdfast_status_text(result->status);
    /* The file has other names for fields, and this one says it in words. */
    bool named = *result->field && result->status != HOLDFAST_VERSION_CONFLICT;
    size_t used = (size_t)snprintf(text, bytes, "%s%s%s", named ? result->field : "",
                                   named ? ": " : "", message);

    for (size_t i = 0; i < result->shortage_count && used < bytes; i++) {
        const struct holdfast_shortage *shortage = &result->shortages[i];
        used += (size_t)snprintf(text + used, bytes - used, "%s%s%s%s: asked %u, available %u",
                                 i == 0 ? ": " : "; ", shortage->sku,
                                 *shortage->warehouse ? " at " : "", shortage->warehouse,
                                 shortage->requested, shortage->available);
    }
    for (size_t i = 0; i < result->moved_count && i < 1 && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, ": %s %+d by %s, then %u",
                                 holdfast_movement_name(result->moved[i].kind),
                                 result->moved[i].on_hand_change, result->moved[i].actor,
                                 result->moved[i].after.on_hand);
}

/* SPDX-License-Identifier: MIT
 *
 * See lines.h.
 */
#include <stdlib.h>
#include <string.h>
#include "cli/lines.h"
#include "cli/memory.h"
#include "protocol/ids.h"

int lines_read(const struct invocation *invocation, size_t first, unsigned rules,
               struct lines *lines)
{
    size_t count = invocation->argument_count > first ? invocation->argument_count - first : 0;
    *lines = (struct lines){.count = count};
    lines->typed = memory_grow(NULL, count, sizeof(*lines->typed));
    lines->lines = memory_grow(NULL, count, sizeof(*lines->lines));
    for (size_t i = 0; i < count; i++) {
        struct typed_line *typed = &lines->typed[i];
        const char *text = invocation->arguments[first + i];
        const char *fault = parse_line(text, rules, typed);
        if (fault != NULL)
            return usage_error(invocation, "LINE \"%s\": %s", text, fault);
        lines->lines[i] = (struct holdfast_line){
            .sku = typed->sku,
            .warehouse = typed->warehouse[0] != '\0' ? typed->warehouse : NULL,
            .quantity = (uint32_t)(typed->quantity > 0 ? typed->quantity : 0),
        };
    }
    return 0;
}

void lines_release(struct lines *lines)
{
    free(lines->typed);
    free(lines->lines);
    *lines = (struct lines){0};
}

int reservation_check(const struct invocation *invocation, const char *text)
{
    uint8_t id[RESERVATION_ID_BYTES];
    if (reservation_id_parse(text, strlen(text), id))
        return 0;
    return usage_error(invocation,
                       "\"%s\" is not a reservation id: R- and 17 characters, the last of which "
                       "checks the others",
                       text);
}

int code_check(const struct invocation *invocation, const char *what, const char *text)
{
    const char *fault = code_fault(text, strlen(text));
    return fault == NULL ? 0 : usage_error(invocation, "the %s %s", what, fault);
}

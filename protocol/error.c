/* SPDX-License-Identifier: MIT
 *
 * The table of ERROR codes: see error.def.
 */
#include "protocol/error.h"

#include <assert.h>
#include <string.h>

#define ENDS_SESSION true
#define ENDS_MESSAGE false

static const struct {
    const char *name;
    const char *text;
    bool ends_session;
} entries[ERROR_COUNT] = {
#define ERROR_CODE(name, ends, text) {#name, text, ENDS_##ends},
#include "protocol/error.def"
#undef ERROR_CODE
};

const char *error_name(enum error_code code)
{
    assert(code < ERROR_COUNT);
    return entries[code].name;
}

const char *error_text(enum error_code code)
{
    assert(code < ERROR_COUNT);
    return entries[code].text;
}

bool error_ends_session(enum error_code code)
{
    assert(code < ERROR_COUNT);
    return entries[code].ends_session;
}

bool error_from_name(const char *name, enum error_code *code)
{
    for (unsigned i = 0; i < ERROR_COUNT; i++) {
        if (strcmp(entries[i].name, name) == 0) {
            *code = (enum error_code)i;
            return true;
        }
    }
    return false;
}

/* SPDX-License-Identifier: MIT
 *
 * Look-ups in the table of results, status.def.
 */
#include "protocol/status.h"

#include <stddef.h>
#include <string.h>

struct entry {
    enum status status;
    enum status_kind kind;
    int exit_code;
    const char *name;
    const char *text;
};

static const struct entry entries[] = {
#define STATUS(name, code, kind, exit, text) {STATUS_##name, STATUS_KIND_##kind, exit, #name, text},
#include "protocol/status.def"
#undef STATUS
};

#define ENTRY_COUNT (sizeof entries / sizeof entries[0])

static const struct entry *find(uint32_t code)
{
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        if ((uint32_t)entries[i].status == code)
            return &entries[i];
    }
    return NULL;
}

static const struct entry *find_or_unknown(enum status status)
{
    const struct entry *entry = find((uint32_t)status);
    return entry ? entry : find(STATUS_unknown);
}

bool status_is_known(uint32_t code)
{
    return find(code) != NULL;
}

const char *status_name(enum status status)
{
    return find_or_unknown(status)->name;
}

const char *status_text(enum status status)
{
    return find_or_unknown(status)->text;
}

enum status_kind status_kind(enum status status)
{
    return find_or_unknown(status)->kind;
}

const char *status_kind_name(enum status_kind kind)
{
    switch (kind) {
    case STATUS_KIND_APPLIED:
        return "applied";
    case STATUS_KIND_REFUSED:
        return "refused";
    case STATUS_KIND_SHED:
        return "shed";
    case STATUS_KIND_UNKNOWN:
        return "unknown";
    }
    return "unknown";
}

int status_exit(enum status status)
{
    return find_or_unknown(status)->exit_code;
}

bool status_from_name(const char *name, enum status *status)
{
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        if (strcmp(entries[i].name, name) == 0) {
            *status = entries[i].status;
            return true;
        }
    }
    return false;
}

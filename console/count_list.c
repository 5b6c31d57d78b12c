/* SPDX-License-Identifier: MIT
 *
 * See count_list.h.
 */
#include "console/count_list.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void count_list_release(struct count_list *list)
{
    free(list->lines);
    memset(list, 0, sizeof *list);
}

bool count_list_resize(struct count_list *list, uint32_t count)
{
    if (count > COUNT_LINES_MAX)
        return false;
    if (count > list->capacity) {
        uint32_t capacity = list->capacity * 2 > count ? list->capacity * 2 : count;
        struct count_line *lines = realloc(list->lines, capacity * sizeof *lines);
        if (!lines)
            return false;
        list->lines = lines;
        list->capacity = capacity;
    }
    if (count > list->count)
        memset(list->lines + list->count, 0, (count - list->count) * sizeof *list->lines);
    list->count = count;
    return true;
}

bool count_list_add(struct count_list *list, const char *sku, const char *warehouse)
{
    if (code_fault(sku, strlen(sku)) || code_fault(warehouse, strlen(warehouse)) ||
        !count_list_resize(list, list->count + 1))
        return false;
    struct count_line *line = &list->lines[list->count - 1];
    snprintf(line->sku, sizeof line->sku, "%s", sku);
    snprintf(line->warehouse, sizeof line->warehouse, "%s", warehouse);
    line->state = COUNT_OPEN;
    return true;
}

static bool add_text(EVP_MD_CTX *context, const char *text)
{
    return EVP_DigestUpdate(context, text, strlen(text) + 1) == 1;
}

bool count_list_digest(const struct count_list *list, const char *run,
                       uint8_t digest[HOLDFAST_DIGEST_BYTES])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                add_text(context, "count list") && add_text(context, run);

    for (uint32_t i = 0; i < list->count && good; i++)
        good = add_text(context, list->lines[i].warehouse) && add_text(context, list->lines[i].sku);
    good = good && EVP_DigestFinal_ex(context, digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

static enum count_state state_of(const struct holdfast_run_line *line)
{
    if (line->open)
        return COUNT_OPEN;
    if (line->status == HOLDFAST_APPLIED)
        return COUNT_DONE;
    return line->status == HOLDFAST_VERSION_CONFLICT ? COUNT_CONFLICT : COUNT_REFUSED;
}

void count_list_take(struct count_list *list, const struct holdfast_run_line *from)
{
    if (from->line < 1 || from->line > list->count)
        return;
    struct count_line *line = &list->lines[from->line - 1];
    if (from->sku && from->sku[0]) {
        snprintf(line->sku, sizeof line->sku, "%s", from->sku);
        snprintf(line->warehouse, sizeof line->warehouse, "%s",
                 from->warehouse ? from->warehouse : "");
    }
    if (line->state == COUNT_DONE)
        return;
    line->state = state_of(from);
    line->counted = from->counted;
    line->booked = from->booked;
}

uint32_t count_list_find(const struct count_list *list, const char *sku, const char *warehouse)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        const struct count_line *line = &list->lines[i];
        if (strcmp(line->sku, sku) != 0 ||
            (warehouse[0] && strcmp(line->warehouse, warehouse) != 0))
            continue;
        if (line->state == COUNT_OPEN)
            return i + 1;
        found = found ? found : i + 1;
    }
    return found;
}

uint32_t count_list_next(const struct count_list *list, uint32_t after)
{
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t line = (after + i) % list->count;
        if (list->lines[line].state == COUNT_OPEN)
            return line + 1;
    }
    return 0;
}

struct count_tally count_list_tally(const struct count_list *list)
{
    struct count_tally tally = {0};

    for (uint32_t i = 0; i < list->count; i++) {
        tally.done += list->lines[i].state == COUNT_DONE;
        tally.conflicts += list->lines[i].state == COUNT_CONFLICT;
    }
    tally.left = list->count - tally.done - tally.conflicts;
    return tally;
}

/* SPDX-License-Identifier: MIT
 *
 * See run_results.h.
 */
#include "cli/run_results.h"

#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"
#include "protocol/text.h"

#define TEXT_BYTES_MAX 255u

struct results {
    struct results_block *first;
    size_t count;
};

struct results *results_new(void)
{
    struct results *results = memory_grow(NULL, 1, sizeof *results);

    memset(results, 0, sizeof *results);
    return results;
}

static void block_free(struct results_block *block)
{
    for (size_t i = 0; i < block->count; i++)
        free((char *)(uintptr_t)block->lines[i].text);
    free(block);
}

void results_destroy(struct results **results)
{
    for (struct results_block *block = (*results)->first, *next; block; block = next) {
        next = block->next;
        block_free(block);
    }
    free(*results);
    *results = NULL;
}

static struct results_block *block_of(struct results *results, uint32_t number, int64_t now_us)
{
    struct results_block *block = results->first;

    while (block && (block->number != number || block->sent))
        block = block->next;
    if (block)
        return block;
    block = memory_grow(NULL, 1, sizeof *block);
    memset(block, 0, sizeof *block);
    block->number = number;
    block->since_us = now_us;
    /* The oldest first. */
    struct results_block **at = &results->first;
    while (*at)
        at = &(*at)->next;
    *at = block;
    results->count++;
    return block;
}

/* At most TEXT_BYTES_MAX, cut between characters, without control characters; NULL for nothing. */
static char *text_kept(const char *text)
{
    size_t length = text ? strlen(text) : 0;

    if (length == 0)
        return NULL;
    if (length > TEXT_BYTES_MAX) {
        length = TEXT_BYTES_MAX;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    char *kept = memory_printf("%.*s", (int)length, text);
    for (char *p = kept; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    if (text_fault(kept, strlen(kept), TEXT_BYTES_MAX)) { /* not UTF-8: better nothing */
        free(kept);
        return NULL;
    }
    return kept;
}

void results_add(struct results *results, const struct holdfast_run_line *line, void *waiting,
                 int64_t now_us)
{
    struct results_block *block = block_of(results, (line->line - 1) / RUN_BLOCK, now_us);
    struct holdfast_run_line kept = *line;
    size_t at = block->count;

    kept.text = text_kept(line->text);
    if (waiting && block->since_us > now_us + RESULTS_SOON_US - RESULTS_AGE_US)
        block->since_us = now_us + RESULTS_SOON_US - RESULTS_AGE_US;
    while (at > 0 && block->lines[at - 1].line >= line->line)
        at--;
    if (at < block->count && block->lines[at].line == line->line) {
        free((char *)(uintptr_t)block->lines[at].text);
        block->lines[at] = kept;
        block->waiting[at] = waiting;
        return;
    }
    memmove(&block->waiting[at + 1], &block->waiting[at], (block->count - at) * sizeof waiting);
    block->waiting[at] = waiting;
    memmove(&block->lines[at + 1], &block->lines[at], (block->count - at) * sizeof kept);
    block->lines[at] = kept;
    block->count++;
}

static int64_t due_us(const struct results_block *block)
{
    int64_t due = block->count == RUN_BLOCK ? 0 : block->since_us + RESULTS_AGE_US;

    return due > block->not_before_us ? due : block->not_before_us;
}

struct results_block *results_next(struct results *results, int64_t now_us, bool flush)
{
    for (struct results_block *block = results->first; block; block = block->next) {
        if (block->sent || (flush ? block->not_before_us : due_us(block)) > now_us)
            continue;
        block->sent = true;
        return block;
    }
    return NULL;
}

void results_done(struct results *results, struct results_block **block)
{
    struct results_block **at = &results->first;

    while (*at != *block)
        at = &(*at)->next;
    *at = (*block)->next;
    results->count--;
    block_free(*block);
    *block = NULL;
}

void results_halve(struct results *results, struct results_block *block)
{
    struct results_block *rest = memory_grow(NULL, 1, sizeof *rest);
    size_t kept = block->count / 2;

    *rest = (struct results_block){
        .number = block->number, .count = block->count - kept, .next = block->next};
    memcpy(rest->lines, &block->lines[kept], rest->count * sizeof *rest->lines);
    memcpy(rest->waiting, &block->waiting[kept], rest->count * sizeof *rest->waiting);
    block->count = kept;
    block->sent = false;
    block->since_us = rest->since_us = 0;
    block->next = rest;
    results->count++;
}

void results_again(struct results_block *block, int64_t not_before_us)
{
    block->sent = false;
    block->not_before_us = not_before_us;
}

size_t results_waiting(const struct results *results)
{
    return results->count;
}

int64_t results_due_us(const struct results *results)
{
    int64_t due = INT64_MAX;

    for (const struct results_block *block = results->first; block; block = block->next) {
        if (!block->sent && due_us(block) < due)
            due = due_us(block);
    }
    return due;
}

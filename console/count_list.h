/* SPDX-License-Identifier: MIT
 *
 * A list that is counted: its lines, what became of each, and which comes next. Pure; the record of
 * it is a run (protocol.md, "Count lists"), which count.c reads and writes.
 */
#ifndef CONSOLE_COUNT_LIST_H
#define CONSOLE_COUNT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/holdfast.h"
#include "protocol/text.h"

#define COUNT_LINES_MAX 20000u /* a longer one is several people's: filter, and make several */

enum count_state {
    COUNT_MISSING, /* the record does not have it: whoever made the list was cut off */
    COUNT_OPEN,
    COUNT_DONE,
    COUNT_CONFLICT, /* counted, but what is there moved meanwhile: somebody has to decide */
    COUNT_REFUSED,  /* for another reason, which was told; it can be counted again */
};

struct count_line {
    char sku[CODE_BYTES_MAX + 1], warehouse[CODE_BYTES_MAX + 1];
    enum count_state state;
    uint32_t counted, booked; /* CONFLICT */
};

struct count_list {
    struct count_line *lines; /* line n is lines[n - 1] */
    uint32_t count;           /* that the list has */
    uint32_t capacity;
};

struct count_tally {
    uint32_t done, conflicts, left; /* left: neither */
};

void count_list_release(struct count_list *list);
/* Makes room for so many lines, all of them missing. False without memory, or above the limit. */
bool count_list_resize(struct count_list *list, uint32_t count);
/* Adds an open line. False without memory, above the limit, or when a code is none. */
bool count_list_add(struct count_list *list, const char *sku, const char *warehouse);
/* What the list is, for the record: the same lines of the same run give the same digest. False
 * without memory. */
bool count_list_digest(const struct count_list *list, const char *run,
                       uint8_t digest[HOLDFAST_DIGEST_BYTES]);
/* Takes what the record says of a line; one that is beyond the list is left out. What is done stays
 * done: an answer may be older than a count that was just made here. */
void count_list_take(struct count_list *list, const struct holdfast_run_line *line);
/* The line of a sku, or 0; the open ones first. warehouse "": any. */
uint32_t count_list_find(const struct count_list *list, const char *sku, const char *warehouse);
/* The next line after this one that is open, from the start again at the end; 0: there is none. */
uint32_t count_list_next(const struct count_list *list, uint32_t after);
struct count_tally count_list_tally(const struct count_list *list);

/* count_sheet.c: reads a count sheet (CSV by its name's end, otherwise YAML) that nobody has filled
 * in, and the name of its run. False with the reason, and its place in the file, in error. */
bool count_sheet_read(const char *path, char run[CODE_BYTES_MAX + 1], struct count_list *list,
                      char *error, size_t error_bytes);

#endif

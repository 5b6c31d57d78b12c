/* SPDX-License-Identifier: MIT
 *
 * The inside of the count list that is open, shared by the files that make it; nobody else includes
 * it.
 *
 *   count.c        opening, reading and recording it, and what views ask of it
 *   count_make.c   a new list: its lines collected, the run begun, the lines written down
 */
#ifndef CONSOLE_COUNT_PRIVATE_H
#define CONSOLE_COUNT_PRIVATE_H

#include "console/count.h"

#define COUNT_PAGE 1000u /* lines of an answer, and of the page of a view */
#define COUNT_PAGES (COUNT_LINES_MAX / COUNT_PAGE)
#define AGAIN_US 500000
#define RECORDINGS_MAX 32

/* What became of a line, on its way into the record. */
struct recording {
    bool used, sent;
    struct app *app;
    char run[CODE_TEXT];
    char sku[CODE_TEXT], warehouse[CODE_TEXT], text[NAME_TEXT];
    struct holdfast_run_line line; /* its texts are those above */
    int64_t due_us;
};

struct counting {
    enum counting_phase phase;
    uint32_t serial; /* of the list: answers for an earlier one are for nobody */
    char run[CODE_TEXT];
    struct count_list list;
    int64_t created_at_us;
    uint32_t chosen;
    /* making */
    struct counting_source source;
    char *cursor;
    uint8_t digest[HOLDFAST_DIGEST_BYTES];
    uint32_t written;
    bool sent;
    int64_t due_us, give_up_us;
    /* reading: each page was read when the record had this version */
    uint64_t version, page_versions[COUNT_PAGES], asked_version;
    uint32_t asked_page;
    struct poll collect_poll, run_poll, page_poll;
    struct recording recordings[RECORDINGS_MAX];
};

/* ------------------------------------------------------------- count.c */

/* No list is open any more. */
void counting_forget(struct app *app);
/* The same, and says why. */
void counting_fail(struct app *app, const char *why);
/* Another list takes the place of the one that is open; it has this name, and no lines yet. */
void counting_start(struct app *app, const char *name);
/* The list is in the record: from there it is read. */
void counting_read(struct app *app);

/* ------------------------------------------------------------- count_make.c */

/* What is due of a list in one of the phases before it is read. */
void counting_make_tick(struct app *app);

#endif

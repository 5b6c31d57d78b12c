/* SPDX-License-Identifier: MIT
 *
 * The count list that is open, shared with everybody who counts it: made of what the Stock view
 * shows, of rows that were tagged, or of a count sheet; kept as a run, read again whenever somebody
 * has ticked a line off. One list at a time. Nothing here waits.
 */
#ifndef CONSOLE_COUNT_H
#define CONSOLE_COUNT_H

#include "console/app.h"
#include "console/count_list.h"

struct counting;
struct dialog;

enum counting_phase {
    COUNTING_NONE,
    COUNTING_COLLECTING, /* the lines are asked of a view, page by page */
    COUNTING_BEGINNING,  /* the run is begun */
    COUNTING_WRITING,    /* its lines are written down, block by block */
    COUNTING_READING,    /* the record is read for the first time */
    COUNTING_READY,
};

/* What a list is made of: levels of a warehouse that a filter lets through. */
struct counting_source {
    char warehouse[CODE_TEXT], text[CODE_TEXT];
    bool out_of_stock, below_safety;
    char (*skus)[CODE_TEXT]; /* these instead, in this order; borrowed. NULL: the filter */
    size_t sku_count;
};

/* NULL without memory. */
struct counting *counting_new(void);
/* After the handles are closed. */
void counting_destroy(struct counting **counting);

/* Makes a list with this name and opens it. A list that has the name already is gone on with when
 * it has the same lines, and refused otherwise. What goes wrong is said. */
void counting_make(struct app *app, const char *name, const struct counting_source *source);
/* A name for a list that is made now. */
void counting_propose_name(const struct app *app, char name[CODE_TEXT]);
/* Opens a list by its name. */
void counting_open(struct app *app, const char *name);
/* Reads a count sheet (YAML, or CSV by its name's end), makes a list of it and opens it. False with
 * the reason in error. */
bool counting_sheet(struct app *app, const char *path, char *error, size_t error_bytes);
void counting_tick(struct app *app);

enum counting_phase counting_phase(const struct app *app);
/* NULL: no list is open, or it is not read yet. */
const struct count_list *counting_list(const struct app *app);
const char *counting_run(const struct app *app);
/* The line that is counted next, or was chosen; 0: none. */
uint32_t counting_chosen(const struct app *app);
void counting_choose(struct app *app, uint32_t line);
/* Opens the form for a line, and says why not when it cannot be counted (any more). */
void counting_count(struct app *app, uint32_t line);
/* A scan, or a typed code, that was found: opens the form of its line. */
void counting_scanned(struct app *app, const char *sku, const char *warehouse);

/* For dialog.c: the count of a list's line was applied; it met a conflict and is left for later. */
void counting_applied(struct app *app, const struct dialog *d,
                      const struct holdfast_result *result);
void counting_conflict(struct app *app, const struct dialog *d, uint32_t counted, uint32_t booked);

#endif

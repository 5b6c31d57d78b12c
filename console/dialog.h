/* SPDX-License-Identifier: MIT
 *
 * What dialog.c (life of a form), dialog_forms.c (what each asks for and posts) and dialog_draw.c
 * share. For nobody else.
 */
#ifndef CONSOLE_DIALOG_H
#define CONSOLE_DIALOG_H

#include "console/app.h"

#define DIALOG_LINES 16 /* of a reservation, in one form */
#define LABEL_BYTES 96

enum dialog_phase {
    DIALOG_LOADING, /* what it is about has not been read yet */
    DIALOG_EDITING,
    DIALOG_CHECKING, /* whether a quantity is a barcode */
    DIALOG_POSTING,
    DIALOG_UNKNOWN, /* sent, and nobody knows yet what became of it */
};

/* Marks of fields; lines of a reservation are 0, 1, … */
enum {
    MARK_WAREHOUSE = 100,
    MARK_QUANTITY,
    MARK_TTL,
    MARK_TO,
    MARK_RESTOCK,
    MARK_REASON,
    MARK_REFERENCE,
    MARK_NOTE,
    MARK_KEEP,   /* the count or the difference, after a conflict */
    MARK_ACCEPT, /* the sku typed again, to accept a shortfall */
};

struct level {  /* a level as it was read */
    bool known; /* false: no figures */
    uint32_t on_hand, reserved, committed, unavailable, safety_stock;
    uint64_t version, on_hand_version;
};

struct dialog_line { /* of a reservation */
    char sku[CODE_TEXT], warehouse[CODE_TEXT];
    uint32_t most;
    char label[LABEL_BYTES];
};

#define PLAN_LINES 4

struct undone { /* the operation to be undone, and what that would do */
    char operation_id[37];
    uint32_t partition;
    bool has_previous; /* of a setting: what it was before */
    uint32_t previous;
    uint32_t generation; /* raised when an id was given up */
    bool undone_already; /* a newer movement says so */
    bool planned;        /* the owner has said what it would do */
    char plan[PLAN_LINES][LABEL_BYTES * 2];
    size_t plan_count;
    char refused[200]; /* why it cannot be; "": it can */
    uint64_t version;  /* of the level, that the plan was asked at */
};

struct dialog {
    enum action action;
    enum dialog_phase phase;
    struct subject subject;
    char name[NAME_TEXT]; /* of the item */
    struct form form;
    struct dialog_line line[DIALOG_LINES];
    size_t line_count;

    struct level opened, now, to_now;
    char read_warehouse[CODE_TEXT]; /* the one that `opened` and `now` are of */
    char read_to[CODE_TEXT];        /* the one that `to_now` is of */
    bool ask_owner; /* it was refused for lack of stock: what a view shows may be from before */
    uint64_t confirmed_version; /* on_hand_version that the person knows of (count) */
    struct undone undone;
    char id[37]; /* of an operation whose id is not made by chance */

    char trouble[320]; /* why it was not posted */
    char changed[200]; /* who moved it meanwhile */
    char what[160];    /* it did, for the message */
    uint32_t serial;   /* of the posting */
    struct poll stock_poll, reservation_poll, history_poll, plan_poll, check_poll;
    uint64_t history_version; /* that `changed` tells of */
    bool blind;               /* a count: what the books say is not shown */

    /* A line of a count list; list_line 0: of none. */
    char list_run[CODE_TEXT];
    uint32_t list_line;
    uint32_t list_generation; /* raised when an id was given up */
    int64_t list_time_us;     /* when the list was begun */
    bool resumed;             /* counted before, with a conflict: it is decided now, … */
    uint32_t resumed_booked;  /* … and this is what the books said then */
};

struct count_line;

/* The form that was just opened is for a line of a count list. conflict: what was counted before.
 */
void dialog_of_list(struct app *app, const char *run, uint32_t line, int64_t created_at_us,
                    const struct count_line *conflict);

/* dialog_forms.c */

const char *dialog_title(enum action action);
/* Makes the fields. False with trouble set: it cannot be done, and why. */
bool dialog_fields(struct app *app, struct dialog *d);
/* The lines of a reservation, once it is read. */
void dialog_reservation(struct dialog *d, const struct holdfast_reservation *reservation);
bool dialog_is_stock(const struct dialog *d);
/* The warehouse that it is about now; "": none chosen. */
const char *dialog_warehouse(struct dialog *d);
/* The warehouse that it goes to; "": none chosen. */
const char *dialog_to(struct dialog *d);
/* Of a parcel: what of the order is not in it, in words. False: everything is. */
bool dialog_short(struct dialog *d, char *text, size_t bytes);
/* What is wrong beside single fields; NULL: nothing. */
const char *dialog_fault(struct dialog *d, struct field **where);
/* Text of the field with this mark; "" when there is none. */
const char *dialog_text(struct dialog *d, int mark);
/* More is to be moved than is available, of what is known now: it will be refused. */
bool dialog_too_little(struct dialog *d);
/* on_hand, unavailable and safety stock after posting. False: not computable yet, or too little. */
bool dialog_after(struct dialog *d, struct level *after, struct level *to_after);
/* Fills the operation, whose texts are the dialog's; lines has DIALOG_LINES of room. what becomes
 * the words of the result. */
void dialog_operation(struct dialog *d, struct holdfast_operation *operation,
                      struct holdfast_line *lines);
uint32_t level_available(const struct level *level);
/* The count's conflict: offers to keep the count or the difference. */
void dialog_offer_keep(struct dialog *d);
/* So much lies there, promised or not: a shortfall that is accepted would make it possible. */
bool dialog_is_there(struct dialog *d);
/* Offers to promise more than there is, for the sku typed again. */
void dialog_offer_accept(struct dialog *d);

/* dialog_settle.c: asks what became of the dialog's id, which is not made by chance. again: when
 * nothing did, the form is posted again under the next one. */
void dialog_settle(struct app *app, struct dialog *d, bool again);

/* dialog_undo.c */

/* The undo of the dialog's movement. id has 37 bytes. */
void undo_operation(struct dialog *d, struct holdfast_operation *operation, char *id);
/* Asks the owner what it would do, once, and again when the level has moved. */
void undo_plan(struct app *app, struct dialog *d);

/* view_item.c: the operation of the movement with this sequence; false: it is not shown. */
bool item_movement(struct app *app, uint64_t sequence, struct undone *undone);

#endif

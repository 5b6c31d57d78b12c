/* SPDX-License-Identifier: MIT
 *
 * The table of actions (action.def) as code. Pure.
 */
#ifndef CONSOLE_ACTION_H
#define CONSOLE_ACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum view_id {
    VIEW_STOCK,
    VIEW_ITEM,
    VIEW_RESERVATIONS,
    VIEW_ORDERS,
    VIEW_OPERATIONS,
    VIEW_EVENTS,
    VIEW_RUNS,
    VIEW_SCAN,
    VIEW_COUNT,
    VIEWS
};

enum action {
#define ACTION(id, key, other, bar, name, text, where, needs) ACTION_##id,
#include "console/action.def"
#undef ACTION
    ACTIONS,
    ACTION_NONE = ACTIONS
};

enum action_needs { NOTHING, ROW, WRITE };

struct action_row {
    uint32_t key, other; /* other: 0, or a second key */
    const char *bar;     /* "" or a word of at most 5 letters */
    const char *name;    /* "": not in menu and palette */
    const char *text;
    unsigned views; /* bits of enum view_id; ACTION_FORM: in a form */
    enum action_needs needs;
};
#define ACTION_FORM (1u << VIEWS)

extern const struct action_row action_rows[ACTIONS];

/* ACTION_NONE: the key means nothing in this view. Alt and a digit stand for the F-key. */
enum action action_of_key(uint32_t key, enum view_id view);

#endif

/* SPDX-License-Identifier: MIT
 *
 * See action.h and action.def.
 */
#include "console/action.h"

#include "console/key.h"

#define IN(view) (1u << VIEW_##view)
#define ANYWHERE ((1u << VIEWS) - 1u)
#define STOCKED (IN(STOCK) | IN(ITEM))
#define HOLDING (IN(RESERVATIONS) | IN(ORDERS))
#define COPYING (IN(STOCK) | IN(RESERVATIONS) | IN(EVENTS))
#define OPENING (COPYING | IN(RUNS) | IN(COUNT))
#define FILTERED (IN(STOCK) | IN(EVENTS))
#define TAGGED (IN(STOCK) | IN(RESERVATIONS))
#define COUNTED (STOCKED | IN(COUNT))
#define LISTS (ANYWHERE & ~IN(SCAN))
#define LOOKING LISTS
#define WRITABLE (IN(STOCK) | IN(ITEM) | IN(RESERVATIONS) | IN(EVENTS) | IN(RUNS))
#define IN_FORM ACTION_FORM

const struct action_row action_rows[ACTIONS] = {
#define ACTION(id, key_, other_, bar_, name_, text_, where_, needs_)                               \
    {.key = key_,                                                                                  \
     .other = other_,                                                                              \
     .bar = bar_,                                                                                  \
     .name = name_,                                                                                \
     .text = text_,                                                                                \
     .views = where_,                                                                              \
     .needs = needs_},
#include "console/action.def"
#undef ACTION
};

static uint32_t without_alt(uint32_t key)
{
    if (key >= K_ALT + '1' && key <= K_ALT + '9')
        return K_F + key - K_ALT - '0';
    return key == K_ALT + '0' ? K_F + 10 : key;
}

enum action action_of_key(uint32_t key, enum view_id view)
{
    key = without_alt(key);
    for (int i = 0; i < ACTIONS; i++) {
        const struct action_row *row = &action_rows[i];
        if ((row->key == key || (row->other && row->other == key)) &&
            (row->views & (1u << view | ACTION_FORM)))
            return (enum action)i;
    }
    return ACTION_NONE;
}

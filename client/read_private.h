/* SPDX-License-Identifier: MIT
 *
 * What the files of a read share; private to them. read.h is the way in.
 *
 *   read.c        what a view and the owners gave, put together
 *   read_query.c  the question: checked, copied, and as a ViewQuery; cursors
 */
#ifndef CLIENT_READ_PRIVATE_H
#define CLIENT_READ_PRIVATE_H

#include "client/read.h"

/* What the owners have been asked so far. */
enum owner_step {
    OWNER_NOT_ASKED,
    OWNER_ASKED, /* a BARCODE: which item has it */
    OWNER_ASKED_STOCK,
};

struct read {
    struct pool pool;                 /* the question's texts */
    struct holdfast_view_query asked; /* a copy; limit is filled in */
    const uint8_t *cursor;            /* of a view */
    size_t cursor_bytes;
    uint64_t least[HOLDFAST_VIEW_KEYS_MAX]; /* of the key's partition when it was asked */

    struct view_box *box; /* the answer so far; NULL: nothing was heard */
    int64_t view_at_us;   /* when the view gave it; 0: no view did */
    enum owner_step step;
    /* Keys that the owners are asked for, by their number. */
    uint16_t wanted[HOLDFAST_VIEW_KEYS_MAX];
    const char *wanted_keys[HOLDFAST_VIEW_KEYS_MAX];
    size_t wanted_count;
    int owner_status; /* why not everything is known */
    const char *owner_message;
};

/* A page of skus in their own order, from one on: an owner can give it as well. */
bool read_is_plain_page(const struct read *read);
/* Could owners answer all of it? */
bool read_suits_owners(const struct read *read);
/* The cursor that goes on after this answer, or NULL when there is no memory. last_sku: of a plain
 * page. */
const char *read_cursor(const struct read *read, struct view_box *box, const char *last_sku);

#endif

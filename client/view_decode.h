/* SPDX-License-Identifier: MIT
 *
 * From the body ViewAnswer to struct holdfast_view_answer, in memory of its own that
 * holdfast_view_answer_free gives back, with what only the library needs beside it. Pure. What the
 * peer sent has been unpacked, and is otherwise not trusted.
 */
#ifndef CLIENT_VIEW_DECODE_H
#define CLIENT_VIEW_DECODE_H

#include "client/holdfast_view.h"
#include "client/pool.h"
#include "protocol/holdfast.pb-c.h"

/* An answer with its memory. holdfast_view_answer_free gets &box->answer. */
struct view_box {
    struct pool pool;
    struct holdfast_view_answer answer;
    struct holdfast_view_stock *stock; /* the answer's, to be changed */
    const uint8_t *cursor;             /* as the view gave it */
    size_t cursor_bytes;
    bool out_of_memory; /* it is the static one: only its answer may be given away */
};

/* NULL when there is no memory. The answer's cursor is NULL still. */
struct view_box *view_box_decode(const Hf__ViewAnswer *wire);
/* One that this side gives. Never NULL: when there is no memory, a static one. */
struct view_box *view_box_make(int status, const char *field, const char *message);
/* Another status, and why; when there is no memory the status alone is changed. */
void view_box_set_status(struct view_box *box, int status, const char *field, const char *message);
void view_box_free(struct view_box **box);

#endif

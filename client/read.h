/* SPDX-License-Identifier: MIT
 *
 * One read: what is asked of a view, what of it the owners have to be asked after that, and the
 * answer that comes of both. Pure: its caller carries the questions and brings the answers.
 *
 *   read_new → read_encode → a view → read_take_view
 *            → while read_owner_query: the owners → read_take_owner
 *            → read_finish
 *
 * The step through the view is left out when there is none, or when READ_OWNER asks for it. What
 * neither could tell is said to be unknown.
 */
#ifndef CLIENT_READ_H
#define CLIENT_READ_H

#include "client/encode.h"
#include "client/holdfast_view.h"
#include "client/positions.h"
#include "client/view_decode.h"

struct read;

/* Copies the query, after checking it. NULL with the fault when an argument is bad or there is no
 * memory. */
struct read *read_new(const struct holdfast_view_query *query, struct fault *fault);
void read_destroy(struct read **read);

/* READ_OWNER: no view is to be asked. */
bool read_is_owners(const struct read *read);

/* The ViewQuery. partitions: how many there are; 0: not known. wait_ms_max bounds how long a view
 * may wait for what it lacks. False: no memory. */
bool read_encode(struct read *read, const struct positions *positions, uint32_t partitions,
                 uint32_t wait_ms_max, struct encoded *encoded);
/* What the view at endpoint gave, or why none did; takes the box. */
void read_take_view(struct read *read, struct view_box **box, const char *endpoint, int64_t now_us);

/* What the owners have to be asked next; its texts are borrowed from the read. False: nothing. */
bool read_owner_query(struct read *read, struct holdfast_query *query);
/* Takes the answer. An owner that says that its history ends before what is asked of it lowers
 * that. */
void read_take_owner(struct read *read, struct holdfast_answer *answer,
                     struct positions *positions);

/* Everything that came in; afterwards the read is empty. Never NULL. */
struct holdfast_view_answer *read_finish(struct read *read, int64_t now_us);

#endif

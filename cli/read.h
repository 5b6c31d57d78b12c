/* SPDX-License-Identifier: MIT
 *
 * Reads of the commands that show what is: through a view, as --consistency says, with what is not
 * known told as such.
 */
#ifndef CLI_READ_H
#define CLI_READ_H

#include "cli/session.h"
#include "client/holdfast_view.h"

/* Fills in how new the answer has to be from --consistency; without it: the latest, so that what
 * anybody wrote before the command was typed is in it. 0, or EX_USAGE after having told. */
int read_consistency(const struct invocation *invocation, struct session *session,
                     struct holdfast_view_query *query);

/* Asks. NULL after having told why, with *code: nothing was answered. What is incomplete is
 * returned, after it was told that it is, and *code is not 0. */
struct holdfast_view_answer *session_read(struct session *session,
                                          const struct holdfast_view_query *query, int *code);

/* For an answer that has nothing of a warehouse: 0 when there is such a warehouse, otherwise an
 * exit code after having told that there is none, or that nobody could tell. */
int session_find_warehouse(struct session *session, const char *warehouse);

/* Tells on stderr when what is shown is older than a person would expect. */
void read_tell_age(const struct invocation *invocation, const struct holdfast_view_answer *answer);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Rows that were tagged with Space. They are remembered by what they are, never by their place, and
 * a form then goes through them, one after the other: each with its own preview and its own F2.
 */
#ifndef CONSOLE_TAG_H
#define CONSOLE_TAG_H

#include "console/app.h"

/* Tags or untags the selected row. Tags of another view are given up. */
void tag_toggle(struct app *app);
bool tag_has(const struct app *app, const char *key);
/* Of the view that is shown. */
size_t tag_count(const struct app *app);
/* False: there were none. */
bool tag_clear(struct app *app);
/* A form for the first tagged row. False: nothing is tagged here. */
bool tag_form(struct app *app, enum action action);
/* The form of the row with this key was posted: the next one opens, with what was typed that is the
 * same for all. before is the form's. */
void tag_posted(struct app *app, const struct subject *subject, enum action action,
                const struct form *before);

#endif

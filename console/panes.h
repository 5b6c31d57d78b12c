/* SPDX-License-Identifier: MIT
 *
 * What stands below the list of Stock on a screen that has room: what runs out next, queues and
 * workers, the newest events, and on a large screen the history of the selected item. They ask a
 * view, rarely; the history alone is its owner's, and is read once for an item on which the
 * selection has come to rest.
 */
#ifndef CONSOLE_PANES_H
#define CONSOLE_PANES_H

#include "console/app.h"

struct panes;

struct panes *panes_new(void); /* NULL without memory */
void panes_destroy(struct panes **panes);
/* Rows that they take from the end of a screen of this size; 0: there is no room, or they are
 * turned off. */
int panes_rows(const struct app *app, int rows, int columns);
/* Asks for what is due. figures: anything that changes when the stock of the selected item does. */
void panes_tick(struct app *app, const char *sku, const char *warehouse, uint64_t figures);
void panes_draw(struct app *app, struct canvas *c, struct area area);

#endif

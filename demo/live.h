/* SPDX-License-Identifier: MIT
 *
 * The file's sales once more, as new orders at a pace that a person can follow on the console: two
 * lines a second are reserved; seconds later most are purchased and shipped, some are released, and
 * some are left to expire. Goods that run out come in again, and what is broken is written off.
 */
#ifndef DEMO_LIVE_H
#define DEMO_LIVE_H

#include "client/holdfast.h"
#include "demo/retail.h"

/* Goes on, from the first sale again after the last, until *stop is set (by a signal's handler).
 * What goes wrong is skipped: the console is there to show it. */
void live_run(struct holdfast *client, const struct retail *retail, const volatile int *stop);

#endif

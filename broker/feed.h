/* SPDX-License-Identifier: MIT
 *
 * The broker's part of the feed of changes: what workers publish goes to whoever subscribed,
 * unread; subscriptions and ASKs go the other way. It never waits: a subscriber that does not keep
 * up loses messages, sees the gap, and reads the ledger. Used by server.c; nothing here touches
 * operations.
 */
#ifndef BROKER_FEED_H
#define BROKER_FEED_H

#include <stdbool.h>

struct feed {  /* zeroed: there is none */
    void *in;  /* XSUB: from workers */
    void *out; /* XPUB: to subscribers */
};

/* Makes the sockets, unbound. False with errno. */
bool feed_open(struct feed *feed, void *context);
/* Passes on what has arrived on either side, up to a limit. */
void feed_forward(struct feed *feed);
void feed_close(struct feed *feed);

#endif

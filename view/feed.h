/* SPDX-License-Identifier: MIT
 *
 * Keeps the model at the present: hears changes from all brokers, asks owners how fresh it is, and
 * has what is missing read from the shards. Decision 0017 says how. Nothing here waits.
 *
 * A partition needs nothing, a stretch of the ledger, or a snapshot; what is heard of it meanwhile
 * is kept and played afterwards, up to a limit.
 */
#ifndef VIEW_FEED_H
#define VIEW_FEED_H

#include "common/config.h"
#include "view/model.h"

struct feed_view;

/* Subscribes at every broker and starts a reader for each shard. config and model are borrowed.
 * NULL with errno. */
struct feed_view *feed_view_open(void *context, const struct config *config, struct model *model);
/* False: a database hangs; see reader_close. */
bool feed_view_close(struct feed_view **feed);

/* How many of its sockets there are, and adds them to a zmq_pollitem_t array. */
size_t feed_view_poll_items(const struct feed_view *feed, void *items);
#define FEED_POLL_ITEMS_MAX (1 + CONFIG_SHARDS_MAX)

/* Asks the owners again soon, for somebody waits: as soon as the protocol allows. */
void feed_view_ask_soon(struct feed_view *feed);
/* Everything that has arrived, up to a limit, and what is due. True: the model may have changed. */
bool feed_view_tick(struct feed_view *feed, int64_t now_us);
/* Has a tick something to do although nothing arrived? */
bool feed_view_is_due(const struct feed_view *feed, int64_t now_us);
int64_t feed_view_wait_us(const struct feed_view *feed, int64_t now_us);

/* Gaps filled since the start. */
uint64_t feed_view_repairs(const struct feed_view *feed);

#endif

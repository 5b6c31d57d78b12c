/* SPDX-License-Identifier: MIT
 *
 * The worker's socket for changes, and nothing but the socket. Never blocks.
 */
#ifndef WORKERS_PUBLISH_LINK_H
#define WORKERS_PUBLISH_LINK_H

#include "common/config.h"
#include "workers/publish.h"

struct publish_link;

/* An XPUB that connects to `publish` of every broker that has one. *link is NULL when none has.
 * False with errno. */
bool publish_link_open(struct publish_link **link, void *context, const struct config *config);
/* link may be NULL. */
void publish_link_close(struct publish_link **link);
struct publish_output publish_link_output(struct publish_link *link);
/* The socket, for zmq_poll. */
void *publish_link_socket(const struct publish_link *link);

#endif

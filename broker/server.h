/* SPDX-License-Identifier: MIT
 *
 * The broker's sockets and its loop: carries messages between ZeroMQ and the dispatch core, and
 * decides nothing about them. Used by main.c.
 */
#ifndef BROKER_SERVER_H
#define BROKER_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/dispatch.h"
#include "common/config.h"

#define SERVER_ERROR_BYTES 512

struct server;

/* Binds the sockets. NULL with a sentence in error (SERVER_ERROR_BYTES) when that fails: an
 * endpoint is not valid, another broker serves it, or the system refuses. SIGTERM and SIGINT are
 * blocked from here on and end server_run. */
struct server *server_open(const struct dispatch_config *config,
                           const struct config_broker *endpoints, char *error);

/* Serves until a signal ends it; says goodbye to every peer. False when the system fails (errno).
 */
bool server_run(struct server *server);

/* Closes the sockets; leaves no socket file and no lock file behind. */
void server_close(struct server **server);

#endif

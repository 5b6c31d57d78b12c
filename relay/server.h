/* SPDX-License-Identifier: MIT
 *
 * The relay's side of its consumers: sessions (common/peers.h), whose messages go to the desk, and
 * what the desk sends.
 */
#ifndef RELAY_SERVER_H
#define RELAY_SERVER_H

#include "common/config.h"
#include "common/peers.h"
#include "relay/desk.h"

struct relay_server;

/* Binds the endpoint. config and name are borrowed. NULL with a sentence in error
 * (PEERS_ERROR_BYTES). */
struct relay_server *relay_server_open(void *context, const struct config *config,
                                       const char *endpoint, const char *name, char *error);
/* How the desk speaks; give it to desk_new, and the desk to relay_server_serve before anything is
 * read. */
struct desk_sink relay_server_sink(struct relay_server *server);
void relay_server_serve(struct relay_server *server, struct desk *desk);
/* Says GOODBYE to everybody: the desk learns that they are gone. */
void relay_server_close(struct relay_server **server);

void *relay_server_socket(const struct relay_server *server);
void relay_server_read(struct relay_server *server, int64_t now_us);
/* Sends what the desk has collected, and ends silent sessions. */
void relay_server_tick(struct relay_server *server, int64_t now_us);
int64_t relay_server_due_us(const struct relay_server *server);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The view's side of its clients: a ROUTER, sessions as a broker has them, and questions that wait
 * for at_least or latest. Answers are made at once, so nothing is queued for a client beyond its
 * socket.
 */
#ifndef VIEW_SERVER_H
#define VIEW_SERVER_H

#include "common/config.h"
#include "common/peers.h"
#include "view/model.h"

#define VIEW_ERROR_BYTES PEERS_ERROR_BYTES

struct view_server;

/* What the process adds to the answer of a status question. */
struct view_facts {
    const char *name;
    int64_t started_at_us;
    uint64_t repairs;
};

/* Binds the endpoint. config, model and facts are borrowed; facts may change. NULL with a sentence
 * in error (VIEW_ERROR_BYTES). */
struct view_server *view_server_open(void *context, const struct config *config,
                                     const char *endpoint, struct model *model,
                                     const struct view_facts *facts, char *error);
/* Says GOODBYE to everybody; leaves no socket file and no lock file behind. */
void view_server_close(struct view_server **server);

void *view_server_socket(const struct view_server *server);
/* Reads and answers what has arrived, up to a limit. */
void view_server_read(struct view_server *server, int64_t now_us);
/* Answers waiting questions that can be answered now or must be; ends silent sessions. changed: the
 * model may have changed. */
void view_server_tick(struct view_server *server, bool changed, int64_t now_us);
/* Somebody has come, since this was asked last, who waits for what owners say now. */
bool view_server_wants_beacon(struct view_server *server);
int64_t view_server_wait_us(const struct view_server *server, int64_t now_us);

#endif

/* SPDX-License-Identifier: MIT
 *
 * See server.h.
 */
#include "relay/server.h"

#include <stdlib.h>
#include <string.h>

struct relay_server {
    struct peers *peers;
    struct peers_owner owner;
    struct desk *desk;
};

static void take(void *context, struct peer *peer, const struct header *header, const uint8_t *body,
                 size_t body_bytes, int64_t now_us)
{
    struct relay_server *s = context;

    if (!peer->data)
        peer->data = desk_come(s->desk, peer);
    desk_message(s->desk, peer->data, (enum message_type)header->type, header->sequence, body,
                 body_bytes, peers_arena(s->peers), now_us);
}

static void ended(void *context, struct peer *peer)
{
    struct relay_server *s = context;

    if (peer->data)
        desk_gone(s->desk, peer->data);
    peer->data = NULL;
}

/* ------------------------------------------------------------- what the desk says */

/* One message at a time, so that what was not taken is known. */
static bool send_message(void *context, void *to, enum message_type type, uint64_t sequence,
                         const uint8_t *body, size_t body_bytes)
{
    struct relay_server *s = context;
    struct peer *peer = to;
    struct header header = {.type = (uint8_t)type,
                            .partition = PARTITION_NONE,
                            .session = peer->session,
                            .sequence = sequence};

    memcpy(peers_collect(s->peers, peer, &header, body_bytes), body, body_bytes);
    return peers_flush(s->peers);
}

static void end_session(void *context, void *whose, enum error_code code, const char *text)
{
    struct relay_server *s = context;
    struct peer *peer = whose;
    struct header about = {.session = peer->session};

    peers_fault(s->peers, peer, &about, code, text);
}

struct desk_sink relay_server_sink(struct relay_server *server)
{
    return (struct desk_sink){.context = server, .send = send_message, .end = end_session};
}

/* ------------------------------------------------------------- life */

void relay_server_serve(struct relay_server *server, struct desk *desk)
{
    server->desk = desk;
}

struct relay_server *relay_server_open(void *context, const struct config *config,
                                       const char *endpoint, const char *name, char *error)
{
    struct relay_server *server = calloc(1, sizeof *server);

    if (!server)
        abort();
    server->owner =
        (struct peers_owner){.context = server, .name = name, .take = take, .ended = ended};
    server->peers = peers_open(context, config, endpoint, &server->owner, error);
    if (server->peers)
        return server;
    free(server);
    return NULL;
}

void relay_server_close(struct relay_server **server)
{
    peers_close(&(*server)->peers);
    free(*server);
    *server = NULL;
}

void *relay_server_socket(const struct relay_server *server)
{
    return peers_socket(server->peers);
}

void relay_server_read(struct relay_server *server, int64_t now_us)
{
    peers_read(server->peers, now_us);
}

void relay_server_tick(struct relay_server *server, int64_t now_us)
{
    arena_reset(peers_arena(server->peers));
    peers_tick(server->peers, now_us);
}

int64_t relay_server_due_us(const struct relay_server *server)
{
    return peers_due_us(server->peers);
}

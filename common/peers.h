/* SPDX-License-Identifier: MIT
 *
 * The server's side of a session, for the programs that clients connect to besides the broker
 * (view and relay): a ROUTER, HELLO and WELCOME, heartbeats, faults, batches in and out. What a
 * session is for, its owner says: messages of the types that are not of every session are handed to
 * it. What comes from a peer is validated; a fault is answered with an ERROR, as protocol.md lists
 * them. Nothing here waits.
 */
#ifndef COMMON_PEERS_H
#define COMMON_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/config.h"
#include "protocol/error.h"
#include "protocol/header.h"

#define PEERS_ERROR_BYTES 512
#define PEER_ROUTE_BYTES_MAX 255

struct peers;

/* A session. Valid until `ended` returns. */
struct peer {
    uint8_t route[PEER_ROUTE_BYTES_MAX];
    uint8_t route_bytes;
    uint32_t session;
    int64_t heard_us;
    char name[65]; /* as the peer calls itself */
    void *data;    /* the owner's */
};

/* The owner of the sessions. */
struct peers_owner {
    void *context;
    const char *name; /* of this program, told in WELCOME */
    /* A message in a session, of a type that is not of every session. The body is valid until it
     * returns. It may end the session with peers_fault. */
    void (*take)(void *context, struct peer *peer, const struct header *header, const uint8_t *body,
                 size_t body_bytes, int64_t now_us);
    /* The session is over, whatever ended it; nothing can be sent in it. May be NULL. */
    void (*ended)(void *context, struct peer *peer);
};

/* Binds the endpoint. config and owner are borrowed. NULL with a sentence in error
 * (PEERS_ERROR_BYTES). */
struct peers *peers_open(void *context, const struct config *config, const char *endpoint,
                         const struct peers_owner *owner, char *error);
/* Ends every session (`ended` is called) and says GOODBYE; leaves no socket file and no lock file
 * behind. */
void peers_close(struct peers **peers);

void *peers_socket(const struct peers *peers);
/* Reads what has arrived, up to a limit. */
void peers_read(struct peers *peers, int64_t now_us);
/* Ends silent sessions. */
void peers_tick(struct peers *peers, int64_t now_us);
/* When peers_tick must be called again, monotonic. */
int64_t peers_due_us(const struct peers *peers);

/* Memory for what is being sent; reset with every message that is read, and by the owner before it
 * sends by itself. */
struct arena *peers_arena(struct peers *peers);

/* Room for one more message to this peer, which is header and body_bytes of body; returns where the
 * body goes, to be filled at once. Messages are collected for one peer at a time: to collect for
 * another one flushes. What was collected while messages were read is flushed after all that this
 * peer has sent. */
uint8_t *peers_collect(struct peers *peers, const struct peer *peer, const struct header *header,
                       size_t body_bytes);
/* Sends what was collected: one message as it is, several as a BATCH. False when it was dropped:
 * the peer does not take it, or is gone. */
bool peers_flush(struct peers *peers);
/* Sends an ERROR about a message; about->session and sequence are used. Ends the session when the
 * code does: the peer is gone then. text: for people, instead of the code's own; may be NULL. */
void peers_fault(struct peers *peers, struct peer *peer, const struct header *about,
                 enum error_code code, const char *text);

#endif

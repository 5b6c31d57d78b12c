/* SPDX-License-Identifier: MIT
 *
 * One connection of the library: a DEALER that is thrown away with its session, behind a file
 * descriptor that stays. Nothing here waits, except link_close, which gives what is on its way
 * LINGER_MS.
 */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

struct link {
    bool shares; /* context and poll_fd are another link's */
    void *context;
    void *socket;  /* NULL: not connected */
    int socket_fd; /* in poll_fd while there is a socket */
    void *monitor; /* tells when the connection breaks; NULL: nobody does */
    int monitor_fd;
    int poll_fd;     /* an epoll that holds both descriptors */
    unsigned opened; /* connections so far: each monitor has a name of its own */
};

/* With beside, another link's context and poll_fd serve this one as well; close this one first.
 * False with errno. */
bool link_open(struct link *link, const struct link *beside);
/* Closes what there is first. False with errno: a bad endpoint, or no descriptors. */
bool link_connect(struct link *link, const char *endpoint);
void link_disconnect(struct link *link);
/* is_child: this process inherited the link by fork; its libzmq must not be touched. */
void link_close(struct link *link, bool linger, bool is_child);

/* Copies. False when it was not sent: no socket, or its queue is full. */
bool link_send(struct link *link, const uint8_t header[32], const uint8_t *body, size_t body_bytes);

struct link_message {
    zmq_msg_t header, body; /* the body may be empty */
    bool misframed;         /* not one or two frames; what is here is not to be read */
};

/* Has the connection broken? Told once; what came before it has been received by then, if
 * link_receive has said that nothing is there after this was true. */
bool link_broken(struct link *link);

/* False when nothing is there. The message is the caller's to release. */
bool link_receive(struct link *link, struct link_message *message);
void link_message_release(struct link_message *message);

#endif

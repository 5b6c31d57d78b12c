/* SPDX-License-Identifier: MIT
 *
 * The DEALER and its file descriptor; see link.h. ZMQ_FD is edge-triggered: it tells of changes,
 * and every call on the socket may swallow one. It is right to wait on poll_fd only after
 * link_receive has said that nothing is there, with no link_send after that.
 */
#include "client/link.h"

#include "protocol/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LINGER_MS 100
#define RECONNECT_MS 50
#define RECONNECT_MAX_MS 1000
#define DESCRIPTORS_AT_START 8 /* a context's two threads and a socket take six */

/* Without one for what it has begun, libzmq ends the program. */
static bool has_descriptors(int any)
{
    int spare[DESCRIPTORS_AT_START];
    size_t count = 0;

    while (count < DESCRIPTORS_AT_START && (spare[count] = fcntl(any, F_DUPFD_CLOEXEC, 0)) >= 0)
        count++;
    int saved = errno;
    for (size_t i = 0; i < count; i++)
        close(spare[i]);
    errno = saved;
    return count == DESCRIPTORS_AT_START;
}

/* A context begins its threads with its first socket: now, while there is what they need. */
static bool start_context(struct link *link)
{
    link->context = has_descriptors(link->poll_fd) ? zmq_ctx_new() : NULL;
    void *first = link->context ? zmq_socket(link->context, ZMQ_DEALER) : NULL;
    if (first && zmq_close(first) == 0)
        return true;
    int saved = errno;
    if (link->context)
        zmq_ctx_term(link->context);
    errno = saved;
    return false;
}

bool link_open(struct link *link, const struct link *beside)
{
    *link = (struct link){.socket_fd = -1, .monitor_fd = -1, .poll_fd = -1};
    if (beside) {
        link->shares = true;
        link->context = beside->context;
        link->poll_fd = beside->poll_fd;
        return true;
    }
    link->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (link->poll_fd < 0)
        return false;
    if (start_context(link))
        return true;
    int saved = errno;
    close(link->poll_fd);
    errno = saved;
    return false;
}

static void close_monitor(struct link *link)
{
    if (!link->monitor)
        return;
    epoll_ctl(link->poll_fd, EPOLL_CTL_DEL, link->monitor_fd, NULL);
    zmq_socket_monitor(link->socket, NULL, 0);
    zmq_close(link->monitor);
    link->monitor = NULL;
    link->monitor_fd = -1;
}

void link_disconnect(struct link *link)
{
    if (!link->socket)
        return;
    close_monitor(link);
    epoll_ctl(link->poll_fd, EPOLL_CTL_DEL, link->socket_fd, NULL);
    zmq_close(link->socket);
    link->socket = NULL;
    link->socket_fd = -1;
}

static bool set_number(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* What is queued for sending is bounded by the window that the broker gives, so the socket's own
 * limit is off: a message that the core counts as sent must not be lost here. */
static bool configure(void *socket)
{
    int64_t largest = MESSAGE_BYTES_MAX + 1024;

    return set_number(socket, ZMQ_LINGER, 0) && set_number(socket, ZMQ_SNDHWM, 0) &&
           set_number(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
           set_number(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0;
}

/* A PAIR on which libzmq says what becomes of the connection. Without one, silence says it later.
 */
static void open_monitor(struct link *link)
{
    char name[64];
    size_t size = sizeof link->monitor_fd;
    struct epoll_event event = {.events = EPOLLIN};

    snprintf(name, sizeof name, "inproc://holdfast-monitor-%p-%u", (void *)link, ++link->opened);
    if (zmq_socket_monitor(link->socket, name, ZMQ_EVENT_DISCONNECTED) != 0)
        return;
    link->monitor = zmq_socket(link->context, ZMQ_PAIR);
    if (link->monitor && set_number(link->monitor, ZMQ_LINGER, 0) &&
        zmq_connect(link->monitor, name) == 0 &&
        zmq_getsockopt(link->monitor, ZMQ_FD, &link->monitor_fd, &size) == 0 &&
        epoll_ctl(link->poll_fd, EPOLL_CTL_ADD, link->monitor_fd, &event) == 0)
        return;
    zmq_socket_monitor(link->socket, NULL, 0);
    if (link->monitor)
        zmq_close(link->monitor);
    link->monitor = NULL;
    link->monitor_fd = -1;
}

bool link_connect(struct link *link, const char *endpoint)
{
    size_t size = sizeof link->socket_fd;
    struct epoll_event event = {.events = EPOLLIN};

    link_disconnect(link);
    link->socket = zmq_socket(link->context, ZMQ_DEALER);
    if (!link->socket)
        return false;
    if (configure(link->socket)) {
        open_monitor(link);
        if (zmq_connect(link->socket, endpoint) == 0 &&
            zmq_getsockopt(link->socket, ZMQ_FD, &link->socket_fd, &size) == 0 &&
            epoll_ctl(link->poll_fd, EPOLL_CTL_ADD, link->socket_fd, &event) == 0)
            return true;
    }
    int saved = errno;
    close_monitor(link);
    zmq_close(link->socket);
    link->socket = NULL;
    link->socket_fd = -1;
    errno = saved;
    return false;
}

void link_close(struct link *link, bool linger, bool is_child)
{
    if (!is_child) {
        if (link->socket && linger)
            set_number(link->socket, ZMQ_LINGER, LINGER_MS);
        link_disconnect(link);
        while (!link->shares && zmq_ctx_term(link->context) != 0 && errno == EINTR)
            continue;
    }
    if (!link->shares)
        close(link->poll_fd);
}

static bool send_frame(void *socket, const void *bytes, size_t length, int flags)
{
    int sent;

    do
        sent = zmq_send(socket, bytes, length, flags | ZMQ_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

bool link_send(struct link *link, const uint8_t header[32], const uint8_t *body, size_t body_bytes)
{
    return link->socket && send_frame(link->socket, header, HEADER_BYTES, ZMQ_SNDMORE) &&
           send_frame(link->socket, body, body_bytes, 0);
}

static bool receive_frame(void *socket, zmq_msg_t *frame)
{
    int got;

    do
        got = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got >= 0;
}

bool link_receive(struct link *link, struct link_message *message)
{
    zmq_msg_t rest;

    if (!link->socket)
        return false;
    zmq_msg_init(&message->header);
    zmq_msg_init(&message->body);
    message->misframed = false;
    if (!receive_frame(link->socket, &message->header)) {
        link_message_release(message);
        return false;
    }
    if (!zmq_msg_more(&message->header))
        return true;
    receive_frame(link->socket, &message->body); /* parts of a message arrive together */
    if (!zmq_msg_more(&message->body))
        return true;
    message->misframed = true;
    zmq_msg_init(&rest);
    while (receive_frame(link->socket, &rest) && zmq_msg_more(&rest))
        continue;
    zmq_msg_close(&rest);
    return true;
}

void link_message_release(struct link_message *message)
{
    zmq_msg_close(&message->header);
    zmq_msg_close(&message->body);
}

/* An event is two frames: its number in 16 bits and a value, and the endpoint. */
bool link_broken(struct link *link)
{
    bool broken = false;

    while (link->monitor) {
        zmq_msg_t frame;
        uint16_t event = 0;
        bool more;
        zmq_msg_init(&frame);
        if (!receive_frame(link->monitor, &frame)) {
            zmq_msg_close(&frame);
            break;
        }
        if (zmq_msg_size(&frame) >= sizeof event)
            memcpy(&event, zmq_msg_data(&frame), sizeof event);
        broken = broken || event == ZMQ_EVENT_DISCONNECTED;
        more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
        while (more) {
            zmq_msg_init(&frame);
            more = receive_frame(link->monitor, &frame) && zmq_msg_more(&frame);
            zmq_msg_close(&frame);
        }
    }
    return broken;
}

/* SPDX-License-Identifier: MIT
 *
 * Sockets and loop; see server.h.
 *
 * What libzmq 4.3.4 makes necessary: the routing ids are its own; ZMQ_HEARTBEAT_IVL stays off (it
 * can abort with a finite high-water mark), silence is the core's business; a message over 33 bytes
 * pins a slab, so the core copies what it keeps; binding an ipc endpoint steals one that is in use,
 * so a lock is taken beside it first.
 */
#include "broker/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "broker/feed.h"
#include "common/clock.h"
#include "common/daemon.h"
#include "common/frames.h"
#include "common/lock.h"
#include "common/log.h"

/* Messages taken from each side in one wake-up, before the others have their turn. */
#define READ_MAX 256
#define STATE_US 250000
/* Messages that libzmq holds for one peer. What a worker is sent is bounded by its credit, what a
 * client is sent by its window; the core keeps what does not fit and tries again. */
#define RECEIVE_MESSAGES 256
#define SEND_MESSAGES 256
#define STATE_MESSAGES 8
#define BACKLOG 1024
#define GOODBYE_LINGER_MS 200
#define ROUTER_PARTS 3 /* routing id, header, body */

/* Beside each endpoint that is bound; the first two are those of the sides. */
enum { LOCK_STATE = SIDE_COUNT, LOCK_PUBLISH, LOCK_CHANGES, LOCK_COUNT };

struct server {
    void *context;
    void *router[SIDE_COUNT];
    void *state;
    struct feed feed;
    struct lock locks[LOCK_COUNT];
    int signals; /* signalfd */
    struct dispatch *dispatch;
    int64_t next_state_us;
};

static struct moment moment_now(void)
{
    struct moment now = {.wall_us = clock_wall_us(), .monotonic_us = clock_monotonic_us()};
    return now;
}

/* ---- sending */

static enum delivery send_message(void *context, enum side side, const uint8_t *route,
                                  size_t route_bytes, const uint8_t header[HEADER_BYTES],
                                  const uint8_t *body, size_t body_bytes)
{
    struct server *server = context;
    void *socket = server->router[side];

    if (zmq_send(socket, route, route_bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return errno == EAGAIN ? DELIVERY_FULL : DELIVERY_GONE;
    /* the routing frame has decided; these two cannot be refused for want of room */
    if (zmq_send(socket, header, HEADER_BYTES, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_send(socket, body_bytes > 0 ? body : (const uint8_t *)"", body_bytes, ZMQ_DONTWAIT) < 0)
        return DELIVERY_GONE;
    return DELIVERY_SENT;
}

static void publish_state(struct server *server, struct moment now)
{
    struct header state = {.type = MESSAGE_STATE, .partition = PARTITION_NONE};
    uint8_t header[HEADER_BYTES];
    size_t body_bytes;
    uint8_t *body = dispatch_state(server->dispatch, now, &body_bytes);

    header_write(&state, header);
    if (zmq_send(server->state, header, HEADER_BYTES, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        (void)zmq_send(server->state, body, body_bytes, ZMQ_DONTWAIT);
    free(body);
}

/* ---- receiving */

static void take(struct server *server, enum side side, zmq_msg_t *parts, size_t count)
{
    const uint8_t *route = zmq_msg_data(&parts[0]);
    size_t route_bytes = zmq_msg_size(&parts[0]);
    struct moment now = moment_now();

    if (count < 2 || count > ROUTER_PARTS) {
        dispatch_receive_misframed(server->dispatch, side, route, route_bytes, now);
        return;
    }
    const uint8_t *body = count == ROUTER_PARTS ? zmq_msg_data(&parts[2]) : NULL;
    size_t body_bytes = count == ROUTER_PARTS ? zmq_msg_size(&parts[2]) : 0;
    dispatch_receive(server->dispatch, side, route, route_bytes, "local", zmq_msg_data(&parts[1]),
                     zmq_msg_size(&parts[1]), body, body_bytes, now);
}

/* One whole message, however many parts it has. False when none waits. */
static bool read_one(struct server *server, enum side side)
{
    zmq_msg_t parts[ROUTER_PARTS];
    size_t count = frames_receive(server->router[side], parts, ROUTER_PARTS);

    if (count > 0)
        take(server, side, parts, count);
    frames_close(parts, count, ROUTER_PARTS);
    return count > 0;
}

static void read_some(struct server *server, enum side side)
{
    for (int i = 0; i < READ_MAX; i++) {
        if (!read_one(server, side))
            return;
    }
}

/* ---- the loop */

static long wait_ms(const struct server *server)
{
    struct moment now = moment_now();
    int64_t wait_us = dispatch_wait_us(server->dispatch, now);
    int64_t state_us = server->next_state_us - now.monotonic_us;

    if (state_us < wait_us)
        wait_us = state_us;
    return wait_us > 0 ? (long)((wait_us + 999) / 1000) : 0;
}

static void housekeeping(struct server *server)
{
    struct moment now = moment_now();

    if (dispatch_tick_due(server->dispatch, now))
        dispatch_tick(server->dispatch, now);
    dispatch_flush(server->dispatch, now);
    if (now.monotonic_us >= server->next_state_us) {
        server->next_state_us = now.monotonic_us + STATE_US;
        publish_state(server, now);
    }
}

bool server_run(struct server *server)
{
    zmq_pollitem_t items[] = {
        {.socket = server->router[SIDE_WORKER], .events = ZMQ_POLLIN},
        {.socket = server->router[SIDE_CLIENT], .events = ZMQ_POLLIN},
        {.fd = server->signals, .events = ZMQ_POLLIN},
        {.socket = server->feed.in, .events = ZMQ_POLLIN},
        {.socket = server->feed.out, .events = ZMQ_POLLIN},
    };
    int count = server->feed.in ? 5 : 3;

    for (;;) {
        if (zmq_poll(items, count, wait_ms(server)) < 0) {
            if (errno != EINTR)
                return false;
            continue;
        }
        if (items[2].revents)
            break;
        /* workers first: results make room for what clients send */
        if (items[0].revents)
            read_some(server, SIDE_WORKER);
        if (items[1].revents)
            read_some(server, SIDE_CLIENT);
        housekeeping(server);
        if (count > 3 && (items[3].revents || items[4].revents))
            feed_forward(&server->feed);
    }
    log_info("a signal ends the broker");
    dispatch_goodbye(server->dispatch, moment_now());
    int linger = GOODBYE_LINGER_MS;
    for (int side = 0; side < SIDE_COUNT; side++)
        zmq_setsockopt(server->router[side], ZMQ_LINGER, &linger, sizeof linger);
    return true;
}

/* ---- opening and closing */

static bool fail(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(char *error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, SERVER_ERROR_BYTES, format, args);
    va_end(args);
    return false;
}

static bool set_options(void *socket, int send_messages)
{
    const struct {
        int option, value;
    } options[] = {
        {ZMQ_LINGER, 0},
        {ZMQ_RCVHWM, RECEIVE_MESSAGES},
        {ZMQ_SNDHWM, send_messages},
        {ZMQ_BACKLOG, BACKLOG},
    };
    /* A frame may be a batch, or larger than limits.message_bytes so that it can be refused by
     * name; beyond this libzmq ends the connection. */
    int64_t largest = MESSAGE_BYTES_MAX;

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (zmq_setsockopt(socket, options[i].option, &options[i].value, sizeof(int)) != 0)
            return false;
    }
    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0;
}

static bool set_router_options(void *socket)
{
    int mandatory = 1;

    return set_options(socket, SEND_MESSAGES) &&
           zmq_setsockopt(socket, ZMQ_ROUTER_MANDATORY, &mandatory, sizeof mandatory) == 0;
}

/* Keys for TCP do not exist yet, and without them every stranger would be let in. */
#define IPC "ipc://"

static bool bind_endpoint(void *socket, const char *endpoint, struct lock *lock, char *error)
{
    if (strncmp(endpoint, IPC, strlen(IPC)) != 0)
        return fail(error, "endpoint \"%s\": only ipc:// is served until there are keys for tcp",
                    endpoint);
    const char *path = endpoint + strlen(IPC);
    if (!lock_take(lock, path)) {
        if (errno == EWOULDBLOCK)
            return fail(error, "endpoint \"%s\" is served by another broker", endpoint);
        return fail(error, "could not lock \"%s.lock\": %s", path, strerror(errno));
    }
    if (zmq_bind(socket, endpoint) != 0)
        return fail(error, "could not bind \"%s\": %s", endpoint, zmq_strerror(errno));
    return true;
}

static bool open_sockets(struct server *server, const struct config_broker *endpoints, char *error)
{
    const char *const names[SIDE_COUNT] = {
        [SIDE_CLIENT] = endpoints->client,
        [SIDE_WORKER] = endpoints->worker,
    };

    server->context = zmq_ctx_new();
    if (!server->context)
        return fail(error, "could not start zeromq: %s", zmq_strerror(errno));
    for (int side = 0; side < SIDE_COUNT; side++) {
        server->router[side] = zmq_socket(server->context, ZMQ_ROUTER);
        if (!server->router[side] || !set_router_options(server->router[side]))
            return fail(error, "could not make a socket: %s", zmq_strerror(errno));
        if (!bind_endpoint(server->router[side], names[side], &server->locks[side], error))
            return false;
    }
    server->state = zmq_socket(server->context, ZMQ_PUB);
    if (!server->state || !set_options(server->state, STATE_MESSAGES))
        return fail(error, "could not make a socket: %s", zmq_strerror(errno));
    return bind_endpoint(server->state, endpoints->state, &server->locks[LOCK_STATE], error);
}

/* A file without these endpoints has no views. */
static bool open_feed(struct server *server, const struct config_broker *endpoints, char *error)
{
    if (endpoints->publish[0] == '\0')
        return true;
    if (!feed_open(&server->feed, server->context))
        return fail(error, "could not make a socket: %s", zmq_strerror(errno));
    return bind_endpoint(server->feed.in, endpoints->publish, &server->locks[LOCK_PUBLISH],
                         error) &&
           bind_endpoint(server->feed.out, endpoints->changes, &server->locks[LOCK_CHANGES], error);
}

struct server *server_open(const struct dispatch_config *config,
                           const struct config_broker *endpoints, char *error)
{
    struct server *server = calloc(1, sizeof *server);

    if (!server)
        abort();
    for (int i = 0; i < LOCK_COUNT; i++)
        lock_init(&server->locks[i]);
    server->signals = daemon_signals();
    if (server->signals < 0) {
        fail(error, "could not watch signals: %s", strerror(errno));
        server_close(&server);
        return NULL;
    }
    if (!open_sockets(server, endpoints, error) || !open_feed(server, endpoints, error)) {
        server_close(&server);
        return NULL;
    }
    struct dispatch_output output = {.context = server, .send = send_message};
    server->dispatch = dispatch_new(config, output, moment_now());
    return server;
}

void server_close(struct server **server)
{
    struct server *s = *server;

    if (!s)
        return;
    dispatch_destroy(&s->dispatch);
    for (int side = 0; side < SIDE_COUNT; side++) {
        if (s->router[side])
            zmq_close(s->router[side]);
    }
    if (s->state)
        zmq_close(s->state);
    feed_close(&s->feed);
    frames_end(s->context);
    /* libzmq leaves the socket's file where it is; under the lock it can only be ours */
    for (int i = 0; i < LOCK_COUNT; i++)
        lock_release(&s->locks[i]);
    if (s->signals >= 0)
        close(s->signals);
    free(s);
    *server = NULL;
}

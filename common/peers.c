/* SPDX-License-Identifier: MIT
 *
 * See peers.h.
 */
#include "common/peers.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define XXH_INLINE_ALL
#include <xxhash.h>
#define HASH_FUNCTION(key, length, hash) ((hash) = (unsigned)XXH3_64bits((key), (length)))
#include <uthash.h>

#include "common/clock.h"
#include "common/frames.h"
#include "common/lock.h"
#include "common/log.h"
#include "common/random.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/ids.h"
#include "protocol/text.h"

#define READ_MAX 256
#define MESSAGES_HELD 256
#define BACKLOG 1024
#define GOODBYE_LINGER_MS 200
#define SMALL_BODY_BYTES 4096 /* HELLO, HEARTBEAT */
#define HEARTBEATS_MISSED 3
/* A peer may send what it likes: what it asks for is bounded otherwise. */
#define CREDIT_ALL (UINT64_C(1) << 62)
#define ROUTER_PARTS 3
#define IPC "ipc://"

struct session {
    struct peer peer;
    UT_hash_handle hh; /* by route */
};

struct received {
    zmq_msg_t parts[ROUTER_PARTS];
    size_t count; /* 0: it has been taken */
};

struct peers {
    const struct config *config;
    const struct peers_owner *owner;
    void *socket;
    struct lock lock;
    struct session *sessions;
    uint32_t last_session;
    struct arena arena;
    /* What goes to one peer. */
    uint8_t route[PEER_ROUTE_BYTES_MAX];
    size_t route_bytes;
    uint8_t *out;
    size_t out_bytes, out_capacity;
    uint32_t out_count;
    bool out_dropped; /* since the last flush */
    int64_t tick_next_us;
    struct received received[READ_MAX];
};

/* ------------------------------------------------------------- sending */

static bool send_frames(struct peers *p, const uint8_t *route, size_t route_bytes,
                        const struct header *header, const uint8_t *body, size_t body_bytes)
{
    uint8_t bytes[HEADER_BYTES];

    header_write(header, bytes);
    if (zmq_send(p->socket, route, route_bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        if (errno == EAGAIN)
            log_limited(LOG_WARN, "a client does not read; what it should get is dropped");
        return false;
    }
    return zmq_send(p->socket, bytes, sizeof bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
           zmq_send(p->socket, body_bytes > 0 ? body : (const uint8_t *)"", body_bytes,
                    ZMQ_DONTWAIT) >= 0;
}

static void send_collected(struct peers *p)
{
    struct header header = {.type = MESSAGE_BATCH};
    bool sent = true;

    if (p->out_count == 1) {
        sent = header_read(&header, p->out, HEADER_BYTES) == HEADER_OK &&
               send_frames(p, p->route, p->route_bytes, &header, p->out + BATCH_ITEM_BYTES,
                           p->out_bytes - BATCH_ITEM_BYTES);
    } else if (p->out_count > 1) {
        sent = send_frames(p, p->route, p->route_bytes, &header, p->out, p->out_bytes);
    }
    p->out_bytes = 0;
    p->out_count = 0;
    p->out_dropped = p->out_dropped || !sent;
}

bool peers_flush(struct peers *peers)
{
    send_collected(peers);
    bool sent = !peers->out_dropped;
    peers->out_dropped = false;
    return sent;
}

uint8_t *peers_collect(struct peers *p, const struct peer *peer, const struct header *header,
                       size_t body_bytes)
{
    size_t needed = BATCH_ITEM_BYTES + body_bytes;

    if (p->out_count > 0 && (p->route_bytes != peer->route_bytes ||
                             memcmp(p->route, peer->route, p->route_bytes) != 0 ||
                             p->out_bytes + needed > p->config->limits.message_bytes ||
                             p->out_count == BATCH_MESSAGES_MAX))
        send_collected(p);
    memcpy(p->route, peer->route, peer->route_bytes);
    p->route_bytes = peer->route_bytes;
    if (p->out_bytes + needed > p->out_capacity) {
        p->out_capacity = (p->out_bytes + needed) * 2;
        p->out = realloc(p->out, p->out_capacity);
        if (!p->out)
            abort();
    }
    batch_item_write(header, (uint32_t)body_bytes, p->out + p->out_bytes);
    uint8_t *body = p->out + p->out_bytes + BATCH_ITEM_BYTES;
    p->out_bytes += needed;
    p->out_count++;
    return body;
}

struct arena *peers_arena(struct peers *peers)
{
    return &peers->arena;
}

static void send_error(struct peers *p, const uint8_t *route, size_t route_bytes,
                       const struct header *about, enum error_code code, const char *text)
{
    Hf__Error error = HF__ERROR__INIT;
    struct header header = {.type = MESSAGE_ERROR,
                            .partition = PARTITION_NONE,
                            .session = about->session,
                            .sequence = about->sequence};

    send_collected(p);
    error.code = (char *)(uintptr_t)error_name(code);
    error.message = (char *)(uintptr_t)(text ? text : error_text(code));
    size_t bytes = hf__error__get_packed_size(&error);
    uint8_t *body = arena_alloc(&p->arena, bytes + 1);
    hf__error__pack(&error, body);
    (void)send_frames(p, route, route_bytes, &header, body, bytes);
}

/* ------------------------------------------------------------- sessions */

static struct session *session_of(struct peers *p, const uint8_t *route, size_t route_bytes)
{
    struct session *session;

    HASH_FIND(hh, p->sessions, route, route_bytes, session);
    return session;
}

static void session_end(struct peers *p, struct session *session)
{
    HASH_DEL(p->sessions, session);
    if (p->owner->ended)
        p->owner->ended(p->owner->context, &session->peer);
    free(session);
}

static void fault(struct peers *p, const uint8_t *route, size_t route_bytes,
                  const struct header *about, enum error_code code)
{
    struct session *session = session_of(p, route, route_bytes);

    send_error(p, route, route_bytes, about, code, NULL);
    if (session && error_ends_session(code))
        session_end(p, session);
}

void peers_fault(struct peers *peers, struct peer *peer, const struct header *about,
                 enum error_code code, const char *text)
{
    send_error(peers, peer->route, peer->route_bytes, about, code, text);
    if (error_ends_session(code))
        session_end(peers, session_of(peers, peer->route, peer->route_bytes));
}

static bool is_text(const ProtobufCBinaryData *bytes, const char *text)
{
    return bytes->len == strlen(text) && memcmp(bytes->data, text, bytes->len) == 0;
}

static bool check_hello(struct peers *p, const Hf__Hello *hello, enum error_code *code)
{
    *code = ERROR_malformed;
    if (!hello || hello->instance.len != UUID_BYTES)
        return false;
    *code = ERROR_version;
    if (hello->version_min > HEADER_VERSION || hello->version_max < HEADER_VERSION)
        return false;
    *code = ERROR_cluster;
    if (!is_text(&hello->cluster, p->config->name))
        return false;
    *code = ERROR_role;
    if (hello->role != HF__ROLE__ROLE_CLIENT)
        return false;
    *code = ERROR_name;
    if (code_fault(hello->name.data, hello->name.len))
        return false;
    *code = ERROR_full;
    return HASH_COUNT(p->sessions) < p->config->limits.clients;
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void welcome(struct peers *p, const struct session *session)
{
    const struct config *config = p->config;
    struct header header = {
        .type = MESSAGE_WELCOME, .partition = PARTITION_NONE, .session = session->peer.session};
    Hf__Welcome welcome = HF__WELCOME__INIT;

    welcome.version = HEADER_VERSION;
    welcome.broker = bytes_of(p->owner->name);
    welcome.cluster = bytes_of(config->name);
    welcome.region = bytes_of(config->region);
    welcome.partitions = config->partitions;
    welcome.clock_us = clock_wall_us();
    welcome.credit = CREDIT_ALL;
    welcome.window = config->limits.client_window;
    welcome.heartbeat_ms = (uint32_t)config->windows.heartbeat_ms;
    welcome.message_bytes = config->limits.message_bytes;
    welcome.batch_messages = BATCH_MESSAGES_MAX;
    welcome.lines = config->limits.lines;
    welcome.not_after_ms = (uint32_t)config->limits.not_after_ms;
    uint8_t *body =
        peers_collect(p, &session->peer, &header, hf__welcome__get_packed_size(&welcome));
    hf__welcome__pack(&welcome, body);
}

static void take_hello(struct peers *p, const uint8_t *route, size_t route_bytes,
                       const struct header *header, const uint8_t *body, size_t body_bytes,
                       int64_t now_us)
{
    enum error_code code;
    struct session *session = session_of(p, route, route_bytes);
    Hf__Hello *hello = body_bytes <= SMALL_BODY_BYTES
                           ? hf__hello__unpack(&p->arena.allocator, body_bytes, body)
                           : NULL;

    if (session)
        session_end(p, session);
    if (!check_hello(p, hello, &code)) {
        send_error(p, route, route_bytes, header, code, NULL);
        return;
    }
    session = calloc(1, sizeof *session);
    if (!session)
        abort();
    memcpy(session->peer.route, route, route_bytes);
    session->peer.route_bytes = (uint8_t)route_bytes;
    memcpy(session->peer.name, hello->name.data, hello->name.len);
    do
        p->last_session++;
    while (p->last_session == 0);
    session->peer.session = p->last_session;
    session->peer.heard_us = now_us;
    HASH_ADD_KEYPTR(hh, p->sessions, session->peer.route, route_bytes, session);
    welcome(p, session);
}

static void take_heartbeat(struct peers *p, struct session *session, const struct header *header,
                           const uint8_t *body, size_t body_bytes)
{
    Hf__Heartbeat *heard = body_bytes <= SMALL_BODY_BYTES
                               ? hf__heartbeat__unpack(&p->arena.allocator, body_bytes, body)
                               : NULL;
    Hf__Heartbeat answer = HF__HEARTBEAT__INIT;
    struct header out = {
        .type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = session->peer.session};

    if (!heard) {
        fault(p, session->peer.route, session->peer.route_bytes, header, ERROR_malformed);
        return;
    }
    if (heard->answer)
        return;
    answer.answer = true;
    answer.echo = heard->echo;
    answer.clock_us = clock_wall_us();
    uint8_t *to = peers_collect(p, &session->peer, &out, hf__heartbeat__get_packed_size(&answer));
    hf__heartbeat__pack(&answer, to);
}

/* ------------------------------------------------------------- receiving */

static void take(struct peers *p, const uint8_t *route, size_t route_bytes,
                 const struct header *header, const uint8_t *body, size_t body_bytes,
                 int64_t now_us)
{
    struct session *session = session_of(p, route, route_bytes);

    if (header->type == MESSAGE_HELLO) {
        take_hello(p, route, route_bytes, header, body, body_bytes, now_us);
        return;
    }
    if (header->type == MESSAGE_GOODBYE || header->type == MESSAGE_ERROR) {
        if (session && header->session == session->peer.session)
            session_end(p, session);
        return;
    }
    if (!message_type_name(header->type)) {
        fault(p, route, route_bytes, header, ERROR_unknown_type);
        return;
    }
    if (!session || header->session != session->peer.session) {
        send_error(p, route, route_bytes, header, ERROR_no_session, NULL);
        return;
    }
    session->peer.heard_us = now_us;
    if (header->type == MESSAGE_HEARTBEAT)
        take_heartbeat(p, session, header, body, body_bytes);
    else
        p->owner->take(p->owner->context, &session->peer, header, body, body_bytes, now_us);
}

static void take_message(struct peers *p, zmq_msg_t *parts, size_t count, int64_t now_us)
{
    const uint8_t *route = zmq_msg_data(&parts[0]), *body = (const uint8_t *)"";
    size_t route_bytes = zmq_msg_size(&parts[0]), body_bytes = 0;
    struct header header = {0};

    arena_reset(&p->arena);
    if (count < 2 || count > ROUTER_PARTS || route_bytes > PEER_ROUTE_BYTES_MAX) {
        fault(p, route, route_bytes, &header, ERROR_malformed);
        return;
    }
    if (count == ROUTER_PARTS) {
        body = zmq_msg_data(&parts[2]);
        body_bytes = zmq_msg_size(&parts[2]);
    }
    enum header_error error =
        header_read(&header, zmq_msg_data(&parts[1]), zmq_msg_size(&parts[1]));
    if (error != HEADER_OK) {
        header = (struct header){0};
        fault(p, route, route_bytes, &header,
              error == HEADER_VERSION_UNKNOWN ? ERROR_version : ERROR_malformed);
        return;
    }
    if (header.type != MESSAGE_BATCH) {
        take(p, route, route_bytes, &header, body, body_bytes, now_us);
    } else {
        struct batch_reader reader;
        enum batch_step step;
        batch_reader_init(&reader, body, body_bytes);
        while ((step = batch_next(&reader, &header, &body, &body_bytes)) == BATCH_ITEM) {
            if (header.type == MESSAGE_HELLO || header.type == MESSAGE_GOODBYE) {
                step = BATCH_BROKEN;
                break;
            }
            take(p, route, route_bytes, &header, body, body_bytes, now_us);
        }
        if (step == BATCH_BROKEN)
            fault(p, route, route_bytes, &(struct header){0}, ERROR_malformed);
    }
}

static bool receive_one(struct peers *p, struct received *received)
{
    received->count = frames_receive(p->socket, received->parts, ROUTER_PARTS);
    return received->count > 0;
}

static bool same_route(struct received *a, struct received *b)
{
    size_t bytes = zmq_msg_size(&a->parts[0]);

    return bytes == zmq_msg_size(&b->parts[0]) &&
           memcmp(zmq_msg_data(&a->parts[0]), zmq_msg_data(&b->parts[0]), bytes) == 0;
}

static void release(struct received *received)
{
    frames_close(received->parts, received->count, ROUTER_PARTS);
    received->count = 0;
}

/* All messages of the peer that sent the one at `first`, in order; what it is told in return goes
 * out together. */
static void take_all_of(struct peers *p, size_t first, size_t count, int64_t now_us)
{
    struct received *of = &p->received[first];

    take_message(p, of->parts, of->count, now_us);
    for (size_t i = first + 1; i < count; i++) {
        struct received *next = &p->received[i];
        if (next->count == 0 || !same_route(of, next))
            continue;
        take_message(p, next->parts, next->count, now_us);
        release(next);
    }
    release(of);
    send_collected(p);
    p->out_dropped = false;
}

/* Reads first what is there, so that a peer that sent several messages is answered with one. */
void peers_read(struct peers *p, int64_t now_us)
{
    size_t count = 0;

    while (count < READ_MAX && receive_one(p, &p->received[count]))
        count++;
    for (size_t i = 0; i < count; i++) {
        if (p->received[i].count > 0)
            take_all_of(p, i, count, now_us);
    }
}

/* ------------------------------------------------------------- time */

static int64_t heartbeat_us(const struct peers *p)
{
    return (int64_t)p->config->windows.heartbeat_ms * 1000;
}

static void end_silent(struct peers *p, int64_t now_us)
{
    struct session *session, *next;

    /* Who stood still itself has heard nobody. */
    bool stood_still = now_us - p->tick_next_us > heartbeat_us(p);
    HASH_ITER(hh, p->sessions, session, next)
    {
        if (stood_still)
            session->peer.heard_us = now_us;
        else if (now_us - session->peer.heard_us > HEARTBEATS_MISSED * heartbeat_us(p))
            fault(p, session->peer.route, session->peer.route_bytes,
                  &(struct header){.session = session->peer.session}, ERROR_silent);
    }
}

void peers_tick(struct peers *peers, int64_t now_us)
{
    if (now_us < peers->tick_next_us)
        return;
    arena_reset(&peers->arena);
    end_silent(peers, now_us);
    peers->tick_next_us = now_us + heartbeat_us(peers);
}

int64_t peers_due_us(const struct peers *peers)
{
    return peers->tick_next_us;
}

/* ------------------------------------------------------------- life */

static bool fail(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(char *error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, PEERS_ERROR_BYTES, format, args);
    va_end(args);
    return false;
}

static bool bind_endpoint(struct peers *p, const char *endpoint, char *error)
{
    const char *path = endpoint + strlen(IPC);

    if (strncmp(endpoint, IPC, strlen(IPC)) != 0)
        return fail(error, "endpoint \"%s\": only ipc:// is served until there are keys for tcp",
                    endpoint);
    if (!lock_take(&p->lock, path)) {
        if (errno == EWOULDBLOCK)
            return fail(error, "endpoint \"%s\" is served by another process", endpoint);
        return fail(error, "could not lock \"%s.lock\": %s", path, strerror(errno));
    }
    if (zmq_bind(p->socket, endpoint) != 0)
        return fail(error, "could not bind \"%s\": %s", endpoint, zmq_strerror(errno));
    return true;
}

static bool open_socket(struct peers *p, void *context)
{
    const struct {
        int option, value;
    } options[] = {
        {ZMQ_LINGER, 0},        {ZMQ_RCVHWM, MESSAGES_HELD}, {ZMQ_SNDHWM, MESSAGES_HELD},
        {ZMQ_BACKLOG, BACKLOG}, {ZMQ_ROUTER_MANDATORY, 1},
    };
    int64_t largest = MESSAGE_BYTES_MAX;

    p->socket = zmq_socket(context, ZMQ_ROUTER);
    for (size_t i = 0; p->socket && i < sizeof options / sizeof options[0]; i++) {
        if (zmq_setsockopt(p->socket, options[i].option, &options[i].value, sizeof(int)) != 0)
            return false;
    }
    return p->socket && zmq_setsockopt(p->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0;
}

struct peers *peers_open(void *context, const struct config *config, const char *endpoint,
                         const struct peers_owner *owner, char *error)
{
    struct peers *peers = calloc(1, sizeof *peers);

    if (!peers)
        abort();
    peers->config = config;
    peers->owner = owner;
    arena_init(&peers->arena);
    lock_init(&peers->lock);
    peers->tick_next_us = clock_monotonic_us();
    /* An old client's session number must not be a new one's. */
    if (!random_bytes(&peers->last_session, sizeof peers->last_session))
        fail(error, "no randomness to be had");
    else if (!open_socket(peers, context))
        fail(error, "could not make a socket: %s", zmq_strerror(errno));
    else if (bind_endpoint(peers, endpoint, error))
        return peers;
    peers_close(&peers);
    return NULL;
}

void peers_close(struct peers **peers)
{
    struct peers *p = *peers;
    struct session *session, *next;
    int linger = GOODBYE_LINGER_MS;

    HASH_ITER(hh, p->sessions, session, next)
    {
        struct header header = {
            .type = MESSAGE_GOODBYE, .partition = PARTITION_NONE, .session = session->peer.session};
        (void)send_frames(p, session->peer.route, session->peer.route_bytes, &header, NULL, 0);
        session_end(p, session);
    }
    if (p->socket) {
        zmq_setsockopt(p->socket, ZMQ_LINGER, &linger, sizeof linger);
        zmq_close(p->socket);
    }
    lock_release(&p->lock);
    arena_release(&p->arena);
    free(p->out);
    free(p);
    *peers = NULL;
}

void *peers_socket(const struct peers *peers)
{
    return peers->socket;
}

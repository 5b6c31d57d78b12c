/* SPDX-License-Identifier: MIT
 *
 * See server.h. What comes from a client is validated; a fault is answered with an ERROR, as
 * protocol.md lists them.
 */
#include "view/server.h"

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
#include "common/lock.h"
#include "common/log.h"
#include "common/random.h"
#include "protocol/error.h"
#include "protocol/header.h"
#include "protocol/status.h"

#define READ_MAX 256
#define MESSAGES_HELD 256
#define BACKLOG 1024
#define GOODBYE_LINGER_MS 200
#define ROUTE_BYTES_MAX 255
#define SMALL_BODY_BYTES 4096 /* HELLO, HEARTBEAT */
#define WAITING_MAX 1024      /* questions that wait for at_least; more are answered at once */
#define HEARTBEATS_MISSED 3
/* A client may send what it likes: answers are made at once. */
#define CREDIT_ALL (UINT64_C(1) << 62)
#define ROUTER_PARTS 3
#define IPC "ipc://"

struct view_session {
    uint8_t route[ROUTE_BYTES_MAX];
    uint8_t route_bytes;
    uint32_t id;
    uint64_t sequence; /* the last one that was used */
    int64_t heard_us;
    UT_hash_handle hh;
};

struct waiting {
    struct waiting *next;
    uint32_t session; /* number of the session; it may be gone */
    uint8_t route[ROUTE_BYTES_MAX];
    uint8_t route_bytes;
    struct header header;
    int64_t until_us;
    size_t body_bytes;
    uint8_t body[];
};

struct view_server {
    const struct config *config;
    struct model *model;
    const struct view_facts *facts;
    void *socket;
    struct lock lock;
    struct view_session *sessions; /* by route */
    uint32_t last_session;
    struct waiting *waiting;
    size_t waiting_count;
    struct arena arena;
    /* What goes to the client whose message is being read. */
    uint8_t *out;
    size_t out_bytes, out_capacity;
    uint32_t out_count;
    uint64_t queries;
    int64_t tick_next_us;
};

/* ------------------------------------------------------------- sending */

static void send_frames(struct view_server *s, const uint8_t *route, size_t route_bytes,
                        const struct header *header, const uint8_t *body, size_t body_bytes)
{
    uint8_t bytes[HEADER_BYTES];

    header_write(header, bytes);
    if (zmq_send(s->socket, route, route_bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        if (errno == EAGAIN)
            log_limited(LOG_WARN, "a client does not read; an answer is dropped");
        return;
    }
    if (zmq_send(s->socket, bytes, sizeof bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        (void)zmq_send(s->socket, body_bytes > 0 ? body : (const uint8_t *)"", body_bytes,
                       ZMQ_DONTWAIT);
}

/* What was collected, as one message: alone as it is, several as a BATCH. */
static void flush(struct view_server *s, const uint8_t *route, size_t route_bytes)
{
    struct header header = {.type = MESSAGE_BATCH};

    if (s->out_count == 1) {
        if (header_read(&header, s->out, HEADER_BYTES) == HEADER_OK)
            send_frames(s, route, route_bytes, &header, s->out + BATCH_ITEM_BYTES,
                        s->out_bytes - BATCH_ITEM_BYTES);
    } else if (s->out_count > 1) {
        send_frames(s, route, route_bytes, &header, s->out, s->out_bytes);
    }
    s->out_bytes = 0;
    s->out_count = 0;
}

/* Room for one more item; returns where its body goes. */
static uint8_t *collect(struct view_server *s, const uint8_t *route, size_t route_bytes,
                        const struct header *header, size_t body_bytes)
{
    size_t needed = BATCH_ITEM_BYTES + body_bytes;

    if (s->out_count > 0 && (s->out_bytes + needed > s->config->limits.message_bytes ||
                             s->out_count == BATCH_MESSAGES_MAX))
        flush(s, route, route_bytes);
    if (s->out_bytes + needed > s->out_capacity) {
        s->out_capacity = (s->out_bytes + needed) * 2;
        s->out = realloc(s->out, s->out_capacity);
        if (!s->out)
            abort();
    }
    batch_item_write(header, (uint32_t)body_bytes, s->out + s->out_bytes);
    uint8_t *body = s->out + s->out_bytes + BATCH_ITEM_BYTES;
    s->out_bytes += needed;
    s->out_count++;
    return body;
}

static void send_error(struct view_server *s, const uint8_t *route, size_t route_bytes,
                       const struct header *about, enum error_code code)
{
    Hf__Error error = HF__ERROR__INIT;
    struct header header = {.type = MESSAGE_ERROR,
                            .partition = PARTITION_NONE,
                            .session = about->session,
                            .sequence = about->sequence};

    flush(s, route, route_bytes);
    error.code = (char *)(uintptr_t)error_name(code);
    error.message = (char *)(uintptr_t)error_text(code);
    size_t bytes = hf__error__get_packed_size(&error);
    uint8_t *body = arena_alloc(&s->arena, bytes + 1);
    hf__error__pack(&error, body);
    send_frames(s, route, route_bytes, &header, body, bytes);
}

/* ------------------------------------------------------------- sessions */

static struct view_session *session_of(struct view_server *s, const uint8_t *route,
                                       size_t route_bytes)
{
    struct view_session *session;

    HASH_FIND(hh, s->sessions, route, route_bytes, session);
    return session;
}

static void session_end(struct view_server *s, struct view_session *session)
{
    HASH_DEL(s->sessions, session);
    free(session);
}

static void fault(struct view_server *s, const uint8_t *route, size_t route_bytes,
                  const struct header *about, enum error_code code)
{
    struct view_session *session = session_of(s, route, route_bytes);

    send_error(s, route, route_bytes, about, code);
    if (session && error_ends_session(code))
        session_end(s, session);
}

static bool is_text(const ProtobufCBinaryData *bytes, const char *text)
{
    return bytes->len == strlen(text) && memcmp(bytes->data, text, bytes->len) == 0;
}

static bool check_hello(struct view_server *s, const Hf__Hello *hello, enum error_code *code)
{
    *code = ERROR_malformed;
    if (!hello || hello->instance.len != UUID_BYTES)
        return false;
    *code = ERROR_version;
    if (hello->version_min > HEADER_VERSION || hello->version_max < HEADER_VERSION)
        return false;
    *code = ERROR_cluster;
    if (!is_text(&hello->cluster, s->config->name))
        return false;
    *code = ERROR_role;
    if (hello->role != HF__ROLE__ROLE_CLIENT)
        return false;
    *code = ERROR_name;
    if (code_fault(hello->name.data, hello->name.len))
        return false;
    *code = ERROR_full;
    return HASH_COUNT(s->sessions) < s->config->limits.clients;
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void welcome(struct view_server *s, const struct view_session *session)
{
    const struct config *config = s->config;
    struct header header = {
        .type = MESSAGE_WELCOME, .partition = PARTITION_NONE, .session = session->id};
    Hf__Welcome welcome = HF__WELCOME__INIT;

    welcome.version = HEADER_VERSION;
    welcome.broker = bytes_of(s->facts->name);
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
    uint8_t *body = collect(s, session->route, session->route_bytes, &header,
                            hf__welcome__get_packed_size(&welcome));
    hf__welcome__pack(&welcome, body);
}

static void take_hello(struct view_server *s, const uint8_t *route, size_t route_bytes,
                       const struct header *header, const uint8_t *body, size_t body_bytes,
                       int64_t now_us)
{
    enum error_code code;
    struct view_session *session = session_of(s, route, route_bytes);
    Hf__Hello *hello = body_bytes <= SMALL_BODY_BYTES
                           ? hf__hello__unpack(&s->arena.allocator, body_bytes, body)
                           : NULL;

    if (session)
        session_end(s, session);
    if (!check_hello(s, hello, &code)) {
        send_error(s, route, route_bytes, header, code);
        return;
    }
    session = calloc(1, sizeof *session);
    if (!session)
        abort();
    memcpy(session->route, route, route_bytes);
    session->route_bytes = (uint8_t)route_bytes;
    do
        s->last_session++;
    while (s->last_session == 0);
    session->id = s->last_session;
    session->heard_us = now_us;
    HASH_ADD(hh, s->sessions, route, route_bytes, session);
    welcome(s, session);
}

static void take_heartbeat(struct view_server *s, struct view_session *session,
                           const struct header *header, const uint8_t *body, size_t body_bytes)
{
    Hf__Heartbeat *heard = body_bytes <= SMALL_BODY_BYTES
                               ? hf__heartbeat__unpack(&s->arena.allocator, body_bytes, body)
                               : NULL;
    Hf__Heartbeat answer = HF__HEARTBEAT__INIT;
    struct header out = {
        .type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = session->id};

    if (!heard) {
        fault(s, session->route, session->route_bytes, header, ERROR_malformed);
        return;
    }
    if (heard->answer)
        return;
    answer.answer = true;
    answer.echo = heard->echo;
    answer.clock_us = clock_wall_us();
    uint8_t *to = collect(s, session->route, session->route_bytes, &out,
                          hf__heartbeat__get_packed_size(&answer));
    hf__heartbeat__pack(&answer, to);
}

/* ------------------------------------------------------------- questions */

static void tell(struct view_server *s, const uint8_t *route, size_t route_bytes,
                 const struct header *query, Hf__ViewAnswer *answer)
{
    struct header header = {.type = MESSAGE_ANSWER,
                            .partition = query->partition,
                            .session = query->session,
                            .sequence = query->sequence};
    size_t bytes = hf__view_answer__get_packed_size(answer);

    if (bytes > s->config->limits.message_bytes) {
        hf__view_answer__init(answer);
        answer->status = STATUS_too_large;
        answer->message = arena_printf(&s->arena, "the answer is larger than a message: ask for "
                                                  "less");
        bytes = hf__view_answer__get_packed_size(answer);
    }
    uint8_t *body = collect(s, route, route_bytes, &header, bytes);
    hf__view_answer__pack(answer, body);
    s->queries++;
}

static void add_facts(const struct view_server *s, Hf__ViewAnswer *answer)
{
    if (!answer->view)
        return;
    answer->view->name = bytes_of(s->facts->name);
    answer->view->started_at_us = s->facts->started_at_us;
    answer->view->repairs = s->facts->repairs;
    answer->view->queries = s->queries;
}

/* False: it waits. */
static bool answer_query(struct view_server *s, const uint8_t *route, size_t route_bytes,
                         const struct header *header, const uint8_t *body, size_t body_bytes,
                         bool last, int64_t now_us, uint32_t *wait_ms)
{
    Hf__ViewQuery *query = hf__view_query__unpack(&s->arena.allocator, body_bytes, body);
    Hf__ViewAnswer answer = HF__VIEW_ANSWER__INIT;

    if (!query) {
        answer.status = STATUS_invalid;
        answer.field = arena_printf(&s->arena, "query");
        answer.message = arena_printf(&s->arena, "the body is not a ViewQuery");
    } else if (header->not_after_us < clock_wall_us()) {
        answer.status = STATUS_deadline_exceeded;
    } else {
        *wait_ms = query->wait_ms > 0 ? query->wait_ms : MODEL_WAIT_MS_DEFAULT;
        if (!model_answer(s->model, query, now_us, last, &s->arena, &answer))
            return false;
        add_facts(s, &answer);
    }
    tell(s, route, route_bytes, header, &answer);
    return true;
}

static void take_query(struct view_server *s, struct view_session *session,
                       const struct header *header, const uint8_t *body, size_t body_bytes,
                       int64_t now_us)
{
    bool last = s->waiting_count >= WAITING_MAX;
    uint32_t wait_ms = 0;

    if (header->sequence <= session->sequence) {
        fault(s, session->route, session->route_bytes, header, ERROR_sequence);
        return;
    }
    session->sequence = header->sequence;
    if (answer_query(s, session->route, session->route_bytes, header, body, body_bytes, last,
                     now_us, &wait_ms))
        return;
    struct waiting *waiting = malloc(sizeof *waiting + body_bytes);
    if (!waiting)
        abort();
    *waiting = (struct waiting){.next = s->waiting,
                                .session = session->id,
                                .route_bytes = session->route_bytes,
                                .header = *header,
                                .until_us = now_us + (int64_t)wait_ms * 1000,
                                .body_bytes = body_bytes};
    memcpy(waiting->route, session->route, session->route_bytes);
    memcpy(waiting->body, body, body_bytes);
    s->waiting = waiting;
    s->waiting_count++;
}

static void try_waiting(struct view_server *s, bool changed, int64_t now_us)
{
    for (struct waiting **link = &s->waiting, *w; (w = *link) != NULL;) {
        struct view_session *session = session_of(s, w->route, w->route_bytes);
        bool gone = !session || session->id != w->session;
        bool due = now_us >= w->until_us;
        uint32_t wait_ms;
        arena_reset(&s->arena);
        if (!gone &&
            ((!changed && !due) || !answer_query(s, w->route, w->route_bytes, &w->header, w->body,
                                                 w->body_bytes, due, now_us, &wait_ms))) {
            link = &w->next;
            continue;
        }
        flush(s, w->route, w->route_bytes);
        *link = w->next;
        s->waiting_count--;
        free(w);
    }
}

/* ------------------------------------------------------------- receiving */

static void take(struct view_server *s, const uint8_t *route, size_t route_bytes,
                 const struct header *header, const uint8_t *body, size_t body_bytes,
                 int64_t now_us)
{
    struct view_session *session = session_of(s, route, route_bytes);

    if (header->type == MESSAGE_HELLO) {
        take_hello(s, route, route_bytes, header, body, body_bytes, now_us);
        return;
    }
    if (header->type == MESSAGE_GOODBYE || header->type == MESSAGE_ERROR) {
        if (session && header->session == session->id)
            session_end(s, session);
        return;
    }
    if (!message_type_name(header->type)) {
        fault(s, route, route_bytes, header, ERROR_unknown_type);
        return;
    }
    if (!session || header->session != session->id) {
        send_error(s, route, route_bytes, header, ERROR_no_session);
        return;
    }
    session->heard_us = now_us;
    if (header->type == MESSAGE_QUERY)
        take_query(s, session, header, body, body_bytes, now_us);
    else if (header->type == MESSAGE_HEARTBEAT)
        take_heartbeat(s, session, header, body, body_bytes);
    else
        fault(s, route, route_bytes, header, ERROR_unexpected);
}

static void take_message(struct view_server *s, zmq_msg_t *parts, size_t count, int64_t now_us)
{
    const uint8_t *route = zmq_msg_data(&parts[0]), *body = (const uint8_t *)"";
    size_t route_bytes = zmq_msg_size(&parts[0]), body_bytes = 0;
    struct header header = {0};

    arena_reset(&s->arena);
    if (count < 2 || count > ROUTER_PARTS || route_bytes > ROUTE_BYTES_MAX) {
        fault(s, route, route_bytes, &header, ERROR_malformed);
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
        fault(s, route, route_bytes, &header,
              error == HEADER_VERSION_UNKNOWN ? ERROR_version : ERROR_malformed);
        return;
    }
    if (header.type != MESSAGE_BATCH) {
        take(s, route, route_bytes, &header, body, body_bytes, now_us);
    } else {
        struct batch_reader reader;
        enum batch_step step;
        batch_reader_init(&reader, body, body_bytes);
        while ((step = batch_next(&reader, &header, &body, &body_bytes)) == BATCH_ITEM) {
            if (header.type == MESSAGE_HELLO || header.type == MESSAGE_GOODBYE) {
                step = BATCH_BROKEN;
                break;
            }
            take(s, route, route_bytes, &header, body, body_bytes, now_us);
        }
        if (step == BATCH_BROKEN)
            fault(s, route, route_bytes, &(struct header){0}, ERROR_malformed);
    }
    flush(s, route, route_bytes);
}

static bool read_one(struct view_server *s, int64_t now_us)
{
    zmq_msg_t parts[ROUTER_PARTS], surplus;
    size_t count = 0;
    bool more = true;

    while (more) {
        zmq_msg_t *part = count < ROUTER_PARTS ? &parts[count] : &surplus;
        zmq_msg_init(part);
        if (zmq_msg_recv(part, s->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(part);
            break;
        }
        more = zmq_msg_more(part) != 0;
        if (part == &surplus)
            zmq_msg_close(&surplus);
        count++;
    }
    if (count > 0)
        take_message(s, parts, count, now_us);
    for (size_t i = 0; i < count && i < ROUTER_PARTS; i++)
        zmq_msg_close(&parts[i]);
    return count > 0;
}

void view_server_read(struct view_server *server, int64_t now_us)
{
    for (int i = 0; i < READ_MAX && read_one(server, now_us); i++)
        continue;
}

/* ------------------------------------------------------------- time */

static int64_t heartbeat_us(const struct view_server *s)
{
    return (int64_t)s->config->windows.heartbeat_ms * 1000;
}

static void end_silent(struct view_server *s, int64_t now_us)
{
    struct view_session *session, *next;

    /* A view that stood still itself has heard nobody. */
    bool stood_still = now_us - s->tick_next_us > heartbeat_us(s);
    HASH_ITER(hh, s->sessions, session, next)
    {
        if (stood_still)
            session->heard_us = now_us;
        else if (now_us - session->heard_us > HEARTBEATS_MISSED * heartbeat_us(s))
            fault(s, session->route, session->route_bytes, &(struct header){.session = session->id},
                  ERROR_silent);
    }
}

void view_server_tick(struct view_server *server, bool changed, int64_t now_us)
{
    if (server->waiting)
        try_waiting(server, changed, now_us);
    if (now_us < server->tick_next_us)
        return;
    arena_reset(&server->arena);
    end_silent(server, now_us);
    server->tick_next_us = now_us + heartbeat_us(server);
}

int64_t view_server_wait_us(const struct view_server *server, int64_t now_us)
{
    int64_t until_us = server->tick_next_us;

    for (const struct waiting *w = server->waiting; w; w = w->next) {
        if (w->until_us < until_us)
            until_us = w->until_us;
    }
    return until_us > now_us ? until_us - now_us : 0;
}

/* ------------------------------------------------------------- life */

static bool fail(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(char *error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error, VIEW_ERROR_BYTES, format, args);
    va_end(args);
    return false;
}

static bool bind_endpoint(struct view_server *s, const char *endpoint, char *error)
{
    const char *path = endpoint + strlen(IPC);

    if (strncmp(endpoint, IPC, strlen(IPC)) != 0)
        return fail(error, "endpoint \"%s\": only ipc:// is served until there are keys for tcp",
                    endpoint);
    if (!lock_take(&s->lock, path)) {
        if (errno == EWOULDBLOCK)
            return fail(error, "endpoint \"%s\" is served by another view", endpoint);
        return fail(error, "could not lock \"%s.lock\": %s", path, strerror(errno));
    }
    if (zmq_bind(s->socket, endpoint) != 0)
        return fail(error, "could not bind \"%s\": %s", endpoint, zmq_strerror(errno));
    return true;
}

static bool open_socket(struct view_server *s, void *context)
{
    const struct {
        int option, value;
    } options[] = {
        {ZMQ_LINGER, 0},        {ZMQ_RCVHWM, MESSAGES_HELD}, {ZMQ_SNDHWM, MESSAGES_HELD},
        {ZMQ_BACKLOG, BACKLOG}, {ZMQ_ROUTER_MANDATORY, 1},
    };
    int64_t largest = MESSAGE_BYTES_MAX;

    s->socket = zmq_socket(context, ZMQ_ROUTER);
    for (size_t i = 0; s->socket && i < sizeof options / sizeof options[0]; i++) {
        if (zmq_setsockopt(s->socket, options[i].option, &options[i].value, sizeof(int)) != 0)
            return false;
    }
    return s->socket && zmq_setsockopt(s->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0;
}

struct view_server *view_server_open(void *context, const struct config *config,
                                     const char *endpoint, struct model *model,
                                     const struct view_facts *facts, char *error)
{
    struct view_server *server = calloc(1, sizeof *server);

    if (!server)
        abort();
    server->config = config;
    server->model = model;
    server->facts = facts;
    arena_init(&server->arena);
    lock_init(&server->lock);
    server->tick_next_us = clock_monotonic_us();
    /* An old client's session number must not be a new one's. */
    if (!random_bytes(&server->last_session, sizeof server->last_session))
        fail(error, "no randomness to be had");
    else if (!open_socket(server, context))
        fail(error, "could not make a socket: %s", zmq_strerror(errno));
    else if (bind_endpoint(server, endpoint, error))
        return server;
    view_server_close(&server);
    return NULL;
}

void view_server_close(struct view_server **server)
{
    struct view_server *s = *server;
    struct view_session *session, *next;
    int linger = GOODBYE_LINGER_MS;

    HASH_ITER(hh, s->sessions, session, next)
    {
        struct header header = {
            .type = MESSAGE_GOODBYE, .partition = PARTITION_NONE, .session = session->id};
        send_frames(s, session->route, session->route_bytes, &header, NULL, 0);
        session_end(s, session);
    }
    for (struct waiting *w = s->waiting, *after; w; w = after) {
        after = w->next;
        free(w);
    }
    if (s->socket) {
        zmq_setsockopt(s->socket, ZMQ_LINGER, &linger, sizeof linger);
        zmq_close(s->socket);
    }
    lock_release(&s->lock);
    arena_release(&s->arena);
    free(s->out);
    free(s);
    *server = NULL;
}

void *view_server_socket(const struct view_server *server)
{
    return server->socket;
}

/* SPDX-License-Identifier: MIT
 *
 * See server.h. Sessions are peers.h's affair; this is what is asked in them.
 */
#include "view/server.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "protocol/status.h"

/* Questions that wait for at_least, and their bytes: each is read again whenever something has
 * changed. More are answered at once. */
#define WAITING_MAX 1024
#define WAITING_BYTES_MAX (8u * 1024 * 1024)

struct session {
    uint64_t sequence; /* the last one that was used */
};

struct waiting {
    struct waiting *next;
    struct peer *peer;
    struct header header;
    int64_t asked_us, until_us;
    size_t body_bytes;
    uint8_t body[];
};

struct view_server {
    const struct config *config;
    struct model *model;
    const struct view_facts *facts;
    struct peers *peers;
    struct peers_owner owner;
    struct waiting *waiting;
    size_t waiting_count, waiting_bytes;
    uint64_t queries;
    bool wants_beacon;
};

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

/* ------------------------------------------------------------- questions */

static void tell(struct view_server *s, const struct peer *peer, const struct header *query,
                 Hf__ViewAnswer *answer)
{
    struct header header = {.type = MESSAGE_ANSWER,
                            .partition = query->partition,
                            .session = query->session,
                            .sequence = query->sequence};
    size_t bytes = hf__view_answer__get_packed_size(answer);

    if (bytes > s->config->limits.message_bytes) {
        hf__view_answer__init(answer);
        answer->status = STATUS_too_large;
        answer->message =
            arena_printf(peers_arena(s->peers), "the answer is larger than a message: ask for "
                                                "less");
        bytes = hf__view_answer__get_packed_size(answer);
    }
    uint8_t *body = peers_collect(s->peers, peer, &header, bytes);
    hf__view_answer__pack(answer, body);
    s->queries++;
}

static void add_facts(const struct view_server *s, Hf__ViewAnswer *answer)
{
    if (answer->events && answer->events->since_us == 0)
        answer->events->since_us = s->facts->started_at_us;
    if (!answer->view)
        return;
    answer->view->name = bytes_of(s->facts->name);
    answer->view->started_at_us = s->facts->started_at_us;
    answer->view->repairs = s->facts->repairs;
    answer->view->queries = s->queries;
}

/* False: it waits. */
static bool answer_query(struct view_server *s, const struct peer *peer,
                         const struct header *header, const uint8_t *body, size_t body_bytes,
                         bool last, int64_t asked_us, int64_t now_us, uint32_t *wait_ms)
{
    Hf__ViewQuery *query =
        hf__view_query__unpack(&peers_arena(s->peers)->allocator, body_bytes, body);
    Hf__ViewAnswer answer = HF__VIEW_ANSWER__INIT;

    if (!query) {
        answer.status = STATUS_invalid;
        answer.field = arena_printf(peers_arena(s->peers), "query");
        answer.message = arena_printf(peers_arena(s->peers), "the body is not a ViewQuery");
    } else if (header->not_after_us < clock_wall_us()) {
        answer.status = STATUS_deadline_exceeded;
    } else {
        *wait_ms = query->wait_ms > 0 ? query->wait_ms : MODEL_WAIT_MS_DEFAULT;
        if (!model_answer(s->model, query, asked_us, now_us, last, peers_arena(s->peers),
                          &answer)) {
            s->wants_beacon = s->wants_beacon || (query->latest && asked_us == now_us);
            return false;
        }
        add_facts(s, &answer);
    }
    tell(s, peer, header, &answer);
    return true;
}

static void take_query(struct view_server *s, struct peer *peer, const struct header *header,
                       const uint8_t *body, size_t body_bytes, int64_t now_us)
{
    bool last =
        s->waiting_count >= WAITING_MAX || s->waiting_bytes + body_bytes > WAITING_BYTES_MAX;
    struct session *session = peer->data;
    uint32_t wait_ms = 0;

    if (!session && !(session = peer->data = calloc(1, sizeof *session)))
        abort();
    if (header->sequence <= session->sequence) {
        peers_fault(s->peers, peer, header, ERROR_sequence, NULL);
        return;
    }
    session->sequence = header->sequence;
    if (answer_query(s, peer, header, body, body_bytes, last, now_us, now_us, &wait_ms))
        return;
    struct waiting *waiting = malloc(sizeof *waiting + body_bytes);
    if (!waiting)
        abort();
    *waiting = (struct waiting){.next = s->waiting,
                                .peer = peer,
                                .header = *header,
                                .asked_us = now_us,
                                .until_us = now_us + (int64_t)wait_ms * 1000,
                                .body_bytes = body_bytes};
    memcpy(waiting->body, body, body_bytes);
    s->waiting = waiting;
    s->waiting_count++;
    s->waiting_bytes += body_bytes;
}

static void take(void *context, struct peer *peer, const struct header *header, const uint8_t *body,
                 size_t body_bytes, int64_t now_us)
{
    struct view_server *s = context;

    if (header->type == MESSAGE_QUERY)
        take_query(s, peer, header, body, body_bytes, now_us);
    else
        peers_fault(s->peers, peer, header, ERROR_unexpected, NULL);
}

static void drop_waiting(struct view_server *s, struct waiting **link)
{
    struct waiting *w = *link;

    *link = w->next;
    s->waiting_count--;
    s->waiting_bytes -= w->body_bytes;
    free(w);
}

static void ended(void *context, struct peer *peer)
{
    struct view_server *s = context;

    for (struct waiting **link = &s->waiting; *link;) {
        if ((*link)->peer == peer)
            drop_waiting(s, link);
        else
            link = &(*link)->next;
    }
    free(peer->data);
}

static void try_waiting(struct view_server *s, bool changed, int64_t now_us)
{
    for (struct waiting **link = &s->waiting, *w; (w = *link) != NULL;) {
        bool due = now_us >= w->until_us;
        uint32_t wait_ms;
        arena_reset(peers_arena(s->peers));
        if ((!changed && !due) || !answer_query(s, w->peer, &w->header, w->body, w->body_bytes, due,
                                                w->asked_us, now_us, &wait_ms)) {
            link = &w->next;
            continue;
        }
        (void)peers_flush(s->peers);
        drop_waiting(s, link);
    }
}

/* ------------------------------------------------------------- the calls */

void view_server_read(struct view_server *server, int64_t now_us)
{
    peers_read(server->peers, now_us);
}

void view_server_tick(struct view_server *server, bool changed, int64_t now_us)
{
    if (server->waiting)
        try_waiting(server, changed, now_us);
    peers_tick(server->peers, now_us);
}

int64_t view_server_wait_us(const struct view_server *server, int64_t now_us)
{
    int64_t until_us = peers_due_us(server->peers);

    for (const struct waiting *w = server->waiting; w; w = w->next) {
        if (w->until_us < until_us)
            until_us = w->until_us;
    }
    return until_us > now_us ? until_us - now_us : 0;
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
    server->owner =
        (struct peers_owner){.context = server, .name = facts->name, .take = take, .ended = ended};
    server->peers = peers_open(context, config, endpoint, &server->owner, error);
    if (server->peers)
        return server;
    free(server);
    return NULL;
}

void view_server_close(struct view_server **server)
{
    peers_close(&(*server)->peers);
    free(*server);
    *server = NULL;
}

bool view_server_wants_beacon(struct view_server *server)
{
    bool wants = server->wants_beacon;

    server->wants_beacon = false;
    return wants;
}

void *view_server_socket(const struct view_server *server)
{
    return peers_socket(server->peers);
}

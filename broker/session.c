/* SPDX-License-Identifier: MIT
 *
 * Sessions of clients and workers: HELLO to GOODBYE, heartbeats, silence, and sending what was
 * collected for a peer. A session is known by the routing id of its connection within its side, and
 * by its number, which is in the header of every message of it.
 */
#include "broker/core.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/log.h"
#include "protocol/holdfast.pb-c.h"

/* What may wait for a peer that does not take it, before its session ends. Besides, it may be
 * blocked for DISPATCH_HEARTBEATS_MISSED heartbeats. */
#define OUTBOX_BYTES_MAX (8u * 1024u * 1024u)

static const char *side_name(enum side side)
{
    return side == SIDE_CLIENT ? "client" : "worker";
}

struct session *session_by_route(struct dispatch *d, enum side side, const uint8_t *route,
                                 size_t route_bytes)
{
    struct session *s;

    HASH_FIND(hh, d->by_route[side], route, route_bytes, s);
    return s;
}

struct session *session_by_id(struct dispatch *d, uint32_t id)
{
    struct session *s = d->slots[id % d->slot_count];

    return s && s->id == id ? s : NULL;
}

/* ---- HELLO */

/* Texts in a fault are for people; detail may be left empty. */
struct refusal {
    bool refused;
    enum error_code code;
    char detail[128];
};

static void refuse(struct refusal *refusal, enum error_code code, const char *detail)
{
    refusal->refused = true;
    refusal->code = code;
    snprintf(refusal->detail, sizeof refusal->detail, "%s", detail);
}

static void check_worker(const struct dispatch *d, const Hf__Hello *hello, struct refusal *refusal)
{
    const char *fault = code_fault(hello->shard.data, hello->shard.len);

    if (fault) {
        refuse(refusal, ERROR_name, "shard");
    } else if (hello->partitions != d->config.partitions) {
        char detail[64];
        snprintf(detail, sizeof detail, "%u here, %u there", d->config.partitions,
                 hello->partitions);
        refuse(refusal, ERROR_partitions, detail);
    }
}

static void check_clock(const struct dispatch *d, const Hf__Hello *hello, struct refusal *refusal,
                        struct moment now)
{
    int64_t limit_us = (int64_t)d->config.limits.clock_skew_ms * 1000;
    /* a clock below 0 is as wrong as can be, and would overflow the difference */
    int64_t ahead_us = hello->clock_us < 0 ? -now.wall_us : hello->clock_us - now.wall_us;

    if (ahead_us <= limit_us && ahead_us >= -limit_us)
        return;
    char detail[64];
    snprintf(detail, sizeof detail, "by %lld ms", (long long)(ahead_us / 1000));
    refuse(refusal, ERROR_clock_skew, detail);
}

static struct refusal check_hello(const struct dispatch *d, enum side side, const Hf__Hello *hello,
                                  struct moment now)
{
    struct refusal refusal = {.refused = false};
    Hf__Role role = side == SIDE_CLIENT ? HF__ROLE__ROLE_CLIENT : HF__ROLE__ROLE_WORKER;

    if (hello->version_min > HEADER_VERSION || hello->version_max < HEADER_VERSION)
        refuse(&refusal, ERROR_version, "");
    else if (hello->role != role)
        refuse(&refusal, ERROR_role, "");
    else if (hello->cluster.len != strlen(d->config.cluster) ||
             memcmp(hello->cluster.data, d->config.cluster, hello->cluster.len) != 0)
        refuse(&refusal, ERROR_cluster, d->config.cluster);
    else if (code_fault(hello->name.data, hello->name.len))
        refuse(&refusal, ERROR_name, "name");
    else if (hello->instance.len != INSTANCE_BYTES)
        refuse(&refusal, ERROR_malformed, "instance");
    else
        check_clock(d, hello, &refusal, now);
    if (!refusal.refused && side == SIDE_WORKER)
        check_worker(d, hello, &refusal);
    return refusal;
}

static struct session *session_start(struct dispatch *d, enum side side, const uint8_t *route,
                                     size_t route_bytes, const char *principal,
                                     const Hf__Hello *hello, struct moment now)
{
    struct session *s = calloc(1, sizeof *s);

    if (!s)
        abort();
    s->side = side;
    s->slot = d->free_slots[--d->free_count];
    uint32_t generations = UINT32_MAX / d->slot_count;
    d->generations[s->slot] = d->generations[s->slot] % (generations - 1) + 1;
    s->id = d->generations[s->slot] * d->slot_count + s->slot;
    d->slots[s->slot] = s;
    code_set(&s->name, hello->name.data, hello->name.len);
    memcpy(s->instance, hello->instance.data, INSTANCE_BYTES);
    s->heard_us = now.monotonic_us;
    s->started_us = now.monotonic_us;
    memcpy(s->route, route, route_bytes);
    s->route_bytes = route_bytes;
    HASH_ADD_KEYPTR(hh, d->by_route[side], s->route, s->route_bytes, s);
    DL_APPEND(d->list[side], s);
    d->count[side]++;
    if (side == SIDE_CLIENT) {
        s->client.principal = principal_enter(&d->principals, principal, now.monotonic_us);
        s->client.credit = d->config.limits.client_window;
    } else {
        worker_init(s);
        code_set(&s->worker.shard, hello->shard.data, hello->shard.len);
    }
    return s;
}

static ProtobufCBinaryData borrowed_text(char *text)
{
    ProtobufCBinaryData data = {.len = strlen(text), .data = (uint8_t *)text};
    return data;
}

/* Control messages are small and rare; each is packed into memory of its own. */
static void send_control(struct dispatch *d, struct session *s, uint8_t type,
                         const ProtobufCMessage *message)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *body = malloc(bytes + 1);
    struct header header = {
        .type = type,
        .partition = PARTITION_NONE,
        .session = s->id,
    };

    if (!body)
        abort();
    protobuf_c_message_pack(message, body);
    outbox_append(&s->out, &header, body, bytes);
    session_mark_dirty(d, s);
    free(body);
}

static void send_welcome(struct dispatch *d, struct session *s, struct moment now)
{
    const struct config_limits *limits = &d->config.limits;
    Hf__Welcome welcome;

    hf__welcome__init(&welcome);
    welcome.version = HEADER_VERSION;
    welcome.broker = borrowed_text(d->config.name);
    welcome.cluster = borrowed_text(d->config.cluster);
    welcome.region = borrowed_text(d->config.region);
    welcome.partitions = d->config.partitions;
    welcome.map_version = d->map_version;
    welcome.clock_us = now.wall_us;
    if (s->side == SIDE_CLIENT) {
        welcome.credit = s->client.credit;
        welcome.window = limits->client_window;
    }
    welcome.heartbeat_ms = (uint32_t)d->config.windows.heartbeat_ms;
    welcome.message_bytes = limits->message_bytes;
    welcome.batch_messages = BATCH_MESSAGES_MAX;
    welcome.lines = limits->lines;
    welcome.not_after_ms =
        limits->not_after_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)limits->not_after_ms;
    send_control(d, s, MESSAGE_WELCOME, &welcome.base);
}

static bool has_room(const struct dispatch *d, enum side side)
{
    uint32_t limit = side == SIDE_CLIENT ? d->config.limits.clients : DISPATCH_WORKERS_MAX;

    return d->count[side] < limit;
}

void session_hello(struct dispatch *d, enum side side, const uint8_t *route, size_t route_bytes,
                   const char *principal, const struct header *header, const uint8_t *body,
                   size_t body_bytes, struct moment now)
{
    struct session *old = session_by_route(d, side, route, route_bytes);
    Hf__Hello *hello = NULL;

    if (old) /* its process lives and begins again */
        session_end(d, old, END_CLEAN, "said hello again", now);
    if (header->session == 0 && body_bytes <= CONTROL_BYTES_MAX_CLIENT)
        hello = hf__hello__unpack(NULL, body_bytes, body);
    if (!hello) {
        reply_error(d, side, route, route_bytes, 0, header->sequence, ERROR_malformed, "hello");
        return;
    }
    struct refusal refusal = check_hello(d, side, hello, now);
    if (!refusal.refused && !has_room(d, side))
        refuse(&refusal, ERROR_full, "");
    if (refusal.refused) {
        log_limited(LOG_WARN, "side=%s code=%s refused a session: %s %s", side_name(side),
                    error_name(refusal.code), error_text(refusal.code), refusal.detail);
        reply_error(d, side, route, route_bytes, 0, header->sequence, refusal.code,
                    refusal.detail[0] ? refusal.detail : NULL);
    } else {
        struct session *s = session_start(d, side, route, route_bytes, principal, hello, now);
        log_info("side=%s session=%u name=\"%s\" session started", side_name(side), s->id,
                 s->name.bytes);
        send_welcome(d, s, now);
    }
    hf__hello__free_unpacked(hello, NULL);
}

/* ---- HEARTBEAT */

static void answer_heartbeat(struct dispatch *d, struct session *s, const Hf__Heartbeat *asked,
                             struct moment now)
{
    Hf__Heartbeat answer;
    size_t stale_count = 0;
    Hf__Owned *stale = calloc(asked->n_owned + 1, sizeof *stale);
    Hf__Owned **list = calloc(asked->n_owned + 1, sizeof *list);

    if (!stale || !list)
        abort();
    for (size_t i = 0; i < asked->n_owned; i++) {
        const struct partition *p = &d->partitions[asked->owned[i]->partition];
        if (p->epoch <= asked->owned[i]->epoch)
            continue;
        list[stale_count] = &stale[stale_count];
        hf__owned__init(&stale[stale_count]);
        stale[stale_count].partition = p->number;
        stale[stale_count].epoch = p->epoch;
        stale[stale_count].last_sequence = p->last_sequence;
        stale_count++;
    }
    hf__heartbeat__init(&answer);
    answer.clock_us = now.wall_us;
    answer.echo = asked->echo;
    answer.answer = 1;
    answer.map_version = d->map_version;
    answer.n_stale = stale_count;
    answer.stale = list;
    send_control(d, s, MESSAGE_HEARTBEAT, &answer.base);
    free(list);
    free(stale);
}

/* What is no text of a line is not passed on. */
static void worker_trouble(struct session *s, ProtobufCBinaryData text)
{
    if (text.len > 0 && text_fault(text.data, text.len, TROUBLE_BYTES_MAX))
        text.len = 0;
    s->worker.trouble_bytes = (uint8_t)text.len;
    if (text.len > 0)
        memcpy(s->worker.trouble, text.data, text.len);
}

static bool announce(struct dispatch *d, struct session *s, const Hf__Heartbeat *heartbeat,
                     struct moment now)
{
    for (size_t i = 0; i < heartbeat->n_owned; i++) {
        if (heartbeat->owned[i]->partition >= d->config.partitions)
            return false;
    }
    worker_announce_begin(d);
    for (size_t i = 0; i < heartbeat->n_owned; i++) {
        const Hf__Owned *owned = heartbeat->owned[i];
        worker_announce(d, s, owned->partition, owned->epoch, owned->last_sequence);
    }
    worker_announce_end(d, s, now);
    worker_trial(s, heartbeat->trial, heartbeat->trial_elsewhere);
    if (heartbeat->others)
        yield_begin(d, now);
    worker_trouble(s, heartbeat->trouble);
    return true;
}

void session_heartbeat(struct dispatch *d, struct session *s, const struct header *header,
                       const uint8_t *body, size_t body_bytes, struct moment now)
{
    size_t limit = s->side == SIDE_CLIENT ? CONTROL_BYTES_MAX_CLIENT : CONTROL_BYTES_MAX_WORKER;
    Hf__Heartbeat *heartbeat = NULL;

    if (body_bytes <= limit)
        heartbeat = hf__heartbeat__unpack(NULL, body_bytes, body);
    bool good = heartbeat != NULL;
    if (good && s->side == SIDE_WORKER)
        good = announce(d, s, heartbeat, now);
    else if (good)
        good = heartbeat->n_owned == 0;
    if (good && !heartbeat->answer)
        answer_heartbeat(d, s, heartbeat, now);
    if (heartbeat)
        hf__heartbeat__free_unpacked(heartbeat, NULL);
    if (!good)
        session_fault(d, s, ERROR_malformed, header->sequence, now);
}

/* ---- the end of a session */

static void unlink_dirty(struct dispatch *d, struct session *s)
{
    if (!s->dirty)
        return;
    struct session **link = &d->dirty;
    while (*link && *link != s)
        link = &(*link)->dirty_next;
    if (*link)
        *link = s->dirty_next;
    s->dirty = false;
}

void session_end(struct dispatch *d, struct session *s, enum session_end how, const char *why,
                 struct moment now)
{
    if (s->side == SIDE_CLIENT)
        log_info("side=client session=%u name=\"%s\" admitted=%llu in_flight=%u session ended: %s",
                 s->id, s->name.bytes, (unsigned long long)s->client.admitted, s->client.in_flight,
                 why);
    else
        log_line(how == END_CLEAN ? LOG_INFO : LOG_WARN,
                 "side=worker session=%u name=\"%s\" partitions=%u in_flight=%u session ended: %s",
                 s->id, s->name.bytes, s->worker.owned_count, s->worker.in_flight, why);
    unlink_dirty(d, s);
    HASH_DEL(d->by_route[s->side], s);
    DL_DELETE(d->list[s->side], s);
    d->count[s->side]--;
    if (s->side == SIDE_CLIENT) {
        queue_drop_client(d, s);
        principal_leave(s->client.principal, now.monotonic_us);
    } else {
        worker_release(d, s, how, now);
    }
    d->slots[s->slot] = NULL;
    d->free_slots[d->free_count++] = s->slot;
    outbox_release(&s->out);
    free(s);
}

void session_fault(struct dispatch *d, struct session *s, enum error_code code, uint64_t sequence,
                   struct moment now)
{
    log_limited(LOG_WARN, "side=%s session=%u name=\"%s\" code=%s fault of a peer: %s",
                side_name(s->side), s->id, s->name.bytes, error_name(code), error_text(code));
    reply_error(d, s->side, s->route, s->route_bytes, s->id, sequence, code, NULL);
    if (error_ends_session(code))
        session_end(d, s, END_CLEAN, error_text(code), now);
}

void session_doom(struct dispatch *d, struct session *s, enum error_code code)
{
    s->doomed = true;
    s->doom = code;
    session_mark_dirty(d, s);
}

/* ---- sending */

void session_mark_dirty(struct dispatch *d, struct session *s)
{
    if (s->dirty)
        return;
    s->dirty = true;
    s->dirty_next = d->dirty;
    d->dirty = s;
}

/* A client's credit counts from the last sequence that it used, by what its window has free. It is
 * raised when at least half the window would be gained, so a busy client is told twice a window. */
static void top_up(struct dispatch *d, struct session *s)
{
    uint32_t window = d->config.limits.client_window;
    struct client_part *client = &s->client;
    uint32_t taken = client->in_flight + client->held_back;

    if (taken >= window)
        return;
    uint64_t credit = client->last_sequence + (window - taken);
    if (credit < client->credit || credit - client->credit < (window + 1) / 2)
        return;
    client->credit = credit;
    struct header header = {
        .type = MESSAGE_CREDIT,
        .partition = PARTITION_NONE,
        .session = s->id,
        .sequence = credit,
    };
    outbox_append(&s->out, &header, NULL, 0);
}

void client_hold_back(struct session *s, uint32_t retry_after_ms, struct moment now)
{
    struct client_part *client = &s->client;
    uint32_t held_ms = retry_after_ms < HELD_BACK_MAX_MS ? retry_after_ms : HELD_BACK_MAX_MS;

    if (client->held_back++ == 0)
        client->held_until_us = now.monotonic_us + (int64_t)held_ms * 1000;
}

static void let_go(struct dispatch *d, struct session *s, struct moment now)
{
    if (s->client.held_back == 0 || now.monotonic_us < s->client.held_until_us)
        return;
    s->client.held_back = 0;
    session_mark_dirty(d, s);
}

static void set_blocked(struct dispatch *d, struct session *s, bool blocked, struct moment now)
{
    if (blocked && !s->blocked)
        s->blocked_us = now.monotonic_us;
    s->blocked = blocked;
    if (blocked)
        d->blocked = true;
}

static enum delivery send_outbox(struct dispatch *d, struct session *s)
{
    uint8_t header[HEADER_BYTES];
    const uint8_t *body;
    size_t body_bytes, taken;

    while (
        outbox_peek(&s->out, d->config.limits.message_bytes, header, &body, &body_bytes, &taken)) {
        enum delivery delivery = d->output.send(d->output.context, s->side, s->route,
                                                s->route_bytes, header, body, body_bytes);
        if (delivery != DELIVERY_SENT)
            return delivery;
        outbox_advance(&s->out, taken);
    }
    return DELIVERY_SENT;
}

void session_flush(struct dispatch *d, struct session *s, struct moment now)
{
    if (s->doomed) {
        session_fault(d, s, s->doom, 0, now);
        return;
    }
    if (s->side == SIDE_CLIENT)
        top_up(d, s);
    switch (send_outbox(d, s)) {
    case DELIVERY_SENT:
        set_blocked(d, s, false, now);
        return;
    case DELIVERY_GONE:
        session_end(d, s, END_GONE, "its connection is gone", now);
        return;
    case DELIVERY_FULL:
        break;
    }
    set_blocked(d, s, true, now);
    if (outbox_bytes(&s->out) > OUTBOX_BYTES_MAX ||
        now.monotonic_us - s->blocked_us > DISPATCH_HEARTBEATS_MISSED * d->heartbeat_us)
        session_fault(d, s, ERROR_slow, 0, now);
}

/* ---- silence */

/* Says something to a worker that says nothing: whether its connection is still there is known only
 * when something is sent to it, and a dead worker's operations should not wait for three
 * heartbeats. */
static void probe(struct dispatch *d, struct session *s, struct moment now)
{
    Hf__Heartbeat beat;

    hf__heartbeat__init(&beat);
    beat.clock_us = now.wall_us;
    beat.answer = 1;
    beat.map_version = d->map_version;
    send_control(d, s, MESSAGE_HEARTBEAT, &beat.base);
}

void sessions_tick(struct dispatch *d, struct moment now)
{
    int64_t limit_us = DISPATCH_HEARTBEATS_MISSED * d->heartbeat_us;

    for (int side = 0; side < SIDE_COUNT; side++) {
        struct session *s, *next;
        DL_FOREACH_SAFE(d->list[side], s, next)
        {
            int64_t since_us = s->heard_us > d->resumed_us ? s->heard_us : d->resumed_us;
            if (now.monotonic_us - since_us <= limit_us) {
                if (side == SIDE_CLIENT)
                    let_go(d, s, now);
                else if (now.monotonic_us - s->heard_us > d->tick_us)
                    probe(d, s, now);
                continue;
            }
            reply_error(d, s->side, s->route, s->route_bytes, s->id, 0, ERROR_silent, NULL);
            session_end(d, s, END_SILENT, "three heartbeats were missed", now);
        }
    }
}

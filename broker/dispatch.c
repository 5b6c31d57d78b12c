/* SPDX-License-Identifier: MIT
 *
 * The way into the dispatch core: takes a message apart, finds who handles it, and runs the flush
 * and the tick. See dispatch.h for the contract and core.h for the parts.
 */
#include "broker/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/log.h"

/* Housekeeping is due so often, or four times a heartbeat where that is more often. */
#define TICK_US 250000
/* A peer whose pipe was full is tried again so often. */
#define BLOCKED_RETRY_US 10000

/* ---- life */

struct dispatch *dispatch_new(const struct dispatch_config *config, struct dispatch_output output,
                              struct moment now)
{
    struct dispatch *d = calloc(1, sizeof *d);

    if (!d)
        abort();
    d->config = *config;
    d->output = output;
    d->started = now;
    d->heartbeat_us = (int64_t)config->windows.heartbeat_ms * 1000;
    d->grace_us = (int64_t)config->windows.lease_ms * DISPATCH_GRACE_LEASES * 1000;
    d->tick_us = d->heartbeat_us / 4 < TICK_US ? d->heartbeat_us / 4 : TICK_US;
    d->last_tick_us = now.monotonic_us;
    d->next_tick_us = now.monotonic_us + d->tick_us;
    d->resumed_us = now.monotonic_us;
    d->rate_since_us = now.monotonic_us;
    d->slot_count = config->limits.clients + DISPATCH_WORKERS_MAX;
    d->slots = calloc(d->slot_count, sizeof(struct session *));
    d->free_slots = calloc(d->slot_count, sizeof *d->free_slots);
    d->generations = calloc(d->slot_count, sizeof *d->generations);
    d->partitions = calloc(config->partitions, sizeof *d->partitions);
    if (!d->slots || !d->free_slots || !d->generations || !d->partitions)
        abort();
    for (uint32_t i = d->slot_count; i-- > 0;) {
        d->free_slots[d->free_count++] = i;
        d->generations[i] = config->session_base;
    }
    for (uint32_t i = 0; i < config->partitions; i++) {
        d->partitions[i].number = i;
        d->partitions[i].unserved_since_us = now.monotonic_us;
    }
    principals_init(&d->principals, config->limits.rate, config->limits.rate_burst);
    return d;
}

static void end_all(struct dispatch *d, struct moment now)
{
    for (int side = 0; side < SIDE_COUNT; side++) {
        while (d->list[side])
            session_end(d, d->list[side], END_CLEAN, "the broker stops", now);
    }
}

void dispatch_destroy(struct dispatch **dispatch)
{
    struct dispatch *d = *dispatch;

    if (!d)
        return;
    end_all(d, d->started);
    for (uint32_t i = 0; i < d->config.partitions; i++) {
        struct op *op, *next;
        DL_FOREACH_SAFE(d->partitions[i].again, op, next)
        free(op);
    }
    while (d->lane_free) {
        struct lane *lane = d->lane_free;
        d->lane_free = lane->next;
        free(lane);
    }
    principals_release(&d->principals);
    free(d->partitions);
    free(d->slots);
    free(d->free_slots);
    free(d->generations);
    if (d->audit)
        hf__audit_report__free_unpacked(d->audit, NULL);
    free(d);
    *dispatch = NULL;
}

/* ---- messages */

static void take_goodbye(struct dispatch *d, struct session *s, const struct header *header,
                         const uint8_t *body, size_t body_bytes, struct moment now)
{
    (void)header;
    (void)body;
    (void)body_bytes;
    session_end(d, s, END_CLEAN, "said goodbye", now);
}

static void take_error(struct dispatch *d, struct session *s, const struct header *header,
                       const uint8_t *body, size_t body_bytes, struct moment now)
{
    (void)d;
    (void)header;
    (void)body;
    (void)body_bytes;
    (void)now;
    log_limited(LOG_WARN, "session=%u name=\"%s\" the peer reports an error", s->id, s->name.bytes);
}

static bool is_told_text(const ProtobufCBinaryData *bytes)
{
    return text_fault(bytes->data, bytes->len, NAME_BYTES_MAX) == NULL;
}

static bool is_told_string(const char *text)
{
    return text_fault(text, strlen(text), NAME_BYTES_MAX) == NULL;
}

static bool report_is_good(const Hf__AuditReport *report)
{
    if (report->n_first > AUDIT_FIRST_MAX || report->by.len > 0 || report->told_at_us != 0)
        return false;
    for (size_t i = 0; i < report->n_first; i++) {
        const Hf__Difference *first = report->first[i];
        if (!is_told_string(first->check) || !is_told_string(first->message) ||
            !is_told_text(&first->sku) || !is_told_text(&first->warehouse) ||
            !is_told_text(&first->reservation) || !is_told_text(&first->view))
            return false;
    }
    return true;
}

/* What an audit found, for whoever watches our state. */
static void take_audited(struct dispatch *d, struct session *s, const struct header *header,
                         const uint8_t *body, size_t body_bytes, struct moment now)
{
    Hf__AuditReport *report = body_bytes <= CONTROL_BYTES_MAX_CLIENT
                                  ? hf__audit_report__unpack(NULL, body_bytes, body)
                                  : NULL;

    if (!report || !report_is_good(report)) {
        if (report)
            hf__audit_report__free_unpacked(report, NULL);
        session_fault(d, s, ERROR_malformed, header->sequence, now);
        return;
    }
    report->by.data = malloc(s->name.length + 1);
    if (!report->by.data)
        abort();
    memcpy(report->by.data, s->name.bytes, s->name.length);
    report->by.len = s->name.length;
    report->told_at_us = now.wall_us;
    if (d->audit)
        hf__audit_report__free_unpacked(d->audit, NULL);
    d->audit = report;
}

/* What each side may send within a session. HELLO and BATCH come before this table. */
static const struct message_kind {
    void (*take[SIDE_COUNT])(struct dispatch *d, struct session *s, const struct header *header,
                             const uint8_t *body, size_t body_bytes, struct moment now);
    bool in_batch;
} kinds[] = {
    [MESSAGE_HEARTBEAT] = {{session_heartbeat, session_heartbeat}, true},
    [MESSAGE_GOODBYE] = {{take_goodbye, take_goodbye}, false},
    [MESSAGE_ERROR] = {{take_error, take_error}, false},
    [MESSAGE_CREDIT] = {{NULL, worker_credit}, true},
    [MESSAGE_OPERATION] = {{admit, NULL}, true},
    [MESSAGE_QUERY] = {{admit, NULL}, true},
    [MESSAGE_RESULT] = {{NULL, worker_result}, true},
    [MESSAGE_ANSWER] = {{NULL, worker_result}, true},
    [MESSAGE_RETURNED] = {{NULL, worker_returned}, true},
    [MESSAGE_STATE] = {{NULL, NULL}, false},
    [MESSAGE_CHANGES] = {{NULL, NULL}, false},
    [MESSAGE_BEACON] = {{NULL, NULL}, false},
    [MESSAGE_ASK] = {{NULL, NULL}, false},
    [MESSAGE_AUDITED] = {{take_audited, NULL}, true},
};

static void take(struct dispatch *d, struct session *s, const struct header *header,
                 const uint8_t *body, size_t body_bytes, struct moment now)
{
    if (header->session != s->id) {
        reply_error(d, s->side, s->route, s->route_bytes, header->session, header->sequence,
                    ERROR_no_session, NULL);
        return;
    }
    if (!message_type_name(header->type)) {
        session_fault(d, s, ERROR_unknown_type, header->sequence, now);
        return;
    }
    if (!kinds[header->type].take[s->side]) {
        session_fault(d, s, ERROR_unexpected, header->sequence, now);
        return;
    }
    kinds[header->type].take[s->side](d, s, header, body, body_bytes, now);
}

static void take_batch(struct dispatch *d, struct session *s, const uint8_t *body,
                       size_t body_bytes, struct moment now)
{
    struct batch_reader reader;
    struct header item;
    const uint8_t *item_body;
    size_t item_bytes;
    enum batch_step step;
    uint32_t id = s->id;

    batch_reader_init(&reader, body, body_bytes);
    while ((step = batch_next(&reader, &item, &item_body, &item_bytes)) == BATCH_ITEM) {
        if (message_type_name(item.type) && !kinds[item.type].in_batch) {
            step = BATCH_BROKEN;
            break;
        }
        take(d, s, &item, item_body, item_bytes, now);
        if (session_by_id(d, id) != s)
            return; /* that item ended the session */
    }
    if (step == BATCH_BROKEN)
        session_fault(d, s, ERROR_malformed, 0, now);
}

/* Without a session: the header at fault is the first one that names a session. */
static void refuse_stranger(struct dispatch *d, enum side side, const uint8_t *route,
                            size_t route_bytes, struct header header, const uint8_t *body,
                            size_t body_bytes)
{
    if (header.type == MESSAGE_BATCH) {
        struct batch_reader reader;
        const uint8_t *item_body;
        size_t item_bytes;
        batch_reader_init(&reader, body, body_bytes);
        if (batch_next(&reader, &header, &item_body, &item_bytes) != BATCH_ITEM)
            header = (struct header){.type = MESSAGE_BATCH};
    }
    if (header.type == MESSAGE_GOODBYE || header.type == MESSAGE_ERROR)
        return; /* nothing that it could do */
    enum error_code code = message_type_name(header.type) ? ERROR_no_session : ERROR_unknown_type;
    reply_error(d, side, route, route_bytes, header.session, header.sequence, code, NULL);
}

static void refuse_header(struct dispatch *d, enum side side, const uint8_t *route,
                          size_t route_bytes, enum header_error error, struct moment now)
{
    enum error_code code = error == HEADER_VERSION_UNKNOWN ? ERROR_version : ERROR_malformed;
    struct session *s = session_by_route(d, side, route, route_bytes);

    log_limited(LOG_WARN, "code=%s fault of a peer: %s", error_name(code),
                header_error_text(error));
    reply_error(d, side, route, route_bytes, s ? s->id : 0, 0, code, header_error_text(error));
    if (s)
        session_end(d, s, END_CLEAN, header_error_text(error), now);
}

void dispatch_receive_misframed(struct dispatch *d, enum side side, const uint8_t *route,
                                size_t route_bytes, struct moment now)
{
    refuse_header(d, side, route, route_bytes, HEADER_SHORT, now);
}

void dispatch_receive(struct dispatch *d, enum side side, const uint8_t *route, size_t route_bytes,
                      const char *principal, const uint8_t *header_bytes, size_t header_length,
                      const uint8_t *body, size_t body_bytes, struct moment now)
{
    struct header header;

    assert(route_bytes > 0 && route_bytes <= DISPATCH_ROUTE_BYTES);
    enum header_error error = header_read(&header, header_bytes, header_length);
    if (error != HEADER_OK) {
        refuse_header(d, side, route, route_bytes, error, now);
        return;
    }
    if (header.type == MESSAGE_HELLO) {
        session_hello(d, side, route, route_bytes, principal, &header, body, body_bytes, now);
        return;
    }
    struct session *s = session_by_route(d, side, route, route_bytes);
    if (!s) {
        refuse_stranger(d, side, route, route_bytes, header, body, body_bytes);
        return;
    }
    s->heard_us = now.monotonic_us;
    if (header.type == MESSAGE_BATCH)
        take_batch(d, s, body, body_bytes, now);
    else
        take(d, s, &header, body, body_bytes, now);
}

/* ---- out */

static void flush_dirty(struct dispatch *d, struct moment now)
{
    while (d->dirty) {
        struct session *s = d->dirty;
        d->dirty = s->dirty_next;
        s->dirty = false;
        session_flush(d, s, now);
    }
}

static void retry_blocked(struct dispatch *d)
{
    if (!d->blocked)
        return;
    d->blocked = false;
    for (int side = 0; side < SIDE_COUNT; side++) {
        struct session *s;
        DL_FOREACH(d->list[side], s)
        {
            if (s->blocked)
                session_mark_dirty(d, s);
        }
    }
}

void dispatch_flush(struct dispatch *d, struct moment now)
{
    bool more;

    retry_blocked(d);
    do {
        struct session *s;
        more = false;
        DL_FOREACH(d->list[SIDE_WORKER], s)
        {
            if (worker_dispatch(d, s, now))
                more = true;
        }
        uint64_t requeued = d->requeued;
        flush_dirty(d, now);
        if (d->requeued != requeued)
            more = true; /* a worker was found gone: others may take its operations */
    } while (more);
}

void dispatch_tick(struct dispatch *d, struct moment now)
{
    if (now.monotonic_us - d->last_tick_us > d->heartbeat_us + d->tick_us)
        d->resumed_us = now.monotonic_us; /* it was this process that was silent */
    d->last_tick_us = now.monotonic_us;
    d->next_tick_us = now.monotonic_us + d->tick_us;
    sessions_tick(d, now);
    partitions_tick(d, now);
    principals_tick(&d->principals, now.monotonic_us);
}

bool dispatch_tick_due(const struct dispatch *d, struct moment now)
{
    return now.monotonic_us >= d->next_tick_us;
}

int64_t dispatch_wait_us(const struct dispatch *d, struct moment now)
{
    int64_t wait_us = d->next_tick_us - now.monotonic_us;

    int64_t rest_us = yield_wait_us(d, now);
    if (wait_us > rest_us)
        wait_us = rest_us;
    if (d->blocked && wait_us > BLOCKED_RETRY_US)
        wait_us = BLOCKED_RETRY_US;
    return wait_us > 0 ? wait_us : 0;
}

void dispatch_goodbye(struct dispatch *d, struct moment now)
{
    struct header header = {.type = MESSAGE_GOODBYE, .partition = PARTITION_NONE};

    for (uint32_t i = 0; i < d->config.partitions; i++)
        queue_shed(d, &d->partitions[i], false, STATUS_unavailable, now);
    for (int side = 0; side < SIDE_COUNT; side++) {
        struct session *s;
        DL_FOREACH(d->list[side], s)
        {
            header.session = s->id;
            outbox_append(&s->out, &header, NULL, 0);
            session_mark_dirty(d, s);
        }
    }
    flush_dirty(d, now);
    end_all(d, now);
}

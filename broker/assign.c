/* SPDX-License-Identifier: MIT
 *
 * Who serves a partition, and what is in flight there: announcements of workers, dispatch within
 * their credit, results, operations that come back, dead workers and suspects.
 *
 * Suspects. When a worker dies, each operation in flight at it may have killed it. They are queued
 * again in place, and from then on each is a suspect until it is answered; only that clears it.
 *   - A worker is given one suspect at a time. Each suspect that is answered raises the number that
 *     may be in flight there by one (so a queue of innocents is through in a few round trips);
 *     a worker's next session begins with one again.
 *   - A worker runs a suspect alone, as a trial that it announces to all its brokers before it
 *     begins. If it dies then, that operation is poison, and nothing else is blamed, here or at
 *     the other brokers.
 *   - A worker may die before it can announce anything. A suspect that was there at two deaths is
 *     dispatched only when nothing else is in flight at that worker, and nothing else until it is
 *     answered; the SUSPECT_DEATHS_MAX-th death that it has met alone makes it poison, too.
 * So an operation that kills its worker every time is found at the second death.
 */
#include "broker/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/log.h"
#include "protocol/holdfast.pb-c.h"

/* A worker's outbox is sent before it takes more than this. */
#define DISPATCH_OUTBOX_BYTES (1024u * 1024u)
#define FLIGHT_FIRST 256u
/* Deaths, at the last of which a suspect was all that its worker had from us, although no trial was
 * announced. Others' operations may have been to blame for some. */
#define SUSPECT_DEATHS_MAX 4u
/* Deaths by silence, during its trial: a worker that was stopped is no proof. */
#define SILENT_DEATHS_MAX 3u

/* ---- the worker's lists of partitions */

static struct partition **readiness_list(struct session *owner, enum partition_readiness readiness)
{
    switch (readiness) {
    case PARTITION_IDLE:
        break;
    case PARTITION_READY:
        return &owner->worker.ready;
    case PARTITION_PARKED:
        return &owner->worker.parked;
    }
    abort();
}

static void partition_set_readiness(struct partition *p, enum partition_readiness readiness)
{
    if (p->readiness != PARTITION_IDLE) {
        struct partition **list = readiness_list(p->owner, p->readiness);
        DL_DELETE2(*list, p, ready_prev, ready_next);
    }
    p->readiness = readiness;
    if (readiness != PARTITION_IDLE) {
        struct partition **list = readiness_list(p->owner, readiness);
        DL_APPEND2(*list, p, ready_prev, ready_next);
    }
}

void partition_wake(struct partition *p)
{
    /* its bulk is called when its turn has come */
    bool bulk = p->waiting > 0 && p->bulk_turn != TURN_IN_LINE;

    if (p->owner && p->readiness == PARTITION_IDLE && (p->again || queue_has_others(p) || bulk))
        partition_set_readiness(p, PARTITION_READY);
}

static void unpark(struct session *s)
{
    while (s->worker.parked)
        partition_set_readiness(s->worker.parked, PARTITION_READY);
}

static void set_owner(struct dispatch *d, struct partition *p, struct session *owner,
                      int64_t now_us)
{
    if (p->owner == owner)
        return;
    partition_set_readiness(p, PARTITION_IDLE);
    if (p->owner) {
        yield_leave(p);
        DL_DELETE2(p->owner->worker.owned, p, owned_prev, owned_next);
        p->owner->worker.owned_count--;
        d->served--;
    }
    p->owner = owner;
    d->map_version++;
    if (owner) {
        DL_APPEND2(owner->worker.owned, p, owned_prev, owned_next);
        owner->worker.owned_count++;
        d->served++;
        partition_wake(p);
    } else {
        p->unserved_since_us = now_us;
    }
}

/* ---- announcements */

void worker_init(struct session *s)
{
    s->worker.oldest = 1;
    s->worker.trial_window = 1;
}

void worker_announce_begin(struct dispatch *d)
{
    d->mark++;
}

void worker_announce(struct dispatch *d, struct session *s, uint32_t partition, uint64_t epoch,
                     uint64_t last_sequence)
{
    struct partition *p = &d->partitions[partition];

    if (epoch < p->epoch)
        return; /* the answer tells it: stale */
    /* An equal epoch can only be the same process on a new connection. */
    if (epoch == p->epoch && p->owner && p->owner != s &&
        memcmp(p->instance, s->instance, INSTANCE_BYTES) != 0)
        return;
    p->mark = d->mark;
    p->epoch = epoch;
    p->last_sequence = last_sequence;
    memcpy(p->instance, s->instance, INSTANCE_BYTES);
    set_owner(d, p, s, 0);
}

void worker_announce_end(struct dispatch *d, struct session *s, struct moment now)
{
    struct partition *p, *next;

    for (p = s->worker.owned; p; p = next) {
        next = p->owned_next;
        if (p->mark != d->mark)
            set_owner(d, p, NULL, now.monotonic_us);
    }
}

void worker_trial(struct session *s, uint64_t sequence, bool elsewhere)
{
    s->worker.trial = sequence;
    s->worker.trial_elsewhere = elsewhere;
}

void worker_credit(struct dispatch *d, struct session *s, const struct header *header,
                   const uint8_t *body, size_t body_bytes, struct moment now)
{
    (void)d;
    (void)body;
    (void)body_bytes;
    (void)now;
    if (header->sequence > s->worker.credit)
        s->worker.credit = header->sequence;
}

/* ---- in flight */

static struct op **flight_slot(const struct worker_part *w, uint64_t sequence)
{
    return &w->flight[sequence & (w->flight_size - 1)];
}

static void flight_grow(struct worker_part *w)
{
    uint32_t size = w->flight_size ? w->flight_size * 2 : FLIGHT_FIRST;
    struct op **flight = calloc(size, sizeof(struct op *));

    if (!flight)
        abort();
    for (uint64_t q = w->oldest; q <= w->sent && w->flight; q++)
        flight[q & (size - 1)] = *flight_slot(w, q);
    free(w->flight);
    w->flight = flight;
    w->flight_size = size;
}

static uint64_t flight_add(struct worker_part *w, struct op *op)
{
    if (w->sent + 1 - w->oldest >= w->flight_size)
        flight_grow(w);
    w->sent++;
    w->in_flight++;
    *flight_slot(w, w->sent) = op;
    return w->sent;
}

/* The operation that this dispatch of this session carries, if it has not been answered yet. */
static struct op *flight_take(struct worker_part *w, uint64_t sequence)
{
    if (sequence < w->oldest || sequence > w->sent)
        return NULL;
    struct op *op = *flight_slot(w, sequence);
    if (!op)
        return NULL;
    *flight_slot(w, sequence) = NULL;
    w->in_flight--;
    while (w->oldest <= w->sent && !*flight_slot(w, w->oldest))
        w->oldest++;
    return op;
}

/* ---- dispatch */

enum next {
    NEXT_OP,
    NEXT_NOTHING, /* the queue is empty */
    NEXT_PARK,    /* a suspect, and as many are in flight as may be */
    NEXT_HOLD,    /* only bulk is left, and as much of it is in flight as may be */
    NEXT_DRAIN,   /* a suspect that must be alone: wait until the worker has nothing in flight */
};

static enum next next_op(struct dispatch *d, struct session *s, struct partition *p,
                         struct op **found, struct moment now)
{
    struct op *op = p->again;

    if (op) {
        if (op->deaths > 1 && s->worker.in_flight > 0)
            return NEXT_DRAIN;
        if (op->deaths > 0 && s->worker.trials >= s->worker.trial_window)
            return NEXT_PARK;
        DL_DELETE(p->again, op);
        *found = op;
        return NEXT_OP;
    }
    bool without_bulk = yield_holds(d, p, now);
    while ((op = queue_pop(d, p, without_bulk)) != NULL) {
        enum status shed = STATUS_applied;
        if (now.wall_us > op->not_after_us)
            shed = STATUS_deadline_exceeded;
        else if (queue_is_overdue(p, op, now.monotonic_us))
            shed = STATUS_busy;
        if (shed == STATUS_applied) {
            *found = op;
            return NEXT_OP;
        }
        op_finish(d, op, shed, now);
    }
    return p->waiting > 0 ? NEXT_HOLD : NEXT_NOTHING;
}

static void send_op(struct session *s, const struct op *op)
{
    bool flagged = op->deaths > 0 && op->type == MESSAGE_OPERATION;
    struct header header = {
        .type = op->type,
        .flags = flagged ? HEADER_FLAG_SUSPECT : 0,
        .op_class = op->op_class,
        .attempt = op->attempt,
        .partition = op->partition,
        .session = s->id,
        .sequence = op->worker_sequence,
        .not_after_us = op->not_after_us,
    };

    outbox_append(&s->out, &header, op->body, op->body_bytes);
}

static void assign(struct dispatch *d, struct session *s, struct partition *p, struct op *op,
                   struct moment now)
{
    struct worker_part *w = &s->worker;

    if (op->order == 0)
        op->order = ++p->next_order;
    op->worker_sequence = flight_add(w, op);
    op_move(d, op, OP_ASSIGNED);
    if (op->op_class == CLASS_BULK)
        yield_given(s, now);
    if (op->op_class == CLASS_BULK || !p->lanes[CLASS_BULK])
        yield_leave(p);
    if (op->deaths > 0)
        w->trials++;
    if (op->deaths > 1)
        w->alone = true;
    p->swept_us = now.monotonic_us;
    send_op(s, op);
}

static bool takes_more(const struct session *s)
{
    const struct worker_part *w = &s->worker;

    return w->ready && !w->alone && w->sent < w->credit &&
           w->sent + 1 - w->oldest < DISPATCH_FLIGHT_MAX && !s->blocked && !s->doomed;
}

static void call_bulk(const struct dispatch *d, struct session *s, struct moment now)
{
    struct partition *p;

    while ((p = yield_next(d, s, now)) != NULL)
        partition_wake(p);
}

bool worker_dispatch(struct dispatch *d, struct session *s, struct moment now)
{
    for (call_bulk(d, s, now); takes_more(s); call_bulk(d, s, now)) {
        struct partition *p = s->worker.ready;
        struct op *op = NULL;
        if (outbox_bytes(&s->out) > DISPATCH_OUTBOX_BYTES)
            return true;
        switch (next_op(d, s, p, &op, now)) {
        case NEXT_DRAIN:
            return false;
        case NEXT_NOTHING:
            yield_leave(p);
            partition_set_readiness(p, PARTITION_IDLE);
            break;
        case NEXT_PARK:
            yield_leave(p);
            partition_set_readiness(p, PARTITION_PARKED);
            break;
        case NEXT_HOLD:
            yield_line_up(p);
            partition_set_readiness(p, PARTITION_IDLE);
            break;
        case NEXT_OP:
            assign(d, s, p, op, now);
            session_mark_dirty(d, s);
            /* the next partition's turn */
            partition_set_readiness(p, p->waiting + p->again_count > 0 ? PARTITION_READY
                                                                       : PARTITION_IDLE);
            break;
        }
    }
    return false;
}

/* ---- what comes back */

/* The dispatch is over; op is nowhere. */
static struct op *resolve(struct dispatch *d, struct session *s, uint64_t sequence, bool answered,
                          struct moment now)
{
    struct op *op = flight_take(&s->worker, sequence);

    if (!op)
        return NULL;
    op_move(d, op, OP_NEW);
    if (op->op_class == CLASS_BULK)
        yield_gone(s, now);
    if (op->deaths > 0) {
        s->worker.trials--;
        s->worker.alone = false;
        if (answered)
            s->worker.trial_window++;
        unpark(s);
    }
    return op;
}

/* Only this dispatch is certain not to have applied it, and an earlier one may have: unlike a
 * refusal, which is decided after the id was looked up, a shed says nothing about that one. */
static bool sheds_in_doubt(const struct op *op, const uint8_t *body, size_t body_bytes)
{
    if (!op->maybe || op->type != MESSAGE_OPERATION)
        return false;
    Hf__Result *result = hf__result__unpack(NULL, body_bytes, body);
    bool sheds = !result || !status_is_known(result->status) ||
                 status_kind((enum status)result->status) == STATUS_KIND_SHED;
    hf__result__free_unpacked(result, NULL);
    return sheds;
}

void worker_result(struct dispatch *d, struct session *s, const struct header *header,
                   const uint8_t *body, size_t body_bytes, struct moment now)
{
    struct op *op = resolve(d, s, header->sequence, true, now);

    if (!op) {
        log_limited(LOG_INFO, "session=%u name=\"%s\" sequence=%llu result of no dispatch ignored",
                    s->id, s->name.bytes, (unsigned long long)header->sequence);
        return;
    }
    bool is_query = op->type == MESSAGE_QUERY;
    if (is_query != (header->type == MESSAGE_ANSWER)) {
        op_finish(d, op, STATUS_unknown, now);
        session_doom(d, s, ERROR_malformed);
        return;
    }
    if (sheds_in_doubt(op, body, body_bytes)) {
        op_finish(d, op, STATUS_unknown, now);
        return;
    }
    drain_count(d, &d->partitions[op->partition], op->op_class, now.monotonic_us);
    struct session *client = session_by_id(d, op->client);
    if (client) {
        struct header out = {
            .type = header->type,
            .partition = op->partition,
            .session = client->id,
            .sequence = op->client_sequence,
        };
        outbox_append(&client->out, &out, body, body_bytes);
        client_answered(d, client);
        d->results++;
    }
    op_free(d, op);
}

void worker_returned(struct dispatch *d, struct session *s, const struct header *header,
                     const uint8_t *body, size_t body_bytes, struct moment now)
{
    struct op *op = resolve(d, s, header->sequence, false, now);

    (void)body;
    (void)body_bytes;
    if (!op)
        return;
    struct partition *p = &d->partitions[op->partition];
    queue_again(d, op);
    /* It does not serve the partition now: until it announces it again, sending it back would only
     * go round in a circle. */
    if (p->owner == s) {
        log_limited(LOG_INFO, "worker=\"%s\" partition=%u operations returned", s->name.bytes,
                    p->number);
        set_owner(d, p, NULL, now.monotonic_us);
    }
    partition_wake(p);
}

/* ---- a worker that is gone */

static void poison(struct dispatch *d, const struct session *s, struct op *op, struct moment now)
{
    log_error("worker=\"%s\" partition=%u client_session=%u sequence=%llu class=%u attempt=%u "
              "deaths=%u poison: set aside, its workers died each time it ran",
              s->name.bytes, op->partition, op->client, (unsigned long long)op->client_sequence,
              op->op_class, op->attempt, op->deaths);
    d->poisoned++;
    op_finish(d, op, STATUS_poison, now);
}

/* How an operation that was in flight at an ended session is taken. */
struct loss {
    enum session_end how;
    uint64_t unsent; /* dispatches from here on never left this process: nothing has happened */
    uint64_t trial;  /* it died while it ran this one alone; 0: it did not say so */
    bool elsewhere;  /* it died while it ran one of another broker's alone */
    bool was_alone;  /* only one had left */
};

/* The worker may have died of it. */
static bool is_blamed(const struct op *op, const struct loss *loss)
{
    if (op->worker_sequence >= loss->unsent || loss->how == END_CLEAN)
        return false;
    return loss->trial ? op->worker_sequence == loss->trial : !loss->elsewhere;
}

/* After its last death was counted. */
static bool is_poison(const struct op *op, const struct loss *loss)
{
    if (loss->trial)
        return loss->how == END_GONE || op->deaths >= SILENT_DEATHS_MAX;
    return loss->was_alone && op->deaths >= SUSPECT_DEATHS_MAX;
}

static void release_op(struct dispatch *d, const struct session *s, struct op *op,
                       const struct loss *loss, struct moment now)
{
    bool was_sent = op->worker_sequence < loss->unsent;

    op_move(d, op, OP_NEW);
    if (is_blamed(op, loss)) {
        op->deaths++;
        if (is_poison(op, loss)) {
            poison(d, s, op, now);
            return;
        }
    }
    if (was_sent && op->type == MESSAGE_OPERATION && op->attempt < UINT16_MAX)
        op->attempt++;
    if (was_sent)
        op->maybe = true;
    d->requeued++;
    queue_again(d, op);
    partition_wake(&d->partitions[op->partition]);
}

static struct loss loss_of(const struct session *s, enum session_end how)
{
    const struct worker_part *w = &s->worker;
    struct loss loss = {.how = how, .unsent = outbox_first_work(&s->out)};
    uint32_t sent = 0;

    for (uint64_t q = w->oldest; q <= w->sent && q < loss.unsent; q++)
        sent += *flight_slot(w, q) != NULL;
    loss.was_alone = sent == 1;
    /* a trial that was answered is over, whatever it said last */
    bool runs = w->trial >= w->oldest && w->trial <= w->sent && *flight_slot(w, w->trial);
    loss.trial = runs ? w->trial : 0;
    loss.elsewhere = w->trial_elsewhere;
    return loss;
}

void worker_release(struct dispatch *d, struct session *s, enum session_end how, struct moment now)
{
    struct worker_part *w = &s->worker;
    struct loss loss = loss_of(s, how);

    while (w->owned)
        set_owner(d, w->owned, NULL, now.monotonic_us);
    assert(!w->line && w->turns == 0); /* what is lost here would be lost to bulk for good */
    if (w->in_flight > 0)
        log_line(how == END_CLEAN ? LOG_INFO : LOG_WARN,
                 "worker=\"%s\" session=%u operations=%u suspects=%s queued again", s->name.bytes,
                 s->id, w->in_flight,
                 how == END_CLEAN || loss.elsewhere ? "none"
                 : loss.trial                       ? "one"
                                                    : "all");
    for (uint64_t q = w->oldest; q <= w->sent; q++) {
        struct op *op = *flight_slot(w, q);
        if (op)
            release_op(d, s, op, &loss, now);
    }
    free(w->flight);
    w->flight = NULL;
    w->in_flight = 0;
}

/* ---- partitions that nobody serves, and deadlines of those that stand still */

#define SWEEP_US 1000000

/* What was dispatched once may have been applied, so it is never shed: without a worker it ends as
 * unknown, a grace after not_after. */
static void give_up_again(struct dispatch *d, struct partition *p, struct moment now)
{
    struct op *op, *next;

    DL_FOREACH_SAFE(p->again, op, next)
    {
        if (now.wall_us <= op->not_after_us + d->grace_us)
            continue;
        DL_DELETE(p->again, op);
        op_move(d, op, OP_NEW);
        op_finish(d, op, op->type == MESSAGE_QUERY ? STATUS_deadline_exceeded : STATUS_unknown,
                  now);
    }
}

static void partition_tick(struct dispatch *d, struct partition *p, struct moment now)
{
    bool unserved = !p->owner && now.monotonic_us - p->unserved_since_us > d->grace_us;

    if (unserved && p->waiting > 0) {
        log_limited(LOG_WARN, "partition=%u operations=%u nobody serves it: shed", p->number,
                    p->waiting);
        queue_shed(d, p, false, STATUS_unavailable, now);
    } else if (p->waiting > 0 && now.monotonic_us - p->swept_us > SWEEP_US) {
        p->swept_us = now.monotonic_us;
        queue_shed(d, p, true, STATUS_deadline_exceeded, now);
    }
    if (!p->owner && p->again)
        give_up_again(d, p, now);
}

void partitions_tick(struct dispatch *d, struct moment now)
{
    for (uint32_t i = 0; i < d->config.partitions; i++) {
        struct partition *p = &d->partitions[i];
        if (p->waiting + p->again_count > 0)
            partition_tick(d, p, now);
    }
}

/* SPDX-License-Identifier: MIT
 *
 * Taking, and what becomes of a batch that failed:
 *
 *   fenced, stale   the caches are dropped; what is still ours is decided again
 *   again           the same, after a pause with jitter, and not for ever
 *   repeats         decided again with every id looked up (a first attempt's key may be there);
 *                   then in halves, down to the one operation that is answered `internal`
 *   lost            the partitions are claimed again, then decided again
 *   unknown         the same, and whoever cannot be claimed again is answered `unknown`
 */
#include "workers/batch.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/random.h"
#include "workers/claims.h"
#include "workers/decide.h"
#include "workers/publish.h"
#include "workers/session.h"

/* A batch's text grows with its bodies; this keeps it far below STORE_TEXT_BYTES_MAX. */
#define BATCH_BODY_BYTES (256u * 1024)
/* Failures in a row of the kinds that may pass, before the operations are given up as unavailable.
 */
#define FAILURES_MAX 10u
/* A row count that is not the expected one, so often in a row, fails every time. */
#define STALE_MAX 3u
#define PAUSE_US 5000
#define PAUSE_MAX_US 200000
/* How long an operation of an unknown COMMIT waits for its partition to be claimed again. */
#define MAYBE_US 5000000
/* After a partition could not expire what is due. */
#define EXPIRE_PAUSE_US 1000000
/* Before a reservation that cannot be released is tried again: from this, doubled up to that while
 * nothing of its partition can be. */
#define PUT_OFF_US 5000000
#define PUT_OFF_MAX_US 60000000

/* Deals with work that must not be run (any more). True: it is gone. */
static bool dispose(struct worker *worker, struct work **work, int64_t now_us)
{
    bool maybe = (*work)->state == WORK_MAYBE;

    if (!session_is_current(*work) && !maybe) {
        free(*work); /* its broker has queued it again */
        *work = NULL;
        return true;
    }
    if (maybe && (!work_slot(worker, *work) || now_us - (*work)->maybe_since_us > MAYBE_US)) {
        work_answer_status(work, STATUS_unknown,
                           "the connection was lost at the commit, and the partition with it");
        return true;
    }
    if (!maybe && (!work_slot(worker, *work) || worker->stopping)) {
        worker->metrics.returned++;
        work_return(work);
        return true;
    }
    if (!maybe && (*work)->header.not_after_us < session_clock_us((*work)->session, now_us)) {
        work_answer_status(work, STATUS_deadline_exceeded, "not begun before not_after");
        return true;
    }
    return false;
}

void batch_sweep(struct worker *worker, int64_t now_us)
{
    for (size_t left = worker->operations.count; left > 0; left--) {
        struct work *work = work_pop(&worker->operations);
        if (!dispose(worker, &work, now_us))
            work_push(&worker->operations, work);
    }
    sessions_flush(worker);
}

void batch_return_all(struct worker *worker)
{
    for (struct work *work; (work = work_pop(&worker->operations)) != NULL;) {
        if (work->state == WORK_MAYBE)
            work_answer_status(&work, STATUS_unknown, "the worker stopped before it could know");
        else
            work_return(&work);
    }
    for (struct work *work; (work = work_pop(&worker->queries)) != NULL;)
        work_return(&work);
    sessions_flush(worker);
}

/* ------------------------------------------------------------- taking */

static bool decode(struct worker *worker, struct work **work)
{
    (*work)->operation =
        hf__operation__unpack(&worker->arena.allocator, (*work)->body_bytes, (*work)->body);
    if ((*work)->operation)
        return true;
    Hf__Result result = HF__RESULT__INIT;
    result.status = STATUS_invalid;
    result.field = (char *)(uintptr_t) "operation";
    result.message = (char *)(uintptr_t) "the body is not an Operation";
    result.partition = (*work)->header.partition;
    work_answer_result(work, &result);
    return false;
}

static size_t part_of(struct batch *batch, struct slot *slot)
{
    for (size_t p = 0; p < batch->part_count; p++) {
        if (batch->parts[p].slot == slot)
            return p;
    }
    batch->parts[batch->part_count] = (struct part){.slot = slot};
    return batch->part_count++;
}

static size_t operations_limit(const struct worker *worker)
{
    size_t limit = worker->config->limits.batch_operations;

    if (worker->batch.limit > 0 && worker->batch.limit < limit)
        limit = worker->batch.limit;
    if (worker->batch.troubled > 0 && worker->batch.troubled < limit)
        limit = worker->batch.troubled;
    return limit;
}

/* Suspects run alone: one of them may have ended a worker. */
static void take_operations(struct worker *worker, struct batch *batch, int64_t now_us)
{
    size_t limit = operations_limit(worker), bytes = 0;
    struct work *work;

    while (batch->count < limit && (work = work_peek(&worker->operations)) != NULL) {
        bool suspect = (work->header.flags & HEADER_FLAG_SUSPECT) != 0;
        if (batch->count > 0 && (suspect || bytes + work->body_bytes > BATCH_BODY_BYTES))
            break;
        if (batch->count == 0 && !sessions_try(worker, suspect ? work : NULL, now_us))
            break;
        (void)work_pop(&worker->operations);
        if (dispose(worker, &work, now_us) || !decode(worker, &work)) {
            if (worker->batch.troubled > 0 && --worker->batch.troubled == 0)
                break;
            continue;
        }
        work->part = part_of(batch, work_slot(worker, work));
        batch->parts[work->part].operations++;
        batch->works[batch->count++] = work;
        bytes += work->body_bytes;
        if (suspect)
            break;
    }
}

static bool is_due(const struct worker *worker, const struct slot *slot, int64_t now_us)
{
    return slot->state == SLOT_OWNED && now_us >= slot->expire_next_us &&
           ledger_next_due_us(slot->ledger) <= slot_now_us(worker, slot);
}

static void take_due(struct worker *worker, struct batch *batch, int64_t now_us)
{
    for (size_t i = 0; i < worker->claims.count; i++) {
        struct slot *slot = &worker->claims.slots[i];
        if (!is_due(worker, slot, now_us))
            continue;
        if (worker->batch.expire_alone && batch->part_count > 0)
            return;
        batch->parts[part_of(batch, slot)].expires = true;
    }
}

/* A lease that has run out by our own reckoning: perhaps we were stopped, and somebody else owns
 * the partition by now. Refusals come from memory, so the database is asked first. False when it
 * cannot be asked. */
static bool verify_doubtful(struct worker *worker, int64_t now_us)
{
    for (size_t i = 0; i < worker->claims.count; i++) {
        const struct slot *slot = &worker->claims.slots[i];
        if (slot->state == SLOT_OWNED && claims_is_doubtful(slot, now_us))
            return claims_verify(worker) == DB_OK;
    }
    return true;
}

/* ------------------------------------------------------------- failing */

static void put_back_works(struct worker *worker, struct work **works, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        works[i]->operation = NULL;
        work_push_front(&worker->operations, works[i]);
    }
}

static void put_back(struct worker *worker, struct batch *batch)
{
    put_back_works(worker, batch->works, batch->count);
}

/* An operation that an earlier transaction of unknown outcome may have applied is never told to be
 * certainly not applied, unless the batch that fails has looked its id up. */
static enum status certain(const struct work *work, enum status status)
{
    return work->state == WORK_MAYBE && status == STATUS_unavailable ? STATUS_unknown : status;
}

static void give_up(struct batch *batch, enum status wanted, const char *message)
{
    for (size_t i = 0; i < batch->count; i++) {
        enum status status = certain(batch->works[i], wanted);
        char id[UUID_TEXT_BYTES] = "";
        const ProtobufCBinaryData *bytes = &batch->works[i]->operation->operation_id;
        if (bytes->len == UUID_BYTES)
            uuid_format(bytes->data, id);
        log_error("operation=%s partition=%u result=%s %s", id, batch->works[i]->header.partition,
                  status_name(status), message);
        work_answer_status(&batch->works[i], status, message);
    }
}

static void pause_expiring(struct batch *batch, int64_t now_us)
{
    for (size_t p = 0; p < batch->part_count; p++) {
        if (!batch->parts[p].expires)
            continue;
        batch->parts[p].slot->expire_next_us = now_us + EXPIRE_PAUSE_US;
        log_error("partition=%u could not release what is due; trying again",
                  batch->parts[p].slot->partition);
    }
}

static int64_t put_off_until(struct part *part)
{
    int64_t pause_us = part->slot->put_off_us > 0 ? part->slot->put_off_us : PUT_OFF_US;

    part->slot->put_off_us = pause_us < PUT_OFF_MAX_US / 2 ? 2 * pause_us : PUT_OFF_MAX_US;
    return part->now_us + pause_us;
}

/* What is due fails the same way each time: then it goes alone, a partition at a time, and in
 * halves, down to the one reservation that is put off. Others must not wait for it. */
static void divide_due(struct worker *worker, struct batch *batch, int64_t now_us)
{
    struct batch_state *state = &worker->batch;
    struct part *part = &batch->parts[0];
    uint8_t id[RESERVATION_ID_BYTES];
    char text[RESERVATION_TEXT_BYTES];

    if (!state->expire_alone) {
        state->expire_alone = true;
    } else if (part->expired > 1) {
        state->expire_limit = (part->expired + 1) / 2;
    } else if (ledger_put_off_due(part->slot->ledger, put_off_until(part), id)) {
        reservation_id_format(id, text);
        log_error("partition=%u reservation=%s is due, and the database refuses to release it",
                  part->slot->partition, text);
    } else {
        pause_expiring(batch, now_us);
    }
}

/* The batch fails the same way each time. First with ids looked up, then in halves. */
static void divide(struct worker *worker, struct batch *batch, int64_t now_us)
{
    struct batch_state *state = &worker->batch;

    if (batch->count == 0) {
        divide_due(worker, batch, now_us);
        return;
    }
    for (size_t p = 0; p < batch->part_count; p++)
        state->expire_alone = state->expire_alone || batch->parts[p].expires;
    if (state->troubled == 0) {
        state->troubled = batch->count;
        state->look_up_ids = true;
        state->limit = batch->count;
        put_back(worker, batch);
        return;
    }
    if (batch->count == 1) {
        give_up(batch, STATUS_internal, "it failed every time it was tried");
        state->troubled--;
        return;
    }
    state->limit = (batch->count + 1) / 2;
    put_back(worker, batch);
}

/* Something that may pass: run again after a pause, and not for ever. */
static void repeat_later(struct worker *worker, struct batch *batch, int64_t now_us)
{
    struct batch_state *state = &worker->batch;
    int64_t pause_us = PAUSE_US << (state->failures < 6 ? state->failures : 6);

    if (++state->failures > FAILURES_MAX) {
        state->failures = 0;
        give_up(batch, STATUS_unavailable, "the database does not take it now");
        pause_expiring(batch, now_us);
        return;
    }
    if (pause_us > PAUSE_MAX_US)
        pause_us = PAUSE_MAX_US;
    state->not_before_us =
        now_us + pause_us / 2 + (int64_t)random_below((uint64_t)pause_us / 2 + 1);
    put_back(worker, batch);
}

/* What is not ours becomes known here; the rest is decided again. */
static void fenced(struct worker *worker, struct batch *batch, int64_t now_us)
{
    if (claims_verify(worker) == DB_OK) {
        for (size_t p = 0; p < batch->part_count; p++)
            claims_distrust(worker, batch->parts[p].slot);
    }
    repeat_later(worker, batch, now_us);
}

static void connection_lost(struct worker *worker, struct batch *batch, bool maybe, int64_t now_us)
{
    for (size_t i = 0; maybe && i < batch->count; i++) {
        if (batch->works[i]->state == WORK_MAYBE)
            continue;
        batch->works[i]->state = WORK_MAYBE;
        batch->works[i]->maybe_since_us = now_us;
    }
    put_back(worker, batch);
    claims_connection_lost(worker);
}

static void done(struct worker *worker, struct batch *batch, int64_t now_us)
{
    struct batch_state *state = &worker->batch;

    state->failures = 0;
    for (size_t p = 0; p < batch->part_count; p++) {
        struct slot *slot = batch->parts[p].slot;
        /* Due, and yet nothing came of it: do not spin. */
        if (batch->parts[p].expires && batch->parts[p].expired == 0 && batch->count == 0)
            slot->expire_next_us = now_us + EXPIRE_PAUSE_US;
        if (batch->parts[p].expired > 0)
            slot->put_off_us = 0;
    }
    if (batch->count == 0 && batch->part_count > 0 && state->expire_alone && state->troubled == 0)
        state->expire_alone = false;
    if (batch->count == 0 && state->expire_limit > 0)
        state->expire_limit =
            state->expire_limit < EXPIRE_PER_BATCH / 2 ? 2 * state->expire_limit : 0;
    state->troubled -= batch->count < state->troubled ? batch->count : state->troubled;
    if (state->troubled == 0) {
        state->look_up_ids = false;
        state->limit = 0;
    }
    batch_tell(worker, batch);
}

static void settle(struct worker *worker, struct batch *batch, enum store_outcome outcome)
{
    int64_t now_us = clock_monotonic_us();

    if (outcome != STORE_DONE)
        log_limited(LOG_WARN, "outcome=%d operations=%zu partitions=%zu failures=%u %s", outcome,
                    batch->count, batch->part_count, worker->batch.failures, db_error(&worker->db));
    switch (outcome) {
    case STORE_DONE:
        done(worker, batch, now_us);
        break;
    case STORE_FENCED:
        fenced(worker, batch, now_us);
        break;
    case STORE_STALE:
        if (worker->batch.failures >= STALE_MAX)
            divide(worker, batch, now_us);
        else
            repeat_later(worker, batch, now_us);
        break;
    case STORE_AGAIN:
    case STORE_FAILED:
        repeat_later(worker, batch, now_us);
        break;
    case STORE_REPEATS:
    case STORE_TOO_LARGE:
        divide(worker, batch, now_us);
        break;
    case STORE_LOST:
    case STORE_NOT_WRITER:
        connection_lost(worker, batch, false, now_us);
        break;
    case STORE_UNKNOWN:
        connection_lost(worker, batch, true, now_us);
        break;
    }
}

bool batch_tick(struct worker *worker, int64_t now_us)
{
    struct batch batch = {.look_up_ids = worker->batch.look_up_ids,
                          .expire_limit = worker->batch.expire_limit > 0
                                              ? worker->batch.expire_limit
                                              : EXPIRE_PER_BATCH};

    if (now_us < worker->batch.not_before_us)
        return false;
    if (!verify_doubtful(worker, now_us) || claims_must_reclaim(worker))
        return false;
    arena_reset(&worker->arena);
    batch.works =
        arena_alloc(&worker->arena, (operations_limit(worker) + 1) * sizeof(struct work *));
    batch.parts = arena_alloc(&worker->arena, (worker->claims.count + 1) * sizeof *batch.parts);
    bool due_now = worker->batch.troubled == 0;
    if (due_now && worker->batch.expire_alone)
        take_due(worker, &batch, now_us);
    if (batch.part_count == 0)
        take_operations(worker, &batch, now_us);
    if (worker->trial.waits && worker->operations.count == 0)
        (void)sessions_try(worker, NULL, now_us); /* without operations nobody else asks */
    if (due_now && !worker->batch.expire_alone && !worker->trial.waits)
        take_due(worker, &batch, now_us);
    if (batch.part_count > 0) {
        for (size_t p = 0; p < batch.part_count; p++)
            batch.parts[p].now_us = slot_now_us(worker, batch.parts[p].slot);
        enum store_outcome outcome = batch_decide(worker, &batch);
        put_back_works(worker, batch.works + batch.count, batch.left);
        settle(worker, &batch, outcome);
    }
    const struct work *next = work_peek(&worker->operations);
    if (worker->trial.session && !(next && trial_is_of(&worker->trial, next)))
        (void)sessions_try(worker, NULL, now_us); /* it was not put back: it is over */
    sessions_flush(worker);
    publish_flush(worker->publish);
    return batch.part_count > 0;
}

int64_t batch_wait_us(const struct worker *worker, int64_t now_us)
{
    int64_t wait_us = INT64_MAX;

    if (worker->operations.count > 0)
        wait_us = worker->trial.waits ? sessions_try_wait_us(worker, now_us) : 0;
    for (size_t i = 0; i < worker->claims.count; i++) {
        const struct slot *slot = &worker->claims.slots[i];
        if (slot->state != SLOT_OWNED)
            continue;
        int64_t due_us = ledger_next_due_us(slot->ledger);
        if (due_us == INT64_MAX)
            continue;
        int64_t until_us = due_us - slot_now_us(worker, slot);
        if (until_us < slot->expire_next_us - now_us)
            until_us = slot->expire_next_us - now_us;
        if (until_us < wait_us)
            wait_us = until_us;
    }
    if (worker->trial.waits && wait_us < sessions_try_wait_us(worker, now_us))
        wait_us = sessions_try_wait_us(worker, now_us);
    if (wait_us < worker->batch.not_before_us - now_us)
        wait_us = worker->batch.not_before_us - now_us;
    return wait_us > 0 ? wait_us : 0;
}

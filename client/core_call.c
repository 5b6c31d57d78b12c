/* SPDX-License-Identifier: MIT
 *
 * What becomes of a call. An attempt is a message that was sent; an answer to it that is refused or
 * shed says that this attempt did nothing and never will. So a refusal is told at once when every
 * attempt was answered so, and otherwise after a settle of the operation id has said that nothing
 * was applied. Whatever was applied is told as soon as it is known, from whichever attempt.
 */
#include "client/core_private.h"

#include "protocol/holdfast.pb-c.h"
#include "protocol/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------- attempts */

static size_t bucket_of(const struct core *core, uint64_t sequence)
{
    return (size_t)sequence & (core->bucket_count - 1);
}

/* Sequences follow one another, so with enough buckets each has one. Without memory for more, the
 * chains get longer. */
static void buckets_grow(struct core *core)
{
    size_t old_count = core->bucket_count;
    struct attempt **old = core->buckets;
    struct attempt **grown = calloc(2 * old_count, sizeof(struct attempt *));

    if (!grown)
        return;
    core->buckets = grown;
    core->bucket_count = 2 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i]) {
            struct attempt *moved = old[i];
            old[i] = moved->hash_next;
            struct attempt **bucket = &core->buckets[bucket_of(core, moved->sequence)];
            moved->hash_next = *bucket;
            *bucket = moved;
        }
    }
    free(old);
}

static struct attempt *attempt_find(struct core *core, uint64_t sequence)
{
    struct attempt *attempt = core->buckets[bucket_of(core, sequence)];

    while (attempt && attempt->sequence != sequence)
        attempt = attempt->hash_next;
    return attempt;
}

static bool attempt_add(struct core *core, struct call *call, uint64_t sequence)
{
    struct attempt *attempt = call->first_used ? malloc(sizeof *attempt) : &call->first;

    if (!attempt)
        return false;
    if (attempt == &call->first)
        call->first_used = true;
    if (core->attempt_count >= core->bucket_count)
        buckets_grow(core);
    struct attempt **bucket = &core->buckets[bucket_of(core, sequence)];
    *attempt = (struct attempt){.hash_next = *bucket,
                                .next = call->live,
                                .call = call,
                                .sequence = sequence,
                                .settles = call->settling};
    *bucket = attempt;
    call->live = attempt;
    core->attempt_count++;
    return true;
}

static void attempt_remove(struct core *core, struct attempt *attempt)
{
    struct call *call = attempt->call;
    struct attempt **at = &core->buckets[bucket_of(core, attempt->sequence)];

    while (*at != attempt)
        at = &(*at)->hash_next;
    *at = attempt->hash_next;
    for (at = &call->live; *at != attempt; at = &(*at)->next)
        continue;
    *at = attempt->next;
    core->attempt_count--;
    if (attempt == &call->first)
        call->first_used = false;
    else
        free(attempt);
}

/* No attempt of the operation can take effect any more, or could and is not known to. */
static bool is_certain(const struct call *call)
{
    if (call->uncertain)
        return false;
    for (const struct attempt *attempt = call->live; attempt; attempt = attempt->next) {
        if (!attempt->settles)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------- states */

/* For operations alone the two deadlines differ. */
int64_t call_deadline_us(const struct call *call)
{
    return call->settling || call->spent ? call->deadline_us : call->effect_deadline_us;
}

/* The one function that changes a call's state. wake_us counts for CALL_SENT and CALL_PAUSED. */
static void call_move(struct core *core, struct call *call, enum call_state state, int64_t wake_us)
{
    if (call->state == CALL_READY)
        queue_take(&core->ready, call);
    if (call->state == CALL_SENT)
        core->in_flight--;
    call->state = state;
    call->wake_us = wake_us;
    if (state == CALL_DONE) {
        timer_remove(core, call);
        queue_append(&core->done, call);
        return;
    }
    if (state == CALL_READY)
        queue_append(&core->ready, call);
    if (state == CALL_SENT)
        core->in_flight++;
    timer_moved(core, call);
}

/* A settle that was sent and not answered may void the id yet, so whoever asks again must not use
 * it: that would be refused as used already. */
static void mark_spent(struct call *call)
{
    struct holdfast_result *result = call->result;
    bool sent = call->settling && call->settle_attempt > 1;

    if (!sent || !result || result_is_static(result) ||
        result->status == STATUS_operation_id_reused)
        return;
    if (result->kind == HOLDFAST_KIND_REFUSED || result->kind == HOLDFAST_KIND_SHED)
        result->settle = HOLDFAST_SETTLE_VOID;
}

static void call_finish(struct core *core, struct call *call)
{
    while (call->live)
        attempt_remove(core, call->live);
    mark_spent(call);
    if (call->result && !result_is_static(call->result))
        call->result->attempts = call->sent;
    call_move(core, call, CALL_DONE, 0);
}

/* result is the core's from here on; NULL: there was no memory for it. */
static void keep_result(struct call *call, struct holdfast_result *result)
{
    holdfast_result_free(&call->result);
    call->result = result;
}

static void tell(struct core *core, struct call *call, struct holdfast_result *result)
{
    if (!result)
        result = make_result(HOLDFAST_UNKNOWN, call->operation_id, "", "out of memory");
    keep_result(call, result);
    call_finish(core, call);
}

/* What the library itself has to say. */
static void tell_field(struct core *core, struct call *call, int status, const char *field,
                       const char *message)
{
    if (call->kind == CORE_READ) {
        view_box_free(&call->read);
        call->read = view_box_make(status, field, message);
        call_finish(core, call);
    } else if (call->kind == CORE_QUERY) {
        holdfast_answer_free(&call->answer);
        call->answer = make_answer(status, field, message);
        call_finish(core, call);
    } else {
        tell(core, call, make_result(status, call->operation_id, field, message));
    }
}

static void tell_own(struct core *core, struct call *call, int status, const char *message)
{
    tell_field(core, call, status, "", message);
}

static void tell_kept(struct core *core, struct call *call)
{
    if (call->result || call->answer)
        call_finish(core, call);
    else
        tell_own(core, call, HOLDFAST_DEADLINE_EXCEEDED,
                 "the deadline passed; nothing was applied");
}

/* ------------------------------------------------------------- again */

static bool budget_take(struct core *core)
{
    double seconds = (double)(core->now.mono_us - core->budget_at_us) / 1e6;

    core->budget_at_us = core->now.mono_us;
    core->budget += BUDGET_FLOOR * seconds;
    if (core->budget > BUDGET_CEILING)
        core->budget = BUDGET_CEILING;
    if (core->budget < 1)
        return false;
    core->budget -= 1;
    return true;
}

static void budget_earn(struct core *core)
{
    core->budget += core->config.retry_budget / 100.0;
    if (core->budget > BUDGET_CEILING)
        core->budget = BUDGET_CEILING;
}

/* Full jitter: somewhere between 0 and a bound that doubles; never before after_ms, which the
 * broker asked for. */
static void pause(struct core *core, struct call *call, uint32_t after_ms)
{
    uint32_t doublings = call->retries < 7 ? call->retries : 7;
    int64_t most = (int64_t)BACKOFF_BASE_US << doublings;

    call->retries++;
    call->needs_token = true;
    if (most > BACKOFF_MAX_US)
        most = BACKOFF_MAX_US;
    call_move(core, call, CALL_PAUSED,
              core->now.mono_us + (int64_t)after_ms * 1000 + core_jitter(core, most));
}

static void begin_settling(struct core *core, struct call *call)
{
    uint8_t random[10];
    uint64_t words[2] = {core_random(core), core_random(core)};

    memcpy(random, words, sizeof random);
    uuid_v7(call->settle_id, core->now.wall_us, random);
    call->settling = true;
    call->settle_attempt = 1;
    call->retries = 0;
    if (call->state != CALL_READY)
        call_move(core, call, CALL_READY, 0);
    else
        timer_moved(core, call);
}

/* An attempt ended without an outcome. */
static void attempt_unknown(struct core *core, struct call *call, bool settles, bool is_newest)
{
    if (!settles && !call_is_question(call))
        call->uncertain = true;
    if (is_newest)
        pause(core, call, 0);
}

/* The id is applied, and not settled any more than that: its body may be another than ours. A
 * worker looks it up and replays or says that it is reused; nothing new can begin under it. */
static void ask_with_body(struct core *core, struct call *call)
{
    call->spent = true;
    call->settling = false;
    if (call->state != CALL_READY)
        call_move(core, call, CALL_READY, 0);
    else
        timer_moved(core, call);
}

/* wrong_partition is no fault of the caller: the map may be newer than ours, or we only guessed. */
static bool follow(struct core *core, struct call *call, uint32_t partition, bool is_newest)
{
    if (call->follows >= PARTITION_FOLLOWS_MAX || partition >= core->partitions)
        return false;
    call->follows++;
    call->route.by_sku = false;
    call->route.field = NULL;
    call->route.partition = partition;
    if (is_newest)
        call_move(core, call, CALL_READY, 0);
    return true;
}

/* ------------------------------------------------------------- answers */

static void on_settled(struct core *core, struct call *call, const Hf__Result *wire, bool is_newest)
{
    enum status status = (enum status)wire->status;
    struct holdfast_result *result;

    if (status == STATUS_applied && wire->settle == HF__SETTLE_OUTCOME__SETTLE_APPLIED &&
        wire->settled) {
        if (call->inherited) {
            if (call->settling)
                ask_with_body(core, call);
            return;
        }
        result = decode_result(wire->settled, call->operation_id);
        if (result)
            result->replayed = true;
        tell(core, call, result);
        return;
    }
    if (status == STATUS_applied && wire->settle == HF__SETTLE_OUTCOME__SETTLE_VOID) {
        if (!call->result)
            keep_result(call, make_result(HOLDFAST_DEADLINE_EXCEEDED, call->operation_id, "",
                                          "not applied in time; the operation id is settled, ask "
                                          "again with a new one"));
        if (!result_is_static(call->result))
            call->result->settle = HOLDFAST_SETTLE_VOID;
        tell_kept(core, call);
        return;
    }
    if (status == STATUS_wrong_partition && follow(core, call, wire->partition_wanted, is_newest))
        return;
    if (status_is_known(wire->status) && status_kind(status) == STATUS_KIND_REFUSED) {
        char why[160];
        snprintf(why, sizeof why, "it could not be settled: %s", status_name(status));
        tell_own(core, call, HOLDFAST_UNKNOWN, why);
        return;
    }
    if (is_newest)
        pause(core, call, wire->retry_after_ms);
}

/* Certain at once, whatever other attempts do: the id is taken by another body, or spent. */
static bool is_final(enum status status)
{
    return status == STATUS_operation_id_reused || status == STATUS_operation_id_expired ||
           status == STATUS_poison;
}

/* The id is applied, and what went out to learn if with this body was refused before anybody looked
 * at that. A body that is not valid is not the one that was applied; nothing else is certain, and
 * asking again would end here again. */
static void on_spent_refused(struct core *core, struct call *call, const Hf__Result *wire)
{
    bool is_body = wire->status == STATUS_invalid && strcmp(wire->field, "not_after") != 0;

    if (is_body)
        tell(core, call, decode_result(wire, call->operation_id));
    else
        tell_own(core, call, HOLDFAST_UNKNOWN,
                 "the operation id is applied; if with this body could not be asked");
}

static void on_refused(struct core *core, struct call *call, const Hf__Result *wire, bool is_newest)
{
    if (call->spent && !call->settling) {
        if (is_newest) /* not an older attempt, of before it was settled */
            on_spent_refused(core, call, wire);
        return;
    }
    struct holdfast_result *result = decode_result(wire, call->operation_id);
    if (call->kind == CORE_SETTLE || is_certain(call)) {
        tell(core, call, result);
        return;
    }
    keep_result(call, result);
    if (!call->settling)
        begin_settling(core, call);
}

static void on_shed(struct core *core, struct call *call, const Hf__Result *wire, bool is_newest)
{
    if (wire->status == STATUS_wrong_partition && !call->settling &&
        follow(core, call, wire->partition_wanted, is_newest))
        return;
    /* A refusal that is kept says more. */
    if (!call->result || call->result->kind != HOLDFAST_KIND_REFUSED)
        keep_result(call, decode_result(wire, call->operation_id));
    if (call->settling && is_certain(call))
        tell_kept(core, call);
    else if (is_newest)
        pause(core, call, wire->retry_after_ms);
}

static void on_result(struct core *core, struct call *call, const Hf__Result *wire, bool is_newest)
{
    enum status status = status_is_known(wire->status) ? (enum status)wire->status : STATUS_unknown;

    if (is_final(status)) {
        tell(core, call, decode_result(wire, call->operation_id));
        return;
    }
    switch (status_kind(status)) {
    case STATUS_KIND_APPLIED:
        tell(core, call, decode_result(wire, call->operation_id));
        return;
    case STATUS_KIND_REFUSED:
        on_refused(core, call, wire, is_newest);
        return;
    case STATUS_KIND_SHED:
        on_shed(core, call, wire, is_newest);
        return;
    case STATUS_KIND_UNKNOWN:
        attempt_unknown(core, call, false, is_newest);
        return;
    }
}

static void on_answer(struct core *core, struct call *call, const Hf__Answer *wire, bool is_newest)
{
    enum status status = status_is_known(wire->status) ? (enum status)wire->status : STATUS_unknown;
    enum status_kind kind = status_kind(status);
    struct holdfast_answer *answer = decode_answer(wire);

    if (status == STATUS_wrong_partition && follow(core, call, wire->partition_wanted, is_newest)) {
        holdfast_answer_free(&answer);
        return;
    }
    if (!answer)
        answer = make_answer(HOLDFAST_UNAVAILABLE, "", "out of memory");
    holdfast_answer_free(&call->answer);
    call->answer = answer;
    if (kind == STATUS_KIND_APPLIED || kind == STATUS_KIND_REFUSED)
        call_finish(core, call);
    else if (is_newest)
        pause(core, call, wire->retry_after_ms);
}

static void on_read(struct core *core, struct call *call, const Hf__ViewAnswer *wire)
{
    call->read = view_box_decode(wire);
    call->broker = core->broker;
    if (call->read)
        call_finish(core, call);
    else
        tell_own(core, call, HOLDFAST_UNAVAILABLE, "out of memory");
}

void call_answered(struct core *core, const struct header *header, const uint8_t *body,
                   size_t body_bytes)
{
    struct attempt *attempt = attempt_find(core, header->sequence);
    ProtobufCAllocator *allocator = &core->scratch.allocator;

    if (!attempt)
        return; /* it is answered already */
    struct call *call = attempt->call;
    bool settles = attempt->settles;
    bool is_newest = call->state == CALL_SENT && attempt->sequence == call->newest;
    bool is_answer = header->type == MESSAGE_ANSWER;
    attempt_remove(core, attempt);
    pool_reset(&core->scratch);
    if (is_answer && call->kind == CORE_QUERY) {
        Hf__Answer *answer = hf__answer__unpack(allocator, body_bytes, body);
        if (answer) {
            on_answer(core, call, answer, is_newest);
            return;
        }
    } else if (is_answer && call->kind == CORE_READ) {
        Hf__ViewAnswer *answer = hf__view_answer__unpack(allocator, body_bytes, body);
        if (answer) {
            on_read(core, call, answer);
            return;
        }
    } else if (!is_answer && !call_is_question(call)) {
        Hf__Result *result = hf__result__unpack(allocator, body_bytes, body);
        if (result) {
            (settles ? on_settled : on_result)(core, call, result, is_newest);
            return;
        }
    }
    attempt_unknown(core, call, settles, is_newest);
}

void call_not_taken(struct core *core, uint64_t sequence, const char *why)
{
    struct attempt *attempt = attempt_find(core, sequence);

    if (!attempt)
        return;
    struct call *call = attempt->call;
    bool settles = attempt->settles;
    bool is_newest = call->state == CALL_SENT && attempt->sequence == call->newest;
    attempt_remove(core, attempt);
    if (!call_is_question(call) && !settles && !call->result)
        keep_result(call, make_result(HOLDFAST_UNAVAILABLE, call->operation_id, "", why));
    if (is_newest)
        pause(core, call, 0);
}

/* ------------------------------------------------------------- time */

/* No attempt may begin any more. */
static void time_is_up(struct core *core, struct call *call)
{
    char why[200];

    if (call_is_question(call) || is_certain(call)) {
        if (call->sent > 0 || call->result) {
            if (call_is_question(call) && !call->answer)
                tell_own(core, call, HOLDFAST_DEADLINE_EXCEEDED, "no answer in time");
            else
                tell_kept(core, call);
        } else if (core->phase == SESSION_READY) {
            tell_own(core, call, HOLDFAST_DEADLINE_EXCEEDED,
                     "the broker gave no credit in time; nothing was sent");
        } else {
            snprintf(why, sizeof why, "no broker to send it to: %s", core_trouble(core));
            tell_own(core, call, HOLDFAST_UNAVAILABLE, why);
        }
        return;
    }
    if (call->kind == CORE_OPERATION && core->now.mono_us < call->deadline_us) {
        if (!call->settling)
            begin_settling(core, call);
        return;
    }
    tell_own(core, call, HOLDFAST_UNKNOWN,
             "no certain outcome in time; call again with the same operation id, or settle it");
}

void call_wake(struct core *core, struct call *call)
{
    int64_t now = core->now.mono_us;
    int64_t deadline = call_deadline_us(call);

    if (now >= deadline) {
        time_is_up(core, call);
    } else if (call->state == CALL_SENT && core->config.views) {
        core_session_end(core, "the view does not answer", true);
    } else if (call->state == CALL_SENT) {
        pause(core, call, 0); /* the attempt stays live: its answer may still come */
    } else if (call->needs_token && !budget_take(core)) {
        call_move(core, call, CALL_PAUSED,
                  now + BUDGET_WAIT_US + core_jitter(core, 3 * BUDGET_WAIT_US));
    } else {
        call_move(core, call, CALL_READY, 0);
    }
}

bool call_was_sent(struct core *core, struct call *call, uint64_t sequence)
{
    if (!attempt_add(core, call, sequence)) {
        pause(core, call, 0);
        return false;
    }
    call->newest = sequence;
    if (call->settling) {
        if (call->settle_attempt < UINT16_MAX)
            call->settle_attempt++;
    } else {
        if (call->sent == 0)
            budget_earn(core);
        call->sent++;
        /* A query has no attempts: its header says 0, always. */
        if (!call_is_question(call) && call->attempt < UINT16_MAX)
            call->attempt++;
    }
    call_move(core, call, CALL_SENT, core->now.mono_us + core->config.attempt_timeout_us);
    return true;
}

void call_too_large(struct core *core, struct call *call)
{
    if (call_is_question(call) || is_certain(call))
        tell_own(core, call, HOLDFAST_TOO_LARGE, "larger than the broker's limit for a message");
    else
        begin_settling(core, call);
}

bool call_is_nowhere(const struct core *core, const struct call *call)
{
    return call->route.field && core->partitions > 0 && call->route.partition >= core->partitions;
}

/* No attempt of it was sent, and none of another process can have begun. */
void call_nowhere(struct core *core, struct call *call)
{
    char message[120];

    snprintf(message, sizeof message, "%s is %u, and the region has %u partitions, from 0",
             call->route.field, call->route.partition, core->partitions);
    tell_field(core, call, HOLDFAST_INVALID, call->route.field, message);
}

void call_abandon(struct core *core, struct call *call)
{
    if (call_is_question(call) || is_certain(call))
        tell_own(core, call, HOLDFAST_UNAVAILABLE, "the client was closed; nothing was applied");
    else
        tell_own(core, call, HOLDFAST_UNKNOWN,
                 "the client was closed before the outcome was known");
}

void call_give_up(struct core *core, struct call *call)
{
    char why[200];

    if (call->state == CALL_DONE)
        return;
    snprintf(why, sizeof why, "no view answers: %s", core_trouble(core));
    tell_own(core, call, HOLDFAST_UNAVAILABLE, why);
}

void calls_lose_session(struct core *core)
{
    for (struct call *call = core->all; call; call = call->all_next) {
        while (call->live) {
            if (!call->live->settles && !call_is_question(call))
                call->uncertain = true;
            attempt_remove(core, call->live);
        }
        if (call->state != CALL_SENT)
            continue;
        call->needs_token = false;
        call_move(core, call, CALL_PAUSED, core->now.mono_us + core_jitter(core, RESEND_SPREAD_US));
    }
}

struct call *call_new(struct core *core)
{
    struct call *call = core->spare;

    if (!call)
        return calloc(1, sizeof *call);
    core->spare = call->next;
    core->spare_count--;
    memset(call, 0, sizeof *call);
    return call;
}

void call_free(struct core *core, struct call *call)
{
    while (call->live)
        attempt_remove(core, call->live);
    if (call->all_prev)
        call->all_prev->all_next = call->all_next;
    else
        core->all = call->all_next;
    if (call->all_next)
        call->all_next->all_prev = call->all_prev;
    holdfast_result_free(&call->result);
    holdfast_answer_free(&call->answer);
    view_box_free(&call->read);
    free(call->body);
    if (core->spare_count >= SPARE_CALLS_MAX) {
        free(call);
        return;
    }
    call->next = core->spare;
    core->spare = call;
    core->spare_count++;
}

/* SPDX-License-Identifier: MIT
 *
 * Refusals. A call that was refused met the partition in one of the states between its bounds
 * (ledger.c); it is tried in the first of them, and again whenever something that it depends on has
 * changed, until the model refuses it with the same words.
 */
#include "tests/history/replay.h"

#include <stdlib.h>
#include <string.h>

bool is_judged(const struct history *history, const struct call *call)
{
    enum holdfast_operation_kind kind = call->operation->body.kind;

    switch (call->result->status) {
    case HOLDFAST_INVALID:
        /* Of an id that lies in the future nobody here knows more than its owner. */
        return (kind == HOLDFAST_UNDO && strncmp(call->result->field, "undo.", 5) == 0) ||
               (kind == HOLDFAST_RECORD_RUN &&
                strncmp(call->result->field, "record_run.", 11) == 0);
    case HOLDFAST_OPERATION_ID_REUSED:
        return kind == HOLDFAST_BEGIN_RUN && !is_spent(history, call);
    case HOLDFAST_INSUFFICIENT_STOCK:
    case HOLDFAST_RESERVATION_EXPIRED:
    case HOLDFAST_ALREADY_PURCHASED:
    case HOLDFAST_ALREADY_RELEASED:
    case HOLDFAST_NOT_ACTIVE:
    case HOLDFAST_EXCEEDS_RESERVATION:
    case HOLDFAST_EXCEEDS_COMMITTED:
    case HOLDFAST_EXCEEDS_SHIPPED:
    case HOLDFAST_INSUFFICIENT_ON_HAND:
    case HOLDFAST_VERSION_CONFLICT:
    case HOLDFAST_UNKNOWN_SKU:
    case HOLDFAST_UNKNOWN_RESERVATION:
        return true;
    default:
        return false;
    }
}

static bool same_shortages(const struct effect *effect, const struct holdfast_result *result)
{
    if (effect->shortage_count != result->shortage_count)
        return false;
    for (size_t i = 0; i < effect->shortage_count; i++) {
        const struct holdfast_shortage *wanted = &effect->shortages[i];
        bool found = false;
        for (size_t k = 0; k < result->shortage_count && !found; k++) {
            const struct holdfast_shortage *told = &result->shortages[k];
            found = same_text(told->sku, wanted->sku) &&
                    same_text(told->warehouse, wanted->warehouse) &&
                    told->requested == wanted->requested && told->available == wanted->available;
        }
        if (!found)
            return false;
    }
    return true;
}

/* Want of stock is no answer while something of it is due: that is released first. Can only be seen
 * where the clocks can be compared. */
static bool due_is_left(const struct replay *replay, const struct effect *effect,
                        const struct call *call)
{
    int64_t skew_us = replay->history->options.clock_skew_us;
    bool for_want = effect->status == HOLDFAST_INSUFFICIENT_STOCK;

    for (size_t i = 0; skew_us >= 0 && for_want && i < effect->shortage_count; i++) {
        const struct holdfast_shortage *shortage = &effect->shortages[i];
        struct model_sku *sku = model_sku(replay->model, shortage->sku);
        for (struct model_level *level = sku->levels; level; level = level->next) {
            if ((shortage->warehouse[0] == '\0' ||
                 same_text(level->warehouse, shortage->warehouse)) &&
                model_next_due(level) < call->invoke_us - skew_us)
                return true;
        }
    }
    return false;
}

static void watch(struct watch *watch, struct pending *pending)
{
    watch->items = history_grow(watch->items, watch->count, &watch->capacity, sizeof *watch->items);
    watch->items[watch->count++] = pending;
}

static void watch_what_counts(struct replay *replay, struct pending *pending)
{
    const struct operation *operation = pending->call->operation;

    if (operation->body.kind >= HOLDFAST_BEGIN_RUN) {
        if (!pending->watches_skus)
            watch(&replay->model->watch, pending);
        pending->watches_skus = true;
        return;
    }
    if (operation->has_reservation) {
        struct model_hold *hold = model_hold(replay->model, operation->reservation_id);
        if (!pending->watches_hold)
            watch(&hold->watch, pending);
        pending->watches_hold = true;
        for (size_t i = 0; i < hold->line_count && !pending->watches_skus; i++)
            watch(&hold->lines[i].level->owner->watch, pending);
        pending->watches_skus = pending->watches_skus || hold->line_count > 0;
        return;
    }
    if (pending->watches_skus)
        return;
    pending->watches_skus = true;
    if (operation->body.sku[0] != '\0')
        watch(&model_sku(replay->model, operation->body.sku)->watch, pending);
    for (size_t i = 0; i < operation->want_count; i++) {
        if (i == 0 || !same_text(operation->wants[i].sku, operation->wants[i - 1].sku))
            watch(&model_sku(replay->model, operation->wants[i].sku)->watch, pending);
    }
}

static void try_refusal(struct replay *replay, struct pending *pending, size_t state)
{
    const struct holdfast_result *result = pending->call->result;

    if (pending->justified || pending->tried == state + 1 || state > pending->until)
        return;
    pending->tried = state + 1;
    replay->history->figures.moments++;
    const struct effect *effect =
        model_decide(replay->model, pending->call->operation, pending->call->ident->id,
                     replay->partition, pending->call->invoke_us);
    pending->justified = effect->status == result->status && same_shortages(effect, result) &&
                         result->partition == replay->partition &&
                         !due_is_left(replay, effect, pending->call);
    if (!pending->justified)
        watch_what_counts(replay, pending);
}

static void try_watchers(struct replay *replay, struct watch *watch, size_t state)
{
    size_t kept = 0, count = watch->count;

    for (size_t i = 0; i < count; i++) {
        struct pending *pending = watch->items[i];
        try_refusal(replay, pending, state);
        if (!pending->justified && pending->until > state)
            watch->items[kept++] = pending;
    }
    /* None is added here meanwhile: whoever watches something watches it once. */
    watch->count = kept;
}

void refusals_try_after(struct replay *replay, const struct group *group, size_t state)
{
    const struct history_movement *rows = &replay->log->rows[group->first];

    try_watchers(replay, &replay->model->watch, state);
    if (rows->has_reservation)
        try_watchers(replay, &model_hold(replay->model, rows->reservation_id)->watch, state);
    for (size_t i = 0; i < group->count; i++) {
        if (rows[i].sku[0] != '\0' && (i == 0 || !same_text(rows[i].sku, rows[i - 1].sku)))
            try_watchers(replay, &model_sku(replay->model, rows[i].sku)->watch, state);
    }
}

void refusals_begin(struct replay *replay, size_t state)
{
    for (; replay->next_pending < replay->pending_count; replay->next_pending++) {
        struct pending *pending = &replay->pendings[replay->next_pending];
        if (pending->from > state)
            return;
        try_refusal(replay, pending, state);
    }
}

static int compare_pendings(const void *a, const void *b)
{
    const struct pending *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

void refusals_collect(struct replay *replay)
{
    struct call *call, *next;

    HASH_ITER(hh, replay->history->calls, call, next)
    {
        const struct operation *operation = call->operation;
        if (!call->result || call->result->kind != HOLDFAST_KIND_REFUSED ||
            !is_judged(replay->history, call) || !operation->has_partition ||
            operation->partition != replay->partition || operation->body.kind == HOLDFAST_SETTLE)
            continue;
        replay->pendings = history_grow(replay->pendings, replay->pending_count,
                                        &replay->pending_capacity, sizeof *replay->pendings);
        struct pending *pending = &replay->pendings[replay->pending_count++];
        *pending = (struct pending){.call = call};
        pending->from = ledger_groups_before(replay->log, call->invoke_us - 1);
        pending->until = ledger_groups_possible(replay->log, call->answer_us);
    }
    replay->history->figures.refusals_judged += replay->pending_count;
    if (replay->pending_count > 0)
        qsort(replay->pendings, replay->pending_count, sizeof *replay->pendings, compare_pendings);
}

void refusals_tell(struct replay *replay)
{
    for (size_t i = 0; i < replay->pending_count; i++) {
        const struct pending *pending = &replay->pendings[i];
        const struct holdfast_result *result = pending->call->result;
        const struct log *log = replay->log;
        if (pending->justified)
            continue;
        uint64_t from = pending->from < log->group_count
                            ? log->rows[log->groups[pending->from].first].seq - 1
                            : log->row_count;
        uint64_t until = pending->until < log->group_count
                             ? log->rows[log->groups[pending->until].first].seq - 1
                             : log->row_count;
        finding(replay->history, "refusal",
                "call %llu (%s) was refused as %s%s, which is true at no state of partition %u "
                "from %llu to %llu; asked for: %s",
                (unsigned long long)pending->call->number, show_id(pending->call->ident->id),
                holdfast_status_name(result->status),
                result->shortage_count > 0 ? " with these shortages" : "", replay->partition,
                (unsigned long long)from, (unsigned long long)until,
                operation_body(pending->call->operation));
    }
    free(replay->pendings);
}

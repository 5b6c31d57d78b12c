/* SPDX-License-Identifier: MIT
 *
 * The ledger against the model, partition by partition and in order: before a group's rows are
 * applied, the model says what they should be. What is applied is what the ledger has, so that one
 * wrong row is one finding and not a thousand.
 * Between two groups stand the refusals (refusals.c), behind the last the tables (final.c).
 */
#include "tests/history/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------- a row against the state before */

static void bad_row(struct replay *replay, const char *rule, const struct history_movement *row,
                    const char *what, int64_t got, int64_t want)
{
    finding(replay->history, rule, "%u:%llu (%s, %s) %s@%s: %s is %lld, not %lld",
            replay->partition, (unsigned long long)row->seq, show_id(row->operation_id),
            holdfast_movement_name(row->kind), row->sku, row->warehouse, what, (long long)got,
            (long long)want);
}

static bool sets_safety(const struct history_movement *row)
{
    return row->kind == HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET;
}

static bool sets_reorder(const struct history_movement *row)
{
    return row->kind == HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET;
}

/* Which of the two, and to what, is for the model to say. */
static bool takes_back(const struct history_movement *row)
{
    return row->kind == HF__MOVEMENT_KIND__MOVEMENT_UNDONE;
}

static void check_balances(struct replay *replay, const struct history_movement *row,
                           const struct model_level *level)
{
    const struct history_balances *before = &level->now, *after = &row->after;
    const struct {
        const char *what;
        int64_t got, want;
    } checks[] = {
        {"on_hand", after->on_hand, before->on_hand + row->d_on_hand},
        {"reserved", after->reserved, before->reserved + row->d_reserved},
        {"committed", after->committed, before->committed + row->d_committed},
        {"unavailable", after->unavailable, before->unavailable + row->d_unavailable},
        {"safety_stock", after->safety_stock,
         sets_safety(row) || takes_back(row) ? after->safety_stock : before->safety_stock},
        {"reorder_point", after->reorder_point,
         sets_reorder(row) || takes_back(row) ? after->reorder_point : before->reorder_point},
        {"shortfall", after->shortfall, model_shortfall(after)},
        {"prev", (int64_t)row->prev, (int64_t)level->version},
        {"on_hand_version", (int64_t)row->on_hand_version,
         (int64_t)(row->d_on_hand != 0 ? row->seq : level->on_hand_version)},
    };

    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (checks[i].got != checks[i].want)
            bad_row(replay, "balance", row, checks[i].what, checks[i].got, checks[i].want);
    }
}

/* May this kind make a shortfall deeper? */
static bool may_deepen(int kind)
{
    return kind == HF__MOVEMENT_KIND__MOVEMENT_COUNTED ||
           kind == HF__MOVEMENT_KIND__MOVEMENT_ADJUSTED ||
           kind == HF__MOVEMENT_KIND__MOVEMENT_QUARANTINED;
}

static void check_oversold(struct replay *replay, const struct history_movement *row,
                           const struct model_level *level)
{
    int64_t taken = row->d_reserved + row->d_committed;
    int64_t available = model_available(&level->now);
    int64_t before = model_shortfall(&level->now), after = model_shortfall(&row->after);

    if ((row->kind == HF__MOVEMENT_KIND__MOVEMENT_RESERVED ||
         row->kind == HF__MOVEMENT_KIND__MOVEMENT_PURCHASED) &&
        taken > available)
        bad_row(replay, "oversold", row, "what was available and is taken", available, taken);
    if (after > before && !may_deepen(row->kind))
        bad_row(replay, "oversold", row, "the shortfall, deeper than before,", after, before);
    if (row->after.on_hand < 0 || row->after.reserved < 0 || row->after.committed < 0 ||
        row->after.unavailable < 0)
        bad_row(replay, "oversold", row, "the least of the balances", -1, 0);
}

/* ------------------------------------------------------------- a hold and its end */

static void check_hold(struct replay *replay, const struct group *group,
                       const struct history_movement *row)
{
    int64_t skew_us = replay->history->options.clock_skew_us;
    const struct model_hold *hold = model_hold(replay->model, row->reservation_id);
    bool expires = row->kind == HF__MOVEMENT_KIND__MOVEMENT_EXPIRED;
    bool uses = row->kind == HF__MOVEMENT_KIND__MOVEMENT_EXTENDED ||
                row->kind == HF__MOVEMENT_KIND__MOVEMENT_PURCHASED ||
                row->kind == HF__MOVEMENT_KIND__MOVEMENT_RELEASED;

    if (!expires && !uses)
        return;
    if (uses && hold->state == HOLDFAST_STATE_EXPIRED && group->operation &&
        group->operation->body.revive)
        return;
    if (hold->state != HOLDFAST_STATE_ACTIVE) {
        finding(replay->history, "hold", "%u:%llu (%s): %s is %s when it is %s", replay->partition,
                (unsigned long long)row->seq, show_id(row->operation_id),
                show_reservation(row->reservation_id),
                holdfast_state_name((enum holdfast_reservation_state)hold->state),
                holdfast_movement_name(row->kind));
        return;
    }
    int64_t late_us = row->at_us - hold->expires_at_us;
    if (uses && skew_us >= 0 && group->since_us - skew_us > row->at_us)
        late_us = group->since_us - skew_us - hold->expires_at_us;
    if (expires ? late_us < 0 : late_us >= 0)
        finding(replay->history, "hold", "%u:%llu (%s): %s is %s %lld us %s its time",
                replay->partition, (unsigned long long)row->seq, show_id(row->operation_id),
                show_reservation(row->reservation_id), holdfast_movement_name(row->kind),
                (long long)llabs(late_us), late_us < 0 ? "before" : "after");
}

/* ------------------------------------------------------------- a group against its effect */

static void bad_effect(struct replay *replay, const struct group *group, const char *what)
{
    const struct history_movement *row = &replay->log->rows[group->first];

    finding(replay->history, "effect", "%u:%llu (%s, %s): %s; asked for: %s", replay->partition,
            (unsigned long long)row->seq, show_id(row->operation_id),
            holdfast_movement_name(row->kind), what,
            group->operation ? operation_body(group->operation) : "nothing");
}

static const struct effect_row *find_row(struct replay *replay, const struct effect *effect,
                                         const struct history_movement *row)
{
    for (size_t i = 0; i < effect->row_count; i++) {
        const struct effect_row *wanted = &effect->rows[i];
        if (!wanted->level ? row->warehouse[0] == '\0'
                           : wanted->level == model_level(replay->model, row->sku, row->warehouse))
            return wanted;
    }
    return NULL;
}

bool equal_lines(const struct history_line *a, const struct history_line *b)
{
    return a->quantity == b->quantity && a->reserved == b->reserved &&
           a->committed == b->committed && a->shipped == b->shipped &&
           a->cancelled == b->cancelled && a->released == b->released && a->returned == b->returned;
}

static bool fits_line(const struct effect *effect, const struct effect_row *wanted,
                      const struct history_movement *row)
{
    struct history_line line = {0};

    if (!effect->hold || !wanted->level)
        return true;
    if (row->kind == HF__MOVEMENT_KIND__MOVEMENT_RESERVED) {
        if (row->line != row->idx)
            return false;
    } else {
        if (row->line != wanted->line)
            return false;
        line = effect->hold->lines[wanted->line].now;
    }
    line.quantity += wanted->change.quantity;
    line.reserved += wanted->change.reserved;
    line.committed += wanted->change.committed;
    line.shipped += wanted->change.shipped;
    line.cancelled += wanted->change.cancelled;
    line.released += wanted->change.released;
    line.returned += wanted->change.returned;
    return equal_lines(&line, &row->line_after);
}

static const char *run_row_fault(const struct effect *effect, const struct history_movement *row)
{
    struct holdfast_run after = effect->run_after;

    after.version = row->seq;
    after.changed_at_us = row->at_us;
    if (!row->run || run_fault(row->run, &after))
        return "the run's record is not as it should be";
    return row->prev == effect->run->now.version ? NULL
                                                 : "it does not follow the run's last record";
}

static const char *row_fault(struct replay *replay, const struct effect *effect,
                             const struct history_movement *row)
{
    const struct effect_row *wanted = find_row(replay, effect, row);

    if (!wanted)
        return "it touches what it should not";
    if (wanted->kind != row->kind)
        return "it is a movement of another kind than it should be";
    if (wanted->on_hand != row->d_on_hand || wanted->reserved != row->d_reserved ||
        wanted->committed != row->d_committed || wanted->unavailable != row->d_unavailable)
        return "it changes the level by another quantity than it should";
    if ((wanted->safety_stock >= 0 && wanted->safety_stock != row->after.safety_stock) ||
        (wanted->reorder_point >= 0 && wanted->reorder_point != row->after.reorder_point))
        return "it sets another value than it should";
    if (takes_back(row) && wanted->level &&
        ((wanted->safety_stock < 0 && row->after.safety_stock != wanted->level->now.safety_stock) ||
         (wanted->reorder_point < 0 &&
          row->after.reorder_point != wanted->level->now.reorder_point)))
        return "it sets what it should not";
    if (takes_back(row) && wanted->undoes != row->undoes)
        return "it names another movement than the one that it takes back";
    if (effect->run)
        return run_row_fault(effect, row);
    if (!fits_line(effect, wanted, row))
        return "the reservation's line is not as it should be";
    if (!effect->hold)
        return row->has_reservation ? "it has a reservation" : NULL;
    if (!row->has_reservation ||
        memcmp(row->reservation_id, effect->hold->id, RESERVATION_ID_BYTES) != 0)
        return "it is of another reservation";
    if (row->state != effect->state)
        return "the reservation's state is not as it should be";
    if (row->expires_at_us != effect->expires_at_us)
        return "the reservation's expiry is not as it should be";
    if (row->revision != effect->hold->revision + 1)
        return "the reservation's revision does not follow";
    return NULL;
}

/* What the rows show that the effect has not; NULL: nothing. */
static const char *effect_fault(struct replay *replay, const struct group *group,
                                const struct effect *effect)
{
    static char refused[100];
    const struct history_movement *rows = &replay->log->rows[group->first];

    if (effect->status != HOLDFAST_APPLIED) {
        snprintf(refused, sizeof refused, "it should be refused as %s",
                 holdfast_status_name(effect->status));
        return refused;
    }
    if (group->count != effect->row_count)
        return "it has more or fewer rows than it should";
    for (size_t i = 0; i < group->count; i++) {
        const char *fault = row_fault(replay, effect, &rows[i]);
        if (fault)
            return fault;
    }
    return NULL;
}

/* The same for what an operation should have done. */
static const char *operation_fault(struct replay *replay, const struct group *group,
                                   const struct operation *operation)
{
    const struct history_movement *rows = &replay->log->rows[group->first];

    if (!operation->has_partition || operation->partition != replay->partition)
        return "it does not belong to this partition";
    return effect_fault(
        replay, group,
        model_decide(replay->model, operation, rows->operation_id, replay->partition, rows->at_us));
}

static void check_effect(struct replay *replay, struct group *group)
{
    const struct history_movement *rows = &replay->log->rows[group->first];
    const char *fault;

    if (group->is_void)
        return;
    if (group->is_expiry)
        fault = effect_fault(
            replay, group,
            model_expire(replay->model, model_hold(replay->model, rows->reservation_id)));
    else if (!group->operation)
        fault = "no call of its id asked for this";
    else
        fault = operation_fault(replay, group, group->operation);
    const struct call *call = NULL;
    while (fault && (call = ledger_other_body(replay->history, group, call)) != NULL) {
        if (operation_fault(replay, group, call->operation) == NULL) {
            group->operation = call->operation;
            fault = NULL;
        }
    }
    if (fault)
        bad_effect(replay, group, fault);
}

/* ------------------------------------------------------------- applying what the ledger has */

static void apply_hold(struct replay *replay, const struct history_movement *row)
{
    struct model_hold *hold = model_hold(replay->model, row->reservation_id);

    hold->state = row->state;
    hold->revision = row->revision;
    hold->expires_at_us = row->expires_at_us;
    if (row->warehouse[0] == '\0' || row->line > UINT16_MAX)
        return;
    while (hold->line_count <= row->line) {
        hold->lines =
            history_grow(hold->lines, hold->line_count, &hold->line_capacity, sizeof *hold->lines);
        hold->lines[hold->line_count++] =
            (struct model_line){.level = model_level(replay->model, row->sku, row->warehouse)};
    }
    struct model_line *line = &hold->lines[row->line];
    line->level = model_level(replay->model, row->sku, row->warehouse);
    if (row->kind == HF__MOVEMENT_KIND__MOVEMENT_EXPIRED)
        line->expired = row->line_after.released - line->now.released;
    line->now = row->line_after;
}

static void apply_row(struct replay *replay, const struct history_movement *row)
{
    if (row->has_reservation)
        apply_hold(replay, row);
    if (row->kind == HF__MOVEMENT_KIND__MOVEMENT_ITEM_PUT) {
        struct model_sku *sku = model_sku(replay->model, row->sku);
        if (row->prev != sku->item_version)
            bad_row(replay, "balance", row, "prev", (int64_t)row->prev, (int64_t)sku->item_version);
        sku->is_item = true;
        sku->item_version = row->seq;
    }
    if (row->warehouse[0] == '\0' || row->sku[0] == '\0')
        return;
    const char *fault = takes_back(row) ? model_take_back(replay->model, row) : NULL;
    if (fault)
        finding(replay->history, "undone", "%u:%llu (%s): %s: %llu", replay->partition,
                (unsigned long long)row->seq, show_id(row->operation_id), fault,
                (unsigned long long)row->undoes);
    struct model_level *level = model_level(replay->model, row->sku, row->warehouse);
    level->now = row->after;
    level->version = row->seq;
    level->on_hand_version = row->on_hand_version;
}

static void apply_group(struct replay *replay, struct group *group)
{
    const struct history_movement *rows = &replay->log->rows[group->first];

    if (rows->has_reservation)
        check_hold(replay, group, rows);
    check_effect(replay, group);
    for (size_t i = 0; i < group->count; i++) {
        const struct history_movement *row = &rows[i];
        if (row->warehouse[0] != '\0' && row->sku[0] != '\0') {
            struct model_level *level = model_level(replay->model, row->sku, row->warehouse);
            check_balances(replay, row, level);
            check_oversold(replay, row, level);
        }
        apply_row(replay, row);
        if (row->run)
            model_apply_run(replay->model, row, group->operation);
    }
    if (rows->kind == HF__MOVEMENT_KIND__MOVEMENT_RESERVED ||
        rows->kind == HF__MOVEMENT_KIND__MOVEMENT_EXTENDED)
        model_note_due(model_hold(replay->model, rows->reservation_id));
}

/* ------------------------------------------------------------- all */

static void replay_log(struct history *history, uint32_t partition)
{
    struct replay replay = {.history = history,
                            .model = model_new(history, partition),
                            .log = &history->logs[partition],
                            .partition = partition};

    refusals_collect(&replay);
    refusals_begin(&replay, 0);
    for (size_t i = 0; i < replay.log->group_count; i++) {
        struct group *group = &replay.log->groups[i];
        apply_group(&replay, group);
        replay.model->state = i + 1;
        refusals_try_after(&replay, group, i + 1);
        refusals_begin(&replay, i + 1);
    }
    refusals_tell(&replay);
    if (history->final)
        final_check(&replay);
    model_destroy(&replay.model);
}

void replay_all(struct history *history)
{
    for (uint32_t i = 0; i < history->log_count; i++)
        replay_log(history, i);
}

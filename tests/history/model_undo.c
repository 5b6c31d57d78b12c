/* SPDX-License-Identifier: MIT
 *
 * What an undo does: all that an operation did to levels, the other way round, or nothing. Named by
 * the operation's id, which must be in this partition's ledger by then.
 */
#include "tests/history/model.h"

#include <string.h>

#define QUANTITY_MOST 999999999

/* The rows of what is undone, as far as the ledger has come; NULL: there are none. */
static const struct group *find_undone(const struct deciding *d)
{
    const struct model *model = d->model;
    const struct ident *ident = ident_find(model->history, d->operation->undone);

    for (const struct group *group = ident ? ident->groups : NULL; group; group = group->next) {
        if (group->partition == model->partition &&
            (size_t)(group - model->log->groups) < model->state)
            return group;
    }
    return NULL;
}

static bool can_be_undone(const struct history_movement *row)
{
    switch (row->kind) {
    case HF__MOVEMENT_KIND__MOVEMENT_RECEIVED:
    case HF__MOVEMENT_KIND__MOVEMENT_ADJUSTED:
    case HF__MOVEMENT_KIND__MOVEMENT_COUNTED:
    case HF__MOVEMENT_KIND__MOVEMENT_TRANSFERRED:
    case HF__MOVEMENT_KIND__MOVEMENT_QUARANTINED:
    case HF__MOVEMENT_KIND__MOVEMENT_RESTORED:
    case HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET:
    case HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET:
    case HF__MOVEMENT_KIND__MOVEMENT_UNDONE:
        return !row->has_reservation;
    default:
        return false;
    }
}

/* A setting goes back to what its caller says that it was, if it is still what it was set to. */
static int undo_setting(const struct deciding *d, struct effect_row *back,
                        const struct history_movement *row)
{
    bool reorder = row->kind == HF__MOVEMENT_KIND__MOVEMENT_UNDONE
                       ? d->body->previous_reorder_point
                       : row->kind == HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET;
    const struct history_balances *now = &back->level->now;

    if (!d->body->has_previous)
        return HOLDFAST_INVALID;
    if (reorder ? now->reorder_point != row->after.reorder_point
                : now->safety_stock != row->after.safety_stock)
        return HOLDFAST_VERSION_CONFLICT;
    *(reorder ? &back->reorder_point : &back->safety_stock) = d->body->previous;
    return HOLDFAST_APPLIED;
}

/* Nothing that is promised is taken away, and nothing goes below 0. */
static int undo_stock(const struct deciding *d, const struct effect_row *back)
{
    const struct model_level *level = back->level;
    const struct history_balances *now = &level->now;
    int64_t on_hand = now->on_hand + back->on_hand;
    int64_t unavailable = now->unavailable + back->unavailable;
    int64_t promised = now->reserved + now->committed + now->unavailable;
    struct history_balances after = *now;

    if (on_hand > QUANTITY_MOST)
        return HOLDFAST_TOO_LARGE;
    if (unavailable < 0) {
        effect_add_shortage(d->effect, level->owner->sku, level->warehouse, -back->unavailable,
                            now->unavailable);
        return HOLDFAST_INSUFFICIENT_ON_HAND;
    }
    after.on_hand = on_hand;
    after.unavailable = unavailable;
    bool sets_aside_too_much = back->unavailable > 0 && unavailable > on_hand;
    if (on_hand >= 0 && !sets_aside_too_much && model_shortfall(&after) <= model_shortfall(now))
        return HOLDFAST_APPLIED;
    effect_add_shortage(d->effect, level->owner->sku, level->warehouse,
                        back->unavailable - back->on_hand, now->on_hand - promised);
    return HOLDFAST_INSUFFICIENT_ON_HAND;
}

int model_undo(struct deciding *d)
{
    const struct group *undone = find_undone(d);
    int status = undone ? HOLDFAST_APPLIED : HOLDFAST_INVALID;

    for (size_t i = 0; undone && i < undone->count && status == HOLDFAST_APPLIED; i++) {
        const struct history_movement *row = &d->model->log->rows[undone->first + i];
        if (!can_be_undone(row))
            return HOLDFAST_INVALID;
        struct effect_row *back =
            effect_add_row(d->effect, model_level(d->model, row->sku, row->warehouse),
                           HF__MOVEMENT_KIND__MOVEMENT_UNDONE);
        back->undoes = row->seq;
        back->on_hand = -row->d_on_hand;
        back->unavailable = -row->d_unavailable;
        bool moved_nothing = row->d_on_hand == 0 && row->d_unavailable == 0;
        if (row->kind == HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET ||
            row->kind == HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET ||
            (row->kind == HF__MOVEMENT_KIND__MOVEMENT_UNDONE && moved_nothing))
            status = undo_setting(d, back, row);
        else
            status = undo_stock(d, back);
    }
    return status;
}

const char *model_take_back(struct model *model, const struct history_movement *row)
{
    struct model_taken *taken;

    HASH_FIND(hh, model->taken, &row->undoes, sizeof row->undoes, taken);
    if (taken)
        return "it takes back what was taken back before";
    if (row->undoes == 0 || row->undoes >= row->seq)
        return "it names no movement before it";
    taken = arena_zalloc(&model->history->arena, sizeof *taken);
    taken->seq = row->undoes;
    taken->by = row->seq;
    HASH_ADD(hh, model->taken, seq, sizeof taken->seq, taken);
    return NULL;
}

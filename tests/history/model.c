/* SPDX-License-Identifier: MIT
 *
 * What each operation does, in the order of the design's table. The state is in model_state.c.
 */
#include "tests/history/model.h"

#include <string.h>

/* ------------------------------------------------------------- an effect */

static int64_t promised(const struct history_balances *balances)
{
    return balances->reserved + balances->committed + balances->unavailable;
}

static struct effect *begin_effect(struct model *model)
{
    struct effect *effect = model->effect;

    effect->status = HOLDFAST_APPLIED;
    effect->row_count = effect->shortage_count = 0;
    effect->hold = NULL;
    effect->run = NULL;
    effect->state = HOLDFAST_STATE_NONE;
    effect->expires_at_us = 0;
    return effect;
}

struct effect_row *effect_add_row(struct effect *effect, struct model_level *level, int kind)
{
    effect->rows =
        history_grow(effect->rows, effect->row_count, &effect->row_capacity, sizeof *effect->rows);
    struct effect_row *row = &effect->rows[effect->row_count++];
    *row =
        (struct effect_row){.level = level, .kind = kind, .safety_stock = -1, .reorder_point = -1};
    return row;
}

void effect_add_shortage(struct effect *effect, const char *sku, const char *warehouse,
                         int64_t requested, int64_t available)
{
    effect->shortages = history_grow(effect->shortages, effect->shortage_count,
                                     &effect->shortage_capacity, sizeof *effect->shortages);
    effect->shortages[effect->shortage_count++] =
        (struct holdfast_shortage){.sku = sku,
                                   .warehouse = warehouse,
                                   .requested = (uint32_t)requested,
                                   .available = available > 0 ? (uint32_t)available : 0};
}

/* ------------------------------------------------------------- reserve */

static int64_t left_of(const struct model_level *level)
{
    struct history_balances now = level->now;

    now.reserved += level->planned;
    return model_available(&now);
}

/* All levels that a policy may use, nearest first where there is a list. Ends with NULL. */
static struct model_level *next_candidate(const struct deciding *d, struct model_sku *sku,
                                          struct model_level *before, size_t *at)
{
    const struct holdfast_operation *body = d->body;

    if (body->warehouse_count == 0)
        return before ? before->next : sku->levels;
    while (*at < body->warehouse_count) {
        const char *warehouse = body->warehouses[(*at)++];
        for (struct model_level *level = sku->levels; level; level = level->next) {
            if (same_text(level->warehouse, warehouse))
                return level;
        }
    }
    return NULL;
}

/* nearest_first: the first with enough, or else the first with anything. most_available: the one
 * with most; of equals the code that sorts first. */
static struct model_level *choose(const struct deciding *d, struct model_sku *sku, int64_t wanted)
{
    struct model_level *chosen = NULL, *first = NULL, *level = NULL;
    size_t at = 0;

    while ((level = next_candidate(d, sku, level, &at)) != NULL) {
        int64_t left = left_of(level);
        if (left == 0)
            continue;
        if (!first)
            first = level;
        if (d->body->policy == HOLDFAST_NEAREST_FIRST) {
            if (!chosen && left >= wanted)
                chosen = level;
        } else if (!chosen || left > left_of(chosen) ||
                   (left == left_of(chosen) && strcmp(level->warehouse, chosen->warehouse) < 0)) {
            chosen = level;
        }
    }
    return chosen ? chosen : first;
}

static void take_anywhere(const struct deciding *d, struct model_sku *sku, int64_t wanted)
{
    struct model_level *level = NULL;
    int64_t total = 0, most = 0;
    size_t at = 0;

    while ((level = next_candidate(d, sku, level, &at)) != NULL) {
        int64_t left = left_of(level);
        total += left;
        most = left > most ? left : most;
    }
    int64_t possible = d->body->may_split ? total : most;
    if (possible < wanted) {
        effect_add_shortage(d->effect, sku->sku, "", wanted, possible);
        return;
    }
    while (wanted > 0) {
        level = choose(d, sku, wanted);
        int64_t taken = left_of(level) < wanted ? left_of(level) : wanted;
        level->planned += taken;
        wanted -= taken;
    }
}

/* Named places first, then free choices; each after what the ones before it took. */
static int plan_reserve(const struct deciding *d)
{
    for (int named = 1; named >= 0; named--) {
        for (size_t i = 0; i < d->operation->want_count; i++) {
            const struct want *want = &d->operation->wants[i];
            struct model_sku *sku = model_sku(d->model, want->sku);
            if ((want->warehouse[0] != '\0') != named)
                continue;
            if (!sku->is_item)
                return HOLDFAST_UNKNOWN_SKU;
            if (!named) {
                take_anywhere(d, sku, want->quantity);
                continue;
            }
            struct model_level *level = model_level(d->model, want->sku, want->warehouse);
            if (left_of(level) < want->quantity)
                effect_add_shortage(d->effect, want->sku, want->warehouse, want->quantity,
                                    left_of(level));
            else
                level->planned += want->quantity;
        }
    }
    return d->effect->shortage_count > 0 ? HOLDFAST_INSUFFICIENT_STOCK : HOLDFAST_APPLIED;
}

static int64_t ttl_us(const struct deciding *d)
{
    return (int64_t)(d->body->ttl_ms > 0 ? d->body->ttl_ms : 15 * 60 * 1000) * 1000;
}

static int decide_reserve(struct deciding *d, const uint8_t *operation_id, uint32_t partition)
{
    uint8_t id[RESERVATION_ID_BYTES];
    int status = plan_reserve(d);

    for (size_t i = 0; i < d->operation->want_count; i++) {
        struct model_sku *sku = model_sku(d->model, d->operation->wants[i].sku);
        for (struct model_level *level = sku->levels; level; level = level->next) {
            if (level->planned > 0 && status == HOLDFAST_APPLIED) {
                struct effect_row *row =
                    effect_add_row(d->effect, level, HF__MOVEMENT_KIND__MOVEMENT_RESERVED);
                row->reserved = row->change.reserved = row->change.quantity = level->planned;
            }
            level->planned = 0;
        }
    }
    if (status != HOLDFAST_APPLIED)
        return status;
    reservation_id_make(id, partition, operation_id);
    d->effect->hold = model_hold(d->model, id);
    d->effect->state = HOLDFAST_STATE_ACTIVE;
    d->effect->expires_at_us = d->now_us + ttl_us(d);
    return HOLDFAST_APPLIED;
}

/* ------------------------------------------------------------- what happens to a reservation */

typedef int64_t counter_fn(const struct model_line *line);

static int64_t count_reserved(const struct model_line *line)
{
    return line->now.reserved;
}

static int64_t count_committed(const struct model_line *line)
{
    return line->now.committed;
}

static int64_t count_shipped(const struct model_line *line)
{
    return line->now.shipped - line->now.returned;
}

static int64_t count_expired(const struct model_line *line)
{
    return line->expired;
}

/* Gives each line of the hold a row with what the operation takes of it in change.quantity (0 for
 * most); whatever it wants and there is not becomes a shortage. */
static void take_lines(const struct deciding *d, counter_fn *counter)
{
    const struct model_hold *hold = d->effect->hold;
    const struct operation *operation = d->operation;

    for (size_t i = 0; i < hold->line_count; i++) {
        struct effect_row *row = effect_add_row(d->effect, hold->lines[i].level, 0);
        row->line = i;
        row->change.quantity = operation->want_count == 0 ? counter(&hold->lines[i]) : 0;
    }
    for (int named = 1; named >= 0; named--) {
        for (size_t w = 0; w < operation->want_count; w++) {
            const struct want *want = &operation->wants[w];
            int64_t left = want->quantity;
            if ((want->warehouse[0] != '\0') != named)
                continue;
            for (size_t i = 0; i < hold->line_count; i++) {
                const struct model_line *line = &hold->lines[i];
                struct effect_row *row = &d->effect->rows[i];
                if (!same_text(line->level->owner->sku, want->sku) ||
                    (named && !same_text(line->level->warehouse, want->warehouse)))
                    continue;
                int64_t there = counter(line) - row->change.quantity;
                int64_t taken = there < left ? there : left;
                row->change.quantity += taken;
                left -= taken;
            }
            if (left > 0)
                effect_add_shortage(d->effect, want->sku, want->warehouse, want->quantity,
                                    want->quantity - left);
        }
    }
}

static bool takes_nothing(const struct effect *effect)
{
    for (size_t i = 0; i < effect->row_count; i++) {
        if (effect->rows[i].change.quantity > 0)
            return false;
    }
    return true;
}

/* Rows that change nothing go. */
static void drop_idle_rows(struct effect *effect)
{
    size_t kept = 0;

    for (size_t i = 0; i < effect->row_count; i++) {
        effect->rows[i].change.quantity = 0;
        if (effect->rows[i].kind != 0)
            effect->rows[kept++] = effect->rows[i];
    }
    effect->row_count = kept;
}

static int find_hold(struct deciding *d)
{
    struct model_hold *hold = model_hold(d->model, d->operation->reservation_id);

    if (hold->state == HOLDFAST_STATE_NONE)
        return HOLDFAST_UNKNOWN_RESERVATION;
    d->effect->hold = hold;
    d->effect->state = hold->state;
    d->effect->expires_at_us = hold->expires_at_us;
    return HOLDFAST_APPLIED;
}

/* Why a hold that is over cannot be used. */
static int hold_over(int state)
{
    switch (state) {
    case HOLDFAST_STATE_ACTIVE:
        return HOLDFAST_APPLIED;
    case HOLDFAST_STATE_PURCHASED:
        return HOLDFAST_ALREADY_PURCHASED;
    case HOLDFAST_STATE_RELEASED:
        return HOLDFAST_ALREADY_RELEASED;
    case HOLDFAST_STATE_EXPIRED:
        return HOLDFAST_RESERVATION_EXPIRED;
    default:
        return HOLDFAST_NOT_ACTIVE;
    }
}

static int decide_extend(struct deciding *d)
{
    int over = hold_over(d->effect->state);

    if (over == HOLDFAST_RESERVATION_EXPIRED)
        return over;
    if (over != HOLDFAST_APPLIED)
        return HOLDFAST_NOT_ACTIVE;
    d->effect->expires_at_us = d->now_us + ttl_us(d);
    effect_add_row(d->effect, NULL, HF__MOVEMENT_KIND__MOVEMENT_EXTENDED);
    return HOLDFAST_APPLIED;
}

/* What its expiry took is taken again, all of it or nothing; not what was released before. */
static int revive(struct deciding *d)
{
    struct effect *effect = d->effect;

    take_lines(d, count_expired);
    if (effect->shortage_count > 0)
        return HOLDFAST_EXCEEDS_RESERVATION;
    if (takes_nothing(effect))
        return HOLDFAST_RESERVATION_EXPIRED;
    for (size_t i = 0; i < effect->row_count; i++) {
        struct effect_row *row = &effect->rows[i];
        int64_t amount = row->change.quantity;
        if (amount == 0)
            continue;
        if (model_available(&row->level->now) < amount)
            effect_add_shortage(effect, row->level->owner->sku, row->level->warehouse, amount,
                                model_available(&row->level->now));
        row->kind = HF__MOVEMENT_KIND__MOVEMENT_PURCHASED;
        row->committed = row->change.committed = amount;
        row->change.released = -amount;
    }
    effect->state = HOLDFAST_STATE_PURCHASED;
    drop_idle_rows(effect);
    return effect->shortage_count > 0 ? HOLDFAST_INSUFFICIENT_STOCK : HOLDFAST_APPLIED;
}

static int decide_purchase(struct deciding *d)
{
    struct effect *effect = d->effect;
    int over = hold_over(effect->state);

    if (over == HOLDFAST_RESERVATION_EXPIRED && d->body->revive)
        return revive(d);
    if (over != HOLDFAST_APPLIED)
        return over;
    take_lines(d, count_reserved);
    if (effect->shortage_count > 0)
        return HOLDFAST_EXCEEDS_RESERVATION;
    effect->state = HOLDFAST_STATE_PURCHASED;
    for (size_t i = 0; i < effect->row_count; i++) {
        struct effect_row *row = &effect->rows[i];
        int64_t bought = row->change.quantity;
        int64_t rest = effect->hold->lines[i].now.reserved - bought;
        if (d->body->keep_remainder) {
            if (rest > 0)
                effect->state = HOLDFAST_STATE_ACTIVE;
            rest = 0;
        }
        if (bought > 0)
            row->kind = HF__MOVEMENT_KIND__MOVEMENT_PURCHASED;
        else if (rest > 0)
            row->kind = HF__MOVEMENT_KIND__MOVEMENT_RELEASED;
        row->reserved = row->change.reserved = -bought - rest;
        row->committed = row->change.committed = bought;
        row->change.released = rest;
    }
    drop_idle_rows(effect);
    return HOLDFAST_APPLIED;
}

static int decide_release(struct deciding *d)
{
    struct effect *effect = d->effect;
    int over = hold_over(effect->state);
    bool bought = false, held = false;

    if (over != HOLDFAST_APPLIED)
        return over;
    take_lines(d, count_reserved);
    if (effect->shortage_count > 0)
        return HOLDFAST_EXCEEDS_RESERVATION;
    for (size_t i = 0; i < effect->row_count; i++) {
        struct effect_row *row = &effect->rows[i];
        const struct history_line *line = &effect->hold->lines[i].now;
        int64_t amount = row->change.quantity;
        bought = bought || line->committed + line->shipped + line->cancelled > 0;
        held = held || line->reserved > amount;
        if (amount == 0)
            continue;
        row->kind = HF__MOVEMENT_KIND__MOVEMENT_RELEASED;
        row->reserved = row->change.reserved = -amount;
        row->change.released = amount;
    }
    if (!held)
        effect->state = bought ? HOLDFAST_STATE_PURCHASED : HOLDFAST_STATE_RELEASED;
    drop_idle_rows(effect);
    return HOLDFAST_APPLIED;
}

const struct effect *model_expire(struct model *model, struct model_hold *hold)
{
    struct effect *effect = begin_effect(model);

    effect->hold = hold;
    effect->state = HOLDFAST_STATE_EXPIRED;
    effect->expires_at_us = hold->expires_at_us;
    for (size_t i = 0; i < hold->line_count; i++) {
        int64_t held = hold->lines[i].now.reserved;
        if (held == 0)
            continue;
        struct effect_row *row =
            effect_add_row(effect, hold->lines[i].level, HF__MOVEMENT_KIND__MOVEMENT_EXPIRED);
        row->line = i;
        row->reserved = row->change.reserved = -held;
        row->change.released = held;
    }
    return effect;
}

/* ------------------------------------------------------------- what was purchased */

static int take_purchased(struct deciding *d, counter_fn *counter, int exceeds)
{
    if (d->effect->state == HOLDFAST_STATE_PENDING)
        return HOLDFAST_NOT_ACTIVE;
    take_lines(d, counter);
    return d->effect->shortage_count > 0 || takes_nothing(d->effect) ? exceeds : HOLDFAST_APPLIED;
}

static int decide_ship(struct deciding *d)
{
    int status = take_purchased(d, count_committed, HOLDFAST_EXCEEDS_COMMITTED);

    if (status != HOLDFAST_APPLIED)
        return status;
    for (size_t i = 0; i < d->effect->row_count; i++) {
        struct effect_row *row = &d->effect->rows[i];
        int64_t amount = row->change.quantity;
        if (amount == 0)
            continue;
        if (row->level->now.on_hand < amount)
            effect_add_shortage(d->effect, row->level->owner->sku, row->level->warehouse, amount,
                                row->level->now.on_hand);
        row->kind = HF__MOVEMENT_KIND__MOVEMENT_SHIPPED;
        row->on_hand = row->committed = row->change.committed = -amount;
        row->change.shipped = amount;
    }
    drop_idle_rows(d->effect);
    return d->effect->shortage_count > 0 ? HOLDFAST_INSUFFICIENT_ON_HAND : HOLDFAST_APPLIED;
}

static int decide_cancel(struct deciding *d)
{
    int status = take_purchased(d, count_committed, HOLDFAST_EXCEEDS_COMMITTED);

    if (status != HOLDFAST_APPLIED)
        return status;
    for (size_t i = 0; i < d->effect->row_count; i++) {
        struct effect_row *row = &d->effect->rows[i];
        int64_t amount = row->change.quantity;
        if (amount == 0)
            continue;
        row->kind = HF__MOVEMENT_KIND__MOVEMENT_CANCELLED;
        row->committed = row->change.committed = -amount;
        row->change.cancelled = amount;
    }
    drop_idle_rows(d->effect);
    return HOLDFAST_APPLIED;
}

static int decide_return(struct deciding *d)
{
    int status = take_purchased(d, count_shipped, HOLDFAST_EXCEEDS_SHIPPED);

    if (status != HOLDFAST_APPLIED)
        return status;
    for (size_t i = 0; i < d->effect->row_count; i++) {
        struct effect_row *row = &d->effect->rows[i];
        int64_t amount = row->change.quantity;
        if (amount == 0)
            continue;
        row->kind = HF__MOVEMENT_KIND__MOVEMENT_RETURNED;
        row->on_hand = row->change.returned = amount;
        row->unavailable = d->body->to_quarantine ? amount : 0;
    }
    drop_idle_rows(d->effect);
    return HOLDFAST_APPLIED;
}

/* ------------------------------------------------------------- stock */

/* A row for a sku and a warehouse; NULL: no such item. */
static struct effect_row *place_row(struct deciding *d, const char *sku, const char *warehouse)
{
    if (!model_sku(d->model, sku)->is_item)
        return NULL;
    return effect_add_row(d->effect, model_level(d->model, sku, warehouse),
                          movement_of(d->body->kind));
}

/* What is on the shelf and promised to nobody. */
static int64_t unpromised(const struct history_balances *now)
{
    int64_t left = now->on_hand - promised(now);

    return left > 0 ? left : 0;
}

static bool deepens(const struct effect_row *row)
{
    struct history_balances after = row->level->now;

    after.on_hand += row->on_hand;
    after.unavailable += row->unavailable;
    return model_shortfall(&after) > model_shortfall(&row->level->now);
}

static int decide_lines(struct deciding *d)
{
    bool accepts = d->body->accept_shortfall;

    for (size_t i = 0; i < d->operation->want_count; i++) {
        const struct want *want = &d->operation->wants[i];
        struct effect_row *row = place_row(d, want->sku, want->warehouse);
        if (!row)
            return HOLDFAST_UNKNOWN_SKU;
        const struct history_balances *now = &row->level->now;
        if (d->body->kind == HOLDFAST_RECEIVE) {
            row->on_hand = want->quantity;
        } else if (d->body->kind == HOLDFAST_RESTORE) {
            row->unavailable = -want->quantity;
            if (want->quantity > now->unavailable)
                effect_add_shortage(d->effect, want->sku, want->warehouse, want->quantity,
                                    now->unavailable);
        } else {
            row->unavailable = want->quantity;
            if (now->unavailable + want->quantity > now->on_hand || (deepens(row) && !accepts))
                effect_add_shortage(d->effect, want->sku, want->warehouse, want->quantity,
                                    accepts ? now->on_hand - now->unavailable : unpromised(now));
        }
    }
    return d->effect->shortage_count > 0 ? HOLDFAST_INSUFFICIENT_ON_HAND : HOLDFAST_APPLIED;
}

static int decide_adjust(struct deciding *d)
{
    struct effect_row *row = place_row(d, d->body->sku, d->body->warehouse);

    if (!row)
        return HOLDFAST_UNKNOWN_SKU;
    const struct history_balances *now = &row->level->now;
    bool accepts = d->body->accept_shortfall;
    row->on_hand = d->body->delta;
    if (now->on_hand + d->body->delta >= 0 && (accepts || !deepens(row)))
        return HOLDFAST_APPLIED;
    effect_add_shortage(d->effect, d->body->sku, d->body->warehouse, -d->body->delta,
                        accepts ? now->on_hand : unpromised(now));
    return HOLDFAST_INSUFFICIENT_ON_HAND;
}

static int decide_count(struct deciding *d)
{
    struct effect_row *row = place_row(d, d->body->sku, d->body->warehouse);

    if (!row)
        return HOLDFAST_UNKNOWN_SKU;
    if (d->body->has_version && d->body->on_hand_version != row->level->on_hand_version)
        return HOLDFAST_VERSION_CONFLICT;
    row->on_hand = (int64_t)d->body->quantity - row->level->now.on_hand;
    return HOLDFAST_APPLIED;
}

static int decide_transfer(struct deciding *d)
{
    int64_t quantity = d->body->quantity;
    struct effect_row *row = place_row(d, d->body->sku, d->body->warehouse);

    if (!row)
        return HOLDFAST_UNKNOWN_SKU;
    int64_t available = model_available(&row->level->now);
    if (available < quantity) {
        effect_add_shortage(d->effect, d->body->sku, d->body->warehouse, quantity, available);
        return HOLDFAST_INSUFFICIENT_STOCK;
    }
    row->on_hand = -quantity;
    row = place_row(d, d->body->sku, d->body->to_warehouse);
    row->on_hand = quantity;
    return HOLDFAST_APPLIED;
}

static int decide_setting(struct deciding *d)
{
    struct effect_row *row = place_row(d, d->body->sku, d->body->warehouse);

    if (!row)
        return HOLDFAST_UNKNOWN_SKU;
    if (d->body->kind == HOLDFAST_SET_SAFETY_STOCK)
        row->safety_stock = d->body->quantity;
    else
        row->reorder_point = d->body->quantity;
    return HOLDFAST_APPLIED;
}

static int decide_record(struct deciding *d)
{
    effect_add_row(d->effect, NULL, movement_of(d->body->kind));
    return HOLDFAST_APPLIED;
}

/* ------------------------------------------------------------- all */

int movement_of(enum holdfast_operation_kind kind)
{
    switch (kind) {
    case HOLDFAST_RESERVE:
        return HF__MOVEMENT_KIND__MOVEMENT_RESERVED;
    case HOLDFAST_EXTEND:
        return HF__MOVEMENT_KIND__MOVEMENT_EXTENDED;
    case HOLDFAST_PURCHASE:
        return HF__MOVEMENT_KIND__MOVEMENT_PURCHASED;
    case HOLDFAST_RELEASE:
        return HF__MOVEMENT_KIND__MOVEMENT_RELEASED;
    case HOLDFAST_SHIP:
        return HF__MOVEMENT_KIND__MOVEMENT_SHIPPED;
    case HOLDFAST_CANCEL:
        return HF__MOVEMENT_KIND__MOVEMENT_CANCELLED;
    case HOLDFAST_RETURN:
        return HF__MOVEMENT_KIND__MOVEMENT_RETURNED;
    case HOLDFAST_RECEIVE:
        return HF__MOVEMENT_KIND__MOVEMENT_RECEIVED;
    case HOLDFAST_ADJUST:
        return HF__MOVEMENT_KIND__MOVEMENT_ADJUSTED;
    case HOLDFAST_COUNT:
        return HF__MOVEMENT_KIND__MOVEMENT_COUNTED;
    case HOLDFAST_TRANSFER:
        return HF__MOVEMENT_KIND__MOVEMENT_TRANSFERRED;
    case HOLDFAST_QUARANTINE:
        return HF__MOVEMENT_KIND__MOVEMENT_QUARANTINED;
    case HOLDFAST_RESTORE:
        return HF__MOVEMENT_KIND__MOVEMENT_RESTORED;
    case HOLDFAST_SET_SAFETY_STOCK:
        return HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET;
    case HOLDFAST_SET_REORDER_POINT:
        return HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET;
    case HOLDFAST_PUT_ITEM:
        return HF__MOVEMENT_KIND__MOVEMENT_ITEM_PUT;
    case HOLDFAST_PUT_WAREHOUSE:
        return HF__MOVEMENT_KIND__MOVEMENT_WAREHOUSE_PUT;
    case HOLDFAST_PUT_REASON:
        return HF__MOVEMENT_KIND__MOVEMENT_REASON_PUT;
    case HOLDFAST_SETTLE:
        return HF__MOVEMENT_KIND__MOVEMENT_VOIDED;
    case HOLDFAST_BEGIN_RUN:
        return HF__MOVEMENT_KIND__MOVEMENT_RUN_BEGUN;
    case HOLDFAST_RECORD_RUN:
        return HF__MOVEMENT_KIND__MOVEMENT_RUN_RECORDED;
    case HOLDFAST_UNDO:
        return HF__MOVEMENT_KIND__MOVEMENT_UNDONE;
    }
    return HF__MOVEMENT_KIND__MOVEMENT_NONE;
}

static int decide(struct deciding *d, const uint8_t *operation_id, uint32_t partition)
{
    static int (*const on_holds[])(struct deciding *) = {
        [HOLDFAST_EXTEND - HOLDFAST_RESERVE] = decide_extend,
        [HOLDFAST_PURCHASE - HOLDFAST_RESERVE] = decide_purchase,
        [HOLDFAST_RELEASE - HOLDFAST_RESERVE] = decide_release,
        [HOLDFAST_SHIP - HOLDFAST_RESERVE] = decide_ship,
        [HOLDFAST_CANCEL - HOLDFAST_RESERVE] = decide_cancel,
        [HOLDFAST_RETURN - HOLDFAST_RESERVE] = decide_return,
    };
    int status;

    switch (d->body->kind) {
    case HOLDFAST_RESERVE:
        return decide_reserve(d, operation_id, partition);
    case HOLDFAST_EXTEND:
    case HOLDFAST_PURCHASE:
    case HOLDFAST_RELEASE:
    case HOLDFAST_SHIP:
    case HOLDFAST_CANCEL:
    case HOLDFAST_RETURN:
        status = find_hold(d);
        return status == HOLDFAST_APPLIED ? on_holds[d->body->kind - HOLDFAST_RESERVE](d) : status;
    case HOLDFAST_RECEIVE:
    case HOLDFAST_QUARANTINE:
    case HOLDFAST_RESTORE:
        return decide_lines(d);
    case HOLDFAST_ADJUST:
        return decide_adjust(d);
    case HOLDFAST_COUNT:
        return decide_count(d);
    case HOLDFAST_TRANSFER:
        return decide_transfer(d);
    case HOLDFAST_SET_SAFETY_STOCK:
    case HOLDFAST_SET_REORDER_POINT:
        return decide_setting(d);
    case HOLDFAST_PUT_ITEM:
    case HOLDFAST_PUT_WAREHOUSE:
    case HOLDFAST_PUT_REASON:
        return decide_record(d);
    case HOLDFAST_BEGIN_RUN:
        return model_begin_run(d);
    case HOLDFAST_RECORD_RUN:
        return model_record_run(d);
    case HOLDFAST_UNDO:
        return model_undo(d);
    case HOLDFAST_SETTLE:
        break;
    }
    return HOLDFAST_INVALID;
}

const struct effect *model_decide(struct model *model, const struct operation *operation,
                                  const uint8_t operation_id[UUID_BYTES], uint32_t partition,
                                  int64_t now_us)
{
    struct effect *effect = begin_effect(model);
    struct deciding d = {model, effect, operation, &operation->body, now_us};

    effect->status = decide(&d, operation_id, partition);
    return effect;
}

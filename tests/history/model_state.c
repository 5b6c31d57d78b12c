/* SPDX-License-Identifier: MIT
 *
 * The state of a partition in the model: skus with their levels, reservations, and what is due.
 */
#include "tests/history/model.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------- state */

struct model *model_new(struct history *history, uint32_t partition)
{
    struct model *model = calloc(1, sizeof *model);
    struct effect *effect = calloc(1, sizeof *effect);

    if (!model || !effect)
        abort();
    model->history = history;
    model->log = &history->logs[partition];
    model->partition = partition;
    model->effect = effect;
    return model;
}

void model_destroy(struct model **model)
{
    struct model *m = *model;

    for (struct model_sku *sku = m->skus; sku; sku = sku->hh.next) {
        free(sku->watch.items);
        for (struct model_level *level = sku->levels; level; level = level->next)
            free(level->dues);
    }
    for (struct model_hold *hold = m->holds; hold; hold = hold->hh.next) {
        free(hold->watch.items);
        free(hold->lines);
    }
    for (struct model_run *run = m->runs; run; run = run->hh.next)
        HASH_CLEAR(hh, run->lines);
    HASH_CLEAR(hh, m->runs);
    HASH_CLEAR(hh, m->taken);
    free(m->watch.items);
    HASH_CLEAR(hh, m->skus);
    HASH_CLEAR(hh, m->holds);
    free(m->effect->rows);
    free(m->effect->shortages);
    free(m->effect);
    free(m);
    *model = NULL;
}

struct model_sku *model_sku(struct model *model, const char *sku)
{
    struct model_sku *found;

    HASH_FIND_STR(model->skus, sku, found);
    if (!found) {
        found = arena_zalloc(&model->history->arena, sizeof *found);
        found->sku = sku;
        HASH_ADD_KEYPTR(hh, model->skus, found->sku, strlen(found->sku), found);
    }
    return found;
}

struct model_run *model_run(struct model *model, const char *name)
{
    struct model_run *found;

    HASH_FIND_STR(model->runs, name, found);
    if (!found) {
        found = arena_zalloc(&model->history->arena, sizeof *found);
        found->name = name;
        HASH_ADD_KEYPTR(hh, model->runs, found->name, strlen(found->name), found);
    }
    return found;
}

struct model_level *model_level(struct model *model, const char *sku, const char *warehouse)
{
    struct model_sku *owner = model_sku(model, sku);
    struct model_level *level;

    for (level = owner->levels; level; level = level->next) {
        if (same_text(level->warehouse, warehouse))
            return level;
    }
    level = arena_zalloc(&model->history->arena, sizeof *level);
    level->owner = owner;
    level->warehouse = warehouse;
    level->next = owner->levels;
    owner->levels = level;
    return level;
}

struct model_hold *model_hold(struct model *model, const uint8_t id[RESERVATION_ID_BYTES])
{
    struct model_hold *hold;

    HASH_FIND(hh, model->holds, id, RESERVATION_ID_BYTES, hold);
    if (!hold) {
        hold = arena_zalloc(&model->history->arena, sizeof *hold);
        memcpy(hold->id, id, RESERVATION_ID_BYTES);
        HASH_ADD(hh, model->holds, id, RESERVATION_ID_BYTES, hold);
    }
    return hold;
}

/* ------------------------------------------------------------- what is due */

static void due_swap(struct model_level *level, size_t a, size_t b)
{
    struct model_due other = level->dues[a];

    level->dues[a] = level->dues[b];
    level->dues[b] = other;
}

static void due_push(struct model_level *level, const struct model_due *due)
{
    size_t at = level->due_count;

    level->dues = history_grow(level->dues, level->due_count, &level->due_capacity, sizeof *due);
    level->dues[level->due_count++] = *due;
    for (; at > 0 && due->expires_at_us < level->dues[(at - 1) / 2].expires_at_us;
         at = (at - 1) / 2)
        due_swap(level, at, (at - 1) / 2);
}

static void due_pop(struct model_level *level)
{
    size_t at = 0, count = --level->due_count;

    level->dues[0] = level->dues[count];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < count &&
            level->dues[child + 1].expires_at_us < level->dues[child].expires_at_us)
            child++;
        if (child >= count || level->dues[at].expires_at_us <= level->dues[child].expires_at_us)
            return;
        due_swap(level, at, child);
        at = child;
    }
}

void model_note_due(struct model_hold *hold)
{
    for (size_t i = 0; i < hold->line_count && hold->state == HOLDFAST_STATE_ACTIVE; i++) {
        if (hold->lines[i].now.reserved > 0)
            due_push(hold->lines[i].level, &(struct model_due){hold->expires_at_us, hold, i});
    }
}

int64_t model_next_due(struct model_level *level)
{
    while (level->due_count > 0) {
        const struct model_due *due = &level->dues[0];
        if (due->hold->state == HOLDFAST_STATE_ACTIVE &&
            due->hold->expires_at_us == due->expires_at_us &&
            due->hold->lines[due->line].now.reserved > 0)
            return due->expires_at_us;
        due_pop(level);
    }
    return INT64_MAX;
}

/* ------------------------------------------------------------- balances */

static int64_t promised(const struct history_balances *balances)
{
    return balances->reserved + balances->committed + balances->unavailable;
}

int64_t model_available(const struct history_balances *balances)
{
    int64_t left = balances->on_hand - promised(balances) - balances->safety_stock;

    return left > 0 ? left : 0;
}

int64_t model_shortfall(const struct history_balances *balances)
{
    int64_t over = promised(balances) - balances->on_hand;

    return over > 0 ? over : 0;
}

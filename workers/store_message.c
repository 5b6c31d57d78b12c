/* SPDX-License-Identifier: MIT
 *
 * Rows as they go over the wire, for history and queries.
 */
#include "workers/store.h"

Hf__Level *store_level_message(const struct level *level, struct arena *arena)
{
    Hf__Level *out = arena_alloc(arena, sizeof *out);
    const struct balances *now = &level->now;

    hf__level__init(out);
    out->sku.len = level->sku.length;
    out->sku.data = arena_copy(arena, level->sku.bytes, level->sku.length);
    out->warehouse.len = level->warehouse.length;
    out->warehouse.data = arena_copy(arena, level->warehouse.bytes, level->warehouse.length);
    out->on_hand = (uint32_t)now->on_hand;
    out->reserved = (uint32_t)now->reserved;
    out->committed = (uint32_t)now->committed;
    out->unavailable = (uint32_t)now->unavailable;
    out->safety_stock = (uint32_t)now->safety_stock;
    out->shortfall = (uint32_t)now->shortfall;
    out->available = (uint32_t)balances_available(now);
    out->reorder_point = (uint32_t)now->reorder_point;
    out->version = level->version;
    out->on_hand_version = level->on_hand_version;
    return out;
}

/* SPDX-License-Identifier: MIT
 *
 * See history.h.
 */
#include "workers/history.h"

#include <string.h>

#include "common/log.h"
#include "workers/store.h"
#include "workers/store_history.h"

static ProtobufCBinaryData code_bytes(const struct code *code, struct arena *arena)
{
    return (ProtobufCBinaryData){.len = code->length,
                                 .data = arena_copy(arena, code->bytes, code->length)};
}

static Hf__ReservationLine *line_message(const struct reservation_line *line, struct arena *arena)
{
    Hf__ReservationLine *out = arena_alloc(arena, sizeof *out);

    hf__reservation_line__init(out);
    out->quantity = (uint32_t)line->quantity;
    out->reserved = (uint32_t)line->reserved;
    out->committed = (uint32_t)line->committed;
    out->shipped = (uint32_t)line->shipped;
    out->cancelled = (uint32_t)line->cancelled;
    out->released = (uint32_t)line->released;
    out->returned = (uint32_t)line->returned;
    return out;
}

/* The record that a put_* movement or one of a run carries: packed by the ledger itself. */
static void add_record(const struct movement *m, Hf__Movement *out, struct arena *arena)
{
    if (m->kind == HF__MOVEMENT_KIND__MOVEMENT_ITEM_PUT) {
        out->item = hf__item__unpack(&arena->allocator, m->detail.len, m->detail.data);
        if (out->item)
            out->item->version = m->seq;
    } else if (m->kind == HF__MOVEMENT_KIND__MOVEMENT_WAREHOUSE_PUT ||
               m->kind == HF__MOVEMENT_KIND__MOVEMENT_REASON_PUT) {
        out->named = hf__named__unpack(&arena->allocator, m->detail.len, m->detail.data);
        if (out->named)
            out->named->version = m->seq;
    } else if (m->kind == HF__MOVEMENT_KIND__MOVEMENT_RUN_BEGUN ||
               m->kind == HF__MOVEMENT_KIND__MOVEMENT_RUN_RECORDED) {
        out->run = hf__run__unpack(&arena->allocator, m->detail.len, m->detail.data);
    }
}

static void add_signals(const struct movement *m, Hf__Movement *out, struct arena *arena)
{
    if (m->signals == 0)
        return;
    out->signals = arena_alloc(arena, 32 * sizeof *out->signals);
    for (uint32_t bit = 0; bit < 32; bit++) {
        if (m->signals >> bit & 1)
            out->signals[out->n_signals++] = (Hf__Signal)(bit + 1);
    }
}

Hf__Movement *history_message(const struct movement *m, struct arena *arena)
{
    Hf__Movement *out = arena_alloc(arena, sizeof *out);

    hf__movement__init(out);
    out->partition = m->partition;
    out->sequence = m->seq;
    out->operation_id.len = UUID_BYTES;
    out->operation_id.data = arena_copy(arena, m->operation_id, UUID_BYTES);
    out->index = m->idx;
    out->kind = m->kind;
    out->at_us = m->at_us;
    out->sku = code_bytes(&m->sku, arena);
    out->warehouse = code_bytes(&m->warehouse, arena);
    out->on_hand_change = (int32_t)m->d_on_hand;
    out->reserved_change = (int32_t)m->d_reserved;
    out->committed_change = (int32_t)m->d_committed;
    out->unavailable_change = (int32_t)m->d_unavailable;
    if (m->warehouse.length > 0 && m->sku.length > 0) {
        struct level level = {.sku = m->sku,
                              .warehouse = m->warehouse,
                              .now = m->after,
                              .version = m->seq,
                              .on_hand_version = m->on_hand_version};
        out->after = store_level_message(&level, arena);
    }
    if (m->has_reservation) {
        char text[RESERVATION_TEXT_BYTES];
        reservation_id_format(m->reservation_id, text);
        out->reservation.len = strlen(text);
        out->reservation.data = arena_copy(arena, text, strlen(text));
        out->revision = m->revision;
        if (out->after) {
            out->line = m->line;
            out->line_after = line_message(&m->line_after, arena);
        }
    }
    add_record(m, out, arena);
    out->state = m->state;
    out->expires_at_us = m->expires_at_us;
    out->order = m->order;
    out->reason = m->reason;
    out->reference = m->reference;
    out->note = m->note;
    out->actor = m->actor;
    out->principal = m->principal;
    out->undoes = m->undoes;
    out->claim_id.len = sizeof m->claim_id;
    out->claim_id.data = arena_copy(arena, m->claim_id, sizeof m->claim_id);
    out->trace = m->trace;
    add_signals(m, out, arena);
    return out;
}

void history_moved(struct worker *worker, struct slot *slot, struct decision *decision)
{
    struct history history = {
        .sku = &decision->moved_sku,
        .warehouse = &decision->moved_warehouse,
        .since = decision->moved_since,
        .on_hand_only = true,
        .limit = HISTORY_MOVED_MAX,
    };
    struct movement *movements;
    size_t count;
    bool more;

    if (store_history(&worker->db, slot->partition, &history, &worker->arena, &movements, &count,
                      &more) != DB_OK) {
        log_limited(LOG_WARN, "partition=%u could not read what moved: %s", slot->partition,
                    db_error(&worker->db));
        return;
    }
    Hf__Movement **list = arena_alloc(&worker->arena, (count + 1) * sizeof(Hf__Movement *));
    for (size_t i = 0; i < count; i++)
        list[i] = history_message(&movements[i], &worker->arena);
    decision->result->moved = list;
    decision->result->n_moved = count;
}

/* SPDX-License-Identifier: MIT
 *
 * Answers of views as the caller sees them; see view_decode.h. Every function here gives false or
 * NULL when there is no memory, and nothing else can fail.
 */
#include "client/view_decode.h"

#include "client/decode.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static struct view_box no_memory_box = {
    .answer = {.status = HOLDFAST_UNAVAILABLE,
               .kind = HOLDFAST_KIND_SHED,
               .field = "",
               .message = "out of memory",
               .view = ""},
    .out_of_memory = true,
};

static enum holdfast_knowledge knowledge_of(Hf__Knowledge wire)
{
    switch (wire) {
    case HF__KNOWLEDGE__KNOWLEDGE_KNOWN:
        return HOLDFAST_KNOWLEDGE_KNOWN;
    case HF__KNOWLEDGE__KNOWLEDGE_BEHIND:
        return HOLDFAST_KNOWLEDGE_BEHIND;
    case HF__KNOWLEDGE__KNOWLEDGE_STALE:
        return HOLDFAST_KNOWLEDGE_STALE;
    case HF__KNOWLEDGE__KNOWLEDGE_UNKNOWN:
    case _HF__KNOWLEDGE_IS_INT_SIZE:
        break;
    }
    return HOLDFAST_KNOWLEDGE_UNKNOWN;
}

/* Without KNOWN nothing of it is taken over: there are no figures to be mistaken for 0. */
static bool stock_one(struct pool *pool, struct holdfast_view_stock *to, const Hf__ViewStock *from)
{
    to->knowledge = knowledge_of(from->knowledge);
    to->partition = from->partition;
    to->total.sku = to->total.warehouse = "";
    if (!decode_text(pool, &to->sku, from->sku))
        return false;
    if (to->knowledge != HOLDFAST_KNOWLEDGE_KNOWN)
        return true;
    if (from->exists && !from->total) { /* no view sends this */
        to->knowledge = HOLDFAST_KNOWLEDGE_UNKNOWN;
        return true;
    }
    to->exists = from->exists;
    to->sequence = from->sequence;
    to->age_us = (int64_t)from->age_ms * 1000;
    if (from->total && !decode_level(pool, &to->total, from->total))
        return false;
    if (from->item) {
        struct holdfast_item *item = pool_alloc(pool, sizeof *item);
        if (!item || !decode_item(pool, item, from->item))
            return false;
        to->item = item;
    }
    return decode_levels(pool, &to->levels, &to->level_count, from->levels, from->n_levels);
}

static bool stock(struct view_box *box, const Hf__ViewAnswer *from)
{
    if (from->n_stock == 0)
        return true;
    box->stock = pool_alloc(&box->pool, from->n_stock * sizeof *box->stock);
    if (!box->stock)
        return false;
    for (size_t i = 0; i < from->n_stock; i++) {
        if (!stock_one(&box->pool, &box->stock[i], from->stock[i]))
            return false;
    }
    box->answer.stock = box->stock;
    box->answer.stock_count = from->n_stock;
    return true;
}

static bool levels(struct view_box *box, const Hf__ViewAnswer *from)
{
    static const Hf__Level none = HF__LEVEL__INIT;
    struct holdfast_view_level *all;

    if (from->n_levels == 0)
        return true;
    all = pool_alloc(&box->pool, from->n_levels * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < from->n_levels; i++) {
        const Hf__ViewLevel *one = from->levels[i];
        all[i].partition = one->partition;
        if (!decode_level(&box->pool, &all[i].level, one->level ? one->level : &none) ||
            !decode_text(&box->pool, &all[i].name, one->name))
            return false;
    }
    box->answer.levels = all;
    box->answer.level_count = from->n_levels;
    return true;
}

static bool totals(struct view_box *box, const Hf__ViewAnswer *from)
{
    static const Hf__Named nobody = HF__NAMED__INIT;
    struct holdfast_view_total *all;

    if (from->n_totals == 0)
        return true;
    all = pool_alloc(&box->pool, from->n_totals * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < from->n_totals; i++) {
        const Hf__ViewTotal *one = from->totals[i];
        const Hf__Named *warehouse = one->warehouse ? one->warehouse : &nobody;
        all[i] = (struct holdfast_view_total){.skus = one->skus,
                                              .on_hand = one->on_hand,
                                              .reserved = one->reserved,
                                              .committed = one->committed,
                                              .unavailable = one->unavailable,
                                              .safety_stock = one->safety_stock,
                                              .shortfall = one->shortfall,
                                              .available = one->available,
                                              .out_of_stock = one->out_of_stock,
                                              .below_safety = one->below_safety};
        if (!decode_text(&box->pool, &all[i].warehouse, warehouse->code) ||
            !decode_text(&box->pool, &all[i].name, warehouse->name))
            return false;
    }
    box->answer.totals = all;
    box->answer.total_count = from->n_totals;
    return true;
}

static bool view_status(struct view_box *box, const Hf__ViewStatus *from)
{
    struct holdfast_view_status *to;

    if (!from)
        return true;
    to = pool_alloc(&box->pool, sizeof *to);
    if (!to)
        return false;
    *to = (struct holdfast_view_status){.started_at_us = from->started_at_us,
                                        .items = from->items,
                                        .levels = from->levels,
                                        .barcodes = from->barcodes,
                                        .reservations = from->reservations,
                                        .movements = from->movements,
                                        .repairs = from->repairs,
                                        .snapshots = from->snapshots,
                                        .history_lost = from->history_lost,
                                        .queries = from->queries,
                                        .memory_bytes = from->memory_bytes};
    box->answer.view_status = to;
    return decode_text(&box->pool, &to->name, from->name);
}

static bool event(struct pool *pool, struct holdfast_view_event *to, const Hf__ViewEvent *from)
{
    static const Hf__Movement nothing = HF__MOVEMENT__INIT;
    const Hf__Movement *moved = from->movement ? from->movement : &nothing;

    *to = (struct holdfast_view_event){.number = from->number,
                                       .kind = (enum holdfast_view_event_kind)from->kind,
                                       .partition = from->partition,
                                       .given = from->given,
                                       .resume = from->resume};
    if (to->kind != HOLDFAST_VIEW_EVENT_MOVEMENT)
        return true;
    struct holdfast_movement *movement = pool_alloc(pool, sizeof *movement);
    if (!movement || !decode_movement(pool, movement, moved))
        return false;
    movement->partition = from->partition;
    for (size_t i = 0; i < moved->n_signals; i++) {
        if (moved->signals[i] >= 1 && moved->signals[i] <= 31)
            to->signals |= 1u << (moved->signals[i] - 1);
    }
    to->movement = movement;
    return true;
}

static bool events(struct view_box *box, const Hf__ViewEvents *from)
{
    if (!from)
        return true;
    struct holdfast_view_events *to = pool_alloc(&box->pool, sizeof *to);
    struct holdfast_view_event *all = pool_alloc(&box->pool, (from->n_events + 1) * sizeof *all);
    if (!to || !all)
        return false;
    for (size_t i = 0; i < from->n_events; i++) {
        if (!event(&box->pool, &all[i], from->events[i]))
            return false;
    }
    *to = (struct holdfast_view_events){.instance = from->instance,
                                        .newest = from->newest,
                                        .oldest = from->oldest,
                                        .since_us = from->since_us,
                                        .more = from->more,
                                        .anew = from->anew,
                                        .list = all,
                                        .count = from->n_events};
    box->answer.events = to;
    return true;
}

static bool cursor(struct view_box *box, const Hf__ViewAnswer *from)
{
    box->cursor_bytes = from->cursor.len;
    if (from->cursor.len > 0)
        box->cursor = (const uint8_t *)pool_text(&box->pool, from->cursor.data, from->cursor.len);
    return from->cursor.len == 0 || box->cursor;
}

static bool answer(struct view_box *box, const Hf__ViewAnswer *from)
{
    struct holdfast_view_answer *to = &box->answer;

    to->status = decode_status(from->status);
    to->kind = holdfast_status_kind(to->status);
    to->unknown_partitions = from->unknown_partitions;
    to->partitions = from->partitions;
    to->age_us = (int64_t)from->age_ms * 1000;
    to->matched = from->matched;
    to->total = from->total;
    to->more = from->cursor.len > 0;
    to->view = "";
    return decode_string(&box->pool, &to->field, from->field) &&
           decode_string(&box->pool, &to->message, from->message) && stock(box, from) &&
           levels(box, from) &&
           decode_reservations(&box->pool, &to->reservations, &to->reservation_count,
                               from->reservations, from->n_reservations) &&
           totals(box, from) && view_status(box, from->view) && events(box, from->events) &&
           cursor(box, from);
}

struct view_box *view_box_decode(const Hf__ViewAnswer *wire)
{
    struct view_box *box = calloc(1, sizeof *box);

    if (!box)
        return NULL;
    pool_init(&box->pool);
    if (!answer(box, wire))
        view_box_free(&box);
    return box;
}

struct view_box *view_box_make(int status, const char *field, const char *message)
{
    struct view_box *box = calloc(1, sizeof *box);

    if (!box)
        return &no_memory_box;
    pool_init(&box->pool);
    box->answer.view = box->answer.field = box->answer.message = "";
    view_box_set_status(box, status, field, message);
    return box;
}

void view_box_set_status(struct view_box *box, int status, const char *field, const char *message)
{
    const char *kept_field, *kept_message;

    if (box->out_of_memory)
        return;
    box->answer.status = status;
    box->answer.kind = holdfast_status_kind(status);
    if (!decode_string(&box->pool, &kept_field, field) ||
        !decode_string(&box->pool, &kept_message, message))
        return;
    box->answer.field = kept_field;
    box->answer.message = kept_message;
}

void view_box_free(struct view_box **box)
{
    struct view_box *gone = *box;

    *box = NULL;
    if (!gone || gone->out_of_memory)
        return;
    pool_release(&gone->pool);
    free(gone);
}

void holdfast_view_answer_free(struct holdfast_view_answer **of)
{
    if (of && *of) {
        struct view_box *box = (struct view_box *)((char *)*of - offsetof(struct view_box, answer));
        view_box_free(&box);
    }
    if (of)
        *of = NULL;
}

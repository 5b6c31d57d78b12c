/* SPDX-License-Identifier: MIT
 *
 * Open reservations. One is open while something is held or purchased and not shipped; then it is
 * forgotten, and its owner knows it. A closed one that is revived comes back with a movement that
 * may not name all its lines: it is wanted whole from the database, and told to nobody until then.
 */
#include <assert.h>
#include <string.h>

#include "view/model_impl.h"
#include "view/topk.h"

static uint32_t id_hash(const uint8_t *id)
{
    return index_hash(id, RESERVATION_ID_BYTES);
}

static struct line_row *lines_of(const struct model *model, const struct reservation_row *row)
{
    return row->line_count > 0 ? slab_at(&model->slab, row->lines) : NULL;
}

static const char *order_of(const struct model *model, const struct reservation_row *row)
{
    return row->order_bytes + row->actor_bytes > 0 ? slab_at(&model->slab, row->text) : "";
}

const struct line_row *reservation_lines(const struct model *model,
                                         const struct reservation_row *row)
{
    return lines_of(model, row);
}

const char *reservation_order(const struct model *model, const struct reservation_row *row)
{
    return order_of(model, row);
}

static uint32_t find(const struct model *model, const uint8_t *id)
{
    struct index_walk walk = index_walk(&model->reservation_index, id_hash(id));

    for (uint32_t at; (at = index_next(&model->reservation_index, &walk)) != INDEX_NONE;) {
        if (memcmp(model->reservations[at].id, id, RESERVATION_ID_BYTES) == 0)
            return at;
    }
    return NONE;
}

/* ------------------------------------------------------------- keeping */

static uint32_t add(struct model *model, const uint8_t *id, const void *order, size_t order_bytes,
                    const void *actor, size_t actor_bytes)
{
    uint32_t at = model->free_reservation;

    if (at != NONE) {
        model->free_reservation = model->reservations[at].text;
    } else {
        model->reservations = array_room(model->reservations, model->reservation_count,
                                         &model->reservation_capacity, sizeof *model->reservations);
        at = (uint32_t)model->reservation_count++;
    }
    struct reservation_row *row = &model->reservations[at];
    *row = (struct reservation_row){.order_bytes = (uint8_t)order_bytes,
                                    .actor_bytes = (uint8_t)actor_bytes};
    memcpy(row->id, id, RESERVATION_ID_BYTES);
    if (order_bytes + actor_bytes > 0) {
        row->text = slab_alloc(&model->slab, order_bytes + actor_bytes);
        char *text = slab_at(&model->slab, row->text);
        if (order_bytes > 0)
            memcpy(text, order, order_bytes);
        if (actor_bytes > 0)
            memcpy(text + order_bytes, actor, actor_bytes);
    }
    index_add(&model->reservation_index, id_hash(id), at);
    if (order_bytes > 0)
        index_add(&model->order_index, index_hash(order_of(model, row), order_bytes), at);
    model->counts.reservations++;
    return at;
}

static void drop(struct model *model, uint32_t at)
{
    struct reservation_row *row = &model->reservations[at];

    digest_touch(model, at);
    model->touched = NONE; /* what it added is gone for good */
    for (size_t i = 0; row->incomplete && i < model->wanted_count; i++) {
        if (model->wanted[i] == at)
            model->wanted[i] = model->wanted[--model->wanted_count];
    }
    index_remove(&model->reservation_index, id_hash(row->id), at);
    if (row->order_bytes > 0)
        index_remove(&model->order_index, index_hash(order_of(model, row), row->order_bytes), at);
    if (row->order_bytes + row->actor_bytes > 0)
        slab_free(&model->slab, row->text, (size_t)row->order_bytes + row->actor_bytes);
    if (row->line_count > 0)
        slab_free(&model->slab, row->lines, row->line_count * sizeof(struct line_row));
    *row = (struct reservation_row){.line_count = NONE, .text = model->free_reservation};
    model->free_reservation = at;
    model->counts.reservations--;
}

static void set_line(struct model *model, struct reservation_row *row, uint32_t number,
                     const struct line_row *line)
{
    if (number >= row->line_count) {
        uint32_t lines = slab_alloc(&model->slab, (number + 1) * sizeof(struct line_row));
        struct line_row *wider = slab_at(&model->slab, lines);
        if (row->line_count > 0) {
            memcpy(wider, lines_of(model, row), row->line_count * sizeof *wider);
            slab_free(&model->slab, row->lines, row->line_count * sizeof *wider);
        }
        for (uint32_t i = row->line_count; i < number; i++)
            wider[i] = (struct line_row){.sku = NONE};
        row->lines = lines;
        row->line_count = number + 1;
    }
    lines_of(model, row)[number] = *line;
}

static bool is_live(const struct reservation_row *row)
{
    return row->state == HF__RESERVATION_STATE__RESERVATION_ACTIVE ||
           row->state == HF__RESERVATION_STATE__RESERVATION_PENDING;
}

static bool is_open(const struct model *model, const struct reservation_row *row)
{
    const struct line_row *lines = lines_of(model, row);

    for (uint32_t i = 0; i < row->line_count; i++) {
        if (lines[i].sku != NONE && (lines[i].reserved > 0 || lines[i].committed > 0))
            return true;
    }
    return is_live(row);
}

static void want(struct model *model, uint32_t at)
{
    model->reservations[at].incomplete = true;
    model->wanted = array_room(model->wanted, model->wanted_count, &model->wanted_capacity,
                               sizeof *model->wanted);
    model->wanted[model->wanted_count++] = at;
}

static struct line_row line_of(struct model *model, const Hf__Movement *m)
{
    const Hf__ReservationLine *line = m->line_after;

    return (struct line_row){
        .sku = sku_obtain(model, m->sku.data, m->sku.len),
        .warehouse = warehouse_find(model, m->warehouse.data, m->warehouse.len),
        .quantity = line->quantity,
        .reserved = line->reserved,
        .committed = line->committed,
        .shipped = line->shipped,
        .cancelled = line->cancelled,
        .released = line->released,
        .returned = line->returned,
    };
}

void reservation_movement(struct model *model, uint32_t partition, const Hf__Movement *m,
                          const uint8_t id[RESERVATION_ID_BYTES])
{
    if (reservation_id_partition(id) != partition)
        return; /* only its home partition decides, and tells, what becomes of it */

    bool made = m->kind == HF__MOVEMENT_KIND__MOVEMENT_RESERVED;
    bool holds = m->line_after && (m->line_after->reserved > 0 || m->line_after->committed > 0);
    uint32_t at = find(model, id);

    if (at == NONE) {
        bool live = m->state == HF__RESERVATION_STATE__RESERVATION_ACTIVE ||
                    m->state == HF__RESERVATION_STATE__RESERVATION_PENDING;
        if (!holds && !live)
            return; /* a return to one that is over, or the like */
        at = add(model, id, m->order.data, m->order.len, m->actor.data, made ? m->actor.len : 0);
        if (!made)
            want(model, at);
    }
    digest_touch(model, at);
    struct reservation_row *row = &model->reservations[at];
    if (made && m->index == 0)
        row->created_at_us = m->at_us;
    row->state = (uint8_t)m->state;
    row->revision = m->revision;
    row->expires_at_us = m->expires_at_us;
    if (m->line_after) {
        struct line_row line = line_of(model, m);
        set_line(model, row, m->line, &line);
    }
    if (!row->incomplete && !is_open(model, row))
        drop(model, at);
}

void reservation_install(struct model *model, const struct snapshot *s,
                         const struct snapshot_reservation *reservation)
{
    uint32_t at = find(model, reservation->id);

    if (at != NONE)
        drop(model, at);
    at = add(model, reservation->id, reservation->order.bytes, reservation->order.length,
             reservation->actor.bytes, reservation->actor.length);
    digest_touch(model, at);
    struct reservation_row *row = &model->reservations[at];
    row->state = (uint8_t)reservation->state;
    row->revision = reservation->revision;
    row->expires_at_us = reservation->expires_at_us;
    row->created_at_us = reservation->created_at_us;
    for (size_t i = 0; i < reservation->line_count; i++) {
        const struct snapshot_line *from = &s->lines[reservation->first_line + i];
        const struct snapshot_text *code = &s->warehouses[from->warehouse];
        struct line_row line = {
            .sku = sku_obtain(model, from->sku.bytes, from->sku.length),
            .warehouse = warehouse_obtain(model, code->bytes, code->length),
            .quantity = from->quantity,
            .reserved = from->reserved,
            .committed = from->committed,
            .shipped = from->shipped,
            .cancelled = from->cancelled,
            .released = from->released,
            .returned = from->returned,
        };
        if (from->number < LINES_MAX)
            set_line(model, row, from->number, &line);
    }
    if (!is_open(model, row))
        drop(model, at);
}

void reservations_forget(struct model *model, uint32_t partition)
{
    for (uint32_t at = 0; at < model->reservation_count; at++) {
        const struct reservation_row *row = &model->reservations[at];
        if (row->line_count != NONE && reservation_id_partition(row->id) == partition)
            drop(model, at);
    }
}

bool model_wants(const struct model *model, uint8_t id[RESERVATION_ID_BYTES])
{
    if (model->wanted_count == 0)
        return false;
    memcpy(id, model->reservations[model->wanted[0]].id, RESERVATION_ID_BYTES);
    return true;
}

/* So that one which cannot be had keeps no other waiting. */
static void want_later(struct model *model)
{
    uint32_t first = model->wanted[0];

    memmove(model->wanted, model->wanted + 1, (model->wanted_count - 1) * sizeof *model->wanted);
    model->wanted[model->wanted_count - 1] = first;
}

void model_complete(struct model *model, const uint8_t id[RESERVATION_ID_BYTES],
                    const struct snapshot *snapshot)
{
    uint32_t at = find(model, id);

    if (at == NONE || !model->reservations[at].incomplete)
        return;
    if (snapshot->reservation_count == 0)
        drop(model, at);
    else if (snapshot->reservations[0].revision == model->reservations[at].revision)
        reservation_install(model, snapshot, &snapshot->reservations[0]);
    else
        want_later(model);
}

/* ------------------------------------------------------------- telling */

static ProtobufCBinaryData id_text(const struct asking *asking, const uint8_t *id)
{
    char text[RESERVATION_TEXT_BYTES];

    reservation_id_format(id, text);
    return ask_bytes(asking, text, strlen(text));
}

static Hf__ReservationLine *line_message(const struct asking *asking, const struct line_row *line)
{
    const struct model *model = asking->model;
    Hf__ReservationLine *out = arena_alloc(asking->arena, sizeof *out);

    hf__reservation_line__init(out);
    out->sku = ask_bytes(asking, sku_text(model, line->sku), model->skus[line->sku].sku_bytes);
    if (line->warehouse != NONE) {
        const struct code *code = &model->warehouses[line->warehouse].code;
        out->warehouse = ask_bytes(asking, code->bytes, code->length);
    }
    out->quantity = line->quantity;
    out->reserved = line->reserved;
    out->committed = line->committed;
    out->shipped = line->shipped;
    out->cancelled = line->cancelled;
    out->released = line->released;
    out->returned = line->returned;
    return out;
}

static Hf__Reservation *message(const struct asking *asking, const struct reservation_row *row)
{
    const struct model *model = asking->model;
    const struct line_row *lines = lines_of(model, row);
    const char *order = order_of(model, row);
    Hf__Reservation *out = arena_alloc(asking->arena, sizeof *out);

    hf__reservation__init(out);
    out->reservation = id_text(asking, row->id);
    out->state = (Hf__ReservationState)row->state;
    out->expires_at_us = row->expires_at_us;
    out->revision = row->revision;
    out->order = ask_bytes(asking, order, row->order_bytes);
    out->actor = ask_bytes(asking, order + row->order_bytes, row->actor_bytes);
    out->created_at_us = row->created_at_us;
    out->lines = arena_alloc(asking->arena, (row->line_count + 1) * sizeof(void *));
    for (uint32_t i = 0; i < row->line_count; i++) {
        if (lines[i].sku != NONE)
            out->lines[out->n_lines++] = line_message(asking, &lines[i]);
    }
    return out;
}

static void push(struct asking *asking, size_t room, const struct reservation_row *row)
{
    Hf__ViewAnswer *answer = asking->answer;

    if (!answer->reservations)
        answer->reservations = arena_alloc(asking->arena, (room + 1) * sizeof(void *));
    answer->reservations[answer->n_reservations++] = message(asking, row);
}

/* ------------------------------------------------------------- by id */

static void ask_by_id(struct asking *asking, const Hf__ViewReservationsQuery *asked)
{
    const struct model *model = asking->model;
    Hf__ViewAnswer *answer = asking->answer;
    uint8_t id[RESERVATION_ID_BYTES];
    bool *marked = arena_zalloc(asking->arena, model->partition_count);

    answer->not_open = arena_alloc(asking->arena, asked->n_reservations * sizeof *answer->not_open);
    for (size_t i = 0; i < asked->n_reservations; i++) {
        const ProtobufCBinaryData *text = &asked->reservations[i];
        if (!reservation_id_parse((const char *)text->data, text->len, id)) {
            ask_refuse(asking, "reservations.reservations", "is not a reservation");
            return;
        }
        uint32_t partition = reservation_id_partition(id);
        if (partition >= model->partition_count) {
            answer->not_open[answer->n_not_open++] = *text;
            continue;
        }
        marked[partition] = true;
        if (ask_knowledge(asking, partition) != HF__KNOWLEDGE__KNOWLEDGE_KNOWN)
            continue; /* positions say so */
        uint32_t at = find(model, id);
        if (at == NONE || model->reservations[at].incomplete)
            answer->not_open[answer->n_not_open++] = *text;
        else
            push(asking, asked->n_reservations, &model->reservations[at]);
    }
    ask_positions(asking, marked);
}

/* ------------------------------------------------------------- by order */

static void ask_by_order(struct asking *asking, const Hf__ViewReservationsQuery *asked)
{
    const struct model *model = asking->model;
    uint32_t found[MODEL_PAGE_MAX];
    size_t count = 0;

    for (size_t i = 0; i < asked->n_orders; i++) {
        const ProtobufCBinaryData *order = &asked->orders[i];
        if (order->len == 0 || order->len > CODE_BYTES_MAX) {
            ask_refuse(asking, "reservations.orders", "is not an order number");
            return;
        }
        struct index_walk walk =
            index_walk(&model->order_index, index_hash(order->data, order->len));
        for (uint32_t at; (at = index_next(&model->order_index, &walk)) != INDEX_NONE;) {
            const struct reservation_row *row = &model->reservations[at];
            if (row->incomplete || row->order_bytes != order->len ||
                memcmp(order_of(model, row), order->data, order->len) != 0)
                continue;
            if (count == MODEL_PAGE_MAX) {
                ask_refuse(asking, "reservations.orders",
                           "have more than %u open reservations: ask for fewer", MODEL_PAGE_MAX);
                return;
            }
            found[count++] = at;
        }
    }
    if (!ask_everything(asking))
        return;
    for (size_t i = 0; i < count; i++)
        push(asking, count, &model->reservations[found[i]]);
}

/* ------------------------------------------------------------- by next expiry */

/* Two that expire at once are in order of this: 64 bits of hash, of which no two are alike. */
static uint64_t tie_of(const uint8_t *id)
{
    uint64_t tie = 0;

    for (size_t i = 2; i < RESERVATION_ID_BYTES; i++)
        tie = tie << 8 | id[i];
    return tie;
}

static void ask_expiring(struct asking *asking, const Hf__ViewReservationsQuery *asked)
{
    const struct model *model = asking->model;
    Hf__ViewAnswer *answer = asking->answer;
    uint64_t question = cursor_question(&asked->base, asking->arena);
    struct cursor from = {.number = INT64_MIN};
    uint8_t from_id[RESERVATION_ID_BYTES] = {0};
    bool goes_on = asked->cursor.len > 0;

    const char *fault = goes_on ? cursor_read(&from, question, &asked->cursor) : NULL;
    if (!fault && goes_on && !reservation_id_parse(from.sku.bytes, from.sku.length, from_id))
        fault = "is not a cursor";
    if (fault) {
        ask_refuse(asking, "reservations.cursor", "%s", fault);
        return;
    }
    if (!ask_everything(asking))
        return;
    struct topk topk = {.limit = asked->limit + 1};
    topk.rows = arena_alloc(asking->arena, topk.limit * sizeof *topk.rows);
    for (uint32_t at = 0; at < model->reservation_count; at++) {
        const struct reservation_row *row = &model->reservations[at];
        if (row->line_count == NONE || row->incomplete || !is_live(row))
            continue;
        answer->matched++;
        uint64_t tie = tie_of(row->id);
        if (!goes_on || topk_before(false, from.number, tie_of(from_id), row->expires_at_us, tie))
            topk_offer(&topk, row->expires_at_us, tie, at);
    }
    topk_sort(&topk);
    answer->total = answer->matched;
    for (size_t i = 0; i < topk.count && i < asked->limit; i++)
        push(asking, asked->limit, &model->reservations[topk.rows[i].row]);
    if (topk.count > asked->limit) {
        const struct reservation_row *row = &model->reservations[topk.rows[asked->limit - 1].row];
        struct cursor to = {.number = row->expires_at_us};
        char text[RESERVATION_TEXT_BYTES];
        reservation_id_format(row->id, text);
        code_set(&to.sku, text, strlen(text));
        answer->cursor = cursor_write(&to, question, asking->arena);
    }
}

void ask_reservations(struct asking *asking)
{
    const Hf__ViewReservationsQuery *asked = asking->query->reservations;
    bool page = asked->limit > 0 || asked->cursor.len > 0;
    int ways = (asked->n_reservations > 0) + (asked->n_orders > 0) + page;

    if (ways != 1)
        ask_refuse(asking, "reservations",
                   "asks for none, or for more than one of reservations, orders and a page");
    else if (asked->n_reservations > MODEL_KEYS_MAX)
        ask_refuse(asking, "reservations.reservations", "names more than %u", MODEL_KEYS_MAX);
    else if (asked->n_orders > MODEL_KEYS_MAX)
        ask_refuse(asking, "reservations.orders", "names more than %u", MODEL_KEYS_MAX);
    else if (page && (asked->limit < 1 || asked->limit > MODEL_PAGE_MAX))
        ask_refuse(asking, "reservations.limit", "must be 1 to %u", MODEL_PAGE_MAX);
    else if (asked->n_reservations > 0)
        ask_by_id(asking, asked);
    else if (asked->n_orders > 0)
        ask_by_order(asking, asked);
    else
        ask_expiring(asking, asked);
}

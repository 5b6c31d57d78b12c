/* SPDX-License-Identifier: MIT
 *
 * Results and answers as the caller sees them; see decode.h. Every function here gives false or
 * NULL when there is no memory, and nothing else can fail.
 */
#include "client/decode.h"

#include "protocol/ids.h"
#include "protocol/status.h"

#include <stdlib.h>
#include <string.h>

static struct holdfast_result no_memory_result = {
    .status = HOLDFAST_UNKNOWN,
    .kind = HOLDFAST_KIND_UNKNOWN,
    .field = "",
    .message = "out of memory",
};

static struct holdfast_answer no_memory_answer = {
    .status = HOLDFAST_UNKNOWN,
    .kind = HOLDFAST_KIND_UNKNOWN,
    .field = "",
    .message = "out of memory",
};

bool decode_text(struct pool *pool, const char **to, ProtobufCBinaryData from)
{
    if (from.len == 0) {
        *to = "";
        return true;
    }
    *to = pool_text(pool, from.data, from.len);
    return *to != NULL;
}

bool decode_string(struct pool *pool, const char **to, const char *from)
{
    *to = from[0] == '\0' ? "" : pool_text(pool, from, strlen(from));
    return *to != NULL;
}

static void id_text(char to[UUID_TEXT_BYTES], ProtobufCBinaryData from, const uint8_t *otherwise)
{
    if (from.len == UUID_BYTES)
        uuid_format(from.data, to);
    else if (otherwise)
        uuid_format(otherwise, to);
    else
        to[0] = '\0';
}

int decode_status(uint32_t code)
{
    return status_is_known(code) ? (int)code : HOLDFAST_UNKNOWN;
}

bool decode_level(struct pool *pool, struct holdfast_level *to, const Hf__Level *from)
{
    to->on_hand = from->on_hand;
    to->reserved = from->reserved;
    to->committed = from->committed;
    to->unavailable = from->unavailable;
    to->safety_stock = from->safety_stock;
    to->shortfall = from->shortfall;
    to->available = from->available;
    to->reorder_point = from->reorder_point;
    to->version = from->version;
    to->on_hand_version = from->on_hand_version;
    return decode_text(pool, &to->sku, from->sku) &&
           decode_text(pool, &to->warehouse, from->warehouse);
}

bool decode_levels(struct pool *pool, const struct holdfast_level **to, size_t *to_count,
                   Hf__Level **from, size_t count)
{
    struct holdfast_level *all;

    if (count == 0)
        return true;
    all = pool_alloc(pool, count * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!decode_level(pool, &all[i], from[i]))
            return false;
    }
    *to = all;
    *to_count = count;
    return true;
}

bool decode_reservation(struct pool *pool, struct holdfast_reservation *to,
                        const Hf__Reservation *from)
{
    struct holdfast_reservation_line *lines;

    to->state = (enum holdfast_reservation_state)from->state;
    to->expires_at_us = from->expires_at_us;
    to->revision = from->revision;
    to->created_at_us = from->created_at_us;
    if (!decode_text(pool, &to->reservation, from->reservation) ||
        !decode_text(pool, &to->order, from->order) || !decode_text(pool, &to->actor, from->actor))
        return false;
    if (from->n_lines == 0)
        return true;
    lines = pool_alloc(pool, from->n_lines * sizeof *lines);
    if (!lines)
        return false;
    for (size_t i = 0; i < from->n_lines; i++) {
        const Hf__ReservationLine *line = from->lines[i];
        lines[i].quantity = line->quantity;
        lines[i].reserved = line->reserved;
        lines[i].committed = line->committed;
        lines[i].shipped = line->shipped;
        lines[i].cancelled = line->cancelled;
        lines[i].released = line->released;
        lines[i].returned = line->returned;
        if (!decode_text(pool, &lines[i].sku, line->sku) ||
            !decode_text(pool, &lines[i].warehouse, line->warehouse))
            return false;
    }
    to->lines = lines;
    to->line_count = from->n_lines;
    return true;
}

static bool shortages(struct pool *pool, struct holdfast_result *to, const Hf__Result *from)
{
    struct holdfast_shortage *all;

    if (from->n_shortages == 0)
        return true;
    all = pool_alloc(pool, from->n_shortages * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < from->n_shortages; i++) {
        all[i].requested = from->shortages[i]->requested;
        all[i].available = from->shortages[i]->available;
        if (!decode_text(pool, &all[i].sku, from->shortages[i]->sku) ||
            !decode_text(pool, &all[i].warehouse, from->shortages[i]->warehouse))
            return false;
    }
    to->shortages = all;
    to->shortage_count = from->n_shortages;
    return true;
}

bool decode_movement(struct pool *pool, struct holdfast_movement *to, const Hf__Movement *from)
{
    to->partition = from->partition;
    to->sequence = from->sequence;
    to->index = from->index;
    to->kind = (int)from->kind;
    to->at_us = from->at_us;
    to->on_hand_change = from->on_hand_change;
    to->reserved_change = from->reserved_change;
    to->committed_change = from->committed_change;
    to->unavailable_change = from->unavailable_change;
    to->state = (enum holdfast_reservation_state)from->state;
    to->expires_at_us = from->expires_at_us;
    to->undoes = from->undoes;
    to->before = from->before;
    id_text(to->operation_id, from->operation_id, NULL);
    to->after.sku = to->after.warehouse = "";
    if ((from->after && !decode_level(pool, &to->after, from->after)) ||
        !decode_text(pool, &to->sku, from->sku) ||
        !decode_text(pool, &to->warehouse, from->warehouse))
        return false;
    /* The row of a warehouse is of no level: what was put names it. */
    if (from->warehouse.len == 0 && from->named &&
        from->kind == HF__MOVEMENT_KIND__MOVEMENT_WAREHOUSE_PUT &&
        !decode_text(pool, &to->warehouse, from->named->code))
        return false;
    /* Left out where they are the movement's. */
    if (from->after && from->after->sku.len == 0)
        to->after.sku = to->sku;
    if (from->after && from->after->warehouse.len == 0)
        to->after.warehouse = to->warehouse;
    return decode_text(pool, &to->reservation, from->reservation) &&
           decode_text(pool, &to->order, from->order) &&
           decode_text(pool, &to->reason, from->reason) &&
           decode_text(pool, &to->reference, from->reference) &&
           decode_text(pool, &to->note, from->note) && decode_text(pool, &to->actor, from->actor) &&
           decode_text(pool, &to->principal, from->principal);
}

static bool movements(struct pool *pool, const struct holdfast_movement **to, size_t *to_count,
                      Hf__Movement **from, size_t count)
{
    struct holdfast_movement *all;

    if (count == 0)
        return true;
    all = pool_alloc(pool, count * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!decode_movement(pool, &all[i], from[i]))
            return false;
    }
    *to = all;
    *to_count = count;
    return true;
}

static bool run(struct pool *pool, struct holdfast_run *to, const Hf__Run *from)
{
    memset(to->digest, 0, sizeof to->digest);
    if (from->digest.len == sizeof to->digest)
        memcpy(to->digest, from->digest.data, sizeof to->digest);
    to->lines = from->lines;
    to->blank = from->blank;
    to->created_at_us = from->created_at_us;
    to->state = (enum holdfast_run_state)from->state;
    to->applied = from->applied;
    to->refused = from->refused;
    to->unknown = from->unknown;
    to->changed_at_us = from->changed_at_us;
    to->version = from->version;
    return decode_text(pool, &to->run, from->run) && decode_text(pool, &to->actor, from->actor) &&
           decode_text(pool, &to->undoes, from->undoes);
}

/* A settled result holds no settled result of its own. */
static bool result(struct pool *pool, struct holdfast_result *to, const Hf__Result *from,
                   const uint8_t *operation_id, bool with_settled)
{
    to->status = decode_status(from->status);
    to->kind = holdfast_status_kind(to->status);
    to->replayed = from->replayed;
    to->retry_after_ms = from->retry_after_ms;
    to->partition = from->partition;
    to->sequence = from->sequence;
    to->settle = (enum holdfast_settle_outcome)from->settle;
    id_text(to->operation_id, from->operation_id, operation_id);
    if (!decode_string(pool, &to->field, from->field) ||
        !decode_string(pool, &to->message, from->message) ||
        !decode_levels(pool, &to->levels, &to->level_count, from->levels, from->n_levels) ||
        !shortages(pool, to, from) ||
        !movements(pool, &to->moved, &to->moved_count, from->moved, from->n_moved))
        return false;
    if (from->reservation) {
        struct holdfast_reservation *kept = pool_alloc(pool, sizeof *kept);
        if (!kept || !decode_reservation(pool, kept, from->reservation))
            return false;
        to->reservation = kept;
    }
    if (from->run) {
        struct holdfast_run *kept = pool_alloc(pool, sizeof *kept);
        if (!kept || !run(pool, kept, from->run))
            return false;
        to->run = kept;
    }
    if (from->settled && with_settled) {
        struct holdfast_result *settled = pool_alloc(pool, sizeof *settled);
        if (!settled || !result(pool, settled, from->settled, NULL, false))
            return false;
        to->settled = settled;
    }
    return true;
}

struct holdfast_result *decode_result(const Hf__Result *wire, const uint8_t operation_id[16])
{
    struct result_box *box = calloc(1, sizeof *box);

    if (!box)
        return NULL;
    pool_init(&box->pool);
    if (!result(&box->pool, &box->result, wire, operation_id, true)) {
        pool_release(&box->pool);
        free(box);
        return NULL;
    }
    return &box->result;
}

struct holdfast_result *make_result(int status, const uint8_t operation_id[16], const char *field,
                                    const char *message)
{
    struct result_box *box = calloc(1, sizeof *box);

    if (!box)
        return &no_memory_result;
    struct holdfast_result *made = &box->result;
    pool_init(&box->pool);
    made->status = status;
    made->kind = holdfast_status_kind(status);
    if (operation_id)
        uuid_format(operation_id, made->operation_id);
    if (!decode_string(&box->pool, &made->field, field) ||
        !decode_string(&box->pool, &made->message, message)) {
        holdfast_result_free(&made);
        return &no_memory_result;
    }
    return made;
}

static struct result_box *result_box_of(struct holdfast_result *of)
{
    return (struct result_box *)((char *)of - offsetof(struct result_box, result));
}

struct answer_box *answer_box_of(struct holdfast_answer *answer)
{
    return answer == &no_memory_answer
               ? NULL
               : (struct answer_box *)((char *)answer - offsetof(struct answer_box, answer));
}

void result_set_message(struct holdfast_result *of, const char *message)
{
    if (result_is_static(of))
        return;
    const char *kept = pool_text(&result_box_of(of)->pool, message, strlen(message));
    if (kept)
        of->message = kept;
}

bool result_is_static(const struct holdfast_result *of)
{
    return of == &no_memory_result;
}

void holdfast_result_free(struct holdfast_result **of)
{
    if (of && *of && !result_is_static(*of)) {
        struct result_box *box = result_box_of(*of);
        pool_release(&box->pool);
        free(box);
    }
    if (of)
        *of = NULL;
}

/* ------------------------------------------------------------- answers */

static bool runs(struct pool *pool, struct holdfast_answer *to, const Hf__Answer *from)
{
    struct holdfast_run *all;

    if (from->n_runs == 0)
        return true;
    all = pool_alloc(pool, from->n_runs * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < from->n_runs; i++) {
        if (!run(pool, &all[i], from->runs[i]))
            return false;
    }
    to->runs = all;
    to->run_count = from->n_runs;
    return true;
}

static bool run_lines(struct pool *pool, struct holdfast_answer *to, const Hf__Answer *from)
{
    struct holdfast_run_line *all;

    if (from->n_run_lines == 0)
        return true;
    all = pool_alloc(pool, from->n_run_lines * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < from->n_run_lines; i++) {
        const Hf__RunLine *line = from->run_lines[i];
        all[i].line = line->line;
        all[i].status = decode_status(line->status);
        all[i].partition = line->partition;
        all[i].sequence = line->sequence;
        all[i].open = line->open;
        all[i].counted = line->counted;
        all[i].booked = line->booked;
        if (!decode_text(pool, &all[i].text, line->text) ||
            !decode_text(pool, &all[i].sku, line->sku) ||
            !decode_text(pool, &all[i].warehouse, line->warehouse))
            return false;
    }
    to->run_lines = all;
    to->run_line_count = from->n_run_lines;
    return true;
}

static bool stock(struct pool *pool, struct holdfast_answer *to, const Hf__Answer *from)
{
    struct holdfast_stock *all;

    if (from->n_stock == 0)
        return true;
    all = pool_alloc(pool, from->n_stock * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < from->n_stock; i++) {
        all[i].partition = from->partition;
        all[i].sequence = from->sequence;
        all[i].read_at_us = from->read_at_us;
        if (!decode_text(pool, &all[i].sku, from->stock[i]->sku) ||
            !decode_levels(pool, &all[i].levels, &all[i].level_count, from->stock[i]->levels,
                           from->stock[i]->n_levels))
            return false;
    }
    to->stock = all;
    to->stock_count = from->n_stock;
    return true;
}

bool decode_item(struct pool *pool, struct holdfast_item *to, const Hf__Item *from)
{
    const char **barcodes = NULL;

    if (from->n_barcodes > 0) {
        barcodes = pool_alloc(pool, from->n_barcodes * sizeof *barcodes);
        if (!barcodes)
            return false;
    }
    for (size_t i = 0; i < from->n_barcodes; i++) {
        if (!decode_text(pool, &barcodes[i], from->barcodes[i]))
            return false;
    }
    to->barcodes = barcodes;
    to->barcode_count = from->n_barcodes;
    to->reorder_point = from->reorder_point;
    to->version = from->version;
    return decode_text(pool, &to->sku, from->sku) && decode_text(pool, &to->name, from->name);
}

static bool items(struct pool *pool, const struct holdfast_item **to, size_t *to_count,
                  Hf__Item **from, size_t count)
{
    struct holdfast_item *all;

    if (count == 0)
        return true;
    all = pool_alloc(pool, count * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!decode_item(pool, &all[i], from[i]))
            return false;
    }
    *to = all;
    *to_count = count;
    return true;
}

static bool named(struct pool *pool, const struct holdfast_named **to, size_t *to_count,
                  Hf__Named **from, size_t count)
{
    struct holdfast_named *all;

    if (count == 0)
        return true;
    all = pool_alloc(pool, count * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < count; i++) {
        all[i].version = from[i]->version;
        if (!decode_text(pool, &all[i].code, from[i]->code) ||
            !decode_text(pool, &all[i].name, from[i]->name))
            return false;
    }
    *to = all;
    *to_count = count;
    return true;
}

bool decode_reservations(struct pool *pool, const struct holdfast_reservation **to,
                         size_t *to_count, Hf__Reservation **from, size_t count)
{
    struct holdfast_reservation *all;

    if (count == 0)
        return true;
    all = pool_alloc(pool, count * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!decode_reservation(pool, &all[i], from[i]))
            return false;
    }
    *to = all;
    *to_count = count;
    return true;
}

static bool results(struct pool *pool, struct holdfast_answer *to, const Hf__Answer *from)
{
    struct holdfast_result *all;

    if (from->n_results == 0)
        return true;
    all = pool_alloc(pool, from->n_results * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < from->n_results; i++) {
        if (!result(pool, &all[i], from->results[i], NULL, false))
            return false;
    }
    to->results = all;
    to->result_count = from->n_results;
    return true;
}

static bool differences(struct pool *pool, struct holdfast_answer *to, const Hf__Answer *from)
{
    struct holdfast_difference *all;

    if (from->n_differences == 0)
        return true;
    all = pool_alloc(pool, from->n_differences * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < from->n_differences; i++) {
        const Hf__Difference *one = from->differences[i];
        all[i].partition = from->partition;
        if (!decode_string(pool, &all[i].check, one->check) ||
            !decode_text(pool, &all[i].sku, one->sku) ||
            !decode_text(pool, &all[i].warehouse, one->warehouse) ||
            !decode_text(pool, &all[i].reservation, one->reservation) ||
            !decode_string(pool, &all[i].message, one->message))
            return false;
    }
    to->differences = all;
    to->difference_count = from->n_differences;
    return true;
}

static bool rows(struct pool *pool, struct holdfast_audited *to, const Hf__Answer *from)
{
    struct holdfast_row *all;

    if (from->n_rows == 0)
        return true;
    all = pool_alloc(pool, from->n_rows * sizeof *all);
    if (!all)
        return false;
    for (size_t i = 0; i < from->n_rows; i++) {
        const Hf__RowDigest *one = from->rows[i];
        all[i].kind = (int)one->kind;
        all[i].version = one->version;
        all[i].sum = one->sum;
        if (!decode_text(pool, &all[i].sku, one->sku) ||
            !decode_text(pool, &all[i].warehouse, one->warehouse) ||
            !decode_text(pool, &all[i].reservation, one->reservation))
            return false;
    }
    to->rows = all;
    to->row_count = from->n_rows;
    return true;
}

/* An answer to an audit says that it runs, or has a digest; a digest of 0 is that of nothing. */
static bool audited(struct pool *pool, struct holdfast_answer *to, const Hf__Answer *from)
{
    struct holdfast_audited *one;

    if (to->status != HOLDFAST_APPLIED)
        return true;
    one = pool_alloc(pool, sizeof *one);
    if (!one)
        return false;
    *one = (struct holdfast_audited){.partition = from->partition,
                                     .running = from->running,
                                     .sequence = from->sequence,
                                     .digest = from->digest,
                                     .took_ms = from->took_ms};
    if (from->n_buckets > 0) {
        uint64_t *buckets = pool_alloc(pool, from->n_buckets * sizeof *buckets);
        if (!buckets)
            return false;
        memcpy(buckets, from->buckets, from->n_buckets * sizeof *buckets);
        one->buckets = buckets;
        one->bucket_count = from->n_buckets;
    }
    if (from->operation_ids.len >= UUID_BYTES) {
        one->id_count = from->operation_ids.len / UUID_BYTES;
        uint8_t(*ids)[UUID_BYTES] = pool_alloc(pool, one->id_count * UUID_BYTES);
        if (!ids)
            return false;
        memcpy(ids, from->operation_ids.data, one->id_count * UUID_BYTES);
        one->ids = (const uint8_t(*)[UUID_BYTES])ids;
    }
    to->audited = one;
    to->audited_count = 1;
    return rows(pool, one, from);
}

/* What a dry run did, and what it left. */
static bool dry(struct pool *pool, struct holdfast_answer *to, const Hf__Answer *from)
{
    const Hf__DryState *left = from->dry_state;
    Hf__Result none = HF__RESULT__INIT; /* what is not said is not `applied` */

    none.status = STATUS_unknown;
    none.message = (char *)(uintptr_t) "the answer does not say";
    if (from->n_dry == 0 && !left)
        return true;
    struct holdfast_dry *all = pool_alloc(pool, (from->n_dry + 1) * sizeof *all);
    struct holdfast_state *state = left ? pool_alloc(pool, sizeof *state) : NULL;
    if (!all || (left && !state))
        return false;
    for (size_t i = 0; i < from->n_dry; i++) {
        struct holdfast_result *one = pool_alloc(pool, sizeof *one);
        const Hf__Result *said = from->dry[i]->result;
        if (!one || !result(pool, one, said ? said : &none, NULL, false) ||
            !decode_levels(pool, &all[i].before, &all[i].before_count, from->dry[i]->before,
                           from->dry[i]->n_before))
            return false;
        all[i].result = one;
    }
    to->dry = all;
    to->dry_count = from->n_dry;
    if (!left)
        return true;
    to->state = state;
    return decode_levels(pool, &state->levels, &state->level_count, left->levels, left->n_levels) &&
           decode_reservations(pool, &state->reservations, &state->reservation_count,
                               left->reservations, left->n_reservations) &&
           items(pool, &state->items, &state->item_count, left->items, left->n_items) &&
           named(pool, &state->warehouses, &state->warehouse_count, left->warehouses,
                 left->n_warehouses) &&
           named(pool, &state->reasons, &state->reason_count, left->reasons, left->n_reasons);
}

static bool answer(struct pool *pool, struct holdfast_answer *to, const Hf__Answer *from)
{
    to->status = decode_status(from->status);
    to->kind = holdfast_status_kind(to->status);
    to->more = from->more;
    to->checked = from->checked;
    to->sequence = from->sequence;
    to->age_us = from->read_at_us; /* fanout.c makes an age of it */
    return decode_string(pool, &to->field, from->field) &&
           decode_string(pool, &to->message, from->message) && stock(pool, to, from) &&
           items(pool, &to->items, &to->item_count, from->items, from->n_items) &&
           named(pool, &to->named, &to->named_count, from->named, from->n_named) &&
           decode_reservations(pool, &to->reservations, &to->reservation_count, from->reservations,
                               from->n_reservations) &&
           runs(pool, to, from) && run_lines(pool, to, from) && dry(pool, to, from) &&
           results(pool, to, from) && differences(pool, to, from) && audited(pool, to, from) &&
           movements(pool, &to->movements, &to->movement_count, from->movements, from->n_movements);
}

struct holdfast_answer *decode_answer(const Hf__Answer *wire)
{
    struct answer_box *box = calloc(1, sizeof *box);

    if (!box)
        return NULL;
    pool_init(&box->pool);
    if (!answer(&box->pool, &box->answer, wire)) {
        pool_release(&box->pool);
        free(box);
        return NULL;
    }
    return &box->answer;
}

struct holdfast_answer *make_answer(int status, const char *field, const char *message)
{
    struct answer_box *box = calloc(1, sizeof *box);

    if (!box)
        return &no_memory_answer;
    struct holdfast_answer *made = &box->answer;
    pool_init(&box->pool);
    made->status = status;
    made->kind = holdfast_status_kind(status);
    if (!decode_string(&box->pool, &made->field, field) ||
        !decode_string(&box->pool, &made->message, message)) {
        holdfast_answer_free(&made);
        return &no_memory_answer;
    }
    return made;
}

void holdfast_answer_free(struct holdfast_answer **of)
{
    if (of && *of && *of != &no_memory_answer) {
        struct answer_box *box = answer_box_of(*of);
        pool_release(&box->pool);
        free(box);
    }
    if (of)
        *of = NULL;
}

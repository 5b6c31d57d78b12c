/* SPDX-License-Identifier: MIT
 *
 * One question: whether it is a good one, from which partitions it may be answered, and the answers
 * about single skus, barcodes and totals. Pages and reservations have files of their own.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/status.h"
#include "view/model_impl.h"

/* ------------------------------------------------------------- refusing */

static void refuse(struct asking *asking, enum status status, const char *field, const char *text)
{
    Hf__ViewAnswer *answer = asking->answer;

    hf__view_answer__init(answer);
    answer->status = (uint32_t)status;
    answer->field = arena_printf(asking->arena, "%s", field);
    answer->message = arena_printf(asking->arena, "%s", text);
    asking->waits = false;
}

void ask_refuse(struct asking *asking, const char *field, const char *format, ...)
{
    char text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    refuse(asking, STATUS_invalid, field, text);
}

/* ------------------------------------------------------------- what may be told */

static int64_t age_us(const struct asking *asking, uint32_t partition)
{
    int64_t fresh_us = asking->model->partitions[partition].fresh_us;

    return fresh_us == MODEL_NEVER || fresh_us > asking->now_us ? 0 : asking->now_us - fresh_us;
}

uint32_t ask_age_ms(const struct asking *asking, uint32_t partition)
{
    int64_t ms = (age_us(asking, partition) + 999) / 1000;

    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

Hf__Knowledge ask_knowledge(struct asking *asking, uint32_t partition)
{
    const struct model *model = asking->model;
    const struct partition_row *row = &model->partitions[partition];
    uint64_t least = model->least[partition];

    bool old = asking->query->latest && row->fresh_us < asking->asked_us;

    if (!asking->last && (old || (least > 0 && (!row->known || row->sequence < least))))
        asking->waits = true;
    if (!row->known)
        return HF__KNOWLEDGE__KNOWLEDGE_UNKNOWN;
    if (row->sequence < least)
        return HF__KNOWLEDGE__KNOWLEDGE_BEHIND;
    if (old || (asking->query->max_staleness_ms > 0 &&
                age_us(asking, partition) > (int64_t)asking->query->max_staleness_ms * 1000))
        return HF__KNOWLEDGE__KNOWLEDGE_STALE;
    return HF__KNOWLEDGE__KNOWLEDGE_KNOWN;
}

bool ask_everything(struct asking *asking)
{
    const struct model *model = asking->model;
    Hf__ViewAnswer *answer = asking->answer;
    bool behind = false, stale = false;

    answer->partitions = model->partition_count;
    answer->unknown_partitions = 0;
    for (uint32_t p = 0; p < model->partition_count; p++) {
        Hf__Knowledge knowledge = ask_knowledge(asking, p);
        bool known = model->partitions[p].known;
        answer->unknown_partitions += !known;
        behind = behind || knowledge == HF__KNOWLEDGE__KNOWLEDGE_BEHIND ||
                 (!known && model->least[p] > 0);
        stale = stale || knowledge == HF__KNOWLEDGE__KNOWLEDGE_STALE ||
                (!known && (asking->query->max_staleness_ms > 0 || asking->query->latest));
        if (known && ask_age_ms(asking, p) > answer->age_ms)
            answer->age_ms = ask_age_ms(asking, p);
    }
    if (asking->waits)
        return false;
    if (behind)
        refuse(asking, STATUS_unavailable, "at_least", "this view is not there yet");
    else if (stale)
        refuse(asking, STATUS_unavailable, asking->query->latest ? "latest" : "max_staleness_ms",
               "what this view has is older");
    return !behind && !stale;
}

void ask_positions(struct asking *asking, const bool *marked)
{
    const struct model *model = asking->model;
    Hf__ViewAnswer *answer = asking->answer;

    answer->positions =
        arena_alloc(asking->arena, (model->partition_count + 1) * sizeof *answer->positions);
    answer->n_positions = 0;
    for (uint32_t p = 0; p < model->partition_count; p++) {
        const struct partition_row *row = &model->partitions[p];
        if (marked && !marked[p])
            continue;
        Hf__ViewPosition *out = arena_alloc(asking->arena, sizeof *out);
        hf__view_position__init(out);
        out->partition = p;
        out->knowledge = ask_knowledge(asking, p);
        out->history_lost = row->lost;
        if (row->known) {
            out->sequence = row->sequence;
            out->claim_id = ask_bytes(asking, row->claim_id, sizeof row->claim_id);
            out->age_ms = ask_age_ms(asking, p);
        }
        answer->positions[answer->n_positions++] = out;
    }
}

/* ------------------------------------------------------------- messages */

ProtobufCBinaryData ask_bytes(const struct asking *asking, const void *bytes, size_t length)
{
    return (ProtobufCBinaryData){.len = length, .data = arena_copy(asking->arena, bytes, length)};
}

Hf__Level *ask_level(const struct asking *asking, const struct level_row *level, bool with_sku)
{
    const struct model *model = asking->model;
    const struct code *warehouse = &model->warehouses[level->warehouse].code;
    Hf__Level *out = arena_alloc(asking->arena, sizeof *out);

    hf__level__init(out);
    if (with_sku)
        out->sku =
            ask_bytes(asking, sku_text(model, level->sku), model->skus[level->sku].sku_bytes);
    out->warehouse = ask_bytes(asking, warehouse->bytes, warehouse->length);
    out->on_hand = level->now.on_hand;
    out->reserved = level->now.reserved;
    out->committed = level->now.committed;
    out->unavailable = level->now.unavailable;
    out->safety_stock = level->now.safety_stock;
    out->reorder_point = level->now.reorder_point;
    out->shortfall = (uint32_t)figures_shortfall(&level->now);
    out->available = (uint32_t)figures_available(&level->now);
    out->version = level->version;
    out->on_hand_version = level->on_hand_version;
    return out;
}

Hf__Item *ask_item(const struct asking *asking, uint32_t sku)
{
    const struct model *model = asking->model;
    const struct sku_row *row = &model->skus[sku];
    Hf__Item *out = arena_alloc(asking->arena, sizeof *out);
    size_t count = 0;

    hf__item__init(out);
    out->sku = ask_bytes(asking, sku_text(model, sku), row->sku_bytes);
    out->name = ask_bytes(asking, name_text(model, sku), row->name_bytes);
    out->reorder_point = row->reorder_point;
    out->version = row->version;
    for (uint32_t at = row->first_barcode; at != NONE; at = model->barcodes[at].next)
        count++;
    out->barcodes = arena_alloc(asking->arena, (count + 1) * sizeof *out->barcodes);
    for (uint32_t at = row->first_barcode; at != NONE; at = model->barcodes[at].next)
        out->barcodes[out->n_barcodes++] = ask_bytes(
            asking, slab_at(&model->slab, model->barcodes[at].text), model->barcodes[at].bytes);
    return out;
}

static int compare_levels(const void *a, const void *b)
{
    const Hf__Level *x = *(Hf__Level *const *)a, *y = *(Hf__Level *const *)b;

    return bytes_compare(x->warehouse.data, x->warehouse.len, y->warehouse.data, y->warehouse.len);
}

/* Sums of many levels may be more than a quantity can be: the field's limit is then told. */
static void add(uint32_t *sum, uint32_t value)
{
    *sum = *sum > UINT32_MAX - value ? UINT32_MAX : *sum + value;
}

void ask_levels(struct asking *asking, uint32_t sku, uint32_t warehouse, Hf__ViewStock *stock)
{
    const struct model *model = asking->model;
    size_t count = 0;

    for (uint32_t at = model->skus[sku].first_level; at != NONE; at = model->levels[at].next)
        count++;
    stock->levels = arena_alloc(asking->arena, (count + 1) * sizeof *stock->levels);
    Hf__Level *total = stock->total = arena_alloc(asking->arena, sizeof *total);
    hf__level__init(total);
    for (uint32_t at = model->skus[sku].first_level; at != NONE; at = model->levels[at].next) {
        if (warehouse != NONE && model->levels[at].warehouse != warehouse)
            continue;
        Hf__Level *level = ask_level(asking, &model->levels[at], false);
        stock->levels[stock->n_levels++] = level;
        add(&total->on_hand, level->on_hand);
        add(&total->reserved, level->reserved);
        add(&total->committed, level->committed);
        add(&total->unavailable, level->unavailable);
        add(&total->safety_stock, level->safety_stock);
        add(&total->shortfall, level->shortfall);
        add(&total->available, level->available);
    }
    total->reorder_point = model->skus[sku].reorder_point;
    qsort(stock->levels, stock->n_levels, sizeof *stock->levels, compare_levels);
}

/* ------------------------------------------------------------- single skus */

static Hf__ViewStock *stock_new(struct asking *asking, const void *sku, size_t sku_bytes,
                                uint32_t partition)
{
    const struct partition_row *row = &asking->model->partitions[partition];
    Hf__ViewStock *stock = arena_alloc(asking->arena, sizeof *stock);

    hf__view_stock__init(stock);
    stock->sku = ask_bytes(asking, sku, sku_bytes);
    stock->partition = partition;
    stock->knowledge = ask_knowledge(asking, partition);
    if (row->known) {
        stock->sequence = row->sequence;
        stock->age_ms = ask_age_ms(asking, partition);
        stock->claim_id = ask_bytes(asking, row->claim_id, sizeof row->claim_id);
        if (stock->age_ms > asking->answer->age_ms)
            asking->answer->age_ms = stock->age_ms;
    }
    return stock;
}

static void ask_stock(struct asking *asking)
{
    const Hf__ViewStockQuery *asked = asking->query->stock;
    struct model *model = asking->model;
    Hf__ViewAnswer *answer = asking->answer;
    uint32_t warehouse = NONE;

    if (asked->n_skus == 0 || asked->n_skus > MODEL_KEYS_MAX) {
        ask_refuse(asking, "stock.skus", "must be 1 to %u skus", MODEL_KEYS_MAX);
        return;
    }
    if (asked->warehouse.len > 0) {
        const char *fault = code_fault(asked->warehouse.data, asked->warehouse.len);
        if (fault) {
            ask_refuse(asking, "stock.warehouse", "%s", fault);
            return;
        }
        warehouse = warehouse_find(model, asked->warehouse.data, asked->warehouse.len);
        if (warehouse == NONE)
            warehouse = WAREHOUSES_MAX; /* no level is there */
    }
    answer->stock = arena_alloc(asking->arena, asked->n_skus * sizeof *answer->stock);
    for (size_t i = 0; i < asked->n_skus; i++) {
        const ProtobufCBinaryData *sku = &asked->skus[i];
        const char *fault = code_fault(sku->data, sku->len);
        if (fault) {
            ask_refuse(asking, "stock.skus", "%s", fault);
            return;
        }
        Hf__ViewStock *stock =
            stock_new(asking, sku->data, sku->len,
                      partition_of_sku(sku->data, sku->len, model->partition_count));
        answer->stock[answer->n_stock++] = stock;
        if (stock->knowledge != HF__KNOWLEDGE__KNOWLEDGE_KNOWN)
            continue;
        uint32_t at = sku_find(model, sku->data, sku->len);
        stock->exists = at != NONE && model->skus[at].version != 0;
        if (!stock->exists)
            continue;
        stock->item = ask_item(asking, at);
        ask_levels(asking, at, warehouse, stock);
    }
}

static void ask_barcode(struct asking *asking)
{
    const Hf__ViewBarcodeQuery *asked = asking->query->barcode;
    struct model *model = asking->model;
    Hf__ViewAnswer *answer = asking->answer;
    uint32_t found[MODEL_KEYS_MAX];
    size_t count = 0;

    if (asked->n_barcodes == 0 || asked->n_barcodes > MODEL_KEYS_MAX) {
        ask_refuse(asking, "barcode.barcodes", "must be 1 to %u barcodes", MODEL_KEYS_MAX);
        return;
    }
    for (size_t i = 0; i < asked->n_barcodes; i++) {
        const ProtobufCBinaryData *code = &asked->barcodes[i];
        const char *fault = code_fault(code->data, code->len);
        if (fault) {
            ask_refuse(asking, "barcode.barcodes", "%s", fault);
            return;
        }
        struct index_walk walk =
            index_walk(&model->barcode_index, index_hash(code->data, code->len));
        for (uint32_t at; (at = index_next(&model->barcode_index, &walk)) != INDEX_NONE;) {
            if (count < MODEL_KEYS_MAX && barcode_is(model, at, code->data, code->len))
                found[count++] = model->barcodes[at].sku;
        }
    }
    if (!ask_everything(asking))
        return;
    answer->stock = arena_alloc(asking->arena, (count + 1) * sizeof *answer->stock);
    for (size_t i = 0; i < count; i++) {
        const struct sku_row *row = &model->skus[found[i]];
        Hf__ViewStock *stock =
            stock_new(asking, sku_text(model, found[i]), row->sku_bytes, row->partition);
        stock->exists = true;
        stock->item = ask_item(asking, found[i]);
        ask_levels(asking, found[i], NONE, stock);
        answer->stock[answer->n_stock++] = stock;
    }
}

/* ------------------------------------------------------------- totals */

static int compare_totals(const void *a, const void *b)
{
    const Hf__ViewTotal *x = *(Hf__ViewTotal *const *)a, *y = *(Hf__ViewTotal *const *)b;

    return bytes_compare(x->warehouse->code.data, x->warehouse->code.len, y->warehouse->code.data,
                         y->warehouse->code.len);
}

static Hf__ViewTotal *total_message(const struct asking *asking, const struct warehouse_row *row)
{
    Hf__ViewTotal *out = arena_alloc(asking->arena, sizeof *out);

    hf__view_total__init(out);
    out->warehouse = arena_alloc(asking->arena, sizeof *out->warehouse);
    hf__named__init(out->warehouse);
    out->warehouse->code = ask_bytes(asking, row->code.bytes, row->code.length);
    out->warehouse->name = ask_bytes(asking, row->name, row->name_bytes);
    out->warehouse->version = row->version;
    out->skus = row->sums.skus;
    out->on_hand = row->sums.on_hand;
    out->reserved = row->sums.reserved;
    out->committed = row->sums.committed;
    out->unavailable = row->sums.unavailable;
    out->safety_stock = row->sums.safety_stock;
    out->shortfall = row->sums.shortfall;
    out->available = row->sums.available;
    out->out_of_stock = row->sums.out_of_stock;
    out->below_safety = row->sums.below_safety;
    return out;
}

static void ask_totals(struct asking *asking)
{
    const struct model *model = asking->model;
    Hf__ViewAnswer *answer = asking->answer;

    if (!ask_everything(asking))
        return;
    answer->totals = arena_alloc(asking->arena, (model->warehouse_count + 1) * sizeof(void *));
    for (size_t i = 0; i < model->warehouse_count; i++) {
        const struct warehouse_row *row = &model->warehouses[i];
        if (row->version != 0 || row->sums.skus > 0)
            answer->totals[answer->n_totals++] = total_message(asking, row);
    }
    qsort(answer->totals, answer->n_totals, sizeof *answer->totals, compare_totals);
}

/* The process adds what the model does not know. */
static void ask_status(struct asking *asking)
{
    struct model_counts counts = model_counts(asking->model);
    Hf__ViewStatus *out = arena_alloc(asking->arena, sizeof *out);

    if (!ask_everything(asking))
        return;
    hf__view_status__init(out);
    out->items = counts.items;
    out->levels = counts.levels;
    out->barcodes = counts.barcodes;
    out->reservations = counts.reservations;
    out->movements = counts.movements;
    out->snapshots = counts.snapshots;
    out->history_lost = counts.history_lost;
    out->memory_bytes = counts.bytes;
    asking->answer->view = out;
}

/* ------------------------------------------------------------- the question */

static const struct {
    Hf__ViewQuery__KindCase kind;
    void (*ask)(struct asking *asking);
} kinds[] = {
    {HF__VIEW_QUERY__KIND_STOCK, ask_stock},
    {HF__VIEW_QUERY__KIND_BARCODE, ask_barcode},
    {HF__VIEW_QUERY__KIND_LEVELS, ask_page},
    {HF__VIEW_QUERY__KIND_RESERVATIONS, ask_reservations},
    {HF__VIEW_QUERY__KIND_TOTALS, ask_totals},
    {HF__VIEW_QUERY__KIND_STATUS, ask_status},
    {HF__VIEW_QUERY__KIND_EVENTS, ask_events},
    {HF__VIEW_QUERY__KIND_AUDIT, ask_audit},
};

static void ask(struct asking *asking)
{
    const Hf__ViewQuery *query = asking->query;
    const ProtobufCMessage *kind = (const ProtobufCMessage *)query->stock;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].kind != query->kind_case || !kind)
            continue;
        /* A field that is not known here could change what is asked. */
        if (query->base.n_unknown_fields > 0 || kind->n_unknown_fields > 0)
            break;
        if (query->wait_ms > MODEL_WAIT_MS_MAX)
            ask_refuse(asking, "wait_ms", "must be at most %u", MODEL_WAIT_MS_MAX);
        else
            kinds[i].ask(asking);
        return;
    }
    ask_refuse(asking, "query", "asks for nothing known here");
}

/* False: one of them is about no partition. */
static bool set_least(struct model *model, const Hf__ViewQuery *query, bool set)
{
    bool good = true;

    for (size_t i = 0; i < query->n_at_least; i++) {
        const Hf__Position *position = query->at_least[i];
        if (position->partition >= model->partition_count) {
            good = false;
            continue;
        }
        uint64_t *least = &model->least[position->partition];
        if (!set)
            *least = 0;
        else if (position->sequence > *least)
            *least = position->sequence;
    }
    return good;
}

bool model_answer(struct model *model, const Hf__ViewQuery *query, int64_t asked_us, int64_t now_us,
                  bool last, struct arena *arena, Hf__ViewAnswer *answer)
{
    struct asking asking = {.model = model,
                            .query = query,
                            .asked_us = asked_us,
                            .now_us = now_us,
                            .last = last,
                            .arena = arena,
                            .answer = answer};

    hf__view_answer__init(answer);
    if (set_least(model, query, true))
        ask(&asking);
    else
        ask_refuse(&asking, "at_least", "names a partition that is not there");
    if (!asking.waits && query->positions && answer->status == (uint32_t)STATUS_applied)
        ask_positions(&asking, NULL);
    set_least(model, query, false);
    return !asking.waits;
}

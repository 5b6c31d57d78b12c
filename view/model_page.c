/* SPDX-License-Identifier: MIT
 *
 * Pages of levels or skus. One pass over all rows in the order in which they lie in memory: the
 * filter, a number to sort by, and the first few kept (topk.h). A sku, name or warehouse is sorted
 * by its rank, so nothing but numbers is compared. A million levels take some milliseconds,
 * whatever the column, and nothing has to be kept up to date for it but the two orders.
 *
 * Ranks are doubled and odd, so that a cursor whose sku is gone has a place between two of them.
 */
#include <stdlib.h>
#include <string.h>

#include "view/model_impl.h"
#include "view/topk.h"

#define TIE_BITS 18 /* of a warehouse's doubled rank */

/* What a row comes to, one level or the sum of several. */
struct row {
    int64_t on_hand, reserved, committed, unavailable, safety_stock, shortfall, available;
    int64_t reorder_point;
    uint64_t version;
};

struct page {
    struct asking *asking;
    struct model *model;
    const Hf__ViewLevelsQuery *asked;
    uint32_t warehouse;        /* NONE: all */
    char text[NAME_BYTES_MAX]; /* in lower case */
    size_t text_bytes;
    const uint32_t *warehouse_ranks;
    bool goes_on; /* behind a cursor */
    int64_t from_key;
    uint64_t from_tie;
    struct topk topk;
    uint64_t matched;
};

/* ------------------------------------------------------------- the filter */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool has_text(const struct page *page, const char *in, size_t bytes)
{
    char first = page->text[0], upper = first >= 'a' && first <= 'z' ? (char)(first - 32) : first;

    for (size_t i = 0; i + page->text_bytes <= bytes; i++) {
        if (in[i] != first && in[i] != upper)
            continue;
        size_t same = 1;
        while (same < page->text_bytes && lower(in[i + same]) == page->text[same])
            same++;
        if (same == page->text_bytes)
            return true;
    }
    return false;
}

static bool sku_passes(const struct page *page, uint32_t sku)
{
    const struct sku_row *row = &page->model->skus[sku];
    const ProtobufCBinaryData *prefix = &page->asked->sku_prefix;

    if (row->version == 0)
        return false;
    if (prefix->len == 0 && page->text_bytes == 0)
        return true;
    const char *text = sku_text(page->model, sku);
    if (prefix->len > 0 &&
        (row->sku_bytes < prefix->len || memcmp(text, prefix->data, prefix->len) != 0))
        return false;
    return page->text_bytes == 0 || has_text(page, text + row->sku_bytes, row->name_bytes) ||
           has_text(page, text, row->sku_bytes);
}

static bool row_passes(const Hf__ViewLevelsQuery *asked, const struct row *row)
{
    int64_t free_units = row->on_hand - row->reserved - row->committed - row->unavailable;

    return (!asked->below_safety || free_units < row->safety_stock) &&
           (!asked->out_of_stock || row->available == 0);
}

static bool any_filter(const struct page *page)
{
    const Hf__ViewLevelsQuery *asked = page->asked;

    return asked->warehouse.len > 0 || asked->below_safety || asked->out_of_stock;
}

/* ------------------------------------------------------------- the order */

static int64_t odd(uint32_t rank)
{
    return 2 * (int64_t)rank + 1;
}

static int64_t key_of(const struct page *page, const struct row *row, uint32_t sku,
                      uint32_t warehouse)
{
    switch (page->asked->sort) {
    case HF__LEVEL_COLUMN__COLUMN_SKU:
        return odd(page->model->sku_order.ranks[sku]);
    case HF__LEVEL_COLUMN__COLUMN_NAME:
        return odd(page->model->name_order.ranks[sku]);
    case HF__LEVEL_COLUMN__COLUMN_WAREHOUSE:
        return warehouse == NONE ? 0 : odd(page->warehouse_ranks[warehouse]);
    case HF__LEVEL_COLUMN__COLUMN_ON_HAND:
        return row->on_hand;
    case HF__LEVEL_COLUMN__COLUMN_RESERVED:
        return row->reserved;
    case HF__LEVEL_COLUMN__COLUMN_COMMITTED:
        return row->committed;
    case HF__LEVEL_COLUMN__COLUMN_UNAVAILABLE:
        return row->unavailable;
    case HF__LEVEL_COLUMN__COLUMN_SAFETY_STOCK:
        return row->safety_stock;
    case HF__LEVEL_COLUMN__COLUMN_SHORTFALL:
        return row->shortfall;
    case HF__LEVEL_COLUMN__COLUMN_AVAILABLE:
        return row->available;
    case HF__LEVEL_COLUMN__COLUMN_REORDER_POINT:
        return row->reorder_point;
    case HF__LEVEL_COLUMN__COLUMN_VERSION:
        return (int64_t)row->version;
    case _HF__LEVEL_COLUMN_IS_INT_SIZE:
        break;
    }
    return 0;
}

static uint64_t tie_of(const struct page *page, uint32_t sku, uint32_t warehouse)
{
    uint64_t place = warehouse == NONE ? 0 : (uint64_t)odd(page->warehouse_ranks[warehouse]);

    return (uint64_t)odd(page->model->sku_order.ranks[sku]) << TIE_BITS | place;
}

static void offer(struct page *page, const struct row *row, uint32_t sku, uint32_t warehouse,
                  uint32_t number)
{
    bool descending = page->asked->descending;
    int64_t key = key_of(page, row, sku, warehouse);

    page->matched++;
    struct topk *topk = &page->topk;
    /* The usual case, without the tie: it is behind all of those that are kept. */
    if (topk->count == topk->limit &&
        (descending ? key < topk->rows[0].key : key > topk->rows[0].key))
        return;
    uint64_t tie = tie_of(page, sku, warehouse);
    if (!page->goes_on || topk_before(descending, page->from_key, page->from_tie, key, tie))
        topk_offer(topk, key, tie, number);
}

/* ------------------------------------------------------------- rows */

static void add_level(struct row *row, const struct level_row *level)
{
    int64_t free_units = figures_free(&level->now);
    int64_t available = free_units - level->now.safety_stock;

    row->on_hand += level->now.on_hand;
    row->reserved += level->now.reserved;
    row->committed += level->now.committed;
    row->unavailable += level->now.unavailable;
    row->safety_stock += level->now.safety_stock;
    row->shortfall += free_units < 0 ? -free_units : 0;
    row->available += available > 0 ? available : 0;
    row->reorder_point += level->now.reorder_point;
    if (level->version > row->version)
        row->version = level->version;
}

static void scan_levels(struct page *page)
{
    const struct model *model = page->model;
    bool by_text = page->asked->sku_prefix.len > 0 || page->text_bytes > 0;
    uint32_t last_sku = NONE;
    bool last_passes = true;

    for (uint32_t at = 0; at < model->level_count; at++) {
        const struct level_row *level = &model->levels[at];
        if (level->sku == NONE || (page->warehouse != NONE && level->warehouse != page->warehouse))
            continue;
        if (by_text && level->sku != last_sku) {
            last_sku = level->sku;
            last_passes = sku_passes(page, level->sku);
        }
        if (!last_passes)
            continue;
        struct row row = {0};
        add_level(&row, level);
        if (row_passes(page->asked, &row))
            offer(page, &row, level->sku, level->warehouse, at);
    }
}

static void scan_skus(struct page *page)
{
    const struct model *model = page->model;
    bool needs_level = any_filter(page);

    for (uint32_t sku = 0; sku < model->sku_count; sku++) {
        struct row row = {0};
        bool found = false;
        if (!sku_passes(page, sku))
            continue;
        for (uint32_t at = model->skus[sku].first_level; at != NONE; at = model->levels[at].next) {
            if (page->warehouse != NONE && model->levels[at].warehouse != page->warehouse)
                continue;
            add_level(&row, &model->levels[at]);
            found = true;
        }
        row.reorder_point = model->skus[sku].reorder_point;
        if ((found || !needs_level) && row_passes(page->asked, &row))
            offer(page, &row, sku, NONE, sku);
    }
}

/* ------------------------------------------------------------- the cursor */

/* The place of a cursor's sku among the ranks, doubled; exact: it is there. */
static int64_t place_of(const struct page *page, const struct cursor *from, bool by_name,
                        bool *exact)
{
    struct name_key key = {from->name, from->sku.bytes, from->name_bytes, from->sku.length};
    const struct order *order = by_name ? &page->model->name_order : &page->model->sku_order;
    size_t before = order_find(order, by_name ? name_compare_key : sku_compare_key, &key, exact);

    return 2 * (int64_t)before + *exact;
}

static int64_t warehouse_place(const struct page *page, const struct code *code)
{
    const struct model *model = page->model;
    uint32_t at = warehouse_find(model, code->bytes, code->length);
    int64_t before = 0;

    if (at != NONE)
        return odd(page->warehouse_ranks[at]);
    for (size_t i = 0; i < model->warehouse_count; i++)
        before += code_compare(&model->warehouses[i].code, code) < 0;
    return 2 * before;
}

/* Behind all rows of a sku, if there are any. */
static void start_after(struct page *page, const ProtobufCBinaryData *sku)
{
    struct cursor from = {0};
    bool exact;

    code_set(&from.sku, sku->data, sku->len);
    page->goes_on = true;
    page->from_key = place_of(page, &from, false, &exact);
    page->from_tie = (uint64_t)page->from_key << TIE_BITS | ((UINT64_C(1) << TIE_BITS) - 1);
}

static bool start(struct page *page, uint64_t question)
{
    struct cursor from;
    bool exact;

    page->goes_on = page->asked->cursor.len > 0;
    if (!page->goes_on) {
        if (page->asked->after.len > 0)
            start_after(page, &page->asked->after);
        return true;
    }
    const char *fault = cursor_read(&from, question, &page->asked->cursor);
    if (fault) {
        ask_refuse(page->asking, "levels.cursor", "%s", fault);
        return false;
    }
    int64_t sku_place = place_of(page, &from, false, &exact);
    int64_t place = page->asked->by_sku || !exact ? 0 : warehouse_place(page, &from.warehouse);
    page->from_tie = (uint64_t)sku_place << TIE_BITS | (uint64_t)place;
    page->from_key = from.number;
    if (page->asked->sort == HF__LEVEL_COLUMN__COLUMN_SKU)
        page->from_key = sku_place;
    else if (page->asked->sort == HF__LEVEL_COLUMN__COLUMN_NAME)
        page->from_key = place_of(page, &from, true, &exact);
    else if (page->asked->sort == HF__LEVEL_COLUMN__COLUMN_WAREHOUSE)
        page->from_key = page->asked->by_sku ? 0 : warehouse_place(page, &from.warehouse);
    return true;
}

static void finish(struct page *page, uint64_t question)
{
    const struct model *model = page->model;
    const struct topk_row *last = &page->topk.rows[page->asked->limit - 1];
    bool by_sku = page->asked->by_sku;
    uint32_t sku = by_sku ? last->row : model->levels[last->row].sku;
    struct cursor to = {.number = last->key, .name_bytes = model->skus[sku].name_bytes};

    code_set(&to.sku, sku_text(model, sku), model->skus[sku].sku_bytes);
    memcpy(to.name, name_text(model, sku), to.name_bytes);
    if (!by_sku)
        to.warehouse = model->warehouses[model->levels[last->row].warehouse].code;
    page->asking->answer->cursor = cursor_write(&to, question, page->asking->arena);
}

/* ------------------------------------------------------------- the answer */

static void tell_levels(struct page *page, size_t count)
{
    struct asking *asking = page->asking;
    const struct model *model = page->model;
    Hf__ViewAnswer *answer = asking->answer;

    answer->levels = arena_alloc(asking->arena, (count + 1) * sizeof *answer->levels);
    for (size_t i = 0; i < count; i++) {
        const struct level_row *level = &model->levels[page->topk.rows[i].row];
        Hf__ViewLevel *out = arena_alloc(asking->arena, sizeof *out);
        hf__view_level__init(out);
        out->level = ask_level(asking, level, true);
        out->name =
            ask_bytes(asking, name_text(model, level->sku), model->skus[level->sku].name_bytes);
        out->partition = model->skus[level->sku].partition;
        answer->levels[answer->n_levels++] = out;
    }
}

static void tell_skus(struct page *page, size_t count)
{
    struct asking *asking = page->asking;
    const struct model *model = page->model;
    Hf__ViewAnswer *answer = asking->answer;

    answer->stock = arena_alloc(asking->arena, (count + 1) * sizeof *answer->stock);
    for (size_t i = 0; i < count; i++) {
        uint32_t sku = page->topk.rows[i].row;
        Hf__ViewStock *out = arena_alloc(asking->arena, sizeof *out);
        hf__view_stock__init(out);
        out->sku = ask_bytes(asking, sku_text(model, sku), model->skus[sku].sku_bytes);
        out->knowledge = HF__KNOWLEDGE__KNOWLEDGE_KNOWN;
        out->exists = true;
        out->partition = model->skus[sku].partition;
        out->sequence = model->partitions[out->partition].sequence;
        out->age_ms = ask_age_ms(asking, out->partition);
        out->item = ask_item(asking, sku);
        ask_levels(asking, sku, page->warehouse, out);
        answer->stock[answer->n_stock++] = out;
    }
}

/* What is wrong with the question; NULL: nothing. */
static const char *fault_of(const Hf__ViewLevelsQuery *asked, const char **field)
{
    *field = "levels.limit";
    if (asked->limit < 1 || asked->limit > MODEL_PAGE_MAX)
        return "must be 1 to 1000";
    *field = "levels.sort";
    if (!protobuf_c_enum_descriptor_get_value(&hf__level_column__descriptor, (int)asked->sort))
        return "is no column";
    *field = "levels.text";
    const char *fault = text_fault(asked->text.data, asked->text.len, NAME_BYTES_MAX);
    if (fault)
        return fault;
    *field = "levels.sku_prefix";
    fault = text_fault(asked->sku_prefix.data, asked->sku_prefix.len, CODE_BYTES_MAX);
    if (fault)
        return fault;
    *field = "levels.after";
    if (asked->after.len > 0 && (asked->sort != HF__LEVEL_COLUMN__COLUMN_SKU || asked->descending))
        return "is for pages sorted by sku upwards";
    fault = asked->after.len > 0 ? code_fault(asked->after.data, asked->after.len) : NULL;
    if (fault || asked->warehouse.len == 0)
        return fault;
    *field = "levels.warehouse";
    return code_fault(asked->warehouse.data, asked->warehouse.len);
}

void ask_page(struct asking *asking)
{
    const Hf__ViewLevelsQuery *asked = asking->query->levels;
    struct page page = {
        .asking = asking, .model = asking->model, .asked = asked, .warehouse = NONE};
    const char *field, *fault = fault_of(asked, &field);

    if (fault) {
        ask_refuse(asking, field, "%s", fault);
        return;
    }
    if (!ask_everything(asking))
        return;
    model_tidy(page.model);
    page.warehouse_ranks = warehouse_ranks(page.model);
    if (asked->warehouse.len > 0) {
        page.warehouse = warehouse_find(page.model, asked->warehouse.data, asked->warehouse.len);
        if (page.warehouse == NONE)
            page.warehouse = WAREHOUSES_MAX; /* no level is there */
    }
    page.text_bytes = asked->text.len;
    for (size_t i = 0; i < page.text_bytes; i++)
        page.text[i] = lower((char)asked->text.data[i]);
    uint64_t question = cursor_question(&asked->base, asking->arena);
    if (!start(&page, question))
        return;
    page.topk = (struct topk){.limit = asked->limit + 1, .descending = asked->descending};
    page.topk.rows = arena_alloc(asking->arena, page.topk.limit * sizeof *page.topk.rows);
    if (asked->by_sku)
        scan_skus(&page);
    else
        scan_levels(&page);
    topk_sort(&page.topk);
    asking->answer->matched = page.matched;
    asking->answer->total = asked->by_sku ? page.model->counts.items : page.model->counts.levels;
    size_t count = page.topk.count < asked->limit ? page.topk.count : asked->limit;
    if (asked->by_sku)
        tell_skus(&page, count);
    else
        tell_levels(&page, count);
    if (page.topk.count > asked->limit)
        finish(&page, question);
}

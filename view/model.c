/* SPDX-License-Identifier: MIT
 *
 * Life of the read model, and its rows: skus, levels, barcodes, warehouses.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "view/model_impl.h"

/* Digests that are remembered, of each partition: a few seconds of one that is written to as fast
 * as can be. They cost 1 MiB up to a thousand partitions. */
/* What people watch: the last seconds of a very busy system, and days of a quiet one. */
#define RECENT_ROWS 65536u
#define RECENT_BYTES (12u * 1024 * 1024)
#define MARKS_ALL 65536u
#define MARKS_MAX 1024u
#define MARKS_MIN 16u

static int sku_compare(const void *context, uint32_t a, uint32_t b);
static int name_compare(const void *context, uint32_t a, uint32_t b);

struct model *model_new(uint32_t partitions)
{
    struct model *model = calloc(1, sizeof *model);

    if (!model)
        abort();
    model->partition_count = partitions;
    model->partitions = calloc(partitions, sizeof *model->partitions);
    model->least = calloc(partitions, sizeof *model->least);
    model->marks_each = MARKS_ALL / (partitions > 0 ? partitions : 1);
    if (model->marks_each > MARKS_MAX)
        model->marks_each = MARKS_MAX;
    if (model->marks_each < MARKS_MIN)
        model->marks_each = MARKS_MIN;
    model->marks = calloc(partitions, model->marks_each * sizeof *model->marks);
    if (!model->partitions || !model->least || !model->marks)
        abort();
    model->recent = recent_new(RECENT_ROWS, RECENT_BYTES);
    model->touched = NONE;
    model->free_level = model->free_barcode = model->free_reservation = NONE;
    model->sku_order = (struct order){.compare = sku_compare, .context = model};
    model->name_order = (struct order){.compare = name_compare, .context = model};
    return model;
}

void model_destroy(struct model **model)
{
    struct model *m = *model;

    if (!m)
        return;
    struct index *indexes[] = {&m->sku_index, &m->barcode_index, &m->warehouse_index,
                               &m->reservation_index, &m->order_index};
    for (size_t i = 0; i < sizeof indexes / sizeof indexes[0]; i++)
        index_release(indexes[i]);
    order_release(&m->sku_order);
    order_release(&m->name_order);
    slab_release(&m->slab);
    recent_destroy(&m->recent);
    free(m->partitions);
    free(m->marks);
    free(m->skus);
    free(m->levels);
    free(m->barcodes);
    free(m->warehouses);
    free(m->reservations);
    free(m->warehouse_ranks);
    free(m->least);
    free(m->wanted);
    free(m);
    *model = NULL;
}

int bytes_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);

    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

/* ------------------------------------------------------------- skus */

const char *sku_text(const struct model *model, uint32_t sku)
{
    return slab_at(&model->slab, model->skus[sku].text);
}

const char *name_text(const struct model *model, uint32_t sku)
{
    return sku_text(model, sku) + model->skus[sku].sku_bytes;
}

int sku_compare_key(const void *context, uint32_t sku, const void *key)
{
    const struct model *model = context;
    const struct name_key *wanted = key;

    return bytes_compare(sku_text(model, sku), model->skus[sku].sku_bytes, wanted->sku,
                         wanted->sku_bytes);
}

int name_compare_key(const void *context, uint32_t sku, const void *key)
{
    const struct model *model = context;
    const struct name_key *wanted = key;
    int order = bytes_compare(name_text(model, sku), model->skus[sku].name_bytes, wanted->name,
                              wanted->name_bytes);

    return order != 0 ? order : sku_compare_key(context, sku, key);
}

static struct name_key key_of(const struct model *model, uint32_t sku)
{
    return (struct name_key){name_text(model, sku), sku_text(model, sku),
                             model->skus[sku].name_bytes, model->skus[sku].sku_bytes};
}

static int sku_compare(const void *context, uint32_t a, uint32_t b)
{
    struct name_key key = key_of(context, b);

    return sku_compare_key(context, a, &key);
}

static int name_compare(const void *context, uint32_t a, uint32_t b)
{
    struct name_key key = key_of(context, b);

    return name_compare_key(context, a, &key);
}

uint32_t sku_find(const struct model *model, const void *bytes, size_t length)
{
    struct index_walk walk = index_walk(&model->sku_index, index_hash(bytes, length));

    for (uint32_t sku; (sku = index_next(&model->sku_index, &walk)) != INDEX_NONE;) {
        if (model->skus[sku].sku_bytes == length &&
            memcmp(sku_text(model, sku), bytes, length) == 0)
            return sku;
    }
    return NONE;
}

uint32_t sku_obtain(struct model *model, const void *bytes, size_t length)
{
    uint32_t sku = sku_find(model, bytes, length);

    if (sku != NONE)
        return sku;
    assert(length > 0 && length <= CODE_BYTES_MAX);
    model->skus =
        array_room(model->skus, model->sku_count, &model->sku_capacity, sizeof *model->skus);
    sku = (uint32_t)model->sku_count++;
    model->skus[sku] = (struct sku_row){
        .text = slab_alloc(&model->slab, length),
        .first_level = NONE,
        .first_barcode = NONE,
        .partition = (uint16_t)partition_of_sku(bytes, length, model->partition_count),
        .sku_bytes = (uint8_t)length,
    };
    memcpy(slab_at(&model->slab, model->skus[sku].text), bytes, length);
    index_add(&model->sku_index, index_hash(bytes, length), sku);
    order_add(&model->sku_order, sku);
    order_add(&model->name_order, sku);
    return sku;
}

static void name_set(struct model *model, uint32_t sku, const void *name, size_t name_bytes)
{
    struct sku_row *row = &model->skus[sku];
    size_t old_bytes = (size_t)row->sku_bytes + row->name_bytes;

    if (row->name_bytes == name_bytes && memcmp(name_text(model, sku), name, name_bytes) == 0)
        return;
    uint32_t text = slab_alloc(&model->slab, row->sku_bytes + name_bytes);
    char *bytes = slab_at(&model->slab, text);
    memcpy(bytes, sku_text(model, sku), row->sku_bytes);
    memcpy(bytes + row->sku_bytes, name, name_bytes);
    slab_free(&model->slab, row->text, old_bytes);
    row->text = text;
    row->name_bytes = (uint8_t)name_bytes;
    order_changed(&model->name_order, sku);
}

void item_set(struct model *model, uint32_t sku, const void *name, size_t name_bytes,
              uint32_t reorder_point, uint64_t version)
{
    uint64_t *digest = &model->partitions[model->skus[sku].partition].digest;

    assert(name_bytes <= NAME_BYTES_MAX);
    *digest -= row_digest_item(model, sku);
    name_set(model, sku, name_bytes > 0 ? name : "", name_bytes);
    model->counts.items += model->skus[sku].version == 0;
    model->skus[sku].reorder_point = reorder_point;
    model->skus[sku].version = version;
    *digest += row_digest_item(model, sku);
}

/* ------------------------------------------------------------- barcodes */

bool barcode_is(const struct model *model, uint32_t barcode, const void *bytes, size_t length)
{
    const struct barcode_row *row = &model->barcodes[barcode];

    return row->bytes == length && memcmp(slab_at(&model->slab, row->text), bytes, length) == 0;
}

/* At the end of the item's list: they are told in the order in which they were put. */
void barcode_add(struct model *model, uint32_t sku, const void *bytes, size_t length)
{
    uint32_t barcode = model->free_barcode;

    assert(length > 0 && length <= CODE_BYTES_MAX);
    if (barcode != NONE) {
        model->free_barcode = model->barcodes[barcode].next;
    } else {
        model->barcodes = array_room(model->barcodes, model->barcode_count,
                                     &model->barcode_capacity, sizeof *model->barcodes);
        barcode = (uint32_t)model->barcode_count++;
    }
    model->barcodes[barcode] = (struct barcode_row){
        .text = slab_alloc(&model->slab, length), .sku = sku, .next = NONE, (uint8_t)length};
    memcpy(slab_at(&model->slab, model->barcodes[barcode].text), bytes, length);
    index_add(&model->barcode_index, index_hash(bytes, length), barcode);
    uint32_t *link = &model->skus[sku].first_barcode;
    while (*link != NONE)
        link = &model->barcodes[*link].next;
    *link = barcode;
    model->counts.barcodes++;
    model->partitions[model->skus[sku].partition].digest += row_digest_barcode(model, barcode);
}

void barcodes_clear(struct model *model, uint32_t sku)
{
    for (uint32_t at = model->skus[sku].first_barcode, next; at != NONE; at = next) {
        struct barcode_row *row = &model->barcodes[at];
        next = row->next;
        model->partitions[model->skus[sku].partition].digest -= row_digest_barcode(model, at);
        index_remove(&model->barcode_index,
                     index_hash(slab_at(&model->slab, row->text), row->bytes), at);
        slab_free(&model->slab, row->text, row->bytes);
        *row = (struct barcode_row){.sku = NONE, .next = model->free_barcode};
        model->free_barcode = at;
        model->counts.barcodes--;
    }
    model->skus[sku].first_barcode = NONE;
}

/* ------------------------------------------------------------- warehouses */

uint32_t warehouse_find(const struct model *model, const void *bytes, size_t length)
{
    struct index_walk walk = index_walk(&model->warehouse_index, index_hash(bytes, length));

    for (uint32_t at; (at = index_next(&model->warehouse_index, &walk)) != INDEX_NONE;) {
        if (code_is(&model->warehouses[at].code, bytes, length))
            return at;
    }
    return NONE;
}

uint32_t warehouse_obtain(struct model *model, const void *bytes, size_t length)
{
    uint32_t at = warehouse_find(model, bytes, length);

    if (at != NONE || model->warehouse_count >= WAREHOUSES_MAX)
        return at;
    model->warehouses = array_room(model->warehouses, model->warehouse_count,
                                   &model->warehouse_capacity, sizeof *model->warehouses);
    at = (uint32_t)model->warehouse_count++;
    model->warehouses[at] = (struct warehouse_row){0};
    code_set(&model->warehouses[at].code, bytes, length);
    index_add(&model->warehouse_index, index_hash(bytes, length), at);
    return at;
}

void warehouse_name(struct model *model, uint32_t warehouse, const void *name, size_t name_bytes,
                    uint64_t version)
{
    struct warehouse_row *row = &model->warehouses[warehouse];

    model->partitions[0].digest -= row_digest_warehouse(row);
    row->name_bytes = (uint8_t)name_bytes;
    if (name_bytes > 0)
        memcpy(row->name, name, name_bytes);
    row->version = version;
    model->partitions[0].digest += row_digest_warehouse(row);
}

static int warehouse_compare(const void *a, const void *b, void *context)
{
    const struct model *model = context;

    return code_compare(&model->warehouses[*(const uint32_t *)a].code,
                        &model->warehouses[*(const uint32_t *)b].code);
}

const uint32_t *warehouse_ranks(struct model *model)
{
    size_t count = model->warehouse_count;

    if (model->ranked_warehouses == count)
        return model->warehouse_ranks;
    uint32_t *sorted = malloc((count + 1) * sizeof *sorted);
    model->warehouse_ranks = realloc(model->warehouse_ranks, (count + 1) * sizeof *sorted);
    if (!sorted || !model->warehouse_ranks)
        abort();
    for (size_t i = 0; i < count; i++)
        sorted[i] = (uint32_t)i;
    qsort_r(sorted, count, sizeof *sorted, warehouse_compare, model);
    for (size_t i = 0; i < count; i++)
        model->warehouse_ranks[sorted[i]] = (uint32_t)i;
    free(sorted);
    model->ranked_warehouses = count;
    return model->warehouse_ranks;
}

/* ------------------------------------------------------------- levels */

int64_t figures_free(const struct figures *now)
{
    return (int64_t)now->on_hand - now->reserved - now->committed - now->unavailable;
}

int64_t figures_available(const struct figures *now)
{
    int64_t available = figures_free(now) - now->safety_stock;

    return available > 0 ? available : 0;
}

int64_t figures_shortfall(const struct figures *now)
{
    int64_t free_units = figures_free(now);

    return free_units < 0 ? -free_units : 0;
}

/* sign: 1 to add the level to its warehouse's sums and its partition's digest, -1 to take it away.
 * Unsigned sums wrap round and back again. */
static void sum(struct model *model, const struct level_row *level, int64_t sign)
{
    struct sums *sums = &model->warehouses[level->warehouse].sums;
    const struct figures *now = &level->now;
    uint64_t factor = (uint64_t)sign;

    model->partitions[model->skus[level->sku].partition].digest +=
        factor * row_digest_level(model, level);
    sums->skus += factor;
    sums->on_hand += factor * now->on_hand;
    sums->reserved += factor * now->reserved;
    sums->committed += factor * now->committed;
    sums->unavailable += factor * now->unavailable;
    sums->safety_stock += factor * now->safety_stock;
    sums->shortfall += factor * (uint64_t)figures_shortfall(now);
    sums->available += factor * (uint64_t)figures_available(now);
    sums->out_of_stock += factor * (figures_available(now) == 0);
    sums->below_safety += factor * (figures_free(now) < (int64_t)now->safety_stock);
}

static uint32_t level_obtain(struct model *model, uint32_t sku, uint32_t warehouse)
{
    uint32_t at;

    for (at = model->skus[sku].first_level; at != NONE; at = model->levels[at].next) {
        if (model->levels[at].warehouse == warehouse)
            return at;
    }
    at = model->free_level;
    if (at != NONE) {
        model->free_level = model->levels[at].next;
    } else {
        model->levels = array_room(model->levels, model->level_count, &model->level_capacity,
                                   sizeof *model->levels);
        at = (uint32_t)model->level_count++;
    }
    model->levels[at] = (struct level_row){
        .sku = sku, .next = model->skus[sku].first_level, .warehouse = (uint16_t)warehouse};
    model->skus[sku].first_level = at;
    model->counts.levels++;
    sum(model, &model->levels[at], 1);
    return at;
}

void level_set(struct model *model, uint32_t sku, uint32_t warehouse, const struct figures *now,
               uint64_t version, uint64_t on_hand_version)
{
    uint32_t at = level_obtain(model, sku, warehouse); /* may move the rows */
    struct level_row *level = &model->levels[at];

    sum(model, level, -1);
    level->now = *now;
    level->version = version;
    level->on_hand_version = on_hand_version;
    sum(model, level, 1);
}

void item_clear(struct model *model, uint32_t sku)
{
    struct sku_row *row = &model->skus[sku];

    for (uint32_t at = row->first_level, next; at != NONE; at = next) {
        struct level_row *level = &model->levels[at];
        next = level->next;
        sum(model, level, -1);
        *level = (struct level_row){.sku = NONE, .next = model->free_level};
        model->free_level = at;
        model->counts.levels--;
    }
    row->first_level = NONE;
    barcodes_clear(model, sku);
    model->partitions[row->partition].digest -= row_digest_item(model, sku);
    model->counts.items -= row->version != 0;
    row->version = 0;
    row->reorder_point = 0;
    name_set(model, sku, "", 0);
}

/* ------------------------------------------------------------- the whole */

void model_tidy(struct model *model)
{
    order_settle(&model->sku_order);
    order_settle(&model->name_order);
}

struct model_position model_position(const struct model *model, uint32_t partition)
{
    struct model_position position = {0};

    if (partition < model->partition_count) {
        const struct partition_row *row = &model->partitions[partition];
        position.known = row->known;
        position.sequence = row->sequence;
        memcpy(position.claim_id, row->claim_id, sizeof position.claim_id);
    }
    return position;
}

struct model_counts model_counts(const struct model *model)
{
    struct model_counts counts = model->counts;

    counts.partitions = model->partition_count;
    for (uint32_t p = 0; p < model->partition_count; p++)
        counts.known += model->partitions[p].known;
    counts.bytes = sizeof *model + slab_bytes(&model->slab) + recent_bytes(model->recent) +
                   order_bytes(&model->sku_order) + order_bytes(&model->name_order) +
                   index_bytes(&model->sku_index) + index_bytes(&model->barcode_index) +
                   index_bytes(&model->warehouse_index) + index_bytes(&model->reservation_index) +
                   index_bytes(&model->order_index) +
                   model->partition_count * (sizeof *model->partitions + sizeof *model->least +
                                             model->marks_each * sizeof *model->marks) +
                   model->sku_capacity * sizeof *model->skus +
                   model->level_capacity * sizeof *model->levels +
                   model->barcode_capacity * sizeof *model->barcodes +
                   model->warehouse_capacity * sizeof *model->warehouses +
                   model->reservation_capacity * sizeof *model->reservations;
    return counts;
}

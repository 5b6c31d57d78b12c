/* SPDX-License-Identifier: MIT
 *
 * Pages of the read model against sorting all rows: every column, both ways, every filter, pages
 * that follow each other by cursor while stock changes; cursors of another question; and the parts
 * that pages are made of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/status.h"
#include "tests/unit/pick.h"
#include "view/index.h"
#include "view/model.h"
#include "view/order.h"
#include "view/slab.h"
#include "view/topk.h"

#define PARTITIONS 5
#define SKUS 60
#define WAREHOUSES 4
#define LEVELS (SKUS * WAREHOUSES)

/* ------------------------------------------------------------- the naive way */

struct naive_level {
    bool there;
    struct figures now;
    uint64_t version;
};

struct naive {
    char skus[SKUS][16], names[SKUS][32];
    uint32_t reorder[SKUS];
    bool items[SKUS];
    struct naive_level levels[SKUS][WAREHOUSES];
    uint64_t sequences[PARTITIONS];
    struct model *model;
    struct arena arena;
};

static const char *const warehouses[WAREHOUSES] = {"B", "A", "W-1", "W"};

static uint32_t home(const struct naive *n, size_t sku)
{
    return partition_of_sku(n->skus[sku], strlen(n->skus[sku]), PARTITIONS);
}

static void random_level(struct naive_level *level)
{
    /* Few different figures: many rows are equal in the column. */
    level->now = (struct figures){pick(6), pick(4), pick(2), pick(2), pick(3), pick(3)};
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

/* One movement of its partition, as an owner publishes it. */
static void publish(struct naive *n, size_t sku, Hf__Movement *movement)
{
    Hf__PartitionChanges changes = HF__PARTITION_CHANGES__INIT;
    uint8_t claim[16] = {0};
    uint32_t partition = home(n, sku);

    changes.partition = partition;
    changes.claim_id = (ProtobufCBinaryData){16, claim};
    changes.after = n->sequences[partition];
    movement->sequence = ++n->sequences[partition];
    movement->sku = bytes_of(n->skus[sku]);
    changes.movements = &movement;
    changes.n_movements = 1;
    assert_int_equal(model_changes(n->model, &changes), MODEL_DONE);
}

static void put_item(struct naive *n, size_t sku)
{
    Hf__Movement movement = HF__MOVEMENT__INIT;
    Hf__Item item = HF__ITEM__INIT;
    static const char *const words[] = {
        "Blue Widget", "blue widget", "Widgét 日本", "", "Bolt", "a"};

    snprintf(n->names[sku], sizeof n->names[sku], "%s", words[pick(6)]);
    n->reorder[sku] = pick(3);
    n->items[sku] = true;
    item.name = bytes_of(n->names[sku]);
    item.reorder_point = n->reorder[sku];
    movement.item = &item;
    movement.kind = HF__MOVEMENT_KIND__MOVEMENT_ITEM_PUT;
    publish(n, sku, &movement);
}

static void put_level(struct naive *n, size_t sku, size_t warehouse)
{
    Hf__Movement movement = HF__MOVEMENT__INIT;
    Hf__Level after = HF__LEVEL__INIT;
    struct naive_level *level = &n->levels[sku][warehouse];

    if (!n->items[sku])
        put_item(n, sku);
    random_level(level);
    level->there = true;
    after.on_hand = level->now.on_hand;
    after.reserved = level->now.reserved;
    after.committed = level->now.committed;
    after.unavailable = level->now.unavailable;
    after.safety_stock = level->now.safety_stock;
    after.reorder_point = level->now.reorder_point;
    movement.after = &after;
    movement.warehouse = bytes_of(warehouses[warehouse]);
    movement.kind = HF__MOVEMENT_KIND__MOVEMENT_COUNTED;
    publish(n, sku, &movement);
    level->version = n->sequences[home(n, sku)];
}

static struct naive *naive_new(void)
{
    struct naive *n = calloc(1, sizeof *n);

    n->model = model_new(PARTITIONS);
    arena_init(&n->arena);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct snapshot *s = snapshot_new(p);
        model_install(n->model, &s, 0);
    }
    for (size_t i = 0; i < SKUS; i++)
        snprintf(n->skus[i], sizeof n->skus[i], "%s%u", i % 3 ? "S-" : "s",
                 (unsigned)(i * 7 % SKUS));
    return n;
}

static void naive_destroy(struct naive **n)
{
    model_destroy(&(*n)->model);
    arena_release(&(*n)->arena);
    free(*n);
    *n = NULL;
}

struct naive_row {
    const struct naive *n;
    const Hf__ViewLevelsQuery *asked;
    size_t sku;
    int warehouse;       /* -1: the sku's sum */
    int64_t figures[12]; /* by LevelColumn */
};

static int64_t positive(int64_t number)
{
    return number > 0 ? number : 0;
}

static void add(struct naive_row *row, const struct naive_level *level)
{
    const struct figures *f = &level->now;
    int64_t rest = (int64_t)f->on_hand - f->reserved - f->committed - f->unavailable;
    int64_t *to = row->figures;

    to[HF__LEVEL_COLUMN__COLUMN_ON_HAND] += f->on_hand;
    to[HF__LEVEL_COLUMN__COLUMN_RESERVED] += f->reserved;
    to[HF__LEVEL_COLUMN__COLUMN_COMMITTED] += f->committed;
    to[HF__LEVEL_COLUMN__COLUMN_UNAVAILABLE] += f->unavailable;
    to[HF__LEVEL_COLUMN__COLUMN_SAFETY_STOCK] += f->safety_stock;
    to[HF__LEVEL_COLUMN__COLUMN_SHORTFALL] += positive(-rest);
    to[HF__LEVEL_COLUMN__COLUMN_AVAILABLE] += positive(rest - f->safety_stock);
    to[HF__LEVEL_COLUMN__COLUMN_REORDER_POINT] += f->reorder_point;
    if (to[HF__LEVEL_COLUMN__COLUMN_VERSION] < (int64_t)level->version)
        to[HF__LEVEL_COLUMN__COLUMN_VERSION] = (int64_t)level->version;
}

static bool passes(const struct naive_row *row)
{
    const Hf__ViewLevelsQuery *asked = row->asked;
    const int64_t *f = row->figures;
    char text[32] = "", prefix[32] = "";
    int64_t rest = f[HF__LEVEL_COLUMN__COLUMN_ON_HAND] - f[HF__LEVEL_COLUMN__COLUMN_RESERVED] -
                   f[HF__LEVEL_COLUMN__COLUMN_COMMITTED] - f[HF__LEVEL_COLUMN__COLUMN_UNAVAILABLE];

    memcpy(text, asked->text.data ? (const char *)asked->text.data : "", asked->text.len);
    memcpy(prefix, asked->sku_prefix.data ? (const char *)asked->sku_prefix.data : "",
           asked->sku_prefix.len);
    return (!asked->below_safety || rest < f[HF__LEVEL_COLUMN__COLUMN_SAFETY_STOCK]) &&
           (!asked->out_of_stock || f[HF__LEVEL_COLUMN__COLUMN_AVAILABLE] == 0) &&
           strncmp(row->n->skus[row->sku], prefix, strlen(prefix)) == 0 &&
           (strcasestr(row->n->names[row->sku], text) || strcasestr(row->n->skus[row->sku], text));
}

static int compare_rows(const void *a, const void *b)
{
    const struct naive_row *x = a, *y = b;
    Hf__LevelColumn sort = x->asked->sort;
    int order = 0;

    if (sort == HF__LEVEL_COLUMN__COLUMN_SKU)
        order = strcmp(x->n->skus[x->sku], y->n->skus[y->sku]);
    else if (sort == HF__LEVEL_COLUMN__COLUMN_NAME) {
        order = strcmp(x->n->names[x->sku], y->n->names[y->sku]);
        if (order == 0)
            order = strcmp(x->n->skus[x->sku], y->n->skus[y->sku]);
    } else if (sort == HF__LEVEL_COLUMN__COLUMN_WAREHOUSE) {
        if (x->warehouse >= 0)
            order = strcmp(warehouses[x->warehouse], warehouses[y->warehouse]);
    } else
        order = (x->figures[sort] > y->figures[sort]) - (x->figures[sort] < y->figures[sort]);
    if (order != 0)
        return x->asked->descending ? -order : order;
    order = strcmp(x->n->skus[x->sku], y->n->skus[y->sku]);
    return order != 0 || x->warehouse < 0
               ? order
               : strcmp(warehouses[x->warehouse], warehouses[y->warehouse]);
}

static size_t naive_page(const struct naive *n, const Hf__ViewLevelsQuery *asked,
                         struct naive_row *rows)
{
    size_t count = 0;

    for (size_t sku = 0; sku < SKUS; sku++) {
        struct naive_row sum = {n, asked, sku, -1, {0}};
        bool found = false;
        for (int w = 0; w < WAREHOUSES; w++) {
            const struct naive_level *level = &n->levels[sku][w];
            struct naive_row row = {n, asked, sku, w, {0}};
            if (!level->there || (asked->warehouse.len > 0 &&
                                  strcmp((const char *)asked->warehouse.data, warehouses[w]) != 0))
                continue;
            add(&sum, level);
            add(&row, level);
            found = true;
            if (!asked->by_sku && passes(&row))
                rows[count++] = row;
        }
        bool filtered = asked->warehouse.len > 0 || asked->below_safety || asked->out_of_stock;
        sum.figures[HF__LEVEL_COLUMN__COLUMN_REORDER_POINT] = n->reorder[sku];
        if (asked->by_sku && n->items[sku] && (found || !filtered) && passes(&sum))
            rows[count++] = sum;
    }
    qsort(rows, count, sizeof *rows, compare_rows);
    return count;
}

/* ------------------------------------------------------------- comparing */

static Hf__ViewAnswer *ask(struct naive *n, Hf__ViewLevelsQuery *levels)
{
    Hf__ViewQuery query = HF__VIEW_QUERY__INIT;
    Hf__ViewAnswer *answer = arena_alloc(&n->arena, sizeof *answer);

    query.kind_case = HF__VIEW_QUERY__KIND_LEVELS;
    query.levels = levels;
    assert_true(model_answer(n->model, &query, 1000, 1000, true, &n->arena, answer));
    return answer;
}

static void same_bytes(const ProtobufCBinaryData *got, const char *want)
{
    assert_int_equal(got->len, strlen(want));
    assert_memory_equal(got->data, want, got->len);
}

static void same_row(const Hf__Level *got, const struct naive_row *want)
{
    const int64_t *f = want->figures;

    assert_int_equal(got->on_hand, f[HF__LEVEL_COLUMN__COLUMN_ON_HAND]);
    assert_int_equal(got->reserved, f[HF__LEVEL_COLUMN__COLUMN_RESERVED]);
    assert_int_equal(got->committed, f[HF__LEVEL_COLUMN__COLUMN_COMMITTED]);
    assert_int_equal(got->unavailable, f[HF__LEVEL_COLUMN__COLUMN_UNAVAILABLE]);
    assert_int_equal(got->safety_stock, f[HF__LEVEL_COLUMN__COLUMN_SAFETY_STOCK]);
    assert_int_equal(got->shortfall, f[HF__LEVEL_COLUMN__COLUMN_SHORTFALL]);
    assert_int_equal(got->available, f[HF__LEVEL_COLUMN__COLUMN_AVAILABLE]);
    assert_int_equal(got->reorder_point, f[HF__LEVEL_COLUMN__COLUMN_REORDER_POINT]);
}

/* From the first page to the last. */
static void same_pages(struct naive *n, Hf__ViewLevelsQuery *asked)
{
    static struct naive_row rows[LEVELS];
    size_t count = naive_page(n, asked, rows), at = 0;

    arena_reset(&n->arena);
    asked->cursor.len = 0;
    for (;;) {
        Hf__ViewAnswer *answer = ask(n, asked);
        assert_int_equal(answer->status, STATUS_applied);
        assert_int_equal(answer->matched, count);
        size_t got = asked->by_sku ? answer->n_stock : answer->n_levels;
        assert_int_equal(got, count - at < asked->limit ? count - at : asked->limit);
        for (size_t i = 0; i < got; i++, at++) {
            const struct naive_row *want = &rows[at];
            if (asked->by_sku) {
                same_bytes(&answer->stock[i]->sku, n->skus[want->sku]);
                same_row(answer->stock[i]->total, want);
                continue;
            }
            same_bytes(&answer->levels[i]->level->sku, n->skus[want->sku]);
            same_bytes(&answer->levels[i]->level->warehouse, warehouses[want->warehouse]);
            same_bytes(&answer->levels[i]->name, n->names[want->sku]);
            same_row(answer->levels[i]->level, want);
        }
        assert_int_equal(answer->cursor.len > 0, at < count);
        if (answer->cursor.len == 0)
            return;
        asked->cursor = answer->cursor;
    }
}

/* A page that begins behind a sku, which may be there or not. */
static void same_after(struct naive *n, Hf__ViewLevelsQuery *asked)
{
    static struct naive_row rows[LEVELS];
    size_t count = naive_page(n, asked, rows), at = 0;
    char after[CODE_BYTES_MAX + 1];

    snprintf(after, sizeof after, "%.20s%s", n->skus[pick(SKUS)], pick(3) ? "" : "!");
    while (at < count && strcmp(n->skus[rows[at].sku], after) <= 0)
        at++;
    asked->cursor.len = 0;
    asked->after = bytes_of(after);
    Hf__ViewAnswer *answer = ask(n, asked);
    if (asked->sort != HF__LEVEL_COLUMN__COLUMN_SKU || asked->descending) {
        assert_int_equal(answer->status, STATUS_invalid);
        assert_string_equal(answer->field, "levels.after");
    } else {
        size_t got = asked->by_sku ? answer->n_stock : answer->n_levels;
        assert_int_equal(answer->status, STATUS_applied);
        assert_int_equal(answer->matched, count);
        assert_int_equal(got, count - at < asked->limit ? count - at : asked->limit);
        for (size_t i = 0; i < got; i++)
            same_bytes(asked->by_sku ? &answer->stock[i]->sku : &answer->levels[i]->level->sku,
                       n->skus[rows[at + i].sku]);
    }
    asked->after.len = 0;
}

static void random_question(Hf__ViewLevelsQuery *asked)
{
    static const char *const texts[] = {"", "", "blue", "WIDG", "é", "2", "none"};
    static const char *const prefixes[] = {"", "", "S", "s", "S-1", "x"};

    hf__view_levels_query__init(asked);
    asked->sort = (Hf__LevelColumn)pick(12);
    asked->descending = pick(2);
    asked->limit = 1 + pick(pick(2) ? 7 : 300);
    asked->by_sku = pick(2);
    asked->below_safety = pick(4) == 0;
    asked->out_of_stock = pick(4) == 0;
    asked->text = bytes_of(texts[pick(7)]);
    asked->sku_prefix = bytes_of(prefixes[pick(6)]);
    if (pick(3) == 0)
        asked->warehouse = bytes_of(pick(9) ? warehouses[pick(WAREHOUSES)] : "none");
}

static void test_random(void **state)
{
    struct naive *n = naive_new();

    (void)state;
    for (int step = 0; step < 3000; step++) {
        Hf__ViewLevelsQuery asked;
        for (uint32_t changes = pick(4); changes > 0; changes--) {
            if (pick(6) == 0)
                put_item(n, pick(SKUS));
            else
                put_level(n, pick(step < 1000 ? SKUS / 3 : SKUS), pick(WAREHOUSES));
        }
        random_question(&asked);
        same_pages(n, &asked);
        same_after(n, &asked);
    }
    naive_destroy(&n);
}

/* Rows that do not move are seen once, whatever happens to the others. */
static void test_cursor_is_stable(void **state)
{
    struct naive *n = naive_new();

    (void)state;
    for (int round = 0; round < 200; round++) {
        bool still[SKUS], seen[SKUS] = {false};
        Hf__ViewLevelsQuery asked;
        for (size_t i = 0; i < SKUS; i++) {
            put_level(n, i, 0);
            still[i] = pick(2);
        }
        random_question(&asked);
        asked.text.len = asked.sku_prefix.len = 0;
        asked.by_sku = asked.below_safety = asked.out_of_stock = false;
        asked.limit = 5;
        asked.warehouse = bytes_of(warehouses[0]);
        if (asked.sort == HF__LEVEL_COLUMN__COLUMN_VERSION)
            continue;
        for (;;) {
            Hf__ViewAnswer *answer = ask(n, &asked);
            for (size_t i = 0; i < answer->n_levels; i++) {
                for (size_t sku = 0; sku < SKUS; sku++) {
                    const ProtobufCBinaryData *got = &answer->levels[i]->level->sku;
                    if (got->len != strlen(n->skus[sku]) ||
                        memcmp(got->data, n->skus[sku], got->len) != 0)
                        continue;
                    assert_false(still[sku] && seen[sku]);
                    seen[sku] = true;
                }
            }
            if (answer->cursor.len == 0)
                break;
            asked.cursor = answer->cursor;
            for (size_t i = 0; i < SKUS; i++) {
                if (!still[i] && pick(3) == 0)
                    put_level(n, i, 0);
                if (!still[i] && pick(9) == 0)
                    put_item(n, i);
            }
        }
        for (size_t i = 0; i < SKUS; i++)
            assert_true(!still[i] || seen[i]);
        arena_reset(&n->arena);
    }
    naive_destroy(&n);
}

/* ------------------------------------------------------------- bad questions */

static void refused(struct naive *n, Hf__ViewLevelsQuery *asked, const char *field,
                    const char *words)
{
    Hf__ViewAnswer *answer = ask(n, asked);

    assert_int_equal(answer->status, STATUS_invalid);
    assert_string_equal(answer->field, field);
    assert_non_null(strstr(answer->message, words));
    assert_int_equal(answer->n_levels, 0);
}

static void test_bad_questions(void **state)
{
    struct naive *n = naive_new();
    Hf__ViewLevelsQuery asked = HF__VIEW_LEVELS_QUERY__INIT;
    uint8_t forged[600];

    (void)state;
    for (size_t i = 0; i < SKUS; i++)
        put_level(n, i, 0);
    refused(n, &asked, "levels.limit", "1 to 1000");
    asked.limit = 1001;
    refused(n, &asked, "levels.limit", "1 to 1000");
    asked.limit = 3;
    asked.sort = (Hf__LevelColumn)12;
    refused(n, &asked, "levels.sort", "no column");
    asked.sort = HF__LEVEL_COLUMN__COLUMN_AVAILABLE;
    asked.text = bytes_of("a\nb");
    refused(n, &asked, "levels.text", "");
    asked.text = bytes_of("");
    asked.sku_prefix = bytes_of("\xff");
    refused(n, &asked, "levels.sku_prefix", "");
    asked.sku_prefix = bytes_of("");
    asked.warehouse = bytes_of(" W");
    refused(n, &asked, "levels.warehouse", "");
    asked.warehouse = bytes_of("");
    ProtobufCBinaryData cursor = ask(n, &asked)->cursor;
    assert_true(cursor.len > 16 && cursor.len < sizeof forged);
    asked.cursor = cursor;
    asked.limit = 7; /* another limit is the same question */
    assert_int_equal(ask(n, &asked)->n_levels, 7);
    asked.descending = true;
    refused(n, &asked, "levels.cursor", "another question");
    asked.descending = false;
    asked.warehouse = bytes_of("A");
    refused(n, &asked, "levels.cursor", "another question");
    asked.warehouse = bytes_of("");
    for (size_t length = 1; length < cursor.len; length++) {
        asked.cursor = (ProtobufCBinaryData){length, cursor.data};
        refused(n, &asked, "levels.cursor", "is not a cursor");
    }
    memcpy(forged, cursor.data, cursor.len);
    memset(forged + cursor.len, 0, sizeof forged - cursor.len);
    asked.cursor = (ProtobufCBinaryData){cursor.len + 1, forged};
    refused(n, &asked, "levels.cursor", "is not a cursor");
    for (int i = 0; i < 2000; i++) { /* whatever it says behind the question */
        asked.cursor = (ProtobufCBinaryData){8 + pick(592), forged};
        for (size_t b = 8; b < asked.cursor.len; b++)
            forged[b] = (uint8_t)pick(pick(2) ? 4 : 256);
        (void)ask(n, &asked);
        arena_reset(&n->arena);
    }
    naive_destroy(&n);
}

/* A partition that is not known is counted, and its rows are not there as zeros. */
static void test_unknown_partitions(void **state)
{
    struct naive *n = naive_new();
    Hf__ViewLevelsQuery asked = HF__VIEW_LEVELS_QUERY__INIT;
    size_t lost = 0;

    (void)state;
    for (size_t i = 0; i < SKUS; i++) {
        put_level(n, i, 0);
        lost += home(n, i) == 2;
    }
    asked.limit = 1000;
    assert_int_equal(ask(n, &asked)->n_levels, SKUS);
    assert_int_equal(ask(n, &asked)->unknown_partitions, 0);
    model_forget(n->model, 2, false);
    assert_int_equal(ask(n, &asked)->unknown_partitions, 1);
    assert_int_equal(ask(n, &asked)->partitions, PARTITIONS);
    assert_int_equal(ask(n, &asked)->n_levels, SKUS - lost);
    assert_int_equal(ask(n, &asked)->age_ms, 1);
    naive_destroy(&n);
}

/* ------------------------------------------------------------- the parts */

static void test_index(void **state)
{
    struct index index = {0};
    enum { ITEMS = 500 };
    uint32_t hashes[ITEMS];
    bool in[ITEMS] = {false};

    (void)state;
    for (size_t i = 0; i < ITEMS; i++) /* few hashes, at the end of the table too */
        hashes[i] = i % 3 ? pick(40) : UINT32_MAX - pick(20);
    for (int step = 0; step < 20000; step++) {
        uint32_t item = pick(step % 4000 < 2000 ? ITEMS : ITEMS / 8);
        struct index_walk walk = index_walk(&index, hashes[item]);
        size_t found = 0, same = 0, want = 0;
        for (uint32_t at; (at = index_next(&index, &walk)) != INDEX_NONE;) {
            assert_int_equal(hashes[at], hashes[item]);
            assert_true(in[at]);
            found += at == item;
            same++;
        }
        for (size_t i = 0; i < ITEMS; i++)
            want += in[i] && hashes[i] == hashes[item];
        assert_int_equal(found, in[item]);
        assert_int_equal(same, want);
        if (in[item])
            index_remove(&index, hashes[item], item);
        else
            index_add(&index, hashes[item], item);
        in[item] = !in[item];
    }
    index_release(&index);
}

/* Each piece is filled with its number and must still hold it when it is freed. */
static void test_pool(void **state)
{
    struct slab slab = {0};
    enum { PIECES = 300 };
    uint32_t pieces[PIECES] = {0};
    size_t sizes[PIECES];

    (void)state;
    for (int step = 0; step < 30000; step++) {
        uint32_t i = pick(PIECES);
        if (pieces[i] != SLAB_NONE) {
            const uint8_t *bytes = slab_at(&slab, pieces[i]);
            for (size_t b = 0; b < sizes[i]; b += sizes[i] / 50 + 1)
                assert_int_equal(bytes[b], i % 251);
            slab_free(&slab, pieces[i], sizes[i]);
            pieces[i] = SLAB_NONE;
            continue;
        }
        sizes[i] = 1 + pick(pick(50) ? 200 : pick(50) ? 5000 : SLAB_PIECE_MAX);
        pieces[i] = slab_alloc(&slab, sizes[i]);
        assert_true(pieces[i] != SLAB_NONE);
        memset(slab_at(&slab, pieces[i]), (int)(i % 251), sizes[i]);
    }
    slab_free(&slab, SLAB_NONE, 1);
    slab_release(&slab);
}

static int compare_numbers(const void *context, uint32_t a, uint32_t b)
{
    const uint32_t *keys = context;

    return keys[a] != keys[b] ? (keys[a] > keys[b]) - (keys[a] < keys[b]) : (a > b) - (a < b);
}

static int compare_number_key(const void *context, uint32_t item, const void *key)
{
    const uint32_t *keys = context, *wanted = key;

    return (keys[item] > *wanted) - (keys[item] < *wanted);
}

static void test_order(void **state)
{
    enum { ITEMS = 400 };
    uint32_t keys[ITEMS], count = 0;
    struct order order = {.compare = compare_numbers, .context = keys};

    (void)state;
    for (int step = 0; step < 3000; step++) {
        for (uint32_t n = pick(6); n > 0; n--) {
            if (count < ITEMS && pick(4) == 0) {
                keys[count] = pick(1000);
                order_add(&order, count++);
            } else if (count > 0) {
                uint32_t item = pick(count);
                order_changed(&order, item);
                keys[item] = pick(1000);
            }
        }
        order_settle(&order);
        assert_int_equal(order.count, count);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(order.ranks[order.items[i]], i);
            assert_true(i == 0 || compare_numbers(keys, order.items[i - 1], order.items[i]) < 0);
        }
        uint32_t key = pick(1100);
        size_t before = 0;
        bool exact, want = false;
        for (uint32_t i = 0; i < count; i++) {
            before += keys[i] < key;
            want = want || keys[i] == key;
        }
        assert_int_equal(order_find(&order, compare_number_key, &key, &exact), before);
        assert_int_equal(exact, want);
    }
    order_release(&order);
}

static int compare_topk(const void *a, const void *b)
{
    const struct topk_row *x = a, *y = b;

    return topk_before(false, x->key, x->tie, y->key, y->tie) ? -1 : 1;
}

static void test_topk(void **state)
{
    (void)state;
    for (int round = 0; round < 500; round++) {
        struct topk_row all[200], kept[201];
        size_t count = pick(200);
        struct topk topk = {.rows = kept, .limit = 1 + pick(pick(2) ? 10 : 200)};
        for (size_t i = 0; i < count; i++) {
            all[i] = (struct topk_row){(int64_t)pick(5) - 2, i * 7919 % 200, (uint32_t)i};
            topk_offer(&topk, all[i].key, all[i].tie, all[i].row);
        }
        topk_sort(&topk);
        qsort(all, count, sizeof *all, compare_topk);
        assert_int_equal(topk.count, count < topk.limit ? count : topk.limit);
        for (size_t i = 0; i < topk.count; i++)
            assert_int_equal(kept[i].row, all[i].row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index),         cmocka_unit_test(test_pool),
        cmocka_unit_test(test_order),         cmocka_unit_test(test_topk),
        cmocka_unit_test(test_random),        cmocka_unit_test(test_cursor_is_stable),
        cmocka_unit_test(test_bad_questions), cmocka_unit_test(test_unknown_partitions),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("view_pages", tests, NULL, NULL);
}

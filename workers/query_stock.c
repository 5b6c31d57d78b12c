/* SPDX-License-Identifier: MIT
 *
 * Stock of items that are named, or a page of a partition's. One row more than the limit is read,
 * to know whether there is more.
 */
#include <string.h>

#include "workers/query_impl.h"
#include "workers/store_read.h"

struct stock_rows {
    struct query *query;
    size_t limit;
    Hf__Stock *current;
    size_t level_room;
};

static void add_level(struct stock_rows *rows, const struct level *level)
{
    Hf__Stock *stock = rows->current;

    if (stock->n_levels == rows->level_room) {
        size_t room = rows->level_room ? rows->level_room * 2 : 4;
        Hf__Level **levels = arena_alloc(rows->query->arena, room * sizeof(Hf__Level *));
        if (stock->n_levels > 0)
            memcpy(levels, stock->levels, stock->n_levels * sizeof(Hf__Level *));
        stock->levels = levels;
        rows->level_room = room;
    }
    stock->levels[stock->n_levels++] = store_level_message(level, rows->query->arena);
}

static bool take_row(void *context, const struct code *sku, const struct level *level)
{
    struct stock_rows *rows = context;
    Hf__Answer *answer = &rows->query->answer;
    Hf__Stock *stock = rows->current;

    if (!stock || stock->sku.len != sku->length ||
        memcmp(stock->sku.data, sku->bytes, sku->length) != 0) {
        if (answer->n_stock == rows->limit) {
            answer->more = true;
            return false;
        }
        stock = arena_alloc(rows->query->arena, sizeof *stock);
        hf__stock__init(stock);
        stock->sku = query_bytes(rows->query, (const char *)sku->bytes, sku->length);
        answer->stock[answer->n_stock++] = stock;
        rows->current = stock;
        rows->level_room = 0;
    }
    if (level)
        add_level(rows, level);
    return true;
}

enum db_outcome query_stock(struct query *query)
{
    const Hf__StockQuery *asked = query->asked->stock;
    struct stock_rows rows = {.query = query, .limit = asked->n_skus};

    if (!query_skus(query, asked->skus, asked->n_skus, "stock.skus") ||
        (asked->warehouse.len > 0 && !query_code(query, &asked->warehouse, "stock.warehouse")) ||
        (asked->after.len > 0 && !query_code(query, &asked->after, "stock.after")))
        return DB_OK;
    if (asked->n_skus == 0) {
        if (!query_limit(query, asked->limit, "stock.limit"))
            return DB_OK;
        rows.limit = asked->limit;
    }
    const struct store_stock wanted = {
        .partition = query->slot->partition,
        .skus = asked->skus,
        .sku_count = asked->n_skus,
        .after = asked->after,
        .limit = rows.limit,
        .warehouse = asked->warehouse,
    };
    query->answer.stock = arena_alloc(query->arena, (rows.limit + 1) * sizeof(Hf__Stock *));
    return store_stock(&query->worker->db, &wanted, take_row, &rows);
}

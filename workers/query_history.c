/* SPDX-License-Identifier: MIT
 *
 * What happened: the movements of a level or an item, and what became of operations.
 */
#include <string.h>

#include "workers/history.h"
#include "workers/query_impl.h"
#include "workers/store_movement.h"

static const char select_operations[] = "SELECT c.claim_id,";
static const char from_movement[] =
    " FROM movement t FORCE INDEX (once) LEFT JOIN claim c ON c.partition_id=t.partition_id AND "
    "c.epoch=t.epoch WHERE t.partition_id=";
static const char of_ids[] = " AND t.operation_id IN (";
static const char in_order[] = ") ORDER BY t.operation_id,t.idx";

enum db_outcome query_history(struct query *query)
{
    const Hf__HistoryQuery *asked = query->asked->history;
    struct history history = {.before = asked->before, .limit = asked->limit};
    struct code sku, warehouse;
    struct movement *movements;
    size_t count;

    if (!query_limit(query, asked->limit, "history.limit") ||
        !query_code(query, &asked->sku, "history.sku") ||
        (asked->warehouse.len > 0 && !query_code(query, &asked->warehouse, "history.warehouse")))
        return DB_OK;
    code_set(&sku, asked->sku.data, asked->sku.len);
    code_set(&warehouse, asked->warehouse.data, asked->warehouse.len);
    history.sku = &sku;
    history.warehouse = &warehouse;
    bool more = false;
    enum db_outcome outcome = store_history(&query->worker->db, query->slot->partition, &history,
                                            query->arena, &movements, &count, &more);
    if (outcome != DB_OK)
        return outcome;
    query->answer.more = more;
    query->answer.movements = arena_alloc(query->arena, (count + 1) * sizeof(Hf__Movement *));
    for (size_t i = 0; i < count; i++)
        query->answer.movements[i] = history_message(&movements[i], query->arena);
    query->answer.n_movements = count;
    return DB_OK;
}

struct operation_rows {
    struct query *query;
    struct movement *movements;
    size_t count;
};

static bool operation_reply(void *context, size_t statement, MYSQL_RES *result, uint64_t affected)
{
    struct operation_rows *rows = context;
    MYSQL_ROW row;

    (void)statement;
    rows->movements =
        arena_zalloc(rows->query->arena, ((size_t)affected + 1) * sizeof *rows->movements);
    while (result && (row = mysql_fetch_row(result)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        struct movement *movement = &rows->movements[rows->count++];
        store_movement_read(movement, row + 1, lengths + 1, rows->query->arena);
        if (row[0] && lengths[0] == sizeof movement->claim_id)
            memcpy(movement->claim_id, row[0], sizeof movement->claim_id);
    }
    return true;
}

static void results_from(struct query *query, const struct operation_rows *rows)
{
    Hf__Answer *answer = &query->answer;

    answer->results = arena_alloc(query->arena, (rows->count + 1) * sizeof(Hf__Result *));
    for (size_t first = 0, next; first < rows->count; first = next) {
        const struct movement *movement = &rows->movements[first];
        next = first + 1;
        while (next < rows->count &&
               memcmp(rows->movements[next].operation_id, movement->operation_id, UUID_BYTES) == 0)
            next++;
        if (movement->kind != HF__MOVEMENT_KIND__MOVEMENT_VOIDED)
            answer->results[answer->n_results++] = result_from_movements(
                movement, next - first, movement->claim_id, true, query->arena);
    }
}

enum db_outcome query_operation(struct query *query)
{
    const Hf__OperationQuery *asked = query->asked->operation;
    struct operation_rows rows = {.query = query};
    struct sql sql;

    if (asked->n_operation_ids == 0 || asked->n_operation_ids > QUERY_IDS_MAX)
        return query_refuse(query, asked->n_operation_ids == 0 ? STATUS_invalid : STATUS_too_large,
                            "operation.operation_ids", "names none, or more than 256");
    for (size_t i = 0; i < asked->n_operation_ids; i++) {
        if (asked->operation_ids[i].len != UUID_BYTES)
            return query_refuse(query, STATUS_invalid, "operation.operation_ids",
                                "is not 16 bytes");
    }
    sql_init(&sql);
    sql_add(&sql, select_operations);
    sql_add(&sql, store_movement_columns);
    sql_add(&sql, from_movement);
    sql_uint(&sql, query->slot->partition);
    sql_add(&sql, of_ids);
    for (size_t i = 0; i < asked->n_operation_ids; i++)
        sql_list_hex(&sql, asked->operation_ids[i].data, UUID_BYTES);
    sql_add(&sql, in_order);
    enum db_outcome outcome = db_run(&query->worker->db, &sql, operation_reply, &rows);
    sql_release(&sql);
    if (outcome == DB_OK)
        results_from(query, &rows);
    return outcome;
}

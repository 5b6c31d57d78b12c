/* SPDX-License-Identifier: MIT
 *
 * Runs and what became of their lines; and single movements, by which an undo finds what to undo.
 */
#include <string.h>

#include "workers/history.h"
#include "workers/query_impl.h"
#include "workers/store_movement.h"
#include "workers/store_run.h"

static const char select_word[] = "SELECT ";
static const char from_runs[] = " FROM run t WHERE t.partition_id=";
static const char with_names[] = " AND t.run IN (";
static const char begun_before[] = " AND (t.created_at_us<";
static const char begun_with[] = " OR (t.created_at_us=";
static const char named_after[] = " AND t.run>";
static const char newest_first[] = " ORDER BY t.created_at_us DESC,t.run LIMIT ";
static const char from_blocks[] = " FROM run_line t WHERE t.partition_id=";
static const char of_run[] = " AND t.run=";
static const char from_block[] = " AND t.block>=";
static const char by_block[] = " ORDER BY t.block LIMIT ";
static const char select_movements[] = "SELECT c.claim_id,";
static const char from_movements[] =
    " FROM movement t LEFT JOIN claim c ON c.partition_id=t.partition_id AND c.epoch=t.epoch WHERE "
    "t.partition_id=";
static const char with_seqs[] = " AND t.seq IN (";
static const char by_seq[] = ") ORDER BY t.seq";

/* ------------------------------------------------------------- runs */

static ProtobufCBinaryData code_bytes(struct query *query, const struct code *code)
{
    return query_bytes(query, (const char *)code->bytes, code->length);
}

static Hf__Run *run_message(struct query *query, const struct run *run)
{
    Hf__Run *out = arena_alloc(query->arena, sizeof *out);

    hf__run__init(out);
    out->run = code_bytes(query, &run->run);
    out->digest = query_bytes(query, (const char *)run->digest, sizeof run->digest);
    out->lines = run->lines;
    out->blank = run->blank;
    out->actor = code_bytes(query, &run->actor);
    out->created_at_us = run->created_at_us;
    out->undoes = code_bytes(query, &run->undoes);
    out->state = run->state;
    out->applied = run->applied;
    out->refused = run->refused;
    out->unknown = run->unknown;
    out->changed_at_us = run->changed_at_us;
    out->version = run->version;
    return out;
}

struct run_rows {
    struct query *query;
    size_t limit;
};

static bool run_reply(void *context, size_t statement, MYSQL_RES *result, uint64_t affected)
{
    struct run_rows *rows = context;
    Hf__Answer *answer = &rows->query->answer;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    answer->runs = arena_alloc(rows->query->arena, (rows->limit + 1) * sizeof(Hf__Run *));
    while (result && (row = mysql_fetch_row(result)) != NULL) {
        struct run run;
        if (answer->n_runs == rows->limit) {
            answer->more = true;
            return true;
        }
        store_run_read(&run, row, mysql_fetch_lengths(result));
        answer->runs[answer->n_runs++] = run_message(rows->query, &run);
    }
    return true;
}

static bool check_names(struct query *query, const Hf__RunQuery *asked)
{
    uint32_t partitions = query->worker->config->partitions;

    if (asked->n_runs > QUERY_IDS_MAX) {
        (void)query_refuse(query, STATUS_too_large, "run.runs", "names more than 256");
        return false;
    }
    for (size_t i = 0; i < asked->n_runs; i++) {
        if (!query_code(query, &asked->runs[i], "run.runs"))
            return false;
        uint32_t partition = partition_of_sku(asked->runs[i].data, asked->runs[i].len, partitions);
        if (partition != query->slot->partition) {
            query->answer.partition_wanted = partition;
            (void)query_refuse(query, STATUS_wrong_partition, "run.runs",
                               "names a run of another partition");
            return false;
        }
    }
    if (asked->after.len > 0 && !query_code(query, &asked->after, "run.after"))
        return false;
    return asked->n_runs > 0 || query_limit(query, asked->limit, "run.limit");
}

/* Many runs may have begun at one time: within it they are in the order of their names. */
static void add_cursor(struct sql *sql, const Hf__RunQuery *asked)
{
    sql_add(sql, begun_before);
    sql_int(sql, asked->before_us);
    if (asked->after.len > 0) {
        sql_add(sql, begun_with);
        sql_int(sql, asked->before_us);
        sql_add(sql, named_after);
        sql_hex(sql, asked->after.data, asked->after.len);
        sql_add(sql, ")");
    }
    sql_add(sql, ")");
}

enum db_outcome query_run(struct query *query)
{
    const Hf__RunQuery *asked = query->asked->run;
    struct run_rows rows = {.query = query};
    struct sql sql;

    if (!check_names(query, asked))
        return DB_OK;
    rows.limit = asked->n_runs > 0 ? asked->n_runs : asked->limit;
    sql_init(&sql);
    sql_add(&sql, select_word);
    sql_add(&sql, store_run_columns);
    sql_add(&sql, from_runs);
    sql_uint(&sql, query->slot->partition);
    if (asked->n_runs > 0) {
        sql_add(&sql, with_names);
        for (size_t i = 0; i < asked->n_runs; i++)
            sql_list_hex(&sql, asked->runs[i].data, asked->runs[i].len);
        sql_add(&sql, ")");
    } else if (asked->before_us > 0) {
        add_cursor(&sql, asked);
    }
    sql_add(&sql, newest_first);
    sql_uint(&sql, (uint64_t)rows.limit + 1);
    enum db_outcome outcome = db_run(&query->worker->db, &sql, run_reply, &rows);
    sql_release(&sql);
    return outcome;
}

/* ------------------------------------------------------------- lines */

struct line_rows {
    struct query *query;
    uint32_t after;
    size_t limit;
    uint64_t blocks; /* read at most */
};

static void add_lines(struct line_rows *rows, const Hf__RecordRun *record)
{
    Hf__Answer *answer = &rows->query->answer;

    for (size_t i = 0; i < record->n_lines; i++) {
        if (record->lines[i]->line <= rows->after)
            continue;
        if (answer->n_run_lines == rows->limit) {
            answer->more = true;
            return;
        }
        answer->run_lines[answer->n_run_lines++] = record->lines[i];
    }
}

static bool line_reply(void *context, size_t statement, MYSQL_RES *result, uint64_t affected)
{
    struct line_rows *rows = context;
    struct query *query = rows->query;
    MYSQL_ROW row;

    (void)statement;
    /* Each block has a result, so whoever goes on behind the last one here gets further. */
    query->answer.more = affected == rows->blocks;
    query->answer.run_lines = arena_alloc(query->arena, (rows->limit + 1) * sizeof(Hf__RunLine *));
    while (result && (row = mysql_fetch_row(result)) != NULL) {
        struct run_block block;
        store_run_block_read(&block, row, mysql_fetch_lengths(result), query->arena);
        Hf__RecordRun *record =
            hf__record_run__unpack(&query->arena->allocator, block.detail_bytes, block.detail);
        if (record)
            add_lines(rows, record);
    }
    return true;
}

enum db_outcome query_run_lines(struct query *query)
{
    const Hf__RunLinesQuery *asked = query->asked->run_lines;
    struct line_rows rows = {.query = query,
                             .after = asked->after,
                             .limit = asked->limit,
                             .blocks = (uint64_t)asked->limit / RUN_BLOCK_LINES + 2};
    struct sql sql;

    if (!query_code(query, &asked->run, "run_lines.run") ||
        !query_limit(query, asked->limit, "run_lines.limit"))
        return DB_OK;
    sql_init(&sql);
    sql_add(&sql, select_word);
    sql_add(&sql, store_run_block_columns);
    sql_add(&sql, from_blocks);
    sql_uint(&sql, query->slot->partition);
    sql_add(&sql, of_run);
    sql_hex(&sql, asked->run.data, asked->run.len);
    sql_add(&sql, from_block);
    sql_uint(&sql, asked->after / RUN_BLOCK_LINES);
    sql_add(&sql, by_block);
    sql_uint(&sql, rows.blocks);
    enum db_outcome outcome = db_run(&query->worker->db, &sql, line_reply, &rows);
    sql_release(&sql);
    return outcome;
}

/* ------------------------------------------------------------- movements */

static bool movement_reply(void *context, size_t statement, MYSQL_RES *result, uint64_t affected)
{
    struct query *query = context;
    Hf__Answer *answer = &query->answer;
    MYSQL_ROW row;

    (void)statement;
    answer->movements = arena_alloc(query->arena, ((size_t)affected + 1) * sizeof(Hf__Movement *));
    while (result && (row = mysql_fetch_row(result)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        struct movement movement;
        store_movement_read(&movement, row + 1, lengths + 1, query->arena);
        if (row[0] && lengths[0] == sizeof movement.claim_id)
            memcpy(movement.claim_id, row[0], sizeof movement.claim_id);
        Hf__Movement *message = history_message(&movement, query->arena);
        message->before = movement.prev;
        answer->movements[answer->n_movements++] = message;
    }
    return true;
}

enum db_outcome query_movement(struct query *query)
{
    const Hf__MovementQuery *asked = query->asked->movement;
    struct sql sql;

    if (asked->n_sequences == 0 || asked->n_sequences > QUERY_IDS_MAX)
        return query_refuse(query, asked->n_sequences == 0 ? STATUS_invalid : STATUS_too_large,
                            "movement.sequences", "names none, or more than 256");
    sql_init(&sql);
    sql_add(&sql, select_movements);
    sql_add(&sql, store_movement_columns);
    sql_add(&sql, from_movements);
    sql_uint(&sql, query->slot->partition);
    sql_add(&sql, with_seqs);
    for (size_t i = 0; i < asked->n_sequences; i++)
        sql_list_uint(&sql, asked->sequences[i]);
    sql_add(&sql, by_seq);
    enum db_outcome outcome = db_run(&query->worker->db, &sql, movement_reply, query);
    sql_release(&sql);
    return outcome;
}

/* SPDX-License-Identifier: MIT
 *
 * See store_run.h.
 */
#include "workers/store_run.h"

#include <string.h>

const char store_run_columns[] =
    "t.run,t.file_hash,t.line_count,t.blank,t.actor,t.created_at_us,t.undoes,t.state,t.applied,"
    "t.refused,t.unknown,t.changed_at_us,t.version";
const char store_run_block_columns[] = "t.run,t.block,t.created_at_us,t.version,t.detail";

static const char insert_runs[] =
    "INSERT INTO run (partition_id,run,file_hash,line_count,blank,actor,created_at_us,undoes,state,"
    "applied,refused,unknown,changed_at_us,version) VALUES ";
static const char *const run_names[] = {"p", "r", "b", "st", "ap", "re", "un", "ch", "v", NULL};
static const char run_set[] =
    " STRAIGHT_JOIN run t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.run=n.r AND "
    "t.version=n.b SET t.state=n.st,t.applied=n.ap,t.refused=n.re,t.unknown=n.un,"
    "t.changed_at_us=n.ch,t.version=n.v;";
static const char insert_blocks[] =
    "INSERT INTO run_line (partition_id,run,block,created_at_us,version,detail) VALUES ";
static const char *const block_names[] = {"p", "r", "k", "b", "v", "d", NULL};
static const char block_set[] =
    " STRAIGHT_JOIN run_line t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.run=n.r AND "
    "t.block=n.k AND t.version=n.b SET t.version=n.v,t.detail=n.d;";

void store_run_read(struct run *run, MYSQL_ROW row, const unsigned long *lengths)
{
    memset(run, 0, sizeof *run);
    store_code_read(&run->run, row[0], lengths[0]);
    memcpy(run->digest, row[1], lengths[1] < sizeof run->digest ? lengths[1] : sizeof run->digest);
    run->lines = (uint32_t)db_uint(row[2]);
    run->blank = (uint32_t)db_uint(row[3]);
    store_code_read(&run->actor, row[4], lengths[4]);
    run->created_at_us = db_int(row[5]);
    store_code_read(&run->undoes, row[6], lengths[6]);
    run->state = (Hf__RunState)db_uint(row[7]);
    run->applied = (uint32_t)db_uint(row[8]);
    run->refused = (uint32_t)db_uint(row[9]);
    run->unknown = (uint32_t)db_uint(row[10]);
    run->changed_at_us = db_int(row[11]);
    run->version = db_uint(row[12]);
}

void store_run_block_read(struct run_block *block, MYSQL_ROW row, const unsigned long *lengths,
                          struct arena *arena)
{
    memset(block, 0, sizeof *block);
    store_code_read(&block->run, row[0], lengths[0]);
    block->block = (uint32_t)db_uint(row[1]);
    block->created_at_us = db_int(row[2]);
    block->version = db_uint(row[3]);
    block->detail = arena_copy(arena, row[4], lengths[4]);
    block->detail_bytes = lengths[4];
}

/* Each of these goes through the rows that are new, or those that are not. */

static void add_new_run(struct sql *sql, uint32_t partition, const struct run *run)
{
    sql_add(sql, "(");
    sql_list_uint(sql, partition);
    sql_list_code(sql, &run->run);
    sql_list_hex(sql, run->digest, sizeof run->digest);
    sql_list_uint(sql, run->lines);
    sql_list_uint(sql, run->blank);
    sql_list_code(sql, &run->actor);
    sql_list_int(sql, run->created_at_us);
    sql_list_code(sql, &run->undoes);
    sql_list_uint(sql, (uint64_t)run->state);
    sql_list_uint(sql, run->applied);
    sql_list_uint(sql, run->refused);
    sql_list_uint(sql, run->unknown);
    sql_list_int(sql, run->changed_at_us);
    sql_list_uint(sql, run->version);
    sql_add(sql, "),");
}

/* The last row ended with a comma. */
static void end_list(struct sql *sql, uint64_t count)
{
    if (count > 0)
        sql->bytes[sql->length - 1] = ';';
}

uint64_t store_add_new_runs(struct sql *sql, const struct store_part *parts, size_t count)
{
    uint64_t rows = 0;

    for (size_t p = 0; p < count; p++) {
        const struct changes *changes = &parts[p].changes;
        for (size_t i = 0; i < changes->run_count; i++) {
            if (!changes->runs[i].is_new)
                continue;
            if (rows++ == 0)
                sql_add(sql, insert_runs);
            add_new_run(sql, parts[p].partition, changes->runs[i].run);
        }
    }
    end_list(sql, rows);
    return rows;
}

uint64_t store_add_run_updates(struct sql *sql, const struct store_part *parts, size_t count)
{
    struct sql_rows rows;
    uint64_t found = 0;

    for (size_t p = 0; p < count; p++) {
        const struct changes *changes = &parts[p].changes;
        for (size_t i = 0; i < changes->run_count; i++) {
            const struct run *run = changes->runs[i].run;
            if (changes->runs[i].is_new)
                continue;
            if (found++ == 0) {
                sql_add(sql, "UPDATE ");
                sql_rows_begin(sql, &rows, run_names);
            }
            sql_rows_next(sql, &rows);
            sql_rows_uint(sql, &rows, parts[p].partition);
            sql_rows_code(sql, &rows, &run->run);
            sql_rows_uint(sql, &rows, changes->runs[i].base_version);
            sql_rows_uint(sql, &rows, (uint64_t)run->state);
            sql_rows_uint(sql, &rows, run->applied);
            sql_rows_uint(sql, &rows, run->refused);
            sql_rows_uint(sql, &rows, run->unknown);
            sql_rows_int(sql, &rows, run->changed_at_us);
            sql_rows_uint(sql, &rows, run->version);
        }
    }
    if (found == 0)
        return 0;
    sql_rows_end(sql, &rows);
    sql_add(sql, run_set);
    return found;
}

uint64_t store_add_new_blocks(struct sql *sql, const struct store_part *parts, size_t count)
{
    uint64_t rows = 0;

    for (size_t p = 0; p < count; p++) {
        const struct changes *changes = &parts[p].changes;
        for (size_t i = 0; i < changes->block_count; i++) {
            const struct run_block *block = changes->blocks[i].block;
            if (!changes->blocks[i].is_new)
                continue;
            if (rows++ == 0)
                sql_add(sql, insert_blocks);
            sql_add(sql, "(");
            sql_list_uint(sql, parts[p].partition);
            sql_list_code(sql, &block->run);
            sql_list_uint(sql, block->block);
            sql_list_int(sql, block->created_at_us);
            sql_list_uint(sql, block->version);
            sql_list_hex(sql, block->detail, block->detail_bytes);
            sql_add(sql, "),");
        }
    }
    end_list(sql, rows);
    return rows;
}

uint64_t store_add_block_updates(struct sql *sql, const struct store_part *parts, size_t count)
{
    struct sql_rows rows;
    uint64_t found = 0;

    for (size_t p = 0; p < count; p++) {
        const struct changes *changes = &parts[p].changes;
        for (size_t i = 0; i < changes->block_count; i++) {
            const struct run_block *block = changes->blocks[i].block;
            if (changes->blocks[i].is_new)
                continue;
            if (found++ == 0) {
                sql_add(sql, "UPDATE ");
                sql_rows_begin(sql, &rows, block_names);
            }
            sql_rows_next(sql, &rows);
            sql_rows_uint(sql, &rows, parts[p].partition);
            sql_rows_code(sql, &rows, &block->run);
            sql_rows_uint(sql, &rows, block->block);
            sql_rows_uint(sql, &rows, changes->blocks[i].base_version);
            sql_rows_uint(sql, &rows, block->version);
            sql_rows_hex(sql, &rows, block->detail, block->detail_bytes);
        }
    }
    if (found == 0)
        return 0;
    sql_rows_end(sql, &rows);
    sql_add(sql, block_set);
    return found;
}

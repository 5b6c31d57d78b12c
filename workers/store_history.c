/* SPDX-License-Identifier: MIT
 *
 * Following the chain, a stretch at a time: servers bound the depth of a recursive query (1,000 by
 * default), so a long way back takes several.
 */
#include "workers/store_history.h"

#include <string.h>

#include "workers/store_movement.h"
#include "workers/store_rows.h"

/* Movements in one recursive query, and queries for one answer. */
#define STRETCH 500u
#define STRETCHES_MAX 64u
/* Rows of the ledger that one look for the movement of a level before another one's reads. */
#define LOOK_ROWS 4096u

static const char newest_of_level[] =
    "SELECT version,on_hand_version FROM stock_level WHERE partition_id=";
static const char newest_of_item[] = "SELECT version FROM item WHERE partition_id=";
static const char before_movement[] = "SELECT prev FROM movement WHERE partition_id=";
static const char select_pruned[] = ";SELECT pruned_seq FROM `partition` WHERE partition_id=";
static const char look_back[] =
    "SELECT seq FROM movement FORCE INDEX (PRIMARY) WHERE partition_id=";
static const char look_newest[] = " ORDER BY seq DESC LIMIT 1";
static const char and_seq_before[] = " AND seq<";
static const char and_seq_from[] = " AND seq>=";
static const char and_sku[] = " AND sku=";
static const char and_warehouse[] = " AND warehouse=";
static const char and_seq[] = " AND seq=";
static const char chain_head[] =
    "WITH RECURSIVE chain (seq,prev,depth) AS (SELECT seq,prev,1 FROM movement WHERE partition_id=";
static const char chain_step[] =
    " UNION ALL SELECT m.seq,m.prev,c.depth+1 FROM chain c STRAIGHT_JOIN movement m FORCE INDEX "
    "(PRIMARY) ON m.partition_id=";
static const char chain_prev[] = " AND m.seq=c.prev";
/* Whatever else happened in between is stepped over: each movement tells which was the last that
 * changed on_hand. */
static const char chain_jump[] =
    " UNION ALL SELECT m.seq,m.prev,c.depth+1 FROM chain c STRAIGHT_JOIN movement p FORCE INDEX "
    "(PRIMARY) ON p.seq=c.prev AND p.partition_id=";
static const char chain_land[] =
    " STRAIGHT_JOIN movement m FORCE INDEX (PRIMARY) ON m.seq=p.on_hand_version AND "
    "m.partition_id=";
static const char chain_limit[] = " WHERE c.depth<";
static const char chain_select[] = ") SELECT c.claim_id,";
static const char chain_rows[] =
    " FROM chain STRAIGHT_JOIN movement t FORCE INDEX (PRIMARY) ON t.seq=chain.seq AND "
    "t.partition_id=";
static const char chain_claim[] =
    " LEFT JOIN claim c ON c.partition_id=t.partition_id AND c.epoch=t.epoch ORDER BY t.seq DESC";

struct walk {
    const struct history *history;
    struct arena *arena;
    struct movement *movements; /* room for limit + 1 */
    size_t count;
    bool jump;  /* only to those that changed on_hand */
    bool begun; /* what comes is before history->before */
    uint64_t pruned;
    uint64_t looked; /* the ledger was looked through from history->before down to here */
    uint64_t next;   /* the movement to go on from; 0: the chain ended */
    uint64_t rows;   /* of the last stretch */
};

static bool before_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct walk *walk = context;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)affected;
    if (statement == 1) {
        walk->pruned = row ? db_uint(row[0]) : 0;
    } else if (row) {
        walk->next = db_uint(row[0]);
        walk->begun = true;
    }
    return true;
}

static bool look_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct walk *walk = context;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)statement;
    (void)affected;
    if (row) {
        walk->next = db_uint(row[0]);
        walk->begun = true;
    }
    return true;
}

static bool newest_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct walk *walk = context;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)statement;
    (void)affected;
    if (row)
        walk->next = db_uint(row[walk->jump ? 1 : 0]);
    return true;
}

static bool stretch_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct walk *walk = context;
    const struct history *history = walk->history;
    MYSQL_ROW row;

    (void)statement;
    walk->rows = affected;
    while (rows && walk->count <= history->limit && (row = mysql_fetch_row(rows)) != NULL) {
        struct movement *movement = &walk->movements[walk->count];
        unsigned long *lengths = mysql_fetch_lengths(rows);
        store_movement_read(movement, row + 1, lengths + 1, walk->arena);
        if (row[0] && lengths[0] == sizeof movement->claim_id)
            memcpy(movement->claim_id, row[0], sizeof movement->claim_id);
        walk->next = movement->prev;
        if (movement->seq <= history->since) {
            walk->next = 0;
            return true;
        }
        if (history->before != 0 && movement->seq >= history->before)
            continue;
        walk->begun = true;
        if (history->on_hand_only && movement->d_on_hand == 0)
            continue;
        walk->count++;
    }
    return true;
}

/* The rows of the level or item that is asked for. */
static void add_of(struct sql *sql, uint32_t partition, const struct history *history,
                   bool has_warehouse)
{
    sql_uint(sql, partition);
    sql_add(sql, and_sku);
    sql_hex(sql, history->sku->bytes, history->sku->length);
    if (has_warehouse) {
        sql_add(sql, and_warehouse);
        sql_hex(sql, history->warehouse->bytes, history->warehouse->length);
    }
}

static enum db_outcome find_newest(struct db *db, uint32_t partition, struct walk *walk)
{
    const struct history *history = walk->history;
    bool of_level = history->warehouse->length > 0;
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, of_level ? newest_of_level : newest_of_item);
    add_of(&sql, partition, history, of_level);
    enum db_outcome outcome = db_run(db, &sql, newest_reply, walk);
    sql_release(&sql);
    return outcome;
}

/* Goes on from where the page before ended: from the newest, each page would cost all those before
 * it. */
static enum db_outcome find_before(struct db *db, uint32_t partition, struct walk *walk)
{
    const struct history *history = walk->history;
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, before_movement);
    add_of(&sql, partition, history, true);
    sql_add(&sql, and_seq);
    sql_uint(&sql, history->before);
    sql_add(&sql, select_pruned);
    sql_uint(&sql, partition);
    enum db_outcome outcome = db_run(db, &sql, before_reply, walk);
    sql_release(&sql);
    return outcome;
}

/* `before` is another level's. A level that has moved often since has moved not long before either,
 * and is found in the ledger itself; of one that has not, the chain is short. */
static enum db_outcome look_further(struct db *db, uint32_t partition, struct walk *walk)
{
    uint64_t from = walk->looked > LOOK_ROWS ? walk->looked - LOOK_ROWS : 0;
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, look_back);
    add_of(&sql, partition, walk->history, true);
    sql_add(&sql, and_seq_before);
    sql_uint(&sql, walk->looked);
    sql_add(&sql, and_seq_from);
    sql_uint(&sql, from);
    sql_add(&sql, look_newest);
    enum db_outcome outcome = db_run(db, &sql, look_reply, walk);
    sql_release(&sql);
    walk->looked = from;
    if (outcome == DB_OK && !walk->begun && from <= walk->pruned)
        walk->next = 0; /* it has none */
    return outcome;
}

static void build_stretch(struct sql *sql, uint32_t partition, const struct walk *walk)
{
    size_t length = STRETCH;

    /* None of them will be left out. */
    if (walk->jump || (!walk->history->on_hand_only && walk->begun))
        length = walk->history->limit + 1 - walk->count;
    sql_add(sql, chain_head);
    sql_uint(sql, partition);
    sql_add(sql, and_seq);
    sql_uint(sql, walk->next);
    if (walk->jump) {
        sql_add(sql, chain_jump);
        sql_uint(sql, partition);
        sql_add(sql, chain_land);
        sql_uint(sql, partition);
    } else {
        sql_add(sql, chain_step);
        sql_uint(sql, partition);
        sql_add(sql, chain_prev);
    }
    sql_add(sql, chain_limit);
    sql_uint(sql, length < STRETCH ? length : STRETCH);
    sql_add(sql, chain_select);
    sql_add(sql, store_movement_columns);
    sql_add(sql, chain_rows);
    sql_uint(sql, partition);
    sql_add(sql, chain_claim);
}

enum db_outcome store_history(struct db *db, uint32_t partition, const struct history *history,
                              struct arena *arena, struct movement **movements, size_t *count,
                              bool *more)
{
    struct walk walk = {.history = history, .arena = arena};
    enum db_outcome outcome = DB_OK;
    struct sql sql;

    walk.movements = arena_zalloc(arena, (history->limit + 1) * sizeof *walk.movements);
    walk.jump = history->on_hand_only && history->before == 0 && history->warehouse->length > 0;
    walk.begun = history->before == 0;
    walk.looked = history->before;
    if (history->before != 0)
        outcome = find_before(db, partition, &walk);
    bool is_gone = history->before != 0 && history->before <= walk.pruned + 1;
    if (outcome == DB_OK && !is_gone && (history->before == 0 || !walk.begun))
        outcome = find_newest(db, partition, &walk);
    sql_init(&sql);
    for (unsigned i = 0;
         outcome == DB_OK && walk.next != 0 && walk.count <= history->limit && i < STRETCHES_MAX;
         i++) {
        sql_reset(&sql);
        build_stretch(&sql, partition, &walk);
        outcome = db_run(db, &sql, stretch_reply, &walk);
        if (walk.jump || walk.rows == 0) { /* all of them; pruned */
            walk.next = 0;
            break;
        }
        if (outcome == DB_OK && !walk.begun && walk.next != 0)
            outcome = look_further(db, partition, &walk);
    }
    sql_release(&sql);
    /* Given up on the way: there may be more. */
    *more = walk.count > history->limit || walk.next != 0;
    *count = *more ? history->limit : walk.count;
    *movements = walk.movements;
    return outcome;
}

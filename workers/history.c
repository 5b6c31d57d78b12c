/* SPDX-License-Identifier: MIT
 *
 * Following the chain, a stretch at a time: servers bound the depth of a recursive query (1,000 by
 * default), so a long way back takes several.
 */
#include "workers/history.h"

#include <string.h>

#include "common/log.h"

/* Movements in one recursive query, and queries for one answer. */
#define STRETCH 500u
#define STRETCHES_MAX 64u

static const char newest_of_level[] = "SELECT version FROM stock_level WHERE partition_id=";
static const char newest_of_item[] = "SELECT version FROM item WHERE partition_id=";
static const char and_sku[] = " AND sku=";
static const char and_warehouse[] = " AND warehouse=";
static const char chain_head[] =
    "WITH RECURSIVE chain (seq,prev,depth) AS (SELECT seq,prev,1 FROM movement WHERE partition_id=";
static const char chain_seq[] = " AND seq=";
static const char chain_step[] =
    " UNION ALL SELECT m.seq,m.prev,c.depth+1 FROM chain c STRAIGHT_JOIN movement m FORCE INDEX "
    "(PRIMARY) ON m.partition_id=";
static const char chain_limit[] = " AND m.seq=c.prev WHERE c.depth<";
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
    uint64_t next; /* the movement to go on from; 0: the chain ended */
    uint64_t rows; /* of the last stretch */
};

static bool newest_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct walk *walk = context;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)statement;
    (void)affected;
    if (row)
        walk->next = db_uint(row[0]);
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
        if (history->on_hand_only && movement->d_on_hand == 0)
            continue;
        walk->count++;
    }
    return true;
}

static void build_stretch(struct sql *sql, uint32_t partition, uint64_t from)
{
    sql_add(sql, chain_head);
    sql_uint(sql, partition);
    sql_add(sql, chain_seq);
    sql_uint(sql, from);
    sql_add(sql, chain_step);
    sql_uint(sql, partition);
    sql_add(sql, chain_limit);
    sql_uint(sql, STRETCH);
    sql_add(sql, chain_select);
    sql_add(sql, store_movement_columns);
    sql_add(sql, chain_rows);
    sql_uint(sql, partition);
    sql_add(sql, chain_claim);
}

static enum db_outcome find_newest(struct worker *worker, uint32_t partition, struct walk *walk)
{
    const struct history *history = walk->history;
    bool of_level = history->warehouse->length > 0;
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, of_level ? newest_of_level : newest_of_item);
    sql_uint(&sql, partition);
    sql_add(&sql, and_sku);
    sql_hex(&sql, history->sku->bytes, history->sku->length);
    if (of_level) {
        sql_add(&sql, and_warehouse);
        sql_hex(&sql, history->warehouse->bytes, history->warehouse->length);
    }
    enum db_outcome outcome = db_run(&worker->db, &sql, newest_reply, walk);
    sql_release(&sql);
    return outcome;
}

enum db_outcome history_read(struct worker *worker, uint32_t partition,
                             const struct history *history, struct arena *arena,
                             struct movement **movements, size_t *count, bool *more)
{
    struct walk walk = {.history = history, .arena = arena};
    struct sql sql;

    walk.movements = arena_zalloc(arena, (history->limit + 1) * sizeof *walk.movements);
    enum db_outcome outcome = find_newest(worker, partition, &walk);
    sql_init(&sql);
    for (unsigned i = 0;
         outcome == DB_OK && walk.next != 0 && walk.count <= history->limit && i < STRETCHES_MAX;
         i++) {
        sql_reset(&sql);
        build_stretch(&sql, partition, walk.next);
        outcome = db_run(&worker->db, &sql, stretch_reply, &walk);
        if (walk.rows == 0) /* pruned */
            break;
    }
    sql_release(&sql);
    *more = walk.count > history->limit;
    *count = *more ? history->limit : walk.count;
    *movements = walk.movements;
    return outcome;
}

static ProtobufCBinaryData code_bytes(const struct code *code, struct arena *arena)
{
    return (ProtobufCBinaryData){.len = code->length,
                                 .data = arena_copy(arena, code->bytes, code->length)};
}

Hf__Movement *history_message(const struct movement *m, struct arena *arena)
{
    Hf__Movement *out = arena_alloc(arena, sizeof *out);

    hf__movement__init(out);
    out->partition = m->partition;
    out->sequence = m->seq;
    out->operation_id.len = UUID_BYTES;
    out->operation_id.data = arena_copy(arena, m->operation_id, UUID_BYTES);
    out->index = m->idx;
    out->kind = m->kind;
    out->at_us = m->at_us;
    out->sku = code_bytes(&m->sku, arena);
    out->warehouse = code_bytes(&m->warehouse, arena);
    out->on_hand_change = (int32_t)m->d_on_hand;
    out->reserved_change = (int32_t)m->d_reserved;
    out->committed_change = (int32_t)m->d_committed;
    out->unavailable_change = (int32_t)m->d_unavailable;
    if (m->warehouse.length > 0 && m->sku.length > 0) {
        struct level level = {.sku = m->sku,
                              .warehouse = m->warehouse,
                              .now = m->after,
                              .version = m->seq,
                              .on_hand_version = m->on_hand_version};
        out->after = store_level_message(&level, arena);
    }
    if (m->has_reservation) {
        char text[RESERVATION_TEXT_BYTES];
        reservation_id_format(m->reservation_id, text);
        out->reservation.len = strlen(text);
        out->reservation.data = arena_copy(arena, text, strlen(text));
    }
    out->state = m->state;
    out->expires_at_us = m->expires_at_us;
    out->order = m->order;
    out->reason = m->reason;
    out->reference = m->reference;
    out->note = m->note;
    out->actor = m->actor;
    out->principal = m->principal;
    out->undoes = m->undoes;
    out->claim_id.len = sizeof m->claim_id;
    out->claim_id.data = arena_copy(arena, m->claim_id, sizeof m->claim_id);
    out->trace = m->trace;
    return out;
}

void history_moved(struct worker *worker, struct slot *slot, struct decision *decision)
{
    struct history history = {
        .sku = &decision->moved_sku,
        .warehouse = &decision->moved_warehouse,
        .since = decision->moved_since,
        .on_hand_only = true,
        .limit = HISTORY_MOVED_MAX,
    };
    struct movement *movements;
    size_t count;
    bool more;

    if (history_read(worker, slot->partition, &history, &worker->arena, &movements, &count,
                     &more) != DB_OK) {
        log_limited(LOG_WARN, "partition=%u could not read what moved: %s", slot->partition,
                    db_error(&worker->db));
        return;
    }
    Hf__Movement **list = arena_alloc(&worker->arena, (count + 1) * sizeof(Hf__Movement *));
    for (size_t i = 0; i < count; i++)
        list[i] = history_message(&movements[i], &worker->arena);
    decision->result->moved = list;
    decision->result->n_moved = count;
}

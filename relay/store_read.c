/* SPDX-License-Identifier: MIT
 *
 * Reading the ledger, several partitions in one transaction that sees one moment: where they stand,
 * whether the positions asked from are history here, and the movements after them.
 */
#include <stdlib.h>
#include <string.h>

#include "relay/standing.h"
#include "relay/store.h"
#include "workers/history.h"
#include "workers/store_movement.h"
#include "workers/store_rows.h"

static const char begin[] = "START TRANSACTION WITH CONSISTENT SNAPSHOT";
/* One SELECT for all: a UNION of many costs the server more than its rows do. */
static const char select_movements[] = "SELECT c.claim_id,";
static const char from_movements[] =
    " FROM movement t FORCE INDEX (PRIMARY) LEFT JOIN claim c ON c.partition_id=t.partition_id AND "
    "c.epoch=t.epoch WHERE ";
static const char or_partition[] = " OR (t.partition_id=";
static const char first_partition[] = "(t.partition_id=";
static const char seq_between[] = " AND t.seq BETWEEN ";
static const char and_last[] = " AND ";
static const char movements_end[] = " ORDER BY t.partition_id,t.seq";

struct reading {
    struct job *job;
    struct standing standing;
    struct arena arena;
};

/* ------------------------------------------------------------- where partitions stand */

void job_look(struct db *db, struct job *job)
{
    struct standing standing = {0};

    if (standing_read(db, NULL, 0, &standing)) {
        free(job->looks);
        job->looks = standing.looks;
        job->look_count = standing.look_count;
        standing.looks = NULL;
        job->outcome = JOB_DONE;
    }
    standing_release(&standing);
}

static bool read_standing(struct db *db, struct reading *r)
{
    uint32_t partitions[ASKS_MAX];

    for (size_t i = 0; i < r->job->ask_count; i++)
        partitions[i] = r->job->asks[i].partition;
    return db_run_text(db, begin) == DB_OK &&
           standing_read(db, partitions, r->job->ask_count, &r->standing);
}

/* ------------------------------------------------------------- is it history */

/* The newest position that was given and is history still: by the marks, the newest first. */
static void find_place(const struct reading *r, struct ask *ask, uint64_t end)
{
    ask->place = ask->from;
    ask->place.seq = end;
    for (size_t i = ask->mark_count; ask->place.seq == 0 && i > 0; i--) {
        const struct mark *mark = &ask->marks[i - 1];
        uint64_t given = i < ask->mark_count ? ask->marks[i].first - 1 : ask->from.seq;
        struct position at = {.seq = given};
        memcpy(at.claim, mark->claim, CLAIM_BYTES);
        (void)standing_is_history(&r->standing, ask->partition, &at, &end);
        at.seq = end < given ? end : given;
        ask->place = at;
    }
}

static void judge(const struct reading *r, struct ask *ask)
{
    const struct look *look = standing_of(&r->standing, ask->partition);
    uint64_t end;

    if (!look) {
        ask->outcome = ASK_ELSEWHERE;
        return;
    }
    ask->now = look->now;
    ask->pruned = look->pruned;
    ask->outcome = ASK_DONE;
    bool is_history = standing_is_history(&r->standing, ask->partition, &ask->from, &end);
    /* Of what is behind the retention the claim may be forgotten too. */
    if (ask->from.seq < ask->pruned && (is_history || end == 0)) {
        ask->outcome = ASK_PRUNED;
    } else if (!is_history) {
        ask->outcome = ASK_LOST;
        find_place(r, ask, end);
    }
}

/* ------------------------------------------------------------- movements */

static struct event *pack(struct reading *r, const struct movement *movement)
{
    Hf__Movement *message = history_message(movement, &r->arena);
    /* They are the movement's: left out, as in CHANGES. */
    if (message->after)
        message->after->sku.len = message->after->warehouse.len = 0;
    size_t bytes = hf__movement__get_packed_size(message);
    struct event *event = malloc(sizeof *event + bytes);

    if (!event)
        abort();
    event->at.seq = movement->seq;
    memcpy(event->at.claim, movement->claim_id, CLAIM_BYTES);
    event->bytes = bytes;
    hf__movement__pack(message, event->packed);
    return event;
}

/* Does this ask want movements, and is the movement the next of them? */
static bool is_next(const struct ask *ask, const struct movement *movement)
{
    uint64_t before =
        ask->event_count > 0 ? ask->events[ask->event_count - 1]->at.seq : ask->from.seq;

    return ask->outcome == ASK_DONE && ask->event_count < ask->limit &&
           ask->partition == movement->partition && movement->seq == before + 1;
}

/* Rows come by partition and in order of seq; one may be of several asks. A gap would be a broken
 * ledger, and nothing after it is given. */
static bool see_movements(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct reading *r = context;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        struct movement movement;
        arena_reset(&r->arena);
        store_movement_read(&movement, row + 1, lengths + 1, &r->arena);
        if (row[0] && lengths[0] == CLAIM_BYTES)
            memcpy(movement.claim_id, row[0], CLAIM_BYTES);
        for (size_t i = 0; i < r->job->ask_count; i++) {
            struct ask *ask = &r->job->asks[i];
            if (!is_next(ask, &movement))
                continue;
            if (!ask->events)
                ask->events = calloc(ask->limit, sizeof(struct event *));
            if (!ask->events)
                abort();
            ask->events[ask->event_count++] = pack(r, &movement);
        }
    }
    return rows != NULL;
}

static bool read_movements(struct db *db, struct reading *r)
{
    struct sql sql;
    size_t parts = 0;

    sql_init(&sql);
    sql_add(&sql, select_movements);
    sql_add(&sql, store_movement_columns);
    sql_add(&sql, from_movements);
    for (size_t i = 0; i < r->job->ask_count; i++) {
        struct ask *ask = &r->job->asks[i];
        if (ask->outcome != ASK_DONE || ask->limit == 0 || ask->now.seq <= ask->from.seq)
            continue;
        sql_add(&sql, parts++ > 0 ? or_partition : first_partition);
        sql_uint(&sql, ask->partition);
        sql_add(&sql, seq_between);
        sql_uint(&sql, ask->from.seq + 1);
        sql_add(&sql, and_last);
        sql_uint(&sql, ask->from.seq + ask->limit);
        sql_add(&sql, ")");
    }
    sql_add(&sql, movements_end);
    bool ok = parts == 0 || db_run(db, &sql, see_movements, r) == DB_OK;
    sql_release(&sql);
    return ok;
}

static void forget_events(struct job *job)
{
    for (size_t i = 0; i < job->ask_count; i++) {
        for (size_t e = 0; e < job->asks[i].event_count; e++)
            free(job->asks[i].events[e]);
        free(job->asks[i].events);
        job->asks[i].events = NULL;
        job->asks[i].event_count = 0;
    }
}

void job_read(struct db *db, struct job *job)
{
    struct reading r = {.job = job};

    arena_init(&r.arena);
    forget_events(job);
    if (read_standing(db, &r)) {
        for (size_t i = 0; i < job->ask_count; i++)
            judge(&r, &job->asks[i]);
        if (read_movements(db, &r))
            job->outcome = JOB_DONE;
    }
    if (job->outcome != JOB_DONE)
        forget_events(job);
    standing_release(&r.standing);
    arena_release(&r.arena);
}

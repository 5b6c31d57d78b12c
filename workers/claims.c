/* SPDX-License-Identifier: MIT
 *
 * Looking, taking and handing over, each one transaction for all partitions concerned.
 */
#include "workers/claims.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/store.h"

/* A lease is taken for over so much before the row says it, for the time that the answer took. */
#define LEASE_MARGIN_US 200000
/* Due reservations of a claim are read in pages of so many. */
#define DUE_PAGE 20000

static const char look_worker[] = "INSERT INTO worker (instance,name,lease_until_us) VALUES (";
static const char look_worker_lease[] =
    ") ON DUPLICATE KEY UPDATE lease_until_us=VALUES(lease_until_us);";
static const char look_now[] = "SELECT " STORE_NOW ";";
static const char look_workers[] = "SELECT COUNT(*),COALESCE(SUM(instance<";
static const char look_workers_live[] = "),0) FROM worker WHERE lease_until_us>" STORE_NOW ";";
static const char look_partitions[] =
    "SELECT partition_id,epoch,claim_id,connection_id,owner='' OR lease_until_us<" STORE_NOW
    ",instance=";
static const char look_partitions_end[] =
    " FROM `partition` WHERE moved_to IS NULL ORDER BY partition_id";
static const char look_renew[] = ";UPDATE ";
static const char look_renew_set[] =
    " STRAIGHT_JOIN `partition` t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.epoch=n.e AND "
    "t.claim_id=n.c SET t.lease_until_us=" STORE_NOW "+";

static const char *const claim_names[] = {"p", "e", "c", NULL};
static const char claim_update[] = "START TRANSACTION;UPDATE ";
static const char claim_join[] =
    " STRAIGHT_JOIN `partition` t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.epoch=n.e AND "
    "t.moved_to IS NULL AND (t.owner='' OR t.lease_until_us<" STORE_NOW " OR t.instance=";
static const char claim_set[] = ") SET t.epoch=t.epoch+1,t.claim_id=n.c,t.connection_id="
                                "CONNECTION_ID(),t.lease_until_us=" STORE_NOW "+";
static const char claim_owner[] = ",t.owner=";
static const char claim_instance[] = ",t.instance=";
static const char claim_record[] =
    ";INSERT INTO claim (partition_id,epoch,claim_id,first_seq,owner,claimed_at_us) SELECT "
    "t.partition_id,t.epoch,t.claim_id,t.last_seq+1,t.owner," STORE_NOW " FROM ";
static const char claim_mine[] =
    " STRAIGHT_JOIN `partition` t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.claim_id=n.c";
static const char claim_select[] =
    ";SELECT t.partition_id,t.epoch,t.claim_id,t.last_seq,t.clock_high_us,t.clock_offset_us,"
    "t.pruned_seq," STORE_NOW " FROM ";

static const char *const offset_names[] = {"p", "c", "o", NULL};
static const char offset_set[] = " SET t.clock_offset_us=n.o";

static const char release_set[] =
    " STRAIGHT_JOIN `partition` t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.epoch=n.e AND "
    "t.claim_id=n.c SET t.owner='',t.lease_until_us=0,t.connection_id=0";
static const char worker_delete[] = "DELETE FROM worker WHERE instance=";

static const char due_select[] =
    "SELECT reservation_id,expires_at_us FROM reservation FORCE INDEX (due) WHERE partition_id=";
static const char due_state[] = " AND state=2 AND (expires_at_us>";
static const char due_same[] = " OR (expires_at_us=";
static const char due_after[] = " AND reservation_id>";
static const char due_order[] = ")) ORDER BY expires_at_us,reservation_id LIMIT ";

static int64_t lease_us(const struct worker *worker)
{
    return (int64_t)worker->config->windows.lease_ms * 1000;
}

static void random_bytes(void *bytes, size_t size)
{
    if (getrandom(bytes, size, 0) != (ssize_t)size)
        abort(); /* cannot happen for so few bytes, and nothing else would be random */
}

struct slot *worker_slot(struct worker *worker, uint32_t partition)
{
    struct claims *claims = &worker->claims;

    if (!claims->index || partition >= worker->config->partitions || claims->index[partition] < 0)
        return NULL;
    struct slot *slot = &claims->slots[claims->index[partition]];
    return slot->state == SLOT_OTHER ? NULL : slot;
}

int64_t slot_now_us(const struct worker *worker, const struct slot *slot)
{
    int64_t now_us =
        timeline_now_us(&worker->timeline, clock_monotonic_us()) + slot->clock_offset_us;
    return now_us > slot->clock_high_us ? now_us : slot->clock_high_us;
}

/* The one function that changes a slot's state. */
static void become(struct worker *worker, struct slot *slot, enum slot_state state)
{
    struct claims *claims = &worker->claims;

    if (slot->state == SLOT_OTHER && state != SLOT_OTHER)
        claims->owned++;
    if (slot->state != SLOT_OTHER && state == SLOT_OTHER)
        claims->owned--;
    if (slot->state != state && (slot->state == SLOT_OTHER || state == SLOT_OTHER))
        claims->changed = true;
    slot->state = state;
    if (state == SLOT_OTHER && slot->ledger)
        ledger_destroy(&slot->ledger);
}

void claims_release_memory(struct worker *worker)
{
    struct claims *claims = &worker->claims;

    for (size_t i = 0; i < claims->count; i++) {
        if (claims->slots[i].ledger)
            ledger_destroy(&claims->slots[i].ledger);
    }
    free(claims->slots);
    free(claims->index);
    *claims = (struct claims){0};
}

/* ------------------------------------------------------------- looking */

enum look_statement {
    LOOK_WORKER,
    LOOK_NOW,
    LOOK_WORKERS,
    LOOK_PARTITIONS,
};

struct look {
    struct worker *worker;
    uint64_t workers, rank; /* live ones, and how many of them come before us */
    int64_t server_us;
};

/* The slots are those partitions that the shard holds; a partition may move in, so it is found
 * again when the number changes. */
static void resize(struct claims *claims, uint32_t partitions, MYSQL_RES *rows)
{
    size_t count = (size_t)mysql_num_rows(rows);
    MYSQL_ROW row;

    if (claims->count == count)
        return;
    struct slot *slots = calloc(count + 1, sizeof *slots);
    int32_t *index = malloc(partitions * sizeof *index);
    if (!slots || !index)
        abort();
    for (uint32_t p = 0; p < partitions; p++)
        index[p] = -1;
    size_t filled = 0;
    while ((row = mysql_fetch_row(rows)) != NULL) {
        uint64_t partition = db_uint(row[0]);
        if (partition >= partitions)
            continue;
        if (claims->index && claims->index[partition] >= 0) {
            slots[filled] = claims->slots[claims->index[partition]];
            claims->slots[claims->index[partition]].ledger = NULL;
        }
        slots[filled].partition = (uint32_t)partition;
        index[partition] = (int32_t)filled++;
    }
    for (size_t i = 0; i < claims->count; i++) {
        if (claims->slots[i].ledger)
            ledger_destroy(&claims->slots[i].ledger);
    }
    free(claims->slots);
    free(claims->index);
    claims->slots = slots;
    claims->index = index;
    claims->count = filled;
    claims->owned = 0;
    for (size_t i = 0; i < filled; i++)
        claims->owned += slots[i].state != SLOT_OTHER;
    claims->changed = true;
    mysql_data_seek(rows, 0);
}

static void see_partitions(struct look *look, MYSQL_RES *rows)
{
    struct worker *worker = look->worker;
    struct claims *claims = &worker->claims;
    int64_t now_us = clock_monotonic_us();
    MYSQL_ROW row;

    resize(claims, worker->config->partitions, rows);
    while ((row = mysql_fetch_row(rows)) != NULL) {
        uint64_t partition = db_uint(row[0]);
        unsigned long *lengths = mysql_fetch_lengths(rows);
        if (partition >= worker->config->partitions || claims->index[partition] < 0)
            continue;
        struct slot *slot = &claims->slots[claims->index[partition]];
        slot->seen_epoch = db_uint(row[1]);
        slot->seen_connection = db_uint(row[3]);
        slot->seen_free = db_uint(row[4]) != 0;
        slot->seen_mine = db_uint(row[5]) != 0;
        bool ours = slot->seen_epoch == slot->epoch && lengths[2] == sizeof slot->claim_id &&
                    memcmp(row[2], slot->claim_id, sizeof slot->claim_id) == 0;
        if (slot->state == SLOT_OWNED && !ours) {
            log_warn("partition=%u epoch=%llu lost: another worker has claimed it", slot->partition,
                     (unsigned long long)slot->epoch);
            become(worker, slot, SLOT_OTHER);
        } else if (slot->state == SLOT_OWNED) {
            slot->lease_until_us = now_us + lease_us(worker) - LEASE_MARGIN_US;
        }
    }
}

static bool look_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct look *look = context;
    MYSQL_ROW row = NULL;

    (void)affected;
    if (statement == LOOK_PARTITIONS && rows) {
        see_partitions(look, rows);
        return true;
    }
    if (rows)
        row = mysql_fetch_row(rows);
    if (statement == LOOK_NOW && row)
        look->server_us = db_int(row[0]);
    if (statement == LOOK_WORKERS && row) {
        look->workers = db_uint(row[0]);
        look->rank = db_uint(row[1]);
    }
    return true;
}

/* What is ours by the row, whatever the answer to the SELECT before it will say. */
static void add_renewal(struct sql *sql, const struct worker *worker)
{
    const struct claims *claims = &worker->claims;
    struct sql_rows rows;
    size_t count = 0;

    for (size_t i = 0; i < claims->count; i++) {
        const struct slot *slot = &claims->slots[i];
        if (slot->state != SLOT_OWNED)
            continue;
        if (count++ == 0) {
            sql_add(sql, look_renew);
            sql_rows_begin(sql, &rows, claim_names);
        }
        sql_rows_next(sql, &rows);
        sql_rows_uint(sql, &rows, slot->partition);
        sql_rows_uint(sql, &rows, slot->epoch);
        sql_rows_hex(sql, &rows, slot->claim_id, 16);
    }
    if (count == 0)
        return;
    sql_rows_end(sql, &rows);
    sql_add(sql, look_renew_set);
    sql_int(sql, lease_us(worker));
}

static enum db_outcome run_look(struct worker *worker, struct look *look)
{
    struct sql sql;

    *look = (struct look){.worker = worker};
    sql_init(&sql);
    sql.values_row = db_is_mysql(&worker->db);
    sql_add(&sql, look_worker);
    sql_list_hex(&sql, worker->instance, sizeof worker->instance);
    sql_list_hex(&sql, worker->name, strlen(worker->name));
    sql_add(&sql, "," STORE_NOW "+");
    sql_int(&sql, lease_us(worker));
    sql_add(&sql, look_worker_lease);
    sql_add(&sql, look_now);
    sql_add(&sql, look_workers);
    sql_hex(&sql, worker->instance, sizeof worker->instance);
    sql_add(&sql, look_workers_live);
    sql_add(&sql, look_partitions);
    sql_hex(&sql, worker->instance, sizeof worker->instance);
    sql_add(&sql, look_partitions_end);
    add_renewal(&sql, worker);
    int64_t before_us = clock_monotonic_us();
    enum db_outcome outcome = db_run(&worker->db, &sql, look_reply, look);
    int64_t after_us = clock_monotonic_us();
    sql_release(&sql);
    /* A small difference is drift; a jump waits for the next connection (timeline.h). */
    if (outcome == DB_OK && after_us - before_us < TIMELINE_JUMP_US / 100) {
        int64_t ahead_us = look->server_us - timeline_now_us(&worker->timeline, after_us);
        if (ahead_us < TIMELINE_JUMP_US && ahead_us > -TIMELINE_JUMP_US)
            (void)timeline_follow(&worker->timeline, look->server_us, after_us);
        else
            log_limited(LOG_WARN, "ahead_us=%lld the server's clock has jumped; keeping ours",
                        (long long)ahead_us);
    }
    return outcome;
}

/* ------------------------------------------------------------- taking */

struct taking {
    struct worker *worker;
    struct slot **slots;
    uint8_t (*ids)[16]; /* the claim id drawn for each */
    size_t count;
    size_t taken;
};

static void add_claim_rows(struct sql *sql, const struct taking *taking)
{
    struct sql_rows rows;

    sql_rows_begin(sql, &rows, claim_names);
    for (size_t i = 0; i < taking->count; i++) {
        sql_rows_next(sql, &rows);
        sql_rows_uint(sql, &rows, taking->slots[i]->partition);
        sql_rows_uint(sql, &rows, taking->slots[i]->seen_epoch);
        sql_rows_hex(sql, &rows, taking->ids[i], 16);
    }
    sql_rows_end(sql, &rows);
}

static void take_row(struct taking *taking, MYSQL_ROW row, const unsigned long *lengths)
{
    struct worker *worker = taking->worker;

    for (size_t i = 0; i < taking->count; i++) {
        struct slot *slot = taking->slots[i];
        bool jumped, again = slot->state == SLOT_RECLAIM;
        if (slot->partition != db_uint(row[0]) || lengths[2] != 16)
            continue;
        int64_t high_us = db_int(row[4]);
        slot->epoch = db_uint(row[1]);
        memcpy(slot->claim_id, row[2], 16);
        if (!again || high_us > slot->clock_high_us)
            slot->clock_high_us = high_us;
        slot->clock_offset_us = timeline_offset_us(db_int(row[7]), db_int(row[5]), high_us,
                                                   again ? worker->claims.jump_us : 0, &jumped);
        if (jumped)
            log_warn("partition=%u clock_offset_us=%lld the shard's clock is another one: the old "
                     "timeline goes on",
                     slot->partition, (long long)slot->clock_offset_us);
        slot->pruned_seq = db_uint(row[6]);
        slot->lease_until_us = clock_monotonic_us() + lease_us(worker) - LEASE_MARGIN_US;
        slot->prune_next_us = clock_monotonic_us() + CLAIMS_LOOK_US;
        slot->expire_next_us = 0;
        if (!slot->ledger)
            slot->ledger = ledger_new(slot->partition, &worker->ledger_limits, worker->catalog);
        ledger_claimed(slot->ledger, slot->epoch, slot->claim_id, db_uint(row[3]));
        slot->seen_epoch = slot->epoch;
        taking->taken++;
        return;
    }
}

static bool claim_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL)
        take_row(context, row, mysql_fetch_lengths(rows));
    return true;
}

/* Whoever had them may have a transaction open; its locks would hold us up, and a dead worker's
 * would for as long as the server waits for it. Errors do not matter: it may be gone already. */
static void kill_old_owners(struct taking *taking)
{
    struct worker *worker = taking->worker;
    uint64_t killed = 0;

    for (size_t i = 0; i < taking->count; i++) {
        uint64_t connection = taking->slots[i]->seen_connection;
        if (connection == 0 || connection == worker->db.thread_id || connection == killed)
            continue;
        struct sql sql;
        sql_init(&sql);
        sql_add(&sql, "KILL CONNECTION ");
        sql_uint(&sql, connection);
        (void)db_run(&worker->db, &sql, NULL, NULL);
        sql_release(&sql);
        killed = connection;
    }
}

static void build_claim(struct sql *sql, const struct taking *taking)
{
    struct worker *worker = taking->worker;

    sql_add(sql, claim_update);
    add_claim_rows(sql, taking);
    sql_add(sql, claim_join);
    sql_hex(sql, worker->instance, sizeof worker->instance);
    sql_add(sql, claim_set);
    sql_int(sql, lease_us(worker));
    sql_add(sql, claim_owner);
    sql_hex(sql, worker->name, strlen(worker->name));
    sql_add(sql, claim_instance);
    sql_hex(sql, worker->instance, sizeof worker->instance);
    sql_add(sql, claim_record);
    add_claim_rows(sql, taking);
    sql_add(sql, claim_mine);
    sql_add(sql, claim_select);
    add_claim_rows(sql, taking);
    sql_add(sql, claim_mine);
}

/* Offsets that are not those of the rows: written with the claim, so that the next owner goes on.
 */
static enum db_outcome store_offsets(struct taking *taking)
{
    struct sql sql;
    struct sql_rows rows;
    size_t count = 0;
    enum db_outcome outcome = DB_OK;

    sql_init(&sql);
    sql.values_row = db_is_mysql(&taking->worker->db);
    sql_add(&sql, "UPDATE ");
    sql_rows_begin(&sql, &rows, offset_names);
    for (size_t i = 0; i < taking->count; i++) {
        const struct slot *slot = taking->slots[i];
        if (memcmp(slot->claim_id, taking->ids[i], 16) != 0 || slot->clock_offset_us == 0)
            continue;
        sql_rows_next(&sql, &rows);
        sql_rows_uint(&sql, &rows, slot->partition);
        sql_rows_hex(&sql, &rows, slot->claim_id, 16);
        sql_rows_int(&sql, &rows, slot->clock_offset_us);
        count++;
    }
    if (count > 0) {
        sql_rows_end(&sql, &rows);
        sql_add(&sql, claim_mine);
        sql_add(&sql, offset_set);
        outcome = db_run(&taking->worker->db, &sql, NULL, NULL);
    }
    sql_release(&sql);
    return outcome;
}

struct due_page {
    struct slot *slot;
    uint64_t rows;
    int64_t expires_at_us;
    uint8_t id[RESERVATION_ID_BYTES];
};

static bool due_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct due_page *page = context;
    MYSQL_ROW row;

    (void)statement;
    page->rows = affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        if (mysql_fetch_lengths(rows)[0] != sizeof page->id)
            continue;
        memcpy(page->id, row[0], sizeof page->id);
        page->expires_at_us = db_int(row[1]);
        ledger_put_due(page->slot->ledger, page->id, page->expires_at_us);
    }
    return true;
}

static enum db_outcome load_due(struct worker *worker, struct slot *slot)
{
    struct due_page page = {.slot = slot};
    enum db_outcome outcome = DB_OK;
    struct sql sql;

    sql_init(&sql);
    do {
        sql_reset(&sql);
        sql_add(&sql, due_select);
        sql_uint(&sql, slot->partition);
        sql_add(&sql, due_state);
        sql_int(&sql, page.expires_at_us);
        sql_add(&sql, due_same);
        sql_int(&sql, page.expires_at_us);
        sql_add(&sql, due_after);
        sql_hex(&sql, page.id, sizeof page.id);
        sql_add(&sql, due_order);
        sql_uint(&sql, DUE_PAGE);
        outcome = db_run(&worker->db, &sql, due_reply, &page);
    } while (outcome == DB_OK && page.rows == DUE_PAGE);
    sql_release(&sql);
    return outcome;
}

/* After the claim is committed: it is ours, and the ledger learns what is live. */
static enum db_outcome own(struct taking *taking)
{
    enum db_outcome outcome = DB_OK;

    for (size_t i = 0; i < taking->count; i++) {
        struct slot *slot = taking->slots[i];
        bool taken = memcmp(slot->claim_id, taking->ids[i], 16) == 0;
        if (!taken && slot->state == SLOT_RECLAIM) {
            log_warn("partition=%u lost: another worker has claimed it", slot->partition);
            become(taking->worker, slot, SLOT_OTHER);
        }
        if (!taken)
            continue;
        if (outcome == DB_OK)
            outcome = load_due(taking->worker, slot);
        /* Without its deadlines it must be claimed again. */
        become(taking->worker, slot, outcome == DB_OK ? SLOT_OWNED : SLOT_RECLAIM);
        taking->worker->claims.changed = true; /* the epoch did */
    }
    return outcome;
}

static enum db_outcome run_claim(struct taking *taking)
{
    struct worker *worker = taking->worker;
    struct sql sql;

    kill_old_owners(taking);
    sql_init(&sql);
    sql.values_row = db_is_mysql(&worker->db);
    build_claim(&sql, taking);
    enum db_outcome outcome = db_run(&worker->db, &sql, claim_reply, taking);
    sql_release(&sql);
    if (outcome == DB_OK)
        outcome = store_offsets(taking);
    if (outcome == DB_OK)
        outcome = db_commit(&worker->db);
    if (outcome != DB_OK) {
        db_rollback(&worker->db);
        for (size_t i = 0; i < taking->count; i++)
            memset(taking->slots[i]->claim_id, 0, 16); /* not ours, whatever was seen of it */
        return outcome;
    }
    return own(taking);
}

/* Claims these slots, as far as they may be. */
static enum db_outcome take(struct worker *worker, struct slot **slots, size_t count)
{
    struct taking taking = {.worker = worker, .slots = slots, .count = count};

    if (count == 0)
        return DB_OK;
    taking.ids = malloc(count * sizeof *taking.ids);
    if (!taking.ids)
        abort();
    random_bytes(taking.ids, count * sizeof *taking.ids);
    enum db_outcome outcome = run_claim(&taking);
    free(taking.ids);
    if (outcome == DB_OK || taking.taken > 0)
        log_info("claimed=%zu wanted=%zu owned=%zu", taking.taken, count, worker->claims.owned);
    return outcome;
}

/* ------------------------------------------------------------- handing over */

static enum db_outcome hand_over(struct worker *worker, struct slot **slots, size_t count)
{
    struct sql sql;
    struct sql_rows rows;

    if (count == 0)
        return DB_OK;
    sql_init(&sql);
    sql.values_row = db_is_mysql(&worker->db);
    sql_add(&sql, "UPDATE ");
    sql_rows_begin(&sql, &rows, claim_names);
    for (size_t i = 0; i < count; i++) {
        sql_rows_next(&sql, &rows);
        sql_rows_uint(&sql, &rows, slots[i]->partition);
        sql_rows_uint(&sql, &rows, slots[i]->epoch);
        sql_rows_hex(&sql, &rows, slots[i]->claim_id, 16);
        become(worker, slots[i], SLOT_OTHER);
    }
    sql_rows_end(&sql, &rows);
    sql_add(&sql, release_set);
    enum db_outcome outcome = db_run(&worker->db, &sql, NULL, NULL);
    sql_release(&sql);
    log_info("handed_over=%zu owned=%zu", count, worker->claims.owned);
    return outcome;
}

/* ------------------------------------------------------------- balance */

static struct slot **slot_list(const struct claims *claims)
{
    struct slot **list = malloc((claims->count + 1) * sizeof *list);
    if (!list)
        abort();
    return list;
}

static enum db_outcome balance(struct worker *worker, const struct look *look)
{
    struct claims *claims = &worker->claims;
    size_t workers = look->workers > 0 ? look->workers : 1, count = 0;

    claims->share = (claims->count + workers - 1) / workers;
    struct slot **list = slot_list(claims);
    enum db_outcome outcome;
    if (claims->owned > claims->share) {
        for (size_t i = claims->count; i-- > 0 && claims->owned - count > claims->share;) {
            if (claims->slots[i].state == SLOT_OWNED)
                list[count++] = &claims->slots[i];
        }
        outcome = hand_over(worker, list, count);
    } else {
        /* Workers that start together begin at different places. */
        size_t from = claims->count > 0 ? look->rank * claims->share % claims->count : 0;
        for (size_t i = 0; i < claims->count && claims->owned + count < claims->share; i++) {
            struct slot *slot = &claims->slots[(from + i) % claims->count];
            if (slot->state == SLOT_OTHER && (slot->seen_free || slot->seen_mine))
                list[count++] = slot;
        }
        outcome = take(worker, list, count);
    }
    free(list);
    return outcome;
}

/* ------------------------------------------------------------- the calls */

enum db_outcome claims_tick(struct worker *worker, int64_t now_us)
{
    struct claims *claims = &worker->claims;
    struct look look;

    if (now_us < claims->look_next_us)
        return DB_OK;
    int64_t pause_us =
        lease_us(worker) / 3 < CLAIMS_LOOK_US ? lease_us(worker) / 3 : CLAIMS_LOOK_US;
    claims->look_next_us = now_us + pause_us;
    enum db_outcome outcome = run_look(worker, &look);
    if (outcome == DB_OK && !worker->stopping)
        outcome = balance(worker, &look);
    if (outcome == DB_OK && claims->owned < claims->share && pause_us > CLAIMS_LOOK_SOON_US)
        claims->look_next_us = now_us + CLAIMS_LOOK_SOON_US;
    return outcome;
}

int64_t claims_wait_us(const struct worker *worker, int64_t now_us)
{
    return worker->claims.look_next_us > now_us ? worker->claims.look_next_us - now_us : 0;
}

void claims_connection_lost(struct worker *worker)
{
    for (size_t i = 0; i < worker->claims.count; i++) {
        if (worker->claims.slots[i].state == SLOT_OWNED)
            become(worker, &worker->claims.slots[i], SLOT_RECLAIM);
    }
}

void claims_distrust(struct worker *worker, struct slot *slot)
{
    if (slot->state == SLOT_OWNED)
        become(worker, slot, SLOT_RECLAIM);
}

bool claims_must_reclaim(const struct worker *worker)
{
    for (size_t i = 0; i < worker->claims.count; i++) {
        if (worker->claims.slots[i].state == SLOT_RECLAIM)
            return true;
    }
    return false;
}

enum db_outcome claims_reclaim(struct worker *worker)
{
    struct claims *claims = &worker->claims;
    struct slot **list = slot_list(claims);
    struct look look;
    size_t count = 0;

    enum db_outcome outcome = run_look(worker, &look); /* epochs and connections as they are now */
    for (size_t i = 0; outcome == DB_OK && i < claims->count; i++) {
        if (claims->slots[i].state == SLOT_RECLAIM)
            list[count++] = &claims->slots[i];
    }
    if (outcome == DB_OK)
        outcome = take(worker, list, count);
    if (outcome == DB_OK)
        claims->jump_us = 0;
    free(list);
    return outcome;
}

enum db_outcome claims_verify(struct worker *worker)
{
    struct look look;

    return run_look(worker, &look);
}

void claims_renewed(struct worker *worker, struct slot *slot, int64_t clock_us, int64_t now_us)
{
    slot->clock_high_us = clock_us;
    slot->lease_until_us = now_us + lease_us(worker) - LEASE_MARGIN_US;
}

bool claims_is_doubtful(const struct slot *slot, int64_t now_us)
{
    return now_us >= slot->lease_until_us;
}

void claims_goodbye(struct worker *worker)
{
    struct claims *claims = &worker->claims;
    struct slot **list = slot_list(claims);
    struct sql sql;
    size_t count = 0;

    for (size_t i = 0; i < claims->count; i++) {
        if (claims->slots[i].state == SLOT_OWNED)
            list[count++] = &claims->slots[i];
    }
    (void)hand_over(worker, list, count);
    free(list);
    sql_init(&sql);
    sql_add(&sql, worker_delete);
    sql_hex(&sql, worker->instance, sizeof worker->instance);
    (void)db_run(&worker->db, &sql, NULL, NULL);
    sql_release(&sql);
}

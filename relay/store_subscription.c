/* SPDX-License-Identifier: MIT
 *
 * The SQL of subscriptions and their positions.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/standing.h"
#include "relay/store.h"
#include "workers/store_rows.h"

/* More than these, and all partitions of the shard are looked at. */
#define STANDING_NAMED_MAX 256u

static const char begin[] = "START TRANSACTION;";
static const char select_owner[] =
    "SELECT epoch,endpoint,instance,lease_until_us>" STORE_NOW " FROM subscription WHERE name=";
static const char for_update[] = " FOR UPDATE";
static const char insert_subscription[] =
    "INSERT INTO subscription (name,created_at_us,epoch,endpoint,instance,lease_until_us) VALUES (";
static const char take_subscription[] = "UPDATE subscription SET epoch=";
static const char and_endpoint[] = ",endpoint=";
static const char and_instance[] = ",instance=";
static const char and_lease[] = ",lease_until_us=" STORE_NOW "+";
static const char where_name[] = " WHERE name=";
static const char and_epoch[] = " AND epoch=";
static const char give_up_subscription[] = "UPDATE subscription SET endpoint='',lease_until_us=0";
static const char delete_subscription[] = "DELETE FROM subscription";
static const char select_named[] = ";SELECT 1 FROM subscription WHERE name=";
static const char select_now[] = "SELECT " STORE_NOW;
static const char commit[] = ";COMMIT";

static const char insert_positions[] =
    ";INSERT IGNORE INTO subscription_position (name,partition_id,seq,claim_id,epoch) VALUES ";
static const char fence_positions[] = ";UPDATE subscription_position SET epoch=";
static const char epoch_below[] = " AND epoch<";
static const char delete_positions[] = "DELETE FROM subscription_position";
static const char epoch_up_to[] = " AND epoch<=";
static const char select_positions[] =
    ";SELECT partition_id,seq,claim_id,lost_from,epoch FROM subscription_position WHERE name=";
static const char update_positions[] = ";UPDATE ";
static const char join_positions[] = " STRAIGHT_JOIN subscription_position t FORCE INDEX (PRIMARY) "
                                     "ON t.partition_id=n.p AND t.name=";
static const char and_t_epoch[] = " AND t.epoch=";
static const char set_positions[] = " SET t.seq=n.s,t.claim_id=n.c,t.lost_from=IF(n.l<0,NULL,n.l)";

static void add_name(struct sql *sql, const struct code *name)
{
    sql_hex(sql, name->bytes, name->length);
}

static void copy_bytes(void *to, size_t bytes, const char *field, unsigned long length)
{
    memset(to, 0, bytes);
    if (field && length == bytes)
        memcpy(to, field, bytes);
}

/* ------------------------------------------------------------- taking over */

struct owner {
    bool there, mine, alive;
    const uint8_t *instance;
    uint64_t epoch, now;
    char endpoint[ENDPOINT_BYTES_MAX + 1];
};

static bool see_owner(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct owner *owner = context;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)affected;
    if (statement == 1)
        owner->now = row ? db_uint(row[0]) : 0;
    if (statement != 2 || !row)
        return true;
    unsigned long *lengths = mysql_fetch_lengths(rows);
    owner->there = true;
    owner->epoch = db_uint(row[0]);
    snprintf(owner->endpoint, sizeof owner->endpoint, "%.*s", (int)lengths[1], row[1]);
    owner->mine = lengths[2] == 16 && memcmp(row[2], owner->instance, 16) == 0;
    owner->alive = owner->endpoint[0] != '\0' && db_uint(row[3]) == 1;
    return true;
}

static void write_claim(struct sql *sql, const struct job *job, const struct owner *owner)
{
    sql_reset(sql);
    if (!owner->there) {
        sql_add(sql, insert_subscription);
        sql_list_code(sql, &job->part.name);
        sql_list_uint(sql, owner->now);
        sql_list_uint(sql, job->part.epoch);
        sql_list_hex(sql, job->endpoint, strlen(job->endpoint));
        sql_list_hex(sql, job->instance, sizeof job->instance);
        sql_list_uint(sql, owner->now + (uint64_t)job->lease_us);
        sql_add(sql, ")");
    } else {
        sql_add(sql, take_subscription);
        sql_uint(sql, job->part.epoch);
        sql_add(sql, and_endpoint);
        sql_hex(sql, job->endpoint, strlen(job->endpoint));
        sql_add(sql, and_instance);
        sql_hex(sql, job->instance, sizeof job->instance);
        sql_add(sql, and_lease);
        sql_int(sql, job->lease_us);
        sql_add(sql, where_name);
        add_name(sql, &job->part.name);
    }
    sql_add(sql, commit);
}

void job_claim(struct db *db, struct job *job)
{
    struct owner owner = {.instance = job->instance};
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, begin);
    sql_add(&sql, select_now);
    sql_add(&sql, ";");
    sql_add(&sql, select_owner);
    add_name(&sql, &job->part.name);
    sql_add(&sql, for_update);
    if (db_run(db, &sql, see_owner, &owner) != DB_OK) {
        sql_release(&sql);
        return;
    }
    if (!owner.there && !job->create) {
        job->outcome = JOB_MISSING;
    } else if (owner.there && owner.alive && !owner.mine) {
        job->outcome = JOB_ELSEWHERE;
        memcpy(job->endpoint, owner.endpoint, sizeof job->endpoint);
    } else {
        /* Above every earlier one, also of a subscription of this name that was deleted. */
        job->part.epoch = owner.epoch + 1 > owner.now ? owner.epoch + 1 : owner.now;
        write_claim(&sql, job, &owner);
        if (db_run(db, &sql, NULL, NULL) == DB_OK)
            job->outcome = JOB_DONE;
    }
    sql_release(&sql);
}

/* ------------------------------------------------------------- positions */

/* Those of a part, where they are to be written; false: none is. */
static bool add_update(struct sql *sql, const struct job_part *part)
{
    static const char *const names[] = {"p", "s", "c", "l", NULL};
    struct sql_rows rows;
    size_t count = 0;

    for (size_t i = 0; i < part->position_count; i++)
        count += !part->positions[i].refused;
    if (count == 0)
        return false;
    sql_add(sql, update_positions);
    sql_rows_begin(sql, &rows, names);
    for (size_t i = 0; i < part->position_count; i++) {
        const struct job_position *at = &part->positions[i];
        if (at->refused)
            continue;
        sql_rows_next(sql, &rows);
        sql_rows_uint(sql, &rows, at->partition);
        sql_rows_uint(sql, &rows, at->at.seq);
        sql_rows_hex(sql, &rows, at->at.claim, CLAIM_BYTES);
        sql_rows_int(sql, &rows, at->lost ? (int64_t)at->lost_from : -1);
    }
    sql_rows_end(sql, &rows);
    sql_add(sql, join_positions);
    add_name(sql, &part->name);
    sql_add(sql, and_t_epoch);
    sql_uint(sql, part->epoch);
    sql_add(sql, set_positions);
    return true;
}

struct loading {
    struct job *job;
    bool fenced;
};

static bool see_positions(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct loading *loading = context;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        struct job_position *at = job_position_add(&loading->job->part);
        at->partition = (uint32_t)db_uint(row[0]);
        at->at.seq = db_uint(row[1]);
        copy_bytes(at->at.claim, CLAIM_BYTES, row[2], lengths[2]);
        at->lost = row[3] != NULL;
        at->lost_from = db_uint(row[3]);
        loading->fenced = loading->fenced || db_uint(row[4]) != loading->job->part.epoch;
    }
    return true;
}

/* FROM_START and FROM_NOW: of every partition that is here. */
static void seek_all(struct job *job, const struct standing *standing, struct job_part *to)
{
    for (size_t i = 0; i < standing->look_count; i++) {
        const struct look *look = &standing->looks[i];
        struct job_position *at = job_position_add(to);
        at->partition = look->partition;
        at->at = look->now;
        if (job->from == HF__FROM__FROM_NOW)
            continue;
        at->at.seq = look->pruned;
        standing_claim(standing, look->partition, look->pruned, at->at.claim);
    }
}

/* FROM_POSITIONS. With a claim it may be of a history that was lost, which is then told. */
static bool seek_positions(struct job *job, const struct standing *standing, struct job_part *to)
{
    for (size_t i = 0; i < job->part.position_count; i++) {
        const struct job_position *wanted = &job->part.positions[i];
        const struct look *look = standing_of(standing, wanted->partition);
        if (!look)
            continue; /* it is elsewhere */
        if (!wanted->has_claim && wanted->at.seq > look->now.seq) {
            job->outcome = JOB_INVALID;
            snprintf(job->error, sizeof job->error,
                     "partition %u has no movement %" PRIu64 " yet, the last one is %" PRIu64,
                     wanted->partition, wanted->at.seq, look->now.seq);
            return false;
        }
        struct job_position *at = job_position_add(to);
        *at = *wanted;
        if (!wanted->has_claim)
            standing_claim(standing, wanted->partition, wanted->at.seq, at->at.claim);
    }
    return true;
}

static void add_inserts(struct sql *sql, const struct job *job, const struct standing *standing)
{
    for (size_t i = 0; i < standing->look_count; i++) {
        const struct look *look = &standing->looks[i];
        uint8_t claim[CLAIM_BYTES];
        standing_claim(standing, look->partition, look->pruned, claim);
        sql_add(sql, i == 0 ? insert_positions : ",");
        sql_add(sql, "(");
        sql_list_code(sql, &job->part.name);
        sql_list_uint(sql, look->partition);
        sql_list_uint(sql, look->pruned);
        sql_list_hex(sql, claim, sizeof claim);
        sql_list_uint(sql, job->part.epoch);
        sql_add(sql, ")");
    }
}

static void write_load(struct db *db, struct job *job, const struct standing *standing,
                       const struct job_part *seek)
{
    struct loading loading = {.job = job};
    struct sql sql;

    sql_init(&sql);
    sql.values_row = db_is_mysql(db);
    sql_add(&sql, "START TRANSACTION");
    add_inserts(&sql, job, standing);
    sql_add(&sql, fence_positions);
    sql_uint(&sql, job->part.epoch);
    sql_add(&sql, where_name);
    add_name(&sql, &job->part.name);
    sql_add(&sql, epoch_below);
    sql_uint(&sql, job->part.epoch);
    (void)add_update(&sql, seek);
    sql_add(&sql, select_positions);
    add_name(&sql, &job->part.name);
    sql_add(&sql, commit);
    if (db_run(db, &sql, see_positions, &loading) == DB_OK)
        job->outcome = loading.fenced ? JOB_FENCED : JOB_DONE;
    sql_release(&sql);
}

void job_load(struct db *db, struct job *job)
{
    struct standing standing = {0};
    struct job_part seek = job->part;
    struct job_position *wanted = job->part.positions;
    size_t count = job->part.position_count;

    seek.positions = NULL;
    seek.position_count = 0;
    if (standing_read(db, NULL, 0, &standing)) {
        if (job->from == HF__FROM__FROM_START || job->from == HF__FROM__FROM_NOW)
            seek_all(job, &standing, &seek);
        if (job->from != HF__FROM__FROM_POSITIONS || seek_positions(job, &standing, &seek)) {
            job->part.positions = NULL;
            job->part.position_count = 0;
            write_load(db, job, &standing, &seek);
        }
    }
    if (job->part.positions != wanted && job->outcome == JOB_FAILED) {
        /* It is asked again. */
        free(job->part.positions);
        job->part.positions = wanted;
        job->part.position_count = count;
    } else if (job->part.positions != wanted) {
        free(wanted);
    }
    free(seek.positions);
    standing_release(&standing);
}

/* ------------------------------------------------------------- leases and acknowledgements */

/* Statement 0 begins; then one for each part that is written. */
static bool see_written(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct job *job = context;
    size_t written = 0;

    (void)rows;
    for (size_t i = 0; i < job->part_count; i++) {
        struct job_part *part = &job->parts[i];
        size_t expected = part->position_count > 0 ? 0 : 1;
        for (size_t j = 0; j < part->position_count; j++)
            expected += !part->positions[j].refused;
        if (expected > 0 && ++written == statement)
            part->fenced = affected < expected;
    }
    return true;
}

static void run_parts(struct db *db, struct job *job, struct sql *sql)
{
    sql_add(sql, commit);
    if (db_run(db, sql, see_written, job) == DB_OK)
        job->outcome = JOB_DONE;
}

void job_renew(struct db *db, struct job *job)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, "START TRANSACTION");
    for (size_t i = 0; i < job->part_count; i++) {
        sql_add(&sql, ";UPDATE subscription SET lease_until_us=" STORE_NOW "+");
        sql_int(&sql, job->lease_us);
        sql_add(&sql, where_name);
        add_name(&sql, &job->parts[i].name);
        sql_add(&sql, and_epoch);
        sql_uint(&sql, job->parts[i].epoch);
    }
    run_parts(db, job, &sql);
    sql_release(&sql);
}

/* What is not history here must not be stored: the place up to which a lost tail is common is found
 * by what was. Nobody knows of it yet, so the next read tells. */
static void refuse_lost(struct job *job, const struct standing *standing)
{
    uint64_t end;

    for (size_t i = 0; i < job->part_count; i++) {
        struct job_part *part = &job->parts[i];
        for (size_t j = 0; j < part->position_count; j++) {
            struct job_position *at = &part->positions[j];
            at->refused = !standing_is_history(standing, at->partition, &at->at, &end);
        }
    }
}

static bool read_standing(struct db *db, const struct job *job, struct standing *standing)
{
    uint32_t partitions[STANDING_NAMED_MAX];
    size_t count = 0;

    for (size_t i = 0; i < job->part_count; i++) {
        const struct job_part *part = &job->parts[i];
        if (count + part->position_count > STANDING_NAMED_MAX)
            return standing_read(db, NULL, 0, standing);
        for (size_t j = 0; j < part->position_count; j++)
            partitions[count++] = part->positions[j].partition;
    }
    return standing_read(db, partitions, count, standing);
}

void job_acknowledge(struct db *db, struct job *job)
{
    struct standing standing = {0};
    struct sql sql;

    if (read_standing(db, job, &standing)) {
        refuse_lost(job, &standing);
        sql_init(&sql);
        sql.values_row = db_is_mysql(db);
        sql_add(&sql, "START TRANSACTION");
        for (size_t i = 0; i < job->part_count; i++)
            (void)add_update(&sql, &job->parts[i]);
        run_parts(db, job, &sql);
        sql_release(&sql);
    }
    standing_release(&standing);
}

/* ------------------------------------------------------------- the end of one */

/* One statement upon what has the part's name and, by `whose`, its epoch. */
static void add_named(struct sql *sql, const char *what, const struct job *job, const char *whose)
{
    sql_add(sql, what);
    sql_add(sql, where_name);
    add_name(sql, &job->part.name);
    sql_add(sql, whose);
    sql_uint(sql, job->part.epoch);
}

static void change_named(struct db *db, struct job *job, const char *what, const char *whose)
{
    struct sql sql;

    sql_init(&sql);
    add_named(&sql, what, job, whose);
    if (db_run(db, &sql, NULL, NULL) == DB_OK)
        job->outcome = JOB_DONE;
    sql_release(&sql);
}

/* Not ours any more: then there is nothing to give up. */
void job_give_up(struct db *db, struct job *job)
{
    change_named(db, job, give_up_subscription, and_epoch);
}

/* Not those of a relay that has taken the subscription over since. */
void job_forget(struct db *db, struct job *job)
{
    change_named(db, job, delete_positions, epoch_up_to);
}

struct deletion {
    uint64_t deleted;
    bool there;
};

static bool see_deletion(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct deletion *deletion = context;

    if (statement == 0)
        deletion->deleted = affected;
    else
        deletion->there = rows && mysql_fetch_row(rows) != NULL;
    return true;
}

/* What is not there was deleted before. What is there still has another relay's epoch: it lives. */
void job_delete(struct db *db, struct job *job)
{
    struct deletion deletion = {0};
    struct sql sql;

    sql_init(&sql);
    add_named(&sql, delete_subscription, job, and_epoch);
    sql_add(&sql, select_named);
    add_name(&sql, &job->part.name);
    if (db_run(db, &sql, see_deletion, &deletion) == DB_OK)
        job->outcome = deletion.deleted == 0 && deletion.there ? JOB_FENCED : JOB_DONE;
    sql_release(&sql);
}

/* ------------------------------------------------------------- lists */

static void *grow(void *items, size_t count, size_t bytes)
{
    if ((count & (count - 1)) != 0)
        return items;
    void *grown = realloc(items, (count ? count * 2 : 1) * bytes);
    if (!grown)
        abort();
    return grown;
}

static void see_subscription(struct job *job, MYSQL_ROW row, const unsigned long *lengths)
{
    job->listed = grow(job->listed, job->listed_count, sizeof *job->listed);
    struct listed *to = &job->listed[job->listed_count++];
    *to = (struct listed){.created_at_us = db_int(row[1])};
    store_code_read(&to->name, row[0], lengths[0]);
    snprintf(to->endpoint, sizeof to->endpoint, "%.*s", (int)lengths[2], row[2]);
}

static void see_position(struct job *job, MYSQL_ROW row, const unsigned long *lengths)
{
    job->listed_positions =
        grow(job->listed_positions, job->listed_position_count, sizeof *job->listed_positions);
    struct listed_position *to = &job->listed_positions[job->listed_position_count++];
    *to = (struct listed_position){.last = db_uint(row[4]), .pruned = db_uint(row[5])};
    store_code_read(&to->name, row[0], lengths[0]);
    to->at.partition = (uint32_t)db_uint(row[1]);
    to->at.at.seq = db_uint(row[2]);
    to->at.lost = row[3] != NULL;
    to->at.lost_from = db_uint(row[3]);
}

static bool see_list(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    MYSQL_ROW row;

    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        if (statement == 1)
            see_subscription(context, row, lengths);
        else
            see_position(context, row, lengths);
    }
    return true;
}

static void add_filter(struct sql *sql, const struct job *job, const char *column)
{
    sql_add(sql, column);
    sql_add(sql, ">");
    sql_hex(sql, job->after.bytes, job->after.length);
    if (job->only.length > 0) {
        sql_add(sql, " AND ");
        sql_add(sql, column);
        sql_add(sql, "=");
        add_name(sql, &job->only);
    }
}

/* Names are not known here when they have their home elsewhere, so positions of the first `limit`
 * names of this shard's positions are told: those of the page are among them. */
void job_list(struct db *db, struct job *job)
{
    struct sql sql;

    free(job->listed);
    free(job->listed_positions);
    job->listed = NULL;
    job->listed_positions = NULL;
    job->listed_count = job->listed_position_count = 0;
    sql_init(&sql);
    sql_add(&sql, "START TRANSACTION WITH CONSISTENT SNAPSHOT;");
    sql_add(&sql, "SELECT name,created_at_us,IF(lease_until_us>" STORE_NOW
                  ",endpoint,'') FROM subscription WHERE ");
    add_filter(&sql, job, "name");
    sql_add(&sql, " ORDER BY name LIMIT ");
    sql_uint(&sql, job->limit + 1);
    sql_add(&sql, ";SELECT t.name,t.partition_id,t.seq,t.lost_from,p.last_seq,"
                  "p.pruned_seq FROM (SELECT DISTINCT name FROM subscription_position WHERE ");
    add_filter(&sql, job, "name");
    sql_add(&sql, " ORDER BY name LIMIT ");
    sql_uint(&sql, job->limit + 1);
    sql_add(&sql,
            ") n STRAIGHT_JOIN subscription_position t ON t.name=n.name JOIN `partition` p ON "
            "p.partition_id=t.partition_id ORDER BY t.name,t.partition_id");
    if (db_run(db, &sql, see_list, job) == DB_OK)
        job->outcome = JOB_DONE;
    sql_release(&sql);
}

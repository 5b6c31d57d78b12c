/* SPDX-License-Identifier: MIT
 *
 * See standing.h.
 */
#include "relay/standing.h"

#include <stdlib.h>
#include <string.h>

#include "workers/db_sql.h"

static const char select_partitions[] =
    "SELECT partition_id,last_seq,claim_id,pruned_seq FROM `partition` WHERE moved_to IS NULL";
static const char select_claims[] = "SELECT partition_id,claim_id,first_seq FROM claim WHERE 1";
static const char in_partitions[] = " AND partition_id IN (";
static const char in_end[] = ")";
static const char partitions_end[] = " ORDER BY partition_id;";
static const char claims_end[] = " ORDER BY partition_id,epoch";

static void *fresh(void *old, size_t count, size_t bytes)
{
    free(old);
    void *memory = calloc(count + 1, bytes);
    if (!memory)
        abort();
    return memory;
}

static void copy_claim(uint8_t *to, const char *field, unsigned long length)
{
    if (field && length == CLAIM_BYTES)
        memcpy(to, field, CLAIM_BYTES);
}

static bool see(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct standing *standing = context;
    MYSQL_ROW row;

    if (!rows)
        return true;
    if (statement == 0) {
        standing->looks = fresh(standing->looks, affected, sizeof *standing->looks);
        standing->look_count = 0;
    } else {
        standing->claims = fresh(standing->claims, affected, sizeof *standing->claims);
        standing->claim_count = 0;
    }
    while ((row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        if (statement == 0) {
            struct look *look = &standing->looks[standing->look_count++];
            look->partition = (uint32_t)db_uint(row[0]);
            look->now.seq = db_uint(row[1]);
            copy_claim(look->now.claim, row[2], lengths[2]);
            look->pruned = db_uint(row[3]);
        } else {
            struct claim_row *claim = &standing->claims[standing->claim_count++];
            claim->partition = (uint32_t)db_uint(row[0]);
            copy_claim(claim->claim, row[1], lengths[1]);
            claim->first_seq = db_uint(row[2]);
        }
    }
    return true;
}

static void add_partitions(struct sql *sql, const uint32_t *partitions, size_t count)
{
    if (count == 0)
        return;
    sql_add(sql, in_partitions);
    for (size_t i = 0; i < count; i++)
        sql_list_uint(sql, partitions[i]);
    sql_add(sql, in_end);
}

bool standing_read(struct db *db, const uint32_t *partitions, size_t count,
                   struct standing *standing)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_partitions);
    add_partitions(&sql, partitions, count);
    sql_add(&sql, partitions_end);
    sql_add(&sql, select_claims);
    add_partitions(&sql, partitions, count);
    sql_add(&sql, claims_end);
    bool ok = db_run(db, &sql, see, standing) == DB_OK;
    sql_release(&sql);
    return ok;
}

void standing_release(struct standing *standing)
{
    free(standing->looks);
    free(standing->claims);
    *standing = (struct standing){0};
}

static int by_partition(const void *a, const void *b)
{
    const struct look *x = a, *y = b;

    return (x->partition > y->partition) - (x->partition < y->partition);
}

const struct look *standing_of(const struct standing *standing, uint32_t partition)
{
    struct look key = {.partition = partition};

    if (standing->look_count == 0)
        return NULL;
    return bsearch(&key, standing->looks, standing->look_count, sizeof key, by_partition);
}

/* The first claim of the partition; claim_count where there is none. */
static size_t first_claim(const struct standing *standing, uint32_t partition)
{
    size_t low = 0, high = standing->claim_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (standing->claims[middle].partition < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool standing_is_history(const struct standing *standing, uint32_t partition,
                         const struct position *position, uint64_t *end)
{
    const struct look *look = standing_of(standing, partition);
    bool known = false;

    *end = 0;
    if (!look)
        return false;
    if (position->seq == 0)
        return true;
    for (size_t i = first_claim(standing, partition);
         i < standing->claim_count && standing->claims[i].partition == partition; i++) {
        const struct claim_row *claim = &standing->claims[i];
        if (known && claim->first_seq - 1 < *end)
            *end = claim->first_seq - 1;
        if (memcmp(claim->claim, position->claim, CLAIM_BYTES) == 0) {
            known = true;
            *end = look->now.seq;
        }
    }
    return known && position->seq <= *end;
}

/* Claims that lost their turn before they wrote begin where the next one does. */
void standing_claim(const struct standing *standing, uint32_t partition, uint64_t seq,
                    uint8_t claim[CLAIM_BYTES])
{
    memset(claim, 0, CLAIM_BYTES);
    if (seq == 0)
        return;
    for (size_t i = first_claim(standing, partition);
         i < standing->claim_count && standing->claims[i].partition == partition; i++) {
        if (standing->claims[i].first_seq <= seq)
            memcpy(claim, standing->claims[i].claim, CLAIM_BYTES);
    }
}

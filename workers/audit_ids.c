/* SPDX-License-Identifier: MIT
 *
 * A page of the operation ids that stand in a partition's ledger, in their order: whoever has the
 * pages of all partitions side by side sees an id that took effect in two. It reads the key that
 * makes an id unique within the partition, and nothing else.
 */
#include <string.h>

#include "workers/audit.h"
#include "workers/store_rows.h"

static const char select_ids[] =
    "SELECT operation_id FROM movement FORCE INDEX (once) WHERE partition_id=";
static const char above[] = " AND operation_id>";
static const char in_order[] = " AND idx=0 ORDER BY operation_id LIMIT ";

static void see_id(void *context, MYSQL_ROW row, const unsigned long *lengths)
{
    ProtobufCBinaryData *ids = context;

    if (lengths[0] != UUID_BYTES || ids->len == (AUDIT_IDS_MAX + 1) * UUID_BYTES)
        return;
    memcpy(ids->data + ids->len, row[0], UUID_BYTES);
    ids->len += UUID_BYTES;
}

enum db_outcome audit_ids(struct db *db, const struct audit_request *request, struct arena *arena,
                          Hf__Answer *answer)
{
    ProtobufCBinaryData *ids = &answer->operation_ids;
    struct sql sql;

    ids->data = arena_alloc(arena, (AUDIT_IDS_MAX + 1) * UUID_BYTES);
    sql_init(&sql);
    sql_add(&sql, select_ids);
    sql_uint(&sql, request->partition);
    if (request->has_after) {
        sql_add(&sql, above);
        sql_hex(&sql, request->after, sizeof request->after);
    }
    sql_add(&sql, in_order);
    sql_uint(&sql, AUDIT_IDS_MAX + 1);
    enum db_outcome outcome = db_stream(db, &sql, see_id, ids);
    sql_release(&sql);
    answer->more = ids->len > AUDIT_IDS_MAX * UUID_BYTES;
    if (answer->more)
        ids->len = AUDIT_IDS_MAX * UUID_BYTES;
    return outcome;
}

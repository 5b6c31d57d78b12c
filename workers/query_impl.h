/* SPDX-License-Identifier: MIT
 *
 * What query*.c share; nobody else includes it. A handler checks what is asked, reads
 * inside the open snapshot and fills the answer; a refusal is an answer too.
 */
#ifndef WORKERS_QUERY_IMPL_H
#define WORKERS_QUERY_IMPL_H

#include "workers/store.h"
#include "workers/store_history.h"
#include "workers/store_rows.h"
#include "workers/worker.h"

#define QUERY_LIMIT_MAX 1000u /* of a page */
#define QUERY_IDS_MAX 256u    /* of skus, reservations or operations asked for by name */

struct query {
    struct worker *worker;
    struct work *work;
    struct slot *slot;
    struct arena *arena;
    const Hf__Query *asked;
    Hf__Answer answer; /* texts and arrays in the arena */
    bool fenced;       /* the partition is ours in the snapshot */
};

/* DB_OK: the answer is in query->answer. Otherwise it could not be read. */
typedef enum db_outcome query_handler(struct query *query);

query_handler query_stock, query_item, query_warehouse, query_reason, query_reservation,
    query_history, query_operation, query_run, query_run_lines, query_movement, query_dry_run;

/* Makes the answer a refusal. field and message: static, or in the arena. Returns DB_OK. */
enum db_outcome query_refuse(struct query *query, enum status status, const char *field,
                             const char *message);
/* False after refusing. */
bool query_code(struct query *query, const ProtobufCBinaryData *bytes, const char *field);
bool query_limit(struct query *query, uint32_t limit, const char *field);
/* Codes that are asked for by name must lie on the query's partition. */
bool query_skus(struct query *query, const ProtobufCBinaryData *skus, size_t count,
                const char *field);

/* query_reservation_page.c: the ids of those that match, the first of the page first. */
struct reservation_page {
    size_t limit;                         /* the caller's */
    uint8_t (*ids)[RESERVATION_ID_BYTES]; /* in the query's arena */
    size_t count;
    bool more; /* or there may be: not all of the partition was looked at */
};
enum db_outcome reservation_page(struct query *query, struct reservation_page *page);

/* A copy of a column. */
ProtobufCBinaryData query_bytes(struct query *query, const char *field, unsigned long length);

#endif

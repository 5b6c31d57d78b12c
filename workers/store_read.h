/* SPDX-License-Identifier: MIT
 *
 * What a query reads in: one consistent snapshot, with the fences of its partitions. And stock, as
 * it is in that snapshot.
 */
#ifndef WORKERS_STORE_READ_H
#define WORKERS_STORE_READ_H

#include "protocol/holdfast.pb-c.h"
#include "workers/db_sql.h"
#include "workers/records.h"

struct store_fence {
    uint32_t partition;
    uint64_t epoch;
    const uint8_t *claim_id; /* 16 bytes; it and the epoch are what the reader believes */
    /* Filled from the snapshot: */
    bool holds;        /* the claim is the partition's */
    uint64_t sequence; /* of the newest movement in it */
    int64_t at_us;     /* the partition's clock when it was taken */
};

/* Begins a snapshot, which db_rollback ends. Fences may be of the same partition. */
enum db_outcome store_snapshot(struct db *db, struct store_fence *fences, size_t count);

struct store_stock {
    uint32_t partition;
    const ProtobufCBinaryData *skus; /* by name, in any order; or … */
    size_t sku_count;
    ProtobufCBinaryData after; /* … with 0 of them the page after this sku; empty: the first */
    size_t limit;              /* skus of a page; one more is read, which tells of others */
    ProtobufCBinaryData warehouse; /* empty: all. A page then has what has a level there. */
};

/* One level; NULL: the item has none. Borrowed for the call. False: no more, please. */
typedef bool store_stock_row(void *context, const struct code *sku, const struct level *level);

/* In the order of skus and warehouses. An item that is not there has no row. */
enum db_outcome store_stock(struct db *db, const struct store_stock *wanted, store_stock_row *row,
                            void *context);

/* The parts of a SELECT that stock and items are chosen by. */
void store_add_skus(struct sql *sql, const ProtobufCBinaryData *skus, size_t count);
void store_add_page(struct sql *sql, const ProtobufCBinaryData *after, size_t limit);

#endif

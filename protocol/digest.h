/* SPDX-License-Identifier: MIT
 *
 * Digests of what a partition holds, by which an audit compares a view with the database: every
 * fact has a hash, and a digest is the sum of the hashes modulo 2^64, whatever their order. So it
 * can be kept up to date by adding and taking away. protocol.md, "Digests", has the bytes.
 *
 * Pure; used by the worker's audit, which adds up rows of the database, and by the view.
 */
#ifndef PROTOCOL_DIGEST_H
#define PROTOCOL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/ids.h"

#define DIGEST_BUCKETS 256u
/* Most rows that one answer lists; a bucket with more is cut off. */
#define DIGEST_ROWS_MAX 20000u

struct digest_text { /* borrowed */
    const void *bytes;
    size_t length;
};

struct digest_level {
    uint64_t on_hand, reserved, committed, unavailable, safety_stock, reorder_point;
    uint64_t version, on_hand_version;
};

struct digest_reservation {
    const uint8_t *id; /* RESERVATION_ID_BYTES */
    uint64_t state, revision;
    int64_t expires_at_us, created_at_us;
    struct digest_text order, actor;
};

struct digest_line {
    uint64_t number; /* from 0 */
    uint64_t quantity, reserved, committed, shipped, cancelled, released, returned;
};

/* The hash of one fact. */
uint64_t digest_item(struct digest_text sku, struct digest_text name, uint64_t reorder_point,
                     uint64_t version);
uint64_t digest_barcode(struct digest_text sku, struct digest_text barcode);
uint64_t digest_level(struct digest_text sku, struct digest_text warehouse,
                      const struct digest_level *level);
uint64_t digest_reservation(const struct digest_reservation *reservation);
uint64_t digest_line(const uint8_t *id, struct digest_text sku, struct digest_text warehouse,
                     const struct digest_line *line);
uint64_t digest_warehouse(struct digest_text code, struct digest_text name, uint64_t version);

/* ------------------------------------------------------------- adding up */

/* What rows are added to. A row of kind ITEM, LEVEL and WAREHOUSE is known by its texts, a
 * RESERVATION by its id (as `first`); several facts may belong to one row. */
struct digest_sum;

/* what: DIGEST, BUCKETS or ROWS; bucket: of ROWS. The rows are made in the arena, which must
 * outlive it. Running out of memory ends the process. */
struct digest_sum *digest_sum_new(Hf__AuditWhat what, uint32_t bucket, struct arena *arena);
void digest_sum_destroy(struct digest_sum **sum);

/* One fact of a row. version: of the row, with the fact that has it; otherwise 0. second: the
 * warehouse of a LEVEL, otherwise empty. */
void digest_add(struct digest_sum *sum, Hf__RowKind kind, struct digest_text first,
                struct digest_text second, uint64_t version, uint64_t hash);

uint64_t digest_total(const struct digest_sum *sum);
/* DIGEST_BUCKETS sums; the sum's own. */
uint64_t *digest_buckets(struct digest_sum *sum);
/* The rows, in no order, in the arena. cut: there were more than DIGEST_ROWS_MAX. */
Hf__RowDigest **digest_rows(struct digest_sum *sum, size_t *count, bool *cut);

#endif

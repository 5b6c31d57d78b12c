/* SPDX-License-Identifier: MIT
 *
 * What a worker keeps in memory of the rows of a shard. Plain values; the field names are those of
 * schema/001.sql, which says what each means.
 */
#ifndef WORKERS_RECORDS_H
#define WORKERS_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/holdfast.pb-c.h"
#include "protocol/ids.h"
#include "protocol/text.h"

struct balances {
    int64_t on_hand, reserved, committed, unavailable, safety_stock, reorder_point, shortfall;
};

struct level {
    struct code sku, warehouse;
    struct balances now;
    uint64_t version;
    uint64_t on_hand_version;
};

/* max(0, on_hand − reserved − committed − unavailable − safety_stock) */
int64_t balances_available(const struct balances *balances);
/* What shortfall must be: max(0, reserved + committed + unavailable − on_hand). */
int64_t balances_shortfall(const struct balances *balances);

struct item {
    struct code sku;
    char name[NAME_BYTES_MAX + 1];
    uint8_t name_bytes;
    int64_t reorder_point;
    uint64_t version;
    struct code *barcodes; /* owned */
    size_t barcode_count;
};

struct reservation_line {
    struct code sku, warehouse;
    int64_t quantity, reserved, committed, shipped, cancelled, released, returned;
};

struct reservation {
    uint8_t id[RESERVATION_ID_BYTES];
    uint8_t operation_id[UUID_BYTES];
    Hf__ReservationState state;
    uint32_t revision;
    int64_t expires_at_us;
    int64_t created_at_us;
    struct code order;
    struct code actor;
    struct reservation_line *lines; /* owned */
    size_t line_count;
};

#define RUN_DIGEST_BYTES 32u
#define RUN_LINES_MAX 10000000u
#define RUN_BLOCK_LINES 256u /* of block n: 256 * n + 1 and so on */
#define RUN_TEXT_BYTES_MAX 255u

struct run {
    struct code run;
    uint8_t digest[RUN_DIGEST_BYTES];
    uint32_t lines, blank;
    struct code actor;
    int64_t created_at_us;
    struct code undoes; /* length 0: none */
    Hf__RunState state;
    uint32_t applied, refused, unknown;
    int64_t changed_at_us;
    uint64_t version;
};

struct run_block {
    struct code run;
    uint32_t block;
    int64_t created_at_us; /* of the run */
    uint64_t version;
    uint8_t *detail; /* packed RecordRun without the run's name; owned */
    size_t detail_bytes;
};

/* One row of the ledger. Text points into its operation or the ledger's records (a fresh one, valid
 * until the batch ends), or into memory of the look-up. */
struct movement {
    uint32_t partition;
    uint64_t seq;
    uint8_t operation_id[UUID_BYTES];
    uint32_t idx;
    Hf__MovementKind kind;
    uint64_t epoch;
    uint8_t claim_id[16]; /* not a column: that of the epoch, from table claim; zeros: not known */
    int64_t at_us;
    uint8_t body_hash[16]; /* idx 0 only */
    struct code sku, warehouse;
    uint64_t prev;
    int64_t d_on_hand, d_reserved, d_committed, d_unavailable;
    struct balances after;
    uint64_t on_hand_version;
    bool has_reservation;
    uint8_t reservation_id[RESERVATION_ID_BYTES];
    uint32_t line;
    Hf__ReservationState state;
    uint32_t revision;
    int64_t expires_at_us;
    struct reservation_line line_after; /* sku and warehouse as above */
    ProtobufCBinaryData order, reason, reference, note, actor, principal, trace, detail;
    uint64_t undoes;
    uint32_t signals; /* bit (Hf__Signal) - 1: what it brought about */
};

#endif

/* SPDX-License-Identifier: MIT
 *
 * One partition as of one moment, on its way from the database into the read model. A reader thread
 * fills it and hands it over whole; model_install takes it apart. Plain memory, no sockets, no SQL.
 *
 * Items come first, sorted by sku as bytes, then levels and barcodes; reservations each followed by
 * their lines. Everything is copied.
 */
#ifndef VIEW_SNAPSHOT_H
#define VIEW_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/ids.h"
#include "protocol/text.h"

struct figures {
    uint32_t on_hand, reserved, committed, unavailable, safety_stock, reorder_point;
};

struct snapshot_text {
    const char *bytes;
    uint32_t length;
};

struct snapshot_item {
    struct snapshot_text sku, name;
    uint32_t reorder_point;
    uint64_t version;
};

struct snapshot_level {
    uint32_t item;      /* index */
    uint32_t warehouse; /* index into warehouses */
    struct figures now;
    uint64_t version, on_hand_version;
};

struct snapshot_barcode {
    uint32_t item;
    struct snapshot_text barcode;
};

struct snapshot_line {
    uint32_t number;
    struct snapshot_text sku;
    uint32_t warehouse;
    uint32_t quantity, reserved, committed, shipped, cancelled, released, returned;
};

struct snapshot_reservation {
    uint8_t id[RESERVATION_ID_BYTES];
    Hf__ReservationState state;
    uint32_t revision;
    int64_t expires_at_us, created_at_us;
    struct snapshot_text order, actor;
    size_t first_line, line_count;
};

struct snapshot_named { /* a warehouse; partition 0 alone has them */
    struct snapshot_text code, name;
    uint64_t version;
};

struct snapshot {
    uint32_t partition;
    uint64_t sequence;
    uint8_t claim_id[16];
    struct arena texts;
    struct snapshot_item *items;
    size_t item_count, item_capacity;
    struct snapshot_level *levels;
    size_t level_count, level_capacity;
    struct snapshot_barcode *barcodes;
    size_t barcode_count, barcode_capacity;
    struct snapshot_reservation *reservations;
    size_t reservation_count, reservation_capacity;
    struct snapshot_line *lines;
    size_t line_count, line_capacity;
    struct snapshot_text *warehouses; /* codes that levels and lines name */
    size_t warehouse_count, warehouse_capacity;
    struct snapshot_named *named;
    size_t named_count, named_capacity;
    size_t hint, warehouse_hint; /* where the next one is looked for first */
};

struct snapshot *snapshot_new(uint32_t partition);
void snapshot_destroy(struct snapshot **snapshot);

void snapshot_item(struct snapshot *snapshot, struct snapshot_text sku, struct snapshot_text name,
                   uint32_t reorder_point, uint64_t version);
/* False: there is no such item. */
bool snapshot_level(struct snapshot *snapshot, struct snapshot_text sku,
                    struct snapshot_text warehouse, const struct figures *now, uint64_t version,
                    uint64_t on_hand_version);
bool snapshot_barcode(struct snapshot *snapshot, struct snapshot_text sku,
                      struct snapshot_text barcode);
/* Its texts are copied, its lines counted by what follows. */
void snapshot_reservation(struct snapshot *snapshot,
                          const struct snapshot_reservation *reservation);
/* Of the last reservation. line->warehouse is ignored. */
void snapshot_line(struct snapshot *snapshot, const struct snapshot_line *line,
                   struct snapshot_text warehouse);
void snapshot_named(struct snapshot *snapshot, struct snapshot_text code, struct snapshot_text name,
                    uint64_t version);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What an operation must look like before anybody thinks about what it does. Pure; called by the
 * ledger for every operation, twice or more: to know what to load, and to decide.
 *
 * Only rules that never change are checked here (forms, lengths, ranges, unknown fields), so that a
 * body that was applied once passes for ever. What configuration limits (lines) and what travels
 * beside the body (class) is checked after the operation id was looked up.
 */
#ifndef WORKERS_VALIDATE_H
#define WORKERS_VALIDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/ids.h"
#include "protocol/status.h"

#define TTL_MS_MIN 1000u
#define TTL_MS_MAX 2592000000u
#define TTL_MS_DEFAULT 900000u
/* Names in a reserve's list of warehouses, and barcodes of an item. */
#define RESERVE_WAREHOUSES_MAX 256u
#define ITEM_BARCODES_MAX 64u

/* A repeated Line field, as protobuf-c lays it out. */
struct line_list {
    size_t count;
    Hf__Line **lines;
};

struct checked {
    const char *kind;                  /* "reserve" */
    bool freeing;                      /* gives capacity back: may travel in CLASS_FREEING */
    bool on_reservation;               /* reservation_id is set */
    bool any_partition;                /* settle, undo: belongs where the other operation went */
    uint32_t partition;                /* where the body belongs, unless any_partition */
    const ProtobufCBinaryData *run;    /* of a body about a run; NULL: none */
    const ProtobufCBinaryData *sku;    /* of a body about one sku; NULL: none */
    const ProtobufCBinaryData *reason; /* that must exist; NULL: none; may be empty */
    const ProtobufCBinaryData *warehouses[2]; /* that must exist; those of lines are there */
    size_t warehouse_count;
    struct line_list list; /* its lines, if it has any */
    size_t lines_at;       /* offsets in the body of what has several ways to be written; 0: none */
    size_t reservation_at;
    size_t ttl_at;
    int64_t id_time_us;
    uint8_t reservation_id[RESERVATION_ID_BYTES];

    /* Of a refusal. field is in the arena or static; message is static. */
    const char *field;
    const char *message;
};

/* STATUS_applied when nothing is wrong; otherwise STATUS_invalid or STATUS_too_large with field and
 * message. arena NULL: field and message are left out. partitions: of the region. */
enum status validate_operation(const Hf__Operation *operation, uint32_t partitions,
                               struct arena *arena, struct checked *checked);

static inline uint64_t ttl_or_default(uint64_t ttl_ms)
{
    return ttl_ms == 0 ? TTL_MS_DEFAULT : ttl_ms;
}

#endif

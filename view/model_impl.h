/* SPDX-License-Identifier: MIT
 *
 * The inside of the read model, for view/model*.c alone. Every row is packed, and names the others
 * by number:
 *
 *   model.c              life; rows of skus, levels, barcodes, warehouses, and finding them
 *   model_apply.c        movements and positions
 *   model_install.c      snapshots, and forgetting
 *   model_reservation.c  open reservations: keeping and listing them
 *   model_answer.c       one question: what may be answered, and single skus
 *   model_page.c         pages of levels
 *   model_cursor.c       where a page ended
 *   model_audit.c        digests: kept up to date, and added up
 *   model_events.c       what happened lately
 *   topk.c               the first rows of many
 */
#ifndef VIEW_MODEL_IMPL_H
#define VIEW_MODEL_IMPL_H

#include "view/index.h"
#include "view/model.h"
#include "view/order.h"
#include "view/recent.h"
#include "view/slab.h"

#define NONE UINT32_MAX
#define WAREHOUSES_MAX 65535u
#define LINES_MAX 10000u /* of a reservation: limits.lines cannot be above */

struct partition_row {
    bool known;
    uint32_t lost;
    uint64_t sequence;
    uint64_t told;   /* while it is not known: up to where it was, unless that was lost; or 0 */
    uint64_t digest; /* of all that is held of it; the reservation in model.touched apart */
    int64_t fresh_us;
    uint8_t claim_id[16];
    uint32_t mark_count, next_mark; /* of those kept, a ring; where the next one goes */
};

/* What the digest was when the partition stood there. */
struct mark {
    uint64_t sequence, digest;
};

/* A sku that was ever named; it may have no item (any more). */
struct sku_row {
    uint32_t text; /* in the slab: the sku, then the name */
    uint32_t first_level, first_barcode;
    uint32_t reorder_point;
    uint64_t version; /* 0: no item */
    uint16_t partition;
    uint8_t sku_bytes, name_bytes;
};

struct level_row {
    uint64_t version, on_hand_version;
    struct figures now;
    uint32_t sku;  /* NONE: the row is free, and next is the next free one */
    uint32_t next; /* level of the sku */
    uint16_t warehouse;
};

struct barcode_row {
    uint32_t text;
    uint32_t sku;  /* NONE: free */
    uint32_t next; /* of the sku */
    uint8_t bytes;
};

struct sums {
    uint64_t skus, on_hand, reserved, committed, unavailable, safety_stock, shortfall, available;
    uint64_t out_of_stock, below_safety;
};

struct warehouse_row {
    struct code code;
    char name[NAME_BYTES_MAX + 1];
    uint8_t name_bytes;
    uint64_t version; /* 0: only its code is known */
    struct sums sums;
};

struct line_row {
    uint32_t sku; /* NONE: not known */
    uint32_t quantity, reserved, committed, shipped, cancelled, released, returned;
    uint32_t warehouse;
};

struct reservation_row {
    int64_t expires_at_us, created_at_us;
    uint32_t revision;
    uint32_t text;       /* the order, then the actor */
    uint32_t lines;      /* in the slab: line_row each */
    uint32_t line_count; /* NONE: the row is free, and text is the next free one */
    uint8_t id[RESERVATION_ID_BYTES];
    uint8_t state;
    bool incomplete; /* lines may be missing: it is wanted */
    uint8_t order_bytes, actor_bytes;
};

struct model {
    uint32_t partition_count;
    struct partition_row *partitions;
    struct mark *marks; /* marks_each of every partition, one after another */
    uint32_t marks_each;
    uint32_t
        touched; /* reservation whose part of the digest is taken out, to be put back; or NONE */
    struct slab slab;
    struct sku_row *skus;
    size_t sku_count, sku_capacity;
    struct level_row *levels;
    size_t level_count, level_capacity; /* rows, free ones too */
    uint32_t free_level;
    struct barcode_row *barcodes;
    size_t barcode_count, barcode_capacity;
    uint32_t free_barcode;
    struct warehouse_row *warehouses;
    size_t warehouse_count, warehouse_capacity;
    struct reservation_row *reservations;
    size_t reservation_count, reservation_capacity;
    uint32_t free_reservation;
    struct index sku_index, barcode_index, warehouse_index, reservation_index, order_index;
    struct order sku_order, name_order;
    uint32_t *warehouse_ranks; /* by code; made when asked for */
    size_t ranked_warehouses;
    uint64_t *least;  /* by partition: at_least of the question that is being answered */
    uint32_t *wanted; /* reservations that are incomplete */
    size_t wanted_count, wanted_capacity;
    struct recent *recent;
    uint64_t instance;
    struct model_counts counts; /* what is counted as it happens */
};

/* ------------------------------------------------------------- model.c */

const char *sku_text(const struct model *model, uint32_t sku);
const char *name_text(const struct model *model, uint32_t sku);
/* NONE: never named. */
uint32_t sku_find(const struct model *model, const void *bytes, size_t length);
uint32_t sku_obtain(struct model *model, const void *bytes, size_t length);
void item_set(struct model *model, uint32_t sku, const void *name, size_t name_bytes,
              uint32_t reorder_point, uint64_t version);
void item_clear(struct model *model, uint32_t sku); /* with its levels and barcodes */
void barcode_add(struct model *model, uint32_t sku, const void *bytes, size_t length);
void barcodes_clear(struct model *model, uint32_t sku);
bool barcode_is(const struct model *model, uint32_t barcode, const void *bytes, size_t length);

uint32_t warehouse_find(const struct model *model, const void *bytes, size_t length);
/* NONE: there are too many. */
uint32_t warehouse_obtain(struct model *model, const void *bytes, size_t length);
void warehouse_name(struct model *model, uint32_t warehouse, const void *name, size_t name_bytes,
                    uint64_t version);
/* Place of each warehouse by its code. */
const uint32_t *warehouse_ranks(struct model *model);

void level_set(struct model *model, uint32_t sku, uint32_t warehouse, const struct figures *now,
               uint64_t version, uint64_t on_hand_version);
/* What a level comes to, in numbers that cannot run over. */
int64_t figures_free(const struct figures *now); /* before what is kept back; may be below 0 */
int64_t figures_available(const struct figures *now);
int64_t figures_shortfall(const struct figures *now);

/* By sku; by name and then sku. The keys of the second kind: */
struct name_key {
    const char *name, *sku;
    size_t name_bytes, sku_bytes;
};
int sku_compare_key(const void *model, uint32_t sku, const void *name_key);
int name_compare_key(const void *model, uint32_t sku, const void *name_key);
int bytes_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes);

/* ------------------------------------------------------------- model_reservation.c */

void reservation_movement(struct model *model, uint32_t partition, const Hf__Movement *movement,
                          const uint8_t id[RESERVATION_ID_BYTES]);
void reservation_install(struct model *model, const struct snapshot *snapshot,
                         const struct snapshot_reservation *reservation);
void reservations_forget(struct model *model, uint32_t partition);

/* Each line of the reservation that is known, for what goes over all of them. */
const struct line_row *reservation_lines(const struct model *model,
                                         const struct reservation_row *row);
/* The order; the actor follows it. */
const char *reservation_order(const struct model *model, const struct reservation_row *row);

/* ------------------------------------------------------------- model_audit.c */

/* The hashes of what is in a row; 0 for what does not count: no item, a reservation that is not
 * known whole or holds nothing. */
uint64_t row_digest_item(const struct model *model, uint32_t sku);
uint64_t row_digest_barcode(const struct model *model, uint32_t barcode);
uint64_t row_digest_level(const struct model *model, const struct level_row *level);
uint64_t row_digest_warehouse(const struct warehouse_row *row);

/* The reservation is about to change: what it adds to the digest is taken out, and put back when
 * another one changes or the digest is needed. So an operation on many lines costs one look at
 * them. */
void digest_touch(struct model *model, uint32_t reservation);
void digest_settle(struct model *model);
/* Remembers the digest of where the partition stands; before it moves on. */
void digest_mark(struct model *model, uint32_t partition);

/* ------------------------------------------------------------- model_events.c */

void events_movement(struct model *model, uint32_t partition, const Hf__Movement *movement);
/* What was told of a partition does not go on: given is its last sequence. */
void events_break(struct model *model, uint32_t partition, enum recent_kind kind, uint64_t given,
                  uint64_t resume);

/* ------------------------------------------------------------- answering */

struct asking {
    struct model *model;
    const Hf__ViewQuery *query;
    int64_t asked_us, now_us;
    bool last;
    struct arena *arena;
    Hf__ViewAnswer *answer;
    bool waits; /* at_least is not reached */
};

void ask_refuse(struct asking *asking, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* May this partition be answered from? Notes when the question ought to wait. */
Hf__Knowledge ask_knowledge(struct asking *asking, uint32_t partition);
uint32_t ask_age_ms(const struct asking *asking, uint32_t partition);
/* For what is over all partitions: false when it must not be answered (then it is refused, or
 * waits). Fills in what is unknown and the age. */
bool ask_everything(struct asking *asking);
/* Adds positions of the partitions that are marked. */
void ask_positions(struct asking *asking, const bool *marked);
ProtobufCBinaryData ask_bytes(const struct asking *asking, const void *bytes, size_t length);
Hf__Level *ask_level(const struct asking *asking, const struct level_row *level, bool with_sku);
Hf__Item *ask_item(const struct asking *asking, uint32_t sku);
/* Sums over levels of the sku (of one warehouse, or NONE: all), and those levels by warehouse. */
void ask_levels(struct asking *asking, uint32_t sku, uint32_t warehouse, Hf__ViewStock *stock);

void ask_page(struct asking *asking);
void ask_audit(struct asking *asking);
void ask_events(struct asking *asking);
void ask_reservations(struct asking *asking);

/* ------------------------------------------------------------- cursors */

/* A place between rows: that of the last one of a page. */
struct cursor {
    int64_t number;
    struct code sku, warehouse;
    char name[NAME_BYTES_MAX];
    size_t name_bytes;
};

/* What a cursor belongs to. */
uint64_t cursor_question(const ProtobufCMessage *question, struct arena *arena);
ProtobufCBinaryData cursor_write(const struct cursor *cursor, uint64_t question,
                                 struct arena *arena);
/* NULL: it is good; otherwise what is wrong. */
const char *cursor_read(struct cursor *cursor, uint64_t question, const ProtobufCBinaryData *bytes);

#endif

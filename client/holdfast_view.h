/* SPDX-License-Identifier: MIT
 *
 * Reads: answered from memory by a view, or by the owner when no view knows.
 *
 * A handle has one session with one view of the cluster, chosen at random; when that one breaks or
 * is silent it goes to another, and when there is none it asks the owners through the broker. A
 * read asks for what it needs by its consistency; whatever a view cannot vouch for (see enum
 * holdfast_knowledge) the library asks the owner, key by key, within timeout_ms. What nobody could
 * vouch for in time is said to be so: a figure is never made up, and 0 means none.
 *
 * Everything that holdfast.h says of text, threads, fork and borrowed arguments holds here.
 */
#ifndef HOLDFAST_VIEW_H
#define HOLDFAST_VIEW_H

#include "holdfast.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HOLDFAST_VIEW_KEYS_MAX 256  /* skus, barcodes, reservations, orders in one question */
#define HOLDFAST_VIEW_PAGE_MAX 1000 /* rows of a page */

enum holdfast_consistency {
    /* Nothing older than what this handle wrote (the results that it was given), nor than the
     * positions given to holdfast_view_at_least. */
    HOLDFAST_READ_OWN_WRITES = 0,
    /* Whatever a view has; its age is told. */
    HOLDFAST_READ_ANY,
    /* Nothing is missing that was committed, by anybody, before the question was asked. Costs some
     * 20 ms at a view. */
    HOLDFAST_READ_LATEST,
    /* From the owner's database, through the broker; views are not asked. Not for what only views
     * know: barcodes of many items at once, totals, status, events, and pages with another order or
     * filter than by sku and warehouse (HOLDFAST_INVALID). */
    HOLDFAST_READ_OWNER
};

enum holdfast_view_kind {
    HOLDFAST_VIEW_STOCK = 16,   /* keys: skus; warehouse */
    HOLDFAST_VIEW_BARCODE,      /* keys: barcodes; gives `stock` of the items that have them */
    HOLDFAST_VIEW_LEVELS,       /* a page of levels; by_sku: of skus with their sums, in `stock` */
    HOLDFAST_VIEW_RESERVATIONS, /* keys: reservations, open or over. No keys: a page of the live
                                 * ones by next expiry */
    HOLDFAST_VIEW_ORDERS,       /* keys: order numbers; gives their open reservations. Open:
                                 * something is reserved, or purchased and not yet shipped */
    HOLDFAST_VIEW_TOTALS,       /* per warehouse */
    HOLDFAST_VIEW_STATUS,       /* of the view that answers */
    HOLDFAST_VIEW_EVENTS        /* what happened lately, as the view that answers saw it: a tail to
                                 * be watched, some ten thousand events at most. Who must not miss
                                 * one has a subscription (holdfast_events.h) */
};

enum holdfast_event_column { /* those of EventColumn in holdfast.proto */
                             HOLDFAST_EVENT_ANY = 0,
                             HOLDFAST_EVENT_SKU,
                             HOLDFAST_EVENT_WAREHOUSE,
                             HOLDFAST_EVENT_ORDER, /* or the reservation */
                             HOLDFAST_EVENT_ACTOR,
                             HOLDFAST_EVENT_WHY /* reason, reference or note */
};

struct holdfast_event_match {
    enum holdfast_event_column column;
    const char *text; /* contained in it; the case of A to Z does not matter. 1 to 255 bytes */
};
#define HOLDFAST_EVENT_MATCHES_MAX 8

enum holdfast_level_column { /* those of LevelColumn in holdfast.proto */
                             HOLDFAST_BY_SKU = 0,
                             HOLDFAST_BY_NAME,
                             HOLDFAST_BY_WAREHOUSE,
                             HOLDFAST_BY_ON_HAND,
                             HOLDFAST_BY_RESERVED,
                             HOLDFAST_BY_COMMITTED,
                             HOLDFAST_BY_UNAVAILABLE,
                             HOLDFAST_BY_SAFETY_STOCK,
                             HOLDFAST_BY_SHORTFALL,
                             HOLDFAST_BY_AVAILABLE,
                             HOLDFAST_BY_REORDER_POINT,
                             HOLDFAST_BY_VERSION
};

/* Zero it, set kind and the fields named at the kind; the rest is ignored or optional. */
struct holdfast_view_query {
    enum holdfast_view_kind kind;
    enum holdfast_consistency consistency;
    uint32_t max_staleness_ms; /* older is not good enough; 0: any age. Not with READ_OWNER */
    const char *trace;         /* W3C traceparent */

    const char *const *keys;
    size_t key_count; /* at most HOLDFAST_VIEW_KEYS_MAX */

    const char *warehouse; /* STOCK, LEVELS: only levels of this one */
    /* LEVELS: all that are given must hold. */
    const char *sku_prefix;
    const char *text;  /* in the name or the sku; the case of A to Z does not matter */
    bool below_safety; /* on_hand − reserved − committed − unavailable < safety_stock */
    bool out_of_stock; /* available is 0 */
    bool by_sku;       /* rows are skus; the filter and the order are by their sums */
    enum holdfast_level_column sort; /* rows that are equal in it: by sku and warehouse */
    bool descending;
    /* Pages. The next one: the same query with the cursor of the page before (limit may differ). It
     * is good at any view and after a restart, and never shows a row twice that did not move. */
    uint32_t limit; /* 0: 100; at most HOLDFAST_VIEW_PAGE_MAX */
    const char *cursor;
    const char
        *after; /* LEVELS sorted by sku upwards: begin behind this sku, instead of a cursor */
    /* EVENTS: the newest `limit` events that came after number `since` of `instance` (both from the
     * answer before; 0: from the oldest that is kept), and to which all of these apply. */
    uint64_t instance, since;
    const struct holdfast_event_match *matches;
    size_t match_count;
    uint64_t movement_kinds; /* bits: 1 << MovementKind; 0: any */
    unsigned signals; /* bits of enum holdfast_signal: at least one of them; 0: any or none */
};

enum holdfast_knowledge {
    HOLDFAST_KNOWLEDGE_UNKNOWN = 0, /* nobody who knows has answered */
    HOLDFAST_KNOWLEDGE_KNOWN,
    HOLDFAST_KNOWLEDGE_BEHIND, /* the view did not reach the handle's writes in time */
    HOLDFAST_KNOWLEDGE_STALE   /* older than asked for */
};

/* "unknown", "known", "behind", "stale"; static text. */
HOLDFAST_PUBLIC const char *holdfast_knowledge_name(enum holdfast_knowledge knowledge);

/* One sku. Without KNOWN only sku and partition are told: there are no figures. */
struct holdfast_view_stock {
    const char *sku;
    enum holdfast_knowledge knowledge;
    bool exists;     /* false: there is no such item */
    bool from_owner; /* the owner answered, not a view */
    uint32_t partition;
    uint64_t sequence; /* the partition's, when this was read */
    int64_t age_us;    /* it was true this long ago or later, when the answer was given */
    const struct holdfast_item *item; /* NULL: not told (from_owner), or it does not exist */
    struct holdfast_level total; /* sums; sku, warehouse and versions are "" and 0. reorder_point is
                                  * the item's, 0 without item */
    const struct holdfast_level *levels; /* by warehouse */
    size_t level_count;
};

struct holdfast_view_level {
    struct holdfast_level level;
    const char *name; /* of the item */
    uint32_t partition;
};

struct holdfast_view_total {
    const char *warehouse;
    const char *name;
    uint64_t skus; /* with a level there */
    uint64_t on_hand, reserved, committed, unavailable, safety_stock, shortfall, available;
    uint64_t out_of_stock, below_safety; /* levels */
};

struct holdfast_view_status {
    const char *name;
    int64_t started_at_us;
    uint64_t items, levels, barcodes, reservations;
    uint64_t movements, repairs, snapshots, history_lost, queries;
    uint64_t memory_bytes;
};

enum holdfast_view_event_kind {
    HOLDFAST_VIEW_EVENT_MOVEMENT = 0,
    /* The view read the partition anew: what came after `given` up to `resume` is not told here. */
    HOLDFAST_VIEW_EVENT_PASSED_OVER,
    /* A database lost its tail: some of what was told of the partition, up to `given`, never
     * happened. */
    HOLDFAST_VIEW_EVENT_HISTORY_LOST
};

struct holdfast_view_event {
    uint64_t number; /* in the order in which the view took them */
    enum holdfast_view_event_kind kind;
    uint32_t partition;
    uint64_t given, resume;
    unsigned signals;                         /* bits of enum holdfast_signal */
    const struct holdfast_movement *movement; /* of a MOVEMENT; without principal and expiry. The
                                               * balances in `after` are 0 when it has no level */
};

struct holdfast_view_events {
    uint64_t instance;       /* of this start of this view */
    uint64_t newest, oldest; /* numbers that it has; 0: none */
    int64_t since_us;        /* it has everything since then */
    bool more;               /* older ones after `since` apply as well, beyond the limit */
    bool anew;               /* it was not told from `since` on: another view, or the first time */
    const struct holdfast_view_event *list; /* the newest first */
    size_t count;
};

struct holdfast_view_answer {
    /* HOLDFAST_APPLIED: answered, and every key is known. Otherwise as holdfast_answer: what was
     * answered is here all the same, and each key says if it is known. */
    int status;
    enum holdfast_kind kind;
    const char *field;
    const char *message;
    /* What is over all partitions (pages, barcodes, orders, totals) is over those that are known:
     * while unknown_partitions is not 0, every sum and count is "at least". */
    uint32_t unknown_partitions;
    uint32_t partitions; /* 0: not told */
    int64_t age_us;      /* of the oldest part */
    bool from_owner;     /* some of it */
    const char *view;    /* endpoint of the view that answered, or "" */

    const struct holdfast_view_stock *stock; /* STOCK: in the order asked; BARCODE; LEVELS by_sku */
    size_t stock_count;
    const struct holdfast_view_level *levels;
    size_t level_count;
    const struct holdfast_reservation
        *reservations; /* by id: those that exist, in the order asked */
    size_t reservation_count;
    const char *const *unknown_keys; /* RESERVATIONS by id: those that nobody could tell of */
    size_t unknown_key_count;
    const struct holdfast_view_total *totals; /* by code of the warehouse */
    size_t total_count;
    const struct holdfast_view_status *view_status; /* or NULL */
    const struct holdfast_view_events *events;      /* EVENTS; or NULL */

    /* A page: more follows, and where. From the owners, reservations by next expiry have only a
     * first page: more is then true and cursor NULL. */
    bool more;
    const char *cursor;
    uint64_t matched; /* page of a view: rows that the filter lets through */
    uint64_t total;   /* page of a view: rows without the filter */
};

/* Asks and waits, at most timeout_ms. Never NULL (as holdfast_call). */
HOLDFAST_PUBLIC struct holdfast_view_answer *
holdfast_view_ask(struct holdfast *client, const struct holdfast_view_query *query);
HOLDFAST_PUBLIC void holdfast_view_answer_free(struct holdfast_view_answer **answer);

/* As holdfast_submit: fn is called once, from holdfast_process, holdfast_close, or a call that
 * waits; the answer is the callee's. */
typedef void holdfast_view_fn(void *data, struct holdfast_view_answer *answer);
HOLDFAST_PUBLIC bool holdfast_view_submit(struct holdfast *client,
                                          const struct holdfast_view_query *query,
                                          holdfast_view_fn *fn, void *data, char *error,
                                          size_t error_bytes);

/* A position: that of a write is partition and sequence of its result. */
struct holdfast_position {
    uint32_t partition;
    uint64_t sequence;
};

/* This handle's READ_OWN_WRITES are at least this new from here on: for writes of another handle or
 * process. Positions only ever rise, until the owner itself says that its history ends before one
 * (the database lost a tail). False: no memory, or a partition above 65,534. */
HOLDFAST_PUBLIC bool holdfast_view_at_least(struct holdfast *client,
                                            const struct holdfast_position *positions,
                                            size_t count);
/* What the handle has to be at least, to be given to another. Returns how many there are; fills in
 * at most `most`. */
HOLDFAST_PUBLIC size_t holdfast_view_positions(const struct holdfast *client,
                                               struct holdfast_position *positions, size_t most);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT
 *
 * libholdfast: reserve, purchase, release and correct stock in a Holdfast cluster.
 *
 * One handle serves one thread at a time. The library never aborts, never prints, installs no
 * signal handler, and starts no thread of its own besides libzmq's. Every write carries an
 * operation id and takes effect once, however often it is sent: the library retries with the same
 * id (full jitter, within timeout_ms and a retry budget), fails over between brokers, and when a
 * refusal could still be overtaken by an older attempt it settles the id before it tells you.
 *
 * What a result means, whatever its name, is its kind:
 *   applied   took effect, once
 *   refused   certainly not applied
 *   shed      certainly not applied; may be asked again later
 *   unknown   may have been applied: call again with the same operation_id, or settle it
 *
 * Text is NUL-terminated UTF-8 without control characters. Codes (sku, warehouse, reason) have 1 to
 * 64 bytes, no blank at either end, and are compared as bytes. Orders, references and actors have
 * at most 64 bytes, names and notes 255. Quantities are 0 to 999,999,999, and at least 1 in a line.
 * Times are microseconds since the epoch. Strings and arrays that are passed in are borrowed until
 * the call returns.
 *
 * After fork, the child must not use the parent's handles: everything but holdfast_close fails with
 * HOLDFAST_INVALID there, and holdfast_close only frees memory. It may open handles of its own.
 */
#ifndef HOLDFAST_H
#define HOLDFAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HOLDFAST_VERSION "0.1.0"
#if defined(__GNUC__)
#    define HOLDFAST_PUBLIC __attribute__((visibility("default")))
#else
#    define HOLDFAST_PUBLIC
#endif

/* Wire codes; the table with texts and kinds is in protocol.md, "Results". */
enum holdfast_status {
    HOLDFAST_APPLIED = 0,
    HOLDFAST_INSUFFICIENT_STOCK = 10,
    HOLDFAST_RESERVATION_EXPIRED = 11,
    HOLDFAST_ALREADY_PURCHASED = 12,
    HOLDFAST_ALREADY_RELEASED = 13,
    HOLDFAST_NOT_ACTIVE = 14,
    HOLDFAST_EXCEEDS_RESERVATION = 15,
    HOLDFAST_EXCEEDS_COMMITTED = 16,
    HOLDFAST_EXCEEDS_SHIPPED = 17,
    HOLDFAST_INSUFFICIENT_ON_HAND = 18,
    HOLDFAST_VERSION_CONFLICT = 19,
    HOLDFAST_OPERATION_ID_REUSED = 20,
    HOLDFAST_UNKNOWN_SKU = 21,
    HOLDFAST_UNKNOWN_WAREHOUSE = 22,
    HOLDFAST_UNKNOWN_RESERVATION = 23,
    HOLDFAST_UNKNOWN_REASON = 24,
    HOLDFAST_BARCODE_TAKEN = 25,
    HOLDFAST_INVALID = 26,
    HOLDFAST_TOO_LARGE = 27,
    HOLDFAST_INTERNAL = 28,
    HOLDFAST_NOT_PERMITTED = 29,
    HOLDFAST_BUSY = 40,
    HOLDFAST_RATE_LIMITED = 41,
    HOLDFAST_DEADLINE_EXCEEDED = 42,
    HOLDFAST_UNAVAILABLE = 43,
    HOLDFAST_WRONG_PARTITION = 44,
    HOLDFAST_UNKNOWN = 60,
    HOLDFAST_POISON = 61,
    HOLDFAST_OPERATION_ID_EXPIRED = 62
};

enum holdfast_kind {
    HOLDFAST_KIND_APPLIED,
    HOLDFAST_KIND_REFUSED,
    HOLDFAST_KIND_SHED,
    HOLDFAST_KIND_UNKNOWN
};

/* Static text; any int is allowed. */
HOLDFAST_PUBLIC const char *holdfast_status_name(int status);
HOLDFAST_PUBLIC const char *holdfast_status_text(int status);
HOLDFAST_PUBLIC enum holdfast_kind holdfast_status_kind(int status);
HOLDFAST_PUBLIC int holdfast_status_exit(int status); /* exit code of a command line program */
HOLDFAST_PUBLIC const char *holdfast_version(void);

/* The class decides who is served first when there is a queue. Operations that give capacity back
 * (release, cancel, ship) travel in a class of their own. */
enum holdfast_class { HOLDFAST_CLASS_SERVICE = 0, HOLDFAST_CLASS_INTERACTIVE, HOLDFAST_CLASS_BULK };

struct holdfast_options {
    size_t size;                /* sizeof (struct holdfast_options): lets the struct grow */
    const char *cluster_file;   /* cluster.yaml; NULL: looked for as the command line does */
    const char *const *brokers; /* client endpoints, instead of a cluster file */
    size_t broker_count;
    const char *cluster; /* name; required with brokers */
    const char *name;    /* of this client, for operators; NULL: program@host */
    const char *actor;   /* default for operations; NULL: none */
    enum holdfast_class op_class;
    int64_t timeout_ms;         /* per operation, retries and settling included; 0: 10,000 */
    int64_t attempt_timeout_ms; /* before an attempt is given up and sent again; 0: 2,000 */
    uint32_t window;            /* most operations in flight; 0: what the broker grants */
    uint32_t retry_budget;      /* retries per 100 first attempts, besides 10 a second; 0: 20 */
    const char *const *views;   /* with brokers: client endpoints of views; see holdfast_view.h */
    size_t view_count;          /* 0: there are none */
};

struct holdfast;

/* Does not wait for a broker: it connects as soon as it is used. NULL on bad options, a bad cluster
 * file or lack of memory, with the reason in error (may be NULL). */
HOLDFAST_PUBLIC struct holdfast *holdfast_open(const struct holdfast_options *options, char *error,
                                               size_t error_bytes);
/* Operations in flight end as unknown (their callbacks are called, and cannot submit any more).
 * *client becomes NULL. */
HOLDFAST_PUBLIC void holdfast_close(struct holdfast **client);

/* ------------------------------------------------------------- operations */

enum holdfast_operation_kind {
    HOLDFAST_RESERVE = 16,      /* lines, ttl_ms, order, policy, warehouses (<= 256), may_split */
    HOLDFAST_EXTEND,            /* reservation, ttl_ms */
    HOLDFAST_PURCHASE,          /* reservation, lines (none: all), keep_remainder, revive */
    HOLDFAST_RELEASE,           /* reservation, lines (none: all) */
    HOLDFAST_SHIP,              /* reservation, lines (none: all), reference, reason */
    HOLDFAST_CANCEL,            /* reservation, lines (none: all), reason */
    HOLDFAST_RETURN,            /* reservation, lines, to_quarantine, reason, reference */
    HOLDFAST_RECEIVE,           /* lines with warehouse, reference */
    HOLDFAST_ADJUST,            /* sku, warehouse, delta, reason, accept_shortfall */
    HOLDFAST_COUNT,             /* sku, warehouse, quantity, has_version, on_hand_version, reason */
    HOLDFAST_TRANSFER,          /* sku, warehouse (from), to_warehouse, quantity, reference */
    HOLDFAST_QUARANTINE,        /* lines with warehouse, reason, accept_shortfall */
    HOLDFAST_RESTORE,           /* lines with warehouse, reason */
    HOLDFAST_SET_SAFETY_STOCK,  /* sku, warehouse, quantity */
    HOLDFAST_SET_REORDER_POINT, /* sku, warehouse, quantity */
    HOLDFAST_PUT_ITEM,          /* sku, text (name), barcodes (<= 64), quantity (reorder point) */
    HOLDFAST_PUT_WAREHOUSE,     /* warehouse, text (name) */
    HOLDFAST_PUT_REASON,        /* reason, text (name) */
    HOLDFAST_SETTLE,            /* settles (operation id), partition */
    HOLDFAST_BEGIN_RUN,         /* run, digest, run_lines, run_blank, resume, run_undoes */
    HOLDFAST_RECORD_RUN,        /* run, run_results */
    HOLDFAST_UNDO               /* undone (operation id), partition; has_previous, previous, … */
};

enum holdfast_policy { HOLDFAST_MOST_AVAILABLE = 0, HOLDFAST_NEAREST_FIRST = 1 };

struct holdfast_line {
    const char *sku;
    const char
        *warehouse; /* NULL: the policy chooses (reserve), or the reservation's lines in order */
    uint32_t quantity;
};

#define HOLDFAST_ALL_PARTITIONS (-1)

#define HOLDFAST_DIGEST_BYTES 32

/* What became of a line of a run. */
struct holdfast_run_line {
    uint32_t line; /* from 1 */
    int status;    /* enum holdfast_status */
    uint32_t partition;
    uint64_t sequence; /* applied: of its last movement in the partition */
    const char *text;  /* otherwise: for people; at most 255 bytes; NULL: none */
    /* Of a count list (protocol.md, "Count lists"); otherwise NULL (in an answer "") and 0. */
    const char *sku;
    const char *warehouse;
    bool open;                /* nobody has counted it yet; status is HOLDFAST_UNAVAILABLE */
    uint32_t counted, booked; /* what was counted when the count met a conflict, and what the books
                               * said then */
};

enum holdfast_run_state {
    HOLDFAST_RUN_NONE = 0,
    HOLDFAST_RUN_OPEN, /* some line has no result, or an unknown one */
    HOLDFAST_RUN_DONE  /* every line was applied or refused */
};

/* The operations of a bulk file, by number, as the system keeps them. */
struct holdfast_run {
    const char *run;
    uint8_t digest[HOLDFAST_DIGEST_BYTES];
    uint32_t lines;        /* the highest number of a line */
    uint32_t blank;        /* of them, lines without an operation */
    const char *actor;     /* who began it */
    int64_t created_at_us; /* id_time_us of its lines */
    const char *undoes;    /* "" or the run that it undoes */
    enum holdfast_run_state state;
    uint32_t applied, refused, unknown;
    int64_t changed_at_us;
    uint64_t version;
};

/* Zero it, set kind and the fields named at the kind; the rest is ignored or optional. */
struct holdfast_operation {
    enum holdfast_operation_kind kind;
    const char *operation_id; /* UUID text, version 7 or 8; NULL: the library makes one */
    int64_t id_time_us;       /* version 8: when its run began; the same for every attempt */
    uint16_t attempt;  /* 0 or 1: operation_id was never sent before. Higher, or 2 when you do
                        * not know: it may have been sent, by an earlier process for example */
    const char *actor; /* NULL: the client's */
    const char *note;  /* for the ledger */
    const char *trace; /* W3C traceparent */
    uint64_t undoes;   /* sequence of the movement that this compensates */

    const char *reservation;
    const struct holdfast_line *lines;
    size_t line_count;
    uint64_t ttl_ms; /* 1,000 to 2,592,000,000 (30 days); 0: 15 minutes */
    const char *order;
    enum holdfast_policy policy;
    const char *const *warehouses;
    size_t warehouse_count;
    bool may_split;
    bool keep_remainder;
    bool revive;
    bool to_quarantine;
    bool accept_shortfall;
    bool has_version;
    uint64_t on_hand_version;

    const char *sku;
    const char *warehouse;
    const char *to_warehouse;
    int64_t delta;
    uint32_t quantity;
    const char *reason;
    const char *reference;
    const char *text;
    const char *const *barcodes;
    size_t barcode_count;

    const char *settles; /* an operation_id */
    int32_t partition;   /* SETTLE: where it was sent, or HOLDFAST_ALL_PARTITIONS. UNDO: where the
                          * undone operation is */

    const char *run;
    const uint8_t *digest; /* HOLDFAST_DIGEST_BYTES */
    uint32_t run_lines, run_blank;
    bool resume;
    const char *run_undoes;
    const struct holdfast_run_line *run_results; /* 1 to 256, in order, all of one block of 256 */
    size_t run_result_count;
    const char *undone; /* an operation_id */
    bool has_previous;
    uint32_t previous;
    bool previous_reorder_point; /* of an undo that is undone: previous is a reorder point's */
};

struct holdfast_level {
    const char *sku;
    const char *warehouse;
    uint32_t on_hand, reserved, committed, unavailable, safety_stock, shortfall, available;
    uint32_t reorder_point; /* low is less available than this (holdfast_events.h); 0: never */
    uint64_t version, on_hand_version;
};

struct holdfast_reservation_line {
    const char *sku;
    const char *warehouse;
    uint32_t quantity, reserved, committed, shipped, cancelled, released, returned;
};

enum holdfast_reservation_state {
    HOLDFAST_STATE_NONE = 0,
    HOLDFAST_STATE_PENDING,
    HOLDFAST_STATE_ACTIVE,
    HOLDFAST_STATE_PURCHASED,
    HOLDFAST_STATE_RELEASED,
    HOLDFAST_STATE_EXPIRED
};

/* "active", …; static text. */
HOLDFAST_PUBLIC const char *holdfast_state_name(enum holdfast_reservation_state state);

struct holdfast_reservation {
    const char *reservation; /* R-… */
    enum holdfast_reservation_state state;
    int64_t expires_at_us;
    uint32_t revision;
    const char *order;
    const char *actor;
    int64_t created_at_us;
    const struct holdfast_reservation_line *lines;
    size_t line_count;
};

struct holdfast_shortage {
    const char *sku;
    const char *warehouse; /* "": the policy had the choice */
    uint32_t requested;
    uint32_t available;
};

struct holdfast_movement {
    uint32_t partition;
    uint64_t sequence;
    char operation_id[37];
    uint32_t index;
    int kind; /* MovementKind of holdfast.proto; name: holdfast_movement_name */
    int64_t at_us;
    const char *sku, *warehouse;
    int32_t on_hand_change, reserved_change, committed_change, unavailable_change;
    struct holdfast_level after;
    const char *reservation;
    enum holdfast_reservation_state state;
    int64_t expires_at_us;
    const char *order, *reason, *reference, *note, *actor, *principal;
    uint64_t undoes;
    /* Only of HOLDFAST_QUERY_MOVEMENT: the level's movement before this one, which may have been
     * pruned; 0: there was none. */
    uint64_t before;
};

/* "reserved", "adjusted", …; static text. */
HOLDFAST_PUBLIC const char *holdfast_movement_name(int kind);

enum holdfast_settle_outcome {
    HOLDFAST_SETTLE_NONE = 0,
    HOLDFAST_SETTLE_APPLIED, /* `settled` is what the operation gave */
    HOLDFAST_SETTLE_VOID     /* nothing was applied, and nothing ever will be */
};

struct holdfast_result {
    int status; /* enum holdfast_status */
    enum holdfast_kind kind;
    char operation_id[37];
    const char *field;   /* "" or what was at fault */
    const char *message; /* "" or for people */
    uint32_t attempts;   /* how many times it was sent */
    bool replayed;       /* an earlier attempt had applied it: this is that result */
    uint32_t retry_after_ms;
    uint32_t partition;
    uint64_t sequence; /* applied: of its last movement in the partition */
    const struct holdfast_reservation *reservation; /* or NULL */
    const struct holdfast_level *levels;
    size_t level_count;
    const struct holdfast_shortage *shortages;
    size_t shortage_count;
    const struct holdfast_movement *moved;
    size_t moved_count;
    /* Of a SETTLE, with what was settled. In a refused or shed result of another kind, VOID says
     * that the library had to settle the id: it is spent, or may be at any moment; ask again with a
     * new one. */
    enum holdfast_settle_outcome settle;
    const struct holdfast_result *settled; /* or NULL */
    const struct holdfast_run *run;        /* BEGIN_RUN, RECORD_RUN: as it is now; or NULL */
};

/* Runs one operation and waits for its result, at most timeout_ms. Never NULL: when there is no
 * memory, a static result with status HOLDFAST_UNKNOWN. Bad arguments give HOLDFAST_INVALID with
 * field and message, without anything being sent. Free it with holdfast_result_free. */
HOLDFAST_PUBLIC struct holdfast_result *holdfast_call(struct holdfast *client,
                                                      const struct holdfast_operation *operation);

/* Runs count operations, as many at once as the window allows; results[i] belongs to
 * operations[i]. Operations are independent: do not put two here where one needs the other. */
HOLDFAST_PUBLIC void holdfast_call_many(struct holdfast *client,
                                        const struct holdfast_operation *operations, size_t count,
                                        struct holdfast_result **results);

HOLDFAST_PUBLIC void holdfast_result_free(struct holdfast_result **result);

/* A new UUID version 7 as text. Write it down before you call, and you can settle it after a crash.
 */
HOLDFAST_PUBLIC void holdfast_new_operation_id(char text[37]);

/* A UUID version 8 for item `index` of something with a name of its own (a run, a file's digest).
 */
HOLDFAST_PUBLIC void holdfast_derive_operation_id(const void *name, size_t name_bytes,
                                                  uint64_t index, char text[37]);

/* ------------------------------------------------------------- asynchronous use */

/* Called once per submitted operation or query, from holdfast_process, from holdfast_close, and
 * from the calls that wait (holdfast_call, _call_many, _ask), which process everything while they
 * do. The result belongs to the callee. It may submit; it must not wait or close the client. */
struct holdfast_answer;
typedef void holdfast_result_fn(void *data, struct holdfast_result *result);
typedef void holdfast_answer_fn(void *data, struct holdfast_answer *answer);

/* Takes the operation (copied) to be sent when the window allows. False: bad arguments, no memory,
 * or HOLDFAST_PENDING_MAX are waiting; error (may be NULL) says which, and fn is not called. */
#define HOLDFAST_PENDING_MAX 65536
HOLDFAST_PUBLIC bool holdfast_submit(struct holdfast *client,
                                     const struct holdfast_operation *operation,
                                     holdfast_result_fn *fn, void *data, char *error,
                                     size_t error_bytes);

/* Becomes readable when holdfast_process has something to do. Watch for readability only, and call
 * holdfast_process also when holdfast_deadline_ms has passed and after every submit. */
HOLDFAST_PUBLIC int holdfast_fd(struct holdfast *client);
/* Milliseconds until holdfast_process must be called even if nothing is readable; at most 1,000. */
HOLDFAST_PUBLIC int holdfast_deadline_ms(struct holdfast *client);
/* Sends, receives, retries, calls back; never waits. */
HOLDFAST_PUBLIC void holdfast_process(struct holdfast *client);
/* Submitted and not yet called back. */
HOLDFAST_PUBLIC size_t holdfast_pending(const struct holdfast *client);

/* How many partitions the region has; 0 until a broker has said so. It never changes. */
HOLDFAST_PUBLIC uint32_t holdfast_partitions(const struct holdfast *client);
/* Where a sku (or a run, by its name) lies among so many; partitions is at least 1. */
HOLDFAST_PUBLIC uint32_t holdfast_partition_of(const char *sku, uint32_t partitions);

/* ------------------------------------------------------------- queries, answered by the owner */

enum holdfast_query_kind {
    HOLDFAST_QUERY_STOCK = 16,  /* skus; or a page: after, limit; warehouse */
    HOLDFAST_QUERY_ITEM,        /* skus; or barcode; or a page */
    HOLDFAST_QUERY_WAREHOUSE,   /* page */
    HOLDFAST_QUERY_REASON,      /* page */
    HOLDFAST_QUERY_RESERVATION, /* reservations; or order, sku, expiring, limit */
    HOLDFAST_QUERY_HISTORY,     /* sku, warehouse (NULL: of the item), before, limit */
    HOLDFAST_QUERY_OPERATION,   /* operation_ids */
    HOLDFAST_QUERY_AUDIT,       /* token, audit, bucket, after; partition, or all of them */
    HOLDFAST_QUERY_RUN,         /* skus (names of runs); or a page: before, run, limit */
    HOLDFAST_QUERY_RUN_LINES,   /* run, before (lines above this number), limit */
    HOLDFAST_QUERY_MOVEMENT,    /* partition, sequences: single movements */
    HOLDFAST_QUERY_DRY_RUN      /* partition, operations, state: what they would do */
};

/* What an audit is asked for; protocol.md, "Digests". */
enum holdfast_audit_what {
    HOLDFAST_AUDIT_CHECKS = 0, /* every check, and the digest */
    HOLDFAST_AUDIT_DIGEST,
    HOLDFAST_AUDIT_BUCKETS,
    HOLDFAST_AUDIT_ROWS, /* of one bucket */
    HOLDFAST_AUDIT_IDS   /* a page of operation ids: after (an id), or from the first */
};

/* A query that names no partition by itself (a page, an order, operation ids, audit) is sent to all
 * of them, and the answers are merged: pages by sku, reservations by expiry or age. */
struct holdfast_query {
    enum holdfast_query_kind kind;
    const char *const *skus; /* also reservations or operation ids, by kind */
    size_t sku_count;        /* at most 256 */
    const char *after;
    uint32_t limit; /* 0: 100; at most 1,000 */
    const char *warehouse;
    const char *barcode;
    const char *order;
    const char *sku;
    bool expiring;
    uint64_t token; /* AUDIT: random, not 0; the same asks on for the same audit */
    enum holdfast_audit_what audit;
    uint32_t bucket;
    bool one_partition; /* AUDIT: only `partition` */
    uint64_t before;    /* HISTORY: sequence; RUN: created_at_us; RUN_LINES: line */
    const char *run; /* RUN: of those that began at `before`, with a name after this; RUN_LINES */
    uint32_t partition;
    const uint64_t *sequences;
    size_t sequence_count; /* 1 to 256 */
    /* All of this partition, in order, each on top of those before it; ids are not read. */
    const struct holdfast_operation *operations;
    size_t operation_count;             /* 1 to 256 */
    const struct holdfast_state *state; /* of earlier dry runs, to go on from; or NULL */
};

struct holdfast_item {
    const char *sku;
    const char *name;
    const char *const *barcodes;
    size_t barcode_count;
    uint32_t reorder_point;
    uint64_t version;
};

struct holdfast_named {
    const char *code;
    const char *name;
    uint64_t version;
};

struct holdfast_stock {
    const char *sku;
    uint32_t partition;
    uint64_t sequence;
    int64_t read_at_us;
    const struct holdfast_level *levels; /* by warehouse */
    size_t level_count;
};

/* Rows as a dry run left them, in place of those that are in the database. */
struct holdfast_state {
    const struct holdfast_level *levels;
    size_t level_count;
    const struct holdfast_reservation *reservations; /* with all their lines */
    size_t reservation_count;
    const struct holdfast_item *items; /* without names */
    size_t item_count;
    const struct holdfast_named *warehouses; /* without names */
    size_t warehouse_count;
    const struct holdfast_named *reasons;
    size_t reason_count;
};

/* What one operation would do. before[i] belongs to result->levels[i]. */
struct holdfast_dry {
    const struct holdfast_result *result;
    const struct holdfast_level *before;
    size_t before_count;
};

struct holdfast_difference {
    const char *check, *sku, *warehouse, *reservation, *message;
    uint32_t partition;
};

/* A row of a partition, or what counts as one: an item with its barcodes, a reservation with its
 * lines. */
struct holdfast_row {
    int kind; /* RowKind of holdfast.proto */
    const char *sku, *warehouse, *reservation;
    uint64_t version;
    uint64_t sum;
};

/* One partition's part of an audit. */
struct holdfast_audited {
    uint32_t partition;
    bool running; /* nothing of what follows is there yet: ask again */
    uint64_t sequence;
    uint64_t digest;
    uint32_t took_ms;
    const uint64_t *buckets; /* 256, or none */
    size_t bucket_count;
    const struct holdfast_row *rows;
    size_t row_count;
    const uint8_t (*ids)[16]; /* in their order; the answer's `more`: there are others */
    size_t id_count;
};

struct holdfast_answer {
    int status;
    enum holdfast_kind kind;
    const char *field;
    const char *message;
    uint32_t partitions_asked;
    uint32_t partitions_answered; /* fewer: what is here is incomplete, and status says why */
    int64_t age_us;               /* of the oldest part, when the answer was put together */
    bool more;
    const struct holdfast_stock *stock;
    size_t stock_count;
    const struct holdfast_item *items;
    size_t item_count;
    const struct holdfast_named *named;
    size_t named_count;
    const struct holdfast_reservation *reservations;
    size_t reservation_count;
    const struct holdfast_movement *movements;
    size_t movement_count;
    const struct holdfast_result *results;
    size_t result_count;
    const struct holdfast_difference *differences;
    size_t difference_count;
    uint64_t checked;
    const struct holdfast_audited *audited; /* by partition */
    size_t audited_count;
    const struct holdfast_run *runs;
    size_t run_count;
    const struct holdfast_run_line *run_lines;
    size_t run_line_count;
    const struct holdfast_dry *dry; /* in the order of the operations */
    size_t dry_count;
    const struct holdfast_state *state; /* dry run: every row that it changed; or NULL */
    uint64_t sequence;                  /* of a query to one partition: its last movement then */
};

/* Asks and waits, at most timeout_ms. Never NULL (as holdfast_call). */
HOLDFAST_PUBLIC struct holdfast_answer *holdfast_ask(struct holdfast *client,
                                                     const struct holdfast_query *query);
HOLDFAST_PUBLIC void holdfast_answer_free(struct holdfast_answer **answer);

/* As holdfast_submit. */
HOLDFAST_PUBLIC bool holdfast_submit_query(struct holdfast *client,
                                           const struct holdfast_query *query,
                                           holdfast_answer_fn *fn, void *data, char *error,
                                           size_t error_bytes);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT
 *
 * The inside of the ledger, shared by ledger*.c, catalog.c and result.c; nobody else includes it.
 *
 *   ledger.c          life, and the gate every operation passes: valid, in time, ours, new
 *   ledger_need.c     what must be loaded before a batch
 *   ledger_cache.c    items, levels and reservations in memory
 *   ledger_table.c    entries by reservation id
 *   ledger_due.c      when live reservations end
 *   ledger_batch.c    movements and touched rows of the batch; commit and abort
 *   ledger_body.c     lines in canonical form, and the hash of a body
 *   ledger_reserve.c  reserve
 *   ledger_hold.c     the life of a reservation, its expiry included
 *   ledger_stock.c    receive, adjust, count, transfer, …
 *   ledger_signal.c   what a movement announces: low stock, out of stock, shortfall
 *   ledger_run.c      begin_run, record_run, and runs in memory
 *   ledger_undo.c     undo
 *   ledger_dry.c      what a dry run begins with, and what it leaves
 *   ledger_record.c   put_item, put_warehouse, put_reason, settle
 *
 * An operation is decided in two steps: its handler checks everything and writes a plan (a row for
 * every level that would change); only when nothing is refused does batch_apply carry the plan out.
 * So a refusal never has anything to undo.
 */
#ifndef WORKERS_LEDGER_IMPL_H
#define WORKERS_LEDGER_IMPL_H

#define XXH_INLINE_ALL
#include <xxhash.h>
#define HASH_FUNCTION(key, length, hash) ((hash) = (unsigned)XXH3_64bits((key), (length)))
#include <uthash.h>

#include "protocol/status.h"
#include "workers/ledger.h"
#include "workers/validate.h"

/* Rows kept in memory per partition; beyond, a quarter leaves between batches. */
#define LEDGER_SKUS_MAX 65536u
#define LEDGER_RESERVATIONS_MAX 65536u
#define LEDGER_LINES_MAX 262144u /* of those reservations, together */
#define LEDGER_RUNS_MAX 256u
#define LEDGER_RUN_BLOCKS_MAX 64u /* of at most about 80 KiB */
/* Most due reservations that one batch looks at. While more are waiting, want of stock is answered
 * `unavailable` and not refused. */
#define DUE_PER_BATCH_MAX 4096u
/* Nor does want of stock release more once the batch has so many movements: a transaction has a
 * limit. */
#define DUE_ROWS_MAX 4096u
/* movement.idx and reservation_line.line are SMALLINT UNSIGNED. */
#define ROWS_PER_OPERATION_MAX 65535u

/* Never NULL: running out of memory ends the process. */
void *must_calloc(size_t count, size_t bytes);
void *must_realloc(void *pointer, size_t bytes);

/* ------------------------------------------------------------- catalog */

bool catalog_warehouse(const struct catalog *catalog, const void *bytes, size_t length,
                       uint64_t *version);
bool catalog_reason(const struct catalog *catalog, const void *bytes, size_t length,
                    uint64_t *version);

/* ------------------------------------------------------------- entries by reservation id */

struct table_slot {
    uint64_t hash;
    void *entry; /* begins with its id; NULL: free */
};

struct table { /* zeroed: empty */
    struct table_slot *slots;
    size_t count, capacity;
};

void *table_find(const struct table *table, const uint8_t id[RESERVATION_ID_BYTES]);
/* It must not be there. */
void table_add(struct table *table, void *entry);
/* It must be there. */
void table_remove(struct table *table, const uint8_t id[RESERVATION_ID_BYTES]);
/* The entry at the place `at` or the first one behind it; NULL: there is none. Start with 0; after
 * removing what it gave, go on with the same place. */
void *table_any(const struct table *table, size_t *at);
/* Entries are the caller's. */
void table_release(struct table *table);

/* ------------------------------------------------------------- cache */

struct level_entry {
    struct level level; /* version 0: there is no such row yet */
    struct sku_entry *owner;
    uint64_t base_version; /* at the beginning of the batch, once touched */
    bool touched;
    const struct level *before; /* the same, of a dry run; in the batch's arena */
    uint64_t planned_turn;      /* the plan of this turn has a row for it … */
    size_t planned_row;         /* … here */
};

struct sku_entry {
    struct code sku;
    struct item item; /* version 0: no such item */
    struct level_entry **levels;
    size_t level_count, level_capacity;
    uint64_t base_version; /* of the item, once touched */
    bool touched;
    uint64_t seen_turn;       /* the last turn that looked at its stock */
    uint64_t signal_turn;     /* the last turn that changed it, and … */
    int64_t available_change; /* … by how much, over all warehouses */
    UT_hash_handle hh;
};

struct reservation_entry {
    uint8_t id[RESERVATION_ID_BYTES];
    struct reservation reservation; /* revision 0: no such reservation */
    uint32_t base_revision;         /* at the beginning of the batch, once touched */
    bool touched;
};

struct run_entry {
    struct run run; /* version 0: no such run */
    uint64_t base_version;
    bool touched;
    UT_hash_handle hh;
};

struct run_block_key {
    uint32_t block;
    uint8_t code[CODE_BYTES_MAX];
    uint32_t code_bytes;
};

struct run_block_entry {
    struct run_block_key key; /* zeroed where it has nothing */
    struct run_block block;   /* version 0: no such row */
    uint64_t base_version;
    bool touched;
    UT_hash_handle hh;
};

/* NULL: not loaded. */
struct run_entry *cache_run(const struct ledger *ledger, const void *bytes, size_t length);
struct run_block_entry *cache_run_block(const struct ledger *ledger, const void *bytes,
                                        size_t length, uint32_t block);
void cache_runs_keep(struct ledger *ledger, size_t runs, size_t blocks);
struct sku_entry *cache_sku(const struct ledger *ledger, const void *bytes, size_t length);
struct reservation_entry *cache_reservation(const struct ledger *ledger,
                                            const uint8_t id[RESERVATION_ID_BYTES]);
/* Made when it is not there: with nothing in it. */
struct reservation_entry *cache_reservation_obtain(struct ledger *ledger,
                                                   const uint8_t id[RESERVATION_ID_BYTES]);
struct level_entry *cache_level(const struct sku_entry *sku, const void *bytes, size_t length);
struct level_entry *cache_level_obtain(struct sku_entry *sku, const void *bytes, size_t length);
void cache_item_barcodes(struct item *item, const struct code *barcodes, size_t count);
void cache_clear(struct ledger *ledger);
/* Forgets one; it must not be touched in a batch that still runs. */
void cache_drop_reservation(struct ledger *ledger, struct reservation_entry *entry);
/* Makes room for so many lines, all 0, of a reservation in the cache. NULL for none. */
struct reservation_line *cache_reservation_lines(struct ledger *ledger,
                                                 struct reservation *reservation, size_t count);
/* Between batches: what is over the limits leaves. */
void cache_trim(struct ledger *ledger);

/* ------------------------------------------------------------- due */

struct due_entry {
    uint8_t id[RESERVATION_ID_BYTES];
    int64_t expires_at_us;
    size_t at; /* in the heap */
};

struct due_change { /* to undo: what was there before */
    uint8_t id[RESERVATION_ID_BYTES];
    int64_t expires_at_us; /* DUE_NONE: nothing */
};
#define DUE_NONE INT64_MIN

struct due {
    struct due_entry **heap;
    size_t count, capacity;
    struct table by_id;
    struct due_change *changes;
    size_t change_count, change_capacity;
    size_t *frontier; /* scratch of due_collect */
    size_t frontier_capacity;
};

/* expires_at_us DUE_NONE removes. Remembered for due_undo until due_keep. */
void due_set(struct due *due, const uint8_t id[RESERVATION_ID_BYTES], int64_t expires_at_us);
void due_undo(struct due *due);
void due_keep(struct due *due);
/* Ids due at now_us, the earliest first, at most limit; more says whether there are others. Calls
 * take(data, id) for each; nothing may change due meanwhile. */
size_t due_collect(struct due *due, int64_t now_us, size_t limit, bool *more,
                   void (*take)(void *data, const uint8_t *id), void *data);
void due_release(struct due *due);

/* ------------------------------------------------------------- what is known under an id */

struct known {
    uint8_t id[UUID_BYTES];
    uint64_t generation;         /* of the table; older: a free slot */
    const struct movement *rows; /* looked up; NULL: of this batch */
    size_t first, count;         /* of this batch: rows in ledger->movements. count 0: nothing */
};

struct barcode {
    struct code code;
    struct code sku; /* length 0: nobody has it */
    UT_hash_handle hh;
};

/* ------------------------------------------------------------- a turn: one operation */

struct line_change {
    int64_t reserved, committed, shipped, cancelled, released, returned;
};

struct plan_row {
    struct level_entry *level; /* NULL: a movement of a record, not of a level */
    Hf__MovementKind kind;
    int64_t d_on_hand, d_reserved, d_committed, d_unavailable;
    int64_t safety_stock, reorder_point; /* -1: stays as it is */
    size_t line;                         /* of the reservation */
    struct line_change change;           /* of that line */
    uint64_t undoes;                     /* 0: what the operation says */
};

/* A line as asked for: those of one sku and warehouse are one. */
struct want {
    const Hf__Line *line;
    int64_t quantity;
    size_t index; /* of the first, in the operation */
};

struct turn {
    const Hf__Operation *operation; /* NULL: an expiry */
    struct checked checked;
    const uint8_t *operation_id;
    uint8_t body_hash[16];
    bool hashed;
    struct want *wants; /* canonical; NULL until asked for */
    size_t want_count;

    /* What the handler leaves: for the plan … */
    struct reservation_entry *reservation;
    Hf__ReservationState state;
    int64_t expires_at_us;
    ProtobufCBinaryData reason, reference;
    struct sku_entry *item;       /* put_item */
    int64_t reorder_point_before; /* of the item */
    struct run_entry *run;        /* begin_run, record_run */
    struct run run_after;
    struct run_block_entry *block; /* record_run */
    ProtobufCBinaryData block_after;
    ProtobufCBinaryData detail;
    uint64_t prev; /* of a record's movement */
    /* … or for the refusal. */
    const char *field;
    const char *message;
    bool holds_in_the_way; /* it might be possible once reservations that are due have ended */
    Hf__Shortage **shortages;
    size_t shortage_count;
    struct decision *decision; /* NULL: an expiry */
};

typedef enum status turn_handler(struct ledger *ledger, struct turn *turn);

struct ledger {
    uint32_t partition;
    const struct ledger_limits *limits;
    struct catalog *catalog;
    uint64_t epoch;
    uint8_t claim_id[16];
    uint64_t last_seq; /* committed */

    struct sku_entry *skus;
    struct table reservations;
    size_t line_count; /* of these reservations */
    struct run_entry *runs;
    struct run_block_entry *blocks;
    struct due due;
    bool catalog_asked;

    /* Looked up for the coming batch, or decided in it. */
    struct known *known;
    size_t known_capacity, known_count;
    uint64_t generation;
    struct barcode *barcodes;
    struct arena lookups;

    /* The batch. */
    struct arena *arena; /* NULL: none is running */
    bool dry;
    int64_t now_us;
    uint64_t turn_number;
    uint64_t seq; /* of the newest movement */
    struct movement *movements;
    size_t movement_count, movement_capacity;
    struct plan_row *plan;
    size_t plan_count, plan_capacity;
    struct level_entry **levels;
    size_t level_count, level_capacity;
    struct reservation_entry **touched;
    size_t touched_count, touched_capacity;
    struct sku_entry **items;
    size_t item_count, item_capacity;
    struct named_change *named;
    size_t named_count, named_capacity;
    struct run_entry **touched_runs;
    size_t touched_run_count, touched_run_capacity;
    struct run_block_entry **touched_blocks;
    size_t touched_block_count, touched_block_capacity;
    uint8_t (*due_ids)[RESERVATION_ID_BYTES]; /* due at now_us, the earliest first */
    size_t due_count, due_capacity, due_next;
    bool due_listed;
    bool due_left; /* something due was not loaded, or there is more than one batch takes */
    bool expired_any;
    uint8_t expired_first[RESERVATION_ID_BYTES]; /* by ledger_expire, in the last batch */
};

/* Makes room for one more element of `size` bytes. */
void *grow(void *items, size_t count, size_t *capacity, size_t size);

/* ------------------------------------------------------------- body */

/* turn->wants: sorted by sku and warehouse, summed. */
void body_wants(struct ledger *ledger, struct turn *turn);
/* turn->body_hash */
void body_hash(struct ledger *ledger, struct turn *turn);

/* ------------------------------------------------------------- batch */

void plan_begin(struct ledger *ledger);
/* The plan's row for this level, made when it is not there. */
struct plan_row *plan_level(struct ledger *ledger, struct level_entry *level,
                            Hf__MovementKind kind);
struct plan_row *plan_record(struct ledger *ledger, Hf__MovementKind kind);
/* The level's balances as the plan would leave them. */
struct balances plan_balances(const struct ledger *ledger, const struct level_entry *level);

/* Does the plan hold water? Handlers see to that; rows of the database that contradict each other
 * (a reservation holds more than its level says) would break it. */
bool plan_possible(const struct ledger *ledger, const struct turn *turn);
/* The run and its block become what the turn makes of them; the movement shows the run after it. */
void run_apply(struct ledger *ledger, struct turn *turn, struct movement *movement);
/* Carries out the plan: movements, levels, the reservation. */
void batch_apply(struct ledger *ledger, struct turn *turn);

struct known *known_find(const struct ledger *ledger, const uint8_t id[UUID_BYTES]);
void known_put(struct ledger *ledger, const struct known *known);
/* The rows of a known operation. */
const struct movement *known_rows(const struct ledger *ledger, const struct known *known);
bool barcode_of_item(const struct item *item, const void *bytes, size_t length);
bool barcode_loaded(const struct ledger *ledger, const void *bytes, size_t length);
/* Forgets what was looked up and decided. */
void known_clear(struct ledger *ledger);

bool warehouse_known(const struct ledger *ledger, const void *bytes, size_t length,
                     uint64_t *version);
bool reason_known(const struct ledger *ledger, const void *bytes, size_t length, uint64_t *version);

/* ------------------------------------------------------------- signals */

/* What a movement of this level announces, whose balances were `before`; what it does to the sku is
 * noted for signals_of_skus. */
uint32_t signals_of_level(const struct ledger *ledger, struct level_entry *level,
                          const struct balances *before);
/* Adds what the operation announces over all warehouses, at the last of a sku's movements. They are
 * the last ledger->plan_count of the batch, in order of the plan. */
void signals_of_skus(struct ledger *ledger, const struct turn *turn);

/* ------------------------------------------------------------- refusing */

/* Sets what the refusal says and returns status. format makes the field. */
enum status refuse(struct ledger *ledger, struct turn *turn, enum status status,
                   const char *message, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
enum status refuse_plain(struct turn *turn, enum status status, const char *message);
void add_shortage(struct ledger *ledger, struct turn *turn, const ProtobufCBinaryData *sku,
                  const void *warehouse, size_t warehouse_bytes, int64_t requested,
                  int64_t available);
/* A need that was not met: nothing was done. */
enum status not_loaded(struct turn *turn);
/* What is in the database cannot be: nothing was done. */
enum status contradiction(struct turn *turn);

/* For find_*: the field is the body's own, not that of one of its lines. */
#define NO_LINE SIZE_MAX

/* The sku's entry, when the item exists; otherwise unknown_sku at lines[line].sku. */
enum status find_sku(struct ledger *ledger, struct turn *turn, const ProtobufCBinaryData *sku,
                     size_t line, struct sku_entry **entry);
/* The level, made when it is not there; the warehouse must exist. name: of the field, such as
 * "warehouse". */
enum status find_level(struct ledger *ledger, struct turn *turn, struct sku_entry *sku,
                       const ProtobufCBinaryData *warehouse, const char *name, size_t line,
                       struct level_entry **level);
/* Also takes it for the movements. An empty reason is none. */
enum status find_reason(struct ledger *ledger, struct turn *turn,
                        const ProtobufCBinaryData *reason);

/* ------------------------------------------------------------- handlers, and expiry */

turn_handler decide_reserve, decide_extend, decide_purchase, decide_release, decide_ship,
    decide_cancel, decide_return, decide_receive, decide_adjust, decide_count, decide_transfer,
    decide_quarantine, decide_restore, decide_set_safety_stock, decide_set_reorder_point,
    decide_put_item, decide_put_warehouse, decide_put_reason, decide_begin_run, decide_record_run,
    decide_undo;
/* Makes its own result; NULL: what it needs is not loaded. */
Hf__Result *decide_settle(struct ledger *ledger, struct turn *turn);

/* The id under which the expiry stands that made this revision of the reservation. */
void expiry_operation_id(uint8_t id[UUID_BYTES], const uint8_t *reservation_id, uint32_t revision);
/* So many revisions back from the newest a revive looks for the expiry. */
#define REVIVE_REVISIONS 32u
bool hold_is_due(const struct ledger *ledger, const struct reservation_entry *entry);
/* Are the skus of all its lines in memory? */
bool hold_skus_loaded(const struct ledger *ledger, const struct reservation_entry *entry);
/* Releases this reservation, which is due, as an operation of its own. Overwrites the plan. True
 * when it freed something of a sku that the turn with this number has looked at. When the rows
 * contradict each other it stays as it is, is due for ever, and leaves the heap. */
bool hold_expire(struct ledger *ledger, struct reservation_entry *entry, uint64_t turn_number);
/* The next due one that is loaded; NULL when there is none. Sets ledger->due_left. */
struct reservation_entry *due_next(struct ledger *ledger);

/* ------------------------------------------------------------- results */

Hf__Result *result_new(enum status status, const uint8_t *operation_id, size_t id_bytes,
                       struct arena *arena);

#endif

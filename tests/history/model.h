/* SPDX-License-Identifier: MIT
 *
 * What the design says that each operation does: the state of one partition, and the effect that an
 * operation has on it or why it is refused. It shares no code with the worker, so that a mistake
 * would have to be made twice. It knows no time but the one it is given, and of
 * warehouses and reasons only that they may exist: who knows which is the catalog's affair.
 */
#ifndef TESTS_HISTORY_MODEL_H
#define TESTS_HISTORY_MODEL_H

#include "tests/history/history_impl.h"

struct watch { /* refusals that may become true when this changes */
    struct pending **items;
    size_t count, capacity;
};

struct model_sku {
    const char *sku;
    bool is_item;
    uint64_t item_version;
    struct model_level *levels;
    struct watch watch;
    UT_hash_handle hh;
};

struct model_due { /* a hold of something at a level, as it was when it was noted */
    int64_t expires_at_us;
    const struct model_hold *hold;
    size_t line;
};

struct model_level {
    struct model_level *next; /* of the sku */
    struct model_sku *owner;
    const char *warehouse;
    struct history_balances now;
    uint64_t version, on_hand_version;
    int64_t planned;        /* scratch of reserve */
    struct model_due *dues; /* a heap, the earliest first; what is over is still in it */
    size_t due_count, due_capacity;
};

struct model_line {
    struct model_level *level;
    struct history_line now;
    int64_t expired; /* of what is released, its expiry took so much */
};

struct model_hold {
    uint8_t id[RESERVATION_ID_BYTES];
    int state; /* HOLDFAST_STATE_NONE: there is none */
    uint32_t revision;
    int64_t expires_at_us;
    struct model_line *lines;
    size_t line_count, line_capacity;
    struct watch watch;
    UT_hash_handle hh;
};

struct model_line_result { /* what is recorded of a line */
    uint32_t number;
    struct holdfast_run_line result;
    UT_hash_handle hh;
};

struct model_run {
    const char *name;
    struct holdfast_run now; /* version 0: there is none yet */
    struct model_line_result *lines;
    UT_hash_handle hh;
};

struct model_taken { /* a movement that was taken back */
    uint64_t seq, by;
    UT_hash_handle hh;
};

struct model {
    struct history *history;
    const struct log *log; /* whose groups up to `state` are in it */
    uint32_t partition;
    size_t state;
    struct watch watch; /* of what may change with every movement */
    struct model_run *runs;
    struct model_taken *taken;
    struct model_sku *skus;
    struct model_hold *holds;
    struct effect *effect; /* the last one decided */
};

struct effect_row {
    struct model_level *level; /* NULL: a record's movement */
    int kind;
    int64_t on_hand, reserved, committed, unavailable;
    int64_t safety_stock, reorder_point; /* -1: stays */
    uint64_t undoes;
    size_t line;                /* of the hold */
    struct history_line change; /* of that line */
};

struct effect {
    int status; /* HOLDFAST_APPLIED: the rows; otherwise why not */
    struct effect_row *rows;
    size_t row_count, row_capacity;
    struct holdfast_shortage *shortages;
    size_t shortage_count, shortage_capacity;
    struct model_hold *hold; /* as it will be: */
    int state;
    int64_t expires_at_us;
    struct model_run *run;         /* as it will be: */
    struct holdfast_run run_after; /* version and changed_at_us are the movement's */
};

struct model *model_new(struct history *history, uint32_t partition);
void model_destroy(struct model **model);

struct model_sku *model_sku(struct model *model, const char *sku); /* made if needed */
struct model_run *model_run(struct model *model, const char *name);
struct model_level *model_level(struct model *model, const char *sku, const char *warehouse);
struct model_hold *model_hold(struct model *model, const uint8_t id[RESERVATION_ID_BYTES]);

/* Notes when what each line of the hold reserves is due: after every change of the hold. */
void model_note_due(struct model_hold *hold);
/* When the first active hold of something at the level is due; INT64_MAX: there is none. */
int64_t model_next_due(struct model_level *level);

int64_t model_available(const struct history_balances *balances);
int64_t model_shortfall(const struct history_balances *balances);

/* What the operation does at that time; valid until the next one is decided. A reservation that
 * would be made is effect->hold, made but without lines. Barcodes, limits and codes of the catalog
 * are not looked at. */
const struct effect *model_decide(struct model *model, const struct operation *operation,
                                  const uint8_t operation_id[UUID_BYTES], uint32_t partition,
                                  int64_t now_us);
/* For model_*.c: what is being decided. */
struct deciding {
    struct model *model;
    struct effect *effect;
    const struct operation *operation;
    const struct holdfast_operation *body;
    int64_t now_us;
};
struct effect_row *effect_add_row(struct effect *effect, struct model_level *level, int kind);
void effect_add_shortage(struct effect *effect, const char *sku, const char *warehouse,
                         int64_t requested, int64_t available);
/* model_undo.c */
int model_undo(struct deciding *d);
/* Of a movement that takes back others. NULL, or what is wrong with that. */
const char *model_take_back(struct model *model, const struct history_movement *row);
/* model_run.c */
int model_begin_run(struct deciding *d);
int model_record_run(struct deciding *d);
/* The ledger has this record of a run now, because of the operation (NULL: nobody's). */
void model_apply_run(struct model *model, const struct history_movement *row,
                     const struct operation *operation);

/* What the expiry of a hold does. */
const struct effect *model_expire(struct model *model, struct model_hold *hold);

#endif

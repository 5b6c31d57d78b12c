/* SPDX-License-Identifier: MIT
 *
 * The rows of the model database: those tables of the schema that the worker changes, with
 * their keys and their CHECK constraints. For model_*.c.
 */
#ifndef TESTS_SIMULATE_MODEL_ROWS_H
#define TESTS_SIMULATE_MODEL_ROWS_H

#include "common/arena.h"
#include "tests/simulate/model_db.h"
#include "tests/simulate/model_table.h"
#include "workers/records.h"

enum model_table_name {
    MODEL_PARTITION,   /* partition_id: struct model_partition */
    MODEL_CLAIM,       /* partition_id, epoch: struct model_claim */
    MODEL_WORKER,      /* instance: struct model_worker */
    MODEL_MOVEMENT,    /* partition_id, seq: struct movement */
    MODEL_ONCE,        /* partition_id, operation_id, idx: struct model_once; movement's UNIQUE */
    MODEL_LEVEL,       /* partition_id, sku, warehouse: struct level */
    MODEL_RESERVATION, /* partition_id, reservation_id: struct reservation without lines */
    MODEL_LINE,        /* partition_id, reservation_id, line: struct reservation_line */
    MODEL_ITEM,        /* partition_id, sku: struct item without barcodes */
    MODEL_BARCODE,     /* barcode: struct model_barcode */
    MODEL_WAREHOUSE,   /* code: struct model_named */
    MODEL_REASON,      /* code: struct model_named */
    MODEL_CHECKPOINT,  /* partition_id, sku, warehouse: struct model_checkpoint */
    MODEL_RUN,         /* partition_id, run: struct run */
    MODEL_RUN_BLOCK,   /* partition_id, run, block: struct run_block, its detail behind it */
    /* What pruning took away, for judges: not part of any database. */
    MODEL_GONE_MOVEMENT,
    MODEL_GONE_RESERVATION,
    MODEL_GONE_LINE,
    MODEL_TABLES,
};

struct model_claim {
    uint8_t claim_id[16];
    uint64_t first_seq;
    struct code owner;
    int64_t claimed_at_us;
};

struct model_worker {
    struct code name;
    int64_t lease_until_us;
};

struct model_once {
    uint64_t seq;
};

struct model_barcode {
    struct code barcode;
    uint32_t partition;
    struct code sku;
};

struct model_named {
    struct code code;
    uint64_t version;
    size_t name_bytes;
    char name[NAME_BYTES_MAX + 1];
};

struct model_checkpoint {
    uint64_t seq;
    int64_t on_hand, reserved, committed, unavailable;
};

/* Keys. Those with fewer columns than the table are prefixes. */
struct model_key model_key_of_partition(uint32_t partition);
struct model_key model_key_of_seq(uint32_t partition, uint64_t seq); /* and of a claim's epoch */
struct model_key model_key_of_operation(uint32_t partition, const uint8_t id[UUID_BYTES]);
struct model_key model_key_of_once(const struct movement *movement);
struct model_key model_key_of_sku(uint32_t partition, const struct code *sku); /* and of a run */
struct model_key model_key_of_level(uint32_t partition, const struct code *sku,
                                    const struct code *warehouse);
struct model_key model_key_of_reservation(uint32_t partition,
                                          const uint8_t id[RESERVATION_ID_BYTES]);
struct model_key model_key_of_line(uint32_t partition, const uint8_t id[RESERVATION_ID_BYTES],
                                   size_t line);
struct model_key model_key_of_run_block(uint32_t partition, const struct code *run, uint32_t block);
struct model_key model_key_of_code(const struct code *code);
struct model_key model_key_of_instance(const uint8_t instance[UUID_BYTES]);
/* The partition that a key begins with. */
uint32_t model_key_partition(const struct model_key *key);

/* A movement with its text behind it. */
struct movement *model_movement_row(const struct movement *movement);
/* The same with its text in the arena. */
void model_movement_copy(struct movement *to, const struct movement *from, struct arena *arena);

/* A block with its detail behind it. */
struct run_block *model_run_block_row(const struct run_block *block);

/* 0, or the error that the server gives: 1264 (range of a column), 4025 (CHECK). */
unsigned model_check_movement(const struct movement *movement);
unsigned model_check_level(const struct level *level);
unsigned model_check_line(const struct reservation_line *line);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The tables of the model database: rows by key, and transactions that lock rows. Knows nothing of
 * time, servers or what a row means. A row is never changed in place: a change is a new row, which
 * its transaction holds back until it commits. So a reader sees what is committed, or what its own
 * transaction did, and an image of a table is a list of rows.
 */
#ifndef TESTS_SIMULATE_MODEL_TABLE_H
#define TESTS_SIMULATE_MODEL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/text.h"

/* ------------------------------------------------------------- keys */

/* The columns of a key behind each other, so that bytes compare as the database compares. */
#define MODEL_KEY_BYTES 136u
struct model_key {
    uint16_t length;
    uint8_t bytes[MODEL_KEY_BYTES];
};

void model_key_u16(struct model_key *key, uint32_t value);
void model_key_u64(struct model_key *key, uint64_t value);
void model_key_bytes(struct model_key *key, const void *bytes, size_t length); /* fixed length */
void model_key_code(struct model_key *key, const struct code *code);

/* ------------------------------------------------------------- rows */

/* Zeroed. Released by whoever has it last: who gives a row to the table has it no more. */
void *model_row_new(size_t bytes);
void *model_row_copy(const void *row, size_t bytes);
/* One more that has it. Both take NULL. */
const void *model_row_hold(const void *row);
void model_row_release(const void *row);

/* ------------------------------------------------------------- tables and transactions */

struct model_tx;

/* A key that has a row, or that somebody has locked. */
struct model_entry {
    struct model_key key;
    struct model_table *table;
    const void *now;     /* committed; NULL: none */
    const void *pending; /* the owner's, if it has changed it; NULL: deleted */
    bool changed;
    struct model_tx *owner; /* who has locked it; NULL: nobody */
    uint64_t locked_in;     /* the owner's statement that locked it */
    struct model_entry *next_owned;
};

struct model_table {              /* zeroed: empty */
    struct model_entry **entries; /* by key */
    size_t count, capacity;
};

struct model_undo {
    struct model_entry *entry;
    const void *pending;
    bool changed;
};

struct model_tx { /* zeroed: nothing locked */
    uint64_t statement;
    struct model_entry *owned;
    struct model_undo *undo; /* of the statement that runs */
    size_t undo_count, undo_capacity;
};

/* What the transaction sees: its own change, or what is committed. tx may be NULL. */
const void *model_visible(const struct model_entry *entry, const struct model_tx *tx);
const void *model_read(const struct model_table *table, const struct model_key *key,
                       const struct model_tx *tx);

/* Index of the first entry whose key is not below this one. Entries that begin with the key as
 * with a prefix follow each other from there on. */
size_t model_seek(const struct model_table *table, const struct model_key *key);
bool model_has_prefix(const struct model_entry *entry, const struct model_key *prefix);

/* Locks the key for the transaction, whether it has a row or not. NULL: another one has it, *other.
 * Entries stay where they are until the statement or a transaction ends. */
struct model_entry *model_lock(struct model_table *table, const struct model_key *key,
                               struct model_tx *tx, struct model_tx **other);
/* Lets go of an entry that the running statement has locked and not changed. The entry may be gone
 * then. False: it stays locked. */
bool model_unlock(struct model_entry *entry);
/* Of an entry that the transaction has locked. row NULL: deletes. */
void model_change(struct model_entry *entry, const void *row);

/* The statement is done. Rows that it locked stay locked, changed or not; keys without a row are
 * free again. */
void model_statement_done(struct model_tx *tx);
/* The statement has changed nothing; its locks stay. */
void model_statement_undo(struct model_tx *tx);

/* Both end the transaction and free its locks. seen is told of each row that changes (before and
 * after; NULL: none), in the reverse order of locking; it may be NULL. */
typedef void model_seen(void *context, const struct model_entry *entry, const void *before,
                        const void *after);
void model_commit_tx(struct model_tx *tx, model_seen *seen, void *context);
void model_rollback_tx(struct model_tx *tx);
bool model_tx_empty(const struct model_tx *tx);

/* ------------------------------------------------------------- images */

struct model_table_image {
    struct model_key *keys;
    const void **rows;
    size_t count;
};

void model_table_image(const struct model_table *table, struct model_table_image *image);
void model_table_image_release(struct model_table_image *image);
/* Nothing may be locked. */
void model_table_restore(struct model_table *table, const struct model_table_image *image);
void model_table_release(struct model_table *table);
/* A row that is there at once, outside of any transaction. One more that has it. */
void model_table_put(struct model_table *table, const struct model_key *key, const void *row);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The keys of a line, and which of them each operation takes. etc/bulk.schema.json and docs/bulk.md
 * say the same; a test holds the three together.
 */
#include "bulk/read.h"

#include <string.h>

#include "common/words.h"

static const char *const key_names[KEY_COUNT] = {
    [KEY_OP] = "op",
    [KEY_SKU] = "sku",
    [KEY_WAREHOUSE] = "warehouse",
    [KEY_TO_WAREHOUSE] = "to_warehouse",
    [KEY_RESERVATION] = "reservation",
    [KEY_BY] = "by",
    [KEY_TO] = "to",
    [KEY_IF_VERSION] = "if_version",
    [KEY_REASON] = "reason",
    [KEY_REFERENCE] = "reference",
    [KEY_NOTE] = "note",
    [KEY_ACCEPT_SHORTFALL] = "accept_shortfall",
    [KEY_INTO] = "into",
    [KEY_TTL] = "ttl",
    [KEY_NAME] = "name",
    [KEY_REORDER_POINT] = "reorder_point",
    [KEY_BARCODES] = "barcodes",
};

#define B(key) KEY_BIT(KEY_##key)
#define LEVEL (B(SKU) | B(WAREHOUSE))

static const struct op ops[] = {
    {HOLDFAST_ADJUST, LEVEL | B(BY) | B(REASON), B(ACCEPT_SHORTFALL) | B(NOTE),
     B(WAREHOUSE) | B(REASON) | B(NOTE), AMOUNT_CHANGE, false},
    {HOLDFAST_RECEIVE, LEVEL | B(BY), B(REFERENCE) | B(NOTE), B(WAREHOUSE) | B(REFERENCE) | B(NOTE),
     AMOUNT_QUANTITY, false},
    {HOLDFAST_COUNT, LEVEL | B(TO), B(IF_VERSION) | B(REASON) | B(NOTE),
     B(WAREHOUSE) | B(REASON) | B(NOTE), AMOUNT_TO, false},
    {HOLDFAST_TRANSFER, LEVEL | B(TO_WAREHOUSE) | B(BY), B(REFERENCE) | B(NOTE),
     B(WAREHOUSE) | B(TO_WAREHOUSE) | B(REFERENCE) | B(NOTE), AMOUNT_QUANTITY, false},
    {HOLDFAST_QUARANTINE, LEVEL | B(BY), B(REASON) | B(ACCEPT_SHORTFALL) | B(NOTE),
     B(WAREHOUSE) | B(REASON) | B(NOTE), AMOUNT_QUANTITY, false},
    {HOLDFAST_RESTORE, LEVEL | B(BY), B(REASON) | B(NOTE), B(WAREHOUSE) | B(REASON) | B(NOTE),
     AMOUNT_QUANTITY, false},
    {HOLDFAST_SET_SAFETY_STOCK, LEVEL | B(TO), B(NOTE), B(WAREHOUSE) | B(NOTE), AMOUNT_TO, false},
    {HOLDFAST_SET_REORDER_POINT, LEVEL | B(TO), B(NOTE), B(WAREHOUSE) | B(NOTE), AMOUNT_TO, false},
    {HOLDFAST_EXTEND, B(RESERVATION) | B(TTL), B(NOTE), B(NOTE), AMOUNT_NONE, false},
    {HOLDFAST_RELEASE, B(RESERVATION), LEVEL | B(BY) | B(NOTE), B(WAREHOUSE) | B(NOTE),
     AMOUNT_QUANTITY, true},
    {HOLDFAST_SHIP, B(RESERVATION), LEVEL | B(BY) | B(REASON) | B(REFERENCE) | B(NOTE),
     B(WAREHOUSE) | B(REASON) | B(REFERENCE) | B(NOTE), AMOUNT_QUANTITY, true},
    {HOLDFAST_CANCEL, B(RESERVATION), LEVEL | B(BY) | B(REASON) | B(NOTE),
     B(WAREHOUSE) | B(REASON) | B(NOTE), AMOUNT_QUANTITY, true},
    {HOLDFAST_RETURN, B(RESERVATION) | B(SKU) | B(BY) | B(INTO),
     B(WAREHOUSE) | B(REASON) | B(REFERENCE) | B(NOTE),
     B(WAREHOUSE) | B(REASON) | B(REFERENCE) | B(NOTE), AMOUNT_QUANTITY, true},
    /* What is put is written on the line itself, never taken from the head. */
    {HOLDFAST_PUT_ITEM, B(SKU) | B(NAME), B(BARCODES) | B(REORDER_POINT) | B(NOTE), B(NOTE),
     AMOUNT_NONE, false},
    {HOLDFAST_PUT_WAREHOUSE, B(WAREHOUSE) | B(NAME), B(NOTE), B(NOTE), AMOUNT_NONE, false},
    {HOLDFAST_PUT_REASON, B(REASON) | B(NAME), B(NOTE), B(NOTE), AMOUNT_NONE, false},
};

#define OP_COUNT (sizeof ops / sizeof ops[0])

const struct op *op_find(const char *word, const char **nearest)
{
    unsigned distance = 0;

    *nearest = NULL;
    for (size_t i = 0; i < OP_COUNT; i++) {
        const char *name = bulk_op_name(ops[i].kind);
        if (strcmp(name, word) == 0)
            return &ops[i];
        word_nearest(word, name, nearest, &distance);
    }
    return NULL;
}

const struct op *op_of(enum holdfast_operation_kind kind)
{
    for (size_t i = 0; i < OP_COUNT; i++) {
        if (ops[i].kind == kind)
            return &ops[i];
    }
    return NULL;
}

const char *key_name(enum key key)
{
    return key_names[key];
}

enum key key_find(const char *word, unsigned among, const char **nearest)
{
    unsigned distance = 0;

    *nearest = NULL;
    for (enum key key = 0; key < KEY_COUNT; key++) {
        if (!(among & KEY_BIT(key)))
            continue;
        if (strcmp(key_names[key], word) == 0)
            return key;
        word_nearest(word, key_names[key], nearest, &distance);
    }
    return KEY_COUNT;
}

void cell_set(struct cell *cell, struct bulk_place place, const char *text, size_t length,
              bool plain)
{
    size_t kept = length < CELL_BYTES - 1 ? length : CELL_BYTES - 1;

    cell->place = place;
    cell->length = length;
    cell->plain = plain;
    memcpy(cell->text, text, kept);
    cell->text[kept] = '\0';
}

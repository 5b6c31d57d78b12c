/* SPDX-License-Identifier: MIT
 *
 * See digest.h. A fact's bytes are its kind, then its fields in order: texts with two bytes of
 * length before them (of more than NAME_BYTES_MAX only the first ones count: no text is longer, but
 * a database may hold what nobody wrote), numbers in eight bytes, all in network order.
 */
#include "protocol/digest.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>
#define HASH_FUNCTION(key, length, hash) ((hash) = (unsigned)XXH3_64bits((key), (length)))
#include <uthash.h>

#include "protocol/text.h"

enum fact { /* part of the bytes: for ever */
            FACT_ITEM = 1,
            FACT_BARCODE = 2,
            FACT_LEVEL = 3,
            FACT_RESERVATION = 4,
            FACT_LINE = 5,
            FACT_WAREHOUSE = 6,
};

/* The longest fact: an item, or a reservation. */
#define FACT_BYTES_MAX 512u

struct bytes {
    uint8_t at[FACT_BYTES_MAX];
    size_t length;
};

static struct bytes begin(enum fact fact)
{
    struct bytes bytes;

    bytes.at[0] = (uint8_t)fact;
    bytes.length = 1;
    return bytes;
}

static void add_text(struct bytes *bytes, struct digest_text text)
{
    uint16_t told = htobe16((uint16_t)text.length);
    size_t length = text.length < NAME_BYTES_MAX ? text.length : NAME_BYTES_MAX;

    assert(bytes->length + sizeof told + length <= sizeof bytes->at);
    memcpy(bytes->at + bytes->length, &told, sizeof told);
    bytes->length += sizeof told;
    if (length > 0)
        memcpy(bytes->at + bytes->length, text.bytes, length);
    bytes->length += length;
}

static void add_number(struct bytes *bytes, uint64_t number)
{
    uint64_t ordered = htobe64(number);

    assert(bytes->length + sizeof ordered <= sizeof bytes->at);
    memcpy(bytes->at + bytes->length, &ordered, sizeof ordered);
    bytes->length += sizeof ordered;
}

static uint64_t end(const struct bytes *bytes)
{
    return XXH3_64bits(bytes->at, bytes->length);
}

/* ------------------------------------------------------------- facts */

uint64_t digest_item(struct digest_text sku, struct digest_text name, uint64_t reorder_point,
                     uint64_t version)
{
    struct bytes bytes = begin(FACT_ITEM);

    add_text(&bytes, sku);
    add_text(&bytes, name);
    add_number(&bytes, reorder_point);
    add_number(&bytes, version);
    return end(&bytes);
}

uint64_t digest_barcode(struct digest_text sku, struct digest_text barcode)
{
    struct bytes bytes = begin(FACT_BARCODE);

    add_text(&bytes, sku);
    add_text(&bytes, barcode);
    return end(&bytes);
}

uint64_t digest_level(struct digest_text sku, struct digest_text warehouse,
                      const struct digest_level *level)
{
    struct bytes bytes = begin(FACT_LEVEL);

    add_text(&bytes, sku);
    add_text(&bytes, warehouse);
    add_number(&bytes, level->on_hand);
    add_number(&bytes, level->reserved);
    add_number(&bytes, level->committed);
    add_number(&bytes, level->unavailable);
    add_number(&bytes, level->safety_stock);
    add_number(&bytes, level->reorder_point);
    add_number(&bytes, level->version);
    add_number(&bytes, level->on_hand_version);
    return end(&bytes);
}

uint64_t digest_reservation(const struct digest_reservation *reservation)
{
    struct bytes bytes = begin(FACT_RESERVATION);

    add_text(&bytes, (struct digest_text){reservation->id, RESERVATION_ID_BYTES});
    add_number(&bytes, reservation->state);
    add_number(&bytes, reservation->revision);
    add_number(&bytes, (uint64_t)reservation->expires_at_us);
    add_number(&bytes, (uint64_t)reservation->created_at_us);
    add_text(&bytes, reservation->order);
    add_text(&bytes, reservation->actor);
    return end(&bytes);
}

uint64_t digest_line(const uint8_t *id, struct digest_text sku, struct digest_text warehouse,
                     const struct digest_line *line)
{
    struct bytes bytes = begin(FACT_LINE);

    add_text(&bytes, (struct digest_text){id, RESERVATION_ID_BYTES});
    add_number(&bytes, line->number);
    add_text(&bytes, sku);
    add_text(&bytes, warehouse);
    add_number(&bytes, line->quantity);
    add_number(&bytes, line->reserved);
    add_number(&bytes, line->committed);
    add_number(&bytes, line->shipped);
    add_number(&bytes, line->cancelled);
    add_number(&bytes, line->released);
    add_number(&bytes, line->returned);
    return end(&bytes);
}

uint64_t digest_warehouse(struct digest_text code, struct digest_text name, uint64_t version)
{
    struct bytes bytes = begin(FACT_WAREHOUSE);

    add_text(&bytes, code);
    add_text(&bytes, name);
    add_number(&bytes, version);
    return end(&bytes);
}

/* ------------------------------------------------------------- adding up */

#define ROW_KEY_BYTES (1 + 2 * (1 + CODE_BYTES_MAX))

struct row {
    Hf__RowDigest message;
    UT_hash_handle hh;
    size_t key_bytes;
    uint8_t key[ROW_KEY_BYTES];
};

struct digest_sum {
    Hf__AuditWhat what;
    uint32_t bucket;
    struct arena *arena;
    uint64_t total;
    uint64_t buckets[DIGEST_BUCKETS];
    struct row *rows; /* by key */
    bool cut;
};

struct digest_sum *digest_sum_new(Hf__AuditWhat what, uint32_t bucket, struct arena *arena)
{
    struct digest_sum *sum = calloc(1, sizeof *sum);

    if (!sum)
        abort();
    sum->what = what;
    sum->bucket = bucket;
    sum->arena = arena;
    return sum;
}

void digest_sum_destroy(struct digest_sum **sum)
{
    if (!*sum)
        return;
    HASH_CLEAR(hh, (*sum)->rows);
    free(*sum);
    *sum = NULL;
}

static size_t key_of(uint8_t *key, Hf__RowKind kind, struct digest_text first,
                     struct digest_text second)
{
    assert(first.length <= CODE_BYTES_MAX && second.length <= CODE_BYTES_MAX);
    key[0] = (uint8_t)kind;
    key[1] = (uint8_t)first.length;
    memcpy(key + 2, first.bytes, first.length);
    key[2 + first.length] = (uint8_t)second.length;
    if (second.length > 0)
        memcpy(key + 3 + first.length, second.bytes, second.length);
    return 3 + first.length + second.length;
}

static ProtobufCBinaryData kept(const struct digest_sum *sum, struct digest_text text)
{
    return (ProtobufCBinaryData){text.length, arena_copy(sum->arena, text.bytes, text.length)};
}

static void name_row(const struct digest_sum *sum, Hf__RowDigest *message, struct digest_text first,
                     struct digest_text second)
{
    char text[RESERVATION_TEXT_BYTES];

    if (message->kind == HF__ROW_KIND__ROW_RESERVATION && first.length == RESERVATION_ID_BYTES) {
        reservation_id_format(first.bytes, text);
        message->reservation = kept(sum, (struct digest_text){text, strlen(text)});
    } else if (message->kind == HF__ROW_KIND__ROW_WAREHOUSE) {
        message->warehouse = kept(sum, first);
    } else {
        message->sku = kept(sum, first);
        message->warehouse = kept(sum, second);
    }
}

static struct row *row_of(struct digest_sum *sum, Hf__RowKind kind, struct digest_text first,
                          struct digest_text second)
{
    uint8_t key[ROW_KEY_BYTES];
    size_t key_bytes = key_of(key, kind, first, second);
    struct row *row;

    HASH_FIND(hh, sum->rows, key, key_bytes, row);
    if (row)
        return row;
    if (HASH_COUNT(sum->rows) >= DIGEST_ROWS_MAX) {
        sum->cut = true;
        return NULL;
    }
    row = arena_zalloc(sum->arena, sizeof *row);
    memcpy(row->key, key, key_bytes);
    row->key_bytes = key_bytes;
    hf__row_digest__init(&row->message);
    row->message.kind = kind;
    name_row(sum, &row->message, first, second);
    HASH_ADD_KEYPTR(hh, sum->rows, row->key, row->key_bytes, row);
    return row;
}

void digest_add(struct digest_sum *sum, Hf__RowKind kind, struct digest_text first,
                struct digest_text second, uint64_t version, uint64_t hash)
{
    uint32_t bucket;

    sum->total += hash;
    if (sum->what != HF__AUDIT_WHAT__AUDIT_BUCKETS && sum->what != HF__AUDIT_WHAT__AUDIT_ROWS)
        return;
    bucket = (uint32_t)(XXH3_64bits(first.bytes, first.length) >> 56);
    sum->buckets[bucket] += hash;
    if (sum->what != HF__AUDIT_WHAT__AUDIT_ROWS || bucket != sum->bucket)
        return;
    struct row *row = row_of(sum, kind, first, second);
    if (!row)
        return;
    row->message.sum += hash;
    if (version != 0)
        row->message.version = version;
}

uint64_t digest_total(const struct digest_sum *sum)
{
    return sum->total;
}

uint64_t *digest_buckets(struct digest_sum *sum)
{
    return sum->buckets;
}

Hf__RowDigest **digest_rows(struct digest_sum *sum, size_t *count, bool *cut)
{
    Hf__RowDigest **rows = arena_alloc(sum->arena, (HASH_COUNT(sum->rows) + 1) * sizeof *rows);

    *count = 0;
    *cut = sum->cut;
    for (struct row *row = sum->rows; row; row = row->hh.next)
        rows[(*count)++] = &row->message;
    return rows;
}

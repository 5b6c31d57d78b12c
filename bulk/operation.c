/* SPDX-License-Identifier: MIT
 *
 * From a line of a bulk file to the operation that is sent, and to the text that the file's digest
 * is made of.
 */
#include "bulk/bulk.h"

#include <assert.h>
#include <string.h>

/* Names in the file, by kind. What each takes is docs/bulk.md's. */
static const char *const names[] = {
    [HOLDFAST_EXTEND] = "extend",
    [HOLDFAST_RELEASE] = "release",
    [HOLDFAST_SHIP] = "ship",
    [HOLDFAST_CANCEL] = "cancel",
    [HOLDFAST_RETURN] = "return",
    [HOLDFAST_RECEIVE] = "receive",
    [HOLDFAST_ADJUST] = "adjust",
    [HOLDFAST_COUNT] = "count",
    [HOLDFAST_TRANSFER] = "transfer",
    [HOLDFAST_QUARANTINE] = "quarantine",
    [HOLDFAST_RESTORE] = "restore",
    [HOLDFAST_SET_SAFETY_STOCK] = "safety_stock",
    [HOLDFAST_SET_REORDER_POINT] = "reorder_point",
    [HOLDFAST_PUT_ITEM] = "put_item",
    [HOLDFAST_PUT_WAREHOUSE] = "put_warehouse",
    [HOLDFAST_PUT_REASON] = "put_reason",
};

const char *bulk_op_name(enum holdfast_operation_kind kind)
{
    size_t i = (size_t)kind;
    return i < sizeof names / sizeof names[0] && names[i] ? names[i] : "";
}

const char *bulk_subject(const struct bulk_line *line)
{
    if (line->reservation[0] != '\0')
        return line->reservation;
    if (line->sku[0] != '\0')
        return line->sku;
    return line->warehouse[0] != '\0' ? line->warehouse : line->reason;
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void fill_line(const struct bulk_line *line, struct bulk_operation *to)
{
    if (line->sku[0] == '\0') /* of a reservation: everything */
        return;
    to->line = (struct holdfast_line){.sku = line->sku,
                                      .warehouse = or_null(line->warehouse),
                                      .quantity = (uint32_t)line->amount};
    to->operation.lines = &to->line;
    to->operation.line_count = 1;
}

static void fill_level(const struct bulk_line *line, struct holdfast_operation *operation)
{
    operation->sku = line->sku;
    operation->warehouse = line->warehouse;
    operation->quantity = (uint32_t)line->amount;
}

void bulk_operation(const char *run, const struct bulk_line *line, struct bulk_operation *to)
{
    struct holdfast_operation *operation = &to->operation;

    memset(to, 0, sizeof *to);
    holdfast_derive_operation_id(run, strlen(run), line->index, to->id);
    operation->kind = line->kind;
    operation->operation_id = to->id;
    operation->note = or_null(line->note);
    operation->reason = or_null(line->reason);
    operation->reference = or_null(line->reference);
    operation->reservation = or_null(line->reservation);
    operation->accept_shortfall = line->accept_shortfall;
    switch (line->kind) {
    case HOLDFAST_EXTEND:
        operation->ttl_ms = line->ttl_ms;
        return;
    case HOLDFAST_RETURN:
        operation->to_quarantine = line->to_quarantine;
        fill_line(line, to);
        return;
    case HOLDFAST_RELEASE:
    case HOLDFAST_SHIP:
    case HOLDFAST_CANCEL:
    case HOLDFAST_RECEIVE:
    case HOLDFAST_QUARANTINE:
    case HOLDFAST_RESTORE:
        fill_line(line, to);
        return;
    case HOLDFAST_ADJUST:
        operation->sku = line->sku;
        operation->warehouse = line->warehouse;
        operation->delta = line->amount;
        return;
    case HOLDFAST_COUNT:
        fill_level(line, operation);
        operation->has_version = line->has_version;
        operation->on_hand_version = line->if_version;
        return;
    case HOLDFAST_TRANSFER:
        fill_level(line, operation);
        operation->to_warehouse = line->to_warehouse;
        return;
    case HOLDFAST_SET_SAFETY_STOCK:
    case HOLDFAST_SET_REORDER_POINT:
        fill_level(line, operation);
        return;
    case HOLDFAST_PUT_ITEM:
        operation->sku = line->sku;
        operation->text = line->name;
        operation->quantity = (uint32_t)line->amount;
        for (size_t i = 0; i < line->barcode_count; i++)
            to->barcodes[i] = line->barcodes[i];
        operation->barcodes = to->barcodes;
        operation->barcode_count = line->barcode_count;
        return;
    case HOLDFAST_PUT_WAREHOUSE:
        operation->warehouse = line->warehouse;
        operation->text = line->name;
        return;
    case HOLDFAST_PUT_REASON:
        operation->text = line->name;
        return;
    case HOLDFAST_RESERVE:
    case HOLDFAST_PURCHASE:
    case HOLDFAST_SETTLE:
    case HOLDFAST_BEGIN_RUN:
    case HOLDFAST_RECORD_RUN:
    case HOLDFAST_UNDO:
        break;
    }
    assert(!"a bulk file has no line of this kind");
}

/* ------------------------------------------------------------- canonical form */

struct writer {
    uint8_t *to;
    size_t used;
};

static void put_number(struct writer *w, uint64_t number)
{
    assert(w->used + 8 <= BULK_CANONICAL_BYTES);
    for (int i = 0; i < 8; i++)
        w->to[w->used++] = (uint8_t)(number >> (56 - 8 * i));
}

static void put_text(struct writer *w, const char *text)
{
    size_t bytes = strlen(text) + 1; /* with its NUL, which no text holds */
    assert(w->used + bytes <= BULK_CANONICAL_BYTES);
    memcpy(w->to + w->used, text, bytes);
    w->used += bytes;
}

size_t bulk_canonical(const struct bulk_line *line, uint8_t to[BULK_CANONICAL_BYTES])
{
    struct writer w = {.to = to};

    put_number(&w, line->index);
    put_number(&w, (uint64_t)line->kind);
    put_text(&w, line->sku);
    put_text(&w, line->warehouse);
    put_text(&w, line->to_warehouse);
    put_text(&w, line->reservation);
    put_text(&w, line->reason);
    put_text(&w, line->reference);
    put_text(&w, line->note);
    put_text(&w, line->name);
    put_number(&w, (uint64_t)line->amount);
    put_number(&w, line->has_version);
    put_number(&w, line->if_version);
    put_number(&w, (uint64_t)line->accept_shortfall | (uint64_t)line->to_quarantine << 1);
    put_number(&w, line->ttl_ms);
    put_number(&w, line->barcode_count);
    for (size_t i = 0; i < line->barcode_count; i++)
        put_text(&w, line->barcodes[i]);
    return w.used;
}

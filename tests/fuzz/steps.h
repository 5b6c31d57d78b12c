/* SPDX-License-Identifier: MIT
 *
 * The input of fuzz_ledger: steps of STEP_BYTES bytes, each an operation or something that happens.
 * Every input means something: a byte chooses from a short list in which most things exist, some do
 * not, and a few are not valid at all. The mutator works on whole steps, so that what comes behind
 * an inserted one keeps its meaning.
 */
#ifndef TESTS_FUZZ_STEPS_H
#define TESTS_FUZZ_STEPS_H

#include <stdint.h>
#include <string.h>

#include "common/arena.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/ids.h"
#include "protocol/text.h"

#define STEP_BYTES 12u
#define STEPS_MAX 96u
#define HOLDS_MAX STEPS_MAX

/* What a step is: an operation, of kind + HF__OPERATION__KIND_RESERVE, or … */
enum step_kind {
    STEP_OPERATIONS = 19,
    STEP_TIME = STEP_OPERATIONS, /* time passes */
    STEP_AGAIN,                  /* an operation of before is sent again */
    STEP_CLAIM,                  /* another owner: nothing is in memory */
    STEP_RUNS, /* operations again, of kind + …_BEGIN_RUN: begin, record, undo */
    STEP_KINDS = STEP_RUNS + 3,
};

/* flags */
#define STEP_ENDS_BATCH 1u  /* behind it the batch is decided */
#define STEP_FAILS 2u       /* … and its transaction fails */
#define STEP_FREEING 4u     /* class */
#define STEP_ATTEMPT_2 8u   /* as if it had been sent before */
#define STEP_WRONG_HINT 16u /* partition of the header */
#define STEP_LOOK_UP 32u    /* ids of the whole batch are looked up */
#define STEP_ODD_ID 64u     /* the id's time is not now; or version 8 */
#define STEP_NO_EXPIRY 128u /* nothing that is due is looked up for the batch */

/* options */
#define OPTION_LINES 3u  /* how many lines, less than all */
#define OPTION_A 4u      /* keep_remainder, accept_shortfall, quarantine, may_split, has_version */
#define OPTION_B 8u      /* revive; or a list of warehouses */
#define OPTION_TEXTS 16u /* order, note, reference, … */
#define OPTION_LOWER 32u /* the reservation in small letters without hyphens */
#define OPTION_SPOIL 64u /* one byte of the body is another */

struct step {
    uint8_t kind, flags, sku, warehouse, quantity, sku_2, warehouse_2, quantity_2, hold, ttl,
        options, which;
};

static inline struct step step_read(const uint8_t *data)
{
    struct step step = {data[0], data[1], data[2], data[3], data[4],  data[5],
                        data[6], data[7], data[8], data[9], data[10], data[11]};
    step.kind %= STEP_KINDS;
    return step;
}

/* ------------------------------------------------------------- what a byte stands for */

/* Of two partitions, A is on the other one. C and D are items from the start, J becomes one. */
static const char *const fuzz_skus[] = {"C", "D", "C", "J", "none", "A"};
#define FUZZ_SKUS 6u
#define FUZZ_WAREHOUSES 6u
static const char *const fuzz_warehouses[] = {"W1", "W2", "W3", "", "W4", "W1"};

static inline ProtobufCBinaryData fuzz_text(struct arena *arena, const char *text)
{
    size_t length = strlen(text);

    if (length == 0)
        return (ProtobufCBinaryData){0, NULL};
    return (ProtobufCBinaryData){length, arena_copy(arena, text, length)};
}

/* Mostly from the list; from 250 on something that is no code. */
static inline ProtobufCBinaryData fuzz_code(struct arena *arena, const char *const *list,
                                            size_t count, uint8_t byte)
{
    char text[CODE_BYTES_MAX + 2];

    switch (byte) {
    case 250:
        memset(text, 'x', CODE_BYTES_MAX);
        return (ProtobufCBinaryData){CODE_BYTES_MAX, arena_copy(arena, text, CODE_BYTES_MAX)};
    case 251:
        memset(text, 'x', CODE_BYTES_MAX + 1);
        return (ProtobufCBinaryData){CODE_BYTES_MAX + 1,
                                     arena_copy(arena, text, CODE_BYTES_MAX + 1)};
    case 252:
        return fuzz_text(arena, " A");
    case 253:
        return fuzz_text(arena, "A\x1f");
    case 254:
        return fuzz_text(arena, "A\xc0\x80");
    case 255:
        return fuzz_text(arena, "");
    default:
        return fuzz_text(arena, list[byte % count]);
    }
}

static inline uint32_t fuzz_quantity(uint8_t byte)
{
    static const uint32_t great[] = {QUANTITY_MAX,
                                     QUANTITY_MAX - 1,
                                     QUANTITY_MAX / 2 + 1,
                                     QUANTITY_MAX + 1,
                                     1u << 31,
                                     UINT32_MAX,
                                     100,
                                     1000};

    return byte < 224 ? byte % 16 : great[byte % 8];
}

static inline uint64_t fuzz_ttl_ms(uint8_t byte)
{
    static const uint64_t ttls[] = {0,          1000, 60000,      900000,
                                    2592000000, 999,  2592000001, UINT64_MAX};

    return byte < 128 ? ttls[byte % 4] : ttls[byte % 8];
}

static inline int64_t fuzz_time_us(uint8_t byte)
{
    static const int64_t times[] = {1,
                                    999999,
                                    1000000,
                                    60000000,
                                    900000000,
                                    86400 * INT64_C(1000000),
                                    7 * 86400 * INT64_C(1000000),
                                    31 * 86400 * INT64_C(1000000)};
    return times[byte % 8];
}

/* ------------------------------------------------------------- an operation from a step */

struct step_source {
    struct arena *arena;                         /* of the operation */
    const char (*holds)[RESERVATION_TEXT_BYTES]; /* reservations that were asked for so far */
    size_t hold_count;
    uint64_t on_hand_version; /* of the level that the step names */
};

static inline Hf__Line *step_line(const struct step_source *source, uint8_t sku, uint8_t warehouse,
                                  uint8_t quantity)
{
    Hf__Line *line = arena_alloc(source->arena, sizeof *line);

    hf__line__init(line);
    line->sku = fuzz_code(source->arena, fuzz_skus, FUZZ_SKUS, sku);
    line->warehouse = fuzz_code(source->arena, fuzz_warehouses, FUZZ_WAREHOUSES, warehouse);
    line->quantity = fuzz_quantity(quantity);
    return line;
}

/* As many as the options say: 0 to 2, or 101 of them. */
static inline Hf__Line **step_lines(const struct step_source *source, const struct step *step,
                                    size_t *count)
{
    Hf__Line **lines = arena_alloc(source->arena, 101 * sizeof *lines);

    switch (step->options & OPTION_LINES) {
    case 0:
    case 1:
        lines[0] = step_line(source, step->sku, step->warehouse, step->quantity);
        *count = 1;
        break;
    case 2:
        lines[0] = step_line(source, step->sku, step->warehouse, step->quantity);
        lines[1] = step_line(source, step->sku_2, step->warehouse_2, step->quantity_2);
        *count = 2;
        break;
    default:
        *count = step->quantity_2 == 255 ? 101 : 0;
        for (size_t i = 0; i < *count; i++)
            lines[i] = step_line(source, step->sku, step->warehouse, step->quantity);
        break;
    }
    return lines;
}

static inline ProtobufCBinaryData step_hold(const struct step_source *source,
                                            const struct step *step)
{
    char text[RESERVATION_TEXT_BYTES], bare[RESERVATION_TEXT_BYTES];
    size_t length = 0;
    uint8_t id[RESERVATION_ID_BYTES] = {0};

    if (step->hold >= 250)
        return fuzz_text(source->arena, step->hold == 250 ? "" : "R-0");
    if (source->hold_count == 0 || step->hold >= 240) {
        id[1] = step->hold == 241; /* of the other partition, or of none that there is */
        id[0] = step->hold == 242;
        reservation_id_format(id, text);
    } else {
        memcpy(text, source->holds[step->hold % source->hold_count], sizeof text);
    }
    if (!(step->options & OPTION_LOWER))
        return fuzz_text(source->arena, text);
    for (const char *p = text; *p; p++) {
        if (*p != '-')
            bare[length++] = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    }
    bare[length] = '\0';
    return fuzz_text(source->arena, bare);
}

static inline ProtobufCBinaryData step_reason(const struct step_source *source,
                                              const struct step *step)
{
    static const char *const reasons[] = {"damage", "", "never-put", "other"};

    return fuzz_code(source->arena, reasons, 4, step->which);
}

static inline ProtobufCBinaryData step_text(const struct step_source *source,
                                            const struct step *step, size_t max)
{
    char text[NAME_BYTES_MAX + 1];

    if (!(step->options & OPTION_TEXTS))
        return (ProtobufCBinaryData){0, NULL};
    size_t length = step->which < 8 ? max + (step->which == 0) : step->which % 8;
    memset(text, 't', sizeof text);
    return (ProtobufCBinaryData){length, arena_copy(source->arena, text, length)};
}

/* The bodies' structs are laid out alike as far as they have the same fields; macros save writing
 * each assignment nineteen times. */
#define STEP_BODY(type, field, member, CASE)                                                       \
    Hf__##type *body = arena_alloc(source->arena, sizeof *body);                                   \
    protobuf_c_message_init(&hf__##field##__descriptor, body);                                     \
    op->member = body;                                                                             \
    op->kind_case = HF__OPERATION__KIND_##CASE
#define STEP_PLACE                                                                                 \
    body->sku = fuzz_code(source->arena, fuzz_skus, FUZZ_SKUS, step->sku);                         \
    body->warehouse = fuzz_code(source->arena, fuzz_warehouses, FUZZ_WAREHOUSES, step->warehouse)
#define STEP_LINES body->lines = step_lines(source, step, &body->n_lines)

static inline void step_reserve(const struct step_source *source, const struct step *step,
                                Hf__Operation *op)
{
    STEP_BODY(Reserve, reserve, reserve, RESERVE);
    STEP_LINES;
    body->ttl_ms = fuzz_ttl_ms(step->ttl);
    body->order = step_text(source, step, CODE_BYTES_MAX);
    body->may_split = step->options & OPTION_A;
    body->policy = step->which % 5 == 4 ? (Hf__Policy)2 : (Hf__Policy)(step->which % 2);
    if (!(step->options & OPTION_B))
        return;
    body->warehouses = arena_alloc(source->arena, 2 * sizeof *body->warehouses);
    body->warehouses[body->n_warehouses++] =
        fuzz_code(source->arena, fuzz_warehouses, FUZZ_WAREHOUSES, step->warehouse_2);
    body->warehouses[body->n_warehouses++] =
        fuzz_code(source->arena, fuzz_warehouses, FUZZ_WAREHOUSES, step->quantity_2);
}

static inline void step_on_hold(const struct step_source *source, const struct step *step,
                                Hf__Operation *op, int kind)
{
    switch (kind) {
    case HF__OPERATION__KIND_EXTEND: {
        STEP_BODY(Extend, extend, extend, EXTEND);
        body->reservation = step_hold(source, step);
        body->ttl_ms = fuzz_ttl_ms(step->ttl);
        return;
    }
    case HF__OPERATION__KIND_PURCHASE: {
        STEP_BODY(Purchase, purchase, purchase, PURCHASE);
        body->reservation = step_hold(source, step);
        STEP_LINES;
        body->keep_remainder = step->options & OPTION_A;
        body->revive = step->options & OPTION_B;
        return;
    }
    case HF__OPERATION__KIND_RELEASE: {
        STEP_BODY(Release, release, release, RELEASE);
        body->reservation = step_hold(source, step);
        STEP_LINES;
        return;
    }
    case HF__OPERATION__KIND_SHIP: {
        STEP_BODY(Ship, ship, ship, SHIP);
        body->reservation = step_hold(source, step);
        STEP_LINES;
        body->reference = step_text(source, step, CODE_BYTES_MAX);
        body->reason = step_reason(source, step);
        return;
    }
    case HF__OPERATION__KIND_CANCEL: {
        STEP_BODY(Cancel, cancel, cancel, CANCEL);
        body->reservation = step_hold(source, step);
        STEP_LINES;
        body->reason = step_reason(source, step);
        return;
    }
    default: {
        STEP_BODY(Return, return, return_, RETURN);
        body->reservation = step_hold(source, step);
        STEP_LINES;
        body->quarantine = step->options & OPTION_A;
        body->reason = step_reason(source, step);
        body->reference = step_text(source, step, CODE_BYTES_MAX);
        return;
    }
    }
}

static inline void step_on_stock(const struct step_source *source, const struct step *step,
                                 Hf__Operation *op, int kind)
{
    switch (kind) {
    case HF__OPERATION__KIND_RECEIVE: {
        STEP_BODY(Receive, receive, receive, RECEIVE);
        STEP_LINES;
        body->reference = step_text(source, step, CODE_BYTES_MAX);
        return;
    }
    case HF__OPERATION__KIND_ADJUST: {
        STEP_BODY(Adjust, adjust, adjust, ADJUST);
        STEP_PLACE;
        body->delta = step->options & OPTION_B ? (int64_t)fuzz_quantity(step->quantity)
                                               : -(int64_t)fuzz_quantity(step->quantity);
        body->reason = step_reason(source, step);
        body->accept_shortfall = step->options & OPTION_A;
        return;
    }
    case HF__OPERATION__KIND_COUNT: {
        STEP_BODY(Count, count, count, COUNT);
        STEP_PLACE;
        body->quantity = fuzz_quantity(step->quantity);
        body->has_version = step->options & OPTION_A;
        body->on_hand_version = step->ttl < 192 ? source->on_hand_version : step->ttl % 8;
        body->reason = step_reason(source, step);
        return;
    }
    case HF__OPERATION__KIND_TRANSFER: {
        STEP_BODY(Transfer, transfer, transfer, TRANSFER);
        body->sku = fuzz_code(source->arena, fuzz_skus, FUZZ_SKUS, step->sku);
        body->from = fuzz_code(source->arena, fuzz_warehouses, FUZZ_WAREHOUSES, step->warehouse);
        body->to = fuzz_code(source->arena, fuzz_warehouses, FUZZ_WAREHOUSES, step->warehouse_2);
        body->quantity = fuzz_quantity(step->quantity);
        body->reference = step_text(source, step, CODE_BYTES_MAX);
        return;
    }
    case HF__OPERATION__KIND_QUARANTINE: {
        STEP_BODY(Quarantine, quarantine, quarantine, QUARANTINE);
        STEP_LINES;
        body->reason = step_reason(source, step);
        body->accept_shortfall = step->options & OPTION_A;
        return;
    }
    default: {
        STEP_BODY(Restore, restore, restore, RESTORE);
        STEP_LINES;
        body->reason = step_reason(source, step);
        return;
    }
    }
}

static inline void step_on_record(const struct step_source *source, const struct step *step,
                                  Hf__Operation *op, int kind)
{
    static const char *const barcodes[] = {"4006381333931", "b2", "b3", "b3", ""};

    switch (kind) {
    case HF__OPERATION__KIND_SET_SAFETY_STOCK: {
        STEP_BODY(SetSafetyStock, set_safety_stock, set_safety_stock, SET_SAFETY_STOCK);
        STEP_PLACE;
        body->quantity = fuzz_quantity(step->quantity);
        return;
    }
    case HF__OPERATION__KIND_SET_REORDER_POINT: {
        STEP_BODY(SetReorderPoint, set_reorder_point, set_reorder_point, SET_REORDER_POINT);
        STEP_PLACE;
        body->quantity = fuzz_quantity(step->quantity);
        return;
    }
    case HF__OPERATION__KIND_PUT_ITEM: {
        STEP_BODY(PutItem, put_item, put_item, PUT_ITEM);
        body->sku = fuzz_code(source->arena, fuzz_skus, FUZZ_SKUS, step->sku);
        body->name = step_text(source, step, NAME_BYTES_MAX);
        body->reorder_point = fuzz_quantity(step->quantity);
        body->barcodes = arena_alloc(source->arena, 65 * sizeof *body->barcodes);
        body->n_barcodes = step->quantity_2 == 255 ? 65 : step->options & OPTION_LINES;
        for (size_t i = 0; i < body->n_barcodes; i++)
            body->barcodes[i] =
                fuzz_text(source->arena, barcodes[(step->which + i * step->ttl) % 5]);
        return;
    }
    case HF__OPERATION__KIND_PUT_WAREHOUSE: {
        STEP_BODY(PutWarehouse, put_warehouse, put_warehouse, PUT_WAREHOUSE);
        body->warehouse =
            fuzz_code(source->arena, fuzz_warehouses, FUZZ_WAREHOUSES, step->warehouse);
        body->name = step_text(source, step, NAME_BYTES_MAX);
        return;
    }
    default: {
        STEP_BODY(PutReason, put_reason, put_reason, PUT_REASON);
        body->reason = step_reason(source, step);
        body->name = step_text(source, step, NAME_BYTES_MAX);
        return;
    }
    }
}

/* Status and number of a line; most exist, and the last ones do not. */
static inline Hf__RunLine *step_run_line(const struct step_source *source, const struct step *step,
                                         uint8_t number, uint8_t status)
{
    static const uint32_t numbers[] = {1, 2, 255, 256, 257, 300, 0, 10000001};
    static const uint32_t statuses[] = {0, 0, 10, 19, 43, 60, 0, 99};
    Hf__RunLine *line = arena_alloc(source->arena, sizeof *line);

    hf__run_line__init(line);
    line->line = numbers[number < 128 ? number % 6 : number % 8];
    line->status = statuses[status < 128 ? status % 6 : status % 8];
    line->partition = step->ttl & 1;
    line->sequence = line->status == 0 ? 1 + step->hold % 8 : 0;
    line->text = step_text(source, step, NOTE_BYTES_MAX);
    if (!(step->options & OPTION_B))
        return line;
    line->sku = fuzz_code(source->arena, fuzz_skus, FUZZ_SKUS, step->sku_2);
    line->warehouse = fuzz_code(source->arena, fuzz_warehouses, FUZZ_WAREHOUSES, step->warehouse_2);
    line->open = step->options & OPTION_A;
    if (line->open)
        line->status = 43;
    line->counted = step->ttl & 2 ? fuzz_quantity(step->quantity) : 0;
    line->booked = step->ttl & 2 ? fuzz_quantity(step->quantity_2) : 0;
    return line;
}

static inline void step_on_run(const struct step_source *source, const struct step *step,
                               Hf__Operation *op)
{
    static const char *const runs[] = {"R3", "R4", "R3", "R1"}; /* R1 is on the other partition */
    static const uint32_t lines[] = {2, 300, 257, 1, 1, 300, 0, 10000001};

    if (step->kind == STEP_RUNS) {
        STEP_BODY(BeginRun, begin_run, begin_run, BEGIN_RUN);
        body->run = fuzz_code(source->arena, runs, 4, step->sku);
        body->digest.len = step->which == 255 ? 31 : 32;
        body->digest.data = arena_alloc(source->arena, body->digest.len);
        memset(body->digest.data, 1 + (step->which & 1), body->digest.len);
        body->lines = lines[step->quantity < 128 ? step->quantity % 6 : step->quantity % 8];
        body->blank = step->quantity_2 < 128 ? 0 : fuzz_quantity(step->quantity_2);
        body->resume = step->options & OPTION_A;
        if (step->options & OPTION_B)
            body->undoes = fuzz_code(source->arena, runs, 4, step->sku_2);
    } else if (step->kind == STEP_RUNS + 1) {
        STEP_BODY(RecordRun, record_run, record_run, RECORD_RUN);
        body->run = fuzz_code(source->arena, runs, 4, step->sku);
        body->n_lines = step->options & OPTION_LINES;
        body->lines = arena_alloc(source->arena, (body->n_lines + 1) * sizeof *body->lines);
        for (size_t i = 0; i < body->n_lines; i++)
            body->lines[i] = step_run_line(source, step, (uint8_t)(step->quantity + i),
                                           (uint8_t)(step->which + i));
    } else {
        STEP_BODY(Undo, undo, undo, UNDO);
        body->has_previous = step->options & OPTION_A;
        body->previous = body->has_previous ? fuzz_quantity(step->quantity) : 0;
        body->reorder_point = step->options & OPTION_B;
    }
}

/* The operation without its id, and without what a settle or an undo asks about. */
static inline Hf__Operation *step_operation(const struct step_source *source,
                                            const struct step *step)
{
    int kind = HF__OPERATION__KIND_RESERVE + step->kind;
    Hf__Operation *op = arena_alloc(source->arena, sizeof *op);

    hf__operation__init(op);
    op->note = step_text(source, step, NOTE_BYTES_MAX);
    op->actor = step_text(source, step, CODE_BYTES_MAX);
    op->undoes = step->ttl == 7 ? 1 : 0;
    if (step->kind >= STEP_RUNS)
        step_on_run(source, step, op);
    else if (kind == HF__OPERATION__KIND_RESERVE)
        step_reserve(source, step, op);
    else if (kind <= HF__OPERATION__KIND_RETURN)
        step_on_hold(source, step, op, kind);
    else if (kind <= HF__OPERATION__KIND_RESTORE)
        step_on_stock(source, step, op, kind);
    else if (kind <= HF__OPERATION__KIND_PUT_REASON)
        step_on_record(source, step, op, kind);
    else {
        STEP_BODY(Settle, settle, settle, SETTLE);
    }
    return op;
}

#endif

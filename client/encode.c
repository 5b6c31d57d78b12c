/* SPDX-License-Identifier: MIT
 *
 * Operations to bodies. Each kind has a row in `kinds`: its name, the checks that its fields must
 * pass, how it fills the message, and where it is sent.
 */
#include "client/encode.h"

#include "protocol/header.h"
#include "protocol/holdfast.pb-c.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TTL_MS_MIN 1000u
#define TTL_MS_MAX 2592000000u /* 30 days */
#define ORDER_BYTES_MAX 64u
#define REFERENCE_BYTES_MAX 64u
#define TRACE_BYTES_MAX 64u
#define RUN_LINES_MAX 10000000u
#define RUN_BLOCK_LINES 256u
#define RUN_TEXT_BYTES_MAX 255u

uint32_t route_partition(const struct route *route, uint32_t partitions)
{
    if (!route->by_sku)
        return route->partition;
    return partitions == 0 ? PARTITION_NONE
                           : partition_of_sku(route->sku.bytes, route->sku.length, partitions);
}

bool fault_set(struct fault *fault, int status, const char *field, const char *format, ...)
{
    va_list arguments;

    fault->status = status;
    snprintf(fault->field, sizeof fault->field, "%s", field);
    va_start(arguments, format);
    vsnprintf(fault->message, sizeof fault->message, format, arguments);
    va_end(arguments);
    return false;
}

static bool no_memory(struct fault *fault)
{
    return fault_set(fault, HOLDFAST_UNAVAILABLE, "", "out of memory; nothing was sent");
}

ProtobufCBinaryData bytes_of(const char *text)
{
    union {
        const char *in;
        uint8_t *out;
    } pointer = {.in = text};

    return (ProtobufCBinaryData){.len = text ? strlen(text) : 0, .data = pointer.out};
}

bool check_code(struct fault *fault, const char *field, const char *code)
{
    const char *why = code ? code_fault(code, strlen(code)) : "is missing";

    return !why || fault_set(fault, HOLDFAST_INVALID, field, "%s %s", field, why);
}

bool check_optional_code(struct fault *fault, const char *field, const char *code)
{
    return !code || code[0] == '\0' || check_code(fault, field, code);
}

bool check_text(struct fault *fault, const char *field, const char *text, size_t max)
{
    const char *why = text ? text_fault(text, strlen(text), max) : NULL;

    return !why || fault_set(fault, HOLDFAST_INVALID, field, "%s %s", field, why);
}

/* One operation on its way to a message. */
struct filling {
    const struct holdfast_operation *from;
    const struct kind *kind;
    struct pool *scratch;
    struct fault *fault;
    struct route *route;
    Hf__Operation *to;
    Hf__Line **lines;
    char field[64]; /* the name of the field being checked */
};

static const char *field_name(struct filling *f, const char *name);

static bool want_code(struct filling *f, const char *name, const char *code)
{
    return check_code(f->fault, field_name(f, name), code);
}

static bool may_code(struct filling *f, const char *name, const char *code)
{
    return check_optional_code(f->fault, field_name(f, name), code);
}

static bool may_text(struct filling *f, const char *name, const char *text, size_t max)
{
    return check_text(f->fault, field_name(f, name), text, max);
}

static bool want_quantity(struct filling *f, const char *name, uint32_t quantity, uint32_t least)
{
    if (quantity >= least && quantity <= QUANTITY_MAX)
        return true;
    return fault_set(f->fault, HOLDFAST_INVALID, field_name(f, name), "%s must be %u to %d",
                     field_name(f, name), least, QUANTITY_MAX);
}

/* The id of an operation, into UUID_BYTES at id. */
static bool take_operation_id(struct filling *f, const char *field, const char *text, uint8_t *id)
{
    const char *why =
        !text || !uuid_parse(text, id) ? "is not a UUID" : operation_id_fault(id, UUID_BYTES);

    return !why || fault_set(f->fault, HOLDFAST_INVALID, field, "%s %s", field, why);
}

/* That of another operation, into the scratch. */
static bool want_operation_id(struct filling *f, const char *text, ProtobufCBinaryData *to)
{
    uint8_t *id = pool_alloc(f->scratch, UUID_BYTES);

    if (!id)
        return no_memory(f->fault);
    *to = (ProtobufCBinaryData){.len = UUID_BYTES, .data = id};
    return take_operation_id(f, field_name(f, "operation_id"), text, id);
}

/* least: 0, or HOLDFAST_ALL_PARTITIONS where that is taken too. */
static bool want_partition(struct filling *f, int32_t partition, int32_t least)
{
    if (partition >= least && partition < (int32_t)PARTITIONS_MAX)
        return true;
    return fault_set(f->fault, HOLDFAST_INVALID, field_name(f, "partition"),
                     "%s is not a partition", field_name(f, "partition"));
}

static void route_to_sku(struct route *route, const char *sku)
{
    route->by_sku = true;
    code_set(&route->sku, sku, strlen(sku));
}

/* lines into f->lines; their partition is the first one's. */
static bool take_lines(struct filling *f, bool required, bool with_warehouse)
{
    const struct holdfast_operation *from = f->from;
    Hf__Line *lines;

    if (from->line_count == 0)
        return !required || fault_set(f->fault, HOLDFAST_INVALID, field_name(f, "lines"),
                                      "%s is empty", field_name(f, "lines"));
    if (!from->lines)
        return fault_set(f->fault, HOLDFAST_INVALID, field_name(f, "lines"), "%s is missing",
                         field_name(f, "lines"));
    if (from->line_count > MESSAGE_BYTES_MAX)
        return fault_set(f->fault, HOLDFAST_TOO_LARGE, field_name(f, "lines"), "too many lines");
    lines = pool_alloc(f->scratch, from->line_count * sizeof *lines);
    f->lines = pool_alloc(f->scratch, from->line_count * sizeof(Hf__Line *));
    if (!lines || !f->lines)
        return no_memory(f->fault);
    for (size_t i = 0; i < from->line_count; i++) {
        const struct holdfast_line *line = &from->lines[i];
        char name[48];
        hf__line__init(&lines[i]);
        lines[i].sku = bytes_of(line->sku);
        lines[i].warehouse = bytes_of(line->warehouse);
        lines[i].quantity = line->quantity;
        f->lines[i] = &lines[i];
        /* The names are made only for a line that is at fault. */
        if (line->sku && !code_fault(line->sku, lines[i].sku.len) && line->quantity >= 1 &&
            line->quantity <= QUANTITY_MAX &&
            (lines[i].warehouse.len == 0 ? !with_warehouse
                                         : !code_fault(line->warehouse, lines[i].warehouse.len)))
            continue;
        snprintf(name, sizeof name, "lines[%zu].sku", i);
        if (!want_code(f, name, line->sku))
            return false;
        snprintf(name, sizeof name, "lines[%zu].warehouse", i);
        if (!(with_warehouse ? want_code : may_code)(f, name, line->warehouse))
            return false;
        snprintf(name, sizeof name, "lines[%zu].quantity", i);
        if (!want_quantity(f, name, line->quantity, 1))
            return false;
    }
    return true;
}

static bool take_reservation(struct filling *f)
{
    const char *text = f->from->reservation;
    uint8_t id[RESERVATION_ID_BYTES];

    if (!text || !reservation_id_parse(text, strlen(text), id))
        return fault_set(f->fault, HOLDFAST_INVALID, field_name(f, "reservation"),
                         "%s is not a reservation id (R-…)", field_name(f, "reservation"));
    f->route->partition = reservation_id_partition(id);
    return true;
}

/* A list of codes as the repeated bytes field that protobuf-c wants. */
static bool take_codes(struct filling *f, const char *name, const char *const *codes, size_t count,
                       ProtobufCBinaryData **to, size_t *to_count)
{
    if (count == 0)
        return true;
    if (!codes)
        return fault_set(f->fault, HOLDFAST_INVALID, field_name(f, name), "%s is missing",
                         field_name(f, name));
    if (count > MESSAGE_BYTES_MAX)
        return fault_set(f->fault, HOLDFAST_TOO_LARGE, field_name(f, name), "%s has too many",
                         field_name(f, name));
    *to = pool_alloc(f->scratch, count * sizeof **to);
    if (!*to)
        return no_memory(f->fault);
    for (size_t i = 0; i < count; i++) {
        char indexed[48];
        snprintf(indexed, sizeof indexed, "%s[%zu]", name, i);
        if (!want_code(f, indexed, codes[i]))
            return false;
        (*to)[i] = bytes_of(codes[i]);
    }
    *to_count = count;
    return true;
}

static bool want_ttl(struct filling *f, bool may_be_default)
{
    uint64_t ttl_ms = f->from->ttl_ms;

    if ((may_be_default && ttl_ms == 0) || (ttl_ms >= TTL_MS_MIN && ttl_ms <= TTL_MS_MAX))
        return true;
    return fault_set(f->fault, HOLDFAST_INVALID, field_name(f, "ttl_ms"),
                     "%s must be 1,000 to 2,592,000,000 (30 days)", field_name(f, "ttl_ms"));
}

/* ------------------------------------------------------------- one function per kind */

#define BODY(type, field, constant)                                                                \
    Hf__##type *body = pool_alloc(f->scratch, sizeof *body);                                       \
    if (!body)                                                                                     \
        return no_memory(f->fault);                                                                \
    hf__##field##__init(body);                                                                     \
    f->to->kind_case = HF__OPERATION__KIND_##constant

static bool fill_reserve(struct filling *f)
{
    BODY(Reserve, reserve, RESERVE);
    f->to->reserve = body;
    if (!take_lines(f, true, false) || !want_ttl(f, true) ||
        !may_text(f, "order", f->from->order, ORDER_BYTES_MAX) ||
        !take_codes(f, "warehouses", f->from->warehouses, f->from->warehouse_count,
                    &body->warehouses, &body->n_warehouses))
        return false;
    if (f->from->policy != HOLDFAST_MOST_AVAILABLE && f->from->policy != HOLDFAST_NEAREST_FIRST)
        return fault_set(f->fault, HOLDFAST_INVALID, "reserve.policy", "reserve.policy is unknown");
    body->lines = f->lines;
    body->n_lines = f->from->line_count;
    body->ttl_ms = f->from->ttl_ms;
    body->order = bytes_of(f->from->order);
    body->policy = (Hf__Policy)f->from->policy;
    body->may_split = f->from->may_split;
    route_to_sku(f->route, f->from->lines[0].sku);
    return true;
}

static bool fill_extend(struct filling *f)
{
    BODY(Extend, extend, EXTEND);
    f->to->extend = body;
    body->reservation = bytes_of(f->from->reservation);
    body->ttl_ms = f->from->ttl_ms;
    return take_reservation(f) && want_ttl(f, true);
}

static bool fill_purchase(struct filling *f)
{
    BODY(Purchase, purchase, PURCHASE);
    f->to->purchase = body;
    if (!take_reservation(f) || !take_lines(f, false, false))
        return false;
    body->reservation = bytes_of(f->from->reservation);
    body->lines = f->lines;
    body->n_lines = f->from->line_count;
    body->keep_remainder = f->from->keep_remainder;
    body->revive = f->from->revive;
    return true;
}

static bool fill_release(struct filling *f)
{
    BODY(Release, release, RELEASE);
    f->to->release = body;
    if (!take_reservation(f) || !take_lines(f, false, false))
        return false;
    body->reservation = bytes_of(f->from->reservation);
    body->lines = f->lines;
    body->n_lines = f->from->line_count;
    return true;
}

static bool fill_ship(struct filling *f)
{
    BODY(Ship, ship, SHIP);
    f->to->ship = body;
    if (!take_reservation(f) || !take_lines(f, false, false) ||
        !may_text(f, "reference", f->from->reference, REFERENCE_BYTES_MAX) ||
        !may_code(f, "reason", f->from->reason))
        return false;
    body->reservation = bytes_of(f->from->reservation);
    body->lines = f->lines;
    body->n_lines = f->from->line_count;
    body->reference = bytes_of(f->from->reference);
    body->reason = bytes_of(f->from->reason);
    return true;
}

static bool fill_cancel(struct filling *f)
{
    BODY(Cancel, cancel, CANCEL);
    f->to->cancel = body;
    if (!take_reservation(f) || !take_lines(f, false, false) ||
        !may_code(f, "reason", f->from->reason))
        return false;
    body->reservation = bytes_of(f->from->reservation);
    body->lines = f->lines;
    body->n_lines = f->from->line_count;
    body->reason = bytes_of(f->from->reason);
    return true;
}

static bool fill_return(struct filling *f)
{
    BODY(Return, return, RETURN);
    f->to->return_ = body;
    if (!take_reservation(f) || !take_lines(f, true, false) ||
        !may_code(f, "reason", f->from->reason) ||
        !may_text(f, "reference", f->from->reference, REFERENCE_BYTES_MAX))
        return false;
    body->reservation = bytes_of(f->from->reservation);
    body->lines = f->lines;
    body->n_lines = f->from->line_count;
    body->quarantine = f->from->to_quarantine;
    body->reason = bytes_of(f->from->reason);
    body->reference = bytes_of(f->from->reference);
    return true;
}

static bool fill_receive(struct filling *f)
{
    BODY(Receive, receive, RECEIVE);
    f->to->receive = body;
    if (!take_lines(f, true, true) ||
        !may_text(f, "reference", f->from->reference, REFERENCE_BYTES_MAX))
        return false;
    body->lines = f->lines;
    body->n_lines = f->from->line_count;
    body->reference = bytes_of(f->from->reference);
    route_to_sku(f->route, f->from->lines[0].sku);
    return true;
}

static bool fill_adjust(struct filling *f)
{
    BODY(Adjust, adjust, ADJUST);
    f->to->adjust = body;
    if (!want_code(f, "sku", f->from->sku) || !want_code(f, "warehouse", f->from->warehouse) ||
        !want_code(f, "reason", f->from->reason))
        return false;
    if (f->from->delta == 0 || f->from->delta > QUANTITY_MAX || f->from->delta < -QUANTITY_MAX)
        return fault_set(f->fault, HOLDFAST_INVALID, "adjust.delta",
                         "adjust.delta must be -%d to %d and not 0", QUANTITY_MAX, QUANTITY_MAX);
    body->sku = bytes_of(f->from->sku);
    body->warehouse = bytes_of(f->from->warehouse);
    body->delta = f->from->delta;
    body->reason = bytes_of(f->from->reason);
    body->accept_shortfall = f->from->accept_shortfall;
    route_to_sku(f->route, f->from->sku);
    return true;
}

static bool fill_count(struct filling *f)
{
    BODY(Count, count, COUNT);
    f->to->count = body;
    if (!want_code(f, "sku", f->from->sku) || !want_code(f, "warehouse", f->from->warehouse) ||
        !want_quantity(f, "quantity", f->from->quantity, 0) ||
        !may_code(f, "reason", f->from->reason))
        return false;
    body->sku = bytes_of(f->from->sku);
    body->warehouse = bytes_of(f->from->warehouse);
    body->quantity = f->from->quantity;
    body->on_hand_version = f->from->on_hand_version;
    body->has_version = f->from->has_version;
    body->reason = bytes_of(f->from->reason);
    route_to_sku(f->route, f->from->sku);
    return true;
}

static bool fill_transfer(struct filling *f)
{
    BODY(Transfer, transfer, TRANSFER);
    f->to->transfer = body;
    if (!want_code(f, "sku", f->from->sku) || !want_code(f, "from", f->from->warehouse) ||
        !want_code(f, "to", f->from->to_warehouse) ||
        !want_quantity(f, "quantity", f->from->quantity, 1) ||
        !may_text(f, "reference", f->from->reference, REFERENCE_BYTES_MAX))
        return false;
    body->sku = bytes_of(f->from->sku);
    body->from = bytes_of(f->from->warehouse);
    body->to = bytes_of(f->from->to_warehouse);
    body->quantity = f->from->quantity;
    body->reference = bytes_of(f->from->reference);
    route_to_sku(f->route, f->from->sku);
    return true;
}

static bool fill_quarantine(struct filling *f)
{
    BODY(Quarantine, quarantine, QUARANTINE);
    f->to->quarantine = body;
    if (!take_lines(f, true, true) || !may_code(f, "reason", f->from->reason))
        return false;
    body->lines = f->lines;
    body->n_lines = f->from->line_count;
    body->reason = bytes_of(f->from->reason);
    body->accept_shortfall = f->from->accept_shortfall;
    route_to_sku(f->route, f->from->lines[0].sku);
    return true;
}

static bool fill_restore(struct filling *f)
{
    BODY(Restore, restore, RESTORE);
    f->to->restore = body;
    if (!take_lines(f, true, true) || !may_code(f, "reason", f->from->reason))
        return false;
    body->lines = f->lines;
    body->n_lines = f->from->line_count;
    body->reason = bytes_of(f->from->reason);
    route_to_sku(f->route, f->from->lines[0].sku);
    return true;
}

static bool fill_safety_stock(struct filling *f)
{
    BODY(SetSafetyStock, set_safety_stock, SET_SAFETY_STOCK);
    f->to->set_safety_stock = body;
    if (!want_code(f, "sku", f->from->sku) || !want_code(f, "warehouse", f->from->warehouse) ||
        !want_quantity(f, "quantity", f->from->quantity, 0))
        return false;
    body->sku = bytes_of(f->from->sku);
    body->warehouse = bytes_of(f->from->warehouse);
    body->quantity = f->from->quantity;
    route_to_sku(f->route, f->from->sku);
    return true;
}

static bool fill_reorder_point(struct filling *f)
{
    BODY(SetReorderPoint, set_reorder_point, SET_REORDER_POINT);
    f->to->set_reorder_point = body;
    if (!want_code(f, "sku", f->from->sku) || !want_code(f, "warehouse", f->from->warehouse) ||
        !want_quantity(f, "quantity", f->from->quantity, 0))
        return false;
    body->sku = bytes_of(f->from->sku);
    body->warehouse = bytes_of(f->from->warehouse);
    body->quantity = f->from->quantity;
    route_to_sku(f->route, f->from->sku);
    return true;
}

static bool fill_item(struct filling *f)
{
    BODY(PutItem, put_item, PUT_ITEM);
    f->to->put_item = body;
    if (!want_code(f, "sku", f->from->sku) || !may_text(f, "name", f->from->text, NAME_BYTES_MAX) ||
        !take_codes(f, "barcodes", f->from->barcodes, f->from->barcode_count, &body->barcodes,
                    &body->n_barcodes) ||
        !want_quantity(f, "reorder_point", f->from->quantity, 0))
        return false;
    body->sku = bytes_of(f->from->sku);
    body->name = bytes_of(f->from->text);
    body->reorder_point = f->from->quantity;
    route_to_sku(f->route, f->from->sku);
    return true;
}

static bool fill_warehouse(struct filling *f)
{
    BODY(PutWarehouse, put_warehouse, PUT_WAREHOUSE);
    f->to->put_warehouse = body;
    body->warehouse = bytes_of(f->from->warehouse);
    body->name = bytes_of(f->from->text);
    return want_code(f, "warehouse", f->from->warehouse) &&
           may_text(f, "name", f->from->text, NAME_BYTES_MAX);
}

static bool fill_reason(struct filling *f)
{
    BODY(PutReason, put_reason, PUT_REASON);
    f->to->put_reason = body;
    body->reason = bytes_of(f->from->reason);
    body->name = bytes_of(f->from->text);
    return want_code(f, "reason", f->from->reason) &&
           may_text(f, "name", f->from->text, NAME_BYTES_MAX);
}

static bool fill_settle(struct filling *f)
{
    BODY(Settle, settle, SETTLE);
    f->to->settle = body;
    if (!want_operation_id(f, f->from->settles, &body->operation_id) ||
        !want_partition(f, f->from->partition, HOLDFAST_ALL_PARTITIONS))
        return false;
    f->route->partition = f->from->partition < 0 ? 0 : (uint32_t)f->from->partition;
    f->route->field = f->from->partition < 0 ? NULL : "settle.partition";
    return true;
}

static bool fill_begin_run(struct filling *f)
{
    const struct holdfast_operation *from = f->from;
    BODY(BeginRun, begin_run, BEGIN_RUN);
    f->to->begin_run = body;
    if (!want_code(f, "run", from->run) || !may_code(f, "undoes", from->run_undoes))
        return false;
    if (!from->digest)
        return fault_set(f->fault, HOLDFAST_INVALID, "begin_run.digest",
                         "begin_run.digest is missing");
    if (from->run_lines < 1 || from->run_lines > RUN_LINES_MAX || from->run_blank > from->run_lines)
        return fault_set(f->fault, HOLDFAST_INVALID, "begin_run.lines",
                         "begin_run.lines must be 1 to %u, and blank not more", RUN_LINES_MAX);
    body->run = bytes_of(from->run);
    body->digest = (ProtobufCBinaryData){.len = HOLDFAST_DIGEST_BYTES,
                                         .data = (uint8_t *)(uintptr_t)from->digest};
    body->lines = from->run_lines;
    body->blank = from->run_blank;
    body->resume = from->resume;
    body->undoes = bytes_of(from->run_undoes);
    route_to_sku(f->route, from->run);
    return true;
}

static bool fill_record_run(struct filling *f)
{
    const struct holdfast_operation *from = f->from;
    BODY(RecordRun, record_run, RECORD_RUN);
    f->to->record_run = body;
    if (!want_code(f, "run", from->run))
        return false;
    if (!from->run_results || from->run_result_count < 1 ||
        from->run_result_count > RUN_BLOCK_LINES)
        return fault_set(f->fault, HOLDFAST_INVALID, "record_run.lines",
                         "record_run.lines must be 1 to %u", RUN_BLOCK_LINES);
    Hf__RunLine *lines = pool_alloc(f->scratch, from->run_result_count * sizeof *lines);
    body->lines = pool_alloc(f->scratch, from->run_result_count * sizeof(Hf__RunLine *));
    if (!lines || !body->lines)
        return no_memory(f->fault);
    for (size_t i = 0; i < from->run_result_count; i++) {
        const struct holdfast_run_line *line = &from->run_results[i];
        if (!may_text(f, "lines.text", line->text, RUN_TEXT_BYTES_MAX) ||
            !may_code(f, "lines.sku", line->sku) ||
            !may_code(f, "lines.warehouse", line->warehouse))
            return false;
        hf__run_line__init(&lines[i]);
        lines[i].line = line->line;
        lines[i].status = (uint32_t)line->status;
        lines[i].partition = line->partition;
        lines[i].sequence = line->sequence;
        lines[i].text = bytes_of(line->text);
        lines[i].sku = bytes_of(line->sku);
        lines[i].warehouse = bytes_of(line->warehouse);
        lines[i].open = line->open;
        lines[i].counted = line->counted;
        lines[i].booked = line->booked;
        body->lines[i] = &lines[i];
    }
    body->n_lines = from->run_result_count;
    body->run = bytes_of(from->run);
    route_to_sku(f->route, from->run);
    return true;
}

static bool fill_undo(struct filling *f)
{
    BODY(Undo, undo, UNDO);
    f->to->undo = body;
    if (!want_operation_id(f, f->from->undone, &body->operation_id) ||
        !want_partition(f, f->from->partition, 0) ||
        !want_quantity(f, "previous", f->from->previous, 0))
        return false;
    body->has_previous = f->from->has_previous;
    body->previous = f->from->previous;
    body->reorder_point = f->from->previous_reorder_point;
    f->route->partition = (uint32_t)f->from->partition;
    f->route->field = "undo.partition";
    return true;
}

struct kind {
    const char *name; /* prefix of the names of its fields */
    bool (*fill)(struct filling *f);
    bool frees; /* gives capacity back: goes in a class of its own */
};

/* By kind, from HOLDFAST_RESERVE. */
static const struct kind kinds[] = {
    {"reserve", fill_reserve, false},
    {"extend", fill_extend, false},
    {"purchase", fill_purchase, false},
    {"release", fill_release, true},
    {"ship", fill_ship, true},
    {"cancel", fill_cancel, true},
    {"return", fill_return, false},
    {"receive", fill_receive, false},
    {"adjust", fill_adjust, false},
    {"count", fill_count, false},
    {"transfer", fill_transfer, false},
    {"quarantine", fill_quarantine, false},
    {"restore", fill_restore, false},
    {"set_safety_stock", fill_safety_stock, false},
    {"set_reorder_point", fill_reorder_point, false},
    {"put_item", fill_item, false},
    {"put_warehouse", fill_warehouse, false},
    {"put_reason", fill_reason, false},
    {"settle", fill_settle, false},
    {"begin_run", fill_begin_run, false},
    {"record_run", fill_record_run, false},
    {"undo", fill_undo, false},
};

#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

static const char *field_name(struct filling *f, const char *name)
{
    snprintf(f->field, sizeof f->field, "%s.%s", f->kind->name, name);
    return f->field;
}

static uint8_t class_of(const struct kind *kind, enum holdfast_class op_class)
{
    if (kind->frees)
        return CLASS_FREEING;
    if (op_class == HOLDFAST_CLASS_INTERACTIVE)
        return CLASS_INTERACTIVE;
    return op_class == HOLDFAST_CLASS_BULK ? CLASS_BULK : CLASS_SERVICE;
}

/* Everything that operations of all kinds have. */
static bool fill_common(struct filling *f, struct encoded *encoded,
                        const struct encode_defaults *defaults, const uint8_t *fresh_id)
{
    const struct holdfast_operation *from = f->from;
    const char *actor = from->actor ? from->actor : defaults->actor;

    if (!from->operation_id)
        memcpy(encoded->operation_id, fresh_id, UUID_BYTES);
    else if (!take_operation_id(f, "operation_id", from->operation_id, encoded->operation_id))
        return false;
    if (!check_text(f->fault, "actor", actor, CODE_BYTES_MAX) ||
        !check_text(f->fault, "note", from->note, NOTE_BYTES_MAX) ||
        !check_text(f->fault, "trace", from->trace, TRACE_BYTES_MAX))
        return false;
    f->to->operation_id = (ProtobufCBinaryData){.len = UUID_BYTES, .data = encoded->operation_id};
    f->to->id_time_us = from->id_time_us;
    f->to->actor = bytes_of(actor);
    f->to->note = bytes_of(from->note);
    f->to->trace = bytes_of(from->trace);
    f->to->undoes = from->undoes;
    encoded->attempt = from->attempt > 1 ? from->attempt : 1;
    encoded->op_class = class_of(f->kind, defaults->op_class);
    return true;
}

bool encode_operation(struct encoded *encoded, const struct holdfast_operation *operation,
                      const struct encode_defaults *defaults, const uint8_t fresh_id[UUID_BYTES],
                      struct pool *scratch, struct fault *fault)
{
    Hf__Operation message;
    struct filling f = {.from = operation, .scratch = scratch, .fault = fault, .to = &message};
    size_t at = (size_t)operation->kind - HOLDFAST_RESERVE;

    pool_reset(scratch);
    *encoded = (struct encoded){0};
    if (at >= KIND_COUNT)
        return fault_set(fault, HOLDFAST_INVALID, "kind", "kind is not one of holdfast.h");
    f.kind = &kinds[at];
    f.route = &encoded->route;
    hf__operation__init(&message);
    if (!fill_common(&f, encoded, defaults, fresh_id) || !f.kind->fill(&f))
        return false;
    encoded->body_bytes = hf__operation__get_packed_size(&message);
    if (encoded->body_bytes > MESSAGE_BYTES_MAX)
        return fault_set(fault, HOLDFAST_TOO_LARGE, "", "the operation has more than %u bytes",
                         MESSAGE_BYTES_MAX);
    encoded->body = malloc(encoded->body_bytes);
    if (!encoded->body)
        return no_memory(fault);
    hf__operation__pack(&message, encoded->body);
    return true;
}

size_t encode_settle(uint8_t body[SETTLE_BYTES_MAX], const uint8_t settle_id[UUID_BYTES],
                     const uint8_t operation_id[UUID_BYTES])
{
    uint8_t own[UUID_BYTES], settled[UUID_BYTES];
    Hf__Settle settle;
    Hf__Operation message;

    memcpy(own, settle_id, UUID_BYTES);
    memcpy(settled, operation_id, UUID_BYTES);
    hf__settle__init(&settle);
    settle.operation_id = (ProtobufCBinaryData){.len = UUID_BYTES, .data = settled};
    hf__operation__init(&message);
    message.operation_id = (ProtobufCBinaryData){.len = UUID_BYTES, .data = own};
    message.kind_case = HF__OPERATION__KIND_SETTLE;
    message.settle = &settle;
    return hf__operation__pack(&message, body);
}

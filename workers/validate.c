/* SPDX-License-Identifier: MIT
 *
 * A table says for each kind which fields it has and which rule each obeys; one function per rule
 * checks it. Adding a field to the protocol is adding a row here.
 */
#include "workers/validate.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "protocol/text.h"
#include "workers/records.h"

enum rule {
    RULE_CODE,
    RULE_SKU,
    RULE_WAREHOUSE,
    RULE_REASON,
    RULE_REASON_OPTIONAL,
    RULE_TEXT,       /* at most 64 bytes */
    RULE_NAME,       /* at most 255 bytes */
    RULE_QUANTITY,   /* 1 to QUANTITY_MAX */
    RULE_QUANTITY_0, /* 0 to QUANTITY_MAX */
    RULE_DELTA,
    RULE_TTL,
    RULE_POLICY,
    RULE_RESERVATION,
    RULE_LINES,          /* at least one */
    RULE_LINES_OPTIONAL, /* none: all */
    RULE_LINES_PLACED,   /* at least one, each with its warehouse */
    RULE_WAREHOUSES,
    RULE_BARCODES,
    RULE_UUID,
    RULE_RUN, /* a code that decides where the body belongs */
    RULE_CODE_OPTIONAL,
    RULE_DIGEST,
    RULE_RUN_LINES, /* a number of lines */
    RULE_RESULTS,
};

struct field_rule {
    const char *name; /* NULL ends the list */
    size_t offset;
    enum rule rule;
};

/* What decides on which partition a body belongs. */
enum belongs { BY_LINES, BY_SKU, BY_RUN, BY_RESERVATION, TO_PARTITION_0, TO_ANY };

#define FIELDS_MAX 8

struct kind_rule {
    const char *name;
    bool freeing;
    enum belongs belongs;
    struct field_rule fields[FIELDS_MAX];
};

#define F(type, field, rule)                                                                       \
    {                                                                                              \
#        field, offsetof(Hf__##type, field), RULE_##rule                                           \
    }
#define LINES(type, rule)                                                                          \
    {                                                                                              \
        "lines", offsetof(Hf__##type, n_lines), RULE_##rule                                        \
    }
#define KIND(name) [HF__OPERATION__KIND_##name - HF__OPERATION__KIND_RESERVE]

/* protobuf-c lays a repeated field out as its count and then its array; line_list relies on it. */
_Static_assert(offsetof(Hf__Reserve, lines) ==
                   offsetof(Hf__Reserve, n_lines) + offsetof(struct line_list, lines),
               "layout of repeated fields");

static const struct kind_rule kinds[] = {
    KIND(RESERVE) = {"reserve",
                     false,
                     BY_LINES,
                     {LINES(Reserve, LINES),
                      F(Reserve, ttl_ms, TTL),
                      F(Reserve, order, TEXT),
                      F(Reserve, policy, POLICY),
                      {"warehouses", offsetof(Hf__Reserve, n_warehouses), RULE_WAREHOUSES}}},
    KIND(EXTEND) = {"extend",
                    false,
                    BY_RESERVATION,
                    {F(Extend, reservation, RESERVATION), F(Extend, ttl_ms, TTL)}},
    KIND(PURCHASE) = {"purchase",
                      false,
                      BY_RESERVATION,
                      {F(Purchase, reservation, RESERVATION), LINES(Purchase, LINES_OPTIONAL)}},
    KIND(RELEASE) = {"release",
                     true,
                     BY_RESERVATION,
                     {F(Release, reservation, RESERVATION), LINES(Release, LINES_OPTIONAL)}},
    KIND(SHIP) = {"ship",
                  true,
                  BY_RESERVATION,
                  {F(Ship, reservation, RESERVATION), LINES(Ship, LINES_OPTIONAL),
                   F(Ship, reference, TEXT), F(Ship, reason, REASON_OPTIONAL)}},
    KIND(CANCEL) = {"cancel",
                    true,
                    BY_RESERVATION,
                    {F(Cancel, reservation, RESERVATION), LINES(Cancel, LINES_OPTIONAL),
                     F(Cancel, reason, REASON_OPTIONAL)}},
    KIND(RETURN) = {"return",
                    false,
                    BY_RESERVATION,
                    {F(Return, reservation, RESERVATION), LINES(Return, LINES),
                     F(Return, reason, REASON_OPTIONAL), F(Return, reference, TEXT)}},
    KIND(RECEIVE) = {"receive",
                     false,
                     BY_LINES,
                     {LINES(Receive, LINES_PLACED), F(Receive, reference, TEXT)}},
    KIND(ADJUST) = {"adjust",
                    false,
                    BY_SKU,
                    {F(Adjust, sku, SKU), F(Adjust, warehouse, WAREHOUSE), F(Adjust, delta, DELTA),
                     F(Adjust, reason, REASON)}},
    KIND(COUNT) = {"count",
                   false,
                   BY_SKU,
                   {F(Count, sku, SKU), F(Count, warehouse, WAREHOUSE),
                    F(Count, quantity, QUANTITY_0), F(Count, reason, REASON_OPTIONAL)}},
    KIND(TRANSFER) = {"transfer",
                      false,
                      BY_SKU,
                      {F(Transfer, sku, SKU), F(Transfer, from, WAREHOUSE),
                       F(Transfer, to, WAREHOUSE), F(Transfer, quantity, QUANTITY),
                       F(Transfer, reference, TEXT)}},
    KIND(QUARANTINE) = {"quarantine",
                        false,
                        BY_LINES,
                        {LINES(Quarantine, LINES_PLACED), F(Quarantine, reason, REASON_OPTIONAL)}},
    KIND(RESTORE) = {"restore",
                     false,
                     BY_LINES,
                     {LINES(Restore, LINES_PLACED), F(Restore, reason, REASON_OPTIONAL)}},
    KIND(SET_SAFETY_STOCK) = {"set_safety_stock",
                              false,
                              BY_SKU,
                              {F(SetSafetyStock, sku, SKU), F(SetSafetyStock, warehouse, WAREHOUSE),
                               F(SetSafetyStock, quantity, QUANTITY_0)}},
    KIND(SET_REORDER_POINT) = {"set_reorder_point",
                               false,
                               BY_SKU,
                               {F(SetReorderPoint, sku, SKU),
                                F(SetReorderPoint, warehouse, WAREHOUSE),
                                F(SetReorderPoint, quantity, QUANTITY_0)}},
    KIND(PUT_ITEM) = {"put_item",
                      false,
                      BY_SKU,
                      {F(PutItem, sku, SKU),
                       F(PutItem, name, NAME),
                       {"barcodes", offsetof(Hf__PutItem, n_barcodes), RULE_BARCODES},
                       F(PutItem, reorder_point, QUANTITY_0)}},
    KIND(PUT_WAREHOUSE) = {"put_warehouse",
                           false,
                           TO_PARTITION_0,
                           {F(PutWarehouse, warehouse, CODE), F(PutWarehouse, name, NAME)}},
    KIND(PUT_REASON) = {"put_reason",
                        false,
                        TO_PARTITION_0,
                        {F(PutReason, reason, CODE), F(PutReason, name, NAME)}},
    /* Any class: it travels in that of the operation it settles. */
    KIND(SETTLE) = {"settle", true, TO_ANY, {F(Settle, operation_id, UUID)}},
    KIND(BEGIN_RUN) = {"begin_run",
                       false,
                       BY_RUN,
                       {F(BeginRun, run, RUN), F(BeginRun, digest, DIGEST),
                        F(BeginRun, lines, RUN_LINES), F(BeginRun, undoes, CODE_OPTIONAL)}},
    KIND(RECORD_RUN) = {"record_run",
                        false,
                        BY_RUN,
                        {F(RecordRun, run, RUN),
                         {"lines", offsetof(Hf__RecordRun, n_lines), RULE_RESULTS}}},
    /* Where the operation went that it takes back. */
    KIND(UNDO) = {"undo",
                  false,
                  TO_ANY,
                  {F(Undo, operation_id, UUID), F(Undo, previous, QUANTITY_0)}},
};

#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

/* The table counts on the kinds' numbers being consecutive. */
_Static_assert(KIND_COUNT == HF__OPERATION__KIND_UNDO - HF__OPERATION__KIND_RESERVE + 1,
               "a rule for every kind");

struct check {
    const struct kind_rule *kind;
    const struct field_rule *field;
    uint32_t partitions;
    struct arena *arena;
    struct checked *checked;
};

static enum status at_field(const struct check *check, const char *message)
{
    check->checked->message = message;
    if (check->arena)
        check->checked->field =
            arena_printf(check->arena, "%s.%s", check->kind->name, check->field->name);
    return STATUS_invalid;
}

/* part: "" or ".sku". */
static enum status at_element(const struct check *check, size_t index, const char *part,
                              const char *message)
{
    check->checked->message = message;
    if (check->arena)
        check->checked->field = arena_printf(check->arena, "%s.%s[%zu]%s", check->kind->name,
                                             check->field->name, index, part);
    return STATUS_invalid;
}

static enum status check_fault(const struct check *check, const char *fault)
{
    return fault ? at_field(check, fault) : STATUS_applied;
}

static enum status check_code(const struct check *check, const ProtobufCBinaryData *data)
{
    return check_fault(check, code_fault(data->data, data->len));
}

static enum status check_line(const struct check *check, size_t index, const Hf__Line *line,
                              bool placed)
{
    if (line->base.n_unknown_fields > 0)
        return at_element(check, index, "", "holds a field that is not known");
    const char *fault = code_fault(line->sku.data, line->sku.len);
    if (fault)
        return at_element(check, index, ".sku", fault);
    if (placed || line->warehouse.len > 0)
        fault = code_fault(line->warehouse.data, line->warehouse.len);
    if (fault)
        return at_element(check, index, ".warehouse", fault);
    if (line->quantity < 1 || line->quantity > QUANTITY_MAX)
        return at_element(check, index, ".quantity", "is not 1 to 999,999,999");
    return STATUS_applied;
}

static enum status check_lines(const struct check *check, const void *at, enum rule rule)
{
    struct line_list list;

    memcpy(&list, at, sizeof list);
    check->checked->list = list;
    check->checked->lines_at = check->field->offset;
    if (list.count == 0 && rule != RULE_LINES_OPTIONAL)
        return at_field(check, "is empty");
    for (size_t i = 0; i < list.count; i++) {
        enum status status = check_line(check, i, list.lines[i], rule == RULE_LINES_PLACED);
        if (status != STATUS_applied)
            return status;
    }
    return STATUS_applied;
}

/* Warehouses and barcodes: lists of different codes. */
static enum status check_codes(const struct check *check, const void *at, size_t max)
{
    size_t count;
    const ProtobufCBinaryData *codes;

    memcpy(&count, at, sizeof count);
    memcpy(&codes, (const char *)at + offsetof(struct line_list, lines), sizeof codes);
    if (count > max) {
        at_field(check, "has too many elements");
        return STATUS_too_large;
    }
    for (size_t i = 0; i < count; i++) {
        const char *fault = code_fault(codes[i].data, codes[i].len);
        for (size_t j = 0; j < i && !fault; j++) {
            if (codes[i].len == codes[j].len &&
                memcmp(codes[i].data, codes[j].data, codes[i].len) == 0)
                fault = "is there twice";
        }
        if (fault)
            return at_element(check, i, "", fault);
    }
    return STATUS_applied;
}

static enum status check_result(const struct check *check, size_t i, const Hf__RunLine *line)
{
    const char *fault =
        line->text.len > 0 ? text_fault(line->text.data, line->text.len, RUN_TEXT_BYTES_MAX) : NULL;

    if (line->base.n_unknown_fields > 0)
        return at_element(check, i, "", "holds a field that is not known");
    if (line->line < 1 || line->line > RUN_LINES_MAX)
        return at_element(check, i, ".line", "is not 1 to 10,000,000");
    if (!status_is_known(line->status))
        return at_element(check, i, ".status", "is not a result");
    if (line->partition >= check->partitions)
        return at_element(check, i, ".partition", "is not a partition");
    if (line->sku.len > 0 || line->warehouse.len > 0 || line->open) {
        const char *of_sku = code_fault(line->sku.data, line->sku.len);
        const char *of_warehouse = code_fault(line->warehouse.data, line->warehouse.len);
        if (of_sku || of_warehouse)
            return at_element(check, i, of_sku ? ".sku" : ".warehouse",
                              of_sku ? of_sku : of_warehouse);
    }
    if (line->open && line->status != STATUS_unavailable)
        return at_element(check, i, ".status", "of an open line is not unavailable");
    if (line->counted > QUANTITY_MAX || line->booked > QUANTITY_MAX)
        return at_element(check, i, ".counted", "or booked is more than 999,999,999");
    return fault ? at_element(check, i, ".text", fault) : STATUS_applied;
}

/* What became of lines of one block, in order. */
static enum status check_results(const struct check *check, const void *at)
{
    size_t count;
    Hf__RunLine **lines;

    memcpy(&count, at, sizeof count);
    memcpy(&lines, (const char *)at + offsetof(struct line_list, lines), sizeof lines);
    if (count == 0 || count > RUN_BLOCK_LINES)
        return at_field(check, "does not have 1 to 256 elements");
    for (size_t i = 0; i < count; i++) {
        enum status status = check_result(check, i, lines[i]);
        if (status != STATUS_applied)
            return status;
        if (i > 0 && lines[i]->line <= lines[i - 1]->line)
            return at_element(check, i, ".line", "is not above the one before");
        if ((lines[i]->line - 1) / RUN_BLOCK_LINES != (lines[0]->line - 1) / RUN_BLOCK_LINES)
            return at_element(check, i, ".line", "is of another block of 256");
    }
    return STATUS_applied;
}

static enum status check_field(const struct check *check, const void *at)
{
    enum rule rule = check->field->rule;
    const ProtobufCBinaryData *data = at;
    uint32_t quantity;
    uint64_t ttl_ms;
    int64_t delta;
    Hf__Policy policy;

    switch (rule) {
    case RULE_SKU:
        check->checked->sku = data;
        return check_code(check, data);
    case RULE_WAREHOUSE:
        check->checked->warehouses[check->checked->warehouse_count++] = data;
        return check_code(check, data);
    case RULE_REASON:
    case RULE_REASON_OPTIONAL:
        check->checked->reason = data;
        return data->len == 0 && rule == RULE_REASON_OPTIONAL ? STATUS_applied
                                                              : check_code(check, data);
    case RULE_CODE:
        return check_code(check, data);
    case RULE_TEXT:
        return check_fault(check, text_fault(data->data, data->len, CODE_BYTES_MAX));
    case RULE_NAME:
        return check_fault(check, text_fault(data->data, data->len, NAME_BYTES_MAX));
    case RULE_QUANTITY:
    case RULE_QUANTITY_0:
        memcpy(&quantity, at, sizeof quantity);
        if (quantity > QUANTITY_MAX)
            return at_field(check, "is more than 999,999,999");
        if (quantity == 0 && rule == RULE_QUANTITY)
            return at_field(check, "is 0");
        return STATUS_applied;
    case RULE_DELTA:
        memcpy(&delta, at, sizeof delta);
        if (delta == 0 || delta < -QUANTITY_MAX || delta > QUANTITY_MAX)
            return at_field(check, delta == 0 ? "is 0" : "is beyond 999,999,999");
        return STATUS_applied;
    case RULE_TTL:
        memcpy(&ttl_ms, at, sizeof ttl_ms);
        check->checked->ttl_at = check->field->offset;
        if (ttl_ms != 0 && (ttl_ms < TTL_MS_MIN || ttl_ms > TTL_MS_MAX))
            return at_field(check, "is not 1 second to 30 days");
        return STATUS_applied;
    case RULE_POLICY:
        memcpy(&policy, at, sizeof policy);
        if (policy != HF__POLICY__POLICY_MOST_AVAILABLE &&
            policy != HF__POLICY__POLICY_NEAREST_FIRST)
            return at_field(check, "is not a policy");
        return STATUS_applied;
    case RULE_RESERVATION:
        if (!reservation_id_parse((const char *)data->data, data->len,
                                  check->checked->reservation_id))
            return at_field(check, data->len == 0 ? "is empty" : "is not a reservation id");
        check->checked->on_reservation = true;
        check->checked->reservation_at = check->field->offset;
        return STATUS_applied;
    case RULE_LINES:
    case RULE_LINES_OPTIONAL:
    case RULE_LINES_PLACED:
        return check_lines(check, at, rule);
    case RULE_WAREHOUSES:
        return check_codes(check, at, RESERVE_WAREHOUSES_MAX);
    case RULE_BARCODES:
        return check_codes(check, at, ITEM_BARCODES_MAX);
    case RULE_RUN:
        check->checked->run = data;
        return check_code(check, data);
    case RULE_CODE_OPTIONAL:
        return data->len == 0 ? STATUS_applied : check_code(check, data);
    case RULE_DIGEST:
        return check_fault(check, data->len == RUN_DIGEST_BYTES ? NULL : "is not 32 bytes");
    case RULE_RUN_LINES:
        memcpy(&quantity, at, sizeof quantity);
        return check_fault(
            check, quantity >= 1 && quantity <= RUN_LINES_MAX ? NULL : "is not 1 to 10,000,000");
    case RULE_RESULTS:
        return check_results(check, at);
    case RULE_UUID:
        return check_fault(check, operation_id_fault(data->data, data->len));
    }
    return at_field(check, "has no rule");
}

/* Rules that tie one field to another. */
static enum status check_together(const struct check *check, const Hf__Operation *operation)
{
    struct checked *checked = check->checked;

    if (operation->kind_case == HF__OPERATION__KIND_BEGIN_RUN &&
        operation->begin_run->blank > operation->begin_run->lines) {
        checked->field = "begin_run.blank";
        checked->message = "is more than there are lines";
        return STATUS_invalid;
    }
    if (operation->kind_case == HF__OPERATION__KIND_RESERVE &&
        operation->reserve->policy == HF__POLICY__POLICY_NEAREST_FIRST &&
        operation->reserve->n_warehouses == 0) {
        checked->field = "reserve.warehouses";
        checked->message = "is empty: nearest first needs a list";
        return STATUS_invalid;
    }
    if (operation->kind_case == HF__OPERATION__KIND_TRANSFER &&
        operation->transfer->from.len == operation->transfer->to.len &&
        memcmp(operation->transfer->from.data, operation->transfer->to.data,
               operation->transfer->to.len) == 0) {
        checked->field = "transfer.to";
        checked->message = "is the warehouse that it comes from";
        return STATUS_invalid;
    }
    return STATUS_applied;
}

/* Two that cannot be of one operation. */
static void tell_apart(const struct check *check, const Hf__Line *one, const Hf__Line *other)
{
    check->checked->message = arena_printf(
        check->arena,
        "%.*s and %.*s lie on several partitions: send these lines as operations of their own",
        (int)one->sku.len, (const char *)one->sku.data, (int)other->sku.len,
        (const char *)other->sku.data);
}

static enum status find_partition(const struct check *check)
{
    struct checked *checked = check->checked;

    switch (check->kind->belongs) {
    case BY_LINES:
        for (size_t i = 0; i < checked->list.count; i++) {
            const Hf__Line *line = checked->list.lines[i];
            uint32_t partition = partition_of_sku(line->sku.data, line->sku.len, check->partitions);
            if (i > 0 && partition != checked->partition) {
                checked->message = "lies on several partitions: send these lines as operations of "
                                   "their own";
                if (check->arena) {
                    checked->field = arena_printf(check->arena, "%s.lines", check->kind->name);
                    tell_apart(check, checked->list.lines[0], line);
                }
                return STATUS_invalid;
            }
            checked->partition = partition;
        }
        return STATUS_applied;
    case BY_SKU:
        checked->partition =
            partition_of_sku(checked->sku->data, checked->sku->len, check->partitions);
        return STATUS_applied;
    case BY_RESERVATION:
        checked->partition = reservation_id_partition(checked->reservation_id);
        return STATUS_applied;
    case BY_RUN:
        checked->partition =
            partition_of_sku(checked->run->data, checked->run->len, check->partitions);
        return STATUS_applied;
    case TO_PARTITION_0:
        checked->partition = 0;
        return STATUS_applied;
    case TO_ANY:
        checked->any_partition = true;
        return STATUS_applied;
    }
    return STATUS_applied;
}

static enum status invalid(struct checked *checked, const char *field, const char *message)
{
    checked->field = field;
    checked->message = message;
    return STATUS_invalid;
}

/* The fields that every kind has. */
static enum status check_envelope(const Hf__Operation *operation, struct checked *checked)
{
    const ProtobufCBinaryData *id = &operation->operation_id;
    const char *fault = operation_id_fault(id->data, id->len);

    if (fault)
        return invalid(checked, "operation_id", fault);
    if (uuid_version(id->data) == 8 && operation->id_time_us <= 0)
        return invalid(checked, "id_time_us", "is required with a UUID of version 8");
    if (uuid_version(id->data) == 7 && operation->id_time_us != 0)
        return invalid(checked, "id_time_us", "is not 0, but a UUID of version 7 has a time");
    checked->id_time_us =
        operation->id_time_us != 0 ? operation->id_time_us : uuid_time_us(id->data);

    const struct {
        const char *name;
        const ProtobufCBinaryData *data;
        size_t max;
    } texts[] = {
        {"actor", &operation->actor, CODE_BYTES_MAX},
        {"note", &operation->note, NOTE_BYTES_MAX},
        {"trace", &operation->trace, CODE_BYTES_MAX},
        {"principal", &operation->principal, CODE_BYTES_MAX},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].data->len == 0)
            continue;
        fault = text_fault(texts[i].data->data, texts[i].data->len, texts[i].max);
        if (fault)
            return invalid(checked, texts[i].name, fault);
    }
    if (operation->base.n_unknown_fields > 0)
        return invalid(checked, "operation", "holds a field that is not known");
    return STATUS_applied;
}

enum status validate_operation(const Hf__Operation *operation, uint32_t partitions,
                               struct arena *arena, struct checked *checked)
{
    memset(checked, 0, sizeof *checked);
    enum status status = check_envelope(operation, checked);
    if (status != STATUS_applied)
        return status;

    size_t number = (size_t)operation->kind_case - HF__OPERATION__KIND_RESERVE;
    /* Any member of the union: they are all pointers to a message. */
    const ProtobufCMessage *body = (const ProtobufCMessage *)operation->reserve;
    if (number >= KIND_COUNT || !body)
        return invalid(checked, "kind", "is missing");

    struct check check = {&kinds[number], NULL, partitions, arena, checked};
    checked->kind = check.kind->name;
    checked->freeing = check.kind->freeing;
    if (body->n_unknown_fields > 0)
        return invalid(checked, check.kind->name, "holds a field that is not known");
    for (check.field = check.kind->fields; check.field < check.kind->fields + FIELDS_MAX &&
                                           check.field->name && status == STATUS_applied;
         check.field++)
        status = check_field(&check, (const char *)body + check.field->offset);
    if (status == STATUS_applied)
        status = check_together(&check, operation);
    return status == STATUS_applied ? find_partition(&check) : status;
}

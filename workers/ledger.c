/* SPDX-License-Identifier: MIT
 *
 * The life of a ledger, and the gate that every operation passes before its handler: valid, not too
 * old, for this partition, not decided before. The order of these checks is the contract's: an id
 * that was applied is answered with its result before anything that may have changed since is
 * looked at.
 */
#include "protocol/header.h"
#include "workers/ledger_impl.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ledger *ledger_new(uint32_t partition, const struct ledger_limits *limits,
                          struct catalog *catalog)
{
    struct ledger *ledger = must_calloc(1, sizeof *ledger);

    ledger->partition = partition;
    ledger->limits = limits;
    ledger->catalog = catalog;
    ledger->generation = 1; /* slots that were never used are of generation 0 */
    arena_init(&ledger->lookups);
    return ledger;
}

void ledger_destroy(struct ledger **ledger)
{
    struct ledger *l = *ledger;

    if (!l)
        return;
    cache_clear(l);
    known_clear(l);
    due_release(&l->due);
    arena_release(&l->lookups);
    free(l->known);
    free(l->movements);
    free(l->plan);
    free(l->levels);
    free(l->touched);
    free(l->items);
    free(l->named);
    free(l->touched_runs);
    free(l->touched_blocks);
    free(l->due_ids);
    free(l);
    *ledger = NULL;
}

void ledger_claimed(struct ledger *ledger, uint64_t epoch, const uint8_t claim_id[16],
                    uint64_t last_seq)
{
    assert(!ledger->arena);
    cache_clear(ledger);
    known_clear(ledger);
    due_release(&ledger->due);
    /* Warehouses and reasons: another owner of partition 0 may have put some, and a server that was
     * put back to an older state has lost some. */
    catalog_clear(ledger->catalog);
    ledger->epoch = epoch;
    memcpy(ledger->claim_id, claim_id, sizeof ledger->claim_id);
    ledger->last_seq = last_seq;
    ledger->seq = last_seq;
}

uint64_t ledger_last_seq(const struct ledger *ledger)
{
    return ledger->last_seq;
}

uint64_t ledger_epoch(const struct ledger *ledger)
{
    return ledger->epoch;
}

uint32_t ledger_partition(const struct ledger *ledger)
{
    return ledger->partition;
}

/* ------------------------------------------------------------- refusing */

enum status refuse(struct ledger *ledger, struct turn *turn, enum status status,
                   const char *message, const char *format, ...)
{
    char field[128];
    va_list args;

    va_start(args, format);
    vsnprintf(field, sizeof field, format, args);
    va_end(args);
    turn->field = arena_copy(ledger->arena, field, strlen(field));
    turn->message = message;
    return status;
}

enum status refuse_plain(struct turn *turn, enum status status, const char *message)
{
    turn->message = message;
    return status;
}

enum status not_loaded(struct turn *turn)
{
    return refuse_plain(turn, STATUS_unavailable, "what it needs could not be loaded");
}

enum status contradiction(struct turn *turn)
{
    return refuse_plain(turn, STATUS_internal,
                        "the rows that it needs contradict each other: see the audit");
}

static uint32_t clamp_quantity(int64_t quantity)
{
    return quantity < 0 ? 0 : quantity > UINT32_MAX ? UINT32_MAX : (uint32_t)quantity;
}

#define SHORTAGES_AT_FIRST 4

void add_shortage(struct ledger *ledger, struct turn *turn, const ProtobufCBinaryData *sku,
                  const void *warehouse, size_t warehouse_bytes, int64_t requested,
                  int64_t available)
{
    size_t count = turn->shortage_count;
    Hf__Shortage *shortage = arena_alloc(ledger->arena, sizeof *shortage);

    /* Room doubles whenever the count has reached a power of two. */
    if (count == 0) {
        turn->shortages = arena_alloc(ledger->arena, SHORTAGES_AT_FIRST * sizeof shortage);
    } else if (count >= SHORTAGES_AT_FIRST && (count & (count - 1)) == 0) {
        Hf__Shortage **larger = arena_alloc(ledger->arena, 2 * count * sizeof shortage);
        memcpy(larger, turn->shortages, count * sizeof shortage);
        turn->shortages = larger;
    }
    hf__shortage__init(shortage);
    shortage->sku.len = sku->len;
    shortage->sku.data = arena_copy(ledger->arena, sku->data, sku->len);
    if (warehouse_bytes > 0) {
        shortage->warehouse.len = warehouse_bytes;
        shortage->warehouse.data = arena_copy(ledger->arena, warehouse, warehouse_bytes);
    }
    shortage->requested = clamp_quantity(requested);
    shortage->available = clamp_quantity(available);
    turn->shortages[turn->shortage_count++] = shortage;
}

/* Refuses a field of the body, or of its line. */
static enum status refuse_field(struct ledger *ledger, struct turn *turn, enum status status,
                                const char *message, const char *name, size_t line)
{
    if (line == NO_LINE)
        return refuse(ledger, turn, status, message, "%s.%s", turn->checked.kind, name);
    return refuse(ledger, turn, status, message, "%s.lines[%zu].%s", turn->checked.kind, line,
                  name);
}

enum status find_sku(struct ledger *ledger, struct turn *turn, const ProtobufCBinaryData *sku,
                     size_t line, struct sku_entry **entry)
{
    *entry = cache_sku(ledger, sku->data, sku->len);
    if (!*entry)
        return not_loaded(turn);
    if ((*entry)->item.version == 0)
        return refuse_field(ledger, turn, STATUS_unknown_sku, "no item has this sku", "sku", line);
    (*entry)->seen_turn = ledger->turn_number;
    return STATUS_applied;
}

enum status find_level(struct ledger *ledger, struct turn *turn, struct sku_entry *sku,
                       const ProtobufCBinaryData *warehouse, const char *name, size_t line,
                       struct level_entry **level)
{
    uint64_t version;

    *level = cache_level(sku, warehouse->data, warehouse->len);
    if (*level)
        return STATUS_applied;
    if (!warehouse_known(ledger, warehouse->data, warehouse->len, &version))
        return refuse_field(ledger, turn, STATUS_unknown_warehouse, "no warehouse has this code",
                            name, line);
    *level = cache_level_obtain(sku, warehouse->data, warehouse->len);
    return STATUS_applied;
}

enum status find_reason(struct ledger *ledger, struct turn *turn, const ProtobufCBinaryData *reason)
{
    uint64_t version;

    if (reason->len > 0 && !reason_known(ledger, reason->data, reason->len, &version))
        return refuse_field(ledger, turn, STATUS_unknown_reason, "no reason has this code",
                            "reason", NO_LINE);
    turn->reason = *reason;
    return STATUS_applied;
}

/* ------------------------------------------------------------- the gate */

static turn_handler *const handlers[] = {
    [HF__OPERATION__KIND_RESERVE] = decide_reserve,
    [HF__OPERATION__KIND_EXTEND] = decide_extend,
    [HF__OPERATION__KIND_PURCHASE] = decide_purchase,
    [HF__OPERATION__KIND_RELEASE] = decide_release,
    [HF__OPERATION__KIND_SHIP] = decide_ship,
    [HF__OPERATION__KIND_CANCEL] = decide_cancel,
    [HF__OPERATION__KIND_RETURN] = decide_return,
    [HF__OPERATION__KIND_RECEIVE] = decide_receive,
    [HF__OPERATION__KIND_ADJUST] = decide_adjust,
    [HF__OPERATION__KIND_COUNT] = decide_count,
    [HF__OPERATION__KIND_TRANSFER] = decide_transfer,
    [HF__OPERATION__KIND_QUARANTINE] = decide_quarantine,
    [HF__OPERATION__KIND_RESTORE] = decide_restore,
    [HF__OPERATION__KIND_SET_SAFETY_STOCK] = decide_set_safety_stock,
    [HF__OPERATION__KIND_SET_REORDER_POINT] = decide_set_reorder_point,
    [HF__OPERATION__KIND_PUT_ITEM] = decide_put_item,
    [HF__OPERATION__KIND_PUT_WAREHOUSE] = decide_put_warehouse,
    [HF__OPERATION__KIND_PUT_REASON] = decide_put_reason,
    [HF__OPERATION__KIND_BEGIN_RUN] = decide_begin_run,
    [HF__OPERATION__KIND_RECORD_RUN] = decide_record_run,
    [HF__OPERATION__KIND_UNDO] = decide_undo,
};

static enum status check_age(const struct ledger *ledger, struct turn *turn)
{
    int64_t age_us = ledger->now_us - turn->checked.id_time_us;

    if (age_us > ledger->limits->idempotency_us)
        return refuse_plain(turn, STATUS_operation_id_expired,
                            status_text(STATUS_operation_id_expired));
    if (-age_us > ledger->limits->id_future_us) {
        turn->field = turn->operation->id_time_us != 0 ? "id_time_us" : "operation_id";
        return refuse_plain(turn, STATUS_invalid, "has a time in the future");
    }
    return STATUS_applied;
}

/* A hint is required to be right: whoever routes by another rule must learn it. */
static enum status check_partition(const struct ledger *ledger, const struct turn *turn,
                                   uint32_t hint)
{
    uint32_t wanted = turn->checked.any_partition ? ledger->partition : turn->checked.partition;

    if (wanted >= ledger->limits->partitions)
        return STATUS_unknown_reservation;
    return hint == wanted && wanted == ledger->partition ? STATUS_applied : STATUS_wrong_partition;
}

/* What nobody needs to know who only asks again for the result of an id. */
static enum status check_limits(struct ledger *ledger, struct turn *turn, uint8_t op_class)
{
    if (op_class == CLASS_FREEING && !turn->checked.freeing) {
        turn->field = "class";
        return refuse_plain(
            turn, STATUS_invalid,
            "is for what gives capacity back: release, cancel, ship, and their settle");
    }
    if (turn->checked.list.count > ledger->limits->lines)
        return refuse(ledger, turn, STATUS_too_large, "has too many elements", "%s.lines",
                      turn->checked.kind);
    body_wants(ledger, turn);
    for (size_t i = 0; i < turn->want_count; i++) {
        if (turn->wants[i].quantity > QUANTITY_MAX)
            return refuse(ledger, turn, STATUS_too_large,
                          "adds up to more than 999,999,999 with other lines", "%s.lines[%zu]",
                          turn->checked.kind, turn->wants[i].index);
    }
    return STATUS_applied;
}

/* Before want of stock is an answer, what is due is released: as much as it takes. */
static enum status run_handler(struct ledger *ledger, struct turn *turn)
{
    turn_handler *handler = handlers[turn->operation->kind_case];
    const struct turn before = *turn;

    for (;;) {
        struct reservation_entry *due;
        bool freed = false;

        plan_begin(ledger);
        enum status status = handler(ledger, turn);
        if (!turn->holds_in_the_way)
            return status;
        uint64_t number = ledger->turn_number;
        while (!freed && ledger->movement_count < DUE_ROWS_MAX && (due = due_next(ledger)) != NULL)
            freed = hold_expire(ledger, due, number);
        if (!freed)
            return ledger->due_left || ledger->movement_count >= DUE_ROWS_MAX
                       ? refuse_plain(turn, STATUS_unavailable,
                                      "reservations that are due are still being released")
                       : status;
        *turn = before;
    }
}

static enum status decide_new(struct ledger *ledger, struct turn *turn, uint8_t op_class)
{
    enum status status = check_limits(ledger, turn, op_class);

    if (status == STATUS_applied)
        status = run_handler(ledger, turn);
    if (status != STATUS_applied)
        return status;
    if (!plan_possible(ledger, turn))
        return contradiction(turn);
    body_hash(ledger, turn);
    batch_apply(ledger, turn);
    turn->decision->wrote = true;
    return STATUS_applied;
}

/* The first result again, for the same body only. */
static Hf__Result *replay(struct ledger *ledger, struct turn *turn, const struct known *known)
{
    const struct movement *rows = known_rows(ledger, known);

    body_hash(ledger, turn);
    if (rows->kind == HF__MOVEMENT_KIND__MOVEMENT_VOIDED ||
        memcmp(rows->body_hash, turn->body_hash, sizeof rows->body_hash) != 0)
        return NULL;
    return result_from_movements(rows, known->count, rows->claim_id, true, ledger->arena);
}

static Hf__Result *fresh(const struct ledger *ledger)
{
    size_t count = ledger->plan_count;

    return result_from_movements(ledger->movements + ledger->movement_count - count, count,
                                 ledger->claim_id, false, ledger->arena);
}

static Hf__Result *refused(struct ledger *ledger, struct turn *turn, enum status status)
{
    const ProtobufCBinaryData *id = &turn->operation->operation_id;
    Hf__Result *result =
        result_new(status, id->data, id->len > UUID_BYTES ? 0 : id->len, ledger->arena);
    const char *message = turn->message ? turn->message : status_text(status);

    result->partition = ledger->partition;
    result->message = arena_copy(ledger->arena, message, strlen(message));
    if (turn->field)
        result->field = arena_copy(ledger->arena, turn->field, strlen(turn->field));
    result->shortages = turn->shortages;
    result->n_shortages = turn->shortage_count;
    if (status == STATUS_wrong_partition)
        result->partition_wanted = turn->checked.partition;
    return result;
}

/* Has the id been decided? NULL: no, or nobody has looked. */
static const struct known *known_applied(const struct ledger *ledger, const struct turn *turn)
{
    const struct known *known = known_find(ledger, turn->operation_id);

    return known && known->count > 0 ? known : NULL;
}

static enum status look_up(struct ledger *ledger, struct turn *turn, uint16_t attempt)
{
    const struct reservation_entry *made;
    uint8_t id[RESERVATION_ID_BYTES];

    if (known_find(ledger, turn->operation_id))
        return STATUS_applied;
    /* What an earlier attempt did is not known. */
    if (attempt != 1)
        return refuse_plain(turn, STATUS_unknown, "its id could not be looked up");
    if (turn->operation->kind_case != HF__OPERATION__KIND_RESERVE)
        return STATUS_applied;
    reservation_id_make(id, ledger->partition, turn->operation_id);
    made = cache_reservation(ledger, id);
    if (made && made->reservation.revision > 0)
        return refuse_plain(turn, STATUS_unknown,
                            "its reservation exists: this is no first attempt");
    return STATUS_applied;
}

static Hf__Result *decide(struct ledger *ledger, struct turn *turn, uint32_t partition_hint,
                          uint8_t op_class, uint16_t attempt)
{
    const Hf__Operation *operation = turn->operation;
    enum status status =
        validate_operation(operation, ledger->limits->partitions, ledger->arena, &turn->checked);

    turn->field = turn->checked.field;
    turn->message = turn->checked.message;
    /* An id with a time that is too old says so even when the body is not valid: it may have been
     * applied, and whoever asks must not hear that it was not. */
    if (turn->checked.id_time_us != 0) {
        enum status aged = check_age(ledger, turn);
        if (aged != STATUS_applied)
            return refused(ledger, turn, aged);
    }
    if (status == STATUS_applied)
        status = check_partition(ledger, turn, partition_hint);
    if (status != STATUS_applied)
        return refused(ledger, turn, status);
    if (operation->kind_case == HF__OPERATION__KIND_SETTLE) {
        status = check_limits(ledger, turn, op_class);
        Hf__Result *result = status == STATUS_applied ? decide_settle(ledger, turn) : NULL;
        return result
                   ? result
                   : refused(ledger, turn, status == STATUS_applied ? STATUS_unavailable : status);
    }

    turn->operation_id = operation->operation_id.data;
    const struct known *known = known_applied(ledger, turn);
    if (known) {
        Hf__Result *result = replay(ledger, turn, known);
        return result ? result : refused(ledger, turn, STATUS_operation_id_reused);
    }
    status = look_up(ledger, turn, attempt);
    if (status == STATUS_applied)
        status = decide_new(ledger, turn, op_class);
    return status == STATUS_applied ? fresh(ledger) : refused(ledger, turn, status);
}

void ledger_decide(struct ledger *ledger, const Hf__Operation *operation, uint32_t partition_hint,
                   uint8_t op_class, uint16_t attempt, struct decision *decision)
{
    struct turn turn = {.operation = operation, .decision = decision};

    assert(ledger->arena);
    memset(decision, 0, sizeof *decision);
    decision->result = decide(ledger, &turn, partition_hint, op_class, attempt);
}

/* ------------------------------------------------------------- expiry */

static void list_due(void *data, const uint8_t *id)
{
    struct ledger *ledger = data;

    ledger->due_ids =
        grow(ledger->due_ids, ledger->due_count, &ledger->due_capacity, sizeof *ledger->due_ids);
    memcpy(ledger->due_ids[ledger->due_count++], id, RESERVATION_ID_BYTES);
}

/* Nothing becomes due during a batch: its time stands still and every TTL is at least a second. So
 * the list is made once. */
struct reservation_entry *due_next(struct ledger *ledger)
{
    if (!ledger->due_listed) {
        ledger->due_listed = true;
        ledger->due_count = ledger->due_next = 0;
        due_collect(&ledger->due, ledger->now_us, DUE_PER_BATCH_MAX, &ledger->due_left, list_due,
                    ledger);
    }
    while (ledger->due_next < ledger->due_count) {
        const uint8_t *id = ledger->due_ids[ledger->due_next++];
        struct reservation_entry *entry = cache_reservation(ledger, id);
        if (!entry || (hold_is_due(ledger, entry) && !hold_skus_loaded(ledger, entry)))
            ledger->due_left = true;
        else if (hold_is_due(ledger, entry))
            return entry;
        else if (entry->reservation.state != HF__RESERVATION_STATE__RESERVATION_ACTIVE)
            due_set(&ledger->due, id, DUE_NONE);
    }
    return NULL;
}

size_t ledger_expire(struct ledger *ledger, size_t limit)
{
    size_t count = 0;
    struct reservation_entry *entry;

    while (count < limit && (entry = due_next(ledger)) != NULL) {
        if (!ledger->expired_any)
            memcpy(ledger->expired_first, entry->id, sizeof ledger->expired_first);
        ledger->expired_any = true;
        hold_expire(ledger, entry, 0);
        count++;
    }
    return count;
}

size_t ledger_rows(const struct ledger *ledger)
{
    return ledger->movement_count;
}

bool ledger_put_off_due(struct ledger *ledger, int64_t until_us, uint8_t id[RESERVATION_ID_BYTES])
{
    assert(!ledger->arena);
    if (!ledger->expired_any)
        return false;
    memcpy(id, ledger->expired_first, RESERVATION_ID_BYTES);
    due_set(&ledger->due, id, until_us);
    due_keep(&ledger->due);
    ledger->expired_any = false;
    return true;
}

int64_t ledger_next_due_us(const struct ledger *ledger)
{
    return ledger->due.count > 0 ? ledger->due.heap[0]->expires_at_us : INT64_MAX;
}

void ledger_put_due(struct ledger *ledger, const uint8_t id[RESERVATION_ID_BYTES],
                    int64_t expires_at_us)
{
    assert(!ledger->arena);
    due_set(&ledger->due, id, expires_at_us);
    due_keep(&ledger->due);
}

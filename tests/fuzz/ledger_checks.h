/* SPDX-License-Identifier: MIT
 *
 * What fuzz_ledger holds against every decision: what an operation of a kind may write, what a
 * refusal may say, and that an id which took effect gives its first result again. Beside the
 * ledger's own thinking, on purpose in other words: from the rows of the database and the
 * movements of the batch so far.
 */
#ifndef TESTS_FUZZ_LEDGER_CHECKS_H
#define TESTS_FUZZ_LEDGER_CHECKS_H

#include "tests/unit/ledger_world.h"

#include "client/decode.h"

/* An operation of the input, and what came of it. */
struct sent {
    Hf__Operation *operation;
    size_t body; /* those with the same number mean the same, however they are written */
    uint16_t attempt;
    uint8_t op_class;
    bool wrong_hint;
    bool pending;   /* `first` is of the batch that runs */
    uint8_t *first; /* the packed result of the attempt that was applied; NULL: none was */
    size_t first_bytes;
};

/* ------------------------------------------------------------- where things stand in a batch */

/* Balances after the first `movements` of the batch; false: no such level. */
static bool balances_now(struct world *w, const struct changes *changes, size_t movements,
                         const struct code *sku, const struct code *warehouse,
                         struct balances *balances)
{
    for (size_t i = movements; i-- > 0;) {
        const struct movement *m = &changes->movements[i];
        if (code_equal(&m->sku, sku) && code_equal(&m->warehouse, warehouse)) {
            *balances = m->after;
            return true;
        }
    }
    const struct level *level = db_level(w, sku, warehouse);
    if (level)
        *balances = level->now;
    return level != NULL;
}

/* The sum, or the most, that is available of a sku over the warehouses of the catalog. */
static int64_t available_now(struct world *w, const struct changes *changes, size_t movements,
                             const struct code *sku, const struct code *warehouse, bool sum)
{
    int64_t all = 0, most = 0;

    for (size_t i = 0; i < w->named_count; i++) {
        const struct code *code = &w->named[i].code;
        struct balances balances;
        if (w->named[i].is_reason || (warehouse->length > 0 && !code_equal(code, warehouse)) ||
            !balances_now(w, changes, movements, sku, code, &balances))
            continue;
        int64_t available = balances_available(&balances);
        all += available;
        most = available > most ? available : most;
    }
    return sum ? all : most;
}

/* Is there still a hold on this sku whose time has come? */
static bool due_holds(struct world *w, const struct changes *changes, const struct code *sku)
{
    for (size_t i = 0; i < w->reservation_count; i++) {
        const struct reservation *r = &w->reservations[i];
        for (size_t c = 0; c < changes->reservation_count; c++) {
            if (memcmp(changes->reservations[c].reservation->id, r->id, RESERVATION_ID_BYTES) == 0)
                r = changes->reservations[c].reservation;
        }
        if (r->state != HF__RESERVATION_STATE__RESERVATION_ACTIVE || r->expires_at_us > w->now_us)
            continue;
        for (size_t l = 0; l < r->line_count; l++) {
            if (r->lines[l].reserved > 0 && code_equal(&r->lines[l].sku, sku))
                return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------- what an operation may write */

enum sign { ANY, NONE, UP, DOWN, FALLS /* or stays */, RISES };

struct effect {
    Hf__MovementKind kind;
    enum sign on_hand, reserved, committed, unavailable;
};

#define EFFECT(kind, on_hand, reserved, committed, unavailable)                                    \
    {                                                                                              \
        HF__MOVEMENT_KIND__MOVEMENT_##kind, on_hand, reserved, committed, unavailable              \
    }

static const struct effect effects[] = {
    EFFECT(RESERVED, NONE, UP, NONE, NONE),
    EFFECT(EXTENDED, NONE, NONE, NONE, NONE),
    EFFECT(PURCHASED, NONE, FALLS, UP, NONE),
    EFFECT(RELEASED, NONE, DOWN, NONE, NONE),
    EFFECT(EXPIRED, NONE, DOWN, NONE, NONE),
    EFFECT(SHIPPED, DOWN, NONE, DOWN, NONE),
    EFFECT(CANCELLED, NONE, NONE, DOWN, NONE),
    EFFECT(RETURNED, UP, NONE, NONE, RISES),
    EFFECT(RECEIVED, UP, NONE, NONE, NONE),
    EFFECT(ADJUSTED, ANY, NONE, NONE, NONE),
    EFFECT(COUNTED, ANY, NONE, NONE, NONE),
    EFFECT(TRANSFERRED, ANY, NONE, NONE, NONE),
    EFFECT(QUARANTINED, NONE, NONE, NONE, UP),
    EFFECT(RESTORED, NONE, NONE, NONE, DOWN),
    EFFECT(SAFETY_STOCK_SET, NONE, NONE, NONE, NONE),
    EFFECT(REORDER_POINT_SET, NONE, NONE, NONE, NONE),
    EFFECT(ITEM_PUT, NONE, NONE, NONE, NONE),
    EFFECT(WAREHOUSE_PUT, NONE, NONE, NONE, NONE),
    EFFECT(REASON_PUT, NONE, NONE, NONE, NONE),
    EFFECT(VOIDED, NONE, NONE, NONE, NONE),
    EFFECT(RUN_BEGUN, NONE, NONE, NONE, NONE),
    EFFECT(RUN_RECORDED, NONE, NONE, NONE, NONE),
    EFFECT(UNDONE, ANY, NONE, NONE, ANY),
};

static bool fits(int64_t change, enum sign sign)
{
    switch (sign) {
    case ANY:
        return true;
    case NONE:
        return change == 0;
    case UP:
        return change > 0;
    case DOWN:
        return change < 0;
    case FALLS:
        return change <= 0;
    case RISES:
        return change >= 0;
    }
    return false;
}

static void check_effect(const struct movement *m)
{
    for (size_t i = 0; i < sizeof effects / sizeof effects[0]; i++) {
        const struct effect *e = &effects[i];
        if (e->kind != m->kind)
            continue;
        assert_true(fits(m->d_on_hand, e->on_hand) && fits(m->d_reserved, e->reserved) &&
                    fits(m->d_committed, e->committed) && fits(m->d_unavailable, e->unavailable));
        return;
    }
    assert_true(!"a movement of no kind");
}

/* What the kinds of movements of an operation are. */
static bool kind_belongs(const Hf__Operation *op, Hf__MovementKind kind)
{
    static const Hf__MovementKind kinds[] = {
        HF__MOVEMENT_KIND__MOVEMENT_RESERVED,
        HF__MOVEMENT_KIND__MOVEMENT_EXTENDED,
        HF__MOVEMENT_KIND__MOVEMENT_PURCHASED,
        HF__MOVEMENT_KIND__MOVEMENT_RELEASED,
        HF__MOVEMENT_KIND__MOVEMENT_SHIPPED,
        HF__MOVEMENT_KIND__MOVEMENT_CANCELLED,
        HF__MOVEMENT_KIND__MOVEMENT_RETURNED,
        HF__MOVEMENT_KIND__MOVEMENT_RECEIVED,
        HF__MOVEMENT_KIND__MOVEMENT_ADJUSTED,
        HF__MOVEMENT_KIND__MOVEMENT_COUNTED,
        HF__MOVEMENT_KIND__MOVEMENT_TRANSFERRED,
        HF__MOVEMENT_KIND__MOVEMENT_QUARANTINED,
        HF__MOVEMENT_KIND__MOVEMENT_RESTORED,
        HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET,
        HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET,
        HF__MOVEMENT_KIND__MOVEMENT_ITEM_PUT,
        HF__MOVEMENT_KIND__MOVEMENT_WAREHOUSE_PUT,
        HF__MOVEMENT_KIND__MOVEMENT_REASON_PUT,
        HF__MOVEMENT_KIND__MOVEMENT_VOIDED,
        HF__MOVEMENT_KIND__MOVEMENT_RUN_BEGUN,
        HF__MOVEMENT_KIND__MOVEMENT_RUN_RECORDED,
        HF__MOVEMENT_KIND__MOVEMENT_UNDONE,
    };

    return kind == kinds[op->kind_case - HF__OPERATION__KIND_RESERVE] ||
           (op->kind_case == HF__OPERATION__KIND_PURCHASE &&
            kind == HF__MOVEMENT_KIND__MOVEMENT_RELEASED);
}

/* The movements from `from` on came with this operation: expiries first, and then its own. */
static void check_written(const struct sent *sent, const struct decision *decision,
                          const struct changes *changes, size_t from)
{
    const Hf__Operation *op = sent->operation;
    const uint8_t *id = op->kind_case == HF__OPERATION__KIND_SETTLE ? op->settle->operation_id.data
                                                                    : op->operation_id.data;
    size_t own = 0;

    for (size_t i = from; i < changes->movement_count; i++) {
        const struct movement *m = &changes->movements[i];
        check_effect(m);
        if (m->kind == HF__MOVEMENT_KIND__MOVEMENT_EXPIRED) {
            assert_true(own == 0 && m->expires_at_us <= m->at_us);
            continue;
        }
        assert_memory_equal(m->operation_id, id, UUID_BYTES);
        assert_true(m->idx == own && kind_belongs(op, m->kind));
        own++;
    }
    assert_int_equal(decision->wrote, own > 0);
    if (own > 0)
        assert_int_equal(decision->result->status, STATUS_applied);
    if (decision->result->status == STATUS_applied && !decision->result->replayed &&
        op->kind_case != HF__OPERATION__KIND_SETTLE)
        assert_int_equal(decision->result->sequence, changes->last_seq);
}

/* ------------------------------------------------------------- what a refusal says */

/* Want of stock, of a body with one line or one place: it is as the refusal says. */
static void check_shortage(struct world *w, const struct sent *sent, const Hf__Result *result,
                           const struct changes *changes)
{
    const Hf__Operation *op = sent->operation;
    size_t movements = changes->movement_count;
    struct code sku, warehouse = {0};

    assert_true(result->n_shortages > 0);
    for (size_t i = 0; i < result->n_shortages; i++) {
        const Hf__Shortage *s = result->shortages[i];
        assert_true(s->requested > s->available);
        code_set(&sku, s->sku.data, s->sku.len);
        assert_false(due_holds(w, changes, &sku));
    }
    const Hf__Shortage *only = result->shortages[0];
    code_set(&sku, only->sku.data, only->sku.len);
    if (only->warehouse.len > 0)
        code_set(&warehouse, only->warehouse.data, only->warehouse.len);
    if (op->kind_case == HF__OPERATION__KIND_TRANSFER)
        assert_int_equal(only->available,
                         available_now(w, changes, movements, &sku, &warehouse, false));
    if (op->kind_case == HF__OPERATION__KIND_RESERVE && op->reserve->n_lines == 1 &&
        (op->reserve->n_warehouses == 0 || warehouse.length > 0))
        assert_int_equal(only->available, available_now(w, changes, movements, &sku, &warehouse,
                                                        op->reserve->may_split));
}

/* A count that names a version took effect: on_hand had not moved since. */
static void check_counted(struct world *w, const Hf__Count *count, const struct changes *changes,
                          size_t movements)
{
    struct code sku, warehouse;
    uint64_t version = 0;

    code_set(&sku, count->sku.data, count->sku.len);
    code_set(&warehouse, count->warehouse.data, count->warehouse.len);
    const struct level *level = db_level(w, &sku, &warehouse);
    if (level)
        version = level->on_hand_version;
    for (size_t i = 0; i < movements; i++) {
        const struct movement *m = &changes->movements[i];
        if (code_equal(&m->sku, &sku) && code_equal(&m->warehouse, &warehouse))
            version = m->on_hand_version;
    }
    assert_int_equal(count->on_hand_version, version);
}

/* Everything was loaded, so nobody may say that it was not. */
static void check_status(struct world *w, const struct sent *sent, const Hf__Result *result,
                         const struct changes *changes)
{
    assert_true(status_is_known(result->status));
    switch ((enum status)result->status) {
    case STATUS_insufficient_stock:
        check_shortage(w, sent, result, changes);
        return;
    case STATUS_unknown: /* a first attempt that is none: its reservation is there */
        assert_true(sent->attempt == 1 && !w->look_up_ids &&
                    sent->operation->kind_case == HF__OPERATION__KIND_RESERVE);
        return;
    case STATUS_unavailable: /* what is due is in the way */
        assert_int_equal(w->expire_limit, 0);
        return;
    case STATUS_internal:
    case STATUS_busy:
    case STATUS_rate_limited:
    case STATUS_deadline_exceeded:
    case STATUS_poison:
        assert_true(!"a status that nobody can mean here");
        return;
    default:
        return;
    }
}

/* ------------------------------------------------------------- results */

/* Through the wire and the client library's reader, which must tell the same. */
static uint8_t *pack(struct world *w, const Hf__Result *result, size_t *bytes)
{
    uint8_t *packed = arena_alloc(&w->forever, hf__result__get_packed_size(result) + 1);
    static const uint8_t id[UUID_BYTES];

    *bytes = hf__result__pack(result, packed);
    Hf__Result *read = hf__result__unpack(NULL, *bytes, packed);
    assert_non_null(read);
    struct holdfast_result *decoded = decode_result(read, id);
    assert_non_null(decoded);
    assert_int_equal((uint32_t)decoded->status, result->status);
    assert_int_equal(decoded->sequence, result->sequence);
    assert_int_equal(decoded->level_count, result->n_levels);
    assert_int_equal(decoded->shortage_count, result->n_shortages);
    holdfast_result_free(&decoded);
    hf__result__free_unpacked(read, NULL);
    return packed;
}

static int64_t id_time_us(const Hf__Operation *op)
{
    return uuid_version(op->operation_id.data) == 7 ? uuid_time_us(op->operation_id.data)
                                                    : op->id_time_us;
}

/* The id took effect before: its first result, or why it cannot be told. */
static void check_again(struct world *w, const struct sent *sent, const struct sent *before,
                        bool same_body, Hf__Result *result)
{
    size_t bytes;

    switch ((enum status)result->status) {
    case STATUS_applied:
        assert_true(same_body && result->replayed);
        result->replayed = false;
        uint8_t *packed = pack(w, result, &bytes);
        result->replayed = true;
        assert_true(bytes == before->first_bytes && memcmp(packed, before->first, bytes) == 0);
        return;
    case STATUS_operation_id_reused:
        assert_false(same_body);
        return;
    case STATUS_operation_id_expired:
        assert_true(w->now_us - id_time_us(sent->operation) > w->limits.idempotency_us);
        return;
    case STATUS_invalid: /* a body that was spoilt */
    case STATUS_too_large:
        assert_false(same_body);
        return;
    case STATUS_wrong_partition:
        assert_true(sent->wrong_hint || !same_body);
        return;
    case STATUS_unknown:
        assert_true(sent->attempt == 1);
        return;
    default:
        assert_true(!"an id that took effect is refused");
    }
}

#endif

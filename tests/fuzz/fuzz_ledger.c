/* SPDX-License-Identifier: MIT
 *
 * Sequences of all operations through the decision code, around a small database (ledger_world.h)
 * that checks every row of every batch against the rules of the schema. What an input means is in
 * steps.h, what is held against each decision in ledger_checks.h. Besides: an owner that has
 * nothing in memory decides every batch the same; and at the end everything that took effect is
 * sent again and gives its first result. FUZZ_TRACE in the environment tells every decision.
 */
/* The mutator shall look for new ways through the product, not through its checks. */
#ifdef __clang__
#    pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)
#endif

#include "tests/fuzz/asserts.h"
#include "tests/fuzz/ledger_checks.h"
#include "tests/fuzz/run_checks.h"
#include "tests/fuzz/steps.h"
#include "workers/validate.h"

#define BATCH_MAX 16u
#define EXPIRE_MAX STEPS_MAX

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t out_size, unsigned seed);

struct shopping {
    struct world *w;
    struct sent sent[STEPS_MAX];
    size_t sent_count;
    char holds[HOLDS_MAX][RESERVATION_TEXT_BYTES];
    size_t hold_count;
    struct sent *batch[BATCH_MAX];
    size_t batch_count;
    struct known_lines known; /* of runs */
};

/* ------------------------------------------------------------- one batch */

/* The one whose effect this id stands for. */
static struct sent *applied_before(struct shopping *s, const Hf__Operation *op)
{
    for (size_t i = 0; i < s->sent_count && op->operation_id.len == UUID_BYTES; i++) {
        struct sent *sent = &s->sent[i];
        if (sent->first &&
            memcmp(sent->operation->operation_id.data, op->operation_id.data, UUID_BYTES) == 0)
            return sent;
    }
    return NULL;
}

static const struct movement *row_of(const struct world *w, const uint8_t *id)
{
    for (size_t i = 0; i < w->movement_count; i++) {
        if (memcmp(w->movements[i].operation_id, id, UUID_BYTES) == 0)
            return &w->movements[i];
    }
    return NULL;
}

/* Has this batch written under an id that is in the database? Then the UNIQUE key refuses it, and
 * what it says of that id is told to nobody. */
static bool is_doomed(const struct world *w, const struct changes *changes,
                      const ProtobufCBinaryData *id)
{
    if (id->len != UUID_BYTES || !row_of(w, id->data))
        return false;
    for (size_t i = 0; i < changes->movement_count; i++) {
        if (memcmp(changes->movements[i].operation_id, id->data, UUID_BYTES) == 0)
            return true;
    }
    return false;
}

static void check_settled(struct shopping *s, const struct sent *sent, Hf__Result *result)
{
    Hf__Operation settled = *sent->operation;

    settled.operation_id = sent->operation->settle->operation_id;
    struct sent *before = applied_before(s, &settled);
    assert_int_equal(result->settle == HF__SETTLE_OUTCOME__SETTLE_APPLIED, before != NULL);
    assert_int_equal(result->settled != NULL, before != NULL);
    if (before)
        check_again(s->w, before, before, true, result->settled);
}

static const char *kind_name(const Hf__Operation *op)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(&hf__operation__descriptor, op->kind_case);

    return field ? field->name : "nothing";
}

static void check_decision(struct shopping *s, struct sent *sent, struct decision *decision,
                           size_t from)
{
    struct world *w = s->w;
    struct changes changes;
    Hf__Result *result = decision->result;
    struct sent *before = applied_before(s, sent->operation);
    bool settles = sent->operation->kind_case == HF__OPERATION__KIND_SETTLE;

    ledger_changes(w->ledger, &changes);
    if (getenv("FUZZ_TRACE"))
        fprintf(stderr, "  %s%s, attempt %u: %s %s\n", kind_name(sent->operation),
                sent->body == (size_t)(sent - s->sent) ? "" : " again", sent->attempt,
                status_name((enum status)result->status), result->field);
    check_written(sent, decision, &changes, from);
    if (decision->wrote && sent->operation->kind_case == HF__OPERATION__KIND_COUNT &&
        sent->operation->count->has_version)
        check_counted(w, sent->operation->count, &changes, changes.movement_count - 1);
    check_status(w, sent, result, &changes);
    size_t bytes;
    uint8_t *packed = pack(w, result, &bytes);
    if (settles && result->status == STATUS_applied)
        check_settled(s, sent, result);
    if (settles || is_doomed(w, &changes, &sent->operation->operation_id))
        return;
    if (before && (before->pending || sent->attempt > 1 || w->look_up_ids || result->replayed))
        check_again(w, sent, before, before->body == sent->body, result);
    else if (result->status == STATUS_applied && !before) {
        /* Nobody may be applied under an id that was settled. */
        assert_null(row_of(w, sent->operation->operation_id.data));
        sent->first = packed;
        sent->first_bytes = bytes;
        sent->pending = true;
    }
}

static void load_batch(struct shopping *s, struct world *w)
{
    Hf__Operation *operations[BATCH_MAX];
    uint16_t attempts[BATCH_MAX];

    for (size_t i = 0; i < s->batch_count; i++) {
        operations[i] = s->batch[i]->operation;
        attempts[i] = s->batch[i]->attempt;
    }
    load(w, operations, attempts, s->batch_count);
}

static void decide_batch(struct shopping *s, struct world *w, bool checked)
{
    struct changes changes;

    arena_reset(&w->arena);
    load_batch(s, w);
    ledger_begin(w->ledger, w->now_us, &w->arena);
    for (size_t i = 0; i < s->batch_count; i++) {
        struct sent *sent = s->batch[i];
        ledger_changes(w->ledger, &changes);
        ledger_decide(w->ledger, sent->operation, sent->wrong_hint ? 1 : 0, sent->op_class,
                      sent->attempt, &w->decisions[i]);
        if (checked)
            check_decision(s, sent, &w->decisions[i], changes.movement_count);
    }
    ledger_changes(w->ledger, &changes);
    size_t before = changes.movement_count;
    if (w->expire_limit > 0)
        w->expired = ledger_expire(w->ledger, w->expire_limit);
    w->wrote = ledger_changes(w->ledger, &w->changes);
    for (size_t i = before; i < w->changes.movement_count; i++) {
        assert_int_equal(w->changes.movements[i].kind, HF__MOVEMENT_KIND__MOVEMENT_EXPIRED);
        check_effect(&w->changes.movements[i]);
    }
}

/* ------------------------------------------------------------- the same from nothing */

static void same_movement(const struct movement *a, const struct movement *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_memory_equal(a->operation_id, b->operation_id, UUID_BYTES);
    assert_true(a->idx == b->idx && a->kind == b->kind && a->prev == b->prev);
    assert_memory_equal(a->body_hash, b->body_hash, sizeof a->body_hash);
    assert_true(code_equal(&a->sku, &b->sku) && code_equal(&a->warehouse, &b->warehouse));
    assert_memory_equal(&a->after, &b->after, sizeof a->after);
    assert_int_equal(a->on_hand_version, b->on_hand_version);
    assert_int_equal(a->has_reservation, b->has_reservation);
    assert_memory_equal(a->reservation_id, b->reservation_id, RESERVATION_ID_BYTES);
    assert_true(a->line == b->line && a->state == b->state && a->revision == b->revision);
    assert_int_equal(a->expires_at_us, b->expires_at_us);
    assert_true(a->detail.len == b->detail.len && a->reason.len == b->reason.len);
}

/* What an owner does not ask for, it may know or not: that a first attempt is none, from its
 * reservation; and what is due, when nothing of it was to be loaded. */
static bool knows_by_chance(const struct shopping *s)
{
    const struct world *w = s->w;

    for (size_t i = 0; i < w->reservation_count && w->expire_limit == 0; i++) {
        const struct reservation *r = &w->reservations[i];
        if (r->state == HF__RESERVATION_STATE__RESERVATION_ACTIVE && r->expires_at_us <= w->now_us)
            return true;
    }
    for (size_t i = 0; i < s->batch_count; i++) {
        const ProtobufCBinaryData *id = &s->batch[i]->operation->operation_id;
        if (s->batch[i]->attempt == 1 && !w->look_up_ids && id->len == UUID_BYTES &&
            row_of(w, id->data))
            return true;
    }
    return false;
}

/* Another owner, who has claimed the partition now and loads what the batch needs. */
static void check_cold(struct shopping *s)
{
    struct world *w = s->w, cold = *w;

    if (knows_by_chance(s))
        return;
    cold.catalog = catalog_new();
    cold.ledger = ledger_new(0, &w->limits, cold.catalog);
    arena_init(&cold.arena);
    ledger_claimed(cold.ledger, 1, world_claim, w->last_seq);
    for (size_t i = 0; i < w->reservation_count; i++) {
        if (w->reservations[i].state == HF__RESERVATION_STATE__RESERVATION_ACTIVE)
            ledger_put_due(cold.ledger, w->reservations[i].id, w->reservations[i].expires_at_us);
    }
    decide_batch(s, &cold, false);
    for (size_t i = 0; i < s->batch_count; i++) {
        size_t warm_bytes, cold_bytes;
        uint8_t *warm = pack(w, w->decisions[i].result, &warm_bytes);
        uint8_t *packed = pack(w, cold.decisions[i].result, &cold_bytes);
        assert_true(warm_bytes == cold_bytes && memcmp(warm, packed, warm_bytes) == 0);
    }
    assert_int_equal(w->changes.movement_count, cold.changes.movement_count);
    for (size_t i = 0; i < w->changes.movement_count; i++)
        same_movement(&w->changes.movements[i], &cold.changes.movements[i]);
    ledger_abort(cold.ledger);
    ledger_destroy(&cold.ledger);
    catalog_destroy(&cold.catalog);
    arena_release(&cold.arena);
}

/* ------------------------------------------------------------- the transaction */

/* The UNIQUE key of movement. */
static bool key_is_taken(const struct world *w)
{
    const struct changes *c = &w->changes;
    bool taken = false;

    for (size_t i = 0; i < c->movement_count; i++) {
        for (size_t j = 0; j < i; j++)
            assert_true(c->movements[j].idx != c->movements[i].idx ||
                        memcmp(c->movements[j].operation_id, c->movements[i].operation_id,
                               UUID_BYTES) != 0);
        taken = taken || row_of(w, c->movements[i].operation_id);
    }
    return taken;
}

static void forget_pending(struct shopping *s, bool failed)
{
    for (size_t i = 0; i < s->sent_count; i++) {
        if (s->sent[i].pending && failed)
            s->sent[i].first = NULL;
        s->sent[i].pending = false;
    }
}

static void check_reservations(const struct world *w)
{
    int64_t next_us = INT64_MAX;

    for (size_t i = 0; i < w->reservation_count; i++) {
        const struct reservation *r = &w->reservations[i];
        int64_t reserved = 0, purchased = 0;
        for (size_t l = 0; l < r->line_count; l++) {
            reserved += r->lines[l].reserved;
            purchased += r->lines[l].committed + r->lines[l].shipped + r->lines[l].cancelled;
        }
        assert_int_equal(reserved > 0, r->state == HF__RESERVATION_STATE__RESERVATION_ACTIVE);
        if (r->state == HF__RESERVATION_STATE__RESERVATION_RELEASED)
            assert_int_equal(purchased, 0);
        if (r->state == HF__RESERVATION_STATE__RESERVATION_PURCHASED)
            assert_true(purchased > 0);
        if (reserved > 0 && r->expires_at_us < next_us)
            next_us = r->expires_at_us;
    }
    assert_int_equal(ledger_next_due_us(w->ledger), next_us);
}

static void run_batch(struct shopping *s, uint8_t flags)
{
    struct world *w = s->w;

    w->look_up_ids = flags & STEP_LOOK_UP;
    w->expire_limit = flags & STEP_NO_EXPIRY ? 0 : EXPIRE_MAX;
    w->expired = 0;
    decide_batch(s, w, true);
    check_cold(s);
    if (key_is_taken(w)) {
        assert_false(w->look_up_ids);
        ledger_abort(w->ledger);
        forget_pending(s, true);
        w->look_up_ids = true;
        decide_batch(s, w, true);
        check_cold(s);
        assert_false(key_is_taken(w));
    }
    if (flags & STEP_FAILS) {
        ledger_abort(w->ledger);
    } else {
        check_undone(w, &w->changes);
        if (w->wrote)
            apply_changes(w);
        check_runs(w, &s->known);
        ledger_commit(w->ledger);
        assert_int_equal(ledger_last_seq(w->ledger), w->last_seq);
    }
    forget_pending(s, flags & STEP_FAILS);
    check_reservations(w);
    s->batch_count = 0;
}

/* ------------------------------------------------------------- steps */

static Hf__Operation *copy(struct world *w, const Hf__Operation *op, const struct step *step)
{
    size_t bytes = hf__operation__get_packed_size(op);
    uint8_t *packed = arena_alloc(&w->arena, bytes + 1);

    hf__operation__pack(op, packed);
    if (step && step->options & OPTION_SPOIL && bytes > 0)
        packed[((size_t)step->quantity_2 << 3 | (step->ttl & 7)) % bytes] ^= step->which | 1;
    return hf__operation__unpack(&w->forever.allocator, bytes, packed);
}

static void set_id(struct world *w, const struct step *step, Hf__Operation *op)
{
    new_id(w, op);
    if (!(step->flags & STEP_ODD_ID))
        return;
    switch (step->which % 4) {
    case 0:
        uuid_v8(op->operation_id.data, op->operation_id.data);
        op->id_time_us = w->now_us - (step->ttl & 1) * 8 * 86400 * SECOND;
        return;
    case 1:
        uuid_v7(op->operation_id.data, w->now_us - 8 * 86400 * SECOND, op->operation_id.data + 6);
        return;
    case 2:
        uuid_v7(op->operation_id.data, w->now_us + 60 * SECOND, op->operation_id.data + 6);
        return;
    default:
        op->operation_id.data[6] = 0x40;
        return;
    }
}

/* The same meaning in other words: lines in another order and in pieces, and so on. */
static void rewrite(struct world *w, Hf__Operation *op)
{
    struct checked checked;
    char *body = (char *)op->reserve;

    op->trace = bytes_of(w, "00-1-2-03");
    op->principal = bytes_of(w, "somebody else");
    if (validate_operation(op, w->limits.partitions, NULL, &checked) != STATUS_applied)
        return;
    if (checked.lines_at > 0 && checked.list.count > 0) {
        size_t count = checked.list.count;
        Hf__Line **lines = arena_alloc(&w->forever, (count + 1) * sizeof *lines);
        for (size_t i = 0; i < count; i++)
            lines[i] = checked.list.lines[count - 1 - i];
        if (lines[0]->quantity > 1) {
            lines[count] = arena_copy(&w->forever, lines[0], sizeof *lines[0]);
            lines[count]->quantity = 1;
            lines[0]->quantity--;
            count++;
        }
        struct line_list list = {count, lines};
        memcpy(body + checked.lines_at, &list, sizeof list);
    }
    if (checked.reservation_at > 0) {
        char text[RESERVATION_TEXT_BYTES];
        reservation_id_format(checked.reservation_id, text);
        text[0] = 'r';
        ProtobufCBinaryData written = bytes_of(w, text);
        memcpy(body + checked.reservation_at, &written, sizeof written);
    }
    if (checked.ttl_at > 0) {
        uint64_t ttl_ms;
        memcpy(&ttl_ms, body + checked.ttl_at, sizeof ttl_ms);
        ttl_ms = ttl_ms == 0 ? TTL_MS_DEFAULT : ttl_ms == TTL_MS_DEFAULT ? 0 : ttl_ms;
        memcpy(body + checked.ttl_at, &ttl_ms, sizeof ttl_ms);
    }
}

static struct sent *take(struct shopping *s, const struct step *step, Hf__Operation *op)
{
    struct sent *sent = &s->sent[s->sent_count];

    *sent = (struct sent){.operation = op,
                          .body = s->sent_count,
                          .attempt = step->flags & STEP_ATTEMPT_2 ? 2 : 1,
                          .op_class = step->flags & STEP_FREEING ? CLASS_FREEING : CLASS_SERVICE,
                          .wrong_hint = step->flags & STEP_WRONG_HINT};
    s->sent_count++;
    s->batch[s->batch_count++] = sent;
    return sent;
}

static void send_again(struct shopping *s, const struct step *step)
{
    if (s->sent_count == 0)
        return;
    const struct sent *old = &s->sent[step->which % s->sent_count];
    Hf__Operation *op = copy(s->w, old->operation, NULL);
    size_t body = old->body;
    char note[32];

    switch (step->options & 3) {
    case 1:
        rewrite(s->w, op);
        break;
    case 2:
        snprintf(note, sizeof note, "body %zu", s->sent_count);
        op->note = bytes_of(s->w, note);
        body = s->sent_count;
        break;
    default:
        break;
    }
    struct sent *sent = take(s, step, op);
    sent->body = body;
    sent->attempt = step->flags & STEP_ATTEMPT_2 ? 1 : 2;
}

static void send_new(struct shopping *s, const struct step *step)
{
    struct world *w = s->w;
    struct step_source source = {
        .arena = &w->forever, .holds = s->holds, .hold_count = s->hold_count};
    struct code sku = code_of(fuzz_skus[step->sku % FUZZ_SKUS]);
    struct code warehouse = code_of(fuzz_warehouses[step->warehouse % FUZZ_WAREHOUSES]);
    const struct level *level = db_level(w, &sku, &warehouse);

    source.on_hand_version = level ? level->on_hand_version : 0;
    Hf__Operation *op = step_operation(&source, step);
    set_id(w, step, op);
    if (op->kind_case == HF__OPERATION__KIND_SETTLE) {
        op->settle->operation_id = op->operation_id;
        if (s->sent_count > 0 && step->which != 0)
            op->settle->operation_id = s->sent[step->which % s->sent_count].operation->operation_id;
        if (step->which == 0)
            set_id(w, step, op);
    }
    if (op->kind_case == HF__OPERATION__KIND_UNDO) {
        op->undo->operation_id = op->operation_id;
        if (s->sent_count > 0 && step->which != 0)
            op->undo->operation_id = s->sent[step->which % s->sent_count].operation->operation_id;
    }
    bool reserves = op->kind_case == HF__OPERATION__KIND_RESERVE;
    op = copy(w, op, step);
    if (!op)
        return;
    if (reserves && op->operation_id.len == UUID_BYTES) {
        uint8_t id[RESERVATION_ID_BYTES];
        reservation_id_make(id, 0, op->operation_id.data);
        reservation_id_format(id, s->holds[s->hold_count++]);
    }
    take(s, step, op);
}

/* Another owner: what the old one had decided and not written never was. */
static void claim(struct shopping *s)
{
    struct world *w = s->w;

    catalog_clear(w->catalog);
    ledger_destroy(&w->ledger);
    w->ledger = ledger_new(0, &w->limits, w->catalog);
    ledger_claimed(w->ledger, 1, world_claim, w->last_seq);
    for (size_t i = 0; i < w->reservation_count; i++) {
        if (w->reservations[i].state == HF__RESERVATION_STATE__RESERVATION_ACTIVE)
            ledger_put_due(w->ledger, w->reservations[i].id, w->reservations[i].expires_at_us);
    }
    s->batch_count = 0;
}

static void take_step(struct shopping *s, const struct step *step)
{
    switch (step->kind) {
    case STEP_TIME:
        if (s->batch_count > 0)
            run_batch(s, step->flags);
        s->w->now_us += fuzz_time_us(step->quantity);
        break;
    case STEP_AGAIN:
        send_again(s, step);
        break;
    case STEP_CLAIM:
        claim(s);
        break;
    default:
        send_new(s, step);
        break;
    }
    if (s->batch_count == BATCH_MAX || step->flags & STEP_ENDS_BATCH)
        run_batch(s, step->flags);
}

/* Everything that took effect, once more. */
static void send_all_again(struct shopping *s)
{
    struct sent again[BATCH_MAX];

    for (size_t i = 0; i < s->sent_count; i++) {
        const struct sent *sent = &s->sent[i];
        if (sent->first) {
            again[s->batch_count] = (struct sent){.operation = sent->operation,
                                                  .body = sent->body,
                                                  .attempt = 2,
                                                  .op_class = CLASS_SERVICE};
            s->batch[s->batch_count] = &again[s->batch_count];
            s->batch_count++;
        }
        if (s->batch_count == BATCH_MAX || i + 1 == s->sent_count)
            run_batch(s, 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct shopping s;
    struct world *w = world_new(2);

    memset(&s, 0, sizeof s);
    s.w = w;
    BATCH(w, op_put_warehouse(w, "W1"), op_put_warehouse(w, "W2"), op_put_warehouse(w, "W3"),
          op_put_reason(w, "damage"), op_put_item(w, "C", "b2"), op_put_item(w, "D", ""));
    BATCH(w, op_receive(w, "C=10@W1 C=5@W2 D=7@W1"));
    for (size_t n = 0; n < STEPS_MAX && size >= STEP_BYTES; n++) {
        struct step step = step_read(data);
        take_step(&s, &step);
        data += STEP_BYTES;
        size -= STEP_BYTES;
    }
    if (s.batch_count > 0)
        run_batch(&s, 0);
    send_all_again(&s);
    world_destroy(w);
    return 0;
}

/* ------------------------------------------------------------- mutation of whole steps */

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void random_step(uint8_t *step, uint32_t *state)
{
    for (size_t i = 0; i < STEP_BYTES; i++) {
        uint32_t random = next_random(state);
        step[i] = random & 0x700 ? random & 7 : random & 0xff;
    }
    step[0] = next_random(state) % STEP_KINDS;
    /* Half of them plain, so that most goes well. */
    if (next_random(state) & 1)
        step[1] = next_random(state) & STEP_ENDS_BATCH;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    uint32_t state = seed * 2654435761u | 1;
    size_t count = size / STEP_BYTES, most = max_size / STEP_BYTES;
    uint8_t step[STEP_BYTES];

    most = most < STEPS_MAX ? most : STEPS_MAX;
    if (most == 0)
        return 0;
    count = count < most ? count : most;
    size_t at = count > 0 ? next_random(&state) % count : 0;
    size_t other = count > 0 ? next_random(&state) % count : 0;
    uint32_t what = next_random(&state) % 8;
    if (count == 0 || (what < 3 && count < most)) {
        if (what == 0 || count == 0)
            random_step(step, &state);
        else
            memcpy(step, data + other * STEP_BYTES, STEP_BYTES);
        memmove(data + (at + 1) * STEP_BYTES, data + at * STEP_BYTES, (count - at) * STEP_BYTES);
        memcpy(data + at * STEP_BYTES, step, STEP_BYTES);
        count++;
    } else if (what == 3 && count > 1) {
        memmove(data + at * STEP_BYTES, data + (at + 1) * STEP_BYTES,
                (count - at - 1) * STEP_BYTES);
        count--;
    } else if (what == 4) {
        memcpy(step, data + at * STEP_BYTES, STEP_BYTES);
        memcpy(data + at * STEP_BYTES, data + other * STEP_BYTES, STEP_BYTES);
        memcpy(data + other * STEP_BYTES, step, STEP_BYTES);
    } else if (what == 5) {
        LLVMFuzzerMutate(data + at * STEP_BYTES, STEP_BYTES, STEP_BYTES);
    } else {
        uint8_t *byte = data + at * STEP_BYTES + next_random(&state) % STEP_BYTES;
        *byte = what == 6 ? next_random(&state) & 7 : next_random(&state) & 0xff;
    }
    return count * STEP_BYTES;
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size,
                                 uint8_t *out, size_t out_size, unsigned seed)
{
    uint32_t state = seed * 2654435761u | 1;
    size_t a_steps = a_size / STEP_BYTES, b_steps = b_size / STEP_BYTES;
    size_t most = out_size / STEP_BYTES;
    size_t first = next_random(&state) % (a_steps + 1), from = next_random(&state) % (b_steps + 1);

    first = first < most ? first : most;
    size_t second = b_steps - from < most - first ? b_steps - from : most - first;
    memcpy(out, a, first * STEP_BYTES);
    memcpy(out + first * STEP_BYTES, b + from * STEP_BYTES, second * STEP_BYTES);
    return (first + second) * STEP_BYTES;
}

#ifdef __clang__
#    pragma clang attribute pop
#endif

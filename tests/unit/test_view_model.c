/* SPDX-License-Identifier: MIT
 *
 * The read model against the ledger itself: random operations are decided by a real ledger, its
 * movements reach the model as they would (lost, doubled, repaired, from snapshots), and whatever
 * the model answers must be what the ledger's database holds.
 */
#include "tests/unit/view_compare.h"

/* ------------------------------------------------------------- random operations */

static const char *const skus[SKUS] = {"A", "B", "C", "D", "E", "F"};
static const char *const warehouses[] = {"W1", "W2", "W3"};

static const char *random_lines(struct reader *r, uint32_t most)
{
    char *text = arena_alloc(&r->w->forever, 128);
    size_t used = 0;

    text[0] = '\0';
    for (uint32_t n = 1 + pick(3); n > 0; n--)
        used += (size_t)snprintf(text + used, 128 - used, "%s%s=%u@%s", used > 0 ? " " : "",
                                 skus[pick(SKUS)], 1 + pick(most), warehouses[pick(3)]);
    return text;
}

static const char *random_hold(struct reader *r)
{
    return r->hold_count > 0 ? r->holds[pick((uint32_t)r->hold_count)] : "R-00061NBCXN48R6GHT";
}

static Hf__Operation *random_reserve(struct reader *r)
{
    char order[16];

    Hf__Operation *op = op_reserve(r->w, random_lines(r, 4));
    snprintf(order, sizeof order, "O%u", pick(5));
    if (pick(3) > 0)
        op->reserve->order = bytes_of(r->w, order);
    op->actor = bytes_of(r->w, "anna");
    op->reserve->ttl_ms = 1000 * (1 + pick(20));
    r->holds[r->hold_count < HOLDS ? r->hold_count++ : pick(HOLDS)] = reservation_of(r->w, op);
    return op;
}

static Hf__Operation *random_item(struct reader *r)
{
    char codes[64];
    uint32_t sku = pick(SKUS);

    snprintf(codes, sizeof codes, pick(2) ? "4%u 5%u" : "4%u", sku, sku);
    Hf__Operation *op = op_put_item(r->w, skus[sku], pick(4) ? codes : "");
    if (pick(2))
        op->put_item->name = bytes_of(r->w, pick(2) ? "Another" : "");
    return op;
}

static Hf__Operation *random_operation(struct reader *r)
{
    struct world *w = r->w;
    const char *sku = skus[pick(SKUS)], *warehouse = warehouses[pick(3)];

    switch (pick(16)) {
    case 0:
    case 1:
    case 2:
        return op_receive(w, random_lines(r, 20));
    case 3:
    case 4:
    case 5:
        return random_reserve(r);
    case 6: {
        Hf__Operation *op = op_purchase(w, random_hold(r), pick(2) ? "" : "A=1");
        op->purchase->keep_remainder = pick(2);
        op->purchase->revive = pick(2);
        return op;
    }
    case 7:
        return op_release(w, random_hold(r), pick(2) ? "" : "B=1");
    case 8:
        return op_ship(w, random_hold(r), pick(2) ? "" : "A=1");
    case 9:
        return op_cancel(w, random_hold(r), "");
    case 10:
        return op_return(w, random_hold(r), "A=1");
    case 11:
        return op_extend(w, random_hold(r), 1000 * (1 + pick(20)));
    case 12:
        return op_count(w, sku, warehouse, pick(10));
    case 13:
        return op_safety(w, sku, warehouse, pick(5));
    case 14:
        return op_quarantine(w, random_lines(r, 2));
    default:
        return random_item(r);
    }
}

static void run_some(struct reader *r)
{
    Hf__Operation *operations[8];
    size_t count = 1 + pick(8);

    for (size_t i = 0; i < count; i++)
        operations[i] = random_operation(r);
    r->w->expire_limit = pick(3) == 0 ? 10 : 0;
    run(r->w, operations, NULL, count);
    r->w->now_us += pick(4) * SECOND;
}

/* ------------------------------------------------------------- seeds */

/* Over all seeds: that the past is asked for, and told. */
static size_t remembered;

static void one_seed(uint64_t seed)
{
    struct reader r;

    reader_init(&r, seed);
    assert_int_equal(tell(&r, 0, 1, world_claim), MODEL_UNKNOWN);
    install(&r);
    for (int step = 0; step < 60; step++) {
        uint64_t before = r.w->last_seq;
        arena_reset(&r.arena);
        r.now_us += 1000;
        run_some(&r);
        size_t count = (size_t)(r.w->last_seq - before);
        if (count == 0)
            continue;
        uint32_t fate = pick(10);
        if (fate == 0) { /* lost: the next message, or the beacon, shows it */
            assert_int_equal(beacon(&r, r.w->last_seq, world_claim, 1), MODEL_GAP);
            repair(&r, 1 + pick(7));
        } else if (fate == 1) {
            install(&r);
            assert_int_equal(tell(&r, before, count, world_claim), MODEL_OLD);
        } else if (fate == 2) {
            size_t half = count / 2; /* a part first, then all of it */
            if (half > 0)
                assert_int_equal(tell(&r, before, half, world_claim), MODEL_DONE);
            assert_int_equal(tell(&r, before, count, world_claim), MODEL_DONE);
        } else {
            assert_int_equal(tell(&r, before, count, world_claim), MODEL_DONE);
        }
        assert_int_equal(tell(&r, before, count, world_claim), MODEL_OLD);
        complete(&r);
        same_everything(&r);
    }
    remembered += r.remembered;
    reader_destroy(&r);
}

static void test_random(void **state)
{
    const char *seeds = getenv("HOLDFAST_SEEDS");

    (void)state;
    for (uint64_t seed = 1; seed <= (seeds ? strtoull(seeds, NULL, 10) : 60); seed++)
        one_seed(seed);
    assert_true(remembered > 100);
}

/* What a partition was, asked for only after it has gone on. */
static void test_digest_of_the_past(void **state)
{
    (void)state;
    struct reader r;
    uint64_t wanted[3], at[3];
    reader_init(&r, 1);
    run_one(r.w, op_receive(r.w, "A=9@W1"));
    install(&r);
    for (size_t i = 0; i < 3; i++) {
        uint64_t before = r.w->last_seq;
        Hf__Operation *op = op_reserve(r.w, "A=1@W1");
        run_one(r.w, op);
        at[i] = r.w->last_seq;
        struct digest_sum *sum = stored(&r, HF__AUDIT_WHAT__AUDIT_DIGEST, 0);
        wanted[i] = digest_total(sum);
        digest_sum_destroy(&sum);
        assert_int_equal(tell(&r, before, (size_t)(at[i] - before), world_claim), MODEL_DONE);
    }
    for (size_t i = 0; i < 3; i++) {
        Hf__ViewAnswer *answer = ask_audit(&r, HF__AUDIT_WHAT__AUDIT_DIGEST, at[i], 0);
        assert_false(answer->digests[0]->passed);
        assert_int_equal(answer->digests[0]->sum, wanted[i]);
    }
    reader_destroy(&r);
}

/* What a database that was put back does not hold is not there after it was read again. */
static void test_put_back(void **state)
{
    (void)state;
    struct reader r;
    reader_init(&r, 1);
    install(&r);
    same_digests(&r);
    uint64_t last = r.w->last_seq;
    run_one(r.w, op_receive(r.w, "A=9@W1"));
    assert_int_equal(tell(&r, last, (size_t)(r.w->last_seq - last), world_claim), MODEL_DONE);
    assert_false(ask_audit(&r, HF__AUDIT_WHAT__AUDIT_DIGEST, last, 0)->digests[0]->passed);
    for (size_t i = 0; i < r.w->named_count; i++) {
        if (code_is(&r.w->named[i].code, "W3", 2))
            r.w->named[i] = r.w->named[--r.w->named_count];
    }
    free(r.w->items[--r.w->item_count].barcodes);
    model_forget(r.model, 0, true);
    install(&r);
    same_digests(&r);
    /* Nothing of what it was before is told. */
    assert_true(ask_audit(&r, HF__AUDIT_WHAT__AUDIT_DIGEST, last, 0)->digests[0]->passed);
    reader_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_digest_of_the_past),
        cmocka_unit_test(test_put_back),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("view_model", tests, NULL, NULL);
}

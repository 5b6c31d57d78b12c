/* SPDX-License-Identifier: MIT
 *
 * Runs (begun once, with one content; what became of each line), undo, and dry runs.
 */
#include "tests/unit/ledger_world.h"

/* ------------------------------------------------------------- making operations */

static Hf__Operation *op_begin(struct world *w, const char *run, uint8_t content, uint32_t lines)
{
    NEW_OPERATION(w, BeginRun, begin_run, BEGIN_RUN);
    op->begin_run = body;
    op->actor = bytes_of(w, "ann");
    body->run = bytes_of(w, run);
    body->digest = (ProtobufCBinaryData){32, arena_zalloc(&w->forever, 32)};
    body->digest.data[0] = content;
    body->lines = lines;
    return op;
}

static Hf__Operation *op_resume(struct world *w, const char *run, uint8_t content, uint32_t lines)
{
    Hf__Operation *op = op_begin(w, run, content, lines);

    op->begin_run->resume = true;
    return op;
}

/* "1=0 2=10": line and result; "3=o": of a count list, and open. */
static Hf__Operation *op_record(struct world *w, const char *run, const char *spec)
{
    NEW_OPERATION(w, RecordRun, record_run, RECORD_RUN);
    char *copy = arena_copy(&w->forever, spec, strlen(spec)), *save = NULL;

    op->record_run = body;
    body->run = bytes_of(w, run);
    body->lines = arena_alloc(&w->forever, 300 * sizeof(Hf__RunLine *));
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        Hf__RunLine *line = arena_alloc(&w->forever, sizeof *line);
        hf__run_line__init(line);
        line->line = (uint32_t)strtoul(word, NULL, 10);
        line->open = strchr(word, 'o') != NULL;
        line->status =
            line->open ? STATUS_unavailable : (uint32_t)strtoul(strchr(word, '=') + 1, NULL, 10);
        if (line->open)
            line->sku = line->warehouse = bytes_of(w, "A");
        line->sequence = 7;
        body->lines[body->n_lines++] = line;
    }
    return op;
}

static Hf__Operation *op_undo(struct world *w, const Hf__Operation *undone)
{
    NEW_OPERATION(w, Undo, undo, UNDO);
    op->undo = body;
    body->operation_id = undone->operation_id;
    return op;
}

static void expect_counts(struct world *w, const char *name, uint32_t applied, uint32_t refused,
                          uint32_t unknown)
{
    struct code code = code_of(name);
    const struct run *found = db_run(w, &code);

    assert_non_null(found);
    assert_int_equal(found->applied, applied);
    assert_int_equal(found->refused, refused);
    assert_int_equal(found->unknown, unknown);
    assert_int_equal(found->version, w->last_seq);
}

/* The block as "1=0 2=10 ". */
static void expect_block(struct world *w, const char *name, uint32_t number, const char *wanted)
{
    struct code code = code_of(name);
    const struct run_block *block = db_run_block(w, &code, number);
    char text[512] = "";

    assert_non_null(block);
    Hf__RecordRun *record = hf__record_run__unpack(NULL, block->detail_bytes, block->detail);
    for (size_t i = 0; i < record->n_lines; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%u=%u ", record->lines[i]->line,
                 record->lines[i]->status);
    hf__record_run__free_unpacked(record, NULL);
    assert_string_equal(text, wanted);
}

/* ------------------------------------------------------------- runs */

static void test_a_run_is_begun_once(void **state)
{
    (void)state;
    struct world *w = shop("");
    Hf__Result *result;

    expect(w, op_begin(w, "monday", 1, 3), applied);
    result = w->decisions[0].result;
    assert_non_null(result->run);
    assert_int_equal(result->run->created_at_us, w->now_us);
    assert_int_equal(result->run->lines, 3);
    assert_int_equal(result->run->state, HF__RUN_STATE__RUN_OPEN);
    assert_memory_equal(result->run->actor.data, "ann", 3);
    int64_t begun_us = w->now_us;

    w->now_us += 60 * SECOND;
    expect_field(w, op_begin(w, "monday", 1, 3), operation_id_reused, "begin_run.run");
    expect(w, op_resume(w, "monday", 1, 3), applied);
    assert_int_equal(w->decisions[0].result->run->created_at_us, begun_us);
    /* Another content, number of lines or undone run is another run. */
    expect_field(w, op_resume(w, "monday", 2, 3), operation_id_reused, "begin_run.digest");
    expect_field(w, op_resume(w, "monday", 1, 4), operation_id_reused, "begin_run.digest");
    Hf__Operation *op = op_resume(w, "monday", 1, 3);
    op->begin_run->undoes = bytes_of(w, "sunday");
    expect_field(w, op, operation_id_reused, "begin_run.digest");
    expect(w, op_begin(w, "Monday", 2, 3), applied);
    world_destroy(w);
}

/* Two copies were under way: the later attempt has begun the run, and the first one comes then.
 * That there is such a run would be taken for the last word. */
static void test_a_first_attempt_that_comes_late(void **state)
{
    (void)state;
    struct world *w = shop("");
    Hf__Operation *op = op_begin(w, "monday", 1, 3);

    expect_status(run_one_attempt(w, op, 2), applied);
    uint64_t begun = w->last_seq;
    expect_status(run_one_attempt(w, op, 1), applied);
    assert_true(w->decisions[0].result->replayed);
    assert_int_equal(w->last_seq, begun);
    expect_field(w, op_begin(w, "monday", 1, 3), operation_id_reused, "begin_run.run");
    world_destroy(w);
}

static void test_a_first_result_is_given_again(void **state)
{
    (void)state;
    struct world *w = shop("");
    Hf__Operation *op = op_begin(w, "monday", 1, 3);

    expect(w, op, applied);
    Hf__Result *result = run_one_attempt(w, op, 2);
    expect_status(result, applied);
    assert_true(result->replayed);
    assert_int_equal(result->run->version, result->sequence);
    world_destroy(w);
}

static void test_results_are_merged(void **state)
{
    (void)state;
    struct world *w = shop("");

    expect_field(w, op_record(w, "monday", "1=0"), invalid, "record_run.run");
    expect(w, op_begin(w, "monday", 1, 600), applied);
    expect(w, op_record(w, "monday", "1=0 3=10 256=60"), applied);
    expect_counts(w, "monday", 1, 1, 1);
    /* A shed or unknown result is none; an applied line stays so, and others are replaced. */
    expect(w, op_record(w, "monday", "1=10 2=43 3=0 256=19"), applied);
    expect_counts(w, "monday", 2, 1, 1);
    expect_block(w, "monday", 0, "1=0 2=43 3=0 256=19 ");
    expect(w, op_record(w, "monday", "257=0 512=0"), applied);
    expect_counts(w, "monday", 4, 1, 1);
    expect_block(w, "monday", 1, "257=0 512=0 ");
    expect_block(w, "monday", 0, "1=0 2=43 3=0 256=19 ");
    expect_field(w, op_record(w, "monday", "601=0"), invalid, "record_run.lines[0].line");
    expect_field(w, op_record(w, "monday", "256=0 257=0"), invalid, "record_run.lines[1].line");
    expect_field(w, op_record(w, "monday", "2=0 2=0"), invalid, "record_run.lines[1].line");
    expect_field(w, op_record(w, "monday", "2=7"), invalid, "record_run.lines[0].status");
    expect_field(w, op_record(w, "monday", ""), invalid, "record_run.lines");
    world_destroy(w);
}

/* A count list that is written down again undoes nobody's count, and what nobody has counted is no
 * result. */
static void test_an_open_line_replaces_nothing(void **state)
{
    (void)state;
    struct world *w = shop("");
    Hf__Operation *op;

    expect(w, op_begin(w, "list", 1, 4), applied);
    expect(w, op_record(w, "list", "1=o 2=o 3=o 4=o"), applied);
    expect_counts(w, "list", 0, 0, 0);
    expect(w, op_record(w, "list", "1=0 2=19 3=60"), applied);
    expect_counts(w, "list", 1, 1, 1);
    expect(w, op_record(w, "list", "1=o 2=o 3=o 4=o"), applied);
    expect_counts(w, "list", 1, 1, 1);
    expect_block(w, "list", 0, "1=0 2=19 3=60 4=43 ");
    expect(w, op_record(w, "list", "2=0 3=0 4=0"), applied);
    expect_counts(w, "list", 4, 0, 0);
    assert_int_equal(w->decisions[0].result->run->state, HF__RUN_STATE__RUN_DONE);
    op = op_record(w, "list", "1=o");
    op->record_run->lines[0]->status = STATUS_applied;
    expect_field(w, op, invalid, "record_run.lines[0].status");
    op = op_record(w, "list", "1=o");
    op->record_run->lines[0]->warehouse.len = 0;
    expect_field(w, op, invalid, "record_run.lines[0].warehouse");
    op = op_record(w, "list", "1=0");
    op->record_run->lines[0]->booked = 1000000000;
    expect_field(w, op, invalid, "record_run.lines[0].counted");
    world_destroy(w);
}

static void test_twice_in_a_batch_and_an_abort(void **state)
{
    (void)state;
    struct world *w = shop("");

    BATCH(w, op_begin(w, "monday", 1, 3), op_record(w, "monday", "1=0"),
          op_record(w, "monday", "2=0"));
    expect_counts(w, "monday", 2, 0, 0);
    w->abort_next = true;
    run_one(w, op_record(w, "monday", "3=0"));
    expect_block(w, "monday", 0, "1=0 2=0 ");
    Hf__Result *result = run_one(w, op_record(w, "monday", "3=10"));
    expect_status(result, applied);
    assert_int_equal(result->run->state, HF__RUN_STATE__RUN_DONE);
    expect_counts(w, "monday", 2, 1, 0);
    world_destroy(w);
}

static void test_blank_lines_need_no_result(void **state)
{
    (void)state;
    struct world *w = shop("");
    Hf__Operation *op = op_begin(w, "count", 1, 3);

    op->begin_run->blank = 4;
    expect_field(w, op, invalid, "begin_run.blank");
    op->begin_run->blank = 2;
    expect(w, op, applied);
    expect(w, op_record(w, "count", "2=0"), applied);
    assert_int_equal(w->decisions[0].result->run->state, HF__RUN_STATE__RUN_DONE);
    world_destroy(w);
}

static void test_an_old_run_is_over(void **state)
{
    (void)state;
    struct world *w = shop("");

    expect(w, op_begin(w, "done", 1, 1), applied);
    expect(w, op_record(w, "done", "1=0"), applied);
    expect(w, op_begin(w, "open", 1, 2), applied);
    w->now_us += w->limits.idempotency_us + 1;
    /* Its name is spent for ever. */
    expect(w, op_begin(w, "open", 1, 2), operation_id_reused);
    expect(w, op_resume(w, "open", 1, 2), operation_id_expired);
    expect(w, op_record(w, "open", "1=0"), operation_id_expired);
    expect(w, op_resume(w, "done", 1, 1), applied);
    world_destroy(w);
}

/* ------------------------------------------------------------- undo */

static void expect_undone(struct world *w, Hf__Operation *op)
{
    uint64_t undone = w->last_seq;

    expect(w, op_undo(w, op), applied);
    const struct movement *m = &w->movements[w->movement_count - 1];
    assert_int_equal(m->kind, HF__MOVEMENT_KIND__MOVEMENT_UNDONE);
    assert_int_equal(m->undoes, undone);
}

static void test_undo(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1");
    Hf__Operation *op;

    expect(w, op = op_adjust(w, "A", "W1", -3), applied);
    expect_undone(w, op);
    expect_level(w, "A", "W1", 10, 0, 0, 0, 0);
    assert_memory_equal(w->movements[w->movement_count - 1].reason.data, "damage", 6);
    expect(w, op = op_count(w, "A", "W1", 4), applied);
    expect_undone(w, op);
    expect_level(w, "A", "W1", 10, 0, 0, 0, 0);
    expect(w, op = op_receive(w, "A=5@W1"), applied);
    expect_undone(w, op);
    expect(w, op = op_quarantine(w, "A=2@W1"), applied);
    expect_level(w, "A", "W1", 10, 0, 0, 2, 0);
    expect_undone(w, op);
    expect_level(w, "A", "W1", 10, 0, 0, 0, 0);
    world_destroy(w);
}

static void test_undo_of_both_ends(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1");
    Hf__Operation *op = op_transfer(w, "A", "W1", "W2", 4);

    expect(w, op, applied);
    uint64_t last = w->last_seq;
    expect(w, op_undo(w, op), applied);
    expect_level(w, "A", "W1", 10, 0, 0, 0, 0);
    expect_level(w, "A", "W2", 0, 0, 0, 0, 0);
    assert_int_equal(w->movements[w->movement_count - 2].undoes, last - 1);
    assert_int_equal(w->movements[w->movement_count - 1].undoes, last);
    /* And there again: an undo is undone like anything else. */
    Hf__Operation *undo = op_undo(w, op);
    expect(w, undo, insufficient_on_hand);
    world_destroy(w);
}

static void test_undo_of_an_undo(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1");
    Hf__Operation *op = op_adjust(w, "A", "W1", -3), *undo = op_undo(w, op);

    expect(w, op, applied);
    expect(w, undo, applied);
    expect_undone(w, undo);
    expect_level(w, "A", "W1", 7, 0, 0, 0, 0);
    world_destroy(w);
}

static void test_promises_go_first(void **state)
{
    (void)state;
    struct world *w = shop("A=2@W1");
    Hf__Operation *received = op_receive(w, "A=5@W1");

    expect(w, received, applied);
    char *r = reserve(w, "A=4@W1");
    expect(w, op_undo(w, received), insufficient_on_hand);
    assert_int_equal(w->decisions[0].result->shortages[0]->requested, 5);
    assert_int_equal(w->decisions[0].result->shortages[0]->available, 3);
    expect_level(w, "A", "W1", 7, 4, 0, 0, 0);
    /* What has been restored since cannot be taken out of quarantine once more. */
    Hf__Operation *op = op_quarantine(w, "A=1@W1");
    expect(w, op, applied);
    expect(w, op_restore(w, "A=1@W1"), applied);
    expect(w, op_undo(w, op), insufficient_on_hand);
    expect(w, op_release(w, r, ""), applied);
    expect(w, op_undo(w, received), applied);
    expect_level(w, "A", "W1", 2, 0, 0, 0, 0);
    world_destroy(w);
}

/* A count found less than is set aside. What brings some back makes nothing worse. */
static void test_an_undo_may_make_it_better(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1");
    Hf__Operation *lost = op_adjust(w, "A", "W1", -2), *found = op_receive(w, "A=1@W1");

    expect(w, lost, applied);
    expect(w, found, applied);
    expect(w, op_quarantine(w, "A=6@W1"), applied);
    expect(w, op_count(w, "A", "W1", 3), applied);
    expect(w, op_undo(w, found), insufficient_on_hand);
    expect(w, op_undo(w, lost), applied);
    expect_level(w, "A", "W1", 5, 0, 0, 6, 1);
    world_destroy(w);
}

static void test_what_is_not_undone(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1");
    Hf__Operation *reserved = op_reserve(w, "A=1@W1"), *item = op_put_item(w, "N", "");
    Hf__Operation *never = op_adjust(w, "A", "W1", -1);

    expect(w, reserved, applied);
    expect_field(w, op_undo(w, reserved), invalid, "undo.operation_id");
    expect(w, item, applied);
    expect_field(w, op_undo(w, item), invalid, "undo.operation_id");
    expect_field(w, op_undo(w, never), invalid, "undo.operation_id");
    expect(w, op_settle(w, never), applied);
    expect_field(w, op_undo(w, never), invalid, "undo.operation_id");
    world_destroy(w);
}

static void test_settings_go_back(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1");
    Hf__Operation *op, *undo;

    expect(w, op_safety(w, "A", "W1", 2), applied);
    expect(w, op = op_safety(w, "A", "W1", 5), applied);
    expect_field(w, op_undo(w, op), invalid, "undo.previous");
    undo = op_undo(w, op);
    undo->undo->has_previous = true;
    undo->undo->previous = 2;
    expect(w, undo, applied);
    assert_int_equal(level_at(w, "A", "W1").now.safety_stock, 2);
    /* There again: which of the two it was, the one who asks has looked up. */
    Hf__Operation *back = undo;
    undo = op_undo(w, back);
    undo->undo->has_previous = true;
    undo->undo->previous = 5;
    expect(w, undo, applied);
    assert_int_equal(level_at(w, "A", "W1").now.safety_stock, 5);
    expect(w, op_safety(w, "A", "W1", 6), applied);
    undo = op_undo(w, op);
    undo->undo->has_previous = true;
    expect_field(w, undo, version_conflict, "undo.operation_id");
    expect(w, op = op_reorder(w, "A", "W1", 9), applied);
    undo = op_undo(w, op);
    undo->undo->has_previous = true;
    undo->undo->previous = 4;
    expect(w, undo, applied);
    back = op_undo(w, undo);
    back->undo->has_previous = true;
    back->undo->reorder_point = true;
    back->undo->previous = 9;
    expect(w, back, applied);
    assert_int_equal(level_at(w, "A", "W1").now.reorder_point, 9);
    assert_int_equal(level_at(w, "A", "W1").now.safety_stock, 6);
    world_destroy(w);
}

/* ------------------------------------------------------------- dry runs */

static void dry(struct world *w, Hf__Operation **operations, size_t count,
                const Hf__DryState *state, Hf__DryResult **results, Hf__DryState **left)
{
    struct catalog *own_catalog = w->catalog, *catalog = catalog_new();
    struct ledger *own = w->ledger;

    w->catalog = catalog;
    w->ledger = ledger_new(0, &w->limits, catalog);
    ledger_claimed(w->ledger, 9, world_claim, w->last_seq);
    ledger_dry(w->ledger);
    if (state)
        ledger_dry_catalog(w->ledger, state);
    load(w, operations, NULL, count);
    if (state)
        ledger_dry_rows(w->ledger, state);
    /* What is told must outlive the batch here. */
    ledger_begin(w->ledger, w->now_us, &w->forever);
    for (size_t i = 0; i < count; i++) {
        struct decision decision;
        ledger_decide(w->ledger, operations[i], 0, CLASS_BULK, 1, &decision);
        results[i] = ledger_dry_result(w->ledger, &decision);
    }
    *left = ledger_dry_state(w->ledger);
    ledger_abort(w->ledger);
    ledger_destroy(&w->ledger);
    catalog_destroy(&catalog);
    w->ledger = own;
    w->catalog = own_catalog;
}

static void test_a_dry_run_goes_on_from_another(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1");
    char *r = reserve(w, "A=4@W1");
    Hf__DryResult *results[4];
    Hf__DryState *left;
    Hf__Operation *first[] = {op_adjust(w, "A", "W1", -5), op_adjust(w, "A", "W1", -2),
                              op_release(w, r, ""), op_put_warehouse(w, "W9")};
    struct level before = level_at(w, "A", "W1");

    dry(w, first, 4, NULL, results, &left);
    expect_status(results[0]->result, applied);
    assert_int_equal(results[0]->n_before, 1);
    assert_int_equal(results[0]->before[0]->on_hand, 10);
    assert_int_equal(results[0]->before[0]->on_hand_version, before.on_hand_version);
    assert_int_equal(results[0]->result->levels[0]->on_hand, 5);
    expect_status(results[1]->result, insufficient_on_hand);
    expect_status(results[2]->result, applied);
    assert_int_equal(results[2]->before[0]->on_hand, 5);
    assert_int_equal(results[2]->before[0]->reserved, 4);
    expect_status(results[3]->result, applied);

    Hf__Operation *next[] = {op_adjust(w, "A", "W1", -5), op_release(w, r, ""),
                             op_receive(w, "A=1@W9")};
    Hf__DryState *end;
    dry(w, next, 3, left, results, &end);
    expect_status(results[0]->result, applied);
    assert_int_equal(results[0]->before[0]->on_hand, 5);
    assert_int_equal(results[0]->result->levels[0]->on_hand, 0);
    expect_status(results[1]->result, already_released);
    expect_status(results[2]->result, applied);
    assert_int_equal(results[2]->before[0]->on_hand, 0);

    /* Nothing has happened. */
    struct level now = level_at(w, "A", "W1");
    assert_memory_equal(&now, &before, sizeof now);
    expect(w, op_adjust(w, "A", "W1", -7), insufficient_on_hand);
    expect(w, op_receive(w, "A=1@W9"), unknown_warehouse);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_is_begun_once),
        cmocka_unit_test(test_a_first_attempt_that_comes_late),
        cmocka_unit_test(test_a_first_result_is_given_again),
        cmocka_unit_test(test_results_are_merged),
        cmocka_unit_test(test_an_open_line_replaces_nothing),
        cmocka_unit_test(test_twice_in_a_batch_and_an_abort),
        cmocka_unit_test(test_blank_lines_need_no_result),
        cmocka_unit_test(test_an_old_run_is_over),
        cmocka_unit_test(test_undo),
        cmocka_unit_test(test_undo_of_both_ends),
        cmocka_unit_test(test_undo_of_an_undo),
        cmocka_unit_test(test_promises_go_first),
        cmocka_unit_test(test_an_undo_may_make_it_better),
        cmocka_unit_test(test_what_is_not_undone),
        cmocka_unit_test(test_settings_go_back),
        cmocka_unit_test(test_a_dry_run_goes_on_from_another),
    };
    return cmocka_run_group_tests_name("ledger: runs, undo, dry runs", tests, NULL, NULL);
}

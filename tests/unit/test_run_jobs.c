/* SPDX-License-Identifier: MIT
 *
 * Lines of a run under way: what may be sent next, and that nothing overtakes what it depends on,
 * whatever is sent again; and results gathered in blocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run_jobs.h"
#include "cli/run_results.h"
#include "tests/unit/pick.h"

static struct job job_at(uint32_t line, const char *key, uint32_t partition, enum job_reach reach)
{
    return (struct job){.line = line, .key = key, .partition = partition, .reach = reach};
}

static void expect_next(struct jobs *jobs, int64_t now_us, uint32_t line)
{
    struct job *job = jobs_next(jobs, now_us);

    if (line == 0) {
        assert_null(job);
        return;
    }
    assert_non_null(job);
    assert_int_equal(job->line, line);
}

static void test_one_key_one_after_another(void **state)
{
    struct job a = job_at(1, "A", 0, JOB_KEY), b = job_at(2, "B", 0, JOB_KEY),
               c = job_at(3, "A", 0, JOB_KEY);
    struct jobs *jobs = jobs_new(10, 10);

    (void)state;
    jobs_add(jobs, &a);
    jobs_add(jobs, &b);
    jobs_add(jobs, &c);
    expect_next(jobs, 0, 1);
    expect_next(jobs, 0, 2);
    expect_next(jobs, 0, 0);
    /* Sent again, it still goes first. */
    jobs_again(jobs, &a, 5);
    assert_int_equal(jobs_due_us(jobs), 5);
    assert_false(jobs_may_send(jobs, 4));
    expect_next(jobs, 4, 0);
    assert_true(jobs_may_send(jobs, 5));
    expect_next(jobs, 5, 1);
    jobs_done(jobs, &a);
    expect_next(jobs, 5, 3);
    jobs_done(jobs, &b);
    jobs_done(jobs, &c);
    assert_int_equal(jobs_held(jobs), 0);
    jobs_destroy(&jobs);
}

static void test_a_reservation_keeps_its_place_in_its_partition(void **state)
{
    struct job a = job_at(1, "A", 7, JOB_KEY), r = job_at(2, NULL, 7, JOB_PARTITION),
               b = job_at(3, "B", 7, JOB_KEY), c = job_at(4, "C", 8, JOB_KEY),
               s = job_at(5, NULL, 7, JOB_PARTITION);
    struct jobs *jobs = jobs_new(10, 10);

    (void)state;
    jobs_add(jobs, &a);
    jobs_add(jobs, &r);
    jobs_add(jobs, &b);
    jobs_add(jobs, &c);
    jobs_add(jobs, &s);
    expect_next(jobs, 0, 1);
    expect_next(jobs, 0, 4);
    expect_next(jobs, 0, 0);
    jobs_done(jobs, &a);
    expect_next(jobs, 0, 2);
    expect_next(jobs, 0, 0);
    jobs_done(jobs, &r);
    expect_next(jobs, 0, 3);
    expect_next(jobs, 0, 0);
    jobs_done(jobs, &b);
    expect_next(jobs, 0, 5);
    jobs_done(jobs, &s);
    jobs_done(jobs, &c);
    jobs_destroy(&jobs);
}

static void test_a_warehouse_keeps_its_place_among_all(void **state)
{
    struct job a = job_at(1, "A", 7, JOB_KEY), w = job_at(2, NULL, 0, JOB_ALL),
               b = job_at(3, "B", 8, JOB_KEY), r = job_at(4, NULL, 8, JOB_PARTITION);
    struct jobs *jobs = jobs_new(10, 10);

    (void)state;
    jobs_add(jobs, &a);
    jobs_add(jobs, &w);
    jobs_add(jobs, &b);
    jobs_add(jobs, &r);
    expect_next(jobs, 0, 1);
    expect_next(jobs, 0, 0);
    jobs_done(jobs, &a);
    expect_next(jobs, 0, 2);
    expect_next(jobs, 0, 0);
    jobs_done(jobs, &w);
    expect_next(jobs, 0, 3);
    expect_next(jobs, 0, 0);
    jobs_done(jobs, &b);
    expect_next(jobs, 0, 4);
    jobs_done(jobs, &r);
    jobs_destroy(&jobs);
}

static void test_a_parked_line_keeps_its_place(void **state)
{
    struct job a = job_at(1, "A", 0, JOB_KEY), b = job_at(2, "A", 0, JOB_KEY);
    struct jobs *jobs = jobs_new(10, 1);

    (void)state;
    jobs_add(jobs, &a);
    jobs_add(jobs, &b);
    expect_next(jobs, 0, 1);
    jobs_park(jobs, &a);
    assert_int_equal(jobs_flying(jobs), 0);
    expect_next(jobs, 0, 0);
    jobs_done(jobs, &a);
    expect_next(jobs, 0, 2);
    jobs_done(jobs, &b);
    jobs_destroy(&jobs);
}

static void test_limits(void **state)
{
    struct job a = job_at(1, "A", 0, JOB_KEY), b = job_at(2, "B", 0, JOB_KEY);
    struct jobs *jobs = jobs_new(2, 1);

    (void)state;
    jobs_add(jobs, &a);
    assert_false(jobs_full(jobs));
    jobs_add(jobs, &b);
    assert_true(jobs_full(jobs));
    expect_next(jobs, 0, 1);
    expect_next(jobs, 0, 0);
    assert_ptr_equal(jobs_abandon(jobs), &a);
    assert_ptr_equal(jobs_abandon(jobs), &b);
    assert_null(jobs_abandon(jobs));
    assert_int_equal(jobs_flying(jobs), 0);
    jobs_destroy(&jobs);
}

/* ------------------------------------------------------------- any order of answers */

#define LINES 600u
#define HELD 40u

struct walked {
    struct job jobs[LINES];
    bool added[LINES], done[LINES], flying[LINES];
};

static bool must_wait(const struct job *later, const struct job *earlier)
{
    if (later->reach == JOB_ALL || earlier->reach == JOB_ALL)
        return true;
    if (later->key && earlier->key && strcmp(later->key, earlier->key) == 0)
        return true;
    return later->partition == earlier->partition &&
           (later->reach == JOB_PARTITION || earlier->reach == JOB_PARTITION);
}

static void check_sent(const struct walked *w, const struct job *job)
{
    for (uint32_t i = 0; i < job->line; i++) {
        if (!w->done[i] && must_wait(job, &w->jobs[i]))
            fail_msg("line %u was sent before line %u was done", job->line, i);
    }
}

static void walk(void)
{
    static const char *const keys[] = {"A", "B", "C", "D", "E", "F", "G", "H"};
    struct walked *w = calloc(1, sizeof *w);
    struct jobs *jobs = jobs_new(HELD, 8);
    uint32_t next = 0, done = 0, idle = 0;

    while (done < LINES) {
        while (next < LINES && !jobs_full(jobs)) {
            struct job *job = &w->jobs[next];
            uint32_t kind = pick(40), key = pick(8);
            *job = kind == 0   ? job_at(next, NULL, 0, JOB_ALL)
                   : kind <= 4 ? job_at(next, NULL, key % 3, JOB_PARTITION)
                               : job_at(next, keys[key], key % 3, JOB_KEY);
            jobs_add(jobs, job);
            next++;
        }
        struct job *sent;
        while ((sent = jobs_next(jobs, 0)) != NULL) {
            check_sent(w, sent);
            w->flying[sent->line] = true;
            idle = 0;
        }
        /* One of those that fly is answered. */
        uint32_t from = pick(LINES);
        for (uint32_t i = 0; i < LINES; i++) {
            uint32_t line = (from + i) % LINES;
            if (!w->flying[line])
                continue;
            w->flying[line] = false;
            if (pick(4) == 0) {
                jobs_again(jobs, &w->jobs[line], 0);
            } else {
                w->done[line] = true;
                done++;
                jobs_done(jobs, &w->jobs[line]);
            }
            break;
        }
        assert_true(idle++ < 2 * HELD); /* it never gets stuck */
    }
    assert_int_equal(jobs_held(jobs), 0);
    jobs_destroy(&jobs);
    free(w);
}

static void test_any_order_of_answers(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        walk();
}

/* ------------------------------------------------------------- results */

static void add(struct results *results, uint32_t line, int status, const char *text, int64_t now)
{
    struct holdfast_run_line one = {.line = line, .status = status, .text = text};

    results_add(results, &one, NULL, now);
}

static void test_blocks(void **state)
{
    struct results *results = results_new();

    (void)state;
    add(results, 257, 0, NULL, 0);
    add(results, 2, 10, "why", 10);
    add(results, 1, 0, NULL, 20);
    add(results, 2, 0, NULL, 30); /* in place of the one before */
    assert_int_equal(results_waiting(results), 2);
    assert_null(results_next(results, RESULTS_AGE_US - 1, false));
    assert_int_equal(results_due_us(results), RESULTS_AGE_US);
    struct results_block *block = results_next(results, RESULTS_AGE_US, false);
    assert_int_equal(block->number, 1);
    assert_int_equal(block->lines[0].line, 257);
    struct results_block *other = results_next(results, 0, true);
    assert_int_equal(other->count, 2);
    assert_int_equal(other->lines[0].line, 1);
    assert_int_equal(other->lines[1].status, 0);
    assert_null(other->lines[1].text);
    /* While it is under way, more of the block is gathered apart. */
    add(results, 3, 0, NULL, 40);
    results_again(other, 100);
    assert_null(results_next(results, 99, true) == other ? other : NULL);
    results_done(results, &block);
    assert_null(block);
    results_destroy(&results);
}

static void test_what_waits_is_recorded_soon(void **state)
{
    struct results *results = results_new();
    struct holdfast_run_line one = {.line = 2, .status = 10};
    int waits;

    (void)state;
    add(results, 3, 0, NULL, 0);
    results_add(results, &one, &waits, 5);
    add(results, 1, 0, NULL, 6);
    assert_int_equal(results_due_us(results), 5 + RESULTS_SOON_US);
    struct results_block *block = results_next(results, 5 + RESULTS_SOON_US, false);
    assert_null(block->waiting[0]);
    assert_ptr_equal(block->waiting[1], &waits);
    assert_null(block->waiting[2]);
    results_destroy(&results);
}

static void test_a_full_block_goes_at_once(void **state)
{
    struct results *results = results_new();

    (void)state;
    for (uint32_t line = 256; line >= 1; line--) {
        assert_null(results_next(results, 0, false));
        add(results, line, 0, NULL, 0);
    }
    struct results_block *block = results_next(results, 0, false);
    assert_int_equal(block->count, 256);
    assert_int_equal(block->lines[0].line, 1);
    assert_int_equal(block->lines[255].line, 256);
    results_destroy(&results);
}

/* What no message may carry goes in parts, with its texts and those who wait for it. */
static void test_a_block_in_halves(void **state)
{
    struct results *results = results_new();
    struct holdfast_run_line one = {.line = 5, .status = 10, .text = "why"};
    int waits;

    (void)state;
    for (uint32_t line = 1; line <= 4; line++)
        add(results, line, 0, "text", 0);
    results_add(results, &one, &waits, 0);
    struct results_block *block = results_next(results, 0, true);
    add(results, 300, 0, NULL, RESULTS_AGE_US);
    results_halve(results, block);
    assert_int_equal(results_waiting(results), 3);
    struct results_block *first = results_next(results, RESULTS_AGE_US, false);
    assert_ptr_equal(first, block);
    assert_int_equal(first->count, 2);
    struct results_block *second = results_next(results, RESULTS_AGE_US, false);
    assert_int_equal(second->number, 0);
    assert_int_equal(second->count, 3);
    assert_int_equal(second->lines[0].line, 3);
    assert_string_equal(second->lines[2].text, "why");
    assert_ptr_equal(second->waiting[2], &waits);
    assert_null(results_next(results, RESULTS_AGE_US, false)); /* line 300 has time */
    results_done(results, &first);
    results_destroy(&results);
}

static void test_texts_are_cut_between_characters(void **state)
{
    struct results *results = results_new();
    char text[400];

    (void)state;
    memset(text, 'x', 254);
    strcpy(text + 254, "\xc3\xa9 and more");
    add(results, 1, 10, text, 0);
    add(results, 2, 10, "a\nb", 0);
    add(results, 3, 10, "\xff", 0);
    struct results_block *block = results_next(results, 0, true);
    assert_int_equal(strlen(block->lines[0].text), 254);
    assert_string_equal(block->lines[1].text, "a b");
    assert_null(block->lines[2].text);
    results_destroy(&results);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_key_one_after_another),
        cmocka_unit_test(test_a_reservation_keeps_its_place_in_its_partition),
        cmocka_unit_test(test_a_warehouse_keeps_its_place_among_all),
        cmocka_unit_test(test_a_parked_line_keeps_its_place),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_any_order_of_answers),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_what_waits_is_recorded_soon),
        cmocka_unit_test(test_a_full_block_goes_at_once),
        cmocka_unit_test(test_a_block_in_halves),
        cmocka_unit_test(test_texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests_name("runs: jobs and results", tests, NULL, NULL);
}

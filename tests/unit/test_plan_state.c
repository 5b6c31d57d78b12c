/* SPDX-License-Identifier: MIT
 *
 * What a plan remembers of its dry runs, and how much of it goes with the next one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/plan_state.h"

#define TOUCHED 5000u

static const struct bulk_line *about_sku(const char *sku)
{
    static struct bulk_line lines[8];
    static size_t next;
    struct bulk_line *line = &lines[next++ % 8];

    memset(line, 0, sizeof *line);
    snprintf(line->sku, sizeof line->sku, "%s", sku);
    return line;
}

static const struct bulk_line *about_reservation(const char *id)
{
    static struct bulk_line lines[8];
    static size_t next;
    struct bulk_line *line = &lines[next++ % 8];

    memset(line, 0, sizeof *line);
    snprintf(line->reservation, sizeof line->reservation, "%s", id);
    return line;
}

/* A dry run has changed levels of T0, T1, … at two warehouses each. */
static struct plan_state *touched(void)
{
    struct plan_state *state = plan_state_new();

    for (unsigned i = 0; i < TOUCHED; i++) {
        char sku[16];
        snprintf(sku, sizeof sku, "T%u", i);
        struct holdfast_level levels[] = {{.sku = sku, .warehouse = "W", .on_hand = i},
                                          {.sku = sku, .warehouse = "V", .on_hand = 1}};
        struct holdfast_state changed = {.levels = levels, .level_count = 2};
        plan_state_keep(state, 3, &changed);
    }
    return state;
}

static bool gives(const struct holdfast_state *given, const char *sku, const char *warehouse)
{
    for (size_t i = 0; i < given->level_count; i++) {
        if (strcmp(given->levels[i].sku, sku) == 0 &&
            strcmp(given->levels[i].warehouse, warehouse) == 0)
            return true;
    }
    return false;
}

static void test_lines_are_given_what_they_touch(void **state)
{
    struct plan_state *s = touched();
    const struct bulk_line *lines[] = {about_sku("T7"), about_sku("T9"), about_sku("T7"),
                                       about_sku("new")};

    (void)state;
    assert_true(plan_state_has(s, "T7", "V"));
    assert_false(plan_state_has(s, "T7", "U"));
    const struct holdfast_state *given = plan_state_for(s, lines, 4);
    assert_int_equal(given->level_count, 4);
    assert_true(gives(given, "T7", "W") && gives(given, "T7", "V") && gives(given, "T9", "W"));
    plan_state_destroy(&s);
}

/* A line about a reservation does not say which levels it is about. */
static void test_a_reservation_is_asked_about_once(void **state)
{
    struct plan_state *s = plan_state_new();
    const struct bulk_line *lines[] = {about_reservation("R-1"), about_sku("T1"),
                                       about_reservation("R-2"), about_reservation("R-1")};
    struct holdfast_reservation_line held[] = {{.sku = "T1"}, {.sku = "T2"}, {.sku = "other"}};
    struct holdfast_reservation found = {.reservation = "R-1", .lines = held, .line_count = 3};
    const char *ids[4];

    (void)state;
    assert_int_equal(plan_state_unknown(s, lines, 4, ids), 0); /* nothing was changed so far */
    plan_state_destroy(&s);
    s = touched();
    assert_int_equal(plan_state_unknown(s, lines, 4, ids), 2);
    assert_string_equal(ids[0], "R-1");
    assert_string_equal(ids[1], "R-2");
    plan_state_learn(s, 3, ids, 2, &found, 1); /* R-2 is nowhere */
    assert_int_equal(plan_state_unknown(s, lines, 4, ids), 0);
    const struct holdfast_state *given = plan_state_for(s, lines, 4);
    assert_int_equal(given->level_count, 4);
    assert_true(gives(given, "T1", "V") && gives(given, "T2", "V"));
    assert_int_equal(given->reservation_count, 0); /* it is as the owner has it */
    plan_state_destroy(&s);
}

static void test_a_changed_reservation_goes_with_lines_about_it(void **state)
{
    struct plan_state *s = touched();
    const struct bulk_line *about[] = {about_reservation("R-1"), about_reservation("R-1")};
    const struct bulk_line *others[] = {about_sku("T1")};
    struct holdfast_reservation_line held[] = {{.sku = "T1", .reserved = 4}, {.sku = "T2"}};
    struct holdfast_reservation changed = {
        .reservation = "R-1", .revision = 2, .lines = held, .line_count = 2};
    struct holdfast_state left = {.reservations = &changed, .reservation_count = 1};

    (void)state;
    for (int i = 0; i < 2; i++) { /* the later state counts */
        plan_state_keep(s, 3, &left);
        changed.revision = 3;
    }
    const struct holdfast_state *given = plan_state_for(s, about, 2);
    assert_int_equal(given->reservation_count, 1);
    assert_int_equal(given->reservations[0].revision, 3);
    assert_int_equal(given->reservations[0].line_count, 2);
    assert_int_equal(given->reservations[0].lines[0].reserved, 4);
    assert_int_equal(given->level_count, 4);
    given = plan_state_for(s, others, 1);
    assert_int_equal(given->reservation_count, 0);
    assert_int_equal(given->level_count, 2);
    given = plan_state_for(s, about, 1); /* and again */
    assert_int_equal(given->reservation_count, 1);
    plan_state_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_given_what_they_touch),
        cmocka_unit_test(test_a_reservation_is_asked_about_once),
        cmocka_unit_test(test_a_changed_reservation_goes_with_lines_about_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

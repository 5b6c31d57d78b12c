/* SPDX-License-Identifier: MIT
 *
 * workers/peer_clock.h: a broker's clock is never taken for earlier than it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "workers/peer_clock.h"

#define WALL 1700000000000000ll /* the broker's clock at our 0 */
#define SECOND 1000000ll

static void test_nothing_is_early_before_it_is_known(void **state)
{
    (void)state;
    struct peer_clock clock = {0};
    assert_true(peer_clock_us(&clock, SECOND) == INT64_MAX);
    peer_clock_hear(&clock, WALL, 2 * SECOND, SECOND); /* never sent */
    peer_clock_hear(&clock, WALL, 0, SECOND);
    assert_true(peer_clock_us(&clock, SECOND) == INT64_MAX);
    peer_clock_hear(&clock, WALL + SECOND, SECOND, SECOND + 300);
    assert_int_equal(peer_clock_us(&clock, 5 * SECOND), WALL + 5 * SECOND);
}

/* The worker was stopped from 2 s to 9 s, with an answer of 2 s in its socket. */
static void test_an_old_answer_is_no_news(void **state)
{
    (void)state;
    struct peer_clock clock = {0};
    peer_clock_hear(&clock, WALL + 2 * SECOND + 100, 2 * SECOND, 9 * SECOND);
    assert_int_equal(peer_clock_us(&clock, 9 * SECOND), WALL + 9 * SECOND + 100);
    peer_clock_hear(&clock, WALL + 3 * SECOND + 100, 3 * SECOND, 9 * SECOND);
    assert_int_equal(peer_clock_us(&clock, 9 * SECOND), WALL + 9 * SECOND + 100);
}

/* The broker was stopped, and answers late: that says too much, and is forgotten at the next. */
static void test_a_late_answer_is_not_kept(void **state)
{
    (void)state;
    struct peer_clock clock = {0};
    peer_clock_hear(&clock, WALL + 8 * SECOND, SECOND, 8 * SECOND);
    assert_int_equal(peer_clock_us(&clock, 8 * SECOND), WALL + 15 * SECOND);
    peer_clock_hear(&clock, WALL + 9 * SECOND + 50, 9 * SECOND, 9 * SECOND + 100);
    assert_int_equal(peer_clock_us(&clock, 10 * SECOND), WALL + 10 * SECOND + 50);
    peer_clock_hear(&clock, WALL + 18 * SECOND, 11 * SECOND, 18 * SECOND);
    assert_int_equal(peer_clock_us(&clock, 18 * SECOND), WALL + 18 * SECOND + 50);
}

static void test_a_clock_that_is_set_is_followed(void **state)
{
    (void)state;
    struct peer_clock clock = {0};
    peer_clock_hear(&clock, WALL + SECOND, SECOND, SECOND + 100);
    peer_clock_hear(&clock, WALL + 4 * SECOND, 2 * SECOND, 2 * SECOND + 100); /* 2 s forward */
    assert_int_equal(peer_clock_us(&clock, 2 * SECOND), WALL + 4 * SECOND);
    peer_clock_hear(&clock, WALL + SECOND, 3 * SECOND, 3 * SECOND + 100); /* 4 s back */
    assert_int_equal(peer_clock_us(&clock, 3 * SECOND), WALL + SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_early_before_it_is_known),
        cmocka_unit_test(test_an_old_answer_is_no_news),
        cmocka_unit_test(test_a_late_answer_is_not_kept),
        cmocka_unit_test(test_a_clock_that_is_set_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

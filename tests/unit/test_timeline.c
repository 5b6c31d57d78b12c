/* SPDX-License-Identifier: MIT
 *
 * The owner's time: it follows the server's clock, and outlives a server whose clock is another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "workers/timeline.h"

#define SECOND 1000000LL

static void goes_on_by_the_monotonic_clock(void **state)
{
    struct timeline timeline = {0};

    (void)state;
    assert_int_equal(timeline_follow(&timeline, 500 * SECOND, 7 * SECOND), 0);
    assert_int_equal(timeline_now_us(&timeline, 9 * SECOND), 502 * SECOND);
}

static void tells_how_far_the_server_is_ahead(void **state)
{
    struct timeline timeline = {0};

    (void)state;
    (void)timeline_follow(&timeline, 500 * SECOND, 0);
    assert_int_equal(timeline_follow(&timeline, 530 * SECOND, 10 * SECOND), 20 * SECOND);
    assert_int_equal(timeline_follow(&timeline, 531 * SECOND, 12 * SECOND), -1 * SECOND);
}

static void small_differences_are_followed(void **state)
{
    bool jumped = true;

    (void)state;
    assert_int_equal(timeline_offset_us(500 * SECOND, 0, 500 * SECOND + 900000, 900000, &jumped),
                     0);
    assert_false(jumped);
    assert_int_equal(timeline_offset_us(500 * SECOND, 4 * SECOND, 0, 0, &jumped), 4 * SECOND);
    assert_false(jumped);
}

static void a_jump_becomes_an_offset(void **state)
{
    bool jumped = false;

    (void)state;
    /* The new server is 20 s ahead of where time was: the old time goes on. */
    assert_int_equal(timeline_offset_us(520 * SECOND, 0, 499 * SECOND, 20 * SECOND, &jumped),
                     -20 * SECOND);
    assert_true(jumped);
    jumped = false;
    assert_int_equal(timeline_offset_us(480 * SECOND, 3 * SECOND, 0, -20 * SECOND, &jumped),
                     23 * SECOND);
    assert_true(jumped);
}

static void never_far_below_what_was_used(void **state)
{
    bool jumped = false;

    (void)state;
    /* A fresh owner at a server that is 100 s behind the last time that was used. */
    assert_int_equal(timeline_offset_us(400 * SECOND, 0, 500 * SECOND, 0, &jumped), 100 * SECOND);
    assert_true(jumped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_by_the_monotonic_clock),
        cmocka_unit_test(tells_how_far_the_server_is_ahead),
        cmocka_unit_test(small_differences_are_followed),
        cmocka_unit_test(a_jump_becomes_an_offset),
        cmocka_unit_test(never_far_below_what_was_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

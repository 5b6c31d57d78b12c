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

static void more_than_drift_is_a_jump(void **state)
{
    (void)state;
    assert_false(timeline_is_jump(SECOND));
    assert_false(timeline_is_jump(-SECOND));
    assert_true(timeline_is_jump(SECOND + 1));
    assert_true(timeline_is_jump(-SECOND - 1));
}

static void an_offset_goes_on(void **state)
{
    (void)state;
    assert_int_equal(timeline_offset_us(500 * SECOND, 0, 500 * SECOND + 900000), 0);
    assert_int_equal(timeline_offset_us(500 * SECOND, 4 * SECOND, 0), 4 * SECOND);
    assert_int_equal(timeline_offset_us(520 * SECOND, -20 * SECOND, 499 * SECOND), -20 * SECOND);
}

static void never_far_below_what_was_used(void **state)
{
    (void)state;
    /* A fresh owner at a server that is 100 s behind the last time that was used. */
    assert_int_equal(timeline_offset_us(400 * SECOND, 0, 500 * SECOND), 100 * SECOND);
    assert_int_equal(timeline_offset_us(400 * SECOND, 7 * SECOND, 500 * SECOND), 100 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on_by_the_monotonic_clock),
        cmocka_unit_test(tells_how_far_the_server_is_ahead),
        cmocka_unit_test(more_than_drift_is_a_jump),
        cmocka_unit_test(an_offset_goes_on),
        cmocka_unit_test(never_far_below_what_was_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

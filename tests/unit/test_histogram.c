/* SPDX-License-Identifier: MIT
 *
 * common/histogram.c: exact for small values, within a step for large ones, at both ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/histogram.h"

static void test_empty(void **state)
{
    (void)state;
    struct histogram h;
    histogram_init(&h);
    assert_int_equal(histogram_percentile(&h, 50), 0);
    assert_int_equal(histogram_percentile(&h, 100), 0);
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    struct histogram h;
    histogram_init(&h);
    for (uint64_t v = 1; v <= 50; v++)
        histogram_record(&h, v);
    assert_int_equal(histogram_percentile(&h, 0), 1);
    assert_int_equal(histogram_percentile(&h, 50), 25);
    assert_int_equal(histogram_percentile(&h, 98), 49);
    assert_int_equal(histogram_percentile(&h, 100), 50);
}

/* Each value alone, then with a larger one beside it so that max does not hide the bucket's end. */
static void test_error_is_at_most_a_step(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < HISTOGRAM_VALUE_BITS; bits++) {
        for (int off = -1; off <= 1; off++) {
            uint64_t value = ((uint64_t)1 << bits) + (uint64_t)off;
            if (value >> HISTOGRAM_VALUE_BITS)
                continue;
            struct histogram h;
            histogram_init(&h);
            histogram_record(&h, value);
            histogram_record(&h, UINT64_MAX);
            uint64_t got = histogram_percentile(&h, 50);
            assert_true(got >= value);
            assert_true(got - value <= value / HISTOGRAM_STEPS);
        }
    }
}

static void test_huge_values_stay_counted(void **state)
{
    (void)state;
    struct histogram h;
    histogram_init(&h);
    histogram_record(&h, 3);
    histogram_record(&h, UINT64_MAX);
    assert_int_equal(h.count, 2);
    assert_int_equal(histogram_percentile(&h, 50), 3);
    assert_true(histogram_percentile(&h, 100) == UINT64_MAX);
}

static void test_merge(void **state)
{
    (void)state;
    struct histogram a, b;
    histogram_init(&a);
    histogram_init(&b);
    for (int i = 0; i < 99; i++)
        histogram_record(&a, 10);
    histogram_record(&b, 5000);
    histogram_merge(&a, &b);
    assert_int_equal(a.count, 100);
    assert_int_equal(a.max, 5000);
    assert_int_equal(histogram_percentile(&a, 99), 10);
    assert_int_equal(histogram_percentile(&a, 99.5), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_error_is_at_most_a_step),
        cmocka_unit_test(test_huge_values_stay_counted),
        cmocka_unit_test(test_merge),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}

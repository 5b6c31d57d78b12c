/* SPDX-License-Identifier: MIT
 *
 * protocol/status.c: the table of results, and what programs rely on about it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/status.h"

static const struct {
    const char *name;
    uint32_t code;
    enum status_kind kind;
    int exit_code;
} table[] = {
#define STATUS(name, code, kind, exit, text) {#name, code, STATUS_KIND_##kind, exit},
#include "protocol/status.def"
#undef STATUS
};
#define COUNT (sizeof table / sizeof table[0])

static void test_every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        enum status status = (enum status)table[i].code, back;
        assert_true(status_is_known(table[i].code));
        assert_string_equal(status_name(status), table[i].name);
        assert_int_equal(status_kind(status), table[i].kind);
        assert_int_equal(status_exit(status), table[i].exit_code);
        assert_true(strlen(status_text(status)) > 5 || status == STATUS_applied);
        assert_true(status_from_name(table[i].name, &back));
        assert_int_equal(back, status);
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(table[i].code, table[k].code);
    }
}

/* The exit code tells a script what it may do; so it follows from the kind. */
static void test_exit_codes_follow_the_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        int got = table[i].exit_code;
        switch (table[i].kind) {
        case STATUS_KIND_APPLIED:
            assert_int_equal(got, 0);
            break;
        case STATUS_KIND_REFUSED:
            assert_int_equal(got, table[i].code == STATUS_not_permitted ? 77 : 1);
            break;
        case STATUS_KIND_SHED:
            assert_int_equal(got, 69);
            break;
        case STATUS_KIND_UNKNOWN:
            assert_int_equal(got, 75);
            break;
        }
    }
}

/* Wire codes are for ever. */
static void test_codes_that_peers_have_built_in(void **state)
{
    (void)state;
    assert_int_equal(STATUS_applied, 0);
    assert_int_equal(STATUS_insufficient_stock, 10);
    assert_int_equal(STATUS_not_permitted, 29);
    assert_int_equal(STATUS_busy, 40);
    assert_int_equal(STATUS_wrong_partition, 44);
    assert_int_equal(STATUS_unknown, 60);
    assert_int_equal(STATUS_operation_id_expired, 62);
    assert_int_equal(COUNT, 29);
}

static void test_outside_the_table(void **state)
{
    (void)state;
    static const uint32_t strangers[] = {1, 9, 30, 45, 63, 255, 256, UINT32_MAX};
    enum status status;

    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        assert_false(status_is_known(strangers[i]));
        /* a code that we do not know promises nothing */
        assert_string_equal(status_name((enum status)strangers[i]), "unknown");
        assert_int_equal(status_kind((enum status)strangers[i]), STATUS_KIND_UNKNOWN);
        assert_int_equal(status_exit((enum status)strangers[i]), 75);
    }
    assert_false(status_from_name("Applied", &status));
    assert_false(status_from_name("", &status));
}

static void test_kind_names(void **state)
{
    (void)state;
    assert_string_equal(status_kind_name(STATUS_KIND_APPLIED), "applied");
    assert_string_equal(status_kind_name(STATUS_KIND_REFUSED), "refused");
    assert_string_equal(status_kind_name(STATUS_KIND_SHED), "shed");
    assert_string_equal(status_kind_name(STATUS_KIND_UNKNOWN), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_exit_codes_follow_the_kind),
        cmocka_unit_test(test_codes_that_peers_have_built_in),
        cmocka_unit_test(test_outside_the_table),
        cmocka_unit_test(test_kind_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

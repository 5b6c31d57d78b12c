/* SPDX-License-Identifier: MIT
 *
 * What people type: LINEs, numbers, durations, the nearest right word, display width.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "cli/parse.h"
#include "cli/table.h"
#include "common/words.h"

static void line_is_split_at_last_equals_and_first_at_after_it(void **state)
{
    static const struct {
        const char *text, *sku, *warehouse;
        int64_t quantity;
    } rows[] = {
        {"WID-1=3", "WID-1", "", 3},
        {"WID-1=3@BER1", "WID-1", "BER1", 3},
        {"a=b=3@W", "a=b", "W", 3},
        {"a@b=3", "a@b", "", 3},
        {"a@b=3@c@d", "a@b", "c@d", 3},
        {"=1=2", "=1", "", 2},
        {"x=999999999@W", "x", "W", 999999999},
        {"x=007", "x", "", 7},
        {"\xc3\xa4=1@\xc3\xb6", "\xc3\xa4", "\xc3\xb6", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct typed_line line;
        assert_null(parse_line(rows[i].text, LINE_WAREHOUSE_ALLOWED, &line));
        assert_string_equal(line.sku, rows[i].sku);
        assert_string_equal(line.warehouse, rows[i].warehouse);
        assert_int_equal(line.quantity, rows[i].quantity);
    }
}

static void line_says_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *words;
        unsigned rules;
    } rows[] = {
        {"WID-1", "no '='", 0},
        {"", "no '='", 0},
        {"=3", "sku is missing", 0},
        {"a=", "quantity is missing", 0},
        {"a=@W", "quantity is missing", 0},
        {"a=-", "must not be negative", 0},
        {"a=-", "quantity is missing", LINE_NEGATIVE_ALLOWED},
        {"a=-1", "must not be negative", 0},
        {"a=+1", "not a whole number", 0},
        {"a=1.5", "not a whole number", 0},
        {"a= 1", "not a whole number", 0},
        {"a=1x@W", "not a whole number", 0},
        {"a=1000000000", "more than 999,999,999", 0},
        {"a=99999999999999999999999", "more than 999,999,999", 0},
        {"a=0", "must not be 0", 0},
        {"a=0@W", "must not be 0", LINE_NEGATIVE_ALLOWED},
        {"a=1@", "warehouse is empty", 0},
        {"a=1@ W", "blank", 0},
        {" a=1", "blank", 0},
        {"a\t=1", "control", 0},
        {"a\xff=1", "UTF-8", 0},
        {"a=1", "warehouse is missing", LINE_WAREHOUSE_REQUIRED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct typed_line line;
        const char *fault = parse_line(rows[i].text, rows[i].rules, &line);
        assert_non_null(fault);
        assert_non_null(strstr(fault, rows[i].words));
    }
}

static void line_takes_signs_and_zero_where_allowed(void **state)
{
    struct typed_line line;
    (void)state;
    assert_null(parse_line("a=-3@W", LINE_NEGATIVE_ALLOWED, &line));
    assert_int_equal(line.quantity, -3);
    assert_null(parse_line("a=+3@W", LINE_NEGATIVE_ALLOWED, &line));
    assert_int_equal(line.quantity, 3);
    assert_null(parse_line("a=0@W", LINE_ZERO_ALLOWED | LINE_WAREHOUSE_REQUIRED, &line));
    assert_int_equal(line.quantity, 0);
}

static void line_codes_have_at_most_64_bytes(void **state)
{
    char text[80];
    struct typed_line line;
    (void)state;
    memset(text, 'x', 64);
    strcpy(text + 64, "=1");
    assert_null(parse_line(text, 0, &line));
    memset(text, 'x', 65);
    strcpy(text + 65, "=1");
    assert_non_null(parse_line(text, 0, &line));
}

static void durations(void **state)
{
    uint64_t ms = 1;
    (void)state;
    assert_true(parse_duration("500ms", &ms) && ms == 500);
    assert_true(parse_duration("90s", &ms) && ms == 90000);
    assert_true(parse_duration("15m", &ms) && ms == 900000);
    assert_true(parse_duration("2h", &ms) && ms == 7200000);
    assert_true(parse_duration("30d", &ms) && ms == UINT64_C(2592000000));
    assert_true(parse_duration("0s", &ms) && ms == 0);
    static const char *const wrong[] = {"",    "5",  "s",     "-5s",
                                        "5 s", "5S", "1.5s",  "5sec",
                                        "5ss", "9w", "1000d", "18446744073709551616s"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(parse_duration(wrong[i], &ms));
}

static void numbers(void **state)
{
    uint64_t number;
    (void)state;
    assert_true(parse_number("0", &number) && number == 0);
    assert_true(parse_number("18446744073709551615", &number) && number == UINT64_MAX);
    assert_false(parse_number("18446744073709551616", &number));
    assert_false(parse_number("", &number));
    assert_false(parse_number("-1", &number));
    assert_false(parse_number("1 ", &number));
}

static const char *nearest(const char *typed)
{
    static const char *const words[] = {"receive", "release", "reserve", "restore", "return"};
    const char *best = NULL;
    unsigned distance = 0;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        word_nearest(typed, words[i], &best, &distance);
    return best;
}

static void nearest_word(void **state)
{
    (void)state;
    assert_int_equal(word_distance("", "abc"), 3);
    assert_int_equal(word_distance("abc", "abc"), 0);
    assert_int_equal(word_distance("abc", "acb"), 1);
    assert_int_equal(word_distance("kitten", "sitting"), 3);
    assert_string_equal(nearest("resreve"), "reserve");
    assert_string_equal(nearest("recieve"), "receive");
    assert_string_equal(nearest("retrun"), "return");
    assert_string_equal(nearest("RESERVE"), "reserve"); /* codes are told apart by case */
    assert_null(nearest("xyzzy"));
}

static void width_is_that_of_a_terminal(void **state)
{
    (void)state;
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        skip();
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("\xc3\xa4"), 1);                 /* a umlaut */
    assert_int_equal(text_width("\xe5\x80\x89\xe5\xba\xab"), 4); /* two wide characters */
    assert_int_equal(text_width("e\xcc\x81"), 1);                /* combining accent */
    assert_int_equal(text_width("\xff"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_is_split_at_last_equals_and_first_at_after_it),
        cmocka_unit_test(line_says_what_is_wrong),
        cmocka_unit_test(line_takes_signs_and_zero_where_allowed),
        cmocka_unit_test(line_codes_have_at_most_64_bytes),
        cmocka_unit_test(durations),
        cmocka_unit_test(numbers),
        cmocka_unit_test(nearest_word),
        cmocka_unit_test(width_is_that_of_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

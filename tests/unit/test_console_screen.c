/* SPDX-License-Identifier: MIT
 *
 * console/canvas.c, text.c, settings.c and script.c: what does not need a terminal.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/canvas.h"
#include "console/script.h"
#include "console/settings.h"
#include "console/text.h"

static void row_is(const struct canvas *c, int row, const char *want)
{
    char text[2048];
    canvas_row_text(c, row, text, sizeof text);
    assert_string_equal(text, want);
}

static void widths(void **state)
{
    (void)state;
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("日本"), 4);
    assert_int_equal(text_width("e\xcc\x81"), 1); /* combining */
    assert_int_equal(text_width("\xff\xfe"), 2);  /* no UTF-8: one cell each */
    assert_int_equal(text_fit("日本", 3), 3);
    assert_int_equal(text_fit_words("one two three", 8), 7);
    assert_int_equal(text_fit_words("one two three", 7), 7);
    assert_int_equal(text_fit_words("one two", 99), 7);
    assert_int_equal(text_fit_words("onetwothree", 4), 4); /* no word ends there */
    assert_int_equal(text_fit_words("日本", 1), 0);
    assert_int_equal(text_fit_words("a", -1), 0);
}

/* What is before the caret is seen: the end of it, where there is no room for all. */
static void a_caret_is_seen(void **state)
{
    (void)state;
    int before;
    assert_string_equal(text_before("R-00Y9", 6, 6, &before), "R-00Y9");
    assert_int_equal(before, 6);
    assert_string_equal(text_before("R-00Y9", 6, 4, &before), "00Y9");
    assert_int_equal(before, 4);
    assert_string_equal(text_before("R-00Y9", 1, 4, &before), "R-00Y9");
    assert_int_equal(before, 1);
    assert_string_equal(text_before("日本x", 7, 4, &before), "本x"); /* no half of one */
    assert_int_equal(before, 3);
    assert_string_equal(text_before("ab", 2, -1, &before), "");
    assert_int_equal(before, 0);
}

static void canvas_cuts(void **state)
{
    (void)state;
    struct canvas c = {0};
    assert_true(canvas_resize(&c, 3, 8));
    canvas_text(&c, 0, 0, 99, STYLE_NORMAL, "0123456789");
    row_is(&c, 0, "01234567");
    canvas_text(&c, 1, 6, 9, STYLE_NORMAL, "a日"); /* half a character is none */
    row_is(&c, 1, "      a");
    canvas_text(&c, -1, 0, 9, STYLE_NORMAL, "x");
    canvas_text(&c, 3, 0, 9, STYLE_NORMAL, "x");
    canvas_text(&c, 2, 0, 9, STYLE_NORMAL, "a\033[31m\tb\x7f");
    row_is(&c, 2, "a?[31m?b");
    canvas_cell(&c, 2, 0, 5, STYLE_NORMAL, "abcdefg");
    row_is(&c, 2, "abcd~m?b");
    canvas_release(&c);
}

/* Half a number would be another number. */
static void numbers_are_not_cut(void **state)
{
    (void)state;
    struct canvas c = {0};
    assert_true(canvas_resize(&c, 1, 8));
    canvas_right(&c, 0, 0, 4, STYLE_NORMAL, "1,234");
    row_is(&c, 0, "1234");
    canvas_right(&c, 0, 0, 5, STYLE_NORMAL, "1,234");
    row_is(&c, 0, "1,234");
    canvas_right(&c, 0, 0, 5, STYLE_NORMAL, "");
    canvas_right(&c, 0, 0, 4, STYLE_NORMAL, "1234567");
    row_is(&c, 0, "####");
    canvas_right(&c, 0, 0, 4, STYLE_NORMAL, "1,234");
    row_is(&c, 0, "1234");
    canvas_right(&c, 0, 0, 4, STYLE_NORMAL, "12,345");
    row_is(&c, 0, "####");
    canvas_right(&c, 0, 0, 4, STYLE_NORMAL, "12");
    row_is(&c, 0, "  12");
    canvas_release(&c);
}

static void wide_characters_do_not_leave_halves(void **state)
{
    (void)state;
    struct canvas c = {0};
    assert_true(canvas_resize(&c, 1, 8));
    canvas_text(&c, 0, 0, 8, STYLE_NORMAL, "日本");
    canvas_text(&c, 0, 1, 1, STYLE_NORMAL, "x");
    row_is(&c, 0, " x本");
    canvas_text(&c, 0, 2, 1, STYLE_NORMAL, "y");
    row_is(&c, 0, " xy");
    c.ascii = true;
    canvas_text(&c, 0, 0, 8, STYLE_NORMAL, "é日");
    row_is(&c, 0, "??y");
    canvas_release(&c);
}

static void numbers(void **state)
{
    (void)state;
    char b[TEXT_NUMBER];
    assert_string_equal(text_number(0, b), "0");
    assert_string_equal(text_number(999, b), "999");
    assert_string_equal(text_number(48213, b), "48,213");
    assert_string_equal(text_number(-1234567, b), "-1,234,567");
    assert_string_equal(text_countdown(41, b), "00:00:41");
    assert_string_equal(text_countdown(-5, b), "00:00:00");
    assert_string_equal(text_countdown(3 * 86400 + 4 * 3600 + 300, b), "3d 04:05");
}

static void sparklines(void **state)
{
    (void)state;
    char text[64];
    const int64_t samples[] = {0, 50, 100, -1, 100}, flat[] = {7, 7, 7};
    text_sparkline(samples, 5, true, text, sizeof text);
    assert_string_equal(text, ".-# #"); /* unknown is a gap, not the lowest */
    text_sparkline(flat, 3, true, text, sizeof text);
    assert_string_equal(text, "...");
    text_sparkline(samples, 5, false, text, sizeof text);
    assert_int_equal(text_width(text), 5);
}

/* ------------------------------------------------------------- settings */

static bool settings_of(const char *text, struct settings *settings, char *error, size_t bytes)
{
    return settings_parse(settings, "console.yaml", text, strlen(text), error, bytes);
}

static void settings_good(void **state)
{
    (void)state;
    struct settings s;
    char error[1000];
    assert_true(settings_of("version: 1\nwarehouse: BER1\ncolours: none\nmouse: true\n"
                            "scanner: {prefix: \"~\"}\ncolumns:\n  stock: {trend: false}\n"
                            "  item: {safety: false}\n  reservations: {by: false}\n"
                            "  events: {at: false}\n  runs: {since: false}\n",
                            &s, error, sizeof error));
    assert_string_equal(s.warehouse, "BER1");
    assert_string_equal(s.scanner.prefix, "~");
    assert_true(s.mouse);
    const struct settings_columns *c = &s.columns;
    assert_false(c->stock.trend || c->item.safety || c->reservations.by || c->events.at ||
                 c->runs.since);
    assert_true(c->stock.on_hand && c->item.available && c->reservations.order && c->events.time &&
                c->runs.progress); /* defaults */
}

static void settings_bad(void **state)
{
    (void)state;
    struct settings s;
    char error[1000];
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"version: 1\ncolors: none\n", "console.yaml:2:1: error: unknown key \"colors\" (did you "
                                       "mean \"colours\"?)"},
        {"version: 1\ncolours: green\n", "colours must be auto or none"},
        {"warehouse: X\n", "lacks \"version\""},
        {"version: 1\nscanner: {prefix: \"12345678901234567\"}\n", "more than 16 bytes"},
        {"version: 1\nwarehouse: A\nwarehouse: B\n", "console.yaml:3:1: error: warehouse is given "
                                                     "twice"},
        {"version: 1\ncolumns: {stock: {trend: yes}}\n", "trend must be true or false"},
        {"version: 1\ncolumns: {events: {time: 1}}\n", "time must be true or false"},
        {"version: 1\ncolumns: {runs: {bar: true}}\n", "unknown key \"bar\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_false(settings_of(rows[i].text, &s, error, sizeof error));
        if (!strstr(error, rows[i].says))
            fail_msg("%s: says %s", rows[i].text, error);
    }
}

/* ------------------------------------------------------------- scripts */

static void scripts(void **state)
{
    (void)state;
    char error[500];
    struct script_step step;
    struct script *s = script_parse("x", "# keys\nkey F2\n\ntype ab\nscan 4006\nwait-for Stock\n",
                                    error, sizeof error);
    assert_non_null(s);
    int64_t now = 1;
    script_next(s, now, &step);
    assert_int_equal(step.wish, SCRIPT_BYTES);
    assert_memory_equal(step.bytes, "\033OQ", 3);
    script_next(s, now, &step);
    assert_int_equal(step.wish, SCRIPT_WAIT);
    for (int i = 0; i < 2; i++) {
        script_next(s, now += 60000, &step);
        assert_int_equal(step.byte_count, 1);
        assert_int_equal(step.bytes[0], "ab"[i]);
    }
    script_next(s, now += 60000, &step);
    assert_int_equal(step.byte_count, 5); /* all at once, with Enter */
    script_next(s, now += 60000, &step);
    assert_int_equal(step.wish, SCRIPT_LOOK);
    script_seen(s, false);
    script_next(s, now += 5000000, &step);
    assert_int_equal(step.wish, SCRIPT_LOOK);
    script_next(s, now += 6000000, &step);
    assert_int_equal(step.wish, SCRIPT_FAILED);
    assert_int_equal(step.line, 6);
    assert_int_equal(step.patience_s, 10);
    script_free(&s);
}

static void patience(void **state)
{
    (void)state;
    char error[500];
    struct script_step step;
    struct script *s =
        script_parse("x", "wait-for a\npatience 60\nwait-gone b\n", error, sizeof error);
    assert_non_null(s);
    int64_t now = 1000000;
    script_next(s, now, &step);
    assert_int_equal(step.patience_s, 10); /* of a wait before it: as ever */
    script_seen(s, true);
    script_next(s, now, &step); /* asked for in the second line, which is no step */
    assert_string_equal(step.text, "b");
    assert_int_equal(step.wish, SCRIPT_LOOK);
    script_next(s, now + 59000000, &step);
    assert_int_equal(step.wish, SCRIPT_LOOK);
    script_next(s, now + 61000000, &step);
    assert_int_equal(step.wish, SCRIPT_FAILED);
    assert_int_equal(step.patience_s, 60);
    assert_int_equal(step.line, 3);
    script_free(&s);
    /* The wait before it gives up after 10 s, whatever comes later. */
    s = script_parse("x", "wait-for a\npatience 60\n", error, sizeof error);
    assert_non_null(s);
    script_next(s, now, &step);
    script_next(s, now + 11000000, &step);
    assert_int_equal(step.wish, SCRIPT_FAILED);
    script_free(&s);
    s = script_parse("x", "patience 3600\nwait-for a\n", error, sizeof error);
    assert_non_null(s);
    script_free(&s);
    for (const char *const *bad =
             (const char *const[]){"", "0", "3601", "x", "6 s", "-1", "+6", " 6", NULL};
         *bad; bad++) {
        char text[100];
        snprintf(text, sizeof text, "patience %s\n", *bad);
        assert_null(script_parse("x", text, error, sizeof error));
        assert_string_equal(error, "x:1: error: patience needs seconds, 1 to 3600");
    }
}

static void bad_scripts(void **state)
{
    (void)state;
    char error[500];
    assert_null(script_parse("x", "key F2\nkey F99\n", error, sizeof error));
    assert_string_equal(error, "x:2: error: there is no key \"F99\"");
    assert_null(script_parse("x", "press F2\n", error, sizeof error));
    assert_non_null(strstr(error, "x:1: error: unknown command \"press\""));
    assert_null(script_parse("x", "type\n", error, sizeof error));
    assert_null(script_read("/nonexistent", error, sizeof error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths),
        cmocka_unit_test(a_caret_is_seen),
        cmocka_unit_test(canvas_cuts),
        cmocka_unit_test(numbers_are_not_cut),
        cmocka_unit_test(wide_characters_do_not_leave_halves),
        cmocka_unit_test(numbers),
        cmocka_unit_test(sparklines),
        cmocka_unit_test(settings_good),
        cmocka_unit_test(settings_bad),
        cmocka_unit_test(scripts),
        cmocka_unit_test(patience),
        cmocka_unit_test(bad_scripts),
    };
    setlocale(LC_ALL, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

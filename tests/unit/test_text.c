/* SPDX-License-Identifier: MIT
 *
 * protocol/text.c: which bytes are a code or a text, and how codes compare.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/text.h"

static const char *fault(const char *text)
{
    return code_fault(text, strlen(text));
}

static void test_codes(void **state)
{
    (void)state;
    static const char *const good[] = {"a",        "85123A",       "a b",
                                       "Größe-42", "\xe2\x82\xac", "\xf0\x9f\x8d\xba",
                                       "\"';--",   "\xc2\xa0",     "=SUM(A1)"};
    char longest[CODE_BYTES_MAX + 1];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_null(fault(good[i]));
    memset(longest, 'x', sizeof longest);
    assert_null(code_fault(longest, CODE_BYTES_MAX));
    assert_string_equal(code_fault(longest, CODE_BYTES_MAX + 1), "is longer than 64 bytes");
    assert_string_equal(fault(""), "is empty");
    assert_string_equal(fault(" a"), "begins or ends with a blank");
    assert_string_equal(fault("a "), "begins or ends with a blank");
    assert_string_equal(fault(" "), "begins or ends with a blank");
}

static void test_control_characters(void **state)
{
    (void)state;
    for (int c = 0; c < 0x20; c++) {
        char text[3] = {'a', (char)c, 'b'};
        assert_string_equal(code_fault(text, 3), "holds a control character");
    }
    assert_string_equal(fault("\x7f"), "holds a control character");
    for (int c = 0x80; c < 0xa0; c++) { /* C1 */
        char text[2] = {(char)0xc2, (char)c};
        assert_string_equal(code_fault(text, 2), "holds a control character");
    }
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {
        {"\x80", 1},             /* a tail without a head */
        {"\xbf", 1},             /* likewise */
        {"\xc3", 1},             /* cut short */
        {"\xe2\x82", 2},         /* likewise */
        {"\xf0\x9f\x8d", 3},     /* likewise */
        {"\xc3(", 2},            /* no tail */
        {"\xe2(\xac", 3},        /* likewise */
        {"\xf0\x9f(\xba", 4},    /* likewise */
        {"\xc0\xaf", 2},         /* overlong */
        {"\xc1\xbf", 2},         /* likewise */
        {"\xe0\x9f\xbf", 3},     /* likewise */
        {"\xf0\x8f\xbf\xbf", 4}, /* likewise */
        {"\xed\xa0\x80", 3},     /* a surrogate */
        {"\xed\xbf\xbf", 3},     /* likewise */
        {"\xf4\x90\x80\x80", 4}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", 4}, /* likewise */
        {"\xff", 1},
        {"\xfe", 1},
    };
    static const char *const good[] = {"\xc2\xa0",         "\xdf\xbf",        "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",     "\xee\x80\x80",    "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_string_equal(code_fault(bad[i].bytes, bad[i].length), "is not valid UTF-8");
        assert_string_equal(text_fault(bad[i].bytes, bad[i].length, 9), "is not valid UTF-8");
        assert_false(text_is_utf8(bad[i].bytes, bad[i].length));
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_null(fault(good[i]));
        assert_true(text_is_utf8(good[i], strlen(good[i])));
    }
    assert_true(text_is_utf8("\x01", 1)); /* it is no good text, but it is UTF-8 */
    assert_false(text_is_utf8("\x01\xff", 2));
}

static void test_texts(void **state)
{
    char note[NOTE_BYTES_MAX + 1];

    (void)state;
    memset(note, 'n', sizeof note);
    assert_null(text_fault("", 0, 5));
    assert_null(text_fault(NULL, 0, 5));
    assert_null(text_fault(" ab ", 4, 4)); /* blanks are fine here */
    assert_string_equal(text_fault("abcde", 5, 4), "is too long");
    assert_string_equal(text_fault(note, sizeof note, NOTE_BYTES_MAX), "is longer than 255 bytes");
    assert_string_equal(text_fault("a\nb", 3, 9), "holds a control character");
}

static void test_comparing(void **state)
{
    (void)state;
    struct code a, b, none;

    code_set(&a, "ab", 2);
    code_set(&b, "ab ", 3); /* as VARBINARY, not as text: a blank counts */
    code_set(&none, NULL, 0);
    assert_string_equal(a.bytes, "ab");
    assert_false(code_equal(&a, &b));
    assert_true(code_compare(&a, &b) < 0);
    assert_true(code_compare(&b, &a) > 0);
    assert_true(code_compare(&none, &a) < 0);
    assert_true(code_is(&a, "ab", 2));
    assert_false(code_is(&a, "aB", 2));
    assert_true(code_is(&none, "", 0));
    code_set(&b, "\xc3\xa9", 2); /* bytes are unsigned */
    assert_true(code_compare(&a, &b) < 0);
    code_set(&b, "ab", 2);
    assert_true(code_equal(&a, &b));
    assert_int_equal(code_compare(&a, &b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),     cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_utf8),      cmocka_unit_test(test_texts),
        cmocka_unit_test(test_comparing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

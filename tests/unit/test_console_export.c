/* SPDX-License-Identifier: MIT
 *
 * console/export.c: names, values that need quotes, and files that cannot be written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "console/export.h"
#include "console/text.h"

static void values(void **state)
{
    char text[256] = "";
    struct export_file out = {.file = fmemopen(text, sizeof text, "w")};
    (void)state;

    export_head(&out, "code", "#figure", NULL);
    export_row(&out, "A,1", "say \"no\"", "", "plain", " blank", "two\nlines", NULL);
    export_row(&out, "=1+1", "@cmd", "+5 -3r", "-12", "+7", "-", "a=b", NULL);
    export_row(&out, "x", NULL);
    fclose(out.file);
    assert_string_equal(text, "code,figure\n"
                              "\"A,1\",\"say \"\"no\"\"\",,plain, blank,\"two\nlines\"\n"
                              "'=1+1,'@cmd,'+5 -3r,-12,+7,-,a=b\nx\n");
}

/* Numbers are numbers, nothing is null, and no text ends the line. */
static void objects(void **state)
{
    char text[256] = "";
    struct export_file out = {.file = fmemopen(text, sizeof text, "w"), .json = true};
    (void)state;

    export_head(&out, "what", "#by", "note", NULL);
    export_row(&out, "say \"no\"", "-3", "two\nlines \\ \xc3\xa9/", NULL);
    export_row(&out, "=1+1", "", "", NULL);
    export_row(&out, "a gap", NULL);
    fclose(out.file);
    assert_string_equal(text, "{\"what\":\"say \\\"no\\\"\",\"by\":-3,"
                              "\"note\":\"two\\nlines \\\\ \xc3\xa9/\"}\n"
                              "{\"what\":\"=1+1\",\"by\":null,\"note\":null}\n"
                              "{\"what\":\"a gap\"}\n");
}

/* Two files of one second are two files. */
static void names(void **state)
{
    struct export_file files[4];
    char error[256];
    (void)state;

    for (int i = 0; i < 4; i++) {
        assert_true(export_create(&files[i], "stock", i == 3, error, sizeof error));
        export_row(&files[i], "kept", NULL);
        assert_true(export_close(&files[i], true, error, sizeof error));
        assert_null(files[i].file);
        assert_non_null(strstr(files[i].path, i == 3 ? ".jsonl" : ".csv"));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(files[i].path, files[j].path);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(unlink(files[i].path), 0);
}

static void what_is_not_whole_goes(void **state)
{
    struct export_file out;
    char error[256] = "";
    (void)state;

    assert_true(export_create(&out, "events", false, error, sizeof error));
    assert_true(export_close(&out, false, error, sizeof error));
    assert_int_equal(access(out.path, F_OK), -1);
    out = (struct export_file){.file = fopen("/dev/full", "w"), .path = "no-such-file"};
    assert_non_null(out.file);
    export_row(&out, "no room", NULL);
    assert_false(export_close(&out, true, error, sizeof error));
    assert_non_null(strstr(error, "No space left"));
}

static void nowhere_to_write(void **state)
{
    struct export_file out;
    char error[256] = "";
    char folder[] = "/tmp/hfx-XXXXXX", before[4096];
    (void)state;

    assert_non_null(getcwd(before, sizeof before));
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_false(export_create(&out, "runs", false, error, sizeof error));
    assert_non_null(strstr(error, "No such file or directory: holdfast-runs-"));
    assert_int_equal(chdir(before), 0);
}

static void times(void **state)
{
    char text[TEXT_TIME];
    (void)state;

    assert_string_equal(text_time(1795699587824999, text), "2026-11-26T13:26:27.824Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(objects),
        cmocka_unit_test(names),
        cmocka_unit_test(what_is_not_whole_goes),
        cmocka_unit_test(nowhere_to_write),
        cmocka_unit_test(times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

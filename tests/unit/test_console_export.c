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
    FILE *file = fmemopen(text, sizeof text, "w");
    (void)state;

    export_row(file, "A,1", "say \"no\"", "", "plain", " blank", "two\nlines", NULL);
    export_row(file, "=1+1", "@cmd", "+5 -3r", "-12", "+7", "-", "a=b", NULL);
    export_row(file, "x", NULL);
    fclose(file);
    assert_string_equal(text, "\"A,1\",\"say \"\"no\"\"\",,plain, blank,\"two\nlines\"\n"
                              "'=1+1,'@cmd,'+5 -3r,-12,+7,-,a=b\nx\n");
}

/* Two files of one second are two files. */
static void names(void **state)
{
    char paths[3][EXPORT_PATH], error[256];
    (void)state;

    for (int i = 0; i < 3; i++) {
        FILE *file = export_create("stock", paths[i], error, sizeof error);
        assert_non_null(file);
        export_row(file, "kept", NULL);
        assert_true(export_close(&file, true, paths[i], error, sizeof error));
        assert_null(file);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(paths[i], paths[j]);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(unlink(paths[i]), 0);
}

static void what_is_not_whole_goes(void **state)
{
    char path[EXPORT_PATH], error[256] = "";
    (void)state;

    FILE *file = export_create("events", path, error, sizeof error);
    assert_non_null(file);
    assert_true(export_close(&file, false, path, error, sizeof error));
    assert_int_equal(access(path, F_OK), -1);
    file = fopen("/dev/full", "w");
    assert_non_null(file);
    export_row(file, "no room", NULL);
    assert_false(export_close(&file, true, "no-such-file", error, sizeof error));
    assert_non_null(strstr(error, "No space left"));
}

static void nowhere_to_write(void **state)
{
    char path[EXPORT_PATH], error[256] = "";
    char folder[] = "/tmp/hfx-XXXXXX", before[4096];
    (void)state;

    assert_non_null(getcwd(before, sizeof before));
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_null(export_create("runs", path, error, sizeof error));
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
        cmocka_unit_test(names),
        cmocka_unit_test(what_is_not_whole_goes),
        cmocka_unit_test(nowhere_to_write),
        cmocka_unit_test(times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

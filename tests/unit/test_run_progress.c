/* SPDX-License-Identifier: MIT
 *
 * What a run says of itself at its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "cli/run_engine.h"

static void expect_summary(const struct engine *engine, const char *expected)
{
    FILE *out = stdout;
    char *text = NULL;
    size_t bytes;

    assert_non_null(stdout = open_memstream(&text, &bytes));
    engine_summary(engine, false);
    fclose(stdout);
    stdout = out;
    assert_string_equal(text, expected);
    free(text);
}

static void test_a_summary_counts_what_was_done_and_what_is_left(void **state)
{
    struct engine engine = {.run = "R", .lines = 10, .applied = 3, .skipped = 2, .refused = 1};

    (void)state;
    expect_summary(&engine, "run R: 10 lines: 3 applied, 2 skipped, 1 refused, 4 left\n");
    /* An undo of a run that was cut off, completed and undone again: its record says 4096. */
    engine = (struct engine){.run = "undo-R", .lines = 4096, .skipped = 4096, .applied = 13904};
    expect_summary(&engine, "run undo-R: 18000 lines: 13904 applied, 4096 skipped, 0 refused\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_summary_counts_what_was_done_and_what_is_left),
    };
    return cmocka_run_group_tests_name("runs: the summary", tests, NULL, NULL);
}

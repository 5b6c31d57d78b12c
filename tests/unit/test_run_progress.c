/* SPDX-License-Identifier: MIT
 *
 * What is said of a run: while it goes on, a bar on a terminal and plain lines elsewhere; and at
 * its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/run_engine.h"
#include "common/clock.h"

#define MARK "\001"
#define PATIENCE_MS 10000

/* Lines of 10 s, as the engine says them. */
static void say(struct engine *engine, bool now)
{
    engine->begun_us = clock_monotonic_us() - 10000000;
    engine_progress(engine, now);
}

/* What say writes to standard error when that is `to`. */
static char *said(struct engine *engine, int from, int to, bool now)
{
    static char text[1000];
    int before = dup(STDERR_FILENO);
    struct pollfd ready = {.fd = from, .events = POLLIN};
    size_t bytes = 0;

    assert_true(before >= 0 && dup2(to, STDERR_FILENO) >= 0);
    say(engine, now);
    fflush(stderr);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    /* A terminal hands on what was written after a while, and in pieces: up to a mark. */
    assert_int_equal(write(to, MARK, 1), 1);
    do {
        assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
        ssize_t more = read(from, text + bytes, sizeof text - 1 - bytes);
        assert_true(more > 0);
        bytes += (size_t)more;
    } while (text[bytes - 1] != MARK[0]);
    text[bytes - 1] = '\0';
    return text;
}

static void test_plain_lines(void **state)
{
    struct engine engine = {
        .lines = 1000, .applied = 200, .refused = 20, .failed = 5, .skipped = 25};
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_string_equal(said(&engine, ends[0], ends[1], false), ""); /* not at once */
    engine.tell_next_us = 1;
    char *text = said(&engine, ends[0], ends[1], false);
    /* 225 were worked on in 10 s, and 750 are left */
    assert_string_equal(text,
                        "250 of 1000 lines  22/s  33 s left  ok 200  skipped 25  failed 25\n");
    assert_string_equal(said(&engine, ends[0], ends[1], false), ""); /* the next in 10 s */
    assert_string_equal(said(&engine, ends[0], ends[1], true), "");  /* no last one: the summary */
    close(ends[0]);
    close(ends[1]);
}

static void test_a_bar_on_a_terminal(void **state)
{
    struct engine engine = {.lines = 1000, .applied = 500};
    int master = posix_openpt(O_RDWR | O_NOCTTY);

    (void)state;
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    char *text = said(&engine, master, terminal, false);
    assert_string_equal(text, "\r\033[K[##########..........] 500 of 1000 lines  50/s  10 s left  "
                              "ok 500  skipped 0  failed 0");
    assert_string_equal(said(&engine, master, terminal, false), ""); /* four times a second */
    engine.applied = 1000;
    assert_non_null(strstr(said(&engine, master, terminal, true), "[####################] 1000"));
    close(terminal);
    close(master);
}

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
    engine = (struct engine){.run = "R", .lines = 1, .applied = 1};
    expect_summary(&engine, "run R: 1 line: 1 applied, 0 skipped, 0 refused\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_lines),
        cmocka_unit_test(test_a_bar_on_a_terminal),
        cmocka_unit_test(test_a_summary_counts_what_was_done_and_what_is_left),
    };
    return cmocka_run_group_tests_name("runs: what is said of them", tests, NULL, NULL);
}

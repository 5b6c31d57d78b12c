/* SPDX-License-Identifier: MIT
 *
 * console/count_list.c and count_sheet.c: lists that are counted.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console/count_list.h"

static struct count_list list_of(const char *skus)
{
    struct count_list list = {0};
    char copy[64], *save = NULL;

    snprintf(copy, sizeof copy, "%s", skus);
    for (char *sku = strtok_r(copy, " ", &save); sku; sku = strtok_r(NULL, " ", &save))
        assert_true(count_list_add(&list, sku, "W"));
    return list;
}

static void take(struct count_list *list, uint32_t line, int status, bool open)
{
    count_list_take(list,
                    &(struct holdfast_run_line){.line = line, .status = status, .open = open});
}

static void what_is_counted_stays_so(void **state)
{
    (void)state;
    struct count_list list = list_of("A B C");

    take(&list, 2, HOLDFAST_APPLIED, false);
    /* An answer that is older than a count made here, and whatever is said later. */
    take(&list, 2, HOLDFAST_UNAVAILABLE, true);
    take(&list, 2, HOLDFAST_VERSION_CONFLICT, false);
    assert_int_equal(list.lines[1].state, COUNT_DONE);
    take(&list, 3, HOLDFAST_VERSION_CONFLICT, false);
    assert_int_equal(list.lines[2].state, COUNT_CONFLICT);
    take(&list, 4, HOLDFAST_APPLIED, false); /* beyond it */
    take(&list, 0, HOLDFAST_APPLIED, false);
    struct count_tally tally = count_list_tally(&list);
    assert_int_equal(tally.done, 1);
    assert_int_equal(tally.conflicts, 1);
    assert_int_equal(tally.left, 1);
    count_list_release(&list);
}

static void the_next_is_one_that_nobody_counted(void **state)
{
    (void)state;
    struct count_list list = list_of("A B C D");

    assert_int_equal(count_list_next(&list, 0), 1);
    take(&list, 2, HOLDFAST_APPLIED, false);
    take(&list, 3, HOLDFAST_VERSION_CONFLICT, false); /* a conflict holds nobody up */
    assert_int_equal(count_list_next(&list, 1), 4);
    assert_int_equal(count_list_next(&list, 4), 1); /* from the start again */
    take(&list, 1, HOLDFAST_APPLIED, false);
    take(&list, 4, HOLDFAST_APPLIED, false);
    assert_int_equal(count_list_next(&list, 2), 0);
    count_list_release(&list);
    assert_int_equal(count_list_next(&list, 0), 0);
}

static void a_scan_finds_the_line_that_is_open(void **state)
{
    (void)state;
    struct count_list list = list_of("A B");

    assert_true(count_list_add(&list, "A", "V"));
    assert_int_equal(count_list_find(&list, "A", ""), 1);
    assert_int_equal(count_list_find(&list, "A", "V"), 3);
    take(&list, 1, HOLDFAST_APPLIED, false);
    assert_int_equal(count_list_find(&list, "A", ""), 3);
    take(&list, 3, HOLDFAST_APPLIED, false);
    assert_int_equal(count_list_find(&list, "A", ""), 1); /* so that it can be said: counted */
    assert_int_equal(count_list_find(&list, "a", ""), 0);
    assert_int_equal(count_list_find(&list, "B", "V"), 0);
    count_list_release(&list);
}

static void digests(void **state)
{
    (void)state;
    struct count_list a = list_of("A B"), b = list_of("A B"), c = list_of("B A"),
                      d = list_of("AWB");
    uint8_t of_a[32], of_b[32];

    assert_true(count_list_digest(&a, "run", of_a) && count_list_digest(&b, "run", of_b));
    assert_memory_equal(of_a, of_b, 32);
    take(&a, 1, HOLDFAST_APPLIED, false); /* what became of it does not matter */
    assert_true(count_list_digest(&a, "run", of_b));
    assert_memory_equal(of_a, of_b, 32);
    assert_true(count_list_digest(&a, "ru", of_b));
    assert_memory_not_equal(of_a, of_b, 32);
    assert_true(count_list_digest(&c, "run", of_b));
    assert_memory_not_equal(of_a, of_b, 32);
    assert_true(count_list_digest(&d, "run", of_b));
    assert_memory_not_equal(of_a, of_b, 32);
    count_list_release(&a);
    count_list_release(&b);
    count_list_release(&c);
    count_list_release(&d);
}

static void limits(void **state)
{
    (void)state;
    struct count_list list = {0};

    assert_false(count_list_add(&list, "", "W"));
    assert_false(count_list_add(&list, "A", "W "));
    assert_true(count_list_resize(&list, COUNT_LINES_MAX));
    assert_int_equal(list.lines[COUNT_LINES_MAX - 1].state, COUNT_MISSING);
    assert_false(count_list_resize(&list, COUNT_LINES_MAX + 1));
    assert_false(count_list_add(&list, "A", "W"));
    assert_int_equal(list.count, COUNT_LINES_MAX);
    /* The record says what a line is. */
    count_list_take(&list,
                    &(struct holdfast_run_line){
                        .line = 7, .sku = "S", .warehouse = "W", .open = true, .status = 43});
    assert_int_equal(list.lines[6].state, COUNT_OPEN);
    assert_string_equal(list.lines[6].sku, "S");
    count_list_release(&list);
}

static bool read_sheet(const char *name, const char *text, char run[CODE_BYTES_MAX + 1],
                       struct count_list *list, char *error, size_t bytes)
{
    char path[64];

    snprintf(path, sizeof path, "/tmp/holdfast-%d-%s", (int)getpid(), name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    bool good = count_sheet_read(path, run, list, error, bytes);
    unlink(path);
    return good;
}

static void sheets(void **state)
{
    (void)state;
    struct count_list list = {0};
    char run[CODE_BYTES_MAX + 1], error[1024] = "";

    assert_true(read_sheet("good.yaml",
                           "version: 1\nrun: friday\nlines:\n"
                           "  - {op: count, sku: A, warehouse: W, if_version: 3, to: }\n"
                           "  - {op: count, sku: \"007\", warehouse: W, to: }\n",
                           run, &list, error, sizeof error));
    assert_string_equal(run, "friday");
    assert_int_equal(list.count, 2);
    assert_string_equal(list.lines[1].sku, "007");
    count_list_release(&list);
    assert_true(read_sheet("good.csv", "run,op,sku,warehouse,to\nfriday,count,A,W,\n", run, &list,
                           error, sizeof error));
    assert_int_equal(list.count, 1);
    count_list_release(&list);
    assert_false(read_sheet("filled.yaml",
                            "version: 1\nrun: friday\nlines:\n"
                            "  - {op: count, sku: A, warehouse: W, to: 5}\n",
                            run, &list, error, sizeof error));
    assert_non_null(strstr(error, ":4:5: error: it is filled in already"));
    count_list_release(&list);
    assert_false(read_sheet("other.yaml",
                            "version: 1\nrun: friday\nlines:\n"
                            "  - {op: receive, sku: A, warehouse: W, by: 5}\n",
                            run, &list, error, sizeof error));
    assert_non_null(strstr(error, ":4:5: error: a count sheet has counts only"));
    count_list_release(&list);
    assert_false(
        read_sheet("bad.yaml", "version: 1\nrum: friday\n", run, &list, error, sizeof error));
    assert_non_null(strstr(error, ":2:1: error: unknown key \"rum\""));
    count_list_release(&list);
    assert_false(count_sheet_read("/nowhere", run, &list, error, sizeof error));
    assert_string_equal(error, "could not open \"/nowhere\": No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_counted_stays_so),
        cmocka_unit_test(the_next_is_one_that_nobody_counted),
        cmocka_unit_test(a_scan_finds_the_line_that_is_open),
        cmocka_unit_test(digests),
        cmocka_unit_test(limits),
        cmocka_unit_test(sheets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

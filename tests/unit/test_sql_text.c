/* SPDX-License-Identifier: MIT
 *
 * Text of SQL: the forms that values take, and that no value can leave its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "workers/sql_text.h"

static void expect_text(const struct sql *sql, const char *text)
{
    assert_int_equal(sql->length, strlen(text));
    assert_memory_equal(sql->bytes, text, sql->length);
}

static void numbers(void **state)
{
    struct sql sql;

    (void)state;
    sql_init(&sql);
    sql_add(&sql, "(");
    sql_list_int(&sql, INT64_MIN);
    sql_list_int(&sql, -1);
    sql_list_int(&sql, 0);
    sql_list_uint(&sql, UINT64_MAX);
    expect_text(&sql, "(-9223372036854775808,-1,0,18446744073709551615");
    sql_release(&sql);
}

static void bytes_are_hex(void **state)
{
    static const uint8_t every[] = {0x00, '\'', '\\', ';', '-', 0xff};
    struct sql sql;

    (void)state;
    sql_init(&sql);
    sql_hex(&sql, every, sizeof every);
    sql_list_hex(&sql, NULL, 0);
    expect_text(&sql, "x'00275c3b2dff',x''");
    sql_release(&sql);
}

static void derived_table(void **state)
{
    static const char *const names[] = {"p", "s", NULL};
    struct sql_rows rows;
    struct sql sql;
    struct code code;

    (void)state;
    code_set(&code, "A", 1);
    sql_init(&sql);
    sql_rows_begin(&sql, &rows, names);
    for (int i = 0; i < 3; i++) {
        sql_rows_next(&sql, &rows);
        sql_rows_int(&sql, &rows, i);
        sql_rows_code(&sql, &rows, &code);
    }
    sql_rows_end(&sql, &rows);
    expect_text(&sql, "(SELECT 0 AS p,x'41' AS s UNION ALL VALUES (1,x'41'),(2,x'41')) n");

    sql_reset(&sql);
    sql_rows_begin(&sql, &rows, names);
    sql_rows_next(&sql, &rows);
    sql_rows_uint(&sql, &rows, 7);
    sql_rows_hex(&sql, &rows, "B", 1);
    sql_rows_end(&sql, &rows);
    expect_text(&sql, "(SELECT 7 AS p,x'42' AS s) n");
    sql_release(&sql);
}

static void derived_table_of_mysql(void **state)
{
    static const char *const names[] = {"p", NULL};
    struct sql_rows rows;
    struct sql sql;

    (void)state;
    sql_init(&sql);
    sql.values_row = true;
    sql_rows_begin(&sql, &rows, names);
    for (int i = 0; i < 3; i++) {
        sql_rows_next(&sql, &rows);
        sql_rows_int(&sql, &rows, i);
    }
    sql_rows_end(&sql, &rows);
    expect_text(&sql, "(SELECT 0 AS p UNION ALL VALUES ROW(1),ROW(2)) n");
    sql_release(&sql);
}

static void grows(void **state)
{
    static uint8_t megabyte[1024 * 1024];
    struct sql sql;

    (void)state;
    memset(megabyte, 0xab, sizeof megabyte);
    sql_init(&sql);
    for (int i = 0; i < 3; i++)
        sql_hex(&sql, megabyte, sizeof megabyte);
    assert_int_equal(sql.length, 3 * (2 * sizeof megabyte + 3));
    assert_memory_equal(sql.bytes + sql.length - 3, "ab'", 3);
    sql_release(&sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),       cmocka_unit_test(bytes_are_hex),
        cmocka_unit_test(derived_table), cmocka_unit_test(derived_table_of_mysql),
        cmocka_unit_test(grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

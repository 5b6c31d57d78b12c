/* SPDX-License-Identifier: MIT
 *
 * schema/apply: the files are in the program, and are cut into statements where they end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/apply.h"

static void expect_statements(const char *text, const char *const *expected)
{
    char statement[512];
    size_t offset = 0, length;

    while (schema_statement(text, strlen(text), &offset, statement, &length)) {
        statement[length] = '\0';
        assert_non_null(*expected);
        assert_string_equal(statement, *expected++);
    }
    assert_null(*expected);
}

static void test_statements(void **state)
{
    (void)state;
    expect_statements("", (const char *const[]){NULL});
    expect_statements(" ;; -- x; y\n/* ; */;", (const char *const[]){NULL});
    expect_statements("A;B", (const char *const[]){"A", "B", NULL});
    expect_statements("-- first; not\nA (\n  b, -- why; so\n  c\n) ;\n\nB;\n",
                      (const char *const[]){"A ( b, c )", "B", NULL});
    expect_statements("SET a='x;  y''z', `b;`=\"-- no\";C",
                      (const char *const[]){"SET a='x;  y''z', `b;`=\"-- no\"", "C", NULL});
    expect_statements("a-1--1;", (const char *const[]){"a-1--1", NULL});
    expect_statements("a/* open", (const char *const[]){"a", NULL});
    expect_statements("a 'open", (const char *const[]){"a 'open", NULL});
}

/* Run from the project's top, as `make unit` does. */
static void test_every_file_is_embedded(void **state)
{
    glob_t found;
    char expected[64];
    static char text[1 << 20];

    (void)state;
    assert_int_equal(glob("schema/*.sql", 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, SCHEMA_VERSION);
    for (unsigned i = 0; i < SCHEMA_VERSION; i++) {
        size_t length;
        snprintf(expected, sizeof expected, "schema/%03u.sql", i + 1);
        assert_string_equal(found.gl_pathv[i], expected);
        FILE *file = fopen(expected, "r");
        assert_non_null(file);
        size_t there = fread(text, 1, sizeof text, file);
        fclose(file);
        const char *embedded = schema_file(i + 1, &length);
        assert_int_equal(length, there);
        assert_memory_equal(embedded, text, there);
    }
    globfree(&found);
    size_t length;
    assert_null(schema_file(0, &length));
    assert_null(schema_file(SCHEMA_VERSION + 1, &length));
}

/* DDL commits by itself, so progress is kept per statement: each must be one that is atomic. */
static void test_statements_are_single_ddl(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= SCHEMA_VERSION; i++) {
        size_t length, offset = 0, statement_length;
        const char *text = schema_file(i, &length);
        char *statement = malloc(length);
        while (schema_statement(text, length, &offset, statement, &statement_length)) {
            bool ddl =
                strncmp(statement, "CREATE ", 7) == 0 || strncmp(statement, "ALTER ", 6) == 0;
            if (!ddl)
                fail_msg("%03u.sql: neither CREATE nor ALTER: %.60s", i, statement);
        }
        free(statement);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_every_file_is_embedded),
        cmocka_unit_test(test_statements_are_single_ddl),
    };
    return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * CSV as spreadsheets write it, and the lines that an import takes or rejects.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "common/csv.h"
#include "cli/import.h"

static struct csv_reader reader;
static FILE *file;

static const char *open_text(const char *text, size_t bytes)
{
    if (file != NULL)
        fclose(file);
    file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    return csv_open(&reader, file);
}

#define OPEN(text) assert_null(open_text(text, sizeof(text) - 1))

/* The record's fields joined by |, or !fault. */
static const char *next(void)
{
    static char text[512];
    const struct csv_record *record = csv_next(&reader);
    if (record == NULL)
        return "end";
    if (record->fault != NULL) {
        snprintf(text, sizeof(text), "!%s", record->fault);
        return text;
    }
    text[0] = '\0';
    for (size_t i = 0; i < record->field_count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i > 0 ? "|" : "",
                 record->fields[i]);
    return text;
}

static void plain_and_quoted(void **state)
{
    (void)state;
    OPEN("a,b,c\n1,\"two, \"\"2\"\"\",3\n,,\n\"\",\"\",\"\"\nlast,line,without");
    assert_string_equal(next(), "a|b|c");
    assert_string_equal(next(), "1|two, \"2\"|3");
    assert_string_equal(next(), "||");
    assert_string_equal(next(), "||");
    assert_string_equal(next(), "last|line|without");
    assert_string_equal(next(), "end");
    assert_string_equal(next(), "end");
}

static void bom_semicolons_crlf_empty_lines(void **state)
{
    (void)state;
    OPEN("\xef\xbb\xbfsku;name\r\n\r\nA;\"x;y\"\r\nB;1,5\r\n");
    assert_string_equal(next(), "sku|name");
    assert_string_equal(next(), "A|x;y");
    assert_int_equal(reader.record.line, 3);
    assert_string_equal(next(), "B|1,5");
    assert_int_equal(reader.record.number, 2);
    assert_string_equal(next(), "end");
}

static void tabs_are_told(void **state)
{
    static const char tabs[] = "\xef\xbb\xbfsku\twarehouse\r\nA\tB\r\n", one[] = "sku;a\tb\n";
    (void)state;
    assert_string_equal(open_text(tabs, sizeof tabs - 1),
                        "its columns are separated by tabs: save it with , or ; between them");
    assert_null(open_text(one, sizeof one - 1));
}

static void every_field_has_its_place(void **state)
{
    (void)state;
    uint64_t line, column;
    OPEN("\xef\xbb\xbf"
         "a,b\n\xc3\xa9\xe2\x82\xac,\"x\ny\",z\n\n\"open,1\n2,3\n");
    next();
    assert_string_equal(next(), "\xc3\xa9\xe2\x82\xac|x\ny|z");
    csv_place(&reader.record, reader.record.starts[1], &line, &column);
    assert_int_equal(line, 2);
    assert_int_equal(column, 4);
    csv_place(&reader.record, reader.record.starts[2], &line, &column);
    assert_int_equal(line, 3);
    assert_int_equal(column, 4);
    assert_string_equal(next(), "!a quote is not closed");
    assert_int_equal(reader.record.line, 5);
    assert_string_equal(next(), "2|3");
    assert_int_equal(reader.offset, ftell(file));
}

static void lines_are_counted_inside_quotes(void **state)
{
    (void)state;
    OPEN("a,b\n1,\"x\ny\r\nz\"\n2,3\n");
    next();
    assert_string_equal(next(), "1|x\ny\r\nz");
    assert_int_equal(reader.record.line, 2);
    assert_string_equal(next(), "2|3");
    assert_int_equal(reader.record.line, 5);
}

static void a_quote_that_is_not_closed_costs_one_line(void **state)
{
    (void)state;
    OPEN("a,b\n1,\"x\n2,y\n3,z\n");
    next();
    assert_string_equal(next(), "!a quote is not closed");
    assert_int_equal(reader.record.line, 2);
    assert_int_equal(reader.record.raw_bytes, 4);
    assert_string_equal(next(), "2|y");
    assert_int_equal(reader.record.line, 3);
    assert_string_equal(next(), "3|z");
    assert_string_equal(next(), "end");
}

static void quotes_in_the_middle(void **state)
{
    (void)state;
    OPEN("a,b\n\"x\"y,1\n5\" pipe,2\nend,3\n");
    next();
    assert_string_equal(next(), "!there is text after a closing quote");
    assert_string_equal(next(), "5\" pipe|2");
    assert_string_equal(next(), "end|3");
}

static void what_cannot_be_csv(void **state)
{
    char text[CSV_RECORD_BYTES + 100];
    (void)state;
    assert_non_null(open_text("", 0));
    assert_non_null(open_text("\xff\xfe"
                              "a\0",
                              4));
    assert_string_equal(open_text("a\0,\0", 4), CSV_UTF16); /* without its mark */
    assert_string_equal(open_text("\0a\0,", 4), CSV_UTF16);
    OPEN("a,b\n1,x\0y\n2,3\n");
    next();
    assert_string_equal(next(), "!it holds a NUL byte");
    assert_string_equal(next(), "2|3");
    memset(text, 'x', sizeof(text));
    memcpy(text, "a,b\n", 4);
    memcpy(text + sizeof(text) - 5, "\n4,5\n", 5);
    assert_null(open_text(text, sizeof(text)));
    next();
    assert_int_equal(next()[0], '!');
    assert_string_equal(next(), "4|5");
}

static void fields_are_written_as_they_are_read(void **state)
{
    static const char *const fields[] = {"plain", "a;b", "say \"x\"", "two\nlines", ""};
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    (void)state;
    fputs("h;h;h;h;h\n", out);
    for (size_t i = 0; i < 5; i++) {
        csv_write_field(out, fields[i], ';');
        putc(i < 4 ? ';' : '\n', out);
    }
    fclose(out);
    assert_null(open_text(text, bytes));
    next();
    const struct csv_record *record = csv_next(&reader);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(record->fields[i], fields[i]);
    free(text);
}

/* ------------------------------------------------------------- rows */

static const char *row_fault(const char *text, struct import_row *row)
{
    static struct import_fault fault;
    static char words[400];
    struct import_columns columns;
    char why[256];
    assert_null(open_text(text, strlen(text)));
    assert_null(import_header(csv_next(&reader), &columns, "f.csv", false, why));
    if (import_row_read(csv_next(&reader), &columns, row, &fault))
        return "";
    snprintf(words, sizeof(words), "%s: %s", fault.column != NULL ? fault.column : "-", fault.why);
    return words;
}

static void rows(void **state)
{
    struct import_row row;
    (void)state;
    assert_string_equal(row_fault("Warehouse,ON_HAND,sku,other\nW,7,A,x\n", &row), "");
    assert_string_equal(row.sku, "A");
    assert_string_equal(row.warehouse, "W");
    assert_int_equal(row.on_hand, 7);
    assert_false(row.has_safety_stock);
    assert_string_equal(
        row_fault("sku;warehouse;on_hand;safety_stock;reorder_point\nA;W;0;2;\n", &row), "");
    assert_true(row.has_safety_stock && row.safety_stock == 2 && !row.has_reorder_point);
    static const struct {
        const char *text, *fault;
    } wrong[] = {
        {"sku,warehouse,on_hand\n,W,1\n", "sku: is empty"},
        {"sku,warehouse,on_hand\nA,,1\n", "warehouse: is empty"},
        {"sku,warehouse,on_hand\nA,W,\n", "on_hand: is empty"},
        {"sku,warehouse,on_hand\nA,W,-1\n", "on_hand: is negative"},
        {"sku,warehouse,on_hand\nA,W,1.0\n", "on_hand: is not a whole number"},
        {"sku,warehouse,on_hand\nA,W,1000000000\n", "on_hand: is more than 999,999,999"},
        {"sku,warehouse,on_hand\nA,W\n", "-: it has 2 columns, the first line has 3"},
        {"sku,warehouse,on_hand\nA,W,1,2\n", "-: it has 4 columns, the first line has 3"},
        {"sku,warehouse,on_hand,safety_stock\nA,W,1,x\n", "safety_stock: is not a whole number"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_string_equal(row_fault(wrong[i].text, &row), wrong[i].fault);
}

static void headers(void **state)
{
    struct import_columns columns;
    char why[256];
    (void)state;
    OPEN("sku,warehouse\nA,W\n");
    assert_non_null(import_header(csv_next(&reader), &columns, "f.csv", false, why));
    assert_non_null(strstr(why, "\"on_hand\" is missing"));
    OPEN("sku,warehouse,on_hand,SKU\n");
    assert_non_null(import_header(csv_next(&reader), &columns, "f.csv", false, why));
    assert_non_null(strstr(why, "twice"));
}

static void contradictions(void **state)
{
    static const char text[] =
        "sku,warehouse,on_hand,name\nA,W,1,x\nA,V,1,x\na,W,1,y\nA,W,1,x\nB,W,1,"
        "x\nB,V,1,z\n";
    /* Case matters; the same level twice spoils both lines; the later of two names is wrong. */
    static const bool spoilt[] = {true, false, false, true, false, true};
    struct import_scan *scan;
    struct import_columns columns;
    struct import_row row;
    struct import_fault fault;
    char why[256];
    (void)state;
    OPEN(text);
    assert_int_equal(import_scan_file(&scan, &reader, "f.csv"), 0);
    assert_int_equal(import_line_count(scan), 6);
    assert_null(csv_open(&reader, file));
    assert_null(import_header(csv_next(&reader), &columns, "f.csv", false, why));
    for (size_t i = 0; i < 6; i++) {
        assert_true(import_row_read(csv_next(&reader), &columns, &row, &fault));
        assert_int_equal(import_contradicted(scan, &row, &fault), spoilt[i]);
    }
    import_scan_destroy(&scan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_quoted),
        cmocka_unit_test(bom_semicolons_crlf_empty_lines),
        cmocka_unit_test(tabs_are_told),
        cmocka_unit_test(every_field_has_its_place),
        cmocka_unit_test(lines_are_counted_inside_quotes),
        cmocka_unit_test(a_quote_that_is_not_closed_costs_one_line),
        cmocka_unit_test(quotes_in_the_middle),
        cmocka_unit_test(what_cannot_be_csv),
        cmocka_unit_test(fields_are_written_as_they_are_read),
        cmocka_unit_test(rows),
        cmocka_unit_test(headers),
        cmocka_unit_test(contradictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

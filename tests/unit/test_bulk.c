/* SPDX-License-Identifier: MIT
 *
 * Bulk files: what is a line and what is a fault, and where; YAML and CSV alike.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>
#include "bulk/bulk.h"

#define YAML_HEAD "version: 1\nrun: r1\nlines:\n"
#define LINES_FROM 4 /* the line of the first line below it */

static const char *const warehouses[] = {"BER1", "HAM2"};
static const char *const reasons[] = {"damaged", "recount"};
static struct bulk_options options;
static struct bulk_head head;
static char said[8192];
static FILE *file;

static void keep_fault(void *data, const struct bulk_fault *fault)
{
    size_t used = strlen(said);

    (void)data;
    snprintf(said + used, sizeof said - used, "%s%llu:%llu: %s", used > 0 ? "\n" : "",
             (unsigned long long)fault->place.line, (unsigned long long)fault->place.column,
             fault->message);
}

static void open_bytes(enum bulk_format format, const void *bytes, size_t count)
{
    if (file)
        fclose(file);
    file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    fflush(file);
    options = (struct bulk_options){.format = format,
                                    .warehouses = {warehouses, 2},
                                    .reasons = {reasons, 2},
                                    .fault = keep_fault};
    said[0] = '\0';
    memset(&head, 0, sizeof head);
}

static bool check_bytes(enum bulk_format format, const void *bytes, size_t count)
{
    open_bytes(format, bytes, count);
    return bulk_check(file, &options, &head);
}

static bool check(enum bulk_format format, const char *text)
{
    return check_bytes(format, text, strlen(text));
}

/* The file has this fault, and no other. */
static void expect_fault(const char *text, const char *fault)
{
    assert_false(check(BULK_YAML, text));
    assert_string_equal(said, fault);
}

static void expect_line_fault(const char *line, const char *fault)
{
    char text[4096];

    snprintf(text, sizeof text, YAML_HEAD "- %s\n", line);
    expect_fault(text, fault);
}

/* Every line of a good file, written again with a YAML writer. */
static char *written(void)
{
    static char *text;
    size_t bytes;
    struct bulk_writer writer;
    struct bulk_line line;
    enum bulk_next next;
    struct bulk_reader *reader = bulk_open(file, &options, &head);

    assert_non_null(reader);
    free(text);
    FILE *out = open_memstream(&text, &bytes);
    writer = (struct bulk_writer){.file = out, .format = BULK_YAML};
    while ((next = bulk_next(reader, &line)) == BULK_LINE) {
        fprintf(out, "%llu:%llu", (unsigned long long)line.index,
                (unsigned long long)line.place.line);
        assert_true(bulk_write_line(&writer, &line, false, NULL));
    }
    assert_int_equal(next, BULK_END);
    assert_int_equal(bulk_next(reader, &line), BULK_END);
    bulk_close(&reader);
    fclose(out);
    return text;
}

static void expect_lines(enum bulk_format format, const char *text, const char *lines)
{
    bool good = check(format, text);
    assert_string_equal(said, "");
    assert_true(good);
    assert_string_equal(written(), lines);
}

/* ------------------------------------------------------------- good files */

static void the_file_in_the_manual(void **state)
{
    (void)state;
    expect_lines(
        BULK_YAML,
        "version: 1\nrun: 2026w48-A7   # required\nwarehouse: BER1\nreason: recount\nlines:\n"
        "  - {op: adjust,   sku: \"00042\", by: -3, reason: damaged}\n"
        "  - {op: receive,  sku: WID-1, by: 24, reference: PO-771}\n"
        "  - {op: count,    sku: 00042, to: 118, if_version: 5512}\n"
        "  - {op: transfer, sku: WID-1, by: 10, to_warehouse: HAM2}\n"
        "  - {op: release,  reservation: r-00adhr7arbt2s87hq}\n",
        "1:6  - {op: adjust, sku: \"00042\", warehouse: \"BER1\", by: -3, reason: \"damaged\"}\n"
        "2:7  - {op: receive, sku: \"WID-1\", warehouse: \"BER1\", by: 24, reference: \"PO-771\"}\n"
        "3:8  - {op: count, sku: \"00042\", warehouse: \"BER1\", to: 118, if_version: 5512, "
        "reason: \"recount\"}\n"
        "4:9  - {op: transfer, sku: \"WID-1\", warehouse: \"BER1\", to_warehouse: \"HAM2\", by: "
        "10}\n"
        "5:10  - {op: release, reservation: R-00ADHR7ARBT2S87HQ}\n");
    assert_string_equal(head.run, "2026w48-A7");
    assert_int_equal(head.lines, 5);
    assert_int_equal(head.open, 0);
}

static void the_same_from_a_spreadsheet(void **state)
{
    uint8_t digest[BULK_DIGEST_BYTES];
    (void)state;
    assert_true(check(BULK_YAML, YAML_HEAD
                      "# a remark\n- {op: adjust, sku: '00042', by: -3, reason: damaged,\n"
                      "   warehouse: BER1}\n- {op: count, sku: 1e3, to: 7, warehouse: HAM2}\n"));
    memcpy(digest, head.digest, sizeof digest);
    assert_true(check(BULK_CSV, "\xef\xbb\xbf"
                                "run;OP;sku;warehouse;by;to;reason;# name\r\n"
                                "r1;adjust;00042;BER1;-3;;damaged;Widget\r\n;;;;;;;\r\n\r\n"
                                "\"r1\";count;1e3;HAM2;;7;;\r\n"));
    assert_string_equal(said, "");
    assert_memory_equal(head.digest, digest, sizeof digest);
    assert_string_equal(written(),
                        "1:2  - {op: adjust, sku: \"00042\", warehouse: \"BER1\", by: -3, reason: "
                        "\"damaged\"}\n"
                        "2:5  - {op: count, sku: \"1e3\", warehouse: \"HAM2\", to: 7}\n");
    assert_true(check(BULK_CSV, "run,op,sku,warehouse,by,to,reason\n"
                                "r1,adjust,00042,BER1,-3,,damaged\nr1,count,1e3,HAM2,,8,\n"));
    assert_memory_not_equal(head.digest, digest, sizeof digest);
}

/* The file's lines as a spreadsheet; the caller's. */
static char *as_csv(void)
{
    static const enum holdfast_operation_kind kinds[] = {HOLDFAST_PUT_ITEM, HOLDFAST_ADJUST};
    char *text;
    size_t bytes;
    struct bulk_writer writer;
    struct bulk_line line;
    struct bulk_reader *reader = bulk_open(file, &options, &head);

    assert_non_null(reader);
    FILE *out = open_memstream(&text, &bytes);
    bulk_write_begin(&writer, out, BULK_CSV, head.run, kinds, 2);
    while (bulk_next(reader, &line) == BULK_LINE)
        assert_true(bulk_write_line(&writer, &line, false, "=1+1"));
    bulk_close(&reader);
    fclose(out);
    return text;
}

/* What looks like a formula is none when a spreadsheet opens the file, and is itself again when the
 * file is read. */
static void codes_are_no_formulas(void **state)
{
    uint8_t digest[BULK_DIGEST_BYTES];

    (void)state;
    assert_true(check(BULK_YAML,
                      "version: 1\nrun: \"@r\"\nlines:\n"
                      "- {op: put_item, sku: =1+1, name: \"=HYPERLINK(\\\"x\\\")\"}\n"
                      "- {op: put_item, sku: \"'+1\", name: \"-\", barcodes: [\"=b\", \"c\"]}\n"
                      "- {op: adjust, sku: \"''=1\", warehouse: BER1, by: -3, reason: damaged,\n"
                      "   note: \"'tis\"}\n"));
    memcpy(digest, head.digest, sizeof digest);
    char *text = as_csv();
    bool good = check(BULK_CSV, text);
    assert_string_equal(said, "");
    assert_true(good);
    assert_memory_equal(head.digest, digest, sizeof digest);
    assert_string_equal(
        text, "run,op,sku,warehouse,by,reason,note,accept_shortfall,name,reorder_point,barcodes,#\n"
              "'@r,put_item,'=1+1,,,,,,\"'=HYPERLINK(\"\"x\"\")\",,,'=1+1\n"
              "'@r,put_item,''+1,,,,,,'-,,'=b c,'=1+1\n"
              "'@r,adjust,'''=1,BER1,-3,damaged,'tis,,,,,'=1+1\n");
    free(text);
}

static void barcodes_go_out_in_one_field(void **state)
{
    uint8_t digest[BULK_DIGEST_BYTES];

    (void)state;
    assert_true(check(BULK_YAML, YAML_HEAD
                      "- {op: put_item, sku: A, name: a, barcodes: [\"x\", \"a,b\", 'q\"t']}\n"
                      "- {op: put_item, sku: B, name: b, barcodes: [\"c,d\", \"y\"]}\n"));
    memcpy(digest, head.digest, sizeof digest);
    char *text = as_csv();
    bool good = check(BULK_CSV, text);
    assert_string_equal(said, "");
    assert_true(good);
    assert_memory_equal(head.digest, digest, sizeof digest);
    free(text);
}

/* Codes may hold what YAML takes for the end of a line. */
static void a_comment_is_no_more_than_that(void **state)
{
    char *text;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    (void)state;
    bulk_write_comment(out, "sku x\xe2\x80\xa8run: other");
    fputs(YAML_HEAD "- {op: receive, sku: A, warehouse: BER1, by: 1}\n", out);
    fclose(out);
    bool good = check(BULK_YAML, text);
    assert_string_equal(said, "");
    assert_true(good);
    assert_string_equal(head.run, "r1");
    free(text);
}

static void crlf_and_a_mark_are_no_matter(void **state)
{
    (void)state;
    expect_lines(BULK_YAML,
                 "\xef\xbb\xbf"
                 "version: 1\r\nrun: r1\r\nlines:\r\n- op: restore\r\n  sku: A\r\n"
                 "  warehouse: BER1\r\n  by: +5\r\n",
                 "1:4  - {op: restore, sku: \"A\", warehouse: \"BER1\", by: 5}\n");
}

static void a_sheet_that_is_half_filled_in(void **state)
{
    (void)state;
    expect_lines(BULK_YAML,
                 YAML_HEAD "- {op: count, sku: A, warehouse: BER1, if_version: 3, to: }\n"
                           "- {op: count, sku: B, warehouse: BER1, if_version: 4, to: 0}\n",
                 "2:5  - {op: count, sku: \"B\", warehouse: \"BER1\", to: 0, if_version: 4}\n");
    assert_int_equal(head.lines, 2);
    assert_int_equal(head.open, 1);
    expect_lines(BULK_CSV, "op,sku,warehouse,to,run\ncount,A,BER1,,r1\ncount,B,BER1,0,r1\n",
                 "2:3  - {op: count, sku: \"B\", warehouse: \"BER1\", to: 0}\n");
    assert_int_equal(head.open, 1);
    /* Only a count can be left open, and only where it is written that it is. */
    expect_line_fault("{op: safety_stock, sku: A, warehouse: BER1, to: }", "4:51: to is empty");
    expect_line_fault("{op: count, sku: A, warehouse: BER1}", "4:3: count needs to");
    expect_line_fault("{op: count, sku: A, warehouse: BER1, to: ''}", "4:44: to is empty");
    assert_false(check(BULK_CSV, "op,sku,warehouse,to,run\nsafety_stock,A,BER1,,r1\n"));
    assert_string_equal(said, "2:1: safety_stock needs to");
    assert_false(check(BULK_CSV, "op,sku,warehouse,run\ncount,A,BER1,r1\n"));
    assert_string_equal(said, "2:1: count needs to");
}

static void limits_are_inside(void **state)
{
    char code[65], note[256], text[2048];
    (void)state;
    memset(code, 'c', 64);
    memset(note, 'n', 255);
    code[64] = note[255] = '\0';
    snprintf(text, sizeof text,
             YAML_HEAD "- {op: adjust, sku: %s, warehouse: BER1, by: -999999999, reason: damaged, "
                       "note: %s}\n- {op: adjust, sku: a, warehouse: BER1, by: 999999999, reason: "
                       "damaged}\n- {op: count, sku: a, warehouse: BER1, to: 0, if_version: 0}\n"
                       "- {op: count, sku: a, warehouse: BER1, to: 999999999, if_version: "
                       "999999999999999999}\n- {op: receive, sku: a, warehouse: BER1, by: 1}\n",
             code, note);
    assert_true(check(BULK_YAML, text));
    written();
    snprintf(text, sizeof text, "{op: receive, sku: %sc, warehouse: BER1, by: 1}", code);
    expect_line_fault(text, "4:22: sku is longer than 64 bytes");
    snprintf(text, sizeof text, "{op: receive, sku: a, warehouse: BER1, by: 1, note: %sn}", note);
    expect_line_fault(text, "4:55: note is longer than 255 bytes");
}

static void what_the_file_puts_is_known(void **state)
{
    (void)state;
    assert_true(check(BULK_YAML,
                      YAML_HEAD "- {op: put_reason, reason: lost, name: Lost}\n"
                                "- {op: put_warehouse, warehouse: NEW, name: New}\n"
                                "- {op: adjust, sku: a, warehouse: NEW, by: 1, reason: lost}\n"));
    expect_line_fault("{op: adjust, sku: a, warehouse: NEW, by: 1, reason: lots}",
                      "4:35: unknown warehouse \"NEW\"\n4:55: unknown reason \"lots\"");
    /* Also where it is the default of the file that puts it. */
    assert_true(check(BULK_YAML, "version: 1\nrun: r1\nwarehouse: NEW\nreason: lost\nlines:\n"
                                 "- {op: put_reason, reason: lost, name: Lost}\n"
                                 "- {op: put_warehouse, warehouse: NEW, name: New}\n"
                                 "- {op: adjust, sku: a, by: 1}\n"));
    expect_fault("version: 1\nrun: r1\nwarehouse: NEW\nlines:\n"
                 "- {op: receive, sku: a, by: 1}\n"
                 "- {op: put_warehouse, warehouse: NEW, name: New}\n",
                 "3:12: unknown warehouse \"NEW\"");
    /* What is put is written on the line; the head's default is not meant. */
    expect_fault("version: 1\nrun: r1\nwarehouse: BER1\nreason: damaged\nlines:\n"
                 "- {op: put_warehouse, name: x}\n- {op: put_reason, name: x}\n",
                 "6:3: put_warehouse needs warehouse\n7:3: put_reason needs reason");
}

/* ------------------------------------------------------------- faults */

static void all_faults_at_once_with_their_places(void **state)
{
    (void)state;
    expect_fault("version: 1\nrun: r1\nwarehuose: BER1\nreason: damged\nlines:\n"
                 "- {op: adjst, sku: a, by: 1, reason: damged}\n"
                 "- {op: receive, sku: a, to: 2, refrence: x, sku: b}\n"
                 "- {by: 3, sku: a, op: count, warehouse: BER2}\n"
                 "- {op: adjust, sku: a, by: 1}\n"
                 "- {op: adjust, sku: a, by: 1}\n"
                 "- hello\n"
                 "- {op: release, reservation: x, sku: a, ttl: 5m}\n",
                 "3:1: unknown key \"warehuose\" (did you mean \"warehouse\"?)\n"
                 "6:8: unknown op \"adjst\" (did you mean \"adjust\"?)\n"
                 "6:38: unknown reason \"damged\" (did you mean \"damaged\"?)\n"
                 "7:29: receive takes by, a change, and not to\n"
                 "7:32: unknown key \"refrence\" (did you mean \"reference\"?)\n"
                 "7:45: sku is given twice, first in line 7\n"
                 "4:9: unknown reason \"damged\" (did you mean \"damaged\"?)\n"
                 "8:8: count takes to, the new value, and not by\n"
                 "8:41: unknown warehouse \"BER2\" (did you mean \"BER1\"?)\n"
                 "11:3: a line is keys and values: {op: adjust, sku: …}\n"
                 "12:3: sku and by go together; without them it is everything\n"
                 "12:30: reservation must be R- and 17 characters, as Holdfast shows it\n"
                 "12:46: release takes no ttl");
}

static void more_faults_than_are_told(void **state)
{
    char text[8192] = YAML_HEAD;
    size_t told = 1;
    (void)state;
    for (int i = 0; i < 2 * BULK_FAULTS_MAX; i++)
        strcat(text, "- {op: x}\n");
    assert_false(check(BULK_YAML, text));
    for (const char *p = said; (p = strchr(p, '\n')); p++)
        told++;
    assert_int_equal(told, BULK_FAULTS_MAX + 1);
    assert_non_null(strstr(said, "\n54:8: more than 50 errors: what follows was not read"));
}

static void numbers_are_digits_alone(void **state)
{
    static const char *const words[] = {"1e3",  "1_000", "0x10", "1.0", "1,0",   "1 000",
                                        "'12'", "007",   "~",    "a-3", "twelve"};
    char text[256];
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        snprintf(text, sizeof text,
                 YAML_HEAD "- op: count\n  sku: a\n  warehouse: BER1\n  to: %s\n", words[i]);
        assert_false(check(BULK_YAML, text));
        assert_non_null(strstr(said, "7:7: to "));
    }
    expect_line_fault("{op: count, sku: a, warehouse: BER1, to: 1000000000}",
                      "4:44: to must be 0 to 999,999,999");
    expect_line_fault("{op: count, sku: a, warehouse: BER1, to: -1}",
                      "4:44: to must be 0 to 999,999,999");
    expect_line_fault("{op: count, sku: a, warehouse: BER1, to: "
                      "1234567890123456789012345678901234567890}",
                      "4:44: to must be 0 to 999,999,999");
    expect_line_fault("{op: adjust, sku: a, warehouse: BER1, reason: damaged, by: "
                      "-18446744073709551615}",
                      "4:62: by must be -999,999,999 to 999,999,999");
    expect_line_fault("{op: adjust, sku: a, warehouse: BER1, reason: damaged, by: -0}",
                      "4:62: by is 0: there is nothing to adjust");
    expect_line_fault("{op: receive, sku: a, warehouse: BER1, by: 0}",
                      "4:46: by must be 1 to 999,999,999");
    expect_line_fault("{op: count, sku: a, warehouse: BER1, to: 1, if_version: "
                      "9999999999999999999}",
                      "4:59: if_version has more than 18 digits: no version is so high");
}

/* Between braces YAML makes two keys of one number. */
static void a_comma_in_braces_is_told(void **state)
{
#define COMMA                                                                                      \
    "; within { } a comma ends a value: a number is digits alone, such as 1500, and a text with "  \
    "a comma stands in quotes"
    (void)state;
    expect_line_fault("{op: receive, sku: a, warehouse: BER1, by: 1,5}",
                      "4:48: unknown key \"5\"" COMMA);
    expect_line_fault("{op: receive, sku: a, warehouse: BER1, by: 1,234.50, note: x}",
                      "4:48: unknown key \"234.50\"" COMMA);
    expect_line_fault("{op: receive, sku: a, warehouse: BER1, by: 1, note: red, dented}",
                      "4:60: unknown key \"dented\"" COMMA);
    expect_line_fault("{op: receive, sku: a, warehouse: BER1, by: 1, 5: 2}",
                      "4:49: unknown key \"5\"");
    expect_line_fault("op: receive\n  sku: a\n  warehouse: BER1\n  by: 1,5",
                      "7:7: by must be a whole number in digits alone, such as 1000, not \"1,5\"");
    expect_line_fault("op: receive\n  sku: a\n  warehouse: BER1\n  by: 1\n  5:",
                      "8:3: unknown key \"5\"");
}

static void yaml_that_says_something_else(void **state)
{
    (void)state;
    expect_line_fault("&x {op: count, sku: a, warehouse: BER1, to: 1}",
                      "4:3: anchors (&name) are not taken: write it out");
    expect_line_fault("{op: count, sku: &x a, warehouse: BER1, to: 1}",
                      "4:20: anchors (&name) are not taken: write it out");
    expect_line_fault("{op: count, sku: *x , warehouse: BER1, to: 1}",
                      "4:20: aliases (*name) are not taken: write it out");
    expect_line_fault("{op: count, sku: !!str a, warehouse: BER1, to: 1}",
                      "4:20: tags (!name) are not taken");
    expect_line_fault("{<<: *x , op: count, sku: a, warehouse: BER1, to: 1}",
                      "4:4: unknown key \"<<\"\n4:8: aliases (*name) are not taken: write it out");
    expect_line_fault("{op: count, sku: [a], warehouse: BER1, to: {b: 1}}",
                      "4:20: sku takes one value, not a list or keys\n"
                      "4:46: to takes one value, not a list or keys");
    expect_line_fault("{op: count, [a]: 1, ? {b: c} : [d], sku: a, warehouse: BER1, to: 1}",
                      "4:15: a key must be a word\n4:25: a key must be a word");
    expect_line_fault("{op: [count], sku: a}", "4:8: op takes one value, not a list or keys");
    expect_fault("%YAML 1.1\n---\n" YAML_HEAD "- {op: extend, reservation: "
                 "R-00ADHR7ARBT2S87HQ, ttl: 2h}\n",
                 "1:1: directives (%YAML, %TAG) are not taken");
    expect_fault(YAML_HEAD "- {op: x}\n---\n" YAML_HEAD,
                 "4:8: unknown op \"x\"\n5:1: a second document begins: a bulk file has one");
    expect_line_fault("{op: count, sku: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                      "4:20: sku takes one value, not a list or keys\n"
                      "4:52: nested deeper than 32 levels: what follows was not read");
}

static void heads(void **state)
{
    (void)state;
    expect_fault("", "1:1: a bulk file begins with `version: 1` and `run: NAME`");
    expect_fault("- a\n", "1:1: a bulk file begins with `version: 1` and `run: NAME`");
    expect_fault("lines:\n- {op: x}\n",
                 "1:1: version is missing, or comes after lines\n"
                 "1:1: run is missing, or comes after lines\n2:8: unknown op \"x\"");
    expect_fault("version: 1\nrun: r\n", "1:1: lines is missing");
    expect_fault("version: 1\nrun: r\nlines:\n",
                 "3:7: lines must be a list: a line each, with - before it");
    expect_fault("version: 1\nrun: r\nlines: []\n", "1:1: it has no lines");
    expect_fault("version: '1'\nrun: ' r'\nrun: s\nlines: []\n",
                 "1:10: version must be 1: this program knows no other\n"
                 "2:6: run begins or ends with a blank\n3:1: run is given twice, first in line 2");
    expect_fault(YAML_HEAD "- {op: x}\nwarehouse: BER1\n",
                 "4:8: unknown op \"x\"\n5:1: lines must come last: warehouse belongs before it");
}

static void bytes_that_are_no_text(void **state)
{
    static const char nul[] = YAML_HEAD "- {op: \xc3\xa9\0}\n";
    static const char utf16[] = "\xff\xfe"
                                "v\0e\0";
    (void)state;
    assert_false(check_bytes(BULK_YAML, nul, sizeof nul - 1));
    assert_string_equal(said, "4:9: the control character U+0000: what follows was not read");
    expect_fault(
        YAML_HEAD "- {op: \xc3\xa9\xff}\n",
        "4:9: not UTF-8 (invalid leading UTF-8 octet): save it as UTF-8, or convert it with "
        "iconv(1); what follows was not read");
    assert_false(check_bytes(BULK_YAML, utf16, sizeof utf16 - 1));
    assert_string_equal(said, "1:1: it is UTF-16: save it as UTF-8, or convert it with iconv(1)");
    expect_fault(YAML_HEAD "\t- {op: x}\n",
                 "4:1: a tab where YAML wants blanks: what follows was not read");
    expect_line_fault("{op: count, sku: \"a\\0b\", warehouse: BER1, to: 1}",
                      "4:20: sku holds a control character");
    expect_line_fault("{\"op\\0\": count}", "4:3: op is missing\n4:4: a key must be a word");
}

static void expect_csv_fault(const char *text, const char *fault)
{
    assert_false(check(BULK_CSV, text));
    assert_string_equal(said, fault);
}

/* As "CSV" without more is saved by a spreadsheet; one fault for all lines. */
static void a_spreadsheet_in_another_encoding(void **state)
{
#define NOT_UTF8                                                                                   \
    ": it is not UTF-8 (Windows-1252 or Latin-1, perhaps): save it as \"CSV UTF-8\", or convert "  \
    "it with iconv(1); what follows was not read"
#define UTF16 "1:1: it is UTF-16: save it as \"CSV UTF-8\", or convert it with iconv(1)"
    static const char le[] = "r\0u\0n\0", be[] = "\0r\0u\0n", marked[] = "\xff\xfer\0u\0";
    (void)state;
    expect_csv_fault("run,op,sku,warehouse,to,note\nr1,count,a,BER1,5,x\n"
                     ",count,b,BER1,5,gr\xfcn\n,count,c,BER1,5,5 \x80\n",
                     "3:17" NOT_UTF8);
    expect_csv_fault("run;op;sku;Gr\xf6\xdf"
                     "e\nr1;count;a;5\n",
                     "1:12" NOT_UTF8);
    expect_csv_fault("run,op,sku,warehouse,to\nM\xe4rz,count,a,BER1,5\n", "2:1" NOT_UTF8);
    expect_csv_fault("run,op,sku,warehouse,to\nr1,count,\x01\xe4,BER1,5\n", "2:10" NOT_UTF8);
    assert_true(check(BULK_CSV, "run,op,sku,warehouse,to,# Gr\xf6\xdf"
                                "e\nr1,count,a,BER1,5,gro\xdf\n"));
    assert_false(check_bytes(BULK_CSV, le, sizeof le - 1));
    assert_string_equal(said, UTF16);
    assert_false(check_bytes(BULK_CSV, be, sizeof be - 1));
    assert_string_equal(said, UTF16);
    assert_false(check_bytes(BULK_CSV, marked, sizeof marked - 1));
    assert_string_equal(said, UTF16);
}

static void text_of_the_file_does_not_reach_the_terminal_raw(void **state)
{
    (void)state;
    expect_line_fault("{op: \"a\\e[31m\\u009b\"}", "4:8: unknown op \"a?[31m??\"");
}

static void spreadsheets_that_are_wrong(void **state)
{
    (void)state;
    assert_false(check(BULK_CSV, "sku,warehouse\n"));
    assert_string_equal(said,
                        "1:1: column op is missing; the first line must name the columns, such as "
                        "run,op,sku,warehouse,by,to,reason\n1:1: the run has no name: add a column "
                        "run, or give it with --run");
    assert_false(check(BULK_CSV, "run,op,skew,SKU,sku,\n"
                                 "r1,count,,\xc3\xa9,,y\n"
                                 "r1,count\n"
                                 "r2,adjst,,\"open,,\n"
                                 "r2,adjst,,,,\n"));
    assert_string_equal(said, "1:8: unknown column \"skew\" (did you mean \"sku\"?)\n"
                              "1:17: column sku is there twice\n"
                              "2:1: count needs warehouse\n2:1: count needs to\n"
                              "2:14: column 6 has no name\n"
                              "3:1: it has 2 fields, and the first line names 6 columns\n"
                              "4:1: a quote is not closed\n"
                              "5:1: run is \"r2\" here, and \"r1\" in the first row\n"
                              "5:4: unknown op \"adjst\" (did you mean \"adjust\"?)");
    assert_false(check(BULK_CSV, "run,op,sku,warehouse,to,remark\nr1,count,a,BER1,5,x\n"));
    assert_string_equal(said, "1:25: unknown column \"remark\"; the name of one for people begins "
                              "with #");
}

static void the_run_may_come_from_outside(void **state)
{
    (void)state;
    open_bytes(BULK_CSV, "op,sku,warehouse,to\ncount,a,BER1,5\n", 35);
    options.run = "evening";
    assert_true(bulk_check(file, &options, &head));
    assert_string_equal(head.run, "evening");
    open_bytes(BULK_YAML, YAML_HEAD "- {op: x}\n", strlen(YAML_HEAD) + 10);
    options.run = "evening";
    assert_false(bulk_check(file, &options, &head));
    assert_non_null(strstr(said, "2:6: run is \"r1\" here, and --run says \"evening\""));
}

static void a_file_that_changes_between_the_readings(void **state)
{
    struct bulk_line line;
    struct bulk_reader *reader;
    (void)state;
    assert_true(check(BULK_YAML, YAML_HEAD "- {op: count, sku: a, warehouse: BER1, to: 1}\n"));
    assert_int_equal(fseek(file, -3, SEEK_END), 0);
    fputs("2", file);
    fflush(file);
    reader = bulk_open(file, &options, &head);
    assert_int_equal(bulk_next(reader, &line), BULK_LINE);
    assert_int_equal(bulk_next(reader, &line), BULK_FAULTY);
    assert_string_equal(said, "1:1: it has changed since it was checked");
    bulk_close(&reader);
}

/* ------------------------------------------------------------- operations */

static void operations_of_lines(void **state)
{
    struct bulk_operation to;
    struct bulk_line line;
    char id[37];
    (void)state;
    assert_true(
        check(BULK_YAML, YAML_HEAD
              "- {op: adjust, sku: a, warehouse: BER1, by: -3, reason: damaged, note: n}\n"
              "- {op: ship, reservation: R-00ADHR7ARBT2S87HQ, reference: DHL-1}\n"
              "- {op: return, reservation: R-00ADHR7ARBT2S87HQ, sku: a, by: 2, into: "
              "quarantine}\n"
              "- {op: put_item, sku: a, name: A, barcodes: ['1', '2'], reorder_point: 5}\n"));
    assert_string_equal(said, "");
    struct bulk_reader *reader = bulk_open(file, &options, &head);
    bulk_next(reader, &line);
    bulk_operation("r1", &line, &to);
    holdfast_derive_operation_id("r1", 2, 1, id);
    assert_string_equal(to.operation.operation_id, id);
    assert_int_equal(id[14], '8');
    assert_int_equal(to.operation.delta, -3);
    assert_string_equal(to.operation.note, "n");
    bulk_next(reader, &line);
    bulk_operation("r1", &line, &to);
    assert_int_equal(to.operation.line_count, 0);
    assert_string_equal(to.operation.reference, "DHL-1");
    bulk_next(reader, &line);
    bulk_operation("r1", &line, &to);
    assert_int_equal(to.operation.line_count, 1);
    assert_int_equal(to.operation.lines[0].quantity, 2);
    assert_null(to.operation.lines[0].warehouse);
    assert_true(to.operation.to_quarantine);
    bulk_next(reader, &line);
    bulk_operation("r1", &line, &to);
    assert_int_equal(to.operation.barcode_count, 2);
    assert_string_equal(to.operation.barcodes[1], "2");
    assert_int_equal(to.operation.quantity, 5);
    bulk_close(&reader);
}

/* ------------------------------------------------------------- size */

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* What a sanitizer or valgrind keeps beside is not ours. */
static void expect_no_growth(long before_kib)
{
    const char *preloaded = getenv("LD_PRELOAD");

#ifdef __SANITIZE_ADDRESS__
    return;
#endif
    if (preloaded && strstr(preloaded, "vgpreload"))
        return;
    assert_true(peak_kib() - before_kib < 4096);
}

#define MANY 100000

static void a_long_file_takes_no_more_memory(void **state)
{
    struct bulk_line line;
    struct bulk_reader *reader;
    uint64_t lines = 0;
    (void)state;
    open_bytes(BULK_YAML, YAML_HEAD, strlen(YAML_HEAD));
    for (int i = 0; i < MANY; i++)
        fprintf(file, "  - {op: adjust, sku: SKU-%06d, warehouse: BER1, by: %d, reason: damaged}\n",
                i, i % 999 + 1);
    long before = peak_kib();
    assert_true(bulk_check(file, &options, &head));
    assert_int_equal(head.lines, MANY);
    reader = bulk_open(file, &options, &head);
    while (bulk_next(reader, &line) == BULK_LINE)
        assert_int_equal(line.index, ++lines);
    bulk_close(&reader);
    assert_int_equal(lines, MANY);
    expect_no_growth(before);
}

/* Sparse, so that a gigabyte takes no room. */
static void a_gigabyte_of_nothing(void **state)
{
    (void)state;
    open_bytes(BULK_YAML, YAML_HEAD, strlen(YAML_HEAD));
    long before = peak_kib();
    assert_int_equal(ftruncate(fileno(file), 1L << 30), 0);
    assert_false(bulk_check(file, &options, &head));
    assert_string_equal(said, "4:1: the control character U+0000: what follows was not read");
    options.format = BULK_CSV;
    said[0] = '\0';
    rewind(file);
    assert_int_equal(ftruncate(fileno(file), 0), 0);
    fputs("run,op\nr1,", file);
    fflush(file);
    assert_int_equal(ftruncate(fileno(file), 1L << 26), 0);
    assert_false(bulk_check(file, &options, &head));
    assert_string_equal(said, "2:1: it is longer than 16384 bytes");
    expect_no_growth(before);
}

static void megabytes_of_one_thing(void **state)
{
    static const struct {
        char byte;
        const char *fault;
    } things[] = {{' ', "more than 262144 bytes without a value"},
                  {'\n', "more than 262144 bytes without a value"},
                  {'#', "more than 262144 bytes without a value"},
                  {'a', "more than 262144 bytes without a value"},
                  {'"', ""},
                  {'[', "nested deeper than 32 levels"},
                  {'{', ""},
                  {'-', ""}};
    (void)state;
    for (size_t i = 0; i < sizeof things / sizeof things[0]; i++) {
        char many[65536];
        memset(many, things[i].byte, sizeof many);
        open_bytes(BULK_YAML, YAML_HEAD "- ", strlen(YAML_HEAD) + 2);
        for (int n = 0; n < 64; n++)
            assert_int_equal(fwrite(many, 1, sizeof many, file), sizeof many);
        long before = peak_kib();
        assert_false(bulk_check(file, &options, &head));
        assert_non_null(strstr(said, things[i].fault));
        expect_no_growth(before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_in_the_manual),
        cmocka_unit_test(the_same_from_a_spreadsheet),
        cmocka_unit_test(codes_are_no_formulas),
        cmocka_unit_test(barcodes_go_out_in_one_field),
        cmocka_unit_test(a_comment_is_no_more_than_that),
        cmocka_unit_test(crlf_and_a_mark_are_no_matter),
        cmocka_unit_test(a_sheet_that_is_half_filled_in),
        cmocka_unit_test(limits_are_inside),
        cmocka_unit_test(what_the_file_puts_is_known),
        cmocka_unit_test(all_faults_at_once_with_their_places),
        cmocka_unit_test(more_faults_than_are_told),
        cmocka_unit_test(numbers_are_digits_alone),
        cmocka_unit_test(a_comma_in_braces_is_told),
        cmocka_unit_test(yaml_that_says_something_else),
        cmocka_unit_test(heads),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(a_spreadsheet_in_another_encoding),
        cmocka_unit_test(text_of_the_file_does_not_reach_the_terminal_raw),
        cmocka_unit_test(spreadsheets_that_are_wrong),
        cmocka_unit_test(the_run_may_come_from_outside),
        cmocka_unit_test(a_file_that_changes_between_the_readings),
        cmocka_unit_test(operations_of_lines),
        cmocka_unit_test(a_long_file_takes_no_more_memory),
        cmocka_unit_test(a_gigabyte_of_nothing),
        cmocka_unit_test(megabytes_of_one_thing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (file)
        fclose(file);
    return failed;
}

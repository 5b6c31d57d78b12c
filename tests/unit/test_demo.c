/* SPDX-License-Identifier: MIT
 *
 * demo/retail.c, opening.c and plan.c: what a line of the retail file is, the opening stock made
 * from it, and the order of invoices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo/plan.h"
#include "demo/retail.h"

#define HEAD "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"

static char folder[64];

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test-demo-XXXXXX");
    assert_non_null(mkdtemp(folder));
    write_file("reason-codes.csv", "code,name\ndamaged,Damaged\nfound,Found\nunknown,Unknown\n");
    write_file("reasons.csv", "match,text,reason\nis,found,found\nhas,wet,damaged\n");
    write_file("not-goods.csv", "code,why\nPOST,postage\nM,manual\nm,manual\n");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"reason-codes.csv", "reasons.csv", "not-goods.csv",
                                        "data.csv"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static void read_data(struct retail *retail, const char *lines)
{
    char text[4096], path[128], error[256];
    snprintf(text, sizeof text, HEAD "%s", lines);
    write_file("data.csv", text);
    snprintf(path, sizeof path, "%s/data.csv", folder);
    assert_true(retail_read(retail, path, folder, error, sizeof error));
}

static void test_what_a_line_is(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum line_kind kind;
        enum bucket bucket;
        const char *reason;
    } cases[] = {
        {"1,A,\"BOX, RED\",3,d,2.5,7.0,UK\n", LINE_SALE, BUCKET_NONE, NULL},
        {"1,A,GIVEN BOX,3,d,0.0,7.0,UK\n", LINE_SALE, BUCKET_NONE, NULL},
        {"1,A,BOX RED,3,d,0.0,0.0,UK\n", LINE_SALE, BUCKET_NONE, NULL},
        {"C1,A,BOX,-3,d,2.5,7.0,UK\n", LINE_RETURN, BUCKET_NONE, NULL},
        {"C1,A,BOX,3,d,2.5,7.0,UK\n", LINE_REPORTED, BUCKET_UNREADABLE, NULL},
        {"1,A,?,-3,d,0.0,0.0,UK\n", LINE_ADJUSTMENT, BUCKET_NONE, "unknown"},
        {"1,A,?,3,d,0.0,0.0,UK\n", LINE_ADJUSTMENT, BUCKET_NONE, "unknown"},
        {"1,A,FOUND,3,d,0.0,0.0,UK\n", LINE_ADJUSTMENT, BUCKET_NONE, "found"},
        {"1,A,all Wet ,-3,d,0.0,0.0,UK\n", LINE_ADJUSTMENT, BUCKET_NONE, "damaged"},
        {"1,POST,POSTAGE,1,d,2.5,7.0,UK\n", LINE_REPORTED, BUCKET_NOT_GOODS, NULL},
        {"A1,B,Adjust bad debt,1,d,2.5,0.0,UK\n", LINE_REPORTED, BUCKET_BAD_DEBT, NULL},
        {"1,A,BOX,0,d,2.5,7.0,UK\n", LINE_REPORTED, BUCKET_UNREADABLE, NULL},
        {"1,A,BOX,1.5,d,2.5,7.0,UK\n", LINE_REPORTED, BUCKET_UNREADABLE, NULL},
        {"1,A,BOX,1000000000,d,2.5,7.0,UK\n", LINE_REPORTED, BUCKET_UNREADABLE, NULL},
        {"1,A,BOX,1\n", LINE_REPORTED, BUCKET_UNREADABLE, NULL},
        {"1, A,BOX,1,d,2.5,7.0,UK\n", LINE_REPORTED, BUCKET_UNREADABLE, NULL},
    };
    char text[2048] = "";
    size_t count = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < count; i++)
        strcat(text, cases[i].line);
    struct retail retail;
    read_data(&retail, text);
    assert_int_equal(retail.line_count, count);
    for (size_t i = 0; i < count; i++) {
        const struct retail_line *line = &retail.lines[i];
        assert_int_equal(line->file_line, i + 2);
        if (line->kind != cases[i].kind || line->bucket != cases[i].bucket)
            fail_msg("%s", cases[i].line);
        if (cases[i].reason)
            assert_string_equal(retail.reasons[line->reason].code, cases[i].reason);
    }
    retail_release(&retail);
}

static void test_case_makes_another_sku(void **state)
{
    (void)state;
    struct retail retail;
    read_data(&retail,
              "1,85123A,BOX,6,d,1,7,UK\n1,85123a,BOX,1,d,1,7,UK\n2,85123A,?,-4,d,0,0,UK\n");
    assert_int_equal(retail.sku_count, 2);
    uint32_t upper = retail_find_sku(&retail, "85123A"), lower = retail_find_sku(&retail, "85123a");
    assert_int_not_equal(upper, lower);
    assert_int_equal(retail.skus[upper].sold, 6);
    assert_int_equal(retail.skus[upper].written_off, 4);
    assert_int_equal(retail.skus[lower].sold, 1);
    assert_int_equal(retail_find_sku(&retail, "85123"), RETAIL_NO_SKU);
    retail_release(&retail);
}

static void test_opening_stock(void **state)
{
    (void)state;
    static const struct {
        uint64_t sold, written_off;
        uint32_t units[WAREHOUSE_COUNT];
    } cases[] = {
        {0, 0, {0, 0, 0}},     {1, 0, {6, 0, 0}},
        {7, 0, {6, 0, 0}},     {8, 0, {6, 6, 0}},
        {0, 5, {5, 0, 0}},     {75, 1, {13, 30, 18}},
        {74, 0, {12, 30, 18}}, {80995, 0, {12960, 32400, 19440}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct retail_sku sku = {.sold = cases[i].sold, .written_off = cases[i].written_off};
        uint32_t units[WAREHOUSE_COUNT];
        opening_stock(&sku, units);
        for (int w = 0; w < WAREHOUSE_COUNT; w++)
            assert_int_equal(units[w], cases[i].units[w]);
    }
}

static void test_an_invoice_waits_for_its_skus(void **state)
{
    (void)state;
    struct retail retail;
    struct plan plan;
    read_data(&retail, "1,A,BOX,1,d,1,7,UK\n1,B,BOX,1,d,1,7,UK\n2,C,BOX,1,d,1,7,UK\n"
                       "3,B,BOX,1,d,1,7,UK\n3,C,BOX,1,d,1,7,UK\n4,POST,X,1,d,1,7,UK\n"
                       "5,A,BOX,1,d,1,7,UK\n5,A,BOX,1,d,1,7,UK\n6,B,BOX,1,d,1,7,UK\n");
    assert_true(plan_make(&plan, &retail));
    assert_int_equal(plan.invoice_count, 6);
    assert_int_equal(plan_next(&plan), 0);
    assert_int_equal(plan_next(&plan), 1);
    assert_int_equal(plan_next(&plan), 3); /* no goods: waits for nobody */
    assert_int_equal(plan_next(&plan), PLAN_END);
    plan_done(&plan, 1);
    assert_int_equal(plan_next(&plan), PLAN_END); /* the third still waits for B */
    plan_done(&plan, 0);
    uint32_t a = plan_next(&plan), b = plan_next(&plan);
    assert_true((a == 2 && b == 4) || (a == 4 && b == 2));
    assert_int_equal(plan_next(&plan), PLAN_END);
    plan_done(&plan, 4);
    plan_done(&plan, 2);
    assert_int_equal(plan_next(&plan), 5);
    plan_release(&plan);
    retail_release(&retail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_line_is),
        cmocka_unit_test(test_case_makes_another_sku),
        cmocka_unit_test(test_opening_stock),
        cmocka_unit_test(test_an_invoice_waits_for_its_skus),
    };
    return cmocka_run_group_tests_name("demo", tests, make_folder, remove_folder);
}

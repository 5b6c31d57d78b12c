/* SPDX-License-Identifier: MIT
 *
 * The retail file as the demo understands it: what each line is (a sale, goods that came back, an
 * adjustment, no goods, …), which SKUs there are, and the opening stock that the demo makes up.
 * No network here: demo/replay.c turns the lines into operations.
 *
 * Every line of the file ends in exactly one bucket; retail_read puts those there that need no
 * operation, the replay the others.
 */
#ifndef DEMO_RETAIL_H
#define DEMO_RETAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RETAIL_LINES_MAX 1000000u
#define RETAIL_CODE_BYTES_MAX 64u
#define RETAIL_NOTE_BYTES_MAX 255u
#define RETAIL_QUANTITY_MAX 999999999
#define RETAIL_NO_SKU UINT32_MAX

enum line_kind {
    LINE_SALE,
    LINE_RETURN, /* invoice number begins with C */
    LINE_ADJUSTMENT,
    LINE_REPORTED, /* nothing to book: its bucket says why */
};

/* Where a line of the file ends. */
enum bucket {
    BUCKET_NONE, /* not yet */
    BUCKET_SHIPPED,
    BUCKET_SALE_NO_STOCK,
    BUCKET_SALE_REFUSED, /* for any other reason */
    BUCKET_RETURNED,
    BUCKET_RETURN_NO_SALE, /* the file has no earlier sale of the SKU */
    BUCKET_RETURN_REFUSED, /* its sale was refused here, or less was shipped */
    BUCKET_ADJUSTED,
    BUCKET_ADJUST_NOT_THERE, /* it would take more than is on hand */
    BUCKET_ADJUST_REFUSED,   /* for any other reason */
    BUCKET_NOT_GOODS,
    BUCKET_BAD_DEBT,
    BUCKET_UNREADABLE,
    BUCKET_NOT_KNOWN, /* shed or unknown: the cluster did not say in time */
    BUCKET_COUNT,
};

/* For people: "sold and shipped", …; static text. */
const char *bucket_text(enum bucket bucket);

struct reason {
    char *code;
    char *name;
};

struct retail_line {
    uint32_t file_line; /* 1 is the head of the file */
    enum line_kind kind;
    enum bucket bucket;
    uint32_t sku;           /* index into retail.skus, or RETAIL_NO_SKU */
    uint32_t reason;        /* adjustment: index into retail.reasons */
    int32_t quantity;       /* as typed: an adjustment's delta; positive for sales and returns */
    int result;             /* enum holdfast_status of the operation that settled the bucket */
    uint32_t wanted, there; /* a refusal for lack of stock: figures of the cluster */
    char *invoice;
    char *code; /* as typed */
    char *description;
    const char *why; /* not goods, unreadable: the reason, for people */
};

struct retail_sku {
    const char *code;
    const char *name;     /* the first description of a sale; otherwise of any line */
    uint64_t sold;        /* units that the file sells */
    uint64_t written_off; /* units that its negative adjustments take */
};

struct not_goods {
    char *code;
    char *why;
};

struct reason_rule {
    bool whole; /* the whole text, not a part of it */
    char *text; /* lower case */
    uint32_t reason;
};

struct retail {
    struct retail_line *lines;
    size_t line_count;
    struct retail_sku *skus; /* goods only, by bytes of the code */
    size_t sku_count;
    struct reason *reasons;
    size_t reason_count;
    struct reason_rule *rules;
    size_t rule_count;
    struct not_goods *not_goods;
    size_t not_goods_count;
};

/* Reads the data and the three tables beside the program's data (reason-codes.csv, reasons.csv,
 * not-goods.csv in `dir`). False with a message that names file and line when a file cannot be
 * read or a table is wrong; a wrong line of the data is not a failure but a line in
 * BUCKET_UNREADABLE. Whatever the outcome, release it. */
bool retail_read(struct retail *retail, const char *data, const char *dir, char *error,
                 size_t error_bytes);
void retail_release(struct retail *retail);

/* Index of a SKU by its exact bytes, or RETAIL_NO_SKU. */
uint32_t retail_find_sku(const struct retail *retail, const char *code);

/* ------------------------------------------------------------- opening stock */

#define WAREHOUSE_COUNT 3
struct demo_warehouse {
    const char *code;
    const char *name;
};
extern const struct demo_warehouse demo_warehouses[WAREHOUSE_COUNT];
/* Adjustments name no warehouse in the file; they are booked here. */
#define ADJUSTED_WAREHOUSE 0

/* The rule of demo/README.md: four fifths of what the file sells, rounded up to whole packs, over
 * the warehouses; and what the file writes off, in the warehouse where adjustments are booked. */
void opening_stock(const struct retail_sku *sku, uint32_t units[WAREHOUSE_COUNT]);

/* Writes the CSV for `holdfast import`: a line per SKU and warehouse that has stock, and one with 0
 * for a SKU that has none. *lines and units tell what was written. False with errno. */
bool opening_write(const struct retail *retail, const char *path, size_t *lines,
                   uint64_t units[WAREHOUSE_COUNT]);

#endif

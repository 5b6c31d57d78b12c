/* SPDX-License-Identifier: MIT
 *
 * What the parts of this folder share; for nobody else. A front (yaml.c, csv.c) reads a file's
 * syntax and leaves each line as a draft: the text and place of every key that was written. line.c
 * makes a line of a draft, by the tables in keys.c. read.c drives them, keeps the faults and the
 * digest.
 */
#ifndef BULK_READ_H
#define BULK_READ_H

#include <openssl/evp.h>

#include "bulk/bulk.h"

enum key {
    KEY_OP,
    KEY_SKU,
    KEY_WAREHOUSE,
    KEY_TO_WAREHOUSE,
    KEY_RESERVATION,
    KEY_BY,
    KEY_TO,
    KEY_IF_VERSION,
    KEY_REASON,
    KEY_REFERENCE,
    KEY_NOTE,
    KEY_ACCEPT_SHORTFALL,
    KEY_INTO,
    KEY_TTL,
    KEY_NAME,
    KEY_REORDER_POINT,
    KEY_BARCODES,
    KEY_COUNT
};

#define KEY_BIT(key) (1u << (key))

/* What the head may say for every line that takes it. */
#define DEFAULT_KEYS                                                                               \
    (KEY_BIT(KEY_WAREHOUSE) | KEY_BIT(KEY_TO_WAREHOUSE) | KEY_BIT(KEY_REASON) |                    \
     KEY_BIT(KEY_REFERENCE) | KEY_BIT(KEY_NOTE))

/* Codes and free text may look like anything; the rest are words and numbers. */
#define TEXT_KEYS                                                                                  \
    (KEY_BIT(KEY_SKU) | KEY_BIT(KEY_WAREHOUSE) | KEY_BIT(KEY_TO_WAREHOUSE) | KEY_BIT(KEY_REASON) | \
     KEY_BIT(KEY_REFERENCE) | KEY_BIT(KEY_NOTE) | KEY_BIT(KEY_NAME))

/* Would a spreadsheet compute this field, or is it such a one with a ' before it? */
bool csv_is_formula(const char *text);

enum amount { AMOUNT_NONE, AMOUNT_CHANGE, AMOUNT_QUANTITY, AMOUNT_TO };

struct op {
    enum holdfast_operation_kind kind;
    unsigned required, optional; /* KEY_BITs */
    unsigned defaults;           /* of those, what the head may give */
    enum amount amount;
    bool of_reservation; /* sku and by go together, or neither is given: everything */
};

/* NULL: there is none of that name. *nearest is then the word that was meant, or NULL. */
const struct op *op_find(const char *word, const char **nearest);
const struct op *op_of(enum holdfast_operation_kind kind); /* NULL: none */
const char *key_name(enum key key);
/* KEY_COUNT: none; nearest as above, among the keys in `among`. */
enum key key_find(const char *word, unsigned among, const char **nearest);

/* ------------------------------------------------------------- drafts */

#define CELL_BYTES 512 /* more than any value may have */

struct cell {
    struct bulk_place place;
    size_t length; /* of what was written; text holds no more than fits */
    bool plain;    /* no quotes: it may be a number, or nothing at all */
    char text[CELL_BYTES];
};

struct draft {
    struct bulk_place place;
    bool unreadable; /* told; nothing else can be said about it */
    unsigned given;  /* KEY_BITs */
    unsigned spoilt; /* written, but not to be read; told, so that it is not called missing too */
    unsigned from_head; /* those of given that are the head's defaults */
    struct cell cells[KEY_COUNT];
    size_t barcode_count; /* as written, so it may be more than there is room for */
    struct cell barcodes[BULK_BARCODES_MAX];
};

void cell_set(struct cell *cell, struct bulk_place place, const char *text, size_t length,
              bool plain);

/* ------------------------------------------------------------- the reader */

#define LINE_FAULTS_MAX 24 /* kept until the end of a line, to be told in order of their places */
#define PUT_CODES_MAX                                                                              \
    4096 /* put by the file itself; with more, codes are not checked any longer                    \
          */

struct put_codes {
    struct code *codes;
    size_t count;
    bool lost;
    size_t last; /* where the code before was found, in options or codes */
};

struct kept_fault {
    struct bulk_place place;
    char message[256];
};

struct yaml_front;
struct csv_front;

struct bulk_reader {
    FILE *file;
    long start; /* after a byte order mark */
    const struct bulk_options *options;
    bool stopped; /* nothing after it is read */
    unsigned told;
    uint64_t faults;
    struct kept_fault kept[LINE_FAULTS_MAX];
    size_t kept_count;
    struct bulk_head head;            /* as it is read */
    const struct bulk_head *expected; /* second reading: what bulk_check gave */
    struct draft defaults;            /* of the head */
    struct put_codes put_warehouses, put_reasons;
    EVP_MD_CTX *digest;
    struct draft draft;
    struct yaml_front *yaml;
    struct csv_front *csv;
};

/* Keeps a fault. Told when the line ends. */
void reader_fault(struct bulk_reader *reader, struct bulk_place place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A word of the file that is not known: `unknown <what> "word" (did you mean "nearest"?)`. */
void reader_unknown(struct bulk_reader *reader, struct bulk_place place, const char *what,
                    const char *word, const char *nearest);
/* The file cannot be read beyond this. */
void reader_stop(struct bulk_reader *reader);

/* The run's name, from wherever it was written. */
void reader_take_run(struct bulk_reader *reader, const struct cell *cell);

/* Checks what the head gives for every line. */
void line_check_default(struct bulk_reader *reader, enum key key, const struct cell *cell);

enum drafted { DRAFT_FAULTY, DRAFT_LINE, DRAFT_OPEN };

/* The line of reader->draft, whose index is set by the caller. */
enum drafted line_from_draft(struct bulk_reader *reader, struct bulk_line *line);

/* The fronts. begin reads the head; next fills reader->draft, false at the end or when reading has
 * stopped. Both keep faults. */
bool yaml_front_begin(struct bulk_reader *reader);
bool yaml_front_next(struct bulk_reader *reader);
void yaml_front_end(struct bulk_reader *reader);
bool csv_front_begin(struct bulk_reader *reader);
bool csv_front_next(struct bulk_reader *reader);
void csv_front_end(struct bulk_reader *reader);

#endif

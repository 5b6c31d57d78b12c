/* SPDX-License-Identifier: MIT
 *
 * What the files of `holdfast import` share. The file is read twice: first for its digest and for
 * what contradicts itself (import_scan.c), then to take its lines (import.c), a chunk at a time
 * (import_chunk.c). Memory grows only with the number of different skus and levels in the file.
 */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "common/csv.h"
#include "cli/session.h"
#include "protocol/text.h"

#define IMPORT_CHUNK 1024
#define DIGEST_BYTES 32

enum import_column {
    COLUMN_SKU,
    COLUMN_WAREHOUSE,
    COLUMN_ON_HAND,
    COLUMN_NAME,
    COLUMN_BARCODE,
    COLUMN_SAFETY_STOCK,
    COLUMN_REORDER_POINT,
    COLUMN_COUNT,
};

const char *import_column_name(enum import_column column);

struct import_columns {
    int place[COLUMN_COUNT]; /* which field, or -1 */
    size_t field_count;
};

/* One line, checked by itself. */
struct import_row {
    uint64_t line, number;
    char sku[CODE_BYTES_MAX + 1];
    char warehouse[CODE_BYTES_MAX + 1];
    char name[NAME_BYTES_MAX + 1]; /* "": not given */
    char barcode[CODE_BYTES_MAX + 1];
    uint32_t on_hand, safety_stock, reorder_point;
    bool has_safety_stock, has_reorder_point;
    char *raw; /* as in the file; owned by whoever keeps the row; NULL: not kept */
    size_t raw_bytes;
};

/* Why a line is not taken. column may be NULL: the line as a whole. */
struct import_fault {
    const char *column;
    char why[320];
    size_t missing; /* columns that the line lacks */
};

/* Reads the header. NULL, or why the file cannot be understood (in why). Unknown columns are told
 * on stderr when tell is set, because they will not be used. */
const char *import_header(const struct csv_record *header, struct import_columns *columns,
                          const char *path, bool tell, char why[256]);

/* False with a fault when the line cannot be taken. */
bool import_row_read(const struct csv_record *record, const struct import_columns *columns,
                     struct import_row *row, struct import_fault *fault);

/* ------------------------------------------------------------- what the file says twice */

struct import_scan;

/* Reads the whole file. 0, or EX_DATAERR after having told on stderr why it cannot be understood.
 */
int import_scan_file(struct import_scan **scan, struct csv_reader *reader, const char *path);
void import_scan_destroy(struct import_scan **scan);
const unsigned char *import_digest(const struct import_scan *scan);
uint64_t import_line_count(const struct import_scan *scan);
/* Does another line say something else, or the same again? */
bool import_contradicted(const struct import_scan *scan, const struct import_row *row,
                         struct import_fault *fault);

/* ------------------------------------------------------------- taking lines */

struct import {
    struct session *session;
    const char *path;
    char delimiter;
    FILE *rejects; /* or NULL */
    unsigned char name[DIGEST_BYTES + 36];
    size_t name_bytes; /* what operation ids are derived from */
    int64_t id_time_us;
    uint64_t lines, taken, there, rejected, items;
    uint64_t refused_by[64]; /* by wire code */
    uint64_t refused;
    int first_refusal; /* its status */
    int stopped;       /* status that ended the import early; 0: none */
};

/* Tells FILE:LINE: column: why, and writes the line to the rejects. */
void import_tell(struct import *import, uint64_t line, const char *raw, size_t raw_bytes,
                 const struct import_fault *fault);
void import_refuse(struct import *import, const struct import_row *row, const char *column,
                   const struct holdfast_result *result);

/* Puts the items that are missing or say something else, then counts, then safety stock. */
void import_chunk(struct import *import, const struct import_row *rows, size_t count);

#endif

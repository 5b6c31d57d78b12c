/* SPDX-License-Identifier: MIT
 *
 * The bulk file: many operations in a YAML or CSV file that people write (docs/bulk.md). This
 * folder reads and writes such files, and makes operations of their lines. It has no sockets, no
 * database and no clock; whoever plans or applies a file calls it.
 *
 * A file is read twice. bulk_check reads all of it and tells every fault, so that a bad file
 * changes nothing; bulk_open and bulk_next then give the lines one by one. Memory does not grow
 * with the file. What cannot be read twice (a pipe) is copied to a file first, by the caller.
 */
#ifndef BULK_BULK_H
#define BULK_BULK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client/holdfast.h"
#include "protocol/text.h"

#define BULK_FAULTS_MAX 50       /* told of one file; then it is not read any further */
#define BULK_LINES_MAX 10000000u /* of one file */
#define BULK_BARCODES_MAX 64u    /* of one put_item */
#define BULK_REFERENCE_BYTES_MAX 64u
#define BULK_RESERVATION_BYTES 24 /* the text form with its NUL, and some room */
#define BULK_DIGEST_BYTES 32u     /* SHA-256 */

/* Both from 1; a column is a character of the line, not a byte. */
struct bulk_place {
    uint64_t line;
    uint64_t column;
};

enum bulk_format { BULK_YAML, BULK_CSV };

struct bulk_head {
    char run[CODE_BYTES_MAX + 1]; /* with a line's index it is the operation's id */
    /* Of the run and all its lines as they are meant, defaults filled in: comments, quotes, line
     * ends, and whether it is YAML or CSV, do not matter. Set by bulk_check. */
    uint8_t digest[BULK_DIGEST_BYTES];
    uint64_t lines; /* in the file: the highest index. Set by bulk_check */
    uint64_t open;  /* of them, counts whose `to` is still empty: they are no operation */
};

/* One operation, its defaults filled in. Text that is not given is "". It owns what it holds. */
struct bulk_line {
    uint64_t index; /* in `lines`, from 1; open counts have one too, so there may be gaps */
    struct bulk_place place;
    bool open; /* a count that nobody has filled in; only given with options->open_lines */
    enum holdfast_operation_kind kind;
    char sku[CODE_BYTES_MAX + 1];
    char warehouse[CODE_BYTES_MAX + 1];
    char to_warehouse[CODE_BYTES_MAX + 1];    /* TRANSFER */
    char reservation[BULK_RESERVATION_BYTES]; /* EXTEND to RETURN */
    char reason[CODE_BYTES_MAX + 1];
    char reference[BULK_REFERENCE_BYTES_MAX + 1];
    char note[NOTE_BYTES_MAX + 1];
    char name[NAME_BYTES_MAX + 1]; /* PUT_… */
    /* `by`: ADJUST (a change, not 0), RECEIVE, TRANSFER, QUARANTINE, RESTORE (at least 1), and
     * RELEASE, SHIP, CANCEL, RETURN (0: no sku is given, and it is everything).
     * `to`: COUNT, SET_SAFETY_STOCK, SET_REORDER_POINT. reorder_point: PUT_ITEM. */
    int64_t amount;
    bool has_version; /* COUNT */
    uint64_t if_version;
    bool accept_shortfall; /* ADJUST, QUARANTINE */
    bool to_quarantine;    /* RETURN */
    uint64_t ttl_ms;       /* EXTEND */
    size_t barcode_count;  /* PUT_ITEM */
    char barcodes[BULK_BARCODES_MAX][CODE_BYTES_MAX + 1];
};

/* A fault of the file. Control characters are already replaced, so it may go to a terminal. */
struct bulk_fault {
    struct bulk_place place;
    const char *message; /* lower case, no full stop: `unknown reason "damged" (did you mean …?)` */
};

/* The codes that the cluster knows, so that a wrong one is told with its place and the nearest
 * right one. codes NULL: they are not known, and nothing is checked against them. What a line puts
 * is known to the lines after it. Borrowed. */
struct bulk_codes {
    const char *const *codes;
    size_t count;
};

struct bulk_options {
    enum bulk_format format;
    const char *run; /* CSV without a column `run`: the run's name; otherwise NULL, or the same */
    struct bulk_codes warehouses, reasons;
    bool open_lines; /* bulk_next gives open counts, too: for whoever fills them in */
    void (*fault)(void *data, const struct bulk_fault *fault); /* NULL: nobody wants to know */
    void *data;
};

/* Reads the whole file from its start, and calls options->fault for each fault, line by line (a
 * default that is not known with the first line that takes it), at most BULK_FAULTS_MAX + 1 times:
 * the last one then says that there may be more. True: there was none, and *head is filled. The
 * file must be seekable; a read error is a fault. */
bool bulk_check(FILE *file, const struct bulk_options *options, struct bulk_head *head);

struct bulk_reader;

enum bulk_next {
    BULK_LINE,   /* *line is filled */
    BULK_END,    /* that were all, and they are what bulk_check saw */
    BULK_FAULTY, /* told by options->fault: it cannot be read, or has changed since bulk_check */
};

/* For the second reading, from the start. file, options and what they point to are borrowed until
 * bulk_close. head is what bulk_check gave. NULL: out of memory. */
struct bulk_reader *bulk_open(FILE *file, const struct bulk_options *options,
                              const struct bulk_head *head);
enum bulk_next bulk_next(struct bulk_reader *reader, struct bulk_line *line);
void bulk_close(struct bulk_reader **reader);

/* ------------------------------------------------------------- operations */

/* What bulk_operation fills. It points into the line, and into itself: do not copy it. */
struct bulk_operation {
    struct holdfast_operation operation;
    struct holdfast_line line;
    const char *barcodes[BULK_BARCODES_MAX];
    char id[37];
};

/* The operation of a line, with its id (UUID version 8, holdfast_derive_operation_id of run and
 * index) and without what only the caller knows: id_time_us (when the run began: the same for every
 * attempt from every machine), attempt, actor. run and line are borrowed while it is used. */
void bulk_operation(const char *run, const struct bulk_line *line, struct bulk_operation *to);

/* The word in a file ("adjust", "safety_stock", …), or "" for a kind that has none there
 * (HOLDFAST_RESERVE, HOLDFAST_PURCHASE, HOLDFAST_SETTLE). */
const char *bulk_op_name(enum holdfast_operation_kind kind);

/* What a line is about, for people: its reservation, sku, warehouse or reason. Lives in the line.
 */
const char *bulk_subject(const struct bulk_line *line);

/* A line as an 8-bit clean, unambiguous text, the same whichever file it was read from; what the
 * digest is made of. to has BULK_CANONICAL_BYTES; returns its length. */
#define BULK_CANONICAL_BYTES 8192u
size_t bulk_canonical(const struct bulk_line *line, uint8_t to[BULK_CANONICAL_BYTES]);

/* ------------------------------------------------------------- writing */

/* Writes a file that bulk_check takes; there is nothing to write at the end. Whether it worked,
 * ferror(file) tells. */
struct bulk_writer {
    FILE *file; /* borrowed */
    enum bulk_format format;
    char run[CODE_BYTES_MAX + 1];
    unsigned columns; /* CSV */
};

/* Writes the head. kinds are those of the lines that will be written: they decide CSV's columns. */
void bulk_write_begin(struct bulk_writer *writer, FILE *file, enum bulk_format format,
                      const char *run, const enum holdfast_operation_kind *kinds, size_t count);

/* remark (may be NULL) is for people: a comment in YAML, the column # in CSV. open: a COUNT whose
 * `to` is left empty, for somebody to fill in. Place and index are not looked at. False: CSV cannot
 * say it (a barcode with a blank), and nothing was written. */
bool bulk_write_line(struct bulk_writer *writer, const struct bulk_line *line, bool open,
                     const char *remark);

/* A line for people before the head of a YAML file. Whatever text says, it is one comment. */
void bulk_write_comment(FILE *file, const char *text);

#endif

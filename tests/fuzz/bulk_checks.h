/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a bulk file (fuzz_bulk_yaml.c, fuzz_bulk_csv.c): either there are faults, each with
 * a place inside the file and words that a terminal can show, or every line is an operation that
 * the library takes, reads the same a second time, and reads the same when it is written again as
 * YAML and as CSV.
 */
#ifndef FUZZ_BULK_CHECKS_H
#define FUZZ_BULK_CHECKS_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulk/bulk.h"
#include "protocol/ids.h"

#define COMPARED_MAX 64

struct told {
    uint64_t faults;
    uint64_t lines; /* of the input */
};

static void see_fault(void *data, const struct bulk_fault *fault)
{
    struct told *told = data;

    told->faults++;
    assert(told->faults <= BULK_FAULTS_MAX + 1);
    assert(fault->place.line >= 1 && fault->place.line <= told->lines);
    assert(fault->place.column >= 1);
    assert(fault->message[0] != '\0' && strlen(fault->message) < 256);
    for (const char *p = fault->message; *p; p++)
        assert((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void check_code(const char *code, bool wanted)
{
    assert(code[0] == '\0' ? !wanted : !code_fault(code, strlen(code)));
}

static void check_line(const char *run, const struct bulk_line *line)
{
    struct bulk_operation to;
    uint8_t id[UUID_BYTES];

    bulk_operation(run, line, &to);
    assert(uuid_parse(to.operation.operation_id, id) && uuid_version(id) == 8);
    assert(bulk_op_name(line->kind)[0] != '\0');
    check_code(line->sku, to.operation.line_count > 0);
    check_code(line->warehouse, line->kind == HOLDFAST_COUNT);
    check_code(line->to_warehouse, line->kind == HOLDFAST_TRANSFER);
    check_code(line->reason, line->kind == HOLDFAST_ADJUST);
    assert(!text_fault(line->note, strlen(line->note), NOTE_BYTES_MAX));
    assert(!text_fault(line->name, strlen(line->name), NAME_BYTES_MAX));
    assert(line->amount >= -QUANTITY_MAX && line->amount <= QUANTITY_MAX);
    assert(line->amount >= 0 || line->kind == HOLDFAST_ADJUST);
    assert((line->reservation[0] != '\0') ==
           (line->kind == HOLDFAST_EXTEND || line->kind == HOLDFAST_RELEASE ||
            line->kind == HOLDFAST_SHIP || line->kind == HOLDFAST_CANCEL ||
            line->kind == HOLDFAST_RETURN));
}

struct compared {
    size_t count;
    size_t bytes[COMPARED_MAX];
    uint8_t canonical[COMPARED_MAX][BULK_CANONICAL_BYTES];
};

/* Line n of what was written is line n of what was read, but for the gaps that open counts left. */
static void check_again(FILE *file, enum bulk_format format, const struct compared *compared)
{
    struct told told = {.lines = UINT64_MAX};
    struct bulk_options options = {.format = format, .fault = see_fault, .data = &told};
    struct bulk_head head;
    struct bulk_line line;
    uint8_t bytes[BULK_CANONICAL_BYTES];

    assert(bulk_check(file, &options, &head));
    struct bulk_reader *reader = bulk_open(file, &options, &head);
    assert(reader);
    for (size_t i = 0; i < compared->count; i++) {
        assert(bulk_next(reader, &line) == BULK_LINE && line.index == i + 1);
        assert(bulk_canonical(&line, bytes) == compared->bytes[i]);
        assert(memcmp(bytes, compared->canonical[i], compared->bytes[i]) == 0);
    }
    assert(bulk_next(reader, &line) == BULK_END);
    bulk_close(&reader);
}

/* How many of them CSV could say. */
static void check_written(FILE *file, const struct bulk_options *options,
                          const struct bulk_head *head, enum bulk_format format)
{
    static const enum holdfast_operation_kind kinds[] = {
        HOLDFAST_EXTEND,     HOLDFAST_RELEASE,
        HOLDFAST_SHIP,       HOLDFAST_CANCEL,
        HOLDFAST_RETURN,     HOLDFAST_RECEIVE,
        HOLDFAST_ADJUST,     HOLDFAST_COUNT,
        HOLDFAST_TRANSFER,   HOLDFAST_QUARANTINE,
        HOLDFAST_RESTORE,    HOLDFAST_SET_SAFETY_STOCK,
        HOLDFAST_PUT_REASON, HOLDFAST_SET_REORDER_POINT,
        HOLDFAST_PUT_ITEM,   HOLDFAST_PUT_WAREHOUSE};
    static struct compared compared;
    struct bulk_line line;
    struct bulk_writer writer;
    FILE *written = tmpfile();
    struct bulk_reader *reader = bulk_open(file, options, head);

    assert(written && reader);
    compared.count = 0;
    bulk_write_begin(&writer, written, format, head->run, kinds, sizeof kinds / sizeof kinds[0]);
    while (compared.count < COMPARED_MAX && bulk_next(reader, &line) == BULK_LINE) {
        check_line(head->run, &line);
        if (!bulk_write_line(&writer, &line, false, line.note))
            continue;
        line.index = compared.count + 1;
        compared.bytes[compared.count] = bulk_canonical(&line, compared.canonical[compared.count]);
        compared.count++;
    }
    assert(fflush(written) == 0 && !ferror(written));
    if (compared.count > 0)
        check_again(written, format, &compared);
    bulk_close(&reader);
    fclose(written);
}

static void check_bulk_file(enum bulk_format format, const uint8_t *data, size_t size)
{
    static const char *const codes[] = {"BER1", "damaged", "recount"};
    struct told told = {.lines = 2}; /* an end of file is a line below the last */
    struct bulk_options options = {.format = format, .fault = see_fault, .data = &told};
    struct bulk_head head;
    struct bulk_line line;
    enum bulk_next next;
    uint64_t lines = 0;

    if (size == 0)
        return;
    for (size_t i = 0; i < size; i++) /* libyaml takes NEL, LS and PS for line ends, too */
        told.lines += data[i] == '\n' || data[i] == '\r' || data[i] == 0x85 || data[i] == 0xa8 ||
                      data[i] == 0xa9;
    if (size % 2) {
        options.warehouses.codes = options.reasons.codes = codes;
        options.warehouses.count = options.reasons.count = 3;
    }
    if (size % 3 == 0 && format == BULK_CSV)
        options.run = "outside";
    FILE *file = fmemopen((void *)(uintptr_t)data, size, "r");
    assert(file);
    bool good = bulk_check(file, &options, &head);
    assert(good == (told.faults == 0));
    if (good) {
        struct bulk_reader *reader = bulk_open(file, &options, &head);
        assert(reader);
        while ((next = bulk_next(reader, &line)) == BULK_LINE)
            lines++;
        assert(next == BULK_END && lines + head.open == head.lines && told.faults == 0);
        bulk_close(&reader);
        check_written(file, &options, &head, BULK_YAML);
        check_written(file, &options, &head, BULK_CSV);
    }
    fclose(file);
}

#endif

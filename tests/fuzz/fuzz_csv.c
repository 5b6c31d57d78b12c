/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a CSV file: every record lies inside the file and inside its buffers, a record that
 * is written out again reads the same, and what an import makes of it, in both of its readings, is
 * a row or a reason.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/csv.h"
#include "cli/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes the fields and reads them back. */
static void check_round_trip(const struct csv_record *record, char delimiter)
{
    static struct csv_reader again;
    const struct csv_record *read;
    FILE *file = tmpfile();
    assert(file != NULL);
    /* A header line that makes the reader choose the delimiter, and a record that is not empty. */
    fprintf(file, "a%cb\nx%c", delimiter, delimiter);
    for (size_t i = 0; i < record->field_count; i++) {
        csv_write_field(file, record->fields[i], delimiter);
        fputc(i + 1 < record->field_count ? delimiter : '\n', file);
    }
    assert(csv_open(&again, file) == NULL);
    csv_next(&again);
    read = csv_next(&again);
    assert(read != NULL && read->fault == NULL && read->field_count == record->field_count + 1);
    for (size_t i = 0; i < record->field_count; i++) {
        size_t length = strlen(record->fields[i]);
        /* A CR before the line end is part of the line end. */
        if (i + 1 == record->field_count && length > 0 && record->fields[i][length - 1] == '\r')
            continue;
        assert(strcmp(read->fields[i + 1], record->fields[i]) == 0);
    }
    fclose(file);
}

static void check_record(const struct csv_record *record)
{
    assert(record->raw_bytes > 0 && record->raw_bytes <= CSV_RECORD_BYTES);
    assert(record->field_count <= CSV_FIELDS_MAX);
    assert((record->field_count == 0) == (record->fault != NULL));
    for (size_t i = 0; i < record->field_count; i++)
        assert(strlen(record->fields[i]) <= record->raw_bytes);
}

/* The first reading of an import; NULL: it does not understand the file. */
static struct import_scan *scan_quietly(FILE *file)
{
    static struct csv_reader reader;
    static FILE *nowhere;
    FILE *kept = stderr;
    struct import_scan *scan;

    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    assert(nowhere != NULL);
    reader.file = file;
    stderr = nowhere;
    int code = import_scan_file(&scan, &reader, "fuzz");
    stderr = kept;
    if (code != 0)
        import_scan_destroy(&scan);
    rewind(file);
    return scan;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct csv_reader reader;
    const struct csv_record *record;
    struct import_columns columns;
    struct import_row row;
    struct import_fault fault;
    char why[256];
    struct import_scan *scan;
    uint64_t last = 0, lines = 0;
    FILE *file;
    bool understood;
    if (size == 0)
        return 0;
    file = fmemopen((void *)(uintptr_t)data, size, "r");
    assert(file != NULL);
    scan = scan_quietly(file);
    if (csv_open(&reader, file) == NULL && (record = csv_next(&reader)) != NULL) {
        understood = import_header(record, &columns, "fuzz", false, why) == NULL;
        for (size_t n = 0; record != NULL; record = csv_next(&reader), n++) {
            assert(record->line > last);
            last = record->line;
            check_record(record);
            if (n < 4 && record->fault == NULL && record->field_count < CSV_FIELDS_MAX &&
                record->raw_bytes < CSV_RECORD_BYTES / 4)
                check_round_trip(record, reader.delimiter);
            if (understood && !import_row_read(record, &columns, &row, &fault))
                assert(fault.why[0] != '\0');
            else if (scan != NULL && n > 0 && import_contradicted(scan, &row, &fault))
                assert(fault.why[0] != '\0');
            lines += n > 0;
        }
        assert(scan == NULL || (understood && import_line_count(scan) == lines));
    }
    import_scan_destroy(&scan);
    fclose(file);
    return 0;
}

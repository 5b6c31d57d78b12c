/* SPDX-License-Identifier: MIT
 *
 * A count sheet, as `holdfast export --count-sheet WAREHOUSE` writes it, read as a list to be
 * walked through. Only which lines there are matters: what a level's version was when the sheet was
 * printed does not, as the console looks when the line is counted.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bulk/bulk.h"
#include "console/count_list.h"

struct fault {
    const char *path;
    char *error;
    size_t bytes;
    bool told;
};

static void tell(struct fault *fault, const struct bulk_place *place, const char *message)
{
    size_t used = fault->told ? strlen(fault->error) : 0;

    snprintf(fault->error + used, fault->bytes - used, "%s%s:%llu:%llu: error: %s",
             used ? "\n" : "", fault->path, (unsigned long long)place->line,
             (unsigned long long)place->column, message);
    fault->told = true;
}

static void take_fault(void *data, const struct bulk_fault *fault)
{
    tell(data, &fault->place, fault->message);
}

static bool take_line(struct count_list *list, const struct bulk_line *line, struct fault *fault)
{
    if (line->kind != HOLDFAST_COUNT)
        tell(fault, &line->place, "a count sheet has counts only");
    else if (!line->open)
        tell(fault, &line->place, "it is filled in already: holdfast apply takes such a sheet");
    else if (!count_list_add(list, line->sku, line->warehouse))
        tell(fault, &line->place, "it has more than 20,000 lines: divide it");
    return !fault->told;
}

bool count_sheet_read(const char *path, char run[CODE_BYTES_MAX + 1], struct count_list *list,
                      char *error, size_t error_bytes)
{
    size_t length = strlen(path);
    bool csv = length > 4 && strcmp(path + length - 4, ".csv") == 0;
    struct fault fault = {path, error, error_bytes, false};
    struct bulk_options options = {.format = csv ? BULK_CSV : BULK_YAML,
                                   .open_lines = true,
                                   .fault = take_fault,
                                   .data = &fault};
    struct bulk_head head;
    struct bulk_line line;
    FILE *file = fopen(path, "re");

    if (!file) {
        snprintf(error, error_bytes, "could not open \"%s\": %s", path, strerror(errno));
        return false;
    }
    struct bulk_reader *reader =
        bulk_check(file, &options, &head) ? bulk_open(file, &options, &head) : NULL;
    bool good = reader != NULL;
    while (good && bulk_next(reader, &line) == BULK_LINE)
        good = take_line(list, &line, &fault);
    if (good)
        snprintf(run, CODE_BYTES_MAX + 1, "%s", head.run);
    else if (!fault.told)
        snprintf(error, error_bytes, "out of memory");
    bulk_close(&reader);
    fclose(file);
    return good && !fault.told;
}

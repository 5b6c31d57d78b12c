/* SPDX-License-Identifier: MIT
 *
 * The stock corrections of the retail file as a bulk file, for `holdfast plan` and `apply`: a line
 * for each, the reason that somebody typed mapped to a code by demo/reasons.csv, the text itself
 * kept as the note.
 *
 *   corrections [--data FILE] [--tables DIR] [--run NAME] [--csv] >FILE
 *
 * Exit codes: 0, 64 usage, 65 the data, 71 the system.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "bulk/bulk.h"
#include "demo/retail.h"

struct settings {
    const char *data;
    const char *tables;
    const char *run;
    enum bulk_format format;
};

static int usage(void)
{
    fputs("usage: corrections [--data FILE] [--tables DIR] [--run NAME] [--csv] >FILE\n", stderr);
    return EX_USAGE;
}

static bool parse_settings(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {
        {"data", required_argument, NULL, 'd'},
        {"tables", required_argument, NULL, 't'},
        {"run", required_argument, NULL, 'r'},
        {"csv", no_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    *settings = (struct settings){
        .data = "demo/data/online-retail.csv", .tables = "demo", .run = "retail-corrections"};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'd')
            settings->data = optarg;
        else if (c == 't')
            settings->tables = optarg;
        else if (c == 'r')
            settings->run = optarg;
        else if (c == 'c')
            settings->format = BULK_CSV;
        else
            return false;
    }
    return optind == argc && !code_fault(settings->run, strlen(settings->run));
}

/* Reasons first: the corrections need them. */
static void write_reasons(struct bulk_writer *writer, const struct retail *retail)
{
    for (size_t i = 0; i < retail->reason_count; i++) {
        struct bulk_line line = {.kind = HOLDFAST_PUT_REASON};
        snprintf(line.reason, sizeof line.reason, "%s", retail->reasons[i].code);
        snprintf(line.name, sizeof line.name, "%s", retail->reasons[i].name);
        bulk_write_line(writer, &line, false, NULL);
    }
}

static void write_corrections(struct bulk_writer *writer, const struct retail *retail)
{
    char remark[64];
    for (size_t i = 0; i < retail->line_count; i++) {
        const struct retail_line *from = &retail->lines[i];
        struct bulk_line line = {.kind = HOLDFAST_ADJUST, .amount = from->quantity};
        if (from->kind != LINE_ADJUSTMENT)
            continue;
        snprintf(line.sku, sizeof line.sku, "%s", from->code);
        snprintf(line.warehouse, sizeof line.warehouse, "%s",
                 demo_warehouses[ADJUSTED_WAREHOUSE].code);
        snprintf(line.reason, sizeof line.reason, "%s", retail->reasons[from->reason].code);
        snprintf(line.note, sizeof line.note, "%s", from->description);
        snprintf(remark, sizeof remark, "line %u", from->file_line);
        bulk_write_line(writer, &line, false, remark);
    }
}

int main(int argc, char **argv)
{
    static const enum holdfast_operation_kind kinds[] = {HOLDFAST_PUT_REASON, HOLDFAST_ADJUST};
    struct settings settings;
    struct bulk_writer writer;
    struct retail retail;
    char error[512];
    int code = 0;
    if (!parse_settings(argc, argv, &settings))
        return usage();
    if (!retail_read(&retail, settings.data, settings.tables, error, sizeof error)) {
        fprintf(stderr, "corrections: %s\n", error);
        code = EX_DATAERR;
    } else {
        bulk_write_begin(&writer, stdout, settings.format, settings.run, kinds,
                         sizeof kinds / sizeof kinds[0]);
        write_reasons(&writer, &retail);
        write_corrections(&writer, &retail);
    }
    retail_release(&retail);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "corrections: could not write: %s\n", strerror(errno));
        code = EX_OSERR;
    }
    return code;
}

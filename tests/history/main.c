/* SPDX-License-Identifier: MIT
 *
 * check-history FILE...: reads logs of clients and of the ledger (format.md), judges them together,
 * and prints every finding and what was looked at. Exit code 0: nothing found; 1: something; 65: a
 * file is not of the format; 66: a file cannot be read.
 */
#include "tests/history/history.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void print_finding(void *data, const char *rule, const char *text)
{
    (void)data;
    printf("%s: %s\n", rule, text);
}

static int read_file(struct history *history, const char *name, unsigned *cuts)
{
    char error[400];
    bool cut = false;
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");

    if (!file) {
        fprintf(stderr, "check-history: could not open \"%s\": %s\n", name, strerror(errno));
        return 66;
    }
    bool good = history_read(history, file, name, &cut, error, sizeof error);
    if (file != stdin)
        fclose(file);
    if (!good)
        fprintf(stderr, "check-history: %s\n", error);
    *cuts += cut;
    return good ? 0 : 65;
}

static void print_figures(const struct history *history, unsigned files, unsigned cuts)
{
    const struct history_figures *f = history_figures(history);
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"files", files},
        {"cut", cuts},
        {"calls", f->calls},
        {"applied", f->applied},
        {"refused", f->refused},
        {"shed", f->shed},
        {"unknown", f->unknown},
        {"ids", f->ids},
        {"movements", f->movements},
        {"groups", f->groups},
        {"unknown_applied", f->unknown_applied},
        {"unknown_absent", f->unknown_absent},
        {"voids", f->voids},
        {"expiries", f->expiries},
        {"refusals_judged", f->refusals_judged},
        {"refusals_skipped", f->refusals_skipped},
        {"moments", f->moments},
        {"undos", f->undos},
        {"run_lines", f->run_lines},
        {"list_lines", f->list_lines},
    };

    printf("figures");
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        printf(" %s=%" PRIu64, figures[i].name, figures[i].value);
    printf("\n");
}

int main(int argc, char **argv)
{
    const struct history_options options = {.partitions = 1, .clock_skew_us = -1};
    unsigned cuts = 0;
    int code = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: check-history FILE...   (- is standard input)\n");
        return 64;
    }
    struct history *history = history_new(&options);
    for (int i = 1; i < argc && code == 0; i++)
        code = read_file(history, argv[i], &cuts);
    if (code == 0) {
        size_t found = history_judge(history, print_finding, NULL);
        if (found > HISTORY_FINDINGS_MAX)
            printf("… and %zu more\n", found - HISTORY_FINDINGS_MAX);
        print_figures(history, (unsigned)argc - 1, cuts);
        code = found > 0;
    }
    history_destroy(&history);
    return code;
}

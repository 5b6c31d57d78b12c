/* SPDX-License-Identifier: MIT
 *
 * See help.h. Prints; decides nothing.
 */
#include <string.h>

#include "cli/help.h"
#include "cli/options.h"

#define HELP_COLUMN 26
#define HELP_WIDTH 80

static size_t columns_of(const char *text, size_t bytes)
{
    size_t columns = 0;
    for (size_t i = 0; i < bytes; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80; /* UTF-8: one a character */
    return columns;
}

/* Words of text, from `column` of a line that has been begun; further lines begin at `indent`. An
 * empty line stays one; other ends of lines are spaces. Ends the last line. */
static void print_filled(FILE *out, const char *text, size_t column, size_t indent)
{
    bool first = true;

    while (*text != '\0') {
        size_t bytes = strcspn(text, " \n"), columns = columns_of(text, bytes);
        if (!first && column + 1 + columns > HELP_WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, bytes, out);
        column += columns;
        text += bytes;
        first = strncmp(text, "\n\n", 2) == 0;
        if (first) {
            fprintf(out, "\n\n%*s", (int)indent, "");
            column = indent;
        }
        text += strspn(text, " \n");
    }
    fputc('\n', out);
}

void help_all(FILE *out)
{
    fputs("usage: holdfast [-C cluster.yaml] COMMAND …\n\n", out);
    for (const struct command *c = commands; c->words != NULL; c++)
        if (!(c->flags & COMMAND_HIDDEN)) {
            fprintf(out, "  %-20s ", c->words);
            print_filled(out, c->summary, 23, 23);
        }
    fputc('\n', out);
    print_filled(
        out,
        "Every command has --help and --json. A LINE is SKU=QTY or SKU=QTY@WAREHOUSE. Exit "
        "codes: 0 applied, 1 refused, 64 usage, 65 a file's content, 69 not now (send it "
        "again later), 71 the system, 75 unknown (may have been applied: settle it), 77 "
        "not permitted, 130 interrupted. More in holdfast(1).",
        0, 0);
}

struct option_row {
    FILE *out;
    const struct command *command;
};

static bool print_option(const struct option_spec *spec, void *data)
{
    const struct option_row *row = data;
    const char *timeout = row->command->timeout;
    FILE *out = row->out;
    char left[64], help[512];
    if (spec->value != NULL)
        snprintf(left, sizeof(left), "--%s %s%s", spec->name,
                 spec->choices != NULL ? spec->choices : spec->value, spec->repeats ? " …" : "");
    else
        snprintf(left, sizeof(left), "--%s", spec->name);
    size_t columns = columns_of(left, strlen(left));
    if (strcmp(spec->name, "timeout") == 0)
        snprintf(help, sizeof(help), "%s (default %s)", spec->help, timeout ? timeout : "10s");
    else
        snprintf(help, sizeof(help), "%s%s", spec->help, spec->required ? " (required)" : "");
    if (columns >= HELP_COLUMN)
        fprintf(out, "  %s\n  %*s ", left, HELP_COLUMN, "");
    else
        fprintf(out, "  %s%*s ", left, HELP_COLUMN - (int)columns, "");
    print_filled(out, help, HELP_COLUMN + 3, HELP_COLUMN + 3);
    return true;
}

void help_command(FILE *out, const struct command *command)
{
    struct option_row row = {out, command};
    fprintf(out, "usage: holdfast %s%s%s [options]\n\n", command->words,
            *command->arguments != '\0' ? " " : "", command->arguments);
    print_filled(out, command->summary, 0, 0);
    if (command->details != NULL) {
        fputc('\n', out);
        print_filled(out, command->details, 0, 0);
    }
    fputs("\noptions:\n", out);
    command_options(command, print_option, &row);
}

static const char *completes_name(enum completes completes)
{
    switch (completes) {
    case COMPLETES_NOTHING:
        return "-";
    case COMPLETES_FILE:
        return "file";
    case COMPLETES_FOLDER:
        return "folder";
    case COMPLETES_WAREHOUSE:
        return "warehouse";
    }
    return "-";
}

static bool table_option(const struct option_spec *spec, void *data)
{
    struct option_row *row = data;
    fprintf(row->out, "option\t%s\t--%s\t%s\t%s\t%s\n", row->command->words, spec->name,
            spec->value != NULL ? spec->value : "-", completes_name(spec->completes),
            spec->choices != NULL ? spec->choices : "-");
    return true;
}

void help_table(FILE *out)
{
    for (const struct command *c = commands; c->words != NULL; c++) {
        struct option_row row = {out, c};
        if (c->flags & COMMAND_HIDDEN)
            continue;
        fprintf(out, "command\t%s\t%s\t%s\n", c->words, *c->arguments != '\0' ? c->arguments : "-",
                completes_name(c->completes));
        command_options(c, table_option, &row);
    }
}

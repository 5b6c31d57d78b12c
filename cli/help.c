/* SPDX-License-Identifier: MIT
 *
 * See help.h. Prints; decides nothing.
 */
#include <string.h>
#include "cli/help.h"
#include "cli/options.h"

#define HELP_COLUMN 26

void help_all(FILE *out)
{
    fputs("usage: holdfast [-C cluster.yaml] COMMAND …\n\n", out);
    for (const struct command *c = commands; c->words != NULL; c++)
        if (!(c->flags & COMMAND_HIDDEN))
            fprintf(out, "  %-20s %s\n", c->words, c->summary);
    fputs("\nEvery command has --help and --json. A LINE is SKU=QTY or SKU=QTY@WAREHOUSE.\n"
          "Exit codes: 0 applied, 1 refused, 64 usage, 65 a file's content, 69 not now (send it\n"
          "again later), 71 the system, 75 unknown (may have been applied: settle it), 77 not\n"
          "permitted, 130 interrupted. More in holdfast(1).\n",
          out);
}

static bool print_option(const struct option_spec *spec, void *data)
{
    FILE *out = data;
    char left[64];
    if (spec->value != NULL)
        snprintf(left, sizeof(left), "--%s %s%s", spec->name,
                 spec->choices != NULL ? spec->choices : spec->value, spec->repeats ? " …" : "");
    else
        snprintf(left, sizeof(left), "--%s", spec->name);
    if (strlen(left) >= HELP_COLUMN)
        fprintf(out, "  %s\n  %*s %s", left, HELP_COLUMN, "", spec->help);
    else
        fprintf(out, "  %-*s %s", HELP_COLUMN, left, spec->help);
    fputs(spec->required ? " (required)\n" : "\n", out);
    return true;
}

void help_command(FILE *out, const struct command *command)
{
    fprintf(out, "usage: holdfast %s%s%s [options]\n\n%s\n", command->words,
            *command->arguments != '\0' ? " " : "", command->arguments, command->summary);
    if (command->details != NULL)
        fprintf(out, "\n%s\n", command->details);
    fputs("\noptions:\n", out);
    command_options(command, print_option, out);
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

struct table_row {
    FILE *out;
    const struct command *command;
};

static bool table_option(const struct option_spec *spec, void *data)
{
    struct table_row *row = data;
    fprintf(row->out, "option\t%s\t--%s\t%s\t%s\t%s\n", row->command->words, spec->name,
            spec->value != NULL ? spec->value : "-", completes_name(spec->completes),
            spec->choices != NULL ? spec->choices : "-");
    return true;
}

void help_table(FILE *out)
{
    for (const struct command *c = commands; c->words != NULL; c++) {
        struct table_row row = {out, c};
        if (c->flags & COMMAND_HIDDEN)
            continue;
        fprintf(out, "command\t%s\t%s\t%s\n", c->words, *c->arguments != '\0' ? c->arguments : "-",
                completes_name(c->completes));
        command_options(c, table_option, &row);
    }
}

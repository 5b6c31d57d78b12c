/* SPDX-License-Identifier: MIT
 *
 * holdfast: the command line. Reads what was typed against the command table and runs the command;
 * everything else is in the files that commands.c names.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/command.h"
#include "cli/help.h"
#include "cli/options.h"
#include "client/holdfast.h"

/* Data that could not be written must not look like success: `holdfast stock > full-disk`. */
static int finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (errno != EPIPE)
        complain(NULL, "could not write the output: %s", strerror(errno));
    return code == 0 ? EX_OSERR : code;
}

int main(int argc, char **argv)
{
    static struct invocation invocation;
    /* Text is UTF-8 wherever it comes from; its width must be known even under LC_ALL=C. */
    if (setlocale(LC_CTYPE, "") == NULL || MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    switch (parse_invocation(argc, argv, &invocation)) {
    case PARSED_RUN:
        return finish(invocation.command->run(&invocation));
    case PARSED_HELP:
        if (invocation.command != NULL)
            help_command(stdout, invocation.command);
        else
            help_all(stdout);
        return finish(0);
    case PARSED_VERSION:
        printf("holdfast %s\n", holdfast_version());
        return finish(0);
    case PARSED_TABLE:
        help_table(stdout);
        return finish(0);
    case PARSED_ERROR:
        break;
    }
    return EX_USAGE;
}

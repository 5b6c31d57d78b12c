/* SPDX-License-Identifier: MIT
 *
 * --help, from the command table.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>
#include "cli/command.h"

void help_all(FILE *out);
void help_command(FILE *out, const struct command *command);
/* The table as lines of words, for the tests of completion and man page and for completion itself:
 * `command<TAB>words<TAB>arguments<TAB>completes`, then its options as
 * `option<TAB>words<TAB>--name<TAB>value<TAB>completes<TAB>choices`. */
void help_table(FILE *out);

#endif

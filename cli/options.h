/* SPDX-License-Identifier: MIT
 *
 * From argv to an invocation: finds the command in the table and checks what was typed against it.
 * Called by main.c; never runs a command.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli/command.h"

enum parsed {
    PARSED_RUN,     /* invocation is filled: run it */
    PARSED_HELP,    /* help for invocation->command, or for all when it is NULL */
    PARSED_VERSION, /* holdfast --version */
    PARSED_TABLE,   /* holdfast help --table: for completion and the tests */
    PARSED_ERROR,   /* told on stderr; exit EX_USAGE */
};

/* argv is reordered: options may stand between arguments. */
enum parsed parse_invocation(int argc, char **argv, struct invocation *invocation);

/* Calls visit for each option that the command takes: its own, then write, client, common. Stops
 * when visit returns false. */
void command_options(const struct command *command,
                     bool (*visit)(const struct option_spec *spec, void *data), void *data);
const struct option_spec *command_option(const struct command *command, const char *name,
                                         size_t length);

#endif

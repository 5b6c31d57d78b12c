/* SPDX-License-Identifier: MIT
 *
 * Stands in, weakly, for commands whose files are not in the tree yet, so that the program links.
 * The real definitions win; this file goes away with the last of them.
 */
#include <stdio.h>
#include "cli/command.h"

static int missing(const struct invocation *invocation)
{
    complain(invocation->command->words, "not in this build");
    return EX_USAGE;
}

__attribute__((weak)) int cmd_up(const struct invocation *invocation)
{
    return missing(invocation);
}

__attribute__((weak)) int cmd_down(const struct invocation *invocation)
{
    return missing(invocation);
}

__attribute__((weak)) int cmd_status(const struct invocation *invocation)
{
    return missing(invocation);
}

__attribute__((weak)) int cmd_doctor(const struct invocation *invocation)
{
    return missing(invocation);
}

__attribute__((weak)) int cmd_import(const struct invocation *invocation)
{
    return missing(invocation);
}

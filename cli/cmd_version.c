/* SPDX-License-Identifier: MIT
 *
 * holdfast version.
 */
#include <stdio.h>
#include "cli/command.h"
#include "client/holdfast.h"

int cmd_version(const struct invocation *invocation)
{
    if (invocation->json)
        printf("{\"version\":\"%s\"}\n", holdfast_version());
    else
        printf("holdfast %s\n", holdfast_version());
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * holdfast version and holdfast new-id: what needs no cluster.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "client/holdfast.h"
#include "common/clock.h"
#include "common/random.h"
#include "protocol/ids.h"

int cmd_version(const struct invocation *invocation)
{
    if (invocation->json)
        printf("{\"version\":\"%s\"}\n", holdfast_version());
    else
        printf("holdfast %s\n", holdfast_version());
    return 0;
}

int cmd_new_id(const struct invocation *invocation)
{
    uint8_t random[10], id[UUID_BYTES];
    char text[UUID_TEXT_BYTES];

    if (!random_bytes(random, sizeof random)) {
        complain("new-id", "the system gives no random numbers: %s", strerror(errno));
        return EX_OSERR;
    }
    uuid_v7(id, clock_wall_us(), random);
    uuid_format(id, text);
    printf(invocation->json ? "{\"operation_id\":\"%s\"}\n" : "%s\n", text);
    return 0;
}

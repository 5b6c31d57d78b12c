/* SPDX-License-Identifier: MIT
 *
 * See random.h.
 */
#include "common/random.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

bool random_bytes(void *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = getrandom((char *)bytes + at, size - at, 0);
        if (got < 0 && errno != EINTR)
            return false;
        if (got > 0)
            at += (size_t)got;
    }
    return true;
}

uint64_t random_below(uint64_t bound)
{
    uint64_t drawn;

    if (!random_bytes(&drawn, sizeof drawn))
        abort();
    return drawn % bound;
}

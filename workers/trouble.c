/* SPDX-License-Identifier: MIT
 *
 * See trouble.h.
 */
#include "workers/trouble.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/worker.h"

/* Longer than the pause between two tries of whatever is tried again. */
#define TROUBLE_US 5000000

void trouble_tell(struct worker *worker, const char *format, ...)
{
    struct trouble *trouble = &worker->trouble;
    va_list args;

    va_start(args, format);
    vsnprintf(trouble->text, sizeof trouble->text, format, args);
    va_end(args);
    for (char *c = trouble->text; *c; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?'; /* a server's message may quote any bytes, and is cut off anywhere */
    }
    trouble->until_us = clock_monotonic_us() + TROUBLE_US;
    log_limited(LOG_WARN, "%s", trouble->text);
}

const char *trouble_now(const struct worker *worker, int64_t now_us)
{
    return now_us < worker->trouble.until_us ? worker->trouble.text : "";
}

/* SPDX-License-Identifier: MIT
 *
 * What keeps the worker from working, in words. It goes into the log and, while it is new, into
 * every heartbeat, so that brokers can tell it to whoever looks after the cluster.
 */
#ifndef WORKERS_TROUBLE_H
#define WORKERS_TROUBLE_H

#include <stdint.h>

struct worker;

#define TROUBLE_BYTES 200u /* with the NUL; of the contract: Heartbeat.trouble is shorter */

/* The last one. */
struct trouble {
    char text[TROUBLE_BYTES];
    int64_t until_us; /* monotonic; what has not come again by then is over */
};

/* Logs it, at most once a second, and remembers it. */
void trouble_tell(struct worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "" when there is none. */
const char *trouble_now(const struct worker *worker, int64_t now_us);

#endif

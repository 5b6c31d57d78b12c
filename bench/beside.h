/* SPDX-License-Identifier: MIT
 *
 * What views and relays cost the write path.
 */
#ifndef BENCH_BESIDE_H
#define BENCH_BESIDE_H

#include <stdint.h>

/* Files of three clusters that are alike, and prepared (cluster_prepare). */
struct beside {
    const char *without; /* neither a view nor a relay */
    const char *view;
    const char *relay;
};

/* Prints rates, latency and ratios. 0 met, 1 missed, or EX_OSERR. */
int beside_compare(const struct beside *beside, long seconds, long rounds, uint32_t depth);
/* The program as a subscriber of that cluster, until SIGTERM. */
int beside_follow_main(const char *cluster_file);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Processor time used by the whole cluster: what a comparison can still say when other programs
 * slow the machine down.
 */
#ifndef BENCH_PROCESSOR_H
#define BENCH_PROCESSOR_H

#include <stdint.h>

/* Microseconds, user and system, of this process and of every process that was started with a path
 * in `folder` among its arguments (the cluster's databases, broker, workers). Only grows as long as
 * none of them ends. */
int64_t processor_us(const char *folder);

#endif

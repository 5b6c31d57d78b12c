/* SPDX-License-Identifier: MIT
 *
 * The two clocks of the machine, in microseconds. Decision modules never read a clock: their
 * callers pass a time. Everything else reads it here, so that a simulation can put clocks of its
 * own in the place of clock.c.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

/* Microseconds since the epoch; jumps when somebody sets the clock. */
int64_t clock_wall_us(void);

/* Microseconds since some moment; never goes back. */
int64_t clock_monotonic_us(void);

#endif

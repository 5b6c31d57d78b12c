/* SPDX-License-Identifier: MIT
 *
 * The least that a handle's reads must have seen: a sequence for each partition. Pure.
 */
#ifndef CLIENT_POSITIONS_H
#define CLIENT_POSITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct positions {
    uint64_t *sequences; /* by partition; 0: nothing is asked of it */
    uint32_t size;
    size_t count; /* above 0 */
};

void positions_release(struct positions *positions);
/* Raises it to sequence. False: no memory, or no such partition. */
bool positions_raise(struct positions *positions, uint32_t partition, uint64_t sequence);
/* The owner says that its history ends at `to`: what was `from` cannot be reached any more. Nothing
 * happens when it is not `from` any more. */
void positions_lower(struct positions *positions, uint32_t partition, uint64_t from, uint64_t to);
/* 0: nothing is asked. */
uint64_t positions_get(const struct positions *positions, uint32_t partition);

#endif

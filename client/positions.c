/* SPDX-License-Identifier: MIT
 *
 * See positions.h.
 */
#include "client/positions.h"

#include "protocol/header.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_AT_START 64u

void positions_release(struct positions *positions)
{
    free(positions->sequences);
    *positions = (struct positions){0};
}

static bool reserve(struct positions *positions, uint32_t partition)
{
    uint32_t size = positions->size ? positions->size : SIZE_AT_START;

    if (partition < positions->size)
        return true;
    if (partition >= PARTITIONS_MAX)
        return false;
    while (size <= partition)
        size *= 2;
    uint64_t *grown = realloc(positions->sequences, size * sizeof *grown);
    if (!grown)
        return false;
    memset(grown + positions->size, 0, (size - positions->size) * sizeof *grown);
    positions->sequences = grown;
    positions->size = size;
    return true;
}

bool positions_raise(struct positions *positions, uint32_t partition, uint64_t sequence)
{
    if (!reserve(positions, partition))
        return false;
    uint64_t *at = &positions->sequences[partition];
    positions->count += *at == 0 && sequence > 0;
    if (sequence > *at)
        *at = sequence;
    return true;
}

void positions_lower(struct positions *positions, uint32_t partition, uint64_t from, uint64_t to)
{
    if (from == 0 || to >= from || positions_get(positions, partition) != from)
        return;
    positions->sequences[partition] = to;
    positions->count -= to == 0;
}

uint64_t positions_get(const struct positions *positions, uint32_t partition)
{
    return partition < positions->size ? positions->sequences[partition] : 0;
}

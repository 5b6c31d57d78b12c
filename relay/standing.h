/* SPDX-License-Identifier: MIT
 *
 * Where the partitions of a shard stand, and which claims wrote what: read in plain SELECTs of the
 * transaction that runs, so that no row of the writers is locked.
 */
#ifndef RELAY_STANDING_H
#define RELAY_STANDING_H

#include "relay/job.h"

struct db;

struct claim_row {
    uint32_t partition;
    uint8_t claim[CLAIM_BYTES];
    uint64_t first_seq;
};

struct standing {       /* zeroed: nothing */
    struct look *looks; /* by partition */
    size_t look_count;
    struct claim_row *claims; /* by partition and epoch */
    size_t claim_count;
};

/* Of these partitions; count 0: of all that are here. False: the database does not answer. */
bool standing_read(struct db *db, const uint32_t *partitions, size_t count,
                   struct standing *standing);
void standing_release(struct standing *standing);

/* NULL: the partition is not here. */
const struct look *standing_of(const struct standing *standing, uint32_t partition);
/* Is this position history here? *end: up to where what was written under its claim is; 0 where
 * there is no such claim. */
bool standing_is_history(const struct standing *standing, uint32_t partition,
                         const struct position *position, uint64_t *end);
/* The claim under which movement `seq` was written; zeros at 0. */
void standing_claim(const struct standing *standing, uint32_t partition, uint64_t seq,
                    uint8_t claim[CLAIM_BYTES]);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What is old enough to go, and its going, each in a transaction under the fence. prune.c says
 * when.
 */
#ifndef WORKERS_STORE_PRUNE_H
#define WORKERS_STORE_PRUNE_H

#include "workers/db.h"
#include "workers/store_claims.h"

struct store_prune {
    struct store_claim claim;
    uint64_t pruned_seq; /* as it is */
    int64_t cutoff_us;   /* what is older may go */
    int64_t now_us;      /* the owner's */
};

/* *upto: of the first `limit` movements those that may go, whole operations; 0: none. */
enum db_outcome store_prune_find(struct db *db, const struct store_prune *prune, size_t limit,
                                 uint64_t *upto);
/* Reservations that may go with the movements up to there: closed, with nothing left to ship, and
 * named by no movement behind. ids: room for limit. */
enum db_outcome store_prune_closed(struct db *db, const struct store_prune *prune, uint64_t upto,
                                   size_t limit, uint8_t (*ids)[RESERVATION_ID_BYTES],
                                   size_t *count);
/* Writes the checkpoint and deletes the movements up to there, and these reservations. *rows: how
 * many rows it took. Anything but DB_OK has changed nothing (DB_LOST: may have), DB_MISMATCH: the
 * partition is not ours. */
enum db_outcome store_prune(struct db *db, const struct store_prune *prune, uint64_t upto,
                            uint8_t (*ids)[RESERVATION_ID_BYTES], size_t count, uint64_t *rows);

/* Takes away rows that nobody asks for any more, at most `limit` of each kind:
 * - claims of the partition from before cutoff_us that are not its newest, when no position that
 *   is not behind the retention can have been read under them: the next claim came before
 *   everything that is kept, or this one wrote nothing; and no subscription stands at it;
 * - workers of the shard that died so long ago, by the server's clock.
 * Whoever does it, that is right, so there is no fence. *rows: how many it took. */
enum db_outcome store_prune_claims(struct db *db, const struct store_prune *prune, int64_t dead_us,
                                   size_t limit, uint64_t *rows);

#endif

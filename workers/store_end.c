/* SPDX-License-Identifier: MIT
 *
 * The end of a batch's transaction: what its statements came to, and then its COMMIT.
 */
#include "workers/store.h"

static enum store_outcome outcome_of(enum db_outcome outcome)
{
    switch (outcome) {
    case DB_OK:
        return STORE_DONE;
    case DB_MISMATCH:
        return STORE_STALE;
    case DB_AGAIN:
        return STORE_AGAIN;
    case DB_REPEATS:
        return STORE_REPEATS;
    case DB_NOT_WRITER:
        return STORE_NOT_WRITER;
    case DB_LOST:
        return STORE_LOST;
    case DB_FAILED:
        return STORE_FAILED;
    }
    return STORE_FAILED;
}

enum store_outcome store_end(struct db *db, enum db_outcome ran, bool fenced)
{
    /* Whatever a statement behind the fence said. */
    enum store_outcome outcome = fenced ? STORE_FENCED : outcome_of(ran);

    if (outcome != STORE_DONE) {
        db_rollback(db);
        return outcome;
    }
    outcome = outcome_of(db_commit(db));
    if (outcome == STORE_DONE)
        return outcome;
    if (outcome == STORE_AGAIN) { /* these say that it was rolled back, or wait for a ROLLBACK */
        db_rollback(db);
        return outcome;
    }
    /* Anything else that a server says to COMMIT may come after the rows. */
    db_close(db);
    return STORE_UNKNOWN;
}

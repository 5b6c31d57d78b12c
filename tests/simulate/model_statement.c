/* SPDX-License-Identifier: MIT
 *
 * What statements are made of: locking, reading and inserting rows; and those statements that
 * belong to no table.
 */
#include <assert.h>
#include <string.h>

#include "tests/simulate/model_impl.h"

struct model_entry *model_take(struct model_run *run, enum model_table_name table,
                               const struct model_key *key)
{
    return model_lock(&run->server->tables[table], key, run->tx, &run->other);
}

struct model_entry *model_join(struct model_run *run, enum model_table_name table,
                               const struct model_key *key)
{
    if (run->joined && model_unlock(run->joined))
        model_wake_waiting(run->server, run->tx);
    return run->joined = model_take(run, table, key);
}

const void *model_get(const struct model_run *run, enum model_table_name table,
                      const struct model_key *key)
{
    return model_read(&run->server->tables[table], key, run->tx);
}

unsigned model_insert(struct model_run *run, enum model_table_name table,
                      const struct model_key *key, const void *row)
{
    struct model_entry *entry = model_take(run, table, key);

    if (entry && !model_visible(entry, run->tx)) {
        model_change(entry, row);
        run->affected++;
        return 0;
    }
    model_row_release(row);
    return entry ? MODEL_DUPLICATE : MODEL_BLOCKED;
}

void model_movement_read(struct model_run *run, uint32_t partition, uint64_t seq,
                         struct movement *movement)
{
    struct model_key key = model_key_of_seq(partition, seq);
    const struct movement *row = model_get(run, MODEL_MOVEMENT, &key);

    assert(row);
    model_movement_copy(movement, row, &run->request->arena);
    key = model_key_of_seq(partition, row->epoch);
    const struct model_claim *claim = model_get(run, MODEL_CLAIM, &key);
    if (claim)
        memcpy(movement->claim_id, claim->claim_id, sizeof movement->claim_id);
}

unsigned model_start(struct model_run *run)
{
    if (run->connection->in_transaction)
        model_commit_all(run->server, run->tx); /* as the manual says */
    model_snapshot_end(run->connection);
    run->connection->in_transaction = true;
    return 0;
}

/* The transaction ends with the statement: see run_statement. */
unsigned model_commit(struct model_run *run)
{
    run->connection->in_transaction = false;
    model_snapshot_end(run->connection);
    return 0;
}

unsigned model_rollback(struct model_run *run)
{
    run->connection->in_transaction = false;
    model_snapshot_end(run->connection);
    model_rollback_all(run->server, run->tx);
    return 0;
}

unsigned model_clock(struct model_run *run)
{
    *(int64_t *)run->arguments = run->now_us;
    return 0;
}

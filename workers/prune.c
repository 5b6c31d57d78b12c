/* SPDX-License-Identifier: MIT
 *
 * One partition at a time, one step a tick. A step takes away whole operations: those within the
 * retention, and so within the idempotency window, keep all their rows. When there are none to take
 * away, what is left of claims and workers of long ago goes.
 */
#include "workers/prune.h"

#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/claims.h"
#include "workers/store_prune.h"

#define PRUNE_PAUSE_MIN_US 200000

/* What a retry may ask for stays, whatever the retention: an id may be as far ahead of the time at
 * which its operation was applied as ids may be at all. */
static int64_t kept_us(const struct worker *worker)
{
    const struct ledger_limits *limits = &worker->ledger_limits;
    int64_t retention_us = (int64_t)worker->config->windows.retention_ms * 1000;
    int64_t asked_us = limits->idempotency_us + limits->id_future_us;

    return retention_us > asked_us ? retention_us : asked_us;
}

static struct store_prune step_of(const struct worker *worker, const struct slot *slot)
{
    int64_t now_us = slot_now_us(worker, slot);
    struct store_prune prune = {
        .claim = {.partition = slot->partition, .epoch = slot->epoch},
        .pruned_seq = slot->pruned_seq,
        .cutoff_us = now_us - kept_us(worker),
        .now_us = now_us,
    };

    memcpy(prune.claim.claim_id, slot->claim_id, sizeof prune.claim.claim_id);
    return prune;
}

/* True when the step was done. */
static bool judge(struct worker *worker, const struct slot *slot, enum db_outcome outcome,
                  uint64_t rows)
{
    if (outcome == DB_OK) {
        worker->metrics.pruned += rows;
        return true;
    }
    log_limited(LOG_WARN, "partition=%u could not prune: %s", slot->partition,
                outcome == DB_MISMATCH ? "it is not ours any more" : db_error(&worker->db));
    worker->claims.look_next_us = 0;
    return false;
}

/* True when there may be more. */
static bool step(struct worker *worker, struct slot *slot)
{
    struct store_prune prune = step_of(worker, slot);
    uint8_t ids[PRUNE_CHUNK][RESERVATION_ID_BYTES];
    uint64_t upto, rows;
    size_t count;

    if (store_prune_find(&worker->db, &prune, PRUNE_CHUNK, &upto) != DB_OK || upto == 0 ||
        store_prune_closed(&worker->db, &prune, upto, PRUNE_CHUNK, ids, &count) != DB_OK)
        return false;
    enum db_outcome outcome = store_prune(&worker->db, &prune, upto, ids, count, &rows);
    if (!judge(worker, slot, outcome, rows))
        return false;
    slot->pruned_seq = upto;
    slot->clock_high_us = prune.now_us;
    return true;
}

/* True when there may be more. */
static bool forget_claims(struct worker *worker, const struct slot *slot)
{
    struct store_prune prune = step_of(worker, slot);
    uint64_t rows;

    if (!db_connected(&worker->db))
        return false;
    enum db_outcome outcome =
        store_prune_claims(&worker->db, &prune, kept_us(worker), PRUNE_CHUNK, &rows);
    worker->metrics.pruned += rows;
    if (outcome != DB_OK)
        log_limited(LOG_WARN, "partition=%u could not prune claims: %s", slot->partition,
                    db_error(&worker->db));
    return outcome == DB_OK && rows >= PRUNE_CHUNK;
}

void prune_tick(struct worker *worker, int64_t now_us)
{
    int64_t pause_us = kept_us(worker) / 4;

    if (pause_us > PRUNE_PAUSE_US)
        pause_us = PRUNE_PAUSE_US;
    if (pause_us < PRUNE_PAUSE_MIN_US)
        pause_us = PRUNE_PAUSE_MIN_US;
    for (size_t i = 0; i < worker->claims.count; i++) {
        struct slot *slot = &worker->claims.slots[i];
        if (slot->state != SLOT_OWNED || now_us < slot->prune_next_us)
            continue;
        bool more = step(worker, slot) || forget_claims(worker, slot);
        slot->prune_next_us = now_us + (more ? 0 : pause_us);
        return;
    }
}

int64_t prune_wait_us(const struct worker *worker, int64_t now_us)
{
    int64_t wait_us = INT64_MAX;

    for (size_t i = 0; i < worker->claims.count; i++) {
        const struct slot *slot = &worker->claims.slots[i];
        if (slot->state == SLOT_OWNED && slot->prune_next_us - now_us < wait_us)
            wait_us = slot->prune_next_us - now_us;
    }
    return wait_us > 0 ? wait_us : 0;
}

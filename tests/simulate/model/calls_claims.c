/* SPDX-License-Identifier: MIT
 *
 * What workers do to have partitions, and no longer; see calls.h.
 */
#include "tests/simulate/model/calls_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Whose connection this is, now. */
static const char *connection_name(uint64_t connection)
{
    for (size_t i = 0; i < ACTORS; i++) {
        if (connection != 0 && calls_world.actors[i].db.thread_id == connection)
            return calls_world.actors[i].name;
    }
    return connection == 0 ? "-" : "old";
}

static struct store_owner owner_of(const struct actor *actor)
{
    return (struct store_owner){
        .instance = actor->instance,
        .name = actor->name,
        .lease_us = calls_below(2) ? HOUR_US : -1000000 /* over already */
    };
}

void calls_look(struct actor *actor)
{
    struct store_claim ours[CALLS_PARTITIONS];
    struct store_owner owner = owner_of(actor);
    struct store_look seen;
    size_t count = 0;

    for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
        if (actor->beliefs[p].ours)
            ours[count++] = actor->beliefs[p].claim;
    }
    enum db_outcome outcome = store_look(&actor->db, &owner, ours, count, &seen);
    printf("look %s", calls_outcome(outcome));
    if (outcome == DB_OK)
        printf(" workers=%" PRIu64 " rank=%" PRIu64, seen.workers, seen.rank);
    for (size_t i = 0; i < seen.count; i++) {
        const struct store_seen *one = &seen.seen[i];
        printf(" %u:%" PRIu64 ":%s%s%s:", one->claim.partition, one->claim.epoch,
               connection_name(one->connection), one->free ? ":free" : "",
               one->mine       ? ":mine"
               : one->namesake ? ":namesake"
                               : "");
        calls_hex(one->claim.claim_id, 2);
        actor->beliefs[one->claim.partition].seen_epoch = one->claim.epoch;
    }
    store_look_release(&seen);
}

static void own(struct actor *actor)
{
    for (size_t i = 0; i < actor->taken_count; i++) {
        const struct store_taken *taken = &actor->taken[i];
        struct belief *belief = &actor->beliefs[taken->claim.partition];
        belief->ours = true;
        belief->claim = taken->claim;
        belief->pruned_seq = taken->pruned_seq;
        ledger_claimed(belief->ledger, taken->claim.epoch, taken->claim.claim_id, taken->last_seq);
        enum db_outcome outcome = store_due(&actor->db, belief->ledger);
        printf(" due=%s,%" PRId64, calls_outcome(outcome), ledger_next_due_us(belief->ledger));
        if (outcome != DB_OK)
            belief->ours = false;
    }
}

void calls_end_take(struct actor *actor)
{
    actor->open = false;
    if (calls_below(6) == 0) {
        db_rollback(&actor->db);
        printf(" rollback");
        return;
    }
    enum db_outcome outcome = db_commit(&actor->db);
    printf(" commit %s", calls_outcome(outcome));
    if (outcome == DB_OK)
        own(actor);
}

void calls_take(struct actor *actor)
{
    struct store_claim wanted[CALLS_PARTITIONS];
    struct store_offset offsets[CALLS_PARTITIONS];
    struct store_owner owner = owner_of(actor);
    size_t count = 0;

    for (uint32_t p = 0; p < CALLS_PARTITIONS; p++) {
        if (calls_below(3) == 0)
            continue;
        wanted[count].partition = p;
        wanted[count].epoch = actor->beliefs[p].seen_epoch + (calls_below(20) == 0);
        wanted[count].above = calls_below(5) ? 0 : wanted[count].epoch + calls_below(3);
        calls_random_bytes(wanted[count++].claim_id, 16);
    }
    enum db_outcome outcome = DB_OK;
    if (count > 0)
        outcome = store_take(&actor->db, &owner, wanted, count, actor->taken, &actor->taken_count);
    printf("take %zu %s", count, calls_outcome(outcome));
    if (count == 0)
        return;
    for (size_t i = 0; i < actor->taken_count; i++) {
        const struct store_taken *taken = &actor->taken[i];
        printf(" %u:%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":%" PRId64 ":%" PRId64,
               taken->claim.partition, taken->claim.epoch, taken->last_seq, taken->pruned_seq,
               taken->clock_high_us, taken->clock_offset_us);
        offsets[i] = (struct store_offset){.partition = taken->claim.partition,
                                           .offset_us = (int64_t)calls_below(1000)};
        memcpy(offsets[i].claim_id, taken->claim.claim_id, 16);
    }
    if (outcome == DB_OK && actor->taken_count > 0 && calls_below(3) == 0) {
        outcome = store_offsets(&actor->db, offsets, actor->taken_count);
        printf(" offsets %s", calls_outcome(outcome));
    }
    if (outcome != DB_OK) {
        db_rollback(&actor->db);
        return;
    }
    actor->open = true;
    if (calls_below(30) > 0)
        calls_end_take(actor);
    else
        printf(" stays open");
}

void calls_look_and_take(struct actor *actor)
{
    calls_look(actor);
    printf(" ");
    if (db_connected(&actor->db))
        calls_take(actor);
}

void calls_hand_over(struct actor *actor)
{
    struct store_claim claims[CALLS_PARTITIONS];
    size_t count = 0;

    for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
        if (actor->beliefs[p].ours && calls_below(2) == 0) {
            claims[count++] = actor->beliefs[p].claim;
            actor->beliefs[p].ours = calls_below(8) == 0; /* or it goes on believing */
        }
    }
    printf("hand over %zu %s", count,
           count ? calls_outcome(store_hand_over(&actor->db, claims, count)) : "");
    if (calls_below(4) == 0)
        printf(" goodbye %s", calls_outcome(store_goodbye(&actor->db, actor->instance)));
}

/* SPDX-License-Identifier: MIT
 *
 * Looking, taking and handing over, each one transaction for all partitions concerned.
 */
#include "workers/claims.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/random.h"
#include "workers/store_claims.h"

/* A lease is counted from before the statement that renewed it was sent: we may have been stopped
 * for any time before its answer was read. It is taken for over so much before the row says it, for
 * clocks that do not run alike: this part of it, and at most that. */
#define LEASE_MARGIN_PART 10
#define LEASE_MARGIN_US 200000
/* Loading the deadlines of a claim pauses after this. */
#define LOAD_US 500000
/* What a peer may make us raise an epoch to: far from where it would end. */
#define EPOCH_TOLD_MAX (UINT64_MAX / 4)

static int64_t lease_us(const struct worker *worker)
{
    return (int64_t)worker->config->windows.lease_ms * 1000;
}

/* Until when the lease that was asked for then is ours. */
static int64_t lease_end_us(const struct worker *worker, int64_t asked_us)
{
    int64_t margin_us = lease_us(worker) / LEASE_MARGIN_PART;

    return asked_us + lease_us(worker) -
           (margin_us < LEASE_MARGIN_US ? margin_us : LEASE_MARGIN_US);
}

static struct store_owner owner_of(const struct worker *worker)
{
    return (struct store_owner){
        .instance = worker->instance, .name = worker->name, .lease_us = lease_us(worker)};
}

static struct store_claim claim_of(const struct slot *slot)
{
    struct store_claim claim = {.partition = slot->partition, .epoch = slot->epoch};

    memcpy(claim.claim_id, slot->claim_id, sizeof claim.claim_id);
    return claim;
}

static void *must_allocate(size_t count, size_t bytes)
{
    void *array = calloc(count + 1, bytes);

    if (!array)
        abort();
    return array;
}

struct slot *worker_slot(struct worker *worker, uint32_t partition)
{
    struct claims *claims = &worker->claims;

    if (!claims->index || partition >= worker->config->partitions || claims->index[partition] < 0)
        return NULL;
    struct slot *slot = &claims->slots[claims->index[partition]];
    return slot->state == SLOT_OTHER ? NULL : slot;
}

struct slot *work_slot(struct worker *worker, const struct work *work)
{
    struct slot *slot = worker_slot(worker, work->header.partition);

    return slot && work->takings >= slot->taking ? slot : NULL;
}

int64_t slot_now_us(const struct worker *worker, const struct slot *slot)
{
    int64_t now_us =
        timeline_now_us(&worker->timeline, clock_monotonic_us()) + slot->clock_offset_us;
    return now_us > slot->clock_high_us ? now_us : slot->clock_high_us;
}

/* The one function that changes a slot's state. */
static void become(struct worker *worker, struct slot *slot, enum slot_state state)
{
    struct claims *claims = &worker->claims;

    if (slot->state == SLOT_OTHER && state != SLOT_OTHER)
        claims->owned++;
    if (slot->state != SLOT_OTHER && state == SLOT_OTHER)
        claims->owned--;
    if (slot->state != state && (slot->state == SLOT_OTHER || state == SLOT_OTHER))
        claims->changed = true;
    if (slot->state != state && state == SLOT_OTHER)
        slot->clock_offset_us = 0;
    slot->state = state;
    if (state == SLOT_OTHER && slot->ledger)
        ledger_destroy(&slot->ledger);
}

static void release_slots(struct claims *claims)
{
    for (size_t i = 0; i < claims->count; i++) {
        if (claims->slots[i].ledger)
            ledger_destroy(&claims->slots[i].ledger);
    }
    free(claims->slots);
    free(claims->index);
}

void claims_release_memory(struct worker *worker)
{
    release_slots(&worker->claims);
    worker->claims = (struct claims){0};
}

/* ------------------------------------------------------------- looking */

static size_t count_partitions(const struct worker *worker, const struct store_look *look)
{
    size_t count = 0;

    for (size_t i = 0; i < look->count; i++)
        count += look->seen[i].claim.partition < worker->config->partitions;
    return count;
}

/* The slots are those partitions that the shard holds; a partition may move in, so it is found
 * again when the number changes. */
static void resize(struct worker *worker, const struct store_look *look)
{
    struct claims *claims = &worker->claims;
    uint32_t partitions = worker->config->partitions;
    size_t count = count_partitions(worker, look), filled = 0;

    if (claims->count == count)
        return;
    struct slot *slots = must_allocate(count, sizeof *slots);
    int32_t *index = must_allocate(partitions, sizeof *index);
    for (uint32_t p = 0; p < partitions; p++)
        index[p] = -1;
    for (size_t i = 0; i < look->count; i++) {
        uint32_t partition = look->seen[i].claim.partition;
        if (partition >= partitions)
            continue;
        if (claims->index && claims->index[partition] >= 0) {
            slots[filled] = claims->slots[claims->index[partition]];
            claims->slots[claims->index[partition]].ledger = NULL;
        }
        slots[filled].partition = partition;
        index[partition] = (int32_t)filled++;
    }
    release_slots(claims);
    claims->slots = slots;
    claims->index = index;
    claims->count = filled;
    claims->owned = 0;
    for (size_t i = 0; i < filled; i++)
        claims->owned += slots[i].state != SLOT_OTHER;
    claims->changed = true;
}

/* The server's clock may jump, and then a lease has passed by it that its owner, who counts by a
 * clock of his own, still goes by. So it has passed when we, too, have seen it stand still for as
 * long as it lasts. */
static bool is_free(const struct worker *worker, struct slot *slot, const struct store_seen *seen,
                    int64_t before_us, int64_t after_us)
{
    bool renewed =
        slot->seen_epoch != seen->claim.epoch || slot->seen_lease_us != seen->lease_until_us;

    if (renewed || slot->seen_lease_since_us == 0) {
        slot->seen_lease_us = seen->lease_until_us;
        slot->seen_lease_since_us = after_us;
    }
    return seen->free &&
           (seen->lease_until_us == 0 || before_us - slot->seen_lease_since_us >= lease_us(worker));
}

/* The look was sent at before_us; renewed: what is ours by it was renewed then. */
static void see(struct worker *worker, const struct store_seen *seen, int64_t before_us,
                int64_t after_us, bool renewed)
{
    struct claims *claims = &worker->claims;
    uint32_t partition = seen->claim.partition;

    if (!claims->index || partition >= worker->config->partitions || claims->index[partition] < 0)
        return; /* one that has moved in: the next tick finds it */
    struct slot *slot = &claims->slots[claims->index[partition]];
    if (slot->state == SLOT_OTHER && slot->seen_epoch != seen->claim.epoch)
        slot->clock_offset_us = 0; /* whoever claimed it has written what it lacked */
    slot->seen_free = is_free(worker, slot, seen, before_us, after_us);
    slot->seen_epoch = seen->claim.epoch;
    slot->seen_connection = seen->connection;
    slot->seen_mine = seen->mine;
    if (slot->state == SLOT_RECLAIM && slot->tries_go_on && seen->mine &&
        seen->claim.epoch == slot->epoch + 1) {
        /* One of them was committed without our hearing of it: that is our last claim now. */
        slot->epoch = seen->claim.epoch;
        memcpy(slot->claim_id, seen->claim.claim_id, sizeof slot->claim_id);
    }
    bool ours = seen->claim.epoch == slot->epoch &&
                memcmp(seen->claim.claim_id, slot->claim_id, sizeof slot->claim_id) == 0;
    slot->seen_ours = ours;
    if (slot->state == SLOT_OWNED && ours && slot->told_epoch > slot->epoch) {
        log_warn("partition=%u epoch=%llu a broker knows of epoch %llu, which the server has lost: "
                 "claiming above it",
                 slot->partition, (unsigned long long)slot->epoch,
                 (unsigned long long)slot->told_epoch);
        become(worker, slot, SLOT_RECLAIM);
    } else if (!ours && (slot->state == SLOT_OWNED ||
                         (slot->state == SLOT_RECLAIM && !seen->mine && !slot->seen_free))) {
        log_warn("partition=%u epoch=%llu lost: another worker has claimed it", slot->partition,
                 (unsigned long long)slot->epoch);
        become(worker, slot, SLOT_OTHER);
    } else if (slot->state == SLOT_OWNED && renewed) {
        slot->lease_until_us = lease_end_us(worker, before_us);
    }
}

/* The timeline follows the server's clock. When that has jumped, every partition goes on in the
 * time that it had: what is ours with another offset, and what is not with one to come. Returns by
 * how much. */
static int64_t follow_clock(struct worker *worker, int64_t server_us, int64_t now_us)
{
    int64_t ahead_us = timeline_follow(&worker->timeline, server_us, now_us);

    for (size_t i = 0; timeline_is_jump(ahead_us) && i < worker->claims.count; i++)
        worker->claims.slots[i].clock_offset_us -= ahead_us;
    return ahead_us;
}

/* A look has read the server's clock. */
static void see_clock(struct worker *worker, int64_t server_us, int64_t now_us)
{
    struct claims *claims = &worker->claims;
    int64_t ahead_us = follow_clock(worker, server_us, now_us);
    bool late =
        claims->clock_late; /* it was read at the connect, and taken for later than it was */

    claims->clock_late = false;
    if (late || !timeline_is_jump(ahead_us))
        return;
    log_warn("ahead_us=%lld the server's clock has jumped: the old time goes on",
             (long long)ahead_us);
    for (size_t i = 0; i < claims->count; i++)
        claims_distrust(worker, &claims->slots[i]); /* the claim writes the offset */
}

/* The look is the caller's to release. may_resize: nobody who called has a slot in his hands. */
static enum db_outcome run_look(struct worker *worker, bool may_resize, struct store_look *look)
{
    struct claims *claims = &worker->claims;
    struct store_owner owner = owner_of(worker);
    struct store_claim *ours = must_allocate(claims->count, sizeof *ours);
    size_t count = 0;

    for (size_t i = 0; i < claims->count; i++) {
        if (claims->slots[i].state == SLOT_OWNED)
            ours[count++] = claim_of(&claims->slots[i]);
    }
    int64_t before_us = clock_monotonic_us();
    enum db_outcome outcome = store_look(&worker->db, &owner, ours, count, look);
    int64_t after_us = clock_monotonic_us();
    free(ours);
    if (look->seen_all && may_resize)
        resize(worker, look);
    int64_t most_us = claims->clock_late ? TIMELINE_JUMP_US / 2 : TIMELINE_JUMP_US / 100;
    if (outcome == DB_OK && after_us - before_us < most_us)
        see_clock(worker, look->server_us, after_us);
    /* Somebody may have claimed between what was seen and the renewal. */
    bool renewed = outcome == DB_OK && look->renewed == count;
    for (size_t i = 0; i < look->count; i++)
        see(worker, &look->seen[i], before_us, after_us, renewed);
    if (outcome == DB_OK && !renewed)
        claims->look_next_us = 0;
    return outcome;
}

/* ------------------------------------------------------------- taking */

struct taking {
    struct worker *worker;
    struct slot **slots;
    struct store_claim *wanted; /* of each slot, with the claim id drawn for it */
    size_t count;
    int64_t begun_us;          /* before the claim was sent */
    struct store_taken *taken; /* of each slot that was taken, in any order */
    size_t taken_count;
};

static struct slot *slot_taken(const struct taking *taking, const struct store_taken *taken)
{
    for (size_t i = 0; i < taking->count; i++) {
        if (taking->wanted[i].partition == taken->claim.partition)
            return taking->slots[i];
    }
    return NULL;
}

static const struct store_taken *taken_of(const struct taking *taking, const struct slot *slot)
{
    for (size_t t = 0; t < taking->taken_count; t++) {
        if (taking->taken[t].claim.partition == slot->partition)
            return &taking->taken[t];
    }
    return NULL;
}

/* Can nobody have owned the partition since our last claim? */
static bool goes_on_with_ours(const struct slot *slot)
{
    return slot->state == SLOT_RECLAIM && slot->seen_ours && slot->told_epoch <= slot->epoch;
}

/* The claim is committed. It only goes on with our last one when nobody can have owned the
 * partition in between; otherwise what was sent to us for the last one must not be run. */
static void take_slot(struct worker *worker, struct slot *slot, const struct store_taken *taken,
                      int64_t offset_us, int64_t begun_us)
{
    bool goes_on = goes_on_with_ours(slot);

    slot->tries_go_on = true;
    if (!goes_on)
        slot->taking = worker->claims.takings;
    if (!goes_on || taken->clock_high_us > slot->clock_high_us)
        slot->clock_high_us = taken->clock_high_us;
    slot->epoch = taken->claim.epoch;
    memcpy(slot->claim_id, taken->claim.claim_id, sizeof slot->claim_id);
    slot->clock_offset_us = offset_us;
    slot->pruned_seq = taken->pruned_seq;
    slot->lease_until_us = lease_end_us(worker, begun_us);
    slot->prune_next_us = clock_monotonic_us() + CLAIMS_LOOK_US;
    slot->expire_next_us = 0;
    slot->put_off_us = 0;
    if (!slot->ledger)
        slot->ledger = ledger_new(slot->partition, &worker->ledger_limits, worker->catalog);
    ledger_claimed(slot->ledger, slot->epoch, slot->claim_id, taken->last_seq);
    slot->seen_epoch = slot->epoch;
}

/* Whoever had them may have a transaction open; its locks would hold us up, and a dead worker's
 * would for as long as the server waits for it. */
static void kill_old_owners(const struct taking *taking)
{
    struct worker *worker = taking->worker;
    uint64_t killed = 0;

    for (size_t i = 0; i < taking->count; i++) {
        uint64_t connection = taking->slots[i]->seen_connection;
        if (connection == 0 || connection == worker->db.thread_id || connection == killed)
            continue;
        store_kill(&worker->db, connection);
        killed = connection;
    }
}

static enum db_outcome take_rows(struct taking *taking)
{
    struct worker *worker = taking->worker;
    struct store_owner owner = owner_of(worker);

    taking->begun_us = clock_monotonic_us();
    return store_take(&worker->db, &owner, taking->wanted, taking->count, taking->taken,
                      &taking->taken_count);
}

/* The offset with which a partition goes on in the time that it had. */
static int64_t offset_of(const struct slot *slot, const struct store_taken *taken)
{
    int64_t offset_us = taken->clock_offset_us;

    if (goes_on_with_ours(slot))
        offset_us = slot->clock_offset_us;
    else if (slot->state == SLOT_OTHER)
        offset_us += slot->clock_offset_us;
    return timeline_offset_us(taken->server_us, offset_us, taken->clock_high_us);
}

/* Written with the claim, so that the next owner goes on. */
static enum db_outcome write_offsets(const struct taking *taking)
{
    struct store_offset *offsets = must_allocate(taking->taken_count, sizeof *offsets);
    size_t count = 0;
    enum db_outcome outcome = DB_OK;

    for (size_t t = 0; t < taking->taken_count; t++) {
        const struct store_taken *taken = &taking->taken[t];
        const struct slot *slot = slot_taken(taking, taken);
        if (!slot || offset_of(slot, taken) == taken->clock_offset_us)
            continue;
        log_warn("partition=%u clock_offset_us=%lld the shard's clock is another one: the old "
                 "timeline goes on",
                 taken->claim.partition, (long long)offset_of(slot, taken));
        struct store_offset *offset = &offsets[count++];
        offset->partition = taken->claim.partition;
        offset->offset_us = offset_of(slot, taken);
        memcpy(offset->claim_id, taken->claim.claim_id, sizeof offset->claim_id);
    }
    if (count > 0)
        outcome = store_offsets(&taking->worker->db, offsets, count);
    free(offsets);
    return outcome;
}

/* After the claim is committed: it is ours, and the ledger learns what is live. What was not taken
 * had another epoch than we had seen, perhaps by a claim of our own whose COMMIT came late: the
 * next look tells. */
static enum db_outcome own(struct taking *taking)
{
    struct worker *worker = taking->worker;
    enum db_outcome outcome = DB_OK;
    int64_t until_us = clock_monotonic_us() + LOAD_US;
    bool in_time = true;

    worker->claims.takings++;
    for (size_t i = 0; i < taking->count; i++) {
        struct slot *slot = taking->slots[i];
        const struct store_taken *taken = taken_of(taking, slot);
        if (!taken)
            continue;
        take_slot(worker, slot, taken, offset_of(slot, taken), taking->begun_us);
        if (outcome == DB_OK && in_time)
            outcome = store_due(&worker->db, slot->ledger);
        /* Without its deadlines it must be claimed again. */
        become(worker, slot, outcome == DB_OK && in_time ? SLOT_OWNED : SLOT_RECLAIM);
        in_time = clock_monotonic_us() < until_us;
        worker->claims.changed = true; /* the epoch did */
    }
    return outcome;
}

static enum db_outcome run_claim(struct taking *taking)
{
    struct worker *worker = taking->worker;

    kill_old_owners(taking);
    enum db_outcome outcome = take_rows(taking);
    if (outcome == DB_OK)
        outcome = write_offsets(taking);
    if (outcome == DB_OK)
        outcome = db_commit(&worker->db);
    if (outcome == DB_OK)
        return own(taking);
    db_rollback(&worker->db);
    return outcome;
}

/* Claims these slots, as far as they may be. */
static enum db_outcome take(struct worker *worker, struct slot **slots, size_t count)
{
    struct taking taking = {.worker = worker, .slots = slots, .count = count};

    if (count == 0)
        return DB_OK;
    taking.wanted = must_allocate(count, sizeof *taking.wanted);
    taking.taken = must_allocate(count, sizeof *taking.taken);
    for (size_t i = 0; i < count; i++) {
        taking.wanted[i].partition = slots[i]->partition;
        taking.wanted[i].epoch = slots[i]->seen_epoch;
        taking.wanted[i].above = slots[i]->told_epoch;
        if (!random_bytes(taking.wanted[i].claim_id, sizeof taking.wanted[i].claim_id))
            abort(); /* nothing else would be unique */
        slots[i]->tries_go_on = slots[i]->tries_go_on && goes_on_with_ours(slots[i]);
    }
    enum db_outcome outcome = run_claim(&taking);
    free(taking.wanted);
    free(taking.taken);
    if (outcome == DB_OK || taking.taken_count > 0)
        log_info("claimed=%zu wanted=%zu owned=%zu", taking.taken_count, count,
                 worker->claims.owned);
    return outcome;
}

/* ------------------------------------------------------------- handing over */

static enum db_outcome hand_over(struct worker *worker, struct slot **slots, size_t count)
{
    struct store_claim *claims = must_allocate(count, sizeof *claims);
    enum db_outcome outcome = DB_OK;

    for (size_t i = 0; i < count; i++) {
        claims[i] = claim_of(slots[i]);
        become(worker, slots[i], SLOT_OTHER);
    }
    if (count > 0) {
        outcome = store_hand_over(&worker->db, claims, count);
        log_info("handed_over=%zu owned=%zu", count, worker->claims.owned);
    }
    free(claims);
    return outcome;
}

/* A process of our name that is not us is dead, or its supervisor would not have started us: what
 * it had need not wait until its lease has passed. Only once after a start: two that are given one
 * name by mistake would take from each other for ever. True when something became free. */
static bool inherit(struct worker *worker, const struct store_look *look)
{
    struct store_claim *claims = must_allocate(look->count, sizeof *claims);
    uint64_t killed = 0;
    size_t count = 0;

    for (size_t i = 0; i < look->count; i++) {
        const struct store_seen *seen = &look->seen[i];
        if (!seen->namesake || seen->lease_until_us == 0)
            continue;
        if (seen->connection != killed && seen->connection != worker->db.thread_id)
            store_kill(&worker->db, seen->connection);
        killed = seen->connection;
        claims[count++] = seen->claim;
    }
    bool freed = count > 0 && store_hand_over(&worker->db, claims, count) == DB_OK;
    if (freed)
        log_info("inherited=%zu of a process with our name", count);
    free(claims);
    return freed;
}

/* ------------------------------------------------------------- balance */

static struct slot **slot_list(const struct claims *claims)
{
    return must_allocate(claims->count, sizeof(struct slot *));
}

static enum db_outcome balance(struct worker *worker, const struct store_look *look)
{
    struct claims *claims = &worker->claims;
    size_t workers = look->workers > 0 ? look->workers : 1, count = 0;

    claims->share = (claims->count + workers - 1) / workers;
    struct slot **list = slot_list(claims);
    enum db_outcome outcome;
    if (claims->owned > claims->share) {
        for (size_t i = claims->count; i-- > 0 && claims->owned - count > claims->share;) {
            if (claims->slots[i].state == SLOT_OWNED)
                list[count++] = &claims->slots[i];
        }
        outcome = hand_over(worker, list, count);
    } else {
        /* Workers that start together begin at different places. */
        size_t from = claims->count > 0 ? look->rank * claims->share % claims->count : 0;
        for (size_t i = 0; i < claims->count && claims->owned + count < claims->share; i++) {
            struct slot *slot = &claims->slots[(from + i) % claims->count];
            if (slot->state == SLOT_OTHER && (slot->seen_free || slot->seen_mine))
                list[count++] = slot;
        }
        outcome = take(worker, list, count);
    }
    free(list);
    return outcome;
}

/* ------------------------------------------------------------- the calls */

enum db_outcome claims_tick(struct worker *worker, int64_t now_us)
{
    struct claims *claims = &worker->claims;
    struct store_look look;

    if (now_us < claims->look_next_us)
        return DB_OK;
    int64_t pause_us =
        lease_us(worker) / 3 < CLAIMS_LOOK_US ? lease_us(worker) / 3 : CLAIMS_LOOK_US;
    claims->look_next_us = now_us + pause_us;
    enum db_outcome outcome = run_look(worker, true, &look);
    bool first = outcome == DB_OK && !claims->inherited;
    claims->inherited |= first;
    if (first && inherit(worker, &look))
        claims->look_next_us = now_us; /* and takes it */
    else if (outcome == DB_OK && !worker->stopping)
        outcome = balance(worker, &look);
    store_look_release(&look);
    if (outcome == DB_OK && claims->owned < claims->share && pause_us > CLAIMS_LOOK_SOON_US)
        claims->look_next_us = now_us + CLAIMS_LOOK_SOON_US;
    return outcome;
}

int64_t claims_wait_us(const struct worker *worker, int64_t now_us)
{
    return worker->claims.look_next_us > now_us ? worker->claims.look_next_us - now_us : 0;
}

void claims_connected(struct worker *worker, int64_t server_us, int64_t begun_us)
{
    int64_t now_us = clock_monotonic_us();

    (void)follow_clock(worker, server_us, now_us);
    worker->claims.clock_late = now_us - begun_us > TIMELINE_JUMP_US / 2;
    worker->claims.look_next_us = 0;
}

void claims_told(struct worker *worker, uint32_t partition, uint64_t epoch)
{
    struct slot *slot = worker_slot(worker, partition);

    if (!slot || epoch <= slot->epoch || epoch > EPOCH_TOLD_MAX)
        return;
    slot->told_epoch = epoch;
    worker->claims.look_next_us = 0;
}

void claims_connection_lost(struct worker *worker)
{
    for (size_t i = 0; i < worker->claims.count; i++) {
        if (worker->claims.slots[i].state == SLOT_OWNED)
            become(worker, &worker->claims.slots[i], SLOT_RECLAIM);
    }
}

void claims_distrust(struct worker *worker, struct slot *slot)
{
    if (slot->state == SLOT_OWNED)
        become(worker, slot, SLOT_RECLAIM);
}

bool claims_must_reclaim(const struct worker *worker)
{
    for (size_t i = 0; i < worker->claims.count; i++) {
        if (worker->claims.slots[i].state == SLOT_RECLAIM)
            return true;
    }
    return false;
}

enum db_outcome claims_reclaim(struct worker *worker)
{
    struct claims *claims = &worker->claims;
    struct slot **list = slot_list(claims);
    struct store_look look;
    size_t count = 0;

    /* epochs and connections as they are now */
    enum db_outcome outcome = run_look(worker, false, &look);
    store_look_release(&look);
    for (size_t i = 0; outcome == DB_OK && i < claims->count; i++) {
        if (claims->slots[i].state == SLOT_RECLAIM)
            list[count++] = &claims->slots[i];
    }
    if (outcome == DB_OK)
        outcome = take(worker, list, count);
    free(list);
    return outcome;
}

enum db_outcome claims_verify(struct worker *worker)
{
    struct store_look look;

    enum db_outcome outcome = run_look(worker, false, &look);
    store_look_release(&look);
    return outcome;
}

void claims_renewed(struct worker *worker, struct slot *slot, int64_t clock_us, int64_t begun_us)
{
    slot->clock_high_us = clock_us;
    slot->lease_until_us = lease_end_us(worker, begun_us);
}

bool claims_is_doubtful(const struct slot *slot, int64_t now_us)
{
    return now_us >= slot->lease_until_us;
}

void claims_goodbye(struct worker *worker)
{
    struct claims *claims = &worker->claims;
    struct slot **list = slot_list(claims);
    size_t count = 0;

    for (size_t i = 0; i < claims->count; i++) {
        if (claims->slots[i].state == SLOT_OWNED)
            list[count++] = &claims->slots[i];
    }
    (void)hand_over(worker, list, count);
    free(list);
    (void)store_goodbye(&worker->db, worker->instance);
}

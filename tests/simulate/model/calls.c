/* SPDX-License-Identifier: MIT
 *
 * See calls.h.
 */
#include "tests/simulate/model/calls.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/status.h"
#include "workers/store.h"
#include "workers/store_claims.h"
#include "workers/store_copy.h"
#include "workers/store_history.h"
#include "workers/store_prune.h"
#include "workers/store_read.h"

#define ACTORS 3u
#define BATCH_MAX 4u
#define ROUNDS 4u
#define OPEN_STEPS 2u /* with at most two lock waits of a second each; idle ones end after six */
#define START_US INT64_C(1700000000000000)
#define STEP_US 3000000
#define AGES_US 4000000000000000
#define HOUR_US 3600000000

/* What a worker believes of a partition. */
struct belief {
    bool ours;
    struct store_claim claim;
    uint64_t seen_epoch;
    uint64_t pruned_seq;
    struct ledger *ledger;
};

struct actor {
    char name[4];
    uint8_t instance[UUID_BYTES];
    struct db db;
    struct belief beliefs[CALLS_PARTITIONS];
    struct catalog *catalog;
    /* A claim whose transaction is still open. */
    bool open;
    unsigned open_for; /* steps */
    struct store_taken taken[CALLS_PARTITIONS];
    size_t taken_count;
};

static struct {
    struct actor actors[ACTORS];
    struct ledger_limits limits;
    struct arena arena, rows;
    int64_t now_us;
    uint8_t written[UUID_BYTES]; /* operation id of some movement that is there */
} world;

static const char *outcome_name(enum db_outcome outcome)
{
    static const char *const names[] = {"OK",         "MISMATCH", "AGAIN", "REPEATS",
                                        "NOT_WRITER", "LOST",     "FAILED"};
    return names[outcome];
}

static const char *write_name(enum store_outcome outcome)
{
    static const char *const names[] = {"DONE",      "FENCED", "STALE",   "AGAIN",      "REPEATS",
                                        "TOO_LARGE", "LOST",   "UNKNOWN", "NOT_WRITER", "FAILED"};
    return names[outcome];
}

static void print_hex(const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        printf("%02x", ((const uint8_t *)bytes)[i]);
}

/* Whose connection this is, now. */
static const char *connection_name(uint64_t connection)
{
    for (size_t i = 0; i < ACTORS; i++) {
        if (connection != 0 && world.actors[i].db.thread_id == connection)
            return world.actors[i].name;
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

/* ------------------------------------------------------------- claims */

static void look(struct actor *actor)
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
    printf("look %s", outcome_name(outcome));
    if (outcome == DB_OK)
        printf(" workers=%" PRIu64 " rank=%" PRIu64, seen.workers, seen.rank);
    for (size_t i = 0; i < seen.count; i++) {
        const struct store_seen *one = &seen.seen[i];
        printf(" %u:%" PRIu64 ":%s%s%s:", one->claim.partition, one->claim.epoch,
               connection_name(one->connection), one->free ? ":free" : "",
               one->mine       ? ":mine"
               : one->namesake ? ":namesake"
                               : "");
        print_hex(one->claim.claim_id, 2);
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
        printf(" due=%s,%" PRId64, outcome_name(outcome), ledger_next_due_us(belief->ledger));
        if (outcome != DB_OK)
            belief->ours = false;
    }
}

static void end_take(struct actor *actor)
{
    actor->open = false;
    if (calls_below(6) == 0) {
        db_rollback(&actor->db);
        printf(" rollback");
        return;
    }
    enum db_outcome outcome = db_commit(&actor->db);
    printf(" commit %s", outcome_name(outcome));
    if (outcome == DB_OK)
        own(actor);
}

static void take(struct actor *actor)
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
    printf("take %zu %s", count, outcome_name(outcome));
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
        printf(" offsets %s", outcome_name(outcome));
    }
    if (outcome != DB_OK) {
        db_rollback(&actor->db);
        return;
    }
    actor->open = true;
    if (calls_below(30) > 0)
        end_take(actor);
    else
        printf(" stays open");
}

static void look_and_take(struct actor *actor)
{
    look(actor);
    printf(" ");
    if (db_connected(&actor->db))
        take(actor);
}

static void hand_over(struct actor *actor)
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
           count ? outcome_name(store_hand_over(&actor->db, claims, count)) : "");
    if (calls_below(4) == 0)
        printf(" goodbye %s", outcome_name(store_goodbye(&actor->db, actor->instance)));
}

/* ------------------------------------------------------------- a batch */

struct one {
    Hf__Operation *operation;
    struct header header;
    struct decision decision;
};

struct batch {
    struct one ones[BATCH_MAX];
    size_t count;
    bool in[CALLS_PARTITIONS];
    bool look_up_ids;
    struct store_part parts[CALLS_PARTITIONS];
    size_t part_count;
};

static void choose(struct actor *actor, struct batch *batch)
{
    for (size_t i = calls_below(BATCH_MAX) + 1; i-- > 0;) {
        struct one *one = &batch->ones[batch->count];
        one->operation = calls_operation(&world.arena, world.now_us, &one->header);
        if (!one->operation || !actor->beliefs[one->header.partition].ours)
            continue;
        batch->in[one->header.partition] = true;
        batch->count++;
    }
    for (size_t p = 0; p < CALLS_PARTITIONS; p++)
        batch->in[p] |= actor->beliefs[p].ours && calls_below(4) == 0; /* for what is due */
    batch->look_up_ids = calls_below(4) == 0;
}

static enum db_outcome load(struct actor *actor, struct batch *batch)
{
    struct needs needs = {0};
    enum db_outcome outcome = DB_OK;

    arena_reset(&world.rows);
    for (unsigned round = 0; outcome == DB_OK && round < ROUNDS; round++) {
        struct store_need wanted[256];
        size_t count = 0;
        for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
            struct ledger *ledger = actor->beliefs[p].ledger;
            needs.count = 0;
            for (size_t i = 0; i < batch->count; i++) {
                if (batch->ones[i].header.partition == p)
                    ledger_need(ledger, batch->ones[i].operation, batch->ones[i].header.attempt,
                                batch->look_up_ids, &needs);
            }
            if (batch->in[p])
                ledger_need_due(ledger, world.now_us, 20, &needs);
            for (size_t n = 0; n < needs.count && count < 256; n++)
                wanted[count++] = (struct store_need){ledger, needs.items[n]};
        }
        if (count == 0)
            break;
        outcome = store_load(&actor->db, wanted, count, actor->catalog, &world.rows);
        printf(" load %zu %s", count, outcome_name(outcome));
    }
    needs_release(&needs);
    return outcome;
}

/* Something that no worker may write. */
static void spoil(struct store_part *part)
{
    struct changes *changes = &part->changes;
    struct movement *movement =
        arena_copy(&world.arena, changes->movements, changes->movement_count * sizeof *movement);
    struct level *level = NULL;

    if (changes->level_count > 0) {
        level = arena_copy(&world.arena, changes->levels[0].level, sizeof *level);
        changes->levels[0].level = level;
    }
    changes->movements = movement;
    uint64_t choice = calls_below(16);
    printf(" spoilt %" PRIu64, choice);
    switch (choice) {
    case 0:
        part->epoch++;
        break;
    case 1:
        changes->base_seq++;
        break;
    case 2:
        movement->seq--; /* one that is there, unless it was the first */
        break;
    case 3:
        movement->after.on_hand = -1;
        break;
    case 4:
        movement->after.reserved = movement->after.on_hand + movement->after.shortfall + 1;
        break;
    case 5:
        movement->d_on_hand = INT64_C(3000000000);
        break;
    case 6:
        if (level)
            level->now.reserved = -1;
        break;
    case 7:
        if (level)
            level->now.committed = level->now.on_hand + level->now.shortfall + 1;
        break;
    case 8:
        if (level)
            changes->levels[0].base_version++;
        break;
    case 9:
        if (changes->reservation_count > 0)
            changes->reservations[0].base_revision++;
        break;
    case 10:
        if (changes->item_count > 0)
            changes->items[0].base_version++;
        break;
    case 11:
        if (changes->movement_count > 1)
            movement[1].idx = movement[0].idx;
        break;
    case 12:
        part->claim_id = arena_copy(&world.arena, movement->operation_id, UUID_BYTES);
        break;
    case 13:
        if (level)
            level->now.shortfall = INT64_C(1) << 40;
        break;
    default: /* an operation that is in the ledger already, as a first attempt's may be */
        memcpy(movement->operation_id, world.written, UUID_BYTES);
        break;
    }
}

/* Columns of one row that hardly any operation of ours needs have something in them, now these and
 * now those: what is left out of an INSERT must read back as it is here. */
static void adorn(struct store_part *part)
{
    static uint8_t word[] = "word";
    struct changes *changes = &part->changes;
    struct movement *movements =
        arena_copy(&world.arena, changes->movements, changes->movement_count * sizeof *movements);
    struct movement *m = &movements[calls_below(changes->movement_count)];
    struct reservation_line *line = &m->line_after;
    int64_t *const figures[] = {&line->quantity,   &line->reserved,        &line->committed,
                                &line->shipped,    &line->cancelled,       &line->released,
                                &line->returned,   &m->d_reserved,         &m->d_committed,
                                &m->d_unavailable, &m->after.safety_stock, &m->after.reorder_point};
    ProtobufCBinaryData *const texts[] = {&m->order, &m->reason,    &m->reference, &m->note,
                                          &m->actor, &m->principal, &m->trace,     &m->detail};

    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        if (calls_below(8) == 0)
            *figures[i] = 1 + (int64_t)calls_below(9);
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (calls_below(8) == 0)
            *texts[i] =
                (ProtobufCBinaryData){.data = word, .len = 1 + calls_below(sizeof word - 1)};
    }
    if (calls_below(8) == 0)
        m->undoes = 1 + calls_below(9);
    if (calls_below(8) == 0)
        m->signals = 1 + (uint8_t)calls_below(9);
    changes->movements = movements;
    printf(" adorned");
}

static void decide(struct actor *actor, struct batch *batch)
{
    size_t expired = 0;

    for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
        if (batch->in[p])
            ledger_begin(actor->beliefs[p].ledger, world.now_us, &world.arena);
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct one *one = &batch->ones[i];
        ledger_decide(actor->beliefs[one->header.partition].ledger, one->operation,
                      one->header.partition, one->header.op_class, one->header.attempt,
                      &one->decision);
    }
    for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
        if (batch->in[p])
            expired += ledger_expire(actor->beliefs[p].ledger, 20);
    }
    printf(" expired %zu", expired);
    for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
        struct belief *belief = &actor->beliefs[p];
        struct store_part *part = &batch->parts[batch->part_count];
        *part = (struct store_part){.partition = (uint32_t)p,
                                    .epoch = belief->claim.epoch,
                                    .claim_id = belief->claim.claim_id,
                                    .now_us = world.now_us};
        if (batch->in[p] && ledger_changes(belief->ledger, &part->changes))
            batch->part_count++;
    }
}

static void tell(const struct one *one)
{
    const Hf__Result *result = one->decision.result;

    printf(" %s:%" PRIu64 "%s%s", status_name((enum status)result->status), result->sequence,
           result->replayed ? ":replayed" : "", result->field ? result->field : "");
    calls_operation_reserved(result);
}

static void finish(struct actor *actor, struct batch *batch, bool done)
{
    for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
        if (batch->in[p] && done)
            ledger_commit(actor->beliefs[p].ledger);
        else if (batch->in[p])
            ledger_abort(actor->beliefs[p].ledger);
    }
    for (size_t i = 0; done && i < batch->count; i++)
        tell(&batch->ones[i]);
}

static void run_batch(struct actor *actor)
{
    struct batch batch = {0};
    enum store_outcome outcome = STORE_DONE;
    bool spoilt = false;

    arena_reset(&world.arena);
    choose(actor, &batch);
    printf("batch of %zu", batch.count);
    if (load(actor, &batch) != DB_OK)
        return;
    decide(actor, &batch);
    if (batch.part_count > 0 && calls_operation_founded() && calls_below(4) == 0) {
        spoil(&batch.parts[0]);
        spoilt = true;
    } else if (batch.part_count > 0 && calls_operation_founded() && calls_below(8) == 0) {
        adorn(&batch.parts[0]);
        spoilt = true;
    }
    if (batch.part_count > 0) {
        outcome = store_write(&actor->db, batch.parts, batch.part_count, HOUR_US);
        printf(" write %zu %s", batch.part_count, write_name(outcome));
    }
    if (outcome == STORE_DONE && batch.part_count > 0)
        memcpy(world.written, batch.parts[0].changes.movements->operation_id, UUID_BYTES);
    /* What was spoilt and went through is not what the ledger has decided. */
    if (spoilt && outcome == STORE_DONE)
        actor->beliefs[batch.parts[0].partition].ours = false;
    for (size_t p = 0; p < batch.part_count && outcome == STORE_FENCED && !spoilt; p++)
        actor->beliefs[batch.parts[p].partition].ours = calls_below(3) == 0;
    finish(actor, &batch, outcome == STORE_DONE && !spoilt);
}

/* ------------------------------------------------------------- the rest */

static struct code code_of(const char *text)
{
    struct code code;

    code_set(&code, text, strlen(text));
    return code;
}

static void history(struct actor *actor)
{
    struct code sku = code_of(calls_any_sku()), warehouse = code_of(calls_any_warehouse());
    struct history history = {
        .sku = &sku,
        .warehouse = &warehouse,
        .since = calls_below(4) ? 0 : calls_below(20),
        .before = calls_below(4) ? 0 : calls_below(20),
        .on_hand_only = calls_below(2) == 0,
        .limit = calls_below(5) + 1,
    };
    struct movement *movements;
    size_t count;
    bool more;

    if (calls_below(4) == 0)
        warehouse.length = 0;
    arena_reset(&world.arena);
    uint32_t partition = partition_of_sku(sku.bytes, sku.length, CALLS_PARTITIONS);
    enum db_outcome outcome =
        store_history(&actor->db, partition, &history, &world.arena, &movements, &count, &more);
    printf("history %s%s", outcome_name(outcome), outcome == DB_OK && more ? " more" : "");
    for (size_t i = 0; outcome == DB_OK && i < count; i++) {
        printf(" %" PRIu64 ":%d:", movements[i].seq, (int)movements[i].kind);
        print_hex(movements[i].claim_id, 2);
    }
}

static void copy(struct actor *actor)
{
    struct code code = code_of(calls_any_warehouse());
    struct named_change row = {.is_reason = calls_below(2) == 0,
                               .code = code,
                               .name = "copied",
                               .name_bytes = 6,
                               .version = calls_below(40) + 1};
    struct named_change *rows;
    size_t count;

    arena_reset(&world.arena);
    printf("copy %s", outcome_name(store_copy_write(&actor->db, &row, 1)));
    enum db_outcome outcome = store_copy_read(&actor->db, &rows, &count, &world.arena);
    printf(" read %s", outcome_name(outcome));
    for (size_t i = 0; outcome == DB_OK && i < count; i++)
        printf(" %d:%s:%" PRIu64 ":%.*s", rows[i].is_reason, rows[i].code.bytes, rows[i].version,
               (int)rows[i].name_bytes, rows[i].name);
}

static void prune(struct actor *actor)
{
    struct belief *belief = &actor->beliefs[calls_below(CALLS_PARTITIONS)];
    struct store_prune prune = {
        .claim = belief->claim,
        .pruned_seq = belief->pruned_seq,
        .cutoff_us = world.now_us - (int64_t)calls_below(60) * STEP_US,
        .now_us = world.now_us,
    };
    uint8_t ids[64][RESERVATION_ID_BYTES];
    uint64_t upto, rows = 0;
    size_t count = 0;

    enum db_outcome outcome =
        store_prune_find(&actor->db, &prune, (size_t)calls_below(30) + 1, &upto);
    printf("find %s upto %" PRIu64, outcome_name(outcome), upto);
    if (outcome != DB_OK || upto == 0)
        return;
    outcome = store_prune_closed(&actor->db, &prune, upto, 64, ids, &count);
    printf(" closed %s %zu", outcome_name(outcome), count);
    if (outcome != DB_OK)
        return;
    outcome = store_prune(&actor->db, &prune, upto, ids, count, &rows);
    printf(" prune %s", outcome_name(outcome));
    if (outcome == DB_OK) {
        belief->pruned_seq = upto;
        printf(" %" PRIu64 " rows", rows);
    }
}

/* All that may go, or nothing: when they were written is the server's time, which is not ours. */
static void prune_claims(struct actor *actor)
{
    const struct belief *belief = &actor->beliefs[calls_below(CALLS_PARTITIONS)];
    struct store_prune prune = {
        .claim = belief->claim,
        .cutoff_us = calls_below(4) ? AGES_US : 0,
        .now_us = world.now_us,
    };
    uint64_t rows;

    enum db_outcome outcome = store_prune_claims(
        &actor->db, &prune, calls_below(4) ? AGES_US : -AGES_US, (size_t)calls_below(8) + 1, &rows);
    printf("prune claims %s %" PRIu64 " rows", outcome_name(outcome), rows);
}

/* ------------------------------------------------------------- reads */

static bool print_stock(void *context, const struct code *sku, const struct level *level)
{
    unsigned *left = context;

    printf(" ");
    print_hex(sku->bytes, sku->length);
    if (level) {
        const struct balances *now = &level->now;
        printf("@");
        print_hex(level->warehouse.bytes, level->warehouse.length);
        printf(":%" PRId64 "/%" PRId64 "/%" PRId64 "/%" PRId64 "/%" PRId64 "/%" PRId64 "/%" PRId64
               ":%" PRIu64 ":%" PRIu64,
               now->on_hand, now->reserved, now->committed, now->unavailable, now->safety_stock,
               now->reorder_point, now->shortfall, level->version, level->on_hand_version);
    }
    return --*left > 0;
}

static void read_stock(struct actor *actor, const struct store_stock *wanted, unsigned most)
{
    enum db_outcome outcome;

    if (!db_connected(&actor->db))
        return;
    printf(" stock of %u", wanted->partition);
    outcome = store_stock(&actor->db, wanted, print_stock, &most);
    printf(" %s", outcome_name(outcome));
}

static void read_some(struct actor *actor)
{
    const char *skus[] = {calls_any_sku(), calls_any_sku()}, *warehouse = calls_any_warehouse();
    ProtobufCBinaryData named[2];
    struct store_stock wanted = {.partition = (uint32_t)calls_below(CALLS_PARTITIONS),
                                 .skus = named,
                                 .sku_count = (size_t)calls_below(3),
                                 .limit = (size_t)calls_below(3) + 1};

    for (size_t i = 0; i < 2; i++)
        named[i] = (ProtobufCBinaryData){strlen(skus[i]), (uint8_t *)(uintptr_t)skus[i]};
    if (calls_below(2))
        wanted.after = named[calls_below(2)];
    if (calls_below(2))
        wanted.warehouse =
            (ProtobufCBinaryData){strlen(warehouse), (uint8_t *)(uintptr_t)warehouse};
    read_stock(actor, &wanted, calls_below(2) ? 3 : 1000);
}

static void print_fences(struct actor *actor)
{
    struct store_fence fences[CALLS_PARTITIONS + 1] = {{0}};

    for (uint32_t p = 0; p <= CALLS_PARTITIONS; p++) { /* one of them twice */
        const struct belief *belief = &actor->beliefs[p % CALLS_PARTITIONS];
        fences[p] = (struct store_fence){.partition = p % CALLS_PARTITIONS,
                                         .epoch = belief->claim.epoch,
                                         .claim_id = belief->claim.claim_id};
    }
    enum db_outcome outcome = store_snapshot(&actor->db, fences, CALLS_PARTITIONS + 1);
    printf("snapshot %s", outcome_name(outcome));
    for (uint32_t p = 0; outcome == DB_OK && p <= CALLS_PARTITIONS; p++)
        printf(" %u:%" PRIu64 "%s", fences[p].partition, fences[p].sequence,
               fences[p].holds ? ":holds" : "");
}

/* What another commits meanwhile is not seen. */
static void read_in_snapshot(struct actor *actor)
{
    struct actor *other = &world.actors[calls_below(ACTORS)];

    print_fences(actor);
    for (uint64_t n = calls_below(4); n > 0 && other != actor && db_connected(&other->db); n--) {
        if (other->open)
            break;
        printf(" meanwhile %s ", other->name);
        run_batch(other);
    }
    read_some(actor);
    for (uint32_t p = 0; p < CALLS_PARTITIONS; p++)
        read_stock(actor, &(struct store_stock){.partition = p, .limit = 1000}, 1000);
    db_rollback(&actor->db);
}

static void kill_other(struct actor *actor)
{
    const struct actor *other = &world.actors[calls_below(ACTORS)];

    printf("kill %s", other == actor ? "nobody" : other->name);
    if (other != actor)
        store_kill(&actor->db, other->db.thread_id);
}

static void connect(struct actor *actor)
{
    int64_t server_us;

    for (size_t p = 0; p < CALLS_PARTITIONS; p++) /* caches may be of before */
        actor->beliefs[p].ours = actor->beliefs[p].ours && calls_below(4) > 0;
    actor->open = false;
    printf("connect %s", store_connect(&actor->db, &server_us) ? "yes" : "no");
}

/* So many of each in STEPS. */
static const struct {
    unsigned share;
    void (*run)(struct actor *actor);
} steps[] = {
    {12, look},
    {10, look_and_take},
    {3, take},
    {56, run_batch},
    {3, hand_over},
    {5, history},
    {2, copy},
    {6, prune},
    {2, prune_claims},
    {3, kill_other},
    {8, read_in_snapshot},
};
#define STEPS 110u

static void any_step(struct actor *actor)
{
    uint64_t at = calls_below(STEPS);
    size_t i = 0, beliefs = 0;

    for (size_t p = 0; p < CALLS_PARTITIONS; p++)
        beliefs += actor->beliefs[p].ours;
    if (beliefs == 0 && calls_below(2) == 0)
        at = 20; /* takes something, to have something to do */
    for (; at >= steps[i].share; i++)
        at -= steps[i].share;
    steps[i].run(actor);
}

static void step(struct actor *actor)
{
    printf("%s ", actor->name);
    if (!db_connected(&actor->db))
        connect(actor);
    else if (actor->open)
        end_take(actor);
    else
        any_step(actor);
    printf("\n");
}

static void actor_init(struct actor *actor, size_t index, const struct config_shard *shard)
{
    snprintf(actor->name, sizeof actor->name, "w%zu", index);
    calls_random_bytes(actor->instance, sizeof actor->instance);
    db_init(&actor->db, shard);
    actor->catalog = catalog_new();
    for (uint32_t p = 0; p < CALLS_PARTITIONS; p++) {
        actor->beliefs[p].claim.partition = p;
        actor->beliefs[p].ledger = ledger_new(p, &world.limits, actor->catalog);
    }
}

static void actor_release(struct actor *actor)
{
    db_rollback(&actor->db);
    db_close(&actor->db);
    for (size_t p = 0; p < CALLS_PARTITIONS; p++)
        ledger_destroy(&actor->beliefs[p].ledger);
    catalog_destroy(&actor->catalog);
}

/* The first worker takes everything, so that there is something to fight for. */
static void found(void)
{
    struct actor *first = &world.actors[0];

    for (size_t i = 0; i < ACTORS; i++)
        connect(&world.actors[i]);
    look(first);
    for (unsigned p = 0; p < CALLS_PARTITIONS && db_connected(&first->db);) {
        if (first->open)
            end_take(first);
        else
            take(first);
        for (p = 0; p < CALLS_PARTITIONS && first->beliefs[p].ours;)
            p++;
        if (p < CALLS_PARTITIONS)
            look(first);
    }
    while (!calls_operation_founded() && db_connected(&first->db))
        run_batch(first);
    printf("\n");
}

/* Whoever has a transaction open goes on in time: how many lock waits a server fits in before it
 * ends an idle one is a race that a busy machine decides. */
static struct actor *next_actor(void)
{
    struct actor *any = &world.actors[calls_below(ACTORS)];

    for (size_t i = 0; i < ACTORS; i++) {
        struct actor *actor = &world.actors[i];
        actor->open_for = actor->open ? actor->open_for + 1 : 0;
        if (actor->open_for > OPEN_STEPS)
            return actor;
    }
    return any;
}

void calls_run(const struct config_shard *shard, uint64_t seed, unsigned count)
{
    memset(&world, 0, sizeof world);
    calls_operation_begin(seed);
    world.now_us = START_US;
    world.limits = (struct ledger_limits){CALLS_PARTITIONS, 100, HOUR_US * 24, 5000000};
    arena_init(&world.arena);
    arena_init(&world.rows);
    for (size_t i = 0; i < ACTORS; i++)
        actor_init(&world.actors[i], i, shard);
    found();
    for (unsigned n = 0; n < count; n++) {
        world.now_us += (int64_t)calls_below(STEP_US);
        printf("%u ", n);
        step(next_actor());
    }
    for (size_t i = 0; i < ACTORS; i++)
        actor_release(&world.actors[i]);
    arena_release(&world.arena);
    arena_release(&world.rows);
    calls_operation_end();
}

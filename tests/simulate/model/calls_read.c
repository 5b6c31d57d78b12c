/* SPDX-License-Identifier: MIT
 *
 * What workers read for queries: histories, names, and stock in a snapshot; see calls.h.
 */
#include "tests/simulate/model/calls_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "workers/store_copy.h"
#include "workers/store_history.h"
#include "workers/store_read.h"

static struct code code_of(const char *text)
{
    struct code code;

    code_set(&code, text, strlen(text));
    return code;
}

void calls_history(struct actor *actor)
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
    arena_reset(&calls_world.arena);
    uint32_t partition = partition_of_sku(sku.bytes, sku.length, CALLS_PARTITIONS);
    enum db_outcome outcome = store_history(&actor->db, partition, &history, &calls_world.arena,
                                            &movements, &count, &more);
    printf("history %s%s", calls_outcome(outcome), outcome == DB_OK && more ? " more" : "");
    for (size_t i = 0; outcome == DB_OK && i < count; i++) {
        printf(" %" PRIu64 ":%d:", movements[i].seq, (int)movements[i].kind);
        calls_hex(movements[i].claim_id, 2);
    }
}

void calls_copy(struct actor *actor)
{
    struct code code = code_of(calls_any_warehouse());
    struct named_change row = {.is_reason = calls_below(2) == 0,
                               .code = code,
                               .name = "copied",
                               .name_bytes = 6,
                               .version = calls_below(40) + 1};
    struct named_change *rows;
    size_t count;

    arena_reset(&calls_world.arena);
    printf("copy %s", calls_outcome(store_copy_write(&actor->db, &row, 1)));
    enum db_outcome outcome = store_copy_read(&actor->db, &rows, &count, &calls_world.arena);
    printf(" read %s", calls_outcome(outcome));
    for (size_t i = 0; outcome == DB_OK && i < count; i++)
        printf(" %d:%s:%" PRIu64 ":%.*s", rows[i].is_reason, rows[i].code.bytes, rows[i].version,
               (int)rows[i].name_bytes, rows[i].name);
}

static bool print_stock(void *context, const struct code *sku, const struct level *level)
{
    unsigned *left = context;

    printf(" ");
    calls_hex(sku->bytes, sku->length);
    if (level) {
        const struct balances *now = &level->now;
        printf("@");
        calls_hex(level->warehouse.bytes, level->warehouse.length);
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
    printf(" %s", calls_outcome(outcome));
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
    printf("snapshot %s", calls_outcome(outcome));
    for (uint32_t p = 0; outcome == DB_OK && p <= CALLS_PARTITIONS; p++)
        printf(" %u:%" PRIu64 "%s", fences[p].partition, fences[p].sequence,
               fences[p].holds ? ":holds" : "");
}

/* What another commits meanwhile is not seen. */
void calls_read(struct actor *actor)
{
    struct actor *other = &calls_world.actors[calls_below(ACTORS)];

    print_fences(actor);
    for (uint64_t n = calls_below(4); n > 0 && other != actor && db_connected(&other->db); n--) {
        if (other->open)
            break;
        printf(" meanwhile %s ", other->name);
        calls_batch(other);
    }
    read_some(actor);
    for (uint32_t p = 0; p < CALLS_PARTITIONS; p++)
        read_stock(actor, &(struct store_stock){.partition = p, .limit = 1000}, 1000);
    db_rollback(&actor->db);
}

/* SPDX-License-Identifier: MIT
 *
 * calls.h against the model: calls_model FROM SEEDS STEPS
 *
 * The caller is the coroutine of one process, so that a call can wait as it does in the simulation;
 * nothing fails but what the calls themselves do.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/simulate/chance.h"
#include "tests/simulate/model/calls.h"
#include "tests/simulate/model_impl.h"

#define FOREVER_US INT64_C(1000000000000)

/* What a seed leaves is the world's memory, which lives until the next: that is no leak. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static struct sim_counts counts;

struct calls {
    struct config_shard shard;
    uint64_t seed;
    unsigned steps;
    bool done;
};

static void body(void *argument)
{
    struct calls *run = argument;

    calls_run(&run->shard, run->seed, run->steps);
    run->done = true;
    (void)sim_block(SIM_DB, FOREVER_US); /* what it has closed is closed at the server too */
}

/* ------------------------------------------------------------- the tables */

static void hex(const void *bytes, size_t length)
{
    printf("|");
    for (size_t i = 0; i < length; i++)
        printf("%02X", ((const uint8_t *)bytes)[i]);
}

static void code(const struct code *value)
{
    hex(value->bytes, value->length);
}

static void text(const ProtobufCBinaryData *value)
{
    hex(value->data, value->len);
}

static void number(int64_t value)
{
    printf("|%" PRId64, value);
}

static void numbers(const int64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        number(values[i]);
}

static void print_partition(const struct model_key *key, const void *row)
{
    const struct model_partition *partition = row;

    number(model_key_partition(key));
    number((int64_t)partition->epoch);
    hex(partition->claim_id, 16);
    code(&partition->owner);
    hex(partition->instance, UUID_BYTES);
    number(partition->connection_id != 0);
    number((int64_t)partition->last_seq);
    number(partition->clock_high_us);
    number(partition->clock_offset_us);
    number((int64_t)partition->pruned_seq);
}

static void print_claim(const struct model_key *key, const void *row)
{
    const struct model_claim *claim = row;
    uint64_t epoch = 0;

    for (size_t i = 2; i < 10; i++)
        epoch = epoch << 8 | key->bytes[i];
    number(model_key_partition(key));
    number((int64_t)epoch);
    hex(claim->claim_id, 16);
    number((int64_t)claim->first_seq);
    code(&claim->owner);
}

static void print_worker(const struct model_key *key, const void *row)
{
    hex(key->bytes, UUID_BYTES);
    code(&((const struct model_worker *)row)->name);
}

static void print_movement(const struct model_key *key, const void *row)
{
    const struct movement *m = row;
    const struct reservation_line *line = &m->line_after;
    const int64_t balances[] = {(int64_t)m->prev,
                                m->d_on_hand,
                                m->d_reserved,
                                m->d_committed,
                                m->d_unavailable,
                                m->after.on_hand,
                                m->after.reserved,
                                m->after.committed,
                                m->after.unavailable,
                                m->after.safety_stock,
                                m->after.reorder_point,
                                m->after.shortfall,
                                (int64_t)m->on_hand_version};
    const int64_t figures[] = {m->line,          (int64_t)m->state, m->revision,
                               m->expires_at_us, line->quantity,    line->reserved,
                               line->committed,  line->shipped,     line->cancelled,
                               line->released,   line->returned};

    (void)key;
    number(m->partition);
    number((int64_t)m->seq);
    hex(m->operation_id, UUID_BYTES);
    number(m->idx);
    number((int64_t)m->kind);
    number((int64_t)m->epoch);
    number(m->at_us);
    hex(m->body_hash, m->idx == 0 ? sizeof m->body_hash : 0);
    code(&m->sku);
    code(&m->warehouse);
    numbers(balances, sizeof balances / sizeof balances[0]);
    hex(m->reservation_id, m->has_reservation ? RESERVATION_ID_BYTES : 0);
    numbers(figures, sizeof figures / sizeof figures[0]);
    text(&m->order);
    text(&m->reason);
    text(&m->reference);
    text(&m->note);
    text(&m->actor);
    text(&m->principal);
    number((int64_t)m->undoes);
    text(&m->trace);
    text(&m->detail);
    number(m->signals);
}

static void print_level(const struct model_key *key, const void *row)
{
    const struct level *level = row;
    const struct balances *now = &level->now;
    const int64_t figures[] = {
        now->on_hand,     now->reserved,           now->committed,
        now->unavailable, now->safety_stock,       now->reorder_point,
        now->shortfall,   (int64_t)level->version, (int64_t)level->on_hand_version};

    number(model_key_partition(key));
    code(&level->sku);
    code(&level->warehouse);
    numbers(figures, sizeof figures / sizeof figures[0]);
}

static void print_reservation(const struct model_key *key, const void *row)
{
    const struct reservation *reservation = row;

    number(model_key_partition(key));
    hex(reservation->id, RESERVATION_ID_BYTES);
    hex(reservation->operation_id, UUID_BYTES);
    number((int64_t)reservation->state);
    number(reservation->revision);
    number(reservation->expires_at_us);
    number(reservation->created_at_us);
    code(&reservation->order);
    code(&reservation->actor);
}

static void print_line(const struct model_key *key, const void *row)
{
    const struct reservation_line *line = row;
    const int64_t figures[] = {line->quantity,  line->reserved, line->committed, line->shipped,
                               line->cancelled, line->released, line->returned};

    number(model_key_partition(key));
    hex(key->bytes + 2, RESERVATION_ID_BYTES);
    number(key->bytes[12] << 8 | key->bytes[13]);
    code(&line->sku);
    code(&line->warehouse);
    numbers(figures, sizeof figures / sizeof figures[0]);
}

static void print_item(const struct model_key *key, const void *row)
{
    const struct item *item = row;

    number(model_key_partition(key));
    code(&item->sku);
    hex(item->name, item->name_bytes);
    number(item->reorder_point);
    number((int64_t)item->version);
}

static void print_barcode(const struct model_key *key, const void *row)
{
    const struct model_barcode *barcode = row;

    (void)key;
    code(&barcode->barcode);
    number(barcode->partition);
    code(&barcode->sku);
}

static void print_named(const struct model_key *key, const void *row)
{
    const struct model_named *named = row;

    (void)key;
    code(&named->code);
    hex(named->name, named->name_bytes);
    number((int64_t)named->version);
}

static void print_checkpoint(const struct model_key *key, const void *row)
{
    const struct model_checkpoint *checkpoint = row;

    number(model_key_partition(key));
    /* two codes: 64 bytes and a length each */
    hex(key->bytes + 2, key->bytes[2 + CODE_BYTES_MAX]);
    hex(key->bytes + 3 + CODE_BYTES_MAX, key->bytes[3 + 2 * CODE_BYTES_MAX]);
    number((int64_t)checkpoint->seq);
    number(checkpoint->on_hand);
    number(checkpoint->reserved);
    number(checkpoint->committed);
    number(checkpoint->unavailable);
}

static void print_run(const struct model_key *key, const void *row)
{
    const struct run *run = row;

    number(model_key_partition(key));
    code(&run->run);
    hex(run->digest, sizeof run->digest);
    number(run->lines);
    number(run->blank);
    code(&run->actor);
    number(run->created_at_us);
    code(&run->undoes);
    number((int64_t)run->state);
    number(run->applied);
    number(run->refused);
    number(run->unknown);
    number(run->changed_at_us);
    number((int64_t)run->version);
}

static void print_run_block(const struct model_key *key, const void *row)
{
    const struct run_block *block = row;

    number(model_key_partition(key));
    code(&block->run);
    number(block->block);
    number(block->created_at_us);
    number((int64_t)block->version);
    hex(block->detail, block->detail_bytes);
}

static const struct {
    enum model_table_name table;
    const char *name;
    void (*print)(const struct model_key *key, const void *row);
} dumps[] = {
    {MODEL_PARTITION, "partition", print_partition},
    {MODEL_CLAIM, "claim", print_claim},
    {MODEL_WORKER, "worker", print_worker},
    {MODEL_MOVEMENT, "movement", print_movement},
    {MODEL_LEVEL, "stock_level", print_level},
    {MODEL_RESERVATION, "reservation", print_reservation},
    {MODEL_LINE, "reservation_line", print_line},
    {MODEL_ITEM, "item", print_item},
    {MODEL_BARCODE, "barcode", print_barcode},
    {MODEL_WAREHOUSE, "warehouse", print_named},
    {MODEL_REASON, "reason", print_named},
    {MODEL_CHECKPOINT, "checkpoint", print_checkpoint},
    {MODEL_RUN, "run", print_run},
    {MODEL_RUN_BLOCK, "run_line", print_run_block},
};

static void dump(const struct model_server *server)
{
    for (size_t d = 0; d < sizeof dumps / sizeof dumps[0]; d++) {
        const struct model_table *table = &server->tables[dumps[d].table];
        for (size_t i = 0; i < table->count; i++) {
            sim_require(!table->entries[i]->owner, "a row of %s is still locked", dumps[d].name);
            printf("%s", dumps[d].name);
            dumps[d].print(&table->entries[i]->key, table->entries[i]->now);
            printf("\n");
        }
    }
}

/* ------------------------------------------------------------- a seed */

static struct calls run;

static bool is_done(void)
{
    return run.done;
}

static void one_seed(uint64_t seed, unsigned steps)
{
    sim_reset(seed);
    model_begin();
    struct model_server *server =
        model_server_new(sim_process_new("server", SIM_SERVER, 0), "model");
    for (uint32_t p = 0; p < CALLS_PARTITIONS; p++)
        model_server_hold(server, p);
    model_server_start(server);
    run = (struct calls){.seed = seed, .steps = steps};
    run.shard.server_count = 1;
    snprintf(run.shard.servers[0].socket, sizeof run.shard.servers[0].socket, "model");
    struct sim_process *caller = sim_process_new("caller", SIM_WORKER, 0);
    sim_start(caller, body, &run);
    sim_run(FOREVER_US, is_done);
    sim_require(run.done, "the calls did not end");
    sim_run(sim_now_us() + 1000000, NULL);
    dump(server);
    sim_kill(caller);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    chance_program(argv[0]);
    chance_count_into(&counts);
    uint64_t from = strtoull(argv[1], NULL, 10), seeds = strtoull(argv[2], NULL, 10);
    for (uint64_t seed = from; seed < from + seeds; seed++) {
        printf("seed %llu\n", (unsigned long long)seed);
        one_seed(seed, (unsigned)atoi(argv[3]));
    }
    return 0;
}

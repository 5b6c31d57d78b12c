/* SPDX-License-Identifier: MIT
 *
 * Answers to readings, held against the ledger as it was at their sequence: of every level that was
 * asked for there is the newest movement until then, and what it left; no level is missing; and
 * nothing that anybody had been told before is not in it. Where a tail was lost meanwhile, nothing
 * can be said.
 */
#include <string.h>

#include "tests/simulate/judge.h"

static struct {
    uint64_t known[READING_PARTITIONS_MAX]; /* the newest that was told, by partition */
    unsigned losses;
} reads;

void judge_read_begin(void)
{
    memset(&reads, 0, sizeof reads);
}

void judge_read_told(uint32_t partition, uint64_t sequence)
{
    uint64_t *known = &reads.known[partition % READING_PARTITIONS_MAX];

    if (sequence > *known)
        *known = sequence;
}

void judge_read_lost(void)
{
    memset(reads.known, 0, sizeof reads.known);
    reads.losses++;
}

void judge_ask(struct reading_part *part)
{
    part->known = reads.known[part->partition % READING_PARTITIONS_MAX];
    part->losses = reads.losses;
}

/* ------------------------------------------------------------- a level */

struct look {
    const struct reading *reading;
    const struct holdfast_answer *answer;
    uint32_t partition;
    const char *sku, *warehouse;
    const struct holdfast_level *level; /* NULL: it is not in the answer */
    bool found;
};

static bool is_code(const struct code *code, const char *text)
{
    return strlen(text) == code->length && memcmp(text, code->bytes, code->length) == 0;
}

static bool same_balances(const struct holdfast_level *level, const struct movement *m)
{
    const struct balances *after = &m->after;

    return level->on_hand == after->on_hand && level->reserved == after->reserved &&
           level->committed == after->committed && level->unavailable == after->unavailable &&
           level->safety_stock == after->safety_stock && level->shortfall == after->shortfall &&
           level->reorder_point == after->reorder_point &&
           level->on_hand_version == m->on_hand_version;
}

static bool look_at_movement(void *context, const struct movement *m)
{
    struct look *look = context;
    const struct holdfast_level *level = look->level;

    if (m->seq > look->answer->sequence || !is_code(&m->sku, look->sku) ||
        !is_code(&m->warehouse, look->warehouse))
        return true;
    sim_require(level != NULL, "an answer of partition %u at %llu lacks %s at %s, which has %llu",
                look->partition, (unsigned long long)look->answer->sequence, look->sku,
                look->warehouse, (unsigned long long)m->seq);
    sim_require(m->seq <= level->version, "%s at %s is told as of %llu at %llu, and has %llu",
                look->sku, look->warehouse, (unsigned long long)level->version,
                (unsigned long long)look->answer->sequence, (unsigned long long)m->seq);
    if (m->seq != level->version)
        return true;
    look->found = true;
    sim_require(same_balances(level, m), "%s at %s is told to be %u/%u/%u at %llu", look->sku,
                look->warehouse, level->on_hand, level->reserved, level->committed,
                (unsigned long long)m->seq);
    return true;
}

static const struct holdfast_level *told_level(const struct holdfast_answer *answer,
                                               const char *sku, const char *warehouse)
{
    for (size_t i = 0; i < answer->stock_count; i++) {
        const struct holdfast_stock *stock = &answer->stock[i];
        for (size_t l = 0; strcmp(stock->sku, sku) == 0 && l < stock->level_count; l++) {
            if (strcmp(stock->levels[l].warehouse, warehouse) == 0)
                return &stock->levels[l];
        }
    }
    return NULL;
}

static bool was_asked_for(const struct look *look)
{
    const struct reading *reading = look->reading;
    const struct holdfast_answer *answer = look->answer;
    bool named = reading->sku_count == 0;

    if (reading->warehouse && strcmp(look->warehouse, reading->warehouse) != 0)
        return false;
    for (size_t i = 0; i < reading->sku_count; i++)
        named |= strcmp(look->sku, reading->skus[i]) == 0;
    /* Of a page that is cut, what comes after it. */
    return named && !(answer->more && answer->stock_count > 0 &&
                      strcmp(look->sku, answer->stock[answer->stock_count - 1].sku) > 0);
}

static void look_at(const struct model_server *server, struct look *look)
{
    look->level = told_level(look->answer, look->sku, look->warehouse);
    look->found = false;
    if (!was_asked_for(look)) {
        sim_require(!look->level, "%s at %s was not asked for", look->sku, look->warehouse);
        return;
    }
    model_movements(server, look->partition, look->level ? look->level->version - 1 : 0,
                    look_at_movement, look);
    sim_require(look->found == (look->level != NULL), "%s at %s is told as of %llu, which is none",
                look->sku, look->warehouse,
                (unsigned long long)(look->level ? look->level->version : 0));
}

void judge_answer(const struct reading *reading, const struct reading_part *part,
                  const struct holdfast_answer *answer)
{
    struct look look = {.reading = reading, .answer = answer, .partition = part->partition};

    if (answer->status != HOLDFAST_APPLIED) {
        sim_require(answer->kind == HOLDFAST_KIND_SHED || answer->kind == HOLDFAST_KIND_UNKNOWN,
                    "a reading is refused: %s %s %s", holdfast_status_name(answer->status),
                    answer->field, answer->message);
        return;
    }
    if (part->losses != reads.losses)
        return;
    sim_require(answer->sequence >= part->known,
                "an answer of partition %u knows %llu when %llu had been told", part->partition,
                (unsigned long long)answer->sequence, (unsigned long long)part->known);
    const struct model_server *server = world.servers[part->partition % world.shard_count].server;
    for (unsigned s = 0; s < world.sku_count; s++) {
        if (world.sku_partition[s] != part->partition)
            continue;
        for (unsigned w = 0; w < world.warehouse_count; w++) {
            look.sku = world.skus[s];
            look.warehouse = world.warehouses[w];
            look_at(server, &look);
        }
    }
    SIM_SEEN("answer of a reading");
    if (answer->more)
        SIM_SEEN("answer of a reading that was cut");
}

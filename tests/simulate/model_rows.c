/* SPDX-License-Identifier: MIT
 *
 * See model_rows.h.
 */
#include "tests/simulate/model_rows.h"

#include <string.h>

#define OUT_OF_RANGE 1264u
#define CHECK_FAILED 4025u

/* ------------------------------------------------------------- keys */

struct model_key model_key_of_partition(uint32_t partition)
{
    struct model_key key = {0};

    model_key_u16(&key, partition);
    return key;
}

struct model_key model_key_of_seq(uint32_t partition, uint64_t seq)
{
    struct model_key key = model_key_of_partition(partition);

    model_key_u64(&key, seq);
    return key;
}

struct model_key model_key_of_operation(uint32_t partition, const uint8_t id[UUID_BYTES])
{
    struct model_key key = model_key_of_partition(partition);

    model_key_bytes(&key, id, UUID_BYTES);
    return key;
}

struct model_key model_key_of_once(const struct movement *movement)
{
    struct model_key key = model_key_of_operation(movement->partition, movement->operation_id);

    model_key_u16(&key, movement->idx);
    return key;
}

struct model_key model_key_of_sku(uint32_t partition, const struct code *sku)
{
    struct model_key key = model_key_of_partition(partition);

    model_key_code(&key, sku);
    return key;
}

struct model_key model_key_of_level(uint32_t partition, const struct code *sku,
                                    const struct code *warehouse)
{
    struct model_key key = model_key_of_sku(partition, sku);

    model_key_code(&key, warehouse);
    return key;
}

struct model_key model_key_of_reservation(uint32_t partition,
                                          const uint8_t id[RESERVATION_ID_BYTES])
{
    struct model_key key = model_key_of_partition(partition);

    model_key_bytes(&key, id, RESERVATION_ID_BYTES);
    return key;
}

struct model_key model_key_of_line(uint32_t partition, const uint8_t id[RESERVATION_ID_BYTES],
                                   size_t line)
{
    struct model_key key = model_key_of_reservation(partition, id);

    model_key_u16(&key, (uint32_t)line);
    return key;
}

struct model_key model_key_of_run_block(uint32_t partition, const struct code *run, uint32_t block)
{
    struct model_key key = model_key_of_sku(partition, run);

    model_key_u64(&key, block);
    return key;
}

struct run_block *model_run_block_row(const struct run_block *block)
{
    struct run_block *row = model_row_new(sizeof *row + block->detail_bytes);

    *row = *block;
    row->detail = (uint8_t *)(row + 1);
    if (block->detail_bytes > 0)
        memcpy(row->detail, block->detail, block->detail_bytes);
    return row;
}

struct model_key model_key_of_code(const struct code *code)
{
    struct model_key key = {0};

    model_key_code(&key, code);
    return key;
}

struct model_key model_key_of_instance(const uint8_t instance[UUID_BYTES])
{
    struct model_key key = {0};

    model_key_bytes(&key, instance, UUID_BYTES);
    return key;
}

uint32_t model_key_partition(const struct model_key *key)
{
    return (uint32_t)key->bytes[0] << 8 | key->bytes[1];
}

/* ------------------------------------------------------------- movements */

#define TEXTS 8
static void texts_of(struct movement *m, ProtobufCBinaryData *texts[TEXTS])
{
    ProtobufCBinaryData *const all[TEXTS] = {&m->order, &m->reason,    &m->reference, &m->note,
                                             &m->actor, &m->principal, &m->trace,     &m->detail};

    memcpy(texts, all, sizeof all);
}

struct movement *model_movement_row(const struct movement *movement)
{
    struct movement copy = *movement;
    ProtobufCBinaryData *texts[TEXTS];
    size_t bytes = 0;

    texts_of(&copy, texts);
    for (size_t i = 0; i < TEXTS; i++)
        bytes += texts[i]->len;
    struct movement *row = model_row_new(sizeof *row + bytes);
    *row = copy;
    /* Not a column: that of the epoch is looked up when it is read. */
    memset(row->claim_id, 0, sizeof row->claim_id);
    uint8_t *at = (uint8_t *)(row + 1);
    texts_of(row, texts);
    for (size_t i = 0; i < TEXTS; i++) {
        if (texts[i]->len > 0)
            memcpy(at, texts[i]->data, texts[i]->len);
        texts[i]->data = at;
        at += texts[i]->len;
    }
    return row;
}

void model_movement_copy(struct movement *to, const struct movement *from, struct arena *arena)
{
    ProtobufCBinaryData *texts[TEXTS];

    *to = *from;
    texts_of(to, texts);
    for (size_t i = 0; i < TEXTS; i++)
        texts[i]->data =
            texts[i]->len > 0 ? arena_copy(arena, texts[i]->data, texts[i]->len) : NULL;
}

/* ------------------------------------------------------------- CHECK */

static bool is_unsigned(int64_t value)
{
    return value >= 0 && value <= UINT32_MAX;
}

static bool is_int(int64_t value)
{
    return value >= INT32_MIN && value <= INT32_MAX;
}

unsigned model_check_movement(const struct movement *m)
{
    const struct balances *after = &m->after;
    const struct reservation_line *line = &m->line_after;
    const int64_t natural[] = {after->on_hand,     after->reserved,     after->committed,
                               after->unavailable, after->safety_stock, after->reorder_point,
                               after->shortfall,   line->quantity,      line->reserved,
                               line->committed,    line->shipped,       line->cancelled,
                               line->released,     line->returned};
    const int64_t whole[] = {m->d_on_hand, m->d_reserved, m->d_committed, m->d_unavailable};

    for (size_t i = 0; i < sizeof natural / sizeof natural[0]; i++) {
        if (!is_unsigned(natural[i]))
            return OUT_OF_RANGE;
    }
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        if (!is_int(whole[i]))
            return OUT_OF_RANGE;
    }
    if (after->reserved + after->committed + after->unavailable > after->on_hand + after->shortfall)
        return CHECK_FAILED;
    return 0;
}

/* Some rows, always the same ones; in the seeds that have this fault. */
static bool is_cursed(const struct level *level)
{
    const struct balances *now = &level->now;

    if (!sim_fault_on(SIM_FAULT_DB_CURSED) ||
        (now->on_hand * 7 + now->reserved * 3 + now->committed + level->sku.bytes[0]) % 8 != 0)
        return false;
    sim_fault_count(SIM_FAULT_DB_CURSED);
    return true;
}

unsigned model_check_level(const struct level *level)
{
    const struct balances *now = &level->now;
    const int64_t figures[] = {now->on_hand,     now->reserved,     now->committed,
                               now->unavailable, now->safety_stock, now->reorder_point,
                               now->shortfall};

    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        if (!is_int(figures[i]))
            return OUT_OF_RANGE;
    }
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        if (figures[i] < 0)
            return CHECK_FAILED;
    }
    if (now->reserved + now->committed + now->unavailable > now->on_hand + now->shortfall)
        return CHECK_FAILED;
    return is_cursed(level) ? CHECK_FAILED : 0;
}

unsigned model_check_line(const struct reservation_line *line)
{
    const int64_t figures[] = {line->quantity,  line->reserved, line->committed, line->shipped,
                               line->cancelled, line->released, line->returned};

    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        if (!is_int(figures[i]))
            return OUT_OF_RANGE;
    }
    if (line->reserved < 0 || line->committed < 0 || line->shipped < 0 || line->cancelled < 0 ||
        line->released < 0 || line->returned < 0)
        return CHECK_FAILED;
    if (line->reserved + line->committed + line->shipped + line->cancelled + line->released !=
            line->quantity ||
        line->returned > line->shipped)
        return CHECK_FAILED;
    return 0;
}

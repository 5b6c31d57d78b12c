/* SPDX-License-Identifier: MIT
 *
 * Runs: that one was begun, with what, and what became of its lines. A run's record decides nothing
 * about stock: each line is an operation with an id of its own, which takes effect once whatever is
 * recorded here. It is what a run goes on from, on any machine.
 *
 * Results of lines are kept in blocks, packed, so that a run of 100,000 lines is some hundred rows.
 */
#include "workers/ledger_impl.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------- in memory */

struct run_entry *cache_run(const struct ledger *ledger, const void *bytes, size_t length)
{
    struct run_entry *entry;

    HASH_FIND(hh, ledger->runs, bytes, length, entry);
    return entry;
}

static struct run_block_key key_of(const void *bytes, size_t length, uint32_t block)
{
    struct run_block_key key;

    memset(&key, 0, sizeof key); /* the padding, too: it is hashed */
    key.block = block;
    memcpy(key.code, bytes, length);
    key.code_bytes = (uint32_t)length;
    return key;
}

struct run_block_entry *cache_run_block(const struct ledger *ledger, const void *bytes,
                                        size_t length, uint32_t block)
{
    struct run_block_key key = key_of(bytes, length, block);
    struct run_block_entry *entry;

    HASH_FIND(hh, ledger->blocks, &key, sizeof key, entry);
    return entry;
}

void ledger_put_run(struct ledger *ledger, const struct code *code, const struct run *run)
{
    if (cache_run(ledger, code->bytes, code->length))
        return;
    struct run_entry *entry = must_calloc(1, sizeof *entry);
    if (run)
        entry->run = *run;
    entry->run.run = *code;
    HASH_ADD_KEYPTR(hh, ledger->runs, entry->run.run.bytes, entry->run.run.length, entry);
}

static void keep_detail(struct run_block *block, const uint8_t *detail, size_t bytes)
{
    uint8_t *copy = must_calloc(1, bytes + 1);

    if (bytes > 0)
        memcpy(copy, detail, bytes);
    free(block->detail);
    block->detail = copy;
    block->detail_bytes = bytes;
}

void ledger_put_run_block(struct ledger *ledger, const struct code *code, uint32_t number,
                          const struct run_block *block)
{
    if (cache_run_block(ledger, code->bytes, code->length, number))
        return;
    struct run_block_entry *entry = must_calloc(1, sizeof *entry);
    entry->key = key_of(code->bytes, code->length, number);
    if (block) {
        entry->block = *block;
        entry->block.detail = NULL;
        keep_detail(&entry->block, block->detail, block->detail_bytes);
    }
    entry->block.run = *code;
    entry->block.block = number;
    HASH_ADD(hh, ledger->blocks, key, sizeof entry->key, entry);
}

void cache_runs_keep(struct ledger *ledger, size_t runs, size_t blocks)
{
    struct run_entry *run, *next_run;
    struct run_block_entry *block, *next_block;

    HASH_ITER(hh, ledger->runs, run, next_run)
    {
        if (HASH_COUNT(ledger->runs) <= runs)
            break;
        HASH_DEL(ledger->runs, run);
        free(run);
    }
    HASH_ITER(hh, ledger->blocks, block, next_block)
    {
        if (HASH_COUNT(ledger->blocks) <= blocks)
            break;
        HASH_DEL(ledger->blocks, block);
        free(block->block.detail);
        free(block);
    }
}

/* ------------------------------------------------------------- what its movements show */

static ProtobufCBinaryData bytes_of_code(const struct code *code)
{
    return (ProtobufCBinaryData){code->length, (uint8_t *)(uintptr_t)code->bytes};
}

static void touch_run(struct ledger *ledger, struct run_entry *entry)
{
    if (entry->touched)
        return;
    entry->touched = true;
    entry->base_version = entry->run.version;
    ledger->touched_runs = grow(ledger->touched_runs, ledger->touched_run_count,
                                &ledger->touched_run_capacity, sizeof *ledger->touched_runs);
    ledger->touched_runs[ledger->touched_run_count++] = entry;
}

static void touch_block(struct ledger *ledger, struct run_block_entry *entry)
{
    if (entry->touched)
        return;
    entry->touched = true;
    entry->base_version = entry->block.version;
    ledger->touched_blocks = grow(ledger->touched_blocks, ledger->touched_block_count,
                                  &ledger->touched_block_capacity, sizeof *ledger->touched_blocks);
    ledger->touched_blocks[ledger->touched_block_count++] = entry;
}

static void pack_run(struct ledger *ledger, struct movement *movement, const struct run *run)
{
    Hf__Run record = HF__RUN__INIT;

    record.run = bytes_of_code(&run->run);
    record.digest = (ProtobufCBinaryData){RUN_DIGEST_BYTES, (uint8_t *)(uintptr_t)run->digest};
    record.lines = run->lines;
    record.blank = run->blank;
    record.actor = bytes_of_code(&run->actor);
    record.created_at_us = run->created_at_us;
    record.undoes = bytes_of_code(&run->undoes);
    record.state = run->state;
    record.applied = run->applied;
    record.refused = run->refused;
    record.unknown = run->unknown;
    record.changed_at_us = run->changed_at_us;
    record.version = run->version;
    size_t bytes = hf__run__get_packed_size(&record);
    movement->detail.data = arena_alloc(ledger->arena, bytes);
    movement->detail.len = hf__run__pack(&record, movement->detail.data);
}

void run_apply(struct ledger *ledger, struct turn *turn, struct movement *movement)
{
    struct run *run = &turn->run->run;

    touch_run(ledger, turn->run);
    movement->prev = run->version;
    *run = turn->run_after;
    run->version = movement->seq;
    run->changed_at_us = ledger->now_us;
    run->state = (uint64_t)run->applied + run->refused + run->blank >= run->lines
                     ? HF__RUN_STATE__RUN_DONE
                     : HF__RUN_STATE__RUN_OPEN;
    if (turn->block) {
        touch_block(ledger, turn->block);
        turn->block->block.version = movement->seq;
        turn->block->block.created_at_us = run->created_at_us;
        keep_detail(&turn->block->block, turn->block_after.data, turn->block_after.len);
    }
    movement->reference = bytes_of_code(&run->run);
    pack_run(ledger, movement, run);
}

/* ------------------------------------------------------------- beginning */

static bool is_too_old(const struct ledger *ledger, const struct run *run)
{
    return ledger->now_us - run->created_at_us > ledger->limits->idempotency_us;
}

static bool same_code(const struct code *code, const ProtobufCBinaryData *bytes)
{
    return code_is(code, bytes->data, bytes->len);
}

/* The run is there already. Its name stands for its lines' ids, so it may not stand for others. */
static enum status go_on(struct ledger *ledger, struct turn *turn, const struct run *run)
{
    const Hf__BeginRun *begin = turn->operation->begin_run;

    if (memcmp(run->digest, begin->digest.data, RUN_DIGEST_BYTES) != 0 ||
        run->lines != begin->lines || run->blank != begin->blank ||
        !same_code(&run->undoes, &begin->undoes)) {
        turn->field = "begin_run.digest";
        return refuse_plain(turn, STATUS_operation_id_reused,
                            "the run was begun with other lines: what is new needs a new run");
    }
    if (!begin->resume) {
        turn->field = "begin_run.run";
        return refuse_plain(turn, STATUS_operation_id_reused, "there is such a run already");
    }
    if (run->state != HF__RUN_STATE__RUN_DONE && is_too_old(ledger, run)) {
        turn->field = "begin_run.run";
        return refuse_plain(turn, STATUS_operation_id_expired,
                            "the run was begun too long ago to go on with it");
    }
    return STATUS_applied;
}

enum status decide_begin_run(struct ledger *ledger, struct turn *turn)
{
    const Hf__BeginRun *begin = turn->operation->begin_run;
    struct run_entry *entry = cache_run(ledger, begin->run.data, begin->run.len);
    const ProtobufCBinaryData *actor = &turn->operation->actor;

    if (!entry)
        return not_loaded(turn);
    turn->run = entry;
    turn->run_after = entry->run;
    if (entry->run.version != 0) {
        enum status status = go_on(ledger, turn, &entry->run);
        if (status != STATUS_applied)
            return status;
    } else {
        struct run *run = &turn->run_after;
        memcpy(run->digest, begin->digest.data, RUN_DIGEST_BYTES);
        run->lines = begin->lines;
        run->blank = begin->blank;
        code_set(&run->actor, actor->data, actor->len);
        code_set(&run->undoes, begin->undoes.data, begin->undoes.len);
        run->created_at_us = ledger->now_us;
    }
    plan_record(ledger, HF__MOVEMENT_KIND__MOVEMENT_RUN_BEGUN);
    return STATUS_applied;
}

/* ------------------------------------------------------------- recording */

static void tally(struct run *run, const Hf__RunLine *line, int32_t by)
{
    uint32_t *count = &run->unknown;

    if (line->open)
        return;
    switch (status_kind((enum status)line->status)) {
    case STATUS_KIND_APPLIED:
        count = &run->applied;
        break;
    case STATUS_KIND_REFUSED:
        count = &run->refused;
        break;
    case STATUS_KIND_SHED:
    case STATUS_KIND_UNKNOWN:
        break;
    }
    *count += (uint32_t)by;
}

/* Both lists are in order; the new one wins but over what was applied, and an open line over
 * nothing: whoever writes a list down again undoes nobody's count. */
static size_t merge(struct run *run, Hf__RunLine **kept, size_t kept_count,
                    const Hf__RecordRun *record, Hf__RunLine **merged)
{
    size_t k = 0, count = 0;

    for (size_t i = 0; i < record->n_lines; i++) {
        Hf__RunLine *line = record->lines[i];
        while (k < kept_count && kept[k]->line < line->line)
            merged[count++] = kept[k++];
        if (k < kept_count && kept[k]->line == line->line) {
            if (kept[k]->status == STATUS_applied || line->open)
                continue;
            tally(run, kept[k++], -1);
        }
        tally(run, line, 1);
        merged[count++] = line;
    }
    while (k < kept_count)
        merged[count++] = kept[k++];
    return count;
}

static enum status check_record(struct ledger *ledger, struct turn *turn, const struct run *run)
{
    const Hf__RecordRun *record = turn->operation->record_run;

    if (run->version == 0)
        return refuse(ledger, turn, STATUS_invalid, "there is no such run", "record_run.run");
    if (is_too_old(ledger, run))
        return refuse(ledger, turn, STATUS_operation_id_expired,
                      "the run was begun too long ago to record anything of it", "record_run.run");
    if (record->lines[record->n_lines - 1]->line > run->lines)
        return refuse(ledger, turn, STATUS_invalid, "is beyond the run's last line",
                      "record_run.lines[%zu].line", record->n_lines - 1);
    return STATUS_applied;
}

enum status decide_record_run(struct ledger *ledger, struct turn *turn)
{
    const Hf__RecordRun *record = turn->operation->record_run;
    struct run_entry *entry = cache_run(ledger, record->run.data, record->run.len);
    struct run_block_entry *block = cache_run_block(ledger, record->run.data, record->run.len,
                                                    (record->lines[0]->line - 1) / RUN_BLOCK_LINES);
    Hf__RunLine *merged[2 * RUN_BLOCK_LINES];

    if (!entry || !block)
        return not_loaded(turn);
    enum status status = check_record(ledger, turn, &entry->run);
    if (status != STATUS_applied)
        return status;
    Hf__RecordRun *kept = hf__record_run__unpack(&ledger->arena->allocator,
                                                 block->block.detail_bytes, block->block.detail);
    if (!kept || kept->n_lines > RUN_BLOCK_LINES)
        return contradiction(turn);
    turn->run = entry;
    turn->run_after = entry->run;
    turn->block = block;
    Hf__RecordRun after = HF__RECORD_RUN__INIT;
    after.lines = merged;
    after.n_lines = merge(&turn->run_after, kept->lines, kept->n_lines, record, merged);
    turn->block_after.data =
        arena_alloc(ledger->arena, hf__record_run__get_packed_size(&after) + 1);
    turn->block_after.len = hf__record_run__pack(&after, turn->block_after.data);
    plan_record(ledger, HF__MOVEMENT_KIND__MOVEMENT_RUN_RECORDED);
    return STATUS_applied;
}

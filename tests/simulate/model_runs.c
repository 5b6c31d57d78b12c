/* SPDX-License-Identifier: MIT
 *
 * Runs and undos in the model database: what the world sees of them, and what must hold after every
 * commit. What was recorded as applied stays so and is in the ledger; a run's name belongs to what
 * it was begun with; a movement is taken back once, exactly, and breaks no promise.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "protocol/status.h"
#include "tests/simulate/model_impl.h"

/* Set by the first check that fails. */
static char found[512];

static const char *broken(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *broken(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(found, sizeof found, format, args);
    va_end(args);
    return found;
}

#define SHORT(code) (int)(code).length, (code).bytes

/* ------------------------------------------------------------- what is committed */

void model_runs(const struct model_server *server, model_visit_run *visit, void *context)
{
    const struct model_table *table = &server->tables[MODEL_RUN];

    for (size_t i = 0; i < table->count; i++) {
        const struct model_entry *entry = table->entries[i];
        if (entry->now && !visit(context, model_key_partition(&entry->key), entry->now))
            return;
    }
}

void model_run_blocks(const struct model_server *server, model_visit_run_block *visit,
                      void *context)
{
    const struct model_table *table = &server->tables[MODEL_RUN_BLOCK];

    for (size_t i = 0; i < table->count; i++) {
        const struct model_entry *entry = table->entries[i];
        if (entry->now && !visit(context, model_key_partition(&entry->key), entry->now))
            return;
    }
}

const struct movement *model_movement_at(const struct model_server *server, uint32_t partition,
                                         uint64_t seq)
{
    struct model_key key = model_key_of_seq(partition, seq);

    return model_read(&server->tables[MODEL_MOVEMENT], &key, NULL);
}

/* The rows of an operation: the first, and how many. NULL: none. */
static const struct movement *operation_rows(const struct model_server *server, uint32_t partition,
                                             const uint8_t id[UUID_BYTES], size_t *count)
{
    const struct model_table *table = &server->tables[MODEL_ONCE];
    struct model_key prefix = model_key_of_operation(partition, id);
    const struct movement *first = NULL;

    *count = 0;
    for (size_t i = model_seek(table, &prefix);
         i < table->count && model_has_prefix(table->entries[i], &prefix); i++) {
        const struct model_once *once = table->entries[i]->now;
        if (once && (*count)++ == 0)
            first = model_movement_at(server, partition, once->seq);
    }
    return first;
}

const struct movement *model_operation(const struct model_server *server, uint32_t partition,
                                       const uint8_t id[UUID_BYTES])
{
    size_t count;

    return operation_rows(server, partition, id, &count);
}

/* ------------------------------------------------------------- runs */

struct counts {
    uint32_t applied, refused, unknown;
};

static const char *count_block(const struct run *run, const struct run_block *block,
                               struct counts *counts)
{
    Hf__RecordRun *kept = hf__record_run__unpack(NULL, block->detail_bytes, block->detail);
    const char *why =
        kept ? NULL : broken("block %u of run %.*s is none", block->block, SHORT(block->run));
    uint32_t before = 0;

    for (size_t i = 0; kept && !why && i < kept->n_lines; i++) {
        uint32_t line = kept->lines[i]->line;
        enum status status = (enum status)kept->lines[i]->status;
        if (line <= before || line > run->lines || (line - 1) / RUN_BLOCK_LINES != block->block)
            why = broken("line %u does not belong into block %u of run %.*s", line, block->block,
                         SHORT(block->run));
        else if (kept->lines[i]->open)
            ; /* no result, and counted nowhere */
        else if (status_kind(status) == STATUS_KIND_APPLIED)
            counts->applied++;
        else if (status_kind(status) == STATUS_KIND_REFUSED)
            counts->refused++;
        else
            counts->unknown++;
        before = line;
    }
    hf__record_run__free_unpacked(kept, NULL);
    return why;
}

/* The counts of a run are those of its lines, as long as these are kept. */
static const char *check_counts(const struct model_server *server, uint32_t partition,
                                const struct run *run)
{
    const struct model_table *table = &server->tables[MODEL_RUN_BLOCK];
    struct counts counts = {0};
    const char *why = NULL;

    for (size_t i = 0; i < table->count && !why; i++) {
        const struct run_block *block = table->entries[i]->now;
        if (block && model_key_partition(&table->entries[i]->key) == partition &&
            code_equal(&block->run, &run->run))
            why = count_block(run, block, &counts);
    }
    if (why)
        return why;
    bool done = (uint64_t)run->applied + run->refused + run->blank >= run->lines;
    if (done != (run->state == HF__RUN_STATE__RUN_DONE))
        return broken("run %.*s is in state %d with %u of %u lines applied, %u refused, %u blank",
                      SHORT(run->run), (int)run->state, run->applied, run->lines, run->refused,
                      run->blank);
    if (counts.applied != run->applied || counts.refused != run->refused ||
        counts.unknown != run->unknown)
        return broken("run %.*s counts %u applied, %u refused, %u unknown: its lines are %u, %u, "
                      "%u",
                      SHORT(run->run), run->applied, run->refused, run->unknown, counts.applied,
                      counts.refused, counts.unknown);
    return NULL;
}

static const char *touched_run(const struct model_commit *commit,
                               const struct model_touched *touched)
{
    const struct run *before = touched->before, *after = touched->after;

    if (!after)
        return broken("run %.*s went away", SHORT(before->run));
    if (before && after->version <= before->version)
        return broken("the version of run %.*s does not rise", SHORT(after->run));
    if (before && (memcmp(before->digest, after->digest, RUN_DIGEST_BYTES) != 0 ||
                   before->lines != after->lines || before->blank != after->blank ||
                   before->created_at_us != after->created_at_us ||
                   !code_equal(&before->actor, &after->actor) ||
                   !code_equal(&before->undoes, &after->undoes)))
        return broken("run %.*s became another", SHORT(after->run));
    return check_counts(commit->server, model_key_partition(&touched->key), after);
}

static const Hf__RunLine *find_line(const Hf__RecordRun *block, uint32_t line)
{
    for (size_t i = 0; i < block->n_lines; i++) {
        if (block->lines[i]->line == line)
            return block->lines[i];
    }
    return NULL;
}

static bool same_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Of a list: a line is of one thing, and what has a result is not open any more. */
static const char *changed_list(const struct run_block *block, const Hf__RunLine *was,
                                const Hf__RunLine *is)
{
    if (!same_bytes(&was->sku, &is->sku) || !same_bytes(&was->warehouse, &is->warehouse))
        return broken("line %u of list %.*s is of something else", was->line, SHORT(block->run));
    if (is->open && !was->open)
        return broken("line %u of list %.*s was recorded as %s, and is open again", was->line,
                      SHORT(block->run), status_name((enum status)was->status));
    return NULL;
}

/* What was applied stays so, and every line stays. */
static const char *touched_block(const struct model_touched *touched)
{
    const struct run_block *before = touched->before, *after = touched->after;
    const char *why = NULL;

    if (!before || !after) /* new, or pruned */
        return NULL;
    if (after->version <= before->version)
        return broken("the version of block %u of run %.*s does not rise", after->block,
                      SHORT(after->run));
    Hf__RecordRun *old = hf__record_run__unpack(NULL, before->detail_bytes, before->detail);
    Hf__RecordRun *new = hf__record_run__unpack(NULL, after->detail_bytes, after->detail);
    for (size_t i = 0; old && new && !why &&i < old->n_lines; i++) {
        const Hf__RunLine *was = old->lines[i], *is = find_line(new, was->line);
        if (!is || (was->status == STATUS_applied &&
                    (is->status != STATUS_applied || is->partition != was->partition ||
                     is->sequence != was->sequence)))
            why = broken("line %u of run %.*s was recorded as %s, and is not any more", was->line,
                         SHORT(after->run), status_name((enum status)was->status));
        else
            why = changed_list(after, was, is);
    }
    hf__record_run__free_unpacked(old, NULL);
    hf__record_run__free_unpacked(new, NULL);
    return why;
}

const char *model_audit_run(const struct model_commit *commit, const struct model_touched *touched)
{
    return touched->table == MODEL_RUN ? touched_run(commit, touched) : touched_block(touched);
}

/* ------------------------------------------------------------- undos */

static const char *check_once(const struct model_server *server, const struct movement *movement)
{
    const struct model_table *table = &server->tables[MODEL_MOVEMENT];
    struct model_key all = model_key_of_partition(movement->partition);

    for (size_t i = model_seek(table, &all);
         i < table->count && model_has_prefix(table->entries[i], &all); i++) {
        const struct movement *other = table->entries[i]->now;
        if (other && other->seq != movement->seq && other->undoes == movement->undoes &&
            other->kind == HF__MOVEMENT_KIND__MOVEMENT_UNDONE)
            return broken("movement %llu of partition %u was taken back by %llu and by %llu",
                          (unsigned long long)movement->undoes, movement->partition,
                          (unsigned long long)other->seq, (unsigned long long)movement->seq);
    }
    return NULL;
}

/* All of the operation's movements, the other way round. */
static const char *check_back(const struct model_server *server, const struct movement *movement,
                              const struct movement *undone)
{
    size_t rows, undone_rows;

    (void)operation_rows(server, movement->partition, movement->operation_id, &rows);
    (void)operation_rows(server, movement->partition, undone->operation_id, &undone_rows);
    if (rows != undone_rows || movement->idx != undone->idx)
        return broken("movement %llu of partition %u takes back %zu rows of %zu",
                      (unsigned long long)movement->seq, movement->partition, rows, undone_rows);
    if (undone->has_reservation || !code_equal(&movement->sku, &undone->sku) ||
        !code_equal(&movement->warehouse, &undone->warehouse) ||
        movement->d_on_hand != -undone->d_on_hand ||
        movement->d_unavailable != -undone->d_unavailable || movement->d_reserved != 0 ||
        movement->d_committed != 0)
        return broken("movement %llu of partition %u is not %llu the other way round",
                      (unsigned long long)movement->seq, movement->partition,
                      (unsigned long long)undone->seq);
    return NULL;
}

const char *model_audit_undo(const struct model_server *server, const struct movement *movement)
{
    const struct movement *undone =
        model_movement_at(server, movement->partition, movement->undoes);
    const struct movement *before = model_movement_at(server, movement->partition, movement->prev);
    const char *why = check_once(server, movement);

    if (!why && movement->undoes >= movement->seq)
        why = broken("movement %llu of partition %u takes back what comes after it",
                     (unsigned long long)movement->seq, movement->partition);
    if (!why && undone) /* it may have been pruned meanwhile */
        why = check_back(server, movement, undone);
    if (!why && before && movement->after.shortfall > before->after.shortfall)
        why = broken("movement %llu of partition %u takes back what is promised",
                     (unsigned long long)movement->seq, movement->partition);
    return why;
}

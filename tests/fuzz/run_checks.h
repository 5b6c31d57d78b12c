/* SPDX-License-Identifier: MIT
 *
 * What fuzz_ledger holds against runs and undos after every batch that was committed: a run counts
 * what is recorded of its lines, what was applied stays so and what has a result is not open again;
 * an undo is what it names, the other way round, and breaks no promise.
 */
#ifndef TESTS_FUZZ_RUN_CHECKS_H
#define TESTS_FUZZ_RUN_CHECKS_H

#include "tests/unit/ledger_world.h"

#define RUN_LINES_KNOWN 256u

/* What is recorded of a line, so that the next batch can be compared. */
struct known_line {
    struct code run;
    uint32_t line, status;
    uint64_t sequence;
    bool open;
};

struct known_lines {
    struct known_line lines[RUN_LINES_KNOWN];
    size_t count;
};

struct run_counts {
    uint32_t applied, refused, unknown;
};

/* Once it is applied, or has a result, it stays so. */
static void check_line_stays(struct known_lines *known, const struct code *run,
                             const Hf__RunLine *line)
{
    struct known_line *old = NULL;

    for (size_t i = 0; i < known->count && !old; i++) {
        if (known->lines[i].line == line->line && code_equal(&known->lines[i].run, run))
            old = &known->lines[i];
    }
    if (old && old->status == STATUS_applied && !old->open)
        assert_true(line->status == STATUS_applied && line->sequence == old->sequence);
    if (old)
        assert_true(old->open || !line->open);
    if (!old && known->count < RUN_LINES_KNOWN)
        old = &known->lines[known->count++];
    if (old)
        *old = (struct known_line){*run, line->line, line->status, line->sequence, line->open};
}

static void count_block(const struct run *run, const struct run_block *block,
                        struct known_lines *known, struct run_counts *counts)
{
    Hf__RecordRun *kept = hf__record_run__unpack(NULL, block->detail_bytes, block->detail);
    uint32_t before = 0;

    assert_non_null(kept);
    for (size_t i = 0; i < kept->n_lines; i++) {
        const Hf__RunLine *line = kept->lines[i];
        assert_true(line->line > before && line->line <= run->lines);
        assert_int_equal((line->line - 1) / RUN_BLOCK_LINES, block->block);
        before = line->line;
        check_line_stays(known, &run->run, line);
        if (line->open)
            continue;
        switch (status_kind((enum status)line->status)) {
        case STATUS_KIND_APPLIED:
            counts->applied++;
            break;
        case STATUS_KIND_REFUSED:
            counts->refused++;
            break;
        case STATUS_KIND_SHED:
        case STATUS_KIND_UNKNOWN:
            counts->unknown++;
            break;
        }
    }
    hf__record_run__free_unpacked(kept, NULL);
}

static void check_runs(const struct world *w, struct known_lines *known)
{
    for (size_t i = 0; i < w->run_count; i++) {
        const struct run *run = &w->runs[i];
        struct run_counts counts = {0};
        for (size_t b = 0; b < w->block_count; b++) {
            if (code_equal(&w->blocks[b].run, &run->run))
                count_block(run, &w->blocks[b], known, &counts);
        }
        assert_true(run->applied == counts.applied && run->refused == counts.refused &&
                    run->unknown == counts.unknown);
        bool done = (uint64_t)run->applied + run->refused + run->blank >= run->lines;
        assert_int_equal(done, run->state == HF__RUN_STATE__RUN_DONE);
    }
}

static const struct movement *movement_of_seq(const struct world *w, const struct changes *changes,
                                              uint64_t seq)
{
    for (size_t i = 0; i < w->movement_count; i++) {
        if (w->movements[i].seq == seq)
            return &w->movements[i];
    }
    for (size_t i = 0; i < changes->movement_count; i++) {
        if (changes->movements[i].seq == seq)
            return &changes->movements[i];
    }
    return NULL;
}

static size_t rows_under(const struct movement *movements, size_t count, const uint8_t *id)
{
    size_t rows = 0;

    for (size_t i = 0; i < count; i++)
        rows += memcmp(movements[i].operation_id, id, UUID_BYTES) == 0;
    return rows;
}

/* Of a batch before it is applied. */
static void check_undone(const struct world *w, const struct changes *changes)
{
    for (size_t i = 0; i < changes->movement_count; i++) {
        const struct movement *m = &changes->movements[i];
        if (m->kind != HF__MOVEMENT_KIND__MOVEMENT_UNDONE)
            continue;
        const struct movement *undone = movement_of_seq(w, changes, m->undoes);
        const struct movement *before = movement_of_seq(w, changes, m->prev);
        assert_true(undone && undone->seq < m->seq && !undone->has_reservation);
        assert_true(code_equal(&m->sku, &undone->sku) &&
                    code_equal(&m->warehouse, &undone->warehouse));
        assert_int_equal(
            rows_under(changes->movements, changes->movement_count, m->operation_id),
            rows_under(w->movements, w->movement_count, undone->operation_id) +
                rows_under(changes->movements, changes->movement_count, undone->operation_id));
        assert_int_equal(m->d_on_hand, -undone->d_on_hand);
        assert_int_equal(m->d_unavailable, -undone->d_unavailable);
        assert_true(m->after.on_hand >= 0 && m->after.unavailable >= 0);
        assert_true(before && m->after.shortfall <= before->after.shortfall);
        /* Set again since, a setting stays. */
        if (undone->kind == HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET)
            assert_int_equal(before->after.safety_stock, undone->after.safety_stock);
        if (undone->kind == HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET)
            assert_int_equal(before->after.reorder_point, undone->after.reorder_point);
    }
}

#endif

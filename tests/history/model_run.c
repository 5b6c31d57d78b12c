/* SPDX-License-Identifier: MIT
 *
 * What begin_run and record_run do to the record of a run. A name belongs to what it was begun
 * with; what is recorded as applied stays so, any other result is replaced, by a result: what is
 * open is none, and stands only where nothing was.
 */
#include "tests/history/model.h"

#include <string.h>

static struct model_line_result *find_line(const struct model_run *run, uint32_t number)
{
    struct model_line_result *line;

    HASH_FIND(hh, run->lines, &number, sizeof number, line);
    return line;
}

int model_begin_run(struct deciding *d)
{
    const struct holdfast_operation *body = d->body;
    struct model_run *run = model_run(d->model, body->run);
    struct holdfast_run *after = &d->effect->run_after;

    d->effect->run = run;
    *after = run->now;
    if (run->now.version != 0) {
        if (!body->resume || memcmp(after->digest, body->digest, HOLDFAST_DIGEST_BYTES) != 0 ||
            after->lines != body->run_lines || after->blank != body->run_blank ||
            !same_text(after->undoes, body->run_undoes))
            return HOLDFAST_OPERATION_ID_REUSED;
    } else {
        *after = (struct holdfast_run){.run = body->run,
                                       .lines = body->run_lines,
                                       .blank = body->run_blank,
                                       .actor = body->actor,
                                       .created_at_us = d->now_us,
                                       .undoes = body->run_undoes};
        memcpy(after->digest, body->digest, HOLDFAST_DIGEST_BYTES);
    }
    after->state = (uint64_t)after->applied + after->refused + after->blank >= after->lines
                       ? HOLDFAST_RUN_DONE
                       : HOLDFAST_RUN_OPEN;
    effect_add_row(d->effect, NULL, HF__MOVEMENT_KIND__MOVEMENT_RUN_BEGUN);
    return HOLDFAST_APPLIED;
}

static uint32_t *counter_of(struct holdfast_run *run, int status)
{
    switch (holdfast_status_kind(status)) {
    case HOLDFAST_KIND_APPLIED:
        return &run->applied;
    case HOLDFAST_KIND_REFUSED:
        return &run->refused;
    case HOLDFAST_KIND_SHED:
    case HOLDFAST_KIND_UNKNOWN:
        break;
    }
    return &run->unknown;
}

static bool stays(const struct holdfast_run_line *before, const struct holdfast_run_line *after)
{
    return before->status == HOLDFAST_APPLIED || after->open;
}

static void count(struct holdfast_run *run, const struct holdfast_run_line *line, uint32_t by)
{
    if (!line->open)
        *counter_of(run, line->status) += by;
}

int model_record_run(struct deciding *d)
{
    const struct holdfast_operation *body = d->body;
    struct model_run *run = model_run(d->model, body->run);
    struct holdfast_run *after = &d->effect->run_after;

    d->effect->run = run;
    *after = run->now;
    if (after->version == 0)
        return HOLDFAST_INVALID;
    for (size_t i = 0; i < body->run_result_count; i++) {
        const struct holdfast_run_line *line = &body->run_results[i];
        const struct model_line_result *before = find_line(run, line->line);
        if (line->line > after->lines)
            return HOLDFAST_INVALID;
        if (before && stays(&before->result, line))
            continue;
        if (before)
            count(after, &before->result, UINT32_MAX); /* one less */
        count(after, line, 1);
    }
    after->state = (uint64_t)after->applied + after->refused + after->blank >= after->lines
                       ? HOLDFAST_RUN_DONE
                       : HOLDFAST_RUN_OPEN;
    effect_add_row(d->effect, NULL, HF__MOVEMENT_KIND__MOVEMENT_RUN_RECORDED);
    return HOLDFAST_APPLIED;
}

void model_apply_run(struct model *model, const struct history_movement *row,
                     const struct operation *operation)
{
    struct model_run *run = model_run(model, row->run->run);

    run->now = *row->run;
    for (size_t i = 0; operation && i < operation->body.run_result_count; i++) {
        const struct holdfast_run_line *result = &operation->body.run_results[i];
        struct model_line_result *line = find_line(run, result->line);
        if (!line) {
            line = arena_zalloc(&model->history->arena, sizeof *line);
            line->number = result->line;
            HASH_ADD(hh, run->lines, number, sizeof line->number, line);
        } else if (stays(&line->result, result)) {
            continue;
        }
        line->result = *result;
    }
}

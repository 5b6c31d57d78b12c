/* SPDX-License-Identifier: MIT
 *
 * What the system has recorded of a run's lines, a stretch at a time: lines are asked for in order,
 * up or down.
 */
#include <string.h>

#include "cli/run_engine.h"

static void forget_lines(struct run_known *known)
{
    for (size_t i = 0; i < KNOWN_LINES; i++)
        known->lines[i] =
            (struct holdfast_run_line){.line = known->base + (uint32_t)i + 1, .status = -1};
}

static bool ask(struct run_known *known, int *code)
{
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_RUN_LINES,
                                   .run = known->run,
                                   .before = known->base,
                                   .limit = KNOWN_LINES};
    bool more = true;

    while (more) {
        struct holdfast_answer *answer = session_ask_page(known->session, &query, code);
        if (!answer || *code != 0) {
            holdfast_answer_free(&answer);
            return false;
        }
        for (size_t i = 0; i < answer->run_line_count; i++) {
            const struct holdfast_run_line *line = &answer->run_lines[i];
            query.before = line->line;
            if (line->line <= known->base || line->line > known->base + KNOWN_LINES)
                continue;
            known->lines[line->line - known->base - 1] = *line;
            known->lines[line->line - known->base - 1].text = NULL;
        }
        more =
            answer->more && answer->run_line_count > 0 && query.before < known->base + KNOWN_LINES;
        holdfast_answer_free(&answer);
    }
    return true;
}

const struct holdfast_run_line *run_known_line(struct run_known *known, uint32_t line, int *code)
{
    uint32_t base = (line - 1) / KNOWN_LINES * KNOWN_LINES;

    if (!known->loaded || known->base != base) {
        known->base = base;
        known->loaded = false;
        forget_lines(known);
        if (!known->none && !ask(known, code))
            return NULL;
        known->loaded = true;
    }
    return &known->lines[line - base - 1];
}

/* SPDX-License-Identifier: MIT
 *
 * The records of runs: taken in, compared, and held against the ledger. A line of a run is an
 * operation under an id that everybody can derive; whatever was recorded of it, it takes effect
 * under one id at most, and where its record says so.
 */
#include "tests/history/history_impl.h"

#include <stdlib.h>
#include <string.h>

/* A line whose id was settled as void goes on under the next one. */
#define GENERATION_SHIFT 32
#define GENERATIONS_MAX 64u
/* Lines of a run that are looked at, whether they were recorded or not. */
#define LINES_MOST 1024u

/* ------------------------------------------------------------- taken in */

struct holdfast_run *copy_run(struct history *history, const struct holdfast_run *from)
{
    struct holdfast_run *run = arena_copy(&history->arena, from, sizeof *from);

    run->run = intern(history, run->run);
    run->actor = intern(history, run->actor);
    run->undoes = intern(history, run->undoes);
    return run;
}

struct holdfast_run_line copy_run_line(struct history *history,
                                       const struct holdfast_run_line *from)
{
    struct holdfast_run_line line = *from;

    line.text = intern(history, line.text);
    line.sku = intern(history, line.sku);
    line.warehouse = intern(history, line.warehouse);
    return line;
}

static const char *intern_bytes(struct history *history, const ProtobufCBinaryData *bytes)
{
    char text[256];

    snprintf(text, sizeof text, "%.*s", (int)bytes->len,
             bytes->data ? (const char *)bytes->data : "");
    return intern(history, text);
}

bool history_unpack_run(struct history *history, const void *detail, size_t bytes,
                        struct holdfast_run *run)
{
    Hf__Run *from = hf__run__unpack(NULL, bytes, detail);

    if (!from || from->digest.len != HOLDFAST_DIGEST_BYTES) {
        hf__run__free_unpacked(from, NULL);
        return false;
    }
    *run = (struct holdfast_run){.run = intern_bytes(history, &from->run),
                                 .lines = from->lines,
                                 .blank = from->blank,
                                 .actor = intern_bytes(history, &from->actor),
                                 .created_at_us = from->created_at_us,
                                 .undoes = intern_bytes(history, &from->undoes),
                                 .state = (enum holdfast_run_state)from->state,
                                 .applied = from->applied,
                                 .refused = from->refused,
                                 .unknown = from->unknown,
                                 .changed_at_us = from->changed_at_us,
                                 .version = from->version};
    memcpy(run->digest, from->digest.data, HOLDFAST_DIGEST_BYTES);
    hf__run__free_unpacked(from, NULL);
    return true;
}

bool history_unpack_lines(struct history *history, uint32_t partition, const char *run,
                          const void *detail, size_t bytes)
{
    Hf__RecordRun *from = hf__record_run__unpack(NULL, bytes, detail);

    for (size_t i = 0; from && i < from->n_lines; i++) {
        const Hf__RunLine *packed = from->lines[i];
        const struct holdfast_run_line line = {
            .line = packed->line,
            .status = (int)packed->status,
            .partition = packed->partition,
            .sequence = packed->sequence,
            .text = intern_bytes(history, &packed->text),
            .sku = intern_bytes(history, &packed->sku),
            .warehouse = intern_bytes(history, &packed->warehouse),
            .open = packed->open,
            .counted = packed->counted,
            .booked = packed->booked,
        };
        history_run_line(history, partition, run, &line);
    }
    bool good = from != NULL;
    hf__record_run__free_unpacked(from, NULL);
    return good;
}

void history_run(struct history *history, uint32_t partition, const struct holdfast_run *run)
{
    history->runs = history_grow(history->runs, history->run_count, &history->run_capacity,
                                 sizeof *history->runs);
    history->runs[history->run_count++] = (struct end_run){partition, *copy_run(history, run)};
}

void history_run_line(struct history *history, uint32_t partition, const char *run,
                      const struct holdfast_run_line *line)
{
    history->run_lines = history_grow(history->run_lines, history->run_line_count,
                                      &history->run_line_capacity, sizeof *history->run_lines);
    struct end_run_line *to = &history->run_lines[history->run_line_count++];
    *to = (struct end_run_line){partition, intern(history, run), copy_run_line(history, line)};
}

const char *run_fault(const struct holdfast_run *a, const struct holdfast_run *b)
{
    if (strcmp(a->run, b->run) != 0)
        return "another run";
    if (memcmp(a->digest, b->digest, HOLDFAST_DIGEST_BYTES) != 0 || a->lines != b->lines ||
        a->blank != b->blank || strcmp(a->undoes, b->undoes) != 0)
        return "a run of something else";
    if (strcmp(a->actor, b->actor) != 0 || a->created_at_us != b->created_at_us)
        return "another beginning of the run";
    if (a->state != b->state || a->applied != b->applied || a->refused != b->refused ||
        a->unknown != b->unknown)
        return "another state or other counts of the run";
    if (a->version != b->version || a->changed_at_us != b->changed_at_us)
        return "another version of the run";
    return NULL;
}

/* ------------------------------------------------------------- lines against the ledger */

static const struct ident *ident_of(const struct history *history, const char *name, uint64_t index)
{
    char text[UUID_TEXT_BYTES];
    uint8_t id[UUID_BYTES];

    holdfast_derive_operation_id(name, strlen(name), index, text);
    return uuid_parse(text, id) ? ident_find(history, id) : NULL;
}

/* Under which of the ids of a name's line it was applied; NULL: under none. */
static const struct group *applied_line(struct history *history, const char *name, uint32_t line)
{
    const struct group *applied = NULL;

    for (uint64_t generation = 0; generation <= GENERATIONS_MAX; generation++) {
        const struct ident *ident =
            ident_of(history, name, line + (generation << GENERATION_SHIFT));
        const struct group *group = ident ? applied_group(ident) : NULL;
        if (!ident)
            break;
        if (group && applied)
            finding(history, "run", "line %u of %s took effect twice: %u:%llu and %u:%llu", line,
                    name, applied->partition, (unsigned long long)sequence_of(history, applied),
                    group->partition, (unsigned long long)sequence_of(history, group));
        applied = group ? group : applied;
    }
    return applied;
}

/* The operation that ends with this movement; NULL: none does. */
static const struct group *group_at(const struct history *history, uint32_t partition,
                                    uint64_t sequence)
{
    const struct log *log = partition < history->log_count ? &history->logs[partition] : NULL;

    for (size_t low = 0, high = log ? log->group_count : 0; low < high;) {
        size_t middle = low + (high - low) / 2;
        uint64_t last = sequence_of(history, &log->groups[middle]);
        if (last == sequence)
            return &log->groups[middle];
        if (last < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* A line of a count list says what is to be counted, and nothing else is done under its ids. */
static void judge_listed(struct history *history, const struct holdfast_operation *record,
                         const struct holdfast_run_line *line, const struct group *applied)
{
    history->figures.list_lines++;
    if (!applied || !applied->operation)
        return;
    const struct holdfast_operation *body = &applied->operation->body;
    if (body->kind != HOLDFAST_COUNT || !same_text(body->sku, line->sku) ||
        !same_text(body->warehouse, line->warehouse))
        finding(history, "run", "line %u of list %s is %s@%s, and %u:%llu under its id is not: %s",
                line->line, record->run, line->sku, line->warehouse, applied->partition,
                (unsigned long long)sequence_of(history, applied),
                operation_body(applied->operation));
}

static void judge_line(struct history *history, const struct holdfast_operation *record,
                       const struct holdfast_run_line *line)
{
    const struct group *applied = applied_line(history, record->run, line->line);

    history->figures.run_lines++;
    if (line->sku[0] != '\0')
        judge_listed(history, record, line, applied);
    if (line->status != HOLDFAST_APPLIED)
        return;
    const struct group *told = group_at(history, line->partition, line->sequence);
    if (told && told->operation && told->operation->body.kind == HOLDFAST_UNDO) {
        /* Whoever undoes something does it under an id of what is undone. */
        char name[UUID_TEXT_BYTES + 8];
        snprintf(name, sizeof name, "undo-%s", show_id(told->operation->undone));
        applied = applied_line(history, name, 1);
    }
    if (!told || told != applied)
        finding(history, "run",
                "line %u of %s is recorded as applied at %u:%llu, which is no movement of it",
                line->line, record->run, line->partition, (unsigned long long)line->sequence);
}

/* Those that nobody has recorded, too: once for each run, when it is new. */
static void judge_lines(struct history *history, const struct holdfast_operation *begun,
                        uint64_t prev)
{
    for (uint32_t line = 1; prev == 0 && line <= begun->run_lines && line <= LINES_MOST; line++)
        (void)applied_line(history, begun->run, line);
}

void runs_judge(struct history *history)
{
    for (uint32_t p = 0; p < history->log_count; p++) {
        const struct log *log = &history->logs[p];
        for (size_t i = 0; i < log->group_count; i++) {
            const struct operation *operation = log->groups[i].operation;
            history->figures.undos += operation && operation->body.kind == HOLDFAST_UNDO;
            if (operation && operation->body.kind == HOLDFAST_BEGIN_RUN)
                judge_lines(history, &operation->body, log->rows[log->groups[i].first].prev);
            if (!operation || operation->body.kind != HOLDFAST_RECORD_RUN)
                continue;
            for (size_t k = 0; k < operation->body.run_result_count; k++)
                judge_line(history, &operation->body, &operation->body.run_results[k]);
        }
    }
}

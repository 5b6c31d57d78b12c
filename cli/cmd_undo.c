/* SPDX-License-Identifier: MIT
 *
 * holdfast undo: takes back what a run did, or one movement, the last first. An undo is a run of
 * its own, so it is resumable and done once from wherever it is asked for: the same command again
 * goes on with it. Nothing is needed but what the system keeps.
 */
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/memory.h"
#include "cli/parse.h"
#include "cli/run_engine.h"
#include "cli/run_input.h"
#include "protocol/text.h"

#define UNDO_TIMEOUT_MS 20000
#define GENERATION_SHIFT 32
#define CHAIN_MAX 64u /* undos of undos that are looked through */
#define BLOCK_LINES KNOWN_LINES
#define SEQUENCES_MAX 256u /* of one query */

/* An applied line, and what is undone of it. */
struct undo_line {
    uint32_t line, partition;
    uint64_t sequence;
    char operation_id[37]; /* "": nothing is known of the movement any more */
    char sku[65], warehouse[65];
    bool has_previous, reorder_point;
    uint32_t previous;
};

struct undo {
    const struct invocation *invocation;
    struct session *session;
    char name[65];                 /* of the undo's run */
    char undoes[65];               /* the run; "" for one movement */
    uint32_t lines;                /* of the undone run */
    struct run_known done, undone; /* of the undo's run; of the undone one */
    /* The lines of a stretch that are to be undone, the last one first. */
    struct undo_line *block;
    size_t block_count, block_at;
    /* Its lines were applied upwards, unless it is an undo of one that was. What came last is
     * undone first. */
    bool upwards;
    uint32_t from, below;      /* lines above the one and up to the other are still to be read */
    struct undo_line movement; /* of one movement */
    bool is_movement, movement_given;
    struct holdfast_operation operation;
    char id[37];
};

/* ------------------------------------------------------------- what is undone */

/* The name of an undo: what is undone, shortened by its digest when that is too long. */
static void name_undo(struct undo *undo, const char *undone)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    if (strlen(undone) + strlen("undo-") <= CODE_BYTES_MAX) {
        snprintf(undo->name, sizeof undo->name, "undo-%s", undone);
        return;
    }
    SHA256((const unsigned char *)undone, strlen(undone), digest);
    snprintf(undo->name, sizeof undo->name, "undo-");
    for (size_t i = 0; i < 16; i++)
        snprintf(undo->name + 5 + 2 * i, 3, "%02x", digest[i]);
}

/* "p12:9912031", as history and run show have it. */
static bool is_movement(const char *text, uint32_t *partition, uint64_t *sequence)
{
    char number[24];
    const char *colon = strchr(text, ':');
    uint64_t value;

    if (text[0] != 'p' || !colon || (size_t)(colon - text) > sizeof number - 1 || colon == text + 1)
        return false;
    snprintf(number, sizeof number, "%.*s", (int)(colon - text - 1), text + 1);
    if (!parse_number(number, &value) || value > UINT16_MAX || !parse_number(colon + 1, sequence) ||
        *sequence == 0)
        return false;
    *partition = (uint32_t)value;
    return true;
}

/* What the setting was before: the level's movement before says it. */
static bool find_previous(struct undo *undo, struct undo_line *line,
                          const struct holdfast_movement *movement, int *code)
{
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_HISTORY,
                                   .sku = line->sku,
                                   .warehouse = line->warehouse,
                                   .before = line->sequence,
                                   .limit = 1};
    struct holdfast_answer *answer = session_ask(undo->session, &query, code);

    if (!answer || *code != 0) {
        holdfast_answer_free(&answer);
        return false;
    }
    if (answer->movement_count == 0 && movement->before != 0) {
        /* It has been pruned. What the setting was is not known, and the owner says so. */
        holdfast_answer_free(&answer);
        return true;
    }
    struct holdfast_level before = {0};
    if (answer->movement_count > 0)
        before = answer->movements[0].after;
    line->has_previous = true;
    line->reorder_point = before.reorder_point != movement->after.reorder_point;
    line->previous = line->reorder_point ? before.reorder_point : before.safety_stock;
    if (strcmp(holdfast_movement_name(movement->kind), "reorder_point_set") == 0)
        line->previous = before.reorder_point;
    holdfast_answer_free(&answer);
    return true;
}

static bool fill_line(struct undo *undo, struct undo_line *line,
                      const struct holdfast_movement *movement, int *code)
{
    const char *kind = holdfast_movement_name(movement->kind);
    bool setting = strcmp(kind, "safety_stock_set") == 0 ||
                   strcmp(kind, "reorder_point_set") == 0 ||
                   (strcmp(kind, "undone") == 0 && movement->on_hand_change == 0 &&
                    movement->unavailable_change == 0);

    snprintf(line->operation_id, sizeof line->operation_id, "%s", movement->operation_id);
    snprintf(line->sku, sizeof line->sku, "%s", movement->sku);
    snprintf(line->warehouse, sizeof line->warehouse, "%s", movement->warehouse);
    return !setting || find_previous(undo, line, movement, code);
}

/* So many, or as many as one message carries: *count of them were asked about. */
static bool ask_movements(struct undo *undo, uint32_t partition, const uint64_t *sequences,
                          size_t *count, int *code)
{
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_MOVEMENT,
                                   .partition = partition,
                                   .sequences = sequences,
                                   .sequence_count = *count};
    struct holdfast_answer *answer = session_ask_page(undo->session, &query, code);
    bool good = answer && *code == 0;

    *count = query.sequence_count;
    for (size_t m = 0; good && m < answer->movement_count; m++) {
        for (size_t l = 0; good && l < undo->block_count; l++) {
            if (undo->block[l].partition == partition &&
                undo->block[l].sequence == answer->movements[m].sequence)
                good = fill_line(undo, &undo->block[l], &answer->movements[m], code);
        }
    }
    holdfast_answer_free(&answer);
    return good;
}

/* Asks one partition for the movements of the block's lines that lie there. */
static bool find_movements(struct undo *undo, uint32_t partition, int *code)
{
    uint64_t sequences[BLOCK_LINES];
    size_t count = 0, asked = 0;
    bool good = true;

    for (size_t i = 0; i < undo->block_count; i++) {
        if (undo->block[i].partition == partition)
            sequences[count++] = undo->block[i].sequence;
    }
    while (good && asked < count) {
        size_t now = count - asked < SEQUENCES_MAX ? count - asked : SEQUENCES_MAX;
        good = ask_movements(undo, partition, &sequences[asked], &now, code);
        asked += now;
    }
    return good;
}

static int by_partition(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static bool fill_block(struct undo *undo, int *code)
{
    uint32_t partitions[BLOCK_LINES];
    bool good = true;

    for (size_t i = 0; i < undo->block_count; i++)
        partitions[i] = undo->block[i].partition;
    qsort(partitions, undo->block_count, sizeof *partitions, by_partition);
    for (size_t i = 0; good && i < undo->block_count; i++) {
        if (i == 0 || partitions[i] != partitions[i - 1])
            good = find_movements(undo, partitions[i], code);
    }
    return good;
}

/* The next stretch of lines. False with *code. */
static bool read_block(struct undo *undo, struct engine *engine, int *code)
{
    uint32_t base = (undo->below - 1) / BLOCK_LINES * BLOCK_LINES, last = undo->below;

    if (undo->upwards) {
        base = undo->from;
        last = undo->below - base < BLOCK_LINES ? undo->below : base + BLOCK_LINES;
    }
    undo->block_count = undo->block_at = 0;
    for (uint32_t i = 0; i < last - base; i++) {
        uint32_t line = undo->upwards ? base + 1 + i : last - i;
        const struct holdfast_run_line *undone = run_known_line(&undo->undone, line, code);
        if (!undone)
            return false;
        if (undone->status != HOLDFAST_APPLIED)
            continue;
        struct undo_line found = {
            .line = line, .partition = undone->partition, .sequence = undone->sequence};
        const struct holdfast_run_line *done = run_known_line(&undo->done, line, code);
        if (!done)
            return false;
        if (done->status == HOLDFAST_APPLIED)
            engine->skipped++;
        else
            undo->block[undo->block_count++] = found;
    }
    if (undo->upwards)
        undo->from = last;
    else
        undo->below = base;
    return undo->block_count == 0 || fill_block(undo, code);
}

/* ------------------------------------------------------------- the engine's source */

static struct job *job_of(const struct undo_line *line)
{
    struct job *job = memory_grow(NULL, 1, sizeof *job);
    struct undo_line *copy = memory_grow(NULL, 1, sizeof *copy);

    *copy = *line;
    *job = (struct job){.line = line->line, .partition = line->partition, .data = copy};
    if (copy->sku[0] != '\0')
        job->key = copy->sku;
    return job;
}

static enum engine_more next_line(void *data, struct engine *engine, struct job **job)
{
    struct undo *undo = data;

    if (undo->is_movement) {
        if (undo->movement_given)
            return ENGINE_END;
        undo->movement_given = true;
        const struct holdfast_run_line *done = run_known_line(&undo->done, 1, &engine->code);
        if (!done)
            return ENGINE_FAULT;
        if (done->status == HOLDFAST_APPLIED) {
            engine->skipped++;
            return ENGINE_END;
        }
        *job = job_of(&undo->movement);
        return ENGINE_JOB;
    }
    while (undo->block_at == undo->block_count) {
        if (undo->below == undo->from)
            return ENGINE_END;
        if (!read_block(undo, engine, &engine->code))
            return ENGINE_FAULT;
    }
    *job = job_of(&undo->block[undo->block_at++]);
    return ENGINE_JOB;
}

/* An operation is undone once, whoever asks: the id is that of what is undone. */
static const struct holdfast_operation *build(void *data, const struct job *job)
{
    struct undo *undo = data;
    const struct undo_line *line = job->data;
    char name[48];

    snprintf(name, sizeof name, "undo-%s", line->operation_id);
    holdfast_derive_operation_id(name, strlen(name),
                                 1 + ((uint64_t)job->generation << GENERATION_SHIFT), undo->id);
    undo->operation = (struct holdfast_operation){.kind = HOLDFAST_UNDO,
                                                  .operation_id = undo->id,
                                                  .note = undo->session->note,
                                                  .undone = line->operation_id,
                                                  .partition = (int32_t)line->partition,
                                                  .undoes = line->sequence,
                                                  .has_previous = line->has_previous,
                                                  .previous = line->previous,
                                                  .previous_reorder_point = line->reorder_point};
    return &undo->operation;
}

static const char *subject(const struct job *job)
{
    const struct undo_line *line = job->data;

    return line->sku;
}

static void tell(void *data, struct engine *engine, const struct job *job, int status,
                 const struct holdfast_result *result, const char *text)
{
    const struct undo *undo = data;
    const struct undo_line *line = job->data;

    if (undo->invocation->json) {
        struct json_object *object = json_object_new_object();
        struct json_object *levels = json_object_new_array();
        json_number(object, "line", line->line);
        json_text(object, "result", holdfast_status_name(status));
        json_text(object, "undoes", line->operation_id);
        if (status != HOLDFAST_APPLIED)
            json_text(object, "message", text);
        for (size_t i = 0; result && i < result->level_count; i++)
            json_object_array_add(levels, level_json(&result->levels[i]));
        json_object_object_add(object, "levels", levels);
        json_line(object);
    }
    if (status == HOLDFAST_APPLIED)
        return;
    engine_clear_bar();
    fprintf(stderr, "%s: line %u%s%s%s%s: not undone: %s: %s\n",
            undo->is_movement ? undo->invocation->arguments[0] : undo->undoes, line->line,
            *line->warehouse ? ": " : "", line->warehouse, *line->sku ? " " : "", line->sku,
            holdfast_status_name(status), text);
    engine_draw_soon(engine);
}

static void free_job(void *data, struct job *job)
{
    (void)data;
    free(job->data);
    free(job);
}

/* ------------------------------------------------------------- the command */

/* The undo's digest: of what is undone, not of how much of it has been applied so far. */
static void digest_undo(const struct undo *undo, uint8_t digest[HOLDFAST_DIGEST_BYTES])
{
    SHA256((const unsigned char *)undo->name, strlen(undo->name), digest);
}

static struct holdfast_answer *find_runs(struct undo *undo, const char *const *names, size_t count,
                                         int *code)
{
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_RUN, .skus = names, .sku_count = count};

    return session_ask(undo->session, &query, code);
}

static const struct holdfast_run *named(const struct holdfast_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->run_count; i++) {
        if (strcmp(answer->runs[i].run, name) == 0)
            return &answer->runs[i];
    }
    return NULL;
}

/* An undo goes the other way than what it undoes. */
static bool applied_downwards(struct undo *undo, const char *undoes, int *code)
{
    char name[65];
    bool downwards = false;

    snprintf(name, sizeof name, "%s", undoes);
    for (unsigned depth = 0; *code == 0 && name[0] != '\0' && depth < CHAIN_MAX; depth++) {
        const char *names[] = {name};
        struct holdfast_answer *answer = find_runs(undo, names, 1, code);
        downwards = !downwards;
        if (answer && answer->run_count > 0)
            snprintf(name, sizeof name, "%s", answer->runs[0].undoes);
        else
            name[0] = '\0';
        holdfast_answer_free(&answer);
    }
    return downwards;
}

/* The record of a run that was cut off lags behind the ledger. */
static void tell_unfinished(const struct holdfast_run *run)
{
    uint64_t known = (uint64_t)run->applied + run->refused + run->blank;

    if (run->state != HOLDFAST_RUN_DONE && known < run->lines)
        complain(
            "undo",
            "run %s is not finished: of %llu lines no result is recorded, and what of them was "
            "applied is not undone; apply it with --resume, then undo it again",
            run->run, (unsigned long long)(run->lines - known));
}

/* Which lines of the run there are to undo; those without a movement are blank in the undo. */
static int prepare_run(struct undo *undo, struct engine_begin *begin)
{
    const char *names[] = {undo->undoes, undo->name};
    int code = 0;
    struct holdfast_answer *answer = find_runs(undo, names, 2, &code);

    if (code == 0) {
        const struct holdfast_run *run = named(answer, undo->undoes);
        const struct holdfast_run *before = named(answer, undo->name);
        if (run)
            tell_unfinished(run);
        if (!run) {
            complain("undo", "there is no run %s", undo->undoes);
            code = 1;
        } else if (run->applied == 0) {
            complain("undo", "nothing of run %s was applied", undo->undoes);
            code = 1;
        } else {
            undo->lines = undo->below = begin->lines = run->lines;
            begin->blank = before ? before->blank : run->lines - run->applied;
            begin->undoes = undo->undoes;
            undo->upwards = applied_downwards(undo, run->undoes, &code);
        }
    }
    holdfast_answer_free(&answer);
    return code;
}

static int prepare_movement(struct undo *undo, struct engine_begin *begin)
{
    struct undo_line *line = &undo->movement;
    int code = 0;

    begin->lines = line->line = 1;
    undo->block = line;
    undo->block_count = 1;
    bool good = find_movements(undo, line->partition, &code);
    undo->block = NULL;
    undo->block_count = 0;
    if (good && line->operation_id[0] == '\0') {
        complain("undo", "there is no movement %s (any more)", undo->invocation->arguments[0]);
        code = 1;
    }
    return code;
}

static int run(struct undo *undo, struct engine *engine)
{
    uint8_t digest[HOLDFAST_DIGEST_BYTES];
    struct engine_begin begin = {.run = undo->name, .digest = digest, .resume = true};
    int code = undo->is_movement ? prepare_movement(undo, &begin) : prepare_run(undo, &begin);

    if (code != 0)
        return code;
    digest_undo(undo, digest);
    code = engine_begin(engine, &begin);
    if (code != 0)
        return code;
    undo->done = (struct run_known){.session = undo->session, .run = undo->name};
    undo->undone = (struct run_known){.session = undo->session, .run = undo->undoes};
    undo->block = memory_grow(NULL, BLOCK_LINES, sizeof *undo->block);
    engine_run(engine);
    free(undo->block);
    fflush(stderr);
    engine_summary(engine, undo->invocation->json);
    if (engine->stopped != 0 || engine->interrupted || engine->failed > 0)
        fprintf(stderr, "go on with: holdfast undo %s\n", undo->invocation->arguments[0]);
    return engine_code(engine);
}

int cmd_undo(const struct invocation *invocation)
{
    struct undo *undo = calloc(1, sizeof *undo);
    struct session session = {0};
    const struct engine_source source = {next_line, build, tell, free_job, subject, undo, true};
    struct engine engine = {.session = &session, .source = &source, .words = "undo"};
    const char *typed = invocation->arguments[0], *fault = code_fault(typed, strlen(typed));
    int code = 0;

    if (!undo) {
        complain("undo", "out of memory");
        return EX_OSERR;
    }
    undo->invocation = invocation;
    undo->session = &session;
    undo->is_movement = is_movement(typed, &undo->movement.partition, &undo->movement.sequence);
    if (fault)
        code = usage_error(invocation, "\"%s\" %s", typed, fault);
    if (code == 0) {
        name_undo(undo, typed);
        if (!undo->is_movement)
            snprintf(undo->undoes, sizeof undo->undoes, "%s", typed);
        code = session_open(&session, invocation, HOLDFAST_CLASS_BULK, UNDO_TIMEOUT_MS);
    }
    if (code == 0)
        code = run(undo, &engine);
    session_close(&session);
    free(undo);
    return code;
}

/* SPDX-License-Identifier: MIT
 *
 * Runs and undos of the chaos run. Every three seconds there is another run, which every process
 * can work out for itself: so many apply it at once, under the ids that its lines have. A process
 * that is killed leaves its part to the others, or to nobody: the record may lag behind the ledger,
 * and never tells more than happened.
 * So there are count lists (decision 0029), which all make, and count by halves, each with its own
 * figures.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/ids.h"
#include "tests/faults/chaos/chaos.h"

#define RUN_EVERY_US 3000000
#define DONE_MAX 128u
#define GENERATION_SHIFT 32
#define GENERATIONS_MAX 64u
#define AGAIN_US 300000

enum line_state { LINE_ASKED, LINE_KNOWN, LINE_RECORDED };

struct run_job {
    char name[32];
    uint8_t digest[HOLDFAST_DIGEST_BYTES];
    uint64_t random;
    unsigned count, tasks; /* tasks: that are open */
    struct holdfast_operation operations[RUN_LINES];
    struct holdfast_line places[RUN_LINES];
    enum line_state states[RUN_LINES];
    struct holdfast_run_line results[RUN_LINES];
    bool first_time, is_list;
    int64_t created_at_us;
};

/* Two blocks of a record. */
static const uint32_t numbers[RUN_LINES] = {1, 2, 3, 256, 257};

static struct done {
    char id[37];
    enum holdfast_operation_kind kind;
    uint32_t partition;
    uint64_t sequence;
    int64_t id_time_us;
} done[DONE_MAX];
static unsigned done_count;

/* ------------------------------------------------------------- undo */

void runs_remember(const struct task *task, const struct holdfast_result *result)
{
    struct done *to = &done[done_count % DONE_MAX];
    uint8_t id[UUID_BYTES];
    const char *text = task->operation.operation_id;

    if (task->operation.kind == HOLDFAST_SETTLE || task->operation.kind == HOLDFAST_BEGIN_RUN ||
        task->operation.kind == HOLDFAST_RECORD_RUN || !uuid_parse(text, id))
        return;
    *to = (struct done){.kind = task->operation.kind,
                        .partition = result->partition,
                        .sequence = result->sequence,
                        .id_time_us = task->operation.id_time_us ? task->operation.id_time_us
                                                                 : uuid_time_us(id)};
    snprintf(to->id, sizeof to->id, "%s", text);
    done_count++;
}

struct task *runs_make_undo(void)
{
    unsigned known = done_count < DONE_MAX ? done_count : DONE_MAX;
    const struct done *undone = NULL;
    char name[48];

    for (unsigned tries = 0; tries < 4 && known > 0; tries++) {
        undone = &done[(done_count - 1 - below(known)) % DONE_MAX];
        if ((undone->kind >= HOLDFAST_RECEIVE && undone->kind < HOLDFAST_PUT_ITEM) ||
            undone->kind == HOLDFAST_UNDO)
            break; /* others are refused */
    }
    if (!undone)
        return NULL;
    struct task *task = task_new(HOLDFAST_UNDO);
    struct holdfast_operation *operation = &task->operation;
    memcpy(task->undone, undone->id, sizeof task->undone);
    snprintf(name, sizeof name, "undo-%s", undone->id);
    holdfast_derive_operation_id(name, strlen(name), 1, task->id);
    operation->id_time_us = undone->id_time_us;
    operation->partition = (int32_t)undone->partition;
    operation->undoes = undone->sequence;
    if (undone->kind == HOLDFAST_SET_SAFETY_STOCK || undone->kind == HOLDFAST_SET_REORDER_POINT) {
        operation->has_previous = true;
        operation->previous = 1;
    }
    task->was_sent = true; /* somebody else may have */
    return task;
}

/* ------------------------------------------------------------- the file */

/* splitmix64, from the run's own seed */
static uint32_t draw(struct run_job *job, uint32_t limit)
{
    uint64_t z = (job->random += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % limit);
}

static void draw_line(struct run_job *job, unsigned at)
{
    static const enum holdfast_operation_kind kinds[] = {HOLDFAST_RECEIVE, HOLDFAST_ADJUST,
                                                         HOLDFAST_ADJUST,  HOLDFAST_COUNT,
                                                         HOLDFAST_RESTORE, HOLDFAST_QUARANTINE};
    struct holdfast_operation *operation = &job->operations[at];
    const char *sku = skus[draw(job, 4) == 0 ? 0 : 1 + draw(job, SKUS)];
    const char *warehouse = warehouses[draw(job, WAREHOUSES)];

    operation->kind = kinds[draw(job, sizeof kinds / sizeof kinds[0])];
    job->places[at] = (struct holdfast_line){sku, warehouse, 1 + draw(job, 4)};
    if (operation->kind == HOLDFAST_ADJUST || operation->kind == HOLDFAST_COUNT) {
        operation->sku = sku;
        operation->warehouse = warehouse;
        operation->delta = (int64_t)draw(job, 4) - 4;
        operation->quantity = draw(job, 30);
        operation->reason = reasons[0];
    } else {
        operation->lines = &job->places[at];
        operation->line_count = 1;
    }
}

/* What is to be counted; how much there is, each sees for itself. */
static void draw_listed(struct run_job *job, unsigned at)
{
    struct holdfast_operation *operation = &job->operations[at];

    operation->kind = HOLDFAST_COUNT;
    operation->sku = skus[draw(job, 4) == 0 ? 0 : 1 + draw(job, SKUS)];
    operation->warehouse = warehouses[draw(job, WAREHOUSES)];
}

static struct run_job *job_new(bool is_list)
{
    struct run_job *job = calloc(1, sizeof *job);
    /* This one, or one of before: as whoever resumes it. */
    uint64_t number = (uint64_t)now_us() / RUN_EVERY_US - (chance(30) ? below(4) : 0);

    if (!job)
        abort();
    job->random = chaos_seed() ^ number << 20 ^ is_list;
    job->is_list = is_list;
    snprintf(job->name, sizeof job->name, "%s-%" PRIu64, is_list ? "list" : "run", number);
    for (unsigned i = 0; i < sizeof job->digest; i++)
        job->digest[i] = (uint8_t)draw(job, 256);
    job->count = 1 + draw(job, RUN_LINES);
    for (unsigned i = 0; i < job->count; i++) {
        if (is_list)
            draw_listed(job, i);
        else
            draw_line(job, i);
    }
    return job;
}

/* ------------------------------------------------------------- tasks of a job */

static struct task *job_task(struct run_job *job, enum holdfast_operation_kind kind)
{
    struct task *task = task_new(kind);

    task->job = job;
    job->tasks++;
    return task;
}

static void task_over(struct task *task)
{
    struct run_job *job = task->job;

    task_free(task);
    if (--job->tasks == 0)
        free(job);
}

struct task *runs_make_begin(void)
{
    struct run_job *job = job_new(chance(40));
    struct task *task = job_task(job, HOLDFAST_BEGIN_RUN);
    struct holdfast_operation *operation = &task->operation;

    if (chance(5))
        job->digest[0] ^= 1; /* a changed file */
    operation->run = job->name;
    operation->digest = job->digest;
    operation->run_lines = numbers[job->count - 1];
    operation->run_blank = operation->run_lines - job->count;
    operation->resume = job->is_list || chance(90);
    return task;
}

static void ask_line(struct run_job *job, unsigned at, uint32_t generation)
{
    struct task *task = job_task(job, job->operations[at].kind);
    const char *actor = task->operation.actor;

    task->operation = job->operations[at];
    task->operation.actor = actor;
    task->operation.id_time_us = job->created_at_us;
    if (job->is_list) {
        task->operation.quantity = below(20);
        task->operation.has_version = chance(80);
        task->operation.on_hand_version =
            known_version(task->operation.sku, task->operation.warehouse);
    }
    memcpy(task->lines, &job->places[at], sizeof job->places[at]);
    holdfast_derive_operation_id(job->name, strlen(job->name),
                                 numbers[at] + ((uint64_t)generation << GENERATION_SHIFT),
                                 task->id);
    task->line = at;
    task->generation = generation;
    task->was_sent = !job->first_time || generation > 0;
    job->states[at] = LINE_ASKED;
    try_later(task, 0);
}

static void record(struct run_job *job, uint32_t block)
{
    struct task *task = NULL;

    for (unsigned i = 0; i < job->count; i++) {
        if (job->states[i] != LINE_KNOWN || (numbers[i] - 1) / 256 != block)
            continue;
        if (!task)
            task = job_task(job, HOLDFAST_RECORD_RUN);
        task->results[task->operation.run_result_count++] = job->results[i];
        job->states[i] = LINE_RECORDED;
    }
    if (!task)
        return;
    task->operation.run = job->name;
    task->operation.run_results = task->results;
    try_later(task, 0);
}

static void line_known(struct run_job *job, unsigned at, int status,
                       const struct holdfast_result *result)
{
    bool all = true;

    job->results[at] = (struct holdfast_run_line){.line = numbers[at], .status = status};
    if (status == HOLDFAST_APPLIED) {
        job->results[at].partition = result->partition;
        job->results[at].sequence = result->sequence;
    } else {
        job->results[at].text = "why";
    }
    if (job->is_list) {
        job->results[at].sku = job->operations[at].sku;
        job->results[at].warehouse = job->operations[at].warehouse;
    }
    job->states[at] = LINE_KNOWN;
    for (unsigned i = 0; i < job->count; i++)
        all = all && job->states[i] != LINE_ASKED;
    if (!all && chance(60))
        return;
    record(job, 0);
    record(job, 1);
}

/* As open, whatever has become of them: that stays. */
static void write_down(struct run_job *job)
{
    for (uint32_t block = 0; block < 2; block++) {
        struct task *task = NULL;
        for (unsigned i = 0; i < job->count; i++) {
            if ((numbers[i] - 1) / 256 != block)
                continue;
            task = task ? task : job_task(job, HOLDFAST_RECORD_RUN);
            task->results[task->operation.run_result_count++] =
                (struct holdfast_run_line){.line = numbers[i],
                                           .status = HOLDFAST_UNAVAILABLE,
                                           .open = true,
                                           .sku = job->operations[i].sku,
                                           .warehouse = job->operations[i].warehouse};
        }
        if (!task)
            continue;
        task->operation.run = job->name;
        task->operation.run_results = task->results;
        try_later(task, 0);
    }
}

/* ------------------------------------------------------------- hearing */

static void next_generation(const struct task *task, const struct holdfast_result *result)
{
    if (task->generation < GENERATIONS_MAX)
        ask_line(task->job, task->line, task->generation + 1);
    else
        line_known(task->job, task->line, HOLDFAST_OPERATION_ID_REUSED, result);
}

/* The line's id was used, for the same or as a void. */
static void settle_line(const struct task *task)
{
    struct task *settle = job_task(task->job, HOLDFAST_SETTLE);

    memcpy(settle->settles, task->id, sizeof settle->settles);
    settle->operation.partition = HOLDFAST_ALL_PARTITIONS;
    settle->line = task->line;
    settle->generation = task->generation;
    try_later(settle, 0);
}

/* False: it is to be tried again. */
static bool line_heard(struct task *task, const struct holdfast_result *result)
{
    switch (result->kind) {
    case HOLDFAST_KIND_APPLIED:
        line_known(task->job, task->line, HOLDFAST_APPLIED, result);
        return true;
    case HOLDFAST_KIND_REFUSED:
        if (result->status == HOLDFAST_OPERATION_ID_REUSED)
            settle_line(task);
        else if (task->operation.attempt == 1)
            return false; /* not looked up: another may have done it */
        else if (task->job->is_list && result->status != HOLDFAST_VERSION_CONFLICT)
            task->job->states[task->line] = LINE_RECORDED; /* is told, and not recorded */
        else
            line_known(task->job, task->line, result->status, result);
        return true;
    case HOLDFAST_KIND_SHED:
        if (result->settle != HOLDFAST_SETTLE_VOID)
            return false;
        settle_line(task); /* somebody else may have sent it, too */
        return true;
    case HOLDFAST_KIND_UNKNOWN:
        if (result->status != HOLDFAST_POISON && result->status != HOLDFAST_OPERATION_ID_EXPIRED)
            return false;
        line_known(task->job, task->line, result->status, result);
        return true;
    }
    return true;
}

static bool begin_heard(struct task *task, const struct holdfast_result *result)
{
    struct run_job *job = task->job;

    if (result->kind == HOLDFAST_KIND_UNKNOWN)
        return chance(30); /* or somebody else goes on with it */
    if (result->kind != HOLDFAST_KIND_APPLIED || !result->run)
        return true;
    job->created_at_us = result->run->created_at_us;
    job->first_time = !task->operation.resume && !result->replayed && result->attempts == 1;
    if (job->is_list)
        write_down(job);
    for (unsigned i = 0; i < job->count; i++) {
        if (!job->is_list || chance(50))
            ask_line(job, i, 0);
        else
            job->states[i] = LINE_RECORDED; /* by somebody else */
    }
    return true;
}

static bool settle_heard(struct task *task, const struct holdfast_result *result)
{
    if (result->kind != HOLDFAST_KIND_APPLIED)
        return false;
    if (result->settle == HOLDFAST_SETTLE_VOID)
        next_generation(task, result);
    else
        line_known(task->job, task->line, HOLDFAST_APPLIED,
                   result->settled ? result->settled : result);
    return true;
}

void runs_heard(struct task *task, const struct holdfast_result *result)
{
    bool heard;

    if (task->operation.kind == HOLDFAST_BEGIN_RUN)
        heard = begin_heard(task, result);
    else if (task->operation.kind == HOLDFAST_SETTLE)
        heard = settle_heard(task, result);
    else if (task->operation.kind == HOLDFAST_RECORD_RUN)
        heard = result->kind == HOLDFAST_KIND_APPLIED || result->kind == HOLDFAST_KIND_REFUSED;
    else
        heard = line_heard(task, result);
    if (heard)
        task_over(task);
    else
        try_later(task, (int64_t)result->retry_after_ms * 1000 + below(AGAIN_US));
}

/* SPDX-License-Identifier: MIT
 *
 * Runs and undos, as the command line does them (cli/run_engine.c, cli/cmd_undo.c): a run is begun,
 * its lines are asked for under ids that everybody can derive, and what became of them is recorded.
 * Several callers apply one run at once, go on with what another has left, come with a changed file
 * under the same name; and several take the same thing back. Count lists: count.c. See world.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/ids.h"
#include "protocol/status.h"
#include "tests/simulate/model_db.h"
#include "tests/simulate/bulk.h"

/* Of 100. */
#define NEW_RUN 40
#define NOT_RESUMED 15
#define NEW_NOT_RESUMED 60 /* by the first who comes with it */
#define CHANGED_FILE 10
#define OF_UNDOS 30    /* runs whose lines take something back */
#define LISTS 25       /* … that are to be counted */
#define ASKED_LATER 40 /* a file is long, and its lines go one after another */
#define RECORD_SOON 40
#define RETRY_REFUSED 15
#define RECORD_AGAIN 5 /* as one that gave the lines up: what was applied stays so */
/* Jobs of a client that is killed: as if another machine went on at once. */
#define KEPT_JOB 40
#define UNDO_AGAIN 30
#define STRANGE_UNDO 8

#define GENERATION_SHIFT 32
#define AGAIN_US 300000
#define ASKED_LATER_US 4000000

static bool percent(unsigned share)
{
    return sim_below(100) < share;
}

static const struct model_server *server_of(uint32_t partition)
{
    return world.servers[partition % world.shard_count].server;
}

/* ------------------------------------------------------------- what is undone */

static bool moves_nothing(const struct movement *undone)
{
    return undone->kind == HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET ||
           undone->kind == HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET ||
           (undone->kind == HF__MOVEMENT_KIND__MOVEMENT_UNDONE && undone->d_on_hand == 0 &&
            undone->d_unavailable == 0);
}

/* What its caller finds out by asking for the movement and the one before. */
static void look_up_undone(struct note *note, const struct movement *undone)
{
    struct holdfast_operation *operation = &note->operation;
    const struct movement *before =
        model_movement_at(server_of(undone->partition), undone->partition, undone->prev);

    operation->undoes = undone->seq;
    if (!moves_nothing(undone) || (!before && undone->prev != 0))
        return;
    uint32_t safety = before ? (uint32_t)before->after.safety_stock : 0;
    uint32_t reorder = before ? (uint32_t)before->after.reorder_point : 0;
    operation->has_previous = true;
    operation->previous_reorder_point =
        undone->kind == HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET ||
        reorder != (uint32_t)undone->after.reorder_point;
    operation->previous = operation->previous_reorder_point ? reorder : safety;
}

/* Takes back something that was applied lately. False: nothing was. */
static bool fill_undo(struct note *note, int64_t *id_time_us)
{
    size_t count = world.done_count < WORLD_DONE_MAX ? world.done_count : WORLD_DONE_MAX;
    struct holdfast_operation *operation = &note->operation;
    const struct done *done = NULL;
    uint8_t id[UUID_BYTES];

    for (unsigned tries = 0; tries < 4 && count > 0; tries++) {
        size_t back = (size_t)sim_skewed(0, (int64_t)count - 1);
        done = &world.done[(world.done_count - 1 - back) % WORLD_DONE_MAX];
        if ((done->kind >= HOLDFAST_RECEIVE && done->kind < HOLDFAST_PUT_ITEM) ||
            done->kind == HOLDFAST_UNDO)
            break; /* others are refused */
    }
    if (!done)
        return false;
    strcpy(note->undone, done->id);
    operation->undone = note->undone;
    operation->partition = (int32_t)done->partition;
    *id_time_us = done->id_time_us;
    if (percent(STRANGE_UNDO)) {
        /* where it is not */
        operation->partition = (int32_t)sim_below(world.config.partitions);
        return true;
    }
    sim_require(uuid_parse(done->id, id), "not an id: %s", done->id);
    const struct movement *undone =
        model_operation(server_of(done->partition), done->partition, id);
    if (undone)
        look_up_undone(note, undone);
    return true;
}

/* ------------------------------------------------------------- runs */

static enum holdfast_operation_kind any_line_kind(void)
{
    static const enum holdfast_operation_kind kinds[] = {
        HOLDFAST_RECEIVE,
        HOLDFAST_ADJUST,
        HOLDFAST_ADJUST,
        HOLDFAST_COUNT,
        HOLDFAST_TRANSFER,
        HOLDFAST_QUARANTINE,
        HOLDFAST_RESTORE,
        HOLDFAST_SET_SAFETY_STOCK,
        HOLDFAST_SET_REORDER_POINT,
        HOLDFAST_RELEASE,
        HOLDFAST_SHIP,
        HOLDFAST_EXTEND,
    };

    return kinds[sim_below(sizeof kinds / sizeof kinds[0])];
}

static bool fill_line(struct note *note, bool of_undos)
{
    int64_t id_time_us;

    note->operation.kind = of_undos ? HOLDFAST_UNDO : any_line_kind();
    if (of_undos)
        return fill_undo(note, &id_time_us);
    workload_fill(note);
    return true;
}

static struct bulk_run *new_run(void)
{
    static const uint32_t numbers[] = {1, 2, 256, 257};
    struct bulk_run *run = &world.runs[world.run_count];
    bool is_list = percent(LISTS), of_undos = !is_list && percent(OF_UNDOS);

    *run = (struct bulk_run){.is_list = is_list};
    snprintf(run->name, sizeof run->name, "%s-%zu",
             is_list    ? "list"
             : of_undos ? "undo"
                        : "run",
             world.run_count);
    sim_random_bytes(run->digest, sizeof run->digest);
    size_t wanted = (size_t)sim_between(1, WORLD_RUN_LINES);
    while (run->count < wanted) {
        struct note *line = calloc(1, sizeof *line);
        if (!line)
            abort();
        if (!is_list && !fill_line(line, of_undos))
            break;
        run->numbers[run->count] = numbers[run->count];
        run->lines[run->count++] = line;
    }
    if (run->count == 0)
        return NULL;
    if (is_list)
        count_fill(run);
    world.run_count++;
    return run;
}

static struct bulk_run *any_run(void)
{
    if (world.run_count == 0 || (world.run_count < WORLD_RUNS_MAX && percent(NEW_RUN)))
        return new_run();
    return &world.runs[sim_below(world.run_count)];
}

struct job *bulk_job(struct client *client, struct bulk_run *run)
{
    struct job *job = calloc(1, sizeof *job);

    if (!job)
        abort();
    job->client = client;
    job->run = run;
    job->next = client->jobs;
    client->jobs = job;
    return job;
}

struct note *bulk_note(struct job *job, enum holdfast_operation_kind kind)
{
    struct note *note = workload_note(job->client, kind);

    note->job = job;
    note->state = NOTE_LATER;
    note->again_us = sim_now_us();
    return note;
}

struct note *bulk_begin(struct job *job, bool resume)
{
    const struct bulk_run *run = job->run;
    struct note *note = bulk_note(job, HOLDFAST_BEGIN_RUN);
    struct holdfast_operation *operation = &note->operation;

    operation->run = run->name;
    operation->actor = job->client->process->name;
    operation->run_lines = run->numbers[run->count - 1];
    operation->run_blank = operation->run_lines - (uint32_t)run->count;
    operation->resume = resume;
    operation->digest = run->digest;
    if (percent(CHANGED_FILE)) {
        uint8_t *changed = malloc(sizeof run->digest);
        if (!changed)
            abort();
        memcpy(changed, run->digest, sizeof run->digest);
        changed[0] ^= 1;
        operation->digest = changed;
        SIM_SEEN("run with a changed file");
    }
    return note;
}

/* ------------------------------------------------------------- lines */

static bool is_shared(const struct note *line)
{
    return line->operation.kind == HOLDFAST_UNDO;
}

/* An undo has the same id whoever asks, in whatever run. */
static void derive_id(const struct job *job, size_t at, uint32_t generation,
                      char id[UUID_TEXT_BYTES])
{
    const struct note *line = job->run->lines[at];
    char name[UUID_TEXT_BYTES + 8];
    uint32_t number = is_shared(line) ? 1 : job->run->numbers[at];

    snprintf(name, sizeof name, "undo-%s", line->undone);
    const char *of = is_shared(line) ? name : job->run->name;
    holdfast_derive_operation_id(of, strlen(of),
                                 number + ((uint64_t)generation << GENERATION_SHIFT), id);
}

struct note *bulk_ask(struct job *job, size_t at, uint32_t generation)
{
    const struct note *line = job->run->lines[at];
    struct note *note = bulk_note(job, line->operation.kind);

    note->operation = line->operation;
    derive_id(job, at, generation, note->id);
    note->operation.operation_id = note->id;
    note->operation.id_time_us = job->created_at_us;
    note->operation.actor = job->actor;
    note->job_line = at;
    note->generation = generation;
    /* Only who begins a run knows that nobody has sent its lines before. */
    note->attempts = job->first_time && generation == 0 && !is_shared(line) ? 0 : 1;
    job->lines[at].state = LINE_ASKED;
    return note;
}

struct looked_up {
    const struct bulk_run *run;
    uint32_t line;
    int status; /* -1: nothing is recorded */
};

static bool look_up_line(void *context, uint32_t partition, const struct run_block *block)
{
    struct looked_up *looked_up = context;

    (void)partition;
    if (!code_is(&block->run, looked_up->run->name, strlen(looked_up->run->name)))
        return true;
    Hf__RecordRun *kept = hf__record_run__unpack(NULL, block->detail_bytes, block->detail);
    for (size_t i = 0; kept && i < kept->n_lines; i++) {
        if (kept->lines[i]->line == looked_up->line && !kept->lines[i]->open)
            looked_up->status = (int)kept->lines[i]->status;
    }
    hf__record_run__free_unpacked(kept, NULL);
    return true;
}

int bulk_recorded(const struct bulk_run *run, uint32_t line)
{
    struct looked_up looked_up = {run, line, -1};

    for (unsigned i = 0; i < world.shard_count; i++)
        model_run_blocks(world.servers[i].server, look_up_line, &looked_up);
    return looked_up.status;
}

/* Is there something to do with the line? Its record says so; the owner's word is the table's. */
static bool is_to_do(const struct job *job, size_t at)
{
    if (job->first_time)
        return true;
    int status = bulk_recorded(job->run, job->run->numbers[at]);
    if (status == HOLDFAST_APPLIED)
        return false;
    return status < 0 || holdfast_status_kind(status) != HOLDFAST_KIND_REFUSED ||
           percent(RETRY_REFUSED);
}

static bool applies(const struct job *job)
{
    for (size_t i = 0; i < job->run->count && !job->over; i++) {
        if (job->lines[i].state == LINE_ASKED || job->lines[i].state == LINE_KNOWN)
            return true;
    }
    return false;
}

/* Whoever is killed while another applies the same run may have done what the other was refused. */
static void note_others(const struct job *job)
{
    for (unsigned i = 0; i < world.client_count; i++) {
        for (const struct job *other = world.clients[i].jobs; other; other = other->next) {
            if (other != job && other->run == job->run && applies(other)) {
                SIM_SEEN("run that two apply at once");
                job->run->together = true;
            }
        }
    }
}

static void ask_lines(struct job *job)
{
    note_others(job);
    for (size_t i = 0; i < job->run->count; i++) {
        if (!is_to_do(job, i))
            continue;
        struct note *note = bulk_ask(job, i, 0);
        if (percent(ASKED_LATER))
            note->again_us += sim_skewed(0, ASKED_LATER_US);
    }
}

/* ------------------------------------------------------------- recording */

static void record_block(struct job *job, uint32_t block)
{
    struct note *note = NULL;

    for (size_t i = 0; i < job->run->count; i++) {
        if (job->lines[i].state != LINE_KNOWN || (job->run->numbers[i] - 1) / 256 != block)
            continue;
        if (!note)
            note = bulk_note(job, HOLDFAST_RECORD_RUN);
        note->results[note->operation.run_result_count++] = job->lines[i].result;
        job->lines[i].state = LINE_RECORDED;
    }
    if (!note)
        return;
    note->operation.run = job->run->name;
    note->operation.actor = job->actor;
    note->operation.run_results = note->results;
}

static bool all_known(const struct job *job)
{
    for (size_t i = 0; i < job->run->count; i++) {
        if (job->lines[i].state == LINE_ASKED)
            return false;
    }
    return true;
}

static void line_known(struct job *job, size_t at, int status, const struct holdfast_result *result)
{
    struct holdfast_run_line *line = &job->lines[at].result;

    *line = (struct holdfast_run_line){.line = job->run->numbers[at], .status = status};
    if (status == HOLDFAST_APPLIED) {
        line->partition = result->partition;
        line->sequence = result->sequence;
    } else {
        line->text = "why";
    }
    job->lines[at].state = job->run->name[0] == '\0' ? LINE_RECORDED : LINE_KNOWN;
    if (!all_known(job) && !percent(RECORD_SOON))
        return;
    for (uint32_t block = 0; block < 2; block++)
        record_block(job, block);
}

/* ------------------------------------------------------------- results */

static void next_generation(struct job *job, const struct note *note,
                            const struct holdfast_result *result)
{
    bool alone = job->run->name[0] == '\0';

    SIM_SEEN("next id of a line");
    if (note->generation == GENERATIONS_MAX || (alone && !percent(UNDO_AGAIN)))
        line_known(job, note->job_line, HOLDFAST_OPERATION_ID_REUSED, result);
    else
        (void)bulk_ask(job, note->job_line, note->generation + 1);
}

void bulk_ask_again(struct note *note, const struct holdfast_result *result)
{
    int64_t after_us = (int64_t)result->retry_after_ms * 1000;

    workload_again(note, after_us, after_us + AGAIN_US);
}

bool bulk_begun(struct client *client, struct note *note, const struct holdfast_result *result)
{
    switch (result->kind) {
    case HOLDFAST_KIND_APPLIED:
        sim_require(result->run != NULL, "a run was begun and is not told");
        note->job->created_at_us = result->run->created_at_us;
        workload_certain(client, note);
        return true;
    case HOLDFAST_KIND_REFUSED:
        if (result->status == HOLDFAST_OPERATION_ID_REUSED)
            SIM_SEEN("run that there is already, or another");
        workload_certain(client, note);
        return false;
    case HOLDFAST_KIND_SHED:
    case HOLDFAST_KIND_UNKNOWN:
        if (result->kind == HOLDFAST_KIND_SHED && result->settle == HOLDFAST_SETTLE_VOID)
            break;
        if (result->status == HOLDFAST_OPERATION_ID_EXPIRED || sim_one_in(3))
            break;
        bulk_ask_again(note, result);
        return false;
    }
    workload_certain(client, note); /* nobody goes on with it, here */
    return false;
}

static void begin_result(struct client *client, struct note *note,
                         const struct holdfast_result *result)
{
    struct job *job = note->job;

    if (!bulk_begun(client, note, result))
        return;
    for (unsigned i = 0; i < world.client_count; i++) {
        if (strcmp(world.clients[i].process->name, result->run->actor) == 0)
            job->actor = world.clients[i].process->name;
    }
    sim_require(job->actor != NULL, "a run has an actor that nobody is: %s", result->run->actor);
    job->first_time = !note->operation.resume && note->calls == 1;
    ask_lines(job);
}

static struct note *record_again(const struct note *note)
{
    struct note *again = bulk_note(note->job, HOLDFAST_RECORD_RUN);

    memcpy(again->results, note->results, sizeof again->results);
    again->operation.run = note->operation.run;
    again->operation.actor = note->operation.actor;
    again->operation.run_result_count = note->operation.run_result_count;
    again->operation.run_results = again->results;
    return again;
}

static void give_up_lines(const struct note *note)
{
    struct note *again = record_again(note);

    for (size_t i = 0; i < again->operation.run_result_count; i++) {
        struct holdfast_run_line *line = &again->results[i];
        *line = (struct holdfast_run_line){
            .line = line->line, .status = HOLDFAST_POISON, .text = "given up"};
    }
}

void bulk_record_result(struct client *client, struct note *note,
                        const struct holdfast_result *result)
{
    if (result->kind == HOLDFAST_KIND_APPLIED || result->kind == HOLDFAST_KIND_REFUSED ||
        result->status == HOLDFAST_OPERATION_ID_EXPIRED) {
        sim_require(result->kind != HOLDFAST_KIND_REFUSED || world.restores ||
                        result->status == HOLDFAST_OPERATION_ID_REUSED ||
                        result->settle == HOLDFAST_SETTLE_VOID,
                    "what became of lines could not be recorded: %s %s",
                    holdfast_status_name(result->status), result->message);
        workload_certain(client, note);
        if (result->kind == HOLDFAST_KIND_APPLIED && !note->job->run->is_list &&
            percent(RECORD_AGAIN))
            give_up_lines(note);
        if (result->kind == HOLDFAST_KIND_APPLIED || world.restores)
            return;
    } else if (result->kind == HOLDFAST_KIND_UNKNOWN && sim_one_in(2)) {
        bulk_ask_again(note, result);
        return;
    } else {
        workload_certain(client, note);
    }
    /* Under another id: to record twice does no harm. */
    bulk_ask_again(record_again(note), result);
}

/* What became of the id that a line has found used. */
static void settle_result(struct client *client, struct note *note,
                          const struct holdfast_result *result)
{
    if (result->settle == HOLDFAST_SETTLE_NONE || result->kind != HOLDFAST_KIND_APPLIED) {
        bulk_ask_again(note, result);
        return;
    }
    workload_certain(client, note);
    if (result->settle == HOLDFAST_SETTLE_VOID)
        next_generation(note->job, note, result);
    else
        line_known(note->job, note->job_line, HOLDFAST_APPLIED,
                   result->settled ? result->settled : result);
}

void bulk_settle(struct client *client, struct note *note)
{
    struct note *settle = workload_settle(client, note);

    settle->job = note->job;
    settle->job_line = note->job_line;
    settle->generation = note->generation;
    settle->state = NOTE_LATER;
    settle->again_us = sim_now_us();
    workload_certain(client, note);
}

static void line_result(struct client *client, struct note *note,
                        const struct holdfast_result *result)
{
    struct job *job = note->job;

    switch (result->kind) {
    case HOLDFAST_KIND_APPLIED:
        workload_certain(client, note);
        line_known(job, note->job_line, HOLDFAST_APPLIED, result);
        return;
    case HOLDFAST_KIND_REFUSED:
        if (result->status == HOLDFAST_OPERATION_ID_REUSED) {
            SIM_SEEN("line whose id was used");
            bulk_settle(client, note);
            return;
        }
        if (note->operation.attempt == 1) {
            /* It was not looked up: another may have done the line by then. */
            SIM_SEEN("line whose first attempt was refused");
            bulk_ask_again(note, result);
            return;
        }
        sim_require(!note->was_done,
                    "%s was refused as %s to who asked for it when another had done it", note->id,
                    holdfast_status_name(result->status));
        workload_certain(client, note);
        line_known(job, note->job_line, result->status, result);
        return;
    case HOLDFAST_KIND_SHED:
        if (result->settle == HOLDFAST_SETTLE_VOID) {
            bulk_settle(client, note); /* somebody else may have sent it, too */
        } else {
            bulk_ask_again(note, result);
        }
        return;
    case HOLDFAST_KIND_UNKNOWN:
        if (result->status != HOLDFAST_POISON && result->status != HOLDFAST_OPERATION_ID_EXPIRED) {
            bulk_ask_again(note, result);
            return;
        }
        workload_certain(client, note);
        line_known(job, note->job_line, result->status, result);
        return;
    }
}

void bulk_result(struct client *client, struct note *note, const struct holdfast_result *result)
{
    if (note->job->run->is_list) {
        count_result(client, note, result);
        return;
    }
    switch (note->operation.kind) {
    case HOLDFAST_BEGIN_RUN:
        begin_result(client, note, result);
        return;
    case HOLDFAST_RECORD_RUN:
        bulk_record_result(client, note, result);
        return;
    case HOLDFAST_SETTLE:
        settle_result(client, note, result);
        return;
    default:
        line_result(client, note, result);
        return;
    }
}

/* ------------------------------------------------------------- beginning and ending */

/* Was the line applied by now, by anybody and under any of its ids? */
static bool is_done(const struct note *note)
{
    uint32_t partition = workload_partition(note);
    char text[UUID_TEXT_BYTES];
    uint8_t id[UUID_BYTES];

    for (uint32_t generation = note->generation; generation <= GENERATIONS_MAX; generation++) {
        derive_id(note->job, note->job_line, generation, text);
        sim_require(uuid_parse(text, id), "not an id: %s", text);
        const struct movement *movement = model_operation(server_of(partition), partition, id);
        if (!movement)
            return false;
        if (movement->kind != HF__MOVEMENT_KIND__MOVEMENT_VOIDED)
            return true;
    }
    return false;
}

void bulk_handed_over(struct note *note)
{
    note->was_done = note->operation.kind != HOLDFAST_BEGIN_RUN &&
                     note->operation.kind != HOLDFAST_RECORD_RUN &&
                     note->operation.kind != HOLDFAST_SETTLE && is_done(note);
}

struct note *bulk_next(struct client *client, enum holdfast_operation_kind kind)
{
    if (kind == HOLDFAST_BEGIN_RUN) {
        struct bulk_run *run = any_run();
        if (!run)
            return NULL;
        if (run->is_list)
            return count_next(client, run);
        unsigned not_resumed = run->begins++ == 0 ? NEW_NOT_RESUMED : NOT_RESUMED;
        return bulk_begin(bulk_job(client, run), !percent(not_resumed));
    }
    struct bulk_run *alone = calloc(1, sizeof *alone);
    struct note *line = calloc(1, sizeof *line);
    int64_t id_time_us;
    if (!alone || !line)
        abort();
    line->operation.kind = HOLDFAST_UNDO;
    alone->lines[alone->count++] = line;
    if (!fill_undo(line, &id_time_us))
        return NULL;
    struct job *job = bulk_job(client, alone);
    job->created_at_us = id_time_us;
    job->actor = "undo";
    return bulk_ask(job, 0, 0);
}

void bulk_killed(struct client *client)
{
    for (struct job *job = client->jobs; job; job = job->next) {
        if (job->over || percent(KEPT_JOB))
            continue;
        job->over = true;
        for (struct note *note = client->open_notes; note; note = note->next_open) {
            if (note->job == job && note->state != NOTE_CERTAIN) {
                SIM_SEEN("job that nobody goes on with");
                workload_certain(client, note);
            }
        }
    }
}

/* ------------------------------------------------------------- at the end */

static const struct bulk_run *run_of(const struct run_block *block)
{
    for (size_t i = 0; i < world.run_count; i++) {
        if (code_is(&block->run, world.runs[i].name, strlen(world.runs[i].name)))
            return &world.runs[i];
    }
    return NULL;
}

static bool was_applied(const char *run, uint32_t line)
{
    char text[UUID_TEXT_BYTES];
    uint8_t id[UUID_BYTES];

    for (uint64_t generation = 0; generation <= GENERATIONS_MAX; generation++) {
        holdfast_derive_operation_id(run, strlen(run), line + (generation << GENERATION_SHIFT),
                                     text);
        sim_require(uuid_parse(text, id), "not an id: %s", text);
        bool is_known = false;
        for (uint32_t p = 0; p < world.config.partitions; p++) {
            const struct movement *movement = model_operation(server_of(p), p, id);
            is_known = is_known || movement;
            if (movement && movement->kind != HF__MOVEMENT_KIND__MOVEMENT_VOIDED)
                return true;
        }
        if (!is_known)
            return false;
    }
    return false;
}

/* What was refused has not been applied after all, if not two were at it. Undos are asked for by
 * others too. */
bool bulk_check_block(void *context, uint32_t partition, const struct run_block *block)
{
    const struct bulk_run *run = run_of(block);
    Hf__RecordRun *kept = hf__record_run__unpack(NULL, block->detail_bytes, block->detail);

    (void)context;
    (void)partition;
    if (run && run->is_list)
        SIM_SEEN("block of a list at the end");
    bool is_judged = run && run->name[0] == 'r' && !run->together && !world.restores;
    for (size_t i = 0; kept && is_judged && i < kept->n_lines; i++) {
        const Hf__RunLine *line = kept->lines[i];
        SIM_SEEN("line that is recorded at the end");
        sim_require(status_kind((enum status)line->status) != STATUS_KIND_REFUSED ||
                        !was_applied(run->name, line->line),
                    "line %u of %s is recorded as %s, and was applied", line->line, run->name,
                    status_name((enum status)line->status));
    }
    hf__record_run__free_unpacked(kept, NULL);
    return true;
}

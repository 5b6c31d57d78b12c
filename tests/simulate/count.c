/* SPDX-License-Identifier: MIT
 *
 * Count lists, as the console makes and counts them (console/count.c, decision 0029): a list is a
 * run whose lines are written down as open; whoever likes counts one, as itself and with its own
 * figure, under the id that list and line give; who comes second asks what became of the id, and
 * records what it finds. Several make a list and count it at once. See world.h.
 */
#include <string.h>

#include "tests/simulate/bulk.h"

/* Of 100. */
#define MAKE_AGAIN 25
#define COUNTED_WHEN_MADE 60
#define COUNTED 50 /* of the lines that are open */
#define BEHIND 15  /* the record that a console has read is older: it counts what is counted */
#define VERSION_LEFT_OUT 10
#define CONFLICT_LEFT 60 /* for later; else counted again at once */
#define SHED_AGAIN 60
#define SETTLED_UNKNOWN 50

static bool percent(unsigned share)
{
    return sim_below(100) < share;
}

/* ------------------------------------------------------------- what there is */

struct found_list {
    const struct bulk_run *list;
    int64_t created_at_us; /* 0: it is not made yet */
};

static bool find_list(void *context, uint32_t partition, const struct run *run)
{
    struct found_list *found = context;

    (void)partition;
    if (!code_is(&run->run, found->list->name, strlen(found->list->name)))
        return true;
    found->created_at_us = run->created_at_us;
    return false;
}

static int64_t created_at_us(const struct bulk_run *list)
{
    struct found_list found = {list, 0};

    for (unsigned i = 0; i < world.shard_count; i++)
        model_runs(world.servers[i].server, find_list, &found);
    return found.created_at_us;
}

struct looked_at { /* the form of a line */
    const struct holdfast_operation *line;
    uint64_t on_hand_version;
    uint32_t on_hand;
};

static bool look_at(void *context, uint32_t partition, const struct level *level)
{
    struct looked_at *looked_at = context;
    const struct holdfast_operation *line = looked_at->line;

    (void)partition;
    if (!code_is(&level->sku, line->sku, strlen(line->sku)) ||
        !code_is(&level->warehouse, line->warehouse, strlen(line->warehouse)))
        return true;
    looked_at->on_hand_version = level->on_hand_version;
    looked_at->on_hand = (uint32_t)level->now.on_hand;
    return false;
}

/* ------------------------------------------------------------- making */

void count_fill(struct bulk_run *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct note *line = list->lines[i];
        line->operation.kind = HOLDFAST_COUNT;
        workload_fill(line);
    }
}

static void write_down(struct job *job)
{
    for (uint32_t block = 0; block < 2; block++) {
        struct note *note = NULL;
        for (size_t i = 0; i < job->run->count; i++) {
            if ((job->run->numbers[i] - 1) / 256 != block)
                continue;
            note = note ? note : bulk_note(job, HOLDFAST_RECORD_RUN);
            note->results[note->operation.run_result_count++] = (struct holdfast_run_line){
                .line = job->run->numbers[i],
                .status = HOLDFAST_UNAVAILABLE,
                .open = true,
                .sku = job->run->lines[i]->operation.sku,
                .warehouse = job->run->lines[i]->operation.warehouse,
            };
        }
        if (!note)
            continue;
        note->operation.run = job->run->name;
        note->operation.actor = job->actor;
        note->operation.run_results = note->results;
    }
}

/* ------------------------------------------------------------- counting */

static struct note *count_line(struct job *job, size_t at, uint32_t generation)
{
    struct looked_at looked_at = {.line = &job->run->lines[at]->operation};
    struct note *note = bulk_ask(job, at, generation);
    struct holdfast_operation *operation = &note->operation;

    for (unsigned i = 0; i < world.shard_count; i++)
        model_levels(world.servers[i].server, look_at, &looked_at);
    operation->quantity = (uint32_t)sim_below(2 * world.first_stock + 4);
    operation->has_version = !percent(VERSION_LEFT_OUT);
    operation->on_hand_version = looked_at.on_hand_version;
    job->lines[at].booked = looked_at.on_hand;
    return note;
}

static struct note *count_some(struct job *job)
{
    struct note *note = NULL;

    for (size_t i = 0; i < job->run->count; i++) {
        bool counted = bulk_recorded(job->run, job->run->numbers[i]) == HOLDFAST_APPLIED;
        if (!percent(COUNTED) || (counted && !percent(BEHIND)))
            continue;
        if (counted)
            SIM_SEEN("count of what is counted");
        note = count_line(job, i, 0);
    }
    return note;
}

struct note *count_next(struct client *client, struct bulk_run *list)
{
    int64_t since_us = created_at_us(list);
    struct job *job = bulk_job(client, list);

    job->actor = client->process->name;
    job->created_at_us = since_us;
    if (since_us != 0 && !percent(MAKE_AGAIN))
        return count_some(job);
    if (since_us != 0)
        SIM_SEEN("list that is made again");
    return bulk_begin(job, true);
}

static void record(struct job *job, const struct note *counted, int status,
                   const struct holdfast_result *result)
{
    struct note *note = bulk_note(job, HOLDFAST_RECORD_RUN);
    const struct holdfast_operation *line = &job->run->lines[counted->job_line]->operation;

    note->results[0] = (struct holdfast_run_line){.line = job->run->numbers[counted->job_line],
                                                  .status = status,
                                                  .sku = line->sku,
                                                  .warehouse = line->warehouse};
    if (status == HOLDFAST_APPLIED) {
        note->results[0].partition = result->partition;
        note->results[0].sequence = result->sequence;
    } else {
        note->results[0].counted = counted->operation.quantity;
        note->results[0].booked = job->lines[counted->job_line].booked;
        note->results[0].text = "it moved";
    }
    note->operation.run = job->run->name;
    note->operation.actor = job->actor;
    note->operation.run_results = note->results;
    note->operation.run_result_count = 1;
}

/* ------------------------------------------------------------- results */

static void refused(struct client *client, struct note *note, const struct holdfast_result *result)
{
    if (result->status == HOLDFAST_OPERATION_ID_REUSED) {
        SIM_SEEN("line of a list whose id was used");
        bulk_settle(client, note);
        return;
    }
    workload_certain(client, note);
    if (result->status != HOLDFAST_VERSION_CONFLICT)
        return; /* whoever counts is told so, and nothing is recorded */
    if (percent(CONFLICT_LEFT)) {
        SIM_SEEN("conflict that is left for later");
        record(note->job, note, result->status, result);
    } else {
        (void)count_line(note->job, note->job_line, note->generation);
    }
}

static void line_result(struct client *client, struct note *note,
                        const struct holdfast_result *result)
{
    bool is_lost =
        result->status == HOLDFAST_POISON || result->status == HOLDFAST_OPERATION_ID_EXPIRED;

    switch (result->kind) {
    case HOLDFAST_KIND_APPLIED:
        workload_certain(client, note);
        record(note->job, note, HOLDFAST_APPLIED, result);
        return;
    case HOLDFAST_KIND_REFUSED:
        refused(client, note, result);
        return;
    case HOLDFAST_KIND_SHED:
        if (result->settle == HOLDFAST_SETTLE_VOID)
            bulk_settle(client, note);
        else if (percent(SHED_AGAIN))
            bulk_ask_again(note, result);
        else
            workload_certain(client, note);
        return;
    case HOLDFAST_KIND_UNKNOWN:
        if (is_lost)
            workload_certain(client, note);
        else if (percent(SETTLED_UNKNOWN))
            bulk_settle(client, note);
        else
            bulk_ask_again(note, result);
        return;
    }
}

static void settle_result(struct client *client, struct note *note,
                          const struct holdfast_result *result)
{
    if (result->settle == HOLDFAST_SETTLE_NONE || result->kind != HOLDFAST_KIND_APPLIED) {
        bulk_ask_again(note, result);
        return;
    }
    workload_certain(client, note);
    if (result->settle == HOLDFAST_SETTLE_APPLIED) {
        SIM_SEEN("line of a list that another has counted");
        record(note->job, note, HOLDFAST_APPLIED, result->settled ? result->settled : result);
    } else if (note->generation < GENERATIONS_MAX) {
        (void)count_line(note->job, note->job_line, note->generation + 1);
    }
}

void count_result(struct client *client, struct note *note, const struct holdfast_result *result)
{
    switch (note->operation.kind) {
    case HOLDFAST_BEGIN_RUN:
        if (!bulk_begun(client, note, result))
            return;
        write_down(note->job);
        if (percent(COUNTED_WHEN_MADE))
            (void)count_some(note->job);
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

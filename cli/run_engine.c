/* SPDX-License-Identifier: MIT
 *
 * See run_engine.h.
 */
#include "cli/run_engine.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"
#include "cli/report.h"
#include "common/clock.h"

#define AGAIN_US 50000
#define AGAIN_MAX_US 2000000
#define RECORD_AGAIN_US 200000
#define RECORDING_MAX 16u /* record_run in flight */

/* A job's, while its answer is awaited. */
struct flight {
    struct engine *engine;
    struct job *job;
};

struct recording {
    struct engine *engine;
    struct results_block *block;
};

/* ------------------------------------------------------------- beginning */

int engine_begin(struct engine *engine, const struct engine_begin *begin)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_BEGIN_RUN,
                                           .run = begin->run,
                                           .digest = begin->digest,
                                           .run_lines = begin->lines,
                                           .run_blank = begin->blank,
                                           .run_undoes = begin->undoes,
                                           .resume = begin->resume};
    session_stamp(engine->session, &operation);
    struct holdfast_result *result = holdfast_call(engine->session->client, &operation);
    int code = holdfast_status_exit(result->status);

    if (result->status == HOLDFAST_APPLIED && result->run) {
        const struct holdfast_run *run = result->run;
        snprintf(engine->run, sizeof engine->run, "%s", run->run);
        snprintf(engine->actor, sizeof engine->actor, "%s", run->actor);
        engine->created_at_us = run->created_at_us;
        engine->lines = run->lines - run->blank;
        /* There was no such run, and the id of its beginning is ours alone. */
        engine->first_time = !begin->resume && operation.attempt == 1;
    } else if (result->status == HOLDFAST_OPERATION_ID_REUSED &&
               strcmp(result->field, "begin_run.digest") == 0) {
        complain(engine->words,
                 "operation_id_reused: run %s was begun with other lines: give the changed file a "
                 "run of its own",
                 begin->run);
    } else if (result->status == HOLDFAST_OPERATION_ID_REUSED) {
        complain(engine->words,
                 "operation_id_reused: there is a run %s already (holdfast run show %s); --resume "
                 "goes on with it",
                 begin->run, begin->run);
    } else {
        complain(engine->words, "%s: could not begin run %s: %s",
                 holdfast_status_name(result->status), begin->run,
                 *result->message ? result->message : holdfast_status_text(result->status));
    }
    holdfast_result_free(&result);
    return code;
}

/* ------------------------------------------------------------- what became of a line */

static void record(struct engine *engine, const struct job *job, int status,
                   const struct holdfast_result *result, const char *text, void *waiting)
{
    struct holdfast_run_line line = {.line = job->line, .status = status};
    const char *subject = engine->source->subject ? engine->source->subject(job) : NULL;
    bool named = !subject || *subject == '\0' || strstr(text, subject) != NULL;
    char whole[640];

    if (status == HOLDFAST_APPLIED && result) {
        line.partition = result->partition;
        line.sequence = result->sequence;
    } else {
        snprintf(whole, sizeof whole, "%s%s%s", named ? "" : subject, named ? "" : ": ", text);
        line.text = whole;
    }
    results_add(engine->results, &line, waiting, clock_monotonic_us());
}

/* It is over with this line; counts, records and tells. A refusal leaves nothing in the ledger: it
 * is recorded before what comes after it is sent, or whoever resumes might do the line after all,
 * on top of what came after it. */
static void finish(struct engine *engine, struct job *job, int status,
                   const struct holdfast_result *result)
{
    char text[512] = "";

    if (result && status != HOLDFAST_APPLIED)
        run_reason(result, text, sizeof text);
    else if (status != HOLDFAST_APPLIED)
        snprintf(text, sizeof text, "%s", holdfast_status_text(status));
    if (status == HOLDFAST_APPLIED) {
        engine->applied++;
    } else if (holdfast_status_kind(status) == HOLDFAST_KIND_REFUSED) {
        engine->refused++;
        engine->conflicts += status == HOLDFAST_VERSION_CONFLICT;
        if (engine->first_refusal == 0)
            engine->first_refusal = status;
    } else {
        engine->failed++;
        engine->last_status = status;
    }
    record(engine, job, status, result, text, status != HOLDFAST_APPLIED ? job : NULL);
    engine->source->tell(engine->source->data, engine, job, status, result, text);
    engine->progress_us = clock_monotonic_us();
    if (status != HOLDFAST_APPLIED && engine->fail_fast)
        engine->stopping = true;
    if (status != HOLDFAST_APPLIED) {
        jobs_park(engine->jobs, job);
        return;
    }
    jobs_done(engine->jobs, job);
    engine->source->free_job(engine->source->data, job);
}

static int64_t pause_us(struct job *job, uint32_t retry_after_ms)
{
    int64_t pause = (int64_t)AGAIN_US << (job->tries < 6 ? job->tries : 6);

    job->tries++;
    if (pause > AGAIN_MAX_US)
        pause = AGAIN_MAX_US;
    if (pause < (int64_t)retry_after_ms * 1000)
        pause = (int64_t)retry_after_ms * 1000;
    return clock_monotonic_us() + pause;
}

static void again(struct engine *engine, struct job *job, const struct holdfast_result *result)
{
    engine->last_status = result->status;
    snprintf(engine->last_message, sizeof engine->last_message, "%s", result->message);
    if (job->attempt < 60000)
        job->attempt++;
    jobs_again(engine->jobs, job, pause_us(job, result->retry_after_ms));
}

static void next_generation(struct engine *engine, struct job *job,
                            const struct holdfast_result *result)
{
    if (++job->generation > ENGINE_GENERATIONS_MAX) {
        /* That a settle was applied does not mean that the line was. */
        bool is_settle = result->kind == HOLDFAST_KIND_APPLIED;
        finish(engine, job, is_settle ? HOLDFAST_OPERATION_ID_REUSED : result->status,
               is_settle ? NULL : result);
        return;
    }
    job->attempt = 2; /* an earlier process may have got so far */
    jobs_again(engine->jobs, job, 0);
}

static void on_settled(void *data, struct holdfast_result *result)
{
    struct flight *flight = data;
    struct engine *engine = flight->engine;
    struct job *job = flight->job;

    free(flight);
    if (result->settle == HOLDFAST_SETTLE_APPLIED && engine->source->shares_ids) {
        engine->applied--; /* as finish counts it */
        engine->skipped++;
    }
    if (result->settle == HOLDFAST_SETTLE_APPLIED)
        finish(engine, job, HOLDFAST_APPLIED, result->settled ? result->settled : result);
    else if (result->settle == HOLDFAST_SETTLE_VOID)
        next_generation(engine, job, result);
    else
        again(engine, job, result);
    holdfast_result_free(&result);
}

/* The line's id was used before. The digest says that the body is the same, so it is either this
 * very line, or was settled as void. Or the library has given the id up: then nothing comes of what
 * this process sent, but another one that applies the run may have sent it, too. */
static bool settle(struct engine *engine, struct job *job, const struct holdfast_result *used)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_SETTLE,
                                           .settles = used->operation_id,
                                           .partition = (int32_t)job->partition};
    struct flight *flight = memory_grow(NULL, 1, sizeof *flight);

    *flight = (struct flight){engine, job};
    if (holdfast_submit(engine->session->client, &operation, on_settled, flight, NULL, 0))
        return true;
    free(flight);
    return false;
}

/* A first attempt is not looked up before it is refused, and another machine that applies the run
 * may have done the line meanwhile: then the next attempt is answered with what it did. */
static void look_again(struct engine *engine, struct job *job)
{
    job->attempt = 2;
    jobs_again(engine->jobs, job, 0);
}

static void on_result(void *data, struct holdfast_result *result)
{
    struct flight *flight = data;
    struct engine *engine = flight->engine;
    struct job *job = flight->job;

    free(flight);
    switch (result->kind) {
    case HOLDFAST_KIND_APPLIED:
        finish(engine, job, HOLDFAST_APPLIED, result);
        break;
    case HOLDFAST_KIND_REFUSED:
        if (result->status == HOLDFAST_OPERATION_ID_REUSED) {
            if (!settle(engine, job, result))
                again(engine, job, result);
        } else if (job->attempt == 1) {
            look_again(engine, job);
        } else {
            finish(engine, job, result->status, result);
        }
        break;
    case HOLDFAST_KIND_SHED:
        if (result->settle != HOLDFAST_SETTLE_VOID || !settle(engine, job, result))
            again(engine, job, result);
        break;
    case HOLDFAST_KIND_UNKNOWN:
        if (result->status == HOLDFAST_POISON || result->status == HOLDFAST_OPERATION_ID_EXPIRED)
            finish(engine, job, result->status, result);
        else
            again(engine, job, result);
        break;
    }
    holdfast_result_free(&result);
}

/* ------------------------------------------------------------- sending */

/* Not even sent: what is wrong is known at once. */
static void refuse_at_once(struct engine *engine, struct job *job,
                           const struct holdfast_operation *operation)
{
    struct holdfast_result *result = holdfast_call(engine->session->client, operation);

    if (result->kind == HOLDFAST_KIND_REFUSED)
        finish(engine, job, result->status, result);
    else if (result->kind == HOLDFAST_KIND_APPLIED)
        finish(engine, job, HOLDFAST_APPLIED, result);
    else
        again(engine, job, result);
    holdfast_result_free(&result);
}

static void send(struct engine *engine, struct job *job)
{
    struct holdfast_operation operation = *engine->source->build(engine->source->data, job);
    struct flight *flight = memory_grow(NULL, 1, sizeof *flight);

    operation.attempt = job->attempt;
    operation.actor = engine->actor;
    operation.id_time_us = engine->created_at_us;
    *flight = (struct flight){engine, job};
    if (holdfast_submit(engine->session->client, &operation, on_result, flight, NULL, 0))
        return;
    free(flight);
    refuse_at_once(engine, job, &operation);
}

static void take_lines(struct engine *engine)
{
    while (!engine->ended && !engine->stopping && !jobs_full(engine->jobs) && !was_interrupted()) {
        struct job *job = NULL;
        switch (engine->source->next(engine->source->data, engine, &job)) {
        case ENGINE_JOB:
            job->attempt = engine->first_time ? 1 : 2;
            jobs_add(engine->jobs, job);
            break;
        case ENGINE_END:
            engine->ended = true;
            break;
        case ENGINE_FAULT:
            engine->ended = engine->stopping = true;
            break;
        }
    }
}

static void send_lines(struct engine *engine)
{
    struct job *job;

    while (!engine->stopping && (job = jobs_next(engine->jobs, clock_monotonic_us())) != NULL)
        send(engine, job);
}

/* ------------------------------------------------------------- recording */

static void let_go(struct engine *engine, const struct results_block *block)
{
    for (size_t i = 0; i < block->count; i++) {
        struct job *job = block->waiting[i];
        if (!job)
            continue;
        jobs_done(engine->jobs, job);
        engine->source->free_job(engine->source->data, job);
    }
}

static void on_recorded(void *data, struct holdfast_result *result)
{
    struct recording *recording = data;
    struct engine *engine = recording->engine;
    struct results_block *block = recording->block;

    free(recording);
    engine->recording--;
    if (result->kind == HOLDFAST_KIND_APPLIED) {
        let_go(engine, block);
        results_done(engine->results, &block);
    } else if (result->status == HOLDFAST_TOO_LARGE && block->count > 1) {
        results_halve(engine->results, block);
    } else if (result->kind == HOLDFAST_KIND_REFUSED ||
               result->status == HOLDFAST_OPERATION_ID_EXPIRED) {
        engine->unrecorded += block->count;
        let_go(engine, block);
        results_done(engine->results, &block);
    } else {
        results_again(block, clock_monotonic_us() + RECORD_AGAIN_US);
    }
    holdfast_result_free(&result);
}

static void record_results(struct engine *engine, bool flush)
{
    struct results_block *block;

    while (engine->recording < RECORDING_MAX &&
           (block = results_next(engine->results, clock_monotonic_us(), flush)) != NULL) {
        struct holdfast_operation operation = {.kind = HOLDFAST_RECORD_RUN,
                                               .actor = engine->actor,
                                               .run = engine->run,
                                               .run_results = block->lines,
                                               .run_result_count = block->count};
        struct recording *recording = memory_grow(NULL, 1, sizeof *recording);
        *recording = (struct recording){engine, block};
        if (holdfast_submit(engine->session->client, &operation, on_recorded, recording, NULL, 0)) {
            engine->recording++;
            continue;
        }
        free(recording);
        results_again(block, clock_monotonic_us() + RECORD_AGAIN_US);
        return;
    }
}

/* ------------------------------------------------------------- the loop */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Waits for an answer, a time or a signal. */
static void wait_a_while(struct engine *engine)
{
    struct holdfast *client = engine->session->client;
    struct pollfd fd = {.fd = holdfast_fd(client), .events = POLLIN};
    int64_t now_us = clock_monotonic_us();
    int64_t until_us = now_us + (int64_t)holdfast_deadline_ms(client) * 1000;
    sigset_t blocked, before;

    until_us = least(until_us, results_due_us(engine->results));
    if (!engine->stopping)
        until_us = least(until_us, jobs_due_us(engine->jobs));
    /* Answers that have come may have made room, or let others go. */
    if (!engine->stopping &&
        (jobs_may_send(engine->jobs, now_us) || (!engine->ended && !jobs_full(engine->jobs))))
        until_us = now_us;
    int64_t wait_us = until_us > now_us ? until_us - now_us : 0;
    struct timespec timeout = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000};
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    if (!was_interrupted() || engine->interrupted)
        ppoll(&fd, 1, &timeout, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* The first Ctrl-C drains: nothing more is sent, and what flies is waited for. */
static void look_up(struct engine *engine)
{
    if (was_interrupted() && !engine->interrupted) {
        engine->interrupted = engine->stopping = true;
        engine_clear_bar();
        fprintf(stderr,
                "interrupted: waiting for %zu operations in flight; interrupt again to leave at "
                "once\n",
                jobs_flying(engine->jobs));
    }
    if (clock_monotonic_us() - engine->progress_us > engine->give_up_us && !engine->stopping) {
        engine->stopping = true;
        engine->stopped = engine->last_status ? engine->last_status : HOLDFAST_UNAVAILABLE;
    }
}

/* When it stops, what waits to be sent again is left to whoever resumes. */
static bool lines_are_over(const struct engine *engine)
{
    return engine->stopping ? jobs_flying(engine->jobs) == 0
                            : engine->ended && jobs_held(engine->jobs) == 0;
}

static void finish_recording(struct engine *engine)
{
    int64_t until_us = clock_monotonic_us() + engine->give_up_us;

    while (results_waiting(engine->results) > 0 && clock_monotonic_us() < until_us) {
        record_results(engine, true);
        holdfast_process(engine->session->client);
        if (results_waiting(engine->results) > 0)
            wait_a_while(engine);
    }
}

static void forget_results(struct engine *engine)
{
    struct results_block *block;

    while ((block = results_next(engine->results, INT64_MAX, true)) != NULL) {
        engine->unrecorded += block->count;
        results_done(engine->results, &block);
    }
    results_destroy(&engine->results);
}

void engine_run(struct engine *engine)
{
    struct job *job;

    engine->jobs = jobs_new(ENGINE_HELD_MAX, ENGINE_FLYING_MAX);
    engine->results = results_new();
    engine->give_up_us =
        (int64_t)option_number(engine->session->invocation, "timeout", ENGINE_GIVE_UP_MS) * 1000;
    engine->begun_us = engine->progress_us = clock_monotonic_us();
    catch_interrupts();
    for (;;) {
        take_lines(engine);
        send_lines(engine);
        record_results(engine, false);
        holdfast_process(engine->session->client);
        look_up(engine);
        engine_progress(engine, false);
        if (lines_are_over(engine))
            break;
        wait_a_while(engine);
    }
    finish_recording(engine);
    engine_progress(engine, true);
    engine_clear_bar();
    while ((job = jobs_abandon(engine->jobs)) != NULL)
        engine->source->free_job(engine->source->data, job);
    jobs_destroy(&engine->jobs);
    /* What is still in flight comes back now, as unknown. */
    holdfast_close(&engine->session->client);
    forget_results(engine);
}

/* ------------------------------------------------------------- the end */

int engine_code(const struct engine *engine)
{
    uint64_t done = engine->applied + engine->skipped;
    uint64_t missing = engine->refused + engine->failed + engine->skipped_refused;

    if (engine->interrupted)
        return EXIT_INTERRUPTED;
    if (engine->code != 0)
        return engine->code;
    bool whole = engine->stopped == 0 && missing == 0 && !engine->stopping;
    if (whole)
        return 0;
    if (done > 0)
        return 2;
    if (engine->stopped != 0)
        return holdfast_status_exit(engine->stopped);
    if (engine->failed > 0)
        return holdfast_status_exit(engine->last_status);
    if (engine->conflicts > 0 && engine->conflicts == engine->refused)
        return 3;
    return engine->first_refusal ? holdfast_status_exit(engine->first_refusal) : 1;
}

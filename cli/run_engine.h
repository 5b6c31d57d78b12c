/* SPDX-License-Identifier: MIT
 *
 * Carries a run out: takes its lines from a source, keeps a window of operations in flight, sends
 * again what was shed or is not known, and has the system record what became of each. Used by
 * apply and undo; what an operation is, and what is said of a line, is the source's affair.
 *
 * Nothing that is here is needed to go on after a crash: the ledger makes each line happen once,
 * and the record says which are done.
 */
#ifndef CLI_RUN_ENGINE_H
#define CLI_RUN_ENGINE_H

#include "cli/run_jobs.h"
#include "cli/run_results.h"
#include "cli/session.h"

#define ENGINE_HELD_MAX 4096u
#define ENGINE_FLYING_MAX 256u
/* A line whose id had to be settled as void is tried again under others, so often. */
#define ENGINE_GENERATIONS_MAX 64u
#define ENGINE_GIVE_UP_MS 60000u

enum engine_more { ENGINE_JOB, ENGINE_END, ENGINE_FAULT };

struct engine;

struct engine_source {
    /* The next line that is to be done. May ask the cluster and wait. ENGINE_FAULT: told already,
     * with engine->code set. */
    enum engine_more (*next)(void *data, struct engine *engine, struct job **job);
    /* Its operation, with an id for job->generation; borrowed until the next build. */
    const struct holdfast_operation *(*build)(void *data, const struct job *job);
    /* What became of it; result may be NULL when only status is known. */
    void (*tell)(void *data, struct engine *engine, const struct job *job, int status,
                 const struct holdfast_result *result, const char *text);
    void (*free_job)(void *data, struct job *job);
    /* What the line is about, for people who have the record and not the file: its sku, say; "" or
     * NULL: nothing. Lives in the job. */
    const char *(*subject)(const struct job *job);
    void *data;
    /* An id that was used before was used by another run, with the same effect: skipped. */
    bool shares_ids;
};

struct engine {
    struct session *session;
    const struct engine_source *source;
    const char *words; /* "apply" */
    char run[65];
    char actor[65];
    int64_t created_at_us;
    uint64_t lines;  /* of the run, for the bar */
    bool first_time; /* no line can have been sent before */
    bool fail_fast;
    /* Counted as they come. */
    uint64_t applied, skipped, refused, failed, conflicts;
    uint64_t skipped_refused;
    int first_refusal; /* its status; 0: none */
    /* Why it ends before its end. */
    bool interrupted;
    int stopped; /* status; 0: it did not */
    int code;    /* of a fault of the source */
    uint64_t unrecorded;
    /* private */
    struct jobs *jobs;
    struct results *results;
    size_t recording;
    bool ended, stopping;
    int64_t progress_us, give_up_us, tell_next_us, begun_us;
    int last_status;
    char last_message[256];
};

/* Sends begin_run and fills run, actor, created_at_us, lines, first_time. 0, or an exit code after
 * telling why not. */
struct engine_begin {
    const char *run;
    const uint8_t *digest;
    uint32_t lines, blank;
    const char *undoes;
    bool resume;
};
int engine_begin(struct engine *engine, const struct engine_begin *begin);

/* Runs to the end, or until it has to stop. */
void engine_run(struct engine *engine);

/* The exit code of contract.md. */
int engine_code(const struct engine *engine);

/* Why it was refused, in one line: what is short, or what moved last. */
void run_reason(const struct holdfast_result *result, char *text, size_t bytes);

/* ------------------------------------------------------------- what is recorded already */

#define KNOWN_LINES 768u /* three blocks */

struct run_known { /* zeroed but for session and run */
    struct session *session;
    const char *run;
    bool none; /* nothing is recorded: nobody is asked */
    uint32_t base;
    bool loaded;
    struct holdfast_run_line lines[KNOWN_LINES]; /* status -1: nothing; texts are left out */
};

/* NULL with *code after telling why; a line with status -1 has no result. */
const struct holdfast_run_line *run_known_line(struct run_known *known, uint32_t line, int *code);

/* One line of JSON, or nothing: the summary of engine's counts. */
void engine_summary(const struct engine *engine, bool json);

/* The bar, or a plain line every few seconds. now: at once. */
void engine_progress(struct engine *engine, bool now);
/* Before anything else is written on a terminal, and after it. */
void engine_clear_bar(void);
void engine_draw_soon(struct engine *engine);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What the files of the history checker share.
 *   store.c   takes events in: copies, texts once, ids
 *   model.c, model_state.c   the state of a partition, and what each operation does to it
 *   model_undo.c, model_run.c   the same for undos and for the records of runs
 *   ledger.c  the order of the ledger: rows, groups, and between which of them a call ran
 *   replay.c  the ledger against the model
 *   refusals.c, final.c   refusals at every moment of their interval; the tables at the end
 *   calls.c   answers against the ledger, id by id
 *   runs.c    what was recorded of runs against the ledger
 *   text.c, fields.c   the text form
 */
#ifndef TESTS_HISTORY_IMPL_H
#define TESTS_HISTORY_IMPL_H

#include "common/arena.h"
#include "protocol/holdfast.pb-c.h"
#include "tests/history/history.h"

#include <string.h>
#include <uthash.h>

#define NEVER_US INT64_MAX

struct word {
    UT_hash_handle hh;
    char text[];
};

/* What an operation wants of one sku and warehouse: lines of the same place are one. */
struct want {
    const char *sku, *warehouse; /* warehouse "": any */
    int64_t quantity;
};

struct operation {
    struct holdfast_operation body; /* its texts interned, its lines in the arena */
    uint8_t reservation_id[RESERVATION_ID_BYTES];
    bool has_reservation; /* … that can be one */
    uint8_t settles[UUID_BYTES], undone[UUID_BYTES];
    bool has_partition; /* false: it has none (its lines lie on several, a settle of all) */
    uint32_t partition;
    struct want *wants; /* by sku and warehouse */
    size_t want_count;
    struct history *history;
    const char *text; /* operation_body; NULL: nobody has asked for it */
};

struct ident;
struct group;

struct call {
    uint64_t number;
    int64_t invoke_us, answer_us; /* NEVER_US: no answer */
    uint16_t attempt;
    const struct operation *operation;
    const struct holdfast_result *result; /* NULL: none */
    struct ident *ident;
    struct call *next;    /* of the id, by invoke */
    struct call *settler; /* the next settle call that asks about the same id */
    UT_hash_handle hh;
};

struct ident {
    uint8_t id[UUID_BYTES];
    struct call *calls;
    struct call *settlers; /* settle calls that ask about it */
    struct group *groups;  /* its rows in the ledger */
    UT_hash_handle hh;
};

/* The rows of one operation. */
struct group {
    uint32_t partition;
    size_t first, count; /* in the partition's rows */
    struct ident *ident;
    bool is_void, is_expiry;
    const struct operation *operation; /* whose body fits; NULL: nobody's */
    int64_t since_us;                  /* no attempt of it began before */
    struct group *next;                /* of the id */
};

struct moment {
    int64_t time_us;
    uint64_t seq;
};

struct log { /* one partition */
    struct history_movement *rows;
    size_t row_count, row_capacity;
    struct group *groups;
    size_t group_count;
    /* By time: at time_us all up to seq was committed; sorted, seq rising. */
    struct moment *past;
    size_t past_count;
    /* By time: at time_us seq was not yet committed; sorted, seq rising. */
    struct moment *future;
    size_t future_count;
};

struct end_run { /* rows of runs at the end */
    uint32_t partition;
    struct holdfast_run run;
};

struct end_run_line {
    uint32_t partition;
    const char *run;
    struct holdfast_run_line line;
};

struct history {
    struct history_options options;
    struct arena arena;
    struct word *words;
    struct call *calls;
    struct ident *idents;
    struct log *logs;
    uint32_t log_count;
    bool final;
    struct history_level *levels;
    size_t level_count, level_capacity;
    struct history_reservation *reservations;
    size_t reservation_count, reservation_capacity;
    struct history_reservation_line *lines;
    size_t line_count, line_capacity;
    struct end_run *runs;
    size_t run_count, run_capacity;
    struct end_run_line *run_lines;
    size_t run_line_count, run_line_capacity;
    history_finding_fn *found;
    void *found_data;
    size_t findings;
    struct history_figures figures;
};

/* Never NULL. */
void *history_grow(void *items, size_t count, size_t *capacity, size_t size);
/* The text in the history's memory; equal texts are mostly at the same place. */
const char *intern(struct history *history, const char *text);
static inline bool same_text(const char *a, const char *b)
{
    return a == b || strcmp(a, b) == 0;
}
/* The fields of an operation as in a line of the text form, with wants instead of lines: those of
 * equal bodies are equal. Made when it is asked for first, as most are never compared. */
const char *operation_body(const struct operation *operation);
/* Do two ask for the same? */
static inline bool same_body(const struct operation *a, const struct operation *b)
{
    return a == b || same_text(operation_body(a), operation_body(b));
}
struct ident *ident_find(const struct history *history, const uint8_t id[UUID_BYTES]);
struct ident *ident_obtain(struct history *history, const uint8_t id[UUID_BYTES]);
/* Of this partition, made with all below it; moves the others. */
struct log *history_log(struct history *history, uint32_t partition);
void history_set_options(struct history *history, const struct history_options *options);

void finding(struct history *history, const char *rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An id for messages; valid until the third call after. */
const char *show_id(const uint8_t id[UUID_BYTES]);
const char *show_reservation(const uint8_t id[RESERVATION_ID_BYTES]);
const char *operation_name(enum holdfast_operation_kind kind);
/* Kind of movement of an operation kind. */
int movement_of(enum holdfast_operation_kind kind);

/* ------------------------------------------------------------- ledger.c */

/* Sorts rows and makes groups; then knows since when each group was under way. */
void ledger_order(struct history *history);
/* Was it told that nothing was applied? */
bool is_denied(const struct call *call);
/* Does the denial say that nothing of the call can come any more, too? An id that a run or an undo
 * gives is used by many at once: then the denial of a first attempt speaks for itself alone. */
bool speaks_for(const struct call *denied, const struct call *call);
/* Was there such a denial, of the same body and after the call began? */
bool is_over(const struct call *call);
/* The group in which the id was applied; NULL: none. */
const struct group *applied_group(const struct ident *ident);
/* The id was spent before the call was answered: by a void, or for another body. */
bool is_spent(const struct history *history, const struct call *call);
/* Can the model say whether this refusal is true? */
bool is_judged(const struct history *history, const struct call *call);
/* Of its last movement. */
uint64_t sequence_of(const struct history *history, const struct group *group);
/* A call, after `last` (NULL: the first), that asked under the group's id for something else, which
 * the rows can be as well, as nobody was told whose they are; NULL: no more. */
const struct call *ledger_other_body(const struct history *history, const struct group *group,
                                     const struct call *last);
/* How many groups of the log were certainly committed at that time, and how many may have been. */
size_t ledger_groups_before(const struct log *log, int64_t time_us);
size_t ledger_groups_possible(const struct log *log, int64_t time_us);

/* ------------------------------------------------------------- replay.c, calls.c */

void replay_all(struct history *history);
void calls_judge(struct history *history);
void runs_judge(struct history *history);
/* In what the two differ; NULL: in nothing. */
const char *run_fault(const struct holdfast_run *a, const struct holdfast_run *b);
struct holdfast_run *copy_run(struct history *history, const struct holdfast_run *from);
struct holdfast_run_line copy_run_line(struct history *history,
                                       const struct holdfast_run_line *from);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The history checker: reads what clients did and what the ledger says, and judges whether the two
 * can both be true of a system that does each operation once, in one order per partition. It has
 * its own model of every operation (model.c) and shares no decision with the worker. Called by
 * check-history, on the logs of a chaos run, and by the simulation, in memory.
 *
 * One history is one region from its beginning: movements from sequence 1 on, nothing pruned.
 * Everything that changed the region must be in it: a movement under an id that nobody invoked is
 * a finding. All functions copy what they are given; codes are NUL-terminated UTF-8, as in
 * holdfast.h. Running out of memory ends the process.
 *
 * Order of use: any number of events in any order (times decide, not the order of the calls), then
 * history_judge once. What it can and cannot judge: docs/decisions/0012-what-the-checker-judges.md.
 */
#ifndef TESTS_HISTORY_H
#define TESTS_HISTORY_H

#include "client/holdfast.h"
#include "protocol/ids.h"

#include <stdio.h>

struct history;

struct history_options {
    uint32_t partitions; /* of the region */
    /* How far a movement's at_us may lie from the clock of the events. Negative: the two cannot be
     * compared (a simulation that lets clocks jump); then at_us is judged within the ledger
     * alone. */
    int64_t clock_skew_us;
    /* How long after an answered put_warehouse or put_reason another partition may still refuse the
     * code as unknown. */
    int64_t catalog_lag_us;
};

struct history *history_new(const struct history_options *options);
void history_destroy(struct history **history);

/* ------------------------------------------------------------- what clients did */

/* A call is one hand-over to the library (holdfast_submit, core_submit): it has at most one result.
 * An id that is tried again by its caller has several calls, one after the other: the next only
 * when the one before was answered, or its client is dead. call: any number that is unique in the
 * history. time_us: before anything can have been sent. operation->operation_id is required, and
 * all fields are as given to the library; strings and lines are copied. False: not an operation (no
 * id, a second invoke of the call); nothing was taken. */
bool history_invoke(struct history *history, uint64_t call, int64_t time_us,
                    const struct holdfast_operation *operation);
/* time_us: not before the result was known. A call without one is unknown. False: the call was
 * never invoked or has a result already. */
bool history_result(struct history *history, uint64_t call, int64_t time_us,
                    const struct holdfast_result *result);

/* ------------------------------------------------------------- what the ledger says */

struct history_balances {
    int64_t on_hand, reserved, committed, unavailable, safety_stock, reorder_point, shortfall;
};

struct history_line { /* the counters of a reservation's line */
    int64_t quantity, reserved, committed, shipped, cancelled, released, returned;
};

/* A row of table movement: names and meanings as in schema/001.sql. */
struct history_movement {
    uint32_t partition;
    uint64_t seq;
    uint8_t operation_id[UUID_BYTES];
    uint32_t idx;
    int kind; /* MovementKind of holdfast.proto */
    uint64_t epoch;
    int64_t at_us;
    const char *sku, *warehouse; /* "" where there is none */
    uint64_t prev;
    int64_t d_on_hand, d_reserved, d_committed, d_unavailable;
    struct history_balances after;
    uint64_t on_hand_version;
    bool has_reservation;
    uint8_t reservation_id[RESERVATION_ID_BYTES];
    uint32_t line;
    int state; /* enum holdfast_reservation_state */
    uint32_t revision;
    int64_t expires_at_us;
    struct history_line line_after;
    uint64_t undoes;                /* sequence of the movement that it takes back */
    const struct holdfast_run *run; /* of a run's movement: its record then, or NULL */
};

void history_movement(struct history *history, const struct history_movement *movement);

/* ------------------------------------------------------------- the tables at the end */

struct history_level { /* a row of stock_level */
    uint32_t partition;
    const char *sku, *warehouse;
    struct history_balances now;
    uint64_t version, on_hand_version;
};

struct history_reservation { /* a row of reservation */
    uint32_t partition;
    uint8_t reservation_id[RESERVATION_ID_BYTES];
    int state;
    uint32_t revision;
    int64_t expires_at_us;
};

struct history_reservation_line { /* a row of reservation_line */
    uint32_t partition;
    uint8_t reservation_id[RESERVATION_ID_BYTES];
    uint32_t line;
    const char *sku, *warehouse;
    struct history_line now;
};

/* A run's row, and what is recorded of its lines: a row of run_line unpacked. */
void history_run(struct history *history, uint32_t partition, const struct holdfast_run *run);
void history_run_line(struct history *history, uint32_t partition, const char *run,
                      const struct holdfast_run_line *line);
/* The same from what the columns `detail` hold: packed Run (of a movement) and packed RecordRun
 * (of run_line). False: they do not. Texts live as long as the history. */
bool history_unpack_run(struct history *history, const void *detail, size_t bytes,
                        struct holdfast_run *run);
bool history_unpack_lines(struct history *history, uint32_t partition, const char *run,
                          const void *detail, size_t bytes);

/* All rows, or none at all: they must be what the movements add up to. history_final says that
 * these were all; without it the tables are not judged. */
void history_level(struct history *history, const struct history_level *level);
void history_reservation(struct history *history, const struct history_reservation *reservation);
void history_reservation_line(struct history *history, const struct history_reservation_line *line);
void history_final(struct history *history);

/* ------------------------------------------------------------- the verdict */

/* Names of the rules, in docs and in tests/history/bad; a finding belongs to exactly one.
 *   sequence  movements of a partition are numbered from 1 without gap or double
 *   epoch     epochs never go back along the sequence
 *   clock     at_us never goes back along the sequence, and fits the clients' clock
 *   rows      an operation's rows are consecutive, count from 0, and are all on one partition
 *   once      an id has one such group, applied or voided; other partitions may hold voids of it
 *   phantom   every movement is under an id that was invoked (or settled), or is an expiry
 *   balance   balances after a movement are those before plus its changes, prev and versions follow
 *   oversold  nothing is reserved beyond what was available; promises exceed on_hand only as far as
 *             the level's shortfall says
 *   hold      a hold is used before its end and expires not before it, and only once
 *   effect    an operation's movements are what it asked for, given the state before them
 *   order     what was invoked after another's answer comes after it in the ledger
 *   lost      an applied result is in the ledger
 *   denied    what was certainly not applied is not in the ledger
 *   result    an applied result tells what its movements say
 *   certain   two certain answers about one id agree
 *   settled   a settle's answer is what the ledger says
 *   refusal   a refusal was true at some moment between invoke and answer; what was due, released
 *   undone    a movement is taken back once, whoever asks for it
 *   run       a line of a run takes effect under one id, and is recorded as applied where it was;
 *             under that of a count list's line only that line is counted
 *   final     the tables at the end are what the movements add up to
 */
typedef void history_finding_fn(void *data, const char *rule, const char *text);

/* Calls found for each finding (the first HISTORY_FINDINGS_MAX; NULL: none), and returns how many
 * there were. text is one line. */
#define HISTORY_FINDINGS_MAX 100u
size_t history_judge(struct history *history, history_finding_fn *found, void *data);

/* What was judged, so that a run that proves nothing is seen. */
struct history_figures {
    uint64_t calls;
    uint64_t applied, refused, shed, unknown; /* calls by the kind of their result; none: unknown */
    uint64_t ids;
    uint64_t movements, groups;
    uint64_t unknown_applied; /* ids without a certain answer that are in the ledger … */
    uint64_t unknown_absent;  /* … and that are not, or as a void */
    uint64_t voids, expiries;
    uint64_t refusals_judged;  /* by the model, at a moment of their interval */
    uint64_t refusals_skipped; /* invalid, too_large, …: only judged as not applied */
    uint64_t moments;          /* states at which a refusal was tried */
    uint64_t undos;            /* operations that were taken back */
    uint64_t run_lines;        /* results of lines that were recorded, … */
    uint64_t list_lines;       /* … those of count lists, with what is open */
};
/* After history_judge. */
const struct history_figures *history_figures(const struct history *history);

/* Each id about which nothing certain was answered yet, with the operation of its last call (valid
 * as long as the history): what a client that goes on after a kill has to try again or to settle.
 * Settles are none of them. */
void history_each_open(const struct history *history,
                       void (*each)(void *data, const struct holdfast_operation *operation),
                       void *data);

/* ------------------------------------------------------------- the text form (format.md) */

/* Each writes one whole line with one write, so that a process killed in it leaves at most a last
 * line that is cut; the reader drops that. False: it could not be written. */
bool history_write_invoke(int fd, uint64_t call, int64_t time_us,
                          const struct holdfast_operation *operation);
bool history_write_result(int fd, uint64_t call, int64_t time_us,
                          const struct holdfast_result *result);

/* Reads lines into the history; a line "history …" replaces its options. name: of the file, for
 * messages. False, with where and why in error: a line (other than a cut last one) that is not of
 * the format. cut (may be NULL): the last line had no end and was dropped. */
bool history_read(struct history *history, FILE *file, const char *name, bool *cut, char *error,
                  size_t error_bytes);

#endif

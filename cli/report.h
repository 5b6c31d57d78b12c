/* SPDX-License-Identifier: MIT
 *
 * Results for people and for scripts: data on stdout, and on stderr, name first, what was not
 * applied and why. Decides the exit code of a write.
 */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/command.h"
#include "cli/table.h"
#include "client/holdfast_view.h"

#define TIME_TEXT_BYTES 32
/* Local time for people: 2026-11-24 21:45:10; "-" for 0. */
void local_time(int64_t time_us, char text[TIME_TEXT_BYTES]);

/* Prints a result; returns the exit code of its status. line: the LINE as typed when the command
 * runs one operation for each, otherwise NULL. */
int report_result(const struct invocation *invocation, const struct holdfast_operation *operation,
                  const struct holdfast_result *result, const char *line);

/* `name: text: what exactly` on stderr; line (may be NULL) goes between name and text. operation
 * (may be NULL): whose values are told. */
void report_fault(const struct holdfast_operation *operation, const struct holdfast_result *result,
                  const char *line);
/* A result that is not applied, of an operation that has no id of its own to repeat it with. */
void report_refusal(const struct invocation *invocation, const struct holdfast_result *result);
/* The same line for something that a query did not find; returns the status's exit code. */
int not_found(int status, const char *what);
void report_answer_fault(const struct holdfast_answer *answer);
void report_read_fault(const struct holdfast_view_answer *answer);
void report_interrupted(const struct invocation *invocation, const char *operation_id);

/* Tables on stdout. The columns of a level, as print_levels has them; without the versions, which
 * are the last, those of `holdfast stock`. */
#define LEVEL_COLUMNS 11
#define STOCK_COLUMNS 9
extern const struct column level_columns[LEVEL_COLUMNS];
/* The cells of STOCK_COLUMNS. */
void level_cells(struct table *table, const struct holdfast_level *level, const char *sku,
                 const char *warehouse);
void print_levels(const struct holdfast_level *levels, size_t count);
void print_reservation(const struct holdfast_reservation *reservation);
void print_movements(const struct holdfast_movement *const *movements, size_t count);

#endif

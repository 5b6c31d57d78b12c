/* SPDX-License-Identifier: MIT
 *
 * The history of a seed: what clients did, given to the checker (tests/history), which judges it at
 * the end together with the ledger and the tables.
 *
 * When a server is put back to an older copy, what was told before is void: from then on only
 * operations whose id was first used after it, and after the leases of before it, are judged by
 * their results, all others as unknown.
 */
#ifndef TESTS_SIMULATE_JUDGE_H
#define TESTS_SIMULATE_JUDGE_H

#include "tests/simulate/world.h"

/* For tables and traces; static text. */
const char *judge_kind_name(enum holdfast_operation_kind kind);

void judge_begin(void);
/* note->call was just handed to the library, or is about to be. Any heap may be current. */
void judge_invoke(const struct note *note);
void judge_result(const struct note *note, const struct holdfast_result *result);
/* A server has lost its tail. */
void judge_tail_lost(void);
/* The note that was handed over last under this id; NULL: nobody's. */
const struct note *judge_note(const uint8_t id[UUID_BYTES]);
/* True time until which an operation under this id may be begun, whoever asked. */
int64_t judge_effect_until_us(const uint8_t id[UUID_BYTES]);
/* Everything is quiet: sim_fail unless history and tables agree. */
void judge_end(void);

#endif

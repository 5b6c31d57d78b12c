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

#include "tests/simulate/reading.h"
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
/* A part of a reading is about to be asked; what it was answered: sim_fail unless it was true. */
void judge_ask(struct reading_part *part);
void judge_answer(const struct reading *reading, const struct reading_part *part,
                  const struct holdfast_answer *answer);
/* judge.c tells judge_read.c of a new seed, of what callers were told, and of a lost tail. */
void judge_read_begin(void);
void judge_read_told(uint32_t partition, uint64_t sequence);
void judge_read_lost(void);
/* Everything is quiet: sim_fail unless history and tables agree. */
void judge_end(void);

#endif

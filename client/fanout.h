/* SPDX-License-Identifier: MIT
 *
 * A query, or a settle of all partitions, as the parts that go to one partition each, and the
 * parts' answers as one. Pure. Parts are given out one by one, so that whoever drives it bounds
 * how many are in flight.
 */
#ifndef CLIENT_FANOUT_H
#define CLIENT_FANOUT_H

#include "client/encode.h"
#include "client/holdfast.h"

struct fanout;

/* Copies the query. NULL with the fault when an argument is bad or there is no memory. */
struct fanout *fanout_new_query(const struct holdfast_query *query, uint8_t op_class,
                                struct fault *fault);
/* One settle, encoded by encode_operation, for every partition. Takes settle->body on success. */
struct fanout *fanout_new_settle(struct encoded *settle, struct fault *fault);
void fanout_destroy(struct fanout **fanout);
bool fanout_is_query(const struct fanout *fanout);

/* Works out the parts, once the number of partitions is known. False: no memory. */
bool fanout_plan(struct fanout *fanout, uint32_t partitions);

/* The next part that was not given out yet; the caller's. False: none is left, or no memory
 * (fanout_left tells). */
bool fanout_next(struct fanout *fanout, struct encoded *part);
uint32_t fanout_left(const struct fanout *fanout);   /* not given out */
uint32_t fanout_flying(const struct fanout *fanout); /* given out and not answered */
/* A part that was not given out, and will not be, counts as failed. */
void fanout_not_sent(struct fanout *fanout, int status, const char *message);
/* So does one that was, and one of a fan-out that was never planned. */
void fanout_failed(struct fanout *fanout, int status, const char *message);
/* Takes the answer or result of one part. */
void fanout_answer(struct fanout *fanout, struct holdfast_answer *answer);
void fanout_result(struct fanout *fanout, struct holdfast_result *result);

/* Everything that came in, as one; afterwards the fanout holds nothing. Never NULL. cluster_now_us:
 * for the answer's age. */
struct holdfast_answer *fanout_merged_answer(struct fanout *fanout, int64_t cluster_now_us);
struct holdfast_result *fanout_merged_result(struct fanout *fanout);

#endif

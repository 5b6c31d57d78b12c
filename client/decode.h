/* SPDX-License-Identifier: MIT
 *
 * From the bodies Result and Answer to the structs of holdfast.h, each in memory of its own that
 * holdfast_result_free and holdfast_answer_free give back. Pure. What the peer sent has been
 * unpacked, and is otherwise not trusted: an unknown status code becomes HOLDFAST_UNKNOWN.
 */
#ifndef CLIENT_DECODE_H
#define CLIENT_DECODE_H

#include "client/holdfast.h"
#include "client/pool.h"
#include "protocol/holdfast.pb-c.h"

#include <stdint.h>

/* A result with its memory. holdfast_result_free gets &box->result. */
struct result_box {
    struct pool pool;
    struct holdfast_result result;
};

struct answer_box {
    struct pool pool;
    struct holdfast_answer answer;
};

/* NULL when there is no memory. operation_id names the operation when the wire does not. */
struct holdfast_result *decode_result(const Hf__Result *wire, const uint8_t operation_id[16]);
/* One partition's answer; its age_us is not an age yet but the time of reading, by the cluster's
 * clock. NULL when there is no memory. */
struct holdfast_answer *decode_answer(const Hf__Answer *wire);

/* A result or answer that this side gives. Never NULL: when there is no memory, the static one with
 * HOLDFAST_UNKNOWN. field and message are copied. */
struct holdfast_result *make_result(int status, const uint8_t operation_id[16], const char *field,
                                    const char *message);
struct holdfast_answer *make_answer(int status, const char *field, const char *message);

/* Another message in place of the one that it has; when there is no memory, it stays. */
void result_set_message(struct holdfast_result *result, const char *message);

/* Parts, in the pool of whatever they are parts of; false when there is no memory. Counts of 0
 * leave the array NULL. */
bool decode_text(struct pool *pool, const char **to, ProtobufCBinaryData from);
bool decode_string(struct pool *pool, const char **to, const char *from);
bool decode_level(struct pool *pool, struct holdfast_level *to, const Hf__Level *from);
bool decode_levels(struct pool *pool, const struct holdfast_level **to, size_t *to_count,
                   Hf__Level **from, size_t count);
bool decode_reservation(struct pool *pool, struct holdfast_reservation *to,
                        const Hf__Reservation *from);
bool decode_reservations(struct pool *pool, const struct holdfast_reservation **to,
                         size_t *to_count, Hf__Reservation **from, size_t count);
bool decode_movement(struct pool *pool, struct holdfast_movement *to, const Hf__Movement *from);
bool decode_item(struct pool *pool, struct holdfast_item *to, const Hf__Item *from);
/* A status code of ours: HOLDFAST_UNKNOWN for one that is not known here. */
int decode_status(uint32_t code);

bool result_is_static(const struct holdfast_result *result);
struct answer_box *answer_box_of(struct holdfast_answer *answer);

#endif

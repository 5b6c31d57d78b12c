/* SPDX-License-Identifier: MIT
 *
 * A fan-out, for the files that make it up: fanout.c keeps what is asked, fanout_parts.c makes its
 * parts, fanout_merge.c takes what comes back.
 */
#ifndef CLIENT_FANOUT_PRIVATE_H
#define CLIENT_FANOUT_PRIVATE_H

#include "client/fanout.h"
#include "client/pool.h"
#include "protocol/holdfast.pb-c.h"

#define FANOUT_KEYS_MAX 256u

enum spread {
    SPREAD_KEYS, /* each key goes to the partition that it belongs to */
    SPREAD_ONE,  /* one partition */
    SPREAD_ALL,  /* every partition gets the same */
};

struct fanout {
    bool is_query;
    struct pool pool;
    uint8_t op_class;
    enum spread spread;
    uint32_t partitions;

    /* a query: a copy of what was asked */
    enum holdfast_query_kind kind;
    ProtobufCBinaryData *keys; /* skus, reservations, operation ids */
    size_t key_count;
    uint32_t *key_partitions;
    const char *after, *warehouse, *barcode, *order, *sku;
    uint32_t limit;
    bool expiring;
    uint64_t before;
    uint64_t token;
    enum holdfast_audit_what audit;
    bool has_after_id; /* AUDIT_IDS */
    uint8_t after_id[UUID_BYTES];
    uint32_t bucket;
    bool one_partition;
    uint32_t partition;
    const char *run;
    uint64_t *sequences;
    size_t sequence_count;
    uint8_t *dry_body; /* a dry run's query, packed */
    size_t dry_bytes;

    struct encoded settle; /* a settle: the body for all */

    uint32_t next; /* partitions below this one have been given out, or have no part */
    uint32_t left, flying, asked, answered;
    int worst; /* HOLDFAST_APPLIED: every part that came in was answered */
    const char *worst_field, *worst_message;

    struct pool parts; /* memory of all answers that came in */
    struct answer_part *answers;
    struct holdfast_result *best; /* settle: the outcome so far */
};

struct answer_part {
    struct answer_part *next;
    struct holdfast_answer answer;
};

#endif

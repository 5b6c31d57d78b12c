/* SPDX-License-Identifier: MIT
 *
 * Operation ids over all partitions. The database keeps an id unique within a partition; an id that
 * somebody used for two things may have taken effect in two. Every owner gives the ids of its
 * ledger in their order, a page at a time, and here they are merged: what comes twice in a row is
 * looked up. A page of each partition is in memory, whatever the ledger's length.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/audit.h"

#define LOOKED_UP_AT_ONCE 256u

struct reader {
    uint32_t partition;
    uint8_t (*ids)[UUID_BYTES];
    size_t count, at;
    bool more;
};

struct merge {
    struct audit *audit;
    uint64_t token;
    struct reader *readers;
    struct reader **heap; /* those that have an id; the lowest in front */
    size_t heap_count;
    char twice[LOOKED_UP_AT_ONCE][UUID_TEXT_BYTES]; /* to be looked up */
    size_t twice_count;
};

/* ------------------------------------------------------------- one partition */

/* The next page. False: there is none; when the owner did not give it, the merge is incomplete. */
static bool read_page(struct merge *merge, struct reader *reader)
{
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_AUDIT, .token = merge->token, .audit = HOLDFAST_AUDIT_IDS};
    char after[UUID_TEXT_BYTES];

    if (reader->count > 0) {
        uuid_format(reader->ids[reader->count - 1], after);
        query.after = after;
    }
    struct holdfast_answer *answer = audit_poll_owner(merge->audit, &query, reader->partition);
    if (!answer) {
        merge->audit->ids_incomplete = true;
        return false;
    }
    const struct holdfast_audited *audited = &answer->audited[0];
    free(reader->ids);
    reader->ids = calloc(audited->id_count + 1, sizeof *reader->ids);
    if (!reader->ids)
        abort();
    if (audited->id_count > 0)
        memcpy(reader->ids, audited->ids, audited->id_count * sizeof *reader->ids);
    reader->count = audited->id_count;
    reader->at = 0;
    reader->more = answer->more;
    holdfast_answer_free(&answer);
    return reader->count > 0;
}

static bool step(struct merge *merge, struct reader *reader)
{
    if (++reader->at < reader->count)
        return true;
    return reader->more && read_page(merge, reader);
}

/* ------------------------------------------------------------- the heap */

static bool is_below(const struct reader *a, const struct reader *b)
{
    return memcmp(a->ids[a->at], b->ids[b->at], UUID_BYTES) < 0;
}

static void sink(struct merge *merge, size_t at)
{
    for (;;) {
        size_t lowest = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < merge->heap_count; child++) {
            if (is_below(merge->heap[child], merge->heap[lowest]))
                lowest = child;
        }
        if (lowest == at)
            return;
        struct reader *moved = merge->heap[at];
        merge->heap[at] = merge->heap[lowest];
        merge->heap[lowest] = moved;
        at = lowest;
    }
}

/* Owners work side by side: all begin their first page before the first of them is waited for. */
static void begin_all(struct merge *merge)
{
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_AUDIT, .token = merge->token, .audit = HOLDFAST_AUDIT_IDS};
    struct holdfast_answer *begun = session_await(merge->audit->session, &query);

    holdfast_answer_free(&begun);
}

static void fill(struct merge *merge)
{
    struct audit *audit = merge->audit;

    begin_all(merge);
    for (uint32_t p = 0; p < audit->partitions && !was_interrupted(); p++) {
        struct reader *reader = &merge->readers[p];
        reader->partition = p;
        if (audit->parts[p].answered && read_page(merge, reader))
            merge->heap[merge->heap_count++] = reader;
    }
    for (size_t i = merge->heap_count / 2; i-- > 0;)
        sink(merge, i);
}

/* ------------------------------------------------------------- what comes twice */

/* Every partition but the lowest, as something that is there beside it. */
static void name_id(struct audit *audit, const struct holdfast_answer *answer, const char *id)
{
    const struct holdfast_result *lowest = NULL;

    for (size_t i = 0; i < answer->result_count; i++) {
        const struct holdfast_result *result = &answer->results[i];
        if (strcmp(result->operation_id, id) == 0 &&
            (!lowest || result->partition < lowest->partition))
            lowest = result;
    }
    for (size_t i = 0; i < answer->result_count; i++) {
        const struct holdfast_result *other = &answer->results[i];
        if (other == lowest || strcmp(other->operation_id, id) != 0)
            continue;
        struct audit_found *found = audit_add(audit, "operation_partitions", lowest->partition);
        if (found)
            snprintf(found->message, sizeof found->message,
                     "operation %s, up to movement %llu: also in partition %u, up to movement %llu",
                     id, (unsigned long long)lowest->sequence, other->partition,
                     (unsigned long long)other->sequence);
    }
}

/* A void is no effect: a settle of all partitions leaves one in each. */
static void look_up(struct merge *merge)
{
    const char *ids[LOOKED_UP_AT_ONCE];
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_OPERATION, .skus = ids, .sku_count = merge->twice_count};

    for (size_t i = 0; i < merge->twice_count; i++)
        ids[i] = merge->twice[i];
    if (merge->twice_count == 0)
        return;
    struct holdfast_answer *answer = session_await(merge->audit->session, &query);
    if (answer->status != HOLDFAST_APPLIED)
        merge->audit->ids_incomplete = true;
    for (size_t i = 0; i < merge->twice_count; i++)
        name_id(merge->audit, answer, ids[i]);
    holdfast_answer_free(&answer);
    merge->twice_count = 0;
}

static void note_twice(struct merge *merge, const uint8_t id[UUID_BYTES])
{
    char text[UUID_TEXT_BYTES];

    uuid_format(id, text);
    if (merge->twice_count > 0 && strcmp(merge->twice[merge->twice_count - 1], text) == 0)
        return; /* three times */
    if (merge->twice_count == LOOKED_UP_AT_ONCE)
        look_up(merge);
    memcpy(merge->twice[merge->twice_count++], text, sizeof text);
}

void audit_compare_ids(struct audit *audit)
{
    struct merge merge = {.audit = audit, .token = audit_new_token()};
    uint8_t before[UUID_BYTES] = {0};

    merge.readers = calloc(audit->partitions + 1, sizeof *merge.readers);
    merge.heap = calloc(audit->partitions + 1, sizeof *merge.heap);
    if (!merge.readers || !merge.heap)
        abort();
    fill(&merge);
    while (merge.heap_count > 0 && !audit->more && !was_interrupted()) {
        struct reader *reader = merge.heap[0];
        if (memcmp(reader->ids[reader->at], before, UUID_BYTES) == 0)
            note_twice(&merge, before);
        memcpy(before, reader->ids[reader->at], UUID_BYTES);
        audit->ids++;
        if (!step(&merge, reader))
            merge.heap[0] = merge.heap[--merge.heap_count];
        sink(&merge, 0);
    }
    if (!was_interrupted())
        look_up(&merge);
    for (uint32_t p = 0; p < audit->partitions; p++)
        free(merge.readers[p].ids);
    free(merge.readers);
    free(merge.heap);
}

/* SPDX-License-Identifier: MIT
 *
 * The queries of one snapshot, and the table of what may be asked; query_*.c know how each is read.
 * An audit is not read here: the auditor's thread does that, and is asked for what came out.
 */
#include "workers/query.h"

#include <assert.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/auditor.h"
#include "workers/claims.h"
#include "workers/query_impl.h"
#include "workers/session.h"
#include "workers/store_read.h"

/* Queries that share a snapshot; the loop looks at operations in between. */
#define QUERIES_PER_SNAPSHOT 64u
/* So much of bodies ends a snapshot: a query that asks for much takes long. */
#define SNAPSHOT_BODY_BYTES 16384u

static const struct {
    Hf__Query__KindCase kind;
    query_handler *handler;
} handlers[] = {
    {HF__QUERY__KIND_STOCK, query_stock},
    {HF__QUERY__KIND_ITEM, query_item},
    {HF__QUERY__KIND_WAREHOUSE, query_warehouse},
    {HF__QUERY__KIND_REASON, query_reason},
    {HF__QUERY__KIND_RESERVATION, query_reservation},
    {HF__QUERY__KIND_HISTORY, query_history},
    {HF__QUERY__KIND_OPERATION, query_operation},
    {HF__QUERY__KIND_RUN, query_run},
    {HF__QUERY__KIND_RUN_LINES, query_run_lines},
    {HF__QUERY__KIND_MOVEMENT, query_movement},
    {HF__QUERY__KIND_DRY_RUN, query_dry_run},
};

enum db_outcome query_refuse(struct query *query, enum status status, const char *field,
                             const char *message)
{
    query->answer.status = (uint32_t)status;
    query->answer.field = (char *)(uintptr_t)field;
    query->answer.message = (char *)(uintptr_t)message;
    return DB_OK;
}

bool query_code(struct query *query, const ProtobufCBinaryData *bytes, const char *field)
{
    const char *fault = code_fault(bytes->data, bytes->len);

    if (fault)
        (void)query_refuse(query, STATUS_invalid, field, fault);
    return !fault;
}

bool query_limit(struct query *query, uint32_t limit, const char *field)
{
    bool good = limit >= 1 && limit <= QUERY_LIMIT_MAX;

    if (!good)
        (void)query_refuse(query, STATUS_invalid, field, "is not from 1 to 1,000");
    return good;
}

bool query_skus(struct query *query, const ProtobufCBinaryData *skus, size_t count,
                const char *field)
{
    uint32_t partitions = query->worker->config->partitions;

    if (count > QUERY_IDS_MAX) {
        (void)query_refuse(query, STATUS_too_large, field, "names more than 256");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!query_code(query, &skus[i], field))
            return false;
        uint32_t partition = partition_of_sku(skus[i].data, skus[i].len, partitions);
        if (partition != query->slot->partition) {
            query->answer.partition_wanted = partition;
            (void)query_refuse(query, STATUS_wrong_partition, field,
                               "names a sku of another partition");
            return false;
        }
    }
    return true;
}

ProtobufCBinaryData query_bytes(struct query *query, const char *field, unsigned long length)
{
    ProtobufCBinaryData bytes = {0};

    if (field && length > 0) {
        bytes.len = length;
        bytes.data = arena_copy(query->arena, field, length);
    }
    return bytes;
}

/* ------------------------------------------------------------- the snapshot */

struct snapshot {
    struct worker *worker;
    struct query queries[QUERIES_PER_SNAPSHOT];
    size_t count;
};

static enum db_outcome open_snapshot(struct snapshot *snapshot)
{
    struct store_fence fences[QUERIES_PER_SNAPSHOT];

    for (size_t i = 0; i < snapshot->count; i++) {
        const struct slot *slot = snapshot->queries[i].slot;
        fences[i] = (struct store_fence){
            .partition = slot->partition, .epoch = slot->epoch, .claim_id = slot->claim_id};
    }
    enum db_outcome outcome = store_snapshot(&snapshot->worker->db, fences, snapshot->count);
    for (size_t i = 0; outcome == DB_OK && i < snapshot->count; i++) {
        struct query *query = &snapshot->queries[i];
        query->fenced = fences[i].holds;
        query->answer.sequence = fences[i].sequence;
        query->answer.read_at_us = fences[i].at_us;
    }
    return outcome;
}

static bool dispose(struct worker *worker, struct work **work, int64_t now_us)
{
    if (session_is_current(*work) && !worker->stopping &&
        worker_slot(worker, (*work)->header.partition)) {
        if ((*work)->header.not_after_us >= session_clock_us((*work)->session, now_us))
            return false;
        work_answer_status(work, STATUS_deadline_exceeded, "not begun before not_after");
        return true;
    }
    work_return(work);
    return true;
}

/* A field that we do not know could change what is asked. */
static bool is_understood(const Hf__Query *asked)
{
    const ProtobufCMessage *kind = (const ProtobufCMessage *)asked->stock;

    return asked->base.n_unknown_fields == 0 && kind && kind->n_unknown_fields == 0;
}

static void tell(struct query *query);

static const char *audit_fault(const Hf__AuditQuery *asked, const char **field)
{
    *field = "audit.token";
    if (asked->token == 0)
        return "must be a random number, not 0";
    *field = "audit.what";
    if (!protobuf_c_enum_descriptor_get_value(&hf__audit_what__descriptor, (int)asked->what))
        return "is nothing that can be asked";
    *field = "audit.after";
    if (asked->after.len > 0 &&
        (asked->after.len != UUID_BYTES || asked->what != HF__AUDIT_WHAT__AUDIT_IDS))
        return "is not an id, or not of this question";
    *field = "audit.bucket";
    return asked->bucket < DIGEST_BUCKETS ? NULL : "must be below 256";
}

static void tell_audit(struct query *query, const struct audit_reply *reply)
{
    Hf__Answer *answer =
        hf__answer__unpack(&query->arena->allocator, reply->body_bytes, reply->body);

    assert(answer);
    query->answer = *answer;
    tell(query);
}

/* An audit: what there is of it, at once. */
static void answer_audit(struct query *query, int64_t now_us)
{
    struct worker *worker = query->worker;
    const struct slot *slot = query->slot;
    const Hf__AuditQuery *asked = query->asked->audit;
    struct audit_request request = {.token = asked->token,
                                    .partition = slot->partition,
                                    .what = asked->what,
                                    .bucket = asked->bucket,
                                    .has_after = asked->after.len == UUID_BYTES,
                                    .epoch = slot->epoch};
    const struct audit_reply *reply;
    const char *field, *fault = audit_fault(asked, &field);

    memcpy(request.claim_id, slot->claim_id, sizeof request.claim_id);
    if (request.has_after)
        memcpy(request.after, asked->after.data, UUID_BYTES);
    if (fault) {
        (void)query_refuse(query, STATUS_invalid, field, fault);
        tell(query);
        return;
    }
    switch (auditor_ask(worker->auditor, &request, &reply, now_us)) {
    case AUDITOR_RUNNING:
        query->answer.running = true;
        tell(query);
        return;
    case AUDITOR_DONE:
        tell_audit(query, reply);
        return;
    case AUDITOR_NOT_OURS:
        worker->claims.look_next_us = 0;
        work_return(&query->work);
        return;
    case AUDITOR_FAILED:
        (void)query_refuse(query, STATUS_unavailable, "", "the database does not answer now");
        tell(query);
        return;
    case AUDITOR_FULL:
        (void)query_refuse(query, STATUS_busy, "", "too many audits are asked for");
        query->answer.retry_after_ms = 1000;
        tell(query);
        return;
    }
}

static void take(struct snapshot *snapshot, int64_t now_us)
{
    struct worker *worker = snapshot->worker;
    struct work *work;
    size_t bytes = 0;

    while (snapshot->count < QUERIES_PER_SNAPSHOT && bytes < SNAPSHOT_BODY_BYTES &&
           (work = work_pop(&worker->queries)) != NULL) {
        if (dispose(worker, &work, now_us))
            continue;
        bytes += work->body_bytes;
        struct query *query = &snapshot->queries[snapshot->count];
        *query = (struct query){.worker = worker, .work = work, .arena = &worker->arena};
        query->slot = worker_slot(worker, work->header.partition);
        query->asked = hf__query__unpack(&query->arena->allocator, work->body_bytes, work->body);
        hf__answer__init(&query->answer);
        query->answer.partition = query->slot->partition;
        query->answer.claim_id.data = query->slot->claim_id;
        query->answer.claim_id.len = sizeof query->slot->claim_id;
        if (query->asked && query->asked->kind_case == HF__QUERY__KIND_AUDIT &&
            is_understood(query->asked) && worker->auditor)
            answer_audit(query, now_us);
        else
            snapshot->count++;
    }
}

static enum db_outcome answer(struct query *query)
{
    const Hf__Query *asked = query->asked;

    if (!asked)
        return query_refuse(query, STATUS_invalid, "query", "the body is not a Query");
    if (asked->kind_case == HF__QUERY__KIND__NOT_SET || !is_understood(asked))
        return query_refuse(query, STATUS_invalid, "query", "asks for nothing known here");
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (handlers[i].kind == asked->kind_case)
            return handlers[i].handler(query);
    }
    return query_refuse(query, STATUS_invalid, "query", "asks for nothing known here");
}

/* A page of long reservations may be more than a message holds; the caller asks for fewer. */
static void tell(struct query *query)
{
    if (hf__answer__get_packed_size(&query->answer) > query->worker->config->limits.message_bytes)
        work_answer_status(&query->work, STATUS_too_large,
                           "the answer is larger than a message: ask for less");
    else
        work_answer_answer(&query->work, &query->answer);
}

void query_tick(struct worker *worker, int64_t now_us)
{
    struct snapshot snapshot = {.worker = worker};
    bool lost = false;

    if (worker->queries.count == 0)
        return;
    arena_reset(&worker->arena);
    take(&snapshot, now_us);
    if (snapshot.count == 0) {
        sessions_flush(worker);
        return;
    }
    enum db_outcome opened = open_snapshot(&snapshot), outcome = opened;
    for (size_t i = 0; i < snapshot.count; i++) {
        struct query *query = &snapshot.queries[i];
        if (outcome == DB_OK && !query->fenced) {
            lost = true;
            work_return(&query->work);
            continue;
        }
        if (outcome == DB_OK)
            outcome = answer(query);
        if (outcome != DB_OK)
            query_refuse(query, STATUS_unavailable, "", "the database does not answer now");
        tell(query);
        worker->metrics.queries++;
    }
    if (outcome != DB_OK)
        log_limited(LOG_WARN, "queries=%zu could not read: %s", snapshot.count,
                    db_error(&worker->db));
    db_rollback(&worker->db);
    if (lost)
        worker->claims.look_next_us = 0;
    sessions_flush(worker);
}

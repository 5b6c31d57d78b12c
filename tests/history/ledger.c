/* SPDX-License-Identifier: MIT
 *
 * The order of the ledger. Sorts each partition's rows, makes groups of them (the rows of one
 * operation), finds whose each group is, and learns when the ledger stood where.
 *
 * No clock but the clients' is needed for that. What a client was told to be applied was committed
 * when it heard so: at that time the partition had come at least to that sequence. What a client
 * first asked for at some time was not committed before: until then the partition had not come to
 * it. Between these two bounds lies every state that a call can have met.
 */
#include "tests/history/history_impl.h"

#include <stdlib.h>
#include <string.h>

static int compare_rows(const void *a, const void *b)
{
    const struct history_movement *x = a, *y = b;

    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void check_rows(struct history *history, uint32_t partition, const struct log *log)
{
    for (size_t i = 0; i < log->row_count; i++) {
        const struct history_movement *row = &log->rows[i];
        const struct history_movement *before = i > 0 ? row - 1 : NULL;
        if (row->seq != (before ? before->seq : 0) + 1)
            finding(history, "sequence", "partition %u: %llu comes after %llu", partition,
                    (unsigned long long)row->seq, (unsigned long long)(before ? before->seq : 0));
        if (!before)
            continue;
        if (row->epoch < before->epoch)
            finding(history, "epoch", "partition %u: %llu is of epoch %llu, the one before of %llu",
                    partition, (unsigned long long)row->seq, (unsigned long long)row->epoch,
                    (unsigned long long)before->epoch);
        if (row->at_us < before->at_us)
            finding(history, "clock", "partition %u: %llu is %lld us earlier than the one before",
                    partition, (unsigned long long)row->seq,
                    (long long)(before->at_us - row->at_us));
    }
}

/* ------------------------------------------------------------- groups */

static bool is_expiry_id(const uint8_t id[UUID_BYTES])
{
    return (id[8] & 0xc0) == 0xc0;
}

static void make_groups(struct history *history, uint32_t partition, struct log *log)
{
    size_t capacity = 0;

    for (size_t i = 0; i < log->row_count; i++) {
        const struct history_movement *row = &log->rows[i];
        const struct history_movement *before = i > 0 ? row - 1 : NULL;
        if (before && row->idx != 0 && row->idx == before->idx + 1 &&
            memcmp(row->operation_id, before->operation_id, UUID_BYTES) == 0) {
            log->groups[log->group_count - 1].count++;
            continue;
        }
        if (row->idx != 0)
            finding(history, "rows", "operation %s: row %u at %u:%llu does not follow row %u",
                    show_id(row->operation_id), row->idx, partition, (unsigned long long)row->seq,
                    row->idx - 1);
        log->groups = history_grow(log->groups, log->group_count, &capacity, sizeof *log->groups);
        log->groups[log->group_count++] = (struct group){
            .partition = partition,
            .first = i,
            .count = 1,
            .is_void = row->kind == HF__MOVEMENT_KIND__MOVEMENT_VOIDED,
            .is_expiry = is_expiry_id(row->operation_id),
        };
    }
}

/* Does the group's first row look like this operation's? The model compares the rest. */
static bool could_be(const struct history *history, const struct group *group,
                     const struct operation *operation)
{
    const struct history_movement *row = &history->logs[group->partition].rows[group->first];

    if (operation->body.kind == HOLDFAST_PURCHASE &&
        row->kind == HF__MOVEMENT_KIND__MOVEMENT_RELEASED)
        return true;
    return movement_of(operation->body.kind) == row->kind;
}

bool is_denied(const struct call *call)
{
    return call->result && (call->result->kind == HOLDFAST_KIND_REFUSED ||
                            call->result->kind == HOLDFAST_KIND_SHED);
}

/* Ids of version 8 are made of names that many know. */
static bool is_shared(const struct ident *ident)
{
    return ident->id[6] >> 4 == 8;
}

bool speaks_for(const struct call *denied, const struct call *call)
{
    return !is_shared(call->ident) || denied->attempt > 1;
}

bool is_over(const struct call *call)
{
    for (const struct call *other = call->ident->calls; other; other = other->next) {
        if (is_denied(other) && other->answer_us > call->invoke_us && speaks_for(other, call) &&
            same_body(other->operation, call->operation))
            return true;
    }
    return false;
}

/* The body whose caller was told that these rows are of it; NULL: nobody was. */
static const char *told_body(const struct history *history, const struct group *group)
{
    for (const struct call *call = group->ident->calls; call; call = call->next) {
        if (call->result && call->result->kind == HOLDFAST_KIND_APPLIED &&
            call->result->partition == group->partition &&
            call->result->sequence == sequence_of(history, group) &&
            could_be(history, group, call->operation))
            return operation_body(call->operation);
    }
    return NULL;
}

/* Whose body it is: of the calls of its id, that of whom was told so; or the first that can have
 * been applied, or else any that looks like it. Several may ask for different things under an id
 * that everybody can derive; here: only what belongs to this partition. */
static void attribute_to(const struct history *history, struct group *group, bool here)
{
    const char *told = told_body(history, group);

    for (const struct call *call = group->ident->calls; call; call = call->next) {
        const struct operation *operation = call->operation;
        if (!could_be(history, group, operation) ||
            (told && !same_text(operation_body(operation), told)) ||
            (here && operation->has_partition && operation->partition != group->partition))
            continue;
        if (!group->operation)
            group->operation = operation;
        if (!is_over(call) && !is_denied(call)) {
            group->operation = operation;
            group->since_us = call->invoke_us;
            return;
        }
    }
}

const struct call *ledger_other_body(const struct history *history, const struct group *group,
                                     const struct call *last)
{
    const struct call *call = last ? last->next : group->ident ? group->ident->calls : NULL;

    if (!group->operation || told_body(history, group))
        return NULL;
    for (; call; call = call->next) {
        if (could_be(history, group, call->operation) && !is_over(call) && !is_denied(call) &&
            !same_body(call->operation, group->operation))
            return call;
    }
    return NULL;
}

static void attribute(const struct history *history, struct group *group)
{
    group->since_us = NEVER_US;
    attribute_to(history, group, true);
    if (!group->operation)
        attribute_to(history, group, false);
    /* A denied one is judged elsewhere; here it began with its first call. */
    if (group->since_us == NEVER_US && group->ident->calls)
        group->since_us = group->ident->calls->invoke_us;
}

static void begin_void(struct group *group)
{
    group->since_us = group->ident->calls ? group->ident->calls->invoke_us : NEVER_US;
    for (const struct call *call = group->ident->settlers; call; call = call->settler) {
        if (call->invoke_us < group->since_us)
            group->since_us = call->invoke_us;
    }
}

static void find_owner(struct history *history, struct group *group)
{
    const struct log *log = &history->logs[group->partition];
    const struct history_movement *row = &log->rows[group->first];

    history->figures.groups++;
    history->figures.voids += group->is_void;
    history->figures.expiries += group->is_expiry;
    if (group->is_expiry) {
        group->since_us = INT64_MIN;
        if (row->kind != HF__MOVEMENT_KIND__MOVEMENT_EXPIRED)
            finding(history, "phantom", "%u:%llu: %s under an id that only an expiry has",
                    group->partition, (unsigned long long)row->seq,
                    holdfast_movement_name(row->kind));
    }
    group->ident = ident_obtain(history, row->operation_id);
    struct group **at = &group->ident->groups;
    while (*at)
        at = &(*at)->next;
    *at = group;
    if (group->is_expiry)
        return;
    if (group->is_void)
        begin_void(group);
    else
        attribute(history, group);
    if (group->since_us == NEVER_US)
        finding(history, "phantom", "%u:%llu: %s under %s, which nobody invoked", group->partition,
                (unsigned long long)row->seq, holdfast_movement_name(row->kind),
                show_id(row->operation_id));
}

/* ------------------------------------------------------------- moments */

static uint64_t last_seq(const struct log *log, const struct group *group)
{
    return log->rows[group->first + group->count - 1].seq;
}

static int compare_moments(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;

    if (x->time_us != y->time_us)
        return x->time_us < y->time_us ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* When the group's operation was first known to be committed; NEVER_US: nobody was told. */
static int64_t told_at(const struct group *group)
{
    int64_t at = NEVER_US;

    for (const struct call *call = group->ident->calls; call && !group->is_void;
         call = call->next) {
        if (call->result && call->result->kind == HOLDFAST_KIND_APPLIED &&
            call->operation->body.kind != HOLDFAST_SETTLE && call->answer_us < at)
            at = call->answer_us;
    }
    for (const struct call *call = group->ident->settlers; call; call = call->settler) {
        const struct holdfast_result *result = call->result;
        if (result && result->kind == HOLDFAST_KIND_APPLIED && call->answer_us < at &&
            (group->is_void
                 ? result->settle == HOLDFAST_SETTLE_VOID && result->partition == group->partition
                 : result->settle == HOLDFAST_SETTLE_APPLIED))
            at = call->answer_us;
    }
    return at;
}

static void make_moments(struct history *history, struct log *log)
{
    int64_t skew_us = history->options.clock_skew_us;
    size_t past_capacity = 0, future_capacity = 0;

    for (size_t i = 0; i < log->group_count; i++) {
        const struct group *group = &log->groups[i];
        uint64_t first = log->rows[group->first].seq;
        int64_t told_us = told_at(group), since_us = group->since_us;
        if (told_us != NEVER_US) {
            log->past = history_grow(log->past, log->past_count, &past_capacity, sizeof *log->past);
            log->past[log->past_count++] = (struct moment){told_us, last_seq(log, group)};
        }
        /* It was decided at its time, so it was not committed before. */
        if (skew_us >= 0 && log->rows[group->first].at_us - skew_us > since_us)
            since_us = log->rows[group->first].at_us - skew_us;
        if (since_us == NEVER_US || since_us == INT64_MIN)
            continue;
        log->future =
            history_grow(log->future, log->future_count, &future_capacity, sizeof *log->future);
        log->future[log->future_count++] = (struct moment){since_us, first};
    }
    if (log->past_count > 0)
        qsort(log->past, log->past_count, sizeof *log->past, compare_moments);
    for (size_t i = 1; i < log->past_count; i++) {
        if (log->past[i].seq < log->past[i - 1].seq)
            log->past[i].seq = log->past[i - 1].seq;
    }
    if (log->future_count > 0)
        qsort(log->future, log->future_count, sizeof *log->future, compare_moments);
    for (size_t i = log->future_count; i > 1; i--) {
        if (log->future[i - 2].seq > log->future[i - 1].seq)
            log->future[i - 2].seq = log->future[i - 1].seq;
    }
}

/* The highest sequence that was committed at that time; 0: nothing known. */
static uint64_t seq_before(const struct log *log, int64_t time_us)
{
    size_t low = 0, high = log->past_count; /* the first that came after */

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->past[middle].time_us <= time_us)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? log->past[low - 1].seq : 0;
}

/* The lowest sequence that cannot have been committed at that time; UINT64_MAX: none is known. */
static uint64_t seq_after(const struct log *log, int64_t time_us)
{
    size_t low = 0, high = log->future_count; /* the first that was invoked later */

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->future[middle].time_us <= time_us)
            low = middle + 1;
        else
            high = middle;
    }
    return low < log->future_count ? log->future[low].seq : UINT64_MAX;
}

/* How many groups end at or before seq. */
static size_t groups_up_to(const struct log *log, uint64_t seq)
{
    size_t low = 0, high = log->group_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (last_seq(log, &log->groups[middle]) <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t ledger_groups_before(const struct log *log, int64_t time_us)
{
    return groups_up_to(log, seq_before(log, time_us));
}

size_t ledger_groups_possible(const struct log *log, int64_t time_us)
{
    uint64_t after = seq_after(log, time_us);

    return after == UINT64_MAX ? log->group_count : groups_up_to(log, after - 1);
}

static void check_order(struct history *history, const struct log *log)
{
    int64_t skew_us = history->options.clock_skew_us;

    for (size_t i = 0; i < log->group_count; i++) {
        const struct group *group = &log->groups[i];
        const struct history_movement *row = &log->rows[group->first];
        if (group->is_expiry || group->since_us == NEVER_US)
            continue;
        /* What is told at the very moment of an invoke may be either way round. */
        uint64_t before = seq_before(log, group->since_us - 1);
        if (before >= row->seq)
            finding(history, "order",
                    "%u:%llu (%s) was invoked when %llu had been answered already",
                    group->partition, (unsigned long long)row->seq, show_id(row->operation_id),
                    (unsigned long long)before);
        if (skew_us < 0)
            continue;
        int64_t told_us = told_at(group);
        if (row->at_us < group->since_us - skew_us)
            finding(history, "clock", "%u:%llu (%s) is %lld us older than its invoke",
                    group->partition, (unsigned long long)row->seq, show_id(row->operation_id),
                    (long long)(group->since_us - row->at_us));
        if (told_us != NEVER_US && row->at_us > told_us + skew_us)
            finding(history, "clock", "%u:%llu (%s) is %lld us younger than its answer",
                    group->partition, (unsigned long long)row->seq, show_id(row->operation_id),
                    (long long)(row->at_us - told_us));
    }
}

void ledger_order(struct history *history)
{
    history_log(history, history->options.partitions - 1);
    for (uint32_t i = 0; i < history->log_count; i++) {
        struct log *log = &history->logs[i];
        history->figures.movements += log->row_count;
        if (log->row_count > 0)
            qsort(log->rows, log->row_count, sizeof *log->rows, compare_rows);
        check_rows(history, i, log);
        make_groups(history, i, log);
        for (size_t g = 0; g < log->group_count; g++)
            find_owner(history, &log->groups[g]);
    }
    for (uint32_t i = 0; i < history->log_count; i++) {
        make_moments(history, &history->logs[i]);
        check_order(history, &history->logs[i]);
    }
}

/* SPDX-License-Identifier: MIT
 *
 * What comes back from the partitions, as one answer or result; see fanout.h.
 */
#include "client/fanout_private.h"

#include <stdlib.h>
#include <string.h>

#include "client/decode.h"

/* ------------------------------------------------------------- what comes back */

/* A refusal says more than that nobody answered. */
static void remember_fault(struct fanout *f, int status, const char *field, const char *message)
{
    if (f->worst != HOLDFAST_APPLIED && !(holdfast_status_kind(status) == HOLDFAST_KIND_REFUSED &&
                                          holdfast_status_kind(f->worst) != HOLDFAST_KIND_REFUSED))
        return;
    f->worst = status;
    f->worst_field = pool_text(&f->pool, field, strlen(field));
    f->worst_message = pool_text(&f->pool, message, strlen(message));
}

void fanout_not_sent(struct fanout *f, int status, const char *message)
{
    if (f->left > 0)
        f->left--;
    remember_fault(f, status, "", message);
}

static void part_is_back(struct fanout *f)
{
    if (f->flying > 0)
        f->flying--;
    else if (f->left > 0)
        f->left--;
}

void fanout_failed(struct fanout *f, int status, const char *message)
{
    part_is_back(f);
    remember_fault(f, status, "", message);
}

void fanout_answer(struct fanout *f, struct holdfast_answer *answer)
{
    struct answer_box *box = answer_box_of(answer);
    struct answer_part *part = box ? pool_alloc(&box->pool, sizeof *part) : NULL;

    part_is_back(f);
    if (answer->status != HOLDFAST_APPLIED || !part) {
        remember_fault(f, part ? answer->status : HOLDFAST_UNAVAILABLE, answer->field,
                       answer->message);
        holdfast_answer_free(&answer);
        return;
    }
    part->answer = *answer;
    part->next = f->answers;
    f->answers = part;
    f->answered++;
    pool_adopt(&f->parts, &box->pool);
    holdfast_answer_free(&answer);
}

void fanout_result(struct fanout *f, struct holdfast_result *result)
{
    bool is_better = !f->best;

    part_is_back(f);
    if (result->kind != HOLDFAST_KIND_APPLIED)
        remember_fault(f, result->status, result->field, result->message);
    else
        f->answered++;
    /* Applied anywhere is the outcome; otherwise void only when every partition says so. */
    if (f->best && f->best->settle != HOLDFAST_SETTLE_APPLIED)
        is_better =
            result->settle == HOLDFAST_SETTLE_APPLIED ||
            (result->kind != HOLDFAST_KIND_APPLIED && f->best->kind == HOLDFAST_KIND_APPLIED);
    if (is_better) {
        holdfast_result_free(&f->best);
        f->best = result;
    } else {
        holdfast_result_free(&result);
    }
}

struct holdfast_result *fanout_merged_result(struct fanout *f)
{
    struct holdfast_result *merged = f->best;

    f->best = NULL;
    if (merged && (merged->settle == HOLDFAST_SETTLE_APPLIED || f->answered == f->asked ||
                   merged->kind != HOLDFAST_KIND_APPLIED))
        return merged;
    holdfast_result_free(&merged);
    return make_result(f->worst == HOLDFAST_APPLIED ? HOLDFAST_UNAVAILABLE : f->worst,
                       f->settle.operation_id, f->worst_field ? f->worst_field : "",
                       f->worst_message ? f->worst_message : "");
}

/* ------------------------------------------------------------- merging */

static int by_stock_sku(const void *a, const void *b)
{
    return strcmp(((const struct holdfast_stock *)a)->sku, ((const struct holdfast_stock *)b)->sku);
}

static int by_item_sku(const void *a, const void *b)
{
    return strcmp(((const struct holdfast_item *)a)->sku, ((const struct holdfast_item *)b)->sku);
}

static int by_code(const void *a, const void *b)
{
    return strcmp(((const struct holdfast_named *)a)->code,
                  ((const struct holdfast_named *)b)->code);
}

static int by_partition(const void *a, const void *b)
{
    uint32_t x = ((const struct holdfast_audited *)a)->partition;
    uint32_t y = ((const struct holdfast_audited *)b)->partition;

    return (x > y) - (x < y);
}

static int compare_times(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int by_expiry(const void *a, const void *b)
{
    const struct holdfast_reservation *x = a, *y = b;
    int order = compare_times(x->expires_at_us, y->expires_at_us);
    return order ? order : strcmp(x->reservation, y->reservation);
}

static int newest_first(const void *a, const void *b)
{
    const struct holdfast_reservation *x = a, *y = b;
    int order = compare_times(y->created_at_us, x->created_at_us);
    return order ? order : strcmp(x->reservation, y->reservation);
}

static int newest_movement_first(const void *a, const void *b)
{
    const struct holdfast_movement *x = a, *y = b;
    return x->sequence != y->sequence ? (x->sequence < y->sequence ? 1 : -1)
                                      : (x->index < y->index ? -1 : x->index > y->index);
}

static int newest_run_first(const void *a, const void *b)
{
    const struct holdfast_run *x = a, *y = b;
    int order = compare_times(y->created_at_us, x->created_at_us);
    return order ? order : strcmp(x->run, y->run);
}

/* Several partitions' rows of one sort, as one sorted array of at most `most`. */
#define GATHER(type, field, count_field, compare, most)                                            \
    do {                                                                                           \
        size_t total_ = 0;                                                                         \
        for (struct answer_part *p_ = f->answers; p_; p_ = p_->next)                               \
            total_ += p_->answer.count_field;                                                      \
        struct type *all_ = total_ ? pool_alloc(&box->pool, total_ * sizeof *all_) : NULL;         \
        if (total_ && !all_)                                                                       \
            return false;                                                                          \
        size_t at_ = 0;                                                                            \
        for (struct answer_part *p_ = f->answers; p_; p_ = p_->next) {                             \
            if (p_->answer.count_field == 0)                                                       \
                continue;                                                                          \
            memcpy(all_ + at_, p_->answer.field, p_->answer.count_field * sizeof *all_);           \
            at_ += p_->answer.count_field;                                                         \
        }                                                                                          \
        int (*compare_)(const void *, const void *) = compare;                                     \
        if (compare_ && total_ > 1)                                                                \
            qsort(all_, total_, sizeof *all_, compare_);                                           \
        merged->field = all_;                                                                      \
        merged->count_field = total_;                                                              \
        if (total_ > (most)) {                                                                     \
            merged->count_field = (most);                                                          \
            merged->more = true;                                                                   \
        }                                                                                          \
    } while (0)

static bool gather(struct fanout *f, struct answer_box *box)
{
    struct holdfast_answer *merged = &box->answer;
    size_t most =
        f->key_count > 0 || f->kind == HOLDFAST_QUERY_AUDIT || f->kind == HOLDFAST_QUERY_MOVEMENT
            ? SIZE_MAX
            : f->limit;
    int64_t oldest_us = INT64_MAX;

    GATHER(holdfast_stock, stock, stock_count, by_stock_sku, most);
    GATHER(holdfast_item, items, item_count, by_item_sku, most);
    GATHER(holdfast_named, named, named_count, by_code, most);
    GATHER(holdfast_reservation, reservations, reservation_count,
           f->expiring ? by_expiry : newest_first, most);
    GATHER(holdfast_movement, movements, movement_count, newest_movement_first, most);
    GATHER(holdfast_result, results, result_count, NULL, SIZE_MAX);
    GATHER(holdfast_difference, differences, difference_count, NULL, SIZE_MAX);
    if (f->kind == HOLDFAST_QUERY_AUDIT)
        GATHER(holdfast_audited, audited, audited_count, by_partition, SIZE_MAX);
    GATHER(holdfast_run, runs, run_count, newest_run_first, most);
    GATHER(holdfast_run_line, run_lines, run_line_count, NULL, SIZE_MAX);
    GATHER(holdfast_dry, dry, dry_count, NULL, SIZE_MAX);
    for (struct answer_part *part = f->answers; part; part = part->next) {
        merged->more |= part->answer.more;
        merged->checked += part->answer.checked;
        merged->state = part->answer.state; /* only ever of one */
        merged->sequence = f->asked == 1 ? part->answer.sequence : 0;
        if (part->answer.age_us < oldest_us)
            oldest_us = part->answer.age_us;
    }
    merged->age_us = f->answers ? oldest_us : 0;
    return true;
}

struct holdfast_answer *fanout_merged_answer(struct fanout *f, int64_t cluster_now_us)
{
    struct holdfast_answer *merged = make_answer(f->worst, f->worst_field ? f->worst_field : "",
                                                 f->worst_message ? f->worst_message : "");
    struct answer_box *box = answer_box_of(merged);

    if (!box)
        return merged;
    if (!gather(f, box)) {
        holdfast_answer_free(&merged);
        return make_answer(HOLDFAST_UNAVAILABLE, "", "out of memory");
    }
    pool_adopt(&box->pool, &f->parts);
    f->answers = NULL;
    merged->partitions_asked = f->asked;
    merged->partitions_answered = f->answered;
    if (f->answered < f->asked && merged->status == HOLDFAST_APPLIED) {
        merged->status = HOLDFAST_UNAVAILABLE;
        merged->kind = HOLDFAST_KIND_SHED;
    }
    /* Until here age_us held the time of reading. */
    if (merged->age_us != 0)
        merged->age_us = cluster_now_us > merged->age_us ? cluster_now_us - merged->age_us : 0;
    return merged;
}

/* SPDX-License-Identifier: MIT
 *
 * Answers against the ledger, id by id: what was told to be applied is there and says the same,
 * what was told not to be is not, and no two certain answers about one id contradict each other.
 * Also the refusals that are true because of what is known under an id or of a code.
 */
#include "tests/history/model.h"

#include <string.h>

static bool is_settle(const struct call *call)
{
    return call->operation->body.kind == HOLDFAST_SETTLE;
}

static bool is_kind(const struct call *call, enum holdfast_kind kind)
{
    return call->result && call->result->kind == kind;
}

const struct group *applied_group(const struct ident *ident)
{
    for (const struct group *group = ident->groups; group; group = group->next) {
        if (!group->is_void)
            return group;
    }
    return NULL;
}

static const struct group *void_group(const struct ident *ident, uint32_t partition)
{
    for (const struct group *group = ident->groups; group; group = group->next) {
        if (group->is_void && group->partition == partition)
            return group;
    }
    return NULL;
}

uint64_t sequence_of(const struct history *history, const struct group *group)
{
    return history->logs[group->partition].rows[group->first + group->count - 1].seq;
}

/* ------------------------------------------------------------- a result against its rows */

static const char *level_fault(const struct holdfast_level *told,
                               const struct history_movement *row)
{
    const struct history_balances *after = &row->after;

    if (!same_text(told->sku, row->sku) || !same_text(told->warehouse, row->warehouse))
        return "another level";
    if (told->on_hand != after->on_hand || told->reserved != after->reserved ||
        told->committed != after->committed || told->unavailable != after->unavailable ||
        told->safety_stock != after->safety_stock || told->reorder_point != after->reorder_point ||
        told->shortfall != after->shortfall || told->available != model_available(after))
        return "other balances";
    if (told->version != row->seq || told->on_hand_version != row->on_hand_version)
        return "another version";
    return NULL;
}

static const char *held_fault(const struct holdfast_reservation_line *told,
                              const struct history_movement *row)
{
    const struct history_line *after = &row->line_after;

    if (!same_text(told->sku, row->sku) || !same_text(told->warehouse, row->warehouse))
        return "a line of another level";
    if (told->quantity != after->quantity || told->reserved != after->reserved ||
        told->committed != after->committed || told->shipped != after->shipped ||
        told->cancelled != after->cancelled || told->released != after->released ||
        told->returned != after->returned)
        return "a line with other quantities";
    return NULL;
}

static const char *reservation_fault(const struct holdfast_reservation *told,
                                     const struct history_movement *row)
{
    uint8_t id[RESERVATION_ID_BYTES];

    if (!reservation_id_parse(told->reservation, strlen(told->reservation), id) ||
        memcmp(id, row->reservation_id, sizeof id) != 0)
        return "another reservation";
    if ((int)told->state != row->state || told->revision != row->revision ||
        told->expires_at_us != row->expires_at_us)
        return "another state, revision or expiry of the reservation";
    return NULL;
}

/* In what the result differs from the rows; NULL: in nothing. */
static const char *result_fault(const struct history *history, const struct holdfast_result *result,
                                const struct group *group)
{
    const struct history_movement *rows = &history->logs[group->partition].rows[group->first];
    size_t levels = 0;
    const char *fault = NULL;

    if (result->partition != group->partition)
        return "another partition";
    if (result->sequence != sequence_of(history, group))
        return "another sequence";
    if ((result->reservation != NULL) != rows->has_reservation)
        return "a reservation, or none";
    if ((result->run != NULL) != (rows->run != NULL))
        return "a run, or none";
    if (result->reservation)
        fault = reservation_fault(result->reservation, rows);
    if (result->run)
        fault = run_fault(result->run, rows->run);
    for (size_t i = 0; i < group->count && !fault; i++) {
        if (rows[i].sku[0] == '\0' || rows[i].warehouse[0] == '\0')
            continue;
        if (levels >= result->level_count ||
            (result->reservation && levels >= result->reservation->line_count))
            return "fewer levels or lines";
        fault = level_fault(&result->levels[levels], &rows[i]);
        if (!fault && result->reservation)
            fault = held_fault(&result->reservation->lines[levels], &rows[i]);
        levels++;
    }
    if (!fault && (levels != result->level_count ||
                   (result->reservation && levels != result->reservation->line_count)))
        return "more levels or lines";
    return fault;
}

static void bad_call(struct history *history, const char *rule, const struct call *call,
                     const char *what, const char *more)
{
    finding(history, rule, "call %llu (%s, %s), answered %s: %s%s",
            (unsigned long long)call->number, show_id(call->ident->id),
            operation_name(call->operation->body.kind),
            call->result ? holdfast_status_name(call->result->status) : "nothing", what, more);
}

/* ------------------------------------------------------------- one call */

static void judge_applied(struct history *history, const struct call *call)
{
    const struct group *group = applied_group(call->ident);

    if (!group) {
        bad_call(history, "lost", call, "the ledger has no movement of it", "");
        return;
    }
    if (group->operation && !same_body(group->operation, call->operation)) {
        bad_call(history, "lost", call,
                 "the ledger has its id for another body: ", operation_body(group->operation));
        return;
    }
    const char *fault = result_fault(history, call->result, group);
    if (fault)
        bad_call(history, "result", call, "it tells what its movements do not: ", fault);
}

static void judge_settle(struct history *history, const struct call *call)
{
    const struct holdfast_result *result = call->result;
    const struct ident *ident = ident_find(history, call->operation->settles);

    if (!is_kind(call, HOLDFAST_KIND_APPLIED))
        return;
    if (result->settle == HOLDFAST_SETTLE_VOID) {
        const struct group *group = void_group(ident, result->partition);
        if (!group || result->sequence != sequence_of(history, group))
            bad_call(history, "settled", call, "the ledger has no such void of ",
                     show_id(ident->id));
        else if (applied_group(ident) && !call->operation->has_partition)
            bad_call(history, "settled", call,
                     "void on every partition, and applied: ", show_id(ident->id));
        return;
    }
    const struct group *group = applied_group(ident);
    if (result->settle != HOLDFAST_SETTLE_APPLIED || !result->settled) {
        bad_call(history, "settled", call, "neither applied nor void: ", show_id(ident->id));
    } else if (!group) {
        bad_call(history, "settled", call, "applied, and the ledger has no movement of ",
                 show_id(ident->id));
    } else {
        const char *fault = result_fault(history, result->settled, group);
        if (!fault && result->partition != group->partition)
            fault = "another partition";
        if (!fault && result->sequence != sequence_of(history, group))
            fault = "another sequence";
        if (fault)
            bad_call(history, "settled", call, "it tells what the movements do not: ", fault);
    }
}

bool is_spent(const struct history *history, const struct call *call)
{
    for (const struct group *group = call->ident->groups; group; group = group->next) {
        const struct log *log = &history->logs[group->partition];
        bool came_first =
            (size_t)(group - log->groups) < ledger_groups_possible(log, call->answer_us);
        if (came_first &&
            (group->is_void || (group->operation && !same_body(group->operation, call->operation))))
            return true;
    }
    return false;
}

/* Has this code been put, and its put been answered, long before the call? */
static bool is_long_known(const struct history *history, enum holdfast_operation_kind kind,
                          const char *code, int64_t invoke_us)
{
    for (const struct call *put = history->calls; put; put = put->hh.next) {
        const struct holdfast_operation *body = &put->operation->body;
        if (body->kind == kind && is_kind(put, HOLDFAST_KIND_APPLIED) &&
            put->answer_us + history->options.catalog_lag_us < invoke_us &&
            same_text(kind == HOLDFAST_PUT_REASON ? body->reason : body->warehouse, code))
            return true;
    }
    return false;
}

static bool all_long_known(const struct history *history, const struct call *call)
{
    const struct operation *operation = call->operation;
    const struct holdfast_operation *body = &operation->body;
    const char *codes[] = {body->warehouse, body->to_warehouse};
    int64_t at = call->invoke_us;

    if (call->result->status == HOLDFAST_UNKNOWN_REASON)
        return body->reason[0] == '\0' ||
               is_long_known(history, HOLDFAST_PUT_REASON, body->reason, at);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i][0] != '\0' && !is_long_known(history, HOLDFAST_PUT_WAREHOUSE, codes[i], at))
            return false;
    }
    for (size_t i = 0; i < operation->want_count; i++) {
        const char *code = operation->wants[i].warehouse;
        if (code[0] != '\0' && !is_long_known(history, HOLDFAST_PUT_WAREHOUSE, code, at))
            return false;
    }
    for (size_t i = 0; i < body->warehouse_count; i++) {
        if (!is_long_known(history, HOLDFAST_PUT_WAREHOUSE, body->warehouses[i], at))
            return false;
    }
    return true;
}

/* Refusals that replay.c cannot judge. */
static void judge_refused(struct history *history, const struct call *call)
{
    switch (call->result->status) {
    case HOLDFAST_OPERATION_ID_REUSED:
        if (call->operation->body.kind == HOLDFAST_BEGIN_RUN)
            return; /* the model says whether the run's name was used */
        if (!is_spent(history, call))
            bad_call(history, "refusal", call, "its id was neither voided nor another body's", "");
        history->figures.refusals_judged++;
        return;
    case HOLDFAST_UNKNOWN_WAREHOUSE:
    case HOLDFAST_UNKNOWN_REASON:
        if (all_long_known(history, call))
            bad_call(history, "refusal", call,
                     "every code had been put long before: ", operation_body(call->operation));
        history->figures.refusals_judged++;
        return;
    case HOLDFAST_INVALID:
    case HOLDFAST_TOO_LARGE:
    case HOLDFAST_BARCODE_TAKEN:
    case HOLDFAST_INTERNAL:
    case HOLDFAST_NOT_PERMITTED:
        history->figures.refusals_skipped += !is_judged(history, call);
        return;
    default:
        return;
    }
}

/* ------------------------------------------------------------- all calls of an id */

/* Two answers for one body: applied, and a denial that came after it was, or could have been. */
static void judge_pair(struct history *history, const struct call *call, const struct call *other)
{
    if (!is_kind(call, HOLDFAST_KIND_APPLIED) || is_settle(call) || !is_denied(other) ||
        other->answer_us <= call->invoke_us || !speaks_for(other, call) ||
        !same_body(other->operation, call->operation))
        return;
    bad_call(history, "certain", call, "and another call of the same id and body was answered ",
             holdfast_status_name(other->result->status));
}

/* Is there a call to which the group can be due? */
static bool may_be_applied(const struct ident *ident, const struct group *group)
{
    for (const struct call *call = ident->calls; call; call = call->next) {
        if (!is_denied(call) && same_body(call->operation, group->operation) && !is_over(call))
            return true;
    }
    return false;
}

static void judge_groups(struct history *history, const struct ident *ident)
{
    const struct group *applied = NULL;
    bool certain = false;

    for (const struct call *call = ident->calls; call; call = call->next)
        certain = certain || (call->result && call->result->kind != HOLDFAST_KIND_UNKNOWN);
    for (const struct group *group = ident->groups; group; group = group->next) {
        const struct history_movement *row = &history->logs[group->partition].rows[group->first];
        for (const struct group *other = ident->groups; other != group; other = other->next) {
            if (other->partition != group->partition && (other->is_void || group->is_void))
                continue;
            finding(history, "once", "%s is in the ledger twice: %u:%llu (%s) and %u:%llu",
                    show_id(ident->id), group->partition, (unsigned long long)row->seq,
                    holdfast_movement_name(row->kind), other->partition,
                    (unsigned long long)history->logs[other->partition].rows[other->first].seq);
        }
        if (group->is_void || group->is_expiry)
            continue;
        applied = group;
        if (group->operation && !may_be_applied(ident, group))
            finding(history, "denied",
                    "%s (%s) is at %u:%llu, and its callers were told that it "
                    "was not applied",
                    show_id(ident->id), holdfast_movement_name(row->kind), group->partition,
                    (unsigned long long)row->seq);
    }
    if (ident->calls && !certain && !is_settle(ident->calls)) {
        history->figures.unknown_applied += applied != NULL;
        history->figures.unknown_absent += applied == NULL;
    }
}

static void count_call(struct history *history, const struct call *call)
{
    struct history_figures *figures = &history->figures;

    figures->calls++;
    figures->applied += is_kind(call, HOLDFAST_KIND_APPLIED);
    figures->refused += is_kind(call, HOLDFAST_KIND_REFUSED);
    figures->shed += is_kind(call, HOLDFAST_KIND_SHED);
    figures->unknown += !call->result || is_kind(call, HOLDFAST_KIND_UNKNOWN);
}

static void judge_ident(struct history *history, const struct ident *ident)
{
    for (const struct call *call = ident->calls; call; call = call->next) {
        count_call(history, call);
        if (is_settle(call)) {
            judge_settle(history, call);
            continue;
        }
        if (is_kind(call, HOLDFAST_KIND_APPLIED))
            judge_applied(history, call);
        if (is_kind(call, HOLDFAST_KIND_REFUSED))
            judge_refused(history, call);
        for (const struct call *other = ident->calls; other; other = other->next)
            judge_pair(history, call, other);
    }
    judge_groups(history, ident);
}

void calls_judge(struct history *history)
{
    for (const struct ident *ident = history->idents; ident; ident = ident->hh.next) {
        history->figures.ids += ident->calls != NULL;
        judge_ident(history, ident);
    }
}

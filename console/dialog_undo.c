/* SPDX-License-Identifier: MIT
 *
 * Undo: the operation of a movement is taken back whole, by an operation of its own that the owner
 * works out and plans. Its id is derived from the undone operation's, so that it is undone once,
 * whoever asks.
 */
#include <stdio.h>
#include <string.h>

#include "console/dialog.h"

#define NEVER_US 3600000000
#define GENERATION_SHIFT 32

void undo_operation(struct dialog *d, struct holdfast_operation *operation, char *id)
{
    char name[48];

    snprintf(name, sizeof name, "undo-%s", d->undone.operation_id);
    holdfast_derive_operation_id(name, strlen(name),
                                 1 + ((uint64_t)d->undone.generation << GENERATION_SHIFT), id);
    operation->kind = HOLDFAST_UNDO;
    operation->operation_id = id;
    operation->undone = d->undone.operation_id;
    operation->partition = (int32_t)d->undone.partition;
    operation->undoes = d->subject.sequence;
    operation->has_previous = d->undone.has_previous;
    operation->previous = d->undone.previous;
}

static void change(char *text, size_t bytes, const char *name, uint32_t before, uint32_t after)
{
    size_t used = strlen(text);
    if (before != after)
        snprintf(text + used, bytes - used, "  %s %u -> %u", name, before, after);
}

static void take_plan(struct app *app, struct holdfast_answer **answer)
{
    struct dialog *d = app->dialog;
    const struct holdfast_dry *dry = (*answer)->dry_count == 1 ? &(*answer)->dry[0] : NULL;

    if (!d || d->action != ACTION_UNDO)
        return;
    d->undone.planned = (*answer)->status == HOLDFAST_APPLIED && dry;
    d->undone.plan_count = 0;
    d->undone.refused[0] = '\0';
    if (!d->undone.planned) {
        d->undone.version = 0; /* asked again */
        return;
    }
    if (dry->result->status != HOLDFAST_APPLIED) {
        snprintf(d->undone.refused, sizeof d->undone.refused, "%s",
                 dry->result->message[0] ? dry->result->message
                                         : holdfast_status_text(dry->result->status));
        return;
    }
    for (size_t i = 0; i < dry->result->level_count && i < dry->before_count; i++) {
        const struct holdfast_level *before = &dry->before[i], *after = &dry->result->levels[i];
        if (d->undone.plan_count == PLAN_LINES)
            break;
        char *text = d->undone.plan[d->undone.plan_count++];
        size_t bytes = sizeof d->undone.plan[0];
        snprintf(text, bytes, "%.64s@%.40s", after->sku, after->warehouse);
        change(text, bytes, "On-hand", before->on_hand, after->on_hand);
        change(text, bytes, "Avail", before->available, after->available);
        change(text, bytes, "Set aside", before->unavailable, after->unavailable);
        change(text, bytes, "Safety", before->safety_stock, after->safety_stock);
    }
}

void undo_plan(struct app *app, struct dialog *d)
{
    struct holdfast_operation operation = {.actor = app->actor};
    char id[37];

    if (d->undone.version == d->now.version && d->undone.planned)
        return;
    if (!d->plan_poll.in_flight && d->undone.version != d->now.version)
        poll_restart(&d->plan_poll);
    d->undone.version = d->now.version;
    undo_operation(d, &operation, id);
    operation.operation_id = NULL; /* ids are not read */
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_DRY_RUN,
                                   .partition = d->undone.partition,
                                   .operations = &operation,
                                   .operation_count = 1};
    poll_owner(app, &d->plan_poll, &query, NEVER_US, take_plan);
}

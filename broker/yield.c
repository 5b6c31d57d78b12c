/* SPDX-License-Identifier: MIT
 *
 * Bulk yields: how much of it a worker is given while something else is about, and whose turn it
 * is. Called by assign.c.
 *
 * A worker takes all that it has into one batch, and who comes meanwhile waits for its end: like a
 * disk or a printer it cannot be interrupted, so what goes before bulk waits for as much of it as
 * the worker was given. While something else is about, that is no more than limits.worker_bulk,
 * and the rest waits here, where the classes are served by weight.
 *
 * Partitions whose bulk finds no place stand in line. Others that come to them do not change where
 * they stand, so bulk of a partition that customers are fond of has its turn, too. When a place is
 * free, the first in line has it and is ready; until its bulk is given, its turn counts as taken.
 */
#include "broker/core.h"

#include <utlist.h>

/* So long after something else came. Whoever comes after such a pause waits once for what the
 * worker has been given. */
#define YIELD_US 10000000

void yield_begin(struct dispatch *d, struct moment now)
{
    d->yield_until_us = now.monotonic_us + YIELD_US;
}

bool yield_holds(const struct dispatch *d, const struct partition *p, struct moment now)
{
    const struct worker_part *w = &p->owner->worker;
    uint32_t limit = d->config.limits.worker_bulk;

    if (now.monotonic_us >= d->yield_until_us)
        return false;
    if (p->bulk_turn == TURN_NOW)
        return w->bulk >= limit;
    return p->bulk_turn == TURN_IN_LINE || w->bulk + w->turns >= limit;
}

static void line_leave(struct partition *p)
{
    DL_DELETE2(p->owner->worker.line, p, line_prev, line_next);
    p->bulk_turn = TURN_NONE;
}

void yield_leave(struct partition *p)
{
    switch (p->bulk_turn) {
    case TURN_NONE:
        return;
    case TURN_IN_LINE:
        line_leave(p);
        return;
    case TURN_NOW:
        p->owner->worker.turns--;
        p->bulk_turn = TURN_NONE;
        return;
    }
}

void yield_line_up(struct partition *p)
{
    struct worker_part *w = &p->owner->worker;

    switch (p->bulk_turn) {
    case TURN_NONE:
        DL_APPEND2(w->line, p, line_prev, line_next);
        break;
    case TURN_IN_LINE:
        return;
    case TURN_NOW: /* what came back has taken the place */
        w->turns--;
        DL_PREPEND2(w->line, p, line_prev, line_next);
        break;
    }
    p->bulk_turn = TURN_IN_LINE;
}

struct partition *yield_next(const struct dispatch *d, struct session *s, struct moment now)
{
    struct worker_part *w = &s->worker;
    struct partition *p = w->line;
    bool yields = now.monotonic_us < d->yield_until_us;

    if (!p || (yields && w->bulk + w->turns >= d->config.limits.worker_bulk))
        return NULL;
    line_leave(p);
    /* whose bulk has gone meanwhile has no use for it; one that is parked has something to do first
     */
    if (yields && p->lanes[CLASS_BULK] && p->readiness != PARTITION_PARKED) {
        p->bulk_turn = TURN_NOW;
        w->turns++;
    }
    return p;
}

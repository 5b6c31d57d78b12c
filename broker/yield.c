/* SPDX-License-Identifier: MIT
 *
 * Bulk yields: how much of it a worker is given while something else is about, when, and whose
 * turn it is. Called by assign.c.
 *
 * A worker takes all that it has into one batch, and who comes meanwhile waits for its end: like a
 * disk or a printer it cannot be interrupted, so what goes before bulk waits for as much of it as
 * the worker was given. While something else is about, bulk is given in lots of at most
 * limits.worker_bulk, and the rest waits here, where the classes are served by weight. The next lot
 * is begun when all of the last one is answered, and the worker has rested from it for a while:
 * somebody who comes then waits for nothing, and the disk that all workers of a shard share has
 * time for others, too.
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
/* Rests are so many parts of what the lot before them took, and at most so long. */
#define REST_PART 2
#define REST_MAX_US 1000000

void yield_begin(struct dispatch *d, struct moment now)
{
    d->yield_until_us = now.monotonic_us + YIELD_US;
}

static bool yields(const struct dispatch *d, struct moment now)
{
    return now.monotonic_us < d->yield_until_us;
}

/* No more of class bulk may be promised to the worker now. */
static bool is_full(const struct dispatch *d, const struct worker_part *w, uint32_t promised,
                    struct moment now)
{
    return now.monotonic_us < w->rest_until_us || w->lot + promised >= d->config.limits.worker_bulk;
}

bool yield_holds(const struct dispatch *d, const struct partition *p, struct moment now)
{
    const struct worker_part *w = &p->owner->worker;

    if (!yields(d, now))
        return false;
    if (p->bulk_turn == TURN_NOW) /* it has a promise */
        return is_full(d, w, 0, now);
    return p->bulk_turn == TURN_IN_LINE || is_full(d, w, w->turns, now);
}

/* ---- lots */

void yield_given(struct session *s, struct moment now)
{
    s->worker.bulk++;
    s->worker.lot++;
    s->worker.lot_given_us = now.monotonic_us;
}

void yield_gone(struct session *s, struct moment now)
{
    struct worker_part *w = &s->worker;

    w->bulk--;
    if (w->bulk > 0)
        return;
    int64_t rest_us = (now.monotonic_us - w->lot_given_us) / REST_PART;
    w->rest_until_us = now.monotonic_us + (rest_us < REST_MAX_US ? rest_us : REST_MAX_US);
    w->lot = 0;
}

int64_t yield_wait_us(const struct dispatch *d, struct moment now)
{
    const struct session *s;
    int64_t least_us = INT64_MAX;

    if (!yields(d, now))
        return least_us;
    DL_FOREACH(d->list[SIDE_WORKER], s)
    {
        int64_t rest_us = s->worker.rest_until_us - now.monotonic_us;
        if (s->worker.line && rest_us > 0 && rest_us < least_us)
            least_us = rest_us;
    }
    return least_us;
}

/* ---- the line */

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
    bool keeps = yields(d, now);

    if (!p || (keeps && is_full(d, w, w->turns, now)))
        return NULL;
    line_leave(p);
    /* whose bulk has gone meanwhile has no use for it; one that is parked has something to do first
     */
    if (keeps && p->lanes[CLASS_BULK] && p->readiness != PARTITION_PARKED) {
        p->bulk_turn = TURN_NOW;
        w->turns++;
    }
    return p;
}

/* SPDX-License-Identifier: MIT
 *
 * The body of a worker: what main.c does around worker_turn, on simulated sockets. Queries are not
 * simulated: query_tick here gives them back.
 */
#include "tests/simulate/worker.h"

#include <stdlib.h>

#include "common/clock.h"
#include "workers/loop.h"
#include "workers/query.h"
#include "workers/session.h"

#define GOODBYE_LINGER_MS 500
#define SHORT_RETENTION_MS 60000
#define SHORT_FUTURE_US 1000000

void query_tick(struct worker *worker, int64_t now_us)
{
    (void)now_us;
    for (struct work *work; (work = work_pop(&worker->queries)) != NULL;)
        work_return(&work);
    sessions_flush(worker);
}

void worker_body(void *argument)
{
    struct sim_worker *self = argument;
    struct worker *worker = malloc(sizeof *worker);

    if (!worker)
        abort();
    sim_require(worker_open(worker, self->config, self->shard, self->process->name, NULL),
                "a worker did not open");
    /* Where seconds are long enough to forget, ids come from less far ahead: pruning waits for
     * both. */
    if (self->config->windows.retention_ms < SHORT_RETENTION_MS)
        worker->ledger_limits.id_future_us = SHORT_FUTURE_US;
    while (!self->stop) {
        int64_t wait_us = worker_wait_us(worker, clock_monotonic_us());
        (void)sim_block(SIM_NET, (wait_us + 999) / 1000 * 1000);
        if (!self->stop)
            worker_turn(worker);
        sim_point("worker.turned");
    }
    worker_stop(worker);
    worker_close(worker, GOODBYE_LINGER_MS);
    free(worker);
}

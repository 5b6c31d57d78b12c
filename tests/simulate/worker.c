/* SPDX-License-Identifier: MIT
 *
 * The body of a worker: what main.c does around worker_turn, on simulated sockets. Of queries only
 * stock is simulated; nobody here asks anything else.
 */
#include "tests/simulate/worker.h"

#include <stdlib.h>

#include "common/clock.h"
#include "workers/auditor.h"
#include "workers/loop.h"
#include "workers/query_impl.h"
#include "workers/session.h"

#define GOODBYE_LINGER_MS 500
#define SHORT_RETENTION_MS 60000
#define SHORT_FUTURE_US 1000000

static enum db_outcome nobody_asks(void)
{
    sim_fail("a query that nobody asks");
}

#define NOT_ASKED(name)                                                                            \
    enum db_outcome name(struct query *query)                                                      \
    {                                                                                              \
        (void)query;                                                                               \
        return nobody_asks();                                                                      \
    }

NOT_ASKED(query_item)
NOT_ASKED(query_warehouse)
NOT_ASKED(query_reason)
NOT_ASKED(query_reservation)
NOT_ASKED(query_history)
NOT_ASKED(query_operation)
NOT_ASKED(query_run)
NOT_ASKED(query_run_lines)
NOT_ASKED(query_movement)
NOT_ASKED(query_dry_run)

enum auditor_says auditor_ask(struct auditor *auditor, const struct audit_request *request,
                              const struct audit_reply **reply, int64_t now_us)
{
    (void)auditor;
    (void)request;
    (void)reply;
    (void)now_us;
    sim_fail("an audit that nobody asks");
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
    if (self->batch_rows > 0)
        worker->batch_rows = self->batch_rows;
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

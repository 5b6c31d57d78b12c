/* SPDX-License-Identifier: MIT
 *
 * A simulated worker: the real holdfast-worker without main.c, on simulated sockets (worker_link.c)
 * and the model database (model_*.c).
 */
#ifndef TESTS_SIMULATE_WORKER_H
#define TESTS_SIMULATE_WORKER_H

#include "common/config.h"
#include "tests/simulate/sim.h"

/* Its process has it as `user`. */
struct sim_worker {
    struct sim_process *process;
    const struct config *config;      /* brokers[i].worker is found by i alone */
    const struct config_shard *shard; /* its servers' sockets are addresses of model servers */
    size_t batch_rows;                /* 0: as many as usual */
    bool stop;                        /* SIGTERM: wake it on SIM_NET after setting this */
    int64_t cut_off_until_us;         /* true time: until then it does not reach its server … */
    bool refused;                     /* … and is told so at once */
};

/* The body of a worker's process, for sim_start; argument: struct sim_worker, the world's memory.
 */
void worker_body(void *sim_worker);

#endif

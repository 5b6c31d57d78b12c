/* SPDX-License-Identifier: MIT
 *
 * A worker's life and its loop, without what waits: main.c waits for sockets and signals, a
 * simulation for whatever it likes. Between worker_open and worker_close:
 *
 *     while nobody says stop: wait for a link or worker_wait_us, then worker_turn
 *     worker_stop
 */
#ifndef WORKERS_LOOP_H
#define WORKERS_LOOP_H

#include "workers/worker.h"

/* Makes a worker of the shard, with an instance of its own. links: the context of
 * broker_link_open. config, shard, name and links are borrowed until worker_close. False with a
 * line in the log; the worker must be released even so. */
bool worker_open(struct worker *worker, const struct config *config,
                 const struct config_shard *shard, const char *name, void *links);
/* Says GOODBYE to the brokers and frees everything. What is unsent is kept by the links for
 * linger_ms. */
void worker_close(struct worker *worker, int linger_ms);

/* Everything that is due, once. Blocks while the database does. */
void worker_turn(struct worker *worker);
/* How long there is nothing to do unless a link has something. */
int64_t worker_wait_us(const struct worker *worker, int64_t now_us);

/* Begins nothing more: hands the partitions over and gives back what waits. */
void worker_stop(struct worker *worker);

#endif

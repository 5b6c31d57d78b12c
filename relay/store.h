/* SPDX-License-Identifier: MIT
 *
 * Carries out jobs at one shard: a thread (courier.h) that owns the connection and blocks in it.
 * What it writes is fenced by the epoch of the subscription, so a relay that was left behind writes
 * nothing.
 */
#ifndef RELAY_STORE_H
#define RELAY_STORE_H

#include "common/config.h"
#include "common/courier.h"
#include "relay/job.h"

/* Starts the thread of a shard: it takes and gives struct job. shard is borrowed. NULL with errno.
 */
struct courier *store_open(void *context, const struct config_shard *shard, size_t number);
void store_drop(void *job); /* for courier_close */

/* ------------------------------------------------------------- in the thread */

struct db;

/* Sets outcome and what belongs to it; the connection is there. A job that failed may be run again:
 * what it does, it does once or to the same effect. */
void job_claim(struct db *db, struct job *job);
void job_load(struct db *db, struct job *job);
void job_renew(struct db *db, struct job *job);
void job_acknowledge(struct db *db, struct job *job);
void job_give_up(struct db *db, struct job *job);
void job_forget(struct db *db, struct job *job);
void job_delete(struct db *db, struct job *job);
void job_list(struct db *db, struct job *job);
void job_look(struct db *db, struct job *job);
void job_read(struct db *db, struct job *job);

#endif

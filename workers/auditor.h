/* SPDX-License-Identifier: MIT
 *
 * Audits of our partitions, without holding up the loop: a thread with a connection of its own runs
 * one after another, each in one snapshot (audit.h). Whoever wants one names it by a token and asks
 * until it is done; what came out is kept for a minute, or until others need the room. query.c
 * asks, main.c drives it.
 */
#ifndef WORKERS_AUDITOR_H
#define WORKERS_AUDITOR_H

#include "workers/audit.h"

/* Audits that wait, run, or whose outcome is kept; and the bytes of the outcomes. */
#define AUDITOR_JOBS_MAX 1024u
#define AUDITOR_BYTES_MAX (64u * 1024 * 1024)

struct auditor;

/* Starts the thread; no connection is made before there is something to do. context: of ZeroMQ.
 * shard is borrowed. NULL with errno. */
struct auditor *auditor_open(void *context, const struct config_shard *shard);
/* Waits for the thread for a short while. False when it still hangs in the database: then nothing
 * of it, nor the context, may be freed. */
bool auditor_close(struct auditor **auditor);

/* Becomes readable when auditor_tick has something to do. */
void *auditor_socket(const struct auditor *auditor);
/* Takes in what is done, gives the thread the next one, forgets what is old. Monotonic. */
void auditor_tick(struct auditor *auditor, int64_t now_us);

enum auditor_says {
    AUDITOR_RUNNING,  /* or it waits for others */
    AUDITOR_DONE,     /* *reply has it, until the next tick */
    AUDITOR_NOT_OURS, /* in the snapshot the partition was not ours */
    AUDITOR_FAILED,   /* it could not be read; this and the one above are forgotten: ask again */
    AUDITOR_FULL,     /* nothing was begun: as many as may be wait */
};

/* Begins the audit, if there is none of this token, partition and kind. */
enum auditor_says auditor_ask(struct auditor *auditor, const struct audit_request *request,
                              const struct audit_reply **reply, int64_t now_us);

#endif

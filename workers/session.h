/* SPDX-License-Identifier: MIT
 *
 * The worker's sessions, one with every broker of cluster.yaml: HELLO to GOODBYE, heartbeats,
 * credit, what arrives and what is sent back. Never blocks. What a broker sends is checked like
 * anything else from a wire: a message that is not right is dropped and counted in the log, or ends
 * the session.
 *
 * Results go only to the session that the work came in. When that is over, they are dropped: the
 * broker has queued the work again.
 */
#ifndef WORKERS_SESSION_H
#define WORKERS_SESSION_H

#include "workers/worker.h"

/* Most messages read from one broker before the loop does something else. */
#define SESSION_READ_MAX 4096

/* Opens a link to each broker. False with a line in the log. */
bool sessions_open(struct worker *worker);
/* GOODBYE to every broker, and closes the links, waiting at most linger_ms for what is unsent. */
void sessions_close(struct worker *worker, int linger_ms);

/* The link of the session with the broker of that index, for a loop that waits for it. */
struct broker_link *sessions_link(const struct worker *worker, size_t index);

/* Reads what has arrived into the worker's queues. */
void sessions_read(struct worker *worker);

/* Says HELLO, heartbeats and credit where they are due. Call it at least every
 * sessions_wait_us; after a change of ownership at once. */
void sessions_keep(struct worker *worker, int64_t now_us);
int64_t sessions_wait_us(const struct worker *worker, int64_t now_us);

/* Is the session that the work came in still the same? */
bool session_is_current(const struct work *work);
/* The broker's clock now; what not_after is measured by. */
int64_t session_clock_us(const struct session *session, int64_t monotonic_us);

/* Before every batch: suspect is what runs alone now, or NULL when the batch is not a trial. Where
 * that is not what brokers know, all are told; false while one has not answered that: ask again
 * when something has arrived, or after sessions_try_wait_us. A broker that does not answer within a
 * heartbeat is not waited for again until it is heard. */
bool sessions_try(struct worker *worker, const struct work *suspect, int64_t now_us);
int64_t sessions_try_wait_us(const struct worker *worker, int64_t now_us);

/* The answer to work, put into the session's outbox. type: RESULT, ANSWER or RETURNED. bytes is
 * room for the body, to be filled at once; NULL when the session is over. The work is free again.
 */
uint8_t *session_answer(struct work *work, uint8_t type, size_t body_bytes);
/* Sends what the outboxes hold. */
void sessions_flush(struct worker *worker);

#endif

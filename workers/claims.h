/* SPDX-License-Identifier: MIT
 *
 * Which partitions of the shard are ours. A partition is claimed by raising its epoch and drawing a
 * claim id, committed before any cache is filled; from then on every batch of an older claim fails
 * at its fence. The lease only says who may claim and when: it makes nothing safe.
 *
 * Every live worker of the shard has a row in table worker; each claims free partitions up to its
 * share, ceil(partitions / live workers), and hands over what it has beyond.
 *
 * Calls here run SQL. Those that return an outcome leave the connection as db.h says.
 */
#ifndef WORKERS_CLAIMS_H
#define WORKERS_CLAIMS_H

#include "workers/worker.h"

/* How often the partitions are looked at; a third of the lease if that is less. */
#define CLAIMS_LOOK_US 500000
/* While there is less than our share and nothing free: somebody is about to hand over. */
#define CLAIMS_LOOK_SOON_US 100000

void claims_release_memory(struct worker *worker);

/* Looks at all partitions: renews the leases of ours, finds out which are lost, takes or hands over
 * what balance asks for. Does nothing before it is due. This call alone may make the slots anew. */
enum db_outcome claims_tick(struct worker *worker, int64_t now_us);
int64_t claims_wait_us(const struct worker *worker, int64_t now_us);

/* There is a connection, and the server's clock says server_us. It was read some time since
 * begun_us (monotonic); when that is long ago, the next look puts it right. */
void claims_connected(struct worker *worker, int64_t server_us, int64_t begun_us);
/* The connection broke: what is ours must be claimed again before anything else is done. */
void claims_connection_lost(struct worker *worker);
/* Claims again what must be. What somebody else has claimed meanwhile is lost. */
enum db_outcome claims_reclaim(struct worker *worker);
bool claims_must_reclaim(const struct worker *worker);

/* A broker knows of a claim with a higher epoch: the database is asked, soon. If it still shows
 * ours, the server has lost that claim (it was restored), and the broker would never believe us: so
 * the partition is claimed again, above it. */
void claims_told(struct worker *worker, uint32_t partition, uint64_t epoch);

/* The fence refused: looks at once, so that what is lost is known. */
enum db_outcome claims_verify(struct worker *worker);

/* The fence refused though the claim is ours: claimed again before anything else. */
void claims_distrust(struct worker *worker, struct slot *slot);

/* A batch with this slot in it was committed; it was begun at begun_us. */
void claims_renewed(struct worker *worker, struct slot *slot, int64_t clock_us, int64_t begun_us);
/* Has the lease of an owned slot run out by our own reckoning? Then look before answering. */
bool claims_is_doubtful(const struct slot *slot, int64_t now_us);

/* At the end: hands everything over and takes our row away. */
void claims_goodbye(struct worker *worker);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A model of the database: servers with the tables of schema/001.sql in memory, transactions, row
 * locks, connections, and a network between them and the workers that fails. The worker's own
 * modules store_*.c and db.c are replaced by model_store.c and model_call.c, which run typed
 * statements here instead of SQL.
 *
 *   model_table.c    rows, keys, row locks and transactions; knows nothing of time or processes
 *   model_rows.c     the rows, their keys, and what CHECK constraints say of them
 *   model_server.c   servers, their life and death
 *   model_request.c  requests of workers, and the transactions that they run in
 *   model_connection.c  statements as events, lock waits, KILL, timeouts
 *   model_call.c     the worker's end of a connection: db.h, and the faults of a request
 *   model_claims.c   store_claims.h;  model_load.c, model_write.c: store.h; model_history.c, …
 *   model_snapshot.c store_read.h: what queries read
 *   model_audit.c    what must hold of the rows; model_runs.c: of runs and undos
 *
 * What it has of InnoDB, at READ COMMITTED: a plain read sees what is committed and what its own
 * transaction did, and waits for nobody. Whatever changes a row locks it first, until COMMIT or
 * ROLLBACK; it waits for the lock for a second (1205), or is rolled back when the wait is a circle
 * (1213). A key that another transaction has inserted and not committed is waited for as well. A
 * row that was locked and does not match is let go, the last one of a join apart, as MariaDB has
 * it. A statement that fails changes nothing.
 *
 * Everything here is the world's memory; the rows of a server outlive its process.
 */
#ifndef TESTS_SIMULATE_MODEL_DB_H
#define TESTS_SIMULATE_MODEL_DB_H

#include "protocol/header.h"
#include "protocol/ids.h"
#include "tests/simulate/sim.h"
#include "workers/records.h"

struct model_server;

/* ------------------------------------------------------------- servers */

/* At the start of a seed, after sim_reset: there are no servers. */
void model_begin(void);

/* A server that listens at address: what a worker's configuration has as the server's `socket`.
 * process: of role SIM_SERVER, without a body; model_server_start starts it. Empty: it holds
 * no partition yet. */
struct model_server *model_server_new(struct sim_process *process, const char *address);
/* It holds the partition from now on, as `holdfast up` writes its row. Only before it is started.
 */
void model_server_hold(struct model_server *server, uint32_t partition);
/* sim_start. To crash a server: sim_kill its process; what was not committed is gone, what was is
 * there when it is started again. sim_pause and sim_resume do to it what SIGSTOP does. */
void model_server_start(struct model_server *server);

/* Everything that is committed now. Cheap: rows are shared. */
struct model_image;
struct model_image *model_image_take(const struct model_server *server);
void model_image_release(struct model_image **image);
/* The server's rows are those of the image, and what was committed since has never been. Its
 * process must be down. The image stays the caller's. */
void model_server_restore(struct model_server *server, const struct model_image *image);

/* ------------------------------------------------------------- what is committed */

struct model_partition { /* a row of table partition */
    uint64_t epoch;
    uint8_t claim_id[16], instance[UUID_BYTES];
    struct code owner;
    uint64_t connection_id;
    int64_t lease_until_us;
    uint64_t last_seq;
    int64_t clock_high_us, clock_offset_us;
    uint64_t pruned_seq;
};

/* Each goes through committed rows in the order of their keys, until visit returns false; through
 * movements and reservations that have been pruned first. Rows are borrowed for the call. */
typedef bool model_visit_partition(void *context, uint32_t partition,
                                   const struct model_partition *row);
void model_partitions(const struct model_server *server, model_visit_partition *visit,
                      void *context);
typedef bool model_visit_movement(void *context, const struct movement *movement);
void model_movements(const struct model_server *server, uint32_t partition, uint64_t after_seq,
                     model_visit_movement *visit, void *context);
typedef bool model_visit_level(void *context, uint32_t partition, const struct level *level);
void model_levels(const struct model_server *server, model_visit_level *visit, void *context);
/* lines belong to the visit. */
typedef bool model_visit_reservation(void *context, uint32_t partition,
                                     const struct reservation *reservation);
void model_reservations(const struct model_server *server, model_visit_reservation *visit,
                        void *context);

typedef bool model_visit_run(void *context, uint32_t partition, const struct run *run);
void model_runs(const struct model_server *server, model_visit_run *visit, void *context);
typedef bool model_visit_run_block(void *context, uint32_t partition,
                                   const struct run_block *block);
void model_run_blocks(const struct model_server *server, model_visit_run_block *visit,
                      void *context);
/* A committed movement, and the first of an operation. NULL: there is none (any more). */
const struct movement *model_movement_at(const struct model_server *server, uint32_t partition,
                                         uint64_t seq);
const struct movement *model_operation(const struct model_server *server, uint32_t partition,
                                       const uint8_t id[UUID_BYTES]);

/* ------------------------------------------------------------- what must hold */

/* Called right after every commit that changed something, on behalf of the world, before anybody
 * learns of it. */
struct model_commit {
    struct model_server *server;
    /* New rows of table movement, in the order of their keys. */
    const struct movement *const *movements;
    size_t movement_count;
    const struct model_touched *touched; /* every row that it changed; of model_impl.h */
    size_t touched_count;
};
typedef void model_commit_hook(const struct model_commit *commit);
void model_on_commit(model_commit_hook *hook);

/* Called by store_write on behalf of the worker, before anything is sent. It may kill it. */
struct store_part;
typedef void model_write_hook(const struct store_part *parts, size_t count);
void model_on_write(model_write_hook *hook);

/* The checks of docs/worker.md ("What an audit checks"), over the committed rows of one partition
 * or, with partition PARTITION_NONE, of all. NULL, or what does not hold, in a static buffer.
 * expired_live is not among them: only the world knows when somebody could have expired it. */
const char *model_audit(const struct model_server *server, uint32_t partition);
/* The same, cheaper: what this commit touched, before and after. */
const char *model_audit_commit(const struct model_commit *commit);
/* Of it: a run or a block of one that was touched, a movement that takes back another. */
const char *model_audit_run(const struct model_commit *commit, const struct model_touched *touched);
const char *model_audit_undo(const struct model_server *server, const struct movement *movement);

#endif

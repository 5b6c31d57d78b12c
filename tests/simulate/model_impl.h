/* SPDX-License-Identifier: MIT
 *
 * The inside of the model database, for model_*.c: a request of a worker is a list of statements,
 * which the server runs one after another, each as an event of its own.
 */
#ifndef TESTS_SIMULATE_MODEL_IMPL_H
#define TESTS_SIMULATE_MODEL_IMPL_H

#include "common/arena.h"
#include "tests/simulate/model_db.h"
#include "tests/simulate/model_rows.h"
#include "tests/simulate/model_table.h"
#include "workers/db.h"
#include "workers/ledger.h"

/* As db.c sets a session up. */
#define MODEL_LOCK_WAIT_US 1000000
#define MODEL_WAIT_TIMEOUT_US 6000000

/* Error numbers of the server, as db_error.c knows them. */
#define MODEL_DUPLICATE 1062u
#define MODEL_LOCK_WAIT 1205u
#define MODEL_DEADLOCK 1213u
#define MODEL_READ_ONLY 1290u
#define MODEL_NO_THREAD 1094u
#define MODEL_LOST 2013u /* the client's own */

struct model_connection;
struct model_snapshot;
struct model_request;

struct model_touched { /* a row that a commit has changed; NULL: it was, or is, not there */
    enum model_table_name table;
    struct model_key key;
    const void *before, *after;
};

struct model_server {
    struct model_server *next;
    struct sim_process *process;
    char address[128];
    struct model_table tables[MODEL_TABLES];
    struct model_connection *connections;
    struct model_request *requests; /* sent and not answered, in that order */
    uint64_t last_thread;           /* CONNECTION_ID() of the newest; begins again when it starts */
};

struct model_connection { /* the server's end */
    struct model_connection *next;
    uint64_t handle;    /* like that of no other connection in this seed */
    uint64_t thread_id; /* CONNECTION_ID() */
    struct sim_ref client;
    struct model_tx tx;
    bool in_transaction;
    struct model_snapshot *snapshot; /* NULL: reads see what is committed */
    bool killed;                     /* ends at the next occasion */
    bool gone;                       /* the client has hung up; noticed when nothing runs */
    struct model_request *runs;      /* NULL: idle … */
    int64_t idle_since_us;           /* … since then, true time */
    bool watched;                    /* an event looks after idle_since_us */
};

/* A statement while it runs. */
struct model_run {
    struct model_server *server;
    struct model_connection *connection;
    struct model_tx *tx;
    struct model_request *request;
    void *arguments; /* of the request */
    int64_t now_us;  /* the server's clock */
    uint64_t affected;
    struct model_tx *other;     /* who holds what it waits for */
    struct model_entry *joined; /* see model_join */
};

/* Returns 0, an error number, or MODEL_BLOCKED: another transaction has locked what it needs
 * (run->other). What it has changed then is undone, and it is run again from its beginning. */
#define MODEL_BLOCKED UINT32_MAX
typedef unsigned model_statement(struct model_run *run);

/* Locks the key. NULL: return MODEL_BLOCKED. */
struct model_entry *model_take(struct model_run *run, enum model_table_name table,
                               const struct model_key *key);
/* The same for a row that is looked up by an UPDATE over a join. As MariaDB does at READ COMMITTED,
 * the row before is let go when it has not been changed; the last one stays locked. */
struct model_entry *model_join(struct model_run *run, enum model_table_name table,
                               const struct model_key *key);
/* What the statement sees there. */
const void *model_get(const struct model_run *run, enum model_table_name table,
                      const struct model_key *key);
/* Locks the key and puts a row there that must not be there yet. The row is the table's then, in
 * any case. */
unsigned model_insert(struct model_run *run, enum model_table_name table,
                      const struct model_key *key, const void *row);

/* A movement that is there, with the claim id of its epoch, its text in the request's arena. */
void model_movement_read(struct model_run *run, uint32_t partition, uint64_t seq,
                         struct movement *movement);

/* INSERT … ON DUPLICATE KEY UPDATE of a warehouse or a reason. newer: its name only if its version
 * is higher. */
unsigned model_put_named(struct model_run *run, const struct named_change *named, bool newer);
struct named_change *model_named_copy(const struct named_change *named, size_t count,
                                      struct arena *arena);

/* START TRANSACTION, COMMIT, ROLLBACK, and the clock (arguments: int64_t, of its answer). */
model_statement model_start, model_commit, model_rollback, model_clock;

/* Its transaction is over. */
void model_snapshot_end(struct model_connection *connection);

#define MODEL_STATEMENTS_MAX 20u

struct model_request {
    struct model_request *next; /* of the server's */
    struct model_server *server;
    uint64_t connection; /* handle; 0: asks for one, and is answered with it … */
    uint64_t thread_id;  /* … and with its CONNECTION_ID() */
    struct sim_ref client;
    unsigned references;
    struct arena arena; /* of arguments and answers */
    void *arguments;
    model_statement *statements[MODEL_STATEMENTS_MAX];
    uint64_t affected[MODEL_STATEMENTS_MAX];
    size_t count, at;
    bool over; /* the server has done with it, or has ended */
    /* The answer. */
    bool answered;
    unsigned error;
    bool given_up; /* nobody waits for it any more */
    /* What shall go wrong, drawn before it is sent. */
    size_t end_before;  /* the connection ends before this statement */
    size_t fail_at;     /* the first statement from here that locks anything fails … */
    unsigned fail_with; /* … with this; 0: none does */
    bool lose_answer;
    int64_t answer_delay_us;
    /* While it waits for a lock. */
    struct model_tx *blocked_by;
    uint64_t wait;
    int64_t wait_until_us; /* true time; 0: the statement has not waited yet */
    bool committing;       /* the COMMIT has begun: nothing stops it but a crash */
};

/* A request in the world's memory with zeroed arguments. Fill it with the world current
 * (model_request_new leaves it so until model_request_ready). */
struct model_request *model_request_new(size_t argument_bytes);
void model_request_add(struct model_request *request, model_statement *statement);
void model_request_ready(void);
struct model_request *model_request_hold(struct model_request *request); /* one more user */
void model_request_release(struct model_request **request);
/* The server has done with it. arrives: the client learns so, after a while. */
void model_answer(struct model_request *request, unsigned error, bool arrives);

/* End a transaction and let go on who waits for it. */
void model_commit_all(struct model_server *server, struct model_tx *tx);
void model_rollback_all(struct model_server *server, struct model_tx *tx);
/* Whoever waits for what the transaction has locked may try again. */
void model_wake_waiting(struct model_server *server, const struct model_tx *tx);

/* Sends it over the connection, waits, and says what came of it, as db_run does. The answer may be
 * read if it is DB_OK. */
enum db_outcome model_call(struct db *db, struct model_request *request);

/* A request is under way to its server. Events of the server, run on its behalf: it arrives … */
void model_server_expect(struct model_request *request);
sim_event model_server_arrive;
struct model_gone { /* … and this: the client's end of a connection was closed */
    struct model_server *server;
    uint64_t connection;
};
sim_event model_server_gone;

struct model_server *model_server_find(const char *address);
/* Ends a connection as KILL CONNECTION does: soon. False: there is none with that id. */
bool model_server_kill(struct model_server *server, uint64_t thread_id);
/* A statement that waited may go on, after so long. */
void model_go_on_later(struct model_request *request, int64_t delay_us);

/* At the start of a seed; when a server has died; when a client of it has. */
void model_connections_begin(void);
void model_connections_lost(struct model_server *server);
void model_connections_of(struct model_server *server, const struct sim_process *client);

/* Ends the program when there is no memory. */
void *model_calloc(size_t bytes);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Connections: requests arrive, statements run one by one, wait for locks, time out, and are
 * answered. What runs here is an event on behalf of the server's process, but in the world's
 * memory: rows outlive the process.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/model_impl.h"

/* Between two statements of one text. */
#define STATEMENT_MIN_US 5
#define STATEMENT_MAX_US 400
/* From the beginning of a COMMIT until it is done. */
#define COMMIT_MIN_US 30
#define COMMIT_MAX_US 30000
/* From KILL until the thread has ended, if it does nothing. */
#define KILL_MIN_US 10
#define KILL_MAX_US 50000
/* Until one end of a connection learns that the other has gone. */
#define HANGUP_MIN_US 20
#define HANGUP_MAX_US 100000

static struct {
    uint64_t waits, handles;
} counters;

static struct sim_ref ref_of(const struct model_server *server)
{
    return sim_ref(server->process);
}

/* ------------------------------------------------------------- events with a request */

static void go_on(struct model_request *request);

static void go_on_event(void *argument)
{
    struct model_request *request = argument;
    struct sim_process *back = sim_enter(NULL);

    if (!request->over)
        go_on(request);
    model_request_release(&request);
    sim_leave(back);
}

void model_go_on_later(struct model_request *request, int64_t delay_us)
{
    sim_post(ref_of(request->server), delay_us, go_on_event, model_request_hold(request));
}

/* ------------------------------------------------------------- connections */

static struct model_connection *find_connection(const struct model_server *server, uint64_t handle)
{
    struct model_connection *connection = server->connections;

    while (connection && connection->handle != handle)
        connection = connection->next;
    return connection;
}

static void end_connection(struct model_server *server, struct model_connection *connection)
{
    struct model_connection **at = &server->connections;

    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    if (connection->runs)
        model_answer(connection->runs, MODEL_LOST, true);
    model_rollback_all(server, &connection->tx);
    model_snapshot_end(connection);
    free(connection);
}

static struct model_gone *gone_new(struct model_server *server, uint64_t connection)
{
    struct model_gone *gone = model_calloc(sizeof *gone);

    *gone = (struct model_gone){server, connection};
    return gone;
}

/* Event: the server waits no longer for a client that says nothing. */
static void look_at_idle(void *argument)
{
    struct model_gone *watch = argument;
    struct sim_process *back = sim_enter(NULL);
    struct model_connection *connection = find_connection(watch->server, watch->connection);

    if (connection && connection->runs) {
        connection->watched = false; /* finish begins anew */
    } else if (connection && sim_now_us() - connection->idle_since_us >= MODEL_WAIT_TIMEOUT_US) {
        sim_trace("connection %llu was idle for too long",
                  (unsigned long long)connection->thread_id);
        SIM_SEEN("db.wait_timeout");
        end_connection(watch->server, connection);
    } else if (connection) {
        sim_post(ref_of(watch->server),
                 connection->idle_since_us + MODEL_WAIT_TIMEOUT_US - sim_now_us(), look_at_idle,
                 watch);
        watch = NULL;
    }
    free(watch);
    sim_leave(back);
}

static void become_idle(struct model_server *server, struct model_connection *connection)
{
    connection->runs = NULL;
    connection->idle_since_us = sim_now_us();
    if (connection->watched)
        return;
    connection->watched = true;
    sim_post(ref_of(server), MODEL_WAIT_TIMEOUT_US, look_at_idle,
             gone_new(server, connection->handle));
}

/* Event: the client has closed its end. What runs, runs to its end first. */
void model_server_gone(void *argument)
{
    struct model_gone *gone = argument;
    struct sim_process *back = sim_enter(NULL);
    struct model_connection *connection = find_connection(gone->server, gone->connection);

    if (connection && connection->runs)
        connection->gone = true;
    else if (connection)
        end_connection(gone->server, connection);
    free(gone);
    sim_leave(back);
}

/* Event: the thread sees that it was killed, unless it is between two statements or commits. */
static void die(void *argument)
{
    struct model_gone *gone = argument;
    struct sim_process *back = sim_enter(NULL);
    struct model_connection *connection = find_connection(gone->server, gone->connection);

    if (connection && connection->killed && (!connection->runs || connection->runs->blocked_by))
        end_connection(gone->server, connection);
    free(gone);
    sim_leave(back);
}

bool model_server_kill(struct model_server *server, uint64_t thread_id)
{
    struct model_connection *connection = server->connections;

    while (connection && connection->thread_id != thread_id)
        connection = connection->next;
    if (!connection)
        return false;
    SIM_SEEN("db.killed");
    connection->killed = true;
    sim_post(ref_of(server), sim_skewed(KILL_MIN_US, KILL_MAX_US), die,
             gone_new(server, connection->handle));
    return true;
}

/* ------------------------------------------------------------- running */

/* The answer is under way, or lost. */
static void finish(struct model_server *server, struct model_connection *connection, unsigned error)
{
    struct model_request *request = connection->runs;
    bool lost = request->lose_answer;

    if (connection->killed && sim_one_in(2))
        lost = true;
    become_idle(server, connection);
    /* Who loses the connection with the answer may notice at once, or only by waiting in vain. */
    model_answer(request, lost ? MODEL_LOST : error, !lost || sim_one_in(2));
    if (connection->killed || connection->gone)
        end_connection(server, connection);
    else if (lost && sim_one_in(2))
        sim_post(ref_of(server), sim_skewed(HANGUP_MIN_US, HANGUP_MAX_US), model_server_gone,
                 gone_new(server, connection->handle));
}

struct lock_wait {
    struct model_request *request;
    uint64_t wait;
};

/* Event: it has waited for a lock for as long as it may. */
static void give_up_waiting(void *argument)
{
    struct lock_wait *lock_wait = argument;
    struct model_request *request = lock_wait->request;
    struct sim_process *back = sim_enter(NULL);

    if (!request->over && request->blocked_by && request->wait == lock_wait->wait) {
        struct model_connection *connection = find_connection(request->server, request->connection);
        SIM_SEEN("db.lock_wait_timeout");
        request->blocked_by = NULL;
        if (!connection->in_transaction)
            model_rollback_all(request->server, &connection->tx);
        finish(request->server, connection, MODEL_LOCK_WAIT);
    }
    model_request_release(&request);
    free(lock_wait);
    sim_leave(back);
}

static struct model_connection *connection_of(const struct model_tx *tx)
{
    return (struct model_connection *)((uintptr_t)tx - offsetof(struct model_connection, tx));
}

/* Does whoever holds the lock wait, over others perhaps, for us? */
static bool is_circle(const struct model_tx *tx, const struct model_tx *other)
{
    while (other && other != tx) {
        const struct model_request *runs = connection_of(other)->runs;
        other = runs ? runs->blocked_by : NULL;
    }
    return other == tx;
}

static void wait_for(struct model_request *request, struct model_tx *other)
{
    struct lock_wait *lock_wait = model_calloc(sizeof *lock_wait);

    SIM_SEEN("db.lock_wait");
    request->blocked_by = other;
    request->wait = ++counters.waits;
    *lock_wait = (struct lock_wait){model_request_hold(request), request->wait};
    if (request->wait_until_us == 0)
        request->wait_until_us = sim_now_us() + MODEL_LOCK_WAIT_US;
    sim_post(ref_of(request->server), request->wait_until_us - sim_now_us(), give_up_waiting,
             lock_wait);
}

/* One statement. 0, an error, or MODEL_BLOCKED. */
static unsigned run_statement(struct model_request *request, struct model_connection *connection,
                              int64_t now_us)
{
    struct model_run run = {
        .server = request->server,
        .connection = connection,
        .tx = &connection->tx,
        .request = request,
        .arguments = request->arguments,
        .now_us = now_us,
    };
    unsigned error = request->statements[request->at](&run);

    if (error == MODEL_BLOCKED) {
        model_statement_undo(run.tx);
        if (!is_circle(run.tx, run.other)) {
            wait_for(request, run.other);
            return MODEL_BLOCKED;
        }
        SIM_SEEN("db.deadlock");
        error = MODEL_DEADLOCK;
    }
    /* Only what locks can be a victim. */
    if (error == 0 && request->fail_with != 0 && request->at >= request->fail_at && run.tx->owned) {
        error = request->fail_with;
        request->fail_with = 0;
    }
    if (error != 0)
        model_statement_undo(run.tx);
    model_statement_done(run.tx);
    request->affected[request->at] = run.affected;
    request->wait_until_us = 0;
    if (error == MODEL_DEADLOCK || (error != 0 && !connection->in_transaction)) {
        model_rollback_all(request->server, run.tx);
        connection->in_transaction = false;
        model_snapshot_end(connection);
    } else if (error == 0 && !connection->in_transaction) {
        model_commit_all(request->server, run.tx);
    }
    return error;
}

static void go_on(struct model_request *request)
{
    struct model_server *server = request->server;
    struct model_connection *connection = find_connection(server, request->connection);

    if (request->blocked_by)
        return;
    if (!request->committing && (connection->killed || request->at == request->end_before)) {
        end_connection(server, connection);
        return;
    }
    if (request->statements[request->at] == model_commit && !request->committing) {
        request->committing = true;
        model_go_on_later(request, sim_skewed(COMMIT_MIN_US, COMMIT_MAX_US));
        return;
    }
    unsigned error = run_statement(request, connection, sim_wall_us(server->process));
    if (error == MODEL_BLOCKED)
        return;
    if (error != 0 || ++request->at == request->count)
        finish(server, connection, error);
    else
        model_go_on_later(request, sim_skewed(STATEMENT_MIN_US, STATEMENT_MAX_US));
}

static void accept_connection(struct model_request *request)
{
    struct model_server *server = request->server;
    struct model_connection *connection = model_calloc(sizeof *connection);

    *connection = (struct model_connection){
        .next = server->connections,
        .handle = ++counters.handles,
        .thread_id = ++server->last_thread,
        .client = request->client,
    };
    server->connections = connection;
    request->connection = connection->handle;
    request->thread_id = connection->thread_id;
    become_idle(server, connection);
    model_answer(request, 0, true);
}

void model_server_arrive(void *argument)
{
    struct model_request *request = argument;
    struct sim_process *back = sim_enter(NULL);
    struct model_connection *connection = find_connection(request->server, request->connection);

    if (request->over) {
        ; /* it came to a server that has been started again */
    } else if (request->connection == 0 && !request->given_up) {
        accept_connection(request);
    } else if (!connection || connection->killed || connection->gone) {
        model_answer(request, MODEL_LOST, true);
    } else {
        assert(!connection->runs);
        connection->runs = request;
        go_on(request);
    }
    model_request_release(&request);
    sim_leave(back);
}

/* ------------------------------------------------------------- ends */

void model_connections_begin(void)
{
    memset(&counters, 0, sizeof counters);
}

void model_connections_lost(struct model_server *server)
{
    while (server->connections) {
        struct model_connection *connection = server->connections;
        server->connections = connection->next;
        model_rollback_tx(&connection->tx); /* nobody is left to wake */
        free(connection);
    }
    /* Clients learn it from their kernel, or not at all when the machine is gone. */
    while (server->requests)
        model_answer(server->requests, MODEL_LOST, !sim_one_in(8));
}

void model_connections_of(struct model_server *server, const struct sim_process *client)
{
    for (struct model_connection *c = server->connections; c; c = c->next) {
        if (c->client.process == client && c->client.incarnation == client->incarnation &&
            !sim_one_in(16))
            sim_post(ref_of(server), sim_skewed(HANGUP_MIN_US, HANGUP_MAX_US), model_server_gone,
                     gone_new(server, c->handle));
    }
}

/* SPDX-License-Identifier: MIT
 *
 * Servers and connections: requests arrive, statements run one by one, wait for locks, time out,
 * and are answered. What runs here is an event on behalf of the server's process, but in the
 * world's memory: rows outlive the process.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/model_impl.h"

/* Between two statements of one text, and until an answer is there. */
#define STATEMENT_MIN_US 5
#define STATEMENT_MAX_US 400
#define ANSWER_MIN_US 20
#define ANSWER_MAX_US 3000
/* From the beginning of a COMMIT until it is done. */
#define COMMIT_MIN_US 30
#define COMMIT_MAX_US 30000
/* From KILL until the thread has ended, if it does nothing. */
#define KILL_MIN_US 10
#define KILL_MAX_US 50000
/* Until one end of a connection learns that the other has gone. */
#define HANGUP_MIN_US 20
#define HANGUP_MAX_US 100000
/* Ids of connections after a start. */
#define FIRST_CONNECTION 5

struct model_connection {
    struct model_connection *next;
    uint64_t handle;    /* like that of no other connection in this seed */
    uint64_t thread_id; /* CONNECTION_ID() */
    struct sim_ref client;
    struct model_tx tx;
    bool in_transaction;
    bool killed;                /* ends at the next occasion */
    bool gone;                  /* the client has hung up; noticed when nothing runs */
    struct model_request *runs; /* NULL: idle … */
    int64_t idle_since_us;      /* … since then, true time */
    bool watched;               /* an event looks after idle_since_us */
};

static struct {
    struct model_server *servers;
    model_commit_hook *hook;
    uint64_t waits, handles;
} model;

static struct sim_ref ref_of(const struct model_server *server)
{
    return sim_ref(server->process);
}

static void *must_calloc_here(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (!memory)
        abort();
    return memory;
}

/* ------------------------------------------------------------- requests */

static struct sim_process *maker; /* who fills a request, while the world is current */

struct model_request *model_request_new(size_t argument_bytes)
{
    maker = sim_enter(NULL);
    struct model_request *request = must_calloc_here(sizeof *request);
    request->references = 1;
    request->end_before = SIZE_MAX;
    arena_init(&request->arena);
    request->arguments = arena_zalloc(&request->arena, argument_bytes + 1);
    return request;
}

void model_request_add(struct model_request *request, model_statement *statement)
{
    assert(request->count < MODEL_STATEMENTS_MAX);
    request->statements[request->count++] = statement;
}

void model_request_ready(void)
{
    sim_leave(maker);
}

static struct model_request *hold(struct model_request *request)
{
    request->references++;
    return request;
}

void model_request_release(struct model_request **request)
{
    struct sim_process *back = sim_enter(NULL);

    if (--(*request)->references == 0) {
        arena_release(&(*request)->arena);
        free(*request);
    }
    *request = NULL;
    sim_leave(back);
}

void model_server_expect(struct model_request *request)
{
    struct model_request **at = &request->server->requests;

    while (*at)
        at = &(*at)->next;
    *at = hold(request);
}

static void give_answer(void *argument)
{
    struct model_request *request = argument;

    request->answered = true;
    sim_wake(sim_self(), SIM_DB);
    model_request_release(&request);
}

/* The server has done with it. arrives: the client learns so, after a while. */
static void answer(struct model_request *request, unsigned error, bool arrives)
{
    struct model_request **at = &request->server->requests;

    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    request->over = true;
    request->blocked_by = NULL;
    request->error = error;
    if (arrives)
        sim_post(request->client,
                 request->answer_delay_us + sim_skewed(ANSWER_MIN_US, ANSWER_MAX_US), give_answer,
                 hold(request));
    model_request_release(&request);
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

static void go_on_later(struct model_request *request, int64_t delay_us)
{
    sim_post(ref_of(request->server), delay_us, go_on_event, hold(request));
}

/* ------------------------------------------------------------- transactions */

struct commit {
    struct model_server *server;
    struct model_touched *touched;
    size_t count, capacity;
    const struct movement **movements;
    size_t movement_count;
};

static bool is_before(const struct movement *a, const struct movement *b)
{
    return a->partition != b->partition ? a->partition < b->partition : a->seq < b->seq;
}

static void add_movement(struct commit *commit, const struct movement *movement)
{
    size_t at = commit->movement_count++;

    for (; at > 0 && is_before(movement, commit->movements[at - 1]); at--)
        commit->movements[at] = commit->movements[at - 1];
    commit->movements[at] = movement;
}

static void see_row(void *context, const struct model_entry *entry, const void *before,
                    const void *after)
{
    struct commit *commit = context;
    enum model_table_name table = (enum model_table_name)(entry->table - commit->server->tables);

    if (commit->count == commit->capacity) {
        commit->capacity = commit->capacity ? commit->capacity * 2 : 16;
        commit->touched = realloc(commit->touched, commit->capacity * sizeof *commit->touched);
        commit->movements =
            realloc(commit->movements, commit->capacity * sizeof *commit->movements);
        if (!commit->touched || !commit->movements)
            abort();
    }
    commit->touched[commit->count++] =
        (struct model_touched){table, entry->key, model_row_hold(before), model_row_hold(after)};
    if (table == MODEL_MOVEMENT && after && !before)
        add_movement(commit, after);
}

/* Whoever waits for what the transaction had locked may try again. */
static void wake_waiting(struct model_server *server, const struct model_tx *tx)
{
    for (struct model_request *request = server->requests; request; request = request->next) {
        if (request->blocked_by != tx)
            continue;
        request->blocked_by = NULL;
        go_on_later(request, sim_between(1, 20));
    }
}

static void commit_tx(struct model_server *server, struct model_tx *tx)
{
    struct commit commit = {.server = server};

    model_commit_tx(tx, see_row, &commit);
    wake_waiting(server, tx);
    if (commit.count > 0 && model.hook)
        model.hook(&(struct model_commit){
            .server = server,
            .movements = commit.movements,
            .movement_count = commit.movement_count,
            .touched = commit.touched,
            .touched_count = commit.count,
        });
    for (size_t i = 0; i < commit.count; i++) {
        model_row_release(commit.touched[i].before);
        model_row_release(commit.touched[i].after);
    }
    free(commit.touched);
    free(commit.movements);
}

static void rollback_tx(struct model_server *server, struct model_tx *tx)
{
    model_rollback_tx(tx);
    wake_waiting(server, tx);
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
        answer(connection->runs, MODEL_LOST, true);
    rollback_tx(server, &connection->tx);
    free(connection);
}

static struct model_gone *gone_new(struct model_server *server, uint64_t connection)
{
    struct model_gone *gone = must_calloc_here(sizeof *gone);

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
    answer(request, lost ? MODEL_LOST : error, !lost || sim_one_in(2));
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
            rollback_tx(request->server, &connection->tx);
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
    struct lock_wait *lock_wait = must_calloc_here(sizeof *lock_wait);

    SIM_SEEN("db.lock_wait");
    request->blocked_by = other;
    request->wait = ++model.waits;
    *lock_wait = (struct lock_wait){hold(request), request->wait};
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
        rollback_tx(request->server, run.tx);
        connection->in_transaction = false;
    } else if (error == 0 && !connection->in_transaction) {
        commit_tx(request->server, run.tx);
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
        go_on_later(request, sim_skewed(COMMIT_MIN_US, COMMIT_MAX_US));
        return;
    }
    unsigned error = run_statement(request, connection, sim_wall_us(server->process));
    if (error == MODEL_BLOCKED)
        return;
    if (error != 0 || ++request->at == request->count)
        finish(server, connection, error);
    else
        go_on_later(request, sim_skewed(STATEMENT_MIN_US, STATEMENT_MAX_US));
}

static void accept_connection(struct model_request *request)
{
    struct model_server *server = request->server;
    struct model_connection *connection = must_calloc_here(sizeof *connection);

    *connection = (struct model_connection){
        .next = server->connections,
        .handle = ++model.handles,
        .thread_id = ++server->last_thread,
        .client = request->client,
    };
    server->connections = connection;
    request->connection = connection->handle;
    request->thread_id = connection->thread_id;
    become_idle(server, connection);
    answer(request, 0, true);
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
        answer(request, MODEL_LOST, true);
    } else {
        assert(!connection->runs);
        connection->runs = request;
        go_on(request);
    }
    model_request_release(&request);
    sim_leave(back);
}

/* ------------------------------------------------------------- statements of the server */

struct model_entry *model_take(struct model_run *run, enum model_table_name table,
                               const struct model_key *key)
{
    return model_lock(&run->server->tables[table], key, run->tx, &run->other);
}

struct model_entry *model_join(struct model_run *run, enum model_table_name table,
                               const struct model_key *key)
{
    if (run->joined && model_unlock(run->joined))
        wake_waiting(run->server, run->tx);
    return run->joined = model_take(run, table, key);
}

const void *model_get(const struct model_run *run, enum model_table_name table,
                      const struct model_key *key)
{
    return model_read(&run->server->tables[table], key, run->tx);
}

unsigned model_insert(struct model_run *run, enum model_table_name table,
                      const struct model_key *key, const void *row)
{
    struct model_entry *entry = model_take(run, table, key);

    if (entry && !model_visible(entry, run->tx)) {
        model_change(entry, row);
        run->affected++;
        return 0;
    }
    model_row_release(row);
    return entry ? MODEL_DUPLICATE : MODEL_BLOCKED;
}

void model_movement_read(struct model_run *run, uint32_t partition, uint64_t seq,
                         struct movement *movement)
{
    struct model_key key = model_key_of_seq(partition, seq);
    const struct movement *row = model_get(run, MODEL_MOVEMENT, &key);

    assert(row);
    model_movement_copy(movement, row, &run->request->arena);
    key = model_key_of_seq(partition, row->epoch);
    const struct model_claim *claim = model_get(run, MODEL_CLAIM, &key);
    if (claim)
        memcpy(movement->claim_id, claim->claim_id, sizeof movement->claim_id);
}

uint64_t model_thread_id(const struct model_connection *connection)
{
    return connection->thread_id;
}

unsigned model_start(struct model_run *run)
{
    if (run->connection->in_transaction)
        commit_tx(run->server, run->tx); /* as the manual says */
    run->connection->in_transaction = true;
    return 0;
}

/* The transaction ends with the statement: see run_statement. */
unsigned model_commit(struct model_run *run)
{
    run->connection->in_transaction = false;
    return 0;
}

unsigned model_rollback(struct model_run *run)
{
    run->connection->in_transaction = false;
    rollback_tx(run->server, run->tx);
    return 0;
}

unsigned model_clock(struct model_run *run)
{
    *(int64_t *)run->arguments = run->now_us;
    return 0;
}

/* ------------------------------------------------------------- life and death */

static void server_down(struct model_server *server)
{
    while (server->connections) {
        struct model_connection *connection = server->connections;
        server->connections = connection->next;
        model_rollback_tx(&connection->tx); /* nobody is left to wake */
        free(connection);
    }
    /* Clients learn it from their kernel, or not at all when the machine is gone. */
    while (server->requests)
        answer(server->requests, MODEL_LOST, !sim_one_in(8));
}

static void client_down(const struct sim_process *process, struct model_server *server)
{
    for (struct model_connection *c = server->connections; c; c = c->next) {
        if (c->client.process == process && c->client.incarnation == process->incarnation &&
            !sim_one_in(16))
            sim_post(ref_of(server), sim_skewed(HANGUP_MIN_US, HANGUP_MAX_US), model_server_gone,
                     gone_new(server, c->handle));
    }
}

static void process_down(struct sim_process *process)
{
    for (struct model_server *server = model.servers; server; server = server->next) {
        if (server->process == process)
            server_down(server);
        else
            client_down(process, server);
    }
}

void model_begin(void)
{
    memset(&model, 0, sizeof model);
    sim_on_down(process_down);
}

struct model_server *model_server_new(struct sim_process *process, const char *address)
{
    struct sim_process *back = sim_enter(NULL);
    struct model_server *server = must_calloc_here(sizeof *server);

    server->process = process;
    snprintf(server->address, sizeof server->address, "%s", address);
    server->next = model.servers;
    model.servers = server;
    sim_leave(back);
    return server;
}

struct model_server *model_server_find(const char *address)
{
    struct model_server *server = model.servers;

    while (server && strcmp(server->address, address) != 0)
        server = server->next;
    return server;
}

void model_server_hold(struct model_server *server, uint32_t partition)
{
    struct sim_process *back = sim_enter(NULL);
    struct model_tx tx = {0};
    struct model_key key = model_key_of_partition(partition);
    struct model_tx *other;

    model_change(model_lock(&server->tables[MODEL_PARTITION], &key, &tx, &other),
                 model_row_new(sizeof(struct model_partition)));
    model_statement_done(&tx);
    model_commit_tx(&tx, NULL, NULL);
    sim_leave(back);
}

void model_server_start(struct model_server *server)
{
    server->last_thread = FIRST_CONNECTION - 1;
    sim_start(server->process, NULL, NULL);
}

void model_on_commit(model_commit_hook *hook)
{
    model.hook = hook;
}

/* ------------------------------------------------------------- images */

struct model_image {
    struct model_table_image tables[MODEL_TABLES];
};

struct model_image *model_image_take(const struct model_server *server)
{
    struct sim_process *back = sim_enter(NULL);
    struct model_image *image = must_calloc_here(sizeof *image);

    for (size_t t = 0; t < MODEL_TABLES; t++)
        model_table_image(&server->tables[t], &image->tables[t]);
    sim_leave(back);
    return image;
}

void model_image_release(struct model_image **image)
{
    for (size_t t = 0; t < MODEL_TABLES; t++)
        model_table_image_release(&(*image)->tables[t]);
    free(*image);
    *image = NULL;
}

void model_server_restore(struct model_server *server, const struct model_image *image)
{
    struct sim_process *back = sim_enter(NULL);

    assert(server->process->life == SIM_DOWN);
    for (size_t t = 0; t < MODEL_TABLES; t++)
        model_table_restore(&server->tables[t], &image->tables[t]);
    sim_leave(back);
}

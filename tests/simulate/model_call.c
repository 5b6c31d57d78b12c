/* SPDX-License-Identifier: MIT
 *
 * The worker's end of a connection: db.h and store_connect, in place of workers/db.c and
 * store_connect.c. What a worker does here runs on its coroutine and blocks as the connector does;
 * sim.h says how. A struct db's `mysql` is a struct model_client of the worker's own memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/simulate/model_impl.h"
#include "tests/simulate/worker.h"
#include "workers/store.h"

#define TIMEOUT_US (DB_TIMEOUT_S * 1000000LL)
/* Until a request is at the server. */
#define REQUEST_MIN_US 20
#define REQUEST_MAX_US 3000
/* How long a server may be slow, and a request late. */
#define SLOW_MAX_US 4000000
#define LATE_MAX_US 9000000
/* How long a writer stands still. */
#define WRITER_MIN_US 300000
#define AWAY_MIN_US 300000
#define AWAY_MAX_US 3000000
#define WRITER_MAX_US 7000000
/* Until a client learns that a connection is broken, if it does so before its time is over. */
#define BROKEN_MAX_US 20000

struct model_client {
    struct model_server *server;
    uint64_t handle;
    int64_t arrives_us; /* true time at which the last that was sent arrives */
};

static struct model_client *client_of(const struct db *db)
{
    return (struct model_client *)(void *)db->mysql;
}

/* ------------------------------------------------------------- sending */

/* What is sent over one connection arrives in order. */
static int64_t delay_after(struct model_client *client, int64_t delay_us)
{
    int64_t at_us = sim_now_us() + delay_us;

    if (at_us <= client->arrives_us)
        at_us = client->arrives_us + 1;
    client->arrives_us = at_us;
    return at_us - sim_now_us();
}

/* The client's end is closed. cut: the server does not learn it. */
static void hang_up(struct model_client *client, bool cut)
{
    if (cut)
        return;
    int64_t delay_us = delay_after(client, sim_skewed(REQUEST_MIN_US, REQUEST_MAX_US));
    struct sim_process *back = sim_enter(NULL);
    struct model_gone *gone = calloc(1, sizeof *gone);
    if (!gone)
        abort();
    *gone = (struct model_gone){client->server, client->handle};
    sim_post(sim_ref(client->server->process), delay_us, model_server_gone, gone);
    sim_leave(back);
}

/* Nothing passes between this worker and its server, in either direction. */
static bool is_cut_off(void)
{
    const struct sim_worker *worker = sim_self()->user;

    return worker && sim_now_us() < worker->cut_off_until_us;
}

static bool wait_for_answer(struct model_request *request)
{
    int64_t until_us = clock_monotonic_us() + TIMEOUT_US;

    for (;;) {
        int64_t left_us = until_us - clock_monotonic_us();
        if (request->answered || left_us <= 0)
            return request->answered && !is_cut_off();
        (void)sim_block(SIM_DB, left_us);
    }
}

/* What may go wrong with this request, each with its own kind of fault. */
enum mishap {
    NO_MISHAP,
    REQUEST_LOST, /* the server never sees it */
    REQUEST_LATE, /* it arrives after the worker has given it up */
    CUT_OFF,      /* it arrives, and then the worker does not reach the server */
};

static enum mishap draw_mishap(struct model_request *request)
{
    bool commit = request->statements[0] == model_commit;

    if (sim_fault(SIM_FAULT_DB_SLOW))
        request->answer_delay_us = sim_between(1000, SLOW_MAX_US);
    if (sim_fault(SIM_FAULT_DB_READ_ONLY))
        request->fail_with = MODEL_READ_ONLY;
    if (commit) {
        if (sim_fault(SIM_FAULT_DB_DEADLOCK)) /* as Galera says at COMMIT */
            request->fail_with = MODEL_DEADLOCK;
        request->lose_answer = sim_fault(SIM_FAULT_COMMIT_ANSWER_LOST);
        if (sim_fault(SIM_FAULT_COMMIT_LOST))
            return REQUEST_LOST;
        if (sim_fault(SIM_FAULT_COMMIT_CUT_OFF))
            return CUT_OFF;
        return sim_fault(SIM_FAULT_COMMIT_LATE) ? REQUEST_LATE : NO_MISHAP;
    }
    if (request->count > 1 && sim_fault(SIM_FAULT_DB_CUT_BETWEEN))
        request->end_before = (size_t)sim_between(1, (int64_t)request->count - 1);
    if (sim_fault(SIM_FAULT_DB_DEADLOCK) || sim_fault(SIM_FAULT_DB_STORM))
        request->fail_with = MODEL_DEADLOCK;
    if (sim_fault(SIM_FAULT_DB_LOCK_WAIT))
        request->fail_with = MODEL_LOCK_WAIT;
    request->fail_at = (size_t)sim_below(request->count);
    request->lose_answer = sim_fault(SIM_FAULT_DB_ANSWER_LOST);
    if (sim_fault(SIM_FAULT_DB_REQUEST_LOST))
        return REQUEST_LOST;
    return sim_fault(SIM_FAULT_DB_REQUEST_LATE) ? REQUEST_LATE : NO_MISHAP;
}

static void send(struct model_client *client, struct model_request *request, int64_t delay_us)
{
    delay_us = delay_after(client, delay_us);
    struct sim_process *back = sim_enter(NULL);
    request->server = client->server;
    request->connection = client->handle;
    request->client = sim_ref(back);
    request->references++; /* the event's */
    model_server_expect(request);
    sim_post(sim_ref(client->server->process), delay_us, model_server_arrive, request);
    sim_leave(back);
}

/* Right before a transaction, or before its COMMIT: for as long as leases are, and longer. */
static void stop_writer(const struct model_request *request)
{
    if ((request->statements[0] != model_start && request->statements[0] != model_commit) ||
        !sim_fault(SIM_FAULT_PAUSE_WRITER))
        return;
    sim_pause_for(WRITER_MIN_US, WRITER_MAX_US);
}

/* False: no answer. Then *cut: the server does not know either. */
static bool exchange(struct model_client *client, struct model_request *request, bool *cut)
{
    enum mishap mishap = draw_mishap(request);
    int64_t delay_us = sim_skewed(REQUEST_MIN_US, REQUEST_MAX_US);

    sim_point("db.request");
    stop_writer(request);
    if (mishap == REQUEST_LOST || is_cut_off()) {
        *cut = sim_one_in(2);
        (void)sim_block(SIM_DB, sim_one_in(2) ? TIMEOUT_US : sim_skewed(1, BROKEN_MAX_US));
        return false;
    }
    if (mishap == CUT_OFF) {
        /* Its partitions go to another one, if that is there, while it lives and knows nothing. */
        struct sim_worker *worker = sim_self()->user;
        send(client, request, delay_us);
        (void)sim_block(SIM_DB, sim_skewed(1, BROKEN_MAX_US));
        worker->cut_off_until_us = sim_now_us() + sim_between(AWAY_MIN_US, AWAY_MAX_US);
        worker->refused = !sim_one_in(4);
        return false;
    }
    if (mishap == REQUEST_LATE && sim_one_in(2)) {
        /* The connection breaks at this end, and what was sent is still under way. */
        send(client, request, sim_skewed(1, LATE_MAX_US));
        (void)sim_block(SIM_DB, sim_skewed(1, BROKEN_MAX_US));
        return false;
    }
    if (mishap == REQUEST_LATE)
        delay_us = TIMEOUT_US + sim_skewed(1, LATE_MAX_US);
    send(client, request, delay_us);
    bool answered = wait_for_answer(request);
    sim_point("db.answer");
    return answered;
}

/* ------------------------------------------------------------- the calls */

static enum db_outcome failed(struct db *db, unsigned error)
{
    enum db_outcome outcome = db_outcome_of(error);

    db->error_code = error;
    snprintf(db->error, sizeof db->error, "%u: said the model", error);
    if (outcome == DB_NOT_WRITER)
        db->server = (db->server + 1) % db->shard->server_count;
    if (outcome == DB_LOST || outcome == DB_NOT_WRITER)
        db_close(db);
    return outcome;
}

enum db_outcome model_call(struct db *db, struct model_request *request)
{
    bool cut = false;

    if (!db->mysql)
        return DB_LOST;
    db->round_trips++;
    if (!exchange(client_of(db), request, &cut)) {
        request->given_up = true;
        if (cut) { /* nobody tells the server */
            free(db->mysql);
            db->mysql = NULL;
        }
        return failed(db, MODEL_LOST);
    }
    db->statements += request->at;
    return request->error == 0 ? DB_OK : failed(db, request->error);
}

static enum db_outcome run_one(struct db *db, model_statement *statement)
{
    struct model_request *request = model_request_new(0);

    model_request_add(request, statement);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    model_request_release(&request);
    return outcome;
}

void db_init(struct db *db, const struct config_shard *shard)
{
    *db = (struct db){.shard = shard};
}

void db_close(struct db *db)
{
    if (!db->mysql)
        return;
    hang_up(client_of(db), false);
    free(db->mysql);
    db->mysql = NULL;
}

bool db_connected(const struct db *db)
{
    return db->mysql != NULL;
}

const char *db_error(const struct db *db)
{
    return db->error;
}

static bool connect_to(struct db *db, struct model_server *server)
{
    struct model_client client = {.server = server};

    sim_point("db.connect");
    if (!server || server->process->life == SIM_DOWN || is_cut_off() ||
        sim_fault(SIM_FAULT_DB_CONNECT)) {
        /* Somebody says so at once, or nobody says anything. */
        const struct sim_worker *worker = sim_self()->user;
        bool at_once = worker && is_cut_off() && worker->refused;
        (void)sim_block(SIM_DB, sim_skewed(1, at_once ? BROKEN_MAX_US : TIMEOUT_US));
        return false;
    }
    struct model_request *request = model_request_new(0);
    model_request_ready();
    send(&client, request, sim_skewed(REQUEST_MIN_US, REQUEST_MAX_US));
    bool connected = wait_for_answer(request) && request->error == 0;
    request->given_up = true;
    client.handle = request->connection;
    if (!connected && client.handle != 0) {
        hang_up(&client, false);
    } else if (connected) {
        struct model_client *kept = malloc(sizeof *kept);
        if (!kept)
            abort();
        *kept = client;
        db->mysql = (void *)kept;
        db->thread_id = request->thread_id;
    }
    model_request_release(&request);
    return connected;
}

bool db_connect(struct db *db)
{
    db_close(db);
    for (size_t i = 0; i < db->shard->server_count; i++) {
        size_t server = (db->server + i) % db->shard->server_count;
        if (connect_to(db, model_server_find(db->shard->servers[server].socket))) {
            db->server = server;
            return true;
        }
    }
    snprintf(db->error, sizeof db->error, "%u: said the model", MODEL_LOST);
    return false;
}

void db_rollback(struct db *db)
{
    if (db->mysql && run_one(db, model_rollback) != DB_OK)
        db_close(db);
}

enum db_outcome db_commit(struct db *db)
{
    return run_one(db, model_commit);
}

bool store_connect(struct db *db, int64_t *server_us)
{
    if (!db_connect(db))
        return false;
    struct model_request *request = model_request_new(sizeof *server_us);
    model_request_add(request, model_clock);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    *server_us = *(int64_t *)request->arguments;
    model_request_release(&request);
    if (outcome != DB_OK)
        db_close(db);
    return outcome == DB_OK;
}

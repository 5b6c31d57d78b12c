/* SPDX-License-Identifier: MIT
 *
 * Requests, and the transactions that they run in. A request lives until its sender and the server
 * have both done with it, whatever becomes of either; its memory is the world's.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/model_impl.h"

/* Until an answer is there. */
#define ANSWER_MIN_US 20
#define ANSWER_MAX_US 3000

static model_commit_hook *commit_hook;

void *model_calloc(size_t bytes)
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
    struct model_request *request = model_calloc(sizeof *request);
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

struct model_request *model_request_hold(struct model_request *request)
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
    *at = model_request_hold(request);
}

static void give_answer(void *argument)
{
    struct model_request *request = argument;

    request->answered = true;
    sim_wake(sim_self(), SIM_DB);
    model_request_release(&request);
}

/* The server has done with it. arrives: the client learns so, after a while. */
void model_answer(struct model_request *request, unsigned error, bool arrives)
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
                 model_request_hold(request));
    model_request_release(&request);
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
void model_wake_waiting(struct model_server *server, const struct model_tx *tx)
{
    for (struct model_request *request = server->requests; request; request = request->next) {
        if (request->blocked_by != tx)
            continue;
        request->blocked_by = NULL;
        model_go_on_later(request, sim_between(1, 20));
    }
}

/* What is deleted is kept for judges. */
static void keep_gone(struct model_server *server, const struct model_touched *touched)
{
    enum model_table_name gone = MODEL_TABLES;

    if (touched->after || !touched->before)
        return;
    if (touched->table == MODEL_MOVEMENT)
        gone = MODEL_GONE_MOVEMENT;
    else if (touched->table == MODEL_RESERVATION)
        gone = MODEL_GONE_RESERVATION;
    else if (touched->table == MODEL_LINE)
        gone = MODEL_GONE_LINE;
    if (gone != MODEL_TABLES)
        model_table_put(&server->tables[gone], &touched->key, touched->before);
}

void model_commit_all(struct model_server *server, struct model_tx *tx)
{
    struct commit commit = {.server = server};

    model_commit_tx(tx, see_row, &commit);
    model_wake_waiting(server, tx);
    if (commit.count > 0 && commit_hook)
        commit_hook(&(struct model_commit){
            .server = server,
            .movements = commit.movements,
            .movement_count = commit.movement_count,
            .touched = commit.touched,
            .touched_count = commit.count,
        });
    for (size_t i = 0; i < commit.count; i++) {
        keep_gone(server, &commit.touched[i]);
        model_row_release(commit.touched[i].before);
        model_row_release(commit.touched[i].after);
    }
    free(commit.touched);
    free(commit.movements);
}

void model_rollback_all(struct model_server *server, struct model_tx *tx)
{
    model_rollback_tx(tx);
    model_wake_waiting(server, tx);
}

void model_on_commit(model_commit_hook *hook)
{
    commit_hook = hook;
}

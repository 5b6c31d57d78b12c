/* SPDX-License-Identifier: MIT
 *
 * Servers: their life, their death, and images of what they hold.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/model_impl.h"

/* CONNECTION_ID() of the first after a start. */
#define FIRST_THREAD 5

static struct model_server *servers;

static void process_down(struct sim_process *process)
{
    for (struct model_server *server = servers; server; server = server->next) {
        if (server->process == process)
            model_connections_lost(server);
        else
            model_connections_of(server, process);
    }
}

void model_begin(void)
{
    servers = NULL;
    model_on_commit(NULL);
    model_connections_begin();
    sim_on_down(process_down);
}

struct model_server *model_server_new(struct sim_process *process, const char *address)
{
    struct sim_process *back = sim_enter(NULL);
    struct model_server *server = model_calloc(sizeof *server);

    server->process = process;
    snprintf(server->address, sizeof server->address, "%s", address);
    server->next = servers;
    servers = server;
    sim_leave(back);
    return server;
}

struct model_server *model_server_find(const char *address)
{
    struct model_server *server = servers;

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
    server->last_thread = FIRST_THREAD - 1;
    sim_start(server->process, NULL, NULL);
}

/* ------------------------------------------------------------- images */

struct model_image {
    struct model_table_image tables[MODEL_TABLES];
};

struct model_image *model_image_take(const struct model_server *server)
{
    struct sim_process *back = sim_enter(NULL);
    struct model_image *image = model_calloc(sizeof *image);

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

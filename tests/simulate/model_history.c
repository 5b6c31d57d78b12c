/* SPDX-License-Identifier: MIT
 *
 * The movements of one level: store_history on the model database. One statement finds the newest,
 * each further one a stretch of the chain.
 */
#include "workers/store_history.h"

#include <string.h>

#include "tests/simulate/model_impl.h"

#define STRETCH 500u
#define STRETCHES_MAX 64u

struct history_arguments {
    uint32_t partition;
    struct code sku, warehouse;
    uint64_t next; /* asked from, or found */
    struct movement *rows;
    size_t count;
};

static unsigned find_newest(struct model_run *run)
{
    struct history_arguments *arguments = run->arguments;
    bool of_level = arguments->warehouse.length > 0;
    struct model_key key =
        of_level ? model_key_of_level(arguments->partition, &arguments->sku, &arguments->warehouse)
                 : model_key_of_sku(arguments->partition, &arguments->sku);
    const void *row = model_get(run, of_level ? MODEL_LEVEL : MODEL_ITEM, &key);

    if (row)
        arguments->next =
            of_level ? ((const struct level *)row)->version : ((const struct item *)row)->version;
    return 0;
}

static unsigned follow(struct model_run *run)
{
    struct history_arguments *arguments = run->arguments;

    arguments->rows = arena_zalloc(&run->request->arena, STRETCH * sizeof *arguments->rows);
    for (uint64_t seq = arguments->next; seq != 0 && arguments->count < STRETCH;) {
        struct model_key key = model_key_of_seq(arguments->partition, seq);
        if (!model_get(run, MODEL_MOVEMENT, &key))
            break; /* pruned */
        struct movement *row = &arguments->rows[arguments->count++];
        model_movement_read(run, arguments->partition, seq, row);
        seq = row->prev;
    }
    return 0;
}

static struct model_request *build(uint32_t partition, const struct history *history,
                                   model_statement *statement, uint64_t next)
{
    struct model_request *request = model_request_new(sizeof(struct history_arguments));
    struct history_arguments *arguments = request->arguments;

    *arguments = (struct history_arguments){.partition = partition,
                                            .sku = *history->sku,
                                            .warehouse = *history->warehouse,
                                            .next = next};
    model_request_add(request, statement);
    model_request_ready();
    return request;
}

struct walk {
    const struct history *history;
    struct arena *arena;
    struct movement *movements;
    size_t count;
    uint64_t next;
};

static void take_rows(struct walk *walk, const struct history_arguments *found)
{
    const struct history *history = walk->history;

    for (size_t i = 0; i < found->count && walk->count <= history->limit; i++) {
        const struct movement *row = &found->rows[i];
        walk->next = row->prev;
        if (row->seq <= history->since) {
            walk->next = 0;
            return;
        }
        if ((history->before != 0 && row->seq >= history->before) ||
            (history->on_hand_only && row->d_on_hand == 0))
            continue;
        model_movement_copy(&walk->movements[walk->count++], row, walk->arena);
    }
}

enum db_outcome store_history(struct db *db, uint32_t partition, const struct history *history,
                              struct arena *arena, struct movement **movements, size_t *count,
                              bool *more)
{
    struct walk walk = {.history = history, .arena = arena};
    struct model_request *request = build(partition, history, find_newest, 0);
    enum db_outcome outcome = model_call(db, request);
    size_t found = 1;

    walk.next = ((const struct history_arguments *)request->arguments)->next;
    model_request_release(&request);
    walk.movements = arena_zalloc(arena, (history->limit + 1) * sizeof *walk.movements);
    for (unsigned i = 0; outcome == DB_OK && walk.next != 0 && walk.count <= history->limit &&
                         i < STRETCHES_MAX && found > 0;
         i++) {
        request = build(partition, history, follow, walk.next);
        outcome = model_call(db, request);
        found = ((const struct history_arguments *)request->arguments)->count;
        if (outcome == DB_OK)
            take_rows(&walk, request->arguments);
        model_request_release(&request);
    }
    *more = walk.count > history->limit;
    *count = *more ? history->limit : walk.count;
    *movements = walk.movements;
    return outcome;
}

/* SPDX-License-Identifier: MIT
 *
 * Warehouses and reasons: store_copy.h on the model database.
 */
#include "workers/store_copy.h"

#include <string.h>

#include "tests/simulate/model_impl.h"

struct copy_arguments {
    struct named_change *rows;
    size_t count;
};

struct named_change *model_named_copy(const struct named_change *named, size_t count,
                                      struct arena *arena)
{
    struct named_change *copies = arena_alloc(arena, (count + 1) * sizeof *copies);

    for (size_t i = 0; i < count; i++) {
        copies[i] = named[i];
        copies[i].name = arena_copy(arena, named[i].name, named[i].name_bytes);
    }
    return copies;
}

unsigned model_put_named(struct model_run *run, const struct named_change *named, bool newer)
{
    enum model_table_name table = named->is_reason ? MODEL_REASON : MODEL_WAREHOUSE;
    struct model_key key = model_key_of_code(&named->code);
    struct model_entry *entry = model_take(run, table, &key);

    if (!entry)
        return MODEL_BLOCKED;
    const struct model_named *before = model_visible(entry, run->tx);
    struct model_named *row =
        before ? model_row_copy(before, sizeof *row) : model_row_new(sizeof *row);
    row->code = named->code;
    if (!before || !newer || named->version > before->version) {
        row->name_bytes = named->name_bytes;
        memcpy(row->name, named->name, named->name_bytes);
    }
    if (!before || named->version > before->version)
        row->version = named->version;
    model_change(entry, row);
    run->affected++;
    return 0;
}

static unsigned read_named(struct model_run *run, bool reasons)
{
    struct copy_arguments *arguments = run->arguments;
    const struct model_table *table =
        &run->server->tables[reasons ? MODEL_REASON : MODEL_WAREHOUSE];
    struct arena *arena = &run->request->arena;
    struct named_change *rows =
        arena_zalloc(arena, (arguments->count + table->count + 1) * sizeof *rows);

    if (arguments->count > 0)
        memcpy(rows, arguments->rows, arguments->count * sizeof *rows);
    arguments->rows = rows;
    for (size_t i = 0; i < table->count; i++) {
        const struct model_named *row = model_visible(table->entries[i], run->tx);
        if (!row)
            continue;
        rows[arguments->count++] = (struct named_change){
            .is_reason = reasons,
            .code = row->code,
            .name = arena_copy(arena, row->name, row->name_bytes + 1),
            .name_bytes = row->name_bytes,
            .version = row->version,
        };
    }
    return 0;
}

static unsigned read_warehouses(struct model_run *run)
{
    return read_named(run, false);
}

static unsigned read_reasons(struct model_run *run)
{
    return read_named(run, true);
}

enum db_outcome store_copy_read(struct db *db, struct named_change **rows, size_t *count,
                                struct arena *arena)
{
    struct model_request *request = model_request_new(sizeof(struct copy_arguments));
    const struct copy_arguments *arguments = request->arguments;

    model_request_add(request, read_warehouses);
    model_request_add(request, read_reasons);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    *count = outcome == DB_OK ? arguments->count : 0;
    *rows = model_named_copy(arguments->rows, *count, arena);
    model_request_release(&request);
    return outcome;
}

static unsigned write_named(struct model_run *run, bool reasons)
{
    const struct copy_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t i = 0; error == 0 && i < arguments->count; i++) {
        if (arguments->rows[i].is_reason == reasons)
            error = model_put_named(run, &arguments->rows[i], true);
    }
    return error;
}

static unsigned write_warehouses(struct model_run *run)
{
    return write_named(run, false);
}

static unsigned write_reasons(struct model_run *run)
{
    return write_named(run, true);
}

enum db_outcome store_copy_write(struct db *db, const struct named_change *rows, size_t count)
{
    struct model_request *request = model_request_new(sizeof(struct copy_arguments));
    struct copy_arguments *arguments = request->arguments;
    bool wanted[2] = {false, false};

    arguments->rows = model_named_copy(rows, count, &request->arena);
    arguments->count = count;
    for (size_t i = 0; i < count; i++)
        wanted[rows[i].is_reason] = true;
    if (wanted[false])
        model_request_add(request, write_warehouses);
    if (wanted[true])
        model_request_add(request, write_reasons);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    model_request_release(&request);
    return outcome;
}

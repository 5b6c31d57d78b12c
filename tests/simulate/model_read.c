/* SPDX-License-Identifier: MIT
 *
 * Committed rows, for the world: see model_db.h.
 */
#include <stdlib.h>

#include "tests/simulate/model_impl.h"

void model_partitions(const struct model_server *server, model_visit_partition *visit,
                      void *context)
{
    const struct model_table *table = &server->tables[MODEL_PARTITION];

    for (size_t i = 0; i < table->count; i++) {
        const struct model_entry *entry = table->entries[i];
        if (entry->now && !visit(context, model_key_partition(&entry->key), entry->now))
            return;
    }
}

void model_movements(const struct model_server *server, uint32_t partition, uint64_t after_seq,
                     model_visit_movement *visit, void *context)
{
    const struct model_table *table = &server->tables[MODEL_MOVEMENT];
    struct model_key all = model_key_of_partition(partition);
    struct model_key first = model_key_of_seq(partition, after_seq + 1);

    for (size_t i = model_seek(table, &first);
         i < table->count && model_has_prefix(table->entries[i], &all); i++) {
        if (table->entries[i]->now && !visit(context, table->entries[i]->now))
            return;
    }
}

void model_levels(const struct model_server *server, model_visit_level *visit, void *context)
{
    const struct model_table *table = &server->tables[MODEL_LEVEL];

    for (size_t i = 0; i < table->count; i++) {
        const struct model_entry *entry = table->entries[i];
        if (entry->now && !visit(context, model_key_partition(&entry->key), entry->now))
            return;
    }
}

static size_t lines_of(const struct model_server *server, const struct model_key *prefix,
                       struct reservation_line *lines)
{
    const struct model_table *table = &server->tables[MODEL_LINE];
    size_t count = 0;

    for (size_t i = model_seek(table, prefix);
         i < table->count && model_has_prefix(table->entries[i], prefix); i++) {
        if (!table->entries[i]->now)
            continue;
        if (lines)
            lines[count] = *(const struct reservation_line *)table->entries[i]->now;
        count++;
    }
    return count;
}

void model_reservations(const struct model_server *server, model_visit_reservation *visit,
                        void *context)
{
    const struct model_table *table = &server->tables[MODEL_RESERVATION];
    bool more = true;

    for (size_t i = 0; more && i < table->count; i++) {
        const struct model_entry *entry = table->entries[i];
        if (!entry->now)
            continue;
        struct reservation reservation = *(const struct reservation *)entry->now;
        reservation.line_count = lines_of(server, &entry->key, NULL);
        reservation.lines = calloc(reservation.line_count + 1, sizeof *reservation.lines);
        if (!reservation.lines)
            abort();
        (void)lines_of(server, &entry->key, reservation.lines);
        more = visit(context, model_key_partition(&entry->key), &reservation);
        free(reservation.lines);
    }
}

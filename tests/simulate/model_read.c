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

static bool visit_movements(const struct model_table *table, uint32_t partition, uint64_t after_seq,
                            model_visit_movement *visit, void *context)
{
    struct model_key all = model_key_of_partition(partition);
    struct model_key first = model_key_of_seq(partition, after_seq + 1);

    for (size_t i = model_seek(table, &first);
         i < table->count && model_has_prefix(table->entries[i], &all); i++) {
        if (table->entries[i]->now && !visit(context, table->entries[i]->now))
            return false;
    }
    return true;
}

void model_movements(const struct model_server *server, uint32_t partition, uint64_t after_seq,
                     model_visit_movement *visit, void *context)
{
    if (visit_movements(&server->tables[MODEL_GONE_MOVEMENT], partition, after_seq, visit, context))
        (void)visit_movements(&server->tables[MODEL_MOVEMENT], partition, after_seq, visit,
                              context);
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

static size_t lines_of(const struct model_table *table, const struct model_key *prefix,
                       struct reservation_line *lines)
{
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

static bool visit_reservations(const struct model_table *table, const struct model_table *lines,
                               model_visit_reservation *visit, void *context)
{
    bool more = true;

    for (size_t i = 0; more && i < table->count; i++) {
        const struct model_entry *entry = table->entries[i];
        if (!entry->now)
            continue;
        struct reservation reservation = *(const struct reservation *)entry->now;
        reservation.line_count = lines_of(lines, &entry->key, NULL);
        reservation.lines = model_calloc((reservation.line_count + 1) * sizeof *reservation.lines);
        (void)lines_of(lines, &entry->key, reservation.lines);
        more = visit(context, model_key_partition(&entry->key), &reservation);
        free(reservation.lines);
    }
    return more;
}

void model_reservations(const struct model_server *server, model_visit_reservation *visit,
                        void *context)
{
    if (visit_reservations(&server->tables[MODEL_GONE_RESERVATION],
                           &server->tables[MODEL_GONE_LINE], visit, context))
        (void)visit_reservations(&server->tables[MODEL_RESERVATION], &server->tables[MODEL_LINE],
                                 visit, context);
}

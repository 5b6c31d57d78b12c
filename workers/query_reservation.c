/* SPDX-License-Identifier: MIT
 *
 * Reservations with their lines: by id, or a page of those that match (query_reservation_page.c).
 */
#include <string.h>

#include "workers/query_impl.h"

static const char select_head[] =
    "SELECT t.reservation_id,t.state,t.revision,t.expires_at_us,t.created_at_us,t.order_ref,"
    "t.actor,l.sku,l.warehouse,l.quantity,l.reserved,l.committed,l.shipped,l.cancelled,l.released,"
    "l.returned FROM (SELECT * FROM reservation WHERE partition_id=";
static const char by_id[] = " AND reservation_id IN (";
static const char lines[] =
    ")) t LEFT JOIN reservation_line l ON l.partition_id=t.partition_id AND "
    "l.reservation_id=t.reservation_id ORDER BY ";
static const char lines_expiry[] = "t.expires_at_us,t.reservation_id,l.line";
static const char lines_newest[] = "t.created_at_us DESC,t.reservation_id,l.line";

struct reservation_rows {
    struct query *query;
    size_t limit;
    uint8_t id[RESERVATION_ID_BYTES]; /* of the last one */
    size_t line_room;
};

static Hf__Reservation *begin_reservation(struct reservation_rows *rows, MYSQL_ROW row,
                                          const unsigned long *lengths)
{
    struct query *query = rows->query;
    Hf__Reservation *reservation = arena_alloc(query->arena, sizeof *reservation);
    char text[RESERVATION_TEXT_BYTES];

    hf__reservation__init(reservation);
    memcpy(rows->id, row[0], sizeof rows->id);
    reservation_id_format(rows->id, text);
    reservation->reservation = query_bytes(query, text, strlen(text));
    reservation->state = (Hf__ReservationState)db_uint(row[1]);
    reservation->revision = (uint32_t)db_uint(row[2]);
    reservation->expires_at_us = db_int(row[3]);
    reservation->created_at_us = db_int(row[4]);
    reservation->order = query_bytes(query, row[5], lengths[5]);
    reservation->actor = query_bytes(query, row[6], lengths[6]);
    rows->line_room = 0;
    query->answer.reservations[query->answer.n_reservations++] = reservation;
    return reservation;
}

static void add_line(struct reservation_rows *rows, Hf__Reservation *reservation, MYSQL_ROW row,
                     const unsigned long *lengths)
{
    struct query *query = rows->query;

    if (reservation->n_lines == rows->line_room) {
        rows->line_room = rows->line_room ? rows->line_room * 2 : 4;
        Hf__ReservationLine **wider =
            arena_alloc(query->arena, rows->line_room * sizeof(Hf__ReservationLine *));
        if (reservation->n_lines > 0)
            memcpy(wider, reservation->lines, reservation->n_lines * sizeof *wider);
        reservation->lines = wider;
    }
    Hf__ReservationLine *line = arena_alloc(query->arena, sizeof *line);
    hf__reservation_line__init(line);
    line->sku = query_bytes(query, row[7], lengths[7]);
    line->warehouse = query_bytes(query, row[8], lengths[8]);
    uint32_t *const counts[] = {&line->quantity,  &line->reserved, &line->committed, &line->shipped,
                                &line->cancelled, &line->released, &line->returned};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        *counts[i] = (uint32_t)db_uint(row[9 + i]);
    reservation->lines[reservation->n_lines++] = line;
}

static bool reservation_reply(void *context, size_t statement, MYSQL_RES *result, uint64_t affected)
{
    struct reservation_rows *rows = context;
    Hf__Answer *answer = &rows->query->answer;
    Hf__Reservation *current = NULL;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    answer->reservations =
        arena_alloc(rows->query->arena, (rows->limit + 1) * sizeof(Hf__Reservation *));
    while (result && (row = mysql_fetch_row(result)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        if (lengths[0] != sizeof rows->id)
            continue;
        if (!current || memcmp(rows->id, row[0], sizeof rows->id) != 0) {
            if (answer->n_reservations == rows->limit) {
                answer->more = true;
                return true;
            }
            current = begin_reservation(rows, row, lengths);
        }
        if (row[7])
            add_line(rows, current, row, lengths);
    }
    return true;
}

/* False after refusing. */
static bool add_ids(struct sql *sql, struct query *query)
{
    const Hf__ReservationQuery *asked = query->asked->reservation;

    sql_add(sql, by_id);
    for (size_t i = 0; i < asked->n_reservations; i++) {
        const ProtobufCBinaryData *text = &asked->reservations[i];
        uint8_t id[RESERVATION_ID_BYTES];
        if (!reservation_id_parse((const char *)text->data, text->len, id)) {
            (void)query_refuse(query, STATUS_invalid, "reservation.reservations",
                               "is not a reservation");
            return false;
        }
        if (reservation_id_partition(id) != query->slot->partition) {
            query->answer.partition_wanted = reservation_id_partition(id);
            (void)query_refuse(query, STATUS_wrong_partition, "reservation.reservations",
                               "names a reservation of another partition");
            return false;
        }
        sql_list_hex(sql, id, sizeof id);
    }
    return true;
}

static void add_page(struct sql *sql, const struct reservation_page *page)
{
    sql_add(sql, by_id);
    for (size_t i = 0; i < page->count; i++)
        sql_list_hex(sql, page->ids[i], sizeof page->ids[i]);
}

enum db_outcome query_reservation(struct query *query)
{
    const Hf__ReservationQuery *asked = query->asked->reservation;
    struct reservation_rows rows = {.query = query, .limit = asked->n_reservations};
    struct reservation_page page = {.limit = asked->limit};
    bool by_name = asked->n_reservations > 0;
    struct sql sql;

    if (asked->n_reservations > QUERY_IDS_MAX)
        return query_refuse(query, STATUS_too_large, "reservation.reservations",
                            "names more than 256");
    if ((asked->order.len > 0 && !query_code(query, &asked->order, "reservation.order")) ||
        (asked->sku.len > 0 && !query_code(query, &asked->sku, "reservation.sku")) ||
        (!by_name && !query_limit(query, asked->limit, "reservation.limit")))
        return DB_OK;
    if (!by_name) {
        enum db_outcome found = reservation_page(query, &page);
        query->answer.more = page.more;
        rows.limit = page.count;
        if (found != DB_OK || page.count == 0)
            return found;
    }
    sql_init(&sql);
    sql_add(&sql, select_head);
    sql_uint(&sql, query->slot->partition);
    if (by_name && !add_ids(&sql, query)) {
        sql_release(&sql);
        return DB_OK;
    }
    if (!by_name)
        add_page(&sql, &page);
    sql_add(&sql, lines);
    sql_add(&sql, asked->expiring ? lines_expiry : lines_newest);
    enum db_outcome outcome = db_run(&query->worker->db, &sql, reservation_reply, &rows);
    sql_release(&sql);
    return outcome;
}

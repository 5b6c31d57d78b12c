/* SPDX-License-Identifier: MIT
 *
 * See store_movement.h.
 */
#include "workers/store_movement.h"

#include <string.h>

/* All columns, in the order of the cells of a row (take_cells). */
/* clang-format off */
#define COLUMNS(first, next) \
    first(partition_id) next(seq) next(operation_id) next(idx) next(kind) next(epoch) \
    next(at_us) next(body_hash) next(sku) next(warehouse) next(prev) next(d_on_hand) \
    next(d_reserved) next(d_committed) next(d_unavailable) next(on_hand) next(reserved) \
    next(committed) next(unavailable) next(safety_stock) next(reorder_point) next(shortfall) \
    next(on_hand_version) next(reservation_id) next(line) next(state) next(revision) \
    next(expires_at_us) next(l_quantity) next(l_reserved) next(l_committed) next(l_shipped) \
    next(l_cancelled) next(l_released) next(l_returned) next(order_ref) next(reason) \
    next(reference) next(note) next(actor) next(principal) next(undoes) next(trace) \
    next(detail) next(signals)
/* clang-format on */

/* ------------------------------------------------------------- read */

#define FIRST_SELECTED(column) "t." #column
#define NEXT_SELECTED(column) ",t." #column
const char store_movement_columns[] = COLUMNS(FIRST_SELECTED, NEXT_SELECTED);

static ProtobufCBinaryData text_read(const char *field, unsigned long length, struct arena *arena)
{
    ProtobufCBinaryData text = {0};

    if (field && length > 0) {
        text.len = length;
        text.data = arena_copy(arena, field, length);
    }
    return text;
}

void store_movement_read(struct movement *m, MYSQL_ROW row, const unsigned long *lengths,
                         struct arena *arena)
{
    size_t c = 0;

    memset(m, 0, sizeof *m);
    m->partition = (uint32_t)db_uint(row[c++]);
    m->seq = db_uint(row[c++]);
    store_bytes_read(m->operation_id, sizeof m->operation_id, row[c], lengths[c]), c++;
    m->idx = (uint32_t)db_uint(row[c++]);
    m->kind = (Hf__MovementKind)db_uint(row[c++]);
    m->epoch = db_uint(row[c++]);
    m->at_us = db_int(row[c++]);
    store_bytes_read(m->body_hash, sizeof m->body_hash, row[c], lengths[c]), c++;
    store_code_read(&m->sku, row[c], lengths[c]), c++;
    store_code_read(&m->warehouse, row[c], lengths[c]), c++;
    m->prev = db_uint(row[c++]);
    int64_t *const numbers[] = {
        &m->d_on_hand,          &m->d_reserved,          &m->d_committed,     &m->d_unavailable,
        &m->after.on_hand,      &m->after.reserved,      &m->after.committed, &m->after.unavailable,
        &m->after.safety_stock, &m->after.reorder_point, &m->after.shortfall,
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        *numbers[i] = db_int(row[c++]);
    m->on_hand_version = db_uint(row[c++]);
    m->has_reservation = lengths[c] == RESERVATION_ID_BYTES;
    store_bytes_read(m->reservation_id, sizeof m->reservation_id, row[c], lengths[c]), c++;
    m->line = (uint32_t)db_uint(row[c++]);
    m->state = (Hf__ReservationState)db_uint(row[c++]);
    m->revision = (uint32_t)db_uint(row[c++]);
    m->expires_at_us = db_int(row[c++]);
    struct reservation_line *line = &m->line_after;
    line->sku = m->sku;
    line->warehouse = m->warehouse;
    int64_t *const counts[] = {&line->quantity,  &line->reserved, &line->committed, &line->shipped,
                               &line->cancelled, &line->released, &line->returned};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        *counts[i] = db_int(row[c++]);
    ProtobufCBinaryData *const texts[] = {&m->order, &m->reason, &m->reference,
                                          &m->note,  &m->actor,  &m->principal};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++, c++)
        *texts[i] = text_read(row[c], lengths[c], arena);
    m->undoes = db_uint(row[c++]);
    m->trace = text_read(row[c], lengths[c], arena), c++;
    m->detail = text_read(row[c], lengths[c], arena), c++;
    m->signals = (uint32_t)db_uint(row[c]);
}

/* ------------------------------------------------------------- written */

/* Those from ALWAYS on have a default, which is 0, '' or NULL (schema/004.sql). */
#define NAME(column) #column,
static const char *const names[] = {COLUMNS(NAME, NAME)};
_Static_assert(sizeof names / sizeof names[0] == STORE_MOVEMENT_COLUMNS, "a name for every column");
#define ALWAYS 7u

/* What a row has in a column. */
struct cell {
    enum { CELL_UINT, CELL_INT, CELL_BYTES, CELL_BYTES_OR_NULL } kind;
    size_t length; /* of the bytes */
    union {
        uint64_t number; /* an INT as its two's complement */
        const void *bytes;
    };
};

static struct cell of_uint(uint64_t number)
{
    return (struct cell){.kind = CELL_UINT, .number = number};
}

static struct cell of_int(int64_t number)
{
    return (struct cell){.kind = CELL_INT, .number = (uint64_t)number};
}

static struct cell of_bytes(const void *bytes, size_t length)
{
    return (struct cell){.kind = CELL_BYTES, .length = length, .bytes = bytes};
}

static struct cell of_text(const ProtobufCBinaryData *text)
{
    return of_bytes(text->data, text->len);
}

static struct cell of_code(const struct code *code)
{
    return of_bytes(code->bytes, code->length);
}

static bool is_default(const struct cell *cell)
{
    return cell->kind == CELL_UINT || cell->kind == CELL_INT ? cell->number == 0
                                                             : cell->length == 0;
}

static void list_cell(struct sql *sql, const struct cell *cell)
{
    switch (cell->kind) {
    case CELL_UINT:
        sql_list_uint(sql, cell->number);
        break;
    case CELL_INT:
        sql_list_int(sql, (int64_t)cell->number);
        break;
    case CELL_BYTES_OR_NULL:
        if (cell->length == 0) {
            sql_add(sql, ",NULL");
            break;
        }
        /* fall through */
    case CELL_BYTES:
        sql_list_hex(sql, cell->bytes, cell->length);
        break;
    }
}

/* In the order of the names. */
static void take_cells(struct cell cells[STORE_MOVEMENT_COLUMNS], const struct movement *m)
{
    const struct balances *after = &m->after;
    const struct reservation_line *line = &m->line_after;
    const struct cell row[] = {
        of_uint(m->partition),
        of_uint(m->seq),
        of_bytes(m->operation_id, UUID_BYTES),
        of_uint(m->idx),
        of_uint((uint64_t)m->kind),
        of_uint(m->epoch),
        of_int(m->at_us),
        of_bytes(m->body_hash, m->idx == 0 ? sizeof m->body_hash : 0),
        of_code(&m->sku),
        of_code(&m->warehouse),
        of_uint(m->prev),
        of_int(m->d_on_hand),
        of_int(m->d_reserved),
        of_int(m->d_committed),
        of_int(m->d_unavailable),
        of_int(after->on_hand),
        of_int(after->reserved),
        of_int(after->committed),
        of_int(after->unavailable),
        of_int(after->safety_stock),
        of_int(after->reorder_point),
        of_int(after->shortfall),
        of_uint(m->on_hand_version),
        of_bytes(m->reservation_id, m->has_reservation ? RESERVATION_ID_BYTES : 0),
        of_uint(m->line),
        of_uint((uint64_t)m->state),
        of_uint(m->revision),
        of_int(m->expires_at_us),
        of_int(line->quantity),
        of_int(line->reserved),
        of_int(line->committed),
        of_int(line->shipped),
        of_int(line->cancelled),
        of_int(line->released),
        of_int(line->returned),
        of_text(&m->order),
        of_text(&m->reason),
        of_text(&m->reference),
        of_text(&m->note),
        of_text(&m->actor),
        of_text(&m->principal),
        of_uint(m->undoes),
        of_text(&m->trace),
        {.kind = CELL_BYTES_OR_NULL, .length = m->detail.len, .bytes = m->detail.data},
        of_uint(m->signals),
    };

    _Static_assert(sizeof row == STORE_MOVEMENT_COLUMNS * sizeof *cells, "a cell for every column");
    memcpy(cells, row, sizeof row);
}

/* One for each of the parts' movements, in order. */
typedef void movement_seen(void *context, const struct cell cells[STORE_MOVEMENT_COLUMNS]);

static uint64_t each_movement(const struct store_part *parts, size_t count, movement_seen *see,
                              void *context)
{
    struct cell cells[STORE_MOVEMENT_COLUMNS];
    uint64_t rows = 0;

    for (size_t p = 0; p < count; p++) {
        const struct changes *changes = &parts[p].changes;
        for (size_t i = 0; i < changes->movement_count; i++) {
            take_cells(cells, &changes->movements[i]);
            see(context, cells);
        }
        rows += changes->movement_count;
    }
    return rows;
}

struct insertion {
    struct sql *sql;
    bool needed[STORE_MOVEMENT_COLUMNS];
};

static void note_needed(void *context, const struct cell cells[STORE_MOVEMENT_COLUMNS])
{
    struct insertion *insertion = context;

    for (size_t c = 0; c < STORE_MOVEMENT_COLUMNS; c++)
        insertion->needed[c] |= c < ALWAYS || !is_default(&cells[c]);
}

static void add_row(void *context, const struct cell cells[STORE_MOVEMENT_COLUMNS])
{
    struct insertion *insertion = context;

    sql_add(insertion->sql, "(");
    for (size_t c = 0; c < STORE_MOVEMENT_COLUMNS; c++) {
        if (insertion->needed[c])
            list_cell(insertion->sql, &cells[c]);
    }
    sql_add(insertion->sql, "),");
}

/* Of the many columns a batch needs the fewer the more its operations are alike, and each value
 * costs the server as much whether it says something or not. */
uint64_t store_add_movements(struct sql *sql, const struct store_part *parts, size_t count)
{
    struct insertion insertion = {.sql = sql};
    const char *before = "INSERT INTO movement (";

    (void)each_movement(parts, count, note_needed, &insertion);
    for (size_t c = 0; c < STORE_MOVEMENT_COLUMNS; c++) {
        if (!insertion.needed[c])
            continue;
        sql_add(sql, before);
        sql_add(sql, names[c]);
        before = ",";
    }
    sql_add(sql, ") VALUES ");
    uint64_t rows = each_movement(parts, count, add_row, &insertion);
    sql->bytes[sql->length - 1] = ';'; /* in place of the last row's comma */
    return rows;
}

/* SPDX-License-Identifier: MIT
 *
 * Tables of levels, reservations and movements for people; see report.h. Times are local.
 */
#include <stdio.h>
#include <time.h>
#include "cli/report.h"
#include "cli/table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void local_time(int64_t time_us, char text[TIME_TEXT_BYTES])
{
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm tm;
    if (time_us <= 0 || localtime_r(&seconds, &tm) == NULL ||
        strftime(text, TIME_TEXT_BYTES, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(text, TIME_TEXT_BYTES, "-");
}

const struct column level_columns[LEVEL_COLUMNS] = {
    {.title = "SKU"},
    {.title = "WAREHOUSE"},
    {.title = "ON HAND", .right = true},
    {.title = "RESERVED", .right = true},
    {.title = "COMMITTED", .right = true},
    {.title = "UNAVAILABLE", .right = true, .if_not_zero = true},
    {.title = "SAFETY", .right = true, .if_not_zero = true},
    {.title = "SHORTFALL", .right = true, .if_not_zero = true},
    {.title = "AVAILABLE", .right = true},
    {.title = "VERSION", .right = true, .if_not_zero = true},
    {.title = "ON HAND VERSION", .right = true, .if_not_zero = true},
};

static void version_cell(struct table *table, uint64_t version)
{
    table_cell(table, "%llu", (unsigned long long)version);
}

void level_cells(struct table *table, const struct holdfast_level *level, const char *sku,
                 const char *warehouse)
{
    table_cell(table, "%s", sku);
    table_cell(table, "%s", warehouse);
    table_cell(table, "%u", level->on_hand);
    table_cell(table, "%u", level->reserved);
    table_cell(table, "%u", level->committed);
    table_cell(table, "%u", level->unavailable);
    table_cell(table, "%u", level->safety_stock);
    table_cell(table, "%u", level->shortfall);
    table_cell(table, "%u", level->available);
}

void print_levels(const struct holdfast_level *levels, size_t count)
{
    struct table table;
    table_init(&table, level_columns, LEVEL_COLUMNS);
    for (size_t i = 0; i < count; i++) {
        const struct holdfast_level *level = &levels[i];
        level_cells(&table, level, level->sku, level->warehouse);
        version_cell(&table, level->version);
        version_cell(&table, level->on_hand_version);
    }
    table_print(&table, stdout);
    table_release(&table);
}

static const struct column line_columns[] = {
    {.title = "  SKU"},
    {.title = "WAREHOUSE"},
    {.title = "QUANTITY", .right = true},
    {.title = "RESERVED", .right = true, .if_not_zero = true},
    {.title = "COMMITTED", .right = true, .if_not_zero = true},
    {.title = "SHIPPED", .right = true, .if_not_zero = true},
    {.title = "CANCELLED", .right = true, .if_not_zero = true},
    {.title = "RELEASED", .right = true, .if_not_zero = true},
    {.title = "RETURNED", .right = true, .if_not_zero = true},
};

void print_reservation(const struct holdfast_reservation *reservation)
{
    struct table table;
    char expires[TIME_TEXT_BYTES];
    printf("%s  %s", reservation->reservation, holdfast_state_name(reservation->state));
    if (reservation->expires_at_us > 0 && reservation->state == HOLDFAST_STATE_ACTIVE) {
        local_time(reservation->expires_at_us, expires);
        printf(", expires %s", expires);
    }
    if (reservation->order != NULL && *reservation->order != '\0')
        printf(", order %s", reservation->order);
    if (reservation->actor != NULL && *reservation->actor != '\0')
        printf(", by %s", reservation->actor);
    putchar('\n');
    table_init(&table, line_columns, COUNT(line_columns));
    for (size_t i = 0; i < reservation->line_count; i++) {
        const struct holdfast_reservation_line *line = &reservation->lines[i];
        table_cell(&table, "  %s", line->sku);
        table_cell(&table, "%s", line->warehouse);
        table_cell(&table, "%u", line->quantity);
        table_cell(&table, "%u", line->reserved);
        table_cell(&table, "%u", line->committed);
        table_cell(&table, "%u", line->shipped);
        table_cell(&table, "%u", line->cancelled);
        table_cell(&table, "%u", line->released);
        table_cell(&table, "%u", line->returned);
    }
    table_print(&table, stdout);
    table_release(&table);
}

static const struct column movement_columns[] = {
    {.title = "SEQUENCE", .right = true},
    {.title = "TIME"},
    {.title = "WHAT"},
    {.title = "WAREHOUSE"},
    {.title = "ON HAND", .right = true, .if_not_zero = true},
    {.title = "RESERVED", .right = true, .if_not_zero = true},
    {.title = "COMMITTED", .right = true, .if_not_zero = true},
    {.title = "UNAVAILABLE", .right = true, .if_not_zero = true},
    {.title = "THEN ON HAND", .right = true},
    {.title = "AVAILABLE", .right = true},
    {.title = "RESERVATION", .if_not_zero = true},
    {.title = "ORDER", .if_not_zero = true},
    {.title = "REASON", .if_not_zero = true},
    {.title = "REFERENCE", .if_not_zero = true},
    {.title = "BY", .if_not_zero = true},
    {.title = "NOTE", .if_not_zero = true},
};

static void change_cell(struct table *table, int32_t change)
{
    table_cell(table, change != 0 ? "%+d" : "%d", change);
}

/* An item's own movements have no level. */
static void balance_cell(struct table *table, bool has_level, uint32_t balance)
{
    if (has_level)
        table_cell(table, "%u", balance);
    else
        table_cell(table, "%s", "");
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

void print_movements(const struct holdfast_movement *const *movements, size_t count)
{
    struct table table;
    table_init(&table, movement_columns, COUNT(movement_columns));
    for (size_t i = 0; i < count; i++) {
        const struct holdfast_movement *movement = movements[i];
        bool has_level = *or_empty(movement->warehouse) != '\0';
        char at[TIME_TEXT_BYTES];
        local_time(movement->at_us, at);
        table_cell(&table, "%llu", (unsigned long long)movement->sequence);
        table_cell(&table, "%s", at);
        table_cell(&table, "%s", holdfast_movement_name(movement->kind));
        table_cell(&table, "%s", or_empty(movement->warehouse));
        change_cell(&table, movement->on_hand_change);
        change_cell(&table, movement->reserved_change);
        change_cell(&table, movement->committed_change);
        change_cell(&table, movement->unavailable_change);
        balance_cell(&table, has_level, movement->after.on_hand);
        balance_cell(&table, has_level, movement->after.available);
        table_cell(&table, "%s", or_empty(movement->reservation));
        table_cell(&table, "%s", or_empty(movement->order));
        table_cell(&table, "%s", or_empty(movement->reason));
        table_cell(&table, "%s", or_empty(movement->reference));
        table_cell(&table, "%s", or_empty(movement->actor));
        table_cell(&table, "%s", or_empty(movement->note));
    }
    table_print(&table, stdout);
    table_release(&table);
}

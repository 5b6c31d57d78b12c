/* SPDX-License-Identifier: MIT
 *
 * A growing text and the few forms a value may take in it.
 */
#include "workers/sql_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES (64 * 1024)
#define NUMBER_BYTES 24 /* of a 64-bit number in decimal, with its sign */

void sql_init(struct sql *sql)
{
    *sql = (struct sql){0};
}

void sql_release(struct sql *sql)
{
    free(sql->bytes);
    *sql = (struct sql){0};
}

void sql_reset(struct sql *sql)
{
    sql->length = 0;
}

static char *room(struct sql *sql, size_t bytes)
{
    if (sql->capacity - sql->length < bytes) {
        size_t capacity = sql->capacity ? sql->capacity : FIRST_BYTES;
        while (capacity - sql->length < bytes)
            capacity *= 2;
        char *grown = realloc(sql->bytes, capacity);
        if (!grown)
            abort();
        sql->bytes = grown;
        sql->capacity = capacity;
    }
    return sql->bytes + sql->length;
}

void sql_add_bytes(struct sql *sql, const char *bytes, size_t length)
{
    if (length > 0)
        memcpy(room(sql, length), bytes, length);
    sql->length += length;
}

void sql_add(struct sql *sql, const char *fragment)
{
    sql_add_bytes(sql, fragment, strlen(fragment));
}

void sql_uint(struct sql *sql, uint64_t value)
{
    char digits[NUMBER_BYTES];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    memcpy(room(sql, NUMBER_BYTES), digits + at, sizeof digits - at);
    sql->length += sizeof digits - at;
}

void sql_int(struct sql *sql, int64_t value)
{
    if (value < 0) {
        *room(sql, 1) = '-';
        sql->length++;
    }
    sql_uint(sql, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void sql_hex(struct sql *sql, const void *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = bytes;
    char *out = room(sql, 2 * length + 3);

    *out++ = 'x';
    *out++ = '\'';
    for (size_t i = 0; i < length; i++) {
        *out++ = digits[in[i] >> 4];
        *out++ = digits[in[i] & 15];
    }
    *out = '\'';
    sql->length += 2 * length + 3;
}

static void comma(struct sql *sql)
{
    char *at = room(sql, 1);
    if (sql->length > 0 && at[-1] == '(')
        return;
    *at = ',';
    sql->length++;
}

void sql_list_int(struct sql *sql, int64_t value)
{
    comma(sql);
    sql_int(sql, value);
}

void sql_list_uint(struct sql *sql, uint64_t value)
{
    comma(sql);
    sql_uint(sql, value);
}

void sql_list_hex(struct sql *sql, const void *bytes, size_t length)
{
    comma(sql);
    sql_hex(sql, bytes, length);
}

void sql_list_code(struct sql *sql, const struct code *code)
{
    sql_list_hex(sql, code->bytes, code->length);
}

void sql_rows_begin(struct sql *sql, struct sql_rows *rows, const char *const *names)
{
    *rows = (struct sql_rows){.names = names};
    sql_add(sql, "(SELECT ");
}

void sql_rows_next(struct sql *sql, struct sql_rows *rows)
{
    if (rows->column > 0) {
        assert(rows->names[rows->column] == NULL);
        if (rows->row > 0)
            sql_add(sql, ")");
        else
            sql_add(sql, " UNION ALL VALUES ");
        if (rows->row > 0)
            sql_add(sql, ",");
        sql_add(sql, sql->values_row ? "ROW(" : "(");
        rows->row++;
    }
    rows->column = 0;
}

static void before_value(struct sql *sql, struct sql_rows *rows)
{
    assert(rows->names[rows->column] != NULL);
    if (rows->column > 0)
        sql_add(sql, ",");
}

static void after_value(struct sql *sql, struct sql_rows *rows)
{
    if (rows->row == 0) {
        sql_add(sql, " AS ");
        sql_add(sql, rows->names[rows->column]);
    }
    rows->column++;
}

void sql_rows_int(struct sql *sql, struct sql_rows *rows, int64_t value)
{
    before_value(sql, rows);
    sql_int(sql, value);
    after_value(sql, rows);
}

void sql_rows_uint(struct sql *sql, struct sql_rows *rows, uint64_t value)
{
    before_value(sql, rows);
    sql_uint(sql, value);
    after_value(sql, rows);
}

void sql_rows_hex(struct sql *sql, struct sql_rows *rows, const void *bytes, size_t length)
{
    before_value(sql, rows);
    sql_hex(sql, bytes, length);
    after_value(sql, rows);
}

void sql_rows_code(struct sql *sql, struct sql_rows *rows, const struct code *code)
{
    sql_rows_hex(sql, rows, code->bytes, code->length);
}

void sql_rows_end(struct sql *sql, struct sql_rows *rows)
{
    assert(rows->column > 0 && rows->names[rows->column] == NULL);
    sql_add(sql, rows->row > 0 ? ")) n" : ") n");
}

/* SPDX-License-Identifier: MIT
 *
 * The tables, and how a value of each type is written and read.
 */
#include "tests/history/fields.h"

#include "tests/history/history_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define F(type, member, kind)                                                                      \
    {                                                                                              \
#        member, FIELD_##kind, offsetof(struct type, member)                                       \
    }
#define N(type, name, member, kind)                                                                \
    {                                                                                              \
        name, FIELD_##kind, offsetof(struct type, member)                                          \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, FIELD_TEXT, 0                                                                        \
    }

#define O(member, kind) F(holdfast_operation, member, kind)
const struct field fields_operation[] = {
    N(holdfast_operation, "id", operation_id, TEXT),
    O(attempt, U16),
    O(kind, OPERATION),
    O(reservation, TEXT),
    O(ttl_ms, U64),
    O(order, TEXT),
    O(policy, POLICY),
    O(may_split, BOOL),
    O(keep_remainder, BOOL),
    O(revive, BOOL),
    O(to_quarantine, BOOL),
    O(accept_shortfall, BOOL),
    O(has_version, BOOL),
    O(on_hand_version, U64),
    O(sku, TEXT),
    O(warehouse, TEXT),
    O(to_warehouse, TEXT),
    O(delta, I64),
    O(quantity, U32),
    O(reason, TEXT),
    O(reference, TEXT),
    O(text, TEXT),
    O(settles, TEXT),
    O(actor, TEXT),
    O(note, TEXT),
    O(undoes, U64),
    O(id_time_us, I64),
    O(run, TEXT),
    O(run_lines, U32),
    O(run_blank, U32),
    O(resume, BOOL),
    O(run_undoes, TEXT),
    O(undone, TEXT),
    O(has_previous, BOOL),
    O(previous, U32),
    O(previous_reorder_point, BOOL),
    END,
};

const struct field fields_line[] = {
    F(holdfast_line, sku, TEXT),
    F(holdfast_line, warehouse, TEXT),
    F(holdfast_line, quantity, U32),
    END,
};

#define R(member, kind) F(holdfast_result, member, kind)
const struct field fields_result[] = {
    R(status, STATUS), R(field, TEXT),
    R(message, TEXT),  R(attempts, U32),
    R(replayed, BOOL), R(retry_after_ms, U32),
    R(partition, U32), R(sequence, U64),
    R(settle, SETTLE), END,
};

#define H(member) F(holdfast_reservation_line, member, U32)
const struct field fields_held[] = {
    F(holdfast_reservation_line, sku, TEXT),
    F(holdfast_reservation_line, warehouse, TEXT),
    H(quantity),
    H(reserved),
    H(committed),
    H(shipped),
    H(cancelled),
    H(released),
    H(returned),
    END,
};

const struct field fields_reservation[] = {
    N(holdfast_reservation, "id", reservation, TEXT),
    F(holdfast_reservation, state, STATE),
    F(holdfast_reservation, expires_at_us, I64),
    F(holdfast_reservation, revision, U32),
    END,
};

#define L(member) F(holdfast_level, member, U32)
const struct field fields_level[] = {
    F(holdfast_level, sku, TEXT),
    F(holdfast_level, warehouse, TEXT),
    L(on_hand),
    L(reserved),
    L(committed),
    L(unavailable),
    L(safety_stock),
    L(shortfall),
    L(available),
    L(reorder_point),
    F(holdfast_level, version, U64),
    F(holdfast_level, on_hand_version, U64),
    END,
};

const struct field fields_shortage[] = {
    F(holdfast_shortage, sku, TEXT),
    F(holdfast_shortage, warehouse, TEXT),
    F(holdfast_shortage, requested, U32),
    F(holdfast_shortage, available, U32),
    END,
};

#define BALANCES(type, member)                                                                     \
    N(type, "on_hand", member.on_hand, I64), N(type, "reserved", member.reserved, I64),            \
        N(type, "committed", member.committed, I64),                                               \
        N(type, "unavailable", member.unavailable, I64),                                           \
        N(type, "safety_stock", member.safety_stock, I64),                                         \
        N(type, "reorder_point", member.reorder_point, I64),                                       \
        N(type, "shortfall", member.shortfall, I64)
#define COUNTERS(type, prefix, member)                                                             \
    N(type, prefix "quantity", member.quantity, I64),                                              \
        N(type, prefix "reserved", member.reserved, I64),                                          \
        N(type, prefix "committed", member.committed, I64),                                        \
        N(type, prefix "shipped", member.shipped, I64),                                            \
        N(type, prefix "cancelled", member.cancelled, I64),                                        \
        N(type, prefix "released", member.released, I64),                                          \
        N(type, prefix "returned", member.returned, I64)

#define M(member, kind) F(history_movement, member, kind)
const struct field fields_movement[] = {
    M(partition, U32),
    M(seq, U64),
    N(history_movement, "id", operation_id, UUID),
    M(idx, U32),
    M(kind, MOVEMENT),
    M(epoch, U64),
    M(at_us, I64),
    M(sku, TEXT),
    M(warehouse, TEXT),
    M(prev, U64),
    M(d_on_hand, I64),
    M(d_reserved, I64),
    M(d_committed, I64),
    M(d_unavailable, I64),
    BALANCES(history_movement, after),
    M(on_hand_version, U64),
    N(history_movement, "reservation", reservation_id, RESERVATION),
    M(line, U32),
    M(state, STATE),
    M(revision, U32),
    M(expires_at_us, I64),
    COUNTERS(history_movement, "l_", line_after),
    M(undoes, U64),
    END,
};

const struct field fields_end_level[] = {
    F(history_level, partition, U32),
    F(history_level, sku, TEXT),
    F(history_level, warehouse, TEXT),
    BALANCES(history_level, now),
    F(history_level, version, U64),
    F(history_level, on_hand_version, U64),
    END,
};

const struct field fields_end_reservation[] = {
    F(history_reservation, partition, U32),
    N(history_reservation, "reservation", reservation_id, RESERVATION),
    F(history_reservation, state, STATE),
    F(history_reservation, revision, U32),
    F(history_reservation, expires_at_us, I64),
    END,
};

const struct field fields_end_line[] = {
    F(history_reservation_line, partition, U32),
    N(history_reservation_line, "reservation", reservation_id, RESERVATION),
    F(history_reservation_line, line, U32),
    F(history_reservation_line, sku, TEXT),
    F(history_reservation_line, warehouse, TEXT),
    COUNTERS(history_reservation_line, "", now),
    END,
};

#define U(member, kind) F(holdfast_run, member, kind)
const struct field fields_run[] = {
    U(run, TEXT),    U(digest, DIGEST),
    U(lines, U32),   U(blank, U32),
    U(actor, TEXT),  U(created_at_us, I64),
    U(undoes, TEXT), U(state, U32),
    U(applied, U32), U(refused, U32),
    U(unknown, U32), U(changed_at_us, I64),
    U(version, U64), END,
};

const struct field fields_run_line[] = {
    F(holdfast_run_line, line, U32),
    F(holdfast_run_line, status, STATUS),
    F(holdfast_run_line, partition, U32),
    F(holdfast_run_line, sequence, U64),
    F(holdfast_run_line, text, TEXT),
    F(holdfast_run_line, sku, TEXT),
    F(holdfast_run_line, warehouse, TEXT),
    F(holdfast_run_line, open, BOOL),
    F(holdfast_run_line, counted, U32),
    F(holdfast_run_line, booked, U32),
    END,
};

const struct field fields_options[] = {
    F(history_options, partitions, U32),
    F(history_options, clock_skew_us, I64),
    F(history_options, catalog_lag_us, I64),
    END,
};

/* ------------------------------------------------------------- names of values */

static const char *const operations[] = {
    "reserve",    "extend",        "purchase",   "release",          "ship",
    "cancel",     "return",        "receive",    "adjust",           "count",
    "transfer",   "quarantine",    "restore",    "set_safety_stock", "set_reorder_point",
    "put_item",   "put_warehouse", "put_reason", "settle",           "begin_run",
    "record_run", "undo",
};
#define OPERATIONS (sizeof operations / sizeof operations[0])

const char *operation_name(enum holdfast_operation_kind kind)
{
    size_t at = (size_t)kind - HOLDFAST_RESERVE;
    return at < OPERATIONS ? operations[at] : "none";
}

static const char *policy_name(int policy)
{
    return policy == HOLDFAST_NEAREST_FIRST ? "nearest_first" : "most_available";
}

static const char *settle_name(int outcome)
{
    return outcome == HOLDFAST_SETTLE_VOID      ? "void"
           : outcome == HOLDFAST_SETTLE_APPLIED ? "applied"
                                                : "none";
}

static const char *operation_of(int kind)
{
    return operation_name((enum holdfast_operation_kind)kind);
}

static const char *state_of(int state)
{
    return holdfast_state_name((enum holdfast_reservation_state)state);
}

/* The number that has this name; -1: none up to most. */
static int find_name(const char *(*name)(int), int most, const char *value)
{
    for (int i = 0; i <= most; i++) {
        if (strcmp(name(i), value) == 0)
            return i;
    }
    return -1;
}

static bool read_name(const char *(*name)(int), int most, const char *value, void *to)
{
    char *end;
    long number = strtol(value, &end, 10);
    int found = end != value && *end == '\0' && number >= 0 && number <= most
                    ? (int)number
                    : find_name(name, most, value);

    memcpy(to, &found, sizeof found);
    return found >= 0;
}

/* ------------------------------------------------------------- reading */

static bool read_unsigned(const char *value, unsigned long long most, unsigned long long *number)
{
    char *end;

    *number = strtoull(value, &end, 10);
    return value[0] >= '0' && value[0] <= '9' && *end == '\0' && *number <= most;
}

bool field_read_hex(const char *value, void *to, size_t count)
{
    uint8_t *bytes = to;

    if (strspn(value, "0123456789abcdefABCDEF") != 2 * count || value[2 * count] != '\0')
        return false;
    for (size_t i = 0; i < count; i++) {
        if (sscanf(value + 2 * i, "%2" SCNx8, &bytes[i]) != 1)
            return false;
    }
    return true;
}

static bool read_value(enum field_type type, const char *value, void *to)
{
    unsigned long long number = 0;
    int64_t with_sign;
    char *end;

    switch (type) {
    case FIELD_TEXT:
        memcpy(to, &value, sizeof value);
        return true;
    case FIELD_BOOL:
        *(bool *)to = strcmp(value, "1") == 0;
        return strcmp(value, "1") == 0 || strcmp(value, "0") == 0;
    case FIELD_U16:
        if (!read_unsigned(value, UINT16_MAX, &number))
            return false;
        memcpy(to, &(uint16_t){(uint16_t)number}, sizeof(uint16_t));
        return true;
    case FIELD_U32:
        if (!read_unsigned(value, UINT32_MAX, &number))
            return false;
        memcpy(to, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
        return true;
    case FIELD_U64:
        if (!read_unsigned(value, UINT64_MAX, &number))
            return false;
        memcpy(to, &(uint64_t){number}, sizeof(uint64_t));
        return true;
    case FIELD_I64:
        with_sign = strtoll(value, &end, 10);
        memcpy(to, &with_sign, sizeof with_sign);
        return end != value && *end == '\0';
    case FIELD_OPERATION:
        return read_name(operation_of, HOLDFAST_UNDO, value, to);
    case FIELD_MOVEMENT:
        return read_name(holdfast_movement_name, HF__MOVEMENT_KIND__MOVEMENT_UNDONE, value, to);
    case FIELD_STATE:
        return read_name(state_of, HOLDFAST_STATE_EXPIRED, value, to);
    case FIELD_STATUS:
        return read_name(holdfast_status_name, HOLDFAST_OPERATION_ID_EXPIRED, value, to);
    case FIELD_POLICY:
        return read_name(policy_name, HOLDFAST_NEAREST_FIRST, value, to);
    case FIELD_SETTLE:
        return read_name(settle_name, HOLDFAST_SETTLE_VOID, value, to);
    case FIELD_UUID:
        return strlen(value) == 2 * UUID_BYTES ? field_read_hex(value, to, UUID_BYTES)
                                               : uuid_parse(value, to);
    case FIELD_RESERVATION:
        return strlen(value) == 2 * RESERVATION_ID_BYTES && value[0] != 'R'
                   ? field_read_hex(value, to, RESERVATION_ID_BYTES)
                   : reservation_id_parse(value, strlen(value), to);
    case FIELD_DIGEST:
        return field_read_hex(value, to, HOLDFAST_DIGEST_BYTES);
    }
    return false;
}

bool field_read(const struct field *table, const char *name, const char *value, void *object)
{
    for (; table->name; table++) {
        if (strcmp(table->name, name) == 0)
            return read_value(table->type, value, (char *)object + table->offset);
    }
    return false;
}

/* ------------------------------------------------------------- writing */

static void add_bytes(struct line_text *line, const char *bytes, size_t length)
{
    while (line->length + length + 1 > line->capacity) {
        line->capacity = line->capacity > 0 ? line->capacity * 2 : 1024;
        line->bytes = realloc(line->bytes, line->capacity);
        if (!line->bytes)
            abort();
    }
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
    line->bytes[line->length] = '\0';
}

void line_add(struct line_text *line, const char *text)
{
    add_bytes(line, text, strlen(text));
}

static void add_field(struct line_text *line, const char *name, const char *value)
{
    size_t from;

    line_add(line, "\t");
    line_add(line, name);
    line_add(line, "=");
    from = line->length;
    line_add(line, value);
    /* Messages are for people and come from anywhere. */
    for (; from < line->length; from++) {
        if ((unsigned char)line->bytes[from] < ' ')
            line->bytes[from] = '?';
    }
}

void line_hex(struct line_text *line, const char *name, const void *bytes, size_t count)
{
    const uint8_t *from = bytes;
    char text[2 * HOLDFAST_DIGEST_BYTES + 1];

    for (size_t i = 0; i < count && i < HOLDFAST_DIGEST_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", from[i]);
    add_field(line, name, text);
}

void line_number(struct line_text *line, const char *name, long long value)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", value);
    add_field(line, name, text);
}

static void add_unsigned(struct line_text *line, const char *name, uint64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64, value);
    if (value != 0)
        add_field(line, name, text);
}

static void add_value(struct line_text *line, const struct field *field, const void *at)
{
    static const uint8_t none[UUID_BYTES];
    const char *text;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    int64_t i64;
    int number;

    switch (field->type) {
    case FIELD_TEXT:
        memcpy(&text, at, sizeof text);
        if (text && text[0])
            add_field(line, field->name, text);
        return;
    case FIELD_BOOL:
        add_unsigned(line, field->name, *(const bool *)at);
        return;
    case FIELD_U16:
        memcpy(&u16, at, sizeof u16);
        add_unsigned(line, field->name, u16);
        return;
    case FIELD_U32:
        memcpy(&u32, at, sizeof u32);
        add_unsigned(line, field->name, u32);
        return;
    case FIELD_U64:
        memcpy(&u64, at, sizeof u64);
        add_unsigned(line, field->name, u64);
        return;
    case FIELD_I64:
        memcpy(&i64, at, sizeof i64);
        if (i64 != 0)
            line_number(line, field->name, i64);
        return;
    case FIELD_OPERATION:
    case FIELD_MOVEMENT:
    case FIELD_STATE:
    case FIELD_STATUS:
    case FIELD_POLICY:
    case FIELD_SETTLE:
        memcpy(&number, at, sizeof number);
        if (number == 0 && field->type != FIELD_STATUS)
            return;
        add_field(line, field->name,
                  field->type == FIELD_OPERATION  ? operation_of(number)
                  : field->type == FIELD_MOVEMENT ? holdfast_movement_name(number)
                  : field->type == FIELD_STATE    ? state_of(number)
                  : field->type == FIELD_STATUS   ? holdfast_status_name(number)
                  : field->type == FIELD_POLICY   ? policy_name(number)
                                                  : settle_name(number));
        return;
    case FIELD_UUID:
        if (memcmp(at, none, UUID_BYTES) != 0)
            add_field(line, field->name, show_id(at));
        return;
    case FIELD_RESERVATION:
        if (memcmp(at, none, RESERVATION_ID_BYTES) != 0)
            add_field(line, field->name, show_reservation(at));
        return;
    case FIELD_DIGEST:
        line_hex(line, field->name, at, HOLDFAST_DIGEST_BYTES);
        return;
    }
}

void line_fields(struct line_text *line, const struct field *table, const void *object)
{
    for (; table->name; table++)
        add_value(line, table, (const char *)object + table->offset);
}

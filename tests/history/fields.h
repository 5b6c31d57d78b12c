/* SPDX-License-Identifier: MIT
 *
 * The fields of each thing that a line of the text form holds, as tables: the reader and the
 * writer have no list of their own, so they cannot differ. A field is name=value; one that is 0 or
 * empty is left out.
 */
#ifndef TESTS_HISTORY_FIELDS_H
#define TESTS_HISTORY_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

enum field_type {
    FIELD_TEXT, /* const char * */
    FIELD_BOOL,
    FIELD_U16,
    FIELD_U32,
    FIELD_U64,
    FIELD_I64,
    FIELD_OPERATION,   /* enum holdfast_operation_kind, by name */
    FIELD_MOVEMENT,    /* int: MovementKind, by name or number */
    FIELD_STATE,       /* enum holdfast_reservation_state, by name or number */
    FIELD_STATUS,      /* int: enum holdfast_status, by name */
    FIELD_POLICY,      /* enum holdfast_policy, by name */
    FIELD_SETTLE,      /* enum holdfast_settle_outcome, by name */
    FIELD_UUID,        /* uint8_t[16]: text of a UUID, or 32 hexadecimal digits */
    FIELD_RESERVATION, /* uint8_t[10]: R-…, or 20 hexadecimal digits */
    FIELD_DIGEST,      /* uint8_t[32]: 64 hexadecimal digits */
};

struct field {
    const char *name; /* NULL ends a table */
    enum field_type type;
    size_t offset;
};

extern const struct field fields_operation[];       /* struct holdfast_operation */
extern const struct field fields_line[];            /* struct holdfast_line */
extern const struct field fields_result[];          /* struct holdfast_result */
extern const struct field fields_held[];            /* struct holdfast_reservation_line */
extern const struct field fields_reservation[];     /* struct holdfast_reservation, in a result */
extern const struct field fields_level[];           /* struct holdfast_level */
extern const struct field fields_shortage[];        /* struct holdfast_shortage */
extern const struct field fields_movement[];        /* struct history_movement */
extern const struct field fields_end_level[];       /* struct history_level */
extern const struct field fields_end_reservation[]; /* struct history_reservation */
extern const struct field fields_end_line[];        /* struct history_reservation_line */
extern const struct field fields_run[];             /* struct holdfast_run */
extern const struct field fields_run_line[];        /* struct holdfast_run_line */
extern const struct field fields_options[];         /* struct history_options */

/* False: no such field, or no such value. value stays with the object where it is text. */
bool field_read(const struct field *table, const char *name, const char *value, void *object);

/* Hexadecimal digits. False: not so many of them. */
bool field_read_hex(const char *value, void *bytes, size_t count);

/* A text that grows. Zeroed: empty. */
struct line_text {
    char *bytes; /* NUL-terminated; free it */
    size_t length, capacity;
};

void line_add(struct line_text *line, const char *text);
/* Every field that is not 0, each after a tab. */
void line_fields(struct line_text *line, const struct field *table, const void *object);
void line_hex(struct line_text *line, const char *name, const void *bytes, size_t count);
void line_number(struct line_text *line, const char *name, long long value);

#endif

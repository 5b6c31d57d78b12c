/* SPDX-License-Identifier: MIT
 *
 * Fields that one types into, and what is wrong with what was typed. Pure.
 *
 * What does not fit the field is kept and called wrong, never cut: the first six digits of a
 * barcode are no quantity.
 */
#ifndef CONSOLE_FORM_H
#define CONSOLE_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "console/key.h"

#define FORM_FIELDS 24
#define FIELD_TEXT 257
#define QUANTITY_DIGITS 6

enum field_kind {
    FIELD_QUANTITY, /* 1 or 0 up to 999,999 */
    FIELD_DELTA,    /* with a sign or without: -3, +5, 5; not 0 */
    FIELD_WORDS,    /* text */
    FIELD_CODE,     /* a code of the contract */
    FIELD_DURATION, /* 10m */
    FIELD_CHOICE,   /* one of choices; typing its first letters chooses */
};

struct field {
    enum field_kind kind;
    const char *label;
    int mark; /* the owner's, to find it again */
    char text[FIELD_TEXT];
    size_t caret; /* in bytes */
    bool required;
    bool zero;     /* a quantity may be 0 */
    size_t most;   /* bytes of text; 0: FIELD_TEXT - 1 */
    int64_t limit; /* quantity: at most this; 0: 999,999 */
    /* choice i: its code; and its name, or NULL. Borrowed. */
    const char *(*choice)(const void *data, size_t i, const char **name);
    const void *choices;
    bool from_start; /* typing starts anew: the text was set by an arrow or beforehand */
    /* The text before the last characters that came as fast as a scanner's, and how many came. */
    char earlier[FIELD_TEXT];
    size_t fast;
    int64_t typed_at_us;
};

struct form {
    struct field fields[FORM_FIELDS];
    size_t count, focus;
    /* The owner's: a scan, as scan.h tells one, does not go behind a text that is there already:
     * two codes in one field are neither. form_key puts the text back and the scan into refused. */
    bool one_scan;
    char refused[FIELD_TEXT];
};

/* Adds a field with this text; returns it. */
struct field *form_add(struct form *form, enum field_kind kind, const char *label,
                       const char *text);
/* The field with this mark, or NULL. */
struct field *form_find(struct form *form, int mark);
void field_set(struct field *field, const char *text);
/* Takes away blanks at both ends, such as the end of a line that was pasted. */
void field_trim(struct field *field);
/* The list of a choice has come, or has changed: what was typed before is completed by it. */
void form_complete(struct form *form);
/* Takes a key that belongs to a field. False: it is none of the form's. */
bool form_key(struct form *form, const struct key *key);

/* What is wrong, as words that follow the label; NULL: nothing. */
const char *field_fault(const struct field *field);
/* The first field that is wrong, or NULL. */
const struct field *form_fault(const struct form *form);

/* Of a field without fault. */
int64_t field_number(const struct field *field);
/* Index of the choice whose code is the text, or -1. */
int field_chosen(const struct field *field);

#endif

/* SPDX-License-Identifier: MIT
 *
 * See form.h.
 */
#include "console/form.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config.h"
#include "console/scan.h"
#include "console/text.h"
#include "protocol/text.h"

struct field *form_add(struct form *form, enum field_kind kind, const char *label, const char *text)
{
    assert(form->count < FORM_FIELDS);
    struct field *field = &form->fields[form->count++];
    memset(field, 0, sizeof *field);
    field->kind = kind;
    field->label = label;
    field_set(field, text);
    return field;
}

struct field *form_find(struct form *form, int mark)
{
    for (size_t i = 0; i < form->count; i++) {
        if (form->fields[i].mark == mark)
            return &form->fields[i];
    }
    return NULL;
}

void field_set(struct field *field, const char *text)
{
    size_t length = strnlen(text, FIELD_TEXT - 1);
    memmove(field->text, text, length);
    field->text[length] = '\0';
    field->caret = length;
    field->from_start = true;
}

void field_trim(struct field *field)
{
    const char *text = field->text + strspn(field->text, " ");
    size_t length = strlen(text);

    while (length > 0 && text[length - 1] == ' ')
        length--;
    memmove(field->text, text, length);
    field->text[length] = '\0';
    field->caret = length;
}

/* ------------------------------------------------------------- editing */

static size_t before(const struct field *field)
{
    size_t at = field->caret;
    while (at > 0 && (field->text[--at] & 0xc0) == 0x80) {
    }
    return at;
}

static size_t after(const struct field *field)
{
    uint32_t point;
    return field->caret +
           text_decode(field->text + field->caret, strlen(field->text + field->caret), &point);
}

static void cut(struct field *field, size_t from, size_t to)
{
    memmove(field->text + from, field->text + to, strlen(field->text + to) + 1);
    field->caret = from;
}

static void insert(struct field *field, uint32_t point)
{
    char bytes[4];
    size_t count = text_encode(point, bytes), length = strlen(field->text);
    if (length + count >= FIELD_TEXT)
        return; /* long since called too long */
    memmove(field->text + field->caret + count, field->text + field->caret,
            length - field->caret + 1);
    memcpy(field->text + field->caret, bytes, count);
    field->caret += count;
}

int field_chosen(const struct field *field)
{
    const char *name, *code;
    for (size_t i = 0; (code = field->choice(field->choices, i, &name)) != NULL; i++) {
        if (strcmp(code, field->text) == 0)
            return (int)i;
    }
    return -1;
}

/* The typed letters stay before the caret; what is behind it is the rest of the choice. */
static void complete(struct field *field)
{
    const char *name, *code;
    field->text[field->caret] = '\0';
    for (size_t i = 0; (code = field->choice(field->choices, i, &name)) != NULL; i++) {
        if (field->caret > 0 && strncasecmp(code, field->text, field->caret) == 0) {
            size_t typed = field->caret;
            field_set(field, code);
            field->caret = typed;
            field->from_start = false;
            return;
        }
    }
}

void form_complete(struct form *form)
{
    for (size_t i = 0; i < form->count; i++) {
        struct field *field = &form->fields[i];
        if (field->kind == FIELD_CHOICE && field->text[0] && field->caret == strlen(field->text) &&
            field_chosen(field) < 0)
            complete(field);
    }
}

static void step_choice(struct field *field, int by)
{
    const char *name, *code;
    int count = 0, chosen = field_chosen(field);
    while (field->choice(field->choices, (size_t)count, &name))
        count++;
    if (count == 0)
        return;
    chosen = chosen < 0 ? (by > 0 ? 0 : count - 1) : (chosen + by + count) % count;
    code = field->choice(field->choices, (size_t)chosen, &name);
    field_set(field, code);
}

static bool edit_choice(struct field *field, const struct key *key)
{
    if (key->code == K_UP || key->code == K_LEFT) {
        step_choice(field, -1);
    } else if (key->code == K_DOWN || key->code == K_RIGHT) {
        step_choice(field, 1);
    } else if (key->code == K_BACKSPACE || key->code == K_DELETE) {
        if (field->from_start)
            field->caret = 0;
        else if (field->caret > 0)
            field->caret = before(field);
        field->text[field->caret] = '\0';
        complete(field);
    } else if (key->code == K_CTRL + 'u') {
        field_set(field, "");
    } else if (key->code < K_SPECIAL && key->code >= 0x20) {
        if (field->from_start)
            field->caret = 0;
        field->from_start = false;
        field->text[field->caret] = '\0';
        insert(field, key->code);
        complete(field);
    } else {
        return false;
    }
    return true;
}

/* A number that was filled in is replaced by the first digit typed, as on a till. */
static void begin_typing(struct field *field)
{
    bool number = field->kind == FIELD_QUANTITY || field->kind == FIELD_DELTA ||
                  field->kind == FIELD_DURATION;
    if (field->from_start && number)
        cut(field, 0, strlen(field->text));
}

static void note_pace(struct field *field, const struct key *key)
{
    if (key->pasted || field->fast == 0 || key->at_us - field->typed_at_us > SCAN_GAP_US) {
        memcpy(field->earlier, field->text, sizeof field->earlier);
        field->fast = 0;
    }
    field->fast += !key->pasted;
    field->typed_at_us = key->at_us;
}

/* Enter or Tab has come. */
static bool refuse_scan(struct form *form, struct field *field, const struct key *key)
{
    size_t earlier = strlen(field->earlier), length = strlen(field->text);

    if (!form->one_scan || (field->kind != FIELD_WORDS && field->kind != FIELD_CODE) ||
        field->fast < SCAN_LEAST || earlier == 0 || length < earlier + field->fast ||
        key->at_us - field->typed_at_us > SCAN_GAP_US ||
        strncmp(field->text, field->earlier, earlier) != 0)
        return false;
    snprintf(form->refused, sizeof form->refused, "%s", field->text + earlier);
    field_set(field, field->earlier);
    field->fast = 0;
    return true;
}

static bool edit_keys(struct field *field, const struct key *key)
{
    switch (key->code) {
    case K_LEFT:
        field->caret = before(field);
        return true;
    case K_RIGHT:
        field->caret = after(field);
        return true;
    case K_HOME:
        field->caret = 0;
        return true;
    case K_END:
        field->caret = strlen(field->text);
        return true;
    case K_BACKSPACE:
        cut(field, before(field), field->caret);
        return true;
    case K_DELETE:
        cut(field, field->caret, after(field));
        return true;
    case K_CTRL + 'u':
        field_set(field, "");
        return true;
    default:
        if (key->code >= K_SPECIAL || key->code < 0x20 || (key->code >= 0x7f && key->code < 0xa0))
            return false;
        begin_typing(field);
        note_pace(field, key);
        insert(field, key->code);
        return true;
    }
}

static bool edit_text(struct field *field, const struct key *key)
{
    if (!edit_keys(field, key))
        return false;
    if (key->code >= K_SPECIAL)
        field->fast = 0;
    field->from_start = key->code == K_CTRL + 'u';
    return true;
}

bool form_key(struct form *form, const struct key *key)
{
    struct field *field = &form->fields[form->focus];
    bool choice = field->kind == FIELD_CHOICE;

    if (choice ? edit_choice(field, key) : edit_text(field, key))
        return true;
    if ((key->code == K_ENTER || key->code == K_TAB) && refuse_scan(form, field, key))
        return true;
    switch (key->code) {
    case K_ENTER:
        form->focus += form->focus + 1 < form->count;
        return true;
    case K_TAB:
    case K_DOWN:
        form->focus = (form->focus + 1) % form->count;
        return true;
    case K_BACKTAB:
    case K_UP:
        form->focus = (form->focus + form->count - 1) % form->count;
        return true;
    default:
        return false;
    }
}

/* ------------------------------------------------------------- faults */

static const char *digits_fault(const char *digits, int64_t limit)
{
    size_t length = strspn(digits, "0123456789");
    if (length == 0 || digits[length])
        return "must be a whole number";
    if (length > QUANTITY_DIGITS)
        return "has more than 6 digits: is it a barcode?";
    if (length > 1 && digits[0] == '0')
        return "begins with 0: is it a code?";
    return limit && strtoll(digits, NULL, 10) > limit ? "is more than there is" : NULL;
}

const char *field_fault(const struct field *field)
{
    const char *text = field->text;
    size_t most = field->most ? field->most : FIELD_TEXT - 2;
    const char *fault;

    if (!text[0])
        return field->required ? "is needed" : NULL;
    switch (field->kind) {
    case FIELD_QUANTITY:
        fault = digits_fault(text, field->limit);
        return fault ? fault : !field->zero && strcmp(text, "0") == 0 ? "must not be 0" : NULL;
    case FIELD_DELTA:
        fault = digits_fault(text + (text[0] == '-' || text[0] == '+'), 0);
        return fault ? fault : field_number(field) == 0 ? "must not be 0" : NULL;
    case FIELD_WORDS:
        return text_fault(text, strlen(text), most);
    case FIELD_CODE:
        return code_fault(text, strlen(text));
    case FIELD_DURATION: {
        uint64_t ms;
        if (!config_duration(text, &ms))
            return "must be a number and s, m, h or d, such as 10m";
        return ms < 1000 || ms > UINT64_C(30) * 86400 * 1000 ? "must be 1s to 30d" : NULL;
    }
    case FIELD_CHOICE:
        return field_chosen(field) < 0 ? "is not in the list: Up and Down show it" : NULL;
    }
    return NULL;
}

const struct field *form_fault(const struct form *form)
{
    for (size_t i = 0; i < form->count; i++) {
        if (field_fault(&form->fields[i]))
            return &form->fields[i];
    }
    return NULL;
}

int64_t field_number(const struct field *field)
{
    return strtoll(field->text, NULL, 10);
}

/* SPDX-License-Identifier: MIT
 *
 * What each form asks for, what it would do, and the operation that it posts. One function per
 * question; the life of a form is in dialog.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/dialog.h"
#include "console/text.h"

static const struct {
    const char *title;
    const char *quantity; /* label of the number, NULL: none */
    enum field_kind kind;
    bool zero, reason, reason_required, reference, to;
} forms[ACTIONS] = {
    [ACTION_ADJUST] = {"Adjust", "Change", FIELD_DELTA, .reason = true, .reason_required = true},
    [ACTION_RECEIVE] = {"Receive", "Quantity", FIELD_QUANTITY, .reference = true},
    [ACTION_MOVE] = {"Move", "Quantity", FIELD_QUANTITY, .reference = true, .to = true},
    [ACTION_COUNT] = {"Count", "Counted", FIELD_QUANTITY, .zero = true, .reason = true},
    [ACTION_QUARANTINE] = {"Quarantine", "Quantity", FIELD_QUANTITY, .reason = true},
    [ACTION_RESTORE] = {"Restore", "Quantity", FIELD_QUANTITY, .reason = true},
    [ACTION_SAFETY] = {"Safety stock", "Keep back", FIELD_QUANTITY, .zero = true},
    [ACTION_RELEASE] = {.title = "Release"},
    [ACTION_EXTEND] = {.title = "Extend"},
    [ACTION_SHIP] = {.title = "Ship", .reason = true, .reference = true},
    [ACTION_CANCEL] = {.title = "Cancel", .reason = true},
    [ACTION_RETURN] = {.title = "Return", .reason = true, .reference = true},
    [ACTION_UNDO] = {.title = "Undo"},
};

const char *dialog_title(enum action action)
{
    return forms[action].title;
}

bool dialog_is_stock(const struct dialog *d)
{
    return !d->subject.reservation[0];
}

const char *dialog_text(struct dialog *d, int mark)
{
    const struct field *field = form_find(&d->form, mark);
    return field ? field->text : "";
}

const char *dialog_warehouse(struct dialog *d)
{
    const struct field *field = form_find(&d->form, MARK_WAREHOUSE);
    if (!field)
        return d->subject.warehouse;
    return field_fault(field) ? "" : field->text;
}

const char *dialog_to(struct dialog *d)
{
    const struct field *field = form_find(&d->form, MARK_TO);
    return !field || field_fault(field) ? "" : field->text;
}

/* ------------------------------------------------------------- fields */

static const char *choose_name(const void *data, size_t i, const char **name)
{
    const struct names *names = data;
    if (i >= names->count)
        return NULL;
    *name = names->texts[i];
    return names->codes[i];
}

static const char *choose_restock(const void *data, size_t i, const char **name)
{
    static const char *const codes[] = {"restock", "quarantine"};
    static const char *const texts[] = {"back on sale", "set aside"};
    (void)data;
    if (i >= 2)
        return NULL;
    *name = texts[i];
    return codes[i];
}

static const char *choose_keep(const void *data, size_t i, const char **name)
{
    static const char *const codes[] = {"count", "difference"};
    static const char *const texts[] = {"what was counted", "and later moves"};
    (void)data;
    if (i >= 2)
        return NULL;
    *name = texts[i];
    return codes[i];
}

static struct field *add(struct dialog *d, enum field_kind kind, int mark, const char *label,
                         bool required)
{
    struct field *field = form_add(&d->form, kind, label, "");
    field->mark = mark;
    field->required = required;
    return field;
}

static void add_choice(struct dialog *d, int mark, const char *label, bool required,
                       const char *(*choice)(const void *, size_t, const char **), const void *data)
{
    struct field *field = add(d, FIELD_CHOICE, mark, label, required);
    field->choice = choice;
    field->choices = data;
}

static bool undo_begins(struct app *app, struct dialog *d)
{
    bool shown = item_movement(app, d->subject.sequence, &d->undone);
    if (!shown || d->undone.undone_already)
        snprintf(d->trouble, sizeof d->trouble, "%s",
                 shown ? "it has been undone already" : "that movement is not shown any more");
    return shown && !d->undone.undone_already;
}

bool dialog_fields(struct app *app, struct dialog *d)
{
    enum action a = d->action;

    if (a == ACTION_UNDO && !undo_begins(app, d))
        return false;
    if (dialog_is_stock(d) && !d->subject.warehouse[0])
        add_choice(d, MARK_WAREHOUSE, a == ACTION_MOVE ? "From" : "Warehouse", true, choose_name,
                   &app->warehouses);
    if (forms[a].quantity)
        add(d, forms[a].kind, MARK_QUANTITY, forms[a].quantity, true)->zero = forms[a].zero;
    if (a == ACTION_EXTEND)
        field_set(add(d, FIELD_DURATION, MARK_TTL, "From now", true), "15m");
    if (forms[a].to)
        add_choice(d, MARK_TO, "To", true, choose_name, &app->warehouses);
    if (a == ACTION_RETURN)
        add_choice(d, MARK_RESTOCK, "Goods are", true, choose_restock, NULL);
    if (forms[a].reason)
        add_choice(d, MARK_REASON, "Reason", forms[a].reason_required, choose_name, &app->reasons);
    if (forms[a].reference)
        add(d, FIELD_WORDS, MARK_REFERENCE, "Reference", false)->most = 64;
    add(d, FIELD_WORDS, MARK_NOTE, "Note", false)->most = 255;
    return true;
}

static uint32_t most_of(enum action action, const struct holdfast_reservation_line *line)
{
    if (action == ACTION_RELEASE)
        return line->reserved;
    return action == ACTION_RETURN ? line->shipped - line->returned : line->committed;
}

/* Lines that are read again are no more or fewer: what was typed stays, and the server judges. */
void dialog_reservation(struct dialog *d, const struct holdfast_reservation *reservation)
{
    struct form rest = d->form;
    char text[16];

    if (d->action == ACTION_EXTEND || d->line_count > 0)
        return;
    d->form.count = 0;
    for (size_t i = 0; i < reservation->line_count && d->line_count < DIALOG_LINES; i++) {
        const struct holdfast_reservation_line *line = &reservation->lines[i];
        struct dialog_line *mine = &d->line[d->line_count];
        uint32_t most = most_of(d->action, line);
        if (most == 0)
            continue;
        snprintf(mine->sku, CODE_TEXT, "%s", line->sku);
        snprintf(mine->warehouse, CODE_TEXT, "%s", line->warehouse);
        mine->most = most;
        snprintf(mine->label, LABEL_BYTES, "%s@%.16s of %u", line->sku, line->warehouse, most);
        snprintf(text, sizeof text, "%u", d->action == ACTION_RETURN ? 0 : most);
        struct field *field = add(d, FIELD_QUANTITY, (int)d->line_count++, mine->label, true);
        field_set(field, text);
        field->zero = true;
        field->limit = most;
    }
    memcpy(&d->form.fields[d->form.count], rest.fields, rest.count * sizeof rest.fields[0]);
    d->form.count += rest.count;
}

void dialog_offer_keep(struct dialog *d)
{
    struct field *field = form_find(&d->form, MARK_KEEP);
    if (!field) {
        add_choice(d, MARK_KEEP, "Keep", true, choose_keep, NULL);
        field = form_find(&d->form, MARK_KEEP);
    }
    field_set(field, "");
    d->form.focus = (size_t)(field - d->form.fields);
}

void dialog_offer_accept(struct dialog *d)
{
    if (!form_find(&d->form, MARK_ACCEPT))
        add(d, FIELD_CODE, MARK_ACCEPT, "Type SKU", false);
}

/* ------------------------------------------------------------- what it would do */

uint32_t level_available(const struct level *level)
{
    int64_t left = (int64_t)level->on_hand - level->reserved - level->committed -
                   level->unavailable - level->safety_stock;
    return left > 0 ? (uint32_t)left : 0;
}

/* What a count sets: the number, or with what moved since it was counted. */
static int64_t counted(struct dialog *d)
{
    int64_t number = strtoll(dialog_text(d, MARK_QUANTITY), NULL, 10);
    if (strcmp(dialog_text(d, MARK_KEEP), "difference") == 0)
        number += (int64_t)d->now.on_hand - d->opened.on_hand;
    return number;
}

static int64_t on_hand_change(struct dialog *d, int64_t number)
{
    switch (d->action) {
    case ACTION_ADJUST:
    case ACTION_RECEIVE:
        return number;
    case ACTION_MOVE:
        return -number;
    case ACTION_COUNT:
        return counted(d) - d->now.on_hand;
    default:
        return 0;
    }
}

bool dialog_too_little(struct dialog *d)
{
    const struct field *quantity = form_find(&d->form, MARK_QUANTITY);

    return d->action == ACTION_MOVE && d->now.known && quantity->text[0] &&
           !field_fault(quantity) && field_number(quantity) > level_available(&d->now);
}

bool dialog_after(struct dialog *d, struct level *after, struct level *to_after)
{
    const struct field *quantity = form_find(&d->form, MARK_QUANTITY);
    int64_t number = quantity ? field_number(quantity) : 0;

    *after = d->now;
    *to_after = d->to_now;
    if (!d->now.known || (quantity && (!quantity->text[0] || field_fault(quantity))) ||
        dialog_too_little(d))
        return false;
    int64_t on_hand = (int64_t)d->now.on_hand + on_hand_change(d, number);
    int64_t unavailable = d->now.unavailable;
    if (d->action == ACTION_QUARANTINE)
        unavailable += number;
    else if (d->action == ACTION_RESTORE)
        unavailable -= number;
    if (on_hand < 0 || unavailable < 0 || on_hand > 999999999)
        return false;
    after->on_hand = (uint32_t)on_hand;
    after->unavailable = (uint32_t)unavailable;
    if (d->action == ACTION_SAFETY)
        after->safety_stock = (uint32_t)number;
    to_after->on_hand += d->action == ACTION_MOVE ? (uint32_t)number : 0;
    return true;
}

bool dialog_is_there(struct dialog *d)
{
    int64_t number = field_number(form_find(&d->form, MARK_QUANTITY));

    if (d->action == ACTION_QUARANTINE)
        return d->now.unavailable + number <= d->now.on_hand;
    return d->now.on_hand + number >= 0;
}

/* ------------------------------------------------------------- what is wrong with it */

static int64_t lines_sum(struct dialog *d, bool *all)
{
    int64_t sum = 0;
    *all = true;
    for (size_t i = 0; i < d->line_count; i++) {
        int64_t number = field_number(form_find(&d->form, (int)i));
        *all = *all && number == d->line[i].most;
        sum += number;
    }
    return sum;
}

bool dialog_short(struct dialog *d, char *text, size_t bytes)
{
    size_t used = 0;

    if (d->action != ACTION_SHIP)
        return false;
    for (size_t i = 0; i < d->line_count && used < bytes; i++) {
        const struct field *field = form_find(&d->form, (int)i);
        int64_t number = field_fault(field) ? d->line[i].most : field_number(field);
        if (number >= d->line[i].most)
            continue;
        used += (size_t)snprintf(text + used, bytes - used, "%s%lld %s@%s",
                                 used ? ", " : "short: ", (long long)d->line[i].most - number,
                                 d->line[i].sku, d->line[i].warehouse);
    }
    return used > 0;
}

const char *dialog_fault(struct dialog *d, struct field **where)
{
    bool all;
    *where = NULL;
    if (d->line_count > 0 && lines_sum(d, &all) == 0) {
        *where = form_find(&d->form, 0);
        return "every line says 0: there is nothing to post";
    }
    if (d->action == ACTION_SHIP && !all && !dialog_text(d, MARK_REASON)[0]) {
        *where = form_find(&d->form, MARK_REASON);
        return "less than was sold: choose a Reason (Up and Down show the list). The rest stays "
               "sold";
    }
    if (d->action == ACTION_MOVE && strcmp(dialog_text(d, MARK_TO), dialog_warehouse(d)) == 0) {
        *where = form_find(&d->form, MARK_TO);
        return "From and To are the same warehouse";
    }
    if (d->action == ACTION_COUNT && counted(d) < 0)
        return "with what moved meanwhile there would be less than nothing: count again";
    if (d->action == ACTION_COUNT && d->now.known && counted(d) != d->now.on_hand &&
        !dialog_text(d, MARK_REASON)[0]) {
        *where = form_find(&d->form, MARK_REASON);
        return "it differs from the books: choose a Reason (Up and Down show the list)";
    }
    if (dialog_text(d, MARK_ACCEPT)[0] &&
        strcmp(dialog_text(d, MARK_ACCEPT), d->subject.sku) != 0) {
        *where = form_find(&d->form, MARK_ACCEPT);
        return "that is not the SKU: leave it empty, or type the SKU to promise more than there is";
    }
    return NULL;
}

/* ------------------------------------------------------------- the operation */

static void of_level(struct dialog *d, struct holdfast_operation *op, struct holdfast_line *lines)
{
    lines[0] = (struct holdfast_line){
        .sku = d->subject.sku, .warehouse = dialog_warehouse(d), .quantity = op->quantity};
    op->sku = d->subject.sku;
    op->warehouse = dialog_warehouse(d);
    op->lines = lines;
    op->line_count = 1;
}

static const struct {
    enum holdfast_operation_kind kind;
    const char *did;
} posts[ACTIONS] = {
    [ACTION_ADJUST] = {HOLDFAST_ADJUST, "adjusted"},
    [ACTION_RECEIVE] = {HOLDFAST_RECEIVE, "received"},
    [ACTION_MOVE] = {HOLDFAST_TRANSFER, "moved"},
    [ACTION_COUNT] = {HOLDFAST_COUNT, "counted"},
    [ACTION_QUARANTINE] = {HOLDFAST_QUARANTINE, "set aside"},
    [ACTION_RESTORE] = {HOLDFAST_RESTORE, "put back"},
    [ACTION_SAFETY] = {HOLDFAST_SET_SAFETY_STOCK, "safety stock"},
    [ACTION_RELEASE] = {HOLDFAST_RELEASE, "released"},
    [ACTION_EXTEND] = {HOLDFAST_EXTEND, "extended"},
    [ACTION_SHIP] = {HOLDFAST_SHIP, "shipped"},
    [ACTION_CANCEL] = {HOLDFAST_CANCEL, "cancelled"},
    [ACTION_RETURN] = {HOLDFAST_RETURN, "returned"},
    [ACTION_UNDO] = {HOLDFAST_UNDO, "undone"},
};

static void of_reservation(struct dialog *d, struct holdfast_operation *op,
                           struct holdfast_line *lines)
{
    uint64_t ttl_ms = 0;
    bool all;

    op->reservation = d->subject.reservation;
    if (d->action == ACTION_EXTEND && config_duration(dialog_text(d, MARK_TTL), &ttl_ms))
        op->ttl_ms = ttl_ms;
    lines_sum(d, &all);
    for (size_t i = 0; i < d->line_count; i++) {
        uint32_t number = (uint32_t)field_number(form_find(&d->form, (int)i));
        if (number > 0)
            lines[op->line_count++] = (struct holdfast_line){
                .sku = d->line[i].sku, .warehouse = d->line[i].warehouse, .quantity = number};
    }
    op->lines = lines;
    op->to_quarantine = strcmp(dialog_text(d, MARK_RESTOCK), "quarantine") == 0;
}

static const char *or_none(const char *text)
{
    return text[0] ? text : NULL;
}

static void say_what(struct dialog *d, const struct holdfast_operation *op)
{
    struct level after, to_after;
    bool known = dialog_is_stock(d) && dialog_after(d, &after, &to_after);

    if (!dialog_is_stock(d))
        snprintf(d->what, sizeof d->what, "%s %s", posts[d->action].did, d->subject.reservation);
    else if (d->action == ACTION_UNDO)
        snprintf(d->what, sizeof d->what, "undone movement %llu of %s@%s",
                 (unsigned long long)d->subject.sequence, d->subject.sku, d->subject.warehouse);
    else if (d->action == ACTION_MOVE)
        snprintf(d->what, sizeof d->what, "moved %u %s %s to %s", op->quantity, d->subject.sku,
                 op->warehouse, op->to_warehouse);
    else if (d->action == ACTION_QUARANTINE || d->action == ACTION_RESTORE ||
             d->action == ACTION_SAFETY)
        snprintf(d->what, sizeof d->what, "%s %u %s@%s", posts[d->action].did, op->quantity,
                 d->subject.sku, op->warehouse);
    else if (known)
        snprintf(d->what, sizeof d->what, "%s %s@%s %u -> %u", posts[d->action].did, d->subject.sku,
                 op->warehouse, d->now.on_hand, after.on_hand);
    else
        snprintf(d->what, sizeof d->what, "%s %s@%s", posts[d->action].did, d->subject.sku,
                 op->warehouse);
}

void dialog_operation(struct dialog *d, struct holdfast_operation *op, struct holdfast_line *lines)
{
    const struct field *quantity = form_find(&d->form, MARK_QUANTITY);
    int64_t number = quantity ? field_number(quantity) : 0;

    memset(op, 0, sizeof *op);
    op->kind = posts[d->action].kind;
    op->quantity = number > 0 ? (uint32_t)number : 0;
    op->delta = number;
    if (d->action == ACTION_COUNT) {
        op->quantity = (uint32_t)counted(d);
        op->has_version = true;
        op->on_hand_version = d->confirmed_version;
    }
    if (d->list_line) { /* whoever counts it: once */
        holdfast_derive_operation_id(d->list_run, strlen(d->list_run),
                                     d->list_line + ((uint64_t)d->list_generation << 32), d->id);
        op->operation_id = d->id;
        op->id_time_us = d->list_time_us;
    }
    op->warehouse = dialog_warehouse(d);
    op->to_warehouse = or_none(dialog_text(d, MARK_TO));
    if (d->action == ACTION_UNDO)
        undo_operation(d, op, d->id);
    else if (!dialog_is_stock(d))
        of_reservation(d, op, lines);
    else if (op->kind == HOLDFAST_TRANSFER)
        op->sku = d->subject.sku;
    else
        of_level(d, op, lines);
    op->reason = or_none(dialog_text(d, MARK_REASON));
    op->reference = or_none(dialog_text(d, MARK_REFERENCE));
    op->note = or_none(dialog_text(d, MARK_NOTE));
    op->accept_shortfall = dialog_text(d, MARK_ACCEPT)[0] != '\0';
    say_what(d, op);
}

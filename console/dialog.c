/* SPDX-License-Identifier: MIT
 *
 * The life of a form: opened for a row, kept up to date while it is open, checked, posted with F2
 * and with nothing else, and closed when its outcome is certain. What was typed is kept through
 * every failure. What each form asks for is in dialog_forms.c.
 */
#include "console/dialog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/count.h"
#include "console/tag.h"
#include "console/text.h"

#define STOCK_EVERY_US 300000
#define RESERVATION_EVERY_US 1000000
#define NEVER_US 3600000000

/* ------------------------------------------------------------- open and close */

void dialog_open(struct app *app, enum action action, const struct subject *subject)
{
    struct dialog *d = calloc(1, sizeof *d);
    if (!d)
        return;
    d->action = action;
    d->subject = *subject;
    d->phase = DIALOG_LOADING;
    d->form.one_scan = true;
    if (action != ACTION_RELEASE && action != ACTION_EXTEND && action != ACTION_SHIP &&
        action != ACTION_CANCEL && action != ACTION_RETURN)
        d->subject.reservation[0] = '\0';
    if (!dialog_fields(app, d)) {
        app->bell = true;
        app_say(app, STYLE_BAD, "ERR %s", d->trouble);
        free(d);
        return;
    }
    dialog_close(app);
    app->message[0] = '\0';
    app->dialog = d;
    if (!app->reasons.known || app->reasons.count == 0)
        poll_restart(&app->reasons_poll);
    if (!app->warehouses.known || app->warehouses.count == 0)
        poll_restart(&app->warehouses_poll);
    dialog_tick(app);
}

void dialog_close(struct app *app)
{
    struct dialog *d = app->dialog;
    app->dialog = NULL;
    if (!d)
        return;
    for (size_t i = 0; i < POSTINGS_MAX; i++) {
        if (app->postings[i].serial == d->serial)
            app->postings[i].done = NULL; /* what became of it is said all the same */
    }
    poll_forget(app, &d->stock_poll);
    poll_forget(app, &d->reservation_poll);
    poll_forget(app, &d->history_poll);
    poll_forget(app, &d->plan_poll);
    poll_forget(app, &d->check_poll);
    free(d);
}

/* ------------------------------------------------------------- what it is about */

static void take_level(struct level *level, const struct holdfast_view_stock *stock,
                       const char *warehouse)
{
    memset(level, 0, sizeof *level);
    if (stock->knowledge != HOLDFAST_KNOWLEDGE_KNOWN || !stock->exists)
        return;
    level->known = true; /* a level that is not there has nothing on it */
    for (size_t i = 0; i < stock->level_count; i++) {
        const struct holdfast_level *l = &stock->levels[i];
        if (strcmp(l->warehouse, warehouse) != 0)
            continue;
        level->on_hand = l->on_hand;
        level->reserved = l->reserved;
        level->committed = l->committed;
        level->unavailable = l->unavailable;
        level->safety_stock = l->safety_stock;
        level->version = l->version;
        level->on_hand_version = l->on_hand_version;
    }
}

static void loaded(struct dialog *d)
{
    if (d->phase == DIALOG_LOADING)
        d->phase = DIALOG_EDITING;
}

/* What is counted must be confirmed again; while nothing is typed yet, nothing was counted. */
static void moved_while_counting(struct app *app, struct dialog *d)
{
    d->confirmed_version = d->now.on_hand_version;
    if (dialog_text(d, MARK_QUANTITY)[0]) {
        dialog_offer_keep(d);
        app->bell = true;
    } else {
        d->opened = d->now;
    }
}

/* An item that lies in one warehouse is most likely meant there; it is shown, and can be changed.
 */
static void choose_only_level(struct dialog *d, const char *warehouse)
{
    struct field *field = form_find(&d->form, MARK_WAREHOUSE);
    if (!field || field->text[0])
        return;
    field_set(field, warehouse);
    if (d->form.focus == 0)
        d->form.focus = 1;
}

static void take_stock(struct app *app, struct holdfast_view_answer **answer)
{
    struct dialog *d = app->dialog;
    const struct holdfast_view_stock *stock = (*answer)->stock;
    const char *warehouse = d ? dialog_warehouse(d) : "";

    if (!d || (*answer)->stock_count != 1 || (d->ask_owner && !stock->from_owner))
        return;
    if (d->ask_owner) { /* views are not asked again before they have come so far */
        struct holdfast_position position = {stock->partition, stock->sequence};
        (void)holdfast_view_at_least(app->reads, &position, 1);
        d->ask_owner = false;
    }
    if (stock->item)
        snprintf(d->name, sizeof d->name, "%s", stock->item->name);
    if (d->phase == DIALOG_LOADING && stock->level_count == 1) {
        choose_only_level(d, stock->levels[0].warehouse);
        warehouse = dialog_warehouse(d);
    }
    take_level(&d->now, stock, warehouse);
    take_level(&d->to_now, stock, dialog_to(d));
    snprintf(d->read_to, sizeof d->read_to, "%s", dialog_to(d));
    d->now.known = d->now.known && warehouse[0];
    if (d->now.known && strcmp(d->read_warehouse, warehouse) != 0) {
        snprintf(d->read_warehouse, sizeof d->read_warehouse, "%s", warehouse);
        d->opened = d->now;
        d->confirmed_version = d->now.on_hand_version;
        d->changed[0] = '\0';
        d->history_version = d->now.on_hand_version;
        if (d->resumed) { /* what was counted then, and what moved since: which is meant? */
            d->opened.on_hand = d->resumed_booked;
            dialog_offer_keep(d);
        }
    }
    if (d->now.known && d->action == ACTION_COUNT && d->phase == DIALOG_EDITING &&
        d->now.on_hand_version != d->confirmed_version)
        moved_while_counting(app, d);
    if (stock->knowledge == HOLDFAST_KNOWLEDGE_KNOWN)
        loaded(d);
}

static void take_reservation(struct app *app, struct holdfast_view_answer **answer)
{
    struct dialog *d = app->dialog;
    if (!d || (*answer)->reservation_count != 1)
        return;
    const struct holdfast_reservation *r = &(*answer)->reservations[0];
    dialog_reservation(d, r);
    if (d->action != ACTION_EXTEND && d->line_count == 0)
        snprintf(d->trouble, sizeof d->trouble, "it is %s, and there is nothing left to do this to",
                 holdfast_state_name(r->state));
    else if (r->line_count > DIALOG_LINES)
        snprintf(d->changed, sizeof d->changed, "it has %zu lines, of which this form shows %zu",
                 r->line_count, d->line_count);
    loaded(d);
}

/* The newest movements that changed on_hand since the form was opened. */
static void take_history(struct app *app, struct holdfast_answer **answer)
{
    struct dialog *d = app->dialog;
    char clock[TEXT_NUMBER];
    if (!d || (*answer)->status != HOLDFAST_APPLIED)
        return;
    for (size_t i = 0; i < (*answer)->movement_count; i++) {
        const struct holdfast_movement *m = &(*answer)->movements[i];
        if (m->sequence <= d->opened.on_hand_version || m->on_hand_change == 0)
            continue;
        snprintf(d->changed, sizeof d->changed, "by %s %+d at %s", m->actor[0] ? m->actor : "?",
                 m->on_hand_change, text_clock(m->at_us, clock));
        return;
    }
}

static void ask_stock(struct app *app, struct dialog *d)
{
    const char *key = d->subject.sku;
    struct holdfast_view_query stock = {.kind = HOLDFAST_VIEW_STOCK,
                                        .consistency = d->ask_owner ? HOLDFAST_READ_OWNER
                                                                    : HOLDFAST_READ_OWN_WRITES,
                                        .keys = &key,
                                        .key_count = 1};
    struct holdfast_query history = {.kind = HOLDFAST_QUERY_HISTORY,
                                     .sku = d->subject.sku,
                                     .warehouse = d->read_warehouse,
                                     .limit = 8};

    poll_view(app, &d->stock_poll, &stock, STOCK_EVERY_US, take_stock);
    if (d->now.known && d->now.on_hand_version != d->history_version) {
        d->history_version = d->now.on_hand_version;
        snprintf(d->changed, sizeof d->changed, "by somebody");
        poll_restart(&d->history_poll);
        poll_owner(app, &d->history_poll, &history, NEVER_US, take_history);
    }
}

void dialog_tick(struct app *app)
{
    struct dialog *d = app->dialog;
    if (!d)
        return;
    if (dialog_is_stock(d)) {
        ask_stock(app, d);
    } else if (d->phase == DIALOG_LOADING) {
        const char *key = d->subject.reservation;
        struct holdfast_view_query one = {
            .kind = HOLDFAST_VIEW_RESERVATIONS, .keys = &key, .key_count = 1};
        poll_view(app, &d->reservation_poll, &one, RESERVATION_EVERY_US, take_reservation);
    }
    if (d->action == ACTION_UNDO && d->now.known)
        undo_plan(app, d);
}

/* ------------------------------------------------------------- posting */

static void trouble(struct app *app, struct dialog *d, const char *text)
{
    snprintf(d->trouble, sizeof d->trouble, "%.*s", (int)sizeof d->trouble - 1, text);
    app->bell = true;
    app->dirty = true;
}

static void posted(struct app *app, const struct posting *posting,
                   const struct holdfast_result *result)
{
    struct dialog *d = app->dialog, before;
    if (!d || d->serial != posting->serial)
        return;
    const char *words = result->message[0] ? result->message : holdfast_status_text(result->status);
    switch (result->kind) {
    case HOLDFAST_KIND_APPLIED:
        if (d->list_line)
            counting_applied(app, d, result);
        before = *d;
        dialog_close(app);
        item_changed(app);
        orders_changed(app);
        reservations_changed(app);
        scan_posted(app);
        tag_posted(app, &before.subject, before.action, &before.form);
        return;
    case HOLDFAST_KIND_UNKNOWN:
        d->phase = DIALOG_UNKNOWN;
        return;
    case HOLDFAST_KIND_REFUSED:
    case HOLDFAST_KIND_SHED:
        d->phase = DIALOG_EDITING;
        break;
    }
    bool derived = d->list_line || d->action == ACTION_UNDO;
    if (dialog_is_stock(d) && (result->status == HOLDFAST_INSUFFICIENT_STOCK ||
                               result->status == HOLDFAST_INSUFFICIENT_ON_HAND)) {
        d->ask_owner = true;
        poll_restart(&d->stock_poll);
    }
    if (derived && result->status == HOLDFAST_OPERATION_ID_REUSED) {
        dialog_settle(app, d, true);
        return;
    }
    if (result->status == HOLDFAST_OPERATION_ID_EXPIRED && d->list_line) {
        trouble(app, d,
                "not done: this list was begun too long ago. Esc, and C in Stock makes a "
                "new one");
        return;
    }
    if (result->status == HOLDFAST_VERSION_CONFLICT && d->action == ACTION_COUNT) {
        const struct holdfast_movement *m = result->moved_count ? &result->moved[0] : NULL;
        snprintf(d->trouble, sizeof d->trouble, "stock moved while you counted%s%s",
                 m && m->actor[0] ? ", by " : "", m ? m->actor : "");
        return;
    }
    if (result->status == HOLDFAST_INSUFFICIENT_ON_HAND &&
        (d->action == ACTION_ADJUST || d->action == ACTION_QUARANTINE) && dialog_is_there(d)) {
        dialog_offer_accept(d);
        trouble(app, d,
                "not done: that eats what is promised to customers. To do it all the same, "
                "type the SKU in the last field");
        return;
    }
    snprintf(d->trouble, sizeof d->trouble, "not done: %s%s%s", result->field,
             result->field[0] ? ": " : "", words);
    if (derived && result->settle == HOLDFAST_SETTLE_VOID)
        dialog_settle(app, d, false); /* that id is given up, here */
}

static void send_it(struct app *app, struct dialog *d)
{
    struct holdfast_operation operation;
    struct holdfast_line lines[DIALOG_LINES];

    dialog_operation(d, &operation, lines);
    struct posting *posting = post_send(app, &operation, d->what, posted);
    if (!posting) {
        d->phase = DIALOG_EDITING;
        trouble(app, d, app->message);
        return;
    }
    d->serial = posting->serial;
    d->phase = DIALOG_POSTING;
    d->trouble[0] = '\0';
}

/* The number, if it is one that somebody typed or scanned. */
static const char *number_to_check(const struct field *field)
{
    const char *text = field->text + (field->text[0] == '+' || field->text[0] == '-');
    bool number = field->kind == FIELD_QUANTITY || field->kind == FIELD_DELTA;
    return number && !field->from_start && text[0] ? text : NULL;
}

static void checked(struct app *app, struct holdfast_view_answer **answer)
{
    struct dialog *d = app->dialog;
    if (!d || d->phase != DIALOG_CHECKING)
        return;
    d->phase = DIALOG_EDITING;
    app->urgent = true;
    if ((*answer)->status != HOLDFAST_APPLIED || (*answer)->unknown_partitions) {
        trouble(app, d,
                "not posted: whether the quantity is a barcode could not be checked. F2 "
                "tries again");
        return;
    }
    if ((*answer)->stock_count > 0) {
        char text[200];
        snprintf(text, sizeof text,
                 "not posted: the quantity is the barcode of %.64s. Type a number",
                 (*answer)->stock[0].sku);
        trouble(app, d, text);
        return;
    }
    send_it(app, d);
}

static void check_numbers(struct app *app, struct dialog *d)
{
    const char *keys[FORM_FIELDS];
    size_t count = 0;

    for (size_t i = 0; i < d->form.count; i++) {
        const char *number = number_to_check(&d->form.fields[i]);
        if (number)
            keys[count++] = number;
    }
    if (count == 0) {
        send_it(app, d);
        return;
    }
    struct holdfast_view_query query = {.kind = HOLDFAST_VIEW_BARCODE,
                                        .consistency = HOLDFAST_READ_ANY,
                                        .keys = keys,
                                        .key_count = count};
    d->phase = DIALOG_CHECKING;
    poll_restart(&d->check_poll);
    poll_view(app, &d->check_poll, &query, NEVER_US, checked);
}

bool dialog_can_post(const struct app *app)
{
    const char *why;
    return app->dialog && app->dialog->phase == DIALOG_EDITING && link_can_post(app, &why);
}

void dialog_names_came(struct app *app)
{
    if (app->dialog)
        form_complete(&app->dialog->form);
}

bool dialog_waits(const struct app *app)
{
    return app->dialog &&
           (app->dialog->phase == DIALOG_CHECKING || app->dialog->phase == DIALOG_POSTING);
}

void dialog_prefill(struct app *app, const char *quantity, const char *reference, bool blind)
{
    struct dialog *d = app->dialog;
    struct field *field = d ? form_find(&d->form, MARK_QUANTITY) : NULL;

    if (!field)
        return;
    field_set(field, quantity);
    d->blind = blind;
    if ((field = form_find(&d->form, MARK_REFERENCE)))
        field_set(field, reference);
}

void dialog_take_over(struct app *app, const struct form *before)
{
    struct dialog *d = app->dialog;

    if (!d)
        return;
    for (size_t i = 0; i < before->count; i++) {
        const struct field *from = &before->fields[i];
        bool same = from->mark == MARK_WAREHOUSE || from->mark == MARK_TO ||
                    from->mark == MARK_TTL || from->mark == MARK_RESTOCK ||
                    from->mark == MARK_REASON || from->mark == MARK_REFERENCE ||
                    from->mark == MARK_NOTE ||
                    (from->mark == MARK_QUANTITY && d->action == ACTION_SAFETY);
        struct field *to = same ? form_find(&d->form, from->mark) : NULL;
        if (to)
            field_set(to, from->text);
    }
    if (d->form.count > 1 && d->form.fields[0].mark == MARK_WAREHOUSE)
        d->form.focus = 1;
}

void dialog_post(struct app *app)
{
    struct dialog *d = app->dialog;
    struct field *where = NULL;
    const char *why;

    if (d->phase == DIALOG_POSTING || d->phase == DIALOG_CHECKING || d->phase == DIALOG_UNKNOWN)
        return; /* once is enough */
    if (!link_can_post(app, &why)) {
        trouble(app, d, why);
        return;
    }
    if (d->phase == DIALOG_LOADING) {
        trouble(app, d, "not posted: what it is about has not been read yet");
        return;
    }
    const struct field *bad = form_fault(&d->form);
    if (bad) {
        d->form.focus = (size_t)(bad - d->form.fields);
        snprintf(d->trouble, sizeof d->trouble, "%s %s", bad->label, field_fault(bad));
        app->bell = true;
        return;
    }
    if (dialog_is_stock(d) && !d->now.known) {
        trouble(app, d, "not posted: nobody knows what is there now (?)");
        return;
    }
    const char *fault = dialog_fault(d, &where);
    if (!fault && d->action == ACTION_UNDO)
        fault = d->undone.refused[0] ? d->undone.refused
                : d->undone.planned  ? NULL
                                     : "what it would do has not been read yet";
    if (fault) {
        if (where)
            d->form.focus = (size_t)(where - d->form.fields);
        trouble(app, d, fault);
        return;
    }
    check_numbers(app, d);
}

void dialog_of_list(struct app *app, const char *run, uint32_t line, int64_t created_at_us,
                    const struct count_line *conflict)
{
    struct dialog *d = app->dialog;
    char number[16];

    if (!d)
        return;
    snprintf(d->list_run, sizeof d->list_run, "%s", run);
    d->list_line = line;
    d->list_time_us = created_at_us;
    d->blind = true;
    if (!conflict)
        return;
    snprintf(number, sizeof number, "%u", conflict->counted);
    field_set(form_find(&d->form, MARK_QUANTITY), number);
    d->resumed = true;
    d->resumed_booked = conflict->booked;
}

/* A conflict never holds up the other lines: whoever leaves the form leaves what was counted. */
static bool left_for_later(struct app *app, struct dialog *d)
{
    const struct field *quantity = form_find(&d->form, MARK_QUANTITY);

    if (!d->list_line || !form_find(&d->form, MARK_KEEP) || !quantity->text[0] ||
        field_fault(quantity))
        return false;
    counting_conflict(app, d, (uint32_t)field_number(quantity), d->opened.on_hand);
    return true;
}

bool dialog_key(struct app *app, const struct key *key)
{
    struct dialog *d = app->dialog;

    if (key->code == K_ESC) {
        if (d->phase == DIALOG_EDITING && left_for_later(app, d))
            ;
        else if (d->phase == DIALOG_POSTING || d->phase == DIALOG_UNKNOWN)
            app_say(app, STYLE_WARN, "still being posted, its outcome will be told here: %s",
                    d->what);
        else
            app_say(app, STYLE_NORMAL, "cancelled, nothing was sent");
        dialog_close(app);
        return true;
    }
    if (d->phase != DIALOG_LOADING && d->phase != DIALOG_EDITING) {
        app->bell = key->code < K_SPECIAL; /* what was sent is not changed any more */
        return key->code < K_SPECIAL;
    }
    size_t focus = d->form.focus;
    if (!form_key(&d->form, key))
        return false;
    if (d->form.focus == focus)
        d->trouble[0] = '\0';
    if (d->form.refused[0]) {
        snprintf(d->trouble, sizeof d->trouble,
                 "ERR %s not taken: %s has text. F2 posts, Ctrl-U clears", d->form.refused,
                 d->form.fields[focus].label);
        d->form.refused[0] = '\0';
        app->bell = true;
    }
    if (dialog_is_stock(d) && strcmp(d->read_warehouse, dialog_warehouse(d)) != 0) {
        d->now.known = false;
        poll_restart(&d->stock_poll);
    }
    if (dialog_is_stock(d) && strcmp(d->read_to, dialog_to(d)) != 0)
        poll_restart(&d->stock_poll);
    return true;
}

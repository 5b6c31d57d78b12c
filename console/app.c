/* SPDX-License-Identifier: MIT
 *
 * From bytes to actions, and what is on the screen beside the view. See app.h.
 */
#include "console/app.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "console/brokers.h"
#include "console/count.h"
#include "console/list.h"
#include "console/panes.h"
#include "console/subscriptions.h"
#include "console/tag.h"
#include "console/text.h"

_Static_assert(SETTINGS_PREFIX_BYTES == SCAN_PREFIX_BYTES, "one limit");

#define TICK_US 250000
#define MESSAGE_US 5000000 /* what was said is taken away by a key after so long; a fault later */
#define READ_TIMEOUT_MS 2000
#define WRITE_TIMEOUT_MS 5000

static const struct view *const views[VIEWS] = {
    [VIEW_STOCK] = &view_stock,
    [VIEW_ITEM] = &view_item,
    [VIEW_RESERVATIONS] = &view_reservations,
    [VIEW_ORDERS] = &view_orders,
    [VIEW_OPERATIONS] = &view_operations,
    [VIEW_EVENTS] = &view_events,
    [VIEW_RUNS] = &view_runs,
    [VIEW_SCAN] = &view_scan,
    [VIEW_COUNT] = &view_count,
};

const struct view *view_of(enum view_id id)
{
    return views[id];
}

/* ------------------------------------------------------------- open and close */

static struct holdfast *open_handle(struct app *app, int64_t timeout_ms, char *error,
                                    size_t error_bytes)
{
    struct holdfast_options options = {.size = sizeof options,
                                       .cluster_file = app->config.path,
                                       .actor = app->actor,
                                       .op_class = HOLDFAST_CLASS_INTERACTIVE,
                                       .timeout_ms = timeout_ms,
                                       .attempt_timeout_ms = timeout_ms / 2};
    return holdfast_open(&options, error, error_bytes);
}

/* NULL without memory. */
static void *make_state(const struct view *view)
{
    void *state = calloc(1, view->state_bytes);

    if (state && view->init && !view->init(state)) {
        free(state);
        state = NULL;
    }
    return state;
}

bool app_open(struct app *app, const char *cluster_file, char *error, size_t error_bytes)
{
    char path[CONFIG_PATH_BYTES];

    if (!config_find(cluster_file, path, sizeof path, error, error_bytes) ||
        !config_read(&app->config, path, error, error_bytes))
        return false;
    snprintf(app->cluster, sizeof app->cluster, "%s", app->config.name);
    if (app->config.view_count == 0) {
        snprintf(error, error_bytes,
                 "\"%s\" names no view, and a console needs one: holdfast up --views 1", path);
        return false;
    }
    app->reads = open_handle(app, READ_TIMEOUT_MS, error, error_bytes);
    app->writes = app->reads ? open_handle(app, WRITE_TIMEOUT_MS, error, error_bytes) : NULL;
    app->watch = broker_watch_new(&app->config);
    app->brokers = brokers_new();
    app->fifo = calloc(FIFO_KEYS, sizeof *app->fifo);
    app->panes = panes_new();
    app->counting = counting_new();
    app->subscriptions = subscriptions_new();
    bool good = app->reads && app->writes;
    for (int i = 0; i < VIEWS; i++) {
        app->states[i] = make_state(views[i]);
        if (good && !app->states[i])
            snprintf(error, error_bytes, "out of memory");
        good = good && app->states[i];
    }
    if (good && (!app->watch || !app->brokers || !app->fifo || !app->panes || !app->counting ||
                 !app->subscriptions || !canvas_resize(&app->canvas, 24, 80))) {
        snprintf(error, error_bytes, "out of memory");
        good = false;
    }
    key_decoder_init(&app->decoder);
    scan_init(&app->scan, app->settings.scanner.prefix);
    memcpy(app->warehouse, app->settings.warehouse, sizeof app->warehouse);
    app->now_us = app->opened_us = clock_monotonic_us();
    app->wall_us = clock_wall_us();
    app->dirty = true;
    return good;
}

void app_close(struct app *app)
{
    export_stop(app);
    app->quit = true; /* callbacks of what is on its way touch nothing any more */
    if (app->reads)
        holdfast_close(&app->reads);
    if (app->writes)
        holdfast_close(&app->writes);
    dialog_close(app);
    chooser_close(app);
    for (int i = 0; i < VIEWS; i++) {
        if (app->states[i] && views[i]->release)
            views[i]->release(app->states[i]);
        free(app->states[i]);
    }
    panes_destroy(&app->panes);
    broker_watch_destroy(&app->watch);
    free(app->brokers);
    counting_destroy(&app->counting);
    subscriptions_destroy(&app->subscriptions);
    free(app->fifo);
    free(app->reasons.codes);
    free(app->reasons.texts);
    free(app->warehouses.codes);
    free(app->warehouses.texts);
    canvas_release(&app->canvas);
}

void app_say(struct app *app, enum style style, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(app->message, sizeof app->message, format, args);
    va_end(args);
    app->message_style = style;
    app->message_at_us = app->now_us;
    app->message_stays = false;
    app->dirty = true;
}

/* What was said of another view is not left beside this one. What is said in the turn that changes
 * the view is of the new one; what is of no view is read first. */
static void forget_message(struct app *app)
{
    int64_t age_us = app->now_us - app->message_at_us;

    if (age_us > (app->message_stays ? MESSAGE_US : 0))
        app->message[0] = '\0';
}

void app_show(struct app *app, enum view_id view)
{
    if (view != app->view) {
        app->previous = app->view;
        forget_message(app);
    }
    app->view = view;
    app->prompt = PROMPT_NONE;
    if (views[view]->enter)
        views[view]->enter(app);
    views[view]->tick(app, app->now_us);
    app->urgent = true;
}

bool app_subject(struct app *app, struct subject *subject)
{
    memset(subject, 0, sizeof *subject);
    return views[app->view]->subject && views[app->view]->subject(app, subject);
}

/* ------------------------------------------------------------- actions */

bool app_can(struct app *app, enum action action)
{
    const struct action_row *row = &action_rows[action];
    struct subject subject;

    if (action == ACTION_POST)
        return app->dialog && dialog_can_post(app);
    if (app->dialog)
        return action == ACTION_HELP || action == ACTION_QUIT || action == ACTION_BACK ||
               action == ACTION_REDRAW || action == ACTION_SUSPEND;
    if (!(row->views & 1u << app->view) || (row->needs == WRITE && app->readonly))
        return false;
    if (row->needs == NOTHING)
        return true;
    return app_subject(app, &subject) &&
           (!views[app->view]->allows || views[app->view]->allows(app, action));
}

static void begin_prompt(struct app *app, enum prompt_kind kind, const char *text)
{
    app->prompt = kind;
    memset(&app->prompt_form, 0, sizeof app->prompt_form);
    struct field *field = form_add(&app->prompt_form, FIELD_CODE, "", text);
    field->from_start = false;
}

static void begin_list(struct app *app)
{
    if (!app->warehouse[0] && app->warehouses.count != 1) {
        app->bell = true;
        app_say(app, STYLE_BAD, "ERR a list is of one warehouse: W chooses it");
        return;
    }
    counting_propose_name(app, app->list_name);
    begin_prompt(app, PROMPT_LIST, "");
}

static void found_item(struct app *app, const char *sku, const char *name)
{
    (void)name;
    item_show(app, sku, app->warehouse);
}

static void look_up(struct app *app, const char *text)
{
    if (view_of(app->view)->scanned) {
        view_of(app->view)->scanned(app, text);
    } else if (orders_reservation(text)) {
        orders_show(app, text);
    } else {
        lookup_code(app, text, true, found_item);
    }
}

static void copy_subject(struct app *app)
{
    struct subject subject;
    if (!app_subject(app, &subject))
        return;
    snprintf(app->copied, sizeof app->copied, "%s",
             subject.reservation[0] ? subject.reservation : subject.sku);
    app_say(app, STYLE_NORMAL, "copied %s", app->copied);
}

static void go_back(struct app *app)
{
    if (tag_clear(app)) {
        app_say(app, STYLE_NORMAL, "nothing is tagged any more");
        return;
    }
    if (views[app->view]->filtered && views[app->view]->filtered(app)) {
        begin_prompt(app, PROMPT_FILTER, "");
        app->prompt = PROMPT_NONE;
        views[app->view]->act(app, ACTION_FILTER);
        return;
    }
    if (app->view != VIEW_STOCK)
        app_show(app,
                 app->view == VIEW_ITEM && app->previous != VIEW_ITEM ? app->previous : VIEW_STOCK);
}

void app_act(struct app *app, enum action action)
{
    struct subject subject;

    if (!app_can(app, action) && !(action == ACTION_POST && app->dialog))
        return;
    app->urgent = true;
    switch (action) {
    case ACTION_HELP:
        app->help = true;
        app->help_top = 0;
        return;
    case ACTION_POST:
        dialog_post(app);
        return;
    case ACTION_VIEWS:
        chooser_views(app);
        return;
    case ACTION_MENU:
        chooser_actions(app, "Menu");
        return;
    case ACTION_PALETTE:
        chooser_actions(app, "Palette: type what you want to do");
        return;
    case ACTION_QUIT:
        app->quit = true;
        return;
    case ACTION_LOOKUP:
        begin_prompt(app, PROMPT_LOOKUP, "");
        return;
    case ACTION_PAUSE:
        app->paused = !app->paused;
        return;
    case ACTION_COPY:
        copy_subject(app);
        return;
    case ACTION_EXPORT:
    case ACTION_EXPORT_JSON:
        export_begin(app, action == ACTION_EXPORT_JSON);
        return;
    case ACTION_BACK:
        go_back(app);
        return;
    case ACTION_PREVIOUS:
        app_show(app, app->previous);
        return;
    case ACTION_REDRAW:
        app->redraw = true;
        return;
    case ACTION_DUMP:
        app->dumping = true;
        return;
    case ACTION_SUSPEND:
        app->suspend = true;
        return;
    case ACTION_ADJUST:
    case ACTION_RECEIVE:
    case ACTION_MOVE:
    case ACTION_COUNT:
    case ACTION_RELEASE:
    case ACTION_QUARANTINE:
    case ACTION_RESTORE:
    case ACTION_SAFETY:
    case ACTION_EXTEND:
    case ACTION_SHIP:
    case ACTION_CANCEL:
    case ACTION_RETURN:
    case ACTION_UNDO:
        if (app->view == VIEW_COUNT) /* of the list: under an id of its own */
            (void)views[app->view]->act(app, action);
        else if (!tag_form(app, action) && app_subject(app, &subject))
            dialog_open(app, action, &subject);
        return;
    case ACTION_TAG:
        tag_toggle(app);
        (void)views[app->view]->key(app, &(struct key){.code = K_DOWN});
        return;
    case ACTION_FILTER:
        begin_prompt(app, PROMPT_FILTER, "");
        break;
    case ACTION_LIST:
        begin_list(app);
        return;
    case ACTION_OPEN:
    case ACTION_ORDER:
    case ACTION_SORT:
    case ACTION_REVERSE:
    case ACTION_LOW:
    case ACTION_WAREHOUSE:
    case ACTION_FLOW:
    case ACTION_NEXT:
    case ACTIONS:
        break;
    }
    if (views[app->view]->act)
        (void)views[app->view]->act(app, action);
}

/* ------------------------------------------------------------- keys */

static bool in_field(const struct app *app)
{
    return app->chooser || app->dialog || app->prompt != PROMPT_NONE;
}

static void prompt_key(struct app *app, const struct key *key)
{
    struct field *field = &app->prompt_form.fields[0];
    enum prompt_kind kind = app->prompt;
    char text[FIELD_TEXT];

    if (kind != PROMPT_FILTER && key->code == K_ENTER)
        field_trim(field);
    if (kind == PROMPT_LIST && key->code == K_ENTER && !field->text[0])
        field_set(field, app->list_name);
    if (kind == PROMPT_LIST && key->code == K_ENTER && field_fault(field)) {
        app->bell = true; /* what was typed stays, to be mended */
        app_say(app, STYLE_BAD, "ERR the name %s", field_fault(field));
    } else if (key->code == K_ESC || key->code == K_ENTER) {
        app->prompt = PROMPT_NONE;
        snprintf(text, sizeof text, "%s", key->code == K_ENTER ? field->text : "");
        if (kind == PROMPT_LOOKUP && text[0]) {
            const char *fault = field_fault(field);
            if (fault)
                app_say(app, STYLE_BAD, "ERR the code %s", fault);
            else
                look_up(app, text);
        } else if (kind == PROMPT_LIST && text[0]) {
            stock_list(app, text);
        } else if (kind == PROMPT_FILTER && key->code == K_ESC) {
            field_set(field, "");
            views[app->view]->act(app, ACTION_FILTER);
        }
    } else if (form_key(&app->prompt_form, key)) {
        if (kind == PROMPT_FILTER)
            views[app->view]->act(app, ACTION_FILTER);
    } else {
        app_act(app, action_of_key(key->code, app->view));
    }
}

static void help_key(struct app *app, const struct key *key)
{
    enum action action = action_of_key(key->code, app->view);
    int step = list_step(key);
    if (step)
        app->help_top = app->help_top + step < 0 ? 0 : app->help_top + step;
    else if (key->code == K_PAGE_DOWN || key->code == ' ')
        app->help_top += app->canvas.rows - 4;
    else if (key->code == K_PAGE_UP)
        app->help_top -=
            app->help_top < app->canvas.rows - 4 ? app->help_top : app->canvas.rows - 4;
    else if (key->code == K_ESC || action == ACTION_HELP || key->code == K_ENTER)
        app->help = false;
    else if (action == ACTION_QUIT || action == ACTION_REDRAW || action == ACTION_SUSPEND)
        app_act(app, action);
}

static void view_key(struct app *app, const struct key *key)
{
    if (key->code == K_SCAN) {
        look_up(app, key->text);
        return;
    }
    if (key->pasted) /* text, and there is no field: the start of a look-up */
        begin_prompt(app, PROMPT_LOOKUP, "");
    if (key->pasted) {
        (void)form_key(&app->prompt_form, key);
        return;
    }
    if (views[app->view]->key(app, key))
        return;
    enum action action = action_of_key(key->code, app->view);
    if (action != ACTION_NONE) {
        app_act(app, action);
    } else if (key->code >= '0' && key->code <= '9' && app_can(app, ACTION_LOOKUP)) {
        begin_prompt(app, PROMPT_LOOKUP, "");
        (void)form_key(&app->prompt_form, key);
    }
}

static void take_key(struct app *app, const struct key *key)
{
    app->urgent = true;
    if (app->now_us - app->message_at_us >
        (app->message_style == STYLE_BAD ? 3 * MESSAGE_US : MESSAGE_US))
        app->message[0] = '\0';
    if (app->help)
        help_key(app, key);
    else if (app->chooser)
        chooser_key(app, key);
    else if (app->dialog) {
        if (!dialog_key(app, key)) {
            enum action action = action_of_key(key->code, app->view);
            if (action != ACTION_NONE && key->code >= K_SPECIAL)
                app_act(app, action);
        }
    } else if (app->prompt != PROMPT_NONE)
        prompt_key(app, key);
    else
        view_key(app, key);
}

bool app_wants_bytes(const struct app *app)
{
    return app->fifo_count + KEYS_PER_BYTE <= FIFO_KEYS;
}

static bool waits(const struct app *app)
{
    return app->looking || dialog_waits(app);
}

static void remember(struct app *app, const struct key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (waits(app) && (keys[i].code == K_F + 10 || keys[i].code == K_CTRL + 'c')) {
            app->quit = true; /* leaving does not wait for an answer */
            return;
        }
        app->fifo[(app->fifo_first + app->fifo_count) % FIFO_KEYS] = keys[i];
        app->fifo_count++;
    }
}

size_t app_bytes(struct app *app, const unsigned char *bytes, size_t count)
{
    struct key keys[KEYS_PER_BYTE];
    size_t taken = 0;
    int64_t at_us = scan_arrival(&app->scan, bytes, count, app->now_us);
    while (taken < count && app_wants_bytes(app))
        remember(app, keys, key_decode(&app->decoder, bytes[taken++], at_us, keys));
    return taken;
}

/* Keys go through the scanner's rule, one at a time, as each may open or close a field. */
static void drain_keys(struct app *app)
{
    struct key keys[KEYS_PER_BYTE];
    struct key key;
    bool repeated;

    remember(app, keys, key_decode_timeout(&app->decoder, app->now_us, keys));
    while (!waits(app) && !app->quit) {
        /* First what is here already: keys that waited for a look-up were not typed slowly. */
        if (app->fifo_count > 0 &&
            scan_in(&app->scan, &app->fifo[app->fifo_first], in_field(app))) {
            app->fifo_first = (app->fifo_first + 1) % FIFO_KEYS;
            app->fifo_count--;
            continue;
        }
        if (!scan_out(&app->scan, app->now_us, in_field(app), &key, &repeated))
            return;
        if (repeated)
            app_say(app, STYLE_WARN, "dropped: %s was scanned twice within 0.3 s", key.text);
        else
            take_key(app, &key);
    }
}

/* ------------------------------------------------------------- turns */

void app_turn(struct app *app)
{
    app->now_us = clock_monotonic_us();
    app->wall_us = clock_wall_us();
    holdfast_process(app->reads);
    holdfast_process(app->writes);
    drain_keys(app);
    if (app->now_us >= app->next_tick_us) {
        app->next_tick_us = app->now_us + TICK_US;
        data_tick(app);
        post_tick(app);
    }
    counting_tick(app);
    subscriptions_tick(app);
    if (!app->paused || app->dialog || app->looking) {
        views[app->view]->tick(app, app->now_us);
        dialog_tick(app);
    }
    export_tick(app);
    holdfast_process(app->reads);
    holdfast_process(app->writes);
}

int app_wait_ms(const struct app *app)
{
    int64_t wait = app->next_tick_us - app->now_us;
    int64_t keys = key_deadline_us(&app->decoder), scans = scan_deadline_us(&app->scan);
    int reads = holdfast_deadline_ms(app->reads), writes = holdfast_deadline_ms(app->writes);

    if (keys != INT64_MAX && keys - app->now_us < wait)
        wait = keys - app->now_us;
    if (!waits(app) && scans != INT64_MAX)
        wait = scans == INT64_MIN ? 0 : scans - app->now_us < wait ? scans - app->now_us : wait;
    wait = wait < 0 ? 0 : (wait + 999) / 1000;
    wait = reads < wait ? reads : wait;
    int subscriptions = subscriptions_wait_ms(app);
    wait = subscriptions < wait ? subscriptions : wait;
    return (int)(writes < wait ? writes : wait);
}

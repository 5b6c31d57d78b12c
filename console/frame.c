/* SPDX-License-Identifier: MIT
 *
 * What stands around a view: the header, the line of what is shown, messages, the prompt and the
 * bar of keys, for every size from 20x16 up. The header says which system, who, and how fresh.
 */
#include <stdio.h>
#include <string.h>

#include "console/app.h"
#include "console/text.h"
#include "console/trouble.h"

#define MESSAGE_ROWS 4   /* of a narrow screen */
#define FRESH_US 2000000 /* younger is LIVE; older tells its age */

struct words {
    char text[128];
    enum style style;
};

static void age_words(int64_t us, char *text, size_t bytes)
{
    long long s = us / 1000000;
    snprintf(text, bytes, s < 3600 ? "%02lld:%02lld" : "%lld:%02lld:%02lld",
             s < 3600 ? s / 60 : s / 3600, s < 3600 ? s % 60 : s / 60 % 60, s % 60);
}

static struct words freshness(const struct app *app)
{
    struct words w = {.style = STYLE_HEADER};
    char age[32];

    age_words(link_age_us(app), age, sizeof age);
    if (!app->link.answered_at_us)
        snprintf(w.text, sizeof w.text, "CONNECTING");
    else if (app->paused)
        snprintf(w.text, sizeof w.text, "PAUSED");
    else if (!link_reads(app))
        snprintf(w.text, sizeof w.text, "OFFLINE");
    else if (link_age_us(app) < FRESH_US)
        snprintf(w.text, sizeof w.text, "LIVE");
    else
        snprintf(w.text, sizeof w.text, "OLD %s", age);
    if (strcmp(w.text, "LIVE") != 0)
        w.style = STYLE_WARN;
    return w;
}

static struct words cluster_words(const struct app *app)
{
    struct words w = {.style = STYLE_HEADER};
    size_t heard = 0, workers = 0, lost = 0;
    uint32_t served = 0, partitions = 0;

    for (size_t i = 0; i < app->config.broker_count; i++) {
        const Hf__BrokerState *state = broker_watch_state(app->watch, i);
        if (!link_broker_ok(app, i) || !state)
            continue;
        heard++;
        workers = 0;
        for (size_t j = 0; j < state->n_workers; j++) {
            workers += state->workers[j]->silent_ms < 3000;
            lost += state->workers[j]->silent_ms >= 3000;
        }
        served = state->partitions_served;
        partitions = state->partitions;
    }
    if (heard == 0 && !link_broker_missed(app)) {
        snprintf(w.text, sizeof w.text, "broker ...");
        return w;
    }
    if (heard == 0)
        snprintf(w.text, sizeof w.text, "NO BROKER");
    else
        snprintf(w.text, sizeof w.text, "broker %zu/%zu  served %u/%u  workers %zu%s", heard,
                 app->config.broker_count, served, partitions, workers, lost ? " SILENT!" : "");
    if (heard < app->config.broker_count || served < partitions || lost)
        w.style = STYLE_WARN;
    return w;
}

static void draw_header(struct app *app, struct canvas *c)
{
    struct words fresh = freshness(app), cluster = cluster_words(app);
    int at = 1, most = c->columns - 1;

    canvas_fill(c, 0, 0, c->columns, STYLE_HEADER);
    if (c->columns >= 50) {
        at += canvas_format(c, 0, at, most / 3, STYLE_HEADER, "%s %s", app->cluster,
                            app->warehouse[0] ? app->warehouse : "all");
        at += canvas_format(c, 0, at, most - at, STYLE_HEADER, " | %s%s | ",
                            app->actor ? app->actor : "nobody", app->readonly ? " (readonly)" : "");
    } else {
        at += canvas_format(c, 0, at, 9, STYLE_HEADER, "%s",
                            app->warehouse[0] ? app->warehouse : app->cluster);
        at += canvas_text(c, 0, at, 1, STYLE_HEADER, " ");
    }
    at += canvas_text(c, 0, at, c->columns - at, fresh.style, fresh.text);
    if (c->columns - at < 14)
        return;
    at += canvas_text(c, 0, at, 3, STYLE_HEADER, " | ");
    int room = c->columns - at, width = (int)text_width(cluster.text);
    canvas_cell(c, 0, at, width < room ? width : room, cluster.style, cluster.text);
}

/* What is to be seen whatever the view is: at the right end of the title. */
static void warning_words(struct app *app, struct canvas *c, bool room, char *text, size_t bytes)
{
    struct trouble list[TROUBLES_MAX];
    size_t troubles = app->view == VIEW_OPERATIONS ? 0 : trouble_list(app, list);
    size_t waiting = app->fifo_count, unknown = post_unknown(app);

    if (unknown)
        snprintf(text, bytes, " %zu OUTCOME UNKNOWN ", unknown);
    else if (waiting > 1)
        snprintf(text, bytes, " %zu keys wait ", waiting);
    else if (troubles && (!room || c->columns < 50))
        snprintf(text, bytes, " %zu! ", troubles);
    else if (troubles)
        snprintf(text, bytes, " %zu TROUBLE%s: F3 Operations ", troubles, troubles == 1 ? "" : "S");
    else
        text[0] = '\0';
}

/* How much of the system is known: never pushed out by anything. */
static void known_words(const struct app *app, const struct canvas *c, char *text, size_t bytes)
{
    uint32_t known = app->link.partitions - app->link.unknown_partitions;

    text[0] = '\0';
    if (!app->link.unknown_partitions)
        return;
    if (c->columns < 40)
        snprintf(text, bytes, " %u/%u?", known, app->link.partitions);
    else
        snprintf(text, bytes, "  INCOMPLETE: %u/%u%s", known, app->link.partitions,
                 c->columns < 75 ? "" : " partitions known");
}

static void draw_title(struct app *app, struct canvas *c)
{
    char text[512], known[64], right[64];
    enum style style = app->link.unknown_partitions ? STYLE_WARN : STYLE_STRONG;

    view_of(app->view)->title(app, text, sizeof text);
    known_words(app, c, known, sizeof known);
    int width = (int)(text_width(text) + text_width(known));
    warning_words(app, c, width + 30 <= c->columns, right, sizeof right);
    int warns = (int)text_width(right), room = c->columns - warns - (int)text_width(known);
    canvas_fill(c, 1, 0, c->columns, style);
    if (room > 0)
        canvas_cell(c, 1, 0, room, style, text);
    int at = (int)text_width(text) < room ? (int)text_width(text) : room > 0 ? room : 0;
    canvas_text(c, 1, at, c->columns - at, style, known);
    if (warns > 0 && warns < c->columns)
        canvas_right(c, 1, c->columns - warns, warns, STYLE_WARN, right);
}

/* Says what is wrong with the connection, in the place of the title. */
static void draw_banner(struct app *app, struct canvas *c)
{
    char since[32], clock[TEXT_NUMBER], text[256];

    if (!app->link.answered_at_us) {
        if (app->link.failing_since_us) {
            canvas_cell(c, 1, 0, c->columns, STYLE_BAD,
                        "NOBODY ANSWERS yet: no view and no broker. asking again every second");
        }
        return;
    }
    if (!link_reads(app)) {
        age_words(app->now_us - app->link.failing_since_us, since, sizeof since);
        text_clock(app->link.answered_wall_us - app->link.age_us, clock);
        snprintf(text, sizeof text, "OFFLINE %s, data from %s, asking again every second", since,
                 clock);
        canvas_cell(c, 1, 0, c->columns, STYLE_BAD, text);
    } else if (!link_any_broker(app) && app->link.brokers_heard_us[0]) {
        age_words(app->now_us - app->link.brokers_heard_us[0], since, sizeof since);
        text_clock(app->wall_us - link_age_us(app), clock);
        snprintf(text, sizeof text, "OFFLINE %s: no broker, posting is off, data from %s", since,
                 clock);
        canvas_cell(c, 1, 0, c->columns, STYLE_BAD, text);
    }
}

/* On a scanner's screen the reason is worth more than what stands above it. */
static void draw_wrapped(struct canvas *c, int last, enum style style, const char *text)
{
    size_t begins[MESSAGE_ROWS] = {0}, at = 0;
    int rows = 0;

    for (; text[at] && rows < MESSAGE_ROWS && rows < last - 2; rows++) {
        size_t bytes = text_fit_words(text + at, c->columns - 1);
        begins[rows] = at;
        at += bytes ? bytes : strlen(text + at);
        at += text[at] == ' ';
    }
    for (int i = 0; i < rows; i++) {
        size_t end = i + 1 < rows ? begins[i + 1] : strlen(text);
        char line[256];
        snprintf(line, sizeof line, "%.*s", (int)(end - begins[i]), text + begins[i]);
        canvas_cell(c, last - rows + 1 + i, 0, 1, style, "");
        canvas_cell(c, last - rows + 1 + i, 1, c->columns - 1, style, line);
    }
}

static void draw_message(struct app *app, struct canvas *c)
{
    int row = c->rows - 2;
    if (app->prompt != PROMPT_NONE) {
        char what[128] = "code, order or R-: ";
        if (app->prompt == PROMPT_FILTER)
            snprintf(what, sizeof what, "filter: ");
        else if (app->prompt == PROMPT_LIST)
            snprintf(what, sizeof what, "name of the count list (or %s): ", app->list_name);
        if (c->columns < 40)
            snprintf(what, sizeof what, "%s",
                     app->prompt == PROMPT_FILTER ? "/"
                     : app->prompt == PROMPT_LIST ? "list>"
                                                  : ">");
        const struct field *field = &app->prompt_form.fields[0];
        int at = canvas_text(c, row, 1, c->columns - 1, STYLE_STRONG, what) + 1;
        canvas_fill(c, row, at, c->columns - at, STYLE_FOCUS);
        int before;
        const char *text = text_before(field->text, field->caret, c->columns - at - 1, &before);
        canvas_text(c, row, at, c->columns - at, STYLE_FOCUS, text);
        canvas_cursor(c, row, at + before);
        return;
    }
    if (app->message[0] && c->columns < 50)
        draw_wrapped(c, row, app->message_style, app->message);
    else if (app->message[0])
        canvas_cell(c, row, 1, c->columns - 1, app->message_style, app->message);
    else if (c->columns >= 50 && app_can(app, ACTION_LOOKUP))
        canvas_text(c, row, 1, c->columns - 1, STYLE_DIM,
                    c->columns < 75
                        ? "scan or type a code; F9: what can be done"
                        : "scan a barcode or type a code; F9 shows what can be done, F1 explains");
}

/* As many as fit, the more important ones first, in the order of the keys. */
static void draw_bar(struct app *app, struct canvas *c)
{
    static const enum action by_weight[] = {
        ACTION_HELP,   ACTION_POST,    ACTION_MENU,  ACTION_QUIT, ACTION_VIEWS,
        ACTION_ADJUST, ACTION_RECEIVE, ACTION_COUNT, ACTION_MOVE, ACTION_RELEASE};
    bool shown[ACTIONS] = {false};
    int room = c->columns, at = 0;
    char name[16];

    for (size_t i = 0; i < sizeof by_weight / sizeof by_weight[0]; i++) {
        const struct action_row *row = &action_rows[by_weight[i]];
        int width = (int)(strlen(key_label(row->key, name)) + strlen(row->bar)) + 1;
        if (!app_can(app, by_weight[i]) || width > room)
            continue;
        shown[by_weight[i]] = true;
        room -= width;
    }
    for (int i = 0; i < ACTIONS; i++) {
        if (!shown[i])
            continue;
        at += canvas_text(c, c->rows - 1, at, c->columns - at, STYLE_KEY,
                          key_label(action_rows[i].key, name));
        at += canvas_text(c, c->rows - 1, at, c->columns - at, STYLE_NORMAL, action_rows[i].bar);
        at += 1;
    }
    if (app->dialog && c->columns - at >= 10)
        canvas_text(c, c->rows - 1, at, c->columns - at, STYLE_NORMAL, "Esc cancel");
    else if (!app->dialog && c->columns - at >= 15)
        canvas_text(c, c->rows - 1, at, c->columns - at, STYLE_DIM,
                    app_can(app, ACTION_FILTER) ? ":cmd /filter" : ":cmd");
}

void app_draw(struct app *app)
{
    struct canvas *c = &app->canvas;
    struct area area = {.row = 2, .rows = c->rows - 4, .columns = c->columns};

    canvas_clear(c);
    if (app->help) {
        int lines = help_draw(app, c, app->help_top), page = c->rows - 3;
        if (app->help_top > 0 && lines - app->help_top < page) {
            app->help_top = lines > page ? lines - page : 0;
            help_draw(app, c, app->help_top);
        }
        return;
    }
    draw_header(app, c);
    draw_title(app, c);
    draw_banner(app, c);
    if (area.rows > 0)
        view_of(app->view)->draw(app, c, area);
    draw_bar(app, c);
    draw_message(app, c);
    if (app->dialog)
        dialog_draw(app, c);
    if (app->chooser)
        chooser_draw(app, c);
}

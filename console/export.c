/* SPDX-License-Identifier: MIT
 *
 * See export.h. Stock is read page by page, while the console goes on; a page is asked for when the
 * one before was answered. A list that is in memory is written at once.
 */
#include "console/export.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bulk/bulk.h"
#include "common/csv.h"
#include "console/app.h"

#define PAGE 1000
#define TRIES 99
#define GIVE_UP_US 15000000

/* ------------------------------------------------------------- files */

bool export_create(struct export_file *out, const char *what, bool json, char *error,
                   size_t error_bytes)
{
    char when[32], more[8] = "";
    time_t now = time(NULL);
    struct tm tm;
    int fd = -1;

    *out = (struct export_file){.json = json};
    localtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y%m%d-%H%M%S", &tm);
    for (int i = 1; i <= TRIES && fd < 0; i++) {
        if (i > 1)
            snprintf(more, sizeof more, "-%d", i);
        snprintf(out->path, sizeof out->path, "holdfast-%s-%s%s.%s", what, when, more,
                 json ? "jsonl" : "csv");
        fd = open(out->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    out->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out->file) {
        snprintf(error, error_bytes, "not written, %s: %s", strerror(errno), out->path);
        if (fd >= 0)
            close(fd);
    }
    return out->file != NULL;
}

bool export_close(struct export_file *out, bool whole, char *error, size_t error_bytes)
{
    bool failed = out->short_of_memory || ferror(out->file) != 0;

    errno = out->short_of_memory ? ENOMEM : 0;
    failed = fclose(out->file) != 0 || failed;
    out->file = NULL;
    if (failed)
        snprintf(error, error_bytes, "not written, %s: %s",
                 errno ? strerror(errno) : "the file takes no more", out->path);
    if (failed || !whole)
        (void)unlink(out->path);
    return !failed;
}

/* A spreadsheet computes what looks like a formula, whoever wrote it; with a ' before it, it is
 * text. Nothing reads these files back. Numbers with a sign stay numbers. */
static void put_value(FILE *file, const char *value)
{
    size_t sign = value[0] == '+' || value[0] == '-';
    char guarded[1024];

    if (value[0] && strchr("=+-@\t", value[0]) &&
        strspn(value + sign, "0123456789") != strlen(value + sign)) {
        snprintf(guarded, sizeof guarded, "'%s", value);
        value = guarded;
    }
    csv_write_field(file, value, ',');
}

static struct json_object *json_value(const char *value, bool number)
{
    if (!value[0])
        return NULL;
    return number ? json_object_new_int64(strtoll(value, NULL, 10)) : json_object_new_string(value);
}

static void put_row(struct export_file *out, const char *value, va_list args)
{
    struct json_object *object = out->json ? json_object_new_object() : NULL;
    size_t i = 0;

    if (out->json && !object) {
        out->short_of_memory = true;
        return;
    }
    for (const char *at = value; at; at = va_arg(args, const char *), i++) {
        if (object && i < out->columns) {
            json_object_object_add(object, out->names[i], json_value(at, out->numbers[i]));
        } else if (!out->json) {
            if (i > 0)
                fputc(',', out->file);
            put_value(out->file, at);
        }
    }
    if (object)
        fputs(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                         JSON_C_TO_STRING_NOSLASHESCAPE),
              out->file);
    fputc('\n', out->file);
    json_object_put(object);
}

void export_row(struct export_file *out, const char *value, ...)
{
    va_list args;

    va_start(args, value);
    put_row(out, value, args);
    va_end(args);
}

void export_head(struct export_file *out, const char *name, ...)
{
    va_list args;

    va_start(args, name);
    for (const char *at = name; at; at = va_arg(args, const char *)) {
        assert(out->columns < EXPORT_COLUMNS);
        out->numbers[out->columns] = at[0] == '#';
        out->names[out->columns++] = at + (at[0] == '#');
    }
    va_end(args);
    for (size_t i = 0; !out->json && i < out->columns; i++)
        fprintf(out->file, "%s%s", i > 0 ? "," : "", out->names[i]);
    if (!out->json)
        fputc('\n', out->file);
}

/* ------------------------------------------------------------- a table */

static void write_table(struct app *app, const struct view *view, bool json)
{
    struct export_file out;
    char error[256], what[16];
    size_t rows;

    snprintf(what, sizeof what, "%s", view->name);
    what[0] = (char)(what[0] | 0x20);
    if (!export_create(&out, what, json, error, sizeof error)) {
        app_say(app, STYLE_BAD, "ERR %s", error);
        return;
    }
    rows = view->table(app, &out);
    if (!export_close(&out, rows > 0, error, sizeof error))
        app_say(app, STYLE_BAD, "ERR %s", error);
    else if (rows == 0)
        app_say(app, STYLE_WARN, "there is nothing to write");
    else
        app_say(app, STYLE_GOOD, "OK written: %s (%zu rows)", out.path, rows);
}

/* ------------------------------------------------------------- stock, page by page */

struct stock_export {
    struct export_file out;
    struct bulk_writer writer;        /* CSV */
    struct holdfast_view_query query; /* without cursor; its texts are these: */
    char warehouse[CODE_TEXT], text[CODE_TEXT];
    char *cursor;
    size_t levels;
    int64_t heard_us; /* when it got on */
    struct poll poll;
};

static void end(struct app *app, bool whole, const char *why)
{
    struct stock_export *e = app->exporting;
    char error[256];

    app->exporting = NULL;
    poll_forget(app, &e->poll);
    bool good = export_close(&e->out, whole, error, sizeof error);
    app->urgent = true;
    if (why) {
        app->bell = true;
        app_say(app, STYLE_BAD, "ERR nothing was written: %s", why);
    } else if (!good) {
        app->bell = true;
        app_say(app, STYLE_BAD, "ERR %s", error);
    } else {
        app_say(app, STYLE_GOOD, "OK written: %s (%zu levels%s)", e->out.path, e->levels,
                e->out.json ? "" : "; holdfast apply takes it back");
    }
    free(e->cursor);
    free(e);
}

/* Names and figures as `holdfast stock --json` has them. */
static void write_object(struct export_file *out, const struct holdfast_level *level,
                         const char *sku, const char *name)
{
    const uint64_t figures[] = {level->on_hand,     level->reserved,     level->committed,
                                level->unavailable, level->safety_stock, level->shortfall,
                                level->available,   level->version,      level->on_hand_version};
    char text[sizeof figures / sizeof figures[0]][24];

    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        snprintf(text[i], sizeof text[i], "%llu", (unsigned long long)figures[i]);
    export_row(out, sku, name, level->warehouse, text[0], text[1], text[2], text[3], text[4],
               text[5], text[6], text[7], text[8], NULL);
}

static void write_level(struct stock_export *e, const struct holdfast_level *level, const char *sku,
                        const char *name)
{
    struct bulk_line line = {.kind = HOLDFAST_COUNT,
                             .amount = level->on_hand,
                             .has_version = true,
                             .if_version = level->on_hand_version};

    e->levels++;
    if (e->out.json) {
        write_object(&e->out, level, sku, name);
        return;
    }
    snprintf(line.sku, sizeof line.sku, "%s", sku);
    snprintf(line.warehouse, sizeof line.warehouse, "%s", level->warehouse);
    (void)bulk_write_line(&e->writer, &line, false, name);
}

static void take_page(struct app *app, struct holdfast_view_answer **answer)
{
    struct stock_export *e = app->exporting;
    const struct holdfast_view_answer *a = *answer;
    char words[160];

    if (a->status != HOLDFAST_APPLIED) {
        if (a->kind == HOLDFAST_KIND_REFUSED || app->now_us - e->heard_us > GIVE_UP_US)
            end(app, false, a->message[0] ? a->message : "nobody answers");
        return;
    }
    e->heard_us = app->now_us;
    if (a->unknown_partitions > 0) {
        snprintf(words, sizeof words, "%u of %u partitions are not known now",
                 a->unknown_partitions, a->partitions);
        end(app, false, words);
        return;
    }
    for (size_t i = 0; i < a->level_count; i++)
        write_level(e, &a->levels[i].level, a->levels[i].level.sku, a->levels[i].name);
    for (size_t i = 0; i < a->stock_count; i++) {
        const struct holdfast_view_stock *stock = &a->stock[i];
        for (size_t l = 0; l < stock->level_count; l++)
            write_level(e, &stock->levels[l], stock->sku, stock->item ? stock->item->name : "");
    }
    if (e->levels > EXPORT_LEVELS_MAX) {
        snprintf(words, sizeof words,
                 "these are more than %d levels: narrow the list with /, or use holdfast export",
                 EXPORT_LEVELS_MAX);
        end(app, false, words);
        return;
    }
    free(e->cursor);
    e->cursor = a->more && a->cursor ? strdup(a->cursor) : NULL;
    if (a->more && !e->cursor)
        end(app, false, "out of memory");
    else if (!a->more)
        end(app, e->levels > 0, e->levels > 0 ? NULL : "the list is empty");
}

void export_tick(struct app *app)
{
    struct stock_export *e = app->exporting;

    if (!e)
        return;
    e->query.cursor = e->cursor;
    poll_view(app, &e->poll, &e->query, 0, take_page);
}

/* A bulk file is a run of its own: two files are never one. */
static void begin_bulk(struct stock_export *e)
{
    static const enum holdfast_operation_kind kinds[] = {HOLDFAST_COUNT};
    char run[CODE_TEXT], id[37], when[32];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    holdfast_new_operation_id(id);
    snprintf(run, sizeof run, "export-%s-%s", when, id + 28);
    bulk_write_begin(&e->writer, e->out.file, BULK_CSV, run, kinds, 1);
}

static void begin_stock(struct app *app, bool json)
{
    char error[256];
    struct stock_export *e = calloc(1, sizeof *e);

    if (!e || !export_create(&e->out, "stock", json, error, sizeof error)) {
        app_say(app, STYLE_BAD, "ERR %s", e ? error : "out of memory");
        free(e);
        return;
    }
    stock_question(app, &e->query);
    snprintf(e->warehouse, sizeof e->warehouse, "%s", e->query.warehouse ? e->query.warehouse : "");
    snprintf(e->text, sizeof e->text, "%s", e->query.text ? e->query.text : "");
    e->query.warehouse = e->warehouse[0] ? e->warehouse : NULL;
    e->query.text = e->text[0] ? e->text : NULL;
    e->query.limit = PAGE;
    e->heard_us = app->now_us;
    if (json)
        export_head(&e->out, "sku", "name", "warehouse", "#on_hand", "#reserved", "#committed",
                    "#unavailable", "#safety_stock", "#shortfall", "#available", "#version",
                    "#on_hand_version", NULL);
    else
        begin_bulk(e);
    app->exporting = e;
    app_say(app, STYLE_NORMAL, "writing %s ...", e->out.path);
    export_tick(app);
}

/* ------------------------------------------------------------- the keys */

void export_begin(struct app *app, bool json)
{
    const struct view *view = view_of(app->view);

    if (app->exporting)
        app_say(app, STYLE_WARN, "%s is being written still", app->exporting->out.path);
    else if (app->view == VIEW_STOCK)
        begin_stock(app, json);
    else if (view->table)
        write_table(app, view, json);
}

void export_stop(struct app *app)
{
    if (app->exporting)
        end(app, false, "the console ends");
}

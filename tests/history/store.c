/* SPDX-License-Identifier: MIT
 *
 * Takes events in. Everything is copied into one arena, each text once. Nothing is judged here.
 */
#include "tests/history/history_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *history_grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity > 0 ? *capacity * 2 : 64;
    items = realloc(items, *capacity * size);
    if (!items)
        abort();
    return items;
}

struct history *history_new(const struct history_options *options)
{
    struct history *history = calloc(1, sizeof *history);

    if (!history)
        abort();
    arena_init(&history->arena);
    history_set_options(history, options);
    return history;
}

void history_set_options(struct history *history, const struct history_options *options)
{
    history->options = *options;
    if (history->options.partitions == 0)
        history->options.partitions = 1;
}

void history_destroy(struct history **history)
{
    struct history *h = *history;

    if (!h)
        return;
    HASH_CLEAR(hh, h->words);
    HASH_CLEAR(hh, h->calls);
    HASH_CLEAR(hh, h->idents);
    for (uint32_t i = 0; i < h->log_count; i++) {
        free(h->logs[i].rows);
        free(h->logs[i].groups);
        free(h->logs[i].past);
        free(h->logs[i].future);
    }
    free(h->logs);
    free(h->levels);
    free(h->reservations);
    free(h->lines);
    free(h->runs);
    free(h->run_lines);
    arena_release(&h->arena);
    free(h);
    *history = NULL;
}

/* ------------------------------------------------------------- words and ids */

const char *intern(struct history *history, const char *text)
{
    struct word *word;
    size_t length = text ? strlen(text) : 0;

    if (length == 0)
        return "";
    HASH_FIND(hh, history->words, text, length, word);
    if (!word) {
        word = arena_alloc(&history->arena, sizeof *word + length + 1);
        memcpy(word->text, text, length + 1);
        HASH_ADD_KEYPTR(hh, history->words, word->text, length, word);
    }
    return word->text;
}

struct ident *ident_find(const struct history *history, const uint8_t id[UUID_BYTES])
{
    struct ident *ident;

    HASH_FIND(hh, history->idents, id, UUID_BYTES, ident);
    return ident;
}

struct ident *ident_obtain(struct history *history, const uint8_t id[UUID_BYTES])
{
    struct ident *ident = ident_find(history, id);

    if (!ident) {
        ident = arena_zalloc(&history->arena, sizeof *ident);
        memcpy(ident->id, id, UUID_BYTES);
        HASH_ADD(hh, history->idents, id, UUID_BYTES, ident);
    }
    return ident;
}

const char *show_id(const uint8_t id[UUID_BYTES])
{
    static char texts[3][UUID_TEXT_BYTES];
    static unsigned next;

    next = (next + 1) % 3;
    uuid_format(id, texts[next]);
    return texts[next];
}

const char *show_reservation(const uint8_t id[RESERVATION_ID_BYTES])
{
    static char texts[3][RESERVATION_TEXT_BYTES];
    static unsigned next;

    next = (next + 1) % 3;
    reservation_id_format(id, texts[next]);
    return texts[next];
}

void finding(struct history *history, const char *rule, const char *format, ...)
{
    char text[1024];
    va_list args;

    history->findings++;
    if (!history->found || history->findings > HISTORY_FINDINGS_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    history->found(history->found_data, rule, text);
}

/* ------------------------------------------------------------- operations */

static int compare_wants(const void *a, const void *b)
{
    const struct want *x = a, *y = b;
    int order = strcmp(x->sku, y->sku);

    return order != 0 ? order : strcmp(x->warehouse, y->warehouse);
}

static void make_wants(struct history *history, struct operation *to)
{
    const struct holdfast_operation *body = &to->body;

    to->wants = arena_alloc(&history->arena, (body->line_count + 1) * sizeof *to->wants);
    for (size_t i = 0; i < body->line_count; i++)
        to->wants[i] =
            (struct want){body->lines[i].sku, body->lines[i].warehouse, body->lines[i].quantity};
    if (body->line_count == 0)
        return;
    qsort(to->wants, body->line_count, sizeof *to->wants, compare_wants);
    to->want_count = 1;
    for (size_t i = 1; i < body->line_count; i++) {
        struct want *last = &to->wants[to->want_count - 1];
        if (compare_wants(last, &to->wants[i]) == 0)
            last->quantity += to->wants[i].quantity;
        else
            to->wants[to->want_count++] = to->wants[i];
    }
}

/* Which partition it belongs to, by the rules of the protocol. */
static void find_partition(const struct history *history, struct operation *to)
{
    uint32_t partitions = history->options.partitions;

    to->has_partition = true;
    switch (to->body.kind) {
    case HOLDFAST_RESERVE:
    case HOLDFAST_RECEIVE:
    case HOLDFAST_QUARANTINE:
    case HOLDFAST_RESTORE:
        to->has_partition = to->want_count > 0;
        for (size_t i = 0; i < to->want_count; i++) {
            const char *sku = to->wants[i].sku;
            uint32_t partition = partition_of_sku(sku, strlen(sku), partitions);
            to->has_partition = to->has_partition && (i == 0 || partition == to->partition);
            to->partition = partition;
        }
        return;
    case HOLDFAST_EXTEND:
    case HOLDFAST_PURCHASE:
    case HOLDFAST_RELEASE:
    case HOLDFAST_SHIP:
    case HOLDFAST_CANCEL:
    case HOLDFAST_RETURN:
        to->partition = to->has_reservation ? reservation_id_partition(to->reservation_id) : 0;
        to->has_partition = to->has_reservation && to->partition < partitions;
        return;
    case HOLDFAST_ADJUST:
    case HOLDFAST_COUNT:
    case HOLDFAST_TRANSFER:
    case HOLDFAST_SET_SAFETY_STOCK:
    case HOLDFAST_SET_REORDER_POINT:
    case HOLDFAST_PUT_ITEM:
        to->partition = partition_of_sku(to->body.sku, strlen(to->body.sku), partitions);
        return;
    case HOLDFAST_PUT_WAREHOUSE:
    case HOLDFAST_PUT_REASON:
        to->partition = 0;
        return;
    case HOLDFAST_SETTLE:
        to->has_partition = to->body.partition >= 0;
        to->partition = to->has_partition ? (uint32_t)to->body.partition : 0;
        return;
    case HOLDFAST_BEGIN_RUN:
    case HOLDFAST_RECORD_RUN:
        to->partition = partition_of_sku(to->body.run, strlen(to->body.run), partitions);
        return;
    case HOLDFAST_UNDO:
        to->partition = (uint32_t)to->body.partition;
        return;
    }
    to->has_partition = false;
}

/* What only operations on runs have. */
static void copy_run_fields(struct history *history, struct holdfast_operation *body)
{
    struct arena *arena = &history->arena;
    struct holdfast_run_line *results =
        arena_alloc(arena, (body->run_result_count + 1) * sizeof *results);

    if (body->digest)
        body->digest = arena_copy(arena, body->digest, HOLDFAST_DIGEST_BYTES);
    for (size_t i = 0; i < body->run_result_count; i++)
        results[i] = copy_run_line(history, &body->run_results[i]);
    body->run_results = results;
}

static const char *const *copy_codes(struct history *history, const char *const *codes,
                                     size_t count)
{
    const char **copy = arena_alloc(&history->arena, (count + 1) * sizeof *copy);

    for (size_t i = 0; i < count; i++)
        copy[i] = intern(history, codes[i]);
    return copy;
}

static const struct operation *copy_operation(struct history *history,
                                              const struct holdfast_operation *from)
{
    struct operation *to = arena_zalloc(&history->arena, sizeof *to);
    struct holdfast_operation *body = &to->body;

    *body = *from;
    struct holdfast_line *lines =
        arena_alloc(&history->arena, (from->line_count + 1) * sizeof *lines);
    for (size_t i = 0; i < from->line_count; i++)
        lines[i] = (struct holdfast_line){intern(history, from->lines[i].sku),
                                          intern(history, from->lines[i].warehouse),
                                          from->lines[i].quantity};
    body->lines = lines;
    body->warehouses = copy_codes(history, from->warehouses, from->warehouse_count);
    body->barcodes = copy_codes(history, from->barcodes, from->barcode_count);
    const char **const texts[] = {
        &body->operation_id, &body->actor,  &body->note,       &body->trace,
        &body->reservation,  &body->order,  &body->sku,        &body->warehouse,
        &body->to_warehouse, &body->reason, &body->reference,  &body->text,
        &body->settles,      &body->run,    &body->run_undoes, &body->undone};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = intern(history, *texts[i]);
    to->has_reservation =
        reservation_id_parse(body->reservation, strlen(body->reservation), to->reservation_id);
    uuid_parse(body->settles, to->settles);
    uuid_parse(body->undone, to->undone);
    copy_run_fields(history, body);
    make_wants(history, to);
    find_partition(history, to);
    to->history = history;
    return to;
}

bool history_invoke(struct history *history, uint64_t number, int64_t time_us,
                    const struct holdfast_operation *operation)
{
    uint8_t id[UUID_BYTES];
    struct call *call;

    HASH_FIND(hh, history->calls, &number, sizeof number, call);
    if (call || !operation->operation_id || !uuid_parse(operation->operation_id, id))
        return false;
    call = arena_zalloc(&history->arena, sizeof *call);
    call->number = number;
    call->invoke_us = time_us;
    call->answer_us = NEVER_US;
    call->attempt = operation->attempt;
    call->operation = copy_operation(history, operation);
    call->ident = ident_obtain(history, id);
    HASH_ADD(hh, history->calls, number, sizeof call->number, call);
    struct call **at = &call->ident->calls;
    while (*at && (*at)->invoke_us <= time_us)
        at = &(*at)->next;
    call->next = *at;
    *at = call;
    if (operation->kind == HOLDFAST_SETTLE) {
        struct ident *settled = ident_obtain(history, call->operation->settles);
        call->settler = settled->settlers;
        settled->settlers = call;
    }
    return true;
}

/* ------------------------------------------------------------- results */

static const struct holdfast_reservation *copy_reservation(struct history *history,
                                                           const struct holdfast_reservation *from)
{
    struct holdfast_reservation *to = arena_copy(&history->arena, from, sizeof *from);
    struct holdfast_reservation_line *lines =
        arena_alloc(&history->arena, (from->line_count + 1) * sizeof *lines);

    to->reservation = intern(history, from->reservation);
    to->order = intern(history, from->order);
    to->actor = intern(history, from->actor);
    for (size_t i = 0; i < from->line_count; i++) {
        lines[i] = from->lines[i];
        lines[i].sku = intern(history, from->lines[i].sku);
        lines[i].warehouse = intern(history, from->lines[i].warehouse);
    }
    to->lines = lines;
    return to;
}

static const struct holdfast_result *copy_result(struct history *history,
                                                 const struct holdfast_result *from)
{
    struct arena *arena = &history->arena;
    struct holdfast_result *to = arena_copy(arena, from, sizeof *from);

    to->field = intern(history, from->field);
    to->message = intern(history, from->message);
    if (from->reservation)
        to->reservation = copy_reservation(history, from->reservation);
    struct holdfast_level *levels = arena_alloc(arena, (from->level_count + 1) * sizeof *levels);
    for (size_t i = 0; i < from->level_count; i++) {
        levels[i] = from->levels[i];
        levels[i].sku = intern(history, from->levels[i].sku);
        levels[i].warehouse = intern(history, from->levels[i].warehouse);
    }
    to->levels = levels;
    struct holdfast_shortage *shortages =
        arena_alloc(arena, (from->shortage_count + 1) * sizeof *shortages);
    for (size_t i = 0; i < from->shortage_count; i++) {
        shortages[i] = from->shortages[i];
        shortages[i].sku = intern(history, from->shortages[i].sku);
        shortages[i].warehouse = intern(history, from->shortages[i].warehouse);
    }
    to->shortages = shortages;
    to->moved = NULL;
    to->moved_count = 0;
    if (from->run)
        to->run = copy_run(history, from->run);
    if (from->settled)
        to->settled = copy_result(history, from->settled);
    return to;
}

bool history_result(struct history *history, uint64_t number, int64_t time_us,
                    const struct holdfast_result *result)
{
    struct call *call;

    HASH_FIND(hh, history->calls, &number, sizeof number, call);
    if (!call || call->result)
        return false;
    call->answer_us = time_us;
    call->result = copy_result(history, result);
    return true;
}

static bool is_open(const struct ident *ident)
{
    for (const struct call *call = ident->calls; call; call = call->next) {
        if (call->operation->body.kind == HOLDFAST_SETTLE ||
            (call->result && call->result->kind != HOLDFAST_KIND_UNKNOWN))
            return false;
    }
    for (const struct call *call = ident->settlers; call; call = call->settler) {
        if (call->result && call->result->kind == HOLDFAST_KIND_APPLIED)
            return false;
    }
    return ident->calls != NULL;
}

void history_each_open(const struct history *history,
                       void (*each)(void *data, const struct holdfast_operation *operation),
                       void *data)
{
    for (const struct ident *ident = history->idents; ident; ident = ident->hh.next) {
        const struct call *last = ident->calls;
        if (!is_open(ident))
            continue;
        while (last->next)
            last = last->next;
        each(data, &last->operation->body);
    }
}

/* ------------------------------------------------------------- rows */

struct log *history_log(struct history *history, uint32_t partition)
{
    if (partition >= history->log_count) {
        uint32_t count = partition + 1;
        history->logs = realloc(history->logs, count * sizeof *history->logs);
        if (!history->logs)
            abort();
        memset(history->logs + history->log_count, 0,
               (count - history->log_count) * sizeof *history->logs);
        history->log_count = count;
    }
    return &history->logs[partition];
}

void history_movement(struct history *history, const struct history_movement *movement)
{
    struct log *log = history_log(history, movement->partition);

    log->rows = history_grow(log->rows, log->row_count, &log->row_capacity, sizeof *log->rows);
    struct history_movement *row = &log->rows[log->row_count++];
    *row = *movement;
    row->sku = intern(history, movement->sku);
    row->warehouse = intern(history, movement->warehouse);
    if (movement->run)
        row->run = copy_run(history, movement->run);
}

void history_level(struct history *history, const struct history_level *level)
{
    history->levels = history_grow(history->levels, history->level_count, &history->level_capacity,
                                   sizeof *history->levels);
    struct history_level *to = &history->levels[history->level_count++];
    *to = *level;
    to->sku = intern(history, level->sku);
    to->warehouse = intern(history, level->warehouse);
}

void history_reservation(struct history *history, const struct history_reservation *reservation)
{
    history->reservations =
        history_grow(history->reservations, history->reservation_count,
                     &history->reservation_capacity, sizeof *history->reservations);
    history->reservations[history->reservation_count++] = *reservation;
}

void history_reservation_line(struct history *history, const struct history_reservation_line *line)
{
    history->lines = history_grow(history->lines, history->line_count, &history->line_capacity,
                                  sizeof *history->lines);
    struct history_reservation_line *to = &history->lines[history->line_count++];
    *to = *line;
    to->sku = intern(history, line->sku);
    to->warehouse = intern(history, line->warehouse);
}

void history_final(struct history *history)
{
    history->final = true;
}

size_t history_judge(struct history *history, history_finding_fn *found, void *data)
{
    history->found = found;
    history->found_data = data;
    ledger_order(history);
    replay_all(history);
    calls_judge(history);
    runs_judge(history);
    return history->findings;
}

const struct history_figures *history_figures(const struct history *history)
{
    return &history->figures;
}

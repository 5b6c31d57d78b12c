/* SPDX-License-Identifier: MIT
 *
 * The text form, as format.md describes it: a line per event, a word and fields with tabs between
 * them; a bare word in a line opens a part of what came before, and the fields after it are the
 * part's.
 */
#include "tests/history/fields.h"
#include "tests/history/history_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------- writing */

static void add_operation(struct line_text *line, const struct holdfast_operation *operation)
{
    line_fields(line, fields_operation, operation);
    if (operation->kind == HOLDFAST_SETTLE || operation->kind == HOLDFAST_UNDO)
        line_number(line, "partition", operation->partition);
    if (operation->digest)
        line_hex(line, "digest", operation->digest, HOLDFAST_DIGEST_BYTES);
    for (size_t i = 0; i < operation->line_count; i++) {
        line_add(line, "\tline");
        line_fields(line, fields_line, &operation->lines[i]);
    }
    for (size_t i = 0; i < operation->warehouse_count; i++) {
        line_add(line, "\tchoice\twarehouse=");
        line_add(line, operation->warehouses[i]);
    }
    for (size_t i = 0; i < operation->barcode_count; i++) {
        line_add(line, "\tbarcode\tcode=");
        line_add(line, operation->barcodes[i]);
    }
    for (size_t i = 0; i < operation->run_result_count; i++) {
        line_add(line, "\trecorded");
        line_fields(line, fields_run_line, &operation->run_results[i]);
    }
}

static void add_result(struct line_text *line, const struct holdfast_result *result)
{
    line_fields(line, fields_result, result);
    if (result->reservation) {
        line_add(line, "\treservation");
        line_fields(line, fields_reservation, result->reservation);
        for (size_t i = 0; i < result->reservation->line_count; i++) {
            line_add(line, "\theld");
            line_fields(line, fields_held, &result->reservation->lines[i]);
        }
    }
    for (size_t i = 0; i < result->level_count; i++) {
        line_add(line, "\tlevel");
        line_fields(line, fields_level, &result->levels[i]);
    }
    for (size_t i = 0; i < result->shortage_count; i++) {
        line_add(line, "\tshortage");
        line_fields(line, fields_shortage, &result->shortages[i]);
    }
    if (result->run) {
        line_add(line, "\trun");
        line_fields(line, fields_run, result->run);
    }
    if (result->settled) {
        line_add(line, "\tsettled");
        add_result(line, result->settled);
    }
}

static bool write_out(int fd, struct line_text *line)
{
    size_t done = 0;

    line_add(line, "\n");
    while (done < line->length) {
        ssize_t wrote = write(fd, line->bytes + done, line->length - done);
        if (wrote < 0 && errno != EINTR)
            break;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    bool all = done == line->length;
    free(line->bytes);
    return all;
}

static void begin(struct line_text *line, const char *event, uint64_t call, int64_t time_us)
{
    line_add(line, event);
    line_number(line, "time", time_us);
    line_number(line, "call", (long long)call);
}

bool history_write_invoke(int fd, uint64_t call, int64_t time_us,
                          const struct holdfast_operation *operation)
{
    struct line_text line = {0};

    begin(&line, "invoke", call, time_us);
    add_operation(&line, operation);
    return write_out(fd, &line);
}

bool history_write_result(int fd, uint64_t call, int64_t time_us,
                          const struct holdfast_result *result)
{
    struct line_text line = {0};

    begin(&line, "result", call, time_us);
    add_result(&line, result);
    return write_out(fd, &line);
}

static const char *operation_text(struct history *history, const struct operation *operation)
{
    struct holdfast_operation body = operation->body;
    struct holdfast_line *lines =
        arena_alloc(&history->arena, (operation->want_count + 1) * sizeof *lines);
    char reservation[RESERVATION_TEXT_BYTES];
    struct line_text line = {0};

    for (size_t i = 0; i < operation->want_count; i++)
        lines[i] = (struct holdfast_line){operation->wants[i].sku, operation->wants[i].warehouse,
                                          (uint32_t)operation->wants[i].quantity};
    body.lines = lines;
    body.line_count = operation->want_count;
    body.operation_id = NULL;
    body.attempt = 0;
    if (operation->has_reservation) {
        reservation_id_format(operation->reservation_id, reservation);
        body.reservation = reservation;
    }
    line_add(&line, "");
    add_operation(&line, &body);
    const char *same = intern(history, line.bytes);
    free(line.bytes);
    return same;
}

const char *operation_body(const struct operation *operation)
{
    struct operation *mine = (struct operation *)(uintptr_t)operation;

    if (!mine->text)
        mine->text = operation_text(mine->history, mine);
    return mine->text;
}

/* ------------------------------------------------------------- reading */

#define PARTS_MAX 4096u /* in one line */
#define PARTITION_MAX 65535u

struct reader {
    struct history *history;
    char *rest; /* of the line */
    /* What the line is about; parts are collected beside it. */
    int64_t time_us;
    uint64_t call;
    bool has_call, has_time;
    struct holdfast_operation operation;
    struct holdfast_line lines[PARTS_MAX];
    const char *warehouses[PARTS_MAX];
    const char *barcodes[PARTS_MAX];
    struct holdfast_run_line recorded[PARTS_MAX];
    uint8_t digest[HOLDFAST_DIGEST_BYTES];
    struct answer {
        struct holdfast_result result;
        struct holdfast_reservation reservation;
        struct holdfast_reservation_line held[PARTS_MAX];
        struct holdfast_level levels[PARTS_MAX];
        struct holdfast_shortage shortages[PARTS_MAX];
        struct holdfast_run run;
    } answers[2]; /* and what it settled */
    const char *trouble;
    char trouble_field[160];
};

/* The next word of the line: name, and value, NULL when it is bare. False at the end. */
static bool next_word(struct reader *reader, char **name, char **value)
{
    char *word = strsep(&reader->rest, "\t");

    if (!word)
        return false;
    *name = word;
    *value = strchr(word, '=');
    if (*value)
        *(*value)++ = '\0';
    return true;
}

static bool trouble(struct reader *reader, const char *what, const char *field)
{
    reader->trouble = what;
    snprintf(reader->trouble_field, sizeof reader->trouble_field, "%s", field);
    return false;
}

static bool read_call(struct reader *reader, const char *name, const char *value)
{
    char *end;

    if (strcmp(name, "time") == 0) {
        reader->time_us = strtoll(value, &end, 10);
        reader->has_time = true;
    } else if (strcmp(name, "call") == 0) {
        reader->call = strtoull(value, &end, 10);
        reader->has_call = true;
    } else {
        return false;
    }
    return *end == '\0' && end != value;
}

/* Fields of an operation that are no plain members of it. */
static bool read_special(struct reader *reader, const char *name, const char *value)
{
    if (strcmp(name, "partition") == 0) {
        reader->operation.partition = (int32_t)strtol(value, NULL, 10);
        return true;
    }
    reader->operation.digest = reader->digest;
    return strcmp(name, "digest") == 0 &&
           field_read_hex(value, reader->digest, sizeof reader->digest);
}

static bool open_invoke_part(struct reader *reader, const char *part)
{
    struct holdfast_operation *operation = &reader->operation;

    if (operation->line_count == PARTS_MAX || operation->warehouse_count == PARTS_MAX ||
        operation->barcode_count == PARTS_MAX || operation->run_result_count == PARTS_MAX)
        return false;
    if (strcmp(part, "line") == 0)
        memset(&reader->lines[operation->line_count++], 0, sizeof reader->lines[0]);
    else if (strcmp(part, "recorded") == 0)
        memset(&reader->recorded[operation->run_result_count++], 0, sizeof reader->recorded[0]);
    else
        return strcmp(part, "choice") == 0 || strcmp(part, "barcode") == 0;
    return true;
}

static bool read_invoke(struct reader *reader)
{
    struct holdfast_operation *operation = &reader->operation;
    char *name, *value;
    const char *part = "";

    memset(operation, 0, sizeof *operation);
    while (next_word(reader, &name, &value)) {
        bool good;
        if (!value) {
            part = name;
            good = open_invoke_part(reader, part);
        } else if (part[0] == '\0') {
            good = read_call(reader, name, value) ||
                   (strcmp(name, "partition") == 0 || strcmp(name, "digest") == 0
                        ? read_special(reader, name, value)
                        : field_read(fields_operation, name, value, operation));
        } else if (strcmp(part, "recorded") == 0) {
            good = field_read(fields_run_line, name, value,
                              &reader->recorded[operation->run_result_count - 1]);
        } else if (strcmp(part, "line") == 0) {
            good = field_read(fields_line, name, value, &reader->lines[operation->line_count - 1]);
        } else if (strcmp(part, "choice") == 0) {
            reader->warehouses[operation->warehouse_count++] = value;
            good = true;
        } else {
            reader->barcodes[operation->barcode_count++] = value;
            good = true;
        }
        if (!good)
            return trouble(reader, "not a field, or not a value of it", name);
    }
    operation->lines = reader->lines;
    operation->warehouses = reader->warehouses;
    operation->barcodes = reader->barcodes;
    operation->run_results = reader->recorded;
    if (!reader->has_call || !reader->has_time || !operation->operation_id)
        return trouble(reader, "lacks a field", "time, call or id");
    return history_invoke(reader->history, reader->call, reader->time_us, operation) ||
           trouble(reader, "not an id, or a call that was invoked before", "call");
}

static bool open_answer_part(struct answer *answer, const char *part)
{
    struct holdfast_result *result = &answer->result;

    if (result->level_count == PARTS_MAX || result->shortage_count == PARTS_MAX ||
        answer->reservation.line_count == PARTS_MAX)
        return false;
    if (strcmp(part, "reservation") == 0)
        result->reservation = &answer->reservation;
    else if (strcmp(part, "run") == 0)
        result->run = &answer->run;
    else if (strcmp(part, "held") == 0)
        memset(&answer->held[answer->reservation.line_count++], 0, sizeof answer->held[0]);
    else if (strcmp(part, "level") == 0)
        memset(&answer->levels[result->level_count++], 0, sizeof answer->levels[0]);
    else if (strcmp(part, "shortage") == 0)
        memset(&answer->shortages[result->shortage_count++], 0, sizeof answer->shortages[0]);
    else
        return false;
    return true;
}

static bool read_answer_field(struct answer *answer, const char *part, const char *name,
                              const char *value)
{
    struct holdfast_result *result = &answer->result;

    if (strcmp(part, "reservation") == 0)
        return field_read(fields_reservation, name, value, &answer->reservation);
    if (strcmp(part, "run") == 0)
        return field_read(fields_run, name, value, &answer->run);
    if (strcmp(part, "held") == 0)
        return field_read(fields_held, name, value,
                          &answer->held[answer->reservation.line_count - 1]);
    if (strcmp(part, "level") == 0)
        return field_read(fields_level, name, value, &answer->levels[result->level_count - 1]);
    if (strcmp(part, "shortage") == 0)
        return field_read(fields_shortage, name, value,
                          &answer->shortages[result->shortage_count - 1]);
    return field_read(fields_result, name, value, result);
}

static void begin_answer(struct answer *answer)
{
    memset(&answer->result, 0, sizeof answer->result);
    memset(&answer->reservation, 0, sizeof answer->reservation);
    memset(&answer->run, 0, sizeof answer->run);
    answer->result.field = answer->result.message = "";
    answer->result.levels = answer->levels;
    answer->result.shortages = answer->shortages;
    answer->reservation.reservation = answer->reservation.order = answer->reservation.actor = "";
    answer->reservation.lines = answer->held;
}

static bool read_result(struct reader *reader)
{
    struct answer *answer = &reader->answers[0];
    char *name, *value;
    const char *part = "";

    begin_answer(answer);
    while (next_word(reader, &name, &value)) {
        bool good;
        if (!value && strcmp(name, "settled") == 0 && answer == &reader->answers[0]) {
            answer->result.settled = &reader->answers[1].result;
            answer = &reader->answers[1];
            begin_answer(answer);
            part = "";
            good = true;
        } else if (!value) {
            part = name;
            good = open_answer_part(answer, part);
        } else {
            good = (part[0] == '\0' && read_call(reader, name, value)) ||
                   read_answer_field(answer, part, name, value);
        }
        if (!good)
            return trouble(reader, "not a field, or not a value of it", name);
    }
    for (int i = 0; i < 2; i++)
        reader->answers[i].result.kind = holdfast_status_kind(reader->answers[i].result.status);
    if (!reader->has_call || !reader->has_time)
        return trouble(reader, "lacks a field", "time or call");
    return history_result(reader->history, reader->call, reader->time_us,
                          &reader->answers[0].result) ||
           trouble(reader, "the call was not invoked, or answered before", "call");
}

/* An object without parts. */
static bool read_flat(struct reader *reader, const struct field *table, void *object,
                      size_t object_bytes)
{
    char *name, *value;

    (void)object_bytes;
    while (next_word(reader, &name, &value)) {
        if (!value || !field_read(table, name, value, object))
            return trouble(reader, "not a field, or not a value of it", name);
    }
    return true;
}

static bool check_partition(struct reader *reader, uint32_t partition)
{
    return partition <= PARTITION_MAX || trouble(reader, "too large", "partition");
}

/* NULL: not hexadecimal digits. Free it. */
static uint8_t *unhex(const char *value, size_t *bytes)
{
    uint8_t *to = malloc(strlen(value) / 2 + 1);

    *bytes = strlen(value) / 2;
    if (to && field_read_hex(value, to, *bytes))
        return to;
    free(to);
    return NULL;
}

static bool read_packed_run(struct reader *reader, const char *value, struct holdfast_run *run)
{
    size_t bytes;
    uint8_t *packed = unhex(value, &bytes);
    bool good = packed && history_unpack_run(reader->history, packed, bytes, run);

    free(packed);
    return good;
}

static bool read_packed_lines(struct reader *reader, uint32_t partition, const char *run,
                              const char *value)
{
    size_t bytes;
    uint8_t *packed = unhex(value, &bytes);
    bool good = packed && history_unpack_lines(reader->history, partition, run, packed, bytes);

    free(packed);
    return good;
}

static bool read_movement(struct reader *reader)
{
    static const uint8_t none[RESERVATION_ID_BYTES];
    struct history_movement movement = {.sku = "", .warehouse = ""};
    struct holdfast_run run = {0};
    char *name, *value;

    while (next_word(reader, &name, &value)) {
        bool good;
        if (!value) {
            good = strcmp(name, "run") == 0 && !movement.run;
            movement.run = &run;
        } else if (strcmp(name, "detail") == 0) {
            good = read_packed_run(reader, value, &run);
            movement.run = &run;
        } else {
            good = movement.run ? field_read(fields_run, name, value, &run)
                                : field_read(fields_movement, name, value, &movement);
        }
        if (!good)
            return trouble(reader, "not a field, or not a value of it", name);
    }
    if (!check_partition(reader, movement.partition))
        return false;
    movement.has_reservation = memcmp(movement.reservation_id, none, sizeof none) != 0;
    history_movement(reader->history, &movement);
    return true;
}

/* A run at the end, or a part of what is recorded of one. */
static bool read_end_run(struct reader *reader, const char *event)
{
    struct holdfast_run run = {0};
    struct holdfast_run_line line = {0};
    uint32_t partition = 0;
    const char *of = "", *detail = NULL;
    char *name, *value;

    while (next_word(reader, &name, &value)) {
        bool in = value && strcmp(name, "in") == 0, good = true;
        if (in)
            partition = (uint32_t)strtoul(value, NULL, 10);
        else if (value && strcmp(event, "run") == 0)
            good = field_read(fields_run, name, value, &run);
        else if (value && strcmp(name, "run") == 0)
            of = value;
        else if (value && strcmp(event, "run_block") == 0 && strcmp(name, "detail") == 0)
            detail = value;
        else
            good = value && strcmp(event, "run_line") == 0 &&
                   field_read(fields_run_line, name, value, &line);
        if (!good)
            return trouble(reader, "not a field, or not a value of it", name);
    }
    if (!check_partition(reader, partition))
        return false;
    if (strcmp(event, "run") == 0)
        history_run(reader->history, partition, &run);
    else if (strcmp(event, "run_line") == 0)
        history_run_line(reader->history, partition, of, &line);
    else
        return read_packed_lines(reader, partition, of, detail ? detail : "") ||
               trouble(reader, "not a packed RecordRun", "detail");
    return true;
}

static bool read_rest(struct reader *reader, const char *event)
{
    struct history *history = reader->history;
    struct history_level level = {.sku = "", .warehouse = ""};
    struct history_reservation reservation = {0};
    struct history_reservation_line line = {.sku = "", .warehouse = ""};
    struct history_options options = history->options;

    if (strcmp(event, "level") == 0) {
        if (!read_flat(reader, fields_end_level, &level, sizeof level))
            return false;
        history_level(history, &level);
    } else if (strcmp(event, "reservation") == 0) {
        if (!read_flat(reader, fields_end_reservation, &reservation, sizeof reservation))
            return false;
        history_reservation(history, &reservation);
    } else if (strcmp(event, "held") == 0) {
        if (!read_flat(reader, fields_end_line, &line, sizeof line))
            return false;
        history_reservation_line(history, &line);
    } else if (strcmp(event, "run") == 0 || strcmp(event, "run_line") == 0 ||
               strcmp(event, "run_block") == 0) {
        return read_end_run(reader, event);
    } else if (strcmp(event, "final") == 0) {
        history_final(history);
    } else if (strcmp(event, "history") == 0) {
        if (!read_flat(reader, fields_options, &options, sizeof options))
            return false;
        history_set_options(history, &options);
    } else {
        return trouble(reader, "not an event", event);
    }
    return true;
}

static bool read_line(struct reader *reader, char *text)
{
    reader->rest = text;
    reader->has_call = reader->has_time = false;
    const char *event = strsep(&reader->rest, "\t");

    if (event[0] == '\0' || event[0] == '#')
        return true;
    if (strcmp(event, "invoke") == 0)
        return read_invoke(reader);
    if (strcmp(event, "result") == 0)
        return read_result(reader);
    if (strcmp(event, "movement") == 0)
        return read_movement(reader);
    return read_rest(reader, event);
}

bool history_read(struct history *history, FILE *file, const char *name, bool *cut, char *error,
                  size_t error_bytes)
{
    struct reader *reader = calloc(1, sizeof *reader);
    char *text = NULL;
    size_t capacity = 0, number = 0;
    ssize_t length;
    bool good = true;

    if (!reader)
        abort();
    reader->history = history;
    if (cut)
        *cut = false;
    while (good && (length = getline(&text, &capacity, file)) > 0) {
        number++;
        if (text[length - 1] != '\n') {
            if (cut)
                *cut = true;
            break;
        }
        text[length - 1] = '\0';
        good = read_line(reader, text);
        if (!good)
            snprintf(error, error_bytes, "%s:%zu: %s: %s", name, number, reader->trouble_field,
                     reader->trouble);
    }
    if (good && ferror(file)) {
        snprintf(error, error_bytes, "%s: %s", name, strerror(errno));
        good = false;
    }
    free(text);
    free(reader);
    return good;
}

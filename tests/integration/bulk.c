/* SPDX-License-Identifier: MIT
 *
 * Shows the tests what a bulk file says.
 *
 * usage: bulk lines yaml|csv FILE [RUN]   as Holdfast reads it: {"faults": [...], "run", "lines":
 * [...]} bulk json FILE                   as any YAML reader does, for the JSON Schema
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "bulk/bulk.h"

/* ------------------------------------------------------------- as Holdfast reads it */

static void add(struct json_object *to, const char *key, const char *text)
{
    if (text && text[0] != '\0')
        json_object_object_add(to, key, json_object_new_string(text));
}

static void add_number(struct json_object *to, const char *key, int64_t number)
{
    json_object_object_add(to, key, json_object_new_int64(number));
}

static void keep_fault(void *data, const struct bulk_fault *fault)
{
    struct json_object *object = json_object_new_object();

    add_number(object, "line", (int64_t)fault->place.line);
    add_number(object, "column", (int64_t)fault->place.column);
    add(object, "message", fault->message);
    json_object_array_add(data, object);
}

static struct json_object *line_json(const char *run, const struct bulk_line *line)
{
    struct json_object *object = json_object_new_object();
    struct bulk_operation to;

    bulk_operation(run, line, &to);
    add_number(object, "index", (int64_t)line->index);
    add_number(object, "line", (int64_t)line->place.line);
    add(object, "op", bulk_op_name(line->kind));
    add(object, "id", to.id);
    add(object, "sku", line->sku);
    add(object, "warehouse", line->warehouse);
    add(object, "to_warehouse", line->to_warehouse);
    add(object, "reservation", line->reservation);
    add(object, "reason", line->reason);
    add(object, "reference", line->reference);
    add(object, "note", line->note);
    add(object, "name", line->name);
    add_number(object, "amount", line->amount);
    if (line->has_version)
        add_number(object, "if_version", (int64_t)line->if_version);
    return object;
}

static int show_lines(const char *format, const char *path, const char *run)
{
    struct json_object *object = json_object_new_object(), *faults = json_object_new_array(),
                       *lines = json_object_new_array();
    struct bulk_options options = {.format = strcmp(format, "csv") == 0 ? BULK_CSV : BULK_YAML,
                                   .run = run,
                                   .fault = keep_fault,
                                   .data = faults};
    struct bulk_head head;
    struct bulk_line line;
    FILE *file = fopen(path, "re");

    if (!file)
        return 71;
    bool good = bulk_check(file, &options, &head);
    if (good) {
        struct bulk_reader *reader = bulk_open(file, &options, &head);
        char digest[2 * BULK_DIGEST_BYTES + 1];
        for (size_t i = 0; i < BULK_DIGEST_BYTES; i++)
            snprintf(digest + 2 * i, 3, "%02x", head.digest[i]);
        add(object, "run", head.run);
        add(object, "digest", digest);
        add_number(object, "open", (int64_t)head.open);
        while (bulk_next(reader, &line) == BULK_LINE)
            json_object_array_add(lines, line_json(head.run, &line));
        bulk_close(&reader);
    }
    fclose(file);
    json_object_object_add(object, "faults", faults);
    json_object_object_add(object, "lines", lines);
    puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
    json_object_put(object);
    return good ? 0 : 65;
}

/* ------------------------------------------------------------- as any YAML reader does */

static struct json_object *scalar_json(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    char *end;

    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return json_object_new_string(text);
    if (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0)
        return NULL;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return json_object_new_boolean(text[0] == 't');
    if (text[strspn(text, "+-0123456789")] == '\0') {
        int64_t number = strtoll(text, &end, 10);
        if (*end == '\0')
            return json_object_new_int64(number);
    }
    if (text[strspn(text, "+-0123456789.eE")] == '\0') {
        double number = strtod(text, &end);
        if (*end == '\0')
            return json_object_new_double(number);
    }
    return json_object_new_string(text);
}

struct reading {
    yaml_parser_t parser;
    yaml_event_t event;
    bool bad; /* it was told why, and there are no more events */
};

/* The event before is over with this. */
static void next_event(struct reading *r)
{
    if (r->bad)
        return;
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        fprintf(stderr, "bulk: line %zu: %s\n", r->parser.problem_mark.line + 1, r->parser.problem);
        r->bad = true;
    }
}

static bool is_within(struct reading *r, yaml_event_type_t end)
{
    return !r->bad && r->event.type != end;
}

static struct json_object *value_json(struct reading *r)
{
    struct json_object *object;
    char key[256];

    if (r->event.type == YAML_SCALAR_EVENT)
        return scalar_json(&r->event);
    if (r->event.type == YAML_SEQUENCE_START_EVENT) {
        object = json_object_new_array();
        for (next_event(r); is_within(r, YAML_SEQUENCE_END_EVENT); next_event(r))
            json_object_array_add(object, value_json(r));
        return object;
    }
    object = json_object_new_object();
    for (next_event(r); is_within(r, YAML_MAPPING_END_EVENT); next_event(r)) {
        snprintf(key, sizeof key, "%s", (const char *)r->event.data.scalar.value);
        next_event(r);
        if (!r->bad)
            json_object_object_add(object, key, value_json(r));
    }
    return object;
}

static int show_json(const char *path)
{
    struct reading r = {.bad = false};
    FILE *file = fopen(path, "re");

    if (!file || !yaml_parser_initialize(&r.parser))
        return 71;
    yaml_parser_set_input_file(&r.parser, file);
    do
        next_event(&r);
    while (is_within(&r, YAML_DOCUMENT_START_EVENT));
    next_event(&r);
    struct json_object *all = r.bad ? NULL : value_json(&r);
    if (!r.bad)
        puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN));
    json_object_put(all);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    fclose(file);
    return r.bad ? 65 : 0;
}

int main(int argc, char **argv)
{
    if (argc >= 4 && strcmp(argv[1], "lines") == 0)
        return show_lines(argv[2], argv[3], argc > 4 ? argv[4] : NULL);
    if (argc == 3 && strcmp(argv[1], "json") == 0)
        return show_json(argv[2]);
    fputs("usage: bulk lines yaml|csv FILE [RUN] | bulk json FILE\n", stderr);
    return 64;
}

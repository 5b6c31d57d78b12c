/* SPDX-License-Identifier: MIT
 *
 * The YAML front, on libyaml's event parser. Streams: it holds one line of the file, whatever the
 * file holds. Everything that makes YAML say something else than what one reads is refused:
 * anchors, aliases, tags, directives, doubled keys, more than one document.
 *
 * libyaml keeps a whole scalar, and what it has not made an event of yet, in memory. So it is not
 * given more than FEED_BYTES_MAX bytes for one event, and no more than DEPTH_MAX open lists.
 */
#include "bulk/read.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/words.h"

#define FEED_BYTES_MAX (256u * 1024) /* a line takes some 3 KiB at most; the rest are comments */
#define DEPTH_MAX 32
#define LINE_KEYS (KEY_BIT(KEY_COUNT) - 1)

struct yaml_front {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    size_t fed;         /* bytes since the event before */
    bool too_much;      /* that is why the parser got no more */
    bool in_lines;
    bool in_braces; /* the line's keys are {key: value, …} */
};

static struct bulk_place at(yaml_mark_t mark)
{
    return (struct bulk_place){mark.line + 1, mark.column + 1};
}

static struct bulk_place here(const struct yaml_front *front)
{
    return at(front->event.start_mark);
}

/* ------------------------------------------------------------- events */

static int feed(void *data, unsigned char *buffer, size_t size, size_t *bytes)
{
    struct bulk_reader *reader = data;
    struct yaml_front *front = reader->yaml;

    *bytes = 0;
    front->too_much = front->fed > FEED_BYTES_MAX;
    if (front->too_much)
        return 0;
    *bytes = fread(buffer, 1, size, reader->file);
    front->fed += *bytes;
    return !ferror(reader->file);
}

/* libyaml names the byte that is no character, and not its place. */
static struct bulk_place place_of_byte(struct bulk_reader *reader, size_t offset)
{
    struct bulk_place place = {1, 1};
    FILE *file = reader->file;
    int c, before = '\0';

    fseek(file, reader->start, SEEK_SET);
    for (size_t i = 0; i < offset && (c = getc_unlocked(file)) != EOF; before = c, i++) {
        if (c == '\n' && before == '\r')
            continue;
        if (c == '\n' || c == '\r') {
            place.line++;
            place.column = 1;
        } else if (c < 0x80 || c >= 0xc0) {
            place.column++;
        }
    }
    return place;
}

static void tell_bad_byte(struct bulk_reader *reader)
{
    const yaml_parser_t *parser = &reader->yaml->parser;
    struct bulk_place place = place_of_byte(reader, parser->problem_offset);

    if (strstr(parser->problem, "control"))
        reader_fault(reader, place, "the control character U+%04X: what follows was not read",
                     (unsigned)parser->problem_value);
    else
        reader_fault(reader, place,
                     "not UTF-8 (%s): save it as UTF-8, or convert it with iconv(1); what follows "
                     "was not read",
                     parser->problem);
}

static void tell_bad_yaml(struct bulk_reader *reader)
{
    const yaml_parser_t *parser = &reader->yaml->parser;
    bool at_tab = parser->problem_mark.index == parser->mark.index &&
                  parser->buffer.pointer < parser->buffer.last && *parser->buffer.pointer == '\t';

    if (at_tab)
        reader_fault(reader, at(parser->problem_mark),
                     "a tab where YAML wants blanks: what follows was not read");
    else
        reader_fault(reader, at(parser->problem_mark),
                     "not YAML: %s%s%s: what follows was not read",
                     parser->problem ? parser->problem : "bad text", parser->context ? " " : "",
                     parser->context ? parser->context : "");
}

static void tell_problem(struct bulk_reader *reader)
{
    const struct yaml_front *front = reader->yaml;
    const yaml_parser_t *parser = &front->parser;

    if (parser->error == YAML_MEMORY_ERROR)
        reader_fault(reader, at(parser->mark), "out of memory");
    else if (front->too_much)
        reader_fault(reader, at(parser->mark),
                     "more than %u bytes without a value: what follows was not read",
                     FEED_BYTES_MAX);
    else if (ferror(reader->file))
        reader_fault(reader, at(parser->mark), "it could not be read any further");
    else if (parser->error == YAML_READER_ERROR)
        tell_bad_byte(reader);
    else
        tell_bad_yaml(reader);
    reader_stop(reader);
}

/* The next event into front->event. Once reading has stopped, everything is the end. */
static yaml_event_type_t advance(struct bulk_reader *reader)
{
    struct yaml_front *front = reader->yaml;

    if (reader->stopped)
        return YAML_STREAM_END_EVENT;
    yaml_event_delete(&front->event);
    front->fed = 0;
    if (!yaml_parser_parse(&front->parser, &front->event)) {
        tell_problem(reader);
        memset(&front->event, 0, sizeof front->event);
        front->event.type = YAML_STREAM_END_EVENT;
    }
    return front->event.type;
}

static bool is_open(yaml_event_type_t type)
{
    return type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT;
}

static bool is_end(yaml_event_type_t type)
{
    return type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT;
}

static void check_plain(struct bulk_reader *reader)
{
    const yaml_event_t *event = &reader->yaml->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_ALIAS_EVENT) {
        reader_fault(reader, here(reader->yaml), "aliases (*name) are not taken: write it out");
    }
    if (anchor)
        reader_fault(reader, here(reader->yaml), "anchors (&name) are not taken: write it out");
    if (tag)
        reader_fault(reader, here(reader->yaml), "tags (!name) are not taken");
}

/* Passes over the value that begins at the current event. */
static void skip_value(struct bulk_reader *reader)
{
    struct yaml_front *front = reader->yaml;
    size_t depth = is_open(front->event.type) ? 1 : 0;

    while (depth > 0 && !reader->stopped) {
        yaml_event_type_t type = advance(reader);
        check_plain(reader);
        if (is_open(type) && ++depth > DEPTH_MAX) {
            reader_fault(reader, here(front),
                         "nested deeper than %d levels: what follows was not read", DEPTH_MAX);
            reader_stop(reader);
        }
        if (is_end(type))
            depth--;
    }
}

/* ------------------------------------------------------------- keys and values */

/* The value into the cell. False: it is not one value; told and passed over. */
static bool read_scalar(struct bulk_reader *reader, const char *name, struct cell *cell)
{
    const yaml_event_t *event = &reader->yaml->event;

    check_plain(reader);
    if (event->type == YAML_SCALAR_EVENT) {
        cell_set(cell, here(reader->yaml), (const char *)event->data.scalar.value,
                 event->data.scalar.length, event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
        return true;
    }
    if (event->type != YAML_ALIAS_EVENT && !reader->stopped)
        reader_fault(reader, here(reader->yaml), "%s takes one value, not a list or keys", name);
    skip_value(reader);
    return false;
}

/* The current event as a key: a word of one piece. NULL: told, and its value passed over. */
static const char *read_key(struct bulk_reader *reader)
{
    const yaml_event_t *event = &reader->yaml->event;

    check_plain(reader);
    if (event->type == YAML_SCALAR_EVENT &&
        strlen((const char *)event->data.scalar.value) == event->data.scalar.length)
        return (const char *)event->data.scalar.value;
    if (!reader->stopped)
        reader_fault(reader, here(reader->yaml), "a key must be a word");
    skip_value(reader);
    advance(reader);
    skip_value(reader);
    return NULL;
}

/* {by: 1,5} is by, and a key 5 that has no value. */
static bool has_no_value(const struct yaml_front *front)
{
    const yaml_event_t *event = &front->event;

    return event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0 &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static void skip_unknown(struct bulk_reader *reader, const char *word, const char *nearest)
{
    struct bulk_place place = here(reader->yaml);
    char kept[CODE_BYTES_MAX + 1]; /* the event, whose word it is, goes */

    snprintf(kept, sizeof kept, "%s", word);
    advance(reader);
    if (!nearest && reader->yaml->in_braces && has_no_value(reader->yaml))
        reader_fault(reader, place,
                     "unknown key \"%s\"; within { } a comma ends a value: a number is digits "
                     "alone, such as 1500, and a text with a comma stands in quotes",
                     kept);
    else
        reader_unknown(reader, place, "key", kept, nearest);
    check_plain(reader);
    skip_value(reader);
}

static void check_twice(struct bulk_reader *reader, bool given, const char *name,
                        struct bulk_place before)
{
    if (given)
        reader_fault(reader, here(reader->yaml), "%s is given twice, first in line %llu", name,
                     (unsigned long long)before.line);
}

static bool read_barcodes(struct bulk_reader *reader)
{
    struct draft *draft = &reader->draft;
    struct cell spare;

    draft->cells[KEY_BARCODES].place = here(reader->yaml);
    check_plain(reader);
    if (reader->yaml->event.type != YAML_SEQUENCE_START_EVENT) {
        if (!reader->stopped)
            reader_fault(reader, here(reader->yaml), "barcodes must be a list");
        skip_value(reader);
        return false;
    }
    draft->barcode_count = 0;
    while (advance(reader) != YAML_SEQUENCE_END_EVENT && !reader->stopped) {
        size_t i = draft->barcode_count;
        if (read_scalar(reader, "a barcode", i < BULK_BARCODES_MAX ? &draft->barcodes[i] : &spare))
            draft->barcode_count++;
    }
    return true;
}

/* ------------------------------------------------------------- the head */

enum head_key {
    HEAD_VERSION = KEY_COUNT, /* beside the keys that lines have, too */
    HEAD_RUN,
    HEAD_LINES,
    HEAD_COUNT,
};

static const char *const head_names[] = {"version", "run", "lines"};

static int head_find(const char *word, const char **nearest)
{
    unsigned distance = 0;
    enum key key;

    *nearest = NULL;
    for (int i = 0; i < HEAD_COUNT - HEAD_VERSION; i++) {
        if (strcmp(word, head_names[i]) == 0)
            return HEAD_VERSION + i;
        word_nearest(word, head_names[i], nearest, &distance);
    }
    for (key = 0; key < KEY_COUNT; key++) {
        if (!(DEFAULT_KEYS & KEY_BIT(key)))
            continue;
        if (strcmp(word, key_name(key)) == 0)
            return (int)key;
        word_nearest(word, key_name(key), nearest, &distance);
    }
    return HEAD_COUNT;
}

/* The current event is what follows `lines:`. True: it is a list that has begun. */
static bool begin_lines(struct bulk_reader *reader)
{
    const struct yaml_front *front = reader->yaml;

    check_plain(reader);
    if (front->event.type == YAML_SEQUENCE_START_EVENT)
        return true;
    if (!reader->stopped)
        reader_fault(reader, here(front), "lines must be a list: a line each, with - before it");
    skip_value(reader);
    return false;
}

/* Reads the value of a key of the head, which is not lines. */
static void read_head_value(struct bulk_reader *reader, int key)
{
    struct cell cell;
    const char *name = key < KEY_COUNT ? key_name((enum key)key) : head_names[key - HEAD_VERSION];

    if (!read_scalar(reader, name, &cell))
        return;
    if (key == HEAD_RUN)
        reader_take_run(reader, &cell);
    else if (key == HEAD_VERSION && (!cell.plain || strcmp(cell.text, "1") != 0))
        reader_fault(reader, cell.place, "version must be 1: this program knows no other");
    else if (key < KEY_COUNT)
        line_check_default(reader, (enum key)key, &cell);
}

/* The keys of the file up to `lines`, or after it. */
static bool read_head(struct bulk_reader *reader, struct bulk_place start)
{
    struct yaml_front *front = reader->yaml;
    struct bulk_place seen[HEAD_COUNT] = {{0, 0}};
    bool given[HEAD_COUNT] = {false}, begun = false;

    while (!begun && advance(reader) != YAML_MAPPING_END_EVENT && !reader->stopped) {
        const char *nearest, *word = read_key(reader);
        int key;

        if (!word)
            continue;
        key = head_find(word, &nearest);
        if (key == HEAD_COUNT) {
            skip_unknown(reader, word, nearest);
            key = nearest ? head_find(nearest, &nearest) : HEAD_COUNT;
            if (key < KEY_COUNT)
                reader->defaults.spoilt |= KEY_BIT(key);
            else if (key < HEAD_COUNT)
                given[key] = true;
            continue;
        }
        check_twice(reader, given[key], word, seen[key]);
        given[key] = true;
        seen[key] = here(front);
        advance(reader);
        if (key == HEAD_LINES)
            begun = begin_lines(reader);
        else
            read_head_value(reader, key);
    }
    for (int i = 0; i < HEAD_COUNT - HEAD_VERSION && !reader->stopped; i++) {
        if (!given[HEAD_VERSION + i])
            reader_fault(reader, start, "%s is missing%s", head_names[i],
                         begun ? ", or comes after lines" : "");
    }
    return begun;
}

bool yaml_front_begin(struct bulk_reader *reader)
{
    struct yaml_front *front = calloc(1, sizeof *front);
    struct bulk_place start;

    if (!front || !yaml_parser_initialize(&front->parser)) {
        free(front);
        reader_fault(reader, (struct bulk_place){1, 1}, "out of memory");
        return false;
    }
    reader->yaml = front;
    yaml_parser_set_encoding(&front->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input(&front->parser, feed, reader);
    if (advance(reader) == YAML_STREAM_START_EVENT &&
        advance(reader) == YAML_DOCUMENT_START_EVENT) {
        if (front->event.data.document_start.version_directive ||
            front->event.data.document_start.tag_directives.start !=
                front->event.data.document_start.tag_directives.end)
            reader_fault(reader, here(front), "directives (%%YAML, %%TAG) are not taken");
        advance(reader);
    }
    if (reader->stopped)
        return false;
    start = here(front);
    check_plain(reader);
    if (front->event.type != YAML_MAPPING_START_EVENT) {
        reader_fault(reader, start, "a bulk file begins with `version: 1` and `run: NAME`");
        return false;
    }
    front->in_lines = read_head(reader, start);
    return front->in_lines && !reader->stopped;
}

/* ------------------------------------------------------------- lines */

static void read_line(struct bulk_reader *reader)
{
    struct yaml_front *front = reader->yaml;
    struct draft *draft = &reader->draft;
    struct bulk_place seen[KEY_COUNT] = {{0, 0}};

    front->in_braces = front->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    while (advance(reader) != YAML_MAPPING_END_EVENT && !reader->stopped) {
        const char *nearest, *word = read_key(reader);
        enum key key;

        if (!word)
            continue;
        key = key_find(word, LINE_KEYS, &nearest);
        if (key == KEY_COUNT) {
            skip_unknown(reader, word, nearest);
            if (nearest)
                draft->spoilt |= KEY_BIT(key_find(nearest, LINE_KEYS, &nearest));
            continue;
        }
        check_twice(reader, (draft->given | draft->spoilt) & KEY_BIT(key), key_name(key),
                    seen[key]);
        seen[key] = here(front);
        advance(reader);
        if (key == KEY_BARCODES ? read_barcodes(reader)
                                : read_scalar(reader, key_name(key), &draft->cells[key]))
            draft->given |= KEY_BIT(key);
        else
            draft->spoilt |= KEY_BIT(key);
    }
}

/* After the list: nothing but the end may come. */
static void read_end(struct bulk_reader *reader)
{
    struct yaml_front *front = reader->yaml;

    while (advance(reader) != YAML_MAPPING_END_EVENT && !reader->stopped) {
        const char *word = read_key(reader);
        if (!word)
            continue;
        reader_fault(reader, here(front), "lines must come last: %.64s belongs before it", word);
        advance(reader);
        check_plain(reader);
        skip_value(reader);
    }
    if (!reader->stopped && advance(reader) == YAML_DOCUMENT_END_EVENT &&
        advance(reader) != YAML_STREAM_END_EVENT && !reader->stopped) {
        reader_fault(reader, here(front), "a second document begins: a bulk file has one");
        reader_stop(reader);
    }
}

bool yaml_front_next(struct bulk_reader *reader)
{
    struct yaml_front *front = reader->yaml;

    if (!front->in_lines)
        return false;
    if (advance(reader) == YAML_SEQUENCE_END_EVENT) {
        front->in_lines = false;
        read_end(reader);
        return false;
    }
    if (reader->stopped)
        return false;
    check_plain(reader);
    reader->draft.place = here(front);
    if (front->event.type == YAML_MAPPING_START_EVENT) {
        read_line(reader);
        return !reader->stopped;
    }
    reader->draft.unreadable = true;
    reader_fault(reader, here(front), "a line is keys and values: {op: adjust, sku: …}");
    skip_value(reader);
    return !reader->stopped;
}

void yaml_front_end(struct bulk_reader *reader)
{
    if (!reader->yaml)
        return;
    yaml_event_delete(&reader->yaml->event);
    yaml_parser_delete(&reader->yaml->parser);
    free(reader->yaml);
    reader->yaml = NULL;
}

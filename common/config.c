/* SPDX-License-Identifier: MIT
 *
 * Reads cluster.yaml, event by event, against one table of keys. Every program calls it once at
 * start; the tests feed it from memory. etc/cluster.schema.json says the same for editors, and
 * tests/unit/test_config.c holds the two together.
 *
 * It never stops at the first fault that it can name, and never guesses: what is not in the table
 * is refused, with the nearest word that is.
 */
#include "common/config.h"
#include "common/config_keys.h"
#include "common/words.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#define FILE_BYTES_MAX (256 * 1024)
#define FAULTS_MAX 20

/* ------------------------------------------------------------- faults */

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    bool broken;        /* the text is not YAML from here on */
    const char *name;
    char *error;
    size_t error_bytes, error_used;
    int faults;
};

static void append(struct reader *r, const char *format, va_list args)
{
    if (r->error_used + 1 >= r->error_bytes)
        return;
    int n = vsnprintf(r->error + r->error_used, r->error_bytes - r->error_used, format, args);
    if (n > 0)
        r->error_used += (size_t)n;
    if (r->error_used >= r->error_bytes)
        r->error_used = r->error_bytes - 1;
}

static void append_text(struct reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void append_text(struct reader *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append(r, format, args);
    va_end(args);
}

void config_fault(struct reader *r, yaml_mark_t mark, const char *format, ...)
{
    if (r->faults++ >= FAULTS_MAX)
        return;
    append_text(r, "%s%s:%zu:%zu: error: ", r->error_used > 0 ? "\n" : "", r->name, mark.line + 1,
                mark.column + 1);
    size_t start = r->error_used;
    va_list args;
    va_start(args, format);
    append(r, format, args);
    va_end(args);
    /* A word of the file may hold anything, and this goes to a terminal. */
    for (char *p = r->error + start; start < r->error_bytes && *p; p++)
        *p = (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p;
}

/* ------------------------------------------------------------- events */

/* The next event into r->event. After a syntax error everything reads as the end. */
static yaml_event_type_t advance(struct reader *r)
{
    if (r->broken)
        return YAML_STREAM_END_EVENT;
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        yaml_mark_t mark = r->parser.problem_mark;
        config_fault(r, mark, "not YAML: %s%s%s",
                     r->parser.problem ? r->parser.problem : "bad text",
                     r->parser.context ? " " : "", r->parser.context ? r->parser.context : "");
        r->broken = true;
        memset(&r->event, 0, sizeof r->event);
        r->event.type = YAML_STREAM_END_EVENT;
    }
    return r->event.type;
}

/* Anchors, aliases and tags make a file say something else than what one reads. */
static void check_plain(struct reader *r)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (r->event.type == YAML_SCALAR_EVENT) {
        anchor = r->event.data.scalar.anchor;
        tag = r->event.data.scalar.tag;
    } else if (r->event.type == YAML_MAPPING_START_EVENT) {
        anchor = r->event.data.mapping_start.anchor;
        tag = r->event.data.mapping_start.tag;
    } else if (r->event.type == YAML_SEQUENCE_START_EVENT) {
        anchor = r->event.data.sequence_start.anchor;
        tag = r->event.data.sequence_start.tag;
    } else if (r->event.type == YAML_ALIAS_EVENT) {
        config_fault(r, r->event.start_mark, "aliases (*name) are not taken here: write it out");
    }
    if (anchor)
        config_fault(r, r->event.start_mark, "anchors (&name) are not taken here: write it out");
    if (tag)
        config_fault(r, r->event.start_mark, "tags (!name) are not taken here");
}

/* Passes over what is left of `depth` open lists and sections. Afterwards the current event is the
 * end of the outermost. */
static void skip_open(struct reader *r, size_t depth)
{
    while (depth > 0 && !r->broken) {
        yaml_event_type_t type = advance(r);
        check_plain(r);
        if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
            depth++;
        else if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
            depth--;
    }
}

/* Passes over the value that begins at the current event, which its reader has looked at. */
static void skip_value(struct reader *r)
{
    if (r->event.type == YAML_MAPPING_START_EVENT || r->event.type == YAML_SEQUENCE_START_EVENT)
        skip_open(r, 1);
}

/* ------------------------------------------------------------- scalars */

static bool plain_number(const char *text, size_t length, uint64_t *number)
{
    uint64_t value = 0;
    if (length == 0 || length > 19)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *number = value;
    return true;
}

bool config_duration(const char *text, uint64_t *ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {
        {"ms", 1}, {"s", MS_SECOND}, {"m", 60 * MS_SECOND}, {"h", 3600 * MS_SECOND}, {"d", MS_DAY}};
    size_t digits = strspn(text, "0123456789");
    uint64_t number;

    if (!plain_number(text, digits, &number))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + digits, units[i].unit) != 0)
            continue;
        if (number > (uint64_t)INT64_MAX / units[i].ms)
            return false;
        *ms = number * units[i].ms;
        return true;
    }
    return false;
}

static void read_number(struct reader *r, const struct key *key, const char *text, size_t length,
                        void *field)
{
    uint64_t number;
    bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!plain || !plain_number(text, length, &number)) {
        config_fault(r, r->event.start_mark, "%s must be a whole number", key->name);
    } else if (key->kind == KIND_VERSION) {
        if (number != 1)
            config_fault(r, r->event.start_mark, "version must be 1: this program knows no other");
    } else if (number < key->least || number > key->most) {
        config_fault(r, r->event.start_mark, "%s must be %llu to %llu", key->name,
                     (unsigned long long)key->least, (unsigned long long)key->most);
    } else if (key->kind == KIND_PORT) {
        *(uint16_t *)field = (uint16_t)number;
    } else {
        *(uint32_t *)field = (uint32_t)number;
    }
}

static void read_duration(struct reader *r, const struct key *key, const char *text, void *field)
{
    uint64_t ms;
    if (!config_duration(text, &ms))
        config_fault(r, r->event.start_mark,
                     "%s must be a duration: a whole number and ms, s, m, h or d, such as 30s",
                     key->name);
    else if (ms < key->least || ms > key->most)
        config_fault(r, r->event.start_mark, "%s must be %llums to %llus", key->name,
                     (unsigned long long)key->least, (unsigned long long)(key->most / MS_SECOND));
    else
        *(uint64_t *)field = ms;
}

static void read_bool(struct reader *r, const struct key *key, const char *text, void *field)
{
    bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && strcmp(text, "true") == 0)
        *(bool *)field = true;
    else if (plain && strcmp(text, "false") == 0)
        *(bool *)field = false;
    else
        config_fault(r, r->event.start_mark, "%s must be true or false", key->name);
}

static void read_scalar(struct reader *r, const struct key *key, void *field)
{
    check_plain(r);
    if (r->event.type != YAML_SCALAR_EVENT) {
        if (!r->broken)
            config_fault(r, r->event.start_mark, "%s takes one value, not a list or a section",
                         key->name);
        skip_value(r);
        return;
    }
    const char *text = (const char *)r->event.data.scalar.value;
    size_t length = r->event.data.scalar.length;
    switch (key->kind) {
    case KIND_VERSION:
    case KIND_PORT:
    case KIND_NUMBER:
        read_number(r, key, text, length, field);
        return;
    case KIND_DURATION:
        read_duration(r, key, text, field);
        return;
    case KIND_BOOL:
        read_bool(r, key, text, field);
        return;
    case KIND_CODE:
    case KIND_FILENAME:
    case KIND_WORD:
    case KIND_DURABILITY:
    case KIND_HOST:
    case KIND_PATH:
    case KIND_SOCKET:
    case KIND_ENDPOINT:
    case KIND_SECTION:
    case KIND_LIST:
    case KIND_RESERVED:
        break;
    }
    const char *fault = config_text_fault(key->kind, text, length);
    if (fault)
        config_fault(r, r->event.start_mark, "%s %s", key->name, fault);
    else
        memcpy(field, text, length + 1); /* config_text_fault checked that it fits */
}

/* ------------------------------------------------------------- sections */

static void unknown_key(struct reader *r, const struct section *section, const char *word)
{
    const char *nearest = NULL;
    unsigned distance = 0;

    for (size_t i = 0; i < section->count; i++)
        word_nearest(word, section->keys[i].name, &nearest, &distance);
    if (nearest)
        config_fault(r, r->event.start_mark, "unknown key \"%s\" (did you mean \"%s\"?)", word,
                     nearest);
    else
        config_fault(r, r->event.start_mark, "unknown key \"%.40s\"", word);
}

static const struct key *find_key(const struct section *section, const char *word)
{
    for (size_t i = 0; i < section->count; i++) {
        if (strcmp(section->keys[i].name, word) == 0)
            return &section->keys[i];
    }
    return NULL;
}

static void read_section(struct reader *r, const struct section *section, const char *name,
                         char *base);

static void read_list(struct reader *r, const struct key *key, char *base)
{
    check_plain(r);
    if (r->event.type != YAML_SEQUENCE_START_EVENT) {
        if (!r->broken)
            config_fault(r, r->event.start_mark, "%s must be a list", key->name);
        skip_value(r);
        return;
    }
    yaml_mark_t start = r->event.start_mark;
    size_t count = 0;
    while (advance(r) != YAML_SEQUENCE_END_EVENT && !r->broken) {
        if (count == key->items_max) {
            config_fault(r, r->event.start_mark, "%s has more than %zu entries", key->name, count);
            skip_value(r);
        } else if (count > key->items_max) {
            skip_value(r);
        } else {
            read_section(r, key->section, key->name, base + key->offset + count * key->item_bytes);
        }
        count++;
    }
    if (count == 0 && !key->may_be_empty)
        config_fault(r, start, "%s is empty", key->name);
    size_t *stored = (size_t *)(void *)(base + key->count_offset);
    *stored = count < key->items_max ? count : key->items_max;
}

static void read_reserved(struct reader *r, const struct key *key)
{
    yaml_mark_t mark = r->event.start_mark;
    bool filled = r->event.type == YAML_ALIAS_EVENT;

    check_plain(r);
    if (r->event.type == YAML_SCALAR_EVENT) {
        filled = r->event.data.scalar.length > 0;
    } else if (!filled && !r->broken) {
        yaml_event_type_t first = advance(r);
        filled = first != YAML_SEQUENCE_END_EVENT && first != YAML_MAPPING_END_EVENT;
        if (filled) {
            check_plain(r);
            skip_open(r, first == YAML_SCALAR_EVENT || first == YAML_ALIAS_EVENT ? 1 : 2);
        }
    }
    if (filled && !r->broken)
        config_fault(r, mark, "%s is reserved, not built yet: leave it out or empty", key->name);
}

static void read_value(struct reader *r, const struct key *key, char *base)
{
    switch (key->kind) {
    case KIND_SECTION:
        read_section(r, key->section, key->name, base + key->offset);
        return;
    case KIND_LIST:
        read_list(r, key, base);
        return;
    case KIND_RESERVED:
        read_reserved(r, key);
        return;
    case KIND_VERSION:
    case KIND_CODE:
    case KIND_FILENAME:
    case KIND_WORD:
    case KIND_DURABILITY:
    case KIND_HOST:
    case KIND_PATH:
    case KIND_SOCKET:
    case KIND_ENDPOINT:
    case KIND_BOOL:
    case KIND_PORT:
    case KIND_NUMBER:
    case KIND_DURATION:
        read_scalar(r, key, base + key->offset);
        return;
    }
}

static void read_section(struct reader *r, const struct section *section, const char *name,
                         char *base)
{
    yaml_mark_t seen[CONFIG_KEYS_MAX];
    bool given[CONFIG_KEYS_MAX] = {false};
    yaml_mark_t start = r->event.start_mark;
    int faults = r->faults;

    check_plain(r);
    if (r->event.type != YAML_MAPPING_START_EVENT) {
        if (!r->broken)
            config_fault(r, start, "%s must be `key: value` lines", name);
        skip_value(r);
        return;
    }
    while (advance(r) != YAML_MAPPING_END_EVENT && !r->broken) {
        check_plain(r);
        if (r->event.type != YAML_SCALAR_EVENT) {
            config_fault(r, r->event.start_mark, "a key must be a word");
            skip_value(r);
            advance(r);
            skip_value(r);
            continue;
        }
        const char *word = (const char *)r->event.data.scalar.value;
        const struct key *key = find_key(section, word);
        if (!key) {
            unknown_key(r, section, word);
            advance(r);
            check_plain(r);
            skip_value(r);
            continue;
        }
        size_t i = (size_t)(key - section->keys);
        if (given[i])
            config_fault(r, r->event.start_mark, "%s is given twice, first in line %zu", key->name,
                         seen[i].line + 1);
        given[i] = true;
        seen[i] = r->event.start_mark;
        advance(r);
        read_value(r, key, base);
    }
    for (size_t i = 0; i < section->count && !r->broken; i++) {
        if (section->keys[i].required && !given[i])
            config_fault(r, start, "%s lacks \"%s\"", name, section->keys[i].name);
    }
    /* After another fault the struct is not what the file says. */
    if (section->check && !r->broken && r->faults == faults)
        section->check(r, start, base);
}

/* ------------------------------------------------------------- the whole file */

static void read_document(struct reader *r, const struct section *root, void *base)
{
    advance(r); /* the stream's start */
    if (advance(r) == YAML_STREAM_END_EVENT) {
        if (!r->broken)
            config_fault(r, r->event.start_mark, "the file is empty");
        return;
    }
    advance(r);
    read_section(r, root, "the file", base);
    if (advance(r) == YAML_DOCUMENT_END_EVENT && advance(r) != YAML_STREAM_END_EVENT)
        config_fault(r, r->event.start_mark, "a second document begins here; one is enough");
}

bool config_parse_keys(const struct section *root, void *base, const char *name, const char *text,
                       size_t length, char *error, size_t error_bytes)
{
    struct reader r = {.name = name, .error = error, .error_bytes = error_bytes};

    if (error_bytes > 0)
        error[0] = '\0';
    if (length > FILE_BYTES_MAX) {
        append_text(&r, "%s: error: larger than %d bytes", name, FILE_BYTES_MAX);
        return false;
    }
    if (!yaml_parser_initialize(&r.parser)) {
        append_text(&r, "%s: error: out of memory", name);
        return false;
    }
    yaml_parser_set_input_string(&r.parser, (const yaml_char_t *)text, length);
    read_document(&r, root, base);
    if (!r.broken)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (r.faults > FAULTS_MAX)
        append_text(&r, "\n%s: error: and %d more", name, r.faults - FAULTS_MAX);
    return r.faults == 0;
}

bool config_parse(struct config *config, const char *name, const char *text, size_t length,
                  char *error, size_t error_bytes)
{
    config_defaults(config);
    bool good = config_parse_keys(&config_root, config, name, text, length, error, error_bytes);
    config_fill_defaults(config);
    return good;
}

static bool read_whole(int fd, char *text, size_t bytes, size_t *length)
{
    *length = 0;
    while (*length < bytes) {
        ssize_t n = read(fd, text + *length, bytes - *length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        *length += (size_t)n;
    }
    return true;
}

bool config_read_keys(const struct section *root, void *base, const char *path, char *error,
                      size_t error_bytes)
{
    char *text = malloc(FILE_BYTES_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), fault;
    size_t length = 0;
    bool good = false;

    if (!text || fd < 0 || !read_whole(fd, text, FILE_BYTES_MAX + 1, &length)) {
        fault = errno;
        snprintf(error, error_bytes, "could not read \"%s\": %s", path, strerror(errno));
    } else {
        good = config_parse_keys(root, base, path, text, length, error, error_bytes);
        fault = good ? 0 : EINVAL;
    }
    if (fd >= 0)
        close(fd);
    free(text);
    errno = fault;
    return good;
}

bool config_read(struct config *config, const char *path, char *error, size_t error_bytes)
{
    bool good;

    config_defaults(config);
    if (strlen(path) >= sizeof config->path) {
        snprintf(error, error_bytes, "could not read \"%s\": the path is too long", path);
        return false;
    }
    good = config_read_keys(&config_root, config, path, error, error_bytes);
    config_fill_defaults(config);
    if (good)
        memcpy(config->path, path, strlen(path) + 1);
    return good;
}

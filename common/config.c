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

#include "protocol/header.h"
#include "protocol/text.h"

#define FILE_BYTES_MAX (256 * 1024)
#define FAULTS_MAX 20
#define KEYS_MAX 16      /* of one section */
#define IPC_PATH_MAX 107 /* sun_path of unix(7), less its NUL */
#define WORD_BYTES_MAX 32

/* ------------------------------------------------------------- the keys */

enum kind {
    KIND_VERSION,  /* the number 1 */
    KIND_CODE,     /* as protocol/text.h */
    KIND_FILENAME, /* letters, digits, '-', '_', '.'; becomes a folder's name */
    KIND_WORD,     /* letters, digits and '_' */
    KIND_DURABILITY,
    KIND_HOST,
    KIND_PATH,     /* absolute */
    KIND_SOCKET,   /* absolute, and short enough for a unix socket */
    KIND_ENDPOINT, /* ipc://PATH */
    KIND_BOOL,
    KIND_PORT,     /* uint16_t */
    KIND_NUMBER,   /* uint32_t */
    KIND_DURATION, /* uint64_t milliseconds */
    KIND_SECTION,
    KIND_LIST,     /* of sections */
    KIND_RESERVED, /* a list or section that must be empty until it is built */
};

struct key {
    const char *name;
    enum kind kind;
    size_t offset; /* in the struct of its section */
    uint64_t least, most;
    bool required;
    const struct section *section; /* KIND_SECTION, KIND_LIST */
    size_t item_bytes, count_offset, items_max;
};

struct reader;

struct section {
    const struct key *keys;
    size_t count;
    /* What only the whole section shows; base is its struct. May be NULL. */
    void (*check)(struct reader *r, yaml_mark_t mark, const void *base);
};

static void check_server(struct reader *r, yaml_mark_t mark, const void *base);
static void check_limits(struct reader *r, yaml_mark_t mark, const void *base);
static void check_windows(struct reader *r, yaml_mark_t mark, const void *base);
static void check_root(struct reader *r, yaml_mark_t mark, const void *base);

#define AT(type, field) offsetof(struct type, field)
#define SECTION(table, check)                                                                      \
    {                                                                                              \
        table, sizeof table / sizeof table[0], check                                               \
    }
#define MS_SECOND UINT64_C(1000)
#define MS_DAY (24 * 3600 * MS_SECOND)

static const struct key server_keys[] = {
    {.name = "socket", .kind = KIND_SOCKET, .offset = AT(config_server, socket)},
    {.name = "host", .kind = KIND_HOST, .offset = AT(config_server, host)},
    {.name = "port", .kind = KIND_PORT, .offset = AT(config_server, port), 1, 65535},
    {.name = "tls", .kind = KIND_BOOL, .offset = AT(config_server, tls)},
};
static const struct section server_section = SECTION(server_keys, check_server);

static const struct key shard_keys[] = {
    {.name = "name", .kind = KIND_FILENAME, .required = true, .offset = AT(config_shard, name)},
    {.name = "durability", .kind = KIND_DURABILITY, .offset = AT(config_shard, durability)},
    {.name = "servers",
     .kind = KIND_LIST,
     .required = true,
     .offset = AT(config_shard, servers),
     .section = &server_section,
     .item_bytes = sizeof(struct config_server),
     .count_offset = AT(config_shard, server_count),
     .items_max = CONFIG_SERVERS_MAX},
    {.name = "database", .kind = KIND_WORD, .offset = AT(config_shard, database)},
    {.name = "user", .kind = KIND_CODE, .offset = AT(config_shard, user)},
    {.name = "password_file", .kind = KIND_PATH, .offset = AT(config_shard, password_file)},
};
static const struct section shard_section = SECTION(shard_keys, NULL);

static const struct key broker_keys[] = {
    {.name = "client",
     .kind = KIND_ENDPOINT,
     .required = true,
     .offset = AT(config_broker, client)},
    {.name = "worker", .kind = KIND_ENDPOINT, .offset = AT(config_broker, worker)},
    {.name = "changes", .kind = KIND_ENDPOINT, .offset = AT(config_broker, changes)},
    {.name = "state", .kind = KIND_ENDPOINT, .offset = AT(config_broker, state)},
};
static const struct section broker_section = SECTION(broker_keys, NULL);

#define TIME(key, type, field, low, high)                                                          \
    {                                                                                              \
        .name = key, .kind = KIND_DURATION, .offset = AT(type, field), low, high                   \
    }
#define LIMIT(field, low, high)                                                                    \
    {                                                                                              \
        .name = #field, .kind = KIND_NUMBER, .offset = AT(config_limits, field), low, high         \
    }
static const struct key limit_keys[] = {
    LIMIT(queue_operations, 1, 1000000),
    LIMIT(queue_bytes, 4096, 1u << 30),
    LIMIT(client_window, 1, 65536),
    LIMIT(clients, 1, 65536),
    LIMIT(worker_credit, 1, 65536),
    LIMIT(batch_operations, 1, 4096),
    LIMIT(message_bytes, 1024, MESSAGE_BYTES_MAX),
    LIMIT(lines, 1, 10000),
    LIMIT(rate, 0, 10000000),
    LIMIT(rate_burst, 0, 10000000),
    TIME("clock_skew", config_limits, clock_skew_ms, 1, 3600 * MS_SECOND),
    TIME("not_after", config_limits, not_after_ms, MS_SECOND, 7 * MS_DAY),
};
static const struct section limit_section = SECTION(limit_keys, check_limits);

static const struct key window_keys[] = {
    TIME("idempotency", config_windows, idempotency_ms, MS_SECOND, 365 * MS_DAY),
    TIME("retention", config_windows, retention_ms, MS_SECOND, 3650 * MS_DAY),
    TIME("lease", config_windows, lease_ms, 20, 3600 * MS_SECOND),
    TIME("heartbeat", config_windows, heartbeat_ms, 10, 60 * MS_SECOND),
};
static const struct section window_section = SECTION(window_keys, check_windows);

static const struct key root_keys[] = {
    {.name = "version", .kind = KIND_VERSION, .required = true},
    {.name = "name", .kind = KIND_CODE, .required = true, .offset = AT(config, name)},
    {.name = "region", .kind = KIND_CODE, .offset = AT(config, region)},
    {.name = "partitions",
     .kind = KIND_NUMBER,
     .offset = AT(config, partitions),
     1,
     PARTITIONS_MAX},
    {.name = "shards",
     .kind = KIND_LIST,
     .offset = AT(config, shards),
     .section = &shard_section,
     .item_bytes = sizeof(struct config_shard),
     .count_offset = AT(config, shard_count),
     .items_max = CONFIG_SHARDS_MAX},
    {.name = "brokers",
     .kind = KIND_LIST,
     .required = true,
     .offset = AT(config, brokers),
     .section = &broker_section,
     .item_bytes = sizeof(struct config_broker),
     .count_offset = AT(config, broker_count),
     .items_max = CONFIG_BROKERS_MAX},
    {.name = "views", .kind = KIND_RESERVED},
    {.name = "relays", .kind = KIND_RESERVED},
    {.name = "security", .kind = KIND_RESERVED},
    {.name = "limits",
     .kind = KIND_SECTION,
     .offset = AT(config, limits),
     .section = &limit_section},
    {.name = "windows",
     .kind = KIND_SECTION,
     .offset = AT(config, windows),
     .section = &window_section},
};
static const struct section root_section = SECTION(root_keys, check_root);

static bool key_path(const struct section *section, const char *prefix, size_t *skip, char *path,
                     size_t path_bytes)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct key *key = &section->keys[i];
        char here[128];
        snprintf(here, sizeof here, "%s%s", prefix, key->name);
        if ((*skip)-- == 0) {
            snprintf(path, path_bytes, "%s", here);
            return true;
        }
        if (!key->section)
            continue;
        strncat(here, key->kind == KIND_LIST ? "[]." : ".", sizeof here - strlen(here) - 1);
        if (key_path(key->section, here, skip, path, path_bytes))
            return true;
    }
    return false;
}

bool config_key(size_t index, char *path, size_t path_bytes)
{
    return key_path(&root_section, "", &index, path, path_bytes);
}

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

static void fault_at(struct reader *r, yaml_mark_t mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

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

static void fault_at(struct reader *r, yaml_mark_t mark, const char *format, ...)
{
    if (r->faults++ >= FAULTS_MAX)
        return;
    append_text(r, "%s%s:%zu:%zu: error: ", r->error_used > 0 ? "\n" : "", r->name, mark.line + 1,
                mark.column + 1);
    va_list args;
    va_start(args, format);
    append(r, format, args);
    va_end(args);
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
        fault_at(r, mark, "not YAML: %s%s%s", r->parser.problem ? r->parser.problem : "bad text",
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
        fault_at(r, r->event.start_mark, "aliases (*name) are not taken here: write it out");
    }
    if (anchor)
        fault_at(r, r->event.start_mark, "anchors (&name) are not taken here: write it out");
    if (tag)
        fault_at(r, r->event.start_mark, "tags (!name) are not taken here");
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

static bool only(const char *text, const char *more)
{
    for (const char *p = text; *p; p++) {
        bool alphanumeric =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        if (!alphanumeric && !strchr(more, *p))
            return false;
    }
    return true;
}

static const char *const durabilities[] = {"single", "semi-sync", "galera", "group-replication"};

static bool durability_known(const char *text)
{
    for (size_t i = 0; i < sizeof durabilities / sizeof durabilities[0]; i++) {
        if (strcmp(text, durabilities[i]) == 0)
            return true;
    }
    return false;
}

/* What is wrong with a text of this kind, as words that follow the key's name; NULL: nothing. */
static const char *kind_fault(enum kind kind, const char *text, size_t length)
{
    if (length == 0)
        return "is empty";
    if (strlen(text) != length || text_fault(text, length, length))
        return "has a control character or is not UTF-8";
    switch (kind) {
    case KIND_CODE:
        return code_fault(text, length);
    case KIND_FILENAME:
        if (length >= CONFIG_NAME_BYTES)
            return "is longer than 64 bytes";
        return text[0] == '.' || !only(text, "-_.")
                   ? "may have letters, digits, '-', '_' and '.', and no '.' at its start"
                   : NULL;
    case KIND_WORD:
        if (length >= CONFIG_NAME_BYTES)
            return "is longer than 64 bytes";
        return only(text, "_") ? NULL : "may have letters, digits and '_'";
    case KIND_DURABILITY:
        return durability_known(text) ? NULL
                                      : "must be single, semi-sync, galera or group-replication";
    case KIND_HOST:
        return length < CONFIG_PATH_BYTES && only(text, "-._:") ? NULL : "is not a host name";
    case KIND_PATH:
    case KIND_SOCKET:
        if (text[0] != '/')
            return "must be an absolute path";
        if (kind == KIND_SOCKET && length > IPC_PATH_MAX)
            return "is too long for a unix socket, which takes at most 107 bytes";
        return length < CONFIG_PATH_BYTES ? NULL : "is longer than 255 bytes";
    case KIND_ENDPOINT:
        if (strncmp(text, "tcp://", 6) == 0)
            return "may not be tcp://: TCP needs keys, which are reserved and not built yet; use "
                   "ipc://";
        if (strncmp(text, "ipc:///", 7) != 0)
            return "must be ipc:// and an absolute path";
        if (length - strlen("ipc://") > IPC_PATH_MAX)
            return "is too long for a unix socket, whose path takes at most 107 bytes";
        return NULL;
    case KIND_VERSION:
    case KIND_BOOL:
    case KIND_PORT:
    case KIND_NUMBER:
    case KIND_DURATION:
    case KIND_SECTION:
    case KIND_LIST:
    case KIND_RESERVED:
        break;
    }
    return "is not text";
}

static void read_number(struct reader *r, const struct key *key, const char *text, size_t length,
                        void *field)
{
    uint64_t number;
    bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (!plain || !plain_number(text, length, &number)) {
        fault_at(r, r->event.start_mark, "%s must be a whole number", key->name);
    } else if (key->kind == KIND_VERSION) {
        if (number != 1)
            fault_at(r, r->event.start_mark, "version must be 1: this program knows no other");
    } else if (number < key->least || number > key->most) {
        fault_at(r, r->event.start_mark, "%s must be %llu to %llu", key->name,
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
        fault_at(r, r->event.start_mark,
                 "%s must be a duration: a whole number and ms, s, m, h or d, such as 30s",
                 key->name);
    else if (ms < key->least || ms > key->most)
        fault_at(r, r->event.start_mark, "%s must be %llums to %llus", key->name,
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
        fault_at(r, r->event.start_mark, "%s must be true or false", key->name);
}

static void read_scalar(struct reader *r, const struct key *key, void *field)
{
    check_plain(r);
    if (r->event.type != YAML_SCALAR_EVENT) {
        if (!r->broken)
            fault_at(r, r->event.start_mark, "%s takes one value, not a list or a section",
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
    const char *fault = kind_fault(key->kind, text, length);
    if (fault)
        fault_at(r, r->event.start_mark, "%s %s", key->name, fault);
    else
        memcpy(field, text, length + 1); /* kind_fault checked that it fits */
}

/* ------------------------------------------------------------- sections */

static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_BYTES_MAX + 1];
    size_t columns = strlen(b);

    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < best ? change : best;
        }
    }
    return row[columns];
}

static void unknown_key(struct reader *r, const struct section *section, const char *word)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < section->count && strlen(word) <= WORD_BYTES_MAX; i++) {
        size_t d = distance(word, section->keys[i].name);
        if (d < least) {
            least = d;
            nearest = section->keys[i].name;
        }
    }
    if (nearest && least <= strlen(nearest) / 2 + 1)
        fault_at(r, r->event.start_mark, "unknown key \"%s\" (did you mean \"%s\"?)", word,
                 nearest);
    else
        fault_at(r, r->event.start_mark, "unknown key \"%.40s\"", word);
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
            fault_at(r, r->event.start_mark, "%s must be a list", key->name);
        skip_value(r);
        return;
    }
    yaml_mark_t start = r->event.start_mark;
    size_t count = 0;
    while (advance(r) != YAML_SEQUENCE_END_EVENT && !r->broken) {
        if (count == key->items_max) {
            fault_at(r, r->event.start_mark, "%s has more than %zu entries", key->name, count);
            skip_value(r);
        } else if (count > key->items_max) {
            skip_value(r);
        } else {
            read_section(r, key->section, key->name, base + key->offset + count * key->item_bytes);
        }
        count++;
    }
    if (count == 0)
        fault_at(r, start, "%s is empty", key->name);
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
        fault_at(r, mark, "%s is reserved, not built yet: leave it out or empty", key->name);
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
    yaml_mark_t seen[KEYS_MAX];
    bool given[KEYS_MAX] = {false};
    yaml_mark_t start = r->event.start_mark;
    int faults = r->faults;

    check_plain(r);
    if (r->event.type != YAML_MAPPING_START_EVENT) {
        if (!r->broken)
            fault_at(r, start, "%s must be `key: value` lines", name);
        skip_value(r);
        return;
    }
    while (advance(r) != YAML_MAPPING_END_EVENT && !r->broken) {
        check_plain(r);
        if (r->event.type != YAML_SCALAR_EVENT) {
            fault_at(r, r->event.start_mark, "a key must be a word");
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
            fault_at(r, r->event.start_mark, "%s is given twice, first in line %zu", key->name,
                     seen[i].line + 1);
        given[i] = true;
        seen[i] = r->event.start_mark;
        advance(r);
        read_value(r, key, base);
    }
    for (size_t i = 0; i < section->count && !r->broken; i++) {
        if (section->keys[i].required && !given[i])
            fault_at(r, start, "%s lacks \"%s\"", name, section->keys[i].name);
    }
    /* After another fault the struct is not what the file says. */
    if (section->check && !r->broken && r->faults == faults)
        section->check(r, start, base);
}

/* ------------------------------------------------------------- what fits together */

static void check_server(struct reader *r, yaml_mark_t mark, const void *base)
{
    const struct config_server *server = base;
    if ((server->socket[0] != '\0') == (server->host[0] != '\0'))
        fault_at(r, mark, "a server has a socket or a host, one of them");
    else if (server->socket[0] != '\0' && server->tls)
        fault_at(r, mark, "tls is for a server with a host");
}

static void check_limits(struct reader *r, yaml_mark_t mark, const void *base)
{
    const struct config_limits *limits = base;
    if (limits->queue_bytes < limits->message_bytes)
        fault_at(r, mark, "queue_bytes must be at least message_bytes, %u", limits->message_bytes);
    if (limits->rate_burst > 0 && limits->rate == 0)
        fault_at(r, mark, "rate_burst needs a rate");
}

static void check_windows(struct reader *r, yaml_mark_t mark, const void *base)
{
    const struct config_windows *windows = base;
    if (windows->retention_ms < windows->idempotency_ms)
        fault_at(r, mark, "retention must be at least idempotency: a retry is looked up there");
    if (windows->lease_ms < 2 * windows->heartbeat_ms)
        fault_at(r, mark, "lease must be at least two heartbeats");
}

static void check_endpoints(struct reader *r, yaml_mark_t mark, const struct config *config)
{
    const char *all[4 * CONFIG_BROKERS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < config->broker_count; i++) {
        const struct config_broker *broker = &config->brokers[i];
        const char *own[] = {broker->client, broker->worker, broker->changes, broker->state};
        for (size_t j = 0; j < 4; j++) {
            if (own[j][0] != '\0')
                all[count++] = own[j];
        }
        if (config->shard_count > 0 && (broker->worker[0] == '\0' || broker->state[0] == '\0'))
            fault_at(r, mark, "broker %zu lacks worker or state, which a file with shards needs",
                     i + 1);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(all[i], all[j]) == 0)
                fault_at(r, mark, "the endpoint %s is given twice", all[i]);
        }
    }
}

static void check_root(struct reader *r, yaml_mark_t mark, const void *base)
{
    const struct config *config = base;

    if ((config->partitions > 0) != (config->shard_count > 0))
        fault_at(r, mark,
                 "partitions and shards go together: give both, or, in a client's file, "
                 "neither");
    if (config->shard_count > config->partitions)
        fault_at(r, mark, "%zu shards need at least as many partitions", config->shard_count);
    for (size_t i = 0; i < config->shard_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(config->shards[i].name, config->shards[j].name) == 0)
                fault_at(r, mark, "two shards have the name \"%s\"", config->shards[i].name);
        }
        if (config->shards[i].user[0] == '\0')
            fault_at(r, mark, "shard \"%s\" lacks a user", config->shards[i].name);
    }
    check_endpoints(r, mark, config);
}

/* ------------------------------------------------------------- the whole file */

void config_defaults(struct config *config)
{
    memset(config, 0, sizeof *config);
    memcpy(config->region, "main", sizeof "main");
    config->limits = (struct config_limits){
        .queue_operations = 4096,
        .queue_bytes = 8 * 1024 * 1024,
        .client_window = 1024,
        .clients = 4096,
        .worker_credit = 1024,
        .batch_operations = 256,
        .message_bytes = 1024 * 1024,
        .lines = 1000,
        .clock_skew_ms = 5 * MS_SECOND,
        .not_after_ms = 3600 * MS_SECOND,
    };
    config->windows = (struct config_windows){
        .idempotency_ms = 7 * MS_DAY,
        .retention_ms = 30 * MS_DAY,
        .lease_ms = 3 * MS_SECOND,
        .heartbeat_ms = MS_SECOND,
    };
}

/* What stays unset has a default that depends on something, or lies in a list. */
static void fill_defaults(struct config *config)
{
    if (config->limits.rate_burst == 0)
        config->limits.rate_burst = config->limits.rate;
    for (size_t i = 0; i < config->shard_count; i++) {
        struct config_shard *shard = &config->shards[i];
        if (shard->durability[0] == '\0')
            memcpy(shard->durability, "single", sizeof "single");
        if (shard->database[0] == '\0')
            memcpy(shard->database, "holdfast", sizeof "holdfast");
        for (size_t j = 0; j < shard->server_count; j++) {
            if (shard->servers[j].port == 0)
                shard->servers[j].port = 3306;
        }
    }
}

static void read_document(struct reader *r, struct config *config)
{
    advance(r); /* the stream's start */
    if (advance(r) == YAML_STREAM_END_EVENT) {
        if (!r->broken)
            fault_at(r, r->event.start_mark, "the file is empty");
        return;
    }
    advance(r);
    read_section(r, &root_section, "the file", (char *)config);
    if (advance(r) == YAML_DOCUMENT_END_EVENT && advance(r) != YAML_STREAM_END_EVENT)
        fault_at(r, r->event.start_mark, "a second document begins here; one is enough");
}

bool config_parse(struct config *config, const char *name, const char *text, size_t length,
                  char *error, size_t error_bytes)
{
    struct reader r = {.name = name, .error = error, .error_bytes = error_bytes};

    config_defaults(config);
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
    read_document(&r, config);
    if (!r.broken)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (r.faults > FAULTS_MAX)
        append_text(&r, "\n%s: error: and %d more", name, r.faults - FAULTS_MAX);
    fill_defaults(config);
    return r.faults == 0;
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

bool config_read(struct config *config, const char *path, char *error, size_t error_bytes)
{
    char *text = malloc(FILE_BYTES_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t length = 0;
    bool good = false;

    config_defaults(config);
    if (!text || fd < 0 || !read_whole(fd, text, FILE_BYTES_MAX + 1, &length))
        snprintf(error, error_bytes, "could not read \"%s\": %s", path, strerror(errno));
    else if (strlen(path) >= sizeof config->path)
        snprintf(error, error_bytes, "could not read \"%s\": the path is too long", path);
    else
        good = config_parse(config, path, text, length, error, error_bytes);
    if (good)
        memcpy(config->path, path, strlen(path) + 1);
    if (fd >= 0)
        close(fd);
    free(text);
    return good;
}

/* SPDX-License-Identifier: MIT
 *
 * See script.h.
 */
#include "console/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/key.h"
#include "console/text.h"

#define FILE_BYTES_MAX 65536
#define COMMANDS_MAX 1024
#define TYPE_GAP_US 60000
#define PATIENCE_S 10
#define PATIENCE_MAX_S 3600

enum verb { VERB_KEY, VERB_TYPE, VERB_SCAN, VERB_WAIT, VERB_GONE, VERB_DUMP, VERBS };

static const char *const verbs[VERBS] = {"key",      "type",      "scan",
                                         "wait-for", "wait-gone", "dump-screen"};

struct command {
    enum verb verb;
    char *text;
    size_t line;
    int patience_s; /* of a wait */
};

struct script {
    struct command commands[COMMANDS_MAX];
    size_t count, next;
    int patience_s;           /* of the waits that are read next */
    size_t typed;             /* bytes of a VERB_TYPE that were given */
    int64_t due_us;           /* of the next character */
    int64_t waiting_since_us; /* 0: not waiting */
    bool failed;
    char bytes[KEY_TEXT_BYTES * 4];
};

/* `patience SECONDS`, which is no step of its own. */
static bool set_patience(struct script *s, const char *text)
{
    char *end;
    long seconds = strtol(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || seconds < 1 || seconds > PATIENCE_MAX_S)
        return false;
    s->patience_s = (int)seconds;
    return true;
}

static bool add(struct script *s, const char *name, size_t line, char *text, char *error,
                size_t error_bytes)
{
    size_t word = strcspn(text, " ");
    char *rest = text + word + (text[word] == ' ');
    uint32_t code;

    if (word == strlen("patience") && strncmp("patience", text, word) == 0) {
        snprintf(error, error_bytes, "%s:%zu: error: patience needs seconds, 1 to %d", name, line,
                 PATIENCE_MAX_S);
        return set_patience(s, rest);
    }
    for (int i = 0; i < VERBS; i++) {
        if (strlen(verbs[i]) != word || strncmp(verbs[i], text, word) != 0)
            continue;
        if (!rest[0] || s->count == COMMANDS_MAX || strlen(rest) >= KEY_TEXT_BYTES) {
            snprintf(error, error_bytes, "%s:%zu: error: %s needs a text of 1 to %d bytes", name,
                     line, verbs[i], KEY_TEXT_BYTES - 1);
            return false;
        }
        if (i == VERB_KEY && !key_by_name(rest, &code)) {
            snprintf(error, error_bytes, "%s:%zu: error: there is no key \"%s\"", name, line, rest);
            return false;
        }
        s->commands[s->count] = (struct command){(enum verb)i, strdup(rest), line, s->patience_s};
        return s->commands[s->count++].text != NULL;
    }
    snprintf(error, error_bytes,
             "%s:%zu: error: unknown command \"%.*s\": key, type, scan, wait-for, wait-gone, "
             "dump-screen or patience",
             name, line, (int)word, text);
    return false;
}

struct script *script_parse(const char *name, const char *text, char *error, size_t error_bytes)
{
    struct script *s = calloc(1, sizeof *s);
    char *copy = strdup(text), *rest = copy, *line;
    size_t number = 0;

    snprintf(error, error_bytes, "out of memory");
    if (s)
        s->patience_s = PATIENCE_S;
    while (s && rest && (line = strsep(&rest, "\n")) != NULL) {
        number++;
        if (!line[0] || line[0] == '#')
            continue;
        if (!add(s, name, number, line, error, error_bytes))
            script_free(&s);
    }
    free(copy);
    return s;
}

struct script *script_read(const char *path, char *error, size_t error_bytes)
{
    char *text = calloc(1, FILE_BYTES_MAX + 1);
    FILE *file = fopen(path, "re");
    struct script *script = NULL;

    if (!text || !file)
        snprintf(error, error_bytes, "could not read \"%s\": %s", path, strerror(errno));
    else if (fread(text, 1, FILE_BYTES_MAX + 1, file) > FILE_BYTES_MAX)
        snprintf(error, error_bytes, "%s: error: larger than %d bytes", path, FILE_BYTES_MAX);
    else
        script = script_parse(path, text, error, error_bytes);
    if (file)
        fclose(file);
    free(text);
    return script;
}

void script_free(struct script **script)
{
    if (!*script)
        return;
    for (size_t i = 0; i < (*script)->count; i++)
        free((*script)->commands[i].text);
    free(*script);
    *script = NULL;
}

static void finish(struct script *s, int64_t now_us)
{
    s->next++;
    s->typed = 0;
    s->waiting_since_us = 0;
    s->due_us = now_us + TYPE_GAP_US;
}

static void give(struct script *s, struct script_step *step, const char *bytes, size_t count)
{
    memcpy(s->bytes, bytes, count);
    step->wish = SCRIPT_BYTES;
    step->bytes = s->bytes;
    step->byte_count = count;
}

static void type(struct script *s, const char *text, int64_t now_us, struct script_step *step)
{
    uint32_t point;
    size_t used = text_decode(text + s->typed, strlen(text + s->typed), &point);
    give(s, step, text + s->typed, used);
    s->typed += used;
    s->due_us = now_us + TYPE_GAP_US;
    if (!text[s->typed])
        finish(s, now_us);
}

void script_next(struct script *s, int64_t now_us, struct script_step *step)
{
    memset(step, 0, sizeof *step);
    step->wish = SCRIPT_DONE;
    if (s->next == s->count)
        return;
    const struct command *command = &s->commands[s->next];
    char bytes[KEY_TEXT_BYTES + 8];
    uint32_t code;

    step->line = command->line;
    step->text = command->text;
    step->patience_s = command->patience_s;
    step->wish = s->failed ? SCRIPT_FAILED : SCRIPT_WAIT;
    step->at_us = s->due_us;
    if (s->failed || now_us < s->due_us)
        return;
    switch (command->verb) {
    case VERB_KEY:
        if (key_by_name(command->text, &code))
            give(s, step, bytes, key_encode(code, bytes));
        finish(s, now_us);
        return;
    case VERB_TYPE:
        type(s, command->text, now_us, step);
        return;
    case VERB_SCAN:
        snprintf(bytes, sizeof bytes, "%s\r", command->text);
        give(s, step, bytes, strlen(bytes));
        finish(s, now_us);
        return;
    case VERB_WAIT:
    case VERB_GONE:
        if (!s->waiting_since_us)
            s->waiting_since_us = now_us;
        step->wish = now_us - s->waiting_since_us > command->patience_s * INT64_C(1000000)
                         ? SCRIPT_FAILED
                         : SCRIPT_LOOK;
        s->failed = step->wish == SCRIPT_FAILED;
        return;
    case VERB_DUMP:
        step->wish = SCRIPT_DUMP;
        finish(s, now_us);
        return;
    case VERBS:
        return;
    }
}

void script_seen(struct script *s, bool seen)
{
    if (s->next < s->count && seen == (s->commands[s->next].verb == VERB_WAIT))
        finish(s, s->due_us - TYPE_GAP_US);
}

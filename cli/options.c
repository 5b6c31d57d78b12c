/* SPDX-License-Identifier: MIT
 *
 * See options.h and command.h. Everything that is wrong with what was typed is told here, with the
 * nearest right word where there is one.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "cli/options.h"
#include "cli/parse.h"
#include "common/words.h"
#include "protocol/ids.h"

/* Words of the contract that this version does not have; nothing may be guessed in their place. */
static const struct {
    const char *word;
    const char *why;
} not_built[] = {
    {"bench", "the benchmarks are run with `make bench`"},
};

void complain(const char *words, const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    for (char *p = line; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    if (words != NULL)
        fprintf(stderr, "holdfast: %s: %s\n", words, line);
    else
        fprintf(stderr, "holdfast: %s\n", line);
}

int usage_error(const struct invocation *invocation, const char *format, ...)
{
    char line[1024];
    const char *words = invocation->command->words;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    complain(words, "%s (see holdfast %s --help)", line, words);
    return EX_USAGE;
}

/* ------------------------------------------------------------- the table */

void command_options(const struct command *command,
                     bool (*visit)(const struct option_spec *spec, void *data), void *data)
{
    const struct option_spec *tables[] = {
        command->options,
        command->flags & COMMAND_WRITE ? options_write : NULL,
        command->flags & COMMAND_CLIENT ? options_client : NULL,
        options_common,
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct option_spec *spec = tables[i]; spec != NULL && spec->name != NULL; spec++)
            if (!visit(spec, data))
                return;
}

struct wanted {
    const char *name;
    size_t length;
    const struct option_spec *found;
};

static bool is_wanted(const struct option_spec *spec, void *data)
{
    struct wanted *wanted = data;
    if (strlen(spec->name) == wanted->length &&
        strncmp(spec->name, wanted->name, wanted->length) == 0)
        wanted->found = spec;
    return wanted->found == NULL;
}

const struct option_spec *command_option(const struct command *command, const char *name,
                                         size_t length)
{
    struct wanted wanted = {.name = name, .length = length};
    command_options(command, is_wanted, &wanted);
    return wanted.found;
}

/* ------------------------------------------------------------- values */

static const struct option_value *value_of(const struct invocation *invocation, const char *name)
{
    const struct option_spec *spec = command_option(invocation->command, name, strlen(name));
    assert(spec != NULL);
    for (size_t i = invocation->value_count; i > 0; i--)
        if (invocation->values[i - 1].spec == spec)
            return &invocation->values[i - 1];
    return NULL;
}

bool option_given(const struct invocation *invocation, const char *name)
{
    return value_of(invocation, name) != NULL;
}

const char *option_text(const struct invocation *invocation, const char *name)
{
    const struct option_value *value = value_of(invocation, name);
    return value != NULL ? value->text : NULL;
}

uint64_t option_number(const struct invocation *invocation, const char *name, uint64_t otherwise)
{
    const struct option_value *value = value_of(invocation, name);
    return value != NULL ? value->number : otherwise;
}

size_t option_list(const struct invocation *invocation, const char *name, const char **values,
                   size_t max)
{
    const struct option_spec *spec = command_option(invocation->command, name, strlen(name));
    size_t count = 0;
    assert(spec != NULL && spec->repeats);
    for (size_t i = 0; i < invocation->value_count; i++) {
        if (invocation->values[i].spec != spec)
            continue;
        if (count < max)
            values[count] = invocation->values[i].text;
        count++;
    }
    return count;
}

/* ------------------------------------------------------------- options */

struct nearest {
    const char *typed;
    const char *best;
    unsigned distance;
};

static bool compare_option(const struct option_spec *spec, void *data)
{
    struct nearest *nearest = data;
    word_nearest(nearest->typed, spec->name, &nearest->best, &nearest->distance);
    return true;
}

static enum parsed unknown_option(const struct invocation *invocation, const char *typed)
{
    char name[WORD_BYTES_MAX + 1];
    struct nearest nearest = {.typed = name};
    size_t length = strcspn(typed + 2, "=");
    snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : sizeof(name) - 1),
             typed + 2);
    command_options(invocation->command, compare_option, &nearest);
    if (nearest.best != NULL)
        usage_error(invocation, "there is no option --%s: did you mean --%s?", name, nearest.best);
    else
        usage_error(invocation, "there is no option --%s", name);
    return PARSED_ERROR;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (const char *p = choices; p != NULL; p = strchr(p, '|')) {
        if (*p == '|')
            p++;
        if (length > 0 && strncmp(p, text, length) == 0 && (p[length] == '|' || p[length] == '\0'))
            return true;
    }
    return false;
}

/* NULL, or what the value should have been. */
static const char *read_value(const struct option_spec *spec, const char *text, uint64_t *number)
{
    uint8_t uuid[UUID_BYTES];
    switch (spec->kind) {
    case OPTION_FLAG:
        return NULL;
    case OPTION_TEXT:
        return spec->choices == NULL || is_choice(spec->choices, text) ? NULL : spec->choices;
    case OPTION_NUMBER:
        return parse_number(text, number) ? NULL : "a whole number";
    case OPTION_QUANTITY:
        return parse_number(text, number) && *number <= QUANTITY_MAX ? NULL : "0 to 999,999,999";
    case OPTION_DURATION:
        return parse_duration(text, number) ? NULL : "a duration such as 500ms, 90s, 15m, 2h or 3d";
    case OPTION_UUID:
        return uuid_parse(text, uuid) ? NULL
                                      : "a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057";
    }
    return "nothing";
}

static bool add_value(struct invocation *invocation, const struct option_spec *spec,
                      const char *text)
{
    struct option_value value = {.spec = spec, .text = text};
    const char *wanted = read_value(spec, text, &value.number);
    if (wanted != NULL) {
        usage_error(invocation, "--%s %s: it should be %s", spec->name, text, wanted);
        return false;
    }
    if (!spec->repeats && option_given(invocation, spec->name)) {
        usage_error(invocation, "--%s is given twice", spec->name);
        return false;
    }
    if (invocation->value_count == OPTION_VALUES_MAX) {
        usage_error(invocation, "more than %d options", OPTION_VALUES_MAX);
        return false;
    }
    invocation->values[invocation->value_count++] = value;
    return true;
}

/* One option at argv[*i]; moves *i past its value. */
static bool parse_option(struct invocation *invocation, int argc, char **argv, int *i)
{
    const char *typed = argv[*i];
    const char *equals = strchr(typed, '=');
    size_t length = equals != NULL ? (size_t)(equals - typed - 2) : strlen(typed + 2);
    const struct option_spec *spec = command_option(invocation->command, typed + 2, length);
    if (spec == NULL)
        return unknown_option(invocation, typed) == PARSED_RUN;
    if (spec->kind == OPTION_FLAG) {
        if (equals != NULL) {
            usage_error(invocation, "--%s takes no value", spec->name);
            return false;
        }
        return add_value(invocation, spec, "");
    }
    if (equals != NULL)
        return add_value(invocation, spec, equals + 1);
    if (*i + 1 >= argc) {
        usage_error(invocation, "--%s lacks its value %s", spec->name, spec->value);
        return false;
    }
    return add_value(invocation, spec, argv[++*i]);
}

struct missing {
    const struct invocation *invocation;
    const struct option_spec *spec;
};

static bool is_there_if_required(const struct option_spec *spec, void *data)
{
    struct missing *missing = data;
    if (spec->required && !option_given(missing->invocation, spec->name))
        missing->spec = spec;
    return missing->spec == NULL;
}

static bool check_counts(const struct invocation *invocation)
{
    const struct command *command = invocation->command;
    struct missing missing = {.invocation = invocation};
    int count = (int)invocation->argument_count;
    if (count < command->arguments_min) {
        usage_error(invocation, "an argument is missing: holdfast %s %s", command->words,
                    command->arguments);
        return false;
    }
    if (command->arguments_max != ARGUMENTS_ANY && count > command->arguments_max) {
        usage_error(invocation, "unexpected argument \"%s\"",
                    invocation->arguments[command->arguments_max]);
        return false;
    }
    command_options(command, is_there_if_required, &missing);
    if (missing.spec != NULL) {
        usage_error(invocation, "--%s %s is required", missing.spec->name, missing.spec->value);
        return false;
    }
    return true;
}

static enum parsed parse_rest(struct invocation *invocation, int argc, char **argv)
{
    int kept = 0;
    bool only_arguments = false;
    for (int i = 0; i < argc; i++) {
        if (only_arguments || argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[kept++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            return PARSED_HELP;
        } else if (strncmp(argv[i], "-C", 2) == 0) {
            usage_error(invocation, "-C FILE goes before the command: holdfast -C FILE %s",
                        invocation->command->words);
            return PARSED_ERROR;
        } else if (argv[i][1] != '-') {
            usage_error(invocation, "there is no option %s", argv[i]);
            return PARSED_ERROR;
        } else if (!parse_option(invocation, argc, argv, &i)) {
            return PARSED_ERROR;
        }
    }
    invocation->arguments = (const char *const *)argv;
    invocation->argument_count = (size_t)kept;
    invocation->json = option_given(invocation, "json");
    return check_counts(invocation) ? PARSED_RUN : PARSED_ERROR;
}

/* ------------------------------------------------------------- commands */

/* Does `words` ("warehouse put") begin with this word? *rest is what follows it, "" or "put". */
static bool first_word_is(const char *words, const char *word, const char **rest)
{
    size_t length = strlen(word);
    if (strncmp(words, word, length) != 0 || (words[length] != '\0' && words[length] != ' '))
        return false;
    *rest = words[length] == ' ' ? words + length + 1 : words + length;
    return length > 0;
}

static enum parsed unknown_command(const char *typed)
{
    const char *best = NULL;
    unsigned distance = 0;
    for (size_t i = 0; i < sizeof(not_built) / sizeof(not_built[0]); i++) {
        if (strcmp(typed, not_built[i].word) != 0)
            continue;
        complain(NULL, "%s is not built yet: %s", typed, not_built[i].why);
        return PARSED_ERROR;
    }
    for (const struct command *c = commands; c->words != NULL; c++) {
        char first[WORD_BYTES_MAX + 1];
        snprintf(first, sizeof(first), "%.*s", (int)strcspn(c->words, " "), c->words);
        if (c->flags & COMMAND_HIDDEN)
            continue;
        const char *was = best;
        word_nearest(typed, first, &best, &distance);
        if (best != was)
            best = c->words;
    }
    if (best != NULL)
        complain(NULL, "there is no command \"%s\": did you mean \"%.*s\"? (see holdfast help)",
                 typed, (int)strcspn(best, " "), best);
    else
        complain(NULL, "there is no command \"%s\" (see holdfast help)", typed);
    return PARSED_ERROR;
}

/* The first word names a group ("warehouse"); its second word is missing or wrong. */
static enum parsed unknown_in_group(const char *group, const char *typed)
{
    char list[256] = "";
    const char *best = NULL;
    unsigned distance = 0;
    for (const struct command *c = commands; c->words != NULL; c++) {
        const char *rest;
        if (!first_word_is(c->words, group, &rest))
            continue;
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", used > 0 ? ", " : "", rest);
        if (typed != NULL)
            word_nearest(typed, rest, &best, &distance);
    }
    if (typed == NULL)
        complain(group, "what of it? It has %s (see holdfast help)", list);
    else if (best != NULL)
        complain(group, "there is no \"%s %s\": did you mean \"%s %s\"?", group, typed, group,
                 best);
    else
        complain(group, "there is no \"%s %s\": it has %s", group, typed, list);
    return PARSED_ERROR;
}

/* Finds the command of one or two words at the start of argv; *used is how many it took. */
static const struct command *find_command(int argc, char **argv, int *used, bool *is_group)
{
    *is_group = false;
    for (const struct command *c = commands; c->words != NULL; c++) {
        const char *rest;
        if (!first_word_is(c->words, argv[0], &rest))
            continue;
        if (*rest == '\0') {
            *used = 1;
            return c;
        }
        *is_group = true;
        if (argc > 1 && strcmp(rest, argv[1]) == 0) {
            *used = 2;
            return c;
        }
    }
    return NULL;
}

static enum parsed parse_command(int argc, char **argv, struct invocation *invocation)
{
    int used = 0;
    bool is_group;
    if (strcmp(argv[0], "help") == 0) {
        if (argc == 1)
            return PARSED_HELP;
        if (strcmp(argv[1], "--table") == 0)
            return PARSED_TABLE;
        invocation->command = find_command(argc - 1, argv + 1, &used, &is_group);
        if (invocation->command != NULL || strcmp(argv[1], "--help") == 0)
            return PARSED_HELP;
        return is_group ? unknown_in_group(argv[1], argc > 2 ? argv[2] : NULL)
                        : unknown_command(argv[1]);
    }
    invocation->command = find_command(argc, argv, &used, &is_group);
    if (invocation->command != NULL)
        return parse_rest(invocation, argc - used, argv + used);
    if (is_group && argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return PARSED_HELP;
    return is_group ? unknown_in_group(argv[0], argc > 1 ? argv[1] : NULL)
                    : unknown_command(argv[0]);
}

enum parsed parse_invocation(int argc, char **argv, struct invocation *invocation)
{
    *invocation = (struct invocation){0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            return PARSED_HELP;
        if (strcmp(argv[i], "--version") == 0)
            return PARSED_VERSION;
        if (strcmp(argv[i], "-C") == 0) {
            if (i + 1 == argc) {
                complain(NULL, "-C lacks its FILE (see holdfast help)");
                return PARSED_ERROR;
            }
            invocation->cluster_file = argv[++i];
        } else if (strncmp(argv[i], "-C", 2) == 0) {
            invocation->cluster_file = argv[i] + 2;
        } else if (argv[i][0] == '-') {
            complain(NULL, "there is no option %s before the command (see holdfast help)", argv[i]);
            return PARSED_ERROR;
        } else {
            return parse_command(argc - i, argv + i, invocation);
        }
    }
    complain(NULL, "a command is missing (see holdfast help)");
    return PARSED_ERROR;
}

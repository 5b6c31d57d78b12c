/* SPDX-License-Identifier: MIT
 *
 * A plan that is kept until it is applied: one line of JSON, the bulk file as it was, and one line
 * of JSON for each of its lines: what would become of it, and the figures that this rests on. What
 * orders reserve meanwhile is no reason to refuse; what they ship is.
 */
#include "cli/plan.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/memory.h"
#include "cli/report.h"
#include "common/clock.h"

#define NOT_FIRST                                                                                  \
    (-1) /* in place of a version: something before it in the file touched the level */
#define TOLD_MAX 50u

/* ------------------------------------------------------------- saving */

bool plan_save_begin(FILE *to, const struct run_input *input)
{
    char digest[2 * BULK_DIGEST_BYTES + 1], at[TIME_TEXT_BYTES], buffer[65536];
    size_t n;

    run_digest_text(input->head.digest, digest);
    local_time(clock_wall_us(), at);
    if (fseek(input->file, 0, SEEK_END) != 0)
        return false;
    long bytes = ftell(input->file);
    rewind(input->file);
    /* The reader of a plan knows it by how this line begins. */
    fprintf(to, "{\"holdfast_plan\":1,\"bytes\":%ld,\"csv\":%s,\"digest\":\"%s\",", bytes,
            input->options.format == BULK_CSV ? "true" : "false", digest);
    /* The run may have been named on the command line alone. */
    struct json_object *run = json_object_new_string(input->head.run);
    fprintf(to, "\"run\":%s,\"planned_at\":\"%s\"}\n",
            json_object_to_json_string_ext(run, JSON_C_TO_STRING_PLAIN), at);
    json_object_put(run);
    while ((n = fread(buffer, 1, sizeof buffer, input->file)) > 0)
        fwrite(buffer, 1, n, to);
    putc('\n', to);
    return !ferror(to) && !ferror(input->file);
}

static struct json_object *expectation(const struct plan_outcome *outcome)
{
    struct json_object *object = json_object_new_object();
    struct json_object *levels = json_object_new_array();

    json_number(object, "line", outcome->line->index);
    json_text(object, "result", outcome->done ? "done" : holdfast_status_name(outcome->status));
    if (outcome->revision > 0)
        json_number(object, "revision", outcome->revision);
    for (size_t i = 0; i < outcome->change_count; i++) {
        const struct plan_change *change = &outcome->changes[i];
        struct json_object *level = json_object_new_object();
        json_text(level, "sku", change->sku);
        json_text(level, "warehouse", change->warehouse);
        json_number(level, "on_hand", change->before.on_hand);
        json_number(level, "unavailable", change->before.unavailable);
        json_number(level, "safety_stock", change->before.safety_stock);
        json_number(level, "reorder_point", change->before.reorder_point);
        json_object_object_add(level, "on_hand_version",
                               json_object_new_int64(change->first
                                                         ? (int64_t)change->before.on_hand_version
                                                         : NOT_FIRST));
        json_object_array_add(levels, level);
    }
    json_object_object_add(object, "levels", levels);
    return object;
}

void plan_save_line(FILE *to, const struct plan_outcome *outcome)
{
    struct json_object *object = expectation(outcome);

    fprintf(to, "%s\n", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
    json_object_put(object);
}

/* ------------------------------------------------------------- comparing */

struct comparison {
    struct run_input *input;
    uint64_t moved; /* lines */
    int code;
    char *text;
    size_t room;
};

static int64_t number_of(struct json_object *object, const char *key)
{
    struct json_object *value;

    return object && json_object_object_get_ex(object, key, &value) ? json_object_get_int64(value)
                                                                    : 0;
}

static const char *text_of(struct json_object *object, const char *key)
{
    struct json_object *value;

    return object && json_object_object_get_ex(object, key, &value) ? json_object_get_string(value)
                                                                    : "";
}

/* "on hand was 118, is 121", or nothing when the level is as it was. */
static void differs(struct json_object *then, struct json_object *now, char *text, size_t bytes)
{
    static const struct {
        const char *key, *words;
    } figures[] = {{"on_hand", "on hand"},
                   {"unavailable", "unavailable"},
                   {"safety_stock", "safety stock"},
                   {"reorder_point", "reorder point"}};

    text[0] = '\0';
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        int64_t was = number_of(then, figures[i].key), is = number_of(now, figures[i].key);
        if (was == is)
            continue;
        snprintf(text, bytes, "%s was %lld, is %lld", figures[i].words, (long long)was,
                 (long long)is);
        return;
    }
    if (number_of(then, "on_hand_version") != number_of(now, "on_hand_version"))
        snprintf(text, bytes, "on hand has moved, and is %lld again",
                 (long long)number_of(now, "on_hand"));
}

static void tell_moved(struct comparison *comparison, const struct plan_outcome *outcome,
                       const char *what, const char *why)
{
    if (comparison->moved++ < TOLD_MAX)
        fprintf(stderr, "%s: line %llu: %s%s%s\n", comparison->input->path,
                (unsigned long long)outcome->line->place.line, what, *what ? ": " : "", why);
}

static void compare(struct comparison *comparison, const struct plan_outcome *outcome,
                    struct json_object *then, struct json_object *now)
{
    struct json_object *old_levels = NULL, *new_levels = NULL;
    char why[160], what[160];

    json_object_object_get_ex(then, "levels", &old_levels);
    json_object_object_get_ex(now, "levels", &new_levels);
    /* It is a file: somebody may have changed it. */
    size_t count =
        json_object_is_type(old_levels, json_type_array) ? json_object_array_length(old_levels) : 0;
    for (size_t i = 0; i < count && i < json_object_array_length(new_levels); i++) {
        struct json_object *old_level = json_object_array_get_idx(old_levels, i);
        differs(old_level, json_object_array_get_idx(new_levels, i), why, sizeof why);
        if (why[0] == '\0')
            continue;
        snprintf(what, sizeof what, "%s %s", text_of(old_level, "warehouse"),
                 text_of(old_level, "sku"));
        tell_moved(comparison, outcome, what, why);
        return;
    }
    if (strcmp(text_of(then, "result"), text_of(now, "result")) != 0) {
        snprintf(why, sizeof why, "it would have been %s, and would be %s", text_of(then, "result"),
                 text_of(now, "result"));
        tell_moved(comparison, outcome, outcome->line->sku, why);
    } else if (number_of(then, "revision") != number_of(now, "revision")) {
        tell_moved(comparison, outcome, outcome->line->reservation,
                   "the reservation has changed since");
    }
}

static bool compare_line(void *data, const struct plan_outcome *outcome)
{
    struct comparison *comparison = data;
    struct json_object *then = NULL;

    ssize_t length = getline(&comparison->text, &comparison->room, comparison->input->plan);
    if (length > 0)
        then = json_tokener_parse(comparison->text);
    if (!then || number_of(then, "line") != (int64_t)outcome->line->index) {
        complain("apply", "%s: the saved plan is cut off", comparison->input->path);
        json_object_put(then);
        comparison->code = EX_DATAERR;
        return false;
    }
    struct json_object *now = expectation(outcome);
    compare(comparison, outcome, then, now);
    json_object_put(now);
    json_object_put(then);
    return true;
}

int plan_compare(struct session *session, struct run_input *input)
{
    struct comparison comparison = {.input = input};

    if (fseek(input->plan, input->expected_at, SEEK_SET) != 0) {
        complain("apply", "could not read \"%s\": %s", input->path, strerror(errno));
        return EX_OSERR;
    }
    int code = plan_walk(session, input, NULL, compare_line, &comparison);
    free(comparison.text);
    if (comparison.code != 0)
        code = comparison.code;
    if (code != 0 || comparison.moved == 0)
        return code;
    complain("apply",
             "version_conflict: stock that %llu line%s has moved since %s: plan again; nothing was "
             "applied",
             (unsigned long long)comparison.moved, comparison.moved == 1 ? " touches" : "s touch",
             input->planned_at);
    return 3;
}

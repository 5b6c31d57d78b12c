/* SPDX-License-Identifier: MIT
 *
 * See run_input.h. A saved plan is one line of JSON, the bulk file as it was, and a line of JSON
 * for each of its lines (plan_save.c).
 */
#include "cli/run_input.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/memory.h"
#include "cli/run_jobs.h"
#include "protocol/ids.h"

#define PLAN_MAGIC "{\"holdfast_plan\":1,"
#define CODES_PAGE 1000u

/* ------------------------------------------------------------- opening */

static bool copy_bytes(FILE *from, FILE *to, int64_t most, int64_t *copied)
{
    char buffer[65536];
    size_t n = 1;

    *copied = 0;
    while (*copied < most && n > 0) {
        int64_t left = most - *copied;
        n = fread(buffer, 1, left < (int64_t)sizeof buffer ? (size_t)left : sizeof buffer, from);
        if (fwrite(buffer, 1, n, to) != n)
            return false;
        *copied += (int64_t)n;
    }
    return !ferror(from) && fflush(to) == 0;
}

/* What cannot be read twice, such as a pipe, is copied first. */
static FILE *spool(const struct run_input *input, FILE *from)
{
    FILE *to = tmpfile();
    int64_t copied = 0;
    bool good = to && copy_bytes(from, to, RUN_SPOOL_BYTES_MAX + 1, &copied);

    if (good && copied <= RUN_SPOOL_BYTES_MAX)
        return to;
    if (good)
        complain(input->words, "%s: more than 1 GiB from a pipe; save it as a file", input->path);
    else
        complain(input->words, "could not copy \"%s\": %s", input->path, strerror(errno));
    if (to)
        fclose(to);
    return NULL;
}

static FILE *open_file(const struct run_input *input)
{
    bool standard = strcmp(input->path, "-") == 0;
    FILE *file = standard ? stdin : fopen(input->path, "re");
    struct stat stat;

    if (!file || fstat(fileno(file), &stat) != 0) {
        complain(input->words, "could not open \"%s\": %s", input->path, strerror(errno));
        if (file && !standard)
            fclose(file);
        return NULL;
    }
    if (S_ISREG(stat.st_mode) && !standard)
        return file;
    FILE *copy = NULL;
    if (S_ISDIR(stat.st_mode))
        complain(input->words, "could not read \"%s\": it is a folder", input->path);
    else
        copy = spool(input, file);
    if (!standard)
        fclose(file);
    return copy;
}

static int not_a_plan(const struct run_input *input, const char *why)
{
    complain(input->words, "%s: it is no saved plan of this version: %s", input->path, why);
    return EX_DATAERR;
}

static void copy_text(struct json_object *from, char *to, size_t bytes)
{
    const char *text = json_object_get_string(from);

    snprintf(to, bytes, "%s", text ? text : "");
}

/* The bulk file comes out of the plan; the rest is read when it is compared. */
static int open_plan(struct run_input *input)
{
    char head[1024];
    struct json_object *object = NULL, *bytes = NULL, *at = NULL, *digest = NULL, *csv = NULL,
                       *run = NULL;
    int64_t copied = 0;
    int code = 0;

    if (!fgets(head, sizeof head, input->file) || !strchr(head, '\n') ||
        !(object = json_tokener_parse(head)) ||
        !json_object_object_get_ex(object, "bytes", &bytes) ||
        !json_object_object_get_ex(object, "planned_at", &at) ||
        !json_object_object_get_ex(object, "digest", &digest) ||
        !json_object_object_get_ex(object, "csv", &csv) ||
        !json_object_object_get_ex(object, "run", &run)) {
        json_object_put(object);
        return not_a_plan(input, "its first line cannot be read");
    }
    copy_text(at, input->planned_at, sizeof input->planned_at);
    copy_text(digest, input->plan_digest, sizeof input->plan_digest);
    copy_text(run, input->plan_run, sizeof input->plan_run);
    input->options.format = json_object_get_boolean(csv) ? BULK_CSV : BULK_YAML;
    int64_t wanted = json_object_get_int64(bytes);
    json_object_put(object);
    if (wanted < 0)
        return not_a_plan(input, "its first line cannot be read");
    input->plan = input->file;
    input->file = tmpfile();
    if (!input->file || !copy_bytes(input->plan, input->file, wanted, &copied)) {
        complain(input->words, "could not copy \"%s\": %s", input->path, strerror(errno));
        code = EX_OSERR;
    } else if (copied != wanted || getc(input->plan) != '\n') {
        code = not_a_plan(input, "it is cut off");
    }
    input->expected_at = ftell(input->plan);
    return code;
}

/* ------------------------------------------------------------- codes */

static bool ask_codes(struct session *session, enum holdfast_query_kind kind, char ***codes,
                      struct bulk_codes *to, int *code)
{
    char after[65] = "";
    bool more = true;
    size_t room = 0;

    *codes = NULL;
    while (more) {
        struct holdfast_query query = {.kind = kind, .after = after, .limit = CODES_PAGE};
        struct holdfast_answer *answer = session_ask(session, &query, code);
        if (!answer || *code != 0) {
            holdfast_answer_free(&answer);
            return false;
        }
        for (size_t i = 0; i < answer->named_count; i++) {
            if (to->count == room)
                *codes = memory_grow(*codes, room = room ? room * 2 : 64, sizeof **codes);
            (*codes)[to->count++] = memory_copy(answer->named[i].code);
            snprintf(after, sizeof after, "%s", answer->named[i].code);
        }
        more = answer->more && answer->named_count > 0;
        holdfast_answer_free(&answer);
    }
    if (!*codes) /* none is another thing than not known */
        *codes = memory_grow(NULL, 1, sizeof **codes);
    to->codes = (const char *const *)*codes;
    return true;
}

/* ------------------------------------------------------------- checking */

static void tell_fault(void *data, const struct bulk_fault *fault)
{
    const struct run_input *input = data;

    fprintf(stderr, "%s:%llu:%llu: error: %s\n", input->path, (unsigned long long)fault->place.line,
            (unsigned long long)fault->place.column, fault->message);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static int open_and_tell_apart(struct run_input *input, const struct invocation *invocation,
                               bool may_be_plan)
{
    char start[sizeof PLAN_MAGIC] = "";

    input->file = open_file(input);
    if (!input->file)
        return EX_OSERR;
    rewind(input->file);
    size_t got = fread(start, 1, sizeof start - 1, input->file);
    rewind(input->file);
    input->options.format =
        option_given(invocation, "csv") || ends_with(input->path, ".csv") ? BULK_CSV : BULK_YAML;
    if (got != sizeof start - 1 || strcmp(start, PLAN_MAGIC) != 0)
        return 0;
    if (!may_be_plan) {
        complain(input->words, "%s is a saved plan: holdfast apply takes it", input->path);
        return EX_DATAERR;
    }
    return open_plan(input);
}

int run_input_open(struct run_input *input, struct session *session, const char *path,
                   bool may_be_plan)
{
    const struct invocation *invocation = session->invocation;

    input->path = path;
    input->words = invocation->command->words;
    int code = open_and_tell_apart(input, invocation, may_be_plan);
    if (code != 0)
        return code;
    input->options.run = option_text(invocation, "run");
    if (!input->options.run && input->plan)
        input->options.run = input->plan_run;
    input->options.fault = tell_fault;
    input->options.data = input;
    if (!ask_codes(session, HOLDFAST_QUERY_WAREHOUSE, &input->codes[0], &input->options.warehouses,
                   &code) ||
        !ask_codes(session, HOLDFAST_QUERY_REASON, &input->codes[1], &input->options.reasons,
                   &code))
        return code ? code : EX_UNAVAILABLE;
    if (!bulk_check(input->file, &input->options, &input->head))
        return EX_DATAERR;
    if (input->plan) {
        char digest[sizeof input->plan_digest];
        run_digest_text(input->head.digest, digest);
        if (strcmp(digest, input->plan_digest) != 0)
            return not_a_plan(input, "the file in it has been changed");
    }
    return 0;
}

void run_input_close(struct run_input *input)
{
    const struct bulk_codes *lists[] = {&input->options.warehouses, &input->options.reasons};

    for (size_t c = 0; c < 2; c++) {
        for (size_t i = 0; i < lists[c]->count; i++)
            free(input->codes[c][i]);
        free(input->codes[c]);
    }
    if (input->file)
        fclose(input->file);
    if (input->plan)
        fclose(input->plan);
}

void run_digest_text(const uint8_t digest[BULK_DIGEST_BYTES], char text[2 * BULK_DIGEST_BYTES + 1])
{
    for (size_t i = 0; i < BULK_DIGEST_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

/* ------------------------------------------------------------- lines as jobs */

struct job *run_line_job(const struct bulk_line *line, uint32_t partitions)
{
    struct job *job = memory_grow(NULL, 1, sizeof *job);
    struct bulk_line *copy = memory_grow(NULL, 1, sizeof *copy);
    uint8_t id[RESERVATION_ID_BYTES];

    *copy = *line;
    *job = (struct job){.line = (uint32_t)line->index, .data = copy};
    if (line->kind == HOLDFAST_PUT_WAREHOUSE || line->kind == HOLDFAST_PUT_REASON) {
        job->reach = JOB_ALL;
    } else if (line->reservation[0] != '\0') {
        /* Its levels are not known here: it keeps its place among all lines of its partition. */
        job->reach = JOB_PARTITION;
        if (reservation_id_parse(line->reservation, strlen(line->reservation), id))
            job->partition = reservation_id_partition(id);
    } else {
        job->key = copy->sku;
        job->partition = holdfast_partition_of(copy->sku, partitions);
    }
    return job;
}

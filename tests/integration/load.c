/* SPDX-License-Identifier: MIT
 *
 * Load for the integration tests: many clients, each a thread with a libholdfast handle of its own,
 * run a script of operations and say what became of each. Started by Cluster.load of harness.py.
 *
 * usage: load --cluster FILE --clients N [--timeout-ms N] [--attempt-timeout-ms N]
 *             [--class interactive]
 *
 * The script comes on standard input, one operation a line, fields separated by tabs:
 *   client  start_ms  kind  key=value…
 * Each client runs its lines in order, none before start_ms after the beginning. Keys: id, attempt,
 * line=SKU=QTY[@WAREHOUSE] (repeated), r (reservation; @N: that of line N, waited for), ttl (ms),
 * order, sku, wh, qty, delta, reason, reference, keep, revive. Output: one line for each, as
 * LOAD_COLUMNS of harness.py names them, times in microseconds since the epoch. It judges nothing.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/holdfast.h"

#define LINES_MAX 8
#define RESERVATION_TEXT 32

struct job {
    char *text; /* the script's line, cut at its tabs */
    unsigned long client;
    int64_t start_ms;
    struct holdfast_operation operation;
    struct holdfast_line lines[LINES_MAX];
    long after; /* job whose reservation this is about, or -1 */

    int status;
    bool replayed, done;
    uint32_t attempts;
    uint64_t sequence;
    int64_t begin_us, end_us;
    char operation_id[37];
    char reservation[RESERVATION_TEXT];
};

static struct job *jobs;
static size_t job_count;
static struct holdfast_options options = {.size = sizeof options, .timeout_ms = 10000};
static int64_t begun_us;
static pthread_mutex_t done_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done_changed = PTHREAD_COND_INITIALIZER;

static const struct {
    const char *name;
    enum holdfast_operation_kind kind;
} kinds[] = {
    {"reserve", HOLDFAST_RESERVE},   {"extend", HOLDFAST_EXTEND},
    {"purchase", HOLDFAST_PURCHASE}, {"release", HOLDFAST_RELEASE},
    {"ship", HOLDFAST_SHIP},         {"cancel", HOLDFAST_CANCEL},
    {"receive", HOLDFAST_RECEIVE},   {"adjust", HOLDFAST_ADJUST},
    {"count", HOLDFAST_COUNT},       {"put_item", HOLDFAST_PUT_ITEM},
    {"transfer", HOLDFAST_TRANSFER},
};

static void die(const char *what, const char *which)
{
    fprintf(stderr, "load: %s: %s\n", what, which);
    exit(64);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ------------------------------------------------------------- the script */

/* SKU=QTY[@WAREHOUSE], cut in place. */
static void read_line(struct job *job, char *text)
{
    if (job->operation.line_count == LINES_MAX)
        die("too many lines", text);
    struct holdfast_line *line = &job->lines[job->operation.line_count++];
    char *at = strrchr(text, '@');
    char *equals = strrchr(text, '=');

    if (!equals || (at && at < equals))
        die("bad line", text);
    if (at)
        *at = 0;
    *equals = 0;
    line->sku = text;
    line->warehouse = at ? at + 1 : NULL;
    line->quantity = (uint32_t)strtoul(equals + 1, NULL, 10);
}

static void read_key(struct job *job, char *key)
{
    struct holdfast_operation *op = &job->operation;
    char *value = strchr(key, '=');

    if (!value)
        die("no value", key);
    *value++ = 0;
    if (strcmp(key, "line") == 0)
        read_line(job, value);
    else if (strcmp(key, "r") == 0 && value[0] == '@')
        job->after = strtol(value + 1, NULL, 10);
    else if (strcmp(key, "r") == 0)
        op->reservation = value;
    else if (strcmp(key, "id") == 0)
        op->operation_id = value;
    else if (strcmp(key, "attempt") == 0)
        op->attempt = (uint16_t)strtoul(value, NULL, 10);
    else if (strcmp(key, "ttl") == 0)
        op->ttl_ms = strtoull(value, NULL, 10);
    else if (strcmp(key, "order") == 0)
        op->order = value;
    else if (strcmp(key, "sku") == 0)
        op->sku = value;
    else if (strcmp(key, "wh") == 0)
        op->warehouse = value;
    else if (strcmp(key, "qty") == 0)
        op->quantity = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(key, "delta") == 0)
        op->delta = strtol(value, NULL, 10);
    else if (strcmp(key, "reason") == 0)
        op->reason = value;
    else if (strcmp(key, "reference") == 0)
        op->reference = value;
    else if (strcmp(key, "keep") == 0)
        op->keep_remainder = value[0] == '1';
    else if (strcmp(key, "revive") == 0)
        op->revive = value[0] == '1';
    else
        die("unknown key", key);
}

static void read_kind(struct job *job, const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            job->operation.kind = kinds[i].kind;
            return;
        }
    }
    die("unknown kind", name);
}

static void read_script(void)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t length;

    while ((length = getline(&text, &room, stdin)) > 0) {
        if (job_count % 1024 == 0)
            jobs = realloc(jobs, (job_count + 1024) * sizeof *jobs);
        if (!jobs)
            die("memory", "out of it");
        struct job *job = &jobs[job_count++];
        char *rest = text;

        memset(job, 0, sizeof *job);
        job->after = -1;
        job->text = text;
        text[strcspn(text, "\n")] = 0;
        text = NULL;
        job->client = strtoul(strsep(&rest, "\t"), NULL, 10);
        if (!rest)
            die("short line", job->text);
        job->start_ms = strtol(strsep(&rest, "\t"), NULL, 10);
        if (!rest)
            die("short line", job->text);
        read_kind(job, strsep(&rest, "\t"));
        while (rest)
            read_key(job, strsep(&rest, "\t"));
    }
    free(text);
    /* only now: realloc moves jobs */
    for (size_t i = 0; i < job_count; i++)
        jobs[i].operation.lines = jobs[i].lines;
}

/* ------------------------------------------------------------- a client */

static void wait_for_start(const struct job *job)
{
    int64_t left_us = begun_us + job->start_ms * 1000 - now_us();
    if (left_us > 0)
        nanosleep(&(struct timespec){left_us / 1000000, left_us % 1000000 * 1000}, NULL);
}

static void wait_for_job(const struct job *job)
{
    pthread_mutex_lock(&done_mutex);
    while (!job->done)
        pthread_cond_wait(&done_changed, &done_mutex);
    pthread_mutex_unlock(&done_mutex);
}

static void run_job(struct holdfast *client, struct job *job)
{
    if (job->after >= 0) {
        wait_for_job(&jobs[job->after]);
        job->operation.reservation = jobs[job->after].reservation;
    }
    wait_for_start(job);
    job->begin_us = now_us();
    struct holdfast_result *result = holdfast_call(client, &job->operation);
    job->end_us = now_us();
    job->status = result->status;
    job->replayed = result->replayed;
    job->attempts = result->attempts;
    job->sequence = result->sequence;
    snprintf(job->operation_id, sizeof job->operation_id, "%s", result->operation_id);
    if (result->reservation)
        snprintf(job->reservation, sizeof job->reservation, "%s", result->reservation->reservation);
    holdfast_result_free(&result);
    pthread_mutex_lock(&done_mutex);
    job->done = true;
    pthread_cond_broadcast(&done_changed);
    pthread_mutex_unlock(&done_mutex);
}

static void *run_client(void *data)
{
    size_t number = (size_t)data;
    char error[256];
    struct holdfast *client = holdfast_open(&options, error, sizeof error);

    if (!client)
        die("could not open the client", error);
    for (size_t i = 0; i < job_count; i++) {
        if (jobs[i].client == number)
            run_job(client, &jobs[i]);
    }
    holdfast_close(&client);
    return NULL;
}

static const char *kind_name(enum holdfast_kind kind)
{
    static const char *const names[] = {"applied", "refused", "shed", "unknown"};
    return names[kind];
}

static void print_jobs(void)
{
    for (size_t i = 0; i < job_count; i++) {
        const struct job *job = &jobs[i];
        printf("%zu\t%s\t%s\t%d\t%u\t%s\t%s\t%llu\t%lld\t%lld\n", i,
               holdfast_status_name(job->status), kind_name(holdfast_status_kind(job->status)),
               job->replayed, job->attempts, job->operation_id, job->reservation,
               (unsigned long long)job->sequence, (long long)job->begin_us, (long long)job->end_us);
    }
}

int main(int argc, char **argv)
{
    size_t client_count = 1;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--cluster") == 0)
            options.cluster_file = argv[i + 1];
        else if (strcmp(argv[i], "--clients") == 0)
            client_count = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--timeout-ms") == 0)
            options.timeout_ms = strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--attempt-timeout-ms") == 0)
            options.attempt_timeout_ms = strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--class") == 0 && strcmp(argv[i + 1], "interactive") == 0)
            options.op_class = HOLDFAST_CLASS_INTERACTIVE;
        else
            die("unknown option", argv[i]);
    }
    read_script();
    pthread_t *threads = calloc(client_count, sizeof *threads);
    if (!threads)
        die("memory", "out of it");
    begun_us = now_us();
    for (size_t i = 0; i < client_count; i++) {
        if (pthread_create(&threads[i], NULL, run_client, (void *)i) != 0)
            die("could not start", "a thread");
    }
    for (size_t i = 0; i < client_count; i++)
        pthread_join(threads[i], NULL);
    print_jobs();
    free(threads);
    return 0;
}

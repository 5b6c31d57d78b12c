/* SPDX-License-Identifier: MIT
 *
 * See auditor.h. The table is small and looked through from the front; the oldest come first.
 */
#include "workers/auditor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* How long an outcome is kept for whoever asks again: the answer may have been lost. */
#define KEPT_US 60000000

struct job {
    struct job *next;
    struct audit_request request;
    struct audit_reply *reply; /* NULL: it waits or runs */
    int64_t done_us;
    bool running;
};

struct auditor {
    struct courier *courier;
    struct job *jobs; /* in the order in which they were asked for */
    size_t count, bytes;
};

struct auditor *auditor_open(void *context, const struct config_shard *shard)
{
    struct auditor *auditor = calloc(1, sizeof *auditor);

    if (!auditor)
        abort();
    auditor->courier = courier_open(context, "auditor", &audit_work, shard);
    if (auditor->courier)
        return auditor;
    int why = errno;
    free(auditor);
    errno = why;
    return NULL;
}

static void forget(struct auditor *auditor, struct job **link)
{
    struct job *job = *link;

    *link = job->next;
    auditor->count--;
    auditor->bytes -= job->reply ? job->reply->body_bytes : 0;
    audit_reply_destroy(&job->reply);
    free(job);
}

static void drop_reply(void *reply)
{
    struct audit_reply *dropped = reply;

    audit_reply_destroy(&dropped);
}

bool auditor_close(struct auditor **auditor)
{
    struct auditor *a = *auditor;

    if (!a)
        return true;
    if (!courier_close(&a->courier, drop_reply))
        return false;
    while (a->jobs)
        forget(a, &a->jobs);
    free(a);
    *auditor = NULL;
    return true;
}

void *auditor_socket(const struct auditor *auditor)
{
    return courier_socket(auditor->courier);
}

static bool same(const struct audit_request *a, const struct audit_request *b)
{
    return a->token == b->token && a->partition == b->partition && a->what == b->what &&
           a->bucket == b->bucket && a->has_after == b->has_after &&
           memcmp(a->after, b->after, sizeof a->after) == 0;
}

/* Who asks for the next page has the one before. */
static void forget_page_before(struct auditor *auditor, const struct audit_request *next)
{
    for (struct job **link = &auditor->jobs, *job; (job = *link) != NULL;) {
        if (job->reply && job->request.what == HF__AUDIT_WHAT__AUDIT_IDS &&
            job->request.token == next->token && job->request.partition == next->partition)
            forget(auditor, link);
        else
            link = &job->next;
    }
}

/* Of the job that runs; there is one only. */
static void take(struct auditor *auditor, struct audit_reply *reply, int64_t now_us)
{
    struct job *job = auditor->jobs;

    while (job && !job->running)
        job = job->next;
    if (!job) {
        audit_reply_destroy(&reply);
        return;
    }
    if (reply->outcome == AUDIT_FAILED)
        log_limited(LOG_WARN, "partition=%u could not audit: %s", reply->request.partition,
                    reply->error);
    job->running = false;
    job->reply = reply;
    job->done_us = now_us;
    auditor->bytes += reply->body_bytes;
}

static void forget_old(struct auditor *auditor, int64_t now_us)
{
    for (struct job **link = &auditor->jobs, *job; (job = *link) != NULL;) {
        if (job->reply && (now_us - job->done_us > KEPT_US || auditor->bytes > AUDITOR_BYTES_MAX))
            forget(auditor, link);
        else
            link = &job->next;
    }
}

static void send_next(struct auditor *auditor)
{
    struct job *job = auditor->jobs;

    while (job && (job->reply || job->running))
        job = job->next;
    if (!job)
        return;
    struct audit_request *request = malloc(sizeof *request);
    if (!request)
        abort();
    *request = job->request;
    job->running = true;
    courier_send(auditor->courier, request);
}

void auditor_tick(struct auditor *auditor, int64_t now_us)
{
    struct audit_reply *reply = courier_reply(auditor->courier);

    if (reply)
        take(auditor, reply, now_us);
    forget_old(auditor, now_us);
    if (!courier_is_busy(auditor->courier))
        send_next(auditor);
}

static enum auditor_says begin(struct auditor *auditor, const struct audit_request *request)
{
    struct job **link = &auditor->jobs, *job;

    if (request->what == HF__AUDIT_WHAT__AUDIT_IDS)
        forget_page_before(auditor, request);
    if (auditor->count >= AUDITOR_JOBS_MAX)
        return AUDITOR_FULL;
    while (*link)
        link = &(*link)->next;
    job = *link = calloc(1, sizeof *job);
    if (!job)
        abort();
    job->request = *request;
    auditor->count++;
    if (!courier_is_busy(auditor->courier))
        send_next(auditor);
    return AUDITOR_RUNNING;
}

/* Who has not fetched the oldest outcome by now begins again. */
static void make_room(struct auditor *auditor)
{
    struct job **link = &auditor->jobs;

    while (*link && !(*link)->reply)
        link = &(*link)->next;
    if (*link && auditor->count >= AUDITOR_JOBS_MAX)
        forget(auditor, link);
}

enum auditor_says auditor_ask(struct auditor *auditor, const struct audit_request *request,
                              const struct audit_reply **reply, int64_t now_us)
{
    struct job **link = &auditor->jobs;

    auditor_tick(auditor, now_us);
    while (*link && !same(&(*link)->request, request))
        link = &(*link)->next;
    if (!*link) {
        make_room(auditor);
        return begin(auditor, request);
    }
    if (!(*link)->reply)
        return AUDITOR_RUNNING;
    *reply = (*link)->reply;
    enum audit_outcome outcome = (*reply)->outcome;
    if (outcome == AUDIT_DONE)
        return AUDITOR_DONE;
    forget(auditor, link);
    return outcome == AUDIT_NOT_OURS ? AUDITOR_NOT_OURS : AUDITOR_FAILED;
}

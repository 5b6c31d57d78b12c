/* SPDX-License-Identifier: MIT
 *
 * The owners' part of an audit: every partition is begun, then each is asked until it is done. An
 * owner has room for AUDITOR_JOBS_MAX of them (workers/auditor.h), so where there are very many,
 * the next is begun when one is done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/audit.h"
#include "common/clock.h"
#include "common/random.h"

/* Between two looks whether it is done. */
#define PAUSE_MIN_MS 2
#define PAUSE_MAX_MS 500
/* Partitions that are under way at once; all of them may be one worker's. */
#define UNDER_WAY_MAX 512u

uint64_t audit_new_token(void)
{
    uint64_t token = 0;

    if (!random_bytes(&token, sizeof token) || token == 0)
        token = (uint64_t)clock_wall_us();
    return token;
}

static void pause_ms(unsigned ms)
{
    struct timespec pause = {.tv_nsec = (long)ms * 1000000L};

    nanosleep(&pause, NULL);
}

struct audit_found *audit_add(struct audit *audit, const char *check, uint32_t partition)
{
    if (audit->found_count == AUDIT_FOUND_MAX) {
        audit->more = true;
        return NULL;
    }
    struct audit_found *found = &audit->found[audit->found_count++];
    *found = (struct audit_found){.partition = partition};
    snprintf(found->check, sizeof found->check, "%s", check);
    return found;
}

/* ------------------------------------------------------------- one partition */

static void note_trouble(struct audit *audit, const struct holdfast_answer *answer)
{
    audit->status = answer->status;
    snprintf(audit->trouble, sizeof audit->trouble, "%s",
             answer->message[0] ? answer->message : holdfast_status_text(answer->status));
}

static int64_t timeout_us(const struct audit *audit)
{
    return (int64_t)option_number(audit->session->invocation, "timeout", AUDIT_TIMEOUT_MS) * 1000;
}

static unsigned longer(unsigned ms)
{
    return ms * 3 / 2 + 1 < PAUSE_MAX_MS ? ms * 3 / 2 + 1 : PAUSE_MAX_MS;
}

static void note_late(struct audit *audit, uint32_t partition)
{
    audit->status = HOLDFAST_DEADLINE_EXCEEDED;
    snprintf(audit->trouble, sizeof audit->trouble, "the audit of partition %u goes on", partition);
}

/* One look. NULL: there is nothing yet (*running), or there will be none, with the reason noted. */
static struct holdfast_answer *look(struct audit *audit, struct holdfast_query *query,
                                    uint32_t partition, bool *running)
{
    query->one_partition = true;
    query->partition = partition;
    struct holdfast_answer *answer = session_await(audit->session, query);
    bool good = answer->status == HOLDFAST_APPLIED && answer->audited_count == 1;

    *running = good && answer->audited[0].running;
    if (!good)
        note_trouble(audit, answer);
    if (!good || *running)
        holdfast_answer_free(&answer);
    return answer;
}

struct holdfast_answer *audit_poll_owner(struct audit *audit, struct holdfast_query *query,
                                         uint32_t partition)
{
    int64_t deadline_us = clock_monotonic_us() + timeout_us(audit);
    bool running = true;

    for (unsigned ms = PAUSE_MIN_MS; running && !was_interrupted(); ms = longer(ms)) {
        struct holdfast_answer *answer = look(audit, query, partition, &running);
        if (answer)
            return answer;
        if (running && clock_monotonic_us() > deadline_us) {
            note_late(audit, partition);
            return NULL;
        }
        if (running)
            pause_ms(ms);
    }
    return NULL;
}

struct holdfast_answer *audit_ask_owner(struct audit *audit, uint32_t partition,
                                        enum holdfast_audit_what what, uint32_t bucket)
{
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_AUDIT, .token = audit_new_token(), .audit = what, .bucket = bucket};

    return audit_poll_owner(audit, &query, partition);
}

/* ------------------------------------------------------------- all of them */

static void take_differences(struct audit *audit, const struct holdfast_answer *answer,
                             uint32_t partition)
{
    for (size_t i = 0; i < answer->difference_count; i++) {
        const struct holdfast_difference *from = &answer->differences[i];
        if (from->partition != partition)
            continue;
        struct audit_found *found = audit_add(audit, from->check, partition);
        if (!found)
            return;
        snprintf(found->sku, sizeof found->sku, "%s", from->sku);
        snprintf(found->warehouse, sizeof found->warehouse, "%s", from->warehouse);
        snprintf(found->reservation, sizeof found->reservation, "%s", from->reservation);
        snprintf(found->message, sizeof found->message, "%s", from->message);
    }
}

static void take(struct audit *audit, const struct holdfast_answer *answer,
                 const struct holdfast_audited *audited)
{
    struct audit_part *part;

    if (audited->partition >= audit->partitions || audit->parts[audited->partition].answered)
        return;
    part = &audit->parts[audited->partition];
    part->answered = true;
    part->sequence = audited->sequence;
    part->digest = audited->digest;
    audit->answered++;
    if (audited->took_ms >= audit->slowest_ms) {
        audit->slowest = audited->partition;
        audit->slowest_ms = audited->took_ms;
    }
    take_differences(audit, answer, audited->partition);
}

/* A look at each that is under way and not done; the first look begins it. Owners work side by side
 * and keep what came out for a minute only, so none waits to be asked until the others are done.
 * Returns how many are left. */
static uint32_t look_round(struct audit *audit, struct holdfast_query *query, bool *left)
{
    uint32_t count = 0, looked = 0;

    for (uint32_t p = 0; p < audit->partitions && !was_interrupted(); p++) {
        if (!left[p])
            continue;
        if (looked++ >= UNDER_WAY_MAX) {
            count++;
            continue;
        }
        struct holdfast_answer *answer = look(audit, query, p, &left[p]);
        count += left[p];
        if (!answer)
            continue;
        take(audit, answer, &answer->audited[0]);
        audit->checked += answer->checked;
        audit->more = audit->more || answer->more;
        holdfast_answer_free(&answer);
    }
    return count;
}

/* The time counts from when one was done last. */
static void finish(struct audit *audit, struct holdfast_query *query, bool *left)
{
    int64_t since_us = clock_monotonic_us();
    uint32_t before = UINT32_MAX, count = 1;

    for (unsigned ms = PAUSE_MIN_MS; count > 0 && !was_interrupted(); ms = longer(ms)) {
        count = look_round(audit, query, left);
        if (count < before)
            since_us = clock_monotonic_us();
        before = count;
        if (count > 0 && clock_monotonic_us() > since_us + timeout_us(audit)) {
            uint32_t p = 0;
            while (!left[p])
                p++;
            note_late(audit, p);
            break;
        }
        if (count > 0)
            pause_ms(ms);
    }
}

/* All of them in one question. left: those that their owners have begun and not done. */
static void begin_all(struct audit *audit, const struct holdfast_query *query, bool *left)
{
    struct holdfast_answer *begun = session_await(audit->session, query);

    if (begun->status != HOLDFAST_APPLIED)
        note_trouble(audit, begun);
    for (size_t i = 0; i < begun->audited_count; i++) {
        const struct holdfast_audited *audited = &begun->audited[i];
        if (!audited->running)
            take(audit, begun, audited);
        else if (audited->partition < audit->partitions)
            left[audited->partition] = true;
    }
    audit->checked = begun->checked;
    audit->more = audit->more || begun->more;
    holdfast_answer_free(&begun);
}

/* Only a session knows how many there are. */
static bool count_partitions(struct audit *audit)
{
    struct session *session = audit->session;
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_WAREHOUSE, .limit = 1};
    struct holdfast_answer *answer = NULL;

    if (holdfast_partitions(session->client) == 0)
        answer = session_await(session, &query);
    audit->partitions = holdfast_partitions(session->client);
    if (audit->partitions == 0)
        note_trouble(audit, answer);
    holdfast_answer_free(&answer);
    return audit->partitions > 0;
}

void audit_owners(struct audit *audit)
{
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_AUDIT, .token = audit_new_token(), .audit = HOLDFAST_AUDIT_CHECKS};
    bool there = count_partitions(audit);
    bool *left = calloc(audit->partitions + 1, sizeof *left);

    audit->parts = calloc(audit->partitions + 1, sizeof *audit->parts);
    if (!audit->parts || !left)
        abort();
    if (there && audit->partitions <= UNDER_WAY_MAX)
        begin_all(audit, &query, left);
    for (uint32_t p = 0; p < audit->partitions && audit->partitions > UNDER_WAY_MAX; p++)
        left[p] = true;
    if (there)
        finish(audit, &query, left);
    free(left);
}

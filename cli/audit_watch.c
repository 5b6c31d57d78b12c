/* SPDX-License-Identifier: MIT
 *
 * audit --watch: one audit after another, what changed between them, and telling the brokers, whose
 * state `status`, the console and metrics read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/audit.h"
#include "cli/json.h"
#include "cli/peer.h"
#include "cli/report.h"
#include "common/clock.h"
#include "protocol/header.h"
#include "protocol/holdfast.pb-c.h"

#define TELL_MS 1000
#define FIRST_MAX 10u
#define REPORT_BYTES_MAX 4096u /* what a broker takes */

/* ------------------------------------------------------------- telling the brokers */

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void describe(Hf__Difference *out, const struct audit_found *found)
{
    hf__difference__init(out);
    out->check = (char *)(uintptr_t)found->check;
    out->sku = bytes_of(found->sku);
    out->warehouse = bytes_of(found->warehouse);
    out->reservation = bytes_of(found->reservation);
    out->message = (char *)(uintptr_t)found->message;
    out->view = bytes_of(found->view);
    out->partition = found->partition;
}

static uint32_t views_compared(const struct audit *audit)
{
    uint32_t count = 0;

    for (size_t i = 0; i < audit->view_count; i++)
        count += audit->views[i].trouble[0] == '\0';
    return count;
}

void audit_publish(const struct audit *audit, uint64_t every_ms)
{
    Hf__AuditReport report = HF__AUDIT_REPORT__INIT;
    Hf__Difference rows[FIRST_MAX], *first[FIRST_MAX];
    uint8_t body[REPORT_BYTES_MAX];
    char error[PEER_ERROR_BYTES];

    report.begun_at_us = audit->begun_us;
    report.took_ms = (uint32_t)(audit->took_us / 1000);
    report.every_ms = (uint32_t)every_ms;
    report.rows = audit->checked;
    report.partitions = audit->partitions;
    report.partitions_checked = audit->answered;
    report.views = (uint32_t)audit->view_count;
    report.views_compared = views_compared(audit);
    report.differences = (uint32_t)audit->found_count;
    report.first = first;
    while (report.n_first < audit->found_count && report.n_first < FIRST_MAX) {
        describe(&rows[report.n_first], &audit->found[report.n_first]);
        first[report.n_first] = &rows[report.n_first];
        report.n_first++;
    }
    while (hf__audit_report__get_packed_size(&report) > sizeof body)
        report.n_first--;
    size_t bytes = hf__audit_report__pack(&report, body);
    bool last = every_ms == 0; /* told although we are being ended */
    for (size_t i = 0; i < audit->config->broker_count && (last || !was_interrupted()); i++) {
        if (!peer_tell(audit->config, audit->config->brokers[i].client, MESSAGE_AUDITED, body,
                       bytes, TELL_MS, error))
            complain("audit", "could not tell broker b%zu: %s", i + 1, error);
    }
}

/* ------------------------------------------------------------- what changed */

/* Is this one among those? What it says in words may change from one audit to the next. */
static bool is_among(const struct audit_found *found, const struct audit_found *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].check, found->check) == 0 && strcmp(list[i].view, found->view) == 0 &&
            list[i].partition == found->partition && strcmp(list[i].sku, found->sku) == 0 &&
            strcmp(list[i].warehouse, found->warehouse) == 0 &&
            strcmp(list[i].reservation, found->reservation) == 0)
            return true;
    }
    return false;
}

struct changes {
    const struct audit_found *came[AUDIT_FOUND_MAX], *went[AUDIT_FOUND_MAX];
    size_t came_count, went_count;
};

static void compare(struct changes *changes, const struct audit *before, const struct audit *now)
{
    changes->came_count = changes->went_count = 0;
    for (size_t i = 0; i < now->found_count; i++) {
        if (!is_among(&now->found[i], before->found, before->found_count))
            changes->came[changes->came_count++] = &now->found[i];
    }
    for (size_t i = 0; i < before->found_count; i++) {
        if (!is_among(&before->found[i], now->found, now->found_count))
            changes->went[changes->went_count++] = &before->found[i];
    }
}

static void print_line(const char *sign, const struct audit_found *found)
{
    printf("  %s %s%s%s partition %u%s%s%s%s%s%s: %s\n", sign, found->check,
           found->view[0] ? " view " : "", found->view, found->partition, found->sku[0] ? " " : "",
           found->sku, found->warehouse[0] ? "@" : "", found->warehouse,
           found->reservation[0] ? " " : "", found->reservation, found->message);
}

static void print_changes(const struct changes *changes, const struct audit *now, int code)
{
    char when[TIME_TEXT_BYTES];

    local_time(now->begun_us, when);
    printf("%s  %zu differences%s\n", when, now->found_count,
           code == 0 || code == 1 ? "" : ", and not everything could be checked");
    for (size_t i = 0; i < changes->came_count; i++)
        print_line("+", changes->came[i]);
    for (size_t i = 0; i < changes->went_count; i++)
        print_line("-", changes->went[i]);
}

static struct json_object *list_json(const struct audit_found *const *list, size_t count)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < count; i++)
        json_object_array_add(array, audit_found_json(list[i]));
    return array;
}

static void print_changes_json(const struct changes *changes, const struct audit *now, int code)
{
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "at", time_json(now->begun_us));
    json_number(object, "took_ms", (uint64_t)(now->took_us / 1000));
    json_number(object, "code", (uint64_t)code);
    json_number(object, "differences", now->found_count);
    json_object_object_add(object, "came", list_json(changes->came, changes->came_count));
    json_object_object_add(object, "went", list_json(changes->went, changes->went_count));
    json_line(object);
}

/* ------------------------------------------------------------- the watch */

static void rest_until(int64_t until_us)
{
    for (int64_t left_us; (left_us = until_us - clock_monotonic_us()) > 0 && !was_interrupted();) {
        struct timespec pause = {.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
        nanosleep(&pause, NULL); /* a signal ends it */
    }
}

int audit_watch(struct session *session, const struct config *config, bool with_views,
                uint64_t every_ms, bool json)
{
    static struct changes changes;
    struct audit before = {0}, now;
    int code = 0, code_before = -1;

    while (!was_interrupted()) {
        int64_t begun_us = clock_monotonic_us();
        audit_run(&now, session, config, with_views);
        if (was_interrupted()) {
            audit_release(&now);
            break;
        }
        code = audit_code(&now);
        compare(&changes, &before, &now);
        if (code != code_before || changes.came_count > 0 || changes.went_count > 0) {
            if (json)
                print_changes_json(&changes, &now, code);
            else
                print_changes(&changes, &now, code);
            audit_complain(&now);
            fflush(stdout);
        }
        audit_publish(&now, every_ms);
        audit_release(&before);
        before = now;
        code_before = code;
        rest_until(begun_us + (int64_t)every_ms * 1000);
    }
    /* Whoever ends a watch has not lost it: nothing more is expected of it. */
    if (code_before >= 0)
        audit_publish(&before, 0);
    audit_release(&before);
    return code;
}

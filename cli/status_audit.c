/* SPDX-License-Identifier: MIT
 *
 * See status_audit.h.
 */
#include "cli/status_audit.h"

#include <stdio.h>

#include "cli/json.h"

/* A watch that is late by more than this and as much again as it takes has ended. */
#define LATE_MS 5000

static void add_problem(struct json_object *problems, const char *text)
{
    json_object_array_add(problems, json_object_new_string(text));
}

static struct json_object *bytes_json(ProtobufCBinaryData bytes)
{
    return json_object_new_string_len((const char *)bytes.data, (int)bytes.len);
}

static struct json_object *first_json(const Hf__AuditReport *report)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < report->n_first; i++) {
        const Hf__Difference *from = report->first[i];
        struct json_object *entry = json_object_new_object();
        json_text(entry, "check", from->check);
        json_object_object_add(entry, "view", bytes_json(from->view));
        json_number(entry, "partition", from->partition);
        json_object_object_add(entry, "sku", bytes_json(from->sku));
        json_object_object_add(entry, "warehouse", bytes_json(from->warehouse));
        json_object_object_add(entry, "reservation", bytes_json(from->reservation));
        json_text(entry, "message", from->message);
        json_object_array_add(list, entry);
    }
    return list;
}

static void look_for_problems(const Hf__AuditReport *report, int64_t age_ms,
                              struct json_object *problems)
{
    char text[200];

    if (report->differences > 0) {
        snprintf(text, sizeof text, "the last audit found %u differences: see `holdfast audit`",
                 report->differences);
        add_problem(problems, text);
    }
    if (report->partitions_checked < report->partitions || report->views_compared < report->views) {
        snprintf(text, sizeof text, "the last audit checked %u of %u partitions and %u of %u views",
                 report->partitions_checked, report->partitions, report->views_compared,
                 report->views);
        add_problem(problems, text);
    }
    if (report->every_ms > 0 &&
        age_ms > 2 * ((int64_t)report->every_ms + report->took_ms) + LATE_MS) {
        snprintf(text, sizeof text, "`holdfast audit --watch` has told nothing for %lld s",
                 (long long)(age_ms / 1000));
        add_problem(problems, text);
    }
}

void status_audit_add(struct json_object *root, const Hf__AuditReport *report, int64_t clock_us,
                      struct json_object *problems)
{
    struct json_object *object = NULL;

    if (report) {
        int64_t age_ms = (clock_us - report->told_at_us) / 1000;
        object = json_object_new_object();
        json_object_object_add(object, "at", time_json(report->begun_at_us));
        json_object_object_add(object, "by", bytes_json(report->by));
        json_number(object, "age_ms", age_ms > 0 ? (uint64_t)age_ms : 0);
        json_number(object, "took_ms", report->took_ms);
        json_number(object, "every_ms", report->every_ms);
        json_number(object, "rows", report->rows);
        json_number(object, "partitions", report->partitions);
        json_number(object, "partitions_checked", report->partitions_checked);
        json_number(object, "views", report->views);
        json_number(object, "views_compared", report->views_compared);
        json_number(object, "differences", report->differences);
        json_object_object_add(object, "first", first_json(report));
        look_for_problems(report, age_ms, problems);
    }
    json_object_object_add(root, "audit", object);
}

static long long number_of(struct json_object *object, const char *key)
{
    struct json_object *field;

    return json_object_object_get_ex(object, key, &field) ? json_object_get_int64(field) : 0;
}

void status_audit_print(struct json_object *root)
{
    struct json_object *audit;

    if (!json_object_object_get_ex(root, "audit", &audit) || !audit)
        return;
    printf("\nAUDIT    %lld s ago: %lld differences, %lld of %lld partitions, %lld of %lld views, "
           "took "
           "%lld ms\n",
           number_of(audit, "age_ms") / 1000, number_of(audit, "differences"),
           number_of(audit, "partitions_checked"), number_of(audit, "partitions"),
           number_of(audit, "views_compared"), number_of(audit, "views"),
           number_of(audit, "took_ms"));
}

/* SPDX-License-Identifier: MIT
 *
 * audit: do stock, reservations, ledger and views agree? See audit.h for how that is found out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/audit.h"
#include "cli/json.h"
#include "cli/report.h"
#include "cli/table.h"
#include "common/clock.h"

#define EVERY_MS 60000
#define EVERY_MIN_MS 100
#define EVERY_MAX_MS (24 * 3600 * 1000)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------- running it */

void audit_run(struct audit *audit, struct session *session, const struct config *config,
               bool with_views)
{
    int64_t begun_us = clock_monotonic_us();

    *audit = (struct audit){.session = session, .config = config, .begun_us = clock_wall_us()};
    audit->found = calloc(AUDIT_FOUND_MAX, sizeof *audit->found);
    if (!audit->found)
        abort();
    audit_owners(audit);
    if (with_views && audit->answered > 0)
        audit_views(audit);
    if (audit->answered > 0)
        audit_compare_ids(audit);
    audit->took_us = clock_monotonic_us() - begun_us;
}

void audit_release(struct audit *audit)
{
    free(audit->found);
    free(audit->parts);
    *audit = (struct audit){0};
}

static bool is_complete(const struct audit *audit)
{
    for (size_t i = 0; i < audit->view_count; i++) {
        if (audit->views[i].trouble[0] != '\0')
            return false;
    }
    return audit->partitions > 0 && audit->answered == audit->partitions && !audit->ids_incomplete;
}

int audit_code(const struct audit *audit)
{
    if (audit->found_count > 0)
        return 1;
    if (is_complete(audit))
        return 0;
    return audit->status != HOLDFAST_APPLIED ? holdfast_status_exit(audit->status) : EX_UNAVAILABLE;
}

/* ------------------------------------------------------------- telling */

static const struct column columns[] = {
    {.title = "CHECK"},
    {.title = "VIEW", .if_not_zero = true},
    {.title = "PARTITION", .right = true},
    {.title = "SKU", .if_not_zero = true},
    {.title = "WAREHOUSE", .if_not_zero = true},
    {.title = "RESERVATION", .if_not_zero = true},
    {.title = "WHAT"},
};

static void print_found(const struct audit *audit)
{
    struct table table;

    table_init(&table, columns, COUNT(columns));
    for (size_t i = 0; i < audit->found_count; i++) {
        const struct audit_found *found = &audit->found[i];
        table_cell(&table, "%s", found->check);
        table_cell(&table, "%s", found->view);
        table_cell(&table, "%u", found->partition);
        table_cell(&table, "%s", found->sku);
        table_cell(&table, "%s", found->warehouse);
        table_cell(&table, "%s", found->reservation);
        table_cell(&table, "%s", found->message);
    }
    table_print(&table, stdout);
    table_release(&table);
}

static void print_words(const struct audit *audit)
{
    if (audit->found_count > 0)
        print_found(audit);
    for (size_t i = 0; i < audit->view_count; i++)
        printf("%s compared in %u of %u partitions\n", audit->views[i].name,
               audit->views[i].compared, audit->partitions);
    printf("%llu rows checked in %u of %u partitions, %llu operation ids compared, ",
           (unsigned long long)audit->checked, audit->answered, audit->partitions,
           (unsigned long long)audit->ids);
    if (audit->found_count > 0)
        printf("%zu differences%s\n", audit->found_count, audit->more ? " and more" : "");
    else
        puts(is_complete(audit) ? "no differences" : "no differences there");
}

struct json_object *audit_found_json(const struct audit_found *found)
{
    struct json_object *entry = json_object_new_object();

    json_text(entry, "check", found->check);
    json_text(entry, "view", found->view);
    json_number(entry, "partition", found->partition);
    json_text(entry, "sku", found->sku);
    json_text(entry, "warehouse", found->warehouse);
    json_text(entry, "reservation", found->reservation);
    json_text(entry, "message", found->message);
    return entry;
}

static struct json_object *views_json(const struct audit *audit)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < audit->view_count; i++) {
        struct json_object *entry = json_object_new_object();
        json_text(entry, "view", audit->views[i].name);
        json_number(entry, "partitions_compared", audit->views[i].compared);
        json_text(entry, "trouble", audit->views[i].trouble);
        json_object_array_add(list, entry);
    }
    return list;
}

static void print_json(const struct audit *audit)
{
    struct json_object *object = json_object_new_object(), *list = json_object_new_array();

    json_number(object, "checked", audit->checked);
    json_number(object, "operation_ids", audit->ids);
    json_number(object, "partitions_asked", audit->partitions);
    json_number(object, "partitions_answered", audit->answered);
    json_number(object, "took_ms", (uint64_t)(audit->took_us / 1000));
    json_number(object, "slowest_partition", audit->slowest);
    json_number(object, "slowest_ms", audit->slowest_ms);
    json_object_object_add(object, "views", views_json(audit));
    for (size_t i = 0; i < audit->found_count; i++)
        json_object_array_add(list, audit_found_json(&audit->found[i]));
    json_object_object_add(object, "differences", list);
    json_object_object_add(object, "more", json_object_new_boolean(audit->more));
    json_line(object);
}

void audit_print(const struct audit *audit, bool json)
{
    if (audit->answered == 0)
        return;
    if (json)
        print_json(audit);
    else
        print_words(audit);
}

void audit_complain(const struct audit *audit)
{
    if (audit->status != HOLDFAST_APPLIED)
        fprintf(stderr, "%s: %s; %u of %u partitions were checked\n",
                holdfast_status_name(audit->status), audit->trouble, audit->answered,
                audit->partitions);
    if (audit->ids_incomplete)
        complain("audit", "not all operation ids could be compared: %s", audit->trouble);
    for (size_t i = 0; i < audit->view_count; i++) {
        if (audit->views[i].trouble[0] != '\0')
            complain("audit", "view %s was compared in %u of %u partitions: %s",
                     audit->views[i].name, audit->views[i].compared, audit->partitions,
                     audit->views[i].trouble);
    }
}

/* ------------------------------------------------------------- the command */

static bool propose(struct audit *audit, struct audit_proposal *proposal)
{
    if (!audit_propose(audit, proposal))
        return false;
    fprintf(stderr,
            "%s: %zu line%s something, %zu difference%s that no movement mends; nothing was "
            "changed: look at it, then `holdfast apply` it\n",
            proposal->path, proposal->lines, proposal->lines == 1 ? " that mends" : "s that mend",
            proposal->left, proposal->left == 1 ? "" : "s");
    return true;
}

static int audit_once(const struct invocation *invocation, struct session *session,
                      const struct config *config, bool with_views)
{
    struct audit audit;
    struct audit_proposal proposal;

    if (!audit_proposal_make(&proposal, option_text(invocation, "propose")))
        return EX_OSERR;
    audit_run(&audit, session, config, with_views);
    audit_print(&audit, invocation->json);
    audit_complain(&audit);
    int code = was_interrupted() ? EXIT_INTERRUPTED : audit_code(&audit);
    if (code == EXIT_INTERRUPTED || audit.answered == 0)
        audit_proposal_drop(&proposal);
    else if (proposal.file && !propose(&audit, &proposal))
        code = EX_OSERR;
    audit_release(&audit);
    return code;
}

int cmd_audit(const struct invocation *invocation)
{
    static struct config config;
    struct session session;
    char path[CONFIG_PATH_BYTES];
    bool with_views = !option_given(invocation, "no-views");
    uint64_t every_ms = option_number(invocation, "every", EVERY_MS);

    if (option_given(invocation, "propose") && option_given(invocation, "watch"))
        return usage_error(invocation, "--propose is of one audit: not with --watch");
    if (option_given(invocation, "every") && !option_given(invocation, "watch"))
        return usage_error(invocation, "--every is of use with --watch alone");
    if (every_ms < EVERY_MIN_MS || every_ms > EVERY_MAX_MS)
        return usage_error(invocation, "--every must be from 100ms to 24h");
    int code = session_open(&session, invocation, HOLDFAST_CLASS_BULK, AUDIT_TIMEOUT_MS);
    if (code != 0)
        return code;
    catch_interrupts();
    code = session_config(invocation, &config, path, sizeof path);
    if (code == 0 && option_given(invocation, "watch"))
        code = audit_watch(&session, &config, with_views, every_ms, invocation->json);
    else if (code == 0)
        code = audit_once(invocation, &session, &config, with_views);
    session_close(&session);
    return code;
}

/* SPDX-License-Identifier: MIT
 *
 * See report.h. Faults and the choice between JSON and text; the tables are in print.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/json.h"
#include "cli/report.h"

#define FAULT_BYTES 4096

struct fault { /* one line, built up */
    char text[FAULT_BYTES];
    size_t used;
};

static void fault_add(struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fault_add(struct fault *fault, const char *format, ...)
{
    va_list arguments;
    int n;
    if (fault->used + 1 >= sizeof(fault->text))
        return;
    va_start(arguments, format);
    n = vsnprintf(fault->text + fault->used, sizeof(fault->text) - fault->used, format, arguments);
    va_end(arguments);
    if (n > 0)
        fault->used += (size_t)n;
    if (fault->used >= sizeof(fault->text))
        fault->used = sizeof(fault->text) - 1;
}

static void fault_print(struct fault *fault)
{
    for (char *p = fault->text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    fprintf(stderr, "%s\n", fault->text);
}

/* "note is too long" has the field "note" at its head, a whole word. */
static bool begins_with(const char *message, const char *field)
{
    size_t length = strlen(field);
    return strncmp(message, field, length) == 0 && message[length] == ' ';
}

/* The name comes first, so that a script can cut it off at the first colon. */
static void fault_begin(struct fault *fault, int status, const char *line, const char *field,
                        const char *message)
{
    fault->used = 0;
    fault->text[0] = '\0';
    fault_add(fault, "%s: ", holdfast_status_name(status));
    if (line != NULL)
        fault_add(fault, "%s: ", line);
    fault_add(fault, "%s", holdfast_status_text(status));
    bool told = field != NULL && message != NULL && begins_with(message, field); /* there */
    if (field != NULL && *field != '\0' && !told)
        fault_add(fault, ": %s", field);
    if (message != NULL && *message != '\0' && strcmp(message, holdfast_status_text(status)) != 0)
        fault_add(fault, ": %s", message);
}

static void fault_shortages(struct fault *fault, const struct holdfast_result *result)
{
    for (size_t i = 0; i < result->shortage_count; i++) {
        const struct holdfast_shortage *shortage = &result->shortages[i];
        fault_add(fault, "%s%s", i == 0 ? ": " : "; ", shortage->sku);
        if (*shortage->warehouse != '\0')
            fault_add(fault, " at %s", shortage->warehouse);
        fault_add(fault, ": asked %u, available %u", shortage->requested, shortage->available);
    }
}

static void print_moved(const struct holdfast_result *result)
{
    for (size_t i = 0; i < result->moved_count; i++) {
        const struct holdfast_movement *moved = &result->moved[i];
        struct fault line = {.used = 0};
        char at[TIME_TEXT_BYTES];
        local_time(moved->at_us, at);
        fault_add(&line, "  %s %s %+d, then %u on hand (on_hand_version %llu)", at,
                  holdfast_movement_name(moved->kind), moved->on_hand_change, moved->after.on_hand,
                  (unsigned long long)moved->sequence);
        if (moved->actor != NULL && *moved->actor != '\0')
            fault_add(&line, " by %s", moved->actor);
        if (moved->reference != NULL && *moved->reference != '\0')
            fault_add(&line, ", %s", moved->reference);
        fault_print(&line);
    }
}

/* What stood in the field that a result names, such as receive.lines[0].sku; NULL: not one of those
 * that a person typed. */
static const char *value_of(const struct holdfast_operation *operation, const char *field)
{
    const char *dot = strrchr(field, '.'), *open = strchr(field, '[');
    size_t index = open != NULL ? strtoul(open + 1, NULL, 10) : 0;
    bool in_lines = open != NULL && index < operation->line_count && dot != NULL && dot > open;
    const char *last = dot != NULL ? dot + 1 : field;
    if (strcmp(last, "sku") == 0)
        return in_lines ? operation->lines[index].sku : operation->sku;
    if (strcmp(last, "warehouse") == 0)
        return in_lines ? operation->lines[index].warehouse : operation->warehouse;
    if (strcmp(last, "to") == 0)
        return operation->to_warehouse;
    if (strcmp(last, "reason") == 0)
        return operation->reason;
    if (strncmp(last, "warehouses[", 11) == 0 && index < operation->warehouse_count)
        return operation->warehouses[index];
    if (strncmp(last, "barcodes[", 9) == 0 && index < operation->barcode_count)
        return operation->barcodes[index];
    return NULL;
}

/* What is unknown or taken is told as it was typed; JSON names the field. */
static const char *what_of(const struct holdfast_operation *operation,
                           const struct holdfast_result *result)
{
    const char *value = NULL;
    switch (result->status) {
    case HOLDFAST_UNKNOWN_SKU:
    case HOLDFAST_UNKNOWN_WAREHOUSE:
    case HOLDFAST_UNKNOWN_REASON:
    case HOLDFAST_BARCODE_TAKEN:
        value = operation != NULL ? value_of(operation, result->field) : NULL;
        break;
    case HOLDFAST_UNKNOWN_RESERVATION:
        value = operation != NULL ? operation->reservation : NULL;
        break;
    default:
        break;
    }
    return value != NULL ? value : result->field;
}

void report_fault(const struct holdfast_operation *operation, const struct holdfast_result *result,
                  const char *line)
{
    struct fault fault;
    fault_begin(&fault, result->status, line, what_of(operation, result),
                result->shortage_count > 0 ? NULL : result->message);
    fault_shortages(&fault, result);
    if (result->retry_after_ms > 0)
        fault_add(&fault, ": try again in %u ms", result->retry_after_ms);
    fault_print(&fault);
    print_moved(result);
}

/* Only with the id can what is unknown be found out. */
static void print_way_on(const struct holdfast_result *result)
{
    fprintf(stderr,
            "  it may have been applied: repeat the command with --id %s, which takes effect "
            "once,\n  or settle it with: holdfast settle %s\n",
            result->operation_id, result->operation_id);
}

void report_refusal(const struct invocation *invocation, const struct holdfast_result *result)
{
    if (invocation->json)
        json_line(result_json(result, false, NULL));
    report_fault(NULL, result, NULL);
}

int not_found(int status, const char *what)
{
    struct fault fault;
    fault_begin(&fault, status, NULL, what, NULL);
    fault_print(&fault);
    return holdfast_status_exit(status);
}

void report_answer_fault(const struct holdfast_answer *answer)
{
    struct fault fault;
    int status = answer->status != HOLDFAST_APPLIED ? answer->status : HOLDFAST_UNAVAILABLE;
    fault_begin(&fault, status, NULL, answer->field, answer->message);
    if (answer->partitions_asked > 1)
        fault_add(&fault, ": %u of %u partitions answered", answer->partitions_answered,
                  answer->partitions_asked);
    fault_print(&fault);
}

void report_read_fault(const struct holdfast_view_answer *answer)
{
    struct fault fault;
    fault_begin(&fault, answer->status, NULL, answer->field, answer->message);
    for (size_t i = 0; i < answer->unknown_key_count; i++)
        fault_add(&fault, "%s %s", i == 0 ? ":" : ",", answer->unknown_keys[i]);
    fault_print(&fault);
}

void report_interrupted(const struct invocation *invocation, const char *operation_id)
{
    if (invocation->json) {
        struct json_object *object = json_object_new_object();
        json_text(object, "result", holdfast_status_name(HOLDFAST_UNKNOWN));
        json_text(object, "operation_id", operation_id);
        json_text(object, "message", "interrupted");
        json_line(object);
    }
    fprintf(stderr, "unknown: interrupted; settle it with: holdfast settle %s\n", operation_id);
}

/* ------------------------------------------------------------- results */

/* What an applied operation without a reservation or levels says: verb and what it was about. */
static void print_put(const struct holdfast_operation *operation,
                      const struct holdfast_result *result)
{
    if (operation->kind == HOLDFAST_PUT_ITEM)
        printf("item %s", operation->sku);
    else if (operation->kind == HOLDFAST_PUT_WAREHOUSE)
        printf("warehouse %s", operation->warehouse);
    else if (operation->kind == HOLDFAST_PUT_REASON)
        printf("reason %s", operation->reason);
    else
        printf("%s", result->operation_id);
    printf(": %s, version %llu\n", result->replayed ? "was put before" : "put",
           (unsigned long long)result->sequence);
}

static void print_applied(const struct holdfast_operation *operation,
                          const struct holdfast_result *result)
{
    if (result->replayed)
        fprintf(stderr, "applied: before, under this id; this is its result\n");
    if (result->reservation != NULL)
        print_reservation(result->reservation);
    else if (result->level_count > 0)
        print_levels(result->levels, result->level_count);
    else
        print_put(operation, result);
}

int report_result(const struct invocation *invocation, const struct holdfast_operation *operation,
                  const struct holdfast_result *result, const char *line)
{
    bool about_reservation =
        operation->kind >= HOLDFAST_RESERVE && operation->kind <= HOLDFAST_RETURN;
    if (invocation->json) {
        struct json_object *object = result_json(result, about_reservation, operation->reservation);
        if (line != NULL)
            json_text(object, "line", line);
        json_line(object);
    }
    if (result->kind != HOLDFAST_KIND_APPLIED)
        report_fault(operation, result, line);
    else if (!invocation->json)
        print_applied(operation, result);
    if (result->kind == HOLDFAST_KIND_UNKNOWN)
        print_way_on(result);
    return holdfast_status_exit(result->status);
}

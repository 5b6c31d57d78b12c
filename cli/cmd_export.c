/* SPDX-License-Identifier: MIT
 *
 * holdfast export: a bulk file of what is there, or a count sheet of one warehouse, for `holdfast
 * apply` to take back. Reads page by page and writes as it reads, so that memory does not grow with
 * the stock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bulk/bulk.h"
#include "cli/json.h"
#include "cli/lines.h"
#include "cli/memory.h"
#include "cli/report.h"
#include "cli/session.h"
#include "client/holdfast_view.h"

#define PAGE 1000
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const enum holdfast_operation_kind sheet_kinds[] = {HOLDFAST_COUNT};
static const enum holdfast_operation_kind all_kinds[] = {
    HOLDFAST_PUT_REASON, HOLDFAST_PUT_WAREHOUSE,    HOLDFAST_PUT_ITEM,
    HOLDFAST_COUNT,      HOLDFAST_SET_SAFETY_STOCK, HOLDFAST_SET_REORDER_POINT};

struct export
{
    struct session *session;
    const char *sheet; /* the warehouse whose count sheet it is, or NULL */
    enum bulk_format format;
    struct bulk_writer writer;
    char run[CODE_BYTES_MAX + 1];
    bool found; /* the sheet's warehouse */
    uint64_t lines;
    int code; /* of the first thing that went wrong; what could be written was */
};

/* ------------------------------------------------------------- lines */

static void print_json(const struct bulk_line *line, bool open)
{
    struct json_object *object = json_object_new_object(), *barcodes;
    bool item = line->kind == HOLDFAST_PUT_ITEM;
    json_text(object, "op", bulk_op_name(line->kind));
    if (line->sku[0] != '\0')
        json_text(object, "sku", line->sku);
    if (line->warehouse[0] != '\0')
        json_text(object, "warehouse", line->warehouse);
    if (line->reason[0] != '\0')
        json_text(object, "reason", line->reason);
    if (item || line->kind == HOLDFAST_PUT_WAREHOUSE || line->kind == HOLDFAST_PUT_REASON)
        json_text(object, "name", line->name);
    else if (open)
        json_text(object, "to", NULL);
    else
        json_number(object, "to", (uint64_t)line->amount);
    if (line->has_version)
        json_number(object, "if_version", line->if_version);
    if (item) {
        json_number(object, "reorder_point", (uint64_t)line->amount);
        barcodes = json_object_new_array();
        for (size_t i = 0; i < line->barcode_count; i++)
            json_object_array_add(barcodes, json_object_new_string(line->barcodes[i]));
        json_object_object_add(object, "barcodes", barcodes);
    }
    json_line(object);
}

static void put_line(struct export *export, const struct bulk_line *line, const char *remark)
{
    bool open = export->sheet != NULL;
    if (export->session->invocation->json) {
        print_json(line, open);
        export->lines++;
        return;
    }
    if (export->lines == 0 && open)
        bulk_write_begin(&export->writer, stdout, export->format, export->run, sheet_kinds,
                         COUNT(sheet_kinds));
    else if (export->lines == 0)
        bulk_write_begin(&export->writer, stdout, export->format, export->run, all_kinds,
                         COUNT(all_kinds));
    export->lines++;
    if (bulk_write_line(&export->writer, line, open, remark))
        return;
    complain("export", "%s is left out: it has a barcode with a blank, which CSV cannot say",
             line->sku);
    export->code = EX_DATAERR;
}

/* A newer cluster might allow longer texts than this program's files do. */
static void copy(struct export *export, char *to, size_t bytes, const char *from)
{
    if (strlen(from) < bytes) {
        memcpy(to, from, strlen(from) + 1);
        return;
    }
    complain("export", "\"%.64s\" is longer than a bulk file takes", from);
    export->code = EX_DATAERR;
}

#define COPY(field, from) copy(export, (field), sizeof(field), (from))

static void put_level(struct export *export, const struct holdfast_level *level, const char *name)
{
    struct bulk_line line = {.kind = HOLDFAST_COUNT,
                             .amount = level->on_hand,
                             .has_version = true,
                             .if_version = level->on_hand_version};
    COPY(line.sku, level->sku);
    COPY(line.warehouse, level->warehouse);
    put_line(export, &line, name);
    if (export->sheet != NULL)
        return;
    line.has_version = false;
    line.kind = HOLDFAST_SET_SAFETY_STOCK;
    line.amount = level->safety_stock;
    if (line.amount > 0)
        put_line(export, &line, name);
    line.kind = HOLDFAST_SET_REORDER_POINT;
    line.amount = level->reorder_point;
    if (line.amount > 0)
        put_line(export, &line, name);
}

static void put_named(struct export *export, const struct holdfast_named *named, bool reason)
{
    struct bulk_line line = {.kind = reason ? HOLDFAST_PUT_REASON : HOLDFAST_PUT_WAREHOUSE};
    copy(export, reason ? line.reason : line.warehouse, sizeof(line.reason), named->code);
    COPY(line.name, named->name);
    put_line(export, &line, NULL);
}

static void put_item(struct export *export, const struct holdfast_item *item)
{
    struct bulk_line line = {.kind = HOLDFAST_PUT_ITEM,
                             .amount = item->reorder_point,
                             .barcode_count = item->barcode_count};
    if (item->barcode_count > BULK_BARCODES_MAX) {
        complain("export", "%s has more barcodes than a bulk file takes", item->sku);
        export->code = EX_DATAERR;
        return;
    }
    COPY(line.sku, item->sku);
    COPY(line.name, item->name);
    for (size_t i = 0; i < item->barcode_count; i++)
        COPY(line.barcodes[i], item->barcodes[i]);
    put_line(export, &line, NULL);
}

/* ------------------------------------------------------------- pages */

static size_t rows_of(const struct holdfast_answer *answer, enum holdfast_query_kind kind)
{
    return kind == HOLDFAST_QUERY_ITEM ? answer->item_count : answer->named_count;
}

typedef void take_row(struct export *export, const struct holdfast_answer *answer, size_t index);

static void take_pages(struct export *export, enum holdfast_query_kind kind, take_row *take)
{
    char after[CODE_BYTES_MAX + 1] = "";
    bool more = true;
    while (more && export->code == 0) {
        struct holdfast_query query = {.kind = kind, .after = after, .limit = PAGE};
        struct holdfast_answer *answer = session_ask(export->session, &query, &export->code);
        size_t count = export->code == 0 ? rows_of(answer, kind) : 0;
        for (size_t i = 0; i < count; i++)
            take(export, answer, i);
        more = count > 0 && answer->more;
        if (more)
            COPY(after, kind == HOLDFAST_QUERY_ITEM ? answer->items[count - 1].sku
                                                    : answer->named[count - 1].code);
        holdfast_answer_free(&answer);
    }
}

static void take_reason(struct export *export, const struct holdfast_answer *answer, size_t index)
{
    put_named(export, &answer->named[index], true);
}

static void take_warehouse(struct export *export, const struct holdfast_answer *answer,
                           size_t index)
{
    put_named(export, &answer->named[index], false);
}

static void take_item(struct export *export, const struct holdfast_answer *answer, size_t index)
{
    put_item(export, &answer->items[index]);
}

static void find_sheet(struct export *export, const struct holdfast_answer *answer, size_t index)
{
    if (strcmp(answer->named[index].code, export->sheet) == 0)
        export->found = true;
}

/* A page that lacks the levels of a partition is no page: nobody would miss them on paper. */
static bool is_whole(struct export *export, const struct holdfast_view_answer *answer)
{
    if (answer->status == HOLDFAST_APPLIED && answer->unknown_partitions == 0)
        return true;
    export->code = EX_UNAVAILABLE;
    if (answer->status == HOLDFAST_APPLIED) {
        fprintf(stderr, "%s: %u of %u partitions did not answer\n",
                holdfast_status_name(HOLDFAST_UNAVAILABLE), answer->unknown_partitions,
                answer->partitions);
        return false;
    }
    report_read_fault(answer);
    export->code = holdfast_status_exit(answer->status);
    return false;
}

static void take_levels(struct export *export)
{
    char *cursor = NULL;
    bool more = true;
    while (more && export->code == 0) {
        struct holdfast_view_query query = {.kind = HOLDFAST_VIEW_LEVELS,
                                            .consistency = HOLDFAST_READ_LATEST,
                                            .warehouse = export->sheet,
                                            .limit = PAGE,
                                            .cursor = cursor};
        struct holdfast_view_answer *answer = holdfast_view_ask(export->session->client, &query);
        bool whole = is_whole(export, answer);
        for (size_t i = 0; whole && i < answer->level_count; i++)
            put_level(export, &answer->levels[i].level, answer->levels[i].name);
        more = whole && answer->more && answer->cursor != NULL;
        free(cursor);
        cursor = more ? memory_copy(answer->cursor) : NULL;
        holdfast_view_answer_free(&answer);
    }
    free(cursor);
}

/* ------------------------------------------------------------- the command */

/* Two sheets are never one run: the id's last bytes are random. */
static void name_run(struct export *export)
{
    char id[37], when[32];
    time_t now = time(NULL);
    struct tm tm;
    holdfast_new_operation_id(id);
    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(export->run, sizeof(export->run), "%s-%s-%s",
             export->sheet != NULL ? "count" : "export", when, id + 28);
}

static void export_all(struct export *export)
{
    if (export->sheet != NULL) {
        take_pages(export, HOLDFAST_QUERY_WAREHOUSE, find_sheet);
        if (export->code == 0 && !export->found)
            export->code = not_found(HOLDFAST_UNKNOWN_WAREHOUSE, export->sheet);
    } else {
        take_pages(export, HOLDFAST_QUERY_REASON, take_reason);
        take_pages(export, HOLDFAST_QUERY_WAREHOUSE, take_warehouse);
        take_pages(export, HOLDFAST_QUERY_ITEM, take_item);
    }
    if (export->code == 0)
        take_levels(export);
    if (export->code == 0 && export->lines == 0)
        complain("export", "there is nothing to write: no level%s%s",
                 export->sheet != NULL ? " in " : "", export->sheet != NULL ? export->sheet : "");
    if (fflush(stdout) != 0 || ferror(stdout)) {
        complain("export", "could not write: %s", strerror(errno));
        export->code = EX_OSERR;
    } else if (export->code != 0 && export->lines > 0) {
        complain("export", "what was written is not whole: do not use it");
    }
}

int cmd_export(const struct invocation *invocation)
{
    const char *run = option_text(invocation, "run");
    struct session session;
    struct export state = {.session = &session,
                           .sheet = option_text(invocation, "count-sheet"),
                           .format = option_given(invocation, "csv") ? BULK_CSV : BULK_YAML};
    int code = run != NULL ? code_check(invocation, "run", run) : 0;
    if (code == 0 && state.sheet != NULL)
        code = code_check(invocation, "warehouse", state.sheet);
    if (code == 0 && invocation->json && state.format == BULK_CSV)
        code = usage_error(invocation, "--csv and --json do not go together");
    if (code == 0)
        code = session_open(&session, invocation, HOLDFAST_CLASS_BULK, 60000);
    if (code != 0)
        return code;
    if (run != NULL)
        snprintf(state.run, sizeof(state.run), "%s", run);
    else
        name_run(&state);
    export_all(&state);
    session_close(&session);
    return state.code;
}

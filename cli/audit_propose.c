/* SPDX-License-Identifier: MIT
 *
 * audit --propose: what movements can mend, as a bulk file (docs/bulk.md) that somebody reads and
 * applies. A reservation past its time is released. A level's shortfall and version are made anew
 * by every movement that touches it: it is counted as what it is. Whatever else differs, a movement
 * would change on both sides alike, so it stays; the file says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bulk/bulk.h"
#include "cli/audit.h"

#define REASON "audit"

/* The level as its owner has it now; false: there is none, or nobody answers. */
static bool read_level(struct audit *audit, const struct audit_found *found, struct bulk_line *line)
{
    const char *sku = found->sku;
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_STOCK, .skus = &sku, .sku_count = 1};
    struct holdfast_answer *answer = session_await(audit->session, &query);
    bool there = false;

    for (size_t i = 0; answer->stock_count == 1 && i < answer->stock[0].level_count; i++) {
        const struct holdfast_level *level = &answer->stock[0].levels[i];
        if (strcmp(level->warehouse, found->warehouse) != 0)
            continue;
        line->amount = level->on_hand;
        line->has_version = true;
        line->if_version = level->on_hand_version;
        there = true;
    }
    holdfast_answer_free(&answer);
    return there;
}

static bool is_first(const struct audit *audit, size_t at)
{
    const struct audit_found *found = &audit->found[at];

    for (size_t i = 0; i < at; i++) {
        const struct audit_found *earlier = &audit->found[i];
        bool mends = found->sku[0] ? strcmp(earlier->sku, found->sku) == 0 &&
                                         strcmp(earlier->warehouse, found->warehouse) == 0 &&
                                         (strcmp(earlier->check, "shortfall") == 0 ||
                                          strcmp(earlier->check, "level_version") == 0)
                                   : strcmp(earlier->check, found->check) == 0 &&
                                         strcmp(earlier->reservation, found->reservation) == 0;
        if (mends && earlier->view[0] == '\0')
            return false;
    }
    return true;
}

/* False: no movement mends it. */
static bool line_of(struct audit *audit, const struct audit_found *found, struct bulk_line *line)
{
    *line = (struct bulk_line){0};
    snprintf(line->note, sizeof line->note, "audit: %s", found->check);
    if (found->view[0] != '\0')
        return false;
    if (strcmp(found->check, "expired_live") == 0) {
        line->kind = HOLDFAST_RELEASE;
        snprintf(line->reservation, sizeof line->reservation, "%s", found->reservation);
        return true;
    }
    if (strcmp(found->check, "shortfall") != 0 && strcmp(found->check, "level_version") != 0)
        return false;
    line->kind = HOLDFAST_COUNT;
    snprintf(line->sku, sizeof line->sku, "%s", found->sku);
    snprintf(line->warehouse, sizeof line->warehouse, "%s", found->warehouse);
    snprintf(line->reason, sizeof line->reason, REASON);
    return read_level(audit, found, line);
}

static void write_reason(struct bulk_writer *writer)
{
    struct bulk_line line = {.kind = HOLDFAST_PUT_REASON};

    snprintf(line.reason, sizeof line.reason, REASON);
    snprintf(line.name, sizeof line.name, "Found by an audit");
    (void)bulk_write_line(writer, &line, false, NULL);
}

static void write_lines(struct audit *audit, FILE *file, struct audit_proposal *proposal)
{
    static const enum holdfast_operation_kind kinds[] = {HOLDFAST_PUT_REASON, HOLDFAST_RELEASE,
                                                         HOLDFAST_COUNT};
    struct bulk_writer writer;
    struct bulk_line line;
    char run[CODE_BYTES_MAX + 1];
    time_t seconds = (time_t)(audit->begun_us / 1000000);
    struct tm tm;

    for (size_t i = 0; i < audit->found_count; i++) {
        const struct audit_found *found = &audit->found[i];
        char text[512];
        if (line_of(audit, found, &line))
            continue;
        snprintf(text, sizeof text, "no movement mends: %s%s%s, partition %u%s%s%s%s%s%s",
                 found->check, found->view[0] ? " of view " : "", found->view, found->partition,
                 found->sku[0] ? ", " : "", found->sku, found->warehouse[0] ? "@" : "",
                 found->warehouse, found->reservation[0] ? ", " : "", found->reservation);
        bulk_write_comment(file, text);
    }
    gmtime_r(&seconds, &tm);
    strftime(run, sizeof run, "audit-%Y%m%d-%H%M%S", &tm);
    bulk_write_begin(&writer, file, BULK_YAML, run, kinds, sizeof kinds / sizeof kinds[0]);
    write_reason(&writer);
    for (size_t i = 0; i < audit->found_count; i++) {
        if (!line_of(audit, &audit->found[i], &line)) {
            proposal->left++;
        } else if (is_first(audit, i)) {
            (void)bulk_write_line(&writer, &line, false, audit->found[i].message);
            proposal->lines++;
        }
    }
}

bool audit_proposal_make(struct audit_proposal *proposal, const char *path)
{
    *proposal = (struct audit_proposal){.path = path};
    if (!path)
        return true;
    proposal->file = fopen(path, "wxe");
    if (!proposal->file)
        complain("audit", "could not make \"%s\": %s%s", path, strerror(errno),
                 errno == EEXIST ? "; name a new file" : "");
    return proposal->file != NULL;
}

bool audit_propose(struct audit *audit, struct audit_proposal *proposal)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *memory = open_memstream(&text, &bytes); /* owners are asked meanwhile */
    bool good = memory != NULL;

    if (good) {
        write_lines(audit, memory, proposal);
        good = fclose(memory) == 0 && fwrite(text, 1, bytes, proposal->file) == bytes &&
               fflush(proposal->file) == 0;
    }
    free(text);
    if (!good) {
        complain("audit", "could not write \"%s\": %s", proposal->path, strerror(errno));
        audit_proposal_drop(proposal);
        return false;
    }
    fclose(proposal->file);
    proposal->file = NULL;
    return true;
}

void audit_proposal_drop(struct audit_proposal *proposal)
{
    if (!proposal->file)
        return;
    fclose(proposal->file);
    proposal->file = NULL;
    remove(proposal->path);
}

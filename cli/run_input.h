/* SPDX-License-Identifier: MIT
 *
 * The file that plan and apply are given: opened, copied when it cannot be read twice, told from a
 * saved plan, and checked against the codes that the cluster knows.
 */
#ifndef CLI_RUN_INPUT_H
#define CLI_RUN_INPUT_H

#include <stdio.h>

#include "bulk/bulk.h"
#include "cli/session.h"

#define RUN_SPOOL_BYTES_MAX (INT64_C(1) << 30)

struct run_input { /* zeroed */
    const char *path;
    const char *words; /* "apply" */
    FILE *file;        /* the bulk file alone */
    struct bulk_options options;
    struct bulk_head head;
    /* A saved plan: */
    FILE *plan;          /* NULL: it is a bulk file */
    long expected_at;    /* where its expectations begin */
    char planned_at[40]; /* for people */
    char plan_digest[2 * BULK_DIGEST_BYTES + 1];
    char plan_run[CODE_BYTES_MAX + 1];
    /* private */
    char **codes[2];
};

/* 0, or an exit code after telling every fault. path "-": standard input. may_be_plan: take a saved
 * plan, too. */
int run_input_open(struct run_input *input, struct session *session, const char *path,
                   bool may_be_plan);
void run_input_close(struct run_input *input);

/* The digest as text. */
void run_digest_text(const uint8_t digest[BULK_DIGEST_BYTES], char text[2 * BULK_DIGEST_BYTES + 1]);

/* A job of a line: a copy of it, and where it belongs among the others. partitions: of the region.
 */
struct job;
struct job *run_line_job(const struct bulk_line *line, uint32_t partitions);

#endif

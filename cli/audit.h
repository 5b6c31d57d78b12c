/* SPDX-License-Identifier: MIT
 *
 * One audit of the whole system, and what it found. The owners prove their partitions, each at one
 * moment (audit_owners.c); then every view is compared with what the owners had added up, at the
 * same sequence (audit_views.c). Nothing stands still for it.
 */
#ifndef CLI_AUDIT_H
#define CLI_AUDIT_H

#include "cli/session.h"
#include "common/config.h"
#include "protocol/digest.h"
#include "protocol/ids.h"
#include "protocol/text.h"

#define AUDIT_FOUND_MAX 1000u
/* An audit reads every row. */
#define AUDIT_TIMEOUT_MS (5 * 60 * 1000)

/* One difference. */
struct audit_found {
    char check[32];
    char view[CODE_BYTES_MAX + 1]; /* "": in the database */
    uint32_t partition;
    char sku[CODE_BYTES_MAX + 1], warehouse[CODE_BYTES_MAX + 1];
    char reservation[RESERVATION_TEXT_BYTES];
    char message[200];
};

/* What an owner said of a partition. */
struct audit_part {
    bool answered;
    uint64_t sequence, digest;
};

struct audit_view {
    char name[CODE_BYTES_MAX + 1];
    uint32_t compared; /* partitions that are equal, or whose difference is named */
    char trouble[240]; /* why the others could not be compared; "": all could */
};

struct audit {
    struct session *session;
    const struct config *config;
    int64_t begun_us, took_us; /* wall; how long it all took */
    uint64_t checked;
    struct audit_part *parts; /* by partition */
    uint32_t partitions, answered;
    uint32_t slowest, slowest_ms; /* the partition that took longest to read */
    struct audit_found *found;
    size_t found_count;
    bool more;         /* differences than are listed */
    int status;        /* of a partition that did not answer; HOLDFAST_APPLIED: all did */
    char trouble[240]; /* what it said */
    struct audit_view views[CONFIG_VIEWS_MAX];
    size_t view_count;
};

/* Everything; with_views: the views too. Interrupted: what there is. */
void audit_run(struct audit *audit, struct session *session, const struct config *config,
               bool with_views);
void audit_release(struct audit *audit);
/* 0: all was checked and nothing found; 1: something was found; EX_UNAVAILABLE: nothing was found,
 * and not everything could be checked. */
int audit_code(const struct audit *audit);

/* ------------------------------------------------------------- between the two */

struct audit_found *audit_add(struct audit *audit, const char *check, uint32_t partition);

/* One partition's answer to one question of its owner: NULL when there is none before the deadline.
 * The caller frees it; audited[0] is of this partition and not running. */
struct holdfast_answer *audit_ask_owner(struct audit *audit, uint32_t partition,
                                        enum holdfast_audit_what what, uint32_t bucket);
void audit_owners(struct audit *audit);
void audit_views(struct audit *audit);

#endif

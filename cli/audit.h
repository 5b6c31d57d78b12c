/* SPDX-License-Identifier: MIT
 *
 * One audit of the whole system, and what it found. The owners prove their partitions, each at one
 * moment (audit_owners.c); then every view is compared with what the owners had added up, at the
 * same sequence (audit_views.c); and operation ids are compared over all partitions (audit_ids.c).
 * Nothing stands still for it.
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
    uint64_t ids;             /* of operations, that were compared over all partitions */
    bool ids_incomplete;      /* not all of them could be read */
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

/* Tells every broker what came out, for `status` and whoever watches. every_ms: 0: this audit was
 * the only one. What cannot be told is complained of. */
void audit_publish(const struct audit *audit, uint64_t every_ms);
/* One after another until interrupted, printing what changes. The exit code of the last. */
int audit_watch(struct session *session, const struct config *config, bool with_views,
                uint64_t every_ms, bool json);

/* A bulk file of what movements mend. It is made before the audit, which may take long, and is gone
 * again unless it was written whole. */
struct audit_proposal {
    const char *path; /* borrowed */
    FILE *file;       /* NULL: none was made, or it is done with */
    size_t lines;     /* that mend something */
    size_t left;      /* differences that no movement mends */
};

/* Makes the file, which must not be there yet. path may be NULL: none is wanted. False after having
 * told why. Give it to one of the two below. */
bool audit_proposal_make(struct audit_proposal *proposal, const char *path);
/* Writes it. False after having told why. */
bool audit_propose(struct audit *audit, struct audit_proposal *proposal);
/* It is not wanted any more. */
void audit_proposal_drop(struct audit_proposal *proposal);

/* Printing: all of it; what could not be checked, on stderr. */
void audit_print(const struct audit *audit, bool json);
void audit_complain(const struct audit *audit);
struct json_object *audit_found_json(const struct audit_found *found);

/* ------------------------------------------------------------- between the two */

struct audit_found *audit_add(struct audit *audit, const char *check, uint32_t partition);

uint64_t audit_new_token(void);
/* One partition's answer to one question of its owner: NULL when there is none before the deadline,
 * with the reason in status and trouble. The caller frees it; audited[0] is of this partition and
 * not running. */
struct holdfast_answer *audit_poll_owner(struct audit *audit, struct holdfast_query *query,
                                         uint32_t partition);
struct holdfast_answer *audit_ask_owner(struct audit *audit, uint32_t partition,
                                        enum holdfast_audit_what what, uint32_t bucket);
void audit_owners(struct audit *audit);
void audit_views(struct audit *audit);
void audit_compare_ids(struct audit *audit);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The audit of one partition, in the auditor's thread: proves what docs/worker.md lists, and adds
 * up what the partition holds (protocol/digest.h), in one snapshot in which the fence is checked
 * first. It blocks for as long as the database takes to read every row of the partition; no lock is
 * held, and its memory does not grow with the rows.
 */
#ifndef WORKERS_AUDIT_H
#define WORKERS_AUDIT_H

#include "common/courier.h"
#include "protocol/digest.h"
#include "protocol/ids.h"
#include "workers/db.h"

#define AUDIT_DIFFERENCES_MAX 100u
#define AUDIT_IDS_MAX 4096u /* of a page */

struct audit_request {
    uint64_t token;
    uint32_t partition;
    Hf__AuditWhat what;
    uint32_t bucket;
    bool has_after; /* AUDIT_IDS: go on after this one */
    uint8_t after[UUID_BYTES];
    uint64_t epoch; /* with the claim: as whose owner we believe to ask */
    uint8_t claim_id[16];
};

enum audit_outcome {
    AUDIT_DONE,     /* body is an Answer */
    AUDIT_NOT_OURS, /* the fence says no */
    AUDIT_FAILED,   /* it could not be read: error says why */
};

struct audit_reply {
    struct audit_request request;
    enum audit_outcome outcome;
    uint8_t *body; /* packed */
    size_t body_bytes;
    char error[256];
};

/* What the thread does; its argument is the shard. Requests are struct audit_request, replies
 * struct audit_reply. */
extern const struct courier_work audit_work;
void audit_reply_destroy(struct audit_reply **reply);

/* ------------------------------------------------------------- audit_digest.c */

/* Adds up what the partition holds in the open snapshot. */
enum db_outcome audit_add_up(struct db *db, uint32_t partition, struct digest_sum *sum);

/* ------------------------------------------------------------- audit_ids.c */

/* A page of the operation ids in the ledger, with `more`; in the arena. */
enum db_outcome audit_ids(struct db *db, const struct audit_request *request, struct arena *arena,
                          Hf__Answer *answer);

#endif

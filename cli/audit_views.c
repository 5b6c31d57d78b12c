/* SPDX-License-Identifier: MIT
 *
 * The views' part of an audit. Each view is asked for the digest of every partition at the sequence
 * at which its owner added it up. A view that does not remember that sequence any more, or is not
 * there yet, is asked again with a newer one. Where digests differ, the rows that differ are looked
 * for: between two looks at the owner's, so that a row which was the same in both must be in the
 * view.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/audit.h"
#include "cli/peer.h"
#include "protocol/header.h"
#include "protocol/status.h"

#define ASK_MS 5000
#define WAIT_MS 2000 /* how long a view may wait for a sequence */
/* Looks at a partition before it is given up, and the pause between two. */
#define LOOKS_MAX 10
#define PAUSE_MS 250
/* A digest that differs so often in a row is no accident: what is wrong is looked for. */
#define DIFFERS_MAX 3
#define BUCKETS_MAX 8 /* that are looked into, of one partition */
#define ROW_LOOKS_MAX 5

enum verdict {
    VERDICT_OPEN, /* to be looked at again */
    VERDICT_EQUAL,
    VERDICT_NAMED, /* it differs, and that was told */
};

struct look {
    enum verdict verdict;
    unsigned differs;
    Hf__Knowledge knowledge; /* why it is open */
    bool passed;
};

struct comparing {
    struct audit *audit;
    struct audit_view *view;
    const char *endpoint;
    struct audit_part *parts; /* what each partition was found to be last; a copy */
    struct look *looks;       /* by partition */
};

/* ------------------------------------------------------------- asking the view */

static Hf__ViewAnswer *ask(struct comparing *c, Hf__ViewAuditQuery *audit, char *error)
{
    Hf__ViewQuery query = HF__VIEW_QUERY__INIT;
    uint8_t *answer;
    size_t answer_bytes;

    query.kind_case = HF__VIEW_QUERY__KIND_AUDIT;
    query.audit = audit;
    query.at_least = audit->at;
    query.n_at_least = audit->n_at;
    query.wait_ms = WAIT_MS;
    size_t bytes = hf__view_query__get_packed_size(&query);
    uint8_t *body = malloc(bytes + 1);
    if (!body)
        abort();
    hf__view_query__pack(&query, body);
    bool ok =
        peer_ask(c->audit->config, c->endpoint, body, bytes, ASK_MS, &answer, &answer_bytes, error);
    free(body);
    if (!ok)
        return NULL;
    Hf__ViewAnswer *message = hf__view_answer__unpack(NULL, answer_bytes, answer);
    free(answer);
    if (message && message->status == (uint32_t)STATUS_applied)
        return message;
    snprintf(error, PEER_ERROR_BYTES, "it answers %s %s",
             message && status_is_known(message->status) ? status_name((enum status)message->status)
                                                         : "what cannot be read",
             message ? message->message : "");
    if (message)
        hf__view_answer__free_unpacked(message, NULL);
    return NULL;
}

/* Of one partition, not older than its owner was. */
static Hf__ViewAnswer *ask_parts(struct comparing *c, Hf__AuditWhat what, uint32_t partition,
                                 uint64_t sequence, uint32_t bucket)
{
    Hf__ViewAuditQuery query = HF__VIEW_AUDIT_QUERY__INIT;
    Hf__Position position = HF__POSITION__INIT, *at = &position;
    char error[PEER_ERROR_BYTES];

    position.partition = partition;
    position.sequence = sequence;
    query.what = what;
    query.at = &at;
    query.n_at = 1;
    query.bucket = bucket;
    return ask(c, &query, error);
}

/* ------------------------------------------------------------- which rows differ */

struct row {
    int kind;
    char sku[CODE_BYTES_MAX + 1], warehouse[CODE_BYTES_MAX + 1];
    char reservation[RESERVATION_TEXT_BYTES];
    uint64_t version, sum;
};

struct rows {
    struct row *rows;
    size_t count;
    uint64_t sequence;
    bool read;
};

static int compare_keys(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = (x->kind > y->kind) - (x->kind < y->kind);

    if (order == 0)
        order = strcmp(x->sku, y->sku);
    if (order == 0)
        order = strcmp(x->warehouse, y->warehouse);
    return order != 0 ? order : strcmp(x->reservation, y->reservation);
}

static const struct row *find(const struct rows *rows, const struct row *key)
{
    return rows->count > 0 ? bsearch(key, rows->rows, rows->count, sizeof *rows->rows, compare_keys)
                           : NULL;
}

static bool same(const struct row *a, const struct row *b)
{
    return a && b && a->version == b->version && a->sum == b->sum;
}

static void rows_room(struct rows *rows, size_t count)
{
    rows->rows = calloc(count + 1, sizeof *rows->rows);
    if (!rows->rows)
        abort();
    rows->read = true;
}

static void copy_bytes(char *to, size_t room, ProtobufCBinaryData bytes)
{
    snprintf(to, room, "%.*s", (int)bytes.len, bytes.len > 0 ? (const char *)bytes.data : "");
}

static struct rows rows_of_owner(struct comparing *c, uint32_t partition, uint32_t bucket)
{
    struct rows rows = {0};
    struct holdfast_answer *answer =
        audit_ask_owner(c->audit, partition, HOLDFAST_AUDIT_ROWS, bucket);

    if (!answer)
        return rows;
    const struct holdfast_audited *audited = &answer->audited[0];
    rows_room(&rows, audited->row_count);
    rows.sequence = audited->sequence;
    for (size_t i = 0; i < audited->row_count; i++) {
        const struct holdfast_row *from = &audited->rows[i];
        struct row *row = &rows.rows[rows.count++];
        *row = (struct row){.kind = from->kind, .version = from->version, .sum = from->sum};
        snprintf(row->sku, sizeof row->sku, "%s", from->sku);
        snprintf(row->warehouse, sizeof row->warehouse, "%s", from->warehouse);
        snprintf(row->reservation, sizeof row->reservation, "%s", from->reservation);
    }
    holdfast_answer_free(&answer);
    qsort(rows.rows, rows.count, sizeof *rows.rows, compare_keys);
    return rows;
}

static struct rows rows_of_view(struct comparing *c, uint32_t partition, uint64_t sequence,
                                uint32_t bucket)
{
    struct rows rows = {0};
    Hf__ViewAnswer *answer = ask_parts(c, HF__AUDIT_WHAT__AUDIT_ROWS, partition, sequence, bucket);

    if (answer && answer->n_positions == 1 &&
        answer->positions[0]->knowledge == HF__KNOWLEDGE__KNOWLEDGE_KNOWN) {
        rows_room(&rows, answer->n_rows);
        for (size_t i = 0; i < answer->n_rows; i++) {
            const Hf__RowDigest *from = answer->rows[i];
            struct row *row = &rows.rows[rows.count++];
            *row =
                (struct row){.kind = (int)from->kind, .version = from->version, .sum = from->sum};
            copy_bytes(row->sku, sizeof row->sku, from->sku);
            copy_bytes(row->warehouse, sizeof row->warehouse, from->warehouse);
            copy_bytes(row->reservation, sizeof row->reservation, from->reservation);
        }
        qsort(rows.rows, rows.count, sizeof *rows.rows, compare_keys);
    }
    if (answer)
        hf__view_answer__free_unpacked(answer, NULL);
    return rows;
}

static const char *const checks[] = {
    [HF__ROW_KIND__ROW_NONE] = "view_row",
    [HF__ROW_KIND__ROW_ITEM] = "view_item",
    [HF__ROW_KIND__ROW_LEVEL] = "view_level",
    [HF__ROW_KIND__ROW_RESERVATION] = "view_reservation",
    [HF__ROW_KIND__ROW_WAREHOUSE] = "view_warehouse",
};

static void name_row(struct comparing *c, uint32_t partition, const struct row *stored,
                     const struct row *shown)
{
    const struct row *row = stored ? stored : shown;
    bool known = row->kind > 0 && (size_t)row->kind < sizeof checks / sizeof checks[0];
    struct audit_found *found =
        audit_add(c->audit, checks[known ? row->kind : HF__ROW_KIND__ROW_NONE], partition);

    if (!found)
        return;
    snprintf(found->view, sizeof found->view, "%s", c->view->name);
    memcpy(found->sku, row->sku, sizeof found->sku);
    memcpy(found->warehouse, row->warehouse, sizeof found->warehouse);
    memcpy(found->reservation, row->reservation, sizeof found->reservation);
    if (!shown)
        snprintf(found->message, sizeof found->message,
                 "the view does not have it; the database has its version %llu",
                 (unsigned long long)stored->version);
    else if (!stored)
        snprintf(found->message, sizeof found->message,
                 "the view has its version %llu; the database does not have it",
                 (unsigned long long)shown->version);
    else if (stored->version != shown->version)
        snprintf(found->message, sizeof found->message,
                 "the view has its version %llu; the database has its version %llu",
                 (unsigned long long)shown->version, (unsigned long long)stored->version);
    else
        snprintf(found->message, sizeof found->message,
                 "the view has other contents than the database at its version %llu",
                 (unsigned long long)shown->version);
}

struct sandwich {
    struct rows before, shown, after; /* of the owner, of the view, of the owner */
    struct rows shown_before;         /* of the view, a look earlier */
};

/* What this row comes to: named (it certainly differs), or not decided yet (it moved meanwhile). */
static void judge(struct comparing *c, uint32_t partition, const struct sandwich *s,
                  const struct row *key, size_t *named, size_t *moved)
{
    const struct row *before = find(&s->before, key), *after = find(&s->after, key);
    const struct row *shown = find(&s->shown, key);
    bool still = (!before && !after) || same(before, after);

    if (still && (before ? same(before, shown) : !shown))
        return;
    if (!still) {
        *moved += !same(shown, before) && !same(shown, after);
        return;
    }
    /* What is in neither may have come and gone in between; not what was there a look ago too. */
    if (!before && !same(shown, find(&s->shown_before, key))) {
        (*moved)++;
        return;
    }
    name_row(c, partition, before, shown);
    (*named)++;
}

static void judge_all(struct comparing *c, uint32_t partition, const struct sandwich *s,
                      size_t *named, size_t *moved)
{
    *named = *moved = 0;
    for (size_t i = 0; i < s->before.count; i++)
        judge(c, partition, s, &s->before.rows[i], named, moved);
    for (size_t i = 0; i < s->shown.count; i++) {
        if (!find(&s->before, &s->shown.rows[i]))
            judge(c, partition, s, &s->shown.rows[i], named, moved);
    }
}

static size_t name_rows(struct comparing *c, uint32_t partition, uint32_t bucket)
{
    struct sandwich s = {.before = rows_of_owner(c, partition, bucket)};
    size_t named = 0, moved = 1;

    for (int i = 0; i < ROW_LOOKS_MAX && s.before.read && named == 0 && moved > 0; i++) {
        s.shown = rows_of_view(c, partition, s.before.sequence, bucket);
        s.after = rows_of_owner(c, partition, bucket);
        if (s.shown.read && s.after.read)
            judge_all(c, partition, &s, &named, &moved);
        free(s.before.rows);
        free(s.shown_before.rows);
        s.before = s.after;
        s.shown_before = s.shown;
        s.shown = s.after = (struct rows){0};
    }
    free(s.before.rows);
    free(s.shown_before.rows);
    return named;
}

/* ------------------------------------------------------------- which buckets differ */

static bool buckets_of_owner(struct comparing *c, uint32_t partition, uint64_t *buckets,
                             uint64_t *sequence)
{
    struct holdfast_answer *answer =
        audit_ask_owner(c->audit, partition, HOLDFAST_AUDIT_BUCKETS, 0);
    bool ok = answer && answer->audited[0].bucket_count == DIGEST_BUCKETS;

    if (ok) {
        memcpy(buckets, answer->audited[0].buckets, DIGEST_BUCKETS * sizeof *buckets);
        *sequence = answer->audited[0].sequence;
    }
    holdfast_answer_free(&answer);
    return ok;
}

/* Names what differs. False: nothing that lasts was found. */
static bool explain(struct comparing *c, uint32_t partition)
{
    uint64_t before[DIGEST_BUCKETS], after[DIGEST_BUCKETS], sequence, later;
    size_t named = 0, looked = 0;

    if (!buckets_of_owner(c, partition, before, &sequence))
        return false;
    Hf__ViewAnswer *shown = ask_parts(c, HF__AUDIT_WHAT__AUDIT_BUCKETS, partition, sequence, 0);
    if (shown && shown->n_buckets == DIGEST_BUCKETS &&
        buckets_of_owner(c, partition, after, &later)) {
        for (uint32_t b = 0; b < DIGEST_BUCKETS && looked < BUCKETS_MAX; b++) {
            if (shown->buckets[b] == before[b] || shown->buckets[b] == after[b])
                continue;
            looked++;
            named += name_rows(c, partition, b);
        }
    }
    if (shown)
        hf__view_answer__free_unpacked(shown, NULL);
    return named > 0;
}

/* ------------------------------------------------------------- digests */

static void name_view(struct comparing *c, uint32_t partition, const char *check,
                      const char *message)
{
    struct audit_found *found = audit_add(c->audit, check, partition);

    if (!found)
        return;
    snprintf(found->view, sizeof found->view, "%s", c->view->name);
    snprintf(found->message, sizeof found->message, "%s", message);
}

static void judge_digest(struct comparing *c, const Hf__PartitionDigest *digest)
{
    struct look *look = &c->looks[digest->partition];
    const struct audit_part *part = &c->parts[digest->partition];

    look->knowledge = digest->knowledge;
    look->passed = digest->passed;
    if (digest->miscounted) {
        name_view(c, digest->partition, "view_digest",
                  "the view's rows do not add up to the digest that it keeps");
        look->verdict = VERDICT_NAMED;
        return;
    }
    if (digest->knowledge != HF__KNOWLEDGE__KNOWLEDGE_KNOWN || digest->passed ||
        digest->sequence != part->sequence)
        return;
    if (digest->sum == part->digest) {
        look->verdict = VERDICT_EQUAL;
        return;
    }
    if (++look->differs < DIFFERS_MAX)
        return; /* it may be about to notice that history was lost */
    if (explain(c, digest->partition)) {
        look->verdict = VERDICT_NAMED;
    } else if (look->differs >= 2 * DIFFERS_MAX) {
        name_view(c, digest->partition, "view_digest",
                  "the view differs from the database at the same sequence");
        look->verdict = VERDICT_NAMED;
    }
}

/* One question for all partitions that are open. False: the view does not answer. */
static bool look_once(struct comparing *c, char *error)
{
    uint32_t count = c->audit->partitions;
    Hf__ViewAuditQuery query = HF__VIEW_AUDIT_QUERY__INIT;
    Hf__Position *positions = calloc(count + 1, sizeof *positions);
    Hf__Position **at = calloc(count + 1, sizeof *at);

    if (!positions || !at)
        abort();
    for (uint32_t p = 0; p < count; p++) {
        if (!c->parts[p].answered || c->looks[p].verdict != VERDICT_OPEN)
            continue;
        hf__position__init(&positions[p]);
        positions[p].partition = p;
        positions[p].sequence = c->parts[p].sequence;
        at[query.n_at++] = &positions[p];
    }
    query.what = HF__AUDIT_WHAT__AUDIT_DIGEST;
    query.at = at;
    query.recount = true;
    Hf__ViewAnswer *answer = query.n_at > 0 ? ask(c, &query, error) : NULL;
    bool answered = answer || query.n_at == 0;
    for (size_t i = 0; answer && i < answer->n_digests; i++) {
        if (answer->digests[i]->partition < count)
            judge_digest(c, answer->digests[i]);
    }
    if (answer)
        hf__view_answer__free_unpacked(answer, NULL);
    free(at);
    free(positions);
    return answered;
}

/* How many partitions are open; their owners add them up again. */
static uint32_t renew(struct comparing *c, bool ask_owners)
{
    uint32_t open = 0;

    for (uint32_t p = 0; p < c->audit->partitions && !was_interrupted(); p++) {
        struct audit_part *part = &c->parts[p];
        if (!part->answered || c->looks[p].verdict != VERDICT_OPEN)
            continue;
        open++;
        if (!ask_owners)
            continue;
        struct holdfast_answer *answer = audit_ask_owner(c->audit, p, HOLDFAST_AUDIT_DIGEST, 0);
        if (answer) {
            part->sequence = answer->audited[0].sequence;
            part->digest = answer->audited[0].digest;
        }
        holdfast_answer_free(&answer);
    }
    return open;
}

/* What is open still: behind for so long is a difference, not to know it is none. */
static void conclude(struct comparing *c, const char *error)
{
    struct audit_view *view = c->view;

    for (uint32_t p = 0; p < c->audit->partitions; p++) {
        const struct look *look = &c->looks[p];
        if (look->verdict != VERDICT_OPEN) {
            view->compared++;
            continue;
        }
        if (!c->parts[p].answered)
            continue;
        if (!error && look->knowledge == HF__KNOWLEDGE__KNOWLEDGE_BEHIND) {
            char message[120];
            snprintf(message, sizeof message,
                     "the view does not reach sequence %llu of the database",
                     (unsigned long long)c->parts[p].sequence);
            name_view(c, p, "view_behind", message);
            view->compared++;
        } else if (view->trouble[0] == '\0') {
            snprintf(view->trouble, sizeof view->trouble, "%s%s partition %u%s",
                     error ? error : "it ", error ? ", for" : "", p,
                     error          ? ""
                     : look->passed ? " moves too fast"
                                    : " does not know it");
        }
    }
}

static void compare_view(struct audit *audit, size_t index)
{
    struct comparing c = {.audit = audit,
                          .view = &audit->views[audit->view_count++],
                          .endpoint = audit->config->views[index].client};
    char error[PEER_ERROR_BYTES];
    bool answers = true;

    snprintf(c.view->name, sizeof c.view->name, "v%zu", index + 1);
    c.parts = calloc(audit->partitions + 1, sizeof *c.parts);
    c.looks = calloc(audit->partitions + 1, sizeof *c.looks);
    if (!c.parts || !c.looks)
        abort();
    memcpy(c.parts, audit->parts, audit->partitions * sizeof *c.parts);
    for (int i = 0; i < LOOKS_MAX && answers && renew(&c, i > 0) > 0 && !was_interrupted(); i++) {
        struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
        answers = look_once(&c, error);
        if (answers && renew(&c, false) > 0)
            nanosleep(&pause, NULL);
    }
    conclude(&c, answers ? NULL : error);
    free(c.parts);
    free(c.looks);
}

void audit_views(struct audit *audit)
{
    for (size_t i = 0; i < audit->config->view_count && !was_interrupted(); i++)
        compare_view(audit, i);
}

/* SPDX-License-Identifier: MIT
 *
 * Digests of what the model holds (protocol/digest.h): one of each partition, which every change of
 * a row keeps up to date, and what it was at the sequences that the partition has passed lately, so
 * that an audit can compare it with what the database held there. On request the rows themselves
 * are added up, all of them in one pass.
 */
#include <string.h>

#include "protocol/digest.h"
#include "protocol/header.h"
#include "view/model_impl.h"

static struct digest_text code_text(const struct code *code)
{
    return (struct digest_text){code->bytes, code->length};
}

static struct digest_text text_of_sku(const struct model *model, uint32_t sku)
{
    return (struct digest_text){sku_text(model, sku), model->skus[sku].sku_bytes};
}

/* ------------------------------------------------------------- rows */

uint64_t row_digest_item(const struct model *model, uint32_t sku)
{
    const struct sku_row *row = &model->skus[sku];
    struct digest_text name = {name_text(model, sku), row->name_bytes};

    if (row->version == 0)
        return 0;
    return digest_item(text_of_sku(model, sku), name, row->reorder_point, row->version);
}

uint64_t row_digest_barcode(const struct model *model, uint32_t barcode)
{
    const struct barcode_row *row = &model->barcodes[barcode];
    struct digest_text text = {slab_at(&model->slab, row->text), row->bytes};

    return digest_barcode(text_of_sku(model, row->sku), text);
}

uint64_t row_digest_level(const struct model *model, const struct level_row *level)
{
    struct digest_level figures = {
        .on_hand = level->now.on_hand,
        .reserved = level->now.reserved,
        .committed = level->now.committed,
        .unavailable = level->now.unavailable,
        .safety_stock = level->now.safety_stock,
        .reorder_point = level->now.reorder_point,
        .version = level->version,
        .on_hand_version = level->on_hand_version,
    };

    return digest_level(text_of_sku(model, level->sku),
                        code_text(&model->warehouses[level->warehouse].code), &figures);
}

uint64_t row_digest_warehouse(const struct warehouse_row *row)
{
    if (row->version == 0)
        return 0;
    return digest_warehouse(code_text(&row->code), (struct digest_text){row->name, row->name_bytes},
                            row->version);
}

static bool counts(const struct model *model, const struct reservation_row *row)
{
    const struct line_row *lines = row->line_count == NONE ? NULL : reservation_lines(model, row);

    for (uint32_t i = 0; lines && !row->incomplete && i < row->line_count; i++) {
        if (lines[i].sku != NONE && (lines[i].reserved > 0 || lines[i].committed > 0))
            return true;
    }
    return false;
}

static uint64_t header_digest(const struct model *model, const struct reservation_row *row)
{
    const char *order = reservation_order(model, row);
    struct digest_reservation header = {
        .id = row->id,
        .state = row->state,
        .revision = row->revision,
        .expires_at_us = row->expires_at_us,
        .created_at_us = row->created_at_us,
        .order = {order, row->order_bytes},
        .actor = {order + row->order_bytes, row->actor_bytes},
    };

    return digest_reservation(&header);
}

static uint64_t line_digest(const struct model *model, const struct reservation_row *row,
                            uint32_t number)
{
    const struct line_row *line = &reservation_lines(model, row)[number];
    struct digest_text warehouse = {0};
    struct digest_line figures = {
        .number = number,
        .quantity = line->quantity,
        .reserved = line->reserved,
        .committed = line->committed,
        .shipped = line->shipped,
        .cancelled = line->cancelled,
        .released = line->released,
        .returned = line->returned,
    };

    if (line->sku == NONE)
        return 0;
    if (line->warehouse != NONE)
        warehouse = code_text(&model->warehouses[line->warehouse].code);
    return digest_line(row->id, text_of_sku(model, line->sku), warehouse, &figures);
}

/* With all its lines. */
static uint64_t reservation_digest(const struct model *model, const struct reservation_row *row)
{
    if (!counts(model, row))
        return 0;
    uint64_t digest = header_digest(model, row);
    for (uint32_t i = 0; i < row->line_count; i++)
        digest += line_digest(model, row, i);
    return digest;
}

/* ------------------------------------------------------------- kept up to date */

static uint64_t *digest_of(struct model *model, uint32_t reservation)
{
    uint32_t partition = reservation_id_partition(model->reservations[reservation].id);

    return &model->partitions[partition < model->partition_count ? partition : 0].digest;
}

void digest_settle(struct model *model)
{
    uint32_t at = model->touched;

    if (at != NONE)
        *digest_of(model, at) += reservation_digest(model, &model->reservations[at]);
    model->touched = NONE;
}

void digest_touch(struct model *model, uint32_t reservation)
{
    if (model->touched == reservation)
        return;
    digest_settle(model);
    *digest_of(model, reservation) -= reservation_digest(model, &model->reservations[reservation]);
    model->touched = reservation;
}

void digest_mark(struct model *model, uint32_t partition)
{
    struct partition_row *row = &model->partitions[partition];

    digest_settle(model);
    model->marks[(size_t)partition * model->marks_each + row->next_mark] =
        (struct mark){row->sequence, row->digest};
    row->next_mark = (row->next_mark + 1) % model->marks_each;
    row->mark_count += row->mark_count < model->marks_each;
}

static bool find_mark(const struct model *model, uint32_t partition, uint64_t sequence,
                      uint64_t *digest)
{
    const struct partition_row *row = &model->partitions[partition];
    const struct mark *marks = &model->marks[(size_t)partition * model->marks_each];

    for (uint32_t i = 0; i < row->mark_count; i++) {
        const struct mark *mark =
            &marks[(row->next_mark + model->marks_each - 1 - i) % model->marks_each];
        if (mark->sequence != sequence)
            continue;
        *digest = mark->digest;
        return true;
    }
    return false;
}

/* ------------------------------------------------------------- added up */

/* Where the facts of each partition go; NULL: of none. */
struct walk {
    const struct model *model;
    struct digest_sum **sums; /* by partition */
};

static struct digest_sum *sum_of(const struct walk *walk, uint32_t partition)
{
    return partition < walk->model->partition_count ? walk->sums[partition] : NULL;
}

static void walk_skus(const struct walk *walk)
{
    const struct model *model = walk->model;

    for (uint32_t sku = 0; sku < model->sku_count; sku++) {
        const struct sku_row *row = &model->skus[sku];
        struct digest_sum *sum = sum_of(walk, row->partition);
        struct digest_text text = text_of_sku(model, sku);
        if (!sum)
            continue;
        if (row->version != 0)
            digest_add(sum, HF__ROW_KIND__ROW_ITEM, text, (struct digest_text){0}, row->version,
                       row_digest_item(model, sku));
        for (uint32_t at = row->first_barcode; at != NONE; at = model->barcodes[at].next)
            digest_add(sum, HF__ROW_KIND__ROW_ITEM, text, (struct digest_text){0}, 0,
                       row_digest_barcode(model, at));
        for (uint32_t at = row->first_level; at != NONE; at = model->levels[at].next) {
            const struct level_row *level = &model->levels[at];
            digest_add(sum, HF__ROW_KIND__ROW_LEVEL, text,
                       code_text(&model->warehouses[level->warehouse].code), level->version,
                       row_digest_level(model, level));
        }
    }
}

static void walk_reservations(const struct walk *walk)
{
    const struct model *model = walk->model;

    for (uint32_t at = 0; at < model->reservation_count; at++) {
        const struct reservation_row *row = &model->reservations[at];
        if (!counts(model, row))
            continue;
        struct digest_sum *sum = sum_of(walk, reservation_id_partition(row->id));
        if (sum)
            digest_add(sum, HF__ROW_KIND__ROW_RESERVATION,
                       (struct digest_text){row->id, sizeof row->id}, (struct digest_text){0},
                       row->revision, reservation_digest(model, row));
    }
}

static void walk_all(const struct walk *walk)
{
    walk_skus(walk);
    walk_reservations(walk);
    for (size_t i = 0; walk->sums[0] && i < walk->model->warehouse_count; i++) {
        const struct warehouse_row *row = &walk->model->warehouses[i];
        if (row->version != 0)
            digest_add(walk->sums[0], HF__ROW_KIND__ROW_WAREHOUSE, code_text(&row->code),
                       (struct digest_text){0}, row->version, row_digest_warehouse(row));
    }
}

/* ------------------------------------------------------------- answers */

static void answer_digests(struct asking *asking, const Hf__ViewAuditQuery *asked)
{
    const struct model *model = asking->model;
    Hf__ViewAnswer *answer = asking->answer;

    answer->digests = arena_alloc(asking->arena, (asked->n_at + 1) * sizeof *answer->digests);
    for (size_t i = 0; i < asked->n_at; i++) {
        const Hf__Position *at = asked->at[i];
        const struct partition_row *row = &model->partitions[at->partition];
        Hf__PartitionDigest *out = arena_alloc(asking->arena, sizeof *out);
        hf__partition_digest__init(out);
        out->partition = at->partition;
        out->knowledge = ask_knowledge(asking, at->partition);
        out->sequence = at->sequence;
        if (out->knowledge == HF__KNOWLEDGE__KNOWLEDGE_KNOWN && row->sequence < at->sequence)
            out->knowledge = HF__KNOWLEDGE__KNOWLEDGE_BEHIND;
        if (row->sequence == at->sequence)
            out->sum = row->digest;
        else if (row->sequence > at->sequence)
            out->passed = !find_mark(model, at->partition, at->sequence, &out->sum);
        answer->digests[answer->n_digests++] = out;
    }
}

static void recount(struct asking *asking)
{
    const struct model *model = asking->model;
    Hf__ViewAnswer *answer = asking->answer;
    struct walk walk = {model,
                        arena_zalloc(asking->arena, model->partition_count * sizeof *walk.sums)};

    for (size_t i = 0; i < answer->n_digests; i++) {
        struct digest_sum **sum = &walk.sums[answer->digests[i]->partition];
        if (!*sum)
            *sum = digest_sum_new(HF__AUDIT_WHAT__AUDIT_DIGEST, 0, asking->arena);
    }
    walk_all(&walk);
    for (size_t i = 0; i < answer->n_digests; i++) {
        Hf__PartitionDigest *out = answer->digests[i];
        out->miscounted =
            digest_total(walk.sums[out->partition]) != model->partitions[out->partition].digest;
    }
    for (uint32_t p = 0; p < model->partition_count; p++)
        digest_sum_destroy(&walk.sums[p]);
}

/* Of one partition, as it stands. */
static void answer_parts(struct asking *asking, const Hf__ViewAuditQuery *asked)
{
    const struct model *model = asking->model;
    Hf__ViewAnswer *answer = asking->answer;
    uint32_t partition = asked->at[0]->partition;
    bool *marked = arena_zalloc(asking->arena, model->partition_count);
    struct walk walk = {model,
                        arena_zalloc(asking->arena, model->partition_count * sizeof *walk.sums)};
    bool cut = false;

    marked[partition] = true;
    bool known = ask_knowledge(asking, partition) == HF__KNOWLEDGE__KNOWLEDGE_KNOWN;
    if (asking->waits)
        return;
    ask_positions(asking, marked);
    if (!known)
        return; /* the position says so */
    struct digest_sum *sum = walk.sums[partition] =
        digest_sum_new(asked->what, asked->bucket, asking->arena);
    walk_all(&walk);
    if (asked->what == HF__AUDIT_WHAT__AUDIT_BUCKETS) {
        answer->buckets = arena_copy(asking->arena, digest_buckets(sum),
                                     DIGEST_BUCKETS * sizeof *answer->buckets);
        answer->n_buckets = DIGEST_BUCKETS;
    } else {
        answer->rows = digest_rows(sum, &answer->n_rows, &cut);
    }
    digest_sum_destroy(&sum);
    if (cut)
        ask_refuse(asking, "audit.bucket", "has more than %u rows", DIGEST_ROWS_MAX);
}

void ask_audit(struct asking *asking)
{
    const Hf__ViewAuditQuery *asked = asking->query->audit;
    bool parts =
        asked->what == HF__AUDIT_WHAT__AUDIT_BUCKETS || asked->what == HF__AUDIT_WHAT__AUDIT_ROWS;

    digest_settle(asking->model);
    for (size_t i = 0; i < asked->n_at; i++) {
        if (asked->at[i]->partition < asking->model->partition_count)
            continue;
        ask_refuse(asking, "audit.at", "names a partition that is not there");
        return;
    }
    if (asked->n_at == 0 || asked->n_at > PARTITIONS_MAX || (parts && asked->n_at != 1))
        ask_refuse(asking, "audit.at", "must name %s",
                   parts ? "one partition" : "from 1 to 65,535 partitions");
    else if (!parts && asked->what != HF__AUDIT_WHAT__AUDIT_DIGEST)
        ask_refuse(asking, "audit.what", "is nothing that a view can be asked");
    else if (asked->bucket >= DIGEST_BUCKETS)
        ask_refuse(asking, "audit.bucket", "must be below %u", DIGEST_BUCKETS);
    else if (parts)
        answer_parts(asking, asked);
    else {
        answer_digests(asking, asked);
        if (asked->recount && !asking->waits)
            recount(asking);
    }
}

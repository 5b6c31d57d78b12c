/* SPDX-License-Identifier: MIT
 *
 * What makes two bodies equal: the canonical form of an operation, and its hash. Called when an
 * operation is applied or its id was seen before; a refusal needs no hash.
 *
 * Canonical: without id, principal and trace; lines of one sku and warehouse summed, sorted by
 * both; a TTL of 0 as the default that it means; a reservation id in its one written form.
 */
#include "workers/ledger_impl.h"

#include <stdlib.h>
#include <string.h>

static int compare_bytes(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
    size_t shorter = a->len < b->len ? a->len : b->len;
    int order = shorter > 0 ? memcmp(a->data, b->data, shorter) : 0;

    if (order != 0)
        return order;
    return a->len < b->len ? -1 : a->len > b->len;
}

static int compare_places(const struct want *a, const struct want *b)
{
    int order = compare_bytes(&a->line->sku, &b->line->sku);
    return order != 0 ? order : compare_bytes(&a->line->warehouse, &b->line->warehouse);
}

static int compare_wants(const void *a, const void *b)
{
    const struct want *x = a, *y = b;
    int order = compare_places(x, y);

    if (order != 0)
        return order;
    return x->index < y->index ? -1 : x->index > y->index;
}

void body_wants(struct ledger *ledger, struct turn *turn)
{
    struct line_list list = turn->checked.list;

    if (turn->wants || list.count == 0)
        return;
    struct want *wants = arena_alloc(ledger->arena, list.count * sizeof *wants);
    bool sorted = true;
    for (size_t i = 0; i < list.count; i++) {
        wants[i] = (struct want){list.lines[i], list.lines[i]->quantity, i};
        sorted = sorted && (i == 0 || compare_places(&wants[i - 1], &wants[i]) < 0);
    }
    size_t kept = list.count;
    if (!sorted) {
        qsort(wants, list.count, sizeof *wants, compare_wants);
        kept = 1;
        for (size_t i = 1; i < list.count; i++) {
            if (compare_places(&wants[kept - 1], &wants[i]) == 0)
                wants[kept - 1].quantity += wants[i].quantity;
            else
                wants[kept++] = wants[i];
        }
    }
    turn->wants = wants;
    turn->want_count = kept;
}

/* The lines as the canonical body has them: the caller's own where that is the same. */
static Hf__Line **canonical_lines(struct ledger *ledger, struct turn *turn)
{
    if (turn->want_count == 0)
        return NULL;
    Hf__Line **lines = arena_alloc(ledger->arena, turn->want_count * sizeof(Hf__Line *));
    for (size_t i = 0; i < turn->want_count; i++) {
        const struct want *want = &turn->wants[i];
        Hf__Line *line = arena_copy(ledger->arena, want->line, sizeof *want->line);
        /* A sum beyond the range is refused; here it only has to be another body. */
        line->quantity = want->quantity > UINT32_MAX ? UINT32_MAX : (uint32_t)want->quantity;
        lines[i] = line;
    }
    return lines;
}

static ProtobufCBinaryData canonical_reservation(struct ledger *ledger, const struct turn *turn)
{
    char text[RESERVATION_TEXT_BYTES];

    reservation_id_format(turn->checked.reservation_id, text);
    return (ProtobufCBinaryData){RESERVATION_TEXT_BYTES - 1,
                                 arena_copy(ledger->arena, text, RESERVATION_TEXT_BYTES - 1)};
}

/* Lines, reservation and TTL are the fields that can be written in more than one way; validation
 * has noted where in the body they are. The caller's message stays as it is: it may be retried. */
static void canonicalise(struct ledger *ledger, struct turn *turn, Hf__Operation *operation)
{
    const struct checked *checked = &turn->checked;
    const ProtobufCMessage *body = (const ProtobufCMessage *)operation->reserve;

    if (!checked->lines_at && !checked->reservation_at && !checked->ttl_at)
        return;
    char *copy = arena_copy(ledger->arena, body, body->descriptor->sizeof_message);
    if (checked->lines_at) {
        struct line_list list = {turn->want_count, canonical_lines(ledger, turn)};
        memcpy(copy + checked->lines_at, &list, sizeof list);
    }
    if (checked->reservation_at) {
        ProtobufCBinaryData text = canonical_reservation(ledger, turn);
        memcpy(copy + checked->reservation_at, &text, sizeof text);
    }
    if (checked->ttl_at) {
        uint64_t ttl_ms;
        memcpy(&ttl_ms, copy + checked->ttl_at, sizeof ttl_ms);
        ttl_ms = ttl_or_default(ttl_ms);
        memcpy(copy + checked->ttl_at, &ttl_ms, sizeof ttl_ms);
    }
    operation->reserve = (Hf__Reserve *)(void *)copy;
}

void body_hash(struct ledger *ledger, struct turn *turn)
{
    if (turn->hashed)
        return;
    turn->hashed = true;

    Hf__Operation operation = *turn->operation;
    operation.operation_id = (ProtobufCBinaryData){0, NULL};
    operation.principal = operation.operation_id;
    operation.trace = operation.operation_id;
    body_wants(ledger, turn);
    canonicalise(ledger, turn, &operation);

    size_t bytes = protobuf_c_message_get_packed_size(&operation.base);
    uint8_t *packed = arena_alloc(ledger->arena, bytes);
    protobuf_c_message_pack(&operation.base, packed);
    XXH128_canonicalFromHash((XXH128_canonical_t *)turn->body_hash, XXH3_128bits(packed, bytes));
}

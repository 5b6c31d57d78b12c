/* SPDX-License-Identifier: MIT
 *
 * libFuzzer: steps of a view's life, from bytes: CHANGES, BEACONs, stretches of the ledger,
 * snapshots, lost histories, and questions. Whatever comes, the model takes it or leaves it whole:
 * its digests are always those of its rows, and every answer can be packed and keeps to its limits.
 *
 * A step is a byte that says which, then the bytes of an any_message.
 */
#include "tests/fuzz/asserts.h"

#include "tests/fuzz/any_message.h"

#include "protocol/ids.h"
#include "view/model.h"

#define PARTITIONS 2u
#define STEPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t claims[2][16] = {{1}, {2}};

struct run {
    struct model *model;
    struct bytes bytes;
    struct arena arena;
    int64_t now_us;
    ProtobufCBinaryData cursor; /* of the last page, in `kept` */
    uint8_t kept[1024];
};

static ProtobufCBinaryData claim_of(struct run *r)
{
    uint8_t byte = take_byte(&r->bytes);

    return (ProtobufCBinaryData){byte == 255 ? 3 : 16, (uint8_t *)(uintptr_t)claims[byte == 254]};
}

static uint32_t partition_of(struct run *r)
{
    uint8_t byte = take_byte(&r->bytes);

    return byte == 255 ? PARTITIONS : byte % PARTITIONS;
}

/* Most movements are as an owner would number them, with reservations that are at home here. */
static void mend(struct run *r, uint32_t partition, uint64_t after, Hf__Movement **movements,
                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        Hf__Movement *m = movements[i];
        uint8_t byte = take_byte(&r->bytes);
        if (byte < 240)
            m->sequence = after + 1 + i;
        if (m->reservation.len > 0 && byte < 200) {
            uint8_t id[RESERVATION_ID_BYTES] = {0, (uint8_t)partition, byte % 4};
            char *text = arena_alloc(&r->arena, RESERVATION_TEXT_BYTES);
            reservation_id_format(id, text);
            m->reservation = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
            m->line %= 4;
        }
    }
}

static void hear_changes(struct run *r)
{
    Hf__PartitionChanges *changes = (Hf__PartitionChanges *)(void *)any_message(
        &hf__partition_changes__descriptor, &r->bytes, &r->arena, 0);
    struct model_position before;

    changes->partition = partition_of(r);
    changes->claim_id = claim_of(r);
    before = model_position(r->model, changes->partition);
    if (take_byte(&r->bytes) < 240)
        changes->after = before.sequence;
    mend(r, changes->partition, changes->after, changes->movements, changes->n_movements);
    enum model_outcome outcome = model_changes(r->model, changes);
    struct model_position now = model_position(r->model, changes->partition);
    if (outcome == MODEL_DONE)
        assert_int_equal(now.sequence, changes->after + changes->n_movements);
    else
        assert_int_equal(now.sequence, before.sequence);
}

static void hear_beacon(struct run *r)
{
    Hf__Position position = HF__POSITION__INIT;

    position.partition = partition_of(r);
    position.claim_id = claim_of(r);
    position.sequence =
        model_position(r->model, position.partition).sequence + (take_byte(&r->bytes) & 1);
    (void)model_beacon(r->model, &position, r->now_us - take_byte(&r->bytes));
}

static void read_ledger(struct run *r)
{
    Hf__PartitionChanges *changes = (Hf__PartitionChanges *)(void *)any_message(
        &hf__partition_changes__descriptor, &r->bytes, &r->arena, 0);
    Hf__Position to = HF__POSITION__INIT;
    uint8_t byte = take_byte(&r->bytes);

    to.partition = partition_of(r);
    to.claim_id = claim_of(r);
    uint64_t after = model_position(r->model, to.partition).sequence;
    to.sequence = after + changes->n_movements;
    mend(r, to.partition, after, changes->movements, changes->n_movements);
    (void)model_ledger(r->model, after, changes->movements, changes->n_movements, &to, byte & 1,
                       r->now_us);
}

static struct snapshot_text text(const char *word)
{
    return (struct snapshot_text){word, (uint32_t)strlen(word)};
}

static void add_reservation(struct run *r, struct snapshot *s, const uint8_t *id)
{
    struct snapshot_reservation head = {.state = HF__RESERVATION_STATE__RESERVATION_ACTIVE,
                                        .revision = 1,
                                        .expires_at_us = (int64_t)any_number(&r->bytes),
                                        .order = text("O"),
                                        .actor = text("c")};
    struct snapshot_line line = {.sku = text("A"), .quantity = 3};

    memcpy(head.id, id, sizeof head.id);
    snapshot_reservation(s, &head);
    line.reserved = take_byte(&r->bytes) % 4;
    for (; line.number < 2; line.number++)
        snapshot_line(s, &line, text("W1"));
}

static void install(struct run *r)
{
    static const char *const skus[] = {"A", "c", "d", "e"}; /* sorted */
    struct snapshot *s = snapshot_new(take_byte(&r->bytes) % PARTITIONS);
    struct figures now = {(uint32_t)any_number(&r->bytes) % 1000, 1, 2, 3, 4, 5};
    uint8_t id[RESERVATION_ID_BYTES] = {0, (uint8_t)s->partition, take_byte(&r->bytes) % 4};

    s->sequence = any_number(&r->bytes);
    memcpy(s->claim_id, claims[take_byte(&r->bytes) & 1], sizeof s->claim_id);
    for (size_t i = 0; i < 4; i++) {
        if (partition_of_sku(skus[i], 1, PARTITIONS) != s->partition)
            continue;
        snapshot_item(s, text(skus[i]), text("name"), 7, 1 + s->sequence);
        (void)snapshot_level(s, text(skus[i]), text("W1"), &now, s->sequence, 1);
        (void)snapshot_barcode(s, text(skus[i]), text("A"));
    }
    add_reservation(r, s, id);
    if (s->partition == 0)
        snapshot_named(s, text("W1"), text("one"), 1);
    model_install(r->model, &s, r->now_us);
}

static void complete(struct run *r)
{
    uint8_t id[RESERVATION_ID_BYTES];

    if (!model_wants(r->model, id))
        return;
    struct snapshot *s = snapshot_new(reservation_id_partition(id));
    if (take_byte(&r->bytes) & 1)
        add_reservation(r, s, id);
    model_complete(r->model, id, s);
    snapshot_destroy(&s);
}

/* ------------------------------------------------------------- questions */

static void keep_cursor(struct run *r, const Hf__ViewAnswer *answer)
{
    if (answer->cursor.len == 0 || answer->cursor.len > sizeof r->kept)
        return;
    memcpy(r->kept, answer->cursor.data, answer->cursor.len);
    r->cursor = (ProtobufCBinaryData){answer->cursor.len, r->kept};
}

static void ask(struct run *r)
{
    Hf__ViewQuery *query =
        (Hf__ViewQuery *)(void *)any_message(&hf__view_query__descriptor, &r->bytes, &r->arena, 0);
    bool page = query->kind_case == HF__VIEW_QUERY__KIND_LEVELS;
    uint8_t byte = take_byte(&r->bytes);
    Hf__ViewAnswer answer;

    if (page && byte < 200)
        query->levels->limit = 1 + byte % 3;
    if (page && byte < 100)
        query->levels->cursor = r->cursor;
    if (!model_answer(r->model, query, r->now_us, r->now_us, byte & 1, &r->arena, &answer)) {
        assert_false(byte & 1); /* the last answer does not wait */
        return;
    }
    size_t bytes = hf__view_answer__get_packed_size(&answer);
    uint8_t *packed = malloc(bytes + 1);
    assert_int_equal(hf__view_answer__pack(&answer, packed), bytes);
    free(packed);
    if (answer.status == 0 && page)
        assert_true(answer.n_levels + answer.n_stock <= query->levels->limit);
    if (answer.status != 0)
        assert_true(answer.field && answer.field[0] != '\0');
    keep_cursor(r, &answer);
}

/* What it keeps is what it has. */
static void check(struct run *r)
{
    Hf__ViewQuery query = HF__VIEW_QUERY__INIT;
    Hf__ViewAuditQuery audit = HF__VIEW_AUDIT_QUERY__INIT;
    Hf__Position positions[PARTITIONS], *at[PARTITIONS];
    Hf__ViewAnswer answer;

    for (uint32_t p = 0; p < PARTITIONS; p++) {
        hf__position__init(&positions[p]);
        positions[p].partition = p;
        positions[p].sequence = model_position(r->model, p).sequence;
        at[p] = &positions[p];
    }
    query.kind_case = HF__VIEW_QUERY__KIND_AUDIT;
    query.audit = &audit;
    audit.what = HF__AUDIT_WHAT__AUDIT_DIGEST;
    audit.recount = true;
    audit.at = at;
    audit.n_at = PARTITIONS;
    assert_true(model_answer(r->model, &query, r->now_us, r->now_us, true, &r->arena, &answer));
    assert_int_equal(answer.n_digests, PARTITIONS);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        assert_false(answer.digests[p]->miscounted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r = {.model = model_new(PARTITIONS), .bytes = {data, size}, .now_us = 1000000};

    arena_init(&r.arena);
    for (int step = 0; step < STEPS_MAX && r.bytes.left > 0; step++) {
        r.now_us += 1000;
        switch (take_byte(&r.bytes) % 12) {
        case 0:
            install(&r);
            break;
        case 1:
            hear_beacon(&r);
            break;
        case 2:
            read_ledger(&r);
            break;
        case 3:
            model_forget(r.model, take_byte(&r.bytes) % PARTITIONS, true);
            break;
        case 4:
            complete(&r);
            break;
        case 5:
        case 6:
        case 7:
            ask(&r);
            break;
        default:
            hear_changes(&r);
        }
        check(&r);
        arena_reset(&r.arena);
    }
    arena_release(&r.arena);
    model_destroy(&r.model);
    return 0;
}

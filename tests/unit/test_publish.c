/* SPDX-License-Identifier: MIT
 *
 * What a worker publishes: that the encoder written by hand says what the generated code says, that
 * large transactions are cut where they may be, and what beacons echo.
 */
#include "tests/unit/ledger_world.h"
#include "workers/claims.h"
#include "workers/history.h"
#include "workers/publish.h"

#define MESSAGES 64

struct sent {
    uint8_t type;
    uint8_t *body;
    size_t bytes;
};

struct wire {
    struct sent sent[MESSAGES];
    size_t sent_count;
    uint8_t frames[MESSAGES][HEADER_BYTES + 1];
    int lengths[MESSAGES];
    size_t frame_count, frame_next;
};

static void take(void *context, const uint8_t header[HEADER_BYTES], const uint8_t *body,
                 size_t body_bytes)
{
    struct wire *wire = context;
    struct header read;

    assert_int_equal(header_read(&read, header, HEADER_BYTES), HEADER_OK);
    assert_int_equal(read.partition, PARTITION_NONE);
    assert_true(wire->sent_count < MESSAGES);
    struct sent *sent = &wire->sent[wire->sent_count++];
    *sent = (struct sent){read.type, malloc(body_bytes + 1), body_bytes};
    memcpy(sent->body, body, body_bytes);
}

static int give(void *context, uint8_t *bytes, size_t size)
{
    struct wire *wire = context;

    if (wire->frame_next == wire->frame_count)
        return -1;
    size_t length = (size_t)wire->lengths[wire->frame_next];
    memcpy(bytes, wire->frames[wire->frame_next++], length < size ? length : size);
    return (int)length;
}

static void hear(struct wire *wire, const void *bytes, size_t length)
{
    memcpy(wire->frames[wire->frame_count], bytes, length);
    wire->lengths[wire->frame_count++] = (int)length;
}

static void hear_ask(struct wire *wire, uint32_t asker, uint64_t number)
{
    struct header header = {
        .type = MESSAGE_ASK, .partition = PARTITION_NONE, .session = asker, .sequence = number};
    uint8_t bytes[HEADER_BYTES];

    header_write(&header, bytes);
    hear(wire, bytes, sizeof bytes);
}

static void forget(struct wire *wire)
{
    for (size_t i = 0; i < wire->sent_count; i++)
        free(wire->sent[i].body);
    *wire = (struct wire){0};
}

/* ------------------------------------------------------------- the encoder */

static void same_encoding(struct world *w, const struct movement *movement)
{
    struct publish_bytes out = {0};
    Hf__Movement *want = history_message(movement, &w->arena);

    want->partition = 0;
    want->claim_id.len = 0;
    if (want->after)
        want->after->sku.len = want->after->warehouse.len = 0;
    publish_encode(&out, movement);
    Hf__Movement *read = hf__movement__unpack(NULL, out.used, out.bytes);
    assert_non_null(read);
    assert_int_equal(read->base.n_unknown_fields, 0);
    size_t bytes = hf__movement__get_packed_size(want);
    assert_int_equal(hf__movement__get_packed_size(read), bytes);
    uint8_t *a = arena_alloc(&w->arena, bytes + 1), *b = arena_alloc(&w->arena, bytes + 1);
    hf__movement__pack(want, a);
    hf__movement__pack(read, b);
    assert_memory_equal(a, b, bytes);
    hf__movement__free_unpacked(read, NULL);
    free(out.bytes);
}

static void test_encoding(void **state)
{
    (void)state;
    struct world *w = shop("A=50@W1 B=300@W2");
    Hf__Operation *op = op_reserve(w, "A=3@W1 B=200@W2");

    op->reserve->order = bytes_of(w, "order 7");
    op->actor = bytes_of(w, "anna");
    op->note = bytes_of(w, "a note");
    op->trace = bytes_of(w, "00-1-2-01");
    op->principal = bytes_of(w, "local");
    op->undoes = 3;
    expect(w, op, applied);
    char *hold = reservation_of(w, op);
    expect(w, op_extend(w, hold, 5000), applied);
    op = op_purchase(w, hold, "A=1");
    op->purchase->keep_remainder = true;
    expect(w, op, applied);
    expect(w, op_ship(w, hold, ""), applied);
    expect(w, op_return(w, hold, "A=1"), applied);
    expect(w, op_release(w, hold, ""), applied);
    expect(w, op_adjust(w, "A", "W1", -49), applied);
    op = op_adjust(w, "B", "W2", -1);
    op->adjust->accept_shortfall = true;
    expect(w, op, applied);
    expect(w, op_safety(w, "A", "W1", 4), applied);
    expect(w, op_reorder(w, "A", "W1", 9), applied);
    expect(w, op_put_item(w, "A", "4001 4002"), applied);
    expect(w, op_put_warehouse(w, "W4"), applied);
    expect(w, op_settle(w, op_receive(w, "A=1@W1")), applied);
    for (size_t i = 0; i < w->movement_count; i++)
        same_encoding(w, &w->movements[i]);
    world_destroy(w);
}

/* ------------------------------------------------------------- changes */

static const uint8_t subscribe[] = {1}, unsubscribe[] = {0};

static struct store_part part_of(struct world *w, size_t from, size_t count)
{
    return (struct store_part){
        .partition = 7,
        .claim_id = world_claim,
        .changes = {.base_seq = w->movements[from].seq - 1,
                    .last_seq = w->movements[from].seq - 1 + count,
                    .movements = &w->movements[from],
                    .movement_count = count},
    };
}

static void test_changes(void **state)
{
    (void)state;
    struct world *w = shop("A=50@W1 B=300@W2");
    struct wire wire = {0};
    struct publish *publish = publish_new((struct publish_output){&wire, take, give});
    struct worker worker = {.publish = publish};
    struct store_part part = part_of(w, 2, 3);

    publish_changes(NULL, &part);
    publish_flush(NULL);
    publish_changes(publish, &part); /* nobody subscribes */
    publish_flush(publish);
    assert_int_equal(wire.sent_count, 0);
    hear(&wire, subscribe, 1);
    publish_keep(&worker, 1000000);
    assert_int_equal(wire.sent_count, 1);
    assert_int_equal(wire.sent[0].type, MESSAGE_BEACON);
    publish_changes(publish, &part);
    part = part_of(w, 5, 2);
    part.partition = 8;
    publish_changes(publish, &part);
    assert_int_equal(wire.sent_count, 1);
    publish_flush(publish);
    publish_flush(publish);
    assert_int_equal(wire.sent_count, 2);
    assert_int_equal(wire.sent[1].type, MESSAGE_CHANGES);
    Hf__Changes *read = hf__changes__unpack(NULL, wire.sent[1].bytes, wire.sent[1].body);
    assert_non_null(read);
    assert_int_equal(read->n_partitions, 2);
    assert_int_equal(read->partitions[0]->partition, 7);
    assert_int_equal(read->partitions[0]->after, 2);
    assert_int_equal(read->partitions[0]->n_movements, 3);
    assert_int_equal(read->partitions[0]->movements[0]->sequence, 3);
    assert_memory_equal(read->partitions[0]->claim_id.data, world_claim, 16);
    assert_int_equal(read->partitions[1]->partition, 8);
    assert_int_equal(read->partitions[1]->n_movements, 2);
    hf__changes__free_unpacked(read, NULL);
    hear(&wire, unsubscribe, 1);
    publish_keep(&worker, 2000000);
    publish_changes(publish, &part);
    publish_flush(publish);
    assert_int_equal(wire.sent_count, 2);
    assert_int_equal(publish_wait_us(publish, 0), INT64_MAX);
    forget(&wire);
    publish_destroy(&publish);
    world_destroy(w);
}

/* Cut between operations while that is possible, and below the limit of a message always. */
static void large_changes(struct world *w, uint32_t rows_of_operation)
{
    enum { ROWS = 20000 };
    struct wire wire = {0};
    struct publish *publish = publish_new((struct publish_output){&wire, take, give});
    struct worker worker = {.publish = publish};
    struct movement *rows = calloc(ROWS, sizeof *rows);
    uint64_t next = 1000;

    for (uint32_t i = 0; i < ROWS; i++) {
        rows[i] = w->movements[w->movement_count - 1];
        rows[i].seq = 1001 + i;
        rows[i].idx = i % rows_of_operation;
        rows[i].note = (ProtobufCBinaryData){250, (uint8_t *)rows};
    }
    hear(&wire, subscribe, 1);
    publish_keep(&worker, 1000000);
    struct store_part part = {
        .partition = 1,
        .claim_id = world_claim,
        .changes = {
            .base_seq = 1000, .last_seq = 1000 + ROWS, .movements = rows, .movement_count = ROWS}};
    publish_changes(publish, &part);
    publish_flush(publish);
    assert_true(wire.sent_count > 2);
    for (size_t i = 1; i < wire.sent_count; i++) {
        assert_true(wire.sent[i].bytes <= MESSAGE_BYTES_MAX);
        Hf__Changes *read = hf__changes__unpack(NULL, wire.sent[i].bytes, wire.sent[i].body);
        assert_non_null(read);
        for (size_t p = 0; p < read->n_partitions; p++) {
            assert_int_equal(read->partitions[p]->after, next);
            if (rows_of_operation < 1000)
                assert_int_equal(read->partitions[p]->movements[0]->index, 0);
            next += read->partitions[p]->n_movements;
        }
        hf__changes__free_unpacked(read, NULL);
    }
    assert_int_equal(next, 1000 + ROWS);
    free(rows);
    forget(&wire);
    publish_destroy(&publish);
}

static void test_large_changes(void **state)
{
    (void)state;
    struct world *w = shop("A=50@W1 B=300@W2");
    large_changes(w, 1);
    large_changes(w, 7);
    large_changes(w, 20000);
    world_destroy(w);
}

/* ------------------------------------------------------------- beacons */

static Hf__Beacon *beacon_of(struct wire *wire, size_t n)
{
    assert_true(n < wire->sent_count);
    assert_int_equal(wire->sent[n].type, MESSAGE_BEACON);
    Hf__Beacon *beacon = hf__beacon__unpack(NULL, wire->sent[n].bytes, wire->sent[n].body);
    assert_non_null(beacon);
    return beacon;
}

static void test_beacons(void **state)
{
    (void)state;
    struct world *w = shop("A=50@W1");
    struct wire wire = {0};
    struct publish *publish = publish_new((struct publish_output){&wire, take, give});
    struct slot slots[3] = {
        {.partition = 0, .state = SLOT_OWNED, .ledger = w->ledger, .lease_until_us = 9000000},
        {.partition = 4, .state = SLOT_RECLAIM, .ledger = w->ledger, .lease_until_us = 9000000},
        {.partition = 5, .state = SLOT_OTHER},
    };
    struct worker worker = {.publish = publish, .claims = {.slots = slots, .count = 3}};

    memcpy(slots[0].claim_id, world_claim, 16);
    hear_ask(&wire, 8, 1); /* before anybody subscribed */
    publish_keep(&worker, 1000000);
    assert_int_equal(wire.sent_count, 0);
    hear(&wire, subscribe, 1);
    hear_ask(&wire, 8, 5);
    hear_ask(&wire, 8, 4); /* by another broker, later */
    hear_ask(&wire, 9, 1);
    hear_ask(&wire, 0, 1);
    hear(&wire, "HF", 2);
    publish_keep(&worker, 1000000);
    Hf__Beacon *beacon = beacon_of(&wire, 0);
    assert_int_equal(beacon->n_positions, 1);
    assert_int_equal(beacon->positions[0]->partition, 0);
    assert_int_equal(beacon->positions[0]->sequence, w->last_seq);
    assert_memory_equal(beacon->positions[0]->claim_id.data, world_claim, 16);
    assert_int_equal(beacon->n_echoes, 2);
    assert_int_equal(beacon->echoes[0]->asker, 8);
    assert_int_equal(beacon->echoes[0]->number, 5);
    assert_int_equal(beacon->echoes[1]->number, 1);
    hf__beacon__free_unpacked(beacon, NULL);
    publish_keep(&worker, 1000000 + PUBLISH_BEACON_US - 1);
    assert_int_equal(wire.sent_count, 1);
    assert_int_equal(publish_wait_us(publish, 1000000), PUBLISH_BEACON_US);
    publish_keep(&worker, 1000000 + PUBLISH_BEACON_US);
    assert_int_equal(wire.sent_count, 2);
    hear_ask(&wire, 8, 6); /* a new question is answered sooner */
    publish_keep(&worker, 1300000);
    assert_int_equal(publish_wait_us(publish, 1300000), PUBLISH_ANSWER_US);
    publish_keep(&worker, 1300000 + PUBLISH_ANSWER_US);
    beacon = beacon_of(&wire, 2);
    assert_int_equal(beacon->echoes[0]->number, 6);
    hf__beacon__free_unpacked(beacon, NULL);
    /* The lease may have passed: somebody else may own it. */
    publish_keep(&worker, 9000000);
    beacon = beacon_of(&wire, 3);
    assert_int_equal(beacon->n_positions, 0);
    hf__beacon__free_unpacked(beacon, NULL);
    for (uint32_t asker = 100; asker < 100 + PUBLISH_ASKERS_MAX; asker++) {
        hear_ask(&wire, asker, asker);
        publish_keep(&worker, 10000000 + asker);
        wire.frame_count = wire.frame_next = 0;
    }
    publish_keep(&worker, 20000000);
    beacon = beacon_of(&wire, wire.sent_count - 1);
    assert_int_equal(beacon->n_echoes, PUBLISH_ASKERS_MAX);
    for (size_t i = 0; i < beacon->n_echoes; i++)
        assert_true(beacon->echoes[i]->asker >= 100);
    hf__beacon__free_unpacked(beacon, NULL);
    forget(&wire);
    publish_destroy(&publish);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_large_changes),
        cmocka_unit_test(test_beacons),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}

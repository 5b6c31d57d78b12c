/* SPDX-License-Identifier: MIT
 *
 * What a subscription's handle tells a relay of what it was given, and that no event is left out
 * whichever allocation fails. The connection, and a relay behind it, are played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "client/consume.h"
#include "common/clock.h"
#include "protocol/status.h"

#define SESSION 7u
#define PARTITIONS 2u
#define MESSAGES 32

static struct played {
    bool welcome_due;
    uint8_t type; /* of what was sent last */
    uint8_t body[256];
    size_t body_bytes;
    /* A relay with so many movements of each partition; 0: none is played. */
    uint64_t last;
    uint64_t given[PARTITIONS], acked[PARTITIONS], credit, events;
    struct {
        uint8_t type, body[512];
        size_t bytes;
    } queue[MESSAGES];
    size_t count, at;
    size_t sessions;
} played;

/* ------------------------------------------------------------- memory */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define CAN_FAIL 0 /* a sanitizer brings its own malloc */
#else
#    define CAN_FAIL 1
#endif

static long allocations_left = -1; /* below 0: none fails */
static bool failed, is_playing;

#if CAN_FAIL
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);

static bool may_allocate(void)
{
    if (allocations_left < 0 || is_playing)
        return true;
    if (allocations_left-- > 0)
        return true;
    failed = true; /* only that one */
    return false;
}

void *malloc(size_t bytes)
{
    return may_allocate() ? __libc_malloc(bytes) : NULL;
}

void *calloc(size_t count, size_t bytes)
{
    return may_allocate() ? __libc_calloc(count, bytes) : NULL;
}
#endif

/* ------------------------------------------------------------- the relay */

static void relay_says(uint8_t type, const ProtobufCMessage *message)
{
    assert_true(played.count < MESSAGES);
    assert_true(protobuf_c_message_get_packed_size(message) <= sizeof played.queue[0].body);
    played.queue[played.count].type = type;
    played.queue[played.count].bytes =
        protobuf_c_message_pack(message, played.queue[played.count].body);
    played.count++;
}

static void relay_gives(void)
{
    Hf__Movement movement = HF__MOVEMENT__INIT, *list = &movement;
    Hf__Events events = HF__EVENTS__INIT;

    events.events = &list;
    events.n_events = 1;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        while (played.given[p] < played.last && played.events < played.credit) {
            movement.partition = p;
            movement.sequence = ++played.given[p];
            movement.sku = (ProtobufCBinaryData){3, (uint8_t *)(uintptr_t) "abc"};
            movement.trace = (ProtobufCBinaryData){2, (uint8_t *)(uintptr_t) "tr"};
            played.events++;
            relay_says(MESSAGE_EVENTS, &events.base);
        }
    }
}

static void relay_begins(void)
{
    Hf__Subscribed subscribed = HF__SUBSCRIBED__INIT;
    Hf__Assign assign = HF__ASSIGN__INIT;
    uint32_t all[PARTITIONS] = {0, 1};

    memcpy(played.given, played.acked, sizeof played.given);
    played.credit = played.events = 0;
    relay_says(MESSAGE_SUBSCRIBED, &subscribed.base);
    assign.partitions = all;
    assign.n_partitions = PARTITIONS;
    relay_says(MESSAGE_ASSIGN, &assign.base);
}

static void relay_hears(uint8_t type, uint64_t sequence, const uint8_t *body, size_t bytes)
{
    Hf__Welcome welcome = HF__WELCOME__INIT;

    if (type == MESSAGE_HELLO) {
        welcome.partitions = PARTITIONS;
        welcome.heartbeat_ms = 600000;
        played.count = played.at = 0;
        played.sessions++;
        relay_says(MESSAGE_WELCOME, &welcome.base);
    } else if (type == MESSAGE_SUBSCRIBE) {
        relay_begins();
    } else if (type == MESSAGE_CREDIT) {
        played.credit = sequence;
        relay_gives();
    } else if (type == MESSAGE_ACK) {
        Hf__Ack *ack = hf__ack__unpack(NULL, bytes, body);
        for (size_t i = 0; i < ack->n_positions; i++) {
            assert_true(ack->positions[i]->sequence <= played.given[ack->positions[i]->partition]);
            played.acked[ack->positions[i]->partition] = ack->positions[i]->sequence;
        }
        relay_says(MESSAGE_ACKED, &ack->base);
        hf__ack__free_unpacked(ack, NULL);
    }
}

/* ------------------------------------------------------------- the connection */

bool link_connect(struct link *link, const char *endpoint)
{
    (void)link;
    (void)endpoint;
    return true;
}

void link_disconnect(struct link *link)
{
    (void)link;
    played.count = played.at = 0;
}

bool link_broken(struct link *link)
{
    (void)link;
    return false;
}

bool link_send(struct link *link, const uint8_t header[32], const uint8_t *body, size_t body_bytes)
{
    struct header sent;

    (void)link;
    assert_int_equal(header_read(&sent, header, HEADER_BYTES), HEADER_OK);
    assert_true(body_bytes <= sizeof played.body);
    played.type = sent.type;
    played.body_bytes = body_bytes;
    if (body_bytes > 0)
        memcpy(played.body, body, body_bytes);
    is_playing = true;
    if (played.last > 0)
        relay_hears(sent.type, sent.sequence, body, body_bytes);
    is_playing = false;
    return true;
}

static bool receive_played(struct link_message *message)
{
    struct header header = {.partition = PARTITION_NONE, .session = SESSION};

    if (played.at == played.count)
        return false;
    header.type = played.queue[played.at].type;
    message->misframed = false;
    is_playing = true;
    zmq_msg_init_size(&message->header, HEADER_BYTES);
    header_write(&header, zmq_msg_data(&message->header));
    zmq_msg_init_size(&message->body, played.queue[played.at].bytes);
    memcpy(zmq_msg_data(&message->body), played.queue[played.at].body,
           played.queue[played.at].bytes);
    is_playing = false;
    played.at++;
    return true;
}

bool link_receive(struct link *link, struct link_message *message)
{
    struct header header = {
        .type = MESSAGE_WELCOME, .partition = PARTITION_NONE, .session = SESSION};
    Hf__Welcome welcome = HF__WELCOME__INIT;

    (void)link;
    if (played.last > 0)
        return receive_played(message);
    if (!played.welcome_due)
        return false;
    played.welcome_due = false;
    welcome.partitions = 2;
    message->misframed = false;
    zmq_msg_init_size(&message->header, HEADER_BYTES);
    header_write(&header, zmq_msg_data(&message->header));
    zmq_msg_init_size(&message->body, hf__welcome__get_packed_size(&welcome));
    hf__welcome__pack(&welcome, zmq_msg_data(&message->body));
    return true;
}

void link_message_release(struct link_message *message)
{
    zmq_msg_close(&message->header);
    zmq_msg_close(&message->body);
}

/* After a resume nobody knows of which claim the position is. As seen it would be one of a history
 * that is lost, and be told as that. */
static void test_a_position_without_a_claim_was_not_seen(void **state)
{
    struct holdfast_subscription s = {
        .name = "stock", .phase = CONSUME_HELLO, .phase_until_us = INT64_MAX, .partitions = 2};

    (void)state;
    s.last = &s.first;
    s.parts = calloc(2, sizeof *s.parts);
    assert_non_null(s.parts);
    s.parts[0].handed = 5;
    memset(s.parts[0].handed_claim, 0xab, sizeof s.parts[0].handed_claim);
    s.parts[1].handed = 3; /* resumed from there */
    played = (struct played){.welcome_due = true};
    consume_process(&s, 1000);
    assert_int_equal(s.phase, CONSUME_SUBSCRIBING);
    assert_int_equal(played.type, MESSAGE_SUBSCRIBE);
    Hf__Subscribe *said = hf__subscribe__unpack(NULL, played.body_bytes, played.body);
    assert_non_null(said);
    assert_int_equal(said->n_seen, 1);
    assert_int_equal(said->seen[0]->partition, 0);
    assert_int_equal(said->seen[0]->sequence, 5);
    assert_int_equal(said->n_positions, 0);
    hf__subscribe__free_unpacked(said, NULL);
    free(s.parts);
}

#define MOVEMENTS 6u

/* Everything is handed to the caller, of each partition in order and without a gap, and stored in
 * the end. Returns how many sessions that took. */
static size_t consume_all(void)
{
    char *relays[] = {(char *)(uintptr_t) "ipc:///r"};
    struct holdfast_subscription s = {
        .name = "stock",
        .window = 4,
        .options = {.relays = relays, .relay_count = 1, .cluster = "c", .name = "n"}};
    uint64_t handed[PARTITIONS] = {0};
    int64_t now_us = clock_monotonic_us();

    s.last = &s.first;
    pool_init(&s.event_pool);
    pool_init(&s.answer_pool);
    played = (struct played){.last = MOVEMENTS};
    for (int i = 0; i < 200; i++) {
        consume_process(&s, now_us);
        while (consume_next(&s)) {
            assert_int_equal(s.event.kind, HOLDFAST_EVENT_MOVEMENT);
            assert_int_equal(s.event.sequence, ++handed[s.event.partition]);
            assert_string_equal(s.event.movement->sku, "abc");
            assert_string_equal(s.event.trace, "tr");
            consume_acknowledge(&s, s.event.partition, s.event.sequence, now_us);
        }
        now_us += 100000;
    }
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        assert_int_equal(handed[p], MOVEMENTS);
        assert_int_equal(played.acked[p], MOVEMENTS);
    }
    assert_true(failed ||
                consume_all_stored(&s)); /* the message that says so may be what was lost */
    consume_forget(&s);
    pool_release(&s.event_pool);
    pool_release(&s.answer_pool);
    free(s.parts);
    return played.sessions;
}

/* An event that is left out would be acknowledged with the one behind it. */
static void test_no_event_is_left_out(void **state)
{
    (void)state;
    size_t runs = 0, ended = 0;

    assert_int_equal(consume_all(), 1);
    do {
        allocations_left = (long)runs;
        failed = false;
        ended += consume_all() > 1;
        allocations_left = -1;
        runs++;
    } while (failed && runs < 1000);
    assert_true(runs < 1000);
    assert_true(!CAN_FAIL || (runs > 50 && ended > 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_position_without_a_claim_was_not_seen),
        cmocka_unit_test(test_no_event_is_left_out),
    };
    return cmocka_run_group_tests_name("subscriptions: the handle", tests, NULL, NULL);
}

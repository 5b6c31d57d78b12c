/* SPDX-License-Identifier: MIT
 *
 * What a subscription's handle tells a relay of what it was given. The connection is played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "client/consume.h"

#define SESSION 7u

static struct played {
    bool welcome_due;
    uint8_t type; /* of what was sent last */
    uint8_t body[256];
    size_t body_bytes;
} played;

bool link_connect(struct link *link, const char *endpoint)
{
    (void)link;
    (void)endpoint;
    return true;
}

void link_disconnect(struct link *link)
{
    (void)link;
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
    return true;
}

bool link_receive(struct link *link, struct link_message *message)
{
    struct header header = {
        .type = MESSAGE_WELCOME, .partition = PARTITION_NONE, .session = SESSION};
    Hf__Welcome welcome = HF__WELCOME__INIT;

    (void)link;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_position_without_a_claim_was_not_seen),
    };
    return cmocka_run_group_tests_name("subscriptions: the handle", tests, NULL, NULL);
}

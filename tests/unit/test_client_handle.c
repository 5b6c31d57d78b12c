/* SPDX-License-Identifier: MIT
 *
 * The handle, with a connection that is played here: a broker that says welcome and nothing more,
 * or not even that. Whatever was taken on is told, once; after closing has begun nothing is taken
 * on any more.
 */
#include "tests/unit/client_world.h"

#include "client/link.h"

#define SESSION 7u
#define PARTITIONS 200u /* more than one fan-out has in flight */

static struct played {
    bool silent, welcome_due;
    int connects, queries;
} played;

bool link_open(struct link *link, const struct link *beside)
{
    (void)beside;
    *link = (struct link){.poll_fd = -1};
    return true;
}

void link_close(struct link *link, bool linger, bool is_child)
{
    (void)link;
    (void)linger;
    (void)is_child;
}

bool link_connect(struct link *link, const char *endpoint)
{
    (void)link;
    (void)endpoint;
    played.connects++;
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

bool link_send(struct link *link, const uint8_t bytes[32], const uint8_t *body, size_t body_bytes)
{
    struct header header;

    (void)link;
    (void)body;
    (void)body_bytes;
    assert_int_equal(header_read(&header, bytes, HEADER_BYTES), HEADER_OK);
    played.welcome_due |= header.type == MESSAGE_HELLO;
    played.queries += header.type == MESSAGE_QUERY || header.type == MESSAGE_BATCH;
    return true;
}

bool link_receive(struct link *link, struct link_message *message)
{
    struct header header = {
        .type = MESSAGE_WELCOME, .partition = PARTITION_NONE, .session = SESSION};
    Hf__Welcome welcome = HF__WELCOME__INIT;

    (void)link;
    if (!played.welcome_due || played.silent)
        return false;
    played.welcome_due = false;
    welcome.version = 1;
    welcome.partitions = PARTITIONS;
    welcome.credit = welcome.window = 1000;
    welcome.heartbeat_ms = 1000;
    welcome.message_bytes = 65536;
    welcome.batch_messages = 100;
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

/* ------------------------------------------------------------- the tests */

static const struct holdfast_line line = {.sku = "A", .quantity = 1};
static const struct holdfast_operation reserve = {
    .kind = HOLDFAST_RESERVE, .lines = &line, .line_count = 1};
static const struct holdfast_query audit = {.kind = HOLDFAST_QUERY_AUDIT, .token = 1};

static struct holdfast *opened(int timeout_ms)
{
    static const char *const brokers[] = {"ipc:///played"};
    struct holdfast_options options = {.size = sizeof options,
                                       .brokers = brokers,
                                       .broker_count = 1,
                                       .cluster = "test",
                                       .timeout_ms = timeout_ms};
    char error[200];
    struct holdfast *client = holdfast_open(&options, error, sizeof error);

    played = (struct played){0};
    if (!client)
        fail_msg("%s", error);
    return client;
}

struct told {
    struct holdfast *client;
    size_t answers, results;
    char why[2][200], message[200];
};

static void take_answer(void *data, struct holdfast_answer *answer)
{
    struct told *told = data;

    told->answers++;
    snprintf(told->message, sizeof told->message, "%s", answer->message);
    holdfast_answer_free(&answer);
}

static void take_result(void *data, struct holdfast_result *result)
{
    struct told *told = data;

    told->results++;
    holdfast_result_free(&result);
    assert_false(holdfast_submit(told->client, &reserve, take_result, told, told->why[0], 200));
    assert_false(holdfast_submit_query(told->client, &audit, take_answer, told, told->why[1], 200));
}

static void test_nothing_is_taken_on(void **state)
{
    struct told told = {.client = opened(60000)};
    struct holdfast *client = told.client;

    (void)state;
    assert_true(holdfast_submit(client, &reserve, take_result, &told, NULL, 0));
    assert_true(holdfast_submit_query(client, &audit, take_answer, &told, NULL, 0));
    holdfast_close(&client);
    assert_int_equal(told.results, 1);
    assert_int_equal(told.answers, 1);
    assert_non_null(strstr(told.why[0], "being closed"));
    assert_non_null(strstr(told.why[1], "being closed"));
}

/* The parts that were not sent yet end with those that were. */
static void test_closed_before_all_was_sent(void **state)
{
    struct told told = {.client = opened(60000)};
    struct holdfast *client = told.client;

    (void)state;
    assert_true(holdfast_submit_query(client, &audit, take_answer, &told, NULL, 0));
    for (int i = 0; i < 4; i++)
        holdfast_process(client);
    assert_int_equal(holdfast_partitions(client), PARTITIONS);
    assert_true(played.queries > 0);
    assert_int_equal(told.answers, 0);
    holdfast_close(&client);
    assert_int_equal(told.answers, 1);
}

/* All parts have one deadline: those that are in flight end one after another, and each makes room
 * for others, which nobody sends any more. */
static void test_no_answer_in_time(void **state)
{
    struct told told = {.client = opened(50)};
    struct holdfast *client = told.client;

    (void)state;
    assert_true(holdfast_submit_query(client, &audit, take_answer, &told, NULL, 0));
    while (told.answers == 0)
        holdfast_process(client);
    for (int i = 0; i < 4; i++)
        holdfast_process(client);
    assert_int_equal(told.answers, 1);
    assert_int_equal(holdfast_pending(client), 0);
    holdfast_close(&client);
}

/* Nothing went wrong that could be named; there is a reason all the same. */
static void test_no_broker_has_answered(void **state)
{
    struct told told = {.client = opened(50)};
    struct holdfast *client = told.client;

    (void)state;
    played.silent = true;
    assert_true(holdfast_submit_query(client, &audit, take_answer, &told, NULL, 0));
    while (told.answers == 0)
        holdfast_process(client);
    assert_string_equal(told.message, "no broker to ask: none answered yet");
    holdfast_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_taken_on),
        cmocka_unit_test(test_closed_before_all_was_sent),
        cmocka_unit_test(test_no_answer_in_time),
        cmocka_unit_test(test_no_broker_has_answered),
    };

    return cmocka_run_group_tests_name("client handle", tests, NULL, NULL);
}

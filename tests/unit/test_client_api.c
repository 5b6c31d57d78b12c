/* SPDX-License-Identifier: MIT
 *
 * libholdfast's public functions as far as they go without a broker: bad options and arguments, an
 * endpoint where nobody listens, callbacks, and a child of fork.
 */
#include "tests/unit/client_world.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char error[600];

static struct holdfast_options options(void)
{
    static const char *const brokers[] = {"ipc:///nonexistent/holdfast-test"};

    return (struct holdfast_options){.size = sizeof(struct holdfast_options),
                                     .brokers = brokers,
                                     .broker_count = 1,
                                     .cluster = "test",
                                     .timeout_ms = 100};
}

static void refused(struct holdfast_options bad, const char *word)
{
    struct holdfast *client = holdfast_open(&bad, error, sizeof error);

    assert_null(client);
    if (!strstr(error, word))
        fail_msg("\"%s\" does not name %s", error, word);
    assert_null(holdfast_open(&bad, NULL, 0));
}

static void test_bad_options(void **state)
{
    static const char *const no_endpoint[] = {"localhost"}, *const none[] = {NULL};
    struct holdfast_options bad;

    (void)state;
    bad = options(), bad.size = 0, refused(bad, "size");
    bad = options(), bad.brokers = no_endpoint, refused(bad, "brokers[0]");
    bad = options(), bad.brokers = none, refused(bad, "brokers[0]");
    bad = options(), bad.broker_count = 0, refused(bad, "broker_count");
    bad = options(), bad.broker_count = 1000, refused(bad, "brokers");
    bad = options(), bad.cluster = NULL, refused(bad, "cluster");
    bad = options(), bad.name = "", refused(bad, "name");
    bad = options(), bad.actor = "a\x01", refused(bad, "actor");
    bad = options(), bad.timeout_ms = -1, refused(bad, "timeout_ms");
    bad = options(), bad.attempt_timeout_ms = INT64_MAX, refused(bad, "attempt_timeout_ms");
    bad = options(), bad.op_class = (enum holdfast_class)9, refused(bad, "op_class");
    bad = options(), bad.brokers = NULL, bad.cluster_file = "/nonexistent/c.yaml";
    refused(bad, "/nonexistent/c.yaml");
}

static struct holdfast *opened(void)
{
    struct holdfast_options good = options();
    struct holdfast *client = holdfast_open(&good, error, sizeof error);

    if (!client)
        fail_msg("%s", error);
    return client;
}

static const struct holdfast_line line = {.sku = "A", .quantity = 1};
static const struct holdfast_operation reserve = {
    .kind = HOLDFAST_RESERVE, .lines = &line, .line_count = 1};
static const struct holdfast_query audit = {.kind = HOLDFAST_QUERY_AUDIT, .token = 1};

static void test_nobody_listens(void **state)
{
    struct holdfast *client = opened();
    struct holdfast_operation operations[3] = {reserve, {.kind = 0}, reserve};
    struct holdfast_result *results[3] = {NULL};

    (void)state;
    struct holdfast_result *result = holdfast_call(client, &reserve);
    assert_int_equal(result->status, HOLDFAST_UNAVAILABLE); /* nothing was sent: certain */
    assert_int_equal(result->attempts, 0);
    assert_int_equal(strlen(result->operation_id), 36);
    assert_string_not_equal(result->message, "");
    holdfast_result_free(&result);
    assert_null(result);
    struct holdfast_answer *answer = holdfast_ask(client, &audit);
    assert_int_equal(answer->status, HOLDFAST_UNAVAILABLE);
    holdfast_answer_free(&answer);
    holdfast_call_many(client, operations, 3, results);
    assert_int_equal(results[0]->status, HOLDFAST_UNAVAILABLE);
    assert_int_equal(results[1]->status, HOLDFAST_INVALID);
    assert_string_equal(results[1]->field, "kind");
    assert_int_equal(results[2]->status, HOLDFAST_UNAVAILABLE);
    for (int i = 0; i < 3; i++)
        holdfast_result_free(&results[i]);
    holdfast_call_many(client, NULL, 0, NULL);
    holdfast_close(&client);
    assert_null(client);
    holdfast_close(&client);
    holdfast_close(NULL);
}

static void test_no_arguments(void **state)
{
    struct holdfast *client = opened();
    struct holdfast_result *result = holdfast_call(NULL, &reserve);

    (void)state;
    assert_int_equal(result->status, HOLDFAST_INVALID);
    holdfast_result_free(&result);
    result = holdfast_call(client, NULL);
    assert_int_equal(result->status, HOLDFAST_INVALID);
    holdfast_result_free(&result);
    struct holdfast_answer *answer = holdfast_ask(client, NULL);
    assert_int_equal(answer->status, HOLDFAST_INVALID);
    holdfast_answer_free(&answer);
    assert_false(holdfast_submit(client, &reserve, NULL, NULL, error, sizeof error));
    assert_false(holdfast_submit(client, NULL, NULL, NULL, NULL, 0));
    assert_false(holdfast_submit_query(NULL, NULL, NULL, NULL, error, sizeof error));
    holdfast_process(NULL);
    assert_int_equal(holdfast_pending(NULL), 0);
    assert_int_equal(holdfast_fd(NULL), -1);
    holdfast_close(&client);
}

struct chain {
    struct holdfast *client;
    int left, told, waited;
};

/* Submits again from the callback, and tries what is not allowed there. */
static void again(void *data, struct holdfast_result *result)
{
    struct chain *chain = data;

    chain->told++;
    holdfast_result_free(&result);
    struct holdfast_result *waited = holdfast_call(chain->client, &reserve);
    chain->waited += waited->status == HOLDFAST_INVALID;
    holdfast_result_free(&waited);
    struct holdfast *copy = chain->client;
    holdfast_close(&copy); /* ignored: it is in use */
    if (chain->left-- > 0)
        assert_true(holdfast_submit(chain->client, &reserve, again, chain, NULL, 0));
}

static void test_callbacks(void **state)
{
    struct chain chain = {.client = opened(), .left = 1};

    (void)state;
    assert_true(holdfast_submit(chain.client, &reserve, again, &chain, NULL, 0));
    assert_int_equal(chain.told, 0); /* never from submit */
    for (int i = 0; i < 100 && holdfast_pending(chain.client) > 0; i++) {
        assert_true(holdfast_deadline_ms(chain.client) <= 1000);
        usleep(10000);
        holdfast_process(chain.client);
    }
    assert_int_equal(chain.told, 2);
    assert_int_equal(chain.waited, 2);
    chain.left = 0;
    assert_true(holdfast_submit(chain.client, &reserve, again, &chain, NULL, 0));
    holdfast_close(&chain.client); /* tells what is pending */
    assert_int_equal(chain.told, 3);
}

static void test_too_many_are_refused(void **state)
{
    struct chain chain = {.client = opened()};
    size_t count = 0;

    (void)state;
    while (holdfast_submit(chain.client, &reserve, again, &chain, error, sizeof error))
        count++;
    assert_int_equal(count, HOLDFAST_PENDING_MAX);
    assert_non_null(strstr(error, "too many"));
    holdfast_close(&chain.client);
    assert_int_equal(chain.told, HOLDFAST_PENDING_MAX);
}

/* In the child; its exit code says what was wrong. */
static int child(struct holdfast *client)
{
    struct holdfast_result *result = holdfast_call(client, &reserve);

    if (result->status != HOLDFAST_INVALID)
        return 1;
    holdfast_result_free(&result);
    holdfast_process(client);
    holdfast_close(&client);
    if (client)
        return 2;
    client = opened(); /* one of its own works */
    result = holdfast_call(client, &reserve);
    if (result->status != HOLDFAST_UNAVAILABLE)
        return 3;
    holdfast_result_free(&result);
    holdfast_close(&client);
    return 0;
}

/* What libzmq holds cannot be given back in a child, and valgrind would look for it at its end. So
 * the child becomes another program first. */
static void leave(int code)
{
    char command[32];

    snprintf(command, sizeof command, "exit %d", code);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static void test_fork(void **state)
{
    struct holdfast *client = opened();
    int status;

    (void)state;
    struct holdfast_result *result = holdfast_call(client, &reserve);
    holdfast_result_free(&result);
    pid_t pid = fork();
    if (pid == 0)
        leave(child(client));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    result = holdfast_call(client, &reserve); /* the parent's goes on */
    assert_int_equal(result->status, HOLDFAST_UNAVAILABLE);
    holdfast_result_free(&result);
    holdfast_close(&client);
}

/* What a program with so many descriptors left is told. */
static int with_descriptors(unsigned left)
{
    struct holdfast_options good = options();
    int next = dup(STDERR_FILENO), code = 0;
    struct rlimit files, few;

    close(next);
    if (next < 0 || getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 1;
    few = (struct rlimit){.rlim_cur = (rlim_t)next + left, .rlim_max = files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &few) != 0)
        return 1;
    struct holdfast *client = holdfast_open(&good, error, sizeof error);
    if (client) {
        struct holdfast_result *result = holdfast_call(client, &reserve);
        code = result->status == HOLDFAST_UNAVAILABLE ? 0 : 2;
        holdfast_result_free(&result);
        holdfast_close(&client);
    } else if (!strstr(error, strerror(EMFILE))) {
        code = 3;
    }
    return setrlimit(RLIMIT_NOFILE, &files) == 0 ? code : 1; /* the next program needs some */
}

/* libzmq ends a process in which it finds no descriptor for what it has begun. */
static void test_without_descriptors(void **state)
{
    (void)state;
    for (unsigned left = 0; left < 32; left++) {
        int status;
        pid_t pid = fork();
        if (pid == 0)
            leave(with_descriptors(left));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("with %u descriptors left: status %d", left, status);
    }
}

static void test_ids(void **state)
{
    char a[37], b[37];

    (void)state;
    holdfast_new_operation_id(a);
    holdfast_new_operation_id(b);
    assert_string_not_equal(a, b);
    assert_int_equal(a[14], '7');
    holdfast_derive_operation_id("run-1", 5, 1, a);
    assert_string_equal(a, "89416568-4712-87db-a469-327574ed32fd"); /* as protocol.md says */
    holdfast_derive_operation_id("run-1", 5, 2, b);
    assert_string_not_equal(a, b);
    holdfast_derive_operation_id(NULL, 0, 0, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_options),          cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_no_arguments),         cmocka_unit_test(test_callbacks),
        cmocka_unit_test(test_too_many_are_refused), cmocka_unit_test(test_fork),
        cmocka_unit_test(test_without_descriptors),  cmocka_unit_test(test_ids),
    };

    return cmocka_run_group_tests_name("client api", tests, NULL, NULL);
}

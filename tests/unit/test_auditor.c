/* SPDX-License-Identifier: MIT
 *
 * How many audits a worker keeps: outcomes that nobody has fetched make room for new audits. The
 * thread is played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "workers/auditor.h"

static struct audit_request *asked; /* of the thread; NULL: it is idle */
static bool hangs;

struct courier *courier_open(void *context, const char *name, const struct courier_work *work,
                             const void *argument)
{
    (void)context;
    (void)name;
    (void)work;
    (void)argument;
    return (struct courier *)&asked;
}

bool courier_close(struct courier **courier, void (*drop)(void *reply))
{
    (void)drop;
    free(asked);
    asked = NULL;
    *courier = NULL;
    return true;
}

bool courier_is_busy(const struct courier *courier)
{
    (void)courier;
    return asked != NULL;
}

void courier_send(struct courier *courier, void *request)
{
    (void)courier;
    assert_null(asked);
    asked = request;
}

void *courier_reply(struct courier *courier)
{
    struct audit_reply *reply = asked && !hangs ? calloc(1, sizeof *reply) : NULL;

    (void)courier;
    if (!reply)
        return NULL;
    reply->request = *asked;
    free(asked);
    asked = NULL;
    return reply;
}

void *courier_socket(const struct courier *courier)
{
    (void)courier;
    return NULL;
}

/* ------------------------------------------------------------- the tests */

static enum auditor_says ask(struct auditor *auditor, uint64_t token, int64_t now_us)
{
    struct audit_request request = {.token = token};
    const struct audit_reply *reply;

    return auditor_ask(auditor, &request, &reply, now_us);
}

/* Whoever watches audits every partition again and again, and fetches each outcome once. */
static void test_outcomes_make_room(void **state)
{
    struct auditor *auditor = auditor_open(NULL, NULL);

    (void)state;
    hangs = false;
    for (uint64_t token = 1; token <= 3 * AUDITOR_JOBS_MAX; token++) {
        assert_int_equal(ask(auditor, token, 1000000), AUDITOR_RUNNING);
        auditor_tick(auditor, 1000000);
        assert_int_equal(ask(auditor, token, 1000000), AUDITOR_DONE);
    }
    /* The answer may have been lost: what is not old is there still. */
    assert_int_equal(ask(auditor, 3 * AUDITOR_JOBS_MAX - 100, 1000000), AUDITOR_DONE);
    assert_true(auditor_close(&auditor));
}

static void test_what_waits_is_bounded(void **state)
{
    struct auditor *auditor = auditor_open(NULL, NULL);

    (void)state;
    hangs = true;
    for (uint64_t token = 1; token <= AUDITOR_JOBS_MAX; token++)
        assert_int_equal(ask(auditor, token, 1000000), AUDITOR_RUNNING);
    assert_int_equal(ask(auditor, AUDITOR_JOBS_MAX + 1, 1000000), AUDITOR_FULL);
    assert_int_equal(ask(auditor, 7, 1000000), AUDITOR_RUNNING);
    hangs = false;
    auditor_tick(auditor, 1000000);
    assert_int_equal(ask(auditor, AUDITOR_JOBS_MAX + 1, 1000000), AUDITOR_RUNNING);
    assert_true(auditor_close(&auditor));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes_make_room),
        cmocka_unit_test(test_what_waits_is_bounded),
    };

    return cmocka_run_group_tests_name("auditor", tests, NULL, NULL);
}

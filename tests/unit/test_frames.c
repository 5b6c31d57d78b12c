/* SPDX-License-Identifier: MIT
 *
 * common/frames.h: the end of a context. How messages are received is seen by whoever receives
 * them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/time.h>
#include <time.h>

#include "common/frames.h"

#define OPEN_MS 50

static atomic_bool closed;
static atomic_int interruptions;

static void on_alarm(int number)
{
    (void)number;
    interruptions++;
}

static void *close_later(void *socket)
{
    struct timespec pause = {.tv_nsec = OPEN_MS * 1000000L};
    sigset_t all;

    sigfillset(&all); /* the signals are for whoever ends the context */
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    nanosleep(&pause, NULL);
    closed = true;
    zmq_close(socket);
    return NULL;
}

/* Signals come all the time, and it ends all the same, with its threads. */
static void test_signals_do_not_keep_a_context(void **state)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {.it_interval.tv_usec = 2000, .it_value.tv_usec = 2000}, never = {0};
    void *context = zmq_ctx_new();
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, close_later, zmq_socket(context, ZMQ_DEALER)),
                     0);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    frames_end(context);
    setitimer(ITIMER_REAL, &never, NULL);
    assert_true(closed);
    assert_true(interruptions > 0);
    pthread_join(thread, NULL);
    frames_end(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_do_not_keep_a_context),
    };
    return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}

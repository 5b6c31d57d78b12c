/* SPDX-License-Identifier: MIT
 *
 * The thread, and the pair of sockets over which pointers travel.
 */
#include "common/courier.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zmq.h>

#define CLOSE_WAIT_MS 500

struct courier {
    const struct courier_work *work;
    const void *argument;
    pthread_t thread;
    void *here, *there; /* PAIR: the loop's end, the thread's end */
    bool busy;
};

static void *run(void *self)
{
    struct courier *courier = self;
    void *request, *state = courier->work->begin(courier->argument);

    while (zmq_recv(courier->there, &request, sizeof request, 0) == sizeof request && request) {
        void *reply = courier->work->serve(state, request);
        if (zmq_send(courier->there, &reply, sizeof reply, 0) < 0)
            abort(); /* there is never more than one */
    }
    courier->work->end(state);
    zmq_close(courier->there);
    return NULL;
}

static void *open_pair(void *context, const char *name, bool bind)
{
    int linger = 0;
    void *socket = zmq_socket(context, ZMQ_PAIR);

    if (!socket)
        return NULL;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    if ((bind ? zmq_bind(socket, name) : zmq_connect(socket, name)) == 0)
        return socket;
    zmq_close(socket);
    return NULL;
}

struct courier *courier_open(void *context, const char *name, const struct courier_work *work,
                             const void *argument)
{
    struct courier *courier = calloc(1, sizeof *courier);
    char endpoint[80];

    if (!courier)
        abort();
    snprintf(endpoint, sizeof endpoint, "inproc://courier-%s", name);
    courier->work = work;
    courier->argument = argument;
    courier->here = open_pair(context, endpoint, true);
    courier->there = courier->here ? open_pair(context, endpoint, false) : NULL;
    if (courier->there && pthread_create(&courier->thread, NULL, run, courier) == 0)
        return courier;
    int why = errno;
    if (courier->here)
        zmq_close(courier->here);
    if (courier->there)
        zmq_close(courier->there);
    free(courier);
    errno = why;
    return NULL;
}

bool courier_close(struct courier **courier, void (*drop)(void *reply))
{
    struct courier *c = *courier;
    void *stop = NULL;
    struct timespec until;

    if (!c)
        return true;
    (void)zmq_send(c->here, &stop, sizeof stop, ZMQ_DONTWAIT);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += CLOSE_WAIT_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    if (pthread_timedjoin_np(c->thread, NULL, &until) != 0)
        return false;
    for (void *reply; (reply = courier_reply(c)) != NULL;)
        drop(reply);
    zmq_close(c->here);
    free(c);
    *courier = NULL;
    return true;
}

bool courier_is_busy(const struct courier *courier)
{
    return courier->busy;
}

void courier_send(struct courier *courier, void *request)
{
    courier->busy = true;
    if (zmq_send(courier->here, &request, sizeof request, ZMQ_DONTWAIT) < 0)
        abort(); /* there is never more than one */
}

void *courier_reply(struct courier *courier)
{
    void *reply;

    if (zmq_recv(courier->here, &reply, sizeof reply, ZMQ_DONTWAIT) != sizeof reply)
        return NULL;
    courier->busy = false;
    return reply;
}

void *courier_socket(const struct courier *courier)
{
    return courier->here;
}

/* SPDX-License-Identifier: MIT
 *
 * See net.h. Everything here is the world's memory.
 */
#include "tests/simulate/net.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_MIN_US 20
#define DELAY_MAX_US 3000
#define SLOW_MAX_US 400000
#define HOLD_MIN_US 100000
#define HOLD_MAX_US 8000000
/* How long a peer takes to see that a connection has gone. */
#define NOTICE_MIN_US 50
#define NOTICE_MAX_US 20000
#define RETRY_MIN_US 20000
#define RETRY_MAX_US 200000
/* Messages of one direction that are under way or not read, before a send is refused. */
#define ROUTER_UNREAD_MAX 512u
#define DEALER_UNREAD_MAX 20000u

struct queue {
    struct net_message *first, **end;
    size_t count;
};

/* One direction of a connection. */
struct stream {
    int64_t last_us; /* when the newest message arrives: later ones not before */
    size_t unread;   /* under way, or arrived and not read */
};

/* A connection: from when it is made until it breaks. */
struct pipe {
    struct pipe *next;
    uint32_t route;
    unsigned broker;
    enum side side;
    struct net_dealer *dealer; /* NULL: it has gone */
    bool router_knows_end;     /* sends fail */
    bool broken;               /* nothing more arrives */
    int64_t held_until_us;     /* nothing that is sent arrives before */
    int64_t cut_us[2];         /* what would arrive later is lost; by direction */
    struct stream out, in;     /* dealer to router, router to dealer */
};

struct net_dealer {
    struct net_dealer *next;
    struct sim_ref owner;
    unsigned broker;
    enum side side;
    bool immediate;
    struct pipe *pipe;    /* NULL: connecting */
    struct queue waiting; /* for a connection */
    struct queue inbox;
    uint32_t serial; /* of connecting: an older try does nothing */
};

struct router {
    struct sim_ref owner;
    bool open;
    struct queue inbox[SIDE_COUNT];
};

enum direction {
    OUT, /* dealer to router */
    IN,
};

static struct {
    struct router routers[NET_BROKERS_MAX];
    struct net_dealer *dealers;
    struct pipe *pipes;
    uint32_t routes;
} net;

static const struct sim_ref world;

static void *new_zeroed(size_t bytes)
{
    void *at = calloc(1, bytes);

    if (!at)
        abort();
    return at;
}

static void queue_init(struct queue *queue)
{
    *queue = (struct queue){.end = &queue->first};
}

static void queue_put(struct queue *queue, struct net_message *message)
{
    message->next = NULL;
    *queue->end = message;
    queue->end = &message->next;
    queue->count++;
}

static struct net_message *queue_take(struct queue *queue)
{
    struct net_message *message = queue->first;

    if (!message)
        return NULL;
    queue->first = message->next;
    if (!queue->first)
        queue->end = &queue->first;
    queue->count--;
    return message;
}

static void queue_empty(struct queue *queue)
{
    for (struct net_message *message; (message = queue_take(queue)) != NULL;)
        free(message);
}

static struct net_message *message_new(const uint8_t *header, const uint8_t *body,
                                       size_t body_bytes)
{
    struct net_message *message = malloc(sizeof *message + body_bytes);

    if (!message)
        abort();
    *message = (struct net_message){.body_bytes = body_bytes};
    memcpy(message->header, header, HEADER_BYTES);
    if (body_bytes > 0)
        memcpy(message->body, body, body_bytes);
    return message;
}

void net_release(struct net_message **message)
{
    free(*message);
    *message = NULL;
}

static struct stream *stream_of(struct pipe *pipe, enum direction direction)
{
    return direction == OUT ? &pipe->out : &pipe->in;
}

/* ------------------------------------------------------------- under way */

struct flight {
    struct pipe *pipe;
    enum direction direction;
    struct net_message *message;
};

static void arrive(void *argument)
{
    struct flight *flight = argument;
    struct pipe *pipe = flight->pipe;
    struct net_message *message = flight->message;
    struct router *router = &net.routers[pipe->broker];
    bool lost = sim_now_us() > pipe->cut_us[flight->direction];

    if (!lost && flight->direction == OUT && sim_ref_alive(router->owner) && router->open) {
        message->route = pipe->route;
        queue_put(&router->inbox[pipe->side], message);
        sim_wake(router->owner.process, SIM_NET);
    } else if (!lost && flight->direction == IN && pipe->dealer && pipe->dealer->pipe == pipe) {
        queue_put(&pipe->dealer->inbox, message);
        sim_wake(pipe->dealer->owner.process, SIM_NET);
    } else {
        free(message);
    }
    if (lost || flight->direction == OUT)
        stream_of(pipe, flight->direction)->unread--;
    free(flight);
}

static void fly(struct pipe *pipe, enum direction direction, struct net_message *message,
                int64_t arrival_us)
{
    struct flight *flight = new_zeroed(sizeof *flight);

    *flight = (struct flight){pipe, direction, message};
    stream_of(pipe, direction)->unread++;
    sim_post(world, arrival_us - sim_now_us(), arrive, flight);
}

static void break_pipe(struct pipe *pipe);

/* Takes the message. */
static void send(struct pipe *pipe, enum direction direction, struct net_message *message)
{
    struct stream *stream = stream_of(pipe, direction);
    int64_t delay_us = sim_skewed(DELAY_MIN_US, DELAY_MAX_US);

    if (sim_fault(SIM_FAULT_NET_SLOW))
        delay_us += sim_between(0, SLOW_MAX_US);
    if (sim_fault(SIM_FAULT_NET_HOLD))
        delay_us += sim_between(HOLD_MIN_US, HOLD_MAX_US);
    int64_t arrival_us = sim_now_us() + delay_us;
    if (arrival_us < pipe->held_until_us)
        arrival_us = pipe->held_until_us + delay_us;
    if (sim_fault(SIM_FAULT_NET_REORDER)) {
        fly(pipe, direction, message, arrival_us + sim_between(0, SLOW_MAX_US));
        return;
    }
    if (arrival_us <= stream->last_us)
        arrival_us = stream->last_us + 1;
    stream->last_us = arrival_us;
    if (sim_fault(SIM_FAULT_NET_DOUBLE))
        fly(pipe, direction, message_new(message->header, message->body, message->body_bytes),
            arrival_us + sim_skewed(1, SLOW_MAX_US));
    if (sim_fault(SIM_FAULT_NET_LOSE))
        free(message);
    else
        fly(pipe, direction, message, arrival_us);
    if (sim_fault(SIM_FAULT_NET_BREAK))
        break_pipe(pipe);
}

/* ------------------------------------------------------------- connections */

static void connect_later(struct net_dealer *dealer, int64_t delay_us);

/* The router's side sees the end: from then on sends to it fail. */
static void router_notices(void *argument)
{
    struct pipe *pipe = argument;

    pipe->router_knows_end = true;
    struct router *router = &net.routers[pipe->broker];
    if (sim_ref_alive(router->owner))
        sim_wake(router->owner.process, SIM_NET);
}

static void dealer_notices(void *argument)
{
    struct pipe *pipe = argument;
    struct net_dealer *dealer = pipe->dealer;

    if (!dealer || dealer->pipe != pipe)
        return;
    sim_trace("%s: connection %u to broker-%u has ended", dealer->owner.process->name, pipe->route,
              pipe->broker);
    dealer->pipe = NULL;
    pipe->dealer = NULL;
    connect_later(dealer, sim_between(RETRY_MIN_US, RETRY_MAX_US));
    sim_wake(dealer->owner.process, SIM_NET);
}

/* Of what is under way a part may still arrive. */
static void cut(struct pipe *pipe, enum direction direction)
{
    int64_t cut_us = sim_now_us();

    if (sim_one_in(2))
        cut_us += sim_between(0, DELAY_MAX_US);
    if (cut_us < pipe->cut_us[direction])
        pipe->cut_us[direction] = cut_us;
}

static void break_pipe(struct pipe *pipe)
{
    if (pipe->broken)
        return;
    sim_trace("connection %u of %s with broker-%u breaks", pipe->route,
              pipe->dealer ? pipe->dealer->owner.process->name : "nobody", pipe->broker);
    pipe->broken = true;
    cut(pipe, OUT);
    cut(pipe, IN);
    sim_post(world, sim_skewed(NOTICE_MIN_US, NOTICE_MAX_US), router_notices, pipe);
    sim_post(world, sim_skewed(NOTICE_MIN_US, NOTICE_MAX_US), dealer_notices, pipe);
}

static void connected(struct net_dealer *dealer)
{
    struct pipe *pipe = new_zeroed(sizeof *pipe);

    pipe->route = ++net.routes;
    pipe->broker = dealer->broker;
    pipe->side = dealer->side;
    pipe->dealer = dealer;
    pipe->cut_us[OUT] = pipe->cut_us[IN] = INT64_MAX;
    pipe->next = net.pipes;
    net.pipes = pipe;
    dealer->pipe = pipe;
    sim_trace("%s: connection %u to broker-%u", dealer->owner.process->name, pipe->route,
              pipe->broker);
    for (struct net_message *message; (message = queue_take(&dealer->waiting)) != NULL;)
        send(pipe, OUT, message);
    sim_wake(dealer->owner.process, SIM_NET);
}

struct attempt {
    struct net_dealer *dealer;
    uint32_t serial;
};

static bool exists(const struct net_dealer *dealer)
{
    for (const struct net_dealer *one = net.dealers; one; one = one->next) {
        if (one == dealer)
            return true;
    }
    return false;
}

static void try_connect(void *argument)
{
    struct attempt *attempt = argument;
    struct net_dealer *dealer = attempt->dealer;
    bool stale = !exists(dealer) || attempt->serial != dealer->serial || dealer->pipe;

    free(attempt);
    if (stale)
        return;
    const struct router *router = &net.routers[dealer->broker];
    /* Both ends take part in the handshake. */
    if (router->open && sim_ref_alive(router->owner) && router->owner.process->life == SIM_UP &&
        dealer->owner.process->life == SIM_UP && !sim_fault(SIM_FAULT_NET_REFUSED)) {
        connected(dealer);
        return;
    }
    connect_later(dealer, sim_between(RETRY_MIN_US, RETRY_MAX_US));
}

static void connect_later(struct net_dealer *dealer, int64_t delay_us)
{
    struct attempt *attempt = new_zeroed(sizeof *attempt);

    *attempt = (struct attempt){dealer, ++dealer->serial};
    sim_post(world, delay_us, try_connect, attempt);
}

/* ------------------------------------------------------------- dealers */

struct net_dealer *net_dealer_open(unsigned broker, enum side side, bool immediate)
{
    struct sim_process *owner = sim_enter(NULL);
    struct net_dealer *dealer = new_zeroed(sizeof *dealer);

    dealer->owner = sim_ref(owner);
    dealer->broker = broker;
    dealer->side = side;
    dealer->immediate = immediate;
    queue_init(&dealer->waiting);
    queue_init(&dealer->inbox);
    dealer->next = net.dealers;
    net.dealers = dealer;
    connect_later(dealer, sim_skewed(NOTICE_MIN_US, NOTICE_MAX_US));
    sim_leave(owner);
    return dealer;
}

static void dealer_free(struct net_dealer *dealer, bool linger)
{
    struct net_dealer **at = &net.dealers;

    while (*at != dealer)
        at = &(*at)->next;
    *at = dealer->next;
    if (dealer->pipe) {
        struct pipe *pipe = dealer->pipe;
        pipe->dealer = NULL;
        if (!linger)
            cut(pipe, OUT);
        cut(pipe, IN);
        pipe->broken = true;
        int64_t after_us =
            linger && pipe->out.last_us > sim_now_us() ? pipe->out.last_us - sim_now_us() : 0;
        sim_post(world, after_us + sim_skewed(NOTICE_MIN_US, NOTICE_MAX_US), router_notices, pipe);
    }
    queue_empty(&dealer->waiting);
    queue_empty(&dealer->inbox);
    free(dealer);
}

void net_dealer_close(struct net_dealer **dealer, bool linger)
{
    struct sim_process *back = sim_enter(NULL);

    dealer_free(*dealer, linger);
    *dealer = NULL;
    sim_leave(back);
}

bool net_dealer_send(struct net_dealer *dealer, const uint8_t header[HEADER_BYTES],
                     const uint8_t *body, size_t body_bytes)
{
    if (!dealer->pipe && (dealer->immediate || dealer->waiting.count >= DEALER_UNREAD_MAX))
        return false;
    if (dealer->pipe && dealer->pipe->out.unread >= DEALER_UNREAD_MAX)
        return false;
    struct sim_process *back = sim_enter(NULL);
    struct net_message *message = message_new(header, body, body_bytes);
    if (dealer->pipe)
        send(dealer->pipe, OUT, message);
    else
        queue_put(&dealer->waiting, message);
    sim_leave(back);
    return true;
}

struct net_message *net_dealer_receive(struct net_dealer *dealer)
{
    struct net_message *message = queue_take(&dealer->inbox);

    if (message && dealer->pipe && dealer->pipe->in.unread > 0)
        dealer->pipe->in.unread--;
    return message;
}

/* ------------------------------------------------------------- routers */

void net_router_open(unsigned broker)
{
    struct router *router = &net.routers[broker];

    router->owner = sim_ref(sim_self());
    router->open = true;
    for (int side = 0; side < SIDE_COUNT; side++)
        queue_init(&router->inbox[side]);
}

enum delivery net_router_send(unsigned broker, enum side side, uint32_t route,
                              const uint8_t header[HEADER_BYTES], const uint8_t *body,
                              size_t body_bytes)
{
    for (struct pipe *pipe = net.pipes; pipe; pipe = pipe->next) {
        if (pipe->route != route)
            continue;
        if (pipe->broker != broker || pipe->side != side || pipe->router_knows_end)
            return DELIVERY_GONE;
        if (pipe->in.unread >= ROUTER_UNREAD_MAX)
            return DELIVERY_FULL;
        struct sim_process *back = sim_enter(NULL);
        send(pipe, IN, message_new(header, body, body_bytes));
        sim_leave(back);
        return DELIVERY_SENT;
    }
    return DELIVERY_GONE;
}

struct net_message *net_router_receive(unsigned broker, enum side side)
{
    return queue_take(&net.routers[broker].inbox[side]);
}

static void router_down(unsigned broker)
{
    struct router *router = &net.routers[broker];

    router->open = false;
    for (int side = 0; side < SIDE_COUNT; side++)
        queue_empty(&router->inbox[side]);
    for (struct pipe *pipe = net.pipes; pipe; pipe = pipe->next) {
        if (pipe->broker == broker && !pipe->broken)
            break_pipe(pipe);
    }
}

/* ------------------------------------------------------------- the world's side */

static void process_down(struct sim_process *process)
{
    for (struct net_dealer *next, *dealer = net.dealers; dealer; dealer = next) {
        next = dealer->next;
        if (dealer->owner.process == process)
            dealer_free(dealer, false);
    }
    for (unsigned broker = 0; broker < NET_BROKERS_MAX; broker++) {
        if (net.routers[broker].open && net.routers[broker].owner.process == process)
            router_down(broker);
    }
}

void net_begin(void)
{
    memset(&net, 0, sizeof net);
    for (unsigned broker = 0; broker < NET_BROKERS_MAX; broker++) {
        for (int side = 0; side < SIDE_COUNT; side++)
            queue_init(&net.routers[broker].inbox[side]);
    }
    sim_on_down(process_down);
}

void net_hold(const struct sim_process *process, unsigned broker, int64_t us)
{
    for (struct pipe *pipe = net.pipes; pipe; pipe = pipe->next) {
        if (pipe->broken || pipe->broker != broker || !pipe->dealer ||
            pipe->dealer->owner.process != process)
            continue;
        pipe->held_until_us = sim_now_us() + us;
        sim_trace("connection %u of %s with broker-%u stands still", pipe->route, process->name,
                  broker);
    }
}

void net_break(const struct sim_process *process)
{
    for (struct pipe *pipe = net.pipes; pipe; pipe = pipe->next) {
        if (pipe->dealer && pipe->dealer->owner.process == process)
            break_pipe(pipe);
    }
}

void net_break_all(void)
{
    for (struct pipe *pipe = net.pipes; pipe; pipe = pipe->next)
        break_pipe(pipe);
}

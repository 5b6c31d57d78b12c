/* SPDX-License-Identifier: MIT
 *
 * A broker: the real dispatch core with a loop like that of broker/server.c, on simulated sockets.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/dispatch.h"
#include "common/clock.h"
#include "tests/simulate/net.h"
#include "tests/simulate/world.h"

#define READ_MAX 256
#define GOODBYE_US 2000

static struct moment moment_now(void)
{
    struct moment now = {.wall_us = clock_wall_us(), .monotonic_us = clock_monotonic_us()};
    return now;
}

static enum delivery send_message(void *context, enum side side, const uint8_t *route,
                                  size_t route_bytes, const uint8_t header[HEADER_BYTES],
                                  const uint8_t *body, size_t body_bytes)
{
    struct broker *broker = context;
    uint32_t number;

    sim_require(route_bytes == sizeof number, "a broker sends to a route of %zu bytes",
                route_bytes);
    memcpy(&number, route, sizeof number);
    sim_point("broker.send");
    return net_router_send(broker->process->index, side, number, header, body, body_bytes);
}

static void read_some(struct broker *broker, struct dispatch *dispatch, enum side side)
{
    struct net_message *message;

    for (int i = 0; i < READ_MAX; i++) {
        if (!(message = net_router_receive(broker->process->index, side)))
            return;
        dispatch_receive(dispatch, side, (const uint8_t *)&message->route, sizeof message->route,
                         "local", message->header, HEADER_BYTES, message->body, message->body_bytes,
                         moment_now());
        net_release(&message);
        sim_point("broker.received");
    }
}

static struct dispatch *open_dispatch(struct broker *broker)
{
    struct dispatch_config config = {.partitions = world.config.partitions,
                                     .limits = world.config.limits,
                                     .windows = world.config.windows,
                                     .session_base = (uint32_t)sim_random()};
    struct dispatch_output output = {.context = broker, .send = send_message};

    strcpy(config.name, broker->process->name);
    strcpy(config.cluster, world.config.name);
    strcpy(config.region, world.config.region);
    return dispatch_new(&config, output, moment_now());
}

void broker_body(void *argument)
{
    struct broker *broker = argument;
    struct dispatch *dispatch = open_dispatch(broker);

    net_router_open(broker->process->index);
    while (!broker->stop) {
        int64_t wait_us = dispatch_wait_us(dispatch, moment_now());
        (void)sim_block(SIM_NET, (wait_us + 999) / 1000 * 1000);
        read_some(broker, dispatch, SIDE_WORKER);
        read_some(broker, dispatch, SIDE_CLIENT);
        struct moment now = moment_now();
        if (dispatch_tick_due(dispatch, now))
            dispatch_tick(dispatch, now);
        dispatch_flush(dispatch, now);
    }
    dispatch_goodbye(dispatch, moment_now());
    dispatch_destroy(&dispatch);
    (void)sim_block(SIM_DB, GOODBYE_US); /* linger: nobody wakes this */
}

/* SPDX-License-Identifier: MIT
 *
 * Sockets between simulated processes: what ZeroMQ's DEALER and ROUTER do, as far as our programs
 * can tell, with faults.
 *
 * A broker has two routers, one a side. A dealer connects to one of them, by itself and again after
 * every break, each time with a new routing id. While it is connected, messages arrive in the order
 * in which they were sent, once. When the connection breaks, what was under way is lost
 * from some message on, in each direction. A process that is paused receives nothing, and nothing
 * that was sent to it is lost; a process that dies may have sent only a part of what it believed.
 * In a seed with NET_LOSE, NET_DOUBLE or NET_REORDER single messages misbehave too.
 *
 * SIM_NET wakes a process when something arrives for it, or a connection comes or goes.
 */
#ifndef TESTS_SIMULATE_NET_H
#define TESTS_SIMULATE_NET_H

#include "broker/dispatch.h"
#include "tests/simulate/sim.h"

#define NET_BROKERS_MAX 4u

struct net_dealer;

/* A message of two frames. From the world's memory: release with net_release. */
struct net_message {
    struct net_message *next;
    uint32_t route; /* of a router's: who sent it */
    uint8_t header[HEADER_BYTES];
    size_t body_bytes;
    uint8_t body[];
};

void net_release(struct net_message **message);

/* ------------------------------------------------------------- dealers */

/* Of the current process. immediate: as ZMQ_IMMEDIATE, nothing is taken while there is no
 * connection; otherwise it waits for one. It goes when it is closed or its process ends. */
struct net_dealer *net_dealer_open(unsigned broker, enum side side, bool immediate);
/* linger: what was sent still goes out; otherwise some of it may be lost. *dealer is NULL then. */
void net_dealer_close(struct net_dealer **dealer, bool linger);
/* False: not taken (no connection, or too much under way). Both frames are copied. */
bool net_dealer_send(struct net_dealer *dealer, const uint8_t header[HEADER_BYTES],
                     const uint8_t *body, size_t body_bytes);
/* The next that has arrived, or NULL. */
struct net_message *net_dealer_receive(struct net_dealer *dealer);

/* ------------------------------------------------------------- routers */

/* The current process, a broker, binds both of its routers. They go with the process. */
void net_router_open(unsigned broker);
enum delivery net_router_send(unsigned broker, enum side side, uint32_t route,
                              const uint8_t header[HEADER_BYTES], const uint8_t *body,
                              size_t body_bytes);
struct net_message *net_router_receive(unsigned broker, enum side side);

/* ------------------------------------------------------------- the world's side */

/* At the start of a seed, after sim_reset. */
void net_begin(void);
/* The process's connection with this broker stands still for so long: what is sent over it in
 * either direction arrives afterwards. */
void net_hold(const struct sim_process *process, unsigned broker, int64_t us);
/* The process's connections break. */
void net_break(const struct sim_process *process);
/* Breaks every connection: after harsh faults, so that sessions begin anew. */
void net_break_all(void);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A worker's links to brokers: workers/link.h on simulated sockets.
 */
#include "workers/link.h"

#include <stdlib.h>

#include "tests/simulate/net.h"
#include "tests/simulate/world.h"

/* How long a worker stands still when it has something to say: about as long as leases are. */
#define TELLER_MIN_US 200000
#define TELLER_MAX_US 4000000
/* Longer than leases are there, and not as long as a broker waits for a heartbeat. */
#define UNHEARD_MIN_US 900000
#define UNHEARD_MAX_US 2800000

struct broker_link {
    struct net_dealer *dealer;
    struct net_message *message; /* that was received last */
};

/* endpoint: of a broker's configuration; its last characters are its index. */
struct broker_link *broker_link_open(void *context, const char *endpoint)
{
    struct broker_link *link = calloc(1, sizeof *link);
    const char *digits = endpoint;

    (void)context;
    if (!link)
        abort();
    for (const char *at = endpoint; *at; at++) {
        if (*at < '0' || *at > '9')
            digits = at + 1;
    }
    link->dealer = net_dealer_open((unsigned)strtoul(digits, NULL, 10), SIDE_WORKER, true);
    return link;
}

void broker_link_close(struct broker_link **link, int linger_ms)
{
    if ((*link)->message)
        net_release(&(*link)->message);
    net_dealer_close(&(*link)->dealer, linger_ms > 0);
    free(*link);
    *link = NULL;
}

bool broker_link_send(struct broker_link *link, const uint8_t header[HEADER_BYTES],
                      const void *body, size_t body_bytes)
{
    sim_point("worker.send");
    if (world_may_stand_still() && sim_fault(SIM_FAULT_PAUSE_TELLER)) {
        world_unheard();
        sim_pause_for(world.unheard ? UNHEARD_MIN_US : TELLER_MIN_US,
                      world.unheard ? UNHEARD_MAX_US : TELLER_MAX_US);
    }
    return net_dealer_send(link->dealer, header, body, body_bytes);
}

bool broker_link_receive(struct broker_link *link, struct broker_message *message)
{
    if (link->message)
        net_release(&link->message);
    link->message = net_dealer_receive(link->dealer);
    if (!link->message)
        return false;
    *message = (struct broker_message){
        .header = link->message->header,
        .header_bytes = HEADER_BYTES,
        .body = link->message->body,
        .body_bytes = link->message->body_bytes,
    };
    return true;
}

const char *broker_link_error(void)
{
    return "not taken";
}

void *broker_link_socket(const struct broker_link *link)
{
    return link->dealer;
}

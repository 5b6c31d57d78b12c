/* SPDX-License-Identifier: MIT
 *
 * Listens to what every broker of a cluster publishes about itself (BrokerState on its state
 * socket). `up` waits with it until the cluster answers; `status` and the console show it.
 */
#ifndef COMMON_BROKER_WATCH_H
#define COMMON_BROKER_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"
#include "protocol/holdfast.pb-c.h"

struct broker_watch;

/* Subscribes to all brokers of config, which is borrowed. NULL without memory or sockets. */
struct broker_watch *broker_watch_new(const struct config *config);
void broker_watch_destroy(struct broker_watch **watch);

/* Takes in what has arrived, and waits for at most wait_ms when nothing has. */
void broker_watch_wait(struct broker_watch *watch, int wait_ms);

/* The newest state of broker i, the watch's until the next wait; NULL: nothing heard since the
 * watch was made. */
const Hf__BrokerState *broker_watch_state(const struct broker_watch *watch, size_t i);

/* Does broker i, or every broker, route every partition to a worker? Otherwise what says, in words,
 * what is missing. */
bool broker_watch_served_by(const struct broker_watch *watch, size_t i, char *what,
                            size_t what_bytes);
/* Do all brokers know so many workers, each with partitions as far as there are enough? */
bool broker_watch_balanced(const struct broker_watch *watch, size_t workers);
bool broker_watch_served(const struct broker_watch *watch, char *what, size_t what_bytes);

#endif

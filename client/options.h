/* SPDX-License-Identifier: MIT
 *
 * struct holdfast_options, checked, copied and with its defaults filled in; from a cluster file
 * when no brokers are named.
 */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include "client/holdfast.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    char **brokers;
    size_t broker_count;
    char **views;
    size_t view_count; /* may be 0 */
    char **relays;     /* of the cluster file */
    size_t relay_count;
    char cluster[65];
    char name[65];
    char *actor; /* or NULL */
    enum holdfast_class op_class;
    int64_t timeout_us;
    int64_t attempt_timeout_us;
    uint32_t window;
    uint32_t retry_budget;
};

/* wanted may be NULL: all defaults. False with the reason in error; nothing is held then. */
bool options_read(struct options *options, const struct holdfast_options *wanted, char *error,
                  size_t error_bytes);
void options_release(struct options *options);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The subscriptions that relays know, asked again and again: one that is halted loses its reader
 * events until somebody resumes it, and nobody calls because of that. Never waits.
 */
#ifndef CONSOLE_SUBSCRIPTIONS_H
#define CONSOLE_SUBSCRIPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "console/app.h"

#define SUBSCRIPTIONS_MAX 2000 /* by name; more are not gone on with */

struct subscriptions;

struct subscription_row {
    char name[CODE_TEXT];
    bool consumed;   /* somebody reads it now */
    uint64_t behind; /* movements that are not acknowledged */
    uint32_t partitions, pruned,
        lost; /* of these partitions, so many are halted for either reason */
};

/* NULL without memory. */
struct subscriptions *subscriptions_new(void);
void subscriptions_destroy(struct subscriptions **subscriptions);

/* Asks and takes what was answered; to be called in each turn of the loop. */
void subscriptions_tick(struct app *app);
/* To be watched for readability; -1: no question is on its way. */
int subscriptions_fd(const struct app *app);
/* Milliseconds until subscriptions_tick has something to do, at most. */
int subscriptions_wait_ms(const struct app *app);

/* By name, until the next tick. *known is false until they were told. */
const struct subscription_row *subscriptions_list(const struct app *app, size_t *count,
                                                  bool *known);
/* Why relays have not answered for some time; NULL: they have, or there are none. */
const char *subscriptions_fault(const struct app *app);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A lock file beside an ipc endpoint: who holds it may bind the endpoint. The kernel drops it with
 * the process, so a file that was left behind locks nobody out.
 */
#ifndef COMMON_LOCK_H
#define COMMON_LOCK_H

#include <stdbool.h>

#include "common/config.h"

struct lock {
    int fd;                               /* -1: not held */
    char endpoint[CONFIG_ENDPOINT_BYTES]; /* path of the socket */
    char path[CONFIG_ENDPOINT_BYTES + 8]; /* of the lock file */
};

void lock_init(struct lock *lock);

/* Takes `<path>.lock`. False with errno; EWOULDBLOCK: another process holds it. */
bool lock_take(struct lock *lock, const char *path);

/* Removes the socket's file and the lock file, and gives the lock up. Fine when it is not held. */
void lock_release(struct lock *lock);

#endif

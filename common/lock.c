/* SPDX-License-Identifier: MIT
 *
 * flock on a file of its own; see lock.h.
 */
#include "common/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 8

void lock_init(struct lock *lock)
{
    lock->fd = -1;
    lock->path[0] = '\0';
}

/* The former holder removes the file: then what was locked is not the file that others find. */
static bool is_current(const struct lock *lock)
{
    struct stat held, found;

    return fstat(lock->fd, &held) == 0 && stat(lock->path, &found) == 0 &&
           held.st_dev == found.st_dev && held.st_ino == found.st_ino;
}

bool lock_take(struct lock *lock, const char *path)
{
    snprintf(lock->endpoint, sizeof lock->endpoint, "%s", path);
    snprintf(lock->path, sizeof lock->path, "%s.lock", path);
    for (int i = 0; i < TRIES; i++) {
        lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (lock->fd < 0)
            return false;
        bool taken = flock(lock->fd, LOCK_EX | LOCK_NB) == 0;
        int saved_errno = errno;
        if (taken && is_current(lock))
            return true;
        close(lock->fd);
        lock->fd = -1;
        errno = saved_errno;
        if (!taken)
            return false;
    }
    errno = EWOULDBLOCK;
    return false;
}

void lock_release(struct lock *lock)
{
    if (lock->fd < 0)
        return;
    (void)unlink(lock->endpoint);
    (void)unlink(lock->path);
    close(lock->fd);
    lock->fd = -1;
}

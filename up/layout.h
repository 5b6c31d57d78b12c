/* SPDX-License-Identifier: MIT
 *
 * The folder of a cluster that `holdfast up` made: where everything in it lies, whether it is ours,
 * and the lock that makes one supervisor of it. Used by up, down, status, doctor and the
 * supervisor.
 *
 *   DIR/.holdfast          the marker: this folder is ours; what must be remembered
 *   DIR/lock               held (flock) by the supervisor for its life; holds its pid
 *   DIR/cluster.yaml
 *   DIR/run/               state.json; the sockets, unless their paths would be too long
 *   DIR/log/               a log for each process, rotated
 *   DIR/shards/NAME/       my.cnf, init.sql, password files, data/
 */
#ifndef UP_LAYOUT_H
#define UP_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/config.h"

#define LAYOUT_PATH_BYTES 512
/* So that every path in DIR fits into cluster.yaml. */
#define LAYOUT_DIR_BYTES_MAX 160
/* A socket's path that would be longer moves to a folder with a short name. */
#define SOCKET_PATH_MAX 100
#define UP_WORKERS_MAX 32 /* per shard */

struct layout {
    char dir[LAYOUT_PATH_BYTES]; /* absolute */
    char run[LAYOUT_PATH_BYTES];
    char sockets[LAYOUT_PATH_BYTES];
    char log[LAYOUT_PATH_BYTES];
    char cluster_file[LAYOUT_PATH_BYTES];
    char state_file[LAYOUT_PATH_BYTES];
    char lock_file[LAYOUT_PATH_BYTES];
    char marker_file[LAYOUT_PATH_BYTES];
};

/* What the marker remembers. */
struct marker {
    char dir[LAYOUT_PATH_BYTES]; /* where DIR was when it was made: cluster.yaml names it */
    unsigned workers;            /* per shard */
    bool mysql;                  /* the data is MySQL's, not MariaDB's */
};

/* dir: as typed, or NULL for ./holdfast where that is a cluster, otherwise
 * ~/.local/share/holdfast. Nothing is made. False when it cannot be used at all (too long, control
 * characters). */
bool layout_init(struct layout *layout, const char *dir, char *error, size_t error_bytes);

/* The layout of the folder that a cluster file lies in; false when that is not one of ours. */
bool layout_of_file(struct layout *layout, const char *cluster_file);

/* True when the marker is there and readable; marker may be NULL. */
bool layout_is_ours(const struct layout *layout, struct marker *marker);
bool layout_write_marker(const struct layout *layout, const struct marker *marker);

/* Is there nothing in DIR, or a lock alone? */
bool layout_is_empty(const struct layout *layout);

/* Makes DIR (0700) where there is none. */
bool layout_make_dir(const struct layout *layout, char *error, size_t error_bytes);
/* Makes the folders in DIR, and DIR private. Only in one that is ours. */
bool layout_make(const struct layout *layout, char *error, size_t error_bytes);

/* Makes the folder of the sockets, and checks that nobody else can have put it there. */
bool layout_make_sockets(const struct layout *layout, char *error, size_t error_bytes);

enum lock_outcome {
    LOCK_TAKEN,
    LOCK_HELD,   /* a supervisor lives */
    LOCK_FAILED, /* errno says why */
};

/* Takes the lock; *fd is the caller's and keeps it until it is closed in every process that has it.
 */
enum lock_outcome layout_lock(const struct layout *layout, int *fd);
/* Writes the caller's pid into the lock file. */
bool layout_sign_lock(int fd);
/* Does somebody hold the lock? *supervisor (may be NULL) becomes the pid that is in it; 0 while an
 * `up` that holds it has not come to start a supervisor. */
bool layout_is_held(const struct layout *layout, pid_t *supervisor);

/* Removes what a supervisor leaves in run/ and in the folder of sockets; with `lock`, the lock file
 * too. Only the holder of the lock may call it. */
void layout_clean(const struct layout *layout, bool lock);

/* Removes DIR with everything in it. False with errno; call it only when layout_is_ours, and with
 * the lock held. */
bool layout_destroy(const struct layout *layout);

/* DIR/shards/NAME, or a file in it when file is not NULL. */
void layout_shard_path(const struct layout *layout, const char *shard, const char *file, char *path,
                       size_t path_bytes);
/* DIR/log/NAME. */
void layout_log_path(const struct layout *layout, const char *name, char *path, size_t path_bytes);

#endif

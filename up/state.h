/* SPDX-License-Identifier: MIT
 *
 * run/state.json: what the supervisor knows of its processes, for `up`, `down` and `status`.
 * Written whole at each change, under another name first, so that a reader never sees half of it.
 */
#ifndef UP_STATE_H
#define UP_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "up/child.h"

struct json_object;

/* state: "starting", "running" or "stopping". False with errno. */
bool state_write(const char *path, const char *state, const struct child *children, size_t count);

/* {"state", "pid", "processes": [{"name", "role", "state", "pid", "restarts", "started_at_us",
 * "last_end"}]}, the caller's (json_object_put); NULL when there is no such file. */
struct json_object *state_read(const char *path);

#endif

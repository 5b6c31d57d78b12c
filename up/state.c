/* SPDX-License-Identifier: MIT
 *
 * Reads and writes run/state.json. See state.h.
 */
#include "up/state.h"

#include <json-c/json.h>
#include <stdio.h>
#include <unistd.h>

static struct json_object *describe(const struct child *child)
{
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "name", json_object_new_string(child->name));
    json_object_object_add(object, "role", json_object_new_string(child_role_name(child->role)));
    json_object_object_add(object, "state", json_object_new_string(child_state_name(child->state)));
    json_object_object_add(object, "pid", json_object_new_int64(child->pid));
    json_object_object_add(object, "restarts", json_object_new_int64(child->restarts));
    json_object_object_add(object, "started_at_us", json_object_new_int64(child->started_at_us));
    json_object_object_add(object, "last_end", json_object_new_string(child->last_end));
    return object;
}

bool state_write(const char *path, const char *state, const struct child *children, size_t count)
{
    char temporary[LAYOUT_PATH_BYTES + 8];
    struct json_object *root = json_object_new_object();
    struct json_object *processes = json_object_new_array();

    json_object_object_add(root, "state", json_object_new_string(state));
    json_object_object_add(root, "pid", json_object_new_int64(getpid()));
    for (size_t i = 0; i < count; i++) {
        if (children[i].role != ROLE_INSTALL)
            json_object_array_add(processes, describe(&children[i]));
    }
    json_object_object_add(root, "processes", processes);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    bool good = json_object_to_file_ext(temporary, root, JSON_C_TO_STRING_PRETTY) == 0 &&
                rename(temporary, path) == 0;
    json_object_put(root);
    return good;
}

struct json_object *state_read(const char *path)
{
    return json_object_from_file(path);
}

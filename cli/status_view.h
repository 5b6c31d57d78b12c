/* SPDX-License-Identifier: MIT
 *
 * What every view of a cluster says of itself, for `holdfast status`.
 */
#ifndef CLI_STATUS_VIEW_H
#define CLI_STATUS_VIEW_H

#include <json-c/json.h>

#include "common/config.h"

/* Asks each view, until there is nothing to complain of, or for wait_us. Adds "views" to root, and
 * sentences to problems. */
void look_at_views(struct json_object *root, const struct config *config, int64_t wait_us,
                   struct json_object *problems);

/* The table of the object's "views"; nothing when it has none. */
void print_views(struct json_object *root);

#endif

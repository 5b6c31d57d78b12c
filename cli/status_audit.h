/* SPDX-License-Identifier: MIT
 *
 * What the last audit found, as the brokers were told by `holdfast audit --watch`: a part of
 * `holdfast status`.
 */
#ifndef CLI_STATUS_AUDIT_H
#define CLI_STATUS_AUDIT_H

#include <json-c/json.h>

#include "protocol/holdfast.pb-c.h"

/* report: the newest that a broker knows, and that broker's clock then; NULL: none. Adds "audit" to
 * root (null: nobody has told of one), and to problems what is wrong: differences, partitions or
 * views that were not checked, and a watch that has not told for long. */
void status_audit_add(struct json_object *root, const Hf__AuditReport *report, int64_t clock_us,
                      struct json_object *problems);
void status_audit_print(struct json_object *root);

#endif

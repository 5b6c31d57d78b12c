/* SPDX-License-Identifier: MIT
 *
 * Results of operations: the enum made from status.def, and what is known about each.
 * Pure; used by every program and by the client library.
 */
#ifndef PROTOCOL_STATUS_H
#define PROTOCOL_STATUS_H

#include <stdbool.h>
#include <stdint.h>

enum status {
#define STATUS(name, code, kind, exit, text) STATUS_##name = code,
#include "protocol/status.def"
#undef STATUS
};

enum status_kind {
    STATUS_KIND_APPLIED, /* took effect, once */
    STATUS_KIND_REFUSED, /* certainly not applied, refused again until something changes */
    STATUS_KIND_SHED,    /* certainly not applied, may be sent again as it is */
    STATUS_KIND_UNKNOWN, /* may have been applied: retry or settle the same id */
};

/* Is this a wire code of the table? Check what came from a peer before casting it. */
bool status_is_known(uint32_t code);

/* The name that JSON, logs and stderr carry, such as "insufficient_stock". Static text. A code
 * outside the table (never validated) gives "unknown". */
const char *status_name(enum status status);

/* One sentence for people, without a full stop. Static text. */
const char *status_text(enum status status);

enum status_kind status_kind(enum status status);

/* "applied", "refused", "shed", "unknown". Static text. */
const char *status_kind_name(enum status_kind kind);

/* The exit code of a command that ended with this result (the table's fourth column). */
int status_exit(enum status status);

/* The status with this name, or false. */
bool status_from_name(const char *name, enum status *status);

#endif

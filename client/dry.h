/* SPDX-License-Identifier: MIT
 *
 * The body of a query for a dry run. Pure.
 */
#ifndef CLIENT_DRY_H
#define CLIENT_DRY_H

#include "client/encode.h"
#include "client/holdfast.h"

/* A packed Query of query->operations and query->state, the caller's to free. NULL with the fault
 * when an operation is not valid, or there is no memory. */
uint8_t *dry_encode(const struct holdfast_query *query, size_t *body_bytes, struct fault *fault);

#endif

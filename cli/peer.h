/* SPDX-License-Identifier: MIT
 *
 * One question to one process, whichever it is: a session that is opened for it and closed after
 * it. For what the library does not do, because it chooses whom to ask by itself: an audit looks at
 * every view, and tells every broker what came out.
 */
#ifndef CLI_PEER_H
#define CLI_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"

#define PEER_ERROR_BYTES 160

/* Sends a QUERY and waits for its ANSWER, whose body the caller frees. False with a sentence in
 * error (PEER_ERROR_BYTES) when there is none within timeout_ms. */
bool peer_ask(const struct config *config, const char *endpoint, const uint8_t *body,
              size_t body_bytes, int timeout_ms, uint8_t **answer, size_t *answer_bytes,
              char *error);

/* Sends a message that has no answer, and waits until the peer has taken it. */
bool peer_tell(const struct config *config, const char *endpoint, uint8_t type, const uint8_t *body,
               size_t body_bytes, int timeout_ms, char *error);

#endif

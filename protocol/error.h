/* SPDX-License-Identifier: MIT
 *
 * Codes of ERROR messages: the enum made from error.def, and what is known about each. Pure; used
 * by the broker, the workers and the client library.
 */
#ifndef PROTOCOL_ERROR_H
#define PROTOCOL_ERROR_H

#include <stdbool.h>

enum error_code {
#define ERROR_CODE(name, ends, text) ERROR_##name,
#include "protocol/error.def"
#undef ERROR_CODE
    ERROR_COUNT,
};

/* The code as it stands in Error.code, such as "no_session". Static text. */
const char *error_name(enum error_code code);

/* One sentence for people, without a full stop. Static text. */
const char *error_text(enum error_code code);

/* Is the session over? Otherwise only the message at fault was not taken. */
bool error_ends_session(enum error_code code);

/* The code with this name. A name outside the table gives false: treat it as one that ends the
 * session. */
bool error_from_name(const char *name, enum error_code *code);

#endif

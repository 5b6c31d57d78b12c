/* SPDX-License-Identifier: MIT
 *
 * The LINEs and the reservation that a command was given, read and ready to be sent.
 */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include "cli/command.h"
#include "cli/parse.h"

struct lines {
    struct typed_line *typed;
    struct holdfast_line *lines; /* points into typed */
    size_t count;
};

/* Reads the arguments from the index `first` on. 0, or EX_USAGE after having told which LINE is
 * wrong and why. Release it in either case. */
int lines_read(const struct invocation *invocation, size_t first, unsigned rules,
               struct lines *lines);
void lines_release(struct lines *lines);

/* Is this argument the text of a reservation id? 0, or EX_USAGE after having told. */
int reservation_check(const struct invocation *invocation, const char *text);
/* Is this text a code? 0, or EX_USAGE after having told; what: "sku", "warehouse", … */
int code_check(const struct invocation *invocation, const char *what, const char *text);

#endif

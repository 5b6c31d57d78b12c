/* SPDX-License-Identifier: MIT
 *
 * --script FILE: keys from a file, for tests and for the pictures in the documentation. One command
 * a line; blank lines and lines that begin with # are passed over:
 *
 *   key NAME            a key by its name: F2, Alt-2, Ctrl-L, Enter, Up, Esc, /, ...
 *   type TEXT           its characters, 60 ms apart: a person
 *   scan TEXT           its characters and Enter at once: a scanner
 *   wait-for TEXT       until the screen shows it, at most 10 s (a failure ends the console)
 *   wait-gone TEXT      until the screen does not show it any more, as long
 *   patience SECONDS    how long each wait after it may take, 1 to 3600
 *   dump-screen FILE    the screen as text
 *
 * Pure but for time and dump-screen: the caller passes both in.
 */
#ifndef CONSOLE_SCRIPT_H
#define CONSOLE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct script;

/* NULL with `FILE:LINE: error: …` in error. */
struct script *script_read(const char *path, char *error, size_t error_bytes);
struct script *script_parse(const char *name, const char *text, char *error, size_t error_bytes);
void script_free(struct script **script);

enum script_wish {
    SCRIPT_WAIT,   /* nothing before *at_us */
    SCRIPT_BYTES,  /* take bytes as if they were typed */
    SCRIPT_LOOK,   /* does the screen show text? then tell script_seen */
    SCRIPT_DUMP,   /* write the screen to the file text */
    SCRIPT_FAILED, /* text was not seen in time; line says where */
    SCRIPT_DONE,
};

struct script_step {
    enum script_wish wish;
    const char *text; /* borrowed until the next call */
    const char *bytes;
    size_t byte_count;
    int64_t at_us;
    size_t line;
    int patience_s; /* how long SCRIPT_FAILED waited */
};

void script_next(struct script *script, int64_t now_us, struct script_step *step);
/* Whether the text of SCRIPT_LOOK is on the screen. */
void script_seen(struct script *script, bool seen);

#endif

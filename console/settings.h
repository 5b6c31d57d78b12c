/* SPDX-License-Identifier: MIT
 *
 * ~/.config/holdfast/console.yaml: what a person may choose. Read once at start; a file with a
 * fault is refused whole, with line, column and the nearest right word, as cluster.yaml is.
 */
#ifndef CONSOLE_SETTINGS_H
#define CONSOLE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"

#define SETTINGS_PREFIX_BYTES 16 /* SCAN_PREFIX_BYTES of scan.h */

struct settings_columns { /* of the view Stock */
    bool item, on_hand, reserved, committed, available, unavailable, safety, trend;
};

struct settings_scanner {
    char prefix[CONFIG_NAME_BYTES]; /* "" or what the scanner sends first; at most 16 bytes */
};

struct settings {
    char warehouse[CONFIG_NAME_BYTES]; /* "": all */
    char colours[CONFIG_NAME_BYTES];   /* "auto" or "none" */
    bool ascii;                        /* no other characters, whatever the locale can */
    bool mouse;
    bool panes; /* below the list of Stock, where there is room */
    struct settings_scanner scanner;
    struct settings_columns stock;
};

void settings_defaults(struct settings *settings);
/* path NULL: $XDG_CONFIG_HOME/holdfast/console.yaml or ~/.config/…, which may be missing; a path
 * that was given may not. False with the faults in error. */
bool settings_read(struct settings *settings, const char *path, char *error, size_t error_bytes);
/* As settings_read, from memory. */
bool settings_parse(struct settings *settings, const char *name, const char *text, size_t length,
                    char *error, size_t error_bytes);

#endif

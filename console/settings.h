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

/* Which columns a view has where there is room for all; what names a row is always there. */
struct columns_stock {
    bool item, on_hand, reserved, committed, available, unavailable, safety, trend;
};
struct columns_item { /* of its levels */
    bool on_hand, reserved, committed, unavailable, safety, available;
};
struct columns_reservations {
    bool reservation, what, order, by;
};
struct columns_events {
    bool time, what, at, change, on_hand;
};
struct columns_runs {
    bool progress, since; /* since: and by whom */
};

struct settings_columns {
    struct columns_stock stock;
    struct columns_item item;
    struct columns_reservations reservations;
    struct columns_events events;
    struct columns_runs runs;
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
    struct settings_columns columns;
};

void settings_defaults(struct settings *settings);
/* path NULL: $XDG_CONFIG_HOME/holdfast/console.yaml or ~/.config/…, which may be missing; a path
 * that was given may not. False with the faults in error. */
bool settings_read(struct settings *settings, const char *path, char *error, size_t error_bytes);
/* As settings_read, from memory. */
bool settings_parse(struct settings *settings, const char *name, const char *text, size_t length,
                    char *error, size_t error_bytes);

#endif

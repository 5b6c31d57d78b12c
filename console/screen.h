/* SPDX-License-Identifier: MIT
 *
 * Where a canvas is shown: a terminal by ncurses (screen_curses.c), or lines that are only ever
 * appended (screen_plain.c). One of them at a time, as a process has one terminal.
 */
#ifndef CONSOLE_SCREEN_H
#define CONSOLE_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "console/canvas.h"
#include "console/settings.h"

struct screen {
    /* False with the reason in error: the terminal is as it was. */
    bool (*open)(const struct settings *settings, char *error, size_t error_bytes);
    /* The terminal is as it was before. May be called twice. */
    void (*close)(void);
    /* Rows and columns now. */
    void (*size)(int *rows, int *columns);
    /* Shows what differs from what is shown. everything: what is shown is not known. key: a person
     * has just pressed a key and waits for the echo. False: not now, ask again later. */
    bool (*present)(const struct canvas *canvas, bool everything, bool key);
    void (*bell)(void);
    void (*copy)(const char *text);
    /* Gives the terminal back to the shell until it continues us. */
    void (*suspend)(void);
    /* We were continued: the shell may have changed the terminal. */
    void (*resumed)(void);
};

extern const struct screen screen_curses, screen_plain;

/* The size of standard output's terminal; LINES and COLUMNS, or 24x80, where it is none. */
void screen_size(int *rows, int *columns);

#endif

/* SPDX-License-Identifier: MIT
 *
 * --plain: lines that are only ever appended, without colours and cursor movement, for screen
 * readers and for a terminal that knows nothing. After a key every line that changed is written;
 * between keys only what changed in the title, the selected row and the message, once a second.
 */
#include "console/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common/clock.h"

#define LINE_BYTES 4096
#define QUIET_US 1000000

static struct termios before;
static bool have_before, is_open;
static char *shown[CANVAS_ROWS_MAX]; /* each row as it was last written */
static int64_t written_at_us;

void screen_size(int *rows, int *columns)
{
    struct winsize size;
    const char *lines = getenv("LINES"), *width = getenv("COLUMNS");

    *rows = 24;
    *columns = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        *rows = size.ws_row;
        *columns = size.ws_col;
        return;
    }
    if (lines && atoi(lines) > 0)
        *rows = atoi(lines);
    if (width && atoi(width) > 0)
        *columns = atoi(width);
}

static bool open_plain(const struct settings *settings, char *error, size_t error_bytes)
{
    struct termios mode;
    (void)settings;
    (void)error;
    (void)error_bytes;
    have_before = tcgetattr(STDIN_FILENO, &before) == 0;
    if (have_before) {
        mode = before;
        mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
        mode.c_iflag &= ~(tcflag_t)ICRNL;
        mode.c_cc[VMIN] = 1;
        mode.c_cc[VTIME] = 0;
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &mode);
    }
    is_open = true;
    return true;
}

static void close_plain(void)
{
    if (!is_open)
        return;
    is_open = false;
    if (have_before)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    for (int i = 0; i < CANVAS_ROWS_MAX; i++) {
        free(shown[i]);
        shown[i] = NULL;
    }
}

static bool differs(int row, const char *text)
{
    return strcmp(shown[row] ? shown[row] : "", text) != 0;
}

static void remember(int row, const char *text)
{
    char *copied = strdup(text);
    if (!copied)
        return;
    free(shown[row]);
    shown[row] = copied;
}

/* Between keys: the line of what is shown, messages, the row that one is on, and what was blank. */
static bool matters(const struct canvas *c, int row)
{
    return row == 1 || row == c->rows - 2 || row == c->cursor_row || !shown[row] || !shown[row][0];
}

static bool present(const struct canvas *c, bool everything, bool key)
{
    char text[LINE_BYTES];
    int64_t now_us = clock_monotonic_us();
    bool wrote = false;

    if (!key && !everything && now_us - written_at_us < QUIET_US)
        return false;
    for (int row = 0; row < c->rows; row++) {
        canvas_row_text(c, row, text, sizeof text);
        if (!everything && !(differs(row, text) && (key || matters(c, row))))
            continue;
        bool only_mark = shown[row] && shown[row][0] == '>' && text[0] == ' ' &&
                         strcmp(shown[row] + 1, text + 1) == 0;
        remember(row, text);
        if (text[0] && !only_mark) {
            puts(text);
            wrote = true;
        }
    }
    if (wrote)
        written_at_us = now_us;
    (void)fflush(stdout);
    return true;
}

static void nothing(void)
{
}

static void copy(const char *text)
{
    (void)text; /* a line says that it was copied; there is nothing to copy to */
}

const struct screen screen_plain = {
    .open = open_plain,
    .close = close_plain,
    .size = screen_size,
    .present = present,
    .bell = nothing,
    .copy = copy,
    .suspend = nothing,
    .resumed = nothing,
};

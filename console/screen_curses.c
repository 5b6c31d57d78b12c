/* SPDX-License-Identifier: MIT
 *
 * The terminal, by ncurses: erase() and doupdate(), so that only what differs is sent. Keys are not
 * read here: main.c reads bytes, as ncurses would hide when they came. Whatever ends the program,
 * the terminal is as it was: close(), or restore() from a signal's handler.
 */
#include "console/screen.h"

#include <ncurses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define ESC_DELAY_MS 25
#define PASTE_ON "\033[?2004h"
#define PASTE_OFF "\033[?2004l"
#define MOUSE_ON "\033[?1000h\033[?1006h"
#define MOUSE_OFF "\033[?1006l\033[?1000l"

static SCREEN *terminal;
static struct termios before;
static bool have_before, coloured, mouse;
static attr_t looks[STYLES];
static short pairs[STYLES];
static char restoring[512]; /* bytes that make the terminal sane */
static size_t restoring_bytes;

static void send_bytes(const char *bytes)
{
    size_t length = strlen(bytes);
    while (length > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes, length);
        if (n <= 0)
            return;
        bytes += n;
        length -= (size_t)n;
    }
}

/* ------------------------------------------------------------- looks */

static void choose_looks(const struct settings *settings)
{
    static const struct {
        attr_t plain, coloured;
        short colour; /* -1: the terminal's own */
    } table[STYLES] = {
        [STYLE_NORMAL] = {A_NORMAL, A_NORMAL, -1},
        [STYLE_HEADER] = {A_REVERSE, A_REVERSE, -1},
        [STYLE_TITLE] = {A_UNDERLINE, A_BOLD, COLOR_CYAN},
        [STYLE_SELECTED] = {A_REVERSE, A_REVERSE, -1},
        [STYLE_DIM] = {A_DIM, A_DIM, -1},
        [STYLE_STRONG] = {A_BOLD, A_BOLD, -1},
        [STYLE_GOOD] = {A_BOLD, A_BOLD, COLOR_BLUE},
        [STYLE_WARN] = {A_BOLD, A_NORMAL, COLOR_YELLOW},
        [STYLE_BAD] = {A_BOLD | A_REVERSE, A_BOLD | A_REVERSE, COLOR_YELLOW},
        [STYLE_KEY] = {A_BOLD, A_BOLD, COLOR_CYAN},
        [STYLE_FIELD] = {A_UNDERLINE, A_UNDERLINE, -1},
        [STYLE_FOCUS] = {A_REVERSE, A_REVERSE, COLOR_CYAN},
    };
    const char *none = getenv("NO_COLOR");

    coloured = has_colors() && strcmp(settings->colours, "none") != 0 && !(none && none[0]);
    if (coloured) {
        start_color();
        use_default_colors();
    }
    for (short i = 0; i < STYLES; i++) {
        looks[i] = coloured ? table[i].coloured : table[i].plain;
        pairs[i] = 0;
        if (coloured && table[i].colour >= 0 &&
            init_pair((short)(i + 1), table[i].colour, -1) == OK)
            pairs[i] = (short)(i + 1);
    }
}

/* ------------------------------------------------------------- open and close */

/* What close() does, for a signal's handler: nothing but system calls. */
static void restore(int number)
{
    if (have_before)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
    if (restoring_bytes > 0 && write(STDOUT_FILENO, restoring, restoring_bytes) < 0)
        _exit(128 + number);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* What terminfo says; NULL: this terminal has none. Padding is for terminals of the last century.
 */
static const char *capability(const char *name)
{
    const char *text = tigetstr(name);
    return text && text != (const char *)-1 && !strstr(text, "$<") ? text : NULL;
}

static void remember_restoring(void)
{
    /* A terminal with one screen keeps what is on it: below the shell's line there is nothing. */
    const char *below = capability("rmcup") ? NULL : capability("ed");
    const char *parts[] = {PASTE_OFF,
                           mouse ? MOUSE_OFF : NULL,
                           capability("sgr0"),
                           capability("cnorm"),
                           capability("rmcup"),
                           "\r\n",
                           below};
    restoring_bytes = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        size_t length = parts[i] ? strlen(parts[i]) : 0;
        if (restoring_bytes + length > sizeof restoring)
            return;
        if (length)
            memcpy(restoring + restoring_bytes, parts[i], length);
        restoring_bytes += length;
    }
}

static void catch_crashes(void)
{
    static char stack[65536]; /* the other one may be what overflowed */
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = restore, .sa_flags = (int)SA_ONSTACK};

    (void)sigaltstack(&alternative, NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        (void)sigaction(numbers[i], &action, NULL);
}

/* newterm() takes a terminal that can only append, too. */
static bool places_cursor(void)
{
    const char *how = tigetstr("cup");
    return how && how != (const char *)-1;
}

/* Where the terminal has one screen only, the shell goes on in the last line: without our keys. */
static void end_screen(void)
{
    if (places_cursor() && !capability("rmcup")) {
        (void)move(LINES - 1, 0);
        (void)clrtoeol();
        (void)refresh();
    }
    endwin();
}

static void give_back(void)
{
    end_screen();
    delscreen(terminal);
    terminal = NULL;
    if (have_before)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
}

static bool open_screen(const struct settings *settings, char *error, size_t error_bytes)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        snprintf(error, error_bytes,
                 "standard input and output must be a terminal; without one "
                 "there is --plain");
        return false;
    }
    have_before = tcgetattr(STDIN_FILENO, &before) == 0;
    set_escdelay(ESC_DELAY_MS);
    terminal = newterm(NULL, stdout, stdin);
    if (!terminal) {
        snprintf(error, error_bytes,
                 "the terminal \"%s\" is not known here: set TERM, or use "
                 "--plain",
                 getenv("TERM") ? getenv("TERM") : "");
        return false;
    }
    if (!places_cursor()) {
        snprintf(error, error_bytes,
                 "the terminal \"%s\" can only append: set TERM, or use --plain",
                 getenv("TERM") ? getenv("TERM") : "");
        give_back();
        return false;
    }
    mouse = settings->mouse;
    raw();
    noecho();
    nonl();
    choose_looks(settings);
    remember_restoring();
    catch_crashes();
    send_bytes(PASTE_ON);
    if (mouse)
        send_bytes(MOUSE_ON);
    return true;
}

static void close_screen(void)
{
    if (!terminal)
        return;
    send_bytes(PASTE_OFF);
    if (mouse)
        send_bytes(MOUSE_OFF);
    give_back();
}

/* ------------------------------------------------------------- drawing */

static void put_cell(int row, int column, const struct cell *cell)
{
    wchar_t text[CELL_POINTS + 1];
    cchar_t out;
    int i = 0;

    for (; i < CELL_POINTS && cell->points[i]; i++)
        text[i] = (wchar_t)cell->points[i];
    text[i] = L'\0';
    if (setcchar(&out, text, looks[cell->style], pairs[cell->style], NULL) == OK)
        (void)mvadd_wch(row, column, &out);
}

static bool present(const struct canvas *c, bool everything, bool key)
{
    (void)key;
    if (LINES != c->rows || COLS != c->columns)
        resizeterm(c->rows, c->columns);
    erase();
    if (everything)
        clearok(stdscr, TRUE);
    for (int row = 0; row < c->rows; row++) {
        for (int column = 0; column < c->columns; column++) {
            const struct cell *cell = &c->cells[row * c->columns + column];
            bool blank = cell->points[0] == ' ' && !cell->points[1] && cell->style == STYLE_NORMAL;
            if (cell->points[0] && !blank)
                put_cell(row, column, cell);
        }
    }
    move(c->cursor_row, c->cursor_column);
    wnoutrefresh(stdscr);
    doupdate();
    return true;
}

static void ring(void)
{
    beep();
}

/* OSC 52, for terminals that take it; others pass over it. */
static void copy(const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char out[512] = "\033]52;c;";
    size_t used = strlen(out), length = strlen(text);

    for (size_t i = 0; i < length && used + 8 < sizeof out; i += 3) {
        unsigned long bits = 0;
        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (i + j < length ? (unsigned char)text[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            out[used++] = i + j > length ? '=' : letters[bits >> (18 - 6 * j) & 63];
    }
    memcpy(out + used, "\a", 2);
    send_bytes(out);
}

/* SIGTSTP and not SIGSTOP: where nobody could continue us, the kernel does not stop us. */
static void suspend(void)
{
    sigset_t stop, old;

    send_bytes(PASTE_OFF);
    if (mouse)
        send_bytes(MOUSE_OFF);
    end_screen();
    if (have_before)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    (void)signal(SIGTSTP, SIG_DFL);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, &old);
    (void)kill(0, SIGTSTP);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void resumed(void)
{
    reset_prog_mode();
    refresh();
    send_bytes(PASTE_ON);
    if (mouse)
        send_bytes(MOUSE_ON);
}

const struct screen screen_curses = {
    .open = open_screen,
    .close = close_screen,
    .size = screen_size,
    .present = present,
    .bell = ring,
    .copy = copy,
    .suspend = suspend,
    .resumed = resumed,
};

/* SPDX-License-Identifier: MIT
 *
 * holdfast-console: options, the terminal, and the loop. The loop waits for bytes, signals, the
 * client library's descriptors and time, never for the network; a key is echoed at once, data at
 * most four times a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "console/app.h"
#include "console/count.h"
#include "console/screen.h"
#include "console/script.h"
#include "console/subscriptions.h"
#include "protocol/text.h"

#define FRAME_US 250000 /* between frames that only data asks for */

struct options {
    const char *cluster, *warehouse, *actor, *settings, *script, *sheet;
    bool readonly, plain;
};

static const char usage[] =
    "usage: holdfast-console [-C cluster.yaml] [--warehouse CODE] [--readonly] [--actor NAME]\n"
    "                        [--plain] [--settings FILE] [--script FILE] [--count-sheet FILE]\n"
    "\n"
    "Stock, reservations, orders and the cluster's state, live, and corrections with reasons. F1\n"
    "in it explains, F9 shows what can be done, F10 leaves. See man holdfast-console.\n"
    "\n"
    "  -C FILE           cluster.yaml; otherwise looked for as the holdfast command does\n"
    "  --warehouse CODE  shows and changes this warehouse\n"
    "  --readonly        changes nothing\n"
    "  --actor NAME      who you are, for the ledger; otherwise your login name\n"
    "  --plain           lines that are only appended, for screen readers\n"
    "  --settings FILE   instead of ~/.config/holdfast/console.yaml\n"
    "  --script FILE     keys from a file; see the manual\n"
    "  --count-sheet FILE  walks through a sheet of holdfast export --count-sheet\n"
    "  --version, --help\n";

/* 0: go on; otherwise 1 + the exit code. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {{"warehouse", required_argument, NULL, 'w'},
                                          {"readonly", no_argument, NULL, 'r'},
                                          {"actor", required_argument, NULL, 'a'},
                                          {"plain", no_argument, NULL, 'p'},
                                          {"settings", required_argument, NULL, 's'},
                                          {"script", required_argument, NULL, 'x'},
                                          {"count-sheet", required_argument, NULL, 'l'},
                                          {"version", no_argument, NULL, 'v'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "C:h", table, NULL)) != -1) {
        switch (option) {
        case 'C':
            o->cluster = optarg;
            break;
        case 'w':
            o->warehouse = optarg;
            break;
        case 'r':
            o->readonly = true;
            break;
        case 'a':
            o->actor = optarg;
            break;
        case 'p':
            o->plain = true;
            break;
        case 's':
            o->settings = optarg;
            break;
        case 'x':
            o->script = optarg;
            break;
        case 'l':
            o->sheet = optarg;
            break;
        case 'v':
            printf("holdfast-console %s\n", holdfast_version());
            return 1 + EXIT_SUCCESS;
        case 'h':
            fputs(usage, stdout);
            return 1 + EXIT_SUCCESS;
        default:
            fputs(usage, stderr);
            return 1 + EX_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "holdfast-console: takes no arguments, got \"%s\"\n", argv[optind]);
        return 1 + EX_USAGE;
    }
    return 0;
}

static int signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGCONT);
    sigaddset(&set, SIGTSTP);
    (void)signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ------------------------------------------------------------- the loop */

struct run {
    struct app *app;
    const struct screen *screen;
    struct script *script;
    struct canvas shown;
    int64_t shown_at_us;
    bool answered; /* what is shown has an answer in it */
    int signal_fd;
    bool input_ended;
    int code;
    int signal; /* that ended it, or 0 */
};

static void resize(struct run *run)
{
    int rows, columns;
    run->screen->size(&rows, &columns);
    if (rows != run->app->canvas.rows || columns != run->app->canvas.columns)
        (void)canvas_resize(&run->app->canvas, rows, columns);
    run->app->urgent = true;
}

static void take_signals(struct run *run)
{
    struct signalfd_siginfo info;
    while (read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        switch ((int)info.ssi_signo) {
        case SIGWINCH: /* two sizes may have come and gone: what is shown is not known */
            resize(run);
            run->app->redraw = true;
            break;
        case SIGCONT:
            run->screen->resumed();
            resize(run);
            run->app->redraw = true;
            break;
        case SIGTSTP:
            run->app->suspend = true;
            break;
        default:
            run->signal = (int)info.ssi_signo;
            run->app->quit = true;
        }
    }
}

static void take_bytes(struct run *run)
{
    unsigned char bytes[512];
    size_t most = run->app->fifo_count + 2 * sizeof bytes <= FIFO_KEYS ? sizeof bytes : 1;
    ssize_t n = read(STDIN_FILENO, bytes, most);

    if (n > 0) {
        run->app->now_us = clock_monotonic_us();
        (void)app_bytes(run->app, bytes, (size_t)n);
    } else if (n == 0) {
        run->input_ended = true;
        if (!run->script)
            run->app->quit = true;
    } else if (errno != EINTR && errno != EAGAIN) {
        run->app->quit = true; /* the terminal is gone */
    }
}

static void draw(struct run *run)
{
    struct app *app = run->app;
    /* The first answer is what a person waits for: it does not wait for its turn. */
    bool first = app->link.answered_at_us != 0 && !run->answered;
    bool due = app->dirty && (first || app->now_us - run->shown_at_us >= FRAME_US);

    if (app->bell)
        run->screen->bell();
    app->bell = false;
    if (app->copied[0])
        run->screen->copy(app->copied);
    app->copied[0] = '\0';
    if (!app->urgent && !app->redraw && !due)
        return;
    bool key = app->urgent, everything = app->redraw;
    app->dirty = app->urgent = app->redraw = false;
    app_draw(app);
    run->shown_at_us = app->now_us;
    run->answered = app->link.answered_at_us != 0;
    if (!everything && canvas_equal(&run->shown, &app->canvas))
        return; /* nothing that anybody could see: nothing is written */
    if (run->screen->present(&app->canvas, everything, key))
        (void)canvas_copy(&run->shown, &app->canvas);
    else
        app->dirty = true;
}

static bool shows(const struct canvas *c, const char *text)
{
    char row[CANVAS_COLUMNS_MAX * 12 + 1];
    for (int i = 0; i < c->rows; i++) {
        canvas_row_text(c, i, row, sizeof row);
        if (strstr(row, text))
            return true;
    }
    return false;
}

static bool write_screen(const struct canvas *c, const char *path)
{
    char row[CANVAS_COLUMNS_MAX * 12 + 1];
    FILE *file = fopen(path, "we");
    bool good = file != NULL;
    for (int i = 0; good && i < c->rows; i++) {
        canvas_row_text(c, i, row, sizeof row);
        good = fprintf(file, "%s\n", row) > 0;
    }
    return (!file || fclose(file) == 0) && good;
}

static void run_script(struct run *run, int *wait_ms)
{
    struct script_step step;
    struct app *app = run->app;

    if (!run->script)
        return;
    script_next(run->script, app->now_us, &step);
    switch (step.wish) {
    case SCRIPT_DONE:
        if (run->input_ended)
            app->quit = true;
        return;
    case SCRIPT_WAIT:
        if ((step.at_us - app->now_us) / 1000 < *wait_ms)
            *wait_ms = (int)((step.at_us - app->now_us) / 1000) + 1;
        return;
    case SCRIPT_BYTES:
        (void)app_bytes(app, (const unsigned char *)step.bytes, step.byte_count);
        *wait_ms = 0;
        return;
    case SCRIPT_LOOK:
        app_draw(app);
        script_seen(run->script, shows(&app->canvas, step.text));
        *wait_ms = *wait_ms < 20 ? *wait_ms : 20;
        return;
    case SCRIPT_DUMP:
        app_draw(app);
        if (!write_screen(&app->canvas, step.text))
            app_say(app, STYLE_BAD, "ERR could not write %s: %s", step.text, strerror(errno));
        *wait_ms = 0;
        return;
    case SCRIPT_FAILED:
        run->screen->close();
        fprintf(stderr,
                "holdfast-console: line %zu of the script: \"%s\" within %d s: no. The screen:\n",
                step.line, step.text, step.patience_s);
        for (int i = 0; i < app->canvas.rows; i++) {
            char row[CANVAS_COLUMNS_MAX * 12 + 1];
            canvas_row_text(&app->canvas, i, row, sizeof row);
            fprintf(stderr, "| %s\n", row);
        }
        run->code = EXIT_FAILURE;
        app->quit = true;
        return;
    }
}

static void turn(struct run *run)
{
    struct app *app = run->app;

    app_turn(app);
    int wait_ms = app_wait_ms(app);
    run_script(run, &wait_ms);
    if (app->dumping) {
        app->dumping = false;
        app_draw(app);
        bool good = write_screen(&app->canvas, "holdfast-screen.txt");
        app_say(app, good ? STYLE_NORMAL : STYLE_BAD, "%s holdfast-screen.txt",
                good ? "written:" : "ERR could not write");
        app->urgent = true;
    }
    if (app->suspend) {
        app->suspend = false;
        run->screen->suspend();
        run->screen->resumed();
        resize(run);
        app->redraw = true;
    }
    draw(run);
    if (app->dirty) {
        int64_t left = (run->shown_at_us + FRAME_US - app->now_us) / 1000 + 1;
        wait_ms = left < wait_ms ? (left > 0 ? (int)left : 0) : wait_ms;
    }
    bool bytes = app_wants_bytes(app) && !run->input_ended;
    struct pollfd fds[] = {{.fd = bytes ? STDIN_FILENO : -1, .events = POLLIN},
                           {.fd = run->signal_fd, .events = POLLIN},
                           {.fd = holdfast_fd(app->reads), .events = POLLIN},
                           {.fd = holdfast_fd(app->writes), .events = POLLIN},
                           {.fd = subscriptions_fd(app), .events = POLLIN}};
    if (app->quit || poll(fds, sizeof fds / sizeof fds[0], wait_ms) <= 0)
        return;
    if (fds[1].revents)
        take_signals(run);
    if (fds[0].revents)
        take_bytes(run);
}

/* What may still take effect is told where it can be read after the screen is gone. */
static int tell_unknown(const struct app *app)
{
    int code = EXIT_SUCCESS;
    for (size_t i = 0; i < POSTINGS_MAX; i++) {
        const struct posting *p = &app->postings[i];
        if (p->state == POSTING_FREE)
            continue;
        fprintf(
            stderr,
            "holdfast-console: unknown: %s: it may have been posted; holdfast settle %s tells\n",
            p->what, p->id);
        code = holdfast_status_exit(HOLDFAST_UNKNOWN);
    }
    return code;
}

static const char *login_name(void)
{
    const struct passwd *user = getpwuid(getuid());
    return user ? user->pw_name : NULL;
}

/* A file that cannot be opened is not wrong: it is not there. */
static int file_code(const char *path)
{
    return path && access(path, R_OK) != 0 ? EX_OSERR : EX_DATAERR;
}

static int cluster_code(const char *given)
{
    char path[CONFIG_PATH_BYTES], ignored[256];

    return config_find(given, path, sizeof path, ignored, sizeof ignored) ? EX_DATAERR : EX_OSERR;
}

static const char *actor_fault(const char *actor)
{
    return *actor ? text_fault(actor, strlen(actor), CODE_BYTES_MAX) : "is empty";
}

/* 0, or an exit code with the reason in error. */
static int prepare(struct app *app, const struct options *o, char *error, size_t error_bytes)
{
    bool utf8 = setlocale(LC_ALL, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    const char *fault;

    if (!settings_read(&app->settings, o->settings, error, error_bytes))
        return file_code(o->settings);
    if (o->warehouse) {
        fault = code_fault(o->warehouse, strlen(o->warehouse));
        if (fault) {
            snprintf(error, error_bytes, "--warehouse %s", fault);
            return EX_USAGE;
        }
        snprintf(app->settings.warehouse, sizeof app->settings.warehouse, "%s", o->warehouse);
    }
    if (o->actor && (fault = actor_fault(o->actor))) {
        snprintf(error, error_bytes, "--actor %s", fault);
        return EX_USAGE;
    }
    app->readonly = o->readonly;
    app->actor = o->actor ? o->actor : login_name();
    if (!app_open(app, o->cluster, error, error_bytes))
        return cluster_code(o->cluster);
    app->canvas.ascii = !utf8 || app->settings.ascii;
    if (o->sheet && o->readonly) {
        snprintf(error, error_bytes, "--count-sheet counts, and --readonly changes nothing");
        return EX_USAGE;
    }
    return !o->sheet || counting_sheet(app, o->sheet, error, error_bytes) ? 0 : file_code(o->sheet);
}

int main(int argc, char **argv)
{
    static struct app app;
    struct options options = {0};
    char error[4096] = "could not watch signals";
    int code = read_options(argc, argv, &options);
    if (code)
        return code - 1;

    struct run run = {.app = &app, .screen = options.plain ? &screen_plain : &screen_curses};
    run.signal_fd = signals();
    if (options.script && !(run.script = script_read(options.script, error, sizeof error))) {
        fprintf(stderr, "holdfast-console: %s\n", error);
        return file_code(options.script);
    }
    code = prepare(&app, &options, error, sizeof error);
    if (!code && (run.signal_fd < 0 || !run.screen->open(&app.settings, error, sizeof error)))
        code = EX_OSERR;
    if (code) {
        fprintf(stderr, "holdfast-console: %s\n", error);
        app_close(&app);
        script_free(&run.script);
        return code;
    }
    resize(&run);
    while (!app.quit)
        turn(&run);
    run.screen->close();
    code = tell_unknown(&app);
    app_close(&app);
    canvas_release(&run.shown);
    script_free(&run.script);
    close(run.signal_fd);
    return run.code ? run.code : code ? code : run.signal ? 128 + run.signal : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT
 *
 * A terminal for tests: runs a program on a pseudo-terminal, shows what it writes to libvterm, and
 * answers questions about the screen. tests/console/terminal.py speaks to it.
 *
 * usage: driver ROWS COLUMNS PROGRAM [ARGUMENT...]
 *
 * One command a line on standard input, one answer a line on standard output; texts are in hex:
 *   send HEX           bytes as if typed                                   ok
 *   wait MS HEX        until a row of the screen contains the text          yes | no
 *   gone MS HEX        until none does                                      yes | no
 *   quiet MS           until nothing was written for so long                bytes since the start
 *   row N              a row's text                                         hex
 *   cell ROW COLUMN    code point, bold, reverse, underline, colour (-1: the terminal's own)
 *   cursor             row, column, visible
 *   state              rows, columns, other screen, bells, bytes written, ended, exit status, how
 *                      often something was written (what comes within 20 ms is one), the pid
 *   resize ROWS COLUMNS
 *   signal NUMBER      to the program's process group leader
 *   end MS             until the program has ended                          yes | no
 *   echo MS HEX HEX    sends the first, waits until a row contains the second; microseconds, or -1
 *   modes              whether the program has left on: mouse reports, bracketed paste; and whether
 *                      the line discipline is as it was before the program started
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <vterm.h>

#define LINE_BYTES 65536
#define TOGETHER_MS 20 /* a frame may come in pieces */

struct terminal {
    VTerm *vt;
    VTermScreen *screen;
    int rows, columns, fd, slave; /* slave: kept, so that its modes can be told after the end */
    pid_t pid;
    bool alternate, visible, mouse, ended;
    struct termios before;
    int status;
    unsigned bells;
    unsigned long long written, writes;
    FILE *log; /* what it wrote, when HOLDFAST_TERMINAL_LOG names a file */
    long long written_ms, read_ms;
};

static long long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long long now_ms(void)
{
    return now_us() / 1000;
}

/* ------------------------------------------------------------- libvterm */

static int on_property(VTermProp property, VTermValue *value, void *data)
{
    struct terminal *t = data;
    if (property == VTERM_PROP_ALTSCREEN)
        t->alternate = value->boolean;
    if (property == VTERM_PROP_CURSORVISIBLE)
        t->visible = value->boolean;
    if (property == VTERM_PROP_MOUSE)
        t->mouse = value->number != VTERM_PROP_MOUSE_NONE;
    return 1;
}

static int on_bell(void *data)
{
    ((struct terminal *)data)->bells++;
    return 1;
}

static const VTermScreenCallbacks callbacks = {.settermprop = on_property, .bell = on_bell};

static size_t utf8(uint32_t point, char *out)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t count = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = count - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    out[0] = (char)((0xf00u >> count) | point);
    return count;
}

static void row_text(struct terminal *t, int row, char *out)
{
    size_t used = 0, end = 0;
    for (int column = 0; column < t->columns; column++) {
        VTermScreenCell cell;
        VTermPos pos = {.row = row, .col = column};
        if (!vterm_screen_get_cell(t->screen, pos, &cell))
            continue;
        if (cell.chars[0] == (uint32_t)-1)
            continue; /* the right half of a wide character */
        for (int i = 0; i < VTERM_MAX_CHARS_PER_CELL && cell.chars[i]; i++)
            used += utf8(cell.chars[i], out + used);
        if (!cell.chars[0])
            out[used++] = ' ';
        if (cell.chars[0] && cell.chars[0] != ' ')
            end = used;
    }
    out[end] = '\0';
}

static bool shows(struct terminal *t, const char *text)
{
    static char row[LINE_BYTES];
    for (int i = 0; i < t->rows; i++) {
        row_text(t, i, row);
        if (strstr(row, text))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------- the program */

static void note_end(struct terminal *t, int flags)
{
    if (!t->ended && waitpid(t->pid, &t->status, flags) == t->pid)
        t->ended = true;
}

/* Takes what the program writes for up to ms; returns whether there was something. */
static bool pump(struct terminal *t, int ms, bool with_input)
{
    struct pollfd fds[] = {{.fd = t->fd, .events = POLLIN},
                           {.fd = with_input ? STDIN_FILENO : -1, .events = POLLIN}};
    char bytes[65536], answer[1024];
    size_t count;

    if (poll(fds, 2, ms) <= 0 || !(fds[0].revents & (POLLIN | POLLHUP)))
        return false;
    ssize_t n = read(t->fd, bytes, sizeof bytes);
    if (n <= 0) {
        close(t->fd);
        t->fd = -1;
        return false;
    }
    t->written += (unsigned long long)n;
    t->writes += now_ms() - t->read_ms > TOGETHER_MS;
    t->read_ms = t->written_ms = now_ms();
    if (t->log && (fwrite(bytes, 1, (size_t)n, t->log) != (size_t)n || fflush(t->log) != 0))
        perror("HOLDFAST_TERMINAL_LOG");
    vterm_input_write(t->vt, bytes, (size_t)n);
    while ((count = vterm_output_read(t->vt, answer, sizeof answer)) > 0) {
        if (write(t->fd, answer, count) < 0)
            break;
    }
    return true;
}

/* What a login gives a program. */
static void sane(struct termios *mode)
{
    memset(mode, 0, sizeof *mode);
    mode->c_iflag = ICRNL | IXON | IUTF8;
    mode->c_oflag = OPOST | ONLCR;
    mode->c_cflag = CREAD | CS8;
    mode->c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | IEXTEN;
    mode->c_cc[VINTR] = 3;
    mode->c_cc[VQUIT] = 28;
    mode->c_cc[VERASE] = 127;
    mode->c_cc[VKILL] = 21;
    mode->c_cc[VEOF] = 4;
    mode->c_cc[VSUSP] = 26;
    mode->c_cc[VMIN] = 1;
    cfsetspeed(mode, B38400);
}

static bool start(struct terminal *t, char **argv)
{
    struct winsize size = {.ws_row = (unsigned short)t->rows, .ws_col = (unsigned short)t->columns};
    t->vt = vterm_new(t->rows, t->columns);
    vterm_set_utf8(t->vt, 1);
    t->screen = vterm_obtain_screen(t->vt);
    vterm_screen_enable_altscreen(t->screen, 1);
    vterm_screen_set_callbacks(t->screen, &callbacks, t);
    vterm_screen_reset(t->screen, 1);
    t->visible = true;
    sane(&t->before);
    t->pid = forkpty(&t->fd, NULL, &t->before, &size);
    if (t->pid == 0) {
        execvp(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    if (t->pid < 0)
        return false;
    t->slave = open(ptsname(t->fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
    return t->slave >= 0;
}

/* ------------------------------------------------------------- commands */

static void unhex(const char *hex, char *out)
{
    unsigned byte;
    while (sscanf(hex, "%2x", &byte) == 1) {
        *out++ = (char)byte;
        hex += 2;
    }
    *out = '\0';
}

static void send_all(struct terminal *t, const char *hex)
{
    size_t count = strlen(hex) / 2, sent = 0;
    char *bytes = malloc(count + 1);
    if (!bytes)
        return;
    unhex(hex, bytes);
    while (sent < count && t->fd >= 0) {
        struct pollfd fd = {.fd = t->fd, .events = POLLIN | POLLOUT};
        (void)poll(&fd, 1, 1000);
        if (fd.revents & POLLIN)
            (void)pump(t, 0, false);
        if (!(fd.revents & POLLOUT))
            continue;
        size_t part = count - sent > 512 ? 512 : count - sent;
        ssize_t n = write(t->fd, bytes + sent, part);
        if (n > 0)
            sent += (size_t)n;
    }
    free(bytes);
}

static bool wait_text(struct terminal *t, long ms, const char *hex, bool wanted)
{
    static char text[LINE_BYTES];
    long long deadline = now_ms() + ms;
    unhex(hex, text);
    for (;;) {
        if (shows(t, text) == wanted)
            return true;
        if (now_ms() >= deadline)
            return false;
        (void)pump(t, 20, false);
        if (t->fd < 0)
            return shows(t, text) == wanted;
    }
}

static void resize(struct terminal *t, int rows, int columns)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    t->rows = rows;
    t->columns = columns;
    vterm_set_size(t->vt, rows, columns);
    (void)ioctl(t->fd, TIOCSWINSZ, &size);
}

static void answer_cell(struct terminal *t, int row, int column)
{
    VTermScreenCell cell;
    VTermPos pos = {.row = row, .col = column};
    memset(&cell, 0, sizeof cell);
    (void)vterm_screen_get_cell(t->screen, pos, &cell);
    int colour = VTERM_COLOR_IS_INDEXED(&cell.fg) ? cell.fg.indexed.idx : -1;
    if (VTERM_COLOR_IS_DEFAULT_FG(&cell.fg))
        colour = -1;
    printf("%u %d %d %d %d\n", cell.chars[0], cell.attrs.bold, cell.attrs.reverse,
           cell.attrs.underline, colour);
}

static void quiet(struct terminal *t, long ms)
{
    long long deadline = now_ms() + 20 * ms;
    t->written_ms = now_ms();
    while (now_ms() - t->written_ms < ms && now_ms() < deadline && t->fd >= 0)
        (void)pump(t, 20, false);
    printf("%llu\n", t->written);
}

static void ended(struct terminal *t, long ms)
{
    long long deadline = now_ms() + ms;
    for (note_end(t, WNOHANG); !t->ended && now_ms() < deadline; note_end(t, WNOHANG)) {
        if (t->fd >= 0)
            (void)pump(t, 10, false);
        else
            (void)usleep(10000);
    }
    while (t->fd >= 0 && pump(t, 20, false)) {
    }
    puts(t->ended ? "yes" : "no");
}

/* How long a key takes to its echo; without the rest of a poll's time. */
static long long echo(struct terminal *t, long ms, char *rest)
{
    static char text[LINE_BYTES];
    char *keys = strsep(&rest, " ");
    long long begun = now_us();

    if (!rest)
        return -1;
    unhex(rest, text);
    send_all(t, keys);
    while (!shows(t, text)) {
        if (now_us() - begun > ms * 1000 || t->fd < 0)
            return -1;
        (void)pump(t, 20, false);
    }
    return now_us() - begun;
}

static void answer_modes(struct terminal *t)
{
    struct termios now;
    char bytes[64];

    /* libvterm tells of bracketed paste only by what it sends when something is pasted. */
    vterm_keyboard_start_paste(t->vt);
    size_t paste = vterm_output_read(t->vt, bytes, sizeof bytes);
    bool same = tcgetattr(t->slave, &now) == 0 && now.c_iflag == t->before.c_iflag &&
                now.c_oflag == t->before.c_oflag && now.c_cflag == t->before.c_cflag &&
                now.c_lflag == t->before.c_lflag &&
                memcmp(now.c_cc, t->before.c_cc, sizeof now.c_cc) == 0;
    printf("%d %d %d\n", t->mouse, paste > 0, same);
}

static void answer(struct terminal *t, char *line)
{
    static char text[LINE_BYTES];
    char *word = strsep(&line, " "), *rest = line ? line : text;
    int a = 0, b = 0;

    if (!line)
        text[0] = '\0';
    (void)sscanf(rest, "%d %d", &a, &b);
    char *second = strchr(rest, ' ');
    second = second ? second + 1 : rest;
    if (strcmp(word, "send") == 0) {
        send_all(t, rest);
        puts("ok");
    } else if (strcmp(word, "wait") == 0 || strcmp(word, "gone") == 0) {
        puts(wait_text(t, a, second, word[0] == 'w') ? "yes" : "no");
    } else if (strcmp(word, "quiet") == 0) {
        quiet(t, a);
    } else if (strcmp(word, "row") == 0) {
        row_text(t, a, text);
        for (char *p = text; *p; p++)
            printf("%02x", (unsigned char)*p);
        puts("");
    } else if (strcmp(word, "cell") == 0) {
        answer_cell(t, a, b);
    } else if (strcmp(word, "cursor") == 0) {
        VTermPos pos;
        vterm_state_get_cursorpos(vterm_obtain_state(t->vt), &pos);
        printf("%d %d %d\n", pos.row, pos.col, t->visible);
    } else if (strcmp(word, "state") == 0) {
        note_end(t, WNOHANG);
        printf("%d %d %d %u %llu %d %d %llu %d\n", t->rows, t->columns, t->alternate, t->bells,
               t->written, t->ended, t->status, t->writes, (int)t->pid);
    } else if (strcmp(word, "resize") == 0) {
        resize(t, a, b);
        puts("ok");
    } else if (strcmp(word, "signal") == 0) {
        puts(kill(t->pid, a) == 0 ? "ok" : strerror(errno));
    } else if (strcmp(word, "end") == 0) {
        ended(t, a);
    } else if (strcmp(word, "echo") == 0) {
        printf("%lld\n", echo(t, a, second));
    } else if (strcmp(word, "modes") == 0) {
        answer_modes(t);
    } else {
        puts("what?");
    }
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    static char line[LINE_BYTES * 4];
    struct terminal t = {0};

    if (argc < 4)
        return 64;
    t.rows = atoi(argv[1]);
    t.columns = atoi(argv[2]);
    const char *log = getenv("HOLDFAST_TERMINAL_LOG");
    if (log)
        t.log = fopen(log, "we");
    if (t.rows < 1 || t.columns < 1 || !start(&t, argv + 3))
        return 71;
    setvbuf(stdin, NULL, _IONBF, 0);
    for (;;) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, 0) > 0) {
            if (!fgets(line, sizeof line, stdin))
                break;
            line[strcspn(line, "\n")] = '\0';
            answer(&t, line);
        } else {
            (void)pump(&t, t.fd >= 0 ? 100 : 20, true);
            if (t.fd < 0)
                (void)poll(&input, 1, 100);
        }
    }
    note_end(&t, WNOHANG);
    if (!t.ended) {
        (void)kill(t.pid, SIGKILL);
        note_end(&t, 0);
    }
    vterm_free(t.vt);
    return 0;
}

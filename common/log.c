/* SPDX-License-Identifier: MIT
 *
 * The log file and its rotation.
 */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 2048

static struct {
    char component[64];
    char path[512];
    int fd;
    long bytes;
    enum log_level level;
} sink = {.component = "holdfast", .fd = STDERR_FILENO, .level = LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

bool log_open(const char *component, const char *path)
{
    snprintf(sink.component, sizeof sink.component, "%s", component);
    if (!path)
        return true;
    int fd = open_file(path);
    if (fd < 0)
        return false;
    struct stat st;
    sink.bytes = fstat(fd, &st) == 0 ? (long)st.st_size : 0;
    snprintf(sink.path, sizeof sink.path, "%s", path);
    sink.fd = fd;
    return true;
}

void log_close(void)
{
    if (sink.fd != STDERR_FILENO)
        close(sink.fd);
    sink.fd = STDERR_FILENO;
    sink.path[0] = '\0';
}

void log_set_level(enum log_level level)
{
    sink.level = level;
}

static void rotate(void)
{
    char from[sizeof sink.path + 16], to[sizeof sink.path + 16];

    for (int i = LOG_FILES_KEPT; i > 0; i--) {
        snprintf(to, sizeof to, "%s.%d", sink.path, i);
        if (i > 1)
            snprintf(from, sizeof from, "%s.%d", sink.path, i - 1);
        else
            snprintf(from, sizeof from, "%s", sink.path);
        (void)rename(from, to);
    }
    int fd = open_file(sink.path);
    sink.bytes = 0;
    if (fd < 0)
        return; /* goes on into the renamed file */
    close(sink.fd);
    sink.fd = fd;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level < sink.level)
        return;
    int saved_errno = errno;
    char line[LINE_BYTES];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t length = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &tm);
    length += (size_t)snprintf(line + length, sizeof line - length, ".%03ldZ %s %s ",
                               now.tv_nsec / 1000000, level_names[level], sink.component);
    size_t start = length;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + length, sizeof line - length - 1, format, args);
    va_end(args);
    if (n > 0)
        length += (size_t)n < sizeof line - length - 1 ? (size_t)n : sizeof line - length - 2;
    for (size_t i = start; i < length; i++) {
        if ((unsigned char)line[i] < 0x20)
            line[i] = ' ';
    }
    line[length++] = '\n';
    ssize_t written = write(sink.fd, line, length);
    if (written > 0)
        sink.bytes += written;
    if (sink.path[0] != '\0' && sink.bytes > LOG_FILE_BYTES)
        rotate();
    errno = saved_errno;
}

bool log_allowed(long *state)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (*state == (long)now.tv_sec + 1)
        return false;
    *state = (long)now.tv_sec + 1;
    return true;
}

/* SPDX-License-Identifier: MIT
 *
 * Logs: one line an event, `time level component key=value … message`. Every program calls
 * log_open once; before that, lines go to stderr.
 *
 * A log never holds a secret or a whole peer message.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
};

/* component: "broker", "worker w1"; copied. path: the file to append to, or NULL for stderr. The
 * file is rotated when it passes LOG_FILE_BYTES: path.1 is the newest of LOG_FILES_KEPT old ones.
 * False when the file cannot be opened; errno says why, and lines go to stderr. */
#define LOG_FILE_BYTES (8 * 1024 * 1024)
#define LOG_FILES_KEPT 4
bool log_open(const char *component, const char *path);
void log_close(void);
void log_set_level(enum log_level level);

/* format: `key=value … message`. A newline inside is written as a blank. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

/* At most one line a second from this place, for what a peer can cause at will. */
bool log_allowed(long *state);
#define log_limited(level, ...)                                                                    \
    do {                                                                                           \
        static long log_state_;                                                                    \
        if (log_allowed(&log_state_))                                                              \
            log_line(level, __VA_ARGS__);                                                          \
    } while (0)

#endif

/* SPDX-License-Identifier: MIT
 *
 * Reads /proc. A process that ends while it is looked at counts as nothing.
 */
#include "bench/processor.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TEXT_BYTES 4096

/* The file's bytes, with a NUL behind them; how many, or 0. */
static size_t read_text(const char *pid, const char *name, char text[TEXT_BYTES])
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    size_t bytes = fread(text, 1, TEXT_BYTES - 1, file);
    fclose(file);
    text[bytes] = '\0';
    return bytes;
}

static bool names_folder(const char *pid, const char *folder)
{
    char text[TEXT_BYTES];
    size_t bytes = read_text(pid, "cmdline", text);
    return memmem(text, bytes, folder, strlen(folder)) != NULL;
}

static int64_t ticks_of(const char *pid)
{
    char text[TEXT_BYTES];
    unsigned long long user, system;
    if (!read_text(pid, "stat", text))
        return 0;
    /* The name in brackets may hold anything: fields are counted from the last bracket. */
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
                        &system) != 2)
        return 0;
    return (int64_t)(user + system);
}

int64_t processor_us(const char *folder)
{
    struct rusage self;
    getrusage(RUSAGE_SELF, &self);
    int64_t own_us = (self.ru_utime.tv_sec + self.ru_stime.tv_sec) * INT64_C(1000000) +
                     self.ru_utime.tv_usec + self.ru_stime.tv_usec;
    DIR *dir = opendir("/proc");
    if (!dir)
        return own_us;
    int64_t ticks = 0;
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (isdigit((unsigned char)*entry->d_name) && atol(entry->d_name) != getpid() &&
            names_folder(entry->d_name, folder))
            ticks += ticks_of(entry->d_name);
    closedir(dir);
    return own_us + ticks * (1000000 / sysconf(_SC_CLK_TCK));
}

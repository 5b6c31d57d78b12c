/* SPDX-License-Identifier: MIT
 *
 * `holdfast doctor`: what on this machine would keep `holdfast up` from working, a line each, with
 * what to do about it. Exit 0 when nothing would, otherwise 1.
 *
 * It changes nothing and makes nothing.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "up/layout.h"
#include "up/server.h"

#define DISK_BYTES_LEAST (UINT64_C(1) << 30)
#define MEMORY_KIB_LEAST (UINT64_C(512) << 10) /* a database takes 300 MiB, the rest little */
#define FILES_LEAST 4096u
#define CLOCK_LEAST 1735689600 /* 2025: an id of version 7 holds the time */
#define MARIADB_LEAST 1006u    /* major * 100 + minor */
#define MYSQL_LEAST 800u

struct examination {
    const struct layout *layout;
    bool json;
    struct json_object *findings;
    unsigned failures;
};

static void finding(struct examination *e, bool good, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void finding(struct examination *e, bool good, const char *what, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    e->failures += !good;
    if (!e->json) {
        printf("%-4s  %-10s %s\n", good ? "OK" : "FAIL", what, text);
        return;
    }
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "check", json_object_new_string(what));
    json_object_object_add(object, "ok", json_object_new_boolean(good));
    json_object_object_add(object, "message", json_object_new_string(text));
    json_object_array_add(e->findings, object);
}

/* ------------------------------------------------------------- the checks */

static void check_programs(struct examination *e)
{
    static const char *const names[] = {"holdfast-broker", "holdfast-worker", "holdfast-view",
                                        "holdfast-relay"};
    char path[LAYOUT_PATH_BYTES];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (program_find(names[i], path, sizeof path))
            finding(e, true, "program", "%s", path);
        else
            finding(e, false, "program",
                    "%s is neither beside this program nor on PATH: install it there", names[i]);
    }
}

static void check_server(struct examination *e)
{
    struct server_program program;
    struct marker marker;
    char error[512];

    if (!server_find(&program, error, sizeof error)) {
        finding(e, false, "database", "%s", error);
        return;
    }
    const char *kind = program.mysql ? "MySQL" : "MariaDB";
    unsigned version = program.major * 100 + program.minor;
    if (version < (program.mysql ? MYSQL_LEAST : MARIADB_LEAST))
        finding(e, false, "database",
                "%s is %s %u.%u: MariaDB 10.6 or MySQL 8.0 is the least; tested are MariaDB 10.11 "
                "and MySQL 9.7",
                program.server, kind, program.major, program.minor);
    else if (layout_is_ours(e->layout, &marker) && marker.mysql != program.mysql)
        finding(e, false, "database", "the data in %s is %s's, and %s is %s: see HOLDFAST_MYSQLD",
                e->layout->dir, marker.mysql ? "MySQL" : "MariaDB", program.server, kind);
    else
        finding(e, true, "database", "%s, %s %u.%u", program.server, kind, program.major,
                program.minor);
}

/* The nearest folder above path (or path itself) that is there. */
static void existing(const char *path, char there[LAYOUT_PATH_BYTES])
{
    snprintf(there, LAYOUT_PATH_BYTES, "%s", path);
    while (access(there, F_OK) != 0 && strrchr(there, '/') > there)
        *strrchr(there, '/') = '\0';
    if (access(there, F_OK) != 0)
        snprintf(there, LAYOUT_PATH_BYTES, "/");
}

static void check_folder(struct examination *e)
{
    const struct layout *layout = e->layout;
    struct marker marker;
    struct stat st;
    char there[LAYOUT_PATH_BYTES], error[256];

    existing(layout->dir, there);
    bool exists = strcmp(there, layout->dir) == 0;
    pid_t supervisor;
    if (layout_is_held(layout, &supervisor))
        finding(e, true, "folder", "%s holds a cluster that runs (pid %ld)", layout->dir,
                (long)supervisor);
    else if (stat(there, &st) == 0 && !S_ISDIR(st.st_mode))
        finding(e, false, "folder", "%s is not a folder: choose another with --dir", there);
    else if (access(there, W_OK | X_OK) != 0)
        finding(e, false, "folder", "%s cannot be written: %s; choose another with --dir", there,
                strerror(errno));
    else if (!exists)
        finding(e, true, "folder", "%s can be made", layout->dir);
    else if (layout_is_ours(layout, &marker) && strcmp(marker.dir, layout->dir) != 0)
        finding(e, false, "folder", "this cluster was made as %s: move it back", marker.dir);
    else if (stat(there, &st) == 0 && st.st_uid != geteuid())
        finding(e, false, "folder", "%s belongs to another user: choose another with --dir", there);
    else if (!layout_is_ours(layout, NULL) && !layout_is_empty(layout))
        finding(e, false, "folder",
                "%s is neither empty nor a cluster of `holdfast up`: choose another with --dir",
                layout->dir);
    else
        finding(e, true, "folder", "%s", layout->dir);

    existing(layout->sockets, there);
    if (strcmp(there, layout->sockets) == 0 && strcmp(layout->sockets, layout->run) != 0 &&
        !layout_make_sockets(layout, error, sizeof error))
        finding(e, false, "sockets", "%s", error);
    else
        finding(e, true, "sockets", "%s", layout->sockets);
}

static void check_space(struct examination *e)
{
    struct statvfs fs;
    char there[LAYOUT_PATH_BYTES];

    existing(e->layout->dir, there);
    if (statvfs(there, &fs) != 0) {
        finding(e, false, "disk", "could not look at %s: %s", there, strerror(errno));
        return;
    }
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    finding(e, bytes >= DISK_BYTES_LEAST, "disk", "%llu MiB free at %s%s",
            (unsigned long long)(bytes >> 20), there,
            bytes >= DISK_BYTES_LEAST ? "" : ": make it 1,024 or more, or choose another --dir");
}

static void check_memory(struct examination *e)
{
    FILE *file = fopen("/proc/meminfo", "re");
    char line[128];
    unsigned long long kib = 0;

    while (file && fgets(line, sizeof line, file) && kib == 0)
        (void)sscanf(line, "MemAvailable: %llu kB", &kib);
    if (file)
        fclose(file);
    finding(e, kib >= MEMORY_KIB_LEAST, "memory", "%llu MiB available%s", kib >> 10,
            kib >= MEMORY_KIB_LEAST ? "" : ": each database takes about 300");
}

static void check_limits(struct examination *e)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    bool good = files.rlim_max >= FILES_LEAST;
    finding(e, good, "files", "%llu open files allowed%s", (unsigned long long)files.rlim_max,
            good ? "" : ": raise the hard limit (ulimit -Hn) to 4,096 or more");
}

/* A profile that Debian or Ubuntu may have put on the server keeps it out of our folder. */
static void check_apparmor(struct examination *e)
{
    FILE *file = fopen("/sys/kernel/security/apparmor/profiles", "re");
    char line[256];
    bool confined = false;

    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        if ((strstr(line, "mysqld") || strstr(line, "mariadbd")) && strstr(line, "(enforce)"))
            confined = true;
    }
    fclose(file);
    finding(e, !confined, "apparmor", "%s",
            confined ? "a profile confines the database server: disable it (aa-disable)"
                     : "no profile confines the database server");
}

static void check_clock(struct examination *e)
{
    time_t now = time(NULL);
    struct tm tm;
    char text[32];

    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    finding(e, now >= CLOCK_LEAST, "clock", "%s%s", text,
            now >= CLOCK_LEAST ? "" : ": set it, operation ids hold the time");
}

static void check_user(struct examination *e)
{
    finding(e, true, "user", "%s",
            geteuid() == 0 ? "root: works, and so the databases run as root; an ordinary user is "
                             "enough"
                           : "an ordinary user");
}

int cmd_doctor(const struct invocation *invocation)
{
    static void (*const checks[])(struct examination *) = {
        check_user,   check_programs, check_server,   check_folder, check_space,
        check_memory, check_limits,   check_apparmor, check_clock};
    struct layout layout;
    struct examination e = {.layout = &layout, .json = invocation->json};
    char error[512];

    if (!layout_init(&layout, option_text(invocation, "dir"), error, sizeof error))
        return usage_error(invocation, "%s", error);
    e.findings = json_object_new_array();
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        checks[i](&e);
    if (e.json) {
        struct json_object *root = json_object_new_object();
        json_object_object_add(root, "ok", json_object_new_boolean(e.failures == 0));
        json_object_object_add(root, "checks", json_object_get(e.findings));
        printf("%s\n", json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN));
        json_object_put(root);
    } else if (e.failures > 0) {
        complain("doctor", "%u of these would keep `holdfast up` from working", e.failures);
    }
    json_object_put(e.findings);
    return e.failures > 0 ? 1 : 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Paths, marker and lock of a folder that `holdfast up` made. See layout.h.
 *
 * It removes only what layout_is_ours covers, never follows a symbolic link while it does, and
 * never leaves the file system that DIR is on.
 */
#include "up/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <dirent.h>
#include <json-c/json.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "protocol/text.h"

#define DESTROY_FDS 32

static void format_path(char path[LAYOUT_PATH_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* dir is at most LAYOUT_DIR_BYTES_MAX long, so that everything below fits. */
static void format_path(char path[LAYOUT_PATH_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(path, LAYOUT_PATH_BYTES, format, args);
    va_end(args);
}

/* ------------------------------------------------------------- where things are */

/* The same folder by another name must meet the same lock, and the cluster's files name it for as
 * long as it lives. So links and dots are resolved, also when the folder is yet to be made: then
 * those of what is there of its path, and the names of what is not are put behind that. */
static void resolve(char path[LAYOUT_PATH_BYTES])
{
    char real[PATH_MAX], there[LAYOUT_PATH_BYTES], missing[LAYOUT_PATH_BYTES] = "";
    size_t upwards = 0;

    format_path(there, "%s", path);
    while (!realpath(there, real)) {
        char *slash = strrchr(there, '/'), longer[LAYOUT_PATH_BYTES];
        const char *name = slash + 1;
        if (errno != ENOENT)
            return; /* whoever makes it says what is wrong */
        if (strcmp(name, "..") == 0) {
            upwards++;
        } else if (*name != '\0' && strcmp(name, ".") != 0 && (upwards == 0 || upwards-- == 0)) {
            format_path(longer, "/%s%s", name, missing);
            memcpy(missing, longer, sizeof missing);
        }
        slash[slash == there] = '\0';
    }
    format_path(path, "%s%s", strcmp(real, "/") == 0 && *missing ? "" : real, missing);
}

#define HERE "holdfast"

static bool absolute_dir(const char *dir, char path[LAYOUT_PATH_BYTES])
{
    char cwd[PATH_MAX];
    /* As config_find: who stands beside a cluster means that one. */
    if (!dir && access(HERE "/.holdfast", F_OK) == 0)
        dir = HERE;
    if (!dir) {
        const char *home = getenv("HOME");
        const struct passwd *entry = home && home[0] == '/' ? NULL : getpwuid(getuid());
        if (entry)
            home = entry->pw_dir;
        format_path(path, "%s/.local/share/holdfast", home && home[0] == '/' ? home : "");
    } else if (dir[0] == '/') {
        format_path(path, "%s", dir);
    } else {
        if (!getcwd(cwd, sizeof cwd))
            return false;
        format_path(path, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, dir);
    }
    resolve(path);
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        path[--length] = '\0';
    return true;
}

static void choose_sockets(struct layout *layout)
{
    static const char longest[] = "/b16.changes";
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (strlen(layout->run) + sizeof longest - 1 <= SOCKET_PATH_MAX) {
        memcpy(layout->sockets, layout->run, sizeof layout->sockets);
        return;
    }
    unsigned long long hash = XXH3_64bits(layout->dir, strlen(layout->dir));
    if (runtime && runtime[0] == '/' && access(runtime, W_OK) == 0 &&
        strlen(runtime) + strlen("/holdfast-0123456789abcdef") + sizeof longest <= SOCKET_PATH_MAX)
        format_path(layout->sockets, "%s/holdfast-%016llx", runtime, hash);
    else
        format_path(layout->sockets, "/tmp/holdfast-%lu-%016llx", (unsigned long)getuid(), hash);
}

bool layout_init(struct layout *layout, const char *dir, char *error, size_t error_bytes)
{
    memset(layout, 0, sizeof *layout);
    if ((dir && (dir[0] == '\0' || strlen(dir) >= LAYOUT_PATH_BYTES)) ||
        !absolute_dir(dir, layout->dir) || strlen(layout->dir) > LAYOUT_DIR_BYTES_MAX) {
        snprintf(error, error_bytes, "the folder's path is empty or longer than %d bytes",
                 LAYOUT_DIR_BYTES_MAX);
        return false;
    }
    /* It goes into cluster.yaml and my.cnf. */
    if (text_fault(layout->dir, strlen(layout->dir), LAYOUT_DIR_BYTES_MAX) ||
        strpbrk(layout->dir, "\"'\\#;")) {
        snprintf(error, error_bytes,
                 "the folder's path has a control character, a quote, a backslash, '#' or ';'");
        return false;
    }
    format_path(layout->run, "%s/run", layout->dir);
    format_path(layout->log, "%s/log", layout->dir);
    format_path(layout->cluster_file, "%s/cluster.yaml", layout->dir);
    format_path(layout->state_file, "%s/run/state.json", layout->dir);
    format_path(layout->lock_file, "%s/lock", layout->dir);
    format_path(layout->marker_file, "%s/.holdfast", layout->dir);
    choose_sockets(layout);
    return true;
}

bool layout_of_file(struct layout *layout, const char *cluster_file)
{
    char dir[LAYOUT_PATH_BYTES], ignored[128];
    format_path(dir, "%s", cluster_file);
    char *slash = strrchr(dir, '/');
    if (slash == dir)
        return false;
    if (slash)
        *slash = '\0';
    return layout_init(layout, slash ? dir : ".", ignored, sizeof ignored) &&
           layout_is_ours(layout, NULL);
}

void layout_shard_path(const struct layout *layout, const char *shard, const char *file, char *path,
                       size_t path_bytes)
{
    snprintf(path, path_bytes, "%s/shards/%s%s%s", layout->dir, shard, file ? "/" : "",
             file ? file : "");
}

void layout_log_path(const struct layout *layout, const char *name, char *path, size_t path_bytes)
{
    snprintf(path, path_bytes, "%s/%s", layout->log, name);
}

/* ------------------------------------------------------------- the marker */

bool layout_is_ours(const struct layout *layout, struct marker *marker)
{
    struct json_object *root = json_object_from_file(layout->marker_file), *field;
    bool ours = root && json_object_object_get_ex(root, "holdfast", &field) &&
                strcmp(json_object_get_string(field), "up") == 0;

    if (ours && marker) {
        memset(marker, 0, sizeof *marker);
        if (json_object_object_get_ex(root, "dir", &field))
            format_path(marker->dir, "%s", json_object_get_string(field));
        if (json_object_object_get_ex(root, "workers", &field))
            marker->workers = (unsigned)json_object_get_int(field);
        if (json_object_object_get_ex(root, "server", &field))
            marker->mysql = strcmp(json_object_get_string(field), "mysql") == 0;
    }
    json_object_put(root);
    return ours;
}

bool layout_write_marker(const struct layout *layout, const struct marker *marker)
{
    char temporary[LAYOUT_PATH_BYTES + 8];
    struct json_object *root = json_object_new_object();

    json_object_object_add(root, "holdfast", json_object_new_string("up"));
    json_object_object_add(root, "dir", json_object_new_string(marker->dir));
    json_object_object_add(root, "workers", json_object_new_int((int)marker->workers));
    json_object_object_add(root, "server",
                           json_object_new_string(marker->mysql ? "mysql" : "mariadb"));
    snprintf(temporary, sizeof temporary, "%s.new", layout->marker_file);
    bool good =
        json_object_to_file(temporary, root) == 0 && rename(temporary, layout->marker_file) == 0;
    json_object_put(root);
    return good;
}

/* ------------------------------------------------------------- making it */

static bool make_folder(const char *path, char *error, size_t error_bytes)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return true;
    snprintf(error, error_bytes, "could not make \"%s\": %s", path, strerror(errno));
    return false;
}

static bool make_parents(const char *path, char *error, size_t error_bytes)
{
    char parent[LAYOUT_PATH_BYTES];
    format_path(parent, "%s", path);
    for (char *p = strchr(parent + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (!make_folder(parent, error, error_bytes))
            return false;
        *p = '/';
    }
    return true;
}

bool layout_is_empty(const struct layout *layout)
{
    DIR *folder = opendir(layout->dir);
    const struct dirent *entry;
    bool empty = folder != NULL;

    while (folder && (entry = readdir(folder))) {
        /* A lock alone is what an `up` leaves that was killed at its first step. */
        static const char *const nothing[] = {".", "..", "lock", ".holdfast.new"};
        bool ours = false;
        for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
            ours = ours || strcmp(entry->d_name, nothing[i]) == 0;
        empty = empty && ours;
    }
    if (folder)
        closedir(folder);
    return empty;
}

static bool check_own_folder(const char *path, char *error, size_t error_bytes)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        snprintf(error, error_bytes, "could not look at \"%s\": %s", path, strerror(errno));
        return false;
    }
    if (S_ISDIR(st.st_mode) && st.st_uid == geteuid())
        return true;
    snprintf(error, error_bytes, "\"%s\" is not a folder of yours", path);
    return false;
}

bool layout_make_dir(const struct layout *layout, char *error, size_t error_bytes)
{
    return make_parents(layout->dir, error, error_bytes) &&
           make_folder(layout->dir, error, error_bytes) &&
           check_own_folder(layout->dir, error, error_bytes);
}

bool layout_make(const struct layout *layout, char *error, size_t error_bytes)
{
    char shards[LAYOUT_PATH_BYTES + 8];

    if (chmod(layout->dir, 0700) != 0) {
        snprintf(error, error_bytes, "could not make \"%s\" private: %s", layout->dir,
                 strerror(errno));
        return false;
    }
    snprintf(shards, sizeof shards, "%s/shards", layout->dir);
    return make_folder(layout->run, error, error_bytes) &&
           make_folder(layout->log, error, error_bytes) && make_folder(shards, error, error_bytes);
}

bool layout_make_sockets(const struct layout *layout, char *error, size_t error_bytes)
{
    struct stat st;

    if (!make_folder(layout->sockets, error, error_bytes) ||
        !check_own_folder(layout->sockets, error, error_bytes))
        return false;
    /* In /tmp anybody could have made it, with anything in it. */
    if (stat(layout->sockets, &st) == 0 && (st.st_mode & 0077) == 0)
        return true;
    snprintf(error, error_bytes, "\"%s\" is open to other users: make it 0700", layout->sockets);
    return false;
}

/* ------------------------------------------------------------- the lock */

enum lock_outcome layout_lock(const struct layout *layout, int *fd)
{
    struct stat ours, there;

    for (;;) {
        *fd = open(layout->lock_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (*fd < 0)
            return LOCK_FAILED;
        if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
            int why = errno;
            close(*fd);
            errno = why;
            return why == EWOULDBLOCK ? LOCK_HELD : LOCK_FAILED;
        }
        /* A holder that ends removes the file: what we have locked may no longer be it. */
        if (fstat(*fd, &ours) == 0 && stat(layout->lock_file, &there) == 0 &&
            ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
            return LOCK_TAKEN;
        close(*fd);
    }
}

bool layout_sign_lock(int fd)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) == length;
}

bool layout_is_held(const struct layout *layout, pid_t *supervisor)
{
    char text[32] = "";
    int fd = open(layout->lock_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (supervisor)
        *supervisor = 0;
    if (fd < 0)
        return false;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (held && supervisor && read(fd, text, sizeof text - 1) > 0)
        *supervisor = (pid_t)strtol(text, NULL, 10);
    close(fd);
    return held;
}

/* ------------------------------------------------------------- removing */

static void empty_folder(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder)
        closedir(folder);
}

void layout_clean(const struct layout *layout, bool lock)
{
    empty_folder(layout->run);
    if (strcmp(layout->sockets, layout->run) != 0) {
        empty_folder(layout->sockets);
        if (lock)
            (void)rmdir(layout->sockets);
    }
    if (lock)
        (void)unlink(layout->lock_file);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    return type == FTW_DP ? rmdir(path) : unlink(path);
}

bool layout_destroy(const struct layout *layout)
{
    return nftw(layout->dir, remove_entry, DESTROY_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Files, programs and first connection of a shard's private server. See server.h.
 */
#include "up/server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/random.h"

#define PASSWORD_HEX_BYTES 33
#define SCHEMA_USER "holdfast_schema"
#define SCHEMA_PASSWORD_FILE "schema_password"
#define CONNECT_TIMEOUT_S 5u
#define SCHEMA_TIMEOUT_S 120u

/* ------------------------------------------------------------- programs */

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool find_in(const char *folders, const char *name, char *path, size_t path_bytes)
{
    for (const char *p = folders; p && *p;) {
        size_t length = strcspn(p, ":");
        snprintf(path, path_bytes, "%.*s/%s", (int)length, p, name);
        if (length > 0 && p[0] == '/' && is_program(path))
            return true;
        p += length;
        p += *p == ':';
    }
    return false;
}

bool program_find(const char *name, char *path, size_t path_bytes)
{
    char self[LAYOUT_PATH_BYTES];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length > 0) {
        self[length] = '\0';
        *strrchr(self, '/') = '\0';
        if (find_in(self, name, path, path_bytes))
            return true;
    }
    /* An ordinary user's PATH lacks the folders where Debian puts servers. */
    return find_in(getenv("PATH"), name, path, path_bytes) ||
           find_in("/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin", name, path, path_bytes);
}

/* The first line that `program --version` prints. */
static bool version_line(const char *program, char *line, size_t line_bytes)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        execl(program, program, "--no-defaults", "--version", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    size_t used = 0;
    ssize_t n = 0;
    while (pid > 0 && used + 1 < line_bytes &&
           (n = read(ends[0], line + used, line_bytes - 1 - used)) > 0)
        used += (size_t)n;
    line[used] = '\0';
    line[strcspn(line, "\n")] = '\0';
    close(ends[0]);
    int status = -1;
    if (pid > 0)
        (void)waitpid(pid, &status, 0);
    return status == 0;
}

bool server_find(struct server_program *program, char *error, size_t error_bytes)
{
    const char *named = getenv("HOLDFAST_MYSQLD");
    char line[512];

    memset(program, 0, sizeof *program);
    if (named && named[0] != '\0') {
        snprintf(program->server, sizeof program->server, "%s", named);
        if (!is_program(program->server)) {
            snprintf(error, error_bytes, "HOLDFAST_MYSQLD: \"%s\" is not a program", named);
            return false;
        }
    } else if (!program_find("mariadbd", program->server, sizeof program->server) &&
               !program_find("mysqld", program->server, sizeof program->server)) {
        snprintf(error, error_bytes,
                 "there is no database server: install mariadb-server-core, or name one in "
                 "HOLDFAST_MYSQLD");
        return false;
    }
    if (!version_line(program->server, line, sizeof line)) {
        snprintf(error, error_bytes, "\"%s --version\" failed: %s", program->server, line);
        return false;
    }
    /* "mariadbd  Ver 10.11.19-MariaDB-…" or "… Ver 9.7.4 for Linux …" */
    const char *version = strstr(line, "Ver ");
    if (!version || sscanf(version, "Ver %u.%u", &program->major, &program->minor) != 2) {
        snprintf(error, error_bytes, "\"%s\" does not tell a version: %s", program->server, line);
        return false;
    }
    program->mysql = strstr(line, "MariaDB") == NULL;
    if (!program->mysql &&
        !program_find("mariadb-install-db", program->install, sizeof program->install)) {
        snprintf(error, error_bytes, "mariadb-install-db is missing: install mariadb-server-core");
        return false;
    }
    return true;
}

/* ------------------------------------------------------------- files */

static bool write_file(const char *path, char *error, size_t error_bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* 0600, and never half there under its name. */
static bool write_file(const char *path, char *error, size_t error_bytes, const char *format, ...)
{
    char temporary[LAYOUT_PATH_BYTES + 16];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool good = file != NULL;

    if (file) {
        va_list args;
        va_start(args, format);
        good = vfprintf(file, format, args) >= 0;
        va_end(args);
        good = fflush(file) == 0 && fsync(fd) == 0 && good;
        good = fclose(file) == 0 && good;
    }
    if (good && rename(temporary, path) == 0)
        return true;
    snprintf(error, error_bytes, "could not write \"%s\": %s", path, strerror(errno));
    return false;
}

static bool read_password(const char *path, char password[PASSWORD_HEX_BYTES])
{
    FILE *file = fopen(path, "re");
    bool good = file && fgets(password, PASSWORD_HEX_BYTES, file) &&
                strlen(password) == PASSWORD_HEX_BYTES - 1 &&
                strspn(password, "0123456789abcdef") == PASSWORD_HEX_BYTES - 1;
    if (file)
        fclose(file);
    return good;
}

/* The password in the file, which is made when it is not there or not whole. */
static bool keep_password(const char *path, char password[PASSWORD_HEX_BYTES], char *error,
                          size_t error_bytes)
{
    unsigned char random[(PASSWORD_HEX_BYTES - 1) / 2];
    if (read_password(path, password))
        return true;
    if (!random_bytes(random, sizeof random)) {
        snprintf(error, error_bytes, "no random numbers: %s", strerror(errno));
        return false;
    }
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(password + 2 * i, 3, "%02x", random[i]);
    return write_file(path, error, error_bytes, "%s\n", password);
}

/* Run by the server at each start, before it takes connections; one statement a line. */
static const char init_sql[] =
    "SET SESSION sql_log_bin = 0;\n"
    "CREATE DATABASE IF NOT EXISTS `%1$s` CHARACTER SET utf8mb4;\n"
    "CREATE USER IF NOT EXISTS `%2$s`@localhost IDENTIFIED BY '%3$s';\n"
    "ALTER USER `%2$s`@localhost IDENTIFIED BY '%3$s';\n"
    "GRANT SELECT, INSERT, UPDATE, DELETE ON `%1$s`.* TO `%2$s`@localhost;\n"
    "CREATE USER IF NOT EXISTS `" SCHEMA_USER "`@localhost IDENTIFIED BY '%4$s';\n"
    "ALTER USER `" SCHEMA_USER "`@localhost IDENTIFIED BY '%4$s';\n"
    "GRANT ALL ON `%1$s`.* TO `" SCHEMA_USER "`@localhost;\n"
    "%5$s";

/* `mysqld --initialize-insecure` leaves a root without a password; MariaDB's is for the owner of
 * the folder alone. */
static const char lock_mysql_root[] = "ALTER USER root@localhost ACCOUNT LOCK;\n";

/* Durable: a commit that was told survives a power cut. The binary log is what a replica or a
 * restore from a backup would need, and is kept for a day. */
static const char my_cnf[] = "# Written by `holdfast up` at each start; changes here are lost.\n"
                             "[mysqld]\n"
                             "datadir = %s\n"
                             "tmpdir = %s\n"
                             "socket = %s\n"
                             "pid-file = %s\n"
                             "log-error = %s\n"
                             "init-file = %s\n"
                             "skip-networking\n"
                             "skip-name-resolve\n"
                             "innodb_flush_log_at_trx_commit = 1\n"
                             "sync_binlog = 1\n"
                             "log_bin = binlog\n"
                             "binlog_format = ROW\n"
                             "server_id = 1\n"
                             "max_binlog_size = 64M\n"
                             "binlog_expire_logs_seconds = 86400\n"
                             "transaction_isolation = READ-COMMITTED\n"
                             "character_set_server = utf8mb4\n"
                             "innodb_buffer_pool_size = 256M\n"
                             "max_connections = 200\n"
                             "max_allowed_packet = 64M\n"
                             "performance_schema = OFF\n"
                             "local_infile = OFF\n"
                             "%s%s";

static const char mariadb_cnf[] = "innodb_log_file_size = 96M\n";
static const char mysql_cnf[] = "innodb_redo_log_capacity = 192M\n"
                                "mysqlx = OFF\n"
                                "secure_file_priv = NULL\n";

static bool write_my_cnf(const struct layout *layout, const struct config_shard *shard,
                         const struct server_program *program, char *error, size_t error_bytes)
{
    char path[LAYOUT_PATH_BYTES], data[LAYOUT_PATH_BYTES], init[LAYOUT_PATH_BYTES];
    char pid_file[LAYOUT_PATH_BYTES + 80], log[LAYOUT_PATH_BYTES], log_name[96];

    char folder[LAYOUT_PATH_BYTES];
    layout_shard_path(layout, shard->name, NULL, folder, sizeof folder);
    layout_shard_path(layout, shard->name, "my.cnf", path, sizeof path);
    layout_shard_path(layout, shard->name, "data", data, sizeof data);
    layout_shard_path(layout, shard->name, "init.sql", init, sizeof init);
    snprintf(pid_file, sizeof pid_file, "%s/%s.pid", layout->run, shard->name);
    snprintf(log_name, sizeof log_name, "%s.log", shard->name);
    layout_log_path(layout, log_name, log, sizeof log);
    /* As root the server wants to be told that root is meant; DIR is root's. */
    return write_file(path, error, error_bytes, my_cnf, data, folder, shard->servers[0].socket,
                      pid_file, log, init, program->mysql ? mysql_cnf : mariadb_cnf,
                      geteuid() == 0 ? "user = root\n" : "");
}

bool server_write_files(const struct layout *layout, const struct config_shard *shard,
                        const struct server_program *program, char *error, size_t error_bytes)
{
    char path[LAYOUT_PATH_BYTES];
    char password[PASSWORD_HEX_BYTES], schema_password[PASSWORD_HEX_BYTES];

    layout_shard_path(layout, shard->name, NULL, path, sizeof path);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        snprintf(error, error_bytes, "could not make \"%s\": %s", path, strerror(errno));
        return false;
    }
    layout_shard_path(layout, shard->name, SCHEMA_PASSWORD_FILE, path, sizeof path);
    if (!keep_password(path, schema_password, error, error_bytes) ||
        !keep_password(shard->password_file, password, error, error_bytes))
        return false;
    layout_shard_path(layout, shard->name, "init.sql", path, sizeof path);
    return write_file(path, error, error_bytes, init_sql, shard->database, shard->user, password,
                      schema_password, program->mysql ? lock_mysql_root : "") &&
           write_my_cnf(layout, shard, program, error, error_bytes);
}

/* ------------------------------------------------------------- the data folder */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    return type == FTW_DP ? rmdir(path) : unlink(path);
}

bool server_is_installed(const struct layout *layout, const struct config_shard *shard)
{
    char path[LAYOUT_PATH_BYTES];
    layout_shard_path(layout, shard->name, "data", path, sizeof path);
    return access(path, F_OK) == 0;
}

void server_install_command(const struct layout *layout, const struct config_shard *shard,
                            const struct server_program *program, struct server_command *command)
{
    char path[LAYOUT_PATH_BYTES];

    layout_shard_path(layout, shard->name, "data.new", path, sizeof path);
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    memset(command, 0, sizeof *command);
    snprintf(command->storage[0], sizeof command->storage[0], "--datadir=%s", path);
    size_t i = 0;
    command->argv[i++] = program->mysql ? program->server : program->install;
    command->argv[i++] = "--no-defaults";
    command->argv[i++] = command->storage[0];
    if (program->mysql) {
        command->argv[i++] = "--initialize-insecure";
        command->argv[i++] = "--secure-file-priv=";
        command->argv[i++] = "--mysqlx=OFF";
    } else {
        command->argv[i++] = "--auth-root-authentication-method=socket";
        command->argv[i++] = "--skip-test-db";
        command->argv[i++] = "--skip-name-resolve";
        command->argv[i++] = "--force"; /* a machine without names has a database too */
        command->argv[i++] = "--innodb-log-file-size=96M";
    }
    layout_shard_path(layout, shard->name, NULL, path, sizeof path);
    snprintf(command->storage[1], sizeof command->storage[1], "--tmpdir=%s", path);
    command->argv[i++] = command->storage[1];
    if (geteuid() == 0)
        command->argv[i++] = "--user=root";
}

bool server_install_finish(const struct layout *layout, const struct config_shard *shard)
{
    char from[LAYOUT_PATH_BYTES], to[LAYOUT_PATH_BYTES];
    layout_shard_path(layout, shard->name, "data.new", from, sizeof from);
    layout_shard_path(layout, shard->name, "data", to, sizeof to);
    return rename(from, to) == 0;
}

void server_run_command(const struct layout *layout, const struct config_shard *shard,
                        const struct server_program *program, struct server_command *command)
{
    char path[LAYOUT_PATH_BYTES];

    layout_shard_path(layout, shard->name, "my.cnf", path, sizeof path);
    memset(command, 0, sizeof *command);
    snprintf(command->storage[0], sizeof command->storage[0], "--defaults-file=%s", path);
    command->argv[0] = program->server;
    command->argv[1] = command->storage[0];
}

/* ------------------------------------------------------------- the connection */

MYSQL *server_connect(const struct layout *layout, const struct config_shard *shard, char *error,
                      size_t error_bytes)
{
    char path[LAYOUT_PATH_BYTES], password[PASSWORD_HEX_BYTES];
    unsigned connect_s = CONNECT_TIMEOUT_S, io_s = SCHEMA_TIMEOUT_S;
    MYSQL *mysql = mysql_init(NULL);

    layout_shard_path(layout, shard->name, SCHEMA_PASSWORD_FILE, path, sizeof path);
    if (!mysql || !read_password(path, password)) {
        snprintf(error, error_bytes, "could not read \"%s\"", path);
        if (mysql)
            mysql_close(mysql);
        return NULL;
    }
    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &io_s);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
    if (mysql_real_connect(mysql, NULL, SCHEMA_USER, password, shard->database, 0,
                           shard->servers[0].socket, 0))
        return mysql;
    snprintf(error, error_bytes, "%s (error %u)", mysql_error(mysql), mysql_errno(mysql));
    mysql_close(mysql);
    return NULL;
}

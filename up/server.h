/* SPDX-License-Identifier: MIT
 *
 * The private database server of one shard: which program it is, the files that it needs, how its
 * data folder is made, and the connection that applies the schema.
 *
 * The server listens on a unix socket in a 0700 folder alone. Two users exist beside the locked
 * root: `holdfast` may read and write rows, `holdfast_schema` owns the database and is used by
 * schema/apply alone. Both passwords are random, in 0600 files.
 *
 * HOLDFAST_MYSQLD in the environment names another server program (MySQL 9.7 for example); a folder
 * stays with the kind of server that made it.
 */
#ifndef UP_SERVER_H
#define UP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <mysql.h>

#include "up/layout.h"
#include "common/config.h"

#define SERVER_ARGUMENTS_MAX 16

struct server_program {
    char server[LAYOUT_PATH_BYTES];  /* mariadbd or mysqld */
    char install[LAYOUT_PATH_BYTES]; /* mariadb-install-db; "" for MySQL */
    bool mysql;
    unsigned major, minor;
};

/* An executable file called name: in the folder of this program, on PATH, or where servers lie. */
bool program_find(const char *name, char *path, size_t path_bytes);

/* Runs it with --version and looks at the answer. */
bool server_find(struct server_program *program, char *error, size_t error_bytes);

/* Makes the shard's folder, passwords (once), my.cnf and init.sql. */
bool server_write_files(const struct layout *layout, const struct config_shard *shard,
                        const struct server_program *program, char *error, size_t error_bytes);

bool server_is_installed(const struct layout *layout, const struct config_shard *shard);

/* The argument vector that makes the data folder, and the one that runs the server: pointers into
 * storage, NULL at the end. */
struct server_command {
    const char *argv[SERVER_ARGUMENTS_MAX];
    char storage[4][LAYOUT_PATH_BYTES + 32];
};
/* Empties what an install that was cut off has left. */
void server_install_command(const struct layout *layout, const struct config_shard *shard,
                            const struct server_program *program, struct server_command *command);
/* After the install has exited with 0: puts the folder in its place. */
bool server_install_finish(const struct layout *layout, const struct config_shard *shard);
void server_run_command(const struct layout *layout, const struct config_shard *shard,
                        const struct server_program *program, struct server_command *command);

/* A connection for schema/apply with the shard's database selected; NULL while the server does not
 * answer, with the reason in error. The caller closes it. */
MYSQL *server_connect(const struct layout *layout, const struct config_shard *shard, char *error,
                      size_t error_bytes);

#endif

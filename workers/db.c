/* SPDX-License-Identifier: MIT
 *
 * Connecting and running statements.
 */
#include "workers/db_sql.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* Seconds that the server waits for us before it rolls back and hangs up: a stopped worker cannot
 * hold a lock for longer. The worker says something at least every second. */
#define SESSION_ISOLATION "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
#define SESSION_SETUP                                                                              \
    "SET SESSION innodb_lock_wait_timeout = 1, SESSION wait_timeout = 6, "                         \
    "SESSION net_write_timeout = 2, SESSION time_zone = '+00:00', autocommit = 1, "                \
    "SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'"
#define SERVER_CHECK "SELECT @@global.read_only,@@max_allowed_packet"
#define PACKET_HEAD_BYTES 64 /* of the packet, what is not text */
#define PASSWORD_BYTES 256

void db_init(struct db *db, const struct config_shard *shard)
{
    *db = (struct db){.shard = shard, .timeout_s = DB_TIMEOUT_S};
}

void db_close(struct db *db)
{
    if (db->mysql)
        mysql_close(db->mysql);
    db->mysql = NULL;
}

bool db_connected(const struct db *db)
{
    return db->mysql != NULL;
}

const char *db_error(const struct db *db)
{
    return db->error;
}

bool db_is_mysql(const struct db *db)
{
    return db->mysql && !mariadb_connection(db->mysql);
}

static enum db_outcome failed(struct db *db)
{
    db->error_code = mysql_errno(db->mysql);
    snprintf(db->error, sizeof db->error, "%u: %s", db->error_code, mysql_error(db->mysql));
    enum db_outcome outcome = db_outcome_of(db->error_code);
    if (outcome == DB_NOT_WRITER)
        db->server = (db->server + 1) % db->shard->server_count;
    if (outcome == DB_LOST || outcome == DB_NOT_WRITER)
        db_close(db);
    return outcome;
}

/* Reads the first line. False with db->error. */
static bool read_password(struct db *db, char password[PASSWORD_BYTES])
{
    const char *path = db->shard->password_file;

    password[0] = '\0';
    if (path[0] == '\0')
        return true;
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(db->error, sizeof db->error, "could not open \"%s\": %s", path, strerror(errno));
        return false;
    }
    if (!fgets(password, PASSWORD_BYTES, file))
        password[0] = '\0';
    fclose(file);
    password[strcspn(password, "\r\n")] = '\0';
    return true;
}

static void set_options(MYSQL *mysql, const struct config_server *server, unsigned timeout_s)
{
    my_bool verify = 1;

    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (server->tls) {
        mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &verify);
        mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
    }
}

/* Also learns how long a text may be. */
static bool is_read_only(struct db *db)
{
    bool read_only = true;

    db->text_bytes_max = SIZE_MAX;
    if (mysql_real_query(db->mysql, SERVER_CHECK, strlen(SERVER_CHECK)) != 0)
        return true;
    MYSQL_RES *rows = mysql_store_result(db->mysql);
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;
    if (row && row[0])
        read_only = strcmp(row[0], "0") != 0 && strcmp(row[0], "OFF") != 0;
    if (row && db_uint(row[1]) > PACKET_HEAD_BYTES)
        db->text_bytes_max = db_uint(row[1]) - PACKET_HEAD_BYTES;
    mysql_free_result(rows);
    return read_only;
}

static bool connect_to(struct db *db, const struct config_server *server, const char *password)
{
    bool local = server->socket[0] != '\0';

    db->mysql = mysql_init(NULL);
    if (!db->mysql)
        abort();
    set_options(db->mysql, server, db->timeout_s);
    if (!mysql_real_connect(db->mysql, local ? NULL : server->host, db->shard->user, password,
                            db->shard->database, local ? 0 : server->port,
                            local ? server->socket : NULL,
                            CLIENT_FOUND_ROWS | CLIENT_MULTI_STATEMENTS) ||
        mysql_real_query(db->mysql, SESSION_ISOLATION, strlen(SESSION_ISOLATION)) != 0 ||
        mysql_real_query(db->mysql, SESSION_SETUP, strlen(SESSION_SETUP)) != 0) {
        snprintf(db->error, sizeof db->error, "%u: %s", mysql_errno(db->mysql),
                 mysql_error(db->mysql));
        db_close(db);
        return false;
    }
    if (is_read_only(db)) {
        snprintf(db->error, sizeof db->error, "the server is read only");
        db_close(db);
        return false;
    }
    db->thread_id = mysql_thread_id(db->mysql);
    return true;
}

bool db_connect(struct db *db)
{
    char password[PASSWORD_BYTES];

    db_close(db);
    if (!read_password(db, password))
        return false;
    for (size_t i = 0; i < db->shard->server_count; i++) {
        size_t server = (db->server + i) % db->shard->server_count;
        if (connect_to(db, &db->shard->servers[server], password)) {
            db->server = server;
            explicit_bzero(password, sizeof password);
            return true;
        }
    }
    explicit_bzero(password, sizeof password);
    return false;
}

/* A value cannot hold a semicolon, and our fragments hold one only between statements. */
static size_t count_statements(const struct sql *sql)
{
    const char *at = sql->bytes, *end = sql->bytes + sql->length;
    size_t count = 1;

    while (at < end && (at = memchr(at, ';', (size_t)(end - at))) != NULL) {
        count++;
        at++;
    }
    return count;
}

enum db_outcome db_run(struct db *db, const struct sql *sql, db_reply *reply, void *context)
{
    bool agreed = true;
    size_t statement = 0;

    if (!db->mysql)
        return DB_LOST;
    db->round_trips++;
    int status = mysql_real_query(db->mysql, sql->bytes, sql->length);
    for (; status == 0; statement++) {
        MYSQL_RES *rows = mysql_store_result(db->mysql);
        if (!rows && mysql_field_count(db->mysql) > 0)
            return failed(db);
        db->statements++;
        uint64_t affected = rows ? mysql_num_rows(rows) : mysql_affected_rows(db->mysql);
        if (reply && agreed)
            agreed = reply(context, statement, rows, affected);
        mysql_free_result(rows);
        status = mysql_next_result(db->mysql);
    }
    if (status > 0)
        return failed(db);
    /* A server that is told to KILL us may end between two statements without an error. */
    if (statement != count_statements(sql)) {
        snprintf(db->error, sizeof db->error, "the server ran %zu of the statements", statement);
        db_close(db);
        return DB_LOST;
    }
    return agreed ? DB_OK : DB_MISMATCH;
}

enum db_outcome db_stream(struct db *db, const struct sql *sql, db_row *see, void *context)
{
    MYSQL_ROW row;

    if (!db->mysql)
        return DB_LOST;
    db->round_trips++;
    if (mysql_real_query(db->mysql, sql->bytes, sql->length) != 0)
        return failed(db);
    MYSQL_RES *rows = mysql_use_result(db->mysql);
    if (!rows)
        return failed(db);
    db->statements++;
    while ((row = mysql_fetch_row(rows)) != NULL)
        see(context, row, mysql_fetch_lengths(rows));
    bool broken = mysql_errno(db->mysql) != 0;
    enum db_outcome outcome = broken ? failed(db) : DB_OK;
    mysql_free_result(rows);
    return outcome;
}

enum db_outcome db_run_text(struct db *db, const char *constant)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, constant);
    enum db_outcome outcome = db_run(db, &sql, NULL, NULL);
    sql_release(&sql);
    return outcome;
}

void db_rollback(struct db *db)
{
    if (db->mysql && db_run_text(db, "ROLLBACK") != DB_OK)
        db_close(db);
}

enum db_outcome db_commit(struct db *db)
{
    if (!db->mysql)
        return DB_LOST;
    db->round_trips++;
    if (mysql_real_query(db->mysql, "COMMIT", strlen("COMMIT")) == 0)
        return DB_OK;
    return failed(db);
}

uint64_t db_uint(const char *field)
{
    return field ? strtoull(field, NULL, 10) : 0;
}

int64_t db_int(const char *field)
{
    return field ? strtoll(field, NULL, 10) : 0;
}

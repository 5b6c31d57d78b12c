/* SPDX-License-Identifier: MIT
 *
 * A reservation as most teams write it, straight on the database: one transaction that locks the
 * stock row, checks, updates, inserts reservation and movement, commits. 64 threads with a
 * connection each. Written to be a fair opponent: prepared statements, primary keys for every
 * look-up, READ COMMITTED, no more round trips than the pattern has.
 */
#include "bench/bench.h"

#include <errmsg.h>
#include <errno.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

#define ROWS_PER_INSERT 1000u

static const char *const schema[] = {
    "DROP DATABASE IF EXISTS bench_naive",
    "CREATE DATABASE bench_naive",
    "CREATE TABLE bench_naive.stock (sku VARBINARY(64) PRIMARY KEY, on_hand INT NOT NULL, "
    "reserved INT NOT NULL) ENGINE=InnoDB",
    "CREATE TABLE bench_naive.reservation (id BIGINT AUTO_INCREMENT PRIMARY KEY, "
    "sku VARBINARY(64) NOT NULL, quantity INT NOT NULL, state TINYINT NOT NULL, "
    "expires_at DATETIME(3) NOT NULL, created_at DATETIME(3) NOT NULL) ENGINE=InnoDB",
    "CREATE TABLE bench_naive.movement (id BIGINT AUTO_INCREMENT PRIMARY KEY, "
    "sku VARBINARY(64) NOT NULL, reservation_id BIGINT NOT NULL, quantity INT NOT NULL, "
    "created_at DATETIME(3) NOT NULL) ENGINE=InnoDB",
};

enum statement { LOOK, TAKE, RESERVE, RECORD, STATEMENT_COUNT };

static const char *const statements[STATEMENT_COUNT] = {
    [LOOK] = "SELECT on_hand, reserved FROM stock WHERE sku = ? FOR UPDATE",
    [TAKE] = "UPDATE stock SET reserved = reserved + ? WHERE sku = ?",
    [RESERVE] = "INSERT INTO reservation (sku, quantity, state, expires_at, created_at) "
                "VALUES (?, ?, 1, NOW(3) + INTERVAL 15 MINUTE, NOW(3))",
    [RECORD] = "INSERT INTO movement (sku, reservation_id, quantity, created_at) "
               "VALUES (?, LAST_INSERT_ID(), ?, NOW(3))",
};

/* Shared by the threads of one run; they only read it. */
struct run {
    const struct config_shard *shard;
    const struct load *load;
    int64_t count_from_us, end_us;
    pthread_barrier_t start;
};

struct client {
    struct run *run;
    pthread_t thread;
    MYSQL *mysql;
    MYSQL_STMT *statements[STATEMENT_COUNT];
    uint64_t random;
    struct sample sample;
    char error[256];
};

static bool fail(char *error, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(char *error, size_t bytes, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, bytes, format, arguments);
    va_end(arguments);
    return false;
}

/* The server of `holdfast up` knows the owner of its folder by the socket, without a password. */
static MYSQL *connect_to(const struct config_shard *shard, const char *database, char *error,
                         size_t error_bytes)
{
    const struct passwd *owner = getpwuid(geteuid());
    MYSQL *mysql = mysql_init(NULL);
    if (!mysql || !owner) {
        fail(error, error_bytes, "%s", strerror(ENOMEM));
    } else if (mysql_real_connect(mysql, NULL, owner->pw_name, NULL, database, 0,
                                  shard->servers[0].socket, 0)) {
        return mysql;
    } else {
        fail(error, error_bytes, "could not connect to the database: %s", mysql_error(mysql));
    }
    if (mysql)
        mysql_close(mysql);
    return NULL;
}

static bool fill_stock(MYSQL *mysql)
{
    size_t bytes = ROWS_PER_INSERT * 64;
    char *text = malloc(bytes);
    bool good = text != NULL;
    for (uint32_t first = 0; good && first < BENCH_SKUS; first += ROWS_PER_INSERT) {
        size_t at = (size_t)snprintf(text, bytes, "INSERT INTO bench_naive.stock VALUES ");
        for (uint32_t i = first; i < first + ROWS_PER_INSERT && i < BENCH_SKUS; i++) {
            char sku[BENCH_SKU_BYTES];
            bench_sku(sku, i);
            at += (size_t)snprintf(text + at, bytes - at, "%s('%s',%u,0)", i == first ? "" : ",",
                                   sku, BENCH_STOCK);
        }
        good = mysql_real_query(mysql, text, at) == 0;
    }
    free(text);
    return good;
}

bool naive_prepare(const struct config_shard *shard, char *error, size_t error_bytes)
{
    MYSQL *mysql = connect_to(shard, NULL, error, error_bytes);
    if (!mysql)
        return false;
    bool good = true;
    for (size_t i = 0; good && i < sizeof schema / sizeof *schema; i++)
        good = mysql_query(mysql, schema[i]) == 0;
    good = good && fill_stock(mysql);
    if (!good)
        fail(error, error_bytes, "could not prepare bench_naive: %s", mysql_error(mysql));
    mysql_close(mysql);
    return good;
}

/* ------------------------------------------------------------- one client */

static bool client_open(struct client *client)
{
    client->mysql =
        connect_to(client->run->shard, "bench_naive", client->error, sizeof client->error);
    if (!client->mysql)
        return false;
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        client->statements[i] = mysql_stmt_init(client->mysql);
        if (!client->statements[i] ||
            mysql_stmt_prepare(client->statements[i], statements[i], strlen(statements[i])))
            return fail(client->error, sizeof client->error, "%s", mysql_error(client->mysql));
    }
    return true;
}

static void client_close(struct client *client)
{
    for (int i = 0; i < STATEMENT_COUNT; i++)
        if (client->statements[i])
            mysql_stmt_close(client->statements[i]);
    if (client->mysql)
        mysql_close(client->mysql);
}

/* Runs one statement whose parameters are the sku and the quantity, in the order of the table. */
static bool execute(struct client *client, enum statement which, const char *sku, int quantity)
{
    unsigned long length = strlen(sku);
    /* The API takes a pointer to char for what it only reads. */
    char text[BENCH_SKU_BYTES];
    memcpy(text, sku, length + 1);
    MYSQL_BIND code = {.buffer_type = MYSQL_TYPE_STRING,
                       .buffer = text,
                       .buffer_length = length,
                       .length = &length};
    MYSQL_BIND number = {.buffer_type = MYSQL_TYPE_LONG, .buffer = &quantity};
    MYSQL_BIND binds[2] = {which == TAKE ? number : code, which == TAKE ? code : number};
    MYSQL_STMT *statement = client->statements[which];
    return mysql_stmt_bind_param(statement, binds) == 0 && mysql_stmt_execute(statement) == 0;
}

static bool look(struct client *client, const char *sku, int *available)
{
    int on_hand = 0, reserved = 0;
    MYSQL_BIND columns[2] = {{.buffer_type = MYSQL_TYPE_LONG, .buffer = &on_hand},
                             {.buffer_type = MYSQL_TYPE_LONG, .buffer = &reserved}};
    MYSQL_STMT *statement = client->statements[LOOK];
    if (!execute(client, LOOK, sku, 0) || mysql_stmt_bind_result(statement, columns) ||
        mysql_stmt_store_result(statement))
        return false;
    bool found = mysql_stmt_fetch(statement) == 0;
    mysql_stmt_free_result(statement);
    *available = on_hand - reserved;
    return found;
}

static bool reserve_once(struct client *client, const char *sku)
{
    int available;
    if (mysql_query(client->mysql, "BEGIN") || !look(client, sku, &available))
        return false;
    if (available < 1)
        return mysql_query(client->mysql, "ROLLBACK") == 0;
    return execute(client, TAKE, sku, 1) && execute(client, RESERVE, sku, 1) &&
           execute(client, RECORD, sku, 1) && mysql_query(client->mysql, "COMMIT") == 0;
}

static bool may_be_retried(struct client *client)
{
    unsigned code = mysql_errno(client->mysql);
    for (int i = 0; !code && i < STATEMENT_COUNT; i++)
        code = mysql_stmt_errno(client->statements[i]);
    return code == ER_LOCK_DEADLOCK || code == ER_LOCK_WAIT_TIMEOUT;
}

static void *client_main(void *data)
{
    struct client *client = data;
    struct run *run = client->run;
    bool good = client_open(client);
    pthread_barrier_wait(&run->start); /* everybody is connected */
    pthread_barrier_wait(&run->start); /* the times are set */
    for (uint32_t i = 0; good && i < BENCH_OPERATIONS_MAX; i++) {
        char sku[BENCH_SKU_BYTES];
        bench_sku(sku, bench_random(&client->random) % run->load->skus);
        int64_t begin_us = clock_monotonic_us();
        if (begin_us >= run->end_us)
            break;
        while (!reserve_once(client, sku)) {
            if (!may_be_retried(client) || clock_monotonic_us() >= run->end_us) {
                good = may_be_retried(client) ||
                       fail(client->error, sizeof client->error, "%s", mysql_error(client->mysql));
                break;
            }
            client->sample.retried++;
            mysql_query(client->mysql, "ROLLBACK");
        }
        int64_t now_us = clock_monotonic_us();
        client->sample.all += good;
        if (good && begin_us >= run->count_from_us && now_us <= run->end_us) {
            client->sample.done++;
            histogram_record(&client->sample.latency, (uint64_t)(now_us - begin_us));
        }
    }
    client_close(client);
    mysql_thread_end();
    return NULL;
}

/* ------------------------------------------------------------- the run */

static void gather(struct sample *sample, const struct client *client)
{
    sample->done += client->sample.done;
    sample->all += client->sample.all;
    sample->retried += client->sample.retried;
    histogram_merge(&sample->latency, &client->sample.latency);
}

bool naive_run(const struct config_shard *shard, const struct load *load, struct sample *sample,
               char *error, size_t error_bytes)
{
    struct run run = {.shard = shard, .load = load};
    struct client *clients = calloc(BENCH_CLIENTS, sizeof *clients);
    if (!clients)
        return fail(error, error_bytes, "%s", strerror(ENOMEM));
    pthread_barrier_init(&run.start, NULL, BENCH_CLIENTS + 1);
    for (uint32_t i = 0; i < BENCH_CLIENTS; i++) {
        clients[i].run = &run;
        clients[i].random = 0x9e3779b97f4a7c15u * (i + 1);
        if (pthread_create(&clients[i].thread, NULL, client_main, &clients[i]) != 0) {
            fprintf(stderr, "bench: could not start a thread\n");
            exit(71); /* the threads that did start wait for ever */
        }
    }
    pthread_barrier_wait(&run.start);
    run.count_from_us = clock_monotonic_us() + load->warm_us;
    run.end_us = run.count_from_us + load->count_us;
    pthread_barrier_wait(&run.start);

    bool good = true;
    memset(sample, 0, sizeof *sample);
    sample->elapsed_us = load->count_us;
    for (uint32_t i = 0; i < BENCH_CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        if (*clients[i].error && good)
            good = fail(error, error_bytes, "%s", clients[i].error);
        gather(sample, &clients[i]);
    }
    pthread_barrier_destroy(&run.start);
    free(clients);
    return good;
}

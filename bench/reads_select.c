/* SPDX-License-Identifier: MIT
 *
 * The same reads by SELECT: a thread and a connection for each client, a prepared statement, the
 * level's primary key.
 */
#include "bench/reads.h"

#include <mysql.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "common/clock.h"
#include "protocol/ids.h"

#define FIGURES 10

static const char query[] =
    "SELECT on_hand,reserved,committed,unavailable,safety_stock,reorder_point,shortfall,version,"
    "on_hand_version,partition_id FROM stock_level WHERE partition_id=? AND sku=?";

struct run {
    const struct reads_place *place;
    const struct reads_load *load;
    pthread_barrier_t start;
};

struct reader {
    struct run *run;
    pthread_t thread;
    uint64_t random;
    struct reads_sample sample;
    char error[256];
};

static MYSQL_STMT *prepare(struct reader *reader, MYSQL *mysql)
{
    const struct config_shard *shard = &reader->run->place->config->shards[0];
    const struct passwd *owner = getpwuid(geteuid());
    MYSQL_STMT *statement = NULL;

    if (!owner ||
        !mysql_real_connect(mysql, NULL, owner->pw_name, NULL, shard->database, 0,
                            shard->servers[0].socket, 0) ||
        !(statement = mysql_stmt_init(mysql)) ||
        mysql_stmt_prepare(statement, query, sizeof query - 1) != 0) {
        snprintf(reader->error, sizeof reader->error, "%s", mysql_error(mysql));
        if (statement)
            mysql_stmt_close(statement);
        return NULL;
    }
    return statement;
}

static bool read_one(MYSQL_STMT *statement, char *sku, uint32_t partition)
{
    unsigned long sku_bytes = strlen(sku);
    unsigned long long figures[FIGURES];
    MYSQL_BIND in[2] = {{0}}, out[FIGURES];

    in[0].buffer_type = MYSQL_TYPE_LONG;
    in[0].buffer = &partition;
    in[0].is_unsigned = 1;
    in[1].buffer_type = MYSQL_TYPE_STRING;
    in[1].buffer = sku;
    in[1].buffer_length = sku_bytes;
    in[1].length = &sku_bytes;
    memset(out, 0, sizeof out);
    for (int i = 0; i < FIGURES; i++) {
        out[i].buffer_type = MYSQL_TYPE_LONGLONG;
        out[i].buffer = &figures[i];
    }
    bool good = mysql_stmt_bind_param(statement, in) == 0 && mysql_stmt_execute(statement) == 0 &&
                mysql_stmt_bind_result(statement, out) == 0 && mysql_stmt_fetch(statement) == 0 &&
                figures[0] > 0;
    mysql_stmt_free_result(statement);
    return good;
}

static void *read_on(void *data)
{
    struct reader *reader = data;
    const struct reads_load *load = reader->run->load;
    uint32_t partitions = reader->run->place->config->partitions;
    MYSQL *mysql = mysql_init(NULL);
    MYSQL_STMT *statement = mysql ? prepare(reader, mysql) : NULL;

    pthread_barrier_wait(&reader->run->start);
    int64_t count_from_us = clock_monotonic_us() + load->warm_us;
    int64_t end_us = count_from_us + load->count_us, now_us = 0;
    while (statement && now_us < end_us) {
        char sku[BENCH_SKU_BYTES];
        int64_t begin_us = clock_monotonic_us();
        bench_sku(sku, bench_random(&reader->random) % BENCH_SKUS);
        if (!read_one(statement, sku, partition_of_sku(sku, strlen(sku), partitions))) {
            snprintf(reader->error, sizeof reader->error, "a row is not there: %s",
                     mysql_stmt_error(statement));
            break;
        }
        now_us = clock_monotonic_us();
        reader->sample.all++;
        if (begin_us >= count_from_us && now_us <= end_us) {
            reader->sample.done++;
            histogram_record(&reader->sample.latency, (uint64_t)(now_us - begin_us));
        }
    }
    if (statement)
        mysql_stmt_close(statement);
    if (mysql)
        mysql_close(mysql);
    mysql_thread_end();
    return NULL;
}

bool reads_select(const struct reads_place *place, const struct reads_load *load,
                  struct reads_sample *sample, char *error, size_t error_bytes)
{
    static struct reader readers[READS_CLIENTS_MAX];
    struct run run = {.place = place, .load = load};
    uint32_t started = 0;
    bool good = true;

    memset(readers, 0, sizeof readers);
    pthread_barrier_init(&run.start, NULL, load->clients);
    for (; started < load->clients; started++) {
        readers[started].run = &run;
        readers[started].random = 0x9e3779b97f4a7c15u * (started + 1);
        if (pthread_create(&readers[started].thread, NULL, read_on, &readers[started]) != 0)
            break;
    }
    if (started < load->clients) { /* those that began wait for ever */
        snprintf(error, error_bytes, "only %u threads could be started", started);
        return false;
    }
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(readers[i].thread, NULL);
        sample->done += readers[i].sample.done;
        sample->all += readers[i].sample.all;
        histogram_merge(&sample->latency, &readers[i].sample.latency);
        if (readers[i].error[0] && good) {
            snprintf(error, error_bytes, "%s", readers[i].error);
            good = false;
        }
    }
    pthread_barrier_destroy(&run.start);
    return good;
}

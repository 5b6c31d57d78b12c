/* SPDX-License-Identifier: MIT
 *
 * See brokers.h.
 */
#include "console/brokers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_US 1000000
#define SEEN_PARTITIONS 64 /* a broker tells of those alone that have work */

struct seen_partition {
    uint32_t partition;
    size_t broker;
    int64_t heard_us; /* 0: the row is free */
    struct series depth, oldest_ms;
};

struct brokers {
    struct broker_samples samples[CONFIG_BROKERS_MAX];
    struct seen_worker workers[SEEN_WORKERS];
    struct seen_partition partitions[SEEN_PARTITIONS];
    int64_t sampled_at_us;
};

static void forget(struct series *series)
{
    memset(series, 0xff, sizeof *series); /* -1 */
}

struct brokers *brokers_new(void)
{
    struct brokers *b = calloc(1, sizeof *b);

    if (b)
        memset(b->samples, 0xff, sizeof b->samples);
    return b;
}

/* ------------------------------------------------------------- who is there */

static bool is_worker(const struct seen_worker *row, size_t broker, const Hf__WorkerState *worker)
{
    return row->heard_us && row->broker == broker && strlen(row->name) == worker->name.len &&
           memcmp(row->name, worker->name.data, worker->name.len) == 0;
}

/* Those that are gone are not told of any more: who was there is remembered here. */
static void see_worker(struct app *app, size_t broker, const Hf__WorkerState *worker)
{
    struct seen_worker *row = &app->brokers->workers[0];

    for (size_t i = 0; i < SEEN_WORKERS; i++) {
        struct seen_worker *one = &app->brokers->workers[i];
        if (is_worker(one, broker, worker)) {
            row = one;
            break;
        }
        if (one->heard_us < row->heard_us) /* a free one, or the one that is gone longest */
            row = one;
    }
    if (!is_worker(row, broker, worker))
        forget(&row->credit);
    row->broker = broker;
    row->heard_us = app->now_us;
    snprintf(row->name, sizeof row->name, "%.*s", (int)worker->name.len,
             (const char *)worker->name.data);
    snprintf(row->shard, sizeof row->shard, "%.*s", (int)worker->shard.len,
             (const char *)worker->shard.data);
}

static void see_partition(struct app *app, size_t broker, uint32_t partition)
{
    struct seen_partition *row = &app->brokers->partitions[0];

    for (size_t i = 0; i < SEEN_PARTITIONS; i++) {
        struct seen_partition *one = &app->brokers->partitions[i];
        if (one->heard_us && one->broker == broker && one->partition == partition) {
            one->heard_us = app->now_us;
            return;
        }
        if (one->heard_us < row->heard_us)
            row = one;
    }
    *row =
        (struct seen_partition){.partition = partition, .broker = broker, .heard_us = app->now_us};
    forget(&row->depth);
    forget(&row->oldest_ms);
}

/* ------------------------------------------------------------- samples */

static void sample(struct series *series, int64_t value)
{
    memmove(series->samples, series->samples + 1, sizeof series->samples[0] * (SAMPLES - 1));
    series->samples[SAMPLES - 1] = value;
}

static void sample_broker(struct broker_samples *s, const Hf__BrokerState *state)
{
    int64_t shed = 0, oldest = 0;

    for (size_t i = 0; state && i < state->n_sheds; i++)
        shed += (int64_t)state->sheds[i]->count;
    for (size_t i = 0; state && i < state->n_partition_states; i++) {
        int64_t ms = state->partition_states[i]->oldest_ms;
        oldest = ms > oldest ? ms : oldest;
    }
    sample(&s->depth, state ? (int64_t)(state->queued + state->in_flight) : -1);
    sample(&s->rate, state ? (int64_t)state->rate : -1);
    sample(&s->oldest_ms, state ? oldest : -1);
    sample(&s->shed, state ? shed : -1);
    sample(&s->poison, state ? (int64_t)state->poisoned : -1);
}

static void sample_worker(struct seen_worker *row, const Hf__BrokerState *state)
{
    const Hf__WorkerState *found = NULL;

    for (size_t i = 0; state && i < state->n_workers && !found; i++) {
        if (is_worker(row, row->broker, state->workers[i]))
            found = state->workers[i];
    }
    sample(&row->credit, found ? (int64_t)found->credit : -1);
}

/* One that is not told of has nothing to do. */
static void sample_partition(struct seen_partition *row, const Hf__BrokerState *state)
{
    const Hf__PartitionState *found = NULL;

    for (size_t i = 0; state && i < state->n_partition_states && !found; i++) {
        if (state->partition_states[i]->partition == row->partition)
            found = state->partition_states[i];
    }
    sample(&row->depth, !state ? -1 : found ? (int64_t)found->queued + found->in_flight : 0);
    sample(&row->oldest_ms, !state ? -1 : found ? (int64_t)found->oldest_ms : 0);
}

static const Hf__BrokerState *heard(const struct app *app, size_t broker)
{
    return link_broker_ok(app, broker) ? broker_watch_state(app->watch, broker) : NULL;
}

static void take_samples(struct app *app)
{
    struct brokers *b = app->brokers;

    for (size_t i = 0; i < app->config.broker_count; i++)
        sample_broker(&b->samples[i], heard(app, i));
    for (size_t i = 0; i < SEEN_WORKERS; i++) {
        if (b->workers[i].heard_us)
            sample_worker(&b->workers[i], heard(app, b->workers[i].broker));
    }
    for (size_t i = 0; i < SEEN_PARTITIONS; i++) {
        struct seen_partition *row = &b->partitions[i];
        if (row->heard_us && app->now_us - row->heard_us > SAMPLES * SAMPLE_US)
            row->heard_us = 0;
        else if (row->heard_us)
            sample_partition(row, heard(app, row->broker));
    }
}

void brokers_tick(struct app *app)
{
    broker_watch_wait(app->watch, 0);
    for (size_t i = 0; i < app->config.broker_count; i++) {
        const Hf__BrokerState *state = broker_watch_state(app->watch, i);
        bool was = link_broker_ok(app, i);
        if (state && state->clock_us != app->link.broker_clock[i]) {
            app->link.broker_clock[i] = state->clock_us;
            app->link.brokers_heard_us[i] = app->now_us;
            for (size_t j = 0; j < state->n_workers; j++)
                see_worker(app, i, state->workers[j]);
            for (size_t j = 0; j < state->n_partition_states; j++)
                see_partition(app, i, state->partition_states[j]->partition);
            app->dirty = true;
        }
        if (was != link_broker_ok(app, i))
            app->dirty = true;
    }
    if (!link_any_broker(app))
        app->dirty = true; /* that none was heard in time is told then */
    if (app->now_us - app->brokers->sampled_at_us < SAMPLE_US)
        return;
    app->brokers->sampled_at_us = app->now_us;
    take_samples(app);
}

/* ------------------------------------------------------------- for the views */

const struct broker_samples *brokers_samples(const struct app *app, size_t broker)
{
    return &app->brokers->samples[broker];
}

const struct seen_worker *brokers_workers(const struct app *app)
{
    return app->brokers->workers;
}

const struct series *brokers_credit(const struct app *app, size_t broker,
                                    const Hf__WorkerState *worker)
{
    for (size_t i = 0; i < SEEN_WORKERS; i++) {
        if (is_worker(&app->brokers->workers[i], broker, worker))
            return &app->brokers->workers[i].credit;
    }
    return NULL;
}

bool brokers_partition(const struct app *app, size_t broker, uint32_t partition,
                       const struct series **depth, const struct series **oldest_ms)
{
    for (size_t i = 0; i < SEEN_PARTITIONS; i++) {
        const struct seen_partition *row = &app->brokers->partitions[i];
        if (row->heard_us && row->broker == broker && row->partition == partition) {
            *depth = &row->depth;
            *oldest_ms = &row->oldest_ms;
            return true;
        }
    }
    return false;
}

/* SPDX-License-Identifier: MIT
 *
 * What brokers tell of themselves, once a second, and what of it is remembered for graphs and for
 * who is gone: the last minute of each broker, of its workers, and of the partitions that had work.
 */
#ifndef CONSOLE_BROKERS_H
#define CONSOLE_BROKERS_H

#include <stddef.h>
#include <stdint.h>

#include "console/app.h"

#define SAMPLES 60
#define SEEN_WORKERS 64

struct brokers;

struct series { /* one sample a second, the newest last; -1: not known */
    int64_t samples[SAMPLES];
};

struct broker_samples {
    struct series depth, rate;
    struct series oldest_ms;    /* of what waits anywhere */
    struct series shed, poison; /* since its start */
};

/* A worker that a broker has told of. */
struct seen_worker {
    char name[CODE_TEXT], shard[CODE_TEXT];
    size_t broker;
    int64_t heard_us; /* monotonic, when it was told of last; 0: the row is free */
    struct series credit;
};

/* NULL without memory. */
struct brokers *brokers_new(void);
/* Takes what was told, and a sample when it is time. */
void brokers_tick(struct app *app);

const struct broker_samples *brokers_samples(const struct app *app, size_t broker);
/* SEEN_WORKERS of them. */
const struct seen_worker *brokers_workers(const struct app *app);
/* NULL: nothing is remembered of it. */
const struct series *brokers_credit(const struct app *app, size_t broker,
                                    const Hf__WorkerState *worker);
/* Operations that wait or are in flight, and the age of the oldest in milliseconds. False: nothing
 * is remembered of it. */
bool brokers_partition(const struct app *app, size_t broker, uint32_t partition,
                       const struct series **depth, const struct series **oldest_ms);

#endif

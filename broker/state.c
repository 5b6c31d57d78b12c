/* SPDX-License-Identifier: MIT
 *
 * BrokerState: what this broker knows of itself, packed for its state socket. Called by the server
 * four times a second, off the message path.
 */
#include "broker/core.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/arena.h"
#include "protocol/holdfast.pb-c.h"

#define STATE_PARTITIONS_MAX 4096u
#define STATE_CLIENTS_MAX 64u

static ProtobufCBinaryData code_data(struct code *code)
{
    ProtobufCBinaryData data = {.len = code->length, .data = (uint8_t *)code->bytes};
    return data;
}

static ProtobufCBinaryData text_data(char *text)
{
    ProtobufCBinaryData data = {.len = strlen(text), .data = (uint8_t *)text};
    return data;
}

static int64_t oldest_us(const struct partition *p, struct moment now)
{
    int64_t oldest = now.monotonic_us;

    for (int c = 0; c < CLASS_COUNT; c++) {
        const struct lane *lane;
        DL_FOREACH(p->lanes[c], lane)
        {
            if (lane->ops->admitted_us < oldest)
                oldest = lane->ops->admitted_us;
        }
    }
    if (p->again && p->again->admitted_us < oldest)
        oldest = p->again->admitted_us;
    return now.monotonic_us - oldest;
}

/* In flight operations are not in the partition's lists; the age of the oldest is found in the
 * worker's flight, from its oldest dispatch on. */
static void note_flight_ages(const struct dispatch *d, int64_t *ages, struct moment now)
{
    const struct session *s;

    DL_FOREACH(d->list[SIDE_WORKER], s)
    {
        const struct worker_part *w = &s->worker;
        for (uint64_t q = w->oldest; q <= w->sent; q++) {
            const struct op *op = w->flight[q & (w->flight_size - 1)];
            if (op && now.monotonic_us - op->admitted_us > ages[op->partition])
                ages[op->partition] = now.monotonic_us - op->admitted_us;
        }
    }
}

static void add_partitions(struct dispatch *d, Hf__BrokerState *state, struct arena *arena,
                           struct moment now)
{
    int64_t *ages = arena_zalloc(arena, d->config.partitions * sizeof *ages);

    state->partition_states =
        arena_alloc(arena, STATE_PARTITIONS_MAX * sizeof(Hf__PartitionState *));
    note_flight_ages(d, ages, now);
    for (uint32_t i = 0; i < d->config.partitions; i++) {
        struct partition *p = &d->partitions[i];
        if ((p->held == 0 && p->owner) || state->n_partition_states == STATE_PARTITIONS_MAX)
            continue;
        Hf__PartitionState *entry = arena_alloc(arena, sizeof *entry);
        int64_t age_us = oldest_us(p, now);
        hf__partition_state__init(entry);
        entry->partition = i;
        if (p->owner)
            entry->worker = code_data(&p->owner->name);
        entry->epoch = p->epoch;
        entry->queued = p->waiting + p->again_count;
        entry->in_flight = p->assigned;
        entry->bytes = p->held_bytes;
        entry->oldest_ms = (uint32_t)((age_us > ages[i] ? age_us : ages[i]) / 1000);
        entry->suspects = p->suspects;
        state->partition_states[state->n_partition_states++] = entry;
    }
}

static void add_workers(struct dispatch *d, Hf__BrokerState *state, struct arena *arena,
                        struct moment now)
{
    struct session *s;

    state->workers = arena_alloc(arena, (d->count[SIDE_WORKER] + 1) * sizeof(Hf__WorkerState *));
    DL_FOREACH(d->list[SIDE_WORKER], s)
    {
        Hf__WorkerState *entry = arena_alloc(arena, sizeof *entry);
        hf__worker_state__init(entry);
        entry->name = code_data(&s->name);
        entry->shard = code_data(&s->worker.shard);
        entry->partitions = s->worker.owned_count;
        entry->credit = s->worker.credit > s->worker.sent ? s->worker.credit - s->worker.sent : 0;
        entry->in_flight = s->worker.in_flight;
        entry->silent_ms = (uint32_t)((now.monotonic_us - s->heard_us) / 1000);
        entry->trouble.data = (uint8_t *)s->worker.trouble;
        entry->trouble.len = s->worker.trouble_bytes;
        state->workers[state->n_workers++] = entry;
    }
}

static int by_busy(const void *a, const void *b)
{
    const struct session *const *x = a, *const *y = b;
    uint64_t nx = (*x)->client.admitted, ny = (*y)->client.admitted;

    if ((*x)->client.in_flight != (*y)->client.in_flight)
        return (*x)->client.in_flight > (*y)->client.in_flight ? -1 : 1;
    return nx == ny ? 0 : nx > ny ? -1 : 1;
}

static void add_clients(struct dispatch *d, Hf__BrokerState *state, struct arena *arena)
{
    uint32_t count = d->count[SIDE_CLIENT], i = 0;
    struct session **list = arena_alloc(arena, (count + 1) * sizeof(struct session *));
    struct session *s;

    DL_FOREACH(d->list[SIDE_CLIENT], s)
    list[i++] = s;
    qsort(list, count, sizeof(struct session *), by_busy);
    state->client_count = count;
    state->clients = arena_alloc(arena, STATE_CLIENTS_MAX * sizeof(Hf__ClientState *));
    for (i = 0; i < count && i < STATE_CLIENTS_MAX; i++) {
        Hf__ClientState *entry = arena_alloc(arena, sizeof *entry);
        s = list[i];
        hf__client_state__init(entry);
        entry->name = code_data(&s->name);
        entry->principal = text_data(s->client.principal->name);
        entry->in_flight = s->client.in_flight;
        entry->window = d->config.limits.client_window;
        entry->admitted = s->client.admitted;
        entry->shed = s->client.shed;
        state->clients[state->n_clients++] = entry;
    }
}

static void add_sheds(struct dispatch *d, Hf__BrokerState *state, struct arena *arena)
{
    state->sheds = arena_alloc(arena, STATUS_CODES * sizeof(Hf__ShedCount *));
    for (uint32_t code = 0; code < STATUS_CODES; code++) {
        if (d->sheds[code] == 0)
            continue;
        Hf__ShedCount *entry = arena_alloc(arena, sizeof *entry);
        hf__shed_count__init(entry);
        entry->status = code;
        entry->count = d->sheds[code];
        state->sheds[state->n_sheds++] = entry;
    }
}

static void update_rate(struct dispatch *d, struct moment now)
{
    int64_t passed_us = now.monotonic_us - d->rate_since_us;

    if (passed_us < 1000000)
        return;
    d->rate = (uint32_t)((d->operations - d->rate_operations) * 1000000 / (uint64_t)passed_us);
    d->rate_operations = d->operations;
    d->rate_since_us = now.monotonic_us;
}

uint8_t *dispatch_state(struct dispatch *d, struct moment now, size_t *body_bytes)
{
    Hf__BrokerState state;
    struct arena arena;

    update_rate(d, now);
    arena_init(&arena);
    hf__broker_state__init(&state);
    state.broker = text_data(d->config.name);
    state.cluster = text_data(d->config.cluster);
    state.clock_us = now.wall_us;
    state.started_at_us = (uint64_t)d->started.wall_us;
    state.map_version = d->map_version;
    state.partitions_served = d->served;
    state.partitions = d->config.partitions;
    state.operations = d->operations;
    state.results = d->results;
    state.rate = d->rate;
    state.queued = d->queued;
    state.in_flight = d->in_flight;
    state.requeued = d->requeued;
    state.poisoned = d->poisoned;
    state.audit = d->audit;
    add_sheds(d, &state, &arena);
    add_partitions(d, &state, &arena, now);
    add_workers(d, &state, &arena, now);
    add_clients(d, &state, &arena);
    *body_bytes = hf__broker_state__get_packed_size(&state);
    uint8_t *body = malloc(*body_bytes + 1);
    if (!body)
        abort();
    hf__broker_state__pack(&state, body);
    arena_release(&arena);
    return body;
}

/* SPDX-License-Identifier: MIT
 *
 * The queue of a partition. In front what was dispatched before and came back ("again", in the
 * order of its first dispatch), behind it the four classes by weight, in each class one lane for
 * each client, served in turn. Used by admit.c and assign.c.
 *
 * Bounds count operations and bytes, waiting, again and assigned together. Nothing here walks a
 * queue for one operation, save queue_again, which meets its place at the end as a rule.
 */
#include "broker/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* Of each class: its weight when served, the percentage of the queue that it may fill by itself,
 * and the percentage up to which the queue as a whole may be filled when it is admitted. So bulk
 * leaves half to the others, and there is always room for what gives capacity back. */
static const struct {
    int32_t weight;
    uint32_t own_percent;
    uint32_t total_percent;
} classes[CLASS_COUNT] = {
    [CLASS_FREEING] = {8, 100, 100},
    [CLASS_INTERACTIVE] = {4, 90, 90},
    [CLASS_SERVICE] = {2, 90, 90},
    [CLASS_BULK] = {1, 50, 90},
};

#define WEIGHTS 15u /* together */

/* How long all that is held may take, when the queue's pace is known. Clients wait twice as long
 * for an answer before they send again. */
#define HELD_MAX_US 1000000
/* But so much may always be held. */
#define HELD_MIN 16u
/* A client's operations that wait, to the room that is left. */
#define SHARE_MAX 4u

struct op *op_new(size_t body_bytes)
{
    struct op *op = malloc(sizeof *op + body_bytes);

    if (!op)
        abort();
    memset(op, 0, sizeof *op);
    op->body_bytes = body_bytes;
    return op;
}

size_t op_bytes(size_t body_bytes)
{
    return sizeof(struct op) + body_bytes;
}

void op_free(struct dispatch *d, struct op *op)
{
    (void)d;
    assert(op->state == OP_NEW);
    free(op);
}

/* ---- counts */

static void count_state(struct dispatch *d, struct partition *p, const struct op *op, int by)
{
    uint32_t change = (uint32_t)by;

    switch (op->state) {
    case OP_NEW:
        return;
    case OP_WAITING:
        p->waiting += change;
        d->queued += (uint64_t)(int64_t)by;
        break;
    case OP_AGAIN:
        p->again_count += change;
        d->queued += (uint64_t)(int64_t)by;
        break;
    case OP_ASSIGNED:
        p->assigned += change;
        d->in_flight += (uint64_t)(int64_t)by;
        break;
    }
    uint64_t bytes = op_bytes(op->body_bytes) * (uint64_t)(int64_t)by;
    p->held += change;
    p->held_bytes += bytes;
    p->class_held[op->op_class] += change;
    p->class_bytes[op->op_class] += bytes;
    if (op->deaths > 0)
        p->suspects += change;
}

void op_move(struct dispatch *d, struct op *op, enum op_state state)
{
    struct partition *p = &d->partitions[op->partition];

    count_state(d, p, op, -1);
    op->state = state;
    count_state(d, p, op, 1);
}

/* ---- lanes */

static struct lane **lane_bucket(struct dispatch *d, uint32_t client, uint32_t partition,
                                 uint8_t op_class)
{
    uint64_t key = (uint64_t)client << 32 | partition << 2 | op_class;

    return &d->lane_buckets[key * 0x9e3779b97f4a7c15u >> (64 - LANE_BUCKET_BITS)];
}

static bool lane_is(const struct lane *lane, uint32_t client, uint32_t partition, uint8_t op_class)
{
    return lane->client == client && lane->partition == partition && lane->op_class == op_class;
}

static struct lane *lane_find(struct dispatch *d, uint32_t client, uint32_t partition,
                              uint8_t op_class)
{
    struct lane *lane = *lane_bucket(d, client, partition, op_class);

    while (lane && !lane_is(lane, client, partition, op_class))
        lane = lane->hash_next;
    return lane;
}

static struct lane *lane_open(struct dispatch *d, struct session *client, const struct op *op)
{
    struct lane *lane = d->lane_free;

    if (lane)
        d->lane_free = lane->next;
    else
        lane = malloc(sizeof *lane);
    if (!lane)
        abort();
    *lane =
        (struct lane){.client = op->client, .partition = op->partition, .op_class = op->op_class};
    struct lane **bucket = lane_bucket(d, op->client, op->partition, op->op_class);
    lane->hash_next = *bucket;
    *bucket = lane;
    DL_APPEND(d->partitions[op->partition].lanes[op->op_class], lane);
    DL_APPEND2(client->client.lanes, lane, client_prev, client_next);
    return lane;
}

/* The lane is empty. Its client's session still exists: ending it drops its lanes first. */
static void lane_close(struct dispatch *d, struct lane *lane)
{
    struct session *client = session_by_id(d, lane->client);
    struct lane **link = lane_bucket(d, lane->client, lane->partition, lane->op_class);

    assert(client && !lane->ops);
    while (*link != lane)
        link = &(*link)->hash_next;
    *link = lane->hash_next;
    DL_DELETE(d->partitions[lane->partition].lanes[lane->op_class], lane);
    DL_DELETE2(client->client.lanes, lane, client_prev, client_next);
    lane->next = d->lane_free;
    d->lane_free = lane;
}

/* ---- room */

static bool exceeds(uint64_t held, uint64_t more, uint64_t limit, uint32_t percent)
{
    return (held + more) * 100 > limit * percent;
}

static uint64_t room_of(uint64_t held, uint64_t limit, uint32_t percent)
{
    uint64_t most = limit * percent / 100;

    return most > held ? most - held : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static enum pace pace_of(uint8_t op_class)
{
    return op_class == CLASS_BULK ? PACE_BULK : PACE_OTHERS;
}

static uint32_t held_of(const struct partition *p, enum pace pace)
{
    uint32_t bulk = p->class_held[CLASS_BULK];

    return pace == PACE_BULK ? bulk : p->held - bulk;
}

/* Without what gives capacity back. */
static uint32_t held_in_time(const struct partition *p, enum pace pace)
{
    return held_of(p, pace) - (pace == PACE_BULK ? 0 : p->class_held[CLASS_FREEING]);
}

/* UINT64_MAX while the pace is not known. */
static uint64_t served_in_time(const struct partition *p, enum pace pace)
{
    double per_second = p->drain[pace].per_second;

    if (per_second <= 0)
        return UINT64_MAX;
    uint64_t count = (uint64_t)(per_second * HELD_MAX_US / 1e6);
    return count < HELD_MIN ? HELD_MIN : count;
}

/* No more is held than is served in HELD_MAX_US: what takes longer is sent again by clients that
 * gave up on it, or is late when its turn comes, and then the workers toil for nobody. What gives
 * capacity back has this room for itself. */
static uint64_t room_in_time(const struct partition *p, uint8_t op_class)
{
    enum pace pace = pace_of(op_class);
    uint64_t limit = served_in_time(p, pace), held = held_in_time(p, pace);

    if (limit == UINT64_MAX && pace == PACE_BULK) { /* before its own is known: behind the others */
        limit = served_in_time(p, PACE_OTHERS);
        held += held_in_time(p, PACE_OTHERS);
    }
    if (limit == UINT64_MAX)
        return UINT64_MAX;
    uint64_t own = room_of(p->class_held[op_class], limit, classes[op_class].own_percent);
    if (op_class == CLASS_FREEING)
        return own;
    uint64_t room = least(own, room_of(held, limit, classes[op_class].total_percent));
    /* its part by weight is its own, whatever the others hold: who is not let in is not served */
    uint64_t part =
        room_of(p->class_held[op_class], limit, (uint32_t)classes[op_class].weight * 100 / WEIGHTS);
    return part > room ? part : room;
}

bool queue_is_overdue(const struct partition *p, const struct op *op, int64_t now_us)
{
    enum pace pace = pace_of(op->op_class);

    return op->op_class != CLASS_FREEING && now_us - op->admitted_us > HELD_MAX_US &&
           held_in_time(p, pace) > served_in_time(p, pace);
}

/* Besides what bounds the queue, a client may have no more waiting in it than SHARE_MAX times the
 * room that is left. So one that takes all it can get leaves a fifth to the others, several of them
 * share, and who asks for little finds a place. */
enum queue_room queue_room(struct dispatch *d, const struct partition *p, uint32_t client,
                           uint8_t op_class, size_t bytes)
{
    const struct config_limits *limits = &d->config.limits;
    uint32_t own = classes[op_class].own_percent;
    uint32_t total = classes[op_class].total_percent;

    if (exceeds(0, bytes, limits->queue_bytes, own))
        return QUEUE_NEVER;
    if (exceeds(p->held_bytes, bytes, limits->queue_bytes, total) ||
        exceeds(p->class_bytes[op_class], bytes, limits->queue_bytes, own))
        return QUEUE_FULL;
    uint64_t room = least(room_of(p->held, limits->queue_operations, total),
                          room_of(p->class_held[op_class], limits->queue_operations, own));
    room = least(room, room_in_time(p, op_class));
    if (room == 0)
        return QUEUE_FULL;
    const struct lane *lane = lane_find(d, client, p->number, op_class);
    return lane && lane->count > room * SHARE_MAX ? QUEUE_FULL : QUEUE_ROOM;
}

/* ---- in and out */

void queue_push(struct dispatch *d, struct session *client, struct op *op)
{
    struct lane *lane = lane_find(d, op->client, op->partition, op->op_class);

    if (!lane)
        lane = lane_open(d, client, op);
    op->lane = lane;
    DL_APPEND(lane->ops, op);
    lane->count++;
    op_move(d, op, OP_WAITING);
}

static void take_out(struct dispatch *d, struct op *op)
{
    struct lane *lane = op->lane;

    DL_DELETE(lane->ops, op);
    lane->count--;
    op->lane = NULL;
    op_move(d, op, OP_NEW);
    if (!lane->ops)
        lane_close(d, lane);
}

bool queue_has_others(const struct partition *p)
{
    for (int c = 0; c < CLASS_COUNT; c++) {
        if (c != CLASS_BULK && p->lanes[c])
            return true;
    }
    return false;
}

/* Smooth weighted round robin over the classes that have something. */
static int choose_class(struct partition *p, bool without_bulk)
{
    int chosen = -1;
    int32_t total = 0;

    for (int c = 0; c < CLASS_COUNT; c++) {
        if (!p->lanes[c] || (c == CLASS_BULK && without_bulk))
            continue;
        total += classes[c].weight;
        p->turn[c] += classes[c].weight;
        if (chosen < 0 || p->turn[c] > p->turn[chosen])
            chosen = c;
    }
    if (chosen >= 0)
        p->turn[chosen] -= total;
    return chosen;
}

struct op *queue_pop(struct dispatch *d, struct partition *p, bool without_bulk)
{
    int op_class = choose_class(p, without_bulk);

    if (op_class < 0)
        return NULL;
    struct lane **lanes = &p->lanes[op_class];
    struct lane *lane = *lanes;
    if (lane->next) { /* the next client's turn */
        DL_DELETE(*lanes, lane);
        DL_APPEND(*lanes, lane);
    }
    struct op *op = lane->ops;
    take_out(d, op);
    if (!p->lanes[op_class])
        p->turn[op_class] = 0;
    return op;
}

void queue_again(struct dispatch *d, struct op *op)
{
    struct partition *p = &d->partitions[op->partition];
    struct op *before = p->again ? p->again->prev : NULL;

    while (before && before->order > op->order)
        before = before == p->again ? NULL : before->prev;
    if (before)
        DL_APPEND_ELEM(p->again, before, op);
    else
        DL_PREPEND(p->again, op);
    op_move(d, op, OP_AGAIN);
}

void queue_drop_client(struct dispatch *d, struct session *client)
{
    while (client->client.lanes) {
        struct op *op = client->client.lanes->ops;
        take_out(d, op);
        op_free(d, op);
    }
}

void queue_shed(struct dispatch *d, struct partition *p, bool only_expired, enum status status,
                struct moment now)
{
    for (int c = 0; c < CLASS_COUNT; c++) {
        struct lane *lane = p->lanes[c];
        while (lane) {
            struct lane *next_lane = lane->next;
            struct op *op = lane->ops;
            while (op) {
                struct op *next = op->next;
                if (!only_expired || now.wall_us > op->not_after_us) {
                    take_out(d, op); /* closes the lane with its last operation */
                    op_finish(d, op, status, now);
                }
                op = next;
            }
            lane = next_lane;
        }
    }
}

/* ---- how fast it is served */

/* A window ends after so many completions, but takes at least and at most so long. */
#define DRAIN_COUNT 64u
#define DRAIN_WINDOW_MIN_US 200000
#define DRAIN_WINDOW_MAX_US 1000000
/* A pause of so long says nothing about the pace: the worker was away. */
#define DRAIN_PAUSE_US 1000000
#define DRAIN_STALE_US 5000000
#define RETRY_MIN_MS 5u
#define RETRY_MAX_MS 5000u
#define RETRY_UNKNOWN_MS 100u

static void drain_measure(struct drain *drain, bool asked_for_more, bool idle, int64_t now_us)
{
    bool paused = now_us - drain->last_us > DRAIN_PAUSE_US;

    if (!asked_for_more && (idle || paused)) {
        /* as fast as is asked for, or faster */
        *drain = (struct drain){0};
        return;
    }
    if (!asked_for_more) {
        /* All of it is under way, for a moment. Were the pace forgotten, a flood would fill the
         * queue before it is known again, and everybody would be told to come back much later. */
        drain->since_us = 0;
        return;
    }
    drain->last_us = now_us;
    if (drain->since_us == 0 || paused) {
        drain->since_us = now_us;
        drain->count = 0;
        return;
    }
    drain->count++;
    int64_t passed_us = now_us - drain->since_us;
    if (passed_us < DRAIN_WINDOW_MIN_US ||
        (passed_us < DRAIN_WINDOW_MAX_US && drain->count < DRAIN_COUNT))
        return;
    double rate = drain->count * 1e6 / (double)passed_us;
    /* Up at once, down slowly: too low a pace would turn away what could be served. */
    drain->per_second = rate > drain->per_second ? rate : (3 * drain->per_second + rate) / 4;
    drain->since_us = now_us;
    drain->count = 0;
}

void drain_count(const struct dispatch *d, struct partition *p, uint8_t op_class, int64_t now_us)
{
    enum pace pace = pace_of(op_class);
    bool waits = pace == PACE_BULK ? p->lanes[CLASS_BULK] != NULL : queue_has_others(p);

    drain_measure(&p->drain[pace],
                  waits || held_of(p, pace) >= d->config.limits.queue_operations / 2,
                  held_of(p, pace) == 0, now_us);
}

/* Until half of what is held now will have gone: retrying earlier meets a full queue again, later
 * lets it run dry. A queue that stands still says RETRY_MAX_MS. */
uint32_t drain_retry_after_ms(const struct partition *p, uint8_t op_class, int64_t now_us)
{
    const struct drain *drain = &p->drain[pace_of(op_class)];

    if (drain->per_second <= 0)
        return RETRY_UNKNOWN_MS;
    if (now_us - drain->last_us >= DRAIN_STALE_US)
        return RETRY_MAX_MS;
    double ms = held_of(p, pace_of(op_class)) * 500.0 / drain->per_second;
    if (ms < RETRY_MIN_MS)
        return RETRY_MIN_MS;
    return ms > RETRY_MAX_MS ? RETRY_MAX_MS : (uint32_t)ms;
}

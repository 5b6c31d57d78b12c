/* SPDX-License-Identifier: MIT
 *
 * See feed.h.
 */
#include "view/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/listener.h"
#include "common/log.h"
#include "protocol/header.h"
#include "view/reader.h"
#include "view/slab.h"

#define ASK_US 250000
#define ASK_SOON_US 50000 /* protocol.md: at most 20 a second */
/* Questions whose time is remembered; an echo of an older one makes nothing fresh. */
#define ASKS_KEPT 1024u
/* Messages heard in one go, before clients have their turn. */
#define HEAR_MAX 64
/* What is kept of a partition that is being read, and of all together. */
#define KEPT_BYTES_MAX (4u * 1024 * 1024)
#define KEPT_TOTAL_MAX (64u * 1024 * 1024)
/* Between two tries of a shard that does not answer, and of a partition that changed hands. */
#define RETRY_US 500000
#define AGAIN_US 50000

enum need {
    NEED_NOTHING,
    NEED_LEDGER,   /* from the model's position on */
    NEED_SNAPSHOT, /* everything */
};

struct kept { /* a packed PartitionChanges */
    struct kept *next;
    size_t bytes;
    uint8_t packed[];
};

struct part {
    enum need need;
    size_t shard; /* that had it when it was last looked for */
    int64_t not_before_us;
    struct kept *first, **last;
    size_t kept_bytes;
};

struct shard_reader {
    struct courier *reader;
    int64_t not_before_us;
    uint32_t next; /* partition that is looked at first */
};

struct feed_view {
    const struct config *config;
    struct model *model;
    struct listener listener;
    struct shard_reader shards[CONFIG_SHARDS_MAX];
    struct part *parts; /* by partition */
    size_t needs;       /* how many need something */
    size_t kept_bytes;
    struct arena arena;
    int64_t asked_at_us[ASKS_KEPT];
    int64_t ask_next_us;
    uint64_t repairs;
    bool changed;
};

/* ------------------------------------------------------------- what a partition needs */

/* The one function that changes it. */
static void become(struct feed_view *feed, uint32_t partition, enum need need)
{
    struct part *part = &feed->parts[partition];

    feed->needs += (need != NEED_NOTHING) - (part->need != NEED_NOTHING);
    part->need = need;
}

static void want(struct feed_view *feed, uint32_t partition, enum need need)
{
    if (feed->parts[partition].need < need)
        become(feed, partition, need);
}

static void drop_kept(struct feed_view *feed, struct part *part)
{
    for (struct kept *kept = part->first, *next; kept; kept = next) {
        next = kept->next;
        free(kept);
    }
    feed->kept_bytes -= part->kept_bytes;
    part->kept_bytes = 0;
    part->first = NULL;
    part->last = &part->first;
}

static void keep(struct feed_view *feed, const Hf__PartitionChanges *changes)
{
    struct part *part = &feed->parts[changes->partition];
    size_t bytes = hf__partition_changes__get_packed_size(changes);

    if (part->kept_bytes + bytes > KEPT_BYTES_MAX || feed->kept_bytes + bytes > KEPT_TOTAL_MAX) {
        drop_kept(feed, part); /* the ledger has it */
        return;
    }
    struct kept *kept = malloc(sizeof *kept + bytes);
    if (!kept)
        abort();
    kept->next = NULL;
    kept->bytes = bytes;
    hf__partition_changes__pack(changes, kept->packed);
    *part->last = kept;
    part->last = &kept->next;
    part->kept_bytes += bytes;
    feed->kept_bytes += bytes;
}

/* What does not fit now was read from the ledger too late or is of another history: the ledger is
 * asked once more, and there is nothing left then that could be played again. */
static void play_kept(struct feed_view *feed, uint32_t partition, int64_t now_us)
{
    struct part *part = &feed->parts[partition];
    struct kept *kept = part->first;

    feed->kept_bytes -= part->kept_bytes;
    part->kept_bytes = 0;
    part->first = NULL;
    part->last = &part->first;
    for (struct kept *next; kept; kept = next) {
        next = kept->next;
        arena_reset(&feed->arena);
        Hf__PartitionChanges *changes =
            hf__partition_changes__unpack(&feed->arena.allocator, kept->bytes, kept->packed);
        enum model_outcome outcome = changes ? model_changes(feed->model, changes) : MODEL_INVALID;
        if (outcome == MODEL_GAP || outcome == MODEL_CLAIM) {
            part->not_before_us = now_us + AGAIN_US;
            want(feed, partition, NEED_LEDGER);
        }
        free(kept);
    }
}

/* ------------------------------------------------------------- what is heard */

static void heard(struct feed_view *feed, uint32_t partition, enum model_outcome outcome)
{
    switch (outcome) {
    case MODEL_DONE:
        feed->changed = true;
        return;
    case MODEL_OLD:
        return;
    case MODEL_GAP:
    case MODEL_CLAIM:
        want(feed, partition, NEED_LEDGER);
        return;
    case MODEL_UNKNOWN:
        want(feed, partition, NEED_SNAPSHOT);
        return;
    case MODEL_INVALID:
        log_limited(LOG_WARN, "partition=%u heard what is not of the protocol", partition);
        return;
    }
}

static void hear_changes(struct feed_view *feed, const uint8_t *body, size_t bytes)
{
    arena_reset(&feed->arena);
    Hf__Changes *changes = hf__changes__unpack(&feed->arena.allocator, bytes, body);

    for (size_t i = 0; changes && i < changes->n_partitions; i++) {
        const Hf__PartitionChanges *part = changes->partitions[i];
        enum model_outcome outcome = model_changes(feed->model, part);
        heard(feed, part->partition, outcome);
        if (outcome == MODEL_GAP || outcome == MODEL_CLAIM || outcome == MODEL_UNKNOWN)
            keep(feed, part);
    }
    if (!changes)
        log_limited(LOG_WARN, "heard changes that cannot be read");
}

static int64_t asked_at_us(const struct feed_view *feed, uint64_t number)
{
    if (number == 0 || number > feed->listener.asked || feed->listener.asked - number >= ASKS_KEPT)
        return MODEL_NEVER;
    return feed->asked_at_us[number % ASKS_KEPT];
}

static void hear_beacon(struct feed_view *feed, const uint8_t *body, size_t bytes)
{
    int64_t asked_us = MODEL_NEVER;

    arena_reset(&feed->arena);
    Hf__Beacon *beacon = hf__beacon__unpack(&feed->arena.allocator, bytes, body);
    if (!beacon) {
        log_limited(LOG_WARN, "heard a beacon that cannot be read");
        return;
    }
    for (size_t i = 0; i < beacon->n_echoes; i++) {
        if (beacon->echoes[i]->asker == feed->listener.asker)
            asked_us = asked_at_us(feed, beacon->echoes[i]->number);
    }
    for (size_t i = 0; i < beacon->n_positions; i++)
        heard(feed, beacon->positions[i]->partition,
              model_beacon(feed->model, beacon->positions[i], asked_us));
}

static void hear(void *context, uint8_t type, const uint8_t *body, size_t bytes)
{
    if (type == MESSAGE_CHANGES)
        hear_changes(context, body, bytes);
    else if (type == MESSAGE_BEACON)
        hear_beacon(context, body, bytes);
}

static void ask(struct feed_view *feed, int64_t now_us)
{
    feed->ask_next_us = now_us + ASK_US;
    listener_ask(&feed->listener);
    feed->asked_at_us[feed->listener.asked % ASKS_KEPT] = now_us;
}

/* ------------------------------------------------------------- what is read */

static void take_ledger(struct feed_view *feed, struct read_reply *reply, int64_t now_us)
{
    uint32_t partition = reply->request.partition;
    struct part *part = &feed->parts[partition];
    enum model_outcome outcome =
        model_ledger(feed->model, reply->request.from.sequence, reply->movements,
                     reply->movement_count, reply->to, reply->complete, reply->asked_us);

    if (outcome == MODEL_INVALID) {
        log_error("partition=%u the ledger holds what cannot be: reading the partition again",
                  partition);
        model_forget(feed->model, partition, false);
        become(feed, partition, NEED_SNAPSHOT);
        part->not_before_us = now_us + RETRY_US;
        return;
    }
    feed->repairs += reply->movement_count > 0;
    /* MODEL_OLD: changes came in meanwhile, and the model went on by itself. */
    if (outcome == MODEL_DONE && !reply->complete)
        return; /* there is more: it needs the ledger still */
    if (outcome == MODEL_OLD && part->first == NULL) {
        part->not_before_us = now_us;
        return; /* from the new position */
    }
    become(feed, partition, NEED_NOTHING);
    play_kept(feed, partition, now_us);
}

static void take_done(struct feed_view *feed, struct read_reply *reply, int64_t now_us)
{
    uint32_t partition = reply->request.partition;

    switch (reply->request.kind) {
    case READ_SNAPSHOT:
        model_install(feed->model, &reply->snapshot, reply->asked_us);
        become(feed, partition, NEED_NOTHING);
        play_kept(feed, partition, now_us);
        break;
    case READ_LEDGER:
        take_ledger(feed, reply, now_us);
        break;
    case READ_RESERVATION:
        model_complete(feed->model, reply->request.id, reply->snapshot);
        break;
    }
    feed->changed = true;
}

static void take(struct feed_view *feed, struct shard_reader *shard, struct read_reply *reply,
                 int64_t now_us)
{
    uint32_t partition = reply->request.partition;
    struct part *part = &feed->parts[partition];

    switch (reply->outcome) {
    case READ_DONE:
        take_done(feed, reply, now_us);
        break;
    case READ_LOST:
        log_error("partition=%u sequence=%" PRIu64 " history lost: what was seen is not in the "
                  "ledger; reading the partition again",
                  partition, reply->request.from.sequence);
        model_forget(feed->model, partition, true);
        drop_kept(feed, part);
        become(feed, partition, NEED_SNAPSHOT);
        feed->changed = true;
        break;
    case READ_FAR:
        become(feed, partition, NEED_SNAPSHOT);
        break;
    case READ_ELSEWHERE:
        part->shard = (part->shard + 1) % feed->config->shard_count;
        part->not_before_us = now_us + AGAIN_US;
        break;
    case READ_FAILED:
        log_limited(LOG_WARN, "partition=%u could not read: %s", partition, reply->error);
        shard->not_before_us = now_us + RETRY_US;
        break;
    }
}

static bool next_request(struct feed_view *feed, size_t shard, int64_t now_us,
                         struct read_request *request)
{
    struct shard_reader *reader = &feed->shards[shard];
    uint32_t count = feed->config->partitions;
    uint8_t id[RESERVATION_ID_BYTES];

    if (model_wants(feed->model, id)) {
        uint32_t partition = reservation_id_partition(id);
        if (partition < count && feed->parts[partition].shard == shard) {
            *request = (struct read_request){.kind = READ_RESERVATION, .partition = partition};
            memcpy(request->id, id, sizeof id);
            return true;
        }
    }
    for (uint32_t i = 0; feed->needs > 0 && i < count; i++) {
        uint32_t partition = (reader->next + i) % count;
        const struct part *part = &feed->parts[partition];
        if (part->need == NEED_NOTHING || part->shard != shard || part->not_before_us > now_us)
            continue;
        reader->next = partition + 1;
        *request = (struct read_request){
            .kind = part->need == NEED_SNAPSHOT ? READ_SNAPSHOT : READ_LEDGER,
            .partition = partition,
            .from = model_position(feed->model, partition),
        };
        if (!request->from.known)
            request->kind = READ_SNAPSHOT;
        return true;
    }
    return false;
}

static void read_shards(struct feed_view *feed, int64_t now_us)
{
    for (size_t i = 0; i < feed->config->shard_count; i++) {
        struct shard_reader *shard = &feed->shards[i];
        struct read_request request;
        struct read_reply *reply = courier_reply(shard->reader);
        if (reply)
            take(feed, shard, reply, now_us);
        read_reply_destroy(&reply);
        if (!courier_is_busy(shard->reader) && now_us >= shard->not_before_us &&
            next_request(feed, i, now_us, &request))
            reader_ask(shard->reader, &request);
    }
}

/* ------------------------------------------------------------- the calls */

bool feed_view_tick(struct feed_view *feed, int64_t now_us)
{
    feed->changed = false;
    for (int i = 0; i < HEAR_MAX && listener_hear(&feed->listener, hear, feed); i++)
        continue;
    read_shards(feed, now_us);
    if (now_us >= feed->ask_next_us)
        ask(feed, now_us);
    return feed->changed;
}

bool feed_view_is_due(const struct feed_view *feed, int64_t now_us)
{
    return feed->needs > 0 || now_us >= feed->ask_next_us;
}

int64_t feed_view_wait_us(const struct feed_view *feed, int64_t now_us)
{
    int64_t wait_us = feed->ask_next_us > now_us ? feed->ask_next_us - now_us : 0;

    if (feed->needs > 0 && wait_us > AGAIN_US)
        wait_us = AGAIN_US;
    return wait_us;
}

void feed_view_ask_soon(struct feed_view *feed)
{
    int64_t soon_us = feed->asked_at_us[feed->listener.asked % ASKS_KEPT] + ASK_SOON_US;

    if (soon_us < feed->ask_next_us)
        feed->ask_next_us = soon_us;
}

uint64_t feed_view_repairs(const struct feed_view *feed)
{
    return feed->repairs;
}

size_t feed_view_poll_items(const struct feed_view *feed, void *items)
{
    zmq_pollitem_t *item = items;
    size_t count = 0;

    item[count++] = (zmq_pollitem_t){.socket = feed->listener.socket, .events = ZMQ_POLLIN};
    for (size_t i = 0; i < feed->config->shard_count; i++)
        item[count++] = (zmq_pollitem_t){.socket = courier_socket(feed->shards[i].reader),
                                         .events = ZMQ_POLLIN};
    return count;
}

struct feed_view *feed_view_open(void *context, const struct config *config, struct model *model)
{
    struct feed_view *feed = calloc(1, sizeof *feed);

    if (!feed || !(feed->parts = calloc(config->partitions, sizeof *feed->parts)))
        abort();
    feed->config = config;
    feed->model = model;
    arena_init(&feed->arena);
    for (uint32_t p = 0; p < config->partitions; p++) {
        feed->parts[p].shard = p % config->shard_count;
        feed->parts[p].last = &feed->parts[p].first;
        become(feed, p, NEED_SNAPSHOT);
    }
    bool ok = listener_open(&feed->listener, context, config);
    for (size_t i = 0; ok && i < config->shard_count; i++) {
        feed->shards[i].reader = reader_open(context, &config->shards[i], i);
        ok = feed->shards[i].reader != NULL;
    }
    if (ok)
        return feed;
    int why = errno;
    (void)feed_view_close(&feed);
    errno = why;
    return NULL;
}

bool feed_view_close(struct feed_view **feed)
{
    struct feed_view *f = *feed;
    bool closed = true;

    if (!f)
        return true;
    for (size_t i = 0; i < f->config->shard_count; i++)
        closed = courier_close(&f->shards[i].reader, read_reply_drop) && closed;
    if (!closed)
        return false;
    listener_close(&f->listener);
    for (uint32_t p = 0; p < f->config->partitions; p++)
        drop_kept(f, &f->parts[p]);
    free(f->parts);
    arena_release(&f->arena);
    free(f);
    *feed = NULL;
    return true;
}

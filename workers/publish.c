/* SPDX-License-Identifier: MIT
 *
 * See publish.h. A transaction is one message, or several when it is large; then one operation's
 * movements stay together if they can.
 */
#include "workers/publish.h"

#include <stdlib.h>
#include <string.h>

#include "workers/claims.h"

/* Frames read from subscribers in one go. */
#define HEAR_MAX 256
#define MESSAGES_MAX 64u

struct asker {
    uint32_t asker;
    uint64_t number;
    int64_t heard_us;
};

struct publish {
    struct publish_output output;
    size_t subscriptions;
    struct publish_bytes body;
    size_t ends[MESSAGES_MAX]; /* of the messages in body that are complete */
    size_t message_count;
    struct asker askers[PUBLISH_ASKERS_MAX];
    size_t asker_count;
    int64_t beacon_next_us;
};

struct publish *publish_new(struct publish_output output)
{
    struct publish *publish = calloc(1, sizeof *publish);

    if (!publish)
        abort();
    publish->output = output;
    return publish;
}

void publish_destroy(struct publish **publish)
{
    if (!*publish)
        return;
    free((*publish)->body.bytes);
    free(*publish);
    *publish = NULL;
}

static void send_message(struct publish *publish, uint8_t type, const uint8_t *body,
                         size_t body_bytes)
{
    struct header header = {.type = type, .partition = PARTITION_NONE};
    uint8_t bytes[HEADER_BYTES];

    header_write(&header, bytes);
    publish->output.send(publish->output.context, bytes, body, body_bytes);
}

/* ------------------------------------------------------------- changes */

void publish_flush(struct publish *publish)
{
    size_t begun = 0;

    if (!publish || publish->body.used == 0)
        return;
    if (publish->message_count < MESSAGES_MAX)
        publish->ends[publish->message_count++] = publish->body.used;
    for (size_t i = 0; i < publish->message_count; i++) {
        size_t end = publish->ends[i];
        /* Larger than a message may be: what is left out is a gap, and read from the ledger. */
        if (end > begun && end - begun <= MESSAGE_BYTES_MAX)
            send_message(publish, MESSAGE_CHANGES, publish->body.bytes + begun, end - begun);
        begun = end;
    }
    publish->body.used = 0;
    publish->message_count = 0;
}

static size_t message_bytes(const struct publish *publish)
{
    size_t count = publish->message_count;

    return publish->body.used - (count > 0 ? publish->ends[count - 1] : 0);
}

static size_t begin_partition(struct publish *publish, const struct store_part *part,
                              uint64_t after)
{
    if (message_bytes(publish) >= PUBLISH_MESSAGE_BYTES) {
        if (publish->message_count == MESSAGES_MAX)
            publish_flush(publish);
        else
            publish->ends[publish->message_count++] = publish->body.used;
    }
    size_t begun = publish_part_begin(&publish->body, 1);
    publish_uint(&publish->body, 1, part->partition);
    publish_data(&publish->body, 2, part->claim_id, 16);
    publish_uint(&publish->body, 3, after);
    return begun;
}

void publish_changes(struct publish *publish, const struct store_part *part)
{
    const struct changes *changes = &part->changes;

    if (!publish || publish->subscriptions == 0 || changes->movement_count == 0)
        return;
    size_t begun = begin_partition(publish, part, changes->base_seq);
    for (size_t i = 0; i < changes->movement_count; i++) {
        const struct movement *movement = &changes->movements[i];
        size_t bytes = message_bytes(publish);
        if (i > 0 && bytes >= PUBLISH_MESSAGE_BYTES &&
            (movement->idx == 0 || bytes >= MESSAGE_BYTES_MAX / 2)) {
            publish_part_end(&publish->body, begun);
            begun = begin_partition(publish, part, movement->seq - 1);
        }
        size_t at = publish_part_begin(&publish->body, 4);
        publish_encode(&publish->body, movement);
        publish_part_end(&publish->body, at);
    }
    publish_part_end(&publish->body, begun);
}

/* ------------------------------------------------------------- questions and beacons */

static void note_asker(struct publish *publish, const struct header *ask, int64_t now_us)
{
    struct asker *place = &publish->askers[0];

    for (size_t i = 0; i < publish->asker_count; i++) {
        struct asker *asker = &publish->askers[i];
        if (asker->asker == ask->session) {
            place = asker;
            break;
        }
        if (asker->heard_us < place->heard_us)
            place = asker;
    }
    bool known = publish->asker_count > 0 && place->asker == ask->session;
    if (!known && publish->asker_count < PUBLISH_ASKERS_MAX)
        place = &publish->askers[publish->asker_count++];
    if (known && ask->sequence <= place->number)
        return; /* by another broker, or late */
    *place = (struct asker){ask->session, ask->sequence, now_us};
    if (publish->beacon_next_us > now_us + PUBLISH_ANSWER_US)
        publish->beacon_next_us = now_us + PUBLISH_ANSWER_US;
}

static void hear(struct publish *publish, int64_t now_us)
{
    uint8_t bytes[HEADER_BYTES];
    struct header header;

    for (int i = 0; i < HEAR_MAX; i++) {
        int length = publish->output.receive(publish->output.context, bytes, sizeof bytes);
        if (length < 0)
            return;
        if (length > 0 && bytes[0] == 1)
            publish->subscriptions++;
        else if (length > 0 && bytes[0] == 0)
            publish->subscriptions -= publish->subscriptions > 0;
        else if (header_read(&header, bytes, (size_t)length) == HEADER_OK &&
                 header.type == MESSAGE_ASK && header.session != 0)
            note_asker(publish, &header, now_us);
    }
}

static void beacon(struct worker *worker, int64_t now_us)
{
    struct publish *publish = worker->publish;
    struct claims *claims = &worker->claims;
    Hf__Beacon beacon = HF__BEACON__INIT;
    Hf__Echo echoes[PUBLISH_ASKERS_MAX], *echo_list[PUBLISH_ASKERS_MAX];
    Hf__Position *positions = malloc((claims->count + 1) * sizeof *positions);
    Hf__Position **list = malloc((claims->count + 1) * sizeof(Hf__Position *));

    if (!positions || !list)
        abort();
    for (size_t i = 0; i < claims->count; i++) {
        struct slot *slot = &claims->slots[i];
        /* Not when somebody else may have claimed it: then we would vouch for the past. */
        if (slot->state != SLOT_OWNED || claims_is_doubtful(slot, now_us))
            continue;
        Hf__Position *position = list[beacon.n_positions] = &positions[beacon.n_positions];
        beacon.n_positions++;
        hf__position__init(position);
        position->partition = slot->partition;
        position->sequence = ledger_last_seq(slot->ledger);
        position->claim_id = (ProtobufCBinaryData){sizeof slot->claim_id, slot->claim_id};
    }
    for (size_t i = 0; i < publish->asker_count; i++) {
        hf__echo__init(&echoes[i]);
        echoes[i].asker = publish->askers[i].asker;
        echoes[i].number = publish->askers[i].number;
        echo_list[i] = &echoes[i];
    }
    beacon.positions = list;
    beacon.echoes = echo_list;
    beacon.n_echoes = publish->asker_count;
    size_t bytes = hf__beacon__get_packed_size(&beacon);
    uint8_t *body = malloc(bytes + 1);
    if (!body)
        abort();
    hf__beacon__pack(&beacon, body);
    send_message(publish, MESSAGE_BEACON, body, bytes);
    free(body);
    free(positions);
    free(list);
}

void publish_keep(struct worker *worker, int64_t now_us)
{
    struct publish *publish = worker->publish;

    if (!publish)
        return;
    hear(publish, now_us);
    if (publish->subscriptions == 0 || now_us < publish->beacon_next_us)
        return;
    publish->beacon_next_us = now_us + PUBLISH_BEACON_US;
    beacon(worker, now_us);
}

int64_t publish_wait_us(const struct publish *publish, int64_t now_us)
{
    if (!publish || publish->subscriptions == 0)
        return INT64_MAX;
    return publish->beacon_next_us > now_us ? publish->beacon_next_us - now_us : 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Any bytes, and any content of every kind of body, as messages to the broker's dispatch core, from
 * peers with and without a session, alone and in batches, while time passes. The core answers or
 * ignores. Checked: what it sends is of the protocol, goes to a session that is open, and can be
 * read; its own assertions; and the sanitizers.
 *
 * The input is a list of steps: a byte that says who and what, a byte of length, and the bytes.
 */
#include "tests/fuzz/any_message.h"
#include "tests/fuzz/asserts.h"

#include "broker/dispatch.h"
#include "common/log.h"
#include "protocol/holdfast.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEERS 4u
#define PARTITIONS 4u

static struct moment now;
static uint64_t epoch;
static uint32_t session_of[SIDE_COUNT][PEERS];
static uint64_t sequence_of[PEERS]; /* the last of each client */

/* What workers were sent and may answer; a ring. */
#define SENT_MAX 64u
static struct dispatched {
    uint8_t peer;
    struct header header;
} sent[SENT_MAX];
static size_t sent_count;

/* A dispatch carries what a client sent, right or wrong, and so does a result what a worker sent;
 * what the broker writes itself can be read. */
static void check_body(enum side side, uint8_t peer, const struct header *header,
                       const uint8_t *body, size_t body_bytes)
{
    const ProtobufCMessageDescriptor *type = body_of(header->type);
    uint8_t *copy = exact_copy(body, body_bytes);

    if (header->type == MESSAGE_WELCOME || header->type == MESSAGE_HEARTBEAT ||
        header->type == MESSAGE_ERROR) {
        ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, body_bytes, copy);
        assert_non_null(message);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    if (side == SIDE_WORKER && (header->type == MESSAGE_OPERATION || header->type == MESSAGE_QUERY))
        sent[sent_count++ % SENT_MAX] = (struct dispatched){peer, *header};
    if (side == SIDE_CLIENT)
        assert_true(header->type != MESSAGE_OPERATION && header->type != MESSAGE_QUERY);
    free(copy);
}

static enum delivery fuzz_send(void *context, enum side side, const uint8_t *route,
                               size_t route_bytes, const uint8_t header[HEADER_BYTES],
                               const uint8_t *body, size_t body_bytes)
{
    const uint8_t *flaky = context;
    struct header read;

    assert_int_equal(route_bytes, 1);
    assert_true(route[0] < PEERS);
    assert_int_equal(header_read(&read, header, HEADER_BYTES), HEADER_OK);
    if (read.type == MESSAGE_WELCOME) {
        session_of[side][route[0]] = read.session;
        sequence_of[route[0]] = side == SIDE_CLIENT ? 0 : sequence_of[route[0]];
    }
    check_body(side, route[0], &read, body, body_bytes);
    if (read.type == MESSAGE_BATCH) {
        struct batch_reader reader;
        const uint8_t *item;
        size_t item_bytes;
        enum batch_step step;
        batch_reader_init(&reader, body, body_bytes);
        while ((step = batch_next(&reader, &read, &item, &item_bytes)) == BATCH_ITEM)
            check_body(side, route[0], &read, item, item_bytes);
        assert_int_equal(step, BATCH_END);
    }
    return *flaky == 1 ? DELIVERY_FULL : *flaky == 2 ? DELIVERY_GONE : DELIVERY_SENT;
}

static struct dispatch *start(uint8_t *flaky)
{
    static struct dispatch_config config;
    struct config defaults;
    struct dispatch_output output = {.context = flaky, .send = fuzz_send};

    config_defaults(&defaults);
    strcpy(config.cluster, "c");
    strcpy(config.name, "b");
    config.partitions = PARTITIONS;
    config.limits = defaults.limits;
    config.windows = defaults.windows;
    config.limits.clients = 3;
    config.limits.client_window = 8;
    config.limits.queue_operations = 10;
    config.limits.worker_bulk = 2;
    config.limits.rate = 100;
    config.limits.rate_burst = 50;
    now = (struct moment){.wall_us = 1700000000000000, .monotonic_us = 1000000};
    epoch = 0;
    memset(session_of, 0, sizeof session_of);
    memset(sequence_of, 0, sizeof sequence_of);
    sent_count = 0;
    return dispatch_new(&config, output, now);
}

static void hello(struct dispatch *d, enum side side, uint8_t peer)
{
    Hf__Hello hello;
    uint8_t bytes[HEADER_BYTES], body[256], instance[16] = {peer};
    struct header header = {.type = MESSAGE_HELLO, .partition = PARTITION_NONE};

    hf__hello__init(&hello);
    hello.role = side == SIDE_CLIENT ? HF__ROLE__ROLE_CLIENT : HF__ROLE__ROLE_WORKER;
    hello.cluster.data = hello.name.data = hello.shard.data = (uint8_t *)(uintptr_t) "c";
    hello.cluster.len = hello.name.len = hello.shard.len = 1;
    hello.instance.data = instance;
    hello.instance.len = sizeof instance;
    hello.version_min = hello.version_max = HEADER_VERSION;
    hello.clock_us = now.wall_us;
    hello.partitions = PARTITIONS;
    header_write(&header, bytes);
    dispatch_receive(d, side, &peer, 1, "local", bytes, sizeof bytes, body,
                     hf__hello__pack(&hello, body), now);
}

/* A header of the fuzzer's choice, with the fields right that it would hardly guess. */
static void message(struct dispatch *d, enum side side, uint8_t peer, const uint8_t *data,
                    size_t size)
{
    static const uint8_t types[] = {
        MESSAGE_HEARTBEAT, MESSAGE_GOODBYE, MESSAGE_CREDIT,   MESSAGE_OPERATION, MESSAGE_RESULT,
        MESSAGE_QUERY,     MESSAGE_ANSWER,  MESSAGE_RETURNED, MESSAGE_BATCH,     MESSAGE_OPERATION,
    };
    uint8_t bytes[HEADER_BYTES];

    if (size < 4)
        return;
    struct header header = {
        .type = types[data[0] % sizeof types],
        .partition = data[1] % (PARTITIONS + 1),
        .session = session_of[side][peer],
        .sequence = data[2],
    };
    if (header.type == MESSAGE_OPERATION || header.type == MESSAGE_QUERY) {
        header.attempt = header.type == MESSAGE_OPERATION;
        header.op_class = data[3] % CLASS_COUNT;
        header.not_after_us = now.wall_us + (data[3] >> 2) * 100000;
    }
    header_write(&header, bytes);
    dispatch_receive(d, side, &peer, 1, "local", bytes, sizeof bytes, data + 4, size - 4, now);
}

/* The same with a body that can be read, whatever it says; alone or twice in a batch. */
static void any(struct dispatch *d, enum side side, uint8_t peer, struct bytes bytes, bool twice)
{
    static const uint8_t types[] = {
        MESSAGE_HELLO,  MESSAGE_HEARTBEAT, MESSAGE_ERROR,  MESSAGE_OPERATION,
        MESSAGE_RESULT, MESSAGE_QUERY,     MESSAGE_ANSWER, MESSAGE_AUDITED,
    };
    uint8_t header[HEADER_BYTES], batch[2 * (BATCH_ITEM_BYTES + ANY_ITEM_BYTES)];
    struct arena arena;
    struct header h = {.type = types[take_byte(&bytes) % sizeof types],
                       .partition = take_byte(&bytes) % (PARTITIONS + 1),
                       .session = session_of[side][peer],
                       .sequence = take_byte(&bytes)};

    if (h.type == MESSAGE_HELLO)
        h.session = 0;
    /* Mostly the next one of a client, and for a worker one that it was sent. */
    if (side == SIDE_CLIENT && h.sequence < 200)
        h.sequence = ++sequence_of[peer];
    if (side == SIDE_WORKER && sent_count > 0 && h.sequence < 200) {
        size_t most = sent_count < SENT_MAX ? sent_count : SENT_MAX;
        const struct dispatched *one = &sent[(sent_count - 1 - h.sequence % most) % SENT_MAX];
        peer = one->peer;
        h.partition = one->header.partition;
        h.session = one->header.session;
        h.sequence = one->header.sequence;
        if (h.type == MESSAGE_HELLO)
            h.type = MESSAGE_RETURNED;
        else if (one->header.type == MESSAGE_QUERY && h.type == MESSAGE_RESULT)
            h.type = MESSAGE_ANSWER;
    }
    if (h.type == MESSAGE_OPERATION || h.type == MESSAGE_QUERY) {
        h.attempt = h.type == MESSAGE_OPERATION;
        h.op_class = take_byte(&bytes) % CLASS_COUNT;
        h.not_after_us = now.wall_us + take_byte(&bytes) * INT64_C(100000);
    }
    arena_init(&arena);
    ProtobufCBinaryData body = any_body(h.type, &bytes, &arena);
    header_write(&h, header);
    if (!twice || body.len > ANY_ITEM_BYTES) {
        uint8_t *copy = exact_copy(body.data, body.len);
        dispatch_receive(d, side, &peer, 1, "local", header, sizeof header, copy, body.len, now);
        free(copy);
    } else {
        size_t used = 0;
        for (int i = 0; i < 2; i++, h.sequence++)
            used += any_item(&h, &body, batch + used);
        h = (struct header){.type = MESSAGE_BATCH};
        header_write(&h, header);
        dispatch_receive(d, side, &peer, 1, "local", header, sizeof header, batch, used, now);
    }
    arena_release(&arena);
}

static void own(struct dispatch *d, uint8_t peer, uint8_t mask)
{
    Hf__Heartbeat heartbeat;
    Hf__Owned owned[PARTITIONS], *list[PARTITIONS];
    uint8_t bytes[HEADER_BYTES], body[256];
    struct header header = {.type = MESSAGE_HEARTBEAT,
                            .partition = PARTITION_NONE,
                            .session = session_of[SIDE_WORKER][peer]};

    hf__heartbeat__init(&heartbeat);
    heartbeat.owned = list;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        if (!(mask >> i & 1))
            continue;
        struct Hf__Owned *one = &owned[heartbeat.n_owned];
        hf__owned__init(one);
        one->partition = i;
        one->epoch = mask & 0x80 ? 1 : ++epoch;
        list[heartbeat.n_owned++] = one;
    }
    header_write(&header, bytes);
    dispatch_receive(d, SIDE_WORKER, &peer, 1, "local", bytes, sizeof bytes, body,
                     hf__heartbeat__pack(&heartbeat, body), now);
    if (mask & 0x40)
        return;
    header.type = MESSAGE_CREDIT;
    header.sequence = sent_count + 4;
    header_write(&header, bytes);
    dispatch_receive(d, SIDE_WORKER, &peer, 1, "local", bytes, sizeof bytes, NULL, 0, now);
}

static void step(struct dispatch *d, uint8_t what, const uint8_t *data, size_t size, uint8_t *flaky)
{
    enum side side = what & 0x80 ? SIDE_WORKER : SIDE_CLIENT;
    uint8_t peer = what >> 5 & 3;

    switch (what & 7) {
    case 0:
        hello(d, side, peer);
        break;
    case 1:
        dispatch_receive(d, side, &peer, 1, "local", data, size < 32 ? size : 32,
                         size < 32 ? data : data + 32, size < 32 ? 0 : size - 32, now);
        break;
    case 2:
        own(d, peer, size > 0 ? data[0] : 0xf);
        break;
    case 3:
        *flaky = size > 0 && data[0] % 8 < 3 ? data[0] % 8 : 0;
        break;
    case 4:
        now.monotonic_us += (int64_t)size * 50000;
        now.wall_us += (int64_t)size * 50000;
        dispatch_tick(d, now);
        break;
    case 5:
        message(d, side, peer, data, size);
        break;
    default:
        any(d, side, peer, (struct bytes){data, size}, what & 1);
        break;
    }
    if (what & 8)
        dispatch_flush(d, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t flaky = 0;
    size_t state_bytes;

    log_set_level(LOG_ERROR + 1);
    struct dispatch *d = start(&flaky);
    while (size >= 2) {
        size_t length = data[1] < size - 2 ? data[1] : size - 2;
        step(d, data[0], data + 2, length, &flaky);
        data += 2 + length;
        size -= 2 + length;
    }
    free(dispatch_state(d, now, &state_bytes));
    if (flaky == 0)
        dispatch_goodbye(d, now);
    dispatch_destroy(&d);
    return 0;
}

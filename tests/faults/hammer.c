/* SPDX-License-Identifier: MIT
 *
 * Clients without manners, for tests/faults/32-overload.py: raw sessions that send reserves of one
 * sku whatever they are answered. Flooding, they keep as much under way as their credit allows, or
 * send at a rate; probing, each has one operation under way and waits, when it is told busy, for as
 * long as it was told. It tells what they heard and how soon, and judges nothing.
 *
 * usage: hammer --endpoint E --cluster NAME --sku S --partition P --seconds N [--sessions N]
 *               [--rate PER_SECOND] [--class 0..3] [--life-ms N] [--probe]
 *
 * Output: `name value` a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/histogram.h"
#include "protocol/header.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/ids.h"
#include "protocol/status.h"

#define SESSIONS_MAX 256
#define SENT_MAX 65536u /* times of what is under way, by sequence */
#define BATCH_MAX 256u
#define BODY_MAX 256u
#define ID_OFFSET 2u /* of the operation id in the packed body: its field is the first */
#define BEAT_US 300000

struct session {
    void *socket;
    uint32_t id;
    uint64_t sequence, answered, credit;
    int64_t beat_us;
    int64_t next_us;  /* probing: when it may send again */
    int64_t begun_us; /* of what it has been trying */
    unsigned tries;
    bool waits;
    int64_t *sent_us;
};

static struct {
    const char *endpoint, *cluster, *sku;
    uint32_t partition, sessions, op_class;
    double seconds, rate;
    int64_t life_us;
    bool probes;
} options = {.sessions = 1, .op_class = CLASS_SERVICE, .seconds = 2, .life_us = 5000000};

static struct session sessions[SESSIONS_MAX];
static void *context;
static uint8_t body[BODY_MAX];
static size_t body_bytes;
static uint64_t told[256], errors, successes, tries_total, tries_max, retry_after_sum;
static struct histogram busy_took, applied_took, success_took;
static uint64_t random_state = 88172645463325252u;

static void die(const char *what, const char *which)
{
    fprintf(stderr, "hammer: %s: %s\n", what, which);
    exit(64);
}

static ProtobufCBinaryData data_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static void pack_body(void)
{
    Hf__Operation operation = HF__OPERATION__INIT;
    Hf__Reserve reserve = HF__RESERVE__INIT;
    Hf__Line line = HF__LINE__INIT, *lines[] = {&line};
    uint8_t id[UUID_BYTES] = {1};

    line.sku = data_of(options.sku);
    line.warehouse = data_of("W");
    line.quantity = 1;
    reserve.lines = lines;
    reserve.n_lines = 1;
    reserve.ttl_ms = 3600000;
    operation.operation_id = (ProtobufCBinaryData){sizeof id, id};
    operation.kind_case = HF__OPERATION__KIND_RESERVE;
    operation.reserve = &reserve;
    body_bytes = hf__operation__pack(&operation, body);
}

static void send_message(struct session *s, const struct header *header, const void *bytes,
                         size_t count)
{
    uint8_t raw[HEADER_BYTES];

    header_write(header, raw);
    if (zmq_send(s->socket, raw, sizeof raw, ZMQ_SNDMORE) < 0 ||
        zmq_send(s->socket, bytes, count, 0) < 0)
        die("send", zmq_strerror(zmq_errno()));
}

static void say_hello(struct session *s)
{
    Hf__Hello hello = HF__HELLO__INIT;
    struct header header = {.type = MESSAGE_HELLO, .partition = PARTITION_NONE};
    uint8_t instance[16] = {0}, bytes[256];

    memcpy(instance, &s, sizeof s);
    hello.role = HF__ROLE__ROLE_CLIENT;
    hello.cluster = data_of(options.cluster);
    hello.name = data_of(options.probes ? "probe" : "hammer");
    hello.instance = (ProtobufCBinaryData){sizeof instance, instance};
    hello.version_min = hello.version_max = HEADER_VERSION;
    hello.clock_us = clock_wall_us();
    send_message(s, &header, bytes, hf__hello__pack(&hello, bytes));
}

static void beat(struct session *s, int64_t now_us)
{
    Hf__Heartbeat heartbeat = HF__HEARTBEAT__INIT;
    struct header header = {
        .type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = s->id};
    uint8_t bytes[64];

    if (now_us - s->beat_us < BEAT_US)
        return;
    s->beat_us = now_us;
    heartbeat.clock_us = clock_wall_us();
    heartbeat.answer = 1; /* wants no answer */
    send_message(s, &header, bytes, hf__heartbeat__pack(&heartbeat, bytes));
}

/* count operations in one BATCH, each with an id of its own. */
static void send_operations(struct session *s, unsigned count, int64_t now_us)
{
    static uint8_t batch[BATCH_MAX * (BATCH_ITEM_BYTES + BODY_MAX)];
    struct header whole = {.type = MESSAGE_BATCH};
    size_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        struct header header = {
            .type = MESSAGE_OPERATION,
            .op_class = (uint8_t)options.op_class,
            .attempt = 1,
            .partition = options.partition,
            .session = s->id,
            .sequence = ++s->sequence,
            .not_after_us = clock_wall_us() + options.life_us,
        };
        uint64_t words[2] = {next_random(), next_random()};
        uint8_t random[10];
        memcpy(random, words, sizeof random);
        uuid_v7(body + ID_OFFSET, clock_wall_us(), random);
        batch_item_write(&header, (uint32_t)body_bytes, batch + bytes);
        memcpy(batch + bytes + BATCH_ITEM_BYTES, body, body_bytes);
        bytes += BATCH_ITEM_BYTES + body_bytes;
        s->sent_us[s->sequence % SENT_MAX] = now_us;
    }
    s->beat_us = now_us;
    send_message(s, &whole, batch, bytes);
}

static void on_result(struct session *s, const struct header *header, const uint8_t *bytes,
                      size_t count, int64_t now_us)
{
    Hf__Result *result = hf__result__unpack(NULL, count, bytes);
    uint64_t took = (uint64_t)(now_us - s->sent_us[header->sequence % SENT_MAX]);

    if (!result)
        die("a result", "cannot be read");
    s->answered++;
    told[result->status % 256]++;
    s->waits = false;
    s->tries++;
    if (result->status == STATUS_busy || result->status == STATUS_rate_limited) {
        histogram_record(&busy_took, took);
        retry_after_sum += result->retry_after_ms;
        s->next_us = now_us + (int64_t)result->retry_after_ms * 1000;
    } else if (result->status == STATUS_applied) {
        histogram_record(&applied_took, took);
        histogram_record(&success_took, (uint64_t)(now_us - s->begun_us));
        successes++;
        tries_total += s->tries;
        tries_max = s->tries > tries_max ? s->tries : tries_max;
        s->tries = 0;
        s->begun_us = 0;
    }
    hf__result__free_unpacked(result, NULL);
}

static void on_message(struct session *s, const struct header *header, const uint8_t *bytes,
                       size_t count, int64_t now_us)
{
    if (header->type == MESSAGE_WELCOME) {
        Hf__Welcome *welcome = hf__welcome__unpack(NULL, count, bytes);
        s->id = header->session;
        s->credit = welcome ? welcome->credit : 0;
        hf__welcome__free_unpacked(welcome, NULL);
    } else if (header->type == MESSAGE_CREDIT && header->sequence > s->credit) {
        s->credit = header->sequence;
    } else if (header->type == MESSAGE_RESULT) {
        on_result(s, header, bytes, count, now_us);
    } else if (header->type == MESSAGE_ERROR) {
        errors++;
    }
}

static void receive(struct session *s, int64_t now_us)
{
    uint8_t raw[HEADER_BYTES];
    struct header header, item;
    struct batch_reader reader;
    const uint8_t *bytes;
    size_t count;
    zmq_msg_t frame;

    while (zmq_recv(s->socket, raw, sizeof raw, ZMQ_DONTWAIT) == HEADER_BYTES) {
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, s->socket, 0) < 0 ||
            header_read(&header, raw, sizeof raw) != HEADER_OK)
            die("a message", "cannot be read");
        if (header.type == MESSAGE_BATCH) {
            batch_reader_init(&reader, zmq_msg_data(&frame), zmq_msg_size(&frame));
            while (batch_next(&reader, &item, &bytes, &count) == BATCH_ITEM)
                on_message(s, &item, bytes, count, now_us);
        } else {
            on_message(s, &header, zmq_msg_data(&frame), zmq_msg_size(&frame), now_us);
        }
        zmq_msg_close(&frame);
    }
}

static void probe(struct session *s, int64_t now_us)
{
    if (s->waits || now_us < s->next_us || s->sequence >= s->credit)
        return;
    s->waits = true;
    if (s->begun_us == 0)
        s->begun_us = now_us;
    send_operations(s, 1, now_us);
}

static void flood(struct session *s, uint64_t due, int64_t now_us)
{
    while (s->sequence < s->credit && s->sequence < due) {
        uint64_t most = s->credit < due ? s->credit - s->sequence : due - s->sequence;
        send_operations(s, most < BATCH_MAX ? (unsigned)most : BATCH_MAX, now_us);
    }
}

static void open_sessions(void)
{
    int linger = 0;

    context = zmq_ctx_new();
    for (uint32_t i = 0; i < options.sessions; i++) {
        struct session *s = &sessions[i];
        s->socket = zmq_socket(context, ZMQ_DEALER);
        s->sent_us = calloc(SENT_MAX, sizeof *s->sent_us);
        if (!s->socket || !s->sent_us || zmq_connect(s->socket, options.endpoint) != 0)
            die("could not connect to", options.endpoint);
        zmq_setsockopt(s->socket, ZMQ_LINGER, &linger, sizeof linger);
        say_hello(s);
    }
}

static void run(void)
{
    zmq_pollitem_t items[SESSIONS_MAX];
    int64_t begun_us = clock_monotonic_us(), now_us;
    int64_t until_us = begun_us + (int64_t)(options.seconds * 1e6);

    for (uint32_t i = 0; i < options.sessions; i++)
        items[i] = (zmq_pollitem_t){.socket = sessions[i].socket, .events = ZMQ_POLLIN};
    while ((now_us = clock_monotonic_us()) < until_us) {
        uint64_t due =
            options.rate > 0
                ? (uint64_t)((double)(now_us - begun_us) * options.rate / 1e6 / options.sessions)
                : UINT64_MAX;
        (void)zmq_poll(items, (int)options.sessions, 1);
        for (uint32_t i = 0; i < options.sessions; i++) {
            struct session *s = &sessions[i];
            receive(s, now_us);
            if (s->id == 0)
                continue;
            if (options.probes)
                probe(s, now_us);
            else
                flood(s, due, now_us);
            beat(s, now_us);
        }
    }
}

static void print(void)
{
    uint64_t sent = 0, answered = 0;

    for (uint32_t i = 0; i < options.sessions; i++) {
        sent += sessions[i].sequence;
        answered += sessions[i].answered;
    }
    printf("sent %llu\nanswered %llu\nerrors %llu\n", (unsigned long long)sent,
           (unsigned long long)answered, (unsigned long long)errors);
    for (unsigned code = 0; code < 256; code++) {
        if (told[code] > 0)
            printf("%s %llu\n", status_name((enum status)code), (unsigned long long)told[code]);
    }
    printf("busy_p50_us %llu\nbusy_p99_us %llu\n",
           (unsigned long long)histogram_percentile(&busy_took, 50),
           (unsigned long long)histogram_percentile(&busy_took, 99));
    printf("applied_p50_us %llu\napplied_p99_us %llu\n",
           (unsigned long long)histogram_percentile(&applied_took, 50),
           (unsigned long long)histogram_percentile(&applied_took, 99));
    printf("success_p50_us %llu\nsuccess_p99_us %llu\n",
           (unsigned long long)histogram_percentile(&success_took, 50),
           (unsigned long long)histogram_percentile(&success_took, 99));
    printf("successes %llu\ntries_mean_milli %llu\ntries_max %llu\n", (unsigned long long)successes,
           (unsigned long long)(successes ? tries_total * 1000 / successes : 0),
           (unsigned long long)tries_max);
    printf("retry_after_mean_ms %llu\n",
           (unsigned long long)(busy_took.count ? retry_after_sum / busy_took.count : 0));
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--probe") == 0) {
            options.probes = true;
            continue;
        }
        const char *value = i + 1 < argc ? argv[++i] : "";
        if (strcmp(name, "--endpoint") == 0)
            options.endpoint = value;
        else if (strcmp(name, "--cluster") == 0)
            options.cluster = value;
        else if (strcmp(name, "--sku") == 0)
            options.sku = value;
        else if (strcmp(name, "--partition") == 0)
            options.partition = (uint32_t)atoi(value);
        else if (strcmp(name, "--sessions") == 0)
            options.sessions = (uint32_t)atoi(value);
        else if (strcmp(name, "--class") == 0)
            options.op_class = (uint32_t)atoi(value);
        else if (strcmp(name, "--seconds") == 0)
            options.seconds = atof(value);
        else if (strcmp(name, "--rate") == 0)
            options.rate = atof(value);
        else if (strcmp(name, "--life-ms") == 0)
            options.life_us = atol(value) * 1000;
        else
            die("unknown option", name);
    }
    if (!options.endpoint || !options.cluster || !options.sku || options.sessions == 0 ||
        options.sessions > SESSIONS_MAX || options.op_class > CLASS_BULK)
        die("usage", "see its first lines");
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    histogram_init(&busy_took);
    histogram_init(&applied_took);
    histogram_init(&success_took);
    pack_body();
    open_sessions();
    run();
    print();
    for (uint32_t i = 0; i < options.sessions; i++) {
        struct header bye = {
            .type = MESSAGE_GOODBYE, .partition = PARTITION_NONE, .session = sessions[i].id};
        if (sessions[i].id)
            send_message(&sessions[i], &bye, "", 0);
        zmq_close(sessions[i].socket);
        free(sessions[i].sent_us);
    }
    zmq_ctx_term(context);
    return 0;
}

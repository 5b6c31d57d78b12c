/* SPDX-License-Identifier: MIT
 *
 * A client of a view, without the library, and the bare echo that it is compared with: the same
 * DEALERs, the same messages, the same thread. The echo is a ROUTER that gives each message back
 * with a body of the size of a view's answer, and does nothing else.
 */
#include "bench/reads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

#include "bench/bench.h"
#include "common/clock.h"
#include "protocol/header.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/status.h"

#define QUERY_BYTES_MAX 64
#define NOT_AFTER_US 60000000
#define ANSWER_MS 5000
/* Of so many answers one is read, not only counted. */
#define LOOK_EVERY 256
#define KNOWN_MS 30000

struct question {
    uint8_t bytes[QUERY_BYTES_MAX];
    size_t length;
};

struct peer {
    void *socket;
    uint32_t session;
    uint64_t sequence, random;
    int64_t sent_us[READS_DEPTH_MAX]; /* by sequence */
};

struct run {
    const struct reads_load *load;
    struct reads_sample *sample;
    bool is_view;
    struct peer peers[READS_CLIENTS_MAX];
    int64_t count_from_us, end_us, not_after_us;
    const char *fault;
};

static struct question questions[BENCH_SKUS];

static void make_questions(void)
{
    for (uint32_t i = 0; i < BENCH_SKUS; i++) {
        char sku[BENCH_SKU_BYTES];
        ProtobufCBinaryData key;
        Hf__ViewQuery query = HF__VIEW_QUERY__INIT;
        Hf__ViewStockQuery stock = HF__VIEW_STOCK_QUERY__INIT;
        bench_sku(sku, i);
        key = (ProtobufCBinaryData){strlen(sku), (uint8_t *)sku};
        query.kind_case = HF__VIEW_QUERY__KIND_STOCK;
        query.stock = &stock;
        stock.skus = &key;
        stock.n_skus = 1;
        questions[i].length = hf__view_query__pack(&query, questions[i].bytes);
    }
}

static bool send_message(struct peer *peer, const struct header *header, const void *body,
                         size_t body_bytes)
{
    uint8_t bytes[HEADER_BYTES];

    header_write(header, bytes);
    return zmq_send(peer->socket, bytes, sizeof bytes, ZMQ_SNDMORE) >= 0 &&
           zmq_send(peer->socket, body, body_bytes, 0) >= 0;
}

static void ask(struct run *run, struct peer *peer, int64_t now_us)
{
    const struct question *question = &questions[bench_random(&peer->random) % BENCH_SKUS];
    struct header header = {.type = MESSAGE_QUERY,
                            .op_class = CLASS_SERVICE,
                            .session = peer->session,
                            .sequence = ++peer->sequence,
                            .not_after_us = run->not_after_us};

    peer->sent_us[peer->sequence % READS_DEPTH_MAX] = now_us;
    if (!send_message(peer, &header, question->bytes, question->length))
        run->fault = "could not send";
}

/* ------------------------------------------------------------- answers */

static void look(struct run *run, const uint8_t *body, size_t body_bytes)
{
    Hf__ViewAnswer *answer = hf__view_answer__unpack(NULL, body_bytes, body);

    if (!answer || answer->status != STATUS_applied || answer->n_stock != 1 ||
        answer->stock[0]->knowledge != HF__KNOWLEDGE__KNOWLEDGE_KNOWN ||
        !answer->stock[0]->exists || answer->stock[0]->total->on_hand == 0)
        run->fault = "an answer without the stock";
    if (answer)
        hf__view_answer__free_unpacked(answer, NULL);
}

static void take(struct run *run, struct peer *peer, const struct header *header,
                 const uint8_t *body, size_t body_bytes)
{
    int64_t now_us = clock_monotonic_us();
    int64_t sent_us = peer->sent_us[header->sequence % READS_DEPTH_MAX];

    if (header->type == MESSAGE_HEARTBEAT)
        return;
    if (run->is_view && header->type != MESSAGE_ANSWER) {
        run->fault = "a message that is no answer";
        return;
    }
    if (run->is_view && header->sequence % LOOK_EVERY == 0)
        look(run, body, body_bytes);
    run->sample->all++;
    if (sent_us >= run->count_from_us && now_us <= run->end_us) {
        run->sample->done++;
        histogram_record(&run->sample->latency, (uint64_t)(now_us - sent_us));
    }
    ask(run, peer, now_us);
}

/* A view tells a client that asked several things in one message. */
static void take_message(struct run *run, struct peer *peer, struct header *header,
                         const uint8_t *body, size_t body_bytes)
{
    struct batch_reader reader;
    enum batch_step step;

    if (header->type != MESSAGE_BATCH) {
        take(run, peer, header, body, body_bytes);
        return;
    }
    batch_reader_init(&reader, body, body_bytes);
    while ((step = batch_next(&reader, header, &body, &body_bytes)) == BATCH_ITEM)
        take(run, peer, header, body, body_bytes);
    if (step == BATCH_BROKEN)
        run->fault = "a broken batch";
}

/* A message of two frames; false: none is there. */
static bool receive(struct peer *peer, struct header *header, zmq_msg_t *body)
{
    uint8_t bytes[HEADER_BYTES];

    if (zmq_recv(peer->socket, bytes, sizeof bytes, ZMQ_DONTWAIT) != HEADER_BYTES ||
        header_read(header, bytes, sizeof bytes) != HEADER_OK)
        return false;
    zmq_msg_init(body);
    return zmq_msg_recv(body, peer->socket, ZMQ_DONTWAIT) >= 0;
}

static void drain(struct run *run, struct peer *peer)
{
    struct header header;
    zmq_msg_t body;

    while (!run->fault && receive(peer, &header, &body)) {
        take_message(run, peer, &header, zmq_msg_data(&body), zmq_msg_size(&body));
        zmq_msg_close(&body);
    }
}

/* ------------------------------------------------------------- a run */

static bool hello(const struct reads_place *place, struct peer *peer)
{
    uint8_t instance[16] = {0}, body[256];
    Hf__Hello hello = HF__HELLO__INIT;
    struct header header = {.type = MESSAGE_HELLO, .partition = PARTITION_NONE};
    int timeout_ms = ANSWER_MS, none = -1;
    uint8_t bytes[HEADER_BYTES], welcome[512];

    snprintf((char *)instance, sizeof instance, "%p", (void *)peer);
    hello.role = HF__ROLE__ROLE_CLIENT;
    hello.cluster = (ProtobufCBinaryData){strlen(place->config->name),
                                          (uint8_t *)(uintptr_t)place->config->name};
    hello.name = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t) "reads"};
    hello.instance = (ProtobufCBinaryData){sizeof instance, instance};
    hello.version_min = hello.version_max = HEADER_VERSION;
    hello.clock_us = clock_wall_us();
    zmq_setsockopt(peer->socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    bool ok = send_message(peer, &header, body, hf__hello__pack(&hello, body)) &&
              zmq_recv(peer->socket, bytes, sizeof bytes, 0) == HEADER_BYTES &&
              zmq_recv(peer->socket, welcome, sizeof welcome, 0) >= 0 &&
              header_read(&header, bytes, sizeof bytes) == HEADER_OK &&
              header.type == MESSAGE_WELCOME;
    zmq_setsockopt(peer->socket, ZMQ_RCVTIMEO, &none, sizeof none);
    peer->session = header.session;
    return ok;
}

static bool open_peers(const struct reads_place *place, struct run *run, void *context, int poll_fd,
                       const char *endpoint)
{
    for (uint32_t i = 0; i < run->load->clients; i++) {
        struct peer *peer = &run->peers[i];
        int linger = 0, fd;
        size_t size = sizeof fd;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        peer->random = 0x9e3779b97f4a7c15u * (i + 1);
        peer->session = 1;
        peer->socket = zmq_socket(context, ZMQ_DEALER);
        if (!peer->socket || zmq_setsockopt(peer->socket, ZMQ_LINGER, &linger, sizeof linger) ||
            zmq_connect(peer->socket, endpoint) != 0 ||
            zmq_getsockopt(peer->socket, ZMQ_FD, &fd, &size) != 0 ||
            epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            return false;
        if (run->is_view && !hello(place, peer))
            return false;
    }
    return true;
}

static void loop(struct run *run, int poll_fd)
{
    struct epoll_event events[READS_CLIENTS_MAX];
    int64_t heard_us = clock_monotonic_us();

    run->count_from_us = heard_us + run->load->warm_us;
    run->end_us = run->count_from_us + run->load->count_us;
    run->not_after_us = clock_wall_us() + run->load->warm_us + run->load->count_us + NOT_AFTER_US;
    for (uint32_t i = 0; i < run->load->clients; i++) {
        for (uint32_t d = 0; d < run->load->depth; d++)
            ask(run, &run->peers[i], clock_monotonic_us());
        drain(run, &run->peers[i]); /* what came while it was sent is not told by the descriptor */
    }
    while (!run->fault && clock_monotonic_us() < run->end_us) {
        int count = epoll_wait(poll_fd, events, READS_CLIENTS_MAX, 100);
        for (int i = 0; i < count; i++)
            drain(run, &run->peers[events[i].data.u32]);
        if (count > 0)
            heard_us = clock_monotonic_us();
        else if (clock_monotonic_us() - heard_us > ANSWER_MS * 1000)
            run->fault = "no answer";
    }
}

static bool run_against(const struct reads_place *place, const char *endpoint, bool is_view,
                        const struct reads_load *load, struct reads_sample *sample, char *error,
                        size_t error_bytes)
{
    static struct run run;
    void *context = zmq_ctx_new();
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);

    memset(&run, 0, sizeof run);
    run.load = load;
    run.sample = sample;
    run.is_view = is_view;
    if (open_peers(place, &run, context, poll_fd, endpoint))
        loop(&run, poll_fd);
    else
        run.fault = "could not open a session";
    for (uint32_t i = 0; i < load->clients; i++) {
        if (run.peers[i].socket)
            zmq_close(run.peers[i].socket);
    }
    zmq_ctx_term(context);
    close(poll_fd);
    if (run.fault)
        snprintf(error, error_bytes, "%s", run.fault);
    return !run.fault;
}

bool reads_view(const struct reads_place *place, const struct reads_load *load,
                struct reads_sample *sample, char *error, size_t error_bytes)
{
    return run_against(place, place->config->views[0].client, true, load, sample, error,
                       error_bytes);
}

/* ------------------------------------------------------------- the size of an answer */

/* The body of one answer about the first SKU; 0: not known yet. */
static size_t answer_size(struct run *run, struct peer *peer)
{
    struct header header;
    zmq_msg_t body;
    size_t bytes = 0;

    run->fault = NULL;
    ask(run, peer, 0);
    for (int64_t until_us = clock_monotonic_us() + ANSWER_MS * 1000;
         bytes == 0 && clock_monotonic_us() < until_us;) {
        zmq_pollitem_t item = {.socket = peer->socket, .events = ZMQ_POLLIN};
        zmq_poll(&item, 1, 100);
        if (!receive(peer, &header, &body))
            continue;
        if (header.type == MESSAGE_ANSWER) {
            look(run, zmq_msg_data(&body), zmq_msg_size(&body));
            bytes = zmq_msg_size(&body);
        }
        zmq_msg_close(&body);
    }
    return run->fault ? 0 : bytes;
}

bool reads_measure(struct reads_place *place, char *error, size_t error_bytes)
{
    static struct run run;
    struct reads_load load = {.clients = 1};
    void *context = zmq_ctx_new();
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    int64_t until_us = clock_monotonic_us() + KNOWN_MS * 1000;

    make_questions();
    run.load = &load;
    run.is_view = true;
    run.not_after_us = clock_wall_us() + 2 * NOT_AFTER_US;
    snprintf(error, error_bytes, "the view does not know the stock");
    if (place->config->view_count == 0)
        snprintf(error, error_bytes, "the cluster has no view");
    else if (open_peers(place, &run, context, poll_fd, place->config->views[0].client)) {
        while (place->answer_bytes == 0 && clock_monotonic_us() < until_us) {
            place->answer_bytes = answer_size(&run, &run.peers[0]);
            usleep(50000);
        }
    }
    if (run.peers[0].socket)
        zmq_close(run.peers[0].socket);
    zmq_ctx_term(context);
    close(poll_fd);
    return place->answer_bytes > 0;
}

/* ------------------------------------------------------------- the echo */

static void echo_endpoint(const struct reads_place *place, char endpoint[128])
{
    snprintf(endpoint, 128, "ipc://%.100s/echo", place->folder);
}

/* As much of a server as any must be: the route, the header, the body. */
int reads_echo_main(const char *endpoint, size_t answer_bytes)
{
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_ROUTER);
    uint8_t *answer = calloc(1, answer_bytes + 1);
    zmq_msg_t route, header, body;

    if (!answer || zmq_bind(socket, endpoint) != 0)
        return 71;
    for (;;) {
        zmq_msg_init(&route);
        zmq_msg_init(&header);
        zmq_msg_init(&body);
        if (zmq_msg_recv(&route, socket, 0) < 0 || zmq_msg_recv(&header, socket, 0) < 0 ||
            zmq_msg_recv(&body, socket, 0) < 0)
            return 71;
        zmq_msg_close(&body);
        zmq_msg_send(&route, socket, ZMQ_SNDMORE);
        zmq_msg_send(&header, socket, ZMQ_SNDMORE);
        zmq_send(socket, answer, answer_bytes, 0);
    }
}

bool reads_echo_start(struct reads_place *place, char *error, size_t error_bytes)
{
    char endpoint[128], bytes[32];

    echo_endpoint(place, endpoint);
    snprintf(bytes, sizeof bytes, "%zu", place->answer_bytes);
    place->echo_pid = fork();
    if (place->echo_pid == 0) {
        execl("/proc/self/exe", "bench", "--echo", endpoint, bytes, (char *)NULL);
        _exit(71);
    }
    if (place->echo_pid > 0)
        return true;
    place->echo_pid = 0;
    snprintf(error, error_bytes, "fork: %s", strerror(errno));
    return false;
}

bool reads_echo(const struct reads_place *place, const struct reads_load *load,
                struct reads_sample *sample, char *error, size_t error_bytes)
{
    char endpoint[128];

    echo_endpoint(place, endpoint);
    return run_against(place, endpoint, false, load, sample, error, error_bytes);
}

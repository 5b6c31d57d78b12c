/* SPDX-License-Identifier: MIT
 *
 * The same reads by GET from a private Redis on a unix socket, without persistence: a value of the
 * size of a view's answer under each SKU. Clients as those of reads_zmq.c: one thread, epoll.
 *
 * Debian's redis-tools has the server's program too, under another name, and starts no service.
 */
#include "bench/reads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/bench.h"
#include "common/clock.h"

#define START_MS 10000
#define ANSWER_MS 5000
#define VALUE_BYTES_MAX 4096
#define CHECK_RDB "/usr/bin/redis-check-rdb"

struct peer {
    int fd;
    uint64_t random, first, next; /* in flight: from first up to next */
    int64_t sent_us[READS_DEPTH_MAX];
    char in[READS_DEPTH_MAX * (VALUE_BYTES_MAX + 32)];
    size_t in_bytes;
};

static void socket_path(const struct reads_place *place, char path[108])
{
    snprintf(path, 108, "%.95s/redis", place->folder);
}

static int connect_to(const struct reads_place *place)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    socket_path(place, address.sun_path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ------------------------------------------------------------- start */

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return false;
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        }
    }
    return true;
}

static bool fill(const struct reads_place *place, int fd)
{
    char command[VALUE_BYTES_MAX + 128], value[VALUE_BYTES_MAX], sku[BENCH_SKU_BYTES], answer[16];

    memset(value, 'v', sizeof value);
    for (uint32_t i = 0; i < BENCH_SKUS; i++) {
        bench_sku(sku, i);
        int length =
            snprintf(command, sizeof command, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%.*s\r\n",
                     strlen(sku), sku, place->answer_bytes, (int)place->answer_bytes, value);
        if (!write_all(fd, command, (size_t)length) || recv(fd, answer, 5, MSG_WAITALL) != 5 ||
            memcmp(answer, "+OK\r\n", 5) != 0)
            return false;
    }
    return true;
}

static const char *find_server(void)
{
    static const char *const paths[] = {"/usr/bin/redis-server", "/usr/local/bin/redis-server",
                                        CHECK_RDB};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    }
    return NULL;
}

bool reads_redis_start(struct reads_place *place, char *error, size_t error_bytes)
{
    const char *server = find_server();
    char path[108];
    int fd = -1;

    error[0] = '\0';
    if (!server || place->answer_bytes > VALUE_BYTES_MAX)
        return false;
    socket_path(place, path);
    place->redis_pid = fork();
    if (place->redis_pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        execl(server, "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
              "--appendonly", "no", "--dir", place->folder, (char *)NULL);
        _exit(71);
    }
    for (int64_t until_us = clock_monotonic_us() + START_MS * 1000;
         place->redis_pid > 0 && fd < 0 && clock_monotonic_us() < until_us; usleep(20000))
        fd = connect_to(place);
    if (fd >= 0 && fill(place, fd)) {
        close(fd);
        return true;
    }
    if (fd >= 0)
        close(fd);
    snprintf(error, error_bytes, "it could not be started or filled");
    return false;
}

/* ------------------------------------------------------------- reading */

static bool ask(struct peer *peer, uint32_t count, int64_t now_us)
{
    char command[READS_DEPTH_MAX * 64], sku[BENCH_SKU_BYTES];
    size_t length = 0;

    for (uint32_t i = 0; i < count; i++) {
        bench_sku(sku, bench_random(&peer->random) % BENCH_SKUS);
        length += (size_t)snprintf(command + length, sizeof command - length,
                                   "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(sku), sku);
        peer->sent_us[peer->next++ % READS_DEPTH_MAX] = now_us;
    }
    return count == 0 || write_all(peer->fd, command, length);
}

/* Length of a whole `$n\r\n…\r\n` at the front; 0: it is not whole. */
static size_t whole(const char *in, size_t bytes, size_t value_bytes)
{
    char head[32];
    size_t head_bytes = (size_t)snprintf(head, sizeof head, "$%zu\r\n", value_bytes);

    if (bytes < head_bytes + value_bytes + 2)
        return 0;
    return memcmp(in, head, head_bytes) == 0 ? head_bytes + value_bytes + 2 : SIZE_MAX;
}

/* False: something is wrong. */
static bool take(const struct reads_place *place, struct peer *peer, int64_t count_from_us,
                 int64_t end_us, struct reads_sample *sample)
{
    ssize_t got =
        recv(peer->fd, peer->in + peer->in_bytes, sizeof peer->in - peer->in_bytes, MSG_DONTWAIT);
    int64_t now_us = clock_monotonic_us();
    size_t at = 0, length;
    uint32_t answers = 0;

    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    peer->in_bytes += (size_t)got;
    while ((length = whole(peer->in + at, peer->in_bytes - at, place->answer_bytes)) > 0) {
        if (length == SIZE_MAX)
            return false;
        int64_t sent_us = peer->sent_us[peer->first++ % READS_DEPTH_MAX];
        at += length;
        answers++;
        sample->all++;
        if (sent_us >= count_from_us && now_us <= end_us) {
            sample->done++;
            histogram_record(&sample->latency, (uint64_t)(now_us - sent_us));
        }
    }
    memmove(peer->in, peer->in + at, peer->in_bytes - at);
    peer->in_bytes -= at;
    return ask(peer, answers, now_us);
}

bool reads_redis(const struct reads_place *place, const struct reads_load *load,
                 struct reads_sample *sample, char *error, size_t error_bytes)
{
    struct peer *peers = calloc(load->clients, sizeof *peers);
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[READS_CLIENTS_MAX];
    bool good = peers != NULL;
    int64_t count_from_us = clock_monotonic_us() + load->warm_us;
    int64_t end_us = count_from_us + load->count_us;

    for (uint32_t i = 0; good && i < load->clients; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        peers[i].random = 0x9e3779b97f4a7c15u * (i + 1);
        peers[i].fd = connect_to(place);
        good = peers[i].fd >= 0 && epoll_ctl(poll_fd, EPOLL_CTL_ADD, peers[i].fd, &event) == 0 &&
               ask(&peers[i], load->depth, clock_monotonic_us());
    }
    while (good && clock_monotonic_us() < end_us) {
        int count = epoll_wait(poll_fd, events, READS_CLIENTS_MAX, ANSWER_MS);
        good = count > 0 || errno == EINTR;
        for (int i = 0; good && i < count; i++)
            good = take(place, &peers[events[i].data.u32], count_from_us, end_us, sample);
    }
    for (uint32_t i = 0; peers && i < load->clients; i++) {
        if (peers[i].fd > 0)
            close(peers[i].fd);
    }
    free(peers);
    close(poll_fd);
    if (!good)
        snprintf(error, error_bytes, "no answer, or another one");
    return good;
}

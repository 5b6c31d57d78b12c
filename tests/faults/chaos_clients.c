/* SPDX-License-Identifier: MIT
 *
 * The clients of the chaos run: one process with several libholdfast handles, which asks for
 * everything that can be asked for, about one hot SKU and many others, and writes a log of it
 * (tests/history/format.md): each invoke before it is handed to the library, each result when it
 * is heard. It judges nothing. Started, killed and started again by 10-chaos.py.
 *
 * usage: chaos_clients --cluster FILE --log FILE --process N --life N --seed N --epoch-us N
 *          --until-us N --partitions N [--setup 1] [--clients N] [--think-ms N] [--drain-ms N]
 * [OLD-LOG…]
 *
 * --epoch-us: what is added to CLOCK_MONOTONIC, so that all processes of a run write one clock.
 * OLD-LOG: of its former lives. What was open there is tried again or settled, like everything that
 * ends unknown here. After --until-us nothing new is begun; when nothing is open any more it exits
 * with 0. Exit code 3: something is still open after --drain-ms.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/holdfast.h"
#include "protocol/ids.h"
#include "tests/faults/chaos/chaos.h"
#include "tests/history/history.h"

#define HOLDS 256u /* reservations remembered, to be used by any client of the process */
#define CLIENTS_MAX 64u
#define IN_FLIGHT 4u /* per client */
#define HOT "HOT"

struct client {
    struct holdfast *handle;
    unsigned in_flight;
    int64_t next_us;
};

struct hold {
    char reservation[32];
    const char *sku;
    uint32_t quantity;
};

static struct {
    const char *cluster, *log;
    uint64_t process, life, seed;
    int64_t epoch_us, until_us, think_us, drain_us;
    unsigned clients;
    bool setup;
} options = {.clients = 8, .think_us = 50000, .drain_us = 60000000};

static int log_fd;
static uint64_t random_state, next_call;
static struct client clients[CLIENTS_MAX];
static struct task *again; /* tasks that ended unknown, the earliest due first */
static struct hold holds[HOLDS];
static unsigned hold_count;
static size_t open_tasks;
static uint32_t partitions;
char skus[SKUS + 1][8];
static uint32_t partition_of[SKUS + 1];
const char *const warehouses[WAREHOUSES] = {"W1", "W2", "W3"};
const char *const reasons[2] = {"damaged", "found"};
/* As last told; what a count names. */
static uint64_t on_hand_versions[SKUS + 1][WAREHOUSES];

static void die(const char *what, const char *which)
{
    fprintf(stderr, "chaos_clients: %s: %s\n", what, which);
    exit(70);
}

int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return options.epoch_us + (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* splitmix64 */
static uint64_t random_next(void)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t below(uint32_t limit)
{
    return (uint32_t)(random_next() % limit);
}

uint64_t chaos_seed(void)
{
    return options.seed;
}

bool chance(uint32_t percent)
{
    return below(100) < percent;
}

/* ------------------------------------------------------------- sending */

struct task *task_new(enum holdfast_operation_kind kind)
{
    struct task *task = calloc(1, sizeof *task);

    if (!task)
        die("memory", "out of it");
    task->operation.kind = kind;
    task->operation.attempt = 1;
    task->operation.lines = task->lines;
    task->operation.actor = "chaos"; /* not the handle's: a later life must ask for the same */
    holdfast_new_operation_id(task->id);
    open_tasks++;
    return task;
}

void task_free(struct task *task)
{
    open_tasks--;
    free(task);
}

static void on_done(void *data, struct holdfast_result *result);

static void submit(struct client *client, struct task *task)
{
    struct holdfast_operation *operation = &task->operation;
    char error[200];

    if (!task->is_adopted)
        operation->lines = task->lines;
    operation->operation_id = task->id;
    operation->attempt = task->was_sent ? 2 : 1;
    if (task->settles[0])
        operation->settles = task->settles;
    if (task->reservation[0])
        operation->reservation = task->reservation;
    if (task->undone[0])
        operation->undone = task->undone;
    task->client = client;
    task->was_sent = true;
    task->call = options.process << 48 | options.life << 32 | next_call++;
    client->in_flight++;
    if (!history_write_invoke(log_fd, task->call, now_us(), operation))
        die("could not write", options.log);
    if (!holdfast_submit(client->handle, operation, on_done, task, error, sizeof error))
        die("not taken", error);
}

void try_later(struct task *task, int64_t after_us)
{
    struct task **at = &again;

    task->due_us = now_us() + after_us;
    while (*at && (*at)->due_us <= task->due_us)
        at = &(*at)->next;
    task->next = *at;
    *at = task;
}

/* A new task that settles this one's id, instead of it. */
static struct task *settle_task(struct task *task)
{
    struct task *settle = task_new(HOLDFAST_SETTLE);

    memcpy(settle->settles, task->id, sizeof settle->settles);
    settle->operation.partition = HOLDFAST_ALL_PARTITIONS;
    return settle;
}

/* ------------------------------------------------------------- hearing */

static size_t sku_number(const char *sku)
{
    return strcmp(sku, HOT) == 0 ? 0 : (size_t)strtoul(sku + 1, NULL, 10) + 1;
}

static void learn(const struct task *task, const struct holdfast_result *result)
{
    runs_remember(task, result);
    if (task->operation.kind == HOLDFAST_RESERVE && result->reservation) {
        struct hold *hold = &holds[hold_count++ % HOLDS];
        snprintf(hold->reservation, sizeof hold->reservation, "%s",
                 result->reservation->reservation);
        hold->sku = skus[sku_number(result->levels[0].sku)];
        hold->quantity = result->reservation->lines[0].quantity;
    }
    for (size_t i = 0; i < result->level_count; i++) {
        const struct holdfast_level *level = &result->levels[i];
        on_hand_versions[sku_number(level->sku)][level->warehouse[1] - '1'] =
            level->on_hand_version;
    }
}

uint64_t known_version(const char *sku, const char *warehouse)
{
    return on_hand_versions[sku_number(sku)][warehouse[1] - '1'];
}

/* What is certain may be asked once more, which must change nothing: the same again, the id with
 * another body, or a settle of it. */
static bool ask_once_more(struct task *task, const struct holdfast_result *result)
{
    uint32_t which = below(100);

    if (task->operation.kind == HOLDFAST_SETTLE || task->is_adopted ||
        result->settle != HOLDFAST_SETTLE_NONE || now_us() > options.until_us)
        return false;
    if (which < 2) {
        try_later(task, below(500000));
        return true;
    }
    if (which < 3 && task->operation.kind == HOLDFAST_RESERVE) {
        task->lines[0].quantity++;
        try_later(task, below(500000));
        return true;
    }
    if (which < 4)
        try_later(settle_task(task), below(500000));
    return false;
}

static void on_done(void *data, struct holdfast_result *result)
{
    struct task *task = data;

    task->client->in_flight--;
    if (!history_write_result(log_fd, task->call, now_us(), result))
        die("could not write", options.log);
    if (result->kind == HOLDFAST_KIND_APPLIED)
        learn(task, result);
    if (task->job) {
        runs_heard(task, result);
        holdfast_result_free(&result);
        return;
    }
    /* A settle has an answer only when it is applied: shed, it said nothing about the other id. */
    bool certain =
        result->kind == HOLDFAST_KIND_APPLIED ||
        (result->kind != HOLDFAST_KIND_UNKNOWN && task->operation.kind != HOLDFAST_SETTLE);
    if (!certain && task->operation.kind != HOLDFAST_SETTLE && chance(50)) {
        try_later(settle_task(task), below(300000));
        task_free(task);
    } else if (!certain) {
        try_later(task, 20000 + below(300000));
    } else if (!ask_once_more(task, result)) {
        task_free(task);
    }
    holdfast_result_free(&result);
}

/* ------------------------------------------------------------- what to ask for */

static size_t pick_sku(void)
{
    return chance(35) ? 0 : 1 + below(SKUS);
}

/* Mostly the first warehouse, so that shelves run empty there. */
static const char *pick_warehouse(void)
{
    return warehouses[chance(70) ? 0 : below(WAREHOUSES)];
}

static void set_line(struct task *task, size_t sku, const char *warehouse, uint32_t quantity)
{
    task->lines[task->operation.line_count++] =
        (struct holdfast_line){skus[sku], warehouse, quantity};
}

static struct task *make_reserve(void)
{
    static const char *const nearest[] = {"W2", "W1"};
    struct task *task = task_new(HOLDFAST_RESERVE);
    struct holdfast_operation *operation = &task->operation;
    size_t sku = pick_sku();

    set_line(task, sku, chance(80) ? pick_warehouse() : NULL, 1 + below(3));
    if (chance(20)) { /* of another SKU of its partition, or of the same once more */
        size_t other = 1 + below(SKUS);
        for (size_t i = 0; i < SKUS && partition_of[other] != partition_of[sku]; i++)
            other = 1 + other % SKUS;
        if (partition_of[other] == partition_of[sku])
            set_line(task, other, chance(50) ? pick_warehouse() : NULL, 1 + below(2));
    }
    operation->may_split = chance(50);
    if (chance(30)) {
        operation->policy = HOLDFAST_NEAREST_FIRST;
        operation->warehouses = nearest;
        operation->warehouse_count = 2;
    }
    operation->ttl_ms = chance(60) ? 1000 + below(3000) : 60000;
    operation->order = "an order";
    return task;
}

/* An operation on a reservation that exists, or did. NULL: none is known yet. */
static struct task *make_on_hold(enum holdfast_operation_kind kind)
{
    unsigned known = hold_count < HOLDS ? hold_count : HOLDS;

    if (known == 0)
        return NULL;
    /* The newest are the ones that others use too. */
    unsigned back = 1 + (chance(60) ? below(known < 16 ? known : 16) : below(known));
    const struct hold *hold = &holds[(hold_count - back) % HOLDS];
    struct task *task = task_new(kind);
    memcpy(task->reservation, hold->reservation, sizeof task->reservation);
    if (kind == HOLDFAST_RETURN || chance(25)) {
        task->lines[0] = (struct holdfast_line){hold->sku, NULL, 1 + below(hold->quantity)};
        task->operation.line_count = 1;
    }
    task->operation.ttl_ms = kind == HOLDFAST_EXTEND ? 1000 + below(4000) : 0;
    task->operation.keep_remainder = kind == HOLDFAST_PURCHASE && chance(30);
    task->operation.revive = kind == HOLDFAST_PURCHASE && chance(20);
    task->operation.to_quarantine = kind == HOLDFAST_RETURN && chance(30);
    if (kind == HOLDFAST_CANCEL || kind == HOLDFAST_RETURN)
        task->operation.reason = chance(50) ? reasons[below(2)] : NULL;
    return task;
}

static struct task *make_lines(enum holdfast_operation_kind kind)
{
    struct task *task = task_new(kind);
    size_t sku = pick_sku();
    bool receives = kind == HOLDFAST_RECEIVE;

    set_line(task, sku, pick_warehouse(), 1 + below(receives ? (sku == 0 ? 30 : 5) : 3));
    if (receives && chance(20))
        set_line(task, sku, warehouses[2], 1 + below(3));
    task->operation.accept_shortfall = kind == HOLDFAST_QUARANTINE && chance(10);
    task->operation.reason = !receives && chance(50) ? reasons[0] : NULL;
    task->operation.reference = receives ? "PO-1" : NULL;
    return task;
}

static struct task *make_place(enum holdfast_operation_kind kind)
{
    struct task *task = task_new(kind);
    struct holdfast_operation *operation = &task->operation;
    size_t sku = pick_sku(), place = below(WAREHOUSES);

    operation->sku = skus[sku];
    operation->warehouse = warehouses[place];
    switch (kind) {
    case HOLDFAST_ADJUST:
        operation->delta = (int64_t)below(9) - 4;
        operation->delta += operation->delta == 0;
        operation->reason = reasons[below(2)];
        operation->accept_shortfall = chance(20);
        break;
    case HOLDFAST_COUNT:
        operation->quantity = below(sku == 0 ? 60 : 20);
        operation->has_version = chance(80);
        operation->on_hand_version = operation->has_version ? on_hand_versions[sku][place] : 0;
        break;
    case HOLDFAST_TRANSFER:
        operation->to_warehouse = warehouses[(place + 1) % WAREHOUSES];
        operation->quantity = 1 + below(3);
        break;
    case HOLDFAST_SET_SAFETY_STOCK:
    case HOLDFAST_SET_REORDER_POINT:
        operation->quantity = below(4);
        break;
    default:
        break;
    }
    return task;
}

static struct task *make_record(enum holdfast_operation_kind kind)
{
    struct task *task = task_new(kind);

    task->operation.text = "a name";
    if (kind == HOLDFAST_PUT_ITEM) {
        task->operation.sku = skus[pick_sku()];
        task->operation.quantity = below(10);
    } else if (kind == HOLDFAST_PUT_WAREHOUSE) {
        task->operation.warehouse = warehouses[below(WAREHOUSES)];
    } else {
        task->operation.reason = reasons[below(2)];
    }
    return task;
}

/* A settle of an id that was never sent: a void. */
static struct task *make_settle(void)
{
    struct task *task = task_new(HOLDFAST_SETTLE);

    holdfast_new_operation_id(task->settles);
    task->operation.partition = chance(50) ? (int32_t)below(partitions) : HOLDFAST_ALL_PARTITIONS;
    return task;
}

static struct task *make_any(void)
{
    static const struct {
        uint32_t weight;
        enum holdfast_operation_kind kind;
    } kinds[] = {
        {330, HOLDFAST_RESERVE},
        {130, HOLDFAST_PURCHASE},
        {80, HOLDFAST_RELEASE},
        {60, HOLDFAST_EXTEND},
        {70, HOLDFAST_SHIP},
        {30, HOLDFAST_CANCEL},
        {30, HOLDFAST_RETURN},
        {70, HOLDFAST_RECEIVE},
        {30, HOLDFAST_ADJUST},
        {30, HOLDFAST_COUNT},
        {30, HOLDFAST_TRANSFER},
        {15, HOLDFAST_QUARANTINE},
        {15, HOLDFAST_RESTORE},
        {8, HOLDFAST_SET_SAFETY_STOCK},
        {6, HOLDFAST_SET_REORDER_POINT},
        {6, HOLDFAST_PUT_ITEM},
        {2, HOLDFAST_PUT_WAREHOUSE},
        {2, HOLDFAST_PUT_REASON},
        {6, HOLDFAST_SETTLE},
        {40, HOLDFAST_UNDO},
        {10, HOLDFAST_BEGIN_RUN},
    };
    uint32_t draw = below(1000);
    size_t i = 0;

    while (draw >= kinds[i].weight)
        draw -= kinds[i++].weight;
    switch (kinds[i].kind) {
    case HOLDFAST_RESERVE:
        return make_reserve();
    case HOLDFAST_PURCHASE:
    case HOLDFAST_RELEASE:
    case HOLDFAST_EXTEND:
    case HOLDFAST_SHIP:
    case HOLDFAST_CANCEL:
    case HOLDFAST_RETURN:
        return make_on_hold(kinds[i].kind);
    case HOLDFAST_RECEIVE:
    case HOLDFAST_QUARANTINE:
    case HOLDFAST_RESTORE:
        return make_lines(kinds[i].kind);
    case HOLDFAST_ADJUST:
    case HOLDFAST_COUNT:
    case HOLDFAST_TRANSFER:
    case HOLDFAST_SET_SAFETY_STOCK:
    case HOLDFAST_SET_REORDER_POINT:
        return make_place(kinds[i].kind);
    case HOLDFAST_PUT_ITEM:
    case HOLDFAST_PUT_WAREHOUSE:
    case HOLDFAST_PUT_REASON:
        return make_record(kinds[i].kind);
    case HOLDFAST_SETTLE:
        return make_settle();
    case HOLDFAST_BEGIN_RUN:
        return runs_make_begin();
    case HOLDFAST_UNDO:
        return runs_make_undo();
    case HOLDFAST_RECORD_RUN: /* by a run */
        break;
    }
    return NULL;
}

/* ------------------------------------------------------------- former lives */

static void adopt(void *data, const struct holdfast_operation *operation)
{
    struct task *task = task_new(operation->kind);

    (void)data;
    task->operation = *operation;
    snprintf(task->id, sizeof task->id, "%s", operation->operation_id);
    task->is_adopted = task->was_sent = true;
    if (chance(50)) {
        try_later(settle_task(task), below(1000000));
        task_free(task);
    } else {
        try_later(task, below(1000000));
    }
}

/* The operations are in the history, so it stays until the end. */
static struct history *read_former_lives(char **names, int count)
{
    const struct history_options any = {.partitions = partitions, .clock_skew_us = -1};
    struct history *history = history_new(&any);
    char error[300];

    for (int i = 0; i < count; i++) {
        FILE *file = fopen(names[i], "r");
        if (!file)
            die("could not open", names[i]);
        if (!history_read(history, file, names[i], NULL, error, sizeof error))
            die("a log is broken", error);
        fclose(file);
    }
    history_each_open(history, adopt, NULL);
    return history;
}

/* ------------------------------------------------------------- the loop */

static void poll_all(int64_t until_us)
{
    struct pollfd fds[CLIENTS_MAX];
    int64_t wait_ms = (until_us - now_us()) / 1000;

    for (unsigned i = 0; i < options.clients; i++) {
        int deadline_ms = holdfast_deadline_ms(clients[i].handle);
        fds[i] = (struct pollfd){holdfast_fd(clients[i].handle), POLLIN, 0};
        wait_ms = deadline_ms < wait_ms ? deadline_ms : wait_ms;
    }
    (void)poll(fds, options.clients, wait_ms > 0 ? (int)wait_ms : 0);
    for (unsigned i = 0; i < options.clients; i++)
        holdfast_process(clients[i].handle);
}

static struct client *idle_client(void)
{
    unsigned from = below(options.clients);

    for (unsigned i = 0; i < options.clients; i++) {
        struct client *client = &clients[(from + i) % options.clients];
        if (client->in_flight < IN_FLIGHT)
            return client;
    }
    return NULL;
}

/* Sends what is due; returns when the next thing is. */
static int64_t send_due(void)
{
    int64_t now = now_us(), next_us = now + 1000000;
    struct client *idle;

    while (again && again->due_us <= now && (idle = idle_client()) != NULL) {
        struct task *task = again;
        again = task->next;
        submit(idle, task);
    }
    if (again && again->due_us < next_us)
        next_us = again->due_us;
    for (unsigned i = 0; i < options.clients && now < options.until_us; i++) {
        struct client *client = &clients[i];
        if (client->next_us <= now && client->in_flight < IN_FLIGHT) {
            struct task *task = make_any();
            if (task)
                submit(client, task);
            client->next_us = now + 1 + below((uint32_t)options.think_us * 2);
        }
        if (client->next_us < next_us && client->in_flight < IN_FLIGHT)
            next_us = client->next_us;
    }
    return next_us;
}

static int run(void)
{
    while (now_us() < options.until_us || open_tasks > 0) {
        if (now_us() > options.until_us + options.drain_us) {
            fprintf(stderr, "chaos_clients: %zu operations are still open\n", open_tasks);
            return 3;
        }
        poll_all(send_due());
    }
    return 0;
}

/* Everything that the others need is there: applied, or tried again until it is. */
static void set_up(void)
{
    for (size_t i = 0; i < WAREHOUSES; i++) {
        struct task *task = task_new(HOLDFAST_PUT_WAREHOUSE);
        task->operation.warehouse = warehouses[i];
        task->operation.text = "a warehouse";
        submit(&clients[0], task);
    }
    for (size_t i = 0; i < 2; i++) {
        struct task *task = task_new(HOLDFAST_PUT_REASON);
        task->operation.reason = reasons[i];
        task->operation.text = "a reason";
        submit(&clients[0], task);
    }
    for (size_t i = 0; i <= SKUS; i++) {
        struct task *task = task_new(HOLDFAST_PUT_ITEM);
        task->operation.sku = skus[i];
        task->operation.text = "an item";
        submit(&clients[0], task);
    }
    while (open_tasks > 0)
        poll_all(now_us() + 100000);
    for (size_t i = 0; i <= SKUS; i++) {
        struct task *task = task_new(HOLDFAST_RECEIVE);
        set_line(task, i, warehouses[0], i == 0 ? 100 : 10);
        set_line(task, i, warehouses[1], i == 0 ? 30 : 3);
        submit(&clients[0], task);
    }
}

/* ------------------------------------------------------------- start */

static void open_clients(void)
{
    char error[300], name[64];

    for (unsigned i = 0; i < options.clients; i++) {
        snprintf(name, sizeof name, "chaos-%" PRIu64 "-%u", options.process, i);
        /* Patient ones, and ones that give up before a dead server is back. */
        struct holdfast_options with = {.size = sizeof with,
                                        .cluster_file = options.cluster,
                                        .name = name,
                                        .timeout_ms = i % 2 ? 2500 : 12000,
                                        .attempt_timeout_ms = i % 3 ? 700 : 2000};
        clients[i].handle = holdfast_open(&with, error, sizeof error);
        if (!clients[i].handle)
            die("could not open a client", error);
        clients[i].next_us = now_us() + below((uint32_t)options.think_us);
    }
}

static void name_skus(void)
{
    snprintf(skus[0], sizeof skus[0], HOT);
    for (unsigned i = 0; i < SKUS; i++)
        snprintf(skus[i + 1], sizeof skus[i + 1], "S%03u", i);
    for (unsigned i = 0; i <= SKUS; i++)
        partition_of[i] = partition_of_sku(skus[i], strlen(skus[i]), partitions);
}

static int read_options(int argc, char **argv)
{
    int i = 1;

    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        long long number = strtoll(value, NULL, 10);
        if (strcmp(argv[i], "--cluster") == 0)
            options.cluster = value;
        else if (strcmp(argv[i], "--log") == 0)
            options.log = value;
        else if (strcmp(argv[i], "--process") == 0)
            options.process = (uint64_t)number;
        else if (strcmp(argv[i], "--life") == 0)
            options.life = (uint64_t)number;
        else if (strcmp(argv[i], "--seed") == 0)
            options.seed = (uint64_t)number;
        else if (strcmp(argv[i], "--epoch-us") == 0)
            options.epoch_us = number;
        else if (strcmp(argv[i], "--until-us") == 0)
            options.until_us = number;
        else if (strcmp(argv[i], "--clients") == 0)
            options.clients = (unsigned)number;
        else if (strcmp(argv[i], "--partitions") == 0)
            partitions = (uint32_t)number;
        else if (strcmp(argv[i], "--think-ms") == 0)
            options.think_us = number * 1000;
        else if (strcmp(argv[i], "--drain-ms") == 0)
            options.drain_us = number * 1000;
        else if (strcmp(argv[i], "--setup") == 0)
            options.setup = number != 0;
        else
            die("unknown option", argv[i]);
    }
    if (!options.cluster || !options.log || partitions == 0 || options.clients > CLIENTS_MAX)
        die("missing or wrong", "--cluster, --log, --partitions or --clients");
    return i;
}

int main(int argc, char **argv)
{
    int first = read_options(argc, argv);

    random_state = options.seed ^ (options.process << 32) ^ options.life;
    log_fd = open(options.log, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0)
        die("could not make", options.log);
    name_skus();
    struct history *former = read_former_lives(argv + first, argc - first);
    open_clients();
    if (options.setup)
        set_up();
    int code = run();
    for (unsigned i = 0; i < options.clients; i++)
        holdfast_close(&clients[i].handle);
    history_destroy(&former);
    return code;
}

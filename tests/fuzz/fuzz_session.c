/* SPDX-License-Identifier: MIT
 *
 * A worker's sessions with two brokers that say anything: bodies of any content, any bytes, more
 * frames than there may be, sockets that take nothing. The links and the clocks are this file's.
 * Checked: what is sent is of the protocol; an answer is for a dispatch of the session that is
 * open, once; credit only grows; and the sanitizers.
 *
 * The input is a list of steps: a byte that says what, a byte of length, and the bytes.
 */
#include "tests/fuzz/any_message.h"
#include "tests/fuzz/asserts.h"

#include "common/clock.h"
#include "common/log.h"
#include "workers/link.h"
#include "workers/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BROKERS 2u
#define PARTITIONS 4u
#define CREDIT 8u
#define SAID_MAX 64u

static int64_t now_us;

int64_t clock_monotonic_us(void)
{
    return now_us;
}

int64_t clock_wall_us(void)
{
    return 1700000000000000 + now_us;
}

/* ------------------------------------------------------------- links */

/* A session that a broker said it began; the worker may have one already, and not take it. */
struct said {
    uint32_t id;
    uint64_t granted;
    uint64_t sequence; /* that the next good dispatch follows */
    uint64_t taken;    /* of the last dispatch that was in order and within the credit */
    bool open[256];    /* such ones that are not answered, by sequence */
};

struct broker_link {
    bool full;       /* takes nothing */
    bool raw;        /* any bytes were said: there may be sessions that nobody counts */
    uint32_t last;   /* id of the last session that was said */
    uint32_t spoken; /* id of the one in which the worker spoke last */
    struct said said[SAID_MAX];
    struct broker_message waiting;
    bool has_waiting;
};

static struct broker_link links[BROKERS];
static size_t links_open;

struct broker_link *broker_link_open(void *context, const char *endpoint)
{
    (void)context;
    (void)endpoint;
    return &links[links_open++];
}

void broker_link_close(struct broker_link **link, int linger_ms)
{
    (void)linger_ms;
    *link = NULL;
}

/* NULL: nobody has said it. */
static struct said *session(struct broker_link *link, uint32_t id)
{
    struct said *said = &link->said[id % SAID_MAX];

    return id != 0 && said->id == id ? said : NULL;
}

/* The id of a new one; 0, which is none, when there were too many. */
static uint32_t begin(struct broker_link *link)
{
    if (link->last + 1 == SAID_MAX)
        return 0;
    link->last++;
    link->said[link->last % SAID_MAX] = (struct said){.id = link->last};
    return link->last;
}

static void check_answer(struct broker_link *link, const struct header *header)
{
    struct said *said = session(link, header->session);

    assert_true(header->type == MESSAGE_RESULT || header->type == MESSAGE_ANSWER ||
                header->type == MESSAGE_RETURNED);
    assert_true(said && header->session == link->spoken && header->sequence < 256);
    assert_true(said->open[header->sequence]);
    said->open[header->sequence] = false;
}

bool broker_link_send(struct broker_link *link, const uint8_t bytes[HEADER_BYTES], const void *body,
                      size_t body_bytes)
{
    struct header header;
    struct batch_reader reader;
    const uint8_t *item;
    size_t item_bytes;
    enum batch_step step;

    assert_int_equal(header_read(&header, bytes, HEADER_BYTES), HEADER_OK);
    free(exact_copy(body, body_bytes));
    if (link->full)
        return false;
    if (link->raw)
        return true;
    if (header.session != 0) {
        assert_non_null(session(link, header.session));
        link->spoken = header.session;
    }
    if (header.type == MESSAGE_CREDIT) {
        struct said *said = session(link, header.session);
        assert_true(said && header.sequence > said->granted);
        said->granted = header.sequence;
    }
    if (header.type != MESSAGE_BATCH)
        return true;
    batch_reader_init(&reader, body, body_bytes);
    while ((step = batch_next(&reader, &header, &item, &item_bytes)) == BATCH_ITEM)
        check_answer(link, &header);
    assert_int_equal(step, BATCH_END);
    return true;
}

bool broker_link_receive(struct broker_link *link, struct broker_message *message)
{
    if (!link->has_waiting)
        return false;
    *message = link->waiting;
    link->has_waiting = false;
    return true;
}

const char *broker_link_error(void)
{
    return "the fuzzer says so";
}

void *broker_link_socket(const struct broker_link *link)
{
    (void)link;
    return NULL;
}

/* ------------------------------------------------------------- what brokers say */

static void deliver(struct worker *worker, struct broker_link *link, const void *header,
                    size_t header_bytes, const void *body, size_t body_bytes)
{
    uint8_t *header_copy = exact_copy(header, header_bytes);
    uint8_t *body_copy = exact_copy(body, body_bytes);

    link->waiting = (struct broker_message){.header = header_copy,
                                            .header_bytes = header_bytes,
                                            .body = body_copy,
                                            .body_bytes = body_bytes};
    link->has_waiting = true;
    sessions_read(worker);
    free(header_copy);
    free(body_copy);
}

/* Which dispatches may be answered: in the session that is open, in order, within the credit. */
static void note_dispatch(struct broker_link *link, const struct header *header)
{
    struct said *said = session(link, header->session);

    if (!said || header->session != link->spoken || header->sequence >= 256 ||
        header->sequence <= said->taken || header->sequence > said->granted)
        return;
    said->taken = header->sequence;
    said->open[header->sequence] = true;
}

static void say(struct worker *worker, struct broker_link *link, uint8_t type, struct bytes *bytes,
                bool in_batch, struct arena *arena)
{
    uint8_t header[HEADER_BYTES], item[BATCH_ITEM_BYTES + ANY_ITEM_BYTES];
    uint8_t odd = take_byte(bytes);
    struct said *said = session(link, link->spoken);
    struct header h = {
        .type = type, .partition = PARTITION_NONE, .session = odd & 0x80 ? odd : link->spoken};

    if (type == MESSAGE_WELCOME) {
        h.session = odd & 0x40 ? 0 : begin(link);
    } else if (type == MESSAGE_OPERATION || type == MESSAGE_QUERY) {
        h.partition = odd % (PARTITIONS + 1);
        h.attempt = type == MESSAGE_OPERATION;
        h.op_class = odd >> 3 & 3;
        h.not_after_us = now_us;
        h.sequence = odd & 0x20 || !said ? take_byte(bytes) : ++said->sequence;
        note_dispatch(link, &h);
    }
    ProtobufCBinaryData body = any_body(type, bytes, arena);
    header_write(&h, header);
    if (!in_batch || body.len > ANY_ITEM_BYTES) {
        deliver(worker, link, header, sizeof header, body.data, body.len);
        return;
    }
    struct header batch = {.type = MESSAGE_BATCH};
    size_t bytes_in_batch = any_item(&h, &body, item);
    header_write(&batch, header);
    deliver(worker, link, header, sizeof header, item, bytes_in_batch);
}

/* One that opens a session, if the worker wants one. */
static void say_welcome(struct worker *worker, struct broker_link *link, uint8_t heartbeat)
{
    uint8_t header[HEADER_BYTES], body[64];
    struct header h = {.type = MESSAGE_WELCOME, .session = begin(link)};
    Hf__Welcome welcome = HF__WELCOME__INIT;

    welcome.version = HEADER_VERSION;
    welcome.partitions = PARTITIONS;
    welcome.clock_us = clock_wall_us();
    welcome.heartbeat_ms = heartbeat * 10u;
    header_write(&h, header);
    deliver(worker, link, header, sizeof header, body, hf__welcome__pack(&welcome, body));
}

/* ------------------------------------------------------------- the worker */

static void answer(struct worker *worker, struct bytes *bytes)
{
    struct work_queue *queue = take_byte(bytes) & 1 ? &worker->queries : &worker->operations;
    struct work *work = work_pop(queue);

    if (!work)
        return;
    switch (take_byte(bytes) % 3) {
    case 0:
        work_return(&work);
        break;
    case 1:
        work_answer_status(&work, STATUS_unavailable, "so");
        break;
    default:
        work_answer_status(&work, STATUS_applied, "");
        break;
    }
}

static void change_owned(struct worker *worker, uint8_t mask)
{
    for (size_t i = 0; i < worker->claims.count; i++) {
        struct slot *slot = &worker->claims.slots[i];
        slot->state = mask >> i & 1 ? SLOT_OWNED : SLOT_OTHER;
        slot->epoch++;
    }
    worker->claims.changed = true;
}

static void take_step(struct worker *worker, uint8_t what, struct bytes bytes, struct arena *arena)
{
    static const uint8_t types[] = {MESSAGE_WELCOME,   MESSAGE_HEARTBEAT, MESSAGE_GOODBYE,
                                    MESSAGE_ERROR,     MESSAGE_OPERATION, MESSAGE_QUERY,
                                    MESSAGE_OPERATION, MESSAGE_OPERATION};
    struct broker_link *link = &links[what >> 7];
    uint8_t type = types[what >> 3 & 7];

    switch (what & 7) {
    case 0:
        say_welcome(worker, link, take_byte(&bytes));
        break;
    case 1: {
        struct bytes header = take_bytes(&bytes, HEADER_BYTES);
        link->raw = true;
        deliver(worker, link, header.at, header.left, bytes.at, bytes.left);
        break;
    }
    case 2:
        answer(worker, &bytes);
        break;
    case 3:
        now_us += (int64_t)(take_byte(&bytes) + 1) << (take_byte(&bytes) % 20);
        sessions_keep(worker, now_us);
        break;
    case 4:
        link->full = take_byte(&bytes) & 1;
        change_owned(worker, take_byte(&bytes));
        break;
    case 5:
        link->waiting = (struct broker_message){.misframed = true};
        link->has_waiting = true;
        sessions_read(worker);
        break;
    default:
        say(worker, link, type, &bytes, what & 1, arena);
        break;
    }
    if (!(what & 0x40)) {
        sessions_keep(worker, now_us);
        sessions_flush(worker);
        assert_true(sessions_wait_us(worker, now_us) >= 0);
    }
}

static void start(struct worker *worker, struct config *config, struct ledger_limits *limits)
{
    static struct slot slots[PARTITIONS];
    static const uint8_t claim_id[16] = {1};

    memset(worker, 0, sizeof *worker);
    memset(links, 0, sizeof links);
    memset(slots, 0, sizeof slots);
    links_open = 0;
    now_us = 1000000000;
    config_defaults(config);
    strcpy(config->name, "c");
    config->partitions = PARTITIONS;
    config->broker_count = BROKERS;
    config->limits.worker_credit = CREDIT;
    config->shard_count = 1;
    strcpy(config->shards[0].name, "s1");
    *limits = (struct ledger_limits){PARTITIONS, 100, INT64_MAX / 2, INT64_MAX / 2};
    worker->config = config;
    worker->shard = &config->shards[0];
    worker->name = "w1";
    worker->catalog = catalog_new();
    worker->claims.slots = slots;
    worker->claims.count = PARTITIONS;
    timeline_follow(&worker->timeline, clock_wall_us(), now_us);
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        slots[i] = (struct slot){.partition = i, .state = SLOT_OWNED, .epoch = 1};
        slots[i].ledger = ledger_new(i, limits, worker->catalog);
        ledger_claimed(slots[i].ledger, 1, claim_id, 7);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct worker worker;
    static struct config config;
    struct ledger_limits limits;
    struct arena arena;
    int32_t index[PARTITIONS] = {0, 1, 2, 3};

    log_set_level(LOG_ERROR + 1);
    arena_init(&arena);
    start(&worker, &config, &limits);
    worker.claims.index = index;
    assert_true(sessions_open(&worker));
    while (size >= 2) {
        size_t length = data[1] < size - 2 ? data[1] : size - 2;
        take_step(&worker, data[0], (struct bytes){data + 2, length}, &arena);
        data += 2 + length;
        size -= 2 + length;
    }
    sessions_close(&worker, 0);
    work_queue_release(&worker.operations);
    work_queue_release(&worker.queries);
    for (uint32_t i = 0; i < PARTITIONS; i++)
        ledger_destroy(&worker.claims.slots[i].ledger);
    catalog_destroy(&worker.catalog);
    arena_release(&arena);
    return 0;
}

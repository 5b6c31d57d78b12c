/* SPDX-License-Identifier: MIT
 *
 * The core of the client library between a caller that submits and a broker that says anything:
 * bodies of any content, any bytes, in any order, in and out of session. Checked: what is sent is
 * of the protocol and belongs to the session; every call is told once, with a result or an answer
 * and not both; after core_abandon nothing is left; and the sanitizers.
 *
 * The input is a list of steps: a byte that says what, a byte of length, and the bytes.
 */
#include "tests/fuzz/any_message.h"
#include "tests/fuzz/asserts.h"

#include "client/core.h"
#include "client/fanout.h"
#include "client/pool.h"
#include "workers/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CALLS_MAX 64u
#define FANOUTS_MAX 8u
#define ACTIONS_MAX 4096
#define PARTITIONS 4u

struct caller {
    struct core *core;
    struct core_time now;
    struct arena arena;
    struct pool scratch;
    uint32_t session;       /* that the broker said last */
    uint64_t last_sequence; /* that we sent last */
    size_t calls;
    bool told[CALLS_MAX];
    struct fanout *fanout_of[CALLS_MAX]; /* NULL: a call of its own */
    struct fanout *fanouts[FANOUTS_MAX];
    size_t fanout_count;
    size_t told_count;
};

/* ------------------------------------------------------------- what the core does */

static void check_sent(struct caller *c, const struct core_action *action)
{
    struct header header;
    struct batch_reader reader;
    const uint8_t *body;
    size_t body_bytes;

    assert_int_equal(header_read(&header, action->header, HEADER_BYTES), HEADER_OK);
    free(exact_copy(action->body, action->body_bytes));
    if (header.type != MESSAGE_BATCH) {
        if (header.type == MESSAGE_OPERATION || header.type == MESSAGE_QUERY)
            c->last_sequence = header.sequence;
        return;
    }
    enum batch_step step;
    batch_reader_init(&reader, action->body, action->body_bytes);
    while ((step = batch_next(&reader, &header, &body, &body_bytes)) == BATCH_ITEM) {
        assert_true(header.type == MESSAGE_OPERATION || header.type == MESSAGE_QUERY);
        assert_true(header.sequence > c->last_sequence);
        c->last_sequence = header.sequence;
    }
    assert_int_equal(step, BATCH_END);
}

static void check_done(struct caller *c, struct core_action *action)
{
    size_t at = (size_t)(uintptr_t)action->tag;

    assert_true(at < c->calls && !c->told[at]);
    assert_true((action->result != NULL) != (action->answer != NULL));
    if (action->result)
        assert_true(action->result->message != NULL && action->result->field != NULL);
    c->told[at] = true;
    c->told_count++;
    if (c->fanout_of[at]) {
        assert_non_null(action->answer);
        fanout_answer(c->fanout_of[at], action->answer);
        return;
    }
    holdfast_result_free(&action->result);
    holdfast_answer_free(&action->answer);
}

static void run_once(struct caller *c)
{
    struct core_action action;
    int actions = 0;

    while (core_next(c->core, c->now, &action)) {
        assert_true(actions++ < ACTIONS_MAX);
        switch (action.kind) {
        case CORE_CONNECT:
            c->session = 0;
            c->last_sequence = 0;
            break;
        case CORE_DISCONNECT:
            break;
        case CORE_SEND:
            check_sent(c, &action);
            break;
        case CORE_DONE:
            check_done(c, &action);
            break;
        }
    }
}

/* What is refused only when it was about to be sent is told the next time, which is at once. */
static void run(struct caller *c)
{
    run_once(c);
    if (core_deadline_us(c->core) <= c->now.mono_us)
        run_once(c);
    assert_true(core_deadline_us(c->core) > c->now.mono_us);
}

/* ------------------------------------------------------------- the broker */

static void say(struct caller *c, const uint8_t *header, size_t header_bytes, const void *body,
                size_t body_bytes)
{
    uint8_t *copy = exact_copy(body, body_bytes);

    core_receive(c->core, c->now, header, header_bytes, copy, body_bytes);
    free(copy);
}

/* A header that fits, or nearly; around a body of any content. */
static void say_any(struct caller *c, uint8_t type, struct bytes *bytes, bool in_batch)
{
    uint8_t header[HEADER_BYTES], item[BATCH_ITEM_BYTES + ANY_ITEM_BYTES];
    uint8_t back = take_byte(bytes);
    struct header h = {.type = type,
                       .partition = PARTITION_NONE,
                       .session = back & 0x80 ? back : c->session,
                       .sequence = c->last_sequence - (back & 0x0f)};

    if (type == MESSAGE_WELCOME)
        h.session = c->session = c->session + 1 + (back & 1);
    if (type == MESSAGE_CREDIT)
        h.sequence = c->last_sequence + back;
    if (type == MESSAGE_RESULT || type == MESSAGE_ANSWER)
        h.partition = take_byte(bytes) % 4;
    ProtobufCBinaryData body = any_body(type, bytes, &c->arena);
    header_write(&h, header);
    if (!in_batch || body.len > ANY_ITEM_BYTES) {
        say(c, header, sizeof header, body.data, body.len);
        return;
    }
    struct header batch = {.type = MESSAGE_BATCH};
    size_t bytes_in_batch = any_item(&h, &body, item);
    header_write(&batch, header);
    say(c, header, sizeof header, item, bytes_in_batch);
}

/* One that is right, so that a session gets going. */
static void say_welcome(struct caller *c, uint8_t credit)
{
    uint8_t header[HEADER_BYTES], body[256];
    struct header h = {.type = MESSAGE_WELCOME, .session = ++c->session};
    Hf__Welcome welcome = HF__WELCOME__INIT;

    welcome.version = HEADER_VERSION;
    welcome.partitions = PARTITIONS;
    welcome.clock_us = c->now.wall_us;
    welcome.credit = credit;
    welcome.window = 64;
    welcome.heartbeat_ms = 1000;
    welcome.message_bytes = 65536;
    welcome.batch_messages = credit % 65;
    welcome.not_after_ms = 60000;
    header_write(&h, header);
    say(c, header, sizeof header, body, hf__welcome__pack(&welcome, body));
}

/* The result that an operation hopes for, or another, by its status. */
static void say_result(struct caller *c, uint8_t status, uint8_t back)
{
    uint8_t header[HEADER_BYTES], body[64];
    struct header h = {
        .type = MESSAGE_RESULT, .session = c->session, .sequence = c->last_sequence - back};
    Hf__Result result = HF__RESULT__INIT;

    result.status = status;
    result.settle = status == STATUS_applied ? (Hf__SettleOutcome)(back % 3) : 0;
    result.retry_after_ms = back;
    result.partition_wanted = back % 5;
    header_write(&h, header);
    say(c, header, sizeof header, body, hf__result__pack(&result, body));
}

/* ------------------------------------------------------------- the caller */

static void give(struct caller *c, enum core_call_kind how, struct encoded *encoded,
                 int64_t timeout_us)
{
    if (c->calls < CALLS_MAX &&
        core_submit(c->core, c->now, how, encoded, timeout_us, (void *)(uintptr_t)c->calls))
        c->calls++;
    else
        free(encoded->body);
}

/* Text of the caller's: a C string, NULL, or one that is no code. */
static const char *any_text(struct caller *c, struct bytes *bytes)
{
    uint8_t byte = take_byte(bytes);

    if (byte % 8 == 7)
        return NULL;
    if (byte % 8 < 4)
        return byte % 8 == 0 ? "A" : byte % 8 == 1 ? "W1" : byte % 8 == 2 ? "damage" : "C";
    ProtobufCBinaryData data = any_bytes(bytes, &c->arena);
    char *text = arena_zalloc(&c->arena, data.len + 1);
    memcpy(text, data.data, data.len);
    return text;
}

/* An id of an operation: of a version and a variant that may be, or not; or any text. */
static const char *any_id(struct caller *c, struct bytes *bytes, bool as_text)
{
    uint8_t byte = take_byte(bytes);

    return as_text ? any_text(c, bytes)
                   : arena_printf(&c->arena, "0190163d-8694-%x39b-%xea5-966c26f8ad90",
                                  byte & 0x0fu ? byte & 0x0fu : 7u, byte >> 4 ? byte >> 4 : 0xau);
}

static const struct holdfast_line *any_lines(struct caller *c, struct bytes *bytes, size_t *count)
{
    struct holdfast_line *lines = arena_zalloc(&c->arena, 4 * sizeof *lines);

    *count = take_byte(bytes) % 4;
    for (size_t i = 0; i < *count; i++) {
        lines[i].sku = any_text(c, bytes);
        lines[i].warehouse = any_text(c, bytes);
        lines[i].quantity = (uint32_t)any_number(bytes);
    }
    return lines;
}

static const char *const *any_texts(struct caller *c, struct bytes *bytes, size_t *count)
{
    const char **texts = arena_zalloc(&c->arena, 4 * sizeof *texts);

    *count = take_byte(bytes) % 4;
    for (size_t i = 0; i < *count; i++)
        texts[i] = any_text(c, bytes);
    return texts;
}

static void fill_operation(struct caller *c, struct holdfast_operation *op, struct bytes *bytes)
{
    uint8_t flags = take_byte(bytes);

    op->attempt = flags & 1 ? 2 : 0;
    op->lines = any_lines(c, bytes, &op->line_count);
    op->reservation = flags & 2 ? any_text(c, bytes) : "R-00ADHR7ARBT2S87HQ";
    op->sku = flags & 2 ? any_text(c, bytes) : "A";
    op->warehouse = flags & 2 ? any_text(c, bytes) : "W1";
    op->to_warehouse = flags & 2 ? any_text(c, bytes) : "W2";
    op->reason = any_text(c, bytes);
    op->quantity = (uint32_t)any_number(bytes);
    op->delta = (int64_t)any_number(bytes) * (flags & 4 ? -1 : 1);
    op->ttl_ms = any_number(bytes) * 1000;
    op->policy = (enum holdfast_policy)(take_byte(bytes) % 3);
    op->warehouses = any_texts(c, bytes, &op->warehouse_count);
    op->may_split = op->keep_remainder = op->to_quarantine = flags & 8;
    op->revive = op->accept_shortfall = op->has_version = flags & 16;
    op->on_hand_version = any_number(bytes);
    op->settles = any_id(c, bytes, flags & 32);
    op->partition = (int32_t)any_number(bytes);
    if (!(flags & 64))
        return;
    op->order = any_text(c, bytes);
    op->reference = any_text(c, bytes);
    op->text = any_text(c, bytes);
    op->note = any_text(c, bytes);
    op->actor = any_text(c, bytes);
    op->trace = any_text(c, bytes);
    op->operation_id = take_byte(bytes) & 1 ? any_id(c, bytes, false) : any_text(c, bytes);
    op->id_time_us = (int64_t)any_number(bytes);
    op->undoes = any_number(bytes);
    op->barcodes = any_texts(c, bytes, &op->barcode_count);
}

static const struct holdfast_run_line *any_run_lines(struct caller *c, struct bytes *bytes,
                                                     size_t *count)
{
    struct holdfast_run_line *lines = arena_zalloc(&c->arena, 4 * sizeof *lines);

    *count = take_byte(bytes) % 4;
    for (size_t i = 0; i < *count; i++) {
        uint8_t flags = take_byte(bytes);
        lines[i].line = flags & 1 ? (uint32_t)any_number(bytes) : (uint32_t)i + 1;
        lines[i].status = flags & 2 ? (int)any_number(bytes) : HOLDFAST_APPLIED;
        lines[i].sequence = any_number(bytes);
        lines[i].text = flags & 4 ? any_text(c, bytes) : NULL;
        lines[i].open = flags & 8;
        if (lines[i].open && flags & 16)
            lines[i].status = HOLDFAST_UNAVAILABLE;
        if (!(flags & 32))
            continue;
        lines[i].sku = flags & 64 ? any_text(c, bytes) : "A";
        lines[i].warehouse = flags & 64 ? any_text(c, bytes) : "W1";
        lines[i].counted = (uint32_t)any_number(bytes);
        lines[i].booked = (uint32_t)any_number(bytes);
    }
    return lines;
}

/* What only runs and undos have. */
static void fill_run(struct caller *c, struct holdfast_operation *op, struct bytes *bytes)
{
    static const uint8_t digest[HOLDFAST_DIGEST_BYTES] = {1};
    uint8_t flags = take_byte(bytes);

    op->run = flags & 1 ? any_text(c, bytes) : "R";
    op->digest = flags & 2 ? NULL : digest;
    op->run_lines = flags & 4 ? (uint32_t)any_number(bytes) : 3;
    op->run_blank = flags & 4 ? (uint32_t)any_number(bytes) : 0;
    op->resume = op->has_previous = flags & 8;
    op->run_undoes = flags & 16 ? any_text(c, bytes) : NULL;
    op->run_results = any_run_lines(c, bytes, &op->run_result_count);
    op->undone = any_id(c, bytes, flags & 32);
    op->previous = flags & 64 ? (uint32_t)any_number(bytes) : 0;
    op->previous_reorder_point = flags & 128;
}

/* What the library lets through a worker takes, but for what ties one field to another: a list that
 * the policy needs, one place twice, a time beside an id that has one, what lines of a run are. */
static void check_valid(struct caller *c, const struct encoded *encoded)
{
    static const char *const ties[] = {"reserve.warehouses", "transfer.to", "put_item.barcodes",
                                       "id_time_us", "record_run.lines"};
    struct checked checked;
    Hf__Operation *op =
        hf__operation__unpack(&c->arena.allocator, encoded->body_bytes, encoded->body);

    assert_non_null(op);
    enum status status = validate_operation(op, 1, &c->arena, &checked);
    for (size_t i = 0; i < sizeof ties / sizeof ties[0]; i++) {
        if (status == STATUS_invalid && strncmp(checked.field, ties[i], strlen(ties[i])) == 0)
            return;
    }
    if (status != STATUS_applied)
        fprintf(stderr, "%s: %s %s\n", status_name(status), checked.field, checked.message);
    assert_int_equal(status, STATUS_applied);
}

static void submit(struct caller *c, uint8_t kind, struct bytes *bytes)
{
    struct holdfast_operation operation = {
        .kind = (enum holdfast_operation_kind)(HOLDFAST_RESERVE + kind % 20)};
    struct encode_defaults defaults = {.actor = kind & 0x20 ? "somebody" : NULL};
    struct encoded encoded;
    struct fault fault = {0};
    uint8_t fresh[UUID_BYTES] = {0x01, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80};

    fresh[UUID_BYTES - 1] = (uint8_t)c->calls;
    fill_operation(c, &operation, bytes);
    if (kind & 0x40) {
        operation.kind = (enum holdfast_operation_kind)(HOLDFAST_BEGIN_RUN + kind % 3);
        fill_run(c, &operation, bytes);
    }
    if (!encode_operation(&encoded, &operation, &defaults, fresh, &c->scratch, &fault)) {
        assert_true(fault.status != 0 && fault.message[0] != '\0');
        return;
    }
    check_valid(c, &encoded);
    enum core_call_kind how = operation.kind == HOLDFAST_SETTLE ? CORE_SETTLE : CORE_OPERATION;
    give(c, how, &encoded, ((int64_t)take_byte(bytes) + 1) * 100000);
}

/* A query of all partitions, or of some; its parts are calls of their own. */
static void ask(struct caller *c, struct bytes *bytes)
{
    struct holdfast_query query = {
        .kind = (enum holdfast_query_kind)(HOLDFAST_QUERY_STOCK + take_byte(bytes) % 9)};
    struct encoded part;
    struct fault fault = {0};

    query.skus = any_texts(c, bytes, &query.sku_count);
    query.after = any_text(c, bytes);
    query.limit = (uint32_t)any_number(bytes);
    query.warehouse = any_text(c, bytes);
    query.barcode = any_text(c, bytes);
    query.order = any_text(c, bytes);
    query.sku = any_text(c, bytes);
    query.expiring = take_byte(bytes) & 1;
    query.before = any_number(bytes);
    if (c->fanout_count == FANOUTS_MAX)
        return;
    struct fanout *fanout = fanout_new_query(&query, CLASS_SERVICE, &fault);
    if (!fanout) {
        assert_true(fault.status != 0 && fault.message[0] != '\0');
        return;
    }
    c->fanouts[c->fanout_count++] = fanout;
    assert_true(fanout_plan(fanout, PARTITIONS));
    while (c->calls < CALLS_MAX && fanout_next(fanout, &part)) {
        c->fanout_of[c->calls] = fanout;
        give(c, CORE_QUERY, &part, 1000000);
    }
}

/* What came, as one answer. */
static void merge(struct caller *c)
{
    for (size_t i = 0; i < c->fanout_count; i++) {
        struct fanout *fanout = c->fanouts[i];
        assert_int_equal(fanout_flying(fanout), 0);
        struct holdfast_answer *answer = fanout_merged_answer(fanout, c->now.wall_us);
        assert_non_null(answer);
        holdfast_answer_free(&answer);
        fanout_destroy(&fanout);
    }
}

static void take_step(struct caller *c, uint8_t what, struct bytes bytes)
{
    static const uint8_t types[] = {MESSAGE_WELCOME, MESSAGE_HEARTBEAT, MESSAGE_GOODBYE,
                                    MESSAGE_ERROR,   MESSAGE_CREDIT,    MESSAGE_RESULT,
                                    MESSAGE_ANSWER,  MESSAGE_RESULT};

    switch (what & 7) {
    case 0:
        submit(c, take_byte(&bytes), &bytes);
        break;
    case 1:
        ask(c, &bytes);
        break;
    case 2:
        say_welcome(c, take_byte(&bytes));
        break;
    case 3:
        say_result(c, take_byte(&bytes), take_byte(&bytes) % 16);
        break;
    case 4: {
        struct bytes header = take_bytes(&bytes, HEADER_BYTES);
        uint8_t *copy = exact_copy(header.at, header.left);
        say(c, copy, header.left, bytes.at, bytes.left);
        free(copy);
        break;
    }
    case 5: {
        int64_t us = (int64_t)(take_byte(&bytes) + 1) << (take_byte(&bytes) % 24);
        c->now.mono_us += us;
        c->now.wall_us += us + ((int64_t)take_byte(&bytes) - 128) * (what >> 7) * 1000000;
        break;
    }
    default:
        say_any(c, types[what >> 3 & 7], &bytes, what & 1);
        break;
    }
    if (!(what & 0x40))
        run(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct caller c;
    struct core_config config = {.broker_count = 2,
                                 .cluster = "c",
                                 .name = "fuzz",
                                 .seed = 7,
                                 .attempt_timeout_us = 2000000,
                                 .retry_budget = 100};

    memset(&c, 0, sizeof c);
    c.now = (struct core_time){.mono_us = 1000000000, .wall_us = 1700000000000000};
    c.core = core_new(&config);
    arena_init(&c.arena);
    pool_init(&c.scratch);
    while (size >= 2) {
        size_t length = data[1] < size - 2 ? data[1] : size - 2;
        take_step(&c, data[0], (struct bytes){data + 2, length});
        data += 2 + length;
        size -= 2 + length;
    }
    core_abandon(c.core, c.now);
    run(&c);
    assert_int_equal(c.told_count, c.calls);
    merge(&c);
    core_destroy(&c.core);
    arena_release(&c.arena);
    pool_release(&c.scratch);
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * One session with one broker at a time. A session that ends, for whatever reason, takes its
 * connection with it: the next one has its own, so that nothing of the old one can be taken for
 * the new one's.
 */
#include "client/core_private.h"

#include "protocol/error.h"
#include "protocol/holdfast.pb-c.h"

#include <stdio.h>
#include <string.h>

/* A measurement of the clock is kept for so long, unless a better one comes. */
#define CLOCK_KEPT_US 30000000
#define NOT_AFTER_DEFAULT_US 60000000

static void set_trouble(struct core *core, const char *why)
{
    snprintf(core->trouble, sizeof core->trouble, "%s", why);
}

/* The one function that changes the phase. */
static void session_move(struct core *core, enum session_phase phase, int64_t until_us)
{
    core->phase = phase;
    core->phase_until_us = until_us;
    core->hello_due = phase == SESSION_HELLO;
}

/* Another broker at once while there is one that was not tried in this round; then a pause. */
static void try_again(struct core *core)
{
    uint32_t brokers = core->config.broker_count;
    uint32_t rounds = core->failures / brokers;

    if (!core->all && !core->wanted) {
        session_move(core, SESSION_NONE, INT64_MAX);
        return;
    }
    if (core->failures % brokers != 0 || core->failures == 0) {
        session_move(core, SESSION_OPENING, core->now.mono_us);
        return;
    }
    int64_t most = RECONNECT_BASE_US << (rounds < 5 ? rounds : 5);
    if (most > RECONNECT_MAX_US)
        most = RECONNECT_MAX_US;
    session_move(core, SESSION_PAUSED, core->now.mono_us + 1000 + core_jitter(core, most));
}

void core_session_end(struct core *core, const char *why, bool is_failure)
{
    bool was_open = core->phase == SESSION_HELLO || core->phase == SESSION_READY;

    set_trouble(core, why);
    core->close_pending = was_open;
    core->session = 0;
    core->beat_due = core->answer_due = core->goodbye_due = core->leaving = false;
    core->asked_at_us = 0;
    if (core->phase == SESSION_READY)
        calls_lose_session(core);
    if (is_failure) {
        core->failures++;
        core->broker = (core->broker + 1) % core->config.broker_count;
    }
    if (core_is_forsaken(core)) {
        for (struct call *call = core->all; call; call = call->all_next)
            call_give_up(core, call);
    }
    try_again(core);
}

void core_session_need(struct core *core)
{
    if (core->phase == SESSION_NONE)
        session_move(core, SESSION_OPENING, core->now.mono_us);
}

bool core_is_forsaken(const struct core *core)
{
    return core->config.views && core->failures >= core->config.broker_count;
}

void core_session_opened(struct core *core)
{
    int64_t timeout_us = core->config.views ? VIEW_HELLO_TIMEOUT_US : HELLO_TIMEOUT_US;

    session_move(core, SESSION_HELLO, core->now.mono_us + timeout_us);
}

/* Nobody waits for anything in this session. */
static bool may_leave(const struct core *core)
{
    return core->in_flight == 0 && !core->ready.first;
}

int64_t core_session_deadline(const struct core *core)
{
    switch (core->phase) {
    case SESSION_NONE:
        return INT64_MAX;
    case SESSION_OPENING:
        return core->now.mono_us;
    case SESSION_PAUSED:
    case SESSION_HELLO:
        return core->phase_until_us;
    case SESSION_READY:
        break;
    }
    int64_t due = core->beat_at_us;
    if (core->leaving)
        return core->now.mono_us;
    if (may_leave(core) && core->leave_at_us < due)
        due = core->leave_at_us;
    if (core->asked_at_us != 0) {
        int64_t dead = core->asked_at_us + HEARTBEATS_MISSED * core->heartbeat_us;
        if (dead < due)
            due = dead;
    }
    return due;
}

void core_session_tick(struct core *core)
{
    int64_t now = core->now.mono_us;

    switch (core->phase) {
    case SESSION_NONE:
    case SESSION_OPENING:
        return;
    case SESSION_PAUSED:
        if (now >= core->phase_until_us)
            session_move(core, SESSION_OPENING, now);
        return;
    case SESSION_HELLO:
        if (now >= core->phase_until_us)
            core_session_end(core, "the broker does not answer", true);
        return;
    case SESSION_READY:
        break;
    }
    if (core->asked_at_us != 0 &&
        now >= core->asked_at_us + HEARTBEATS_MISSED * core->heartbeat_us) {
        core_session_end(core, "the broker is silent", true);
        return;
    }
    /* A program that did not call for a while has been given up by the broker: do not send
     * operations into a session that is gone. */
    if (now >= core->said_at_us + HEARTBEATS_MISSED * core->heartbeat_us) {
        core_session_end(core, "the session was idle for too long", false);
        return;
    }
    if (core->leaving && !core->goodbye_due) {
        core->broker = (uint32_t)(core_random(core) % core->config.broker_count);
        core_session_end(core, "time for another view", false);
        return;
    }
    if (now >= core->leave_at_us && may_leave(core))
        core->leaving = core->goodbye_due = true;
    if (now >= core->beat_at_us)
        core->beat_due = true;
}

/* ------------------------------------------------------------- messages out */

static bool put_control(struct core *core, uint8_t type, size_t body_bytes)
{
    struct header header = {.type = type, .partition = PARTITION_NONE, .session = core->session};

    header_write(&header, core->header);
    core->out_bytes = body_bytes;
    core->said_at_us = core->now.mono_us;
    return true;
}

static ProtobufCBinaryData binary(const void *bytes, size_t length)
{
    union {
        const void *in;
        uint8_t *out;
    } pointer = {.in = bytes};

    return (ProtobufCBinaryData){.len = length, .data = pointer.out};
}

static bool put_hello(struct core *core)
{
    Hf__Hello hello;

    hf__hello__init(&hello);
    hello.role = HF__ROLE__ROLE_CLIENT;
    hello.cluster = bytes_of(core->config.cluster);
    hello.name = bytes_of(core->config.name);
    hello.instance = binary(core->config.instance, sizeof core->config.instance);
    hello.version_min = hello.version_max = HEADER_VERSION;
    hello.clock_us = core->now.wall_us;
    core->hello_at_us = core->now.mono_us;
    core->hello_due = false;
    return put_control(core, MESSAGE_HELLO, hf__hello__pack(&hello, core->out));
}

static bool put_heartbeat(struct core *core, uint64_t echo, bool is_answer)
{
    Hf__Heartbeat beat;

    hf__heartbeat__init(&beat);
    beat.clock_us = core->now.wall_us;
    beat.echo = echo;
    beat.answer = is_answer;
    return put_control(core, MESSAGE_HEARTBEAT, hf__heartbeat__pack(&beat, core->out));
}

bool core_session_message(struct core *core)
{
    if (core->phase == SESSION_HELLO && core->hello_due)
        return put_hello(core);
    if (core->phase != SESSION_READY)
        return false;
    if (core->goodbye_due) {
        core->goodbye_due = false;
        return put_control(core, MESSAGE_GOODBYE, 0);
    }
    if (core->answer_due) {
        core->answer_due = false;
        return put_heartbeat(core, core->answer_echo, true);
    }
    if (core->beat_due) {
        core->beat_due = false;
        core->beat_at_us = core->now.mono_us + core->heartbeat_us;
        core->beat_sent_us = core->now.mono_us;
        if (core->asked_at_us == 0)
            core->asked_at_us = core->now.mono_us;
        return put_heartbeat(core, ++core->beat_echo, false);
    }
    return false;
}

/* ------------------------------------------------------------- messages in */

/* The broker's clock was clock_us somewhere between sent_us and now. */
static void clock_sample(struct core *core, int64_t clock_us, int64_t sent_us)
{
    struct clock_estimate *clock = &core->clock;
    int64_t now = core->now.mono_us;
    int64_t round_trip = now - sent_us;

    if (clock_us <= 0 || clock_us > INT64_MAX / 2)
        return;
    if (clock->known && round_trip > clock->round_trip_us && now < clock->taken_us + CLOCK_KEPT_US)
        return;
    clock->known = true;
    clock->offset_us = clock_us - (sent_us + round_trip / 2);
    clock->round_trip_us = round_trip;
    clock->taken_us = now;
}

static uint32_t within(uint32_t value, uint32_t least, uint32_t most)
{
    return value < least ? least : value > most ? most : value;
}

static void on_welcome(struct core *core, const struct header *header, const Hf__Welcome *welcome)
{
    if (core->phase != SESSION_HELLO)
        return;
    if (welcome->version != HEADER_VERSION || header->session == 0) {
        core_session_end(core, "the broker speaks another version of the protocol", true);
        return;
    }
    if (welcome->partitions == 0 || welcome->partitions > PARTITIONS_MAX) {
        core_session_end(core, "the broker does not know the region's partitions yet", true);
        return;
    }
    session_move(core, SESSION_READY, INT64_MAX);
    core->session = header->session;
    core->sequence = 0;
    core->credit = welcome->credit;
    core->window = welcome->window;
    core->partitions = welcome->partitions;
    core->message_bytes = within(welcome->message_bytes, 1024, MESSAGE_BYTES_MAX);
    core->batch_messages = within(welcome->batch_messages, 1, BATCH_MESSAGES_MAX);
    core->heartbeat_us = (int64_t)within(welcome->heartbeat_ms, 10, 60000) * 1000;
    core->not_after_max_us =
        welcome->not_after_ms ? (int64_t)welcome->not_after_ms * 1000 : NOT_AFTER_DEFAULT_US;
    core->failures = 0;
    core->trouble[0] = '\0';
    core->asked_at_us = 0;
    core->leave_at_us =
        core->config.views && core->config.broker_count > 1
            ? core->now.mono_us + VIEW_SESSION_US + core_jitter(core, VIEW_SESSION_US)
            : INT64_MAX;
    core->beat_at_us = core->now.mono_us + core->heartbeat_us;
    core->clock.known = false; /* another broker may have another clock */
    clock_sample(core, welcome->clock_us, core->hello_at_us);
}

static void on_heartbeat(struct core *core, const Hf__Heartbeat *beat)
{
    if (!beat->answer) {
        core->answer_due = true;
        core->answer_echo = beat->echo;
    } else if (beat->echo == core->beat_echo) {
        clock_sample(core, beat->clock_us, core->beat_sent_us);
    }
}

/* no_session is about one message for the broker, and the end of the session for us. */
static void on_error(struct core *core, const struct header *header, const Hf__Error *error)
{
    enum error_code code;
    bool is_known = error_from_name(error->code, &code);
    char why[160];

    snprintf(why, sizeof why, "the broker says: %.40s: %.100s", error->code, error->message);
    if (core->phase == SESSION_HELLO || !is_known || error_ends_session(code) ||
        code == ERROR_no_session)
        core_session_end(core, why, true);
    else
        call_not_taken(core, header->sequence, why);
}

void core_session_heard(struct core *core, const struct header *header, const uint8_t *body,
                        size_t body_bytes)
{
    ProtobufCAllocator *allocator = &core->scratch.allocator;
    Hf__Welcome *welcome;
    Hf__Heartbeat *beat;
    Hf__Error *error;

    pool_reset(&core->scratch);
    switch (header->type) {
    case MESSAGE_WELCOME:
        welcome = hf__welcome__unpack(allocator, body_bytes, body);
        if (welcome)
            on_welcome(core, header, welcome);
        return;
    case MESSAGE_HEARTBEAT:
        beat = hf__heartbeat__unpack(allocator, body_bytes, body);
        if (beat && core->phase == SESSION_READY)
            on_heartbeat(core, beat);
        return;
    case MESSAGE_CREDIT:
        if (core->phase == SESSION_READY && header->sequence > core->credit)
            core->credit = header->sequence;
        return;
    case MESSAGE_GOODBYE:
        core_session_end(core, "the broker said goodbye", true);
        return;
    case MESSAGE_ERROR:
        error = hf__error__unpack(allocator, body_bytes, body);
        if (error)
            on_error(core, header, error);
        return;
    default:
        return; /* a type of a later version, or one that is not for clients */
    }
}

/* SPDX-License-Identifier: MIT
 *
 * The session of a subscription's handle with one relay at a time. A session that ends takes its
 * connection with it; the next one has its own.
 */
#include "client/consume.h"

#include "common/clock.h"
#include "common/random.h"
#include "protocol/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELLO_US 1000000
#define HEARTBEATS_MISSED 3
#define PAUSE_US 50000
#define PAUSE_MAX_US 1000000
#define AGAIN_US 200000
#define MESSAGES_PER_ROUND 256

static void set_trouble(struct holdfast_subscription *s, const char *why)
{
    snprintf(s->trouble, sizeof s->trouble, "%s", why);
}

/* The one function that changes the phase. */
static void become(struct holdfast_subscription *s, enum consume_phase phase, int64_t until_us)
{
    s->phase = phase;
    s->phase_until_us = until_us;
}

static void end_session(struct holdfast_subscription *s, const char *why, bool next, int64_t now_us)
{
    int64_t most = PAUSE_US << (s->failures < 5 ? s->failures : 5);

    set_trouble(s, why);
    link_disconnect(&s->link);
    s->session = 0;
    s->is_short = false;
    consume_forget(s);
    if (next) {
        s->failures++;
        s->relay = (s->relay + 1) % s->options.relay_count;
    }
    if (most > PAUSE_MAX_US)
        most = PAUSE_MAX_US;
    become(s, CONSUME_PAUSED,
           now_us + (s->failures > 0 ? (int64_t)random_below((uint64_t)most) : 0));
}

/* ------------------------------------------------------------- saying */

void consume_send(struct holdfast_subscription *s, enum message_type type, uint64_t sequence,
                  const ProtobufCMessage *message)
{
    struct header header = {.type = (uint8_t)type,
                            .partition = PARTITION_NONE,
                            .session = s->session,
                            .sequence = sequence};
    uint8_t bytes[HEADER_BYTES];
    size_t body_bytes = message ? protobuf_c_message_get_packed_size(message) : 0;
    uint8_t *body = malloc(body_bytes + 1);

    if (!body) {
        s->is_short = true;
        return;
    }
    if (message)
        protobuf_c_message_pack(message, body);
    if (type == MESSAGE_QUERY)
        header.not_after_us = clock_wall_us() + s->options.timeout_us;
    header_write(&header, bytes);
    (void)link_send(&s->link, bytes, body, body_bytes);
    s->said_at_us = clock_monotonic_us();
    free(body);
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void say_hello(struct holdfast_subscription *s, int64_t now_us)
{
    Hf__Hello hello = HF__HELLO__INIT;

    if (!link_connect(&s->link, s->options.relays[s->relay])) {
        end_session(s, "could not connect", true, now_us);
        return;
    }
    hello.role = HF__ROLE__ROLE_CLIENT;
    hello.cluster = bytes_of(s->options.cluster);
    hello.name = bytes_of(s->options.name);
    hello.instance = (ProtobufCBinaryData){sizeof s->instance, s->instance};
    hello.version_min = hello.version_max = HEADER_VERSION;
    hello.clock_us = clock_wall_us();
    become(s, CONSUME_HELLO, now_us + HELLO_US);
    s->heard_at_us = now_us;
    consume_send(s, MESSAGE_HELLO, 0, &hello.base);
}

/* What was handed, of every partition: so that a lost tail is told. Not where the claim is not
 * known, as after a resume: no history has such a one. */
static size_t add_seen(const struct holdfast_subscription *s, Hf__Position *all,
                       Hf__Position **list)
{
    static const uint8_t none[sizeof s->parts->handed_claim];
    size_t count = 0;

    for (uint32_t p = 0; p < s->partitions; p++) {
        const struct consume_part *part = &s->parts[p];
        if (part->handed == 0 || memcmp(part->handed_claim, none, sizeof none) == 0)
            continue;
        hf__position__init(&all[count]);
        all[count].partition = p;
        all[count].sequence = part->handed;
        all[count].claim_id.len = sizeof part->handed_claim;
        all[count].claim_id.data = (uint8_t *)(uintptr_t)part->handed_claim;
        list[count] = &all[count];
        count++;
    }
    return count;
}

static void say_subscribe(struct holdfast_subscription *s)
{
    Hf__Subscribe subscribe = HF__SUBSCRIBE__INIT;
    size_t most = s->partitions + s->position_count;
    Hf__Position *all = calloc(most + 1, sizeof *all);
    Hf__Position **list = calloc(most + 1, sizeof *list);

    become(s, CONSUME_SUBSCRIBING, INT64_MAX);
    if (all && list) {
        subscribe.subscription = bytes_of(s->name);
        subscribe.from = (Hf__From)s->from;
        subscribe.seen = list;
        subscribe.n_seen = add_seen(s, all, list);
        subscribe.positions = list + subscribe.n_seen;
        for (size_t i = 0; s->from == HOLDFAST_FROM_POSITIONS && i < s->position_count; i++) {
            Hf__Position *at = &all[subscribe.n_seen + i];
            hf__position__init(at);
            at->partition = s->positions[i].partition;
            at->sequence = s->positions[i].sequence;
            subscribe.positions[subscribe.n_positions++] = at;
        }
        consume_send(s, MESSAGE_SUBSCRIBE, 0, &subscribe.base);
    }
    s->is_short = s->is_short || !all || !list;
    free(all);
    free(list);
}

static void say_question(struct holdfast_subscription *s)
{
    struct header header = {.type = MESSAGE_QUERY,
                            .partition = PARTITION_NONE,
                            .session = s->session,
                            .sequence = 1,
                            .not_after_us = clock_wall_us() + s->options.timeout_us};
    uint8_t bytes[HEADER_BYTES];

    become(s, CONSUME_SUBSCRIBING, INT64_MAX);
    header_write(&header, bytes);
    (void)link_send(&s->link, bytes, s->question, s->question_bytes);
    s->said_at_us = clock_monotonic_us();
}

void consume_goodbye(struct holdfast_subscription *s)
{
    if (s->session != 0)
        consume_send(s, MESSAGE_GOODBYE, 0, NULL);
}

/* ------------------------------------------------------------- hearing */

static void refuse(struct holdfast_subscription *s, int status, const char *field,
                   const char *message)
{
    link_disconnect(&s->link);
    s->session = 0;
    consume_forget(s);
    become(s, CONSUME_OVER, INT64_MAX);
    s->refused_due = true;
    s->status = status;
    snprintf(s->field, sizeof s->field, "%s", field);
    snprintf(s->message, sizeof s->message, "%s", message);
    set_trouble(s, message);
}

static void heard_welcome(struct holdfast_subscription *s, const struct header *header,
                          const Hf__Welcome *welcome, int64_t now_us)
{
    if (s->phase != CONSUME_HELLO)
        return;
    if (welcome->partitions == 0 || welcome->partitions > PARTITIONS_MAX ||
        (s->parts && welcome->partitions != s->partitions)) {
        end_session(s, "the relay is of another region", true, now_us);
        return;
    }
    if (!s->parts && !(s->parts = calloc(welcome->partitions, sizeof *s->parts))) {
        end_session(s, "out of memory", true, now_us);
        return;
    }
    s->partitions = welcome->partitions;
    s->session = header->session;
    s->heartbeat_us = welcome->heartbeat_ms > 0 ? (int64_t)welcome->heartbeat_ms * 1000 : HELLO_US;
    if (s->question)
        say_question(s);
    else
        say_subscribe(s);
}

/* Another relay: one of ours, or somebody is not telling the truth. */
static void go_to(struct holdfast_subscription *s, const ProtobufCBinaryData *endpoint,
                  int64_t now_us)
{
    for (size_t i = 0; i < s->options.relay_count; i++) {
        if (strlen(s->options.relays[i]) != endpoint->len ||
            memcmp(s->options.relays[i], endpoint->data, endpoint->len) != 0)
            continue;
        end_session(s, "another relay serves this subscription", false, now_us);
        s->relay = i;
        become(s, CONSUME_PAUSED, now_us + (int64_t)random_below(PAUSE_US));
        return;
    }
    end_session(s, "a relay that the cluster file does not name serves this subscription", true,
                now_us);
}

static void heard_subscribed(struct holdfast_subscription *s, const Hf__Subscribed *m,
                             int64_t now_us)
{
    if (s->phase != CONSUME_SUBSCRIBING)
        return;
    if (m->status == STATUS_applied) {
        s->from = HOLDFAST_FROM_LAST;
        s->failures = 0;
        set_trouble(s, "");
        become(s, CONSUME_READY, INT64_MAX);
        consume_grant(s);
    } else if (m->endpoint.len > 0) {
        go_to(s, &m->endpoint, now_us);
    } else if ((m->status == STATUS_unavailable || m->status == STATUS_busy) && !m->field[0]) {
        set_trouble(s, m->message);
        become(s, CONSUME_REFUSED_NOW, now_us + AGAIN_US);
    } else {
        refuse(s, (int)m->status, m->field, m->message);
    }
}

static void heard_answer(struct holdfast_subscription *s, const uint8_t *body, size_t bytes,
                         int64_t now_us)
{
    if (!s->question || s->answer)
        return;
    Hf__RelayAnswer *answer = hf__relay_answer__unpack(&s->answer_pool.allocator, bytes, body);
    if (!answer) {
        end_session(s, "the relay's answer cannot be read", true, now_us);
    } else if (answer->endpoint.len > 0) {
        go_to(s, &answer->endpoint, now_us);
    } else {
        s->answer = answer;
        become(s, CONSUME_OVER, INT64_MAX);
    }
}

static void heard_error(struct holdfast_subscription *s, const Hf__Error *error, int64_t now_us)
{
    char why[200];

    if (strcmp(error->code, "deleted") == 0) {
        refuse(s, HOLDFAST_INVALID, "subscription", error->message);
        return;
    }
    snprintf(why, sizeof why, "%.40s: %.150s", error->code, error->message);
    if (strcmp(error->code, "malformed") == 0 && s->phase == CONSUME_READY) {
        refuse(s, HOLDFAST_INVALID, "", error->message);
        return;
    }
    end_session(s, why, strcmp(error->code, "no_session") != 0, now_us);
}

static void heard_heartbeat(struct holdfast_subscription *s, const Hf__Heartbeat *heard)
{
    Hf__Heartbeat answer = HF__HEARTBEAT__INIT;

    if (heard->answer)
        return;
    answer.echo = heard->echo;
    answer.answer = true;
    answer.clock_us = clock_wall_us();
    consume_send(s, MESSAGE_HEARTBEAT, 0, &answer.base);
}

/* A message that was not taken may have changed what comes behind it. */
static void leave(struct holdfast_subscription *s, int64_t now_us)
{
    end_session(s, "out of memory, or what the relay says cannot be read", true, now_us);
}

#define UNPACK(name) (m = hf__##name##__unpack(&pool.allocator, bytes, body))

/* Everything that is unpacked here is small and short-lived. Types that are not known, or of no use
 * yet, are passed over. */
static void heard_small(struct holdfast_subscription *s, const struct header *header,
                        const uint8_t *body, size_t bytes, int64_t now_us)
{
    bool is_ready = s->phase == CONSUME_READY, is_taken = true;
    struct pool pool;
    void *m = NULL;

    pool_init(&pool);
    if (header->type == MESSAGE_WELCOME) {
        if ((is_taken = UNPACK(welcome)))
            heard_welcome(s, header, m, now_us);
    } else if (header->type == MESSAGE_ERROR) {
        if ((is_taken = UNPACK(error)))
            heard_error(s, m, now_us);
    } else if (header->type == MESSAGE_HEARTBEAT) {
        if ((is_taken = UNPACK(heartbeat)))
            heard_heartbeat(s, m);
    } else if (header->type == MESSAGE_SUBSCRIBED) {
        if ((is_taken = UNPACK(subscribed)))
            heard_subscribed(s, m, now_us);
    } else if (header->type == MESSAGE_ASSIGN && is_ready) {
        is_taken = UNPACK(assign) && consume_assign(s, m);
    } else if (header->type == MESSAGE_ACKED && is_ready) {
        if ((is_taken = UNPACK(ack)))
            consume_acked(s, m);
    } else if (header->type == MESSAGE_HALTED && is_ready) {
        if ((is_taken = UNPACK(halted)))
            consume_halted(s, m);
    }
    pool_release(&pool);
    if (!is_taken)
        leave(s, now_us);
}

static void heard_one(struct holdfast_subscription *s, const struct header *header,
                      const uint8_t *body, size_t bytes, int64_t now_us)
{
    if (header->type != MESSAGE_WELCOME && header->type != MESSAGE_ERROR &&
        (s->session == 0 || header->session != s->session))
        return;
    s->heard_at_us = now_us;
    if (header->type == MESSAGE_GOODBYE)
        end_session(s, "the relay said goodbye", true, now_us);
    else if (header->type == MESSAGE_EVENTS && s->phase == CONSUME_READY &&
             !consume_events(s, body, bytes))
        leave(s, now_us);
    else if (header->type == MESSAGE_EVENTS)
        return;
    else if (header->type == MESSAGE_ANSWER)
        heard_answer(s, body, bytes, now_us);
    else
        heard_small(s, header, body, bytes, now_us);
}

static void heard(struct holdfast_subscription *s, struct link_message *message, int64_t now_us)
{
    struct header header;
    const uint8_t *body = zmq_msg_data(&message->body);
    size_t bytes = zmq_msg_size(&message->body);

    if (message->misframed || header_read(&header, zmq_msg_data(&message->header),
                                          zmq_msg_size(&message->header)) != HEADER_OK)
        return;
    if (header.type != MESSAGE_BATCH) {
        heard_one(s, &header, body, bytes, now_us);
        return;
    }
    struct batch_reader reader;
    batch_reader_init(&reader, body, bytes);
    while (batch_next(&reader, &header, &body, &bytes) == BATCH_ITEM)
        heard_one(s, &header, body, bytes, now_us);
}

/* ------------------------------------------------------------- time */

static void beat(struct holdfast_subscription *s, int64_t now_us)
{
    Hf__Heartbeat heartbeat = HF__HEARTBEAT__INIT;

    if (s->session == 0)
        return;
    if (now_us - s->heard_at_us > HEARTBEATS_MISSED * s->heartbeat_us) {
        end_session(s, "the relay is silent", true, now_us);
    } else if (now_us - s->said_at_us >= s->heartbeat_us / 2) {
        heartbeat.echo = (uint64_t)now_us;
        heartbeat.clock_us = clock_wall_us();
        consume_send(s, MESSAGE_HEARTBEAT, 0, &heartbeat.base);
    }
}

static void run_phase(struct holdfast_subscription *s, int64_t now_us)
{
    if (now_us < s->phase_until_us)
        return;
    switch (s->phase) {
    case CONSUME_PAUSED:
        say_hello(s, now_us);
        return;
    case CONSUME_HELLO:
        end_session(s, "no relay answers", true, now_us);
        return;
    case CONSUME_REFUSED_NOW:
        say_subscribe(s);
        return;
    case CONSUME_SUBSCRIBING:
    case CONSUME_READY:
    case CONSUME_OVER:
        return;
    }
}

void consume_process(struct holdfast_subscription *s, int64_t now_us)
{
    struct link_message message;

    if (s->phase == CONSUME_OVER)
        return;
    for (int i = 0; i < MESSAGES_PER_ROUND && link_receive(&s->link, &message); i++) {
        heard(s, &message, now_us);
        link_message_release(&message);
    }
    if (s->phase != CONSUME_PAUSED && s->phase != CONSUME_OVER && link_broken(&s->link)) {
        while (link_receive(&s->link, &message)) {
            heard(s, &message, now_us);
            link_message_release(&message);
        }
        if (s->phase != CONSUME_PAUSED && s->phase != CONSUME_OVER)
            end_session(s, "the connection broke", true, now_us);
    }
    beat(s, now_us);
    run_phase(s, now_us);
    if (s->is_short && s->phase != CONSUME_PAUSED && s->phase != CONSUME_OVER)
        leave(s, now_us);
    if (s->phase == CONSUME_READY && s->acks_due && now_us >= s->acks_due_us)
        consume_send_acks(s);
}

int64_t consume_due_us(const struct holdfast_subscription *s)
{
    int64_t due = s->phase_until_us;

    if (s->question && s->question_until_us < due)
        due = s->question_until_us;
    if (s->session != 0 && s->said_at_us + s->heartbeat_us / 2 < due)
        due = s->said_at_us + s->heartbeat_us / 2;
    if (s->phase == CONSUME_READY && s->acks_due && s->acks_due_us < due)
        due = s->acks_due_us;
    return due;
}

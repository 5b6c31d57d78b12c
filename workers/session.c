/* SPDX-License-Identifier: MIT
 *
 * A session is a link and a few numbers. Credit is absolute: after every batch the broker may be
 * told that it can send up to limits.worker_credit beyond what has been taken off the queue.
 */
#include "workers/session.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "protocol/error.h"
#include "workers/claims.h"
#include "workers/link.h"
#include "workers/peer_clock.h"

#define OUTBOX_BYTES_MAX (256 * 1024) /* then it is sent before more is put in */
#define HELLO_REPEAT_US 1000000
#define HEARTBEATS_MISSED 3
#define HEARTBEAT_MS_MAX 60000

enum session_state {
    SESSION_GREETING, /* HELLO is on its way; nothing else is sent */
    SESSION_OPEN,
    SESSION_REFUSED, /* the broker does not want us; asked again after a pause */
};

struct session {
    struct worker *worker;
    const struct config_broker *broker;
    struct broker_link *link;
    enum session_state state;
    uint32_t id;
    int64_t hello_next_us;
    int64_t heard_us, beat_next_us;
    int64_t heartbeat_us;
    struct peer_clock clock;
    uint64_t received; /* the highest sequence that came */
    uint64_t granted;
    int64_t echo;      /* of the latest heartbeat: when it was sent, and never the same twice */
    int64_t told_echo; /* of the first heartbeat that told of told_takings claims */
    uint64_t told_takings;
    uint64_t takings; /* of our claims, the broker knows so many */
    uint32_t waiting; /* received and not answered */
    bool tell_owned;
    bool tell_others;   /* work of another class than bulk has come, from any broker */
    int64_t trial_echo; /* of the heartbeat that told of the trial; 0: it is known */
    bool deaf;          /* it did not answer in time, and was not heard since */
    uint8_t *outbox;    /* the body of a BATCH in the making */
    size_t outbox_bytes, outbox_capacity;
    uint32_t outbox_count;
};

/* The one function that changes a session's state. */
static void become(struct session *session, enum session_state state, int64_t now_us)
{
    session->state = state;
    session->outbox_bytes = 0;
    session->outbox_count = 0;
    session->id = 0;
    session->received = 0;
    session->granted = 0;
    session->told_takings = 0;
    session->takings = 0;
    session->waiting = 0;
    session->hello_next_us = state == SESSION_REFUSED ? now_us + HELLO_REPEAT_US : now_us;
    session->trial_echo = 0; /* the first heartbeat of a session comes before any work of it */
    session->deaf = false;
    if (state == SESSION_OPEN) {
        session->tell_owned = true;
        session->beat_next_us = now_us;
        session->clock.known = false; /* told by the first answer, before any work */
    }
}

/* ------------------------------------------------------------- sending */

static bool send_frames(struct session *session, const struct header *header, const void *body,
                        size_t body_bytes)
{
    uint8_t bytes[HEADER_BYTES];

    header_write(header, bytes);
    return broker_link_send(session->link, bytes, body, body_bytes);
}

/* A broker that does not take our messages has lost them; only a new session makes that clear. */
static void send_or_restart(struct session *session, const struct header *header, const void *body,
                            size_t body_bytes)
{
    if (send_frames(session, header, body, body_bytes))
        return;
    if (session->state == SESSION_OPEN) {
        log_limited(LOG_WARN, "broker=%s could not send: %s; starting a new session",
                    session->broker->worker, broker_link_error());
        become(session, SESSION_GREETING, clock_monotonic_us() + HELLO_REPEAT_US);
    }
}

static void flush(struct session *session)
{
    struct header header = {.type = MESSAGE_BATCH};

    if (session->outbox_count == 0)
        return;
    if (session->state == SESSION_OPEN)
        send_or_restart(session, &header, session->outbox, session->outbox_bytes);
    session->outbox_bytes = 0;
    session->outbox_count = 0;
}

void sessions_flush(struct worker *worker)
{
    for (size_t i = 0; i < worker->session_count; i++)
        flush(&worker->sessions[i]);
}

bool session_is_current(const struct work *work)
{
    return work->session->state == SESSION_OPEN && work->session->id == work->header.session;
}

uint8_t *session_answer(struct work *work, uint8_t type, size_t body_bytes)
{
    struct session *session = work->session;
    struct header header = {
        .type = type,
        .partition = work->header.partition,
        .session = work->header.session,
        .sequence = work->header.sequence,
    };
    size_t bytes = BATCH_ITEM_BYTES + body_bytes;

    if (!session_is_current(work))
        return NULL;
    if (session->outbox_count == BATCH_MESSAGES_MAX ||
        (session->outbox_count > 0 && session->outbox_bytes + bytes > OUTBOX_BYTES_MAX))
        flush(session);
    if (session->state != SESSION_OPEN)
        return NULL;
    if (session->outbox_capacity - session->outbox_bytes < bytes) {
        session->outbox_capacity = session->outbox_bytes + bytes + OUTBOX_BYTES_MAX;
        session->outbox = realloc(session->outbox, session->outbox_capacity);
        if (!session->outbox)
            abort();
    }
    uint8_t *at = session->outbox + session->outbox_bytes;
    batch_item_write(&header, (uint32_t)body_bytes, at);
    session->outbox_bytes += bytes;
    session->outbox_count++;
    session->waiting--;
    /* The broker takes us for not serving the partition until it is told again. */
    if (type == MESSAGE_RETURNED)
        session->tell_owned = true;
    return at + BATCH_ITEM_BYTES;
}

static void say_hello(struct session *session, int64_t now_us)
{
    struct worker *worker = session->worker;
    struct header header = {.type = MESSAGE_HELLO, .partition = PARTITION_NONE};
    Hf__Hello hello = HF__HELLO__INIT;
    uint8_t body[1024];

    hello.role = HF__ROLE__ROLE_WORKER;
    hello.cluster.data = (uint8_t *)(uintptr_t)worker->config->name;
    hello.cluster.len = strlen(worker->config->name);
    hello.name.data = (uint8_t *)(uintptr_t)worker->name;
    hello.name.len = strlen(worker->name);
    hello.instance.data = worker->instance;
    hello.instance.len = sizeof worker->instance;
    hello.version_min = HEADER_VERSION;
    hello.version_max = HEADER_VERSION;
    hello.clock_us = timeline_now_us(&worker->timeline, now_us);
    hello.shard.data = (uint8_t *)(uintptr_t)worker->shard->name;
    hello.shard.len = strlen(worker->shard->name);
    hello.partitions = worker->config->partitions;
    if (hf__hello__get_packed_size(&hello) <= sizeof body)
        (void)send_frames(session, &header, body, hf__hello__pack(&hello, body));
    session->hello_next_us = now_us + HELLO_REPEAT_US;
}

static int64_t next_echo(struct session *session, int64_t now_us)
{
    uint64_t takings = session->worker->claims.takings;

    session->echo = now_us > session->echo ? now_us : session->echo + 1;
    if (takings != session->told_takings) {
        session->told_takings = takings;
        session->told_echo = session->echo;
    }
    return session->echo;
}

/* Everything that we own, at once when it changes and from the loop: a worker whose loop hangs
 * falls silent. */
static void beat(struct session *session, int64_t now_us)
{
    struct worker *worker = session->worker;
    struct claims *claims = &worker->claims;
    struct header header = {
        .type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = session->id};
    Hf__Heartbeat heartbeat = HF__HEARTBEAT__INIT;
    Hf__Owned *owned = calloc(claims->count + 1, sizeof *owned);
    Hf__Owned **list = calloc(claims->count + 1, sizeof *list);

    if (!owned || !list)
        abort();
    for (size_t i = 0; i < claims->count; i++) {
        const struct slot *slot = &claims->slots[i];
        if (slot->state == SLOT_OTHER)
            continue;
        Hf__Owned *one = &owned[heartbeat.n_owned];
        hf__owned__init(one);
        one->partition = slot->partition;
        one->epoch = slot->epoch;
        one->last_sequence = ledger_last_seq(slot->ledger);
        list[heartbeat.n_owned++] = one;
    }
    heartbeat.owned = list;
    if (worker->trial.session == session && worker->trial.id == session->id)
        heartbeat.trial = worker->trial.sequence;
    else
        heartbeat.trial_elsewhere = worker->trial.session != NULL;
    heartbeat.others = session->tell_others;
    session->tell_others = false;
    const char *trouble = trouble_now(worker, now_us);
    heartbeat.trouble = (ProtobufCBinaryData){strlen(trouble), (uint8_t *)(uintptr_t)trouble};
    heartbeat.clock_us = timeline_now_us(&worker->timeline, now_us);
    heartbeat.echo = (uint64_t)next_echo(session, now_us);
    size_t bytes = hf__heartbeat__get_packed_size(&heartbeat);
    uint8_t *body = malloc(bytes + 1);
    if (!body)
        abort();
    hf__heartbeat__pack(&heartbeat, body);
    session->tell_owned = false;
    session->beat_next_us = now_us + session->heartbeat_us;
    send_or_restart(session, &header, body, bytes);
    free(body);
    free(list);
    free(owned);
}

static void announce_trial(struct worker *worker, const struct work *suspect, int64_t now_us)
{
    worker->trial = (struct trial){.since_us = now_us};
    if (suspect) {
        worker->trial.session = suspect->session;
        worker->trial.id = suspect->header.session;
        worker->trial.sequence = suspect->header.sequence;
    }
    for (size_t i = 0; i < worker->session_count; i++) {
        struct session *session = &worker->sessions[i];
        if (session->state != SESSION_OPEN)
            continue;
        beat(session, now_us);
        session->trial_echo = session->echo;
    }
}

bool sessions_try(struct worker *worker, const struct work *suspect, int64_t now_us)
{
    struct trial *trial = &worker->trial;

    if (suspect ? !trial_is_of(trial, suspect) : trial->session != NULL)
        announce_trial(worker, suspect, now_us);
    bool late = sessions_try_wait_us(worker, now_us) == 0;
    trial->waits = false;
    for (size_t i = 0; i < worker->session_count; i++) {
        struct session *session = &worker->sessions[i];
        if (session->state != SESSION_OPEN || session->trial_echo == 0)
            continue;
        if (late)
            session->deaf = true;
        else if (!session->deaf)
            trial->waits = true;
    }
    return !trial->waits;
}

int64_t sessions_try_wait_us(const struct worker *worker, int64_t now_us)
{
    int64_t until_us =
        worker->trial.since_us + (int64_t)worker->config->windows.heartbeat_ms * 1000;

    return until_us > now_us ? until_us - now_us : 0;
}

static void grant(struct session *session)
{
    uint32_t ahead = session->worker->config->limits.worker_credit;
    uint64_t credit =
        session->received + ahead - (session->waiting < ahead ? session->waiting : ahead);
    struct header header = {.type = MESSAGE_CREDIT,
                            .partition = PARTITION_NONE,
                            .session = session->id,
                            .sequence = credit};

    if (session->worker->stopping || credit < session->granted + ahead / 2 + 1)
        return;
    session->granted = credit;
    send_or_restart(session, &header, NULL, 0);
}

/* ------------------------------------------------------------- receiving */

static void take_welcome(struct session *session, const struct header *header, const uint8_t *body,
                         size_t body_bytes, int64_t now_us)
{
    Hf__Welcome *welcome = hf__welcome__unpack(NULL, body_bytes, body);

    if (!welcome || session->state == SESSION_OPEN || header->session == 0) {
        hf__welcome__free_unpacked(welcome, NULL);
        return;
    }
    if (welcome->version != HEADER_VERSION ||
        (welcome->partitions != 0 && welcome->partitions != session->worker->config->partitions)) {
        log_limited(LOG_ERROR, "broker=%s speaks version %u for %u partitions; not ours",
                    session->broker->worker, welcome->version, welcome->partitions);
        become(session, SESSION_REFUSED, now_us);
        hf__welcome__free_unpacked(welcome, NULL);
        return;
    }
    become(session, SESSION_OPEN, now_us);
    session->id = header->session;
    session->heard_us = now_us;
    uint32_t heartbeat_ms = welcome->heartbeat_ms;
    if (heartbeat_ms == 0 || heartbeat_ms > HEARTBEAT_MS_MAX)
        heartbeat_ms = (uint32_t)session->worker->config->windows.heartbeat_ms;
    session->heartbeat_us = (int64_t)heartbeat_ms * 1000;
    log_info("broker=%s session=%u open", session->broker->worker, session->id);
    hf__welcome__free_unpacked(welcome, NULL);
}

/* The broker answers in order: what it sends from here on, it sends knowing what that heartbeat
 * said. */
static void take_echo(struct session *session, int64_t clock_us, int64_t echo, int64_t now_us)
{
    peer_clock_hear(&session->clock, clock_us, echo < now_us ? echo : now_us, now_us);
    if (echo >= session->told_echo && echo <= session->echo)
        session->takings = session->told_takings;
    if (echo >= session->trial_echo)
        session->trial_echo = 0;
}

static void take_heartbeat(struct session *session, const uint8_t *body, size_t body_bytes,
                           int64_t now_us)
{
    Hf__Heartbeat *heartbeat = hf__heartbeat__unpack(NULL, body_bytes, body);

    if (!heartbeat)
        return;
    if (heartbeat->answer)
        take_echo(session, heartbeat->clock_us, (int64_t)heartbeat->echo, now_us);
    for (size_t i = 0; i < heartbeat->n_stale; i++)
        claims_told(session->worker, heartbeat->stale[i]->partition, heartbeat->stale[i]->epoch);
    hf__heartbeat__free_unpacked(heartbeat, NULL);
}

static void take_error(struct session *session, const struct header *header, const uint8_t *body,
                       size_t body_bytes, int64_t now_us)
{
    /* About a message of a session that is over already. */
    if (session->state == SESSION_OPEN && header->session != 0 && header->session != session->id)
        return;
    Hf__Error *error = hf__error__unpack(NULL, body_bytes, body);
    enum error_code code = ERROR_COUNT;

    if (!error)
        return;
    bool known = error_from_name(error->code, &code);
    log_limited(LOG_WARN, "broker=%s error=%.32s %.200s", session->broker->worker, error->code,
                error->message);
    if (known && code == ERROR_no_session)
        become(session, SESSION_GREETING, now_us);
    else if (!known || error_ends_session(code))
        become(session, SESSION_REFUSED, now_us);
    hf__error__free_unpacked(error, NULL);
}

static void take_work(struct session *session, const struct header *header, const uint8_t *body,
                      size_t body_bytes)
{
    struct worker *worker = session->worker;

    if (header->session != session->id || header->sequence <= session->received ||
        header->sequence > session->granted) {
        log_limited(LOG_WARN, "broker=%s dropped a dispatch out of session, order or credit",
                    session->broker->worker);
        return;
    }
    session->received = header->sequence;
    session->waiting++;
    struct work *work = malloc(sizeof *work + body_bytes);
    if (!work)
        abort();
    *work = (struct work){.session = session,
                          .header = *header,
                          .takings = session->takings,
                          .body_bytes = body_bytes};
    memcpy(work->body, body, body_bytes);
    for (size_t i = 0; header->op_class != CLASS_BULK && i < worker->session_count; i++)
        worker->sessions[i].tell_others = true;
    work_push(header->type == MESSAGE_QUERY ? &worker->queries : &worker->operations, work);
}

static void take(struct session *session, const struct header *header, const uint8_t *body,
                 size_t body_bytes, int64_t now_us)
{
    if (header->type == MESSAGE_WELCOME) {
        take_welcome(session, header, body, body_bytes, now_us);
        return;
    }
    if (header->type == MESSAGE_ERROR) {
        take_error(session, header, body, body_bytes, now_us);
        return;
    }
    if (session->state != SESSION_OPEN)
        return;
    if (header->type == MESSAGE_OPERATION || header->type == MESSAGE_QUERY)
        take_work(session, header, body, body_bytes);
    else if (header->type == MESSAGE_HEARTBEAT && header->session == session->id)
        take_heartbeat(session, body, body_bytes, now_us);
    else if (header->type == MESSAGE_GOODBYE && header->session == session->id)
        become(session, SESSION_REFUSED, now_us);
}

/* One message. False when nothing has arrived. */
static bool receive(struct session *session, int64_t now_us)
{
    struct broker_message message;
    struct header header;

    if (!broker_link_receive(session->link, &message))
        return false;
    if (message.misframed ||
        header_read(&header, message.header, message.header_bytes) != HEADER_OK) {
        log_limited(LOG_WARN, "broker=%s dropped a message that is not of the protocol",
                    session->broker->worker);
        return true;
    }
    session->heard_us = now_us;
    session->deaf = false;
    if (header.type == MESSAGE_BATCH) {
        const uint8_t *body;
        size_t body_bytes;
        struct batch_reader reader;
        batch_reader_init(&reader, message.body, message.body_bytes);
        while (batch_next(&reader, &header, &body, &body_bytes) == BATCH_ITEM)
            take(session, &header, body, body_bytes, now_us);
    } else {
        take(session, &header, message.body, message.body_bytes, now_us);
    }
    return true;
}

void sessions_read(struct worker *worker)
{
    int64_t now_us = clock_monotonic_us();

    for (size_t i = 0; i < worker->session_count; i++) {
        for (size_t n = 0; n < SESSION_READ_MAX && receive(&worker->sessions[i], now_us); n++)
            continue;
    }
}

/* ------------------------------------------------------------- life */

bool sessions_open(struct worker *worker)
{
    worker->session_count = worker->config->broker_count;
    worker->sessions = calloc(worker->session_count, sizeof *worker->sessions);
    if (!worker->sessions)
        abort();
    for (size_t i = 0; i < worker->session_count; i++) {
        struct session *session = &worker->sessions[i];
        session->worker = worker;
        session->broker = &worker->config->brokers[i];
        session->heartbeat_us = (int64_t)worker->config->windows.heartbeat_ms * 1000;
        become(session, SESSION_GREETING, clock_monotonic_us());
        session->link = broker_link_open(worker->links, session->broker->worker);
        if (!session->link) {
            log_error("could not connect to \"%s\": %s", session->broker->worker,
                      broker_link_error());
            return false;
        }
    }
    return true;
}

void sessions_close(struct worker *worker, int linger_ms)
{
    for (size_t i = 0; i < worker->session_count; i++) {
        struct session *session = &worker->sessions[i];
        struct header header = {
            .type = MESSAGE_GOODBYE, .partition = PARTITION_NONE, .session = session->id};
        if (session->link) {
            flush(session);
            if (session->state == SESSION_OPEN)
                (void)send_frames(session, &header, NULL, 0);
            broker_link_close(&session->link, linger_ms);
        }
        free(session->outbox);
    }
    free(worker->sessions);
    worker->sessions = NULL;
    worker->session_count = 0;
}

struct broker_link *sessions_link(const struct worker *worker, size_t index)
{
    return worker->sessions[index].link;
}

int64_t session_clock_us(const struct session *session, int64_t monotonic_us)
{
    return peer_clock_us(&session->clock, monotonic_us);
}

void sessions_keep(struct worker *worker, int64_t now_us)
{
    for (size_t i = 0; i < worker->session_count; i++) {
        struct session *session = &worker->sessions[i];
        if (worker->claims.changed)
            session->tell_owned = true;
        if (session->state == SESSION_OPEN &&
            now_us - session->heard_us > HEARTBEATS_MISSED * session->heartbeat_us) {
            log_warn("broker=%s silent, starting a new session", session->broker->worker);
            become(session, SESSION_GREETING, now_us);
        }
        if (session->state != SESSION_OPEN) {
            if (now_us >= session->hello_next_us && worker->timeline.known && !worker->stopping)
                say_hello(session, now_us);
            continue;
        }
        if (session->tell_owned || now_us >= session->beat_next_us)
            beat(session, now_us);
        if (session->state == SESSION_OPEN)
            grant(session);
    }
    worker->claims.changed = false;
}

int64_t sessions_wait_us(const struct worker *worker, int64_t now_us)
{
    int64_t next_us = now_us + HELLO_REPEAT_US;

    for (size_t i = 0; i < worker->session_count; i++) {
        const struct session *session = &worker->sessions[i];
        bool open = session->state == SESSION_OPEN;
        int64_t due_us = open ? session->beat_next_us : session->hello_next_us;
        if (!open && (worker->stopping || !worker->timeline.known))
            continue;
        if (due_us < next_us)
            next_us = due_us;
    }
    return next_us > now_us ? next_us - now_us : 0;
}

/* SPDX-License-Identifier: MIT
 *
 * A whole worker with one partition, without sockets, SQL or clock: the seams of link.h, db.h,
 * store.h, store_claims.h and clock.h end in arrays. The rows are those of ledger_world.h and are
 * held to its rules. The test is the broker, the other workers and the server: it sends dispatches,
 * claims behind the worker's back, moves clocks and says how a call ends. Included by one file per
 * test program.
 */
#ifndef TESTS_WORKER_WORLD_H
#define TESTS_WORKER_WORLD_H

#include "tests/unit/ledger_world.h"

#include "common/clock.h"
#include "common/random.h"
#include "workers/batch.h"
#include "workers/claims.h"
#include "workers/copy.h"
#include "workers/decide.h"
#include "workers/link.h"
#include "workers/loop.h"
#include "workers/query.h"
#include "workers/session.h"
#include "workers/store_claims.h"
#include "workers/store_history.h"
#include "workers/store_prune.h"

#define HOUSE_MESSAGES 2048
#define HOUSE_PARTITIONS 16u
#define LEASE_US (3 * SECOND)

struct letter {
    struct header header;
    uint8_t body[2048];
    size_t body_bytes;
};

struct house {
    struct world *db; /* the rows */
    struct config config;
    struct worker worker;

    /* the clocks: of this machine, and of the server and the broker against it */
    int64_t mono_us, server_ahead_us, broker_ahead_us;
    bool server_down;
    int64_t pause_us; /* of the worker, after it has read the server's clock at a connect */

    /* partition 0's row, and those of others that nobody wants and nothing happens in */
    struct store_seen row, others[HOUSE_PARTITIONS];
    uint8_t instance[16]; /* of its owner */
    bool has_owner;
    int64_t lease_until_us, clock_high_us, clock_offset_us;
    unsigned long connections;

    /* an open transaction of a claim */
    bool taking;
    struct store_claim taken;
    struct store_offset offset;

    /* what the next calls come to; anything after the last is as usual */
    enum store_outcome writes[8];
    bool written_anyway[8]; /* the rows are there, whatever is said */
    size_t write_count, write_at;
    enum db_outcome next_look;
    size_t largest_write; /* movements; more is STORE_TOO_LARGE. 0: no limit */
    uint8_t refuses_reservation[RESERVATION_ID_BYTES]; /* the server refuses rows of it … */
    bool refuses;                                      /* … when this is set */
    void (*before_write)(struct house *);
    void (*before_due)(struct house *);
    unsigned looks, dues, transactions, too_large;

    /* the broker */
    uint32_t session;
    uint64_t sequence, credit, epoch_told, echo;
    bool silent; /* does not answer; what is asked meanwhile is not answered later either */
    int64_t beat_us, longest_silence_us; /* of heartbeats */
    bool told_owned, beat_after_return;
    int64_t hello_clock_us; /* the worker's latest HELLO said so */
    uint64_t stale_epoch;   /* the broker knows of a claim with this epoch, and says so */
    struct letter in[HOUSE_MESSAGES], out[HOUSE_MESSAGES]; /* of the worker */
    size_t in_first, in_count, out_count;
};

static struct house house;

/* ------------------------------------------------------------- clocks and chance */

int64_t clock_monotonic_us(void)
{
    return house.mono_us;
}

int64_t clock_wall_us(void)
{
    return START_US + house.mono_us;
}

static int64_t server_now(void)
{
    return START_US + house.mono_us + house.server_ahead_us;
}

static int64_t broker_now(void)
{
    return START_US + house.mono_us + house.broker_ahead_us;
}

bool random_bytes(void *bytes, size_t size)
{
    static uint8_t next;
    memset(bytes, ++next, size);
    return true;
}

uint64_t random_below(uint64_t bound)
{
    return bound / 2;
}

/* ------------------------------------------------------------- what only reads or tidies */

void copy_init(struct worker *worker)
{
    (void)worker;
}
void copy_release(struct worker *worker)
{
    (void)worker;
}
void copy_changed(struct worker *worker, const struct changes *changes)
{
    (void)worker, (void)changes;
}
void copy_tick(struct worker *worker, int64_t now_us)
{
    (void)worker, (void)now_us;
}
int64_t copy_wait_us(const struct worker *worker, int64_t now_us)
{
    (void)worker, (void)now_us;
    return INT64_MAX;
}
void query_tick(struct worker *worker, int64_t now_us)
{
    (void)worker, (void)now_us;
}

/* ------------------------------------------------------------- the server */

void db_init(struct db *db, const struct config_shard *shard)
{
    *db = (struct db){.shard = shard};
}

void db_close(struct db *db)
{
    db->mysql = NULL;
    house.taking = false;
}

bool db_connected(const struct db *db)
{
    return db->mysql != NULL;
}

const char *db_error(const struct db *db)
{
    (void)db;
    return "an error";
}

bool store_connect(struct db *db, int64_t *server_us)
{
    static int connection;

    if (house.server_down)
        return false;
    db->mysql = (void *)&connection;
    db->thread_id = ++house.connections;
    *server_us = server_now();
    house.mono_us += house.pause_us;
    house.pause_us = 0;
    return true;
}

static enum db_outcome lost(struct db *db)
{
    db_close(db);
    return DB_LOST;
}

enum db_outcome store_look(struct db *db, const struct store_owner *owner,
                           const struct store_claim *ours, size_t count, struct store_look *look)
{
    enum db_outcome outcome = house.next_look;

    *look = (struct store_look){.workers = 1};
    house.looks++;
    house.next_look = DB_OK;
    if (house.server_down || outcome != DB_OK)
        return lost(db);
    look->server_us = server_now();
    look->seen_all = true;
    look->count = house.config.partitions;
    look->seen = calloc(look->count, sizeof *look->seen);
    assert_non_null(look->seen);
    for (uint32_t p = 1; p < look->count; p++) {
        look->seen[p] = house.others[p];
        look->seen[p].claim.partition = p;
        look->seen[p].free = true;
    }
    house.row.free = !house.has_owner || house.lease_until_us < server_now();
    house.row.lease_until_us = house.has_owner ? house.lease_until_us : 0;
    house.row.mine = memcmp(house.instance, owner->instance, sizeof house.instance) == 0;
    look->seen[0] = house.row;
    for (size_t i = 0; i < count; i++) {
        if (ours[i].partition > 0)
            look->renewed++;
        if (memcmp(&ours[i], &house.row.claim, sizeof ours[i]) != 0)
            continue;
        house.lease_until_us = server_now() + owner->lease_us;
        look->renewed++;
    }
    return DB_OK;
}

void store_look_release(struct store_look *look)
{
    free(look->seen);
}

void store_kill(struct db *db, uint64_t connection)
{
    (void)db, (void)connection;
}

static struct store_taken take_other(const struct store_claim *wanted)
{
    struct store_claim *claim = &house.others[wanted->partition].claim;

    *claim = *wanted;
    claim->epoch++;
    return (struct store_taken){.claim = *claim, .server_us = server_now()};
}

static struct store_taken take_row(const struct store_claim *wanted)
{
    house.taking = true;
    house.taken = *wanted;
    house.taken.epoch = 1 + (wanted->above > wanted->epoch ? wanted->above : wanted->epoch);
    house.taken.above = 0;
    house.offset.offset_us = house.clock_offset_us;
    return (struct store_taken){.claim = house.taken,
                                .last_seq = house.db->last_seq,
                                .clock_high_us = house.clock_high_us,
                                .clock_offset_us = house.clock_offset_us,
                                .server_us = server_now()};
}

enum db_outcome store_take(struct db *db, const struct store_owner *owner,
                           const struct store_claim *wanted, size_t count,
                           struct store_taken *taken, size_t *taken_count)
{
    bool mine = memcmp(house.instance, owner->instance, sizeof house.instance) == 0;
    bool is_free = !house.has_owner || house.lease_until_us < server_now();

    *taken_count = 0;
    if (house.server_down)
        return lost(db);
    house.transactions++;
    for (size_t i = 0; i < count; i++) {
        if (wanted[i].partition > 0)
            taken[(*taken_count)++] = take_other(&wanted[i]);
        else if (wanted[i].epoch == house.row.claim.epoch && (mine || is_free))
            taken[(*taken_count)++] = take_row(&wanted[i]);
    }
    return DB_OK;
}

enum db_outcome store_offsets(struct db *db, const struct store_offset *offsets, size_t count)
{
    (void)db;
    assert_int_equal(count, 1);
    house.offset = offsets[0];
    return DB_OK;
}

void db_rollback(struct db *db)
{
    (void)db;
    house.taking = false;
}

static void house_owned_by(const uint8_t instance[16], const struct store_claim *claim)
{
    house.row.claim = *claim;
    house.db->epoch = claim->epoch;
    memcpy(house.instance, instance, sizeof house.instance);
    house.has_owner = true;
    house.lease_until_us = server_now() + LEASE_US;
}

enum db_outcome db_commit(struct db *db)
{
    if (house.server_down)
        return lost(db);
    if (house.taking) {
        house_owned_by(house.worker.instance, &house.taken);
        house.row.connection = db->thread_id;
        house.clock_offset_us = house.offset.offset_us;
    }
    house.taking = false;
    return DB_OK;
}

enum db_outcome store_due(struct db *db, struct ledger *ledger)
{
    house.dues++;
    if (house.before_due)
        house.before_due(&house);
    if (house.server_down)
        return lost(db);
    for (size_t i = 0; i < house.db->reservation_count && ledger_partition(ledger) == 0; i++) {
        const struct reservation *r = &house.db->reservations[i];
        if (r->state == HF__RESERVATION_STATE__RESERVATION_ACTIVE)
            ledger_put_due(ledger, r->id, r->expires_at_us);
    }
    return DB_OK;
}

enum db_outcome store_hand_over(struct db *db, const struct store_claim *claims, size_t count)
{
    (void)db;
    for (size_t i = 0; i < count; i++)
        house.has_owner =
            house.has_owner && memcmp(&claims[i], &house.row.claim, sizeof claims[i]) != 0;
    return DB_OK;
}

enum db_outcome store_goodbye(struct db *db, const uint8_t instance[UUID_BYTES])
{
    (void)db, (void)instance;
    return DB_OK;
}

enum db_outcome store_load(struct db *db, const struct store_need *needs, size_t count,
                           struct catalog *catalog, struct arena *arena)
{
    struct world as_asked = *house.db;

    (void)arena;
    if (house.server_down)
        return lost(db);
    as_asked.catalog = catalog;
    for (size_t i = 0; i < count; i++) {
        as_asked.ledger = needs[i].ledger;
        load_one(&as_asked, &needs[i].need);
    }
    return DB_OK;
}

static bool is_duplicate(const struct changes *changes)
{
    for (size_t i = 0; i < house.db->movement_count; i++) {
        for (size_t j = 0; j < changes->movement_count; j++) {
            if (memcmp(house.db->movements[i].operation_id, changes->movements[j].operation_id,
                       UUID_BYTES) == 0)
                return true;
        }
    }
    return false;
}

static bool is_refused(const struct changes *changes)
{
    for (size_t i = 0; i < changes->reservation_count && house.refuses; i++) {
        if (memcmp(changes->reservations[i].reservation->id, house.refuses_reservation,
                   RESERVATION_ID_BYTES) == 0)
            return true;
    }
    return false;
}

static enum store_outcome write_part(const struct store_part *part)
{
    const struct store_claim *claim = &house.row.claim;

    if (house.largest_write > 0 && part->changes.movement_count > house.largest_write) {
        house.too_large++;
        return STORE_TOO_LARGE;
    }
    if (part->epoch != claim->epoch ||
        memcmp(part->claim_id, claim->claim_id, sizeof claim->claim_id) != 0 ||
        part->changes.base_seq != house.db->last_seq)
        return STORE_FENCED;
    if (is_duplicate(&part->changes) || is_refused(&part->changes))
        return STORE_REPEATS;
    house.db->changes = part->changes;
    apply_changes(house.db);
    house.clock_high_us = part->now_us;
    house.lease_until_us = server_now() + LEASE_US;
    return STORE_DONE;
}

enum store_outcome store_write(struct db *db, const struct store_part *parts, size_t count,
                               int64_t lease_us)
{
    size_t at = house.write_at++;

    assert_int_equal(count, 1);
    assert_int_equal(lease_us, LEASE_US);
    if (house.before_write)
        house.before_write(&house);
    if (house.server_down) {
        db_close(db);
        return STORE_LOST;
    }
    if (at >= house.write_count)
        return write_part(&parts[0]);
    if (house.written_anyway[at])
        assert_int_equal(write_part(&parts[0]), STORE_DONE);
    if (house.writes[at] == STORE_LOST || house.writes[at] == STORE_UNKNOWN)
        db_close(db);
    return house.writes[at];
}

/* The next transactions of a batch end so. */
static inline void house_write_ends(enum store_outcome outcome, bool written_anyway)
{
    if (house.write_at >= house.write_count)
        house.write_at = house.write_count = 0;
    house.writes[house.write_count] = outcome;
    house.written_anyway[house.write_count++] = written_anyway;
}

enum db_outcome store_prune_find(struct db *db, const struct store_prune *prune, size_t limit,
                                 uint64_t *upto)
{
    (void)db;
    *upto = 0;
    for (size_t i = 0; i < house.db->movement_count && i < limit; i++) {
        if (house.db->movements[i].at_us < prune->cutoff_us)
            *upto = house.db->movements[i].seq;
    }
    return DB_OK;
}

enum db_outcome store_prune_closed(struct db *db, const struct store_prune *prune, uint64_t upto,
                                   size_t limit, uint8_t (*ids)[RESERVATION_ID_BYTES],
                                   size_t *count)
{
    (void)db, (void)prune, (void)upto, (void)limit, (void)ids;
    *count = 0;
    return DB_OK;
}

enum db_outcome store_prune(struct db *db, const struct store_prune *prune, uint64_t upto,
                            uint8_t (*ids)[RESERVATION_ID_BYTES], size_t count, uint64_t *rows)
{
    size_t gone = 0;

    (void)db, (void)ids, (void)count;
    while (gone < house.db->movement_count && house.db->movements[gone].seq <= upto)
        gone++;
    house.db->movement_count -= gone;
    memmove(house.db->movements, house.db->movements + gone,
            house.db->movement_count * sizeof *house.db->movements);
    if (house.clock_high_us < prune->now_us)
        house.clock_high_us = prune->now_us;
    *rows = gone;
    return DB_OK;
}

enum db_outcome store_prune_claims(struct db *db, const struct store_prune *prune, int64_t dead_us,
                                   size_t limit, uint64_t *rows)
{
    (void)db, (void)prune, (void)dead_us, (void)limit;
    *rows = 0;
    return DB_OK;
}

/* Only for counts that conflict. */
enum db_outcome store_history(struct db *db, uint32_t partition, const struct history *history,
                              struct arena *arena, struct movement **movements, size_t *count,
                              bool *more)
{
    (void)db, (void)partition, (void)history, (void)arena, (void)movements, (void)more;
    *count = 0;
    return DB_FAILED;
}

/* ------------------------------------------------------------- another worker */

static inline void other_claims(void)
{
    static const uint8_t other[16] = {0xbb};
    struct store_claim claim = {.partition = 0, .epoch = house.row.claim.epoch + 1};

    memset(claim.claim_id, (int)(0x80 + claim.epoch), sizeof claim.claim_id);
    house_owned_by(other, &claim);
}

static inline void other_hands_over(void)
{
    house.has_owner = false;
}

/* ------------------------------------------------------------- the broker */

struct broker_link *broker_link_open(void *context, const char *endpoint)
{
    (void)context, (void)endpoint;
    return (struct broker_link *)(void *)&house;
}

void broker_link_close(struct broker_link **link, int linger_ms)
{
    (void)linger_ms;
    *link = NULL;
}

const char *broker_link_error(void)
{
    return "an error";
}

void *broker_link_socket(const struct broker_link *link)
{
    (void)link;
    return NULL;
}

/* A message lies in the worker's socket. */
static inline void house_say(struct header header, const ProtobufCMessage *message)
{
    assert_true(house.in_count < HOUSE_MESSAGES);
    struct letter *letter = &house.in[(house.in_first + house.in_count++) % HOUSE_MESSAGES];

    letter->header = header;
    letter->body_bytes = message ? protobuf_c_message_get_packed_size(message) : 0;
    assert_true(letter->body_bytes <= sizeof letter->body);
    if (message)
        protobuf_c_message_pack(message, letter->body);
}

static inline void house_welcome(void)
{
    Hf__Welcome welcome = HF__WELCOME__INIT;

    welcome.version = HEADER_VERSION;
    welcome.partitions = house.config.partitions;
    welcome.clock_us = broker_now();
    welcome.heartbeat_ms = 1000;
    house.session++;
    house.sequence = 0;
    house.credit = 0;
    house_say((struct header){.type = MESSAGE_WELCOME, .session = house.session}, &welcome.base);
}

/* An answer to the worker's latest heartbeat, as of now. */
static inline void house_answers_beat(void)
{
    Hf__Heartbeat beat = HF__HEARTBEAT__INIT;

    beat.clock_us = broker_now();
    beat.answer = true;
    beat.echo = house.echo;
    Hf__Owned stale = HF__OWNED__INIT, *list[] = {&stale};
    stale.epoch = house.stale_epoch;
    if (house.stale_epoch > house.epoch_told) {
        beat.stale = list;
        beat.n_stale = 1;
    }
    house_say((struct header){.type = MESSAGE_HEARTBEAT, .session = house.session}, &beat.base);
}

static inline void house_ends_session(void)
{
    Hf__Error error = HF__ERROR__INIT;

    error.code = (char *)(uintptr_t) "silent";
    house_say((struct header){.type = MESSAGE_ERROR, .session = house.session}, &error.base);
}

static inline void house_hears_beat(const uint8_t *body, size_t body_bytes)
{
    Hf__Heartbeat *beat = hf__heartbeat__unpack(NULL, body_bytes, body);

    assert_non_null(beat);
    if (house.mono_us - house.beat_us > house.longest_silence_us && house.beat_us > 0)
        house.longest_silence_us = house.mono_us - house.beat_us;
    house.beat_us = house.mono_us;
    house.told_owned = beat->n_owned > 0;
    house.beat_after_return = true;
    if (house.told_owned)
        house.epoch_told = beat->owned[0]->epoch;
    house.echo = beat->echo;
    hf__heartbeat__free_unpacked(beat, NULL);
    if (!house.silent)
        house_answers_beat();
}

static inline void house_hears_hello(const uint8_t *body, size_t body_bytes)
{
    Hf__Hello *hello = hf__hello__unpack(NULL, body_bytes, body);

    assert_non_null(hello);
    house.hello_clock_us = hello->clock_us;
    hf__hello__free_unpacked(hello, NULL);
    if (!house.silent)
        house_welcome();
}

static inline void house_hears(const struct header *header, const uint8_t *body, size_t body_bytes)
{
    if (header->type == MESSAGE_HELLO)
        house_hears_hello(body, body_bytes);
    else if (header->type == MESSAGE_HEARTBEAT)
        house_hears_beat(body, body_bytes);
    else if (header->type == MESSAGE_CREDIT)
        house.credit = header->sequence;
    else if (header->type >= MESSAGE_OPERATION) {
        assert_true(house.out_count < HOUSE_MESSAGES && body_bytes <= sizeof house.out[0].body);
        struct letter *letter = &house.out[house.out_count++];
        letter->header = *header;
        house.beat_after_return = house.beat_after_return && header->type != MESSAGE_RETURNED;
        letter->body_bytes = body_bytes;
        if (body_bytes > 0)
            memcpy(letter->body, body, body_bytes);
    }
}

bool broker_link_send(struct broker_link *link, const uint8_t bytes[HEADER_BYTES], const void *body,
                      size_t body_bytes)
{
    struct header header;
    struct batch_reader reader;
    const uint8_t *item;
    size_t item_bytes;

    (void)link;
    assert_int_equal(header_read(&header, bytes, HEADER_BYTES), HEADER_OK);
    if (header.type != MESSAGE_BATCH) {
        house_hears(&header, body, body_bytes);
        return true;
    }
    batch_reader_init(&reader, body, body_bytes);
    while (batch_next(&reader, &header, &item, &item_bytes) == BATCH_ITEM)
        house_hears(&header, item, item_bytes);
    return true;
}

bool broker_link_receive(struct broker_link *link, struct broker_message *message)
{
    static uint8_t header[HEADER_BYTES];

    (void)link;
    if (house.in_count == 0)
        return false;
    struct letter *letter = &house.in[house.in_first];
    house.in_first = (house.in_first + 1) % HOUSE_MESSAGES;
    house.in_count--;
    header_write(&letter->header, header);
    *message = (struct broker_message){.header = header,
                                       .header_bytes = HEADER_BYTES,
                                       .body = letter->body,
                                       .body_bytes = letter->body_bytes};
    return true;
}

/* ------------------------------------------------------------- acts */

static inline void house_open_with(uint32_t partitions)
{
    memset(&house, 0, sizeof house);
    house.mono_us = 1000 * SECOND;
    house.db = shop("");
    config_defaults(&house.config);
    snprintf(house.config.name, sizeof house.config.name, "test");
    house.config.partitions = partitions;
    house.config.broker_count = 1;
    house.config.shard_count = 1;
    snprintf(house.config.shards[0].name, sizeof house.config.shards[0].name, "s1");
    house.config.windows.lease_ms = LEASE_US / 1000;
    house.row.claim.epoch = house.db->epoch;
    assert_true(worker_open(&house.worker, &house.config, &house.config.shards[0], "w1", &house));
}

static inline void house_open(void)
{
    house_open_with(1);
}

static inline void house_close(void)
{
    worker_close(&house.worker, 0);
    world_destroy(house.db);
}

static inline void turn(void)
{
    worker_turn(&house.worker);
}

/* Time passes, with a turn every 50 ms. */
static inline void pass(int64_t us)
{
    for (int64_t end = house.mono_us + us; house.mono_us < end;) {
        house.mono_us += 50000;
        house.db->now_us = broker_now();
        turn();
    }
}

/* Turns until it owns the partition and the broker has credit. */
static inline void house_settles_down(void)
{
    for (int i = 0; i < 100 && !(house.told_owned && house.credit > 0); i++)
        pass(50000);
    assert_true(house.told_owned && house.credit > 0);
    assert_int_equal(house.epoch_told, house.row.claim.epoch);
}

/* A dispatch lies in the worker's socket; its sequence. */
static inline uint64_t dispatch_with(const Hf__Operation *operation, uint16_t attempt,
                                     int64_t not_after_us, uint8_t flags)
{
    struct header header = {.type = MESSAGE_OPERATION,
                            .flags = flags,
                            .op_class = CLASS_SERVICE,
                            .attempt = attempt,
                            .session = house.session,
                            .sequence = ++house.sequence,
                            .not_after_us = not_after_us};

    assert_true(house.sequence <= house.credit);
    house_say(header, &operation->base);
    return header.sequence;
}

static inline uint64_t dispatch_until(const Hf__Operation *operation, uint16_t attempt,
                                      int64_t not_after_us)
{
    return dispatch_with(operation, attempt, not_after_us, 0);
}

static inline uint64_t dispatch_suspect(const Hf__Operation *operation)
{
    return dispatch_with(operation, 2, broker_now() + 60 * SECOND, HEADER_FLAG_SUSPECT);
}

static inline uint64_t dispatch_one(const Hf__Operation *operation, uint16_t attempt)
{
    return dispatch_until(operation, attempt, broker_now() + 60 * SECOND);
}

/* What came back for a dispatch of the current session: "returned", the result's name, or "". */
static inline const char *answer_to(uint64_t sequence)
{
    for (size_t i = 0; i < house.out_count; i++) {
        const struct letter *letter = &house.out[i];
        if (letter->header.sequence != sequence || letter->header.session != house.session)
            continue;
        if (letter->header.type == MESSAGE_RETURNED)
            return "returned";
        Hf__Result *result = hf__result__unpack(NULL, letter->body_bytes, letter->body);
        assert_non_null(result);
        enum status status = (enum status)result->status;
        hf__result__free_unpacked(result, NULL);
        return status_name(status);
    }
    return "";
}

#endif

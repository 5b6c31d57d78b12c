/* SPDX-License-Identifier: MIT
 *
 * See judge.h.
 */
#include "tests/simulate/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/holdfast.pb-c.h"
#include "tests/history/history.h"

/* Warehouses and reasons come to other shards a while after they were put. */
#define CATALOG_LAG_US 60000000

static const char *const kind_names[WORLD_KINDS] = {
    [HOLDFAST_RESERVE] = "reserve",
    [HOLDFAST_EXTEND] = "extend",
    [HOLDFAST_PURCHASE] = "purchase",
    [HOLDFAST_RELEASE] = "release",
    [HOLDFAST_SHIP] = "ship",
    [HOLDFAST_CANCEL] = "cancel",
    [HOLDFAST_RETURN] = "return",
    [HOLDFAST_RECEIVE] = "receive",
    [HOLDFAST_ADJUST] = "adjust",
    [HOLDFAST_COUNT] = "count",
    [HOLDFAST_TRANSFER] = "transfer",
    [HOLDFAST_QUARANTINE] = "quarantine",
    [HOLDFAST_RESTORE] = "restore",
    [HOLDFAST_SET_SAFETY_STOCK] = "set_safety_stock",
    [HOLDFAST_SET_REORDER_POINT] = "set_reorder_point",
    [HOLDFAST_PUT_ITEM] = "put_item",
    [HOLDFAST_PUT_WAREHOUSE] = "put_warehouse",
    [HOLDFAST_PUT_REASON] = "put_reason",
    [HOLDFAST_SETTLE] = "settle",
    [HOLDFAST_BEGIN_RUN] = "begin_run",
    [HOLDFAST_RECORD_RUN] = "record_run",
    [HOLDFAST_UNDO] = "undo",
};

/* An owner refuses from memory as long as its lease has not run out; so long it may not have seen
 * that the server is another. And what it said is under way. */
#define IN_FLIGHT_US 10000000

/* A call, so that the history can be begun again. */
struct told {
    const struct note *note;
    char id[UUID_TEXT_BYTES];
    uint64_t call;
    int64_t time_us;
    uint16_t attempt;
    bool old; /* its id was used before a tail was lost */
};

/* Calls by id; told itself moves when it grows. */
struct told_id {
    struct told_id *next;
    uint8_t id[UUID_BYTES];
    const struct note *note;
};

#define BUCKETS 1024u
#define SAW_MAX 256u /* above every kind and status */

static struct {
    struct history *history;
    struct told_id *buckets[BUCKETS];
    struct told *told;
    size_t count, capacity;
    size_t lost_at;        /* calls before this one are as unknown */
    int64_t lost_until_us; /* so are those of so long */
    char first[1024];
    char rule[32];
    size_t findings;
} judge;

const char *judge_kind_name(enum holdfast_operation_kind kind)
{
    return kind < WORLD_KINDS && kind_names[kind] ? kind_names[kind] : "?";
}

/* Counts that something of this name was seen: the words are put together once. */
static void saw(const char *what, unsigned number, const char *name)
{
    static char words[3][SAW_MAX][40];
    char *text = number < SAW_MAX ? words[what[0] == 'o'   ? 0
                                          : what[0] == 'r' ? 1
                                                           : 2][number]
                                  : NULL;

    sim_require(text != NULL, "a %s of number %u", what, number);
    if (text[0] == '\0')
        snprintf(text, sizeof words[0][0], "%s %s", what, name);
    sim_seen(text);
}

static void open_history(void)
{
    struct history_options options = {
        .partitions = world.config.partitions,
        .clock_skew_us = world.jumps ? -1 : 10000000,
        .catalog_lag_us = CATALOG_LAG_US,
    };

    judge.history = history_new(&options);
}

void judge_begin(void)
{
    memset(&judge, 0, sizeof judge);
    judge_read_begin();
    open_history();
}

static void invoke(const struct told *told)
{
    struct holdfast_operation operation = told->note->operation;

    operation.operation_id = told->id;
    operation.attempt = told->attempt;
    sim_require(history_invoke(judge.history, told->call, told->time_us, &operation),
                "the history does not take call %llu", (unsigned long long)told->call);
}

/* Was this id used before the last loss? */
static bool id_is_old(const char *id)
{
    for (size_t i = 0; i < judge.lost_at; i++) {
        if (strcmp(judge.told[i].id, id) == 0)
            return true;
    }
    return false;
}

static struct told_id **bucket_of(const uint8_t id[UUID_BYTES])
{
    return &judge.buckets[(id[14] << 8 | id[15]) % BUCKETS]; /* random in every id */
}

const struct note *judge_note(const uint8_t id[UUID_BYTES])
{
    for (const struct told_id *one = *bucket_of(id); one; one = one->next) {
        if (memcmp(one->id, id, UUID_BYTES) == 0)
            return one->note;
    }
    return NULL;
}

int64_t judge_effect_until_us(const uint8_t id[UUID_BYTES])
{
    int64_t until_us = INT64_MIN;

    for (const struct told_id *one = *bucket_of(id); one; one = one->next) {
        if (memcmp(one->id, id, UUID_BYTES) == 0 && one->note->effect_until_us > until_us)
            until_us = one->note->effect_until_us;
    }
    return until_us;
}

static void remember_id(const struct note *note)
{
    struct told_id *one = malloc(sizeof *one);

    if (!one)
        abort();
    one->note = note;
    sim_require(uuid_parse(note->id, one->id), "not an id: %s", note->id);
    struct told_id **bucket = bucket_of(one->id);
    one->next = *bucket;
    *bucket = one;
}

void judge_invoke(const struct note *note)
{
    struct sim_process *back = sim_enter(NULL);

    if (judge.count == judge.capacity) {
        judge.capacity = judge.capacity ? judge.capacity * 2 : 1024;
        judge.told = realloc(judge.told, judge.capacity * sizeof *judge.told);
        if (!judge.told)
            abort();
    }
    struct told *told = &judge.told[judge.count++];
    *told = (struct told){.note = note,
                          .call = note->call,
                          .time_us = sim_wall_us(NULL),
                          .attempt = note->operation.attempt,
                          .old = sim_now_us() < judge.lost_until_us || id_is_old(note->id) ||
                                 (note->asked_for && id_is_old(note->settles))};
    strcpy(told->id, note->id);
    sim_require(note->call == judge.count, "calls are out of order");
    remember_id(note);
    invoke(told);
    saw("operation", (unsigned)note->operation.kind, judge_kind_name(note->operation.kind));
    sim_leave(back);
}

void judge_result(const struct note *note, const struct holdfast_result *result)
{
    struct sim_process *back = sim_enter(NULL);
    const struct told *told = &judge.told[note->call - 1];

    saw("result", (unsigned)result->status, holdfast_status_name(result->status));
    if (result->replayed)
        SIM_SEEN("result is a replay");
    if (result->settle == HOLDFAST_SETTLE_VOID)
        SIM_SEEN("result settled void");
    if (result->settle == HOLDFAST_SETTLE_APPLIED)
        SIM_SEEN("result settled applied");
    sim_digest_add((uint64_t)result->status ^ result->sequence << 8);
    if (!told->old && told->call > judge.lost_at) {
        sim_require(history_result(judge.history, told->call, sim_wall_us(NULL), result),
                    "the history does not take the result of call %llu",
                    (unsigned long long)told->call);
        if (result->kind == HOLDFAST_KIND_APPLIED)
            judge_read_told(result->partition, result->sequence);
    }
    sim_leave(back);
}

void judge_tail_lost(void)
{
    history_destroy(&judge.history);
    judge_read_lost();
    open_history();
    judge.lost_at = judge.count;
    judge.lost_until_us =
        sim_now_us() + (int64_t)world.config.windows.lease_ms * 1000 + IN_FLIGHT_US;
    for (size_t i = 0; i < judge.count; i++) {
        judge.told[i].old = true;
        invoke(&judge.told[i]);
    }
}

/* ------------------------------------------------------------- the tables */

static struct history_balances balances_of(const struct balances *from)
{
    return (struct history_balances){
        .on_hand = from->on_hand,
        .reserved = from->reserved,
        .committed = from->committed,
        .unavailable = from->unavailable,
        .safety_stock = from->safety_stock,
        .reorder_point = from->reorder_point,
        .shortfall = from->shortfall,
    };
}

static struct history_line line_of(const struct reservation_line *from)
{
    return (struct history_line){
        .quantity = from->quantity,
        .reserved = from->reserved,
        .committed = from->committed,
        .shipped = from->shipped,
        .cancelled = from->cancelled,
        .released = from->released,
        .returned = from->returned,
    };
}

/* A code as a string; a few may be in use at once. */
static const char *text_of(const struct code *code)
{
    static char texts[4][CODE_BYTES_MAX + 1];
    static unsigned next;
    char *text = texts[next++ % 4];

    memcpy(text, code->bytes, code->length);
    text[code->length] = '\0';
    return text;
}

static bool give_movement(void *context, const struct movement *from)
{
    struct history_movement to = {
        .partition = from->partition,
        .seq = from->seq,
        .idx = from->idx,
        .kind = (int)from->kind,
        .epoch = from->epoch,
        .at_us = from->at_us,
        .sku = text_of(&from->sku),
        .warehouse = text_of(&from->warehouse),
        .prev = from->prev,
        .d_on_hand = from->d_on_hand,
        .d_reserved = from->d_reserved,
        .d_committed = from->d_committed,
        .d_unavailable = from->d_unavailable,
        .after = balances_of(&from->after),
        .on_hand_version = from->on_hand_version,
        .has_reservation = from->has_reservation,
        .line = from->line,
        .state = (int)from->state,
        .revision = from->revision,
        .expires_at_us = from->expires_at_us,
        .line_after = line_of(&from->line_after),
        .undoes = from->undoes,
    };
    struct holdfast_run run;

    (void)context;
    if (from->kind == HF__MOVEMENT_KIND__MOVEMENT_RUN_BEGUN ||
        from->kind == HF__MOVEMENT_KIND__MOVEMENT_RUN_RECORDED) {
        sim_require(history_unpack_run(judge.history, from->detail.data, from->detail.len, &run),
                    "movement %llu of partition %u has no run", (unsigned long long)from->seq,
                    from->partition);
        to.run = &run;
    }
    memcpy(to.operation_id, from->operation_id, sizeof to.operation_id);
    memcpy(to.reservation_id, from->reservation_id, sizeof to.reservation_id);
    history_movement(judge.history, &to);
    saw("movement", (unsigned)from->kind, holdfast_movement_name((int)from->kind));
    return true;
}

static bool give_level(void *context, uint32_t partition, const struct level *from)
{
    struct history_level to = {
        .partition = partition,
        .sku = text_of(&from->sku),
        .warehouse = text_of(&from->warehouse),
        .now = balances_of(&from->now),
        .version = from->version,
        .on_hand_version = from->on_hand_version,
    };

    (void)context;
    history_level(judge.history, &to);
    return true;
}

static bool give_reservation(void *context, uint32_t partition, const struct reservation *from)
{
    struct history_reservation to = {
        .partition = partition,
        .state = (int)from->state,
        .revision = from->revision,
        .expires_at_us = from->expires_at_us,
    };

    (void)context;
    memcpy(to.reservation_id, from->id, sizeof to.reservation_id);
    history_reservation(judge.history, &to);
    for (size_t i = 0; i < from->line_count; i++) {
        struct history_reservation_line line = {
            .partition = partition,
            .line = (uint32_t)i,
            .sku = text_of(&from->lines[i].sku),
            .warehouse = text_of(&from->lines[i].warehouse),
            .now = line_of(&from->lines[i]),
        };
        memcpy(line.reservation_id, from->id, sizeof line.reservation_id);
        history_reservation_line(judge.history, &line);
    }
    return true;
}

static bool give_run(void *context, uint32_t partition, const struct run *from)
{
    struct holdfast_run to = {
        .run = text_of(&from->run),
        .lines = from->lines,
        .blank = from->blank,
        .actor = text_of(&from->actor),
        .created_at_us = from->created_at_us,
        .undoes = text_of(&from->undoes),
        .state = (enum holdfast_run_state)from->state,
        .applied = from->applied,
        .refused = from->refused,
        .unknown = from->unknown,
        .changed_at_us = from->changed_at_us,
        .version = from->version,
    };

    (void)context;
    memcpy(to.digest, from->digest, sizeof to.digest);
    history_run(judge.history, partition, &to);
    return true;
}

static bool give_run_block(void *context, uint32_t partition, const struct run_block *from)
{
    (void)context;
    return history_unpack_lines(judge.history, partition, text_of(&from->run), from->detail,
                                from->detail_bytes);
}

static void found(void *data, const char *rule, const char *text)
{
    (void)data;
    sim_trace("finding %s: %s", rule, text);
    /* What a line did may be in the tail that another server has lost. */
    if (judge.lost_at > 0 && strcmp(rule, "run") == 0)
        return;
    /* Nothing is pruned in the checker's history. */
    if (world.prunes && (strstr(text, "refused as unknown_reservation") ||
                         strstr(text, "refused as reservation_expired")))
        return;
    /* A hold whose rows the server refuses to change is put off: it is due, and still in the way,
     * which the checker cannot know. */
    if (world.cursed && strstr(text, "refused as insufficient_stock")) {
        SIM_SEEN("refusal with a hold in the way that may be put off");
        return;
    }
    judge.findings++;
    if (judge.first[0] != '\0')
        return;
    snprintf(judge.rule, sizeof judge.rule, "%s", rule);
    snprintf(judge.first, sizeof judge.first, "%s", text);
}

void judge_end(void)
{
    for (unsigned i = 0; i < world.shard_count; i++) {
        const struct model_server *server = world.servers[i].server;
        for (uint32_t p = 0; p < world.config.partitions; p++) {
            if (p % world.shard_count == i)
                model_movements(server, p, 0, give_movement, NULL);
        }
        model_levels(server, give_level, NULL);
        model_reservations(server, give_reservation, NULL);
        model_runs(server, give_run, NULL);
        model_run_blocks(server, give_run_block, NULL);
    }
    history_final(judge.history);
    (void)history_judge(judge.history, found, NULL);
    sim_require(judge.findings == 0, "history: %zu findings, the first is %s: %s", judge.findings,
                judge.rule, judge.first);
    const struct history_figures *figures = history_figures(judge.history);
    sim_digest_add(figures->movements ^ figures->applied << 20 ^ figures->refused << 40);
    if (figures->refusals_judged > 0)
        SIM_SEEN("seed with refusals judged by the model");
    if (figures->voids > 0)
        SIM_SEEN("seed with voids");
    if (figures->undos > 0)
        SIM_SEEN("seed with undos");
    if (figures->run_lines > 0)
        SIM_SEEN("seed with lines of runs");
    if (figures->list_lines > 0)
        SIM_SEEN("seed with lines of lists");
    history_destroy(&judge.history);
}

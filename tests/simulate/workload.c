/* SPDX-License-Identifier: MIT
 *
 * What callers want, and what they do about a result; see world.h. Every operation there is, on few
 * skus, so that they meet.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/world.h"

/* Of 100. */
#define AGAIN_AFTER_APPLIED 6 /* the caller asks again for what it was told already */
#define AGAIN_AFTER_REFUSED 12
#define AGAIN_AFTER_SHED 60
#define SETTLE_UNKNOWN 50 /* instead of asking again */
#define REUSE_ID 3        /* an older id with another body */
#define KILLS 2           /* where killers are on */
#define SETTLE_ANY 4      /* of anybody's operation, perhaps one that is under way */

#define QUANTITY_MAX_HERE 6

static bool percent(unsigned share)
{
    return sim_below(100) < share;
}

static const char *any_warehouse(void)
{
    return world.warehouses[sim_below(world.warehouse_count)];
}

static unsigned any_sku(void)
{
    return percent(world.hot_share) ? 0 : (unsigned)sim_below(world.sku_count);
}

static uint32_t any_quantity(void)
{
    return (uint32_t)sim_between(1, percent(10) ? 4 * QUANTITY_MAX_HERE : QUANTITY_MAX_HERE);
}

/* ------------------------------------------------------------- notes */

static void fresh_id(struct client *client, char id[UUID_TEXT_BYTES])
{
    uint8_t random[10], uuid[UUID_BYTES];

    sim_random_bytes(random, sizeof random);
    uuid_v7(uuid, sim_wall_us(client->process), random);
    uuid_format(uuid, id);
}

struct note *workload_note(struct client *client, enum holdfast_operation_kind kind)
{
    struct note *note = calloc(1, sizeof *note);

    if (!note)
        abort();
    fresh_id(client, note->id);
    note->operation.kind = kind;
    note->operation.operation_id = note->id;
    note->timeout_us = world.timeout_us / 2 + (int64_t)sim_below((uint64_t)world.timeout_us);
    note->next = client->notes;
    client->notes = note;
    note->next_open = client->open_notes;
    client->open_notes = note;
    client->open++;
    return note;
}

static void take_target(struct note *note)
{
    size_t count = world.target_count < WORLD_TARGETS_MAX ? world.target_count : WORLD_TARGETS_MAX;

    if (count == 0 || percent(2)) {
        uint8_t id[RESERVATION_ID_BYTES], nobody[UUID_BYTES];
        sim_random_bytes(nobody, sizeof nobody);
        reservation_id_make(id, (uint32_t)sim_below(world.config.partitions), nobody);
        reservation_id_format(id, note->reservation);
    } else {
        /* Mostly one of the newest: they are live. */
        size_t back = (size_t)sim_skewed(0, (int64_t)count - 1);
        const struct target *target =
            &world.targets[(world.target_count - 1 - back) % WORLD_TARGETS_MAX];
        strcpy(note->reservation, target->reservation);
        memcpy(note->lines, target->lines, sizeof note->lines);
        note->operation.line_count = target->line_count;
    }
    note->operation.reservation = note->reservation;
    note->operation.lines = note->lines;
}

/* All lines, or some of them with another quantity. */
static void some_lines(struct note *note, bool required)
{
    struct holdfast_operation *operation = &note->operation;

    if (operation->line_count == 0 && required) {
        note->lines[0] = (struct holdfast_line){
            .sku = world.skus[any_sku()], .warehouse = any_warehouse(), .quantity = 1};
        operation->line_count = 1;
    }
    if (!required && percent(50)) {
        operation->line_count = 0;
        return;
    }
    if (operation->line_count > 1 && percent(50))
        operation->line_count = 1;
    for (size_t i = 0; i < operation->line_count; i++) {
        if (percent(50))
            note->lines[i].quantity = (uint32_t)sim_between(1, note->lines[i].quantity + 1);
        if (percent(30))
            note->lines[i].warehouse = NULL;
    }
}

/* Lines of skus of one partition. */
static void fresh_lines(struct note *note, bool with_warehouse)
{
    unsigned first = any_sku();
    size_t wanted = percent(70) ? 1 : (size_t)sim_between(1, WORLD_LINES_MAX);

    for (size_t i = 0; i < wanted; i++) {
        unsigned sku = i == 0 ? first : any_sku();
        if (world.sku_partition[sku] != world.sku_partition[first])
            continue;
        note->lines[note->operation.line_count++] = (struct holdfast_line){
            .sku = world.skus[sku],
            .warehouse = with_warehouse || percent(40) ? any_warehouse() : NULL,
            .quantity = any_quantity(),
        };
    }
    note->operation.lines = note->lines;
}

static void one_level(struct note *note)
{
    note->operation.sku = world.skus[any_sku()];
    note->operation.warehouse = any_warehouse();
}

static uint64_t any_ttl_ms(void)
{
    return (uint64_t)sim_between(world.ttl_ms_min, world.ttl_ms_max);
}

/* ------------------------------------------------------------- every kind */

static void fill_reserve(struct note *note)
{
    struct holdfast_operation *operation = &note->operation;

    fresh_lines(note, false);
    operation->ttl_ms = any_ttl_ms();
    operation->may_split = percent(40);
    if (percent(30)) {
        operation->policy = HOLDFAST_NEAREST_FIRST;
        operation->warehouses = note->warehouses;
        operation->warehouse_count = (size_t)sim_between(1, (int64_t)world.warehouse_count);
        unsigned first = (unsigned)sim_below(world.warehouse_count);
        for (size_t i = 0; i < operation->warehouse_count; i++)
            note->warehouses[i] = world.warehouses[(first + i) % world.warehouse_count];
    }
    snprintf(note->order, sizeof note->order, "o-%llu", (unsigned long long)sim_below(1000));
    operation->order = note->order;
}

static void fill_hold(struct note *note)
{
    struct holdfast_operation *operation = &note->operation;

    take_target(note);
    switch (operation->kind) {
    case HOLDFAST_EXTEND:
        operation->line_count = 0;
        operation->ttl_ms = any_ttl_ms();
        break;
    case HOLDFAST_PURCHASE:
        some_lines(note, false);
        operation->keep_remainder = percent(50);
        operation->revive = percent(40);
        break;
    case HOLDFAST_RETURN:
        some_lines(note, true);
        operation->to_quarantine = percent(40);
        break;
    default:
        some_lines(note, false);
        break;
    }
}

/* The version of a level is known only to whoever was told of it; the caller guesses, mostly from
 * the newest result that it has seen (world.seen_version). */
static void fill_count(struct note *note)
{
    one_level(note);
    note->operation.quantity = (uint32_t)sim_below(2 * world.first_stock + 4);
    note->operation.has_version = percent(70);
    if (percent(60) && world.seen.sku) {
        note->operation.sku = world.seen.sku;
        note->operation.warehouse = world.seen.warehouse;
        note->operation.on_hand_version = world.seen.on_hand_version;
    }
}

static void fill_stock(struct note *note)
{
    struct holdfast_operation *operation = &note->operation;

    switch (operation->kind) {
    case HOLDFAST_RECEIVE:
    case HOLDFAST_RESTORE:
        fresh_lines(note, true);
        break;
    case HOLDFAST_QUARANTINE:
        fresh_lines(note, true);
        operation->accept_shortfall = percent(30);
        break;
    case HOLDFAST_ADJUST:
        one_level(note);
        operation->delta = sim_between(-QUANTITY_MAX_HERE, QUANTITY_MAX_HERE);
        if (operation->delta == 0)
            operation->delta = -1;
        operation->accept_shortfall = percent(30);
        operation->reason = world.reasons[sim_below(WORLD_REASONS)];
        break;
    case HOLDFAST_COUNT:
        fill_count(note);
        break;
    case HOLDFAST_TRANSFER:
        one_level(note);
        operation->to_warehouse = any_warehouse();
        operation->quantity = any_quantity();
        break;
    case HOLDFAST_SET_SAFETY_STOCK:
    case HOLDFAST_SET_REORDER_POINT:
        one_level(note);
        operation->quantity = (uint32_t)sim_below(QUANTITY_MAX_HERE);
        break;
    default:
        break;
    }
}

static void fill_record(struct note *note)
{
    struct holdfast_operation *operation = &note->operation;

    operation->text = percent(50) ? "a name" : "another name";
    if (operation->kind == HOLDFAST_PUT_WAREHOUSE)
        operation->warehouse = any_warehouse();
    if (operation->kind == HOLDFAST_PUT_REASON)
        operation->reason = world.reasons[sim_below(WORLD_REASONS)];
    if (operation->kind != HOLDFAST_PUT_ITEM)
        return;
    operation->sku = world.skus[any_sku()];
    operation->quantity = (uint32_t)sim_below(QUANTITY_MAX_HERE);
    if (percent(50)) {
        note->barcodes[0] = percent(50) ? "4006381333931" : "96385074";
        operation->barcodes = note->barcodes;
        operation->barcode_count = 1;
    }
}

void workload_fill(struct note *note)
{
    enum holdfast_operation_kind kind = note->operation.kind;

    if (kind == HOLDFAST_RESERVE)
        fill_reserve(note);
    else if (kind < HOLDFAST_RECEIVE)
        fill_hold(note);
    else if (kind < HOLDFAST_PUT_ITEM)
        fill_stock(note);
    else if (kind < HOLDFAST_SETTLE)
        fill_record(note);
}

uint32_t workload_partition(const struct note *note)
{
    const struct holdfast_operation *operation = &note->operation;
    const char *sku = operation->sku;
    uint8_t id[RESERVATION_ID_BYTES];

    if (operation->reservation &&
        reservation_id_parse(operation->reservation, strlen(operation->reservation), id))
        return reservation_id_partition(id);
    if (operation->kind == HOLDFAST_PUT_WAREHOUSE || operation->kind == HOLDFAST_PUT_REASON)
        return 0;
    if (operation->kind == HOLDFAST_SETTLE || operation->kind == HOLDFAST_UNDO)
        return (uint32_t)operation->partition;
    if (operation->run)
        sku = operation->run;
    if (operation->line_count > 0)
        sku = operation->lines[0].sku;
    return partition_of_sku(sku, strlen(sku), world.config.partitions);
}

struct note *workload_settle(struct client *client, struct note *asked_for)
{
    struct note *note = workload_note(client, HOLDFAST_SETTLE);

    strcpy(note->settles, asked_for->id);
    note->operation.settles = note->settles;
    note->operation.partition = (int32_t)workload_partition(asked_for);
    note->asked_for = asked_for;
    return note;
}

/* ------------------------------------------------------------- choosing */

static struct note *any_note(const struct client *client)
{
    struct note *found = NULL;
    uint64_t seen = 0;

    for (struct note *note = client->notes; note && seen < 20; note = note->next) {
        if (note->operation.kind != HOLDFAST_SETTLE && sim_one_in(++seen))
            found = note;
    }
    return found;
}

static bool id_is_open(const struct client *client, const char *id)
{
    for (const struct note *note = client->notes; note; note = note->next) {
        if (note->state != NOTE_CERTAIN && strcmp(note->id, id) == 0)
            return true;
    }
    return false;
}

/* An id that its caller has used, and now uses by mistake for something else, though it knows that
 * it was sent before. The next call of an id comes only after the one before was answered. Ids are
 * unique within a partition, so only there is the mistake found. */
static bool reuse_id(struct client *client, struct note *note)
{
    const struct note *old = client->notes->next ? any_note(client) : NULL;

    if (world.restores || !old || old == note || !old->applied || old->job ||
        id_is_open(client, old->id) || workload_partition(old) != workload_partition(note))
        return false;
    strcpy(note->id, old->id);
    note->attempts = old->attempts;
    return true;
}

static enum holdfast_operation_kind any_kind(void)
{
    uint64_t at = sim_below(world.kind_weights);

    for (unsigned kind = 0; kind < WORLD_KINDS; kind++) {
        if (at < world.kind_weight[kind])
            return (enum holdfast_operation_kind)kind;
        at -= world.kind_weight[kind];
    }
    return HOLDFAST_RESERVE;
}

struct note *workload_next(struct client *client)
{
    client->planned--;
    client->next_us = sim_now_us() + sim_skewed(0, 4 * client->think_us);
    if (percent(SETTLE_ANY) && sim_faults_stopped() == false) {
        struct note *asked_for = any_note(&world.clients[sim_below(world.client_count)]);
        if (asked_for && asked_for->state != NOTE_NEW && !asked_for->must) {
            SIM_SEEN("caller settles what may be under way");
            return workload_settle(client, asked_for);
        }
    }
    enum holdfast_operation_kind kind = any_kind();
    if (kind == HOLDFAST_BEGIN_RUN || kind == HOLDFAST_UNDO) {
        struct note *first = bulk_next(client, kind);
        if (first)
            return first;
        kind = HOLDFAST_RESERVE;
    }
    struct note *note = workload_note(client, kind);
    workload_fill(note);
    if (sim_fault_on(SIM_FAULT_KILLER) && percent(KILLS)) {
        note->kills = true;
        return note;
    }
    if (percent(REUSE_ID) && reuse_id(client, note))
        SIM_SEEN("caller uses an id for something else");
    return note;
}

/* ------------------------------------------------------------- results */

void workload_again(struct note *note, int64_t low_us, int64_t high_us)
{
    note->state = NOTE_LATER;
    note->again_us = sim_now_us() + sim_between(low_us, high_us);
}

void workload_certain(struct client *client, struct note *note)
{
    note->state = NOTE_CERTAIN;
    client->open--;
}

static void note_done(const struct note *note, const struct holdfast_result *result)
{
    struct done *done = &world.done[world.done_count++ % WORLD_DONE_MAX];
    uint8_t id[UUID_BYTES];

    sim_require(uuid_parse(note->id, id), "not an id: %s", note->id);
    strcpy(done->id, note->id);
    done->kind = note->operation.kind;
    done->partition = result->partition;
    done->id_time_us = note->operation.id_time_us ? note->operation.id_time_us : uuid_time_us(id);
}

static void learn(const struct note *note, const struct holdfast_result *result)
{
    const struct holdfast_reservation *reservation = result->reservation;

    if (!result->replayed &&
        (note->operation.kind < HOLDFAST_SETTLE || note->operation.kind == HOLDFAST_UNDO))
        note_done(note, result);
    if (result->level_count > 0) {
        const struct holdfast_level *level = &result->levels[sim_below(result->level_count)];
        for (unsigned i = 0; i < world.sku_count; i++) {
            if (strcmp(world.skus[i], level->sku) == 0)
                world.seen.sku = world.skus[i];
        }
        for (unsigned i = 0; i < world.warehouse_count; i++) {
            if (strcmp(world.warehouses[i], level->warehouse) == 0)
                world.seen.warehouse = world.warehouses[i];
        }
        world.seen.on_hand_version = level->on_hand_version;
    }
    if (!reservation || result->replayed)
        return;
    struct target *target = &world.targets[world.target_count++ % WORLD_TARGETS_MAX];
    *target = (struct target){0};
    strcpy(target->reservation, reservation->reservation);
    for (size_t i = 0; i < reservation->line_count && i < WORLD_LINES_MAX; i++) {
        const struct holdfast_reservation_line *line = &reservation->lines[i];
        struct holdfast_line *to = &target->lines[target->line_count++];
        for (unsigned s = 0; s < world.sku_count; s++) {
            if (strcmp(world.skus[s], line->sku) == 0)
                to->sku = world.skus[s];
        }
        for (unsigned w = 0; w < world.warehouse_count; w++) {
            if (strcmp(world.warehouses[w], line->warehouse) == 0)
                to->warehouse = world.warehouses[w];
        }
        to->quantity = line->quantity;
    }
}

/* Not certain: the same id again, or a settle of it, until something is certain. */
static void unknown(struct client *client, struct note *note)
{
    if (!note->kills &&
        (note->must || note->operation.kind == HOLDFAST_SETTLE || !percent(SETTLE_UNKNOWN))) {
        SIM_SEEN("caller asks again after unknown");
        workload_again(note, 1000, 1000000);
        return;
    }
    SIM_SEEN("caller settles after unknown");
    struct note *settle = workload_settle(client, note);
    settle->state = NOTE_LATER;
    settle->again_us = sim_now_us();
    workload_certain(client, note); /* by the settle, which is asked until it is */
}

/* What must be done is asked for until it is; with another id when the library has spent this. */
static void must_again(struct client *client, struct note *note,
                       const struct holdfast_result *result)
{
    if (result->settle == HOLDFAST_SETTLE_VOID) {
        fresh_id(client, note->id);
        note->attempts = 0;
    }
    workload_again(note, (int64_t)result->retry_after_ms * 1000,
                   (int64_t)result->retry_after_ms * 1000 + 300000);
}

static bool is_ahead(const struct holdfast_result *result)
{
    return result->status == HOLDFAST_INVALID && strcmp(result->field, "operation_id") == 0;
}

void workload_result(struct client *client, struct note *note, const struct holdfast_result *result)
{
    bool calm = sim_faults_stopped();

    if (note->job) {
        if (result->kind == HOLDFAST_KIND_APPLIED)
            learn(note, result);
        note->applied = result->kind == HOLDFAST_KIND_APPLIED;
        bulk_result(client, note, result);
        return;
    }
    switch (result->kind) {
    case HOLDFAST_KIND_APPLIED:
        note->applied = true;
        learn(note, result);
        if (!calm && !note->must && percent(AGAIN_AFTER_APPLIED)) {
            SIM_SEEN("caller asks again after applied");
            workload_again(note, 0, 2000000);
            return;
        }
        workload_certain(client, note);
        return;
    case HOLDFAST_KIND_REFUSED:
        if (note->must) {
            /* A warehouse comes to the other shard a while after it was put. The library may have
             * settled the id without having heard of it. And an id of a clock that is ahead of the
             * owner's is good when the owner's has come so far. */
            if (result->status == HOLDFAST_OPERATION_ID_REUSED)
                fresh_id(client, note->id);
            else
                sim_require(result->status == HOLDFAST_UNKNOWN_WAREHOUSE || is_ahead(result),
                            "the preamble is refused: %s %s", holdfast_status_name(result->status),
                            result->message);
            must_again(client, note, result);
            return;
        }
        if (!calm && result->settle != HOLDFAST_SETTLE_VOID && percent(AGAIN_AFTER_REFUSED)) {
            SIM_SEEN("caller asks again after refused");
            workload_again(note, 0, 2000000);
            return;
        }
        workload_certain(client, note);
        return;
    case HOLDFAST_KIND_SHED:
        if (note->must) {
            must_again(client, note, result);
            return;
        }
        if (note->operation.kind == HOLDFAST_SETTLE ||
            (!calm && result->settle != HOLDFAST_SETTLE_VOID && percent(AGAIN_AFTER_SHED))) {
            SIM_SEEN("caller asks again after shed");
            workload_again(note, (int64_t)result->retry_after_ms * 1000,
                           (int64_t)result->retry_after_ms * 1000 + 300000);
            return;
        }
        workload_certain(client, note);
        return;
    case HOLDFAST_KIND_UNKNOWN:
        if (result->status == HOLDFAST_OPERATION_ID_EXPIRED && note->must) {
            fresh_id(client, note->id); /* twice does no harm here */
            note->attempts = 0;
            workload_again(note, 0, 300000);
            return;
        }
        if (result->status == HOLDFAST_OPERATION_ID_EXPIRED) {
            workload_certain(client, note); /* nobody will ever say more */
            return;
        }
        unknown(client, note);
        return;
    }
}

/* ------------------------------------------------------------- the preamble */

struct note *workload_preamble(struct client *client, unsigned index)
{
    unsigned levels = world.sku_count * world.warehouse_count;
    struct note *note = NULL;

    if (index < world.warehouse_count) {
        note = workload_note(client, HOLDFAST_PUT_WAREHOUSE);
        note->operation.warehouse = world.warehouses[index];
        note->operation.text = "warehouse";
    } else if ((index -= world.warehouse_count) < WORLD_REASONS) {
        note = workload_note(client, HOLDFAST_PUT_REASON);
        note->operation.reason = world.reasons[index];
        note->operation.text = "reason";
    } else if ((index -= WORLD_REASONS) < world.sku_count) {
        note = workload_note(client, HOLDFAST_PUT_ITEM);
        note->operation.sku = world.skus[index];
        note->operation.text = "item";
    } else if ((index -= world.sku_count) < levels) {
        note = workload_note(client, HOLDFAST_RECEIVE);
        note->lines[0] = (struct holdfast_line){
            .sku = world.skus[index / world.warehouse_count],
            .warehouse = world.warehouses[index % world.warehouse_count],
            .quantity = 1 + (uint32_t)sim_below(2 * world.first_stock),
        };
        note->operation.lines = note->lines;
        note->operation.line_count = 1;
    } else {
        return NULL;
    }
    note->must = true;
    return note;
}

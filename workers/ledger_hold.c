/* SPDX-License-Identifier: MIT
 *
 * The life of a reservation after it was made: extend, purchase, release, ship, cancel, return, and
 * its expiry.
 *
 * Its state is about the hold. ACTIVE: something is reserved, and its time has not come. When
 * nothing is reserved any more it is PURCHASED if anything was ever purchased, otherwise RELEASED;
 * EXPIRED if its time ended the hold. What is purchased lives on in the lines whatever the state:
 * ship, cancel and return look at them alone.
 *
 * From expires_at on (now >= expires_at) nothing can be done with the hold, even when the heap has
 * not come to it: whoever touches it first expires it, as an operation of its own.
 */
#include "workers/ledger_impl.h"

#include <string.h>

bool hold_is_due(const struct ledger *ledger, const struct reservation_entry *entry)
{
    return entry->reservation.state == HF__RESERVATION_STATE__RESERVATION_ACTIVE &&
           entry->reservation.expires_at_us <= ledger->now_us;
}

/* Its sku is loaded. */
static struct level_entry *level_of_line(const struct ledger *ledger,
                                         const struct reservation_line *line)
{
    struct sku_entry *sku = cache_sku(ledger, line->sku.bytes, line->sku.length);

    return cache_level_obtain(sku, line->warehouse.bytes, line->warehouse.length);
}

bool hold_skus_loaded(const struct ledger *ledger, const struct reservation_entry *entry)
{
    for (size_t i = 0; i < entry->reservation.line_count; i++) {
        const struct code *sku = &entry->reservation.lines[i].sku;
        if (!cache_sku(ledger, sku->bytes, sku->length))
            return false;
    }
    return true;
}

static struct plan_row *plan_reservation_line(struct ledger *ledger,
                                              const struct reservation *reservation, size_t line,
                                              Hf__MovementKind kind)
{
    struct level_entry *level = level_of_line(ledger, &reservation->lines[line]);
    struct plan_row *row = plan_level(ledger, level, kind);

    level->owner->seen_turn = ledger->turn_number;
    row->line = line;
    return row;
}

/* ------------------------------------------------------------- expiry */

/* Derived, so that who tries again finds that it was done; of a variant that no caller may use, so
 * that nobody else can have taken it. */
void expiry_operation_id(uint8_t id[UUID_BYTES], const uint8_t *reservation_id, uint32_t revision)
{
    uint8_t name[6 + RESERVATION_ID_BYTES + 4];
    XXH128_canonical_t digest;

    memcpy(name, "expire", 6);
    memcpy(name + 6, reservation_id, RESERVATION_ID_BYTES);
    for (int i = 0; i < 4; i++)
        name[6 + RESERVATION_ID_BYTES + i] = (uint8_t)(revision >> (24 - 8 * i));
    XXH128_canonicalFromHash(&digest, XXH3_128bits(name, sizeof name));
    uuid_v8(id, digest.digest);
    id[8] |= 0xc0;
}

bool hold_expire(struct ledger *ledger, struct reservation_entry *entry, uint64_t turn_number)
{
    struct reservation *reservation = &entry->reservation;
    uint8_t id[UUID_BYTES];
    struct turn turn = {.operation_id = id,
                        .reservation = entry,
                        .state = HF__RESERVATION_STATE__RESERVATION_EXPIRED,
                        .expires_at_us = reservation->expires_at_us};
    bool freed = false;

    expiry_operation_id(id, entry->id, reservation->revision + 1);
    memcpy(turn.body_hash, id, sizeof turn.body_hash);
    plan_begin(ledger);
    for (size_t i = 0; i < reservation->line_count; i++) {
        int64_t reserved = reservation->lines[i].reserved;
        if (reserved == 0)
            continue;
        freed =
            freed || level_of_line(ledger, &reservation->lines[i])->owner->seen_turn == turn_number;
        struct plan_row *row =
            plan_reservation_line(ledger, reservation, i, HF__MOVEMENT_KIND__MOVEMENT_EXPIRED);
        row->d_reserved = -reserved;
        row->change.reserved = -reserved;
        row->change.released = reserved;
    }
    if (!plan_possible(ledger, &turn)) {
        due_set(&ledger->due, entry->id, DUE_NONE);
        return false;
    }
    batch_apply(ledger, &turn);
    return freed;
}

/* ------------------------------------------------------------- finding */

/* The reservation as it is now, expired if it is due. Leaves its state in the turn for the handler
 * to change. */
static enum status find_hold(struct ledger *ledger, struct turn *turn)
{
    struct reservation_entry *entry = cache_reservation(ledger, turn->checked.reservation_id);

    if (!entry)
        return not_loaded(turn);
    if (entry->reservation.revision == 0)
        return refuse(ledger, turn, STATUS_unknown_reservation, "there is no such reservation",
                      "%s.reservation", turn->checked.kind);
    if (!hold_skus_loaded(ledger, entry))
        return not_loaded(turn);
    if (hold_is_due(ledger, entry)) {
        hold_expire(ledger, entry, 0);
        plan_begin(ledger);
        if (hold_is_due(ledger, entry))
            return contradiction(turn);
    }
    turn->reservation = entry;
    turn->state = entry->reservation.state;
    turn->expires_at_us = entry->reservation.expires_at_us;
    return STATUS_applied;
}

/* Why nothing can be done with a hold in this state; applied: it can. */
static enum status hold_status(Hf__ReservationState state)
{
    switch (state) {
    case HF__RESERVATION_STATE__RESERVATION_ACTIVE:
        return STATUS_applied;
    case HF__RESERVATION_STATE__RESERVATION_PURCHASED:
        return STATUS_already_purchased;
    case HF__RESERVATION_STATE__RESERVATION_RELEASED:
        return STATUS_already_released;
    case HF__RESERVATION_STATE__RESERVATION_EXPIRED:
        return STATUS_reservation_expired;
    case HF__RESERVATION_STATE__RESERVATION_NONE:
    case HF__RESERVATION_STATE__RESERVATION_PENDING:
    case _HF__RESERVATION_STATE_IS_INT_SIZE:
        return STATUS_not_active;
    }
    return STATUS_not_active;
}

/* ------------------------------------------------------------- lines */

typedef int64_t line_counter(const struct reservation_line *line);

static int64_t count_reserved(const struct reservation_line *line)
{
    return line->reserved;
}

static int64_t count_committed(const struct reservation_line *line)
{
    return line->committed;
}

static int64_t count_returnable(const struct reservation_line *line)
{
    return line->shipped - line->returned;
}

/* Takes what one line of the operation asks for from the reservation's lines in order, there[i] of
 * each at most; without a warehouse, from all those of its sku. */
static void take_one(struct ledger *ledger, struct turn *turn, const struct want *want,
                     const int64_t *there, int64_t *amounts)
{
    const struct reservation *reservation = &turn->reservation->reservation;
    const Hf__Line *line = want->line;
    int64_t left = want->quantity;

    for (size_t i = 0; i < reservation->line_count && left > 0; i++) {
        const struct reservation_line *from = &reservation->lines[i];
        if (!code_is(&from->sku, line->sku.data, line->sku.len) ||
            (line->warehouse.len > 0 &&
             !code_is(&from->warehouse, line->warehouse.data, line->warehouse.len)))
            continue;
        int64_t rest = there[i] - amounts[i];
        int64_t taken = rest < left ? rest : left;
        amounts[i] += taken;
        left -= taken;
    }
    if (left > 0)
        add_shortage(ledger, turn, &line->sku, line->warehouse.data, line->warehouse.len,
                     want->quantity, want->quantity - left);
}

/* How much of each line of the reservation the operation is about; without lines, everything that
 * is there. In the arena. Lines that name a warehouse come first. */
static int64_t *take_of(struct ledger *ledger, struct turn *turn, const int64_t *there)
{
    const struct reservation *reservation = &turn->reservation->reservation;
    int64_t *amounts = arena_zalloc(ledger->arena, (reservation->line_count + 1) * sizeof *amounts);

    for (size_t i = 0; i < reservation->line_count && turn->want_count == 0; i++)
        amounts[i] = there[i];
    for (int named = 1; named >= 0; named--) {
        for (size_t i = 0; i < turn->want_count; i++) {
            if ((turn->wants[i].line->warehouse.len > 0) == (named == 1))
                take_one(ledger, turn, &turn->wants[i], there, amounts);
        }
    }
    return amounts;
}

static int64_t *take(struct ledger *ledger, struct turn *turn, line_counter *counter)
{
    const struct reservation *reservation = &turn->reservation->reservation;
    int64_t *there = arena_zalloc(ledger->arena, (reservation->line_count + 1) * sizeof *there);

    for (size_t i = 0; i < reservation->line_count; i++)
        there[i] = counter(&reservation->lines[i]);
    return take_of(ledger, turn, there);
}

static bool nothing(const struct turn *turn, const int64_t *amounts)
{
    for (size_t i = 0; i < turn->reservation->reservation.line_count; i++) {
        if (amounts[i] > 0)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------- the hold */

enum status decide_extend(struct ledger *ledger, struct turn *turn)
{
    enum status status = find_hold(ledger, turn);

    if (status != STATUS_applied)
        return status;
    status = hold_status(turn->state);
    if (status == STATUS_already_purchased || status == STATUS_already_released)
        status = STATUS_not_active;
    if (status != STATUS_applied)
        return status;
    turn->expires_at_us =
        ledger->now_us + (int64_t)ttl_or_default(turn->operation->extend->ttl_ms) * 1000;
    plan_record(ledger, HF__MOVEMENT_KIND__MOVEMENT_EXTENDED);
    return STATUS_applied;
}

/* What its expiry took from each line: not what somebody had released before. The rows of the
 * expiry say so; what was purchased before may have been shipped, cancelled and returned since, a
 * revision each. NULL: they are not kept any more. *loaded: somebody has looked. */
static int64_t *expired_of(struct ledger *ledger, const struct turn *turn, bool *loaded)
{
    const struct reservation *reservation = &turn->reservation->reservation;
    int64_t *there = arena_zalloc(ledger->arena, (reservation->line_count + 1) * sizeof *there);
    uint8_t id[UUID_BYTES];

    *loaded = true;
    for (uint32_t back = 0; back < REVIVE_REVISIONS && back < reservation->revision; back++) {
        expiry_operation_id(id, turn->reservation->id, reservation->revision - back);
        const struct known *known = known_find(ledger, id);
        *loaded = *loaded && known != NULL;
        if (!known || known->count == 0)
            continue;
        const struct movement *rows = known_rows(ledger, known);
        for (size_t i = 0; i < known->count; i++) {
            if (rows[i].line < reservation->line_count)
                there[rows[i].line] = -rows[i].d_reserved;
        }
        *loaded = true;
        return there;
    }
    return NULL;
}

/* An expired hold is taken again and purchased, if all of it is still there. Without lines that is
 * whatever its expiry took. */
static enum status revive(struct ledger *ledger, struct turn *turn)
{
    const struct reservation *reservation = &turn->reservation->reservation;
    bool loaded;
    const int64_t *there = expired_of(ledger, turn, &loaded);

    if (!loaded)
        return not_loaded(turn);
    if (!there)
        return STATUS_reservation_expired;
    const int64_t *amounts = take_of(ledger, turn, there);
    if (turn->shortage_count > 0)
        return STATUS_exceeds_reservation;
    if (nothing(turn, amounts))
        return STATUS_reservation_expired;
    for (size_t i = 0; i < reservation->line_count; i++) {
        if (amounts[i] == 0)
            continue;
        struct plan_row *row =
            plan_reservation_line(ledger, reservation, i, HF__MOVEMENT_KIND__MOVEMENT_PURCHASED);
        int64_t available = balances_available(&row->level->level.now);
        if (available < amounts[i]) {
            const struct reservation_line *line = &reservation->lines[i];
            ProtobufCBinaryData sku = {line->sku.length, (uint8_t *)(uintptr_t)line->sku.bytes};
            add_shortage(ledger, turn, &sku, line->warehouse.bytes, line->warehouse.length,
                         amounts[i], available);
        }
        row->d_committed = amounts[i];
        row->change.released = -amounts[i];
        row->change.committed = amounts[i];
    }
    turn->holds_in_the_way = turn->shortage_count > 0;
    turn->state = HF__RESERVATION_STATE__RESERVATION_PURCHASED;
    return turn->shortage_count > 0 ? STATUS_insufficient_stock : STATUS_applied;
}

enum status decide_purchase(struct ledger *ledger, struct turn *turn)
{
    const Hf__Purchase *purchase = turn->operation->purchase;
    enum status status = find_hold(ledger, turn);

    if (status != STATUS_applied)
        return status;
    status = hold_status(turn->state);
    if (status == STATUS_reservation_expired && purchase->revive)
        return revive(ledger, turn);
    if (status != STATUS_applied)
        return status;
    const struct reservation *reservation = &turn->reservation->reservation;
    const int64_t *amounts = take(ledger, turn, count_reserved);
    if (turn->shortage_count > 0)
        return STATUS_exceeds_reservation;
    turn->state = HF__RESERVATION_STATE__RESERVATION_PURCHASED;
    for (size_t i = 0; i < reservation->line_count; i++) {
        int64_t rest = reservation->lines[i].reserved - amounts[i];
        if (rest > 0 && purchase->keep_remainder) {
            turn->state = HF__RESERVATION_STATE__RESERVATION_ACTIVE;
            rest = 0;
        }
        if (amounts[i] + rest == 0)
            continue;
        struct plan_row *row =
            plan_reservation_line(ledger, reservation, i,
                                  amounts[i] > 0 ? HF__MOVEMENT_KIND__MOVEMENT_PURCHASED
                                                 : HF__MOVEMENT_KIND__MOVEMENT_RELEASED);
        row->d_reserved = row->change.reserved = -amounts[i] - rest;
        row->d_committed = row->change.committed = amounts[i];
        row->change.released = rest;
    }
    return STATUS_applied;
}

enum status decide_release(struct ledger *ledger, struct turn *turn)
{
    enum status status = find_hold(ledger, turn);
    bool purchased = false, held = false;

    if (status == STATUS_applied)
        status = hold_status(turn->state);
    if (status != STATUS_applied)
        return status;
    const struct reservation *reservation = &turn->reservation->reservation;
    const int64_t *amounts = take(ledger, turn, count_reserved);
    if (turn->shortage_count > 0)
        return STATUS_exceeds_reservation;
    for (size_t i = 0; i < reservation->line_count; i++) {
        const struct reservation_line *line = &reservation->lines[i];
        purchased = purchased || line->committed + line->shipped + line->cancelled > 0;
        held = held || line->reserved > amounts[i];
        if (amounts[i] == 0)
            continue;
        struct plan_row *row =
            plan_reservation_line(ledger, reservation, i, HF__MOVEMENT_KIND__MOVEMENT_RELEASED);
        row->d_reserved = row->change.reserved = -amounts[i];
        row->change.released = amounts[i];
    }
    if (!held)
        turn->state = purchased ? HF__RESERVATION_STATE__RESERVATION_PURCHASED
                                : HF__RESERVATION_STATE__RESERVATION_RELEASED;
    return STATUS_applied;
}

/* ------------------------------------------------------------- what is purchased */

/* The reservation, and how much of each of its lines; refused with `exceeds` when that is more than
 * the counter counts, or nothing at all. */
static enum status find_purchased(struct ledger *ledger, struct turn *turn, line_counter *counter,
                                  enum status exceeds, const int64_t **amounts)
{
    enum status status = find_hold(ledger, turn);

    if (status != STATUS_applied)
        return status;
    if (turn->state == HF__RESERVATION_STATE__RESERVATION_PENDING)
        return STATUS_not_active;
    *amounts = take(ledger, turn, counter);
    return turn->shortage_count > 0 || nothing(turn, *amounts) ? exceeds : STATUS_applied;
}

enum status decide_ship(struct ledger *ledger, struct turn *turn)
{
    const int64_t *amounts;
    enum status status =
        find_purchased(ledger, turn, count_committed, STATUS_exceeds_committed, &amounts);

    if (status == STATUS_applied)
        status = find_reason(ledger, turn, &turn->operation->ship->reason);
    if (status != STATUS_applied)
        return status;
    const struct reservation *reservation = &turn->reservation->reservation;
    for (size_t i = 0; i < reservation->line_count; i++) {
        if (amounts[i] == 0)
            continue;
        struct plan_row *row =
            plan_reservation_line(ledger, reservation, i, HF__MOVEMENT_KIND__MOVEMENT_SHIPPED);
        int64_t on_hand = row->level->level.now.on_hand;
        if (on_hand < amounts[i]) {
            const struct reservation_line *line = &reservation->lines[i];
            ProtobufCBinaryData sku = {line->sku.length, (uint8_t *)(uintptr_t)line->sku.bytes};
            add_shortage(ledger, turn, &sku, line->warehouse.bytes, line->warehouse.length,
                         amounts[i], on_hand);
        }
        row->d_on_hand = -amounts[i];
        row->d_committed = row->change.committed = -amounts[i];
        row->change.shipped = amounts[i];
    }
    turn->reference = turn->operation->ship->reference;
    return turn->shortage_count > 0 ? STATUS_insufficient_on_hand : STATUS_applied;
}

enum status decide_cancel(struct ledger *ledger, struct turn *turn)
{
    const int64_t *amounts;
    enum status status =
        find_purchased(ledger, turn, count_committed, STATUS_exceeds_committed, &amounts);

    if (status == STATUS_applied)
        status = find_reason(ledger, turn, &turn->operation->cancel->reason);
    if (status != STATUS_applied)
        return status;
    const struct reservation *reservation = &turn->reservation->reservation;
    for (size_t i = 0; i < reservation->line_count; i++) {
        if (amounts[i] == 0)
            continue;
        struct plan_row *row =
            plan_reservation_line(ledger, reservation, i, HF__MOVEMENT_KIND__MOVEMENT_CANCELLED);
        row->d_committed = row->change.committed = -amounts[i];
        row->change.cancelled = amounts[i];
    }
    return STATUS_applied;
}

enum status decide_return(struct ledger *ledger, struct turn *turn)
{
    const Hf__Return *body = turn->operation->return_;
    const int64_t *amounts;
    enum status status =
        find_purchased(ledger, turn, count_returnable, STATUS_exceeds_shipped, &amounts);

    if (status == STATUS_applied)
        status = find_reason(ledger, turn, &body->reason);
    if (status != STATUS_applied)
        return status;
    const struct reservation *reservation = &turn->reservation->reservation;
    for (size_t i = 0; i < reservation->line_count; i++) {
        if (amounts[i] == 0)
            continue;
        struct plan_row *row =
            plan_reservation_line(ledger, reservation, i, HF__MOVEMENT_KIND__MOVEMENT_RETURNED);
        row->d_on_hand = amounts[i];
        row->d_unavailable = body->quarantine ? amounts[i] : 0;
        row->change.returned = amounts[i];
        struct balances after = plan_balances(ledger, row->level);
        if (after.on_hand > QUANTITY_MAX || after.unavailable > QUANTITY_MAX)
            return refuse(ledger, turn, STATUS_too_large,
                          "would make on_hand or unavailable more than 999,999,999",
                          "return.lines");
    }
    turn->reference = body->reference;
    return STATUS_applied;
}

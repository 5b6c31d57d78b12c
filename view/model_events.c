/* SPDX-License-Identifier: MIT
 *
 * What happened lately: remembering movements as they are taken (recent.h), and telling those that
 * somebody watches for. Nothing is remembered of who asks.
 */
#include <string.h>

#include "view/model_impl.h"

#define MATCHES_MAX 8u
#define NEEDLE_MAX 255u

/* ------------------------------------------------------------- remembering */

static struct recent_part part_of(const ProtobufCBinaryData *bytes)
{
    return (struct recent_part){bytes->data, bytes->len};
}

static void set_balances(struct recent_row *row, const Hf__Level *after)
{
    row->has_level = true;
    row->on_hand = after->on_hand;
    row->reserved = after->reserved;
    row->committed = after->committed;
    row->unavailable = after->unavailable;
    row->safety_stock = after->safety_stock;
    row->shortfall = after->shortfall;
    row->available = after->available;
}

void events_movement(struct model *model, uint32_t partition, const Hf__Movement *m)
{
    struct recent_row row = {
        .kind = RECENT_MOVEMENT,
        .partition = partition,
        .sequence = m->sequence,
        .index = m->index,
        .undoes = m->undoes,
        .at_us = m->at_us,
        .on_hand_change = m->on_hand_change,
        .reserved_change = m->reserved_change,
        .committed_change = m->committed_change,
        .unavailable_change = m->unavailable_change,
        .movement_kind = (uint8_t)m->kind,
        .state = (uint8_t)m->state,
    };
    const struct recent_part texts[RECENT_TEXTS] = {
        [RECENT_SKU] = part_of(&m->sku),
        [RECENT_WAREHOUSE] = part_of(&m->warehouse),
        [RECENT_RESERVATION] = part_of(&m->reservation),
        [RECENT_ORDER] = part_of(&m->order),
        [RECENT_REASON] = part_of(&m->reason),
        [RECENT_REFERENCE] = part_of(&m->reference),
        [RECENT_NOTE] = part_of(&m->note),
        [RECENT_ACTOR] = part_of(&m->actor),
    };

    if (m->after)
        set_balances(&row, m->after);
    if (m->operation_id.len == sizeof row.operation_id)
        memcpy(row.operation_id, m->operation_id.data, sizeof row.operation_id);
    for (size_t i = 0; i < m->n_signals; i++) {
        if (m->signals[i] >= 1 && m->signals[i] <= 8)
            row.signals |= (uint8_t)(1u << (m->signals[i] - 1));
    }
    recent_add(model->recent, &row, texts);
}

void events_break(struct model *model, uint32_t partition, enum recent_kind kind, uint64_t given,
                  uint64_t resume)
{
    const struct recent_row row = {
        .kind = (uint8_t)kind, .partition = partition, .sequence = given, .resume = resume};
    static const struct recent_part none[RECENT_TEXTS] = {{"", 0}};

    recent_add(model->recent, &row, none);
}

/* ------------------------------------------------------------- looking */

static bool in_any(const struct recent_row *row, const char *needle, size_t length,
                   enum recent_text first, enum recent_text last)
{
    for (enum recent_text text = first; text <= last; text++) {
        if (recent_contains(row, text, needle, length))
            return true;
    }
    return false;
}

static bool match_holds(const struct recent_row *row, const Hf__EventMatch *match)
{
    const char *needle = (const char *)match->text.data;
    size_t length = match->text.len;

    switch (match->column) {
    case HF__EVENT_COLUMN__EVENT_SKU:
        return recent_contains(row, RECENT_SKU, needle, length);
    case HF__EVENT_COLUMN__EVENT_WAREHOUSE:
        return recent_contains(row, RECENT_WAREHOUSE, needle, length);
    case HF__EVENT_COLUMN__EVENT_ORDER:
        return in_any(row, needle, length, RECENT_RESERVATION, RECENT_ORDER);
    case HF__EVENT_COLUMN__EVENT_ACTOR:
        return recent_contains(row, RECENT_ACTOR, needle, length);
    case HF__EVENT_COLUMN__EVENT_WHY:
        return in_any(row, needle, length, RECENT_REASON, RECENT_NOTE);
    case HF__EVENT_COLUMN__EVENT_ANY:
    case _HF__EVENT_COLUMN_IS_INT_SIZE:
        break;
    }
    return in_any(row, needle, length, RECENT_SKU, RECENT_ACTOR);
}

/* What is missing is told whatever one looks for. */
static bool wanted(const struct recent_row *row, const Hf__ViewEventsQuery *asked)
{
    bool kind = asked->n_kinds == 0, signal = asked->n_signals == 0;

    if (row->kind != RECENT_MOVEMENT)
        return true;
    for (size_t i = 0; i < asked->n_kinds && !kind; i++)
        kind = (int)asked->kinds[i] == row->movement_kind;
    for (size_t i = 0; i < asked->n_signals && !signal; i++)
        signal = row->signals & 1u << (asked->signals[i] - 1);
    for (size_t i = 0; i < asked->n_matches && kind && signal; i++) {
        if (!match_holds(row, asked->matches[i]))
            return false;
    }
    return kind && signal;
}

/* ------------------------------------------------------------- telling */

static ProtobufCBinaryData text_bytes(const struct asking *asking, const struct recent_row *row,
                                      enum recent_text text)
{
    size_t length;
    const char *bytes = recent_text_of(row, text, &length);

    return ask_bytes(asking, bytes, length);
}

static Hf__Level *balances_of(const struct asking *asking, const struct recent_row *row)
{
    Hf__Level *out = arena_alloc(asking->arena, sizeof *out);

    hf__level__init(out);
    out->on_hand = row->on_hand;
    out->reserved = row->reserved;
    out->committed = row->committed;
    out->unavailable = row->unavailable;
    out->safety_stock = row->safety_stock;
    out->shortfall = row->shortfall;
    out->available = row->available;
    return out;
}

static Hf__Movement *movement_of(const struct asking *asking, const struct recent_row *row)
{
    Hf__Movement *out = arena_alloc(asking->arena, sizeof *out);

    hf__movement__init(out);
    out->sequence = row->sequence;
    out->index = row->index;
    out->undoes = row->undoes;
    out->at_us = row->at_us;
    out->kind = (Hf__MovementKind)row->movement_kind;
    out->state = (Hf__ReservationState)row->state;
    out->on_hand_change = row->on_hand_change;
    out->reserved_change = row->reserved_change;
    out->committed_change = row->committed_change;
    out->unavailable_change = row->unavailable_change;
    out->operation_id = ask_bytes(asking, row->operation_id, sizeof row->operation_id);
    if (row->has_level)
        out->after = balances_of(asking, row);
    out->sku = text_bytes(asking, row, RECENT_SKU);
    out->warehouse = text_bytes(asking, row, RECENT_WAREHOUSE);
    out->reservation = text_bytes(asking, row, RECENT_RESERVATION);
    out->order = text_bytes(asking, row, RECENT_ORDER);
    out->reason = text_bytes(asking, row, RECENT_REASON);
    out->reference = text_bytes(asking, row, RECENT_REFERENCE);
    out->note = text_bytes(asking, row, RECENT_NOTE);
    out->actor = text_bytes(asking, row, RECENT_ACTOR);
    out->signals = arena_alloc(asking->arena, 8 * sizeof *out->signals);
    for (int i = 0; i < 8; i++) {
        if (row->signals & 1u << i)
            out->signals[out->n_signals++] = (Hf__Signal)(i + 1);
    }
    return out;
}

static Hf__ViewEvent *event_of(const struct asking *asking, const struct recent_row *row)
{
    Hf__ViewEvent *out = arena_alloc(asking->arena, sizeof *out);

    hf__view_event__init(out);
    out->number = row->number;
    out->kind = (Hf__ViewEventKind)row->kind;
    out->partition = row->partition;
    if (row->kind == RECENT_MOVEMENT) {
        out->movement = movement_of(asking, row);
    } else {
        out->given = row->sequence;
        out->resume = row->resume;
    }
    return out;
}

/* ------------------------------------------------------------- the question */

static bool in_lower_case(struct asking *asking, Hf__EventMatch *match)
{
    ProtobufCBinaryData *text = &match->text;
    const char *fault = text->len == 0 ? "is empty" : text_fault(text->data, text->len, NEEDLE_MAX);

    if (fault) {
        ask_refuse(asking, "events.matches", "%s", fault);
        return false;
    }
    for (size_t i = 0; i < text->len; i++) {
        if (text->data[i] >= 'A' && text->data[i] <= 'Z')
            text->data[i] = (uint8_t)(text->data[i] - 'A' + 'a');
    }
    return true;
}

static bool is_good(struct asking *asking)
{
    const Hf__ViewEventsQuery *asked = asking->query->events;

    if (asked->limit == 0 || asked->limit > MODEL_PAGE_MAX) {
        ask_refuse(asking, "events.limit", "must be 1 to %u", MODEL_PAGE_MAX);
        return false;
    }
    if (asked->n_matches > MATCHES_MAX) {
        ask_refuse(asking, "events.matches", "must be at most %u", MATCHES_MAX);
        return false;
    }
    for (size_t i = 0; i < asked->n_signals; i++) {
        if (asked->signals[i] < 1 || asked->signals[i] > 8) {
            ask_refuse(asking, "events.signals", "names a signal that is not there");
            return false;
        }
    }
    for (size_t i = 0; i < asked->n_matches; i++) {
        const Hf__EventMatch *match = asked->matches[i];
        if (match->base.n_unknown_fields > 0 || (int)match->column < 0 ||
            match->column > HF__EVENT_COLUMN__EVENT_WHY) {
            ask_refuse(asking, "events.matches", "names a column that is not there");
            return false;
        }
        if (!in_lower_case(asking, asked->matches[i]))
            return false;
    }
    return true;
}

void ask_events(struct asking *asking)
{
    const Hf__ViewEventsQuery *asked = asking->query->events;
    const struct recent *recent = asking->model->recent;
    Hf__ViewEvents *out = arena_alloc(asking->arena, sizeof *out);
    bool anew = asked->after == 0 || asked->instance != asking->model->instance ||
                asked->after > recent_newest(recent);

    if (!is_good(asking) || !ask_everything(asking))
        return;
    hf__view_events__init(out);
    out->instance = asking->model->instance;
    out->newest = recent_newest(recent);
    out->oldest = recent_oldest(recent);
    out->anew = anew;
    if (out->oldest > 1) /* what is before it is gone */
        out->since_us = recent_at(recent, out->oldest)->at_us;
    out->events = arena_alloc(asking->arena, (asked->limit + 1) * sizeof *out->events);
    uint64_t least = anew || asked->after < out->oldest ? out->oldest : asked->after + 1;
    for (uint64_t n = out->newest; n > 0 && n >= least; n--) {
        const struct recent_row *row = recent_at(recent, n);
        if (!wanted(row, asked))
            continue;
        if (out->n_events == asked->limit) {
            out->more = true;
            break;
        }
        out->events[out->n_events++] = event_of(asking, row);
    }
    asking->answer->events = out;
}

void model_name(struct model *model, uint64_t instance)
{
    model->instance = instance;
}

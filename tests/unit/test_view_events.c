/* SPDX-License-Identifier: MIT
 *
 * The newest movements: the ring against a plain list, what a view tells of them, and what the
 * console makes of that (console/events.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/holdfast_events.h"
#include "console/events.h"
#include "protocol/status.h"
#include "tests/unit/pick.h"
#include "view/model.h"
#include "view/recent.h"

#define ROWS 300
#define BYTES 65536u
#define ADDED 5000

/* ------------------------------------------------------------- the ring */

static size_t note_bytes(size_t i)
{
    return i * 7919 % 301; /* up to more than a row keeps */
}

static void ring(void **state)
{
    struct recent *recent = recent_new(ROWS, BYTES);
    char note[400];
    (void)state;

    assert_int_equal(recent_newest(recent), 0);
    assert_int_equal(recent_oldest(recent), 0);
    for (uint64_t i = 1; i <= ADDED; i++) {
        struct recent_row row = {.sequence = i * 3, .partition = (uint32_t)(i % 7)};
        struct recent_part texts[RECENT_TEXTS] = {[RECENT_SKU] = {"A-1", 3},
                                                  [RECENT_NOTE] = {note, note_bytes(i)},
                                                  [RECENT_ACTOR] = {"me", 2}};
        memset(note, 'a' + (int)(i % 26), sizeof note);
        recent_add(recent, &row, texts);
        uint64_t oldest = recent_oldest(recent), newest = recent_newest(recent);
        assert_int_equal(newest, i);
        assert_true(newest - oldest < ROWS);
        assert_true(recent_bytes(recent) < BYTES + ROWS * 8);
        if (i % 97 && i < ADDED)
            continue;
        for (uint64_t n = oldest; n <= newest; n++) { /* every one is whole */
            const struct recent_row *kept = recent_at(recent, n);
            size_t length;
            const char *text = recent_text_of(kept, RECENT_NOTE, &length);
            assert_int_equal(kept->number, n);
            assert_int_equal(kept->sequence, n * 3);
            assert_int_equal(length, note_bytes(n) > 255 ? 255 : note_bytes(n));
            for (size_t k = 0; k < length; k++)
                assert_int_equal(text[k], 'a' + (int)(n % 26));
            assert_true(recent_contains(kept, RECENT_ACTOR, "e", 1));
            assert_true(recent_contains(kept, RECENT_SKU, "a-1", 3));
            assert_false(recent_contains(kept, RECENT_SKU, "a-12", 4));
        }
    }
    /* It holds what fits: some two thirds of the bytes at least. */
    assert_true(recent_newest(recent) - recent_oldest(recent) > 100);
    recent_destroy(&recent);
}

static void cut_at_a_character(void **state)
{
    struct recent *recent = recent_new(4, BYTES);
    char note[300];
    size_t length;
    (void)state;

    for (size_t i = 0; i < sizeof note; i += 3)
        memcpy(note + i, "\xe6\x97\xa5", 3);
    struct recent_part texts[RECENT_TEXTS] = {[RECENT_NOTE] = {note + 1, 299}};
    recent_add(recent, &(struct recent_row){0}, texts);
    (void)recent_text_of(recent_at(recent, 1), RECENT_NOTE, &length);
    assert_int_equal(length, 254); /* 2 of the first, 84 whole ones */
    recent_destroy(&recent);
}

/* ------------------------------------------------------------- a view */

struct seen {
    struct model *model;
    struct arena arena;
    uint64_t sequence;
};

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void install(struct seen *s, uint64_t sequence)
{
    struct snapshot *snapshot = snapshot_new(0);
    snapshot->sequence = s->sequence = sequence;
    model_install(s->model, &snapshot, 1);
}

static void happen(struct seen *s, Hf__Movement *m)
{
    Hf__PartitionChanges changes = HF__PARTITION_CHANGES__INIT;
    uint8_t claim[16] = {0};

    changes.claim_id = (ProtobufCBinaryData){16, claim};
    changes.after = s->sequence;
    m->sequence = ++s->sequence;
    changes.movements = &m;
    changes.n_movements = 1;
    assert_int_equal(model_changes(s->model, &changes), MODEL_DONE);
}

static void adjusted(struct seen *s, const char *sku, const char *warehouse, const char *actor,
                     const char *note)
{
    Hf__Movement m = HF__MOVEMENT__INIT;
    Hf__Level after = HF__LEVEL__INIT;
    Hf__Signal low = HF__SIGNAL__SIGNAL_LOW_STOCK;

    m.kind = HF__MOVEMENT_KIND__MOVEMENT_ADJUSTED;
    m.sku = bytes_of(sku);
    m.warehouse = bytes_of(warehouse);
    m.actor = bytes_of(actor);
    m.note = bytes_of(note);
    m.order = bytes_of("o-9");
    m.on_hand_change = -3;
    after.on_hand = 4;
    after.available = 4;
    m.after = &after;
    m.signals = &low;
    m.n_signals = strcmp(note, "low") == 0;
    happen(s, &m);
}

static const Hf__ViewEvents *ask(struct seen *s, Hf__ViewEventsQuery *events, enum status want)
{
    Hf__ViewQuery query = HF__VIEW_QUERY__INIT;
    Hf__ViewAnswer *answer = arena_alloc(&s->arena, sizeof *answer);

    query.kind_case = HF__VIEW_QUERY__KIND_EVENTS;
    query.events = events;
    assert_true(model_answer(s->model, &query, 1, 1, true, &s->arena, answer));
    assert_int_equal(answer->status, want);
    return answer->events;
}

static size_t matching(struct seen *s, Hf__EventColumn column, const char *text)
{
    Hf__ViewEventsQuery query = HF__VIEW_EVENTS_QUERY__INIT;
    Hf__EventMatch match = HF__EVENT_MATCH__INIT, *list = &match;
    char word[32];

    snprintf(word, sizeof word, "%s", text); /* the view writes in what it was sent */
    match.column = column;
    match.text = bytes_of(word);
    query.limit = 100;
    query.matches = &list;
    query.n_matches = 1;
    return ask(s, &query, STATUS_applied)->n_events;
}

static void begin(struct seen *s)
{
    memset(s, 0, sizeof *s);
    arena_init(&s->arena);
    s->model = model_new(1);
    model_name(s->model, 77);
    install(s, 10);
}

static void finish(struct seen *s)
{
    model_destroy(&s->model);
    arena_release(&s->arena);
}

static void tells(void **state)
{
    struct seen s;
    Hf__ViewEventsQuery query = HF__VIEW_EVENTS_QUERY__INIT;
    (void)state;

    begin(&s);
    query.limit = 3;
    const Hf__ViewEvents *events = ask(&s, &query, STATUS_applied);
    assert_int_equal(events->newest, 0);
    assert_int_equal(events->n_events, 0); /* what the snapshot holds did not happen now */
    adjusted(&s, "WID-1", "BER1", "kaya", "");
    adjusted(&s, "WID-2", "HAM2", "LEE", "fell off the Forklift");
    adjusted(&s, "WID-3", "HAM2", "lee", "low");
    adjusted(&s, "WID-4", "HAM2", "lee", "");
    events = ask(&s, &query, STATUS_applied);
    assert_true(events->anew);
    assert_true(events->more);
    assert_int_equal(events->n_events, 3);
    assert_int_equal(events->events[0]->number, 4); /* the newest first */
    assert_int_equal(events->events[2]->movement->sequence, 12);
    assert_int_equal(events->events[2]->movement->after->on_hand, 4);
    assert_memory_equal(events->events[2]->movement->sku.data, "WID-2", 5);

    query.instance = 77;
    query.after = 3;
    events = ask(&s, &query, STATUS_applied);
    assert_false(events->anew);
    assert_false(events->more);
    assert_int_equal(events->n_events, 1);
    query.instance = 78; /* of another view: its numbers mean nothing here */
    events = ask(&s, &query, STATUS_applied);
    assert_true(events->anew);
    assert_int_equal(events->n_events, 3);

    assert_int_equal(matching(&s, HF__EVENT_COLUMN__EVENT_ACTOR, "Lee"), 3);
    assert_int_equal(matching(&s, HF__EVENT_COLUMN__EVENT_SKU, "wid-2"), 1);
    assert_int_equal(matching(&s, HF__EVENT_COLUMN__EVENT_WAREHOUSE, "ham"), 3);
    assert_int_equal(matching(&s, HF__EVENT_COLUMN__EVENT_ORDER, "O-9"), 4);
    assert_int_equal(matching(&s, HF__EVENT_COLUMN__EVENT_WHY, "forklift"), 1);
    assert_int_equal(matching(&s, HF__EVENT_COLUMN__EVENT_ANY, "FORK"), 1);
    assert_int_equal(matching(&s, HF__EVENT_COLUMN__EVENT_SKU, "lee"), 0);

    Hf__Signal low = HF__SIGNAL__SIGNAL_LOW_STOCK;
    Hf__ViewEventsQuery signals = HF__VIEW_EVENTS_QUERY__INIT;
    signals.limit = 10;
    signals.signals = &low;
    signals.n_signals = 1;
    events = ask(&s, &signals, STATUS_applied);
    assert_int_equal(events->n_events, 1);
    assert_int_equal(events->events[0]->movement->n_signals, 1);
    Hf__MovementKind shipped = HF__MOVEMENT_KIND__MOVEMENT_SHIPPED;
    Hf__ViewEventsQuery kinds = HF__VIEW_EVENTS_QUERY__INIT;
    kinds.limit = 10;
    kinds.kinds = &shipped;
    kinds.n_kinds = 1;
    assert_int_equal(ask(&s, &kinds, STATUS_applied)->n_events, 0);
    finish(&s);
}

static void refuses(void **state)
{
    struct seen s;
    Hf__EventMatch matches[9], *list[9];
    Hf__Signal wrong[] = {HF__SIGNAL__SIGNAL_NONE};
    (void)state;

    begin(&s);
    for (int i = 0; i < 9; i++) {
        hf__event_match__init(list[i] = &matches[i]);
        matches[i].text = bytes_of("a");
    }
    Hf__ViewEventsQuery query = HF__VIEW_EVENTS_QUERY__INIT;
    ask(&s, &query, STATUS_invalid); /* no limit */
    query.limit = MODEL_PAGE_MAX + 1;
    ask(&s, &query, STATUS_invalid);
    query.limit = 1;
    query.matches = list;
    query.n_matches = 9;
    ask(&s, &query, STATUS_invalid);
    query.n_matches = 1;
    matches[0].text.len = 0;
    ask(&s, &query, STATUS_invalid);
    matches[0].text.len = 1;
    matches[0].column = (Hf__EventColumn)9;
    ask(&s, &query, STATUS_invalid);
    query.n_matches = 0;
    query.signals = wrong;
    query.n_signals = 1;
    ask(&s, &query, STATUS_invalid);
    finish(&s);
}

/* What a watcher cannot know is said, whatever it looks for. */
static void breaks(void **state)
{
    struct seen s;
    Hf__ViewEventsQuery query = HF__VIEW_EVENTS_QUERY__INIT;
    Hf__MovementKind shipped = HF__MOVEMENT_KIND__MOVEMENT_SHIPPED;
    (void)state;

    begin(&s);
    query.limit = 10;
    query.kinds = &shipped;
    query.n_kinds = 1;
    adjusted(&s, "WID-1", "BER1", "kaya", "");
    model_forget(s.model, 0, true);
    const Hf__ViewEvents *events = ask(&s, &query, STATUS_applied);
    assert_int_equal(events->n_events, 1);
    assert_int_equal(events->events[0]->kind, HF__VIEW_EVENT_KIND__VIEW_EVENT_HISTORY_LOST);
    assert_int_equal(events->events[0]->given, 11);
    install(&s, 9); /* told once is enough */
    assert_int_equal(ask(&s, &query, STATUS_applied)->n_events, 1);
    install(&s, 20); /* too far behind to read the ledger */
    events = ask(&s, &query, STATUS_applied);
    assert_int_equal(events->n_events, 2);
    assert_int_equal(events->events[0]->kind, HF__VIEW_EVENT_KIND__VIEW_EVENT_PASSED_OVER);
    assert_int_equal(events->events[0]->given, 9);
    assert_int_equal(events->events[0]->resume, 20);
    model_forget(s.model, 0, false);
    install(&s, 20); /* nothing was missed */
    assert_int_equal(ask(&s, &query, STATUS_applied)->n_events, 2);
    finish(&s);
}

/* ------------------------------------------------------------- the console */

static struct holdfast_movement moved = {.kind = 10,
                                         .sku = "WID-1",
                                         .warehouse = "BER1",
                                         .actor = "kaya",
                                         .reason = "damaged",
                                         .order = "",
                                         .reference = "",
                                         .note = "",
                                         .reservation = "",
                                         .on_hand_change = -3,
                                         .reserved_change = 2};

static size_t take(struct event_list *list, uint64_t from, size_t count, uint64_t newest,
                   uint64_t oldest, bool anew, bool more)
{
    struct holdfast_view_event all[64] = {0};
    struct holdfast_view_events events = {.instance = 5,
                                          .newest = newest,
                                          .oldest = oldest,
                                          .anew = anew,
                                          .more = more,
                                          .list = all,
                                          .count = count};
    static struct holdfast_movement movements[64];

    for (size_t i = 0; i < count; i++) {
        movements[i] = moved;
        movements[i].sequence = from + count - 1 - i;
        all[i].number = movements[i].sequence;
        all[i].movement = &movements[i];
    }
    return event_list_take(list, &events, 1);
}

static void lists(void **state)
{
    struct event_list list;
    (void)state;

    assert_true(event_list_init(&list, 8));
    assert_int_equal(take(&list, 1, 3, 3, 1, true, true), 3); /* before it began: no gap */
    assert_int_equal(list.lines[0].sequence, 3);
    assert_int_equal(take(&list, 4, 1, 4, 1, false, false), 1);
    assert_int_equal(list.count, 4);
    assert_int_equal(list.lines[0].sequence, 4);
    assert_int_equal(list.lines[3].sequence, 1);
    assert_int_equal(event_list_find(&list, 0, 2), 2);
    assert_int_equal(event_list_find(&list, 0, 9), -1);
    assert_int_equal(take(&list, 30, 2, 31, 1, false, true), 3); /* more than it was given */
    assert_int_equal(list.lines[2].kind, EVENT_LINE_MORE);
    assert_int_equal(list.lines[3].sequence, 4);
    assert_int_equal(take(&list, 50, 1, 50, 40, false, false), 2); /* forgotten before it asked */
    assert_int_equal(list.lines[1].kind, EVENT_LINE_LATE);
    assert_int_equal(list.count, 8); /* the oldest made room */
    assert_int_equal(list.lines[7].sequence, 2);
    assert_int_equal(take(&list, 51, 12, 62, 40, false, false), 8); /* never more than it holds */
    assert_int_equal(list.count, 8);
    assert_int_equal(list.lines[0].sequence, 62);
    assert_int_equal(take(&list, 1, 1, 1, 1, true, false), 1);
    assert_int_equal(list.count, 1);
    assert_false(list.begun_anew); /* the same view */
    event_list_renew(&list);
    assert_int_equal(list.count, 1); /* until the answer is there */
    (void)take(&list, 7, 2, 8, 1, true, true);
    assert_int_equal(list.count, 2);
    assert_false(list.begun_anew);
    list.instance = 4;
    (void)take(&list, 1, 1, 1, 1, true, false);
    assert_true(list.begun_anew);
    event_list_release(&list);
}

static void filters(void **state)
{
    struct event_filter f;
    struct holdfast_view_query query = {0};
    (void)state;

    assert_true(event_filter_parse(&f, "  by:m.kaya blue  at:BER1 order:o-1 why:dam sku:W"));
    assert_int_equal(f.count, 6);
    assert_int_equal(f.matches[0].column, HOLDFAST_EVENT_ACTOR);
    assert_string_equal(f.matches[0].text, "m.kaya");
    assert_int_equal(f.matches[1].column, HOLDFAST_EVENT_ANY);
    assert_int_equal(f.matches[2].column, HOLDFAST_EVENT_WAREHOUSE);
    assert_int_equal(f.matches[3].column, HOLDFAST_EVENT_ORDER);
    assert_int_equal(f.matches[4].column, HOLDFAST_EVENT_WHY);
    assert_int_equal(f.matches[5].column, HOLDFAST_EVENT_SKU);
    event_filter_ask(&f, &query);
    assert_int_equal(query.match_count, 6);
    assert_int_equal(query.movement_kinds, 0);

    assert_true(event_filter_parse(&f, "is:adj is:Counted is:low"));
    assert_int_equal(f.kinds, 1u << 10 | 1u << 11);
    assert_int_equal(f.signals, HOLDFAST_SIGNAL_LOW_STOCK | HOLDFAST_SIGNAL_LOW_STOCK_HERE);
    assert_true(event_filter_parse(&f, "by: is: x:y")); /* being typed; and no prefix at all */
    assert_int_equal(f.count, 1);
    assert_string_equal(f.matches[0].text, "x:y");
    assert_false(event_filter_parse(&f, "is:adjutsed"));
    assert_non_null(strstr(f.fault, "adjutsed"));
    assert_false(event_filter_parse(&f, "a b c d e f g h i"));
    assert_true(f.fault[0] != '\0');
    assert_true(event_filter_parse(&f, ""));
    assert_int_equal(f.count, 0);
}

static void words(void **state)
{
    struct event_list list;
    char text[64], who[256];
    (void)state;

    assert_true(event_list_init(&list, 8));
    (void)take(&list, 1, 1, 1, 1, true, false);
    assert_string_equal(event_change(&list.lines[0], text), "-3 +2r");
    event_who(&list.lines[0], who, sizeof who);
    assert_string_equal(who, "kaya damaged");
    assert_string_equal(
        event_signals(HOLDFAST_SIGNAL_OUT_OF_STOCK | HOLDFAST_SIGNAL_SHORTFALL, text),
        "OUT! SHORT! ");
    assert_string_equal(event_signals(0, text), "");
    list.lines[0].kind = EVENT_LINE_HISTORY_LOST;
    list.lines[0].given = 12;
    event_gap(&list.lines[0], who, sizeof who);
    assert_non_null(strstr(who, "HISTORY LOST"));
    assert_non_null(strstr(who, "12"));
    event_list_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring),    cmocka_unit_test(cut_at_a_character),
        cmocka_unit_test(tells),   cmocka_unit_test(refuses),
        cmocka_unit_test(breaks),  cmocka_unit_test(lists),
        cmocka_unit_test(filters), cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

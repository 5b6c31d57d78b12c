/* SPDX-License-Identifier: MIT
 *
 * Reads: what views and owners know, joined; and the core's sessions with views.
 */
#include "tests/unit/client_world.h"

#include "client/read.h"

#define PARTITIONS 64
#define SECOND 1000000

/* ------------------------------------------------------------- questions */

static struct read *start(const struct holdfast_view_query *query)
{
    struct fault fault = {0};
    struct read *read = read_new(query, &fault);

    if (!read)
        fail_msg("%s: %s", fault.field, fault.message);
    return read;
}

static Hf__ViewQuery *encode(struct read *read, const struct positions *positions)
{
    struct encoded encoded;

    assert_true(read_encode(read, positions, PARTITIONS, 300, &encoded));
    Hf__ViewQuery *query = hf__view_query__unpack(NULL, encoded.body_bytes, encoded.body);
    assert_non_null(query);
    free(encoded.body);
    return query;
}

static const char *const three[] = {"A", "B", "none"};
static const struct holdfast_view_query of_three = {
    .kind = HOLDFAST_VIEW_STOCK, .keys = three, .key_count = 3};

static void test_positions_travel(void **state)
{
    struct positions positions = {0};
    uint32_t a = partition_of_sku("A", 1, PARTITIONS);

    (void)state;
    assert_true(positions_raise(&positions, a, 7));
    assert_true(positions_raise(&positions, a, 5));
    assert_true(positions_raise(&positions, 60, 9));
    assert_false(positions_raise(&positions, 65535, 1));
    struct read *read = start(&of_three);
    Hf__ViewQuery *query = encode(read, &positions);
    assert_int_equal(query->stock->n_skus, 3);
    assert_int_equal(query->wait_ms, 300);
    assert_int_equal(query->n_at_least, 1); /* of the keys' partitions alone */
    assert_int_equal(query->at_least[0]->partition, a);
    assert_int_equal(query->at_least[0]->sequence, 7);
    hf__view_query__free_unpacked(query, NULL);
    read_destroy(&read);
    read = start(&(struct holdfast_view_query){.kind = HOLDFAST_VIEW_TOTALS});
    query = encode(read, &positions);
    assert_int_equal(query->n_at_least, 2); /* it is over all */
    hf__view_query__free_unpacked(query, NULL);
    read_destroy(&read);
    read = start(&(struct holdfast_view_query){
        .kind = HOLDFAST_VIEW_TOTALS, .consistency = HOLDFAST_READ_LATEST, .max_staleness_ms = 40});
    query = encode(read, &positions);
    assert_int_equal(query->n_at_least, 0);
    assert_true(query->latest);
    assert_int_equal(query->max_staleness_ms, 40);
    hf__view_query__free_unpacked(query, NULL);
    read_destroy(&read);
    positions_lower(&positions, a, 6, 1);
    assert_int_equal(positions_get(&positions, a), 7);
    positions_lower(&positions, a, 7, 2);
    assert_int_equal(positions_get(&positions, a), 2);
    positions_release(&positions);
}

static void test_mistakes_have_names(void **state)
{
    static const char *const bad[] = {"A", ""};
    static const char *const order[] = {""};
    static const struct {
        struct holdfast_view_query query;
        const char *field;
        int status;
    } cases[] = {
        {{.kind = 3}, "kind", HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_STOCK}, "keys", HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_STOCK, .keys = bad, .key_count = 2}, "keys", HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_STOCK, .keys = bad, .key_count = 257}, "keys", HOLDFAST_TOO_LARGE},
        {{.kind = HOLDFAST_VIEW_ORDERS, .keys = order, .key_count = 1}, "keys", HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_RESERVATIONS, .keys = bad, .key_count = 1},
         "keys",
         HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_TOTALS, .consistency = 9}, "consistency", HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_TOTALS, .consistency = HOLDFAST_READ_OWNER},
         "consistency",
         HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_LEVELS, .limit = 1001}, "limit", HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_LEVELS, .sort = 12}, "sort", HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_LEVELS, .sort = HOLDFAST_BY_NAME, .after = "A"},
         "after",
         HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_LEVELS, .cursor = "v0g"}, "cursor", HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_LEVELS, .cursor = "v0"}, "cursor", HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_LEVELS, .cursor = "s0000000000000000A"},
         "cursor",
         HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_LEVELS, .by_sku = true, .cursor = "s0000000000000000A"},
         "cursor",
         HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_LEVELS, .warehouse = " W"}, "warehouse", HOLDFAST_INVALID},
        {{.kind = HOLDFAST_VIEW_LEVELS, .text = "a\nb"}, "text", HOLDFAST_INVALID},
    };
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(read_new(&cases[i].query, &fault));
        assert_string_equal(fault.field, cases[i].field);
        assert_int_equal(fault.status, cases[i].status);
    }
}

/* ------------------------------------------------------------- a view's answer, and the owners' */

static struct view_box *view_says(Hf__ViewAnswer *wire)
{
    struct view_box *box = view_box_decode(wire);

    assert_non_null(box);
    return box;
}

static void take_view(struct read *read, Hf__ViewAnswer *wire, int64_t now_us)
{
    struct view_box *box = view_says(wire);

    read_take_view(read, &box, "ipc://view", now_us);
    assert_null(box);
}

static struct holdfast_answer *owners_say(Hf__Stock **stock, size_t count, uint64_t sequence,
                                          uint32_t asked, uint32_t answered)
{
    Hf__Answer wire = HF__ANSWER__INIT;

    wire.stock = stock;
    wire.n_stock = count;
    wire.sequence = sequence;
    wire.partition = 11;
    struct holdfast_answer *answer = decode_answer(&wire);
    answer->partitions_asked = asked;
    answer->partitions_answered = answered;
    answer->age_us = 5000;
    if (answered < asked)
        answer->status = HOLDFAST_UNAVAILABLE;
    return answer;
}

/* A is known, B is what the caller says, and of the third nothing is known either. */
static void three_from_view(struct read *read, Hf__Knowledge of_b, uint32_t b_on_hand)
{
    Hf__ViewAnswer wire = HF__VIEW_ANSWER__INIT;
    Hf__ViewStock stock[3], *list[] = {&stock[0], &stock[1], &stock[2]};
    Hf__Level total = HF__LEVEL__INIT, level = HF__LEVEL__INIT, *levels = &level;

    total.on_hand = level.on_hand = 4;
    level.warehouse = bytes_of("W");
    for (int i = 0; i < 3; i++) {
        hf__view_stock__init(&stock[i]);
        stock[i].sku = bytes_of(three[i]);
    }
    stock[0].knowledge = HF__KNOWLEDGE__KNOWLEDGE_KNOWN;
    stock[0].exists = true;
    stock[0].age_ms = 10;
    stock[0].total = &total;
    stock[0].levels = &levels;
    stock[0].n_levels = 1;
    /* What a view that knows nothing says must not be looked at, whatever it sends. */
    total.on_hand = 4;
    stock[1].knowledge = of_b;
    stock[1].exists = b_on_hand > 0;
    stock[1].total = b_on_hand > 0 ? &total : NULL;
    wire.stock = list;
    wire.n_stock = 3;
    wire.age_ms = 9000; /* of the partitions that it is behind with */
    take_view(read, &wire, 100);
}

static void test_keys_fall_back(void **state)
{
    static const Hf__Knowledge lacks[] = {HF__KNOWLEDGE__KNOWLEDGE_UNKNOWN,
                                          HF__KNOWLEDGE__KNOWLEDGE_BEHIND,
                                          HF__KNOWLEDGE__KNOWLEDGE_STALE};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct positions positions = {0};
        struct read *read = start(&of_three);
        struct holdfast_query query;
        Hf__Stock b = HF__STOCK__INIT, *list = &b;
        Hf__Level level[2], *levels[] = {&level[0], &level[1]};
        three_from_view(read, lacks[i], 9);
        assert_true(read_owner_query(read, &query));
        assert_int_equal(query.kind, HOLDFAST_QUERY_STOCK);
        assert_int_equal(query.sku_count, 2);
        assert_string_equal(query.skus[0], "B");
        assert_string_equal(query.skus[1], "none");
        for (int l = 0; l < 2; l++) {
            hf__level__init(&level[l]);
            level[l].on_hand = 20;
            level[l].available = 15;
        }
        b.sku = bytes_of("B");
        b.levels = levels;
        b.n_levels = 2;
        read_take_owner(read, owners_say(&list, 1, 77, 2, 2), &positions);
        assert_false(read_owner_query(read, &query));
        struct holdfast_view_answer *answer = read_finish(read, 100 + SECOND);
        assert_int_equal(answer->status, HOLDFAST_APPLIED);
        assert_int_equal(answer->stock_count, 3);
        assert_int_equal(answer->stock[0].total.on_hand, 4);
        assert_int_equal(answer->stock[0].age_us, 10000 + SECOND); /* it has grown older since */
        assert_int_equal(answer->age_us, 10000 + SECOND);          /* of the oldest that is told */
        assert_false(answer->stock[0].from_owner);
        assert_int_equal(answer->stock[1].total.on_hand, 40);
        assert_int_equal(answer->stock[1].total.available, 30);
        assert_int_equal(answer->stock[1].sequence, 77);
        assert_int_equal(answer->stock[1].age_us, 5000);
        assert_true(answer->stock[1].from_owner);
        assert_int_equal(answer->stock[2].knowledge, HOLDFAST_KNOWLEDGE_KNOWN);
        assert_false(answer->stock[2].exists);
        holdfast_view_answer_free(&answer);
        read_destroy(&read);
    }
}

/* As a view tells it: five full warehouses are not 705,032,699 pieces. */
static void test_a_sum_does_not_wrap(void **state)
{
    struct positions positions = {0};
    struct read *read = start(&of_three);
    struct holdfast_query query;
    Hf__Stock b = HF__STOCK__INIT, *list = &b;
    Hf__Level level[5], *levels[5];

    (void)state;
    three_from_view(read, HF__KNOWLEDGE__KNOWLEDGE_UNKNOWN, 9);
    assert_true(read_owner_query(read, &query));
    for (int i = 0; i < 5; i++) {
        hf__level__init(levels[i] = &level[i]);
        level[i].on_hand = level[i].available = 999999999;
    }
    b.sku = bytes_of("B");
    b.levels = levels;
    b.n_levels = 5;
    read_take_owner(read, owners_say(&list, 1, 77, 2, 2), &positions);
    struct holdfast_view_answer *answer = read_finish(read, 100);
    assert_int_equal(answer->stock[1].total.on_hand, UINT32_MAX);
    assert_int_equal(answer->stock[1].total.available, UINT32_MAX);
    holdfast_view_answer_free(&answer);
    read_destroy(&read);
}

static void test_nothing_is_made_up(void **state)
{
    struct positions positions = {0};
    struct holdfast_query query;

    (void)state;
    /* The owners' answer is not whole: what is missing is unknown, not gone. */
    struct read *read = start(&of_three);
    three_from_view(read, HF__KNOWLEDGE__KNOWLEDGE_STALE, 9);
    assert_true(read_owner_query(read, &query));
    read_take_owner(read, owners_say(NULL, 0, 0, 2, 1), &positions);
    struct holdfast_view_answer *answer = read_finish(read, 200);
    assert_int_equal(answer->status, HOLDFAST_UNAVAILABLE);
    assert_int_equal(answer->stock[0].total.on_hand, 4);
    assert_int_equal(answer->stock[1].knowledge, HOLDFAST_KNOWLEDGE_STALE);
    assert_int_equal(answer->stock[1].total.on_hand, 0);
    assert_int_equal(answer->stock[1].level_count, 0);
    assert_false(answer->stock[1].exists);
    assert_int_equal(answer->stock[2].knowledge, HOLDFAST_KNOWLEDGE_UNKNOWN);
    holdfast_view_answer_free(&answer);
    read_destroy(&read);
    /* Nobody answered at all. */
    read = start(&of_three);
    struct view_box *box = view_box_make(HOLDFAST_UNAVAILABLE, "", "no view answers");
    read_take_view(read, &box, "", 100);
    assert_true(read_owner_query(read, &query));
    assert_int_equal(query.sku_count, 3);
    read_take_owner(read, make_answer(HOLDFAST_DEADLINE_EXCEEDED, "", "no answer in time"),
                    &positions);
    answer = read_finish(read, 200);
    assert_int_equal(answer->status, HOLDFAST_DEADLINE_EXCEEDED);
    assert_string_equal(answer->message, "no answer in time");
    assert_int_equal(answer->stock_count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(answer->stock[i].knowledge, HOLDFAST_KNOWLEDGE_UNKNOWN);
    holdfast_view_answer_free(&answer);
    read_destroy(&read);
    /* A view that answers another question. */
    read = start(&of_three);
    Hf__ViewAnswer wire = HF__VIEW_ANSWER__INIT;
    take_view(read, &wire, 100);
    assert_true(read_owner_query(read, &query));
    assert_int_equal(query.sku_count, 3);
    answer = read_finish(read, 200);
    assert_int_equal(answer->kind, HOLDFAST_KIND_SHED);
    holdfast_view_answer_free(&answer);
    read_destroy(&read);
}

/* What the handle wrote is not in the owner's history any more. */
static void test_a_lost_tail_lowers_the_position(void **state)
{
    struct positions positions = {0};
    struct holdfast_query query;
    Hf__Stock b = HF__STOCK__INIT, *list = &b;
    uint32_t partition = partition_of_sku("B", 1, PARTITIONS);

    (void)state;
    for (uint64_t owner = 90; owner <= 110; owner += 20) {
        positions_raise(&positions, partition, 100);
        struct read *read = start(&of_three);
        Hf__ViewQuery *sent = encode(read, &positions);
        hf__view_query__free_unpacked(sent, NULL);
        three_from_view(read, HF__KNOWLEDGE__KNOWLEDGE_BEHIND, 0);
        assert_true(read_owner_query(read, &query));
        b.sku = bytes_of("B");
        struct holdfast_answer *told = owners_say(&list, 1, owner, 2, 2);
        ((struct holdfast_stock *)(uintptr_t)told->stock)[0].partition = partition;
        read_take_owner(read, told, &positions);
        assert_int_equal(positions_get(&positions, partition), owner < 100 ? owner : 100);
        struct holdfast_view_answer *answer = read_finish(read, 200);
        holdfast_view_answer_free(&answer);
        read_destroy(&read);
    }
    positions_release(&positions);
}

static void test_reservations_in_their_order(void **state)
{
    static const char *const keys[] = {"r-00061nbcxn48r6ght", "R-006P1NBCXN48R6GH$",
                                       "R-ZZZ61NBCXN48R6GHU"};
    struct holdfast_view_query asked = {
        .kind = HOLDFAST_VIEW_RESERVATIONS, .keys = keys, .key_count = 3};
    struct positions positions = {0};
    struct holdfast_query query;

    (void)state;
    for (int complete = 0; complete < 2; complete++) {
        struct read *read = start(&asked);
        Hf__ViewAnswer wire = HF__VIEW_ANSWER__INIT;
        Hf__Reservation open = HF__RESERVATION__INIT, *opens = &open;
        open.reservation = bytes_of(keys[1]);
        wire.reservations = &opens;
        wire.n_reservations = 1;
        take_view(read, &wire, 100);
        assert_true(read_owner_query(read, &query));
        assert_int_equal(query.kind, HOLDFAST_QUERY_RESERVATION);
        assert_int_equal(query.sku_count, 2);
        Hf__Answer owner = HF__ANSWER__INIT;
        Hf__Reservation over = HF__RESERVATION__INIT, *overs = &over;
        over.reservation = bytes_of("R-00061NBCXN48R6GHT");
        over.state = HF__RESERVATION_STATE__RESERVATION_RELEASED;
        owner.reservations = &overs;
        owner.n_reservations = 1;
        struct holdfast_answer *told = decode_answer(&owner);
        told->partitions_asked = 2;
        told->partitions_answered = complete ? 2 : 1;
        read_take_owner(read, told, &positions);
        struct holdfast_view_answer *answer = read_finish(read, 200);
        assert_int_equal(answer->status, complete ? HOLDFAST_APPLIED : HOLDFAST_UNAVAILABLE);
        assert_int_equal(answer->reservation_count, 2);
        assert_string_equal(answer->reservations[0].reservation, "R-00061NBCXN48R6GHT");
        assert_string_equal(answer->reservations[1].reservation, keys[1]);
        assert_int_equal(answer->unknown_key_count, complete ? 0 : 1);
        if (!complete)
            assert_string_equal(answer->unknown_keys[0], keys[2]);
        holdfast_view_answer_free(&answer);
        read_destroy(&read);
    }
}

/* A plain page goes on at whoever answers; a cursor belongs to its question. */
static void test_pages_go_on_at_the_owners(void **state)
{
    struct holdfast_view_query asked = {
        .kind = HOLDFAST_VIEW_LEVELS, .by_sku = true, .limit = 1, .warehouse = "W"};
    struct positions positions = {0};
    struct holdfast_query query;
    struct fault fault;
    Hf__ViewAnswer wire = HF__VIEW_ANSWER__INIT;
    Hf__ViewStock stock = HF__VIEW_STOCK__INIT, *list = &stock;

    (void)state;
    stock.sku = bytes_of("A");
    stock.knowledge = HF__KNOWLEDGE__KNOWLEDGE_KNOWN;
    wire.stock = &list;
    wire.n_stock = 1;
    wire.cursor = bytes_of("more");
    struct read *read = start(&asked);
    take_view(read, &wire, 100);
    assert_false(read_owner_query(read, &query));
    struct holdfast_view_answer *first = read_finish(read, 100);
    read_destroy(&read);
    assert_true(first->more);
    asked.cursor = first->cursor;
    read = start(&asked);
    Hf__ViewQuery *sent = encode(read, &positions);
    assert_int_equal(sent->levels->cursor.len, 0);
    assert_memory_equal(sent->levels->after.data, "A", 1);
    hf__view_query__free_unpacked(sent, NULL);
    struct view_box *box = view_box_make(HOLDFAST_UNAVAILABLE, "", "no view answers");
    read_take_view(read, &box, "", 100);
    assert_true(read_owner_query(read, &query));
    assert_string_equal(query.after, "A");
    assert_string_equal(query.warehouse, "W");
    assert_int_equal(query.limit, 1);
    Hf__Stock b = HF__STOCK__INIT, *bs = &b;
    b.sku = bytes_of("B");
    read_take_owner(read, owners_say(&bs, 1, 9, PARTITIONS, PARTITIONS), &positions);
    assert_false(read_owner_query(read, &query));
    struct holdfast_view_answer *second = read_finish(read, 200);
    read_destroy(&read);
    assert_int_equal(second->status, HOLDFAST_APPLIED);
    assert_string_equal(second->stock[0].sku, "B");
    assert_true(second->from_owner);
    assert_false(second->more);
    asked.warehouse = "V";
    assert_null(read_new(&asked, &fault));
    assert_string_equal(fault.field, "cursor");
    asked.warehouse = "W";
    asked.text = "x"; /* no owner can do this */
    asked.cursor = NULL;
    read = start(&asked);
    box = view_box_make(HOLDFAST_UNAVAILABLE, "", "no view answers");
    read_take_view(read, &box, "", 100);
    assert_false(read_owner_query(read, &query));
    struct holdfast_view_answer *none = read_finish(read, 200);
    assert_int_equal(none->status, HOLDFAST_UNAVAILABLE);
    assert_string_equal(none->message, "no view answers");
    read_destroy(&read);
    holdfast_view_answer_free(&first);
    holdfast_view_answer_free(&second);
    holdfast_view_answer_free(&none);
}

/* Of a view's cursors nothing is lost on the way. */
static void test_a_views_cursor_comes_back(void **state)
{
    struct holdfast_view_query asked = {.kind = HOLDFAST_VIEW_LEVELS, .sort = HOLDFAST_BY_ON_HAND};
    struct positions positions = {0};
    uint8_t bytes[] = {0, 255, 16, 1};
    Hf__ViewAnswer wire = HF__VIEW_ANSWER__INIT;

    (void)state;
    wire.cursor = (ProtobufCBinaryData){sizeof bytes, bytes};
    struct read *read = start(&asked);
    take_view(read, &wire, 100);
    struct holdfast_view_answer *answer = read_finish(read, 100);
    read_destroy(&read);
    asked.cursor = answer->cursor;
    read = start(&asked);
    Hf__ViewQuery *sent = encode(read, &positions);
    assert_int_equal(sent->levels->cursor.len, sizeof bytes);
    assert_memory_equal(sent->levels->cursor.data, bytes, sizeof bytes);
    hf__view_query__free_unpacked(sent, NULL);
    holdfast_view_answer_free(&answer);
    read_destroy(&read);
}

static void test_a_barcode_by_the_owners(void **state)
{
    static const char *const keys[] = {"4001"};
    struct holdfast_view_query asked = {.kind = HOLDFAST_VIEW_BARCODE,
                                        .consistency = HOLDFAST_READ_OWNER,
                                        .keys = keys,
                                        .key_count = 1};
    struct positions positions = {0};
    struct holdfast_query query;

    (void)state;
    for (int complete = 0; complete < 2; complete++) {
        struct read *read = start(&asked);
        assert_true(read_is_owners(read));
        assert_true(read_owner_query(read, &query));
        assert_int_equal(query.kind, HOLDFAST_QUERY_ITEM);
        assert_string_equal(query.barcode, "4001");
        Hf__Answer wire = HF__ANSWER__INIT;
        Hf__Item item = HF__ITEM__INIT, *items = &item;
        item.sku = bytes_of("C");
        wire.items = &items;
        wire.n_items = 1;
        struct holdfast_answer *told = decode_answer(&wire);
        told->partitions_asked = told->partitions_answered = PARTITIONS;
        read_take_owner(read, told, &positions);
        assert_true(read_owner_query(read, &query));
        assert_int_equal(query.kind, HOLDFAST_QUERY_STOCK);
        assert_string_equal(query.skus[0], "C");
        Hf__Stock c = HF__STOCK__INIT, *cs = &c;
        c.sku = bytes_of("C");
        read_take_owner(read, owners_say(&cs, (size_t)complete, 5, 1, (uint32_t)complete),
                        &positions);
        assert_false(read_owner_query(read, &query));
        struct holdfast_view_answer *answer = read_finish(read, 100);
        assert_int_equal(answer->status, complete ? HOLDFAST_APPLIED : HOLDFAST_UNAVAILABLE);
        assert_int_equal(answer->stock_count, complete);
        holdfast_view_answer_free(&answer);
        read_destroy(&read);
    }
}

/* ------------------------------------------------------------- sessions with views */

static void open_views(struct world *w, uint32_t views)
{
    struct core_config config = {.views = true,
                                 .broker_count = views,
                                 .cluster = "test",
                                 .name = "client",
                                 .seed = 42,
                                 .attempt_timeout_us = SECOND,
                                 .retry_budget = 20};

    *w = (struct world){.now_us = WORLD_START_US, .credit = 1024, .partitions = PARTITIONS};
    pool_init(&w->scratch);
    w->core = core_new(&config);
    assert_non_null(w->core);
    core_want_session(w->core, true);
}

static void submit_read(struct world *w, size_t tag)
{
    struct positions none = {0};
    struct encoded encoded;
    struct read *read = start(&of_three);

    assert_true(read_encode(read, &none, PARTITIONS, 100, &encoded));
    assert_true(core_submit(w->core, world_time(w), CORE_READ, &encoded, 10 * SECOND,
                            (void *)(uintptr_t)tag));
    read_destroy(&read);
    world_run(w);
}

static void answer_read(struct world *w, size_t i)
{
    Hf__ViewAnswer answer = HF__VIEW_ANSWER__INIT;
    uint8_t body[64];

    assert_int_equal(w->sent[i].header.type, MESSAGE_QUERY);
    world_say(w,
              (struct header){.type = MESSAGE_ANSWER,
                              .session = w->sent[i].header.session,
                              .sequence = w->sent[i].header.sequence},
              body, hf__view_answer__pack(&answer, body));
    world_run(w);
}

static int status_of(const struct world *w, size_t tag)
{
    return w->reads[tag] ? w->reads[tag]->answer.status : -1;
}

static void test_a_silent_view_is_left(void **state)
{
    struct world w;

    (void)state;
    open_views(&w, 2);
    submit_read(&w, 0);
    uint32_t first = w.broker;
    assert_int_equal(w.sent_count, 1);
    world_pass(&w, SECOND + 100000); /* the attempt is not answered: the other one is asked */
    assert_int_not_equal(w.broker, first);
    assert_int_equal(w.sent_count, 2);
    answer_read(&w, 1);
    assert_int_equal(status_of(&w, 0), HOLDFAST_APPLIED);
    assert_int_equal(w.reads_from[0], w.broker);
    core_disconnected(w.core, world_time(&w)); /* killed: the first is asked again, at once */
    submit_read(&w, 1);
    world_pass(&w, 60000);
    assert_int_equal(w.broker, first);
    answer_read(&w, w.sent_count - 1);
    assert_int_equal(status_of(&w, 1), HOLDFAST_APPLIED);
    world_close(&w);
}

static void test_forsaken_is_told_at_once(void **state)
{
    struct world w;

    (void)state;
    open_views(&w, 2);
    w.silent = true;
    submit_read(&w, 0);
    assert_int_equal(status_of(&w, 0), -1);
    world_pass(&w, SECOND + 1000); /* both were tried, half a second each */
    assert_int_equal(status_of(&w, 0), HOLDFAST_UNAVAILABLE);
    submit_read(&w, 1); /* nobody waits for what is known to be gone */
    assert_int_equal(status_of(&w, 1), HOLDFAST_UNAVAILABLE);
    uint32_t tries = w.connects;
    world_pass(&w, 5 * SECOND);
    assert_true(w.connects > tries); /* in the background it is tried again */
    w.silent = false;
    world_pass(&w, 5 * SECOND);
    submit_read(&w, 2);
    assert_int_equal(status_of(&w, 2), -1);
    answer_read(&w, w.sent_count - 1);
    assert_int_equal(status_of(&w, 2), HOLDFAST_APPLIED);
    world_close(&w);
}

/* The one that was gone gets its share again; nobody who waits is left. */
static void test_sessions_are_spread_anew(void **state)
{
    struct world w;
    uint32_t seen[2] = {0}, answered = 0;

    (void)state;
    open_views(&w, 2);
    submit_read(&w, 0);
    answer_read(&w, 0);
    for (int i = 1; i <= 3000; i++) { /* half an hour, in which somebody waits most of the time */
        submit_read(&w, (size_t)i);
        world_pass(&w, 500000);
        answer_read(&w, w.sent_count - 1);
        answered += status_of(&w, (size_t)i) == HOLDFAST_APPLIED;
        world_pass(&w, 100000);
        seen[w.broker]++;
    }
    assert_int_equal(answered, 3000);
    assert_int_equal(w.sent_count, 3001); /* nothing was sent twice */
    assert_true(w.connects > 10 && w.connects < 31);
    assert_true(seen[0] > 300 && seen[1] > 300);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions_travel),
        cmocka_unit_test(test_mistakes_have_names),
        cmocka_unit_test(test_keys_fall_back),
        cmocka_unit_test(test_a_sum_does_not_wrap),
        cmocka_unit_test(test_nothing_is_made_up),
        cmocka_unit_test(test_a_lost_tail_lowers_the_position),
        cmocka_unit_test(test_reservations_in_their_order),
        cmocka_unit_test(test_pages_go_on_at_the_owners),
        cmocka_unit_test(test_a_views_cursor_comes_back),
        cmocka_unit_test(test_a_barcode_by_the_owners),
        cmocka_unit_test(test_a_silent_view_is_left),
        cmocka_unit_test(test_forsaken_is_told_at_once),
        cmocka_unit_test(test_sessions_are_spread_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * The table of reservations, the heap of deadlines and the limits of the caches, against the
 * simplest thing that could be right.
 */
#include "tests/unit/ledger_world.h"
#include "tests/unit/pick.h"
#include "workers/ledger_impl.h"

#define IDS 400

struct entry {
    uint8_t id[RESERVATION_ID_BYTES];
    bool in;
    int64_t due;
};

/* Few different hashes, at the end of the table too: long runs that wrap around. */
static void make_ids(struct entry *entries)
{
    for (uint32_t i = 0; i < IDS; i++) {
        uint64_t hash = i % 3 == 0 ? UINT64_MAX - i % 7 : i % 11;
        entries[i] = (struct entry){.due = DUE_NONE};
        memcpy(entries[i].id + 2, &hash, sizeof hash);
        entries[i].id[0] = (uint8_t)(i >> 8);
        entries[i].id[1] = (uint8_t)i;
    }
}

static void test_table(void **state)
{
    (void)state;
    struct entry entries[IDS];
    struct table table = {0};

    make_ids(entries);
    for (int step = 0; step < 20000; step++) {
        struct entry *entry = &entries[pick(step % 4000 < 2000 ? IDS : IDS / 8)];
        assert_ptr_equal(table_find(&table, entry->id), entry->in ? entry : NULL);
        if (entry->in)
            table_remove(&table, entry->id);
        else
            table_add(&table, entry);
        entry->in = !entry->in;
        if (step % 500 == 0) {
            for (size_t i = 0; i < IDS; i++)
                assert_ptr_equal(table_find(&table, entries[i].id),
                                 entries[i].in ? &entries[i] : NULL);
        }
    }
    size_t at = 0, count = 0;
    struct entry *entry;
    while ((entry = table_any(&table, &at)) != NULL) {
        assert_true(entry->in);
        entry->in = false;
        table_remove(&table, entry->id);
        count++;
    }
    for (size_t i = 0; i < IDS; i++)
        assert_false(entries[i].in);
    assert_true(count > 0);
    assert_int_equal(table.count, 0);
    table_release(&table);
}

struct taken {
    struct entry *entries;
    size_t count;
    int64_t last;
};

static void take(void *data, const uint8_t *id)
{
    struct taken *taken = data;
    int64_t due = DUE_NONE;

    for (size_t i = 0; i < IDS; i++) {
        if (memcmp(taken->entries[i].id, id, RESERVATION_ID_BYTES) == 0)
            due = taken->entries[i].due;
    }
    assert_true(due != DUE_NONE && due >= taken->last);
    taken->last = due;
    taken->count++;
}

static size_t due_by(const struct entry *entries, int64_t now)
{
    size_t count = 0;

    for (size_t i = 0; i < IDS; i++)
        count += entries[i].due != DUE_NONE && entries[i].due <= now;
    return count;
}

static void test_due(void **state)
{
    (void)state;
    struct entry entries[IDS], before[IDS];
    struct due due = {0};

    make_ids(entries);
    for (int step = 0; step < 300; step++) {
        memcpy(before, entries, sizeof before);
        for (uint32_t n = pick(60); n > 0; n--) {
            struct entry *entry = &entries[pick(IDS)];
            entry->due = pick(3) ? (int64_t)pick(1000) : DUE_NONE;
            due_set(&due, entry->id, entry->due);
        }
        if (pick(3) == 0) {
            due_undo(&due);
            memcpy(entries, before, sizeof before);
        } else {
            due_keep(&due);
        }
        int64_t now = pick(1000);
        size_t limit = pick(2) ? SIZE_MAX : pick(20);
        struct taken taken = {entries, 0, INT64_MIN};
        bool more;
        size_t there = due_by(entries, now);
        due_collect(&due, now, limit, &more, take, &taken);
        assert_int_equal(taken.count, there < limit ? there : limit);
        assert_int_equal(more, there > limit);
        assert_int_equal(due.count, due_by(entries, INT64_MAX));
    }
    due_release(&due);
}

/* Beyond the limits a part leaves, between batches, and is loaded again when it is needed. */
static void test_limits_of_the_caches(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reserve(w, "A=2@W1");
    uint8_t id[RESERVATION_ID_BYTES] = {0};
    struct reservation reservation = {.state = HF__RESERVATION_STATE__RESERVATION_PURCHASED,
                                      .revision = 1};

    for (uint32_t i = 0; i <= LEDGER_RESERVATIONS_MAX; i++) {
        uint64_t hash = i * UINT64_C(0x9e3779b97f4a7c15);
        memcpy(id + 2, &hash, sizeof hash);
        ledger_put_reservation(w->ledger, id, &reservation);
        struct code sku = code_of(arena_printf(&w->forever, "X%u", i));
        ledger_put_sku(w->ledger, &sku, NULL, NULL, 0);
    }
    assert_true(w->ledger->reservations.count > LEDGER_RESERVATIONS_MAX);
    run(w, NULL, NULL, 0);
    assert_int_equal(w->ledger->reservations.count, LEDGER_RESERVATIONS_MAX / 4 * 3);
    assert_int_equal(HASH_COUNT(w->ledger->skus), LEDGER_SKUS_MAX / 4 * 3);
    assert_null(cache_sku(w->ledger, "A", 1)); /* the oldest */
    expect(w, op_purchase(w, r, ""), applied);
    world_destroy(w);
}

static size_t lines_in_memory(const struct ledger *ledger)
{
    const struct reservation_entry *entry;
    size_t at = 0, count = 0;

    for (; (entry = table_any(&ledger->reservations, &at)) != NULL; at++)
        count += entry->reservation.line_count;
    return count;
}

/* What reservations of many lines take is in their lines. */
static void test_limits_of_lines(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    static struct reservation_line lines[1000];
    uint8_t id[RESERVATION_ID_BYTES] = {0};
    struct reservation reservation = {.state = HF__RESERVATION_STATE__RESERVATION_PURCHASED,
                                      .revision = 1,
                                      .lines = lines,
                                      .line_count = sizeof lines / sizeof lines[0]};

    for (uint32_t i = 0; lines_in_memory(w->ledger) <= LEDGER_LINES_MAX; i++) {
        uint64_t hash = i * UINT64_C(0x9e3779b97f4a7c15);
        memcpy(id + 2, &hash, sizeof hash);
        ledger_put_reservation(w->ledger, id, &reservation);
    }
    char *r = reserve(w, "A=2@W1");
    assert_in_range(lines_in_memory(w->ledger), LEDGER_LINES_MAX / 2, LEDGER_LINES_MAX / 4 * 3);
    expect(w, op_purchase(w, r, ""), applied);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_limits_of_the_caches),
        cmocka_unit_test(test_limits_of_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

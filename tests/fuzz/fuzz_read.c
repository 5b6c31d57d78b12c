/* SPDX-License-Identifier: MIT
 *
 * A read of the client library between a view and owners that answer anything. Checked: without
 * KNOWN there are no figures; what is applied is known, key by key; a cursor that is given is taken
 * back for its own question; and the sanitizers.
 *
 * The input: a byte that chooses the question, two bytes of length, so much of a ViewAnswer; the
 * rest is an Answer of the owners.
 */
#include "tests/fuzz/asserts.h"

#include <stdlib.h>
#include <string.h>

#include "client/decode.h"
#include "client/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const skus[] = {"A", "B"};
static const char *const holds[] = {"R-00061NBCXN48R6GHT", "R-006P1NBCXN48R6GH$"};

static const struct holdfast_view_query questions[] = {
    {.kind = HOLDFAST_VIEW_STOCK, .keys = skus, .key_count = 2},
    {.kind = HOLDFAST_VIEW_STOCK, .consistency = HOLDFAST_READ_OWNER, .keys = skus, .key_count = 1},
    {.kind = HOLDFAST_VIEW_BARCODE, .keys = skus, .key_count = 1},
    {.kind = HOLDFAST_VIEW_LEVELS, .by_sku = true},
    {.kind = HOLDFAST_VIEW_LEVELS, .sort = HOLDFAST_BY_NAME},
    {.kind = HOLDFAST_VIEW_RESERVATIONS, .keys = holds, .key_count = 2},
    {.kind = HOLDFAST_VIEW_RESERVATIONS},
    {.kind = HOLDFAST_VIEW_ORDERS, .keys = skus, .key_count = 1},
    {.kind = HOLDFAST_VIEW_TOTALS},
    {.kind = HOLDFAST_VIEW_STATUS},
};
#define QUESTIONS (sizeof questions / sizeof questions[0])

static void check_stock(const struct holdfast_view_answer *answer)
{
    for (size_t i = 0; i < answer->stock_count; i++) {
        const struct holdfast_view_stock *stock = &answer->stock[i];
        assert_true(stock->sku != NULL && (stock->level_count == 0 || stock->levels != NULL));
        if (stock->knowledge == HOLDFAST_KNOWLEDGE_KNOWN)
            continue;
        assert_true(!stock->exists && stock->level_count == 0 && !stock->item);
        assert_int_equal(stock->total.on_hand, 0);
        assert_int_equal(stock->total.available, 0);
    }
}

/* Keys that were asked for are all there, in order, and known when it is applied. */
static void check_keys(const struct holdfast_view_query *asked,
                       const struct holdfast_view_answer *answer)
{
    if (answer->status != HOLDFAST_APPLIED)
        return;
    if (asked->kind == HOLDFAST_VIEW_STOCK) {
        assert_int_equal(answer->stock_count, asked->key_count);
        for (size_t i = 0; i < answer->stock_count; i++) {
            assert_int_equal(answer->stock[i].knowledge, HOLDFAST_KNOWLEDGE_KNOWN);
            assert_int_equal(strcmp(answer->stock[i].sku, asked->keys[i]), 0);
        }
    }
    assert_int_equal(answer->unknown_key_count, 0);
}

static void check_cursor(const struct holdfast_view_query *asked,
                         const struct holdfast_view_answer *answer)
{
    struct holdfast_view_query next = *asked;
    struct fault fault;

    if (!answer->cursor)
        return;
    next.cursor = answer->cursor;
    struct read *read = read_new(&next, &fault);
    /* A sku that a view made up need not be one, nor a cursor of any length be taken. */
    assert_true(read || fault.status == HOLDFAST_INVALID);
    read_destroy(&read);
}

static void ask_owners(struct read *read, const uint8_t *data, size_t size)
{
    struct positions positions = {0};
    struct holdfast_query query;
    int asked = 0;

    while (read_owner_query(read, &query)) {
        assert_true(asked++ < 3);
        Hf__Answer *wire = hf__answer__unpack(NULL, size, data);
        struct holdfast_answer *answer =
            wire ? decode_answer(wire) : make_answer(HOLDFAST_UNAVAILABLE, "", "nobody");
        assert_true(answer != NULL);
        answer->partitions_asked = 2;
        answer->partitions_answered = answer->status == HOLDFAST_APPLIED ? 2 - size % 2 : 0;
        read_take_owner(read, answer, &positions);
        if (wire)
            hf__answer__free_unpacked(wire, NULL);
    }
    positions_release(&positions);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault fault;

    if (size < 3)
        return 0;
    const struct holdfast_view_query *asked = &questions[data[0] % QUESTIONS];
    size_t view_bytes = (size_t)data[1] << 8 | data[2];
    data += 3;
    size -= 3;
    view_bytes = view_bytes < size ? view_bytes : size;
    struct read *read = read_new(asked, &fault);
    assert_true(read != NULL);
    Hf__ViewAnswer *wire = hf__view_answer__unpack(NULL, view_bytes, data);
    if (!read_is_owners(read)) {
        struct view_box *box = wire ? view_box_decode(wire)
                                    : view_box_make(HOLDFAST_UNAVAILABLE, "", "no view answers");
        read_take_view(read, &box, "ipc://view", 1);
    }
    ask_owners(read, data + view_bytes, size - view_bytes);
    struct holdfast_view_answer *answer = read_finish(read, 2);
    assert_true(answer != NULL && answer->message && answer->field && answer->view);
    check_stock(answer);
    check_keys(asked, answer);
    check_cursor(asked, answer);
    holdfast_view_answer_free(&answer);
    read_destroy(&read);
    if (wire)
        hf__view_answer__free_unpacked(wire, NULL);
    return 0;
}

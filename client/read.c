/* SPDX-License-Identifier: MIT
 *
 * What became of a read; see read.h. The answer grows in one box: what the view knew stays, and
 * what the owners told of the rest is put beside it, each key with its own age.
 */
#include "client/read_private.h"

#include "client/decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void read_destroy(struct read **read)
{
    struct read *gone = *read;

    *read = NULL;
    if (!gone)
        return;
    view_box_free(&gone->box);
    pool_release(&gone->pool);
    free(gone);
}

/* ------------------------------------------------------------- what the view said */

/* A row for each key of a STOCK, whatever was heard; false when there is no memory. */
static bool make_stock(struct read *read)
{
    const struct holdfast_view_query *asked = &read->asked;
    struct view_box *box = read->box;

    box->stock = pool_alloc(&box->pool, asked->key_count * sizeof *box->stock);
    if (!box->stock)
        return false;
    for (size_t i = 0; i < asked->key_count; i++) {
        struct holdfast_view_stock *stock = &box->stock[i];
        size_t bytes = strlen(asked->keys[i]);
        stock->sku = pool_text(&box->pool, asked->keys[i], bytes);
        stock->total.sku = stock->total.warehouse = "";
        if (!stock->sku)
            return false;
    }
    box->answer.stock = box->stock;
    box->answer.stock_count = asked->key_count;
    return true;
}

/* The view's rows, if they are those that were asked for. */
static bool check_stock(const struct read *read)
{
    const struct holdfast_view_answer *answer = &read->box->answer;

    if (answer->stock_count != read->asked.key_count)
        return false;
    for (size_t i = 0; i < answer->stock_count; i++) {
        if (strcmp(answer->stock[i].sku, read->asked.keys[i]) != 0)
            return false;
    }
    return true;
}

void read_take_view(struct read *read, struct view_box **box, const char *endpoint, int64_t now_us)
{
    view_box_free(&read->box);
    read->box = *box;
    *box = NULL;
    if (read->box->answer.status != HOLDFAST_APPLIED)
        return;
    read->view_at_us = now_us;
    const char *view = pool_text(&read->box->pool, endpoint, strlen(endpoint));
    if (view)
        read->box->answer.view = view;
}

/* Is this reservation among those that were found? */
static bool has_reservation(const struct holdfast_reservation *all, size_t count, const char *key,
                            size_t *at)
{
    uint8_t wanted[RESERVATION_ID_BYTES], id[RESERVATION_ID_BYTES];

    if (!reservation_id_parse(key, strlen(key), wanted))
        return false;
    for (*at = 0; *at < count; ++*at) {
        const char *text = all[*at].reservation;
        if (reservation_id_parse(text, strlen(text), id) && memcmp(id, wanted, sizeof id) == 0)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------- what is left to ask */

static void want(struct read *read, size_t key)
{
    read->wanted[read->wanted_count] = (uint16_t)key;
    read->wanted_keys[read->wanted_count++] = read->asked.keys[key];
}

static void want_missing(struct read *read)
{
    const struct holdfast_view_query *asked = &read->asked;
    const struct holdfast_view_answer *answer = &read->box->answer;
    size_t at;

    read->wanted_count = 0;
    for (size_t i = 0; i < asked->key_count; i++) {
        if (asked->kind == HOLDFAST_VIEW_STOCK
                ? answer->stock[i].knowledge != HOLDFAST_KNOWLEDGE_KNOWN
                : !has_reservation(answer->reservations, answer->reservation_count, asked->keys[i],
                                   &at))
            want(read, i);
    }
}

static bool is_by_key(const struct read *read)
{
    return read->asked.kind == HOLDFAST_VIEW_STOCK ||
           (read->asked.kind == HOLDFAST_VIEW_RESERVATIONS && read->asked.key_count > 0);
}

/* Nothing was heard, or nothing that helps. A refusal is about the question, and stays. */
static bool needs_owners(const struct read *read)
{
    const struct holdfast_view_answer *answer = &read->box->answer;

    if (answer->kind == HOLDFAST_KIND_REFUSED || read->box->out_of_memory)
        return false;
    if (!read_suits_owners(read))
        return false;
    return answer->status != HOLDFAST_APPLIED || answer->unknown_partitions > 0;
}

/* Before the owners are asked for the first time: a box there must be. False: no memory. */
static bool prepare(struct read *read)
{
    if (!read->box)
        read->box = view_box_make(HOLDFAST_UNAVAILABLE, "", "nobody was asked");
    if (read->box->out_of_memory || read->box->answer.kind == HOLDFAST_KIND_REFUSED)
        return false;
    if (read->asked.kind != HOLDFAST_VIEW_STOCK ||
        (read->box->answer.status == HOLDFAST_APPLIED && check_stock(read)))
        return true;
    if (make_stock(read))
        return true;
    view_box_free(&read->box);
    read->box = view_box_make(HOLDFAST_UNAVAILABLE, "", "out of memory");
    return false;
}

static void fill_page(const struct read *read, struct holdfast_query *query)
{
    query->kind = HOLDFAST_QUERY_STOCK;
    query->after = read->asked.after;
    query->limit = read->asked.limit;
}

bool read_owner_query(struct read *read, struct holdfast_query *query)
{
    const struct holdfast_view_query *asked = &read->asked;

    *query = (struct holdfast_query){.warehouse = asked->warehouse};
    if (read->step == OWNER_ASKED && asked->kind == HOLDFAST_VIEW_BARCODE && read->wanted_count) {
        read->step = OWNER_ASKED_STOCK;
        query->kind = HOLDFAST_QUERY_STOCK;
        query->skus = read->wanted_keys;
        query->sku_count = read->wanted_count;
        return true;
    }
    if (read->step != OWNER_NOT_ASKED || !prepare(read))
        return false;
    if (is_by_key(read)) {
        want_missing(read);
        query->kind =
            asked->kind == HOLDFAST_VIEW_STOCK ? HOLDFAST_QUERY_STOCK : HOLDFAST_QUERY_RESERVATION;
        query->skus = read->wanted_keys;
        query->sku_count = read->wanted_count;
        if (asked->kind != HOLDFAST_VIEW_STOCK)
            query->warehouse = NULL;
        if (read->wanted_count == 0)
            return false;
    } else if (!needs_owners(read)) {
        return false;
    } else if (asked->kind == HOLDFAST_VIEW_LEVELS) {
        fill_page(read, query);
    } else if (asked->kind == HOLDFAST_VIEW_BARCODE) {
        query->kind = HOLDFAST_QUERY_ITEM;
        query->barcode = asked->keys[0];
        query->warehouse = NULL;
    } else {
        query->kind = HOLDFAST_QUERY_RESERVATION;
        query->warehouse = NULL;
        query->limit = asked->kind == HOLDFAST_VIEW_ORDERS ? HOLDFAST_VIEW_PAGE_MAX : asked->limit;
        query->expiring = asked->kind == HOLDFAST_VIEW_RESERVATIONS;
        if (asked->kind == HOLDFAST_VIEW_ORDERS)
            query->order = asked->keys[0];
    }
    read->step = OWNER_ASKED;
    return true;
}

/* ------------------------------------------------------------- what the owners said */

/* The field's limit is told of what is more: each figure of a warehouse may be 999,999,999. */
static void add(uint32_t *sum, uint32_t value)
{
    *sum = *sum > UINT32_MAX - value ? UINT32_MAX : *sum + value;
}

static void add_figures(struct holdfast_level *total, const struct holdfast_level *level)
{
    add(&total->on_hand, level->on_hand);
    add(&total->reserved, level->reserved);
    add(&total->committed, level->committed);
    add(&total->unavailable, level->unavailable);
    add(&total->safety_stock, level->safety_stock);
    add(&total->shortfall, level->shortfall);
    add(&total->available, level->available);
}

static void stock_from_owner(struct holdfast_view_stock *to, const struct holdfast_stock *from,
                             int64_t age_us)
{
    const char *sku = to->sku ? to->sku : from->sku;

    *to = (struct holdfast_view_stock){.sku = sku,
                                       .knowledge = HOLDFAST_KNOWLEDGE_KNOWN,
                                       .exists = true,
                                       .from_owner = true,
                                       .partition = from->partition,
                                       .sequence = from->sequence,
                                       .age_us = age_us,
                                       .levels = from->levels,
                                       .level_count = from->level_count};
    to->total.sku = to->total.warehouse = "";
    for (size_t i = 0; i < from->level_count; i++)
        add_figures(&to->total, &from->levels[i]);
}

static void take_stock(struct read *read, const struct holdfast_answer *answer, bool complete,
                       struct positions *positions)
{
    for (size_t i = 0; i < read->wanted_count; i++) {
        struct holdfast_view_stock *stock = &read->box->stock[read->wanted[i]];
        const struct holdfast_stock *found = NULL;
        for (size_t j = 0; j < answer->stock_count && !found; j++) {
            if (strcmp(answer->stock[j].sku, stock->sku) == 0)
                found = &answer->stock[j];
        }
        if (found) {
            stock_from_owner(stock, found, answer->age_us);
            positions_lower(positions, found->partition, read->least[read->wanted[i]],
                            found->sequence);
        } else if (complete) {
            stock->knowledge = HOLDFAST_KNOWLEDGE_KNOWN;
            stock->from_owner = true;
            stock->age_us = answer->age_us;
        }
    }
}

/* In the order asked: what the view had, and what the owners add. */
static bool take_reservations(struct read *read, const struct holdfast_answer *answer,
                              bool complete)
{
    const struct holdfast_view_query *asked = &read->asked;
    struct view_box *box = read->box;
    struct holdfast_reservation *all = pool_alloc(&box->pool, asked->key_count * sizeof *all);
    const char **unknown = pool_alloc(&box->pool, asked->key_count * sizeof *unknown);
    size_t count = 0, unknown_count = 0, at;

    if (!all || !unknown)
        return false;
    for (size_t i = 0; i < asked->key_count; i++) {
        const char *key = asked->keys[i];
        if (has_reservation(box->answer.reservations, box->answer.reservation_count, key, &at)) {
            all[count++] = box->answer.reservations[at];
        } else if (answer &&
                   has_reservation(answer->reservations, answer->reservation_count, key, &at)) {
            all[count++] = answer->reservations[at];
        } else if (!complete) {
            unknown[unknown_count] = pool_text(&box->pool, key, strlen(key));
            if (!unknown[unknown_count++])
                return false;
        }
    }
    box->answer.reservations = all;
    box->answer.reservation_count = count;
    box->answer.unknown_keys = unknown;
    box->answer.unknown_key_count = unknown_count;
    return true;
}

static bool is_open(const struct holdfast_reservation *reservation)
{
    for (size_t i = 0; i < reservation->line_count; i++) {
        if (reservation->lines[i].reserved > 0 || reservation->lines[i].committed > 0)
            return true;
    }
    return false;
}

static bool take_list(struct read *read, const struct holdfast_answer *answer)
{
    struct view_box *box = read->box;
    struct holdfast_reservation *all =
        pool_alloc(&box->pool, (answer->reservation_count + 1) * sizeof *all);
    size_t count = 0;

    if (!all)
        return false;
    for (size_t i = 0; i < answer->reservation_count; i++) {
        if (read->asked.kind != HOLDFAST_VIEW_ORDERS || is_open(&answer->reservations[i]))
            all[count++] = answer->reservations[i];
    }
    box->answer.reservations = all;
    box->answer.reservation_count = count;
    box->answer.more = answer->more;
    return true;
}

/* A page of skus, or the stock of the items that have a barcode. */
static bool take_skus(struct read *read, const struct holdfast_answer *answer)
{
    struct view_box *box = read->box;

    box->stock = pool_alloc(&box->pool, (answer->stock_count + 1) * sizeof *box->stock);
    if (!box->stock)
        return false;
    for (size_t i = 0; i < answer->stock_count; i++)
        stock_from_owner(&box->stock[i], &answer->stock[i], answer->age_us);
    box->answer.stock = box->stock;
    box->answer.stock_count = answer->stock_count;
    box->answer.more = answer->more && answer->stock_count > 0;
    return true;
}

static bool take_items(struct read *read, const struct holdfast_answer *answer)
{
    read->wanted_count = 0;
    for (size_t i = 0; i < answer->item_count && read->wanted_count < HOLDFAST_VIEW_KEYS_MAX; i++) {
        const char *sku = answer->items[i].sku;
        const char *kept = pool_text(&read->pool, sku, strlen(sku));
        if (!kept)
            return false;
        read->wanted_keys[read->wanted_count++] = kept;
    }
    return true;
}

/* The whole answer is the owners' from here on. */
static void start_over(struct read *read, const struct holdfast_answer *answer, bool complete)
{
    struct holdfast_view_answer *to = &read->box->answer;

    read->view_at_us = 0;
    to->stock = NULL;
    to->reservations = NULL;
    to->stock_count = to->reservation_count = 0;
    to->partitions = answer->partitions_asked;
    to->unknown_partitions = complete ? 0 : answer->partitions_asked - answer->partitions_answered;
    to->matched = to->total = 0;
    to->more = false;
    to->view = "";
    to->age_us = answer->age_us;
}

static bool take_all(struct read *read, const struct holdfast_answer *answer, bool complete)
{
    /* Less than everything is not better than what a view has. */
    if (!complete && read->view_at_us > 0)
        return true;
    start_over(read, answer, complete);
    read->box->answer.from_owner = true;
    view_box_set_status(read->box, answer->status, answer->field, answer->message);
    if (read->asked.kind == HOLDFAST_VIEW_LEVELS)
        return take_skus(read, answer);
    if (read->asked.kind != HOLDFAST_VIEW_BARCODE)
        return take_list(read, answer);
    if (read->step == OWNER_ASKED_STOCK)
        return take_skus(read, answer);
    return take_items(read, answer);
}

void read_take_owner(struct read *read, struct holdfast_answer *answer, struct positions *positions)
{
    struct answer_box *from = answer_box_of(answer);
    bool complete = answer->status == HOLDFAST_APPLIED &&
                    answer->partitions_answered >= answer->partitions_asked;
    bool ok = from != NULL;

    read->owner_status = complete ? HOLDFAST_APPLIED : answer->status;
    if (!complete && ok) {
        read->owner_message = pool_text(&read->pool, answer->message, strlen(answer->message));
        if (read->owner_status == HOLDFAST_APPLIED)
            read->owner_status = HOLDFAST_UNAVAILABLE;
    }
    if (ok && read->asked.kind == HOLDFAST_VIEW_STOCK)
        take_stock(read, answer, complete, positions);
    else if (ok && is_by_key(read))
        ok = take_reservations(read, answer, complete);
    else if (ok)
        ok = take_all(read, answer, complete);
    if (ok && is_by_key(read) && answer->partitions_answered > 0) {
        read->box->answer.from_owner = true;
        if (answer->age_us > read->box->answer.age_us)
            read->box->answer.age_us = answer->age_us;
    }
    if (from)
        pool_adopt(&read->box->pool, &from->pool); /* what was taken points into it */
    holdfast_answer_free(&answer);
    if (!ok) {
        view_box_free(&read->box);
        read->box = view_box_make(HOLDFAST_UNAVAILABLE, "", "out of memory");
        read->step = OWNER_ASKED_STOCK;
    }
}

/* ------------------------------------------------------------- the end */

static bool all_known(const struct read *read)
{
    const struct holdfast_view_answer *answer = &read->box->answer;

    if (read->asked.kind != HOLDFAST_VIEW_STOCK)
        return answer->unknown_key_count == 0;
    for (size_t i = 0; i < answer->stock_count; i++) {
        if (answer->stock[i].knowledge != HOLDFAST_KNOWLEDGE_KNOWN)
            return false;
    }
    return answer->stock_count == read->asked.key_count;
}

/* Of what the view told, time has passed. */
static void grow_older(struct read *read, int64_t now_us)
{
    struct view_box *box = read->box;
    int64_t since_us = read->view_at_us > 0 ? now_us - read->view_at_us : 0;

    if (since_us <= 0)
        return;
    box->answer.age_us += since_us;
    for (size_t i = 0; i < box->answer.stock_count; i++) {
        if (box->stock[i].knowledge == HOLDFAST_KNOWLEDGE_KNOWN && !box->stock[i].from_owner)
            box->stock[i].age_us += since_us;
    }
}

/* What a view had too old, or not at all, is not told any more once the owner has answered. */
static int64_t oldest_us(const struct holdfast_view_answer *answer)
{
    int64_t most = 0;

    for (size_t i = 0; i < answer->stock_count; i++) {
        if (answer->stock[i].age_us > most)
            most = answer->stock[i].age_us;
    }
    return most;
}

static void judge_keys(struct read *read)
{
    struct view_box *box = read->box;

    if (box->answer.kind == HOLDFAST_KIND_REFUSED || box->out_of_memory)
        return;
    if (all_known(read)) {
        view_box_set_status(box, HOLDFAST_APPLIED, "", "");
        if (read->asked.kind == HOLDFAST_VIEW_STOCK)
            box->answer.age_us = oldest_us(&box->answer);
        return;
    }
    int status = read->step != OWNER_NOT_ASKED ? read->owner_status : box->answer.status;
    const char *why = read->step != OWNER_NOT_ASKED ? read->owner_message : box->answer.message;
    view_box_set_status(box, status == HOLDFAST_APPLIED ? HOLDFAST_UNAVAILABLE : status, "",
                        why ? why : "");
}

static void end_page(struct read *read)
{
    struct view_box *box = read->box;
    struct holdfast_view_answer *answer = &box->answer;
    bool plain = read_is_plain_page(read);

    if (!answer->more || (plain ? answer->stock_count == 0 : box->cursor_bytes == 0))
        return;
    answer->cursor =
        read_cursor(read, box, plain ? answer->stock[answer->stock_count - 1].sku : "");
    if (!answer->cursor)
        view_box_set_status(box, HOLDFAST_UNAVAILABLE, "", "out of memory");
}

struct holdfast_view_answer *read_finish(struct read *read, int64_t now_us)
{
    if (!read->box)
        read->box = view_box_make(HOLDFAST_UNAVAILABLE, "", "nobody could be asked");
    if (!read->box->out_of_memory) {
        grow_older(read, now_us);
        if (is_by_key(read))
            judge_keys(read);
        else
            end_page(read);
    }
    struct holdfast_view_answer *answer = &read->box->answer;
    read->box = NULL;
    return answer;
}

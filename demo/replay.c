/* SPDX-License-Identifier: MIT
 *
 * The replay. An invoice becomes chains of operations: a sale is one chain (reserve, purchase,
 * ship), or one per line when its SKUs lie on several partitions, because an order across
 * partitions cannot be reserved whole yet; a return or an adjustment is a chain of one operation.
 * An invoice is done when its chains are, and then its followers (demo/plan.h) may begin.
 *
 * Operation ids are derived from the line's place in the file, so a second run of the demo repeats
 * operations instead of doing them twice.
 */
#include "demo/replay.h"
#include "demo/plan.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RESERVATION_BYTES 32
/* An order is shipped at once; this only has to outlast a slow machine. */
#define HOLD_MS (10u * 60 * 1000)
#define PROGRESS_MS 500
/* Part of every operation id: raise it when the operations made from a line change. */
#define ID_NAME "holdfast demo, online-retail, 1"

struct replay;

struct chain {
    struct replay *replay;
    uint32_t invoice;
    uint32_t first, count; /* lines; those of them that are no sale are passed over in a sale */
    enum replay_step step;
    char reservation[RESERVATION_BYTES];
};

/* What a return needs to know of a sale. */
struct sale {
    char reservation[RESERVATION_BYTES];
    uint32_t returned;
};

struct replay {
    struct holdfast *client;
    struct retail *retail;
    struct sku_tally *tallies;
    const struct replay_options *options;
    struct replay_totals *totals;
    struct plan plan;
    struct sale *sales;            /* by line */
    struct holdfast_line *scratch; /* lines of the operation being made */
    uint32_t chains_open;
    uint32_t invoices_done;
    bool failed;
    char *error;
    size_t error_bytes;
};

static const char *const step_names[STEP_COUNT] = {"reserve", "purchase", "ship", "return",
                                                   "adjust"};

const char *replay_step_name(enum replay_step step)
{
    return step_names[step];
}

static int64_t now_us(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void give_up(struct replay *replay, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void give_up(struct replay *replay, const char *format, ...)
{
    if (replay->failed)
        return;
    replay->failed = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(replay->error, replay->error_bytes, format, arguments);
    va_end(arguments);
}

/* ------------------------------------------------------------- buckets */

static enum bucket sale_bucket(int status)
{
    return status == HOLDFAST_INSUFFICIENT_STOCK ? BUCKET_SALE_NO_STOCK : BUCKET_SALE_REFUSED;
}

static enum bucket adjust_bucket(int status)
{
    return status == HOLDFAST_INSUFFICIENT_ON_HAND ? BUCKET_ADJUST_NOT_THERE
                                                   : BUCKET_ADJUST_REFUSED;
}

static enum bucket bucket_of(enum replay_step step, const struct holdfast_result *result)
{
    if (result->kind == HOLDFAST_KIND_SHED || result->kind == HOLDFAST_KIND_UNKNOWN)
        return BUCKET_NOT_KNOWN;
    bool applied = result->kind == HOLDFAST_KIND_APPLIED;
    if (step == STEP_RETURN)
        return applied ? BUCKET_RETURNED : BUCKET_RETURN_REFUSED;
    if (step == STEP_ADJUST)
        return applied ? BUCKET_ADJUSTED : adjust_bucket(result->status);
    return applied ? BUCKET_SHIPPED : sale_bucket(result->status);
}

static void note_shortages(struct retail_line *line, const struct holdfast_result *result)
{
    for (size_t i = 0; i < result->shortage_count; i++) {
        if (strcmp(result->shortages[i].sku, line->code) == 0) {
            line->wanted = result->shortages[i].requested;
            line->there = result->shortages[i].available;
        }
    }
}

/* The chain's last operation has been answered: its lines go where they belong. */
static void book(struct chain *chain, const struct holdfast_result *result)
{
    struct replay *replay = chain->replay;
    enum bucket bucket = bucket_of(chain->step, result);
    for (uint32_t i = chain->first; i < chain->first + chain->count; i++) {
        struct retail_line *line = &replay->retail->lines[i];
        if (line->kind == LINE_REPORTED || line->bucket != BUCKET_NONE)
            continue;
        if (chain->step <= STEP_SHIP && line->kind != LINE_SALE)
            continue;
        line->bucket = bucket;
        line->result = result->status;
        note_shortages(line, result);
        struct sku_tally *tally = &replay->tallies[line->sku];
        if (bucket == BUCKET_SHIPPED) {
            tally->shipped += line->quantity;
            memcpy(replay->sales[i].reservation, chain->reservation, RESERVATION_BYTES);
        } else if (bucket == BUCKET_RETURNED) {
            tally->returned += line->quantity;
        } else if (bucket == BUCKET_ADJUSTED) {
            tally->adjusted += line->quantity;
        }
    }
}

/* ------------------------------------------------------------- chains */

static void chain_send(struct chain *chain);

static void chain_end(struct chain *chain)
{
    struct replay *replay = chain->replay;
    struct invoice *invoice = &replay->plan.invoices[chain->invoice];
    assert(invoice->open && replay->chains_open);
    replay->chains_open--;
    if (--invoice->open == 0) {
        replay->invoices_done++;
        plan_done(&replay->plan, chain->invoice);
    }
    free(chain);
}

static void on_result(void *data, struct holdfast_result *result)
{
    struct chain *chain = data;
    struct replay_totals *totals = chain->replay->totals;
    bool applied = result->kind == HOLDFAST_KIND_APPLIED;
    totals->operations[chain->step]++;
    totals->applied[chain->step] += applied;
    totals->replayed += applied && result->replayed;
    totals->retries += result->attempts > 1 ? result->attempts - 1 : 0;

    bool goes_on = applied && (chain->step == STEP_RESERVE || chain->step == STEP_PURCHASE);
    if (goes_on && chain->step == STEP_RESERVE) {
        const char *reservation = result->reservation ? result->reservation->reservation : "";
        if (!*reservation || strlen(reservation) >= sizeof chain->reservation) {
            give_up(chain->replay, "a reserve was applied, and its result names no reservation");
            goes_on = false;
        } else {
            strcpy(chain->reservation, reservation);
        }
    }
    if (goes_on && !chain->replay->failed) {
        chain->step++;
        chain_send(chain);
    } else {
        if (!goes_on)
            book(chain, result);
        chain_end(chain);
    }
    holdfast_result_free(&result);
}

static size_t sale_lines(struct chain *chain, struct holdfast_operation *operation)
{
    struct replay *replay = chain->replay;
    size_t count = 0;
    for (uint32_t i = chain->first; i < chain->first + chain->count; i++) {
        const struct retail_line *line = &replay->retail->lines[i];
        if (line->kind == LINE_SALE)
            replay->scratch[count++] =
                (struct holdfast_line){.sku = line->code, .quantity = (uint32_t)line->quantity};
    }
    operation->lines = replay->scratch;
    operation->line_count = count;
    return count;
}

static void fill_reserve(struct chain *chain, struct holdfast_operation *operation)
{
    /* London last: that is where corrections are booked. */
    static const char *const nearest[] = {"LEEDS", "BRISTOL", "LONDON"};
    operation->kind = HOLDFAST_RESERVE;
    sale_lines(chain, operation);
    operation->ttl_ms = HOLD_MS;
    operation->order = chain->replay->retail->lines[chain->first].invoice;
    operation->policy = HOLDFAST_NEAREST_FIRST;
    operation->warehouses = nearest;
    operation->warehouse_count = WAREHOUSE_COUNT;
    operation->may_split = true;
}

static void fill_purchase(struct chain *chain, struct holdfast_operation *operation)
{
    operation->kind = HOLDFAST_PURCHASE;
    operation->reservation = chain->reservation;
}

static void fill_ship(struct chain *chain, struct holdfast_operation *operation)
{
    operation->kind = HOLDFAST_SHIP;
    operation->reservation = chain->reservation;
    operation->reference = chain->replay->retail->lines[chain->first].invoice;
}

static void fill_return(struct chain *chain, struct holdfast_operation *operation)
{
    const struct retail_line *line = &chain->replay->retail->lines[chain->first];
    chain->replay->scratch[0] =
        (struct holdfast_line){.sku = line->code, .quantity = (uint32_t)line->quantity};
    operation->kind = HOLDFAST_RETURN;
    operation->reservation = chain->reservation;
    operation->lines = chain->replay->scratch;
    operation->line_count = 1;
    operation->reference = line->invoice;
}

static void fill_adjust(struct chain *chain, struct holdfast_operation *operation)
{
    const struct retail_line *line = &chain->replay->retail->lines[chain->first];
    operation->kind = HOLDFAST_ADJUST;
    operation->sku = line->code;
    operation->warehouse = demo_warehouses[ADJUSTED_WAREHOUSE].code;
    operation->delta = line->quantity;
    operation->reason = chain->replay->retail->reasons[line->reason].code;
    operation->note = line->description;
}

typedef void fill_fn(struct chain *chain, struct holdfast_operation *operation);

static fill_fn *const fill[STEP_COUNT] = {
    [STEP_RESERVE] = fill_reserve, [STEP_PURCHASE] = fill_purchase, [STEP_SHIP] = fill_ship,
    [STEP_RETURN] = fill_return,   [STEP_ADJUST] = fill_adjust,
};

static void chain_send(struct chain *chain)
{
    struct replay *replay = chain->replay;
    struct holdfast_operation operation = {0};
    char id[37];
    uint64_t place = (uint64_t)replay->retail->lines[chain->first].file_line;
    holdfast_derive_operation_id(ID_NAME, strlen(ID_NAME), place * STEP_COUNT + chain->step, id);
    operation.operation_id = id;
    operation.id_time_us = replay->options->began_us;
    operation.attempt = replay->options->again ? 2 : 1;
    fill[chain->step](chain, &operation);
    char why[256];
    if (!holdfast_submit(replay->client, &operation, on_result, chain, why, sizeof why)) {
        give_up(replay, "could not submit a %s of invoice %s: %s", step_names[chain->step],
                replay->retail->lines[chain->first].invoice, why);
        chain_end(chain);
    }
}

static void chain_begin(struct replay *replay, uint32_t invoice, uint32_t first, uint32_t count,
                        enum replay_step step, const char *reservation)
{
    struct chain *chain = calloc(1, sizeof *chain);
    if (!chain) {
        give_up(replay, "%s", strerror(ENOMEM));
        return;
    }
    *chain = (struct chain){
        .replay = replay, .invoice = invoice, .first = first, .count = count, .step = step};
    if (reservation)
        memcpy(chain->reservation, reservation, RESERVATION_BYTES);
    replay->plan.invoices[invoice].open++;
    replay->chains_open++;
    chain_send(chain);
}

/* ------------------------------------------------------------- invoices */

/* The newest earlier sale of the SKU that still has the quantity out, or NULL with the bucket. */
static struct sale *sale_of(struct replay *replay, uint32_t index, enum bucket *bucket)
{
    const struct retail_line *came_back = &replay->retail->lines[index];
    *bucket = BUCKET_RETURN_NO_SALE;
    for (uint32_t i = index; i-- > 0;) {
        const struct retail_line *line = &replay->retail->lines[i];
        if (line->kind != LINE_SALE || line->sku != came_back->sku)
            continue;
        *bucket = BUCKET_RETURN_REFUSED;
        struct sale *sale = &replay->sales[i];
        if (line->bucket == BUCKET_SHIPPED &&
            (uint32_t)line->quantity - sale->returned >= (uint32_t)came_back->quantity)
            return sale;
    }
    return NULL;
}

static void begin_return(struct replay *replay, uint32_t invoice, uint32_t index)
{
    struct retail_line *line = &replay->retail->lines[index];
    enum bucket bucket;
    struct sale *sale = sale_of(replay, index, &bucket);
    if (!sale) {
        line->bucket = bucket;
        return;
    }
    sale->returned += (uint32_t)line->quantity;
    chain_begin(replay, invoice, index, 1, STEP_RETURN, sale->reservation);
}

/* Whether all that it sells lies on one partition. */
static bool can_be_whole(const struct replay *replay, const struct invoice *invoice)
{
    uint32_t partition = UINT32_MAX;
    for (uint32_t i = 0; i < invoice->line_count; i++) {
        const struct retail_line *line = &replay->retail->lines[invoice->first_line + i];
        if (line->kind != LINE_SALE)
            continue;
        uint32_t here = replay->tallies[line->sku].partition;
        if (partition != UINT32_MAX && here != partition)
            return false;
        partition = here;
    }
    return true;
}

static void begin_sale(struct replay *replay, uint32_t v)
{
    const struct invoice *invoice = &replay->plan.invoices[v];
    bool whole = can_be_whole(replay, invoice);
    replay->totals->orders_by_line += !whole;
    for (uint32_t i = 0; i < invoice->line_count; i++) {
        uint32_t index = invoice->first_line + i;
        if (replay->retail->lines[index].kind != LINE_SALE)
            continue;
        uint32_t count = whole ? invoice->line_count - i : 1;
        chain_begin(replay, v, index, count, STEP_RESERVE, NULL);
        if (whole)
            return;
    }
}

static void begin_invoice(struct replay *replay, uint32_t v)
{
    struct invoice *invoice = &replay->plan.invoices[v];
    invoice->open++; /* so that it is not done before all its chains have begun */
    bool sells = false;
    for (uint32_t i = invoice->first_line; i < invoice->first_line + invoice->line_count; i++) {
        enum line_kind kind = replay->retail->lines[i].kind;
        if (kind == LINE_RETURN)
            begin_return(replay, v, i);
        else if (kind == LINE_ADJUSTMENT)
            chain_begin(replay, v, i, 1, STEP_ADJUST, NULL);
        sells = sells || kind == LINE_SALE;
    }
    if (sells)
        begin_sale(replay, v);
    if (--invoice->open == 0) {
        replay->invoices_done++;
        plan_done(&replay->plan, v);
    }
}

/* ------------------------------------------------------------- the run */

static void tell_progress(struct replay *replay, int64_t began_us, bool last)
{
    FILE *out = replay->options->progress;
    if (!out)
        return;
    bool terminal = isatty(fileno(out));
    uint64_t operations = 0;
    for (int i = 0; i < STEP_COUNT; i++)
        operations += replay->totals->operations[i];
    fprintf(out, "%s  %u of %u invoices, %llu operations, %.1f s%s", terminal ? "\r" : "",
            replay->invoices_done, replay->plan.invoice_count, (unsigned long long)operations,
            (double)(now_us(CLOCK_MONOTONIC) - began_us) / 1e6, terminal && !last ? "" : "\n");
    fflush(out);
}

static void run_all(struct replay *replay)
{
    int64_t began_us = now_us(CLOCK_MONOTONIC), told_us = began_us;
    /* Once it has failed nothing new begins, and what is under way ends by its own timeout. */
    while (replay->chains_open ||
           (!replay->failed && replay->invoices_done < replay->plan.invoice_count)) {
        while (!replay->failed && replay->chains_open < REPLAY_IN_FLIGHT) {
            uint32_t next = plan_next(&replay->plan);
            if (next == PLAN_END)
                break;
            begin_invoice(replay, next);
        }
        holdfast_process(replay->client);
        int64_t now = now_us(CLOCK_MONOTONIC);
        if (now - told_us > PROGRESS_MS * 1000) {
            tell_progress(replay, began_us, false);
            told_us = now;
        }
        if (now - began_us > (int64_t)REPLAY_LIMIT_MS * 1000)
            give_up(replay, "it takes longer than %d s", REPLAY_LIMIT_MS / 1000);
        if (!replay->chains_open)
            continue;
        struct pollfd fd = {.fd = holdfast_fd(replay->client), .events = POLLIN};
        int wait_ms = holdfast_deadline_ms(replay->client);
        if (poll(&fd, 1, wait_ms < PROGRESS_MS ? wait_ms : PROGRESS_MS) < 0 && errno != EINTR)
            give_up(replay, "poll: %s", strerror(errno));
    }
    replay->totals->elapsed_us = now_us(CLOCK_MONOTONIC) - began_us;
    tell_progress(replay, began_us, true);
}

static void count_orders(struct replay *replay)
{
    struct replay_totals *totals = replay->totals;
    totals->invoices = replay->plan.invoice_count;
    for (uint32_t v = 0; v < replay->plan.invoice_count; v++) {
        const struct invoice *invoice = &replay->plan.invoices[v];
        uint32_t sells = 0, shipped = 0;
        for (uint32_t i = 0; i < invoice->line_count; i++) {
            const struct retail_line *line = &replay->retail->lines[invoice->first_line + i];
            sells += line->kind == LINE_SALE;
            shipped += line->bucket == BUCKET_SHIPPED;
        }
        if (!sells)
            continue;
        totals->orders++;
        totals->orders_full += shipped == sells;
        totals->orders_part += shipped > 0 && shipped < sells;
        totals->orders_refused += shipped == 0;
    }
}

bool replay_run(struct holdfast *client, struct retail *retail, struct sku_tally *tallies,
                const struct replay_options *options, struct replay_totals *totals, char *error,
                size_t error_bytes)
{
    struct replay replay = {.client = client,
                            .retail = retail,
                            .tallies = tallies,
                            .options = options,
                            .totals = totals,
                            .error = error,
                            .error_bytes = error_bytes};
    memset(totals, 0, sizeof *totals);
    replay.sales = calloc(retail->line_count, sizeof *replay.sales);
    replay.scratch = calloc(retail->line_count, sizeof *replay.scratch);
    if (!replay.sales || !replay.scratch || !plan_make(&replay.plan, retail)) {
        give_up(&replay, "%s", strerror(ENOMEM));
    } else {
        run_all(&replay);
        count_orders(&replay);
    }
    for (size_t i = 0; i < retail->line_count; i++)
        if (retail->lines[i].bucket == BUCKET_NONE)
            retail->lines[i].bucket = BUCKET_NOT_KNOWN;
    plan_release(&replay.plan);
    free(replay.scratch);
    free(replay.sales);
    return !replay.failed;
}

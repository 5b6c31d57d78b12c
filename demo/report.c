/* SPDX-License-Identifier: MIT
 *
 * The demo's summary. Figures are the demo's own bookkeeping of what the cluster answered; only the
 * stock is read from the cluster.
 */
#include "demo/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TOP_SKUS 8u
/* Lines of one kind that are printed one by one; more are counted. */
#define LISTED_MAX 8u
#define DIFFERENCES_LISTED 10u

/* 1234567 as 1,234,567; the buffer is the caller's. */
#define NUMBER_BYTES 32
static const char *number(uint64_t value, char text[NUMBER_BYTES])
{
    char digits[NUMBER_BYTES];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value), at = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

static size_t count_bucket(const struct retail *retail, enum bucket bucket)
{
    size_t count = 0;
    for (size_t i = 0; i < retail->line_count; i++)
        count += retail->lines[i].bucket == bucket;
    return count;
}

static uint64_t units_in(const struct retail *retail, enum bucket bucket)
{
    uint64_t units = 0;
    for (size_t i = 0; i < retail->line_count; i++)
        if (retail->lines[i].bucket == bucket)
            units += (uint64_t)labs(retail->lines[i].quantity);
    return units;
}

void report_before(FILE *out, const struct retail *retail, const struct stock_figures *before)
{
    uint64_t opening = 0, there = 0;
    for (size_t i = 0; i < retail->sku_count; i++) {
        uint32_t units[WAREHOUSE_COUNT];
        opening_stock(&retail->skus[i], units);
        for (size_t w = 0; w < WAREHOUSE_COUNT; w++)
            opening += units[w];
        there += before->on_hand[i];
    }
    char a[NUMBER_BYTES], b[NUMBER_BYTES], c[NUMBER_BYTES];
    fprintf(out, "  the cluster holds %s units of %s SKUs; the opening stock was %s\n",
            number(there, a), number(retail->sku_count - before->unknown_skus, b),
            number(opening, c));
    if (before->unknown_skus)
        fprintf(out, "  %zu SKUs of the file are not known to the cluster\n", before->unknown_skus);
}

/* ------------------------------------------------------------- orders */

struct refusal {
    uint32_t sku;
    uint32_t lines;
    uint64_t units;
};

static int most_units_first(const void *a, const void *b)
{
    const struct refusal *left = a, *right = b;
    if (left->units != right->units)
        return left->units < right->units ? 1 : -1;
    return left->sku < right->sku ? -1 : left->sku > right->sku;
}

static void report_top_refused(FILE *out, const struct retail *retail)
{
    struct refusal *refusals = calloc(retail->sku_count, sizeof *refusals);
    if (!refusals)
        return;
    for (size_t i = 0; i < retail->sku_count; i++)
        refusals[i].sku = (uint32_t)i;
    for (size_t i = 0; i < retail->line_count; i++) {
        const struct retail_line *line = &retail->lines[i];
        if (line->bucket != BUCKET_SALE_NO_STOCK)
            continue;
        refusals[line->sku].lines++;
        refusals[line->sku].units += (uint64_t)line->quantity;
    }
    qsort(refusals, retail->sku_count, sizeof *refusals, most_units_first);
    char text[NUMBER_BYTES];
    fputs("    most missed:\n", out);
    for (size_t i = 0; i < TOP_SKUS && i < retail->sku_count && refusals[i].lines; i++)
        fprintf(out, "      %-10s %-36.36s %8s units in %u line%s\n",
                retail->skus[refusals[i].sku].code, retail->skus[refusals[i].sku].name,
                number(refusals[i].units, text), refusals[i].lines,
                refusals[i].lines == 1 ? "" : "s");
    free(refusals);
}

/* One line for each result that refused something in the bucket. */
static void report_results(FILE *out, const struct retail *retail, enum bucket bucket)
{
    for (int status = 0; status <= HOLDFAST_OPERATION_ID_EXPIRED; status++) {
        size_t count = 0;
        for (size_t i = 0; i < retail->line_count; i++)
            count += retail->lines[i].bucket == bucket && retail->lines[i].result == status;
        if (count)
            fprintf(out, "    %zu line%s: %s, %s\n", count, count == 1 ? "" : "s",
                    holdfast_status_name(status), holdfast_status_text(status));
    }
}

void report_orders(FILE *out, const struct retail *retail, const struct replay_totals *totals)
{
    char a[NUMBER_BYTES], b[NUMBER_BYTES];
    fprintf(out, "Orders: %s of %s invoices sell goods\n", number(totals->orders, a),
            number(totals->invoices, b));
    fprintf(out, "  %6s placed in full\n", number(totals->orders_full, a));
    fprintf(out, "  %6s placed in part\n", number(totals->orders_part, a));
    fprintf(out, "  %6s refused\n", number(totals->orders_refused, a));
    fprintf(out, "  %s lines (%s units) were shipped\n",
            number(count_bucket(retail, BUCKET_SHIPPED), a),
            number(units_in(retail, BUCKET_SHIPPED), b));
    fprintf(out, "  %s lines (%s units) were refused because there was not enough\n",
            number(count_bucket(retail, BUCKET_SALE_NO_STOCK), a),
            number(units_in(retail, BUCKET_SALE_NO_STOCK), b));
    report_top_refused(out, retail);
    if (count_bucket(retail, BUCKET_SALE_REFUSED)) {
        fputs("  refused for another reason:\n", out);
        report_results(out, retail, BUCKET_SALE_REFUSED);
    }
    fprintf(out,
            "  limitation: the SKUs of %s orders lie on several partitions; they were placed line "
            "by line,\n  each line a reservation of its own under the same order number, because "
            "an order\n  across partitions cannot be reserved as a whole yet (docs/roadmap.md)\n",
            number(totals->orders_by_line, a));
}

/* ------------------------------------------------------------- returns and adjustments */

static void list_lines(FILE *out, const struct retail *retail, enum bucket bucket)
{
    size_t listed = 0, count = count_bucket(retail, bucket);
    for (size_t i = 0; i < retail->line_count && listed < LISTED_MAX; i++) {
        const struct retail_line *line = &retail->lines[i];
        if (line->bucket != bucket)
            continue;
        listed++;
        fprintf(out, "      line %u: %s %s %+d %s", line->file_line, line->invoice, line->code,
                line->quantity, line->description);
        if (line->why)
            fprintf(out, " (%s)", line->why);
        else if (line->result == HOLDFAST_INSUFFICIENT_ON_HAND)
            fprintf(out, " (%s: %u can go)", holdfast_status_name(line->result), line->there);
        fputc('\n', out);
    }
    if (count > listed)
        fprintf(out, "      and %zu more\n", count - listed);
}

static void report_bucket(FILE *out, const struct retail *retail, enum bucket bucket)
{
    size_t count = count_bucket(retail, bucket);
    if (!count)
        return;
    fprintf(out, "  %zu line%s: %s\n", count, count == 1 ? "" : "s", bucket_text(bucket));
    list_lines(out, retail, bucket);
}

static void report_reasons(FILE *out, const struct retail *retail)
{
    fprintf(out, "  %-12s %6s %10s %10s %8s\n", "reason", "booked", "units out", "units in",
            "refused");
    for (size_t r = 0; r < retail->reason_count; r++) {
        uint64_t booked = 0, refused = 0, taken = 0, added = 0;
        for (size_t i = 0; i < retail->line_count; i++) {
            const struct retail_line *line = &retail->lines[i];
            if (line->kind != LINE_ADJUSTMENT || line->reason != r)
                continue;
            if (line->bucket != BUCKET_ADJUSTED) {
                refused++;
                continue;
            }
            booked++;
            if (line->quantity < 0)
                taken += (uint64_t)-line->quantity;
            else
                added += (uint64_t)line->quantity;
        }
        char a[NUMBER_BYTES], b[NUMBER_BYTES];
        fprintf(out, "  %-12s %6" PRIu64 " %10s %10s %8" PRIu64 "   %s\n", retail->reasons[r].code,
                booked, number(taken, a), number(added, b), refused, retail->reasons[r].name);
    }
}

void report_corrections(FILE *out, const struct retail *retail)
{
    fputs("Goods that came back\n", out);
    report_bucket(out, retail, BUCKET_RETURNED);
    report_bucket(out, retail, BUCKET_RETURN_NO_SALE);
    report_bucket(out, retail, BUCKET_RETURN_REFUSED);
    fputs("Adjustments (the typed text is the note, a word in it the reason)\n", out);
    report_reasons(out, retail);
    report_bucket(out, retail, BUCKET_ADJUST_NOT_THERE);
    report_bucket(out, retail, BUCKET_ADJUST_REFUSED);
}

static void report_every(FILE *out, const struct retail *retail, enum bucket bucket)
{
    for (size_t i = 0; i < retail->line_count; i++) {
        const struct retail_line *line = &retail->lines[i];
        if (line->bucket == bucket)
            fprintf(out, "  line %u: invoice %s, %s, %s: %s\n", line->file_line, line->invoice,
                    line->code, line->description, line->why);
    }
}

void report_aside(FILE *out, const struct retail *retail)
{
    fputs("Reported and not booked\n", out);
    report_every(out, retail, BUCKET_NOT_GOODS);
    report_every(out, retail, BUCKET_BAD_DEBT);
    report_every(out, retail, BUCKET_UNREADABLE);
    report_bucket(out, retail, BUCKET_NOT_KNOWN);
}

/* ------------------------------------------------------------- stock and speed */

static void report_figures(FILE *out, const char *when, const struct stock_figures *figures)
{
    struct warehouse_figures all = {0};
    char a[NUMBER_BYTES], b[NUMBER_BYTES], c[NUMBER_BYTES];
    for (size_t w = 0; w <= WAREHOUSE_COUNT; w++) {
        const struct warehouse_figures *f = w < WAREHOUSE_COUNT ? &figures->warehouses[w] : &all;
        fprintf(out, "  %-7s %-9s %10s %9s %10s\n", w ? "" : when,
                w < WAREHOUSE_COUNT ? demo_warehouses[w].code : "together", number(f->on_hand, a),
                number(f->reserved, b), number(f->committed, c));
        all.on_hand += f->on_hand;
        all.reserved += f->reserved;
        all.committed += f->committed;
    }
}

void report_stock(FILE *out, const struct stock_figures *before, const struct stock_figures *after)
{
    fprintf(out, "Stock in units\n  %-7s %-9s %10s %9s %10s\n", "", "", "on hand", "reserved",
            "committed");
    report_figures(out, "before", before);
    report_figures(out, "after", after);
}

void report_speed(FILE *out, const struct replay_totals *totals)
{
    uint64_t operations = 0;
    char text[NUMBER_BYTES];
    fputs("Speed\n ", out);
    for (int step = 0; step < STEP_COUNT; step++) {
        operations += totals->operations[step];
        fprintf(out, "%s %s %s", step ? "," : "", number(totals->operations[step], text),
                replay_step_name((enum replay_step)step));
    }
    double seconds = (double)totals->elapsed_us / 1e6;
    fprintf(out, "\n  %s operations in %.1f s: %.0f a second, up to %u chains at once",
            number(operations, text), seconds, seconds > 0 ? (double)operations / seconds : 0,
            REPLAY_IN_FLIGHT);
    fprintf(out, "; %" PRIu64 " sent again\n", totals->retries);
    if (totals->replayed)
        fprintf(out, "  %s were done by an earlier run, and nothing was done twice\n",
                number(totals->replayed, text));
}

/* ------------------------------------------------------------- proofs */

bool report_lines_add_up(FILE *out, const struct retail *retail)
{
    size_t sum = 0;
    fputs("Every line of the file\n", out);
    for (int bucket = 0; bucket < BUCKET_COUNT; bucket++) {
        size_t count = count_bucket(retail, (enum bucket)bucket);
        if (!count)
            continue;
        fprintf(out, "  %5zu  %s\n", count, bucket_text((enum bucket)bucket));
        if (bucket != BUCKET_NONE)
            sum += count;
    }
    bool good = sum == retail->line_count && !count_bucket(retail, BUCKET_NOT_KNOWN);
    fprintf(out, "  %5zu  together, of %zu lines in the file: %s\n", sum, retail->line_count,
            good ? "every line is accounted for" : "LINES ARE NOT ACCOUNTED FOR");
    return good;
}

bool report_stock_adds_up(FILE *out, const struct retail *retail, const struct sku_tally *tallies,
                          const struct stock_figures *after)
{
    int64_t opening = 0, shipped = 0, returned = 0, adjusted = 0, there = 0;
    size_t wrong = 0;
    for (size_t i = 0; i < retail->sku_count; i++) {
        uint32_t units[WAREHOUSE_COUNT];
        opening_stock(&retail->skus[i], units);
        int64_t opened = (int64_t)units[0] + units[1] + units[2];
        const struct sku_tally *tally = &tallies[i];
        int64_t expected = opened + tally->returned + tally->adjusted - tally->shipped;
        if (expected != (int64_t)after->on_hand[i] && ++wrong <= DIFFERENCES_LISTED)
            fprintf(out,
                    "  %s: %" PRId64 " at the opening, %" PRId64 " returned, %+" PRId64
                    " adjusted, %" PRId64 " shipped, but %" PRIu64 " on hand\n",
                    retail->skus[i].code, opened, tally->returned, tally->adjusted, tally->shipped,
                    after->on_hand[i]);
        opening += opened;
        shipped += tally->shipped;
        returned += tally->returned;
        adjusted += tally->adjusted;
        there += (int64_t)after->on_hand[i];
    }
    uint64_t held = after->elsewhere;
    for (size_t w = 0; w < WAREHOUSE_COUNT; w++)
        held += after->warehouses[w].reserved + after->warehouses[w].committed;
    fprintf(out,
            "Stock adds up\n  opening %" PRId64 " + returned %" PRId64 " + adjusted %" PRId64
            " - shipped %" PRId64 " = %" PRId64 "; on hand %" PRId64 "\n",
            opening, returned, adjusted, shipped, opening + returned + adjusted - shipped, there);
    if (held)
        fprintf(out, "  %" PRIu64 " units are still promised, or in unknown warehouses\n", held);
    fprintf(out, "  %zu of %zu SKUs agree: %s\n", retail->sku_count - wrong, retail->sku_count,
            !wrong && !held ? "nothing was lost, and nothing was sold twice"
                            : "STOCK AND BOOKINGS DO NOT AGREE");
    return !wrong && !held;
}

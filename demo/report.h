/* SPDX-License-Identifier: MIT
 *
 * What the demo tells at its end, and what it proves: that every line of the file is accounted for,
 * and that opening stock and bookings give the stock that the cluster says is there.
 */
#ifndef DEMO_REPORT_H
#define DEMO_REPORT_H

#include "demo/replay.h"
#include "demo/stock.h"

void report_before(FILE *out, const struct retail *retail, const struct stock_figures *before);

void report_orders(FILE *out, const struct retail *retail, const struct replay_totals *totals);
void report_corrections(FILE *out, const struct retail *retail);
void report_aside(FILE *out, const struct retail *retail);
void report_stock(FILE *out, const struct stock_figures *before, const struct stock_figures *after);
void report_speed(FILE *out, const struct replay_totals *totals);

/* The two proofs; each prints its sum and, when it fails, where. */
bool report_lines_add_up(FILE *out, const struct retail *retail);
bool report_stock_adds_up(FILE *out, const struct retail *retail, const struct sku_tally *tallies,
                          const struct stock_figures *after);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The opening stock that the demo makes up, because the data has none, as a file for `holdfast
 * import`. The rule is in demo/README.md; a sale beyond it is refused, as in a shop that ran out.
 */
#include "demo/retail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/csv.h"

/* Goods come in packs. */
#define PACK_UNITS 6u
/* Of what the file sells. */
#define SHARE_PERCENT 80u

const struct demo_warehouse demo_warehouses[WAREHOUSE_COUNT] = {
    {"LONDON", "London, with the returns desk"},
    {"LEEDS", "Leeds"},
    {"BRISTOL", "Bristol"},
};

void opening_stock(const struct retail_sku *sku, uint32_t units[WAREHOUSE_COUNT])
{
    uint64_t wanted = (sku->sold * SHARE_PERCENT + 99) / 100;
    uint64_t packs = (wanted + PACK_UNITS - 1) / PACK_UNITS;
    /* Half of the packs to Leeds and 3 of 10 to Bristol, rounded down; the rest to London. */
    uint64_t leeds = packs / 2, bristol = packs * 3 / 10;
    units[0] = (uint32_t)((packs - leeds - bristol) * PACK_UNITS + sku->written_off);
    units[1] = (uint32_t)(leeds * PACK_UNITS);
    units[2] = (uint32_t)(bristol * PACK_UNITS);
}

static void write_line(FILE *file, const struct retail_sku *sku, const char *warehouse,
                       uint32_t units)
{
    csv_write_field(file, sku->code, ',');
    fprintf(file, ",%s,%u,", warehouse, units);
    csv_write_field(file, sku->name ? sku->name : "", ',');
    fputc('\n', file);
}

bool opening_write(const struct retail *retail, const char *path, size_t *lines,
                   uint64_t units[WAREHOUSE_COUNT])
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    *lines = 0;
    memset(units, 0, WAREHOUSE_COUNT * sizeof *units);
    fputs("sku,warehouse,on_hand,name\n", file);
    for (size_t i = 0; i < retail->sku_count; i++) {
        uint32_t share[WAREHOUSE_COUNT];
        opening_stock(&retail->skus[i], share);
        bool written = false;
        for (int w = WAREHOUSE_COUNT - 1; w >= 0; w--) {
            if (!share[w] && (written || w > 0))
                continue;
            write_line(file, &retail->skus[i], demo_warehouses[w].code, share[w]);
            units[w] += share[w];
            written = true;
            ++*lines;
        }
    }
    bool good = !ferror(file);
    if (fclose(file) != 0)
        good = false;
    return good;
}

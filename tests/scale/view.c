/* SPDX-License-Identifier: MIT
 *
 * What the read model of a view costs at a million levels: memory per level and per open
 * reservation, processor time of pages sorted by every column, and of updates. Prints target and
 * figure, and exits with 1 when one is missed.
 *
 *     view [LEVELS [WAREHOUSES [RESERVATIONS]]]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "protocol/status.h"
#include "tests/unit/pick.h"
#include "view/model.h"

#define PARTITIONS 64u
#define MEMORY_MB_MAX 400.0
#define PAGE_MS_MAX 50.0
#define PAGE_ROWS 50
#define ROUNDS 5
#define MESSAGE_MOVEMENTS 256

static double resident_mb(void)
{
    long pages = 0, ignored;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%ld %ld", &ignored, &pages) != 2)
        pages = 0;
    if (file)
        fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

/* Processor time: what else the machine does at the moment counts less. */
static int64_t processor_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static struct snapshot_text text_of(const char *text)
{
    return (struct snapshot_text){text, (uint32_t)strlen(text)};
}

struct scale {
    uint32_t skus, warehouses, reservations;
    struct model *model;
    uint32_t *by_partition[PARTITIONS]; /* numbers of its skus */
    size_t counts[PARTITIONS];
    bool missed;
};

static void sku_of(uint32_t number, char text[32])
{
    snprintf(text, 32, "SKU-%08u", number);
}

static void add_item(struct snapshot *s, const struct scale *scale, uint32_t number)
{
    static const char *const words[] = {"blue", "steel", "oak", "cotton", "spare", "small"};
    char sku[32], name[80], barcode[32], warehouse[16];

    sku_of(number, sku);
    snprintf(name, sizeof name, "Widget %s %s %u mm, boxed", words[pick(6)], words[pick(6)],
             pick(100000));
    snprintf(barcode, sizeof barcode, "%013u", number);
    snapshot_item(s, text_of(sku), text_of(name), pick(20), number + 1);
    snapshot_barcode(s, text_of(sku), text_of(barcode));
    for (uint32_t w = 0; w < scale->warehouses; w++) {
        struct figures now = {
            pick(3) ? pick(1000) : 0, pick(5), pick(5), pick(20) == 0, pick(4), pick(50)};
        snprintf(warehouse, sizeof warehouse, "WH%02u", w);
        snapshot_level(s, text_of(sku), text_of(warehouse), &now, number + 1, number + 1);
    }
}

static void add_reservation(struct snapshot *s, uint32_t partition, uint32_t sku_number,
                            uint32_t number)
{
    uint8_t operation_id[UUID_BYTES] = {0};
    char sku[32], order[32];
    struct snapshot_reservation row = {.state = HF__RESERVATION_STATE__RESERVATION_ACTIVE,
                                       .revision = 1,
                                       .expires_at_us = 1700000000000000 + pick(900000000)};
    struct snapshot_line line = {.quantity = 1, .reserved = 1};

    memcpy(operation_id, &number, sizeof number);
    reservation_id_make(row.id, partition, operation_id);
    snprintf(order, sizeof order, "order-%08u", number);
    row.order = text_of(order);
    row.actor = text_of("web");
    snapshot_reservation(s, &row);
    sku_of(sku_number, sku);
    line.sku = text_of(sku);
    snapshot_line(s, &line, text_of("WH00"));
}

static void fill(struct scale *scale, bool reservations)
{
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct snapshot *s = snapshot_new(p);
        for (size_t i = 0; i < scale->counts[p]; i++)
            add_item(s, scale, scale->by_partition[p][i]);
        for (uint32_t i = p; reservations && i < scale->reservations; i += PARTITIONS)
            add_reservation(s, p, scale->by_partition[p][pick((uint32_t)scale->counts[p])], i);
        model_install(scale->model, &s, 0);
        malloc_trim(0);
    }
    model_tidy(scale->model);
}

static void place_skus(struct scale *scale)
{
    char sku[32];

    for (uint32_t p = 0; p < PARTITIONS; p++)
        scale->by_partition[p] = malloc((scale->skus / PARTITIONS * 2 + 64) * sizeof(uint32_t));
    for (uint32_t i = 0; i < scale->skus; i++) {
        sku_of(i, sku);
        uint32_t p = partition_of_sku(sku, strlen(sku), PARTITIONS);
        scale->by_partition[p][scale->counts[p]++] = i;
    }
}

static void report(struct scale *scale, const char *what, double figure, const char *unit,
                   double most)
{
    bool missed = most > 0 && figure > most;

    scale->missed = scale->missed || missed;
    if (most > 0)
        printf("%-44s %10.2f %-6s target %.0f %s\n", what, figure, unit, most,
               missed ? "MISSED" : "met");
    else
        printf("%-44s %10.2f %s\n", what, figure, unit);
}

/* ------------------------------------------------------------- pages */

static double ask_ms(struct scale *scale, Hf__ViewLevelsQuery *levels)
{
    Hf__ViewQuery query = HF__VIEW_QUERY__INIT;
    Hf__ViewAnswer answer;
    struct arena arena;
    double best = 1e9;

    arena_init(&arena);
    query.kind_case = HF__VIEW_QUERY__KIND_LEVELS;
    query.levels = levels;
    for (int i = 0; i < ROUNDS; i++) {
        arena_reset(&arena);
        int64_t begun_us = processor_us();
        (void)model_answer(scale->model, &query, 1, 1, true, &arena, &answer);
        double ms = (double)(processor_us() - begun_us) / 1000;
        best = ms < best ? ms : best;
        if (answer.status != STATUS_applied)
            abort();
    }
    arena_release(&arena);
    return best;
}

static void pages(struct scale *scale)
{
    for (int by_sku = 0; by_sku < 2; by_sku++) {
        for (int column = 0; column < 12; column++) {
            Hf__ViewLevelsQuery levels = HF__VIEW_LEVELS_QUERY__INIT;
            char what[80];
            double most = 0;
            levels.limit = PAGE_ROWS;
            levels.by_sku = by_sku;
            levels.sort = (Hf__LevelColumn)column;
            for (int descending = 0; descending < 2; descending++) {
                levels.descending = descending;
                double ms = ask_ms(scale, &levels);
                most = ms > most ? ms : most;
            }
            snprintf(
                what, sizeof what, "page 1 %s by %s", by_sku ? "of skus" : "of levels",
                protobuf_c_enum_descriptor_get_value(&hf__level_column__descriptor, column)->name);
            report(scale, what, most, "ms", PAGE_MS_MAX);
        }
    }
    Hf__ViewLevelsQuery levels = HF__VIEW_LEVELS_QUERY__INIT;
    levels.limit = PAGE_ROWS;
    levels.text = (ProtobufCBinaryData){5, (uint8_t *)(uintptr_t) "OAK 7"};
    report(scale, "page 1 with a text in the name", ask_ms(scale, &levels), "ms", 0);
    levels.text.len = 0;
    levels.limit = 1000;
    levels.sort = HF__LEVEL_COLUMN__COLUMN_AVAILABLE;
    report(scale, "a page of 1,000 by available", ask_ms(scale, &levels), "ms", 0);
}

/* ------------------------------------------------------------- updates */

static void updates(struct scale *scale)
{
    enum { MESSAGES = 400 };
    Hf__Movement movements[MESSAGE_MOVEMENTS], *list[MESSAGE_MOVEMENTS];
    Hf__Level levels[MESSAGE_MOVEMENTS];
    char skus[MESSAGE_MOVEMENTS][32];
    struct arena arena;
    uint64_t sequence = 0;
    int64_t spent_us = 0;
    uint8_t claim[16] = {0};

    arena_init(&arena);
    for (int m = 0; m < MESSAGES; m++) {
        Hf__PartitionChanges changes = HF__PARTITION_CHANGES__INIT;
        changes.claim_id = (ProtobufCBinaryData){16, claim};
        changes.after = sequence;
        changes.movements = list;
        changes.n_movements = MESSAGE_MOVEMENTS;
        for (int i = 0; i < MESSAGE_MOVEMENTS; i++) {
            sku_of(scale->by_partition[0][pick((uint32_t)scale->counts[0])], skus[i]);
            hf__level__init(&levels[i]);
            levels[i].on_hand = pick(1000);
            hf__movement__init(&movements[i]);
            movements[i].sequence = ++sequence;
            movements[i].kind = HF__MOVEMENT_KIND__MOVEMENT_RECEIVED;
            movements[i].sku = (ProtobufCBinaryData){strlen(skus[i]), (uint8_t *)skus[i]};
            movements[i].warehouse = (ProtobufCBinaryData){4, (uint8_t *)(uintptr_t) "WH00"};
            movements[i].after = &levels[i];
            list[i] = &movements[i];
        }
        arena_reset(&arena);
        size_t bytes = hf__partition_changes__get_packed_size(&changes);
        uint8_t *packed = arena_alloc(&arena, bytes);
        hf__partition_changes__pack(&changes, packed);
        int64_t begun_us = processor_us();
        Hf__PartitionChanges *read = hf__partition_changes__unpack(&arena.allocator, bytes, packed);
        if (!read || model_changes(scale->model, read) != MODEL_DONE)
            abort();
        spent_us += processor_us() - begun_us;
    }
    report(scale, "a movement, unpacking it included",
           (double)spent_us / (MESSAGES * MESSAGE_MOVEMENTS), "us", 0);
    arena_release(&arena);
}

int main(int argc, char **argv)
{
    uint32_t levels = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000;
    struct scale scale = {.warehouses = argc > 2 ? (uint32_t)atoi(argv[2]) : 1,
                          .reservations = argc > 3 ? (uint32_t)atoi(argv[3]) : 100000};
    scale.skus = levels / scale.warehouses;
    place_skus(&scale);
    double before_mb = resident_mb();
    scale.model = model_new(PARTITIONS);
    int64_t begun_us = processor_us();
    fill(&scale, false);
    double filled_s = (double)(processor_us() - begun_us) / 1e6;
    double levels_mb = resident_mb() - before_mb;
    model_destroy(&scale.model);
    malloc_trim(0);
    before_mb = resident_mb();
    scale.model = model_new(PARTITIONS);
    fill(&scale, true);
    double all_mb = resident_mb() - before_mb;
    struct model_counts counts = model_counts(scale.model);

    printf("%u levels of %u skus in %u warehouses, a barcode each, %u open reservations\n", levels,
           scale.skus, scale.warehouses, scale.reservations);
    report(&scale, "filling and sorting", filled_s, "s", 0);
    report(&scale, "memory per level", levels_mb * 1e6 / levels, "bytes", 0);
    if (scale.reservations > 0)
        report(&scale, "memory per open reservation",
               (all_mb - levels_mb) * 1e6 / scale.reservations, "bytes", 0);
    report(&scale, "the model's own count", (double)counts.bytes / 1e6, "MB", 0);
    report(&scale, "memory of the model", all_mb, "MB", MEMORY_MB_MAX);
    pages(&scale);
    updates(&scale);
    model_destroy(&scale.model);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        free(scale.by_partition[p]);
    return scale.missed ? 1 : 0;
}

/* SPDX-License-Identifier: MIT
 *
 * See reading.h.
 */
#include "tests/simulate/reading.h"

#include <string.h>

#include "client/fanout.h"
#include "tests/simulate/judge.h"

#define EVERYTHING_LIMIT 1000

void reading_begin(struct reading *reading, bool everything, uint32_t partitions)
{
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_STOCK};
    struct fault fault;

    *reading = (struct reading){.everything = everything};
    if (everything)
        query.limit = EVERYTHING_LIMIT;
    else if (sim_below(4) > 0)
        reading->sku_count = (size_t)sim_between(1, 3);
    else
        query.limit = (uint32_t)sim_between(1, 3);
    for (size_t i = 0; i < reading->sku_count; i++)
        reading->skus[i] = world.skus[sim_below(world.sku_count)];
    if (!everything && sim_one_in(4))
        reading->warehouse = world.warehouses[sim_below(world.warehouse_count)];
    query.skus = reading->skus;
    query.sku_count = reading->sku_count;
    query.warehouse = reading->warehouse;
    reading->fanout = fanout_new_query(&query, CLASS_SERVICE, &fault);
    sim_require(reading->fanout != NULL, "a query could not be made: %s %s", fault.field,
                fault.message);
    sim_require(fanout_plan(reading->fanout, partitions), "a query could not be planned");
    SIM_SEEN("reading");
}

struct reading_part *reading_next(struct reading *reading, struct encoded *encoded)
{
    if (!fanout_next(reading->fanout, encoded))
        return NULL;
    uint32_t partition = route_partition(&encoded->route, world.config.partitions);
    struct reading_part *part = &reading->parts[partition % READING_PARTITIONS_MAX];
    part->partition = partition;
    judge_ask(part);
    return part;
}

void reading_answer(struct reading *reading, const struct reading_part *part,
                    struct holdfast_answer *answer)
{
    struct sim_process *back = sim_enter(NULL);

    sim_trace("part %u of a reading: %s at %llu, %zu skus %s", part->partition,
              holdfast_status_name(answer->status), (unsigned long long)answer->sequence,
              answer->stock_count, answer->message);
    judge_answer(reading, part, answer);
    sim_leave(back);
    fanout_answer(reading->fanout, answer);
}

bool reading_end(struct reading *reading)
{
    struct holdfast_answer *answer = fanout_merged_answer(reading->fanout, 0);
    bool whole = answer->status == HOLDFAST_APPLIED;

    sim_require(whole == (answer->partitions_answered == answer->partitions_asked),
                "a reading is %s with %u of %u partitions", holdfast_status_name(answer->status),
                answer->partitions_answered, answer->partitions_asked);
    if (whole)
        SIM_SEEN("reading that was answered wholly");
    holdfast_answer_free(&answer);
    fanout_destroy(&reading->fanout);
    *reading = (struct reading){0};
    return whole;
}

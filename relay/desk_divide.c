/* SPDX-License-Identifier: MIT
 *
 * Which consumer has which partition: equal shares, in order of their coming, and as few moves as
 * that takes. What a consumer has is first asked back, so that what it has worked on can be
 * acknowledged before another goes on behind it.
 */
#include "relay/desk_impl.h"

void divide_free(struct place *place)
{
    if (place->hold == HOLD_GIVEN)
        place->consumer->places--;
    place->hold = HOLD_FREE;
    place->consumer = NULL;
    place_rewind(place);
}

static size_t share(size_t rank, size_t count, uint32_t partitions)
{
    return partitions / count + (rank < partitions % count);
}

/* Those who wait for an answer take no part. */
static size_t count_takers(const struct subscription *s)
{
    size_t count = 0;

    for (const struct consumer *c = s->consumers; c; c = c->next)
        count += c->answered && !c->doomed;
    return count;
}

static void ask_back(struct subscription *s, struct consumer *consumer, uint32_t partitions,
                     size_t surplus, int64_t now_us)
{
    for (uint32_t p = partitions; surplus > 0 && p > 0; p--) {
        struct place *place = &s->places[p - 1];
        if (place->hold != HOLD_GIVEN || place->consumer != consumer)
            continue;
        place->hold = HOLD_LEAVING;
        place->leaving_us = now_us;
        consumer->places--;
        consumer->assign_due = true;
        surplus--;
    }
}

static void hand_out(struct subscription *s, struct consumer *consumer, uint32_t partitions,
                     size_t wanted)
{
    for (uint32_t p = 0; wanted > 0 && p < partitions; p++) {
        struct place *place = &s->places[p];
        if (place->hold != HOLD_FREE)
            continue;
        place_rewind(place);
        place->hold = HOLD_GIVEN;
        place->consumer = consumer;
        consumer->places++;
        consumer->assign_due = true;
        wanted--;
    }
}

void divide(struct subscription *s, uint32_t partitions, int64_t now_us)
{
    size_t count = count_takers(s), rank = 0;

    for (uint32_t p = 0; p < partitions; p++) {
        struct place *place = &s->places[p];
        if (place->hold == HOLD_LEAVING && now_us - place->leaving_us >= YIELD_US)
            divide_free(place);
    }
    if (count == 0)
        return;
    for (struct consumer *c = s->consumers; c; c = c->next) {
        if (!c->answered || c->doomed)
            continue;
        size_t mine = share(rank++, count, partitions);
        if (c->places > mine)
            ask_back(s, c, partitions, c->places - mine, now_us);
    }
    rank = 0;
    for (struct consumer *c = s->consumers; c; c = c->next) {
        if (!c->answered || c->doomed)
            continue;
        size_t mine = share(rank++, count, partitions);
        if (c->places < mine)
            hand_out(s, c, partitions, mine - c->places);
    }
}

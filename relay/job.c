/* SPDX-License-Identifier: MIT
 *
 * See job.h.
 */
#include "relay/job.h"

#include <stdlib.h>

struct job *job_new(enum job_kind kind, size_t shard)
{
    struct job *job = calloc(1, sizeof *job);

    if (!job)
        abort();
    job->kind = kind;
    job->shard = shard;
    return job;
}

void job_destroy(struct job **job)
{
    struct job *j = *job;

    if (!j)
        return;
    for (size_t i = 0; i < j->part_count; i++)
        free(j->parts[i].positions);
    for (size_t i = 0; i < j->ask_count; i++) {
        for (size_t e = 0; e < j->asks[i].event_count; e++)
            free(j->asks[i].events[e]);
        free(j->asks[i].events);
    }
    free(j->part.positions);
    free(j->parts);
    free(j->asks);
    free(j->looks);
    free(j->listed);
    free(j->listed_positions);
    free(j);
    *job = NULL;
}

/* Room for one more of `bytes` each; the array grows at every power of two. */
static void *grow(void *items, size_t count, size_t bytes)
{
    if ((count & (count - 1)) != 0)
        return items;
    void *grown = realloc(items, (count ? count * 2 : 1) * bytes);
    if (!grown)
        abort();
    return grown;
}

struct job_position *job_position_add(struct job_part *part)
{
    part->positions = grow(part->positions, part->position_count, sizeof *part->positions);
    part->positions[part->position_count] = (struct job_position){0};
    return &part->positions[part->position_count++];
}

struct job_part *job_part_add(struct job *job)
{
    job->parts = grow(job->parts, job->part_count, sizeof *job->parts);
    job->parts[job->part_count] = (struct job_part){0};
    return &job->parts[job->part_count++];
}

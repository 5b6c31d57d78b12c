/* SPDX-License-Identifier: MIT
 *
 * The tables at the end are what the movements add up to: every level, reservation and line, and no
 * other.
 */
#include "tests/history/replay.h"

#include <string.h>

static void check_level(struct replay *replay, const struct history_level *level)
{
    struct model_level *mine = model_level(replay->model, level->sku, level->warehouse);

    if (memcmp(&level->now, &mine->now, sizeof mine->now) != 0 || level->version != mine->version ||
        level->on_hand_version != mine->on_hand_version)
        finding(replay->history, "final",
                "level %s@%s of partition %u (on_hand %lld, reserved %lld, committed %lld, "
                "version %llu) is not what the movements say (%lld, %lld, %lld, %llu)",
                level->sku, level->warehouse, replay->partition, (long long)level->now.on_hand,
                (long long)level->now.reserved, (long long)level->now.committed,
                (unsigned long long)level->version, (long long)mine->now.on_hand,
                (long long)mine->now.reserved, (long long)mine->now.committed,
                (unsigned long long)mine->version);
    mine->planned = -1; /* seen */
}

static void check_levels(struct replay *replay)
{
    const struct history *history = replay->history;

    for (size_t i = 0; i < history->level_count; i++) {
        if (history->levels[i].partition == replay->partition)
            check_level(replay, &history->levels[i]);
    }
    for (struct model_sku *sku = replay->model->skus; sku; sku = sku->hh.next) {
        for (struct model_level *level = sku->levels; level; level = level->next) {
            if (level->planned == 0 && level->version > 0)
                finding(replay->history, "final", "level %s@%s of partition %u is missing",
                        sku->sku, level->warehouse, replay->partition);
        }
    }
}

static void check_reservations(struct replay *replay)
{
    const struct history *history = replay->history;
    size_t mine = 0, told = 0;

    for (const struct model_hold *hold = replay->model->holds; hold; hold = hold->hh.next)
        mine += hold->state != HOLDFAST_STATE_NONE;
    for (size_t i = 0; i < history->reservation_count; i++) {
        const struct history_reservation *reservation = &history->reservations[i];
        if (reservation->partition != replay->partition)
            continue;
        const struct model_hold *hold = model_hold(replay->model, reservation->reservation_id);
        told++;
        if (hold->state != reservation->state || hold->revision != reservation->revision ||
            hold->expires_at_us != reservation->expires_at_us)
            finding(replay->history, "final",
                    "reservation %s is %s at revision %u: the movements say %s at %u",
                    show_reservation(hold->id),
                    holdfast_state_name((enum holdfast_reservation_state)reservation->state),
                    reservation->revision,
                    holdfast_state_name((enum holdfast_reservation_state)hold->state),
                    hold->revision);
    }
    if (mine != told)
        finding(replay->history, "final",
                "partition %u has %zu reservations: the movements say %zu", replay->partition, told,
                mine);
}

static void check_lines(struct replay *replay)
{
    const struct history *history = replay->history;
    size_t mine = 0, told = 0;

    for (const struct model_hold *hold = replay->model->holds; hold; hold = hold->hh.next)
        mine += hold->line_count;
    for (size_t i = 0; i < history->line_count; i++) {
        const struct history_reservation_line *line = &history->lines[i];
        if (line->partition != replay->partition)
            continue;
        const struct model_hold *hold = model_hold(replay->model, line->reservation_id);
        told++;
        if (line->line >= hold->line_count ||
            hold->lines[line->line].level !=
                model_level(replay->model, line->sku, line->warehouse) ||
            !equal_lines(&hold->lines[line->line].now, &line->now))
            finding(replay->history, "final",
                    "line %u of reservation %s is not what the movements say", line->line,
                    show_reservation(line->reservation_id));
    }
    if (mine != told)
        finding(replay->history, "final", "partition %u has %zu lines: the movements say %zu",
                replay->partition, told, mine);
}

static void check_runs(struct replay *replay)
{
    const struct history *history = replay->history;
    size_t mine = 0, told = 0;

    for (const struct model_run *run = replay->model->runs; run; run = run->hh.next)
        mine += run->now.version > 0;
    for (size_t i = 0; i < history->run_count; i++) {
        const struct holdfast_run *run = &history->runs[i].run;
        if (history->runs[i].partition != replay->partition)
            continue;
        const struct model_run *kept = model_run(replay->model, run->run);
        const char *fault = kept->now.version > 0 ? run_fault(run, &kept->now) : "another run";
        told++;
        if (fault)
            finding(replay->history, "final", "run %s has what the movements do not say: %s",
                    run->run, fault);
    }
    if (mine != told)
        finding(replay->history, "final", "partition %u has %zu runs: the movements say %zu",
                replay->partition, told, mine);
}

static bool same_run_line(const struct holdfast_run_line *a, const struct holdfast_run_line *b)
{
    return a->status == b->status && a->partition == b->partition && a->sequence == b->sequence &&
           same_text(a->text, b->text) && same_text(a->sku, b->sku) &&
           same_text(a->warehouse, b->warehouse) && a->open == b->open &&
           a->counted == b->counted && a->booked == b->booked;
}

static void check_run_lines(struct replay *replay)
{
    const struct history *history = replay->history;
    size_t mine = 0, told = 0;

    for (const struct model_run *run = replay->model->runs; run; run = run->hh.next)
        mine += HASH_COUNT(run->lines);
    for (size_t i = 0; i < history->run_line_count; i++) {
        const struct end_run_line *line = &history->run_lines[i];
        const struct model_line_result *kept;
        if (line->partition != replay->partition)
            continue;
        HASH_FIND(hh, model_run(replay->model, line->run)->lines, &line->line.line,
                  sizeof line->line.line, kept);
        told++;
        if (!kept || !same_run_line(&kept->result, &line->line))
            finding(replay->history, "final", "line %u of run %s is not what was recorded of it",
                    line->line.line, line->run);
    }
    if (mine != told)
        finding(replay->history, "final",
                "partition %u has %zu lines of runs: the movements say %zu", replay->partition,
                told, mine);
}

void final_check(struct replay *replay)
{
    check_levels(replay);
    check_reservations(replay);
    check_lines(replay);
    check_runs(replay);
    check_run_lines(replay);
}

/* SPDX-License-Identifier: MIT
 *
 * How far a run has come, on stderr: a bar on a terminal, and otherwise a line now and then. And
 * its last words.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/run_engine.h"
#include "common/clock.h"

#define BAR_US 250000
#define PLAIN_US 10000000
#define BAR_WIDTH 20u

void engine_clear_bar(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

void engine_draw_soon(struct engine *engine)
{
    if (isatty(STDERR_FILENO))
        engine->tell_next_us = 1;
}

static void time_left(char *text, size_t bytes, double seconds)
{
    if (seconds < 100)
        snprintf(text, bytes, "%.0f s left", seconds);
    else if (seconds < 6000)
        snprintf(text, bytes, "%.0f min left", seconds / 60);
    else
        snprintf(text, bytes, "%.1f h left", seconds / 3600);
}

void engine_progress(struct engine *engine, bool now)
{
    bool terminal = isatty(STDERR_FILENO);
    int64_t now_us = clock_monotonic_us();
    char bar[BAR_WIDTH + 1], left[32] = "";

    if (engine->tell_next_us == 0)
        engine->tell_next_us = now_us + (terminal ? 0 : PLAIN_US);
    if (now ? !terminal : now_us < engine->tell_next_us)
        return;
    engine->tell_next_us = now_us + (terminal ? BAR_US : PLAIN_US);
    uint64_t worked = engine->applied + engine->refused + engine->failed;
    uint64_t done = worked + engine->skipped + engine->skipped_refused;
    double seconds = (double)(now_us - engine->begun_us) / 1e6;
    double rate = seconds > 0.2 ? (double)worked / seconds : 0;
    if (rate > 0 && done < engine->lines)
        time_left(left, sizeof left, (double)(engine->lines - done) / rate);
    size_t filled = engine->lines > 0 ? (size_t)(done * BAR_WIDTH / engine->lines) : BAR_WIDTH;
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', filled < BAR_WIDTH ? filled : BAR_WIDTH);
    bar[BAR_WIDTH] = '\0';
    if (terminal)
        fprintf(stderr, "\r\033[K[%s] ", bar);
    fprintf(stderr,
            "%" PRIu64 " of %" PRIu64 " lines  %.0f/s  %s%sok %" PRIu64 "  skipped %" PRIu64
            "  failed %" PRIu64 "%s",
            done, engine->lines, rate, left, *left ? "  " : "", engine->applied,
            engine->skipped + engine->skipped_refused, engine->refused + engine->failed,
            terminal ? "" : "\n");
    fflush(stderr);
}

void engine_summary(const struct engine *engine, bool json)
{
    uint64_t skipped = engine->skipped + engine->skipped_refused;
    uint64_t done = engine->applied + engine->refused + engine->failed + skipped;
    /* An undo of a run that has been completed since has more to do than it had at first. */
    uint64_t lines = engine->lines > done ? engine->lines : done;

    if (json) {
        struct json_object *object = json_object_new_object();
        json_text(object, "run", engine->run);
        json_number(object, "lines", lines);
        json_number(object, "applied", engine->applied);
        json_number(object, "skipped", skipped);
        json_number(object, "refused", engine->refused);
        json_number(object, "unknown", engine->failed);
        json_number(object, "left", lines - done);
        json_line(object);
        return;
    }
    printf("run %s: %" PRIu64 " line%s: %" PRIu64 " applied, %" PRIu64 " skipped, %" PRIu64
           " refused",
           engine->run, lines, lines == 1 ? "" : "s", engine->applied, skipped, engine->refused);
    if (engine->failed > 0)
        printf(", %" PRIu64 " unknown", engine->failed);
    if (lines > done)
        printf(", %" PRIu64 " left", lines - done);
    printf("\n");
}

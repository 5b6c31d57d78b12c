/* SPDX-License-Identifier: MIT
 *
 * See events.h.
 */
#include "console/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/holdfast_events.h"
#include "console/text.h"

#define KINDS 64
#define SIGNALS 5

/* ------------------------------------------------------------- the list */

bool event_list_init(struct event_list *list, size_t capacity)
{
    *list = (struct event_list){.capacity = capacity};
    list->lines = calloc(capacity, sizeof *list->lines);
    return list->lines != NULL;
}

void event_list_release(struct event_list *list)
{
    free(list->lines);
    *list = (struct event_list){0};
}

void event_list_renew(struct event_list *list)
{
    list->instance = list->newest = 0;
}

static void copy(char *to, size_t bytes, const char *from)
{
    snprintf(to, bytes, "%s", from ? from : "");
}

static void fill_movement(struct event_line *line, const struct holdfast_movement *m)
{
    line->sequence = m->sequence;
    line->at_us = m->at_us;
    line->movement = m->kind;
    line->on_hand_change = m->on_hand_change;
    line->reserved_change = m->reserved_change;
    line->committed_change = m->committed_change;
    line->unavailable_change = m->unavailable_change;
    line->on_hand = m->after.on_hand;
    line->available = m->after.available;
    line->undoes = m->undoes != 0;
    copy(line->sku, sizeof line->sku, m->sku);
    copy(line->warehouse, sizeof line->warehouse, m->warehouse);
    copy(line->order, sizeof line->order, m->order);
    copy(line->actor, sizeof line->actor, m->actor);
    copy(line->reason, sizeof line->reason, m->reason);
    copy(line->reference, sizeof line->reference, m->reference);
    copy(line->reservation, sizeof line->reservation, m->reservation);
    copy(line->note, sizeof line->note, m->note);
    copy(line->operation_id, sizeof line->operation_id, m->operation_id);
}

static void fill(struct event_line *line, const struct holdfast_view_event *event, int64_t wall_us)
{
    *line = (struct event_line){.number = event->number,
                                .partition = event->partition,
                                .given = event->given,
                                .resume = event->resume,
                                .signals = event->signals,
                                .at_us = wall_us,
                                .kind = event->kind == HOLDFAST_VIEW_EVENT_HISTORY_LOST
                                            ? EVENT_LINE_HISTORY_LOST
                                            : EVENT_LINE_PASSED_OVER};
    if (event->kind == HOLDFAST_VIEW_EVENT_MOVEMENT && event->movement) {
        line->kind = EVENT_LINE_MOVEMENT;
        fill_movement(line, event->movement);
    }
}

/* Room for so many lines at the head. */
static void shift(struct event_list *list, size_t lines)
{
    size_t kept = list->count < list->capacity - lines ? list->count : list->capacity - lines;

    memmove(list->lines + lines, list->lines, kept * sizeof *list->lines);
    list->count = kept + lines;
}

size_t event_list_take(struct event_list *list, const struct holdfast_view_events *events,
                       int64_t wall_us)
{
    bool anew = events->anew, follows = list->newest != 0;
    size_t taken = events->count < list->capacity ? events->count : list->capacity;
    bool late = follows && !anew && events->oldest > list->newest + 1;
    bool more = follows && !anew && (events->more || taken < events->count);
    size_t lines = taken;

    list->begun_anew = anew && list->instance != 0 && list->instance != events->instance;
    if (anew)
        list->count = 0;
    if ((late || more) && lines < list->capacity)
        lines++;
    shift(list, lines);
    for (size_t i = 0; i < taken; i++)
        fill(&list->lines[i], &events->list[i], wall_us);
    if (lines > taken)
        list->lines[taken] = (struct event_line){.kind = more ? EVENT_LINE_MORE : EVENT_LINE_LATE,
                                                 .given = list->newest,
                                                 .resume = events->oldest,
                                                 .at_us = wall_us};
    list->instance = events->instance;
    list->newest = events->newest;
    list->since_us = events->since_us;
    return lines;
}

int event_list_find(const struct event_list *list, uint32_t partition, uint64_t sequence)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct event_line *line = &list->lines[i];
        if (line->kind == EVENT_LINE_MOVEMENT && line->sequence == sequence &&
            line->partition == partition)
            return (int)i;
    }
    return -1;
}

/* ------------------------------------------------------------- the filter */

static bool add_kinds(struct event_filter *filter, const char *word)
{
    bool found = false;

    for (int i = 1; i < KINDS; i++) {
        const char *name = holdfast_movement_name(i);
        if (strcmp(name, "none") == 0)
            break;
        if (text_contains(name, word)) {
            filter->kinds |= UINT64_C(1) << i;
            found = true;
        }
    }
    for (int i = 0; i < SIGNALS; i++) {
        if (text_contains(holdfast_signal_name(1u << i), word)) {
            filter->signals |= 1u << i;
            found = true;
        }
    }
    return found;
}

static bool add_word(struct event_filter *filter, const char *word)
{
    static const struct {
        const char *prefix;
        enum holdfast_event_column column;
    } columns[] = {{"sku:", HOLDFAST_EVENT_SKU},
                   {"at:", HOLDFAST_EVENT_WAREHOUSE},
                   {"order:", HOLDFAST_EVENT_ORDER},
                   {"by:", HOLDFAST_EVENT_ACTOR},
                   {"why:", HOLDFAST_EVENT_WHY}};
    enum holdfast_event_column column = HOLDFAST_EVENT_ANY;

    if (strncmp(word, "is:", 3) == 0) {
        if (word[3] == '\0' || add_kinds(filter, word + 3))
            return true;
        snprintf(filter->fault, sizeof filter->fault, "no event is a \"%.40s\"", word + 3);
        return false;
    }
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        size_t length = strlen(columns[i].prefix);
        if (strncmp(word, columns[i].prefix, length) == 0) {
            column = columns[i].column;
            word += length;
            break;
        }
    }
    if (word[0] == '\0') /* it is being typed */
        return true;
    if (filter->count == HOLDFAST_EVENT_MATCHES_MAX) {
        snprintf(filter->fault, sizeof filter->fault, "at most %d words",
                 HOLDFAST_EVENT_MATCHES_MAX);
        return false;
    }
    snprintf(filter->words[filter->count], sizeof filter->words[0], "%s", word);
    filter->matches[filter->count] =
        (struct holdfast_event_match){.column = column, .text = filter->words[filter->count]};
    filter->count++;
    return true;
}

bool event_filter_parse(struct event_filter *filter, const char *text)
{
    char word[EVENT_FILTER_TEXT];

    *filter = (struct event_filter){0};
    while (*text) {
        size_t length = strcspn(text, " ");
        snprintf(word, sizeof word, "%.*s", (int)length, text);
        if (length > 0 && !add_word(filter, word))
            return false;
        text += length + (text[length] == ' ');
    }
    return true;
}

void event_filter_ask(const struct event_filter *filter, struct holdfast_view_query *query)
{
    query->matches = filter->matches;
    query->match_count = filter->count;
    query->movement_kinds = filter->kinds;
    query->signals = filter->signals;
}

/* ------------------------------------------------------------- words */

const char *event_change(const struct event_line *line, char text[64])
{
    const struct {
        int32_t change;
        const char *name;
    } all[] = {{line->on_hand_change, ""},
               {line->reserved_change, "r"},
               {line->committed_change, "c"},
               {line->unavailable_change, "a"}};
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < 4; i++) {
        if (all[i].change)
            used += (size_t)snprintf(text + used, 64 - used, "%s%+d%s", used ? " " : "",
                                     all[i].change, all[i].name);
    }
    return text;
}

const char *event_signals(unsigned signals, char text[64])
{
    snprintf(text, 64, "%s%s%s",
             signals & HOLDFAST_SIGNAL_OUT_OF_STOCK        ? "OUT! "
             : signals & HOLDFAST_SIGNAL_OUT_OF_STOCK_HERE ? "OUT HERE! "
                                                           : "",
             signals & HOLDFAST_SIGNAL_LOW_STOCK        ? "LOW! "
             : signals & HOLDFAST_SIGNAL_LOW_STOCK_HERE ? "LOW HERE! "
                                                        : "",
             signals & HOLDFAST_SIGNAL_SHORTFALL ? "SHORT! " : "");
    return text;
}

void event_who(const struct event_line *line, char *text, size_t bytes)
{
    const char *parts[] = {line->actor,
                           line->reason,
                           line->order,
                           line->reference,
                           line->reservation,
                           line->note,
                           line->undoes ? "(undoes)" : ""};
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && used < bytes; i++) {
        if (parts[i][0])
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? " " : "", parts[i]);
    }
}

void event_gap(const struct event_line *line, char *text, size_t bytes)
{
    switch (line->kind) {
    case EVENT_LINE_HISTORY_LOST:
        snprintf(text, bytes,
                 "!! HISTORY LOST in partition %u: some of what was told up to %llu never happened",
                 line->partition, (unsigned long long)line->given);
        return;
    case EVENT_LINE_PASSED_OVER:
        snprintf(text, bytes,
                 "!! partition %u: %llu to %llu were passed over; holdfast history has them",
                 line->partition, (unsigned long long)line->given + 1,
                 (unsigned long long)line->resume);
        return;
    case EVENT_LINE_MORE:
        snprintf(text, bytes, "-- more came at once than fit here: those between are left out");
        return;
    case EVENT_LINE_LATE:
        snprintf(text, bytes,
                 "-- what came between is gone from the view; holdfast history has it");
        return;
    case EVENT_LINE_MOVEMENT:
        break;
    }
    text[0] = '\0';
}

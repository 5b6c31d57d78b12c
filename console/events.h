/* SPDX-License-Identifier: MIT
 *
 * What happened lately, as lines: a list of bounded length, filled from the answers of a view, and
 * the filter that one types. Pure.
 */
#ifndef CONSOLE_EVENTS_H
#define CONSOLE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/holdfast_view.h"

#define EVENT_CODE_TEXT 65
#define EVENT_NOTE_TEXT 256
#define EVENT_FILTER_TEXT 257

enum event_line_kind {
    EVENT_LINE_MOVEMENT,
    EVENT_LINE_PASSED_OVER,  /* the view began the partition anew: given to resume are not told */
    EVENT_LINE_HISTORY_LOST, /* a database lost its tail: some, up to given, never happened */
    EVENT_LINE_MORE,         /* older ones were more than the list takes at once */
    EVENT_LINE_LATE          /* the view had forgotten them before this console asked */
};

struct event_line {
    enum event_line_kind kind;
    uint64_t number, sequence, given, resume;
    uint32_t partition;
    int64_t at_us; /* when it happened; of lines that are no movement: when they were heard */
    int movement;  /* MovementKind */
    unsigned signals;
    int32_t on_hand_change, reserved_change, committed_change, unavailable_change;
    uint32_t on_hand, available;
    char sku[EVENT_CODE_TEXT], warehouse[EVENT_CODE_TEXT], order[EVENT_CODE_TEXT];
    char actor[EVENT_CODE_TEXT], reason[EVENT_CODE_TEXT], reference[EVENT_CODE_TEXT];
    char reservation[EVENT_CODE_TEXT], operation_id[37], note[EVENT_NOTE_TEXT];
    bool undoes;
};

struct event_list {
    struct event_line *lines; /* the newest first */
    size_t capacity, count;
    uint64_t instance, newest; /* to go on from; 0: never told */
    int64_t since_us;          /* the view has everything since then */
    bool begun_anew;           /* it was being told by another view before */
};

/* False without memory. */
bool event_list_init(struct event_list *list, size_t capacity);
void event_list_release(struct event_list *list);
/* Another question is asked: its answer takes the place of everything. */
void event_list_renew(struct event_list *list);
/* Puts what is new above the rest; the oldest make room. Returns how many lines were put there.
 * begun_anew is set when the list was emptied before that. */
size_t event_list_take(struct event_list *list, const struct holdfast_view_events *events,
                       int64_t wall_us);
/* The line of a movement, or -1. */
int event_list_find(const struct event_list *list, uint32_t partition, uint64_t sequence);

/* Words that must all apply: "text", "sku:text", "at:warehouse", "order:text", "by:actor",
 * "why:text"; of "is:kind" words one must apply, and one of "is:signal" words. */
struct event_filter {
    struct holdfast_event_match matches[HOLDFAST_EVENT_MATCHES_MAX];
    char words[HOLDFAST_EVENT_MATCHES_MAX][EVENT_FILTER_TEXT];
    size_t count;
    uint64_t kinds;
    unsigned signals;
    char fault[96]; /* "": none */
};

/* False with the reason in fault: a word cannot be meant. The matches point into the filter. */
bool event_filter_parse(struct event_filter *filter, const char *text);
/* Fills the parts of a query that the filter decides; it borrows from the filter. */
void event_filter_ask(const struct event_filter *filter, struct holdfast_view_query *query);

/* "-3", "+4r", …: what changed; "" when nothing did. Returns text. */
const char *event_change(const struct event_line *line, char text[64]);
/* "LOW! ", "OUT! SHORT! ", … in words; "" when it brought nothing about. Returns text. */
const char *event_signals(unsigned signals, char text[64]);
/* Who, why, order and reference, as they are there, with blanks between. */
void event_who(const struct event_line *line, char *text, size_t bytes);
/* Of a line that is no movement: what it means, in words. */
void event_gap(const struct event_line *line, char *text, size_t bytes);

#endif

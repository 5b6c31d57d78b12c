/* SPDX-License-Identifier: MIT
 *
 * The newest movements, a bounded number of them: what people watch. Numbered from 1 in the order
 * in which this view took them; the oldest ones make room. Pure: no clock, no messages.
 */
#ifndef VIEW_RECENT_H
#define VIEW_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum recent_kind { /* values of ViewEventKind */
                   RECENT_MOVEMENT,
                   RECENT_PASSED_OVER,  /* sequence: the last before; resume: where it went on */
                   RECENT_HISTORY_LOST, /* sequence: the last that was told */
};

enum recent_text {
    RECENT_SKU,
    RECENT_WAREHOUSE,
    RECENT_RESERVATION,
    RECENT_ORDER,
    RECENT_REASON,
    RECENT_REFERENCE,
    RECENT_NOTE,
    RECENT_ACTOR,
    RECENT_TEXTS
};

struct recent_row {
    uint64_t number; /* set by recent_add */
    uint64_t sequence, undoes, resume;
    int64_t at_us; /* 0: not told */
    int32_t on_hand_change, reserved_change, committed_change, unavailable_change;
    uint32_t on_hand, reserved, committed, unavailable, safety_stock, shortfall, available;
    uint32_t partition, index, bytes; /* bytes: of the row with its texts; set by recent_add */
    uint8_t operation_id[16];
    uint8_t kind;          /* enum recent_kind */
    uint8_t movement_kind; /* MovementKind */
    uint8_t state;         /* ReservationState */
    bool has_level;        /* the balances are told */
    uint8_t signals;       /* bit n − 1: Signal n */
    uint8_t lengths[RECENT_TEXTS];
    char texts[]; /* one after another */
};

struct recent_part { /* a text on its way in */
    const void *bytes;
    size_t length;
};

struct recent;

/* rows: at most so many are kept, and in at most so many bytes. Ends the process without memory. */
struct recent *recent_new(uint32_t rows, uint32_t bytes);
void recent_destroy(struct recent **recent);
/* Copies all of it. A text of more than 255 bytes is cut, at a character. */
void recent_add(struct recent *recent, const struct recent_row *row,
                const struct recent_part texts[RECENT_TEXTS]);
/* Numbers of those that are kept; both 0: none was ever added. */
uint64_t recent_oldest(const struct recent *recent);
uint64_t recent_newest(const struct recent *recent);
/* number: between these two. Valid until the next recent_add. */
const struct recent_row *recent_at(const struct recent *recent, uint64_t number);
const char *recent_text_of(const struct recent_row *row, enum recent_text text, size_t *length);
/* Whether needle is in that text; the case of A to Z does not matter, needle has none of them. */
bool recent_contains(const struct recent_row *row, enum recent_text text, const char *needle,
                     size_t length);
size_t recent_bytes(const struct recent *recent);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Text on a screen: UTF-8, how many cells it takes, numbers, sparklines. Pure; widths are those of
 * the C library's locale.
 */
#ifndef CONSOLE_TEXT_H
#define CONSOLE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that a sequence with this first byte has; 1 for what begins none. */
size_t text_sequence_bytes(unsigned char first);
/* The code point at the start, U+FFFD for bytes that are none. Returns the bytes it took, 0 at the
 * end. */
size_t text_decode(const char *text, size_t bytes, uint32_t *point);
/* Bytes written, at most 4. */
size_t text_encode(uint32_t point, char bytes[4]);

/* Cells of a code point: 0 (combining), 1 or 2. Control characters and what the locale does not
 * know take 1, as '?' stands for them. */
int text_point_width(uint32_t point);
/* Cells of a text. */
size_t text_width(const char *text);
/* The bytes of the longest beginning that fits into so many cells, never cutting a character. */
size_t text_fit(const char *text, size_t cells);

/* The same, ending with a word where one ends; 0 only when not even one character fits. */
size_t text_fit_words(const char *text, int cells);
/* Where to begin, so that what is before the caret has at most so many cells; *before: how many. */
const char *text_before(const char *text, size_t caret, int cells, int *before);

/* 48213 as "48,213"; buffer of TEXT_NUMBER bytes. */
#define TEXT_NUMBER 32
const char *text_number(int64_t number, char buffer[TEXT_NUMBER]);
/* Seconds as "00:00:41", above a day as "3d 04:05". */
const char *text_countdown(int64_t seconds, char buffer[TEXT_NUMBER]);
/* Local time, "14:07:30". */
const char *text_clock(int64_t wall_us, char buffer[TEXT_NUMBER]);

/* RFC 3339 in UTC with milliseconds, "2026-11-26T14:07:30.123Z"; buffer of TEXT_TIME bytes. */
#define TEXT_TIME 32
const char *text_time(int64_t wall_us, char buffer[TEXT_TIME]);

/* One character a sample, the newest last, from the lowest to the highest of them. Ramps of eight
 * characters (UTF-8) or of five (ASCII). A sample below 0 is unknown: a blank. */
void text_sparkline(const int64_t *samples, size_t count, bool ascii, char *out, size_t out_bytes);

/* Whether needle is in text; the case of A to Z does not matter. An empty needle is. */
bool text_contains(const char *text, const char *needle);

#endif

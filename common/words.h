/* SPDX-License-Identifier: MIT
 *
 * Finding the word that somebody meant. Pure.
 */
#ifndef COMMON_WORDS_H
#define COMMON_WORDS_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap of neighbours) that make one word of the other; at most
 * WORD_DISTANCE_MAX, also when either is longer than WORD_BYTES_MAX. */
#define WORD_BYTES_MAX 63
#define WORD_DISTANCE_MAX 64
unsigned word_distance(const char *a, const char *b);

/* Keeps the nearest of the words that it is shown. Start with *best NULL. Another case of all
 * letters is one edit; a word further away than half of what was typed is never near. */
void word_nearest(const char *typed, const char *candidate, const char **best, unsigned *distance);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What keys do to rows one below the other, the same in every view. Pure: which row is selected,
 * and what that means, is the view's.
 */
#ifndef CONSOLE_LIST_H
#define CONSOLE_LIST_H

#include <stdbool.h>

#include "console/key.h"

/* 1: a row down, -1: a row up, by arrows, letters or the wheel; 0: the key is none of these. */
int list_step(const struct key *key);

/* Moves the selection among count rows by a step, or to either end. *row is -1 when none is
 * selected, and 0 to count - 1 afterwards (0 without rows). False, and nothing moved: the key is
 * none of these. */
bool list_move(const struct key *key, int count, int *row);

#endif

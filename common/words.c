/* SPDX-License-Identifier: MIT
 *
 * Edit distance with swaps (optimal string alignment) over three rows; see words.h.
 */
#include <string.h>
#include <strings.h>
#include "common/words.h"

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

unsigned word_distance(const char *a, const char *b)
{
    size_t a_bytes = strlen(a), b_bytes = strlen(b);
    unsigned rows[3][WORD_BYTES_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    if (a_bytes > WORD_BYTES_MAX || b_bytes > WORD_BYTES_MAX)
        return WORD_DISTANCE_MAX;
    for (size_t j = 0; j <= b_bytes; j++)
        before[j] = last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_bytes; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_bytes; j++) {
            unsigned replace = last[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = least(now[j - 1] + 1, last[j] + 1, replace);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_bytes];
}

void word_nearest(const char *typed, const char *candidate, const char **best, unsigned *distance)
{
    unsigned d = word_distance(typed, candidate);
    if (d > 1 && strcasecmp(typed, candidate) == 0)
        d = 1;
    if (d > (strlen(typed) + 1) / 2)
        return;
    if (*best == NULL || d < *distance) {
        *best = candidate;
        *distance = d;
    }
}

/* SPDX-License-Identifier: MIT
 *
 * See list.h.
 */
#include "console/list.h"

int list_step(const struct key *key)
{
    switch (key->code) {
    case K_DOWN:
    case K_WHEEL_DOWN:
    case 'j':
        return 1;
    case K_UP:
    case K_WHEEL_UP:
    case 'k':
        return -1;
    default:
        return 0;
    }
}

bool list_move(const struct key *key, int count, int *row)
{
    int step = list_step(key), to = *row + step;

    if (key->code == K_HOME || key->code == 'g')
        to = 0;
    else if (key->code == K_END)
        to = count - 1;
    else if (!step)
        return false;
    to = to >= count ? count - 1 : to;
    *row = to < 0 ? 0 : to;
    return true;
}

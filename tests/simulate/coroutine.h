/* SPDX-License-Identifier: MIT
 *
 * Switching stacks. Used by kernel.c alone.
 */
#ifndef TESTS_SIMULATE_COROUTINE_H
#define TESTS_SIMULATE_COROUTINE_H

#include <stddef.h>

#include "tests/simulate/sim.h"

struct coroutine {
    void *stack; /* kept for the next that is made here */
    void *inside, *outside;
    void (*body)(void *argument);
    void *argument;
};

/* body(argument) will run at the first coroutine_enter; it must never return. */
void coroutine_make(struct coroutine *coroutine, void (*body)(void *argument), void *argument);
/* From outside: runs it until it leaves. */
void coroutine_enter(struct coroutine *coroutine);
/* From inside: back to where it was entered. One that is left for good needs nothing more. */
void coroutine_leave(struct coroutine *coroutine);

#endif

/* SPDX-License-Identifier: MIT
 *
 * malloc for the simulation: every simulated process has a heap of its own, so that a process that
 * is killed in the middle of anything leaves nothing behind, and a million seeds need no more
 * memory than one. Replaces malloc, calloc, realloc and free of the whole program, libraries too.
 *
 * A heap is a fixed range of addresses with free lists by size. Memory that was never used since
 * the heap was emptied is zero, so what a seed reads does not depend on the seeds before it.
 *
 * With AddressSanitizer malloc is the sanitizer's, heaps are empty words, and what dies leaks.
 */
#ifndef TESTS_SIMULATE_HEAP_H
#define TESTS_SIMULATE_HEAP_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#    define SIM_HEAPS 0
#else
#    define SIM_HEAPS 1
#endif

struct sim_heap;

/* The program's own: never emptied. Current at the start. */
struct sim_heap *sim_heap_program(void);
/* The world's: lives for one seed. */
struct sim_heap *sim_heap_world(void);
/* Of the index-th process. */
struct sim_heap *sim_heap_of(unsigned index);

/* Where malloc takes from now on; returns where it took from. */
struct sim_heap *sim_heap_use(struct sim_heap *heap);
/* Everything in it is gone. */
void sim_heap_empty(struct sim_heap *heap);
/* Bytes that it took from its range; 0 under AddressSanitizer. */
size_t sim_heap_bytes(const struct sim_heap *heap);

#endif

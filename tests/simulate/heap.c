/* SPDX-License-Identifier: MIT
 *
 * See heap.h.
 */
#include "tests/simulate/heap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/simulate/sim.h"

#define HEAPS (SIM_PROCESSES_MAX + 2u)

#if SIM_HEAPS

/* The same addresses in every run. */
#    define BASE ((char *)0x300000000000)
#    define HEAP_BYTES ((size_t)256 << 20)
#    define ALIGN 16u
#    define SMALL_MAX 1024u /* classes in steps of 16 up to here, then four to each doubling */
#    define SMALL_CLASSES (SMALL_MAX / ALIGN)
#    define CLASSES (SMALL_CLASSES + 4u * 18u)

/* Before each block. */
struct block {
    uint32_t heap;
    uint16_t class;
    uint16_t offset; /* to the true start, in units of ALIGN: of an aligned block */
    uint64_t bytes;  /* that can be used */
};

struct sim_heap {
    uint32_t index;
    char *start, *next, *end;
    void *free[CLASSES];
};

static struct sim_heap heaps[HEAPS];
static struct sim_heap *current;
static bool ready;

static _Noreturn void die(const char *why)
{
    (void)!write(STDERR_FILENO, why, strlen(why));
    abort();
}

static void prepare(void)
{
    void *at = mmap(BASE, HEAP_BYTES * HEAPS, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

    if (at != BASE)
        die("simulate: no room for the heaps\n");
    for (uint32_t i = 0; i < HEAPS; i++) {
        heaps[i].index = i;
        heaps[i].start = heaps[i].next = BASE + HEAP_BYTES * i;
        heaps[i].end = heaps[i].start + HEAP_BYTES;
    }
    current = &heaps[0];
    ready = true;
}

/* The class for so many bytes, and how many bytes blocks of that class have. */
static unsigned class_of(size_t bytes, size_t *size)
{
    if (bytes <= SMALL_MAX) {
        unsigned class = bytes == 0 ? 0 : (unsigned)((bytes - 1) / ALIGN);
        *size = (class + 1u) * ALIGN;
        return class;
    }
    unsigned log = 63u - (unsigned)__builtin_clzll(bytes - 1); /* 2^log < bytes <= 2^(log+1) */
    size_t step = (size_t)1 << (log - 2);
    unsigned quarter = (unsigned)((bytes - 1 - ((size_t)1 << log)) / step);
    *size = ((size_t)1 << log) + (quarter + 1u) * step;
    return SMALL_CLASSES + (log - 10u) * 4u + quarter;
}

/* *zeroed: the block is all zero already. */
static void *take(size_t bytes, bool *zeroed)
{
    size_t size;

    if (!ready)
        prepare();
    if (bytes > HEAP_BYTES / 2)
        return NULL;
    unsigned class = class_of(bytes, &size);
    struct sim_heap *heap = current;
    char *at = heap->free[class];
    *zeroed = at == NULL;
    if (at) {
        memcpy(&heap->free[class], at, sizeof(void *));
        return at;
    }
    if ((size_t)(heap->end - heap->next) < size + sizeof(struct block))
        die("simulate: a simulated process has used up its memory\n");
    struct block *block = (void *)heap->next;
    heap->next += sizeof *block + size;
    *block = (struct block){.heap = heap->index, .class = (uint16_t) class, .bytes = size};
    return block + 1;
}

static struct block *block_of(void *at)
{
    if ((char *)at < BASE || (char *)at >= BASE + HEAP_BYTES * HEAPS)
        die("simulate: memory that is not of any heap\n");
    return (struct block *)at - 1;
}

void *malloc(size_t bytes)
{
    bool zeroed;
    void *at = take(bytes, &zeroed);

    if (!at)
        errno = ENOMEM;
    return at;
}

void free(void *at)
{
    if (!at)
        return;
    struct block *block = block_of(at);
    if (block->offset > 0) {
        block -= block->offset;
        at = block + 1;
    }
    struct sim_heap *heap = &heaps[block->heap];
    memcpy(at, &heap->free[block->class], sizeof(void *));
    heap->free[block->class] = at;
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    bool zeroed;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *at = take(bytes, &zeroed);
    if (at && !zeroed)
        memset(at, 0, bytes);
    return at;
}

/* What grows stays in the heap that it is in. */
void *realloc(void *at, size_t bytes)
{
    if (!at)
        return malloc(bytes);
    struct block *block = block_of(at);
    if (bytes <= block->bytes)
        return at;
    struct sim_heap *back = current;
    current = &heaps[block->heap];
    void *grown = malloc(bytes);
    current = back;
    if (!grown)
        return NULL;
    memcpy(grown, at, block->bytes);
    free(at);
    return grown;
}

void *aligned_alloc(size_t align, size_t bytes)
{
    if (align <= ALIGN)
        return malloc(bytes);
    char *at = malloc(bytes + align);
    if (!at)
        return NULL;
    size_t over = (uintptr_t)at % align;
    if (over == 0)
        return at;
    struct block *real = block_of(at), *block;
    at += align - over;
    block = block_of(at);
    *block = *real;
    block->offset = (uint16_t)(block - real);
    block->bytes = bytes;
    return at;
}

void *memalign(size_t align, size_t bytes);
void *memalign(size_t align, size_t bytes)
{
    return aligned_alloc(align, bytes);
}

int posix_memalign(void **at, size_t align, size_t bytes)
{
    void *got = aligned_alloc(align, bytes);

    if (!got)
        return ENOMEM;
    *at = got;
    return 0;
}

size_t malloc_usable_size(void *at);
size_t malloc_usable_size(void *at)
{
    return at ? (size_t)block_of(at)->bytes : 0;
}

struct sim_heap *sim_heap_use(struct sim_heap *heap)
{
    if (!ready)
        prepare();
    struct sim_heap *back = current;
    current = heap;
    return back;
}

void sim_heap_empty(struct sim_heap *heap)
{
    if (!ready)
        prepare();
    memset(heap->start, 0, (size_t)(heap->next - heap->start));
    memset(heap->free, 0, sizeof heap->free);
    heap->next = heap->start;
}

size_t sim_heap_bytes(const struct sim_heap *heap)
{
    return (size_t)(heap->next - heap->start);
}

#else

struct sim_heap {
    char unused;
};

static struct sim_heap heaps[HEAPS];
static struct sim_heap *current = &heaps[0];

struct sim_heap *sim_heap_use(struct sim_heap *heap)
{
    struct sim_heap *back = current;

    current = heap;
    return back;
}

void sim_heap_empty(struct sim_heap *heap)
{
    (void)heap;
}

size_t sim_heap_bytes(const struct sim_heap *heap)
{
    (void)heap;
    return 0;
}

#endif

struct sim_heap *sim_heap_program(void)
{
    return &heaps[0];
}

struct sim_heap *sim_heap_world(void)
{
    return &heaps[1];
}

struct sim_heap *sim_heap_of(unsigned index)
{
    return &heaps[index + 2];
}

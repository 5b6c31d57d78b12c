/* SPDX-License-Identifier: MIT
 *
 * Stacks by mmap with a guard page, kept for the whole run. On x86-64 a switch is a dozen
 * instructions; elsewhere it is swapcontext, which is right and slower.
 */
#include "tests/simulate/coroutine.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STACK_BYTES ((size_t)512 * 1024)
#define GUARD_BYTES ((size_t)4096)

#if defined(__SANITIZE_ADDRESS__)
#    include <sanitizer/asan_interface.h>
#    include <sanitizer/common_interface_defs.h>
#endif

static void *stack_new(void)
{
    char *stack = mmap(NULL, STACK_BYTES + GUARD_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

    if (stack == MAP_FAILED || mprotect(stack, GUARD_BYTES, PROT_NONE) != 0)
        abort();
    return stack + GUARD_BYTES;
}

/* What the sanitizer must be told about a switch of stacks. */
#if defined(__SANITIZE_ADDRESS__)
static void *outside_fake;
static const void *outside_stack;
static size_t outside_bytes;

static void going_in(const struct coroutine *coroutine)
{
    __sanitizer_start_switch_fiber(&outside_fake, coroutine->stack, STACK_BYTES);
}

/* Whoever had the stack before may have been killed with its frames on it. */
static void stack_again(const struct coroutine *coroutine)
{
    __asan_unpoison_memory_region(coroutine->stack, STACK_BYTES);
}

static void came_in(void)
{
    __sanitizer_finish_switch_fiber(NULL, &outside_stack, &outside_bytes);
}

static void going_out(void)
{
    __sanitizer_start_switch_fiber(NULL, outside_stack, outside_bytes);
}

static void came_out(void)
{
    __sanitizer_finish_switch_fiber(outside_fake, NULL, NULL);
}
#else
static void going_in(const struct coroutine *coroutine)
{
    (void)coroutine;
}

static void stack_again(const struct coroutine *coroutine)
{
    (void)coroutine;
}

static void came_in(void)
{
}

static void going_out(void)
{
}

static void came_out(void)
{
}
#endif

static _Noreturn void start(struct coroutine *coroutine)
{
    came_in();
    coroutine->body(coroutine->argument);
    abort();
}

#if defined(__x86_64__)

/* Saves the registers that a call keeps and the stack pointer; goes on with the other's. */
void coroutine_switch(void **save, void *load);
__asm__(".text\n"
        ".type coroutine_switch,@function\n"
        "coroutine_switch:\n"
        "  pushq %rbp\n"
        "  pushq %rbx\n"
        "  pushq %r12\n"
        "  pushq %r13\n"
        "  pushq %r14\n"
        "  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n"
        "  popq %r14\n"
        "  popq %r13\n"
        "  popq %r12\n"
        "  popq %rbx\n"
        "  popq %rbp\n"
        "  ret\n"
        ".size coroutine_switch,.-coroutine_switch\n");

/* First thing on a new stack: what to start is in the registers that were loaded. */
void coroutine_first(void);
__asm__(".text\n"
        ".type coroutine_first,@function\n"
        "coroutine_first:\n"
        "  movq %r12, %rdi\n"
        "  xorl %ebp, %ebp\n"
        "  callq *%r13\n"
        "  ud2\n"
        ".size coroutine_first,.-coroutine_first\n");

void coroutine_make(struct coroutine *coroutine, void (*body)(void *argument), void *argument)
{
    if (!coroutine->stack)
        coroutine->stack = stack_new();
    stack_again(coroutine);
    coroutine->body = body;
    coroutine->argument = argument;
    uintptr_t *top = (uintptr_t *)(void *)((char *)coroutine->stack + STACK_BYTES);
    top -= 2;                            /* the stack is aligned when ret has been */
    *--top = (uintptr_t)coroutine_first; /* where ret goes */
    *--top = 0;                          /* rbp */
    *--top = 0;                          /* rbx */
    *--top = (uintptr_t)coroutine;       /* r12 */
    *--top = (uintptr_t)start;           /* r13 */
    *--top = 0;                          /* r14 */
    *--top = 0;                          /* r15 */
    coroutine->inside = top;
}

void coroutine_enter(struct coroutine *coroutine)
{
    going_in(coroutine);
    coroutine_switch(&coroutine->outside, coroutine->inside);
    came_out();
}

void coroutine_leave(struct coroutine *coroutine)
{
    going_out();
    coroutine_switch(&coroutine->inside, coroutine->outside);
    came_in();
}

#else

#    include <ucontext.h>

struct contexts {
    ucontext_t inside, outside;
};

static void start_here(unsigned high, unsigned low)
{
    start((struct coroutine *)(((uintptr_t)high << 32) | low));
}

void coroutine_make(struct coroutine *coroutine, void (*body)(void *argument), void *argument)
{
    if (!coroutine->stack)
        coroutine->stack = stack_new();
    stack_again(coroutine);
    coroutine->body = body;
    coroutine->argument = argument;
    /* The contexts live at the end of the stack. */
    struct contexts *contexts =
        (struct contexts *)(void *)((char *)coroutine->stack + STACK_BYTES - 8192);
    getcontext(&contexts->inside);
    contexts->inside.uc_stack.ss_sp = coroutine->stack;
    contexts->inside.uc_stack.ss_size = STACK_BYTES - 8192;
    contexts->inside.uc_link = NULL;
    coroutine->inside = contexts;
    makecontext(&contexts->inside, (void (*)(void))start_here, 2,
                (unsigned)((uintptr_t)coroutine >> 32), (unsigned)(uintptr_t)coroutine);
}

void coroutine_enter(struct coroutine *coroutine)
{
    struct contexts *contexts = coroutine->inside;

    going_in(coroutine);
    swapcontext(&contexts->outside, &contexts->inside);
    came_out();
}

void coroutine_leave(struct coroutine *coroutine)
{
    struct contexts *contexts = coroutine->inside;

    going_out();
    swapcontext(&contexts->inside, &contexts->outside);
    came_in();
}

#endif

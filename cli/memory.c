/* SPDX-License-Identifier: MIT
 *
 * See memory.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/command.h"
#include "cli/memory.h"

static void *or_exit(void *memory)
{
    if (memory == NULL) {
        complain(NULL, "out of memory");
        exit(EX_OSERR);
    }
    return memory;
}

void *memory_grow(void *old, size_t count, size_t item_bytes)
{
    return or_exit(reallocarray(old, count > 0 ? count : 1, item_bytes));
}

char *memory_copy(const char *text)
{
    return or_exit(strdup(text));
}

char *memory_vprintf(const char *format, va_list arguments)
{
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    return or_exit(text);
}

char *memory_printf(const char *format, ...)
{
    va_list arguments;
    char *text;
    va_start(arguments, format);
    text = memory_vprintf(format, arguments);
    va_end(arguments);
    return text;
}

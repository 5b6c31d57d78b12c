/* SPDX-License-Identifier: MIT
 *
 * Memory for a process that lives as long as one command. Running out of it ends the process with
 * EX_OSERR; nothing here returns NULL.
 */
#ifndef CLI_MEMORY_H
#define CLI_MEMORY_H

#include <stdarg.h>
#include <stddef.h>

/* As realloc, for count items of item_bytes. */
void *memory_grow(void *old, size_t count, size_t item_bytes);
char *memory_copy(const char *text);
char *memory_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *memory_vprintf(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

#endif

/* SPDX-License-Identifier: MIT
 *
 * The assertions of the unit tests' worlds, for a fuzzer: what is wrong ends the process, with the
 * line that says so.
 */
#ifndef TESTS_FUZZ_ASSERTS_H
#define TESTS_FUZZ_ASSERTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEDGER_WORLD_ASSERTS 1
#define CLIENT_WORLD_ASSERTS 1

#define fuzz_assert(value, text)                                                                   \
    do {                                                                                           \
        if (!(value)) {                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, text);                              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#define assert_true(value) fuzz_assert(value, #value)
#define assert_false(value) fuzz_assert(!(value), "not " #value)
#define assert_null(value) fuzz_assert(!(value), #value " is NULL")
#define assert_non_null(value) fuzz_assert(value, #value " is not NULL")
#define assert_int_equal(a, b) fuzz_assert((a) == (b), #a " == " #b)
#define assert_ptr_not_equal(a, b) fuzz_assert((a) != (b), #a " != " #b)
#define assert_memory_equal(a, b, bytes) fuzz_assert(memcmp(a, b, bytes) == 0, #a " == " #b)
#define assert_string_equal(a, b) fuzz_assert(strcmp(a, b) == 0, #a " == " #b)

#endif

/* SPDX-License-Identifier: MIT
 *
 * protocol/wire.c: the fields of a packed message as protobuf-c writes them, and any bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/holdfast.pb-c.h"
#include "protocol/wire.h"

static void test_fields(void **state)
{
    (void)state;
    Hf__Movement m = HF__MOVEMENT__INIT;
    struct wire_reader reader;
    struct wire_field field;
    uint8_t packed[256];

    m.partition = 65535;
    m.sequence = UINT64_MAX;
    m.at_us = -2;
    m.sku = (ProtobufCBinaryData){3, (uint8_t *)(uintptr_t) "abc"};
    m.trace = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t) "t"};
    wire_begin(&reader, packed, hf__movement__pack(&m, packed));
    assert_true(wire_next(&reader, &field));
    assert_int_equal(field.number, 1);
    assert_int_equal(field.value, 65535);
    assert_null(field.bytes);
    assert_true(wire_next(&reader, &field));
    assert_true(field.number == 2 && field.value == UINT64_MAX);
    assert_true(wire_next(&reader, &field));
    assert_true(field.number == 6 && (int64_t)field.value == -2);
    assert_true(wire_next(&reader, &field));
    assert_true(field.number == 7 && field.length == 3 && memcmp(field.bytes, "abc", 3) == 0);
    assert_true(wire_next(&reader, &field));
    assert_true(field.number == 25 && field.length == 1);
    assert_false(wire_next(&reader, &field));
    assert_false(reader.broken);
}

/* What is written behind a message is of it, and of two fields the last one counts. */
static void test_more_behind(void **state)
{
    (void)state;
    Hf__Movement m = HF__MOVEMENT__INIT;
    uint8_t packed[256];

    m.partition = 7;
    m.sequence = 300;
    size_t bytes = hf__movement__pack(&m, packed);
    bytes += wire_uint(packed + bytes, 1, 12345);
    bytes += wire_bytes(packed + bytes, 24, (const uint8_t *)"0123456789abcdef", 16);
    Hf__Movement *read = hf__movement__unpack(NULL, bytes, packed);
    assert_non_null(read);
    assert_int_equal(read->partition, 12345);
    assert_int_equal(read->sequence, 300);
    assert_int_equal(read->claim_id.len, 16);
    assert_memory_equal(read->claim_id.data, "0123456789abcdef", 16);
    hf__movement__free_unpacked(read, NULL);
}

static void test_what_is_no_message(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {
        {"\x08", 1},                                              /* no value */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* a value without an end */
        {"\x0a\x05"
         "abcd",
         6},                                                  /* longer than there is */
        {"\x31\x01\x02", 3},                                  /* half a fixed one */
        {"\x00\x01", 2},                                      /* field 0 */
        {"\x0b\x01", 2},                                      /* a group */
        {"\x0f\x01", 2},                                      /* no such type */
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* beyond all memory */
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct wire_reader reader;
        struct wire_field field;
        wire_begin(&reader, (const uint8_t *)bad[i].bytes, bad[i].length);
        assert_false(wire_next(&reader, &field));
        assert_true(reader.broken);
        assert_false(wire_next(&reader, &field));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_more_behind),
        cmocka_unit_test(test_what_is_no_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

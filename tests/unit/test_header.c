/* SPDX-License-Identifier: MIT
 *
 * protocol/header.c and error.c: the fixed header and batches, byte by byte, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/error.h"
#include "protocol/header.h"

static struct header full(void)
{
    return (struct header){
        .type = MESSAGE_OPERATION,
        .flags = HEADER_FLAG_SUSPECT,
        .op_class = CLASS_BULK,
        .attempt = 0x0102,
        .partition = 0x03040506,
        .session = 0x0708090a,
        .sequence = 0x0b0c0d0e0f101112,
        .not_after_us = 0x131415161718191a,
    };
}

static void test_the_layout(void **state)
{
    (void)state;
    static const uint8_t want[HEADER_BYTES] = {0x48, 0x46, 1,    16,   1,    3,    0x01, 0x02,
                                               0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,
                                               0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12,
                                               0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a};
    uint8_t bytes[HEADER_BYTES];
    struct header header = full(), got;

    header_write(&header, bytes);
    assert_memory_equal(bytes, want, sizeof want);
    assert_int_equal(header_read(&got, bytes, sizeof bytes), HEADER_OK);
    assert_int_equal(got.type, header.type);
    assert_int_equal(got.flags, header.flags);
    assert_int_equal(got.op_class, header.op_class);
    assert_int_equal(got.attempt, header.attempt);
    assert_int_equal(got.partition, header.partition);
    assert_int_equal(got.session, header.session);
    assert_int_equal(got.sequence, header.sequence);
    assert_int_equal(got.not_after_us, header.not_after_us);
}

static void test_lengths_magic_version(void **state)
{
    (void)state;
    uint8_t bytes[HEADER_BYTES + 1] = {0};
    struct header header = full();

    header_write(&header, bytes);
    for (size_t n = 0; n <= HEADER_BYTES + 1; n++)
        assert_int_equal(header_read(&header, bytes, n),
                         n == HEADER_BYTES ? HEADER_OK : HEADER_SHORT);
    for (int i = 0; i < 2; i++) {
        bytes[i] ^= 1;
        assert_int_equal(header_read(&header, bytes, HEADER_BYTES), HEADER_FOREIGN);
        bytes[i] ^= 1;
    }
    for (int version = 0; version < 256; version++) {
        bytes[2] = (uint8_t)version;
        assert_int_equal(header_read(&header, bytes, HEADER_BYTES),
                         version == HEADER_VERSION ? HEADER_OK : HEADER_VERSION_UNKNOWN);
    }
}

static enum header_error read_back(struct header header)
{
    uint8_t bytes[HEADER_BYTES];
    header_write(&header, bytes);
    return header_read(&header, bytes, HEADER_BYTES);
}

static void test_fields_by_type(void **state)
{
    (void)state;
    for (int type = 0; type < 256; type++) {
        struct header header = {.type = (uint8_t)type};
        bool known = message_type_name(header.type) != NULL;
        bool work = type == MESSAGE_OPERATION || type == MESSAGE_QUERY;
        enum header_error refused = known ? HEADER_FIELD : HEADER_OK;

        assert_int_equal(read_back(header), work ? HEADER_FIELD : HEADER_OK);
        if (work) {
            header.not_after_us = 1;
            header.attempt = type == MESSAGE_OPERATION;
            assert_int_equal(read_back(header), HEADER_OK);
        }
        struct header other = header;
        other.op_class = work ? CLASS_COUNT : 1;
        assert_int_equal(read_back(other), refused);
        other = header;
        other.attempt = type == MESSAGE_OPERATION ? 0 : 1;
        assert_int_equal(read_back(other), refused);
        other = header;
        other.flags = 2;
        assert_int_equal(read_back(other), refused);
        other.flags = HEADER_FLAG_SUSPECT;
        assert_int_equal(read_back(other), type == MESSAGE_OPERATION ? HEADER_OK : refused);
        other = header;
        other.not_after_us = work ? 0 : 1;
        assert_int_equal(read_back(other), refused);
        other.not_after_us = -1;
        assert_int_equal(read_back(other), refused);
    }
}

/* Writes count items with bodies of 0, 1, 2, … bytes; returns the length. */
static size_t write_batch(uint8_t *bytes, unsigned count)
{
    uint8_t *p = bytes;
    for (unsigned i = 0; i < count; i++) {
        struct header header = {.type = MESSAGE_RESULT, .sequence = i};
        batch_item_write(&header, i % 3, p);
        memset(p + BATCH_ITEM_BYTES, (int)i, i % 3);
        p += BATCH_ITEM_BYTES + i % 3;
    }
    return (size_t)(p - bytes);
}

static enum batch_step read_batch(const uint8_t *bytes, size_t length, unsigned *count)
{
    struct batch_reader reader;
    struct header header;
    const uint8_t *body;
    size_t body_bytes;
    enum batch_step step;

    batch_reader_init(&reader, bytes, length);
    *count = 0;
    while ((step = batch_next(&reader, &header, &body, &body_bytes)) == BATCH_ITEM) {
        assert_int_equal(header.sequence, *count);
        assert_int_equal(body_bytes, *count % 3);
        for (size_t i = 0; i < body_bytes; i++)
            assert_int_equal(body[i], (uint8_t)*count);
        ++*count;
    }
    return step;
}

static void test_batches(void **state)
{
    (void)state;
    static uint8_t bytes[(BATCH_MESSAGES_MAX + 1) * (BATCH_ITEM_BYTES + 2)];
    unsigned count;

    assert_int_equal(read_batch(bytes, 0, &count), BATCH_BROKEN);
    size_t length = write_batch(bytes, BATCH_MESSAGES_MAX);
    assert_int_equal(read_batch(bytes, length, &count), BATCH_END);
    assert_int_equal(count, BATCH_MESSAGES_MAX);
    length = write_batch(bytes, BATCH_MESSAGES_MAX + 1);
    assert_int_equal(read_batch(bytes, length, &count), BATCH_BROKEN);
    /* every way to cut it short, but between two items */
    length = write_batch(bytes, 3);
    for (size_t n = 1; n < length; n++) {
        bool whole = n == BATCH_ITEM_BYTES || n == 2 * BATCH_ITEM_BYTES + 1;
        assert_int_equal(read_batch(bytes, n, &count), whole ? BATCH_END : BATCH_BROKEN);
    }
}

static void test_items_that_lie(void **state)
{
    (void)state;
    uint8_t bytes[BATCH_ITEM_BYTES + 8] = {0};
    struct header header = {.type = MESSAGE_RESULT};
    static const uint32_t lengths[] = {9, 0x7fffffff, 0x80000000, 0xffffffff};
    unsigned count;

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        batch_item_write(&header, lengths[i], bytes);
        assert_int_equal(read_batch(bytes, sizeof bytes, &count), BATCH_BROKEN);
    }
    header.type = MESSAGE_BATCH; /* not nested */
    batch_item_write(&header, 8, bytes);
    assert_int_equal(read_batch(bytes, sizeof bytes, &count), BATCH_BROKEN);
    header.type = MESSAGE_OPERATION; /* without attempt and not_after */
    batch_item_write(&header, 8, bytes);
    assert_int_equal(read_batch(bytes, sizeof bytes, &count), BATCH_BROKEN);
}

static void test_texts(void **state)
{
    (void)state;
    for (int e = HEADER_OK; e <= HEADER_FIELD; e++)
        assert_true(strlen(header_error_text((enum header_error)e)) > 1);
    assert_string_equal(message_type_name(MESSAGE_RETURNED), "returned");
    assert_null(message_type_name(0));
    for (unsigned i = 0; i < ERROR_COUNT; i++) {
        enum error_code code;
        assert_true(error_from_name(error_name((enum error_code)i), &code));
        assert_int_equal(code, i);
        assert_true(strlen(error_text((enum error_code)i)) > 5);
    }
    enum error_code code;
    assert_false(error_from_name("no_such", &code));
    assert_false(error_ends_session(ERROR_no_session));
    assert_true(error_ends_session(ERROR_credit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_layout),     cmocka_unit_test(test_lengths_magic_version),
        cmocka_unit_test(test_fields_by_type), cmocka_unit_test(test_batches),
        cmocka_unit_test(test_items_that_lie), cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

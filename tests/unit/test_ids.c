/* SPDX-License-Identifier: MIT
 *
 * protocol/ids.c: UUIDs, reservation ids, partitions.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/ids.h"

static void test_uuid_v7(void **state)
{
    (void)state;
    uint8_t id[UUID_BYTES], ones[10], zeros[10] = {0};
    char text[UUID_TEXT_BYTES];

    memset(ones, 0xff, sizeof ones);
    uuid_v7(id, 1645557742000123, ones); /* the time of RFC 9562's example */
    uuid_format(id, text);
    assert_string_equal(text, "017f22e2-79b0-7fff-bfff-ffffffffffff");
    assert_int_equal(uuid_version(id), 7);
    assert_int_equal(uuid_time_us(id), 1645557742000000);
    uuid_v7(id, 0, zeros);
    uuid_format(id, text);
    assert_string_equal(text, "00000000-0000-7000-8000-000000000000");
}

static void test_uuid_v8(void **state)
{
    (void)state;
    uint8_t id[UUID_BYTES], digest[UUID_BYTES];
    char text[UUID_TEXT_BYTES];

    memset(digest, 0xff, sizeof digest);
    uuid_v8(id, digest);
    uuid_format(id, text);
    assert_string_equal(text, "ffffffff-ffff-8fff-bfff-ffffffffffff");
    assert_int_equal(uuid_version(id), 8);
}

static void test_uuid_text(void **state)
{
    (void)state;
    static const char *const good[] = {"0190163d-8694-739b-aea5-966c26f8ad91",
                                       "0190163D-8694-739B-AEA5-966C26F8AD91"};
    static const char *const bad[] = {
        "",
        "0190163d",
        "0190163d-8694-739b-aea5-966c26f8ad9",
        "0190163d-8694-739b-aea5-966c26f8ad911",
        "0190163d8694739baea5966c26f8ad91",
        "0190163d-8694-739b-aea5-966c26f8ad9g",
        "0190163d_8694-739b-aea5-966c26f8ad91",
        "{0190163d-8694-739b-aea5-966c26f8ad9}",
        " 190163d-8694-739b-aea5-966c26f8ad91",
        "-190163d-8694-739b-aea5-966c26f8ad91",
    };
    uint8_t id[UUID_BYTES];
    char text[UUID_TEXT_BYTES];

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(uuid_parse(good[i], id));
        uuid_format(id, text);
        assert_string_equal(text, good[0]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(uuid_parse(bad[i], id));
}

static void make(uint8_t id[RESERVATION_ID_BYTES], char text[RESERVATION_TEXT_BYTES],
                 uint32_t partition, uint8_t seed)
{
    uint8_t operation[UUID_BYTES];

    for (unsigned i = 0; i < UUID_BYTES; i++)
        operation[i] = (uint8_t)(seed * 31 + i * 7);
    reservation_id_make(id, partition, operation);
    reservation_id_format(id, text);
}

static void test_reservation_ids(void **state)
{
    (void)state;
    uint8_t id[RESERVATION_ID_BYTES], back[RESERVATION_ID_BYTES], other[RESERVATION_ID_BYTES];
    char text[RESERVATION_TEXT_BYTES];
    static const uint32_t partitions[] = {0, 1, 255, 256, 65534};

    for (size_t i = 0; i < sizeof partitions / sizeof partitions[0]; i++) {
        for (unsigned seed = 0; seed < 50; seed++) {
            make(id, text, partitions[i], (uint8_t)seed);
            assert_int_equal(strlen(text), RESERVATION_TEXT_BYTES - 1);
            assert_int_equal(reservation_id_partition(id), partitions[i]);
            assert_true(reservation_id_parse(text, strlen(text), back));
            assert_memory_equal(back, id, sizeof id);
        }
    }
    make(id, text, 7, 1);
    make(other, text, 7, 2);
    assert_memory_not_equal(id, other, sizeof id);
}

static void test_reservation_ids_as_people_type_them(void **state)
{
    (void)state;
    uint8_t id[RESERVATION_ID_BYTES], back[RESERVATION_ID_BYTES];
    char text[RESERVATION_TEXT_BYTES], typed[64];

    make(id, text, 77, 3);
    size_t n = 0;
    for (size_t i = 0; text[i]; i++) { /* lower case, and hyphens where they like */
        typed[n++] = (char)tolower((unsigned char)text[i]);
        if (i % 4 == 1)
            typed[n++] = '-';
    }
    assert_true(reservation_id_parse(typed, n, back));
    assert_memory_equal(back, id, sizeof id);
    /* I, L and O for 1, 1 and 0 */
    memset(id, 0, sizeof id);
    id[9] = 1; /* …01, check character 1 */
    reservation_id_format(id, text);
    assert_string_equal(text, "R-00000000000000011");
    assert_true(reservation_id_parse("r-OOOOoooo0000000Il", 19, back));
    assert_memory_equal(back, id, sizeof id);
}

static void test_reservation_ids_that_are_wrong(void **state)
{
    (void)state;
    uint8_t id[RESERVATION_ID_BYTES], back[RESERVATION_ID_BYTES];
    char text[RESERVATION_TEXT_BYTES];
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    make(id, text, 12, 9);
    size_t length = strlen(text);
    for (size_t n = 0; n < length; n++)
        assert_false(reservation_id_parse(text, n, back));
    /* one digit mistyped, two neighbours exchanged: the check character sees both */
    for (size_t i = 2; i < length - 1; i++) {
        char was = text[i];
        for (size_t k = 0; digits[k]; k++) {
            text[i] = digits[k];
            assert_int_equal(reservation_id_parse(text, length, back), digits[k] == was);
        }
        text[i] = was;
        if (i + 1 < length - 1 && text[i] != text[i + 1]) {
            text[i] = text[i + 1];
            text[i + 1] = was;
            assert_false(reservation_id_parse(text, length, back));
            text[i + 1] = text[i];
            text[i] = was;
        }
    }
    text[0] = 'S';
    assert_false(reservation_id_parse(text, length, back));
    assert_false(reservation_id_parse("R-000000000000000000", 20, back)); /* one more */
    assert_false(reservation_id_parse("R-0000000000000000U", 19, back));
    assert_false(reservation_id_parse("R-000000000000000\0"
                                      "0",
                                      19, back));
    assert_false(reservation_id_parse("R-0000000000000*000", 19, back));
}

/* Written into other people's clients: these may never change. */
static void test_partitions(void **state)
{
    (void)state;
    assert_int_equal(partition_of_sku("", 0, 1), 0);
    assert_int_equal(partition_of_sku("85123A", 6, 64), 49);
    assert_int_equal(partition_of_sku("85123a", 6, 64), 39);
    assert_int_equal(partition_of_sku("85123A", 6, 65535), 64734);
    unsigned seen[8] = {0};
    for (unsigned i = 0; i < 8000; i++)
        seen[partition_of_sku(&i, sizeof i, 8)]++;
    for (unsigned i = 0; i < 8; i++)
        assert_in_range(seen[i], 850, 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid_v7),
        cmocka_unit_test(test_uuid_v8),
        cmocka_unit_test(test_uuid_text),
        cmocka_unit_test(test_reservation_ids),
        cmocka_unit_test(test_reservation_ids_as_people_type_them),
        cmocka_unit_test(test_reservation_ids_that_are_wrong),
        cmocka_unit_test(test_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

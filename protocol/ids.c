/* SPDX-License-Identifier: MIT
 *
 * UUIDs, reservation ids and partitions: see ids.h for the forms.
 */
#include "protocol/ids.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

void uuid_v7(uint8_t uuid[UUID_BYTES], int64_t time_us, const uint8_t random[10])
{
    uint64_t ms = (uint64_t)(time_us / 1000);

    for (int i = 0; i < 6; i++)
        uuid[i] = (uint8_t)(ms >> (40 - 8 * i));
    memcpy(uuid + 6, random, 10);
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x70);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

void uuid_v8(uint8_t uuid[UUID_BYTES], const uint8_t digest[UUID_BYTES])
{
    memcpy(uuid, digest, UUID_BYTES);
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x80);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

unsigned uuid_version(const uint8_t uuid[UUID_BYTES])
{
    return uuid[6] >> 4;
}

int64_t uuid_time_us(const uint8_t uuid[UUID_BYTES])
{
    uint64_t ms = 0;

    for (int i = 0; i < 6; i++)
        ms = ms << 8 | uuid[i];
    return (int64_t)(ms * 1000);
}

void uuid_format(const uint8_t uuid[UUID_BYTES], char text[UUID_TEXT_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    char *p = text;

    for (unsigned i = 0; i < UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[uuid[i] >> 4];
        *p++ = hex[uuid[i] & 15];
    }
    *p = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool uuid_parse(const char *text, uint8_t uuid[UUID_BYTES])
{
    const char *p = text;

    for (unsigned i = 0; i < UUID_BYTES; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
            return false;
        int high = hex_value(p[0]);
        int low = high < 0 ? -1 : hex_value(p[1]);
        if (low < 0)
            return false;
        uuid[i] = (uint8_t)(high << 4 | low);
        p += 2;
    }
    return *p == '\0';
}

const char *operation_id_fault(const void *bytes, size_t length)
{
    const uint8_t *id = bytes;

    if (length != UUID_BYTES)
        return "is not 16 bytes";
    if (uuid_version(id) != 7 && uuid_version(id) != 8)
        return "is not a UUID of version 7 or 8";
    /* The other variants are kept for ids that the ledger makes itself. */
    if ((id[8] & 0xc0) != 0x80)
        return "is not a UUID of RFC 9562's variant";
    return NULL;
}

void reservation_id_make(uint8_t id[RESERVATION_ID_BYTES], uint32_t partition,
                         const uint8_t operation_id[UUID_BYTES])
{
    uint64_t hash = XXH3_64bits(operation_id, UUID_BYTES);

    id[0] = (uint8_t)(partition >> 8);
    id[1] = (uint8_t)partition;
    for (int i = 0; i < 8; i++)
        id[2 + i] = (uint8_t)(hash >> (56 - 8 * i));
}

uint32_t reservation_id_partition(const uint8_t id[RESERVATION_ID_BYTES])
{
    return (uint32_t)id[0] << 8 | id[1];
}

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";

#define ID_DIGITS 16
#define CHECK_MODULUS 37u

static unsigned check_value(const uint8_t id[RESERVATION_ID_BYTES])
{
    unsigned remainder = 0;

    for (unsigned i = 0; i < RESERVATION_ID_BYTES; i++)
        remainder = (remainder * 256 + id[i]) % CHECK_MODULUS;
    return remainder;
}

void reservation_id_format(const uint8_t id[RESERVATION_ID_BYTES],
                           char text[RESERVATION_TEXT_BYTES])
{
    text[0] = 'R';
    text[1] = '-';
    for (unsigned half = 0; half < 2; half++) {
        /* 5 bytes are 8 digits. */
        uint64_t bits = 0;
        for (unsigned i = 0; i < ID_DIGITS / 2 * 5 / 8; i++)
            bits = bits << 8 | id[half * 5 + i];
        for (unsigned digit = ID_DIGITS / 2; digit-- > 0; bits >>= 5)
            text[2 + half * (ID_DIGITS / 2) + digit] = crockford[bits & 31];
    }
    text[2 + ID_DIGITS] = crockford[check_value(id)];
    text[3 + ID_DIGITS] = '\0';
}

/* 0 to 36, or -1. */
static int crockford_value(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'I' || c == 'L')
        return 1;
    if (c == 'O')
        return 0;
    const char *at = c == '\0' ? NULL : strchr(crockford, c);
    return at ? (int)(at - crockford) : -1;
}

bool reservation_id_parse(const char *text, size_t length, uint8_t id[RESERVATION_ID_BYTES])
{
    unsigned digits = 0;
    int check = -1;
    size_t i = 0;

    if (length == 0 || (text[0] != 'R' && text[0] != 'r'))
        return false;
    memset(id, 0, RESERVATION_ID_BYTES);
    for (i = 1; i < length; i++) {
        if (text[i] == '-')
            continue;
        int value = crockford_value(text[i]);
        if (value < 0 || check >= 0)
            return false;
        if (digits == ID_DIGITS) {
            check = value;
            continue;
        }
        if (value >= 32)
            return false;
        for (unsigned bit = 0; bit < 5; bit++) {
            unsigned at = digits * 5 + bit;
            if (value >> (4 - bit) & 1)
                id[at / 8] |= (uint8_t)(0x80u >> at % 8);
        }
        digits++;
    }
    return digits == ID_DIGITS && check >= 0 && (unsigned)check == check_value(id);
}

uint32_t partition_of_sku(const void *sku, size_t sku_bytes, uint32_t partitions)
{
    return (uint32_t)(XXH3_64bits(sku, sku_bytes) % partitions);
}

/* SPDX-License-Identifier: MIT
 *
 * Identities: operation ids (UUID, RFC 9562), reservation ids, and the partition of a sku. Pure,
 * except that making a UUID reads the random source that the caller passes.
 */
#ifndef PROTOCOL_IDS_H
#define PROTOCOL_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_BYTES 16u
#define UUID_TEXT_BYTES 37u /* with the NUL */

/* Version 7 from a time (microseconds since the epoch; milliseconds go into the id) and 10 random
 * bytes. */
void uuid_v7(uint8_t uuid[UUID_BYTES], int64_t time_us, const uint8_t random[10]);

/* Version 8 from the first 16 bytes of a digest. */
void uuid_v8(uint8_t uuid[UUID_BYTES], const uint8_t digest[UUID_BYTES]);

unsigned uuid_version(const uint8_t uuid[UUID_BYTES]);

/* Time of a version 7 UUID, microseconds since the epoch. */
int64_t uuid_time_us(const uint8_t uuid[UUID_BYTES]);

/* RFC 9562 text form, lower case; reading takes either case and nothing else. */
void uuid_format(const uint8_t uuid[UUID_BYTES], char text[UUID_TEXT_BYTES]);
bool uuid_parse(const char *text, uint8_t uuid[UUID_BYTES]);

/* The UUID versions and the variant that callers may use. NULL, or words after the field's name. */
const char *operation_id_fault(const void *bytes, size_t length);

/* A reservation id: 16 bits of home partition, then 64 bits of XXH3-64 of the operation id that
 * reserved. Text form: "R-", 16 characters of Crockford's base32, and his check character (the
 * number modulo 37, of 0-9A-Z without ILOU, then *~$=U). */
#define RESERVATION_ID_BYTES 10u
#define RESERVATION_TEXT_BYTES 20u /* with the NUL */

void reservation_id_make(uint8_t id[RESERVATION_ID_BYTES], uint32_t partition,
                         const uint8_t operation_id[UUID_BYTES]);
uint32_t reservation_id_partition(const uint8_t id[RESERVATION_ID_BYTES]);
void reservation_id_format(const uint8_t id[RESERVATION_ID_BYTES],
                           char text[RESERVATION_TEXT_BYTES]);
/* Case and hyphens do not matter, I and L read as 1, O as 0. False when the length, a character or
 * the check character is wrong. */
bool reservation_id_parse(const char *text, size_t length, uint8_t id[RESERVATION_ID_BYTES]);

/* XXH3-64 of the sku's bytes, modulo the region's number of partitions (at least 1). */
uint32_t partition_of_sku(const void *sku, size_t sku_bytes, uint32_t partitions);

#endif

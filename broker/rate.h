/* SPDX-License-Identifier: MIT
 *
 * Token buckets, one for each principal that has a session. Pure. A bucket lives RATE_KEEP_US after
 * its last session, so that saying HELLO again does not fill it.
 */
#ifndef BROKER_RATE_H
#define BROKER_RATE_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#define RATE_NAME_BYTES 65u
#define RATE_KEEP_US (60 * 1000000ll)

struct principal {
    char name[RATE_NAME_BYTES];
    uint32_t sessions;
    int64_t left_us;  /* when the last session went */
    int64_t tokens;   /* millionths of one */
    int64_t since_us; /* when tokens was right */
    UT_hash_handle hh;
};

struct principal_table {
    struct principal *by_name; /* uthash */
    uint32_t rate;             /* a second; 0: no limit */
    uint32_t burst;
};

void principals_init(struct principal_table *table, uint32_t rate, uint32_t burst);
void principals_release(struct principal_table *table);

/* The principal of this name for one more session; release it with principal_leave. */
struct principal *principal_enter(struct principal_table *table, const char *name, int64_t now_us);
void principal_leave(struct principal *principal, int64_t now_us);

/* Forgets those without a session for RATE_KEEP_US. */
void principals_tick(struct principal_table *table, int64_t now_us);

/* Takes one token. When there is none, false, and *retry_after_ms is when there will be. */
bool principal_take(const struct principal_table *table, struct principal *principal,
                    int64_t now_us, uint32_t *retry_after_ms);

#endif

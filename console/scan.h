/* SPDX-License-Identifier: MIT
 *
 * Tells a barcode scanner, which types fast and ends with Enter or Tab, from a person. Pure.
 *
 * Outside a text field a printable key is held back: SCAN_LEAST or more characters with gaps of at
 * most SCAN_GAP_US and an Enter or Tab at the end are a scan; otherwise the held keys come out as
 * they were typed, in order. What begins with the configured prefix is a scan however slow it is,
 * as long as it ends within SCAN_PREFIX_US. What is pasted is never a scan. In a text field keys
 * go straight through. No key is ever lost: what goes in comes out as itself or within a scan
 * (control characters and Alt, which a scanner only sends by accident, are left out of it).
 */
#ifndef CONSOLE_SCAN_H
#define CONSOLE_SCAN_H

#include "console/key.h"

#define SCAN_GAP_US 25000
#define SCAN_LEAST 4
#define SCAN_MOST (KEY_TEXT_BYTES - 4) /* bytes; what is longer is no scan */
#define SCAN_PREFIX_US 1000000
#define SCAN_STALL_US 250000  /* how long we may have been kept from reading */
#define SCAN_REPEAT_US 300000 /* the same scan again within this is one too many */
#define SCAN_PREFIX_BYTES 16
#define SCAN_HELD 160 /* keys */

struct scan {
    char prefix[SCAN_PREFIX_BYTES + 1];
    struct key held[SCAN_HELD];
    size_t held_count, held_next; /* those from held_next on wait to come out */
    bool releasing;
    bool prefixed;
    int64_t typed_at_us; /* of the last printable key */
    int64_t read_at_us;  /* of the last bytes, as scan_arrival told it */
    char last[KEY_TEXT_BYTES];
    int64_t last_at_us;
};

/* prefix: "" for none; at most SCAN_PREFIX_BYTES. */
void scan_init(struct scan *scan, const char *prefix);

/* When bytes that were read just now came. Characters that were read together had to wait for us,
 * as a person types one at a time; for all we know they followed the last ones without a gap. A
 * scan is not cut into keys by a machine that is busy. */
int64_t scan_arrival(struct scan *scan, const unsigned char *bytes, size_t count, int64_t now_us);

/* Takes the next key. False: it is not taken, as keys wait to come out: call scan_out first. */
bool scan_in(struct scan *scan, const struct key *key, bool in_field);

/* The next key that is settled; false: none. in_field is asked before each, as a key may have
 * opened a text field: then what is held back comes out. *repeated: the scan is the same as the one
 * just before, and should be dropped, visibly. */
bool scan_out(struct scan *scan, int64_t now_us, bool in_field, struct key *out, bool *repeated);

/* When scan_out has something that it has not now; INT64_MAX: when another key comes. */
int64_t scan_deadline_us(const struct scan *scan);

#endif

/* SPDX-License-Identifier: MIT
 *
 * See scan.h.
 */
#include "console/scan.h"

#include <assert.h>
#include <string.h>

#include "console/text.h"

void scan_init(struct scan *scan, const char *prefix)
{
    memset(scan, 0, sizeof *scan);
    strncpy(scan->prefix, prefix, SCAN_PREFIX_BYTES);
    scan->last_at_us = scan->typed_at_us = INT64_MIN;
    scan->read_at_us = -SCAN_STALL_US - 1;
}

int64_t scan_arrival(struct scan *scan, const unsigned char *bytes, size_t count, int64_t now_us)
{
    bool waited = count > 1 && now_us - scan->read_at_us <= SCAN_STALL_US;
    for (size_t i = 0; i < count; i++)
        waited = waited && (bytes[i] >= 0x20 || bytes[i] == '\r' || bytes[i] == '\t');
    if (!waited)
        scan->read_at_us = now_us;
    return scan->read_at_us;
}

static bool printable(const struct key *key)
{
    return key->code < K_SPECIAL && key->code >= 0x20 && !key->pasted;
}

/* Alt and control characters within a burst are a scanner's, not a person's. */
static bool noise(const struct scan *scan, const struct key *key)
{
    bool odd = key->code >= K_ALT || (key->code > K_CTRL && key->code <= K_CTRL + 'z');
    return odd && scan->typed_at_us != INT64_MIN && key->at_us - scan->typed_at_us <= SCAN_GAP_US;
}

static bool has_prefix(const struct scan *scan)
{
    size_t length = strlen(scan->prefix);
    if (length == 0)
        return false;
    for (size_t i = 0, at = 0; at < length; i++) {
        uint32_t point;
        at += text_decode(scan->prefix + at, length - at, &point);
        if (i >= scan->held_count || scan->held[i].code != point)
            return false;
    }
    return true;
}

static size_t joined(const struct scan *scan, char text[KEY_TEXT_BYTES])
{
    size_t used = 0;
    for (size_t i = 0; i < scan->held_count; i++) {
        if (printable(&scan->held[i]))
            used += text_encode(scan->held[i].code, text + used);
    }
    text[used] = '\0';
    return used;
}

static size_t held_characters(const struct scan *scan)
{
    size_t count = 0;
    for (size_t i = 0; i < scan->held_count; i++)
        count += printable(&scan->held[i]);
    return count;
}

static void hold(struct scan *scan, const struct key *key)
{
    assert(scan->held_count < SCAN_HELD);
    scan->held[scan->held_count++] = *key;
}

static void note_typed(struct scan *scan, const struct key *key)
{
    if (printable(key))
        scan->typed_at_us = key->at_us;
}

static void become_scan(struct scan *scan, int64_t at_us)
{
    struct key made = {.code = K_SCAN, .at_us = at_us};
    size_t skip = scan->prefixed ? strlen(scan->prefix) : 0;
    char text[KEY_TEXT_BYTES];

    size_t used = joined(scan, text);
    memcpy(made.text, text + skip, used - skip + 1);
    scan->held[0] = made;
    scan->held_count = 1;
    scan->releasing = true;
}

bool scan_in(struct scan *scan, const struct key *key, bool in_field)
{
    if (scan->releasing)
        return false;
    if (noise(scan, key))
        return true;
    if (scan->held_count == 0) {
        note_typed(scan, key);
        hold(scan, key);
        scan->prefixed = !in_field && has_prefix(scan);
        scan->releasing = in_field || !printable(key);
        return true;
    }
    int64_t gap = key->at_us - scan->held[scan->held_count - 1].at_us;
    bool in_time =
        scan->prefixed ? key->at_us - scan->held[0].at_us <= SCAN_PREFIX_US : gap <= SCAN_GAP_US;
    char text[KEY_TEXT_BYTES];
    if (in_field || !in_time) {
        scan->releasing = true;
        return false;
    }
    bool ends = key->code == K_ENTER || key->code == K_TAB;
    if (ends && joined(scan, text) > (scan->prefixed ? strlen(scan->prefix) : 0) &&
        (scan->prefixed || held_characters(scan) >= SCAN_LEAST)) {
        become_scan(scan, key->at_us);
        return true;
    }
    if (!printable(key) || joined(scan, text) > SCAN_MOST - 4 ||
        scan->held_count + 1 >= SCAN_HELD) {
        scan->releasing = true;
        return false;
    }
    note_typed(scan, key);
    hold(scan, key);
    scan->prefixed = scan->prefixed || has_prefix(scan);
    return true;
}

int64_t scan_deadline_us(const struct scan *scan)
{
    if (scan->releasing)
        return INT64_MIN;
    if (scan->held_count == 0)
        return INT64_MAX;
    return scan->prefixed ? scan->held[0].at_us + SCAN_PREFIX_US + 1
                          : scan->held[scan->held_count - 1].at_us + SCAN_GAP_US + 1;
}

bool scan_out(struct scan *scan, int64_t now_us, bool in_field, struct key *out, bool *repeated)
{
    *repeated = false;
    if (scan->held_count == 0)
        return false;
    if (!scan->releasing && !in_field && now_us < scan_deadline_us(scan))
        return false;
    scan->releasing = true;
    *out = scan->held[scan->held_next++];
    if (scan->held_next == scan->held_count) {
        scan->held_count = scan->held_next = 0;
        scan->releasing = scan->prefixed = false;
    }
    if (out->code == K_SCAN) {
        *repeated = scan->last_at_us != INT64_MIN && strcmp(out->text, scan->last) == 0 &&
                    out->at_us - scan->last_at_us <= SCAN_REPEAT_US;
        memcpy(scan->last, out->text, sizeof scan->last);
        scan->last_at_us = out->at_us;
    }
    return true;
}

/* SPDX-License-Identifier: MIT
 *
 * From the bytes of a terminal to keys. Pure: the caller brings bytes and the time.
 *
 * A key is a number: a code point below KEY_SPECIAL, or one of the names below. What a terminal
 * sends that is no key we know (a report, an unknown function key) is passed over; everything else
 * comes out, in order.
 */
#ifndef CONSOLE_KEY_H
#define CONSOLE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_code {
    K_SPECIAL = 0x200000,
    K_ENTER = K_SPECIAL,
    K_TAB,
    K_BACKTAB,
    K_ESC,
    K_BACKSPACE,
    K_DELETE,
    K_INSERT,
    K_UP,
    K_DOWN,
    K_LEFT,
    K_RIGHT,
    K_HOME,
    K_END,
    K_PAGE_UP,
    K_PAGE_DOWN,
    K_CLICK, /* left button; column and row are set */
    K_WHEEL_UP,
    K_WHEEL_DOWN,
    K_SCAN,            /* made by scan.c; text is set */
    K_F = 0x200100,    /* K_F + 1 to K_F + 12 */
    K_CTRL = 0x200200, /* K_CTRL + 'a' to 'z' */
    K_ALT = 0x400000,  /* K_ALT + code point */
};

#define KEY_TEXT_BYTES 132 /* of a scan, with the NUL */
#define ESC_WAIT_US 25000  /* a lone ESC is the key when nothing follows for so long */

struct key {
    uint32_t code;
    bool pasted;   /* within a bracketed paste: text only, never a command or a scan */
    int64_t at_us; /* when its last byte was read */
    uint16_t column, row;
    char text[KEY_TEXT_BYTES]; /* K_SCAN */
};

#define KEY_PENDING_BYTES 32

struct key_decoder {
    unsigned char pending[KEY_PENDING_BYTES]; /* a sequence that is not whole */
    size_t pending_count;
    int64_t pending_at_us;
    bool pasting;
};

void key_decoder_init(struct key_decoder *d);

/* Takes one byte. Returns how many keys it completed: 0, 1 or 2, in out, which has room for
 * KEYS_PER_BYTE. */
#define KEYS_PER_BYTE 2
size_t key_decode(struct key_decoder *d, unsigned char byte, int64_t now_us, struct key *out);

/* When key_decode_timeout must be called; INT64_MAX: never. */
int64_t key_deadline_us(const struct key_decoder *d);
/* Ends a sequence that did not go on: ESC alone is K_ESC. Returns the number of keys in out. */
size_t key_decode_timeout(struct key_decoder *d, int64_t now_us, struct key *out);

/* "F2", "Alt-2", "Ctrl-L", "Enter", "Up", "?": for help and the bar. */
const char *key_label(uint32_t code, char text[16]);
/* The key with that name, without regard to case; false: there is none. */
bool key_by_name(const char *name, uint32_t *code);
/* What a terminal of the xterm kind sends for it, for --script; the number of bytes, 0: nothing. */
size_t key_encode(uint32_t code, char bytes[8]);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Bytes to keys: UTF-8, control characters, and the sequences of xterm, vt220 and the Linux
 * console. See key.h.
 */
#include "console/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "console/text.h"

#define ESC 0x1b

static const struct {
    uint32_t code;
    const char *name;
    const char *sends;
} specials[] = {
    {K_ENTER, "Enter", "\r"},           {K_TAB, "Tab", "\t"},
    {K_BACKTAB, "Shift-Tab", "\033[Z"}, {K_ESC, "Esc", "\033"},
    {K_BACKSPACE, "Backspace", "\177"}, {K_DELETE, "Del", "\033[3~"},
    {K_INSERT, "Ins", "\033[2~"},       {K_UP, "Up", "\033[A"},
    {K_DOWN, "Down", "\033[B"},         {K_RIGHT, "Right", "\033[C"},
    {K_LEFT, "Left", "\033[D"},         {K_HOME, "Home", "\033[H"},
    {K_END, "End", "\033[F"},           {K_PAGE_UP, "PgUp", "\033[5~"},
    {K_PAGE_DOWN, "PgDn", "\033[6~"},   {' ', "Space", " "},
    {K_F + 1, "F1", "\033OP"},          {K_F + 2, "F2", "\033OQ"},
    {K_F + 3, "F3", "\033OR"},          {K_F + 4, "F4", "\033OS"},
    {K_F + 5, "F5", "\033[15~"},        {K_F + 6, "F6", "\033[17~"},
    {K_F + 7, "F7", "\033[18~"},        {K_F + 8, "F8", "\033[19~"},
    {K_F + 9, "F9", "\033[20~"},        {K_F + 10, "F10", "\033[21~"},
    {K_F + 11, "F11", "\033[23~"},      {K_F + 12, "F12", "\033[24~"},
};
#define SPECIALS (sizeof specials / sizeof specials[0])

void key_decoder_init(struct key_decoder *d)
{
    memset(d, 0, sizeof *d);
}

static size_t emit(struct key_decoder *d, uint32_t code, int64_t now_us, struct key *out)
{
    d->pending_count = 0;
    memset(out, 0, sizeof *out);
    out->code = code;
    out->pasted = d->pasting;
    out->at_us = now_us;
    return 1;
}

/* A paste is text: its line ends are blanks, its other control characters nothing. */
static size_t control(struct key_decoder *d, unsigned char byte, int64_t now_us, struct key *out)
{
    if (d->pasting)
        return byte == '\r' || byte == '\n' || byte == '\t' ? emit(d, ' ', now_us, out) : 0;
    if (byte == '\r' || byte == '\n')
        return emit(d, K_ENTER, now_us, out);
    if (byte == '\t')
        return emit(d, K_TAB, now_us, out);
    if (byte == 0x7f || byte == '\b')
        return emit(d, K_BACKSPACE, now_us, out);
    if (byte >= 1 && byte <= 26)
        return emit(d, K_CTRL + 'a' + byte - 1u, now_us, out);
    return 0;
}

/* ------------------------------------------------------------- CSI and SS3 */

static uint32_t by_letter(unsigned char letter)
{
    switch (letter) {
    case 'A':
        return K_UP;
    case 'B':
        return K_DOWN;
    case 'C':
        return K_RIGHT;
    case 'D':
        return K_LEFT;
    case 'F':
        return K_END;
    case 'H':
        return K_HOME;
    case 'M':
        return K_ENTER; /* of the keypad, after SS3 */
    case 'P':
    case 'Q':
    case 'R':
    case 'S':
        return K_F + 1u + letter - 'P';
    case 'Z':
        return K_BACKTAB;
    default:
        return 0;
    }
}

static uint32_t by_number(long number)
{
    static const uint32_t codes[] = {
        [1] = K_HOME,      [2] = K_INSERT, [3] = K_DELETE,  [4] = K_END,     [5] = K_PAGE_UP,
        [6] = K_PAGE_DOWN, [7] = K_HOME,   [8] = K_END,     [11] = K_F + 1,  [12] = K_F + 2,
        [13] = K_F + 3,    [14] = K_F + 4, [15] = K_F + 5,  [17] = K_F + 6,  [18] = K_F + 7,
        [19] = K_F + 8,    [20] = K_F + 9, [21] = K_F + 10, [23] = K_F + 11, [24] = K_F + 12,
    };
    return number > 0 && (size_t)number < sizeof codes / sizeof codes[0] ? codes[number] : 0;
}

/* ESC [ < button ; column ; row M (pressed) or m (let go) */
static size_t mouse(struct key_decoder *d, const char *body, bool pressed, int64_t now_us,
                    struct key *out)
{
    unsigned button = 0, column = 0, row = 0;
    if (sscanf(body, "<%u;%u;%u", &button, &column, &row) != 3 || !pressed || column == 0 ||
        row == 0 || column > 1000 || row > 1000)
        return 0;
    uint32_t code = button == 0    ? K_CLICK
                    : button == 64 ? K_WHEEL_UP
                    : button == 65 ? K_WHEEL_DOWN
                                   : 0;
    if (!code)
        return 0;
    emit(d, code, now_us, out);
    out->column = (uint16_t)(column - 1);
    out->row = (uint16_t)(row - 1);
    return 1;
}

static size_t csi(struct key_decoder *d, int64_t now_us, struct key *out)
{
    char body[KEY_PENDING_BYTES + 1];
    size_t length = d->pending_count - 3; /* between ESC [ and the last byte */
    unsigned char last = d->pending[d->pending_count - 1];
    uint32_t code;

    memcpy(body, d->pending + 2, length);
    body[length] = '\0';
    d->pending_count = 0;
    if (body[0] == '<')
        return mouse(d, body, last == 'M', now_us, out);
    if (last == '~') {
        long number = strtol(body, NULL, 10);
        if (number == 200 || number == 201) {
            d->pasting = number == 200;
            return 0;
        }
        code = by_number(number);
    } else {
        code = last == 'M' ? 0 : by_letter(last);
    }
    return code && !d->pasting ? emit(d, code, now_us, out) : 0;
}

static size_t in_csi(struct key_decoder *d, int64_t now_us, struct key *out)
{
    unsigned char last = d->pending[d->pending_count - 1];

    if (d->pending[2] == '[') { /* the Linux console: ESC [ [ A to E */
        if (d->pending_count < 4)
            return 0;
        d->pending_count = 0;
        return last >= 'A' && last <= 'E' ? emit(d, K_F + 1u + last - 'A', now_us, out) : 0;
    }
    if (d->pending_count >= 3 && last >= 0x40 && last <= 0x7e)
        return csi(d, now_us, out);
    if (last < 0x20 || d->pending_count == KEY_PENDING_BYTES)
        d->pending_count = 0; /* no sequence that anybody sends */
    return 0;
}

/* ------------------------------------------------------------- one byte */

static size_t after_escape(struct key_decoder *d, int64_t now_us, struct key *out)
{
    unsigned char second = d->pending[1], last = d->pending[d->pending_count - 1];

    if (second == '[')
        return d->pending_count > 2 ? in_csi(d, now_us, out) : 0;
    if (second == 'O') {
        if (d->pending_count < 3)
            return 0;
        uint32_t code = by_letter(last);
        d->pending_count = 0;
        return code && !d->pasting ? emit(d, code, now_us, out) : 0;
    }
    if (d->pasting) {
        d->pending_count = 0;
        return 0;
    }
    if (second == ESC) { /* the first was the key; the second may begin something */
        size_t count = emit(d, K_ESC, now_us, out);
        d->pending[d->pending_count++] = ESC;
        d->pending_at_us = now_us;
        return count;
    }
    if (second < 0x20 || second >= 0x7f) {
        size_t count = emit(d, K_ESC, now_us, out);
        return count + key_decode(d, second, now_us, out + 1);
    }
    return emit(d, K_ALT + second, now_us, out);
}

size_t key_decode(struct key_decoder *d, unsigned char byte, int64_t now_us, struct key *out)
{
    if (d->pending_count == 0 && byte < 0x80 && byte != ESC)
        return byte < 0x20 || byte == 0x7f ? control(d, byte, now_us, out)
                                           : emit(d, byte, now_us, out);
    /* A character that is cut off does not swallow what follows. */
    if (d->pending_count > 0 && d->pending[0] != ESC && (byte & 0xc0) != 0x80) {
        size_t count = emit(d, 0xfffd, now_us, out);
        return count + key_decode(d, byte, now_us, out + 1);
    }
    d->pending[d->pending_count++] = byte;
    d->pending_at_us = now_us;
    if (d->pending[0] == ESC)
        return d->pending_count > 1 ? after_escape(d, now_us, out) : 0;

    uint32_t point;
    size_t used = text_decode((const char *)d->pending, d->pending_count, &point);
    if (point == 0xfffd && d->pending_count < text_sequence_bytes(d->pending[0]))
        return 0;
    if (used > 0 && point >= 0x80 && point <= 0x9f) { /* C1 is nothing that a person types */
        d->pending_count = 0;
        return 0;
    }
    return emit(d, point, now_us, out);
}

int64_t key_deadline_us(const struct key_decoder *d)
{
    return d->pending_count ? d->pending_at_us + ESC_WAIT_US : INT64_MAX;
}

size_t key_decode_timeout(struct key_decoder *d, int64_t now_us, struct key *out)
{
    if (now_us < key_deadline_us(d))
        return 0;
    size_t count = d->pending_count;
    unsigned char second = d->pending[1];
    d->pending_count = 0;
    if (d->pending[0] != ESC)
        return emit(d, 0xfffd, now_us, out);
    if (d->pasting)
        return 0;
    if (count == 1)
        return emit(d, K_ESC, now_us, out);
    return count == 2 ? emit(d, K_ALT + second, now_us, out) : 0;
}

/* ------------------------------------------------------------- names */

const char *key_label(uint32_t code, char text[16])
{
    for (size_t i = 0; i < SPECIALS; i++) {
        if (specials[i].code == code)
            return specials[i].name;
    }
    if (code == ' ')
        return "Space";
    if (code >= K_ALT) {
        snprintf(text, 16, "Alt-%c", (char)(code - K_ALT));
    } else if (code > K_CTRL && code <= K_CTRL + 'z') {
        snprintf(text, 16, "Ctrl-%c", (char)(code - K_CTRL - 'a' + 'A'));
    } else {
        size_t bytes = text_encode(code, text);
        text[bytes] = '\0';
    }
    return text;
}

bool key_by_name(const char *name, uint32_t *code)
{
    for (size_t i = 0; i < SPECIALS; i++) {
        if (strcasecmp(specials[i].name, name) == 0) {
            *code = specials[i].code;
            return true;
        }
    }
    if (strcasecmp(name, "Space") == 0) {
        *code = ' ';
        return true;
    }
    if (strncasecmp(name, "Alt-", 4) == 0 && name[4] > ' ' && !name[5]) {
        *code = K_ALT + (uint32_t)name[4];
        return true;
    }
    if (strncasecmp(name, "Ctrl-", 5) == 0 && !name[5] == 0 && !name[6]) {
        char letter = (char)(name[5] | 0x20);
        *code = K_CTRL + (uint32_t)letter;
        return letter >= 'a' && letter <= 'z';
    }
    size_t used = text_decode(name, strlen(name), code);
    return used > 0 && !name[used] && *code != 0xfffd;
}

size_t key_encode(uint32_t code, char bytes[8])
{
    for (size_t i = 0; i < SPECIALS; i++) {
        if (specials[i].code == code) {
            size_t length = strlen(specials[i].sends);
            memcpy(bytes, specials[i].sends, length);
            return length;
        }
    }
    if (code >= K_ALT) {
        bytes[0] = ESC;
        return 1 + text_encode(code - K_ALT, bytes + 1);
    }
    if (code > K_CTRL && code <= K_CTRL + 'z') {
        bytes[0] = (char)(code - K_CTRL - 'a' + 1);
        return 1;
    }
    return code < K_SPECIAL ? text_encode(code, bytes) : 0;
}

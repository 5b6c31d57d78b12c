/* SPDX-License-Identifier: MIT
 *
 * See text.h.
 */
#include "console/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <wchar.h>

size_t text_sequence_bytes(unsigned char first)
{
    return first >= 0xf0 && first < 0xf5   ? 4
           : first >= 0xe0 && first < 0xf0 ? 3
           : first >= 0xc2 && first < 0xe0 ? 2
                                           : 1;
}

size_t text_decode(const char *text, size_t bytes, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *t = (const unsigned char *)text;
    *point = 0xfffd;
    if (bytes == 0)
        return 0;
    if (t[0] < 0x80) {
        *point = t[0];
        return 1;
    }
    size_t count = text_sequence_bytes(t[0]);
    if (count == 1 || count > bytes)
        return 1;
    uint32_t value = t[0] & (0xffu >> (count + 1));
    for (size_t i = 1; i < count; i++) {
        if ((t[i] & 0xc0) != 0x80)
            return 1;
        value = value << 6 | (t[i] & 0x3fu);
    }
    if (value < least[count] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 1;
    *point = value;
    return count;
}

size_t text_encode(uint32_t point, char bytes[4])
{
    if (point < 0x80) {
        bytes[0] = (char)point;
        return 1;
    }
    size_t count = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = count - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    bytes[0] = (char)((0xf00u >> count) | point);
    return count;
}

int text_point_width(uint32_t point)
{
    int width = point < 0x20 ? 1 : wcwidth((wchar_t)point);
    return width < 0 ? 1 : width;
}

size_t text_width(const char *text)
{
    size_t cells = 0, bytes = strlen(text), used;
    uint32_t point;
    for (; (used = text_decode(text, bytes, &point)) > 0; text += used, bytes -= used)
        cells += (size_t)text_point_width(point);
    return cells;
}

size_t text_fit(const char *text, size_t cells)
{
    size_t taken = 0, bytes = strlen(text), used;
    uint32_t point;
    while ((used = text_decode(text + taken, bytes - taken, &point)) > 0) {
        size_t width = (size_t)text_point_width(point);
        if (width > cells)
            break;
        cells -= width;
        taken += used;
    }
    return taken;
}

size_t text_fit_words(const char *text, int cells)
{
    size_t fits = text_fit(text, cells > 0 ? (size_t)cells : 0), at = fits;

    if (text[fits] == '\0' || text[fits] == ' ')
        return fits;
    while (at > 0 && text[at - 1] != ' ')
        at--;
    return at > 1 ? at - 1 : fits;
}

const char *text_before(const char *text, size_t caret, int cells, int *before)
{
    const char *end = text + caret;
    int width = 0;
    uint32_t point;

    for (const char *at = text; at < end;) {
        at += text_decode(at, (size_t)(end - at), &point);
        width += text_point_width(point);
    }
    while (text < end && width > cells) {
        text += text_decode(text, (size_t)(end - text), &point);
        width -= text_point_width(point);
    }
    *before = width;
    return text;
}

const char *text_number(int64_t number, char buffer[TEXT_NUMBER])
{
    char digits[TEXT_NUMBER];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)number), used = 0;
    for (int i = 0; i < length; i++) {
        buffer[used++] = digits[i];
        int left = length - 1 - i;
        if (left > 0 && left % 3 == 0 && digits[i] != '-')
            buffer[used++] = ',';
    }
    buffer[used] = '\0';
    return buffer;
}

const char *text_countdown(int64_t seconds, char buffer[TEXT_NUMBER])
{
    long long s = seconds < 0 ? 0 : seconds;
    if (s >= 86400)
        snprintf(buffer, TEXT_NUMBER, "%lldd %02lld:%02lld", s / 86400, s / 3600 % 24, s / 60 % 60);
    else
        snprintf(buffer, TEXT_NUMBER, "%02lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return buffer;
}

const char *text_clock(int64_t wall_us, char buffer[TEXT_NUMBER])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm local;
    if (!localtime_r(&seconds, &local) || !strftime(buffer, TEXT_NUMBER, "%H:%M:%S", &local))
        snprintf(buffer, TEXT_NUMBER, "?");
    return buffer;
}

const char *text_time(int64_t wall_us, char buffer[TEXT_TIME])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    size_t used = strftime(buffer, TEXT_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buffer + used, TEXT_TIME - used, ".%03dZ", (int)(wall_us / 1000 % 1000));
    return buffer;
}

void text_sparkline(const int64_t *samples, size_t count, bool ascii, char *out, size_t out_bytes)
{
    static const char *const fine[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const coarse[] = {".", ":", "-", "=", "#"};
    const char *const *ramp = ascii ? coarse : fine;
    int64_t steps = ascii ? 5 : 8, low = INT64_MAX, high = INT64_MIN;
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        if (samples[i] < 0)
            continue;
        low = samples[i] < low ? samples[i] : low;
        high = samples[i] > high ? samples[i] : high;
    }
    for (size_t i = 0; i < count; i++) {
        const char *mark = " ";
        if (samples[i] >= 0) /* all the same: the lowest, as nothing happened */
            mark = ramp[high == low ? 0 : (samples[i] - low) * (steps - 1) / (high - low)];
        size_t length = strlen(mark);
        if (used + length >= out_bytes)
            break;
        memcpy(out + used, mark, length);
        used += length;
    }
    out[used] = '\0';
}

bool text_contains(const char *text, const char *needle)
{
    size_t length = strlen(needle);
    for (;; text++) {
        if (strncasecmp(text, needle, length) == 0)
            return true;
        if (!*text)
            return false;
    }
}

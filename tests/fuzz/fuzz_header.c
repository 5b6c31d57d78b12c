/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a header and as a batch: what is accepted is written back as the same bytes, and no
 * item lies outside the batch.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "protocol/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_one_header(const uint8_t *data, size_t size)
{
    struct header header;
    uint8_t back[HEADER_BYTES];

    enum header_error error = header_read(&header, data, size);
    assert(header_error_text(error));
    if (error != HEADER_OK)
        return;
    header_write(&header, back);
    assert(memcmp(back, data, HEADER_BYTES) == 0);
}

static void fuzz_batch(const uint8_t *data, size_t size)
{
    struct batch_reader reader;
    struct header header;
    const uint8_t *body, *end = data;
    size_t body_bytes;
    uint32_t count = 0;
    enum batch_step step;

    batch_reader_init(&reader, data, size);
    while ((step = batch_next(&reader, &header, &body, &body_bytes)) == BATCH_ITEM) {
        uint8_t back[BATCH_ITEM_BYTES];
        batch_item_write(&header, (uint32_t)body_bytes, back);
        assert(body == end + BATCH_ITEM_BYTES);
        assert(memcmp(back, end, sizeof back) == 0);
        end = body + body_bytes;
        assert(end <= data + size);
        count++;
    }
    assert(count <= BATCH_MESSAGES_MAX);
    if (step == BATCH_END)
        assert(count > 0 && end == data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_one_header(data, size);
    if (size > HEADER_BYTES)
        fuzz_one_header(data, HEADER_BYTES);
    fuzz_batch(data, size);
    return 0;
}

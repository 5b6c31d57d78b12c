/* SPDX-License-Identifier: MIT
 *
 * Tells subscribers what was committed (CHANGES), and several times a second where the partitions
 * that are certainly ours stand (BEACON); decision 0017. Without sockets: publish_link.c has the
 * socket. Nothing waits for it and nothing depends on it: what is lost is read from the ledger.
 */
#ifndef WORKERS_PUBLISH_H
#define WORKERS_PUBLISH_H

#include "workers/store.h"
#include "workers/worker.h"

/* A message is ended when it has grown beyond this. */
#define PUBLISH_MESSAGE_BYTES (512u * 1024)
#define PUBLISH_BEACON_US 250000
/* After a new question the next beacon comes this soon. */
#define PUBLISH_ANSWER_US 20000
/* Askers that are remembered; the one that was silent longest makes room. */
#define PUBLISH_ASKERS_MAX 64u

struct publish_output {
    void *context;
    /* Copies, and never blocks. */
    void (*send)(void *context, const uint8_t header[HEADER_BYTES], const uint8_t *body,
                 size_t body_bytes);
    /* The next frame from a subscriber, cut to size; its whole length, or -1: there is none. */
    int (*receive)(void *context, uint8_t *bytes, size_t size);
};

struct publish *publish_new(struct publish_output output);
void publish_destroy(struct publish **publish);

/* Here and below a publish of NULL is one without subscribers. */

/* This part has been committed. Its movements are encoded at once; they must still be there. */
void publish_changes(struct publish *publish, const struct store_part *part);
/* Sends what was encoded. Results go first. */
void publish_flush(struct publish *publish);
/* Hears subscribers, and sends the beacon when it is time. */
void publish_keep(struct worker *worker, int64_t now_us);
int64_t publish_wait_us(const struct publish *publish, int64_t now_us);

/* Appends a Movement without what CHANGES leave out. In publish_encode.c; tests compare it with
 * history_message. */
struct publish_bytes {
    uint8_t *bytes;
    size_t used, capacity;
};
void publish_encode(struct publish_bytes *out, const struct movement *movement);
/* Field by number, as protobuf has it. A part begins with its length, which is known at its end. */
void publish_uint(struct publish_bytes *out, uint32_t field, uint64_t value);
void publish_data(struct publish_bytes *out, uint32_t field, const void *bytes, size_t length);
size_t publish_part_begin(struct publish_bytes *out, uint32_t field);
void publish_part_end(struct publish_bytes *out, size_t begun);

#endif

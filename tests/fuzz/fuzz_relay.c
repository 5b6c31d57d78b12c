/* SPDX-License-Identifier: MIT
 *
 * The relay's desk with consumers that say anything, while the ledger grows, is pruned and is lost,
 * and the database fails. Checked: nothing is given beyond the credit, nor of a partition that is
 * not the consumer's, nor with a gap; what is stored was given; and the sanitizers.
 *
 * The input is a list of steps: a byte that says what, one that says who, one of length, and the
 * bytes.
 */
#include "tests/fuzz/asserts.h"
#include "tests/unit/relay_world.h"

#include "common/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum message_type types[] = {MESSAGE_SUBSCRIBE, MESSAGE_CREDIT, MESSAGE_ACK,
                                          MESSAGE_YIELD,     MESSAGE_RESUME, MESSAGE_QUERY,
                                          MESSAGE_EVENTS};
#define TYPES (sizeof types / sizeof types[0])

/* Any bytes as a message's body. */
static void say_raw(struct world *w, size_t peer, enum message_type type, const uint8_t *body,
                    size_t bytes)
{
    struct seen *p = &w->peers[peer];
    uint64_t sequence = 0;

    for (size_t i = 0; type == MESSAGE_CREDIT && i < bytes && i < 3; i++)
        sequence = sequence << 8 | body[i];
    come(w, peer);
    if (sequence > p->credit)
        p->credit = sequence;
    if (type == MESSAGE_RESUME)
        memset(p->fresh, 1, sizeof p->fresh);
    desk_message(w->desk, p->consumer, type, sequence, body, bytes, &w->arena, w->now_us);
}

static void job_step(struct world *w, bool fails)
{
    struct job *job = desk_next_job(w->desk, 0, w->now_us);

    if (!job)
        return;
    if (fails)
        job->outcome = JOB_FAILED;
    else
        do_job(w, job);
    desk_reply(w->desk, &job, w->now_us);
}

/* An owner tells of what it has committed, or of what it had; now and then something is wrong. */
static void told(struct world *w, uint32_t partition, uint8_t what, uint8_t who)
{
    uint8_t body[8192];
    uint64_t count = 1 + who / PARTITIONS % 12;

    if (what & 1)
        w->last[partition] += count + (what & 2);
    if (count > w->last[partition])
        count = w->last[partition];
    size_t bytes = changes_body(w, partition, partition + 1, count, body);
    if (what == 127)
        body[who % bytes] ^= (uint8_t)(1 + who / 16);
    desk_changes(w->desk, body, bytes);
}

static void happen(struct world *w, uint8_t what, uint8_t who)
{
    uint32_t partition = who % PARTITIONS;
    uint8_t claim[CLAIM_BYTES];

    memset(claim, w->claim, sizeof claim);
    if (what >= 120) {
        told(w, partition, what, who);
        return;
    }
    switch (what % 10) {
    case 0:
        w->last[partition] += 1 + who / PARTITIONS;
        desk_heard(w->desk, partition, w->last[partition], claim, sizeof claim);
        break;
    case 1:
        w->pruned[partition] += (w->last[partition] - w->pruned[partition]) / 2;
        break;
    case 2: /* another history, in every partition */
        if (++w->claim == 0)
            w->claim = 1;
        break;
    case 3:
        w->epoch += who & 1;
        w->other_relay = who & 2;
        break;
    case 4:
        w->deaf = who & 1;
        break;
    case 5:
        if (w->peers[who % PEERS].consumer)
            desk_gone(w->desk, w->peers[who % PEERS].consumer);
        w->peers[who % PEERS].consumer = NULL;
        break;
    case 6:
        w->now_us += (int64_t)who * SECOND / 10;
        break;
    case 7:
        job_step(w, true);
        break;
    case 8:
        desk_tick(w->desk, w->now_us);
        break;
    default:
        settle(w);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = world_new();

    log_set_level((enum log_level)(LOG_ERROR + 1));
    for (size_t at = 0; at + 3 <= size;) {
        uint8_t what = data[at], who = data[at + 1];
        size_t bytes = data[at + 2];
        at += 3;
        if (bytes > size - at)
            bytes = size - at;
        if (what < 128) {
            happen(w, what, who);
        } else if (what % 16 == 15) {
            /* A good beginning, so that the rest means something. */
            subscribe(w, who % PEERS, who & 16 ? "a" : "b", (Hf__From)(who / 32 % 3), who * 8u);
            settle(w);
        } else if (what % 16 == 14) {
            desk_changes(w->desk, data + at, bytes);
        } else {
            say_raw(w, who % PEERS, types[what % TYPES], data + at, bytes);
        }
        at += what < 128 || what % 16 == 15 ? 0 : bytes;
        job_step(w, false);
        desk_tick(w->desk, w->now_us);
        for (uint32_t p = 0; p < PARTITIONS; p++)
            assert_true(w->stored[p] <= INT64_MAX);
    }
    w->deaf = false;
    settle(w);
    world_destroy(w);
    return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * The read model: stock of every partition in memory, as the ledger's movements make it, and the
 * answers to what clients ask. Pure: no sockets, no SQL, no clock; its callers pass messages and
 * times. main.c's loop feeds it.
 *
 * It knows a partition from model_install on, until model_forget. In between it stands at a
 * position (sequence and claim, see protocol.md), and takes movements from there on without a gap.
 * It is fresh as of a moment: everything committed before that is in it. Moments are microseconds
 * of any one monotonic clock, and those of ages too.
 */
#ifndef VIEW_MODEL_H
#define VIEW_MODEL_H

#include "common/arena.h"
#include "view/snapshot.h"

/* The most that one question names or gets; further limits are in holdfast.proto. */
#define MODEL_KEYS_MAX 256u
#define MODEL_PAGE_MAX 1000u
#define MODEL_WAIT_MS_DEFAULT 200u
#define MODEL_WAIT_MS_MAX 2000u
/* No moment: what was not asked. */
#define MODEL_NEVER INT64_MIN

struct model;

struct model *model_new(uint32_t partitions);
void model_destroy(struct model **model);
/* A number that no other start of any view has: numbers of events are of one of them. */
void model_name(struct model *model, uint64_t instance);

/* ------------------------------------------------------------- what happened */

enum model_outcome {
    MODEL_DONE,
    MODEL_OLD,     /* nothing in it is new */
    MODEL_GAP,     /* movements before it are missing: read them from the ledger */
    MODEL_CLAIM,   /* it is of another claim: see in the ledger whether ours is still history */
    MODEL_UNKNOWN, /* the partition is not known: install a snapshot */
    MODEL_INVALID, /* it is not what the protocol allows; nothing of it was taken */
};

/* Movements as an owner published them. */
enum model_outcome model_changes(struct model *model, const Hf__PartitionChanges *changes);
/* An owner's position. asked_us: when the question was asked that it echoes, or MODEL_NEVER. */
enum model_outcome model_beacon(struct model *model, const Hf__Position *position,
                                int64_t asked_us);

struct model_position {
    bool known;
    uint64_t sequence;
    uint8_t claim_id[16];
};

struct model_position model_position(const struct model *model, uint32_t partition);

/* What the ledger holds after `after`, read in one snapshot that began at asked_us or later, when
 * the reader's position had been found to be history: movements in order, and to, where the
 * partition then stood. MODEL_OLD when the model does not stand at `after` any more. complete: they
 * reach up to `to`; otherwise there are more. */
enum model_outcome model_ledger(struct model *model, uint64_t after, Hf__Movement *const *movements,
                                size_t count, const Hf__Position *to, bool complete,
                                int64_t asked_us);

/* The partition as the database held it; takes the snapshot. asked_us as above. Replaces what was
 * known of the partition. */
void model_install(struct model *model, struct snapshot **snapshot, int64_t asked_us);

/* The position is not in the ledger any more: the partition is unknown from here on. lost: because
 * history was lost, which is counted. */
void model_forget(struct model *model, uint32_t partition, bool lost);

/* A reservation that was over has been revived, and the movement did not say all of it. The next
 * one, if any, to be read from the database and given to model_complete. */
bool model_wants(const struct model *model, uint8_t id[RESERVATION_ID_BYTES]);
/* One reservation (a snapshot with nothing else in it, or with nothing at all), as it was at the
 * snapshot's sequence. Taken if the model is where the reservation was then; otherwise it is wanted
 * still. */
void model_complete(struct model *model, const uint8_t id[RESERVATION_ID_BYTES],
                    const struct snapshot *snapshot);

/* Does now what a question would do later: sorting what is new. For an idle moment. */
void model_tidy(struct model *model);

/* ------------------------------------------------------------- what is asked */

struct model_counts {
    uint64_t items, levels, barcodes, reservations, movements, snapshots, history_lost, bytes;
    uint32_t known, partitions;
};

struct model_counts model_counts(const struct model *model);

/* Answers a question that came at asked_us, in the arena; everything in the answer is valid until
 * the model changes or the arena is reset. False: at_least or latest is not reached yet, and may be
 * later; nothing was answered. last: do not wait any longer, answer with what there is. status is
 * left to the caller (the answer is empty then). */
bool model_answer(struct model *model, const Hf__ViewQuery *query, int64_t asked_us, int64_t now_us,
                  bool last, struct arena *arena, Hf__ViewAnswer *answer);

#endif

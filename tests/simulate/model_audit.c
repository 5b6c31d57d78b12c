/* SPDX-License-Identifier: MIT
 *
 * What must hold of the committed rows, as docs/worker.md's audit has it. The names of the checks
 * are those of workers/audit.c. One commit at a time also shows what a look at the end cannot:
 * that numbers only rise, that nothing written is written over, and that nothing is written without
 * its fence.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/simulate/model_impl.h"

/* Set by the first check that fails. */
static char found[512];

static bool broken(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool broken(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(found, sizeof found, format, args);
    va_end(args);
    return false;
}

#define SHORT(code) (int)(code).length, (code).bytes

static const void *row_at(const struct model_server *server, enum model_table_name table,
                          struct model_key key)
{
    return model_read(&server->tables[table], &key, NULL);
}

/* Index of the first entry with the prefix; the end of them. */
static size_t range(const struct model_table *table, const struct model_key *prefix, size_t *end)
{
    size_t first = model_seek(table, prefix);

    for (*end = first; *end < table->count && model_has_prefix(table->entries[*end], prefix);)
        ++*end;
    return first;
}

static const struct model_partition *partition_row(const struct model_server *server,
                                                   uint32_t partition)
{
    return row_at(server, MODEL_PARTITION, model_key_of_partition(partition));
}

/* ------------------------------------------------------------- levels */

static bool level_reservations(const struct model_server *server, uint32_t partition,
                               const struct level *level)
{
    const struct model_table *table = &server->tables[MODEL_LINE];
    struct model_key prefix = model_key_of_partition(partition);
    size_t end, at = range(table, &prefix, &end);
    int64_t reserved = 0, committed = 0;

    for (; at < end; at++) {
        const struct reservation_line *line = table->entries[at]->now;
        if (!line || !code_equal(&line->sku, &level->sku) ||
            !code_equal(&line->warehouse, &level->warehouse))
            continue;
        reserved += line->reserved;
        committed += line->committed;
    }
    if (reserved == level->now.reserved && committed == level->now.committed)
        return true;
    return broken("level_reservations: %.*s at %.*s reserved %lld, committed %lld: the "
                  "reservations say %lld, %lld",
                  SHORT(level->sku), SHORT(level->warehouse), (long long)level->now.reserved,
                  (long long)level->now.committed, (long long)reserved, (long long)committed);
}

/* What the ledger says of a level. */
struct sums {
    int64_t on_hand, reserved, committed, unavailable;
    uint64_t version, on_hand_version; /* 0: nothing kept says so */
};

static struct sums sum_level(const struct model_server *server, uint32_t partition,
                             const struct level *level)
{
    const struct model_table *table = &server->tables[MODEL_MOVEMENT];
    const struct model_checkpoint *checkpoint = row_at(
        server, MODEL_CHECKPOINT, model_key_of_level(partition, &level->sku, &level->warehouse));
    struct model_key prefix = model_key_of_partition(partition);
    size_t end, at = range(table, &prefix, &end);
    struct sums sums = {0};

    if (checkpoint)
        sums = (struct sums){checkpoint->on_hand,     checkpoint->reserved, checkpoint->committed,
                             checkpoint->unavailable, checkpoint->seq,      0};
    for (; at < end; at++) {
        const struct movement *m = table->entries[at]->now;
        if (!m || !code_equal(&m->sku, &level->sku) ||
            !code_equal(&m->warehouse, &level->warehouse) ||
            (checkpoint && m->seq <= checkpoint->seq))
            continue;
        sums.on_hand += m->d_on_hand;
        sums.reserved += m->d_reserved;
        sums.committed += m->d_committed;
        sums.unavailable += m->d_unavailable;
        sums.version = m->seq;
        if (m->d_on_hand != 0 || m->on_hand_version == m->seq)
            sums.on_hand_version = m->seq;
    }
    return sums;
}

static bool level_ledger(const struct model_server *server, uint32_t partition,
                         const struct level *level)
{
    struct sums sums = sum_level(server, partition, level);
    const struct balances *now = &level->now;

    if (sums.on_hand != now->on_hand || sums.reserved != now->reserved ||
        sums.committed != now->committed || sums.unavailable != now->unavailable)
        return broken("level_ledger: %.*s at %.*s has %lld, %lld, %lld, %lld: the ledger says "
                      "%lld, %lld, %lld, %lld",
                      SHORT(level->sku), SHORT(level->warehouse), (long long)now->on_hand,
                      (long long)now->reserved, (long long)now->committed,
                      (long long)now->unavailable, (long long)sums.on_hand,
                      (long long)sums.reserved, (long long)sums.committed,
                      (long long)sums.unavailable);
    if (sums.version != level->version ||
        (sums.on_hand_version != 0 && sums.on_hand_version != level->on_hand_version))
        return broken("level_version: %.*s at %.*s has %llu, %llu: its last movements are %llu, "
                      "%llu",
                      SHORT(level->sku), SHORT(level->warehouse),
                      (unsigned long long)level->version,
                      (unsigned long long)level->on_hand_version, (unsigned long long)sums.version,
                      (unsigned long long)sums.on_hand_version);
    return true;
}

static bool check_level(const struct model_server *server, uint32_t partition,
                        const struct level *level)
{
    if (level->now.shortfall != balances_shortfall(&level->now))
        return broken("shortfall: %.*s at %.*s says %lld", SHORT(level->sku),
                      SHORT(level->warehouse), (long long)level->now.shortfall);
    return level_reservations(server, partition, level) && level_ledger(server, partition, level);
}

/* ------------------------------------------------------------- reservations */

static bool is_over(Hf__ReservationState state)
{
    return state == HF__RESERVATION_STATE__RESERVATION_PURCHASED ||
           state == HF__RESERVATION_STATE__RESERVATION_RELEASED ||
           state == HF__RESERVATION_STATE__RESERVATION_EXPIRED;
}

static bool check_line(const struct model_server *server, uint32_t partition, const char *name,
                       const struct reservation *reservation, const struct reservation_line *line)
{
    if (line->reserved + line->committed + line->shipped + line->cancelled + line->released !=
            line->quantity ||
        line->returned > line->shipped)
        return broken("line_sums: %s", name);
    if (is_over(reservation->state) && line->reserved != 0)
        return broken("closed_holds: %s holds %lld in state %d", name, (long long)line->reserved,
                      (int)reservation->state);
    if (line->reserved + line->committed > 0 &&
        !row_at(server, MODEL_LEVEL, model_key_of_level(partition, &line->sku, &line->warehouse)))
        return broken("reservation_level: %s holds of a level that is not there", name);
    return true;
}

static bool check_reservation(const struct model_server *server, uint32_t partition,
                              const struct reservation *reservation)
{
    const struct model_table *table = &server->tables[MODEL_LINE];
    struct model_key prefix = model_key_of_reservation(partition, reservation->id);
    char name[RESERVATION_TEXT_BYTES];
    size_t end, at = range(table, &prefix, &end), lines = 0;

    reservation_id_format(reservation->id, name);
    for (; at < end; at++) {
        const struct reservation_line *line = table->entries[at]->now;
        if (!line)
            continue;
        lines++;
        if (!check_line(server, partition, name, reservation, line))
            return false;
    }
    return lines > 0 || broken("lineless: %s", name);
}

/* ------------------------------------------------------------- movements */

/* An operation's rows follow each other and count from 0. before: the row before in the ledger. */
static bool follows(const struct movement *before, const struct movement *movement)
{
    bool same = before && memcmp(before->operation_id, movement->operation_id, UUID_BYTES) == 0;

    if (before && movement->seq != before->seq + 1)
        return broken("movement_gaps: %llu follows %llu in partition %u",
                      (unsigned long long)movement->seq, (unsigned long long)before->seq,
                      movement->partition);
    if (movement->idx == (same ? before->idx + 1 : 0))
        return true;
    return broken("operation_rows: %llu of partition %u has index %u",
                  (unsigned long long)movement->seq, movement->partition, movement->idx);
}

static bool check_movement(const struct model_server *server, const struct movement *movement)
{
    if (movement->sku.length > 0 && movement->warehouse.length > 0 &&
        !row_at(server, MODEL_LEVEL,
                model_key_of_level(movement->partition, &movement->sku, &movement->warehouse)))
        return broken("movement_level: %.*s at %.*s has movements, and there is no such level",
                      SHORT(movement->sku), SHORT(movement->warehouse));
    if (!row_at(server, MODEL_CLAIM, model_key_of_seq(movement->partition, movement->epoch)))
        return broken("movement %llu of partition %u was written under no claim",
                      (unsigned long long)movement->seq, movement->partition);
    return true;
}

static bool check_movements(const struct model_server *server, uint32_t partition,
                            const struct model_partition *row)
{
    const struct model_table *table = &server->tables[MODEL_MOVEMENT];
    struct model_key prefix = model_key_of_partition(partition);
    size_t end, at = range(table, &prefix, &end);
    const struct movement *before = NULL;
    uint64_t next = row->pruned_seq + 1;

    for (; at < end; at++) {
        const struct movement *movement = table->entries[at]->now;
        if (!movement)
            continue;
        if (!before && movement->seq != next)
            return broken("movement_gaps: partition %u begins with %llu, and %llu are pruned",
                          partition, (unsigned long long)movement->seq,
                          (unsigned long long)row->pruned_seq);
        if (!follows(before, movement) || !check_movement(server, movement))
            return false;
        before = movement;
        next = movement->seq + 1;
    }
    return next == row->last_seq + 1 ||
           broken("movement_gaps: partition %u ends before %llu, and last_seq is %llu", partition,
                  (unsigned long long)next, (unsigned long long)row->last_seq);
}

/* ------------------------------------------------------------- everything */

static bool audit_partition(const struct model_server *server, uint32_t partition,
                            const struct model_partition *row)
{
    const struct model_table *levels = &server->tables[MODEL_LEVEL];
    const struct model_table *reservations = &server->tables[MODEL_RESERVATION];
    struct model_key prefix = model_key_of_partition(partition);
    size_t end, at = range(levels, &prefix, &end);

    for (; at < end; at++) {
        if (levels->entries[at]->now && !check_level(server, partition, levels->entries[at]->now))
            return false;
    }
    for (at = range(reservations, &prefix, &end); at < end; at++) {
        if (reservations->entries[at]->now &&
            !check_reservation(server, partition, reservations->entries[at]->now))
            return false;
    }
    return check_movements(server, partition, row);
}

const char *model_audit(const struct model_server *server, uint32_t partition)
{
    const struct model_table *table = &server->tables[MODEL_PARTITION];

    for (size_t i = 0; i < table->count; i++) {
        uint32_t number = model_key_partition(&table->entries[i]->key);
        if (table->entries[i]->now && (partition == PARTITION_NONE || partition == number) &&
            !audit_partition(server, number, table->entries[i]->now))
            return found;
    }
    return NULL;
}

/* ------------------------------------------------------------- one commit */

/* New movements of one partition: exactly the numbers that its fence has gone over. */
static bool fenced(const struct model_commit *commit, uint32_t partition, uint64_t from,
                   uint64_t upto, uint64_t epoch)
{
    const struct movement *before = NULL;
    uint64_t next = from + 1;

    for (size_t i = 0; i < commit->movement_count; i++) {
        const struct movement *movement = commit->movements[i];
        if (movement->partition != partition)
            continue;
        if (movement->seq != next++)
            return broken("the fence of partition %u went from %llu to %llu, and %llu was written",
                          partition, (unsigned long long)from, (unsigned long long)upto,
                          (unsigned long long)movement->seq);
        if (movement->epoch != epoch)
            return broken("partition %u has epoch %llu, and a movement of epoch %llu was written",
                          partition, (unsigned long long)epoch,
                          (unsigned long long)movement->epoch);
        if (!follows(before, movement) || !check_movement(commit->server, movement))
            return false;
        before = movement;
    }
    return next == upto + 1 ||
           broken("the fence of partition %u went to %llu, movements to %llu", partition,
                  (unsigned long long)upto, (unsigned long long)next - 1);
}

static bool touched_partition(const struct model_commit *commit,
                              const struct model_touched *touched)
{
    const struct model_partition *before = touched->before, *after = touched->after;
    uint32_t partition = model_key_partition(&touched->key);

    if (!before || !after)
        return broken("partition %u came or went", partition);
    if (after->epoch < before->epoch || after->last_seq < before->last_seq ||
        after->clock_high_us < before->clock_high_us || after->pruned_seq < before->pruned_seq)
        return broken("partition %u went back: epoch %llu to %llu, last_seq %llu to %llu, "
                      "clock_high_us %lld to %lld, pruned_seq %llu to %llu",
                      partition, (unsigned long long)before->epoch,
                      (unsigned long long)after->epoch, (unsigned long long)before->last_seq,
                      (unsigned long long)after->last_seq, (long long)before->clock_high_us,
                      (long long)after->clock_high_us, (unsigned long long)before->pruned_seq,
                      (unsigned long long)after->pruned_seq);
    if (after->epoch == before->epoch && memcmp(before->claim_id, after->claim_id, 16) != 0)
        return broken("partition %u has another claim in the same epoch", partition);
    if (after->epoch != before->epoch && after->last_seq != before->last_seq)
        return broken("partition %u was claimed and written in one transaction", partition);
    return fenced(commit, partition, before->last_seq, after->last_seq, before->epoch);
}

static bool touched_level(const struct model_commit *commit, const struct model_touched *touched)
{
    const struct level *before = touched->before, *after = touched->after;
    uint32_t partition = model_key_partition(&touched->key);
    uint64_t version = before ? before->version : 0;

    if (!after || after->version <= version)
        return broken("the version of %.*s at %.*s does not rise",
                      SHORT((after ? after : before)->sku),
                      SHORT((after ? after : before)->warehouse));
    for (size_t i = 0; i < commit->movement_count; i++) {
        const struct movement *m = commit->movements[i];
        if (m->partition != partition || !code_equal(&m->sku, &after->sku) ||
            !code_equal(&m->warehouse, &after->warehouse))
            continue;
        if (m->prev != version)
            return broken("movement %llu of %.*s at %.*s follows %llu: it says %llu",
                          (unsigned long long)m->seq, SHORT(m->sku), SHORT(m->warehouse),
                          (unsigned long long)version, (unsigned long long)m->prev);
        version = m->seq;
        if (m->seq == after->version && memcmp(&m->after, &after->now, sizeof m->after) != 0)
            return broken("movement %llu has other balances than its level",
                          (unsigned long long)m->seq);
    }
    return check_level(commit->server, partition, after);
}

static bool touched_reservation(const struct model_commit *commit,
                                const struct model_touched *touched)
{
    const struct reservation *before = touched->before, *after = touched->after;
    char name[RESERVATION_TEXT_BYTES];

    if (!after)
        return is_over(before->state) ||
               broken("a reservation in state %d went away", (int)before->state);
    reservation_id_format(after->id, name);
    if (before && after->revision <= before->revision)
        return broken("the revision of %s does not rise", name);
    if (before && is_over(before->state) && after->state != before->state &&
        !(before->state == HF__RESERVATION_STATE__RESERVATION_EXPIRED &&
          after->state == HF__RESERVATION_STATE__RESERVATION_PURCHASED))
        return broken("%s went from state %d to %d", name, (int)before->state, (int)after->state);
    return check_reservation(commit->server, model_key_partition(&touched->key), after);
}

static bool touched_movement(const struct model_commit *commit, const struct model_touched *touched)
{
    uint32_t partition = model_key_partition(&touched->key);
    const struct model_partition *row = partition_row(commit->server, partition);
    const struct movement *before = touched->before, *after = touched->after;

    if (before && after)
        return broken("movement %llu was written over", (unsigned long long)after->seq);
    if (before)
        return before->seq <= row->pruned_seq ||
               broken("movement %llu went away", (unsigned long long)before->seq);
    /* fenced() compares those that a fence has gone over; there must have been one. */
    return after->seq <= row->last_seq ||
           broken("movement %llu of partition %u is beyond last_seq %llu",
                  (unsigned long long)after->seq, partition, (unsigned long long)row->last_seq);
}

/* A claim goes when nobody can stand at a position of it that is not behind the retention. */
static bool touched_claim(const struct model_commit *commit, const struct model_touched *touched)
{
    uint32_t partition = model_key_partition(&touched->key);
    const struct model_claim *before = touched->before, *next = NULL;
    const struct model_partition *row =
        row_at(commit->server, MODEL_PARTITION, model_key_of_partition(partition));
    const struct model_table *claims = &commit->server->tables[MODEL_CLAIM];
    struct model_key prefix = model_key_of_partition(partition);

    if (!before)
        return true;
    if (touched->after)
        return broken("a claim was written over");
    for (size_t i = model_seek(claims, &touched->key);
         !next && i < claims->count && model_has_prefix(claims->entries[i], &prefix); i++)
        next = claims->entries[i]->now;
    if (!next || memcmp(before->claim_id, row->claim_id, 16) == 0)
        return broken("the newest claim of partition %u went away", partition);
    return next->first_seq <= row->pruned_seq || next->first_seq == before->first_seq ||
           broken("a claim of partition %u went away that wrote what is kept", partition);
}

static bool touched_record(const struct model_touched *touched)
{
    const struct item *before = touched->before, *after = touched->after;

    return after && (!before || after->version > before->version)
               ? true
               : broken("an item's version does not rise");
}

/* Is the partition's row among what was touched? Movements are not written without it. */
static bool has_fence(const struct model_commit *commit, uint32_t partition)
{
    for (size_t i = 0; i < commit->touched_count; i++) {
        if (commit->touched[i].table == MODEL_PARTITION &&
            model_key_partition(&commit->touched[i].key) == partition)
            return true;
    }
    return broken("partition %u was written without its fence", partition);
}

/* What another file has found. */
static bool holds(const char *why)
{
    return !why || broken("%s", why);
}

static bool check_touched(const struct model_commit *commit, const struct model_touched *touched)
{
    switch (touched->table) {
    case MODEL_PARTITION:
        return touched_partition(commit, touched);
    case MODEL_CLAIM:
        return touched_claim(commit, touched);
    case MODEL_MOVEMENT:
        return touched_movement(commit, touched);
    case MODEL_LEVEL:
        return touched_level(commit, touched);
    case MODEL_RESERVATION:
        return touched_reservation(commit, touched);
    case MODEL_ITEM:
        return touched_record(touched);
    case MODEL_RUN:
    case MODEL_RUN_BLOCK:
        return holds(model_audit_run(commit, touched));
    case MODEL_WORKER:
    case MODEL_ONCE:
    case MODEL_LINE:
    case MODEL_BARCODE:
    case MODEL_WAREHOUSE:
    case MODEL_REASON:
    case MODEL_CHECKPOINT:
    case MODEL_GONE_MOVEMENT:
    case MODEL_GONE_RESERVATION:
    case MODEL_GONE_LINE:
    case MODEL_TABLES:
        return true;
    }
    return true;
}

const char *model_audit_commit(const struct model_commit *commit)
{
    for (size_t i = 0; i < commit->movement_count; i++) {
        const struct movement *movement = commit->movements[i];
        if (!has_fence(commit, movement->partition) ||
            (movement->kind == HF__MOVEMENT_KIND__MOVEMENT_UNDONE &&
             !holds(model_audit_undo(commit->server, movement))))
            return found;
    }
    for (size_t i = 0; i < commit->touched_count; i++) {
        if (!check_touched(commit, &commit->touched[i]))
            return found;
    }
    return NULL;
}

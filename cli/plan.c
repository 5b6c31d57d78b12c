/* SPDX-License-Identifier: MIT
 *
 * The walk: some lines are read, those of one partition asked about together, a piece after
 * another, and told in the file's order. Partitions are asked at the same time; one piece of each
 * is under way, so that nobody waits for a plan. A warehouse or a reason that the file puts is
 * known to what comes after it everywhere, so such a line is asked about alone.
 */
#include "cli/plan.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"
#include "cli/plan_state.h"
#include "cli/run_engine.h"
#include "protocol/ids.h"

#define CHUNK_LINES 1024u
#define PIECE_LINES 64u

struct planned { /* a line of the chunk */
    struct bulk_line line;
    uint32_t partition;
    struct plan_outcome outcome;
    size_t next; /* of the same partition; SIZE_MAX: none */
    bool answered;
};

/* What is asked of a partition, now. */
struct piece {
    struct walk *walk;
    uint32_t partition;
    size_t lines[PIECE_LINES];
    size_t count;
};

struct walk {
    struct session *session;
    struct run_input *input;
    struct run_known *known;
    struct plan_state *state;
    struct bulk_reader *reader;
    uint32_t partitions;
    struct planned *lines;
    size_t count;
    size_t *head; /* by partition: its first line of the chunk that was not asked about */
    size_t flying;
    struct bulk_line waiting; /* read, and for the next chunk */
    bool has_waiting, ended;
    int code;
};

/* ------------------------------------------------------------- outcomes */

static void keep_text(struct planned *planned, const struct holdfast_result *result)
{
    char text[512];

    run_reason(result, text, sizeof text);
    planned->outcome.text = memory_copy(text);
}

static void keep_changes(struct walk *walk, struct planned *planned, const struct holdfast_dry *dry,
                         uint64_t sequence)
{
    size_t count =
        dry->result->level_count < dry->before_count ? dry->result->level_count : dry->before_count;
    struct plan_change *changes = memory_grow(NULL, count + 1, sizeof *changes);

    for (size_t i = 0; i < count; i++) {
        const struct holdfast_level *after = &dry->result->levels[i];
        changes[i] = (struct plan_change){
            .sku = memory_copy(after->sku),
            .warehouse = memory_copy(after->warehouse),
            .before = dry->before[i],
            .after = *after,
            /* What a dry run has changed has a version that is yet to come. */
            .first = dry->before[i].version <= sequence &&
                     !plan_state_has(walk->state, after->sku, after->warehouse),
        };
        changes[i].before.sku = changes[i].before.warehouse = NULL;
        changes[i].after.sku = changes[i].after.warehouse = NULL;
    }
    planned->outcome.changes = changes;
    planned->outcome.change_count = count;
}

static void keep_outcome(struct walk *walk, struct planned *planned, const struct holdfast_dry *dry,
                         uint64_t sequence)
{
    planned->answered = true;
    planned->outcome.status = dry->result->status;
    planned->outcome.text = NULL;
    if (dry->result->status != HOLDFAST_APPLIED)
        keep_text(planned, dry->result);
    keep_changes(walk, planned, dry, sequence);
    if (dry->result->reservation)
        planned->outcome.revision = dry->result->reservation->revision;
}

static void release_outcome(struct planned *planned)
{
    struct plan_outcome *outcome = &planned->outcome;

    for (size_t i = 0; i < outcome->change_count; i++) {
        free((char *)(uintptr_t)outcome->changes[i].sku);
        free((char *)(uintptr_t)outcome->changes[i].warehouse);
    }
    free((void *)(uintptr_t)outcome->changes);
    free((char *)(uintptr_t)outcome->text);
}

/* ------------------------------------------------------------- asking */

static void give_up(struct walk *walk, const struct holdfast_answer *answer)
{
    if (walk->code == 0)
        complain(walk->input->words, "%s: the plan cannot be made: %s%s%s",
                 holdfast_status_name(answer->status), answer->field, *answer->field ? ": " : "",
                 *answer->message ? answer->message : holdfast_status_text(answer->status));
    walk->code = holdfast_status_exit(answer->status);
    if (walk->code == 0)
        walk->code = EX_UNAVAILABLE;
}

static bool ask(struct walk *walk, struct piece *piece);

/* More than one message may carry, or than an owner does at once: then half of it, and the rest
 * later. False when it cannot be less; otherwise both are taken. */
static bool ask_less(struct piece *piece, struct holdfast_answer *answer)
{
    struct walk *walk = piece->walk;

    if (answer->status != HOLDFAST_TOO_LARGE || piece->count == 1 || walk->code != 0)
        return false;
    holdfast_answer_free(&answer);
    piece->count /= 2;
    walk->head[piece->partition] = piece->lines[piece->count];
    (void)ask(walk, piece);
    return true;
}

static void on_answer(void *data, struct holdfast_answer *answer)
{
    struct piece *piece = data;
    struct walk *walk = piece->walk;

    walk->flying--;
    if (ask_less(piece, answer))
        return;
    if (answer->status != HOLDFAST_APPLIED || answer->dry_count != piece->count) {
        give_up(walk, answer);
    } else {
        for (size_t i = 0; i < piece->count; i++)
            keep_outcome(walk, &walk->lines[piece->lines[i]], &answer->dry[i], answer->sequence);
        if (answer->state)
            plan_state_keep(walk->state, piece->partition, answer->state);
    }
    holdfast_answer_free(&answer);
    free(piece);
}

/* The next lines of the partition; NULL: there are none. */
static struct piece *take_piece(struct walk *walk, uint32_t partition)
{
    struct piece *piece;

    if (walk->head[partition] == SIZE_MAX)
        return NULL;
    piece = memory_grow(NULL, 1, sizeof *piece);
    *piece = (struct piece){.walk = walk, .partition = partition};
    while (walk->head[partition] != SIZE_MAX && piece->count < PIECE_LINES) {
        piece->lines[piece->count++] = walk->head[partition];
        walk->head[partition] = walk->lines[walk->head[partition]].next;
    }
    return piece;
}

static bool submit(struct walk *walk, struct piece *piece, const struct holdfast_query *query,
                   void (*done)(void *data, struct holdfast_answer *answer))
{
    char error[256];

    if (holdfast_submit_query(walk->session->client, query, done, piece, error, sizeof error)) {
        walk->flying++;
        return true;
    }
    complain(walk->input->words, "the plan cannot be made: %s", error);
    walk->code = EX_SOFTWARE;
    free(piece);
    return false;
}

static bool ask_dry(struct walk *walk, struct piece *piece, const struct bulk_line *const *lines)
{
    struct bulk_operation *operations = memory_grow(NULL, piece->count, sizeof *operations);
    struct holdfast_operation *list = memory_grow(NULL, piece->count, sizeof *list);

    for (size_t i = 0; i < piece->count; i++) {
        bulk_operation(walk->input->head.run, lines[i], &operations[i]);
        list[i] = operations[i].operation;
    }
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_DRY_RUN,
        .partition = piece->partition,
        .operations = list,
        .operation_count = piece->count,
        .state = plan_state_for(walk->state, lines, piece->count),
    };
    bool good = submit(walk, piece, &query, on_answer);
    free(operations);
    free(list);
    return good;
}

static size_t lines_of(const struct piece *piece, const struct bulk_line *lines[PIECE_LINES])
{
    for (size_t i = 0; i < piece->count; i++)
        lines[i] = &piece->walk->lines[piece->lines[i]].line;
    return piece->count;
}

static void on_reservations(void *data, struct holdfast_answer *answer)
{
    struct piece *piece = data;
    struct walk *walk = piece->walk;
    const struct bulk_line *lines[PIECE_LINES];
    const char *ids[PIECE_LINES];
    size_t count = plan_state_unknown(walk->state, lines, lines_of(piece, lines), ids);

    walk->flying--;
    if (ask_less(piece, answer))
        return;
    if (answer->status != HOLDFAST_APPLIED)
        give_up(walk, answer);
    else
        plan_state_learn(walk->state, piece->partition, ids, count, answer->reservations,
                         answer->reservation_count);
    holdfast_answer_free(&answer);
    if (walk->code == 0)
        (void)ask_dry(walk, piece, lines);
    else
        free(piece);
}

/* Takes the piece. */
static bool ask(struct walk *walk, struct piece *piece)
{
    const struct bulk_line *lines[PIECE_LINES];
    const char *ids[PIECE_LINES];
    size_t count = plan_state_unknown(walk->state, lines, lines_of(piece, lines), ids);
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_RESERVATION, .skus = ids, .sku_count = count};

    return count > 0 ? submit(walk, piece, &query, on_reservations) : ask_dry(walk, piece, lines);
}

static void wait_a_while(struct walk *walk)
{
    struct pollfd fd = {.fd = holdfast_fd(walk->session->client), .events = POLLIN};

    poll(&fd, 1, holdfast_deadline_ms(walk->session->client));
    holdfast_process(walk->session->client);
}

/* All partitions, a piece of each at a time. */
static void ask_chunk(struct walk *walk)
{
    bool more = true;

    while (more && walk->code == 0) {
        more = false;
        for (uint32_t p = 0; p < walk->partitions && walk->code == 0; p++) {
            struct piece *piece = take_piece(walk, p);
            if (piece && ask(walk, piece))
                more = true;
        }
        holdfast_process(walk->session->client);
        while (walk->flying > 0)
            wait_a_while(walk);
        if (was_interrupted() && walk->code == 0)
            walk->code = EXIT_INTERRUPTED;
    }
}

/* ------------------------------------------------------------- reading */

static bool is_for_all(const struct bulk_line *line)
{
    return line->kind == HOLDFAST_PUT_WAREHOUSE || line->kind == HOLDFAST_PUT_REASON;
}

static uint32_t partition_of_line(const struct walk *walk, const struct bulk_line *line)
{
    uint8_t id[RESERVATION_ID_BYTES];

    if (is_for_all(line))
        return 0;
    if (line->reservation[0] == '\0')
        return holdfast_partition_of(line->sku, walk->partitions);
    if (!reservation_id_parse(line->reservation, strlen(line->reservation), id) ||
        reservation_id_partition(id) >= walk->partitions)
        return 0;
    return reservation_id_partition(id);
}

/* Is it recorded as applied? */
static bool is_done(struct walk *walk, const struct bulk_line *line)
{
    if (!walk->known)
        return false;
    const struct holdfast_run_line *known =
        run_known_line(walk->known, (uint32_t)line->index, &walk->code);
    return known && known->status == HOLDFAST_APPLIED;
}

static bool read_line(struct walk *walk, struct bulk_line *line)
{
    if (walk->has_waiting) {
        *line = walk->waiting;
        walk->has_waiting = false;
        return true;
    }
    if (walk->ended)
        return false;
    switch (bulk_next(walk->reader, line)) {
    case BULK_LINE:
        return true;
    case BULK_FAULTY:
        walk->code = EX_DATAERR;
        break;
    case BULK_END:
        break;
    }
    walk->ended = true;
    return false;
}

static void read_chunk(struct walk *walk, size_t *tail)
{
    walk->count = 0;
    for (uint32_t p = 0; p < walk->partitions; p++)
        walk->head[p] = tail[p] = SIZE_MAX;
    while (walk->count < CHUNK_LINES && walk->code == 0) {
        struct planned *planned = &walk->lines[walk->count];
        memset(&planned->outcome, 0, sizeof planned->outcome);
        planned->answered = false;
        planned->next = SIZE_MAX;
        if (!read_line(walk, &planned->line))
            return;
        bool alone = is_for_all(&planned->line);
        if (alone && walk->count > 0) {
            walk->waiting = planned->line;
            walk->has_waiting = true;
            return;
        }
        planned->outcome.line = &planned->line;
        planned->outcome.done = is_done(walk, &planned->line);
        planned->partition = partition_of_line(walk, &planned->line);
        if (!planned->outcome.done) {
            size_t *at = tail[planned->partition] == SIZE_MAX
                             ? &walk->head[planned->partition]
                             : &walk->lines[tail[planned->partition]].next;
            *at = tail[planned->partition] = walk->count;
        }
        walk->count++;
        if (alone)
            return;
    }
}

static bool tell_chunk(struct walk *walk, plan_visit *visit, void *data)
{
    bool more = true;

    for (size_t i = 0; i < walk->count; i++) {
        struct planned *planned = &walk->lines[i];
        if (more && walk->code == 0 && (planned->answered || planned->outcome.done))
            more = visit(data, &planned->outcome);
        release_outcome(planned);
    }
    return more && walk->code == 0;
}

/* How many there are is known as soon as somebody has answered. */
static uint32_t partitions_of(struct walk *walk)
{
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_WAREHOUSE, .limit = 1};

    if (holdfast_partitions(walk->session->client) == 0) {
        struct holdfast_answer *answer = session_ask(walk->session, &query, &walk->code);
        holdfast_answer_free(&answer);
    }
    return holdfast_partitions(walk->session->client);
}

int plan_walk(struct session *session, struct run_input *input, struct run_known *known,
              plan_visit *visit, void *data)
{
    struct walk walk = {.session = session, .input = input, .known = known};
    bool more = true;

    walk.partitions = partitions_of(&walk);
    if (walk.code != 0)
        return walk.code;
    walk.reader = bulk_open(input->file, &input->options, &input->head);
    if (!walk.reader) {
        complain(input->words, "out of memory");
        return EX_OSERR;
    }
    size_t *tail = memory_grow(NULL, walk.partitions, sizeof *tail);
    walk.state = plan_state_new();
    walk.lines = memory_grow(NULL, CHUNK_LINES, sizeof *walk.lines);
    walk.head = memory_grow(NULL, walk.partitions, sizeof *walk.head);
    while (more && walk.code == 0) {
        read_chunk(&walk, tail);
        if (walk.count == 0)
            break;
        ask_chunk(&walk);
        more = tell_chunk(&walk, visit, data);
    }
    plan_state_destroy(&walk.state);
    bulk_close(&walk.reader);
    free(walk.lines);
    free(walk.head);
    free(tail);
    return walk.code;
}

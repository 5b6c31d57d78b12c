/* SPDX-License-Identifier: MIT
 *
 * tests/history: the checker is itself checked. Each file of tests/history/bad breaks one rule (its
 * first line says which findings it must give), each of good none. And no single figure of a good
 * history may be changed without a finding.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <dirent.h>

#include "common/arena.h"
#include "protocol/holdfast.pb-c.h"
#include "tests/history/history.h"

static const char *const rules[] = {"sequence", "epoch",   "clock",    "rows",   "once",
                                    "phantom",  "balance", "oversold", "hold",   "effect",
                                    "order",    "lost",    "denied",   "result", "certain",
                                    "settled",  "refusal", "final",    "undone", "run"};
#define RULES (sizeof rules / sizeof rules[0])

/* ------------------------------------------------------------- files and verdicts */

struct verdict {
    bool found[RULES];
    size_t count;
    char first[1024];
};

static void note_finding(void *data, const char *rule, const char *text)
{
    struct verdict *verdict = data;

    for (size_t i = 0; i < RULES; i++) {
        if (strcmp(rules[i], rule) == 0) {
            verdict->found[i] = true;
            if (verdict->count++ == 0)
                snprintf(verdict->first, sizeof verdict->first, "%s: %s", rule, text);
            return;
        }
    }
    fail_msg("a rule without a name in the test: %s", rule);
}

/* False: not of the format; error says why. */
static bool judge_text(const char *text, size_t length, struct verdict *verdict, bool *cut,
                       char *error, size_t error_bytes)
{
    const struct history_options options = {.partitions = 1, .clock_skew_us = -1};
    struct history *history = history_new(&options);
    FILE *file = fmemopen((char *)(uintptr_t)text, length, "r");

    assert_non_null(file);
    memset(verdict, 0, sizeof *verdict);
    bool good = history_read(history, file, "text", cut, error, error_bytes);
    if (good)
        history_judge(history, note_finding, verdict);
    fclose(file);
    history_destroy(&history);
    return good;
}

static char *read_whole(const char *path, size_t *length)
{
    FILE *file = fopen(path, "r");
    char *text = malloc(1 << 20);

    assert_non_null(file);
    assert_non_null(text);
    *length = fread(text, 1, (1 << 20) - 1, file);
    text[*length] = '\0';
    fclose(file);
    return text;
}

static bool is_expected(const char *first_line, const char *rule)
{
    char line[256], *rest = line, *word;

    snprintf(line, sizeof line, "%.*s", (int)strcspn(first_line, "\n"), first_line);
    while ((word = strsep(&rest, " ")) != NULL) {
        if (strcmp(word, rule) == 0)
            return true;
    }
    return false;
}

/* Judges every file of the folder; covered: rules that some file expects. */
static size_t judge_folder(const char *folder, bool *covered)
{
    DIR *open_folder = opendir(folder);
    struct dirent *entry;
    size_t files = 0;

    assert_non_null(open_folder);
    while ((entry = readdir(open_folder)) != NULL) {
        struct verdict verdict;
        char path[512], error[400];
        size_t length;
        if (!strstr(entry->d_name, ".txt"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        char *text = read_whole(path, &length);
        if (!judge_text(text, length, &verdict, NULL, error, sizeof error))
            fail_msg("%s: %s", path, error);
        assert_int_equal(strncmp(text, "# expect: ", 10), 0);
        for (size_t i = 0; i < RULES; i++) {
            bool expected = is_expected(text, rules[i]);
            if (expected != verdict.found[i])
                fail_msg("%s: %s is %s; first finding: %s", path, rules[i],
                         expected ? "expected and not found" : "found and not expected",
                         verdict.first);
            covered[i] = covered[i] || expected;
        }
        free(text);
        files++;
    }
    closedir(open_folder);
    return files;
}

static void test_good(void **state)
{
    bool covered[RULES] = {0};

    (void)state;
    assert_true(judge_folder("tests/history/good", covered) >= 4);
    for (size_t i = 0; i < RULES; i++)
        assert_false(covered[i]);
}

static void test_bad(void **state)
{
    bool covered[RULES] = {0};

    (void)state;
    judge_folder("tests/history/bad", covered);
    for (size_t i = 0; i < RULES; i++) {
        if (!covered[i])
            fail_msg("no bad history for rule %s", rules[i]);
    }
}

/* ------------------------------------------------------------- every figure counts */

/* Figures that say nothing which could be wrong: the clients' own, an epoch that rises, a moment
 * more or less. */
static bool is_free(const char *line, const char *field, long long by)
{
    static const char *const always[] = {"time", "call", "attempt", "epoch", "replayed"};

    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        if (strcmp(field, always[i]) == 0)
            return true;
    }
    return (strcmp(field, "at_us") == 0 && by == 1) || strncmp(line, "history", 7) == 0 ||
           strncmp(line, "invoke", 6) == 0;
}

/* The text with the number at `at` raised by `by`; a digest of digits alone, which is too large for
 * that, in its last digit. Free it. */
static char *with_number(const char *text, const char *at, long long by)
{
    char *end, *changed = malloc(strlen(text) + 32);

    errno = 0;
    long long number = strtoll(at, &end, 10);
    assert_non_null(changed);
    if (errno == ERANGE) {
        strcpy(changed, text);
        changed[end - text - 1] = end[-1] == '9' ? '0' : (char)(end[-1] + 1);
        return changed;
    }
    sprintf(changed, "%.*s%lld%s", (int)(at - text), text, number + by, end);
    return changed;
}

static void change_each(const char *text, const char *file, long long by, size_t *changes)
{
    for (const char *at = strchr(text, '='); at; at = strchr(at + 1, '=')) {
        const char *field = at, *line = at;
        char name[64], *end;
        struct verdict verdict;
        char error[400];
        while (field[-1] != '\t' && field[-1] != '\n')
            field--;
        while (line > text && line[-1] != '\n')
            line--;
        snprintf(name, sizeof name, "%.*s", (int)(at - field), field);
        strtoll(at + 1, &end, 10);
        if (end == at + 1 || (*end != '\t' && *end != '\n') || line[0] == '#' ||
            is_free(line, name, by))
            continue;
        char *changed = with_number(text, at + 1, by);
        bool read = judge_text(changed, strlen(changed), &verdict, NULL, error, sizeof error);
        if (read && verdict.count == 0)
            fail_msg("%s: %s of \"%.80s\" is %+lld and nobody finds it", file, name, line, by);
        free(changed);
        (*changes)++;
    }
}

static void test_every_figure_counts(void **state)
{
    static const char *const files[] = {
        "tests/history/good/every-operation.txt", "tests/history/good/unknown-and-settled.txt",
        "tests/history/good/runs-and-undos.txt", "tests/history/good/count-list.txt"};
    size_t changes = 0;

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        size_t length;
        char *text = read_whole(files[i], &length);
        change_each(text, files[i], 1, &changes);
        change_each(text, files[i], 100000000, &changes);
        free(text);
    }
    print_message("%zu figures changed\n", changes);
    assert_true(changes > 1000);
}

/* ------------------------------------------------------------- the text form */

/* A client that is killed leaves any beginning of its last line. */
static void test_cut_anywhere(void **state)
{
    struct verdict verdict;
    char error[400];
    size_t length;
    char *text = read_whole("tests/history/good/unknown-and-settled.txt", &length);
    size_t end = length;

    (void)state;
    /* Behind the last event of a client there is the dump of the tables. */
    while (strncmp(text + end, "\nlevel\t", 7) != 0)
        end--;
    for (size_t at = end; text[at - 1] != '\n'; at--) {
        bool cut = false;
        bool good = judge_text(text, at, &verdict, &cut, error, sizeof error);
        if (!good || !cut || verdict.count > 0)
            fail_msg("cut at %zu: %s", at, good ? verdict.first : error);
    }
    free(text);
}

static void test_what_is_no_line(void **state)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"history\tpartitions=1\nnonsense\n", "text:2: nonsense: not an event"},
        {"invoke\ttime=1\tcall=1\tkind=reserve\n", "text:1: time, call or id: lacks a field"},
        {"invoke\ttime=1\tcall=1\tid=x\tkind=reserve\n",
         "text:1: call: not an id, or a call that was invoked before"},
        {"result\ttime=1\tcall=1\tstatus=applied\n",
         "text:1: call: the call was not invoked, or answered before"},
        {"movement\tseq=-1\n", "text:1: seq: not a field, or not a value of it"},
        {"movement\tkind=sold\n", "text:1: kind: not a field, or not a value of it"},
        {"movement\tpartition=65536\n", "text:1: partition: too large"},
        {"movement\tcolour=red\n", "text:1: colour: not a field, or not a value of it"},
        {"level\tsku\n", "text:1: sku: not a field, or not a value of it"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct verdict verdict;
        char error[400] = "";
        assert_false(
            judge_text(bad[i].text, strlen(bad[i].text), &verdict, NULL, error, sizeof error));
        assert_string_equal(error, bad[i].error);
    }
}

/* What the writers write of each kind is read as the same again. */
static void test_round_trip(void **state)
{
    const struct holdfast_line lines[] = {{"sku with = and @", "W", 3}, {"B", NULL, 1}};
    const char *const near[] = {"W", "Vä"};
    const struct holdfast_operation operation = {
        .kind = HOLDFAST_RESERVE,
        .operation_id = "01900000-0000-7000-8000-000000000001",
        .attempt = 2,
        .lines = lines,
        .line_count = 2,
        .ttl_ms = 5000,
        .policy = HOLDFAST_NEAREST_FIRST,
        .warehouses = near,
        .warehouse_count = 2,
        .may_split = true,
        .note = "a\tb",
    };
    const struct holdfast_level level = {.sku = "A", .warehouse = "W", .on_hand = 7, .version = 9};
    const struct holdfast_result settled = {.levels = &level, .level_count = 1, .sequence = 9};
    const struct holdfast_shortage shortage = {"A", "", 3, 2};
    const struct holdfast_result result = {.status = HOLDFAST_INSUFFICIENT_STOCK,
                                           .kind = HOLDFAST_KIND_REFUSED,
                                           .field = "",
                                           .message = "no\nmore",
                                           .shortages = &shortage,
                                           .shortage_count = 1,
                                           .settle = HOLDFAST_SETTLE_VOID,
                                           .settled = &settled};
    static const char want[] =
        "invoke\ttime=5\tcall=7\tid=01900000-0000-7000-8000-000000000001\tattempt=2\tkind=reserve\t"
        "ttl_ms=5000\tpolicy=nearest_first\tmay_split=1\tnote=a?b\tline\tsku=sku with = and @\t"
        "warehouse=W\tquantity=3\tline\tsku=B\tquantity=1\tchoice\twarehouse=W\tchoice\t"
        "warehouse=Vä\n"
        "result\ttime=6\tcall=7\tstatus=insufficient_stock\tmessage=no?more\tsettle="
        "void\tshortage\t"
        "sku=A\trequested=3\tavailable=2\tsettled\tstatus=applied\tsequence=9\tlevel\tsku=A\t"
        "warehouse=W\ton_hand=7\tversion=9\n";
    struct verdict verdict;
    char error[400], got[2048];
    int pipes[2];

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_true(history_write_invoke(pipes[1], 7, 5, &operation));
    assert_true(history_write_result(pipes[1], 7, 6, &result));
    ssize_t length = read(pipes[0], got, sizeof got - 1);
    assert_true(length > 0);
    got[length] = '\0';
    assert_string_equal(got, want);
    if (!judge_text(got, (size_t)length, &verdict, NULL, error, sizeof error))
        fail_msg("%s", error);
    close(pipes[0]);
    close(pipes[1]);
}

/* ------------------------------------------------------------- a long one */

#define MANY 100000u
#define CLIENTS 64u

static void id_of(uint8_t id[UUID_BYTES], uint32_t number)
{
    uint8_t random[10] = {0};

    memcpy(random + 4, &number, sizeof number);
    uuid_v7(id, 1700000000000000, random);
}

struct world {
    struct history *history;
    uint64_t seq;
    int64_t on_hand, reserved;
    uint64_t on_hand_version, version;
};

static void add_movement(struct world *world, uint32_t number, int kind, int64_t d_on_hand,
                         int64_t d_reserved, int64_t time_us)
{
    struct history_movement row = {.seq = ++world->seq,
                                   .kind = kind,
                                   .epoch = 1,
                                   .at_us = time_us,
                                   .sku = "A",
                                   .warehouse =
                                       kind == HF__MOVEMENT_KIND__MOVEMENT_ITEM_PUT ? "" : "W"};
    id_of(row.operation_id, number);
    if (row.warehouse[0] != '\0') {
        row.prev = world->version;
        world->version = row.seq;
        if (d_on_hand != 0)
            world->on_hand_version = row.seq;
        world->on_hand += d_on_hand;
        world->reserved += d_reserved;
        row.d_on_hand = d_on_hand;
        row.d_reserved = d_reserved;
        row.after.on_hand = world->on_hand;
        row.after.reserved = world->reserved;
        row.on_hand_version = world->on_hand_version;
    }
    if (kind == HF__MOVEMENT_KIND__MOVEMENT_RESERVED) {
        row.has_reservation = true;
        reservation_id_make(row.reservation_id, 0, row.operation_id);
        row.state = HOLDFAST_STATE_ACTIVE;
        row.revision = 1;
        row.expires_at_us = time_us + 1000000;
        row.line_after = (struct history_line){.quantity = d_reserved, .reserved = d_reserved};
    }
    history_movement(world->history, &row);
}

/* One hot SKU, 64 at once: a reserve of one, a receive of one, and every third is refused when
 * nothing is left. Applied calls get no answer, so that every interval is as wide as it can be. */
static void test_many(void **state)
{
    const struct history_options options = {.partitions = 1, .clock_skew_us = -1};
    struct world world = {.history = history_new(&options)};
    const struct holdfast_line one = {"A", "W", 1};
    struct verdict verdict = {0};
    char id[UUID_TEXT_BYTES];
    uint8_t bytes[UUID_BYTES];

    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        const struct holdfast_shortage none = {"A", "W", 1, 0};
        struct holdfast_result result = {.status = HOLDFAST_INSUFFICIENT_STOCK,
                                         .kind = HOLDFAST_KIND_REFUSED,
                                         .shortages = &none,
                                         .shortage_count = 1};
        struct holdfast_operation operation = {.kind =
                                                   i % 3 == 1 ? HOLDFAST_RECEIVE : HOLDFAST_RESERVE,
                                               .operation_id = id,
                                               .lines = &one,
                                               .line_count = 1,
                                               .ttl_ms = 1000};
        if (i == 0)
            operation = (struct holdfast_operation){
                .kind = HOLDFAST_PUT_ITEM, .operation_id = id, .sku = "A"};
        int64_t time_us = 1000000 + (int64_t)i * 10;
        id_of(bytes, i);
        uuid_format(bytes, id);
        assert_true(history_invoke(world.history, i, time_us, &operation));
        if (i % 3 == 0 && i > 0)
            assert_true(history_result(world.history, i, time_us + CLIENTS * 10, &result));
        else
            add_movement(&world, i,
                         i == 0       ? HF__MOVEMENT_KIND__MOVEMENT_ITEM_PUT
                         : i % 3 == 1 ? HF__MOVEMENT_KIND__MOVEMENT_RECEIVED
                                      : HF__MOVEMENT_KIND__MOVEMENT_RESERVED,
                         i % 3 == 1, i % 3 == 2, time_us + 5);
    }
    history_judge(world.history, note_finding, &verdict);
    const struct history_figures *figures = history_figures(world.history);
    if (verdict.count > 0)
        fail_msg("%s", verdict.first);
    assert_int_equal(figures->calls, MANY);
    assert_int_equal(figures->refusals_judged, MANY / 3);
    /* However wide the interval is: a refusal is tried until it is true, and not at every state. */
    assert_true(figures->moments <= 2 * figures->refusals_judged);
    history_destroy(&world.history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_every_figure_counts),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_what_is_no_line),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * A handle of the client library that reads and writes as it is told, a line at a time, and answers
 * each with a line of JSON. For tests/integration/76-view-client.py: one process, one session.
 *
 *   reader CLUSTER_FILE TIMEOUT_MS
 *
 *   HOW is own, any, latest or owner, and may have a most staleness in ms behind a colon.
 *   stock HOW SKU…             barcode HOW CODE…        orders HOW ORDER…
 *   reservations HOW [ID…]     totals HOW               status HOW
 *   levels HOW LIMIT CURSOR    skus HOW LIMIT CURSOR [AFTER]      (- is no cursor)
 *   receive SKU QUANTITY WAREHOUSE      at_least PARTITION SEQUENCE       positions
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/holdfast_view.h"

#define WORDS_MAX 300
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *word;
    enum holdfast_view_kind kind;
} kinds[] = {
    {"stock", HOLDFAST_VIEW_STOCK},   {"barcode", HOLDFAST_VIEW_BARCODE},
    {"orders", HOLDFAST_VIEW_ORDERS}, {"reservations", HOLDFAST_VIEW_RESERVATIONS},
    {"totals", HOLDFAST_VIEW_TOTALS}, {"status", HOLDFAST_VIEW_STATUS},
    {"levels", HOLDFAST_VIEW_LEVELS}, {"skus", HOLDFAST_VIEW_LEVELS},
};

static void read_how(struct holdfast_view_query *query, const char *how)
{
    static const char *const names[] = {"own", "any", "latest", "owner"};
    const char *colon = strchr(how, ':');
    size_t length = colon ? (size_t)(colon - how) : strlen(how);

    for (size_t i = 0; i < COUNT(names); i++) {
        if (strlen(names[i]) == length && memcmp(names[i], how, length) == 0)
            query->consistency = (enum holdfast_consistency)i;
    }
    if (colon)
        query->max_staleness_ms = (uint32_t)strtoul(colon + 1, NULL, 10);
}

static void show(const struct holdfast_view_answer *answer)
{
    printf("{\"status\":\"%s\",\"field\":\"%s\",\"message\":\"%s\",\"view\":\"%s\","
           "\"from_owner\":%d,\"unknown_partitions\":%u,\"age_us\":%lld,\"matched\":%llu,"
           "\"more\":%d,\"cursor\":\"%s\",\"stock\":[",
           holdfast_status_name(answer->status), answer->field, answer->message, answer->view,
           answer->from_owner, answer->unknown_partitions, (long long)answer->age_us,
           (unsigned long long)answer->matched, answer->more, answer->cursor ? answer->cursor : "");
    for (size_t i = 0; i < answer->stock_count; i++) {
        const struct holdfast_view_stock *s = &answer->stock[i];
        printf("%s{\"sku\":\"%s\",\"knowledge\":\"%s\",\"exists\":%d,\"from_owner\":%d,"
               "\"partition\":%u,\"sequence\":%llu,\"age_us\":%lld,\"on_hand\":%u,\"available\":%u,"
               "\"levels\":%zu,\"name\":\"%s\"}",
               i ? "," : "", s->sku, holdfast_knowledge_name(s->knowledge), s->exists,
               s->from_owner, s->partition, (unsigned long long)s->sequence, (long long)s->age_us,
               s->total.on_hand, s->total.available, s->level_count, s->item ? s->item->name : "");
    }
    printf("],\"levels\":[");
    for (size_t i = 0; i < answer->level_count; i++)
        printf("%s[\"%s\",\"%s\",%u]", i ? "," : "", answer->levels[i].level.sku,
               answer->levels[i].level.warehouse, answer->levels[i].level.on_hand);
    printf("],\"reservations\":[");
    for (size_t i = 0; i < answer->reservation_count; i++)
        printf("%s[\"%s\",\"%s\",\"%s\",%zu]", i ? "," : "", answer->reservations[i].reservation,
               holdfast_state_name(answer->reservations[i].state), answer->reservations[i].order,
               answer->reservations[i].line_count);
    printf("],\"unknown_keys\":[");
    for (size_t i = 0; i < answer->unknown_key_count; i++)
        printf("%s\"%s\"", i ? "," : "", answer->unknown_keys[i]);
    printf("],\"totals\":[");
    for (size_t i = 0; i < answer->total_count; i++)
        printf("%s[\"%s\",%llu]", i ? "," : "", answer->totals[i].warehouse,
               (unsigned long long)answer->totals[i].on_hand);
    printf("],\"name\":\"%s\"}\n", answer->view_status ? answer->view_status->name : "");
}

static void run_read(struct holdfast *client, const char *word, const char **words, size_t count)
{
    struct holdfast_view_query query = {.by_sku = strcmp(word, "skus") == 0};
    bool is_page = query.by_sku || strcmp(word, "levels") == 0;

    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (strcmp(kinds[i].word, word) == 0)
            query.kind = kinds[i].kind;
    }
    if (count > 0)
        read_how(&query, words[0]);
    if (is_page && count >= 3) {
        query.limit = (uint32_t)strtoul(words[1], NULL, 10);
        query.cursor = strcmp(words[2], "-") == 0 ? NULL : words[2];
        query.after = count > 3 ? words[3] : NULL;
    } else if (count > 1) {
        query.keys = words + 1;
        query.key_count = count - 1;
    }
    struct holdfast_view_answer *answer = holdfast_view_ask(client, &query);
    show(answer);
    holdfast_view_answer_free(&answer);
}

static void run_receive(struct holdfast *client, const char **words)
{
    struct holdfast_line line = {
        .sku = words[0], .quantity = (uint32_t)strtoul(words[1], NULL, 10), .warehouse = words[2]};
    struct holdfast_operation operation = {
        .kind = HOLDFAST_RECEIVE, .lines = &line, .line_count = 1};
    struct holdfast_result *result = holdfast_call(client, &operation);

    printf("{\"status\":\"%s\",\"partition\":%u,\"sequence\":%llu}\n",
           holdfast_status_name(result->status), result->partition,
           (unsigned long long)result->sequence);
    holdfast_result_free(&result);
}

static void run_positions(struct holdfast *client)
{
    struct holdfast_position positions[64];
    size_t count = holdfast_view_positions(client, positions, COUNT(positions));

    printf("[");
    for (size_t i = 0; i < count && i < COUNT(positions); i++)
        printf("%s[%u,%llu]", i ? "," : "", positions[i].partition,
               (unsigned long long)positions[i].sequence);
    printf("]\n");
}

static void run(struct holdfast *client, char *line)
{
    const char *words[WORDS_MAX];
    size_t count = 0;
    char *rest = NULL;

    for (char *word = strtok_r(line, " \n", &rest); word && count < WORDS_MAX;
         word = strtok_r(NULL, " \n", &rest))
        words[count++] = word;
    if (count == 0)
        return;
    if (strcmp(words[0], "receive") == 0 && count == 4) {
        run_receive(client, words + 1);
    } else if (strcmp(words[0], "at_least") == 0 && count == 3) {
        struct holdfast_position position = {.partition = (uint32_t)strtoul(words[1], NULL, 10),
                                             .sequence = strtoull(words[2], NULL, 10)};
        printf("%d\n", holdfast_view_at_least(client, &position, 1));
    } else if (strcmp(words[0], "positions") == 0) {
        run_positions(client);
    } else {
        run_read(client, words[0], words + 1, count - 1);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct holdfast_options options = {.size = sizeof options};
    char error[512], *line = NULL;
    size_t size = 0;

    if (argc != 3)
        return 64;
    options.cluster_file = argv[1];
    options.timeout_ms = strtol(argv[2], NULL, 10);
    struct holdfast *client = holdfast_open(&options, error, sizeof error);
    if (!client) {
        fprintf(stderr, "%s\n", error);
        return 71;
    }
    while (getline(&line, &size, stdin) > 0)
        run(client, line);
    free(line);
    holdfast_close(&client);
    return 0;
}

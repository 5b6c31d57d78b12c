/* SPDX-License-Identifier: MIT
 *
 * See read.h.
 */
#include "cli/read.h"

#include <stdio.h>
#include <string.h>

#include "cli/lines.h"
#include "cli/parse.h"
#include "cli/report.h"

#define PAGE 1000

/* Older than this is worth a word. */
#define OLD_US 2000000

/* PARTITION:SEQUENCE, several with commas, as "partition" and "sequence" of a write's JSON have
 * them. */
static bool take_positions(struct session *session, const char *text)
{
    char one[64];

    for (const char *at = text; at;) {
        const char *comma = strchr(at, ',');
        size_t length = comma ? (size_t)(comma - at) : strlen(at);
        uint64_t partition, sequence;
        if (length >= sizeof one)
            return false;
        snprintf(one, sizeof one, "%.*s", (int)length, at);
        char *colon = strchr(one, ':');
        if (!colon)
            return false;
        *colon = '\0';
        if (!parse_number(one, &partition) || !parse_number(colon + 1, &sequence) ||
            partition > UINT16_MAX)
            return false;
        struct holdfast_position position = {.partition = (uint32_t)partition,
                                             .sequence = sequence};
        if (!holdfast_view_at_least(session->client, &position, 1))
            return false;
        at = comma ? comma + 1 : NULL;
    }
    return true;
}

/* What follows a word and an =; NULL: it is another word. */
static const char *value_of(const char *text, const char *word)
{
    size_t length = strlen(word);

    return strncmp(text, word, length) == 0 && text[length] == '=' ? text + length + 1 : NULL;
}

int read_consistency(const struct invocation *invocation, struct session *session,
                     struct holdfast_view_query *query)
{
    const char *how = option_text(invocation, "consistency"), *value;
    uint64_t ms;

    query->consistency = HOLDFAST_READ_LATEST;
    if (!how || strcmp(how, "latest") == 0)
        return 0;
    if (strcmp(how, "owner") == 0) {
        query->consistency = HOLDFAST_READ_OWNER;
        return 0;
    }
    query->consistency = HOLDFAST_READ_ANY;
    if (strcmp(how, "any") == 0)
        return 0;
    value = value_of(how, "max-staleness");
    if (value) {
        if (!parse_duration(value, &ms) || ms == 0 || ms > UINT32_MAX)
            return usage_error(invocation, "--consistency: max-staleness is a duration, such as "
                                           "max-staleness=5s");
        query->max_staleness_ms = (uint32_t)ms;
        return 0;
    }
    query->consistency = HOLDFAST_READ_OWN_WRITES;
    value = value_of(how, "at-least");
    if (!value)
        return usage_error(invocation, "--consistency is latest, any, owner, max-staleness=D or "
                                       "at-least=PARTITION:SEQUENCE");
    if (!take_positions(session, value))
        return usage_error(invocation, "--consistency: at-least is PARTITION:SEQUENCE, several "
                                       "with commas, such as at-least=12:340");
    return 0;
}

static bool has_something(const struct holdfast_view_answer *answer)
{
    return answer->stock_count > 0 || answer->level_count > 0 || answer->reservation_count > 0;
}

static void tell_stale(const struct holdfast_view_answer *answer)
{
    for (size_t i = 0; i < answer->stock_count; i++) {
        if (answer->stock[i].knowledge != HOLDFAST_KNOWLEDGE_STALE)
            continue;
        fprintf(stderr, "a view knows an older state: --consistency any shows it, with its age\n");
        return;
    }
}

struct holdfast_view_answer *session_read(struct session *session,
                                          const struct holdfast_view_query *query, int *code)
{
    struct holdfast_view_answer *answer = holdfast_view_ask(session->client, query);

    *code = 0;
    if (answer->status != HOLDFAST_APPLIED) {
        report_read_fault(answer);
        tell_stale(answer);
        *code = holdfast_status_exit(answer->status);
    } else if (answer->unknown_partitions > 0) {
        fprintf(stderr, "%u of %u partitions are not known: there may be more\n",
                answer->unknown_partitions, answer->partitions);
        *code = EX_UNAVAILABLE;
    }
    if (*code != 0 && !has_something(answer))
        holdfast_view_answer_free(&answer);
    return answer;
}

int session_find_warehouse(struct session *session, const char *warehouse)
{
    char after[CODE_BYTES_MAX + 1] = "";
    bool more = true;
    int code = 0;

    while (more) {
        struct holdfast_query query = {
            .kind = HOLDFAST_QUERY_WAREHOUSE, .after = after, .limit = PAGE};
        struct holdfast_answer *answer = session_ask(session, &query, &code);
        if (!answer)
            return code;
        bool found = false;
        for (size_t i = 0; i < answer->named_count; i++)
            found = found || strcmp(answer->named[i].code, warehouse) == 0;
        more = code == 0 && !found && answer->more && answer->named_count > 0;
        if (more)
            snprintf(after, sizeof after, "%s", answer->named[answer->named_count - 1].code);
        holdfast_answer_free(&answer);
        if (code != 0 || found)
            return code;
    }
    return not_found(HOLDFAST_UNKNOWN_WAREHOUSE, warehouse);
}

void read_tell_age(const struct invocation *invocation, const struct holdfast_view_answer *answer)
{
    if (!invocation->json && answer->age_us >= OLD_US)
        fprintf(stderr, "as of %lld.%lld s ago\n", (long long)(answer->age_us / 1000000),
                (long long)(answer->age_us / 100000 % 10));
}

/* SPDX-License-Identifier: MIT
 *
 * See session.h.
 */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/report.h"
#include "cli/session.h"
#include "common/clock.h"
#include "common/config.h"
#include "protocol/ids.h"
#include "protocol/text.h"

/* ------------------------------------------------------------- interrupts */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* SA_RESETHAND: the second ctrl-C ends the process whatever it is waiting for. */
void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool was_interrupted(void)
{
    return interrupted != 0;
}

/* ------------------------------------------------------------- opening */

/* Who typed this: the login name, also behind su; failing that, the name of the user id. */
static const char *login_name(void)
{
    static char name[CODE_BYTES_MAX + 1];
    const struct passwd *user;
    if (getlogin_r(name, sizeof(name)) == 0 && name[0] != '\0')
        return name;
    user = getpwuid(getuid());
    if (user != NULL)
        snprintf(name, sizeof(name), "%s", user->pw_name);
    else
        snprintf(name, sizeof(name), "uid-%u", (unsigned)getuid());
    return name;
}

static void set_identity(struct session *session)
{
    const struct invocation *invocation = session->invocation;
    const char *id = option_text(invocation, "id");
    uint8_t uuid[UUID_BYTES];
    session->attempt = id != NULL ? 2 : 1;
    if (id != NULL)
        snprintf(session->id, sizeof(session->id), "%s", id);
    else
        holdfast_new_operation_id(session->id);
    /* An id of version 7 carries its time, so that what is derived from it is the same each time.
     */
    session->id_time_us = uuid_parse(session->id, uuid) && uuid_version(uuid) == 7
                              ? uuid_time_us(uuid)
                              : clock_wall_us();
    session->actor = option_text(invocation, "actor");
    if (session->actor == NULL)
        session->actor = login_name();
    session->note = option_text(invocation, "note");
}

/* 0, or it was told why not. An empty name would be nobody's in the ledger. */
static int check_actor(const struct invocation *invocation)
{
    bool writes = invocation->command->flags & COMMAND_WRITE;
    const char *actor = writes ? option_text(invocation, "actor") : NULL;
    const char *fault = NULL;
    if (actor != NULL)
        fault = *actor == '\0' ? "is empty" : text_fault(actor, strlen(actor), CODE_BYTES_MAX);
    return fault == NULL ? 0 : usage_error(invocation, "--actor %s", fault);
}

int session_config(const struct invocation *invocation, struct config *config, char *path,
                   size_t path_bytes)
{
    char error[4096];

    if (!config_find(invocation->cluster_file, path, path_bytes, error, sizeof error)) {
        complain(invocation->command->words, "%s", error);
        return EX_OSERR;
    }
    if (!config_read(config, path, error, sizeof error)) {
        fprintf(stderr, "%s\n", error); /* a line for each fault, with its place */
        return EX_DATAERR;
    }
    return 0;
}

int session_open(struct session *session, const struct invocation *invocation,
                 enum holdfast_class op_class, uint64_t timeout_ms)
{
    char path[CONFIG_PATH_BYTES], error[2048];
    struct holdfast_options options = {
        .size = sizeof(options), .cluster_file = path, .op_class = op_class};
    *session = (struct session){.invocation = invocation};
    if (!config_find(invocation->cluster_file, path, sizeof(path), error, sizeof(error))) {
        complain(invocation->command->words, "%s", error);
        return EX_OSERR;
    }
    options.timeout_ms = (int64_t)option_number(invocation, "timeout", timeout_ms);
    if (option_given(invocation, "timeout") && options.timeout_ms == 0)
        return usage_error(invocation, "--timeout must be longer than nothing");
    int code = check_actor(invocation);
    if (code != 0)
        return code;
    session->client = holdfast_open(&options, error, sizeof(error));
    if (session->client == NULL) {
        fprintf(stderr, "%s\n", error);
        return EX_DATAERR;
    }
    if (invocation->command->flags & COMMAND_WRITE)
        set_identity(session);
    return 0;
}

void session_close(struct session *session)
{
    if (session->client != NULL)
        holdfast_close(&session->client);
}

/* ------------------------------------------------------------- writes */

void session_stamp(const struct session *session, struct holdfast_operation *operation)
{
    operation->operation_id = session->id;
    operation->attempt = session->attempt;
    operation->actor = session->actor;
    operation->note = session->note;
    operation->id_time_us = 0;
    if (session->id[14] == '8')
        operation->id_time_us = session->id_time_us;
}

static void keep_result(void *data, struct holdfast_result *result)
{
    struct holdfast_result **kept = data;
    *kept = result;
}

/* Waits for readability or a signal, without the race between looking at the flag and sleeping. */
static void wait_for_client(struct holdfast *client)
{
    struct pollfd fd = {.fd = holdfast_fd(client), .events = POLLIN};
    int ms = holdfast_deadline_ms(client);
    struct timespec timeout = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    if (!was_interrupted())
        ppoll(&fd, 1, &timeout, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

struct holdfast_result *session_call(struct session *session,
                                     const struct holdfast_operation *operation)
{
    struct holdfast_result *result = NULL;
    char error[256];
    catch_interrupts();
    if (!holdfast_submit(session->client, operation, keep_result, &result, error, sizeof(error)))
        return holdfast_call(session->client, operation); /* says what is wrong with it */
    while (holdfast_process(session->client), result == NULL) {
        if (was_interrupted()) {
            report_interrupted(session->invocation, operation->settles != NULL
                                                        ? operation->settles
                                                        : operation->operation_id);
            holdfast_close(&session->client); /* calls back: the result is ours to free */
            holdfast_result_free(&result);
            return NULL;
        }
        wait_for_client(session->client);
    }
    return result;
}

int session_write(const struct invocation *invocation, struct holdfast_operation *operation)
{
    struct session session;
    struct holdfast_result *result;
    int code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0);
    if (code != 0)
        return code;
    session_stamp(&session, operation);
    result = session_call(&session, operation);
    code = EXIT_INTERRUPTED;
    if (result != NULL)
        code = report_result(invocation, operation, result, NULL);
    holdfast_result_free(&result);
    session_close(&session);
    return code;
}

/* ------------------------------------------------------------- queries */

static struct holdfast_answer *judge(struct holdfast_answer *answer, int *code)
{
    *code = 0;
    if (answer->status == HOLDFAST_APPLIED &&
        answer->partitions_answered >= answer->partitions_asked)
        return answer;
    report_answer_fault(answer);
    *code = holdfast_status_exit(answer->status);
    if (*code == 0)
        *code = EX_UNAVAILABLE;
    if (answer->partitions_answered == 0)
        holdfast_answer_free(&answer);
    return answer;
}

static void keep_answer(void *data, struct holdfast_answer *answer)
{
    struct holdfast_answer **kept = data;

    *kept = answer;
}

struct holdfast_answer *session_await(struct session *session, const struct holdfast_query *query)
{
    struct holdfast_answer *answer = NULL;
    char error[256];

    if (!session->client ||
        !holdfast_submit_query(session->client, query, keep_answer, &answer, error, sizeof error))
        return holdfast_ask(session->client, query); /* says why not */
    while (holdfast_process(session->client), answer == NULL) {
        if (was_interrupted())
            holdfast_close(&session->client); /* calls back */
        else
            wait_for_client(session->client);
    }
    return answer;
}

struct holdfast_answer *session_ask(struct session *session, const struct holdfast_query *query,
                                    int *code)
{
    return judge(holdfast_ask(session->client, query), code);
}

struct holdfast_answer *session_ask_page(struct session *session, struct holdfast_query *query,
                                         int *code)
{
    struct holdfast_answer *answer = holdfast_ask(session->client, query);

    while (answer->status == HOLDFAST_TOO_LARGE &&
           (query->limit > 1 || query->sequence_count > 1)) {
        holdfast_answer_free(&answer);
        query->limit /= 2;
        query->sequence_count /= 2;
        answer = holdfast_ask(session->client, query);
    }
    return judge(answer, code);
}

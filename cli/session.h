/* SPDX-License-Identifier: MIT
 *
 * One command's conversation with the cluster: opens the client, gives a write its id, actor and
 * note, waits for it so that ctrl-C tells what to do, and turns results into output and exit codes.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli/command.h"
#include "client/holdfast.h"

struct config;

struct session {
    const struct invocation *invocation;
    struct holdfast *client;
    char id[37];        /* of the write; new, or --id */
    uint16_t attempt;   /* 1 when the id is new, 2 when it was given: it may have been sent */
    int64_t id_time_us; /* for ids of version 8 */
    const char *actor;
    const char *note;
};

/* Finds and reads the cluster's file. 0, or an exit code after having told why: EX_OSERR when there
 * is none, EX_DATAERR when it is no good. path has room for CONFIG_PATH_BYTES. */
int session_config(const struct invocation *invocation, struct config *config, char *path,
                   size_t path_bytes);

/* 0, or an exit code after having told why. timeout_ms: when --timeout is not given; 0: the
 * library's own. */
int session_open(struct session *session, const struct invocation *invocation,
                 enum holdfast_class op_class, uint64_t timeout_ms);
void session_close(struct session *session);

/* Sets who and which id; operation_id of the operation must outlive the call. */
void session_stamp(const struct session *session, struct holdfast_operation *operation);

/* Runs a stamped operation. NULL when it was interrupted, after having told how to go on: exit with
 * EXIT_INTERRUPTED. The caller frees the result. */
struct holdfast_result *session_call(struct session *session,
                                     const struct holdfast_operation *operation);

/* Opens, stamps, calls, reports, closes: the whole of a command that is one operation. */
int session_write(const struct invocation *invocation, struct holdfast_operation *operation);

/* Asks. NULL after having told why, with *code: nothing was answered. An incomplete answer is
 * returned, after it was told that it is; *code is then EX_UNAVAILABLE, otherwise 0. */
struct holdfast_answer *session_ask(struct session *session, const struct holdfast_query *query,
                                    int *code);
/* The same for a page or a list of sequences; where query->limit or its sequence_count is more than
 * one message carries, it becomes less. */
struct holdfast_answer *session_ask_page(struct session *session, struct holdfast_query *query,
                                         int *code);

/* As holdfast_ask, for what may take long: after ctrl-C the client is closed and nothing more can
 * be asked; what came is returned, or that nothing did. */
struct holdfast_answer *session_await(struct session *session, const struct holdfast_query *query);

/* Ctrl-C and SIGTERM set a flag instead of ending the process; a second one ends it. */
void catch_interrupts(void);
bool was_interrupted(void);

#endif

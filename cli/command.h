/* SPDX-License-Identifier: MIT
 *
 * The command table and what a command is given. The table (commands.c) is the only place that
 * knows which commands and options exist: parsing, --help, completion and the check of the man page
 * are made from it. A command is one function, which gets what was typed already checked against
 * the table, and returns the exit code of the process.
 *
 * Data goes to stdout, everything else to stderr (complain). Exit codes are those of <sysexits.h>
 * where the contract has one: EX_USAGE 64, EX_DATAERR 65, EX_UNAVAILABLE 69, EX_OSERR 71,
 * EX_TEMPFAIL 75, EX_NOPERM 77.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sysexits.h>

#define EXIT_INTERRUPTED 130

enum option_kind {
    OPTION_FLAG,     /* --json */
    OPTION_TEXT,     /* --name T, or --name=T */
    OPTION_NUMBER,   /* a whole number, 0 to 18446744073709551615 */
    OPTION_QUANTITY, /* 0 to 999,999,999 */
    OPTION_DURATION, /* <int>(ms|s|m|h|d); the number is milliseconds */
    OPTION_UUID,     /* RFC 9562 text */
};

/* What completion offers for a value or an argument. */
enum completes {
    COMPLETES_NOTHING,
    COMPLETES_FILE,
    COMPLETES_FOLDER,
    COMPLETES_WAREHOUSE,
};

struct option_spec {
    const char *name; /* without --; NULL ends a table */
    enum option_kind kind;
    const char *value; /* how help calls the value: "DIR"; NULL for a flag */
    const char *help;  /* one line, lower case, no full stop */
    enum completes completes;
    bool required;
    bool repeats;
    const char *choices; /* OPTION_TEXT: "a|b" allows only these; NULL: anything */
};

enum command_flags {
    COMMAND_CLIENT = 1, /* talks to the cluster: takes --timeout */
    COMMAND_WRITE = 2,  /* an operation: takes --id, --actor, --note, --timeout */
    COMMAND_HIDDEN = 4, /* for our own processes: in no help, completion or man page */
};

#define ARGUMENTS_ANY (-1)

struct invocation;

struct command {
    const char *words;     /* "stock", or "warehouse put"; NULL ends the table */
    const char *arguments; /* as the synopsis shows them: "R [LINE…]"; "" for none */
    int arguments_min;
    int arguments_max; /* or ARGUMENTS_ANY */
    enum completes completes;
    unsigned flags;
    const struct option_spec *options; /* its own, ended by a NULL name; NULL: none */
    const char *summary;               /* one line, lower case, no full stop */
    const char *details;               /* paragraphs for --help, or NULL */
    const char *timeout;               /* what --timeout is when not given; NULL: 10s */
    int (*run)(const struct invocation *invocation);
};

#define OPTION_VALUES_MAX 96

struct option_value {
    const struct option_spec *spec;
    const char *text;
    uint64_t number;
};

/* What was typed. Strings belong to argv and live as long as the process. */
struct invocation {
    const struct command *command;
    const char *cluster_file; /* -C, or NULL: config_find looks for it */
    bool json;
    const char *const *arguments;
    size_t argument_count;
    struct option_value values[OPTION_VALUES_MAX];
    size_t value_count;
};

extern const struct command commands[];
/* Options that every command, every client and every write takes. */
extern const struct option_spec options_common[];
extern const struct option_spec options_client[];
extern const struct option_spec options_write[];

/* The value of an option of this command (or of a common one), the last if it was given more than
 * once. Asking for an option that the table lacks is a bug and asserts. */
bool option_given(const struct invocation *invocation, const char *name);
const char *option_text(const struct invocation *invocation,
                        const char *name); /* NULL: not given */
uint64_t option_number(const struct invocation *invocation, const char *name, uint64_t otherwise);
/* Writes at most max values of a repeatable option; returns how many were given. */
size_t option_list(const struct invocation *invocation, const char *name, const char **values,
                   size_t max);

/* `holdfast: <words>: <message>` on stderr; words may be NULL. Control characters in what is
 * printed are shown as `?`. */
void complain(const char *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with a hint where to read on; returns EX_USAGE. */
int usage_error(const struct invocation *invocation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* up/up.c, up/down.c, up/doctor.c, cli/status.c */
int cmd_up(const struct invocation *invocation);
int cmd_down(const struct invocation *invocation);
int cmd_status(const struct invocation *invocation);
int cmd_doctor(const struct invocation *invocation);

/* cli/cmd_*.c */
int cmd_version(const struct invocation *invocation);
int cmd_new_id(const struct invocation *invocation);
int cmd_warehouse_put(const struct invocation *invocation);
int cmd_warehouse_list(const struct invocation *invocation);
int cmd_item_put(const struct invocation *invocation);
int cmd_item_get(const struct invocation *invocation);
int cmd_item_list(const struct invocation *invocation);
int cmd_reason_put(const struct invocation *invocation);
int cmd_reason_list(const struct invocation *invocation);
int cmd_import(const struct invocation *invocation);
int cmd_plan(const struct invocation *invocation);
int cmd_apply(const struct invocation *invocation);
int cmd_undo(const struct invocation *invocation);
int cmd_run_list(const struct invocation *invocation);
int cmd_run_show(const struct invocation *invocation);
int cmd_stock(const struct invocation *invocation);
int cmd_reserve(const struct invocation *invocation);
int cmd_extend(const struct invocation *invocation);
int cmd_purchase(const struct invocation *invocation);
int cmd_release(const struct invocation *invocation);
int cmd_ship(const struct invocation *invocation);
int cmd_cancel(const struct invocation *invocation);
int cmd_return(const struct invocation *invocation);
int cmd_receive(const struct invocation *invocation);
int cmd_adjust(const struct invocation *invocation);
int cmd_count(const struct invocation *invocation);
int cmd_transfer(const struct invocation *invocation);
int cmd_quarantine(const struct invocation *invocation);
int cmd_restore(const struct invocation *invocation);
int cmd_safety_stock(const struct invocation *invocation);
int cmd_reservation_show(const struct invocation *invocation);
int cmd_reservation_list(const struct invocation *invocation);
int cmd_order(const struct invocation *invocation);
int cmd_history(const struct invocation *invocation);
int cmd_events(const struct invocation *invocation);
int cmd_subscription_list(const struct invocation *invocation);
int cmd_subscription_delete(const struct invocation *invocation);
int cmd_settle(const struct invocation *invocation);
int cmd_export(const struct invocation *invocation);
int cmd_audit(const struct invocation *invocation);

#endif

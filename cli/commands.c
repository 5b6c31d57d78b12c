/* SPDX-License-Identifier: MIT
 *
 * The command table. Everything that is said about a command, anywhere, comes from here; see
 * command.h. The order is that of `holdfast help`.
 */
#include "cli/command.h"

#define END_OF_OPTIONS                                                                             \
    {                                                                                              \
        .name = NULL                                                                               \
    }

const struct option_spec options_common[] = {
    {.name = "help", .kind = OPTION_FLAG, .help = "show this help and exit"},
    {.name = "json",
     .kind = OPTION_FLAG,
     .help = "print JSON: one object, or one a line for lists"},
    END_OF_OPTIONS,
};

const struct option_spec options_client[] = {
    {.name = "timeout",
     .kind = OPTION_DURATION,
     .value = "D",
     .help = "give up after this time, retries included (default 10s)"},
    END_OF_OPTIONS,
};

const struct option_spec options_write[] = {
    {.name = "id",
     .kind = OPTION_UUID,
     .value = "UUID",
     .help = "the operation's id: the same id takes effect once (default: a new one)"},
    {.name = "actor",
     .kind = OPTION_TEXT,
     .value = "NAME",
     .help = "who does it, for the ledger (default: your login name)"},
    {.name = "note", .kind = OPTION_TEXT, .value = "T", .help = "free text for the ledger"},
    END_OF_OPTIONS,
};

static const struct option_spec up_options[] = {
    {.name = "dir",
     .kind = OPTION_TEXT,
     .value = "DIR",
     .completes = COMPLETES_FOLDER,
     .help = "where the cluster lives (default ~/.local/share/holdfast)"},
    {.name = "shards",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "databases to start (default 1)"},
    {.name = "workers",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "workers for each shard (default 2)"},
    {.name = "partitions",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "partitions in all, fixed for ever (default 64)"},
    END_OF_OPTIONS,
};

static const struct option_spec down_options[] = {
    {.name = "dir",
     .kind = OPTION_TEXT,
     .value = "DIR",
     .completes = COMPLETES_FOLDER,
     .help = "where the cluster lives (default ~/.local/share/holdfast)"},
    {.name = "destroy", .kind = OPTION_FLAG, .help = "delete the data as well"},
    END_OF_OPTIONS,
};

static const struct option_spec dir_options[] = {
    {.name = "dir",
     .kind = OPTION_TEXT,
     .value = "DIR",
     .completes = COMPLETES_FOLDER,
     .help = "where the cluster lives (default ~/.local/share/holdfast)"},
    END_OF_OPTIONS,
};

const struct command commands[] = {
    {.words = "up",
     .arguments = "",
     .options = up_options,
     .summary = "start a cluster on this machine, or what of it is not running",
     .run = cmd_up},
    {.words = "down",
     .arguments = "",
     .options = down_options,
     .summary = "stop the cluster that `up` started; the data stays",
     .run = cmd_down},
    {.words = "status",
     .arguments = "",
     .options = dir_options,
     .flags = COMMAND_CLIENT,
     .summary = "show processes, partitions, queues and lags; exit 0 only if all is well",
     .run = cmd_status},
    {.words = "doctor",
     .arguments = "",
     .options = dir_options,
     .summary = "say what on this machine would keep `up` from working",
     .run = cmd_doctor},
    {.words = "version", .arguments = "", .summary = "show the version", .run = cmd_version},
    {.words = NULL},
};

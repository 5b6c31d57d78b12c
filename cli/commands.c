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
    {.name = "brokers",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "brokers, side by side (default 1)"},
    {.name = "views",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "views, side by side; 0: none (default 1)"},
    {.name = "relays",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "relays, side by side; 0: none (default 1)"},
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

static const struct option_spec name_options[] = {
    {.name = "name",
     .kind = OPTION_TEXT,
     .value = "T",
     .required = true,
     .help = "name for people"},
    END_OF_OPTIONS,
};

static const struct option_spec item_put_options[] = {
    {.name = "name",
     .kind = OPTION_TEXT,
     .value = "T",
     .required = true,
     .help = "name for people"},
    {.name = "barcode",
     .kind = OPTION_TEXT,
     .value = "GTIN",
     .repeats = true,
     .help = "a barcode; those that are not given again are dropped"},
    {.name = "reorder-point",
     .kind = OPTION_QUANTITY,
     .value = "N",
     .help = "announce low stock below this, over all warehouses (default 0: never)"},
    END_OF_OPTIONS,
};

static const struct option_spec list_options[] = {
    {.name = "limit",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "show at most this many (default 100)"},
    {.name = "after",
     .kind = OPTION_TEXT,
     .value = "CODE",
     .help = "go on after this code, by bytes"},
    END_OF_OPTIONS,
};

static const struct option_spec stock_options[] = {
    {.name = "warehouse",
     .kind = OPTION_TEXT,
     .value = "W",
     .completes = COMPLETES_WAREHOUSE,
     .help = "only this warehouse"},
    {.name = "limit",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "show at most this many (default 100)"},
    {.name = "after",
     .kind = OPTION_TEXT,
     .value = "SKU",
     .help = "go on after this sku, by bytes"},
    {.name = "consistency",
     .kind = OPTION_TEXT,
     .value = "HOW",
     .help = "latest (default), any, owner, max-staleness=D, at-least=PARTITION:SEQUENCE"},
    END_OF_OPTIONS,
};

static const struct option_spec reserve_options[] = {
    {.name = "ttl",
     .kind = OPTION_DURATION,
     .value = "D",
     .help = "release it by itself after this time, 1s to 30d (default 15m)"},
    {.name = "order",
     .kind = OPTION_TEXT,
     .value = "REF",
     .help = "your order number, for `order` and `reservation list`"},
    {.name = "policy",
     .kind = OPTION_TEXT,
     .value = "P",
     .choices = "most-available|nearest-first",
     .help = "which warehouse a LINE without one takes (default most-available)"},
    {.name = "warehouse",
     .kind = OPTION_TEXT,
     .value = "W",
     .completes = COMPLETES_WAREHOUSE,
     .repeats = true,
     .help = "warehouses for nearest-first, nearest first"},
    {.name = "may-split",
     .kind = OPTION_FLAG,
     .help = "a LINE without a warehouse may be taken from several"},
    END_OF_OPTIONS,
};

static const struct option_spec extend_options[] = {
    {.name = "ttl",
     .kind = OPTION_DURATION,
     .value = "D",
     .required = true,
     .help = "from now, 1s to 30d"},
    END_OF_OPTIONS,
};

static const struct option_spec purchase_options[] = {
    {.name = "keep-remainder",
     .kind = OPTION_FLAG,
     .help = "what is not purchased stays reserved; otherwise it is released"},
    {.name = "revive",
     .kind = OPTION_FLAG,
     .help = "hold and purchase again what has expired, if all of it is still there"},
    END_OF_OPTIONS,
};

static const struct option_spec reference_options[] = {
    {.name = "reference",
     .kind = OPTION_TEXT,
     .value = "T",
     .help = "delivery note, invoice or the like, for the ledger"},
    END_OF_OPTIONS,
};

static const struct option_spec reason_options[] = {
    {.name = "reason",
     .kind = OPTION_TEXT,
     .value = "R",
     .help = "code of a reason, made with `reason put`"},
    END_OF_OPTIONS,
};

static const struct option_spec return_options[] = {
    {.name = "restock", .kind = OPTION_FLAG, .help = "the goods can be sold again"},
    {.name = "quarantine",
     .kind = OPTION_FLAG,
     .help = "the goods are on the shelf but not to be sold"},
    {.name = "reason",
     .kind = OPTION_TEXT,
     .value = "R",
     .help = "code of a reason, made with `reason put`"},
    {.name = "reference",
     .kind = OPTION_TEXT,
     .value = "T",
     .help = "delivery note, invoice or the like, for the ledger"},
    END_OF_OPTIONS,
};

static const struct option_spec adjust_options[] = {
    {.name = "reason",
     .kind = OPTION_TEXT,
     .value = "R",
     .required = true,
     .help = "code of a reason, made with `reason put`"},
    {.name = "accept-shortfall",
     .kind = OPTION_FLAG,
     .help = "do it even if less is left than is promised"},
    END_OF_OPTIONS,
};

static const struct option_spec count_options[] = {
    {.name = "if-version",
     .kind = OPTION_NUMBER,
     .value = "V",
     .help = "only if on_hand_version is still V; 0: nothing ever moved"},
    {.name = "reason",
     .kind = OPTION_TEXT,
     .value = "R",
     .help = "code of a reason, made with `reason put`"},
    END_OF_OPTIONS,
};

static const struct option_spec transfer_options[] = {
    {.name = "to",
     .kind = OPTION_TEXT,
     .value = "W",
     .completes = COMPLETES_WAREHOUSE,
     .required = true,
     .help = "the warehouse that gets it"},
    {.name = "reference",
     .kind = OPTION_TEXT,
     .value = "T",
     .help = "delivery note, invoice or the like, for the ledger"},
    END_OF_OPTIONS,
};

static const struct option_spec quarantine_options[] = {
    {.name = "reason",
     .kind = OPTION_TEXT,
     .value = "R",
     .help = "code of a reason, made with `reason put`"},
    {.name = "accept-shortfall",
     .kind = OPTION_FLAG,
     .help = "do it even if less is left than is promised"},
    END_OF_OPTIONS,
};

static const struct option_spec read_options[] = {
    {.name = "consistency",
     .kind = OPTION_TEXT,
     .value = "HOW",
     .help = "latest (default), any, owner, max-staleness=D, at-least=PARTITION:SEQUENCE"},
    END_OF_OPTIONS,
};

static const struct option_spec order_options[] = {
    {.name = "open",
     .kind = OPTION_FLAG,
     .help = "only what is reserved, or purchased and not shipped: answered by a view"},
    {.name = "consistency",
     .kind = OPTION_TEXT,
     .value = "HOW",
     .help = "latest (default), any, owner, max-staleness=D, at-least=PARTITION:SEQUENCE"},
    END_OF_OPTIONS,
};

static const struct option_spec reservation_list_options[] = {
    {.name = "order", .kind = OPTION_TEXT, .value = "REF", .help = "only those of this order"},
    {.name = "sku",
     .kind = OPTION_TEXT,
     .value = "SKU",
     .help = "only those with a line of this sku"},
    {.name = "expiring",
     .kind = OPTION_FLAG,
     .help = "only live ones, by next expiry; otherwise newest first"},
    {.name = "limit",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "show at most this many, 1 to 1000 (default 100)"},
    {.name = "consistency",
     .kind = OPTION_TEXT,
     .value = "HOW",
     .help = "latest (default), any, owner, max-staleness=D, at-least=PARTITION:SEQUENCE"},
    END_OF_OPTIONS,
};

static const struct option_spec events_options[] = {
    {.name = "from",
     .kind = OPTION_TEXT,
     .value = "POSITION",
     .help = "start, now, or PARTITION:SEQUENCE,…: go there first (default: where it was)"},
    {.name = "follow", .kind = OPTION_FLAG, .help = "go on when there is nothing more"},
    END_OF_OPTIONS,
};

static const char events_details[] =
    "A subscription is made when there is none of that name; it begins with the oldest movement "
    "that "
    "is kept. What was written to stdout is acknowledged, and not shown again under that name. "
    "Several "
    "commands with one name share the partitions.\n\n"
    "--from other than where it was is refused while somebody else consumes NAME. A partition that "
    "is "
    "behind the retention (position_pruned), or whose database was put back (history_lost), is "
    "told on stderr and does not go on until --from names it; the exit status is then 1.";

static const struct option_spec history_options[] = {
    {.name = "warehouse",
     .kind = OPTION_TEXT,
     .value = "W",
     .completes = COMPLETES_WAREHOUSE,
     .help = "only the level in this warehouse"},
    {.name = "before",
     .kind = OPTION_NUMBER,
     .value = "SEQ",
     .help = "only what came before this sequence"},
    {.name = "limit",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "show at most this many, 1 to 1000 (default 50)"},
    END_OF_OPTIONS,
};

static const struct option_spec import_options[] = {
    {.name = "rejects",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .completes = COMPLETES_FILE,
     .help = "write the lines that were not taken there, each with the reason"},
    END_OF_OPTIONS,
};

static const struct option_spec export_options[] = {
    {.name = "count-sheet",
     .kind = OPTION_TEXT,
     .value = "W",
     .completes = COMPLETES_WAREHOUSE,
     .help = "a sheet to count this warehouse with: every level, `to` left empty"},
    {.name = "csv", .kind = OPTION_FLAG, .help = "for a spreadsheet; otherwise YAML"},
    {.name = "run",
     .kind = OPTION_TEXT,
     .value = "NAME",
     .help = "name of the run (default: one made of the time)"},
    END_OF_OPTIONS,
};

#define BULK_FILE_OPTIONS                                                                          \
    {.name = "csv",                                                                                \
     .kind = OPTION_FLAG,                                                                          \
     .help = "FILE is a spreadsheet's CSV, whatever its name"},                                    \
    {                                                                                              \
        .name = "run", .kind = OPTION_TEXT, .value = "RUN",                                        \
        .help = "the run's name, of a CSV without a column for it"                                 \
    }

static const struct option_spec plan_options[] = {
    {.name = "out",
     .kind = OPTION_TEXT,
     .value = "P",
     .completes = COMPLETES_FILE,
     .help = "save the plan there: apply takes it while the stock is as it was"},
    BULK_FILE_OPTIONS,
    END_OF_OPTIONS,
};

static const struct option_spec apply_options[] = {
    {.name = "resume",
     .kind = OPTION_FLAG,
     .help = "go on with a run that was begun, from any machine: each line is done once"},
    {.name = "fail-fast",
     .kind = OPTION_FLAG,
     .help = "stop at the first line that is not applied"},
    {.name = "retry-refused",
     .kind = OPTION_FLAG,
     .help = "with --resume: try lines again that were refused"},
    BULK_FILE_OPTIONS,
    END_OF_OPTIONS,
};

static const struct option_spec run_list_options[] = {
    {.name = "limit",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "show at most this many (default 100)"},
    END_OF_OPTIONS,
};

static const struct option_spec run_show_options[] = {
    {.name = "all", .kind = OPTION_FLAG, .help = "the applied lines, too, with their movements"},
    END_OF_OPTIONS,
};

static const char plan_details[] =
    "FILE is a bulk file (docs/bulk.md), - for standard input. The owners are asked, line by line\n"
    "on top of those before it, and nothing is changed. Exit codes: 0 nothing is to be done, 1\n"
    "something is, 65 the file has errors, all of which are told with their place.";

static const char apply_details[] =
    "FILE is a bulk file (docs/bulk.md) or a saved plan, - for standard input. Lines that are not\n"
    "applied are told as FILE:LINE:COLUMN: why, and the rest goes on. The first Ctrl-C waits for\n"
    "what is under way and says how to go on, the second leaves at once. Exit codes: 0 all lines\n"
    "are applied, 2 some, 3 none, because the stock has moved since, 65 the file has errors, 130\n"
    "interrupted.";

static const char undo_details[] =
    "Takes back what a RUN did, the last line first, or one MOVEMENT, such as p12:9912031, with "
    "the\n"
    "rest of its operation. What would break a promise is skipped, and told with the reason. The\n"
    "same command again goes on where it was left. Exit codes as those of apply.";

static const char line_details[] =
    "A LINE is SKU=QTY or SKU=QTY@WAREHOUSE, split at the last '=' and the first '@' after it.";

static const char lines_details[] =
    "A LINE is SKU=QTY@WAREHOUSE, split at the last '=' and the first '@' after it. Each of "
    "several\n"
    "LINEs is an operation of its own; repeating the command with the same --id and LINEs does\n"
    "nothing twice.";

#define CONSISTENCY_DETAILS                                                                        \
    "--consistency says how new the answer has to be. latest: nothing is missing that was "        \
    "committed before you asked. any: what a view has; its age is told. max-staleness=D: not "     \
    "older than that. at-least=PARTITION:SEQUENCE, several with commas: with what those writes "   \
    "did, as \"partition\" and \"sequence\" of their JSON name them. owner: from the owner's "     \
    "database. What no view can vouch for is asked of the owner; what nobody could tell in time "  \
    "is not shown, and the exit code is 69."
static const char read_details[] = "Answered from memory by a view. " CONSISTENCY_DETAILS;
static const char list_details[] = "With --expiring alone a view answers; otherwise the owners do, "
                                   "who know what is over as well. " CONSISTENCY_DETAILS;
static const char order_details[] = "The owners answer, who know what is over as well; with --open "
                                    "a view does. " CONSISTENCY_DETAILS;

static const char import_details[] =
    "The first line names the columns, in any order: sku, warehouse, on_hand, and optionally "
    "name,\n"
    "barcode, safety_stock, reorder_point; separated by , or ;. Lines that are not taken are told "
    "as\n"
    "FILE:LINE: column: why. Exit codes: 0 everything is there, 2 some lines were taken and some\n"
    "not, 3 none, because the stock has moved since, 65 the file cannot be understood.";

static const struct option_spec audit_options[] = {
    {.name = "no-views", .kind = OPTION_FLAG, .help = "do not compare the views"},
    {.name = "watch",
     .kind = OPTION_FLAG,
     .help = "go on, print what changes, and tell the brokers what came out"},
    {.name = "every",
     .kind = OPTION_DURATION,
     .value = "D",
     .help = "with --watch: so long from the begin of one to the next (default 1m)"},
    {.name = "propose",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .completes = COMPLETES_FILE,
     .help = "write a bulk file that mends what movements can mend"},
    {.name = NULL},
};
static const char export_details[] =
    "Without --count-sheet it writes reasons, warehouses, items, and every level with its safety "
    "stock\n"
    "and reorder point. Each count says which on_hand_version it was read at, so that what has "
    "moved\n"
    "since is refused when the file comes back. The format is docs/bulk.md.";

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
     .flags = COMMAND_CLIENT,
     .options = dir_options,
     .summary = "show processes, partitions, queues and lags; exit 0 only if all is well",
     .run = cmd_status},
    {.words = "doctor",
     .arguments = "",
     .options = dir_options,
     .summary = "say what on this machine would keep `up` from working",
     .run = cmd_doctor},
    {.words = "warehouse put",
     .arguments = "CODE",
     .arguments_min = 1,
     .arguments_max = 1,
     .completes = COMPLETES_WAREHOUSE,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = name_options,
     .summary = "make or rename a warehouse",
     .run = cmd_warehouse_put},
    {.words = "warehouse list",
     .arguments = "",
     .flags = COMMAND_CLIENT,
     .options = list_options,
     .summary = "show the warehouses",
     .run = cmd_warehouse_list},
    {.words = "item put",
     .arguments = "SKU",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = item_put_options,
     .summary = "make or change an item",
     .run = cmd_item_put},
    {.words = "item get",
     .arguments = "SKU",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_CLIENT,
     .summary = "show an item",
     .run = cmd_item_get},
    {.words = "item list",
     .arguments = "",
     .flags = COMMAND_CLIENT,
     .options = list_options,
     .summary = "show the items",
     .run = cmd_item_list},
    {.words = "reason put",
     .arguments = "CODE",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = name_options,
     .summary = "make or rename a reason for adjustments",
     .run = cmd_reason_put},
    {.words = "reason list",
     .arguments = "",
     .flags = COMMAND_CLIENT,
     .options = list_options,
     .summary = "show the reasons",
     .run = cmd_reason_list},
    {.words = "import",
     .arguments = "FILE.csv",
     .arguments_min = 1,
     .arguments_max = 1,
     .completes = COMPLETES_FILE,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = import_options,
     .summary = "take items and opening stock from a CSV file; the same file twice changes nothing",
     .details = import_details,
     .run = cmd_import},
    {.words = "plan",
     .arguments = "FILE",
     .arguments_min = 1,
     .arguments_max = 1,
     .completes = COMPLETES_FILE,
     .flags = COMMAND_CLIENT,
     .options = plan_options,
     .summary = "show what a bulk file would do, and change nothing",
     .details = plan_details,
     .run = cmd_plan},
    {.words = "apply",
     .arguments = "FILE|P",
     .arguments_min = 1,
     .arguments_max = 1,
     .completes = COMPLETES_FILE,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = apply_options,
     .summary = "do what a bulk file says, each line once",
     .details = apply_details,
     .run = cmd_apply},
    {.words = "undo",
     .arguments = "RUN|MOVEMENT",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .summary = "take back what a run, or one movement, did to stock",
     .details = undo_details,
     .run = cmd_undo},
    {.words = "run list",
     .arguments = "",
     .flags = COMMAND_CLIENT,
     .options = run_list_options,
     .summary = "show the runs, newest first",
     .run = cmd_run_list},
    {.words = "run show",
     .arguments = "RUN",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_CLIENT,
     .options = run_show_options,
     .summary = "show a run, and what became of its lines",
     .run = cmd_run_show},
    {.words = "stock",
     .arguments = "[SKU]",
     .arguments_max = 1,
     .flags = COMMAND_CLIENT,
     .options = stock_options,
     .summary = "show what is on hand, promised and available",
     .details = read_details,
     .run = cmd_stock},
    {.words = "reserve",
     .arguments = "LINE…",
     .arguments_min = 1,
     .arguments_max = ARGUMENTS_ANY,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = reserve_options,
     .summary = "hold stock for a while: all LINEs or none",
     .details = line_details,
     .run = cmd_reserve},
    {.words = "extend",
     .arguments = "R",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = extend_options,
     .summary = "let a reservation expire later",
     .run = cmd_extend},
    {.words = "purchase",
     .arguments = "R [LINE…]",
     .arguments_min = 1,
     .arguments_max = ARGUMENTS_ANY,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = purchase_options,
     .summary = "turn what is reserved, or these LINEs of it, into a sale",
     .details = line_details,
     .run = cmd_purchase},
    {.words = "release",
     .arguments = "R [LINE…]",
     .arguments_min = 1,
     .arguments_max = ARGUMENTS_ANY,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .summary = "give back what is reserved, or these LINEs of it",
     .details = line_details,
     .run = cmd_release},
    {.words = "ship",
     .arguments = "R [LINE…]",
     .arguments_min = 1,
     .arguments_max = ARGUMENTS_ANY,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = reference_options,
     .summary = "what was purchased, or these LINEs of it, leaves the warehouse",
     .details = line_details,
     .run = cmd_ship},
    {.words = "cancel",
     .arguments = "R [LINE…]",
     .arguments_min = 1,
     .arguments_max = ARGUMENTS_ANY,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = reason_options,
     .summary = "call off what was purchased and not shipped, or these LINEs of it",
     .details = line_details,
     .run = cmd_cancel},
    {.words = "return",
     .arguments = "R LINE…",
     .arguments_min = 2,
     .arguments_max = ARGUMENTS_ANY,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = return_options,
     .summary = "take back what was shipped",
     .details = line_details,
     .run = cmd_return},
    {.words = "receive",
     .arguments = "LINE…",
     .arguments_min = 1,
     .arguments_max = ARGUMENTS_ANY,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = reference_options,
     .summary = "goods came in",
     .details = lines_details,
     .run = cmd_receive},
    {.words = "adjust",
     .arguments = "SKU=CHANGE@W",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = adjust_options,
     .summary = "correct what is on hand by a difference, for a reason",
     .details = "CHANGE has a sign if it takes away: WID-1=-3@BER1.",
     .run = cmd_adjust},
    {.words = "count",
     .arguments = "SKU=QTY@W",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = count_options,
     .summary = "set what is on hand to what was counted",
     .details = "With --if-version, a level that has moved since is not overwritten: "
                "version_conflict says what moved.",
     .run = cmd_count},
    {.words = "transfer",
     .arguments = "SKU=QTY@FROM",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = transfer_options,
     .summary = "move stock from one warehouse to another",
     .run = cmd_transfer},
    {.words = "quarantine",
     .arguments = "LINE…",
     .arguments_min = 1,
     .arguments_max = ARGUMENTS_ANY,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = quarantine_options,
     .summary = "keep goods on the shelf from being sold",
     .details = lines_details,
     .run = cmd_quarantine},
    {.words = "restore",
     .arguments = "LINE…",
     .arguments_min = 1,
     .arguments_max = ARGUMENTS_ANY,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .options = reason_options,
     .summary = "let goods in quarantine be sold again",
     .details = lines_details,
     .run = cmd_restore},
    {.words = "safety-stock",
     .arguments = "SKU=QTY@W",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .summary = "keep this many back from reserving",
     .run = cmd_safety_stock},
    {.words = "reservation show",
     .arguments = "R",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_CLIENT,
     .options = read_options,
     .summary = "show a reservation with its lines",
     .details = read_details,
     .run = cmd_reservation_show},
    {.words = "reservation list",
     .arguments = "",
     .flags = COMMAND_CLIENT,
     .options = reservation_list_options,
     .summary = "show reservations",
     .details = list_details,
     .run = cmd_reservation_list},
    {.words = "order",
     .arguments = "REF",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_CLIENT,
     .options = order_options,
     .summary = "show the reservations of an order, with their lines",
     .details = order_details,
     .run = cmd_order},
    {.words = "history",
     .arguments = "SKU",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_CLIENT,
     .options = history_options,
     .summary = "show what moved an item's stock, newest first",
     .run = cmd_history},
    {.words = "events",
     .arguments = "NAME",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_CLIENT,
     .options = events_options,
     .summary = "show the movements of stock that subscription NAME was not given yet",
     .details = events_details,
     .run = cmd_events},
    {.words = "subscription list",
     .arguments = "",
     .flags = COMMAND_CLIENT,
     .options = list_options,
     .summary = "show subscriptions, and how far they are behind",
     .run = cmd_subscription_list},
    {.words = "subscription delete",
     .arguments = "NAME",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_CLIENT,
     .summary = "forget a subscription; its consumers are told",
     .run = cmd_subscription_delete},
    {.words = "settle",
     .arguments = "UUID",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_CLIENT,
     .summary = "say what became of an operation; if nothing did, make sure that nothing will",
     .run = cmd_settle},
    {.words = "export",
     .arguments = "",
     .flags = COMMAND_CLIENT,
     .options = export_options,
     .summary = "write a bulk file of what is there, or a count sheet",
     .details = export_details,
     .run = cmd_export},
    {.words = "audit",
     .arguments = "",
     .flags = COMMAND_CLIENT,
     .options = audit_options,
     .summary = "check that stock, reservations, ledger and views agree; exit 1 on a difference",
     .details =
         "Works on a live system: each owner proves its partitions, each at one moment, "
         "and every view is compared with the database at the same sequence. Nothing "
         "stands still for it.\n\n"
         "--watch goes on until it is interrupted. It prints the first result, and then what "
         "came and what went; `holdfast status` shows what came out last.\n\n"
         "Nothing is mended by itself. --propose writes a bulk file: apply it when you agree.",
     .run = cmd_audit},
    {.words = "version", .arguments = "", .summary = "show the version", .run = cmd_version},
    {.words = NULL},
};

/* SPDX-License-Identifier: MIT
 *
 * The options of every command, in the order of the command table.
 */
#include "cli/command_options.h"

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
     .help = "give up after this time, retries included"},
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

const struct option_spec up_options[] = {
    {.name = "dir",
     .kind = OPTION_TEXT,
     .value = "DIR",
     .completes = COMPLETES_FOLDER,
     .help = "where the cluster lives (default ./holdfast where that is one, otherwise "
             "~/.local/share/holdfast)"},
    {.name = "shards",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "databases to start, 1 to 64, fixed for ever (default 1)"},
    {.name = "workers",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "workers for each shard, 1 to 32 (default 2)"},
    {.name = "brokers",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "brokers, side by side, 1 to 16 (default 1)"},
    {.name = "views",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "views, side by side, 0 to 16; 0: none (default 1)"},
    {.name = "relays",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "relays, side by side, 0 to 16; 0: none (default 1)"},
    {.name = "partitions",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "partitions in all, 1 to 65535, fixed for ever (default 64)"},
    END_OF_OPTIONS,
};

const struct option_spec down_options[] = {
    {.name = "dir",
     .kind = OPTION_TEXT,
     .value = "DIR",
     .completes = COMPLETES_FOLDER,
     .help = "where the cluster lives (default ./holdfast where that is one, otherwise "
             "~/.local/share/holdfast)"},
    {.name = "destroy", .kind = OPTION_FLAG, .help = "delete the data as well"},
    END_OF_OPTIONS,
};

const struct option_spec dir_options[] = {
    {.name = "dir",
     .kind = OPTION_TEXT,
     .value = "DIR",
     .completes = COMPLETES_FOLDER,
     .help = "where the cluster lives (default ./holdfast where that is one, otherwise "
             "~/.local/share/holdfast)"},
    END_OF_OPTIONS,
};

const struct option_spec name_options[] = {
    {.name = "name",
     .kind = OPTION_TEXT,
     .value = "T",
     .required = true,
     .help = "name for people"},
    END_OF_OPTIONS,
};

const struct option_spec item_put_options[] = {
    {.name = "name",
     .kind = OPTION_TEXT,
     .value = "T",
     .required = true,
     .help = "name for people"},
    {.name = "barcode",
     .kind = OPTION_TEXT,
     .value = "GTIN",
     .repeats = true,
     .help = "a barcode, at most 64 of them; those that are not given again are dropped"},
    {.name = "reorder-point",
     .kind = OPTION_QUANTITY,
     .value = "N",
     .help = "announce low stock below this, over all warehouses (default 0: never)"},
    END_OF_OPTIONS,
};

const struct option_spec list_options[] = {
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

const struct option_spec stock_options[] = {
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

const struct option_spec reserve_options[] = {
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

const struct option_spec extend_options[] = {
    {.name = "ttl",
     .kind = OPTION_DURATION,
     .value = "D",
     .required = true,
     .help = "from now, 1s to 30d"},
    END_OF_OPTIONS,
};

const struct option_spec purchase_options[] = {
    {.name = "keep-remainder",
     .kind = OPTION_FLAG,
     .help = "what is not purchased stays reserved; otherwise it is released"},
    {.name = "revive",
     .kind = OPTION_FLAG,
     .help = "hold and purchase again what has expired, if all of it is still there"},
    END_OF_OPTIONS,
};

const struct option_spec reference_options[] = {
    {.name = "reference",
     .kind = OPTION_TEXT,
     .value = "T",
     .help = "delivery note, invoice or the like, for the ledger"},
    END_OF_OPTIONS,
};

const struct option_spec reason_options[] = {
    {.name = "reason",
     .kind = OPTION_TEXT,
     .value = "R",
     .help = "code of a reason, made with `reason put`"},
    END_OF_OPTIONS,
};

const struct option_spec ship_options[] = {
    {.name = "reason",
     .kind = OPTION_TEXT,
     .value = "R",
     .help = "why it is less than was sold: code of a reason, made with `reason put`"},
    {.name = "reference",
     .kind = OPTION_TEXT,
     .value = "T",
     .help = "delivery note, invoice or the like, for the ledger"},
    END_OF_OPTIONS,
};

const struct option_spec return_options[] = {
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

const struct option_spec adjust_options[] = {
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

const struct option_spec count_options[] = {
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

const struct option_spec transfer_options[] = {
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

const struct option_spec quarantine_options[] = {
    {.name = "reason",
     .kind = OPTION_TEXT,
     .value = "R",
     .help = "code of a reason, made with `reason put`"},
    {.name = "accept-shortfall",
     .kind = OPTION_FLAG,
     .help = "do it even if less is left than is promised"},
    END_OF_OPTIONS,
};

const struct option_spec read_options[] = {
    {.name = "consistency",
     .kind = OPTION_TEXT,
     .value = "HOW",
     .help = "latest (default), any, owner, max-staleness=D, at-least=PARTITION:SEQUENCE"},
    END_OF_OPTIONS,
};

const struct option_spec order_options[] = {
    {.name = "open",
     .kind = OPTION_FLAG,
     .help = "only what is reserved, or purchased and not shipped: answered by a view"},
    {.name = "consistency",
     .kind = OPTION_TEXT,
     .value = "HOW",
     .help = "latest (default), any, owner, max-staleness=D, at-least=PARTITION:SEQUENCE"},
    END_OF_OPTIONS,
};

const struct option_spec reservation_list_options[] = {
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

const struct option_spec events_options[] = {
    {.name = "from",
     .kind = OPTION_TEXT,
     .value = "POSITION",
     .help = "start, now, or PARTITION:SEQUENCE,…: go there first (default: where it was)"},
    {.name = "follow", .kind = OPTION_FLAG, .help = "go on when there is nothing more"},
    END_OF_OPTIONS,
};

const struct option_spec history_options[] = {
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

const struct option_spec import_options[] = {
    {.name = "rejects",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .completes = COMPLETES_FILE,
     .help = "write the lines that were not taken there, each with the reason"},
    END_OF_OPTIONS,
};

const struct option_spec export_options[] = {
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

const struct option_spec plan_options[] = {
    {.name = "out",
     .kind = OPTION_TEXT,
     .value = "P",
     .completes = COMPLETES_FILE,
     .help = "save the plan there: apply takes it while the stock is as it was"},
    BULK_FILE_OPTIONS,
    END_OF_OPTIONS,
};

const struct option_spec apply_options[] = {
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

const struct option_spec run_list_options[] = {
    {.name = "limit",
     .kind = OPTION_NUMBER,
     .value = "N",
     .help = "show at most this many (default 100)"},
    END_OF_OPTIONS,
};

const struct option_spec run_show_options[] = {
    {.name = "all", .kind = OPTION_FLAG, .help = "the applied lines, too, with their movements"},
    END_OF_OPTIONS,
};

const struct option_spec audit_options[] = {
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
    END_OF_OPTIONS,
};

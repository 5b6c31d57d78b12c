/* SPDX-License-Identifier: MIT
 *
 * The command table. Everything that is said about a command, anywhere, comes from here and from
 * command_options.c; see command.h. The order is that of `holdfast help`.
 */
#include "cli/command_options.h"

static const char events_details[] =
    "A subscription is made when there is none of that name; it begins with the oldest "
    "movement that is kept. What was written to stdout is acknowledged, and not shown again "
    "under that name. Several commands with one name share the partitions.\n\n"
    "--from other than where it was is refused while somebody else consumes NAME. A partition "
    "that is behind the retention (position_pruned), or whose database was put back "
    "(history_lost), is told on stderr and does not go on until --from names it; the exit "
    "status is then 1.";

static const char plan_details[] =
    "FILE is a bulk file (docs/bulk.md), - for standard input. The owners are asked, line by "
    "line on top of those before it, and nothing is changed. Exit codes: 0 nothing is to be "
    "done, 1 something is, 65 the file has errors, all of which are told with their place.";

static const char apply_details[] =
    "FILE is a bulk file (docs/bulk.md) or a saved plan, - for standard input. Lines that are "
    "not applied are told as FILE:LINE:COLUMN: why, and the rest goes on. The first Ctrl-C "
    "waits for what is under way and says how to go on, the second leaves at once. Exit "
    "codes: 0 all lines are applied, 2 some, 3 none, because the stock has moved since, 65 "
    "the file has errors, 130 interrupted.";

static const char undo_details[] =
    "Takes back what a RUN did, the last line first, or one MOVEMENT, such as p12:9912031, "
    "with the rest of its operation. What would break a promise is skipped, and told with the "
    "reason. The same command again goes on where it was left. Exit codes as those of apply.";

static const char line_details[] =
    "A LINE is SKU=QTY or SKU=QTY@WAREHOUSE, split at the last '=' and the first '@' after "
    "it.";

static const char reserve_details[] =
    "A LINE is SKU=QTY or SKU=QTY@WAREHOUSE, split at the last '=' and the first '@' after "
    "it. All LINEs of a reservation lie on one partition of the cluster: skus that do not are "
    "refused by name. Reserve them by commands of their own, with the same --order.";

static const char lines_details[] =
    "A LINE is SKU=QTY@WAREHOUSE, split at the last '=' and the first '@' after it. Each of "
    "several LINEs is an operation of its own; repeating the command with the same --id and "
    "LINEs does nothing twice.";

#define CONSISTENCY_DETAILS                                                                        \
    "--consistency says how new the answer has to be. latest: nothing is missing that was "        \
    "committed before you asked. any: what a view has; its age is told. max-staleness=D: not "     \
    "older than that. at-least=PARTITION:SEQUENCE, several with commas: with what those writes "   \
    "did, as \"partition\" and \"sequence\" of their JSON name them. owner: from the owner's "     \
    "database. What no view can vouch for is asked of the owner; what nobody could tell in time "  \
    "is not shown, and the exit code is 69."
static const char read_details[] = "Answered from memory by a view.\n\n" CONSISTENCY_DETAILS;

static const char list_details[] = "With --expiring alone a view answers; otherwise the owners do, "
                                   "who know what is over as well.\n\n" CONSISTENCY_DETAILS;
static const char order_details[] = "The owners answer, who know what is over as well; with --open "
                                    "a view does.\n\n" CONSISTENCY_DETAILS;

static const char import_details[] =
    "The first line names the columns, in any order: sku, warehouse, on_hand, and optionally "
    "name, barcode, safety_stock, reorder_point; separated by , or ;. Lines that are not "
    "taken are told as FILE:LINE: column: why. Exit codes: 0 everything is there, 2 some "
    "lines were taken and some not, 3 none, because the stock has moved since, 65 the file "
    "or none of its lines can be understood, otherwise that of the first refusal.";

static const char export_details[] =
    "Without --count-sheet it writes reasons, warehouses, items, and every level with its "
    "safety stock and reorder point. Each count says which on_hand_version it was read at, so "
    "that what has moved since is refused when the file comes back. The format is "
    "docs/bulk.md.";

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
     .timeout = "60s for each operation",
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
     .timeout = "20s for each question",
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
     .timeout = "60s without any answer",
     .run = cmd_apply},
    {.words = "undo",
     .arguments = "RUN|MOVEMENT",
     .arguments_min = 1,
     .arguments_max = 1,
     .flags = COMMAND_WRITE | COMMAND_CLIENT,
     .summary = "take back what a run, or one movement, did to stock",
     .details = undo_details,
     .timeout = "60s without any answer",
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
     .details = reserve_details,
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
     .options = ship_options,
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
     .timeout = "60s for each question",
     .run = cmd_export},
    {.words = "audit",
     .arguments = "",
     .flags = COMMAND_CLIENT,
     .options = audit_options,
     .summary = "check that stock, reservations, ledger and views agree; exit 1 on a difference",
     .details =
         "Works on a live system: each owner proves its partitions, each at one moment, "
         "every view is compared with the database at the same sequence, and operation ids "
         "are compared over all partitions. Nothing stands still for it.\n\n"
         "--watch goes on until it is interrupted. It prints the first result, and then what "
         "came and what went; `holdfast status` shows what came out last.\n\n"
         "Nothing is mended by itself. --propose writes a bulk file: apply it when you agree.",
     .timeout = "5m",
     .run = cmd_audit},
    {.words = "version", .arguments = "", .summary = "show the version", .run = cmd_version},
    {.words = NULL},
};

/* SPDX-License-Identifier: MIT
 *
 * What the command table (commands.c) names: a table of options for each command that has some of
 * its own, each ended by a NULL name.
 */
#ifndef CLI_COMMAND_OPTIONS_H
#define CLI_COMMAND_OPTIONS_H

#include "cli/command.h"

extern const struct option_spec up_options[];
extern const struct option_spec down_options[];
extern const struct option_spec dir_options[];
extern const struct option_spec name_options[];
extern const struct option_spec item_put_options[];
extern const struct option_spec list_options[];
extern const struct option_spec stock_options[];
extern const struct option_spec reserve_options[];
extern const struct option_spec extend_options[];
extern const struct option_spec purchase_options[];
extern const struct option_spec reference_options[];
extern const struct option_spec reason_options[];
extern const struct option_spec ship_options[];
extern const struct option_spec return_options[];
extern const struct option_spec adjust_options[];
extern const struct option_spec count_options[];
extern const struct option_spec transfer_options[];
extern const struct option_spec quarantine_options[];
extern const struct option_spec read_options[];
extern const struct option_spec order_options[];
extern const struct option_spec reservation_list_options[];
extern const struct option_spec events_options[];
extern const struct option_spec history_options[];
extern const struct option_spec import_options[];
extern const struct option_spec export_options[];
extern const struct option_spec plan_options[];
extern const struct option_spec apply_options[];
extern const struct option_spec run_list_options[];
extern const struct option_spec run_show_options[];
extern const struct option_spec audit_options[];

#endif

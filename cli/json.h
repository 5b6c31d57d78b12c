/* SPDX-License-Identifier: MIT
 *
 * What the cluster says, as JSON: names and shapes are those of the contract (--json in
 * holdfast(1)). Each function returns a new object that the caller owns.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <json-c/json.h>
#include "client/holdfast_view.h"

/* RFC 3339 UTC with milliseconds, or null for 0. */
struct json_object *time_json(int64_t time_us);
struct json_object *level_json(const struct holdfast_level *level);
struct json_object *stock_json(const struct holdfast_view_stock *stock);
struct json_object *reservation_json(const struct holdfast_reservation *reservation);
struct json_object *movement_json(const struct holdfast_movement *movement);
struct json_object *item_json(const struct holdfast_item *item);
struct json_object *named_json(const char *key, const struct holdfast_named *named);
/* reservation: as typed, for results that carry none; NULL when the operation is not about one. */
struct json_object *result_json(const struct holdfast_result *result, bool about_reservation,
                                const char *reservation);

/* One line on stdout; releases the object. */
void json_line(struct json_object *object);
/* Adds text, or null for NULL. */
void json_text(struct json_object *object, const char *key, const char *text);
void json_number(struct json_object *object, const char *key, uint64_t number);

#endif

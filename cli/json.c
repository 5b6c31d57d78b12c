/* SPDX-License-Identifier: MIT
 *
 * See json.h. Keys are part of the contract: a key is never renamed, and its meaning never changes.
 */
#include <stdio.h>
#include <time.h>
#include "cli/json.h"

void json_line(struct json_object *object)
{
    puts(json_object_to_json_string_ext(object,
                                        JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(object);
}

void json_text(struct json_object *object, const char *key, const char *text)
{
    json_object_object_add(object, key, text != NULL ? json_object_new_string(text) : NULL);
}

void json_number(struct json_object *object, const char *key, uint64_t number)
{
    json_object_object_add(object, key, json_object_new_uint64(number));
}

static void json_change(struct json_object *object, const char *key, int64_t number)
{
    json_object_object_add(object, key, json_object_new_int64(number));
}

/* Leaves empty text out: a key that is there says something. */
static void json_text_if_any(struct json_object *object, const char *key, const char *text)
{
    if (text != NULL && *text != '\0')
        json_text(object, key, text);
}

struct json_object *time_json(int64_t time_us)
{
    char day[32], text[48];
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm tm;
    if (time_us <= 0 || gmtime_r(&seconds, &tm) == NULL)
        return NULL;
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof(text), "%s.%03dZ", day, (int)(time_us / 1000 % 1000));
    return json_object_new_string(text);
}

static void add_figures(struct json_object *object, const struct holdfast_level *level)
{
    json_number(object, "on_hand", level->on_hand);
    json_number(object, "reserved", level->reserved);
    json_number(object, "committed", level->committed);
    json_number(object, "unavailable", level->unavailable);
    json_number(object, "safety_stock", level->safety_stock);
    json_number(object, "shortfall", level->shortfall);
    json_number(object, "available", level->available);
}

static void add_versions(struct json_object *object, const struct holdfast_level *level)
{
    json_number(object, "version", level->version);
    json_number(object, "on_hand_version", level->on_hand_version);
}

struct json_object *level_json(const struct holdfast_level *level)
{
    struct json_object *object = json_object_new_object();
    json_text(object, "sku", level->sku);
    json_text(object, "warehouse", level->warehouse);
    add_figures(object, level);
    add_versions(object, level);
    return object;
}

struct json_object *stock_json(const struct holdfast_view_stock *stock)
{
    struct json_object *object = json_object_new_object(), *warehouses = json_object_new_array();
    json_text(object, "sku", stock->sku);
    add_figures(object, &stock->total);
    json_number(object, "partition", stock->partition);
    json_number(object, "sequence", stock->sequence);
    json_number(object, "age_ms", (uint64_t)stock->age_us / 1000);
    for (size_t i = 0; i < stock->level_count; i++) {
        struct json_object *level = json_object_new_object();
        json_text(level, "warehouse", stock->levels[i].warehouse);
        add_figures(level, &stock->levels[i]);
        add_versions(level, &stock->levels[i]);
        json_object_array_add(warehouses, level);
    }
    json_object_object_add(object, "warehouses", warehouses);
    return object;
}

static struct json_object *lines_json(const struct holdfast_reservation *reservation)
{
    struct json_object *lines = json_object_new_array();
    for (size_t i = 0; i < reservation->line_count; i++) {
        const struct holdfast_reservation_line *line = &reservation->lines[i];
        struct json_object *object = json_object_new_object();
        json_text(object, "sku", line->sku);
        json_text(object, "warehouse", line->warehouse);
        json_number(object, "quantity", line->quantity);
        json_number(object, "reserved", line->reserved);
        json_number(object, "committed", line->committed);
        json_number(object, "shipped", line->shipped);
        json_number(object, "cancelled", line->cancelled);
        json_number(object, "released", line->released);
        json_number(object, "returned", line->returned);
        json_object_array_add(lines, object);
    }
    return lines;
}

struct json_object *reservation_json(const struct holdfast_reservation *reservation)
{
    struct json_object *object = json_object_new_object();
    json_text(object, "reservation", reservation->reservation);
    json_text(object, "state", holdfast_state_name(reservation->state));
    json_object_object_add(object, "expires_at", time_json(reservation->expires_at_us));
    json_object_object_add(object, "created_at", time_json(reservation->created_at_us));
    json_number(object, "revision", reservation->revision);
    json_text(object, "order", reservation->order);
    json_text(object, "actor", reservation->actor);
    json_object_object_add(object, "lines", lines_json(reservation));
    return object;
}

struct json_object *movement_json(const struct holdfast_movement *movement)
{
    struct json_object *object = json_object_new_object();
    json_number(object, "partition", movement->partition);
    json_number(object, "sequence", movement->sequence);
    json_text(object, "operation_id", movement->operation_id);
    json_number(object, "index", movement->index);
    json_text(object, "movement", holdfast_movement_name(movement->kind));
    json_object_object_add(object, "at", time_json(movement->at_us));
    json_text(object, "sku", movement->sku);
    json_text(object, "warehouse", movement->warehouse);
    json_change(object, "on_hand_change", movement->on_hand_change);
    json_change(object, "reserved_change", movement->reserved_change);
    json_change(object, "committed_change", movement->committed_change);
    json_change(object, "unavailable_change", movement->unavailable_change);
    if (movement->after.sku != NULL && *movement->after.sku != '\0') {
        struct json_object *after = level_json(&movement->after);
        json_number(after, "reorder_point", movement->after.reorder_point);
        json_object_object_add(object, "after", after);
    }
    if (movement->reservation != NULL && *movement->reservation != '\0') {
        json_text(object, "reservation", movement->reservation);
        json_text(object, "state", holdfast_state_name(movement->state));
        json_object_object_add(object, "expires_at", time_json(movement->expires_at_us));
    }
    json_text_if_any(object, "order", movement->order);
    json_text_if_any(object, "reason", movement->reason);
    json_text_if_any(object, "reference", movement->reference);
    json_text_if_any(object, "note", movement->note);
    json_text_if_any(object, "actor", movement->actor);
    json_text_if_any(object, "principal", movement->principal);
    if (movement->undoes != 0)
        json_number(object, "undoes", movement->undoes);
    return object;
}

struct json_object *item_json(const struct holdfast_item *item)
{
    struct json_object *object = json_object_new_object(), *barcodes = json_object_new_array();
    json_text(object, "sku", item->sku);
    json_text(object, "name", item->name);
    for (size_t i = 0; i < item->barcode_count; i++)
        json_object_array_add(barcodes, json_object_new_string(item->barcodes[i]));
    json_object_object_add(object, "barcodes", barcodes);
    json_number(object, "reorder_point", item->reorder_point);
    json_number(object, "version", item->version);
    return object;
}

struct json_object *named_json(const char *key, const struct holdfast_named *named)
{
    struct json_object *object = json_object_new_object();
    json_text(object, key, named->code);
    json_text(object, "name", named->name);
    json_number(object, "version", named->version);
    return object;
}

/* ------------------------------------------------------------- results */

static void add_reservation(struct json_object *object, const struct holdfast_result *result,
                            const char *typed)
{
    const struct holdfast_reservation *reservation = result->reservation;
    if (reservation != NULL) {
        json_text(object, "reservation", reservation->reservation);
        json_text(object, "state", holdfast_state_name(reservation->state));
        json_object_object_add(object, "expires_at", time_json(reservation->expires_at_us));
        json_object_object_add(object, "lines", lines_json(reservation));
        return;
    }
    json_text(object, "reservation", typed);
    json_text(object, "state", NULL);
    json_text(object, "expires_at", NULL);
    json_object_object_add(object, "lines", json_object_new_array());
}

static struct json_object *shortages_json(const struct holdfast_result *result)
{
    struct json_object *shortages = json_object_new_array();
    for (size_t i = 0; i < result->shortage_count; i++) {
        const struct holdfast_shortage *shortage = &result->shortages[i];
        struct json_object *object = json_object_new_object();
        json_text(object, "sku", shortage->sku);
        json_text(object, "warehouse", *shortage->warehouse != '\0' ? shortage->warehouse : NULL);
        json_number(object, "requested", shortage->requested);
        json_number(object, "available", shortage->available);
        json_object_array_add(shortages, object);
    }
    return shortages;
}

static void add_refusal(struct json_object *object, const struct holdfast_result *result)
{
    json_text_if_any(object, "field", result->field);
    json_text(object, "message",
              *result->message != '\0' ? result->message : holdfast_status_text(result->status));
    if (result->retry_after_ms > 0)
        json_number(object, "retry_after_ms", result->retry_after_ms);
    if (result->shortage_count > 0)
        json_object_object_add(object, "shortages", shortages_json(result));
    if (result->moved_count > 0) {
        struct json_object *moved = json_object_new_array();
        for (size_t i = 0; i < result->moved_count; i++)
            json_object_array_add(moved, movement_json(&result->moved[i]));
        json_object_object_add(object, "moved", moved);
    }
}

struct json_object *result_json(const struct holdfast_result *result, bool about_reservation,
                                const char *reservation)
{
    struct json_object *object = json_object_new_object();
    json_text(object, "result", holdfast_status_name(result->status));
    json_text(object, "operation_id", result->operation_id);
    if (about_reservation)
        add_reservation(object, result, reservation);
    if (result->kind != HOLDFAST_KIND_APPLIED) {
        add_refusal(object, result);
        return object;
    }
    json_object_object_add(object, "replayed", json_object_new_boolean(result->replayed));
    json_number(object, "partition", result->partition);
    json_number(object, "sequence", result->sequence);
    struct json_object *levels = json_object_new_array();
    for (size_t i = 0; i < result->level_count; i++)
        json_object_array_add(levels, level_json(&result->levels[i]));
    json_object_object_add(object, "levels", levels);
    return object;
}

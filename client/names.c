/* SPDX-License-Identifier: MIT
 *
 * Names and texts of what the library gives back. The numbers in holdfast.h are checked here,
 * at compile time, against the tables that they come from.
 */
#include "client/holdfast.h"

#include "protocol/holdfast.pb-c.h"
#include "protocol/status.h"

#include <assert.h>

#define SAME(public_name, name)                                                                    \
    static_assert((int)HOLDFAST_##public_name == (int)STATUS_##name,                               \
                  #public_name " differs from protocol/status.def")
SAME(APPLIED, applied);
SAME(INSUFFICIENT_STOCK, insufficient_stock);
SAME(RESERVATION_EXPIRED, reservation_expired);
SAME(ALREADY_PURCHASED, already_purchased);
SAME(ALREADY_RELEASED, already_released);
SAME(NOT_ACTIVE, not_active);
SAME(EXCEEDS_RESERVATION, exceeds_reservation);
SAME(EXCEEDS_COMMITTED, exceeds_committed);
SAME(EXCEEDS_SHIPPED, exceeds_shipped);
SAME(INSUFFICIENT_ON_HAND, insufficient_on_hand);
SAME(VERSION_CONFLICT, version_conflict);
SAME(OPERATION_ID_REUSED, operation_id_reused);
SAME(UNKNOWN_SKU, unknown_sku);
SAME(UNKNOWN_WAREHOUSE, unknown_warehouse);
SAME(UNKNOWN_RESERVATION, unknown_reservation);
SAME(UNKNOWN_REASON, unknown_reason);
SAME(BARCODE_TAKEN, barcode_taken);
SAME(INVALID, invalid);
SAME(TOO_LARGE, too_large);
SAME(INTERNAL, internal);
SAME(NOT_PERMITTED, not_permitted);
SAME(BUSY, busy);
SAME(RATE_LIMITED, rate_limited);
SAME(DEADLINE_EXCEEDED, deadline_exceeded);
SAME(UNAVAILABLE, unavailable);
SAME(WRONG_PARTITION, wrong_partition);
SAME(UNKNOWN, unknown);
SAME(POISON, poison);
SAME(OPERATION_ID_EXPIRED, operation_id_expired);

/* A line more in status.def needs a line more in holdfast.h and above. */
enum {
    STATUS_COUNT = 0
#define STATUS(name, code, kind, exit, text) +1
#include "protocol/status.def"
#undef STATUS
};
static_assert(STATUS_COUNT == 29, "status.def has a status that holdfast.h lacks");

static_assert((int)HOLDFAST_KIND_APPLIED == (int)STATUS_KIND_APPLIED &&
                  (int)HOLDFAST_KIND_REFUSED == (int)STATUS_KIND_REFUSED &&
                  (int)HOLDFAST_KIND_SHED == (int)STATUS_KIND_SHED &&
                  (int)HOLDFAST_KIND_UNKNOWN == (int)STATUS_KIND_UNKNOWN,
              "kinds differ");
static_assert((int)HOLDFAST_RESERVE == (int)HF__OPERATION__KIND_RESERVE &&
                  (int)HOLDFAST_PUT_ITEM == (int)HF__OPERATION__KIND_PUT_ITEM &&
                  (int)HOLDFAST_SETTLE == (int)HF__OPERATION__KIND_SETTLE &&
                  (int)HOLDFAST_UNDO == (int)HF__OPERATION__KIND_UNDO,
              "operation kinds are the field numbers of Operation");
static_assert((int)HOLDFAST_QUERY_STOCK == (int)HF__QUERY__KIND_STOCK &&
                  (int)HOLDFAST_QUERY_DRY_RUN == (int)HF__QUERY__KIND_DRY_RUN,
              "query kinds are the field numbers of Query");
static_assert((int)HOLDFAST_STATE_EXPIRED == (int)HF__RESERVATION_STATE__RESERVATION_EXPIRED,
              "reservation states differ");
static_assert((int)HOLDFAST_SETTLE_VOID == (int)HF__SETTLE_OUTCOME__SETTLE_VOID,
              "settle outcomes differ");

static enum status known(int status)
{
    return status >= 0 && status_is_known((uint32_t)status) ? (enum status)status : STATUS_unknown;
}

const char *holdfast_status_name(int status)
{
    return status_name(known(status));
}

const char *holdfast_status_text(int status)
{
    return status_text(known(status));
}

enum holdfast_kind holdfast_status_kind(int status)
{
    return (enum holdfast_kind)status_kind(known(status));
}

int holdfast_status_exit(int status)
{
    return status_exit(known(status));
}

const char *holdfast_version(void)
{
    return HOLDFAST_VERSION;
}

const char *holdfast_state_name(enum holdfast_reservation_state state)
{
    static const char *const names[] = {"none",      "pending",  "active",
                                        "purchased", "released", "expired"};
    size_t at = (size_t)state;

    return at < sizeof names / sizeof names[0] ? names[at] : "none";
}

const char *holdfast_movement_name(int kind)
{
    static const char *const names[] = {
        "none",
        "reserved",
        "extended",
        "purchased",
        "released",
        "expired",
        "shipped",
        "cancelled",
        "returned",
        "received",
        "adjusted",
        "counted",
        "transferred",
        "quarantined",
        "restored",
        "safety_stock_set",
        "reorder_point_set",
        "item_put",
        "warehouse_put",
        "reason_put",
        "voided",
        "run_begun",
        "run_recorded",
        "undone",
    };
    size_t at = (size_t)kind;

    static_assert(sizeof names / sizeof names[0] == HF__MOVEMENT_KIND__MOVEMENT_UNDONE + 1,
                  "a movement kind has no name");
    return at < sizeof names / sizeof names[0] ? names[at] : "none";
}

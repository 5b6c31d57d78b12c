# SPDX-License-Identifier: MIT
"""Every result that the command line can be made to give, with its exit code and its name.

Those that need a broken or a full cluster are in 61-sheds.py. The last test counts: a result of
protocol/status.def that neither file produces is a failure.
"""
import os
import time
import uuid

from harness import *
from harness import wire

seen = set()


def refused(cluster, result, *words, **options):
    done = cluster.refused(result, *words, **options)
    seen.add(result)
    return done


def reserve(cluster, *words):
    return cluster.hf("reserve", *words).json["reservation"]


@test("applied")
def applied(cluster):
    cluster.stock("A", W=100)
    done = cluster.hf("reserve", "A=3@W")
    equal(done.json["result"], "applied", "the result")
    check(done.json["reservation"].startswith("R-"), "there is a reservation: %s" % done)
    equal(done.json["state"], "active", "its state")
    equal(cluster.level("A")["reserved"], 3, "what is reserved")
    seen.add("applied")


@test("insufficient_stock says how much there is")
def insufficient_stock(cluster):
    cluster.stock("SCARCE", W=10)
    done = refused(cluster, "insufficient_stock", "reserve", "SCARCE=11@W")
    check("10" in done.out + done.err, "it says that 10 are there: %s" % done)
    equal(cluster.level("SCARCE")["reserved"], 0, "nothing is held")


@test("reservation_expired")
def reservation_expired(cluster):
    made = reserve(cluster, "--ttl", "1s", "A=1@W")
    wait_until(lambda: cluster.hf("extend", made, "--ttl", "1s", expect=None).code != 0
               or time.sleep(1.1), 10, "the reservation expires")
    for words in (["purchase", made], ["extend", made, "--ttl", "60s"], ["release", made]):
        refused(cluster, "reservation_expired", *words)


@test("already_purchased")
def already_purchased(cluster):
    made = reserve(cluster, "A=1@W")
    cluster.hf("purchase", made)
    refused(cluster, "already_purchased", "release", made)
    refused(cluster, "already_purchased", "purchase", made)


@test("already_released")
def already_released(cluster):
    made = reserve(cluster, "A=1@W")
    cluster.hf("release", made)
    refused(cluster, "already_released", "purchase", made)
    refused(cluster, "already_released", "release", made)


@test("not_active")
def not_active(cluster):
    for end in ("purchase", "release"):
        made = reserve(cluster, "A=1@W")
        cluster.hf(end, made)
        refused(cluster, "not_active", "extend", made, "--ttl", "60s")


@test("exceeds_reservation")
def exceeds_reservation(cluster):
    made = reserve(cluster, "A=2@W")
    refused(cluster, "exceeds_reservation", "purchase", made, "A=3@W")
    refused(cluster, "exceeds_reservation", "release", made, "A=3@W")
    cluster.hf("release", made)


@test("exceeds_committed")
def exceeds_committed(cluster):
    made = reserve(cluster, "A=2@W")
    cluster.hf("purchase", made)
    refused(cluster, "exceeds_committed", "ship", made, "A=3@W")
    refused(cluster, "exceeds_committed", "cancel", made, "A=3@W")


@test("exceeds_shipped")
def exceeds_shipped(cluster):
    made = reserve(cluster, "A=2@W")
    cluster.hf("purchase", made)
    cluster.hf("ship", made, "A=1@W")
    refused(cluster, "exceeds_shipped", "return", made, "A=2@W", "--restock")
    cluster.hf("return", made, "A=1@W", "--quarantine")


@test("insufficient_on_hand")
def insufficient_on_hand(cluster):
    cluster.stock("PROMISED", W=5)
    cluster.hf("reason", "put", "lost", "--name", "lost")
    reserve(cluster, "PROMISED=4@W")
    refused(cluster, "insufficient_on_hand", "adjust", "PROMISED=-2@W", "--reason", "lost")
    refused(cluster, "insufficient_on_hand", "adjust", "PROMISED=-6@W", "--reason", "lost",
            "--accept-shortfall")
    refused(cluster, "insufficient_on_hand", "quarantine", "PROMISED=2@W")
    equal(cluster.level("PROMISED")["on_hand"], 5, "on hand")


@test("version_conflict says what moved")
def version_conflict(cluster):
    cluster.stock("COUNTED", W=7)
    before = cluster.level("COUNTED")["on_hand_version"]
    cluster.hf("receive", "COUNTED=2@W", "--reference", "late")
    done = refused(cluster, "version_conflict", "count", "COUNTED=7@W", "--if-version", before)
    check("late" in done.out + done.err or "received" in done.out + done.err,
          "it says what moved: %s" % done)
    cluster.hf("count", "COUNTED=8@W", "--if-version",
               cluster.level("COUNTED")["on_hand_version"])


@test("operation_id_reused")
def operation_id_reused(cluster):
    number = wire.uuid_text(wire.uuid7())
    cluster.hf("reserve", "A=1@W", "--id", number)
    refused(cluster, "operation_id_reused", "reserve", "A=2@W", "--id", number)


@test("unknown_sku, unknown_warehouse, unknown_reservation, unknown_reason")
def unknown_names(cluster):
    refused(cluster, "unknown_sku", "reserve", "NO-SUCH=1@W")
    refused(cluster, "unknown_warehouse", "receive", "A=1@NOWHERE", "--reference", "x")
    refused(cluster, "unknown_reason", "adjust", "A=1@W", "--reason", "no-such-reason")
    made = reserve(cluster, "A=1@W")
    # the same partition and check, but never made: that of an operation refused for stock
    number = wire.uuid7()
    refused(cluster, "unknown_reservation", "release", reservation_text(
        cluster.partition("A"), number))
    cluster.hf("release", made)


def reservation_text(partition, operation_id):
    """The text form that protocol/ids.h describes."""
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U"
    value = (partition << 64) | wire._xxhash.XXH3_64bits(operation_id, 16)
    text = "".join(digits[value >> shift & 31] for shift in range(75, -5, -5))
    return "R-" + text + digits[value % 37]


@test("barcode_taken")
def barcode_taken(cluster):
    cluster.hf("item", "put", "A", "--name", "a", "--barcode", "4006381333931")
    refused(cluster, "barcode_taken", "item", "put", "SCARCE", "--name", "b", "--barcode",
            "4006381333931")


@test("invalid: lines on two partitions, and a code with a blank at its end")
def invalid(cluster):
    other = next("B%d" % i for i in range(1000)
                 if cluster.partition("B%d" % i) != cluster.partition("A"))
    cluster.stock(other, W=1)
    refused(cluster, "invalid", "reserve", "A=1@W", other + "=1@W")
    with cluster.peer() as peer:
        answer = peer.call(wire.operation("receive", lines=[("A ", "W", 1)]),
                           cluster.partition("A "))
        equal((wire.status_name(answer.status), answer.field),
              ("invalid", "receive.lines[0].sku"), "a blank at the end")


@test("too_large: more lines than the limit")
def too_large(cluster):
    refused(cluster, "too_large", "reserve", *["A=1@W%d" % i for i in range(30)])


@test("internal: the database refuses it each time; its neighbours are applied")
def internal(cluster):
    cluster.stock("CURSED", W=1)
    cluster.sql("ALTER TABLE stock_level ADD CONSTRAINT planted"
                " CHECK (sku <> 'CURSED' OR on_hand < 100)", admin=True)
    try:
        refused(cluster, "internal", "receive", "CURSED=100@W", "--reference", "x")
        cluster.hf("receive", "CURSED=1@W", "--reference", "x")
        with cluster.peer() as peer:
            where = cluster.partition("CURSED")
            good = [wire.operation("receive", lines=[("CURSED", "W", 1)]) for _ in range(20)]
            bad = wire.operation("receive", lines=[("CURSED", "W", 500)])
            sent = peer.submit_batch([(op, where) for op in good[:10] + [bad] + good[10:]])
            got = [wire.status_name(peer.outcome(n).status) for n in sent]
            equal(got, ["applied"] * 10 + ["internal"] + ["applied"] * 10, "results of the batch")
        equal(cluster.level("CURSED")["on_hand"], 22, "on hand")
    finally:
        cluster.sql("ALTER TABLE stock_level DROP CONSTRAINT planted", admin=True)


@test("operation_id_expired")
def operation_id_expired(cluster):
    old = bytearray(wire.uuid7())
    old[:6] = (int(time.time() * 1000) - 8 * 86400 * 1000).to_bytes(6, "big")
    refused(cluster, "operation_id_expired", "reserve", "A=1@W", "--id",
            str(uuid.UUID(bytes=bytes(old))))


@test("wrong_partition, with the partition that it belongs to")
def wrong_partition(cluster):
    right = cluster.partition("A")
    before = cluster.number("SELECT COUNT(*) FROM movement")
    with cluster.peer() as peer:
        op = wire.operation("reserve", lines=[("A", "W", 1)])
        answer = peer.call(op, (right + 1) % cluster.partitions)
        equal(wire.status_name(answer.status), "wrong_partition", "the result")
        equal(answer.partition_wanted, right, "partition_wanted")
    equal(cluster.number("SELECT COUNT(*) FROM movement"), before, "movements")
    seen.add("wrong_partition")


# Produced by 61-sheds.py.
ELSEWHERE = {"busy", "rate_limited", "deadline_exceeded", "unavailable", "unknown", "poison"}
# Needs principals with roles, which ipc has not; see docs/roadmap.md.
RESERVED = {"not_permitted"}


@test("every result of the table is produced here or in 61-sheds.py")
def every_result(cluster):
    equal(set(wire.STATUS_CODES) - seen - ELSEWHERE - RESERVED, set(), "results without a test")


if __name__ == "__main__":
    run(limits={"lines": 20})

# SPDX-License-Identifier: MIT
"""A reservation ends exactly once, and on time.

Purchase, release, extend and expiry race for hundreds of short reservations; the ledger says how
each ended. What is due is released soon, under load and after its owner was dead. How soon is
printed; what is asserted is ten times the second that is promised.
"""
import random

from harness import *

RESERVED, EXTENDED, PURCHASED, RELEASED, EXPIRED = 1, 2, 3, 4, 5
LATE_SECONDS = 10
SKUS = ["E%d" % i for i in range(8)]


class Movement:
    def __init__(self, row):
        self.reservation, self.operation = row[0], row[1].lower()
        self.partition, self.seq, self.kind, self.at_us, self.expires_at_us = map(int, row[2:7])


def history(cluster, skus):
    """Movements of reservations on these SKUs, each reservation's in order. (An extension touches
    no level, so its movement names no SKU.)"""
    rows = cluster.sql(
        "SELECT HEX(reservation_id), HEX(operation_id), partition_id, seq, kind, at_us,"
        " expires_at_us FROM movement WHERE reservation_id IN (SELECT reservation_id FROM movement"
        " WHERE kind=1 AND sku IN (%s)) ORDER BY partition_id, seq" % ",".join("'%s'" % sku for sku in skus), all_shards=True)
    found = {}
    for row in rows:
        movement = Movement(row)
        found.setdefault(movement.reservation, []).append(movement)
    return found


def judge(found):
    """Each ended once, nothing happened after its time; returns how late expiries were, in us."""
    lateness = []
    for reservation, movements in found.items():
        kinds = [m.kind for m in movements]
        equal(kinds[0], RESERVED, "first movement of " + reservation)
        ends = [k for k in kinds if k in (PURCHASED, RELEASED, EXPIRED)]
        equal(len(ends), 1, "ends of %s: %r" % (reservation, kinds))
        equal(kinds[-1], ends[0], "the end is the last movement: %r" % kinds)
        for before, movement in zip(movements, movements[1:]):
            late = movement.at_us - before.expires_at_us
            if movement.kind == EXPIRED:
                check(late >= 0, "%s expired %d us too early" % (reservation, -late))
                lateness.append(late)
            else:
                check(late < 0, "%s was used %d us after its time: %s" % (
                    reservation, late, [(m.kind, m.seq, m.at_us, m.expires_at_us)
                                        for m in movements]))
    return lateness


def nothing_held(cluster, skus):
    names = ",".join("'%s'" % sku for sku in skus)
    return cluster.number("SELECT COALESCE(SUM(reserved), 0) FROM stock_level WHERE sku IN (%s)"
                          % names) == 0


@test("400 reservations, each raced for by purchase, release, extend and expiry")
def race(cluster):
    for sku in SKUS:
        cluster.stock(sku, W=1000)
    chosen = random.Random(3)
    clients, count = 32, 400
    script = ["%d\t0\treserve\tline=%s=%d@W\tttl=2000" % (
        i % clients, SKUS[i % len(SKUS)], 1 + i % 3) for i in range(count)]
    later = []
    for i in range(count):
        for kind, keys in (("purchase", ""), ("release", ""), ("extend", "\tttl=1000")):
            if chosen.random() < 0.75:
                later.append((chosen.randint(1600, 2900), kind, i, keys))
    later.sort()
    script += ["%d\t%d\t%s\tr=@%d%s" % (n % clients, at, kind, i, keys)
               for n, (at, kind, i, keys) in enumerate(later)]
    results = cluster.load(script, clients=clients)
    allowed = {"applied", "reservation_expired", "already_purchased", "already_released",
               "not_active"}  # of an extend that came after the end
    equal({row["status"] for row in results} - allowed, set(), "other results")
    wait_until(lambda: nothing_held(cluster, SKUS), LATE_SECONDS + 3, "everything has ended")

    found = history(cluster, SKUS)
    equal(len(found), count, "reservations in the ledger")
    lateness = judge(found)
    booked = {m.operation for movements in found.values() for m in movements if m.kind != EXPIRED}
    applied = {row["operation_id"].replace("-", "") for row in results
               if row["status"] == "applied"}
    equal(booked, applied, "operations that the clients know as applied")
    ends = [movements[-1].kind for movements in found.values()]
    note("purchased %d, released %d, expired %d; latest expiry %.3f s after its time" % (
        ends.count(PURCHASED), ends.count(RELEASED), ends.count(EXPIRED), max(lateness) / 1e6))
    check(min(ends.count(k) for k in (PURCHASED, RELEASED, EXPIRED)) > 0, "each way was taken")
    check(max(lateness) <= LATE_SECONDS * 1e6, "released in time")


@test("everything due is released in time under load")
def under_load(cluster):
    skus = ["L%d" % i for i in range(8)]
    for sku in skus + ["BUSY"]:
        cluster.stock(sku, W=100000)
    clients = 24
    script = ["%d\t0\treserve\tline=%s=1@W\tttl=2500" % (i % clients, skus[i % len(skus)])
              for i in range(2000)]
    # the same clients keep the workers busy while those become due
    script += ["%d\t%d\treserve\tline=%s=1@W\tttl=600000" % (
        i % clients, 2000 + i // 4, skus[i % len(skus)] if i % 2 else "BUSY")
        for i in range(8000)]
    results = cluster.load(script, clients=clients)
    equal({row["status"] for row in results}, {"applied"}, "results")
    due = cluster.number("SELECT COUNT(*) FROM reservation WHERE state=2 AND expires_at_us <"
                         " UNIX_TIMESTAMP(NOW(6)) * 1000000 - %d" % (LATE_SECONDS * 1000000))
    equal(due, 0, "reservations long overdue")
    wait_until(lambda: cluster.number(
        "SELECT COUNT(*) FROM movement WHERE kind=5 AND sku IN (%s)"
        % ",".join("'%s'" % s for s in skus)) == 2000, LATE_SECONDS, "2,000 have expired")
    rows = cluster.sql(
        "SELECT MAX(e.at_us - r.expires_at_us), COUNT(*), AVG(e.at_us - r.expires_at_us)"
        " FROM movement e JOIN movement r ON r.partition_id=e.partition_id AND r.kind=1"
        " AND r.reservation_id=e.reservation_id WHERE e.kind=5 AND e.sku LIKE 'L%'")
    latest, count, mean = rows[0]
    note("%s expired; mean %.3f s, latest %.3f s after its time" % (
        count, float(mean) / 1e6, int(latest) / 1e6))
    check(int(latest) <= LATE_SECONDS * 1e6, "released in time")


@test("everything due is released after its owner was dead for a while, and is not usable before")
def owner_dead(cluster):
    skus = ["D%d" % i for i in range(4)]
    for sku in skus:
        cluster.stock(sku, W=1000)
    supervisor = cluster.process("supervisor")
    cluster.stop(supervisor)  # nobody starts the workers again
    try:
        results = cluster.load(["%d\t0\treserve\tline=%s=1@W\tttl=1500" % (i % 8, skus[i % 4])
                                for i in range(200)], clients=8)
        equal({row["status"] for row in results}, {"applied"}, "results")
        for worker in cluster.processes("worker"):
            worker.kill()
        last_us = max(m[-1].expires_at_us for m in history(cluster, skus).values())
        wait_until(lambda: time.time() * 1e6 > last_us + 2e6, 10, "they have been due for 2 s")
        check(not nothing_held(cluster, skus), "nobody releases them")
    finally:
        cluster.cont(supervisor)
    done = cluster.hf("purchase", results[0]["reservation"], "--timeout",
                      "%ds" % scale(30), expect=None, seconds=40)
    equal((done.result, done.code), ("reservation_expired", 1), "a purchase that came too late")
    served = time.time()
    wait_until(lambda: nothing_held(cluster, skus), LATE_SECONDS, "everything is released")
    note("all released %.3f s after the new owner first answered" % (time.time() - served))
    equal(set(kinds[-1].kind for kinds in history(cluster, skus).values()), {EXPIRED}, "their ends")
    judge(history(cluster, skus))


if __name__ == "__main__":
    run(workers=2)

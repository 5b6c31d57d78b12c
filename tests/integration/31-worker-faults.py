# SPDX-License-Identifier: MIT
"""What a worker does with its database: how many statements a batch takes and by which index, rows
that the database refuses, pruning, and audits that find what was planted.
"""
from harness import *


def status(cluster, name):
    return int(cluster.sql("SHOW GLOBAL STATUS LIKE '%s'" % name, admin=True)[0][1])


def reserves(cluster, sku, count, quantity=1):
    return [(wire.operation("reserve", lines=[(sku, "W", quantity)], ttl_ms=600000),
             cluster.partition(sku)) for _ in range(count)]


def cost(cluster, sku, count):
    """(statements, commits) that so many reserves in one message take."""
    with cluster.peer() as peer:
        peer.call(reserves(cluster, sku, 1)[0][0], cluster.partition(sku))  # caches are warm
        before = status(cluster, "Questions"), status(cluster, "Com_commit")
        begun = time.monotonic()
        sequences = peer.submit_batch(reserves(cluster, sku, count))
        for sequence in sequences:
            equal(peer.outcome(sequence).status, 0, "status")
        commits = status(cluster, "Com_commit") - before[1]
        statements = status(cluster, "Questions") - before[0]
        return statements, commits, time.monotonic() - begun


@test("the number of statements does not depend on the number of operations")
def statements(cluster):
    cluster.stock("S", W=1000000)
    one, many = cost(cluster, "S", 1), cost(cluster, "S", 240)
    note("1 reserve: %d statements, %d commits; 240: %d, %d" % (one[:2] + many[:2]))
    check(many[1] <= 12, "240 reserves of one message take few commits")
    # 7 a batch; besides, 5 for every look at the partitions, by two workers twice a second or more
    check(many[0] <= 10 * many[1] + 100 + 100 * many[2], "statements for 240 reserves")


# MySQL has to be asked for rows, and has a column of partitions before the type of access.
EXPLAIN, TYPE = ("EXPLAIN FORMAT=TRADITIONAL ", 4) if ON_MYSQL else ("EXPLAIN ", 3)


@test("conditional updates go by the primary key")
def explain(cluster):
    cluster.stock("E", W=1000)
    cluster.sql("SET GLOBAL log_output='TABLE', GLOBAL general_log=1", admin=True)
    try:
        with cluster.peer() as peer:
            made = [peer.outcome(s) for s in peer.submit_batch(reserves(cluster, "E", 100))]
            for result in made:
                kept = result.reservation.reservation
                peer.call(wire.operation("purchase", reservation=kept), cluster.partition("E"))
            peer.call(wire.operation("put_item", sku="E", name="again"), cluster.partition("E"))
    finally:
        cluster.sql("SET GLOBAL general_log=0", admin=True)
    updates = {}
    logged = cluster.sql("SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE"
                         " argument LIKE '%STRAIGHT_JOIN%'", admin=True)
    for text in (part for row in logged for part in row[0].split(";")):
        found = re.match(r"UPDATE \(SELECT.*STRAIGHT_JOIN `?(\w+)`? t", text)
        if found and len(text) > len(updates.get(found.group(1), "")):
            updates[found.group(1)] = text
    cluster.sql("TRUNCATE mysql.general_log", admin=True)
    equal(sorted(updates), ["item", "partition", "reservation", "reservation_line", "stock_level"],
          "tables that are updated")
    for table, text in updates.items():
        rows = cluster.sql(EXPLAIN + text, admin=True)
        access = [(row[TYPE], row[TYPE + 2]) for row in rows if row[2] == "t"]
        if not access:  # one row only: it was looked up by the optimizer, and has moved on
            check("const" in rows[0][-1], "a row by its key: %r" % rows)
            continue
        check(access[0] in (("eq_ref", "PRIMARY"), ("const", "PRIMARY")),
              "access to %s: %r" % (table, rows))


@test("a row that the database refuses each time: that operation is internal, the rest applied")
def cursed(cluster):
    cluster.stock("GOOD", W=1000)
    cluster.stock("CURSED", W=10)
    cluster.sql("ALTER TABLE stock_level ADD CONSTRAINT planted CHECK (sku<>'CURSED' OR"
                " reserved<>3)", admin=True)
    try:
        with cluster.peer() as peer:
            good = reserves(cluster, "GOOD", 60)
            bad = reserves(cluster, "CURSED", 1, quantity=3)
            sequences = peer.submit_batch(good[:37] + bad + good[37:])
            results = [peer.outcome(s, seconds=20) for s in sequences]
    finally:
        cluster.sql("ALTER TABLE stock_level DROP CONSTRAINT planted", admin=True)
    names = [wire.status_name(r.status) for r in results]
    equal(names[37], "internal", "result of the one")
    equal(set(names[:37] + names[38:]), {"applied"}, "results of the others")
    equal(cluster.level("CURSED")["reserved"], 0, "nothing of it was written")
    equal(cluster.level("GOOD")["reserved"], 60, "the others were, once")


def signalling(sku, kind):
    """A trigger that refuses each movement of that kind of the sku."""
    return ("DELIMITER //\nCREATE TRIGGER planted BEFORE INSERT ON movement FOR EACH ROW IF NEW.sku="
            "'%s' AND NEW.kind=%d THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='planted'; END IF//"
            % (sku, kind))


@test("the same when it is a trigger that refuses it, also for what is due")
def cursed_by_trigger(cluster):
    cluster.stock("SIGNAL", W=10)
    cluster.sql(signalling("SIGNAL", pb.MOVEMENT_RESERVED), admin=True)
    try:
        with cluster.peer() as peer:
            batch = reserves(cluster, "GOOD", 20) + reserves(cluster, "SIGNAL", 1)
            results = [peer.outcome(s, seconds=20) for s in peer.submit_batch(batch)]
    finally:
        cluster.sql("DROP TRIGGER planted", admin=True)
    names = [wire.status_name(r.status) for r in results]
    equal(names, ["applied"] * 20 + ["internal"], "results")
    cluster.hf("receive", "GOOD=100000@W")
    cluster.hf("reserve", "SIGNAL=4@W", "--ttl", "1s")
    cluster.sql(signalling("SIGNAL", pb.MOVEMENT_EXPIRED), admin=True)
    try:
        with cluster.peer() as peer:
            ends = time.monotonic() + scale(4)  # as many batches with what is due as there can be
            while time.monotonic() < ends:
                made = peer.call(reserves(cluster, "GOOD", 1)[0][0], cluster.partition("GOOD"))
                equal(wire.status_name(made.status), "applied", "a reserve beside it")
                peer.quiet(0.02)
        equal(cluster.level("SIGNAL")["reserved"], 4, "it is stuck")
    finally:
        cluster.sql("DROP TRIGGER planted", admin=True)
    wait_until(lambda: cluster.level("SIGNAL")["reserved"] == 0, 70, "it is released then")


@test("due reservations that the database refuses to release hold nothing else up")
def cursed_expiry(cluster):
    cluster.stock("STUCK", W=10)
    cluster.stock("FREE", W=10)
    cluster.hf("reserve", "STUCK=4@W", "--ttl", "1s")
    cluster.sql("ALTER TABLE stock_level ADD CONSTRAINT planted CHECK (sku<>'STUCK' OR"
                " reserved=4)", admin=True)
    try:
        other = next(s for s in ("F%d" % i for i in range(100))
                     if cluster.partition(s) != cluster.partition("STUCK"))
        cluster.stock(other, W=10)
        cluster.hf("reserve", other + "=2@W", "--ttl", "1s")
        wait_until(lambda: cluster.level(other)["reserved"] == 0, 10, "the other one is released")
        cluster.hf("reserve", "FREE=1@W")
        equal(cluster.level("STUCK")["reserved"], 4, "it is stuck")
    finally:
        cluster.sql("ALTER TABLE stock_level DROP CONSTRAINT planted", admin=True)
    wait_until(lambda: cluster.level("STUCK")["reserved"] == 0, 10, "it is released then")


def set_packet(cluster, limit):
    """Of the worker's next connection, which it makes at once."""
    cluster.sql("SET GLOBAL max_allowed_packet=%d" % limit, admin=True)
    for connection, in cluster.sql("SELECT connection_id FROM `partition` LIMIT 1"):
        cluster.sql("KILL CONNECTION %s" % connection, admin=True)
        wait_until(lambda: cluster.number("SELECT COUNT(*) FROM `partition` WHERE connection_id<>%s"
                                          % connection), 10, "another connection")


@test("a transaction is not larger than the server takes, however little that is")
def packets(cluster):
    for warehouse in range(16):
        cluster.stock("WIDE", **{"W%d" % warehouse: 1000})
    before = cluster.number("SELECT @@global.max_allowed_packet")
    set_packet(cluster, 1 << 18)
    try:
        with cluster.peer() as peer:
            lines = [("WIDE", "W%d" % warehouse, 1) for warehouse in range(16)]
            sequences = peer.submit_batch([
                (wire.operation("reserve", lines=lines, ttl_ms=600000, note="n" * 255),
                 cluster.partition("WIDE")) for _ in range(24)])
            results = [peer.outcome(s, seconds=20) for s in sequences]
    finally:
        set_packet(cluster, before)
    equal({wire.status_name(r.status) for r in results}, {"applied"}, "results")


@test("movements and closed reservations past the retention are pruned, and the audit still sums")
def pruned(cluster):
    cluster.stock("OLD", W=500)
    kept = cluster.hf("reserve", "OLD=2@W", "--ttl", "1h").json["reservation"]
    gone = cluster.hf("reserve", "OLD=3@W", "--ttl", "1h").json["reservation"]
    cluster.hf("release", gone)
    short = cluster.hf("reserve", "OLD=3@W", "--ttl", "1s").json["reservation"]
    partition = cluster.partition("OLD")
    top = cluster.number("SELECT last_seq FROM `partition` WHERE partition_id=%d" % partition)
    wait_until(lambda: cluster.number("SELECT pruned_seq FROM `partition` WHERE partition_id=%d"
                                      % partition) >= top, 30, "its movements are pruned")
    equal(cluster.number("SELECT COUNT(*) FROM movement WHERE partition_id=%d AND seq<=%d"
                         % (partition, top)), 0, "movements up to there")
    check(cluster.number("SELECT COUNT(*) FROM checkpoint WHERE sku='OLD'") == 1, "a checkpoint")
    cluster.audit()
    wait_until(lambda: not cluster.hf("reservation", "show", short, expect=None).code == 0, 30,
               "the expired reservation is gone")
    equal(cluster.hf("reservation", "show", kept).json["state"], "active", "what lives, lives")
    cluster.hf("receive", "OLD=1@W")
    cluster.audit()


@test("pruning looks at what goes, and not at all that stays")
def pruned_by_key(cluster):
    cluster.sql("SET GLOBAL log_output='TABLE', GLOBAL general_log=1", admin=True)
    found = []
    try:
        cluster.hf("release", cluster.hf("reserve", "OLD=3@W", "--ttl", "1h").json["reservation"])

        def logged():
            found[:] = cluster.sql("SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log"
                                   " WHERE argument LIKE 'SELECT DISTINCT r.reservation_id%'",
                                   admin=True)
            return found
        wait_until(logged, 30, "closed reservations are looked for")
    finally:
        cluster.sql("SET GLOBAL general_log=0", admin=True)
    access = {row[2]: row[TYPE:TYPE + 4] for row in cluster.sql(EXPLAIN + found[0][0], admin=True)}
    equal(access["m"][0], "range", "access to movement")
    equal(access["m"][2], "PRIMARY", "by its key")
    equal((access["r"][0], access["r"][2]), ("eq_ref", "PRIMARY"), "access to reservation")
    # the whole key: lines of one reservation, not of the partition (2 + 10 bytes)
    equal((access["l"][0], access["l"][2:]), ("ref", ("PRIMARY", "12")),
          "access to reservation_line")


@test("the audit finds what was planted, and names it")
def audit_finds(cluster):
    cluster.stock("PLANT", W=50)
    cluster.hf("reserve", "PLANT=5@W", "--ttl", "1h")
    where = "partition_id=%d AND sku='PLANT'" % cluster.partition("PLANT")
    partition = "`partition` SET last_seq=last_seq%s1 WHERE partition_id={}".format(
        cluster.partition("PLANT"))
    faults = [
        ("level_reservations", "stock_level SET reserved=reserved%s1 WHERE " + where),
        ("level_ledger", "stock_level SET on_hand=on_hand%s1 WHERE " + where),
        ("level_version", "stock_level SET version=version%s1 WHERE " + where),
        ("movement_gaps", partition),
        ("operation_rows", "movement SET idx=idx%s1 WHERE " + where + " ORDER BY seq DESC LIMIT 1"),
    ]
    for name, change in faults:
        cluster.hf("receive", "PLANT=1@W")  # a movement that is not pruned yet
        cluster.sql("UPDATE " + change % "+", admin=True)
        found = cluster.hf("audit", "--no-views", expect=None)
        cluster.sql("UPDATE " + change % "-", admin=True)
        check(name in found.out, "%s is found: %s" % (name, found.out))
    cluster.audit()


if __name__ == "__main__":
    run(workers=1, windows={"retention": "3s", "idempotency": "3s"})

# SPDX-License-Identifier: MIT
"""A count is taken against the on_hand that was seen. Operations that share a batch still have
versions of their own, so what one of them returned is old when the other has moved the level.
"""
from harness import *
from harness import wire

SHIPPED, RECEIVED = 6, 9


@test("receive and ship in one batch: a count with the receive's version is refused and says why")
def one_batch(cluster):
    cluster.stock("A", W=20)
    made = cluster.hf("reserve", "A=6@W").json["reservation"]
    cluster.hf("purchase", made)
    where = cluster.partition("A")
    worker = cluster.process("worker")
    with cluster.peer() as peer:
        receive = wire.operation("receive", lines=[("A", "W", 5)], reference="truck")
        ship = wire.operation("ship", reservation=made, lines=[("A", "W", 2)], reference="van")
        cluster.stop(worker)  # so that both are there when it looks
        sent = peer.submit_batch([(receive, where), (ship, where)])
        time.sleep(0.2)  # not waited for: only makes it likely that both are handed over
        cluster.cont(worker)
        received, shipped = (peer.outcome(n) for n in sent)
        equal((received.status, shipped.status), (0, 0), "status of both")
        after_receive, after_ship = received.levels[0], shipped.levels[0]
        equal((after_receive.on_hand, after_ship.on_hand), (25, 23), "on hand after each")
        check(after_receive.on_hand_version < after_ship.on_hand_version, "versions rise")
        times = {row[0] for row in cluster.sql(
            "SELECT at_us FROM movement WHERE partition_id=%d AND seq IN (%d, %d)" % (
                where, received.sequence, shipped.sequence))}
        equal(len(times), 1, "times of their movements: they were one batch")

        count = wire.operation("count", sku="A", warehouse="W", quantity=25, has_version=True,
                               on_hand_version=after_receive.on_hand_version)
        answer = peer.call(count, where)
        equal(wire.status_name(answer.status), "version_conflict", "the count")
        equal([(m.kind, m.on_hand_change, m.reference) for m in answer.moved],
              [(SHIPPED, -2, b"van")], "what moved")

        count = wire.operation("count", sku="A", warehouse="W", quantity=24, has_version=True,
                               on_hand_version=after_ship.on_hand_version)
        equal(peer.call(count, where).status, 0, "the count with the ship's version")
    equal(cluster.level("A")["on_hand"], 24, "on hand")


@test("the same at the command line, which names what moved")
def by_command(cluster):
    version = cluster.level("A")["on_hand_version"]
    cluster.hf("receive", "A=1@W", "--reference", "pallet-7")
    cluster.hf("receive", "A=2@W", "--reference", "pallet-8")
    done = cluster.refused("version_conflict", "count", "A=24@W", "--if-version", version)
    for word in ("pallet-7", "pallet-8"):
        check(word in done.out + done.err, "%s is named: %s" % (word, done))
    equal(cluster.level("A")["on_hand"], 27, "on hand")


@test("reserving, purchasing and releasing do not disturb a count")
def selling_goes_on(cluster):
    version = cluster.level("A")["on_hand_version"]
    made = cluster.hf("reserve", "A=2@W").json["reservation"]
    cluster.hf("purchase", made, "A=1@W")
    cluster.hf("count", "A=26@W", "--if-version", version)
    equal(cluster.level("A")["on_hand"], 26, "on hand")


def rows_read(cluster):
    """Rows that the server has looked up by key or read in order, ever."""
    return sum(int(value) for _, value in cluster.sql(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Handler_read_key', 'Handler_read_next', "
        "'Handler_read_rnd_next')"))


def busy_level(cluster, peer, sku, reserves):
    """Receives 1 to 20 with reservations between them; the versions after each of the receives."""
    where, versions = cluster.partition(sku), []
    for n in range(20):
        receive = wire.operation("receive", lines=[(sku, "W", 1)], reference="r%d" % (n + 1))
        answer = peer.call(receive, where)
        versions.append(answer.levels[0].on_hand_version)
        sent = peer.submit_batch([(wire.operation("reserve", lines=[(sku, "W", 1)], order="o"), where)
                                  for _ in range(reserves)])
        equal({peer.outcome(sequence).status for sequence in sent}, {0}, "reserves")
    return versions


@test("what moved is told at the cost of what is told, however much has been reserved since")
def cost_of_moved(cluster):
    cluster.stock("B", W=5000)
    with cluster.peer() as peer:
        versions = busy_level(cluster, peer, "B", 60)
        count = wire.operation("count", sku="B", warehouse="W", quantity=1, has_version=True,
                               on_hand_version=versions[10])
        before = rows_read(cluster)
        answer = peer.call(count, cluster.partition("B"))
        cost = rows_read(cluster) - before
        equal([m.reference for m in answer.moved], [b"r%d" % n for n in range(20, 11, -1)], "moved")
        count.count.on_hand_version = versions[0]
        count.operation_id = wire.uuid7()
        answer = peer.call(count, cluster.partition("B"))
        equal([m.reference for m in answer.moved], [b"r%d" % n for n in range(20, 4, -1)],
              "the newest 16 of 19")
    check(cost < 300, "%d rows read" % cost)
    note("%d rows read" % cost)


@test("each page of a history costs as much as the first, and none is missed or told twice")
def pages_of_history(cluster):
    rows, costs, before = [], [], []
    while True:
        cost = []
        for _ in range(3):  # what else the server has to do meanwhile is done once
            started = rows_read(cluster)
            page = cluster.hf("history", "B", "--warehouse", "W", "--limit", "100", *before).lines
            cost.append(rows_read(cluster) - started)
            if cost[-1] < 1000:
                break
        costs.append(min(cost))
        rows += page
        if len(page) < 100:
            break
        before = ["--before", page[-1]["sequence"]]
    known = cluster.sql("SELECT seq FROM movement WHERE sku='B' AND warehouse='W' ORDER BY seq DESC")
    equal([str(row["sequence"]) for row in rows], [seq for seq, in known], "all of them, in order")
    check(max(costs) < 1000, "rows read for each page: %s" % costs)
    note("rows read for each page: %s" % costs)


if __name__ == "__main__":
    run(partitions=2)

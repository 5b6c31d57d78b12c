# SPDX-License-Identifier: MIT
"""A page of reservations costs as much as the page, whatever else the partition holds: the owner
reads it between two batches, and all of them wait.
"""
from harness import *
from harness import wire
from relays import prune
from views import reservation_text

ROWS = int(os.environ.get("HOLDFAST_TEST_ROWS", 9000))
# Of a sku that only the oldest are of, where there are more than a page looks at.
OLD = 9000 if ROWS > 45000 else 0
AT_ONCE = 500
LIVE = 1, 2


class Reservation:
    """What the database says of it."""

    def __init__(self, row):
        self.raw = bytes.fromhex(row[0])
        self.text = reservation_text(self.raw)
        self.created, self.expires, self.live = int(row[1]), int(row[2]), int(row[3]) in LIVE
        self.order, self.skus = row[4], set(row[5].split(","))


def fill(cluster):
    """ROWS reservations, many of one moment, made as any client makes them."""
    with cluster.peer() as peer:
        for first in range(1, ROWS + 1, AT_ONCE):
            sent = []
            for n in range(first, min(first + AT_ONCE, ROWS + 1)):
                skus = ["RARE" if n % 2500 == 1 else "HOT"] + (["OLD"] if n <= OLD else [])
                sent.append((wire.operation(
                    "reserve", lines=[(sku, "W", 1) for sku in skus],
                    order="O-RARE" if n % 1777 == 0 else "O-HOT" if n % 2 else "",
                    ttl_ms=3600000 + n * 7919 % ROWS * 1000), 0))
            equal({peer.outcome(sequence).status for sequence in peer.submit_batch(sent)}, {0}, "made")
    cluster.sql("ANALYZE TABLE reservation; ANALYZE TABLE reservation_line; ANALYZE TABLE movement")
    return [Reservation(row) for row in cluster.sql(
        "SELECT HEX(r.reservation_id), r.created_at_us, r.expires_at_us, r.state, r.order_ref,"
        " GROUP_CONCAT(l.sku) FROM reservation r JOIN reservation_line l USING (partition_id,"
        " reservation_id) GROUP BY r.partition_id, r.reservation_id")]


def rows_read(cluster):
    """Rows that the server has looked up by key or read in order, ever."""
    return sum(int(value) for _, value in cluster.sql(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Handler_read_key', 'Handler_read_next',"
        " 'Handler_read_prev', 'Handler_read_rnd_next', 'Handler_read_rnd')"))


def page(cluster, known, most, *words, order="", sku="", limit=100):
    """Asks for a page, which must be the right one and read at most so many rows."""
    expiring = "--expiring" in words
    match = {r.text: r for r in known if (not order or r.order == order) and
             (not sku or sku in r.skus) and (not expiring or r.live)}
    key = (lambda r: (r.expires, r.raw)) if expiring else (lambda r: -r.created)
    want = sorted(map(key, match.values()))[:limit]
    words = ["--limit", limit, *words] + (["--order", order] if order else []) + (
        ["--sku", sku] if sku else [])
    before, began = rows_read(cluster), time.monotonic()
    got = cluster.hf("reservation", "list", *words)
    took, cost = time.monotonic() - began, rows_read(cluster) - before
    name = " ".join(map(str, words))
    texts = [r["reservation"] for r in got.lines]
    equal(len(set(texts)), len(texts), "none twice: " + name)
    # Those of one moment have no order of their own.
    equal([key(match[text]) for text in texts], want, name)
    equal([set(line["sku"] for line in r["lines"]) for r in got.lines],
          [match[text].skus for text in texts], "lines of " + name)
    equal("there is more" in got.err, len(match) > limit, "more of " + name)
    check(cost <= most, "%s: %d rows read, at most %d" % (name, cost, most))
    note("%s: %d rows read, %d ms" % (name, cost, took * 1000))


@test("a page of reservations reads what it tells, or a bounded way, of %d of a partition" % ROWS)
def reservations(cluster):
    for sku in ("HOT", "RARE", "OLD"):
        cluster.stock(sku, W=ROWS)
    known = fill(cluster)
    equal(len(known), ROWS, "reservations")
    page(cluster, known, 12000)
    page(cluster, known, 2000, "--expiring", "--consistency", "owner")
    page(cluster, known, 40000, sku="HOT")
    page(cluster, known, 2000, sku="RARE")
    page(cluster, known, 40000, order="O-HOT")
    page(cluster, known, 2000, order="O-RARE")
    page(cluster, known, 2000, order="O-RARE", sku="HOT")
    page(cluster, known, 2000, order="O-RARE", sku="RARE")
    page(cluster, known, 60000, "--expiring", "--consistency", "owner", sku="HOT", limit=1000)
    if OLD == 0:
        return
    before = rows_read(cluster)
    got = cluster.hf("reservation", "list", "--sku", "OLD", "--limit", 10)
    cost = rows_read(cluster) - before
    check(got.lines == [] and "there is more" in got.err, "not all were looked at: %s" % got)
    check(cost < 300000, "%d rows read" % cost)
    note("OLD: %d rows read" % cost)


def move(peer, count):
    sent = peer.submit_batch([(wire.operation("reserve", lines=[("B", "W", 1)], order="o"), 0)
                              for _ in range(count)])
    equal({peer.outcome(sequence).status for sequence in sent}, {0}, "reserves")


@test("a page of an item's history before a movement of one level costs little for the others too")
def histories(cluster):
    cluster.stock("B", W=20000, V=0)
    with cluster.peer() as peer:
        move(peer, 30)
        last = peer.call(wire.operation("receive", lines=[("B", "V", 9)], reference="r"), 0).sequence
        for _ in range(20):
            move(peer, 200)
        known = [seq for seq, in cluster.sql("SELECT seq FROM movement WHERE sku='B' AND seq<=%d"
                                             " ORDER BY seq DESC" % last)]
        for before in (last, 2):
            want = [seq for seq in known if int(seq) < before][:100]
            cost = rows_read(cluster)
            got = cluster.hf("history", "B", "--limit", 100, "--before", before)
            cost = rows_read(cluster) - cost
            equal([str(row["sequence"]) for row in got.lines], want, "before %d" % before)
            check("more" not in got.err, "that is all: %s" % got.err)
            check(cost < 6000, "before %d: %d rows read" % (before, cost))
            note("before %d: %d rows read" % (before, cost))


@test("nothing is looked for before what was pruned")
def before_pruned(cluster):
    (last,), = cluster.sql("SELECT last_seq FROM `partition` WHERE partition_id=0")
    prune(cluster, 0, int(last))
    with cluster.peer() as peer:
        for _ in range(5):
            move(peer, 200)
    cost = rows_read(cluster)
    got = cluster.hf("history", "B", "--before", int(last) - 10)
    cost = rows_read(cluster) - cost
    equal((got.lines, "more" in got.err), ([], False), "nothing is kept: %s" % got)
    check(cost < 500, "%d rows read" % cost)
    note("%d rows read" % cost)
    equal(len(cluster.hf("history", "B", "--limit", 1000, "--warehouse", "W").lines), 1000,
          "what is kept")


if __name__ == "__main__":
    run(partitions=1)

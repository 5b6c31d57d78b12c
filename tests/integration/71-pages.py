# SPDX-License-Identifier: MIT
"""A page of reservations costs as much as the page, whatever else the partition holds: the owner
reads it between two batches, and all of them wait.
"""
from harness import *
from harness import wire
from views import reservation_text

ROWS = int(os.environ.get("HOLDFAST_TEST_ROWS", 12000))
OLD = 10000 if ROWS > 44000 else 0  # the oldest so many have a line of OLD
T0 = 1_700_000_000_000_000
RELEASED, ACTIVE = 4, 2
DIGITS = "(SELECT 0 n" + "".join(" UNION ALL SELECT %d" % n for n in range(1, 10)) + ")"


class Reservation:
    """What the nth row says."""

    def __init__(self, n):
        self.raw = n.to_bytes(10, "big")
        self.text = reservation_text(self.raw)
        self.created = T0 + n // 50 * 1000  # those of a batch have one time
        self.expires = 10 * T0 - n * 1000
        self.live = n % 4 == 0
        self.order = "O-RARE" if n % 7777 == 0 else "O-HOT" if n % 2 else ""
        self.skus = {"RARE" if n % 5000 == 1 else "HOT"} | ({"OLD"} if n <= OLD else set())


def fill(cluster):
    numbers = "(SELECT a.n+10*b.n+100*c.n+1000*d.n+10000*e.n+100000*f.n n FROM %s) x" % ", ".join(
        DIGITS + " " + name for name in "abcdef")
    header = (
        "INSERT INTO reservation SELECT 0, UNHEX(LPAD(HEX(n),20,'0')), UNHEX(LPAD(HEX(n),32,'0')),"
        " IF(n%%4=0,%d,%d), 1, %d-n*1000, %d+(n DIV 50)*1000,"
        " IF(n%%7777=0,'O-RARE',IF(n%%2,'O-HOT','')), 'test'" % (ACTIVE, RELEASED, 10 * T0, T0))
    line = ("INSERT INTO reservation_line SELECT 0, UNHEX(LPAD(HEX(n),20,'0')), %d, 0, %s, 'W', 1,"
            " IF(n%%4=0,1,0), 0, 0, 0, IF(n%%4=0,0,1), 0")
    rows = [(header, ROWS), (line % (0, "IF(n%5000=1,'RARE','HOT')"), ROWS), (line % (1, "'OLD'"), OLD)]
    for insert, count in rows:
        for first in range(1, count + 1, 20000):
            cluster.sql("%s FROM %s WHERE n BETWEEN %d AND %d" % (
                insert, numbers, first, min(first + 19999, count)))
    cluster.sql("ANALYZE TABLE reservation; ANALYZE TABLE reservation_line")


def rows_read(cluster):
    """Rows that the server has looked up by key or read in order, ever."""
    return sum(int(value) for _, value in cluster.sql(
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Handler_read_key', 'Handler_read_next',"
        " 'Handler_read_prev', 'Handler_read_rnd_next', 'Handler_read_rnd')"))


def page(cluster, known, most, *words, order="", sku="", limit=100):
    """Asks for a page, which must be the right one and read at most so many rows."""
    expiring = "--expiring" in words
    match = [r for r in known if (not order or r.order == order) and (not sku or sku in r.skus) and
             (not expiring or r.live)]
    if expiring:
        match.sort(key=lambda r: (r.expires, r.raw))
    else:
        match.sort(key=lambda r: (r.created, r.raw), reverse=True)
    want = match[:limit]
    if not expiring:
        want.sort(key=lambda r: (-r.created, r.text))
    words = ["--limit", limit, *words] + (["--order", order] if order else []) + (
        ["--sku", sku] if sku else [])
    before, began = rows_read(cluster), time.monotonic()
    got = cluster.hf("reservation", "list", *words)
    took, cost = time.monotonic() - began, rows_read(cluster) - before
    name = " ".join(map(str, words))
    equal([r["reservation"] for r in got.lines], [r.text for r in want], name)
    equal({line["sku"] for r in got.lines for line in r["lines"]},
          {s for r in want for s in r.skus}, "lines of " + name)
    equal("there is more" in got.err, len(match) > limit, "more of " + name)
    check(cost <= most, "%s: %d rows read, at most %d" % (name, cost, most))
    note("%s: %d rows read, %d ms" % (name, cost, took * 1000))


@test("a page of reservations reads what it tells, or a bounded way, of %d of a partition" % ROWS)
def reservations(cluster):
    cluster.stock("HOT", W=10)
    fill(cluster)
    try:
        known = [Reservation(n) for n in range(1, ROWS + 1)]
        page(cluster, known, 2000)
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
        # Too many to be sorted, and none of them among the newest.
        before = rows_read(cluster)
        got = cluster.hf("reservation", "list", "--sku", "OLD", "--limit", 10)
        cost = rows_read(cluster) - before
        check(got.lines == [] and "there is more" in got.err, "not all were looked at: %s" % got)
        check(cost < 300000, "%d rows read" % cost)
        note("OLD: %d rows read" % cost)
    finally:
        for table, count in (("reservation_line", ROWS + OLD), ("reservation", ROWS)):
            for _ in range(0, count, 20000):
                cluster.sql("DELETE FROM %s LIMIT 20000" % table)


@test("a page of an item's history before a movement of one level costs little for the others too")
def histories(cluster):
    cluster.stock("B", W=20000, V=0)
    with cluster.peer() as peer:
        def move(warehouse, count):
            sent = peer.submit_batch([(wire.operation("reserve", lines=[("B", warehouse, 1)],
                                                      order="o"), 0) for _ in range(count)])
            equal({peer.outcome(sequence).status for sequence in sent}, {0}, "reserves")
        move("W", 30)
        last = peer.call(wire.operation("receive", lines=[("B", "V", 9)], reference="r"), 0).sequence
        for _ in range(20):
            move("W", 200)
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


if __name__ == "__main__":
    run(partitions=1)

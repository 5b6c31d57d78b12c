# SPDX-License-Identifier: MIT
"""Never oversold: 64 clients want far more of one SKU than there is.

First 20,000 reserves of 1 to 3 units against 1,000 units; then again while the worker that owns
the SKU is killed and another takes over. The ledger, not the clients, says how much was promised.
"""
import random

from harness import *

CLIENTS = 64


def script(sku, count, seed):
    chosen = random.Random(seed)
    return ["%d\t0\treserve\tline=%s=%d@W" % (i % CLIENTS, sku, chosen.randint(1, 3))
            for i in range(count)]


def quantity(line):
    return int(line.rpartition("=")[2].partition("@")[0])


def judge(cluster, sku, stock, lines, results):
    """Clients and ledger agree, and exactly the stock is promised."""
    where = cluster.partition(sku)
    kinds = {}
    for row in results:
        kinds[row["status"]] = kinds.get(row["status"], 0) + 1
    note("results: %s" % kinds)
    equal(set(kinds) - {"applied", "insufficient_stock"}, set(), "other results")
    applied = {row["operation_id"].replace("-", ""): quantity(line)
               for line, row in zip(lines, results) if row["status"] == "applied"}
    booked = {row[0].lower(): (int(row[1]), int(row[2])) for row in cluster.sql(
        "SELECT HEX(operation_id), SUM(d_reserved), COUNT(*) FROM movement"
        " WHERE partition_id=%d AND sku='%s' AND kind=1 GROUP BY operation_id" % (where, sku))}
    equal({i: n for i, (n, _) in booked.items()}, applied, "operations in the ledger")
    check(all(rows == 1 for _, rows in booked.values()), "one movement each")
    # some asked for a single unit to the very end, so nothing may be left
    equal(sum(applied.values()), stock, "units promised")
    level = cluster.level(sku)
    equal((level["on_hand"], level["reserved"], level["available"]), (stock, stock, 0), "level")
    sums = cluster.sql("SELECT SUM(d_on_hand), SUM(d_reserved), SUM(d_committed), MAX(reserved)"
                       " FROM movement WHERE partition_id=%d AND sku='%s'" % (where, sku))[0]
    equal(sums, (str(stock), str(stock), "0", str(stock)), "sums of the movements")
    top, rows = cluster.sql("SELECT MAX(seq), COUNT(*) FROM movement WHERE partition_id=%d"
                            % where)[0]
    equal(top, rows, "movements are numbered without a gap")


@test("20,000 reserves by 64 clients sell exactly 1,000 units")
def plain(cluster):
    cluster.stock("HOT", W=1000)
    lines = script("HOT", 20000, 1)
    begun = time.monotonic()
    results = cluster.load(lines, clients=CLIENTS, seconds=60, timeout_ms=int(scale(10000)))
    note("%.0f reserves a second" % (len(lines) / (time.monotonic() - begun)))
    judge(cluster, "HOT", 1000, lines, results)


@test("the same while the owner is killed midway and the other worker takes over")
def killed(cluster):
    cluster.stock("HOTTER", W=6000)
    where = cluster.partition("HOTTER")
    owner = cluster.owner(where)
    lines = script("HOTTER", 8000, 2)

    def kill_owner():
        wait_until(lambda: cluster.number(
            "SELECT reserved FROM stock_level WHERE sku='HOTTER'") > 1000, 30, "a sixth is sold")
        owner.kill()
        sold.append(cluster.number("SELECT reserved FROM stock_level WHERE sku='HOTTER'"))
    sold = []
    killer = threading.Thread(target=kill_owner)
    killer.start()
    results = cluster.load(lines, clients=CLIENTS, seconds=90, timeout_ms=int(scale(40000)))
    killer.join()
    check(sold, "the owner was killed")
    note("killed when %d units were sold; attempts at most %s" % (
        sold[0], max(int(row["attempts"]) for row in results)))
    check(sold[0] < 6000, "the kill came before the end")
    judge(cluster, "HOTTER", 6000, lines, results)
    check(cluster.number("SELECT epoch FROM `partition` WHERE partition_id=%d" % where) > 1,
          "the partition was claimed again")


if __name__ == "__main__":
    run(workers=2)

# SPDX-License-Identifier: MIT
"""Warehouses and reasons belong to partition 0, and every shard has a copy.
"""
from harness import *


def copies(cluster, table, code):
    return [int(n) for n, in cluster.sql("SELECT COUNT(*) FROM %s WHERE code='%s'" % (table, code),
                                         all_shards=True)]


@test("what was put is on every shard when the answer comes")
def copied(cluster):
    cluster.hf("warehouse", "put", "W1", "--name", "one")
    cluster.hf("reason", "put", "R1", "--name", "a reason")
    equal((copies(cluster, "warehouse", "W1"), copies(cluster, "reason", "R1")), ([1, 1], [1, 1]),
          "copies")
    for sku in ("C%d" % i for i in range(6)):
        cluster.stock(sku, W1=3)


@test("a newer name is copied, an older one does not come back")
def newer(cluster):
    cluster.hf("warehouse", "put", "W1", "--name", "two")
    equal(cluster.sql("SELECT name FROM warehouse WHERE code='W1'", all_shards=True),
          [("two",), ("two",)], "names")
    version = cluster.number("SELECT version FROM warehouse WHERE code='W1'")
    # what a late copy would find: the other shard is ahead
    cluster.sql("UPDATE warehouse SET name='later', version=%d WHERE code='W1'" % (version + 1000),
                shard=1, admin=True)
    cluster.hf("warehouse", "put", "W1", "--name", "three")
    equal(cluster.sql("SELECT name FROM warehouse WHERE code='W1'", all_shards=True),
          [("three",), ("later",)], "names")


@test("a shard that hangs delays an answer only a little, and is brought up to date afterwards")
def hangs(cluster):
    supervisor = cluster.process("supervisor")
    cluster.stop(supervisor)
    database = next(p for p in cluster.processes("mariadbd") if "shards/s2" in " ".join(p.argv))
    cluster.stop(database)
    try:
        begun = time.monotonic()
        cluster.hf("warehouse", "put", "W2", "--name", "while it hung")
        note("answered after %.1f s" % (time.monotonic() - begun))
        cluster.hf("warehouse", "put", "W3", "--name", "and another")
        equal(cluster.sql("SELECT code FROM warehouse WHERE code IN ('W2','W3') ORDER BY code",
                          shard=0), [("W2",), ("W3",)], "at home")
    finally:
        cluster.cont(database)
        cluster.cont(supervisor)
    wait_until(lambda: copies(cluster, "warehouse", "W2") == [1, 1]
               and copies(cluster, "warehouse", "W3") == [1, 1], 20, "both are copied")
    cluster.wait_served()


if __name__ == "__main__":
    run(shards=2, workers=1)

# SPDX-License-Identifier: MIT
"""make bench-consoles: what a hundred consoles cost the write path.

The same load, in turn without and with a hundred consoles that look at it, in one run. What is
compared is the processor time that broker, workers and database spend for an operation: consoles that
run beside them take processors from everybody, but what they cost the write path is what its
processes do more. Exit code 1 when that is more than the rounds differ among themselves.

usage: consoles.py [ROUNDS [OPERATIONS [CONSOLES]]]
"""
import os
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests")
sys.path[:0] = [os.path.join(TESTS, "integration"), os.path.join(TESTS, "console")]
from harness import *  # noqa: E402
from terminal import Terminal  # noqa: E402

ROLES = ("broker", "worker", "mariadbd")
CLIENTS = 32
ITEMS = 64
LEAST = 0.03  # what two rounds of the same may differ at any rate


def processor_us(cluster):
    told = dict.fromkeys(ROLES, 0)
    for process in cluster.processes():
        if process.role in told:
            with open("/proc/%d/stat" % process.pid) as file:
                fields = file.read().rpartition(")")[2].split()
            told[process.role] += (int(fields[11]) + int(fields[12])) * 1000000 // os.sysconf(
                "SC_CLK_TCK")
    return told


def one_round(cluster, operations):
    """Microseconds of processor for each operation, by role; operations a second."""
    script = ["%d\t0\tadjust\tsku=SKU-%02d\twh=W\tdelta=1\treason=found" % (
        i % CLIENTS, i % ITEMS) for i in range(operations)]
    before, begun = processor_us(cluster), time.monotonic()
    told = cluster.load(script, clients=CLIENTS, seconds=120)
    took, after = time.monotonic() - begun, processor_us(cluster)
    check(all(row["kind"] == "applied" for row in told), "all are applied")
    return [(after[role] - before[role]) / operations for role in ROLES] + [operations / took]


class Consoles:
    def __init__(self, cluster, count):
        self.cluster, self.count, self.all = cluster, count, []

    def __enter__(self):
        for _ in range(self.count):
            self.all.append(Terminal(self.cluster, "--readonly", rows=50, columns=200).__enter__())
        for t in self.all:
            t.wait("SKU-00", 60)

    def __exit__(self, *_):
        for t in self.all:
            t.__exit__()


def middle(values):
    return sorted(values)[len(values) // 2]


def main():
    words = [int(word) for word in sys.argv[1:]] + [5, 4000, 100][len(sys.argv) - 1:]
    rounds, operations, count = words
    without, beside = [], []
    with Cluster(workers=2, views=1) as cluster:
        cluster.hf("reason", "put", "found", "--name", "Found again")
        cluster.hf("warehouse", "put", "W", "--name", "W")
        rows = "".join("SKU-%02d,W,1,Item\n" % i for i in range(ITEMS))
        done = cluster.hf("import", "/dev/stdin", input="sku,warehouse,on_hand,name\n" + rows,
                          json=False, expect=None)
        check(done.code == 0, "import: %s" % done)
        one_round(cluster, operations)  # to warm it up
        for _ in range(rounds):
            without.append(one_round(cluster, operations))
            with Consoles(cluster, count):
                beside.append(one_round(cluster, operations))
    print("%d operations a round, %d rounds each, in turn; processor microseconds an operation"
          % (operations, rounds))
    print("%-10s %14s %20s %8s   %s" % ("", "no console", "%d consoles" % count, "more",
                                        "least to most without"))
    totals = [[sum(row[:len(ROLES)]) for row in side] for side in (without, beside)]
    table = [(role, [row[i] for row in without], [row[i] for row in beside])
             for i, role in enumerate(ROLES)] + [("together", *totals)]
    for name, a, b in table:
        print("%-10s %14.1f %20.1f %7.1f%%   %.1f to %.1f" % (
            name, middle(a), middle(b), 100 * (middle(b) / middle(a) - 1), min(a), max(a)))
    print("%-10s %14.0f %20.0f   operations a second; the consoles take processors too" % (
        "rate", middle([row[-1] for row in without]), middle([row[-1] for row in beside])))
    spread = max((max(totals[0]) - min(totals[0])) / middle(totals[0]), LEAST)
    more = middle(totals[1]) / middle(totals[0]) - 1
    print("together %+.1f%%, target at most the spread of %.1f%%: %s" % (
        100 * more, 100 * spread, "met" if more <= spread else "MISSED"))
    return 0 if more <= spread else 1


if __name__ == "__main__":
    sys.exit(main())

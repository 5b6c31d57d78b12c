# SPDX-License-Identifier: MIT
"""make bench-consoles: what a hundred consoles cost the write path.

The same load at the same pace, in turn without and with a hundred consoles that look at it, in one
run. What is compared is the processor time that broker, workers and database spend for an operation:
consoles that run beside them take processors from everybody, but what they cost the write path is
what its processes do more. Of each side the least of all rounds counts, as whatever else the machine
does only adds to it. Exit code 1 when it is more than LEAST.

usage: consoles.py [ROUNDS [CONSOLES]]
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
PER_SECOND, SECONDS = 400, 6  # a pace that a machine with 2 processors keeps, consoles and all
LEAST = 0.05  # what the least of two series of the same may differ


def processor_us(cluster):
    told = dict.fromkeys(ROLES, 0)
    for process in cluster.processes():
        if process.role not in told:
            continue
        for task in os.listdir("/proc/%d/task" % process.pid):
            try:
                with open("/proc/%d/task/%s/schedstat" % (process.pid, task)) as file:
                    told[process.role] += int(file.read().split()[0]) / 1000
            except OSError:
                pass  # a thread that has ended since
    return told


def one_round(cluster):
    """Microseconds of processor for each operation, by role; operations a second."""
    operations = PER_SECOND * SECONDS
    script = ["%d\t%d\tadjust\tsku=SKU-%02d\twh=W\tdelta=1\treason=found" % (
        i % CLIENTS, i * 1000 // PER_SECOND, i % ITEMS) for i in range(operations)]
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


def main():
    rounds, count = [int(word) for word in sys.argv[1:]] + [6, 100][len(sys.argv) - 1:]
    without, beside = [], []
    with Cluster(workers=2, views=1) as cluster:
        cluster.hf("reason", "put", "found", "--name", "Found again")
        cluster.hf("warehouse", "put", "W", "--name", "W")
        rows = "".join("SKU-%02d,W,1,Item\n" % i for i in range(ITEMS))
        done = cluster.hf("import", "/dev/stdin", input="sku,warehouse,on_hand,name\n" + rows,
                          json=False, expect=None)
        check(done.code == 0, "import: %s" % done)
        one_round(cluster)  # to warm it up
        for _ in range(rounds):
            without.append(one_round(cluster))
            with Consoles(cluster, count):
                beside.append(one_round(cluster))
    print("%d operations a round at %d a second, %d rounds each, in turn; processor microseconds an "
          "operation, least to most" % (PER_SECOND * SECONDS, PER_SECOND, rounds))
    print("%-10s %18s %18s %8s" % ("", "no console", "%d consoles" % count, "more"))
    table = [(role, [row[i] for row in without], [row[i] for row in beside])
             for i, role in enumerate(ROLES)]
    table.append(("together", *[[sum(row[:len(ROLES)]) for row in side]
                                for side in (without, beside)]))
    for name, a, b in table:
        more = min(b) / min(a) - 1
        print("%-10s %8.1f to %6.1f %8.1f to %6.1f %7.1f%%" % (name, min(a), max(a), min(b), max(b),
                                                              100 * more))
    print("%-10s %18.0f %18.0f   operations a second, at least" % (
        "rate", min(row[-1] for row in without), min(row[-1] for row in beside)))
    print("together %+.1f%%, target at most %.0f%%: %s" % (100 * more, 100 * LEAST,
                                                         "met" if more <= LEAST else "MISSED"))
    return 0 if more <= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())

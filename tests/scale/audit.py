#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What `holdfast audit` costs at a million levels, 1,100,000 movements and 100,000 open reservations, with a
view: time, memory of the command, the worker and the view, and what paced interactive operations feel
of it while it runs. Prints target and figure, and exits with 1 when one is missed.

usage: tests/scale/audit.py [LEVELS]      (BUILD: where the programs are)
"""
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from filling import *  # noqa: E402

LEVELS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
ROUNDS = 2
CLIENTS, EVERY_MS, ALONE_S = 8, 20, 10  # each client one operation every so often
TARGET_S, TARGET_MB, TARGET_P99 = 60, 64, 3
missed = []


def report(what, figure, unit, most=None):
    verdict = "" if most is None else "target %g %s" % (most, "met" if figure <= most else "MISSED")
    if most is not None and figure > most:
        missed.append(what)
    print("%-58s %10.1f %-4s %s" % (what, figure, unit, verdict), flush=True)


class Paced(threading.Thread):
    """Interactive operations at a pace, until it is told to end."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.rows, self.over = cluster, [], threading.Event()
        self.failed = None

    def run(self):
        try:
            while not self.over.is_set():
                self.rows += self.cluster.load([
                    "%d\t%d\treceive\tline=SKU-%d=1@W" % (client, at, 1 + (at * 7 + client) % LEVELS)
                    for at in range(0, 2000, EVERY_MS) for client in range(CLIENTS)],
                    clients=CLIENTS, timeout_ms=30000, **{"class": "interactive"})
        except Failure as error:
            self.failed = error

    def percentiles(self, spans, within=True):
        """Of what began in one of these times, or in none: number, median and p99 in milliseconds."""
        times = sorted((int(r["end_us"]) - int(r["begin_us"])) / 1e3 for r in self.rows
                       if within == any(a <= int(r["begin_us"]) < b for a, b in spans))
        check(len(times) > 100, "operations were made: %d" % len(times))
        return len(times), times[len(times) // 2], times[len(times) * 99 // 100]


def audit(cluster):
    """What it said, seconds, and the most memory of the command in MB."""
    begun = time.monotonic()
    child = subprocess.Popen([os.path.join(BIN, "holdfast"), "-C", cluster.file, "audit", "--json"],
                             stdout=subprocess.PIPE, env=dict(os.environ, **{MARK: mark}))
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    check(status == 0, "the audit ends with %d: %s" % (status, out[:2000]))
    return json.loads(out), time.monotonic() - begun, usage.ru_maxrss / 1024


def measured(cluster):
    load = Paced(cluster)
    load.start()
    time.sleep(ALONE_S)
    spans = []
    for number in range(ROUNDS):
        before = [(p, processor_s(p)) for r in ("worker", "view", "mariadbd")
                  for p in cluster.processes(r)]
        from_us = wire.now_us()
        told, seconds, megabytes = audit(cluster)
        spans.append((from_us, wire.now_us()))
        equal((told["partitions_answered"], [v["partitions_compared"] for v in told["views"]],
               told["differences"]), (cluster.partitions, [cluster.partitions], []), "the audit")
        report("audit %d: %d rows" % (number + 1, told["checked"]), seconds, "s", scale(TARGET_S))
        report("the partition that took longest", told["slowest_ms"], "ms")
        report("memory of the command at most", megabytes, "MB", TARGET_MB)
        for process, used in before:
            report("processor time of the " + process.role, processor_s(process) - used, "s")
        time.sleep(ALONE_S)
    load.over.set()
    load.join(scale(60))
    check(not load.failed, load.failed)
    check(all(r["status"] == "applied" for r in load.rows), "every operation was applied")
    alone = load.percentiles(spans, within=False)
    report("operations alone: p50 of %d" % alone[0], alone[1], "ms")
    report("operations alone: p99", alone[2], "ms")
    for number, span in enumerate(spans):
        count, p50, p99 = load.percentiles([span])
        report("beside audit %d: p50 of %d" % (number + 1, count), p50, "ms")
        report("beside audit %d: p99" % (number + 1), p99, "ms")
        report("beside audit %d: p99, of that alone" % (number + 1), p99 / alone[2], "x", TARGET_P99)


def main():
    with Cluster(workers=1, views=1, partitions=64) as cluster:
        begun = time.monotonic()
        fill(cluster, LEVELS)
        print("%d levels and %d reservations written in %.1f s" % (
            LEVELS, LEVELS // 10, time.monotonic() - begun), flush=True)
        for role in ("worker", "view"):
            cluster.process(role).kill()
        with view_of(cluster, 0, 60) as peer:
            wait_until(lambda: caught_up(cluster, peer), 300, "the view has read everything")
        first = {p.role: resident_mb(p) for p in cluster.processes() if p.role in ("worker", "view")}
        measured(cluster)
        for role, megabytes in first.items():
            report("memory of the %s at most: more than before" % role,
                   resident_mb(cluster.process(role)) - megabytes, "MB", TARGET_MB)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

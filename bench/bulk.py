#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a bulk file costs: lines a second and memory of `holdfast apply`, and what interactive
operations feel of it. Alone and beside it in turn, in one run. Called by `make bench-bulk`.

usage: bench/bulk.py [--lines N] [--rounds N] [--seconds N]

Prints target, figure, met or missed; exits 1 on a miss, 71 when something failed.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests",
                                "integration"))
from harness import BIN, MARK, Cluster, Failure, mark

ITEMS = 20000
CLIENTS, EVERY_MS = 4, 20  # interactive operations: each client one every so often
RATE_TARGET, MEMORY_TARGET_MIB, P99_TARGET = 5000, 64, 1.2
folder = tempfile.mkdtemp(prefix="bench-bulk-")


def write(name, run, lines):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write("version: 1\nrun: %s\nlines:\n" % run)
        file.writelines("  - {%s}\n" % line for line in lines)
    return path


def apply(cluster, path):
    """Seconds, and the most memory in MiB."""
    begun = time.monotonic()
    child = subprocess.Popen([os.path.join(BIN, "holdfast"), "-C", cluster.file, "apply", path],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env=dict(os.environ, **{MARK: mark}))
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise Failure("apply of %s ended with status %d" % (path, status))
    return time.monotonic() - begun, usage.ru_maxrss / 1024


def interactive(cluster, seconds):
    """p50 and p99 in milliseconds of paced operations."""
    script = ["%d\t%d\treceive\tline=I%d=1@W" % (client, at, at % 50)
              for at in range(0, int(seconds * 1000), EVERY_MS) for client in range(CLIENTS)]
    rows = cluster.load(script, clients=CLIENTS, seconds=seconds + 60, timeout_ms=30000,
                        **{"class": "interactive"})
    times = sorted((int(row["end_us"]) - int(row["begin_us"])) / 1000 for row in rows
                   if row["status"] == "applied")
    if len(times) < len(script):
        raise Failure("%d of %d interactive operations were applied" % (len(times), len(script)))
    return times[len(times) // 2], times[len(times) * 99 // 100]


def verdict(what, target, figure, met):
    print("  %s: target %s, figure %s: %s" % (what, target, figure, "met" if met else "MISSED"))
    return met


def measure(cluster, options):
    rates, memories, alone, beside = [], [], [], []
    print("  %-6s %12s %10s %12s %12s" % ("round", "lines/s", "MiB", "p99 alone", "p99 beside"))
    for number in range(options.rounds):
        alone.append(interactive(cluster, options.seconds)[1])
        path = write("big.yaml", "big-%d" % number,
                     ("op: receive, sku: S%06d, by: 1, warehouse: W" % (i % ITEMS)
                      for i in range(options.lines)))
        felt = []
        thread = threading.Thread(target=lambda: felt.append(interactive(cluster,
                                                                         options.seconds)))
        thread.start()
        seconds, memory = apply(cluster, path)
        thread.join()
        if not felt:
            raise Failure("the interactive operations failed")
        rates.append(options.lines / seconds)
        memories.append(memory)
        beside.append(felt[0][1])
        print("  %-6d %12.0f %10.1f %9.1f ms %9.1f ms" % (number + 1, rates[-1], memory, alone[-1],
                                                          beside[-1]), flush=True)
    ratio = statistics.median(beside) / statistics.median(alone)
    return all([
        verdict("lines a second", RATE_TARGET, "%.0f" % statistics.median(rates),
                statistics.median(rates) >= RATE_TARGET),
        verdict("memory of apply", "%d MiB" % MEMORY_TARGET_MIB, "%.1f MiB" % max(memories),
                max(memories) < MEMORY_TARGET_MIB),
        verdict("p99 of interactive operations beside it", "%.1f times that alone" % P99_TARGET,
                "%.2f times" % ratio, ratio <= P99_TARGET)])


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--lines", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=12)
    options = parser.parse_args()
    cluster = Cluster(workers=2, partitions=64)
    try:
        cluster.start()
        cluster.hf("warehouse", "put", "W", "--name", "Warehouse")
        apply(cluster, write("items.yaml", "items", ["op: put_item, sku: I%d, name: i" % i
                                                     for i in range(50)] +
                             ["op: put_item, sku: S%06d, name: s" % i for i in range(ITEMS)]))
        print("a bulk file of %d lines over %d skus, %d interactive operations a second" % (
            options.lines, ITEMS, CLIENTS * 1000 // EVERY_MS))
        return 0 if measure(cluster, options) else 1
    except Failure as failure:
        print("bench: %s" % failure, file=sys.stderr)
        return 71
    finally:
        cluster.close()


if __name__ == "__main__":
    sys.exit(main())

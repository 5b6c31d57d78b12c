#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How soon a view that was killed serves a million levels and 100,000 open reservations again, from a
real database (filling.py).

usage: tests/scale/restart.py [LEVELS]      (BUILD: where the programs are)
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from filling import *  # noqa: E402

LEVELS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
TARGET_S = 15


def main():
    with Cluster(workers=1, views=1, partitions=64) as cluster:
        begun = time.monotonic()
        fill(cluster, LEVELS)
        print("%d levels and %d reservations written in %.1f s" % (
            LEVELS, LEVELS // 10, time.monotonic() - begun), flush=True)
        process, = cluster.processes("view")
        database, = cluster.processes("mariadbd")
        process.kill()
        begun, used = time.monotonic(), processor_s(database)
        with view_of(cluster, 0, 60) as peer:
            wait_until(lambda: all(p.knowledge == KNOWN for p in positions(peer).values()), 300,
                       "every partition is known")
            taken = time.monotonic() - begun
            process, = cluster.processes("view")
            print("processor time: the view %.1f s, its database %.1f s" % (
                processor_s(process), processor_s(database) - used))
            status = peer.ask(status={}).view
            equal((status.levels, status.reservations, status.barcodes),
                  (LEVELS, LEVELS // 10, LEVELS), "what it holds")
            asked = time.monotonic()
            page = peer.ask(levels=dict(limit=50, sort=pb.COLUMN_AVAILABLE))
            equal(len(page.levels), 50, "a page")
            print("page 1 by available: %.0f ms" % ((time.monotonic() - asked) * 1e3))
        print("memory %.0f MB" % (status.memory_bytes / 1e6))
        met = taken <= scale(TARGET_S)
        print("from kill -9 to serving all: target %d s, figure %.1f s: %s" % (
            TARGET_S, taken, "met" if met else "MISSED"), flush=True)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How soon a view that was killed serves a million levels and 100,000 open reservations again, from a
real database. The rows are written by SQL: a million operations would take long, and are not the point.

usage: tests/scale/restart.py [LEVELS]      (BUILD: where the programs are)
"""
import ctypes
import os
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
from views import *  # noqa: E402

LEVELS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
TARGET_S = 15
AT_ONCE = 50000


def hash_of(sku, library=ctypes.CDLL("libxxhash.so.0")):
    library.XXH3_64bits.restype = ctypes.c_uint64
    return library.XXH3_64bits(sku, ctypes.c_size_t(len(sku)))


def fill(cluster):
    """Everything of a row is made from its number and the partition that its sku belongs to."""
    def put(query):
        cluster.sql_text(query, seconds=scale(240), admin=True)
    put("CREATE TABLE scale (seq INT PRIMARY KEY, p SMALLINT UNSIGNED NOT NULL)")
    for first in range(1, LEVELS + 1, AT_ONCE):
        put("INSERT INTO scale VALUES " + ",".join("(%d,%d)" % (
            n, hash_of(b"SKU-%d" % n) % cluster.partitions)
            for n in range(first, min(first + AT_ONCE, LEVELS + 1))))
    held = LEVELS // 10
    put("INSERT INTO warehouse VALUES ('W','big',1)")
    put("INSERT INTO item SELECT p, CONCAT('SKU-',seq), CONCAT('an item with a name ',seq), 0, 1"
        " FROM scale ORDER BY p")
    put("INSERT INTO barcode SELECT CONCAT('40',seq), p, CONCAT('SKU-',seq) FROM scale")
    put("INSERT INTO stock_level SELECT p, CONCAT('SKU-',seq), 'W', 10 + seq MOD 90, seq <= %d,"
        " 0, 0, 0, 0, 0, 1, 1 FROM scale ORDER BY p" % held)
    key = "UNHEX(CONCAT(LPAD(HEX(p),4,'0'),LPAD(HEX(seq),16,'0')))"
    put("INSERT INTO reservation SELECT p, %s, UNHEX(MD5(seq)), 2, 1, 4000000000000000 + seq,"
        " 1700000000000000 + seq, CONCAT('O-',seq), 'scale' FROM scale WHERE seq <= %d"
        % (key, held))
    put("INSERT INTO reservation_line SELECT p, %s, 0, p, CONCAT('SKU-',seq), 'W', 1, 1, 0, 0, 0,"
        " 0, 0 FROM scale WHERE seq <= %d" % (key, held))
    put("DROP TABLE scale")


def processor_s(process):
    """User and system, of all its threads, since it began."""
    with open("/proc/%d/stat" % process.pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    with Cluster(workers=1, views=1, partitions=64) as cluster:
        begun = time.monotonic()
        fill(cluster)
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

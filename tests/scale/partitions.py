#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A region of more partitions than one worker audits at once (AUDITOR_JOBS_MAX): an audit compares
all of them.

usage: tests/scale/partitions.py [PARTITIONS]      (BUILD: where the programs are)
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from filling import *  # noqa: E402

PARTITIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
TARGET_S = 60


def main():
    with Cluster(workers=1, views=1, partitions=PARTITIONS) as cluster:
        cluster.stock("A", W=1)
        begun = time.monotonic()
        done = cluster.hf("audit", seconds=10 * TARGET_S)
        taken = time.monotonic() - begun
        equal((done.json["partitions_asked"], done.json["partitions_answered"]), (PARTITIONS, PARTITIONS), "partitions")
        print("audit of %d partitions of one worker: %.1f s, target %d s %s" % (
            PARTITIONS, taken, TARGET_S, "met" if taken <= TARGET_S else "MISSED"))
        return 0 if taken <= TARGET_S else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The simulation in `make test`: 10,000 seeds, every kind of fault among them, and that a seed is
the same each time. Prints TAP; tests/run calls it. The long form is `make simulate`."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
SIMULATE = os.path.join(BUILD, "tests", "simulate", "simulate")
TIMESCALE = float(os.environ.get("HOLDFAST_TEST_TIMESCALE", "1"))
SEEDS = int(os.environ.get("SIMULATE_SEEDS", 10000 / TIMESCALE))
FROM = os.environ.get("SIMULATE_FROM", "1")
tests = 0


def told(ok, name, explanation=""):
    global tests
    tests += 1
    print("%s %d - %s" % ("ok" if ok else "not ok", tests, name))
    if not ok:
        print("\n".join("# " + line for line in explanation.splitlines()[-60:]))
    sys.stdout.flush()


def run(*options):
    done = subprocess.run([SIMULATE, *options], capture_output=True, text=True, check=False,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    return done.returncode, done.stdout, done.stderr


def seeds():
    options = ["--from", FROM, "--seeds", str(SEEDS)]
    # With few seeds a rare kind of fault may not come.
    code, out, err = run(*options, *(["--coverage"] if SEEDS >= 10000 else []))
    told(code == 0, "%d seeds from %s" % (SEEDS, FROM), err + out)
    print("# " + out.splitlines()[0] if out else "# nothing was said")
    for line in out.splitlines()[1:]:
        print("# " + line)


def digests(*options):
    code, out, err = run("--seeds", "60", "--digests", *options)
    return code, sorted(re.findall(r"^\d+ [0-9a-f]{16}$", out, re.M)), err


def same_again():
    """Seeds do not depend on the seeds before them, nor on the process that runs them."""
    first, second = digests("--jobs", "1"), digests("--jobs", "3")
    told(first[0] == 0 and len(first[1]) == 60 and first[1] == second[1],
         "a seed ends the same whatever ran before it", first[2] + second[2])


def same_trace():
    for seed in ("3", "11", "42"):
        first, second = run("--seed", seed, "--trace"), run("--seed", seed, "--trace")
        told(first[0] == 0 and len(first[1]) > 10000 and first == second,
             "seed %s has the same trace twice (%d lines)" % (seed, first[1].count("\n")),
             first[2] + second[2])


seeds()
same_again()
same_trace()
print("1..%d" % tests)

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Does the simulation find bugs? Each patch in plants/ puts one into a copy of production code;
it is compiled, linked, and run seed by seed until one fails. A plant that no seed finds is a
failure here.

usage: 20-plants.py [--all] [NAME...]

Prints TAP; `make test` runs those that are found quickly, `make simulate-plants` (--all) all of
them. A patch begins with a line that says what is wrong, and may have a line `slow` for one that
takes many seeds, and a line `restless` for one that is looked for where partitions go from worker
to worker (--restless)."""
import glob
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
SEEDS_MAX = int(os.environ.get("PLANT_SEEDS", 10000))


class Plant:
    def __init__(self, path):
        self.name = os.path.basename(path)[:-len(".patch")]
        self.program = os.path.join(BUILD, "plants", self.name, "simulate")
        with open(path) as file:
            head = file.read().split("\n--- ", 1)[0].split("\n")
        self.description, self.slow = head[0], "slow" in head[1:]
        self.options = ["--restless"] if "restless" in head[1:] else []


def choose(words):
    plants = [Plant(path) for path in
              sorted(glob.glob(os.path.join(ROOT, "tests", "simulate", "plants", "*.patch")))]
    names = [word for word in words if word != "--all"]
    if names:
        return [plant for plant in plants if plant.name in names]
    return [plant for plant in plants if "--all" in words or not plant.slow]


def build(plants):
    """With the make that built the simulation, so that nothing else is built differently."""
    with open(os.path.join(BUILD, "tests", "simulate", "how")) as file:
        how = file.read().split("\n")[0]
    programs = [os.path.join(how.split("BUILD=")[1].split()[0], "plants", plant.name, "simulate")
                for plant in plants]
    command = ["make", "--no-print-directory", "-s", "-C", ROOT, "-j%d" % (os.cpu_count() or 1)]
    env = {name: value for name, value in os.environ.items()
           if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILD")}
    done = subprocess.run(command + how.split() + programs, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, env=env)
    return done.returncode == 0, done.stdout


def hunt(plant):
    """How many seeds it took, and what broke; None: no seed found it."""
    done = subprocess.run([plant.program, "--seeds", str(SEEDS_MAX)] + plant.options, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    count = re.search(r"^(\d+) seeds", done.stdout, re.M)
    if done.returncode != 1 or not done.stderr:
        return None, "exit code %d" % done.returncode
    return int(count.group(1)) if count else 0, done.stderr.split("\n")[0]


def main():
    plants = choose(sys.argv[1:])
    built, output = build(plants)
    if not built:
        print("not ok 1 - the plants are built")
        print("\n".join("# " + line for line in output.split("\n")[-40:]))
        print("1..1")
        return 1
    failed = 0
    print("ok 1 - the %d plants are built" % len(plants))
    for number, plant in enumerate(plants, 2):
        begun = time.monotonic()
        seeds, broke = hunt(plant)
        failed += seeds is None
        print("%s %d - %s is found%s (%.1f s): %s" % (
            "ok" if seeds is not None else "not ok", number, plant.name,
            " after %d seeds" % seeds if seeds is not None else "",
            time.monotonic() - begun, plant.description))
        print("#   " + broke)
        sys.stdout.flush()
    print("1..%d" % (len(plants) + 1))
    return 1 if failed else 0


sys.exit(main())

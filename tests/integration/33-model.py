# SPDX-License-Identifier: MIT
"""The model database of the simulation against a real server: the same calls, the same outcomes,
the same rows. What differs would make every simulated run worthless.
"""
import os
import subprocess

from harness import *

CALLS = os.path.join(BUILD, "tests", "simulate", "model")
CALL = r"(look|take|commit|offsets|load|write|prune|prune claims|snapshot|stock of)(?: \d+)? ([A-Z]+)"
# Between them every outcome comes.
FIRST, SEEDS, STEPS = 24, 3, 450


def run_calls(argv):
    done = execute(argv, 200)
    equal(done.code, 0, "%s: %s" % (argv[0], done.err))
    return done.out.splitlines()


def compare(real, model):
    """The first line that differs fails the test."""
    seed = None
    for number, (left, right) in enumerate(zip(real, model)):
        if left.startswith("seed "):
            seed = left
        if left != right:
            raise Failure("%s, line %d\n  server: %s\n  model:  %s" % (seed, number, left, right))
    equal(len(real), len(model), "lines")


def outcomes(lines):
    """How often each outcome was seen: "write DONE", "take AGAIN", …"""
    seen = {}
    for line in lines:
        for call, found in re.findall(CALL, line):
            name = call + " " + found
            seen[name] = seen.get(name, 0) + 1
    return seen


@test("random calls give the same on the server and on the model, outcome by outcome and row by row")
def same(cluster):
    shard = cluster.config["shards"][0]
    # A database of its own, so that the cluster's worker is not in the way.
    tables = [name for name, in cluster.sql("SHOW TABLES")]
    cluster.sql("CREATE DATABASE model; GRANT SELECT, INSERT, UPDATE, DELETE ON model.* TO '%s'"
                "@localhost;%s; INSERT INTO model.schema_version SELECT * FROM schema_version"
                % (shard["user"], ";".join("CREATE TABLE model.`%s` LIKE `%s`" % (name, name)
                                           for name in tables)), admin=True)
    real = run_calls([os.path.join(CALLS, "calls_real"), shard["servers"][0]["socket"],
                      str(shard["user"]), shard.get("password_file") or "", "model", str(FIRST),
                      str(SEEDS), str(STEPS)])
    model = run_calls([os.path.join(CALLS, "calls_model"), str(FIRST), str(SEEDS), str(STEPS)])
    compare(real, model)
    seen = outcomes(real)
    note("%d calls: %s" % (SEEDS * STEPS, ", ".join("%s %d" % item
                                                   for item in sorted(seen.items()))))
    for outcome in ("write DONE", "write FENCED", "write STALE", "write REPEATS", "look AGAIN",
                    "load LOST", "prune OK", "prune MISMATCH", "prune claims OK", "snapshot OK",
                    "stock of OK"):
        check(seen.get(outcome, 0) > 0, "%s was seen" % outcome)


if __name__ == "__main__":
    run(workers=1, audit=False)

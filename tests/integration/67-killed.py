# SPDX-License-Identifier: MIT
"""Workers, brokers and the database are killed under load; nothing is lost and nothing doubled:
what the clients were told is what the ledger says, operation by operation.
"""
import random

from harness import *

SKUS = ["K%d" % i for i in range(24)]
CLIENTS = 24
stocked = []


def script(count, seed):
    """Reserves, half of them followed by a purchase, a quarter by a release."""
    chosen = random.Random(seed)
    lines = []
    while len(lines) < count:
        client = len(lines) % CLIENTS
        made = len(lines)
        lines.append("%d\t0\treserve\tline=%s=%d@W" % (client, chosen.choice(SKUS),
                                                       chosen.randint(1, 3)))
        fate = chosen.random()
        if fate < 0.75:
            lines.append("%d\t0\t%s\tr=@%d" % (client, "purchase" if fate < 0.5 else "release",
                                              made))
    return lines


def judge(cluster, results):
    """Applied means in the ledger once; anything else certain means not there."""
    kinds = {}
    for row in results:
        kinds[row["status"]] = kinds.get(row["status"], 0) + 1
    note("results: %s; retried: %d" % (kinds, sum(int(r["attempts"]) > 1 for r in results)))
    booked = {}
    for operation, rows, first in cluster.sql(
            "SELECT HEX(operation_id), COUNT(*), MIN(idx) FROM movement GROUP BY operation_id",
            all_shards=True):
        check(operation not in booked, "operation %s is on two shards" % operation)
        booked[operation] = (int(rows), int(first))
    for row in results:
        operation = row["operation_id"].replace("-", "").upper()
        if row["kind"] == "applied":
            equal(booked.get(operation), (1, 0), "movements of %s" % row)
        elif row["kind"] in ("refused", "shed"):
            check(operation not in booked, "certainly not applied, but in the ledger: %s" % row)
    equal({k for k in kinds if k != "applied"}, set(), "results other than applied")
    for partition, top, rows in cluster.sql(
            "SELECT partition_id, MAX(seq), COUNT(*) FROM movement GROUP BY partition_id",
            all_shards=True):
        equal(top, rows, "movements of partition %s are numbered without a gap" % partition)
    cluster.audit()


def under_load(cluster, seed, disturb, count=3000):
    """Runs the load, and disturb() once a quarter of it is in the ledger."""
    if not stocked:
        for sku in SKUS:
            cluster.stock(sku, W=100000)
        stocked.append(True)
    before = cluster.number("SELECT COUNT(*) FROM movement")
    trouble = []

    def act():
        try:
            wait_until(lambda: cluster.number("SELECT COUNT(*) FROM movement") > before + count / 4,
                       30, "a quarter is done")
            left = before + count - cluster.number("SELECT COUNT(*) FROM movement")
            check(left > 0, "it comes before the load has ended")
            note("about %d operations are left" % left)
            disturb()
        except Exception as error:
            trouble.append(error)
    thread = threading.Thread(target=act)
    thread.start()
    results = cluster.load(script(count, seed), clients=CLIENTS, seconds=90,
                           timeout_ms=int(scale(40000)))
    thread.join()
    if trouble:
        raise trouble[0]
    judge(cluster, results)
    return results


@test("kill -9 of one of two workers")
def worker(cluster):
    under_load(cluster, 11, lambda: cluster.owner(cluster.partition(SKUS[0])).kill())


@test("SIGTERM to a worker hands its partitions over")
def worker_leaves(cluster):
    wait_until(lambda: len(cluster.processes("worker")) == 2, 20, "the killed worker is back")
    leaving = cluster.processes("worker")[0]

    def leave():
        leaving.signal(signal.SIGTERM)
        wait_until(lambda: not leaving.alive(), 10, "it ends")
    results = under_load(cluster, 12, leave)
    equal({row["attempts"] for row in results}, {"1"}, "attempts that clients made")


@test("a worker that was stopped for five seconds cannot write any more")
def worker_stopped(cluster):
    wait_until(lambda: len(cluster.processes("worker")) == 2, 20, "the worker is back")

    def freeze():
        stopped = cluster.owner(cluster.partition(SKUS[0]))
        connections = {row[0] for row in cluster.sql(
            "SELECT DISTINCT connection_id FROM `partition` WHERE owner='%s'" % stopped.name)}
        begun = time.monotonic()
        cluster.stop(stopped)
        try:
            owned = "SELECT COUNT(*) FROM `partition` WHERE owner='%s'" % stopped.name
            wait_until(lambda: cluster.number(owned) == 0, 20, "the other one has claimed all")
            alive = {row[0] for row in cluster.sql("SELECT id FROM information_schema.processlist",
                                                   admin=True)}
            check(not connections & alive, "the connection that it could write by was killed")
            # longer than three heartbeats and a lease
            time.sleep(max(0, begun + 5 - time.monotonic()))
        finally:
            cluster.cont(stopped)
    under_load(cluster, 13, freeze)


@test("kill -9 of one of two brokers")
def broker(cluster):
    equal(len(cluster.processes("broker")), 2, "brokers")
    under_load(cluster, 14, lambda: cluster.processes("broker")[0].kill())


@test("kill -9 of a worker and a broker at once")
def both(cluster):
    wait_until(lambda: len(cluster.processes("broker")) == 2, 20, "the broker is back")

    def kill():
        cluster.processes("broker")[-1].kill()
        cluster.processes("worker")[-1].kill()
    under_load(cluster, 15, kill)


@test("kill -9 of the database")
def database(cluster):
    under_load(cluster, 16, lambda: cluster.process("mariadbd").kill())


if __name__ == "__main__":
    run(workers=2, brokers=2)

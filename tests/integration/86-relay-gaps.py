# SPDX-License-Identifier: MIT
"""What a subscription cannot be given any more is told, with the place, and nothing is passed over:
behind the retention, and after a database was put back to an older copy."""
from relays import *

SKUS = ["G%d" % i for i in range(8)]


def goods(cluster, rounds=1, *consumers):
    """Movements of every SKU; the consumers stay."""
    if rounds == 1:
        for sku in SKUS:
            cluster.hf("item", "put", sku, "--name", "item " + sku)
        cluster.stock(SKUS[0], W=0)
    for n in range(rounds):
        for sku in SKUS:
            for c in consumers:
                c.stay()
            cluster.hf("receive", sku + "=1@W")


def served(cluster, *consumers):
    """As wait_served; the consumers stay, and no question takes three of their heartbeats."""
    def answers():
        for c in consumers:
            c.stay()
        return cluster.hf("audit", "--no-views", "--timeout", "2s", expect=None).code == 0
    wait_until(answers, 60, "every partition is served")


class Stopped:
    """The supervisor stands still: what is killed stays dead until the end."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.supervisor, = cluster.processes("supervisor")

    def __enter__(self):
        self.supervisor.signal(signal.SIGSTOP)
        for process in self.cluster.processes("mariadbd"):
            process.signal(signal.SIGKILL)
        wait_until(lambda: all(gone(p) for p in self.cluster.processes("mariadbd")), 20,
                   "the databases are dead")

    def __exit__(self, *_):
        self.supervisor.signal(signal.SIGCONT)


def gone(process):
    try:
        with open("/proc/%d/stat" % process.pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


@test("a database that is put back to an older copy: history_lost with the place, and nothing mixed")
def lost(cluster):
    goods(cluster)
    data = os.path.join(cluster.dir, "shards", "s1", "data")
    with Consumer(cluster, name="reader") as c, Consumer(cluster, name="idle") as idle:
        c.subscribe("reader")
        c.until(c.all_at_end, what="the end")
        c.ack_stored()
        idle.subscribe("idle")
        idle.until(idle.all_at_end, what="the end")
        with Stopped(cluster):
            shutil.copytree(data, data + ".old")
        served(cluster, c, idle)
        copied = {p: rows[-1][0] for p, rows in ledger(cluster).items()}
        goods(cluster, 3, c, idle)
        seen = ledger(cluster)
        c.until(lambda: {p: s[-1] for p, s in c.everything().items()} == {
            p: rows[-1][0] for p, rows in seen.items()}, 30, "the new ones")
        c.ack_stored()
        given = {p: as_ledger(events) for p, events in c.given.items()}
        with Stopped(cluster):
            shutil.rmtree(data)
            os.rename(data + ".old", data)
        served(cluster, c, idle)
        goods(cluster, 2, c, idle)
        moved = {p for p in seen if seen[p][-1][0] > copied[p]}
        c.until(lambda: set(c.halted) >= moved, 40, "halts of %s: %s" % (moved, c.halted))
        for p in moved:
            halt = c.halted[p]
            equal((halt.reason, halt.resume, halt.given), (LOST, copied[p], seen[p][-1][0]),
                  "the place in partition %d" % p)
            equal(as_ledger(c.given[p]), given[p], "nothing of the new history before it is asked")
        # It stays so for whoever comes next, also at a relay that was killed.
        cluster.process("relay", "r1").kill()
        with Consumer(cluster, name="next") as n:
            n.subscribe("reader", seconds=40)
            n.until(lambda: set(n.halted) >= moved, 40, "halts at the next")
            new = ledger(cluster)
            for p in moved:
                equal((n.halted[p].reason, n.halted[p].resume), (LOST, copied[p]), "the place")
                n.resume(p, n.halted[p].resume)
            n.until(lambda: all(p in n.given and n.sequences(p)[-1] == new[p][-1][0]
                                for p in moved), 30, "what is in the ledger now")
            for p in moved:
                whole = given[p][:copied[p]] + as_ledger(n.given[p])
                equal(whole, new[p], "one history in partition %d" % p)
            n.ack_stored()


def stored(cluster):
    return {p: [r[:2] for r in part] for p, part in ledger(cluster).items()}


@test("behind the retention it is told position_pruned, and goes on only when asked")
def pruned(cluster):
    events(cluster, "old", "--from", "start")
    for n in range(3):
        cluster.hf("receive", "G4=1@W")
    where = cluster.partition("G4")
    before = stored(cluster)[where]
    prune(cluster, where, before[-1][0])
    given, halts, done = events(cluster, "old", expect=1)
    halt, = [h for h in halts if h["partition"] == where]
    equal((halt["event"], halt["given"] < halt["resume"]), ("position_pruned", True), "the halt")
    check("position_pruned: partition %d" % where in done.err and "--from %d:%d" % (
        where, halt["resume"]) in done.err, done.err)
    check(where not in given, "nothing of it is given")
    given, halts, _ = events(cluster, "old", expect=1)
    check(where in [h["partition"] for h in halts], "and again")
    cluster.hf("receive", "G4=1@W")
    told = ",".join("%d:%d" % (h["partition"], h["resume"]) for h in halts)
    given, halts, _ = events(cluster, "old", "--from", told, expect=None)
    equal([h for h in halts if h["partition"] == where], [], "it goes on")
    check(given[where][-1]["sku"] == "G4" and given[where][0]["sequence"] == halt["resume"] + 1,
          "behind what was pruned")


if __name__ == "__main__":
    run(workers=1, partitions=4, relays=1, windows={"heartbeat": "3s", "lease": "6s"})

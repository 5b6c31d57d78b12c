# SPDX-License-Identifier: MIT
"""A partition that something holds up works again within seconds, and only the guilty suffers.

A worker is stopped after its fence, with the row locked; operations that break a CHECK each time; an
operation that ends its worker each time, from one broker and from two. That one is planted from
outside (planted/killer.c, LD_PRELOAD), so that the programs have no switch for it.
"""
import os

plant = os.path.join(os.path.abspath(os.environ["BUILD"]), "tests", "faults", "planted",
                     "killer.so")
os.environ["LD_PRELOAD"] = plant
os.environ["HOLDFAST_PLANT_LOG"] = os.path.join(os.environ.get("TMPDIR", "/tmp"),
                                                "killed-%d" % os.getpid())
os.environ["ASAN_OPTIONS"] = ":".join(
    word for word in (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0") if word)

from harness import *  # noqa: E402
from harness import wire  # noqa: E402

KILLER = "KILLS-ITS-WORKER"
PARTITIONS = 16


def skus_of(cluster, partition, count, prefix):
    found = (s for s in ("%s%d" % (prefix, i) for i in range(100000))
             if cluster.partition(s) == partition)
    return [next(found) for _ in range(count)]


def by_owner(cluster):
    """{worker's name: [partition]}, when both have their share."""
    def shared():
        owned = {}
        for owner, partition in cluster.sql("SELECT owner, partition_id FROM `partition`"):
            owned.setdefault(owner, []).append(int(partition))
        even = sorted(map(len, owned.values())) == [8, 8]
        return owned if even and "" not in owned else None  # nobody's, while one comes back
    return wait_until(shared, 30, "each worker has its share")


def reserve_of(sku, quantity=1):
    return wire.operation("reserve", lines=[(sku, "W", quantity)], ttl_ms=600000)


class Flow:
    """Reserves of one sku one after another, from a client of the library's kind: what each took."""

    def __init__(self, cluster, sku, broker=0):
        self.cluster, self.sku, self.broker = cluster, sku, broker
        self.took, self.said, self.ending = [], set(), False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        partition = self.cluster.partition(self.sku)
        with self.cluster.peer(self.broker) as peer:
            while not self.ending:
                begun = time.monotonic()
                answer = peer.call(reserve_of(self.sku), partition, seconds=60)
                self.took.append((begun, time.monotonic() - begun))
                self.said.add(wire.status_name(answer.status))
                peer.quiet(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending = True
        self.thread.join(scale(60))

    def longest(self):
        return max(seconds for _, seconds in self.took)


def collect(sent, seconds):
    """What peers hear of what they sent, [(peer, sequences)]: (names by peer, seconds by peer)."""
    begun = time.monotonic()
    said = [{} for _ in sent]
    took = [{} for _ in sent]
    while any(len(s) < len(sequences) for s, (_, sequences) in zip(said, sent)):
        check(time.monotonic() - begun < scale(seconds), "all are answered: %r of %r" % (
            [len(s) for s in said], [len(s) for _, s in sent]))
        for (peer, sequences), told, at in zip(sent, said, took):
            peer.quiet(0.01)
            for message in [m for m in peer.inbox if m.header.type == wire.RESULT]:
                peer.inbox.remove(message)
                told[message.header.sequence] = wire.status_name(message.body.status)
                at[message.header.sequence] = time.monotonic() - begun
    return ([[told[s] for s in sequences] for (_, sequences), told in zip(sent, said)],
            [[at[s] for s in sequences] for (_, sequences), at in zip(sent, took)])


class Gate:
    """While it is shut, an INSERT of a movement of the sku waits in the server, behind the fence."""

    def __init__(self, cluster, sku):
        self.cluster = cluster
        cluster.sql("CREATE TRIGGER planted BEFORE INSERT ON movement FOR EACH ROW SET @planted ="
                    " IF(NEW.sku='%s' AND GET_LOCK('planted',60), RELEASE_LOCK('planted'), 0)"
                    % sku, admin=True)
        socket = cluster.config["shards"][0]["servers"][0]["socket"]
        self.keeper = subprocess.Popen(
            ["mariadb", "--no-defaults", "--batch", "--unbuffered", "--skip-column-names",
             "--socket=" + socket, "--user=" + ADMINISTRATOR, "holdfast"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ, **{MARK: mark}))
        self.keeper.stdin.write("SELECT GET_LOCK('planted',10);\n")
        self.keeper.stdin.flush()
        equal(self.keeper.stdout.readline().strip(), "1", "the lock is ours")

    def waiting(self):
        """Connections that wait at it."""
        return {row[0] for row in self.cluster.sql(
            "SELECT id FROM information_schema.processlist WHERE state='User lock'", admin=True)}

    def open(self):
        if self.keeper.poll() is None:
            self.keeper.communicate()

    def remove(self):
        self.open()
        self.cluster.sql("DROP TRIGGER IF EXISTS planted", admin=True)


@test("a worker is stopped behind its fence, inside its transaction: others take over")
def stopped_behind_fence(cluster):
    owned = by_owner(cluster)
    partition = owned["w1"][0]
    sku, *neighbours = skus_of(cluster, partition, 3, "FENCE")
    for each in [sku] + neighbours:
        cluster.stock(each, W=100000)
    worker = cluster.process("worker", "w1")
    gate = Gate(cluster, sku)
    try:
        with cluster.peer(0) as peer, cluster.peer(1) as other:
            ops = [(reserve_of(neighbours[i % 2]), partition) for i in range(40)]
            sequences = peer.submit_batch(ops[:20] + [(reserve_of(sku), partition)] + ops[20:],
                                          seconds=60)
            connection, = wait_until(gate.waiting, 10, "the transaction waits behind its fence")
            cluster.stop(worker)
            gate.open()
            locked = ("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE"
                      " trx_mysql_thread_id=%s AND trx_rows_locked>0" % connection)
            wait_until(lambda: cluster.number("SELECT COUNT(*) FROM information_schema.processlist"
                                              " WHERE id=%s AND command='Sleep'" % connection,
                                              admin=True) == 1, 10, "it waits for COMMIT")
            equal(cluster.number(locked, admin=True), 1, "transactions that hold the row's lock")
            begun = time.monotonic()
            others = other.submit_batch([(reserve_of(neighbours[0]), partition)
                                         for _ in range(20)], seconds=60)
            said, took = collect([(peer, sequences), (other, others)], 60)
    finally:
        gate.remove()
        cluster.cont(worker)
    note("all answered %.1f s after it was stopped" % max(map(max, took)))
    equal({name for each in said for name in each}, {"applied"}, "what was said")
    check(time.monotonic() - begun < scale(15), "the partition works again within seconds")
    equal(cluster.number("SELECT COUNT(*) FROM movement WHERE kind=1 AND sku IN ('%s')"
                         % "','".join([sku] + neighbours)), 61, "movements, each once")
    check(worker.alive(), "it goes on living")


@test("operations that break a CHECK each time are internal, and hold nobody else up")
def breaks_a_check(cluster):
    owned = by_owner(cluster)
    partition = owned["w1"][0]
    cursed, good = skus_of(cluster, partition, 2, "CHECK")
    beside = skus_of(cluster, owned["w1"][1], 1, "CHECK")[0]
    for each in (cursed, good, beside):
        cluster.stock(each, W=100000)
    cluster.sql("ALTER TABLE movement ADD CONSTRAINT planted CHECK (sku<>'%s' OR kind<>1)"
                % cursed, admin=True)
    try:
        with Flow(cluster, beside) as flow, cluster.peer(0) as peer, cluster.peer(1) as other:
            wait_until(lambda: len(flow.took) > 20, 20, "the flow runs")
            sent, guilty = [], []
            for each, step in ((peer, 50), (other, 90)):  # five of 250, three of 270
                ops = [reserve_of(cursed if i % step == 7 else good) for i in range(step * 5 - 1)]
                guilty.append([i for i in range(len(ops)) if i % step == 7])
                sent.append((each, each.submit_batch([(op, partition) for op in ops], seconds=60)))
            said, took = collect(sent, 60)
            equal(said[0][7], "internal", "what was said of a guilty one")
            again = peer.call(reserve_of(cursed), partition, seconds=20)
            equal(wire.status_name(again.status), "internal", "of another one, alone")
            wait_until(lambda: flow.took[-1][0] > time.monotonic() - 1, 20, "the flow goes on")
    finally:
        cluster.sql("ALTER TABLE movement DROP CONSTRAINT planted", admin=True)
    for names, indexes in zip(said, guilty):
        equal([i for i, name in enumerate(names) if name == "internal"], indexes, "the internal")
        equal({name for name in names} - {"internal"}, {"applied"}, "what was said of the others")
    equal(flow.said, {"applied"}, "what the flow was told")
    note("all answered after %.1f s; a flow beside them waited %.2f s at most" % (
        max(map(max, took)), flow.longest()))
    check(max(map(max, took)) < scale(15), "within seconds")
    equal(cluster.number("SELECT COUNT(*) FROM movement WHERE kind=1 AND sku='%s'" % cursed), 0,
          "movements of the guilty")


def deaths():
    """Ids of the operations that killed, one for each death."""
    path = os.environ["HOLDFAST_PLANT_LOG"]
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return file.read().split()


def with_killer(cluster, copies):
    """Neighbours through both brokers, and among them the one that kills, through as many brokers as
    copies says. Returns how long the neighbours, and flows of other partitions, had to wait."""
    owned = by_owner(cluster)
    partition = cluster.partition(KILLER)
    mine = next(name for name, partitions in owned.items() if partition in partitions)
    other = next(name for name in owned if name != mine)
    near = [p for p in owned[mine] if p != partition][0]
    skus = skus_of(cluster, partition, 2, "NEAR%d-" % copies)
    beside = skus_of(cluster, near, 1, "SAME%d-" % copies)[0]  # of the worker that dies
    away = skus_of(cluster, owned[other][0], 1, "AWAY%d-" % copies)[0]
    for each in skus + [beside, away]:
        cluster.stock(each, W=100000)
    before = len(deaths())
    killer = reserve_of(KILLER)
    with Flow(cluster, beside, 0) as same, Flow(cluster, away, 1) as elsewhere:
        wait_until(lambda: min(len(same.took), len(elsewhere.took)) > 20, 20, "the flows run")
        with cluster.peer(0) as one, cluster.peer(1) as two:
            sent = []
            for i, peer in enumerate((one, two)):
                ops = [reserve_of(skus[n % 2]) for n in range(100)]
                if i < copies:
                    ops.insert(40 + 20 * i, killer)
                sent.append((peer, peer.submit_batch([(op, partition) for op in ops],
                                                     seconds=60)))
            said, took = collect(sent, 60)
        last = time.monotonic()
        wait_until(lambda: min(f.took[-1][0] for f in (same, elsewhere)) > last, 20,
                   "the flows go on")
    for i, names in enumerate(said):
        place = 40 + 20 * i
        if i < copies:
            equal(names[place], "poison", "what was said of the guilty one, broker %d" % (i + 1))
            names = names[:place] + names[place + 1:]
        equal(set(names), {"applied"}, "what was said of its neighbours, broker %d" % (i + 1))
    equal(same.said | elsewhere.said, {"applied"}, "what the flows were told")
    killed = deaths()[before:]
    equal(set(killed), {killer.operation_id.hex().upper()}, "who killed")
    equal(cluster.number("SELECT COUNT(*) FROM movement WHERE sku='%s'" % KILLER), 0,
          "movements of the guilty one")
    equal(cluster.number("SELECT COUNT(*) FROM movement WHERE kind=1 AND sku IN ('%s')"
                         % "','".join(skus)), 200, "movements of its neighbours, each once")
    note("%d deaths; its neighbours waited %.1f s at most, another partition of that worker %.2f s,"
         " one of the other worker %.2f s" % (len(killed), max(map(max, took)), same.longest(),
                                              elsewhere.longest()))
    check(max(map(max, took)) < scale(15), "the partition works again within seconds")
    # a flow is queued again with the rest when its worker dies, and waits for a new owner
    check(same.longest() < scale(10), "the worker's other partitions, too")
    check(elsewhere.longest() < scale(5), "the other worker's are hardly disturbed")
    return len(killed)


@test("an operation that kills its worker each time is poison, alone")
def killer_of_one_broker(cluster):
    check(with_killer(cluster, 1) <= 3, "it kills two or three times")


@test("copies of it in two brokers are poison, alone")
def killer_of_two_brokers(cluster):
    check(with_killer(cluster, 2) <= 5, "each kills two times at most, and once together")


@test("a client of the library hears poison; the id can be settled then")
def told_and_settled(cluster):
    id = wire.uuid_text(wire.uuid7())
    cluster.refused("poison", "reserve", KILLER + "=1@W", "--id", id, "--timeout", "40s",
                    seconds=60)
    settled = cluster.hf("settle", id, seconds=60)
    check("void" in settled.out, "nothing of it was applied: %s" % settled)
    cluster.stock("AFTER", W=5)
    equal(cluster.hf("reserve", "AFTER=1@W", seconds=60).json["result"], "applied", "the next one")


if __name__ == "__main__":
    run(workers=2, brokers=2, partitions=PARTITIONS)

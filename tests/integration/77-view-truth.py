# SPDX-License-Identifier: MIT
"""What a view shows is one moment of one history, and as old as it says: while a database is put back
to an older copy under writers, and while the clock of the view's machine is moved."""
import bisect
import glob
import shutil

from views import *

SKUS = ["P%d" % i for i in range(12)]


class Writer(threading.Thread):
    def __init__(self, cluster, skus):
        super().__init__(daemon=True)
        self.cluster, self.skus, self.over, self.applied = cluster, skus, False, 0

    def run(self):
        while not self.over:
            for sku in self.skus:
                done = self.cluster.hf("receive", sku + "=1@W", "--timeout", "5s", expect=None,
                                       seconds=60)
                self.applied += done.code == 0


class Watcher(threading.Thread):
    """Keeps every answer of a view about single skus: where it stood, and what it showed."""

    def __init__(self, cluster, number):
        super().__init__(daemon=True)
        self.cluster, self.number, self.over, self.seen, self.unknown = cluster, number, False, [], 0

    def run(self):
        while not self.over:
            try:
                with view_of(self.cluster, self.number, 30) as peer:
                    while not self.over:
                        self.look(peer)
            except (wire.Timeout, AssertionError, AttributeError):
                pass  # the session is over

    def look(self, peer):
        for stock in peer.ask(stock=dict(skus=[s.encode() for s in SKUS]), seconds=2).stock:
            if stock.knowledge != KNOWN:
                self.unknown += 1
                continue
            level = next((li for li in stock.levels if li.warehouse == b"W"), None)
            self.seen.append((stock.sku.decode(), stock.sequence, bytes(stock.claim_id).hex(),
                              (level.version, level.on_hand) if level else None))
        time.sleep(0.005)  # reads all the time, and leaves the processors to the others


class History:
    """The ledger as it is now."""

    def __init__(self, cluster):
        self.claims = {claim.lower() for claim, in cluster.sql("SELECT HEX(claim_id) FROM claim",
                                                               all_shards=True)}
        self.levels = {}
        for sku, seq, on_hand in cluster.sql(
                "SELECT sku, seq, on_hand FROM movement WHERE warehouse='W' ORDER BY seq",
                all_shards=True):
            self.levels.setdefault(sku, []).append((int(seq), int(on_hand)))

    def at(self, sku, sequence):
        """Version and on hand of a level at a sequence of its partition."""
        rows = self.levels.get(sku, [])
        found = bisect.bisect_right(rows, (sequence, 1 << 40))
        return rows[found - 1] if found else None


def put_back(cluster, data, older):
    supervisor = next(p for p in cluster.processes("supervisor") if "receive" not in p.argv)
    cluster.stop(supervisor)
    server = next(p for p in cluster.processes("mariadbd") if any(data[:-5] in w for w in p.argv))
    server.kill()
    shutil.rmtree(data)
    shutil.copytree(older, data)
    cluster.cont(supervisor)


def quiet(cluster):
    """Nobody commits any more, and the positions stay."""
    for process in cluster.processes("worker"):
        cluster.stop(process)
    before = None
    while before != database_positions(cluster):
        before = database_positions(cluster)
        time.sleep(0.3)  # what was on its way to the server has arrived


@test("a database put back under writers: every answer is one moment of one history")
def lost(cluster):
    cluster.hf("warehouse", "put", "W", "--name", "W")
    for sku in SKUS:
        cluster.hf("item", "put", sku, "--name", sku)
        cluster.hf("receive", sku + "=5@W")
    older = os.path.join(cluster.dir, "older")
    data = os.path.join(cluster.dir, "shards", "s1", "data")
    cluster.down()
    shutil.copytree(data, older)
    cluster.up()
    watchers = [Watcher(cluster, n) for n in range(2)]
    writers = [Writer(cluster, SKUS[n::3]) for n in range(3)]
    for thread in watchers + writers:
        thread.start()
    try:
        wait_until(lambda: sum(w.applied for w in writers) > 60, 60, "writes")
        quiet(cluster)
        first = History(cluster)
        put_back(cluster, data, older)
        cluster.cont_all()
        wait_until(lambda: cluster.hf("audit", expect=None, seconds=60).code == 0, 90,
                   "views and databases agree again, while everybody writes")
        begun = sum(w.applied for w in writers)
        wait_until(lambda: sum(w.applied for w in writers) > begun + 30, 60, "writes go on")
    finally:
        cluster.cont_all()
        for thread in writers + watchers:
            thread.over = True
        for thread in writers + watchers:
            thread.join()
    second = History(cluster)
    lost_claims = first.claims - second.claims
    answers = [answer for w in watchers for answer in w.seen]
    lost_skus = {sku for sku, in cluster.sql("SELECT sku FROM item", shard=0)}
    of_first = 0
    for sku, sequence, claim, shown in answers:
        # Whatever the copy had is in the first history too; the second goes on under new claims,
        # but for the shard that was let be.
        of_first += claim in lost_claims
        check(claim in first.claims | second.claims, "a claim that nobody made: %s" % claim)
        is_first = sku in lost_skus and claim in first.claims
        wanted = (first if is_first else second).at(sku, sequence)
        equal(shown, wanted, "%s at %d under %s" % (sku, sequence, claim))
    unknown = sum(w.unknown for w in watchers)
    note("%d answers, %d under a claim that was lost, %d times unknown" % (
        len(answers), of_first, unknown))
    check(len(answers) > 1000 and of_first > 0, "views were asked before and after")
    with view_of(cluster) as peer:
        check(peer.ask(status={}).view.history_lost > 0, "it was noticed")
    cluster.audit()


class MovedView:
    """A view of our own, whose clock is moved by libfaketime."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.endpoint = "ipc://%s/run/moved.client" % cluster.dir
        self.file = os.path.join(cluster.dir, "moved.yaml")
        self.clock = os.path.join(cluster.dir, "moved.clock")
        with open(cluster.file) as text:
            text = text.read()
        for view in cluster.config["views"]:
            text = text.replace(view["client"], self.endpoint, 1)
            break
        with open(self.file, "w") as out:
            out.write(text)
        self.move("+0")
        library, = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        self.child = subprocess.Popen(
            [os.path.join(BIN, "holdfast-view"), "-C", self.file, "--index", "0", "--name", "moved"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=dict(os.environ, **{MARK: mark, "LD_PRELOAD": library,
                                    "FAKETIME_TIMESTAMP_FILE": self.clock, "FAKETIME_NO_CACHE": "1",
                                    "FAKETIME_DONT_FAKE_MONOTONIC": "1"}))

    def move(self, offset):
        with open(self.clock + ".new", "w") as file:
            file.write(offset + "\n")
        os.rename(self.clock + ".new", self.clock)

    def peer(self):
        peer = View(self.endpoint, self.cluster.config["name"])
        peer.hello(seconds=5)
        return peer

    def close(self):
        self.child.terminate()
        self.child.wait(scale(10))


def shown_age(peer):
    """The age that is told; the question may wait as long as it likes, by anybody's clock."""
    query = pb.ViewQuery(stock=dict(skus=[b"P0"])).SerializeToString()
    answer = peer.call(query, 0, type=wire.QUERY, not_after_us=wire.now_us() + 10**11)
    stock, = answer.stock
    equal(stock.knowledge, KNOWN, "known")
    return stock.age_ms


@test("the age is honest while the view's clock is moved by hours")
def moved(cluster):
    if not PLAIN:
        note("a sanitizer or valgrind would be loaded after libfaketime: not run")
        return
    view = MovedView(cluster)
    try:
        with view.peer() as peer:
            wait_until(lambda: shown_age(peer) < 1000, 20, "the view is fresh")
            for offset in ("+7200", "-7200"):
                view.move(offset)
                hello = view.peer()
                wait_until(lambda: abs(hello.welcome.clock_us - wire.now_us()) > 3600 * 10**6
                           or hello.hello(), 10, "its clock is moved")
                hello.close()
                for _ in range(20):
                    check(shown_age(peer) < 5000, "nothing is older for it")
                owner = cluster.owner(cluster.partition("P0"))
                wait_until(lambda: shown_age(peer) < 1000, 20, "fresh")
                cluster.stop(owner)
                stopped = time.monotonic()
                wait_until(lambda: shown_age(peer) > 1500, 20, "the age grows")
                elapsed = (time.monotonic() - stopped) * 1000
                view.move("-3600" if offset == "+7200" else "+3600")
                check(shown_age(peer) >= elapsed - 50, "nor younger: it is as old as the stop")
                cluster.cont(owner)
                wait_until(lambda: shown_age(peer) < 1000, 20, "fresh again")
    finally:
        view.close()


if __name__ == "__main__":
    run(shards=2, workers=1, partitions=6, brokers=2, views=2)

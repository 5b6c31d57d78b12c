# SPDX-License-Identifier: MIT
"""Writers at full speed while views, workers, brokers and databases are killed -9: at the end every
view is equal to the database, none ever showed a level that the ledger does not have, and nobody who
asked for his own writes was shown anything older."""
import random

from views import *

SKUS = ["V%d" % i for i in range(30)]
CLIENTS = 12


def script(count, seed):
    chosen = random.Random(seed)
    lines = []
    while len(lines) < count:
        client, made = len(lines) % CLIENTS, len(lines)
        lines.append("%d\t0\treserve\tline=%s=%d@W\torder=O%d" % (
            client, chosen.choice(SKUS), chosen.randint(1, 3), chosen.randrange(50)))
        fate = chosen.random()
        if fate < 0.6:
            lines.append("%d\t0\t%s\tr=@%d" % (
                client, "purchase" if fate < 0.4 else "release", made))
        if fate < 0.2:
            lines.append("%d\t0\tship\tr=@%d" % (client, made))
    return lines


class Watcher(threading.Thread):
    """Reads one sku after another from a view, and keeps what it was shown."""

    def __init__(self, cluster, number, seed):
        super().__init__(daemon=True)
        self.cluster, self.number, self.chosen = cluster, number, random.Random(seed)
        self.over, self.seen, self.fault, self.unknown = False, {}, None, 0

    def run(self):
        while not self.over:
            try:
                with view_of(self.cluster, self.number, 30) as peer:
                    while not self.over:
                        self.look(peer)
            except (wire.Timeout, AssertionError) as error:
                if isinstance(error, Failure):
                    self.fault = error
                    return

    def look(self, peer):
        answer = peer.ask(stock=dict(skus=[self.chosen.choice(SKUS).encode()]), seconds=2)
        if not isinstance(answer, pb.ViewAnswer):
            raise wire.Timeout("the session is over")
        stock, = answer.stock
        if stock.knowledge != KNOWN:
            self.unknown += 1
            return
        for level in stock.levels:
            key = (stock.sku.decode(), level.warehouse.decode(), level.version)
            self.seen[key] = (level.on_hand, level.reserved, level.committed)
        time.sleep(0.002)  # reads all the time, and leaves the processors to the others


class Owner(threading.Thread):
    """Writes, and asks a view for no less than what it was told."""

    SKU = "OWN"

    def __init__(self, cluster, seed):
        super().__init__(daemon=True)
        self.cluster, self.chosen = cluster, random.Random(seed)
        self.over, self.fault, self.reached, self.not_there = False, None, 0, 0

    def run(self):
        while not self.over:
            try:
                self.once()
            except (wire.Timeout, AssertionError) as error:
                if isinstance(error, Failure) and "own write" in str(error):
                    self.fault = error
                    return

    def once(self):
        done = self.cluster.hf("receive", self.SKU + "=1@W", "--timeout", "20s", expect=None)
        if done.code != 0:
            return
        told = done.json
        with view_of(self.cluster, self.chosen.randrange(2), 30) as peer:
            stock, = peer.stock(self.SKU, wait_ms=1000, seconds=4, at_least=[
                dict(partition=told["partition"], sequence=told["sequence"])])
        if stock.knowledge != KNOWN:
            check(not stock.HasField("total"), "own write: no figures with what is not known")
            self.not_there += 1
            return
        level = [li for li in stock.levels if li.warehouse == b"W"]
        check(level and stock.sequence >= told["sequence"] and level[0].version >= told["sequence"],
              "own write %d: shown is %s" % (told["sequence"], stock))
        self.reached += 1


@test("everything is killed under load; the views never lie, and end equal to the database")
def kills(cluster):
    chosen = random.Random(int(os.environ.get("HOLDFAST_SEED", "1")))
    for sku in SKUS:
        cluster.hf("item", "put", sku, "--name", "item " + sku, "--barcode", "99" + sku)
    cluster.stock(SKUS[0], W=0)
    for sku in SKUS:
        cluster.hf("receive", sku + "=100000@W")
    watchers = [Watcher(cluster, n, n) for n in range(2)]
    cluster.stock(Owner.SKU, W=1)
    owner = Owner(cluster, 7)
    for watcher in watchers + [owner]:
        watcher.start()
    results = []
    load = threading.Thread(target=lambda: results.extend(cluster.load(
        script(4000, chosen.random()), clients=CLIENTS, seconds=240, timeout_ms=60000)))
    load.start()
    killed = []
    while load.is_alive() and len(killed) < 12:
        time.sleep(chosen.uniform(0.3, 1.2))  # spreads the kills over the load
        role = chosen.choice(["view", "worker", "worker", "broker", "mariadbd"])
        there = cluster.processes(role)
        if there:
            victim = chosen.choice(there)
            victim.signal(signal.SIGKILL)
            killed.append(victim.role)
    load.join()
    note("killed: %s" % ", ".join(killed))
    check(len(killed) >= 3, "some were killed")
    cluster.wait_served(60)
    for watcher in watchers + [owner]:
        watcher.over = True
    for watcher in watchers + [owner]:
        watcher.join()
        if watcher.fault:
            raise watcher.fault
    note("%d own writes were shown, %d times the view was not there in time" % (
        owner.reached, owner.not_there))
    check(owner.reached > (1 if wire.UNDER_VALGRIND else 10), "own writes were shown")
    for number in range(2):
        with view_of(cluster, number) as peer:
            levels, held = same_as_database(cluster, peer, 60)
            status = peer.ask(status={}).view
            note("view %d: %d levels, %d open reservations; %d movements, %d gaps, %d snapshots" % (
                number, levels, held, status.movements, status.repairs, status.snapshots))
            equal(status.history_lost, 0, "no history was lost")
    ledger = {(sku, warehouse, int(seq)): (int(a), int(b), int(c))
              for sku, warehouse, seq, a, b, c in cluster.sql(
                  "SELECT sku, warehouse, seq, on_hand, reserved, committed FROM movement"
                  " WHERE warehouse<>''", all_shards=True)}
    for watcher in watchers:
        note("%d levels were read, %d times unknown" % (len(watcher.seen), watcher.unknown))
        check(len(watcher.seen) > 50, "the watcher has read")
        for key, figures in watcher.seen.items():
            equal(figures, ledger.get(key), "what was shown of %s@%s at %d" % key)


if __name__ == "__main__":
    run(shards=2, workers=2, partitions=12, brokers=2, views=2)

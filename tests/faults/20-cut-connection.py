# SPDX-License-Identifier: MIT
"""The worker's connection to its database is cut at every step of a batch and of coming back, in
both directions, before, within and after a packet; COMMIT included. The places are enumerated, and
each must have been met.

After each cut five operations, sent in one message over three partitions, have the answers that
they would have had without it; a retry of each has the same answer; the ledger has what was applied
once, and what was refused not at all. A cut alone is no reason for `unknown`.

Two workers share the cases, each with partitions, a proxy and a thread of its own: after a second
cut a worker waits before it connects again, and nothing else would be done meanwhile. The lease is
long, so that neither ever takes over from the other.
"""
from proxied import *
from proxy import *

BEFORE, HEADER, LAST_BYTE, AFTER = (
    "before", "in the header of", "before the last byte of", "after")
BYTES = {BEFORE: 0, HEADER: 2, LAST_BYTE: -1, AFTER: None}
# Of a new connection; then, with more places each, of claiming again.
CONNECTING = ["login", "isolation", "setup", "read-only", "schema", "clock"]
CLAIMING = ["look", "kill", "claim", "offsets", "claim-commit", "due"]
WORKERS = ("w1", "w2")
sides = []


class Side:
    """A worker, what is asked of it, and the cases it has had."""

    def __init__(self, cluster, name):
        self.cluster, self.name, self.proxy = cluster, name, cluster.proxies[name]
        self.partitions = {p for p, owner in cluster.owners().items() if owner == name}
        self.shop = Shop(cluster, name.upper() + "-", self.partitions)
        self.once = next("%s-ONCE%d" % (name, i) for i in range(1000)
                         if cluster.partition("%s-ONCE%d" % (name, i)) in self.partitions)
        cluster.stock(self.once, W=0)
        self.cases = 0

    def case(self, peer, asked, name, rules):
        run_case(self.proxy, peer, asked, "%s, %s" % (self.name, name), rules)
        self.cases += 1

    def plant_offset(self):
        """Another clock offset in the row than the worker's, so that its next claim stores its own."""
        self.cluster.sql("UPDATE `partition` SET clock_offset_us=clock_offset_us+1000"
                         " WHERE partition_id=%d" % min(self.partitions))

    def lose_commit(self):
        return [self.proxy.rule("commit", TO_WORKER if self.cases % 2 else TO_SERVER,
                                cut(BYTES[BEFORE]))]

    def forget(self):
        self.proxy.cut_all()  # the caches go
        return []

    def ask_shop(self):
        return self.shop.ask()

    def retry_as_first(self):
        return self.shop.ask(retry_attempt=1)  # so that only the key knows it

    def take_everything(self):
        """One operation that takes all that there is: decided anew after it was applied, it would
        be refused."""
        kind = ("purchase", "adjust", "release", "reserve")[self.cases % 4]
        sku = self.once
        self.cluster.hf("receive", sku + "=5@W", "--reference", "case")
        left = self.cluster.level(sku)["available"]
        asked = Asked(self.cluster)
        if kind == "adjust":
            asked.add(sku, "applied", kind, sku=sku, warehouse="W", delta=-left, reason="R")
        elif kind == "reserve":
            asked.add(sku, "applied", kind, lines=[(sku, "W", left)], ttl_ms=3600000)
        else:
            hold = self.cluster.hf("reserve", "%s=%d@W" % (sku, left)).json["reservation"]
            asked.add(sku, "applied", kind, reservation=hold)
        return asked


def places(proxy, step):
    """(direction, packet, kind): every packet of a short answer; of a longer one the first two,
    the middle one and the last two. While connecting, the ends of the answer alone."""
    # how much is looked up depends on what the caches hold; every case looks up so much at least
    size = proxy.smallest[step] if step == "look-up" else proxy.sizes[step]
    if step in CONNECTING:
        return [(TO_SERVER, 0, BEFORE), (TO_SERVER, 0, AFTER), (TO_WORKER, 0, BEFORE),
                (TO_WORKER, size - 1, LAST_BYTE)]
    chosen = range(size) if size <= 6 else (0, 1, size // 2, size - 2, size - 1)
    found = [(TO_SERVER, 0, BEFORE), (TO_SERVER, 0, LAST_BYTE), (TO_SERVER, 0, AFTER),
             (TO_WORKER, 0, BEFORE), (TO_WORKER, size - 1, AFTER)]
    found += [(TO_WORKER, packet, LAST_BYTE) for packet in chosen]
    if step.endswith("commit"):
        found += [(TO_SERVER, 0, HEADER), (TO_WORKER, 0, HEADER)]
    return found


def on_both(work):
    """work(side) for both, at the same time."""
    failures = []

    def run_side(side):
        try:
            work(side)
        except Exception as error:
            failures.append(error)
    threads = [threading.Thread(target=run_side, args=(side,)) for side in sides]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def every_cut(cluster, steps, lead=None, ask=Side.ask_shop):
    """Every place in these steps, shared between the sides. lead makes the rules that lead to the
    step, ask the operations."""
    cases = [(step,) + place for step in steps for place in places(sides[0].proxy, step)]
    begun = time.monotonic()

    def work(side):
        with cluster.peer() as peer:
            for step, direction, packet, kind in cases[sides.index(side)::2]:
                asked = ask(side)  # first: it may need commits of its own
                if step == "offsets":
                    side.plant_offset()
                rules = lead(side) if lead else []
                rules.append(side.proxy.rule(step, direction, cut(BYTES[kind]), packet=packet))
                side.case(peer, asked, "%s packet %d of %s, %s" % (kind, packet, step, direction),
                          rules)
    on_both(work)
    note("%d cuts, %.1f s" % (len(cases), time.monotonic() - begun))
    cluster.audit()


@test("the steps of a batch and of coming back are known")
def learn(cluster):
    wait_until(lambda: sorted(cluster.owners().values()) == 4 * ["w1"] + 4 * ["w2"], 20, "shares")
    cluster.hf("reason", "put", "R", "--name", "R")
    sides.extend(Side(cluster, name) for name in WORKERS)

    def work(side):
        with cluster.peer() as peer:
            side.case(peer, side.shop.ask(), "none", [])
            side.plant_offset()
            side.case(peer, side.shop.ask(), "first",
                      [side.proxy.rule("commit", TO_WORKER, cut(BYTES[BEFORE]))])
            side.case(peer, side.retry_as_first(), "duplicate", side.forget())
            begun = time.monotonic()
            side.case(peer, side.shop.ask(), "none", [])
        equal([s for s in side.proxy.steps(since=begun) if s not in ("look", "prune-find")][:3],
              ["look-up", "batch", "commit"], "steps of a batch")
    on_both(work)
    seen = sides[0].proxy.steps()
    check("other" not in seen[seen.index("commit"):], "every step is known: %s" % seen)
    for step in CONNECTING + CLAIMING + ["rollback"]:
        check(sides[0].proxy.sizes.get(step, 0) > 0, "%s was met" % step)


@test("cut at every step of a batch")
def batch(cluster):
    every_cut(cluster, ["look-up", "batch", "commit"])


@test("cut at every step of connecting, when the COMMIT or its answer had been lost")
def connecting(cluster):
    every_cut(cluster, CONNECTING, Side.lose_commit)


@test("cut at every step of claiming again, when the COMMIT or its answer had been lost")
def claiming(cluster):
    every_cut(cluster, CLAIMING, Side.lose_commit)


@test("cut at the ROLLBACK after a duplicate key has refused the batch")
def duplicate(cluster):
    every_cut(cluster, ["rollback"], Side.forget, Side.retry_as_first)


@test("alone in its batch, and possible only once: a COMMIT that was lost is never a refusal")
def only_once(cluster):
    for _ in range(4):  # each kind at each place in turn
        every_cut(cluster, ["commit"], ask=Side.take_everything)
        for side in sides:
            side.cases += 1


@test("what is held and in stock is what the answers said")
def balances(cluster):
    for side in sides:
        side.shop.check_levels()
    note("%d cases in all" % sum(side.cases for side in sides))


if __name__ == "__main__":
    run(cluster=Proxied, workers=WORKERS, partitions=8, windows={"lease": "60s"})

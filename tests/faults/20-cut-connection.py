# SPDX-License-Identifier: MIT
"""The worker's connection to its database is cut at every step of a batch and of coming back, in
both directions, before, within and after a packet; COMMIT included. The places are enumerated, and
each must have been met.

After each cut five operations, sent in one message over three partitions, have the answers that
they would have had without it; a retry of each has the same answer; the ledger has what was applied
once, and what was refused not at all. A cut alone is no reason for `unknown`.
"""
from proxied import *
from proxy import *

BEFORE, HEADER, LAST_BYTE, AFTER = (
    "before", "in the header of", "before the last byte of", "after")
BYTES = {BEFORE: 0, HEADER: 2, LAST_BYTE: -1, AFTER: None}
# Of a new connection; then, with more places each, of claiming again.
CONNECTING = ["login", "isolation", "setup", "read-only", "schema", "clock"]
CLAIMING = ["look", "kill", "claim", "offsets", "claim-commit", "due"]
shop = []
cases = []


def run_case(cluster, peer, asked, name, rules):
    """Sends the operations with these rules set; each of them must have acted."""
    proxy = cluster.proxies["w1"]
    begun = time.monotonic()
    try:
        results = [peer.outcome(s, 15) for s in asked.send(peer)]
        for rule in rules:
            check(rule.wait(scale(10)), "met: %r" % rule)
        proxy.clear()
        asked.judge(peer, results)
    except AssertionError as error:
        raise Failure("%s: %s; steps: %s" % (name, error, proxy.steps(since=begun)))
    finally:
        proxy.clear()
    cases.append(name)


def places(proxy, step):
    """(direction, packet, kind): every packet of a short answer; of a longer one the first two,
    the middle one and the last two. While connecting, the ends of the answer alone."""
    size = proxy.sizes[step]
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


def every_cut(cluster, steps, prepare=lambda proxy, number: [], ask=lambda: shop[0].ask()):
    """prepare: makes the rules that lead to the step."""
    proxy = cluster.proxies["w1"]
    begun, before = time.monotonic(), len(cases)
    with cluster.peer() as peer:
        for step in steps:
            for direction, packet, kind in places(proxy, step):
                asked = ask()  # first: it may need commits of its own
                rules = prepare(proxy, len(cases))
                rules.append(proxy.rule(step, direction, cut(BYTES[kind]), packet=packet))
                run_case(cluster, peer, asked, "%s packet %d of %s, %s" % (
                    kind, packet, step, direction), rules)
    note("%d cuts, %.1f s" % (len(cases) - before, time.monotonic() - begun))
    cluster.audit()


@test("the steps of a batch and of coming back are known")
def learn(cluster):
    shop.append(Shop(cluster, "C"))
    proxy = cluster.proxies["w1"]
    # so that every claim of this partition stores an offset
    cluster.sql("UPDATE `partition` SET clock_offset_us=1000 WHERE partition_id=0", admin=True)
    with cluster.peer() as peer:
        run_case(cluster, peer, shop[0].ask(), "none", [])
        run_case(cluster, peer, shop[0].ask(), "first",
                 [proxy.rule("commit", TO_WORKER, cut(BYTES[BEFORE]))])
        begun = time.monotonic()
        run_case(cluster, peer, shop[0].ask(), "none", [])
    equal([s for s in proxy.steps(since=begun) if s != "look"][:3],
          ["look-up", "batch", "commit"], "steps of a batch")
    seen = proxy.steps()
    check("other" not in seen[seen.index("commit"):], "every step is known: %s" % seen)
    for step in CONNECTING + CLAIMING:
        check(proxy.sizes.get(step, 0) > 0, "%s was met: %s" % (step, proxy.sizes))


@test("cut at every step of a batch")
def batch(cluster):
    every_cut(cluster, ["look-up", "batch", "commit"])


@test("cut at every step of connecting, when the COMMIT or its answer had been lost")
def connecting(cluster):
    every_cut(cluster, CONNECTING, lose_commit)


@test("cut at every step of claiming again, when the COMMIT or its answer had been lost")
def claiming(cluster):
    every_cut(cluster, CLAIMING, lose_commit)


def lose_commit(proxy, number):
    return [proxy.rule("commit", TO_WORKER if number % 2 else TO_SERVER, cut(BYTES[BEFORE]))]


@test("cut at the ROLLBACK after a duplicate key has refused the batch")
def duplicate(cluster):
    def forget(proxy, number):
        proxy.cut_all()  # the caches go, so that only the key knows the retry
        return []
    every_cut(cluster, ["rollback"], forget, lambda: shop[0].ask(retry_attempt=1))


@test("alone in its batch, and possible only once: a COMMIT that was lost is never a refusal")
def only_once(cluster):
    """Each takes all that there is: decided anew after it was applied, it would be refused."""
    sku, kinds = "ONCE", ("purchase", "adjust", "release", "reserve")
    cluster.stock(sku, W=0)
    cluster.hf("reason", "put", "R", "--name", "R")

    def one():
        kind = kinds[len(cases) % len(kinds)]
        cluster.hf("receive", sku + "=5@W", "--reference", "case")
        left = cluster.level(sku)["available"]
        asked = Asked(cluster)
        if kind == "adjust":
            asked.add(sku, "applied", kind, sku=sku, warehouse="W", delta=-left, reason="R")
        elif kind == "reserve":
            asked.add(sku, "applied", kind, lines=[(sku, "W", left)], ttl_ms=3600000)
        else:
            hold = cluster.hf("reserve", "%s=%d@W" % (sku, left)).json["reservation"]
            asked.add(sku, "applied", kind, reservation=hold)
        return asked
    for _ in kinds:  # each kind at each place in turn
        every_cut(cluster, ["commit"], ask=one)
        cases.append("the next kind begins")


@test("what is held and in stock is what the answers said")
def balances(cluster):
    shop[0].check_levels()
    note("%d cases in all" % len(cases))


if __name__ == "__main__":
    run(cluster=Proxied, partitions=6)

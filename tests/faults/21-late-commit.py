# SPDX-License-Identifier: MIT
"""What a worker has given up arrives at the database all the same: a COMMIT, a batch, a claim, each
before, while and after the partition is claimed again, with a KILL that works, comes late or is
lost. And what else can hold a commit up: locks, the server's patience, a network that stands still.
"""
from proxied import *
from proxy import *
from proxy import hold as hold_back

shop = []
NO_KILL = b"DO 0"  # what a KILL becomes on its way that ends nothing


def ask_all(cluster, kind="purchase", sku="ALL"):
    """One operation alone that can be done once only: decided anew it would be refused."""
    cluster.hf("receive", sku + "=5@W", "--reference", "case")
    asked = Asked(cluster)
    left = cluster.level(sku)["available"]
    if kind == "adjust":
        asked.add(sku, "applied", kind, sku=sku, warehouse="W", delta=-left, reason="R")
    else:
        held = cluster.hf("reserve", "%s=%d@W" % (sku, left)).json["reservation"]
        asked.add(sku, "applied", kind, reservation=held)
    return asked


def lose_kills(proxy):
    """KILLs that pass from here on end nothing."""
    return proxy.rule("kill", TO_SERVER, replace(NO_KILL), times=99)


def after(seconds, function):
    """For call(): function() so much later."""
    return lambda: threading.Timer(seconds, function).start()


@test("the shop opens")
def begin(cluster):
    shop.append(Shop(cluster, "L"))
    cluster.stock("ALL", W=0)
    cluster.hf("reason", "put", "R", "--name", "R")
    with cluster.peer() as peer:  # from here on there is something to be retried
        run_case(cluster.proxies["w1"], peer, shop[0].ask(), "none", [])


# ---------------------------------------------------------------- late packets

# When what is late goes on: the step of a later connection that lets it go, the how manyth such
# step, how long after, whether KILLs are lost, and whether a COMMIT then takes effect (None: it
# depends on which of two the server runs first).
MOMENTS = {
    "before the KILL": ("look", 1, 0, False, True),
    "beside the KILL": ("kill", 1, 0, False, None),
    "after the claim": ("due", 1, 0, False, False),
    "while the claim waits for its locks": ("claim", 1, 0.1, True, True),
    "after the claim has waited in vain": ("claim", 2, 0, True, True),
    "after the claim, and no KILL": ("due", 1, 0, True, False),
}
LATE = [(step, moment) for step in ("look-up", "batch", "commit") for moment in MOMENTS
        # its locks keep the claim out, so there is no such moment; or it has none
        if not (step == "commit" and moment == "after the claim, and no KILL")
        and not (step != "commit" and moment == "after the claim has waited in vain")]
LATE_CLAIM = [(step, moment) for step in ("look", "kill", "claim", "claim-commit")
              for moment in ("before the KILL", "while the claim waits for its locks")]


def late_case(cluster, peer, step, moment, lead=()):
    """lead: what must have happened on a connection before."""
    proxy = cluster.proxies["w1"]
    when, nth, pause, lost, lands = MOMENTS[moment]
    late = proxy.rule(step, TO_SERVER, cut_worker())
    begins = late.happened.is_set  # steps of connections after the one that is late

    def let_go():
        if pause:
            threading.Timer(pause, late.release).start()
        else:
            late.release()
    let = proxy.rule(when, TO_SERVER, call(let_go), nth=nth, only=begins)
    if lost:
        # one that is to be late itself is no other's to replace
        proxy.rule("kill", TO_SERVER, replace(NO_KILL), times=99, only=begins)
    asked, epochs = shop[0].ask(), cluster.epochs()
    run_case(proxy, peer, asked, "%s, %s" % (step, moment), [late, let] + list(lead))
    if step == "commit" and lands is not None:
        equal(asked.written_by(epochs), lands, "the COMMIT has taken effect (%s)" % moment)


@test("late steps of a batch, let go before, while and after the partition is claimed again")
def late_batch(cluster):
    with cluster.peer() as peer:
        for step, moment in LATE:
            late_case(cluster, peer, step, moment)
    note("%d cases" % len(LATE))
    cluster.audit()


@test("late steps of a claim, when the COMMIT or its answer had been lost")
def late_claim(cluster):
    proxy = cluster.proxies["w1"]
    with cluster.peer() as peer:
        for number, (step, moment) in enumerate(LATE_CLAIM):
            lead = proxy.rule("commit", TO_WORKER if number % 2 else TO_SERVER, cut(0))
            late_case(cluster, peer, step, moment, [lead])
    note("%d cases" % len(LATE_CLAIM))
    cluster.audit()


@test("alone in its batch, a late COMMIT is neither denied nor doubled")
def late_alone(cluster):
    proxy = cluster.proxies["w1"]
    with cluster.peer() as peer:
        for kind in ("purchase", "adjust", "release"):
            for pause in (0, 0.3):
                asked, epochs = ask_all(cluster, kind), cluster.epochs()
                late = proxy.rule("commit", TO_SERVER, cut_worker())
                kills = lose_kills(proxy)
                let = proxy.rule("claim", TO_SERVER, call(after(pause, late.release)))
                run_case(proxy, peer, asked, "%s, %g s" % (kind, pause), [late, kills, let])
                equal(asked.written_by(epochs), True, "the COMMIT has taken effect")
    cluster.audit()


@test("a purchase whose COMMIT is late while its hold runs out: what the claim finds is told")
def late_expired(cluster):
    """Looked up before the old transaction has ended, it would be refused as expired."""
    proxy = cluster.proxies["w1"]
    sku = shop[0].skus[1]
    with cluster.peer() as peer:
        for arrives in (True, False):
            made = peer.call(wire.operation("reserve", lines=[(sku, "W", 1)], ttl_ms=1500),
                             cluster.partition(sku))
            asked = Asked(cluster)
            asked.add(sku, "applied" if arrives else "reservation_expired", "purchase",
                      reservation=made.reservation.reservation)
            late = proxy.rule("commit", TO_SERVER, cut_worker())
            if arrives:
                rules = [lose_kills(proxy), proxy.rule("claim", TO_SERVER,
                                                       call(after(1.7, late.release)))]
            else:  # KILL works, but the new claim takes until then
                rules = [proxy.rule("kill", TO_SERVER, delay(1.7))]
            run_case(proxy, peer, asked, "arrives" if arrives else "is lost", [late] + rules)
    cluster.audit()


# ---------------------------------------------------------------- a worker's own patience


@test("given up by its own timeout, the COMMIT goes through while the claim waits; KILL lost")
def timeout(cluster):
    proxy = cluster.proxies["w1"]
    with cluster.peer() as peer:
        for asked in (shop[0].ask(), ask_all(cluster)):
            epochs = cluster.epochs()
            held = proxy.rule("commit", TO_SERVER, hold_back)
            kills = lose_kills(proxy)
            let = proxy.rule("claim", TO_SERVER, call(after(0.1, held.release)))
            run_case(proxy, peer, asked, "held", [held, kills, let])
            equal(asked.written_by(epochs), True, "the COMMIT has taken effect")
    cluster.audit()


@test("given up by its own timeout, the COMMIT goes through before a KILL that is late")
def late_kill(cluster):
    proxy = cluster.proxies["w1"]
    with cluster.peer() as peer:
        asked, epochs = ask_all(cluster), cluster.epochs()
        held = proxy.rule("commit", TO_SERVER, hold_back)
        kill = proxy.rule("kill", TO_SERVER, call(after(0.2, held.release), delay(0.6)))
        run_case(proxy, peer, asked, "held", [held, kill])
        equal(asked.written_by(epochs), True, "the COMMIT has taken effect")
    cluster.audit()


@test("the old connection stands still for ever and no KILL reaches it: the server ends it")
def wait_timeout(cluster):
    proxy = cluster.proxies["w1"]
    with cluster.peer() as peer:
        for asked in (ask_all(cluster),):
            frozen = proxy.rule("commit", TO_SERVER, freeze)
            kills = lose_kills(proxy)
            begun = time.monotonic()
            run_case(proxy, peer, asked, "frozen", [frozen, kills], may_be_unknown=True)
            note("settled after %.1f s" % (time.monotonic() - begun))
            check(time.monotonic() - begun < scale(30), "within seconds")
    cluster.audit()


@test("somebody else holds a level's row for longer than lock waits: applied, once")
def locked(cluster):
    proxy = cluster.proxies["w1"]
    asked = ask_all(cluster)
    begun = time.monotonic()
    locker = threading.Thread(target=lambda: cluster.sql(
        "START TRANSACTION; SELECT version FROM stock_level WHERE partition_id=%d AND sku='ALL' FOR"
        " UPDATE; DO SLEEP(3.5); ROLLBACK" % cluster.partition("ALL")))
    locker.start()
    wait_until(lambda: any(s.startswith("DO SLEEP") for s in cluster.connections().values()), 10,
               "it is locked")
    with cluster.peer() as peer:
        run_case(proxy, peer, asked, "locked", [])
    locker.join()
    check(proxy.steps(since=begun).count("rollback") > 1, "lock waits were met")
    cluster.audit()


# ---------------------------------------------------------------- errors at COMMIT

@test("an error at COMMIT says nothing of the outcome, unless it says rolled back")
def errors(cluster):
    proxy = cluster.proxies["w1"]
    with cluster.peer() as peer:
        for number, applied in ((1180, True), (1180, False), (1213, False), (1030, True),
                                (1053, True), (4031, False)):
            asked = ask_all(cluster)
            rules = [proxy.rule("commit", TO_WORKER, answer_error(number, b"planted"))]
            if not applied:
                rules.append(proxy.rule("commit", TO_SERVER, replace(b"ROLLBACK")))
            run_case(proxy, peer, asked, "error %d, %sapplied" % (number, "" if applied else "not "),
                     rules)
    cluster.audit()


# ---------------------------------------------------------------- other batches


@test("expiry through lost COMMITs: every hold ends once")
def expiry(cluster):
    proxy = cluster.proxies["w1"]
    sku = "EXPIRE"
    cluster.stock(sku, W=100)
    rules = []
    holds = [cluster.hf("reserve", sku + "=1@W", "--ttl", "%ds" % scale(2)).json["reservation"]
             for _ in range(6)]
    for direction, at in ((TO_WORKER, 0), (TO_SERVER, None), (TO_SERVER, 0), (TO_WORKER, -1)):
        rules.append(proxy.rule("commit", direction, cut(at), nth=1 + len(rules) // 3))
    wait_until(lambda: cluster.number(
        "SELECT COUNT(*) FROM movement WHERE kind=5 AND sku='%s'" % sku) >= len(holds), 20,
        "all are released")
    check(rules[0].happened.is_set(), "a COMMIT was lost")
    proxy.clear()
    equal(cluster.sql("SELECT COUNT(*), COUNT(DISTINCT reservation_id) FROM movement WHERE kind=5"
                      " AND sku='%s'" % sku), [("6", "6")], "movements of expiry, and holds")
    cluster.audit()


@test("questions through a connection that is cut have their answers")
def questions(cluster):
    proxy = cluster.proxies["w1"]
    sku = shop[0].skus[0]
    want = cluster.level(sku)
    for direction, at in ((TO_SERVER, 0), (TO_SERVER, None), (TO_WORKER, 0), (TO_WORKER, -1)):
        rule = proxy.rule("other", direction, cut(at))
        equal(cluster.level(sku)["reserved"], want["reserved"], "units held")
        check(rule.happened.is_set(), "it was cut")
    proxy.clear()
    cluster.audit()


@test("load through a slow connection that loses every eleventh COMMIT, in one direction or the other")
def load(cluster):
    proxy = cluster.proxies["w1"]
    lost = []
    counter = {TO_SERVER: 0, TO_WORKER: 5}

    def now_and_then(direction):
        def act(connection, pipe, packet, rule):
            counter[direction] += 1
            if counter[direction] % 22 == 0:
                lost.append(direction)
                cut(0)(connection, pipe, packet, rule)
            else:
                pipe.put(packet, proxy.delay)
        return act
    skus = ["LOAD%d" % i for i in range(3)]
    for sku in skus:
        cluster.stock(sku, W=10000)
    proxy.delay = 0.001
    for direction in counter:
        proxy.rule("commit", direction, now_and_then(direction), times=1 << 30)
    results = cluster.load(["%d\t0\treserve\tline=%s=1@W\tttl=3600000" % (i % 16, skus[i % 3])
                            for i in range(1600)], clients=16, timeout_ms=int(scale(40000)))
    proxy.clear()
    note("%d commits lost" % len(lost))
    check(set(lost) == set(counter), "both directions were met: %s" % lost)
    equal({row["status"] for row in results}, {"applied"}, "results")
    ids = ",".join("x'%s'" % row["operation_id"].replace("-", "") for row in results)
    equal(cluster.sql("SELECT COUNT(*), COUNT(DISTINCT operation_id) FROM movement WHERE"
                      " operation_id IN (%s)" % ids), [("1600", "1600")], "movements, operations")
    cluster.audit()


# ---------------------------------------------------------------- a network that stands still


def second_worker(cluster):
    if "w2" not in cluster.children:
        cluster.start_worker("w2")


@test("a worker whose network stands still: its partitions work again on another, within seconds")
def stuck(cluster):
    proxy = cluster.proxies["w1"]
    second_worker(cluster)
    wait_until(lambda: sorted(set(cluster.owners().values())) == ["w1", "w2"], 20, "shares")
    cluster.wait_served()
    sku = next("STUCK%d" % i for i in range(1000)
               if cluster.owners()[cluster.partition("STUCK%d" % i)] == "w1")
    cluster.stock(sku, W=10)
    connections = {row[0] for row in cluster.sql(
        "SELECT DISTINCT connection_id FROM `partition` WHERE owner='w1'")}
    check(connections <= set(cluster.connections()), "they are there")
    begun = time.monotonic()
    proxy.freeze()
    cluster.hf("reserve", sku + "=1@W", "--timeout", "25s")
    took = time.monotonic() - begun
    note("applied %.1f s after the network had stopped" % took)
    check(took < scale(12), "within seconds")
    equal(connections & set(cluster.connections()), set(), "connections that stand still")
    wait_until(lambda: set(cluster.owners().values()) == {"w2"}, 20, "w2 has everything")
    equal(cluster.level(sku)["reserved"], 1, "units held")
    proxy.freeze(False)
    wait_until(lambda: "w1" in cluster.owners().values(), 20, "w1 has a share again")
    cluster.wait_served()
    cluster.audit()


@test("handing over through a cut connection: it ends with 0, and the other takes over")
def goodbye(cluster):
    second_worker(cluster)
    for direction, step in ((TO_SERVER, "release"), (TO_SERVER, "goodbye")):
        wait_until(lambda: "w1" in cluster.owners().values(), 20, "w1 has a share")
        rule = cluster.proxies["w1"].rule(step, direction, cut(0))
        cluster.end_worker("w1")
        check(rule.happened.is_set(), "it was cut: %r" % rule)
        wait_until(lambda: set(cluster.owners().values()) == {"w2"}, 20, "w2 has everything")
        cluster.start_worker("w1")
    cluster.wait_served()
    cluster.audit()


@test("what is held and in stock is what the answers said")
def balances(cluster):
    shop[0].check_levels()


if __name__ == "__main__":
    run(cluster=Proxied, partitions=6, windows={"lease": "2s"})

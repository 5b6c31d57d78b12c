# SPDX-License-Identifier: MIT
"""Two workers that both believe that they own a partition: one that was stopped at an exact step
and goes on after another has claimed, and one whose server was put back to an older state, so that
epochs and sequences come again.

w1 speaks to the first broker alone and w2 to the second, so that each has clients that know of no
other owner.
"""
import itertools
import shutil

from proxied import *
from proxy import *
from proxy import hold as hold_back

HOME = 0  # the partition that both want


def sku_of(cluster, name, partition=HOME):
    return next(sku for sku in ("%s%d" % (name, i) for i in range(10000))
                if cluster.partition(sku) == partition)


def hold(sku, quantity):
    return wire.operation("reserve", lines=[(sku, "W", quantity)], ttl_ms=3600000)


def receive(sku, quantity):
    return wire.operation("receive", lines=[(sku, "W", quantity)], reference="two owners")


def name_of(result):
    return wire.status_name(result.status)


def movements(cluster, operation):
    return cluster.number("SELECT COUNT(*) FROM movement WHERE operation_id=x'%s'"
                          % operation.operation_id.hex())


def reserved(cluster, sku):
    return cluster.number("SELECT reserved FROM stock_level WHERE sku='%s'" % sku)


def claimed_by(cluster, name):
    wait_until(lambda: cluster.owners()[HOME] == name, 20, "%s has claimed" % name)


def has_a_share(cluster):
    wait_until(lambda: "w1" in cluster.owners().values(), 20, "w1 has a share again")


def only(cluster, name, brokers):
    """This worker and no other, at these brokers."""
    for other in [n for n in cluster.children if n[0] == "w"]:
        cluster.end_worker(other)
    cluster.start_worker(name, brokers=brokers)
    wait_until(lambda: set(cluster.owners().values()) == {name}, 20, name + " owns everything")


def begin(cluster, name, **on_hand):
    """A SKU in stock, in partition HOME, and one owner that both brokers know."""
    only(cluster, "w1", [0, 1])
    cluster.wait_served()
    cluster.stock(sku_of(cluster, name), **on_hand)
    return sku_of(cluster, name)


def audit(cluster):
    only(cluster, "w1", [0, 1])
    cluster.wait_served()
    cluster.audit()


def settles(cluster, operation, first):
    """What was answered `unknown` is applied once by its retry; anything else was `applied`."""
    check(name_of(first) in ("applied", "unknown"), "the stale owner's client was told %s (%s)" % (
        name_of(first), first.message))
    with cluster.peer(0) as peer:
        again = applied(peer, operation, attempt=2)
    if name_of(first) == "applied":
        equal((again.replayed, again.sequence), (True, first.sequence), "the retry")


def applied(peer, operation, seconds=20, partition=HOME, **fields):
    result = peer.call(operation, partition, seconds=seconds, **fields)
    equal(name_of(result), "applied", "answer (%s)" % result.message)
    return result


def applied_when_served(peer, operation):
    """As a client does that is told `unavailable`: a broker hears of a new owner when it comes."""
    attempts = itertools.count(1)

    def answer():
        result = peer.call(operation, HOME, seconds=20, attempt=next(attempts))
        return result if name_of(result) != "unavailable" else None
    equal(name_of(wait_until(answer, 20, "somebody serves the partition")), "applied", "answer")


def alone(cluster, partition, operation, **fields):
    """The same in a session of its own."""
    with cluster.peer() as peer:
        return applied(peer, operation, partition=partition, **fields)


@test("an owner that was stopped past its lease refuses nothing from what it remembers")
def remembers(cluster):
    sold_out = begin(cluster, "SOLD", W=1)
    others = {p: sku_of(cluster, "OTHER", p) for p in range(cluster.partitions)}
    for sku in others.values():
        cluster.stock(sku, W=1)
    only(cluster, "w1", [0])
    proxy = cluster.proxies["w1"]
    with cluster.peer(0) as first:
        applied(first, hold(sold_out, 1))
        equal(name_of(first.call(hold(sold_out, 1), HOME)), "insufficient_stock", "sold out")
        cluster.start_worker("w2", brokers=[1])
        wait_until(lambda: "w2" in cluster.owners().values(), 20, "w2 has its share")
        claimed_by(cluster, "w1")
        # it stands before the answer to its COMMIT, which waits in its socket
        rule = proxy.rule("commit", TO_WORKER, call(lambda: cluster.pause("w1")))
        # in one batch, so that it renews the lease of everything that is w1's
        sequences = first.submit_batch([(receive(others[p], 1), p)
                                        for p, owner in cluster.owners().items() if owner == "w1"])
        check(rule.wait(scale(10)), "stopped at its COMMIT")
        claimed_by(cluster, "w2")
        with cluster.peer(1) as second:
            applied(second, receive(sold_out, 10))
        late = hold(sold_out, 1)
        again = first.submit(late, HOME)
        time.sleep(0.05)  # so that it is in the stopped worker's socket
        cluster.resume("w1")
        # If the first broker has taken w1 for dead meanwhile, it waits until w1 has them all again:
        # it does not know w2.
        cluster.end_worker("w2")
        equal({name_of(first.outcome(s, 20)) for s in sequences}, {"applied"},
              "what was committed before")
        told = first.outcome(again, 20)
        note("the late one's client was told %s" % name_of(told))
        settles(cluster, late, told)
        equal(movements(cluster, late), 1, "movements of it")
    audit(cluster)


def stop_at(cluster, step, direction, held):
    """w1 stands before this packet goes on; held: it goes on when the rule is released."""
    return cluster.proxies["w1"].rule(
        step, direction, call(lambda: cluster.pause("w1"), hold_back if held else None))


def go_on(cluster, rule):
    """What was held is let go, and then w1, which finds the answer there, if one comes: its patience
    has run out while it stood."""
    answer = cluster.proxies["w1"].rule(rule.step, TO_WORKER, call(lambda: None))
    rule.release()
    answer.wait(0.5)
    cluster.resume("w1")


STOPS = (  # step, direction, does the packet go on only after the other's claim, does KILL work
    ("look-up", TO_SERVER, True, True),
    ("look-up", TO_WORKER, False, False),
    ("batch", TO_SERVER, True, True),
    ("batch", TO_SERVER, True, False),
    ("batch", TO_WORKER, False, True),
    ("commit", TO_SERVER, True, True),
    ("commit", TO_SERVER, False, False),
    ("commit", TO_WORKER, False, False))


def stop_once(cluster, sku, step, direction, late, kill):
    """w1 stands at this step, w2 claims and writes, w1 goes on. Units held by then: two more."""
    reserve = hold(sku, 1)
    only(cluster, "w1", [0])
    with cluster.peer(0) as first:
        wait_until(lambda: name_of(first.call(receive(sku, 1), HOME)) == "applied", 10, "served")
        if step == "look-up":  # the caches are empty, and the SKU must be read
            seen = cluster.proxies["w1"].count
            cluster.proxies["w1"].cut_all()
            wait_until(lambda: cluster.proxies["w1"].count > seen, 10, "connected again")
        rule = stop_at(cluster, step, direction, late)
        sequence = first.submit(reserve, HOME)
        check(rule.wait(scale(10)), "stopped there")
        cluster.start_worker("w2", brokers=[0])
        if not kill:
            cluster.proxies["w2"].rule("kill", TO_SERVER, replace(b"DO 0"), times=99)
        cluster.sql("UPDATE `partition` SET lease_until_us=0; DELETE FROM worker WHERE name='w1'")
        claimed_by(cluster, "w2")
        applied(first, hold(sku, 1))
        go_on(cluster, rule)
        result = first.outcome(sequence, 20)
    settles(cluster, reserve, result)
    equal(movements(cluster, reserve), 1, "movements of it")
    return name_of(result)


@test("stopped at each step of a batch while another claims: what is stale is not written")
def stale(cluster):
    sku = begin(cluster, "STALE", W=1000)
    for count, stop in enumerate(STOPS):
        try:
            told = stop_once(cluster, sku, *stop)
            equal(reserved(cluster, sku), 2 * (count + 1), "units held")
        except AssertionError as error:
            raise Failure("%s: %s" % (stop, error))
        finally:
            for name in ("w1", "w2"):
                cluster.proxies[name].clear()
            cluster.resume("w1")
        note("%s: its client was told %s" % (stop, told))
    audit(cluster)


# ---------------------------------------------------------------- an older state


def tables(cluster):
    return [name for name, in cluster.sql("SHOW TABLES") if not name.startswith("older_")]


def copy_tables(cluster):
    cluster.schema_sql("".join(
        "CREATE TABLE older_%s LIKE `%s`; INSERT INTO older_%s SELECT * FROM `%s`;" % (t, t, t, t)
        for t in tables(cluster)))


def put_back_tables(cluster):
    """In one transaction, below connections that live on."""
    found = tables(cluster)
    cluster.schema_sql("START TRANSACTION; " + "".join(
        "DELETE FROM `%s`; INSERT INTO `%s` SELECT * FROM older_%s;" % (t, t, t) for t in found)
        + "COMMIT; DROP TABLE " + ",".join("older_" + t for t in found))


@test("epoch and sequence come again under a worker that lives on: the claim id tells them apart")
def same_numbers(cluster):
    sku = begin(cluster, "AGAIN", W=1000)
    for name in [n for n in cluster.children if n[0] == "w"]:
        cluster.end_worker(name)
    copy_tables(cluster)
    only(cluster, "w1", [0])
    row = "SELECT epoch, last_seq FROM `partition` WHERE partition_id=%d" % HOME
    with cluster.peer(0) as first:
        lost = hold(sku, 10)
        applied(first, lost)
        before = cluster.sql(row)
        stale = hold(sku, 1)
        rule = stop_at(cluster, "batch", TO_SERVER, True)
        sequence = first.submit(stale, HOME)
        check(rule.wait(scale(10)), "stopped before its transaction")
        put_back_tables(cluster)
        cluster.start_worker("w2", brokers=[1])
        claimed_by(cluster, "w2")
        kept = hold(sku, 3)
        with cluster.peer(1) as second:
            applied_when_served(second, kept)
        equal(cluster.sql(row), before, "epoch and sequence are those that w1 knows")
        begun = time.monotonic()
        go_on(cluster, rule)
        wait_until(lambda: {"commit", "rollback"} & set(cluster.proxies["w1"].steps(since=begun)),
                   10, "it has met the fence")
        has_a_share(cluster)
        cluster.end_worker("w2")
        settles(cluster, stale, first.outcome(sequence, 20))
        equal([movements(cluster, each) for each in (lost, kept, stale)], [0, 1, 1],
              "movements of the lost, the new and the stale one")
        equal(reserved(cluster, sku), 4, "units held")
        # told as applied and lost with the tail: its retry applies it again, once
        with cluster.peer(0) as peer:
            check(not applied(peer, lost, attempt=2).replayed, "the lost one is applied anew")
            check(applied(peer, lost, attempt=3).replayed, "and only once")
        equal(reserved(cluster, sku), 14, "units held")
    audit(cluster)


@test("the server is put back to an older copy: it is served again, and the caches forget the tail")
def older_copy(cluster):
    begin(cluster, "OLD", W=1)
    cluster.start_worker("w2")
    wait_until(lambda: sorted(cluster.owners().values()) == 3 * ["w1"] + 3 * ["w2"], 20, "shares")
    # of a worker that does not own partition 0, and does not put warehouses itself
    home = next(p for p, owner in cluster.owners().items() if owner != cluster.owners()[0])
    sku, gone = sku_of(cluster, "OLD", home), sku_of(cluster, "GONE", home)
    cluster.stock(sku, W=1000)
    kept = [hold(sku, 1) for _ in range(5)]
    first = [alone(cluster, home, each) for each in kept]
    cluster.stop_database()
    copy = cluster.data + ".older"
    shutil.copytree(cluster.data, copy)
    cluster.start_database()
    cluster.wait_served()
    lost = [hold(sku, 1) for _ in range(5)]
    for each in lost:
        alone(cluster, home, each)
    cluster.hf("warehouse", "put", "NEW", "--name", "only in the tail")
    cluster.hf("item", "put", gone, "--name", "only in the tail")
    cluster.hf("receive", gone + "=7@NEW", "--reference", "tail")
    cluster.hf("receive", sku + "=7@NEW", "--reference", "tail")
    for _ in range(3):  # epochs that the older copy does not know
        for proxy in cluster.proxies.values():
            was = proxy.count
            proxy.cut_all()
            wait_until(lambda: proxy.count > was, 10, "it connects again")
        cluster.wait_served()
    cluster.stop_database(signal.SIGKILL)
    shutil.rmtree(cluster.data)
    os.rename(copy, cluster.data)
    begun = time.monotonic()
    cluster.start_database()
    alone(cluster, home, hold(sku, 1))
    note("served again %.1f s after the server was started" % (time.monotonic() - begun))
    check(time.monotonic() - begun < scale(15), "served again within seconds")
    cluster.wait_served()
    # what was only in the tail is not known any more, whatever the caches held
    cluster.refused("unknown_sku", "receive", gone + "=1@W", "--reference", "x")
    cluster.refused("unknown_warehouse", "receive", sku + "=1@NEW", "--reference", "x")
    for each, result in zip(kept, first):
        again = alone(cluster, home, each, attempt=2)
        equal((again.replayed, again.sequence), (True, result.sequence), "what was kept")
    for each in lost:
        check(not alone(cluster, home, each, attempt=2).replayed, "what was lost is applied anew")
        check(alone(cluster, home, each, attempt=3).replayed, "and only once")
    equal(cluster.level(sku)["reserved"], 11, "units held")
    audit(cluster)


if __name__ == "__main__":
    run(cluster=Proxied, partitions=6, brokers=2, windows={"lease": "2s", "heartbeat": "1s"})

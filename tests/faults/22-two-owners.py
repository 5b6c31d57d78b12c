# SPDX-License-Identifier: MIT
"""Two workers that both believe that they own a partition: one that was stopped at an exact step
and goes on after another has claimed, and one whose server was put back to an older state, so that
epochs and sequences come again.

w1 speaks to the first broker alone and w2 to the second, so that each has clients that know of no
other owner.
"""
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


def claimed_by(cluster, name, seconds=20):
    wait_until(lambda: cluster.owners()[HOME] == name, seconds, "%s has claimed" % name)


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


def settles(cluster, operation, first, broker=1):
    """What was answered `unknown` is applied once by its retry; anything else was `applied`."""
    check(name_of(first) in ("applied", "unknown"), "the stale owner's client was told %s (%s)" % (
        name_of(first), first.message))
    with cluster.peer(broker) as peer:
        again = applied(peer, operation, attempt=2)
    if name_of(first) == "applied":
        equal((again.replayed, again.sequence), (True, first.sequence), "the retry")


def applied(peer, operation, seconds=20, partition=HOME, **fields):
    result = peer.call(operation, partition, seconds=seconds, **fields)
    equal(name_of(result), "applied", "answer (%s)" % result.message)
    return result


def alone(cluster, partition, operation, **fields):
    """The same in a session of its own."""
    with cluster.peer() as peer:
        return applied(peer, operation, partition=partition, **fields)


@test("an owner that was stopped past its lease refuses nothing from what it remembers")
def remembers(cluster):
    sold_out, other = begin(cluster, "SOLD", W=1), begin(cluster, "OTHER", W=1)
    only(cluster, "w1", [0])
    proxy = cluster.proxies["w1"]
    with cluster.peer(0) as first, cluster.peer(1) as second:
        applied(first, hold(sold_out, 1))
        equal(name_of(first.call(hold(sold_out, 1), HOME)), "insufficient_stock", "sold out")
        cluster.start_worker("w2", brokers=[1])
        wait_until(lambda: "w2" in cluster.owners().values(), 20, "w2 has its share")
        claimed_by(cluster, "w1")
        # it stands before the answer to its COMMIT, which waits in its socket
        rule = proxy.rule("commit", TO_WORKER, call(lambda: cluster.pause("w1")))
        sequence = first.submit(receive(other, 1), HOME)
        check(rule.wait(scale(10)), "stopped at its COMMIT")
        claimed_by(cluster, "w2")
        applied(second, receive(sold_out, 10))
        late = hold(sold_out, 1)
        again = first.submit(late, HOME, seconds=2)
        time.sleep(0.05)  # so that it is in the stopped worker's socket
        cluster.resume("w1")
        equal(name_of(first.outcome(sequence)), "applied", "what was committed before")
        settles(cluster, late, first.outcome(again, 20))
        equal(movements(cluster, late), 1, "movements of it")
    audit(cluster)


def stop_at(cluster, step, direction, held):
    """w1 stands before this packet goes on; held: it goes on when the rule is released."""
    return cluster.proxies["w1"].rule(
        step, direction, call(lambda: cluster.pause("w1"), hold_back if held else None))


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
        cluster.sql("UPDATE `partition` SET lease_until_us=0; DELETE FROM worker WHERE name='w1'",
                    admin=True)
        claimed_by(cluster, "w2")
        applied(first, hold(sku, 1))
        rule.release()
        cluster.resume("w1")
        result = first.outcome(sequence, 20)
    settles(cluster, reserve, result, broker=0)
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


if __name__ == "__main__":
    run(cluster=Proxied, partitions=6, brokers=2, windows={"lease": "2s", "heartbeat": "1s"})

# SPDX-License-Identifier: MIT
"""Who owns a partition: shares, newcomers, handing over, taking over, and owners that are stale.
"""
from harness import *

SKUS = ["O%d" % i for i in range(16)]


def owners(cluster):
    """{worker: partitions}"""
    return {owner: int(count) for owner, count in cluster.sql(
        "SELECT owner, COUNT(*) FROM `partition` WHERE owner<>'' GROUP BY owner")}


def script(count, clients=16):
    return ["%d\t0\treserve\tline=%s=1@W\tttl=600000" % (i % clients, SKUS[i % len(SKUS)])
            for i in range(count)]


def all_applied_once(cluster, before, results):
    equal({row["status"] for row in results}, {"applied"}, "results")
    equal(cluster.number("SELECT COUNT(*) FROM movement WHERE kind=1") - before, len(results),
          "movements")
    equal(cluster.number("SELECT SUM(reserved) FROM stock_level"),
          cluster.number("SELECT COUNT(*) FROM reservation WHERE state=2"), "units held")


def with_load(cluster, disturb, count=4000, **options):
    """Runs disturb() while reserves run; every one of them is applied, once."""
    before = cluster.number("SELECT COUNT(*) FROM movement WHERE kind=1")
    trouble = []

    def act():
        try:
            wait_until(lambda: cluster.number("SELECT COUNT(*) FROM movement WHERE kind=1")
                       > before + count / 8, 30, "the load runs")
            disturb()
        except Exception as error:
            trouble.append(error)
    thread = threading.Thread(target=act)
    thread.start()
    results = cluster.load(script(count), clients=16, timeout_ms=int(scale(40000)), **options)
    thread.join()
    if trouble:
        raise trouble[0]
    all_applied_once(cluster, before, results)
    return results


@test("two workers share the partitions evenly")
def shared(cluster):
    for sku in SKUS:
        cluster.stock(sku, W=1000000)
    wait_until(lambda: owners(cluster) == {"w1": 8, "w2": 8}, 10, "eight each")


@test("SIGTERM hands over within two seconds; nothing is shed and nobody retries")
def handed_over(cluster):
    leaving = cluster.process("worker", "w1")
    took = []

    def leave():
        begun = time.monotonic()
        leaving.signal(signal.SIGTERM)
        wait_until(lambda: not leaving.alive(), 10, "it ends")
        took.append(time.monotonic() - begun)
    results = with_load(cluster, leave)
    note("it ended %.2f s after SIGTERM" % took[0])
    check(took[0] < scale(2), "it ends within two seconds")
    equal({row["attempts"] for row in results}, {"1"}, "attempts that clients made")


@test("the worker that came back has its share soon")
def newcomer(cluster):
    wait_until(lambda: len(cluster.processes("worker")) == 2, 20, "it is back")
    begun = time.monotonic()
    wait_until(lambda: owners(cluster) == {"w1": 8, "w2": 8}, 10, "eight each")
    note("%.2f s after its process was seen" % (time.monotonic() - begun))


@test("kill -9: the other worker claims what it had, with a higher epoch")
def taken_over(cluster):
    partition = cluster.partition(SKUS[0])
    epoch = cluster.number("SELECT epoch FROM `partition` WHERE partition_id=%d" % partition)
    with_load(cluster, lambda: cluster.owner(partition).kill())
    check(cluster.number("SELECT epoch FROM `partition` WHERE partition_id=%d" % partition) > epoch,
          "the epoch is higher")
    equal(cluster.number("SELECT COUNT(*) FROM claim c JOIN `partition` p USING (partition_id,"
                         " epoch) WHERE c.claim_id<>p.claim_id"), 0, "claims that do not agree")
    wait_until(lambda: owners(cluster) == {"w1": 8, "w2": 8}, 20, "eight each again")


@test("a worker that died and is started again has what it had at once, not after the lease")
def inherited(cluster):
    wait_until(lambda: owners(cluster) == {"w1": 8, "w2": 8}, 20, "eight each")
    had = {row[0] for row in cluster.sql("SELECT partition_id FROM `partition` WHERE owner='w1'")}
    log = os.path.join(cluster.dir, "log", "w1.log")
    with open(log) as file:
        before = file.read().count("inherited=8")
    begun = time.monotonic()
    with_load(cluster, lambda: cluster.process("worker", "w1").kill())
    wait_until(lambda: owners(cluster) == {"w1": 8, "w2": 8}, 20, "eight each")
    note("%.2f s, with the load" % (time.monotonic() - begun))
    with open(log) as file:
        equal(file.read().count("inherited=8"), before + 1, "times that it inherited all it had")
    equal({row[0] for row in cluster.sql("SELECT partition_id FROM `partition` WHERE owner='w1'")},
          had, "its partitions")


@test("an owner stopped past its lease loses its partitions, and its commits fail")
def stale(cluster):
    stopped = cluster.owner(cluster.partition(SKUS[0]))
    connections = {int(c) for c, in cluster.sql(
        "SELECT DISTINCT connection_id FROM `partition` WHERE owner='%s'" % stopped.name)}

    def freeze():
        cluster.stop(stopped)
        wait_until(lambda: stopped.name not in owners(cluster), 20, "the other one has claimed all")
        alive = {int(c) for c, in cluster.sql("SELECT id FROM information_schema.processlist",
                                              admin=True)}
        check(not connections & alive, "the stopped worker's connection was killed")
        cluster.cont(stopped)
    with_load(cluster, freeze)
    check(stopped.alive(), "it goes on living")
    wait_until(lambda: owners(cluster) == {"w1": 8, "w2": 8}, 20, "it has its share again")


@test("a claim that is not ours stops a batch at the fence, whatever the caches say")
def fenced(cluster):
    partition = cluster.partition(SKUS[0])
    sold = cluster.number("SELECT reserved FROM stock_level WHERE sku='%s'" % SKUS[0])
    with cluster.peer() as peer:
        for _ in range(8):  # the worker looks at its claims now and then, and may learn it before
            epoch = cluster.number("SELECT epoch FROM `partition` WHERE partition_id=%d"
                                   % partition)
            reserve = wire.operation("reserve", lines=[(SKUS[0], "W", 1)], ttl_ms=600000)
            # what a newer owner would have done: its own epoch and claim; then the lease is free
            cluster.sql("UPDATE `partition` SET epoch=epoch+1, claim_id=RANDOM_BYTES(16), owner='',"
                        " lease_until_us=0 WHERE partition_id=%d" % partition, admin=True)
            equal(peer.call(reserve, partition).status, 0, "status of the reserve")
            equal(cluster.number("SELECT COUNT(*) FROM movement WHERE operation_id=x'%s' AND"
                                 " epoch<=%d" % (reserve.operation_id.hex(), epoch + 1)), 0,
                  "movements under a claim that is over")
    equal(cluster.number("SELECT reserved FROM stock_level WHERE sku='%s'" % SKUS[0]), sold + 8,
          "units held")
    equal(cluster.number("SELECT COUNT(*) FROM movement m LEFT JOIN claim c USING (partition_id,"
                         " epoch) WHERE c.claim_id IS NULL"), 0, "movements without a claim")


@test("a server that has lost later claims: the partitions are claimed above what brokers know")
def lost_claims(cluster):
    known = cluster.number("SELECT MAX(epoch) FROM `partition`")
    check(known > 2, "brokers know of later epochs than the server will")
    cluster.sql("DELETE FROM claim WHERE epoch>1", admin=True)
    cluster.sql("UPDATE `partition` SET epoch=1, claim_id=RANDOM_BYTES(16), owner='',"
                " lease_until_us=0, connection_id=0", admin=True)
    with cluster.peer() as peer:
        for sku in SKUS:
            reserve = wire.operation("reserve", lines=[(sku, "W", 1)], ttl_ms=600000)
            equal(peer.call(reserve, cluster.partition(sku)).status, 0, "status of the reserve")
    cluster.wait_served()
    check(cluster.number("SELECT MIN(epoch) FROM `partition` WHERE partition_id=%d"
                         % cluster.partition(SKUS[0])) > 1, "it was claimed")


@test("connections killed in the middle of batches: everything is applied once")
def connections_killed(cluster):
    killed = []

    def kill():
        for _ in range(12):
            for connection, in cluster.sql("SELECT DISTINCT connection_id FROM `partition`"):
                try:
                    cluster.sql("KILL CONNECTION " + connection, admin=True)
                    killed.append(connection)
                except Failure:
                    pass  # it has another one already
            time.sleep(0.05)  # spreads the kills over the load
    with_load(cluster, kill, count=6000)
    note("%d connections were killed" % len(killed))
    check(len(killed) >= 5, "some were killed")


if __name__ == "__main__":
    # A worker that valgrind starts takes longer than a lease to be there again.
    run(workers=2, partitions=16, windows={"lease": "20s"} if wire.UNDER_VALGRIND else {})

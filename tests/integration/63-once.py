# SPDX-License-Identifier: MIT
"""An operation id takes effect once, whoever dies in between.

Same id and body: the same result, no effect. Same id, another body: operation_id_reused. Retried
after the worker and then the broker were killed; sent by many at the same time; settled.
"""
from harness import *
from harness import wire


def new_id():
    return wire.uuid_text(wire.uuid7())


def same(first, again):
    """The result of a retry says what the first one said."""
    told = {key: value for key, value in first.json.items() if key not in ("replayed", "attempts")}
    retold = {key: value for key, value in again.json.items()
              if key not in ("replayed", "attempts")}
    equal(retold, told, "the result of the retry")


def movements(cluster):
    return cluster.number("SELECT COUNT(*) FROM movement")


@test("same id and body: the same result, and nothing happens")
def retry(cluster):
    cluster.stock("A", W=100)
    calls = [["reserve", "A=2@W"], ["receive", "A=5@W", "--reference", "x"]]
    for words in calls:
        number = new_id()
        first = cluster.hf(*words, "--id", number)
        before = movements(cluster), cluster.level("A")
        for _ in range(3):
            same(first, cluster.hf(*words, "--id", number))
        equal((movements(cluster), cluster.level("A")), before, "movements and level")


@test("every operation on a reservation, retried, is the same once")
def retry_reservation(cluster):
    made = cluster.hf("reserve", "A=5@W").json["reservation"]
    for words in (["extend", made, "--ttl", "300s"],
                  ["purchase", made, "A=4", "--keep-remainder"], ["release", made],
                  ["ship", made, "A=2@W"], ["cancel", made, "A=1@W"],
                  ["return", made, "A=1@W", "--restock"]):
        number = new_id()
        first = cluster.hf(*words, "--id", number)
        before = movements(cluster), cluster.level("A")
        same(first, cluster.hf(*words, "--id", number))
        equal((movements(cluster), cluster.level("A")), before, "after " + words[0])


@test("same id, other body: operation_id_reused")
def reused(cluster):
    number = new_id()
    cluster.hf("reserve", "A=1@W", "--id", number)
    before = movements(cluster)
    # other quantity, other ttl, other kind of operation
    cluster.refused("operation_id_reused", "reserve", "A=2@W", "--id", number)
    cluster.refused("operation_id_reused", "reserve", "A=1@W", "--ttl", "99s", "--id", number)
    cluster.refused("operation_id_reused", "receive", "A=1@W", "--reference", "x", "--id", number)
    equal(movements(cluster), before, "movements")


@test("a first attempt that was already applied is refused by the key, and replayed")
def first_attempt(cluster):
    where = cluster.partition("A")
    with cluster.peer() as peer:
        op = wire.operation("reserve", lines=[("A", "W", 3)])
        first = peer.call(op, where)
        equal(first.status, 0, "status")
        before = movements(cluster)
        again = peer.call(op, where, attempt=1)
        equal((again.status, again.replayed, again.reservation.reservation, again.sequence),
              (0, True, first.reservation.reservation, first.sequence), "the replayed result")
        other = wire.operation("reserve", id=op.operation_id, lines=[("A", "W", 4)])
        equal(wire.status_name(peer.call(other, where, attempt=1).status), "operation_id_reused",
              "another body on attempt 1")
        equal(movements(cluster), before, "movements")


@test("one id in one batch, twenty times: once")
def same_batch(cluster):
    where = cluster.partition("A")
    before = cluster.level("A")["reserved"]
    with cluster.peer() as peer:
        op = wire.operation("reserve", lines=[("A", "W", 1)])
        sent = peer.submit_batch([(op, where)] * 20)
        answers = [peer.outcome(n) for n in sent]
    equal({(a.status, a.reservation.reservation) for a in answers},
          {(0, answers[0].reservation.reservation)}, "the results")
    equal(sum(not a.replayed for a in answers), 1, "how many were fresh")
    equal(cluster.level("A")["reserved"], before + 1, "reserved")


@test("one id by 32 clients at the same time: once")
def at_once(cluster):
    before = cluster.level("A")["reserved"]
    for _ in range(5):
        number = new_id()
        results = cluster.load(["%d\t0\treserve\tid=%s\tline=A=1@W" % (i, number)
                                for i in range(32)], clients=32)
        equal({(row["status"], row["reservation"]) for row in results},
              {("applied", results[0]["reservation"])}, "the results")
        equal(sum(row["replayed"] == "0" for row in results), 1, "how many were fresh")
    equal(cluster.level("A")["reserved"], before + 5, "reserved")


@test("retried after the worker, then the broker, then both were killed")
def after_deaths(cluster):
    number = new_id()
    words = ["reserve", "A=7@W", "--id", number]
    first = cluster.hf(*words)
    before = movements(cluster), cluster.level("A")
    for roles in (["worker"], ["broker"], ["worker", "broker"]):
        for role in roles:
            cluster.process(role).kill()
        same(first, cluster.hf(*words, "--timeout", "%ds" % scale(30), seconds=40))
        equal((movements(cluster), cluster.level("A")), before, "after the %s died" % roles)
        cluster.refused("operation_id_reused", "reserve", "A=8@W", "--id", number)


@test("settle: what was applied is told, what was not never will be")
def settle(cluster):
    applied, never = new_id(), new_id()
    made = cluster.hf("reserve", "A=1@W", "--id", applied).json["reservation"]
    told = cluster.hf("settle", applied)
    check(made in told.out, "it tells the reservation: %s" % told)
    cluster.hf("settle", never)
    before = movements(cluster), cluster.level("A")
    cluster.refused("operation_id_reused", "reserve", "A=1@W", "--id", never)
    cluster.hf("settle", never)
    equal((movements(cluster), cluster.level("A")), before, "after the void")


if __name__ == "__main__":
    run(partitions=4)

# SPDX-License-Identifier: MIT
"""Reads of the client library: spread over views, from another when one dies, from the owner when no
view knows, never older than what the handle wrote, and honest about the rest."""
import subprocess

from views import *

READER = os.path.join(BUILD, "tests", "integration", "reader")


class Reader:
    """One handle. Each question is a line, and so is each answer."""

    def __init__(self, cluster, timeout_ms=4000):
        self.process = subprocess.Popen(
            [READER, cluster.file, str(int(scale(timeout_ms)))], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        equal(self.process.wait(scale(20)), 0, "exit code of the reader")
        self.process.stdout.close()

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stock(self, how, *skus):
        answer = self.ask("stock", how, *skus)
        return answer["stock"][0] if len(skus) == 1 else answer

    def view(self):
        """Which view it has its session with; "" when the owner answered."""
        return self.ask("stock", "any", "A")["view"]


def endpoints(cluster):
    return [cluster.view_endpoint(n) for n in range(2)]


def all_fresh(cluster):
    for number in range(2):
        with view_of(cluster, number) as peer:
            wait_until(lambda: all(p.knowledge == KNOWN and p.age_ms < 1000
                                   for p in positions(peer).values()), 20, "fresh views")


@test("handles spread over the views, and read from one")
def spread(cluster):
    cluster.stock("A", W=10, V=3)
    cluster.stock("B", W=5)
    all_fresh(cluster)
    seen = set()
    for _ in range(40):
        with Reader(cluster) as reader:
            first = reader.view()
            check(first in endpoints(cluster), "a view answers: %r" % first)
            equal(reader.view(), first, "the same view answers again")
            seen.add(first)
        if len(seen) == 2:
            break
    equal(seen, set(endpoints(cluster)), "the views that were chosen")


@test("a handle reads what it wrote, at once and every time")
def own_writes(cluster):
    with Reader(cluster) as reader:
        wrote_last = {}
        for number in range(60):
            sku = "AB"[number % 2]
            wrote = reader.ask("receive", sku, 1, "W")
            equal(wrote["status"], "applied", "a write")
            wrote_last[wrote["partition"]] = wrote["sequence"]
            stock = reader.stock("own", sku)
            equal(stock["knowledge"], "known", "what is known of it")
            check(stock["sequence"] >= wrote["sequence"], "not older than the write")
            equal(stock["on_hand"], {"A": 13, "B": 5}[sku] + number // 2 + 1, "on hand")
        # A view is seldom so late that it would show without them.
        equal(dict(reader.ask("positions")), wrote_last, "what it asks views to have seen")
        page = reader.ask("skus", "own", 10, "-")
        equal({s["sku"]: s["on_hand"] for s in page["stock"]}, {"A": 43, "B": 35}, "a page")
        equal(page["view"] != "", True, "which a view answered")
        equal(dict(reader.ask("totals", "own")["totals"]), {"V": 3, "W": 75}, "totals")
        with Reader(cluster) as other:  # a position travels
            for partition, sequence in reader.ask("positions"):
                equal(other.ask("at_least", partition, sequence), 1, "taken over")
            equal(other.stock("own", "A")["on_hand"], 43, "what the other wrote")


@test("the latest: what any other process wrote just before")
def latest(cluster):
    with Reader(cluster) as reader, Reader(cluster) as writer:
        on_hand = reader.stock("latest", "A")["on_hand"]
        for _ in range(20):
            writer.ask("receive", "A", 1, "W")
            on_hand += 1
            equal(reader.stock("latest", "A")["on_hand"], on_hand, "on hand")
        answer = reader.ask("levels", "latest", 10, "-")
        equal([row[2] for row in answer["levels"] if row[:2] == ["A", "W"]], [on_hand - 3], "a page")
        check(answer["view"] in endpoints(cluster), "a view answered the page")


@test("every kind of question, at a view and at the owners alike")
def kinds(cluster):
    cluster.hf("item", "put", "C", "--name", "Tin", "--barcode", "4001")
    held = cluster.hf("reserve", "A=2@W", "--order", "O-1", "--ttl", "600s").json["reservation"]
    over = cluster.hf("reserve", "B=2@W", "--order", "O-1", "--ttl", "900s").json["reservation"]
    cluster.hf("release", over)
    with Reader(cluster) as reader:
        for how in ("latest", "owner"):
            got = reader.ask("barcode", how, "4001")
            equal([(s["sku"], s["exists"]) for s in got["stock"]], [("C", 1)], how + ": barcode")
            equal(got["from_owner"], how == "owner", how + ": who answered")
            equal(reader.ask("barcode", how, "4002")["stock"], [], how + ": no such barcode")
            got = reader.ask("orders", how, "O-1")
            equal([r[:3] for r in got["reservations"]], [[held, "active", "O-1"]],
                  how + ": open reservations of the order")
            got = reader.ask("reservations", how, over, "r-00000000000000000", held)
            equal([r[:2] for r in got["reservations"]], [[over, "released"], [held, "active"]],
                  how + ": reservations, open and over")
            got = reader.ask("reservations", how)
            equal([r[0] for r in got["reservations"]], [held], how + ": by next expiry")
            rows, cursor = [], "-"
            while cursor:
                got = reader.ask("skus", how, 1, cursor)
                equal(got["status"], "applied", how + ": a page")
                rows += [s["sku"] for s in got["stock"]]
                cursor = got["cursor"]
            equal(rows, ["A", "B", "C"], how + ": pages of one")
            equal([s["sku"] for s in reader.ask("skus", how, 9, "-", "A")["stock"]], ["B", "C"],
                  how + ": after a sku")
            stock = reader.ask("stock", how, "A", "none", "C")["stock"]
            equal([(s["exists"], s["knowledge"]) for s in stock],
                  [(1, "known"), (0, "known"), (1, "known")], how + ": what is there")
        for words, field in ((("totals", "owner"), "consistency"),
                             (("levels", "owner", 5, "-"), "consistency"),
                             (("stock", "owner:100", "A"), "max_staleness_ms"),
                             (("skus", "any", 5, "v00"), "cursor"),
                             (("levels", "any", 5, "v00"), "levels.cursor"),
                             (("levels", "any", 5, "zz"), "cursor"),
                             (("levels", "any", 2000, "-"), "limit"),
                             (("reservations", "any", "R-1"), "keys")):
            got = reader.ask(*words)
            equal((got["status"], got["field"]), ("invalid", field), "%s" % (words,))
    cluster.hf("release", held)


@test("a view that is killed: its handles read on from the other, and none sees less than it wrote")
def killed(cluster):
    readers = [Reader(cluster) for _ in range(6)]
    victim = cluster.process("view", "v1")
    gone = cluster.view_endpoint(0)
    for reader in readers:
        reader.ask("receive", "A", 1, "W")
    on_hand = readers[0].stock("latest", "A")["on_hand"]
    before = [reader.view() for reader in readers]
    check(gone in before or len(set(before)) == 1, "handles at %s" % before)
    victim.kill()
    for reader in readers:
        begun = time.monotonic()
        answer = reader.stock("own", "A", "B")
        equal([s["knowledge"] for s in answer["stock"]], ["known"] * 2, "after the kill")
        equal(answer["stock"][0]["on_hand"], on_hand, "on hand")
        check(time.monotonic() - begun < scale(3), "without waiting long")
    wait_until(lambda: len(cluster.processes("view")) == 2, 20, "the view is back")
    all_fresh(cluster)
    for reader in readers:
        check(reader.view() in endpoints(cluster), "a view answers again")
        reader.__exit__()


@test("views that stand still, and none at all: the owner answers, and then a view again")
def stopped(cluster):
    views = cluster.processes("view")
    with Reader(cluster) as reader:
        before = reader.stock("latest", "A")
        for view in views:
            cluster.stop(view)
        begun = time.monotonic()
        stock = reader.stock("any", "A")
        equal((stock["knowledge"], stock["from_owner"]), ("known", 1), "the owner has answered")
        equal(stock["on_hand"], before["on_hand"], "on hand")
        note("%.1f s until the owner was asked" % (time.monotonic() - begun))
        begun = time.monotonic()
        equal(reader.stock("any", "A")["from_owner"], 1, "the owner again")
        check(time.monotonic() - begun < scale(0.4), "without asking the views first")
        equal(reader.ask("totals", "any")["status"], "unavailable", "what only views know")
        for view in views:
            cluster.cont(view)
        wait_until(lambda: reader.view() != "", 20, "a view answers again")


@test("a writer that stands still: ages grow, too old is not told as new, and any tells it with its age")
def stale(cluster):
    with Reader(cluster, 600) as reader:
        wait_until(lambda: reader.stock("any", "A")["age_us"] < 1000000, 20, "fresh")
        on_hand = reader.stock("any", "A")["on_hand"]
        workers = cluster.processes("worker")  # all, or another takes the partition over
        for worker in workers:
            cluster.stop(worker)
        stopped_at = time.monotonic()
        wait_until(lambda: reader.stock("any", "A")["age_us"] > 600000, 20, "the age grows")
        elapsed_us = (time.monotonic() - stopped_at) * 1e6
        old = reader.stock("any", "A")
        check(old["age_us"] >= elapsed_us - 60000, "not younger than the stop")
        equal((old["knowledge"], old["on_hand"]), ("known", on_hand), "any: with its age")
        for how in ("any:500", "latest"):
            answer = reader.ask("stock", how, "A")
            equal(answer["status"] in ("unavailable", "deadline_exceeded"), True,
                  "%s: neither view nor owner: %s" % (how, answer))
            stock, = answer["stock"]
            equal((stock["knowledge"], stock["on_hand"], stock["levels"]), ("stale", 0, 0),
                  how + ": no figures are told")
        for worker in workers:
            cluster.cont(worker)
        wait_until(lambda: reader.stock("latest", "A")["knowledge"] == "known", 20, "it goes on")


if __name__ == "__main__":
    run(workers=2, views=2)

# SPDX-License-Identifier: MIT
"""A level on which more is promised than there is: nothing that is not on the shelf becomes
available, whatever happens to it. Each step's figures are those of a model written from the design.
"""
import random

from harness import *

FIGURES = ("on_hand", "reserved", "committed", "unavailable", "safety_stock", "shortfall",
           "available")


class Model:
    def __init__(self):
        self.on_hand = self.reserved = self.committed = self.unavailable = self.safety_stock = 0

    def change(self, **changes):
        for name, change in changes.items():
            setattr(self, name, getattr(self, name) + change)

    @property
    def promised(self):
        return self.reserved + self.committed + self.unavailable

    @property
    def available(self):
        return max(0, self.on_hand - self.promised - self.safety_stock)

    @property
    def shortfall(self):
        return max(0, self.promised - self.on_hand)

    def figures(self):
        return {name: getattr(self, name) for name in FIGURES}


def agrees(cluster, sku, model, after):
    level = cluster.level(sku)
    equal({name: level[name] for name in FIGURES}, model.figures(), "figures after " + after)
    check(level["available"] == 0 or level["available"] + model.promised <= level["on_hand"],
          "what is available is on the shelf, after " + after)


def start(cluster, sku, on_hand):
    cluster.stock(sku, W=on_hand)
    model = Model()
    model.change(on_hand=on_hand)
    return model


@test("release, cancel, ship, receive and count on a level with a shortfall")
def steps(cluster):
    model = start(cluster, "S", 10)
    held = cluster.hf("reserve", "S=4@W").json["reservation"]
    model.change(reserved=4)
    sold = cluster.hf("reserve", "S=4@W").json["reservation"]
    cluster.hf("purchase", sold)
    model.change(committed=4)
    agrees(cluster, "S", model, "purchase")
    cluster.hf("count", "S=5@W")
    model.on_hand = 5
    agrees(cluster, "S", model, "the count that makes the shortfall")
    equal(model.shortfall, 3, "the shortfall")
    for words, changes in (
            (["release", held, "S=1@W"], dict(reserved=-1)),
            (["cancel", sold, "S=1@W"], dict(committed=-1)),
            (["ship", sold, "S=1@W"], dict(committed=-1, on_hand=-1)),
            (["release", held, "S=1@W"], dict(reserved=-1)),
            (["cancel", sold, "S=1@W"], dict(committed=-1)),
            (["count", "S=1@W"], dict(on_hand=-3)),
            (["receive", "S=1@W", "--reference", "x"], dict(on_hand=1)),
            (["receive", "S=2@W", "--reference", "x"], dict(on_hand=2)),
            (["count", "S=2@W"], dict(on_hand=-2)),
            (["safety-stock", "S=3@W"], dict(safety_stock=3)),
            (["count", "S=9@W"], dict(on_hand=7)),
            (["purchase", held], dict(reserved=-2, committed=2)),
            (["ship", held], dict(committed=-2, on_hand=-2))):
        cluster.hf(*words)
        model.change(**changes)
        agrees(cluster, "S", model, " ".join(words))
        if model.available == 0:
            cluster.refused("insufficient_stock", "reserve", "S=1@W")


@test("only a count, or one that says accept_shortfall, makes a shortfall grow")
def growing(cluster):
    model = start(cluster, "G", 5)
    cluster.hf("warehouse", "put", "V", "--name", "second")
    cluster.hf("reason", "put", "lost", "--name", "lost")
    cluster.hf("reserve", "G=5@W")
    model.change(reserved=5)
    cluster.refused("insufficient_on_hand", "adjust", "G=-1@W", "--reason", "lost")
    cluster.refused("insufficient_on_hand", "quarantine", "G=1@W")
    cluster.refused("insufficient_stock", "transfer", "G=1@W", "--to", "V")
    agrees(cluster, "G", model, "three refusals")
    cluster.hf("adjust", "G=-2@W", "--reason", "lost", "--accept-shortfall")
    model.change(on_hand=-2)
    agrees(cluster, "G", model, "the adjustment")
    cluster.hf("count", "G=1@W")
    model.change(on_hand=-2)
    agrees(cluster, "G", model, "the count")
    cluster.refused("insufficient_on_hand", "adjust", "G=-2@W", "--reason", "lost",
                    "--accept-shortfall")
    agrees(cluster, "G", model, "a refusal")


@test("a shipment of more than is on hand is refused, however much is committed")
def shipping(cluster):
    model = start(cluster, "H", 5)
    sold = cluster.hf("reserve", "H=5@W").json["reservation"]
    cluster.hf("purchase", sold)
    model.change(committed=5)
    cluster.hf("count", "H=2@W")
    model.change(on_hand=-3)
    cluster.refused("insufficient_on_hand", "ship", sold)
    cluster.hf("ship", sold, "H=2@W")
    model.change(committed=-2, on_hand=-2)
    agrees(cluster, "H", model, "the shipment")
    cluster.hf("return", sold, "H=1@W", "--quarantine")
    model.change(on_hand=1, unavailable=1)
    agrees(cluster, "H", model, "the return")


@test("a hundred random operations on one level, seed 20260901")
def random_walk(cluster):
    model = start(cluster, "R", 12)
    cluster.stock("R", V=0)
    chosen = random.Random(20260901)
    reservations = []  # [id, reserved, committed, shipped]
    outcomes = {}

    def attempt(words, fits, **changes):
        done = cluster.hf(*words, expect=None)
        outcomes[(words[0], done.result)] = outcomes.get((words[0], done.result), 0) + 1
        check((done.result == "applied") == fits, "%s with %s" % (done, model.figures()))
        if fits:
            model.change(**changes)
        return done, fits

    for _ in range(100):
        n = chosen.randint(1, 4)
        line = "R=%d@W" % n
        pick = chosen.choice(reservations) if reservations else None
        kind = chosen.choice(["reserve", "reserve", "purchase", "release", "ship", "ship",
                              "cancel", "receive", "count", "quarantine", "restore"])
        if kind == "reserve":
            done, fits = attempt(["reserve", line], n <= model.available, reserved=n)
            if fits:
                reservations.append([done.json["reservation"], n, 0, 0])
        elif kind == "receive":
            attempt(["receive", line, "--reference", "x"], True, on_hand=n)
        elif kind == "count":
            target = chosen.randint(0, 14)
            attempt(["count", "R=%d@W" % target], True, on_hand=target - model.on_hand)
        elif kind == "quarantine":
            attempt([kind, line], model.on_hand - model.promised >= n, unavailable=n)
        elif kind == "restore":
            attempt([kind, line], model.unavailable >= n, unavailable=-n)
        elif pick and kind == "purchase" and pick[1] and not pick[2] + pick[3]:
            attempt([kind, pick[0]], True, reserved=-pick[1], committed=pick[1])
            pick[1], pick[2] = 0, pick[1]
        elif pick and kind == "release" and pick[1]:
            _, fits = attempt([kind, pick[0], line], n <= pick[1], reserved=-n)
            pick[1] -= n if fits else 0
        elif pick and kind == "ship" and pick[2]:
            _, fits = attempt([kind, pick[0], line], n <= pick[2] and n <= model.on_hand,
                              committed=-n, on_hand=-n)
            pick[2], pick[3] = (pick[2] - n, pick[3] + n) if fits else (pick[2], pick[3])
        elif pick and kind == "cancel" and pick[2]:
            _, fits = attempt([kind, pick[0], line], n <= pick[2], committed=-n)
            pick[2] -= n if fits else 0
        agrees(cluster, "R", model, kind)
    note(" ".join("%s:%s=%d" % (*key, count) for key, count in sorted(
        outcomes.items(), key=str)))


if __name__ == "__main__":
    run(partitions=2)

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""apply and undo killed -9 at random points and resumed from another machine's view of things (an
empty home, another folder, a copy of the file), while brokers, workers and the database are killed
too: the stock is exactly what the file says, each line once.

HOLDFAST_RUN_KILLS: how many kills (default 6; `make runs-killed` has 100 of each).
"""
import random
import signal

from harness import *
from harness import BIN, MARK, mark

HOLDFAST = os.path.join(BIN, "holdfast")
KILLS = int(os.environ.get("HOLDFAST_RUN_KILLS", "6"))
SEED = int(os.environ.get("HOLDFAST_RUN_SEED") or random.randrange(1 << 30))
SKUS = ["K%02d" % i for i in range(40)]
LINES = 2000
START = 50
chosen = random.Random(SEED)
homes = tempfile.mkdtemp(prefix="homes-")


class Book:
    """What a file does to stock, line by line in its order."""

    def __init__(self, stock):
        self.stock = dict(stock)  # (sku, warehouse): on hand
        self.lines, self.results = [], []

    def line(self, text, applied):
        self.lines.append("  - {%s}\n" % text)
        self.results.append(applied)

    def any_line(self):
        sku, by = chosen.choice(SKUS), chosen.randint(1, 40)
        kind = chosen.random()
        here = self.stock[sku, "W"]
        if kind < 0.35:
            self.line("op: receive, sku: %s, by: %d, warehouse: W" % (sku, by), True)
            self.stock[sku, "W"] += by
        elif kind < 0.7:
            # About one in five is refused, whatever has been before it.
            good = here >= by
            self.line("op: adjust, sku: %s, by: -%d, reason: broken, warehouse: W" % (sku, by), good)
            self.stock[sku, "W"] -= by if good else 0
        elif kind < 0.9:
            good = here >= by
            self.line("op: transfer, sku: %s, by: %d, warehouse: W, to_warehouse: V" % (sku, by), good)
            if good:
                self.stock[sku, "W"] -= by
                self.stock[sku, "V"] += by
        else:
            self.line("op: count, sku: %s, to: %d, warehouse: W" % (sku, by), True)
            self.stock[sku, "W"] = by


def levels(cluster):
    return {(sku, warehouse): int(on_hand) for sku, warehouse, on_hand in cluster.sql(
        "SELECT sku, warehouse, on_hand FROM stock_level WHERE sku LIKE 'K__'", all_shards=True)}


class Elsewhere:
    """Runs a command as another machine would: nothing of an earlier one is there."""
    count = 0

    def __init__(self, cluster, *words, text=None):
        Elsewhere.count += 1
        home = os.path.join(homes, "m%d" % Elsewhere.count)
        os.mkdir(home)
        if text is not None:
            with open(os.path.join(home, "run.yaml"), "w") as file:
                file.write(text)
        self.out = open(os.path.join(home, "out"), "w+")
        env = {key: value for key, value in os.environ.items()
               if not key.startswith(("XDG_", "HOLDFAST_CLUSTER"))}
        self.child = subprocess.Popen(
            [HOLDFAST, "-C", cluster.file, *words], cwd=home, stdout=self.out, stderr=self.out,
            stdin=subprocess.DEVNULL, env=dict(env, HOME=home, TMPDIR=home, **{MARK: mark}))

    def ended(self):
        return self.child.poll() is not None

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def text(self):
        self.out.seek(0)
        return self.out.read()


def until_done(cluster, begin, disturb, kills):
    """Begins again and again, each time somewhere else, and kills. Returns the kills that hit."""
    hits = 0
    deadline = time.monotonic() + scale(40 + 4 * kills)
    while True:
        check(time.monotonic() < deadline, "it gets done; seed %d" % SEED)
        running = begin()
        # From before anything is sent to well after everything is.
        until = time.monotonic() + chosen.random() ** 2 * 0.7
        while not running.ended() and (hits >= kills or time.monotonic() < until):
            time.sleep(0.002)
            check(time.monotonic() < deadline, "it gets done; seed %d: %s" % (SEED, running.text()))
        if running.ended():
            if running.child.returncode in (0, 2):
                return hits, running
            # A run cannot be begun while nobody serves.
            check(running.child.returncode in (1, 69, 75), "exit code %s; seed %d: %s" % (
                running.child.returncode, SEED, running.text()))
        else:
            running.kill()
            hits += 1
            disturb(hits)


def check_run(cluster, name, book):
    shown = cluster.hf("run", "show", name, seconds=60).lines
    applied = sum(book.results)
    equal({k: shown[0][k] for k in ("state", "lines", "applied", "refused", "unknown")},
          {"state": "done", "lines": LINES, "applied": applied, "refused": LINES - applied,
           "unknown": 0}, "what is recorded; seed %d" % SEED)
    equal([line["result"] == "applied" for line in shown[1:]], book.results,
          "line by line; seed %d" % SEED)


def killed_runs(cluster, prefix, disturb):
    hits, number = 0, 0
    while hits < KILLS:
        number += 1
        name = "%s-%d" % (prefix, number)
        book = Book(levels(cluster))
        before = dict(book.stock)
        for _ in range(LINES):
            book.any_line()
        text = "version: 1\nrun: %s\nlines:\n%s" % (name, "".join(book.lines))
        # One run takes what it takes; a third of the kills at most, so that some end undisturbed.
        got, _ = until_done(cluster, lambda: Elsewhere(cluster, "apply", "run.yaml", "--resume",
                                                       text=text),
                            disturb, min(KILLS - hits, max(4, KILLS // 3)))
        hits += got
        equal(levels(cluster), book.stock, "stock after run %s; seed %d" % (name, SEED))
        check_run(cluster, name, book)
    return number, hits, before


@test("killed -9 at random points and resumed elsewhere, the stock is exactly as intended")
def killed(cluster):
    for sku in SKUS:
        cluster.stock(sku, W=START)
    cluster.hf("warehouse", "put", "V", "--name", "Other")
    cluster.hf("reason", "put", "broken", "--name", "Broken")
    for sku in SKUS:
        cluster.hf("receive", "%s=1@V" % sku, "--reference", "test")
    runs, hits, _ = killed_runs(cluster, "client", lambda hit: None)
    note("seed %d: %d kills in %d runs of %d lines" % (SEED, hits, runs, LINES))


@test("the same while brokers, workers and the database are killed")
def all_killed(cluster):
    victims = ["broker", "worker", "mariadbd"]

    def disturb(hit):
        if hit % 3 == 0:
            victim = victims[hit // 3 % len(victims)]
            running = cluster.processes(victim)
            if running:
                chosen.choice(running).kill()
    runs, hits, _ = killed_runs(cluster, "all", disturb)
    note("seed %d: %d kills in %d runs of %d lines" % (SEED, hits, runs, LINES))
    cluster.wait_served(60)


@test("two machines that apply the same run at once do each line once")
def together(cluster):
    book = Book(levels(cluster))
    for i in range(LINES):
        sku = SKUS[i % len(SKUS)]
        book.line("op: receive, sku: %s, by: 1, warehouse: W" % sku, True)
        book.stock[sku, "W"] += 1
    text = "version: 1\nrun: both\nlines:\n%s" % "".join(book.lines)
    running = [Elsewhere(cluster, "apply", "run.yaml", "--resume", text=text) for _ in range(2)]
    for one in running:
        equal(one.child.wait(timeout=scale(60)), 0, "exit code: %s" % one.text())
    equal(levels(cluster), book.stock, "stock")
    check_run(cluster, "both", book)


@test("an undo that is killed -9 and asked for again elsewhere takes everything back once")
def undo_killed(cluster):
    # What the run before did can all be taken back, and nothing has happened since.
    now = levels(cluster)
    hits, done = until_done(cluster, lambda: Elsewhere(cluster, "undo", "both"), lambda hit: None,
                            max(3, KILLS // 4))
    equal(done.child.returncode, 0, "exit code: %s" % done.text())
    each = LINES // len(SKUS)
    equal(levels(cluster), {key: value - (each if key[1] == "W" else 0)
                            for key, value in now.items()}, "stock; seed %d" % SEED)
    equal(cluster.number("SELECT COUNT(*) FROM movement WHERE kind=23"), LINES, "undone once each")
    note("seed %d: %d kills" % (SEED, hits))


if __name__ == "__main__":
    run(workers=2, brokers=2)

# SPDX-License-Identifier: MIT
"""What the console shows without being asked, on pseudo-terminals and against a real cluster: Events as they happen,
filtered as one types, with what could not be seen said to be so; trouble on every screen; and lists as files."""
import csv
import glob
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "console"))
from harness import *  # noqa: E402
from scenarios import *  # noqa: E402
from terminal import Terminal  # noqa: E402
from relays import prune  # noqa: E402
import wire  # noqa: E402
from wire import pb  # noqa: E402

LINES_KEPT, TAKEN_AT_ONCE = 500, 200  # console/view_events.c


def first_line(t):
    return t.lines()[3]


def change(cluster, by, sku="WID-1", actor="j.lee", note="forklift", warehouse="BER1"):
    cluster.hf("adjust", "%s=%+d@%s" % (sku, by, warehouse), "--reason", "found" if by > 0 else "damaged",
               "--note", note, "--actor", actor)


@test("an event is seen within a second, with who and why, and leads to its item and its order")
def tail(cluster):
    stock_up(cluster)
    held = cluster.hf("reserve", "--order", "o-77", "WID-3=2")
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.view("Events")
        t.wait("following")
        t.wait("o-77")
        change(cluster, -3)
        begun = time.monotonic()
        t.wait("forklift")
        took = time.monotonic() - begun
        note("seen after %d ms" % (took * 1000))
        check(took < scale(5), "it took %.1f s" % took)  # ten times what it asks again after
        t.wait_line(">", "adjusted", "WID-1", "BER1", "-3", "47", "j.lee", "damaged")
        check(first_line(t).startswith(">"), "the newest is selected: " + first_line(t))
        t.key("Enter")
        t.wait("Item WID-1")
        t.key("-")
        t.wait("Events")
        t.key("Down")  # the reservation, and no further: the import was before it
        t.wait("1 above, g follows")
        t.wait_line(">", "o-77")
        t.key("O")
        t.wait("Orders " + held.json["reservation"])
        t.key("-")
        t.wait("Events")
        change(cluster, -1, note="second")
        t.wait("2 above, g follows")  # what one reads stays where it is
        t.wait_line(">", "o-77")
        t.key("g")
        t.wait("following")
        wait_until(lambda: "second" in first_line(t), 6, "the newest: " + first_line(t))


@test("the filter narrows as one types, in the view process, and what is written wrong is said")
def filters(cluster):
    change(cluster, +2, note="ours", actor="a.filter")
    change(cluster, +1, sku="JPN-1", warehouse="HAM2", actor="a.filter")
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.view("Events")
        t.wait("ours")
        t.key("/")
        t.type("by:A.FIL")
        t.wait('filter "by:A.FIL"')
        t.wait_gone("o-77")
        check("JPN-1" in first_line(t), t.text())
        t.type(" at:ber")
        t.wait_gone("JPN-1")
        check("ours" in first_line(t), t.text())
        t.type(" is:rec")  # received: none of these
        t.wait("nothing like this since")
        t.type("xyz")
        t.wait('no event is a "recxyz"')
        t.key("Esc")
        t.wait("o-77")
        t.key("/")
        t.type("is:adj")  # there are some, until more is typed
        t.wait_gone("o-77")
        t.wait("ours")
        t.type("xyz")
        t.wait('no event is a "adjxyz"')
        check("ours" not in t.text(), "nothing is shown under it: " + t.text())
        t.key("Esc")
        t.wait("o-77")
        t.key("/")
        t.type("order:O-77")
        t.wait_gone("ours")
        t.key("Enter")
        t.wait("reserved")
        change(cluster, +1, actor="somebody")  # does not match: is not shown
        change(cluster, +1, note="o-77")  # the order is meant, not the note
        cluster.hf("reserve", "--order", "o-77", "WID-1=1")
        t.wait("WID-1")
        check("somebody" not in t.text() and "found" not in t.text(), t.text())


@test("Z stops the tail and goes on with it; nothing is drawn when nothing happens")
def paused(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.view("Events")
        t.wait("following")
        t.quiet(1)
        before = t.state()["written"]
        t.quiet(2)
        if not wire.UNDER_VALGRIND:  # there others are seen to be late
            equal(t.state()["written"] - before, 0, "bytes written while nothing happens")
        t.key("Z")
        t.wait("PAUSED")
        change(cluster, -1, note="while-paused")
        t.quiet(1.2)
        check("while-paused" not in t.text(), t.text())
        t.key("Z")
        t.wait("while-paused")


@test("thousands of events: the newest are shown, what was left out is said, memory is bounded")
def many(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.view("Events")
        t.wait("following")
        pid = t.state()["pid"]
        script = ["%d\t0\tadjust\tsku=%s\twh=BER1\tdelta=1\treason=found" % (i % 8, PAGES[i % 8])
                  for i in range(1500)]
        echoes = []
        load = threading.Thread(target=lambda: cluster.load(script, clients=32))
        load.start()
        while load.is_alive():
            t.key("o")
            label = "code, order or R-: " if t.size[1] >= 40 else ">"
            echoes.append(t.echo("abc", label + "abc"))
            t.key("Esc")
            t.wait_gone(label + "abc")
        load.join()
        # More than are taken at once, however slow the machine is.
        t.key("Z")
        t.wait("PAUSED")
        cluster.load(script[:TAKEN_AT_ONCE + 50], clients=32)
        t.key("Z")
        t.wait_gone("PAUSED")
        change(cluster, -1, note="the-last")
        t.wait("the-last")
        for _ in range(LINES_KEPT):
            if "more came at once" in t.text():
                break
            t.send(KEYS["PgDn"])
            t.quiet(0.05)
        check("more came at once" in t.text(), "what was left out is told:\n" + t.text())
        memory = int(open("/proc/%d/status" % pid).read().split("VmHWM:")[1].split()[0]) / 1024
        note("%.0f MB; an echo took at most %.0f ms" % (memory, 1000 * max(echoes)))
        if PLAIN:
            check(memory < 50, "%.0f MB" % memory)
        t.key("g")
        t.wait("following")


@test("a view that dies: said, and the tail goes on with the next one, begun anew")
def another_view(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.view("Events")
        t.wait("following")  # the pane below Stock has events, too
        t.wait("the-last")
        cluster.process("view").kill()
        t.wait("another view answers", 30)
        change(cluster, -1, note="after-it")
        t.wait("after-it", 20)
        check("the-last" not in t.text(), "the new view has not seen it: " + t.text())

def written(t, what, before=None):
    """The file that `e` says it has written; not that of before."""
    def told():
        found = re.search(r"OK written: (holdfast-%s-\S+)" % what, t.text())
        path = found and os.path.join(t.home, found.group(1))
        return path if path != before else None
    t.key("e")
    path = wait_until(told, 6, "a file is told: " + t.text())
    with open(path, newline="") as file:
        return path, list(csv.reader(file))


@test("e writes Stock as a bulk file: what is filled in is applied, what moved is refused; nothing is written over")
def export(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.key("/")
        t.type("number 1")  # 1 and 10 to 19
        t.key("Enter")
        t.wait("ZPG-19")
        path, rows = written(t, "stock")
        head, rows = rows[0], [dict(zip(rows[0], row)) for row in rows[1:]]
        equal(sorted(r["sku"] for r in rows), ["ZPG-01"] + ["ZPG-%d" % i for i in range(10, 20)],
              "what the list shows, over all its pages")
        equal({r["to"] == str(cluster.level(r["sku"], "BER1")["on_hand"]) for r in rows}, {True}, "figures")
        change(cluster, +5, sku="ZPG-11")
        for r in rows:
            r.update(reason="recount", to=str(int(r["to"]) + 1))
        with open(path, newline="") as file:
            before = file.read()
        mine = os.path.join(t.home, "mine.csv")
        with open(mine, "w", newline="") as file:
            out = csv.DictWriter(file, head)
            out.writeheader()
            out.writerows(rows)
        done = cluster.hf("apply", mine, json=False, expect=2)
        check("version_conflict" in str(done), "ZPG-11 moved: %s" % done)
        equal(cluster.level("ZPG-19", "BER1")["on_hand"], int(rows[-1]["to"]), "ZPG-19 was counted")
        written(t, "stock", before=path)
        with open(path, newline="") as file:
            equal(file.read(), before, "the first one")
        t.view("Events")
        t.wait("forklift")
        _, rows = written(t, "events")
        check(any("forklift" in row and "ZPG-11" in row for row in rows), "the event is in it: %r" % rows[:2])
        equal({len(row) for row in rows}, {len(rows[0])}, "values a row")
        t.key("E")
        t.wait("OK written: holdfast-events-")
        t.view("Stock")
        t.key("E")
        t.wait("OK written: holdfast-stock-")
        found = {}
        for path in glob.glob(os.path.join(t.home, "*.jsonl")):
            with open(path) as file:
                found[os.path.basename(path).split("-")[1]] = [json.loads(line) for line in file]
        event = next(e for e in found["events"] if e["note"] == "forklift" and e["sku"] == "ZPG-11")
        equal((event["on_hand_change"], event["what"], event["reference"]), (5, "adjusted", None), "an event")
        equal(len(found["stock"]), 11, "levels, as the list is filtered")
        for level in found["stock"]:
            name = level.pop("name")
            check(name.startswith("Page number 1"), name)
            equal(level, dict(cluster.level(level["sku"], "BER1"), sku=level["sku"], warehouse="BER1"),
                  "as holdfast stock says")
        t.view("Events")
        for path in glob.glob(os.path.join(t.home, "*.csv")) + glob.glob(os.path.join(t.home, "*.jsonl")):
            os.unlink(path)
        os.rename(t.home, t.home + ".gone")
        os.rmdir(t.home + ".gone")
        t.key("e")
        t.wait("ERR not written, No such file or directory: holdfast-events-")


@test("trouble is said on every screen, and named: partitions that nobody serves, a database that takes no writes, what an audit found, what is short")
def trouble(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        check("TROUBLE" not in t.text(), "all is well: " + t.text())
        worker = cluster.owner(0)
        cluster.stop(worker)
        try:
            t.wait("TROUBLE", 30)
            t.view("Operations")
            t.wait("worker %s of shard s1 is gone" % worker.name, 20)
        finally:
            cluster.cont(worker)
        t.wait_gone("is gone", 30)
        cluster.sql("SET GLOBAL read_only = 1", admin=True)
        try:
            t.wait("worker w1: shard s1: could not connect", 20)
            status = cluster.hf("status", expect=1)
            check("worker w1: shard s1: could not connect" in status.err, "status: %s" % status)
        finally:
            cluster.sql("SET GLOBAL read_only = 0", admin=True)
        t.wait_gone("could not connect", 20)
        with cluster.peer() as peer:
            peer.send(wire.AUDITED, pb.AuditReport(partitions=8, partitions_checked=8, differences=2, first=[
                pb.Difference(check="level_ledger", sku=b"WID-3", message="differs")]))
            t.wait("an audit found 2 differences: level_ledger WID-3")
            peer.send(wire.AUDITED, pb.AuditReport(partitions=8, partitions_checked=8))
            t.wait_gone("an audit found")
            t.wait("no differences, 8 of 8 partitions")
        held = cluster.hf("reserve", "WID-3=2").json["reservation"]
        cluster.hf("adjust", "WID-3=-5@BER1", "--reason", "damaged", "--accept-shortfall")
        t.view("Stock")
        t.wait("TROUBLE", 20)
        t.view("Operations")
        t.wait("more are promised than there are")
        cluster.hf("release", held)
        cluster.hf("receive", "WID-3=9@BER1", "--reference", "PO-3")
        t.wait_gone("more are promised", 20)
        t.wait(" 0 pieces short")


@test("Operations draws what waits, its age and the credit: of brokers, of a partition with work, of workers")
def graphs(cluster):
    where = cluster.partition("WID-1")
    worker = cluster.owner(where)
    with Terminal(cluster, rows=40, columns=150) as t:
        t.wait("WID-1")
        t.view("Operations")
        t.wait("shard s1: 8 partitions, 2 workers, in flight 0")
        check(" partition %d: " % where not in t.text(), "it has nothing to do: " + t.text())
        workers = cluster.processes("worker")
        for each in workers:  # nobody takes it over while this is looked at
            cluster.stop(each)
        try:
            post = threading.Thread(target=lambda: cluster.hf(
                "receive", "WID-1=1@BER1", "--reference", "PO-5", "--timeout", "%ds" % scale(20)))
            post.start()
            t.wait(" partition %d: 0 queued, 1 in flight" % where)
            high = "\u2588" if "UTF-8" in t.env["LC_ALL"] else "#"

            def drawn():
                line = t.line_with(" partition %d: " % where)
                return line.count(high) >= 2  # one in flight, and an age that grows

            wait_until(lambda: t.shows(" partition %d: " % where) and drawn(), 6, "graphs: " + t.text())
            check(high in t.line_with("   age ms"), t.text())
        finally:
            for each in workers:
                cluster.cont(each)
        post.join()
        t.wait_gone(" partition %d: " % where)
        t.wait("   worker %s " % worker.name, 15)  # it may have been given up meanwhile
        credit = t.line_with("   worker %s " % worker.name)
        check(any(c in credit for c in "\u2581\u2588.#"), "its credit: " + credit)


@test("a subscription that is halted is told on every screen, with its name; so is a relay that answers nobody")
def halted(cluster):
    sku = "HALT-1"
    cluster.hf("item", "put", sku, "--name", "Of a partition that is pruned")
    where = cluster.partition(sku)
    for name in "mirror", "mail":
        cluster.hf("events", name, "--from", "start", seconds=60)
    cluster.hf("receive", sku + "=3@BER1", "--reference", "PO-4")
    cluster.hf("events", "mail")
    upto = cluster.number("SELECT last_seq FROM `partition` WHERE partition_id=%d" % where)
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.view("Operations")
        t.wait(" relays: 2 subscriptions", 20)
        t.wait("subscription mail: 0 behind, nobody reads it")
        check("HALTED" not in t.text(), "before: " + t.text())
        prune(cluster, where, upto)
        t.wait("subscription mirror is HALTED in 1 of 8 partitions", 20)
        t.wait("retention): its reader has to resume")
        t.wait("behind, HALTED in 1 of 8 partitions")
        row = t.line_with("behind, HALTED in 1 of 8 partitions")
        check("subscription mirror" in row, "%r %s" % (row, t.text()))
        t.view("Stock")
        t.wait("1 TROUBLE: F3 Operations")
        t.view("Operations")
        cluster.hf("events", "mirror", "--from", "%d:%d" % (where, upto))
        t.wait_gone("HALTED", 20)
        relay = cluster.process("relay")
        cluster.stop(relay)
        try:
            t.wait("subscribers get no events: no relay has answered", 40)
            t.key("Up")
            t.wait("TROUBLE")
        finally:
            cluster.cont(relay)
        t.wait_gone("subscribers get no events", 20)
        t.wait(" relays: 2 subscriptions")


@test("below the list: what runs out, queues and workers, the newest event; a large screen has the item's history")
def panes(cluster):
    cluster.hf("reserve", "WID-3=1", "--order", "o-below", "--ttl", "55s")
    change(cluster, -1, note="below-it")
    with Terminal(cluster, rows=24, columns=80) as t:
        t.wait("o-below")
        check(t.line_with("o-below").startswith(" 00:00:"), t.line_with("o-below"))
        t.wait("w1 ok")
        t.wait("below-it")
        check("History" not in t.text(), t.text())
        check(len(stock_rows(t)) == 14, "rows of the list: " + t.text())
    with Terminal(cluster, rows=50, columns=200) as t:
        t.wait("below-it")
        select(t, "WID-1 ")
        t.wait("History WID-1@BER1")
        wait_until(lambda: t.text().count("below-it") == 2, 6, "in the history too")
    with Terminal(cluster, rows=23, columns=80) as t:
        t.wait("WID-1")
        check("Queues" not in t.text(), t.text())
    settings = os.path.join(cluster.dir, "console.yaml")
    with open(settings, "w") as file:
        file.write("version: 1\npanes: false\n")
    with Terminal(cluster, "--settings", settings, rows=24, columns=80) as t:
        t.wait("WID-1")
        t.quiet(1)
        check("Queues" not in t.text(), t.text())


@test("console.yaml chooses the columns of each view; what is behind moves up")
def columns_of_views(cluster):
    cluster.hf("reserve", "WID-1=1", "--order", "o-columns", "--ttl", "5m")
    settings = os.path.join(cluster.dir, "columns.yaml")
    with open(settings, "w") as file:
        file.write("version: 1\ncolumns:\n  stock: {trend: false, item: false}\n"
                   "  item: {unavailable: false, committed: false}\n"
                   "  reservations: {reservation: false, by: false}\n"
                   "  events: {what: false, at: false}\n  runs: {progress: false, since: false}\n")
    with Terminal(cluster, "--settings", settings, rows=24, columns=100) as t:
        def head(first, *words):
            wait_until(lambda: any(line.split() == [first, *words] for line in t.lines()), 6,
                       "the columns " + " ".join([first, *words]))
        t.wait("WID-1")
        check("TREND" not in t.text() and " ITEM " not in t.text(), t.text())
        t.send("WID-1\r")
        head("WAREHOUSE", "ON-HAND", "RESVD", "SAFETY", "AVAIL")
        wait_until(lambda: any(re.fullmatch(r"[> ]BER1 +([\d,]+ +){3}[\d,]+", line.rstrip())
                               for line in t.lines()), 6, "four figures")
        t.view("Reservations")
        head("LEFT", "WHAT", "ORDER")
        t.wait("o-columns")
        row = t.line_with("o-columns")
        check("R-" not in row and row.index("o-columns") == 37, "it moved up: " + row)
        t.view("Events")
        t.wait("o-columns")
        head("TIME", "ITEM", "CHANGE", "ON-HND", "WHO,", "WHY")
        check("reserved" not in t.line_with("o-columns"), t.text())
        t.view("Runs")
        head("RUN", "LINES", "STATE")


if __name__ == "__main__":
    # Under valgrind a screen is read too late for what is over after three heartbeats.
    run(workers=2, views=1, shards=1, relays=1,
        windows={"heartbeat": "5s", "lease": "15s"} if wire.UNDER_VALGRIND else {})

# SPDX-License-Identifier: MIT
"""holdfast-console on pseudo-terminals, against a real cluster: what staff see, what F2 alone does,
and what happens when things break. Every scenario at one size, every size once; `make
console-matrix` has all of them (tests/console/matrix.py)."""
import base64
import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "console"))
from harness import *  # noqa: E402
from scenarios import *  # noqa: E402
from terminal import CONSOLE, Terminal, Tmux  # noqa: E402


@test("the first screen says which system, who, how fresh, and what can be done")
def first_screen(cluster):
    stock_up(cluster)
    begun = time.monotonic()
    with Terminal(cluster) as t:
        t.wait("F1Help")
        check("NO BROKER" not in t.text(), "nobody had time to say so: " + t.text())
        mark = "OUT!"
        t.wait("WID-9")
        t.wait(mark)
        took = time.monotonic() - begun
        note("first screen with its rows after %d ms" % (took * 1000))
        check(took < scale(3), "it took %.1f s" % took)  # ten times what is promised
        t.wait("LIVE")
        if t.size[1] > 30:
            t.wait("broker 1/1")
        header = t.lines()[0]
        check("m.kaya" in header or t.size[1] < 50, header)
        # Never told by colour alone: yellow, and a word.
        row, column = wait_until(lambda: next(
            ((i, line.index(mark)) for i, line in enumerate(t.lines())
             if "WID-9" in line and mark in line), None), 6, "WID-9 is marked: " + t.text())
        cell = t.cell(row, column)
        equal((chr(cell["point"]), cell["colour"]), ("O", 3 if t.colours else -1),
              "the mark of what is out of stock")
        equal(t.cell(0, 1)["reverse"], 1, "the header is reversed")
        # The hardware cursor is on the focused item, for whoever does not see colours.
        row = next(i for i, line in enumerate(t.lines()) if line.startswith(">"))
        wait_until(lambda: t.cursor()[:2] == (row, 0), 6,  # a frame that is half written moves it
                   "the cursor is on the selected row")
        t.key("F10")
        equal(t.ended(), 0, "exit code after F10")


@test("every view opens by name; bar, menu and help show what can be done, and nothing else")
def views(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        every_view(t)


@test("stock is live, with its marks; a broker that is silent is told; no database is read")
def live(cluster):
    # Not the libraries that are loaded: with a sanitizer these are all that the linker was given.
    def uses_database(program):
        done = execute(["nm", "-D", "--undefined-only", os.path.join(BUILD, "bin", program)])
        check(done.code == 0, done)
        return "mysql_" in done.out
    check(uses_database("holdfast-worker"), "a worker is a client of a database")
    check(not uses_database("holdfast-console"), "the console is none")
    with Terminal(cluster) as t:
        t.wait("WID-1")
        check(t.line_with("JPN-1").rstrip().endswith("LOW!"), t.text())
        cluster.hf("receive", "JPN-1=900@HAM2", "--reference", "PO-9")
        # In its row: a large screen has its history, too.
        wait_until(lambda: " 942 " in t.line_with("JPN-1"), 6, "it is received: " + t.text())
        check("LOW!" not in t.line_with("JPN-1"), t.text())
        cluster.hf("adjust", "JPN-1=-900@HAM2", "--reason", "damaged")
        t.view("Operations")
        t.wait("broker b1: serves 8 of 8")
        broker = cluster.process("broker")
        cluster.stop(broker)
        try:
            t.wait("b1: SILENT for", 20)
            t.wait("OFFLINE 00:0")
        finally:
            cluster.cont(broker)
        t.wait_gone("SILENT", 20)


@test("LOW! is below the reorder point, in the list as in events")
def low_is_below(cluster):
    def signals(change):
        return [line for line in t.lines() if "JPN-1" in line and change in line and "LOW" in line]

    def set_reorder_point(pieces):
        with cluster.peer() as peer:
            answer = peer.call(wire.operation("set_reorder_point", sku="JPN-1", warehouse="HAM2",
                                              quantity=pieces), cluster.partition("JPN-1"))
        equal(answer.status, 0, "set_reorder_point: %s" % answer)

    cluster.hf("receive", "JPN-1=58@HAM2", "--reference", "PO-9")
    with Terminal(cluster) as t:
        t.wait_line("JPN-1", " 100 ")  # at it: nothing is announced, so nothing is marked
        check("LOW!" not in t.line_with("JPN-1"), t.text())
        t.view("Events")
        t.wait("following")
        t.wait_line("JPN-1", "+58")
        equal(signals("+58"), [], "no event says so")
        cluster.hf("adjust", "JPN-1=-1@HAM2", "--reason", "damaged")
        t.wait_line("JPN-1", " -1 ", "LOW!")
        t.view("Stock")
        t.wait_line("JPN-1", " 99 ", "LOW!")
    # In one warehouse: that it is low there, or over all; not that there is less than over all.
    cluster.hf("receive", "JPN-1=500@BER1", "--reference", "PO-9")
    with Terminal(cluster, "--warehouse", "HAM2") as t:
        t.wait_line("JPN-1", " 99 ")
        check("LOW!" not in t.line_with("JPN-1"), "there is enough in all: " + t.text())
        set_reorder_point(100)
        t.wait_line("JPN-1", " 99 ", "LOW!")
    set_reorder_point(0)
    cluster.hf("adjust", "JPN-1=-500@BER1", "--reason", "damaged")
    cluster.hf("adjust", "JPN-1=-57@HAM2", "--reason", "damaged")


@test("a row of keys is never lost, however fast")
def no_key_lost(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        keys_in_one_write(t)


def warehouses_in(heads):
    more = re.search(r" \+(\d+) *$", heads)
    return (sum(code in heads for code in ("BER1", "HAM2", "BARE"))
            + (int(more.group(1)) if more else 0))


@test("a warehouse that nobody made is told; one without stock is not said to be without items")
def empty_warehouse(cluster):
    cluster.hf("warehouse", "put", "BARE", "--name", "Bare")
    for warehouse, words in ("NOBODY", "no warehouse has this code: W"), ("BARE", "nothing is here yet: W"):
        with Terminal(cluster, "--warehouse", warehouse) as t:
            t.wait(words)
            t.key("W")
            t.wait("WID-1")
    for columns in (100, 110, 120, 130, 140, 150, 200):  # who has no column is counted
        with Terminal(cluster, rows=24, columns=columns) as t:
            t.wait("WID-1")
            wait_until(lambda: warehouses_in(t.lines()[2]) == (3 if columns >= 150 else 0), 6,
                       "heads: " + t.lines()[2])


@test("filter as you type, sort, and pages of all rows")
def pages(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.key("/")
        t.type("number 3")
        t.wait('"number 3"')
        t.wait_gone("WID-1 ")
        t.wait("ZPG-03")
        t.key("Esc")
        t.wait_gone('"number 3"')
        t.wait("WID-9")
        t.key("/")
        t.type("number 3")
        t.key("Enter")
        t.wait_gone("filter:")
        t.wait('"number 3"')
        t.key("Esc")  # as in the prompt; another goes back
        t.wait_gone('"number 3"')
        t.wait("WID-9")
        seen, first = set(), 1
        while True:
            t.quiet(0.2)  # the whole frame, not its first rows
            rows = [line.replace(">", " ").split()[0] for line in stock_rows(t)]
            seen |= set(rows)
            first += len(rows)
            if first > len(ALL):
                break
            t.key("PgDn")
            t.wait("from %d " % first)
        equal(seen, set(ALL), "all rows were on some page")
        # 40 Downs in one write: the selection goes over two pages, and no key is lost.
        t.key("Home")
        t.wait("from 1 ")
        t.send("\033[B" * 32)
        t.wait(">")
        row = 32
        want = sorted(ALL)[row]
        wait_until(lambda: any(line.startswith("> " + want) for line in t.lines()), 10,
                   "32 Downs select %s: %s" % (want, t.text()))


@test("s goes through the columns, S turns round; - is the view before; y copies; Z stops the figures")
def keys_of_lists(cluster):
    log = os.path.join(cluster.dir, "terminal.log")
    held = cluster.hf("reserve", "WID-3=2@BER1", "--ttl", "1h").json["reservation"]
    sold = cluster.hf("reserve", "ZPG-20=2@BER1").json["reservation"]
    cluster.hf("purchase", sold)
    figures = {row["sku"]: row for row in cluster.hf("stock", "--limit", "100").lines}
    with Terminal(cluster, rows=60, columns=100, env={"HOLDFAST_TERMINAL_LOG": log}) as t:  # one page
        t.wait("WID-1")
        for title, key in (("ITEM^", None), ("ON-HAND^", "on_hand"), ("RESVDv", "reserved"),
                           ("COMTDv", "committed"), ("AVAIL^", "available"), ("SHORTv", "shortfall"),
                           ("SKU^", "sku")):
            t.key("s")
            t.wait("sort " + title)
            t.quiet(0.3)
            rows = [line.replace(">", " ").split()[0] for line in stock_rows(t)]
            equal(sorted(rows), sorted(ALL), "rows, sorted by " + title)
            values = [figures[sku][key] for sku in rows] if key else rows
            if key:
                equal(values, sorted(values, reverse=title.endswith("v")), "sorted by " + title)
            else:
                equal(rows[0], "WID-2-LONG", "A very long name comes first")
        t.key("S")
        t.wait("sort SKUv")
        wait_until(lambda: "ZPG-29" in stock_rows(t)[0], 6, "the last one comes first")
        t.key("S")
        t.wait("sort SKU^")
        t.view("Operations")
        t.key("-")
        t.wait(" Stock ")
        t.key("-")
        t.wait(" Operations")
        t.view("Reservations")
        t.wait(held)
        t.key("y")
        t.wait("copied " + held)
        t.view("Stock")
        t.wait_gone("copied ")  # what was said of one view is not left beside the next
        select(t, "WID-9")
        t.key("y")
        t.wait("copied WID-9")
        with open(log, "rb") as file:
            written = file.read()
        for code in held, "WID-9":
            check(b"\033]52;c;" + base64.b64encode(code.encode()) in written, "OSC 52 of " + code)
        t.key("Z")
        t.wait("PAUSED")
        cluster.hf("receive", "WID-9=5@BER1", "--reference", "PO-1")
        t.quiet(1.2)
        check(" 5 " not in t.line_with("WID-9"), t.line_with("WID-9"))
        t.key("Z")
        t.wait_line("WID-9", " 5 ")
    cluster.hf("adjust", "WID-9=-5@BER1", "--reason", "damaged")
    cluster.hf("release", held)
    cluster.hf("cancel", sold)


@test("a scan opens its item, anywhere; a strange one says ERR")
def scans(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.scan("4006381333931")
        t.wait("Item WID-1")
        bells = t.state()["bells"]
        t.scan("4000000000000")
        t.wait("ERR 4000000000000: no item, barcode or order")
        check(t.state()["bells"] > bells, "it rings")
        t.view("Operations")
        t.scan("WID-2-LONG")
        t.wait("Item WID-2-LONG")
        # What begins as a reservation does, and is none: an order, or nobody knows it.
        made = cluster.hf("reserve", "WID-1=1@BER1", "--ttl", "1h", "--order", "R-2026-7").json
        t.scan("R-2026-7")
        t.wait("Orders R-2026-7")
        t.wait(made["reservation"])
        t.scan(made["reservation"].lower())
        t.wait("Orders " + made["reservation"].lower())
        t.wait(">" + made["reservation"])
        t.view("Stock")
        t.scan("R-2026-8")
        t.wait("ERR R-2026-8: no item, barcode or order")
        cluster.hf("release", made["reservation"])


@test("Operations shows what the last audit found, and that there is trouble")
def audit_shown(cluster):
    report = pb.AuditReport(partitions=8, partitions_checked=8, views=1, views_compared=1, took_ms=5)
    with Terminal(cluster) as t, cluster.peer().keep() as peer:
        t.view("Operations")
        t.wait("broker b1: serves")
        t.wait("no audit was told of")
        peer.send(wire.AUDITED, report)
        t.wait("s ago: no differences, 8 of 8 partitions, 1 of 1 views")
        report.differences = 1
        report.first.add(check="level_ledger", sku=b"WID-1", warehouse=b"BER1", partition=3,
                         message="on_hand 7: the ledger says 8")
        peer.send(wire.AUDITED, report)
        t.wait("1 DIFFERENCES")
        wait_until(lambda: "level_ledger: WID-1@BER1 partition 3: on_hand 7: the ledger says 8"
                   in " ".join(line.strip() for line in t.lines()), 6,
                   "the difference, never cut: " + t.text())
        t.wait("TROUBLE: see below")
        # One that is to be repeated within the hour is not late. Each step stays until the next
        # report, however slow the machine is.
        report = pb.AuditReport(partitions=8, partitions_checked=7, every_ms=3600000)
        peer.send(wire.AUDITED, report)
        t.wait("no differences, 7 of 8 partitions")
        t.wait_gone("TROUBLE")
        check("NOT REPEATED" not in t.text(), t.text())
        report.every_ms = 100
        peer.send(wire.AUDITED, report)
        peer.goodbye()
        t.wait("NOT REPEATED", 15)
        t.wait("the audit that repeats itself has told nothing for")
        check(re.search(r"told nothing for [1-9]\d* (s|min)\b", t.text()), t.text())
        t.wait("TROUBLE: see below")


@test("what was said of a view goes with it; while one stays, a key does not take a fault away")
def said_of_a_view(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.scan("4999999999999")
        t.wait("ERR 4999999999999")
        t.key("Down", "Up", "F1", "Esc")
        t.wait("F10Quit")
        check("ERR 4999999999999" in t.text(), "read first: " + t.text())
        t.view("Reservations")
        check("ERR 4999999999999" not in t.text(), "it is of Stock: " + t.text())
        # What becomes of a form that was left is of no view, and is read first.
        t.view("Stock")
        t.wait("WID-1")
        select(t, "WID-1")
        t.key("F6")
        t.wait("Move WID-1")
        choose_warehouse(t)
        t.wait("On-hand")
        t.type("9999")
        t.key("Tab")
        t.type("HAM2")
        for one in cluster.processes("worker"):
            cluster.stop(one)
        try:
            t.key("F2")
            t.wait("posting ...")
            t.key("Esc")
            t.wait("still being posted")
        finally:
            cluster.cont_all()
        t.wait("ERR not done: ")
        t.view("Reservations")
        check("ERR not done: " in t.text(), "it is not of Stock alone: " + t.text())


@test("a burst of scans into every view, form and dialog writes nothing without F2")
def bursts(cluster):
    before = movements(cluster)
    with Terminal(cluster) as t:
        t.wait("WID-1")
        scan_everywhere(t)
    equal(movements(cluster), before, "movements in the ledger")


@test("F2 posts once, with who and why; a quantity that is a barcode is refused")
def post(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        adjust(t, "-3")
        t.wait("On-hand 50 -> 47")
        t.send("\033OQ\033OQ\033OQ")
        t.wait("OK adjusted WID-1@BER1 50 -> 47")
        level = cluster.level("WID-1", "BER1")
        equal(level["on_hand"], 47, "on hand: F2 three times in one write posts once")
        moved = cluster.hf("history", "WID-1", "--warehouse", "BER1").lines[0]
        equal((moved["actor"], moved["reason"]), ("m.kaya", "damaged"), "who and why")
        # A short barcode, typed as a quantity.
        before = movements(cluster)
        adjust(t, "7731")
        t.key("F2")
        t.wait("is the barcode of WID-3")
        equal(movements(cluster), before, "movements after the barcode")
        t.key("Esc")
        t.wait("nothing was sent")


@test("what eats promises can be done for the SKU; what is not there at all is only refused")
def too_much(cluster):
    made = cluster.hf("reserve", "WID-1=4@BER1", "--ttl", "1h").json["reservation"]
    there, before = cluster.level("WID-1", "BER1")["on_hand"], movements(cluster)
    with Terminal(cluster) as t:
        t.wait("WID-1")
        adjust(t, "-%d" % (there + 1))
        t.key("F2")
        t.wait("not done: on_hand would be less than 0")
        check("promised" not in t.text() and "Type SKU" not in t.text(), t.text())
        t.key("Esc")
        t.wait("nothing was sent")
        open_form(t, "x", "Quarantine")
        t.type(str(there + 1))
        t.key("F2")
        t.wait("not done: not enough is on hand")
        check("Type SKU" not in t.text(), t.text())
        t.key("Esc")
        t.wait("nothing was sent")
        adjust(t, "-%d" % (there - 2))
        t.key("F2")
        t.wait("that eats what is promised to customers")
        equal(movements(cluster), before, "nothing was done")
        t.key("Tab", "Tab")
        t.type("WID-1")
        t.key("F2")
        t.wait("OK adjusted WID-1@BER1 %d -> 2" % there)
    cluster.hf("receive", "WID-1=%d@BER1" % (there - 2), "--reference", "PO-1")
    cluster.hf("release", made)


@test("stock that moves under an open form: a difference rebases, and says who")
def moved_delta(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        on_hand = cluster.level("WID-1", "BER1")["on_hand"]
        adjust(t, "-2")
        t.wait("-> %d" % (on_hand - 2))
        cluster.hf("adjust", "WID-1=-6@BER1", "--reason", "damaged", "--actor", "j.lee")
        t.wait("Changed while open by j.lee -6")
        t.wait("On-hand %d -> %d" % (on_hand - 6, on_hand - 8))
        t.key("F2")
        t.wait("OK adjusted")
        equal(cluster.level("WID-1", "BER1")["on_hand"], on_hand - 8, "on hand")


@test("a move that finds too little: the form says so, and shows what is there now, not what was")
def too_little_to_move(cluster):
    held = None
    with Terminal(cluster) as t:
        t.wait("WID-1")
        there = cluster.level("WID-1", "BER1")["available"]
        other = cluster.level("WID-1", "HAM2")["on_hand"]
        open_form(t, "F6", "Move")
        t.type("%d" % (there + 1))
        t.wait("too little: available %d" % there)
        check("Avail %d -> 0" % there not in t.text(), t.text())
        t.key("Backspace", "Backspace")
        t.type("%d" % (there - 1))
        t.wait("Avail %d -> 1" % there)
        t.key("Tab")
        view = cluster.process("view")
        cluster.stop(view)
        try:
            t.type("HAM2")  # what lies there has not been read yet: that is not 0
            t.wait("[HAM2")
            check("there: on-hand 0" not in t.text(), t.text())
            t.wait("there: on-hand %d -> %d" % (other, other + there - 1))
            held = cluster.hf("reserve", "WID-1=10@BER1", "--ttl", "1h").json["reservation"]
            t.key("F2")
            t.wait("not done: not enough is available")
            check("Avail %d" % there not in t.text(), "figures of before: " + t.text())
            t.wait("Avail %d " % (there - 10))
            t.wait("too little: available %d" % (there - 10))
        finally:
            cluster.cont(view)
        t.key("Esc")
        t.wait("nothing was sent")
    cluster.hf("release", held)


@test("a count whose stock moved must be confirmed again; both ways out work")
def moved_count(cluster):
    for keep, want in (("count", lambda old: old - 1), ("difference", lambda old: old - 6)):
        with Terminal(cluster) as t:
            t.wait("WID-1")
            old = cluster.level("WID-1", "BER1")["on_hand"]
            open_form(t, "F7", "Count")
            t.type(str(old - 1))
            t.key("Tab")
            t.type("recount")
            t.wait("-> %d" % (old - 1))
            cluster.hf("adjust", "WID-1=-5@BER1", "--reason", "damaged", "--actor", "j.lee")
            t.wait("Keep the count: %d. Keep the difference (-1): %d" % (old - 1, old - 6))
            before = movements(cluster)
            t.key("F2")
            t.wait("Keep is needed")
            equal(movements(cluster), before, "nothing is posted before it is confirmed")
            t.type(keep)
            t.wait({"count": "] what was counted ", "difference": "] and later moves "}[keep])
            t.key("F2")
            t.wait("OK counted WID-1@BER1")
            equal(cluster.level("WID-1", "BER1")["on_hand"], want(old), "on hand, keeping " + keep)


@test("undo posts the opposite, names what it undoes, and is refused for a reservation's movement")
def undo(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        select(t, "WID-1")
        t.key("F5")
        t.wait("Receive WID-1")
        choose_warehouse(t)
        t.type("4")
        t.wait("-> ")
        t.key("F2")
        t.wait("OK received")
        t.key("Enter")
        t.wait("Item WID-1")
        t.wait("received")
        on_hand = cluster.level("WID-1", "BER1")["on_hand"]
        t.wait("%d m.kaya" % on_hand)
        t.key("u")
        t.wait("Undo WID-1")
        t.wait("On-hand %d -> %d" % (on_hand, on_hand - 4))
        t.key("F2")
        t.wait("OK undone")
        moved = cluster.hf("history", "WID-1", "--warehouse", "BER1").lines
        equal(moved[0]["undoes"], moved[1]["sequence"], "what it undoes")
        equal(cluster.level("WID-1", "BER1")["on_hand"], on_hand - 4, "on hand")
        # Once: the same movement again.
        t.wait("(undoes)" if t.size[1] >= 80 else "%d m.kaya" % (on_hand - 4))
        t.key("Home", "Down", "u")
        t.wait("ERR it has been undone already")
        equal(cluster.level("WID-1", "BER1")["on_hand"], on_hand - 4, "on hand")
        made = cluster.hf("reserve", "WID-1=1@BER1", "--ttl", "1h").json["reservation"]
        t.wait(made[:9])
        t.key("Home", "u")
        t.wait("what happened to a reservation is not undone")
        before = movements(cluster)
        t.key("F2")
        equal(movements(cluster), before, "nothing is posted")


@test("release and extend with a countdown; ship, cancel and return of an order")
def reservations(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        orders(cluster, t)


@test("bulk jobs show how far they are, and which lines were refused and why")
def bulk_jobs(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        runs(cluster, t)
    with Terminal(cluster, rows=16, columns=52) as t:  # the word stays when the bar does not
        t.wait("WID-1")
        t.view("Runs")
        t.wait("refused!")


@test("receive, count and move with a scanner on 20x16")
def scanner(cluster):
    with Terminal(cluster, "--warehouse", "BER1", rows=16, columns=20) as t:
        scan_flows(cluster, t)


@test("a form on 20x16 cuts no figure, no code of five letters, and no words")
def small_form(cluster):
    there = cluster.level("WID-1", "BER1")["on_hand"]
    with Terminal(cluster, rows=16, columns=20) as t:
        t.wait("WID-1")
        select(t, "WID-1")
        t.key("F5")
        t.wait("Receive WID-1")
        choose_warehouse(t)
        t.wait("[BER1 v]")
        t.type("123456")
        t.wait("[123456]")
        t.wait("|On-hand %d ->" % there)
        t.wait("|%d" % (there + 123456))
        t.key("Esc")
        t.wait("nothing")
    with Terminal(cluster, "--warehouse", "BER1", rows=16, columns=20) as t:
        t.view("Scan")
        t.key("Enter", "Tab")
        t.wait("COUNT @ BER1")
        t.scan("WID-1")
        t.wait("is not shown while")
        t.wait("you count")


@test("what a small screen has no room for is left out whole, or said to be cut")
def small_screens(cluster):
    made = cluster.hf("reserve", "WID-1=1@BER1", "--ttl", "20m").json["reservation"]
    kept = cluster.hf("reserve", "WID-1=1@BER1", "--ttl", "2h").json["reservation"]
    with Terminal(cluster, rows=16, columns=20) as t:
        t.view("Reservations")
        wait_until(lambda: re.search(r">00:1\d", t.text()), 6, "the next to expire: " + t.text())
        t.key("o")
        t.type(made)
        t.wait(">" + made[-17:])  # its end, and the caret behind it
        t.key("Enter")
        t.wait(">" + made)
        t.view("Reservations")
        cluster.hf("release", made)
        t.wait("chosen one is over")
    cluster.hf("release", kept)
    begin_run(cluster, "long", 10000000)
    record_run(cluster, "long", [(n, "applied", "") for n in range(1, 11)])
    with Terminal(cluster, rows=20, columns=60) as t:
        t.wait("WID-1")
        t.wait("served 8/8")
        wait_until(lambda: t.lines()[0].endswith("~"), 6, "it goes on: " + t.text())
        t.view("Runs")
        t.wait(">long")
        check(" 10/100000~ " in t.line_with(">long"), t.text())
        t.view("Stock")
        open_form(t, "F4", "Adjust")
        t.wait("| F2 post Esc cancel ")
        t.key("Esc")
        t.wait("nothing was sent")


@test("the same on tmux, the second emulator; every size, and terminals without colour or UTF-8")
def sizes(cluster):
    with Tmux(cluster) as t:
        t.wait("WID-1")
        every_view(t)
    for rows, columns, term, locale, env in (
            (50, 200, "xterm-256color", "C.UTF-8", {}), (17, 65, "vt220", "C", {}),
            (16, 20, "linux", "C.UTF-8", {"NO_COLOR": "1"})):
        with Terminal(cluster, rows=rows, columns=columns, term=term, locale=locale,
                      env=env) as t:
            t.wait("WID-1")
            looks_right(t, rows, columns, colour=term != "vt220" and not env)
            t.view("Runs")  # that of the bulk jobs before
            t.wait("refused!" if columns >= 50 else "4/4! 2026w48-A7")
            t.view("Stock")
            t.wait("WID-1")
            if locale == "C":
                t.wait("JPN-1")
                check("日" not in t.text() and t.text().isascii(), "ASCII: %s" % t.text())


@test("resizing in a storm ends with the right screen, and loses nothing that was typed")
def storm(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        resize_storm(t)


@test("an idle screen writes nothing")
def idle(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.wait("LIVE")
        t.quiet(1)
        before = t.state()["written"]
        time.sleep(scale(2))
        if not wire.UNDER_VALGRIND:  # there others are seen to be late
            equal(t.state()["written"] - before, 0, "bytes written in two idle seconds")


@test("Ctrl-Z and fg, SIGTERM and a crash leave a sane terminal")
def sane(cluster):
    sane_terminal(cluster)


@test("--readonly offers no change; --plain only appends; a bad setting is told with its place")
def modes(cluster):
    with Terminal(cluster, "--readonly") as t:
        t.wait("(readonly)")
        t.wait("WID-1")
        check("F4Adj" not in t.text(), t.text())
        t.key("F4", "F9")
        t.wait("Menu")
        # The words of the menu: a wide screen has events below, and these may be of receipts.
        check("change on-hand" not in t.text() and "goods came in" not in t.text(), t.text())
    with Terminal(cluster, "--plain") as t:
        t.wait("WID-1")
        t.key("F3")
        t.wait("Reservations")
        t.key("Esc")
        t.send("\033[21~")
        equal(t.ended(), 0, "exit code")
        equal(t.state()["alternate"], 0, "no other screen")
    for term, why in (("dumb", "can only append"), ("nonsense", "is not known here")):
        with Terminal(cluster, term=term) as t:
            t.wait('"%s" %s' % (term, why))
            equal(t.ended(), 71, "exit code with TERM=" + term)
    with Terminal(cluster) as t:
        os.makedirs(os.path.join(t.home, ".config/holdfast"))
        path = os.path.join(t.home, ".config/holdfast/console.yaml")
        with open(path, "w") as file:
            file.write("version: 1\nwarehose: BER1\n")
        done = execute([CONSOLE, "-C", cluster.file], env={"HOME": t.home})
        equal(done.code, 65, "exit code")
        check(':2:1: error: unknown key "warehose" (did you mean "warehouse"?)' in done.err,
              done.err)
        for code, *words in ((71, "--settings", "/nonexistent"), (71, "--script", "/nonexistent"),
                             (71, "-C", "/nonexistent"), (71, "--count-sheet", "/nonexistent"),
                             (64, "--actor", "x" * 65), (64, "--actor", "")):
            done = execute([CONSOLE, "-C", cluster.file, "--plain", *words])
            equal(done.code, code, "exit code of %s" % done)
            check(words[1] in done.err if code == 71 else "--actor is " in done.err, str(done))


@test("sixty columns: no figure, code, name or key is cut where there is room for it")
def sixty_columns(cluster):
    code = "A-LONG-CODE-00001"
    cluster.hf("item", "put", code, "--name", "Many of them")
    cluster.hf("receive", code + "=1234567@BER1", "--reference", "PO-9")
    held = cluster.hf("reserve", "WID-1=2@BER1", "--ttl", "1h", "--order", "web-77123", "--actor",
                      "shop").json
    with Terminal(cluster, rows=20, columns=60) as t:
        t.wait("> " + code)
        t.key("Enter")
        t.wait("Item " + code)
        t.wait_line(">BER1", "1234567")
        check("####" not in t.text(), t.text())
        t.wait_line("WAREHOUSE", "RESVD", "COMTD", "AVAIL")
        t.view("Reservations")
        t.wait_line(held["reservation"], "WID-1 x2", "web-77123")
        t.view("Events")
        t.wait_line("reserved", "WID-1", "BER1", "+2r", " shop w")
        t.view("Stock")
        t.key("F9")
        t.wait("Menu")
        t.type("screen")
        t.wait_line("redraw", "Ctrl-L")
        t.wait_line("dump-screen", "Ctrl-P")
        t.key("Esc")
        t.wait_gone("Menu -")
    cluster.hf("release", held["reservation"])
    cluster.hf("adjust", code + "=-234567@BER1", "--reason", "damaged")


@test("an event without stock tells of none; what is cut says so, and is not where there is room")
def cut_and_none(cluster):
    order = "order-2026-11-00001234567"
    held = cluster.hf("reserve", "WID-1=2@BER1", "--ttl", "1h", "--order", order).json
    begin_run(cluster, "cut", 1)
    record_run(cluster, "cut", [(1, "unknown_sku", "adjust.sku: no item has this sku, not one")])
    cluster.hf("reason", "put", "late", "--name", "Came late")
    with Terminal(cluster, rows=43, columns=132) as t:
        t.view("Reservations")
        t.wait_line(held["reservation"], order)
        t.view("Events")
        t.wait_line(">", "reason_put")
        t.wait("reason_put  ")
        check("available" not in t.text(), "a reason is no stock: " + t.text())
    with Terminal(cluster, rows=20, columns=60) as t:
        t.view("Runs")
        t.wait_line("! line 1: unknown_sku", "~")
    cluster.hf("release", held["reservation"])


@test("a terminal with one screen: the shell goes on in a line of its own")
def one_screen(cluster):
    for term in "vt220", "linux":
        with Terminal(cluster, term=term) as t:
            t.wait("F10Quit")
            t.key("F10")
            equal(t.ended(), 0, "exit code")
            equal(t.lines()[-1].strip(), "", "the last line, where the shell asks, on " + term)
            equal(t.cursor()[:2], (t.size[0] - 1, 0), "the cursor, on " + term)
        with Terminal(cluster, term=term) as t:  # a crash leaves what is above its line
            t.wait("F10Quit")
            t.signal(signal.SIGSEGV)
            equal(t.ended(), -signal.SIGSEGV, "how it ended")
            row = t.cursor()[0]
            equal("".join(t.lines()[row:]).strip(), "", "below the shell's line, on " + term)


@test("a reply that is lost: OUTCOME UNKNOWN, settled by its id, done once")
def reply_lost(cluster):
    lost_reply(cluster)


@test("a broker that is stopped, or killed, while posting: done once, or certainly not")
def broker_gone(cluster):
    for number in (signal.SIGSTOP, signal.SIGKILL):
        with Terminal(cluster) as t:
            t.wait("WID-1")
            broker_during_post(cluster, t, number)


@test("no view: OFFLINE with the age of the data, posting off without a broker, text is kept")
def offline(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        everything_gone(cluster, t)


@test("a database is down and the view has forgotten: ? and never 0, and sums are at least")
def shard_down(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        database_down(cluster, t)


if __name__ == "__main__":
    # Under valgrind all wait for each other longer than three heartbeats of a second.
    run(workers=2, views=1, shards=2,
        windows={"heartbeat": "5s", "lease": "15s"} if wire.UNDER_VALGRIND else {})

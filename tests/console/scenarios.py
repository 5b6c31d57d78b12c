# SPDX-License-Identifier: MIT
"""What is done on a terminal, and what must be seen: shared by 85-console.py and matrix.py."""
import os
import signal
import threading
import time

import zmq

from harness import *
from terminal import KEYS, Terminal, console_argv

PAGES = ["ZPG-%02d" % i for i in range(30)]
ALL = PAGES + ["JPN-1", "WID-1", "WID-2-LONG", "WID-3", "WID-9"]
VIEWS = ["Stock", "Item", "Reservations", "Orders", "Operations", "Events", "Runs", "Scan", "Count"]


def stock_up(cluster):
    for code, name in (("BER1", "Berlin"), ("HAM2", "Hamburg")):
        cluster.hf("warehouse", "put", code, "--name", name)
    for code, name in (("damaged", "Broken or spoiled"), ("recount", "Counted anew"),
                       ("found", "Found again")):
        cluster.hf("reason", "put", code, "--name", name)
    cluster.hf("item", "put", "WID-1", "--name", "Widget blue 40mm", "--barcode", "4006381333931")
    cluster.hf("item", "put", "WID-2-LONG", "--name", "A very long name " * 8)
    cluster.hf("item", "put", "WID-3", "--name", "Short barcode", "--barcode", "7731")
    cluster.hf("item", "put", "WID-9", "--name", "Sold out")
    cluster.hf("item", "put", "JPN-1", "--name", "Widg\u00e9t \u65e5\u672c M4", "--reorder-point",
               "100")
    cluster.hf("receive", "WID-1=50@BER1", "--reference", "PO-1")
    cluster.hf("receive", "WID-1=8@HAM2", "--reference", "PO-1")
    cluster.hf("receive", "WID-3=5@BER1", "--reference", "PO-1")
    cluster.hf("receive", "JPN-1=42@HAM2", "--reference", "PO-1")
    rows = "".join("%s,BER1,%d,Page number %d\n" % (sku, i + 1, i)
                   for i, sku in enumerate(PAGES))
    done = cluster.hf("import", "/dev/stdin", input="sku,warehouse,on_hand,name\n" + rows,
                      json=False, expect=None)
    check(done.code == 0, "import: %s" % done)


def movements(cluster):
    return sum(int(row[0]) for row in cluster.sql("SELECT COUNT(*) FROM movement",
                                                  all_shards=True))


# ---------------------------------------------------------------- steps


def stock_rows(t):
    """The lines of Stock's list, without what stands below it."""
    rows = []
    for line in t.lines()[3:-2]:
        if line.startswith("- "):
            break
        if line.strip():
            rows.append(line)
    return rows


def select(t, sku):
    """The row of a sku, from the first one on; each Down has been seen before the next."""
    def selected():
        """Its first word: what else is in the row changes by itself."""
        rows = [line[1:].lstrip(" *").split() for line in t.lines() if line.startswith(">")]
        return rows[0][0] + " " if rows and rows[0] else ""

    def at_first():
        title = t.lines()[1]
        return (t.size[1] < 40 or "from 1 " in title) and t.lines()[3].startswith(">")

    t.key("Home")
    wait_until(at_first, 6, "the first row is selected")
    for _ in range(60):
        before = selected()
        if before.startswith(sku):
            return
        t.send(KEYS["Down"])
        # While a page is turned no row is selected.
        wait_until(lambda: selected() not in ("", before), 6, "Down moves on: " + before)
    raise Failure("no row of %s: %s" % (sku, t.text()))


def choose_warehouse(t, code="BER1"):
    t.type(code)
    t.key("Tab")


def open_form(t, key, title, sku="WID-1"):
    select(t, sku)
    t.key(key)
    t.wait("%s %s" % (title, sku))
    choose_warehouse(t)
    t.wait("On-hand")


def adjust(t, change, sku="WID-1"):
    open_form(t, "F4", "Adjust", sku)
    t.type(change)
    t.key("Tab")
    t.type("damaged")


# ---------------------------------------------------------------- scenarios


def every_view(t):
    for name in VIEWS:
        t.view(name)
        bar = t.lines()[-1] or t.lines()[-2]
        if name in ("Operations", "Scan", "Reservations"):
            check("F4Adj" not in bar, "no key that does nothing: " + bar)
        t.key("F1")
        t.wait("Help: " + name)
        t.key("Esc")
        t.wait("F10Quit")
    t.view("Stock")
    t.key("F9")
    t.wait("adjust")
    t.type("safety")
    t.wait("set the safety stock")
    t.key("Enter")
    t.wait("Safety stock")
    t.key("Esc")
    t.wait("nothing was sent")
    t.key(":")
    t.wait("Palette")
    t.type("oper")
    t.key("Esc")


def keys_in_one_write(t):
    # 60 letters that open the filter, fill it, and go on.
    text = "abcdefghijklmnopqrstuvwxyz0123456789"
    t.send("/" + text)
    t.wait("filter: " + text)
    t.key("Esc")
    # The first row, and two further on.
    t.wait("WID-1")
    t.send("\033[H\033[B\033[B")
    wait_until(lambda: any(line.startswith("> " + sorted(ALL)[2]) for line in t.lines()), 6,
               "Home and two Downs: " + t.text())
    # A form is opened, filled and left in one write: every key of it counts.
    select(t, "WID-1")
    t.send("\033OS" + "BER1\t-7\tdam\t" + "n" * 200 + "END")
    t.wait("nnnEND")
    t.wait("[-7 ")
    t.wait("[damaged ")
    t.key("Esc")
    t.wait("nothing was sent")


def burst(t, behind=""):
    codes = ("4006381333931", "7731", "4006381333931999999", "12*4006381333931")
    t.send("".join(code + "\r" for code in codes) + "4006381333931\t" + behind)


def scan_everywhere(t):
    for name in VIEWS:
        t.view(name)
        burst(t)
        for _ in range(3):
            t.key("Esc")
        t.key("F1")
        t.wait("Help:")
        burst(t)
        t.key("Esc", "Esc", "Esc")
        t.key("F9")
        burst(t)
        t.key("Esc", "Esc", "Esc")
    t.view("Stock")
    t.key("Esc")
    # A form that lacks nothing but F2, with the last field in focus.
    adjust(t, "-3")
    t.wait("-> ")
    t.key("Tab")
    burst(t, "\0332")
    t.wait("33931")  # the end of it, as a narrow field shows
    t.key("Esc")
    t.wait("cancelled")
    for key, title in (("F4", "Adjust"), ("F5", "Receive"), ("F6", "Move"), ("F7", "Count"),
                       ("x", "Quarantine"), ("r", "Restore"), ("b", "Safety stock")):
        select(t, "WID-1")
        t.key(key)
        t.wait((title + " WID-1")[:14])  # as much as 20 columns show
        for _ in range(6):  # into every field
            burst(t, "\0332")  # Alt-2 right behind a scan is the scanner's noise
            t.key("Tab")
        t.key("Esc")
        t.wait("cancelled")


def looks_right(t, rows, columns, colour):
    lines = t.lines()
    equal(len(lines), rows, "rows")
    check(all(len(line) <= columns for line in lines), "no line is too long")
    check("F1Help" in lines[-1] and "F10" in lines[-1] or columns < 30, lines[-1])
    if columns >= 200:
        wait_until(lambda: "BER1" in t.lines()[2] and "HAM2" in t.lines()[2], 6,
                   "a column per warehouse: " + lines[2])
    cells = [t.cell(r, c) for r in range(rows) for c in range(0, columns, 7)]
    check(colour or all(c["colour"] == -1 for c in cells), "no colour")
    t.key("F4")
    t.wait("Adjust")
    t.wait("F2 post")
    t.key("Esc")
    t.wait("nothing was sent" if columns > 30 else "cancelled")


def resize_storm(t):
    select(t, "WID-1")
    t.key("F4")
    t.wait("Adjust WID-1")
    choose_warehouse(t)
    t.type("-")
    digits = "123456"
    for i in range(120):
        rows, columns = 5 + (i * 7) % 46, 20 + (i * 31) % 180
        t.resize(rows, columns)
        if i % 20 == 10:
            t.send(digits[i // 20])
    t.resize(24, 80)
    t.wait("[-123456")
    t.wait("On-hand")
    t.key("Esc")
    t.wait("nothing was sent")
    t.wait("F10Quit")
    t.resize(1, 1)
    t.resize(24, 80)
    t.wait("F10Quit")
    equal(len(t.lines()), 24, "rows")


def orders(cluster, t):
    made = cluster.hf("reserve", "WID-1=3@BER1", "WID-1=1@HAM2", "--ttl", "30m", "--order",
                      "o77").json
    soon = cluster.hf("reserve", "WID-3=1@BER1", "--ttl", "5m", "--order", "o78").json
    t.view("Reservations")
    t.wait(soon["reservation"])
    t.wait_line(soon["reservation"], "00:04:")  # a countdown
    t.key("Home")
    t.wait(">00:04")
    t.key("+")
    t.wait("Extend " + soon["reservation"])
    t.wait("F2 post ")  # a broker was heard: it tells its state once a second
    t.type("2x")
    t.wait("must be a number")
    t.key("F2")
    t.quiet(0.3)
    equal(t.text().count("must be a number"), 1, "the fault is told once: " + t.text())
    t.key("Backspace")
    t.type("h")
    t.key("F2")
    t.wait("OK extended")
    t.wait("01:59:")
    t.key("Home")
    t.wait(">00:29")
    t.key("F8")
    t.wait("Release")
    t.wait("WID-1@BER1 of 3")
    t.send("1")
    t.key("F2")
    t.wait("OK released")
    shown = cluster.hf("reservation", "show", made["reservation"]).json
    equal(sum(line["reserved"] for line in shown["lines"]), 2, "reserved after releasing 2 of 3")
    cluster.hf("purchase", made["reservation"])
    t.view("Orders")
    t.key("o")
    t.type("o77")
    t.key("Enter")
    t.wait("p ship")
    t.key("p")
    t.wait("Ship R-")
    t.wait("of 2")
    t.send("1")
    t.key("F2")
    t.wait("choose a Reason")
    t.wait("short: 1 WID-1@")
    t.type("damaged")
    t.key("F2")
    t.wait("OK shipped")
    t.wait("1 shipped")
    t.key("c")
    t.wait("Cancel R-")
    t.wait("of 1")
    t.key("F2")
    t.wait("OK cancelled")
    t.key("t")
    t.wait("Return R-")
    t.wait("of 1")
    t.send("1\tquar")
    t.key("F2")
    t.wait("OK returned")
    shipped = [m for m in cluster.hf("history", "WID-1").lines if m["movement"] == "shipped"]
    equal([m["reason"] for m in shipped], ["damaged"], "why it was short, in the ledger")
    shown = cluster.hf("reservation", "show", made["reservation"]).json
    equal([sum(line[k] for line in shown["lines"])
           for k in ("shipped", "cancelled", "returned", "released")], [1, 1, 1, 2], "the lines")


def begin_run(cluster, run, lines):
    body = wire.operation("begin_run", run=run, digest=b"x" * 32, actor="m.kaya")
    body.begin_run.lines = lines
    with cluster.peer() as peer:
        answer = peer.call(body, cluster.partition(run))
    equal(answer.status, 0, "begin_run: %s" % answer)


def record_run(cluster, run, lines):
    """What `apply` tells of lines: [(line, result, text)]; of a count list with a dict behind."""
    body = wire.operation("record_run", run=run)
    for number, result, text, *more in lines:
        body.record_run.lines.add(line=number, status=wire.STATUS_CODES[result], sequence=1,
                                  text=text.encode(), **(more[0] if more else {}))
    with cluster.peer() as peer:
        answer = peer.call(body, cluster.partition(run))
    equal(answer.status, 0, "record_run: %s" % answer)


def runs(cluster, t):
    t.view("Runs")
    t.wait("no bulk job was run yet")
    begin_run(cluster, "2026w48-A7", 4)
    record_run(cluster, "2026w48-A7", [(1, "applied", "")])
    t.view("Stock")
    t.view("Runs")  # entering it asks at once
    t.wait("1/4")
    words = t.size[1] >= 50  # a narrower screen has only marks
    check("open" in t.line_with(">2026w48-A7") or not words, t.text())
    record_run(cluster, "2026w48-A7", [(2, "unknown_reason", "no reason damged"), (3, "applied", ""),
                                       (4, "applied", "")])
    t.wait("4/4")
    t.wait("! line 2: unknown_reason: no reason damged")
    check("refused!" in t.line_with(">2026w48-A7") or not words, t.text())


def scan_flows(cluster, t):
    before = cluster.level("WID-1", "BER1")["on_hand"]
    t.key("F3")
    t.send("Scan\r")
    t.wait("RECEIVE @ BER1")
    t.type("PO-9")
    t.key("Enter")
    t.wait("12 pieces")
    t.type("12*")
    t.wait("12 x")
    t.scan("4006381333931")
    t.wait("Receive WID-1")
    t.wait("[12")
    t.key("Enter")
    t.scan("WID-2")  # the next item, before F2
    t.wait("ERR WID-2 not")
    equal(cluster.level("WID-1", "BER1")["on_hand"], before, "a scan posts nothing")
    t.wait("-> ")
    t.key("F2")
    t.wait("OK received")
    t.scan("4999999999999")
    t.wait("ERR 49999")
    t.key("Tab")
    t.wait("COUNT @ BER1")
    t.scan("4006381333931")
    t.wait("Count WID-1")
    t.wait("F2 post")
    check(str(before + 12) not in t.text(), "the count is blind: " + t.text())
    t.type(str(before + 10))
    t.key("F2")
    t.wait("differs from")
    t.type("recount")
    t.key("F2")
    t.wait("OK counted")
    t.key("Tab")
    t.wait("MOVE @ BER1")
    t.scan("4006381333931")
    t.wait("Move WID-1")
    t.type("2")
    t.key("Tab")
    t.type("HAM2")
    t.wait("-> ")
    t.key("F2")
    t.wait("OK moved 2")
    equal(cluster.level("WID-1", "BER1")["on_hand"], before + 8, "on hand")
    moved = cluster.hf("history", "WID-1", "--warehouse", "BER1").lines
    equal([m["movement"] for m in moved[:3]],
          ["transferred", "counted", "received"], "the ledger")
    equal(moved[2]["reference"], "PO-9", "the reference")


def sane_terminal(cluster):
    """Under a shell with job control, as staff start it."""
    with Terminal(argv=["bash", "--norc", "--noprofile", "-i"], term="xterm-256color",
                  env=dict(wire.CRASHES, PS1="shell> ")) as t:
        t.wait("shell>")

        def settled(what):
            t.wait("shell>")
            equal(t.state()["alternate"], 0, "the shell's own screen after " + what)
            equal(t.cursor()[2], 1, "the cursor shows after " + what)
            t.send("stty -a | tr ' ' '\\n' | grep -E '^-?(icanon|echo|isig);?$' | tr '\\n' '_'; "
                   "echo EN''D%s\r" % what)
            t.wait("END" + what)
            line = t.line_with("_END" + what)
            check("icanon" in line and "-icanon" not in line and "-echo_" not in line
                  and "-isig" not in line, "stty after %s: %s" % (what, line))

        command = " ".join(console_argv(cluster)) + "\r"
        t.send(command)
        t.wait("WID-1")
        equal(t.state()["alternate"], t.two_screens, "its own screen")
        t.key("/")
        t.type("wid")
        if not wire.UNDER_VALGRIND:  # which ignores what would stop a process
            t.send("\032")
            t.wait("Stopped")
            settled("stop")
            t.send("fg\r")
        t.wait("filter: wid")
        t.wait("F10Quit")
        t.key("Esc")
        for number, name in ((signal.SIGTERM, "term"), (signal.SIGSEGV, "segv"),
                             (signal.SIGABRT, "abrt")):
            found = [p for p in marked_processes(mark) if p.role == "holdfast-console"]
            equal(len(found), 1, "consoles that run")
            found[0].signal(number)
            wait_until(lambda: not found[0].alive(), 10, "it ends by " + name)
            settled(name)
            t.send("clear\r")
            t.send(command)
            t.wait("F10Quit")
        t.key("F10")
        settled("quit")


# ---------------------------------------------------------------- things break


class Proxy(threading.Thread):
    """Between a console and a broker; it can lose what the broker answers."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.context = zmq.Context()
        self.front = self.context.socket(zmq.ROUTER)
        self.endpoint = "ipc://%s/proxy" % cluster.dir
        self.front.bind(self.endpoint)
        self.target = cluster.client_endpoint()
        self.lose, self.over, self.backs = False, False, {}

    def run(self):
        poller = zmq.Poller()
        poller.register(self.front, zmq.POLLIN)
        while not self.over:
            for socket, _ in poller.poll(50):
                parts = socket.recv_multipart()
                if socket is self.front:
                    if parts[0] not in self.backs:
                        back = self.context.socket(zmq.DEALER)
                        back.connect(self.target)
                        self.backs[parts[0]] = back
                        poller.register(back, zmq.POLLIN)
                    self.backs[parts[0]].send_multipart(parts[1:])
                elif not (self.lose and self.is_result(parts)):
                    client = next(k for k, v in self.backs.items() if v is socket)
                    self.front.send_multipart([client, *parts])
        for socket in [self.front, *self.backs.values()]:
            socket.close(0)
        self.context.term()

    @staticmethod
    def is_result(parts):
        return parts[0][3] in (17, 24)  # RESULT, BATCH


def lost_reply(cluster):
    proxy = Proxy(cluster)
    proxy.start()
    try:
        with open(cluster.file) as file:
            text = file.read().replace(cluster.client_endpoint(), proxy.endpoint)
        path = os.path.join(cluster.dir, "through-proxy.yaml")
        with open(path, "w") as file:
            file.write(text)
        with Terminal(path) as t:
            t.wait("WID-1")
            on_hand = cluster.level("WID-1", "BER1")["on_hand"]
            adjust(t, "-1")
            t.wait("-> %d" % (on_hand - 1))
            proxy.lose = True
            t.key("F2")
            t.wait("OUTCOME UNKNOWN, checking; do not repeat", 20)
            history = lambda: len(cluster.hf(  # noqa: E731
                "history", "WID-1", "--warehouse", "BER1").lines)
            before = history()
            t.key("F2", "F2")
            equal(cluster.level("WID-1", "BER1")["on_hand"], on_hand - 1, "it was done")
            proxy.lose = False
            t.wait("OK adjusted WID-1@BER1", 20)
            t.wait_gone("OUTCOME UNKNOWN")
            equal(cluster.level("WID-1", "BER1")["on_hand"], on_hand - 1, "it was done once")
            equal(history(), before, "movements: F2 again posted nothing")
    finally:
        proxy.over = True
        proxy.join(scale(10))


def broker_during_post(cluster, t, number):
    t.wait("LIVE", 20)
    on_hand = cluster.level("WID-1", "BER1")["on_hand"]
    adjust(t, "-1")
    t.wait("-> %d" % (on_hand - 1))
    broker = cluster.process("broker")
    if number == signal.SIGSTOP:
        cluster.stop(broker)
    else:
        broker.signal(number)
    t.key("F2")
    if number == signal.SIGSTOP:
        t.wait("posting ...")
        t.wait("OUTCOME UNKNOWN", 20)
        cluster.cont(broker)
    t.wait("adjusted WID-1@BER1", 30)
    wait_until(lambda: t.shows("OK adjusted") or t.shows("ERR not done"), 30, "it is certain")
    done = t.shows("OK adjusted")
    wait_until(lambda: cluster.hf("stock", "WID-1", expect=None).code == 0, 20, "it answers")
    equal(cluster.level("WID-1", "BER1")["on_hand"], on_hand - done, "on hand, when it says %s"
          % ("done" if done else "not done"))
    t.wait("LIVE", 20)


def everything_gone(cluster, t):
    adjust(t, "-9")
    view, broker = cluster.process("view"), cluster.process("broker")
    cluster.stop(view)
    cluster.stop(broker)
    try:
        t.wait("OFFLINE 00:0", 20)
        t.wait("data from")
        t.wait("posting is off", 20)
        check(t.shows("NO BROKER") or t.size[1] < 50, t.text())
        before = movements(cluster)
        t.key("F2")
        t.wait("no broker is heard")
        t.wait("[-9")
    finally:
        cluster.cont(view)
        cluster.cont(broker)
    t.wait("F2 post ", 20)
    t.wait("LIVE", 20)
    t.wait("[-9")
    equal(movements(cluster), before, "nothing was posted")
    t.key("Esc")
    t.wait("nothing was sent")


def database_down(cluster, t):
    stopped = [p for p in cluster.processes("mariadbd")][-1:]
    shard = stopped[0]
    cluster.stop(shard)
    try:
        cluster.process("view").kill()
        t.wait("INCOMPLETE: 4/8", 30)
        t.wait(">= ")
        # What is on the screen and not known any more is ?, and whatever is known is not.
        def unknown():
            return [line for line in t.lines()[3:-2]
                    if " ? " in line and line[1:].lstrip(" *").split()[0] in ALL]

        wait_until(unknown, 20, "rows that nobody knows: " + t.text())
        shown = unknown()
        for line in shown:
            check(not any(c.isdigit() for c in line[line.index(" ? "):]), "a figure beside ?: " + line)
    finally:
        cluster.cont(shard)
    t.wait_gone("INCOMPLETE", 40)
    t.wait("LIVE", 30)

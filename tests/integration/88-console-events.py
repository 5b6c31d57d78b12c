# SPDX-License-Identifier: MIT
"""The console's Events on pseudo-terminals, against a real cluster: what happens is seen as it happens, filtered as
one types, and what could not be seen is said to be so."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "console"))
from harness import *  # noqa: E402
from scenarios import *  # noqa: E402
from terminal import Terminal  # noqa: E402

LINES_KEPT = 500  # console/view_events.c


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
        check(first_line(t).startswith(">"), "the newest is selected: " + first_line(t))
        for word in ("adjusted", "WID-1", "BER1", "-3", "47", "j.lee", "damaged"):
            check(word in first_line(t), "%s in %s" % (word, first_line(t)))
        t.key("Enter")
        t.wait("Item WID-1")
        t.key("-")
        t.wait("Events")
        t.key("Down")  # the reservation, and no further: the import was before it
        t.wait("1 above, g follows")
        check("o-77" in t.line_with(">"), t.text())
        t.key("O")
        t.wait("Orders " + held.json["reservation"])
        t.key("-")
        t.wait("Events")
        change(cluster, -1, note="second")
        t.wait("2 above, g follows")  # what one reads stays where it is
        check("o-77" in t.line_with(">"), t.text())
        t.key("g")
        t.wait("following")
        check("second" in first_line(t), first_line(t))


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
                  for i in range(2500)]
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
        t.key("g")
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
        t.wait("the-last")
        cluster.stop(cluster.process("view"))
        try:
            t.wait("OFFLINE", 20)
            t.key("Down")  # it is no screen that hangs
            wait_until(lambda: t.lines()[4].startswith(">"), 6, "the selection moves")
            t.key("g")
        finally:
            cluster.process("view").kill()
        t.wait("another view answers", 30)
        change(cluster, -1, note="after-it")
        t.wait("after-it", 20)
        check("the-last" not in t.text(), "the new view has not seen it: " + t.text())

if __name__ == "__main__":
    run(workers=2, views=1, shards=1)

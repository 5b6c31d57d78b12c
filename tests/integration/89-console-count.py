# SPDX-License-Identifier: MIT
"""Counting by a list on holdfast-console: several people walk one list, on real processes and
pseudo-terminals. Who comes second is told so, a conflict holds nobody up, and anybody goes on."""
import difflib
import importlib.util
import os
import signal
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "console"))
from harness import *  # noqa: E402
from scenarios import *  # noqa: E402
from terminal import CONSOLE, Terminal  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SIZE = dict(rows=24, columns=80)
BER = ("--warehouse", "BER1")


def make_list(t, name, filter=None):
    """Of what Stock shows."""
    t.wait("WID-1")
    if filter:
        t.key("/")
        t.wait("filter:")
        t.send(filter + "\r")
        t.wait('"%s"' % filter)
        t.wait_gone("WID-1 ")
    t.key("C")
    t.wait("name of the count list")
    t.send(name + "\r")
    t.wait(" Count 0/")


def open_list(t, name, progress):
    t.view("Runs")
    t.wait(">" + name)  # the newest
    t.key("Enter")
    t.wait(" Count " + progress)


def count(t, quantity, reason=None):
    """The form of the line that is chosen."""
    t.key("F7")
    t.wait("F2 post ")
    t.type(str(quantity))
    if reason:
        t.key("Tab")
        t.type(reason)
    t.key("F2")


def chosen(t, sku):
    wait_until(lambda: any(line.startswith(">") and sku in line for line in t.lines()), 6,
               "%s is chosen: %s" % (sku, t.text()))


def counts_of(cluster, sku):
    return [m for m in cluster.hf("history", sku, "--warehouse", "BER1").lines
            if m["movement"] == "counted" and m["actor"] in ("m.kaya", "j.lee")]  # no import


def line_id(run, number):
    """As protocol.md derives it."""
    import hashlib
    digest = bytearray(hashlib.sha256(hashlib.sha256(run.encode()).digest()
                                      + number.to_bytes(8, "big")).digest()[:16])
    digest[6] = digest[6] & 0x0f | 0x80
    digest[8] = digest[8] & 0x3f | 0x80
    return bytes(digest)


def run_of(cluster, name):
    return cluster.hf("run", "show", name).lines


@test("the pictures in docs/console.md: headings, keys, menu, help and words are those of the console")
def pictures(cluster):
    spec = importlib.util.spec_from_file_location(
        "console_screens", os.path.join(ROOT, "tools", "console-screens.py"))
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    _, page = tool.read_page()
    tool.fill(cluster)
    for name, text in tool.capture_all(cluster).items():
        differs = [line for line in difflib.unified_diff(
            tool.structure(page[name]), tool.structure(text), "docs/console.md", "the console",
            lineterm="", n=0)]
        check(not differs, "%s: run make console-screens, and read what has changed:\n%s"
              % (name, "\n".join(differs)))


@test("two consoles count one list: a line once, whoever is first; what one ticks the other sees")
def together(cluster):
    stock_up(cluster)
    with Terminal(cluster, *BER, **SIZE) as t, Terminal(cluster, *BER, **SIZE) as u:
        make_list(t, "pages", "number 1")  # 1, and 10 to 19
        t.wait(" Count 0/11  pages @ BER1")
        open_list(u, "pages", "0/11")
        chosen(t, "ZPG-01")
        count(t, 2)  # as the books say: no reason is asked for
        t.wait(" Count 1/11")
        u.wait(" Count 1/11")
        u.wait_line("ZPG-01", "counted")  # the other sees what was ticked
        chosen(t, "ZPG-10")
        # Both have the next line's form open, and find different numbers.
        u.key("n")
        chosen(u, "ZPG-10")
        for screen, number in ((t, 9), (u, 8)):
            screen.key("F7")
            screen.wait("F2 post ")
            check("On-hand" not in screen.text(), "the count is blind: " + screen.text())
            screen.type("%d" % number)
            screen.key("Tab")
            screen.type("recount")
        t.key("F2")
        t.wait(" Count 2/11")
        wait_until(lambda: u.shows("Keep") or u.shows("Changed"), 6, "it moved under the other's form")
        u.type("count")
        u.key("F2")
        u.wait("was counted already, by somebody else; not again")
        u.wait(" Count 2/11")
        equal(cluster.level("ZPG-10", "BER1")["on_hand"], 9, "the first count")
        counted = counts_of(cluster, "ZPG-10")
        equal([(m["actor"], m["reason"]) for m in counted], [("m.kaya", "recount")], "one count")
        t.key("Home")
        t.key("F7")
        t.wait("ERR ZPG-01 is counted already")


@test("a conflict is left for later, holds nobody up, and is settled by another: count or difference")
def conflict(cluster):
    with Terminal(cluster, *BER, **SIZE) as t, Terminal(cluster, *BER, "--actor", "j.lee",
                                                        **SIZE) as u:
        make_list(t, "nines", "9")
        t.wait(" Count 0/3")
        both = (("ZPG-09", "count", 11), ("ZPG-19", "difference", 13))
        for sku, _, _ in both:
            booked = cluster.level(sku, "BER1")["on_hand"]
            chosen(t, sku)
            t.key("F7")
            t.wait("F2 post ")
            t.type(str(booked + 1))
            cluster.hf("adjust", "%s=-8@BER1" % sku, "--reason", "damaged")
            t.wait("Keep the count: %d. Keep the difference (+1)" % (booked + 1))
            t.key("Esc")
            t.wait("left for later: " + sku)
        t.wait(" Count 0/3  2 MOVED!")
        chosen(t, "ZPG-29")
        count(t, 30)
        t.wait(" Count 1/3  2 MOVED!")
        t.wait("what is left are 2 lines that MOVED!")
        # Cut off. Somebody else goes on, from the record alone.
        t.signal(signal.SIGKILL)
        u.view("Runs")
        u.wait("nines: 1 applied, 2 MOVED!")
        u.wait_line(">nines", "MOVED!")  # a conflict is nothing refused
        u.wait("Enter opens the list; F7 there: keep the count, or the difference")
        u.wait("! line 1: ZPG-09@BER1: counted 11 when the books said 10, and it moved")
        open_list(u, "nines", "1/3  2 MOVED!")
        u.wait_line("ZPG-09", "counted 11, booked 10")
        refused = [line for line in run_of(cluster, "nines")
                   if line.get("result") == "version_conflict"]
        equal([line["sku"] for line in refused], ["ZPG-09", "ZPG-19"], "what is to be settled")
        for sku, keep, want in both:
            u.key("Home")
            if sku != "ZPG-09":
                u.key("Down")
            chosen(u, sku)
            u.key("F7")
            u.wait("Keep the count")
            u.type(keep)
            u.key("Tab", "Tab")
            u.type("recount")
            u.wait("[recount")
            u.key("F2")
            u.wait_gone("F2 post ")
            equal(cluster.level(sku, "BER1")["on_hand"], want, "keeping the %s: %s" % (keep, u.text()))
            equal(counts_of(cluster, sku)[0]["actor"], "j.lee", "who settled it")
        u.wait("OK every line of nines was counted")
        u.wait(" Count 3/3")
        wait_until(lambda: run_of(cluster, "nines")[0]["state"] == "done", 6, "the run is done")


@test("a count that was applied and not recorded, and an id that was given up: found out, done once")
def cut_off(cluster):
    with Terminal(cluster, *BER, **SIZE) as t:
        make_list(t, "cut", "number 1")
        t.wait(" Count 0/11")
        begun = next(int(row[0]) for row in cluster.sql(
            "SELECT created_at_us FROM run WHERE run='cut'", all_shards=True))
        # What a console does that is cut off between the count and its record.
        with cluster.peer() as peer:
            answer = peer.call(wire.operation("count", id=line_id("cut", 1), actor="j.lee",
                                              id_time_us=begun, sku="ZPG-01", warehouse="BER1",
                                              quantity=7, reason="recount"),
                               cluster.partition("ZPG-01"))
        equal(answer.status, 0, "the other's count: %s" % answer)
        chosen(t, "ZPG-01")
        count(t, 8, "recount")
        t.wait("was counted already, by somebody else; not again")
        t.wait(" Count 1/11")
        equal(cluster.level("ZPG-01", "BER1")["on_hand"], 7, "the count that was applied")
        wait_until(lambda: run_of(cluster, "cut")[0]["applied"] == 1, 6, "it is recorded")
        # An id that somebody settled as void is left behind, and the line is counted all the same.
        cluster.hf("settle", str(uuid.UUID(bytes=line_id("cut", 2))))
        chosen(t, "ZPG-10")
        count(t, 5, "recount")
        t.wait("OK counted ZPG-10@BER1")
        t.wait(" Count 2/11")
        equal(cluster.level("ZPG-10", "BER1")["on_hand"], 5, "on hand")
        moved = counts_of(cluster, "ZPG-10")[0]
        equal(moved["operation_id"], str(uuid.UUID(bytes=line_id("cut", 2 + (1 << 32)))),
              "the id's next generation")


@test("a count sheet by a scanner on 20x16: what is not on it, what is counted, what is filled in")
def sheet(cluster):
    path = os.path.join(cluster.dir, "sheet.yaml")
    text = cluster.hf("export", "--count-sheet", "BER1", "--run", "friday", json=False).out
    with open(path, "w") as file:
        file.write(text)
    with Terminal(cluster, "--count-sheet", path, rows=16, columns=20) as t:
        t.wait(" Count 0/")
        t.key("F3")
        t.send("Scan\r")
        t.key("Tab")
        t.wait("COUNT list 0/")
        t.scan("4006381333931")
        t.wait("Count WID-1")
        t.wait("F2 post")
        check("50" not in t.text(), "the count is blind: " + t.text())
        t.type("50")
        t.key("F2")
        t.wait("COUNT list 1/")
        t.scan("JPN-1")  # between the two of WID-1: the same one at once would be dropped
        t.wait("ERR JPN-1 is not o")
        t.scan("4006381333931")
        t.wait("ERR WID-1 is")
        t.wait("counted already")
        t.type("5*")
        t.scan("7731")
        t.wait("Count WID-3")
        t.wait("[5")
        t.wait("F2 post")
        t.key("F2")
        t.wait("COUNT list 2/")
    equal([len(counts_of(cluster, sku)) for sku in ("WID-1", "WID-3")], [1, 1], "counts")
    # The same sheet, filled in on paper, is another run's: nothing is counted twice.
    filled = text.replace("to: ,", "to: 1,")
    check(filled != text, text[:400])
    with open(path, "w") as file:
        file.write(filled)
    done = cluster.hf("apply", path, expect=None, json=False)
    check(done.code != 0 and "operation_id_reused" in done.err, str(done))
    done = execute([CONSOLE, "-C", cluster.file, "--count-sheet", path])
    equal(done.code, 65, "exit code")
    check("error: it is filled in already" in done.err, done.err)


@test("Space tags rows: a form goes through them with its own F2 each, and a list is made of them")
def tags(cluster):
    with Terminal(cluster, *BER, rows=60, columns=80) as t:  # one page
        t.wait("WID-1")
        for sku in ("ZPG-03", "ZPG-05"):
            select(t, sku)
            t.key(" ")
        t.wait("tagged 2")
        check(t.line_with("ZPG-03")[1] == "*" and t.line_with("ZPG-04")[1] == " ", t.text())
        # Sorting does not lose them: they are skus, not rows.
        t.key("s", "s")
        t.wait("sort ON-HAND")
        t.wait("tagged 2")
        t.key("x")
        t.wait("Quarantine ZPG-03")
        t.wait("F2 post ")
        t.send("1\tdam")
        t.wait("[damaged")
        before = movements(cluster)
        t.key("F2")
        t.wait("Quarantine ZPG-05")
        t.wait("[damaged")  # the same for all; the number is not
        t.wait("F2 post ")
        equal(movements(cluster), before + 1, "one F2, one movement")
        t.key("Esc")
        t.wait("tagged 1")
        equal([cluster.level(sku, "BER1")["unavailable"] for sku in ("ZPG-03", "ZPG-05")], [1, 0],
              "set aside")
        t.key("Esc")
        t.wait("nothing is tagged any more")
        for key, title, words in (("r", "Restore", "1"), ("b", "Safety stock", "2")):
            select(t, "ZPG-03")
            t.key(key)
            t.wait(title + " ZPG-03")
            t.wait("F2 post ")
            t.type(words)
            t.key("F2")
            t.wait_gone("F2 post ")
        level = cluster.level("ZPG-03", "BER1")
        equal((level["unavailable"], level["safety_stock"]), (0, 2), "put back; kept back")
        select(t, "ZPG-05")
        t.key(" ")
        t.wait("tagged 1")
        t.key("C")
        t.wait("name of the count list")
        t.send("tagged\r")
        t.wait(" Count 0/1  tagged @ BER1")
        t.wait(">  ZPG-05")


if __name__ == "__main__":
    run(workers=2, views=1)

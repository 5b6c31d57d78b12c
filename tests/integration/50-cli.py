# SPDX-License-Identifier: MIT
"""The command line: each command, its JSON and its text, its exit codes, usage, import, man page and
completion. What a result means is tested in 60-results.py and 61-sheds.py.
"""
import csv
import json
import os
import re
import signal
import subprocess
import time
import uuid

from harness import *
from harness import BIN, MARK, BrokerAlone, Failure, execute, mark, wire

HOLDFAST = os.path.join(BIN, "holdfast")
ZULU = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
FIGURES = ["on_hand", "reserved", "committed", "unavailable", "safety_stock", "shortfall",
           "available"]


def plain(*words, expect=0, env=None, **options):
    done = execute([HOLDFAST, *words], env=env, **options)
    equal(done.code, expect, "exit code of %s" % done)
    return done


def table():
    """The command table: {words: (arguments, {option: value})}."""
    commands = {}
    for line in plain("help", "--table").out.splitlines():
        kind, words, *rest = line.split("\t")
        if kind == "command":
            commands[words] = (rest[0], {})
        else:
            commands[words][1][rest[0]] = rest[1]
    return commands


def write_csv(cluster, name, text):
    path = os.path.join(cluster.dir, name)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path


# ---------------------------------------------------------------- what is typed


@test("every command has --help and --json, every write --id, --actor, --note and --timeout")
def help_of_all(_):
    writes = ("put", "import", "reserve", "extend", "purchase", "release", "ship", "cancel",
              "return", "receive", "adjust", "count", "transfer", "quarantine", "restore",
              "safety-stock")
    commands = table()
    check(len(commands) > 30, "the table is there: %d" % len(commands))
    for words, (arguments, options) in commands.items():
        text = plain(*words.split(), "--help").out
        check(text.startswith("usage: holdfast " + words), "help of " + words)
        check(max(map(len, text.splitlines())) <= 80, "help of %s fits a terminal" % words)
        for option in options:
            check(option in text, "%s is in the help of %s" % (option, words))
        wanted = {"--help", "--json"}
        if words.split()[-1] in writes:
            wanted |= {"--id", "--actor", "--note", "--timeout"}
        check(wanted <= set(options), "%s lacks %s" % (words, wanted - set(options)))
    for words, how_long in ("stock", "10s"), ("audit", "5m"), ("import", "60s for each operation"):
        text = " ".join(plain(*words.split(), "--help").out.split())
        check("retries included (default %s)" % how_long in text, "the timeout of " + words)
    listed = plain("help").out
    check(max(map(len, listed.splitlines())) <= 80, "the list fits a terminal")
    for words in commands:
        check("  %s " % words in listed, "%s is in the list" % words)


@test("an unknown command or option exits 64 and names the nearest right one")
def unknown_words(_):
    for words, hint in (
            (["resreve", "A=1"], '"reserve"'), (["warehouse", "lst"], '"warehouse list"'),
            (["reserve", "--tll", "1s", "A=1"], "--ttl"), (["stok"], '"stock"')):
        done = plain(*words, expect=64)
        check(hint in done.err and not done.out, "the nearest word: %s" % done)
    for words in ([], ["xyzzy"], ["warehouse"], ["reserve"], ["reserve", "--ttl"],
                  ["reserve", "A=1", "--ttl", "soon"], ["reserve", "A=1", "--id", "x"],
                  ["reserve", "A=1", "--order", "a", "--order", "b"], ["reserve", "A=1", "-x"],
                  ["reserve", "A=1", "--json=yes"], ["stock", "A", "B"], ["adjust", "A=-3@W"],
                  ["reserve", "A=1", "--policy", "farthest"], ["--frob", "stock"],
                  ["stock", "-C", "x"], ["-C"], ["extend", "R-0", "--ttl", "1s"],
                  ["transfer", "A=1@W"], ["settle", "x"], ["item", "put", "A"]):
        check(not plain(*words, expect=64).out, "nothing on stdout: %r" % words)


@test("a LINE that is wrong exits 64 and says why")
def wrong_lines(cluster):
    for line, why in (("A", "no '='"), ("=1", "sku"), ("A=", "missing"), ("A=x", "whole number"),
                      ("A=0", "0"), ("A=-1", "negative"), ("A=1000000000", "999,999,999"),
                      ("A=1@", "empty"), ("A =1", "blank")):
        done = cluster.hf("reserve", line, expect=64, json=False)
        check(line in done.err and why in done.err, "why: %s" % done)
    cluster.hf("receive", "A=1", expect=64)
    cluster.hf("return", "R-00000000000000000", "A=1", expect=64)


@test("what is not built yet says so, and is in no help")
def not_built(_):
    listed = plain("help").out
    check(max(map(len, listed.splitlines())) <= 80, "the list fits a terminal")
    for word in ("bench",):
        check("not built yet" in plain(word, expect=64).err, word)
        check(not re.search(r"^  %s\b" % word, listed, re.M), "%s is in no help" % word)


@test("no cluster exits 71, a wrong cluster file 65, output that cannot be written 71")
def system_errors(cluster):
    done = plain("-C", cluster.dir + "/none.yaml", "stock", expect=71)
    check("none.yaml" in done.err, "it says which file: %s" % done)
    for words in (["status"], ["audit"], ["events", "x"], ["export"], ["subscription", "list"],
                  ["subscription", "delete", "x"]):
        done = plain("-C", cluster.dir + "/none.yaml", *words, expect=71)
        check("none.yaml" in done.err, "%s says which file: %s" % (words[0], done))
        bad = write_csv(cluster, "bad.yaml", "version: 1\nnaem: x\nclutser: y\n")
        done = plain("-C", bad, *words, expect=65)
        for line in (2, 3):
            check(re.search(r"^%s:%d:" % (re.escape(bad), line), done.err, re.M),
                  "%s: each fault has a line of its own: %s" % (words[0], done))
        plain("-C", cluster.dir, *words, expect=65)
    plain("status", "--dir", "", expect=64)
    bad = write_csv(cluster, "bad.yaml", "version: 1\nnaem: x\n")
    done = plain("-C", bad, "stock", expect=65)
    check("bad.yaml:2" in done.err and "name" in done.err, "file, line, right word: %s" % done)
    with open("/dev/full", "w") as full:
        child = subprocess.run([HOLDFAST, "version"], stdout=full, stderr=subprocess.DEVNULL)
    equal(child.returncode, 71, "exit code with a full disk")


# ---------------------------------------------------------------- commands


@test("warehouses, items and reasons are put, shown and listed")
def catalog(cluster):
    for code in ("BER1", "MUC"):
        equal(cluster.hf("warehouse", "put", code, "--name", "Lager " + code).json["result"],
              "applied", "put")
    cluster.hf("item", "put", "WID-1", "--name", "Widget 倉庫", "--barcode", "111", "--barcode",
               "222", "--reorder-point", "5")
    cluster.hf("reason", "put", "broken", "--name", "Broken")
    equal(cluster.hf("warehouse", "list").lines[0]["warehouse"], "BER1", "JSON Lines")
    item = cluster.hf("item", "get", "WID-1").json
    equal((item["name"], sorted(item["barcodes"]), item["reorder_point"]),
          ("Widget 倉庫", ["111", "222"], 5), "the item")
    check("WID-1" in [i["sku"] for i in cluster.hf("item", "list").lines], "the list of items")
    equal([r["reason"] for r in cluster.hf("reason", "list").lines], ["broken"], "reasons")
    cluster.refused("unknown_sku", "item", "get", "NOPE")


@test("lists go on with --after, and say that there is more")
def pages(cluster):
    for i in range(5):
        cluster.hf("item", "put", "PAGE-%d" % i, "--name", "p")
    first = cluster.hf("item", "list", "--limit", "2", "--after", "PAGE-")
    equal([i["sku"] for i in first.lines], ["PAGE-0", "PAGE-1"], "the first page")
    check("--after 'PAGE-1'" in first.err, "how to go on: %s" % first)
    rest = cluster.hf("item", "list", "--after", "PAGE-1", "--limit", "3")
    equal([i["sku"] for i in rest.lines], ["PAGE-2", "PAGE-3", "PAGE-4"], "the rest")


@test("a warehouse that is not there is unknown to reads, and none of it is shown as 0")
def unknown_warehouse(cluster):
    cluster.hf("warehouse", "put", "EMPTY", "--name", "Nothing in it")
    cluster.hf("warehouse", "put", "FULL", "--name", "Something in it")
    cluster.hf("item", "put", "SEEN", "--name", "seen")
    cluster.hf("receive", "SEEN=3@FULL")
    for words in (["stock"], ["stock", "SEEN"], ["history", "SEEN"]):
        done = cluster.hf(*words, "--warehouse", "FUL", expect=1, json=False)
        equal((done.out, done.err), ("", "unknown_warehouse: no warehouse has this code: FUL\n"),
              " ".join(words))
        done = cluster.hf(*words, "--warehouse", "EMPTY", json=False)
        check("FULL" not in done.out and not done.err, "nothing, and no fault: %s" % done)
    check(re.search(r"^SEEN +EMPTY +0 ", cluster.hf("stock", "SEEN", "--warehouse", "EMPTY", json=False).out,
                    re.M), "a level that never moved")
    done = cluster.hf("history", "UNSEEN", "--warehouse", "FULL", expect=1, json=False)
    equal(done.err, "unknown_sku: no item has this sku: UNSEEN\n", "an item that is not there")


@test("a refusal says what was typed, and which skus do not go together")
def says_which(cluster):
    skus = ["WHICH-%d" % n for n in range(20)]
    for sku in skus:
        cluster.hf("item", "put", sku, "--name", sku)
    cluster.hf("warehouse", "put", "HERE", "--name", "Here")
    cluster.hf("item", "put", skus[0], "--name", "a", "--barcode", "96385074")
    for status, what, words in (
            ("unknown_sku", "NOWHAT", ["receive", "NOWHAT=1@HERE"]),
            ("unknown_warehouse", "NOHERE", ["receive", skus[0] + "=1@NOHERE"]),
            ("unknown_warehouse", "NOHERE", ["transfer", skus[0] + "=1@HERE", "--to", "NOHERE"]),
            ("unknown_warehouse", "NOHERE", ["reserve", skus[0] + "=1", "--policy", "nearest-first",
                                             "--warehouse", "HERE", "--warehouse", "NOHERE"]),
            ("unknown_reason", "NOWHY", ["adjust", skus[0] + "=1@HERE", "--reason", "NOWHY"]),
            ("unknown_reservation", "R-00ADHR7ARBT2S87HQ", ["release", "R-00ADHR7ARBT2S87HQ"]),
            ("barcode_taken", "96385074", ["item", "put", skus[1], "--name", "b", "--barcode", "1234",
                                           "--barcode", "96385074"])):
        done = cluster.refused(status, *words)
        check(done.err.endswith(": %s\n" % what), "%s is named: %s" % (what, done))
    done = cluster.refused("invalid", "receive", skus[0] + "=1@HERE", "--note", "x" * 256)
    equal(done.err, "invalid: a field is not valid: note is longer than 255 bytes\n", "a field, once")
    done = cluster.hf("run", "show", " a", expect=64, json=False)
    check('" a" begins or ends with a blank' in done.err, str(done))
    done = cluster.hf("undo", "", expect=64, json=False)
    check('"" is empty' in done.err, str(done))
    done = cluster.hf("subscription", "delete", "", expect=64, json=False)
    check("the name of the subscription is empty" in done.err, str(done))
    for actor, why in (("", "is empty"), ("x" * 65, "is longer than 64 bytes"),
                       ("a\nb", "holds a control character")):
        for words in (["receive", skus[0] + "=1@HERE"], ["undo", "some-run"]):
            done = cluster.hf(*words, "--actor", actor, expect=64, json=False)
            check("--actor %s (see" % why in done.err, str(done))
    apart = next(s for s in skus if cluster.partition(s) != cluster.partition(skus[0]))
    done = cluster.refused("invalid", "reserve", skus[0] + "=1", apart + "=1")
    check("%s and %s lie on several partitions" % (skus[0], apart) in done.err, done.err)


@test("stock: JSON of one sku is that of the contract, text is aligned")
def stock(cluster):
    cluster.hf("receive", "WID-1=10@BER1", "--reference", "D1")
    cluster.hf("receive", "WID-1=5@MUC", "--reference", "D2")
    cluster.hf("safety-stock", "WID-1=2@MUC")
    one = cluster.hf("stock", "WID-1").json
    equal(list(one), ["sku"] + FIGURES + ["partition", "sequence", "age_ms", "warehouses"],
          "fields in their order")
    equal((one["on_hand"], one["safety_stock"], one["available"]), (15, 2, 13), "sums")
    equal(list(one["warehouses"][0]),
          ["warehouse"] + FIGURES + ["version", "on_hand_version"], "fields of a warehouse")
    equal([w["warehouse"] for w in cluster.hf("stock", "WID-1", "--warehouse", "MUC").json
           ["warehouses"]], ["MUC"], "only one warehouse")
    text = cluster.hf("stock", "WID-1", json=False).out.splitlines()
    equal(text[0].split()[:4], ["SKU", "WAREHOUSE", "ON", "HAND"], "titles")
    check(all(not line.endswith(" ") for line in text), "no blanks at the end: %r" % text)
    check(any(line.split()[1] == "(all)" for line in text), "a line with the sums")
    cluster.refused("unknown_sku", "stock", "NOPE")
    first = cluster.hf("stock", "--limit", "1")
    equal(len(first.lines), 1, "a list")
    check("--after '%s'" % first.lines[0]["sku"] in first.err, "how to go on: %s" % first)
    rest = cluster.hf("stock", "--after", first.lines[0]["sku"]).lines
    equal([first.lines[0]["sku"]] + [s["sku"] for s in rest],
          [s["sku"] for s in cluster.hf("stock").lines], "and what comes then")


def without_age(stock):
    return {key: value for key, value in stock.items() if key not in ("age_ms", "sequence")}


@test("reads: as new as --consistency says, from a view or the owner, each process its own write")
def reading(cluster):
    for number in range(10):
        wrote = cluster.hf("receive", "WID-1=1@MUC").json
        at_least = "at-least=%d:%d" % (wrote["partition"], wrote["sequence"])
        for words in ((), ("--consistency", "latest"), ("--consistency", "owner"),
                      ("--consistency", at_least), ("--consistency", at_least + ",0:1")):
            one = cluster.hf("stock", "WID-1", *words).json
            check(one["sequence"] >= wrote["sequence"], "%s: as new as the write" % (words,))
            equal(one["on_hand"], 16 + number, "%s: what was written" % (words,))
        listed = {s["sku"]: s for s in cluster.hf("stock").lines}
        equal(listed["WID-1"]["on_hand"], 16 + number, "in the list too")
    equal(without_age(cluster.hf("stock", "WID-1", "--consistency", "owner").json),
          without_age(cluster.hf("stock", "WID-1").json), "owner and view say the same")
    equal([without_age(s) for s in cluster.hf("stock", "--consistency", "owner").lines],
          [without_age(s) for s in cluster.hf("stock", "--consistency", "max-staleness=1h").lines],
          "of a list too")
    held = cluster.hf("reserve", "WID-1=1@MUC", "--order", "READ", "--ttl", "1h").json
    over = cluster.hf("reserve", "WID-1=1@MUC", "--order", "READ").json
    cluster.hf("release", over["reservation"])
    for how in ("latest", "owner", "any"):
        shown = cluster.hf("reservation", "show", held["reservation"], "--consistency", how).json
        equal((shown["state"], shown["lines"]), ("active", held["lines"]), how)
        shown = cluster.hf("reservation", "show", over["reservation"], "--consistency", how).json
        equal(shown["state"], "released", how + ": one that is over")
    equal({r["reservation"] for r in cluster.hf("order", "READ").lines},
          {held["reservation"], over["reservation"]}, "all of an order")
    for how in ("latest", "owner"):
        equal([r["reservation"] for r in
               cluster.hf("order", "READ", "--open", "--consistency", how).lines],
              [held["reservation"]], how + ": what is open of an order")
        check(held["reservation"] in [r["reservation"] for r in cluster.hf(
            "reservation", "list", "--expiring", "--consistency", how).lines], how + ": expiring")
    cluster.hf("release", held["reservation"])
    cluster.refused("unknown_reservation", "order", "READ", "--open")
    for words in (("stock", "--consistency", "newest"), ("stock", "--consistency", "at-least=1"),
                  ("stock", "A", "--consistency", "at-least=1:2,"),
                  ("stock", "--consistency", "max-staleness=5"), ("order", "X", "--consistency", "any"),
                  ("reservation", "list", "--consistency", "any"),
                  ("reservation", "list", "--expiring", "--order", "X", "--consistency", "any")):
        cluster.hf(*words, expect=64)


@test("what is not known is not shown as 0: 69, and what a view remembers only when it is asked for")
def not_known(cluster):
    known = cluster.hf("stock", "WID-1").json
    little = "%dms" % scale(800)

    def remembered(json=True):
        """A view that is slow to answer is asked again."""
        return wait_until(lambda: (lambda done: done.code == 0 and done)(
            cluster.hf("stock", "WID-1", "--consistency", "any", "--timeout", "2s", expect=None,
                       json=json)), 10, "a view answers")

    for process in cluster.processes("worker"):
        cluster.stop(process)
    try:
        wait_until(lambda: remembered().json["age_ms"] > 700, 10, "it grows older")
        done = cluster.hf("stock", "WID-1", "--timeout", little, expect=69)
        equal(done.out, "", "nothing is shown")
        check("--consistency any" in done.err, "what to do: %s" % done)
        cluster.hf("stock", "WID-1", "--timeout", little, "--consistency", "max-staleness=300ms",
                   expect=69)
        done = cluster.hf("stock", "--timeout", little, expect=69)
        equal(done.out, "", "no list either")
        old = remembered().json
        equal(without_age(old), without_age(known), "what the view remembers")
        wait_until(lambda: "s ago" in remembered(json=False).err, 10, "people are told how old it is")
    finally:
        cluster.cont_all()
    cluster.wait_served(30)
    equal(without_age(cluster.hf("stock", "WID-1").json), without_age(known), "it goes on")
    wait_until(lambda: cluster.hf("status", expect=None).code == 0, 20,
               "a connection that was lost meanwhile is named for five seconds")


@test("status shows each view, and says when one is missing or behind")
def views(cluster):
    status = cluster.hf("status").json
    view, = status["views"]
    equal((view["name"], view["heard"], view["partitions_known"], view["partitions"]),
          ("v1", True, 8, 8), "a view")
    check(view["levels"] > 0 and view["memory_bytes"] > 0 and view["age_ms"] < 5000, str(view))
    check("VIEW" in cluster.hf("status", json=False).out, "for people")
    cluster.hf("status", "--timeout", "0s", expect=64, json=False)
    process, = cluster.processes("view")
    cluster.stop(process)
    status = cluster.hf("status", expect=1)
    check("view v1 does not answer" in status.err, str(status))
    begun = time.monotonic()
    cluster.hf("status", "--timeout", "6s", expect=1)
    check(time.monotonic() - begun >= 5, "it waited as long as it was told")
    equal(status.json["views"][0]["heard"], False, "not heard")
    cluster.cont(process)
    wait_until(lambda: cluster.hf("status", expect=None).code == 0, 20, "all is well again")


@test("a reservation from reserve to return, with the JSON of the contract")
def reservation(cluster):
    fields = ["result", "operation_id", "reservation", "state", "expires_at", "lines"]
    made = cluster.hf("reserve", "WID-1=6@BER1", "--order", "A1", "--ttl", "90s").json
    equal(list(made)[:6], fields, "fields in their order")
    check(ZULU.fullmatch(made["expires_at"]), "RFC 3339 with milliseconds: " + made["expires_at"])
    r = made["reservation"]
    line = dict(sku="WID-1", warehouse="BER1", quantity=6, reserved=6, committed=0, shipped=0,
                cancelled=0, released=0, returned=0)
    equal(made["lines"], [line], "lines")
    later = cluster.hf("extend", r, "--ttl", "1h").json
    check(later["expires_at"] > made["expires_at"], "extended")
    equal(cluster.hf("release", r, "WID-1=1").json["lines"][0]["released"], 1, "released")
    bought = cluster.hf("purchase", r.lower().replace("r-", "r"), "WID-1=4@BER1",
                        "--keep-remainder").json
    equal((bought["lines"][0]["committed"], bought["lines"][0]["reserved"]), (4, 1), "purchased")
    equal(cluster.hf("purchase", r).json["state"], "purchased", "the rest")
    equal(cluster.hf("cancel", r, "WID-1=1").json["lines"][0]["cancelled"], 1, "cancelled")
    equal(cluster.hf("ship", r, "--reference", "P1").json["lines"][0]["shipped"], 4, "shipped")
    cluster.hf("return", r, "WID-1=1", expect=64)
    cluster.hf("return", r, "WID-1=1", "--restock", "--quarantine", expect=64)
    cluster.hf("return", r, "WID-1=1", "--restock")
    equal(cluster.hf("return", r, "WID-1=1", "--quarantine").json["lines"][0]["returned"], 2,
          "returned")
    shown = cluster.hf("reservation", "show", r).json
    equal((shown["reservation"], shown["order"], shown["lines"][0]["shipped"]), (r, "A1", 4),
          "shown")
    equal(cluster.hf("order", "A1").json["reservation"], r, "by order")
    level = cluster.level("WID-1", "BER1")
    equal((level["on_hand"], level["unavailable"], level["committed"]), (8, 1, 0), "stock")
    refused = cluster.refused("insufficient_stock", "reserve", "WID-1=99@BER1")
    equal((refused.json["reservation"], refused.json["lines"]), (None, []), "refused")
    check(refused.err.startswith("insufficient_stock: not enough is available: WID-1 at BER1: "
                                 "asked 99, available 7"), "name first: %s" % refused)
    cluster.refused("unknown_reservation", "order", "NOPE")


@test("reserve without a warehouse, by policy and split")
def policies(cluster):
    def places(*words):
        return sorted((l["warehouse"], l["quantity"]) for l in
                      cluster.hf("reserve", *words).json["lines"])
    cluster.hf("item", "put", "POL", "--name", "p")
    cluster.hf("receive", "POL=5@BER1", "--reference", "x")
    cluster.hf("receive", "POL=9@MUC", "--reference", "x")
    equal(places("POL=1"), [("MUC", 1)], "most available")
    equal(places("POL=1", "--policy", "nearest-first", "--warehouse", "BER1", "--warehouse",
                 "MUC"), [("BER1", 1)], "nearest first")
    equal(sum(q for _, q in places("POL=11", "--may-split")), 11, "split")
    cluster.hf("reserve", "POL=1", "--policy", "nearest-first", expect=64)


@test("reservations are listed by order, sku and expiry")
def reservations(cluster):
    late = cluster.hf("reserve", "WID-1=1@BER1", "--ttl", "2h", "--order", "L").json
    soon = cluster.hf("reserve", "WID-1=1@BER1", "--ttl", "1h", "--order", "S").json

    def listed(*words):
        return [r["reservation"] for r in cluster.hf("reservation", "list", *words).lines]
    found = listed("--sku", "WID-1", "--expiring")
    check(found.index(soon["reservation"]) < found.index(late["reservation"]), "by next expiry")
    equal(listed("--order", "L"), [late["reservation"]], "by order")
    equal(len(listed("--limit", "1")), 1, "limited")
    check("EXPIRES" in cluster.hf("reservation", "list", json=False).out, "a table for people")


@test("adjust, count, transfer, quarantine and restore")
def corrections(cluster):
    cluster.hf("item", "put", "COR", "--name", "c")
    cluster.hf("receive", "COR=10@BER1", "--reference", "x")
    equal(cluster.hf("adjust", "COR=-3@BER1", "--reason", "broken", "--note", "dropped").json
          ["levels"][0]["on_hand"], 7, "adjusted")
    cluster.refused("unknown_reason", "adjust", "COR=+1@BER1", "--reason", "nope")
    version = cluster.level("COR", "BER1")["on_hand_version"]
    equal(cluster.hf("count", "COR=8@BER1", "--if-version", version).json["levels"][0]["on_hand"],
          8, "counted")
    moved = cluster.refused("version_conflict", "count", "COR=9@BER1", "--if-version", version)
    equal(moved.json["moved"][0]["movement"], "counted", "what moved")
    check(re.search(r"^  .* counted \+1, then 8 on hand", moved.err, re.M), "in words: %s" % moved)
    both = cluster.hf("transfer", "COR=3@BER1", "--to", "MUC").json["levels"]
    equal(sorted((l["warehouse"], l["on_hand"]) for l in both), [("BER1", 5), ("MUC", 3)], "moved")
    equal(cluster.hf("quarantine", "COR=2@BER1").json["levels"][0]["available"], 3, "quarantined")
    equal(cluster.hf("restore", "COR=2@BER1").json["levels"][0]["available"], 5, "restored")
    equal(cluster.hf("count", "COR=0@MUC").json["levels"][0]["on_hand"], 0, "counted none")


@test("several LINEs are operations of their own, and the same --id applies none twice")
def several_lines(cluster):
    skus = ["MANY-%d" % i for i in range(4)]
    check(len({cluster.partition(s) for s in skus}) > 1, "on several partitions")
    for sku in skus[:3]:
        cluster.hf("item", "put", sku, "--name", "m")
    words = ["receive", *("%s=5@BER1" % s for s in skus), "--id", str(uuid.uuid4()),
             "--reference", "x"]
    words[words.index("--id") + 1] = uuid7()
    first = cluster.hf(*words, expect=1)
    equal([l["result"] for l in first.lines], ["applied"] * 3 + ["unknown_sku"], "each its result")
    equal(first.lines[3]["line"], "MANY-3=5@BER1", "which LINE it is about")
    again = cluster.hf(*words, expect=1)
    equal([l.get("replayed") for l in again.lines[:3]], [True] * 3, "replayed")
    equal(cluster.level("MANY-0", "BER1")["on_hand"], 5, "received once")


def uuid7():
    value = int(time.time() * 1000) << 80 | uuid.uuid4().int & ((1 << 80) - 1)
    value = value & ~(0xf << 76) | 7 << 76
    return str(uuid.UUID(int=value & ~(3 << 62) | 2 << 62))


@test("new-id makes an id that --id takes; the same one takes effect once")
def new_id(cluster):
    done = [execute([os.path.join(BIN, "holdfast"), "new-id"]) for _ in range(2)]
    names = [d.out.strip() for d in done]
    check(names[0] != names[1] and names[0] < names[1], "two ids, in order: %s" % names)
    equal(uuid.UUID(names[0]).version, 7, "version")
    words = ["receive", "MANY-0=1@BER1", "--id", names[0], "--reference", "x"]
    cluster.hf(*words)
    equal(cluster.hf(*words).lines[0].get("replayed"), True, "replayed")
    as_json = execute([os.path.join(BIN, "holdfast"), "new-id", "--json"]).json["operation_id"]
    equal(uuid.UUID(as_json).version, 7, "version in JSON")


@test("the same --id takes effect once; settle says what became of it")
def once_and_settle(cluster):
    name = uuid7()
    words = ["receive", "WID-1=1@MUC", "--reference", "S", "--id", name]
    before = cluster.level("WID-1", "MUC")["on_hand"]
    equal(cluster.hf(*words).json["replayed"], False, "applied")
    again = cluster.hf(*words)
    equal((again.json["operation_id"], again.json["replayed"]), (name, True), "replayed")
    equal(cluster.level("WID-1", "MUC")["on_hand"], before + 1, "received once")
    cluster.refused("operation_id_reused", "receive", "WID-1=2@MUC", "--id", name)
    settled = cluster.hf("settle", name).json
    equal((settled["outcome"], settled["settled"]["levels"][0]["on_hand"]),
          ("applied", before + 1), "settled: applied")
    void = uuid7()
    equal(cluster.hf("settle", void).json["outcome"], "void", "settled: void")
    check("never will be" in cluster.hf("settle", void, json=False).out, "in words")
    cluster.refused("operation_id_reused", "receive", "WID-1=1@MUC", "--id", void)


@test("the ledger has actor and note; history shows all levels, newest first")
def history(cluster):
    cluster.hf("item", "put", "HIS", "--name", "h")
    cluster.hf("receive", "HIS=1@BER1", "--reference", "R1", "--actor", "ann", "--note", "first")
    cluster.hf("receive", "HIS=2@MUC", "--reference", "R2")
    rows = cluster.hf("history", "HIS").lines
    equal([r["movement"] for r in rows], ["received", "received", "item_put"], "newest first")
    equal((rows[1]["actor"], rows[1]["note"], rows[1]["reference"], rows[1]["on_hand_change"]),
          ("ann", "first", "R1", 1), "who and why")
    check(rows[0]["actor"], "the login name by default")
    equal(len(cluster.hf("history", "HIS", "--warehouse", "MUC").lines), 1, "one level")
    page = cluster.hf("history", "HIS", "--limit", "1")
    before = page.lines[0]["sequence"]
    check("--before %d" % before in page.err, "how to go on: %s" % page)
    equal(cluster.hf("history", "HIS", "--before", before, "--limit", "1").lines[0]["warehouse"],
          "BER1", "the next page")
    cluster.refused("unknown_sku", "history", "NOPE")


@test("times are local for people and UTC in JSON; text is safe under LC_ALL=C")
def times(cluster):
    env = {"TZ": "UTC-5", "LC_ALL": "C"}
    made = cluster.hf("reserve", "WID-1=1@MUC", "--ttl", "1h").json
    hour = (int(made["expires_at"][11:13]) + 5) % 24
    shown = cluster.hf("reservation", "show", made["reservation"], json=False, env=env).out
    check(re.search(r"expires \d{4}-\d\d-\d\d %02d:" % hour, shown), "local: " + shown)
    rows = cluster.hf("item", "list", json=False, env=env).out.splitlines()
    check(any("倉庫" in row for row in rows), "as it is: %r" % rows)


@test("audit exits 0 and counts what it checked")
def audit(cluster):
    done = cluster.hf("audit").json
    equal((done["differences"], done["partitions_answered"]), ([], cluster.partitions), "clean")
    check(done["checked"] > 0, "something was checked")
    check("no differences" in cluster.hf("audit", json=False).out, "in words")


@test("audit exits 1 when stock and ledger differ")
def audit_finds(cluster):
    change = ("UPDATE stock_level SET on_hand = on_hand + %d WHERE sku='HIS' AND warehouse='MUC'")
    cluster.sql(change % 1)
    try:
        done = cluster.hf("audit", expect=1)
        check(any(d["sku"] == "HIS" for d in done.json["differences"]), "which: %s" % done)
        check("HIS" in cluster.hf("audit", expect=1, json=False).out, "in words")
    finally:
        cluster.sql(change % -1)


@test("version")
def version(_):
    check(re.fullmatch(r"holdfast \d+\.\d+\.\d+\n", plain("version").out), "text")
    equal(json.loads(plain("version", "--json").out)["version"],
          plain("--version").out.split()[1], "both")
    for name in ("broker", "worker", "view", "relay", "console"):
        done = execute([os.path.join(BIN, "holdfast-" + name), "--version"])
        equal(done.out, plain("version").out.replace("holdfast", "holdfast-" + name), name)


@test("the programs that serve a cluster say what is wrong with how they were started")
def daemons(cluster):
    broken = os.path.join(cluster.dir, "broken.yaml")
    with open(broken, "w") as file:
        file.write("cluster: [")
    nowhere = {"cwd": cluster.dir, "env": {"HOME": cluster.dir + "/none", "HOLDFAST_CLUSTER": ""}}
    plain("stock", expect=71, **nowhere)
    for name, which in (("broker", []), ("view", []), ("relay", []),
                        ("worker", ["--shard", "s1", "--name", "w9"])):
        def wrong(code, text, *words, **where):
            done = execute([os.path.join(BIN, "holdfast-" + name), *words], **where)
            check(done.code == code and text in done.err, "%s exits %d: %s" % (name, code, done))
        here = ["-C", cluster.file]
        wrong(64, "--no-such", "--no-such")
        wrong(64, 'not a name: " x"', *here, "--name", " x")
        wrong(64, 'unexpected argument "more"', *here, *which, "more")
        wrong(71, "no cluster file", "-C", cluster.file + ".away", *which)
        wrong(71, "no cluster file", "-C", "", *which)
        wrong(71, "no cluster file: looked for", *which, **nowhere)
        wrong(65, "broken.yaml:", "-C", broken, *which)
        if name != "relay":  # this cluster has none
            wrong(71, "could not open", *here, *which, "--log", "/nonexistent/log")
        if name == "worker":
            wrong(64, "--shard and --name must be given", *here, "--name", "w9")
            wrong(64, 'has no shard "s9"', *here, "--shard", "s9", "--name", "w9")
        else:
            wrong(64, 'not an index: "-1"', *here, "--index", "-1")
            wrong(64, "--index 99, but", *here, "--index", "99")


# ---------------------------------------------------------------- import


DIRTY = ("﻿sku;warehouse;on_hand;name;barcode;safety_stock;Farbe\r\n"
         'I-1;BER1;10;"Alpha; ""1""";901;2;rot\r\n'   # 2
         "i-1;BER1;4;klein;;;\r\n"                     # 3: another sku
         "I-2;BER1;x;B;;;\r\n"                         # 4: no number
         "I-3;MUC;1;B;;;\r\n"                          # 5: twice
         "I-3;MUC;2;B;;;\r\n"                          # 6
         "I-4;NOPE;1;C;;;\r\n"                         # 7: no such warehouse
         "I-5;BER1;5;D;901;;\r\n"                      # 8: barcode of I-1
         'I-6;BER1;"7;E;;;\r\n'                        # 9: quote not closed
         "I-7;BER1;7;;;;\r\n")                         # 10


@test("import of a dirty file: what can be taken is, every other line is told with its reason")
def import_dirty(cluster):
    path = write_csv(cluster, "dirty.csv", DIRTY)
    rejects = os.path.join(cluster.dir, "rejects.csv")
    done = cluster.hf("import", path, "--rejects", rejects, expect=2)
    figures = done.json
    equal((figures["lines"], figures["applied"], figures["rejected"], figures["refused"]),
          (9, 3, 4, {"unknown_warehouse": 1, "barcode_taken": 1}), "figures")
    for line, column, why in ((4, "on_hand", "not a whole number"), (5, "sku", "lines 5 and 6"),
                              (6, "sku", "lines 5 and 6"), (7, "warehouse", "unknown_warehouse.*: NOPE$"),
                              (8, "barcode", "barcode_taken.*: 901$"), (9, "", "quote")):
        check(re.search(r"^%s:%d: %s.*%s" % (re.escape(path), line, column, why), done.err, re.M),
              "line %d is told: %s" % (line, done))
    equal(len(re.findall("^" + re.escape(path) + ":", done.err, re.M)), 6, "no other line")
    check('"Farbe" is not used' in done.err, "the column that is not used")
    with open(rejects, encoding="utf-8") as file:
        rows = file.read().splitlines()
    check(rows[0].endswith(";Farbe;reason"), "the original columns and a reason")
    equal(len(rows), 7, "every line that was not taken")
    check(any(r.startswith("I-2;BER1;x;B;;;;on_hand: ") for r in rows), "as it was: %r" % rows)
    equal(cluster.hf("item", "get", "I-1").json["name"], 'Alpha; "1"', "quotes")
    equal(cluster.level("I-1", "BER1")["safety_stock"], 2, "safety stock")
    equal(cluster.level("i-1", "BER1")["on_hand"], 4, "case matters")


@test("the same file twice changes nothing; a mended cause lets the line in")
def import_again(cluster):
    path = os.path.join(cluster.dir, "dirty.csv")
    before = cluster.number("SELECT COUNT(*) FROM movement WHERE kind <> 20")
    for _ in range(2):
        again = cluster.hf("import", path, expect=2).json
        equal((again["applied"], again["already_there"], again["refused"]),
              (0, 3, {"unknown_warehouse": 1, "barcode_taken": 1}), "nothing new")
    equal(cluster.number("SELECT COUNT(*) FROM movement WHERE kind <> 20"), before, "movements")
    cluster.hf("warehouse", "put", "NOPE", "--name", "now")
    mended = cluster.hf("import", path, expect=2).json
    equal((mended["applied"], mended["already_there"]), (1, 3), "the mended line")
    equal(cluster.level("I-4", "NOPE")["on_hand"], 1, "its stock")
    clean = write_csv(cluster, "clean.csv", "on_hand,sku,warehouse\n3,CL-1,BER1\n4,CL-1,MUC\n")
    equal(cluster.hf("import", clean).json["applied"], 2, "all applied: exit 0")
    cluster.hf("ship", bought(cluster, "CL-1=1@BER1"))
    equal(cluster.hf("import", clean).json["already_there"], 2, "all there: exit 0")
    equal(cluster.level("CL-1", "BER1")["on_hand"], 2, "what was sold stays sold")


def bought(cluster, line):
    made = cluster.hf("reserve", line).json["reservation"]
    cluster.hf("purchase", made)
    return made


@test("import exits 3 when stock has moved, 65 when a file is not understood, 1 when refused")
def import_codes(cluster):
    other = write_csv(cluster, "other.csv", "sku,warehouse,on_hand\nCL-1,BER1,9\nCL-1,MUC,9\n")
    done = cluster.hf("import", other, expect=3)
    equal(done.json["refused"], {"version_conflict": 2}, "only conflicts")
    check("it has moved already: an import sets only" in done.err, "what to do: %s" % done)
    utf16, other_bytes = ":1: it is UTF-16: save", ":2: it is not UTF-8 (Windows-1252 or Latin-1, perhaps): save"
    for text, why in ((b"", ""), (b"sku,warehouse\nA,B\n", ""), (b"A,BER1,1\n", ""),
                      (b"sku,warehouse,on_hand,sku\n", ""),
                      ("sku,warehouse,on_hand\nA,BER1,1\n".encode("utf-16"), utf16),
                      ("sku,warehouse,on_hand\nA,BER1,1\n".encode("utf-16-le"), utf16),
                      ("sku,warehouse,on_hand\nÄ,BER1,1\n".encode("latin-1"), other_bytes),
                      (b"sku,warehouse,on_hand\n,BER1,1\n", "")):
        done = cluster.hf("import", write_csv(cluster, "wrong.csv", text), expect=65)
        check("wrong.csv:" in done.err and why in done.err, "which line, and why: %s" % done)
        check(not why or 'as "CSV UTF-8"' in done.err, "what to do: %s" % done)
    cluster.hf("import", write_csv(cluster, "w.csv", "sku,warehouse,on_hand\nQ,NO,1\n"), expect=1)
    cluster.hf("import", cluster.dir + "/none.csv", expect=71)
    cluster.hf("import", cluster.dir, expect=71)
    cluster.hf("import", write_csv(cluster, "h.csv", "sku,warehouse,on_hand\n"))


@test("in the rejects the reason has its own column, also of a line that lacks some")
def rejects_column(cluster):
    path = write_csv(cluster, "short.csv", "sku,warehouse,on_hand,name\nSH-1,BER1\nSH-2,BER1,x,b\n")
    rejects = os.path.join(cluster.dir, "short-rejects.csv")
    cluster.hf("import", path, "--rejects", rejects, expect=65)
    with open(rejects) as file:
        rows = list(csv.DictReader(file))
    equal([row["reason"] for row in rows],
          ["it has 2 columns, the first line has 4", "on_hand: is not a whole number"], "reasons")


@test("import keeps what the file does not say, and takes a pipe")
def import_keeps(cluster):
    cluster.hf("item", "put", "KEEP", "--name", "k", "--barcode", "555", "--reorder-point", "7")
    done = cluster.hf("import", "/dev/stdin", input="sku,warehouse,on_hand,name\nKEEP,BER1,1,new\n")
    equal(done.json["applied"], 1, "taken from a pipe")
    item = cluster.hf("item", "get", "KEEP").json
    equal((item["name"], item["barcodes"], item["reorder_point"]), ("new", ["555"], 7), "kept")


@test("import changes an item with as many barcodes as one may have, and loses none of them")
def import_barcodes(cluster):
    many = ["M%02d" % i for i in range(60)]
    cluster.hf("item", "put", "MANY", "--name", "m", *sum((["--barcode", b] for b in many), []))
    path = write_csv(cluster, "many-codes.csv",
                     "sku,warehouse,on_hand,name,barcode\nMANY,BER1,1,renamed,M60\n")
    equal(cluster.hf("import", path).json["applied"], 1, "taken")
    item = cluster.hf("item", "get", "MANY").json
    equal((item["name"], sorted(item["barcodes"])), ("renamed", many + ["M60"]), "all of them")


@test("rejects are not written over the file that is imported")
def import_rejects_itself(cluster):
    text = "sku,warehouse,on_hand\nOWN,BER1,1\n"
    path = write_csv(cluster, "own.csv", text)
    done = cluster.hf("import", path, "--rejects", path, expect=64)
    check("is the file that is imported" in done.err, "told: %s" % done)
    with open(path) as file:
        equal(file.read(), text, "the file")


def peak_kib(process):
    """The most memory that it has had, asked until it ends: what wait4 tells is never less than
    what Python had at the fork."""
    peak = 0
    while process.poll() is None:
        with open("/proc/%d/status" % process.pid) as file:
            found = re.search(r"VmHWM:\s+(\d+) kB", file.read())
        peak = max(peak, int(found.group(1)) if found else 0)
        time.sleep(0.005)
    return peak


@test("import: 6,000 lines, memory does not grow with the file")
def import_many(cluster):
    def memory(lines, width):
        path = write_csv(cluster, "many.csv", "sku,warehouse,on_hand,name\n" + "".join(
            "N%d-%d-%d,BER1,%d,%s\n" % (lines, width, i, i % 9, "x" * width) for i in range(lines)))
        out = subprocess.Popen([HOLDFAST, "-C", cluster.file, "import", path, "--json"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               # a sanitizer keeps what was freed; here that is not the question
                               env=dict(os.environ, **{
                                   "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
                                   ":quarantine_size_mb=0", MARK: mark}))
        peak = peak_kib(out)
        text = out.communicate()[0]
        equal((out.returncode, json.loads(text)["lines"]), (0, lines), "imported")
        return peak
    cluster.hf("warehouse", "put", "BER1", "--name", "Lager")
    small, short, large = memory(2000, 250), memory(6000, 1), memory(6000, 250)
    note("peak memory: %d KiB with 2,000 lines, %d KiB with 6,000, %d KiB when these are short" % (
        small, large, short))
    check(wire.UNDER_VALGRIND or large < small + 4096,
          "4,000 lines of 270 bytes more cost less than 4 MiB")
    # Of their text nothing is kept; all of it would be 1,459 KiB. A sanitizer's room around each
    # block is as much.
    check(not PLAIN or large < short + 1024, "249 bytes more in each of 6,000 lines cost less than 1 MiB")


# ---------------------------------------------------------------- when nobody answers


@test("nobody serves: exit 69, and the name of the result first")
def nobody(_):
    with BrokerAlone() as broker:
        for words in (["stock", "A"], ["stock"], ["audit"]):
            done = broker.hf(*words, "--timeout", "500ms", expect=69)
            check(done.result in ("unavailable", "deadline_exceeded"), "name first: %s" % done)
            check(re.match("(unavailable|deadline_exceeded): ", done.err), "on stderr: %s" % done)
        # It may still lie in the broker's queue when the time is up: then it is unknown.
        done = broker.hf("receive", "A=1@W", "--timeout", "500ms", expect=None)
        check(done.code in (69, 75), "a write: %s" % done)
        if done.code == 75:
            check("holdfast settle " + done.json["operation_id"] in done.err, "what to do: %s" % done)


@test("ctrl-C during a write exits 130 and says how to settle it")
def interrupted(_):
    with BrokerAlone() as broker:
        with broker.fake_worker() as worker:
            child = subprocess.Popen(
                [HOLDFAST, "-C", broker.file, "receive", "A=1@W", "--timeout", "20s"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env=dict(os.environ, **{MARK: mark}))
            worker.dispatch(10)  # it waits for the result
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=scale(10))
    equal((child.returncode, out), (130, ""), "exit code and stdout: " + err)
    check(re.match(r"unknown: interrupted; settle it with: holdfast settle [0-9a-f-]{36}\n", err),
          "how to settle it: " + err)


# ---------------------------------------------------------------- pages and completion


@test("the man page has every command and option of the table, and none besides")
def man_page(_):
    with open(os.path.join(ROOT, "man", "holdfast.1"), encoding="utf-8") as file:
        text = file.read()
    sections = {}
    body = text[text.index(".Sh COMMANDS"):text.index(".Sh ENVIRONMENT")]
    for part in body.split("\n.Ss ")[1:]:
        title, _, rest = part.partition("\n")
        sections[title] = re.findall(r"^\.It Fl \\-([a-z-]+)", rest, re.M)
    common = {"--help", "--json", "--timeout", "--id", "--actor", "--note"}
    want = {}
    for words, (arguments, options) in table().items():
        title = words + ("" if arguments == "-" else " " + arguments.replace("…", "..."))
        want[title] = [o[2:] for o in options if o not in common]
    equal(sections, want, "commands and their options")
    for option in common:
        check("\n.It Fl \\" + option[1:] in text, option + " is described")
    for name in wire.STATUS_CODES:
        check(name in text, "%s is in EXIT STATUS" % name)


@test("man pages are clean mdoc; cluster.yaml's names every key of its schema")
def man_lint(_):
    pages = [os.path.join(ROOT, "man", name) for name in sorted(os.listdir(ROOT + "/man"))]
    equal(len(pages), 7, "seven pages")
    done = execute(["mandoc", "-Tlint", "-W", "warning", *pages])
    equal((done.code, done.out), (0, ""), "mandoc -Tlint")
    with open(os.path.join(ROOT, "etc", "cluster.schema.json")) as file:
        schema = json.load(file)
    with open(os.path.join(ROOT, "man", "holdfast-cluster.yaml.5")) as file:
        text = file.read()

    def keys(node):
        if isinstance(node, dict):
            yield from node.get("properties", {})
            for value in node.values():
                yield from keys(value)
        elif isinstance(node, list):
            for value in node:
                yield from keys(value)
    for key in set(keys(schema)):
        check(re.search(r"\b%s\b" % key, text), "%s is described" % key)


@test("completion is made from the table; it completes commands, options and warehouses")
def completion(cluster):
    path = os.path.join(ROOT, "completion", "holdfast.bash")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    inside = text[text.index("_holdfast_table='") + 17:text.index("'\n# table:end")]
    for line in set(inside.strip().splitlines()) ^ set(plain("help", "--table").out.splitlines()):
        raise Failure("in only one of completion and table (run make completion): %r" % line)
    cluster.hf("warehouse", "put", "EVIL$(touch evil)", "--name", "x")

    def complete(*words):
        script = ('source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        env = {"PATH": BIN + ":" + os.environ["PATH"]}
        return execute(["bash", "-c", script, path, "holdfast", *words], env=env).out.split("\n")
    check({"reserve", "release", "receive"} <= set(complete("re")), "commands")
    equal(complete("warehouse", "")[:2], ["put", "list"], "second words")
    equal(complete("reserve", "--po")[:1], ["--policy"], "options")
    equal(complete("reserve", "--policy", "n")[:1], ["nearest-first"], "choices")
    # The cluster is asked, and not for long.
    wait_until(lambda: "BER1" in complete("-C", cluster.file, "transfer", "--to", ""), 6, "warehouses")
    wait_until(lambda: complete("-C", cluster.file, "receive", "A", "=", "1", "@", "M")[:1] == ["MUC"],
               6, "a LINE's warehouse")
    wait_until(lambda: "EVIL\\$\\(touch\\ evil\\)" in complete("-C", cluster.file, "transfer",
                                                              "--to", "E"),
               6, "names are quoted, not run")
    check(not os.path.exists("evil"), "nothing was run")


if __name__ == "__main__":
    run(workers=1, views=1)

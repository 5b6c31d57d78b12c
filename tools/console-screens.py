#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make console-screens: runs holdfast-console against a private cluster, and puts what it shows into
docs/console.md, into the code block that follows each `<!-- screen NAME -->`. SCREENS="stock item"
makes only these."""
import concurrent.futures
import os
import re
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
sys.path.insert(0, os.path.join(ROOT, "tests", "console"))
from harness import BIN, Cluster, execute, scale  # noqa: E402
from scenarios import begin_run, record_run  # noqa: E402

PAGE = os.path.join(ROOT, "docs", "console.md")
ITEMS = [("BLT-20011", "Bolt M8x40 zinc", "4006381333900"), ("BLT-20012", "Bolt M8x60 zinc", None),
         ("JPN-00007", "Widg\u00e9t \u65e5\u672c M4", "4900000000001"),
         ("NUT-10007", "Nut M8 zinc", None), ("TAP-00311", "Tape 50mm clear", None),
         ("WID-00042", "Widget blue 40mm", "4006381333948"),
         ("WID-00043", "Widget red 40mm", None), ("WID-00044", "Widget green 40mm", None)]

# Name of the screen: rows, columns, options of the console, and its script.
STOCK = "wait-for Stock  8  from 1\nwait-for WID-00042\nwait-for LIVE\nwait-for served 8/8\n"
FIND = STOCK + "key End\nkey Up\nkey Up\n"
LIST = "key F3\ntype Runs\nkey Enter\nwait-for bolts\nkey End\nkey Enter\nwait-for 2/5\n"
SCREENS = {
    "stock": (24, 80, [], STOCK + "wait-for w1 ok\n"),
    "menu": (24, 80, [], FIND + "wait-for w1 ok\nkey F9\nwait-for Menu\n"),
    "adjust": (24, 80, [], FIND + "key F4\nwait-for Adjust\ntype BER1\nkey Tab\ntype -3\nkey Tab\n"
               "type dam\nwait-for -> 115\n"),
    "item": (24, 80, [], FIND + "key Enter\nwait-for forklift\n"),
    "reservations": (16, 80, [], STOCK + "key F3\ntype Reserv\nkey Enter\nwait-for o1936\n"),
    "orders": (16, 80, [], STOCK + "key o\ntype o1940\nkey Enter\nwait-for o1940\n"
               "wait-for p ship\n"),
    "operations": (20, 80, [], STOCK + "key F3\ntype Oper\nkey Enter\nwait-for credit\n"
                   "wait-for partitions, \nwait-for depth        0\n"),
    "events": (20, 80, [], STOCK + "key F3\ntype Events\nkey Enter\nwait-for forklift\nkey /\n"
               "type at:ber\nkey Enter\nwait-for forklift\nkey Down\nkey Down\nkey Down\nkey Down\n"),
    "runs": (16, 80, [], STOCK + "key F3\ntype Runs\nkey Enter\nwait-for line 2\n"),
    "scan": (16, 20, ["--warehouse", "BER1"], "wait-for LIVE\nkey F3\ntype Scan\nkey Enter\n"
             "wait-for Reference\ntype PO-9\nkey Enter\nwait-for pieces\n"),
    "receive": (16, 20, ["--warehouse", "BER1"], "wait-for LIVE\nkey F3\ntype Scan\nkey Enter\n"
                "wait-for Reference\ntype PO-9\nkey Enter\nwait-for pieces\ntype 12*\n"
                "scan 4006381333948\nwait-for -> \n"),
    "count": (16, 80, [], STOCK + LIST + "wait-for zinc\nwait-for Bolt M8x60\n"),
    "list": (16, 20, ["--warehouse", "BER1"], "wait-for LIVE\n" + LIST + "key F3\ntype Scan\nkey Enter\nkey Tab\n"
             "wait-for COUNT list\n"),
    "wide": (40, 160, [], STOCK + "wait-for HAM2\nwait-for  87 \nwait-for w1 ok\nkey End\nkey Up\nkey Up\n"
             "wait-for History WID-00042\nwait-for +121\n"),
    "help": (24, 80, [], STOCK + "key F1\nwait-for Help\n"),
}


def fill(cluster):
    for code, name in (("BER1", "Berlin"), ("HAM2", "Hamburg")):
        cluster.hf("warehouse", "put", code, "--name", name)
    for code, name in (("damaged", "Broken or spoiled"), ("found", "Found again"),
                       ("recount", "Counted anew")):
        cluster.hf("reason", "put", code, "--name", name)
    begin_run(cluster, "bolts", 5)
    record_run(cluster, "bolts", [
        (i + 1, result, text, dict(more, sku=sku.encode(), warehouse=b"BER1"))
        for i, (sku, result, text, more) in enumerate([
            ("BLT-20011", "applied", "", {}), ("BLT-20012", "unavailable", "", {"open": True}),
            ("NUT-10007", "applied", "", {}),
            ("WID-00042", "version_conflict", "counted 118 when the books said 121, and it moved",
             {"counted": 118, "booked": 121}),
            ("WID-00043", "unavailable", "", {"open": True})])])
    for i, (sku, name, barcode) in enumerate(ITEMS):
        words = ["item", "put", sku, "--name", name, "--reorder-point", "40"]
        cluster.hf(*words, *(["--barcode", barcode] if barcode else []))
        berlin = 121 if sku == "WID-00042" else 37 * i
        if berlin:
            cluster.hf("receive", "%s=%d@BER1" % (sku, berlin), "--reference", "PO-771")
        cluster.hf("receive", "%s=%d@HAM2" % (sku, 20 + 31 * i), "--reference", "PO-772")
    cluster.hf("adjust", "WID-00042=-3@BER1", "--reason", "damaged", "--note", "forklift", "--actor",
               "j.lee")
    for order, line, ttl in (("o1932", "WID-00042=31@BER1", "41m"), ("o1936", "BLT-20011=1", "175s"),
                             ("o1937", "NUT-10007=4", "15m")):
        cluster.hf("reserve", line, "--order", order, "--ttl", ttl, "--actor", "web-shop")
    sold = cluster.hf("reserve", "TAP-00311=6@BER1", "--order", "o1940", "--actor", "web-shop").json
    cluster.hf("purchase", sold["reservation"], "--actor", "web-shop")
    for run, lines in (("2026w47-inventory", 3), ("2026w48-A7", 4)):
        begin_run(cluster, run, lines)
        record_run(cluster, run, [(1, "applied", ""), (3, "applied", "")])
    record_run(cluster, "2026w48-A7", [(2, "unknown_reason", "reason: no reason has this code")])
    record_run(cluster, "2026w47-inventory", [(2, "applied", "")])


def capture(cluster, folder, rows, columns, options, script):
    path, out = os.path.join(folder, "script"), os.path.join(folder, "screen")
    with open(path, "w") as file:
        file.write("patience %d\n%sdump-screen %s\n" % (scale(10), script, out))
    done = execute([os.path.join(BIN, "holdfast-console"), "-C", cluster.file, "--plain", "--actor",
                    "m.kaya", "--script", path, *options],
                   env={"LINES": str(rows), "COLUMNS": str(columns), "LC_ALL": "C.UTF-8",
                        "HOME": folder})
    if done.code != 0:
        sys.exit("console-screens: %s" % done)
    with open(out) as file:
        return file.read().rstrip("\n")


def read_page():
    """The page, and its screens by name."""
    with open(PAGE) as file:
        page = file.read()
    shown = dict(re.findall(r"<!-- screen ([a-z]+) -->\n```\n(.*?)\n```", page, re.S))
    strange = set(shown) ^ set(SCREENS)
    if strange:
        raise SystemExit("console-screens: not both in docs/console.md and here: %s"
                         % sorted(strange))
    return page, shown


def capture_all(cluster, names=()):
    names = list(names or SCREENS)

    def one(name):
        with tempfile.TemporaryDirectory() as folder:
            return capture(cluster, folder, *SCREENS[name]).replace(cluster.config["name"], "inv")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return dict(zip(names, pool.map(one, names)))


def structure(text):
    """What of a screen does not depend on when it was captured: words, keys, order; no figures, times,
    ids and trends, no rate, which is there only while something is going on, and not how many
    blanks are between."""
    text = re.sub(r"R-[0-9A-Z*~$=]+", "R", text)
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "ID", text)
    text = re.sub("[\u2581-\u2588]+", "", text)
    text = re.sub(r" \d[\d.]*/s\b", "", text)
    text = re.sub(r"\d[\d,:.]*", "9", text)
    return [" ".join(line.split()) for line in text.split("\n")]


def main():
    page, shown = read_page()
    with Cluster(workers=2, views=1) as cluster:
        fill(cluster)
        for name, text in capture_all(cluster, os.environ.get("SCREENS", "").split()).items():
            page = re.sub(r"(<!-- screen %s -->\n```\n).*?(?=```)" % name,
                          lambda found: found.group(1) + text + "\n", page, flags=re.S)
    with open(PAGE, "w") as file:
        file.write(page)
    print("console-screens: %d screens in docs/console.md" % len(shown))


if __name__ == "__main__":
    main()

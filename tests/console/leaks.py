# SPDX-License-Identifier: MIT
"""No leak over 10,000 switches of the view, each at another size.

usage: leaks.py [ROUNDS]        the console as it is: its memory must not grow
       leaks.py --valgrind [ROUNDS]
       leaks.py --sanitizer [ROUNDS]    $HOLDFAST_CONSOLE is of such a build

Each round resizes the terminal, goes to the next view and waits until it is drawn at that size, with
what stands below Stock where that has room, and a count list that is open; every tenth opens and
leaves the menu, and some a form, a filter, or write the list into a file. A relay is asked for its
subscriptions besides. Part of make console-matrix.
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import *  # noqa: E402
from scenarios import stock_up  # noqa: E402
from terminal import Terminal, console_argv  # noqa: E402

TITLES = (("Stock", " Stock "), ("Item", " Item WID-1"), ("Reservations", " Reservations "),
          ("Orders", " Orders"), ("Operations", " Operations"), ("Scan", " Scan"),
          ("Runs", " Runs"), ("Count", " Count"), ("Events", " Events  "))
SETTLED = 1000  # rounds until every buffer has had its largest size
GROWTH_KB = 2048
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=98", "--leak-check=full",
            "--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect"]


def resident_kb(pid):
    with open("/proc/%d/status" % pid) as file:
        return int(re.search(r"^VmRSS:\s+(\d+)", file.read(), re.M).group(1))


def round_trip(t, i):
    name, title = TITLES[i % len(TITLES)]
    t.resize(10 + i * 7 % 50, 60 + i * 13 % 150)
    t.send("\033OR" + name + "\r")
    t.wait(title, 20)
    if i % 10 == 0:
        t.send("\033OP\033" + "\033[20~")
        t.wait("- Menu", 20)
        t.send("\033")
        t.wait_gone("- Menu", 20)
    if name == "Stock" and i % 4 == 0:
        t.send("\033OS")
        t.wait("Adjust", 20)
        t.send("\033")
        t.wait_gone("Adjust", 20)
    if name in ("Stock", "Events") and i % 7 == 0:
        t.send("eE"[i % 2])
        t.wait(("csv", "jsonl")[i % 2], 20)
    if name in ("Stock", "Events") and i % 5 == 0:
        t.send("/wid")
        t.wait('"wid"', 20)
        t.send("\033")
        t.wait_gone('"wid"', 20)


def rounds(t, count, plain):
    t.wait("WID-1", 30)
    t.scan("WID-1")
    t.wait("Item WID-1", 30)
    t.view("Stock")
    t.send("C")
    t.wait("name of the count list", 30)
    t.send("leaks\r")
    t.wait(" Count 0/", 30)
    before = 0
    for i in range(count):
        round_trip(t, i)
        if i == SETTLED:
            before = resident_kb(t.state()["pid"])
    after = resident_kb(t.state()["pid"])
    t.resize(24, 80)
    t.key("F10")
    code = t.ended(60)
    if plain:
        note("%d rounds: %d kB after %d of them, %d kB at the end" % (count, before, SETTLED, after))
        check(after - before < GROWTH_KB, "memory grew by %d kB" % (after - before))
    equal(code, 0, "exit code (98: valgrind, 99: a sanitizer):\n" + t.text())


def main():
    words = sys.argv[1:]
    under = next((w for w in words if w.startswith("--")), "")
    count = next((int(w) for w in words if w.isdigit()), 10000)

    def run_rounds(cluster):
        log = os.path.join(cluster.dir, "report")
        argv = console_argv(cluster, "--warehouse", "BER1")  # of which the list is
        if under == "--valgrind":
            argv = VALGRIND + ["--log-file=" + log] + argv
        options = "log_path=%s:exitcode=99:detect_leaks=1" % log
        env = {"ASAN_OPTIONS": options, "UBSAN_OPTIONS": options} if under == "--sanitizer" else {}
        try:
            stock_up(cluster)
            with Terminal(argv=argv, env=env) as t:
                rounds(t, count, not under)
        finally:
            for name in os.listdir(cluster.dir):
                if name.startswith("report"):
                    with open(os.path.join(cluster.dir, name), errors="replace") as file:
                        note(file.read()[:8000])

    sys.argv[1:] = []
    test("%d switches and resizes leave nothing%s" % (count, " " + under if under else ""))(run_rounds)
    run(workers=1, views=1, shards=1, relays=1)


if __name__ == "__main__":
    main()

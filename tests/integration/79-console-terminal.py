# SPDX-License-Identifier: MIT
"""What holdfast-console does to the terminal, and to what comes from it: modes after every way out,
no key lost or doubled, scans in order, pastes, and what an idle or busy screen costs."""
import os
import re
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "console"))
from harness import *  # noqa: E402
from scenarios import *  # noqa: E402
from terminal import Terminal  # noqa: E402

FRAMES_A_SECOND = 4
WAKE_UPS_A_SECOND = 40
MEMORY_MB = 50


def proc(pid, name, key):
    with open("/proc/%d/%s" % (pid, name)) as file:
        return int(re.search(r"^%s:\s+(\d+)" % key, file.read(), re.M).group(1))


def wake_ups(pid):
    """Of the thread that draws."""
    name = "task/%d/status" % pid
    return proc(pid, name, "voluntary_ctxt_switches") + proc(pid, name,
                                                             "nonvoluntary_ctxt_switches")


@test("every way out leaves the terminal as it was: screen, cursor, modes, line discipline")
def ways_out(cluster):
    stock_up(cluster)
    settings = os.path.join(cluster.dir, "mouse.yaml")
    with open(settings, "w") as file:
        file.write("version: 1\nmouse: true\n")
    for way in ("F10", "Ctrl-C", signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV, signal.SIGABRT):
        crash = way in (signal.SIGSEGV, signal.SIGABRT)
        with Terminal(cluster, "--settings", settings, env=wire.CRASHES if crash else None) as t:
            t.wait("WID-1")
            t.key("F4")
            t.wait("Adjust")
            state, modes = t.state(), t.modes()
            equal((state["alternate"], modes["paste"], modes["mouse"], modes["same"]),
                  (t.two_screens, 1, 1, 0),
                  "its own screen, bracketed paste, mouse, raw bytes")
            if way == "F10":
                t.key("F10")
                want = 0
            elif way == "Ctrl-C":
                t.send("\003")
                want = 0
            else:
                t.signal(way)
                polite = way in (signal.SIGTERM, signal.SIGHUP)
                want = 128 + way if polite else -way
            equal(t.ended(), want, "exit code after %s" % way)
            equal(t.modes(), {"mouse": 0, "paste": 0, "same": 1}, "modes after %s" % way)
            equal((t.state()["alternate"], t.cursor()[2]), (0, 1),
                  "the shell's screen and a cursor after %s" % way)


@test("20,000 keys in one go: none is lost, none is taken twice")
def many_keys(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        adjust(t, "-1")
        t.key("Tab")
        # Each letter is taken away again; what is left is what only the right number leaves.
        t.send("xy\177\177" * 5000 + "".join(chr(97 + i % 26) for i in range(40)) + "END")
        t.wait("opqrstuvwxyzabcdefghijklmnEND", 20)
        t.send("\033[H")  # Home: the beginning of the text is shown
        t.wait("[abcdefghijklmnopqrstuvwxyzabc")
        t.key("Esc")
        t.wait("nothing was sent")


@test("thirty scans at once stay scans, one after the other, and it says how many wait")
def queue(cluster):
    log = os.path.join(cluster.dir, "plain.log")
    with Terminal(cluster, "--plain", env={"HOLDFAST_TERMINAL_LOG": log}) as t:
        t.wait("WID-1")
        t.send("".join(sku + "\r" for sku in PAGES))
        t.wait("Item " + PAGES[-1], 20)
    with open(log, errors="replace") as file:
        text = file.read()
    # Two answers may come between two frames; a scan that was cut is a code that nobody knows, and
    # its letters are commands.
    shown = list(dict.fromkeys(re.findall(r"^ Item (ZPG-\d\d)", text, re.M)))
    equal(shown, sorted(shown), "items in the order in which they were scanned")
    check(len(shown) > len(PAGES) // 2, "items that were shown: %r" % shown)
    check("ERR" not in text and "PAUSED" not in text, text[-2000:])
    check(re.search(r"\d+ keys wait", text), "it says how many wait")
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.send("7731\r7731\r")
        t.wait("dropped: 7731 was scanned twice")
        t.wait("Item WID-3")


@test("a paste is text: no scan, no command, no line end")
def pastes(cluster):
    before = movements(cluster)
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.send("\033[200~4006381333931\r\033[201~")
        t.wait("code, order or R-: 4006381333931")
        check("Item WID-1" not in t.text(), t.text())
        t.key("Esc")
        t.send("\033[200~q\003\033OQ\033[21~\033[201~")
        t.wait("code, order or R-: q")
        t.key("Esc")
        t.send("\033[200~ WID-3\r\n\033[201~")  # a line, as another program copies it
        t.wait("code, order or R-:  WID-3")
        t.key("Enter")
        t.wait("Item WID-3")
        t.view("Stock")
        adjust(t, "-1")
        t.key("Tab")
        t.send("\033[200~one\r\ntwo\t\033OQthree\033[201~")
        t.wait("[one  two three")
        t.key("Esc")
        t.wait("nothing was sent")
    equal(movements(cluster), before, "movements in the ledger")


@test("an idle screen writes nothing and hardly wakes; under changes it draws 4 times a second")
def costs(cluster):
    with Terminal(cluster) as t:
        t.wait("WID-1")
        t.wait("LIVE")
        t.quiet(1.5)
        pid = t.state()["pid"]
        begun, bytes_before, woken = time.monotonic(), t.state()["written"], wake_ups(pid)
        t.quiet(3)
        took = time.monotonic() - begun
        equal(t.state()["written"] - bytes_before, 0, "bytes written by an idle screen")
        woken = (wake_ups(pid) - woken) / took
        note("%.0f wake-ups a second when idle" % woken)
        if PLAIN:
            check(woken < WAKE_UPS_A_SECOND, "%.0f wake-ups a second" % woken)

        # Every change is of an item that is on the screen.
        script = ["%d\t0\tadjust\tsku=%s\twh=BER1\tdelta=1\treason=found" % (i % 8, PAGES[i % 8])
                  for i in range(1600)]
        label = "code, order or R-: " if t.size[1] >= 40 else ">"
        load = threading.Thread(target=lambda: cluster.load(script, clients=8))
        before, begun = t.state(), time.monotonic()
        load.start()
        while load.is_alive():
            t.quiet(0.2)
        took, after = time.monotonic() - begun, t.state()
        frames = after["writes"] - before["writes"]
        note("%d changes: %d frames in %.1f s, %d bytes"
             % (len(script), frames, took, after["written"] - before["written"]))
        check(0 < frames <= FRAMES_A_SECOND * took + 1, "%d frames in %.1f s" % (frames, took))
        echoes = []
        while len(echoes) < 20:
            t.key("o")
            echoes.append(t.echo("abc", label + "abc"))
            t.key("Esc")
            t.wait_gone(label + "abc")
        note("an echo took %.1f ms, at most %.1f"
             % (1000 * sorted(echoes)[len(echoes) // 2], 1000 * max(echoes)))
        if t.size[1] >= 40:
            t.wait(" {:,} ".format(cluster.level(PAGES[0], "BER1")["on_hand"]))
        memory = proc(pid, "status", "VmHWM") / 1024
        note("%.0f MB at most" % memory)
        if PLAIN:
            check(memory < MEMORY_MB, "%.0f MB" % memory)


if __name__ == "__main__":
    run(workers=2, views=1, shards=1)

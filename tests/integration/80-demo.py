# SPDX-License-Identifier: MIT
"""make demo without a terminal: it ends by itself, its sums hold, and it leaves nothing behind. On a
terminal it ends in the console."""
import csv
import itertools
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "console"))
from harness import *  # noqa: E402
from terminal import Terminal  # noqa: E402

LINES = 4792
DATA = os.path.join(ROOT, "demo", "data", "online-retail.csv")
LIMIT_S = 170


def figure(pattern, out):
    found = re.search(pattern, out)
    check(found, "no %r in\n%s" % (pattern, out))
    return [int(text.replace(",", "")) for text in found.groups()]


class Demo:
    """One run, looked at by several tests."""
    done = folder = None


@test("the demo ends with exit 0 in time")
def demo_runs():
    Demo.folder = tempfile.mkdtemp(prefix="hf-demo-")
    atexit.register(shutil.rmtree, Demo.folder, ignore_errors=True)
    begun = time.monotonic()
    Demo.done = execute([os.path.join(ROOT, "demo", "run.sh")], LIMIT_S,
                        env={"BUILD": os.path.dirname(BIN), "TMPDIR": Demo.folder})
    note("%.1f s" % (time.monotonic() - begun))
    equal(Demo.done.code, 0, "exit code of %s" % Demo.done)
    note(Demo.done.out.split("Speed")[1].split("\n\n")[0])


@test("it leaves no process, socket or file")
def nothing_left():
    equal(os.listdir(Demo.folder), [], "what is left in its temporary folder")
    check_nothing_left()


@test("every line of the file is in one bucket")
def lines_add_up():
    part = Demo.done.out.split("Every line of the file\n")[1]
    counts = []
    for line in part.splitlines():
        if "together" in line:
            break
        counts.append(int(line.split()[0]))
    equal(sum(counts), LINES, "sum of the buckets")
    check("every line is accounted for" in part, "lines without an outcome in\n" + part)
    equal(figure(r"(\d+)  together, of (\d+) lines", part), [LINES, LINES], "the total it prints")
    with open(DATA, newline="") as file:
        equal(sum(1 for _ in csv.DictReader(file)), LINES, "lines of the file")


@test("opening and bookings give what is on hand, for every SKU")
def stock_adds_up():
    out = Demo.done.out
    opening, returned, adjusted, shipped, result, there = [
        int(n) for n in re.search(
            r"opening (\d+) \+ returned (\d+) \+ adjusted (-?\d+) - shipped (\d+) = (\d+); "
            r"on hand (\d+)", out).groups()]
    equal(opening + returned + adjusted - shipped, there, "the sum")
    equal(result, there, "the sum that it prints")
    agree, of = figure(r"(\d+) of (\d+) SKUs agree", out)
    equal(agree, of, "SKUs that agree")
    equal(figure(r"([\d,]+) lines \(([\d,]+) units\) were shipped", out)[1], shipped,
          "units shipped")


@test("the outcome is that of the file's order")
def outcome():
    out = Demo.done.out
    orders = figure(r"Orders: ([\d,]+) of ([\d,]+) invoices", out)
    equal(orders[1], 2093, "invoices")
    parts = [figure(r"([\d,]+) " + what, out)[0]
             for what in ("placed in full", "placed in part", "refused\n")]
    equal(sum(parts), orders[0], "orders in full, in part and refused")
    # The same on every machine: orders of a SKU are placed in file order.
    equal(parts, [1220, 86, 125], "orders in full, in part and refused")
    equal(figure(r"(\d+)  came back, booked as a return", out), [2], "returns")
    equal(figure(r"(\d+)  adjustment booked", out), [524], "adjustments")
    equal(figure(r"(\d+)  adjustment refused: would take more", out), [90], "refused adjustments")
    equal(figure(r"(\d+)  no goods", out), [12], "lines that are no goods")
    equal(figure(r"(\d+)  a bad debt", out), [1], "bad debts")
    check("23843" in out and "80,995 units in 1 line" in out, "invoice 581483 was refused")


@test("codes that differ only in case are different SKUs")
def case_matters():
    with open(DATA, newline="") as file:
        codes = {row["StockCode"] for row in csv.DictReader(file)}
    check({"85123A", "85123a"} <= codes, "both are in the file")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "opening.csv")
        done = execute([os.path.join(os.path.dirname(BIN), "demo", "replay"), "opening", "--data",
                        DATA, "--tables", os.path.join(ROOT, "demo"), "--out", path])
        equal(done.code, 0, "exit code")
        with open(path, newline="") as file:
            skus = {row["sku"] for row in csv.DictReader(file)}
    check({"85123A", "85123a"} <= skus, "both have opening stock")
    check(not {"M", "m", "POST", "AMAZONFEE"} & skus, "what is no goods has none")


def replay(cluster, run_file):
    done = execute([os.path.join(os.path.dirname(BIN), "demo", "replay"), "run", "-C",
                    cluster.file, "--run", run_file], LIMIT_S)
    equal(done.code, 0, "exit code of %s" % done)
    return done.out


def applied_operations(out):
    """A reserve was applied for each purchase, and each purchase and ship was."""
    purchases, ships = figure(r"([\d,]+) purchase, ([\d,]+) ship", out)
    equal(purchases, ships, "purchases and ships")
    return 3 * purchases + sum(figure(r"(\d+)  came back, booked as a return", out) +
                               figure(r"(\d+)  adjustment booked", out))


@test("the same run again does nothing twice")
def once():
    with Cluster(shards=1, workers=1) as cluster:
        for code in ("LONDON", "LEEDS", "BRISTOL"):
            cluster.hf("warehouse", "put", code, "--name", code)
        with open(os.path.join(ROOT, "demo", "reason-codes.csv"), newline="") as file:
            for row in csv.DictReader(file):
                cluster.hf("reason", "put", row["code"], "--name", row["name"])
        opening = os.path.join(cluster.dir, "opening.csv")
        execute([os.path.join(os.path.dirname(BIN), "demo", "replay"), "opening", "--out",
                 opening])
        cluster.hf("import", opening, seconds=60)
        run_file = os.path.join(cluster.dir, "replay-run")
        first = replay(cluster, run_file)
        rows = cluster.number("SELECT COUNT(*) FROM movement")
        # A later receipt may let a sale through that was refused, so the second run may do more;
        # the third has nothing left to do.
        second = replay(cluster, run_file)
        settled = cluster.number("SELECT COUNT(*) FROM movement")
        third = replay(cluster, run_file)
        equal(cluster.number("SELECT COUNT(*) FROM movement"), settled, "movements at the end")
        applied = [applied_operations(out) for out in (first, second, third)]
        again = [figure(r"([\d,]+) were done by an earlier run", out)[0]
                 for out in (second, third)]
        equal(again, [applied[0], applied[1]], "operations that were answered again")
        equal(applied[2], applied[1], "operations that were applied in the third run")
        note("%d movements, then %d; %r operations" % (rows, settled, applied))
        cluster.audit()


@test("SIGINT in the middle cleans up too")
def interrupted():
    child = subprocess.Popen([os.path.join(ROOT, "demo", "run.sh")], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             start_new_session=True,
                             env=dict(os.environ, **{MARK: mark, "TMPDIR": Demo.folder,
                                                     "BUILD": os.path.dirname(BIN)}))
    out = []
    for line in child.stdout:
        out.append(line)
        if "The invoices" in line:
            os.killpg(child.pid, signal.SIGINT)
            break
    try:
        out.append(child.communicate(timeout=scale(60))[0])
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        raise Failure("it does not end: " + "".join(out)[-2000:])
    equal(child.returncode, 130, "exit code: " + "".join(out)[-2000:])
    equal(os.listdir(Demo.folder), [], "what is left in its temporary folder")
    check_nothing_left()


@test("on a terminal it ends in the console, where orders come in at a pace to follow; F10 stops everything")
def on_a_terminal():
    with tempfile.TemporaryDirectory(prefix="hf-demo-") as folder:
        data, place = os.path.join(folder, "short.csv"), os.path.join(folder, "tmp")
        os.mkdir(place)
        with open(DATA) as file, open(data, "w") as short:
            short.writelines(itertools.islice(file, 300))
        with Terminal(argv=["sh", "-c", "cd '%s' && exec demo/run.sh" % ROOT],
                      env={"BUILD": os.path.dirname(BIN), "TMPDIR": place, "DEMO_DATA": data}) as t:
            t.wait("Enter opens it:", 90)
            t.key("Enter")
            t.wait("F10Quit", 20)
            t.view("Events")
            t.wait("following")
            seen, begun = [], time.monotonic()
            while len(seen) < 3:
                check(time.monotonic() - begun < scale(30), "orders come in: " + t.text())
                newest = t.lines()[3]
                if newest not in seen and newest.startswith(">"):
                    seen.append(newest)
                t.quiet(0.1)
            note("three events to be read in %.1f s" % (time.monotonic() - begun))
            t.key("F10")
            equal(t.ended(60), 0, "exit code: " + t.text())
        equal(os.listdir(place), [], "what is left in its temporary folder")
        check_nothing_left()


if __name__ == "__main__":
    os.chdir(ROOT)
    run(cluster=False)

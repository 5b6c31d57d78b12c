#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""plan, apply, undo, run list and run show: what a bulk file does to stock, and what it says."""
import json
import signal

from harness import *
from harness import BIN, MARK, execute, mark

HOLDFAST = os.path.join(BIN, "holdfast")
folder = tempfile.mkdtemp(prefix="runs-")
LINE = re.compile(r"\{op: (\w+)")


def write(name, run, *lines, **defaults):
    """A bulk file, one line of it a line of the file."""
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write("version: 1\nrun: %s\n" % run)
        for key, value in defaults.items():
            file.write("%s: %s\n" % (key, value))
        file.write("lines:\n" + "".join("  - {%s}\n" % line for line in lines))
    return path


def found(cluster):
    """A warehouse or two, a reason, and stock."""
    cluster.stock("A", W=10, V=0)
    cluster.stock("B", W=5)
    cluster.hf("reason", "put", "broken", "--name", "Broken")


def figures(cluster, *skus):
    return {(sku, level["warehouse"]): level["on_hand"] for sku in skus
            for level in cluster.hf("stock", sku, "--consistency", "owner").json["warehouses"]}


def ledger(cluster):
    return cluster.number("SELECT COALESCE(MAX(seq), 0) + COUNT(*) FROM movement")


def summary(done):
    return done.lines[-1]


# ---------------------------------------------------------------- plan

@test("plan shows each line on top of those before it, refusals and totals, and changes nothing")
def plan(cluster):
    found(cluster)
    path = write("plan.yaml", "plan", "op: adjust, sku: A, by: -3, reason: broken",
                 "op: adjust, sku: A, by: -6, reason: broken", "op: adjust, sku: A, by: -2, reason: broken",
                 "op: count, sku: B, to: 5", "op: transfer, sku: B, by: 2, to_warehouse: V",
                 "op: put_warehouse, warehouse: N, name: New", "op: safety_stock, sku: B, to: 3",
                 warehouse="W")
    before = ledger(cluster)
    done = cluster.hf("plan", path, json=False, expect=1)
    equal(done.out.splitlines(), [
        "W A  10 -> 7 (-3)  broken  L5",
        "W A  7 -> 1 (-6)  broken  L6",
        "W A  refused  insufficient_on_hand: on_hand would be less than 0: A at W: asked 2, "
        "available 1  L7",
        "W B  5 -> 5 (+0)  L8",
        "W B  5 -> 3 (-2)  L9",
        "V B  0 -> 2 (+2)  L9",
        "put_warehouse N  L10",
        "W B  safety stock 0 -> 3 (+3)  L11",
        "run plan: 7 lines: 6 would be applied, 1 refused (1 insufficient_on_hand); on hand -9"],
        "text")
    one = write("one.yaml", "one", "op: adjust, sku: A, by: -3, reason: broken", warehouse="W")
    done = cluster.hf("plan", one, json=False, expect=1)
    equal(done.out.splitlines()[-1], "run one: 1 line: 1 would be applied, 0 refused; on hand -3",
          "one line")
    equal(ledger(cluster), before, "movements")
    lines = cluster.hf("plan", path, expect=1).lines
    equal([line["result"] for line in lines[:-1]],
          ["applied", "applied", "insufficient_on_hand"] + ["applied"] * 4, "results")
    equal(lines[1]["levels"][0]["before"]["on_hand"], 7, "on top of the line before")
    equal(lines[-1]["refused"], {"insufficient_on_hand": 1}, "totals")
    equal(cluster.hf("run", "list").lines, [], "runs")
    equal(figures(cluster, "A"), {("A", "W"): 10, ("A", "V"): 0} if ("A", "V") in
          figures(cluster, "A") else {("A", "W"): 10}, "stock")


@test("plan tells each line of a long file on top of the one before, whatever was asked about together")
def long_plan(cluster):
    cluster.stock("LONG", W=100, V=100)
    # 64 lines of a partition are asked about together: V moves at the same place of each question.
    path = write("long.yaml", "long", *(["op: receive, sku: LONG, by: 1"] * 63 +
                                        ["op: receive, sku: LONG, by: 1, warehouse: V"]) * 4,
                 warehouse="W")
    told = cluster.hf("plan", path, expect=1).lines
    for warehouse, lines in (("W", 63 * 4), ("V", 4)):
        equal([(level["before"]["on_hand"], level["after"]["on_hand"]) for line in told[:-1]
               for level in line["levels"] if level["warehouse"] == warehouse],
              [(100 + n, 101 + n) for n in range(lines)], warehouse)
    equal(told[-1]["on_hand_change"], 256, "on hand, together")


@test("lines of one sku that lie far apart are planned on top of each other; so are a new warehouse, "
      "an item, and a reservation")
def plan_far(cluster):
    held = cluster.hf("reserve", "A=4@W").json["reservation"]
    lines = ["op: put_item, sku: F%d, name: filler" % i for i in range(1200)]
    lines[0] = "op: put_warehouse, warehouse: P, name: Planned"
    lines[1] = "op: put_item, sku: NEW, name: New"
    lines[2] = "op: adjust, sku: A, by: -1, reason: broken, warehouse: W"
    lines[3] = "op: adjust, sku: A, by: -9, reason: broken, warehouse: W"
    lines[4] = "op: release, reservation: %s" % held
    path = write("far.yaml", "far", *lines, "op: receive, sku: NEW, by: 7, warehouse: P",
                 "op: adjust, sku: A, by: -9, reason: broken, warehouse: W",
                 "op: adjust, sku: A, by: -1, reason: broken, warehouse: W",
                 "op: release, reservation: %s" % held,
                 "op: adjust, sku: NEW, by: -7, reason: broken, warehouse: P")
    results = [line["result"] for line in cluster.hf("plan", path, expect=1).lines[:-1]]
    equal(results[:5], ["applied"] * 3 + ["insufficient_on_hand", "applied"], "the first")
    equal(results[-5:], ["applied", "applied", "insufficient_on_hand", "already_released",
                         "applied"], "the last, in other questions")
    cluster.hf("release", held)


# ---------------------------------------------------------------- apply

@test("apply goes on after bad lines, says where they are, and keeps what became of each")
def apply(cluster):
    path = write("apply.yaml", "apply", "op: adjust, sku: A, by: -3, reason: broken",
                 "op: adjust, sku: A, by: -30, reason: broken", "op: receive, sku: B, by: 4",
                 "op: adjust, sku: A, by: +1, reason: broken", warehouse="W")
    done = cluster.hf("apply", path, expect=2)
    at = path + ":6:5: insufficient_on_hand: "
    check(at in done.err, "%r is told in: %s" % (at, done))
    lines = {line["line"]: line for line in done.lines[:-1]}
    equal([lines[i]["result"] for i in (1, 2, 3, 4)],
          ["applied", "insufficient_on_hand", "applied", "applied"], "results")
    equal(lines[4]["levels"][0]["on_hand"], 8, "in order")
    equal({k: summary(done)[k] for k in ("applied", "skipped", "refused", "left")},
          {"applied": 3, "skipped": 0, "refused": 1, "left": 0}, "summary")
    equal(figures(cluster, "A", "B")["A", "W"], 8, "A")
    shown = cluster.hf("run", "show", "apply").lines
    equal({k: shown[0][k] for k in ("state", "lines", "applied", "refused", "left")},
          {"state": "done", "lines": 4, "applied": 3, "refused": 1, "left": 0}, "run show")
    equal([line["result"] for line in shown[1:]],
          ["applied", "insufficient_on_hand", "applied", "applied"], "its lines")
    check("asked 30, available 7" in shown[2]["message"], "why: %s" % shown[2])
    equal([run["run"] for run in cluster.hf("run", "list").lines], ["apply"], "run list")


@test("runs that began at the same time are all listed, each once, over pages")
def listed(cluster):
    columns = [row[0] for row in cluster.sql("SHOW COLUMNS FROM run")]
    other = {"run": "CONCAT_WS('-','same',a.d,b.d,c.d)", "created_at_us": "t.created_at_us-1000000",
             "partition_id": "a.d MOD 4"}
    digits = "(SELECT 0 d" + "".join(" UNION ALL SELECT %d" % d for d in range(1, 11)) + ")"
    cluster.sql("INSERT INTO run (%s) SELECT %s FROM run t,%s a,%s b,%s c WHERE t.run='apply'" % (
        ",".join(columns), ",".join(other.get(c, "t." + c) for c in columns), digits, digits,
        digits))
    try:
        names = [run["run"] for run in cluster.hf("run", "list", "--limit", "2000").lines]
        equal(len(names), 1 + 11 ** 3, "listed")
        equal(len(set(names)), len(names), "none twice")
        equal(names, ["apply"] + sorted(names[1:]), "newest first, then by name")
    finally:
        cluster.sql("DELETE FROM run WHERE run LIKE 'same-%'")


@test("a run that is there is not applied again; --resume skips what is done, --retry-refused does not")
def resume(cluster):
    path = os.path.join(folder, "apply.yaml")
    before = ledger(cluster)
    done = cluster.hf("apply", path, expect=1)
    check("operation_id_reused" in done.err and "--resume" in done.err, "it says so: %s" % done)
    equal(ledger(cluster), before, "movements")
    done = cluster.hf("apply", path, "--resume", expect=2)
    equal((summary(done)["applied"], summary(done)["skipped"]), (0, 4), "skipped")
    cluster.hf("receive", "A=30@W", "--reference", "late")
    done = cluster.hf("apply", path, "--resume", "--retry-refused")
    equal((summary(done)["applied"], summary(done)["skipped"]), (1, 3), "retried")
    equal(figures(cluster, "A")["A", "W"], 8, "A")
    equal(summary(cluster.hf("apply", path, "--resume"))["skipped"], 4, "nothing is left")


@test("a changed file under the same run is refused; another form of the same is not")
def changed(cluster):
    path = write("apply.yaml", "apply", "op: adjust, sku: A, by: -3, reason: broken",
                 "op: adjust, sku: A, by: -31, reason: broken", "op: receive, sku: B, by: 4",
                 "op: adjust, sku: A, by: +1, reason: broken", warehouse="W")
    for words in (["apply", path, "--resume"], ["apply", path], ["plan", path]):
        done = cluster.hf(*words, expect=1)
        check("was begun with other lines" in done.err, "%s: %s" % (words, done))
    with open(path, "w") as file:
        file.write("version: 1   # the same\nrun: apply\nlines:\n"
                   "  - {sku: A, op: adjust, by: -3, reason: broken, warehouse: W}\n"
                   "  - {op: adjust, sku: 'A', by: -30, reason: broken, warehouse: W}\n"
                   "  - {op: receive, sku: B, by: 4, warehouse: W}\n"
                   "  - {op: adjust, sku: A, by: 1, reason: broken, warehouse: W}\n")
    equal(summary(cluster.hf("apply", path, "--resume"))["skipped"], 4, "skipped")


@test("a bad file changes nothing; only version conflicts exit 3; --fail-fast stops; - is read twice")
def codes(cluster):
    before = ledger(cluster)
    path = write("bad.yaml", "bad", "op: receive, sku: A, by: 1", "op: receive, sku: A, by: 1e3",
                 "op: adjust, sku: A, by: 1, reason: brocken", warehouse="W")
    done = cluster.hf("apply", path, json=False, expect=65)
    check(":6:" in done.err and ":7:" in done.err and '"broken"' in done.err, "faults: %s" % done)
    equal(ledger(cluster), before, "movements")
    path = write("old.yaml", "old", "op: count, sku: A, to: 1, if_version: 1, warehouse: W",
                 "op: count, sku: B, to: 1, if_version: 1, warehouse: W")
    cluster.hf("apply", path, expect=3)
    path = write("fast.yaml", "fast", "op: adjust, sku: A, by: -99, reason: broken",
                 "op: adjust, sku: A, by: 1, reason: broken", warehouse="W")
    done = cluster.hf("apply", path, "--fail-fast", expect=1)
    equal((summary(done)["refused"], summary(done)["left"]), (1, 1), "stopped")
    check("--resume" in done.err, "how to go on: %s" % done)
    with open(write("pipe.yaml", "pipe", "op: receive, sku: A, by: 2, warehouse: W")) as file:
        text = file.read()
    equal(summary(cluster.hf("apply", "-", input=text))["applied"], 1, "from a pipe")
    csv = "op,sku,warehouse,by\nreceive,B,W,3\n"
    equal(summary(cluster.hf("apply", "-", "--csv", "--run", "csv", input=csv))["applied"], 1, "CSV")


# ---------------------------------------------------------------- saved plans

@test("a saved plan is applied while the stock is as it was; what orders reserve is no reason")
def saved(cluster):
    saved = os.path.join(folder, "saved.plan")
    path = write("save.yaml", "save", "op: adjust, sku: A, by: -1, reason: broken",
                 "op: adjust, sku: A, by: -1, reason: broken", "op: receive, sku: B, by: 1",
                 warehouse="W")
    cluster.hf("plan", path, "--out", saved, expect=1)
    os.remove(path)
    held = cluster.hf("reserve", "A=1@W").json["reservation"]
    equal(summary(cluster.hf("apply", saved))["applied"], 3, "applied")
    equal(summary(cluster.hf("apply", saved, "--resume"))["skipped"], 3, "resumed")
    cluster.hf("release", held)


@test("a plan takes the place of what was there when it is whole, and never that of its own file")
def plan_beside(cluster):
    path = write("own.yaml", "own", "op: receive, sku: B, by: 1", warehouse="W")
    with open(path) as file:
        text = file.read()
    for out in (path, os.path.join(folder, ".", "own.yaml")):
        done = cluster.hf("plan", path, "--out", out, expect=64)
        check("is the file that is planned" in done.err, "told: %s" % done)
    with open(path) as file:
        equal(file.read(), text, "the file that was planned")
    saved = os.path.join(folder, "kept.plan")
    cluster.hf("plan", path, "--out", saved, expect=1)
    with open(saved) as file:
        kept = file.read()
    # The disk is full in the middle. Not by valgrind, whose log has no room then either.
    done = execute(["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh",
                    os.path.join(BUILD, "bin", "holdfast"), "-C", cluster.file, "plan", path,
                    "--out", saved])
    equal(done.code, 71, "no room: %s" % done)
    with open(saved) as file:
        equal(file.read(), kept, "what was there")
    equal([name for name in os.listdir(folder) if name.endswith(".part")], [], "nothing half")
    # What is no file is written as it is.
    done = cluster.hf("plan", path, "--out", "/dev/stdout", expect=1)
    check('{"holdfast_plan":1' in done.out, "on the standard output: %s" % done.out[:200])


@test("a saved plan that somebody has changed is an error, not a crash")
def plan_changed(cluster):
    path = write("spoil.yaml", "spoil", "op: receive, sku: B, by: 1", warehouse="W")
    saved = os.path.join(folder, "spoil.plan")
    cluster.hf("plan", path, "--out", saved, expect=1)
    with open(saved) as file:
        lines = file.read().splitlines()
    for last in ('{"line":1,"levels":7}', '{"line":1,"levels":[3,null]}', "[]", "7"):
        with open(saved, "w") as file:
            file.write("\n".join(lines[:-1] + [last]) + "\n")
        done = cluster.hf("apply", saved, expect=3 if "line" in last else 65)
        check("has moved" in done.err or "cut off" in done.err, "told: %s" % done)


@test("a saved plan is refused when stock that it touches has moved, and the lines are named")
def stale(cluster):
    saved = os.path.join(folder, "stale.plan")
    path = write("stale.yaml", "stale", "op: adjust, sku: A, by: -1, reason: broken",
                 "op: receive, sku: B, by: 1", "op: adjust, sku: B, by: -1, reason: broken",
                 warehouse="W")
    cluster.hf("plan", path, "--out", saved, expect=1)
    was = cluster.level("B")["on_hand"]
    cluster.hf("receive", "B=2@W", "--reference", "between")
    before = ledger(cluster)
    done = cluster.hf("apply", saved, expect=3)
    check("line 6: W B: on hand was %d, is %d" % (was, was + 2) in done.err, "named: %s" % done)
    check("line 5" not in done.err, "A has not moved: %s" % done)
    # There and back again is moved, too.
    cluster.hf("adjust", "B=-2@W", "--reason", "broken")
    before = ledger(cluster)
    done = cluster.hf("apply", saved, expect=3)
    check("line 6: W B: on hand has moved" in done.err, "named: %s" % done)
    equal(ledger(cluster), before, "movements")
    with open(saved, "r+b") as file:
        text = file.read()
        file.seek(0)
        file.truncate()
        file.write(text.replace(b"sku: B, by: 1}", b"sku: B, by: 7}"))
    check("has been changed" in cluster.hf("apply", saved, expect=65).err, "a changed plan")


# ---------------------------------------------------------------- undo

@test("undo takes back what a run did, skips what would break a promise and says which, and only once")
def undo(cluster):
    cluster.stock("U", W=2)
    cluster.stock("X", W=9)
    path = write("undo.yaml", "undone", "op: receive, sku: U, by: 5",
                 "op: adjust, sku: X, by: -4, reason: broken",
                 "op: transfer, sku: X, by: 2, to_warehouse: V", "op: safety_stock, sku: X, to: 1",
                 "op: quarantine, sku: X, by: 1", "op: adjust, sku: U, by: -50, reason: broken",
                 warehouse="W")
    cluster.hf("apply", path, expect=2)
    held = cluster.hf("reserve", "U=4@W").json["reservation"]
    done = cluster.hf("undo", "undone", expect=2)
    check("undone: line 1: W U: not undone: insufficient_on_hand: on_hand would be less than is promised"
          in done.err, "which and why: %s" % done)
    equal((summary(done)["applied"], summary(done)["refused"]), (4, 1), "undone")
    equal(figures(cluster, "U", "X"), {("U", "W"): 7, ("X", "W"): 9, ("X", "V"): 0}, "stock")
    level = cluster.level("X")
    equal((level["unavailable"], level["safety_stock"]), (0, 0), "set aside, kept back")
    # Its movements name those that they undo.
    pairs = cluster.sql("SELECT COUNT(*) FROM movement u JOIN movement m ON "
                        "m.partition_id=u.partition_id AND m.seq=u.undoes AND m.sku=u.sku AND "
                        "m.d_on_hand=-u.d_on_hand AND m.d_unavailable=-u.d_unavailable WHERE u.kind=23")
    equal(pairs, [("5",)], "movements that undo one each")
    before = ledger(cluster)
    cluster.hf("release", held)
    done = cluster.hf("undo", "undone")
    equal((summary(done)["applied"], summary(done)["skipped"]), (1, 4), "the rest, later")
    equal(figures(cluster, "U"), {("U", "W"): 2}, "stock")
    equal(summary(cluster.hf("undo", "undone"))["skipped"], 5, "again")
    equal(cluster.hf("run", "show", "undo-undone").lines[0]["undoes"], "undone", "it is a run")
    # And an undo is undone, in the other direction.
    cluster.hf("undo", "undo-undone")
    equal(figures(cluster, "U", "X"), {("U", "W"): 7, ("X", "W"): 3, ("X", "V"): 2}, "stock")
    equal(cluster.level("X")["safety_stock"], 1, "kept back")


@test("one movement is undone, with the rest of its operation, once whoever asks")
def undo_movement(cluster):
    path = write("two.yaml", "two", "op: transfer, sku: X, by: 1, to_warehouse: V, warehouse: W",
                 "op: receive, sku: X, by: 3, warehouse: W")
    cluster.hf("apply", path)
    line = cluster.hf("run", "show", "two").lines[1]
    movement = "p%d:%d" % (line["partition"], line["sequence"] - 1)  # the other end of it
    was = figures(cluster, "X")
    equal(summary(cluster.hf("undo", movement))["applied"], 1, "undone")
    equal(figures(cluster, "X"), {("X", "W"): was["X", "W"] + 1, ("X", "V"): was["X", "V"] - 1},
          "both ends")
    equal(summary(cluster.hf("undo", movement))["skipped"], 1, "again")
    now = figures(cluster, "X")
    # By its run, and by its other movement: the operation is the same.
    cluster.hf("undo", "two")
    cluster.hf("undo", "p%d:%d" % (line["partition"], line["sequence"]))
    equal(figures(cluster, "X"), {("X", "W"): now["X", "W"] - 3, ("X", "V"): now["X", "V"]}, "once")
    check("there is no movement" in cluster.hf("undo", "p0:99999", expect=1).err, "none")
    check("there is no run" in cluster.hf("undo", "nothing", expect=1).err, "none")


@test("a movement of a partition that there is not is none, and not that of another partition")
def undo_nowhere(cluster):
    first = next("AT0-%d" % n for n in range(100) if cluster.partition("AT0-%d" % n) == 0)
    cluster.stock(first, W=4)
    moved = cluster.hf("history", first, "--warehouse", "W").lines[0]["sequence"]
    done = cluster.hf("undo", "p8:%d" % moved, expect=1)
    check("the region has 8 partitions" in done.err, "not that of another partition: %s" % done)
    equal(figures(cluster, first), {(first, "W"): 4}, "nothing is undone")


@test("the record tells what was done to what, without the file")
def told(cluster):
    held = cluster.hf("reserve", "A=1@W").json["reservation"]
    cluster.hf("apply", write("told.yaml", "told", "op: receive, sku: A, by: 1",
                              "op: transfer, sku: B, by: 1, to_warehouse: V",
                              "op: count, sku: B, to: 1, if_version: 1",
                              "op: release, reservation: %s" % held,
                              "op: put_item, sku: TOLD, name: t",
                              "op: release, reservation: R-002AH9VTCE7X3K3BY", warehouse="W"),
               expect=2)
    lines = cluster.hf("run", "show", "told", "--all").lines[1:]
    equal([(line.get("movement"), line.get("sku"), line.get("warehouse"), line.get("reservation"))
           for line in lines if line["result"] == "applied"],
          [("received", "A", "W", None), ("transferred", "B", "V", None),
           ("released", "A", "W", held), ("item_put", "TOLD", None, None)], "what was done")
    check(lines[2]["message"].startswith("B: ") and
          lines[5]["message"].startswith("R-002AH9VTCE7X3K3BY: "), "what was not: %s" % lines)
    text = cluster.hf("run", "show", "told", "--all", json=False).out
    for line in lines[:2]:
        check("line %d  %s %s  %s  p%d:%d\n" % tuple(line[key] for key in (
            "line", "warehouse", "sku", "movement", "partition", "sequence")) in text, text)
    check("received" not in cluster.hf("run", "show", "told", json=False).out, "only with --all")


# ---------------------------------------------------------------- more than one message carries

@test("whatever is more than one message carries goes in parts: plan, lines on reservations, the "
      "record of refusals, undo")
def parts(_):
    cluster = Cluster(partitions=4, limits={"message_bytes": 8192})
    try:
        cluster.start()
        parts_of(cluster)
    finally:
        cluster.close()


def parts_of(cluster):
    note = "n" * 240
    cluster.hf("warehouse", "put", "W", "--name", "W")
    cluster.hf("reason", "put", "broken", "--name", "Broken")
    cluster.hf("apply", write("part-items.yaml", "part-items",
                              *["op: put_item, sku: P%d, name: p" % i for i in range(120)]))
    in_one = [sku for sku in ("P%d" % i for i in range(120)) if cluster.partition(sku) == 1]
    lines = ["op: receive, sku: %s, by: 3, note: %s" % (in_one[i % len(in_one)], note)
             for i in range(300)]
    path = write("parts.yaml", "parts", *lines, warehouse="W")
    check(os.path.getsize(path) > 8 * 8192, "much more than a message")
    told = cluster.hf("plan", path, expect=1).lines
    equal((told[-1]["applied"], told[-1]["on_hand_change"]), (300, 900), "planned")
    cluster.hf("apply", path)
    # Many levels of one partition, then reservations there, which hold a few of them each.
    held = [cluster.hf("reserve", *["%s=2@W" % sku for sku in in_one[n:n + 3]]).json["reservation"]
            for n in range(3)]
    path = write("held.yaml", "held", *[
        "op: adjust, sku: %s, by: -1, reason: broken, note: %s" % (sku, note) for sku in in_one],
        *["op: release, reservation: %s, note: %s" % (r, note) for r in held + held],
        "op: count, sku: %s, to: 7" % in_one[0], warehouse="W")
    told = cluster.hf("plan", path, expect=1).lines
    equal([line["result"] for line in told[-8:-1]],
          ["applied"] * 3 + ["already_released"] * 3 + ["applied"], "releases")
    for line, sku in zip(told[len(in_one):len(in_one) + 3], in_one):
        before = next(level["before"] for level in line["levels"] if level["sku"] == sku)
        equal(before["on_hand"], cluster.level(sku)["on_hand"] - 1, "on top of the adjustment")
    # The record of lines that are refused with long reasons.
    done = cluster.hf("apply", write("no.yaml", "no", *[
        "op: adjust, sku: P%d, by: -9999, reason: broken" % (i % 120) for i in range(240)],
                                       warehouse="W"), expect=1)
    check("not recorded" not in done.err, "all are recorded: %s" % done)
    shown = cluster.hf("run", "show", "no", "--all").lines
    equal(len([line for line in shown[1:] if line["result"] != "applied"]), 240, "recorded")
    for reservation in held:
        cluster.hf("release", reservation)
    equal(summary(cluster.hf("undo", "parts"))["applied"], 300, "undone")


# ---------------------------------------------------------------- ctrl-C

@test("the first Ctrl-C drains and says how to go on, and the run goes on from there")
def interrupted(cluster):
    cluster.hf("apply", write("many-items.yaml", "many-items",
                              *["op: put_item, sku: M%d, name: m" % i for i in range(300)]))
    path = write("many.yaml", "many", *["op: receive, sku: M%d, by: 1, warehouse: W" % (i % 300)
                                        for i in range(8000)])
    child = subprocess.Popen([HOLDFAST, "-C", cluster.file, "apply", path], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=dict(os.environ, **{MARK: mark}))
    received = "SELECT COUNT(*) FROM movement WHERE sku LIKE 'M%' AND kind=9"
    wait_until(lambda: cluster.number(received) > 500, 20, "some lines are applied")
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=scale(30))
    equal(child.returncode, 130, "exit code; %s" % err)
    check("apply %s --resume" % path in err, "how to go on: %s" % err)
    applied = int(re.search(r"(\d+) applied", out).group(1))
    check(0 < applied < 8000, "some were applied: %s" % out)
    equal(cluster.number(received), applied, "what it says is what there is")
    equal(cluster.hf("run", "show", "many").lines[0]["applied"], applied, "and is recorded")
    done = cluster.hf("apply", path, "--resume", seconds=60)
    equal((summary(done)["applied"], summary(done)["skipped"]), (8000 - applied, applied), "the rest")
    equal(cluster.number(received), 8000, "each once")


@test("the second Ctrl-C leaves at once, though nobody answers; resumed, each line is done once")
def interrupted_twice(cluster):
    path = write("twice.yaml", "twice", *["op: receive, sku: M%d, by: 1, warehouse: W" % (i % 300)
                                          for i in range(4000)])
    received = "SELECT COUNT(*) FROM movement WHERE sku LIKE 'M%' AND kind=9"
    was = cluster.number(received)
    errors = os.path.join(folder, "twice.err")
    with open(errors, "w") as file:
        child = subprocess.Popen([HOLDFAST, "-C", cluster.file, "apply", path], text=True,
                                 stdout=subprocess.DEVNULL, stderr=file,
                                 env=dict(os.environ, **{MARK: mark}, **wire.CRASHES))
    wait_until(lambda: cluster.number(received) > was + 300, 20, "some lines are applied")
    try:
        for worker in cluster.processes("worker"):
            cluster.stop(worker)
        child.send_signal(signal.SIGINT)
        wait_until(lambda: "interrupt again to leave at once" in open(errors).read(), 10,
                   "it waits for what is in flight")
        equal(child.poll(), None, "it waits")
        begun = time.monotonic()
        child.send_signal(signal.SIGINT)
        equal(child.wait(timeout=scale(10)), -signal.SIGINT, "as a shell has it, 130")
        check(time.monotonic() - begun < scale(2), "at once")
    finally:
        cluster.cont_all()
    cluster.wait_served()
    done = cluster.hf("apply", path, "--resume", seconds=60)
    equal(summary(done)["applied"] + summary(done)["skipped"], 4000, "the rest")
    equal(cluster.number(received), was + 4000, "each once")


if __name__ == "__main__":
    run(workers=2)

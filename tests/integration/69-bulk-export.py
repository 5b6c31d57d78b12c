# SPDX-License-Identifier: MIT
"""holdfast export: what is there, and count sheets, as files that are read back."""
import csv
import io
import tempfile

from harness import *

BULK = os.path.join(BUILD, "tests", "integration", "bulk")
MANY = 1100  # more than a page
ODD = 'Widget, "blue" # 40mm \u65e5\u672c; \u2028 =1+1'


def read(text, form="yaml"):
    """The lines of a bulk file, which has no fault."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        done = execute([BULK, "lines", form, file.name])
    equal((done.code, done.json["faults"]), (0, []), "faults of\n" + text[:2000])
    return done.json


def export(cluster, *words, **options):
    return cluster.hf("export", *words, json=False, **options)


@test("what is exported reads back as what is there, as YAML and as CSV")
def all_of_it(cluster):
    cluster.hf("warehouse", "put", "BER1", "--name", "Berlin")
    cluster.hf("warehouse", "put", "HAM 2", "--name", "")
    cluster.hf("reason", "put", "damaged", "--name", "Broken")
    cluster.hf("item", "put", "00042", "--name", ODD, "--barcode", "4006381333931", "--barcode",
               "4006381333948", "--reorder-point", "5")
    cluster.hf("item", "put", "no level", "--name", "x")
    cluster.hf("receive", "00042=10@BER1", "00042=7@HAM 2")
    cluster.hf("adjust", "00042=-3@BER1", "--reason", "damaged")
    cluster.hf("safety-stock", "00042=2@HAM 2")
    levels = {level["warehouse"]: level
              for level in cluster.hf("stock", "00042").json["warehouses"]}
    want = [("put_reason", None, None, "damaged", None, 0),
            ("put_warehouse", None, "BER1", None, None, 0),
            ("put_warehouse", None, "HAM 2", None, None, 0),
            ("put_item", "00042", None, None, None, 5),
            ("put_item", "no level", None, None, None, 0),
            ("count", "00042", "BER1", None, levels["BER1"]["on_hand_version"], 7),
            ("count", "00042", "HAM 2", None, levels["HAM 2"]["on_hand_version"], 7),
            ("safety_stock", "00042", "HAM 2", None, None, 2)]
    for words, form in (((), "yaml"), (("--csv",), "csv")):
        lines = read(export(cluster, *words, "--run", "r 1").out, form)
        equal(lines["run"], "r 1", "the run")
        equal([(line["op"], line.get("sku"), line.get("warehouse"), line.get("reason"),
                line.get("if_version"), line["amount"]) for line in lines["lines"]], want, form)
        equal(lines["lines"][3]["name"], ODD, "the name")
    runs = {read(export(cluster).out)["run"] for _ in range(3)}
    equal(len(runs), 3, "every export is a run of its own: %r" % runs)


@test("a count sheet has every level of its warehouse, open, at the version it was read at")
def sheet(cluster):
    versions = {"00042": cluster.level("00042", "BER1")["on_hand_version"]}
    text = export(cluster, "--count-sheet", "BER1").out
    equal((read(text)["open"], read(text)["lines"]), (1, []), "nothing is counted yet")
    filled = read(text.replace("to: ,", "to: 6,"))
    equal([(line["op"], line["sku"], line["warehouse"], line["amount"], line["if_version"])
           for line in filled["lines"]], [("count", "00042", "BER1", 6, versions["00042"])],
          "what was filled in")
    rows = list(csv.DictReader(io.StringIO(export(cluster, "--count-sheet", "BER1", "--csv").out)))
    equal([(row["sku"], row["warehouse"], row["to"], row["#"]) for row in rows],
          [("00042", "BER1", "", ODD)], "the spreadsheet")
    lines = cluster.hf("export", "--count-sheet", "BER1").lines
    equal([(line["op"], line["sku"], line["to"]) for line in lines], [("count", "00042", None)],
          "as JSON")
    done = export(cluster, "--count-sheet", "NOPE", expect=1)
    equal((done.result, done.out), ("unknown_warehouse", ""), "a warehouse that is not there")


@test("many pages: every level once, in order")
def many(cluster):
    path = os.path.join(cluster.dir, "many.csv")
    with open(path, "w") as file:
        file.write("sku,warehouse,on_hand\n" + "".join("M-%05d,BER1,%d\n" % (i, i % 90 + 1)
                                                      for i in range(MANY)))
    cluster.hf("import", path, seconds=120)
    lines = read(export(cluster, seconds=60).out)["lines"]
    counts = {line["sku"]: line["amount"] for line in lines if line["op"] == "count" and
              line["sku"].startswith("M-")}
    equal(counts, {"M-%05d" % i: i % 90 + 1 for i in range(MANY)}, "every level")
    rows = list(csv.DictReader(io.StringIO(export(cluster, "--count-sheet", "BER1", "--csv").out)))
    equal([row["sku"] for row in rows], ["00042"] + ["M-%05d" % i for i in range(MANY)],
          "the sheet's rows")


def apply(cluster, text, *words, suffix=".yaml", **options):
    with tempfile.NamedTemporaryFile("w", suffix=suffix, encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        return cluster.hf("apply", file.name, *words, json=False, seconds=120, **options)


def history(cluster, sku):
    return cluster.hf("history", sku, "--warehouse", "BER1", "--limit", "1").lines[0]


@test("a count sheet goes out and comes back: what has moved meanwhile is refused, nothing else")
def there_and_back(cluster):
    for i in (1, 2, 3, 4):
        cluster.hf("item", "put", "T-%d" % i, "--name", "Thing")
    cluster.hf("receive", "T-1=5@BER1", "T-2=5@BER1", "T-3=5@BER1", "T-4=5@BER1")
    text = export(cluster, "--count-sheet", "BER1", "--run", "friday").out
    counted = {"T-1": 4, "T-2": 0, "T-3": 9}
    for sku, there in counted.items():
        text = re.sub(r'(sku: "%s", .*to: ),' % sku, r"\g<1>%d," % there, text)
    cluster.hf("receive", "T-3=1@BER1")
    done = apply(cluster, text, expect=2)
    check("version_conflict" in done.err and "T-3" in done.err, "what moved is told: %s" % done.err)
    equal([cluster.level("T-%d" % i, "BER1")["on_hand"] for i in (1, 2, 3, 4)], [4, 0, 6, 5],
          "on hand")
    equal(cluster.level("00042", "BER1")["on_hand"], 7, "what nobody counted")
    # Once more is not twice; filled in further, it is another file.
    apply(cluster, text, "--resume", expect=2)
    more = re.sub(r'(sku: "T-4", .*to: ),', r"\g<1>1,", text)
    done = apply(cluster, more, "--resume", expect=None)
    check(done.code not in (0, 2), "a changed file is refused: %s" % done)
    equal(cluster.level("T-4", "BER1")["on_hand"], 5, "by a changed file")


@test("a spreadsheet's count sheet comes back, too, whatever its line ends and separators")
def spreadsheet(cluster):
    rows = list(csv.DictReader(io.StringIO(export(cluster, "--count-sheet", "BER1", "--csv").out)))
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        if row["sku"] in ("00042", "T-4"):
            row.update(to="3", note="Jos\u00e9")
        writer.writerow(row)
    apply(cluster, "\ufeff" + out.getvalue(), "--csv", suffix=".csv")
    for sku in ("00042", "T-4"):
        last = history(cluster, sku)
        equal((last["movement"], last["after"]["on_hand"], last["note"]), ("counted", 3, "Jos\u00e9"),
              "the count of " + sku)


@test("a saved plan remembers the run that was named beside the spreadsheet")
def saved_plan(cluster):
    before = cluster.level("T-4", "BER1")["on_hand"]
    sheet, saved = (os.path.join(cluster.dir, name) for name in ("saved.csv", "saved.plan"))
    with open(sheet, "w") as file:
        file.write("op,sku,warehouse,by\nreceive,T-4,BER1,2\n")
    cluster.hf("plan", sheet, "--run", "saved", "--out", saved, expect=1)
    cluster.hf("apply", saved)
    equal(cluster.level("T-4", "BER1")["on_hand"], before + 2, "on hand")
    equal(cluster.hf("run", "show", "saved").lines[0]["run"], "saved", "the run")
    cluster.hf("plan", sheet, "--run", "spoilt", "--out", saved, expect=1)
    with open(saved) as file:
        text = file.read()
    for wrong in (text[:40] + "\n", text.replace('"bytes":', '"bytes":-'), text[:-20],
                  text.replace('"run":"spoilt"', '"run":null'), text.replace('"bytes":', '"bytes":9')):
        check(wrong != text, "the plan is spoilt")
        done = apply(cluster, wrong, suffix=".plan", expect=65)
        check(done.err.strip() and "Success" not in done.err, "it says why: %s" % done)
    equal(cluster.level("T-4", "BER1")["on_hand"], before + 2, "by plans that are spoilt")


@test("what was exported changes nothing when it comes back")
def unchanged(cluster):
    def figures():
        return {(stock["sku"], level["warehouse"]): (level["on_hand"], level["safety_stock"])
                for stock in cluster.hf("stock", "--limit", "5000").lines
                for level in stock["warehouses"]}
    before = figures()
    apply(cluster, export(cluster).out)
    equal(figures(), before, "stock")


@test("the retail data's corrections are applied: stock, reasons and notes are what the file says")
def corrections(cluster):
    cluster.hf("warehouse", "put", "LONDON", "--name", "London")
    cluster.hf("warehouse", "put", "LEEDS", "--name", "Leeds")
    cluster.hf("warehouse", "put", "BRISTOL", "--name", "Bristol")
    opening = os.path.join(cluster.dir, "opening.csv")
    done = subprocess.run([os.path.join(BUILD, "demo", "replay"), "opening", "--out", opening],
                          cwd=ROOT, stdout=subprocess.PIPE, timeout=60)
    equal(done.returncode, 0, "the opening stock")
    cluster.hf("import", opening, seconds=120)
    with open(opening, newline="") as file:
        there = {row["sku"]: int(row["on_hand"]) for row in csv.DictReader(file)
                 if row["warehouse"] == "LONDON"}
    text = subprocess.run([os.path.join(BUILD, "demo", "corrections")], cwd=ROOT, timeout=60,
                          stdout=subprocess.PIPE, check=True).stdout.decode()
    lines = [line for line in read(text)["lines"] if line["op"] == "adjust"]
    apply(cluster, text)
    for line in lines:
        there[line["sku"]] = there.get(line["sku"], 0) + line["amount"]
    levels = {stock["sku"]: level["on_hand"]
              for stock in cluster.hf("stock", "--warehouse", "LONDON", "--limit", "9999").lines
              for level in stock["warehouses"]}
    equal({sku: levels.get(sku) for sku in there}, there, "on hand in London")
    for line in lines[::40]:
        found = [(m["reason"], m["note"]) for m in
                 cluster.hf("history", line["sku"], "--warehouse", "LONDON").lines
                 if m["movement"] == "adjusted"]
        check((line["reason"], line.get("note", "")) in found,
              "%r is in the ledger: %r" % (line, found))
    note("%d corrections" % len(lines))


@test("what cannot be said in CSV is told by name, and is not left out silently")
def not_in_csv(cluster):
    cluster.hf("item", "put", "blank", "--name", "x", "--barcode", "1 2")
    done = export(cluster, "--csv", expect=65)
    check("blank is left out" in done.err and "not whole" in done.err, "it is told: %s" % done.err)
    check(read(export(cluster).out)["lines"], "YAML can say it")


@test("when some owners do not answer, what is written is not whole, and it says so")
def unanswered(cluster):
    worker = cluster.owner(1)  # partition 0, which knows the warehouses, is on the other shard
    check(worker.pid != cluster.owner(0).pid, "each shard has a worker of its own")
    cluster.stop(worker)
    try:
        for words in ((), ("--count-sheet", "BER1")):
            done = export(cluster, "--timeout", "2s", *words, expect=69)
            check(done.err.strip(), "it is told")
    finally:
        cluster.cont(worker)
    cluster.wait_served()


if __name__ == "__main__":
    run(shards=2, workers=1, views=1)

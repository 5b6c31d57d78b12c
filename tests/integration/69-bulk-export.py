# SPDX-License-Identifier: MIT
"""holdfast export: what is there, and count sheets, as files that are read back."""
import csv
import io
import tempfile

from harness import *

BULK = os.path.join(BUILD, "tests", "integration", "bulk")
MANY = 2300  # more than two pages
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


@test("what cannot be said in CSV is told by name, and is not left out silently")
def not_in_csv(cluster):
    cluster.hf("item", "put", "blank", "--name", "x", "--barcode", "1 2")
    done = export(cluster, "--csv", expect=65)
    check("blank is left out" in done.err and "not whole" in done.err, "it is told: %s" % done.err)
    check(read(export(cluster).out)["lines"], "YAML can say it")


@test("when owners do not answer, an export is no whole one, and says so")
def unanswered(cluster):
    worker = cluster.process("worker")
    cluster.stop(worker)
    try:
        done = export(cluster, "--timeout", "2s", expect=69)
        check(done.err.strip(), "it is told")
        check("MANY" not in done.out, "nothing is made up")
    finally:
        cluster.cont(worker)
    cluster.wait_served()


if __name__ == "__main__":
    run(workers=1, views=1)

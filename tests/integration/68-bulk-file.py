# SPDX-License-Identifier: MIT
"""The bulk file's format: docs/bulk.md, etc/bulk.schema.json and the reader say the same.

No cluster runs here. tests/integration/bulk.c shows what the reader makes of a file, and what any
YAML reader would.
"""
import csv
import hashlib
import random
import tempfile
import uuid

import jsonschema

from harness import *

BULK = os.path.join(BUILD, "tests", "integration", "bulk")
OPS = ("adjust receive count transfer quarantine restore safety_stock reorder_point extend release "
       "ship cancel return put_item put_warehouse put_reason").split()
SEED = 13
FILES = 60


def schema():
    with open(os.path.join(ROOT, "etc", "bulk.schema.json")) as file:
        return json.load(file)


def bulk(*words, text=None):
    """Runs the program on a file that holds the text, which is the last word."""
    with tempfile.NamedTemporaryFile("wb", suffix=".bulk") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
        file.flush()
        words = [file.name if word == "FILE" else word for word in words]
        done = subprocess.run([BULK] + words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60)
        check(done.returncode in (0, 65), "bulk ended with %d: %s" % (done.returncode, done.stderr))
        return json.loads(done.stdout) if done.stdout else None


def examples(kind):
    with open(os.path.join(ROOT, "docs", "bulk.md")) as file:
        found = re.findall(r"^```%s\n(.*?)^```" % kind, file.read(), re.M | re.S)
    check(found, "docs/bulk.md has no %s" % kind)
    return found


@test("the schema is one")
def schema_is_one():
    jsonschema.Draft7Validator.check_schema(schema())


@test("every example of docs/bulk.md is good by the schema and by the reader")
def good_examples():
    validator = jsonschema.Draft7Validator(schema())
    ops = []
    for text in examples("yaml"):
        errors = [e.message for e in validator.iter_errors(bulk("json", "FILE", text=text))]
        equal(errors, [], "what the schema says of\n%s" % text)
        read = bulk("lines", "yaml", "FILE", text=text)
        equal(read["faults"], [], "what the reader says of\n%s" % text)
        ops += [line["op"] for line in read["lines"]]
    equal(sorted(set(ops)), sorted(OPS), "the operations that have an example")
    for text in examples("csv"):
        equal(bulk("lines", "csv", "FILE", text=text)["faults"], [], "the reader's faults in\n" + text)


@test("schema, reader and manual know the same operations and keys")
def same_keys():
    known = schema()["definitions"]["line"]["properties"]
    equal(sorted(known["op"]["enum"]), sorted(OPS), "the schema's operations")
    with open(os.path.join(ROOT, "docs", "bulk.md")) as file:
        text = file.read()
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+)\| ([^|]*)\|", text.split("## Operations")[1]
                      .split("## Keys")[0], re.M)
    equal([row[0] for row in rows], OPS, "the manual's operations")
    by_op = {rule["if"]["properties"]["op"].get("const"): rule["then"]
             for rule in schema()["definitions"]["line"]["allOf"]}
    for op, needs, may in rows:
        written = set(re.findall(r"[a-z_]+", re.sub(r"\(.*?\)", "", needs + may).replace(" and ", " ")))
        rule = by_op.get(op)
        if rule and "propertyNames" in rule:
            equal(set(rule["propertyNames"]["enum"]) - {"op", "note"}, written, "the keys of " + op)
    for key in known:
        check(key == "op" or "`%s`" % key in text.split("## Keys")[1].split("## An example")[0],
              "the manual describes " + key)


CODES = ["A", "'00042'", "00042", "1e3", "yes", '"x y"', "~x", "''", '"' + "c" * 64 + '"',
         '"' + "c" * 65 + '"', "[A]"]
# Not 1e3, which is a whole number to a schema.
NUMBERS = ["1", "0", "-1", "999999999", "1000000000", "-999999999", "'5'", "1.5", "x", "",
           "{a: 1}"]
VALUES = {
    "sku": CODES, "warehouse": CODES, "to_warehouse": CODES, "reason": CODES,
    "reservation": ["R-00ADHR7ARBT2S87HQ"], "by": NUMBERS, "to": NUMBERS,
    "if_version": ["0", "5512", "-1", "999999999999999999", "1000000000000000000", "x"],
    "reference": ["PO 1", "771", "", "'" + "r" * 65 + "'"], "note": ["a note", "'" + "n" * 256 + "'"],
    "accept_shortfall": ["true", "false", "yes", "'true'", "1"], "into": ["stock", "quarantine", "bin"],
    "ttl": ["2h", "1s", "30d", "2", "h"], "name": ["Widget", "7", "", "'" + "n" * 256 + "'"],
    "reorder_point": ["0", "40", "-1", "1000000000"],
    "barcodes": ["[]", "[A, 7]", "[A, A]", "A", "[%s]" % ", ".join("b%d" % i for i in range(65))],
    "colour": ["red"],
}
# Mostly right ones, or hardly any line would be good.
USUAL = {"sku": "WID-1", "warehouse": "BER1", "to_warehouse": "HAM2", "reason": "damaged", "by": "3",
         "to": "5", "ttl": "2h", "into": "stock", "name": "Widget",
         "reservation": "R-00ADHR7ARBT2S87HQ"}


def random_line(chance, rules):
    op = chance.choice(OPS)
    keys = set(rules[op]) - {"op"}
    line = {}
    for key in sorted(keys):
        if key in USUAL and chance.random() < 0.9 or chance.random() < 0.3:
            line[key] = USUAL[key] if key in USUAL and chance.random() < 0.9 \
                else chance.choice(VALUES[key])
    if chance.random() < 0.2:
        key = chance.choice(sorted(VALUES))
        line[key] = chance.choice(VALUES[key])
    words = ["%s: %s" % pair for pair in line.items()] + ["op: " + op]
    chance.shuffle(words)
    return "- {%s}" % ", ".join(words)


@test("schema and reader take and refuse the same lines")
def same_verdicts():
    chance = random.Random(SEED)
    validator = jsonschema.Draft7Validator(schema())
    rules = {}
    for rule in schema()["definitions"]["line"]["allOf"]:
        for op in rule["if"]["properties"]["op"].get("enum") or [rule["if"]["properties"]["op"]["const"]]:
            if "propertyNames" in rule["then"]:
                rules[op] = rule["then"]["propertyNames"]["enum"]
    good = bad = 0
    for _ in range(FILES):
        head = ["version: 1", "run: r"]
        head += ["%s: %s" % (key, USUAL[key]) for key in ("warehouse", "to_warehouse", "reason")
                 if chance.random() < 0.5]
        lines = [random_line(chance, rules) for _ in range(6)]
        text = "\n".join(head + ["lines:"] + lines) + "\n"
        by_schema = {error.absolute_path[1]
                     for error in validator.iter_errors(bulk("json", "FILE", text=text))}
        faults = bulk("lines", "yaml", "FILE", text=text)["faults"]
        by_reader = {fault["line"] - len(head) - 2 for fault in faults}
        check(not by_schema ^ by_reader,
              "they differ about line(s) %s of\n%s\nthe reader says %s" %
              (sorted(by_schema ^ by_reader), text, faults))
        bad += len(by_reader)
        good += len(lines) - len(by_reader)
    note("%d lines are good, %d are not" % (good, bad))
    check(good > 50 and bad > 50, "the lines are of both kinds")


@test("a line's operation id is what docs/bulk.md says")
def ids():
    text = "version: 1\nrun: 2026w48-A7\nlines:\n" \
           "- {op: count, sku: a, warehouse: b, to: }\n- {op: count, sku: a, warehouse: b, to: 1}\n"
    read = bulk("lines", "yaml", "FILE", text=text)
    inner = hashlib.sha256(b"2026w48-A7").digest()
    digest = bytearray(hashlib.sha256(inner + (2).to_bytes(8, "big")).digest()[:16])
    digest[6] = digest[6] & 0x0f | 0x80
    digest[8] = digest[8] & 0x3f | 0x80
    equal(read["lines"][0]["id"], str(uuid.UUID(bytes=bytes(digest))), "the id of the second line")
    equal(read["open"], 1, "the counts that are open")


@test("the retail data's corrections become a bulk file: reasons mapped, texts kept as notes")
def corrections():
    def converted(*words):
        done = subprocess.run([os.path.join(BUILD, "demo", "corrections"), *words], cwd=ROOT,
                              stdout=subprocess.PIPE, timeout=60, check=True)
        return done.stdout
    text = converted()
    read = bulk("lines", "yaml", "FILE", text=text)
    equal(read["faults"], [], "the reader's faults")
    errors = list(jsonschema.Draft7Validator(schema()).iter_errors(bulk("json", "FILE", text=text)))
    equal([e.message for e in errors], [], "what the schema says")
    adjusted = [line for line in read["lines"] if line["op"] == "adjust"]
    # What the file itself says, by the two signs of a correction that need no table: no customer,
    # no price, and fewer than none.
    with open(os.path.join(ROOT, "demo", "data", "online-retail.csv"), newline="") as file:
        rows = [row for row in csv.DictReader(file)
                if int(row["Quantity"]) < 0 and float(row["UnitPrice"]) == 0 and
                row["InvoiceNo"][0] not in "AC"]
    known = {(line["sku"], line["amount"], line.get("note", "")) for line in adjusted}
    missing = [row for row in rows
               if (row["StockCode"], int(row["Quantity"]), row["Description"]) not in known]
    with open(os.path.join(ROOT, "demo", "not-goods.csv"), newline="") as file:
        not_goods = {row["code"] for row in csv.DictReader(file)}
    equal([row for row in missing if row["StockCode"] not in not_goods], [], "corrections left out")
    reasons = {line["reason"] for line in adjusted}
    check(len(adjusted) > 100 and len(reasons) > 5, "%d corrections, %r" % (len(adjusted), reasons))
    note("%d corrections with %d reasons" % (len(adjusted), len(reasons)))
    by_csv = bulk("lines", "csv", "FILE", text=converted("--csv"))
    equal(by_csv["digest"], read["digest"], "the digest of the same as CSV")


if __name__ == "__main__":
    run(cluster=False)

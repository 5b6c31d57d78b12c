# SPDX-License-Identifier: MIT
"""What the tests of a million levels share: a cluster filled by SQL, as a million operations would take
long and are not the point, and what a process costs."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from views import *  # noqa: E402,F401

AT_ONCE = 50000
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, end_by_signal)  # takes the cluster down

# Of a movement: what the two kinds have alike. n and r: sequences of a row's two movements; 0: none.
ALIKE = dict(
    partition_id="p", idx="0", epoch="1", at_us="1700000000000000 + seq", body_hash="UNHEX(MD5(seq))",
    sku="CONCAT('SKU-',seq)", warehouse="'W'", d_committed="0", d_unavailable="0",
    on_hand="10 + seq MOD 90", committed="0", unavailable="0", safety_stock="0", reorder_point="0",
    shortfall="0", on_hand_version="n", line="0", l_committed="0", l_shipped="0", l_cancelled="0",
    l_released="0", l_returned="0", reason="''", reference="''", note="''", actor="'scale'",
    principal="'local'", undoes="0", trace="''")
RECEIVED = dict(
    seq="n", operation_id="UNHEX(MD5(CONCAT('in',seq)))", kind="9", prev="0",
    d_on_hand="10 + seq MOD 90", d_reserved="0", reserved="0", reservation_id="''", state="0",
    revision="0", expires_at_us="0", l_quantity="0", l_reserved="0", order_ref="''")
RESERVATION_ID = "UNHEX(CONCAT(LPAD(HEX(p),4,'0'),LPAD(HEX(seq),16,'0')))"
RESERVED = dict(
    seq="r", operation_id="UNHEX(MD5(seq))", kind="1", prev="n", d_on_hand="0", d_reserved="1",
    reserved="1", reservation_id=RESERVATION_ID, state="2", revision="1",
    expires_at_us="4000000000000000 + seq", l_quantity="1", l_reserved="1",
    order_ref="CONCAT('O-',seq)")


def movements(kind, which):
    columns = dict(ALIKE, **kind)
    return "INSERT INTO movement (%s) SELECT %s FROM scale %s" % (
        ", ".join(columns), ", ".join(columns.values()), which)


def fill(cluster, levels):
    """Levels of a sku each, one in ten with a live reservation, and the ledger that they come from:
    everything of a row is made from its number and the partition that its sku belongs to."""
    def put(query):
        cluster.sql_text(query, seconds=scale(240), admin=True)
    put("CREATE TABLE numbers (seq INT PRIMARY KEY, p SMALLINT UNSIGNED NOT NULL)")
    for first in range(1, levels + 1, AT_ONCE):
        put("INSERT INTO numbers VALUES " + ",".join("(%d,%d)" % (
            n, cluster.partition("SKU-%d" % n))
            for n in range(first, min(first + AT_ONCE, levels + 1))))
    held = levels // 10
    put("CREATE TABLE scale (seq INT PRIMARY KEY, p SMALLINT UNSIGNED NOT NULL, n INT NOT NULL,"
        " r INT NOT NULL) SELECT seq, p, ROW_NUMBER() OVER (PARTITION BY p ORDER BY seq) n,"
        " IF(seq <= %d, ROW_NUMBER() OVER (PARTITION BY p ORDER BY seq) + COUNT(*) OVER"
        " (PARTITION BY p), 0) r FROM numbers" % held)
    put("INSERT INTO warehouse VALUES ('W','big',1)")
    put("INSERT INTO item SELECT p, CONCAT('SKU-',seq), CONCAT('an item with a name ',seq), 0, n"
        " FROM scale ORDER BY p")
    put("INSERT INTO barcode SELECT CONCAT('40',seq), p, CONCAT('SKU-',seq) FROM scale")
    put("INSERT INTO stock_level SELECT p, CONCAT('SKU-',seq), 'W', 10 + seq MOD 90, r > 0,"
        " 0, 0, 0, 0, 0, GREATEST(n, r), n FROM scale ORDER BY p")
    put(movements(RECEIVED, "ORDER BY p, n"))
    put(movements(RESERVED, "WHERE r > 0 ORDER BY p, r"))
    put("INSERT INTO reservation SELECT p, %s, UNHEX(MD5(seq)), 2, 1, 4000000000000000 + seq,"
        " 1700000000000000 + seq, CONCAT('O-',seq), 'scale' FROM scale WHERE r > 0" % RESERVATION_ID)
    put("INSERT INTO reservation_line SELECT p, %s, 0, p, CONCAT('SKU-',seq), 'W', 1, 1, 0, 0, 0,"
        " 0, 0 FROM scale WHERE r > 0" % RESERVATION_ID)
    put("UPDATE `partition` a JOIN (SELECT p, MAX(GREATEST(n, r)) last FROM scale GROUP BY p) s"
        " ON s.p = a.partition_id SET a.last_seq = s.last")
    put("DROP TABLE numbers, scale")


def processor_s(process):
    """User and system, of all its threads, since it began."""
    with open("/proc/%d/stat" % process.pid) as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(process):
    """The most so far."""
    with open("/proc/%d/status" % process.pid) as file:
        return int(re.search(r"^VmHWM:\s+(\d+)", file.read(), re.M).group(1)) / 1024

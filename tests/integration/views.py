# SPDX-License-Identifier: MIT
"""What the tests of views share: asking one, and comparing all that it holds with the database."""
import time

from harness import *
from wire import View, pb

KNOWN, BEHIND, STALE, UNKNOWN = (
    pb.KNOWLEDGE_KNOWN, pb.KNOWLEDGE_BEHIND, pb.KNOWLEDGE_STALE, pb.KNOWLEDGE_UNKNOWN)


def view_of(cluster, number=0, seconds=10):
    """A session with a view, once it answers."""
    deadline = time.monotonic() + scale(seconds)
    while True:
        peer = View(cluster.view_endpoint(number), cluster.config["name"])
        try:
            peer.hello(seconds=1)
            return peer
        except wire.Timeout:
            peer.close()
            check(time.monotonic() < deadline, "view %d answers" % number)


def positions(peer):
    return {p.partition: p for p in peer.ask(status={}, positions=True).positions}


def database_positions(cluster):
    return {int(p): (int(seq), claim) for p, seq, claim in cluster.sql(
        "SELECT partition_id, last_seq, HEX(claim_id) FROM `partition` WHERE moved_to IS NULL",
        all_shards=True)}


def caught_up(cluster, peer):
    want = database_positions(cluster)
    have = positions(peer)
    return len(have) == len(want) and all(
        p.knowledge == KNOWN and p.sequence == want[n][0]
        and bytes(p.claim_id).hex().upper() == want[n][1] for n, p in have.items())


def pages(peer, **fields):
    """All rows of a paged question, a page at a time."""
    cursor = b""
    while True:
        kind = "levels" if "reservations" not in fields else "reservations"
        answer = peer.ask(**{kind: dict(fields.get(kind, fields), cursor=cursor)})
        check(answer.status == 0, "a page: %s" % answer)
        check(answer.unknown_partitions == 0, "every partition is known")
        yield from answer.levels or answer.reservations
        cursor = answer.cursor
        if not cursor:
            return


def view_levels(peer):
    return {(row.level.sku.decode(), row.level.warehouse.decode()):
            (row.level.on_hand, row.level.reserved, row.level.committed, row.level.unavailable,
             row.level.safety_stock, row.level.reorder_point, row.level.shortfall,
             row.level.version, row.level.on_hand_version, row.name.decode())
            for row in pages(peer, limit=1000)}


def database_levels(cluster):
    rows = cluster.sql(
        "SELECT l.sku, l.warehouse, l.on_hand, l.reserved, l.committed, l.unavailable,"
        " l.safety_stock, l.reorder_point, l.shortfall, l.version, l.on_hand_version, i.name"
        " FROM stock_level l JOIN item i USING (partition_id, sku)", all_shards=True)
    return {(r[0], r[1]): tuple(map(int, r[2:11])) + (r[11],) for r in rows}


def reservation_text(raw):
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U"
    value = int.from_bytes(raw, "big")
    text = "".join(digits[value >> shift & 31] for shift in range(75, -1, -5))
    return "R-" + text + digits[value % 37]


def database_reservations(cluster):
    rows = cluster.sql(
        "SELECT HEX(r.reservation_id), r.state, r.revision, r.expires_at_us, r.created_at_us,"
        " r.order_ref, r.actor, l.line, l.sku, l.warehouse, l.quantity, l.reserved, l.committed,"
        " l.shipped, l.cancelled, l.released, l.returned FROM reservation r"
        " JOIN reservation_line l USING (partition_id, reservation_id)"
        " ORDER BY r.reservation_id, l.line", all_shards=True)
    found = {}
    for r in rows:
        head = (int(r[1]), int(r[2]), int(r[3]), int(r[4]), r[5], r[6])
        line = (r[8], r[9]) + tuple(map(int, r[10:17]))
        found.setdefault(reservation_text(bytes.fromhex(r[0])), (head, []))[1].append(line)
    return found


def view_reservation(r):
    head = (r.state, r.revision, r.expires_at_us, r.created_at_us, r.order.decode(),
            r.actor.decode())
    return head, [(li.sku.decode(), li.warehouse.decode(), li.quantity, li.reserved, li.committed,
                   li.shipped, li.cancelled, li.released, li.returned) for li in r.lines]


def same_reservations(cluster, peer):
    stored = database_reservations(cluster)
    is_open = {text for text, (head, lines) in stored.items()
               if any(line[3] or line[4] for line in lines)}
    texts = sorted(stored)
    told, not_open = {}, set()
    for at in range(0, len(texts), 200):
        answer = peer.ask(reservations=dict(
            reservations=[t.encode() for t in texts[at:at + 200]]))
        equal(answer.status, 0, "reservations by id: %s" % answer.message)
        told.update((r.reservation.decode(), view_reservation(r)) for r in answer.reservations)
        not_open |= {t.decode() for t in answer.not_open}
    equal(set(told), is_open, "open reservations")
    equal(not_open, set(stored) - is_open, "reservations that are over")
    for text, got in told.items():
        equal(got, stored[text], "reservation " + text)
    return len(told)


def same_as_database(cluster, peer, seconds=20):
    """Waits until the view is where the database is, and compares everything. Nobody may write."""
    wait_until(lambda: caught_up(cluster, peer), seconds, "the view has caught up: %s" % {
        n: (p.knowledge, p.sequence) for n, p in positions(peer).items()})
    stored, told = database_levels(cluster), view_levels(peer)
    equal(set(told), set(stored), "levels")
    for key, figures in told.items():
        equal(figures, stored[key], "level %s@%s" % key)
    held = same_reservations(cluster, peer)
    barcodes = cluster.sql("SELECT barcode, sku FROM barcode", all_shards=True)
    for code, sku in barcodes[:200]:
        found = peer.ask(barcode=dict(barcodes=[code.encode()])).stock
        check(sku in [s.sku.decode() for s in found], "barcode %s" % code)
    status = peer.ask(status={}).view
    equal(status.barcodes, len(barcodes), "barcodes")
    equal(status.reservations, held, "open reservations, counted")
    return len(told), held

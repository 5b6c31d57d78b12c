# SPDX-License-Identifier: MIT
"""The relay: every movement to every subscription, in order, at least once."""
import re
import threading
import uuid

from relays import *
from views import reservation_text


def goods(cluster, *skus):
    for sku in skus:
        cluster.hf("item", "put", sku, "--name", "item " + sku)
    cluster.stock(skus[0], W=0)
    for sku in skus:
        cluster.hf("receive", sku + "=1000@W")


@test("a new subscription is given everything that is kept, in order, and what comes after")
def everything(cluster):
    goods(cluster, *["S%d" % i for i in range(12)])
    with Consumer(cluster) as c:
        c.subscribe("all")
        c.until(c.all_at_end, what="the end of every partition")
        equal(sorted(c.assigned), list(range(cluster.partitions)), "assigned")
        same_as_ledger(cluster, c.given)
        made = cluster.hf("reserve", "S1=2@W", "--order", "O-1", "--actor", "anna").json
        where = cluster.partition("S1")
        c.until(lambda: c.given[where][-1].reservation.decode() == made["reservation"],
                what="the reserve is told")
        event = c.given[where][-1]
        equal((event.kind, event.reserved_change, event.after.reserved, event.after.available,
               event.order, event.actor, event.sku, event.warehouse, event.state),
              (pb.MOVEMENT_RESERVED, 2, 2, 998, b"O-1", b"anna", b"S1", b"W", 2), "the event")
        equal(wire.uuid_text(event.operation_id), made["operation_id"], "its operation")
        check(event.after.version == event.sequence and event.at_us > 0, "version and time")
        c.ack_stored()


def more(cluster, *consumers, count=6):
    """Some movements in every partition that the skus lie on; the consumers stay."""
    for n in range(count):
        for c in consumers:
            c.stay()
        cluster.hf("receive", *["S%d=1@W" % i for i in range(n % 2, 12, 2)
                                if cluster.partition("S%d" % i) == cluster.partition(
                                    "S%d" % (n % 2))], "--reference", "more")


@test("what was processed and not acknowledged is given again; what was acknowledged is not")
def again(cluster):
    with Consumer(cluster) as c:
        c.subscribe("again")
        c.until(c.all_at_end, what="the end")
        c.ack_stored()
        acknowledged = c.everything()
        more(cluster, c)
        total = sum(map(len, ledger(cluster).values()))
        c.until(lambda: c.count == total, what="what came after")
        new = {p: s[len(acknowledged.get(p, [])):] for p, s in c.everything().items()}
        # It is killed: no GOODBYE, and no acknowledgement.
    for relay in cluster.processes("relay"):
        relay.signal(signal.SIGKILL)
    with Consumer(cluster) as c:
        follow(cluster, c, "again")
        c.until(c.all_at_end, what="the end")
        equal(c.everything(), {p: s for p, s in new.items() if s}, "what is given again")


def follow(cluster, c, name, **fields):
    """Subscribes at whichever relay serves the name; c must be at relay 0."""
    answer = c.subscribe(name, expect=None, **fields)
    if answer.status == 43 and answer.endpoint:
        other = [r["client"] for r in cluster.config["relays"]].index(answer.endpoint.decode())
        c.close()
        c.__init__(cluster, other)
        answer = c.subscribe(name, **fields)
    equal(answer.status, 0, "SUBSCRIBED: %s" % answer)
    return c


@test("two consumers of a name have half each; one that comes or goes costs no event and doubles none")
def share(cluster):
    with Consumer(cluster, name="a") as a:
        a.subscribe("shared")
        a.until(a.all_at_end, what="the end")
        equal(len(a.assigned), 6, "alone")
        with Consumer(cluster, name="b") as b:
            b.subscribe("shared")
            a.until(lambda: len(a.assigned) == 3, what="half is asked back")
            check(b.quiet(0.3, EVENTS), "nothing is given before it is given back")
            a.ack()
            a.give_back(a.leaving)
            b.until(lambda: len(b.assigned) == 3, what="the other half")
            b.until(b.all_at_end, what="the end of the other half")
            equal(sorted(a.assigned + b.assigned), list(range(6)), "together")
            more(cluster, a, b)
            def both():
                for c in (a, b):
                    for p in c.given:
                        equal(c.sequences(p), sorted(c.sequences(p)), "in order")
                return {p: sorted(a.given.get(p, []) + b.given.get(p, []),
                                  key=lambda e: e.sequence)
                        for p in range(6) if p in a.given or p in b.given}
            total = sum(map(len, ledger(cluster).values()))
            deadline = time.monotonic() + scale(20)
            while sum(map(len, both().values())) < total and time.monotonic() < deadline:
                a.take()
                b.take()
            same_as_ledger(cluster, both(), "the two")
            a.ack_stored()
            b.ack_stored()
            b.goodbye()
            a.until(lambda: len(a.assigned) == 6, what="everything is a's again")
            b.close()
        more(cluster, a)
        total = sum(map(len, ledger(cluster).values()))
        a.until(lambda: sum(map(len, both().values())) >= total, what="the rest")
        same_as_ledger(cluster, both(), "both, one after the other")


@test("a consumer that does not give back loses the partition all the same")
def hangs(cluster):
    with Consumer(cluster, name="a") as a, Consumer(cluster, name="b") as b:
        a.subscribe("hangs")
        a.until(a.all_at_end, what="the end")
        b.subscribe("hangs")
        deadline = time.monotonic() + scale(15)
        while len(b.assigned) < 3 and time.monotonic() < deadline:
            a.take()
            b.take()
        equal(len(b.assigned), 3, "b's half")
        b.until(b.all_at_end, what="the end")
        for p in b.assigned:
            equal(b.sequences(p), a.sequences(p), "given to both, as nothing was acknowledged")
        late = [p for p in b.assigned if p in a.given][0]
        a.ack(late, a.sequences(late)[-1])  # too late: it is another's
        b.ack_stored()


@test("one relay serves a name; the others say which")
def elsewhere(cluster):
    with Consumer(cluster, 0) as a, Consumer(cluster, 1) as b:
        a.subscribe("one")
        answer = b.subscribe("one", expect=43)
        equal((answer.status, answer.endpoint.decode()), (43, cluster.relay_endpoint(0)), "refused")
        a.goodbye()
        # It is given up, and the other may have it.
        b.subscribe("one")
        b.until(b.all_at_end, what="the end")
        same_as_ledger(cluster, b.given)


@test("nothing is given beyond the credit, and a slow subscriber holds up nobody")
def credit(cluster):
    with Consumer(cluster) as slow, Consumer(cluster) as quick:
        slow.subscribe("slow", credit=5)
        quick.subscribe("quick")
        slow.until(lambda: slow.count == 5, what="five")
        quick.until(quick.all_at_end, what="the end")
        slow.take(0.3)
        equal(slow.count, 5, "no more than five")
        same_as_ledger(cluster, quick.given)
        total = sum(map(len, ledger(cluster).values()))
        while slow.count < total:
            before = slow.count
            slow.grant(7)
            slow.until(lambda: slow.count >= min(total, before + 7), what="seven more")
            equal(slow.count, min(total, before + 7), "no more")
        same_as_ledger(cluster, slow.given)


@test("from now, from a position, and from the start once more")
def replay(cluster):
    with Consumer(cluster) as c:
        c.subscribe("replay", **{"from": NOW})
        c.until(c.all_at_end, what="the end")
        equal(c.given, {}, "what is there is not given")
        more(cluster, c, count=2)
        c.until(lambda: c.count >= 2, what="what came after")
        c.ack_stored()
        with Consumer(cluster) as other:
            answer = other.subscribe("replay", expect=43, **{"from": START})
            equal(answer.field, "subscribe.from", "refused while another consumes it")
        c.goodbye()
    where = cluster.partition("S1")
    middle = ledger(cluster)[where][3][0]
    with Consumer(cluster) as c:
        c.subscribe("replay", **{"from": POSITIONS}, positions=[
            pb.Position(partition=where, sequence=middle)])
        c.until(c.all_at_end, what="the end")
        equal(as_ledger(c.given[where]), ledger(cluster)[where][4:], "after the position")
        equal(list(c.given), [where], "the others stand where they were")
        c.goodbye()
    with Consumer(cluster) as c:
        answer = c.subscribe("replay", expect=26, **{"from": POSITIONS}, positions=[
            pb.Position(partition=where, sequence=10**6)])
        check("has no movement 1000000 yet" in answer.message, "says why: %s" % answer)
        # The session goes on.
        c.subscribe("replay", **{"from": START})
        c.until(c.all_at_end, what="the end")
        same_as_ledger(cluster, c.given)


# What a movement says, and the column or expression of its row.
LEVEL = dict(on_hand="on_hand", reserved="reserved", committed="committed", unavailable="unavailable",
             safety_stock="safety_stock", reorder_point="reorder_point", shortfall="shortfall",
             version="seq", on_hand_version="on_hand_version")
LINE = dict(quantity="l_quantity", reserved="l_reserved", committed="l_committed",
            shipped="l_shipped", cancelled="l_cancelled", released="l_released",
            returned="l_returned")
PLAIN = dict(partition="m.partition_id", sequence="seq", operation_id="HEX(operation_id)", index="idx",
             kind="kind", at_us="at_us", sku="sku", warehouse="warehouse", on_hand_change="d_on_hand",
             reserved_change="d_reserved", committed_change="d_committed",
             unavailable_change="d_unavailable", state="state", revision="revision",
             expires_at_us="expires_at_us", order="order_ref", reason="reason", reference="reference",
             note="note", actor="actor", principal="principal", undoes="undoes", trace="trace",
             claim_id="HEX((SELECT c.claim_id FROM claim c WHERE c.partition_id=m.partition_id AND"
                      " c.epoch=m.epoch))")
OTHERS = ("HEX(reservation_id)", "line", "signals")


def told(event):
    """An event as its row would be, in the order of the tables above."""
    def plain(message, name):
        value = getattr(message, name)
        if name in ("operation_id", "claim_id"):
            return value.hex().upper()
        return value.decode() if isinstance(value, bytes) else str(int(value))
    after, line = event.after, event.line_after
    return ([plain(event, name) for name in PLAIN], [plain(after, name) for name in LEVEL],
            [plain(line, name) for name in LINE],
            [event.reservation.decode(), str(event.line),
             str(sum(1 << bit - 1 for bit in event.signals))])


def rows_of(cluster):
    """(partition, sequence) → what an event must say."""
    found = {}
    columns = ", ".join([*PLAIN.values(), *LEVEL.values(), *LINE.values(), *OTHERS])
    for row in cluster.sql("SELECT %s FROM movement m" % columns, all_shards=True):
        plain, rest = list(row[:len(PLAIN)]), row[len(PLAIN):]
        level, rest = list(rest[:len(LEVEL)]), rest[len(LEVEL):]
        line, (ident, number, signals) = list(rest[:len(LINE)]), rest[len(LINE):]
        if not (plain[6] and plain[7]):  # of no level
            level = ["0"] * len(LEVEL)
        ident = reservation_text(bytes.fromhex(ident)) if ident else ""
        found[int(plain[0]), int(plain[1])] = (plain, level, line, [ident, number, signals])
    return found


def as_json(row, put):
    """What `holdfast events --json` must say of such a row, and of the warehouse that it put."""
    def time_of(us):
        seconds, rest = divmod(int(us), 10**6)
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + ".%03dZ" % (rest // 1000)
    plain, level, line, (reservation, _, signals) = row
    said = dict(zip(PLAIN, plain))
    out = {name: int(said[name]) for name in ("partition", "sequence", "index", "on_hand_change",
                                              "reserved_change", "committed_change",
                                              "unavailable_change")}
    out.update(operation_id=str(uuid.UUID(said["operation_id"])), at=time_of(said["at_us"]),
               movement=pb.MovementKind.Name(int(said["kind"]))[len("MOVEMENT_"):].lower(),
               sku=said["sku"], warehouse=said["warehouse"] or put, claim_id=said["claim_id"].lower(),
               signals=[pb.Signal.Name(bit + 1)[len("SIGNAL_"):].lower() for bit in range(8)
                        if int(signals) >> bit & 1])
    if said["warehouse"]:
        out["after"] = dict(zip(LEVEL, map(int, level)), sku=said["sku"], warehouse=said["warehouse"])
    if reservation:
        out.update(reservation=reservation, expires_at=time_of(said["expires_at_us"]),
                   state=pb.ReservationState.Name(int(said["state"]))[len("RESERVATION_"):].lower())
    if said["undoes"] != "0":
        out["undoes"] = int(said["undoes"])
    out.update((name, said[name]) for name in ("order", "reason", "reference", "note", "actor",
                                               "principal", "trace") if said[name])
    return out


def of_every_kind(cluster):
    hf = cluster.hf
    cluster.stock("K", W=0, V=0)
    hf("reason", "put", "broken", "--name", "Broken")
    hf("receive", "K=40@W", "--reference", "PO-1", "--actor", "rita")
    hf("safety-stock", "K=5@W")
    made = hf("reserve", "K=10@W", "--order", "O-K", "--actor", "kim").json["reservation"]
    hf("extend", made, "--ttl", "1h")
    hf("purchase", made, "K=8@W", "--keep-remainder")
    hf("ship", made, "K=6@W")
    hf("cancel", made, "K=1@W")
    hf("return", made, "K=2@W", "--quarantine")
    hf("release", made)
    hf("reserve", "K=1@W", "--ttl", "1s")
    hf("adjust", "K=-1@W", "--reason", "broken", "--note", "fell down")
    hf("count", "K=33@W", "--reason", "broken")
    hf("transfer", "K=3@W", "--to", "V")
    hf("quarantine", "K=2@W", "--reason", "broken")
    hf("restore", "K=1@W", "--reason", "broken")
    with cluster.peer() as peer:
        where = cluster.partition("K")
        for op in (wire.operation("set_reorder_point", sku="K", warehouse="W", quantity=3,
                                  trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                   wire.operation("adjust", sku="K", warehouse="V", delta=-1, reason="broken",
                                  trace="00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01")):
            equal(peer.call(op, where).status, 0, "applied")
    (sequence,), = cluster.sql("SELECT MAX(seq) FROM movement WHERE partition_id=%d HAVING MAX(seq)>0"
                               % where, all_shards=True)
    hf("undo", "p%d:%s" % (where, sequence))
    hf("reserve", "K=20@W", "K=1@V")
    hf("adjust", "K=-8@W", "--reason", "broken", "--accept-shortfall")
    wait_until(lambda: cluster.sql("SELECT seq FROM movement WHERE partition_id=%d AND kind=%d" % (
        where, pb.MOVEMENT_EXPIRED), all_shards=True), 20, "one has expired")


@test("an event says everything that its row in the ledger says, of every kind")
def every_field(cluster):
    before = set(rows_of(cluster))
    with Consumer(cluster) as c:
        c.subscribe("live", **{"from": pb.FROM_NOW})
        c.until(c.all_at_end, what="the end")
        making = threading.Thread(target=of_every_kind, args=(cluster,))
        making.start()
        while making.is_alive():
            c.take(0.2)
        want = rows_of(cluster)
        check(len(want) - len(before) >= 18, "rows were made: %d" % (len(want) - len(before)))
        c.until(lambda: c.count >= len(want) - len(before), what="what was made")
        live = {(e.partition, e.sequence): e for part in c.given.values() for e in part}
    equal(set(live), set(want) - before, "what was told by the owners is given")
    for key, event in live.items():
        equal(told(event), want[key], "the event %d:%d, as it was made" % key)
    with Consumer(cluster) as c:
        c.subscribe("fields")
        c.until(lambda: c.all_at_end() and c.count >= len(want), what="the end")
        given = {(e.partition, e.sequence): e for part in c.given.values() for e in part}
    for key, row in want.items():
        equal(told(given[key]), row, "the event %d:%d" % key)
    kinds = {int(row[0][4]) for row in want.values()}
    runs = {pb.MOVEMENT_RUN_BEGUN, pb.MOVEMENT_RUN_RECORDED}
    equal(set(pb.MovementKind.values()) - kinds - runs - {pb.MOVEMENT_NONE, pb.MOVEMENT_VOIDED}, set(),
          "kinds that were not seen")
    for place, names in enumerate((PLAIN, LEVEL, LINE, OTHERS)):
        for at, name in enumerate(names):
            check(any(row[place][at] not in ("0", "") for row in want.values()),
                  "%s is set in some row" % name)
    for event in given.values():
        record = event.item if event.kind == pb.MOVEMENT_ITEM_PUT else event.named
        is_put = event.kind in (pb.MOVEMENT_ITEM_PUT, pb.MOVEMENT_WAREHOUSE_PUT, pb.MOVEMENT_REASON_PUT)
        check(not is_put or (record.name and record.version == event.sequence),
              "a put says what was put: %s" % event)
    # The command line says the same.
    said, _, _ = events(cluster, "fields-json")
    for part in said.values():
        for event in part:
            if "after" in event:
                del event["after"]["available"]  # made of the others
            key = event["partition"], event["sequence"]
            is_put = given[key].kind == pb.MOVEMENT_WAREHOUSE_PUT
            put = given[key].named.code.decode() if is_put else ""
            check(put or not is_put, "a put names its warehouse")
            equal(event, as_json(want[key], put), "the event as JSON")
    text = cluster.hf("events", "fields-text", json=False).out
    check(re.search(r"warehouse_put  W  by ", text), "a put names its warehouse: %s" % text)


@test("subscriptions are listed and deleted")
def listed(cluster):
    with Consumer(cluster) as c, Consumer(cluster) as admin:
        c.subscribe("doomed")
        c.until(c.all_at_end, what="the end")
        # Given is not acknowledged.
        s, = admin.ask(list=dict(limit=1000, name=b"doomed")).subscriptions
        equal((s.behind, {p.partition: p.last for p in s.positions if p.last}),
              (c.count, {p: rows[-1][0] for p, rows in ledger(cluster).items()}), "behind")
        equal([p for p in s.positions if p.halt], [], "who is behind is not halted")
        c.ack_stored()
        answer = admin.ask(list=dict(limit=1000, name=b"doomed"))
        equal((answer.status, [s.name for s in answer.subscriptions]), (0, [b"doomed"]), "listed")
        s = answer.subscriptions[0]
        equal((s.behind, s.endpoint.decode(), len(s.positions)),
              (0, cluster.relay_endpoint(0), 6), "the subscription")
        equal({p.partition: p.sequence for p in s.positions if p.sequence},
              {p: rows[-1][0] for p, rows in ledger(cluster).items()}, "positions")
        page = admin.ask(list=dict(limit=2))
        equal((len(page.subscriptions), page.more), (2, True), "a page")
        rest = admin.ask(list=dict(limit=1000, after=page.subscriptions[-1].name))
        names = [s.name for s in page.subscriptions] + [s.name for s in rest.subscriptions]
        check(names == sorted(names) and b"doomed" in names, "by name: %r" % names)
        equal(admin.ask(delete=dict(name=b"doomed")).status, 0, "deleted")
        try:
            c.until(lambda: False, what="the session ends")
        except Ended as why:
            equal(str(why), "deleted", "why")
        equal(list(admin.ask(list=dict(limit=10, name=b"doomed")).subscriptions), [], "gone")
        equal(cluster.sql("SELECT * FROM subscription_position WHERE name='doomed'",
                          all_shards=True), [], "positions")
        answer = admin.ask(delete=dict(name=b"doomed"))
        equal((answer.status, answer.field), (26, "delete.name"), "there is none")


class Locked:
    """Holds the positions of a subscription at a shard, as a database that is slow would."""

    def __init__(self, cluster, shard, name):
        server = cluster.config["shards"][shard]["servers"][0]
        self.child = subprocess.Popen(
            ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--unbuffered",
             "--socket=" + server["socket"], "--user=" + ADMINISTRATOR, "holdfast"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ, **{MARK: mark}))
        self.child.stdin.write("BEGIN; SELECT COUNT(*) FROM subscription_position WHERE name='%s'"
                               " FOR UPDATE;\n" % name)
        self.child.stdin.flush()
        check(int(self.child.stdout.readline()) > 0, "positions are locked")

    def release(self):
        self.child.communicate("COMMIT;\n", timeout=scale(10))


@test("a delete that was overtaken by another relay says that nothing was deleted")
def delete_too_late(cluster):
    name = next(n for n in ("late-%d" % i for i in range(99)) if partition_of(n, 2) == 0)
    with Consumer(cluster, 0) as a, Consumer(cluster, 0) as asks, Consumer(cluster, 1) as b:
        a.subscribe(name)
        a.until(a.all_at_end, what="the end")
        a.ack_stored()
        locked = Locked(cluster, 1, name)
        question = asks.submit(pb.RelayQuery(delete=dict(name=name.encode())).SerializeToString(), 0,
                               type=QUERY)
        # The row is at the other shard. Nobody renews its lease, and the other relay takes it over.
        while b.subscribe(name, seconds=1, expect=None).status:
            a.stay()
            asks.stay()
        locked.release()
        answer = asks.outcome(question, seconds=20)
        equal(answer.status, 43, "the answer: %s" % answer)
        note("told: %s" % answer.message)
        b.until(b.all_at_end, what="the end")
        check(name.encode() in [s.name for s in b.ask(list=dict(limit=100)).subscriptions],
              "it is there")


@test("bad requests are told what is wrong with them")
def bad(cluster):
    with Consumer(cluster) as c:
        for name, why in ((b"", "is empty"), (b"a\nb", "control character"), (b" a", "blank"),
                          (b"\xff", "UTF-8"), (b"x" * 65, "64 bytes")):
            answer = c.subscribe(name, expect=26)
            equal(answer.field, "subscribe.subscription", "field")
            check(why in answer.message, "%r: %s" % (name, answer.message))
        for fields, field in (({"from": 9}, "subscribe.from"), ({"from": POSITIONS},
                                                                "subscribe.positions"),
                              ({"positions": [pb.Position(partition=1)]}, "subscribe.positions"),
                              ({"from": POSITIONS, "positions": [pb.Position(partition=99)]},
                               "subscribe.positions"),
                              ({"seen": [pb.Position(partition=0, sequence=1, claim_id=b"x")]},
                               "subscribe.seen")):
            equal(c.subscribe("bad", expect=26, **fields).field, field, "field of %r" % fields)
        for query, field in ((dict(list=dict(limit=0)), "list.limit"),
                             (dict(list=dict(limit=5, name=b"\x01")), "list.name"),
                             (dict(delete=dict(name=b"")), "delete.name"), ({}, "query")):
            equal(c.ask(**query).field, field, "field of %r" % query)
        c.subscribe("näme with ünicode")
        c.until(c.all_at_end, what="the end")
        p = c.assigned[0]
        for send in (lambda: c.ack(p, 10**9), lambda: c.send(ACK, b"\xff\xff"),
                     lambda: c.subscribe("twice", expect=None), lambda: c.send(SUBSCRIBED)):
            try:
                send()
                c.until(lambda: False, 5, "the session ends")
            except Ended as why:
                equal(str(why), "malformed", "why")
            c.close()
            c.__init__(cluster)
            c.subscribe("näme with ünicode")
            c.until(c.all_at_end, what="the end")


if __name__ == "__main__":
    run(shards=2, workers=1, partitions=6, brokers=2, relays=2)

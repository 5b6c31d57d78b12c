# SPDX-License-Identifier: MIT
"""An audit of a live system: every difference that is planted in the database or in a view is named,
and while everything works at full speed none is."""
import zmq

from views import *
from wire import BIN, CHANGES, Header


def planted_in(cluster, sku):
    return "partition_id=%d AND sku='%s'" % (cluster.partition(sku), sku)


def differences(cluster, expect=1):
    return cluster.hf("audit", expect=expect, seconds=60).json["differences"]


def names(found):
    return sorted({d["check"] for d in found})


@test("a sound system: every partition is checked, every view compared in all of them")
def sound(cluster):
    cluster.stock("A", W=50, V=4)
    cluster.stock("B", W=5)
    cluster.hf("item", "put", "C", "--name", "with codes", "--barcode", "4001", "--barcode", "4002")
    for number in range(5):
        cluster.hf("reserve", "A=%d@W" % (number + 1), "--order", "O%d" % number, "--ttl", "1h")
    done = cluster.hf("audit").json
    equal((done["partitions_asked"], done["partitions_answered"]), (8, 8), "partitions")
    equal([(v["view"], v["partitions_compared"], v["trouble"]) for v in done["views"]],
          [("v1", 8, ""), ("v2", 8, "")], "views")
    equal(done["differences"], [], "differences")
    check(done["checked"] > 10, "rows were looked at")
    note("%(took_ms)d ms in all, %(slowest_ms)d ms the slowest partition" % done)
    words = cluster.hf("audit", json=False).out
    check("v2 compared in 8 of 8 partitions" in words and "no differences" in words, words)
    equal(cluster.hf("audit", "--no-views").json["views"], [], "without views")


# What is planted (with + or -, to take it back), in the row of a level, and the check that names it.
IN_LEVEL = [
    ("level_reservations", "stock_level SET reserved=reserved%s1"),
    ("level_ledger", "stock_level SET on_hand=on_hand%s1"),
    ("level_version", "stock_level SET version=version%s1"),
    ("shortfall", "stock_level SET shortfall=shortfall%s1"),
]


@test("what is planted in the database is named, with partition, sku and warehouse")
def in_database(cluster):
    for name, change in IN_LEVEL:
        cluster.sql("UPDATE %s WHERE %s AND warehouse='W'" % (
            change % "+", planted_in(cluster, "A")), all_shards=True, admin=True)
        found = [d for d in differences(cluster) if d["check"] == name]
        cluster.sql("UPDATE %s WHERE %s AND warehouse='W'" % (
            change % "-", planted_in(cluster, "A")), all_shards=True, admin=True)
        equal([(d["partition"], d["sku"], d["warehouse"], d["view"]) for d in found],
              [(cluster.partition("A"), "A", "W", "")], name)
    cluster.audit()


@test("a reservation past its time, one that is over and holds, one without lines; an id used twice")
def in_reservations(cluster):
    made = cluster.hf("reserve", "A=1@W", "--ttl", "1h").json
    for _ in range(2):
        cluster.hf("reserve", "A=1@W", "--ttl", "1h")
    where = "partition_id=%d AND operation_id=UNHEX('%s')" % (
        cluster.partition("A"), made["operation_id"].replace("-", ""))
    ident = "reservation_id=(SELECT reservation_id FROM reservation WHERE %s)" % where
    newest = "partition_id=%d ORDER BY seq DESC LIMIT 1" % cluster.partition("A")
    for name, there, back in (
            ("expired_live", "reservation SET expires_at_us=expires_at_us-7200000000 WHERE " + where,
             "reservation SET expires_at_us=expires_at_us+7200000000 WHERE " + where),
            ("closed_holds", "reservation SET state=4 WHERE " + where,
             "reservation SET state=2 WHERE " + where),
            ("lineless", "reservation_line SET partition_id=60000 WHERE " + ident,
             "reservation_line SET partition_id=%d WHERE partition_id=60000" % cluster.partition("A")),
            ("reservation_level", "stock_level SET partition_id=60000 WHERE %s AND warehouse='W'"
             % planted_in(cluster, "A"), "stock_level SET partition_id=%d WHERE partition_id=60000"
             % cluster.partition("A")),
            ("operation_rows", "movement SET operation_id=UNHEX('%s'), idx=1 WHERE %s" % (
                made["operation_id"].replace("-", ""), newest),
             "movement SET operation_id=REVERSE(operation_id), idx=0 WHERE " + newest)):
        cluster.sql("UPDATE " + there, all_shards=True, admin=True)
        found = differences(cluster)
        cluster.sql("UPDATE " + back, all_shards=True, admin=True)
        check(name in names(found), "%s is named: %r" % (name, found))
        if name == "expired_live":
            check(made["reservation"] in [d["reservation"] for d in found], "which: %r" % found)
        if name == "reservation_level":
            check("movement_level" in names(found), "movements without a level: %r" % found)
    cluster.audit()


@test("an id that took effect in two partitions, of one shard or of two, is named; a void is no effect")
def ids_of_partitions(cluster):
    shard_of = {int(p): shard for shard in range(2) for p, in cluster.sql(
        "SELECT partition_id FROM `partition` WHERE moved_to IS NULL", shard=shard)}
    home = cluster.partition("A")
    others = {cluster.partition("I%d" % i): "I%d" % i for i in range(64)}
    others.pop(home, None)
    same, = [sku for p, sku in sorted(others.items()) if shard_of[p] == shard_of[home]][:1]
    other, = [sku for p, sku in sorted(others.items()) if shard_of[p] != shard_of[home]][:1]
    for sku in (same, other):
        cluster.stock(sku)
    used = []
    for sku in (same, other):
        ident = wire.uuid_text(wire.uuid7())
        # Nobody who has the one partition knows of the other: both are applied.
        for line in ("A=1@W", sku + "=1@W"):
            equal(cluster.hf("receive", line, "--id", ident).json["result"], "applied", line)
        used.append((ident, sorted((home, cluster.partition(sku)))))
    done = cluster.hf("audit", expect=1, seconds=60).json
    check(done["operation_ids"] > 10, "ids were compared: %r" % done)
    equal(names(done["differences"]), ["operation_partitions"], "what differs")
    for ident, (one, two) in used:
        check([d for d in done["differences"] if d["partition"] == one and ident in d["message"]
               and "also in partition %d" % two in d["message"]], "%s: %r" % (ident, done))
    # To settle one that nobody knows leaves a void in every partition.
    cluster.hf("settle", wire.uuid_text(wire.uuid7()))
    equal(len(differences(cluster)), 2, "differences")
    for ident, _ in used:
        cluster.sql("UPDATE movement SET operation_id=REVERSE(operation_id) WHERE partition_id<>%d AND"
                    " operation_id=UNHEX('%s')" % (home, ident.replace("-", "")), all_shards=True,
                    admin=True)
    cluster.audit()


class Forger:
    """Publishes changes that nobody has committed, as a worker would."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.linger, self.socket.immediate = 0, True
        self.socket.connect(cluster.config["brokers"][0]["publish"])
        check(self.socket.poll(scale(5) * 1000), "somebody subscribes")

    def tell(self, partition, movements):
        (last, claim), = [(int(a), b) for a, b in self.cluster.sql(
            "SELECT last_seq, HEX(claim_id) FROM `partition` WHERE moved_to IS NULL AND "
            "partition_id=%d" % partition, all_shards=True)]
        for i, movement in enumerate(movements):
            movement.sequence = last + 1 + i
        body = pb.Changes(partitions=[dict(partition=partition, claim_id=bytes.fromhex(claim),
                                           after=last, movements=movements)])
        self.socket.send_multipart([Header(CHANGES).pack(), body.SerializeToString()])
        for number in range(self.cluster.options["views"]):
            with view_of(self.cluster, number) as peer:
                wait_until(lambda: positions(peer)[partition].sequence == last + len(movements), 5,
                           "the view takes what was forged")

    def close(self):
        self.context.destroy(0)


def forged(cluster, kind):
    sku, partition = b"A", cluster.partition("A")
    if kind == "view_level":
        return partition, pb.Movement(kind=pb.MOVEMENT_ADJUSTED, sku=sku, warehouse=b"W",
                                      after=dict(on_hand=999)), ("A", "W", "")
    if kind == "view_item":
        return partition, pb.Movement(kind=pb.MOVEMENT_ITEM_PUT, sku=sku, item=dict(
            sku=sku, name=b"forged", barcodes=[b"777"])), ("A", "", "")
    if kind == "view_reservation":
        text = reservation_text(partition.to_bytes(2, "big") + bytes(8))
        return partition, pb.Movement(
            kind=pb.MOVEMENT_RESERVED, sku=sku, warehouse=b"W", reservation=text.encode(),
            state=pb.RESERVATION_ACTIVE, revision=1, expires_at_us=wire.now_us() + 10**9,
            after=dict(on_hand=999), line_after=dict(quantity=1, reserved=1)), ("", "", text)
    return 0, pb.Movement(kind=pb.MOVEMENT_WAREHOUSE_PUT, named=dict(code=b"W", name=b"forged")), (
        "", "W", "")


def move(cluster, partition):
    """One real movement of the partition."""
    if partition == 0:
        cluster.hf("warehouse", "put", "V", "--name", "warehouse V")
    else:
        cluster.hf("receive", "A=1@V")


@test("what a view believes and the database does not hold is named: level, item, reservation, warehouse")
def in_views(cluster):
    for kind in ("view_level", "view_item", "view_reservation", "view_warehouse"):
        partition, movement, (sku, warehouse, reservation) = forged(cluster, kind)
        forger = Forger(cluster)
        forger.tell(partition, [movement])
        forger.close()
        # At the sequence before it, the view still was what the database is.
        check(kind not in names(cluster.hf("audit", expect=None, seconds=60).json["differences"]),
              "%s is no difference before that sequence" % kind)
        move(cluster, partition)
        found = [d for d in differences(cluster) if d["check"] == kind]
        for view in ("v1", "v2"):
            check((view, partition, sku, warehouse, reservation) in [
                (d["view"], d["partition"], d["sku"], d["warehouse"], d["reservation"])
                for d in found], "%s of %s: %r" % (kind, view, found))
        # What is not where it was is a difference too.
        cluster.process("view", "v1").kill()
        with view_of(cluster) as peer:
            wait_until(lambda: caught_up(cluster, peer), 20, "v1 has begun again")
        left = differences(cluster)
        equal({d["view"] for d in left}, {"v2"}, "the one that began again is right")
        cluster.process("view", "v2").kill()
        with view_of(cluster, 1) as peer:
            wait_until(lambda: caught_up(cluster, peer), 20, "v2 has begun again")
        cluster.audit()


@test("a view that does not answer leaves the audit incomplete, and is named")
def silent(cluster):
    process = cluster.process("view", "v2")
    cluster.stop(process)
    done = cluster.hf("audit", expect=69, seconds=60)
    check("view v2 was compared in 0 of 8 partitions" in done.err, done.err)
    equal([v["partitions_compared"] for v in done.json["views"]], [8, 0], "compared")
    cluster.cont(process)
    cluster.audit()


class LyingView(threading.Thread):
    """Passes questions on to a view, and changes its answers. lies: partition → what is done to its
    digest."""

    def __init__(self, cluster, lies):
        super().__init__(daemon=True)
        self.cluster, self.lies, self.over = cluster, lies, False
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        endpoint = "ipc://%s/liar" % cluster.dir
        self.socket.bind(endpoint)
        self.file = os.path.join(cluster.dir, "liar.yaml")
        with open(cluster.file) as file:
            text = file.read().replace(cluster.view_endpoint(0), endpoint)
        with open(self.file, "w") as file:
            file.write(re.sub(r"(?m)^ *- client: %s\n" % re.escape(cluster.view_endpoint(1)), "", text))
        self.start()

    def run(self):
        with view_of(self.cluster) as peer:
            while not self.over:
                if self.socket.poll(100):
                    self.answer(peer, *self.socket.recv_multipart())
                peer.stay()

    def answer(self, peer, routing, head, body=b""):
        header, kind = Header.unpack(head), None
        if header.type == wire.HELLO:
            kind, said = wire.WELCOME, pb.Welcome(version=1, partitions=self.cluster.partitions)
        elif header.type == wire.QUERY:
            kind, said = wire.ANSWER, peer.call(body, 0, type=wire.QUERY)
            for digest in said.digests:
                self.lies.get(digest.partition, lambda digest: None)(digest)
        if kind:
            self.socket.send_multipart([routing, Header(
                kind, session=7, sequence=header.sequence).pack(), said.SerializeToString()])

    def audit(self, expect):
        done = execute([os.path.join(BIN, "holdfast"), "-C", self.file, "audit", "--json"], 60)
        equal(done.code, expect, str(done))
        return done

    def close(self):
        self.over = True
        self.join(scale(20))
        self.context.destroy(0)


def miscounted(digest):
    digest.miscounted = True


def other_sum(digest):
    digest.sum ^= 1


def behind(digest):
    digest.knowledge = BEHIND


def unknown(digest):
    digest.knowledge = UNKNOWN


@test("a view whose rows do not add up, that differs in no row, or that stays behind, is named")
def digests(cluster):
    liar = LyingView(cluster, {1: miscounted, 3: other_sum, 4: behind})
    try:
        found = liar.audit(1).json["differences"]
        equal(sorted((d["partition"], d["check"], d["view"]) for d in found),
              [(1, "view_digest", "v1"), (3, "view_digest", "v1"), (4, "view_behind", "v1")], "named")
        words = {d["partition"]: d["message"] for d in found}
        check("do not add up" in words[1] and "differs from the database" in words[3]
              and "does not reach sequence" in words[4], "what is wrong: %r" % words)
        liar.lies = {2: unknown}
        done = liar.audit(69)
        equal((done.json["differences"], done.json["views"][0]["partitions_compared"]), ([], 7),
              "not to know is no difference")
        liar.lies = {}
        equal(liar.audit(0).json["views"][0]["partitions_compared"], 8, "when it does not lie")
    finally:
        liar.close()


@test("under load no audit finds anything, and every view is compared everywhere")
def busy(cluster):
    skus = ["L%d" % i for i in range(24)]
    for sku in skus:
        cluster.hf("item", "put", sku, "--name", sku)
    for sku in skus:
        cluster.hf("receive", sku + "=100000@W")
    script = []
    for number in range(2400):
        client = number % 16
        script.append("%d\t0\treserve\tline=%s=1@W" % (client, skus[number * 7 % 24]))
        if number % 3:
            script.append("%d\t0\t%s\tr=@%d" % (
                client, "purchase" if number % 2 else "release", len(script) - 1))
    load = threading.Thread(target=lambda: cluster.load(script, clients=16, seconds=120))
    load.start()
    audits = 0
    while load.is_alive():
        done = cluster.hf("audit", seconds=60).json
        equal([v["partitions_compared"] for v in done["views"]], [8, 8], "compared, under load")
        audits += 1
    load.join()
    check(audits >= 2, "%d audits under load" % audits)
    note("%d audits beside %d operations" % (audits, len(script)))
    with view_of(cluster) as peer:
        same_as_database(cluster, peer)


class Watch:
    """holdfast audit --watch, and the lines that it prints."""

    def __init__(self, cluster):
        self.child = subprocess.Popen(
            [os.path.join(BIN, "holdfast"), "-C", cluster.file, "audit", "--watch", "--every",
             "300ms", "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=dict(os.environ, **{MARK: mark}))
        self.lines = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.child.stdout:
            self.lines.append(json.loads(line))

    def next(self, number):
        return wait_until(lambda: len(self.lines) > number and self.lines[number], 30,
                          "line %d of the watch" % number)

    def stop(self):
        self.child.send_signal(signal.SIGINT)
        code = self.child.wait(scale(20))
        self.thread.join()
        self.child.stdout.close()
        self.child.stderr.close()
        return code


def told(cluster, expect, every_ms=300):
    done = cluster.hf("status", expect=None)
    audit = done.json["audit"] or {}
    return done if (audit.get("differences"), audit.get("every_ms")) == (expect, every_ms) else None


@test("--watch prints what comes and what goes, and brokers tell of it; what it proposes mends it")
def watching(cluster):
    watch = Watch(cluster)
    try:
        watched(cluster, watch)
    finally:
        watch.child.kill()


def watched(cluster, watch):
    first = watch.next(0)
    equal((first["code"], first["came"], first["went"]), (0, [], []), "at first")
    done = wait_until(lambda: told(cluster, 0), 20, "the brokers are told")
    equal(done.code, 0, "all is well: %s" % done)
    audit = done.json["audit"]
    equal((audit["partitions_checked"], audit["views_compared"], audit["every_ms"]), (8, 2, 300),
          "what they were told")
    cluster.sql("UPDATE stock_level SET shortfall=shortfall+2 WHERE %s AND warehouse='W'"
                % planted_in(cluster, "A"), all_shards=True, admin=True)
    second = watch.next(1)
    check("shortfall" in names(second["came"]) and second["code"] == 1, "what came: %r" % second)
    done = wait_until(lambda: told(cluster, 1), 20, "the brokers are told of it")
    equal(done.code, 1, "not all is well")
    check("the last audit found 1 differences" in done.err, done.err)
    equal(done.json["audit"]["first"][0]["sku"], "A", "which")
    file = os.path.join(cluster.dir, "mend.yaml")
    done = cluster.hf("audit", "--propose", file, expect=1)
    check("1 line that mends something, 0 differences" in done.err, done.err)
    with open(file) as text:
        text = text.read()
    line = re.search(r'op: count, sku: "A", warehouse: "W", to: (\d+), if_version: (\d+), reason: "audit"',
                     text)
    check(line and 'op: put_reason, reason: "audit"' in text and 'run: "audit-' in text, text)
    check("could not make" in cluster.hf("audit", "--propose", file, expect=71).err, "not overwritten")
    cluster.hf("apply", file, json=False)
    third = watch.next(2)
    equal((third["code"], names(third["went"]), third["came"]), (0, ["shortfall"], []), "what went")
    equal(watch.stop(), 0, "the exit code is the last audit's")
    done = wait_until(lambda: told(cluster, 0, 0), 5, "it is told that no audit follows")
    equal(done.code, 0, "a watch that was ended is not missed")
    equal(len(watch.lines), 3, "no line without a change")


@test("what only a restore can mend is said to be so")
def not_mended(cluster):
    change = "UPDATE stock_level SET on_hand=on_hand%s1 WHERE " + planted_in(cluster, "A") + \
        " AND warehouse='W'"
    cluster.sql(change % "+", all_shards=True, admin=True)
    file = os.path.join(cluster.dir, "nothing.yaml")
    done = cluster.hf("audit", "--propose", file, expect=1)
    cluster.sql(change % "-", all_shards=True, admin=True)
    check("0 lines that mend something" in done.err, done.err)
    with open(file) as text:
        check("# no movement mends: level_ledger, partition %d, A@W" % cluster.partition("A")
              in text.read(), "the file says so")


@test("an odd report of an audit is refused; a broker shows none of it")
def odd_reports(cluster):
    def row(**fields):
        return pb.Difference(check="x", message="y", **fields)
    for report in (pb.AuditReport(by=b"me"), pb.AuditReport(told_at_us=1),
                   pb.AuditReport(first=[row()] * 11), pb.AuditReport(first=[row(sku=b"\xff")]),
                   pb.AuditReport(first=[row(view=b"a\x00")]),
                   pb.AuditReport(first=[row(sku=b"x" * 250)] * 10, partitions=1)):
        with cluster.peer() as peer:
            peer.send(wire.AUDITED, report.SerializeToString() + (
                b"" if report.partitions == 0 else b"\x52\xff\x0f" + bytes(2047)))
            equal(peer.wait_type(wire.ERROR).body.code, "malformed", "of %r" % str(report)[:60])
    with cluster.peer() as peer:
        peer.send(wire.AUDITED, pb.AuditReport(partitions=77, partitions_checked=77))
        wait_until(lambda: cluster.hf("status").json["audit"]["partitions"] == 77, 20, "a good one")


@test("bad questions for digests are refused by name")
def bad(cluster):
    with view_of(cluster) as peer:
        one = dict(partition=0, sequence=1)
        for fields, field in (
                (dict(what=1), "audit.at"), (dict(what=1, at=[dict(partition=99)]), "audit.at"),
                (dict(what=0, at=[one]), "audit.what"), (dict(what=9, at=[one]), "audit.what"),
                (dict(what=3, at=[one], bucket=256), "audit.bucket"),
                (dict(what=2, at=[one, one]), "audit.at")):
            answer = peer.ask(audit=fields)
            equal((wire.status_name(answer.status), answer.field), ("invalid", field),
                  "of %r" % fields)
    with cluster.peer() as peer:
        for fields, field in ((dict(), "audit.token"), (dict(token=1, what=7), "audit.what"),
                              (dict(token=1, what=3, bucket=256), "audit.bucket")):
            answer = peer.call(pb.Query(audit=pb.AuditQuery(**fields)).SerializeToString(), 0,
                               type=wire.QUERY)
            equal((wire.status_name(answer.status), answer.field), ("invalid", field),
                  "of %r" % fields)


@test("a file for a proposal that cannot be made is told before the audit; without one none remains")
def no_proposal(cluster):
    holdfast = [os.path.join(BIN, "holdfast"), "-C", cluster.file]
    for file in ("/nonexistent/mend.yaml", "", cluster.file):
        done = cluster.hf("audit", "--propose", file, expect=71)
        equal((done.out, done.err.count("\n")), ("", 1), "no audit: %s" % done)
        check('could not make "%s"' % file in done.err, "which file: %s" % done)
    file = os.path.join(cluster.dir, "none.yaml")
    done = execute(["sh", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$@"', "sh", *holdfast, "audit",
                    "--propose", file], seconds=60)
    equal(done.code, 71, "the disk is full: %s" % done)
    check('could not write "%s"' % file in done.err and not os.path.exists(file), "%s" % done)
    for process in cluster.processes("worker"):
        cluster.stop(process)
    try:
        cluster.hf("audit", "--propose", file, "--timeout", "500ms", expect=69, json=False)
        check(not os.path.exists(file), "nobody answered")
        child = subprocess.Popen([*holdfast, "audit", "--propose", file],  # for five minutes
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env=dict(os.environ, **{MARK: mark}))
        wait_until(lambda: os.path.exists(file), 10, "it is made at once")
        child.send_signal(signal.SIGINT)
        equal(child.wait(scale(20)), 130, "interrupted")
        check(not os.path.exists(file), "interrupted")
    finally:
        cluster.cont_all()
    cluster.wait_served(30)


if __name__ == "__main__":
    run(shards=2, workers=1, partitions=8, brokers=2, views=2)

# SPDX-License-Identifier: MIT
"""No peer can stop the broker or a worker, whatever it sends.

Frames and headers at and beyond every limit go to both of the broker's sockets; bodies at and
beyond theirs go through the broker to the worker. After each lot an ordinary client is served, and
at the end the same processes run. The random parts come from a seed, which is printed.
"""
import random
import socket
import struct

from harness import *
from harness import wire

SEED = int(os.environ.get("HOLDFAST_TEST_SEED", "20260901"))
HELD = {}
U32, U64 = [0, 1, 2**31, 2**32 - 1], [0, 1, 2**63, 2**64 - 1]


def served(cluster):
    """An ordinary client is served, by the processes that were there at the beginning."""
    made = cluster.hf("reserve", "A=1@W").json["reservation"]
    cluster.hf("release", made)
    equal(cluster.pids("broker", "worker"), HELD["pids"], "processes")


def rest(peer, seconds=0.2):
    """Reads what comes; whatever it is, it must be well formed."""
    peer.quiet(seconds, -1)


@test("an ordinary client is served before all this")
def before(cluster):
    cluster.stock("A", W=1000)
    HELD["pids"] = cluster.pids("broker", "worker")
    equal(len(HELD["pids"]), 2, "broker and worker")
    served(cluster)


def sides(cluster):
    return (("client", cluster.client_endpoint(), wire.pb.ROLE_CLIENT),
            ("worker", cluster.worker_endpoint(), wire.pb.ROLE_WORKER))


def raw(cluster, endpoint, role, lots, hello=True):
    """Sends lots of frames, over a new connection whenever a session is ended."""
    peer = wire.Peer(endpoint, cluster.config["name"], role, shard=b"s1",
                     partitions=cluster.partitions)
    with peer:
        if hello:
            peer.hello()
        for frames in lots:
            peer.frames(*frames)
            if hello and faulted(peer):
                begin(peer)
        rest(peer)


def faulted(peer):
    """Was it told about a fault by now? Not waited for: it may come with the next."""
    peer._read(0.001)
    return any(m.header.type in (wire.ERROR, wire.GOODBYE) for m in peer.inbox)


def begin(peer):
    """A session, whatever was said about what came before."""
    peer.session = 0
    peer.send(wire.HELLO, peer.hello_body())
    peer.session = peer.wait_type(wire.WELCOME).header.session
    peer.inbox.clear()


@test("frames: none, short, long, many, empty")
def frames(cluster):
    good = wire.Header(wire.HEARTBEAT).pack()
    lots = [[b""], [b"", b""], [good], [good, b""], [good, b"", b""], [b"x"] * 40,
            [good[:31], b""], [good + b"\0", b""], [good * 2, b""], [b"\0" * 32, b"\0"],
            [b"\xff" * 32, b"\xff" * 100], [good, b"x" * (1 << 20)], [b"x" * (1 << 16), b"y"]]
    for _, endpoint, role in sides(cluster):
        raw(cluster, endpoint, role, lots, hello=False)
        raw(cluster, endpoint, role, lots)
    served(cluster)


@test("messages larger than any limit end the connection, not the broker")
def oversized(cluster):
    for _, endpoint, role in sides(cluster):
        for size in ((4 << 20) - 1, (4 << 20) + 1, 9 << 20):
            raw(cluster, endpoint, role, [[wire.Header(wire.OPERATION, attempt=1,
                                                       not_after_us=2**62).pack(), b"x" * size]],
                hello=False)
    served(cluster)


def answered(broker):
    with broker.fake_worker() as worker, broker.peer() as peer:
        sent = peer.submit(wire.operation("reserve", lines=[("A", "W", 1)]), 0)
        worker.answer(worker.dispatch(), pb.Result(status=0))
        equal(peer.outcome(sent).status, 0, "status")


@test("more connections than files were allowed at its start do not end a broker")
def files(_):
    if wire.UNDER_VALGRIND:
        note("valgrind has descriptors of its own: not run")
        return
    with BrokerAlone(partitions=1, files=(64, 1024)) as broker, contextlib.ExitStack() as opened:
        for _ in range(100):
            connection = opened.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(broker.client[len("ipc://"):])
        answered(broker)


@test("nor do more clients than there can be files: they are refused by name")
def fewer_files(_):
    def hello(number):
        peer = opened.enter_context(wire.Peer(broker.client, broker.name, name="p%d" % number))
        peer.send(wire.HELLO, peer.hello_body())
        answer = peer.wait_type(wire.WELCOME, wire.ERROR)
        if answer.header.type == wire.ERROR:
            peer.close()
            return answer.body.code
        peer.session, peer.welcome = answer.header.session, answer.body
        peer.keep()
        return "welcome"

    if wire.UNDER_VALGRIND:
        note("valgrind has descriptors of its own: not run")
        return
    with BrokerAlone(partitions=1, files=(64, 64)) as broker, contextlib.ExitStack() as opened:
        equal([hello(i) for i in range(60)], ["welcome"] * 32 + ["full"] * 28,
              "half of the files are for clients")


@test("every header field at its limits and beyond, for every type of message")
def headers(cluster):
    values = dict(magic=[0, 0x4847, 0xFFFF], version=[0, 2, 255], flags=[1, 2, 0x80, 255],
                  op_class=[3, 4, 255], attempt=[0, 1, 2, 0xFFFF],
                  partition=[0, cluster.partitions - 1, cluster.partitions, 0xFFFF, 0x10000,
                             2**32 - 2, 2**32 - 1],
                  session=U32, sequence=U64, not_after_us=[-2**63, -1, 0, 1, 2**63 - 1])
    types = list(range(0, 36)) + [127, 128, 255]
    bodies = {wire.OPERATION: wire.operation("receive", lines=[("A", "W", 1)])
              .SerializeToString(), wire.QUERY: pb.Query(audit=pb.AuditQuery())
              .SerializeToString()}
    lots = []
    for type in types:
        for name, candidates in values.items():
            for value in candidates:
                fields = dict(type=type, session=1)
                if type in (wire.OPERATION, wire.QUERY):
                    fields.update(not_after_us=wire.now_us() + 10**7,
                                  attempt=int(type == wire.OPERATION), partition=0, sequence=1)
                fields[name] = value
                lots.append([wire.Header(**fields).pack(), bodies.get(type, b"")])
    note("%d headers for each side" % len(lots))
    for _, endpoint, role in sides(cluster):
        raw(cluster, endpoint, role, lots, hello=False)
        raw_in_session(cluster, endpoint, role, lots)
    served(cluster)


def raw_in_session(cluster, endpoint, role, lots):
    """The same with the right session in each header; a session that was ended is begun again."""
    with wire.Peer(endpoint, cluster.config["name"], role, shard=b"s1",
                   partitions=cluster.partitions) as peer:
        peer.hello()
        for header, body in lots:
            fixed = header[:12] + struct.pack(">I", peer.session) + header[16:]
            peer.frames(fixed, body)
            if header[3] in (wire.HELLO, wire.GOODBYE) or faulted(peer):
                begin(peer)
        rest(peer)


@test("HELLO: every field at its limits and beyond")
def hellos(cluster):
    odd = [b"", b"x" * 64, b"x" * 65, b"x" * 5000, b"\xff\xfe", b"a\0b", b" x", b"x\n"]
    fields = dict(role=[0, 1, 2, 3, -1, 2**31 - 1], cluster=odd, name=odd,
                  instance=[b"", b"x" * 15, b"x" * 17, b"x" * 4000], version_min=U32,
                  version_max=U32, clock_us=[-2**63, 0, 2**63 - 1], shard=odd, partitions=U32)
    for _, endpoint, role in sides(cluster):
        with wire.Peer(endpoint, cluster.config["name"], role, shard=b"s1",
                       partitions=cluster.partitions) as peer:
            for name, candidates in fields.items():
                for value in candidates:
                    peer.session = 0
                    peer.send(wire.HELLO, peer.hello_body(**{name: value}))
                    peer.wait_type(wire.WELCOME, wire.ERROR)
    served(cluster)


@test("HEARTBEAT and CREDIT of a worker that claims everything, with every number at its limits")
def worker_claims(cluster):
    with wire.Peer(cluster.worker_endpoint(), cluster.config["name"], pb.ROLE_WORKER,
                   name="liar", shard=b"other", partitions=cluster.partitions) as peer:
        peer.hello()
        for partition in [cluster.partitions, 0xFFFF, 0x10000, 2**32 - 1]:
            body = pb.Heartbeat(clock_us=wire.now_us())
            body.owned.add(partition=partition, epoch=2**64 - 1, last_sequence=2**64 - 1)
            peer.send(wire.HEARTBEAT, body)
        body = pb.Heartbeat(clock_us=wire.now_us())
        for i in range(70000):
            body.owned.add(partition=i % cluster.partitions, epoch=0, last_sequence=i)
        peer.send(wire.HEARTBEAT, body)
        for sequence in U64:
            peer.send(wire.CREDIT, sequence=sequence)
        for kind in (wire.RESULT, wire.ANSWER, wire.RETURNED):
            for sequence in U64:
                peer.send(kind, pb.Result(operation_id=b"x"), sequence=sequence)
                peer.send(kind, b"\xff" * 50, sequence=sequence)
        rest(peer)
    served(cluster)


@test("BATCH: empty, truncated, nested, too many, wrong lengths")
def batches(cluster):
    header = wire.Header(wire.BATCH, partition=0)
    item = (wire.Header(wire.OPERATION, attempt=1, partition=0, sequence=1,
                        not_after_us=wire.now_us() + 10**7), b"junk")
    one = wire.batch_body([item])
    bodies = [b"", one[:-1], one[:35], one[:33], one[:1], one + b"\0", wire.batch_body([item] * 1025),
              wire.batch_body([(wire.Header(wire.BATCH), one)]),
              wire.batch_body([(wire.Header(99), b"")] * 5),
              one[:32] + b"\xff\xff\xff\xff" + one[36:], one[:32] + b"\0\0\0\0" + one[36:]]
    for _, endpoint, role in sides(cluster):
        raw(cluster, endpoint, role, [[header.pack(), body] for body in bodies])
        raw(cluster, endpoint, role, [[header.pack(), body] for body in bodies], hello=False)
    served(cluster)


# ---------------------------------------------------------------- through the broker to the worker


def outcomes(cluster, bodies, type=wire.OPERATION):
    """Sends bodies to every kind of partition; each must be answered. Returns names of results."""
    counts = {}
    with cluster.peer() as peer:
        where = cluster.partition("A")
        window = max(1, min(32, peer.welcome.window))
        for begin in range(0, len(bodies), window):
            sent = []
            for body in bodies[begin:begin + window]:
                if peer.sequence >= peer.credit:
                    peer.wait(lambda m: m.header.type == wire.CREDIT
                              and m.header.sequence > peer.sequence)
                sent.append(peer.submit(body, where, type=type, seconds=30))
            for number in sent:
                answer = peer.outcome(number, 20)
                name = (wire.status_name(answer.status) if hasattr(answer, "status")
                        else "ERROR " + answer.code)
                counts[name] = counts.get(name, 0) + 1
    note("%d bodies: %s" % (len(bodies), counts))
    return counts


def walk_fields(message, path=()):
    """Every field of a message type as (path, descriptor)."""
    for field in message.DESCRIPTOR.fields:
        yield path + (field.name,), field
        if field.message_type and len(path) < 2:
            for found in walk_fields(field.message_type._concrete_class, path + (field.name,)):
                yield found


def candidates(field):
    by_type = {field.TYPE_UINT32: [0, 1, 999999999, 10**9, 2**31, 2**32 - 1],
               field.TYPE_UINT64: [0, 1, 999, 2592000000, 2592000001, 2**63, 2**64 - 1],
               field.TYPE_SINT64: [-2**63, -10**9, -1, 0, 1, 10**9, 2**63 - 1],
               field.TYPE_SFIXED64: [-2**63, -1, 0, 1, 2**63 - 1], field.TYPE_BOOL: [True],
               field.TYPE_ENUM: [0, 1, 2, 99, -1],
               field.TYPE_BYTES: [b"", b"A", b"W", b"x" * 64, b"x" * 65, b"x" * 255, b"x" * 256,
                                  b"x" * 70000, b"\xff\xfe", b"a\0b", b" A", b"A ", b"\x7f",
                                  "\u0085".encode(), b"\xed\xa0\x80", b"R-" + b"0" * 17,
                                  b"R-ZZZZZZZZZZZZZZZZZ", b"\0" * 16, wire.uuid7()]}
    return by_type.get(field.type, [])


def with_field(base, path, field, value):
    """A copy of base with this one field set, through repeated and nested messages."""
    copy = type(base)()
    copy.CopyFrom(base)
    at = copy
    for name in path[:-1]:
        inner = getattr(at, name)
        at = (inner[0] if len(inner) else inner.add()) if hasattr(inner, "add") else inner
    if field.label == field.LABEL_REPEATED:
        del getattr(at, path[-1])[:]
        getattr(at, path[-1]).extend([value] * 3)
    else:
        setattr(at, path[-1], value)
    return copy


def valid_operations(cluster):
    """One of each kind that would pass, but for what it names."""
    line = [("A", "W", 1)]
    made = cluster.hf("reserve", "A=1@W").json["reservation"]
    op = wire.operation
    return [op("reserve", lines=line), op("extend", reservation=made, ttl_ms=60000),
            op("purchase", reservation=made), op("release", reservation=made),
            op("ship", reservation=made), op("cancel", reservation=made),
            op("return", reservation=made, lines=line), op("receive", lines=line),
            op("adjust", sku="A", warehouse="W", delta=1, reason="none"),
            op("count", sku="A", warehouse="W", quantity=1000, has_version=True,
               on_hand_version=1),
            op("transfer", sku="A", from_="W", to="V", quantity=1), op("quarantine", lines=line),
            op("restore", lines=line), op("set_safety_stock", sku="A", warehouse="W", quantity=0),
            op("set_reorder_point", sku="A", warehouse="W", quantity=0),
            op("put_item", sku="A", name="a"), op("put_warehouse", warehouse="W", name="w"),
            op("put_reason", reason="r", name="r"), op("settle", operation_id=wire.uuid7())]


KNOWN = set(wire.STATUS_CODES) - {"internal", "poison", "unknown", "unavailable", "busy",
                                  "deadline_exceeded", "rate_limited"}


@test("every field of every operation at its limits and beyond: each is answered")
def operation_fields(cluster):
    bodies = []
    for base in valid_operations(cluster):
        kind = base.WhichOneof("kind")
        for path, field in walk_fields(pb.Operation):
            if path[0] != kind and len(path) > 1 or field.message_type:
                continue
            for value in candidates(field):
                changed = with_field(base, path, field, value)
                if path != ("operation_id",):
                    changed.operation_id = wire.uuid7()
                bodies.append(changed.SerializeToString())
    counts = outcomes(cluster, bodies)
    equal({name for name in counts if name not in KNOWN and not name.startswith("ERROR")}, set(),
          "results that say that something broke")
    check(counts.get("invalid", 0) > len(bodies) / 10, "many are invalid")
    # counts and adjustments among them may have emptied the shelf
    cluster.hf("count", "A=1000@W")
    cluster.hf("safety-stock", "A=0@W")
    served(cluster)


@test("every field of every query at its limits and beyond: each is answered")
def query_fields(cluster):
    bodies = []
    for kind in ("stock", "item", "warehouse", "reason", "reservation", "history", "operation",
                 "audit"):
        base = pb.Query()
        getattr(base, kind).SetInParent()
        if any(f.name == "limit" for f in getattr(base, kind).DESCRIPTOR.fields):
            getattr(base, kind).limit = 10
        for path, field in walk_fields(pb.Query):
            if path[0] not in (kind, "trace") or field.message_type:
                continue
            for value in candidates(field):
                bodies.append(with_field(base, path, field, value).SerializeToString())
        if kind in ("stock", "item"):
            many = pb.Query()
            getattr(many, kind).skus.extend([b"A"] * 257)
            bodies.append(many.SerializeToString())
    counts = outcomes(cluster, bodies, wire.QUERY)
    equal({name for name in counts if name not in KNOWN and not name.startswith("ERROR")}, set(),
          "results that say that something broke")
    served(cluster)


def tag(number, kind):
    value, out = number << 3 | kind, b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def varint(value):
    return tag(value >> 3, value & 7)


@test("bodies that are no message: truncated, nested deep, huge counts, unknown fields")
def bodies(cluster):
    good = wire.operation("reserve", lines=[("A", "W", 1)]).SerializeToString()
    lots = [good[:i] for i in range(len(good))]
    nested = b""
    for _ in range(5000):
        nested = tag(16, 2) + varint(len(nested)) + nested  # of a settled result in a result, …
    lots += [nested, tag(16, 2) * 20000, b"\x0b" * 50000, b"\xff" * 10, b"\xff" * 100000,
             tag(16, 2) + b"\xff\xff\xff\xff\x0f", tag(16, 2) + b"\xff" * 9 + b"\x01"]
    for number in (8, 15, 35, 100, 1000, 2**28, 2**29 - 1):
        for kind, value in ((0, b"\x01"), (1, b"\0" * 8), (2, b"\x01x"), (5, b"\0" * 4)):
            lots.append(good + tag(number, kind) + value)
    for count in (999, 1000, 1001, 20000, 60000):
        op = wire.operation("receive", lines=[("A", "W", 1)] * count)
        lots.append(op.SerializeToString())
        op = wire.operation("reserve", lines=[("A", "W%d" % i, 1) for i in range(count)])
        lots.append(op.SerializeToString())
    lots.append(good * 500)
    counts = outcomes(cluster, lots)
    equal({name for name in counts if name not in KNOWN and not name.startswith("ERROR")}, set(),
          "results that say that something broke")
    cluster.hf("count", "A=1000@W")
    served(cluster)


@test("random bytes, and good messages with random bytes in them")
def random_bytes(cluster):
    note("seed %d" % SEED)
    chosen = random.Random(SEED)
    goods = [op.SerializeToString() for op in valid_operations(cluster)]

    def mutate(raw):
        raw = bytearray(raw)
        for _ in range(chosen.randint(1, 4)):
            what = chosen.randrange(3)
            at = chosen.randrange(len(raw) + 1)
            if what == 0:
                raw.insert(at, chosen.randrange(256))
            elif raw and what == 1:
                raw[at % len(raw)] = chosen.randrange(256)
            elif raw:
                del raw[at % len(raw)]
        return bytes(raw)
    lots = [mutate(chosen.choice(goods)) for _ in range(3000)]
    lots += [chosen.randbytes(chosen.randint(0, 300)) for _ in range(500)]
    counts = outcomes(cluster, lots)
    equal({name for name in counts if name not in KNOWN and not name.startswith("ERROR")}, set(),
          "results that say that something broke")
    counts = outcomes(cluster, [chosen.randbytes(chosen.randint(0, 300)) for _ in range(500)],
                      wire.QUERY)
    raws = []
    for _ in range(1500):
        header = bytearray(wire.Header(chosen.choice([1, 3, 4, 6, 16, 17, 18, 19, 20, 24]),
                                       attempt=1, not_after_us=2**61).pack())
        for _ in range(chosen.randint(0, 3)):
            header[chosen.randrange(32)] = chosen.randrange(256)
        raws.append([bytes(header), chosen.randbytes(chosen.randint(0, 100))])
    for _, endpoint, role in sides(cluster):
        raw(cluster, endpoint, role, raws, hello=False)
    cluster.hf("count", "A=1000@W")
    served(cluster)


if __name__ == "__main__":
    run()

# SPDX-License-Identifier: MIT
"""Raw peers of Holdfast's protocol for the integration tests.

A Peer speaks the wire itself (python3-zmq, and holdfast_pb2 made by protoc), so that a test can say
what no client library would: wrong frames, a worker that dies on each dispatch, two operations in
one BATCH. Used through harness.py. It must never be a second client library: it retries nothing.
"""
import ctypes
import os
import re
import secrets
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import zmq

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
BIN = os.path.abspath(os.environ.get("HOLDFAST_BIN", os.path.join(BUILD, "bin")))


def sanitize():
    """SANITIZE of the make that built BUILD: names with commas between, or nothing."""
    with open(os.path.join(BUILD, "tests", "simulate", "how")) as file:
        return re.search(r"SANITIZE=(\S*)", file.read()).group(1)


def is_under_valgrind():
    """Then the programs are scripts."""
    with open(os.path.join(BIN, "holdfast"), "rb") as file:
        return file.read(2) == b"#!"


UNDER_VALGRIND = is_under_valgrind()
# The environment of a program that a test crashes: what it has not freed is no leak.
CRASHES = {"HOLDFAST_TEST_VALGRIND": "--leak-check=no"}
PLAIN = not UNDER_VALGRIND and not sanitize()  # memory and time mean something
TIMESCALE = float(os.environ.get("HOLDFAST_TEST_TIMESCALE", "1"))


def scale(seconds):
    """A deadline on this machine: ten times as long under sanitizers."""
    return seconds * TIMESCALE


def load_protocol():
    """holdfast_pb2 from BUILD/python when it is there and fresh; otherwise made in a folder of its
    own, which is gone once it is imported."""
    proto = os.path.join(ROOT, "protocol", "holdfast.proto")
    made = os.path.join(BUILD, "python", "holdfast_pb2.py")
    folder = os.path.dirname(made)
    temporary = None
    if not os.path.exists(made) or os.path.getmtime(made) < os.path.getmtime(proto):
        temporary = folder = tempfile.mkdtemp(prefix="hf-proto-")
        subprocess.run(["protoc", "--proto_path=" + os.path.dirname(proto),
                        "--python_out=" + folder, proto], check=True)
    sys.path.insert(0, folder)
    try:
        import holdfast_pb2
    finally:
        sys.path.remove(folder)
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
    return holdfast_pb2


pb = load_protocol()

HELLO, WELCOME, HEARTBEAT, GOODBYE, ERROR, CREDIT = 1, 2, 3, 4, 5, 6
OPERATION, RESULT, QUERY, ANSWER, RETURNED = 16, 17, 18, 19, 20
BATCH, STATE = 24, 32
CHANGES, BEACON, ASK = 40, 41, 42
SUBSCRIBE, SUBSCRIBED, ASSIGN, EVENTS, ACK, ACKED, YIELD, HALTED, RESUME = range(50, 59)
AUDITED = 60
FREEING, INTERACTIVE, SERVICE, BULK = 0, 1, 2, 3
SUSPECT = 1
PARTITION_NONE = 0xFFFFFFFF
HEADER = struct.Struct(">HBBBBHIIQq")
MAGIC, VERSION = 0x4846, 1


def read_statuses():
    """The status table: {wire code: (name, kind, exit code)}."""
    import re
    with open(os.path.join(ROOT, "protocol", "status.def")) as file:
        rows = re.findall(r"^STATUS\((\w+), (\d+), (\w+), (\d+),", file.read(), re.M)
    return {int(code): (name, kind.lower(), int(leave)) for name, code, kind, leave in rows}


STATUSES = read_statuses()
STATUS_CODES = {name: code for code, (name, _, _) in STATUSES.items()}


def status_name(code):
    return STATUSES[code][0] if code in STATUSES else "status-%d" % code


def uuid7():
    """A new operation id: 16 bytes."""
    ms = time.time_ns() // 1000000
    raw = bytearray(ms.to_bytes(6, "big") + secrets.token_bytes(10))
    raw[6] = 0x70 | (raw[6] & 0x0F)
    raw[8] = 0x80 | (raw[8] & 0x3F)
    return bytes(raw)


def uuid_text(raw):
    return str(uuid.UUID(bytes=bytes(raw)))


_xxhash = ctypes.CDLL("libxxhash.so.0")
_xxhash.XXH3_64bits.restype = ctypes.c_uint64
_xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def partition_of(sku, partitions):
    raw = sku.encode() if isinstance(sku, str) else sku
    return _xxhash.XXH3_64bits(raw, len(raw)) % partitions


def now_us():
    return time.time_ns() // 1000


class Header:
    FIELDS = ("magic", "version", "type", "flags", "op_class", "attempt", "partition", "session",
              "sequence", "not_after_us")

    def __init__(self, type, flags=0, op_class=0, attempt=0, partition=PARTITION_NONE, session=0,
                 sequence=0, not_after_us=0, magic=MAGIC, version=VERSION):
        self.magic, self.version, self.type, self.flags = magic, version, type, flags
        self.op_class, self.attempt, self.partition = op_class, attempt, partition
        self.session, self.sequence, self.not_after_us = session, sequence, not_after_us

    def pack(self):
        return HEADER.pack(*(getattr(self, name) for name in self.FIELDS))

    @classmethod
    def unpack(cls, raw):
        return cls(**dict(zip(cls.FIELDS, HEADER.unpack(raw))))

    def __repr__(self):
        return "Header(%s)" % ", ".join("%s=%r" % (n, getattr(self, n)) for n in self.FIELDS[2:])


class Message:
    """A header with its body, parsed where the type says what it is."""
    BODIES = {HELLO: pb.Hello, WELCOME: pb.Welcome, HEARTBEAT: pb.Heartbeat, ERROR: pb.Error,
              OPERATION: pb.Operation, RESULT: pb.Result, QUERY: pb.Query, ANSWER: pb.Answer,
              STATE: pb.BrokerState, CHANGES: pb.Changes, BEACON: pb.Beacon,
              SUBSCRIBED: pb.Subscribed, ASSIGN: pb.Assign, EVENTS: pb.Events, ACKED: pb.Ack,
              HALTED: pb.Halted}

    def __init__(self, header, raw, answer=pb.Answer):
        self.header, self.raw = header, raw
        self.body = None
        if header.type in self.BODIES:
            self.body = (answer if header.type == ANSWER else self.BODIES[header.type])()
            self.body.ParseFromString(raw)


def batch_body(messages):
    """The body of a BATCH from (header, body bytes) pairs."""
    return b"".join(header.pack() + struct.pack(">I", len(body)) + body
                    for header, body in messages)


def batch_items(raw, answer=pb.Answer):
    offset = 0
    while offset < len(raw):
        header = Header.unpack(raw[offset:offset + HEADER.size])
        length, = struct.unpack_from(">I", raw, offset + HEADER.size)
        offset += HEADER.size + 4
        yield Message(header, raw[offset:offset + length], answer)
        offset += length


class Timeout(AssertionError):
    """Nothing of what was waited for came in time."""


class Peer:
    """A DEALER that speaks the protocol. Keeps its session alive while it waits for something."""

    ANSWER = pb.Answer

    def __init__(self, endpoint, cluster="", role=None, name="test", **hello):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.role = pb.ROLE_CLIENT if role is None else role
        self.cluster, self.name, self.hello_fields = cluster, name, hello
        self.session, self.sequence, self.credit = 0, 0, 0
        self.welcome = None
        self.inbox = []
        self.last_sent = time.monotonic()
        self._one = threading.RLock()  # one thread at a time has the socket
        self._keeper, self._over = None, threading.Event()

    def close(self):
        if self._keeper:
            self._over.set()
            self._keeper.join()
        if self.socket is not None:
            self.socket.close()
            self.context.term()
            self.socket = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ------------------------------------------------------------- frames

    def frames(self, *frames):
        """Sends exactly these frames."""
        with self._one:
            self.socket.send_multipart(frames)
            self.last_sent = time.monotonic()

    def send(self, type, body=b"", **fields):
        raw = body if isinstance(body, bytes) else body.SerializeToString()
        fields.setdefault("session", self.session)
        self.frames(Header(type, **fields).pack(), raw)

    def keep(self):
        """From here on a thread keeps the session, whatever the test is busy with."""
        def run():
            while not self._over.wait(0.1):
                with self._one:
                    self._beat()
        self._keeper = threading.Thread(target=run, daemon=True)
        self._keeper.start()
        return self

    def _beat(self):
        period = (self.welcome.heartbeat_ms or 1000) / 1000 / 2 if self.welcome else 1
        if self.session and time.monotonic() - self.last_sent > period:
            self.heartbeat()

    def stay(self):
        """For a loop that waits for something else: keeps the session."""
        self._beat()

    def heartbeat(self):
        self.send(HEARTBEAT, pb.Heartbeat(clock_us=now_us()))

    def _read(self, wait_s):
        """Moves what arrives within wait_s into the inbox; answers heartbeats."""
        with self._one:
            if not self.socket.poll(max(0, int(wait_s * 1000))):
                return
            parts = self.socket.recv_multipart()
        header = Header.unpack(parts[0])
        raw = parts[1] if len(parts) > 1 else b""
        found = (batch_items(raw, self.ANSWER) if header.type == BATCH
                 else [Message(header, raw, self.ANSWER)])
        for message in found:
            if message.header.type == CREDIT:
                self.credit = max(self.credit, message.header.sequence)
            elif message.header.type == HEARTBEAT and not message.body.answer:
                self.send(HEARTBEAT, pb.Heartbeat(clock_us=now_us(), echo=message.body.echo,
                                                  answer=True))
            self.inbox.append(message)

    def wait(self, match, seconds=5):
        """The first message for which match(message) is true; what came before it stays."""
        deadline = time.monotonic() + scale(seconds)
        seen = 0
        while True:
            for i in range(seen, len(self.inbox)):
                if match(self.inbox[i]):
                    return self.inbox.pop(i)
            seen = len(self.inbox)
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout("no such message within %g s; there are %s" % (
                    scale(seconds), [m.header for m in self.inbox][-5:]))
            self._beat()
            self._read(min(left, 0.2))

    def wait_type(self, *types, seconds=5):
        return self.wait(lambda message: message.header.type in types, seconds)

    def quiet(self, seconds, *types):
        """True when no message of these types comes for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if any(m.header.type in types for m in self.inbox):
                return False
            self._beat()
            self._read(min(0.1, deadline - time.monotonic()))
        return not any(m.header.type in types for m in self.inbox)

    # ------------------------------------------------------------- a session

    def hello_body(self, **changes):
        fields = dict(role=self.role, cluster=self.cluster.encode(), name=self.name.encode(),
                      instance=secrets.token_bytes(16), version_min=VERSION, version_max=VERSION,
                      clock_us=now_us())
        fields.update(self.hello_fields)
        fields.update(changes)
        return pb.Hello(**fields)

    def hello(self, seconds=5):
        self.session = 0
        self.send(HELLO, self.hello_body())
        answer = self.wait_type(WELCOME, ERROR, seconds=seconds)
        if answer.header.type == ERROR:
            raise AssertionError("refused: %s: %s" % (answer.body.code, answer.body.message))
        self.session = answer.header.session
        self.welcome = answer.body
        self.credit = max(self.credit, answer.body.credit)
        return answer.body

    def goodbye(self):
        self.send(GOODBYE)
        self.session = 0

    # ------------------------------------------------------------- operations and queries

    def work_header(self, type, partition, op_class=SERVICE, attempt=1, not_after_us=None,
                    seconds=10, **fields):
        self.sequence += 1
        if not_after_us is None:
            not_after_us = now_us() + int(scale(seconds) * 1e6)
        return Header(type, op_class=op_class, partition=partition, session=self.session,
                      attempt=attempt if type == OPERATION else 0, sequence=self.sequence,
                      not_after_us=not_after_us, **fields)

    def submit(self, body, partition, **fields):
        """Sends an Operation or Query (or bytes, with type=…); returns its sequence."""
        type = fields.pop("type", QUERY if isinstance(body, pb.Query) else OPERATION)
        raw = body if isinstance(body, bytes) else body.SerializeToString()
        header = self.work_header(type, partition, **fields)
        self.frames(header.pack(), raw)
        return header.sequence

    def submit_batch(self, operations, **fields):
        """(operation, partition) pairs in one BATCH; returns their sequences."""
        items = [(self.work_header(OPERATION, partition, **fields), op.SerializeToString())
                 for op, partition in operations]
        self.frames(Header(BATCH, partition=0).pack(), batch_body(items))
        return [header.sequence for header, _ in items]

    def outcome(self, sequence, seconds=10):
        """The Result, Answer or Error of what was sent with this sequence."""
        return self.wait(lambda m: m.header.type in (RESULT, ANSWER, ERROR)
                         and m.header.sequence == sequence, seconds).body

    def call(self, body, partition, seconds=10, **fields):
        return self.outcome(self.submit(body, partition, **fields), seconds)


class View(Peer):
    """A client of a view."""

    ANSWER = pb.ViewAnswer

    def ask(self, seconds=5, **fields):
        """A question, such as ask(totals={}); returns the ViewAnswer. Says HELLO again when the
        session is over, as it is after a pause."""
        query = pb.ViewQuery(**fields).SerializeToString()
        answer = self.call(query, 0, type=QUERY, seconds=seconds)
        if isinstance(answer, pb.Error) and answer.code == "no_session":
            self.inbox.clear()
            self.hello()
            answer = self.call(query, 0, type=QUERY, seconds=seconds)
        return answer

    def stock(self, *skus, **fields):
        return self.ask(stock=dict(skus=[s.encode() for s in skus]), **fields).stock


class FakeWorker(Peer):
    """Claims partitions at a broker without a database."""

    def __init__(self, endpoint, cluster, owned, partitions, name="fake", shard="s1", epoch=1):
        super().__init__(endpoint, cluster, pb.ROLE_WORKER, name, shard=shard.encode(),
                         partitions=partitions)
        self.owned = {p: epoch for p in owned}
        self.trial = 0  # the dispatch that it runs alone

    def begin(self, credit=1000):
        self.hello()
        self.heartbeat()
        self.grant(credit)

    def heartbeat(self, echo=0):
        body = pb.Heartbeat(clock_us=now_us(), trial=self.trial, echo=echo)
        for partition, epoch in sorted(self.owned.items()):
            body.owned.add(partition=partition, epoch=epoch)
        self.send(HEARTBEAT, body)

    def grant(self, sequence):
        self.send(CREDIT, sequence=sequence)

    def dispatch(self, seconds=5):
        message = self.wait_type(OPERATION, QUERY, seconds=seconds)
        if message.header.flags & SUSPECT:
            self.run_alone(message)
        return message

    def run_alone(self, message):
        """A trial of a suspect: begins when the broker knows of it."""
        self.trial = message.header.sequence
        self.inbox = [m for m in self.inbox if m.header.type != HEARTBEAT]
        self.heartbeat(echo=self.trial)
        self.wait(lambda m: m.header.type == HEARTBEAT and m.body.echo == self.trial)

    def answer(self, message, body):
        kind = RESULT if message.header.type == OPERATION else ANSWER
        self.trial = 0
        self.send(kind, body, session=message.header.session, sequence=message.header.sequence,
                  partition=message.header.partition)


def operation(kind, id=None, **fields):
    """operation("reserve", lines=[("A", "W", 1)], ttl_ms=…): a pb.Operation with a new id."""
    op = pb.Operation(operation_id=id if id is not None else uuid7())
    for name in ("actor", "note", "trace", "principal", "undoes", "id_time_us"):
        if name in fields:
            value = fields.pop(name)
            setattr(op, name, value.encode() if isinstance(value, str) else value)
    body = getattr(op, kind)
    body.SetInParent()
    for sku, warehouse, quantity in fields.pop("lines", []):
        body.lines.add(sku=to_bytes(sku), warehouse=to_bytes(warehouse), quantity=quantity)
    for name, value in fields.items():
        name = {"from_": "from"}.get(name, name)
        if isinstance(value, (list, tuple)):
            getattr(body, name).extend(to_bytes(v) for v in value)
        else:
            setattr(body, name, to_bytes(value))
    return op


def to_bytes(value):
    return value.encode() if isinstance(value, str) else value

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A real holdfast-broker with peers that speak wrong: malformed, truncated, oversized, of another
version, random, every header field at its limits. After each, a well-behaved client is served.

There is no database: worker and client are made of raw frames here, so that nothing but the broker
can fail.
"""
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

import zmq
from google.protobuf.message import DecodeError

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire  # noqa: E402
from wire import (ANSWER, BATCH, BIN, CREDIT, ERROR, GOODBYE, HEARTBEAT, HELLO, OPERATION, QUERY,  # noqa
                  RESULT, RETURNED, STATE, WELCOME, FakeWorker, Header, Peer, batch_body, now_us,
                  operation, pb, scale, status_name)

SEED = int(os.environ.get("HOLDFAST_TEST_SEED", "20261124"))
PARTITIONS = 8
RSS_KIB_MAX = 256 * 1024
GROWTH_KIB_MAX = 30 * 1024  # half of what the client that never reads sends

CLUSTER = """version: 1
name: wire
partitions: {partitions}
shards:
  - name: s1
    servers:
      - socket: {dir}/nobody.sock
    user: nobody
brokers:
  - client: ipc://{dir}/client
    worker: ipc://{dir}/worker
    changes: ipc://{dir}/changes
    state: ipc://{dir}/state
limits:
  client_window: 64
  clients: 200
  queue_operations: 50
windows:
  heartbeat: {heartbeat_ms}ms
  lease: {lease_ms}ms
"""
HEARTBEAT_MS = int(scale(500))


class Broker:
    def __init__(self, folder):
        self.dir = folder
        self.file = os.path.join(folder, "cluster.yaml")
        with open(self.file, "w") as file:
            file.write(CLUSTER.format(
                dir=folder, partitions=PARTITIONS, heartbeat_ms=HEARTBEAT_MS,
                lease_ms=10 * HEARTBEAT_MS))
        self.client = "ipc://%s/client" % folder
        self.worker = "ipc://%s/worker" % folder
        self.state = "ipc://%s/state" % folder
        self.process = None

    def spawn(self):
        return subprocess.Popen(
            [os.path.join(BIN, "holdfast-broker"), "-C", self.file, "--log",
             os.path.join(self.dir, "broker.log")],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def start(self):
        """Until it listens: a HELLO that waits for it tells a time that has passed."""
        served = self.log().count("the broker serves")
        self.process = self.spawn()
        deadline = time.monotonic() + scale(10)
        while self.log().count("the broker serves") == served:
            assert self.process.poll() is None, "the broker ended: " + self.log()
            assert time.monotonic() < deadline, "the broker does not listen"
            time.sleep(0.01)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(scale(10))
        self.process.stderr.close()
        return code

    def rss_kib(self):
        with open("/proc/%d/status" % self.process.pid) as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])

    def log(self):
        path = os.path.join(self.dir, "broker.log")
        if not os.path.exists(path):
            return ""
        with open(path, errors="replace") as file:
            return file.read()


class PatientWorker(FakeWorker):
    """Answers at once what it cannot read: the broker passes bodies on unread, and refusing them is
    the worker's part."""

    def _read(self, wait_s):
        if not self.socket.poll(max(0, int(wait_s * 1000))):
            return
        header, raw = self.socket.recv_multipart()
        header = Header.unpack(header)
        for item in split_batch(raw) if header.type == BATCH else [(header, raw)]:
            try:
                self.inbox.append(wire.Message(*item))
            except DecodeError:
                self.answer(Unread(item[0]), b"")


class Unread:
    def __init__(self, header):
        self.header = header


def split_batch(raw):
    while raw:
        length, = struct.unpack_from(">I", raw, 32)
        yield Header.unpack(raw[:32]), raw[36:36 + length]
        raw = raw[36 + length:]


class World:
    """The broker, and the well-behaved pair that must be served whatever others do."""

    def __init__(self, folder):
        self.broker = Broker(folder)
        self.broker.start()
        self.epoch = 0
        self.good_worker()
        self.good_client()

    def good_worker(self):
        self.epoch += 1
        self.worker = PatientWorker(self.broker.worker, "wire", range(PARTITIONS), PARTITIONS,
                                    name="good", epoch=self.epoch)
        self.worker.begin(credit=1 << 40)

    def good_client(self):
        self.client = Peer(self.broker.client, "wire", name="good")
        self.client.hello()

    def close(self):
        for peer in (self.worker, self.client):
            peer.close()

    def beat(self):
        """Call it in long loops, so that the good ones do not fall silent."""
        for peer in (self.worker, self.client):
            if time.monotonic() - peer.last_sent > 0.2:
                peer.heartbeat()

    def served(self, what):
        """One operation to its worker and back; the broker is the process it was."""
        assert self.broker.process.poll() is None, "the broker died: " + what
        self.beat()
        mark = os.urandom(8).hex().encode()
        sequence = self.client.submit(operation("receive", actor=mark), random.randrange(PARTITIONS))
        message = self.worker.wait(
            lambda m: m.header.type == OPERATION and m.body.actor == mark, 10)
        assert message.body.principal == b"local"
        self.worker.answer(message, pb.Result(status=0, sequence=1, message=mark.decode()))
        result = self.client.outcome(sequence)
        assert result.message == mark.decode(), "%s: %r" % (what, result)
        self.client.inbox.clear()
        self.drain()

    def drain(self):
        """Answers what the evil ones got admitted, so that their queues do not stay full."""
        while self.worker.socket.poll(0):
            self.worker._read(0)
        for message in self.worker.inbox:
            if message.header.type in (OPERATION, QUERY):
                self.worker.answer(message, b"")
        self.worker.inbox.clear()

    def wait(self, peer, match, seconds):
        """As peer.wait, while both good ones stay alive."""
        deadline = time.monotonic() + scale(seconds)
        while True:
            self.beat()
            try:
                return peer.wait(match, 0.1 / wire.TIMESCALE)
            except wire.Timeout:
                if time.monotonic() > deadline:
                    raise

    def evil_client(self, hello=True):
        peer = Peer(self.broker.client, "wire", name="evil")
        if hello:
            peer.hello()
        return peer


def error_of(peer):
    return peer.wait_type(ERROR).body.code


tests = []


def test(name):
    def add(function):
        tests.append((name, function))
        return function
    return add


@test("an operation goes to the owner of its partition and its result back to its client")
def thin_path(world):
    for partition in range(PARTITIONS):
        sequence = world.client.submit(operation("reserve", lines=[("A", "W", 1)]), partition)
        message = world.worker.dispatch()
        assert message.header.partition == partition
        assert message.header.attempt == 1
        world.worker.answer(message, pb.Result(status=status_code("insufficient_stock")))
        assert status_name(world.client.outcome(sequence).status) == "insufficient_stock"
    query = world.client.submit(pb.Query(audit=pb.AuditQuery()), 3)
    message = world.worker.dispatch()
    assert message.header.type == QUERY
    world.worker.answer(message, pb.Answer(status=0, checked=7))
    assert world.client.outcome(query).checked == 7


def status_code(name):
    return wire.STATUS_CODES[name]


@test("frames: none, empty, too short, too long, too many")
def frames(world):
    good = Header(HEARTBEAT, session=1).pack()
    shapes = [[b""], [b"", b""], [good[:31]], [good[:31], b""], [good + b"x", b""],
              [b"\0" * 32, b""], [b"\xff" * 32, b""], [good, b"", b""], [good] * 50,
              [b"x" * 100000, b""], [b""] * 3000]
    for shape in shapes:
        with world.evil_client() as evil:
            evil.frames(*shape)
            assert error_of(evil) == "malformed", shape[:3]
            # and the session is over
            evil.submit(operation("receive"), 0)
            assert error_of(evil) == "no_session"
        with world.evil_client(hello=False) as evil:
            evil.frames(*shape)
            assert error_of(evil) == "malformed", shape[:3]
    world.served("frames")


@test("another version is refused by name")
def versions(world):
    for version in (0, 2, 255):
        with world.evil_client() as evil:
            evil.frames(Header(HEARTBEAT, session=evil.session, version=version).pack(), b"")
            assert error_of(evil) == "version"
    for low, high in ((2, 9), (0, 0), (4294967295, 4294967295)):
        with world.evil_client(hello=False) as evil:
            evil.send(HELLO, evil.hello_body(version_min=low, version_max=high))
            assert error_of(evil) == "version"
    world.served("versions")


@test("HELLO is refused by name: role, cluster, name, clock, partitions, size")
def hellos(world):
    long_ago = now_us() - 60 * 1000000
    for changes, code in (
            (dict(role=pb.ROLE_WORKER), "role"), (dict(role=0), "role"),
            (dict(cluster=b"other"), "cluster"), (dict(name=b""), "name"),
            (dict(name=b"a" * 65), "name"), (dict(name=b"\0"), "name"),
            (dict(instance=b"short"), "malformed"), (dict(clock_us=long_ago), "clock_skew"),
            (dict(clock_us=-2 ** 63), "clock_skew"), (dict(clock_us=2 ** 63 - 1), "clock_skew")):
        with world.evil_client(hello=False) as evil:
            evil.send(HELLO, evil.hello_body(**changes))
            assert error_of(evil) == code, changes
    with world.evil_client(hello=False) as evil:
        evil.send(HELLO, evil.hello_body().SerializeToString()[:-1])
        assert error_of(evil) == "malformed"
        evil.send(HELLO, b"\0" * 1000000)
        assert error_of(evil) == "malformed"
    for changes, code in ((dict(partitions=PARTITIONS + 1), "partitions"), (dict(shard=b""), "name"),
                          (dict(clock_us=long_ago), "clock_skew")):
        with FakeWorker(world.broker.worker, "wire", [], PARTITIONS, name="evil") as evil:
            evil.send(HELLO, evil.hello_body(**changes))
            assert error_of(evil) == code, changes
    world.served("hellos")


@test("every field of the header at its limits and beyond")
def fields(world):
    limits = {
        "magic": (0, 0xFFFF), "version": (0, 255), "type": range(256), "flags": range(256),
        "op_class": (0, 3, 4, 255), "attempt": (0, 1, 65535),
        "partition": (0, PARTITIONS - 1, PARTITIONS, 65535, 2 ** 31, 2 ** 32 - 1),
        "session": (0, 1, 2 ** 31, 2 ** 32 - 1),
        "sequence": (0, 1, 64, 65, 2 ** 63, 2 ** 64 - 1),
        "not_after_us": (-2 ** 63, -1, 0, 1, now_us(), 2 ** 63 - 1)}
    body = operation("receive").SerializeToString()
    for kind in (OPERATION, QUERY, HEARTBEAT, CREDIT, RESULT, BATCH, HELLO, GOODBYE):
        evil = world.evil_client()
        for name, values in limits.items():
            for value in values:
                if not evil.session:
                    evil.hello()
                header = evil.work_header(OPERATION, 0)
                header.type = kind
                if kind not in (OPERATION, QUERY):
                    header.attempt = header.op_class = header.not_after_us = 0
                if kind == QUERY:
                    header.attempt = 0
                setattr(header, name, value)
                evil.frames(header.pack(), body)
                world.beat()
            evil.close()
            evil = world.evil_client()
        evil.close()
        world.served("fields of type %d" % kind)
        world.drain()


@test("what the broker says of an operation: each field at its limit")
def operation_limits(world):
    def result(partition=0, body=None, **changes):
        with world.evil_client() as evil:
            sequence = evil.submit(body if body is not None else operation("receive"), partition,
                                   **changes)
            return evil.outcome(sequence)

    for partition in (PARTITIONS, 65535, 2 ** 32 - 1):
        assert status_name(result(partition).status) == "wrong_partition"
    far = result(not_after_us=now_us() + 3700 * 1000000)
    assert status_name(far.status) == "invalid" and far.field == "not_after"
    for size in (1024 * 1024, 4 * 1024 * 1024):
        assert status_name(result(body=b"\0" * size, type=OPERATION).status) == "too_large"
    world.served("operation limits")


@test("a frame beyond what any connection carries ends that connection only")
def oversized(world):
    with world.evil_client() as evil:
        evil.frames(evil.work_header(OPERATION, 0).pack(), b"\0" * (4 * 1024 * 1024 + 1))
        deadline = time.monotonic() + scale(10)
        while True:  # reconnects by itself; its session is gone with the connection
            evil.submit(operation("receive"), 0)
            try:
                assert evil.wait_type(ERROR, seconds=0.5).body.code == "no_session"
                break
            except wire.Timeout:
                assert time.monotonic() < deadline, "no answer after an oversized frame"
            world.beat()
    world.drain()
    world.served("oversized")


def admitted(world, session):
    """What a session that ended had admitted, by the broker's log."""
    deadline = time.monotonic() + scale(5)
    while True:
        found = re.search(r"session=%d name=\S+ admitted=(\d+) .*ended" % session,
                          world.broker.log())
        if found:
            return int(found.group(1))
        assert time.monotonic() < deadline, "session %d has not ended" % session
        time.sleep(0.01)


@test("batches: empty, truncated, nested, too many, lengths that lie")
def batches(world):
    item = lambda peer: (peer.work_header(OPERATION, 0), operation("receive").SerializeToString())
    heart = (Header(HEARTBEAT), b"")

    def outer(peer, body):
        peer.frames(Header(BATCH, partition=0).pack(), body)

    for make in (
            lambda p: b"", lambda p: b"x", lambda p: batch_body([item(p)])[:-1],
            lambda p: batch_body([item(p)]) + b"\0", lambda p: batch_body([item(p)])[:35],
            lambda p: batch_body([(Header(BATCH, partition=0), batch_body([item(p)]))]),
            lambda p: batch_body([(Header(HELLO), p.hello_body().SerializeToString())]),
            lambda p: batch_body([(Header(GOODBYE, session=p.session), b"")]),
            lambda p: batch_body([(Header(HEARTBEAT, session=p.session), b"")] * 1025),
            lambda p: item(p)[0].pack() + struct.pack(">I", 2 ** 32 - 1),
            lambda p: item(p)[0].pack() + struct.pack(">I", 2 ** 31) + b"abc"):
        with world.evil_client() as evil:
            outer(evil, make(evil))
            assert error_of(evil) == "malformed"
    for lie in (1, 36, 37):  # bytes that a body is said to have, and that did not come
        with world.evil_client() as evil:
            header, body = item(evil)
            outer(evil, header.pack() + struct.pack(">I", len(body) + lie) + body)
            assert error_of(evil) == "malformed"
            assert admitted(world, evil.session) == 0, "taken with %d bytes too many" % lie
    with world.evil_client(hello=False) as evil:
        outer(evil, batch_body([heart]))
        assert error_of(evil) == "no_session"
    world.drain()
    world.served("batches")


@test("a client that takes more than its credit is told, and its session ends")
def credit(world):
    with world.evil_client() as evil:
        assert evil.welcome.credit == 64
        evil.sequence = 64
        evil.submit(operation("receive"), 0)
        assert error_of(evil) == "credit"
        evil.sequence = 0
        evil.submit(operation("receive"), 0)
        assert error_of(evil) == "no_session"
    with world.evil_client() as evil:
        evil.submit(operation("receive"), 0)
        evil.sequence = 0
        evil.submit(operation("receive"), 0)
        assert error_of(evil) == "sequence"
    world.drain()
    world.served("credit")


@test("a client that never reads, and floods, costs bounded memory")
def deaf(world):
    evil = world.evil_client()
    evil.socket.setsockopt(zmq.RCVHWM, 1)
    before = world.broker.rss_kib()
    body = b"\0" * 20000
    for i in range(3000):  # malformed on purpose: each is answered, no answer is read
        evil.frames(Header(HEARTBEAT, session=evil.session, sequence=i).pack(), body)
        world.beat()
    world.served("a deaf client")
    evil.close()
    grown = world.broker.rss_kib() - before
    print("# %d KiB more" % grown, flush=True)
    # a sanitizer keeps what was freed, and so does valgrind
    limit = GROWTH_KIB_MAX if wire.PLAIN else RSS_KIB_MAX
    assert grown < limit, "%d KiB more" % grown


@test("4,000 messages of random bytes to each side, seeded")
def noise(world):
    dice = random.Random(SEED)
    for endpoint in (world.broker.client, world.broker.worker):
        evil = Peer(endpoint, "wire", name="evil")
        for i in range(4000):
            frames = [dice.randbytes(dice.choice((0, 1, 31, 32, 33, 36, dice.randrange(2000))))
                      for _ in range(dice.randrange(1, 5))]
            if dice.random() < 0.5 and len(frames[0]) >= 4:  # let it pass the first checks
                kind = dice.choice((1, 3, 4, 6, 16, 17, 18, 20, 24, dice.randrange(256)))
                frames[0] = b"HF\x01" + bytes([kind]) + bytes(4) + \
                    frames[0][8:24].ljust(16, b"\0") + bytes(8)
            evil.frames(*frames)
            if i % 500 == 0:
                world.served("noise %d" % i)
        evil.close()
    world.served("noise")


@test("4,000 good messages with a few bytes changed, in sessions, to each side, seeded")
def mutants(world):
    dice = random.Random(SEED + 1)

    def mutate(raw):
        raw = bytearray(raw)
        for _ in range(dice.randrange(0, 4)):
            if raw:
                raw[dice.randrange(len(raw))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF,
                                                             dice.randrange(256)))
        if dice.random() < 0.1:
            del raw[dice.randrange(len(raw) + 1):]
        return bytes(raw)

    for role in (pb.ROLE_CLIENT, pb.ROLE_WORKER):
        evil = None
        for i in range(4000):
            if evil is None or i % 40 == 0:
                if evil:
                    evil.close()
                if role == pb.ROLE_CLIENT:
                    evil = world.evil_client()
                else:
                    evil = FakeWorker(world.broker.worker, "wire", [], PARTITIONS, name="evil")
                    evil.hello()
            op = operation("reserve", lines=[("A", "W", 1)]).SerializeToString()
            work = evil.work_header(OPERATION, dice.randrange(PARTITIONS), seconds=1)
            plain = lambda type: Header(type, session=evil.session, sequence=dice.randrange(70))
            choices = [(plain(CREDIT), b""), (plain(RESULT), op), (plain(RETURNED), b""),
                       (plain(ANSWER), op), (Header(HELLO), evil.hello_body().SerializeToString())]
            if role == pb.ROLE_CLIENT:
                # a worker's word on what it owns is believed, so it is not changed here
                choices += [(plain(HEARTBEAT), pb.Heartbeat(echo=9).SerializeToString()),
                            (plain(GOODBYE), b"")]
                choices += [(work, op)] * 5
                choices += [(Header(BATCH, partition=0), batch_body([(work, op), (work, op)]))]
            header, body = dice.choice(choices)
            evil.frames(mutate(header.pack()), mutate(body))
            world.beat()
            if i % 400 == 0:
                world.drain()
                world.served("mutant %d" % i)
        evil.close()
    world.drain()
    world.served("mutants")
    assert world.broker.rss_kib() < RSS_KIB_MAX, "RSS %d KiB" % world.broker.rss_kib()


@test("sessions beyond the limit are refused by name; silent ones make room")
def full(world):
    peers = []
    try:
        code = None
        for i in range(201):
            peer = Peer(world.broker.client, "wire", name="p%d" % i)
            peers.append(peer)
            peer.send(HELLO, peer.hello_body())
            answer = peer.wait_type(WELCOME, ERROR)
            if answer.header.type == ERROR:
                code = answer.body.code
                break
            peer.session, peer.welcome = answer.header.session, answer.body
            world.beat()
            for other in peers:  # on a slow machine the first would fall silent meanwhile
                other._beat()
        assert code == "full", code
        deadline = time.monotonic() + scale(20)
        while True:
            peers[-1].send(HELLO, peers[-1].hello_body())
            if peers[-1].wait_type(WELCOME, ERROR).header.type == WELCOME:
                break
            assert time.monotonic() < deadline, "no room after three missed heartbeats"
            world.beat()
            time.sleep(0.1)
        world.served("full")
    finally:
        for peer in peers:
            peer.close()


@test("the state socket tells what the broker holds")
def state(world):
    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.linger = 0
    socket.connect(world.broker.state)
    socket.subscribe(b"")
    try:
        sequence = world.client.submit(operation("receive"), 5)
        message = world.worker.dispatch()
        deadline = time.monotonic() + scale(10)
        while True:
            assert socket.poll(int(scale(5) * 1000)), "no state"
            header, body = socket.recv_multipart()
            assert Header.unpack(header).type == STATE
            told = pb.BrokerState.FromString(body)
            world.beat()
            if any(p.partition == 5 and p.in_flight == 1 and p.worker == b"good"
                   for p in told.partition_states):
                break
            assert time.monotonic() < deadline, told
        assert told.partitions == PARTITIONS and told.partitions_served == PARTITIONS
        world.worker.answer(message, b"")
        world.client.wait(lambda m: m.header.sequence == sequence)
    finally:
        socket.close()
        context.term()


@test("a worker that falls silent: its operation goes to the next, as a suspect, and then poison")
def dead_workers(world):
    sequence = world.client.submit(operation("receive"), 2, seconds=60)
    work = lambda m: m.header.type == OPERATION
    first = world.wait(world.worker, work, 10)
    assert first.header.flags == 0 and first.header.attempt == 1, first.header
    world.worker.close()  # without GOODBYE
    world.good_worker()
    again = world.wait(world.worker, work, 20)
    assert again.header.attempt == 2 and again.header.flags == 1, again.header
    world.worker.run_alone(again)
    world.worker.close()
    world.good_worker()
    result = world.wait(world.client, lambda m: m.header.type == RESULT
                        and m.header.sequence == sequence, 20).body
    assert status_name(result.status) == "poison", result
    world.served("poison")


@test("a second broker does not steal the endpoints")
def second(world):
    other = world.broker.spawn()
    deadline = time.monotonic() + scale(10)
    while other.poll() is None and time.monotonic() < deadline:
        world.beat()
        time.sleep(0.01)
    if other.poll() is None:
        other.kill()
    _, text = other.communicate()
    assert other.returncode == 71, other.returncode
    assert b"served by another broker" in text, text
    world.served("a second broker")


@test("after kill -9 the endpoints can be bound again, and old sessions are told")
def killed(world):
    world.broker.end(signal.SIGKILL)
    world.broker.start()
    world.client.inbox.clear()
    deadline = time.monotonic() + scale(10)
    while True:
        world.client.submit(operation("receive"), 0)
        try:
            assert world.client.wait_type(ERROR, seconds=1).body.code == "no_session"
            break
        except wire.Timeout:
            assert time.monotonic() < deadline, "the broker does not answer after kill -9"
    world.close()
    world.good_worker()
    world.good_client()
    world.served("kill -9")


@test("SIGTERM: goodbye to every peer, exit 0, no socket and no lock left")
def leaving(world):
    assert world.broker.end() == 0
    world.client.wait_type(GOODBYE)
    world.worker.wait_type(GOODBYE)
    left = sorted(os.listdir(world.broker.dir))
    assert left == ["broker.log", "cluster.yaml"], left


def main():
    folder = tempfile.mkdtemp(prefix="hf-wire-")
    failed = 0
    world = World(folder)
    try:
        for number, (name, function) in enumerate(tests, 1):
            begun = time.monotonic()
            try:
                function(world)
                print("ok %d - %s" % (number, name), flush=True)
            except Exception:  # the next ones are run anyway
                failed += 1
                print("not ok %d - %s" % (number, name), flush=True)
                print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
                print("# " + world.broker.log()[-2000:].replace("\n", "\n# "), flush=True)
                if world.broker.process.poll() is not None and function is not leaving:
                    break
            print("# %.1f s" % (time.monotonic() - begun), flush=True)
        print("1..%d" % len(tests))
    finally:
        world.close()
        if world.broker.process.poll() is None:
            world.broker.end(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

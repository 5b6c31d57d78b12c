# SPDX-License-Identifier: MIT
"""What a client of the library makes of a broker that says what it should not, over real sockets:
results of an earlier session, of none, of what nobody asked for; and results without end.

The broker here is this test's own. The client is the command line.
"""
import tempfile
import threading

from harness import *
from harness import wire
from wire import Header, pb

zmq = wire.zmq
HEARTBEAT_MS = int(scale(300))
FLOOD_SECONDS = 4
FLOOD_KIB_MAX = 24 * 1024 # a thousand messages of 10 KB may wait in its socket
UNASKED = 1 << 40 # no client has asked so often


class FalseBroker(threading.Thread):
    """Gives sessions from 7 on and answers heartbeats, but of sessions in `silent`. What it says to
    an operation is up to `answer`, which is called in its thread."""

    def __init__(self, folder, answer):
        super().__init__(daemon=True)
        self.answer, self.silent, self.over = answer, set(), False
        self.sessions, self.operations = {}, []
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 0
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1) # what is sent waits, and is not thrown away
        self.socket.bind("ipc://%s/b" % folder)
        self.file = os.path.join(folder, "cluster.yaml")
        with open(self.file, "w") as file:
            file.write("version: 1\nname: false\nbrokers:\n  - client: ipc://%s/b\n" % folder)
        self.start()

    def send(self, route, type, body, **fields):
        try:
            self.socket.send_multipart([route, Header(type, **fields).pack(), body.SerializeToString()])
        except zmq.ZMQError as error:
            equal(error.errno, zmq.EHOSTUNREACH, "sending") # that connection is gone

    def welcome(self, route, header):
        self.sessions[route] = 7 + len(self.sessions)
        self.send(route, wire.WELCOME, pb.Welcome(
            version=1, broker=b"b1", cluster=b"false", region=b"main", partitions=1, clock_us=wire.now_us(),
            credit=64, window=64, heartbeat_ms=HEARTBEAT_MS, message_bytes=1 << 20,
            batch_messages=4096, lines=100, not_after_ms=60000),
            session=self.sessions[route], sequence=header.sequence)

    def take(self, route, header, body):
        if header.type == wire.HELLO:
            self.welcome(route, header)
        elif self.sessions.get(route) != header.session or header.session in self.silent:
            return
        elif header.type == wire.HEARTBEAT:
            self.send(route, wire.HEARTBEAT, pb.Heartbeat(clock_us=wire.now_us()),
                      session=header.session)
        elif header.type == wire.BATCH:
            for item in wire.batch_items(body):
                self.take(route, item.header, item.raw)
        elif header.type == wire.OPERATION:
            self.operations.append((route, header, pb.Operation.FromString(body)))
            self.answer(self, route, header, self.operations[-1][2])

    def run(self):
        while not self.over:
            if self.socket.poll(50):
                route, head, *rest = self.socket.recv_multipart()
                self.take(route, Header.unpack(head), rest[0] if rest else b"")

    def result(self, route, session, asked, operation, **fields):
        """Of what was asked under that number of the session."""
        self.send(route, wire.RESULT, pb.Result(operation_id=operation.operation_id, **fields),
                  session=session, sequence=asked)

    def close(self):
        self.over = True
        self.join(scale(20))
        self.context.destroy(0)


def applied(broker, route, header, operation):
    broker.result(route, header.session, header.sequence, operation, status=0, partition=0,
                  sequence=77, claim_id=bytes(16))


REFUSED = dict(status=10, message="what nobody may hear")


def of_an_earlier_session(broker, route, header, operation):
    if header.session == 7: # it hears nothing more there, and comes again
        broker.silent.add(7)
        return
    first = broker.operations[0]
    broker.result(route, 7, first[1].sequence, operation, **REFUSED)
    broker.result(route, 7, header.sequence, operation, **REFUSED)
    broker.result(route, 0, header.sequence, operation, **REFUSED)
    broker.result(route, header.session, UNASKED, operation, **REFUSED)
    broker.result(first[0], 7, first[1].sequence, operation, **REFUSED)
    time.sleep(0.3)
    applied(broker, route, header, operation)


def client(broker, *words):
    return subprocess.Popen([os.path.join(BIN, "holdfast"), "-C", broker.file, "receive", "A=1@W", "--json",
                             "--timeout", "%ds" % scale(30), *words], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=dict(os.environ, **{MARK: mark}))


def end(child):
    try:
        out, err = child.communicate(timeout=scale(40))
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        raise Failure("the client does not end: %s%s" % (out, err))
    equal(child.returncode, 0, "exit code: %s%s" % (out, err))
    check("nobody may hear" not in out + err, out + err)


@test("a result of an earlier session, of none, or of what nobody asked for is heard by nobody")
def sessions():
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        broker = FalseBroker(folder, of_an_earlier_session)
        try:
            end(client(broker))
            attempts = [(h.session, h.attempt, o.operation_id) for _, h, o in broker.operations]
            equal([a[0] for a in attempts], [7, 8], "sessions")
            # How often it asked in vain hangs on how slow the machine is said to be.
            check(attempts[0][1] == 1 and attempts[1][1] > 1, "attempts: %r" % attempts)
            equal(attempts[0][2], attempts[1][2], "one id")
        finally:
            broker.close()


def highest_kib(child):
    with open("/proc/%d/status" % child.pid) as file:
        found = re.search(r"VmHWM:\s+(\d+)", file.read())
    return int(found.group(1)) if found else 0


class Flood:
    """Results of what nobody asked for, as fast as they go through, and then the right one."""

    def __init__(self):
        self.count, self.begun = 0, threading.Event()

    def __call__(self, broker, route, header, operation):
        if self.count: # it has asked again meanwhile
            applied(broker, route, header, operation)
            return
        body = pb.Result(operation_id=operation.operation_id, status=10,
                         message="nobody may hear this. " * 10).SerializeToString()
        items = [(Header(wire.RESULT, session=header.session, sequence=UNASKED + i), body)
                 for i in range(32)]
        head, raw = Header(wire.BATCH, session=header.session).pack(), wire.batch_body(items)
        until = time.monotonic() + FLOOD_SECONDS
        self.begun.set()
        while time.monotonic() < until:
            broker.socket.send_multipart([route, head, raw])
            self.count += len(items)
        applied(broker, route, header, operation)


@test("results without end cost a client no memory, and what it waits for still comes")
def flood():
    answer = Flood()
    with tempfile.TemporaryDirectory(prefix="hf-") as folder:
        broker = FalseBroker(folder, answer)
        try:
            child = client(broker)
            check(answer.begun.wait(scale(20)), "the client asks")
            time.sleep(FLOOD_SECONDS / 8)
            early, until = highest_kib(child), time.monotonic() + FLOOD_SECONDS * 3 / 4
            while time.monotonic() < until:
                late = highest_kib(child)
                time.sleep(0.05)
            end(child)
        finally:
            broker.close()
    if wire.PLAIN:
        check(answer.count >= 100000, "only %d results went out" % answer.count)
        check(late - early <= FLOOD_KIB_MAX, "%d KiB more after %d results" % (late - early,
                                                                              answer.count))
    note("%d results: %d KiB early, %d KiB more later" % (answer.count, early, late - early))


run(cluster=False)

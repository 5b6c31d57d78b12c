# SPDX-License-Identifier: MIT
"""A proxy between a worker and its database that knows where in a batch it is.

It listens on a unix socket, forwards to the server's, and cuts the stream into packets of the MySQL
protocol. The text of a command names the step (STEPS); what the server answers belongs to the step
that asked. A Rule waits for one packet, by step, direction, occurrence and number within the
answer, and then does something to it or to the connection:

    rule = proxy.rule("commit", TO_WORKER, cut(at=5))   # five bytes of the answer, then the end
    ...
    rule.wait(5)                                        # it has happened

One thread does all the forwarding; actions run in it, before the packet goes on. The proxy never
invents an answer unless a rule says so, and keeps the order of each direction, the end included: a
packet that is held goes out before the end of a side that has gone since.
"""
import collections
import os
import re
import select
import socket
import struct
import threading
import time

TO_SERVER, TO_WORKER = "to the server", "to the worker"

# First match wins; what matches none is "other". A COMMIT belongs to the transaction before it:
# "claim-commit" after "claim", "prune-commit" after "prune", "commit" after "batch".
STEPS = [(name, re.compile(pattern, re.S)) for name, pattern in (
    ("isolation", rb"SET SESSION TRANSACTION"),
    ("setup", rb"SET SESSION innodb"),
    ("read-only", rb"SELECT @@global\.read_only"),
    ("schema", rb"SELECT COALESCE\(MAX\(number\)"),
    ("clock", rb"SELECT TIMESTAMPDIFF\("),
    ("look", rb"INSERT INTO worker "),
    ("kill", rb"KILL "),
    ("claim", rb"START TRANSACTION;UPDATE .*INSERT INTO claim "),
    ("prune", rb"START TRANSACTION;.*(?:pruned_seq=|FOR UPDATE)"),
    ("batch", rb"START TRANSACTION;UPDATE "),
    ("prune-find", rb"SELECT (?:MAX\(t\.seq\)|DISTINCT r\.reservation_id FROM movement m|a\.epoch "
                   rb"FROM claim a)"),
    ("prune-old", rb"DELETE FROM (?:claim|worker WHERE lease_until_us)"),
    ("offsets", rb"UPDATE .* SET t\.clock_offset_us="),
    ("release", rb"UPDATE .* SET t\.owner=''"),
    ("due", rb"SELECT reservation_id,expires_at_us"),
    ("look-up", rb"SELECT (?:n\.i,|code,version FROM)"),
    ("commit", rb"COMMIT$"),
    ("rollback", rb"ROLLBACK$"),
    ("goodbye", rb"DELETE FROM worker "),
)]
COM_QUIT, COM_QUERY = 1, 3
END = None  # in a pipe's queue: the side has closed


def step_of(text):
    for name, pattern in STEPS:
        if pattern.match(text):
            return name
    return "other"


class Pipe:
    """One direction of one connection."""

    def __init__(self, connection, source, sink, direction):
        self.connection, self.source, self.sink = connection, source, sink
        self.direction = direction
        self.partial = b""
        self.queue = collections.deque()  # (not before, bytes or END)
        self.held = False
        self.ended = False                # END has been queued

    def put(self, data, delay=0.0):
        if self.queue:
            delay = max(delay, self.queue[-1][0] - time.monotonic())
        self.queue.append((time.monotonic() + delay, data))

    def flush(self):
        """Sends what may go; False when the sink is full."""
        while self.queue and not self.held and not self.connection.frozen:
            when, data = self.queue[0]
            if when > time.monotonic():
                return True
            if self.sink is None:  # nobody listens any more
                self.queue.popleft()
                continue
            try:
                if data is END:
                    self.sink.shutdown(socket.SHUT_WR)
                    self.queue.popleft()
                    continue
                sent = self.sink.send(data)
            except BlockingIOError:
                return False
            except OSError:
                self.queue.popleft()
                continue
            self.queue.popleft()
            if sent < len(data):
                self.queue.appendleft((when, data[sent:]))
        return True

    @property
    def done(self):
        return self.ended and not self.queue


class Connection:
    def __init__(self, proxy, number, worker, server):
        self.proxy, self.number = proxy, number
        self.worker, self.server = worker, server
        self.up = Pipe(self, worker, server, TO_SERVER)
        self.down = Pipe(self, server, worker, TO_WORKER)
        self.frozen = False
        self.step, self.commit = "login", "commit"
        self.packets = {TO_SERVER: 0, TO_WORKER: 0}  # of this step

    def pipe(self, direction):
        return self.up if direction == TO_SERVER else self.down

    def begin(self, packet):
        """A command of the worker begins another step."""
        command, text = packet[4], packet[5:]
        size = self.packets[TO_WORKER]
        self.proxy.sizes[self.step] = size
        self.proxy.smallest[self.step] = min(size, self.proxy.smallest.get(self.step, size))
        step = {COM_QUERY: step_of(text), COM_QUIT: "quit"}.get(command, "command")
        if step == "commit":
            step = self.commit
        elif step in ("claim", "prune"):
            self.commit = step + "-commit"
        elif step == "batch":
            self.commit = "commit"
        self.step = step
        self.packets = {TO_SERVER: 0, TO_WORKER: 0}

    def close_worker(self):
        """The worker's side alone; the server does not learn of it before what is queued is out."""
        if self.worker:
            self.worker.close()
        self.worker = self.down.sink = self.up.source = None
        if not self.up.ended:
            self.up.ended = True
            self.up.put(END)

    def close(self):
        for side in (self.worker, self.server):
            if side:
                side.close()
        self.worker = self.server = None
        self.up.queue.clear()
        self.down.queue.clear()
        self.up.ended = self.down.ended = True
        self.up.source = self.up.sink = self.down.source = self.down.sink = None


class Rule:
    """What is waited for, and what is done then. nth: the how manyth such packet since the rule was
    made; packet: its number within the step; None: any. times: how often it acts; only: it is
    asked, and packets for which it says no are not counted."""

    def __init__(self, proxy, step, direction, action, nth=1, packet=0, times=1, only=None):
        self.proxy, self.step, self.direction, self.action = proxy, step, direction, action
        self.left, self.packet, self.times, self.only = nth, packet, times, only
        self.happened = threading.Event()
        self.connection = None
        self.data = None  # the packet

    def matches(self, connection, direction, index):
        if self.times <= 0 or direction != self.direction or self.step not in (connection.step,
                                                                               None):
            return False
        if self.packet is not None and index != self.packet or self.only and not self.only():
            return False
        self.left -= 1
        if self.left > 0:
            return False
        self.left, self.times = 1, self.times - 1
        return True

    def wait(self, seconds):
        return self.happened.wait(seconds)

    def release(self):
        """Lets go what the action has held back."""
        with self.proxy.lock:
            if self.connection:
                self.connection.up.held = self.connection.down.held = False
                self.connection.frozen = False
        self.proxy.wake()

    def cancel(self):
        with self.proxy.lock:
            self.times = 0

    def __repr__(self):
        return "%s %s, packet %s" % (self.step, self.direction, self.packet)


# ---------------------------------------------------------------- actions


def cut(at=0):
    """Both sides end, when at bytes of the packet have gone on. at=None: all of it has."""
    def act(connection, pipe, packet, rule):
        part = packet if at is None else packet[:at]
        pipe.put(part)
        pipe.flush()
        connection.close()
    return act


def cut_worker(at=0):
    """The worker's side ends; the packet (without its first `at` bytes: at=None, all of it) goes
    on to the server all the same, but only when the rule is released."""
    def act(connection, pipe, packet, rule):
        pipe.held = True
        pipe.put(packet[at:])
        connection.close_worker()
    return act


def hold(connection, pipe, packet, rule):
    """This packet, and all behind it, wait until the rule is released."""
    pipe.held = True
    pipe.put(packet)


def freeze(connection, pipe, packet, rule):
    """The same in both directions."""
    connection.frozen = True
    pipe.put(packet)


def delay(seconds):
    def act(connection, pipe, packet, rule):
        pipe.put(packet, seconds)
    return act


def replace(text):
    """Another command in its place."""
    def act(connection, pipe, packet, rule):
        body = bytes([COM_QUERY]) + text
        pipe.put(struct.pack("<I", len(body))[:3] + packet[3:4] + body)
    return act


def answer_error(number, text):
    """The server's answer to it becomes an error."""
    def act(connection, pipe, packet, rule):
        body = b"\xff" + struct.pack("<H", number) + b"#HY000" + text
        pipe.put(struct.pack("<I", len(body))[:3] + packet[3:4] + body)
    return act


def call(function, then=None):
    """function() first; then the packet goes on, or another action has it."""
    def act(connection, pipe, packet, rule):
        function()
        if then:
            then(connection, pipe, packet, rule)
        else:
            pipe.put(packet)
    return act


# ---------------------------------------------------------------- the proxy


class Proxy:
    def __init__(self, path, server):
        self.path, self.server = path, server
        self.lock = threading.RLock()
        self.connections = []
        self.rules = []
        self.count = 0
        self.cuts = []       # ([connections], what to set when they have ended)
        self.frozen = False
        self.delay = 0.0     # of each packet, both ways
        self.sizes = {}      # step: packets in its last whole answer
        self.smallest = {}   # and in its smallest
        self.log = collections.deque(maxlen=400)  # (monotonic, connection, direction, step)
        self.failure = None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(64)
        self.listener.setblocking(False)
        self.waker, self.woken = socket.socketpair()
        self.woken.setblocking(False)
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    # ------------------------------------------------------------- for tests

    def rule(self, step, direction, action, **where):
        rule = Rule(self, step, direction, action, **where)
        with self.lock:
            self.rules.append(rule)
        return rule

    def freeze(self, frozen=True):
        """Nothing moves on any connection, and new ones get no answer; nothing ends either."""
        with self.lock:
            self.frozen = frozen
        self.wake()

    def clear(self):
        """No rules; what was held goes on."""
        with self.lock:
            self.rules = []
            self.frozen, self.delay = False, 0.0
            for connection in self.connections:
                connection.frozen = connection.up.held = connection.down.held = False
        self.wake()

    def steps(self, direction=TO_SERVER, since=0.0):
        """The steps that went by, oldest first."""
        with self.lock:
            return [step for when, _, way, step in self.log if way == direction and when >= since]

    def cut_all(self):
        """Every connection there is ends, on both sides. The thread does it: a socket must not be
        closed between its choice and its select()."""
        done = threading.Event()
        with self.lock:
            self.cuts.append((list(self.connections), done))
        self.wake()
        if threading.current_thread() is not self.thread and not done.wait(10):
            raise RuntimeError("the proxy does not cut: %r" % self.failure)

    def wake(self):
        try:
            self.waker.send(b".")
        except OSError:
            pass

    def close(self):
        self.running = False
        self.wake()
        self.thread.join(10)
        for connection in self.connections:
            connection.close()
        for each in (self.listener, self.waker, self.woken):
            each.close()
        try:
            os.unlink(self.path)
        except OSError:
            pass

    # ------------------------------------------------------------- the thread

    def _run(self):
        try:
            while self.running:
                self._turn()
        except Exception as error:  # a test asks for it at its end
            self.failure = error
            raise

    def _turn(self):
        readers, writers, wait = [self.woken], [], 1.0
        with self.lock:
            self._cut()
            if not self.frozen:
                readers.append(self.listener)
            for pipe in self._pipes():
                if not pipe.flush():
                    writers.append(pipe.sink)
                elif pipe.queue and not pipe.held and not pipe.connection.frozen:
                    wait = min(wait, max(0.0, pipe.queue[0][0] - time.monotonic()))
                if pipe.source and not pipe.ended and not pipe.connection.frozen:
                    readers.append(pipe.source)
            self._sweep()
            readers = [r for r in readers if r.fileno() >= 0]
            writers = [w for w in writers if w and w.fileno() >= 0]
        ready, _, _ = select.select(readers, writers, [], wait)
        with self.lock:
            if self.woken in ready:
                self.woken.recv(4096)
            if self.frozen:
                return
            if self.listener in ready:
                self._accept()
            for pipe in self._pipes():
                if pipe.source in ready and not pipe.connection.frozen:
                    self._read(pipe)

    def _cut(self):
        for connections, done in self.cuts:
            for connection in connections:
                connection.close()
            done.set()
        self.cuts = []

    def _pipes(self):
        if self.frozen:
            return []
        return [pipe for c in list(self.connections) for pipe in (c.up, c.down)]

    def _sweep(self):
        """Ends connections of which nothing is left to forward."""
        for connection in list(self.connections):
            if connection.down.done and not connection.frozen:
                connection.close()
                self.connections.remove(connection)

    def _accept(self):
        worker, _ = self.listener.accept()
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            server.connect(self.server)
        except OSError:  # it is down: so are we
            worker.close()
            server.close()
            return
        worker.setblocking(False)
        server.setblocking(False)
        self.count += 1
        self.connections.append(Connection(self, self.count, worker, server))

    def _read(self, pipe):
        try:
            data = pipe.source.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if pipe.partial:
                pipe.put(pipe.partial)
            pipe.partial, pipe.ended = b"", True
            pipe.put(END)
            return
        pipe.partial += data
        while len(pipe.partial) >= 4:
            length = int.from_bytes(pipe.partial[:3], "little") + 4
            if len(pipe.partial) < length:
                break
            packet, pipe.partial = pipe.partial[:length], pipe.partial[length:]
            if pipe.source is not None:  # a rule may have closed it
                self._packet(pipe, packet)

    def _packet(self, pipe, packet):
        connection = pipe.connection
        if pipe.direction == TO_SERVER and packet[3] == 0 and len(packet) > 4:
            connection.begin(packet)
        index = connection.packets[pipe.direction]
        connection.packets[pipe.direction] += 1
        if index == 0:
            self.log.append((time.monotonic(), connection.number, pipe.direction, connection.step))
        for rule in self.rules:
            if rule.matches(connection, pipe.direction, index):
                rule.connection, rule.data = connection, packet
                rule.action(connection, pipe, packet, rule)
                rule.happened.set()
                return
        if connection.pipe(pipe.direction).sink is not None or pipe.queue:
            pipe.put(packet, self.delay)

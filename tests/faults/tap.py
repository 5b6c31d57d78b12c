# SPDX-License-Identifier: MIT
"""A tap on the wire between peers and a broker: it sees every message, and can hold some of them.

    with Tap(broker_endpoint, endpoint) as tap:
        tap.hold(lambda seen: seen.inward and seen.type == OPERATION)
        ...
        tap.release()

Peers connect to `endpoint`; each gets a connection of its own to the broker, so that sessions are
what they would be without it. A BATCH is taken apart, judged message by message, and what may go on
goes on as one BATCH. What is held keeps its order and overtakes nothing by itself; what comes after it
goes on, as it would through another connection. It must never change a message.

take_over() puts a tap where a broker listens already: whoever connects from then on meets the tap.
"""
import os
import threading

import zmq

from harness import Failure, scale, wire
import time


class Seen:
    """One message: inward (to the broker) or outward, its header and its body."""

    def __init__(self, inward, route, message):
        self.inward, self.route, self.message = inward, route, message

    @property
    def header(self):
        return self.message.header

    @property
    def type(self):
        return self.message.header.type

    @property
    def body(self):
        return self.message.body

    @property
    def operation_id(self):
        """Of an OPERATION or a RESULT: 32 hexadecimal digits, as HEX() of SQL."""
        return self.body.operation_id.hex().upper()

    @property
    def status(self):
        return wire.status_name(self.body.status)

    def settles(self):
        return self.type == wire.OPERATION and self.body.HasField("settle")


class Tap:
    def __init__(self, broker, endpoint):
        self.context = zmq.Context()
        self.front = self.context.socket(zmq.ROUTER)
        self.front.linger = 0
        self.front.bind(endpoint)
        self.broker = broker
        self.backs = {}    # routing id → connection to the broker
        self.routes = {}   # the other way
        self.poller = zmq.Poller()
        self.poller.register(self.front, zmq.POLLIN)
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.match = None  # what to hold
        self.held = []     # (Seen, its frames)
        self.due = []      # released, not sent yet
        self.log = []      # Seen, in order of arrival
        self.ending = False
        self.trouble = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.ending = True
        self.thread.join()
        for socket in [self.front, *self.backs.values()]:
            socket.close()
        self.context.term()
        if self.trouble:
            raise self.trouble

    # ------------------------------------------------------------- what a test does

    def hold(self, match):
        """From now on holds each message for which match(Seen) is true; None: nothing more."""
        with self.lock:
            self.match = match

    def release(self):
        """Lets go what is held, in order, and holds nothing any more."""
        with self.lock:
            self.match = None
            self.due += self.held
            self.held = []

    def seen(self, match):
        with self.lock:
            return [seen for seen in self.log if match(seen)]

    def wait(self, condition, seconds, what):
        """Until condition(tap) is true; it is asked after every message."""
        deadline = time.monotonic() + scale(seconds)
        with self.changed:
            while not condition(self):
                if self.trouble:
                    raise self.trouble
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failure("not within %g s: %s" % (scale(seconds), what))
                self.changed.wait(left)

    # ------------------------------------------------------------- the thread

    def _run(self):
        try:
            while not self.ending:
                for socket, _ in self.poller.poll(10):
                    self._read(socket)
                with self.lock:
                    due, self.due = self.due, []
                for seen, frames in due:
                    self._send(seen.inward, seen.route, frames)
        except Exception as error:  # told by wait and close
            self.trouble = error

    def _back(self, route):
        if route not in self.backs:
            back = self.context.socket(zmq.DEALER)
            back.linger = 0
            back.connect(self.broker)
            self.backs[route] = back
            self.routes[back] = route
            self.poller.register(back, zmq.POLLIN)
        return self.backs[route]

    def _read(self, socket):
        frames = socket.recv_multipart()
        inward = socket is self.front
        route = frames.pop(0) if inward else self.routes[socket]
        header = wire.Header.unpack(frames[0])
        raw = frames[1] if len(frames) > 1 else b""
        batched = header.type == wire.BATCH
        items = list(wire.batch_items(raw)) if batched else [wire.Message(header, raw)]
        passing = []
        with self.changed:
            for item in items:
                seen = Seen(inward, route, item)
                self.log.append(seen)
                if self.match and self.match(seen):
                    self.held.append((seen, [item.header.pack(), item.raw]))
                else:
                    passing.append(item)
            self.changed.notify_all()
        if len(passing) == len(items):
            self._send(inward, route, frames)
        elif passing:
            body = wire.batch_body([(item.header, item.raw) for item in passing])
            self._send(inward, route, [wire.Header(wire.BATCH, partition=0).pack(), body])

    def _send(self, inward, route, frames):
        if inward:
            self._back(route).send_multipart(frames)
        else:
            self.front.send_multipart([route] + frames)


def take_over(endpoint):
    """A Tap where a broker listens: its socket's file is moved aside."""
    path = endpoint[len("ipc://"):]
    os.rename(path, path + ".real")
    return Tap("ipc://" + path + ".real", endpoint)

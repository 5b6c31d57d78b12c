# SPDX-License-Identifier: MIT
"""The broker's feed of changes: what workers publish reaches whoever subscribed, questions go the
other way, and nobody who is slow or talks nonsense holds anything up."""
import os
import re
import signal
import time

import zmq

from harness import *
from wire import ASK, BEACON, CHANGES, PARTITION_NONE, Header, Peer


class Ends:
    """A worker's socket and subscribers', as the protocol describes them."""

    def __init__(self, broker):
        self.broker = broker
        self.context = zmq.Context()
        self.worker = self.socket(zmq.XPUB, broker.publish)

    def socket(self, kind, endpoint, held=1000):
        made = self.context.socket(kind)
        made.linger, made.immediate = 0, kind == zmq.XPUB
        made.sndhwm = made.rcvhwm = held
        made.connect(endpoint)
        return made

    def subscriber(self, held=1000):
        made = self.socket(zmq.XSUB, self.broker.changes, held)
        made.send(b"\x01")
        return made

    def close(self):
        self.context.destroy(0)


def receive(socket, seconds=5):
    check(socket.poll(scale(seconds) * 1000), "something arrives")
    return socket.recv_multipart()


def changes(number, size=0):
    return [Header(CHANGES).pack(), b"%08d" % number + b"x" * size]


def ask(number, asker=77):
    return Header(ASK, session=asker, sequence=number).pack()


def with_broker(function):
    def run_it():
        broker = BrokerAlone()
        broker.start()
        ends = Ends(broker)
        try:
            function(broker, ends)
            check(broker.child.poll() is None, "the broker lives")
        finally:
            ends.close()
            code = broker.stop()
            left = sorted(os.listdir(broker.dir))
            broker._clean()
        equal(code, 0, "the broker's exit code")
        equal(left, ["broker.log", "cluster.yaml"], "what the broker left")
    return run_it


@test("what a worker publishes reaches every subscriber whole; questions reach every worker")
@with_broker
def both_ways(broker, ends):
    one, two = ends.subscriber(), ends.subscriber()
    equal(receive(ends.worker), [b"\x01"], "the worker hears of the subscription")
    other = ends.socket(zmq.XPUB, broker.publish)
    equal(receive(other), [b"\x01"], "a worker that comes later hears of it too")
    # The broker's own subscription is there; each subscriber's is once it hears something.
    deadline = time.monotonic() + scale(5)
    for socket in (one, two):
        while not socket.poll(50):
            check(time.monotonic() < deadline, "a subscriber hears the worker")
            ends.worker.send_multipart(changes(0))
    for number in range(1, 101):
        ends.worker.send_multipart(changes(number, 1000 * number))
    for socket in (one, two):
        seen = [0]
        while seen[-1] < 100:
            parts = receive(socket)
            equal(len(parts), 2, "frames")
            equal(parts, changes(int(parts[1][:8]), len(parts[1]) - 8), "the message")
            seen.append(int(parts[1][:8]))
        equal(seen[seen.index(1):], list(range(1, 101)), "in order, and all of them")
    one.send(ask(5))
    two.send(ask(6, asker=78))
    for socket in (ends.worker, other):
        equal(sorted([receive(socket), receive(socket)]), sorted([[ask(5)], [ask(6, asker=78)]]),
              "both questions")


@test("what is neither a subscription nor an ASK goes no further")
@with_broker
def nonsense(broker, ends):
    subscriber = ends.subscriber()
    equal(receive(ends.worker), [b"\x01"], "the subscription")
    for frame in (b"", b"HF", b"\x02" * 32, Header(BEACON).pack(), ask(1) + b"x", b"x" * 100000,
                  Header(ASK, version=9).pack()):
        subscriber.send(frame)
    subscriber.send(ask(2))
    equal(receive(ends.worker), [ask(2)], "only the ASK comes through")
    check(not ends.worker.poll(100), "and nothing after it")


@test("a subscriber that does not read loses messages; others, and operations, do not wait")
@with_broker
def deaf(broker, ends):
    sleeper, reader = ends.subscriber(held=1), ends.subscriber(held=10000)
    equal(receive(ends.worker), [b"\x01"], "the subscription")
    deadline = time.monotonic() + scale(5)
    while not reader.poll(50):
        check(time.monotonic() < deadline, "the reader hears the worker")
        ends.worker.send_multipart(changes(0))
    client = Peer(broker.client, "alone")
    client.hello()
    slowest = 0
    for number in range(1, 4001):
        ends.worker.send_multipart(changes(number, 20000))
        if number % 100 == 0:
            while True:  # not faster than the reader: what is tested is the sleeper
                parts = receive(reader)
                if int(parts[1][:8]) == number:
                    break
            begun = time.monotonic()
            client.heartbeat()
            client.wait(lambda m: m.header.type == wire.HEARTBEAT, 5)
            slowest = max(slowest, time.monotonic() - begun)
    note("slowest heartbeat %.0f ms" % (slowest * 1000))
    with open("/proc/%d/status" % broker.child.pid) as file:
        rss = int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
    note("the broker has %d MiB" % (rss // 1024))
    # a sanitizer keeps what was freed
    check(rss < 60 * 1024 or not PLAIN, "the broker keeps a bounded number of messages for the sleeper")
    client.close()
    heard = 0
    while sleeper.poll(200):
        sleeper.recv_multipart()
        heard += 1
    check(0 < heard < 3000, "the sleeper has lost some: it heard %d of 4,000" % heard)


@test("a worker that is gone ends its subscription, and a broker killed is found again")
@with_broker
def again(broker, ends):
    subscriber = ends.subscriber()
    equal(receive(ends.worker), [b"\x01"], "the subscription")
    subscriber.close(0)
    equal(receive(ends.worker), [b"\x00"], "and its end")
    subscriber = ends.subscriber()
    equal(receive(ends.worker), [b"\x01"], "a new one")
    broker.stop(signal.SIGKILL)
    equal(receive(ends.worker), [b"\x00"], "with the broker gone nobody subscribes")
    broker.start()
    # A socket says what it subscribes to when its owner next looks at it.
    wait_until(lambda: subscriber.poll(1) or ends.worker.poll(50), 10, "both have found it again")
    equal(receive(ends.worker), [b"\x01"], "the subscription is there again")
    deadline = time.monotonic() + scale(5)
    while not subscriber.poll(50):
        check(time.monotonic() < deadline, "the subscriber hears the worker again")
        ends.worker.send_multipart(changes(1))


if __name__ == "__main__":
    run(cluster=False)

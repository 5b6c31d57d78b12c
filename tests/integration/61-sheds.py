# SPDX-License-Identifier: MIT
"""The results of a cluster that is full, slow or dying, with their exit codes: busy, rate_limited,
deadline_exceeded, unavailable, unknown, poison.

A broker alone, with workers that this file plays, makes each of them certain to happen.
"""
import contextlib
import subprocess
import threading
import time

from harness import *
from harness import BIN, MARK, mark, wire


def reserve(sku="A", **fields):
    return wire.operation("reserve", lines=[(sku, "W", 1)], **fields)


def name(answer):
    return wire.status_name(answer.status)


def after(seconds):
    """As cluster.yaml and the command line have it, on this machine."""
    return "%dms" % (scale(seconds) * 1000)


@contextlib.contextmanager
def meanwhile(act):
    """Does it again and again, beside what is done in the block."""
    stop = threading.Event()

    def run():
        while not stop.is_set():
            act()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@test("busy: the partition's queue is full, and it says when to come back")
def busy():
    with BrokerAlone(partitions=1, limits={"queue_operations": 4}) as broker:
        with broker.fake_worker().keep(), broker.peer().keep() as peer:
            sent = [peer.submit(reserve(), 0) for _ in range(40)]
            answer = peer.outcome(sent[-1])
            equal(name(answer), "busy", "the result")
            check(answer.retry_after_ms > 0, "it says when to come back")
            broker.refused("busy", "reserve", "A=1@W", "--timeout", after(1.5))


@test("rate_limited: the principal's bucket is empty")
def rate_limited():
    with BrokerAlone(partitions=1, limits={"rate": 1, "rate_burst": 1}) as broker:
        with broker.fake_worker().keep(), broker.peer() as peer:
            sent = [peer.submit(reserve(), 0) for _ in range(5)]
            answer = peer.outcome(sent[-1])
            equal(name(answer), "rate_limited", "the result")
            check(answer.retry_after_ms > 0, "it says when to come back")

            def take_what_comes():  # into the bucket, one a second
                peer.submit(reserve(), 0)
                time.sleep(0.002)
            with meanwhile(take_what_comes):
                broker.refused("rate_limited", "reserve", "A=1@W", "--timeout", after(0.7))


@test("deadline_exceeded: never dispatched before not_after")
def deadline_exceeded():
    with BrokerAlone(partitions=1) as broker:
        worker = broker.fake_worker(begin=False)
        with worker, broker.peer() as peer:
            worker.hello()
            worker.heartbeat()  # owns the partition, but takes nothing: no credit
            worker.grant(0)
            sent = peer.submit(reserve(), 0, not_after_us=wire.now_us() + 300000)
            stop = time.monotonic() + scale(5)
            while time.monotonic() < stop:
                worker.heartbeat()
                try:
                    answer = peer.outcome(sent, 0.3)
                    break
                except wire.Timeout:
                    answer = None
            check(answer is not None, "there is an answer")
            equal(name(answer), "deadline_exceeded", "the result")


@test("unavailable: nobody serves the partition, at first and after its worker has left")
def unavailable():
    with BrokerAlone(partitions=1, windows={"lease": "200ms", "heartbeat": "100ms"}) as broker:
        broker.refused("unavailable", "reserve", "A=1@W", "--timeout", after(3))
        with broker.fake_worker() as worker:
            worker.goodbye()
        broker.refused("unavailable", "reserve", "A=1@W", "--timeout", after(3))


@test("unknown: handed to a worker that does not answer")
def unknown():
    with BrokerAlone(partitions=1) as broker:
        worker = broker.fake_worker()
        with worker, meanwhile(lambda: worker.quiet(0.2, wire.GOODBYE)):
            broker.refused("unknown", "reserve", "A=1@W", "--timeout", after(1.5))


@test("poison: it killed its worker alone; its neighbours go on")
def poison():
    with BrokerAlone(partitions=1, windows={"heartbeat": "200ms"}) as broker:
        deadly = reserve("DEADLY")
        good = [reserve() for _ in range(6)]
        with broker.peer() as peer:
            worker = broker.fake_worker()
            operations = good[:3] + [deadly] + good[3:]
            sent = peer.submit_batch([(op, 0) for op in operations], seconds=60)
            outcomes = {}
            stop = time.monotonic() + scale(40)
            lives = 1
            while len(outcomes) < len(sent) and time.monotonic() < stop:
                try:
                    dispatched = worker.dispatch(0.1 / TIMESCALE)  # the peer must beat
                except wire.Timeout:
                    dispatched = None
                if dispatched and dispatched.body.operation_id == deadly.operation_id:
                    worker.close()  # dies, its connection with it
                    lives += 1
                    worker = broker.fake_worker(epoch=lives, name="w%d" % lives)
                elif dispatched:
                    worker.answer(dispatched, pb.Result(
                        status=0, operation_id=dispatched.body.operation_id))
                while True:
                    try:
                        got = peer.wait_type(wire.RESULT, seconds=0.01 / TIMESCALE)
                    except wire.Timeout:
                        break
                    outcomes[got.header.sequence] = name(got.body)
            worker.close()
            equal([outcomes.get(n) for n in sent],
                  ["applied"] * 3 + ["poison"] + ["applied"] * 3, "results")
            note("the deadly operation had %d workers" % (lives - 1))
            check(lives - 1 <= 2, "it killed %d workers before it was set aside" % (lives - 1))


@test("the exit codes of poison and deadline_exceeded are those of the table")
def exit_codes():
    with BrokerAlone(partitions=1, windows={"heartbeat": after(0.2), "lease": after(0.6)}) as broker:
        for result in ("poison", "deadline_exceeded"):
            worker = broker.fake_worker()

            def answer():
                try:
                    got = worker.dispatch(0.1 / TIMESCALE)
                except wire.Timeout:
                    return
                worker.answer(got, pb.Result(
                    status=wire.STATUS_CODES[result], operation_id=got.body.operation_id
                    if got.header.type == wire.OPERATION else b""))
            with worker:
                with meanwhile(answer):
                    broker.refused(result, "reserve", "A=1@W", "--timeout", after(1))
                worker.goodbye()


def bulk_file(broker, lines):
    path = os.path.join(broker.dir, "file.yaml")
    with open(path, "w") as file:
        file.write("version: 1\nrun: window\nlines:\n" + "".join(
            "  - {op: put_item, sku: I%d, name: i}\n" % i for i in range(lines)))
    return path


def start(broker, *words):
    return subprocess.Popen([os.path.join(BIN, "holdfast"), "-C", broker.file, *words],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env=dict(os.environ, **{MARK: mark}))


@test("a bulk file is work of class bulk, look-ups included, and 256 lines of it are in flight at most")
def bulk_window():
    with BrokerAlone(partitions=1) as broker, broker.fake_worker() as worker:
        child = start(broker, "apply", bulk_file(broker, 1000))
        try:
            classes, lines = set(), set()
            # A second more than all that may come; then what nobody answers comes again.
            while len(lines) < 256 or not worker.quiet(1, wire.OPERATION, wire.QUERY):
                got = worker.dispatch()
                classes.add(got.header.op_class)
                if got.header.type == wire.QUERY:
                    worker.answer(got, pb.Answer(status=0))
                elif got.body.WhichOneof("kind") == "begin_run":
                    begun = got.body.begin_run
                    worker.answer(got, pb.Result(
                        status=0, operation_id=got.body.operation_id, run=pb.Run(
                            run=begun.run, digest=begun.digest, lines=begun.lines, actor=b"x",
                            created_at_us=got.body.id_time_us)))
                else:
                    lines.add(got.body.operation_id)
            equal(classes, {wire.BULK}, "classes")
            equal(len(lines), 256, "lines in flight")
        finally:
            child.kill()
            child.wait()
    for words in (["plan", "FILE"], ["undo", "window"], ["export"]):
        with BrokerAlone(partitions=1) as broker, broker.fake_worker() as worker:
            file = bulk_file(broker, 1)
            child = start(broker, *[file if word == "FILE" else word for word in words])
            try:
                equal(worker.dispatch().header.op_class, wire.BULK, words[0])
            finally:
                child.kill()
                child.wait()


if __name__ == "__main__":
    run(cluster=False)

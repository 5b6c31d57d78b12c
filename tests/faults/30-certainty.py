# SPDX-License-Identifier: MIT
"""Certainty: who was told "not applied" never sees it applied, wherever a copy of the operation lay.

Copies are kept in a stopped broker's queue, in the socket before a stopped broker and in the socket
before a worker, and come to life when it would hurt: after the refusal was told and stock came in. A
Tap (tap.py) on the wire shows that they really come, and forces the order of a settle and a copy.
"""
import uuid

from harness import *
from harness import wire
from tap import Tap, take_over

CLIENTS = 40
made = []  # skus


def broker_state(cluster, broker=0):
    """The broker's newest BrokerState."""
    context = wire.zmq.Context()
    socket = context.socket(wire.zmq.SUB)
    socket.linger = 0
    socket.subscribe(b"")
    socket.connect(cluster.state_endpoint(broker))
    try:
        check(socket.poll(int(scale(5000))), "broker %d tells its state" % (broker + 1))
        return wire.pb.BrokerState.FromString(socket.recv_multipart()[1])
    finally:
        socket.close()
        context.term()


def clients_at(cluster, broker=0):
    """How many of load.c's clients have sent something to this broker."""
    return sum(c.name.startswith(b"load@") and c.admitted > 0
               for c in broker_state(cluster, broker).clients)


def shed_count(cluster, status):
    code = wire.STATUS_CODES[status]
    return sum(s.count for s in broker_state(cluster).sheds if s.status == code)


def new_sku(cluster):
    """An item that nobody has in stock."""
    made.append("CERTAIN-%d" % len(made))
    cluster.stock(made[-1], W=0)
    return made[-1]


def new_ids(count):
    return [wire.uuid_text(wire.uuid7()) for _ in range(count)]


def hexed(ids):
    return {i.replace("-", "").upper() for i in ids}


class Clients:
    """Real clients (load.c). They meet the first broker through a Tap, which keeps a client's
    connection when the client has left, so that the broker does not drop what waits for it. The
    second one they meet once it is there: at second_endpoint, where a test puts a link or a Tap."""

    def __init__(self, cluster, script, clients=CLIENTS, timeout_ms=40000):
        self.cluster, self.script, self.clients = cluster, script, clients
        self.timeout_ms = int(scale(timeout_ms))
        self.folder = tempfile.mkdtemp(prefix="hf-")
        self.second_path = os.path.join(self.folder, "second")
        self.second_endpoint = "ipc://" + self.second_path
        self.file = os.path.join(self.folder, "client.yaml")
        first = "ipc://" + os.path.join(self.folder, "first")
        with open(self.file, "w") as file:
            file.write("version: 1\nname: %s\nbrokers:\n- client: %s\n- client: %s\n" % (
                cluster.config["name"], first, self.second_endpoint))
        self.first = Tap(cluster.client_endpoint(0), first)

    def __enter__(self):
        self.child = subprocess.Popen(
            [LOAD, "--cluster", self.file,
             "--clients", str(self.clients), "--timeout-ms", str(self.timeout_ms)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=dict(os.environ, **{MARK: mark}))
        self.child.stdin.write("\n".join(self.script) + "\n")
        self.child.stdin.close()
        self.child.stdin = None
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
            self.child.communicate()
        self.first.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def second_is_there(self):
        os.symlink(self.cluster.client_endpoint(1)[len("ipc://"):], self.second_path)

    def results(self, seconds=60):
        out, _ = self.child.communicate(timeout=scale(seconds))
        equal(self.child.returncode, 0, "exit code of the clients")
        return [dict(zip(LOAD_COLUMNS, line.split("\t"))) for line in out.splitlines()]


def reserves(sku, ids):
    return ["%d\t0\treserve\tid=%s\tline=%s=1@W\tttl=600000" % (i, id, sku)
            for i, id in enumerate(ids)]


def no_credit(seen):
    return seen.inward and seen.type == wire.CREDIT


def served(cluster, broker):
    return broker_state(cluster, broker).partitions_served == cluster.partitions


def restart_worker(cluster):
    cluster.process("worker").kill()
    wait_until(lambda: len(cluster.processes("worker")) == 1, 20, "the worker is back")
    wait_until(lambda: served(cluster, 0) and served(cluster, 1), 20, "all is served again")


taps = []


def tap_first(cluster):
    """A Tap between the first broker and the worker."""
    if not taps:
        taps.append(take_over(cluster.worker_endpoint(0)))
        atexit.register(taps[0].close)
        restart_worker(cluster)


def all_queued(cluster, count):
    state = broker_state(cluster)
    return state if state.queued >= count else None


def queued_at_first(cluster, sku, ids, act, **options):
    """The operations wait in the queue of the first broker, which gets no credit and is stopped. Then
    act(clients, tap, go_on): go_on lets the first broker live, and its copies come."""
    tap = taps[0]
    first = cluster.process("broker", "b1")

    def go_on():
        tap.release()
        cluster.cont(first)
    try:
        tap.hold(no_credit)
        restart_worker(cluster)
        with Clients(cluster, reserves(sku, ids), len(ids), **options) as clients:
            wait_until(lambda: clients_at(cluster) == len(ids), 20, "all are at the first one")
            state = wait_until(lambda: all_queued(cluster, len(ids)), 20,
                               "all operations wait in the first broker")
            equal(state.in_flight, 0, "operations that a worker has")
            cluster.stop(first)
            return act(clients, tap, go_on)
    finally:  # what comes after finds the first broker at work, whatever went wrong
        go_on()


def answers(tap, ids):
    """What the worker answered to the first broker for these ids: {id: [status]}."""
    found = {}
    for seen in tap.seen(lambda s: s.inward and s.type == wire.RESULT):
        if seen.operation_id in ids:
            found.setdefault(seen.operation_id, []).append(seen.status)
    return found


def all_said(tap, ids):
    return {status for said in answers(tap, ids).values() for status in said}


def wait_for_copies(tap, ids):
    # an attempt that timed out may have left a second copy of an id
    tap.wait(lambda t: ids <= {s.operation_id for s in t.log
                               if s.inward and s.type == wire.RESULT}, 20,
             "every copy has come to the worker")


def kinds_of(cluster, ids):
    """{id: [kind of movement]}; 20 is a void."""
    found = {}
    for row in cluster.sql("SELECT HEX(operation_id), kind FROM movement"):
        if row[0] in ids:
            found.setdefault(row[0], []).append(int(row[1]))
    return found


def told_refused(results, how_many):
    equal({row["status"] for row in results}, {"insufficient_stock"}, "what clients were told")
    moved = [row for row in results if int(row["attempts"]) > 1]
    check(len(moved) >= how_many, "they asked both brokers: %d of %d" % (len(moved), len(results)))
    return moved


def nothing_applied(cluster, sku, ids):
    kinds = kinds_of(cluster, ids)
    equal({k for ks in kinds.values() for k in ks} - {20}, set(), "movements of what was refused")
    equal(cluster.level(sku)["reserved"], 0, "units held")
    return kinds


@test("told refused while a stopped broker holds the operation: the copy that comes later is void")
def stopped_with_queue(cluster):
    tap_first(cluster)
    total = 0
    for _ in range(2):
        sku, ids = new_sku(cluster), new_ids(CLIENTS)
        want = hexed(ids)

        def act(clients, tap, go_on):
            clients.second_is_there()
            told_refused(clients.results(), CLIENTS)
            equal(answers(tap, want), {}, "copies that have come so far")
            cluster.hf("receive", "%s=1000@W" % sku)
            go_on()
            wait_for_copies(tap, want)
            equal(all_said(tap, want), {"operation_id_reused"}, "what the worker said to the copies")
        queued_at_first(cluster, sku, ids, act)
        equal(set(nothing_applied(cluster, sku, want)), want, "ids that are settled")
        total += CLIENTS
    note("%d operations were refused, voided, and came again" % total)


@test("the copy overtakes the settle: settle says applied, and the refusal is not told")
def copy_first(cluster):
    tap_first(cluster)
    sku, ids = new_sku(cluster), new_ids(CLIENTS)
    want = hexed(ids)

    def act(clients, tap, go_on):
        with Tap(cluster.client_endpoint(1), clients.second_endpoint) as second:
            second.hold(lambda seen: seen.inward and seen.settles())
            second.wait(lambda t: len({s.body.settle.operation_id for s, _ in t.held}) == CLIENTS,
                        30, "every client settles")
            refused = second.seen(lambda s: not s.inward and s.type == wire.RESULT
                                  and s.operation_id in want)
            equal({s.status for s in refused}, {"insufficient_stock"}, "what the second one said")
            cluster.hf("receive", "%s=1000@W" % sku)
            go_on()
            wait_for_copies(tap, want)
            equal(all_said(tap, want), {"applied"}, "what the worker said to the copies")
            second.release()
            results = clients.results()
        equal({(r["status"], r["replayed"]) for r in results}, {("applied", "1")},
              "what clients were told")
    queued_at_first(cluster, sku, ids, act)
    kinds = kinds_of(cluster, want)
    equal((set(kinds), {tuple(k) for k in kinds.values()}), (want, {(1,)}), "movements, once each")
    equal(cluster.level(sku)["reserved"], CLIENTS, "units held")


def lie_in_the_socket(cluster, timeout_ms, before, after):
    """From each client an operation lies in the socket of the first broker, which is stopped.
    before(rows) and after(ids) are called before and after it lives again, with those operations."""
    sku, ids = new_sku(cluster), new_ids(CLIENTS)
    want = hexed(ids)
    first = cluster.process("broker", "b1")
    clients = Clients(cluster, reserves(sku, ids), CLIENTS, timeout_ms)
    # They are let go when the broker stands. One that it had dispatched before would be refused by
    # that dispatch, and no copy of it would come later.
    clients.first.hold(lambda seen: seen.inward and seen.type == wire.OPERATION)
    with clients:
        clients.first.wait(lambda t: {s.operation_id for s, _ in t.held} == want, 20,
                           "each client has sent its operation")
        cluster.stop(first)
        clients.first.release()
        try:
            clients.second_is_there()
            moved = told_refused(clients.results(), CLIENTS)
            cluster.hf("receive", "%s=1000@W" % sku)
            before(moved)
            cluster.cont(first)
            after(want)
        finally:
            cluster.cont(first)
    equal(set(nothing_applied(cluster, sku, want)), want, "ids that are settled")


@test("an operation in the socket of a stopped broker: the copy is void")
def in_socket(cluster):
    tap_first(cluster)

    def after(want):
        wait_for_copies(taps[0], want)
        equal(all_said(taps[0], want), {"operation_id_reused"}, "what the worker said to the copies")
    lie_in_the_socket(cluster, 40000, lambda _: None, after)


@test("an operation in the socket of a stopped broker beyond not_after: the broker sheds it")
def in_socket_too_long(cluster):
    tap_first(cluster)
    shed_before = shed_count(cluster, "deadline_exceeded")

    def before(moved):
        latest = max(int(r["begin_us"]) for r in moved) + int(scale(6000)) * 1000
        time.sleep(max(0, latest - wire.now_us()) / 1e6)  # not_after is before that

    def after(want):
        wait_until(lambda: shed_count(cluster, "deadline_exceeded") >= shed_before + len(want),
                   20, "the broker has shed every copy")
        equal(answers(taps[0], want), {}, "copies at the worker")
    lie_in_the_socket(cluster, 6000, before, after)


def submit_reserves(cluster, peer, sku, count, seconds):
    made = [wire.operation("reserve", lines=[(sku, "W", 1)], ttl_ms=600000) for _ in range(count)]
    until = wire.now_us() + int(seconds * 1e6)
    sent = peer.submit_batch([(op, cluster.partition(sku)) for op in made], not_after_us=until)
    return {op.operation_id.hex().upper() for op in made}, sent, until


@test("operations and old clocks in the worker's socket beyond not_after: none is begun")
def late_at_worker(cluster):
    tap_first(cluster)
    tap, sku = taps[0], new_sku(cluster)
    wait_until(lambda: served(cluster, 0), 20, "all is served")
    cluster.hf("receive", "%s=1000@W" % sku)
    with cluster.peer(0) as peer:
        tap.hold(lambda seen: not seen.inward)
        # an answer to a heartbeat, with the broker's clock of now, lies before the operations
        tap.wait(lambda t: any(s.type == wire.HEARTBEAT for s, _ in t.held), 10, "a heartbeat")
        want, sent, until = submit_reserves(cluster, peer, sku, 100, 0.3)
        tap.wait(lambda t: sum(s.type == wire.OPERATION for s, _ in t.held) >= 100, 10,
                 "the operations have left the broker")
        peer.quiet(max(0, until + 100000 - wire.now_us()) / 1e6)
        tap.release()
        said = {wire.status_name(peer.outcome(s, 20).status) for s in sent}
    equal(said, {"deadline_exceeded"}, "what was said")
    equal(kinds_of(cluster, want), {}, "movements")
    equal(cluster.level(sku)["reserved"], 0, "units held")


@test("operations in a stopped worker's socket beyond not_after: never begun, and never called shed")
def worker_stopped(cluster):
    sku = new_sku(cluster)
    cluster.hf("receive", "%s=1000@W" % sku)
    worker = cluster.process("worker")
    wait_until(lambda: served(cluster, 1), 20, "all is served")
    with cluster.peer(1) as peer:
        cluster.stop(worker)
        want, sent, until = submit_reserves(cluster, peer, sku, 100, 1.0)

        def in_flight():
            peer.quiet(0.01)  # keeps the session
            return broker_state(cluster, 1).in_flight
        try:
            wait_until(lambda: in_flight() == len(sent), 10, "they are on their way to the worker")
            # beyond three heartbeats too: the broker takes the worker for dead
            wait_until(lambda: in_flight() == 0, 20, "they are queued again")
            peer.quiet(max(0, until + 100000 - wire.now_us()) / 1e6)
        finally:
            cluster.cont(worker)
        said = [wire.status_name(peer.outcome(s, 30).status) for s in sent]
    # The broker cannot know that the worker had not begun any; the client's retry finds out.
    equal(set(said), {"unknown"}, "what was said")
    equal(kinds_of(cluster, want), {}, "movements")


@test("applied, but its worker died before it said so, and then it is late: not called shed")
def applied_and_late(cluster):
    tap_first(cluster)
    tap, sku = taps[0], new_sku(cluster)
    cluster.hf("receive", "%s=1000@W" % sku)
    wait_until(lambda: served(cluster, 0), 20, "all is served")
    with cluster.peer(0) as peer:
        tap.hold(lambda seen: seen.inward and seen.type == wire.RESULT)
        want, sent, until = submit_reserves(cluster, peer, sku, 20, 1.0)
        tap.wait(lambda t: len({s.operation_id for s, _ in t.held} & want) == 20, 10,
                 "the worker has applied them")
        equal(set(kinds_of(cluster, want)), want, "they are in the ledger")
        cluster.process("worker").kill()
        peer.quiet(max(0, until + 100000 - wire.now_us()) / 1e6)
        tap.hold(None)  # the dead one's results stay where they are
        said = [wire.status_name(peer.outcome(s, 30).status) for s in sent]
    equal(set(said), {"unknown"}, "what was said of what is applied")
    equal(cluster.level(sku)["reserved"], 20, "units held")


@test("a settle and its operation in one batch, in both orders")
def one_batch(cluster):
    sku = new_sku(cluster)
    partition = cluster.partition(sku)
    cluster.hf("receive", "%s=1000@W" % sku)
    wait_until(lambda: served(cluster, 1), 20, "all is served")
    with cluster.peer(1) as peer:
        for settle_first in (False, True):
            pairs = []
            for _ in range(100):
                op = wire.operation("reserve", lines=[(sku, "W", 1)], ttl_ms=600000)
                settle = wire.operation("settle", operation_id=op.operation_id)
                pairs += [settle, op] if settle_first else [op, settle]
            sent = peer.submit_batch([(op, partition) for op in pairs], seconds=20)
            said = [peer.outcome(s, 20) for s in sent]
            settles, copies = (said[0::2], said[1::2]) if settle_first else (said[1::2],
                                                                             said[0::2])
            expected = (wire.pb.SETTLE_VOID, "operation_id_reused") if settle_first else (
                wire.pb.SETTLE_APPLIED, "applied")
            equal({(s.settle, wire.status_name(c.status)) for s, c in zip(settles, copies)},
                  {expected}, "settle and operation, settle first: %r" % settle_first)
    equal(cluster.level(sku)["reserved"], 100, "units held")


@test("settles and operations through two brokers at once agree, whichever is first")
def race(cluster):
    sku = new_sku(cluster)
    partition = cluster.partition(sku)
    cluster.hf("receive", "%s=10000@W" % sku)
    wait_until(lambda: served(cluster, 0) and served(cluster, 1), 20, "all is served")
    seen = {}
    with cluster.peer(0) as one, cluster.peer(1) as two:
        for round in range(20):
            ops = [wire.operation("reserve", lines=[(sku, "W", 1)], ttl_ms=600000)
                   for _ in range(20)]
            settles = [wire.operation("settle", operation_id=op.operation_id) for op in ops]
            batches = [(one, ops), (two, settles)]
            sent = {}
            for peer, each in batches if round % 2 else batches[::-1]:
                sent[peer] = peer.submit_batch([(op, partition) for op in each], seconds=20)
            for a, b in zip(sent[one], sent[two]):
                pair = (wire.status_name(one.outcome(a, 20).status),
                        wire.pb.SettleOutcome.Name(two.outcome(b, 20).settle))
                seen[pair] = seen.get(pair, 0) + 1
    note("operation and settle: %s" % seen)
    equal(set(seen) - {("applied", "SETTLE_APPLIED"), ("operation_id_reused", "SETTLE_VOID")},
          set(), "pairs that contradict each other")
    equal(cluster.level(sku)["reserved"], seen.get(("applied", "SETTLE_APPLIED"), 0), "units held")


if __name__ == "__main__":
    run(workers=1, brokers=2, windows={"heartbeat": "500ms", "lease": "1s"})

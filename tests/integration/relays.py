# SPDX-License-Identifier: MIT
"""What the tests of relays share: a consumer that speaks the wire itself, and what the ledger says
that a subscriber must have been given."""
import random

from harness import *
from wire import (ACK, ACKED, ANSWER, ASSIGN, CREDIT, ERROR, EVENTS, HALTED, QUERY, RESUME,
                  SUBSCRIBE, SUBSCRIBED, YIELD)

START, NOW, LAST, POSITIONS = pb.FROM_START, pb.FROM_NOW, pb.FROM_LAST, pb.FROM_POSITIONS
PRUNED, LOST = pb.HALT_POSITION_PRUNED, pb.HALT_HISTORY_LOST


class Ended(Exception):
    """The session is over: the message is the ERROR's code."""


class Consumer(wire.Peer):
    """A session with a relay. given: partition → [Movement], as they came."""

    ANSWER = pb.RelayAnswer

    def __init__(self, cluster, number=0, name="consumer", seconds=20):
        super().__init__(cluster.relay_endpoint(number), cluster.config["name"], name=name)
        self.number = number
        self.assigned, self.given, self.at_end, self.halted = [], {}, set(), {}
        self.stored, self.count = {}, 0
        self.log = []  # what came, in order: ("assign", [...]), ("event", movement), …
        deadline = time.monotonic() + scale(seconds)
        while True:
            try:
                self.hello(seconds=1)
                self.keep()
                return
            except wire.Timeout:
                check(time.monotonic() < deadline, "relay %d answers" % number)

    def subscribe(self, name, credit=100000, seconds=20, expect=0, **fields):
        """Sends SUBSCRIBE until it is answered other than `unavailable`; returns the answer."""
        name = name.encode() if isinstance(name, str) else name
        deadline = time.monotonic() + scale(seconds)
        while True:
            self.send(SUBSCRIBE, pb.Subscribe(subscription=name, **fields))
            answer = self.wait_type(SUBSCRIBED, ERROR, seconds=seconds)
            if answer.header.type == ERROR:
                raise Ended(answer.body.code)
            status = answer.body.status
            if status != 43 or expect == 43 or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if expect is not None:
            equal(status, expect, "SUBSCRIBED: %s" % answer.body)
        if status == 0:
            self.grant(credit)
        return answer.body

    def grant(self, count):
        self.send(CREDIT, sequence=self.count + count)

    def take(self, seconds=0.05):
        """Takes what has come into given, assigned, …; waits so long for something."""
        try:
            self.wait(lambda m: m.header.type in (EVENTS, ASSIGN, ACKED, HALTED, ERROR), seconds)
        except wire.Timeout:
            return False
        return True

    def wait(self, match, seconds=5):
        message = super().wait(match, seconds)
        self.see(message)
        return message

    def see(self, message):
        kind, body = message.header.type, message.body
        if kind == EVENTS:
            self.count += len(body.events)
            equal(message.header.sequence, self.count, "number of the last event")
            for event in body.events:
                self.given.setdefault(event.partition, []).append(event)
                self.log.append(("event", event))
            self.at_end.update(body.at_end)
        elif kind == ASSIGN:
            gone = set(self.assigned) - set(body.partitions)
            self.assigned = list(body.partitions)
            self.log.append(("assign", self.assigned))
            self.at_end -= gone
            self.leaving = gone
        elif kind == ACKED:
            for at in body.positions:
                self.stored[at.partition] = at.sequence
        elif kind == HALTED:
            for halt in body.halts:
                self.halted[halt.partition] = halt
                self.log.append(("halt", halt))
        elif kind == ERROR:
            raise Ended(body.code)

    def until(self, condition, seconds=20, what="what was waited for"):
        deadline = time.monotonic() + scale(seconds)
        while not condition():
            if time.monotonic() > deadline:
                raise Failure("not within %g s: %s" % (scale(seconds), what))
            self.take()

    def all_at_end(self):
        return bool(self.assigned) and set(self.assigned) <= self.at_end | set(self.halted)

    def ack(self, partition=None, sequence=None):
        """Everything that was given, or one position."""
        positions = ([pb.Position(partition=partition, sequence=sequence)] if partition is not None
                     else [pb.Position(partition=p, sequence=events[-1].sequence)
                           for p, events in self.given.items()])
        self.send(ACK, pb.Ack(positions=positions))
        return {p.partition: p.sequence for p in positions}

    def ack_stored(self, seconds=20):
        wanted = {p: s for p, s in self.ack().items() if p in self.assigned}
        self.until(lambda: all(self.stored.get(p, 0) >= s for p, s in wanted.items()), seconds,
                   "acknowledgements are stored: %s, %s" % (wanted, self.stored))

    def give_back(self, partitions):
        self.send(YIELD, pb.Assign(partitions=partitions))

    def resume(self, partition, sequence):
        self.halted.pop(partition, None)
        self.send(RESUME, pb.Ack(positions=[pb.Position(partition=partition, sequence=sequence)]))

    def ask(self, seconds=10, **fields):
        return self.call(pb.RelayQuery(**fields).SerializeToString(), 0, type=QUERY,
                         seconds=seconds)

    def sequences(self, partition):
        return [e.sequence for e in self.given.get(partition, [])]

    def everything(self):
        return {p: self.sequences(p) for p in self.given}


def ledger(cluster):
    """partition → [(sequence, operation id in hex, kind)], as the database has it."""
    rows = {}
    for p, seq, operation, kind in cluster.sql(
            "SELECT partition_id, seq, HEX(operation_id), kind FROM movement"
            " ORDER BY partition_id, seq", all_shards=True):
        rows.setdefault(int(p), []).append((int(seq), operation, int(kind)))
    return rows


def as_ledger(events):
    return [(e.sequence, bytes(e.operation_id).hex().upper(), e.kind) for e in events]


def same_as_ledger(cluster, given, what="the subscriber"):
    """given: partition → [Movement]: everything once, in order."""
    stored = ledger(cluster)
    equal(sorted(given), sorted(stored), "partitions of " + what)
    for p, rows in stored.items():
        equal(as_ledger(given[p]), rows, "movements of partition %d at %s" % (p, what))
    return sum(map(len, stored.values()))


HOLDFAST = os.path.join(BIN, "holdfast")


def events(cluster, name, *words, expect=0, seconds=30):
    """What `holdfast events NAME --json` prints, as partition → [event]."""
    done = execute([HOLDFAST, "-C", cluster.file, "events", name, "--json", *words], seconds)
    check(expect is None or done.code == expect, "events: %s" % done)
    given = {}
    for line in done.out.splitlines():
        event = json.loads(line)
        given.setdefault(event["partition"], []).append(event)
    given_halts = [e for part in given.values() for e in part if "event" in e]
    return {p: [e for e in part if "event" not in e] for p, part in given.items()
            if [e for e in part if "event" not in e]}, given_halts, done


def rows(given):
    return {p: [(e["sequence"], e["operation_id"].replace("-", "").upper()) for e in part]
            for p, part in given.items()}


def stored(cluster):
    return {p: [r[:2] for r in part] for p, part in ledger(cluster).items()}


def prune(cluster, partition, upto):
    """What a worker does with what is past the retention; upto: the last that there is."""
    cluster.sql("START TRANSACTION; INSERT INTO checkpoint (partition_id,sku,warehouse,seq,on_hand,"
                "reserved,committed,unavailable) SELECT partition_id,sku,warehouse,version,on_hand,"
                "reserved,committed,unavailable FROM stock_level WHERE partition_id=%d;"
                "UPDATE `partition` SET pruned_seq=%d WHERE partition_id=%d;"
                "DELETE FROM movement WHERE partition_id=%d AND seq<=%d; COMMIT" % (
                    partition, upto, partition, partition, upto))

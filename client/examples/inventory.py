#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A client of Holdfast in Python, written from protocol/protocol.md alone.

    inventory.py --cluster NAME --broker ENDPOINT [--broker …] [--view ENDPOINT …] COMMAND …

    warehouse CODE NAME         item SKU NAME
    receive SKU QTY WAREHOUSE   reserve SKU QTY
    purchase RESERVATION        ship RESERVATION        release RESERVATION
    stock SKU…

With --view, stock is read from a view, and what no view knows from its owner; --at-least
PARTITION:SEQUENCE (of the results of one's own writes) and --latest say how new it must be. It prints one JSON object and exits with the result's exit code. It needs python3-zmq,
python3-protobuf, and holdfast_pb2.py, which protoc makes of protocol/holdfast.proto.
With --guess it does not compute partitions but guesses and follows wrong_partition, as a
client without XXH3 would; --id repeats an operation that may have been sent before.
"""
import argparse
import json
import os
import random
import re
import struct
import sys
import time
import uuid

import zmq

import holdfast_pb2 as pb

HEADER = struct.Struct(">HBBBBHIIQq")
MAGIC, VERSION = 0x4846, 1
HELLO, WELCOME, HEARTBEAT, GOODBYE, ERROR, CREDIT = 1, 2, 3, 4, 5, 6
OPERATION, RESULT, QUERY, ANSWER, BATCH = 16, 17, 18, 19, 24
FREEING, INTERACTIVE = 0, 1
NO_PARTITION = 0xFFFFFFFF

# name, kind and exit code of each result: the table "Results"
RESULTS = {
    0: ("applied", "applied", 0),
    10: ("insufficient_stock", "refused", 1), 11: ("reservation_expired", "refused", 1),
    12: ("already_purchased", "refused", 1), 13: ("already_released", "refused", 1),
    14: ("not_active", "refused", 1), 15: ("exceeds_reservation", "refused", 1),
    16: ("exceeds_committed", "refused", 1), 17: ("exceeds_shipped", "refused", 1),
    18: ("insufficient_on_hand", "refused", 1), 19: ("version_conflict", "refused", 1),
    20: ("operation_id_reused", "refused", 1), 21: ("unknown_sku", "refused", 1),
    22: ("unknown_warehouse", "refused", 1), 23: ("unknown_reservation", "refused", 1),
    24: ("unknown_reason", "refused", 1), 25: ("barcode_taken", "refused", 1),
    26: ("invalid", "refused", 1), 27: ("too_large", "refused", 1), 28: ("internal", "refused", 1),
    29: ("not_permitted", "refused", 77),
    40: ("busy", "shed", 69), 41: ("rate_limited", "shed", 69),
    42: ("deadline_exceeded", "shed", 69), 43: ("unavailable", "shed", 69),
    44: ("wrong_partition", "shed", 69),
    60: ("unknown", "unknown", 75), 61: ("poison", "unknown", 75),
    62: ("operation_id_expired", "unknown", 75),
}
APPLIED, DEADLINE_EXCEEDED, UNAVAILABLE, WRONG_PARTITION, UNKNOWN = 0, 42, 43, 44, 60
FINAL = (20, 61, 62)  # told at once, whatever other attempts do


# ---------------------------------------------------------------- XXH3-64, up to 128 bytes, seed 0

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07d"
    "ccff7221b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b532ea371644897a20df94e38"
    "19ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334"
    "d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45"
    "cb3a8f95160428afd7fbcabb4b407e")
M64 = (1 << 64) - 1
P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
       0x27D4EB2F165667C5)


def _u32(raw, at):
    return int.from_bytes(raw[at:at + 4], "little")


def _u64(raw, at):
    return int.from_bytes(raw[at:at + 8], "little")


def _avalanche(h):
    h = ((h ^ (h >> 37)) * 0x165667919E3779F9) & M64
    return h ^ (h >> 32)


def _xxh64_avalanche(h):
    h = ((h ^ (h >> 33)) * P64[1]) & M64
    h = ((h ^ (h >> 29)) * P64[2]) & M64
    return h ^ (h >> 32)


def _fold(a, b):
    product = a * b
    return (product & M64) ^ (product >> 64)


def _mix16(data, at, secret):
    return _fold(_u64(data, at) ^ _u64(SECRET, secret),
                 _u64(data, at + 8) ^ _u64(SECRET, secret + 8))


def xxh3_64(data):
    n = len(data)
    if n == 0:
        return _xxh64_avalanche(_u64(SECRET, 56) ^ _u64(SECRET, 64))
    if n <= 3:
        combined = data[0] << 16 | data[n >> 1] << 24 | data[n - 1] | n << 8
        return _xxh64_avalanche(combined ^ _u32(SECRET, 0) ^ _u32(SECRET, 4))
    if n <= 8:
        h = (_u32(data, n - 4) + (_u32(data, 0) << 32)) ^ _u64(SECRET, 8) ^ _u64(SECRET, 16)
        rotl = lambda x, r: (x << r | x >> (64 - r)) & M64
        h ^= rotl(h, 49) ^ rotl(h, 24)
        h = (h * 0x9FB21C651E98DF25) & M64
        h ^= (h >> 35) + n
        h = (h * 0x9FB21C651E98DF25) & M64
        return h ^ (h >> 28)
    if n <= 16:
        low = _u64(data, 0) ^ _u64(SECRET, 24) ^ _u64(SECRET, 32)
        high = _u64(data, n - 8) ^ _u64(SECRET, 40) ^ _u64(SECRET, 48)
        swapped = int.from_bytes(low.to_bytes(8, "little"), "big")
        return _avalanche((n + swapped + high + _fold(low, high)) & M64)
    if n > 128:
        raise ValueError("a sku has at most 64 bytes")
    h = n * P64[0]
    for i in range((n - 1) // 32, -1, -1):
        h += _mix16(data, 16 * i, 32 * i) + _mix16(data, n - 16 * (i + 1), 32 * i + 16)
    return _avalanche(h & M64)


BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHECK = BASE32 + "*~$=U"


def partition_of_reservation(text):
    digits = text.upper().replace("-", "").replace("I", "1").replace("L", "1").replace("O", "0")
    if len(digits) != 18 or digits[0] != "R":
        raise ValueError("not a reservation: %s" % text)
    number = 0
    for digit in digits[1:17]:
        number = number * 32 + BASE32.index(digit)
    if CHECK[number % 37] != digits[17]:
        raise ValueError("the check character of %s is wrong" % text)
    return number >> 64


# ---------------------------------------------------------------- ids and time

def new_operation_id():
    """UUID version 7: 48 bits of milliseconds, version, random bits, variant."""
    raw = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return bytes(raw)


def now_us():
    return int(time.time() * 1e6)


def result_of(status, message=""):
    return pb.Result(status=status, message=message)


def kind_of(status):
    return RESULTS.get(status, RESULTS[UNKNOWN])[1]


class SessionLost(Exception):
    pass


# ---------------------------------------------------------------- the client

class Client:
    """One session with one broker at a time, one operation at a time."""

    def __init__(self, cluster, brokers, name="inventory.py", guess=False):
        self.cluster, self.brokers, self.name, self.guess = cluster, brokers, name, guess
        self.instance = os.urandom(16)
        self.context = zmq.Context()
        self.socket, self.session, self.said = None, 0, 0.0
        self.at = random.randrange(len(brokers))
        self.known = {}  # sku: partition, learned from wrong_partition
        self.inbox = []
        self.attempts = 0  # of the last operation

    def close(self):
        if self.socket:
            if self.session:
                self._send(GOODBYE)
            self.socket.close(linger=100)
        self.context.term()

    # ---- frames

    def _send(self, kind, body=b"", op_class=0, attempt=0, partition=NO_PARTITION, sequence=0,
              not_after=0):
        header = HEADER.pack(MAGIC, VERSION, kind, 0, op_class, attempt, partition, self.session,
                             sequence, not_after)
        self.socket.send_multipart([header, body])
        self.said = time.monotonic()

    def _read(self, seconds):
        """The next message as (header fields, body), or None; batches are taken apart."""
        if not self.inbox and self.socket.poll(max(0, int(seconds * 1000))):
            frames = self.socket.recv_multipart()
            header = HEADER.unpack(frames[0])
            body = frames[1] if len(frames) > 1 else b""
            self.heard = time.monotonic()
            if header[2] != BATCH:
                self.inbox.append((header, body))
            at = 0
            while header[2] == BATCH and at < len(body):
                item = HEADER.unpack(body[at:at + 32])
                length, = struct.unpack(">I", body[at + 32:at + 36])
                self.inbox.append((item, body[at + 36:at + 36 + length]))
                at += 36 + length
        return self.inbox.pop(0) if self.inbox else None

    # ---- the session

    def _hello(self, until):
        """A session with the first broker that takes us, each tried for a second."""
        bound = 0.05
        while time.monotonic() < until:
            for _ in self.brokers:
                if self._hello_to(self.brokers[self.at]):
                    return
                self.at = (self.at + 1) % len(self.brokers)
            time.sleep(random.uniform(0, bound))
            bound = min(1.0, bound * 2)
        raise SessionLost("no broker answers")

    def _hello_to(self, endpoint):
        if self.socket:
            self.socket.close(linger=0)
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.inbox, self.session, self.sequence, self.asked = [], 0, 0, None
        hello = pb.Hello(role=pb.ROLE_CLIENT, cluster=self.cluster.encode(),
                         name=self.name.encode(), instance=self.instance, version_min=VERSION,
                         version_max=VERSION, clock_us=now_us())
        sent = now_us()
        self._send(HELLO, hello.SerializeToString())
        message = self._read(1.0)
        if not message or message[0][2] != WELCOME:
            return False
        welcome = pb.Welcome.FromString(message[1])
        if welcome.partitions == 0 or welcome.version != VERSION:
            return False
        self.session = message[0][7]
        self.credit, self.partitions = welcome.credit, welcome.partitions
        self.heartbeat = welcome.heartbeat_ms / 1000
        self.offset = welcome.clock_us - (sent + now_us()) // 2  # cluster's clock minus ours
        return True

    def _ensure(self, until):
        silent = self.session and time.monotonic() - self.said > 3 * self.heartbeat
        if not self.socket or not self.session or silent:
            self._hello(until)

    def _lose(self, why):
        self.session = 0
        self.at = (self.at + 1) % len(self.brokers)
        raise SessionLost(why)

    def _beat(self):
        now = time.monotonic()
        if now - self.said > self.heartbeat:
            self._send(HEARTBEAT, pb.Heartbeat(clock_us=now_us(), echo=1).SerializeToString())
            self.asked = self.asked or now
        if self.asked and self.heard > self.asked:
            self.asked = None
        if self.asked and now - self.asked > 3 * self.heartbeat:
            self._lose("the broker is silent")

    def _wait(self, sequences, seconds):
        """The answer to one of these messages of the session: (sequence, type, body), or None."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._beat()
            message = self._read(min(self.heartbeat / 2, until - time.monotonic()))
            if not message:
                continue
            header, body = message
            kind, session, sequence = header[2], header[7], header[8]
            if kind == ERROR:
                error = pb.Error.FromString(body)
                if error.code not in ("unknown_type", "unexpected"):
                    self._lose("%s: %s" % (error.code, error.message))
            if kind == GOODBYE:
                self._lose("the broker said goodbye")
            if session != self.session:
                continue
            if kind == CREDIT:
                self.credit = max(self.credit, sequence)
            if kind in (RESULT, ANSWER) and sequence in sequences:
                return sequence, kind, body
        return None

    def _post(self, kind, body, op_class, attempt, partition, until):
        """Sends when there is credit; the message's sequence."""
        while self.sequence >= self.credit:
            if time.monotonic() > until:
                raise SessionLost("no credit")
            self._wait((), 0.1)
        self.sequence += 1
        left_us = int((until - time.monotonic()) * 1e6)
        self._send(kind, body, op_class, attempt, partition, self.sequence,
                   now_us() + self.offset + max(left_us, 1000))
        return self.sequence

    # ---- operations

    def partition_of(self, sku):
        if sku in self.known:
            return self.known[sku]
        return 0 if self.guess else xxh3_64(sku) % self.partitions

    def call(self, operation, sku=None, partition=None, op_class=INTERACTIVE, timeout=10.0,
             first=1):
        """The result of an operation, certain or `unknown`. first: its attempt number to begin
        with, 2 when its id may have been sent before."""
        deadline = time.monotonic() + timeout
        effect = deadline - min(2.0, timeout / 4)  # what is left is for settling
        body = operation.SerializeToString()
        unanswered = set()  # sequences of this session
        uncertain = first > 1  # attempts whose end no session will tell
        attempt, kept, pause, follows = first, None, 0.02, 0
        where = None
        self.attempts = 0
        while time.monotonic() < effect:
            try:
                self._ensure(effect)
                where = self.partition_of(sku) if sku is not None else partition
                unanswered.add(self._post(OPERATION, body, op_class, attempt, where, effect))
                attempt, self.attempts = attempt + 1, self.attempts + 1
                got = self._wait(unanswered, min(2.0, effect - time.monotonic()))
            except SessionLost:
                uncertain = uncertain or bool(unanswered)
                unanswered = set()
                time.sleep(random.uniform(0, 0.05))
                continue
            if not got:
                continue  # again, under the same id
            unanswered.discard(got[0])
            result = pb.Result.FromString(got[2])
            kind = kind_of(result.status)
            if kind == "applied" or result.status in FINAL:
                return result
            if kind == "refused":
                if not unanswered and not uncertain:
                    return result
                return self._settle(operation, where, deadline, result)
            uncertain = uncertain or kind == "unknown"
            if result.status == WRONG_PARTITION and sku is not None and follows < 4:
                self.known[sku] = result.partition_wanted
                follows += 1
                continue
            if kind == "shed":
                kept = result
            time.sleep(result.retry_after_ms / 1000 + random.uniform(0, pause))
            pause = min(2.0, pause * 2)
        if where is None:
            return result_of(UNKNOWN if uncertain else UNAVAILABLE,
                             "no broker answered; nothing was sent")
        if unanswered or uncertain:
            return self._settle(operation, where, deadline, kept)
        return kept or result_of(DEADLINE_EXCEEDED)

    def _settle(self, operation, partition, deadline, told):
        """Makes sure before `told` (a refusal, a shed, or None) is believed."""
        settle = pb.Operation(operation_id=new_operation_id())
        settle.settle.operation_id = operation.operation_id
        attempt = 1
        while time.monotonic() < deadline:
            try:
                self._ensure(deadline)
                sent = self._post(OPERATION, settle.SerializeToString(), INTERACTIVE, attempt,
                                  partition, deadline)
                attempt += 1
                got = self._wait({sent}, min(2.0, deadline - time.monotonic()))
            except SessionLost:
                continue
            result = pb.Result.FromString(got[2]) if got else result_of(UNKNOWN)
            if result.status == APPLIED and result.settle == pb.SETTLE_APPLIED:
                return result.settled
            if result.status == APPLIED and result.settle == pb.SETTLE_VOID:
                return told or result_of(DEADLINE_EXCEEDED,
                                         "not applied in time; the id is settled")
            time.sleep(random.uniform(0, 0.1))
        return result_of(UNKNOWN, "call again with the same id, or settle it")

    def read(self, query, timeout=5.0):
        """The ViewAnswer of a client whose "brokers" are views; a view that is silent for a second is
        left for another."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                self._ensure(deadline)
                sent = self._post(QUERY, query.SerializeToString(), INTERACTIVE, 0, 0, deadline)
                got = self._wait({sent}, min(1.0, deadline - time.monotonic()))
            except SessionLost:
                continue
            if got:
                return pb.ViewAnswer.FromString(got[2])
            self.session, self.at = 0, (self.at + 1) % len(self.brokers)
        return pb.ViewAnswer(status=UNAVAILABLE)

    def ask(self, query, sku, timeout=10.0):
        deadline = time.monotonic() + timeout
        answer = pb.Answer(status=UNAVAILABLE)
        follows = 0
        while time.monotonic() < deadline:
            try:
                self._ensure(deadline)
                sent = self._post(QUERY, query.SerializeToString(), INTERACTIVE, 0,
                                  self.partition_of(sku), deadline)
                got = self._wait({sent}, min(2.0, deadline - time.monotonic()))
            except SessionLost:
                continue
            if not got:
                continue
            answer = pb.Answer.FromString(got[2])
            if answer.status == WRONG_PARTITION and follows < 4:
                self.known[sku] = answer.partition_wanted
                follows += 1
                continue
            if kind_of(answer.status) in ("applied", "refused"):
                return answer
            time.sleep(random.uniform(0, 0.1))
        return answer


# ---------------------------------------------------------------- reads

def from_views(views, skus, at_least, latest):
    """sku: what a view knows of it. What it does not know, or not as new as asked, is left out."""
    if not views:
        return {}
    query = pb.ViewQuery(stock=pb.ViewStockQuery(skus=skus), latest=latest, at_least=[
        pb.Position(partition=p, sequence=s) for p, s in at_least], wait_ms=200)
    return {stock.sku: dict(levels=stock.levels, age_ms=stock.age_ms, sequence=stock.sequence,
                            exists=stock.exists)
            for stock in views.read(query).stock if stock.knowledge == pb.KNOWLEDGE_KNOWN}


def read_stock(views, owners, skus, at_least=(), latest=False):
    """(status, rows): each sku's levels, from a view or else from its owner."""
    rows, known = [], from_views(views, skus, at_least, latest)
    for sku in skus:
        stock = known.get(sku)
        if stock is None:
            answer = owners.ask(pb.Query(stock=pb.StockQuery(skus=[sku])), sku)
            if answer.status != APPLIED:
                return answer.status, []
            stock = dict(levels=[level for one in answer.stock for level in one.levels],
                         age_ms=max(0, (now_us() + owners.offset - answer.read_at_us) // 1000),
                         sequence=answer.sequence, exists=bool(answer.stock))
        rows.append({
            "sku": sku.decode(), "from": "view" if sku in known else "owner",
            "exists": stock["exists"], "sequence": stock["sequence"], "age_ms": stock["age_ms"],
            "warehouses": {level.warehouse.decode(): {
                "on_hand": level.on_hand, "reserved": level.reserved, "committed": level.committed,
                "available": level.available} for level in stock["levels"]}})
    return APPLIED, rows


# ---------------------------------------------------------------- the command line

def position(text):
    partition, sequence = text.split(":")
    return int(partition), int(sequence)


def operation(options):
    made = pb.Operation(operation_id=uuid.UUID(options.id).bytes if options.id
                        else new_operation_id())
    made.actor = b"inventory.py"
    return made


def run(client, views, options):
    words = [word.encode() for word in options.words]
    command = options.command
    made = operation(options)
    where = {}
    if command == "warehouse":
        made.put_warehouse.warehouse, made.put_warehouse.name = words
        where["partition"] = 0
    elif command == "item":
        made.put_item.sku, made.put_item.name = words
        where["sku"] = words[0]
    elif command == "receive":
        made.receive.lines.add(sku=words[0], quantity=int(words[1]), warehouse=words[2])
        where["sku"] = words[0]
    elif command == "reserve":
        made.reserve.lines.add(sku=words[0], quantity=int(words[1]))
        where["sku"] = words[0]
    elif command in ("purchase", "ship", "release"):
        getattr(made, command).reservation = words[0]
        where["partition"] = partition_of_reservation(options.words[0])
        where["op_class"] = INTERACTIVE if command == "purchase" else FREEING
    elif command == "stock":
        status, rows = read_stock(views, client, words, options.at_least, options.latest)
        return status, rows[0] if len(rows) == 1 else {"stock": rows}
    else:
        sys.exit("unknown command: %s" % command)
    result = client.call(made, first=2 if options.id else 1, timeout=options.timeout, **where)
    told = {"operation_id": str(uuid.UUID(bytes=made.operation_id)), "message": result.message,
            "reservation": result.reservation.reservation.decode(), "replayed": result.replayed,
            "attempts": client.attempts, "partition": result.partition, "sequence": result.sequence,
            "shortages": [{"sku": shortage.sku.decode(), "available": shortage.available}
                          for shortage in result.shortages]}
    return result.status, told


def main():
    parser = argparse.ArgumentParser(description=re.sub(r"\n.*", "", __doc__, flags=re.S))
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--broker", action="append", required=True)
    parser.add_argument("--view", action="append", default=[])
    parser.add_argument("--at-least", action="append", type=position, default=[])
    parser.add_argument("--latest", action="store_true")
    parser.add_argument("--guess", action="store_true")
    parser.add_argument("--id")
    parser.add_argument("--timeout", type=float, default=10.0)
    parser.add_argument("command")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    client = Client(options.cluster, options.broker, guess=options.guess)
    views = Client(options.cluster, options.view) if options.view else None
    status, told = run(client, views, options)
    client.close()
    if views:
        views.close()
    name, _, code = RESULTS.get(status, RESULTS[UNKNOWN])
    print(json.dumps(dict(result=name, **told)))
    return code


if __name__ == "__main__":
    sys.exit(main())

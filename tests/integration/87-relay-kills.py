# SPDX-License-Identifier: MIT
"""Writers at full speed while relays, brokers, workers and databases are killed -9: every subscriber
has every movement of every partition in order, and twice only what was given twice for a death.

HOLDFAST_CHAOS_DURATION, HOLDFAST_CHAOS_SEED: `make chaos` runs it for longer."""
from relays import *

SECONDS = float(os.environ.get("HOLDFAST_CHAOS_DURATION", "6"))
SEED = int(os.environ.get("HOLDFAST_CHAOS_SEED", "1"))
SKUS = ["K%d" % i for i in range(24)]
CLIENTS = 8


def script(count, seed):
    chosen, lines = random.Random(seed), []
    while len(lines) < count:
        client, made = len(lines) % CLIENTS, len(lines)
        lines.append("%d\t0\treserve\tline=%s=%d@W" % (client, chosen.choice(SKUS),
                                                       chosen.randint(1, 2)))
        if chosen.random() < 0.7:
            lines.append("%d\t0\t%s\tr=@%d" % (
                client, chosen.choice(["purchase", "release"]), made))
    return lines


class Reader:
    """`holdfast events NAME --follow --json` into a file; killed and started again at times. The
    file is what the subscriber has worked on."""

    def __init__(self, cluster, name, number):
        self.cluster, self.name = cluster, name
        self.path = os.path.join(cluster.dir, "events-%s-%d" % (name, number))
        self.child, self.deaths = None, 0
        self.starts = []  # sizes of the file at each start
        self.start()

    def start(self):
        self.starts.append(os.path.getsize(self.path) if os.path.exists(self.path) else 0)
        with open(self.path, "ab") as out, open(self.path + ".err", "ab") as err:
            self.child = subprocess.Popen(
                [os.path.join(BIN, "holdfast"), "-C", self.cluster.file, "events", self.name,
                 "--follow", "--json"], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env=dict(os.environ, **{MARK: mark}))

    def kill(self):
        # It hangs before it dies: what was given to it meanwhile it has not worked on.
        self.child.send_signal(signal.SIGSTOP)
        time.sleep(0.4)
        self.child.kill()
        self.child.wait()
        self.deaths += 1
        # A line that was cut off was not worked on.
        with open(self.path, "rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
        self.start()

    def lives(self):
        """What was given to each of its processes."""
        with open(self.path, "rb") as file:
            data = file.read()
        ends = self.starts[1:] + [len(data)]
        return [[json.loads(line) for line in data[a:b].splitlines() if line.endswith(b"}")]
                for a, b in zip(self.starts, ends)]

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
            self.child.wait(scale(30))


def missing(cluster, readers):
    stored = {(p, row[0]) for p, part in ledger(cluster).items() for row in part}
    return stored - {(e["partition"], e["sequence"]) for reader in readers
                     for life in reader.lives() for e in life}


def in_order(reader):
    for life in reader.lives():
        last = {}
        for event in life:
            p = event["partition"]
            # A partition that was another's meanwhile comes back further on, never further back.
            check(event["sequence"] > last.get(p, 0), "%s: partition %d in order: %d after %d" % (
                reader.name, p, event["sequence"], last.get(p, 0)))
            last[p] = event["sequence"]


def same(cluster, readers):
    """What they were given is what the ledger has; returns how many were given twice."""
    rows = {(p, row[0]): row for p, part in ledger(cluster).items() for row in part}
    count = 0
    for reader in readers:
        in_order(reader)
        for life in reader.lives():
            for e in life:
                check("event" not in e, "no halt: %s" % e)
                equal(e["operation_id"].replace("-", "").upper(),
                      rows[e["partition"], e["sequence"]][1], "the operation of %s" % e)
                count += 1
    return count - len(rows)


@test("everything is killed under load; every subscription has every movement, in order")
def kills(cluster):
    chosen = random.Random(SEED)
    for sku in SKUS:
        cluster.hf("item", "put", sku, "--name", "item " + sku)
    cluster.stock(SKUS[0], W=0)
    cluster.hf("receive", *["%s=100000@W" % sku for sku in SKUS])
    # One that nobody kills, one that is killed, and one that three share, one of whom is killed.
    alone, mortal = Reader(cluster, "alone", 0), Reader(cluster, "mortal", 0)
    shared = [Reader(cluster, "shared", n) for n in range(3)]
    try:
        rush(cluster, chosen, alone, mortal, shared)
    finally:
        for reader in [alone, mortal] + shared:
            reader.stop()


def rush(cluster, chosen, alone, mortal, shared):
    readers, results = [alone, mortal] + shared, []

    def write():
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            results.extend(cluster.load(script(600, chosen.random()), clients=CLIENTS, seconds=240,
                                        timeout_ms=60000))
    load = threading.Thread(target=write)
    load.start()
    killed = []
    while load.is_alive():
        time.sleep(chosen.uniform(0.3, 1.2))  # spreads the kills over the load
        role = chosen.choice(["relay", "relay", "relay", "worker", "broker", "mariadbd", "reader"])
        if role == "reader":
            chosen.choice([mortal, shared[0]]).kill()
            killed.append(role)
            continue
        there = cluster.processes(role)
        if there:
            chosen.choice(there).signal(signal.SIGKILL)
            killed.append(role)
    load.join()
    cluster.wait_served(60)
    note("seed %d, %d operations, killed: %s" % (SEED, len(results), ", ".join(killed)))
    check(len(killed) >= 4, "some were killed")
    for name, whose in (("alone", [alone]), ("mortal", [mortal]), ("shared", shared)):
        wait_until(lambda: not missing(cluster, whose), 60,
                   "%s has everything; it lacks %s" % (name, sorted(missing(cluster, whose))[:9]))
    for reader in readers:
        check(reader.child.poll() is None, "%s lives" % reader.path)
        reader.stop()
    total = sum(map(len, ledger(cluster).values()))
    doubles = {name: same(cluster, whose) for name, whose in (
        ("alone", [alone]), ("mortal", [mortal]), ("shared", shared))}
    note("%d movements; given twice: %s; readers killed: %d and %d times" % (
        total, doubles, mortal.deaths, shared[0].deaths))
    equal(doubles["alone"], 0, "nothing twice to one that nobody killed")
    check(doubles["mortal"] == 0 or mortal.deaths > 0, "doubles only after a death")


if __name__ == "__main__":
    run(shards=2, workers=2, partitions=8, brokers=2, relays=2)

# SPDX-License-Identifier: MIT
"""Events by the command line and the library: what is acknowledged is not given again, what is not
is; consumers share."""
from relays import *

class Follower:
    """`holdfast events NAME --follow --json`, read all the time."""

    def __init__(self, cluster, name, *words):
        self.lines = []
        self.child = subprocess.Popen(
            [HOLDFAST, "-C", cluster.file, "events", name, "--follow", "--json", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=dict(os.environ, **{MARK: mark}))
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.child.stdout:
            self.lines.append(line)

    def events(self):
        return [json.loads(line) for line in list(self.lines) if line.endswith("\n")]

    def end(self, number=signal.SIGINT):
        if self.child.poll() is None:
            self.child.send_signal(number)
        self.child.wait(scale(20))
        self.thread.join(scale(5))
        self.err = self.child.stderr.read()
        self.child.stdout.close()
        self.child.stderr.close()
        return self.child.returncode


def goods(cluster):
    for i in range(8):
        cluster.hf("item", "put", "E%d" % i, "--name", "item %d" % i)
    cluster.stock("E0", W=0)
    for i in range(8):
        cluster.hf("receive", "E%d=50@W" % i)


@test("events shows what there is, once; then what has come since")
def once(cluster):
    goods(cluster)
    given, _, _ = events(cluster, "shop")
    equal(rows(given), stored(cluster), "the first time")
    equal(events(cluster, "shop")[0], {}, "the second time")
    made = cluster.hf("reserve", "E1=3@W", "--order", "O-7", "--actor", "kim").json
    given, _, _ = events(cluster, "shop")
    [[event]] = given.values()
    equal((event["movement"], event["sku"], event["warehouse"], event["reserved_change"],
           event["order"], event["actor"], event["operation_id"], event["after"]["available"],
           event["reservation"], event["signals"]),
          ("reserved", "E1", "W", 3, "O-7", "kim", made["operation_id"], 47, made["reservation"],
           []), "the event")
    text = cluster.hf("events", "for-people", json=False).out
    check(re.search(r"reserved  E1@W  reserved \+3  available 47  R-\S+  order O-7  by kim", text),
          "for people: %s" % text)


@test("what runs out is announced once, at the movement that did it")
def signals(cluster):
    events(cluster, "alerts")
    cluster.hf("item", "put", "E2", "--name", "item 2", "--reorder-point", "20")
    cluster.hf("reserve", "E2=30@W")
    cluster.hf("reserve", "E2=1@W")
    cluster.hf("reserve", "E2=1@W")
    cluster.hf("reserve", "E2=18@W")
    cluster.hf("reason", "put", "lost", "--name", "lost")
    cluster.hf("adjust", "E2=-5@W", "--reason", "lost", "--accept-shortfall")
    given, _, _ = events(cluster, "alerts")
    told = [e["signals"] for e in given[cluster.partition("E2")] if e["sku"] == "E2"]
    equal(told, [[], [], ["low_stock"], [], ["out_of_stock", "out_of_stock_here"], ["shortfall"]],
          "signals")


@test("a consumer that is killed before it acknowledges is given it again; after, it is not")
def killed(cluster):
    events(cluster, "killed")
    cluster.hf("receive", "E3=1@W")
    where = cluster.partition("E3")
    # It takes the event, and is gone without an acknowledgement.
    with Consumer(cluster) as c:
        answer = c.subscribe("killed", expect=None)
        if answer.endpoint:
            c.close()
            c.__init__(cluster, 1 if answer.endpoint.decode() == cluster.relay_endpoint(1) else 0)
            c.subscribe("killed")
        c.until(lambda: c.count == 1, what="the event")
    given, _, _ = events(cluster, "killed")
    equal([e["sku"] for e in given[where]], ["E3"], "again")
    equal(events(cluster, "killed")[0], {}, "not again")
    follower = Follower(cluster, "killed")
    cluster.hf("receive", "E3=1@W")
    wait_until(lambda: len(follower.events()) == 1, 20, "it is shown")
    sequence = follower.events()[0]["sequence"]
    wait_until(lambda: cluster.sql(
        "SELECT 1 FROM subscription_position WHERE name='killed' AND partition_id=%d AND seq=%d" % (
            where, sequence), all_shards=True), 20, "it is stored")
    follower.end(signal.SIGKILL)
    equal(events(cluster, "killed")[0], {}, "acknowledged, so not again")


@test("two commands share a subscription; ctrl-C hands over without a double")
def share(cluster):
    first = Follower(cluster, "shared")
    total = sum(map(len, ledger(cluster).values()))
    wait_until(lambda: len(first.events()) == total, 20, "everything to the first")
    second = Follower(cluster, "shared")
    for n in range(100):
        cluster.hf("receive", "E%d=1@W" % (n % 8))
        if len(second.events()) >= 3:
            break
    total = sum(map(len, ledger(cluster).values()))
    wait_until(lambda: len(first.events()) + len(second.events()) == total, 30, "all to the two")
    check(len(second.events()) >= 3, "the second has its share: %d" % len(second.events()))
    equal(first.end(), 130, "ctrl-C: %s" % first.child)
    for i in range(8):
        cluster.hf("receive", "E%d=1@W" % i)
    total += 8
    wait_until(lambda: len(first.events()) + len(second.events()) == total, 30, "all to the second")
    equal(second.end(), 130, "ctrl-C")
    seen = [(e["partition"], e["sequence"]) for e in first.events() + second.events()]
    equal(len(set(seen)), len(seen), "no doubles")
    equal(len(set(seen)), total, "none is missing")


@test("replay, refusals, and the list")
def replay(cluster):
    given, _, _ = events(cluster, "shop", "--from", "start")
    equal(rows(given), stored(cluster), "from the start")
    where = cluster.partition("E1")
    last = stored(cluster)[where][-2][0]
    given, _, _ = events(cluster, "shop", "--from", "%d:%d" % (where, last))
    equal({p: len(part) for p, part in given.items()}, {where: 1}, "from a position")
    _, _, done = events(cluster, "shop", "--from", "%d:%d" % (where, 10**9), expect=1)
    check(done.err.startswith("holdfast: events: invalid") and "the last one is" in done.err,
          done.err)
    _, _, done = events(cluster, "shop", "--from", "yesterday", expect=64)
    check("PARTITION:SEQUENCE" in done.err, done.err)
    _, _, done = events(cluster, "no\tname", expect=64)
    check("control character" in done.err, done.err)
    follower = Follower(cluster, "shop")
    wait_until(lambda: [s for s in cluster.hf("subscription", "list").lines
                        if s["name"] == "shop" and s["relay"]], 20, "it is consumed")
    _, _, done = events(cluster, "shop", "--from", "start", expect=69)
    check("others consume this subscription" in done.err, done.err)
    names = [s["name"] for s in cluster.hf("subscription", "list").lines]
    equal(names, sorted(names), "names")
    equal(cluster.hf("subscription", "delete", "shop").json, {"name": "shop", "deleted": True},
          "deleted")
    wait_until(lambda: follower.child.poll() is not None, 20, "its consumer ends")
    equal(follower.end(), 1, "exit code")
    check("deleted" in follower.err, follower.err)
    check("shop" not in [s["name"] for s in cluster.hf("subscription", "list").lines], "it is gone")
    done = cluster.hf("subscription", "delete", "shop", expect=1)
    check("invalid: delete.name: there is no such subscription" in done.err, done.err)


if __name__ == "__main__":
    run(shards=2, workers=1, partitions=6, relays=2)

# SPDX-License-Identifier: MIT
"""Chaos: 64 clients ask for everything while whatever there is dies or stands still.

Two shards, two workers each, two brokers and views; eight client processes with eight clients each
(chaos_clients.c). By a schedule that follows from a seed, workers, brokers, databases, views and clients
are killed -9, or stopped and continued; the supervisor starts again what died, and this file the
clients. In the end everything settles, the audit is clean, and check-history (tests/history) judges
what every client was told against the ledger.

HOLDFAST_CHAOS_SECONDS: faults of a round, 30. HOLDFAST_CHAOS_DURATION: of all rounds together;
then a round has 60 (`make chaos`). HOLDFAST_CHAOS_SEED: of the first round; the next have the next
numbers. What a failed round leaves is kept in BUILD/chaos/SEED: logs of clients and processes, the
ledger, the schedule.
"""
import random

from harness import *

DURATION = float(os.environ.get("HOLDFAST_CHAOS_DURATION") or 0)
SECONDS = float(os.environ.get("HOLDFAST_CHAOS_SECONDS") or (60 if DURATION else 30))
ROUNDS = max(1, round(DURATION / SECONDS))
SEED = int(os.environ.get("HOLDFAST_CHAOS_SEED") or 20261)
SHARDS, WORKERS, BROKERS, PARTITIONS = 2, 2, 2, 16
VIEWS = 2
PROCESSES, CLIENTS = 8, 8
DRAIN_SECONDS = 90
CATALOG_LAG_US = 30000000  # a shard may be gone when a warehouse is put
CLOCK_SKEW_US = 1000000
EPOCH_US = int((time.time() - time.monotonic()) * 1e6)

# How often, what, whom, and for how long (seconds; of a stop).
ACTIONS = [(5, "kill", "worker", None), (5, "stop", "worker", (0.2, 6)),
           (2, "kill", "broker", None), (2, "stop", "broker", (0.2, 5)),
           (2, "kill", "mariadbd", None), (2, "stop", "mariadbd", (0.2, 4)),
           (2, "kill", "view", None), (1, "stop", "view", (0.2, 4)),
           (2, "kill", "client", None), (2, "stop", "client", (0.2, 3))]


def now_us():
    return int(time.monotonic() * 1e6) + EPOCH_US


class Fault:
    def __init__(self, at, action, role, which, seconds):
        self.at, self.action, self.role, self.which, self.seconds = at, action, role, which, seconds
        self.done_us = None  # None: there was nobody

    def __str__(self):
        return "%6.2f s: %s %s %d%s%s" % (
            self.at, self.action, self.role, self.which,
            " for %.2f s" % self.seconds if self.seconds else "",
            "" if self.done_us else " (was not there)")


def schedule(seed, seconds):
    """All faults of a round: they follow from the seed alone."""
    chosen = random.Random(seed)
    count = {"worker": SHARDS * WORKERS, "broker": BROKERS, "mariadbd": SHARDS,
             "view": VIEWS, "client": PROCESSES}
    faults, at = [], 1.0
    while at < seconds:
        _, action, role, span = chosen.choices(ACTIONS, [a[0] for a in ACTIONS])[0]
        faults.append(Fault(at, action, role, chosen.randrange(count[role]),
                            chosen.uniform(*span) if span else 0))
        at += 0 if chosen.random() < 0.15 else min(2.5, chosen.expovariate(1 / 1.0))
    return faults


# ---------------------------------------------------------------- clients


class ClientProcess:
    """One process of clients through all its lives."""

    def __init__(self, chaos, number):
        self.chaos, self.number, self.life = chaos, number, 0
        self.logs, self.child, self.stopped = [], None, False

    def start(self, setup=False, until_us=None):
        self.life += 1
        log = os.path.join(self.chaos.folder, "clients-%d-%d.log" % (self.number, self.life))
        argv = [os.path.join(BUILD, "tests", "faults", "chaos_clients"),
                "--cluster", self.chaos.cluster.file, "--log", log, "--process", self.number,
                "--life", self.life, "--seed", self.chaos.seed, "--epoch-us", EPOCH_US,
                "--until-us", until_us or self.chaos.until_us, "--clients", CLIENTS,
                "--partitions", PARTITIONS, "--setup", int(setup),
                "--drain-ms", int(scale(DRAIN_SECONDS) * 1000), *self.logs]
        self.logs.append(log)
        with open(os.path.join(self.chaos.folder, "clients-%d.err" % self.number), "ab") as err:
            self.child = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL,
                                          stdout=err, stderr=err,
                                          env=dict(os.environ, **{MARK: mark}))

    def signal(self, number):
        self.child.send_signal(number)

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.start()

    def wait(self, seconds):
        try:
            code = self.child.wait(scale(seconds))
        except subprocess.TimeoutExpired:
            raise Failure("the clients of process %d do not end" % self.number)
        check(code == 0, "the clients of process %d ended with %d: %s" % (
            self.number, code, self.errors()))

    def errors(self):
        with open(os.path.join(self.chaos.folder, "clients-%d.err" % self.number),
                  errors="replace") as file:
            return file.read()[-2000:]

    def end(self):
        if self.child and self.child.poll() is None:
            self.child.kill()
            self.child.wait()


# ---------------------------------------------------------------- the ledger as text


MOVEMENT_RUN_BEGUN, MOVEMENT_RUN_RECORDED = 21, 22  # of holdfast.proto


def fields(*names, **renamed):
    """SQL that gives name=value with tabs between; what is 0 or empty is left out."""
    parts = []
    for name, column in [(n, n) for n in names] + list(renamed.items()):
        value = "HEX(%s)" % column if column.endswith("_id") and column != "partition_id" else column
        parts.append("IF(%s='' OR %s='0',NULL,CONCAT('%s=',%s))" % (value, value, name, value))
    return ",".join(parts)


BALANCES = ("on_hand", "reserved", "committed", "unavailable", "safety_stock", "reorder_point",
            "shortfall", "on_hand_version")
COUNTERS = ("quantity", "reserved", "committed", "shipped", "cancelled", "released", "returned")
TABLES = [
    ("movement", "movement", fields(
        "seq", "idx", "kind", "epoch", "at_us", "sku", "warehouse", "prev", "d_on_hand",
        "d_reserved", "d_committed", "d_unavailable", *BALANCES, "line", "state", "revision",
        "expires_at_us", *("l_" + c for c in COUNTERS), "undoes", partition="partition_id",
        id="operation_id", reservation="reservation_id") + ",IF(kind IN (%d,%d),%s,NULL)" % (
            MOVEMENT_RUN_BEGUN, MOVEMENT_RUN_RECORDED, "CONCAT('detail=',HEX(detail))")),
    ("level", "stock_level", fields("sku", "warehouse", "version", *BALANCES,
                                    partition="partition_id")),
    ("reservation", "reservation", fields("state", "revision", "expires_at_us",
                                          partition="partition_id",
                                          reservation="reservation_id")),
    ("held", "reservation_line", fields("line", "sku", "warehouse", *COUNTERS,
                                        partition="partition_id",
                                        reservation="reservation_id")),
    ("run", "run", fields("run", "blank", "actor", "created_at_us", "undoes", "state", "applied",
                          "refused", "unknown", "changed_at_us", "version", lines="line_count",
                          **{"in": "partition_id"}) + ",CONCAT('digest=',HEX(file_hash))"),
    ("run_block", "run_line", fields("run", **{"in": "partition_id"}) +
     ",CONCAT('detail=',HEX(detail))"),
]


def export_ledger(cluster, path):
    """All tables of a shard as of one moment: the workers go on, if only with expiries."""
    query = ("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;\n"
             "START TRANSACTION WITH CONSISTENT SNAPSHOT;\n") + "".join(
        "SELECT CONCAT_WS('\\t','%s',%s) FROM %s;\n" % (event, columns, table)
        for event, table, columns in TABLES)
    with open(path, "w") as file:
        file.write("history\tpartitions=%d\tclock_skew_us=%d\tcatalog_lag_us=%d\n" % (
            PARTITIONS, scale(CLOCK_SKEW_US), scale(CATALOG_LAG_US)))
        file.write(cluster.sql_text(query, all_shards=True, seconds=120))
        file.write("final\n")


# ---------------------------------------------------------------- what was told


class Told:
    """Figures from the clients' logs."""

    def __init__(self, paths):
        self.kinds, self.operations, self.attempts = {}, {}, 0
        self.applied = {}  # partition: [(invoke, answer)] in microseconds
        for path in paths:
            self.read(path)

    def read(self, path):
        invoked = {}
        with open(path, errors="replace") as file:
            for line in file:
                if not line.endswith("\n"):
                    continue
                head = dict(word.partition("=")[::2] for word in line.split("\t")[1:12])
                if line.startswith("invoke"):
                    invoked[head["call"]] = int(head["time"])
                    kind = head["kind"].strip()
                    self.operations[kind] = self.operations.get(kind, 0) + 1
                else:
                    status = head["status"].strip()
                    self.kinds[status] = self.kinds.get(status, 0) + 1
                    self.attempts += max(0, int(head.get("attempts", 0)) - 1)
                    if status == "applied":
                        self.applied.setdefault(int(head.get("partition", 0)), []).append(
                            (invoked[head["call"]], int(head["time"])))

    def without_service(self, at_us, partitions):
        """How long after that time it took until every one of the partitions had answered
        something that was asked afterwards; None: one was not asked again."""
        longest = 0
        for partition in partitions:
            after = [answer for invoke, answer in self.applied.get(partition, []) if invoke > at_us]
            if not after:
                return None
            longest = max(longest, min(after) - at_us)
        return longest / 1e6


# ---------------------------------------------------------------- a round


class Chaos:
    def __init__(self, seed):
        self.seed = seed
        self.faults = schedule(seed, SECONDS)
        self.folder = os.path.join(BUILD, "chaos", str(seed))
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.cluster = None
        self.clients = [ClientProcess(self, i) for i in range(PROCESSES)]
        self.continues = []  # (when, what)
        self.until_us = 0

    def targets(self, role):
        """The processes of a role by name, None for one that is down."""
        if role == "client":
            return self.clients
        found = self.cluster.processes(role)
        if role == "mariadbd":
            return [next((p for p in found if any("/shards/%s/" % shard["name"] in word
                                                  for word in p.argv)), None)
                    for shard in self.cluster.config["shards"]]
        return [next((p for p in found if p.name == name), None) for name in self.names[role]]

    def strike(self, fault):
        target = self.targets(fault.role)[fault.which]
        if target is None:
            return
        fault.done_us = now_us()
        if fault.action == "kill":
            target.kill()
        else:
            target.signal(signal.SIGSTOP)
            self.continues.append((time.monotonic() + fault.seconds, target))

    def continue_due(self, all=False):
        due = [c for c in self.continues if all or c[0] <= time.monotonic()]
        self.continues = [c for c in self.continues if c not in due]
        for _, target in due:
            target.signal(signal.SIGCONT)

    def run_faults(self):
        begun = time.monotonic()
        for fault in self.faults:
            while time.monotonic() < begun + fault.at:
                self.continue_due()
                time.sleep(0.01)
            self.strike(fault)
            self.check_clients()
        while self.continues:
            self.continue_due()
            time.sleep(0.01)

    def check_clients(self):
        for client in self.clients:
            code = client.child.poll()
            check(code is None or code == 0, "clients ended by themselves with %s: %s" % (
                code, client.errors()))

    def run(self):
        with Cluster(shards=SHARDS, workers=WORKERS, partitions=PARTITIONS,
                     brokers=BROKERS, views=VIEWS) as self.cluster:
            try:
                self.names = {role: sorted(p.name for p in self.cluster.processes(role))
                              for role in ("worker", "broker", "view")}
                self.shards = {p.name: p.option("--shard")
                               for p in self.cluster.processes("worker")}
                equal((len(self.names["worker"]), len(self.names["broker"])),
                      (SHARDS * WORKERS, BROKERS), "workers and brokers")
                self.clients[0].start(setup=True, until_us=now_us())
                self.clients[0].wait(60)
                self.until_us = now_us() + int(SECONDS * 1e6)
                for client in self.clients:
                    client.start()
                self.run_faults()
                for client in self.clients:
                    client.wait(SECONDS + DRAIN_SECONDS)
                self.judge()
            except BaseException:
                self.keep()
                raise
            finally:
                self.continue_due(all=True)
                for client in self.clients:
                    client.end()

    # ------------------------------------------------------------- verdict

    def judge(self):
        self.cluster.wait_served(60)
        ledger = os.path.join(self.folder, "ledger.txt")
        export_ledger(self.cluster, ledger)
        logs = [log for client in self.clients for log in client.logs]
        done = execute([os.path.join(BUILD, "tests", "history", "check-history"), ledger] + logs,
                       300)
        with open(os.path.join(self.folder, "verdict.txt"), "w") as file:
            file.write(done.out + done.err)
        self.tell(Told(logs), done.out)
        check(done.code == 0, "the history is not right: %s" % "\n".join(
            (done.out + done.err).splitlines()[:20]))
        self.check_figures(dict(re.findall(r" (\w+)=(\d+)", done.out.splitlines()[-1])))
        self.cluster.audit()

    def check_figures(self, figures):
        """A round in which nothing happened proves nothing. And nobody asked for what is invalid,
        so no refusal may be of the kinds that only say that nothing was applied."""
        equal(int(figures["refusals_skipped"]), 0, "refusals as internal, invalid, too_large, …")
        for name, least in (("applied", 30), ("refusals_judged", 3), ("expiries", 2),
                            ("groups", 30), ("undos", 0.2), ("run_lines", 0.5),
                            ("list_lines", 0.5)):
            least *= SECONDS / TIMESCALE
            check(int(figures[name]) >= least, "%s is %s: at least %d" % (
                name, figures[name], least))

    def tell(self, told, verdict):
        note("seed %d: %d operations in %g s: %s" % (
            self.seed, sum(told.operations.values()), SECONDS, counts(told.operations)))
        note("results: %s; retries: %d; lives of client processes: %d" % (
            counts(told.kinds), told.attempts, sum(len(c.logs) for c in self.clients)))
        struck = [f for f in self.faults if f.done_us]
        note("faults: " + counts(tally("%s %s" % (f.action, f.role) for f in struck)))
        owned = [[int(row[0]) for row in self.cluster.sql(
            "SELECT partition_id FROM `partition`", shard=i)] for i in range(SHARDS)]
        for role in ("worker", "broker", "mariadbd"):
            spans = []
            for fault in struck:
                if (fault.action, fault.role) == ("kill", role):
                    partitions = owned[fault.which] if role == "mariadbd" else (
                        owned[0] + owned[1] if role == "broker" else owned[self.shard_of(fault)])
                    spans.append(told.without_service(fault.done_us, partitions))
            spans = sorted(s for s in spans if s is not None)
            if spans:
                note("after a kill of a %s a partition was without service for at most %.2f s "
                     "(median %.2f s, %d kills)" % (role, spans[-1], spans[len(spans) // 2],
                                                    len(spans)))
        note(verdict.splitlines()[-1])

    def shard_of(self, fault):
        name = self.shards[self.names["worker"][fault.which]]
        return [s["name"] for s in self.cluster.config["shards"]].index(name)

    def keep(self):
        with open(os.path.join(self.folder, "schedule.txt"), "w") as file:
            file.write("seed %d, %g s\n" % (self.seed, SECONDS))
            file.write("".join("%s\n" % f for f in self.faults))
        logs = os.path.join(self.cluster.dir, "log")
        if os.path.isdir(logs):
            shutil.copytree(logs, os.path.join(self.folder, "log"), dirs_exist_ok=True)
        note("seed %d failed; everything is kept in %s" % (self.seed, self.folder))
        for fault in self.faults:
            note(fault)


def tally(words):
    found = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return found


def counts(numbers):
    return ", ".join("%s %d" % pair for pair in sorted(numbers.items(), key=lambda p: -p[1]))


def add_round(seed):
    @test("chaos for %g s, seed %d: everything settles and the history is right" % (SECONDS, seed))
    def chaos_round():
        chaos = Chaos(seed)
        chaos.run()
        shutil.rmtree(chaos.folder)


for number in range(ROUNDS):
    add_round(SEED + number)

if __name__ == "__main__":
    run(cluster=False)

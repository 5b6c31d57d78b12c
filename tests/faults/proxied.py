# SPDX-License-Identifier: MIT
"""A cluster whose workers reach the database through proxies, one a worker, and whose processes are
the test's own: nobody starts again what a test has ended.

`holdfast up` makes the cluster and is taken down again; then server, brokers and workers are started
by the command lines that `up` used, with the proxy's socket in each worker's cluster.yaml.
"""
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "integration"))
import harness  # noqa: E402
from harness import *  # noqa: E402,F401,F403
from harness import (Cluster, Failure, check, equal, execute, scale, stands,  # noqa: E402
                     wait_until, wire)
from proxy import Proxy  # noqa: E402


class Proxied(Cluster):
    """workers: names of those that start at once; others by start_worker()."""

    def __init__(self, workers=("w1",), brokers=1, **options):
        super().__init__(workers=1, brokers=brokers, **options)
        self.names = workers
        self.proxies, self.children, self.argv = {}, {}, {}

    def start(self):
        super().start()
        for process in self.processes():
            if process.role in ("mariadbd", "broker", "worker"):
                self.argv[process.name or process.role] = process.argv
        self.worker_argv = self.argv.pop("w1")
        self.down()
        self.server_socket = self.config["shards"][0]["servers"][0]["socket"]
        self.start_database()
        for name in sorted(self.argv):
            if name != "mariadbd":
                self._spawn(name, self.argv[name])
        for name in self.names:
            self.start_worker(name)
        self.wait_served()
        return self

    def _spawn(self, name, argv):
        with open(os.path.join(self.dir, "log", name + ".err"), "ab") as log:
            self.children[name] = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(os.environ, **{harness.MARK: harness.mark}))

    def peer(self, *broker, **options):
        """Its session outlives what the test waits for."""
        return super().peer(*broker, **options).keep()

    # ------------------------------------------------------------- the database

    def start_database(self):
        self._spawn("mariadbd", self.argv["mariadbd"])
        wait_until(self._answers, 30, "the database answers")

    def _answers(self):
        check(self.children["mariadbd"].poll() is None, "the database ended")
        try:
            return self.sql("SELECT 1") == [("1",)]
        except Failure:
            return False

    def stop_database(self, number=signal.SIGTERM):
        self.children["mariadbd"].send_signal(number)
        self.children["mariadbd"].wait(scale(30))

    @property
    def data(self):
        """The server's data folder."""
        return os.path.join(self.dir, "shards", self.config["shards"][0]["name"], "data")

    def schema_sql(self, query):
        """As the user that may make tables; MySQL's root is locked."""
        with open(os.path.join(os.path.dirname(self.data), "schema_password")) as file:
            password = file.read().strip()
        done = execute(["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--raw",
                        "--socket=" + self.server_socket, "--user=holdfast_schema", "holdfast"],
                       30, input=query, env={"MYSQL_PWD": password})
        check(done.code == 0, "sql: %s" % done)
        return [tuple(line.split("\t")) for line in done.out.splitlines()]

    def connections(self):
        """{id: statement} of the workers' user at the server."""
        return {row[0]: row[7] for row in self.sql("SHOW FULL PROCESSLIST")}

    # ------------------------------------------------------------- workers

    def start_worker(self, name, brokers=None):
        """brokers: indices of those that it speaks to; None: all."""
        folder = os.path.dirname(self.server_socket)
        path = os.path.join(folder, name + ".proxy")
        if name not in self.proxies:
            self.proxies[name] = Proxy(path, self.server_socket)
        with open(self.file) as file:
            text = file.read().replace(self.server_socket, path)
        if brokers is not None:
            items = re.search(r"^brokers:\n((?:[ -].*\n)+)", text, re.M).group(1)
            each = re.findall(r"^ *- .*\n(?: +[^ -].*\n)*", items, re.M)
            text = text.replace(items, "".join(each[i] for i in brokers))
        config = os.path.join(self.dir, name + ".yaml")
        with open(config, "w") as file:
            file.write(text)
        argv = list(self.worker_argv)
        for option, value in (("-C", config), ("--name", name),
                              ("--log", os.path.join(self.dir, "log", name + ".log"))):
            argv[argv.index(option) + 1] = value
        self._spawn(name, argv)

    def end_worker(self, name, number=signal.SIGTERM):
        child = self.children.pop(name)
        child.send_signal(signal.SIGCONT)
        child.send_signal(number)
        code = child.wait(scale(20))
        equal(code, 0 if number == signal.SIGTERM else -number, "exit code of worker " + name)

    def pause(self, name):
        """SIGSTOP, and returns when it stands."""
        pid = self.children[name].pid
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: stands(pid), 5, name + " stands")

    def resume(self, name):
        os.kill(self.children[name].pid, signal.SIGCONT)

    def epochs(self):
        return {int(p): int(epoch) for p, epoch in self.sql(
            "SELECT partition_id, epoch FROM `partition`")}

    def owners(self):
        """{partition: name}, '' where nobody owns it."""
        return {int(p): owner for p, owner in self.sql(
            "SELECT partition_id, owner FROM `partition`")}

    # ------------------------------------------------------------- the end

    def audit(self):
        """Of the owners alone: no view was started again."""
        done = self.hf("audit", "--no-views", expect=None, seconds=60)
        check(done.code == 0, "the audit found something: %s" % done)

    def close(self):
        if self.closed:
            return []
        wrong = []
        for proxy in self.proxies.values():
            proxy.clear()
        order = sorted(self.children, key=lambda name: (name == "mariadbd", name[0] == "b"))
        for name in order:
            child = self.children[name]
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.send_signal(signal.SIGKILL if name == "mariadbd" else signal.SIGTERM)
                try:
                    child.wait(scale(20))
                except subprocess.TimeoutExpired:
                    wrong.append("%s does not end" % name)
                    child.kill()
                    child.wait()
            if name != "mariadbd" and child.returncode != 0:
                wrong.append("%s ended with %d" % (name, child.returncode))
        for name, proxy in self.proxies.items():
            if proxy.failure:
                wrong.append("the proxy of %s failed: %r" % (name, proxy.failure))
            proxy.close()
        return wrong + super().close()


class Asked:
    """Operations that were sent in one message, and what must become of each."""

    def __init__(self, cluster):
        self.cluster, self.entries = cluster, []

    def add(self, home, status, kind, /, attempt=1, operation=None, **fields):
        """home: the SKU whose partition it goes to."""
        op = operation or wire.operation(kind, **fields)
        self.entries.append((op, self.cluster.partition(home), status, attempt))
        return op

    def send(self, peer, again=False):
        """again: the same once more, with a higher attempt."""
        items = []
        for op, partition, _, attempt in self.entries:
            header = peer.work_header(wire.OPERATION, partition, seconds=30,
                                      attempt=attempt + 1 if again else attempt)
            items.append((header, op.SerializeToString()))
        peer.frames(wire.Header(wire.BATCH, partition=0).pack(), wire.batch_body(items))
        return [header.sequence for header, _ in items]

    def judge(self, peer, results, seconds=15, may_be_unknown=False):
        """Every answer is the right one; then every retry has the same answer, and the ledger has
        what was applied once and nothing else."""
        allowed = {wire.STATUS_CODES["unknown"]} if may_be_unknown else set()
        for (op, _, status, _), result in zip(self.entries, results):
            if result.status not in allowed:
                equal(wire.status_name(result.status), status, "answer to %s (%s)" % (
                    op.WhichOneof("kind"), result.message))
        again = [peer.outcome(s, seconds) for s in self.send(peer, again=True)]
        for (op, _, status, _), first, second in zip(self.entries, results, again):
            what = op.WhichOneof("kind")
            equal(wire.status_name(second.status), status, "answer to the retry of " + what)
            if status == "applied":
                check(second.replayed or first.status in allowed,
                      "the retry of %s is a replay" % what)
                if first.status not in allowed:
                    equal((second.sequence, second.claim_id), (first.sequence, first.claim_id),
                          "sequence and claim of the retry of " + what)
        self.check_ledger()

    def written_by(self, epochs):
        """Of what is new and applied: is it written by the claims with these epochs? True, False,
        or "some of it"."""
        ids = ["x'%s'" % op.operation_id.hex() for op, _, status, attempt in self.entries
               if status == "applied" and attempt == 1]
        found = {epochs[int(partition)] == int(epoch) for partition, epoch in self.cluster.sql(
            "SELECT partition_id, epoch FROM movement WHERE operation_id IN (%s)" % ",".join(ids))}
        return found.pop() if len(found) == 1 else "some of it"

    def check_ledger(self):
        ids = {op.operation_id.hex().upper(): status for op, _, status, _ in self.entries}
        rows = {row[0]: row[1:] for row in self.cluster.sql(
            "SELECT HEX(operation_id), COUNT(*), COUNT(DISTINCT idx), MAX(idx)+1 FROM movement"
            " WHERE operation_id IN (%s) GROUP BY operation_id" % ",".join(
                "x'%s'" % id for id in ids))}
        for id, status in ids.items():
            if status == "applied":
                check(id in rows, "an applied operation is not in the ledger: " + id)
                equal(rows[id], ("1", "1", "1"), "movements of " + id)
            else:
                check(id not in rows, "a refused operation is in the ledger: " + id)


def run_case(proxy, peer, asked, name, rules, **options):
    """Sends the operations with these rules set at the worker's proxy; each must have acted."""
    begun = time.monotonic()
    try:
        results = [peer.outcome(s, 20) for s in asked.send(peer)]
        for rule in rules:
            check(rule.wait(scale(10)), "met: %r" % rule)
        proxy.clear()
        asked.judge(peer, results, **options)
    except AssertionError as error:
        raise Failure("%s: %s; steps: %s" % (name, error, proxy.steps(since=begun)))
    finally:
        proxy.clear()


class Shop:
    """Three SKUs, in partitions of their own, and what clients were told that they have."""

    def __init__(self, cluster, prefix, partitions=None):
        """partitions: those that may be used; None: all."""
        self.cluster, self.skus, self.units, self.last = cluster, [], {}, []
        taken = set()
        for i in range(10000):
            sku = "%s%d" % (prefix, i)
            partition = cluster.partition(sku)
            if len(self.skus) < 3 and partition not in taken and (
                    partitions is None or partition in partitions):
                taken.add(partition)
                self.skus.append(sku)
                self.units[sku] = 0
        equal(len(self.skus), 3, "SKUs of the shop")
        for sku in self.skus:
            cluster.stock(sku, W=1000000)

    def ask(self, retry_attempt=2):
        """Five operations over the three partitions: holds, a refusal, a receipt, and the retry of
        an earlier hold."""
        a, b, c = self.skus
        asked = Asked(self.cluster)
        hold = asked.add(a, "applied", "reserve", lines=[(a, "W", 1)], ttl_ms=3600000)
        asked.add(b, "applied", "reserve", lines=[(b, "W", 2)], ttl_ms=3600000)
        asked.add(a, "insufficient_stock", "reserve", lines=[(a, "W", 900000000)], ttl_ms=3600000)
        asked.add(c, "applied", "receive", lines=[(c, "W", 3)], reference="case")
        if self.last:  # a look-up, whatever the caches hold
            asked.add(a, "applied", None, operation=self.last.pop(), attempt=retry_attempt)
        self.last.append(hold)
        for sku, units in ((a, 1), (b, 2), (c, 3)):
            self.units[sku] += units
        return asked

    def check_levels(self):
        """What is held and on the shelf is what the answers said."""
        a, b, c = self.skus
        levels = {sku: self.cluster.level(sku) for sku in self.skus}
        equal({a: levels[a]["reserved"], b: levels[b]["reserved"],
               c: levels[c]["on_hand"] - 1000000}, self.units, "units")


if __name__ == "__main__":
    sys.exit("this is no test")

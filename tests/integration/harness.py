# SPDX-License-Identifier: MIT
"""What integration tests share: a private cluster, processes to kill, the command line, TAP.

A test file looks like this:

    from harness import *

    @test("a reserve holds what it says")
    def reserve(cluster):
        cluster.stock("A", W=10)
        made = cluster.hf("reserve", "A=3@W")
        equal(made.json["result"], "applied", "the result")

    if __name__ == "__main__":
        run(workers=2)

Each @test function is one line of TAP. run() starts one cluster for the file, calls the tests in
order, audits, takes everything down, and fails when a process is left over. Nothing here may end a
process that the test did not start, and no wait is without a deadline.
"""
import atexit
import contextlib
import getpass
import json
import os
import re
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire  # noqa: E402
from wire import BIN, BUILD, PLAIN, ROOT, TIMESCALE, pb, partition_of, scale  # noqa: E402,F401

LOAD = os.environ.get("HOLDFAST_LOAD", os.path.join(BUILD, "tests", "integration", "load"))
ON_MYSQL = bool(os.environ.get("HOLDFAST_MYSQLD"))
# Of a database: MariaDB knows the owner of the server's process; for MySQL see mysqld-for-tests.
ADMINISTRATOR = "holdfast_test" if ON_MYSQL else getpass.getuser()


MARK = "HOLDFAST_TEST_MARK"  # in the environment of everything that this file starts
mark = "%d-%s" % (os.getpid(), secrets.token_hex(4))


class Failure(AssertionError):
    pass


def stands(pid):
    """Every thread of it is stopped, or it has ended."""
    try:
        for thread in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/stat" % (pid, thread)) as file:
                if file.read().rpartition(")")[2].split()[0] not in "TtZX":
                    return False
    except OSError:
        pass
    return True


class Skip(Exception):
    """raise Skip("why"): counts as a failure when CI=true."""


def check(value, text):
    if not value:
        raise Failure(text)


def equal(got, want, text):
    if got != want:
        raise Failure("%s: got %r, want %r" % (text, got, want))


def note(text):
    """A line of diagnosis in the log, such as a figure that was measured."""
    for line in str(text).splitlines():
        print("# " + line, flush=True)


def wait_until(condition, seconds, what):
    """The first true value of condition(), which is asked again until it is."""
    deadline = time.monotonic() + scale(seconds)
    pause = 0.01
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure("not within %g s: %s" % (scale(seconds), what))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


# ---------------------------------------------------------------- processes


# Commands that give up after 10 seconds, however slow the machine is said to be.
PATIENT = ("stock", "reserve", "purchase", "release", "ship", "extend", "cancel", "return", "receive",
           "adjust", "count", "transfer", "item", "warehouse", "reason", "reservation", "history",
           "audit")
PROGRAMS = ("holdfast", "holdfast-broker", "holdfast-worker", "holdfast-view", "holdfast-relay",
            "holdfast-console", "mysqld")


class Process:
    """A process of this test, found in /proc by its mark."""

    def __init__(self, pid, argv, started):
        self.pid, self.argv, self.started = pid, argv, started
        program = os.path.basename(argv[0])
        # tools/mysql-root.sh runs MySQL by its own loader, tests/run our programs by valgrind.
        if program.startswith(("ld-linux", "valgrind")):
            words = [os.path.basename(word) for word in argv if not word.startswith("-")]
            program = next((w for w in words if w in PROGRAMS), program)
        roles = {"holdfast-worker": "worker", "holdfast-broker": "broker",
                 "holdfast-view": "view", "holdfast-relay": "relay",
                 "mariadbd": "mariadbd", "mysqld": "mariadbd"}
        self.role = roles.get(program, "supervisor" if program == "holdfast" else program)

    def option(self, name):
        for i, word in enumerate(self.argv):
            if word == name and i + 1 < len(self.argv):
                return self.argv[i + 1]
            if word.startswith(name + "="):
                return word[len(name) + 1:]
        return None

    @property
    def name(self):
        if self.role == "broker":
            return self.option("--name") or "b%d" % (int(self.option("--index") or 0) + 1)
        return self.option("--name")

    def alive(self):
        return process_started(self.pid) == self.started

    def signal(self, number):
        """Whoever is gone, or goes now, as children do with their supervisor, is not an error."""
        with contextlib.suppress(ProcessLookupError):
            if self.alive():
                os.kill(self.pid, number)

    def kill(self, seconds=10):
        """SIGKILL, and waits until it is gone."""
        self.signal(signal.SIGKILL)
        wait_until(lambda: not self.alive(), seconds, "%r is gone" % self)

    def __repr__(self):
        return "%s %s (pid %d)" % (self.role, self.name or "", self.pid)


def process_started(pid):
    """Start time of a process that is alive (not a zombie), or None."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def marked_processes(value):
    found = []
    want = ("%s=%s" % (MARK, value)).encode()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open("/proc/%s/environ" % entry, "rb") as file:
                if want not in file.read().split(b"\0"):
                    continue
            with open("/proc/%s/cmdline" % entry, "rb") as file:
                argv = [w.decode(errors="replace") for w in file.read().split(b"\0")[:-1]]
        except OSError:
            continue
        started = process_started(int(entry))
        if started and argv:
            found.append(Process(int(entry), argv, started))
    return sorted(found, key=lambda p: p.pid)


class Finished:
    """What a program gave: code, out, err; json and lines parse out; result is the name of the
    result wherever it is told."""

    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise Failure("no JSON object: %s" % self)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    @property
    def result(self):
        word = re.match(r"(?:holdfast: )?([a-z_]+)", self.err)
        if word and word.group(1) in wire.STATUS_CODES:
            return word.group(1)
        try:
            return json.loads(self.out).get("result")
        except (ValueError, AttributeError):
            return None

    def __str__(self):
        return "%s: exit %s\nstdout: %s\nstderr: %s" % (
            " ".join(self.argv), self.code, self.out.strip()[-2000:], self.err.strip()[-2000:])


def rest_of_output(child):
    """What a child that was killed has said. What it had started may hold the pipes open for ever, so
    it is not waited for long."""
    try:
        out, err = child.communicate(timeout=scale(2))
    except subprocess.TimeoutExpired as late:
        out, err = late.stdout, late.stderr
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                pipe.close()
    return [text.decode(errors="replace") if isinstance(text, bytes) else text or ""
            for text in (out, err)]


def execute(argv, seconds=30, input=None, env=None, cwd=None):
    merged = dict(os.environ, **{MARK: mark}, **(env or {}))
    child = subprocess.Popen(argv, stdin=subprocess.PIPE if input is not None
                             else subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, env=merged, cwd=cwd)
    try:
        out, err = child.communicate(input, timeout=scale(seconds))
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = rest_of_output(child)
        raise Failure("not done within %g s: %s\nstdout: %s\nstderr: %s" % (
            scale(seconds), " ".join(argv), out[-2000:], err[-2000:]))
    return Finished(argv, child.returncode, out, err)


# ---------------------------------------------------------------- cluster.yaml


def read_yaml(text):
    """The part of YAML that cluster.yaml of `holdfast up` uses: block maps and lists, scalars."""
    rows = []
    for line in text.splitlines():
        bare = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if bare.strip() and bare.strip() != "---":
            rows.append((len(bare) - len(bare.lstrip()), bare.strip()))

    def scalar(word):
        if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
            return word[1:-1]
        return int(word) if re.fullmatch(r"\d+", word) else word

    def block(i, indent):
        if rows[i][1].startswith("- "):
            items = []
            while i < len(rows) and rows[i][0] == indent and rows[i][1].startswith("-"):
                inner = rows[i][1][1:].lstrip()
                deeper = indent + len(rows[i][1]) - len(inner)
                if re.match(r"[\w-]+:(\s|$)", inner):
                    rows[i] = (deeper, inner)
                    value, i = block(i, deeper)
                else:
                    value, i = scalar(inner), i + 1
                items.append(value)
            return items, i
        values = {}
        while i < len(rows) and rows[i][0] == indent and not rows[i][1].startswith("- "):
            key, _, rest = rows[i][1].partition(":")
            rest = rest.strip()
            i += 1
            if rest:
                values[key] = scalar(rest)
            elif i < len(rows) and (rows[i][0] > indent or rows[i][1].startswith("- ")):
                values[key], i = block(i, rows[i][0])
            else:
                values[key] = None
        return values, i

    return block(0, rows[0][0])[0] if rows else {}


def with_sections(text, sections):
    """The text of a cluster.yaml with keys of top-level maps set, such as limits and windows."""
    old = read_yaml(text)
    kept, skipping = [], False
    for line in text.splitlines():
        top = re.match(r"([\w-]+):", line)
        if top:
            skipping = top.group(1) in sections
        if not skipping:
            kept.append(line)
    for section, changes in sections.items():
        values = dict(old.get(section) or {}, **changes)
        kept.append(section + ":")
        kept += ["  %s: %s" % pair for pair in values.items()]
    return "\n".join(kept) + "\n"


# ---------------------------------------------------------------- the cluster


def sanitizer_lines(folder):
    """What UBSan, which writes nowhere else, has said in the logs of a folder."""
    found = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), errors="replace") as file:
            found += [line.strip() for line in file if re.search(r": runtime error: ", line)]
    return found


class Cluster:
    """A private cluster made by `holdfast up` in a temporary folder.

    limits, windows: keys of cluster.yaml that differ from what `up` writes; the cluster is then
    started, stopped, edited and started again, as an operator would.
    """

    def __init__(self, shards=1, workers=1, partitions=8, brokers=1, views=1, relays=0, limits=None,
                 windows=None):
        self.options = dict(shards=shards, workers=workers, partitions=partitions,
                            brokers=brokers, views=views, relays=relays)
        self.partitions = partitions
        self.sections = {name: values for name, values in
                         (("limits", limits), ("windows", windows)) if values}
        self.dir = tempfile.mkdtemp(prefix="hf-")
        os.chmod(self.dir, 0o700)
        self.file = os.path.join(self.dir, "cluster.yaml")
        self.stopped = []  # processes under SIGSTOP
        self.closed = False
        self._sql_lock = threading.Lock()

    # ------------------------------------------------------------- life

    def start(self):
        self.up()
        if self.sections:
            self.down()
            self.edit(**self.sections)
            self.up()
        return self

    def up(self):
        argv = [os.path.join(BIN, "holdfast"), "up", "--dir", self.dir]
        for name, value in self.options.items():
            argv += ["--" + name, str(value)]
        done = execute(argv, 90)
        check(done.code == 0, "up failed: %s\n%s" % (done, self.log_tail()))
        with open(self.file) as file:
            self.config = read_yaml(file.read())
        return done

    def edit(self, **sections):
        with open(self.file) as file:
            text = file.read()
        with open(self.file, "w") as file:
            file.write(with_sections(text, sections))

    def down(self):
        self.cont_all()
        done = execute([os.path.join(BIN, "holdfast"), "down", "--dir", self.dir], 60)
        check(done.code == 0, "down failed: %s" % done)
        return done

    def close(self):
        """Takes everything down; returns what was wrong about it."""
        if self.closed:
            return []
        self.closed = True
        wrong = []
        self.cont_all()
        try:
            if self.processes():
                self.down()
        except Exception as error:
            wrong.append(str(error))
        left = self.processes()
        if left:
            deadline = time.monotonic() + scale(2)
            while self.processes() and time.monotonic() < deadline:
                time.sleep(0.05)
            left = self.processes()
        for process in left:
            wrong.append("left over after down: %r" % process)
            process.signal(signal.SIGKILL)
        wrong += sanitizer_lines(os.path.join(self.dir, "log"))
        if os.environ.get("HOLDFAST_TEST_KEEP"):
            note("kept: " + self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        return wrong

    def __enter__(self):
        atexit.register(self.close)
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind, error, _):
        if kind is not None and issubclass(kind, Exception) and not issubclass(kind, Skip):
            note(self.log_tail())
        wrong = self.close()
        if wrong and kind is None:
            raise Failure("; ".join(wrong))

    def log_tail(self, lines=15):
        """The end of each log file, for a failing test."""
        out = []
        folder = os.path.join(self.dir, "log")
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name), errors="replace") as file:
                text = file.read()[-20000:]
            if "Installation of system tables failed" in text:
                lines = 60
            elif "-install" in name or not text:
                continue
            out += ["== " + name] + text.splitlines()[-lines:]
        return "\n".join(out)

    # ------------------------------------------------------------- processes

    def processes(self, role=None, name=None):
        return [p for p in marked_processes(mark)
                if any(self.dir in word for word in p.argv)
                and (role is None or p.role == role) and (name is None or p.name == name)]

    def process(self, role, name=None):
        found = self.processes(role, name)
        check(len(found) == 1, "one %s %s, found %r" % (role, name or "", found))
        return found[0]

    def pids(self, *roles):
        """{(role, name): pid}; equal before and after when nothing was restarted."""
        return {(p.role, p.name): p.pid for p in self.processes()
                if not roles or p.role in roles}

    def stop(self, process):
        """SIGSTOP until cont() or the end; returns when every thread stands."""
        process.signal(signal.SIGSTOP)
        self.stopped.append(process)
        wait_until(lambda: stands(process.pid), 5, "%s stands" % (process.name or process.role))

    def cont(self, process):
        process.signal(signal.SIGCONT)
        self.stopped = [p for p in self.stopped if p.pid != process.pid]

    def cont_all(self):
        for process in list(self.stopped):
            self.cont(process)

    def owner(self, partition):
        """The worker process that owns a partition now."""
        rows = self.sql("SELECT owner FROM `partition` WHERE partition_id=%d AND moved_to IS NULL"
                        % partition, all_shards=True)
        check(len(rows) == 1 and rows[0][0], "partition %d has an owner: %r" % (partition, rows))
        return self.process("worker", rows[0][0])

    def wait_served(self, seconds=20):
        """Until every partition answers a query of its owner."""
        wait_until(lambda: self.hf("audit", "--no-views", expect=None, seconds=20).code == 0,
                   seconds, "every partition is served")

    # ------------------------------------------------------------- programs

    def hf(self, *words, expect=0, seconds=30, json=True, input=None, env=None):
        """holdfast -C cluster.yaml WORDS --json. expect: the exit code; None: any."""
        argv = [os.path.join(BIN, "holdfast"), "-C", self.file, *map(str, words)]
        if TIMESCALE > 1 and words[0] in PATIENT and "--timeout" not in argv:
            argv += ["--timeout", "%ds" % scale(10)]
        if json and "--json" not in argv:
            argv.append("--json")
        done = execute(argv, seconds, input, env)
        if expect is not None and done.code != expect:
            raise Failure("exit %s wanted: %s" % (expect, done))
        return done

    def refused(self, result, *words, **options):
        """Runs a command that must end with this result, and its exit code of the table."""
        code = wire.STATUSES[wire.STATUS_CODES[result]][2]
        done = self.hf(*words, expect=None, **options)
        equal((done.result, done.code), (result, code), "result and exit code of %s" % done)
        return done

    def stock(self, sku, **on_hand):
        """Puts an item and its warehouses, with this many on hand."""
        self.hf("item", "put", sku, "--name", "item " + sku)
        for warehouse, quantity in on_hand.items():
            self.hf("warehouse", "put", warehouse, "--name", "warehouse " + warehouse)
            if quantity:
                self.hf("receive", "%s=%d@%s" % (sku, quantity, warehouse), "--reference", "test")

    def level(self, sku, warehouse="W"):
        """The figures of one level by `stock --json`."""
        for level in self.hf("stock", sku).json["warehouses"]:
            if level["warehouse"] == warehouse:
                return level
        raise Failure("no level of %s in %s" % (sku, warehouse))

    def load(self, script, clients=8, seconds=60, **options):
        """Runs a script (see load.c) with so many clients; returns Load."""
        argv = [LOAD, "--cluster", self.file, "--clients", str(clients)]
        for name, value in options.items():
            argv += ["--" + name.replace("_", "-"), str(value)]
        done = execute(argv, seconds, input="\n".join(script) + "\n")
        check(done.code == 0, "the load generator failed: %s" % done)
        return [dict(zip(LOAD_COLUMNS, line.split("\t"))) for line in done.out.splitlines()]

    # ------------------------------------------------------------- database, for assertions only

    def sql(self, query, shard=0, all_shards=False, admin=False):
        """Rows as tuples of text. admin: as the server's owner, to plant a fault."""
        text = self.sql_text(query, shard, all_shards, admin)
        return [tuple(line.split("\t")) for line in text.splitlines()]

    def sql_text(self, query, shard=0, all_shards=False, admin=False, seconds=30):
        """Rows as lines, their columns with tabs between."""
        text = []
        chosen = self.config["shards"] if all_shards else [self.config["shards"][shard]]
        for each in chosen:
            argv = ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--raw",
                    "--socket=" + each["servers"][0]["socket"],
                    "--user=" + (ADMINISTRATOR if admin else str(each["user"]))]
            env = {}
            if not admin and each.get("password_file"):
                with open(each["password_file"]) as file:
                    env["MYSQL_PWD"] = file.read().strip()
            done = execute(argv + [each.get("database") or "holdfast"], seconds, input=query,
                           env=env)
            check(done.code == 0, "sql: %s" % done)
            text.append(done.out)
        return "".join(text)

    def number(self, query, **where):
        return int(self.sql(query, **where)[0][0])

    def audit(self):
        done = self.hf("audit", expect=None, seconds=60)
        check(done.code == 0, "the audit found something: %s" % done)

    # ------------------------------------------------------------- raw peers

    def client_endpoint(self, broker=0):
        return self.config["brokers"][broker]["client"]

    def view_endpoint(self, view=0):
        return self.config["views"][view]["client"]

    def relay_endpoint(self, relay=0):
        return self.config["relays"][relay]["client"]

    def worker_endpoint(self, broker=0):
        return self.config["brokers"][broker]["worker"]

    def state_endpoint(self, broker=0):
        return self.config["brokers"][broker]["state"]

    def peer(self, broker=0, hello=True, **options):
        peer = wire.Peer(self.client_endpoint(broker), self.config["name"], **options)
        if hello:
            peer.hello()
        return peer

    def partition(self, sku):
        return partition_of(sku, self.partitions)


LOAD_COLUMNS = ("line", "status", "kind", "replayed", "attempts", "operation_id", "reservation",
                "sequence", "begin_us", "end_us")


class BrokerAlone:
    """holdfast-broker without workers or databases; a test brings its own (wire.FakeWorker)."""

    def __init__(self, partitions=4, name="alone", limits=None, windows=None, files=None):
        """files: how many it may have open, (soft limit, hard limit)."""
        self.partitions, self.name, self.files = partitions, name, files
        self.dir = tempfile.mkdtemp(prefix="hf-")
        self.file = os.path.join(self.dir, "cluster.yaml")
        self.client, self.worker, self.publish, self.changes, self.state = (
            "ipc://%s/%s" % (self.dir, which)
            for which in ("client", "worker", "publish", "changes", "state"))
        self.log = os.path.join(self.dir, "broker.log")
        text = ("version: 1\nname: %s\nregion: main\npartitions: %d\nshards:\n- name: s1\n"
                "  durability: single\n  servers:\n  - socket: %s/none.sock\n  user: nobody\n"
                "brokers:\n- client: %s\n  worker: %s\n  publish: %s\n  changes: %s\n"
                "  state: %s\n" % (name, partitions, self.dir, self.client, self.worker,
                                   self.publish, self.changes, self.state))
        sections = {k: v for k, v in (("limits", limits), ("windows", windows)) if v}
        with open(self.file, "w") as file:
            file.write(with_sections(text, sections))
        self.child = None

    def start(self, seconds=10):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(
                [os.path.join(BIN, "holdfast-broker"), "-C", self.file, "--index", "0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(os.environ, **{MARK: mark}), preexec_fn=self.files and (
                    lambda: resource.setrlimit(resource.RLIMIT_NOFILE, self.files)))
        wait_until(lambda: self.child.poll() is not None or all(
            os.path.exists(e[len("ipc://"):]) for e in (self.client, self.worker)), seconds,
            "the broker's sockets are there")
        check(self.child.poll() is None, "the broker ended: " + self.log_text())
        return self

    def log_text(self):
        with open(self.log, errors="replace") as file:
            return file.read()[-8000:]

    def stop(self, number=signal.SIGTERM, seconds=10):
        """Ends it; returns its exit code."""
        if self.child.poll() is None:
            self.child.send_signal(number)
        try:
            return self.child.wait(scale(seconds))
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise Failure("the broker does not end by signal %d" % number)

    def __enter__(self):
        atexit.register(self._clean)
        return self.start()

    def _clean(self):
        if self.child and self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                check(self.child.poll() is None, "the broker ended: " + self.log_text())
                equal(self.stop(), 0, "exit code of the broker after SIGTERM")
                equal(sanitizer_lines(self.dir), [], "findings of a sanitizer")
            else:
                note(self.log_text())
        finally:
            self._clean()

    def peer(self, hello=True, **options):
        peer = wire.Peer(self.client, self.name, **options)
        if hello:
            peer.hello()
        return peer

    def fake_worker(self, owned=None, begin=True, **options):
        owned = range(self.partitions) if owned is None else owned
        worker = wire.FakeWorker(self.worker, self.name, owned, self.partitions, **options)
        if begin:
            worker.begin()
        return worker

    def hf(self, *words, expect=0, **options):
        return Cluster.hf(self, *words, expect=expect, **options)

    refused = Cluster.refused


# ---------------------------------------------------------------- TAP

tests = []


def test(name):
    def register(function):
        tests.append((name, function))
        return function
    return register


class Tap:
    def __init__(self):
        self.count, self.failed = 0, 0

    def line(self, name, call):
        self.count += 1
        begun = time.monotonic()
        try:
            call()
            print("ok %d - %s" % (self.count, name), flush=True)
        except Skip as why:
            print("ok %d - %s # SKIP %s" % (self.count, name, why), flush=True)
            if os.environ.get("CI") == "true":
                self.failed += 1
        except Exception as error:
            self.failed += 1
            print("not ok %d - %s" % (self.count, name), flush=True)
            note(error if isinstance(error, AssertionError) and str(error)
                 else traceback.format_exc())
            if isinstance(error, AssertionError):
                frame = traceback.extract_tb(error.__traceback__)[1:2]
                for where in frame:
                    note("at %s:%d" % (os.path.basename(where.filename), where.lineno))
        note("%.1f s" % (time.monotonic() - begun))


def end_by_signal(number, _):
    raise SystemExit(128 + number)


def run(cluster=True, audit=True, **options):
    """Runs the file's tests. cluster=False: the tests take no cluster and start what they need; a
    class: a cluster of that kind."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end_by_signal)
    only = sys.argv[1:]
    chosen = [(n, f) for n, f in tests if not only or any(word in n for word in only)]
    tap = Tap()
    if cluster:
        shared = (Cluster if cluster is True else cluster)(**options)
        atexit.register(shared.close)
        started = []
        tap.line("the cluster starts", lambda: (shared.start(), started.append(True)))
        for name, function in chosen if started else []:
            failed = tap.failed
            tap.line(name, lambda: function(shared))
            if tap.failed > failed:
                note(shared.log_tail())
        if audit and started:
            tap.line("the audit is clean", shared.audit)

        def take_down():
            wrong = shared.close()
            check(not wrong, "; ".join(wrong))
        tap.line("nothing is left over", take_down)
    else:
        for name, function in chosen:
            tap.line(name, function)
        tap.line("nothing is left over", check_nothing_left)
    print("1..%d" % tap.count, flush=True)
    sys.exit(1 if tap.failed else 0)


def check_nothing_left():
    left = marked_processes(mark)
    for process in left:
        process.signal(signal.SIGKILL)
    check(not left, "left over: %r" % left)

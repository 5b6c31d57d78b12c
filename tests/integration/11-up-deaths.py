#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`holdfast up` when processes die: each is started again, with back-off; nothing is left that
could write beside the next supervisor; and what was committed is there after a kill -9 of
everything."""
from harness import *

HOLDFAST = os.path.join(BIN, "holdfast")


def well(cluster):
    return cluster.hf("status", expect=None).code == 0


def restarted(cluster, role):
    """Kills one process of this role; returns the one that takes its place."""
    old = cluster.processes(role)[0]
    old.kill()
    new = wait_until(lambda: [p for p in cluster.processes(role) if p.name == old.name], 10,
                     "%r is started again" % old)[0]
    wait_until(lambda: well(cluster), 30, "all is well after the death of %r" % old)
    return new


def process_state(cluster, name):
    for process in cluster.hf("status", expect=None).json["processes"]:
        if process["name"] == name:
            return process
    raise Failure("no process %s in the status" % name)


def all_gone(cluster):
    """Waits for the end of what was killed; says which is left, and in what state."""
    try:
        wait_until(lambda: not cluster.processes(), 5, "everything is gone")
    except Failure:
        raise Failure("still there after a kill -9: %r" % [
            (process, process_state_letter(process)) for process in cluster.processes()]) from None


def process_state_letter(process):
    try:
        with open("/proc/%d/stat" % process.pid) as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


@test("a worker, a broker and a database that are killed are started again")
def each(cluster):
    for role in "worker", "broker", "mariadbd":
        before = cluster.pids()
        new = restarted(cluster, role)
        state = process_state(cluster, new.name or "s1")
        equal((state["restarts"], state["last_end"]), (1, "signal 9"), "status of the %s" % role)
        same = {k: v for k, v in cluster.pids().items() if k != (role, new.name)}
        equal(same, {k: v for k, v in before.items() if k in same}, "the other processes")
    equal(cluster.level("A")["on_hand"], 5, "on hand")


@test("what keeps dying is started ever more slowly")
def backoff(cluster):
    log = os.path.join(cluster.dir, "log", "supervisor.log")
    # The earlier death's wait is forgotten after ten seconds of life.
    name = cluster.processes("worker")[0].name
    for _ in range(3):
        cluster.process("worker", name).kill()
        wait_until(lambda: cluster.processes("worker", name), 20, name + " is started again")
    with open(log) as file:
        waits = [int(w) for w in re.findall(r"process=%s .*restart_in_ms=(\d+)" % name,
                                            file.read())][-3:]
    equal(waits[1:], [2 * waits[0], 4 * waits[0]], "waits %r grow" % waits)
    wait_until(lambda: well(cluster), 30, "all is well")


@test("status is not well while a process does not work")
def not_well(cluster):
    worker = cluster.processes("worker")[0]
    cluster.stop(worker)
    try:
        done = wait_until(lambda: (lambda d: d if d.code == 1 else None)(
            cluster.hf("status", expect=None)), 20, "status ends with 1")
        check("does not hear worker " + worker.name in done.err, "it says what: %s" % done)
    finally:
        cluster.cont(worker)
    wait_until(lambda: well(cluster), 30, "all is well again")


@test("the processes die with the supervisor, and the next up carries on")
def supervisor(cluster):
    cluster.process("supervisor").kill()
    all_gone(cluster)
    down = cluster.hf("status", expect=69)
    check("nothing runs" in down.err, "status: %s" % down)
    cluster.up()
    equal(cluster.level("A")["on_hand"], 5, "on hand")


@test("stopped children die with the supervisor too")
def stopped(cluster):
    for process in cluster.processes("worker") + cluster.processes("mariadbd"):
        process.signal(signal.SIGSTOP)
    cluster.process("supervisor").kill()
    all_gone(cluster)
    cluster.up()


@test("down ends a worker and a database that are stopped")
def down_stopped(cluster):
    for process in cluster.processes("worker") + cluster.processes("mariadbd"):
        process.signal(signal.SIGSTOP)
    cluster.down()
    equal(cluster.processes(), [], "processes")
    cluster.up()


@test("after a kill -9 of everything, up finds what was committed")
def everything(cluster):
    for round in 1, 2:
        made = cluster.hf("reserve", "A=1@W").json
        # The supervisor first: it would start the others again.
        for process in cluster.processes("supervisor") + cluster.processes():
            process.signal(signal.SIGKILL)
        all_gone(cluster)
        run = os.path.join(cluster.dir, "run")
        check(os.listdir(run), "sockets and state are still there")
        cluster.up()
        shown = cluster.hf("reservation", "show", made["reservation"]).json
        equal(shown["state"], "active", "state of the reservation")
        equal(cluster.level("A")["reserved"], round, "reserved")


@test("down after a kill -9 of everything leaves nothing")
def down_after(cluster):
    for process in cluster.processes("supervisor") + cluster.processes():
        process.signal(signal.SIGKILL)
    all_gone(cluster)
    cluster.down()
    equal(os.listdir(os.path.join(cluster.dir, "run")), [], "run/")
    check(not os.path.exists(os.path.join(cluster.dir, "lock")), "no lock is left")
    cluster.up()


@test("a worker that cannot start is told by status, and the rest works")
def bad_worker(cluster):
    wait_until(lambda: well(cluster), 30, "both workers have seen the schema as it was")
    schema(cluster, "UPDATE schema_version SET done=0 WHERE number=1 AND statement=0")
    try:
        worker = cluster.processes("worker")[0]
        log = os.path.join(cluster.dir, "log", worker.name + ".log")
        worker.kill()

        def refuses():
            with open(log) as file:
                return "applied only in part" in file.read()
        wait_until(refuses, 20, "the worker says why it does not start")
        done = wait_until(lambda: (lambda d: d if worker.name in d.err else None)(
            cluster.hf("status", expect=None)), 20, "status names the worker")
        equal(done.code, 1, "exit code of status")
        wait_until(lambda: cluster.hf("stock", "A", expect=None).code == 0, 20,
                   "the other worker answers for its partitions")
    finally:
        schema(cluster, "UPDATE schema_version SET done=1 WHERE number=1 AND statement=0")
    wait_until(lambda: well(cluster), 30, "all is well again")


def schema(cluster, statement, shard="s1"):
    """Runs SQL as the user that owns the tables."""
    folder = os.path.join(cluster.dir, "shards", shard)
    with open(os.path.join(folder, "schema_password")) as file:
        password = file.read().strip()
    done = execute(["mariadb", "--no-defaults", "--batch", "--skip-column-names",
                    "--user=holdfast_schema",
                    "--socket=" + cluster.config["shards"][0]["servers"][0]["socket"],
                    "holdfast"], 30, input=statement, env={"MYSQL_PWD": password})
    check(done.code == 0, "sql: %s" % done)
    return done.out


@test("a database's log that has grown is put aside")
def rotation(cluster):
    log = os.path.join(cluster.dir, "log", "s1.log")
    with open(log, "a") as file:
        file.write("x" * (8 << 20) + "\n")
    wait_until(lambda: os.path.exists(log + ".1") and os.path.exists(log), 30,
               "there is an old log and a new one")
    check(os.path.getsize(log) < 1 << 20, "the new one is small")


@test("the stock is put in")
def put(cluster):
    cluster.stock("A", W=5)


tests.insert(0, tests.pop())

if __name__ == "__main__":
    run(workers=2, partitions=4)

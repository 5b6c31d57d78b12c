#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`holdfast up`, `down`, `status` and `doctor`: a cluster starts, is found, and goes without a
trace."""
import pty
import stat

from harness import *

HOLDFAST = os.path.join(BIN, "holdfast")


def quick(**options):
    """A Cluster that is not started yet; small."""
    return Cluster(**dict(dict(workers=1, partitions=4), **options))


def sockets(folder):
    return [name for name in os.listdir(folder)
            if stat.S_ISSOCK(os.lstat(os.path.join(folder, name)).st_mode)]


def files_left(cluster):
    run = os.path.join(cluster.dir, "run")
    left = os.listdir(run) if os.path.isdir(run) else []
    return left + [n for n in ("lock",) if os.path.exists(os.path.join(cluster.dir, n))]


@test("a fresh up answers, and says what it does")
def fresh():
    with quick(shards=2, workers=2, partitions=16) as cluster:
        equal(os.stat(cluster.dir).st_mode & 0o777, 0o700, "mode of the folder")
        equal(os.stat(cluster.file).st_mode & 0o777, 0o600, "mode of cluster.yaml")
        roles = sorted(p.role for p in cluster.processes())
        equal(roles, ["broker", "mariadbd", "mariadbd", "supervisor"] + 4 * ["worker"], "processes")
        status = cluster.hf("status").json
        equal((status["well"], status["problems"]), (True, []), "status")
        equal(len(status["processes"]), 7, "processes in the status")
        equal(status["brokers"][0]["partitions_served"], 16, "partitions served")
        check("b1" in cluster.hf("status", json=False).out, "status for people names the broker")
        for shard in 0, 1:
            found = [int(r[0]) for r in cluster.sql(
                "SELECT partition_id FROM `partition` ORDER BY 1", shard=shard)]
            equal(found, list(range(shard, 16, 2)), "partitions of shard %d" % shard)
        settings = cluster.sql("SELECT @@innodb_flush_log_at_trx_commit, @@sync_binlog, @@log_bin,"
                               " @@binlog_format, @@skip_networking, @@character_set_server")
        equal(settings, [("1", "1", "1", "ROW", "1", "utf8mb4")], "settings of the database")


@test("the user of the workers may do nothing but read and write rows")
def privileges():
    with quick() as cluster:
        try:
            cluster.sql("DROP TABLE reason")
        except Failure as refused:
            check("denied" in str(refused), "the reason: %s" % refused)
        else:
            raise Failure("it dropped a table")
        grants = "\n".join(r[0] for r in cluster.sql("SHOW GRANTS"))
        for word in ("ALL PRIVILEGES", "SUPER", "FILE", "PROCESS", "CREATE", "GRANT OPTION"):
            check(word not in grants, "no %s in: %s" % (word, grants))


@test("a second up starts nothing twice")
def second():
    with quick() as cluster:
        before = {p.pid for p in cluster.processes()}
        done = cluster.up()
        check("running already" in done.err, "it says so: %s" % done)
        equal({p.pid for p in cluster.processes()}, before, "processes")
        wrong = execute([HOLDFAST, "up", "--dir", cluster.dir, "--partitions", "8"])
        equal(wrong.code, 64, "another number of partitions: %s" % wrong)
        cluster.down()
        wrong = execute([HOLDFAST, "up", "--dir", cluster.dir, "--shards", "2"])
        equal(wrong.code, 64, "another number of shards: %s" % wrong)


@test("two ups at once start one cluster")
def race():
    cluster = quick()
    try:
        argv = [HOLDFAST, "up", "--dir", cluster.dir, "--workers", "1", "--partitions", "4"]
        done = []
        threads = [threading.Thread(target=lambda: done.append(execute(argv, 60)))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal([d.code for d in done], [0, 0, 0], "exit codes of %s" % "\n".join(map(str, done)))
        equal(len(cluster.processes("supervisor")), 1, "supervisors")
        equal(len(cluster.processes("mariadbd")), 1, "databases")
    finally:
        equal(cluster.close(), [], "close")


@test("two clusters on one machine know nothing of each other")
def two():
    with quick() as one, quick() as other:
        one.hf("status")
        other.hf("status")
        one.down()
        equal(one.processes(), [], "processes of the first")
        other.hf("status")


@test("an ordinary user's cluster works")
def ordinary_user():
    folder = tempfile.mkdtemp(prefix="hf-user-")
    try:
        programs = os.path.join(folder, "bin")
        os.mkdir(programs)
        for name in ("holdfast", "holdfast-broker", "holdfast-worker"):
            shutil.copy(os.path.join(BIN, name), programs)
        prefix = []
        if os.geteuid() == 0:
            os.chown(folder, 61234, 61234)
            prefix = ["setpriv", "--reuid=61234", "--regid=61234", "--clear-groups", "--"]
        os.chmod(folder, 0o755)
        # A user without an entry in passwd, and without a home or a session.
        environment = {"HOME": folder, "XDG_RUNTIME_DIR": "", "LOGNAME": "", "USER": ""}
        holdfast = prefix + [os.path.join(programs, "holdfast")]
        home = os.path.join(folder, ".local/share/holdfast")
        done = execute(holdfast + ["up", "--workers", "1", "--partitions", "4"], 60,
                       env=environment)
        try:
            equal(done.code, 0, "up: %s" % done)
            equal(os.stat(home).st_mode & 0o777, 0o700, "mode of the folder")
            owners = {os.stat("/proc/%d" % p.pid).st_uid for p in marked_processes(mark)
                      if home in " ".join(p.argv)}
            equal(owners, {61234 if prefix else os.geteuid()}, "owners of the processes")
            status = execute(holdfast + ["status"], env=environment)
            equal(status.code, 0, "status: %s" % status)
        finally:
            down = execute(holdfast + ["down", "--destroy"], 60, env=environment)
        equal(down.code, 0, "down: %s" % down)
        check(not os.path.exists(home), "the folder is gone")
        equal([p for p in marked_processes(mark) if home in " ".join(p.argv)], [], "processes")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@test("a folder with a long name has its sockets elsewhere")
def long_path():
    folder = tempfile.mkdtemp(prefix="hf-")
    cluster = quick()
    os.rmdir(cluster.dir)
    cluster.dir = os.path.join(folder, "a" * 60, "b" * 40)
    cluster.file = os.path.join(cluster.dir, "cluster.yaml")
    try:
        os.environ["XDG_RUNTIME_DIR"] = folder
        cluster.up()
        endpoint = cluster.client_endpoint()
        check(endpoint.startswith("ipc://%s/holdfast-" % folder), "endpoint " + endpoint)
        elsewhere = os.path.dirname(endpoint[len("ipc://"):])
        equal(os.stat(elsewhere).st_mode & 0o777, 0o700, "mode of the sockets' folder")
        cluster.hf("status")
        # The environment of a later command may be another one.
        os.environ["XDG_RUNTIME_DIR"] = "/nonexistent"
        cluster.down()
        check(not os.path.exists(elsewhere), "the sockets' folder is gone")
        cluster.up()
        equal(cluster.client_endpoint(), endpoint, "the endpoint of the second start")
        cluster.hf("status")
    finally:
        os.environ.pop("XDG_RUNTIME_DIR", None)
        wrong = cluster.close()
        shutil.rmtree(folder, ignore_errors=True)
    equal(wrong, [], "close")


@test("down leaves no process, socket or lock, and the data stays")
def down():
    with quick() as cluster:
        cluster.stock("A", W=7)
        cluster.down()
        equal(cluster.processes(), [], "processes")
        equal(files_left(cluster), [], "files")
        status = cluster.hf("status", expect=69)
        check("holdfast up" in status.err, "status says what to do: %s" % status)
        equal(cluster.down().code, 0, "a second down")
        cluster.up()
        equal(cluster.level("A")["on_hand"], 7, "on hand after the next up")


@test("down --destroy removes what is ours, and nothing else")
def destroy():
    cluster = quick()
    cluster.start()
    outside = tempfile.mkdtemp(prefix="hf-")
    try:
        with open(os.path.join(outside, "kept"), "w"):
            pass
        os.symlink(outside, os.path.join(cluster.dir, "link"))
        done = execute([HOLDFAST, "down", "--destroy", "--dir", cluster.dir], 60)
        equal(done.code, 0, "down --destroy: %s" % done)
        check(not os.path.exists(cluster.dir), "the folder is gone")
        check(os.path.exists(os.path.join(outside, "kept")), "what a link led to is there")
        for command in (["down", "--destroy"], ["up"]):
            done = execute([HOLDFAST, *command, "--dir", outside])
            equal(done.code, 71, "in a folder that is not ours: %s" % done)
        equal(os.listdir(outside), ["kept"], "what is in it")
    finally:
        shutil.rmtree(outside)
        cluster.close()


@test("an up that fails says why and leaves nothing running")
def failing():
    cluster = quick()
    try:
        argv = [HOLDFAST, "up", "--dir", cluster.dir, "--workers", "1", "--partitions", "4"]
        done = execute(argv, env={"HOLDFAST_MYSQLD": "/nonexistent/mysqld"})
        equal(done.code, 71, "without a database server: %s" % done)
        check("/nonexistent/mysqld" in done.err, "it names it: %s" % done)
        cluster.up()
        cluster.down()
        with open(cluster.file) as file:
            text = file.read()
        with open(cluster.file, "w") as file:
            file.write(text + "limit: {}\n")
        done = execute(argv)
        equal(done.code, 65, "a wrong key: %s" % done)
        check('unknown key "limit" (did you mean "limits"?)' in done.err, "it says which: %s" % done)
        with open(cluster.file, "w") as file:
            file.write(text)
        ibdata = os.path.join(cluster.dir, "shards/s1/data/ibdata1")
        os.rename(ibdata, ibdata + ".away")
        with open(ibdata, "wb") as file:
            file.write(b"x" * 1048576)
        done = execute(argv, 60)
        equal(done.code, 71, "a broken database: %s" % done)
        check("database s1 does not start" in done.err, "it says which: %s" % done)
        equal(cluster.processes(), [], "processes")
        equal(files_left(cluster), [], "files")
        os.rename(ibdata + ".away", ibdata)
        cluster.up()
    finally:
        equal(cluster.close(), [], "close")


@test("an interrupted up takes down what it has started")
def interrupted():
    cluster = quick()
    child = subprocess.Popen([HOLDFAST, "up", "--dir", cluster.dir, "--workers", "1",
                              "--partitions", "4"], stderr=subprocess.PIPE, text=True,
                             env=dict(os.environ, **{MARK: mark}))
    try:
        line = child.stderr.readline()
        check("making database" in line, "first line: " + line)
        child.send_signal(signal.SIGINT)
        equal(child.wait(scale(20)), 130, "exit code")
        wait_until(lambda: not cluster.processes(), 5, "every process is gone")
        equal(files_left(cluster), [], "files")
        cluster.up()
    finally:
        child.kill()
        child.wait()
        child.stderr.close()
        equal(cluster.close(), [], "close")


@test("the cluster survives the terminal that it was started from")
def terminal():
    cluster = quick()
    os.environ[MARK] = mark
    pid, master = pty.fork()
    if pid == 0:
        os.execv(HOLDFAST, [HOLDFAST, "up", "--dir", cluster.dir, "--workers", "1",
                            "--partitions", "4"])
    try:
        deadline = time.monotonic() + scale(30)
        text = b""
        while b"cluster answers" not in text and time.monotonic() < deadline:
            text += os.read(master, 4096)
        os.waitpid(pid, 0)
        os.close(master)  # the shell would hang up here
        with open(cluster.file) as file:
            cluster.config = read_yaml(file.read())
        cluster.hf("status")
        for process in cluster.processes():
            with open("/proc/%d/stat" % process.pid) as file:
                equal(file.read().rpartition(")")[2].split()[4], "0", "terminal of %r" % process)
    finally:
        del os.environ[MARK]
        equal(cluster.close(), [], "close")


@test("doctor finds this machine fit, and names what is not")
def doctor():
    folder = tempfile.mkdtemp(prefix="hf-")
    try:
        good = execute([HOLDFAST, "doctor", "--dir", folder])
        equal(good.code, 0, "on this machine: %s" % good)
        check(all(line.startswith("OK ") for line in good.out.splitlines()), "lines: %s" % good)
        bad = execute([HOLDFAST, "doctor", "--dir", folder, "--json"],
                      env={"HOLDFAST_MYSQLD": "/nonexistent/mysqld"})
        equal((bad.code, bad.json["ok"]), (1, False), "without a database server: %s" % bad)
        equal([c["check"] for c in bad.json["checks"] if not c["ok"]], ["database"], "findings")
        with open(os.path.join(folder, "something"), "w"):
            pass
        bad = execute([HOLDFAST, "doctor", "--dir", folder])
        check("FAIL  folder" in bad.out, "a folder that is not ours: %s" % bad)
        equal(os.listdir(folder), ["something"], "what doctor left")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    run(cluster=False)

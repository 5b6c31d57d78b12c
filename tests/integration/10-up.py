#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`holdfast up`: a cluster starts, once, for anybody, anywhere."""
from harness import *

HOLDFAST = os.path.join(BIN, "holdfast")


def quick(**options):
    """A Cluster that is not started yet; small."""
    return Cluster(**dict(dict(workers=1, partitions=4), **options))


@test("a fresh up answers, and says what it does")
def fresh():
    with quick(shards=2, workers=2, partitions=16) as cluster:
        equal(os.stat(cluster.dir).st_mode & 0o777, 0o700, "mode of the folder")
        equal(os.stat(cluster.file).st_mode & 0o777, 0o600, "mode of cluster.yaml")
        roles = sorted(p.role for p in cluster.processes())
        equal(roles, ["broker", "mariadbd", "mariadbd", "supervisor", "view"] + 4 * ["worker"], "processes")
        status = cluster.hf("status").json
        equal((status["well"], status["problems"]), (True, []), "status")
        equal(len(status["processes"]), 8, "processes in the status")
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
        wrong = execute([HOLDFAST, "up", "--dir", cluster.dir, "--workers", "2"])
        check(wrong.code == 64 and "take it down" in wrong.err, "other workers while it runs: %s" % wrong)
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
        for name in ("holdfast", "holdfast-broker", "holdfast-worker", "holdfast-view",
                     "holdfast-relay"):
            shutil.copy(os.path.join(BIN, name), programs)
        prefix = []
        if os.geteuid() == 0:
            os.chown(folder, 61234, 61234)
            prefix = ["setpriv", "--reuid=61234", "--regid=61234", "--clear-groups", "--"]
        os.chmod(folder, 0o755)
        # A user without an entry in passwd, and without a home or a session.
        environment = {"HOME": folder, "TMPDIR": folder, "XDG_RUNTIME_DIR": "", "LOGNAME": "",
                       "USER": ""}
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


@test("a folder is the same by whatever name it was made: up again, and up after down")
def other_names():
    folder, here, wrong = os.path.realpath(tempfile.mkdtemp(prefix="hf-")), os.getcwd(), []
    os.mkdir(os.path.join(folder, "real"))
    os.symlink("real", os.path.join(folder, "link"))
    try:
        os.chdir(folder)
        for name, real in ("./c", "c"), ("link/./not//there/../c/", "real/not/c"):
            cluster = quick()
            os.rmdir(cluster.dir)
            cluster.dir = os.path.join(folder, real)
            cluster.file = os.path.join(cluster.dir, "cluster.yaml")
            try:
                done = execute([HOLDFAST, "up", "--dir", name, "--workers", "1",
                                "--views", "0", "--relays", "0"], 90)
                equal(done.code, 0, "up: %s" % done)
                with open(cluster.file) as file:
                    cluster.config = read_yaml(file.read())
                equal(cluster.client_endpoint(), "ipc://%s/run/b1.client" % cluster.dir, "endpoint")
                before = {p.pid for p in cluster.processes()}
                done = execute([HOLDFAST, "up", "--dir", name], 20)
                check(done.code == 0 and "running already" in done.err, "up again: %s" % done)
                equal({p.pid for p in cluster.processes()}, before, "processes")
                if real == "c":
                    cluster.down()
                    done = execute([HOLDFAST, "up", "--dir", name], 90)
                    equal(done.code, 0, "after down: %s" % done)
            finally:
                wrong += cluster.close()
    finally:
        os.chdir(here)
        shutil.rmtree(folder, ignore_errors=True)
    equal(wrong, [], "close")


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


if __name__ == "__main__":
    run(cluster=False)

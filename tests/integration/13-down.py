#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`holdfast down` and `doctor`, and `up` where it fails or is left: a cluster goes without a trace,
and one that cannot start says why."""
import pty

from harness import *

HOLDFAST = os.path.join(BIN, "holdfast")


def quick(**options):
    """A Cluster that is not started yet; small."""
    return Cluster(**dict(dict(workers=1, partitions=4), **options))


def files_left(cluster):
    run = os.path.join(cluster.dir, "run")
    left = os.listdir(run) if os.path.isdir(run) else []
    return left + [n for n in ("lock",) if os.path.exists(os.path.join(cluster.dir, n))]


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
                              "--partitions", "4", "--views", "1", "--relays", "0"],
                             stderr=subprocess.PIPE, text=True,
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
        # The terminal is the shell's, which stays: when its owner ends, everybody loses it.
        os.environ["DIR"] = cluster.dir
        os.execv("/bin/sh", ["sh", "-c", HOLDFAST + ' up --dir "$DIR" --workers 1 --partitions 4'
                             " && echo up has ended; read line"])
    try:
        try:
            deadline = time.monotonic() + scale(30)
            text = b""
            while b"up has ended" not in text and time.monotonic() < deadline:
                text += os.read(master, 4096)
            with open(cluster.file) as file:
                cluster.config = read_yaml(file.read())
            before = cluster.pids()
            for process in cluster.processes():
                with open("/proc/%d/stat" % process.pid) as file:
                    equal(file.read().rpartition(")")[2].split()[4], "0",
                          "terminal of %r" % process)
        finally:
            os.close(master)  # the terminal hangs up
            os.waitpid(pid, 0)
        cluster.hf("status")
        equal(cluster.pids(), before, "processes after the hang-up")
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
        for program in ("broker", "worker", "view", "relay"):
            check("holdfast-" + program in good.out, "it looked for each: %s" % good)
        bad = execute([HOLDFAST, "doctor", "--dir", folder, "--json"],
                      env={"HOLDFAST_MYSQLD": "/nonexistent/mysqld"})
        equal((bad.code, bad.json["ok"]), (1, False), "without a database server: %s" % bad)
        equal([c["check"] for c in bad.json["checks"] if not c["ok"]], ["database"], "findings")
        with open(os.path.join(folder, "something"), "w"):
            pass
        bad = execute([HOLDFAST, "doctor", "--dir", folder])
        check("FAIL  folder" in bad.out, "a folder that is not ours: %s" % bad)
        equal(os.listdir(folder), ["something"], "what doctor left")
        bad = execute([HOLDFAST, "doctor", "--dir", os.path.join(folder, "something")])
        check(re.search("FAIL +folder .*/something is not a folder: choose another", bad.out),
              "a file in its place: %s" % bad)
    finally:
        shutil.rmtree(folder)


@test("beside a cluster, up, down, status and doctor mean that one")
def beside():
    cluster = quick()
    home = tempfile.mkdtemp(prefix="hf-")
    try:
        cluster.start()
        place, name = os.path.split(cluster.dir)
        os.symlink(cluster.dir, os.path.join(home, "holdfast"))
        for command in ("up", "status", "doctor"):
            done = execute([HOLDFAST, command], 60, cwd=home, env={"HOME": home})
            equal(done.code, 0, "%s: %s" % (command, done))
        equal(execute([HOLDFAST, "down"], 60, cwd=home, env={"HOME": home}).code, 0, "down")
        equal(cluster.processes(), [], "processes")
        equal(os.listdir(home), ["holdfast"], "what was made beside it")
    finally:
        shutil.rmtree(home)
        cluster.close()


@test("up says at once that a folder was moved, and leaves none where an option is wrong")
def moved():
    cluster = quick()
    elsewhere = cluster.dir + "-moved"
    try:
        cluster.start()
        os.rename(cluster.dir, elsewhere)
        done = execute([HOLDFAST, "up", "--dir", elsewhere], 20)
        os.rename(elsewhere, cluster.dir)
        equal(done.code, 71, "up in the moved folder: %s" % done)
        check("move it back" in done.err, "it says what to do: %s" % done)
        done = execute([HOLDFAST, "up", "--dir", elsewhere, "--partitions", "0"], 20)
        equal(done.code, 64, "no partitions: %s" % done)
        check(not os.path.exists(elsewhere), "the folder was not left")
    finally:
        cluster.close()


@test("status says when the disk is nearly full")
def disk():
    cluster = quick()
    mount = execute(["mount", "-t", "tmpfs", "-o", "size=900m,mode=0700", "none", cluster.dir])
    if mount.code != 0:
        note("not seen: a small disk cannot be mounted here: %s" % mount.err.strip())
        cluster.close()
        return
    try:
        cluster.start()
        free = os.statvfs(cluster.dir)
        with open(os.path.join(cluster.dir, "ballast"), "wb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - (100 << 20))
        status = cluster.hf("status", expect=1)
        check("MiB left: make room" in status.err, "it says so: %s" % status)
        cluster.down()
    finally:
        for process in cluster.processes():
            process.kill()
        execute(["umount", cluster.dir])
        cluster.close()


if __name__ == "__main__":
    run(cluster=False)

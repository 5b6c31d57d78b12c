# SPDX-License-Identifier: MIT
"""The client library as its users meet it, and the client in Python that protocol.md led to.

Built with nothing but pkg-config, shared and static; only holdfast_* is visible; the examples run;
clients move from a silent broker to another; an operation is retried under its id after kill -9.
"""
from harness import *

EXAMPLES = os.path.join(ROOT, "client", "examples")
sys.path.insert(0, EXAMPLES)
sys.modules["holdfast_pb2"] = pb
import inventory  # noqa: E402

WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-D_GNU_SOURCE"]


def tool(*argv, **options):
    done = execute([str(word) for word in argv], 120, **options)
    check(done.code == 0, str(done))
    return done.out


def symbols(*options):
    return {line.split()[-1] for line in tool("nm", "--defined-only", *options).splitlines()
            if len(line.split()) == 3}


@test("only holdfast_* is visible, and every function of the public headers is")
def visible(cluster):
    declared = set()
    for name in ("holdfast.h", "holdfast_view.h", "holdfast_events.h"):
        with open(os.path.join(ROOT, "client", name)) as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        declared |= set(re.findall(r"\b(holdfast_\w+(?<!_fn))\(", text))
    shared = symbols("-D", os.path.join(BUILD, "lib", "libholdfast.so"))
    static = symbols("-g", os.path.join(BUILD, "lib", "libholdfast.a"))
    sanitizer = {name for name in shared | static if name.startswith(("__asan", "__odr_asan"))}
    equal(shared - sanitizer, declared, "symbols of the shared library")
    equal(static - sanitizer, declared, "symbols of the static library")


@test("a program needs only pkg-config, shared and static, and the header is C++ too")
def installed(cluster):
    # A program can use a library with a sanitizer only when it has the same one.
    sanitizers = ["-fsanitize=" + wire.sanitize()] if wire.sanitize() else []
    root = os.path.join(cluster.dir, "installed")
    tool("make", "-s", "-C", ROOT, "BUILD=" + BUILD, "SANITIZE=" + wire.sanitize(),
         "DESTDIR=" + root, "PREFIX=/usr", "install-client")
    env = {"PKG_CONFIG_PATH": root + "/usr/lib/pkgconfig"}

    def flags(*words):
        return tool("pkg-config", "--define-variable=prefix=" + root + "/usr", *words, "holdfast",
                    env=env).split()
    for name in ("reserve", "async"):
        source = os.path.join(EXAMPLES, name + ".c")
        for static in (False, True):
            program = os.path.join(root, name + ("-static" if static else ""))
            libraries = flags("--libs", "--static") if static else flags("--libs")
            if static:  # this library alone; the others stay as the system has them
                libraries = ["-l:libholdfast.a" if word == "-lholdfast" else word
                             for word in libraries]
            tool("gcc", *WARNINGS, *sanitizers, *flags("--cflags"), source, "-o", program,
                 *libraries, "-Wl,-rpath," + root + "/usr/lib")
            done = execute([program], 10)
            equal(done.code, 64, "exit code without arguments")
            linked = "libholdfast.so.0" in tool("readelf", "-d", program)
            equal(linked, not static, "%s needs the shared library" % program)
    source = os.path.join(root, "header.cc")
    with open(source, "w") as file:
        file.write("#include <holdfast_view.h>\nint main() { return holdfast_version()[0] != '0'; }\n")
    tool("g++", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *sanitizers, *flags("--cflags"), source,
         "-o", source + ".out", *flags("--libs"), "-Wl,-rpath," + root + "/usr/lib")
    tool(source + ".out")


@test("the examples in C sell what is there, and no more")
def examples(cluster):
    cluster.stock("EX", W=200)
    done = execute([os.path.join(BUILD, "examples", "reserve"), "EX", "3", cluster.file], 30)
    equal((done.code, done.out.count("applied")), (0, 3), "reserve, purchase, ship: %s" % done)
    done = execute([os.path.join(BUILD, "examples", "async"), "EX", "500", cluster.file], 60)
    check(done.out.startswith("applied 197, refused 303, shed 0, unknown 0"), str(done))
    done = execute([os.path.join(BUILD, "examples", "reserve"), "EX", "1", cluster.file], 30)
    equal((done.code, "insufficient_stock" in done.err), (1, True), "the refusal: %s" % done)


def python(cluster, *words, expect=0):
    made = os.path.join(BUILD, "python")
    argv = ["/usr/bin/python3", os.path.join(EXAMPLES, "inventory.py"), "--cluster",
            cluster.config["name"]]
    for broker in range(len(cluster.config["brokers"])):
        argv += ["--broker", cluster.client_endpoint(broker)]
    done = execute(argv + list(words), 30, env={"PYTHONPATH": made})
    equal(done.code, expect, str(done))
    return json.loads(done.out)


@test("the client in Python runs an order")
def order(cluster):
    python(cluster, "warehouse", "P", "Python's")
    python(cluster, "item", "PY", "Snake")
    python(cluster, "receive", "PY", "10", "P")
    made = python(cluster, "reserve", "PY", "4")
    python(cluster, "purchase", made["reservation"])
    python(cluster, "ship", made["reservation"])
    python(cluster, "ship", made["reservation"], expect=1)
    short = python(cluster, "reserve", "PY", "7", expect=1)
    equal(short["shortages"], [{"sku": "PY", "available": 6}], "what is there")
    equal(python(cluster, "stock", "PY")["warehouses"],
          {"P": {"on_hand": 6, "reserved": 0, "committed": 0, "available": 6}}, "the level")
    again = python(cluster, "--id", made["operation_id"], "reserve", "PY", "4")
    equal((again["reservation"], again["replayed"]), (made["reservation"], True), "the replay")


@test("a client that cannot compute partitions guesses, and follows wrong_partition")
def guesses(cluster):
    skus = ["G%d" % i for i in range(8)]
    check(any(cluster.partition(sku) != 0 for sku in skus), "the guess is wrong for some")
    for sku in skus:
        cluster.stock(sku, W=5)
        made = python(cluster, "--guess", "reserve", sku, "2")
        equal(made["attempts"], 1 if cluster.partition(sku) == 0 else 2, "attempts for " + sku)
        equal(python(cluster, "--guess", "stock", sku)["warehouses"]["W"]["reserved"], 2, sku)


@test("the client in Python reads its own writes from a view, and from owners what no view knows")
def reads_views(cluster):
    views = ["--view", "ipc:///nobody/is/there", "--view", cluster.view_endpoint(0)]
    for sku in ("RV", "RW"):
        python(cluster, "item", sku, "Read " + sku)
    for quantity in range(1, 6):
        made = python(cluster, "receive", "RV", str(quantity), "P")
        at = "%d:%d" % (made["partition"], made["sequence"])
        told = python(cluster, *views, "--at-least", at, "stock", "RV")
        check(told["sequence"] >= made["sequence"], "not older than it was asked: %r" % told)
        equal(told["warehouses"]["P"]["on_hand"], sum(range(quantity + 1)), "its own write")
    told = python(cluster, *views, "--latest", "stock", "RV", "RW", "NEVER")["stock"]
    equal([(s["sku"], s["from"], s["exists"]) for s in told],
          [("RV", "view", True), ("RW", "view", True), ("NEVER", "view", False)], "many keys")
    # Beyond everything there is: no view has come so far, so the owner is asked.
    beyond = "%d:%d" % (made["partition"], made["sequence"] + 1000)
    told = python(cluster, *views, "--at-least", beyond, "stock", "RV")
    equal((told["from"], told["warehouses"]["P"]["on_hand"]), ("owner", 15), "behind")
    view = cluster.process("view")
    cluster.stop(view)
    told = python(cluster, *views, "stock", "RV")
    equal((told["from"], told["warehouses"]["P"]["on_hand"]), ("owner", 15), "no view answers")
    cluster.cont(view)


@test("protocol.md's vectors hold in Python and in the harness")
def vectors(cluster):
    with open(os.path.join(ROOT, "protocol", "protocol.md"), encoding="utf-8") as file:
        text = file.read()
    rows = re.findall(r"^\| `(.+?)` \| (\d+) \| `([0-9a-f]{16})` \| (\d+) \| (\d+) \|$", text,
                      re.M)
    equal(len(rows), 9, "rows of the table")
    for sku, length, digest, of_64, of_1000 in rows:
        raw = sku.encode()
        got = inventory.xxh3_64(raw)
        equal((len(raw), "%016x" % got, got % 64, got % 1000),
              (int(length), digest, int(of_64), int(of_1000)), sku)
        equal(partition_of(sku, 64), int(of_64), "the harness on " + sku)
    for length in range(1, 65):
        sku = "".join(chr(33 + (i * 7 + length) % 90) for i in range(length))
        equal(inventory.xxh3_64(sku.encode()) % 65535, partition_of(sku, 65535), sku)
    for partition, reservation in re.findall(r"\| (\d+) \| `(R-\S+)` \|", text):
        equal(inventory.partition_of_reservation(reservation), int(partition), reservation)


@test("protocol.md, the Python client and the tables say the same of results and errors")
def tables(cluster):
    with open(os.path.join(ROOT, "protocol", "protocol.md"), encoding="utf-8") as file:
        text = file.read()
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\w+) \| (\d+) \| (.+) \|$", text, re.M)
    documented = {int(code): (name, kind, int(leave), words)
                  for name, code, kind, leave, words in rows}
    with open(os.path.join(ROOT, "protocol", "status.def")) as file:
        table = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    defined = {int(code): (name, kind.lower(), int(leave), words) for name, code, kind, leave, words
               in re.findall(r'STATUS\((\w+), (\d+), (\w+), (\d+),\s*"(.*?)"\)', table, re.S)}
    equal(documented, defined, "the table of results")
    equal(inventory.RESULTS, {code: row[:3] for code, row in defined.items()}, "inventory.py")
    with open(os.path.join(ROOT, "protocol", "error.def")) as file:
        table = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    errors = [(name, ends.lower(), words) for name, ends, words
              in re.findall(r'ERROR_CODE\((\w+), (\w+),\s*"(.*?)"\)', table, re.S)]
    equal(re.findall(r"^\| `(\w+)` \| (session|message) \| (.+) \|$", text, re.M), errors,
          "the table of errors")


def client_of(cluster, **options):
    brokers = [cluster.client_endpoint(i) for i in range(len(cluster.config["brokers"]))]
    return inventory.Client(cluster.config["name"], brokers, **options)


def reserve(client, sku, id=None, **options):
    made = pb.Operation(operation_id=id or inventory.new_operation_id())
    made.reserve.lines.add(sku=sku.encode(), quantity=1, warehouse=b"W")
    return client.call(made, sku=sku.encode(), **options)


def broker_of(cluster, endpoint):
    wanted = [i for i in range(len(cluster.config["brokers"]))
              if cluster.client_endpoint(i) == endpoint]
    found = sorted(cluster.processes("broker"), key=lambda p: p.name)
    return found[wanted[0]]


@test("a client in Python moves from a silent broker to the other")
def moves(cluster):
    cluster.stock("MV", W=100)
    client = client_of(cluster)
    try:
        equal(reserve(client, "MV").status, 0, "the first")
        first = client.brokers[client.at]
        stopped = broker_of(cluster, first)
        cluster.stop(stopped)
        result = reserve(client, "MV", timeout=scale(15))
        equal(result.status, 0, "while its broker is silent")
        check(client.brokers[client.at] != first, "it moved")
        cluster.cont(stopped)
    finally:
        client.close()
    equal(cluster.level("MV")["reserved"], 2, "reserved once each")


@test("32 clients of the library move from a silent broker, and everything is applied once")
def library_moves(cluster):
    cluster.stock("LM", W=10000)
    cluster.wait_served()
    stopped = broker_of(cluster, cluster.client_endpoint(0))
    lines = ["%d\t%d\treserve\tline=LM=1@W" % (i % 32, int(scale(300)) * (i // 32))
             for i in range(320)]

    def stop():
        wait_until(lambda: cluster.level("LM")["reserved"] >= 32, 60, "all clients are at work")
        cluster.stop(stopped)
    stopping = threading.Thread(target=stop)
    stopping.start()
    try:
        results = cluster.load(lines, clients=32, seconds=90, timeout_ms=int(scale(15000)))
    finally:
        stopping.join()
        cluster.cont(stopped)
    statuses = {}
    for row in results:
        statuses[row["status"]] = statuses.get(row["status"], 0) + 1
    equal(statuses, {"applied": 320}, "results")
    retried = sum(int(row["attempts"]) > 1 for row in results)
    check(retried > 0, "some had to be sent again")
    note("%d of 320 were sent again" % retried)
    equal(cluster.level("LM")["reserved"], 320, "reserved")


@test("an operation is retried under its id after kill -9 of a worker and of a broker")
def killed(cluster):
    cluster.stock("KL", W=100)
    ids = []
    client = client_of(cluster)
    try:
        for role in ("worker", "broker"):
            for _ in range(3):
                ids.append(inventory.new_operation_id())
                equal(reserve(client, "KL", ids[-1]).status, 0, "before")
            victim = (cluster.owner(cluster.partition("KL")) if role == "worker"
                      else broker_of(cluster, client.brokers[client.at]))
            victim.kill()
            for number in ids:
                result = reserve(client, "KL", number, first=2, timeout=scale(20))
                equal((result.status, result.replayed), (0, True), "the retry after the %s" % role)
            equal(reserve(client, "KL", timeout=scale(20)).status, 0, "a new one")
    finally:
        client.close()
    equal(cluster.level("KL")["reserved"], 8, "reserved")
    cluster.wait_served()


if __name__ == "__main__":
    run(workers=2, brokers=2)

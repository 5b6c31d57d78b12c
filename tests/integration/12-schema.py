#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The schema is applied once, goes on from where it was cut off, and refuses what it does not
know."""
from harness import *

HOLDFAST = os.path.join(BIN, "holdfast")


class Shard:
    """Starts and stops the cluster around changes of its only database."""

    def __init__(self, cluster):
        self.cluster = cluster

    def sql(self, statement):
        """Runs SQL as the user that owns the tables."""
        with open(os.path.join(self.cluster.dir, "shards/s1/schema_password")) as file:
            password = file.read().strip()
        socket = self.cluster.config["shards"][0]["servers"][0]["socket"]
        done = execute(["mariadb", "--no-defaults", "--batch", "--skip-column-names",
                        "--user=holdfast_schema", "--socket=" + socket, "holdfast"], 30,
                       input=statement, env={"MYSQL_PWD": password})
        check(done.code == 0, "sql: %s" % done)
        return [tuple(line.split("\t")) for line in done.out.splitlines()]

    def tables(self):
        return sorted(r[0] for r in self.sql("SHOW TABLES"))

    def progress(self):
        return self.sql("SELECT number, statement, HEX(hash), done FROM schema_version ORDER BY 1, 2")

    def refused(self, words):
        """up must fail with these words."""
        self.cluster.down()
        done = execute([HOLDFAST, "up", "--dir", self.cluster.dir], 60)
        equal(done.code, 71, "up: %s" % done)
        check(words in done.err, "%r in: %s" % (words, done))
        equal(self.cluster.processes(), [], "processes")


def created():
    """The tables of schema/001.sql, in order."""
    with open(os.path.join(ROOT, "schema", "001.sql")) as file:
        return re.findall(r"^CREATE TABLE `?(\w+)`?", file.read(), re.M)


# What undoes each statement of schema/002.sql: (table, SQL).
UNDO_002 = (
    ("movement", "ALTER TABLE movement DROP COLUMN signals"),
    ("subscription", "ALTER TABLE subscription DROP COLUMN epoch, DROP COLUMN endpoint,"
     " DROP COLUMN instance, DROP COLUMN lease_until_us"),
    ("subscription_position", "ALTER TABLE subscription_position DROP COLUMN epoch,"
     " DROP COLUMN lost_from"))
# And of schema/003.sql; what the first file had there has no rows yet.
UNDO_003 = (
    ("run", "ALTER TABLE run DROP COLUMN blank, DROP COLUMN undoes, DROP COLUMN applied,"
     " DROP COLUMN refused, DROP COLUMN unknown, DROP COLUMN changed_at_us, DROP COLUMN version,"
     " DROP KEY by_time"),
    ("run_line", "ALTER TABLE run_line DROP PRIMARY KEY, DROP KEY by_time, DROP COLUMN block,"
     " DROP COLUMN created_at_us, DROP COLUMN version, DROP COLUMN detail,"
     " ADD COLUMN line INT UNSIGNED NOT NULL, ADD COLUMN status SMALLINT UNSIGNED NOT NULL,"
     " ADD COLUMN message VARBINARY(255) NOT NULL, ADD PRIMARY KEY (partition_id, run, line)"))
# And of schema/004.sql.
with open(os.path.join(ROOT, "schema", "004.sql")) as file:
    UNDO_004 = (("movement", "ALTER TABLE movement " + ", ".join(
        "ALTER COLUMN %s DROP DEFAULT" % column
        for column in re.findall(r"ALTER COLUMN (\w+) SET DEFAULT", file.read()))),)
NEWER = 5  # the first version that nobody knows


@test("every statement is recorded, and the whole file after them")
def recorded(cluster):
    shard = Shard(cluster)
    equal(shard.tables(), sorted(created() + ["schema_version"]), "tables")
    rows = shard.progress()
    equal([r[:2] + r[3:] for r in rows],
          [("1", str(i), "1") for i in range(len(created()) + 1)] +
          [("2", str(i), "1") for i in range(len(UNDO_002) + 1)] +
          [("3", str(i), "1") for i in range(len(UNDO_003) + 1)] +
          [("4", str(i), "1") for i in range(len(UNDO_004) + 1)], "rows")


@test("a second up applies nothing")
def twice(cluster):
    shard = Shard(cluster)
    before = shard.progress()
    cluster.down()
    done = cluster.up()
    check("0 statements applied" in done.err, "it says so: %s" % done)
    equal(shard.progress(), before, "rows")


@test("an apply that was cut off anywhere goes on from there")
def cut(cluster):
    shard = Shard(cluster)
    names, whole = created(), shard.progress()
    # Cut before a statement, after it was begun, and after it took effect but was not marked so.
    for last, begun, effect in ((0, False, False), (1, True, False), (6, True, True),
                                (len(names), False, False)):
        undone = names[last + effect:]
        # Rows come after the whole schema, so a cut leaves none.
        emptied = [n for n in names[:last + effect] if n in ("partition", "claim", "region")]
        shard.sql("".join("DELETE FROM `%s`;" % name for name in emptied) +
                  "".join(undo + ";" for table, undo in UNDO_002 + UNDO_003 + UNDO_004
                          if table not in undone) +
                  "".join("DROP TABLE `%s`;" % name for name in undone) +
                  "DELETE FROM schema_version WHERE number > 1 OR statement = 0"
                  " OR statement > %d;"
                  "UPDATE schema_version SET done=0 WHERE statement > %d;" % (last + begun, last))
        cluster.down()
        cluster.up()
        equal(shard.progress(), whole, "rows after a cut at %d" % last)
        equal(len(shard.tables()), len(names) + 1, "tables after a cut at %d" % last)
    for last, begun, effect in ((0, False, False), (1, True, False), (2, True, True)):
        shard.sql("".join(undo + ";" for _, undo in UNDO_002[last + effect:]) +
                  "DELETE FROM schema_version WHERE number = 2 AND"
                  " (statement = 0 OR statement > %d);"
                  "UPDATE schema_version SET done=0 WHERE number = 2 AND statement > %d;" % (
                      last + begun, last))
        cluster.down()
        cluster.up()
        equal(shard.progress(), whole, "rows after a cut at %d of 002" % last)
    equal(shard.sql("SELECT COUNT(*) FROM `partition`"), [("4",)], "partitions")


@test("a table that is there though its statement was never begun is not taken for ours")
def foreign(cluster):
    shard = Shard(cluster)
    shard.sql("DELETE FROM schema_version WHERE number = 1 AND statement IN (0, 3)")
    shard.refused("statement 3 of schema file 001")
    repair(cluster, lambda: shard.sql("DROP TABLE worker"))


def repair(cluster, change):
    """`up` refuses, so the database is run alone for a change."""
    folder = os.path.join(cluster.dir, "shards/s1")
    server = os.environ.get("HOLDFAST_MYSQLD") or "/usr/sbin/mariadbd"
    child = subprocess.Popen([server, "--defaults-file=%s/my.cnf" % folder],
                             stderr=subprocess.DEVNULL, env=dict(os.environ, **{MARK: mark}))
    try:
        socket = cluster.config["shards"][0]["servers"][0]["socket"]
        wait_until(lambda: os.path.exists(socket), 30, "the database listens")
        change()
    finally:
        child.terminate()
        child.wait(scale(30))
    cluster.up()


@test("a newer schema and a changed file are refused by up, and left alone")
def refused(cluster):
    shard = Shard(cluster)
    shard.sql("INSERT INTO schema_version VALUES (%d, 0, '', 1, 0)" % NEWER)
    shard.refused("use a newer holdfast")
    repair(cluster, lambda: shard.sql("DELETE FROM schema_version WHERE number = %d" % NEWER))
    [(old,)] = shard.sql("SELECT HEX(hash) FROM schema_version WHERE number=1 AND statement=4")
    shard.sql("UPDATE schema_version SET hash='' WHERE number=1 AND statement=4")
    shard.refused("was applied with another text")
    repair(cluster, lambda: shard.sql(
        "UPDATE schema_version SET hash=x'%s' WHERE number=1 AND statement=4" % old))


@test("a database of another region or size is refused")
def region(cluster):
    shard = Shard(cluster)
    with open(cluster.file) as file:
        text = file.read()
    for old, new, words in (
            ("partitions: 4", "partitions: 8", "a region of 4 partitions named \"main\""),
            ('region: "main"', 'region: "north"', "not to one of 4 named \"north\"")):
        with open(cluster.file, "w") as file:
            file.write(text.replace(old, new))
        shard.refused(words)
        with open(cluster.file, "w") as file:
            file.write(text)
        cluster.up()


if __name__ == "__main__":
    run(workers=1, partitions=4)

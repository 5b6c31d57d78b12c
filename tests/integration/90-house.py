# SPDX-License-Identifier: MIT
"""What the Makefile promises beside the tests: an installation, and the packages.

The packages are tried with stand-ins for dpkg-query, apt-get, id and sudo, so nothing is installed.
"""
import os
import re
import signal
import stat
import subprocess
import tempfile
import time

from harness import *

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
DEPS = os.path.join(ROOT, "tools", "deps.sh")


def command(*words, env=None):
    return subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=120)


@test("make install honours DESTDIR and PREFIX, and what it installs runs")
def install():
    with tempfile.TemporaryDirectory() as folder:
        done = command("make", "-s", "-C", ROOT, "install", "BUILD=" + BUILD, "DESTDIR=" + folder,
                       "PREFIX=/opt/hf", "SANITIZE=" + wire.sanitize())
        equal(done.returncode, 0, "make install: %s" % done.stderr)
        equal(os.listdir(folder), ["opt"], "what is in DESTDIR")
        top = os.path.join(folder, "opt", "hf")
        for path in ("bin/holdfast", "bin/holdfast-broker", "bin/holdfast-worker", "bin/holdfast-view",
                     "bin/holdfast-console", "share/man/man1/holdfast-console.1",
                     "bin/holdfast-relay",
                     "include/holdfast.h", "include/holdfast_view.h", "lib/libholdfast.a",
                     "lib/libholdfast.so",
                     "lib/pkgconfig/holdfast.pc", "share/man/man1/holdfast.1",
                     "share/bash-completion/completions/holdfast",
                     "share/holdfast/cluster.schema.json", "share/holdfast/bulk.schema.json", "share/holdfast/bulk.md",
                     "share/holdfast/holdfast.proto"):
            check(os.path.exists(os.path.join(top, path)), "%s is installed" % path)
        with open(os.path.join(top, "lib/pkgconfig/holdfast.pc")) as file:
            check("prefix=/opt/hf" in file.read(), "holdfast.pc has the prefix")
        said = command(os.path.join(top, "bin/holdfast"), "version")
        equal(said.returncode, 0, "the installed holdfast version: %s" % said.stderr)


def stand_ins(folder, **scripts):
    """A PATH on which only these, and the shell's own tools, are found."""
    for name, text in scripts.items():
        path = os.path.join(folder, name.replace("_", "-"))
        with open(path, "w") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, stat.S_IRWXU)
    for tool in ("sh", "grep", "cat", "printf"):
        os.symlink(os.path.join("/bin", tool) if os.path.exists("/bin/" + tool)
                   else os.path.join("/usr/bin", tool), os.path.join(folder, tool))
    return dict(os.environ, PATH=folder)


ALL_BUT_YAML = ('for last; do :; done\n'
                '[ "$last" = libyaml-dev ] || echo "install ok installed"\n')


@test("make deps installs what is missing, with sudo when not root")
def deps_sudo():
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        env = stand_ins(folder, dpkg_query=ALL_BUT_YAML, id="echo 1000\n",
                        apt_get='echo "apt-get $*" >>%s\n' % log,
                        sudo='echo "sudo $*" >>%s\n"$@"\n' % log)
        done = command("/bin/sh", DEPS, "build", env=env)
        equal(done.returncode, 0, done.stderr)
        with open(log) as file:
            said = file.read()
        check("sudo apt-get update" in said, "it updates: %s" % said)
        check("sudo apt-get install" in said and said.rstrip().endswith(" libyaml-dev"),
              "it installs libyaml-dev alone: %s" % said)


@test("make deps without root and sudo says what to install")
def deps_neither():
    with tempfile.TemporaryDirectory() as folder:
        env = stand_ins(folder, dpkg_query=ALL_BUT_YAML, id="echo 1000\n", apt_get="exit 9\n")
        done = command("/bin/sh", DEPS, "build", env=env)
        equal(done.returncode, 71, "exit code")
        check("libyaml-dev" in done.stderr, done.stderr)


@test("make deps asks for nothing when nothing is missing")
def deps_nothing():
    with tempfile.TemporaryDirectory() as folder:
        env = stand_ins(folder, dpkg_query='echo "install ok installed"\n', apt_get="exit 9\n")
        done = command("/bin/sh", DEPS, env=env)
        equal((done.returncode, done.stderr), (0, ""), "nothing is done")


@test("make deps on another system names what is lacking")
def deps_elsewhere():
    with tempfile.TemporaryDirectory() as folder:
        done = command("/bin/sh", DEPS, env=stand_ins(folder, gcc="", make=""))
        equal(done.returncode, 71, "exit code")
        check("protoc-c" in done.stderr and "libzmq(pkg-config)" in done.stderr, done.stderr)
        check(" gcc" not in done.stderr, "what is there is not named: %s" % done.stderr)


# ---------------------------------------------------------------- what the documents name

TEST_NAME = re.compile(r"\b(\d\d-[a-z][a-z0-9-]*|(?:test|fuzz)_[a-z0-9_]+)")
# A comma that is not within quotes.
COMMA = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')


def test_files():
    """{file name without its ending: its text, in lower case and with single blanks}"""
    found = {}
    for folder, _, names in os.walk(os.path.join(ROOT, "tests")):
        for name in names:
            stem, ending = os.path.splitext(name)
            if ending in (".c", ".py") and TEST_NAME.fullmatch(stem):
                with open(os.path.join(folder, name)) as file:
                    found[stem] = " ".join(file.read().lower().split())
    return found


def named_tests(cell, files):
    """(file, [tests in it]) of a cell such as: `10-up` long name; `test_ids` a_test, another"""
    for segment in cell.split(";"):
        name, tests = None, []
        for words in COMMA.split(segment):
            found = TEST_NAME.search(words)
            if found and (not name or found.group(1) in files or "`" in words):
                if name:
                    yield name, tests
                name, tests = found.group(1), []
                words = words[found.end():]
            words = words.strip(' `".').lstrip("._").lower()
            if words and not re.fullmatch(r"[\d to]+|with .*", words):
                tests.append(words)
        if name:
            yield name, tests


def missing_tests(path, column, files):
    with open(os.path.join(ROOT, path)) as file:
        rows = [line.strip().strip("|").split("|") for line in file if line.startswith("|")]
    for row in rows:
        for name, tests in named_tests(row[column], files) if len(row) > column else ():
            text = files.get(name)
            if text is None:
                yield "%s: there is no test file %s" % (path, name)
            for test_name in tests:
                if text and test_name not in text and test_name.replace(" ", "_") not in text:
                    yield "%s: %s has no test %r" % (path, name, test_name)


@test("a command that does not end is given up at its limit, whoever holds its pipes")
def given_up():
    began, told = time.monotonic(), ""
    try:
        execute(["/bin/sh", "-c", "sleep 60 & echo $!; exec sleep 60"], seconds=1)
    except Failure as failure:
        told = str(failure)
    took = time.monotonic() - began
    holder = re.search(r"stdout: (\d+)", told)
    check(holder, "what it had said is told: " + told)
    os.kill(int(holder.group(1)), signal.SIGKILL)
    check(took < scale(20), "given up after %.1f s" % took)


@test("no two tests of a folder have the same number")
def numbered():
    for folder in ("integration", "faults", "simulate"):
        numbers = [name[:2] for name in os.listdir(os.path.join(ROOT, "tests", folder))
                   if re.fullmatch(r"\d\d-.*\.py", name)]
        check(len(numbers) > 1, "tests are found in " + folder)
        equal(sorted(numbers), sorted(set(numbers)), "numbers of tests in " + folder)


@test("every test that correctness.md and requirements.md name is there")
def named():
    files = test_files()
    equal(sum(1 for row in open(os.path.join(ROOT, "docs/correctness.md"))
              for _ in named_tests((row.split("|") + [""] * 4)[3], files)) > 40, True,
          "tests are named in correctness.md, and found by this check")
    missing = [what for path, column in (("docs/requirements.md", 1), ("docs/correctness.md", 2))
               for what in missing_tests(path, column, files)]
    equal(missing, [], "tests that are named and not there")


if __name__ == "__main__":
    run(cluster=False)

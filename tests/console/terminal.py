# SPDX-License-Identifier: MIT
"""Terminals for tests of holdfast-console: libvterm (by driver.c) and tmux, with the same methods.

    with Terminal(cluster) as t:
        t.wait("Stock")
        t.key("F4")
        t.type("-3")

No wait is without a deadline, and nothing sleeps in the hope that something has happened.
"""
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import BIN, BUILD, MARK, Failure, check, mark, scale, wait_until  # noqa: E402

DRIVER = os.path.join(BUILD, "tests", "console", "driver")
CONSOLE = os.path.abspath(os.environ.get("HOLDFAST_CONSOLE",
                                         os.path.join(BIN, "holdfast-console")))

KEYS = {"Enter": "\r", "Tab": "\t", "Esc": "\033", "Up": "\033[A", "Down": "\033[B",
        "Right": "\033[C", "Left": "\033[D", "Home": "\033[H", "End": "\033[F",
        "PgUp": "\033[5~", "PgDn": "\033[6~", "Backspace": "\177", "F1": "\033OP",
        "F2": "\033OQ", "F3": "\033OR", "F4": "\033OS", "F5": "\033[15~", "F6": "\033[17~",
        "F7": "\033[18~", "F8": "\033[19~", "F9": "\033[20~", "F10": "\033[21~",
        "Alt-2": "\0332", "Ctrl-L": "\014", "Ctrl-Z": "\032"}


def console_argv(cluster, *words):
    file = cluster if isinstance(cluster, str) else cluster.file
    return [CONSOLE, "-C", file, "--actor", "m.kaya", *words]


class Screen:
    """What both terminals can do; text, rows and send are theirs."""

    def wait(self, text, seconds=6):
        try:
            wait_until(lambda: self.shows(text), seconds, "")
        except Failure:
            raise Failure("the screen does not show %r:\n%s" % (text, self.text()))

    def wait_gone(self, text, seconds=10):
        try:
            wait_until(lambda: not self.shows(text), seconds, "")
        except Failure:
            raise Failure("the screen still shows %r:\n%s" % (text, self.text()))

    def shows(self, text):
        return text in self.text()

    def text(self):
        return "\n".join(self.lines())

    def line_with(self, text):
        for line in self.lines():
            if text in line:
                return line
        raise Failure("no line has %r:\n%s" % (text, self.text()))

    def wait_line(self, text, *words, seconds=6):
        """Until a line that has the text has the words too: a frame comes in pieces."""
        try:
            wait_until(lambda: any(text in line and all(word in line for word in words)
                                   for line in self.lines()), seconds, "")
        except Failure:
            raise Failure("no line with %r has %r:\n%s" % (text, words, self.text()))

    def key(self, *names):
        """Keys apart, as a person presses them."""
        for name in names:
            self.send(KEYS.get(name, name))
            time.sleep(0.035)  # longer than a scanner's gap and ESC's wait: part of what is typed

    def type(self, text):
        self.key(*text)

    def scan(self, code):
        """As a scanner: all at once, with Enter."""
        self.send(code + "\r")

    def view(self, name):
        self.key("F3")
        self.wait("Views")
        self.send(name + "\r")
        self.wait_gone("Views")  # which has the name of each
        self.wait(" " + name)


class Terminal(Screen):
    """libvterm. argv: instead of the console. What is not given is 24x80, xterm-256color, UTF-8, or
    what HOLDFAST_CONSOLE_TERMINAL says ("ROWSxCOLUMNS TERM LOCALE [NO_COLOR]", see matrix.py)."""

    def __init__(self, cluster=None, *words, rows=None, columns=None, term=None, locale=None,
                 env=None, argv=None):
        usual = os.environ.get("HOLDFAST_CONSOLE_TERMINAL", "24x80 xterm-256color C.UTF-8").split()
        size = [int(n) for n in usual[0].split("x")]
        self.argv = argv or console_argv(cluster, *words)
        self.home = tempfile.mkdtemp(prefix="hfc-")
        self.env = dict(os.environ, TERM=term or usual[1], LC_ALL=locale or usual[2],
                        HOME=self.home, **{MARK: mark})
        for name in ("NO_COLOR", "XDG_CONFIG_HOME", "LINES", "COLUMNS"):
            self.env.pop(name, None)
        if "NO_COLOR" in usual:
            self.env["NO_COLOR"] = "1"
        self.env.update(env or {})
        self.size = (rows or size[0], columns or size[1])
        # vt220 and the Linux console have one screen, which a program leaves as it was.
        self.two_screens = self.env["TERM"].startswith("xterm")
        self.colours = self.env["TERM"] != "vt220" and not self.env.get("NO_COLOR")

    def __enter__(self):
        self.child = subprocess.Popen([DRIVER, *map(str, self.size), *self.argv],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      env=self.env, cwd=self.home)
        return self

    def __exit__(self, *_):
        try:
            self.child.stdin.close()
            self.child.wait(scale(10))
        except (subprocess.TimeoutExpired, OSError):
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def ask(self, *words):
        try:
            self.child.stdin.write(" ".join(map(str, words)) + "\n")
            self.child.stdin.flush()
            line = self.child.stdout.readline()
        except OSError:
            line = ""
        check(line, "the driver ended at %r" % (words,))
        return line.rstrip("\n")

    def send(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        self.ask("send", data.hex())

    def wait(self, text, seconds=6):
        if self.ask("wait", int(scale(seconds) * 1000), text.encode().hex()) != "yes":
            raise Failure("the screen does not show %r:\n%s" % (text, self.text()))

    def wait_gone(self, text, seconds=10):
        if self.ask("gone", int(scale(seconds) * 1000), text.encode().hex()) != "yes":
            raise Failure("the screen still shows %r:\n%s" % (text, self.text()))

    def lines(self):
        return [bytes.fromhex(self.ask("row", i)).decode(errors="replace")
                for i in range(self.state()["rows"])]

    def cell(self, row, column):
        names = ("point", "bold", "reverse", "underline", "colour")
        return dict(zip(names, map(int, self.ask("cell", row, column).split())))

    def cursor(self):
        return tuple(map(int, self.ask("cursor").split()))

    def state(self):
        names = ("rows", "columns", "alternate", "bells", "written", "ended", "status", "writes",
                 "pid")
        return dict(zip(names, map(int, self.ask("state").split())))

    def echo(self, keys, text, seconds=6):
        """Types, and waits for the text; how long that took, in seconds."""
        took = int(self.ask("echo", int(scale(seconds) * 1000), keys.encode().hex(),
                            text.encode().hex()))
        check(took >= 0, "the screen does not show %r:\n%s" % (text, self.text()))
        return took / 1e6

    def modes(self):
        """mouse, paste: what the program has switched on; same: the line discipline is as before."""
        return dict(zip(("mouse", "paste", "same"), map(int, self.ask("modes").split())))

    def quiet(self, seconds):
        """Waits until nothing is written for so long; bytes written in all."""
        return int(self.ask("quiet", int(seconds * 1000)))

    def resize(self, rows, columns):
        self.ask("resize", rows, columns)

    def signal(self, number):
        check(self.ask("signal", int(number)) == "ok", "the signal is sent")

    def ended(self, seconds=10):
        """Waits for the end; exit code, or minus the signal."""
        check(self.ask("end", int(scale(seconds) * 1000)) == "yes",
              "the console has ended:\n" + self.text())
        return os.waitstatus_to_exitcode(self.state()["status"])


class Tmux(Screen):
    """The second, independent emulator."""

    def __init__(self, cluster, *words, rows=24, columns=80, locale="C.UTF-8"):
        self.socket = "hf-%s" % secrets.token_hex(6)
        self.home = tempfile.mkdtemp(prefix="hfc-")
        self.env = dict(os.environ, LC_ALL=locale, HOME=self.home, TMUX_TMPDIR=self.home,
                        **{MARK: mark})
        self.env.pop("TMUX", None)
        self.size, self.argv = (rows, columns), console_argv(cluster, *words)

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-L", self.socket, "-f", "/dev/null", *words], text=True,
                              env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=scale(10))
        check(done.returncode == 0, "tmux %s: %s" % (words[0], done.stderr))
        return done.stdout

    def __enter__(self):
        rows, columns = self.size
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), *self.argv)
        return self

    def __exit__(self, *_):
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], env=self.env,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=scale(10))
        shutil.rmtree(self.home, ignore_errors=True)

    def lines(self):
        return self.tmux("capture-pane", "-p").split("\n")

    def send(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        for begin in range(0, len(data), 200):
            self.tmux("send-keys", "-H", *("%02x" % b for b in data[begin:begin + 200]))

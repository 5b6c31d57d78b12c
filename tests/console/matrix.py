# SPDX-License-Identifier: MIT
"""make console-matrix: the tests of 85-console and 79-console-terminal once more at other sizes, with
other terminals, locales and without colours. Each combination has a cluster of its own.

usage: matrix.py [WORD...]     only combinations that contain one of the words, such as 17x65
"""
import os
import subprocess
import sys

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration")
WIDE = (
    "24x80 xterm-256color C.UTF-8", "24x80 xterm-256color C", "24x80 vt220 C",
    "24x80 linux C.UTF-8 NO_COLOR",
    "50x200 xterm-256color C.UTF-8", "50x200 linux C.UTF-8", "50x200 vt220 C NO_COLOR",
    "17x65 xterm-256color C.UTF-8", "17x65 vt220 C.UTF-8", "17x65 linux C NO_COLOR",
)
# A screen for a scanner: the scenarios whose words fit into 20 columns.
TINY = ("16x20 xterm-256color C.UTF-8", "16x20 vt220 C", "16x20 linux C.UTF-8 NO_COLOR")
FITS = {"85-console.py": ("first screen", "burst of scans", "scanner on 20x16", "storm", "idle"),
        "79-console-terminal.py": ("way out", "idle")}
SECONDS = 600


def run_file(combination, name, words):
    env = dict(os.environ, HOLDFAST_CONSOLE_TERMINAL=combination, PYTHONPATH=FOLDER)
    argv = ["/usr/bin/python3", "-B", os.path.join(FOLDER, name), *words]
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS)
    lines = done.stdout.splitlines()
    passed = sum(line.startswith("ok ") for line in lines)
    good = done.returncode == 0 and passed > 2
    print("%s %s: %s, %d passed" % ("ok  " if good else "FAIL", combination, name, passed), flush=True)
    if not good:
        # What is said of a test that failed: everything but the logs.
        shown = False
        for line in lines:
            if line.startswith(("ok ", "not ok ", "# == ")):
                shown = line.startswith("not ok ")
            if shown:
                print("     | " + line)
    return good


def main():
    words = sys.argv[1:]
    failed = 0
    for combination in WIDE + TINY:
        if words and not any(word in combination for word in words):
            continue
        for name, fits in FITS.items():
            failed += not run_file(combination, name, fits if combination in TINY else ())
    print("%d failed" % failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a command in a terminal of its own, types ^C once FILE has LINES lines, and waits for its end.

terminal.py FILE LINES COMMAND..."""
import os
import pty
import sys
import time

name, lines = sys.argv[1], int(sys.argv[2])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[3], sys.argv[3:])


def count():
    try:
        with open(name, encoding="ascii") as file:
            return len(file.readlines())
    except FileNotFoundError:
        return 0


deadline = time.monotonic() + 30
while count() < lines and time.monotonic() < deadline:
    time.sleep(0.02)
os.write(terminal, b"\x03")
while count() < 2 * lines and time.monotonic() < deadline:
    time.sleep(0.02)
os.kill(pid, 15)
while True:
    try:
        if not os.read(terminal, 4096):
            break
    except OSError:
        break
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a command in a terminal of its own, types a key, ^C by default, once FILE has LINES lines, and waits for its end.

terminal.py FILE LINES MORE COMMAND...: sends TERM once FILE has MORE lines; 0: never, the key must end COMMAND"""
import os
import pty
import sys
import time

name, lines, more = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
key = os.environ.pop("KEY", "\x03").encode()
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[4], sys.argv[4:])


def count():
    try:
        with open(name, encoding="ascii") as file:
            return len(file.readlines())
    except FileNotFoundError:
        return 0


deadline = time.monotonic() + 30
while count() < lines and time.monotonic() < deadline:
    time.sleep(0.02)
os.write(terminal, key)
while more and count() < more and time.monotonic() < deadline:
    time.sleep(0.02)
if more:
    os.kill(pid, 15)
while True:
    try:
        if not os.read(terminal, 4096):
            break
    except OSError:
        break
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

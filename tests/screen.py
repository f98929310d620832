#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a command on a screen, of which it knows just enough: cursor home, clearing to the end of line and screen.

usage: screen.py ROWS COLUMNS STEP... -- COMMAND...

redraws N      waits until the cursor has gone home so often
size R C       changes the size of the screen
print          prints the screen
key TEXT       types that, such as ^C by $'\\x03'
signal N       sends that signal
end            waits for COMMAND's end; prints its status, and how often it scrolled, wrapped a line, or sent another
               control character"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time


class Screen:
    def __init__(self, rows, columns):
        self.rows, self.columns, self.redraws = rows, columns, 0
        self.lines, self.row, self.column = [""] * rows, 0, 0
        self.faults = {"scrolled": 0, "wrapped": 0, "odd": 0}

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.lines = [line[:columns] for line in (self.lines + [""] * rows)[:rows]]
        self.row = min(self.row, rows - 1)

    def control(self, text):
        if text == "\x1b[H":
            self.redraws += 1
            self.row = self.column = 0
        elif text == "\x1b[K":
            self.lines[self.row] = self.lines[self.row][: self.column]
        elif text == "\x1b[J":
            self.lines[self.row] = self.lines[self.row][: self.column]
            self.lines[self.row + 1 :] = [""] * (self.rows - self.row - 1)
        elif text == "\r":
            self.column = 0
        elif text == "\n" and self.row + 1 < self.rows:
            self.row += 1
        elif text == "\n":
            self.faults["scrolled"] += 1
        else:
            self.faults["odd"] += 1

    def draw(self, text):
        for part in re.findall(r"\x1b\[[0-9;?]*.|[^ -~]|[ -~]+", text):
            if not " " <= part[0] <= "~":
                self.control(part)
                continue
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + part + line[self.column + len(part) :]
            self.column += len(part)
            self.faults["wrapped"] += self.column > self.columns


def read(terminal, screen, seconds):
    """Returns False at the end."""
    if select.select([terminal], [], [], seconds)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            return False
        screen.draw(data.decode("latin-1"))
    return True


def set_size(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def main():
    steps, command = sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :]
    rows, columns = int(steps.pop(0)), int(steps.pop(0))
    gate = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        os.read(gate[0], 1)  # until the size is set
        os.execvp(command[0], command)
    screen = Screen(rows, columns)
    set_size(terminal, rows, columns)
    os.write(gate[1], b"x")
    deadline = time.monotonic() + 30
    while steps:
        step = steps.pop(0)
        if step == "redraws":
            wanted = screen.redraws + int(steps.pop(0))
            while screen.redraws < wanted and time.monotonic() < deadline and read(terminal, screen, 1):
                pass
            while read(terminal, screen, 0.1) and select.select([terminal], [], [], 0)[0]:
                pass
        elif step == "size":
            rows, columns = int(steps.pop(0)), int(steps.pop(0))
            screen.resize(rows, columns)
            set_size(terminal, rows, columns)  # sends WINCH
        elif step == "print":
            print("\n".join(line.rstrip() for line in screen.lines), flush=True)
        elif step == "key":
            os.write(terminal, steps.pop(0).encode())
        elif step == "signal":
            os.kill(pid, int(steps.pop(0)))
        elif step == "end":
            while time.monotonic() < deadline and read(terminal, screen, 1):
                pass
            os.close(terminal)
            print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), *screen.faults.values(), flush=True)
            pid = 0
    if pid:
        os.kill(pid, signal.SIGKILL)


main()

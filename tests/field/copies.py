# SPDX-License-Identifier: MIT
"""Copies of a server that run in place.py: which of them listen, and which answers."""

import glob
import os
import re
import subprocess
import sys
import time

from place import FOLDER, pids

sys.path.insert(0, os.path.abspath(f"{__file__}/../.."))

import ask


def parent(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def sockets(protocol):
    """Yields (local port, remote port, whether it can be asked, inode)."""
    for version in "", "6":
        with open(f"/proc/net/{protocol}{version}", encoding="ascii") as lines:
            for fields in map(str.split, list(lines)[1:]):
                local, remote = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
                yield local, remote, fields[3] in ("0A", "07"), int(fields[9])


def listening(port, protocol):
    return {inode for local, _, ready, inode in sockets(protocol) if local == port and ready}


def socket_owner(pid, inodes):
    for path in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            target = os.readlink(path)
        except OSError:
            continue
        if target.startswith("socket:[") and int(target[8:-1]) in inodes:
            return True
    return False


class Copies:
    """Those that were started: each is a process with its descendants. What it says is in /srv/NAME.out."""

    def __init__(self):
        self.processes = {}
        self.supervisor = None

    def start(self, name, line):
        # vsftpd says on descriptor 0 why it ends; who reads there finds the file at its end.
        with open(f"/srv/{name}.out", "w+b") as output:
            process = subprocess.Popen(["sh", "-c", f"exec {line}"], cwd=FOLDER, stdin=output, stdout=output, stderr=output, start_new_session=True)
        self.processes[name] = process
        return process

    def roots(self):
        """The PID of each copy's first process: its own, or the supervisor's child."""
        if self.supervisor:
            return {str(pid): pid for pid in pids() if parent(pid) == self.supervisor.pid}
        return {name: process.pid for name, process in self.processes.items()}

    def copy_of(self, pid):
        roots = {pid: name for name, pid in self.roots().items()}
        while pid > 1:
            if pid in roots:
                return roots[pid]
            pid = parent(pid)
        return None

    def owners(self, inodes):
        return {self.copy_of(pid) for pid in pids() if pid != 1 and socket_owner(pid, inodes)} - {None} if inodes else set()

    def that_listen(self, row):
        """Those that are bound; none while they are not the same for each protocol."""
        first, *others = (self.owners(listening(row.number, protocol)) for protocol in row.protocols)
        return first if all(other == first for other in others) else set()

    def that_answers(self, row, patience=5):
        """Asks once; the copy that answered, by what it says or by whose the socket is."""
        request, pattern = ask.PROTOCOLS[row.ask]
        with ask.connect(row.ask, row.number) as connection:
            connection.settimeout(patience)
            if row.ask == "syslog/udp":
                return written_by(connection, request, patience)
            answer = ask.ask(connection, request, pattern)
            if re.compile(pattern).groups:
                return answer
            own = connection.getsockname()[1]
            mine = {inode for local, remote, _, inode in sockets("tcp") if (local, remote) == (row.number, own) and inode}
            return (self.owners(mine) or {None}).pop()


def written_by(connection, request, patience):
    """The folder of the copy that wrote the message down."""
    token = os.urandom(8).hex()
    connection.sendall(request + token.encode())
    end = time.monotonic() + patience
    while time.monotonic() < end:
        for path in glob.glob(f"{FOLDER}/?/log"):
            with open(path, encoding="utf-8") as log:
                if token in log.read():
                    return path.split("/")[-2]
        time.sleep(0.005)
    raise OSError("nobody wrote the message down")

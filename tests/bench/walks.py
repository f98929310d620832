# SPDX-License-Identifier: MIT
"""System calls of replace by which it looks into processes, beside a bystander of no sockets and of 3 000."""

import collections
import re
import subprocess
import sys
import tempfile

from report import table
from servers import PORT, REUSEPORT, listeners, wait_for

TAKES = {"smoke": 8, "quick": 8, "full": 8}  # seconds

# A server that keeps its connections, so that replace waits for them.
KEEPS = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
kept = []
while True: kept.append(server.accept()[0])
"""
HOLDS = """
import resource, socket, sys, time

resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
kept = [socket.socket() for _ in range(int(sys.argv[1]))]
print("ready", flush=True)
time.sleep(3600)
"""
SERVER = [sys.executable, "-c", KEEPS, str(PORT)]
CALLS = ("readlinkat", "getdents64")


def replace(old):
    """How often it makes each of the calls, by strace; ends the new server."""
    with tempfile.NamedTemporaryFile("r") as trace, tempfile.TemporaryFile("w+") as out:
        subprocess.run(["strace", "-o", trace.name, "-e", "trace=" + ",".join(CALLS), REUSEPORT, "replace", "--drain", "3", str(old.pid), *SERVER],
                       stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, check=True, timeout=100)
        out.seek(0)
        subprocess.run(["kill", "-TERM", re.search(r"pid (\d+) .* has replaced", out.read())[1]], check=True)
        return collections.Counter(line.split("(")[0] for line in trace)


def beside(sockets):
    """The calls of one replacement in the presence of a process with so many sockets."""
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(sockets)], stdout=subprocess.PIPE) as bystander:
        bystander.stdout.readline()
        old = subprocess.Popen(SERVER, stdin=subprocess.DEVNULL)
        client = None
        try:
            wait_for(lambda: listeners(PORT))
            client = subprocess.Popen([sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {PORT})).recv(1)"], stderr=subprocess.DEVNULL)
            found = replace(old)
        finally:
            old.terminate()
            old.wait(timeout=30)
            if client:
                client.wait(timeout=30)
            bystander.terminate()
        wait_for(lambda: not listeners(PORT))
        return found


def run(report, _form):
    found = {sockets: beside(sockets) for sockets in (0, 3000)}
    report.add("## Looking into processes", "System calls of one `replace --drain 3` of a server with a connection that stays, beside a process with as many sockets.",
               table(("sockets", *CALLS), [(sockets, *(calls[name] for name in CALLS)) for sockets, calls in found.items()]))
    report.count("replace --drain 3 beside 3 000 sockets: readlinkat and getdents64", sum(found[3000].values()), 8000, False)
    report.count("the same over those beside none", sum(found[3000].values()) / sum(found[0].values()), 1.1, False)

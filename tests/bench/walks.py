# SPDX-License-Identifier: MIT
"""How replace looks into processes: through all of them how often, and how much at each look, beside a bystander of
3 000 sockets. Counted in a PID namespace, where there are no other processes.

usage: walks.py SOCKETS [OPTION...]     as root, in namespaces of its own: one replacement, its counts as JSON"""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile

import alone
from report import table
from servers import PORT, REUSEPORT, listeners, wait_for

TAKES = {"smoke": 7, "quick": 7, "full": 7}  # seconds

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


def replace(old, trace, options):
    """Traces a replacement, which waits for 3 s for the connection."""
    with tempfile.TemporaryFile("w+") as out:
        subprocess.run(["strace", "-y", "-s", "200", "-o", trace, REUSEPORT, "replace", "--drain", "3", *options, str(old.pid), *SERVER],
                       stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, check=True, timeout=100)
        out.seek(0)
        subprocess.run(["kill", "-TERM", re.search(r"pid (\d+) .* has replaced", out.read())[1]], check=True)


def counts(trace, bystander):
    """calls: of CALLS; walks: how often it read all the bystander's descriptors; look: all system calls of one look,
    the median between two pauses while it waited for the connection."""
    lines = trace.read().splitlines()
    inside = sum(line.startswith("readlinkat(") and f"</proc/{bystander}/fd>" in line for line in lines)
    first = next(i for i, line in enumerate(lines) if "waiting for the old server's connections" in line)
    last = next(i for i, line in enumerate(lines) if i > first and line.startswith("write(2") and "signalling" in line)
    pauses = [i for i in range(first, last) if lines[i].startswith("poll(NULL, 0, ")]
    return {"calls": {name: sum(line.startswith(f"{name}(") for line in lines) for name in CALLS},
            "walks": inside / len(os.listdir(f"/proc/{bystander}/fd")), "look": statistics.median_low(b - a for a, b in zip(pauses, pauses[1:])), "looks": len(pauses)}


def beside(sockets, options):
    """One replacement in the presence of a process with so many sockets. All that it starts ends with the namespace."""
    with tempfile.NamedTemporaryFile("r") as trace:
        bystander = subprocess.Popen([sys.executable, "-c", HOLDS, str(sockets)], stdout=subprocess.PIPE)
        bystander.stdout.readline()
        old = subprocess.Popen(SERVER, stdin=subprocess.DEVNULL)
        wait_for(lambda: listeners(PORT))
        with socket.create_connection(("127.0.0.1", PORT)):
            replace(old, trace.name, options)
        return counts(trace, bystander.pid)


def run(report, _form):
    # Side by side: what is counted does not depend on the time.
    forms = {"none": ("0",), "3000": ("3000",), "3000, --no-steer": ("3000", "--no-steer")}
    processes = {form: alone.start(__file__, *words, options=alone.NETWORK) for form, words in forms.items()}
    found = {form: alone.result(process) for form, process in processes.items()}
    report.add("## Looking into processes", "One `replace --drain 3` of a server with a connection that stays, beside a process with as many sockets, in a PID namespace "
               "of their own: system calls in all, how often it read all descriptors of that process, system calls of one look while it waited, and how often it looked.",
               table(("sockets", *CALLS, "walks through that process", "calls of a look", "looks"),
                     [(form, *counted["calls"].values(), f"{counted['walks']:g}", f"{counted['look']:g}", counted["looks"]) for form, counted in found.items()]))
    report.count("replace --drain 3 beside 3 000 sockets: readlinkat and getdents64", sum(found["3000"]["calls"].values()), 8000)
    report.count("walks of replace through a process with 3 000 sockets", found["3000"]["walks"], 1)
    report.count("the same with --no-steer", found["3000, --no-steer"]["walks"], 0)
    report.count("system calls of a look beside 3 000 sockets, over those beside none", found["3000"]["look"] / found["none"]["look"], 1)
    report.explain(f"replace: times it walked through all processes: {found['3000']['walks']:g}, as it must know who else has a listener that it is about to hide. "
                   f"Each of its {found['3000']['looks']} looks read the two servers' descriptors alone, with {found['3000']['look']:g} system calls.")


if __name__ == "__main__":
    print(json.dumps(beside(int(sys.argv[1]), sys.argv[2:])))

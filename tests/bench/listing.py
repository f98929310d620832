# SPDX-License-Identifier: MIT
"""reuseport list PORT against ss -ltnp 'sport = :PORT', nearly idle and with 10 000 listeners and 50 000
connections.

usage: listing.py LISTENERS CONNECTIONS ROUNDS     as root, in namespaces of its own: times and counts, as JSON"""

import json
import statistics
import subprocess
import sys
import time

import alone
from report import table
from rounds import Comparison, spread
from servers import BUILD, REUSEPORT

TAKES = {"smoke": 2, "quick": 3, "full": 50}  # seconds
ROUNDS = {"smoke": 3, "quick": 5, "full": 15}
PORT = "20007"
COMMANDS = {"ss": ["ss", "-ltnp", f"sport = :{PORT}"], "list": [REUSEPORT, "list", f"{PORT}/tcp"], "ss again": ["ss", "-ltnp", f"sport = :{PORT}"]}


def milliseconds(command):
    begin = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begin) * 1000


def measure(rounds):
    """{command: [milliseconds of each round]}"""
    times = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            times[name].append(milliseconds(command))
    return times


def beside(listeners, connections, rounds):
    """Times and system calls beside so many sockets, and no other processes."""
    with subprocess.Popen([f"{BUILD}/probes/crowd", str(listeners), str(connections)], stdout=subprocess.PIPE) as crowd:
        crowd.stdout.readline()
        found = measure(rounds), {name: alone.system_calls(COMMANDS[name]) for name in ("ss", "list")}
        crowd.terminate()
    return found


def run(report, form):
    rows = []
    for listeners, connections in ((8, 0), (10000, 50000) if form == "full" else (1000, 5000)):
        times, counted = alone.result(alone.start(__file__, listeners, connections, ROUNDS[form]))
        what = f"{listeners} listeners, {connections} connections"
        compared = Comparison(times["list"], times["ss"], times["ss again"])
        medians = {"ss": statistics.median(times["ss"]), "reuseport list": statistics.median(times["list"])}
        rows.append((what, f"{medians['ss']:.1f}", spread(times["ss"]), counted["ss"],
                     f"{medians['reuseport list']:.1f}", spread(times["list"]), counted["list"], compared, f"{compared.control:.3f}"))
        report.compare(f"list over ss, {what}", compared, 1, False)
        report.rank(f"milliseconds to list a port beside {what}", medians, ("reuseport list",), lower=True)
    report.add("## list", "Milliseconds for one port, and system calls, in a PID namespace without other processes: both commands look into every process.",
               table(("", "ss", "range", "system calls", "reuseport list", "range", "system calls", "ratio", "control"), rows))


if __name__ == "__main__":
    print(json.dumps(beside(*map(int, sys.argv[1:]))))

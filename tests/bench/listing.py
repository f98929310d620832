#!/usr/bin/env python3
"""Benchmark: reuseport list PORT against ss -ltnp 'sport = :PORT', on an empty network namespace and with
10 000 listeners and 50 000 connections; interleaved rounds, medians, and their ratio.

usage: bench-list.py BUILD [ROUNDS]      as root, in a network namespace of its own (make bench)"""

import statistics
import subprocess
import sys
import time

build = sys.argv[1]
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 21
PORT = "20007"
COMMANDS = {
    "ss": ["ss", "-ltnp", f"sport = :{PORT}"],
    "list": [f"{build}/reuseport", "list", f"{PORT}/tcp"],
}


def measure(label):
    times = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            begin = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            times[name].append((time.perf_counter() - begin) * 1000)
    ss, ours = (statistics.median(times[name]) for name in ("ss", "list"))
    spread = {name: f"{min(t):.1f}-{max(t):.1f}" for name, t in times.items()}
    print(f"{label:<38} {ss:>8.1f} {spread['ss']:>14} {ours:>8.1f} {spread['list']:>14} {ours / ss:>6.2f}")


print(f"{'milliseconds, median and range of ' + str(rounds):<38} {'ss':>8} {'':>14} {'list':>8} {'':>14} {'ratio':>6}")
for label, listeners, connections in (("one listener", 8, 0), ("10 000 listeners, 50 000 connections", 10000, 50000)):
    with subprocess.Popen([f"{build}/probes/crowd", str(listeners), str(connections)], stdout=subprocess.PIPE) as crowd:
        crowd.stdout.readline()
        measure(label)
        crowd.terminate()

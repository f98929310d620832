# SPDX-License-Identifier: MIT
"""reuseport list PORT against ss -ltnp 'sport = :PORT', nearly idle and with 10 000 listeners and 50 000
connections."""

import statistics
import subprocess
import time

from report import table
from rounds import ratio, spread
from servers import BUILD, REUSEPORT

TAKES = {"smoke": 2, "quick": 3, "full": 20}  # seconds
PORT = "20007"
COMMANDS = {"ss": ["ss", "-ltnp", f"sport = :{PORT}"], "list": [REUSEPORT, "list", f"{PORT}/tcp"]}


def measure(rounds):
    times = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            begin = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            times[name].append((time.perf_counter() - begin) * 1000)
    return times


def run(report, form):
    quick = form != "full"
    rows = []
    for listeners, connections in ((8, 0), (1000, 5000) if quick else (10000, 50000)):
        with subprocess.Popen([f"{BUILD}/probes/crowd", str(listeners), str(connections)], stdout=subprocess.PIPE) as crowd:
            crowd.stdout.readline()
            times = measure(5 if quick else 15)
            crowd.terminate()
        rows.append((f"{listeners} listeners, {connections} connections", f"{statistics.median(times['ss']):.1f}", spread(times["ss"]),
                     f"{statistics.median(times['list']):.1f}", spread(times["list"]), f"{ratio(times['list'], times['ss']):.3f}"))
    report.add("## list", "Milliseconds for one port.", table(("", "ss", "range", "reuseport list", "range", "ratio"), rows))

# SPDX-License-Identifier: MIT
"""What starting a command costs: instructions and system calls, both counted, and time."""

import os
import re
import statistics
import subprocess
import time

from alone import system_calls
from calls import EMPTY, under
from report import table
from rounds import Comparison, spread
from servers import LIBRARY, REUSEPORT

TAKES = {"smoke": 5, "quick": 6, "full": 30}  # seconds
ROUNDS = {"smoke": 10, "quick": 40, "full": 300}

TEN = ",".join(str(port) for port in range(20100, 20110))
PRELOADED = {"nothing": [], "empty preload": under(EMPTY), "library, inert": under(LIBRARY),
             "library, one port": under(LIBRARY, "20100"), "library, a list of 10": under(LIBRARY, TEN)}
LIMITS = {"inert": 9000, "one port": 13000, "a list of 10": 18500}  # instructions
AGAIN = "env true"
TIMED = {"env true": ["env", "true"], "preload of an empty library": [*under(EMPTY), "true"], "preload of ours": [*under(LIBRARY, TEN), "true"],
         "reuseport run": [REUSEPORT, "run", "-p", TEN, "true"], "reuseport run -m seccomp": [REUSEPORT, "run", "-m", "seccomp", "-p", TEN, "true"]}


def instructions(words):
    """Of /bin/true, loader included, by callgrind. The environment is always the same, as the loader reads all of it."""
    out = subprocess.run([*words, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "/bin/true"], capture_output=True, text=True, check=True,
                         env={"PATH": os.defpath}).stderr
    return int(re.search(r"Collected : (\d+)", out)[1])


def cost_in_instructions(report):
    counted = {way: instructions(words) for way, words in PRELOADED.items()}
    report.add("### Instructions", "Of /bin/true, loader included, by callgrind.",
               table(("", "instructions", "more than an empty preload"), [(way, number, number - counted["empty preload"]) for way, number in counted.items()]))
    for what, limit in LIMITS.items():
        report.count(f"start, {what}: instructions more than an empty preload", counted[f"library, {what}"] - counted["empty preload"], limit)
    report.explain(f"start: an empty preload adds {counted['empty preload'] - counted['nothing']} instructions to {counted['nothing']}; those of the library come on top.")


def cost_in_calls(report):
    # env reads its locale; reuseport has none.
    env = system_calls(["env", "true"], LC_ALL="C.UTF-8")
    ours = {method: system_calls([REUSEPORT, "run", "-m", method, "-p", "80", "true"], LC_ALL="C.UTF-8") for method in ("preload", "seccomp")}
    rows = [("env true, in the locale C.UTF-8", env), ("env true, in the locale C", system_calls(["env", "true"], LC_ALL="C")),
            *((f"reuseport run -m {method} -p 80 true", number) for method, number in ours.items())]
    report.add("### System calls", "All of them until the end of true, whose own are among them; those of seccomp include the watcher and its guard.",
               table(("", "system calls"), rows))
    report.count("system calls of reuseport run -p 80 true, over those of env true", ours["preload"] - env, 0)


def microseconds(words):
    begin = time.perf_counter()
    subprocess.run(words, check=True)
    return (time.perf_counter() - begin) * 1e6


def cost_in_time(report, rounds):
    times, again = {way: [] for way in TIMED}, []
    for _ in range(rounds):
        for way, words in TIMED.items():
            times[way].append(microseconds(words))
        again.append(microseconds(TIMED[AGAIN]))
    rows = []
    for way, values in times.items():
        compared = Comparison(values, times[AGAIN], again) if way != AGAIN else None
        rows.append((way, f"{statistics.median(values):.0f}", spread(values), compared or "1", f"{compared.control:.3f}" if compared else "", compared.noise if compared else ""))
    report.add("### Time", f"Microseconds from fork to the end of true, in {rounds} interleaved rounds. Ratios are to env true.",
               table(("", "µs", "range", "ratio", "control", ""), rows))


def run(report, form):
    report.add("## Cost of starting")
    cost_in_instructions(report)
    cost_in_calls(report)
    cost_in_time(report, ROUNDS[form])

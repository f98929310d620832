# SPDX-License-Identifier: MIT
"""What a call costs with the library in front of it, and with seccomp beside it; what a start costs."""

import re
import statistics
import subprocess
import tempfile
import time

from report import table
from rounds import ratio, spread
from servers import BUILD, CALLS, LIBRARY, PORT, REUSEPORT, pinned, wait_for

TAKES = {"smoke": 5, "quick": 20, "full": 60}  # seconds


EMPTY = f"{BUILD}/probes/empty"
OTHER = str(PORT + 99)
ONE = "20100"
TEN = ",".join(str(port) for port in range(20100, 20110))


def under(preload, ports=None):
    words = ["env", f"LD_PRELOAD={preload}"]
    return words + ([f"REUSEPORT_PORTS={ports}"] if ports else [])


def by_seccomp(ports):
    return [REUSEPORT, "run", "-m", "seccomp", "-p", str(ports)]


SMALL_FILTER = [f"{BUILD}/probes/without", "pidfd_getfd"]

# What is called, under what: the first of each is what the others are compared with.
CASES = {
    "socket()": ("socket", {"alone": [], "empty preload": under(EMPTY), "library, inert": under(LIBRARY), "library": under(LIBRARY, PORT), "seccomp": by_seccomp(PORT)}),
    "bind(), shared": ("bind", {"sets the option itself": None, "library": under(LIBRARY, PORT), "seccomp": by_seccomp(PORT)}),
    "bind(), not shared": ("bind", {"alone": [], "empty preload": under(EMPTY), "library": under(LIBRARY, OTHER), "seccomp": by_seccomp(OTHER)}),
    "bind(), inert": ("bind", {"alone": [], "empty preload": under(EMPTY), "library": under(LIBRARY)}),
    "getppid()": ("getppid", {"alone": [], "library": under(LIBRARY, PORT), "a seccomp filter of four instructions": SMALL_FILTER, "seccomp": by_seccomp(PORT)}),
    "write() and read()": ("echo", {"alone": [], "library": under(LIBRARY, PORT), "seccomp": by_seccomp(PORT)}),
}


def command(call, words, batches):
    if words is None:
        call, words = "native", []
    return [*words, CALLS, call, str(PORT), str(batches)]


def count(call, words):
    """System calls between the two marks."""
    with tempfile.NamedTemporaryFile("r") as trace:
        plain = command(call, words, 0)
        # strace traces the program alone: what watches it must not be.
        split = plain.index(CALLS)
        subprocess.run([*plain[:split], "strace", "-o", trace.name, *plain[split:]], check=True, capture_output=True)
        inside, found = False, 0
        for line in trace:
            if line.startswith("getppid"):
                inside = not inside
            else:
                found += inside
        return found


def nanoseconds(call, words, batches):
    return float(subprocess.run(pinned(0, *command(call, words, batches)), capture_output=True, text=True, check=True).stdout)


def cost_of_calls(report, quick):
    rounds, batches = (5, 20) if quick else (15, 60)
    rows, medians = [], {}
    for name, (call, ways) in CASES.items():
        times = {way: [] for way in ways}
        for _ in range(rounds):
            for way, words in ways.items():
                times[way].append(nanoseconds(call, words, batches))
        base = times[next(iter(ways))]
        for way, words in ways.items():
            medians[name, way] = (ratio(times[way], base), statistics.median(a - b for a, b in zip(times[way], base)))
            rows.append((name, way, count(call, words) if call in ("socket", "bind") and words != by_seccomp(PORT) and words != by_seccomp(OTHER) else "",
                         f"{statistics.median(times[way]):.0f}", spread(times[way]), f"{medians[name, way][0]:.3f}"))
    report.add("## Cost of a call", f"Nanoseconds, with those of reading the clock; the median of {rounds} interleaved rounds, each the median of {batches} batches of 200 calls.",
               table(("call", "", "system calls", "ns", "range", "ratio"), rows))
    report.count("bind(), shared: library over a program that sets the option itself", medians["bind(), shared", "library"][0], 1.45, False)
    report.count("bind(), not shared: library over plain", medians["bind(), not shared", "library"][0], 1.3, False)
    report.count("bind(), inert: library over plain", medians["bind(), inert", "library"][0], 1.02, False)
    report.count("socket(): library over plain", medians["socket()", "library"][0], 1.02, False)
    report.count("seccomp, ns added to an unrelated system call", max(medians["getppid()", "seccomp"][1], 0), 10, False)


def calls_of_connections(report):
    """System calls of a server for a hundred connections, with and without."""
    found = {}
    for way, words in (("alone", []), ("library", under(LIBRARY, PORT))):
        with tempfile.NamedTemporaryFile("r") as trace:
            server = subprocess.Popen([*words, "strace", "-D", "-f", "-o", trace.name, f"{BUILD}/examples/server", str(PORT), "127.0.0.1"],
                                      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            server.stdout.readline()
            subprocess.run([f"{BUILD}/examples/client", str(PORT), "100"], check=True, capture_output=True)
            server.terminate()  # strace stands beside it, not above
            server.wait()
            wait_for(lambda: "killed by SIGTERM" in open(trace.name, encoding="utf-8").read())
            lines = trace.read().splitlines()
            first = next(i for i, line in enumerate(lines) if "accept" in line)
            last = max(i for i, line in enumerate(lines) if re.search(r"close\(", line))
            found[way] = last - first + 1
    report.add(f"A server's system calls for 100 connections: {found['alone']} alone, {found['library']} with the library.")
    report.count("system calls more for a connection", (found["library"] - found["alone"]) / 100, 0, False)


def instructions(words):
    out = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *words, "/bin/true"] if not words else
                         [*words, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "/bin/true"],
                         capture_output=True, text=True, check=True).stderr
    return int(re.search(r"Collected : (\d+)", out)[1])


def cost_of_starting(report, quick):
    ways = {"nothing": [], "empty preload": under(EMPTY), "library, inert": under(LIBRARY), "library, one port": under(LIBRARY, ONE),
            "library, a list of 10": under(LIBRARY, TEN)}
    counted = {way: instructions(words) for way, words in ways.items()}
    commands = {way: [*words, "/bin/true"] if words else ["env", "/bin/true"] for way, words in ways.items()}
    commands |= {"env true": ["env", "true"], "reuseport run true": [REUSEPORT, "run", "-p", TEN, "true"],
                 "reuseport run -m seccomp true": [REUSEPORT, "run", "-m", "seccomp", "-p", TEN, "true"]}
    times = {way: [] for way in commands}
    for _ in range(40 if quick else 300):
        for way, words in commands.items():
            begin = time.perf_counter()
            subprocess.run(words, check=True)
            times[way].append((time.perf_counter() - begin) * 1e6)
    rows = [(way, counted.get(way, ""), counted[way] - counted["empty preload"] if way in counted else "", f"{statistics.median(times[way]):.0f}",
             f"{statistics.median(times[way]) / statistics.median(times['env true']):.2f}") for way in commands]
    report.add("## Cost of starting", "Instructions of /bin/true, loader included, by callgrind; microseconds from fork to end, all by way of env, medians.",
               table(("", "instructions", "more than empty", "µs", "of env true"), rows))
    for what, limit in (("inert", 9000), ("one port", 13000), ("a list of 10", 18500)):
        report.count(f"start, {what}: instructions more than an empty preload", counted[f"library, {what}"] - counted["empty preload"], limit, False)


def run(report, form):
    quick = form != "full"
    cost_of_calls(report, quick)
    calls_of_connections(report)
    cost_of_starting(report, quick)

# SPDX-License-Identifier: MIT
"""What a call costs with the library in front of it or seccomp beside it, and how many system calls that makes."""

import re
import statistics
import subprocess
import tempfile

from report import short, table
from rounds import Comparison, spread
from servers import BUILD, CALLS, LIBRARY, PORT, REUSEPORT, pinned, wait_for

TAKES = {"smoke": 7, "quick": 12, "full": 60}  # seconds
SIZES = {"smoke": (3, 8), "quick": (5, 15), "full": (15, 60)}  # rounds, batches

EMPTY = f"{BUILD}/probes/empty"
OTHER = str(PORT + 99)


def under(preload, ports=None):
    words = ["env", f"LD_PRELOAD={preload}"]
    return words + ([f"REUSEPORT_PORTS={ports}"] if ports else [])


def by_seccomp(ports):
    return [REUSEPORT, "run", "-m", "seccomp", "-p", str(ports)]


# What is called, under what. The first is the base of the others, and measured twice in each round.
ONE, FOUR = "a filter of one instruction", "a filter of four"
CASES = {
    "socket()": ("socket", {"alone": [], "empty preload": under(EMPTY), "library, inert": under(LIBRARY), "library": under(LIBRARY, PORT), "seccomp": by_seccomp(PORT)}),
    "bind(), shared": ("bind", {"sets the option itself": None, "library": under(LIBRARY, PORT), "seccomp": by_seccomp(PORT)}),
    "bind(), not shared": ("bind", {"alone": [], "empty preload": under(EMPTY), "library": under(LIBRARY, OTHER), "seccomp": by_seccomp(OTHER)}),
    "bind(), inert": ("bind", {"alone": [], "empty preload": under(EMPTY), "library": under(LIBRARY)}),
    "getppid()": ("getppid", {ONE: [f"{BUILD}/probes/without", "nothing"], "alone": [], "library": under(LIBRARY, PORT),
                              FOUR: [f"{BUILD}/probes/without", "pidfd_getfd"], "seccomp": by_seccomp(PORT)}),
    "write() and read()": ("echo", {"alone": [], "library": under(LIBRARY, PORT), "seccomp": by_seccomp(PORT)}),
    "rt_sigprocmask() of nothing": ("readable", {"alone": []}),
    "getsockopt(SO_REUSEPORT)": ("option", {"alone": []}),
}
GOALS = (  # case, way, what, limit
    ("bind(), shared", "library", "bind(), shared: library over a program that sets the option itself", 1.45),
    ("bind(), not shared", "library", "bind(), not shared: library over plain", 1.3),
    ("bind(), inert", "library", "bind(), inert: library over plain", 1.02),
    ("socket()", "library", "socket(): library over plain", 1.02),
    ("getppid()", "seccomp", f"an unrelated system call under seccomp, over {ONE}", 1.2),
)


def command(call, words, batches):
    if words is None:
        call, words = "native", []
    return [*words, CALLS, call, str(PORT), str(batches)]


def count(call, words):
    """System calls between the two marks; "" if they are not the program's alone."""
    if call not in ("socket", "bind") or (words and words[0] == REUSEPORT):
        return ""
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


def measure(rounds, batches):
    """{(case, way): [nanoseconds of each round]}; the way None is the base once more."""
    times = {}
    for _ in range(rounds):
        for case, (call, ways) in CASES.items():
            # The control comes last: what drifts within a round shows in it.
            for way, words in [*ways.items(), (None, next(iter(ways.values())))]:
                times.setdefault((case, way), []).append(nanoseconds(call, words, batches))
    return times


def comparison(times, case, way):
    """To the base of the case, if that is not the way itself."""
    base = next(iter(CASES[case][1]))
    return Comparison(times[case, way], times[case, base], times[case, None]) if way != base else None


def cost_of_calls(report, rounds, batches):
    times = measure(rounds, batches)
    medians = {key: statistics.median(values) for key, values in times.items()}
    counts, rows = {}, []
    for case, (call, ways) in CASES.items():
        for way, words in ways.items():
            counts[case, way] = count(call, words)
            compared = comparison(times, case, way)
            rows.append((case, way, counts[case, way], f"{medians[case, way]:.0f}", spread(times[case, way]), f"{1e9 / medians[case, way]:.0f}", compared or "1",
                         f"{compared.control:.3f}" if compared else ""))
    report.add("## Cost of a call", f"Nanoseconds; the median of {rounds} interleaved rounds, each the median of {batches} batches of 200 calls, less what the clock costs. "
               "The ratio is to the first row of each call, with its interval.",
               table(("call", "", "system calls", "ns", "range", "calls/s", "ratio", "control"), rows))
    for case, way, what, limit in GOALS:
        report.compare(what, comparison(times, case, way), limit, False)
    for case, limit in (("bind(), shared", 2), ("bind(), not shared", 1)):
        base = next(iter(CASES[case][1]))
        report.count(f"{case}: system calls more with the library", counts[case, "library"] - counts[case, base], limit)
    report.rank("nanoseconds of a bind() that shares the port", {way: medians["bind(), shared", way] for way in CASES["bind(), shared"][1]}, ("library", "seccomp"), lower=True)
    explain(report, medians, counts)


def explain(report, medians, counts):
    case = "bind(), shared"
    more = counts[case, "library"] - counts[case, "sets the option itself"]
    longer = medians[case, "library"] - medians[case, "sets the option itself"]
    report.explain(f"{case}: the library takes {longer:.0f} ns and {more} system calls more than a program that sets the option itself. By themselves, rt_sigprocmask(2), "
                   f"which tells whether an address can be read, takes {medians['rt_sigprocmask() of nothing', 'alone']:.0f} ns here, and getsockopt(2), "
                   f"without which a failed bind could not put the option back, {medians['getsockopt(SO_REUSEPORT)', 'alone']:.0f} ns.")
    case = "bind(), inert"
    empty, library = (medians[case, way] / medians[case, "alone"] for way in ("empty preload", "library"))
    report.explain(f"{case}: an empty preload takes {empty:.3f} of what the program takes alone, the library {library:.3f}.")
    case = "getppid()"
    report.explain(f"{case}: any filter takes a system call off the kernel's fast path. That of one instruction adds {medians[case, ONE] - medians[case, 'alone']:.0f} ns, "
                   f"that of seccomp {medians[case, 'seccomp'] - medians[case, 'alone']:.0f} ns.")
    report.explain(f"bind() by seccomp waits for another process: {short(1e9 / medians['bind(), shared', 'seccomp'])} calls a second if the port is shared, "
                   f"{short(1e9 / medians['bind(), not shared', 'seccomp'])} if not; socket(), which passes the filter, {short(1e9 / medians['socket()', 'seccomp'])}.")


def calls_of_server(words):
    """A server's system calls for a hundred connections."""
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
        return last - first + 1


def run(report, form):
    cost_of_calls(report, *SIZES[form])
    alone, library = calls_of_server([]), calls_of_server(under(LIBRARY, PORT))
    report.add(f"A server's system calls for 100 connections: {alone} alone, {library} with the library.")
    report.count("system calls more for a connection", (library - alone) / 100, 0)

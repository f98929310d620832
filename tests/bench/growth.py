# SPDX-License-Identifier: MIT
"""What becomes of latency and cost as a group grows: 1, 4, 16, 64 copies of run -n, whose work sleeps, each under the
same load.

usage: growth.py COPIES SECONDS STARTS     as root, in namespaces of its own: the figures of so many copies, as JSON"""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import alone
from calls import nanoseconds, under
from cell import cpu_share, descendants, runs, schedule, sleeper, summary
from closed import wrk
from listing import milliseconds
from machine import CPUS
from report import short, table
from servers import BUILD, LIBRARY, PORT, REUSEPORT, SERVER, listeners, running, wait_for

TAKES = {"smoke": 7, "quick": 16, "full": 80}  # seconds
SIZES = {"smoke": ((1, 4, 16), 0.3, 1), "quick": ((1, 4, 16, 64), 0.8, 2), "full": ((1, 4, 16, 64), 5, 7)}  # copies, seconds of load, starts
TRACED = 16  # copies whose start is traced, too
LATE = 2  # milliseconds by which 99 % of the requests may be sent late
LOAD = 40  # percent of what the copies can do
MEAN = 0.0059  # seconds that a request takes: one in ten 50 ms, the others 1
COST = 100  # microseconds of CPU for a request, where there are CPUs
WAYS = {"hash": [], "balance": ["--balance"]}


def command(copies, options):
    return [REUSEPORT, "run", "-n", str(copies), *options, "-p", str(PORT), *sleeper("uneven")]


def until_all_listen(process, copies):
    begin = time.perf_counter()
    while listeners(PORT) < copies:
        if process.poll() is not None or time.perf_counter() - begin > 60:
            raise RuntimeError(f"{copies} copies do not come up")
        time.sleep(0.001)


@contextlib.contextmanager
def service(copies, options):
    """The supervisor, and the milliseconds until all its copies listened."""
    begin = time.perf_counter()
    process = subprocess.Popen(command(copies, options), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_all_listen(process, copies)
        yield process.pid, (time.perf_counter() - begin) * 1000
    finally:
        process.terminate()
        process.wait(timeout=60)
        wait_for(lambda: not listeners(PORT))


def calls_of_start(copies):
    """The supervisor's system calls until all copies listen, its children's left out. Traced, it takes longer, and looks
    more often."""
    with tempfile.NamedTemporaryFile("r") as trace:
        tracer = subprocess.Popen(["strace", "-o", trace.name, *command(copies, [])], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until_all_listen(tracer, copies)
        found = len(trace.readlines())
        for supervisor in descendants(tracer.pid)[1:2]:
            os.kill(supervisor, signal.SIGTERM)
        tracer.wait(timeout=60)
        wait_for(lambda: not listeners(PORT))
    return found


def under_load(copies, seconds):
    """Latency, and how many requests a second were sent and answered."""
    requests = round(seconds * copies * LOAD / 100 / MEAN / 10) * 10
    plan = schedule("uneven", LOAD * copies / 4, requests, copies)  # its percentage is of four copies
    begin = time.monotonic()
    lines = subprocess.run([f"{BUILD}/bench/open-loop", str(PORT), "10000"], input=plan, capture_output=True, text=True, check=True).stdout
    took = time.monotonic() - begin
    found = summary(lines)
    answered = requests - found["hung"] - found["failed"]
    return {name: found[name] for name in ("p50", "p90", "p99", "hung", "failed", "late")} | {"sent": requests / seconds, "answered": answered / took}


def memory(pid):
    """Kilobytes, by proc_pid_smaps(5): its share of what it maps, and all of it."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        found = {line.split()[0]: int(line.split()[1]) for line in list(file)[1:]}
    return {"share": found["Pss:"], "mapped": found["Rss:"], "private": found["Private_Clean:"] + found["Private_Dirty:"]}


def memory_of(pid):
    keepers = [memory(process) for process in descendants(pid)[1:] if runs(process, REUSEPORT)]
    return {"supervisor": memory(pid)["share"], "keepers": sum(keeper["share"] for keeper in keepers),
            **{name: statistics.median(keeper[name] for keeper in keepers) for name in ("private", "mapped")}}


def look(pid):
    """System calls from one pause of the supervisor to the next, the median."""
    with tempfile.NamedTemporaryFile("r") as trace:
        subprocess.run(["timeout", "-s", "INT", "0.5", "strace", "-o", trace.name, "-p", str(pid)], stderr=subprocess.DEVNULL, check=False)
        pauses = [i for i, line in enumerate(trace) if line.startswith(("ppoll(", "restart_syscall("))]
    return statistics.median_low(b - a for a, b in zip(pauses, pauses[1:]))


def without_balance(copies, seconds):
    """What depends on how many there are, the supervisor apart."""
    with service(copies, []) as (pid, _):
        listing = [REUSEPORT, "list", f"{PORT}/tcp"]
        return {"hash": under_load(copies, seconds), "memory": memory_of(pid),
                "bind": {"itself": nanoseconds("native", [], 20), "library": nanoseconds("bind", under(LIBRARY, PORT), 20)},
                "list": {"ms": min(milliseconds(listing) for _ in range(5)), "calls": alone.system_calls(listing)}}


def with_balance(copies, seconds):
    """Latency, and what dealing costs the supervisor."""
    with service(copies, WAYS["balance"]) as (pid, _):
        with cpu_share(pid) as loaded:
            latency = under_load(copies, seconds)
        time.sleep(0.1)  # until the last connection is gone
        with cpu_share(pid) as idle:
            time.sleep(max(seconds, 0.5))
        return {"balance": latency, "look": {"calls": look(pid), "loaded": loaded[0], "idle": idle[0]}}


def start(copies, options):
    with service(copies, options) as (_, took):
        return took


def measure(copies, seconds, starts):
    took = {way: min(start(copies, options) for _ in range(starts)) for way, options in WAYS.items()}
    traced = {"calls": calls_of_start(copies)} if copies <= TRACED else {}
    return {"start": took | traced} | without_balance(copies, seconds) | with_balance(copies, seconds)


def slopes(points):
    """What a copy adds to a cost up to the last count but one, and from there on; and whether that is more than linear:
    more for a copy, and more in all than the number of copies grows."""
    first, middle, last = (sorted(points)[place] for place in (0, -2, -1))
    early, late = (points[middle] - points[first]) / (middle - first), (points[last] - points[middle]) / (last - middle)
    return early, late, early >= 0 and late > 1.25 * early and points[last] * middle > points[middle] * last


COSTS = (  # what, unit, where it stands
    ("start until all listen", "ms", ("start", "hash")), ("start --balance until all listen", "ms", ("start", "balance")),
    ("start until all listen, traced: the supervisor", "system calls", ("start", "calls")),
    ("bind() beside the copies, setting the option itself", "ns", ("bind", "itself")), ("bind() beside the copies, by the library", "ns", ("bind", "library")),
    ("list of the port", "system calls", ("list", "calls")), ("list of the port", "ms", ("list", "ms")),
    ("memory of the supervisor", "KB", ("memory", "supervisor")), ("memory of all keepers", "KB", ("memory", "keepers")),
    ("memory of a keeper that is its own", "KB", ("memory", "private")), ("memory that a keeper maps, shared or not", "KB", ("memory", "mapped")),
    ("a look of --balance, without load", "system calls", ("look", "calls")),
    ("the supervisor with --balance, without load", "% of a CPU", ("look", "idle")), ("the supervisor with --balance, under load", "% of a CPU", ("look", "loaded")),
)


def costs(report, found):
    rows = []
    for what, unit, (group, name) in COSTS:
        points = {copies: figures[group][name] for copies, figures in found.items() if name in figures[group]}
        early, late, steep = slopes(points)
        rows.append((f"{what}, {unit}", *(short(points[copies]) if copies in points else "–" for copies in found), short(early), short(late)))
        if steep:
            *_, middle, last = sorted(points)
            report.explain(f"{what}: grows more than linearly, {', '.join(f'{short(figure)} with {copies}' for copies, figure in points.items())} {unit}: "
                           f"up to {middle} copies, each adds {short(early)}; from there to {last}, {short(late)}.")
    report.add("### What the group costs", "The best of the starts and of 5 lists. Memory, unless a row says otherwise, is the share of what is mapped (Pss). "
               "The last columns: what a copy adds, up to the last count but one, and from there to the last.",
               table(("", *(f"N = {copies}" for copies in found), "each adds, at first", "at last"), rows))
    most = max(found)
    keeper = found[most]["memory"]
    report.explain(f"a keeper maps {keeper['mapped']:.0f} KB, of which {keeper['private']:.0f} KB are its own; the rest are pages of the program and its libraries, "
                   f"which all processes share. {most} of them have {keeper['keepers']:.0f} KB.")


def latencies(report, found):
    rows, names = [], {"hash": "the kernel's hash", "balance": "run --balance"}
    for copies, figures in found.items():
        for way, name in names.items():
            result = figures[way]
            rows.append((copies, name, f"{result['sent']:.0f}", f"{result['answered']:.0f}", *(f"{result[share]:.1f}" for share in ("p50", "p90", "p99")),
                         result["hung"] + result["failed"], f"{result['late']:.2f}", "not measurable here now" if result["late"] > LATE else ""))
    report.add("### Latency under the same load for each copy", f"One request in ten takes 50 ms, the others 1 ms; {LOAD} % of what the copies can do. "
               f"Where 1 % were sent over {LATE} ms late, something else held them up.",
               table(("copies", "", "sent/s", "answered/s", "p50 ms", "p90 ms", "p99 ms", "not answered", "sent late by, ms", ""), rows))
    most = found[max(found)]
    if all(most[way]["late"] <= LATE for way in names):
        report.rank(f"p99, ms, of {max(found)} copies whose work sleeps, at {LOAD} % load", {name: most[way]["p99"] for way, name in names.items()}, (names["balance"],), lower=True)


def cpu_bound(report, seconds):
    """Where the load leaves CPUs for the copies. Says which form ran."""
    if len(CPUS) <= 2:
        report.add(f"CPU-bound work was not measured: this machine has {len(CPUS)} CPUs, and the load needs one. The copies' work slept.")
        return
    rows, counts = [], [count for count in (1, 2, 4, 16, 64) if count < len(CPUS)]
    work = subprocess.run([SERVER, "calibrate", str(COST)], capture_output=True, text=True, check=True).stdout.strip()
    for count in counts:
        with running([[REUSEPORT, "run", "-n", str(count), "-p", str(PORT), SERVER, "plain", str(PORT), work, "-1"]], {PORT: count}) as processes:
            found = wrk("close", seconds, processes)
        rows.append((count, short(found.rate), short(found.p50), short(found.p99), found.failed))
    report.add("### CPU-bound work", f"Measured besides, as this machine has {len(CPUS)} CPUs: a request takes {COST} µs of CPU; a new connection for each.",
               table(("copies", "requests/s", "p50 ms", "p99 ms", "failed"), rows))


def run(report, form):
    counts, seconds, starts = SIZES[form]
    found = {copies: alone.result(alone.start(__file__, copies, seconds, starts)) for copies in counts}
    report.add("## Growth", f"`run -n N` of a blocking server that sleeps, in a PID namespace of its own; {seconds:g} s of load, {starts} starts.")
    latencies(report, found)
    costs(report, found)
    cpu_bound(report, seconds)


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))))

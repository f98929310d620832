# SPDX-License-Identifier: MIT
"""Throughput of 1, 2, 4 … copies of a CPU-bound server, by what spreads the connections over them."""

import statistics
import subprocess

from closed import CONNECTIONS, METHODS, MODES, NAMES, by_reuseport, dispatched, measured, share, wrk
from machine import CPUS
from servers import BUILD, PORT, SERVER, cpu_of, running

TAKES = {"smoke": 3, "quick": 26, "full": 200}  # seconds
COST = 100  # microseconds of CPU for a request
SIZES = {"smoke": (0.3, 1), "quick": (0.4, 3), "full": (0.6, 7)}  # seconds of a measurement, rounds
BASIC = ["native", "again", "library"]
SHARED = ["unlocked", "exclusive", "passing"]  # one socket


def limit(count):
    """Of a worker's connections, so that it passes on what is more than its share: the best case, nobody knows that
    beforehand."""
    return share(count) * 8 // 7 + 1


def synthetic(way, count, work):
    """The server of a fixed cost in that form, as a context."""
    cpus = [str(cpu_of(i, count)) for i in range(count)]
    if way in ("roundrobin", "leastconn"):
        return dispatched(way, lambda port, i: [SERVER, "plain", str(port), work, cpus[i]], count)
    if way in SHARED:
        return running([[SERVER, way, str(PORT), work, ",".join(cpus), str(count), str(limit(count))]], {PORT: 1})
    mode = "native" if way in ("native", "again") else "plain"
    commands = [[SERVER, mode, str(PORT), work, cpu] for cpu in cpus]
    return running([by_reuseport(way, command) if way in METHODS else command for command in commands], {PORT: count})


def forms_of(form):
    """The cells that tell something: all ways that are in use at N = 2; with more copies than CPUs, where the kernel
    may wake up too many, also what it does without EPOLLEXCLUSIVE."""
    if form == "smoke":
        return [("one", 1), *((way, 2) for way in (*BASIC, "passing", "leastconn"))]
    if form == "quick":
        return [("one", 1), *((way, 2) for way in (*BASIC, "seccomp", "passing", "leastconn"))]
    counts = sorted({4, *(2**i for i in range(3, 7) if 2**i <= len(CPUS)), len(CPUS), 2 * len(CPUS)} - {1, 2})
    return [("one", 1), *((way, 2) for way in (*BASIC, "seccomp", "exclusive", "passing", "roundrobin", "leastconn")),
            *((way, count) for count in counts[:-1] for way in BASIC), *((way, counts[-1]) for way in (*BASIC, *SHARED, "leastconn"))]


def goals(report, results, mode):
    for way, count in results.found:
        what = f"N = {count}, {MODES[mode]}: "
        if way in METHODS:
            report.compare(f"{what}{NAMES[way]} over {NAMES['native']}", results.over((way, count)), 0.98 if way == "library" else 0.97, True)
        if way == "library":
            report.compare(f"{what}p99, {NAMES[way]} over {NAMES['native']}", results.over((way, count), "p99"), 1.05, False)
        if (way, count) == ("leastconn", 2):
            report.compare(f"{what}{NAMES['library']} over {NAMES[way]}", results.over(("library", count), other=(way, count)), 1.5, True)
        if way == "passing":
            report.compare(f"{what}{NAMES['library']} over {NAMES[way]}", results.over(("library", count), other=(way, count)), 1, True)


def printed(results, form):
    """(connections accepted by each copy, wake-ups in vain of each) in each round."""
    for out in results.outputs[form]:
        yield tuple(zip(*(map(int, line.split()) for line in out.splitlines())))


def by_way(results, ways, count, figure):
    """What the median round of each says, in words. figure: of what the copies printed."""
    found = {way: statistics.median(figure(*copies) for copies in printed(results, (way, count))) for way in ways}
    return ", ".join(f"{value:.3f} ({NAMES[way]})" for way, value in found.items())


def explain(report, results, mode):
    for count in sorted({count for _, count in results.found} - {1}):
        ways, subject = results.ways(count), f"CPU-bound, {MODES[mode]}"
        results.explain(report, subject, count)
        if mode == "keep":  # a request on a kept connection waits for the copy that has it
            shares = by_way(results, ways, count, lambda accepted, _: max(accepted) * len(accepted) / sum(accepted))
            report.explain(f"{subject}, N = {count}: the fullest copy's share of the {CONNECTIONS} connections over the fair one: {shares}.")
        elif shared := [way for way in ways if way in SHARED]:
            in_vain = by_way(results, shared, count, lambda accepted, in_vain: sum(in_vain) / sum(accepted))
            report.explain(f"{subject}, N = {count}: wake-ups in vain for each connection: {in_vain}.")


def plot(results):
    """What do more copies bring, by what spreads the connections? A bar for each number of copies, with its interval."""
    counts = sorted({count for _, count in results.found} - {1})
    lines = []
    for way in NAMES:
        found = [results.over((way, count), other=("one", 1)) if (way, count) in results.found and way != "again" else None for count in counts]
        if any(found):
            lines.append(f'"{NAMES[way]}" ' + " ".join(f"{one.figure:.3f} {one.low:.3f} {one.high:.3f}" if one else "- - -" for one in found))
    bars = ", ".join(f"$d using {3 * i + 2}:{3 * i + 3}:{3 * i + 4}:xtic(1) title 'N = {count}'" for i, count in enumerate(counts))
    script = "\n".join((
        "set terminal svg noenhanced size 900,480 background 'white' font 'sans,11'", f"set output '{BUILD}/bench/scaling.svg'", "set datafile missing '-'",
        "set style data histogram", "set style histogram errorbars gap 2 lw 1.5", "set errorbars lc 'black'", "set style fill solid 0.5", "set yrange [0:*]", "set grid y",
        "set key outside top center horizontal", "set xtics rotate by -25 scale 0",
        f"set title 'What more copies bring on {len(CPUS)} CPUs: requests per second over those of one copy, new connections'",
        "$d << E", *lines, "E", f"plot {bars}\n"))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def run(report, form):
    seconds, rounds = SIZES[form]
    forms = forms_of(form)
    work = subprocess.run([SERVER, "calibrate", str(COST)], capture_output=True, text=True, check=True).stdout.strip()
    free = sorted({count for _, count in forms if cpu_of(0, count) < 0})
    report.add(
        "## Scaling",
        f"CPU-bound: a single-threaded server whose request costs {COST} µs of CPU, and wrk with {CONNECTIONS} connections, on the same {len(CPUS)} CPUs. Each copy is pinned "
        f"to a CPU of its own, except with N = {' and '.join(map(str, free)) or 'none'}, where no CPU would be left for the load. haproxy has one thread, in TCP mode, and a "
        "maxconn for each server of its share of the connections. The server that passes on does so above 7/8 of its connection limit, which is set so that 7/8 are its fair share, "
        "which a server does not know beforehand.",
        f"Rounds: {rounds}, of {seconds} s, every form in each. Medians; the base is {NAMES['native']} with as many copies; in brackets the interval of 95 %.",
    )
    for mode in ["close"] if form == "smoke" else MODES:
        results = measured(forms, lambda way, count: synthetic(way, count, work), lambda processes: wrk(mode, seconds, processes), rounds)
        report.add(f"### {MODES[mode].capitalize()}", results.table(True))
        goals(report, results, mode)
        explain(report, results, mode)
        results.rank(report, f"CPU-bound, {MODES[mode]}")
        if mode == "close":
            plot(results)
            report.headline["requests per second, N = 2, new connections: library over a server that sets SO_REUSEPORT itself"] = (
                results.over(("library", 2)).with_control())
    report.add("![Requests per second](scaling.svg)")

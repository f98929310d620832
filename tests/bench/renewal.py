# SPDX-License-Identifier: MIT
"""What a renewal of four copies under load does to latency, from second to second."""

import statistics
import subprocess
import time

from cell import COPIES, schedule, sleeper
from downtime import end, renew, requests, start_copies
from report import table
from rounds import percentile, spread
from servers import BUILD, PORT, listeners, wait_for

TAKES = {"smoke": 7, "quick": 8, "full": 46}  # seconds
FORMS = {"smoke": (2, 0.5, 1), "quick": (2.5, 1, 1), "full": (6, 2, 3)}  # seconds of requests, and before the signal; rounds
LOAD, WORK = 70, 1  # percent of what the copies can do, milliseconds
BUCKET = 0.2  # seconds
WAYS = {"hash": ("the kernel's hash", []), "balance": ("run --balance", ["--balance"])}


def once(options, seconds, before, seed):
    """Seconds that the renewal took, and of each request when it was due, in seconds after the signal, its milliseconds
    and how it ended."""
    plan = schedule("even", LOAD, round(seconds * COPIES * LOAD / 100 * 1000 / WORK), seed)
    service = start_copies(lambda _: sleeper("even", PORT), COPIES, *options)
    try:
        begin = time.monotonic()
        with requests(plan) as lines:
            time.sleep(before)
            signalled = time.monotonic()
            renew(service, None)
            took = time.monotonic() - signalled
    finally:
        end(service)
        wait_for(lambda: not listeners(PORT))
    fields = [line.split() for line in lines]
    return took, [(int(due) / 1e6 - (signalled - begin), int(ms) / 1000, state) for due, _, ms, state in fields]


def measured(seconds, before, rounds):
    """{way: [what once() found in each round]}"""
    found = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in list(WAYS)[::-1 if number % 2 else 1]:
            found[way].append(once(WAYS[way][1], seconds, before, number))
    return found


def phases(found):
    """Milliseconds of the requests due before the renewals, during and after them."""
    before = [ms for _, requests_of in found for at, ms, _ in requests_of if at < 0]
    during = [ms for took, requests_of in found for at, ms, _ in requests_of if 0 <= at < took]
    after = [ms for took, requests_of in found for at, ms, _ in requests_of if at >= took]
    return before, during, after


def row(way, found):
    took, all_of = [took * 1000 for took, _ in found], [state for _, requests_of in found for *_, state in requests_of]
    cells = [f"{percentile(values, share):.1f}" if values else "–" for share in (0.5, 0.99) for values in phases(found)]
    return (WAYS[way][0], f"{statistics.median(took):.0f}", spread(took), *cells, len(all_of) - all_of.count("answered"), len(all_of))


def buckets(found):
    """Lines of the plot, over all rounds: seconds after the signal, p50, p99."""
    sorted_in = {}
    for _, requests_of in found:
        for at, ms, _ in requests_of:
            sorted_in.setdefault(at // BUCKET, []).append(ms)
    # The first and the last are not full.
    return "\n".join(f"{(number + 0.5) * BUCKET:.3f} {percentile(values, 0.5):.3f} {percentile(values, 0.99):.3f}" for number, values in sorted(sorted_in.items())[1:-1])


def plot(results):
    longest = max(took for found in results.values() for took, _ in found)
    blocks = "\n\n\n".join(buckets(found) for found in results.values())
    lines = ", ".join(f"$d index {index} using 1:{column} with linespoints lc {index + 1} dt {dash} pt 7 ps 0.3 title \"{WAYS[way][0]}, {name}\""
                      for index, way in enumerate(results) for column, name, dash in ((2, "p50", 2), (3, "p99", 1)))
    script = "\n".join((
        "set terminal svg noenhanced size 1000,480 background 'white' font 'sans,11'", f"set output '{BUILD}/bench/renewal.svg'",
        "set title 'What does a renewal do to latency?'", "set xlabel 'seconds after the signal (grey: renewal under way)'", "set ylabel 'milliseconds'",
        "set logscale y", "set grid",
        "set key outside top center horizontal", f"set object rectangle from 0, graph 0 to {longest:.3f}, graph 1 behind fillcolor 'light-gray' fillstyle solid 0.5 noborder",
        "$d << E", blocks, "E", f"plot {lines}\n"))
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def run(report, form):
    seconds, before, rounds = FORMS[form]
    results = measured(seconds, before, rounds)
    report.add("## Renewal", f"{COPIES} copies of a blocking server that takes {WORK} ms for a request, at {LOAD} % load (open loop, Poisson), are renewed: `run --rolling=HUP "
               f"--drain=5`. Milliseconds of the requests that were due before, during and after it; rounds of {seconds:g} s: {rounds}.",
               table(("", "it took, ms", "range", "p50 before", "during", "after", "p99 before", "during", "after", "not answered", "of"),
                     [row(way, found) for way, found in results.items()]))
    plot(results)
    report.add(f"Each point stands for {BUCKET:g} s of all rounds.", "![What does a renewal do to latency?](renewal.svg)")

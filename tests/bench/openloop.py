# SPDX-License-Identifier: MIT
"""What a blind choice costs, and what dealing by the copies' state gains: latency over load, by what spreads the
connections over blocking copies."""

import statistics

from cell import OURS, WAYS, WORK, closed_loop, copies_for, measure, schedule
from machine import CPUS
from plots import curves, draw
from report import table
from rounds import Comparison, percentile, spread

TAKES = {"smoke": 4, "quick": 31, "full": 690}  # seconds
AGAIN = " again"  # of a way: measured once more, as a control
LATE = 2  # milliseconds by which 99 % of the requests may be sent late
RARE = 10000  # requests that a p99.9 requires
PLOTTED = ["hash", "shared", "leastconn", "maxconn", "balance"]
GOALS = [*WAYS, "hash again", "shared again"]
# Work and load: how many requests, in how many rounds, by which ways.
CELLS = {
    "smoke": {("uneven", 70): (150, 1, ["hash", "hash again", "shared", "shared again", "balance"]), ("even", 70): (300, 1, ["hash", "hash again", "balance"])},
    "quick": {("uneven", 70): (400, 3, ["hash", "hash again", "shared", "shared again", "leastconn", "balance"]), ("even", 70): (2000, 2, ["hash", "hash again", "shared", "balance"])},
    "full": {
        ("uneven", 40): (1000, 3, [*PLOTTED, "hash again"]), ("uneven", 70): (1120, 9, GOALS), ("uneven", 90): (2000, 5, [*PLOTTED, "hash again"]),
        ("even", 40): (3000, 3, [*PLOTTED, "hash again"]), ("even", 70): (3000, 9, [*WAYS, "hash again"]), ("even", 90): (3000, 5, [*PLOTTED, "hash again"]),
    },
}
BURNING = {"smoke": (50, 1), "quick": (150, 2), "full": (600, 5)}
LOOPS = {"smoke": (1, 0.2), "quick": (2, 0.5), "full": (3, 2)}  # closed loops, seconds each


def burns(cpus):
    """Whether copies that burn CPU show anything on so many."""
    return cpus > 2


def cells_of(form):
    cells = dict(CELLS[form])
    if burns(len(CPUS)):
        cells["burning", 70] = (*BURNING[form], [*PLOTTED, "hash again"])
    return cells


def name_of(form):
    way = form.removesuffix(AGAIN)
    return WAYS[way] + (AGAIN if form != way else "")


def column(found, name):
    return [result[name] for result in found]


def capacities(report, kinds, form):
    """{work: what the copies can do over what they could if only the work took time}: the best of some closed loops,
    since whatever else runs only makes it less."""
    loops, seconds = LOOPS[form]
    found, rows = {}, []
    for kind in kinds:
        runs = [closed_loop(kind, seconds) for _ in range(loops)]
        best, computed = max(runs)
        found[kind] = best / computed
        rows.append((kind, copies_for(kind), f"{computed:.0f}", f"{best:.0f}", f"{found[kind]:.3f}"))
    report.add("### Capacity", "Requests a second: computed from the mean of the work alone, and measured by a closed loop on one shared socket with twice as many clients as copies, "
               f"so that no copy waits for a client, each request taking that mean; the best of {loops} runs. Loads below are percentages of the measured capacity.",
               table(("work", "copies", "computed", "measured", "measured over computed"), rows))
    return found


def measured_rounds(cell, plan, capacity):
    """{form: [result of each round]}: in a round all get the same requests, in another order each time."""
    (kind, load), (requests, rounds, forms) = cell, plan
    results = {form: [] for form in forms}
    for number in range(rounds):
        lines = schedule(kind, load, requests, 1000 * load + number, capacity)
        turn = number % len(forms)
        for form in forms[turn:] + forms[:turn]:
            results[form].append(measure(form.removesuffix(AGAIN), lines, kind=kind))
    return results


def over(results, form, base):
    """Of p99, to that of a way that each round measured twice."""
    return Comparison(*(column(results[name], "p99") for name in (form, base, base + AGAIN)))


def rows_of(results, rare):
    for form, found in results.items():
        p99 = column(found, "p99")
        took = [time for result in found for time in result["took"]]
        yield (name_of(form), *(f"{statistics.median(column(found, name)):.1f}" for name in ("p50", "p90", "p99")), spread(p99),
               *([f"{percentile(took, 0.999):.1f}"] if rare else []), "1" if form in ("hash", "hash again") else str(over(results, form, "hash")),
               sum(column(found, "hung")) + sum(column(found, "failed")), f"{max(column(found, 'late')):.1f}", f"{statistics.median(column(found, 'cpu')):.1f}")


def show(report, cell, plan, results):
    (kind, load), (requests, rounds, _) = cell, plan
    rare = cell == ("uneven", 70) and requests * rounds >= RARE
    hash_again = over(results, "hash", "hash")
    doubt = f" Not measurable here now: {hash_again.noise}." if hash_again.noise else ""
    report.add(f"### {kind.capitalize()} work, {load} % load", f"{WORK[kind].capitalize()}; {requests} requests in each of {rounds} rounds. "
               f"The control, the hash's p99 over its own, is {hash_again.control:.3f}.{doubt}",
               table(("", "p50 ms", "p90 ms", "p99 ms", "range", *(["p99.9 ms"] if rare else []), "p99 over the hash's", "not answered", "sent late by, ms", "CPU of dealing, %"),
                     rows_of(results, rare)))


def disturbance(results):
    """Why counts say nothing, or "": what holds the load up holds the servers up as well."""
    late = max(result["late"] for found in results.values() for result in found)
    return f"requests were sent {late:.0f} ms late" if late > LATE else ""


def goals(report, results):
    uneven = results["uneven", 70]
    over_hash = over(uneven, "balance", "hash")
    report.compare("run --balance, uneven work, 70 % load: p99 over the hash's", over_hash, 0.6, False)
    report.compare("run --balance, uneven work, 70 % load: p99 over one shared socket's", over(uneven, "balance", "shared"), 1.7, False)
    report.compare("run --balance, even work, 70 % load: p99 over the hash's", over(results["even", 70], "balance", "hash"), 1, False)
    report.headline["p99, uneven work, 70 % load: run --balance over the kernel's hash"] = over_hash.with_control()


def medians(found, ways, name):
    """Of those that were measured."""
    return {WAYS[way]: statistics.median(column(found[way], name)) for way in ways if way in found}


def ranks(report, results):
    for kind in (kind for kind in WORK if (kind, 70) in results):
        found = results[kind, 70]
        noise = over(found, "balance", "hash").noise
        doubt = f" (not measurable here now: {noise})" if noise else ""
        report.rank(f"p99 in ms, {kind} work, 70 % load{doubt}", medians(found, WAYS, "p99"), OURS, lower=True)
    dealers = [way for way in WAYS if way not in ("hash", "shared")]  # nobody deals for those
    report.rank("% of a CPU that dealing takes, uneven work, 70 % load", medians(results["uneven", 70], dealers, "cpu"), OURS, lower=True)


def explain(report, found):
    """What a blind choice costs, by ways that see more and more of the copies; not if the control is off."""
    if over(found, "shared", "hash").noise:
        return
    seen = {"roundrobin": "in turn (haproxy, roundrobin)", "leastconn": "by how many each has (haproxy, leastconn)", "shared": "to whoever is free (one shared socket)"}
    figures = "; ".join(f"{text} {over(found, way, 'hash')}" for way, text in seen.items() if way in found)
    report.explain(f"The hash deals without a look at the copies. p99 of uneven work at 70 % load, over the hash's, where connections are dealt {figures}.")


def plot(results):
    """p99 over load, by the ways that were measured."""
    lines = ["set xlabel 'load, % of the measured capacity'", "set ylabel 'p99, ms'", "set xrange [35:95]", "set yrange [0:*]", "set key top left", "set multiplot layout 1,2"]
    for kind in ("uneven", "even"):
        loads = sorted(load for other, load in results if other == kind)
        series = {way: [(load, statistics.median(column(results[kind, load][way], "p99"))) for load in loads if way in results[kind, load]] for way in PLOTTED}
        lines += [f"set title 'How soon do 99 % of the clients have an answer? {kind.capitalize()} work'",
                  *curves({way: points for way, points in series.items() if points}, "linespoints")]
    draw("latency", "1100,420", *lines, "unset multiplot")


def run(report, form):
    cells = cells_of(form)
    kinds = dict.fromkeys(kind for kind, _ in cells)
    report.add("## Open loop", "Four copies of a blocking server that sleeps for as long as a request asks. Requests come at random (Poisson) whatever became of those before them, "
               "each on a connection of its own, and count from when they were due. One shared socket: copies that block in accept(2), of which the kernel wakes one for a connection, "
               "as EPOLLEXCLUSIVE does for those that wait by epoll.",
               "In a round all ways get the same requests from the same addresses, drawn from 127/8, and ports: so the kernel's hash deals both its measurements alike, and its control "
               "shows what the machine adds. The luck of the draw, different in each round, is in the interval. Medians of the rounds; p99.9 over all of them. Ratios are to the mean of the "
               "round's two measurements.",
               f"The CPU-bound form of the uneven work ran, with {copies_for('burning')} copies." if "burning" in kinds else
               f"The CPU-bound form of the uneven work did not run: it requires more than two CPUs, and this machine has {len(CPUS)}.")
    capacity = capacities(report, kinds, form)
    results = {}
    for cell, plan in cells.items():
        results[cell] = measured_rounds(cell, plan, capacity[cell[0]])
        show(report, cell, plan, results[cell])
    goals(report, results)
    ranks(report, results)
    explain(report, results["uneven", 70])
    plot(results)
    report.add("![p99 over load](latency.svg)")

# SPDX-License-Identifier: MIT
"""One of four copies stops under open-loop load: which clients get no answer, by what deals them out."""

import statistics

from cell import COPIES, OURS, WAYS, measure, schedule, work
from openloop import column, disturbance
from plots import curves, draw
from report import table

TAKES = {"smoke": 4, "quick": 11, "full": 95}  # seconds
LOAD, PATIENCE, BIN = 40, 1000, 0.1  # percent of four copies, milliseconds, seconds
PLOTTED = ("hash", "shared", "leastconn", "balance")
FORMS = {  # seconds before the stop and after it, rounds, ways, kinds of work
    "smoke": (0.3, 0.3, 1, ("hash", "shared", "balance"), ("even",)),
    "quick": (0.5, 1.5, 1, PLOTTED, ("even",)),
    "full": (1, 3, 2, (*PLOTTED, "maxconn"), ("even", "uneven")),
}


def plan(kind, seconds, seed):
    """Requests for so long."""
    mean = sum(work(kind, 10)) / 10
    return schedule(kind, LOAD, round(seconds * 1e6 / mean * COPIES * LOAD / 100), seed)


def unanswered(result, before):
    """The percentage that got no answer, of the clients due after the stop. Those that were due before it and hang, too,
    are among the unanswered."""
    due_after = sum(due >= before for due, _ in result["ends"])
    return sum(end != "answered" for _, end in result["ends"]) * 100 / due_after


def by_time(found, before):
    """[(seconds since the stop, percentage of the clients due then that got no answer)] over all rounds."""
    bins = {}
    for due, end in (client for result in found for client in result["ends"]):
        bins.setdefault(int((due - before) // BIN), []).append(end != "answered")
    return [(number * BIN + BIN / 2, 100 * statistics.mean(ends)) for number, ends in sorted(bins.items())]


def plot(results, before):
    draw("stopped", "800,420", "set title 'Which clients get no answer after one of four copies has stopped?'",
         "set xlabel 'when the client came, seconds since the stop'", f"set ylabel 'no answer within {PATIENCE / 1000:g} s, %'", "set yrange [-1:40]", "set key top left",
         *curves({way: by_time(results[way], before) for way in PLOTTED if way in results}, "lines"))


def show(report, kind, results, before):
    shares = {way: [unanswered(result, before) for result in found] for way, found in results.items()}
    rows = [(WAYS[way], f"{statistics.median(shares[way]):.2f}", f"{min(shares[way]):.2f} – {max(shares[way]):.2f}", sum(column(found, "failed")),
             *(f"{statistics.median(column(found, name)):.1f}" for name in ("p50", "p90", "p99"))) for way, found in results.items()]
    report.add(table((f"{kind} work", "no answer, %", "range", "refused or reset", "p50 ms", "p90 ms", "p99 ms"), rows))
    medians = {WAYS[way]: statistics.median(found) for way, found in shares.items()}
    report.count(f"run --balance, one of four stopped, {kind} work: percentage of clients without an answer", medians[WAYS["balance"]], 0.5, noise=disturbance(results))
    report.rank(f"% of clients without an answer, one of four stopped, {kind} work", medians, OURS, lower=True)
    report.explain(f"One of four copies stopped, {kind} work: the kernel's hash goes on dealing to it, and {medians[WAYS['hash']]:.1f} % of the clients that come after get no answer; "
                   f"with run --balance {medians[WAYS['balance']]:.2f} %.")


def run(report, form):
    before, after, rounds, ways, kinds = FORMS[form]
    report.add("## One of four copies is stopped", f"By SIGSTOP, {before:g} s after the first client has come, at {LOAD} % of what four copies could do if only the work took time. For "
               f"{after:g} s more, clients come. A client without an answer within {PATIENCE / 1000:g} s leaves, and counts with that time. Percentages are of the clients due after the stop. "
               f"Rounds: {rounds}.")
    for kind in kinds:
        results = {way: [] for way in ways}
        for number in range(rounds):
            requests = plan(kind, before + after, number)
            for way in ways:
                results[way].append(measure(way, requests, PATIENCE, stop=1, delay=before))
        show(report, kind, results, before)
        if kind == "even":
            plot(results, before)
    report.add("![One of four copies is stopped](stopped.svg)")

# SPDX-License-Identifier: MIT
"""Load in a closed loop: clients that each send a request when they have had an answer, so many of them that the
CPUs are busy. It shows throughput; the open loop shows what clients wait."""

import contextlib
import re
import resource
import statistics
import subprocess
import time
from typing import NamedTuple

from cell import cpu_seconds
from machine import CPUS
from report import table
from rounds import Comparison, ratio, rounds_of
from servers import PORT, REUSEPORT, behind_haproxy, placed

CONNECTIONS = 64
MODES = {"close": "new connections", "keep": "keep-alive"}
NAMES = {
    "one": "one copy",
    "roundrobin": "haproxy, roundrobin",
    "leastconn": "haproxy, leastconn",
    "unlocked": "one socket",
    "exclusive": "one socket, EPOLLEXCLUSIVE",
    "passing": "one socket, passing on as nginx does",
    "workers": "workers of one nginx, one socket",
    "native": "SO_REUSEPORT of its own",
    "again": "the base again, as a control",
    "library": "reuseport, library",
    "seccomp": "reuseport, seccomp",
}
OURS = {NAMES["library"], NAMES["seccomp"]}
METHODS = {"library": "preload", "seccomp": "seccomp"}


class Measured(NamedTuple):
    rate: float  # requests per second
    p50: float  # milliseconds
    p99: float
    failed: int
    loading: float  # CPU of the load generator, in percent of one
    dealing: float  # CPU of haproxy


def by_reuseport(way, command):
    return [REUSEPORT, "run", "-m", METHODS[way], "-p", str(PORT), *command]


def share(count):
    """Of the connections, rounded up."""
    return -(-CONNECTIONS // count)


@contextlib.contextmanager
def dispatched(balance, copy, count):
    """Copies behind haproxy; copy(port, index) is a command. None gets more than its share of the connections: what is
    more waits in haproxy."""
    with behind_haproxy(balance, lambda port, i: placed(i, count, *copy(port, i)), count, f"maxconn {share(count)}") as (copies, proxy):
        yield [*copies, proxy]


def watched(command, processes):
    """What the load generator prints; and how much of a CPU it took, and haproxy, if that is one of the processes."""
    proxies = [process.pid for process in processes if process.args[0] == "haproxy"]

    def taken():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.monotonic(), used.ru_utime + used.ru_stime, sum(map(cpu_seconds, proxies))

    before = taken()
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    took, loading, dealing = (now - then for now, then in zip(taken(), before))
    return out, loading / took * 100, dealing / took * 100


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def wrk(mode, seconds, processes):
    """wrk knows whole seconds only, and reports what it has when it is interrupted."""
    options = ["-H", "Connection: close"] if mode == "close" else []
    out, loading, dealing = watched(["timeout", "--preserve-status", "-s", "INT", str(seconds), "wrk", "-t1", f"-c{CONNECTIONS}", "-d60s", "--latency", *options,
                                     f"http://127.0.0.1:{PORT}/"], processes)
    percentiles = (milliseconds(re.search(rf"^\s+{share}%\s+(\S+)", out, re.M)[1]) for share in (50, 99))
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout|Non-2xx or 3xx responses:) (\d+)", out)))
    return Measured(float(re.search(r"Requests/sec:\s*([\d.]+)", out)[1]), *percentiles, failed, loading, dealing)


class Results:
    """Of forms, each a way and a number of copies: what each round measured of them, and what they printed."""

    def __init__(self, found, outputs):
        self.found, self.outputs = found, outputs

    def column(self, form, what):
        return [getattr(measured, what) for measured in self.found[form]]

    def median(self, form, what):
        return statistics.median(self.column(form, what))

    def base(self, count):
        """The form that was measured twice."""
        return ("native", count) if ("native", count) in self.found else ("one", 1)

    def over(self, form, what="rate", other=None):
        """The Comparison with the base; or with another form, whose control is the base's of the same rounds."""
        base = self.base(form[1])
        values, first, again = (self.column(one, what) for one in (form, base, ("again", base[1])))
        if not other:
            return Comparison(values, first, again)
        found = Comparison(values, self.column(other, what), self.column(other, what))
        found.control = ratio(again, first)
        return found

    def ways(self, count):
        return [way for way, copies in self.found if copies == count and way not in ("one", "again")]

    def table(self, versus_one):
        """versus_one: with a column for that."""
        rows = []
        for form in self.found:
            base = self.base(form[1])
            alone, other = form in (base, ("one", 1)), base if form[0] == "again" else None
            row = [form[1], NAMES[form[0]], f"{self.median(form, 'rate'):.0f}", "–" if alone else self.over(form, other=other)]
            row += [self.over(form, other=("one", 1)) if form[1] > 1 else "–"] if versus_one else []
            rows.append(row + [f"{self.median(form, what):.2f}" for what in ("p50", "p99")] + ["–" if alone else self.over(form, "p99", other), sum(self.column(form, "failed"))])
        return table(("N", "", "requests/s", "over the base", *(["over one copy"] if versus_one else []), "p50 ms", "p99 ms", "p99 over the base's", "failed"), rows)

    def rank(self, report, subject):
        """Who is best at it with each number of copies of which there is more than one way."""
        for count in sorted({copies for _, copies in self.found}):
            ways = self.ways(count)
            for what, title in (("rate", "requests/s"), ("p99", "p99 in ms")) if len(ways) > 1 else ():
                noise = self.over(("again", self.base(count)[1]), what, self.base(count)).noise
                report.rank(f"{subject}, N = {count}: {title}" + (f" (not measurable here now: {noise})" if noise else ""),
                            {NAMES[way]: self.median((way, count), what) for way in ways}, OURS, lower=what == "p99")

    def explain(self, report, subject, count):
        """Who had the CPUs: where the load takes much of them, or haproxy, another copy brings less."""
        parts = [f"{self.median(('one', 1), 'loading'):.0f} % beside one copy", f"{self.median(('library', count), 'loading'):.0f} % with {NAMES['library']}"]
        if (proxy := ("leastconn", count)) in self.found:
            parts.append(f"{self.median(proxy, 'loading'):.0f} % behind {NAMES['leastconn']}, which took {self.median(proxy, 'dealing'):.0f} % itself")
        report.explain(f"{subject}, N = {count}: of the {len(CPUS) * 100} % of {len(CPUS)} CPUs the load took " + ", ".join(parts) + ".")


def measured(forms, start, measure, rounds):
    """The Results of so many rounds. start(*form) is a context that gives the processes, measure(processes) what they do
    under load."""
    present = []

    @contextlib.contextmanager
    def started(*form):
        with start(*form) as processes:
            present[:] = processes
            yield processes

    return Results(*rounds_of(forms, started, lambda: measure(present), rounds))

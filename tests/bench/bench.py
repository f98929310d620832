# SPDX-License-Identifier: MIT
"""All benchmarks, one report: BUILD/bench/report.md, with plots beside it. A full run of all sections
on an idle machine also replaces tests/bench/report and what README.md shows of it.

usage: bench.py smoke|quick|full [SECTION...]     as root, in a network namespace of its own (make bench)

FORCE=1 in the environment measures on a busy machine, too."""

import os
import re
import shutil
import sys
import time

import balance
import calls
import downtime
import growth
import idle
import kept
import listing
import machine
import openloop
import real
import renewal
import scaling
import starting
import stopped
import udp
import walks
from report import SHORT, Report, table
from servers import BUILD

SECTIONS = {
    "scaling": scaling,
    "real": real,
    "openloop": openloop,
    "stopped": stopped,
    "kept": kept,
    "idle": idle,
    "downtime": downtime,
    "renewal": renewal,
    "udp": udp,
    "growth": growth,
    "calls": calls,
    "starting": starting,
    "walks": walks,
    "list": listing,
    "balance": balance,
}
PLOTS = ("scaling.svg", "latency.svg", "stopped.svg", "renewal.svg")
SHOWN = "latency.svg"  # in the README


def publish(report, made_on):
    """Into the files that git has."""
    here = os.path.dirname(os.path.abspath(__file__))
    os.makedirs(f"{here}/report", exist_ok=True)
    for name in ("report.md", *PLOTS):
        shutil.copyfile(f"{BUILD}/bench/{name}", f"{here}/report/{name}")
    readme = f"{here}/../../README.md"
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    rows = table(SHORT, report.headline.items())
    shown = (f"Made by `make bench-full` on {made_on}; [the report](tests/bench/report/report.md) has the rest, and where others win. "
             "In brackets is a ratio's interval of 95 %; its control is the base over itself, in the same rounds.\n\n"
             f"{rows}\n\n![p99 over load, by what spreads the connections](tests/bench/report/{SHOWN})\n")
    with open(readme, "w", encoding="utf-8") as file:
        file.write(re.sub(r"(<!-- bench -->\n).*(<!-- /bench -->)", lambda found: found[1] + shown + found[2], text, flags=re.S))


def check(busy):
    """Refuses to measure beside something else."""
    if (above := machine.excess(busy)) and not os.environ.get("FORCE"):
        sys.exit(f"bench: this machine is busy: {above}; wait, or set FORCE=1 to measure all the same")


def run_section(name, report, form):
    section = SECTIONS[name]
    print(f"{name}: about {section.TAKES[form]} s", file=sys.stderr)
    begin, before, first = time.monotonic(), machine.times(), len(report.parts)
    section.run(report, form)
    took = time.monotonic() - begin
    report.parts.insert(first + 1, f"This section took {took:.0f} s, in which the host took {machine.shares(before, took)['stolen']:.1f} % of the CPUs.")


def main(form, *names):
    if unknown := [name for name in names if name not in SECTIONS]:
        sys.exit(f"bench: no section {unknown[0]}; there are: {' '.join(SECTIONS)}")
    begin, made_on, busy = time.monotonic(), machine.name(), machine.look()
    check(busy)
    report = Report()
    os.makedirs(f"{BUILD}/bench", exist_ok=True)
    for name in names or SECTIONS:
        run_section(name, report, form)
    head = ["# Benchmarks of reuseport", f"{form.capitalize()} form, made by `make {'bench-full' if form == 'full' else 'bench'}` on: {made_on}. It took {time.monotonic() - begin:.0f} s.",
            f"Before it began: {machine.text(busy)}. Forms that are compared were measured in turn, round by round; what counts is the ratio."]
    with open(f"{BUILD}/bench/report.md", "w", encoding="utf-8") as file:
        file.write(report.text(head))
    print(f"{BUILD}/bench/report.md")
    if form == "full" and not names and not machine.excess(busy):
        publish(report, made_on)


if __name__ == "__main__":
    main(*sys.argv[1:])

# SPDX-License-Identifier: MIT
"""All benchmarks, one report: BUILD/bench/report.md, with plots beside it. A full run of all sections also
replaces tests/bench/report and what README.md shows of it.

usage: report.py quick|full [SECTION...]     as root, in a network namespace of its own (make bench)"""

import os
import platform
import re
import shutil
import sys
import time

import balance
import calls
import listing
import openloop
import real
import replacing
import scaling
import starting
import walks
from common import BUILD, CPUS, Report, table

SECTIONS = {"scaling": scaling, "real": real, "calls": calls, "starting": starting, "balance": balance, "openloop": openloop, "list": listing, "replace": replacing, "walks": walks}


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {len(CPUS)} CPUs, Linux {platform.release()}, loopback, {time.strftime('%Y-%m-%d')}"


def publish(headline, made_on):
    """Into the files that git has."""
    here = os.path.dirname(os.path.abspath(__file__))
    os.makedirs(f"{here}/report", exist_ok=True)
    for name in ("report.md", "scaling.svg", "latency.svg"):
        shutil.copyfile(f"{BUILD}/bench/{name}", f"{here}/report/{name}")
    readme = f"{here}/../../README.md"
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    shown = (
        f"Requests per second, relative to one copy; each request costs 100 µs of CPU; median of interleaved rounds. Made on {made_on}; "
        f"everything else is in [the report](tests/bench/report/report.md).\n\n![Requests per second](tests/bench/report/scaling.svg)\n\n{headline}\n"
    )
    with open(readme, "w", encoding="utf-8") as file:
        file.write(re.sub(r"(<!-- bench -->\n).*(<!-- /bench -->)", lambda found: found[1] + shown + found[2], text, flags=re.S))


def main(form, *names):
    begin, made_on = time.monotonic(), machine()
    report = Report()
    for name in names or SECTIONS:
        SECTIONS[name].run(report, form == "quick")
        print(f"{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    head = ["# Benchmarks of reuseport", f"{form.capitalize()} form, made by `make {'bench' if form == 'quick' else 'bench-full'}` on: {made_on}. "
            f"It took {time.monotonic() - begin:.0f} s. Forms that are compared were measured in turn, round by round; what counts is the ratio.",
            "## What it should show", table(("", "figure", "goal", "reached"), report.goals)]
    os.makedirs(f"{BUILD}/bench", exist_ok=True)
    with open(f"{BUILD}/bench/report.md", "w", encoding="utf-8") as file:
        file.write("\n\n".join(head + report.parts) + "\n")
    print(f"{BUILD}/bench/report.md")
    if form == "full" and not names:
        publish(report.headline, made_on)


if __name__ == "__main__":
    main(*sys.argv[1:])

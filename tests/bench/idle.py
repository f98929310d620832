# SPDX-License-Identifier: MIT
"""What dealing costs while nobody comes."""

from cell import OURS, WAYS, idle
from report import table

TAKES = {"smoke": 6, "quick": 11, "full": 28}  # seconds
SECONDS = {"smoke": 0.5, "quick": 1, "full": 5}


def run(report, form):
    seconds = SECONDS[form]
    found = {WAYS[way]: idle(way, seconds) for way in ("hash", "leastconn", "balance", *(["classic"] if form != "smoke" else []))}
    report.add("## Without load", f"CPU in {seconds:g} s of what deals the connections: the supervisor, or haproxy.",
               table(("", "% of a CPU"), [(way, f"{share:.2f}") for way, share in found.items()]))
    report.count("run --balance, idle: percentage of a CPU", found[WAYS["balance"]], 1)
    report.rank("% of a CPU that dealing takes without load", {way: share for way, share in found.items() if way != WAYS["hash"]}, OURS, lower=True)

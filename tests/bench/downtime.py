# SPDX-License-Identifier: MIT
"""replace against stopping and starting, and against starting and then stopping, under 32 threads that connect
as fast as they can."""

import re
import statistics
import subprocess
import time

from report import table
from servers import BUILD, PORT, REUSEPORT, listeners, wait_for

TAKES = {"smoke": 3, "quick": 5, "full": 60}  # seconds


SERVER = [f"{BUILD}/examples/server", str(PORT), "127.0.0.1"]
SHARED = [REUSEPORT, "run", "-p", str(PORT), *SERVER]


def start(command):
    before = listeners(PORT)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: listeners(PORT) > before)
    except TimeoutError:
        process.kill()
        raise
    return process


def end(process):
    process.terminate()
    process.wait(timeout=30)


def replace(old):
    """Returns the new server's PID, and the seconds until new connections went to it alone."""
    begin = time.perf_counter()
    with subprocess.Popen([REUSEPORT, "replace", str(old.pid), *SERVER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        handed_over = None
        for line in process.stderr:  # not to its end: the new server has inherited it
            if "waiting for what the old server" in line:
                handed_over = time.perf_counter() - begin
            if "signalling" in line:
                break
        new = next(int(found[1]) for line in process.stdout if (found := re.search(r"pid (\d+) .* has replaced", line)))
    old.wait(timeout=30)
    return new, handed_over


def stop_and_start(old):
    begin = time.perf_counter()
    end(old)
    wait_for(lambda: not listeners(PORT))
    return start(SHARED), time.perf_counter() - begin


def start_then_stop(old):
    begin = time.perf_counter()
    new = start(SHARED)
    end(old)
    return new, time.perf_counter() - begin


WAYS = {"reuseport replace": replace, "start, then stop": start_then_stop, "stop and start": stop_and_start}


def storm_through(way, old):
    """Does that while connections come in; seconds to the hand-over and in all, and what the storm says."""
    storm = subprocess.Popen([f"{BUILD}/probes/storm", "127.0.0.1", str(PORT), ""], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.2)
        begin = time.perf_counter()
        new, handed_over = WAYS[way](old)
        took = time.perf_counter() - begin
        time.sleep(0.2)
    finally:
        storm.terminate()
        said = storm.communicate(timeout=60)[0]
    return new, handed_over, took, said


def once(way):
    """Milliseconds to the hand-over and in all, connections answered and failed."""
    wait_for(lambda: not listeners(PORT))  # of the round before
    old = start(SHARED)
    try:
        new, handed_over, took, said = storm_through(way, old)
    except BaseException:
        old.kill()
        raise
    if isinstance(new, int):  # no child of ours
        subprocess.run(["kill", "-TERM", str(new)], check=True)
        wait_for(lambda: not listeners(PORT))
    else:
        end(new)
    answered, failed = map(int, re.search(r"(\d+) answered, (\d+) failed", said).groups())
    return handed_over * 1000, took * 1000, answered, failed


def run(report, form):
    quick = form != "full"
    rounds = 2 if quick else 10
    measured = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            measured[way].append(once(way))
    rows = [(way, f"{statistics.median(m[0] for m in values):.0f}", f"{statistics.median(m[1] for m in values):.0f}", sum(m[2] for m in values), sum(m[3] for m in values))
            for way, values in measured.items()]
    report.add("## replace", f"{rounds} replacements each of the example server; milliseconds.",
               table(("", "to the hand-over", "in all", "connections answered", "lost"), rows))
    report.count("connections lost by replace", sum(m[3] for m in measured["reuseport replace"]), 0, False)

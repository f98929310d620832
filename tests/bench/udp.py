# SPDX-License-Identifier: MIT
"""UDP: datagrams a second through 1, 2, 4 copies, by what spreads them, and the flows that change their copy when one
joins or leaves."""

import contextlib
import random
import socket
import statistics
import subprocess

from machine import CPUS
from report import table
from rounds import Comparison, rounds_of, spread
from servers import BUILD, PORT, REUSEPORT, placed, running, wait_for

TAKES = {"smoke": 4, "quick": 7, "full": 65}  # seconds
FORMS = {"smoke": ((2,), 150, 2, 300), "quick": ((4,), 250, 2, 1000), "full": ((1, 2, 4), 400, 5, 5000)}  # copies, ms, rounds, flows that may move
SERVER, LOAD = f"{BUILD}/bench/udp-server", f"{BUILD}/bench/udp-load"
CLIENTS = 64  # flows of the load
WORK = {200: "each datagram waits 200 µs", 0: "no work"}
CONTROL = "control"
WAYS = {"shared": "one shared socket", "native": "SO_REUSEPORT of its own", CONTROL: "SO_REUSEPORT of its own, again", "library": "reuseport, library"}
FLOW = 5000  # the port that flows come from, each from an address of its own


def bound():
    """How many UDP sockets have the port."""
    with open("/proc/net/udp", encoding="ascii") as lines:
        return sum(int(line.split()[1].split(":")[1], 16) == PORT for line in list(lines)[1:])


@contextlib.contextmanager
def serving(commands, sockets):
    """Runs them, and waits for so many sockets; in the end until there is none."""
    with running(commands, {}) as processes:
        wait_for(lambda: bound() >= sockets)
        yield processes
    wait_for(lambda: not bound())


def by_library(work):
    return [REUSEPORT, "run", "-m", "preload", "-p", f"{PORT}/udp", SERVER, "plain", str(PORT), str(work)]


def start(way, count, work):
    if way == "shared":
        return serving([[SERVER, "plain", str(PORT), str(work), str(count)]], 1)
    command = by_library(work) if way == "library" else [SERVER, "native", str(PORT), str(work)]
    return serving([placed(i, count, *command) for i in range(count)], count)


def load(milliseconds):
    """Datagrams answered in a second, and the percentage of a CPU that the load took."""
    out = subprocess.run([LOAD, str(PORT), str(CLIENTS), str(milliseconds)], capture_output=True, text=True, check=True).stdout
    rate, lost, cpu = out.split()
    if int(lost):
        raise RuntimeError(f"{lost} of {CLIENTS} datagrams are lost")
    return float(rate), float(cpu)


def column(results, form, index=0):
    return [measured[index] for measured in results[form]]


def over_native(results, way, count):
    return Comparison(column(results, (way, count)), column(results, ("native", count)), column(results, (CONTROL, count)))


def rates(report, work, counts, milliseconds, rounds):
    forms = [(way, count) for count in counts for way in WAYS]
    results, _ = rounds_of(forms, lambda way, count: start(way, count, work), lambda: load(milliseconds), rounds)
    rows = []
    for way, count in forms:
        found, over = column(results, (way, count)), over_native(results, way, count)
        rows.append((count, WAYS[way], f"{statistics.median(found):.0f}", spread(found), over, f"{statistics.median(column(results, (way, count), 1)):.0f}"))
    report.add(f"### {WORK[work][0].upper()}{WORK[work][1:]}", table(("N", "", "datagrams/s", "range", "of native", "CPU of the load, %"), rows))
    for count in counts:
        report.compare(f"UDP, library over native, N = {count}, {WORK[work]}", over_native(results, "library", count), 0.98, True)
    most = counts[-1]
    if not over_native(results, "library", most).noise:
        report.rank(f"UDP datagrams a second, N = {most}, {WORK[work]}",
                    {WAYS[way]: statistics.median(column(results, (way, most))) for way in WAYS if way != CONTROL}, [WAYS["library"]])
    if not work:
        report.explain(f"UDP servers that do no work are limited by the {len(CPUS)} CPUs, which the load shares: "
                       f"it takes {statistics.median(column(results, ('native', most), 1)):.0f} % of one beside {most} copies.")


def who_answers(source):
    """The PID of the copy that a flow comes to."""
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.bind((source, FLOW))
        client.connect(("127.0.0.1", PORT))
        client.send(b"?")
        return int(client.recv(16))


def expected(before, after):
    """The share of flows that moves, if the kernel takes member number hash * members >> 32: who has each number."""
    parts = len(before) * len(after)  # in each of which the number is the same, before and after
    return sum(before[part // len(after)] != after[part // len(before)] for part in range(parts)) / parts


def row(what, old, new, before, after):
    """what: the change. old, new: the copies that the flows came to; before, after: all copies, by their numbers."""
    flows, gone = len(old), set(before) - set(after)
    moved = sum(a != b for a, b in zip(old, new))
    least = sum(pid in gone for pid in old) if gone else flows / len(after)
    return what, moved, *(f"{share * 100:.1f} %" for share in (moved / flows, expected(before, after), least / flows))


@contextlib.contextmanager
def copy(number):
    """One copy more, the one of that number: they join in this order."""
    with running([by_library(0)], {}) as (process,):
        wait_for(lambda: bound() == number + 1)
        yield process


def stays(sources, way, count):
    """Nothing changes: the control, and what a socket that several receive from does."""
    with start(way, count, 0):
        first, second = (list(map(who_answers, sources)) for _ in range(2))
    moved = sum(a != b for a, b in zip(first, second))
    return f"nothing changes, {WAYS[way]}, N = {count}", moved, f"{moved * 100 / len(sources):.1f} %", "–" if way == "shared" else "0.0 %", "0.0 %"


def moves(sources, count):
    """One joins so many; then the oldest leaves, and the last takes its number."""
    with contextlib.ExitStack() as stack:
        copies = [stack.enter_context(copy(number)) for number in range(count)]
        few = list(map(who_answers, sources))
        copies.append(stack.enter_context(copy(count)))
        pids = [process.pid for process in copies]
        many = list(map(who_answers, sources))
        copies[0].terminate()
        wait_for(lambda: bound() == count)
        rest, left = list(map(who_answers, sources)), [pids[-1], *pids[1:-1]]
    return row(f"one joins {count}", few, many, pids[:-1], pids), row(f"the oldest of {count + 1} leaves", many, rest, pids, left)


def run(report, form):
    counts, milliseconds, rounds, flows = FORMS[form]
    report.add("## UDP", f"A blocking server that answers each datagram with a few bytes, in N copies; one shared socket: N processes that receive from it. {CLIENTS} flows, each "
               f"of which sends its next datagram when the last one has been answered; {rounds} rounds of {milliseconds / 1000:g} s. The load runs on the same {len(CPUS)} CPUs: "
               "copies that wait show what N of them can do, those without work what a datagram costs.")
    for work in WORK:
        rates(report, work, counts, milliseconds, rounds)
    chance = random.Random(1)
    sources = [f"127.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}" for _ in range(flows)]
    rows = [stays(sources, way, counts[-1]) for way in ("shared", "library")] + [found for count in counts for found in moves(sources, count)]
    report.add("### Flows that move", f"{flows} flows, each asked which copy it comes to, before and after. Next to what was measured: the share that moves if a flow's copy is "
               "its hash, scaled to the number of copies; and the least that has to move, those of the copy that left, or an equal share for the new one.",
               table(("", "moved", "share", "by the scaled hash", "had to move"), rows))
    report.count(f"UDP: flows that move between {counts[-1]} copies while none joins or leaves", rows[1][1], 0)

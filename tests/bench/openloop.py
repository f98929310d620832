# SPDX-License-Identifier: MIT
"""What a blind choice costs, and what dealing by the copies' state gains: four blocking copies under open-loop load,
with one of them stopped, without load, and with connections that are kept."""

import contextlib
import os
import random
import socket
import statistics
import time

from balance import IP_BIND_ADDRESS_NO_PORT
from cell import COPIES, WAYS, WORK, idle, measure, schedule, serving
from report import table
from rounds import percentile, ratio, spread
from servers import PORT, SERVER

TAKES = {"smoke": 5, "quick": 50, "full": 600}  # seconds
CONTROL = "control"  # the hash once more
LATE = 2  # milliseconds by which 99 % of the requests may be sent late
STOPPED_LOAD, CLIENTS, PATIENCE = 40, 1000, 1000  # percent, requests, milliseconds
KEPT, PAUSE = 64, 0.01  # connections, mean seconds between two


def name_of(form):
    return "the hash again, as a control" if form == CONTROL else WAYS[form]


def measured_rounds(forms, cells, rounds):
    """Interleaved: {cell: {form: [result of each round]}}, and how many rounds were measured again, as a whole, because
    something else held the load up. On a busy machine half of them at most; the others stay as they are."""
    results, spare = {cell: {form: [] for form in forms} for cell in cells}, rounds * len(cells) // 2
    again = 0
    for number in range(rounds):
        order = forms[number % len(forms):] + forms[:number % len(forms)]
        for seed, cell in enumerate(cells):
            requests = schedule(*cell, 1000 * number + seed)
            while True:
                found = {form: measure("hash" if form == CONTROL else form, requests) for form in order}
                if again == spare or max(result["late"] for result in found.values()) <= LATE:
                    break
                again += 1
            for form, result in found.items():
                results[cell][form].append(result)
    return results, again


def column(found, name):
    return [result[name] for result in found]


def pooled(found, share, least):
    """A percentile over all rounds, if they have so many requests."""
    took = sorted(time for result in found for time in result["took"])
    return f"{percentile(took, share):.1f}" if len(took) >= least else "–"


def hash_p99(results):
    """Of each round, the mean of both measurements."""
    return [(a + b) / 2 for a, b in zip(column(results["hash"], "p99"), column(results[CONTROL], "p99"))]


def rows_of(results):
    base = hash_p99(results)
    for form, found in results.items():
        p99 = column(found, "p99")
        ratios = [a / b for a, b in zip(p99, base)]
        yield (name_of(form), *(f"{statistics.median(column(found, name)):.1f}" for name in ("p50", "p90", "p99")), spread(p99), pooled(found, 0.999, 10000),
               f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} – {max(ratios):.2f}",
               sum(column(found, "hung")) + sum(column(found, "failed")), f"{max(column(found, 'late')):.2f}", f"{statistics.median(column(found, 'cpu')):.1f}")


def disturbance(results):
    """Why such results say nothing, or "": what holds the load up holds the servers up as well."""
    late = max(result["late"] for found in results.values() for result in found)
    return f"requests were sent {late:.0f} ms late" if late > LATE else ""


def latency(report, forms, cells, rounds):
    results, again = measured_rounds(forms, cells, rounds)
    report.add(f"Of {rounds * len(cells)} rounds {again} were measured again, because more than 1 % of some way's requests were sent over {LATE} ms late.")
    for cell in cells:
        kind, load, requests = cell
        report.add(f"### {kind.capitalize()} work, {load} % load", f"{WORK[kind].capitalize()}; {requests} requests in each of {rounds} rounds.", table(
            ("", "p50 ms", "p90 ms", "p99 ms", "range", "p99.9 ms", "p99 over the hash's", "range", "not answered", "sent late by, ms", "CPU of dealing, %"), rows_of(results[cell])))
        if load == 70:
            goals(report, kind, results[cell])


def goals(report, kind, results):
    p99 = {form: column(found, "p99") for form, found in results.items()}
    over_hash = ratio(p99["balance"], hash_p99(results))
    noise = statistics.median(max(a / b, b / a) for a, b in zip(p99[CONTROL], p99["hash"]))
    disturbed = disturbance(results)
    what = f"run --balance, {kind} work, 70 % load: p99 over"
    if kind == "even":
        report.count(f"{what} the hash's; goal: how far the hash is off from itself", over_hash, round(noise, 2), False, noise=disturbed)
    else:
        report.count(f"{what} the hash's (the hash against itself: a factor of {noise:.2f})", over_hash, 0.6, False, noise=disturbed)
        report.count(f"{what} one shared socket's", ratio(p99["balance"], p99["shared"]), 1.7, False, noise=disturbed)


def one_stopped(report, kinds, rounds):
    report.add("### One of four copies is stopped", f"Before the first of {CLIENTS} clients comes, at {STOPPED_LOAD} % load of four; hung: without an answer within {PATIENCE / 1000:g} s. "
               f"A client that hangs counts with that time. Rounds: {rounds}.")
    for kind in kinds:
        results = {form: [] for form in WAYS}
        for number in range(rounds):
            plan = schedule(kind, STOPPED_LOAD, CLIENTS, 1000 * number)
            for form in WAYS:
                results[form].append(measure(form, plan, PATIENCE, stop=1))
        rows = [(name_of(form), f"{statistics.median(column(found, 'hung')):.0f}", f"{min(column(found, 'hung'))} – {max(column(found, 'hung'))}", sum(column(found, "failed")),
                 *(f"{statistics.median(column(found, name)):.1f}" for name in ("p50", "p90", "p99"))) for form, found in results.items()]
        report.add(table((f"{kind} work", "hung", "range", "failed", "p50 ms", "p90 ms", "p99 ms"), rows))
        report.count(f"run --balance, one of four stopped, {kind} work: percentage of clients that hang", statistics.median(column(results["balance"], "hung")) * 100 / CLIENTS, 0.5, False, noise=disturbance(results))


def nobody_comes(report, seconds):
    found = {form: idle(form, seconds) for form in ("hash", "leastconn", "balance")}
    report.add("### Without load", f"CPU in {seconds} s of what deals the connections: the supervisor, or haproxy.",
               table(("", "% of a CPU"), [(name_of(form), f"{share:.2f}") for form, share in found.items()]))
    report.count("run --balance, idle: percentage of a CPU", found["balance"], 1, False)


def keep_one(number, chance):
    """A connection that has had an answer."""
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    client.bind((f"127.{chance.randrange(256)}.{chance.randrange(256)}.{number + 1}", 0))
    client.connect(("127.0.0.1", PORT))
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    client.recv(1024)
    return client


def descriptors(pids):
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]


def fullest(way, trials):
    """The greatest share of the kept connections over the fair one, in each trial. The copies answer by epoll."""
    chance, shares = random.Random(1), []
    for _ in range(trials):
        with serving(way, (SERVER, "plain", str(PORT), "0", "-1")) as (copies, _):
            before = descriptors(copies)
            with contextlib.ExitStack() as clients:
                for number in range(KEPT):
                    clients.enter_context(keep_one(number, chance))
                    time.sleep(chance.expovariate(1 / PAUSE))
                held = [now - then for now, then in zip(descriptors(copies), before)]
        if sum(held) != KEPT:
            raise RuntimeError(f"{way}: {sum(held)} kept connections instead of {KEPT}")
        shares.append(max(held) * COPIES / KEPT)
    return shares


def kept(report, trials):
    found = {way: fullest(way, trials) for way in ("hash", "balance")}
    report.add("### Connections that are kept", f"{KEPT} of them on four copies, opened one after the other, {PAUSE * 1000:g} ms apart on average; {trials} trials.",
               table(("", "the fullest copy's share over the fair one", "range"),
                     [(name_of(way), f"{statistics.median(shares):.2f}", f"{min(shares):.2f} – {max(shares):.2f}") for way, shares in found.items()]))


def run(report, form):
    quick = form != "full"
    report.add("## Open loop", "Four copies of a blocking server that sleeps for as long as a request asks. Requests come at random (Poisson) whatever became of those before them, each on a connection "
               "of its own from an address drawn from 127/8, and count from when they were due. Load is the percentage of what four copies can serve, by the mean of the work. In a round all ways get "
               "the same requests. Medians of the rounds; p99.9 over all of them. Ratios are to the mean of the round's two measurements of the hash.")
    if quick:
        latency(report, ["hash", "shared", "leastconn", "balance", CONTROL], [("uneven", 70, 1200), ("even", 70, 3000)], 2)
    else:
        cells = [("uneven", 40, 1500), ("uneven", 70, 4000), ("uneven", 90, 2000), *(("even", load, 3000) for load in (40, 70, 90))]
        latency(report, [*WAYS, CONTROL], cells, 3)
    one_stopped(report, ["even"] if quick else list(WORK), 1 if quick else 3)
    nobody_comes(report, 2 if quick else 5)
    kept(report, 3 if quick else 10)

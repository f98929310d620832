# SPDX-License-Identifier: MIT
"""What it costs the clients to change a server for another: for how long one that tries every millisecond finds nobody,
and how many requests are lost that come at a fixed rate."""

import contextlib
import functools
import itertools
import os
import random
import re
import signal
import statistics
import subprocess
import tempfile
import time

import cell
from real import nginx
from report import table
from rounds import percentile
from servers import BUILD, PORT, REUSEPORT, listeners, wait_for

TAKES = {"smoke": 8, "quick": 8, "full": 126}  # seconds
LENGTH, BEGIN = 1.2, 0.2  # seconds of requests, and after which the change begins
SETTLE = 1.3  # seconds until the copies of run are ready, a second after they listen
RATE, WORK = 2000, 200  # requests a second, the tries included, and microseconds that a sleeper takes for each
LIMIT = 1000  # milliseconds after which a client gives up
LATE = 10  # milliseconds by which 99 % of the requests may be sent late
DRAIN = "--drain=5"
MIGRATE = "/proc/sys/net/ipv4/tcp_migrate_req"

# {name: (rounds in the full form, the command of copy number index)}
SERVERS = {
    "the example server": (5, lambda directory, index: [f"{BUILD}/examples/server", str(PORT), "127.0.0.1"]),
    "a server that takes 0.2 ms": (3, lambda directory, index: cell.sleeper("even", PORT)),
    "nginx": (2, lambda directory, index: nginx(directory, PORT, index)),
    "redis-server": (2, lambda directory, index: ["redis-server", "--bind", "127.0.0.1", "--port", str(PORT), "--protected-mode", "no", "--save", "", "--dir", directory]),
}


def plan(seconds, seed):
    """What open-loop reads: a try every millisecond, and Poisson's requests; and which of the lines are tries."""
    chance = random.Random(seed)
    tries = [(1000 * number, True) for number in range(round(1000 * seconds))]
    others = [(int(chance.uniform(0, 1e6 * seconds)), False) for _ in range(round((RATE - 1000) * seconds))]
    due = sorted(tries + others)
    return cell.lines([at for at, _ in due], [WORK] * len(due), chance), [is_try for _, is_try in due]


@contextlib.contextmanager
def requests(text):
    """Sends them during the block, and after it until the last; fills a list with a line for each."""
    lines = []
    with subprocess.Popen([f"{BUILD}/bench/open-loop", str(PORT), str(LIMIT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        load.stdin.write(text)
        load.stdin.close()
        load.stdin = None
        try:
            yield lines
        except BaseException:
            load.kill()
            raise
        lines.extend(load.communicate()[0].splitlines())


def costs(lines, are_tries):
    """From such lines: the longest stretch in which a try found nobody and all of them, in milliseconds; requests, those
    that were lost, and of these those that hung; milliseconds by which 99 % at most were late."""
    fields = [line.split() for line in lines]
    answered = [field[3] == "answered" for field in fields]
    stretches = [len(list(run)) for found, run in itertools.groupby(itertools.compress(answered, are_tries)) if not found]
    late = sorted(int(field[1]) / 1000 for field in fields)
    return {"longest": max(stretches, default=0), "nobody": sum(stretches), "of": len(fields), "lost": answered.count(False),
            "hung": sum(field[3] == "hung" for field in fields), "late": percentile(late, 0.99)}


def start(command, more=1, stderr=subprocess.DEVNULL):
    """Returns when so many sockets more listen."""
    before = listeners(PORT)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, text=True)
    try:
        wait_for(lambda: listeners(PORT) >= before + more or process.poll() is not None)
        if process.returncode is not None:
            raise RuntimeError(f"ended at once: {command}")
    except BaseException:
        process.kill()
        raise
    return process


def start_one(make, index):
    return start([REUSEPORT, "run", "-p", str(PORT), *make(index)])


def start_copies(make, count, *options):
    """A service that can be renewed, once its copies are ready."""
    for index in range(count + 1):
        make(index)
    service = start([REUSEPORT, "run", "-v", "-n", str(count), "--rolling=HUP", DRAIN, *options, "-p", str(PORT), "-I", "{}", *make("{}")], count, subprocess.PIPE)
    time.sleep(SETTLE)
    return service


def end(process):
    process.terminate()
    process.wait(timeout=30)


def nothing(old, _):
    time.sleep(0.2)
    return old


def replace(old, make):
    out = subprocess.run([REUSEPORT, "replace", DRAIN, "--output=/dev/null", str(old.pid), *make(1)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout
    old.wait(timeout=30)
    return int(re.search(r"pid (\d+) .* has replaced", out)[1])


def renew(service, _):
    service.send_signal(signal.SIGHUP)
    for line in service.stderr:
        if "renewal ended" in line:
            if "all copies are new" not in line:
                raise RuntimeError(line)
            return service
    raise RuntimeError("the service has ended")


def stop_and_start(old, make):
    end(old)
    wait_for(lambda: not listeners(PORT))
    return start_one(make, 1)


def start_then_stop(old, make):
    new = start_one(make, 1)
    end(old)
    return new


def migrating(old, make):
    """The same where the kernel passes on what waits in the queue of a socket that is closed."""
    with open(MIGRATE, "w", encoding="ascii") as file:
        file.write("1")
    try:
        return start_then_stop(old, make)
    finally:
        with open(MIGRATE, "w", encoding="ascii") as file:
            file.write("0")


HEAD = ("", "found nobody for at most, ms", "range", "in all, ms", "requests lost", "of them hung", "of", "the change took, ms", "sent late by, ms")
CONTROL, REPLACE, RENEWAL, STOP, LAST = "nothing, as a control", "reuseport replace", "renewal of two copies", "stop and start", "start, then stop"
WAYS = {CONTROL: nothing, REPLACE: replace, RENEWAL: renew, STOP: stop_and_start, LAST: start_then_stop}
WAYS |= {f"{LAST}, net.ipv4.tcp_migrate_req=1": migrating} if os.path.exists(MIGRATE) else {}


@contextlib.contextmanager
def serving(way, make):
    """A server; a list whose only element is the one to be ended in the end, a process or, if it is no child, a PID."""
    serves = [start_copies(make, 2) if way == RENEWAL else start_one(make, 0)]
    try:
        yield serves
    finally:
        if isinstance(serves[0], int):
            os.kill(serves[0], signal.SIGTERM)
        else:
            end(serves[0])
        wait_for(lambda: not listeners(PORT))


def measure(way, make, seed):
    """What that change of a server made so costs; whether requests came to its end."""
    length = LENGTH + (way == RENEWAL)
    text, are_tries = plan(length, seed)
    with serving(way, make) as serves:
        with requests(text) as lines:
            time.sleep(BEGIN)
            begin = time.monotonic()
            serves[0] = WAYS[way](serves[0], make)
            took = time.monotonic() - begin
    return costs(lines, are_tries) | {"took": took * 1000, "covered": BEGIN + took < length}


def measured(ways, make, rounds):
    found = {way: [] for way in ways}
    for number in range(rounds):
        for way in ways[number % len(ways):] + ways[:number % len(ways)]:
            found[way].append(measure(way, make, number))
    return found


def column(found, name):
    return [result[name] for result in found]


def row(way, found):
    longest, nobody = column(found, "longest"), column(found, "nobody")
    return (way, f"{statistics.median(longest):g}", f"{min(longest)} – {max(longest)}", f"{statistics.median(nobody):g}",
            *(sum(column(found, name)) for name in ("lost", "hung", "of")), f"{statistics.median(column(found, 'took')):.0f}", f"{max(column(found, 'late')):.1f}")


def disturbance(results):
    """Why such results say nothing, or ""."""
    if lost := total(results, CONTROL, "lost"):
        return f"{lost} requests were lost while nothing changed"
    ours = [result for found in results for way in (REPLACE, RENEWAL) for result in found[way]]
    if (late := max(column(ours, "late"))) > LATE:
        return f"requests were sent {late:.0f} ms late"
    if outlasting := [result["took"] for result in ours if not result["covered"]]:
        return f"one took {max(outlasting):.0f} ms, longer than the requests"
    return ""


def total(results, way, name):
    return sum(sum(column(found[way], name)) for found in results)


def goals(report, results, noise):
    """results: {way: [result of each round]} of each server."""
    for name, way in (("replace", REPLACE), ("renewal", RENEWAL)):
        report.count(f"connections lost by {name}", total(results, way, "lost"), 0, noise=noise)
        report.count(f"longest stretch in which a client found nobody, {name}: ms", max(max(column(found[way], "longest")) for found in results), 0, noise=noise)


def ranks(report, server, found):
    ours, ways = (REPLACE, RENEWAL), [way for way in found if way != CONTROL]
    report.rank(f"milliseconds in which a client finds nobody, {server}", {way: statistics.median(column(found[way], "longest")) for way in ways}, ours, lower=True)
    report.rank(f"requests lost of 10 000, {server}", {way: 1e4 * total([found], way, "lost") / total([found], way, "of") for way in ways}, ours, lower=True)


def conclusions(report, results, noise):
    lost, stretch = total(results, LAST, "lost"), max(max(column(found[LAST], "longest")) for found in results)
    if lost and not noise:
        report.explain("Starting before stopping loses what the old server has not accepted or not answered when it ends: "
                       f"{lost} of {total(results, LAST, 'of')} requests, though a client found nobody for at most {stretch} ms.")
    first = results[0]
    longest = {way: statistics.median(column(first[way], "longest")) for way in (REPLACE, STOP)}
    report.headline["a replacement under load: longest time in which a client that tries every millisecond found nobody"] = (
        f"{longest[REPLACE]:g} ms, {total([first], REPLACE, 'lost')} of {total([first], REPLACE, 'of')} requests lost "
        f"(stop and start: {longest[STOP]:g} ms, {total([first], STOP, 'lost')} lost)")


def run(report, form):
    quick = form != "full"
    ways = [way for way in WAYS if not quick or WAYS[way] is not migrating]
    report.add("## Downtime", f"A server is replaced by another while {RATE} requests a second come: one every millisecond, the tries, the others at random (Poisson), each "
               f"on a connection of its own from an address drawn from 127/8. One that is not answered within {LIMIT / 1000:g} s is lost, and if it is a try, found nobody. "
               "Medians over the rounds, with the range; requests are those of all rounds. Short gaps show only while requests are sent in time: the last column says by how "
               "much 99 % of them were late at most.")
    results = {}
    for server in list(SERVERS)[:1] if quick else SERVERS:
        rounds, make = SERVERS[server]
        with tempfile.TemporaryDirectory() as directory:
            results[server] = measured(ways, functools.partial(make, directory), 1 if quick else rounds)
        report.add(f"### {server[0].upper()}{server[1:]}", table(HEAD, [row(way, results[server][way]) for way in ways]))
        if not disturbance([results[server]]):
            ranks(report, server, results[server])
    found = list(results.values())
    noise = disturbance(found)
    goals(report, found, noise)
    conclusions(report, found, noise)

# SPDX-License-Identifier: MIT
"""One measurement under open-loop load: blocking copies of a server, one way to share a port, one load, one kind of
work. By itself, for whoever tunes such a way:

    python3 tests/bench/cell.py --way balance --load 70 --work uneven --requests 5000     as root"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time

from machine import CPUS
from rounds import percentile
from servers import BUILD, PORT, REUSEPORT, behind_haproxy, running, wait_for


SLEEPER = f"{BUILD}/bench/sleeper"
COPIES = 4
HAPROXY = {"roundrobin": "", "leastconn": "", "maxconn": "maxconn 1"}  # options of each server
WAYS = {
    "hash": "the kernel's hash",
    "shared": "one shared socket",
    "roundrobin": "haproxy, roundrobin",
    "leastconn": "haproxy, leastconn",
    "maxconn": "haproxy, leastconn, maxconn 1",
    "balance": "run --balance",
    "classic": "run --balance without CAP_BPF",
}
OURS = (WAYS["balance"], WAYS["classic"])
WORK = {"even": "every request sleeps 1 ms", "uneven": "10 % sleep 50 ms, the others 1 ms", "burning": "10 % take 50 ms of CPU, the others 1 ms"}  # what work() draws
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


def copies_for(kind):
    """How many copies serve that work. Those that need a CPU each leave one to the load."""
    return max(1, min(COPIES, len(CPUS) - 1)) if kind == "burning" else COPIES


def work(kind, requests):
    """Microseconds for each request, before they are shuffled: exact shares, so that the load is what it is called."""
    slow = 0 if kind == "even" else requests // 10
    return [50000] * slow + [1000] * (requests - slow)


def lines(times, durations, chance):
    """What open-loop reads. The source is drawn, port included: whoever gets the same lines is dealt the same way by
    the kernel's hash, which depends on nothing else in one network namespace."""
    sources = (f"127.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)} {chance.randrange(1024, 65536)}" for _ in durations)
    return "".join(f"{due:.0f} {source} {duration}\n" for due, source, duration in zip(times, sources, durations))


def schedule(kind, load, requests, seed, capacity=1):
    """Arrivals are Poisson's, given their number: independent and uniform over the time in which they ask for that
    percentage of what the copies can do. capacity: what they can, over what they could if only the work took time."""
    chance = random.Random(seed)
    durations = work(kind, requests)
    length = sum(durations) / (copies_for(kind) * capacity) / (load / 100)
    chance.shuffle(durations)
    return lines(sorted(chance.uniform(0, length) for _ in range(requests)), durations, chance)


def descendants(pid):
    """The process and all below it, parents first. Any may end meanwhile."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children", encoding="ascii") as file:
                    found.extend(map(int, file.read().split()))
    return found


def runs(pid, program):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/exe") == os.path.realpath(program)
    return False


def all_copies(pid, program, count):
    """The PIDs of the copies below a process, as soon as all run."""
    found = []

    def complete():
        found[:] = [child for child in descendants(pid) if runs(child, program)]
        return len(found) == count

    wait_for(complete)
    return found


def sleeper(kind, port=PORT, workers=1):
    return [SLEEPER, str(port), str(workers), *(["burn"] if kind == "burning" else [])]


@contextlib.contextmanager
def serving(way, kind="even", server=None):
    """The copies' PIDs, and that of the process which deals connections out to them, or None. server: what to run on a
    port instead of the sleeper."""
    count = copies_for(kind)
    server = server or (lambda port: sleeper(kind, port))
    if way in HAPROXY:
        balance = "roundrobin" if way == "roundrobin" else "leastconn"
        with behind_haproxy(balance, lambda port, _: server(port), count, HAPROXY[way]) as (copies, proxy):
            yield [process.pid for process in copies], proxy.pid
    elif way == "shared":
        with running([sleeper(kind, PORT, count)], {PORT: 1}) as (process,):
            yield all_copies(process.pid, SLEEPER, count), None
    else:
        options = ["--balance"] if way in ("balance", "classic") else []
        without = ["setpriv", "--bounding-set=-sys_admin,-bpf"] if way == "classic" else []
        with running([[*without, REUSEPORT, "run", "-n", str(count), *options, "-p", str(PORT), *server(PORT)]], {PORT: count}) as (process,):
            yield all_copies(process.pid, server(PORT)[0], count), process.pid


def cpu_seconds(pid):
    """Of all threads."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


@contextlib.contextmanager
def cpu_share(pid):
    """Fills a list with the percentage of a CPU that the process takes during the block; 0 without a process."""
    share, begin = [], time.monotonic()
    before = cpu_seconds(pid) if pid else 0
    yield share
    share.append((cpu_seconds(pid) - before) / (time.monotonic() - begin) * 100 if pid else 0)


@contextlib.contextmanager
def stopped(pids, delay):
    """Stops the processes so many seconds after the block has begun, until its end."""
    def stop():
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

    timer = threading.Timer(delay, stop)
    if delay:
        timer.start()
    else:
        stop()
    try:
        yield
    finally:
        timer.cancel()
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def summary(output):
    """Milliseconds by percentile, and how many clients hung or failed: their time counts until they were given up.
    ends: of each request, the seconds at which it was due, and how it ended."""
    fields = [line.split() for line in output.splitlines()]
    took = sorted(int(field[2]) / 1000 for field in fields)
    late = sorted(int(field[1]) / 1000 for field in fields)
    ends = [(int(field[0]) / 1e6, field[3]) for field in fields]
    counts = {state: sum(end == state for _, end in ends) for state in ("hung", "failed")}
    return {name: percentile(took, share) for name, share in PERCENTILES.items()} | counts | {"late": percentile(late, 0.99), "took": took, "ends": ends}


def send(requests, limit, *clients):
    return subprocess.run([f"{BUILD}/bench/open-loop", str(PORT), str(limit), *map(str, clients)], input=requests, capture_output=True, text=True, check=True).stdout


def measure(way, requests, limit=10000, stop=0, kind="even", delay=0):
    """requests: a schedule. limit: milliseconds after which a client counts as hung. stop: how many copies are stopped,
    so many seconds after the first request."""
    with serving(way, kind) as (copies, dealer):
        with stopped(copies[:stop], delay), cpu_share(dealer) as cpu:
            out = send(requests, limit)
    return summary(out) | {"cpu": cpu[0]}


def closed_loop(kind, seconds):
    """Requests a second that the copies of one shared socket serve twice as many clients, of which each sends its next
    request when it has an answer, and what they would serve if only the work took time. Each asks for the mean of it."""
    mean = sum(work(kind, 10)) // 10
    computed = copies_for(kind) / mean * 1e6
    requests = round(computed * seconds)
    with serving("shared", kind):
        out = send(lines([0] * requests, [mean] * requests, random.Random(1)), 60000, 2 * copies_for(kind))
    return requests / summary(out)["took"][-1] * 1000, computed


def idle(way, seconds):
    """The percentage of a CPU that dealing takes when nobody comes."""
    with serving(way) as (_, dealer):
        time.sleep(1.5)  # what its start takes is not meant
        with cpu_share(dealer) as cpu:
            time.sleep(seconds)
    return cpu[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=WAYS, nargs="+", default=["hash"], help="one or more, measured one after the other in each round")
    parser.add_argument("--load", type=float, default=70, help="percentage of what the copies could do if only the work took time")
    parser.add_argument("--work", choices=WORK, default="uneven")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=1, help="each with another seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stop", type=int, default=0, help="copies to be stopped")
    parser.add_argument("--limit", type=int, default=10000, help="milliseconds after which a client counts as hung")
    parser.add_argument("--idle", type=float, metavar="SECONDS", help="only measure the CPU that dealing takes when nobody comes")
    options = parser.parse_args()
    for number in range(options.rounds):
        requests = schedule(options.work, options.load, options.requests, options.seed + number)
        for way in options.way:
            if options.idle:
                print(f"{way:9} cpu={idle(way, options.idle):.2f}%", flush=True)
                continue
            found = measure(way, requests, options.limit, options.stop, options.work)
            latencies = " ".join(f"{name}={found[name]:.2f}" for name in PERCENTILES)
            print(f"{way:9} {latencies} hung={found['hung']} failed={found['failed']} late={found['late']:.2f} cpu={found['cpu']:.2f}%", flush=True)


if __name__ == "__main__":
    if "BENCH_APART" not in os.environ:  # by itself, as make bench does
        os.environ["BENCH_APART"] = "yes"
        os.execv(os.path.join(os.path.dirname(os.path.abspath(__file__)), "apart.sh"), ["apart.sh", sys.executable, *sys.argv])
    main()

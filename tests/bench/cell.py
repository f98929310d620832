# SPDX-License-Identifier: MIT
"""One measurement under open-loop load: four blocking copies of a server, one way to share a port, one load, one
kind of work. By itself, for whoever tunes such a way:

    python3 tests/bench/cell.py --way balance --load 70 --work uneven --requests 5000     as root"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

from rounds import percentile
from servers import BUILD, PORT, REUSEPORT, running


SLEEPER = f"{BUILD}/bench/sleeper"
COPIES = 4
WAYS = {
    "hash": "the kernel's hash",
    "shared": "one shared socket",
    "leastconn": "haproxy, leastconn",
    "maxconn": "haproxy, leastconn, maxconn 1",
    "balance": "run --balance",
    "classic": "run --balance without CAP_BPF",
}
WORK = {"even": "all take 1 ms", "uneven": "10 % take 50 ms, the others 1 ms"}  # what work() draws
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


def work(kind, requests):
    """Microseconds for each request, before they are shuffled: exact shares, so that the load is what it is called."""
    slow = requests // 10 if kind == "uneven" else 0
    return [50000] * slow + [1000] * (requests - slow)


def schedule(kind, load, requests, seed):
    """What open-loop reads. Arrivals are Poisson's, given their number: independent and uniform over the time in which
    they ask for that percentage of what the copies can do. Addresses are drawn from 127/8."""
    chance = random.Random(seed)
    durations = work(kind, requests)
    length = sum(durations) / COPIES / (load / 100)
    chance.shuffle(durations)
    times = sorted(chance.uniform(0, length) for _ in range(requests))
    sources = (f"127.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}" for _ in range(requests))
    return "".join(f"{due:.0f} {source} {duration}\n" for due, source, duration in zip(times, sources, durations))


def descendants(pid):
    """The process and all below it, parents first."""
    found = [pid]
    for parent in found:
        for thread in os.listdir(f"/proc/{parent}/task"):
            with open(f"/proc/{parent}/task/{thread}/children", encoding="ascii") as file:
                found.extend(map(int, file.read().split()))
    return found


def runs(pid, program):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/exe") == os.path.realpath(program)
    return False


@contextlib.contextmanager
def behind_haproxy(options):
    """Copies on ports of their own behind haproxy in TCP mode with one thread."""
    ports = {PORT + 1 + i: 1 for i in range(COPIES)}
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
        config.write("global\n nbthread 1\n maxconn 8192\ndefaults\n mode tcp\n timeout connect 30s\n timeout client 30s\n timeout server 30s\n timeout queue 30s\n"
                     f"listen all\n bind 127.0.0.1:{PORT} backlog 4096\n balance leastconn\n")
        config.writelines(f" server s{port} 127.0.0.1:{port} {options}\n" for port in ports)
        config.flush()
        with running([[SLEEPER, str(port)] for port in ports], ports) as copies, running([["haproxy", "-db", "-f", config.name]], {PORT: 1}) as proxy:
            yield [process.pid for process in copies], proxy[0].pid


@contextlib.contextmanager
def serving(way, server=(SLEEPER, str(PORT))):
    """The copies' PIDs, and that of the process which deals connections out to them, or None."""
    if way in ("leastconn", "maxconn"):
        with behind_haproxy("maxconn 1" if way == "maxconn" else "") as found:
            yield found
        return
    shared = way == "shared"
    options = ["--balance"] if way in ("balance", "classic") else []
    without = ["setpriv", "--bounding-set=-sys_admin,-bpf"] if way == "classic" else []
    command = [*server, str(COPIES)] if shared else [*without, REUSEPORT, "run", "-n", str(COPIES), *options, "-p", str(PORT), *server]
    with running([command], {PORT: 1 if shared else COPIES}) as (process,):
        yield [pid for pid in descendants(process.pid) if runs(pid, server[0])], None if shared else process.pid


def cpu_seconds(pid):
    """Of all threads."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


@contextlib.contextmanager
def cpu_share(pid):
    """Fills a list with the percentage of a CPU that the process takes during the block."""
    share, begin = [], time.monotonic()
    before = cpu_seconds(pid) if pid else None
    yield share
    if pid:
        share.append((cpu_seconds(pid) - before) / (time.monotonic() - begin) * 100)


@contextlib.contextmanager
def stopped(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def summary(lines):
    """Milliseconds by percentile, and how many clients were hung or failed: their time counts until they were given up."""
    fields = [line.split() for line in lines]
    took = sorted(int(field[2]) / 1000 for field in fields)
    late = sorted(int(field[1]) / 1000 for field in fields)
    found = {name: percentile(took, share) for name, share in PERCENTILES.items()}
    ends = [field[3] for field in fields]
    return found | {"hung": ends.count("hung"), "failed": ends.count("failed"), "late": percentile(late, 0.99), "took": took}


def measure(way, requests, limit=10000, stop=0):
    """requests: a schedule. limit: milliseconds after which a client counts as hung. stop: how many copies are stopped
    before the first request."""
    with serving(way) as (copies, dealer):
        if len(copies) != COPIES:
            raise RuntimeError(f"{way}: {len(copies)} copies instead of {COPIES}")
        with stopped(copies[:stop]), cpu_share(dealer) as cpu:
            out = subprocess.run([f"{BUILD}/bench/open-loop", str(PORT), str(limit)], input=requests, capture_output=True, text=True, check=True).stdout
    return summary(out.splitlines()) | {"cpu": cpu[0] if cpu else 0}


def idle(way, seconds):
    """The percentage of a CPU that dealing takes when nobody comes."""
    with serving(way) as (_, dealer):
        time.sleep(1.5)  # what its start takes is not meant
        with cpu_share(dealer) as cpu:
            time.sleep(seconds)
    return cpu[0] if cpu else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=WAYS, nargs="+", default=["hash"], help="one or more, measured one after the other in each round")
    parser.add_argument("--load", type=float, default=70, help="percentage of what the copies can do")
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
            found = measure(way, requests, options.limit, options.stop)
            latencies = " ".join(f"{name}={found[name]:.2f}" for name in PERCENTILES)
            print(f"{way:9} {latencies} hung={found['hung']} failed={found['failed']} late={found['late']:.2f} cpu={found['cpu']:.2f}%", flush=True)


if __name__ == "__main__":
    if "BENCH_APART" not in os.environ:  # by itself, as make bench does
        os.environ["BENCH_APART"] = "yes"
        os.execv(os.path.join(os.path.dirname(os.path.abspath(__file__)), "apart.sh"), ["apart.sh", sys.executable, *sys.argv])
    main()

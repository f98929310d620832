# SPDX-License-Identifier: MIT
"""Throughput of servers as Debian has them."""

import os
import tempfile

from closed import CONNECTIONS, METHODS, MODES, NAMES, Measured, by_reuseport, dispatched, measured, watched, wrk
from machine import CPUS
from servers import PORT, cpu_of, placed, running

TAKES = {"smoke": 3, "quick": 20, "full": 180}  # seconds
SIZES = {"smoke": (0.3, 1), "quick": (0.4, 3), "full": (0.6, 5)}  # seconds of a measurement, rounds
OTHERS = 3  # rounds at most of what has no goal
NODE = "require('http').createServer((q, r) => r.end('ok')).listen(process.argv[1], '127.0.0.1')"


def nginx(directory, port, index, workers=1, option=""):
    """The file for it is made anew. option: of listen."""
    path = f"{directory}/nginx-{port}-{index}.conf"
    cpus = [cpu_of(i, workers) for i in range(workers)]
    affinity = f"worker_cpu_affinity {' '.join(f'{1 << cpu:b}' for cpu in cpus)};" if workers > 1 and min(cpus) >= 0 else ""
    with open(path, "w", encoding="ascii") as conf:
        conf.write(
            f"daemon off; pid {path}.pid; worker_processes {workers}; {affinity} user root; error_log /dev/null; worker_rlimit_nofile 8192;\nevents {{ worker_connections 4096; }}\n"
            f"http {{ access_log off; keepalive_requests 100000000; server {{ listen 127.0.0.1:{port} backlog=4096 {option}; return 200 ok; }} }}\n"
        )
    return ["nginx", "-c", path, "-e", "/dev/null"]


SERVERS = {
    "nginx": nginx,
    "redis-server": lambda directory, port, index: ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", directory],
    "http.server": lambda directory, port, index: ["/usr/bin/python3", "-m", "http.server", "-b", "127.0.0.1", "-d", directory, str(port)],
    "node": lambda directory, port, index: ["node", "-e", NODE, str(port)],
}


def start(server, way, count, directory):
    make = SERVERS[server]
    if way == "leastconn":
        return dispatched(way, lambda port, i: make(directory, port, i), count)
    if way == "workers":
        return running([nginx(directory, PORT, 0, count)], {PORT: 1})
    if way in ("native", "again") and count > 1:
        return running([nginx(directory, PORT, 0, count, "reuseport")], {PORT: count})
    copies = [make(directory, PORT, i) for i in range(count)]
    return running([placed(i, count, *(by_reuseport(way, copy) if way in METHODS else copy)) for i, copy in enumerate(copies)], {PORT: count})


def redis_load(mode, seconds, processes):
    """redis-benchmark counts requests, not seconds."""
    requests = int(seconds * (60000 if mode == "keep" else 12000))
    command = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(PORT), "-c", str(CONNECTIONS), "-n", str(requests), "-k", str(int(mode == "keep")), "-t", "ping_inline", "--csv"]
    out, loading, dealing = watched(command, processes)
    fields = [field.strip('"') for field in out.strip().splitlines()[-1].split(",")]
    return Measured(float(fields[1]), float(fields[4]), float(fields[6]), 0, loading, dealing)


def cells(form):
    """(server, mode, forms): for nginx who wins with its own ways; for the others what more copies bring."""
    others = [("one", 1), ("again", 1), *((way, 2) for way in ("library", "seccomp", "leastconn"))]
    own = [("one", 1), *((way, 2) for way in ("native", "again", "library", "workers"))]
    if form == "smoke":
        return [("nginx", "close", own), ("redis-server", "keep", [way for way in others if way != ("seccomp", 2)])]
    if form == "quick":
        return [("nginx", mode, own) for mode in MODES]
    own += [("seccomp", 2), ("leastconn", 2), *((way, max(len(CPUS), 4)) for way in ("native", "again", "library", "workers"))]
    # http.server speaks HTTP/1.0
    return [(server, mode, own if server == "nginx" else others) for server in SERVERS for mode in MODES if (server, mode) != ("http.server", "keep")]


def measure(server, mode, forms, seconds, rounds):
    load = redis_load if server == "redis-server" else wrk
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        return measured(forms, lambda way, count: start(server, way, count, directory), lambda processes: load(mode, seconds, processes), rounds)


def run(report, form):
    seconds, rounds = SIZES[form]
    report.add(
        "## Real servers",
        f"Servers that answer a few bytes, and a load of {CONNECTIONS} connections on the same {len(CPUS)} CPUs: wrk's, for redis redis-benchmark's. By reuseport or behind "
        "haproxy each copy is a server of its own (nginx with one worker). nginx by itself is one with N workers: with `reuseport`, which is the base, or with one socket, "
        "which is its default: EPOLLEXCLUSIVE, and passing on. For the others the base is one copy.",
        f"Rounds: {rounds}, for the others at most {OTHERS}, of {seconds} s; medians, in brackets the interval of 95 %.",
    )
    for server, mode, forms in cells(form):
        results, subject = measure(server, mode, forms, seconds, rounds if server == "nginx" else min(rounds, OTHERS)), f"{server}, {MODES[mode]}"
        report.add(f"### {subject}", results.table(server == "nginx"))
        for way, count in results.found:
            if server == "nginx" and way == "library":
                report.compare(f"{subject}, N = {count}: {NAMES[way]} over its own reuseport", results.over((way, count)), 0.98, True)
        results.explain(report, subject, 2)
        results.rank(report, subject)
